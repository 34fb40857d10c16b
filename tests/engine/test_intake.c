/* What becomes of a batch's rows. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include "base/text.h"

static struct harness h;

static void start(void)
{
	harness_start_warm(&h);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: x}]}]");
	harness_time(&h, 1000);
}

static void stop(void)
{
	harness_stop(&h);
}

START_TEST(rows_are_counted_by_what_became_of_them)
{
	harness_feed(&h, 1000, "x 1; nobody 1; nobody{a=\"b\"} 2");
	ck_assert_uint_eq(h.outcome.stored, 1);
	ck_assert_uint_eq(h.outcome.ignored, 2);
	ck_assert_uint_eq(batch_written(&h.outcome), 3);
	harness_feed(&h, 1000, "x 1; x 2; x 5 @ 1601; x 7 @ 1599; nobody 1");
	ck_assert_uint_eq(h.outcome.identical, 1);
	ck_assert_uint_eq(h.outcome.conflict, 1);
	ck_assert_uint_eq(h.outcome.future, 1);
	ck_assert_uint_eq(h.outcome.stored, 1);
	ck_assert_uint_eq(h.outcome.ignored, 1);
	ck_assert_uint_eq(batch_written(&h.outcome), 3);
	ck_assert(batch_is_rejected(&h.outcome));
	ck_assert_str_eq(
		h.outcome.error,
		"duplicate sample for timestamp, with another value: x at "
		"1970-01-01T00:16:40.000Z; "
		"sample more than 10 minutes in the future: x at 1970-01-01T00:26:41.000Z");
}
END_TEST

START_TEST(what_never_becomes_a_series_is_counted_too)
{
	struct store_stats stats;

	harness_feed(&h, 1000, "x{a=\"new\"} 1 @ 1601; x{a=\"old\"} 1; x{a=\"old\"} 2 @ 1601");
	ck_assert_uint_eq(h.outcome.future, 2);
	store_stats_get(engine_store(h.engine), &stats);
	ck_assert_uint_eq(stats.future, 2);
	ck_assert_uint_eq(stats.stored, 1);
}
END_TEST

static size_t starts_after_feeding(bool start_times)
{
	struct harness own;
	struct engine_options options;
	uint32_t nrows;
	size_t n = 0;
	harness_options(&options);
	options.warm = true;
	options.start_times = start_times;
	harness_start(&own, &options);
	harness_load(&own, "groups: [{name: g, rules: [{record: r, expr: x}]}]");
	harness_time(&own, 1000);
	struct batch *batch = harness_batch("a", 1000, "x{i=\"0\"} 1; nobody 1; x{i=\"2\"} 1");
	for (uint32_t row = 0; row < 3; row++)
		ck_assert_int_eq(batch_start_add(batch, row, 990000 + row), 0);
	engine_batch(own.engine, batch);
	struct window *const *starts = store_starts(engine_store(own.engine), &nrows);
	for (uint32_t row = 0; row < nrows; row++) {
		struct window_view view;
		if (!starts[row])
			continue;
		window_range(starts[row], 0, 1000000, &view);
		ck_assert_uint_eq(view.n, 1);
		ck_assert_double_eq(view.values[0], n == 0 ? 990000 : 990002);
		n++;
	}
	harness_stop(&own);
	return n;
}

START_TEST(start_times_are_kept_when_wanted)
{
	ck_assert_uint_eq(starts_after_feeding(true), 2);
	ck_assert_uint_eq(starts_after_feeding(false), 0);
}
END_TEST

START_TEST(sample_older_than_anybody_asks_for_is_late)
{
	harness_feed(&h, 1000, "x 1");
	harness_feed(&h, 1000, "x 1 @ 100");
	ck_assert_uint_eq(h.outcome.late, 1);
	ck_assert_uint_eq(batch_written(&h.outcome), 1);
	ck_assert(!batch_is_rejected(&h.outcome));
}
END_TEST

START_TEST(complaints_are_only_a_few)
{
	struct buf text = { 0 };
	for (int i = 0; i < 100; i++)
		buf_printf(&text, "x{i=\"%d\"} 1 @ 5000; ", i);
	harness_feed(&h, 1000, text.ptr);
	ck_assert_uint_eq(h.outcome.future, 100);
	ck_assert_ptr_nonnull(strstr(h.outcome.error, "x{i=\"2\"}"));
	ck_assert_ptr_null(strstr(h.outcome.error, "x{i=\"3\"}"));
	buf_fini(&text);
}
END_TEST

START_TEST(two_series_with_one_key_stay_two)
{
	/* As if the hash of the second series' labels were that of the first. */
	struct batch *first = harness_batch("a", 1000, "x{s=\"1\"} 1"),
		     *second = harness_batch("a", 1001, "x{s=\"2\"} 2");
	struct hash128 key = first->rows[0].key;
	second->rows[0].key = key;
	engine_batch(h.engine, first);
	engine_batch(h.engine, second);
	struct matcher x;
	struct series **series;
	size_t n;
	char *why;
	ck_assert_int_eq(matcher_init(&x, MATCH_EQ, SLICE("__name__"), SLICE("x"), &why), 0);
	ck_assert_int_eq(store_select(engine_store(h.engine), &x, 1, &series, &n), 0);
	ck_assert_uint_eq(n, 2);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(series[i]->window.n, 1);
	free(series);
	matcher_fini(&x);
}
END_TEST

static struct labels *from_body;

static int parse_body(const struct batch *batch, uint32_t row, struct labels **out)
{
	ck_assert_uint_eq(row, 0);
	*out = labels_ref(from_body);
	return 0;
}

