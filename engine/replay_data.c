/*
 * Data without arrival times through rules: all of it in the order of time, and the engine told of
 * each moment at which it is due.
 */
#include "engine/replay_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

#define BATCH_ROWS 65536u  /* that the engine is given at once */
#define PROGRESS_TICKS 64u /* so many between two reports */

/* ---- series ---- */

static int data_init(struct data *data)
{
	*data = (struct data){ .first_ms = TIME_NONE, .last_ms = TIME_NONE };
	hash_key_derive(&data->key, "replay", 6);
	data->sort = replay_sort_new(0);
	return data->sort ? 0 : ERR_NOMEM;
}

static void data_fini(struct data *data)
{
	for (uint32_t i = 0; i < data->keys.n; i++)
		labels_unref(data->series[i].labels);
	free(data->series);
	key_numbers_fini(&data->keys);
	replay_sort_free(data->sort);
}

int data_series(struct data *data, struct labels *labels, enum window_kind kind, uint32_t *number)
{
	struct hash128 key = labels_hash(labels, &data->key);
	uint32_t found = key_numbers_find(&data->keys, key);
	if (found == KEY_NUMBER_NONE) {
		found = data->keys.n;
		if (!ARRAY_RESERVE(&data->series, found, &data->cap))
			return ERR_NOMEM;
		int code = key_numbers_add(&data->keys, key, DATA_SERIES_MAX);
		if (code)
			return code;
		data->series[found] =
			(struct data_series){ .labels = labels_ref(labels), .kind = kind };
	}
	*number = found;
	return 0;
}

void data_seen(struct data *data, int64_t at_ms)
{
	if (data->first_ms == TIME_NONE || at_ms < data->first_ms)
		data->first_ms = at_ms;
	if (data->last_ms == TIME_NONE || at_ms > data->last_ms)
		data->last_ms = at_ms;
}

int data_add(struct data *data, uint32_t series, int64_t at_ms, int64_t ts_ms, uint64_t bits)
{
	const struct sort_item item = { at_ms, (int32_t)(ts_ms - at_ms), series, bits };
	data->samples++;
	data_seen(data, at_ms);
	return replay_sort_add(data->sort, &item);
}

/* ---- feeding ---- */

struct feeding {
	struct data *data;
	const struct replay_options *options;
	struct replay_engine run;
	struct batch *batch;
	bool by_arrival; /* some group runs when samples arrive */
	int64_t now_ms;
	uint64_t fed, ticks;
};

static int labels_of(const struct batch *batch, uint32_t row, struct labels **out)
{
	const struct data *data = batch->decoder_data;
	*out = labels_ref(data->series[batch->label_at[row]].labels);
	return 0;
}

static int batch_begin(struct feeding *feeding)
{
	if (feeding->batch)
		return 0;
	feeding->batch = feeding->run.spare ? feeding->run.spare : batch_new();
	feeding->run.spare = NULL;
	if (!feeding->batch)
		return ERR_NOMEM;
	feeding->batch->decoder_data = feeding->data;
	feeding->batch->labels_parse = labels_of;
	return 0;
}

static int row_add(struct feeding *feeding, const struct sort_item *item)
{
	struct data_series *series = &feeding->data->series[item->series];
	struct batch *batch = feeding->batch;
	if (batch->nrows == batch->rows_cap && batch_reserve(batch, 1))
		return ERR_NOMEM;
	batch->label_at[batch->nrows] = item->series;
	batch->rows[batch->nrows++] =
		(struct batch_row){ feeding->data->keys.keys[item->series],
				    item->at_ms + item->ahead_ms, item->bits };
	/* Each sample made of lines says of what kind it is. */
	if (series->is_born && series->kind == WINDOW_SAMPLES)
		return 0;
	if (batch_birth_add(batch, batch->nrows - 1, series->labels))
		return ERR_NOMEM;
	labels_ref(series->labels);
	batch->births[batch->nbirths - 1].kind = series->kind;
	series->is_born = true;
	return 0;
}

static void batch_give(struct feeding *feeding)
{
	if (!feeding->batch || feeding->batch->nrows == 0)
		return;
	feeding->fed += feeding->batch->nrows;
	engine_batch(feeding->run.engine, feeding->batch);
	feeding->batch = NULL;
}

static void tell_time(struct feeding *feeding, int64_t t_ms)
{
	feeding->now_ms = t_ms;
	engine_time(feeding->run.engine, t_ms);
}

/* Does it go into the batch that began with the sample of first_ms? */
static bool belongs(const struct feeding *feeding, const struct sort_item *item, int64_t first_ms,
		    int64_t due_ms)
{
	if (!item || item->at_ms > due_ms)
		return false;
	return feeding->by_arrival ? item->at_ms == first_ms : feeding->batch->nrows < BATCH_ROWS;
}

/*
 * Some of the samples that arrive not after the due time. The engine is told a moment before it, so
 * that nothing is evaluated before the last of them is in; where rules wait for samples, the moment
 * at which they arrive.
 */
