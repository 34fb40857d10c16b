/*
 * Evaluation on arrival, on a manual clock, where more is looked at than events, or more happens than
 * that samples come: test_arrival_scenarios.c has all else.
 */
#include "tests/engine/arrival.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/engine_internal.h"

static struct group_status group(uint32_t i)
{
	struct group_status status;
	engine_group_status(h.engine, i, &status);
	return status;
}

START_TEST(group_runs_at_its_ticks_as_well)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5}"));
	arrive(2, "x 6");
	harness_expect(&h, "2 A pending>firing value=6 active=2 fired=2 settled\n");
	harness_time(&h, 60);
	ck_assert_int_eq(group(0).last_ms, 60000);
	arrive(61, "x stale");
	harness_expect(&h, "");
	harness_time(&h, 120);
	harness_expect(&h, "120 A firing>inactive value=6 active=2 fired=2 resolved=120 settled\n");
}
END_TEST

/* ---- when ---- */

START_TEST(time_is_the_newest_of_the_batch)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5}"));
	engine_time(h.engine, 10000);
	harness_feed(&h, 0, "x{i=\"1\"} 6 @ 7; x{i=\"2\"} 6 @ 8; y 1 @ 9");
	harness_settle(&h);
	harness_expect(&h, "8 A{i=\"1\"} pending>firing value=6 active=8 fired=8 settled\n"
			   "8 A{i=\"2\"} pending>firing value=6 active=8 fired=8 settled\n");
	ck_assert_int_eq(group(0).last_ms, TIME_NONE); /* that was no tick */
}
END_TEST

START_TEST(tick_that_is_due_goes_first)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5}"));
	engine_time(h.engine, 60500);
	harness_feed(&h, 60.2, "x 6");
	harness_settle(&h);
	ck_assert_int_eq(group(0).last_ms, 60000);
	harness_expect(&h, "60.2 A pending>firing value=6 active=60.2 fired=60.2 settled\n");
}
END_TEST

START_TEST(windows_reach_back_from_the_sample)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{record: n, expr: 'count_over_time(x[30s])'}"));
	for (int t = 5; t <= 62; t++)
		arrive(t, "x 1");
	harness_expect_query(&h, "n", 62, "n 30\n");
	harness_expect_query(&h, "timestamp(n)", 62, "{} 62\n");
}
END_TEST

/* ---- which rows ---- */

START_TEST(many_rows_are_evaluated_in_words)
{
	char text[64];
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: 'rate(x[1m]) * 60 > bool 5 == 1'}"));
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "x{i=\"%d\"} 0", i);
		harness_feed(&h, 1, text);
	}
	arrive(31, "x{i=\"7\"} 100; x{i=\"64\"} 100; x{i=\"65\"} 0; x{i=\"299\"} 100");
	harness_expect(&h, "31 A{i=\"7\"} pending>firing value=1 active=31 fired=31 settled\n"
			   "31 A{i=\"64\"} pending>firing value=1 active=31 fired=31 settled\n"
			   "31 A{i=\"299\"} pending>firing value=1 active=31 fired=31 settled\n");
}
END_TEST

START_TEST(series_that_nobody_watches_are_not_marked)
{
	harness_time(&h, 1);
	harness_load(&h, "groups: [{name: t, interval: 1m, rules: [{record: r, expr: y}]}, "
			 "{name: g, evaluate: arrival, interval: 1m, rules: [{alert: A, expr: x > 5}, "
			 "{alert: B, expr: absent(z)}]}]");
	arrive(2, "x 1; y 1; z 1");
	struct store *store = engine_store(h.engine);
	uint32_t cursor = 0, watched = 0;
	for (struct series *series; (series = store_next(store, &cursor));)
		watched += series->watched;
	ck_assert_uint_eq(watched, 1);
	harness_load(&h, "groups: [{name: t, interval: 1m, rules: [{record: r, expr: x}]}]");
	arrive(3, "x 7"); /* the first to come finds out */
	cursor = 0;
	for (struct series *series; (series = store_next(store, &cursor));)
		ck_assert(!series->watched);
	harness_expect(&h, "");
}
END_TEST

START_TEST(rule_that_warms_waits)
{
	struct engine_options options;
	harness_stop(&h);
	harness_options(&options);
	harness_start(&h, &options);
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: 'sum_over_time(x[30s]) > 5'}"));
	arrive(10, "x 6");
	harness_expect(&h, "");
	arrive(32, "x 7");
	harness_expect(&h, "32 A pending>firing value=13 active=32 fired=32\n");
}
END_TEST

/* ---- settle ---- */

