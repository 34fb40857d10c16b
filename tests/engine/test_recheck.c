/* The second opinion on evaluations of rules. */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "base/buf.h"
#include "tests/check_main.h"
#include "tests/engine/harness.h"

static struct harness h;

static void start_with(double share)
{
	struct engine_options options;
	harness_options(&options);
	options.warm = true;
	options.recheck_share = share;
	harness_start(&h, &options);
}

static void stop(void)
{
	harness_stop(&h);
}

static struct engine_stats stats(void)
{
	struct engine_stats stats;
	engine_stats_get(h.engine, &stats);
	return stats;
}

static void feed(int from_s, int to_s)
{
	for (int t = from_s; t <= to_s; t += 15) {
		char text[256];
		snprintf(text, sizeof(text),
			 "x_total{i=\"1\",j=\"a\"} %d; x_total{i=\"2\",j=\"a\"} %d; "
			 "x_total{i=\"3\",j=\"b\"} %d; y{i=\"1\"} %d",
			 t, t * 3 % 100, t * t, t / 7);
		harness_run(&h, t, t, text);
	}
}

static const char *const rules =
	"groups:\n"
	"- name: g\n"
	"  rules:\n"
	"  - {record: r, expr: 'sum by (j) (rate(x_total[1m]))'}\n"
	"  - {record: s, expr: 'max_over_time(r[2m:15s]) + on () group_left () scalar(y)'}\n"
	"  - {record: me, expr: 'x_total - on (i) (me or x_total)'}\n"
	"  - {alert: A, expr: 'x_total > 100 and on (i) y', for: 30s}\n"
	"  - {record: bad, expr: 'x_total * on (j) x_total'}\n"
	"  - {record: c, expr: '1 + time()'}\n";

START_TEST(rechecks_agree)
{
	start_with(1);
	harness_load(&h, rules);
	feed(0, 600);
	ck_assert_uint_gt(stats().failures, 30);
	ck_assert_uint_eq(stats().recheck_equal, stats().evaluations);
	ck_assert_uint_eq(stats().recheck_different, 0);
	ck_assert_uint_eq(stats().recheck_skipped, 0);
}
END_TEST

/* What becomes of one series in 15 s. It may be over for long, so that others take its rows. */
static void live(struct buf *text, unsigned *seed, int t, uint32_t i, int *generation, bool *lives)
{
	unsigned dice = (unsigned)rand_r(seed) % 100;
	int late = 20 + rand_r(seed) % 90, value = t * (int)(i + 1) % 977;
	if (*lives && dice < 6) {
		buf_printf(text, "x_total{i=\"%u\",g=\"%d\"} stale\n", i, *generation);
		*lives = false;
		*generation += rand_r(seed) % 2;
	} else if (*lives && dice < 95) {
		buf_printf(text, "x_total{i=\"%u\",g=\"%d\"} %d\n", i, *generation,
			   dice < 92 ? t : value);
	} else if (dice < 13) {
		buf_printf(text, "x_total{i=\"%u\",g=\"%d\"} %d\n", i, *generation, t);
		*lives = true;
	} else if (dice < 16 && t > late) {
		buf_printf(text, "x_total{i=\"%u\",g=\"%d\"} %d @ %d\n", i,
			   *generation > 0 && dice == 14 ? *generation - 1 : *generation, value,
			   t - late);
	}
}

START_TEST(series_that_end_and_come_back_agree)
{
	enum { SERIES = 24, END_S = 3000 };
	int generations[SERIES] = { 0 };
	bool lives[SERIES] = { false };
	unsigned seed = 1 + (unsigned)_i;
	struct buf text;
	buf_init(&text);
	start_with(1);
	harness_load(&h, "groups:\n"
			 "- name: g\n"
			 "  rules:\n"
			 "  - {record: a, expr: 'rate(x_total[2m])'}\n"
			 "  - {record: b, expr: 'sum by (i) (increase(x_total[5m]))'}\n"
			 "  - {record: c, expr: 'delta(x_total[1m]) + resets(x_total[1m])'}\n"
			 "  - {record: d, expr: 'count_over_time(x_total[4m])'}\n"
			 "  - {record: e, expr: 'last_over_time(x_total[90s])'}\n"
			 "  - {record: f, expr: 'rate(x_total[2m] offset 1m)'}\n"
			 "  - {record: k, expr: 'x_total'}\n"
			 "  - {record: l, expr: 'x_total offset 1m > 5'}\n"
			 "  - {record: m, expr: 'changes(x_total[3m])'}\n"
			 "  - {record: n, expr: 'timestamp(x_total)'}\n");
	for (int t = 15; t <= END_S; t += 15) {
		buf_clear(&text);
		for (uint32_t i = 0; i < SERIES; i++)
			live(&text, &seed, t, i, &generations[i], &lives[i]);
		buf_add_char(&text, '\0');
		harness_run(&h, t, t, text.ptr);
		ck_assert_uint_eq(stats().recheck_different, 0);
	}
	ck_assert_uint_eq(stats().recheck_equal, stats().evaluations);
	struct store_stats store;
	store_stats_get(engine_store(h.engine), &store);
	ck_assert_uint_gt(store.forgotten, SERIES / 2);
	buf_fini(&text);
}
END_TEST

