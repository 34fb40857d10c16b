/* What is set otherwise while the engine runs. Lookback 300 s, sender timeout 90 s at first. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

static struct harness h;
static struct engine_settings settings;

static const char *const rules =
	"groups: [{name: g, warmup: off, rules: [{alert: A, expr: x > 5}]}]";

static void start(void)
{
	struct engine_options options;
	harness_options(&options);
	harness_start(&h, &options);
	harness_time(&h, 7);
	harness_load(&h, rules);
	settings = (struct engine_settings){ .lookback_ms = options.store.lookback_ms,
					     .series_max = options.store.series_max,
					     .ignored_max = options.store.ignored_max,
					     .memory_max = options.store.memory_max,
					     .retention_ms = options.retention_ms,
					     .sender_timeout_ms = options.sender_timeout_ms };
}

static void stop(void)
{
	harness_stop(&h);
}

/* As a reload does it: the settings, then the rules, be they the same. */
static void set(void)
{
	ck_assert_int_eq(engine_settings_set(h.engine, &settings), 0);
	harness_load(&h, rules);
}

static struct store_stats stats(void)
{
	struct store_stats out;
	store_stats_get(engine_store(h.engine), &out);
	return out;
}

START_TEST(settings_that_are_the_same_change_nothing)
{
	harness_run(&h, 15, 30, "x 6");
	buf_clear(&h.events);
	set();
	harness_run(&h, 45, 45, "x 6");
	harness_expect(&h, "");
	harness_expect_query(&h, "x", 45, "x 6\n");
}
END_TEST

START_TEST(lookback_of_rules_changes)
{
	harness_run(&h, 15, 15, "x 6");
	settings.lookback_ms = 60000;
	settings.resolve_on_silence = true;
	set();
	harness_expect_query(&h, "x", 74, "x 6\n");
	harness_expect_query(&h, "x", 75, "");
	buf_clear(&h.events);
	harness_run(&h, 90, 90, "");
	harness_expect(&h, "90 A firing>inactive value=6 active=15 fired=15 resolved=90 settled\n");
	/* Longer than what is kept: from now on it is. */
	settings.lookback_ms = 600000;
	set();
	harness_run(&h, 105, 105, "x 7");
	harness_expect_query(&h, "x", 700, "x 7\n");
	harness_expect_query(&h, "x", 706, "");
}
END_TEST

START_TEST(series_are_limited)
{
	harness_run(&h, 15, 15, "x{a=\"1\"} 1; x{a=\"2\"} 1");
	settings.series_max = 2;
	set();
	harness_feed(&h, 20, "x{a=\"3\"} 1; x{a=\"1\"} 2");
	ck_assert_uint_eq(h.outcome.limited, 1);
	ck_assert_uint_eq(h.outcome.stored, 1);
	settings.series_max = 3;
	set();
	harness_feed(&h, 21, "x{a=\"3\"} 1");
	ck_assert_uint_eq(h.outcome.stored, 1);
}
END_TEST

START_TEST(memory_is_limited)
{
	settings.memory_max = 1;
	set();
	harness_feed(&h, 20, "x 1");
	ck_assert_uint_eq(h.outcome.limited, 1);
	settings.memory_max = 0;
	set();
	harness_feed(&h, 21, "x 1");
	ck_assert_uint_eq(h.outcome.stored, 1);
}
END_TEST

START_TEST(ignored_series_are_limited)
{
	harness_feed(&h, 20, "y 1; z 1; v 1; w 1");
	ck_assert_uint_eq(stats().ignored, 4);
	settings.ignored_max = 2;
	ck_assert_int_eq(engine_settings_set(h.engine, &settings), 0);
	/* In pieces: of one unit here, and nothing else is to do. */
	int pieces = 0;
	for (uint64_t before = 4; engine_step(h.engine, 1); pieces++) {
		ck_assert_uint_ge(stats().ignored + 1, before);
		before = stats().ignored;
	}
	ck_assert_uint_eq(stats().ignored, 2);
	ck_assert_int_gt(pieces, 1);
}
END_TEST

START_TEST(samples_of_queries_are_limited)
{
	harness_run(&h, 15, 15, "x{a=\"1\"} 1; x{a=\"2\"} 1");
	harness_expect_query(&h, "sum(x)", 15, "{} 2\n");
	settings.query_samples_max = 1;
	set();
	ck_assert_ptr_nonnull(strstr(harness_query(&h, "sum(x)", 15), "too many samples"));
}
END_TEST

START_TEST(silence_of_senders_is_told_sooner)
{
	harness_feed(&h, 7, "x 1");
	harness_time(&h, 40);
	harness_expect_senders(&h, "first samples a\n");
	settings.sender_timeout_ms = 30000;
	set();
	harness_time(&h, 41);
	harness_expect_senders(&h, "sender silent a\n");
}
END_TEST

START_TEST(what_no_rule_asks_for_is_kept_or_not)
{
	harness_feed(&h, 10, "y 1");
	harness_expect_query(&h, "y", 10, "");
	settings.retention_ms = 3600000;
	set();
	harness_time(&h, 11);
	harness_feed(&h, 11, "y 2; x 1");
	harness_expect_query(&h, "y", 11, "y 2\n");
	harness_expect_query(&h, "last_over_time(y[1h])", 3000, "y 2\n");
	settings.retention_ms = 60000;
	set();
	harness_run(&h, 3015, 3150, "y 3; x 1");
	harness_expect_query(&h, "count_over_time(y[1m])", 3150, "{} 4\n");
	settings.retention_ms = 0;
	set();
	harness_time(&h, 3151);
	harness_feed(&h, 3151, "y 4; x 2");
	ck_assert_uint_eq(h.outcome.ignored, 1);
	/* On and off, again and again. */
	for (int i = 0; i < 4; i++) {
		settings.retention_ms = i % 2 ? 0 : 60000;
		ck_assert_int_eq(engine_settings_set(h.engine, &settings), 0);
	}
	settings.retention_ms = 60000;
	set();
	harness_time(&h, 3152);
	harness_feed(&h, 3152, "y 5");
	harness_expect_query(&h, "y", 3152, "y 5\n");
}
END_TEST

static Suite *settings_suite(void)
{
	Suite *suite = suite_create("settings");
	TCase *tc = tcase_create("settings");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, settings_that_are_the_same_change_nothing);
	tcase_add_test(tc, lookback_of_rules_changes);
	tcase_add_test(tc, series_are_limited);
	tcase_add_test(tc, memory_is_limited);
	tcase_add_test(tc, ignored_series_are_limited);
	tcase_add_test(tc, samples_of_queries_are_limited);
	tcase_add_test(tc, silence_of_senders_is_told_sooner);
	tcase_add_test(tc, what_no_rule_asks_for_is_kept_or_not);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(settings_suite)
