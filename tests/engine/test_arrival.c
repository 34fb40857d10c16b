/* Evaluation on arrival, on a manual clock: what is ready at once, what waits, and for what. */
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

#define GROUP(rules) "groups: [{name: g, evaluate: arrival, interval: 1m, rules: [" rules "]}]"

/* Tells the time, feeds samples of that time, and works until nothing waits. */
static void arrive(double time_s, const char *text)
{
	engine_time(h.engine, (int64_t)(time_s * 1000));
	harness_feed(&h, time_s, text);
	harness_settle(&h);
}

static struct group_status group(uint32_t i)
{
	struct group_status status;
	engine_group_status(h.engine, i, &status);
	return status;
}

START_TEST(threshold_is_evaluated_at_the_sample)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5}"));
	arrive(2, "x{i=\"1\"} 6; x{i=\"2\"} 1");
	harness_expect(&h, "2 A{i=\"1\"} pending>firing value=6 active=2 fired=2 settled\n");
	arrive(3, "x{i=\"2\"} 7");
	harness_expect(&h, "3 A{i=\"2\"} pending>firing value=7 active=3 fired=3 settled\n");
	arrive(4, "x{i=\"1\"} 5");
	harness_expect(&h, "4 A{i=\"1\"} firing>inactive value=6 active=2 fired=2 resolved=4 settled\n");
}
END_TEST

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

static Suite *suite(void)
{
	Suite *s = suite_create("arrival");
	TCase *tc = tcase_create("rows");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, threshold_is_evaluated_at_the_sample);
	tcase_add_test(tc, group_runs_at_its_ticks_as_well);
	suite_add_tcase(s, tc);
	return s;
}

TEST_MAIN(suite)