START_TEST(recheck_takes_a_share)
{
	start_with(0.25);
	harness_load(&h, rules);
	feed(0, 3000);
	uint64_t all = stats().evaluations, some = stats().recheck_equal;
	ck_assert_uint_gt(some, all / 5);
	ck_assert_uint_lt(some, all / 3);
	stop();
	start_with(0);
	harness_load(&h, rules);
	feed(0, 60);
	ck_assert_uint_eq(stats().recheck_equal + stats().recheck_skipped, 0);
}
END_TEST

/* A plain evaluator that is wrong. */
static enum { WRONG_VALUE, WRONG_A_LITTLE, WRONG_ROWS, WRONG_ERROR } wrong;
static double little; /* share of the value */
static int evaluate_wrongly(struct store *store, const struct expr *expr, int64_t t_ms,
			    struct oracle_options *options, struct oracle_result *out)
{
	int err = oracle_eval_with(store, expr, t_ms, options, out);
	if (err || t_ms < 60000)
		return err;
	if (wrong == WRONG_ERROR)
		snprintf(out->error, sizeof(out->error), "no idea");
	else if (wrong == WRONG_ROWS)
		labels_unref(out->rows[--out->n].labels);
	else if (wrong == WRONG_A_LITTLE)
		out->rows[0].value *= 1 + little;
	else
		out->rows[0].value += 1;
	return 0;
}

static struct buf told;
static void on_different(void *ctx, const struct rule *rule, int64_t t_ms, struct slice what)
{
	buf_printf(&told, SLICE_FMT "@%lld: " SLICE_FMT "\n", SLICE_ARG(rule->name),
		   (long long)t_ms / 1000, SLICE_ARG(what));
}

static void expect_told(const char *wanted)
{
	harness_run(&h, 60, 60, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	ck_assert_str_eq(told.ptr, wanted);
	ck_assert_uint_eq(stats().recheck_different, 1);
	ck_assert_uint_gt(stats().recheck_equal, 0);
	buf_fini(&told);
}

static void start_wrong(void)
{
	start_with(1);
	h.engine->recheck.evaluate = evaluate_wrongly;
	h.engine->sink.different = on_different;
	buf_init(&told);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: x}]}]");
	harness_run(&h, 0, 45, "x{i=\"1\"} 1; x{i=\"2\"} 2");
}

START_TEST(recheck_tells_a_value)
{
	start_wrong();
	wrong = WRONG_VALUE;
	expect_told("r@60: x{i=\"1\"} is 1, by the plain evaluator 2\n");
}
END_TEST

START_TEST(recheck_tells_a_row_that_is_not_there)
{
	start_wrong();
	wrong = WRONG_ROWS;
	expect_told("r@60: x{i=\"2\"} is 2, by the plain evaluator none\n");
}
END_TEST

START_TEST(recheck_tells_an_error)
{
	start_wrong();
	wrong = WRONG_ERROR;
	expect_told("r@60: no error, by the plain evaluator no idea\n");
}
END_TEST

