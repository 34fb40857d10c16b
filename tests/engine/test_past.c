/* The past that rules lack: asked for when they come into force, taken in, and then they are warm.
 */
#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"
#include "tests/engine/harness.h"

static struct harness h, other;

static void begin(struct harness *to)
{
	struct engine_options options;
	harness_options(&options);
	harness_start(to, &options);
	engine_history_set(to->engine, true);
}

static void start(void)
{
	begin(&h);
}

static void stop(void)
{
	harness_stop(&h);
}

/* A batch of the past, with what it covers; NULL: nothing. */
static void give(struct harness *to, const char *text, const char *covers, double since_s)
{
	struct batch *batch = harness_batch("", 0, text);
	batch->is_past = true;
	if (covers) {
		batch->covers = strdup(covers);
		batch->covers_since_ms = (int64_t)(since_s * 1000);
	}
	engine_batch(to->engine, batch);
	harness_settle(to);
}

static uint64_t late(void)
{
	struct store_stats stats;
	store_stats_get(engine_store(h.engine), &stats);
	return stats.late;
}

START_TEST(past_is_wished_for_when_rules_come_into_force)
{
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: 'rate(x[10m])'}, "
			 "{alert: A, expr: 'x{job=\"a\"} > 1 and y offset 1h > 1'}]}]");
	harness_expect_wishes(&h, "");
	harness_time(&h, 10000);
	harness_expect_wishes(&h, "{__name__=\"x\"} since 9400\n"
				  "{__name__=\"x\",job=\"a\"} since 9700\n"
				  "{__name__=\"y\"} since 6100\n");
	/* What another rule reads further back is asked for anew; what is there already is not. */
	give(&h, "y 1 @ 6200", "{__name__=\"y\"}", 6100);
	harness_time(&h, 10015);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: 'rate(x[20m])'}, "
			 "{record: s, expr: y offset 1h}]}]");
	harness_expect_wishes(&h, "{__name__=\"x\"} since 8815\n");
}
END_TEST

START_TEST(past_is_not_wished_for_where_nobody_has_it)
{
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: vector(1)}, "
			 "{record: s, expr: 'sum_over_time(r[1h])'}, "
			 "{record: t, expr: 'count_over_time(ALERTS[1h])'}, "
			 "{alert: B, expr: 'count_over_time(logs{job=\"a\"}[1h]) > 1'}]}]");
	harness_time(&h, 10000);
	harness_expect_wishes(&h, "");
	engine_history_set(h.engine, false);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: 'rate(x[10m])'}]}]");
	harness_expect_wishes(&h, "");
}
END_TEST

static const char *const rules =
	"groups: [{name: g, rules: [{alert: A, expr: 'count_over_time(x[10m]) > 3'}]}]";

START_TEST(past_makes_rules_warm)
{
	harness_load(&h, rules);
	harness_time(&h, 10000);
	harness_run(&h, 10005, 10005, NULL);
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_WARMING);
	harness_feed(&h, 10006, "x 7");
	/* Older than what is there, in whatever order the batches come. */
	give(&h, "x 4 @ 9600; x 5 @ 9900; x 6 @ 10000", NULL, 0);
	harness_run(&h, 10020, 10020, NULL);
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_WARMING);
	give(&h, "x 3 @ 9500", "{__name__=\"x\"}", 9400);
	harness_run(&h, 10035, 10035, NULL);
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_OK);
	harness_expect(&h, "10035 A pending>firing value=5 active=10035 fired=10035\n");
	harness_expect_query(&h, "x[10m]", 10035, "x 9500:3 9600:4 9900:5 10000:6 10006:7\n");
}
END_TEST

START_TEST(past_that_does_not_reach_back_leaves_rules_warming)
{
	harness_load(&h, rules);
	harness_time(&h, 10000);
	give(&h, "x 1 @ 9600; x 2 @ 9700", "{__name__=\"x\"}", 9600);
	harness_run(&h, 10005, 10170, NULL);
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_WARMING);
	ck_assert_int_eq(harness_rule(&h, 0).warm_at_ms, 10200000);
	harness_run(&h, 10200, 10200, NULL);
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_OK);
}
END_TEST

START_TEST(past_is_nobodys)
{
	struct engine_stats stats;
	harness_load(&h, rules);
	harness_time(&h, 10000);
	uint64_t late_before = late();
	/* Too old, known, of a series that nobody wants. */
	give(&h, "x 1 @ 100; x 2 @ 9700; x 2 @ 9700; x 3 @ 9700; y 1 @ 9700", NULL, 0);
	ck_assert_uint_eq(h.outcome.late, 1);
	ck_assert_uint_eq(h.outcome.stored, 1);
	ck_assert_uint_eq(h.outcome.identical, 1);
	ck_assert_uint_eq(h.outcome.conflict, 1);
	ck_assert_uint_eq(h.outcome.ignored, 1);
	ck_assert_uint_eq(late(), late_before);
	engine_stats_get(h.engine, &stats);
	ck_assert_uint_eq(stats.samples + stats.batches + stats.senders, 0);
	harness_expect_senders(&h, "");
}
END_TEST

/* Who feeds a series goes on to be the one who may fall silent. */
START_TEST(past_does_not_change_who_feeds_a_series)
{
	harness_load(&h, "groups: [{name: g, warmup: off, rules: [{alert: A, expr: x > 1}]}]");
	harness_time(&h, 10000);
	harness_feed(&h, 10000, "x 2");
	give(&h, "x 3 @ 9990", NULL, 0);
	harness_run(&h, 10005, 10320, NULL);
	char *alerts = harness_alerts(&h);
	ck_assert_msg(strstr(alerts, "held") != NULL, "%s", alerts);
	free(alerts);
}
END_TEST

