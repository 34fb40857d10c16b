#include "tests/storage/store_fixture.h"

static struct store *store;

static void setup(void)
{
	struct store_options options = fixture_options();
	store = store_new(&options);
	ck_assert_ptr_nonnull(store);
	store_time_set(store, T0);
}

static void teardown(void)
{
	store_check(store);
	store_free(store);
}

static struct store_stats stats(void)
{
	return stats_of(store);
}

/* ---- demand ---- */

START_TEST(store_drops_what_nobody_demands)
{
	ck_assert_int_eq(feed(store, "{__name__=\"up\",job=\"x\"}", T0, 1), APPEND_IGNORED);
	/* The second time it is known by its key. */
	struct series *series = NULL;
	struct hash128 key = key_of("{__name__=\"up\",job=\"x\"}");
	ck_assert_int_eq(store_append(store, key, 1, T0, 0, &series), APPEND_IGNORED);
	ck_assert_ptr_null(series);
	ck_assert_uint_eq(stats().series, 0);
	ck_assert_uint_eq(stats().ignored, 1);
	ck_assert_uint_eq(stats().dropped_ignored, 2);
	/* It left nothing behind but its key: the one symbol is __name__. */
	ck_assert_uint_eq(stats().symbols, 1);
}
END_TEST

static const struct window *starts_of(const struct series *series)
{
	uint32_t n;
	struct window *const *starts = store_starts(store, &n);
	return series->row < n ? starts[series->row] : NULL;
}

START_TEST(start_times_stay_as_long_as_their_samples)
{
	int64_t due_ms = T0;
	struct selector *up = selector_of(store, "{__name__=\"up\"}");
	ck_assert_int_eq(selector_reader_add(up, &due_ms, 60000), 0);
	feed(store, "{__name__=\"up\",job=\"x\"}", T0, 1);
	feed(store, "{__name__=\"up\",job=\"y\"}", T0, 1);
	struct series *x = series_of(store, "{__name__=\"up\",job=\"x\"}");
	struct series *y = series_of(store, "{__name__=\"up\",job=\"y\"}");
	for (int i = 0; i < 100; i++) {
		due_ms = T0 + i * 10000;
		store_time_set(store, due_ms);
		store_append_series(store, x, 1, due_ms, bits_of(i));
		store_append_series(store, y, 1, due_ms, bits_of(i));
		ck_assert_int_eq(store_start_add(store, x, due_ms, due_ms - 1), 0);
	}
	ck_assert_ptr_null(starts_of(y));
	/* What no double can hold is none. */
	ck_assert_int_eq(store_start_add(store, y, due_ms, INT64_MIN), 0);
	ck_assert_ptr_null(starts_of(y));
	uint64_t bits;
	ck_assert(window_get(starts_of(x), due_ms, &bits));
	ck_assert_uint_eq(bits, bits_of((double)(due_ms - 1)));
	sweep_all(store);
	/* As far back as the reader looks, and some room. */
	ck_assert_uint_le(starts_of(x)->n, 16);
	uint32_t row = x->row, n;
	due_ms += 3600000;
	store_time_set(store, due_ms);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 0);
	ck_assert_ptr_null(store_starts(store, &n)[row]);
	selector_reader_remove(up, &due_ms, 60000);
	store_selector_unref(store, up);
}
END_TEST

