#include "ingest/profile_summary.h"

#include <stdlib.h>

#include "base/error.h"
#include "ingest/profile_stream.h"

struct profile_summary *profile_summary_new(const struct hash_key *key)
{
	struct profile_summary *summary = calloc(1, sizeof(*summary));

	if (summary)
		summary->key = key;
	return summary;
}

void profile_summary_free(struct profile_summary *summary)
{
	if (!summary)
		return;
	for (uint32_t i = 0; i < summary->nstreams; i++)
		profile_stream_free(summary->streams[i]);
	for (int i = 0; i < RATIOS; i++)
		free(summary->value[i]);
	free(summary->seen);
	profile_names_unref(summary->names);
	free(summary);
}

void profile_summary_watch(struct profile_summary *summary, struct profile_names *names)
{
	profile_names_ref(names);
	profile_names_unref(summary->names);
	summary->names = names;
}

uint32_t profile_summary_streams(const struct profile_summary *summary)
{
	return summary->nstreams;
}

/* ---- the numbers ---- */

static int number_add(struct adding *adding, enum series series, double value)
{
	return profile_row_add(adding, series, (struct slice){ 0 }, bits_of_double(value));
}

struct numbers {
	double values[SERIES_COUNT];
	uint32_t there; /* bits */
};

static void number_set(struct numbers *numbers, enum series series, double value)
{
	numbers->values[series] = value;
	numbers->there |= 1u << series;
}

static void sampled_set(const struct adding *adding, double value, double seconds,
			struct numbers *numbers)
{
	double rate = profile_view_rate(adding->profile, adding->view);
	double cpus = adding->target->cpus > 0 ? adding->target->cpus : 1;

	if (rate > 0)
		number_set(numbers, SERIES_SAMPLE_RATE, rate);
	if (adding->view->kind == PROFILE_KIND_CPU && adding->view->value != PROFILE_NONE &&
	    seconds > 0) {
		number_set(numbers, SERIES_CPU_CORES, value / seconds);
		number_set(numbers, SERIES_CPU_UTILIZATION, value / seconds / cpus);
	}
}

static void counted_set(const struct adding *adding, double value, double seconds,
			struct numbers *numbers)
{
	const struct profile_view *view = adding->view;
	double samples;

	if (view->count != PROFILE_NONE)
		samples = profile_sum(adding->profile, view->count);
	else if (view->value != PROFILE_NONE && view->period > 0)
		samples = value / view->period;
	else
		return;
	number_set(numbers, SERIES_SAMPLES, samples);
	if (seconds > 0)
		number_set(numbers, SERIES_SAMPLES_PER_SECOND, samples / seconds);
}

/* A late profile must not bring a sum that goes on to a time before it. */
static void total_set(const struct adding *adding, double value, struct numbers *numbers)
{
	struct stream *stream = adding->stream;

	if (adding->view->mode == PROFILE_GAUGE || adding->is_late)
		return;
	if (is_growing(adding))
		stream->total = value;
	else if (!stream->is_seen || adding->ts_ms > stream->end_ms)
		stream->total += value;
	number_set(numbers, SERIES_VALUE_TOTAL, stream->total);
}

static int numbers_add(struct adding *adding, const struct numbers *numbers)
{
	struct stream *stream = adding->stream;
	/* Pushed ones may come in parts, objects and bytes apart: what one lacks another has. */
	bool is_whole = adding->target->is_fetched && !adding->is_late;
	uint32_t ended = is_whole ? stream->alive & ~numbers->there : 0;
	int code = 0;

	for (int i = 0; code == 0 && i < SERIES_COUNT; i++) {
		if (numbers->there & 1u << i)
			code = number_add(adding, (enum series)i, numbers->values[i]);
		else if (ended & 1u << i)
			code = profile_row_add(adding, (enum series)i, (struct slice){ 0 },
					       STALE_NAN_BITS);
	}
	stream->alive = numbers->there | (is_whole ? 0 : stream->alive);
	return code;
}

static int view_numbers(struct adding *adding)
{
	double seconds = (double)adding->target->duration_ns / 1e9;
	double value = adding->sum * adding->view->scale;
	struct numbers numbers = { .there = 0 };

	counted_set(adding, value, seconds, &numbers);
	if (seconds > 0)
		number_set(&numbers, SERIES_DURATION, seconds);
	if (adding->view->mode == PROFILE_SAMPLED)
		sampled_set(adding, value, seconds, &numbers);
	if (adding->view->value != PROFILE_NONE) {
		number_set(&numbers, SERIES_VALUE, value);
		total_set(adding, value, &numbers);
	}
	if (adding->target->is_fetched)
		number_set(&numbers, SERIES_UP, 1);
	return numbers_add(adding, &numbers);
}