START_TEST(set_operators_wait_for_the_other_side)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: U, expr: x > 5 unless on (job) m == 1}, "
			       "{alert: N, expr: x > 5 and on (job) m == 0}, "
			       "{alert: O, expr: m == 0 or x > 5}"));
	arrive(2, "x{" JOB "} 1; m{" JOB "} 0");
	arrive(12, "x{" JOB "} 6");
	harness_expect(&h, "");
	arrive_late(12.1, 12, "m{" JOB "} 1");
	harness_expect(&h, "12.001 O{instance=\"1\", job=\"j\"} pending>firing value=6 "
			   "active=12.001 fired=12.001 settled\n");
	arrive(22, "m{" JOB "} 0");
	harness_expect(&h, "");
	arrive_late(22.1, 22, "x{" JOB "} 7");
	harness_expect(
		&h,
		"22.001 U{instance=\"1\", job=\"j\"} pending>firing value=7 active=22.001 "
		"fired=22.001 settled\n"
		"22.001 N{instance=\"1\", job=\"j\"} pending>firing value=7 active=22.001 "
		"fired=22.001 settled\n");
	char *alerts = harness_alerts(&h); /* the same alert, of the other side now */
	ck_assert_ptr_nonnull(strstr(alerts, "O{instance=\"1\", job=\"j\"} firing value=0"));
	free(alerts);
}
END_TEST

START_TEST(targets_beyond_the_limit_are_learnt_again)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: sum by (job) (x) > 5}"));
	arrive(2, "x{" JOB ",i=\"1\"} 1; x{" JOB ",i=\"2\"} 1");
	struct targets *targets = &h.engine->arrival.targets;
	ck_assert_uint_eq(targets->n, 1);
	targets->max = 2;
	arrive(13, "x{job=\"k\"} 1");
	ck_assert_uint_eq(targets->n, 2);
	arrive(14, "x{job=\"l\"} 1"); /* one too many: all begin anew */
	ck_assert_uint_eq(targets->n, 1);
	arrive(22, "x{" JOB ",i=\"1\"} 6; x{" JOB ",i=\"2\"} 6");
	harness_expect(&h, "");
	arrive(32, "x{" JOB ",i=\"1\"} 6; x{" JOB ",i=\"2\"} 6");
	harness_expect(&h,
		       "32 A{job=\"j\"} pending>firing value=12 active=32 fired=32 settled\n");
}
END_TEST

/* ---- log lines ---- */

/* So many lines at time_s, as an extractor counts them. */
static void lines_arrive(double time_s, int n)
{
	const struct plan_log *log = &engine_rules(h.engine)->plan->logs[0];
	int64_t t_ms = (int64_t)(time_s * 1000);
	struct label pairs[] = { { SLICE("__name__"), slice_from(log->name) },
				 { SLICE("job"), SLICE("j") } };
	double count = n;
	struct batch *batch = batch_new();
	struct labels *labels;
	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	ck_assert_int_eq(batch_reserve(batch, 1), 0);
	batch->rows[0] = (struct batch_row){
		.key = { 1, 2 },
		.ts_ms = (t_ms + log->bucket_ms - 1) / log->bucket_ms * log->bucket_ms,
	};
	memcpy(&batch->rows[0].bits, &count, sizeof(count));
	batch->nrows = 1;
	ck_assert_int_eq(batch_birth_add(batch, 0, labels), 0);
	batch->births[0].kind = WINDOW_SUM;
	engine_time(h.engine, t_ms);
	engine_batch(h.engine, batch);
	harness_settle(&h);
}

START_TEST(lines_that_are_too_many_are_told_before_their_bucket_ends)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: 'sum by (job) (count_over_time(logs{job=~\".+\"} |= "
			       "\"x\" [2m])) > 4'}"));
	ck_assert_int_eq(engine_rules(h.engine)->plan->logs[0].bucket_ms, 60000);
	lines_arrive(10, 3);
	lines_arrive(70, 1);
	harness_expect(&h, "");
	lines_arrive(71, 2);
	harness_expect(&h, "71 A{job=\"j\"} pending>firing value=6 active=71 fired=71 settled\n");
	harness_time(&h, 120);
	lines_arrive(121, 1); /* of (60, 180] so far */
	harness_expect(&h, "");
	harness_time(&h, 180);
	harness_expect(&h, "180 A{job=\"j\"} firing>inactive value=6 active=71 fired=71 "
			   "resolved=180 settled\n");
}
END_TEST

START_TEST(lines_that_are_too_few_are_for_the_tick)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: 'count_over_time(logs{job=\"j\"} |= \"x\" [1m]) < "
			       "4'}"));
	lines_arrive(10, 1);
	harness_expect(&h, "");
	harness_time(&h, 60);
	harness_expect(&h, "60 A{job=\"j\"} pending>firing value=1 active=60 fired=60 settled\n");
}
END_TEST

/* ---- what else a rule is ---- */

START_TEST(recording_rules_record_ready_rows_in_file_order)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{record: before, expr: twice + 0}, {record: twice, expr: x * 2}, "
			       "{record: after, expr: twice + 1}"));
	arrive(2, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	harness_expect_query(&h, "twice", 2, "twice{i=\"1\"} 2\ntwice{i=\"2\"} 4\n");
	harness_expect_query(&h, "timestamp(twice)", 2, "{i=\"1\"} 2\n{i=\"2\"} 2\n");
	arrive(3, "x{i=\"2\"} 5");
	harness_expect_query(&h, "twice", 3, "twice{i=\"1\"} 2\ntwice{i=\"2\"} 10\n");
	harness_expect_query(&h, "timestamp(twice)", 3, "{i=\"1\"} 2\n{i=\"2\"} 3\n");
}
END_TEST

