/* The binding: what is shared, kept, followed and resumed; silent senders; limits. */
#include "engine/dynamic.h"
#include "engine/grid.h"
#include "engine/id_map.h"
#include "engine/join.h"
#include "engine/range_rows.h"
#include "tests/engine/eval_fixture.h"

#define T0 INT64_C(1700000000000)
/* Whole minutes, as the steps of subqueries are. */
#define MINUTES(n) (INT64_C(1700000040000) + (n) * 60000)
#define EXPRESSIONS_MAX 32

struct bound {
	struct world world;
	struct plan *plan;
	struct query queries[EXPRESSIONS_MAX];
	uint32_t roots[EXPRESSIONS_MAX], n;
	struct binding *binding;
	uint8_t *silent;
	bool any_silent;
};

static void bound_add(struct bound *bound, const char *expr)
{
	ck_assert_msg(query_init(&bound->queries[bound->n], expr, strlen(expr)), "%s", expr);
	ck_assert_int_eq(
		plan_add(bound->plan, bound->queries[bound->n].expr, &bound->roots[bound->n]), 0);
	bound->n++;
}

static void bound_init(struct bound *bound, const char *const *exprs)
{
	*bound = (struct bound){ .plan = plan_new(), .silent = calloc(4, 1) };
	world_init(&bound->world, T0, 20 * 60000);
	while (*exprs)
		bound_add(bound, *exprs++);
	struct binding_options options = {
		.lookback_ms = WORLD_LOOKBACK_MS,
		.standing = true,
		.sender_silent = &bound->silent,
		.any_silent = &bound->any_silent,
	};
	int64_t units = INT64_MAX;
	ck_assert_int_eq(binding_new(bound->world.store, bound->plan, &options, &bound->binding),
			 0);
	ck_assert_int_eq(binding_shape(bound->binding, &units), 0);
}
#define BOUND(bound, ...) bound_init(bound, (const char *const[]){ __VA_ARGS__, NULL })

static void bound_fini(struct bound *bound)
{
	binding_free(bound->binding);
	plan_free(bound->plan);
	for (uint32_t i = 0; i < bound->n; i++)
		query_fini(&bound->queries[i]);
	world_fini(&bound->world);
	free(bound->silent);
}

static void follow(struct bound *bound)
{
	size_t n;
	ck_assert_int_eq(binding_extend(bound->binding), 0);
	struct selector **changed = store_changed_selectors(bound->world.store, &n);
	for (size_t i = 0; i < n; i++)
		selector_log_clear(changed[i]);
	store_changed_clear(bound->world.store);
	binding_check(bound->binding);
}

static const char *value_of(struct bound *bound, uint32_t i, int64_t t_ms)
{
	static char text[4096];
	struct oracle_result result;
	int code = eval_root(bound->binding, bound->plan, bound->roots[i], t_ms, INT64_MAX);
	result_of(&bound->world, bound->binding, bound->roots[i], code, &result);
	char *made = result_text(&result);
	snprintf(text, sizeof(text), "%s", made);
	free(made);
	oracle_result_fini(&result);
	return text;
}

static uint64_t evals_of(const struct bound *bound, uint32_t i)
{
	struct binding_node_stats stats;
	binding_node_stats_get(bound->binding, bound->roots[i], &stats);
	return stats.evals;
}

/* ---- sharing and keeping ---- */

START_TEST(a_shared_node_is_evaluated_once_for_a_time)
{
	struct bound bound;
	BOUND(&bound, "rate(c[5m])", "rate(c[5m]) > 0", "sum(rate(c[5m]))");
	world_load(&bound.world, "c", T0, 60000, "0 60 120");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 1, T0 + 120000), "{} 0.4");
	ck_assert_str_eq(value_of(&bound, 2, T0 + 120000), "{} 0.4");
	ck_assert_str_eq(value_of(&bound, 0, T0 + 120000), "{} 0.4");
	ck_assert_uint_eq(evals_of(&bound, 0), 1);
	value_of(&bound, 0, T0 + 130000);
	ck_assert_uint_eq(evals_of(&bound, 0), 2);
	struct binding_node_stats stats;
	binding_node_stats_get(bound.binding, bound.roots[0], &stats);
	ck_assert_uint_eq(stats.rows, 1);
	ck_assert_uint_eq(stats.live, 1);
	ck_assert_uint_eq(stats.rows_evaluated, 2);
	ck_assert_uint_eq(stats.cached, 2);
	bound_fini(&bound);
}
END_TEST

static void expect_as_oracle(struct bound *bound, uint32_t i, int64_t t_ms)
{
	struct oracle_result wanted;
	ck_assert_int_eq(oracle_eval(bound->world.store, bound->queries[i].expr, t_ms,
				     WORLD_LOOKBACK_MS, &wanted),
			 0);
	char *text = result_text(&wanted);
	ck_assert_str_eq(value_of(bound, i, t_ms), text);
	free(text);
	oracle_result_fini(&wanted);
}

