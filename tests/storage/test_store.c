/* Samples of a store: which are kept, how long, and within which limits. */
#include "tests/storage/store_fixture.h"

static struct store *store;

static void setup(void)
{
	struct store_options options = fixture_options();
	store = fixture_store(&options);
}

static void teardown(void)
{
	fixture_store_free(store);
}

static struct store_stats stats(void)
{
	return stats_of(store);
}

/* ---- judging samples ---- */

static struct selector *up;
static struct series *member;
static int64_t due_ms;

/* One series, read over a minute by a group due at T0 + 60 s: H = T0. */
static void judged(void)
{
	up = selector_of(store, "{__name__=\"up\"}");
	due_ms = T0 + 60000;
	ck_assert_int_eq(selector_reader_add(up, &due_ms, 60000), 0);
	ck_assert_int_eq(birth(store, key_of("k"), "{__name__=\"up\"}", &member), 0);
	ck_assert_int_eq(series_horizon_ms(store, member), T0);
	ck_assert_int_eq(selector_horizon_ms(up), T0);
}

static void judged_end(void)
{
	selector_reader_remove(up, &due_ms, 60000);
	store_selector_unref(store, up);
}

static enum append_result add(int64_t ts_ms, double value)
{
	struct series *out;
	enum append_result result =
		store_append(store, key_of("k"), 9, ts_ms, bits_of(value), &out);
	store_check(store);
	return result;
}

START_TEST(store_judges_late_samples)
{
	judged();
	/* In order, though before H: the newest at or before H is kept. */
	ck_assert_int_eq(add(T0 - 2000, 1), APPEND_STORED);
	ck_assert_int_eq(add(T0 - 1000, 1), APPEND_STORED);
	/* A newer one at or before H is there. */
	ck_assert_int_eq(add(T0 - 1500, 1), APPEND_LATE);
	ck_assert_int_eq(add(T0 - 2000, 1), APPEND_LATE);
	/* The newest at or before H may still come late, as may what is newer than H. */
	ck_assert_int_eq(add(T0 + 9000, 1), APPEND_STORED);
	ck_assert_int_eq(add(T0 - 500, 1), APPEND_STORED);
	ck_assert_int_eq(add(T0 + 5000, 1), APPEND_STORED);
	ck_assert_int_eq(add(T0 + 4000, 1), APPEND_STORED);
	ck_assert_uint_eq(stats().late, 2);
	ck_assert_uint_eq(stats().stored, 6);
	ck_assert_uint_eq(member->sender, 9);
	judged_end();
}
END_TEST

START_TEST(store_judges_samples_beyond_lookback_late)
{
	judged();
	ck_assert_int_eq(add(T0 - LOOKBACK_MS, 1), APPEND_LATE);
	ck_assert_uint_eq(member->window.n, 0);
	ck_assert_int_eq(add(T0 - LOOKBACK_MS + 1, 1), APPEND_STORED);
	/* H may lie in the future, between two evaluations; what comes now is not late for that. */
	due_ms = T0 + 86400000;
	store_time_set(store, T0 + 1);
	ck_assert_int_eq(add(T0 + 1, 1), APPEND_STORED);
	judged_end();
}
END_TEST

START_TEST(store_judges_future_samples)
{
	judged();
	ck_assert_int_eq(add(T0 + FUTURE_MAX_MS + 1, 1), APPEND_FUTURE);
	ck_assert_int_eq(add(T0 + FUTURE_MAX_MS, 1), APPEND_STORED);
	ck_assert_int_eq(add(INT64_MAX, 1), APPEND_FUTURE);
	ck_assert_int_eq(add(INT64_MIN, 1), APPEND_LATE);
	/* The told time never goes back. */
	store_time_set(store, T0 - 50000);
	ck_assert_int_eq(store_time(store), T0);
	ck_assert_int_eq(store_append_series(store, member, 1, T0 + FUTURE_MAX_MS + 1, 0),
			 APPEND_FUTURE);
	ck_assert_int_eq(store_append_local(store, member, T0 + FUTURE_MAX_MS + 1, 0),
			 APPEND_FUTURE);
	ck_assert_uint_eq(stats().future, 4);
	/* A future sample makes no earlier one leave. */
	ck_assert_int_eq(add(T0 + 1, 1), APPEND_STORED);
	ck_assert_uint_eq(member->window.n, 2);
	judged_end();
}
END_TEST

