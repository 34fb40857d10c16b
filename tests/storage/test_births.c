/* Series that come into being: which, of what labels, under which keys. */
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
	/* 2^53, beyond which a double does not tell milliseconds apart. */
	ck_assert_int_eq(store_start_add(store, y, due_ms, (INT64_C(1) << 53) + 1), 0);
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

/* ---- local series ---- */

START_TEST(store_keeps_local_series)
{
	struct selector *selector = selector_of(store, "{__name__=\"rec\"}");
	uint32_t rec = lset_of(store, "{__name__=\"rec\"}"),
		 other = lset_of(store, "{__name__=\"other\"}");
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
	uint32_t lset = lset_of(store, text);
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

static Suite *births_suite(void)
{
	Suite *suite = suite_create("births");
	TCase *tcase = tcase_create("births");
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
	tcase_add_test(tcase, store_keeps_local_series);
	tcase_add_test(tcase, store_takes_no_foreign_samples_into_unread_local_series);
	tcase_add_test(tcase, store_adds_up_what_lines_came_to);
	tcase_add_test(tcase, store_keeps_senders_away_from_series_made_of_lines);
	tcase_add_test(tcase, store_bounds_the_memory_of_events);
	tcase_add_test(tcase, store_restores_what_lines_came_to_by_upserts);
	tcase_add_test(tcase, store_restores_series);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(births_suite)