START_TEST(functions_of_one_range_are_evaluated_together)
{
	enum { OF_5M = 4, ALL = 7 }; /* the others: of another range, offset, or with an argument */
	struct bound bound;
	BOUND(&bound, "rate(c[5m])", "max_over_time(c[5m])", "avg_over_time(c[5m])",
	      "increase(c[5m])", "max_over_time(c[6m])", "max_over_time(c[5m] offset 1m)",
	      "quantile_over_time(0.5, c[5m])");
	world_load(&bound.world, "c{l=\"rises\"}", T0, 30000, "0 6 7 9 30 31 31 40 44 45 50 51");
	world_load(&bound.world, "c{l=\"falls\"}", T0, 30000, "4 6 2 _ NaN 3 stale 8 6 7 8 9");
	world_load(&bound.world, "c{l=\"late\"}", T0 + 200000, 30000, "1 2 3 4 5 6");
	follow(&bound);
	int64_t t_ms = T0 + 240000;
	for (uint32_t i = 0; i < ALL; i++)
		expect_as_oracle(&bound, i, t_ms);
	for (uint32_t i = 0; i < ALL; i++)
		ck_assert_uint_eq(evals_of(&bound, i), 1);
	/* All were asked for together: who is first does it for those of his range. */
	t_ms += 30000;
	expect_as_oracle(&bound, 1, t_ms);
	for (uint32_t i = 0; i < ALL; i++)
		ck_assert_uint_eq(evals_of(&bound, i), i < OF_5M ? 2 : 1);
	for (uint32_t i = 0; i < ALL; i++)
		expect_as_oracle(&bound, i, t_ms);
	for (uint32_t i = 0; i < ALL; i++)
		ck_assert_uint_eq(evals_of(&bound, i), 2);
	/* One goes on alone: the others come along once in vain. */
	for (int i = 0; i < 3; i++) {
		t_ms += 15000;
		expect_as_oracle(&bound, 0, t_ms);
	}
	ck_assert_uint_eq(evals_of(&bound, 0), 5);
	ck_assert_uint_eq(evals_of(&bound, 1), 3);
	bound_fini(&bound);
}
END_TEST

START_TEST(more_functions_of_one_range_than_go_together)
{
	struct bound bound;
	BOUND(&bound, "rate(c[5m]) + increase(c[5m])", "delta(c[5m]) + irate(c[5m])",
	      "idelta(c[5m]) + changes(c[5m])", "resets(c[5m]) + avg_over_time(c[5m])",
	      "min_over_time(c[5m]) + max_over_time(c[5m])",
	      "sum_over_time(c[5m]) + count_over_time(c[5m])");
	_Static_assert(12 > 1 + RANGE_COMPANIONS_MAX, "twelve functions are too many");
	world_load(&bound.world, "c", T0, 30000, "0 6 7 9 3 31 31 40 44 45 50 51");
	follow(&bound);
	for (int64_t t_ms = T0 + 240000; t_ms <= T0 + 330000; t_ms += 30000)
		for (uint32_t i = 0; i < bound.n; i++)
			expect_as_oracle(&bound, (i + (uint32_t)(t_ms / 30000)) % bound.n, t_ms);
	bound_fini(&bound);
}
END_TEST

START_TEST(what_a_rule_writes_makes_its_readers_anew)
{
	struct bound bound;
	struct lset_table *lsets;
	struct series *series;
	struct label name = { SLICE(METRIC_NAME), SLICE("r") };
	struct labels *labels;
	double value = 5;
	uint64_t bits;
	BOUND(&bound, "r + 1", "other");
	lsets = store_lsets(bound.world.store);
	ck_assert_int_eq(labels_new(&name, 1, &labels, NULL), 0);
	uint32_t lset = lset_intern(lsets, labels);
	ck_assert_int_eq(store_local(bound.world.store, lset, &series), 0);
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, T0), "");
	value_of(&bound, 1, T0);
	memcpy(&bits, &value, sizeof(bits));
	ck_assert_int_eq(store_append_local(bound.world.store, series, T0, bits), APPEND_STORED);
	ck_assert_str_eq(value_of(&bound, 0, T0), "{} 6");
	value_of(&bound, 1, T0);
	ck_assert_uint_eq(evals_of(&bound, 1), 1);
	lset_unref(lsets, lset);
	labels_unref(labels);
	bound_fini(&bound);
}
END_TEST

START_TEST(columns_are_kept_until_they_are_invalidated)
{
	struct bound bound;
	BOUND(&bound, "m");
	world_load(&bound.world, "m", T0, 1000, "1");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, T0 + 5000), "m 1");
	world_add(&bound.world, bound.world.all->members[0], T0 + 4000, 2);
	ck_assert_str_eq(value_of(&bound, 0, T0 + 5000), "m 1");
	binding_invalidate(bound.binding);
	ck_assert_str_eq(value_of(&bound, 0, T0 + 5000), "m 2");
	bound_fini(&bound);
}
END_TEST

START_TEST(a_failure_is_told_at_the_root_and_kept)
{
	struct bound bound;
	BOUND(&bound, "-{x=\"1\"}", "sum(-{x=\"1\"}) > 1");
	world_load(&bound.world, "a{x=\"1\"}", T0, 1000, "1");
	world_load(&bound.world, "b{x=\"1\"}", T0, 1000, "1");
	follow(&bound);
	const char *wanted = "vector cannot contain metrics with the same labelset";
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(
			eval_root(bound.binding, bound.plan, bound.roots[1], T0, INT64_MAX),
			ERR_EVAL);
		ck_assert_str_eq(binding_error(bound.binding, bound.roots[1]), wanted);
		ck_assert_str_eq(binding_error(bound.binding, bound.roots[0]), wanted);
	}
	ck_assert_uint_eq(evals_of(&bound, 0), 1);
	struct relation relation;
	binding_relation(bound.binding, bound.roots[1], &relation);
	ck_assert_uint_eq(relation.nrows, 0);
	/* Only who is present counts: ten minutes later nobody is. */
	ck_assert_int_eq(
		eval_root(bound.binding, bound.plan, bound.roots[1], T0 + 600000, INT64_MAX), 0);
	ck_assert_str_eq(binding_error(bound.binding, bound.roots[1]), "");
	bound_fini(&bound);
}
END_TEST

/* ---- following ---- */

