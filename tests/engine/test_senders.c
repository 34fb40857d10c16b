/* Who is silent, and what that holds. Lookback 300 s, sender timeout 90 s. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include "base/text.h"

static struct harness h;

static void begin(bool resolve)
{
	struct engine_options options;
	harness_options(&options);
	options.resolve_on_silence = resolve;
	harness_start(&h, &options);
	harness_time(&h, 7);
}

static void start(void)
{
	begin(false);
}

static void stop(void)
{
	harness_stop(&h);
}

/* Each 15 s a request of sender "b". */
static void run_b(double from_s, double to_s, const char *text)
{
	for (double t = from_s; t <= to_s; t += 15) {
		engine_time(h.engine, (int64_t)(t * 1000));
		harness_feed_from(&h, "b", t, text);
		harness_settle(&h);
	}
}

START_TEST(senders_are_told_first_silent_and_back)
{
	harness_feed(&h, 7, ""); /* metadata, say */
	harness_expect_senders(&h, "");
	harness_feed(&h, 7, "x 1");
	harness_expect_senders(&h, "first samples a\n");
	ck_assert_int_eq(engine_next_ms(h.engine), 97000);
	harness_time(&h, 96.9);
	harness_expect_senders(&h, "");
	harness_time(&h, 97);
	harness_expect_senders(&h, "sender silent a\n");
	struct engine_stats stats;
	engine_stats_get(h.engine, &stats);
	ck_assert_uint_eq(stats.senders_silent, 1);
	harness_time(&h, 200);
	harness_feed_from(&h, "b", 200, "x 1");
	harness_feed(&h, 200, "x 1");
	harness_feed(&h, 200, "x 1");
	harness_expect_senders(&h, "first samples b\nsender back a\n");
	engine_stats_get(h.engine, &stats);
	ck_assert_uint_eq(stats.senders_silent, 0);
	ck_assert_uint_eq(stats.senders, 2);
}
END_TEST

static const char *const rules =
	"groups: [{name: g, warmup: off, rules: [{alert: A, expr: x > 5}]}]";

START_TEST(alert_of_a_silent_sender_is_held)
{
	harness_load(&h, rules);
	harness_run(&h, 15, 15, "x 6");
	run_b(30, 315, "y 1");
	harness_expect(&h, "15 A pending>firing value=6 active=15 fired=15 settled\n"
			   "75 A firing value=6 active=15 fired=15 reason=refresh settled\n"
			   "135 A firing value=6 active=15 fired=15 reason=refresh settled\n"
			   "195 A firing value=6 active=15 fired=15 reason=refresh settled\n"
			   "255 A firing value=6 active=15 fired=15 reason=refresh settled\n"
			   "315 A firing value=6 active=15 fired=15 reason=refresh settled held\n");
	ck_assert_uint_eq(harness_rule(&h, 0).held, 1);
	/* The series is forgotten meanwhile; the alert is not. */
	run_b(330, 3000, "y 1");
	struct store_stats stats;
	store_stats_get(engine_store(h.engine), &stats);
	ck_assert_uint_eq(stats.forgotten, 1);
	ck_assert_uint_eq(harness_rule(&h, 0).held, 1);
	harness_expect_query(&h, "ALERTS", 3000,
			     "ALERTS{alertname=\"A\", alertstate=\"firing\"} 1\n");
	/* Back, with a series that does not come again: it ends when each had its turn. */
	buf_clear(&h.events);
	harness_run(&h, 3015, 3090, "z 1");
	ck_assert_uint_eq(harness_rule(&h, 0).held, 1);
	buf_clear(&h.events);
	harness_run(&h, 3105, 3105, "z 1");
	harness_expect(&h,
		       "3105 A firing>inactive value=6 active=15 fired=15 resolved=3105 settled\n");
}
END_TEST

