/*
 * Evaluation on arrival, on a manual clock, where more is looked at than events, or more happens than
 * that samples come: test_arrival_scenarios.c has all else.
 */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/engine_internal.h"

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

/* Feeds samples of a scrape's time later. */
static void arrive_late(double now_s, double time_s, const char *text)
{
	engine_time(h.engine, (int64_t)(now_s * 1000));
	harness_feed(&h, time_s, text);
	harness_settle(&h);
}

static struct group_status group(uint32_t i)
{
	struct group_status status;
	engine_group_status(h.engine, i, &status);
	return status;
}

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

/* ---- when ---- */

START_TEST(time_is_the_newest_of_the_batch)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5}"));
	engine_time(h.engine, 10000);
	harness_feed(&h, 0, "x{i=\"1\"} 6 @ 7; x{i=\"2\"} 6 @ 8; y 1 @ 9");
	harness_settle(&h);
	harness_expect(&h, "8 A{i=\"1\"} pending>firing value=6 active=8 fired=8 settled\n"
			   "8 A{i=\"2\"} pending>firing value=6 active=8 fired=8 settled\n");
	ck_assert_int_eq(group(0).last_ms, TIME_NONE); /* that was no tick */
}
END_TEST

START_TEST(tick_that_is_due_goes_first)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5}"));
	engine_time(h.engine, 60500);
	harness_feed(&h, 60.2, "x 6");
	harness_settle(&h);
	ck_assert_int_eq(group(0).last_ms, 60000);
	harness_expect(&h, "60.2 A pending>firing value=6 active=60.2 fired=60.2 settled\n");
}
END_TEST

START_TEST(windows_reach_back_from_the_sample)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{record: n, expr: 'count_over_time(x[30s])'}"));
	for (int t = 5; t <= 62; t++)
		arrive(t, "x 1");
	harness_expect_query(&h, "n", 62, "n 30\n");
	harness_expect_query(&h, "timestamp(n)", 62, "{} 62\n");
}
END_TEST

/* ---- which rows ---- */

START_TEST(many_rows_are_evaluated_in_words)
{
	char text[64];
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: 'rate(x[1m]) * 60 > bool 5 == 1'}"));
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "x{i=\"%d\"} 0", i);
		harness_feed(&h, 1, text);
	}
	arrive(31, "x{i=\"7\"} 100; x{i=\"64\"} 100; x{i=\"65\"} 0; x{i=\"299\"} 100");
	harness_expect(&h, "31 A{i=\"7\"} pending>firing value=1 active=31 fired=31 settled\n"
			   "31 A{i=\"64\"} pending>firing value=1 active=31 fired=31 settled\n"
			   "31 A{i=\"299\"} pending>firing value=1 active=31 fired=31 settled\n");
}
END_TEST

START_TEST(series_that_nobody_watches_are_not_marked)
{
	harness_time(&h, 1);
	harness_load(&h, "groups: [{name: t, interval: 1m, rules: [{record: r, expr: y}]}, "
			 "{name: g, evaluate: arrival, interval: 1m, rules: [{alert: A, expr: x > 5}, "
			 "{alert: B, expr: absent(z)}]}]");
	arrive(2, "x 1; y 1; z 1");
	struct store *store = engine_store(h.engine);
	uint32_t cursor = 0, watched = 0;
	for (struct series *series; (series = store_next(store, &cursor));)
		watched += series->watched;
	ck_assert_uint_eq(watched, 1);
	harness_load(&h, "groups: [{name: t, interval: 1m, rules: [{record: r, expr: x}]}]");
	arrive(3, "x 7"); /* the first to come finds out */
	cursor = 0;
	for (struct series *series; (series = store_next(store, &cursor));)
		ck_assert(!series->watched);
	harness_expect(&h, "");
}
END_TEST

START_TEST(rule_that_warms_waits)
{
	struct engine_options options;
	harness_stop(&h);
	harness_options(&options);
	harness_start(&h, &options);
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: 'sum_over_time(x[30s]) > 5'}"));
	arrive(10, "x 6");
	harness_expect(&h, "");
	arrive(32, "x 7");
	harness_expect(&h, "32 A pending>firing value=13 active=32 fired=32\n");
}
END_TEST