START_TEST(only_what_is_below_a_change_is_touched)
{
	struct bound bound;
	BOUND(&bound, "sum(m)", "sum(n)");
	world_load(&bound.world, "m{i=\"1\"}", T0, 1000, "1");
	world_load(&bound.world, "n{i=\"1\"}", T0, 1000, "1");
	follow(&bound);
	value_of(&bound, 0, T0);
	value_of(&bound, 1, T0);
	world_load(&bound.world, "n{i=\"2\"}", T0, 1000, "2");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, T0), "{} 1");
	ck_assert_str_eq(value_of(&bound, 1, T0), "{} 3");
	ck_assert_uint_eq(evals_of(&bound, 0), 1);
	ck_assert_uint_eq(evals_of(&bound, 1), 2);
	bound_fini(&bound);
}
END_TEST

static uint32_t row_of(struct bound *bound, uint32_t i, const char *value)
{
	struct relation relation;
	struct lset_table *lsets = store_lsets(bound->world.store);
	uint32_t name = symbol_find(lsets, SLICE("i"));
	binding_relation(bound->binding, bound->roots[i], &relation);
	for (uint32_t row = 0; row < relation.nrows; row++)
		if (relation.lsets[row] != LSET_NONE &&
		    slice_is(symbol_text(lsets, lset_get(lsets, relation.lsets[row], name)), value))
			return row;
	return UINT32_MAX;
}

START_TEST(row_ids_are_stable_and_used_again)
{
	struct bound bound;
	BOUND(&bound, "m", "count by (i) (m)");
	world_load(&bound.world, "m{i=\"1\"}", T0, 1000, "1");
	world_load(&bound.world, "m{i=\"2\"}", T0, 1000, "1");
	world_load(&bound.world, "m{i=\"3\"}", T0, 1000, "1");
	follow(&bound);
	value_of(&bound, 1, T0);
	uint32_t third = row_of(&bound, 1, "3"), second = row_of(&bound, 1, "2");
	/* The first two are forgotten; the third lives on. */
	bound.world.due_ms = T0 + 40 * 60000;
	for (uint32_t row = 0; row < bound.world.all->nmembers; row++)
		if (row == 2)
			world_add(&bound.world, bound.world.all->members[row], bound.world.due_ms,
				  1);
	store_time_set(bound.world.store, bound.world.due_ms);
	store_sweep(bound.world.store, SIZE_MAX);
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 1, bound.world.due_ms), "{i=\"3\"} 1");
	ck_assert_uint_eq(row_of(&bound, 1, "3"), third);
	ck_assert_uint_eq(row_of(&bound, 1, "2"), UINT32_MAX);
	struct relation relation;
	binding_relation(bound.binding, bound.roots[1], &relation);
	ck_assert_uint_eq(relation.lsets[second], LSET_NONE);
	world_load(&bound.world, "m{i=\"4\"}", bound.world.due_ms, 1000, "1");
	world_load(&bound.world, "m{i=\"5\"}", bound.world.due_ms, 1000, "1");
	follow(&bound);
	value_of(&bound, 1, bound.world.due_ms);
	ck_assert_uint_lt(row_of(&bound, 1, "4"), 3);
	ck_assert_uint_lt(row_of(&bound, 1, "5"), 3);
	bound_fini(&bound);
}
END_TEST

START_TEST(a_row_used_again_knows_nothing_of_the_series_before)
{
	struct bound bound;
	BOUND(&bound, "rate(m[5m])");
	/* The line of its row says that the first is over: no look at the series is needed. */
	world_load(&bound.world, "m{i=\"1\"}", MINUTES(0), 60000, "0 60 120 stale");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(3)), "{i=\"1\"} 0.6");
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(3) + 30000), "{i=\"1\"} 0.5");
	uint32_t row = row_of(&bound, 0, "1");
	bound.world.due_ms = MINUTES(40);
	store_time_set(bound.world.store, bound.world.due_ms);
	store_sweep(bound.world.store, SIZE_MAX);
	follow(&bound);
	ck_assert_uint_eq(row_of(&bound, 0, "1"), UINT32_MAX);
	world_load(&bound.world, "m{i=\"2\"}", MINUTES(40), 60000, "0 120 240");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(42)), "{i=\"2\"} 0.8");
	ck_assert_uint_eq(row_of(&bound, 0, "2"), row);
	bound_fini(&bound);
}
END_TEST

/* ---- in pieces ---- */

static void load_many(struct bound *bound, int n)
{
	char text[64];
	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "m{i=\"%d\"}", i);
		world_load(&bound->world, text, T0, 60000, "1 2");
	}
}

/* Bounds and values of all rows of a root, as bits. */
struct columns {
	double *values;
	uint64_t *present;
	uint32_t *lsets, n;
};

static struct columns columns_of(struct bound *bound, uint32_t i)
{
	struct relation relation;
	binding_relation(bound->binding, bound->roots[i], &relation);
	struct columns columns = { .n = relation.nrows };
	columns.values = calloc(relation.nrows + 1, sizeof(double));
	columns.present = calloc(relation.nrows / 64 + 1, sizeof(uint64_t));
	columns.lsets = calloc(relation.nrows + 1, sizeof(uint32_t));
	for (uint32_t row = 0; row < relation.nrows; row++) {
		if (!(relation.present[row / 64] >> row % 64 & 1))
			continue;
		columns.present[row / 64] |= UINT64_C(1) << row % 64;
		columns.values[row] = relation.values[row];
		columns.lsets[row] = relation.lsets[row];
	}
	return columns;
}

static void columns_fini(struct columns *columns)
{
	free(columns->values);
	free(columns->present);
	free(columns->lsets);
}

/* What comes of an evaluation in pieces is what comes of one at once. */
static void check_whole(struct bound *bound, uint32_t i, int64_t t_ms)
{
	struct columns pieces = columns_of(bound, i);
	binding_invalidate(bound->binding);
	ck_assert_int_eq(eval_root(bound->binding, bound->plan, bound->roots[i], t_ms, INT64_MAX),
			 0);
	struct columns whole = columns_of(bound, i);
	ck_assert_uint_eq(pieces.n, whole.n);
	ck_assert_mem_eq(pieces.present, whole.present, (whole.n / 64 + 1) * sizeof(uint64_t));
	ck_assert_mem_eq(pieces.lsets, whole.lsets, whole.n * sizeof(uint32_t));
	ck_assert_mem_eq(pieces.values, whole.values, whole.n * sizeof(double));
	columns_fini(&pieces);
	columns_fini(&whole);
}

