/* Evaluation on arrival: timers that go on after a restart or a reload. */
#include "tests/engine/arrival.h"

/* Another engine, with these rules and the journal of the one before. */
static void restart(double time_s, const char *rules)
{
	struct harness old;
	struct engine_options options;
	harness_options(&options);
	options.warm = true;
	engine_flush(h.engine);
	old = h; /* the young one goes on under its address: its sink knows it by that */
	harness_start(&h, &options);
	harness_load(&h, rules);
	harness_replay(&old, old.nrecords, &h);
	harness_stop(&old);
	harness_time(&h, time_s);
}

/* x is over 5 since 2 s, for 30 s; the engine is away until time_s. */
static void restart_pending(double time_s)
{
	static const char *const rules = GROUP("{alert: A, expr: x > 5, for: 30s}");
	harness_time(&h, 1);
	harness_load(&h, rules);
	arrive(2, "x 6");
	restart(time_s, rules);
}

START_TEST(for_goes_on_after_a_restart)
{
	restart_pending(10);
	ck_assert_int_eq(engine_next_ms(h.engine), 32000);
	harness_time(&h, 31.9);
	harness_expect(&h, "10 A pending value=6 active=2 reason=restored settled\n");
	harness_time(&h, 32.5);
	harness_expect(&h, "32 A pending>firing value=6 active=2 fired=32 settled\n");
}
END_TEST

START_TEST(timer_that_ended_meanwhile_waits_for_what_is_on_its_way)
{
	restart_pending(40);
	harness_time(&h, 45);
	harness_expect(&h, "40 A pending value=6 active=2 reason=restored settled\n");
	ck_assert_int_eq(engine_next_ms(h.engine), 45001);
	harness_time(&h, 45.1);
	harness_expect(&h, "45.001 A pending>firing value=6 active=2 fired=45.001 settled\n");
}
END_TEST

START_TEST(sample_after_a_restart_comes_before_the_timer_that_ended)
{
	restart_pending(40);
	arrive(41, "x 1");
	harness_time(&h, 46);
	harness_expect(&h, "40 A pending value=6 active=2 reason=restored settled\n"
			   "41 A pending>inactive value=6 active=2 settled\n");
}
END_TEST

START_TEST(keep_firing_for_goes_on_after_a_restart)
{
	static const char *const rules = GROUP("{alert: A, expr: x > 5, keep_firing_for: 30s}");
	harness_time(&h, 1);
	harness_load(&h, rules);
	arrive(2, "x 6");
	arrive(3, "x 1");
	restart(10, rules);
	harness_time(&h, 33.5);
	harness_expect(&h, "10 A firing value=6 active=2 fired=2 keep=3 reason=restored settled\n"
			   "33 A firing>inactive value=6 active=2 fired=2 resolved=33 keep=3 settled\n");
}
END_TEST

START_TEST(aggregation_waits_for_the_tick_after_a_restart)
{
	static const char *const rules = GROUP("{alert: A, expr: sum(x) > 5, for: 10s}");
	harness_time(&h, 1);
	harness_load(&h, rules);
	arrive(2, "x 6");
	arrive(12, "x 6");
	restart(20, rules); /* in the midst of a scrape, for all that it knows */
	harness_time(&h, 59);
	harness_expect(&h, "20 A pending value=6 active=12 reason=restored settled\n");
	harness_time(&h, 60);
	harness_expect(&h, "60 A pending>firing value=6 active=12 fired=60 settled\n");
}
END_TEST

START_TEST(for_goes_on_after_a_reload)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5, for: 10s}"));
	arrive(2, "x 6");
	harness_load(&h, GROUP("{alert: A, expr: x > 5, for: 10s}, {alert: B, expr: x > 6}"));
	harness_time(&h, 12.5);
	harness_expect(&h, "2 A inactive>pending value=6 active=2 settled\n"
			   "12 A pending>firing value=6 active=2 fired=12 settled\n");
}
END_TEST

START_TEST(alert_of_a_silent_sender_is_held_though_its_timer_ends)
{
	struct engine_options options;
	harness_stop(&h);
	harness_options(&options);
	harness_start(&h, &options);
	harness_time(&h, 1);
	harness_load(&h, "groups: [{name: g, evaluate: arrival, interval: 1m, warmup: off, rules: "
			 "[{alert: A, expr: x > 5, keep_firing_for: 8m}]}]");
	arrive(2, "x 6");
	arrive(3, "x 1");
	for (int t = 15; t <= 495; t += 15)
		harness_time(&h, t);
	char *alerts = harness_alerts(&h);
	ck_assert_ptr_nonnull(strstr(alerts, "A firing value=6 active=2 fired=2 keep=3 held"));
	free(alerts);
}
END_TEST

static Suite *arrival_restart_suite(void)
{
	Suite *suite = suite_create("arrival_restart");
	TCase *tc = tcase_create("arrival_restart");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, for_goes_on_after_a_restart);
	tcase_add_test(tc, timer_that_ended_meanwhile_waits_for_what_is_on_its_way);
	tcase_add_test(tc, sample_after_a_restart_comes_before_the_timer_that_ended);
	tcase_add_test(tc, keep_firing_for_goes_on_after_a_restart);
	tcase_add_test(tc, aggregation_waits_for_the_tick_after_a_restart);
	tcase_add_test(tc, for_goes_on_after_a_reload);
	tcase_add_test(tc, alert_of_a_silent_sender_is_held_though_its_timer_ends);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(arrival_restart_suite)
