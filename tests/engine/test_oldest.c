/*
 * What a range begins with: what is remembered of it against the window itself, whatever happens to
 * that meanwhile.
 */
#include "engine/engine_internal.h"
#include "engine/oldest.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/text.h"
#include "engine/numeric.h"
#include "ingest/batch.h"
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#define T0 INT64_C(1700000000000)
#define STEP_MS 15000
#define RANGE_MS (20 * STEP_MS)
#define ROUNDS 4000

static uint64_t state;

static uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

static void add(struct series *series, int64_t ts_ms, double value, int64_t horizon_ms)
{
	window_add(&series->window, ts_ms, bits_of_double(value), horizon_ms);
	window_check(&series->window, WINDOW_SAMPLES);
}

/* The index of the first sample after start_ms. */
static uint32_t first_after(const struct window *w, int64_t start_ms)
{
	uint32_t i = 0;
	while (i < w->n && w->base_ms + window_offsets(w)[w->start + i] <= start_ms)
		i++;
	return i;
}

/* What is known of the last sample of a series that ended. */
static void look_at_last(struct oldest_row at, const struct series *series)
{
	const struct window *w = &series->window;
	int64_t ts_ms;
	double value;
	if (!value_is_stale(w->newest) || !oldest_last(at, series, &ts_ms, &value))
		return;
	uint32_t last = w->start + w->n - 2;
	ck_assert_uint_ge(w->n, 2);
	ck_assert(bits_of_double(value) == bits_of_double(w->values[last]));
	ck_assert_int_eq(ts_ms, w->base_ms + window_offsets(w)[last]);
}

static void note_last(struct oldest_row at, const struct series *series, uint32_t from)
{
	const struct window *w = &series->window;
	uint32_t last = w->start + w->n - 2;
	if (value_is_stale(w->newest) && from + 1 < w->n)
		oldest_note_last(at, w->base_ms + window_offsets(w)[last], w->values[last]);
}

/* As an evaluation does it, of the first row. True when it was remembered. */
static bool look(struct oldest *oldest, const struct series *series, int64_t start_ms)
{
	const struct window *w = &series->window;
	if (!oldest_begin(oldest, 0, 1, 0, start_ms))
		return false;
	if (w->n == 0 || window_newest_ms(w) <= start_ms || !window_rises_since(w, start_ms))
		return false;
	struct oldest_row at = oldest_row(oldest, 0);
	uint32_t wanted = first_after(w, start_ms), from;
	uint32_t known = oldest_find(at, series, &from);
	if (known == OLDEST_SAMPLES) {
		oldest_note(at, series, wanted);
		note_last(at, series, wanted);
		return false;
	}
	ck_assert_uint_eq(from, wanted);
	uint32_t slot = w->start + wanted;
	ck_assert(bits_of_double(oldest_value(at, known)) == bits_of_double(w->values[slot]));
	ck_assert_int_eq(oldest_ms(at, known), w->base_ms + window_offsets(w)[slot]);
	look_at_last(at, series);
	note_last(at, series, wanted);
	return true;
}

START_TEST(remembered_is_what_the_window_has)
{
	struct oldest oldest = { 0 };
	struct series series = { .uid = 7 };
	uint32_t found = 0;
	double value = 0;
	state = 88172645463325252u + (uint64_t)_i;
	window_init(&series.window);
	for (int64_t round = 1; round < ROUNDS; round++) {
		int64_t now_ms = T0 + round * STEP_MS, start_ms = now_ms - RANGE_MS;
		int64_t horizon_ms = start_ms - STEP_MS;
		if (below(20) > 0)
			add(&series, now_ms - below(1000), value += below(10), horizon_ms);
		switch (below(120)) {
		case 0: /* a reset */
			value = 0;
			break;
		case 1: /* an end, after which it goes on */
			add(&series, now_ms, double_of_bits(STALE_NAN_BITS), horizon_ms);
			break;
		case 2: /* a late one */
			add(&series, now_ms - below(RANGE_MS), value - 1, horizon_ms);
			break;
		case 3: /* a sweep */
			window_trim(&series.window, horizon_ms);
			break;
		case 4: /* another series takes the row */
			window_fini(&series.window);
			series.uid++;
			break;
		default:
			break;
		}
		found += look(&oldest, &series, start_ms);
		if (below(10) == 0) /* a query's time, which may be earlier */
			look(&oldest, &series, start_ms + below(STEP_MS) - STEP_MS / 2);
	}
	ck_assert_uint_gt(found, ROUNDS / 10);
	window_fini(&series.window);
	oldest_fini(&oldest);
}
END_TEST