START_TEST(alert_held_goes_on_when_its_series_is_back)
{
	harness_load(&h, rules);
	harness_run(&h, 15, 15, "x 6");
	run_b(30, 600, "y 1");
	buf_clear(&h.events);
	harness_run(&h, 615, 615, "x 8");
	harness_expect(&h, "615 A firing value=8 active=15 fired=15 reason=refresh settled\n");
	harness_run(&h, 630, 630, "x 1");
	harness_expect(&h,
		       "630 A firing>inactive value=8 active=15 fired=15 resolved=630 settled\n");
}
END_TEST

START_TEST(alert_pending_is_held_without_firing)
{
	harness_load(&h,
		     "groups: [{name: g, warmup: off, rules: [{alert: A, expr: x > 5, for: 6m}]}]");
	harness_run(&h, 15, 15, "x 6");
	run_b(30, 900, "y 1");
	harness_expect(&h, "15 A inactive>pending value=6 active=15 settled\n"
			   "315 A pending value=6 active=15 reason=refresh settled held\n");
}
END_TEST

START_TEST(alert_over_a_short_range_is_held_before_the_sender_is_called_silent)
{
	harness_load(&h, "groups: [{name: g, warmup: off, rules: [{alert: A, expr: "
			 "'max_over_time(x[1m]) > 5'}]}]");
	harness_run(&h, 15, 120, "x 6");
	buf_clear(&h.events);
	/* Heard each 15 s so far: overdue after 30 s; the range is empty after 60 s, the timeout 90
	 * s. */
	run_b(135, 180, "y 1");
	harness_expect(&h, "135 A firing value=6 active=15 fired=15 reason=refresh settled\n"
			   "180 A firing value=6 active=15 fired=15 reason=refresh settled held\n");
	harness_expect_senders(&h, "first samples a\nfirst samples b\n");
	/* Back after 75 s: for as long again what it has not sent yet is waited for. */
	harness_run(&h, 195, 255, "z 1");
	ck_assert_uint_eq(harness_rule(&h, 0).held, 1);
	buf_clear(&h.events);
	harness_run(&h, 270, 270, "z 1");
	harness_expect(&h,
		       "270 A firing>inactive value=6 active=15 fired=15 resolved=270 settled\n");
	harness_expect_senders(&h, "sender silent b\n");
}
END_TEST

START_TEST(sender_that_comes_in_bursts_is_not_overdue_between_them)
{
	harness_load(&h, "groups: [{name: g, warmup: off, rules: [{alert: A, expr: "
			 "'max_over_time(x[30s]) > 5'}]}]");
	for (int t = 15; t <= 600; t += 15) {
		engine_time(h.engine, t * 1000);
		harness_feed(&h, t, t <= 300 ? "x 6" : "y 6");
		for (int i = 1; i <= 50; i++) {
			engine_time(h.engine, t * 1000 + i * 100);
			harness_feed(&h, t, "z 1");
		}
		harness_settle(&h);
	}
	ck_assert_uint_eq(harness_rule(&h, 0).firing, 0);
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "330 A firing>inactive"));
	harness_expect_senders(&h, "first samples a\n");
}
END_TEST

START_TEST(stale_marker_resolves_though_the_sender_is_silent_then)
{
	harness_load(&h, rules);
	harness_run(&h, 15, 15, "x 6");
	harness_run(&h, 30, 30, "x stale");
	harness_expect(&h, "15 A pending>firing value=6 active=15 fired=15 settled\n"
			   "30 A firing>inactive value=6 active=15 fired=15 resolved=30 settled\n");
	run_b(45, 600, "y 1");
	harness_expect(&h, "");
}
END_TEST

START_TEST(series_that_ends_while_its_sender_is_heard_resolves)
{
	harness_load(&h, rules);
	harness_run(&h, 15, 15, "x 6");
	harness_run(&h, 30, 315, "y 1");
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "315 A firing>inactive"));
}
END_TEST

START_TEST(alert_of_a_silent_sender_resolves_if_that_is_asked_for)
{
	harness_stop(&h);
	begin(true);
	harness_load(&h, rules);
	harness_run(&h, 15, 15, "x 6");
	run_b(30, 315, "y 1");
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "315 A firing>inactive"));
}
END_TEST

