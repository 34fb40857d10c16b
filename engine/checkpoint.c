/*
 * A checkpoint: the whole state as records, in quanta, while the engine goes on.
 *
 * What happens meanwhile is journaled as always and may come before or after the part of the
 * checkpoint that holds the same thing: records are upserts, insertion of samples is idempotent. A
 * sample of a series whose dictionary entry has not come yet in this checkpoint cannot be read
 * back, but its window, which comes with the entry, has it.
 *
 * What lines came to must not be told without how far their sources were read: before each part of
 * the checkpoint, the record of both that is under way is emitted.
 */
#include "engine/engine_internal.h"

#include "base/error.h"
#include "base/text.h"

void engine_checkpoint(struct engine *engine)
{
	if (!engine->options.journal)
		return;
	/* One that is asked for while another is under way begins anew: its records go to a newer
	 * segment. */
	engine->checkpoint = (struct checkpoint){ .stage = CHECKPOINT_SELECTORS,
						  .held = engine->checkpoint.held };
	if (engine->now_ms != TIME_NONE)
		emit_tick(engine);
}

bool engine_checkpoint_hold(struct engine *engine, bool hold)
{
	engine->checkpoint.held = hold;
	return hold && engine->checkpoint.stage != CHECKPOINT_NONE;
}

/* Each stage: true when it is done. */
static bool selectors_step(struct engine *engine, int64_t *units)
{
	size_t n;
	struct selector **selectors = store_selectors(engine->store, &n);
	while (*units > 0 && engine->checkpoint.at < n) {
		const struct selector *selector = selectors[engine->checkpoint.at++];
		if (selector->refs > 0)
			emit_coverage(engine, selector, selector->covered_since_ms);
		*units -= UNITS_READER;
	}
	return engine->checkpoint.at >= n;
}

/* Returns how many there are. */
static uint32_t emit_starts(struct engine *engine, struct series *series)
{
	uint32_t n;
	struct window *const *starts = store_starts(engine->store, &n);
	struct window_view view;
	if (series->row >= n || !starts[series->row])
		return 0;
	window_range(starts[series->row], INT64_MIN, INT64_MAX, &view);
	for (size_t i = 0; i < view.n; i++)
		emit_start(engine, series, view.base_ms + view.offsets[i], (int64_t)view.values[i]);
	return (uint32_t)view.n;
}

static bool series_step(struct engine *engine, int64_t *units)
{
	while (*units > 0) {
		struct series *series = store_next(engine->store, &engine->checkpoint.at);
		if (!series)
			return true;
		emit_series(engine, series);
		emit_tile(engine, series);
		uint32_t nstarts = emit_starts(engine, series);
		*units -= UNITS_BIRTH + series->window.n + nstarts;
	}
	return false;
}

static bool positions_step(struct engine *engine, int64_t *units)
{
	const struct positions *positions = &engine->positions;
	for (; *units > 0 && engine->checkpoint.at < positions->n; engine->checkpoint.at++) {
		const struct position *position = &positions->items[engine->checkpoint.at];
		emit_position(engine, (struct slice){ position->key, position->key_len },
			      (struct slice){ position->payload, position->payload_len });
		*units -= UNITS_READER;
	}
	return engine->checkpoint.at >= positions->n;
}

static bool alerts_step(struct engine *engine, int64_t *units)
{
	const struct generation *active = engine->active;
	for (; active && engine->checkpoint.at < active->set->nrules; engine->checkpoint.at++) {
		if (*units <= 0)
			return false;
		*units -= 1;
		struct rule_state *rule = &active->rules[engine->checkpoint.at];
		for (uint32_t slot = 0; rule->def->kind == RULE_ALERT && slot < rule->instances.n;
		     slot++) {
			if (rule->instances.items[slot].lset == LSET_NONE ||
			    rule->alerts[slot].state == ALERT_INACTIVE)
				continue;
			alert_note(engine, rule, slot, engine->now_ms);
			*units -= UNITS_BIRTH;
		}
	}
	return true;
}

static bool end_step(struct engine *engine, int64_t *units)
{
	engine_flush(engine);
	engine->sink.record(engine->sink.ctx, RECORD_CHECKPOINT_PART, SLICE("engine"));
	return true;
}

bool checkpoint_step(struct engine *engine, int64_t *units)
{
	static bool (*const steps[])(struct engine * engine, int64_t * units) = {
		[CHECKPOINT_SELECTORS] = selectors_step,
		[CHECKPOINT_SERIES] = series_step,
		[CHECKPOINT_POSITIONS] = positions_step,
		[CHECKPOINT_ALERTS] = alerts_step,
		[CHECKPOINT_END] = end_step,
	};
	struct checkpoint *checkpoint = &engine->checkpoint;
	if (checkpoint->stage != CHECKPOINT_NONE)
		emit_derived(engine);
	while (checkpoint->stage != CHECKPOINT_NONE && *units > 0) {
		if (!steps[checkpoint->stage](engine, units))
			break;
		checkpoint->stage = checkpoint->stage == CHECKPOINT_END ? CHECKPOINT_NONE
									: checkpoint->stage + 1;
		checkpoint->at = 0;
	}
	return checkpoint->stage != CHECKPOINT_NONE;
}