START_TEST(an_append_leaves_it_known)
{
	struct oldest oldest = { 0 };
	struct series series = { .uid = 1 };
	uint32_t found = 0;
	window_init(&series.window);
	for (int64_t round = 1; round <= 1000; round++)
		add(&series, T0 + round * STEP_MS, (double)round, TIME_NONE);
	for (int64_t round = 1001; round <= 1400; round++) {
		add(&series, T0 + round * STEP_MS, (double)round, T0 + (round - 30) * STEP_MS);
		found += look(&oldest, &series, T0 + round * STEP_MS - RANGE_MS);
	}
	ck_assert_uint_eq(found, 400 - 400 / OLDEST_SAMPLES);
	window_fini(&series.window);
	oldest_fini(&oldest);
}
END_TEST

START_TEST(what_ended_is_known_to_its_last_sample)
{
	struct oldest oldest = { 0 };
	struct series series = { .uid = 1 };
	uint32_t found = 0;
	int64_t ts_ms;
	double value;
	window_init(&series.window);
	for (int64_t i = 1; i <= 20; i++)
		add(&series, T0 + i * STEP_MS, (double)i, TIME_NONE);
	add(&series, T0 + 21 * STEP_MS, double_of_bits(STALE_NAN_BITS), TIME_NONE);
	for (int64_t i = 0; i < 20; i++) {
		int64_t start_ms = T0 + i * STEP_MS;
		found += look(&oldest, &series, start_ms);
		ck_assert(oldest_last(oldest_row(&oldest, 0), &series, &ts_ms, &value));
		ck_assert_int_eq(ts_ms, T0 + 20 * STEP_MS);
		ck_assert_double_eq(value, 20);
	}
	ck_assert_uint_ge(found, 20 - 20 / (OLDEST_SAMPLES - 1) - 1);
	/* It goes on, and ends again: only what came then is within the range. */
	add(&series, T0 + 22 * STEP_MS, 30, TIME_NONE);
	add(&series, T0 + 23 * STEP_MS, double_of_bits(STALE_NAN_BITS), TIME_NONE);
	ck_assert(window_rises_since(&series.window, T0 + 22 * STEP_MS));
	ck_assert(oldest_begin(&oldest, 0, 1, 0, T0 + 22 * STEP_MS));
	ck_assert(!oldest_last(oldest_row(&oldest, 0), &series, &ts_ms, &value));
	window_fini(&series.window);
	oldest_fini(&oldest);
}
END_TEST

START_TEST(long_windows_are_not_remembered)
{
	struct oldest oldest = { 0 };
	struct series series = { .uid = 1 };
	window_init(&series.window);
	for (int64_t i = 1; i <= OLDEST_WINDOW_MAX; i++)
		window_add(&series.window, T0 + i, bits_of_double((double)i), TIME_NONE);
	look(&oldest, &series, T0 + 10);
	ck_assert(look(&oldest, &series, T0 + 10));
	window_add(&series.window, T0 + OLDEST_WINDOW_MAX + 1, bits_of_double(1e9), TIME_NONE);
	ck_assert(!look(&oldest, &series, T0 + 10));
	ck_assert(!look(&oldest, &series, T0 + 10));
	window_fini(&series.window);
	oldest_fini(&oldest);
}
END_TEST

/* The uid that is noted of a row; `to` as in oldest_begin(). */
static uint32_t *uid_of(struct oldest *oldest, uint32_t row, uint32_t to, uint64_t revived)
{
	ck_assert(oldest_begin(oldest, row, to, revived, T0));
	struct oldest_row at = oldest_row(oldest, row);
	return &oldest_uids(at.block)[at.i];
}

START_TEST(rows_stay_when_others_come)
{
	struct oldest oldest = { 0 };
	struct series over = { .uid = 8 };
	const uint32_t third = 2 * EVAL_CHUNK, ninth = third + 9, tenth = third + 10;
	*uid_of(&oldest, 3, EVAL_CHUNK, 0) = 5;
	ck_assert_uint_eq(oldest.bytes, EVAL_CHUNK * OLDEST_ROW_BYTES);
	ck_assert_uint_eq(*uid_of(&oldest, ninth, tenth, 0), 0);
	*uid_of(&oldest, ninth, tenth, 0) = 6;
	ck_assert_uint_eq(*uid_of(&oldest, ninth, third + 11, 0), 6);
	ck_assert_uint_eq(*uid_of(&oldest, 3, 4, 0), 5);
	/* Grown within its block, and by others. */
	ck_assert_uint_eq(*uid_of(&oldest, ninth, third + 50, 0), 6);
	ck_assert_uint_eq(*uid_of(&oldest, third, third + 1000, 0), 0);
	ck_assert_uint_eq(*uid_of(&oldest, ninth, tenth, 0), 6);
	ck_assert_uint_eq(*uid_of(&oldest, tenth, third + 11, 0), 0);
	ck_assert_uint_le(oldest.bytes, 2 * EVAL_CHUNK * OLDEST_ROW_BYTES);
	/* A series that was over is not: of all that are over nothing is known, of others all is.
	 */
	oldest_over(oldest_row(&oldest, tenth), &over, 12);
	ck_assert(over.over);
	ck_assert_uint_eq(*uid_of(&oldest, tenth, third + 11, 0), 12);
	ck_assert_uint_eq(*uid_of(&oldest, ninth, tenth, 1), 6);
	ck_assert(!oldest_is_over(&oldest, tenth));
	ck_assert_uint_eq(*uid_of(&oldest, tenth, third + 11, 1), 0);
	/* Rows of two chunks, and none. */
	ck_assert(!oldest_begin(&oldest, 10, EVAL_CHUNK + 1, 0, T0));
	ck_assert(!oldest_begin(&oldest, 10, 10, 0, T0));
	oldest_fini(&oldest);
}
END_TEST

