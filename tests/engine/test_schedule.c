/* Groups, due times, order, missed ticks and jumps; recorded series. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

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

static struct group_status group(uint32_t i)
{
	struct group_status status;
	engine_group_status(h.engine, i, &status);
	return status;
}

/* Tells the time and does one quantum only. */
static bool nudge(double time_s)
{
	engine_time(h.engine, (int64_t)(time_s * 1000));
	return engine_step(h.engine, 1);
}

START_TEST(groups_are_due_at_multiples_of_their_interval)
{
	harness_time(&h, 7);
	harness_load(&h, "groups:\n- {name: a, rules: [{record: r, expr: vector(1)}]}\n"
			 "- {name: b, interval: 1m, rules: [{record: s, expr: vector(1)}]}\n");
	ck_assert_int_eq(group(0).due_ms, 15000);
	ck_assert_int_eq(group(1).due_ms, 60000);
	ck_assert_int_eq(engine_next_ms(h.engine), 15000);
	harness_time(&h, 14.999);
	ck_assert_int_eq(group(0).last_ms, TIME_NONE);
	harness_time(&h, 16);
	ck_assert_int_eq(group(0).last_ms, 15000);
	ck_assert_int_eq(group(0).due_ms, 30000);
	harness_expect_query(&h, "timestamp(r)", 16, "{} 15\n");
	harness_run(&h, 30, 60, NULL);
	ck_assert_int_eq(group(1).last_ms, 60000);
	ck_assert_uint_eq(group(1).iterations, 1);
	ck_assert_uint_eq(group(0).iterations, 4);
	ck_assert_uint_eq(group(0).missed, 0);
}
END_TEST

START_TEST(group_loaded_at_its_due_time_runs_at_it)
{
	harness_time(&h, 30);
	harness_load(&h, "groups: [{name: a, rules: [{record: r, expr: vector(1)}]}]");
	ck_assert_int_eq(group(0).last_ms, 30000);
}
END_TEST

START_TEST(chain_of_records_between_groups_settles_in_one_pass)
{
	harness_load(&h, "groups:\n- {name: c, rules: [{record: c, expr: b + 1}]}\n"
			 "- {name: b, rules: [{record: b, expr: a + 1}]}\n"
			 "- {name: a, rules: [{record: a, expr: x + 1}]}\n");
	harness_run(&h, 15, 15, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	harness_expect_query(&h, "c", 15, "c{i=\"1\"} 4\nc{i=\"2\"} 5\n");
	harness_run(&h, 30, 30, "x{i=\"1\"} 10; x{i=\"2\"} 20; x{i=\"3\"} 30");
	harness_expect_query(&h, "c", 30, "c{i=\"1\"} 13\nc{i=\"2\"} 23\nc{i=\"3\"} 33\n");
}
END_TEST

START_TEST(rule_that_reads_itself_sees_the_previous_value)
{
	harness_load(&h, "groups: [{name: g, rules: [{record: n, expr: n + 1 or vector(1)}]}]");
	harness_run(&h, 0, 45, NULL);
	harness_expect_query(&h, "n", 45, "n 4\n");
}
END_TEST

START_TEST(rule_that_reads_a_later_one_sees_the_previous_value)
{
	harness_load(
		&h,
		"groups: [{name: g, rules: [{record: before, expr: x + y}, {record: y, expr: x}, "
		"{record: after, expr: x + y}]}]");
	harness_run(&h, 0, 0, "x 1");
	harness_run(&h, 15, 15, "x 10");
	harness_expect_query(&h, "before", 15, "before 11\n");
	harness_expect_query(&h, "after", 15, "after 20\n");
}
END_TEST

START_TEST(overrun_skips_ticks_and_timers_go_on)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 1, for: 45s}]}]");
	harness_feed(&h, 0, "x 2 @ 0");
	ck_assert(nudge(0));
	for (int t = 10; t <= 50; t += 10)
		engine_time(h.engine, t * 1000);
	harness_settle(&h);
	harness_expect(&h, "0 A inactive>pending value=2 active=0 settled\n"
			   "45 A pending>firing value=2 active=0 fired=45 settled\n");
	ck_assert_uint_eq(group(0).missed, 2);
	ck_assert_uint_eq(group(0).iterations, 2);
}
END_TEST