/* What takes most for a row, in units: where labels are made. */
#define UNITS_ROW_MAX 40

/*
 * With one unit at a time: what is done at a stretch is a chunk of rows and, once a node, its columns,
 * whatever the rows: no piece is as long as all of them.
 */
START_TEST(evaluation_is_cut_within_nodes)
{
	struct bound bound;
	BOUND(&bound, "m * 2", "sum(m)", "avg by (i) (m)", "stddev(m)", "quantile by (i) (0.5, m)",
	      "topk(5, m)", "bottomk by (i) (1, m)", "m / on (i) m", "m * on (i) group_left m",
	      "limitk(70, m)", "limit_ratio(0.3, m)", "count_values by (i) (\"v\", m)",
	      "m + on (i) fill(7) none", "none - on (i) group_right fill_left(7) m",
	      "info(n)", "histogram_quantile(0.5, h)", "histogram_quantiles(h, \"q\", 0.5, 0.9)");
	load_many(&bound, 5000);
	for (int i = 0; i < 3000; i++) {
		char text[80];
		snprintf(text, sizeof(text), "n{job=\"a\",instance=\"%d\"}", i);
		world_load(&bound.world, text, T0, 60000, "1 2");
		snprintf(text, sizeof(text), "target_info{job=\"a\",instance=\"%d\",x=\"%d\"}",
			 i / 2 * 3, i % 7);
		if (i % 2 == 0)
			world_load(&bound.world, text, T0, 60000, "1 1");
		snprintf(text, sizeof(text), "h{j=\"%d\",le=\"%s\"}", i / 2,
			 i % 2 ? "+Inf" : "1");
		world_load(&bound.world, text, T0, 60000, i % 2 ? "3 5" : "1 4");
	}
	follow(&bound);
	for (uint32_t i = 0; i < bound.n; i++) {
		uint32_t *order, norder;
		struct eval_cursor cursor = { 0, 0 };
		int code, calls = 0;
		ck_assert_int_eq(plan_order(bound.plan, bound.roots[i], &order, &norder), 0);
		do {
			int64_t units = 1;
			code = binding_eval(bound.binding, order, norder, T0 + 60000, &cursor,
					    &units);
			ck_assert_msg(units >= -(5000 + 5000 / 4 + 64) / 8 - UNITS_COLUMNS -
						       2 * UNITS_ROW_MAX * EVAL_CHUNK,
				      "%u: %lld units", i, (long long)units);
			calls++;
		} while (code == ERR_AGAIN);
		ck_assert_int_eq(code, 0);
		ck_assert_msg(calls >= 5, "%u: %d pieces", i, calls);
		check_whole(&bound, i, T0 + 60000);
		free(order);
	}
	bound_fini(&bound);
}
END_TEST

#define CUT_ROWS 1200 /* of each side: a chunk and a rest */
#define CUT_CHUNKS 2

/* `m` with and without a partner `n`, which is there or not; few values, some of them none. */
static void load_sides(struct world *world)
{
	char text[64], points[32];
	for (int i = 0; i < CUT_ROWS; i++) {
		snprintf(text, sizeof(text), "m{i=\"%d\", g=\"%d\", le=\"%d\"}", i, i / 10, i % 10);
		snprintf(points, sizeof(points), i % 7 ? "1 %d" : "1 stale", i * 31 % 97);
		world_load(world, text, T0, 60000, points);
		snprintf(text, sizeof(text), "n{i=\"%d\", g=\"%d\"}", i * 2, i / 10);
		snprintf(points, sizeof(points), i % 5 ? "1 %d" : "1 stale", i % 11);
		world_load(world, text, T0, 60000, points);
	}
}

/* The selectors, and what is asked for, are as many pieces as there are chunks, at least. */
static void expect_cut(struct bound *bound, uint32_t i, int64_t t_ms)
{
	uint32_t *order, norder, calls = 0, wanted = CUT_CHUNKS;
	struct eval_cursor cursor = { 0, 0 };
	int code;
	ck_assert_int_eq(plan_order(bound->plan, bound->roots[i], &order, &norder), 0);
	for (uint32_t n = 0; n < norder; n++)
		if (bound->plan->nodes[order[n]]->op == PLAN_SELECT)
			wanted += CUT_CHUNKS;
	binding_invalidate(bound->binding);
	do {
		int64_t units = 1;
		code = binding_eval(bound->binding, order, norder, t_ms, &cursor, &units);
		calls++;
	} while (code == ERR_AGAIN);
	ck_assert_int_eq(code, 0);
	ck_assert_msg(calls >= wanted, "%s: %u pieces", bound->queries[i].text, calls);
	free(order);
}

static void expect_same_rows(struct bound *bound, uint32_t i, int64_t t_ms)
{
	struct oracle_result wanted, got;
	ck_assert_int_eq(oracle_eval(bound->world.store, bound->queries[i].expr, t_ms,
				     WORLD_LOOKBACK_MS, &wanted),
			 0);
	result_of(&bound->world, bound->binding, bound->roots[i], 0, &got);
	char *wanted_text = result_text(&wanted), *got_text = result_text(&got);
	ck_assert_msg(strcmp(wanted_text, got_text) == 0, "%s", bound->queries[i].text);
	free(wanted_text);
	free(got_text);
	oracle_result_fini(&wanted);
	oracle_result_fini(&got);
}

