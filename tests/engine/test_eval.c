/*
 * Known answers: functions, operators, aggregations, errors, on one small store; by the binding and
 * by the oracle.
 */
#include "tests/engine/eval_fixture.h"

#define T0 INT64_C(1000000000) /* 1e6 seconds */
#define STEP_MS 60000
#define NOW (T0 + 5 * STEP_MS)

static void load(struct world *world)
{
	world_init(world, T0, 20 * STEP_MS);
	world_load(world, "c{i=\"a\"}", T0, STEP_MS, "0 60 120 180 240 300");
	world_load(world, "c{i=\"b\"}", T0, STEP_MS, "100 160 40 100 160 220");
	world_load(world, "g{i=\"a\",s=\"x\"}", T0, STEP_MS, "1 2 3 NaN 5 4");
	world_load(world, "g{i=\"b\",s=\"x\"}", T0, STEP_MS, "8 8 6 6 6 -2.5");
	world_load(world, "g{i=\"c\",s=\"y\"}", T0, STEP_MS, "1 1 1 1 1 Inf");
	world_load(world, "gone{i=\"a\"}", T0, STEP_MS, "1 2 3 4 5 stale");
	world_load(world, "late{i=\"a\"}", T0, STEP_MS, "7 _ _ _ _ _");
	world_load(world, "info{i=\"a\",v=\"1.0\"}", T0, STEP_MS, "1 1 1 1 1 1");
	world_load(world, "info{i=\"b\",v=\"2.0\"}", T0, STEP_MS, "1 1 1 1 1 1");
	world_load(world, "h_bucket{le=\"1\"}", T0, STEP_MS, "0 0 0 0 0 10");
	world_load(world, "h_bucket{le=\"2\"}", T0, STEP_MS, "0 0 0 0 0 30");
	world_load(world, "h_bucket{le=\"+Inf\"}", T0, STEP_MS, "0 0 0 0 0 40");
	world_load(world, "h_bucket{le=\"what\"}", T0, STEP_MS, "0 0 0 0 0 99");
	world_load(world, "one", T0, STEP_MS, "1 1 1 1 1 1");
	world_load(world, "a{x=\"1\"}", T0, STEP_MS, "1 1 1 1 1 1");
	world_load(world, "b{x=\"1\"}", T0, STEP_MS, "2 2 2 2 2 2");
}