START_TEST(an_earlier_time_is_not_asked_for)
{
	struct oldest oldest = { 0 };
	ck_assert(oldest_begin(&oldest, 0, 1, 0, T0));
	ck_assert(!oldest_begin(&oldest, 0, 1, 0, T0 - 1));
	ck_assert(oldest_begin(&oldest, 0, 1, 0, T0));
	oldest_fini(&oldest);
}
END_TEST

/* Times are told from the first start on, in 32 bits: after a month from another one. */
START_TEST(months_later_all_is_noted_anew)
{
	struct oldest oldest = { 0 };
	struct series series = { .uid = 1 };
	const int64_t later_ms = T0 + (INT64_C(1) << 32);
	window_init(&series.window);
	add(&series, T0 + 1, 1, TIME_NONE);
	ck_assert(!look(&oldest, &series, T0));
	ck_assert(look(&oldest, &series, T0));
	add(&series, later_ms - 1, 2, later_ms);
	add(&series, later_ms + 1, 3, later_ms);
	ck_assert(!look(&oldest, &series, later_ms));
	ck_assert(look(&oldest, &series, later_ms));
	window_fini(&series.window);
	oldest_fini(&oldest);
}
END_TEST

/* ---- counted in limits.memory ---- */

#define MANY 1000

static size_t store_bytes(const struct harness *h)
{
	struct store_stats stats;
	store_stats_get(h->engine->store, &stats);
	return stats.bytes;
}

/* One more series: is it taken? */
static bool one_more(struct harness *h, const char *text)
{
	harness_feed(h, 30, text);
	return h->outcome.limited == 0;
}

START_TEST(rows_are_counted_in_limits_memory)
{
	static const char without[] =
		"groups: [{name: g, rules: [{alert: A, expr: 'max_over_time(x[1m]) > 1e9'}]}]";
	static const char with[] =
		"groups: [{name: g, rules: [{alert: A, expr: 'max_over_time(x[1m]) > 1e9'}, "
		"{alert: B, expr: 'rate(x[1m]) > 1e9'}]}]";
	const size_t little = 1000; /* what else the second rule costs */
	struct store_options options = { .lookback_ms = 300000 };
	struct harness h;
	struct buf text;
	harness_start_warm(&h);
	harness_load(&h, without);
	buf_init(&text);
	for (int i = 0; i < MANY; i++)
		buf_printf(&text, "x{i=\"%d\"} 1; ", i);
	harness_run(&h, 0, 0, text.ptr);
	size_t before = store_bytes(&h);
	harness_load(&h, with);
	harness_time(&h, 15);
	size_t rows = store_bytes(&h) - before;
	ck_assert_uint_ge(rows, MANY * OLDEST_ROW_BYTES);
	ck_assert_uint_le(rows, EVAL_CHUNK * OLDEST_ROW_BYTES + little);
	harness_time(&h, 30);
	ck_assert_uint_eq(store_bytes(&h) - before, rows);
	/* Without these there would be room. */
	options.memory_max = before + rows / 2;
	store_options_set(h.engine->store, &options);
	ck_assert(!one_more(&h, "x{i=\"one\"} 1"));
	harness_load(&h, without);
	ck_assert_uint_le(store_bytes(&h), before + little);
	ck_assert(one_more(&h, "x{i=\"one\"} 1"));
	buf_fini(&text);
	harness_stop(&h);
}
END_TEST

static Suite *oldest_suite(void)
{
	Suite *suite = suite_create("oldest");
	TCase *tcase = tcase_create("oldest");
	tcase_add_loop_test(tcase, remembered_is_what_the_window_has, 0, 20);
	tcase_add_test(tcase, an_append_leaves_it_known);
	tcase_add_test(tcase, what_ended_is_known_to_its_last_sample);
	tcase_add_test(tcase, long_windows_are_not_remembered);
	tcase_add_test(tcase, rows_stay_when_others_come);
	tcase_add_test(tcase, an_earlier_time_is_not_asked_for);
	tcase_add_test(tcase, months_later_all_is_noted_anew);
	tcase_add_test(tcase, rows_are_counted_in_limits_memory);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(oldest_suite)
