/*
 * The past that rules lack when they come into force: asked for, selector by selector, and taken
 * in.
 *
 * A selector is asked for when it is covered less far back than the rules, and whoever else reads
 * it, reach. Not what lines are made into, nor what rules of the set write themselves under that
 * name: nobody else has it. Samples of the past go the way of late ones into the windows; they are
 * nobody's, so that nobody falls silent by them. When the last one is in, the selector is covered,
 * and the next evaluation finds its rules warm.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

static bool is_elsewhere(const struct generation *generation, uint32_t selector)
{
	if (generation->set->plan->selectors[selector].log)
		return false;
	const struct selector *read = binding_selector(generation->binding, selector);
	return generation->set->writers[selector].n == 0 ||
	       !matchers_find_metric(read->matchers, read->nmatchers);
}

/* How far back each selector is read. */
static int reaches_find(struct generation *generation, int64_t *units)
{
	struct past_wishes *wishes = &generation->wishes;
	if (!wishes->reach_ms)
		wishes->reach_ms = calloc(generation->set->plan->nselectors + 1,
					  sizeof(*wishes->reach_ms));
	if (!wishes->reach_ms)
		return ERR_NOMEM;
	for (; wishes->demand < generation->ndemands; wishes->demand++) {
		const struct demand *demand = &generation->demands[wishes->demand];
		if (*units <= 0)
			return ERR_AGAIN;
		if (demand->reach_ms > wishes->reach_ms[demand->selector])
			wishes->reach_ms[demand->selector] = demand->reach_ms;
		*units -= 1;
	}
	return 0;
}

static int wishes_tell(struct engine *engine, struct generation *generation, int64_t *units)
{
	struct past_wishes *wishes = &generation->wishes;
	for (; wishes->selector < generation->set->plan->nselectors; wishes->selector++) {
		uint32_t at = wishes->selector;
		const struct selector *selector = binding_selector(generation->binding, at);
		int64_t from_ms = engine->now_ms - wishes->reach_ms[at];
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= UNITS_READER;
		if (wishes->reach_ms[at] <= 0 || from_ms >= selector->covered_since_ms ||
		    !is_elsewhere(generation, at))
			continue;
		engine->sink.history(engine->sink.ctx, selector, from_ms);
		*units -= UNITS_WISH;
	}
	return 0;
}

bool past_step(struct engine *engine, int64_t *units)
{
	struct generation *generation = engine->active;
	if (!generation || !generation->wishes.are_due || engine->now_ms == TIME_NONE)
		return false;
	int code = reaches_find(generation, units);
	if (!code)
		code = wishes_tell(engine, generation, units);
	if (code == ERR_AGAIN)
		return true;
	/* Without memory rules warm up by what comes in. */
	free(generation->wishes.reach_ms);
	generation->wishes = (struct past_wishes){ .are_due = false };
	return false;
}

static int find_series(struct engine *engine, struct batch *batch, uint32_t at,
		       struct series **series)
{
	struct labels *labels;
	*series = NULL;
	int code = batch_labels(batch, at, &labels);
	if (code)
		return code;
	code = store_birth(engine->store, batch->rows[at].key, labels, series);
	labels_unref(labels);
	if (code == 0 && *series && (*series)->local)
		*series = NULL; /* a rule writes it */
	return code;
}

static void past_count(struct batch_outcome *outcome, enum append_result result)
{
	outcome->stored += result == APPEND_STORED;
	outcome->identical += result == APPEND_IDENTICAL;
	outcome->late += result == APPEND_LATE;
	outcome->ignored += result == APPEND_IGNORED;
	outcome->conflict += result == APPEND_CONFLICT;
	outcome->future += result == APPEND_FUTURE;
	outcome->limited += result == APPEND_LIMITED;
}

/* When all rows are applied. */
static void cover(struct engine *engine, const struct batch *batch)
{
	if (!batch->covers)
		return;
	const struct selector *selector = store_coverage_fill(
		engine->store, slice_from(batch->covers), batch->covers_since_ms);
	if (selector)
		emit_coverage(engine, selector, selector->covered_since_ms);
}

bool past_apply(struct engine *engine, struct batch *batch, int64_t *units)
{
	struct series *series = NULL;
	bool is_known = false; /* it is the one of the row before */
	uint32_t at = batch->next_row;
	for (; *units > 0 && at < batch->nrows; at++) {
		const struct batch_row *row = &batch->rows[at];
		enum append_result result = APPEND_LIMITED;
		if (intake_is_held_back(engine, row))
			break;
		if (!is_known || intake_has_birth(batch, at)) {
			is_known = find_series(engine, batch, at, &series) == 0;
			*units -= UNITS_BIRTH;
		}
		if (is_known)
			result = series ? store_append_past(engine->store, series, row->ts_ms,
							    row->bits)
					: APPEND_IGNORED;
		if (result == APPEND_STORED)
			emit_sample(engine, series, row->ts_ms, row->bits);
		past_count(&batch->outcome, result);
		*units -= UNITS_SAMPLE;
	}
	batch->next_row = at;
	if (at < batch->nrows)
		return false;
	cover(engine, batch);
	return true;
}

void engine_history_set(struct engine *engine, bool is_wanted)
{
	engine->wants_history = is_wanted && engine->sink.history;
}