START_TEST(store_keeps_what_a_selector_wants)
{
	struct selector *up = selector_of(store, "{__name__=\"up\"}");
	ck_assert_int_eq(feed(store, "{__name__=\"up\",job=\"x\"}", T0, 1), APPEND_STORED);
	ck_assert_int_eq(feed(store, "{__name__=\"down\",job=\"x\"}", T0, 1), APPEND_IGNORED);
	ck_assert_int_eq(feed(store, "{__name__=\"up\",job=\"x\"}", T0 + 1, 2), APPEND_STORED);
	ck_assert_uint_eq(up->nlive, 1);
	ck_assert_uint_eq(up->nlog, 1);
	ck_assert(up->log[0].added);
	struct series *series = up->members[up->log[0].row];
	ck_assert_uint_eq(series->window.n, 2);
	ck_assert_uint_eq(series->sender, 1);
	ck_assert_uint_eq(series->nmemberships, 1);
	size_t n;
	struct selector **changed = store_changed_selectors(store, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_ptr_eq(changed[0], up);
	selector_log_clear(up);
	store_changed_clear(store);
	store_changed_selectors(store, &n);
	ck_assert_uint_eq(n, 0);
	store_selector_unref(store, up);
}
END_TEST

START_TEST(store_asks_again_when_a_selector_comes)
{
	const char *text = "{__name__=\"up\",job=\"x\"}";
	uint64_t epoch = store_epoch(store);
	feed(store, text, T0, 1);
	struct selector *up = selector_of(store, "{__name__=\"up\"}");
	ck_assert_uint_gt(store_epoch(store), epoch);
	ck_assert_uint_eq(stats().ignored, 0);
	ck_assert_int_eq(feed(store, text, T0, 1), APPEND_STORED);
	epoch = store_epoch(store);
	/* No ignored key now: nobody needs to be asked. */
	struct selector *other = selector_of(store, "{__name__=\"other\"}");
	ck_assert_uint_eq(store_epoch(store), epoch);
	store_selector_unref(store, other);
	store_selector_unref(store, up);
}
END_TEST

START_TEST(store_evicts_ignored_keys)
{
	char text[64];
	struct series *series;
	struct hash128 asked = key_of("{__name__=\"asked\"}");
	feed(store, "{__name__=\"asked\"}", T0, 1);
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "{__name__=\"m%d\"}", i);
		ck_assert_int_eq(store_append(store, key_of(text), 1, T0, 0, &series),
				 APPEND_UNKNOWN);
		struct labels *labels = labels_of(text);
		ck_assert_int_eq(store_birth(store, key_of(text), labels, &series), 0);
		labels_unref(labels);
		/* What is asked for again and again stays. */
		ck_assert_int_eq(store_append(store, asked, 1, T0, 0, &series), APPEND_IGNORED);
	}
	store_check(store);
	ck_assert_uint_eq(stats().ignored, 1000);
	ck_assert_uint_eq(stats().ignored_evicted, 2001);
}
END_TEST

/* ---- identity ---- */

START_TEST(store_finds_one_series_by_several_keys)
{
	const char *text = "{__name__=\"up\",job=\"x\"}";
	struct selector *up = selector_of(store, "{__name__=\"up\"}");
	struct series *first, *other;
	feed(store, text, T0, 1);
	first = series_of(store, text);
	for (int i = 0; i < 10; i++) {
		char name[16];
		snprintf(name, sizeof(name), "key%d", i);
		ck_assert_int_eq(birth(store, key_of(name), text, &other), 0);
		ck_assert_ptr_eq(other, first);
		ck_assert_int_eq(store_append(store, key_of(name), 1, T0 + 1 + i, 0, &other),
				 APPEND_STORED);
		ck_assert_ptr_eq(other, first);
	}
	/* At most KEYS_PER_SERIES_MAX lead to it; the others are asked for again. */
	int known = 0;
	for (int i = 0; i < 10; i++) {
		char name[16];
		snprintf(name, sizeof(name), "key%d", i);
		known += store_append(store, key_of(name), 1, T0 + 100 + i, 0, &other) ==
			 APPEND_STORED;
	}
	ck_assert_int_eq(known, KEYS_PER_SERIES_MAX);
	ck_assert_uint_eq(stats().series, 1);
	store_selector_unref(store, up);
}
END_TEST

START_TEST(store_tells_equal_keys_apart)
{
	const char *a = "{__name__=\"up\",job=\"a\"}", *b = "{__name__=\"up\",job=\"b\"}";
	struct selector *up = selector_of(store, "{__name__=\"up\"}");
	struct hash128 key = key_of("one key for both");
	struct series *of_a, *of_b, *out;
	ck_assert_int_eq(birth(store, key, a, &of_a), 0);
	ck_assert_int_eq(store_append(store, key, 1, T0, bits_of(1), &out), APPEND_STORED);
	ck_assert_int_eq(birth(store, key, b, &of_b), 0);
	ck_assert_ptr_ne(of_a, of_b);
	ck_assert_uint_eq(stats().series, 2);
	ck_assert_uint_eq(stats().keys_ambiguous, 1);
	/* From now on the labels decide, each time. */
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(store_append(store, key, 1, T0 + i, bits_of(2), &out),
				 APPEND_UNKNOWN);
		ck_assert_int_eq(birth(store, key, a, &out), 0);
		ck_assert_ptr_eq(out, of_a);
		ck_assert_int_eq(birth(store, key, b, &out), 0);
		ck_assert_ptr_eq(out, of_b);
	}
	ck_assert_uint_eq(of_a->window.n, 1);
	ck_assert_uint_eq(of_b->window.n, 0);
	store_selector_unref(store, up);
}
END_TEST