START_TEST(past_leaves_alone_what_rules_write)
{
	harness_load(
		&h,
		"groups: [{name: g, warmup: off, rules: [{record: r, expr: vector(1)}, "
		"{record: s, expr: 'count_over_time({job=~\"|z\",__name__=~\"r|q\"}[10m])'}]}]");
	harness_time(&h, 10000);
	harness_run(&h, 10005, 10020, NULL);
	give(&h, "r 5 @ 9900", NULL, 0);
	ck_assert_uint_eq(h.outcome.ignored, 1);
}
END_TEST

/* Samples that a pass for T reads do not change while it runs. */
START_TEST(past_waits_for_the_end_of_a_pass)
{
	harness_load(&h, "groups: [{name: g, warmup: off, rules: ["
			 "{record: a, expr: 'count_over_time(x[10m])'}, "
			 "{record: b, expr: 'count_over_time(x[10m])'}]}]");
	harness_time(&h, 9999);
	harness_feed(&h, 9999, "x 1");
	engine_time(h.engine, 10005000);
	engine_step(h.engine, 1); /* the pass has begun */
	struct batch *batch = harness_batch("", 0, "x 1 @ 9900; x 2 @ 9910");
	batch->is_past = true;
	uint32_t answered = h.batches;
	engine_batch(h.engine, batch);
	ck_assert_uint_eq(h.batches, answered);
	harness_settle(&h);
	ck_assert_uint_eq(h.batches, answered + 1);
	harness_expect_query(&h, "a == b", 10005, "a 1\n");
	harness_run(&h, 10020, 10020, NULL);
	harness_expect_query(&h, "a == b", 10020, "a 3\n");
}
END_TEST

static int labels_of_first(const struct batch *batch, uint32_t row, struct labels **out)
{
	*out = labels_ref(batch->births[0].labels);
	return 0;
}

/* A row without labels is of the series of the row before; also where a batch went on later. */
START_TEST(past_rows_stand_together)
{
	harness_load(&h, "groups: [{name: g, warmup: off, rules: [{record: a, expr: "
			 "'count_over_time(x[10m])'}]}]");
	harness_time(&h, 10000);
	enum { N = 30000 }; /* more than are applied at once */
	struct batch *batch = harness_batch("", 0, "x{i=\"1\"} 1 @ 9700");
	ck_assert_int_eq(batch_reserve(batch, N), 0);
	for (uint32_t i = 1; i < N; i++)
		batch->rows[batch->nrows++] =
			(struct batch_row){ batch->rows[0].key, 9700000 + i, 0 };
	batch->is_past = true;
	batch->labels_parse = labels_of_first;
	engine_batch(h.engine, batch);
	harness_settle(&h);
	ck_assert_uint_eq(h.outcome.stored, N);
	harness_expect_query(&h, "count_over_time(x[10m])", 10000, "{i=\"1\"} 30000\npartial\n");
}
END_TEST

START_TEST(past_survives_a_restart)
{
	harness_load(&h, rules);
	harness_time(&h, 10000);
	give(&h, "x 3 @ 9500; x 4 @ 9600; x 5 @ 9700; x 6 @ 9800", "{__name__=\"x\"}", 9400);
	harness_run(&h, 10005, 10005, NULL);
	engine_flush(h.engine);
	begin(&other);
	harness_load(&other, rules);
	harness_replay(&h, h.nrecords, &other);
	harness_time(&other, 10010);
	harness_expect_wishes(&other, "");
	harness_run(&other, 10020, 10020, NULL);
	ck_assert_int_eq(harness_rule(&other, 0).health, RULE_OK);
	harness_expect_query(&other, "count_over_time(x[10m])", 10020, "{} 4\n");
	harness_stop(&other);
}
END_TEST

/* After a gap in which samples may have passed by, the past is asked for anew. */
START_TEST(past_is_wished_for_again_after_a_gap)
{
	harness_load(&h, rules);
	harness_time(&h, 10000);
	give(&h, "x 3 @ 9500", "{__name__=\"x\"}", 9400);
	harness_run(&h, 10005, 10005, NULL);
	engine_flush(h.engine);
	begin(&other);
	harness_load(&other, rules);
	harness_replay(&h, h.nrecords, &other);
	harness_time(&other, 10400); /* the lookback is 300 s */
	harness_expect_wishes(&other, "{__name__=\"x\"} since 9800\n");
	harness_stop(&other);
}
END_TEST

static Suite *past_suite(void)
{
	Suite *suite = suite_create("past");
	TCase *tc = tcase_create("past");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, past_is_wished_for_when_rules_come_into_force);
	tcase_add_test(tc, past_is_not_wished_for_where_nobody_has_it);
	tcase_add_test(tc, past_makes_rules_warm);
	tcase_add_test(tc, past_that_does_not_reach_back_leaves_rules_warming);
	tcase_add_test(tc, past_is_nobodys);
	tcase_add_test(tc, past_does_not_change_who_feeds_a_series);
	tcase_add_test(tc, past_leaves_alone_what_rules_write);
	tcase_add_test(tc, past_waits_for_the_end_of_a_pass);
	tcase_add_test(tc, past_rows_stand_together);
	tcase_add_test(tc, past_survives_a_restart);
	tcase_add_test(tc, past_is_wished_for_again_after_a_gap);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(past_suite)
