/*
 * Batches → store: each row is judged, kept or dropped, and counted.
 *
 * While a pass for T runs, a row not newer than T would change what the pass reads: its batch waits
 * aside (with all that follows in it) until the pass ends. So does what a large batch leaves over
 * after INTAKE_UNITS of work.
 *
 * A batch that says how far its source was read (batch_position_add()) is applied in one piece, and
 * after those before it: its samples and its position are one record of the journal.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static void complain(struct batch *batch, uint32_t row, enum append_result result)
{
	if (batch->outcome.conflict + batch->outcome.future > COMPLAINTS_MAX ||
	    !batch_has_room_to_complain(batch))
		return;
	struct labels *labels = NULL;
	if (batch_labels(batch, row, &labels))
		return;
	struct buf text;
	buf_init(&text);
	labels_format(labels, &text);
	buf_add_str(&text, " at ");
	time_format_rfc3339(batch->rows[row].ts_ms, &text);
	if (!buf_ok(&text))
		batch_complain(batch, "%s", error_text(ERR_NOMEM));
	else if (result == APPEND_CONFLICT)
		batch_complain(batch, "duplicate sample for timestamp, with another value: %s",
			       text.ptr);
	else
		batch_complain(batch, "sample more than %d minutes in the future: %s",
			       FUTURE_MAX_MS / 60000, text.ptr);
	buf_fini(&text);
	labels_unref(labels);
}

static void count(struct batch *batch, struct sender *sender, uint32_t row,
		  enum append_result result)
{
	struct batch_outcome *outcome = &batch->outcome;
	switch (result) {
	case APPEND_STORED:
		outcome->stored++;
		sender->stored++;
		return;
	case APPEND_IDENTICAL:
		outcome->identical++;
		sender->identical++;
		return;
	case APPEND_LATE:
		outcome->late++;
		sender->late++;
		return;
	case APPEND_IGNORED:
		outcome->ignored++;
		sender->ignored++;
		return;
	case APPEND_CONFLICT:
		outcome->conflict++;
		complain(batch, row, result);
		break;
	case APPEND_FUTURE:
		outcome->future++;
		complain(batch, row, result);
		break;
	case APPEND_UNKNOWN: /* not after a birth */
	case APPEND_LIMITED:
		outcome->limited++;
		break;
	}
	sender->rejected++;
}

/* Births are sorted by row, as the rows are taken. */
bool intake_has_birth(struct batch *batch, uint32_t row)
{
	while (batch->next_birth < batch->nbirths && batch->births[batch->next_birth].row < row)
		batch->next_birth++;
	return batch->next_birth < batch->nbirths && batch->births[batch->next_birth].row == row;
}

/* Puts the total that a delta leads to in its place. False with *result: there is none. */
static bool delta_add(const struct series *series, struct batch_row *row,
		      enum append_result *result)
{
	int64_t newest_ms;
	double total, delta;
	memcpy(&delta, &row->bits, sizeof(delta));
	if (!window_last(&series->window, INT64_MAX, &newest_ms, &total))
		return true;
	if (newest_ms >= row->ts_ms) {
		*result = newest_ms == row->ts_ms ? APPEND_IDENTICAL : APPEND_LATE;
		return false;
	}
	/* After a stale marker it begins anew, as a counter of a process does. */
	if (!isnan(total))
		delta += total;
	memcpy(&row->bits, &delta, sizeof(delta));
	return true;
}

/*
 * A row that brings its labels, or whose key the store does not know (or knows as ambiguous):
 * labels decide which series it is, so that two series with one key stay two. What is too far ahead
 * makes no series.
 */