START_TEST(store_tells_equal_keys_apart_when_one_is_ignored)
{
	const char *wanted = "{__name__=\"up\"}", *not_wanted = "{__name__=\"down\"}";
	struct selector *up = selector_of(store, wanted);
	struct series *out;
	struct hash128 key = key_of("wanted first"), other = key_of("wanted last");
	ck_assert_int_eq(birth(store, key, wanted, &out), 0);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(birth(store, key, not_wanted, &out), 0);
	ck_assert_ptr_null(out);
	ck_assert_int_eq(store_append(store, key, 1, T0, 0, &out), APPEND_UNKNOWN);

	ck_assert_int_eq(birth(store, other, not_wanted, &out), 0);
	ck_assert_ptr_null(out);
	ck_assert_int_eq(birth(store, other, wanted, &out), 0);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(store_append(store, other, 1, T0, 0, &out), APPEND_UNKNOWN);
	ck_assert_uint_eq(stats().keys_ambiguous, 2);
	store_selector_unref(store, up);
}
END_TEST

static struct hash128 same_hash(const void *bytes, size_t n)
{
	return (struct hash128){ 7, 7 };
}

START_TEST(store_keeps_series_of_equal_hashes_apart)
{
	struct store_options options = fixture_options();
	options.hash_hook = same_hash;
	store_free(store);
	store = store_new(&options);
	store_time_set(store, T0);
	struct selector *up = selector_of(store, "{__name__=\"up\"}");
	for (int i = 0; i < 50; i++) {
		char text[64];
		snprintf(text, sizeof(text), "{__name__=\"up\",job=\"j%d\"}", i);
		ck_assert_int_eq(feed(store, text, T0, i), APPEND_STORED);
	}
	ck_assert_uint_eq(up->nlive, 50);
	for (uint32_t i = 0; i < 50; i++)
		ck_assert_uint_eq(up->members[i]->window.n, 1);
	store_selector_unref(store, up);
}
END_TEST

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

/* ---- local series ---- */

static uint32_t lset_of(const char *text)
{
	struct labels *labels = labels_of(text);
	uint32_t lset = lset_intern(store_lsets(store), labels);
	labels_unref(labels);
	return lset;
}

START_TEST(store_keeps_local_series)
{
	struct selector *selector = selector_of(store, "{__name__=\"rec\"}");
	uint32_t rec = lset_of("{__name__=\"rec\"}"), other = lset_of("{__name__=\"other\"}");
	struct series *a, *b, *again;
	ck_assert_int_eq(store_local(store, rec, &a), 0);
	ck_assert_int_eq(store_local(store, other, &b), 0);
	ck_assert_int_eq(store_local(store, other, &again), 0);
	ck_assert_ptr_eq(b, again);
	store_check(store);
	ck_assert(a->local && b->local);
	ck_assert_int_eq(store_append_local(store, a, T0, bits_of(1)), APPEND_STORED);
	ck_assert_uint_eq(selector->fed, 1);
	ck_assert_int_eq(store_append_local(store, a, T0, bits_of(1)), APPEND_IDENTICAL);
	ck_assert_uint_eq(selector->fed, 1);
	ck_assert_int_eq(store_append_local(store, b, T0, bits_of(1)), APPEND_STORED);
	/* Nobody reads b: kept for the lookback. */
	store_time_set(store, T0 + LOOKBACK_MS);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 2);
	ck_assert_int_eq(series_horizon_ms(store, b), T0);
	store_time_set(store, T0 + 2 * LOOKBACK_MS);
	sweep_all(store);
	ck_assert_uint_eq(stats().series, 0);
	lset_unref(store_lsets(store), rec);
	lset_unref(store_lsets(store), other);
	store_selector_unref(store, selector);
}
END_TEST