START_TEST(alert_of_a_silent_sender_resolves_in_prometheus_dialect)
{
	harness_load(&h,
		     "groups: [{name: g, dialect: prometheus, rules: [{alert: A, expr: x > 5}]}]");
	harness_run(&h, 15, 15, "x 6");
	run_b(30, 315, "y 1");
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "315 A firing>inactive"));
}
END_TEST

static void look(void *ctx, const struct sender *sender)
{
	buf_printf(ctx,
		   "%s series=%lu stored=%lu identical=%lu ignored=%lu rejected=%lu requests=%lu\n",
		   sender->name, (unsigned long)sender->series, (unsigned long)sender->stored,
		   (unsigned long)sender->identical, (unsigned long)sender->ignored,
		   (unsigned long)sender->rejected, (unsigned long)sender->requests);
}

START_TEST(senders_are_counted)
{
	harness_load(&h, rules);
	harness_feed(&h, 7, "x{i=\"1\"} 1; x{i=\"2\"} 1; z 1");
	harness_feed_from(&h, "b", 8, "x{i=\"2\"} 1; x{i=\"1\"} 1 @ 7; x{i=\"1\"} 2 @ 7");
	for (int t = 9; t < 12; t++)
		harness_time(&h, t);
	struct buf text = { 0 };
	engine_senders_each(h.engine, look, &text);
	ck_assert_str_eq(text.ptr,
			 "a series=1 stored=2 identical=0 ignored=1 rejected=0 requests=1\n"
			 "b series=1 stored=1 identical=1 ignored=0 rejected=1 requests=1\n");
	buf_fini(&text);
}
END_TEST

static int64_t lag_of(const char *name)
{
	struct sender latest = engine_latest_sender(h.engine);
	ck_assert_str_eq(latest.name, name);
	return latest.lag_ms;
}

START_TEST(senders_lag_is_the_longest_of_late)
{
	harness_load(&h, rules);
	ck_assert_int_eq(lag_of(""), 0);
	harness_time(&h, 50);
	harness_feed(&h, 50, "x{s=\"a\"} 1");
	harness_feed_from(&h, "b", 50, "x{s=\"b\"} 1");
	harness_feed_from(&h, "c", 50, "y 1");
	harness_time(&h, 100);
	harness_feed(&h, 100, "x{s=\"a\"} 1 @ 97; x{s=\"a\"} 1 @ 98.5");
	ck_assert_int_eq(lag_of("a"), 3000);
	harness_feed(&h, 100, "x{s=\"a\"} 1 @ 99");
	ck_assert_int_eq(lag_of("a"), 3000);
	harness_feed_from(&h, "b", 100, "x{s=\"b\"} 1 @ 110; x{s=\"b\"} 1 @ 95");
	ck_assert_int_eq(lag_of("b"), 5000);
	/* What no rule reads misses nobody. */
	harness_feed_from(&h, "c", 100, "y 1 @ 10");
	ck_assert_int_eq(lag_of("b"), 5000);
	/* Heard each minute, and never so late again: after at most ten it is forgotten. */
	for (int t = 160; t <= 700; t += 60) {
		harness_time(&h, t);
		harness_feed(&h, t, "x{s=\"a\"} 1");
		harness_feed_from(&h, "b", t, "x{s=\"b\"} 1");
		if (t < 400)
			ck_assert_int_eq(lag_of("b"), 5000);
	}
	ck_assert_int_eq(engine_latest_sender(h.engine).lag_ms, 0);
	/* So it is when nothing comes any more; a time before all times is as late as can be. */
	harness_feed(&h, 700, "x{s=\"a\"} 1 @ -1e15");
	ck_assert_int_eq(lag_of("a"), 700000);
	harness_time(&h, 1100);
	ck_assert_int_eq(lag_of("a"), 700000);
	harness_time(&h, 1700);
	ck_assert_int_eq(engine_latest_sender(h.engine).lag_ms, 0);
}
END_TEST