static enum append_result append_by_labels(struct engine *engine, struct batch *batch,
					   uint32_t sender, uint32_t at, struct series **series)
{
	struct batch_row *row = &batch->rows[at];
	if (engine->now_ms != TIME_NONE && row->ts_ms > engine->now_ms + FUTURE_MAX_MS)
		return store_count(engine->store, APPEND_FUTURE);
	struct labels *labels = NULL;
	enum window_kind kind = WINDOW_SAMPLES;
	enum append_result result;
	bool is_delta = false;
	if (intake_has_birth(batch, at)) {
		const struct batch_birth *birth = &batch->births[batch->next_birth];
		labels = labels_ref(birth->labels);
		kind = birth->kind;
		is_delta = birth->is_delta;
	} else if (batch_labels(batch, at, &labels)) {
		return store_count(engine->store, APPEND_LIMITED);
	}
	/* That a series of lines has no sample says that no line came, not that nobody sends. */
	if (kind != WINDOW_SAMPLES)
		sender = SENDER_SELF;
	int code = kind == WINDOW_SAMPLES
			   ? store_birth(engine->store, row->key, labels, series)
			   : store_birth_derived(engine->store, row->key, labels, kind, series);
	labels_unref(labels);
	if (code)
		return store_count(engine->store, APPEND_LIMITED);
	if (!*series)
		return APPEND_IGNORED; /* store_birth() has counted it */
	if (is_delta && !delta_add(*series, row, &result))
		return store_count(engine->store, result);
	return store_append_series(engine->store, *series, sender, row->ts_ms, row->bits);
}

/*
 * Into a series as rules write them: journaled, demanded always, and the sender's who is never
 * silent (even if somebody else, who scrapes us, sends the same series).
 */
static enum append_result append_own(struct engine *engine, struct batch *batch, uint32_t at,
				     struct series **series)
{
	const struct batch_row *row = &batch->rows[at];
	assert(batch->nbirths == batch->nrows);
	uint32_t lset = lset_intern(engine->lsets, batch->births[at].labels);
	if (lset == LSET_NONE)
		return APPEND_LIMITED;
	int code = store_local(engine->store, lset, series);
	lset_unref(engine->lsets, lset);
	if (code)
		return APPEND_LIMITED;
	store_sender_set(engine->store, *series, SENDER_SELF);
	return store_append_local(engine->store, *series, row->ts_ms, row->bits);
}

static enum append_result append(struct engine *engine, struct batch *batch, uint32_t sender,
				 uint32_t at, struct series **series, int64_t *units)
{
	const struct batch_row *row = &batch->rows[at];
	enum append_result result = APPEND_UNKNOWN;
	*units -= UNITS_SAMPLE;
	if (!intake_has_birth(batch, at))
		result = store_append(engine->store, row->key, sender, row->ts_ms, row->bits,
				      series);
	if (result != APPEND_UNKNOWN)
		return result;
	*units -= UNITS_BIRTH;
	return batch->own ? append_own(engine, batch, at, series)
			  : append_by_labels(engine, batch, sender, at, series);
}

bool intake_is_held_back(const struct engine *engine, const struct batch_row *row)
{
	return engine->pass.running && row->ts_ms <= engine->pass.t_ms;
}

static bool is_any_held_back(const struct engine *engine, const struct batch *batch)
{
	for (uint32_t at = 0; engine->pass.running && at < batch->nrows; at++)
		if (intake_is_held_back(engine, &batch->rows[at]))
			return true;
	return false;
}

/* Examples stand in the order of rows, as they are taken. */
static void take_examples(struct engine *engine, struct batch *batch, uint32_t row,
			  const struct series *series)
{
	const struct batch_example *example;
	for (; batch->next_example < batch->nexamples; batch->next_example++) {
		example = &batch->examples[batch->next_example];
		if (example->row > row)
			return;
		if (example->row == row)
			example_add(&engine->examples, series->uid, example->ts_ms,
				    batch_example_line(batch, example));
	}
}

/* Start times stand in the order of rows, as they are taken. Without memory the sample has none. */
static void take_start(struct engine *engine, struct batch *batch, uint32_t row,
		       struct series *series)
{
	while (batch->next_start < batch->nstarts && batch->starts[batch->next_start].row < row)
		batch->next_start++;
	if (batch->next_start == batch->nstarts || batch->starts[batch->next_start].row != row)
		return;
	int64_t ts_ms = batch->rows[row].ts_ms, start_ms = batch->starts[batch->next_start].start_ms;
	store_start_add(engine->store, series, ts_ms, start_ms);
	emit_start(engine, series, ts_ms, start_ms);
}

static void stored(struct engine *engine, struct batch *batch, uint32_t at, struct series *series)
{
	const struct batch_row *row = &batch->rows[at];
	if (batch->nstarts > 0 && engine->options.start_times)
		take_start(engine, batch, at, series);
	if (series->watched)
		arrival_sample(engine, series, row->ts_ms, row->bits);
	if (series->kind == WINDOW_SAMPLES) {
		emit_sample(engine, series, row->ts_ms, row->bits);
		return;
	}
	emit_derived_sample(engine, series, row->ts_ms, row->bits);
	if (batch->nexamples > 0)
		take_examples(engine, batch, at, series);
}

