/*
 * Evaluation of 1,000 rules over 100,000 series: half `rate(m[5m]) > x`, half `sum by (l)
 * (rate(m[5m])) / count by (l) (m) > x`, of 500 names with 200 series each and 20 samples in the
 * range. Every series gets a new sample between evaluations, which is not counted. Thread CPU time,
 * mean of 20. Then single nodes, in nanoseconds a row.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "engine/binding.h"
#include "rules/expr.h"

#define NAMES 500
#define SERIES_PER_NAME 200
#define SERIES (NAMES * SERIES_PER_NAME)
#define STEP_MS 15000
#define SAMPLES 20
#define EVALUATIONS 20
#define RANGE_MS 300000
#define T0 INT64_C(1700000000000)

/* ---- data ---- */

static struct series *series[SERIES];
static int64_t due_ms;

static uint32_t scattered(uint32_t i)
{
	return i * 2654435761u;
}

/*
 * In the order of scrapes: target after target, each with every name, so that the series of a name
 * lie apart.
 */
static void make_series(struct store *store)
{
	for (int i = 0; i < SERIES; i++) {
		char name[32], group[32], instance[32];
		snprintf(name, sizeof(name), "metric_%d", i % NAMES);
		snprintf(group, sizeof(group), "%d", i / NAMES % 10);
		snprintf(instance, sizeof(instance), "host-%d:9100", i / NAMES);
		struct label pairs[] = {
			{ SLICE(METRIC_NAME), slice_from(name) },
			{ SLICE("l"), slice_from(group) },
			{ SLICE("instance"), slice_from(instance) },
			{ SLICE("job"), SLICE("node") },
			{ SLICE("region"), SLICE("eu-west-1") },
		};
		struct labels *labels;
		require(labels_new(pairs, 5, &labels, NULL) == 0, "labels_new");
		require(store_birth(store,
				    (struct hash128){ (uint64_t)i + 1, scattered((uint32_t)i) },
				    labels, &series[i]) == 0 &&
				series[i],
			"store_birth");
		labels_unref(labels);
	}
}

static void scrape(struct store *store, int round)
{
	int64_t t_ms = T0 + (int64_t)round * STEP_MS;
	store_time_set(store, t_ms);
	due_ms = t_ms;
	for (int i = 0; i < SERIES; i++) {
		double value = round * 10.0 + scattered((uint32_t)(i + round * 7919)) % 10;
		uint64_t bits;
		memcpy(&bits, &value, sizeof(bits));
		store_append_series(store, series[i], 0, t_ms - i % 1000, bits);
	}
}

/* ---- rules ---- */

static uint32_t add(struct plan *plan, const char *text)
{
	struct source source = { .text = slice_from(text), .line0 = 1, .column0 = 1 };
	struct arena arena;
	struct diag_list diags;
	struct expr *expr;
	uint32_t root;
	arena_init(&arena, 0);
	diag_list_init(&diags);
	require(expr_parse(&source, &arena, &diags, &expr) == 0, text);
	require(plan_add(plan, expr, &root) == 0, "plan_add");
	expr_fini(expr);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return root;
}

struct rules {
	struct plan *plan;
	struct binding *binding;
	uint32_t n;
	uint32_t **orders, *norders;
};

static void rules_init(struct rules *rules, struct store *store, const char *const *formats,
		       size_t nformats)
{
	*rules = (struct rules){ .plan = plan_new(), .n = (uint32_t)(nformats * NAMES) };
	rules->orders = calloc(rules->n, sizeof(*rules->orders));
	rules->norders = calloc(rules->n, sizeof(*rules->norders));
	for (uint32_t i = 0; i < rules->n; i++) {
		char text[512], name[32];
		const char *format = formats[i / NAMES];
		struct buf buf;
		snprintf(name, sizeof(name), "metric_%u", i % NAMES);
		buf_init(&buf);
		for (; *format; format++) /* each M is the metric's name */
			*format == 'M' ? buf_add_str(&buf, name) : buf_add_char(&buf, *format);
		snprintf(text, sizeof(text), "%s", buf.ptr);
		buf_fini(&buf);
		uint32_t root = add(rules->plan, text);
		require(plan_order(rules->plan, root, &rules->orders[i], &rules->norders[i]) == 0,
			"plan_order");
	}
	struct binding_options options = { .lookback_ms = RANGE_MS, .standing = true };
	int64_t units = INT64_MAX;
	require(binding_new(store, rules->plan, &options, &rules->binding) == 0, "binding_new");
	require(binding_bind(rules->binding, &units) == 0, "binding_bind");
	for (uint32_t i = 0; i < rules->plan->nselectors; i++)
		require(selector_reader_add(binding_selector(rules->binding, i), &due_ms,
					    RANGE_MS) == 0,
			"selector_reader_add");
}