/* ---- one profile ---- */

static void adding_begin(struct adding *adding, struct stream *stream)
{
	adding->stream = stream;
	adding->is_late = stream->is_seen && adding->ts_ms < stream->end_ms;
	labels_builder_init(&adding->labels);
	labels_builder_add_all(&adding->labels, stream->labels);
}

static int view_add(struct adding *adding, const struct profile_view *view)
{
	struct stream *stream;
	int code = profile_stream_get(adding->summary, adding->target, view->name, &stream);

	if (code)
		return code;
	adding->view = view;
	adding_begin(adding, stream);
	adding->sum = view->value == PROFILE_NONE ? 0 : profile_sum(adding->profile, view->value);
	code = view_numbers(adding);
	if (code == 0 && view->value != PROFILE_NONE)
		code = profile_shares_add(adding);
	labels_builder_fini(&adding->labels);
	if (!adding->is_late) {
		stream->is_seen = true;
		stream->end_ms = adding->ts_ms;
	}
	return code;
}

/* ---- the end of series ---- */

/* Stale markers for all that the stream has; profile_up becomes 0 instead if the target is down. */
static int stream_end(struct adding *adding, struct stream *stream, bool is_down)
{
	int code = 0;

	adding_begin(adding, stream);
	for (int i = 0; code == 0 && i < SERIES_COUNT; i++) {
		if (i == SERIES_UP && is_down)
			code = number_add(adding, SERIES_UP, 0);
		else if (stream->alive & 1u << i)
			code = profile_row_add(adding, (enum series)i, (struct slice){ 0 },
					       STALE_NAN_BITS);
	}
	if (code == 0)
		code = profile_shares_end(adding);
	stream->alive = is_down ? 1u << SERIES_UP : 0;
	labels_builder_fini(&adding->labels);
	return code;
}

/* The target's streams with a profile_up that were not used since: how many. */
static int streams_end(struct adding *adding, uint64_t since, bool is_down, uint32_t *n)
{
	struct profile_summary *summary = adding->summary;
	struct hash128 key = labels_hash(adding->target->labels, summary->key);
	int code = 0;

	*n = 0;
	for (uint32_t i = 0; code == 0 && i < summary->nstreams; i++) {
		struct stream *stream = summary->streams[i];

		if (stream->source != adding->target->source || stream->used > since ||
		    !(stream->alive & 1u << SERIES_UP) || !hash128_is_equal(stream->target, key))
			continue;
		(*n)++;
		code = stream_end(adding, stream, is_down);
	}
	return code;
}

static struct adding adding_make(struct profile_summary *summary,
				 const struct profile_target *target, struct batch *batch)
{
	return (struct adding){
		.summary = summary, .target = target, .batch = batch, .ts_ms = target->end_ms
	};
}

int profile_summary_add(struct profile_summary *summary, const struct profile *profile,
			const struct profile_target *target, struct batch *batch)
{
	struct adding adding = adding_make(summary, target, batch);
	struct profile_view views[PROFILE_VIEWS_MAX];
	uint32_t n = profile_views(profile, target->hint, views), ended;
	uint64_t since = summary->clock;
	int code = 0;

	adding.profile = profile;
	for (uint32_t i = 0; code == 0 && i < n; i++)
		code = view_add(&adding, &views[i]);
	/* It was of another kind before, or nobody could know of which while it was down. */
	if (code == 0 && target->is_fetched)
		code = streams_end(&adding, since, false, &ended);
	return code;
}

int profile_summary_fail(struct profile_summary *summary, const struct profile_target *target,
			 struct batch *batch)
{
	struct adding adding = adding_make(summary, target, batch);
	struct stream *stream;
	uint32_t n;
	int code = streams_end(&adding, UINT64_MAX, true, &n);

	if (code || n)
		return code;
	struct slice name = target->hint == PROFILE_KIND_NONE
				    ? (struct slice){ 0 }
				    : slice_from(profile_kind_name(target->hint));

	code = profile_stream_get(summary, target, name, &stream);
	return code ? code : stream_end(&adding, stream, true);
}

int profile_summary_end(struct profile_summary *summary, const struct profile_target *target,
			struct batch *batch)
{
	struct adding adding = adding_make(summary, target, batch);
	uint32_t n;

	return streams_end(&adding, UINT64_MAX, false, &n);
}

void profile_series_reference(struct buf *out)
{
	buf_add_str(out, "| series | meaning |\n|---|---|\n");
#define SERIES(id, name, doc) buf_add_str(out, "| `" name "` | " doc " |\n");
#include "ingest/profile_series.def"
#undef SERIES
}
