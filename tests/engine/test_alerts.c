/* The alert state machine, on the facts of Prometheus' AlertingRule.Eval (facts/rules.md 2.4, 2.5).
 */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

static struct harness h;

static void start(void)
{
	harness_start_warm(&h);
}

static void stop(void)
{
	harness_stop(&h);
}

START_TEST(alert_without_for_fires_at_once)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]");
	harness_run(&h, 0, 0, "up{job=\"x\"} 1");
	harness_expect(&h, "");
	harness_run(&h, 15, 15, "up{job=\"x\"} 0");
	harness_expect(&h, "15 A{job=\"x\"} pending>firing value=0 active=15 fired=15 settled\n");
	harness_run(&h, 30, 30, "up{job=\"x\"} 1");
	harness_expect(
		&h,
		"30 A{job=\"x\"} firing>inactive value=0 active=15 fired=15 resolved=30 settled\n");
	harness_run(&h, 45, 45, "up{job=\"x\"} 0");
	harness_expect(&h, "45 A{job=\"x\"} pending>firing value=0 active=45 fired=45 settled\n");
}
END_TEST

START_TEST(alert_is_pending_for_as_long_as_said)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5, for: 30s}]}]");
	harness_run(&h, 0, 0, "x 6");
	harness_expect(&h, "0 A inactive>pending value=6 active=0 settled\n");
	harness_run(&h, 15, 15, "x 7");
	harness_expect(&h, "");
	ck_assert_int_eq(harness_rule(&h, 0).state, ALERT_PENDING);
	harness_run(&h, 30, 30, "x 8");
	harness_expect(&h, "30 A pending>firing value=8 active=0 fired=30 settled\n");
	ck_assert_int_eq(harness_rule(&h, 0).state, ALERT_FIRING);
}
END_TEST

START_TEST(alert_pending_that_misses_one_evaluation_is_gone)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5, for: 30s}]}]");
	harness_run(&h, 0, 15, "x 6");
	harness_run(&h, 30, 30, "x 1");
	harness_run(&h, 45, 60, "x 6");
	harness_expect(&h, "0 A inactive>pending value=6 active=0 settled\n"
			   "30 A pending>inactive value=6 active=0 settled\n"
			   "45 A inactive>pending value=6 active=45 settled\n");
}
END_TEST

START_TEST(alert_is_kept_firing_for_as_long_as_said)
{
	harness_load(&h,
		     "groups: [{name: g, rules: [{alert: A, expr: x > 5, keep_firing_for: 30s}]}]");
	harness_run(&h, 0, 0, "x 6");
	harness_run(&h, 15, 30, "x 1");
	harness_expect(&h, "0 A pending>firing value=6 active=0 fired=0 settled\n");
	char *alerts = harness_alerts(&h);
	ck_assert_str_eq(alerts, "A firing value=6 active=0 fired=0 keep=15\n");
	free(alerts);
	harness_run(&h, 45, 45, "x 1");
	harness_expect(
		&h, "45 A firing>inactive value=6 active=0 fired=0 resolved=45 keep=15 settled\n");
}
END_TEST

START_TEST(alert_kept_firing_starts_to_count_anew_when_it_holds_again)
{
	harness_load(&h,
		     "groups: [{name: g, rules: [{alert: A, expr: x > 5, keep_firing_for: 30s}]}]");
	harness_run(&h, 0, 0, "x 6");
	harness_run(&h, 15, 30, "x 1");
	harness_run(&h, 45, 45, "x 9");
	harness_run(&h, 60, 75, "x 1");
	harness_expect(&h, "0 A pending>firing value=6 active=0 fired=0 settled\n"
			   "60 A firing value=9 active=0 fired=0 keep=60 reason=refresh settled\n");
	harness_run(&h, 90, 90, "x 1");
	harness_expect(
		&h, "90 A firing>inactive value=9 active=0 fired=0 resolved=90 keep=60 settled\n");
}
END_TEST

/* Runbooks that wait for it need not wait for the next refresh. */
START_TEST(alert_is_told_again_once_its_rule_is_settled)
{
	struct engine_options options;

	harness_stop(&h);
	harness_options(&options);
	harness_start(&h, &options);
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: 'sum_over_time(x[15s]) > 0'}]}]");
	harness_run(&h, 0, 15, "x 1");
	harness_expect(&h, "15 A pending>firing value=1 active=15 fired=15\n");
	harness_run(&h, 30, 75, "x 1");
	harness_expect(&h, "45 A firing value=1 active=15 fired=15 reason=refresh settled\n");
}
END_TEST

