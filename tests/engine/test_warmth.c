/* Rules wait until their windows are fed; runbooks until their rules have settled. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include "base/text.h"

static struct harness h;

static void start(void)
{
	struct engine_options options;
	harness_options(&options);
	harness_start(&h, &options);
	harness_time(&h, 7);
}

static void stop(void)
{
	harness_stop(&h);
}

START_TEST(rule_waits_until_its_range_is_fed)
{
	harness_load(
		&h, "groups: [{name: g, rules: [{alert: A, expr: 'count_over_time(x[1m]) < 4'}]}]");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_WARMING);
	harness_run(&h, 15, 60, "x 1");
	harness_expect(&h, "");
	struct rule_status status = harness_rule(&h, 0);
	ck_assert_int_eq(status.health, RULE_WARMING);
	ck_assert_int_eq(status.warm_at_ms, 67000);
	ck_assert_uint_eq(status.evaluations, 0);
	harness_run(&h, 75, 75, "x 1");
	status = harness_rule(&h, 0);
	ck_assert_int_eq(status.health, RULE_OK);
	ck_assert_int_eq(status.warm_at_ms, TIME_NONE);
	harness_expect(&h, "");
}
END_TEST

START_TEST(rule_on_instants_waits_for_the_lookback_and_its_offset)
{
	harness_load(&h, "groups: [{name: g, query_offset: 30s, rules: [{alert: A, expr: absent(x "
			 "offset 1m)}]}]");
	harness_run(&h, 15, 390, "y 1");
	ck_assert_int_eq(harness_rule(&h, 0).warm_at_ms, 397000);
	harness_expect(&h, "");
	harness_run(&h, 405, 405, "y 1");
	harness_expect(&h, "405 A pending>firing value=1 active=405 fired=405\n");
}
END_TEST

START_TEST(rule_with_a_subquery_waits_for_both_ranges)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: "
			 "'count_over_time(sum(x)[1m:15s]) < 4'}]}]");
	harness_run(&h, 15, 60, "x 1");
	ck_assert_int_eq(harness_rule(&h, 0).warm_at_ms, 367000);
	harness_run(&h, 75, 375, "x 1");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_OK);
	harness_expect(&h, "");
}
END_TEST

START_TEST(rule_without_warmup_runs_at_once)
{
	harness_load(
		&h,
		"groups:\n- {name: a, warmup: off, rules: [{alert: A, expr: absent(x)}]}\n"
		"- {name: b, dialect: prometheus, rules: [{alert: B, expr: absent(x)}]}\n"
		"- {name: c, rules: [{alert: C, expr: vector(1)}, {alert: D, expr: absent(x)}]}\n");
	harness_run(&h, 15, 15, "y 1");
	harness_expect(&h, "15 A pending>firing value=1 active=15 fired=15 settled\n"
			   "15 B pending>firing value=1 active=15 fired=15 settled\n"
			   "15 C pending>firing value=1 active=15 fired=15\n");
}
END_TEST

START_TEST(rule_on_what_is_fed_already_is_warm_at_once)
{
	harness_load(&h,
		     "groups: [{name: g, rules: [{record: r, expr: 'count_over_time(x[1m])'}]}]");
	harness_run(&h, 15, 90, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	/* The same selector, and one that is narrower. */
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: 'count_over_time(x[1m])'}, "
			 "{record: s, expr: 'count_over_time(x{i=\"1\"}[1m])'}, {record: t, expr: "
			 "'count_over_time(x[2m])'}]}]");
	harness_run(&h, 105, 105, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	harness_expect_query(&h, "r", 105, "r{i=\"1\"} 4\nr{i=\"2\"} 4\n");
	harness_expect_query(&h, "s", 105, "s{i=\"1\"} 4\n");
	ck_assert_int_eq(harness_rule(&h, 2).health, RULE_WARMING);
}
END_TEST