/* ---- one to one ---- */

#define JOB "job=\"j\",instance=\"1\""

/* ---- settle ---- */

START_TEST(set_operators_wait_for_the_other_side)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: U, expr: x > 5 unless on (job) m == 1}, "
			       "{alert: N, expr: x > 5 and on (job) m == 0}, "
			       "{alert: O, expr: m == 0 or x > 5}"));
	arrive(2, "x{" JOB "} 1; m{" JOB "} 0");
	arrive(12, "x{" JOB "} 6");
	harness_expect(&h, "");
	arrive_late(12.1, 12, "m{" JOB "} 1");
	harness_expect(&h, "12.001 O{instance=\"1\", job=\"j\"} pending>firing value=6 "
			   "active=12.001 fired=12.001 settled\n");
	arrive(22, "m{" JOB "} 0");
	harness_expect(&h, "");
	arrive_late(22.1, 22, "x{" JOB "} 7");
	harness_expect(
		&h,
		"22.001 U{instance=\"1\", job=\"j\"} pending>firing value=7 active=22.001 "
		"fired=22.001 settled\n"
		"22.001 N{instance=\"1\", job=\"j\"} pending>firing value=7 active=22.001 "
		"fired=22.001 settled\n");
	char *alerts = harness_alerts(&h); /* the same alert, of the other side now */
	ck_assert_ptr_nonnull(strstr(alerts, "O{instance=\"1\", job=\"j\"} firing value=0"));
	free(alerts);
}
END_TEST

START_TEST(targets_beyond_the_limit_are_learnt_again)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: sum by (job) (x) > 5}"));
	arrive(2, "x{" JOB ",i=\"1\"} 1; x{" JOB ",i=\"2\"} 1");
	struct targets *targets = &h.engine->arrival.targets;
	ck_assert_uint_eq(targets->n, 1);
	targets->max = 2;
	arrive(13, "x{job=\"k\"} 1");
	ck_assert_uint_eq(targets->n, 2);
	arrive(14, "x{job=\"l\"} 1"); /* one too many: all begin anew */
	ck_assert_uint_eq(targets->n, 1);
	arrive(22, "x{" JOB ",i=\"1\"} 6; x{" JOB ",i=\"2\"} 6");
	harness_expect(&h, "");
	arrive(32, "x{" JOB ",i=\"1\"} 6; x{" JOB ",i=\"2\"} 6");
	harness_expect(&h,
		       "32 A{job=\"j\"} pending>firing value=12 active=32 fired=32 settled\n");
}
END_TEST

/* ---- what a run costs ---- */

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

/* ---- timers after a restart ---- */

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

/* ---- log lines ---- */

/* So many lines at time_s, as an extractor counts them. */
static void lines_arrive(double time_s, int n)
{
	const struct plan_log *log = &engine_rules(h.engine)->plan->logs[0];
	int64_t t_ms = (int64_t)(time_s * 1000);
	struct label pairs[] = { { SLICE("__name__"), slice_from(log->name) },
				 { SLICE("job"), SLICE("j") } };
	double count = n;
	struct batch *batch = batch_new();
	struct labels *labels;
	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	ck_assert_int_eq(batch_reserve(batch, 1), 0);
	batch->rows[0] = (struct batch_row){
		.key = { 1, 2 },
		.ts_ms = (t_ms + log->bucket_ms - 1) / log->bucket_ms * log->bucket_ms,
	};
	memcpy(&batch->rows[0].bits, &count, sizeof(count));
	batch->nrows = 1;
	ck_assert_int_eq(batch_birth_add(batch, 0, labels), 0);
	batch->births[0].kind = WINDOW_SUM;
	engine_time(h.engine, t_ms);
	engine_batch(h.engine, batch);
	harness_settle(&h);
}

