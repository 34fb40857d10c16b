/*
 * Births and deaths: the engine on one thread with the rules of bench/rules ("shared") over 100,000
 * series, an evaluation each 5 s; first without, then with 1,000 series a second that end and 1,000
 * that begin. What ended stays in the results of its ranges as long as it is in range, so that the
 * evaluations are told one by one. CPU time; beside it that of an engine without rules, which keeps
 * the same samples and has the same births.
 *   EVALUATIONS (80)  with births and deaths; after 80 as many series end in range as begin to
 */
#include <string.h>

#include "bench/engine_bench.h"

#define NAMES 500
#define SERIES 100000
#define RULES 1000
#define BATCH_ROWS 2000
#define BIRTHS 1000 /* a second */
#define PAST 26
#define PAST_STEP_MS 15000
#define CALM 10
#define STEP_MS 5000
#define RETENTION_MS (7 * 60000)
#define T0 INT64_C(1700000010000)

/* An engine and what it took. */
struct run {
	struct engine *engine;
	struct rule_set *set;
	struct cost births, samples, passes, rest;
};

static struct run runs[2]; /* with rules, without */
static uint32_t generation[SERIES]; /* of the series in each place */
static uint32_t replaced;	    /* places so far */

static uint64_t record_bytes;

/* ---- rules ---- */

static struct rule_set *rules_make(int n)
{
	struct buf yaml = { 0 };
	buf_add_str(&yaml, "groups:\n- name: g\n  interval: 5s\n  rules:\n");
	for (int i = 0; i < n; i++) {
		int m = i / 2;
		if (i % 2 == 0)
			buf_printf(&yaml, "  - {alert: A%d, expr: 'rate(m%d[5m]) > %s'}\n", m, m,
				   m % 10 ? "1e9" : "30");
		else
			buf_printf(&yaml,
				   "  - {%s%d, expr: 'sum by (namespace) (rate(m%d[5m])) / count "
				   "by (namespace) (m%d)%s'}\n",
				   m % 5 ? "alert: B" : "record: r", m, m, m, m % 5 ? " > 1e9" : "");
	}
	return bench_rules(&yaml, STEP_MS);
}

static void run_begin(struct run *run, int rules)
{
	const struct engine_options options = { .store = { .lookback_ms = 300000 },
						.retention_ms = RETENTION_MS,
						.sender_timeout_ms = 90000,
						.journal = true,
						.warm = true };
	run->engine = bench_engine_new(&options, &record_bytes);
	run->set = rules_make(rules);
	engine_load(run->engine, run->set);
	bench_settle(run->engine, &run->rest);
}

/* ---- samples ---- */

static uint64_t scattered(uint64_t i)
{
	i *= UINT64_C(0x9e3779b97f4a7c15);
	return i ^ i >> 29;
}

static struct labels *labels_make(uint32_t place)
{
	char name[32], instance[32], namespace[32], pod[64];
	uint32_t target = place / NAMES;
	snprintf(name, sizeof(name), "m%u", place % NAMES);
	snprintf(instance, sizeof(instance), "10.0.%u.%u:9100", target / 256, target % 256);
	snprintf(namespace, sizeof(namespace), "team-%u", target % 23);
	snprintf(pod, sizeof(pod), "app-%08x-%u", (uint32_t)(scattered(target) >> 32),
		 generation[place]);
	struct label pairs[] = {
		{ SLICE(METRIC_NAME), slice_from(name) },
		{ SLICE("instance"), slice_from(instance) },
		{ SLICE("job"), SLICE("kubernetes-pods") },
		{ SLICE("namespace"), slice_from(namespace) },
		{ SLICE("pod"), slice_from(pod) },
		{ SLICE("region"), SLICE("eu-central-1") },
	};
	struct labels *labels;
	require(labels_new(pairs, sizeof(pairs) / sizeof(*pairs), &labels, NULL) == 0,
		"labels_new");
	return labels;
}

static void row_add(struct batch *batch, uint32_t place, int64_t ts_ms, uint64_t bits, bool is_new)
{
	struct batch_row *row = &batch->rows[batch->nrows++];
	uint64_t id = (uint64_t)generation[place] * SERIES + place;
	row->key.lo = scattered(id + 1);
	row->key.hi = ~row->key.lo;
	row->ts_ms = ts_ms;
	row->bits = bits;
	if (is_new)
		require(batch_birth_add(batch, batch->nrows - 1, labels_make(place)) == 0,
			"batch_birth_add");
}

static uint64_t value_bits(uint32_t place, int64_t ts_ms)
{
	uint64_t s = (uint64_t)(ts_ms - T0) / 1000 + 1000;
	return bits_of_double((double)(s * (place / NAMES % 10 ? 2 + scattered(place) % 18 : 40)));
}

/* A sample of each series. */
static void feed(struct run *run, int64_t ts_ms, bool is_first)
{
	for (uint32_t from = 0; from < SERIES; from += BATCH_ROWS) {
		struct batch *batch = bench_batch(BATCH_ROWS);
		for (uint32_t i = from; i < from + BATCH_ROWS; i++)
			row_add(batch, i, ts_ms, value_bits(i, ts_ms), is_first);
		bench_give(run->engine, batch, is_first ? &run->rest : &run->samples);
	}
}

