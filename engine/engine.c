#include "engine/engine_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

static int symbols_init(struct engine *engine)
{
	const struct {
		uint32_t *symbol;
		struct slice text;
	} all[] = {
		{ &engine->symbol.job, SLICE("job") },
		{ &engine->symbol.instance, SLICE("instance") },
		{ &engine->symbol.name, SLICE(METRIC_NAME) },
		{ &engine->symbol.alertname, SLICE("alertname") },
		{ &engine->symbol.alerts, SLICE("ALERTS") },
		{ &engine->symbol.alerts_for_state, SLICE("ALERTS_FOR_STATE") },
		{ &engine->symbol.alertstate, SLICE("alertstate") },
		{ &engine->symbol.pending, SLICE("pending") },
		{ &engine->symbol.firing, SLICE("firing") },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		*all[i].symbol = symbol_intern(engine->lsets, all[i].text);
		if (*all[i].symbol == UINT32_MAX)
			return ERR_NOMEM;
	}
	return 0;
}

int engine_external_set(struct engine *engine, const struct labels *labels, const char *url)
{
	char *copy = url ? slice_dup(slice_from(url)) : NULL;
	if (url && !copy)
		return ERR_NOMEM;
	labels_unref(engine->external_labels);
	free(engine->external_url);
	engine->external_labels = labels ? labels_ref((struct labels *)labels) : NULL;
	engine->external_url = copy;
	written_forget(engine);
	return 0;
}

const struct labels *engine_external_labels(const struct engine *engine)
{
	return engine->external_labels;
}

const char *engine_external_url(const struct engine *engine)
{
	return engine->external_url ? engine->external_url : "";
}

static int init(struct engine *engine)
{
	engine->store = store_new(&engine->options.store);
	if (!engine->store)
		return ERR_NOMEM;
	engine->lsets = store_lsets(engine->store);
	int code = symbols_init(engine);
	if (!code)
		code = senders_init(&engine->senders);
	if (!code && engine->options.evidence)
		code = evidence_sources_init(engine);
	if (!code)
		code = engine_external_set(engine, engine->options.external_labels,
					   engine->options.external_url);
	return code ? code : retention_set(engine, engine->options.retention_ms);
}

int engine_new(const struct engine_options *options, const struct engine_sink *sink,
	       struct engine **out)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	if (!engine)
		return ERR_NOMEM;
	engine->options = *options;
	engine->sink = *sink;
	engine->now_ms = engine->due_ms = TIME_NONE;
	engine->asked_ms = DUE_UNKNOWN;
	engine->tick_recorded_ms = engine->sweep_ms = TIME_NONE;
	engine->parked.end = &engine->parked.first;
	engine->queries_end = &engine->queries;
	engine->queries_told_ms = TIME_NONE;
	if (!engine->options.queries_at_once)
		engine->options.queries_at_once = QUERIES_AT_ONCE;
	samples_block_init(&engine->block);
	samples_block_init(&engine->starts);
	derived_block_init(&engine->derived);
	positions_init(&engine->positions);
	examples_init(&engine->examples);
	captures_init(&engine->captures);
	recheck_init(&engine->recheck, options->recheck_share);
	buf_init(&engine->buf);
	restore_init(&engine->restore);
	targets_init(&engine->arrival.targets);
	int code = init(engine);
	if (code) {
		engine_free(engine);
		return code;
	}
	*out = engine;
	return 0;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	queries_fini(engine);
	intake_fini(engine);
	generation_free(engine, engine->active);
	generation_free(engine, engine->loading);
	while (engine->retired) {
		struct generation *retired = engine->retired;
		engine->retired = retired->next;
		generation_free(engine, retired);
	}
	rule_set_unref(engine->load_next);
	restore_fini(&engine->restore);
	senders_fini(&engine->senders);
	if (engine->store)
		targets_fini(&engine->arrival.targets, engine->lsets);
	if (engine->store)
		retention_fini(engine);
	evidence_sources_fini(engine);
	captures_fini(engine);
	explains_fini(engine);
	store_free(engine->store);
	labels_unref(engine->external_labels);
	free(engine->external_url);
	derived_block_fini(&engine->derived);
	positions_fini(&engine->positions);
	examples_fini(&engine->examples);
	written_forget(engine);
	buf_fini(&engine->buf);
	free(engine);
}

struct store *engine_store(struct engine *engine)
{
	return engine->store;
}

struct rule_set *engine_rules(const struct engine *engine)
{
	return engine->active ? engine->active->set : NULL;
}

struct binding *engine_binding(const struct engine *engine)
{
	return engine->active ? engine->active->binding : NULL;
}