START_TEST(store_judges_duplicates)
{
	judged();
	ck_assert_int_eq(add(T0 + 1, 1), APPEND_STORED);
	ck_assert_int_eq(add(T0 + 1, 1), APPEND_IDENTICAL);
	ck_assert_int_eq(add(T0 + 1, 2), APPEND_CONFLICT);
	struct series *out;
	const uint64_t stale = 0x7ff0000000000002, nan = 0x7ff8000000000001;
	ck_assert_int_eq(store_append(store, key_of("k"), 1, T0 + 2, stale, &out), APPEND_STORED);
	ck_assert_int_eq(store_append(store, key_of("k"), 1, T0 + 2, stale, &out),
			 APPEND_IDENTICAL);
	ck_assert_int_eq(store_append(store, key_of("k"), 1, T0 + 2, nan, &out), APPEND_CONFLICT);
	ck_assert_int_eq(store_append_local(store, member, T0 + 1, bits_of(3)), APPEND_CONFLICT);
	double value;
	int64_t ts_ms;
	ck_assert(window_last(&member->window, T0 + 1, &ts_ms, &value));
	ck_assert_double_eq(value, 1);
	ck_assert_uint_eq(stats().identical, 2);
	ck_assert_uint_eq(stats().conflict, 3);
	judged_end();
}
END_TEST

/* ---- horizons ---- */

START_TEST(store_keeps_windows_as_far_as_readers_reach)
{
	judged();
	int64_t far_due_ms = T0 + 30000;
	for (int64_t t = 0; t < 3600; t += 5) {
		store_time_set(store, T0 + t * 1000);
		while (due_ms <= T0 + t * 1000)
			due_ms += 60000;
		ck_assert_int_eq(add(T0 + t * 1000, (double)t), APPEND_STORED);
		/* All that is newer than H is there. */
		struct window_view view;
		int64_t from_ms = due_ms - 60000 > T0 ? due_ms - 60000 : T0 - 1;
		window_range(&member->window, from_ms, INT64_MAX, &view);
		ck_assert_uint_eq(view.n, (T0 + t * 1000 - from_ms + 4999) / 5000);
	}
	ck_assert_uint_lt(member->window.cap, 40);
	/* A reader that reaches further holds more. */
	far_due_ms = due_ms;
	ck_assert_int_eq(selector_reader_add(up, &far_due_ms, 1800000), 0);
	ck_assert_int_eq(series_horizon_ms(store, member), far_due_ms - 1800000);
	for (int64_t t = 3600; t < 5400; t += 5) {
		store_time_set(store, T0 + t * 1000);
		due_ms = far_due_ms = T0 + t * 1000;
		add(T0 + t * 1000, 1);
	}
	ck_assert_uint_ge(member->window.n, 360);
	selector_reader_remove(up, &far_due_ms, 1800000);
	sweep_all(store);
	ck_assert_uint_le(member->window.n, 14);
	ck_assert_uint_lt(member->window.cap, 40);
	judged_end();
}
END_TEST

START_TEST(store_horizon_without_readers_is_lookback)
{
	struct selector *alone = selector_of(store, "{__name__=\"a\"}");
	feed(store, "{__name__=\"a\"}", T0, 1);
	struct series *series = series_of(store, "{__name__=\"a\"}");
	ck_assert_int_eq(series_horizon_ms(store, series), T0 - LOOKBACK_MS);
	ck_assert_int_eq(selector_horizon_ms(alone), T0 - LOOKBACK_MS);
	/* The least of all selectors that hold it. */
	struct selector *both = selector_of(store, "{__name__=~\"a|b\"}");
	int64_t soon_ms = T0 + 1000, later_ms = T0 + 2000;
	ck_assert_int_eq(selector_reader_add(alone, &soon_ms, 10), 0);
	ck_assert_int_eq(selector_reader_add(both, &later_ms, 5000), 0);
	ck_assert_int_eq(series_horizon_ms(store, series), T0 - 3000);
	soon_ms = INT64_MIN + 5; /* never: all is kept */
	ck_assert_int_eq(series_horizon_ms(store, series), INT64_MIN);
	selector_reader_remove(alone, &soon_ms, 10);
	selector_reader_remove(both, &later_ms, 5000);
	store_selector_unref(store, alone);
	store_selector_unref(store, both);
}
END_TEST