/* The next series end, with a stale marker, and others begin. */
static void replace(struct run *run, int64_t ts_ms)
{
	struct batch *batch = bench_batch(BATCH_ROWS);
	for (uint32_t i = 0; i < BIRTHS; i++) {
		uint32_t place = (replaced + i) % SERIES;
		row_add(batch, place, ts_ms, STALE_NAN_BITS, false);
		generation[place]++;
		row_add(batch, place, ts_ms, value_bits(place, ts_ms), true);
	}
	bench_give(run->engine, batch, &run->births);
}

/* ---- rounds ---- */

static void tell(struct run *run, int64_t now_ms, struct cost *cost)
{
	engine_time(run->engine, now_ms);
	bench_settle(run->engine, cost);
}

/* From just after the evaluation before to the one at t_ms. */
static void play(struct run *run, int64_t t_ms, bool churns)
{
	run->births = run->samples = run->passes = run->rest = (struct cost){ 0 };
	for (int64_t now_ms = t_ms - STEP_MS + 500; now_ms < t_ms; now_ms += 1000) {
		tell(run, now_ms, &run->rest);
		if (now_ms == t_ms - STEP_MS + 500)
			feed(run, now_ms, false);
		else if (churns)
			replace(run, now_ms);
		if (churns && now_ms != t_ms - STEP_MS + 500)
			replaced = (replaced + BIRTHS) % SERIES;
		engine_flush(run->engine);
	}
	if (churns) {
		replace(run, t_ms - 100);
		replaced = (replaced + BIRTHS) % SERIES;
	}
	tell(run, t_ms, &run->passes);
	engine_flush(run->engine);
}

static double whole_ms(const struct run *run)
{
	return run->births.total_ms + run->samples.total_ms + run->passes.total_ms + run->rest.total_ms;
}

/* Both engines live through the same round. */
static void round_play(int64_t t_ms, bool churns)
{
	uint32_t at = replaced;
	for (int r = 0; r < 2; r++) {
		if (r == 1 && churns) {
			/* The same places again. */
			replaced = at;
			for (uint32_t i = 0; i < STEP_MS / 1000 * BIRTHS; i++)
				generation[(at + i) % SERIES]--;
		}
		if (runs[r].engine)
			play(&runs[r], t_ms, churns);
	}
}

static void print(const char *what, const struct run *sums, uint32_t n)
{
	const struct run *with = &sums[0], *without = &sums[1];
	struct engine_stats stats;
	struct store_stats store;
	engine_stats_get(runs[0].engine, &stats);
	store_stats_get(engine_store(runs[0].engine), &store);
	printf("%-10s %7.2f %7.2f %7.2f %7.2f %9.2f   %8llu  %6.0f\n", what, with->passes.total_ms / n,
	       (with->births.total_ms - without->births.total_ms) / n, with->births.total_ms / n,
	       (with->rest.total_ms - without->rest.total_ms) / n, (whole_ms(with) - whole_ms(without)) / n,
	       (unsigned long long)store.series, (double)store.bytes / 1e6);
}

static void sum(struct run *sums)
{
	for (int r = 0; r < 2; r++) {
		sums[r].passes.total_ms += runs[r].passes.total_ms;
		sums[r].births.total_ms += runs[r].births.total_ms;
		sums[r].samples.total_ms += runs[r].samples.total_ms;
		sums[r].rest.total_ms += runs[r].rest.total_ms;
	}
}

int main(void)
{
	const char *text = getenv("EVALUATIONS");
	int evaluations = text ? atoi(text) : 80;
	struct run sums[2] = { 0 };
	for (int r = 0; r < 2; r++)
		run_begin(&runs[r], r == 0 ? RULES : 0);
	int64_t t_ms = T0;
	for (int i = 0; i < PAST; i++, t_ms += PAST_STEP_MS)
		for (int r = 0; r < 2; r++) {
			tell(&runs[r], t_ms, &runs[r].rest);
			feed(&runs[r], t_ms, i == 0);
		}
	printf("milliseconds of CPU an evaluation\n"
	       "           passes  births (all)    rest     whole     series      MB\n");
	for (int i = 0; i < CALM + 2; i++, t_ms += STEP_MS) {
		round_play(t_ms, false);
		if (i >= 2)
			sum(sums);
	}
	print("calm", sums, CALM);
	memset(sums, 0, sizeof(sums));
	for (int i = 1; i <= evaluations; i++, t_ms += STEP_MS) {
		round_play(t_ms, true);
		sum(sums);
		if (i > 2 && i % 5 != 0)
			continue;
		char what[16];
		snprintf(what, sizeof(what), "%d", i);
		print(what, sums, i <= 2 ? 1 : i == 5 ? 3 : 5);
		memset(sums, 0, sizeof(sums));
	}
	for (int r = 0; r < 2; r++) {
		engine_free(runs[r].engine);
		rule_set_unref(runs[r].set);
	}
	return 0;
}