START_TEST(recheck_tells_so_many_differences)
{
	start_wrong();
	wrong = WRONG_VALUE;
	unsigned lines = 0;
	for (int i = 0; i < RECHECK_TOLD_MAX + 10; i++)
		harness_run(&h, 60 + i * 15, 60 + i * 15, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	for (const char *at = told.ptr; (at = strchr(at, '\n')); at++)
		lines++;
	ck_assert_uint_eq(lines, RECHECK_TOLD_MAX);
	ck_assert_uint_eq(stats().recheck_different, RECHECK_TOLD_MAX + 10);
	buf_fini(&told);
}
END_TEST

START_TEST(recheck_tells_the_beginning_of_a_difference)
{
	struct buf text = { 0 };
	buf_add_str(&text, "x{i=\"0"); /* the first row */
	for (int i = 0; i < RECHECK_BYTES_MAX; i++)
		buf_add_char(&text, 'l');
	buf_add_str(&text, "\"} 1");
	start_wrong();
	wrong = WRONG_VALUE;
	harness_run(&h, 60, 60, text.ptr);
	ck_assert_uint_eq(stats().recheck_different, 1);
	ck_assert_uint_eq(told.len, strlen("r@60: ") + RECHECK_BYTES_MAX + strlen("\n"));
	ck_assert_ptr_nonnull(strstr(told.ptr, "r@60: x{i=\"0lll"));
	buf_fini(&text);
	buf_fini(&told);
}
END_TEST

/* What adds up may do so in another order; a comparison of single values is exact. */
START_TEST(recheck_lets_sums_differ_a_little)
{
	static const struct {
		const char *expr;
		double little;
		unsigned different;
	} cases[] = { { "sum(x)", RECHECK_DIFFERENCE_MAX / 2, 0 },
		      { "sum(x)", RECHECK_DIFFERENCE_MAX * 2, 1 },
		      { "max(x)", RECHECK_DIFFERENCE_MAX / 2, 1 } };
	char text[128];
	start_wrong();
	wrong = WRONG_A_LITTLE;
	little = cases[_i].little;
	snprintf(text, sizeof(text), "groups: [{name: g, rules: [{record: r, expr: '%s'}]}]",
		 cases[_i].expr);
	harness_load(&h, text);
	harness_run(&h, 60, 60, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	ck_assert_uint_eq(stats().recheck_different, cases[_i].different);
	ck_assert_uint_gt(stats().recheck_equal, 0);
	buf_fini(&told);
}
END_TEST

static void feed_many(int n)
{
	struct buf text = { 0 };
	for (int i = 0; i < n; i++)
		buf_printf(&text, "x{i=\"%d\"} %d; ", i, i);
	harness_run(&h, 0, 15, text.ptr);
	buf_fini(&text);
}

START_TEST(recheck_leaves_out_what_is_large)
{
	start_with(1);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: count(x)}]}]");
	feed_many(RECHECK_SERIES_MAX + 1);
	ck_assert_uint_eq(stats().recheck_skipped, 2);
	stop();
	start_with(1);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: count(x)}]}]");
	feed_many(RECHECK_SERIES_MAX / 4);
	ck_assert_uint_eq(stats().recheck_skipped, 0);
	ck_assert_uint_eq(stats().recheck_equal, 2);
	stop();
	/* Few series, and too much work for it all the same. */
	start_with(1);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: "
			 "'max_over_time(count(x)[10m:100ms])'}]}]");
	feed_many(RECHECK_SERIES_MAX / 4);
	ck_assert_uint_eq(stats().recheck_skipped, 2);
	stop();
	/* None at all: to look for them at 300 times 300 times 300 times is work, too. */
	start_with(1);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: 'max_over_time("
			 "(max_over_time((max_over_time(y[5m:1s]))[5m:1s]))[5m:1s])'}]}]");
	feed_many(1);
	ck_assert_uint_eq(stats().recheck_skipped, 2);
}
END_TEST

static int64_t work_less; /* than the oracle needs */

/* The oracle, allowed just what it needs, or less. */
static int evaluate_within(struct store *store, const struct expr *expr, int64_t t_ms,
			   struct oracle_options *options, struct oracle_result *out)
{
	ck_assert_uint_eq(options->work_max, RECHECK_WORK_MAX);
	ck_assert_int_eq(oracle_eval_with(store, expr, t_ms, options, out), 0);
	oracle_result_fini(out);
	options->work_max = options->work - (uint64_t)work_less;
	options->work = 0;
	return oracle_eval_with(store, expr, t_ms, options, out);
}

START_TEST(recheck_does_so_much_work)
{
	for (work_less = 0; work_less <= 1; work_less++) {
		start_with(1);
		h.engine->recheck.evaluate = evaluate_within;
		harness_load(
			&h, "groups: [{name: g, rules: [{record: r, expr: 'sum(x) + count(x)'}]}]");
		feed_many(20);
		ck_assert_uint_eq(stats().recheck_skipped, work_less ? 2 : 0);
		ck_assert_uint_eq(stats().recheck_equal, work_less ? 0 : 2);
		stop();
	}
	start_with(1);
}
END_TEST

START_TEST(recheck_leaves_out_what_the_oracle_does_not_know)
{
	start_with(1);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: 'topk(1, x)'}, "
			 "{record: s, expr: 'count({i=\"1\"})'}]}]");
	harness_run(&h, 0, 0, "x{i=\"1\"} 1");
	ck_assert_uint_eq(stats().recheck_skipped, 2);
}
END_TEST

static Suite *recheck_suite(void)
{
	Suite *suite = suite_create("recheck");
	TCase *tc = tcase_create("recheck");
	tcase_add_checked_fixture(tc, NULL, stop);
	tcase_add_test(tc, rechecks_agree);
	tcase_add_loop_test(tc, series_that_end_and_come_back_agree, 0, 5);
	tcase_add_test(tc, recheck_takes_a_share);
	tcase_add_test(tc, recheck_tells_a_value);
	tcase_add_test(tc, recheck_tells_a_row_that_is_not_there);
	tcase_add_test(tc, recheck_tells_an_error);
	tcase_add_test(tc, recheck_tells_so_many_differences);
	tcase_add_test(tc, recheck_tells_the_beginning_of_a_difference);
	tcase_add_loop_test(tc, recheck_lets_sums_differ_a_little, 0, 3);
	tcase_add_test(tc, recheck_leaves_out_what_is_large);
	tcase_add_test(tc, recheck_does_so_much_work);
	tcase_add_test(tc, recheck_leaves_out_what_the_oracle_does_not_know);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(recheck_suite)