/* ---- ends ---- */

START_TEST(store_forgets_what_no_reader_can_see)
{
	judged();
	add(T0, 1);
	selector_log_clear(up);
	store_changed_clear(store);
	/* Its newest sample is visible until the lookback has passed, by H and by the told time. */
	store_time_set(store, T0 + LOOKBACK_MS);
	due_ms = T0 + LOOKBACK_MS + 60000 - 1;
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 1);
	due_ms = T0 + LOOKBACK_MS + 60000;
	store_time_set(store, T0 + LOOKBACK_MS + 1);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 0);
	ck_assert_uint_eq(stats().forgotten, 1);
	ck_assert_uint_eq(up->nlog, 1);
	ck_assert(!up->log[0].added);
	ck_assert_ptr_null(up->members[up->log[0].row]);
	/* Its key is not known any more. */
	struct series *out;
	ck_assert_int_eq(store_append(store, key_of("k"), 1, due_ms, 0, &out), APPEND_UNKNOWN);
	judged_end();
}
END_TEST

START_TEST(store_reuses_rows_only_after_log_is_cleared)
{
	judged();
	store_time_set(store, T0 + 10 * LOOKBACK_MS);
	due_ms = T0 + 10 * LOOKBACK_MS;
	sweep_all(store); /* it has no sample */
	ck_assert_uint_eq(up->nlive, 0);
	feed(store, "{__name__=\"up\",n=\"1\"}", due_ms, 1);
	ck_assert_uint_eq(up->nmembers, 2);
	ck_assert_ptr_null(up->members[0]);
	selector_log_clear(up);
	store_changed_clear(store);
	feed(store, "{__name__=\"up\",n=\"2\"}", due_ms, 1);
	ck_assert_uint_eq(up->nmembers, 2);
	ck_assert_ptr_nonnull(up->members[0]);
	ck_assert_uint_eq(up->log[0].row, 0);
	judged_end();
}
END_TEST

START_TEST(store_forgets_what_ended_when_its_end_is_out_of_reach)
{
	double stale;
	uint64_t bits = UINT64_C(0x7ff0000000000002);
	judged();
	add(T0, 1);
	memcpy(&stale, &bits, sizeof(stale));
	add(T0 + 1000, stale);
	/* The marker is at H: nobody sees what was before it, nor anything of what it ends. */
	store_time_set(store, T0 + 1001);
	due_ms = T0 + 1000 + 60000 - 1;
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 1);
	due_ms++;
	store_time_set(store, T0 + 1002);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 0);
}
END_TEST

START_TEST(store_forgets_what_no_selector_wants_any_more)
{
	const char *text = "{__name__=\"up\"}";
	struct selector *wide = selector_of(store, text);
	struct selector *again = selector_of(store, text);
	ck_assert_ptr_eq(wide, again);
	feed(store, text, T0, 1);
	store_selector_unref(store, again);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 1);
	store_selector_unref(store, wide);
	store_check(store);
	ck_assert_uint_eq(stats().selectors, 0);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 0);
	ck_assert_int_eq(feed(store, text, T0 + 1, 1), APPEND_IGNORED);
	ck_assert_uint_eq(stats().symbols, 1);
}
END_TEST

START_TEST(store_keeps_pinned_series)
{
	const char *text = "{__name__=\"up\"}";
	struct selector *selector = selector_of(store, text);
	feed(store, text, T0, 1);
	struct series *series = series_of(store, text);
	series_pin(series);
	series_pin(series);
	store_selector_unref(store, selector);
	store_time_set(store, T0 + 100 * LOOKBACK_MS);
	sweep_all(store);
	series_unpin(store, series);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 1);
	ck_assert_uint_eq(series->window.n, 1);
	series_unpin(store, series);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 0);
}
END_TEST