START_TEST(lines_that_are_too_many_are_told_before_their_bucket_ends)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: 'sum by (job) (count_over_time(logs{job=~\".+\"} |= "
			       "\"x\" [2m])) > 4'}"));
	ck_assert_int_eq(engine_rules(h.engine)->plan->logs[0].bucket_ms, 60000);
	lines_arrive(10, 3);
	lines_arrive(70, 1);
	harness_expect(&h, "");
	lines_arrive(71, 2);
	harness_expect(&h, "71 A{job=\"j\"} pending>firing value=6 active=71 fired=71 settled\n");
	harness_time(&h, 120);
	lines_arrive(121, 1); /* of (60, 180] so far */
	harness_expect(&h, "");
	harness_time(&h, 180);
	harness_expect(&h, "180 A{job=\"j\"} firing>inactive value=6 active=71 fired=71 "
			   "resolved=180 settled\n");
}
END_TEST

START_TEST(lines_that_are_too_few_are_for_the_tick)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: 'count_over_time(logs{job=\"j\"} |= \"x\" [1m]) < "
			       "4'}"));
	lines_arrive(10, 1);
	harness_expect(&h, "");
	harness_time(&h, 60);
	harness_expect(&h, "60 A{job=\"j\"} pending>firing value=1 active=60 fired=60 settled\n");
}
END_TEST

/* ---- what else a rule is ---- */

START_TEST(recording_rules_record_ready_rows_in_file_order)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{record: before, expr: twice + 0}, {record: twice, expr: x * 2}, "
			       "{record: after, expr: twice + 1}"));
	arrive(2, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	harness_expect_query(&h, "twice", 2, "twice{i=\"1\"} 2\ntwice{i=\"2\"} 4\n");
	harness_expect_query(&h, "timestamp(twice)", 2, "{i=\"1\"} 2\n{i=\"2\"} 2\n");
	arrive(3, "x{i=\"2\"} 5");
	harness_expect_query(&h, "twice", 3, "twice{i=\"1\"} 2\ntwice{i=\"2\"} 10\n");
	harness_expect_query(&h, "timestamp(twice)", 3, "{i=\"1\"} 2\n{i=\"2\"} 3\n");
}
END_TEST

START_TEST(rule_that_reads_itself_comes_to_rest)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{record: r, expr: r + 1 or x}"));
	arrive(2, "x 1");
	harness_time(&h, 60);
	arrive(61, "x 1");
	ck_assert(!engine_step(h.engine, 1000));
}
END_TEST

START_TEST(limit_is_for_the_tick)
{
	harness_time(&h, 1);
	harness_load(&h, "groups: [{name: g, evaluate: arrival, limit: 1, interval: 1m, rules: "
			 "[{alert: A, expr: x > 5}]}]");
	arrive(2, "x{i=\"1\"} 6");
	arrive(3, "x{i=\"2\"} 6");
	harness_expect(&h, "2 A{i=\"1\"} pending>firing value=6 active=2 fired=2 settled\n");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_ERROR);
	ck_assert_str_eq(harness_rule(&h, 0).error, "exceeded limit of 1 with 2 alerts");
	harness_time(&h, 60);
	harness_expect(&h, "60 A{i=\"1\"} firing>inactive value=6 active=2 fired=2 resolved=60 "
			   "reason=limit settled\n");
}
END_TEST

START_TEST(error_of_the_whole_is_one_of_the_part)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: a > on (job) b}"));
	arrive(2, "a{job=\"1\"} 6; b{job=\"1\"} 5; b{job=\"2\",i=\"1\"} 1; b{job=\"2\",i=\"2\"} 1");
	harness_expect(&h, "");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_ERROR);
	harness_time(&h, 60);
	harness_expect(&h, "");
}
END_TEST

START_TEST(reload_keeps_alerts_and_goes_on)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5, for: 10s}"));
	arrive(2, "x 6");
	harness_load(&h, GROUP("{alert: A, expr: x > 5, for: 10s}, {alert: B, expr: x > 6}"));
	arrive(5, "x 7");
	harness_expect(&h, "2 A inactive>pending value=6 active=2 settled\n"
			   "5 B pending>firing value=7 active=5 fired=5 settled\n");
	harness_time(&h, 12);
	harness_expect(&h, "12 A pending>firing value=7 active=2 fired=12 settled\n");
}
END_TEST

