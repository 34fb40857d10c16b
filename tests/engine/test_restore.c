/* Restart: the records of one engine are read back into another. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include "base/error.h"
#include "base/text.h"

static struct harness h;

static const char *const rules =
	"groups:\n- name: g\n  rules:\n"
	"  - {record: r, expr: 'count_over_time(x[1m])'}\n"
	"  - {alert: Pending, expr: x > 5, for: 1h, labels: {v: '{{ $labels.i }}'}}\n"
	"  - {alert: Firing, expr: x > 5, for: 30s}\n"
	"  - {alert: Kept, expr: y > 5, keep_firing_for: 10m}\n"
	"  - {alert: Over, expr: y > 5}\n";

static void begin(struct harness *to, bool warm)
{
	struct engine_options options;
	harness_options(&options);
	options.warm = warm;
	harness_start(to, &options);
	harness_load(to, rules);
}

static void start(void)
{
	begin(&h, false);
}

static void stop(void)
{
	harness_stop(&h);
}

static void live(double from_s, double to_s)
{
	for (double t = from_s; t <= to_s; t += 15) {
		harness_run(&h, t, t,
			    t < 400 ? "x{i=\"1\"} 6; x{i=\"2\"} 7; y 6"
				    : "x{i=\"1\"} 6; x{i=\"2\"} 7; y 1");
		engine_flush(h.engine);
	}
}

/* What can be asked of both must be answered alike. */
static void compare(struct harness *other, double time_s)
{
	char *ours = harness_alerts(&h), *theirs = harness_alerts(other);
	ck_assert_str_eq(theirs, ours);
	free(ours);
	free(theirs);
	static const char *const queries[] = {
		"count_over_time(x[1m])", "x", "y", "r", "ALERTS", "ALERTS_FOR_STATE",
		"last_over_time(r[1m])",
	};
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		char *expected = strdup(harness_query(&h, queries[i], time_s));
		harness_expect_query(other, queries[i], time_s, expected);
		free(expected);
	}
}

START_TEST(restart_brings_windows_and_alerts_back)
{
	live(15, 420);
	struct harness other;
	begin(&other, false);
	harness_replay(&h, h.nrecords, &other);
	harness_time(&other, 421);
	compare(&other, 421);
	harness_expect(&other,
		       "421 Pending{i=\"1\", v=\"1\"} pending value=6 active=315 reason=restored\n"
		       "421 Pending{i=\"2\", v=\"2\"} pending value=7 active=315 reason=restored\n"
		       "421 Firing{i=\"1\"} firing value=6 active=315 fired=345 reason=restored\n"
		       "421 Firing{i=\"2\"} firing value=7 active=315 fired=345 reason=restored\n"
		       "421 Kept firing value=6 active=315 fired=315 keep=405 reason=restored\n");
	ck_assert_int_eq(harness_rule(&other, 2).health, RULE_UNKNOWN);
	/* And they go on alike. */
	live(435, 435);
	harness_run(&other, 435, 435, "x{i=\"1\"} 6; x{i=\"2\"} 7; y 1");
	compare(&other, 435);
	harness_expect(&other, "");
	harness_stop(&other);
}
END_TEST

START_TEST(restart_cut_anywhere_gives_the_state_as_it_was_then)
{
	live(15, 420);
	for (size_t n = 0; n <= h.nrecords; n++) {
		struct harness other;
		begin(&other, true);
		harness_replay(&h, n, &other);
		size_t active = 0;
		for (size_t i = 0; i < n; i++) {
			if (h.records[i].type != RECORD_ALERT)
				continue;
			struct alert_event *event;
			ck_assert_int_eq(alert_event_decode((struct slice){ h.records[i].bytes,
									    h.records[i].len },
							    &event),
					 0);
			if (event->state == ALERT_INACTIVE)
				active--;
			else if (event->from == ALERT_INACTIVE ||
				 (event->from == ALERT_PENDING &&
				  event->active_at_ms == event->fired_at_ms))
				active++;
			alert_event_free(event);
		}
		harness_time(&other, 421);
		struct engine_stats stats;
		engine_stats_get(other.engine, &stats);
		ck_assert_uint_eq(stats.alerts_pending + stats.alerts_firing, active);
		ck_assert_uint_eq(stats.events, active);
		store_check(engine_store(other.engine));
		harness_stop(&other);
	}
}
END_TEST

