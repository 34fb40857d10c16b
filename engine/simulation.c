#include "engine/simulation.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

#define STEP_UNITS 100000000 /* nobody waits beside it: as much as there is */

struct simulation {
	struct engine *engine;
	struct engine_query *answer;
};

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
}

static void on_event(void *ctx, struct alert_event *event)
{
	alert_event_free(event);
}

static void on_batch(void *ctx, struct batch *batch)
{
	batch_free(batch);
}

static void on_query(void *ctx, struct engine_query *query)
{
	struct simulation *simulation = ctx;
	simulation->answer = query;
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
}

static void on_sender(void *ctx, const struct sender *sender, const char *what)
{
}

static void settle(struct simulation *simulation)
{
	while (engine_step(simulation->engine, STEP_UNITS))
		;
}

int simulation_new(const struct simulation_options *options, struct simulation **out)
{
	struct simulation *simulation = calloc(1, sizeof(*simulation));
	if (!simulation)
		return ERR_NOMEM;
	const struct engine_options engine = {
		.store = { .lookback_ms = options->lookback_ms },
		.external_labels = options->external_labels,
		.external_url = options->external_url,
		.warm = true,
		.evidence = true,
		.due_phase_ms = options->start_ms,
		.retention_ms = options->retention_ms,
	};
	const struct engine_sink sink = {
		.ctx = simulation,
		.record = on_record,
		.event = on_event,
		.batch = on_batch,
		.query = on_query,
		.loaded = on_loaded,
		.sender = on_sender,
	};
	int code = engine_new(&engine, &sink, &simulation->engine);
	if (code) {
		free(simulation);
		return code;
	}
	engine_load(simulation->engine, options->rules);
	settle(simulation);
	*out = simulation;
	return 0;
}

void simulation_free(struct simulation *simulation)
{
	if (!simulation)
		return;
	engine_free(simulation->engine);
	free(simulation);
}

struct engine *simulation_engine(struct simulation *simulation)
{
	return simulation->engine;
}

/* The time first: samples are judged by it. What is due then waits until the batch is in. */
void simulation_step(struct simulation *simulation, int64_t t_ms, struct batch *batch)
{
	engine_time(simulation->engine, t_ms);
	if (batch)
		engine_batch(simulation->engine, batch);
	settle(simulation);
}

int simulation_query(struct simulation *simulation, struct slice text, int64_t t_ms,
		     struct diag_list *diags, struct engine_query **out)
{
	struct engine_query *query;
	struct query_settings settings = query_settings_of(engine_rules(simulation->engine));
	int code = engine_query_range_new(text, &(struct query_bounds){ t_ms, t_ms, 0 }, &settings,
					  diags, &query);
	if (code)
		return code;
	code = engine_query(simulation->engine, query);
	if (code) {
		engine_query_free(query);
		return code;
	}
	simulation->answer = NULL;
	settle(simulation);
	assert(simulation->answer);
	*out = simulation->answer;
	return 0;
}