START_TEST(alerts_beyond_the_limit_are_all_dropped)
{
	harness_load(&h, "groups: [{name: g, limit: 2, rules: [{alert: A, expr: x > 5}]}]");
	harness_run(&h, 0, 0, "x{i=\"1\"} 6; x{i=\"2\"} 7");
	harness_expect(&h, "0 A{i=\"1\"} pending>firing value=6 active=0 fired=0 settled\n"
			   "0 A{i=\"2\"} pending>firing value=7 active=0 fired=0 settled\n");
	harness_run(&h, 15, 15, "x{i=\"1\"} 6; x{i=\"2\"} 7; x{i=\"3\"} 8");
	harness_expect(&h, "15 A{i=\"1\"} firing>inactive value=6 active=0 fired=0 resolved=15 "
			   "reason=limit settled\n"
			   "15 A{i=\"2\"} firing>inactive value=7 active=0 fired=0 resolved=15 "
			   "reason=limit settled\n");
	struct rule_status status = harness_rule(&h, 0);
	ck_assert_int_eq(status.health, RULE_ERROR);
	ck_assert_str_eq(status.error, "exceeded limit of 2 with 3 alerts");
	ck_assert_uint_eq(status.failures, 1);
	harness_run(&h, 30, 30, "x{i=\"1\"} 6; x{i=\"2\"} 1; x{i=\"3\"} 1");
	harness_expect(&h, "30 A{i=\"1\"} pending>firing value=6 active=30 fired=30 settled\n");
	harness_expect_query(&h, "ALERTS", 30,
			     "ALERTS{alertname=\"A\", alertstate=\"firing\", i=\"1\"} 1\n");
}
END_TEST

START_TEST(alerts_with_equal_labels_are_an_error_that_changes_nothing)
{
	harness_load(&h,
		     "groups: [{name: g, rules: [{alert: A, expr: x > 5, labels: {i: same}}]}]");
	harness_run(&h, 0, 0, "x{i=\"1\"} 6; x{i=\"2\"} 1");
	harness_expect(&h, "0 A{i=\"same\"} pending>firing value=6 active=0 fired=0 settled\n");
	harness_run(&h, 15, 15, "x{i=\"1\"} 7; x{i=\"2\"} 8");
	harness_expect(&h, "");
	ck_assert_str_eq(
		harness_rule(&h, 0).error,
		"vector contains metrics with the same labelset after applying alert labels");
	char *alerts = harness_alerts(&h);
	ck_assert_str_eq(alerts, "A{i=\"same\"} firing value=6 active=0 fired=0\n");
	free(alerts);
	harness_run(&h, 30, 30, "x{i=\"1\"} 1; x{i=\"2\"} 1");
	harness_expect(
		&h,
		"30 A{i=\"same\"} firing>inactive value=6 active=0 fired=0 resolved=30 settled\n");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_OK);
}
END_TEST

START_TEST(alert_state_survives_a_failed_evaluation)
{
	harness_load(&h,
		     "groups: [{name: g, rules: [{alert: A, expr: a * on (j) b > 5, for: 30s}]}]");
	harness_run(&h, 0, 0, "a{j=\"1\"} 3; b{j=\"1\",k=\"1\"} 2");
	/* Two partners: many-to-many matching is an error. */
	harness_run(&h, 15, 15, "b{j=\"1\",k=\"2\"} 2; b{j=\"1\",k=\"1\"} 2; a{j=\"1\"} 3");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_ERROR);
	harness_run(&h, 30, 30, "b{j=\"1\",k=\"2\"} stale; b{j=\"1\",k=\"1\"} 2; a{j=\"1\"} 3");
	harness_expect(&h, "0 A{j=\"1\"} inactive>pending value=6 active=0 settled\n"
			   "30 A{j=\"1\"} pending>firing value=6 active=0 fired=30 settled\n");
}
END_TEST

START_TEST(alert_label_that_shows_the_value_makes_another_alert)
{
	harness_load(&h,
		     "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x > 5\n    for: 15s\n"
		     "    labels: {sev: '{{ if gt $value 10.0 }}crit{{ else }}warn{{ end }}'}\n");
	harness_run(&h, 0, 15, "x 6");
	harness_run(&h, 30, 30, "x 11");
	harness_expect(
		&h,
		"0 A{sev=\"warn\"} inactive>pending value=6 active=0 settled\n"
		"15 A{sev=\"warn\"} pending>firing value=6 active=0 fired=15 settled\n"
		"30 A{sev=\"warn\"} firing>inactive value=6 active=0 fired=15 resolved=30 settled\n"
		"30 A{sev=\"crit\"} inactive>pending value=11 active=30 settled\n");
}
END_TEST

START_TEST(alert_labels_are_the_results_then_the_rules_then_the_name)
{
	harness_load(
		&h, "groups:\n- name: g\n  labels: {team: t}\n  rules:\n  - alert: A\n    expr: x\n"
		    "    labels: {job: '{{ $labels.job }}-{{ $labels.__name__ }}', gone: '', "
		    "alertname: other}\n");
	harness_run(&h, 0, 0, "x{job=\"j\",gone=\"g\"} 1");
	harness_expect(
		&h,
		"0 A{job=\"j-x\", team=\"t\"} pending>firing value=1 active=0 fired=0 settled\n");
}
END_TEST