START_TEST(jump_of_time_skips_ticks_and_moves_pending_timers)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 1, for: 1m}, {alert: B, "
			 "expr: y > 1, "
			 "keep_firing_for: 1m}]}]");
	harness_run(&h, 0, 0, "x 2; y 2");
	harness_run(&h, 15, 15, "x 2; y 0");
	harness_expect(&h, "0 A inactive>pending value=2 active=0 settled\n"
			   "0 B pending>firing value=2 active=0 fired=0 settled\n");
	harness_time(&h, 215); /* ticks 30 … 195 are skipped, 210 is evaluated */
	ck_assert_uint_eq(group(0).missed, 12);
	ck_assert_int_eq(group(0).last_ms, 210000);
	char *alerts = harness_alerts(&h);
	ck_assert_str_eq(
		alerts,
		"A pending value=2 active=180\nB firing value=2 active=0 fired=0 keep=195\n");
	free(alerts);
	buf_clear(&h.events);
	harness_run(&h, 225, 255, "x 2; y 0");
	harness_expect(
		&h,
		"240 A pending>firing value=2 active=180 fired=240 settled\n"
		"255 B firing>inactive value=2 active=0 fired=0 resolved=255 keep=195 settled\n");
}
END_TEST

START_TEST(jump_while_a_pass_runs_skips_ticks_after_it)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 1, for: 1m}]}]");
	harness_run(&h, 0, 0, "x 2");
	harness_feed(&h, 15, "x 2 @ 15");
	ck_assert(nudge(15));
	ck_assert(nudge(115));
	harness_settle(&h);
	ck_assert_int_eq(group(0).last_ms, 105000);
	ck_assert_uint_eq(group(0).missed, 5);
	char *alerts = harness_alerts(&h);
	ck_assert_str_eq(alerts, "A pending value=2 active=75\n");
	free(alerts);
}
END_TEST

START_TEST(told_time_never_goes_back)
{
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: vector(1)}]}]");
	harness_time(&h, 60);
	harness_time(&h, 30);
	ck_assert_int_eq(group(0).last_ms, 60000);
	ck_assert_int_eq(store_time(engine_store(h.engine)), 60000);
}
END_TEST

START_TEST(query_offset_looks_back_but_alerts_tell_the_due_time)
{
	harness_load(&h, "groups: [{name: g, query_offset: 30s, rules: [{record: r, expr: x}, "
			 "{alert: A, expr: x == 1}]}]");
	harness_run(&h, 0, 0, "x 1");
	harness_run(&h, 15, 15, "x 2");
	harness_expect(&h, "");
	harness_run(&h, 30, 30, "x 3");
	harness_expect(&h, "30 A pending>firing value=1 active=30 fired=30 settled\n");
	harness_expect_query(&h, "timestamp(r)", 30, "{} 0\n");
	harness_expect_query(&h, "ALERTS", 0, "ALERTS{alertname=\"A\", alertstate=\"firing\"} 1\n");
}
END_TEST

START_TEST(query_offsets_share_nodes_but_not_results)
{
	harness_load(&h, "groups:\n- {name: a, rules: [{record: now, expr: x + 1}]}\n"
			 "- {name: b, query_offset: 15s, rules: [{record: then, expr: x + 1}]}\n");
	harness_run(&h, 0, 0, "x 1");
	harness_run(&h, 15, 15, "x 2");
	/* A sample that comes late for the past is seen by who looks at the past. */
	harness_feed(&h, 30, "x 7 @ 14");
	harness_run(&h, 30, 30, "x 3");
	harness_expect_query(&h, "now", 30, "now 4\n");
	harness_expect_query(&h, "then", 15, "then 3\n");
}
END_TEST

START_TEST(recorded_series_that_vanish_get_a_stale_marker)
{
	harness_load(
		&h,
		"groups: [{name: g, rules: [{record: r, expr: x > 1, labels: {l: v, j: ''}}]}]");
	harness_run(&h, 0, 0, "x{i=\"1\",j=\"k\"} 2; x{i=\"2\"} 2");
	harness_expect_query(&h, "r", 0, "r{i=\"1\", l=\"v\"} 2\nr{i=\"2\", l=\"v\"} 2\n");
	harness_run(&h, 15, 15, "x{i=\"1\",j=\"k\"} 2; x{i=\"2\"} 0");
	harness_expect_query(&h, "r", 15, "r{i=\"1\", l=\"v\"} 2\n");
	harness_run(&h, 30, 30, "x{i=\"2\"} 5");
	harness_expect_query(&h, "r", 30, "r{i=\"1\", l=\"v\"} 2\nr{i=\"2\", l=\"v\"} 5\n");
}
END_TEST