START_TEST(store_sweeps_in_parts)
{
	struct selector *selector = selector_of(store, "{__name__=\"m\"}");
	for (int i = 0; i < 100; i++) {
		char text[64];
		snprintf(text, sizeof(text), "{__name__=\"m\",n=\"%d\"}", i);
		feed(store, text, T0, 1);
	}
	store_time_set(store, T0 + 10 * LOOKBACK_MS);
	for (int i = 0; i < 10; i++) {
		ck_assert_uint_eq(stats().series, 100 - 10 * (unsigned)i);
		store_sweep(store, 10);
		store_check(store);
	}
	ck_assert_uint_eq(stats().series, 0);
	/* Rows and slabs are used again. */
	feed(store, "{__name__=\"m\",n=\"1\"}", T0 + 10 * LOOKBACK_MS, 1);
	ck_assert_uint_lt(series_of(store, "{__name__=\"m\",n=\"1\"}")->row, 100);
	store_selector_unref(store, selector);
}
END_TEST

/* ---- what comes late ---- */

START_TEST(late_log_tells_too_early_a_time_rather_than_too_late_a_one)
{
	enum { LATE = 3 * LATE_MARKS_MAX };
	struct selector *selector = selector_of(store, "{__name__=\"m\"}");
	store_settle(store, T0 + LATE);
	for (int i = 1; i <= LATE; i++) {
		ck_assert_int_eq(feed(store, "{__name__=\"m\"}", T0 + i, i), APPEND_STORED);
		ck_assert_uint_eq(selector->late.count, (unsigned)i);
		ck_assert_uint_le(selector->late.n, LATE_MARKS_MAX);
		for (int seen = 0; seen < i; seen++)
			ck_assert_int_le(late_log_since(&selector->late, (unsigned)seen),
					 T0 + seen + 1);
		ck_assert_int_eq(late_log_since(&selector->late, (unsigned)i), INT64_MAX);
	}
	ck_assert_uint_eq(selector->late.n, LATE_MARKS_MAX);
	ck_assert_int_eq(feed(store, "{__name__=\"m\"}", T0 + LATE + 1, 1), APPEND_STORED);
	ck_assert_uint_eq(selector->late.count, LATE);
	store_selector_unref(store, selector);
}
END_TEST

/* ---- limits ---- */

START_TEST(store_limits_series)
{
	struct store_options options = fixture_options();
	options.series_max = 3;
	store_free(store);
	store = store_new(&options);
	store_time_set(store, T0);
	struct selector *selector = selector_of(store, "{__name__=~\"m.\"}");
	ck_assert_int_eq(feed(store, "{__name__=\"m1\"}", T0, 1), APPEND_STORED);
	ck_assert_int_eq(feed(store, "{__name__=\"m2\"}", T0, 1), APPEND_STORED);
	ck_assert_int_eq(feed(store, "{__name__=\"m3\"}", T0, 1), APPEND_STORED);
	ck_assert_int_eq(feed(store, "{__name__=\"m4\"}", T0, 1), APPEND_LIMITED);
	ck_assert_int_eq(feed(store, "{__name__=\"m1\"}", T0 + 1, 1), APPEND_STORED);
	uint32_t lset = lset_of(store, "{__name__=\"rec\"}");
	struct series *series;
	ck_assert_int_eq(store_local(store, lset, &series), ERR_LIMIT);
	lset_unref(store_lsets(store), lset);
	ck_assert_uint_eq(stats().limited, 1);
	/* When one has gone, there is room; the key was not remembered as ignored. */
	store_time_set(store, T0 + 2 * LOOKBACK_MS);
	sweep_all(store);
	ck_assert_int_eq(feed(store, "{__name__=\"m4\"}", T0 + 2 * LOOKBACK_MS, 1), APPEND_STORED);
	store_selector_unref(store, selector);
}
END_TEST