START_TEST(restart_from_a_checkpoint_is_the_same)
{
	live(15, 400);
	size_t before = h.nrecords;
	engine_checkpoint(h.engine);
	/* Life goes on while it is written. */
	engine_step(h.engine, 100);
	live(405, 420);
	harness_settle(&h);
	ck_assert_int_eq(h.records[before].type, RECORD_TICK);
	size_t parts = 0;
	for (size_t i = before; i < h.nrecords; i++)
		parts += h.records[i].type == RECORD_CHECKPOINT_PART;
	ck_assert_uint_eq(parts, 1);
	struct harness other, tail = h;
	tail.records += before;
	begin(&other, false);
	harness_replay(&tail, h.nrecords - before, &other);
	harness_time(&other, 421);
	compare(&other, 421);
	ck_assert_int_eq(harness_rule(&other, 2).health,
			 RULE_UNKNOWN); /* warm: coverage is in it */
	harness_stop(&other);
}
END_TEST

START_TEST(restart_after_a_short_gap_is_warm)
{
	live(15, 420);
	struct harness other;
	begin(&other, false);
	harness_replay(&h, h.nrecords, &other);
	harness_run(&other, 700, 700, NULL);
	harness_run(&other, 705, 705, "x{i=\"1\"} 6; x{i=\"2\"} 7; y 1");
	ck_assert_int_eq(harness_rule(&other, 2).health, RULE_OK);
	ck_assert_ptr_nonnull(strstr(other.events.ptr,
				     "700 Pending{i=\"1\", v=\"1\"} pending value=6 active=315"));
	harness_stop(&other);
}
END_TEST

START_TEST(restart_after_a_long_gap_warms_up_and_moves_pending_timers)
{
	live(15, 420);
	struct harness other;
	begin(&other, false);
	harness_replay(&h, h.nrecords, &other);
	harness_time(&other, 1420);
	harness_expect(
		&other,
		"1420 Pending{i=\"1\", v=\"1\"} pending value=6 active=1315 reason=restored\n"
		"1420 Pending{i=\"2\", v=\"2\"} pending value=7 active=1315 reason=restored\n"
		"1420 Firing{i=\"1\"} firing value=6 active=315 fired=345 reason=restored\n"
		"1420 Firing{i=\"2\"} firing value=7 active=315 fired=345 reason=restored\n"
		"1420 Kept firing value=6 active=315 fired=315 keep=1405 reason=restored\n");
	harness_run(&other, 1425, 1425, "y 1");
	ck_assert_int_eq(harness_rule(&other, 2).health, RULE_WARMING);
	ck_assert_int_eq(harness_rule(&other, 2).warm_at_ms, 1720000);
	harness_stop(&other);
}
END_TEST

static void begin_with_starts(struct harness *to)
{
	struct engine_options options;
	harness_options(&options);
	options.warm = options.start_times = true;
	harness_start(to, &options);
	harness_load(to, "groups: [{name: g, rules: [{record: r, expr: 'increase(x[1m])'}]}]");
}

/* The counter is young in each sample: all of its value is increase. */
static void feed_young(double time_s)
{
	harness_time(&h, time_s);
	struct batch *batch = harness_batch("a", time_s, "x{i=\"1\"} 7; x{i=\"2\"} 9");
	for (uint32_t row = 0; row < 2; row++)
		ck_assert_int_eq(batch_start_add(batch, row, (int64_t)(time_s * 1000) - 2000), 0);
	engine_batch(h.engine, batch);
	harness_settle(&h);
	engine_flush(h.engine);
}

