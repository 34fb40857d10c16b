/* Reloads: what goes on, what ends. */
#include <time.h>

#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include "base/error.h"
#include "base/text.h"

static struct harness h;

static void start(void)
{
	harness_start_warm(&h);
}

static void stop(void)
{
	harness_stop(&h);
}

START_TEST(reload_keeps_alerts_of_unchanged_rules)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5, for: 1m}, {alert: B, "
			 "expr: x > 5}]}]");
	harness_run(&h, 0, 30, "x 6");
	harness_expect(&h, "0 A inactive>pending value=6 active=0 settled\n"
			   "0 B pending>firing value=6 active=0 fired=0 settled\n");
	/* Others before and behind, another order. */
	harness_load(&h, "groups:\n- {name: new, rules: [{alert: N, expr: x > 100}]}\n"
			 "- {name: g, rules: [{record: r, expr: x}, {alert: B, expr: x > 5}, "
			 "{alert: A, expr: x > 5, for: 1m}]}\n");
	harness_run(&h, 45, 60, "x 7");
	harness_expect(&h, "60 B firing value=7 active=0 fired=0 reason=refresh settled\n"
			   "60 A pending>firing value=7 active=0 fired=60 settled\n");
	harness_expect_query(&h, "ALERTS_FOR_STATE", 60,
			     "ALERTS_FOR_STATE{alertname=\"A\"} 0\n"
			     "ALERTS_FOR_STATE{alertname=\"B\"} 0\n");
	ck_assert_str_eq(h.loads.ptr, "2 rules: success\n4 rules: success\n");
}
END_TEST

START_TEST(reload_keeps_windows)
{
	harness_load(&h,
		     "groups: [{name: g, rules: [{record: r, expr: 'count_over_time(x[1m])'}]}]");
	harness_run(&h, 0, 60, "x 1");
	harness_load(&h,
		     "groups: [{name: g, rules: [{record: s, expr: 'count_over_time(x[1m])'}]}]");
	harness_run(&h, 75, 75, "x 1");
	harness_expect_query(&h, "s", 75, "s 4\n");
	harness_expect_query(&h, "r", 75, ""); /* it ended */
	harness_expect_query(&h, "r", 60, "r 4\n");
}
END_TEST

START_TEST(reload_resolves_alerts_of_removed_rules)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5, for: 1m}, {alert: B, "
			 "expr: x > 5}]}]");
	harness_run(&h, 0, 0, "x 6");
	buf_clear(&h.events);
	harness_time(&h, 7);
	harness_load(&h, "groups: [{name: g, rules: [{alert: C, expr: x > 5}]}]");
	harness_expect(&h, "7 A pending>inactive value=6 active=0 reason=rule removed settled\n"
			   "7 B firing>inactive value=6 active=0 fired=0 resolved=7 reason=rule "
			   "removed settled\n");
	harness_expect_query(&h, "ALERTS", 7, "");
	struct engine_stats stats;
	engine_stats_get(h.engine, &stats);
	ck_assert_uint_eq(stats.alerts_firing + stats.alerts_pending, 0);
	harness_run(&h, 15, 15, "x 6");
	harness_expect(&h, "15 C pending>firing value=6 active=15 fired=15 settled\n");
}
END_TEST

START_TEST(reload_with_other_labels_makes_another_alert)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5, labels: {s: a}}]}]");
	harness_run(&h, 0, 0, "x 6");
	buf_clear(&h.events);
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5, labels: {s: b}}]}]");
	harness_run(&h, 15, 15, "x 6");
	harness_expect(&h, "0 A{s=\"a\"} firing>inactive value=6 active=0 fired=0 resolved=0 "
			   "reason=rule removed settled\n"
			   "15 A{s=\"b\"} pending>firing value=6 active=15 fired=15 settled\n");
}
END_TEST