START_TEST(what_a_sender_kept_while_it_was_away_is_no_lag)
{
	harness_load(&h, rules);
	harness_feed(&h, 7, "x 1");
	harness_time(&h, 200);
	harness_feed(&h, 200, "x 1 @ 50");
	ck_assert_int_eq(lag_of("a"), 0);
	for (int t = 210; t <= 400; t += 10) {
		harness_time(&h, t);
		harness_feed(&h, t, "x 1");
	}
	harness_time(&h, 410);
	harness_feed(&h, 410, "x 1 @ 401");
	ck_assert_int_eq(lag_of("a"), 9000);
}
END_TEST

START_TEST(what_a_sender_kept_before_it_was_heard_of_is_no_lag)
{
	harness_load(&h, rules);
	harness_time(&h, 100);
	harness_feed(&h, 100, ""); /* metadata */
	for (int t = 40; t <= 90; t += 10) {
		char text[64];

		/* A scrape that comes in two requests, the first half last. */
		snprintf(text, sizeof(text), "x 1 @ %d", t);
		harness_feed(&h, 100, text);
		snprintf(text, sizeof(text), "x{s=\"s\"} 1 @ %d.5", t - 1);
		harness_feed(&h, 100, text);
		ck_assert_int_eq(lag_of("a"), 0);
	}
	harness_time(&h, 110);
	harness_feed(&h, 110, "x 1 @ 99"); /* so it always is */
	ck_assert_int_eq(lag_of("a"), 11000);
}
END_TEST

START_TEST(what_comes_later_than_a_senders_first_is_lag_at_once)
{
	harness_load(&h, rules);
	harness_time(&h, 100);
	harness_feed(&h, 100, "x 1 @ 99");
	ck_assert_int_eq(lag_of("a"), 0);
	harness_feed(&h, 100, "x 1 @ 93");
	ck_assert_int_eq(lag_of("a"), 7000);
}
END_TEST

static void count(void *ctx, const struct sender *sender)
{
	++*(unsigned *)ctx;
}

START_TEST(senders_beyond_the_limit_share_a_place)
{
	for (int i = 0; i < 5000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "sender-%d", i);
		harness_feed_from(&h, name, 7, "x 1");
	}
	unsigned n = 0;
	engine_senders_each(h.engine, count, &n);
	ck_assert_uint_eq(n, 4094);
	ck_assert_uint_eq(h.batches, 5000);
	ck_assert_ptr_nonnull(strstr(h.senders.ptr, "first samples (further senders)\n"));
}
END_TEST

static Suite *senders_suite(void)
{
	Suite *suite = suite_create("senders");
	TCase *tc = tcase_create("senders");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, senders_are_told_first_silent_and_back);
	tcase_add_test(tc, alert_of_a_silent_sender_is_held);
	tcase_add_test(tc, alert_held_goes_on_when_its_series_is_back);
	tcase_add_test(tc, alert_pending_is_held_without_firing);
	tcase_add_test(tc, alert_over_a_short_range_is_held_before_the_sender_is_called_silent);
	tcase_add_test(tc, sender_that_comes_in_bursts_is_not_overdue_between_them);
	tcase_add_test(tc, stale_marker_resolves_though_the_sender_is_silent_then);
	tcase_add_test(tc, series_that_ends_while_its_sender_is_heard_resolves);
	tcase_add_test(tc, alert_of_a_silent_sender_resolves_if_that_is_asked_for);
	tcase_add_test(tc, alert_of_a_silent_sender_resolves_in_prometheus_dialect);
	tcase_add_test(tc, senders_are_counted);
	tcase_add_test(tc, senders_lag_is_the_longest_of_late);
	tcase_add_test(tc, what_a_sender_kept_while_it_was_away_is_no_lag);
	tcase_add_test(tc, what_a_sender_kept_before_it_was_heard_of_is_no_lag);
	tcase_add_test(tc, what_comes_later_than_a_senders_first_is_lag_at_once);
	tcase_add_test(tc, senders_beyond_the_limit_share_a_place);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(senders_suite)
