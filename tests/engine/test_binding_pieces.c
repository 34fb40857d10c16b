/* The binding, a piece at a time: what comes of that is what comes of all at once. */
#include "engine/dynamic.h"
#include "tests/engine/bound.h"

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
 * With one unit at a time: what is done at a stretch is a chunk of rows and, once a node, its
 * columns, whatever the rows: no piece is as long as all of them.
 */
START_TEST(evaluation_is_cut_within_nodes)
{
	struct bound bound;
	BOUND(&bound, "m * 2", "sum(m)", "avg by (i) (m)", "stddev(m)", "quantile by (i) (0.5, m)",
	      "topk(5, m)", "bottomk by (i) (1, m)", "m / on (i) m", "m * on (i) group_left m",
	      "limitk(70, m)", "limit_ratio(0.3, m)", "count_values by (i) (\"v\", m)",
	      "m + on (i) fill(7) none", "none - on (i) group_right fill_left(7) m", "info(n)",
	      "histogram_quantile(0.5, h)", "histogram_quantiles(h, \"q\", 0.5, 0.9)");
	load_many(&bound, 5000);
	for (int i = 0; i < 3000; i++) {
		char text[80];
		snprintf(text, sizeof(text), "n{job=\"a\",instance=\"%d\"}", i);
		world_load(&bound.world, text, T0, 60000, "1 2");
		snprintf(text, sizeof(text), "target_info{job=\"a\",instance=\"%d\",x=\"%d\"}",
			 i / 2 * 3, i % 7);
		if (i % 2 == 0)
			world_load(&bound.world, text, T0, 60000, "1 1");
		snprintf(text, sizeof(text), "h{j=\"%d\",le=\"%s\"}", i / 2, i % 2 ? "+Inf" : "1");
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
	      "limitk(10, m)", "limitk by (g) (3, m)", "limit_ratio(0.3, m)",
	      "limit_ratio(-0.3, m)", "count_values(\"v\", m)", "count_values by (g, i) (\"v\", m)",
	      "m + on (i) fill(7) n", "m - on (i) fill_right(7) n", "histogram_quantile(0.9, m)",
	      "quantile(0.3, m)", "quantile by (g) (0.5, m)", "sum_over_time(m[3m:1m])",
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
		ck_assert_int_ge(units, -(5000 + 5000 / 4 + 64) / 8 - UNITS_COLUMNS -
						EVAL_CHUNK); /* columns for all, a chunk */
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

static Suite *binding_pieces_suite(void)
{
	Suite *suite = suite_create("binding_pieces");
	TCase *tcase = tcase_create("binding_pieces");
	tcase_set_timeout(tcase, 60); /* the oracle takes its time, most of all with sanitizers */
	tcase_add_test(tcase, evaluation_is_cut_within_nodes);
	tcase_add_test(tcase, what_is_cut_at_each_chunk_equals_the_oracle);
	tcase_add_test(tcase, release_is_cut_within_nodes);
	tcase_add_test(tcase, evaluation_goes_on_where_the_units_ran_out);
	tcase_add_test(tcase, an_extend_between_pieces_begins_the_evaluation_anew);
	tcase_add_test(tcase, shape_goes_on_where_the_units_ran_out);
	tcase_add_test(tcase, a_sample_that_comes_within_an_evaluation_is_in_the_next);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(binding_pieces_suite)