START_TEST(what_is_cut_at_each_chunk_equals_the_oracle)
{
	struct bound bound;
	BOUND(&bound, "m or n", "m and on (i) n", "m unless on (i) n", "m or on (i) n",
	      "limitk(10, m)", "limitk by (g) (3, m)", "limit_ratio(0.3, m)", "limit_ratio(-0.3, m)",
	      "count_values(\"v\", m)", "count_values by (g, i) (\"v\", m)",
	      "m + on (i) fill(7) n", "m - on (i) fill_right(7) n",
	      "histogram_quantile(0.9, m)", "quantile(0.3, m)", "quantile by (g) (0.5, m)",
	      "sum_over_time(m[3m:1m])",
	      "max_over_time((m + 1)[2m:1m])", "absent_over_time(m[1m] offset -10m)",
	      "absent_over_time(m[2m:1m] offset 10m)");
	load_sides(&bound.world);
	follow(&bound);
	for (uint32_t i = 0; i < bound.n; i++) {
		expect_cut(&bound, i, T0 + 60000);
		expect_same_rows(&bound, i, T0 + 60000);
	}
	bound_fini(&bound);
}
END_TEST

/* What a node made of rows is given back in pieces, too: a unit for each label set. */
START_TEST(release_is_cut_within_nodes)
{
	struct bound bound;
	/* Beside their rows: a label set for each signature, group or histogram. */
	BOUND(&bound, "m and on (i) n", "m * on (i) n", "sum by (i) (m)", "topk by (i) (1, m)",
	      "histogram_quantile(0.9, m)");
	load_sides(&bound.world);
	follow(&bound);
	/* `i` of n goes in twos: half of its rows have a signature of their own. */
	int64_t wanted = 2 * (CUT_ROWS + CUT_ROWS / 2) + 3 * CUT_ROWS, spent = 0;
	for (uint32_t i = 0; i < bound.n; i++)
		eval_root(bound.binding, bound.plan, bound.roots[i], T0 + 60000, INT64_MAX);
	for (uint32_t n = 0; n < bound.binding->nnodes; n++)
		wanted += bound.binding->nodes[n].own.n;
	while (bound.binding->nodes_gone < bound.binding->nnodes) {
		int64_t units = 1;
		ck_assert_int_eq(binding_release(bound.binding, &units), ERR_AGAIN);
		spent += 1 - units;
	}
	ck_assert_int_ge(spent, wanted);
	bound_fini(&bound);
}
END_TEST

START_TEST(evaluation_goes_on_where_the_units_ran_out)
{
	struct bound bound;
	uint32_t *order, norder;
	struct eval_cursor cursor = { 0, 0 };
	int code, calls = 0;
	BOUND(&bound, "sum(rate(m[5m]) * 60)");
	load_many(&bound, 5000);
	follow(&bound);
	ck_assert_int_eq(plan_order(bound.plan, bound.roots[0], &order, &norder), 0);
	do {
		int64_t units = 1;
		code = binding_eval(bound.binding, order, norder, T0 + 60000, &cursor, &units);
		ck_assert_int_ge(units,
				 -(5000 + 5000 / 4 + 64) / 8 - UNITS_COLUMNS - EVAL_CHUNK); /* columns for all, a chunk */
		calls++;
	} while (code == ERR_AGAIN);
	ck_assert_int_eq(code, 0);
	ck_assert_int_gt(calls, 10);
	/* 1 in 60 s, extended by half of that to the left, over 300 s. */
	ck_assert_str_eq(value_of(&bound, 0, T0 + 60000), "{} 1500");
	free(order);
	bound_fini(&bound);
}
END_TEST

START_TEST(an_extend_between_pieces_begins_the_evaluation_anew)
{
	struct bound bound;
	uint32_t *order, norder;
	struct eval_cursor cursor = { 0, 0 };
	BOUND(&bound, "count(m + 1)");
	load_many(&bound, 3000);
	follow(&bound);
	ck_assert_int_eq(plan_order(bound.plan, bound.roots[0], &order, &norder), 0);
	for (int i = 0; i < 4; i++) {
		int64_t units = 1;
		ck_assert_int_eq(binding_eval(bound.binding, order, norder, T0, &cursor, &units),
				 ERR_AGAIN);
	}
	for (int i = 0; i < 100; i++) {
		char text[64];
		snprintf(text, sizeof(text), "m{new=\"%d\"}", i);
		world_load(&bound.world, text, T0, 60000, "1");
	}
	follow(&bound);
	int64_t units = INT64_MAX;
	ck_assert_int_eq(binding_eval(bound.binding, order, norder, T0, &cursor, &units), 0);
	ck_assert_str_eq(value_of(&bound, 0, T0), "{} 3100");
	free(order);
	bound_fini(&bound);
}
END_TEST

START_TEST(shape_goes_on_where_the_units_ran_out)
{
	struct bound bound;
	struct binding *binding;
	struct binding_options options = { .lookback_ms = WORLD_LOOKBACK_MS, .standing = true };
	int calls = 0, code;
	BOUND(&bound, "sum by (i) (m) / on (i) m");
	load_many(&bound, 500);
	follow(&bound);
	ck_assert_int_eq(binding_new(bound.world.store, bound.plan, &options, &binding), 0);
	do {
		int64_t units = 100;
		code = binding_shape(binding, &units);
		calls++;
	} while (code == ERR_AGAIN);
	ck_assert_int_eq(code, 0);
	ck_assert_int_ge(calls, 15);
	binding_check(binding);
	binding_free(binding);
	bound_fini(&bound);
}
END_TEST

/* ---- silent senders ---- */