static int feed_some(struct feeding *feeding, const struct sort_item *item, int64_t due_ms)
{
	int64_t first_ms = item->at_ms;
	int code = batch_begin(feeding);
	while (!code && belongs(feeding, item, first_ms, due_ms)) {
		code = row_add(feeding, item);
		replay_sort_take(feeding->data->sort);
		if (!code)
			item = replay_sort_peek(feeding->data->sort, &code);
	}
	tell_time(feeding, feeding->by_arrival ? first_ms : due_ms - 1);
	batch_give(feeding);
	replay_engine_settle(&feeding->run);
	return code;
}

static void progress(const struct feeding *feeding)
{
	const struct replay_sink *sink = feeding->run.sink;
	uint64_t all = replay_sort_count(feeding->data->sort);
	if (!sink->progress || feeding->ticks % PROGRESS_TICKS)
		return;
	const struct replay_progress now = {
		.t_ms = feeding->now_ms,
		.samples = feeding->fed,
		.share = all ? (double)feeding->fed / (double)all : 1,
	};
	sink->progress(sink->ctx, &now);
}

/* When the engine wants to be told the time; without rules that is never. */
static int64_t due_of(const struct feeding *feeding, const struct sort_item *item)
{
	int64_t due_ms = engine_next_ms(feeding->run.engine);
	if (due_ms == TIME_NONE)
		due_ms = item ? item->at_ms : feeding->data->last_ms;
	return due_ms > feeding->now_ms ? due_ms : feeding->now_ms + 1;
}

/* To the end of the data, and the tick that sees the last of it; or to where it was told to end. */
static int feed(struct feeding *feeding, struct replay_result *result)
{
	const struct data *data = feeding->data;
	int64_t to_ms = feeding->options->to_ms;
	int code = 0;
	if (data->first_ms == TIME_NONE)
		return 0;
	result->from_ms = data->first_ms;
	tell_time(feeding, data->first_ms - 1);
	replay_engine_settle(&feeding->run);
	for (bool is_last = false; !code && !is_last;) {
		const struct sort_item *item = replay_sort_peek(feeding->data->sort, &code);
		int64_t due_ms = due_of(feeding, item);
		is_last = !item && due_ms >= data->last_ms;
		if (code || (to_ms != TIME_NONE && due_ms > to_ms))
			break;
		if (item && item->at_ms <= due_ms) {
			code = feed_some(feeding, item, due_ms);
			continue;
		}
		tell_time(feeding, due_ms);
		replay_engine_settle(&feeding->run);
		feeding->ticks++;
		progress(feeding);
	}
	result->to_ms = feeding->now_ms;
	return code;
}

static bool has_arrival(const struct rule_set *rules)
{
	for (uint32_t i = 0; i < rules->ngroups; i++)
		if (rules->groups[i].evaluate == EVALUATE_ARRIVAL)
			return true;
	return false;
}

static int run(struct data *data, const struct replay_options *options,
	       const struct replay_sink *sink, struct replay_result *result)
{
	struct feeding feeding = { .data = data,
				   .options = options,
				   .run = { .sink = sink, .result = result },
				   .by_arrival = has_arrival(options->rules),
				   .now_ms = TIME_NONE };
	const struct engine_options engine = {
		.store = { .lookback_ms = options->lookback_ms },
		.external_labels = options->external_labels,
		.external_url = options->external_url,
		.warm = true,
	};
	int code = replay_engine_start(&feeding.run, &engine, options->rules);
	if (!code)
		code = feed(&feeding, result);
	batch_free(feeding.batch);
	replay_engine_stop(&feeding.run);
	return code;
}

/* A time of another century, misread or mistyped, would be ticked up to for days. */
static int check_span(const struct data *data, char **why)
{
	struct buf text;
	if (data->first_ms == TIME_NONE || data->last_ms - data->first_ms <= REPLAY_SPAN_MAX_MS)
		return 0;
	buf_init(&text);
	buf_add_str(&text, "the data is of ");
	time_format_rfc3339(data->first_ms, &text);
	buf_add_str(&text, " to ");
	time_format_rfc3339(data->last_ms, &text);
	buf_printf(&text, ": more than %lld days; are its times in the right unit?",
		   (long long)(REPLAY_SPAN_MAX_MS / 86400000));
	*why = buf_take(&text);
	return ERR_LIMIT;
}

int replay_data(const struct replay_data_options *files, const struct replay_options *options,
		const struct replay_sink *sink, struct replay_result *result, char **why)
{
	struct data data;
	*result = (struct replay_result){ .from_ms = TIME_NONE,
					  .to_ms = TIME_NONE,
					  .others_ms = TIME_NONE };
	int code = data_init(&data);
	if (!code)
		code = data_read(&data, files, options->rules, sink, why);
	if (!code)
		code = check_span(&data, why);
	if (!code && (code = replay_sort_end(data.sort)) == ERR_IO)
		*why = strdup("cannot write a temporary file: is TMPDIR full?");
	if (!code)
		code = run(&data, options, sink, result);
	result->passed = data.passed;
	data_fini(&data);
	return code;
}