START_TEST(rule_on_a_recorded_series_waits_for_who_records_it)
{
	harness_load(
		&h,
		"groups:\n- name: g\n  rules:\n  - {record: r, expr: 'count_over_time(x[1m])'}\n"
		"  - {alert: A, expr: 'count_over_time(r[1m]) < 4'}\n"
		"  - {alert: B, expr: 'count_over_time(ALERTS{alertname=\"A\"}[1m]) > 0'}\n");
	harness_run(&h, 15, 120, "x 1");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_OK);
	ck_assert_int_eq(harness_rule(&h, 1).warm_at_ms, 127000);
	ck_assert_int_eq(harness_rule(&h, 2).warm_at_ms, 187000);
	harness_run(&h, 135, 180, "x 1");
	ck_assert_int_eq(harness_rule(&h, 1).health, RULE_OK);
	harness_expect(&h, "");
}
END_TEST

START_TEST(rule_that_reads_itself_does_not_wait_for_itself)
{
	harness_load(&h, "groups: [{name: g, rules: [{record: n, expr: 'count_over_time(n[1m]) or "
			 "vector(0)'}]}]");
	harness_run(&h, 15, 75, NULL);
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_OK);
}
END_TEST

START_TEST(warming_rule_leaves_its_alerts_as_they_are)
{
	harness_load(&h,
		     "groups: [{name: g, rules: [{alert: A, expr: 'max_over_time(x[1m]) > 5'}]}]");
	harness_run(&h, 15, 75, "x 6");
	harness_expect(&h, "75 A pending>firing value=6 active=75 fired=75\n");
	/* Another input: the alert goes on until that is warm, and says then whether it holds. */
	harness_load(&h,
		     "groups: [{name: g, rules: [{alert: A, expr: 'max_over_time(y[1m]) > 5'}]}]");
	harness_run(&h, 90, 120, "x 1; y 1");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_WARMING);
	ck_assert_uint_eq(harness_rule(&h, 0).firing, 1);
	harness_expect(&h, "");
	harness_run(&h, 135, 135, "y 1");
	harness_expect(&h, "135 A firing>inactive value=6 active=75 fired=75 resolved=135\n");
}
END_TEST

START_TEST(rule_settles_after_for_or_two_intervals)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 0}, {alert: B, expr: x > "
			 "0, for: 1m}]}]");
	harness_run(&h, 15, 300, "x 0");
	harness_run(&h, 315, 330, "x 1");
	harness_expect(&h, "315 A pending>firing value=1 active=315 fired=315\n"
			   "315 B inactive>pending value=1 active=315\n");
	harness_run(&h, 345, 345, "x 0");
	harness_run(&h, 360, 420, "x 1");
	harness_expect(&h,
		       "345 A firing>inactive value=1 active=315 fired=315 resolved=345 settled\n"
		       "345 B pending>inactive value=1 active=315\n"
		       "360 A pending>firing value=1 active=360 fired=360 settled\n"
		       "360 B inactive>pending value=1 active=360\n"
		       "420 A firing value=1 active=360 fired=360 reason=refresh settled\n"
		       "420 B pending>firing value=1 active=360 fired=420 settled\n");
}
END_TEST

START_TEST(jump_of_time_unsettles)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 0}]}]");
	harness_run(&h, 15, 390, "x 0");
	harness_run(&h, 690, 690, "x 1");
	harness_expect(&h, "690 A pending>firing value=1 active=690 fired=690\n");
}
END_TEST

static Suite *warmth_suite(void)
{
	Suite *suite = suite_create("warmth");
	TCase *tc = tcase_create("warmth");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, rule_waits_until_its_range_is_fed);
	tcase_add_test(tc, rule_on_instants_waits_for_the_lookback_and_its_offset);
	tcase_add_test(tc, rule_with_a_subquery_waits_for_both_ranges);
	tcase_add_test(tc, rule_without_warmup_runs_at_once);
	tcase_add_test(tc, rule_on_what_is_fed_already_is_warm_at_once);
	tcase_add_test(tc, rule_on_a_recorded_series_waits_for_who_records_it);
	tcase_add_test(tc, rule_that_reads_itself_does_not_wait_for_itself);
	tcase_add_test(tc, warming_rule_leaves_its_alerts_as_they_are);
	tcase_add_test(tc, rule_settles_after_for_or_two_intervals);
	tcase_add_test(tc, jump_of_time_unsettles);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(warmth_suite)