START_TEST(recording_that_fails_writes_nothing)
{
	harness_load(&h, "groups:\n- {name: g, rules: [{record: r, expr: x, labels: {i: same}}]}\n"
			 "- {name: h, limit: 1, rules: [{record: s, expr: x}]}\n");
	harness_run(&h, 0, 0, "x{i=\"1\"} 2");
	harness_run(&h, 15, 15, "x{i=\"1\"} 3; x{i=\"2\"} 4");
	ck_assert_str_eq(
		harness_rule(&h, 0).error,
		"vector contains metrics with the same labelset after applying rule labels");
	ck_assert_str_eq(harness_rule(&h, 1).error, "exceeded limit of 1 with 2 series");
	harness_expect_query(&h, "r", 15, "r{i=\"same\"} 2\n");
	harness_expect_query(&h, "s", 15, "s{i=\"1\"} 2\n");
}
END_TEST

START_TEST(step_stops_after_about_its_units)
{
	harness_load(
		&h,
		"groups: [{name: g, rules: [{record: r, expr: x + 1}, {alert: A, expr: x > 0}]}]");
	struct buf text = { 0 };
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "x{i=\"%d\"} 1; ", i);
	h.units = 1000000;
	harness_time(&h, 1);
	harness_feed(&h, 1, text.ptr);
	harness_settle(&h);
	engine_time(h.engine, 15000);
	int steps = 0;
	while (engine_step(h.engine, 500))
		steps++;
	ck_assert_int_gt(steps, 50);
	ck_assert_uint_eq(harness_rule(&h, 0).results, 1000);
	ck_assert_uint_eq(harness_rule(&h, 1).firing, 1000);
	buf_fini(&text);
}
END_TEST

START_TEST(rule_status_tells_results_and_inputs)
{
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: x / x}]}]");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_UNKNOWN);
	harness_run(&h, 0, 0, "x{i=\"1\"} 2; x{i=\"2\"} 2 @ -5");
	struct rule_status status = harness_rule(&h, 0);
	ck_assert_int_eq(status.health, RULE_OK);
	ck_assert_str_eq(status.error, "");
	ck_assert_uint_eq(status.results, 2);
	ck_assert(status.value == 1);
	ck_assert_uint_eq(status.series, 2);
	ck_assert_int_eq(status.newest_ms, 0);
	ck_assert_int_eq(status.last_ms, 0);
	ck_assert_uint_eq(status.evaluations, 1);
}
END_TEST

/* The newest sample of a wide selector is that of some members. */
START_TEST(rule_status_looks_at_so_many_series)
{
	const int max = 256;
	struct buf text;
	buf_init(&text);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: count(x)}]}]");
	for (int i = 0; i <= max; i++)
		buf_printf(&text, "x{i=\"%d\"} 1; ", i);
	harness_run(&h, 0, 0, text.ptr);
	harness_run(&h, 15, 15, "x{i=\"256\"} 1");
	ck_assert_uint_eq(harness_rule(&h, 0).series, max + 1);
	ck_assert_int_eq(harness_rule(&h, 0).newest_ms, 0);
	harness_run(&h, 30, 30, "x{i=\"255\"} 1");
	ck_assert_int_eq(harness_rule(&h, 0).newest_ms, 30000);
	buf_fini(&text);
}
END_TEST

static Suite *schedule_suite(void)
{
	Suite *suite = suite_create("schedule");
	TCase *tc = tcase_create("schedule");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, groups_are_due_at_multiples_of_their_interval);
	tcase_add_test(tc, group_loaded_at_its_due_time_runs_at_it);
	tcase_add_test(tc, chain_of_records_between_groups_settles_in_one_pass);
	tcase_add_test(tc, rule_that_reads_itself_sees_the_previous_value);
	tcase_add_test(tc, rule_that_reads_a_later_one_sees_the_previous_value);
	tcase_add_test(tc, overrun_skips_ticks_and_timers_go_on);
	tcase_add_test(tc, jump_of_time_skips_ticks_and_moves_pending_timers);
	tcase_add_test(tc, jump_while_a_pass_runs_skips_ticks_after_it);
	tcase_add_test(tc, told_time_never_goes_back);
	tcase_add_test(tc, query_offset_looks_back_but_alerts_tell_the_due_time);
	tcase_add_test(tc, query_offsets_share_nodes_but_not_results);
	tcase_add_test(tc, recorded_series_that_vanish_get_a_stale_marker);
	tcase_add_test(tc, recording_that_fails_writes_nothing);
	tcase_add_test(tc, step_stops_after_about_its_units);
	tcase_add_test(tc, rule_status_tells_results_and_inputs);
	tcase_add_test(tc, rule_status_looks_at_so_many_series);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(schedule_suite)