START_TEST(samples_that_come_during_a_run_are_for_the_next)
{
	harness_time(&h, 1);
	harness_load(&h, GROUP("{alert: A, expr: x > 5}"));
	engine_time(h.engine, 2000);
	harness_feed(&h, 2, "x{i=\"1\"} 6; x{i=\"2\"} 1");
	ck_assert(engine_step(h.engine, 1));
	harness_feed(&h, 2, "x{i=\"3\"} 6");
	engine_time(h.engine, 3000);
	harness_feed(&h, 3, "x{i=\"2\"} 6");
	harness_settle(&h);
	char *alerts = harness_alerts(&h);
	ck_assert_ptr_nonnull(strstr(alerts, "A{i=\"1\"} firing value=6 active=2"));
	ck_assert_ptr_nonnull(strstr(alerts, "A{i=\"2\"} firing value=6 active=3"));
	ck_assert_ptr_nonnull(strstr(alerts, "A{i=\"3\"} firing value=6 active=3"));
	free(alerts);
}
END_TEST

static Suite *arrival_suite(void)
{
	Suite *suite = suite_create("arrival");
	TCase *tc;
	tc = tcase_create("when");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, group_runs_at_its_ticks_as_well);
	tcase_add_test(tc, time_is_the_newest_of_the_batch);
	tcase_add_test(tc, tick_that_is_due_goes_first);
	tcase_add_test(tc, windows_reach_back_from_the_sample);
	suite_add_tcase(suite, tc);
	tc = tcase_create("rows");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, many_rows_are_evaluated_in_words);
	tcase_add_test(tc, series_that_nobody_watches_are_not_marked);
	tcase_add_test(tc, rule_that_warms_waits);
	suite_add_tcase(suite, tc);
	tc = tcase_create("settle");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, set_operators_wait_for_the_other_side);
	tcase_add_test(tc, targets_beyond_the_limit_are_learnt_again);
	suite_add_tcase(suite, tc);
	tc = tcase_create("costs");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, run_looks_at_the_rules_that_read_what_came);
	tcase_add_test(tc, run_looks_at_the_rules_whose_timers_end);
	tcase_add_test(tc, rules_in_doubt_are_looked_at_when_their_target_settles);
	tcase_add_test(tc, ranges_in_doubt_are_looked_at_when_nothing_late_is_waited_for);
	tcase_add_test(tc, row_that_was_waited_for_is_evaluated_once);
	tcase_add_test(tc, rows_that_are_looked_at_are_paid_for);
	suite_add_tcase(suite, tc);
	tc = tcase_create("restart");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, for_goes_on_after_a_restart);
	tcase_add_test(tc, timer_that_ended_meanwhile_waits_for_what_is_on_its_way);
	tcase_add_test(tc, sample_after_a_restart_comes_before_the_timer_that_ended);
	tcase_add_test(tc, keep_firing_for_goes_on_after_a_restart);
	tcase_add_test(tc, aggregation_waits_for_the_tick_after_a_restart);
	tcase_add_test(tc, for_goes_on_after_a_reload);
	tcase_add_test(tc, alert_of_a_silent_sender_is_held_though_its_timer_ends);
	suite_add_tcase(suite, tc);
	tc = tcase_create("lines");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, lines_that_are_too_many_are_told_before_their_bucket_ends);
	tcase_add_test(tc, lines_that_are_too_few_are_for_the_tick);
	suite_add_tcase(suite, tc);
	tc = tcase_create("rules");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, recording_rules_record_ready_rows_in_file_order);
	tcase_add_test(tc, rule_that_reads_itself_comes_to_rest);
	tcase_add_test(tc, limit_is_for_the_tick);
	tcase_add_test(tc, error_of_the_whole_is_one_of_the_part);
	tcase_add_test(tc, reload_keeps_alerts_and_goes_on);
	tcase_add_test(tc, samples_that_come_during_a_run_are_for_the_next);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(arrival_suite)