START_TEST(reload_with_another_threshold_keeps_the_alert)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5}]}]");
	harness_run(&h, 0, 0, "x{i=\"1\"} 6; x{i=\"2\"} 8");
	buf_clear(&h.events);
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 7}]}]");
	harness_run(&h, 15, 15, "x{i=\"1\"} 6; x{i=\"2\"} 8");
	harness_expect(
		&h, "15 A{i=\"1\"} firing>inactive value=6 active=0 fired=0 resolved=15 settled\n");
	ck_assert_uint_eq(harness_rule(&h, 0).firing, 1);
}
END_TEST

START_TEST(reload_that_raises_for_makes_pending_again)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5}]}]");
	harness_run(&h, 0, 15, "x 6");
	buf_clear(&h.events);
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5, for: 45s}]}]");
	harness_run(&h, 30, 45, "x 6");
	harness_expect(&h, "30 A firing>pending value=6 active=0 resolved=30 settled\n"
			   "45 A pending>firing value=6 active=0 fired=45 settled\n");
	harness_expect_query(&h, "ALERTS", 45,
			     "ALERTS{alertname=\"A\", alertstate=\"firing\"} 1\n");
}
END_TEST

START_TEST(reload_matches_equal_rules_in_order)
{
	harness_load(
		&h,
		"groups: [{name: g, rules: [{alert: A, expr: x > 5}, {alert: A, expr: y > 5}]}]");
	harness_run(&h, 0, 0, "x{i=\"1\"} 6; y{i=\"2\"} 7");
	buf_clear(&h.events);
	harness_load(
		&h,
		"groups: [{name: g, rules: [{alert: A, expr: y > 5}, {alert: A, expr: x > 5}]}]");
	harness_run(&h, 15, 15, "x{i=\"1\"} 6; y{i=\"2\"} 7");
	harness_expect(&h, "");
}
END_TEST

START_TEST(reload_keeps_due_times_and_counts)
{
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: x}]}, {name: i, interval: "
			 "1m, rules: [{record: s, expr: x}]}]");
	harness_run(&h, 0, 60, "x 1");
	harness_load(&h, "groups: [{name: i, interval: 40s, rules: [{record: s, expr: x}]}, {name: "
			 "g, rules: [{record: t, expr: x}]}]");
	struct group_status status;
	engine_group_status(h.engine, 1, &status);
	ck_assert_int_eq(status.due_ms, 75000);
	ck_assert_int_eq(status.last_ms, 60000);
	ck_assert_uint_eq(status.iterations, 5);
	engine_group_status(h.engine, 0, &status);
	ck_assert_int_eq(status.due_ms, 80000);
	ck_assert_uint_eq(status.iterations, 2);
}
END_TEST

START_TEST(reload_while_passes_run_takes_force_between_two)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5, for: 30s}]}]");
	harness_run(&h, 0, 0, "x 6");
	struct rule_set *set = harness_rules("groups: [{name: g, rules: [{alert: A, expr: x > 5, "
					     "for: 30s}, {record: r, expr: y}]}]");
	struct rule_set *before = engine_rules(h.engine);
	engine_load(h.engine, set);
	rule_set_unref(set);
	/* Births, forgotten series and passes while it is bound, a little at a time. */
	for (int t = 1; t < 60; t++) {
		char text[64];
		snprintf(text, sizeof(text), "x 6; y{i=\"%d\"} 1", t);
		engine_time(h.engine, t * 1000);
		harness_feed(&h, t, text);
		engine_step(h.engine, 3);
	}
	harness_settle(&h);
	ck_assert_ptr_ne(engine_rules(h.engine), before);
	engine_step(h.engine, 1); /* follows what the last sweep forgot */
	binding_check(engine_binding(h.engine));
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "A pending>firing value=6 active=0"));
	harness_run(&h, 60, 60, "x 6");
	/* The first few came before anybody wanted them. */
	ck_assert_uint_ge(harness_rule(&h, 1).results, 50);
	ck_assert_uint_lt(harness_rule(&h, 1).results, 59);
}
END_TEST

