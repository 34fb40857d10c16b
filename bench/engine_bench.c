#include "bench/engine_bench.h"

#include <string.h>

/* ---- the sink ---- */

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
	uint64_t *record_bytes = ctx;
	*record_bytes += payload.len;
}

static void on_event(void *ctx, struct alert_event *event)
{
	alert_event_free(event);
}

static void on_batch(void *ctx, struct batch *batch)
{
	require(batch->outcome.stored == batch->nrows, "to store a sample");
	batch_free(batch);
}

static void on_query(void *ctx, struct engine_query *query)
{
	engine_query_free(query);
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
	require(code == 0, "engine_load");
}

struct engine *bench_engine_new(const struct engine_options *options, uint64_t *record_bytes)
{
	const struct engine_sink sink = { .ctx = record_bytes,
					  .record = on_record,
					  .event = on_event,
					  .batch = on_batch,
					  .query = on_query,
					  .loaded = on_loaded };
	struct engine *engine;
	require(engine_new(options, &sink, &engine) == 0, "engine_new");
	return engine;
}

/* ---- what it is given ---- */

struct rule_set *bench_rules(struct buf *yaml, int64_t interval_ms)
{
	struct rule_set_options options = { .interval_ms = interval_ms, .rules_max = 1000000 };
	struct diag_list diags;
	struct rule_set *set;
	diag_list_init(&diags);
	require(rule_set_load_text(buf_slice(yaml), "bench.yml", &options, &diags, &set) == 0,
		"rule_set_load_text");
	diag_list_fini(&diags);
	buf_fini(yaml);
	return set;
}

struct batch *bench_batch(uint32_t rows)
{
	struct batch *batch = batch_new();
	require(batch && batch_reserve(batch, rows) == 0, "batch_new");
	strcpy(batch->sender.name, "bench");
	batch->sender.hash = 1;
	return batch;
}

/* ---- work ---- */

static void add(struct cost *cost, double begun_ms)
{
	double took_ms = cpu_ms() - begun_ms;
	cost->total_ms += took_ms;
	if (took_ms > cost->longest_ms)
		cost->longest_ms = took_ms;
}

void bench_settle(struct engine *engine, struct cost *cost)
{
	bool more = true;
	while (more) {
		double begun_ms = cpu_ms();
		more = engine_step(engine, QUANTUM_UNITS);
		add(cost, begun_ms);
	}
}

void bench_give(struct engine *engine, struct batch *batch, struct cost *cost)
{
	double begun_ms = cpu_ms();
	engine_batch(engine, batch);
	add(cost, begun_ms);
	bench_settle(engine, cost);
}