static const struct {
	const char *expr, *result;
} answers[] = {
	/* constants and scalars */
	{ "1 + 2 * 3", "7" },
	{ "-(3)", "-3" },
	{ "7 % 4", "3" },
	{ "2 ^ 3 ^ 2", "512" },
	{ "1 > bool 2", "0" },
	{ "time()", "1.0003e+06" },
	{ "vector(2)", "{} 2" },
	{ "scalar(one)", "1" },
	{ "scalar(g)", "NaN" },
	{ "scalar(nothing)", "NaN" },
	{ "-scalar(one)", "-1" },
	{ "scalar(one) / 0", "+Inf" },
	/* selectors */
	{ "c", "c{i=\"a\"} 300; c{i=\"b\"} 220" },
	{ "{__name__=~\"o.*\",i=\"\"}", "one 1" },
	{ "g{i!=\"a\",s=~\"x|z\"}", "g{i=\"b\", s=\"x\"} -2.5" },
	{ "c offset 2m", "c{i=\"a\"} 180; c{i=\"b\"} 100" },
	{ "gone", "" },
	{ "gone offset 1m", "gone{i=\"a\"} 5" },
	/* The sample is as old as the lookback: the window is open at its left end. */
	{ "late", "" },
	{ "late offset 1m", "late{i=\"a\"} 7" },
	{ "nothing", "" },
	/* ranges */
	{ "rate(c[5m])", "{i=\"a\"} 1; {i=\"b\"} 0.9166666666666666" },
	{ "increase(c{i=\"a\"}[5m])", "{i=\"a\"} 300" },
	{ "increase(c{i=\"a\"}[10m])", "{i=\"a\"} 300" },
	{ "delta(c{i=\"b\"}[5m])", "{i=\"b\"} 75" },
	{ "rate(one[1m])", "" },
	{ "irate(c[5m])", "{i=\"a\"} 1; {i=\"b\"} 1" },
	{ "irate(c{i=\"b\"}[2m] offset 3m)", "{i=\"b\"} 0.6666666666666666" },
	{ "idelta(c{i=\"b\"}[2m] offset 3m)", "{i=\"b\"} -120" },
	{ "changes(g[10m])", "{i=\"a\", s=\"x\"} 5; {i=\"b\", s=\"x\"} 2; {i=\"c\", s=\"y\"} 1" },
	{ "resets(c[10m])", "{i=\"a\"} 0; {i=\"b\"} 1" },
	{ "avg_over_time(c{i=\"a\"}[10m])", "{i=\"a\"} 150" },
	{ "sum_over_time(c{i=\"a\"}[3m])", "{i=\"a\"} 720" },
	{ "min_over_time(g{s=\"x\"}[10m])", "{i=\"a\", s=\"x\"} 1; {i=\"b\", s=\"x\"} -2.5" },
	{ "max_over_time(g[10m])",
	  "{i=\"a\", s=\"x\"} 5; {i=\"b\", s=\"x\"} 8; {i=\"c\", s=\"y\"} +Inf" },
	{ "count_over_time(gone[10m])", "{i=\"a\"} 5" },
	{ "last_over_time(gone[10m])", "gone{i=\"a\"} 5" },
	{ "first_over_time(gone[10m])", "gone{i=\"a\"} 1" },
	{ "last_over_time(gone[1m])", "" },
	{ "stdvar_over_time(c{i=\"a\"}[3m])", "{i=\"a\"} 2400" },
	{ "stddev_over_time(one[3m])", "{} 0" },
	{ "quantile_over_time(0.5, c{i=\"a\"}[10m])", "{i=\"a\"} 150" },
	{ "quantile_over_time(-1, one[10m])", "{} -Inf" },
	{ "quantile_over_time(2, one[10m])", "{} +Inf" },
	{ "quantile_over_time(NaN, one[10m])", "{} NaN" },
	{ "present_over_time(late[10m])", "{i=\"a\"} 1" },
	{ "absent_over_time(late[10m])", "" },
	{ "absent_over_time(late{j=\"q\"}[10m])", "{j=\"q\"} 1" },
	{ "absent_over_time(gone[1m])", "{} 1" },
	{ "deriv(c{i=\"a\"}[10m])", "{i=\"a\"} 1" },
	{ "predict_linear(c{i=\"a\"}[10m], 60)", "{i=\"a\"} 360" },
	{ "predict_linear(c{i=\"a\"}[10m] offset 1m, 60)", "{i=\"a\"} 360" },
	/* elements */
	{ "abs(g{i=\"b\"})", "{i=\"b\", s=\"x\"} 2.5" },
	{ "ceil(g{i=\"b\"})", "{i=\"b\", s=\"x\"} -2" },
	{ "floor(g{i=\"b\"})", "{i=\"b\", s=\"x\"} -3" },
	{ "round(g{i=\"b\"})", "{i=\"b\", s=\"x\"} -2" },
	{ "round(c, 50)", "{i=\"a\"} 300; {i=\"b\"} 200" },
	{ "sgn(g)", "{i=\"a\", s=\"x\"} 1; {i=\"b\", s=\"x\"} -1; {i=\"c\", s=\"y\"} 1" },
	{ "exp(0 * one)", "{} 1" },
	{ "ln(one)", "{} 0" },
	{ "log2(8 * one)", "{} 3" },
	{ "log10(100 * one)", "{} 2" },
	{ "sqrt(9 * one)", "{} 3" },
	{ "clamp(g{s=\"x\"}, 0, 3)", "{i=\"a\", s=\"x\"} 3; {i=\"b\", s=\"x\"} 0" },
	{ "clamp(g, 3, 0)", "" },
	{ "clamp_min(g{i=\"b\"}, NaN)", "{i=\"b\", s=\"x\"} NaN" },
	{ "clamp_max(g{i=\"c\"}, 9)", "{i=\"c\", s=\"y\"} 9" },
	{ "timestamp(c{i=\"a\"} offset 2m)", "{i=\"a\"} 1.00018e+06" },
	{ "timestamp(c{i=\"a\"} + 0)", "{i=\"a\"} 1.0003e+06" },
	{ "sort_desc(c)", "c{i=\"a\"} 300; c{i=\"b\"} 220" },
	{ "-g{i=\"b\"}", "{i=\"b\", s=\"x\"} 2.5" },
	{ "absent(nothing{i=\"q\",j=~\"r\"})", "{i=\"q\"} 1" },
	{ "absent(sum(nothing))", "{} 1" },
	{ "absent(one)", "" },
	/* with scalars */
	{ "c > 250", "c{i=\"a\"} 300" },
	{ "250 > c", "c{i=\"b\"} 220" },
	{ "c > bool 250", "{i=\"a\"} 1; {i=\"b\"} 0" },
	{ "300 - c", "{i=\"a\"} 0; {i=\"b\"} 80" },
	{ "c == 300 or c == 220", "c{i=\"a\"} 300; c{i=\"b\"} 220" },
	{ "g != g", "" },
	{ "c % 7", "{i=\"a\"} 6; {i=\"b\"} 3" },
	/* between vectors */
	{ "c / on (i) g", "{i=\"a\"} 75; {i=\"b\"} -88" },
	{ "c / ignoring (s) g", "{i=\"a\"} 75; {i=\"b\"} -88" },
	{ "c > on (i) g", "{i=\"a\"} 300; {i=\"b\"} 220" },
	{ "c > ignoring (s) g", "c{i=\"a\"} 300; c{i=\"b\"} 220" },
	{ "c < on (i) g", "" },
	{ "c * on (i) group_left (v) info", "{i=\"a\", v=\"1.0\"} 300; {i=\"b\", v=\"2.0\"} 220" },
	{ "info * on (i) group_right (v) c", "{i=\"a\", v=\"1.0\"} 300; {i=\"b\", v=\"2.0\"} 220" },
	{ "info < on (i) group_right (v) c", "c{i=\"a\", v=\"1.0\"} 1; c{i=\"b\", v=\"2.0\"} 1" },
	{ "c <= bool on (i) group_left () g", "{i=\"a\"} 0; {i=\"b\"} 0" },
	{ "c + on () group_left () one", "{i=\"a\"} 301; {i=\"b\"} 221" },
	{ "c and on (i) g{s=\"x\"}", "c{i=\"a\"} 300; c{i=\"b\"} 220" },
	{ "c and g", "" },
	{ "c unless on (i) g{i=\"a\"}", "c{i=\"b\"} 220" },
	{ "c{i=\"a\"} or on (i) g",
	  "c{i=\"a\"} 300; g{i=\"b\", s=\"x\"} -2.5; g{i=\"c\", s=\"y\"} +Inf" },
	{ "nothing / c", "" },
	{ "nothing or c{i=\"a\"}", "c{i=\"a\"} 300" },
	/* aggregations */
	{ "sum(c)", "{} 520" },
	{ "sum by (s) (g)", "{s=\"x\"} 1.5; {s=\"y\"} +Inf" },
	{ "avg without (i) (g)", "{s=\"x\"} 0.75; {s=\"y\"} +Inf" },
	{ "min(g)", "{} -2.5" },
	{ "max by (none) (c)", "{} 300" },
	{ "count by (__name__) ({i=\"a\"})", "c 1; g 1; info 1" },
	{ "group(c)", "{} 1" },
	{ "stddev(c)", "{} 40" },
	{ "stdvar(c)", "{} 1600" },
	{ "stdvar(g)", "{} NaN" },
	{ "quantile(0.25, c)", "{} 240" },
	{ "topk(1, c)", "c{i=\"a\"} 300" },
	{ "bottomk by (s) (1, g)", "g{i=\"b\", s=\"x\"} -2.5; g{i=\"c\", s=\"y\"} +Inf" },
	{ "topk(0, c)", "" },
	{ "sum(nothing)", "" },
	{ "count(nothing)", "" },
	/* histograms */
	{ "histogram_quantile(0.5, h_bucket)", "{} 1.5" },
	{ "histogram_quantile(0.9, h_bucket)", "{} 2" },
	{ "histogram_quantile(-1, h_bucket)", "{} -Inf" },
	{ "histogram_quantile(0.5, h_bucket{le!=\"+Inf\"})", "{} NaN" },
	{ "histogram_quantile(0.5, c)", "" },
	/* labels */
	{ "label_replace(one, \"d\", \"$1-x\", \"__name__\", \"o(.*)\")", "one{d=\"ne-x\"} 1" },
	{ "label_replace(c, \"i\", \"\", \"i\", \"a\") == 300", "c 300" },
	{ "label_replace(one, \"d\", \"x\", \"e\", \"y\")", "one 1" },
	{ "label_join(g{i=\"a\"}, \"d\", \"-\", \"i\", \"s\", \"none\")",
	  "g{d=\"a-x-\", i=\"a\", s=\"x\"} 4" },
	/* errors */
	{ "rate({x=\"1\"}[5m])", "error: vector cannot contain metrics with the same labelset" },
	{ "-{x=\"1\"}", "error: vector cannot contain metrics with the same labelset" },
	{ "sum(-{x=\"1\"})", "error: vector cannot contain metrics with the same labelset" },
	{ "label_replace(c, \"i\", \"z\", \"i\", \".*\")",
	  "error: vector cannot contain metrics with the same labelset" },
	{ "label_replace(one, \"\", \"z\", \"i\", \".*\")",
	  "error: invalid destination label name in label_replace(): " },
	{ "c * on () g",
	  "error: found duplicate series for the match group {} on the right hand-side of the "
	  "operation: [{__name__=\"g\", i=\"a\", s=\"x\"}, {__name__=\"g\", i=\"b\", "
	  "s=\"x\"}];many-to-many "
	  "matching not allowed: matching labels must be unique on one side" },
	{ "g * on (s) group_right () c", NULL },
	{ "c * on () one",
	  "error: multiple matches for labels: many-to-one matching must be explicit "
	  "(group_left/group_right)" },
	{ "{x=\"1\"} * on (x) group_left () a",
	  "error: multiple matches for labels: grouping labels must ensure "
	  "unique matches" },
	{ "topk(NaN, c)", "error: Parameter value is NaN" },
	{ "topk(1e30, c)", "error: Scalar value 1e+30 overflows int64" },
	{ "bottomk(-1e30, c)", "error: Scalar value -1e+30 underflows int64" },
};

