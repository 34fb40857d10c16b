/* Tocsin's own numbers: batches that nobody sent. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include "base/text.h"

static struct harness h, other;

static const char *const rules =
	"groups: [{name: g, warmup: off, rules: [{alert: A, expr: x > 5}]}]";

static void begin(struct harness *to)
{
	struct engine_options options;
	harness_options(&options);
	harness_start(to, &options);
}

static void start(void)
{
	begin(&h);
}

static void stop(void)
{
	harness_stop(&h);
}

static void feed_own(struct harness *to, double time_s, const char *text)
{
	struct batch *batch = harness_batch("", time_s, text);
	batch->own = true;
	engine_batch(to->engine, batch);
	harness_settle(to);
}

START_TEST(own_numbers_are_kept_though_nobody_wants_them)
{
	harness_load(&h, rules);
	harness_time(&h, 15);
	feed_own(&h, 15, "n 1; n{i=\"2\"} 2");
	ck_assert_uint_eq(h.outcome.stored, 2);
	feed_own(&h, 15, "n 1; n{i=\"2\"} 3");
	ck_assert_uint_eq(h.outcome.identical, 1);
	ck_assert_uint_eq(h.outcome.conflict, 1);
	feed_own(&h, 30, "n 3");
	harness_expect_query(&h, "n", 30, "n 3\nn{i=\"2\"} 2\n");
	harness_expect_query(&h, "changes(n[1m])", 30, "{} 1\n{i=\"2\"} 0\n");
	/* Out of their readers' reach, they go. */
	harness_run(&h, 30, 1500, NULL);
	struct store_stats stats;
	store_stats_get(engine_store(h.engine), &stats);
	ck_assert_uint_eq(stats.forgotten, 2);
}
END_TEST

START_TEST(own_numbers_are_nobodys_samples)
{
	harness_load(&h, rules);
	harness_time(&h, 15);
	feed_own(&h, 15, "n 1");
	harness_run(&h, 30, 300, NULL);
	struct engine_stats stats;
	engine_stats_get(h.engine, &stats);
	ck_assert_uint_eq(stats.senders + stats.senders_silent + stats.batches + stats.samples, 0);
	harness_expect_senders(&h, "");
}
END_TEST

START_TEST(own_numbers_fire_and_are_never_held)
{
	harness_load(&h, rules);
	harness_time(&h, 7);
	harness_feed(&h, 7, "y 1"); /* a sender that will be silent */
	harness_time(&h, 15);
	feed_own(&h, 15, "x 6");
	harness_run(&h, 30, 330, NULL);
	harness_expect(&h,
		       "30 A pending>firing value=6 active=30 fired=30 settled\n"
		       "90 A firing value=6 active=30 fired=30 reason=refresh settled\n"
		       "150 A firing value=6 active=30 fired=30 reason=refresh settled\n"
		       "210 A firing value=6 active=30 fired=30 reason=refresh settled\n"
		       "270 A firing value=6 active=30 fired=30 reason=refresh settled\n"
		       "315 A firing>inactive value=6 active=30 fired=30 resolved=315 settled\n");
}
END_TEST

START_TEST(own_numbers_wait_while_a_pass_runs_that_they_would_change)
{
	harness_load(&h, rules);
	harness_time(&h, 14);
	feed_own(&h, 14, "x 6");
	engine_time(h.engine, 15000);
	ck_assert(engine_step(h.engine, 1));
	uint32_t before = h.batches;
	struct batch *batch = harness_batch("", 15, "x 1");
	batch->own = true;
	engine_batch(h.engine, batch);
	ck_assert_uint_eq(h.batches, before);
	harness_settle(&h);
	ck_assert_uint_eq(h.batches, before + 1);
	harness_expect(&h, "15 A pending>firing value=6 active=15 fired=15 settled\n");
	harness_expect_senders(&h, "");
}
END_TEST

START_TEST(own_numbers_may_be_sent_by_others_too)
{
	harness_load(&h, rules);
	harness_time(&h, 15);
	harness_feed(&h, 15, "x 1");
	feed_own(&h, 16, "x 2");
	harness_time(&h, 17);
	harness_feed(&h, 17, "x 3");
	feed_own(&h, 17, "x 3");
	ck_assert_uint_eq(h.outcome.identical, 1);
	harness_expect_query(&h, "count_over_time(x[1m])", 17, "{} 3\n");
}
END_TEST

START_TEST(own_numbers_are_back_after_a_restart_and_not_held)
{
	harness_load(&h, rules);
	harness_time(&h, 15);
	feed_own(&h, 15, "x 6");
	harness_time(&h, 30);
	engine_flush(h.engine);
	begin(&other);
	harness_load(&other, rules);
	harness_replay(&h, h.nrecords, &other);
	harness_time(&other, 40);
	buf_clear(&other.events);
	harness_expect_query(&other, "x", 40, "x 6\n");
	/* Nobody sends anything, yet the end is told: no sender is missed. */
	harness_run(&other, 45, 330, NULL);
	char *alerts = harness_alerts(&other);
	ck_assert_str_eq(alerts, "");
	free(alerts);
	harness_stop(&other);
}
END_TEST

START_TEST(own_numbers_end_where_the_limit_of_series_is)
{
	struct engine_options options;
	harness_options(&options);
	options.store.series_max = 1;
	harness_start(&other, &options);
	harness_time(&other, 15);
	feed_own(&other, 15, "n 1; m 1");
	ck_assert_uint_eq(other.outcome.stored, 1);
	ck_assert_uint_eq(other.outcome.limited, 1);
	harness_stop(&other);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("own");
	TCase *tc = tcase_create("own");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, own_numbers_are_kept_though_nobody_wants_them);
	tcase_add_test(tc, own_numbers_are_nobodys_samples);
	tcase_add_test(tc, own_numbers_fire_and_are_never_held);
	tcase_add_test(tc, own_numbers_wait_while_a_pass_runs_that_they_would_change);
	tcase_add_test(tc, own_numbers_may_be_sent_by_others_too);
	tcase_add_test(tc, own_numbers_are_back_after_a_restart_and_not_held);
	tcase_add_test(tc, own_numbers_end_where_the_limit_of_series_is);
	suite_add_tcase(suite, tc);
	return suite;
}
TEST_MAIN(suite)