void engine_time(struct engine *engine, int64_t now_ms)
{
	int64_t before_ms = engine->now_ms;
	if (before_ms != TIME_NONE && now_ms <= before_ms)
		return;
	engine->now_ms = engine->asked_ms = now_ms;
	store_time_set(engine->store, now_ms);
	if (before_ms == TIME_NONE) {
		engine->arrival.targets.learnt_ms = now_ms;
		restore_time(engine);
	}
	schedule_time(engine, before_ms);
	senders_step(engine);
}

/* How many series are looked at until the next second. */
static size_t sweep_share(const struct engine *engine)
{
	struct store_stats stats;
	store_stats_get(engine->store, &stats);
	size_t share = stats.series / 256;
	if (share < SWEEP_SERIES_MIN)
		share = SWEEP_SERIES_MIN;
	return share < stats.series ? share : stats.series;
}

/* Forgets what nobody can reach any more: all series once in some minutes. True: goes on. */
static bool sweep(struct engine *engine, int64_t *units)
{
	if (engine->now_ms == TIME_NONE || *units <= 0)
		return engine->sweep_left > 0;
	if (engine->sweep_left == 0) {
		if (engine->sweep_ms != TIME_NONE && engine->now_ms < engine->sweep_ms + SWEEP_MS)
			return false;
		engine->sweep_left = sweep_share(engine);
		engine->sweep_ms = engine->now_ms;
	}
	size_t n = (size_t)(*units / UNITS_SWEPT) + 1;
	if (n > engine->sweep_left)
		n = engine->sweep_left;
	store_sweep(engine->store, n);
	engine->sweep_left -= n;
	*units -= (int64_t)n * UNITS_SWEPT;
	return engine->sweep_left > 0;
}

bool engine_is_swapping(const struct engine *engine)
{
	return load_is_swapping(engine);
}

/*
 * In this order: batches that wait (they arrived before what comes next is evaluated), the pass,
 * and between passes all that is less urgent, which gets a quarter of the units even when the next
 * pass is due already.
 */
static bool step(struct engine *engine, int64_t *left)
{
	int64_t units = *left;
	int64_t share = units / 4 > 1 ? units / 4 : 1;
	bool more = false;
	if (!engine->pass.running || engine->pass.gave_way)
		more = intake_step(engine, &units);
	if (!engine->pass.running)
		bindings_extend(engine);
	if (load_is_swapping(engine)) {
		units = units > share ? units : share;
		load_step(engine, &units);
		return true;
	}
	restore_tell(engine);
	if (units > 0)
		schedule_step(engine, &units);
	*left = units;
	if (!engine->pass.running) {
		units = units > share ? units : share;
		int64_t before = units;
		more |= load_step(engine, &units);
		if (!engine->checkpoint.held)
			more |= checkpoint_step(engine, &units);
		more |= retention_step(engine, &units);
		more |= query_step(engine, &units);
		more |= store_evict(engine->store, &units) == ERR_AGAIN;
		more |= sweep(engine, &units);
		more |= engine->parked.n > 0;
		*left -= before - units;
	}
	return more || engine->pass.running || schedule_is_due(engine) ||
	       arrival_is_due(engine);
}

bool engine_step(struct engine *engine, int64_t units)
{
	int64_t left = units;
	bool more = step(engine, &left);
	engine->spent.untold += (double)(units - left);
	return more;
}

/* Long ago counts less and less: the machine may have got busier. */
#define PACE_UNITS 1e9

void engine_spent(struct engine *engine, int64_t ns)
{
	/* Without work it was looking for some that took the time. */
	if (engine->spent.untold < 1)
		return;
	engine->spent.units += engine->spent.untold;
	engine->spent.ns += (double)ns;
	engine->spent.untold = 0;
	if (engine->spent.units > PACE_UNITS) {
		engine->spent.units /= 2;
		engine->spent.ns /= 2;
	}
}

double engine_seconds(const struct engine *engine, uint64_t units)
{
	if (engine->spent.units == 0)
		return 0;
	return (double)units * (engine->spent.ns / engine->spent.units) / 1e9;
}

int64_t engine_next_ms(const struct engine *engine)
{
	int64_t next_ms = engine->due_ms;
	int64_t check_ms = engine->senders.check_ms;
	if (check_ms != TIME_NONE && (next_ms == TIME_NONE || check_ms < next_ms))
		next_ms = check_ms;
	int64_t arrival_ms = arrival_next_ms(engine);
	if (arrival_ms != TIME_NONE && (next_ms == TIME_NONE || arrival_ms < next_ms))
		next_ms = arrival_ms;
	return next_ms;
}

void engine_flush(struct engine *engine)
{
	if (!engine->options.journal)
		return;
	emit_blocks(engine);
	emit_derived(engine);
	if (engine->now_ms != TIME_NONE &&
	    (engine->tick_recorded_ms == TIME_NONE ||
	     engine->now_ms >= engine->tick_recorded_ms + TICK_RECORD_MS))
		emit_tick(engine);
}
