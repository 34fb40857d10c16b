/* Evaluation on arrival: what a run looks at, and what it leaves alone. */
#include "tests/engine/arrival.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/engine_internal.h"

#define RULES 200

/* RULES rules over names of their own: x0, x1, … */
static void load_many(const char *expr)
{
	char *text = malloc(RULES * 120), *end = text;
	end += sprintf(end, "groups: [{name: g, evaluate: arrival, interval: 1m, rules: [");
	for (int i = 0; i < RULES; i++) {
		end += sprintf(end, "{alert: A%d, expr: '", i);
		end += sprintf(end, expr, i, i);
		end += sprintf(end, "'}, ");
	}
	sprintf(end, "]}]");
	harness_load(&h, text);
	free(text);
}

/* Rules looked at since. */
static uint64_t rules_looked_at(void)
{
	static uint64_t before;
	struct engine_stats stats;
	engine_stats_get(h.engine, &stats);
	uint64_t n = stats.arrival_rules - before;
	before = stats.arrival_rules;
	return n;
}

static void arrive_each(double time_s)
{
	char text[80];
	engine_time(h.engine, (int64_t)(time_s * 1000));
	for (int i = 0; i < RULES; i++) {
		snprintf(text, sizeof(text), "x%d{" JOB "} 1", i);
		harness_feed(&h, time_s, text);
	}
	harness_settle(&h);
	rules_looked_at();
}

START_TEST(run_looks_at_the_rules_that_read_what_came)
{
	harness_time(&h, 1);
	load_many("x%d > 5");
	arrive_each(2);
	arrive(3, "x7{" JOB "} 6; x130{" JOB "} 1; y 1");
	ck_assert_uint_eq(rules_looked_at(), 2);
	harness_expect(&h, "3 A7{instance=\"1\", job=\"j\"} pending>firing value=6 active=3 fired=3 "
			   "settled\n");
}
END_TEST

START_TEST(run_looks_at_the_rules_whose_timers_end)
{
	harness_time(&h, 1);
	load_many("x%d > 5' , for: '10s");
	arrive_each(2);
	arrive(3, "x7{" JOB "} 6");
	rules_looked_at();
	arrive(4, "x8{" JOB "} 6");
	ck_assert_uint_eq(rules_looked_at(), 1);
	harness_expect(&h, "3 A7{instance=\"1\", job=\"j\"} inactive>pending value=6 active=3 settled\n"
			   "4 A8{instance=\"1\", job=\"j\"} inactive>pending value=6 active=4 settled\n");
	harness_time(&h, 13);
	ck_assert_uint_eq(rules_looked_at(), 1);
	harness_expect(&h, "13 A7{instance=\"1\", job=\"j\"} pending>firing value=6 active=3 fired=13 "
			   "settled\n");
}
END_TEST

START_TEST(rules_in_doubt_are_looked_at_when_their_target_settles)
{
	harness_time(&h, 1);
	load_many("sum(x%d) > 5");
	arrive_each(2);
	arrive_each(12);
	engine_time(h.engine, 22000);
	for (int i = 1; i < RULES; i++) {
		char text[80];
		snprintf(text, sizeof(text), "x%d{" JOB "} 6", i);
		harness_feed(&h, 22, text);
	}
	harness_settle(&h);
	ck_assert_uint_eq(rules_looked_at(), RULES - 1);
	harness_expect(&h, "");
	for (int i = 0; i < 5; i++)
		arrive(22.1 + i, "x1{job=\"other\"} 1");
	ck_assert_uint_eq(rules_looked_at(), 5);
	arrive_late(26.9, 22, "x0{" JOB "} 6");
	ck_assert_uint_eq(rules_looked_at(), RULES);
	char *alerts = harness_alerts(&h);
	ck_assert_ptr_nonnull(strstr(alerts, "A199 firing value=6"));
	ck_assert_ptr_null(strstr(alerts, "A1 firing")); /* for the other target nobody knows yet */
	free(alerts);
}
END_TEST

START_TEST(ranges_in_doubt_are_looked_at_when_nothing_late_is_waited_for)
{
	harness_time(&h, 1);
	load_many("max_over_time(x%d[30s]) > 5");
	arrive_each(2);
	arrive_each(12);
	arrive(22, "x0{" JOB "} 1"); /* half a scrape, */
	arrive(23, "x1{" JOB "} 6; x2{" JOB "} 6"); /* and half of the next: until 27 */
	harness_expect(&h, "");
	rules_looked_at();
	arrive(24, "x3{job=\"other\"} 1");
	ck_assert_uint_eq(rules_looked_at(), 1);
	arrive(27.5, "x3{job=\"other\"} 1");
	ck_assert_uint_eq(rules_looked_at(), 3);
	harness_expect(&h, "27.5 A1{instance=\"1\", job=\"j\"} pending>firing value=6 active=27.5 "
			   "fired=27.5 settled\n"
			   "27.5 A2{instance=\"1\", job=\"j\"} pending>firing value=6 active=27.5 "
			   "fired=27.5 settled\n");
}
END_TEST

START_TEST(row_that_was_waited_for_is_evaluated_once)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{record: r, expr: a + b}, {alert: A, expr: c > 5}"));
	arrive(2, "a{" JOB "} 1; b{" JOB "} 1; c{" JOB "} 1");
	arrive(12, "a{" JOB "} 1; b{" JOB "} 1; c{" JOB "} 1");
	arrive(22, "a{" JOB "} 2");
	arrive_late(22.1, 22, "b{" JOB "} 2"); /* that is all of the sum, but not of the scrape */
	struct engine_stats before, after;
	engine_stats_get(h.engine, &before);
	harness_expect_query(&h, "r", 22.1, "r{instance=\"1\", job=\"j\"} 4\n");
	arrive_late(22.2, 22, "c{" JOB "} 2"); /* now it is */
	engine_stats_get(h.engine, &after);
	ck_assert_uint_eq(after.arrival_rules, before.arrival_rules + 2);
	ck_assert_uint_eq(after.arrival_rows, before.arrival_rows + 1);
}
END_TEST

START_TEST(rows_that_are_looked_at_are_paid_for)
{
	char text[80];
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: sum(x) > 5}, {alert: B, expr: min(x) > 5}"));
	for (int t = 2; t <= 22; t += 10)
		for (int i = 0; i < (t < 22 ? 300 : 200); i++) {
			engine_time(h.engine, t * 1000);
			snprintf(text, sizeof(text), "x{" JOB ",i=\"%d\"} 1", i);
			harness_feed(&h, t, text);
			if (t < 22)
				harness_settle(&h);
		}
	while (!h.engine->pass.running)
		ck_assert(engine_step(h.engine, 100));
	ck_assert_uint_eq(h.engine->pass.rule, 1); /* the other one is for the next step */
	harness_settle(&h);
	harness_expect(&h, "");
}
END_TEST

static Suite *arrival_cost_suite(void)
{
	Suite *suite = suite_create("arrival_cost");
	TCase *tc = tcase_create("arrival_cost");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, run_looks_at_the_rules_that_read_what_came);
	tcase_add_test(tc, run_looks_at_the_rules_whose_timers_end);
	tcase_add_test(tc, rules_in_doubt_are_looked_at_when_their_target_settles);
	tcase_add_test(tc, ranges_in_doubt_are_looked_at_when_nothing_late_is_waited_for);
	tcase_add_test(tc, row_that_was_waited_for_is_evaluated_once);
	tcase_add_test(tc, rows_that_are_looked_at_are_paid_for);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(arrival_cost_suite)