START_TEST(restart_knows_since_when_samples_count)
{
	harness_stop(&h);
	begin_with_starts(&h);
	for (double t = 15; t <= 60; t += 15)
		feed_young(t);
	size_t before = h.nrecords;
	engine_checkpoint(h.engine);
	harness_settle(&h);
	char *expected = strdup(harness_query(&h, "resets(x[1m])", 60));
	ck_assert_ptr_nonnull(strstr(expected, "3"));
	struct harness other, tail = h;
	begin_with_starts(&other);
	harness_replay(&h, before, &other);
	harness_time(&other, 61);
	harness_expect_query(&other, "resets(x[1m])", 60, expected);
	harness_stop(&other);
	tail.records += before;
	begin_with_starts(&other);
	harness_replay(&tail, h.nrecords - before, &other);
	harness_time(&other, 61);
	harness_expect_query(&other, "resets(x[1m])", 60, expected);
	harness_stop(&other);
	/* Nobody wants them any more. */
	begin(&other, true);
	harness_replay(&h, h.nrecords, &other);
	harness_time(&other, 61);
	uint32_t n;
	store_starts(engine_store(other.engine), &n);
	ck_assert_uint_eq(n, 0);
	harness_stop(&other);
	free(expected);
}
END_TEST

START_TEST(restart_holds_alerts_until_senders_are_back)
{
	live(15, 390);
	struct harness other;
	begin(&other, false);
	harness_replay(&h, h.nrecords, &other);
	/* Nobody sends: what fired is not over when the lookback is. */
	harness_run(&other, 405, 1500, NULL);
	ck_assert_uint_eq(harness_rule(&other, 2).firing, 2);
	ck_assert_uint_eq(harness_rule(&other, 2).held, 2);
	/* Somebody does, but only one of the series comes back. */
	harness_run(&other, 1515, 1620, "x{i=\"1\"} 6");
	ck_assert_uint_eq(harness_rule(&other, 2).firing, 1);
	ck_assert_uint_eq(harness_rule(&other, 2).held, 0);
	ck_assert_ptr_nonnull(strstr(other.events.ptr, "1605 Firing{i=\"2\"} firing>inactive"));
	harness_stop(&other);
}
END_TEST

START_TEST(restart_without_the_rule_resolves_its_alerts)
{
	live(15, 390);
	struct harness other;
	struct engine_options options;
	harness_options(&options);
	harness_start(&other, &options);
	harness_load(&other, "groups: [{name: g, rules: [{alert: Firing, expr: x > 5}]}]");
	harness_replay(&h, h.nrecords, &other);
	harness_time(&other, 391);
	harness_expect(&other,
		       "391 Firing{i=\"1\"} firing value=6 active=315 fired=345 reason=restored\n"
		       "391 Firing{i=\"2\"} firing value=7 active=315 fired=345 reason=restored\n"
		       "391 Pending{i=\"1\", v=\"1\"} pending>inactive value=6 active=315 "
		       "reason=rule removed\n"
		       "391 Pending{i=\"2\", v=\"2\"} pending>inactive value=7 active=315 "
		       "reason=rule removed\n"
		       "391 Kept firing>inactive value=6 active=315 fired=315 resolved=391 "
		       "reason=rule removed\n"
		       "391 Over firing>inactive value=6 active=315 fired=315 resolved=391 "
		       "reason=rule removed\n");
	/* The journal knows it, too: a third engine has nothing to tell of them. */
	struct harness third;
	harness_start(&third, &options);
	harness_load(&third, "groups: []");
	struct harness_record *all = calloc(h.nrecords + other.nrecords, sizeof(*all));
	memcpy(all, h.records, h.nrecords * sizeof(*all));
	memcpy(all + h.nrecords, other.records, other.nrecords * sizeof(*all));
	struct harness joined = { .records = all };
	harness_replay(&joined, h.nrecords + other.nrecords, &third);
	harness_time(&third, 400);
	harness_expect(&third, "400 Firing{i=\"1\"} firing>inactive value=6 active=315 fired=345 "
			       "resolved=400 reason=rule removed\n"
			       "400 Firing{i=\"2\"} firing>inactive value=7 active=315 fired=345 "
			       "resolved=400 reason=rule removed\n");
	free(all);
	harness_stop(&third);
	harness_stop(&other);
}
END_TEST