static const char *silent_of(struct bound *bound, uint32_t i, int64_t t_ms)
{
	static char text[4096];
	struct relation relation;
	struct buf buf;
	ck_assert_int_eq(eval_root(bound->binding, bound->plan, bound->roots[i], t_ms, INT64_MAX),
			 0);
	binding_relation(bound->binding, bound->roots[i], &relation);
	if (!relation.silent)
		return "none";
	buf_init(&buf);
	for (uint32_t row = 0; row < relation.nrows; row++) {
		if (!(relation.silent[row / 64] >> (row % 64) & 1) || relation_has(&relation, row))
			continue;
		struct labels *labels =
			lset_to_labels(store_lsets(bound->world.store), relation.lsets[row]);
		buf_add_str(&buf, buf.len ? " " : "");
		labels_format(labels, &buf);
		labels_unref(labels);
	}
	snprintf(text, sizeof(text), "%s", buf.ptr ? buf.ptr : "");
	buf_fini(&buf);
	return text;
}

START_TEST(silent_senders_are_seen_through_all_nodes)
{
	struct bound bound;
	BOUND(&bound, "m", "rate(m[1m]) > 0", "sum by (i) (m)", "m + on (i) n", "m and on (i) n",
	      "m or n", "timestamp(m)", "count(m) > 5");
	world_load(&bound.world, "m{i=\"1\"}", T0, 1000, "1 2");
	world_load(&bound.world, "m{i=\"2\"}", T0, 1000, "1 stale");
	world_load(&bound.world, "n{i=\"1\"}", T0, 600000, "1 1");
	for (uint32_t row = 0; row < bound.world.all->nmembers; row++)
		bound.world.all->members[row]->sender = row == 2 ? 0 : 1;
	follow(&bound);
	int64_t late = T0 + 600000;
	ck_assert_str_eq(silent_of(&bound, 0, late), "none");
	bound.silent[1] = 1;
	bound.any_silent = true;
	binding_invalidate(bound.binding);
	ck_assert_str_eq(silent_of(&bound, 0, T0 + 1000), "");
	ck_assert_str_eq(silent_of(&bound, 0, late), "m{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 1, late), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 2, late), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 3, late), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 4, late), "m{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 5, late), "m{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 6, late), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 7, late), "{}");
	bound.any_silent = false;
	binding_invalidate(bound.binding);
	ck_assert_str_eq(silent_of(&bound, 2, late), "none");
	bound_fini(&bound);
}
END_TEST

START_TEST(a_silent_partner_makes_a_join_silent)
{
	struct bound bound;
	BOUND(&bound, "m * on (i) group_left (v) n", "m and on (i) n", "n * on (i) group_right m",
	      "histogram_quantile(0.5, h_bucket)");
	world_load(&bound.world, "m{i=\"1\"}", T0, 600000, "1 1");
	world_load(&bound.world, "n{i=\"1\",v=\"2\"}", T0, 1000, "1");
	world_load(&bound.world, "h_bucket{le=\"1\"}", T0, 1000, "1");
	for (uint32_t row = 0; row < bound.world.all->nmembers; row++)
		bound.world.all->members[row]->sender = row == 0 ? 0 : 1;
	follow(&bound);
	bound.silent[1] = 1;
	bound.any_silent = true;
	ck_assert_str_eq(silent_of(&bound, 0, T0 + 600000), "{i=\"1\", v=\"2\"}");
	ck_assert_str_eq(silent_of(&bound, 1, T0 + 600000), "m{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 2, T0 + 600000), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 3, T0 + 600000), "{}");
	bound_fini(&bound);
}
END_TEST

/* ---- limits and small parts ---- */

START_TEST(partners_of_the_past_are_limited)
{
	struct bound bound;
	char text[64];
	BOUND(&bound, "m * on (i) group_left (v) n");
	world_load(&bound.world, "m{i=\"1\"}", T0, 60000, "3");
	for (int i = 0; i < JOIN_PARTNERS_MAX; i++) {
		snprintf(text, sizeof(text), "n{i=\"1\",v=\"%d\"}", i);
		world_load(&bound.world, text, T0, 1000, i == 0 ? "1" : "1 stale");
	}
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, T0 + 2000), "{i=\"1\", v=\"0\"} 3");
	world_load(&bound.world, "n{i=\"1\",v=\"more\"}", T0 + 2000, 1000, "2");
	world_add_bits(&bound.world, bound.world.all->members[1], T0 + 2000, STALE_NAN_BITS);
	follow(&bound);
	snprintf(text, sizeof(text), "error: more than %d series", JOIN_PARTNERS_MAX);
	ck_assert_msg(strncmp(value_of(&bound, 0, T0 + 3000), text, strlen(text)) == 0, "%s",
		      value_of(&bound, 0, T0 + 3000));
	/* Those of the past are forgotten: the newcomer gets its row. */
	bound.world.due_ms = T0 + 40 * 60000;
	world_add(&bound.world, bound.world.all->members[0], bound.world.due_ms, 3);
	for (uint32_t row = 1; row < bound.world.all->nmembers; row++)
		if (row == JOIN_PARTNERS_MAX + 1)
			world_add(&bound.world, bound.world.all->members[row], bound.world.due_ms,
				  2);
	store_sweep(bound.world.store, SIZE_MAX);
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, bound.world.due_ms), "{i=\"1\", v=\"more\"} 6");
	bound_fini(&bound);
}
END_TEST

START_TEST(reach_is_range_or_lookback_and_offset)
{
	struct bound bound;
	BOUND(&bound, "m offset 1m", "rate(m[10m] offset 2m)");
	ck_assert_int_eq(binding_reach_ms(bound.binding, bound.roots[0]),
			 WORLD_LOOKBACK_MS + 60000);
	ck_assert_int_eq(binding_reach_ms(bound.binding, bound.roots[1]), 720000);
	ck_assert_str_eq(binding_selector(bound.binding, 0)->text, bound.plan->selectors[0].text);
	bound_fini(&bound);
}
END_TEST

/* ---- subqueries ---- */

