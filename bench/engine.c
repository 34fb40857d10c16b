/*
 * The whole engine on one thread, as the daemon drives it: batches of 1,000 samples of 100,000
 * series taken, 1,000 rules over them evaluated each 15 s (half `rate(m[5m]) > x`, half `sum by (l)
 * (rate(m[5m])) / count by (l) (m) > x`), all of it journaled to nowhere; then a checkpoint and a
 * reload. CPU time; means of the last 20 of 45 rounds, and the longest uninterrupted piece of each
 * kind of work with quanta of QUANTUM_UNITS.
 */
#include <string.h>

#include "bench/engine_bench.h"

#define NAMES 500
#define SERIES 100000
#define RULES 1000
#define BATCH_ROWS 1000
#define ROUNDS 45
#define MEASURED 20
#define STEP_MS 15000
#define T0 INT64_C(1700000010000)

static struct engine *engine;
static struct labels *labels[SERIES];
static uint64_t record_bytes;

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
	return bench_rules(&yaml, STEP_MS);
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
	struct batch *batch = bench_batch(BATCH_ROWS);
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
	for (int from = 0; from < SERIES; from += BATCH_ROWS)
		bench_give(engine, batch_make(from, round), cost);
}

int main(void)
{
	const struct engine_options options = { .store = { .lookback_ms = 300000 },
						.sender_timeout_ms = 90000,
						.journal = true,
						.warm = true };
	struct cost load = { 0 }, births = { 0 }, intake = { 0 }, passes = { 0 },
		    checkpoint = { 0 }, reload = { 0 };
	struct rule_set *set = rules_make(), *again = rules_make();
	series_make();
	engine = bench_engine_new(&options, &record_bytes);
	engine_load(engine, set);
	bench_settle(engine, &load);
	for (int round = 0; round < ROUNDS; round++) {
		if (round == ROUNDS - MEASURED)
			intake = passes = (struct cost){ 0 };
		engine_time(engine, T0 + (int64_t)round * STEP_MS - 1);
		feed(round, round ? &intake : &births);
		engine_time(engine, T0 + (int64_t)round * STEP_MS);
		bench_settle(engine, &passes);
		engine_flush(engine);
	}
	engine_checkpoint(engine);
	bench_settle(engine, &checkpoint);
	engine_load(engine, again);
	bench_settle(engine, &reload);

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