START_TEST(alert_with_labels_beyond_all_bounds_is_an_error)
{
	struct buf yaml = { 0 };
	buf_add_str(&yaml, "groups: [{name: g, rules: [{alert: A, expr: x, labels: {");
	for (int i = 0; i < 70; i++)
		buf_printf(&yaml, "l%d: '{{ $value }}%01000d', ", i, 0);
	buf_add_str(&yaml, "}}]}]");
	harness_load(&h, yaml.ptr);
	buf_fini(&yaml);
	harness_run(&h, 0, 0, "x 1");
	ck_assert_str_eq(harness_rule(&h, 0).error, "a limit was exceeded");
	harness_expect(&h, "");
}
END_TEST

START_TEST(alert_label_that_is_no_text_says_so)
{
	harness_load(&h, "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x\n"
			 "    labels: {a: '{{ slice $labels.i 0 1 }}'}\n");
	harness_run(&h, 0, 0, "x{i=\"ä\"} 1");
	harness_expect(&h, "0 A{a=\"<error expanding template: the result is not valid UTF-8>\", "
			   "i=\"ä\"} pending>firing "
			   "value=1 active=0 fired=0 settled\n");
}
END_TEST

START_TEST(alerts_are_series_too)
{
	harness_load(
		&h,
		"groups: [{name: g, rules: [{alert: A, expr: x > 5, for: 15s, labels: {s: t}}]}]");
	harness_run(&h, 0, 0, "x 6");
	harness_expect_query(&h, "ALERTS", 0,
			     "ALERTS{alertname=\"A\", alertstate=\"pending\", s=\"t\"} 1\n");
	harness_run(&h, 15, 15, "x 6");
	harness_expect_query(&h, "ALERTS", 15,
			     "ALERTS{alertname=\"A\", alertstate=\"firing\", s=\"t\"} 1\n");
	harness_run(&h, 30, 30, "x 6");
	harness_expect_query(&h, "ALERTS_FOR_STATE + 1", 30, "{alertname=\"A\", s=\"t\"} 1\n");
	harness_run(&h, 45, 45, "x 1");
	harness_expect_query(&h, "ALERTS or ALERTS_FOR_STATE", 45, "");
	harness_expect_query(&h, "ALERTS", 30,
			     "ALERTS{alertname=\"A\", alertstate=\"firing\", s=\"t\"} 1\n");
}
END_TEST

START_TEST(alert_on_a_scalar_has_no_labels)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: 1 + 1}]}]");
	harness_time(&h, 15);
	harness_expect(&h, "15 A pending>firing value=2 active=15 fired=15 settled\n");
}
END_TEST

START_TEST(alert_firing_is_told_again_each_minute)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5}]}]");
	harness_run(&h, 0, 0, "x 6");
	harness_run(&h, 15, 120, "x 7");
	harness_expect(&h, "0 A pending>firing value=6 active=0 fired=0 settled\n"
			   "60 A firing value=7 active=0 fired=0 reason=refresh settled\n"
			   "120 A firing value=7 active=0 fired=0 reason=refresh settled\n");
	size_t told = 0;
	for (size_t i = 0; i < h.nrecords; i++)
		told += h.records[i].type == RECORD_ALERT;
	ck_assert_uint_eq(told, 1); /* repetitions are not journaled */
}
END_TEST

START_TEST(alert_on_absence_fires_and_resolves)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: 'absent(up{job=\"x\"})'}]}]");
	harness_run(&h, 0, 0, NULL);
	harness_run(&h, 15, 15, "up{job=\"x\"} 1");
	harness_expect(
		&h,
		"0 A{job=\"x\"} pending>firing value=1 active=0 fired=0 settled\n"
		"15 A{job=\"x\"} firing>inactive value=1 active=0 fired=0 resolved=15 settled\n");
}
END_TEST

static Suite *alerts_suite(void)
{
	Suite *suite = suite_create("alerts");
	TCase *tc = tcase_create("alerts");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, alert_without_for_fires_at_once);
	tcase_add_test(tc, alert_is_pending_for_as_long_as_said);
	tcase_add_test(tc, alert_pending_that_misses_one_evaluation_is_gone);
	tcase_add_test(tc, alert_is_kept_firing_for_as_long_as_said);
	tcase_add_test(tc, alert_kept_firing_starts_to_count_anew_when_it_holds_again);
	tcase_add_test(tc, alert_is_told_again_once_its_rule_is_settled);
	tcase_add_test(tc, alerts_beyond_the_limit_are_all_dropped);
	tcase_add_test(tc, alerts_with_equal_labels_are_an_error_that_changes_nothing);
	tcase_add_test(tc, alert_state_survives_a_failed_evaluation);
	tcase_add_test(tc, alert_label_that_shows_the_value_makes_another_alert);
	tcase_add_test(tc, alert_labels_are_the_results_then_the_rules_then_the_name);
	tcase_add_test(tc, alert_with_labels_beyond_all_bounds_is_an_error);
	tcase_add_test(tc, alert_label_that_is_no_text_says_so);
	tcase_add_test(tc, alerts_are_series_too);
	tcase_add_test(tc, alert_on_a_scalar_has_no_labels);
	tcase_add_test(tc, alert_firing_is_told_again_each_minute);
	tcase_add_test(tc, alert_on_absence_fires_and_resolves);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(alerts_suite)