START_TEST(store_limits_memory)
{
	struct store_options options = fixture_options();
	options.memory_max = 1500000;
	store_free(store);
	store = store_new(&options);
	store_time_set(store, T0);
	struct selector *selector = selector_of(store, "{__name__=\"m\"}");
	int stored = 0;
	for (int i = 0; i < 20000; i++) {
		struct series *series;
		char text[64];
		snprintf(text, sizeof(text), "{__name__=\"m\",n=\"%d\"}", i);
		struct labels *labels = labels_of(text);
		stored += store_birth(store, key_of(text), labels, &series) == 0;
		labels_unref(labels);
	}
	store_check(store);
	ck_assert_int_gt(stored, 1000);
	ck_assert_int_lt(stored, 15000);
	ck_assert_uint_eq(stats().limited, 20000 - (unsigned)stored);
	ck_assert_uint_lt(stats().bytes, 2200000);
	store_selector_unref(store, selector);
}
END_TEST

/* ---- all at random ---- */

START_TEST(store_survives_churn)
{
	static const char *const selectors[] = {
		"{__name__=\"m1\"}",
		"{__name__=\"m2\",a=\"1\"}",
		"{__name__=\"m2\",a=~\"[12]\"}",
		"{b!=\"\",__name__=~\"m.*\"}",
		"{a=\"3\"}",
		"{__name__=\"m3\",a!~\"1|2\",b=\"1\"}",
	};
	enum { SELECTORS = sizeof(selectors) / sizeof(*selectors) };
	struct selector *held[SELECTORS] = { NULL };
	int64_t due[SELECTORS], now_ms = T0;
	uint64_t random = (uint64_t)_i + 1;
	for (int step = 0; step < 4000; step++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		uint32_t r = (uint32_t)(random >> 33), s = r / 16 % SELECTORS;
		char text[64];
		switch (r % 16) {
		case 0:
			if (held[s]) {
				selector_reader_remove(held[s], &due[s], 1000 * s);
				store_selector_unref(store, held[s]);
				held[s] = NULL;
			} else {
				held[s] = selector_of(store, selectors[s]);
				due[s] = now_ms + 60000;
				ck_assert_int_eq(selector_reader_add(held[s], &due[s], 1000 * s),
						 0);
			}
			break;
		case 1:
			store_sweep(store, r % 40);
			break;
		case 2:
			now_ms += r % 100000;
			store_time_set(store, now_ms);
			for (s = 0; s < SELECTORS; s++)
				due[s] = now_ms + 60000;
			break;
		case 3:
			for (s = 0; s < SELECTORS; s++)
				if (held[s])
					selector_log_clear(held[s]);
			store_changed_clear(store);
			break;
		default:
			snprintf(text, sizeof(text), "{__name__=\"m%u\",a=\"%u\",b=\"%u\"}",
				 r / 16 % 4, r / 64 % 5, r / 320 % 3);
			feed(store, text, now_ms - r % 1000, r % 7);
		}
		if (step % 16 == 0)
			store_check(store);
	}
	ck_assert_uint_gt(stats().forgotten, 10);
	for (uint32_t s = 0; s < SELECTORS; s++)
		if (held[s])
			store_selector_unref(store, held[s]);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 0);
}
END_TEST

static Suite *store_suite(void)
{
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("store");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, store_judges_late_samples);
	tcase_add_test(tcase, store_judges_samples_beyond_lookback_late);
	tcase_add_test(tcase, store_judges_future_samples);
	tcase_add_test(tcase, store_judges_duplicates);
	tcase_add_test(tcase, store_keeps_windows_as_far_as_readers_reach);
	tcase_add_test(tcase, store_horizon_without_readers_is_lookback);
	tcase_add_test(tcase, store_forgets_what_no_reader_can_see);
	tcase_add_test(tcase, store_reuses_rows_only_after_log_is_cleared);
	tcase_add_test(tcase, store_forgets_what_ended_when_its_end_is_out_of_reach);
	tcase_add_test(tcase, store_forgets_what_no_selector_wants_any_more);
	tcase_add_test(tcase, store_keeps_pinned_series);
	tcase_add_test(tcase, store_sweeps_in_parts);
	tcase_add_test(tcase, store_limits_series);
	tcase_add_test(tcase, late_log_tells_too_early_a_time_rather_than_too_late_a_one);
	tcase_add_test(tcase, store_limits_memory);
	tcase_add_loop_test(tcase, store_survives_churn, 0, 5);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(store_suite)