START_TEST(store_takes_no_foreign_samples_into_unread_local_series)
{
	const char *text = "{__name__=\"ALERTS\"}";
	uint32_t lset = lset_of(text);
	struct series *local;
	ck_assert_int_eq(store_local(store, lset, &local), 0);
	ck_assert_int_eq(feed(store, text, T0, 1), APPEND_IGNORED);
	ck_assert_int_eq(feed(store, text, T0, 1), APPEND_IGNORED);
	struct series *out;
	ck_assert_int_eq(birth(store, key_of(text), text, &out), 0);
	ck_assert_ptr_null(out);
	ck_assert_uint_eq(stats().keys_ambiguous, 0);
	/* Once a selector reads it, both may write. */
	struct selector *selector = selector_of(store, text);
	ck_assert_int_eq(feed(store, text, T0, 1), APPEND_STORED);
	ck_assert_uint_eq(local->window.n, 1);
	store_selector_unref(store, selector);
	/* Its key still leads to it, and tells nothing of two label sets. */
	ck_assert_int_eq(birth(store, key_of(text), text, &out), 0);
	ck_assert_uint_eq(stats().keys_ambiguous, 0);
	lset_unref(store_lsets(store), lset);
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
	uint32_t lset = lset_of("{__name__=\"rec\"}");
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

/* ---- series made of log lines ---- */

#define LOGS "{__name__=\"logs{}\"}"

static struct series *derived(const char *key, enum window_kind kind)
{
	struct labels *labels = labels_of(LOGS);
	struct series *series;
	ck_assert_int_eq(store_birth_derived(store, key_of(key), labels, kind, &series), 0);
	labels_unref(labels);
	store_check(store);
	return series;
}

START_TEST(store_adds_up_what_lines_came_to)
{
	struct selector *selector = selector_of(store, LOGS);
	store_time_set(store, T0);
	struct series *series = derived("k", WINDOW_SUM);
	ck_assert_ptr_nonnull(series);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(store_append_series(store, series, 1, T0 + 60000, bits_of(2)),
				 APPEND_STORED);
	uint64_t bits;
	ck_assert(window_get(&series->window, T0 + 60000, &bits));
	ck_assert_uint_eq(bits, bits_of(6));
	store_selector_unref(store, selector);
}
END_TEST

START_TEST(store_keeps_senders_away_from_series_made_of_lines)
{
	struct selector *selector = selector_of(store, LOGS);
	struct labels *labels = labels_of(LOGS);
	struct series *theirs, *again;
	store_time_set(store, T0);
	/* A sender was first; nothing of what it sent counts among the lines. */
	ck_assert_int_eq(store_birth(store, key_of("sent"), labels, &theirs), 0);
	ck_assert_int_eq(store_append_series(store, theirs, 1, T0, bits_of(100)), APPEND_STORED);
	struct series *series = derived("k", WINDOW_SUM);
	ck_assert_uint_eq(series->window.n, 0);
	ck_assert_int_eq(store_append(store, key_of("sent"), 1, T0, bits_of(100), &again),
			 APPEND_UNKNOWN);
	ck_assert_int_eq(store_birth(store, key_of("sent"), labels, &again), 0);
	ck_assert_ptr_null(again);
	ck_assert_int_eq(series->kind, WINDOW_SUM);
	store_check(store);
	labels_unref(labels);
	store_selector_unref(store, selector);
}
END_TEST

START_TEST(store_bounds_the_memory_of_events)
{
	struct store_options options = fixture_options();
	store_free(store);
	options.memory_max = 1000000;
	store = store_new(&options);
	struct selector *selector = selector_of(store, LOGS);
	store_time_set(store, T0);
	struct series *series = derived("k", WINDOW_EVENTS);
	uint32_t taken = 0;
	enum append_result result = APPEND_STORED;
	for (; taken < 200000 && result == APPEND_STORED; taken++)
		result = store_append_series(store, series, 1, T0 + taken / 1000, bits_of(1));
	ck_assert_int_eq(result, APPEND_LIMITED);
	ck_assert_uint_gt(taken, 10000);
	/* A window grows by a quarter. */
	ck_assert_uint_lt(stats().bytes, 1300000);
	ck_assert_uint_eq(stats().limited, 1);
	/* What nobody asks for any more makes room. */
	store_time_set(store, T0 + 3600000);
	ck_assert_int_eq(store_append_series(store, series, 1, T0 + 3600000, bits_of(1)),
			 APPEND_STORED);
	store_check(store);
	store_selector_unref(store, selector);
}
END_TEST

START_TEST(store_restores_what_lines_came_to_by_upserts)
{
	struct selector *selector = selector_of(store, LOGS);
	struct labels *labels = labels_of(LOGS);
	struct series *series;
	uint64_t bits;
	ck_assert_int_eq(store_restore_series(store, 7, labels, false, WINDOW_SUM, &series), 0);
	for (int total = 1; total <= 3; total++)
		store_restore_sample(store, series, T0, 0, bits_of(total));
	store_restore_sample(store, series, T0 - 1, 0, bits_of(9));
	store_restore_sample(store, series, T0, 0, bits_of(3));
	ck_assert(window_get(&series->window, T0, &bits));
	ck_assert_uint_eq(bits, bits_of(3));
	/* Told again with another kind, it begins anew. */
	ck_assert_int_eq(store_restore_series(store, 7, labels, false, WINDOW_EVENTS, &series), 0);
	ck_assert_uint_eq(series->window.n, 0);
	for (uint32_t pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < 3; i++)
			store_restore_sample(store, series, T0, i, bits_of(i));
	ck_assert_uint_eq(window_count_at(&series->window, T0), 3);
	store_check(store);
	labels_unref(labels);
	store_selector_unref(store, selector);
}
END_TEST

/* ---- restart ---- */

static int restore(uint32_t uid, const char *text, bool local, struct series **out)
{
	struct labels *labels = labels_of(text);
	int code = store_restore_series(store, uid, labels, local, WINDOW_SAMPLES, out);
	labels_unref(labels);
	store_check(store);
	return code;
}

START_TEST(store_restores_series)
{
	struct store_options options = fixture_options();
	store_free(store);
	store = store_new(&options); /* no time told yet */
	struct selector *selector = selector_of(store, "{__name__=\"up\"}");
	struct series *series, *out;
	ck_assert_int_eq(restore(17, "{__name__=\"up\"}", false, &series), 0);
	ck_assert_uint_eq(series->uid, 17);
	ck_assert(series->in_dictionary && !series->local);
	ck_assert_int_eq(store_append_series(store, series, 0, T0 - 1000, bits_of(1)),
			 APPEND_STORED);
	ck_assert_int_eq(store_append_series(store, series, 0, T0 - 2000, bits_of(1)),
			 APPEND_STORED);
	ck_assert_int_eq(restore(5, "{__name__=\"gone\"}", false, &out), 0);
	ck_assert_ptr_null(out);
	ck_assert_int_eq(restore(21, "{__name__=\"rec\"}", true, &out), 0);
	ck_assert(out->local);
	/* Forgotten and born again in the log: the later uid names it. */
	ck_assert_int_eq(restore(30, "{__name__=\"up\"}", false, &out), 0);
	ck_assert_ptr_eq(out, series);
	ck_assert_uint_eq(series->uid, 30);
	ck_assert_int_eq(restore(0, "{__name__=\"up\"}", false, &out), ERR_INVALID);
	ck_assert_int_eq(restore(UINT32_MAX, "{__name__=\"up\"}", false, &out), ERR_INVALID);
	sweep_all(store); /* not before the time is told */
	ck_assert_uint_eq(stats().series, 2);

	store_time_set(store, T0);
	ck_assert_int_eq(feed(store, "{__name__=\"up\"}", T0, 1), APPEND_STORED);
	ck_assert_uint_eq(series->window.n, 3);
	feed(store, "{__name__=\"up\",new=\"1\"}", T0, 1);
	ck_assert_uint_gt(series_of(store, "{__name__=\"up\",new=\"1\"}")->uid, 30);
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
	tcase_add_test(tcase, store_drops_what_nobody_demands);
	tcase_add_test(tcase, start_times_stay_as_long_as_their_samples);
	tcase_add_test(tcase, store_keeps_what_a_selector_wants);
	tcase_add_test(tcase, store_asks_again_when_a_selector_comes);
	tcase_add_test(tcase, store_evicts_ignored_keys);
	tcase_add_test(tcase, store_finds_one_series_by_several_keys);
	tcase_add_test(tcase, store_tells_equal_keys_apart);
	tcase_add_test(tcase, store_tells_equal_keys_apart_when_one_is_ignored);
	tcase_add_test(tcase, store_keeps_series_of_equal_hashes_apart);
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
	tcase_add_test(tcase, store_keeps_local_series);
	tcase_add_test(tcase, store_takes_no_foreign_samples_into_unread_local_series);
	tcase_add_test(tcase, store_limits_series);
	tcase_add_test(tcase, store_limits_memory);
	tcase_add_test(tcase, store_adds_up_what_lines_came_to);
	tcase_add_test(tcase, store_keeps_senders_away_from_series_made_of_lines);
	tcase_add_test(tcase, store_bounds_the_memory_of_events);
	tcase_add_test(tcase, store_restores_what_lines_came_to_by_upserts);
	tcase_add_test(tcase, store_restores_series);
	tcase_add_loop_test(tcase, store_survives_churn, 0, 5);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(store_suite)