START_TEST(rule_that_reads_itself_comes_to_rest)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{record: r, expr: r + 1 or x}"));
	arrive(2, "x 1");
	harness_time(&h, 60);
	arrive(61, "x 1");
	ck_assert(!engine_step(h.engine, 1000));
}
END_TEST

START_TEST(limit_is_for_the_tick)
{
	harness_time(&h, 1);
	harness_load(&h, "groups: [{name: g, evaluate: arrival, limit: 1, interval: 1m, rules: "
			 "[{alert: A, expr: x > 5}]}]");
	arrive(2, "x{i=\"1\"} 6");
	arrive(3, "x{i=\"2\"} 6");
	harness_expect(&h, "2 A{i=\"1\"} pending>firing value=6 active=2 fired=2 settled\n");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_ERROR);
	ck_assert_str_eq(harness_rule(&h, 0).error, "exceeded limit of 1 with 2 alerts");
	harness_time(&h, 60);
	harness_expect(&h, "60 A{i=\"1\"} firing>inactive value=6 active=2 fired=2 resolved=60 "
			   "reason=limit settled\n");
}
END_TEST

START_TEST(error_of_the_whole_is_one_of_the_part)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: a > on (job) b}"));
	arrive(2, "a{job=\"1\"} 6; b{job=\"1\"} 5; b{job=\"2\",i=\"1\"} 1; b{job=\"2\",i=\"2\"} 1");
	harness_expect(&h, "");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_ERROR);
	harness_time(&h, 60);
	harness_expect(&h, "");
}
END_TEST

START_TEST(reload_keeps_alerts_and_goes_on)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5, for: 10s}"));
	arrive(2, "x 6");
	harness_load(&h, GROUP("{alert: A, expr: x > 5, for: 10s}, {alert: B, expr: x > 6}"));
	arrive(5, "x 7");
	harness_expect(&h, "2 A inactive>pending value=6 active=2 settled\n"
			   "5 B pending>firing value=7 active=5 fired=5 settled\n");
	harness_time(&h, 12);
	harness_expect(&h, "12 A pending>firing value=7 active=2 fired=12 settled\n");
}
END_TEST

START_TEST(samples_that_come_during_a_run_are_for_the_next)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5}"));
	engine_time(h.engine, 2000);
	harness_feed(&h, 2, "x{i=\"1\"} 6; x{i=\"2\"} 1");
	ck_assert(engine_step(h.engine, 1));
	harness_feed(&h, 2, "x{i=\"3\"} 6");
	engine_time(h.engine, 3000);
	harness_feed(&h, 3, "x{i=\"2\"} 6");
	harness_settle(&h);
	char *alerts = harness_alerts(&h);
	ck_assert_ptr_nonnull(strstr(alerts, "A{i=\"1\"} firing value=6 active=2"));
	ck_assert_ptr_nonnull(strstr(alerts, "A{i=\"2\"} firing value=6 active=3"));
	ck_assert_ptr_nonnull(strstr(alerts, "A{i=\"3\"} firing value=6 active=3"));
	free(alerts);
}
END_TEST

static Suite *arrival_suite(void)
{
	Suite *suite = suite_create("arrival");
	TCase *tc;
	tc = tcase_create("when");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, group_runs_at_its_ticks_as_well);
	tcase_add_test(tc, time_is_the_newest_of_the_batch);
	tcase_add_test(tc, tick_that_is_due_goes_first);
	tcase_add_test(tc, windows_reach_back_from_the_sample);
	suite_add_tcase(suite, tc);
	tc = tcase_create("rows");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, many_rows_are_evaluated_in_words);
	tcase_add_test(tc, series_that_nobody_watches_are_not_marked);
	tcase_add_test(tc, rule_that_warms_waits);
	suite_add_tcase(suite, tc);
	tc = tcase_create("settle");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, set_operators_wait_for_the_other_side);
	tcase_add_test(tc, targets_beyond_the_limit_are_learnt_again);
	suite_add_tcase(suite, tc);
	tc = tcase_create("lines");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, lines_that_are_too_many_are_told_before_their_bucket_ends);
	tcase_add_test(tc, lines_that_are_too_few_are_for_the_tick);
	suite_add_tcase(suite, tc);
	tc = tcase_create("rules");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, recording_rules_record_ready_rows_in_file_order);
	tcase_add_test(tc, rule_that_reads_itself_comes_to_rest);
	tcase_add_test(tc, limit_is_for_the_tick);
	tcase_add_test(tc, error_of_the_whole_is_one_of_the_part);
	tcase_add_test(tc, reload_keeps_alerts_and_goes_on);
	tcase_add_test(tc, samples_that_come_during_a_run_are_for_the_next);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(arrival_suite)
