/*
 * What may be set otherwise while the engine runs, as by a reload.
 *
 * Rules in force go on as they are: how far their instant selectors look back, and whether their
 * alerts are held, follows with the next rule set. What is kept beside the rules (retention, and what
 * evidence reads) follows at once; series come to the selector of all series, and leave it, in pieces.
 */
#include "engine/engine_internal.h"

#include "base/error.h"

/* ---- what no rule demands, as a reader of all series would keep it ---- */

static int retention_begin(struct engine *engine, int64_t reach_ms)
{
	struct retention *retention = &engine->retention;
	struct matcher any;
	char *why; /* no pattern, nothing to say */
	int code = matcher_init(&any, MATCH_NE, SLICE(METRIC_NAME), SLICE(""), &why);
	if (code)
		return code;
	code = store_selector_begin(engine->store, &any, 1, &retention->kept);
	matcher_fini(&any);
	if (code)
		return code;
	code = selector_reader_add(retention->kept, &engine->asked_ms, reach_ms);
	if (code) {
		store_selector_unref(engine->store, retention->kept);
		retention->kept = NULL;
		return code;
	}
	retention->reach_ms = reach_ms;
	retention->filling = true;
	return 0;
}

static void retention_end(struct engine *engine)
{
	struct retention *retention = &engine->retention;
	if (!retention->kept)
		return;
	selector_reader_remove(retention->kept, &engine->asked_ms, retention->reach_ms);
	/* Two changes, one right after the other: the first is waited for. */
	if (retention->leaving)
		store_selector_unref(engine->store, retention->leaving);
	retention->leaving = retention->kept;
	retention->kept = NULL;
	retention->filling = false;
}

int retention_set(struct engine *engine, int64_t reach_ms)
{
	struct retention *retention = &engine->retention;
	int64_t before_ms = retention->kept ? retention->reach_ms : 0;
	if (reach_ms == before_ms)
		return 0;
	if (!retention->kept)
		return retention_begin(engine, reach_ms);
	if (reach_ms == 0) {
		retention_end(engine);
		return 0;
	}
	int code = selector_reader_add(retention->kept, &engine->asked_ms, reach_ms);
	if (code)
		return code;
	selector_reader_remove(retention->kept, &engine->asked_ms, before_ms);
	retention->reach_ms = reach_ms;
	return 0;
}

bool retention_step(struct engine *engine, int64_t *units)
{
	struct retention *retention = &engine->retention;
	if (retention->filling) {
		int code = store_selector_fill(engine->store, retention->kept, units);
		if (code == ERR_NOMEM) /* the series that are there already are kept by rules alone */
			retention_end(engine);
		retention->filling = code == ERR_AGAIN;
	}
	if (retention->leaving && *units > 0 &&
	    store_selector_drop(engine->store, retention->leaving, units) == 0)
		retention->leaving = NULL;
	return retention->filling || retention->leaving;
}

void retention_fini(struct engine *engine)
{
	retention_end(engine);
	if (engine->retention.leaving)
		store_selector_unref(engine->store, engine->retention.leaving);
	engine->retention.leaving = NULL;
}

/* ---- all of it ---- */

int engine_settings_set(struct engine *engine, const struct engine_settings *settings)
{
	struct engine_options *options = &engine->options;
	int code = evidence_lookback_set(engine, settings->lookback_ms);
	if (!code)
		code = retention_set(engine, settings->retention_ms);
	if (code)
		return code;
	options->store.lookback_ms = settings->lookback_ms;
	options->store.series_max = settings->series_max;
	options->store.ignored_max = settings->ignored_max;
	options->store.memory_max = settings->memory_max;
	store_options_set(engine->store, &options->store);
	options->retention_ms = settings->retention_ms;
	options->sender_timeout_ms = settings->sender_timeout_ms;
	options->resolve_on_silence = settings->resolve_on_silence;
	options->start_times = settings->start_times;
	options->query_samples_max = settings->query_samples_max;
	options->queries_at_once =
		settings->queries_at_once ? settings->queries_at_once : QUERIES_AT_ONCE;
	/* Who is overdue or silent by now is another question. */
	engine->senders.check_ms = engine->now_ms;
	return 0;
}