START_TEST(restart_reads_before_the_rules_are_in_force)
{
	live(15, 390);
	struct harness other;
	struct engine_options options;
	harness_options(&options);
	harness_start(&other, &options);
	harness_replay(&h, h.nrecords, &other);
	harness_load(&other, rules);
	harness_time(&other, 391);
	char *ours = harness_alerts(&h), *theirs = harness_alerts(&other);
	ck_assert_str_eq(theirs, ours);
	free(ours);
	free(theirs);
	harness_stop(&other);
}
END_TEST

START_TEST(restart_does_not_believe_in_what_was_given_up_before)
{
	live(15, 420);
	harness_load(&h,
		     "groups: [{name: g, rules: [{record: r, expr: 'count_over_time(y[1m])'}]}]");
	harness_run(&h, 435, 450, "y 1");
	engine_flush(h.engine);
	/* x was given up at 420: its window has a hole from there. */
	struct harness other;
	begin(&other, false);
	harness_replay(&h, h.nrecords, &other);
	harness_run(&other, 465, 465, "x{i=\"1\"} 1; y 1");
	ck_assert_int_eq(harness_rule(&other, 0).health, RULE_WARMING);
	ck_assert_int_eq(harness_rule(&other, 0).warm_at_ms, 525000);
	ck_assert_int_eq(harness_rule(&other, 3).health, RULE_OK); /* y: read throughout */
	harness_stop(&other);
}
END_TEST

START_TEST(records_that_make_no_sense_are_left_out)
{
	live(15, 90);
	struct harness other;
	begin(&other, false);
	for (size_t i = 0; i < h.nrecords; i++)
		for (size_t len = 0; len < h.records[i].len; len++)
			engine_restore(other.engine, h.records[i].type,
				       (struct slice){ h.records[i].bytes, len });
	for (int type = 0; type < 20; type++)
		engine_restore(other.engine, type, SLICE("nonsense"));
	engine_restore_done(other.engine);
	harness_run(&other, 105, 120, "x 1");
	harness_stop(&other);
}
END_TEST

START_TEST(event_is_the_same_after_encoding)
{
	live(15, 390);
	struct alert_event *event;
	size_t n = 0;
	for (size_t i = 0; i < h.nrecords; i++) {
		struct slice bytes = { h.records[i].bytes, h.records[i].len };
		if (h.records[i].type != RECORD_ALERT)
			continue;
		n++;
		ck_assert_int_eq(alert_event_decode(bytes, &event), 0);
		ck_assert_ptr_null(event->rules);
		ck_assert_ptr_null(alert_event_rule(event));
		struct buf again = { 0 };
		alert_event_encode(event, &again);
		ck_assert(slice_is_equal(buf_slice(&again), bytes));
		buf_fini(&again);
		alert_event_free(event);
		ck_assert_int_eq(
			alert_event_decode((struct slice){ bytes.ptr, bytes.len - 1 }, &event),
			ERR_CORRUPT);
	}
	ck_assert_uint_eq(n, 8);
}
END_TEST

static Suite *restore_suite(void)
{
	Suite *suite = suite_create("restore");
	TCase *tc = tcase_create("restore");
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, restart_brings_windows_and_alerts_back);
	tcase_add_test(tc, restart_cut_anywhere_gives_the_state_as_it_was_then);
	tcase_add_test(tc, restart_from_a_checkpoint_is_the_same);
	tcase_add_test(tc, restart_after_a_short_gap_is_warm);
	tcase_add_test(tc, restart_after_a_long_gap_warms_up_and_moves_pending_timers);
	tcase_add_test(tc, restart_knows_since_when_samples_count);
	tcase_add_test(tc, restart_holds_alerts_until_senders_are_back);
	tcase_add_test(tc, restart_without_the_rule_resolves_its_alerts);
	tcase_add_test(tc, restart_reads_before_the_rules_are_in_force);
	tcase_add_test(tc, restart_does_not_believe_in_what_was_given_up_before);
	tcase_add_test(tc, records_that_make_no_sense_are_left_out);
	tcase_add_test(tc, event_is_the_same_after_encoding);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(restore_suite)
