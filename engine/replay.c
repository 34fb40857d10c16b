#include "engine/replay_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
}

static void on_event(void *ctx, struct alert_event *event)
{
	struct replay_engine *run = ctx;
	if (run->watch)
		run->watch(run->watch_ctx, event);
	run->sink->event(run->sink->ctx, event);
	alert_event_free(event);
}

static void on_note(void *ctx, const struct alert_event *event)
{
	struct replay_engine *run = ctx;
	run->sink->event(run->sink->ctx, event);
}

static void on_batch(void *ctx, struct batch *batch)
{
	struct replay_engine *run = ctx;
	if (run->spare || batch->free_data) {
		batch_free(batch);
		return;
	}
	batch_clear(batch);
	run->spare = batch;
}

static void on_query(void *ctx, struct engine_query *query)
{
	engine_query_free(query);
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
	struct replay_engine *run = ctx;
	run->loaded = code == 0;
}

static void on_sender(void *ctx, const struct sender *sender, const char *what)
{
}

/* ---- rules that fail ---- */

static void failed_add(struct replay_result *result, const struct rule *rule,
		       const struct rule_status *status)
{
	char name[sizeof(result->failed[0].rule)];
	snprintf(name, sizeof(name), SLICE_FMT, SLICE_ARG(rule->name));
	for (size_t i = 0; i < result->nfailed; i++)
		if (strcmp(result->failed[i].rule, name) == 0)
			return;
	if (result->nfailed == REPLAY_FAILED_MAX)
		return;
	struct replay_failed *failed = &result->failed[result->nfailed++];
	memcpy(failed->rule, name, sizeof(name));
	snprintf(failed->why, sizeof(failed->why), "%s", status->error ? status->error : "");
	failed->first_ms = status->last_ms;
}

void replay_engine_look(struct replay_engine *run)
{
	const struct rule_set *rules = engine_rules(run->engine);
	struct engine_stats stats;
	engine_stats_get(run->engine, &stats);
	if (stats.failures == run->failures)
		return;
	run->failures = stats.failures;
	for (uint32_t g = 0; rules && g < rules->ngroups; g++)
		for (uint32_t r = 0; r < rules->groups[g].nrules; r++) {
			const struct rule *rule = &rules->groups[g].rules[r];
			struct rule_status status;
			engine_rule_status(run->engine, rule->id, &status);
			if (status.health == RULE_ERROR)
				failed_add(run->result, rule, &status);
		}
}

/* ---- work ---- */

void replay_engine_settle(struct replay_engine *run)
{
	while (engine_step(run->engine, REPLAY_UNITS))
		;
	replay_engine_look(run);
}

int replay_engine_start(struct replay_engine *run, const struct engine_options *options,
			struct rule_set *rules)
{
	const struct engine_sink sink = {
		.ctx = run,
		.record = on_record,
		.event = on_event,
		.note = on_note,
		.batch = on_batch,
		.query = on_query,
		.loaded = on_loaded,
		.sender = on_sender,
	};
	run->loaded = false;
	int code = engine_new(options, &sink, &run->engine);
	if (code)
		return code;
	engine_load(run->engine, rules);
	replay_engine_settle(run);
	return run->loaded ? 0 : ERR_NOMEM;
}

static uint32_t count_warming(const struct engine *engine)
{
	const struct rule_set *rules = engine_rules(engine);
	uint32_t n = 0;
	for (uint32_t id = 0; rules && id < rules->nrules; id++) {
		struct rule_status status;
		engine_rule_status(engine, id, &status);
		n += status.evaluations == 0;
	}
	return n;
}

void replay_engine_stop(struct replay_engine *run)
{
	struct replay_result *result = run->result;
	struct engine_stats stats;
	if (!run->engine)
		return;
	engine_stats_get(run->engine, &stats);
	result->samples += stats.samples;
	result->evaluations += stats.evaluations;
	result->failures += stats.failures;
	result->missed += stats.missed;
	result->warming = count_warming(run->engine);
	engine_free(run->engine);
	batch_free(run->spare);
	run->engine = NULL;
	run->failures = 0;
	run->spare = NULL;
}