START_TEST(load_overtaken_by_a_newer_one_is_refused)
{
	struct rule_set *a = harness_rules("groups: [{name: a, rules: [{record: r, expr: x}]}]");
	struct rule_set *b = harness_rules(
		"groups: [{name: b, rules: [{record: r, expr: x}, {record: s, expr: x}]}]");
	engine_load(h.engine, a);
	engine_load(h.engine, b);
	harness_settle(&h);
	ck_assert_str_eq(h.loads.ptr, "1 rules: conflict\n2 rules: success\n");
	ck_assert_ptr_eq(engine_rules(h.engine), b);
	rule_set_unref(a);
	rule_set_unref(b);
}
END_TEST

START_TEST(reach_adds_up_through_subqueries)
{
	size_t n;
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: "
			 "'max_over_time(rate(m[5m] offset 1m)[10m:1m] offset 2m)'}, {record: s, "
			 "expr: 'max_over_time(max_over_time(n[10m:1m])[1h:5m])'}]}]");
	struct selector **selectors = store_selectors(engine_store(h.engine), &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(selectors[0]->nreaders, 1);
	ck_assert_int_eq(selectors[0]->readers[0].reach_ms, 18 * 60000);
	ck_assert_int_eq(selectors[1]->readers[0].reach_ms, (70 + 5) * 60000);
}
END_TEST

START_TEST(load_of_nothing_ends_all)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 5}]}]");
	harness_run(&h, 0, 0, "x 6");
	harness_load(&h, "groups: []");
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "A firing>inactive"));
	ck_assert_int_eq(engine_next_ms(h.engine), TIME_NONE);
	size_t n;
	store_selectors(engine_store(h.engine), &n);
	ck_assert_uint_eq(n, 0);
	harness_feed(&h, 0, "x 7 @ 1");
	ck_assert_uint_eq(h.outcome.ignored + h.outcome.stored, 1);
}
END_TEST

/* The CPU time of this thread so far. */
static double cpu_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Each new range looks for company among the last RANGE_MET_MAX only: beyond them it goes alone. */
START_TEST(ranges_of_one_selector_are_not_met_by_all_others)
{
	struct buf rules;
	buf_init(&rules);
	buf_add_str(&rules, "groups:\n- name: g\n  rules:\n"
			     "  - {record: first, expr: 'max_over_time(x[1m])'}\n");
	for (int i = 0; i < 20000; i++)
		buf_printf(&rules, "  - {record: r, expr: 'sum_over_time(x[%dms])'}\n", 100000 + i);
	buf_add_str(&rules, "  - {record: last, expr: 'min_over_time(x[1m])'}\n");
	buf_add(&rules, "", 1);
	double before_ms = cpu_ms();
	harness_load(&h, rules.ptr);
	double took_ms = cpu_ms() - before_ms;
	ck_assert_msg(took_ms < (double)patience_ms(1200), "%.0f ms", took_ms);
	harness_run(&h, 0, 15, "x 5");
	harness_expect_query(&h, "first + last", 15, "{} 10\n");
	buf_fini(&rules);
}
END_TEST

static Suite *load_suite(void)
{
	Suite *suite = suite_create("load");
	TCase *tc = tcase_create("load");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, reload_keeps_alerts_of_unchanged_rules);
	tcase_add_test(tc, reload_keeps_windows);
	tcase_add_test(tc, reload_resolves_alerts_of_removed_rules);
	tcase_add_test(tc, reload_with_other_labels_makes_another_alert);
	tcase_add_test(tc, reload_with_another_threshold_keeps_the_alert);
	tcase_add_test(tc, reload_that_raises_for_makes_pending_again);
	tcase_add_test(tc, reload_matches_equal_rules_in_order);
	tcase_add_test(tc, reload_keeps_due_times_and_counts);
	tcase_add_test(tc, reload_while_passes_run_takes_force_between_two);
	tcase_add_test(tc, load_overtaken_by_a_newer_one_is_refused);
	tcase_add_test(tc, reach_adds_up_through_subqueries);
	tcase_add_test(tc, load_of_nothing_ends_all);
	tcase_add_test(tc, ranges_of_one_selector_are_not_met_by_all_others);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(load_suite)