/* How often what is inside the subquery below the root was evaluated. */
static uint64_t steps_of(const struct bound *bound, uint32_t i)
{
	const struct plan_node *root = bound->plan->nodes[bound->roots[i]];
	const struct plan_node *subquery = bound->plan->nodes[root->children[0]];
	struct binding_node_stats stats;
	ck_assert_int_eq(subquery->op, PLAN_SUBQUERY);
	binding_node_stats_get(bound->binding, subquery->children[0], &stats);
	return stats.evals;
}

START_TEST(a_subquery_computes_only_new_steps)
{
	struct bound bound;
	BOUND(&bound, "max_over_time(sum(m)[5m:1m])");
	world_load(&bound.world, "m", MINUTES(0), 60000, "9 1 2 3 4 5 6 7 8 9 10 11 12");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(8)), "{} 8");
	ck_assert_uint_eq(steps_of(&bound, 0), 5);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(9)), "{} 9");
	ck_assert_uint_eq(steps_of(&bound, 0), 6);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(9) + 30000), "{} 9");
	ck_assert_uint_eq(steps_of(&bound, 0), 6);
	/* After a pause longer than the range nothing is of use. */
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(20)), "{} 12");
	ck_assert_uint_eq(steps_of(&bound, 0), 11);
	bound_fini(&bound);
}
END_TEST

START_TEST(a_late_sample_voids_the_steps_that_would_have_read_it)
{
	struct bound bound;
	BOUND(&bound, "max_over_time(sum(m)[10m:1m])");
	world_load(&bound.world, "m", MINUTES(0), 60000, "0 1 2 3 _ 5 _ 7 8 9 10 11");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(10)), "{} 10");
	ck_assert_uint_eq(steps_of(&bound, 0), 10);
	struct series *series = bound.world.all->members[0];
	world_add(&bound.world, series, MINUTES(6), 70);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(11)), "{} 70");
	/* The steps 6 to 10 once more, and the new one. */
	ck_assert_uint_eq(steps_of(&bound, 0), 16);
	world_add(&bound.world, series, MINUTES(4), 80);
	/* At the same time, too. */
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(11)), "{} 80");
	ck_assert_uint_eq(steps_of(&bound, 0), 24);
	bound_fini(&bound);
}
END_TEST

/* A piece at a time, with a sample of the newest step before the at-th: false if there is none. */
static bool eval_with_a_sample_between(struct bound *bound, int at)
{
	uint32_t *order, norder;
	struct eval_cursor cursor = { 0, 0 };
	int code = ERR_AGAIN, calls = 0;
	struct series *series = world_series_of(&bound->world, "m{i=\"0\"}");
	ck_assert_int_eq(plan_order(bound->plan, bound->roots[0], &order, &norder), 0);
	for (; code == ERR_AGAIN; calls++) {
		int64_t units = 1;
		if (calls == at)
			world_add(&bound->world, series, MINUTES(1) - 1000, 50);
		code = binding_eval(bound->binding, order, norder, MINUTES(1), &cursor, &units);
	}
	ck_assert_int_eq(code, 0);
	free(order);
	return calls > at;
}

START_TEST(a_sample_that_comes_within_an_evaluation_is_in_the_next)
{
	bool is_between = true;
	for (int at = 0; is_between; at++) {
		struct bound bound;
		BOUND(&bound, "sum(sum_over_time(m[3m:1m]))");
		load_many(&bound, EVAL_CHUNK + 1);
		follow(&bound);
		is_between = eval_with_a_sample_between(&bound, at);
		ck_assert(is_between || at > 10);
		expect_as_oracle(&bound, 0, MINUTES(2));
		bound_fini(&bound);
	}
}
END_TEST

START_TEST(steps_of_a_subquery_are_limited)
{
	struct bound bound;
	BOUND(&bound, "max_over_time(m[1000s:1ms])", "max_over_time(m[999s:1ms])");
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(9)),
			 "error: subquery has more than 1000000 steps");
	ck_assert_str_eq(value_of(&bound, 1, MINUTES(9)), "");
	bound_fini(&bound);
}
END_TEST

START_TEST(points_of_a_range_query_are_limited)
{
	struct bound bound;
	struct query_bounds bounds = { MINUTES(0), MINUTES(4), 60000 };
	uint32_t *order, n;
	BOUND(&bound, "m");
	world_load(&bound.world, "m", MINUTES(0), 60000, "1 2 3 4 5");
	follow(&bound);
	ck_assert_int_eq(plan_order(bound.plan, bound.roots[0], &order, &n), 0);
	for (uint64_t room = 4; room <= 5; room++) {
		struct grid grid;
		int64_t units = INT64_MAX;
		grid_init(&grid, &bounds);
		grid.points = GRID_POINTS_MAX - room;
		ck_assert_int_eq(grid_eval(&grid, bound.world.store, bound.binding, order, n,
					   &units),
				 room == 4 ? ERR_LIMIT : 0);
		ck_assert_uint_eq(grid.n, 1);
		ck_assert_uint_eq(grid.series[0].n, room);
		grid_fini(&grid, bound.world.store);
	}
	free(order);
	bound_fini(&bound);
}
END_TEST