static bool is_same_error(const char *a, const char *b)
{
	/* The oracle leaves out which series. */
	size_t len = strcspn(a, "{");
	return strncmp(a, b, len) == 0;
}

START_TEST(expressions_have_known_answers)
{
	struct world world;
	load(&world);
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct oracle_result standing, snapshot, oracle;
		struct query query;
		ck_assert_msg(query_init(&query, answers[i].expr, strlen(answers[i].expr)), "%s",
			      answers[i].expr);
		world_eval(&world, answers[i].expr, NOW, true, &standing);
		world_eval(&world, answers[i].expr, NOW, false, &snapshot);
		ck_assert_int_eq(
			oracle_eval(world.store, query.expr, NOW, WORLD_LOOKBACK_MS, &oracle), 0);
		char *a = result_text(&standing), *b = result_text(&snapshot),
		     *c = result_text(&oracle);
		if (answers[i].result)
			ck_assert_msg(strcmp(a, answers[i].result) == 0,
				      "%s:\n got    %s\n wanted %s", answers[i].expr, a,
				      answers[i].result);
		ck_assert_msg(strcmp(a, b) == 0, "%s:\n standing %s\n snapshot %s", answers[i].expr,
			      a, b);
		ck_assert_msg(strcmp(a, c) == 0 || (oracle.error[0] && is_same_error(a, c)),
			      "%s:\n binding %s\n oracle  %s", answers[i].expr, a, c);
		free(a);
		free(b);
		free(c);
		oracle_result_fini(&standing);
		oracle_result_fini(&snapshot);
		oracle_result_fini(&oracle);
		query_fini(&query);
	}
	world_fini(&world);
}
END_TEST

static Suite *eval_suite(void)
{
	Suite *suite = suite_create("eval");
	TCase *tcase = tcase_create("answers");
	tcase_add_test(tcase, expressions_have_known_answers);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(eval_suite)