START_TEST(key_without_labels_is_asked_for)
{
	struct batch *batch = harness_batch("a", 1000, "x 1");
	/* As if the ingest thread had seen the series before: no birth, but labels in the body. */
	from_body = labels_ref(batch->births[0].labels);
	batch->births[0].row = UINT32_MAX;
	batch->labels_parse = parse_body;
	engine_batch(h.engine, batch);
	ck_assert_uint_eq(h.outcome.stored, 1);
	labels_unref(from_body);
}
END_TEST

START_TEST(batch_waits_while_a_pass_runs_that_it_would_change)
{
	harness_feed(&h, 1000, "x{i=\"1\"} 1");
	engine_time(h.engine, 1005000);
	ck_assert(engine_step(h.engine, 1));
	uint32_t before = h.batches;
	harness_feed(&h, 1006, "x{i=\"1\"} 2"); /* newer than the pass: at once */
	ck_assert_uint_eq(h.batches, before + 1);
	harness_feed(&h, 1004, "x{i=\"2\"} 3; x{i=\"3\"} 4");
	ck_assert_uint_eq(h.batches, before + 1);
	harness_feed(&h, 1007, "x{i=\"1\"} 5"); /* overtakes */
	ck_assert_uint_eq(h.batches, before + 2);
	harness_settle(&h);
	ck_assert_uint_eq(h.batches, before + 3);
	ck_assert_uint_eq(h.outcome.stored, 2);
	harness_expect_query(&h, "r", 1005, "r{i=\"1\"} 1\n");
	harness_expect_query(&h, "x", 1005, "x{i=\"1\"} 1\nx{i=\"2\"} 3\nx{i=\"3\"} 4\n");
	struct engine_stats stats;
	engine_stats_get(h.engine, &stats);
	ck_assert_uint_eq(stats.parked_batches, 1);
	ck_assert_uint_eq(stats.samples, 5);
}
END_TEST

START_TEST(engine_says_when_enough_batches_wait)
{
	harness_feed(&h, 1000, "x 1");
	engine_time(h.engine, 1005000);
	ck_assert(engine_step(h.engine, 1));
	uint32_t n = 0;
	for (; !engine_is_full(h.engine); n++)
		harness_feed(&h, 1004, "x 2");
	ck_assert_uint_eq(n, 1024);
	uint32_t before = h.batches;
	harness_settle(&h);
	ck_assert_uint_eq(h.batches, before + n);
	ck_assert(!engine_is_full(h.engine));
	ck_assert_uint_eq(h.outcome.identical, 1);
}
END_TEST

START_TEST(large_batch_is_applied_in_quanta_before_what_is_due)
{
	struct buf text = { 0 };
	for (int i = 0; i < 2000; i++)
		buf_printf(&text, "x{i=\"%d\"} 1; ", i);
	uint32_t before = h.batches;
	harness_feed(&h, 1004, text.ptr);
	ck_assert_uint_eq(h.batches, before); /* births cost: what is left waits */
	harness_feed(&h, 1004, "x{i=\"0\"} 1");
	ck_assert_uint_eq(h.batches, before); /* in order */
	h.units = 10000;
	harness_time(&h, 1005);
	ck_assert_uint_eq(h.batches, before + 2);
	ck_assert_uint_eq(harness_rule(&h, 0).results, 2000);
	buf_fini(&text);
}
END_TEST

/* A delta for x{d="1"} at a time. */
static void delta(double time_s, double value)
{
	const struct hash_key key = { { 0 } };
	const struct label pairs[] = { { SLICE("__name__"), SLICE("x") }, { SLICE("d"), SLICE("1") } };
	struct batch *batch = batch_new();
	struct labels *labels;

	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	ck_assert_int_eq(batch_delta_add(batch, &key, labels, (int64_t)(time_s * 1000), value), 0);
	labels_unref(labels);
	engine_batch(h.engine, batch);
}

START_TEST(deltas_become_a_running_total)
{
	delta(1000, 0); /* where it begins */
	delta(1001, 5);
	delta(1002, 2);
	ck_assert_uint_eq(h.outcome.stored, 1);
	harness_time(&h, 1003);
	harness_expect_query(&h, "x", 1000, "x{d=\"1\"} 0\n");
	harness_expect_query(&h, "x", 1002, "x{d=\"1\"} 7\n");
	/* The same once more, as senders retry; an older one, which would change all after it. */
	delta(1002, 2);
	ck_assert_uint_eq(h.outcome.identical, 1);
	delta(1001.5, 100);
	ck_assert_uint_eq(h.outcome.late, 1);
	harness_expect_query(&h, "x", 1002, "x{d=\"1\"} 7\n");
	/* After the end of a process it begins anew. */
	harness_feed(&h, 1003, "x{d=\"1\"} stale");
	delta(1004, 3);
	harness_time(&h, 1004);
	harness_expect_query(&h, "x", 1004, "x{d=\"1\"} 3\n");
}
END_TEST

static Suite *intake_suite(void)
{
	Suite *suite = suite_create("intake");
	TCase *tc = tcase_create("intake");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, rows_are_counted_by_what_became_of_them);
	tcase_add_test(tc, what_never_becomes_a_series_is_counted_too);
	tcase_add_test(tc, start_times_are_kept_when_wanted);
	tcase_add_test(tc, sample_older_than_anybody_asks_for_is_late);
	tcase_add_test(tc, complaints_are_only_a_few);
	tcase_add_test(tc, two_series_with_one_key_stay_two);
	tcase_add_test(tc, key_without_labels_is_asked_for);
	tcase_add_test(tc, batch_waits_while_a_pass_runs_that_it_would_change);
	tcase_add_test(tc, deltas_become_a_running_total);
	tcase_add_test(tc, engine_says_when_enough_batches_wait);
	tcase_add_test(tc, large_batch_is_applied_in_quanta_before_what_is_due);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(intake_suite)