START_TEST(rows_made_by_evaluations_are_forgotten)
{
	struct bound bound;
	BOUND(&bound, "count_values(\"v\", m)",
	      "count(last_over_time(count_values(\"v\", m)[10s:1s]))");
	struct series *series = world_series_of(&bound.world, "m");
	struct binding_node_stats stats;
	uint32_t inner = bound.plan->nnodes;
	for (uint32_t id = 0; id < bound.plan->nnodes; id++)
		if (bound.plan->nodes[id]->grid && bound.plan->nodes[id]->op == PLAN_AGGREGATE)
			inner = id;
	ck_assert_uint_lt(inner, bound.plan->nnodes);
	follow(&bound);
	for (int i = 0; i < 3 * DYNAMIC_ROWS_KEPT_MAX; i++) {
		char wanted[32];
		world_add(&bound.world, series, T0 + i * 1000, i);
		snprintf(wanted, sizeof(wanted), "{v=\"%d\"} 1", i);
		ck_assert_str_eq(value_of(&bound, 0, T0 + i * 1000), wanted);
		binding_node_stats_get(bound.binding, bound.roots[0], &stats);
		/* A few more, whose rows are not free again at once. */
		ck_assert_uint_le(stats.rows, DYNAMIC_ROWS_KEPT_MAX + 8);
		if (i < 10)
			continue;
		ck_assert_str_eq(value_of(&bound, 1, T0 + i * 1000), "{} 10");
		binding_node_stats_get(bound.binding, inner, &stats);
		ck_assert_uint_le(stats.rows, 2 * DYNAMIC_ROWS_KEPT_MAX);
	}
	binding_check(bound.binding);
	bound_fini(&bound);
}
END_TEST

START_TEST(rows_are_forgotten_some_at_a_time)
{
	struct bound bound;
	BOUND(&bound, "count_values(\"v\", m)");
	const int n = DYNAMIC_ROWS_KEPT_MAX + DYNAMIC_ROWS_FORGOTTEN_MAX + 100;
	struct binding_node_stats stats;
	char text[64];
	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "m{i=\"%d\"}", i);
		world_add(&bound.world, world_series_of(&bound.world, text), MINUTES(0), i);
	}
	follow(&bound);
	value_of(&bound, 0, MINUTES(0));
	binding_node_stats_get(bound.binding, bound.roots[0], &stats);
	ck_assert_uint_eq(stats.live, n);
	/* Out of reach, all of them: no row is present any more. */
	static const uint32_t left[] = { DYNAMIC_ROWS_KEPT_MAX + 100, 0 };
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_str_eq(value_of(&bound, 0, MINUTES(i + 10)), "");
		binding_node_stats_get(bound.binding, bound.roots[0], &stats);
		ck_assert_uint_eq(stats.live, left[i]);
	}
	binding_check(bound.binding);
	bound_fini(&bound);
}
END_TEST

START_TEST(an_empty_plan_can_be_bound)
{
	struct bound bound;
	bound_init(&bound, (const char *const[]){ NULL });
	follow(&bound);
	bound_fini(&bound);
}
END_TEST

START_TEST(id_map_finds_what_was_put)
{
	struct id_map map = { .slots = NULL };
	uint32_t values[512], state = 1;
	memset(values, 0xff, sizeof(values));
	ck_assert_uint_eq(id_map_find(&map, 1), ID_MAP_NONE);
	id_map_remove(&map, 1);
	for (int i = 0; i < 100000; i++) {
		state = state * 1664525 + 1013904223;
		uint32_t key = (state >> 8) % 512;
		if (state >> 30) {
			values[key] = state >> 4;
			ck_assert(id_map_put(&map, key, values[key]));
		} else {
			values[key] = ID_MAP_NONE;
			id_map_remove(&map, key);
		}
		key = (state >> 12) % 512;
		ck_assert_uint_eq(id_map_find(&map, key), values[key]);
	}
	for (uint32_t key = 0; key < 512; key++)
		ck_assert_uint_eq(id_map_find(&map, key), values[key]);
	id_map_fini(&map);
}
END_TEST

static Suite *binding_suite(void)
{
	Suite *suite = suite_create("binding");
	TCase *tcase = tcase_create("binding");
	tcase_set_timeout(tcase, 60); /* the oracle takes its time, most of all with sanitizers */
	tcase_add_test(tcase, a_shared_node_is_evaluated_once_for_a_time);
	tcase_add_test(tcase, functions_of_one_range_are_evaluated_together);
	tcase_add_test(tcase, more_functions_of_one_range_than_go_together);
	tcase_add_test(tcase, what_a_rule_writes_makes_its_readers_anew);
	tcase_add_test(tcase, columns_are_kept_until_they_are_invalidated);
	tcase_add_test(tcase, a_failure_is_told_at_the_root_and_kept);
	tcase_add_test(tcase, only_what_is_below_a_change_is_touched);
	tcase_add_test(tcase, row_ids_are_stable_and_used_again);
	tcase_add_test(tcase, a_row_used_again_knows_nothing_of_the_series_before);
	tcase_add_test(tcase, evaluation_is_cut_within_nodes);
	tcase_add_test(tcase, what_is_cut_at_each_chunk_equals_the_oracle);
	tcase_add_test(tcase, release_is_cut_within_nodes);
	tcase_add_test(tcase, evaluation_goes_on_where_the_units_ran_out);
	tcase_add_test(tcase, an_extend_between_pieces_begins_the_evaluation_anew);
	tcase_add_test(tcase, shape_goes_on_where_the_units_ran_out);
	tcase_add_test(tcase, silent_senders_are_seen_through_all_nodes);
	tcase_add_test(tcase, a_silent_partner_makes_a_join_silent);
	tcase_add_test(tcase, partners_of_the_past_are_limited);
	tcase_add_test(tcase, reach_is_range_or_lookback_and_offset);
	tcase_add_test(tcase, a_subquery_computes_only_new_steps);
	tcase_add_test(tcase, a_late_sample_voids_the_steps_that_would_have_read_it);
	tcase_add_test(tcase, a_sample_that_comes_within_an_evaluation_is_in_the_next);
	tcase_add_test(tcase, steps_of_a_subquery_are_limited);
	tcase_add_test(tcase, points_of_a_range_query_are_limited);
	tcase_add_test(tcase, rows_made_by_evaluations_are_forgotten);
	tcase_add_test(tcase, rows_are_forgotten_some_at_a_time);
	tcase_add_test(tcase, an_empty_plan_can_be_bound);
	tcase_add_test(tcase, id_map_finds_what_was_put);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(binding_suite)