static void rules_fini(struct rules *rules)
{
	for (uint32_t i = 0; i < rules->plan->nselectors; i++)
		selector_reader_remove(binding_selector(rules->binding, i), &due_ms, RANGE_MS);
	for (uint32_t i = 0; i < rules->n; i++)
		free(rules->orders[i]);
	free(rules->orders);
	free(rules->norders);
	binding_free(rules->binding);
	plan_free(rules->plan);
}

static double shape(struct rules *rules)
{
	double start = cpu_ms();
	int64_t units = INT64_MAX;
	require(binding_shape(rules->binding, &units) == 0, "binding_shape");
	return cpu_ms() - start;
}

/*
 * Reads so much of other memory that little of ours is left in the caches: between two evaluations
 * of a daemon others have the processor.
 */
#define SWEEP_BYTES (256u << 20)
#define LINE_BYTES 64

static void sweep_caches(void)
{
	static volatile char *memory;
	if (!memory) {
		memory = malloc(SWEEP_BYTES);
		require(memory != NULL, "malloc");
		memset((char *)memory, 1, SWEEP_BYTES);
	}
	for (size_t i = 0; i < SWEEP_BYTES; i += LINE_BYTES)
		(void)memory[i];
}

static double evaluate(struct rules *rules, int64_t t_ms, uint32_t *rows)
{
	double start = cpu_ms();
	int64_t units = INT64_MAX;
	*rows = 0;
	for (uint32_t i = 0; i < rules->n; i++) {
		struct eval_cursor cursor = { 0, 0 };
		require(binding_eval(rules->binding, rules->orders[i], rules->norders[i], t_ms,
				     &cursor, &units) == 0,
			"binding_eval");
		struct relation relation;
		binding_relation(rules->binding, rules->orders[i][rules->norders[i] - 1],
				 &relation);
		*rows += relation_count(&relation);
	}
	return cpu_ms() - start;
}

static void run(struct store *store, const char *what, const char *const *formats, size_t nformats,
		int *round)
{
	struct rules rules;
	uint32_t rows = 0;
	double warm = 0, cold = 0;
	rules_init(&rules, store, formats, nformats);
	double shaped = shape(&rules);
	for (int i = 0; i < EVALUATIONS; i++) {
		scrape(store, (*round)++);
		require(binding_extend(rules.binding) == 0, "binding_extend");
		int64_t t_ms = T0 + (int64_t)(*round - 1) * STEP_MS;
		warm += evaluate(&rules, t_ms, &rows);
		sweep_caches();
		cold += evaluate(&rules, t_ms + 1, &rows);
	}
	printf("%-52s %6.2f ms, cold %6.2f ms (%5.1f ns/series), %6u rows, shape %.0f ms\n", what,
	       warm / EVALUATIONS, cold / EVALUATIONS, cold / EVALUATIONS * 1e6 / SERIES, rows,
	       shaped);
	rules_fini(&rules);
}

int main(void)
{
	static const char *const both[] = { "rate(M[5m]) > 0.7",
					    "sum by (l) (rate(M[5m])) / count by (l) (M) > 0.66" };
	static const char *const together[] = { "min_over_time(M[5m])", "avg_over_time(M[5m])",
						"max_over_time(M[5m])", "last_over_time(M[5m])" };
	static const char *const single[] = {
		"rate(M[5m])",
		"increase(M[5m]) > 200",
		"M > 190",
		"max_over_time(M[5m])",
		"avg_over_time(M[5m])",
		"stddev_over_time(M[5m])",
		"quantile_over_time(0.9, M[5m])",
		"sum by (l) (M)",
		"topk(3, M)",
		"M / on (instance) M",
		"M and on (instance) M > 195",
	};
	struct hash_key key;
	hash_key_derive(&key, "bench", 5);
	struct store_options options = { .lookback_ms = RANGE_MS, .key = &key };
	struct store *store = store_new(&options);
	struct selector *all;
	struct matcher matcher;
	char *why;
	int round = 0;
	require(store != NULL, "store_new");
	require(matcher_init(&matcher, MATCH_RE, SLICE(METRIC_NAME), SLICE(".*"), &why) == 0,
		"matcher_init");
	require(store_selector_ref(store, &matcher, 1, &all) == 0, "store_selector_ref");
	require(selector_reader_add(all, &due_ms, RANGE_MS) == 0, "selector_reader_add");
	store_time_set(store, T0);
	make_series(store);
	for (; round < SAMPLES + 2; round++)
		scrape(store, round);
	run(store, "1,000 rules: rate > x; sum by (rate) / count by > x", both, 2, &round);
	run(store, "2,000: min, avg, max, last of one range", together, 4, &round);
	for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
		run(store, single[i], &single[i], 1, &round);
	selector_reader_remove(all, &due_ms, RANGE_MS);
	store_selector_unref(store, all);
	matcher_fini(&matcher);
	store_free(store);
	return 0;
}
