/*
 * The whole engine on one thread, as the daemon drives it: batches of 1,000 samples of 100,000
 * series taken, 1,000 rules over them evaluated each 15 s (half `rate(m[5m]) > x`, half `sum by (l)
 * (rate(m[5m])) / count by (l) (m) > x`), all of it journaled to nowhere; then a checkpoint and a
 * reload. CPU time; means of the last 20 of 45 rounds, and the longest uninterrupted piece of each
 * kind of work with quanta of QUANTUM_UNITS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"

#define NAMES 500
#define SERIES 100000
#define RULES 1000
#define BATCH_ROWS 1000
#define ROUNDS 45
#define MEASURED 20
#define STEP_MS 15000
#define T0 INT64_C(1700000010000)
#define QUANTUM_UNITS 100000

static struct engine *engine;
static struct labels *labels[SERIES];
static uint64_t record_bytes;

static double cpu_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void require(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "bench/engine: %s failed\n", what);
		exit(1);
	}
}

/* ---- the sink ---- */

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
	record_bytes += payload.len;
}

static void on_event(void *ctx, struct alert_event *event)
{
	alert_event_free(event);
}

static void on_batch(void *ctx, struct batch *batch)
{
	require(batch->outcome.stored == batch->nrows, "a sample was not stored:");
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

/* ---- work ---- */

struct cost {
	double total_ms, longest_ms;
};

static void add(struct cost *cost, double begun_ms)
{
	double took_ms = cpu_ms() - begun_ms;
	cost->total_ms += took_ms;
	if (took_ms > cost->longest_ms)
		cost->longest_ms = took_ms;
}

static void settle(struct cost *cost)
{
	bool more = true;
	while (more) {
		double begun_ms = cpu_ms();
		more = engine_step(engine, QUANTUM_UNITS);
		add(cost, begun_ms);
	}
}

static struct rule_set *rules_make(void)
{
	struct buf yaml = { 0 };
	buf_add_str(&yaml, "groups:\n- name: g\n  interval: 15s\n  rules:\n");
	for (int i = 0; i < RULES; i++) {
		int m = i % NAMES;
		if (i < RULES / 2)
			buf_printf(&yaml, "  - {alert: A%d, expr: 'rate(m%d[5m]) > %d'}\n", i, m,
				   4 + i % 10);
		else
			buf_printf(&yaml,
				   "  - {record: r%d, expr: 'sum by (l) (rate(m%d[5m])) / count by "
				   "(l) (m%d) > %d'}\n",
				   i, m, m, i % 3);
	}
	struct rule_set_options options = { .interval_ms = STEP_MS, .rules_max = RULES };
	struct diag_list diags;
	struct rule_set *set;
	diag_list_init(&diags);
	require(rule_set_load_text(buf_slice(&yaml), "bench.yml", &options, &diags, &set) == 0,
		"rule_set_load_text");
	diag_list_fini(&diags);
	buf_fini(&yaml);
	return set;
}

static void series_make(void)
{
	for (int i = 0; i < SERIES; i++) {
		char name[32], l[32], instance[32];
		snprintf(name, sizeof(name), "m%d", i % NAMES);
		snprintf(l, sizeof(l), "v%d", i / NAMES % 10);
		snprintf(instance, sizeof(instance), "host-%d:9100", i);
		struct label pairs[] = { { SLICE(METRIC_NAME), slice_from(name) },
					 { SLICE("l"), slice_from(l) },
					 { SLICE("instance"), slice_from(instance) } };
		require(labels_new(pairs, 3, &labels[i], NULL) == 0, "labels_new");
	}
}

static struct batch *batch_make(int from, int round)
{
	struct batch *batch = batch_new();
	require(batch && batch_reserve(batch, BATCH_ROWS) == 0, "batch_new");
	strcpy(batch->sender.name, "bench");
	batch->sender.hash = 1;
	for (int i = from; i < from + BATCH_ROWS; i++) {
		double value = (double)round * (i % 7) * 15;
		struct batch_row *row = &batch->rows[batch->nrows++];
		row->key.lo = (uint64_t)i * 0x9e3779b97f4a7c15ull;
		row->key.hi = ~row->key.lo;
		row->ts_ms = T0 + (int64_t)round * STEP_MS - 10;
		memcpy(&row->bits, &value, sizeof(value));
		if (round == 0)
			require(batch_birth_add(batch, batch->nrows - 1, labels_ref(labels[i])) ==
					0,
				"batch_birth_add");
	}
	return batch;
}

static void feed(int round, struct cost *cost)
{
	for (int from = 0; from < SERIES; from += BATCH_ROWS) {
		struct batch *batch = batch_make(from, round);
		double begun_ms = cpu_ms();
		engine_batch(engine, batch);
		add(cost, begun_ms);
		settle(cost);
	}
}

int main(void)
{
	const struct engine_options options = { .store = { .lookback_ms = 300000 },
						.sender_timeout_ms = 90000,
						.journal = true,
						.warm = true };
	const struct engine_sink sink = { .record = on_record,
					  .event = on_event,
					  .batch = on_batch,
					  .query = on_query,
					  .loaded = on_loaded };
	struct cost load = { 0 }, births = { 0 }, intake = { 0 }, passes = { 0 },
		    checkpoint = { 0 }, reload = { 0 };
	struct rule_set *set = rules_make(), *again = rules_make();
	series_make();
	require(engine_new(&options, &sink, &engine) == 0, "engine_new");
	engine_load(engine, set);
	settle(&load);
	for (int round = 0; round < ROUNDS; round++) {
		if (round == ROUNDS - MEASURED)
			intake = passes = (struct cost){ 0 };
		engine_time(engine, T0 + (int64_t)round * STEP_MS - 1);
		feed(round, round ? &intake : &births);
		engine_time(engine, T0 + (int64_t)round * STEP_MS);
		settle(&passes);
		engine_flush(engine);
	}
	engine_checkpoint(engine);
	settle(&checkpoint);
	engine_load(engine, again);
	settle(&reload);

	struct engine_stats stats;
	struct store_stats store;
	engine_stats_get(engine, &stats);
	store_stats_get(engine_store(engine), &store);
	require(stats.evaluations == (uint64_t)RULES * ROUNDS && stats.failures == 0, "evaluation");
	printf("engine: %d series, %d rules, %u alerts firing, %.0f MB in the store, %.0f MB "
	       "journaled\n",
	       SERIES, RULES, stats.alerts_firing, (double)store.bytes / 1e6,
	       (double)record_bytes / 1e6);
	printf("births:      %7.0f ns a series,  longest piece %.2f ms\n",
	       births.total_ms * 1e6 / SERIES, births.longest_ms);
	printf("intake:      %7.1f ns a sample,  longest piece %.2f ms\n",
	       intake.total_ms * 1e6 / SERIES / MEASURED, intake.longest_ms);
	printf("evaluation:  %7.2f ms,           longest piece %.2f ms\n",
	       passes.total_ms / MEASURED, passes.longest_ms);
	printf("checkpoint:  %7.2f ms,           longest piece %.2f ms\n", checkpoint.total_ms,
	       checkpoint.longest_ms);
	printf("load:        %7.2f ms,           longest piece %.2f ms\n", load.total_ms,
	       load.longest_ms);
	printf("reload:      %7.2f ms,           longest piece %.2f ms\n", reload.total_ms,
	       reload.longest_ms);

	engine_free(engine);
	rule_set_unref(set);
	rule_set_unref(again);
	for (int i = 0; i < SERIES; i++)
		labels_unref(labels[i]);
	return 0;
}