/* All rows are applied. */
static void finish(struct engine *engine, const struct batch *batch)
{
	positions_apply(engine, batch);
	if (derived_block_is_full(&engine->derived))
		emit_derived(engine);
}

/* True when all rows are applied. */
static bool apply(struct engine *engine, struct batch *batch, struct sender *sender, int64_t *units)
{
	uint32_t at = batch->next_row;
	bool is_whole = batch->npositions > 0;
	if (batch->is_past)
		return past_apply(engine, batch, units);
	if (is_whole && is_any_held_back(engine, batch))
		return false;
	for (; (*units > 0 || is_whole) && at < batch->nrows; at++) {
		const struct batch_row *row = &batch->rows[at];
		if (intake_is_held_back(engine, row))
			break;
		if (at + STORE_PREFETCH_AHEAD < batch->nrows)
			store_prefetch(engine->store, batch->rows[at + STORE_PREFETCH_AHEAD].key);
		struct series *series = NULL;
		enum append_result result =
			append(engine, batch, sender->id, at, &series, units);
		if (result == APPEND_STORED && series)
			stored(engine, batch, at, series);
		count(batch, sender, at, result);
	}
	if (!batch->own)
		engine->stats.samples += at - batch->next_row;
	batch->next_row = at;
	if (at < batch->nrows)
		return false;
	finish(engine, batch);
	return true;
}

static void park(struct engine *engine, struct batch *batch)
{
	batch->item.next = NULL;
	*engine->parked.end = &batch->item;
	engine->parked.end = &batch->item.next;
	engine->parked.n++;
	engine->parked.with_positions += batch->npositions > 0;
}

static struct batch *unpark(struct engine *engine)
{
	struct queue_item *item = engine->parked.first;
	engine->parked.first = item->next;
	if (!engine->parked.first)
		engine->parked.end = &engine->parked.first;
	struct batch *batch = (struct batch *)item;
	engine->parked.n--;
	engine->parked.with_positions -= batch->npositions > 0;
	item->next = NULL;
	return batch;
}

bool engine_is_full(const struct engine *engine)
{
	return engine->parked.n >= BATCHES_PARKED_MAX;
}

/* Ours, or read by ourselves (files, standard input): by nobody who could fall silent. */
static bool has_sender(const struct batch *batch)
{
	return !batch->own && batch->sender.name[0] != '\0';
}

static void answer(struct engine *engine, struct sender_entry *sender, struct batch *batch)
{
	if (has_sender(batch))
		sender_applied(engine, sender);
	engine->sink.batch(engine->sink.ctx, batch);
}

void engine_batch(struct engine *engine, struct batch *batch)
{
	struct sender_entry *sender = has_sender(batch) ? sender_hear(engine, &batch->sender)
							: &engine->senders.entries[SENDER_SELF];
	if (has_sender(batch) && !batch->is_past)
		sender_lag(engine, sender, batch);
	sender->seen.rejected += batch->outcome.invalid;
	if (!batch->own && !batch->is_past)
		engine->stats.batches++;
	int64_t units = INTAKE_UNITS;
	/* Behind others that wait for their turn, but not behind those that a pass holds back. */
	bool must_wait = engine->parked.n > 0 &&
			 (!engine->pass.running ||
			  (batch->npositions > 0 && engine->parked.with_positions > 0));
	if (!must_wait && apply(engine, batch, &sender->seen, &units)) {
		answer(engine, sender, batch);
		return;
	}
	engine->stats.parked_batches++;
	park(engine, batch);
}

bool intake_step(struct engine *engine, int64_t *units)
{
	while (engine->parked.n > 0 && *units > 0) {
		struct batch *batch = (struct batch *)engine->parked.first;
		struct sender_entry *sender = has_sender(batch)
						      ? sender_known(engine, &batch->sender)
						      : &engine->senders.entries[SENDER_SELF];
		if (!apply(engine, batch, &sender->seen, units))
			break;
		answer(engine, sender, unpark(engine));
	}
	return engine->parked.n > 0;
}

void intake_fini(struct engine *engine)
{
	while (engine->parked.n > 0)
		batch_free(unpark(engine));
}
