/*
 * Records for the journal. A series' dictionary entry goes before its first sample; samples are
 * gathered in a block that engine_flush() emits at the latest.
 */
#include "engine/engine_internal.h"

#include <assert.h>

#include "base/error.h"

static void emit(struct engine *engine, enum record_type type)
{
	/* A record that found no memory is lost, as if the disk were full: the next checkpoint has
	 * it. */
	if (buf_ok(&engine->buf))
		engine->sink.record(engine->sink.ctx, type, buf_slice(&engine->buf));
	else
		buf_fini(&engine->buf);
}

void emit_series(struct engine *engine, struct series *series)
{
	struct labels *labels = lset_to_labels(engine->lsets, series->lset);
	if (!labels)
		return;
	buf_clear(&engine->buf);
	const struct series_entry entry = { series->uid, series->local, series->kind, labels };
	series_record_encode(&entry, &engine->buf);
	labels_unref(labels);
	emit(engine, RECORD_SERIES);
	series->in_dictionary = true;
}

void emit_tile(struct engine *engine, const struct series *series)
{
	struct window_view view;
	window_range(&series->window, INT64_MIN, INT64_MAX, &view);
	if (view.n == 0)
		return;
	buf_clear(&engine->buf);
	tile_record_encode(series->uid, view.base_ms, view.offsets, view.values, view.n,
			   &engine->buf);
	emit(engine, RECORD_TILE);
}


static void emit_block(struct engine *engine, struct samples_block *block, enum record_type type)
{
	buf_clear(&engine->buf);
	samples_block_encode(block, &engine->buf);
	samples_block_init(block);
	emit(engine, type);
}

void emit_blocks(struct engine *engine)
{
	if (engine->block.n > 0)
		emit_block(engine, &engine->block, RECORD_SAMPLES);
	if (engine->starts.n > 0)
		emit_block(engine, &engine->starts, RECORD_STARTS);
}

static void add(struct engine *engine, struct samples_block *block, enum record_type type,
		struct series *series, int64_t ts_ms, uint64_t bits)
{
	if (!engine->options.journal)
		return;
	if (!series->in_dictionary)
		emit_series(engine, series);
	if (samples_block_add(block, series->uid, ts_ms, bits))
		return;
	emit_block(engine, block, type);
	bool added = samples_block_add(block, series->uid, ts_ms, bits);
	assert(added);
	(void)added;
}

void emit_sample(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits)
{
	add(engine, &engine->block, RECORD_SAMPLES, series, ts_ms, bits);
}

void emit_start(struct engine *engine, struct series *series, int64_t ts_ms, int64_t start_ms)
{
	add(engine, &engine->starts, RECORD_STARTS, series, ts_ms, (uint64_t)start_ms);
}

void emit_derived(struct engine *engine)
{
	const struct derived_block *block = &engine->derived;
	if (block->n == 0 && block->npositions == 0)
		return;
	buf_clear(&engine->buf);
	derived_block_encode(block, &engine->buf);
	derived_block_clear(&engine->derived);
	emit(engine, RECORD_DERIVED);
}

/* An event that was added is the last one of its time. */
static int derived_add(struct engine *engine, const struct series *series, int64_t ts_ms,
		       uint64_t bits)
{
	const struct window *window = &series->window;
	if (series->kind == WINDOW_EVENTS) {
		uint32_t ordinal = window_count_at(window, ts_ms) - 1;
		const struct derived_sample event = { series->uid, ordinal, ts_ms, bits };
		return derived_block_add_event(&engine->derived, &event);
	}
	window_get(window, ts_ms, &bits); /* the total */
	return derived_block_add_total(&engine->derived, series->uid, ts_ms, bits);
}

void emit_derived_sample(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits)
{
	if (!engine->options.journal)
		return;
	if (!series->in_dictionary)
		emit_series(engine, series);
	/* Only a batch that nobody should make is so large that a record does not hold it. */
	if (derived_add(engine, series, ts_ms, bits) == ERR_LIMIT) {
		emit_derived(engine);
		derived_add(engine, series, ts_ms, bits);
	}
}

void emit_position(struct engine *engine, struct slice key, struct slice payload)
{
	if (!engine->options.journal)
		return;
	buf_clear(&engine->buf);
	position_record_encode(key, payload, &engine->buf);
	emit(engine, RECORD_POSITION);
}

void emit_coverage(struct engine *engine, const struct selector *selector, int64_t since_ms)
{
	if (!engine->options.journal)
		return;
	buf_clear(&engine->buf);
	const struct coverage_entry entry = { slice_from(selector->text), since_ms,
					      selector->bucket_ms };
	coverage_record_encode(&entry, &engine->buf);
	emit(engine, RECORD_COVERAGE);
}

void emit_alert(struct engine *engine, const struct alert_event *event)
{
	if (!engine->options.journal)
		return;
	buf_clear(&engine->buf);
	alert_event_encode(event, &engine->buf);
	emit(engine, RECORD_ALERT);
}

/*
 * The told time goes into the journal every few seconds, so that the next daemon knows for how long
 * nobody listened (restore.c).
 */
void emit_tick(struct engine *engine)
{
	if (!engine->options.journal)
		return;
	buf_clear(&engine->buf);
	buf_add_u64(&engine->buf, (uint64_t)engine->now_ms);
	emit(engine, RECORD_TICK);
	engine->tick_recorded_ms = engine->now_ms;
}

void write_local(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits)
{
	if (store_append_local(engine->store, series, ts_ms, bits) != APPEND_STORED)
		return;
	if (series->watched)
		arrival_written(engine, series, ts_ms, bits);
	emit_sample(engine, series, ts_ms, bits);
	if (engine->written.is_wanted)
		written_tell(engine, series, ts_ms, bits);
}

struct series *local_series_take(struct engine *engine, uint32_t lset)
{
	struct series *series;
	if (store_local(engine->store, lset, &series))
		return NULL;
	series_pin(series);
	return series;
}

void local_series_end(struct engine *engine, struct series **series, int64_t ts_ms)
{
	if (!*series)
		return;
	write_local(engine, *series, ts_ms, STALE_NAN_BITS);
	series_unpin(engine->store, *series);
	*series = NULL;
}
