#include "storage/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/check_main.h"

#define DAY_MS INT64_C(86400000)

/* The naive model: all samples ever taken, sorted; what was before the greatest horizon may be
 * gone. */
struct model {
	struct model_sample {
		int64_t ts_ms;
		uint64_t bits;
	} samples[4096];
	size_t n;
	int64_t horizon_ms;
};

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t random_below(uint64_t n)
{
	return random_next() % n;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static size_t model_until(const struct model *model, int64_t ts_ms)
{
	size_t i = 0;
	while (i < model->n && model->samples[i].ts_ms <= ts_ms)
		i++;
	return i;
}

/* What window_add() must answer, and the sample kept if it is to be. */
static enum window_result model_add(struct model *model, int64_t ts_ms, uint64_t bits)
{
	size_t at = model_until(model, ts_ms), until = model_until(model, model->horizon_ms);
	if (at > 0 && model->samples[at - 1].ts_ms == ts_ms && at >= until)
		return model->samples[at - 1].bits == bits ? WINDOW_IDENTICAL : WINDOW_CONFLICT;
	if (at < until)
		return WINDOW_LATE;
	memmove(model->samples + at + 1, model->samples + at,
		(model->n - at) * sizeof(*model->samples));
	model->samples[at] = (struct model_sample){ ts_ms, bits };
	model->n++;
	return WINDOW_STORED;
}

/* All that a reader from the horizon on may see must be the same. */
static void compare_range(const struct window *window, const struct model *model, int64_t from_ms,
			  int64_t to_ms)
{
	struct window_view view;
	window_range(window, from_ms, to_ms, &view);
	size_t from = model_until(model, from_ms), to = model_until(model, to_ms);
	ck_assert_uint_eq(view.n, to > from ? to - from : 0);
	for (size_t i = 0; i < view.n; i++) {
		ck_assert_int_eq(view.base_ms + view.offsets[i], model->samples[from + i].ts_ms);
		ck_assert_uint_eq(bits_of(view.values[i]), model->samples[from + i].bits);
	}
	int64_t ts_ms;
	double value;
	if (to == 0) {
		ck_assert(!window_last(window, to_ms, &ts_ms, &value));
		return;
	}
	ck_assert(window_last(window, to_ms, &ts_ms, &value));
	ck_assert_int_eq(ts_ms, model->samples[to - 1].ts_ms);
	ck_assert_uint_eq(bits_of(value), model->samples[to - 1].bits);
}

static void compare(const struct window *window, const struct model *model)
{
	window_check(window, WINDOW_SAMPLES);
	if (model->n == 0) {
		ck_assert_int_eq(window_newest_ms(window), TIME_NONE);
		return;
	}
	int64_t newest = model->samples[model->n - 1].ts_ms;
	ck_assert_int_eq(window_newest_ms(window), newest);
	int64_t low =
		model->horizon_ms == TIME_NONE ? model->samples[0].ts_ms - 10 : model->horizon_ms;
	compare_range(window, model, low, newest);
	uint64_t span = newest > low ? (uint64_t)(newest - low) + 20 : 20;
	int64_t from = low + (int64_t)random_below(span);
	compare_range(window, model, from, from + (int64_t)random_below(span));
}

static int64_t random_time(const struct model *model, int64_t step_ms)
{
	int64_t newest = model->n ? model->samples[model->n - 1].ts_ms : 1000000;
	switch (random_below(8)) {
	case 0: /* late, anywhere */
		return newest - (int64_t)random_below((uint64_t)step_ms * 60);
	case 1: /* late, by little */
		return newest - (int64_t)random_below((uint64_t)step_ms * 3);
	case 2: /* again */
		return model->n ? model->samples[random_below(model->n)].ts_ms : newest;
	default:
		return newest + 1 + (int64_t)random_below((uint64_t)step_ms * 2);
	}
}

static void run_random(uint64_t seed, int64_t step_ms, size_t operations)
{
	struct model *model = calloc(1, sizeof(*model));
	struct window window;
	window_init(&window);
	random_state = seed * 2654435761u + 1;
	model->horizon_ms = TIME_NONE;
	for (size_t i = 0; i < operations; i++) {
		int64_t ts_ms = random_time(model, step_ms);
		int64_t newest = window_newest_ms(&window);
		if (newest != TIME_NONE && random_below(6) == 0) {
			int64_t horizon = newest - (int64_t)random_below((uint64_t)step_ms * 40);
			if (random_below(20) == 0)
				horizon = newest + 5;
			if (horizon > model->horizon_ms)
				model->horizon_ms = horizon;
			if (random_below(2))
				window_trim(&window, model->horizon_ms);
		}
		uint64_t bits = bits_of((double)random_below(3));
		bool in_order_with_room = ts_ms > newest && window_has_room(&window);
		enum window_result expected = model_add(model, ts_ms, bits);
		/* With room, no horizon is asked for. */
		ck_assert_int_eq(window_add(&window, ts_ms, bits,
					    in_order_with_room ? TIME_NONE : model->horizon_ms),
				 expected);
		compare(&window, model);
	}
	window_fini(&window);
	free(model);
}

START_TEST(window_agrees_with_naive_model)
{
	run_random((uint64_t)_i + 1, _i % 2 ? 15000 : 7, 1500);
}
END_TEST

START_TEST(window_agrees_with_naive_model_at_long_steps)
{
	/* A window of 40 steps of 12 hours: 20 days, so that the base must move again and again. */
	run_random((uint64_t)_i + 100, DAY_MS / 2, 1500);
}
END_TEST

START_TEST(window_keeps_newest_at_horizon)
{
	struct window window;
	window_init(&window);
	for (int64_t i = 0; i < 10; i++)
		ck_assert_int_eq(window_add(&window, 1000 * i, bits_of((double)i), TIME_NONE),
				 WINDOW_STORED);
	window_trim(&window, 5500);
	struct window_view view;
	window_range(&window, TIME_NONE, INT64_MAX, &view);
	ck_assert_uint_eq(view.n, 5);
	ck_assert_int_eq(view.base_ms + view.offsets[0], 5000);
	window_trim(&window, 100000);
	window_range(&window, TIME_NONE, INT64_MAX, &view);
	ck_assert_uint_eq(view.n, 1);
	ck_assert_int_eq(window_newest_ms(&window), 9000);
	window_check(&window, WINDOW_SAMPLES);
	window_fini(&window);
}
END_TEST

START_TEST(window_judges_samples)
{
	struct window window;
	window_init(&window);
	ck_assert(!window_has_room(&window));
	for (int64_t i = 1; i < 5; i++)
		window_add(&window, 1000 * i, bits_of(1), TIME_NONE);
	ck_assert_int_eq(window_add(&window, 2000, bits_of(1), TIME_NONE), WINDOW_IDENTICAL);
	ck_assert_int_eq(window_add(&window, 2000, bits_of(2), TIME_NONE), WINDOW_CONFLICT);
	ck_assert_int_eq(window_add(&window, 4000, bits_of(2), TIME_NONE), WINDOW_CONFLICT);
	/* At or before H with a newer one there: nobody needs it. */
	ck_assert_int_eq(window_add(&window, 2500, bits_of(1), 3000), WINDOW_LATE);
	/* The newest at or before H: needed. */
	ck_assert_int_eq(window_add(&window, 3500, bits_of(1), 3700), WINDOW_STORED);
	window_check(&window, WINDOW_SAMPLES);
	window_fini(&window);
}
END_TEST

START_TEST(window_compares_nan_by_bits)
{
	const uint64_t stale = 0x7ff0000000000002, nan = 0x7ff8000000000001;
	struct window window;
	window_init(&window);
	window_add(&window, 1, stale, TIME_NONE);
	window_add(&window, 2, nan, TIME_NONE);
	window_add(&window, 3, bits_of(0.0), TIME_NONE);
	ck_assert_int_eq(window_add(&window, 1, stale, TIME_NONE), WINDOW_IDENTICAL);
	ck_assert_int_eq(window_add(&window, 1, nan, TIME_NONE), WINDOW_CONFLICT);
	ck_assert_int_eq(window_add(&window, 2, nan, TIME_NONE), WINDOW_IDENTICAL);
	ck_assert_int_eq(window_add(&window, 3, bits_of(-0.0), TIME_NONE), WINDOW_CONFLICT);
	struct window_view view;
	window_range(&window, 0, 3, &view);
	ck_assert_uint_eq(view.n, 3);
	ck_assert_uint_eq(bits_of(view.values[0]), stale);
	ck_assert_uint_eq(bits_of(view.values[1]), nan);
	window_fini(&window);
}
END_TEST

START_TEST(window_survives_gap_beyond_offsets)
{
	struct window window;
	struct window_view view;
	window_init(&window);
	const int64_t t0 = 1700000000000;
	window_add(&window, t0, bits_of(1), TIME_NONE);
	window_add(&window, t0 + 30 * DAY_MS, bits_of(2), TIME_NONE);
	window_add(&window, t0 + 40 * DAY_MS, bits_of(3), TIME_NONE);
	window_check(&window, WINDOW_SAMPLES);
	ck_assert_uint_eq(window.early, 0);
	/* 60 days after the first: that one cannot be said any more. */
	ck_assert_int_eq(window_add(&window, t0 + 60 * DAY_MS, bits_of(4), TIME_NONE),
			 WINDOW_STORED);
	window_check(&window, WINDOW_SAMPLES);
	ck_assert_uint_eq(window.early, 1);
	window_range(&window, t0, t0 + 60 * DAY_MS, &view);
	ck_assert_uint_eq(view.n, 3);
	ck_assert_int_eq(view.base_ms + view.offsets[0], t0 + 30 * DAY_MS);
	/* Nor one so far before the newest, while one within reach is inserted. */
	ck_assert_int_eq(window_add(&window, t0, bits_of(1), TIME_NONE), WINDOW_LATE);
	ck_assert_int_eq(window_add(&window, t0 + 12 * DAY_MS, bits_of(1), TIME_NONE),
			 WINDOW_STORED);
	window_check(&window, WINDOW_SAMPLES);
	/* A gap of years leaves the new one alone. */
	ck_assert_int_eq(window_add(&window, t0 + 3650 * DAY_MS, bits_of(5), TIME_NONE),
			 WINDOW_STORED);
	window_check(&window, WINDOW_SAMPLES);
	window_range(&window, TIME_NONE, INT64_MAX, &view);
	ck_assert_uint_eq(view.n, 1);
	ck_assert_uint_eq(window.early, 5);
	window_fini(&window);
}
END_TEST

START_TEST(window_takes_extreme_times)
{
	struct window window;
	window_init(&window);
	ck_assert_int_eq(window_add(&window, INT64_MIN + 1, bits_of(1), TIME_NONE), WINDOW_STORED);
	window_check(&window, WINDOW_SAMPLES);
	ck_assert_int_eq(window_add(&window, INT64_MAX, bits_of(2), TIME_NONE), WINDOW_STORED);
	window_check(&window, WINDOW_SAMPLES);
	ck_assert_int_eq(window_newest_ms(&window), INT64_MAX);
	ck_assert_int_eq(window_add(&window, INT64_MAX - 1, bits_of(3), TIME_NONE), WINDOW_STORED);
	window_check(&window, WINDOW_SAMPLES);
	int64_t ts_ms;
	double value;
	ck_assert(window_last(&window, INT64_MAX - 1, &ts_ms, &value));
	ck_assert_double_eq(value, 3);
	ck_assert(!window_last(&window, 0, &ts_ms, &value));
	window_fini(&window);
}
END_TEST

START_TEST(window_memory_follows_demand)
{
	struct window window;
	window_init(&window);
	/* Five minutes at 15 s: 21 or 22 samples live. */
	for (int64_t t = 0; t < 3600000; t += 15000)
		window_add(&window, t, bits_of(1), t - 300000);
	ck_assert_uint_le(window.cap, 32);
	for (int64_t t = 3600000; t < 3600000 + 5000; t++)
		window_add(&window, t, bits_of(1), TIME_NONE);
	ck_assert_uint_ge(window.cap, 5000);
	window_trim(&window, 3600000 + 5000);
	window_check(&window, WINDOW_SAMPLES);
	ck_assert_uint_le(window.cap, 8);
	ck_assert_uint_le(window_bytes(&window), 100);
	window_fini(&window);
}
END_TEST

START_TEST(window_limits_samples)
{
	struct window window;
	window_init(&window);
	for (int64_t t = 0; t < WINDOW_SAMPLES_MAX; t++)
		window_add(&window, 2 * t, bits_of(1), TIME_NONE);
	ck_assert_uint_eq(window.n, WINDOW_SAMPLES_MAX);
	ck_assert_uint_eq(window.early, 0);
	ck_assert_int_eq(window_add(&window, -1, bits_of(1), TIME_NONE), WINDOW_LATE);
	ck_assert_int_eq(window_add(&window, 5, bits_of(1), TIME_NONE), WINDOW_STORED);
	ck_assert_uint_eq(window.early, 1);
	for (int64_t t = WINDOW_SAMPLES_MAX; t < WINDOW_SAMPLES_MAX + 1000; t++)
		ck_assert_int_eq(window_add(&window, 2 * t, bits_of(1), TIME_NONE), WINDOW_STORED);
	ck_assert_uint_eq(window.early, 1001);
	window_check(&window, WINDOW_SAMPLES);
	window_fini(&window);
}
END_TEST

START_TEST(window_takes_samples_backwards)
{
	struct window window;
	window_init(&window);
	for (int64_t t = 20000; t > 0; t--)
		ck_assert_int_eq(window_add(&window, t * 1000, bits_of((double)t), TIME_NONE),
				 WINDOW_STORED);
	window_check(&window, WINDOW_SAMPLES);
	struct window_view view;
	window_range(&window, 0, INT64_MAX, &view);
	ck_assert_uint_eq(view.n, 20000);
	window_fini(&window);
}
END_TEST

/* ---- the other kinds ---- */

/* All that ever came, in the order of arrival. */
struct arrivals {
	struct model_sample items[3000];
	size_t n;
};

/* What the kind makes of all that came for this time; how many samples that is. */
static size_t expected_at(const struct arrivals *arrivals, enum window_kind kind, int64_t ts_ms,
			  double *out)
{
	size_t n = 0;
	for (size_t i = 0; i < arrivals->n; i++) {
		double value;
		memcpy(&value, &arrivals->items[i].bits, sizeof(value));
		if (arrivals->items[i].ts_ms != ts_ms)
			continue;
		if (kind == WINDOW_EVENTS || n == 0)
			out[n++] = value;
		else if (kind == WINDOW_SUM)
			out[0] += value;
		else if (kind == WINDOW_MIN ? value < out[0] : value > out[0])
			out[0] = value;
	}
	return n;
}

static void compare_kind(const struct window *window, const struct arrivals *arrivals,
			 enum window_kind kind)
{
	static double values[3000];
	window_check(window, kind);
	size_t seen = 0;
	for (int64_t t = 0; t < 100; t++) {
		size_t n = expected_at(arrivals, kind, t, values);
		struct window_view view;
		window_range(window, t - 1, t, &view);
		ck_assert_uint_eq(view.n, n);
		ck_assert_uint_eq(window_count_at(window, t), n);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(bits_of(view.values[i]), bits_of(values[i]));
		uint64_t bits;
		ck_assert(window_get(window, t, &bits) == (n > 0));
		if (n)
			ck_assert_uint_eq(bits, bits_of(values[n - 1]));
		seen += n;
	}
	ck_assert_uint_eq(seen, window->n);
}

static const enum window_kind merging_kinds[] = { WINDOW_SUM, WINDOW_MIN, WINDOW_MAX,
						  WINDOW_EVENTS };

START_TEST(window_of_each_kind_agrees_with_all_that_came)
{
	enum window_kind kind = merging_kinds[_i % 4];
	static struct arrivals arrivals;
	struct window window;
	random_state = 77 + (uint64_t)_i;
	arrivals.n = 0;
	window_init(&window);
	for (int64_t now = 0; arrivals.n < 3000; now++) {
		/* Mostly new, some late by up to 40. */
		int64_t t = now * 90 / 3000 + (int64_t)random_below(10);
		if (random_below(4) == 0)
			t = t < 40 ? t : t - (int64_t)random_below(40);
		uint64_t bits = bits_of((double)random_below(1000) - 500);
		ck_assert_int_eq(window_merge(&window, kind, t, bits, TIME_NONE), WINDOW_STORED);
		arrivals.items[arrivals.n++] = (struct model_sample){ t, bits };
		if (arrivals.n % 300 == 0)
			compare_kind(&window, &arrivals, kind);
	}
	window_fini(&window);
}
END_TEST

START_TEST(window_judges_late_lines_by_the_horizon)
{
	struct window window;
	window_init(&window);
	for (int64_t t = 1; t <= 10; t++)
		window_merge(&window, WINDOW_SUM, t, bits_of(1), TIME_NONE);
	/* Into its bucket while that may still be read; then not. */
	ck_assert_int_eq(window_merge(&window, WINDOW_SUM, 7, bits_of(5), 5), WINDOW_STORED);
	ck_assert_int_eq(window_merge(&window, WINDOW_SUM, 4, bits_of(5), 5), WINDOW_LATE);
	uint64_t bits;
	ck_assert(window_get(&window, 7, &bits));
	ck_assert_uint_eq(bits, bits_of(6));
	window_fini(&window);
}
END_TEST

START_TEST(window_minimum_prefers_numbers_to_nan)
{
	struct window window;
	uint64_t bits;
	window_init(&window);
	window_merge(&window, WINDOW_MIN, 1, bits_of(NAN), TIME_NONE);
	window_merge(&window, WINDOW_MIN, 1, bits_of(3), TIME_NONE);
	window_merge(&window, WINDOW_MIN, 1, bits_of(NAN), TIME_NONE);
	ck_assert(window_get(&window, 1, &bits));
	ck_assert_uint_eq(bits, bits_of(3));
	window_fini(&window);
}
END_TEST

/* A log of what a window went through, read over any state that has seen part of it. */
START_TEST(window_restored_twice_is_the_same)
{
	enum window_kind kind = merging_kinds[_i % 4];
	struct log_entry {
		int64_t ts_ms;
		uint32_t ordinal;
		uint64_t bits;
	} log[300];
	struct window window, again;
	random_state = 5 + (uint64_t)_i;
	window_init(&window);
	for (size_t i = 0; i < 300; i++) {
		log[i].ts_ms = (int64_t)(i / 10 + random_below(10));
		window_merge(&window, kind, log[i].ts_ms, bits_of((double)random_below(100)),
			     TIME_NONE);
		window_get(&window, log[i].ts_ms, &log[i].bits);
		log[i].ordinal = kind == WINDOW_EVENTS
					 ? window_count_at(&window, log[i].ts_ms) - 1
					 : 0;
	}
	window_init(&again);
	size_t seen = random_below(300);
	for (size_t i = 0; i < seen; i++)
		window_restore(&again, kind, log[i].ts_ms, log[i].ordinal, log[i].bits, TIME_NONE);
	for (size_t i = 0; i < 300; i++)
		window_restore(&again, kind, log[i].ts_ms, log[i].ordinal, log[i].bits, TIME_NONE);
	window_check(&again, kind);
	ck_assert_uint_eq(again.n, window.n);
	for (uint32_t i = 0; i < window.n; i++) {
		ck_assert_int_eq(again.base_ms + window_offsets(&again)[again.start + i],
				 window.base_ms + window_offsets(&window)[window.start + i]);
		ck_assert_uint_eq(bits_of(again.values[again.start + i]),
				  bits_of(window.values[window.start + i]));
	}
	window_fini(&window);
	window_fini(&again);
}
END_TEST

START_TEST(window_knows_since_when_values_rise)
{
	struct window window;
	window_init(&window);
	for (int i = 1; i <= 40; i++)
		window_add(&window, 1000 * i, bits_of(i / 2), TIME_NONE);
	ck_assert(window_rises_since(&window, 0));
	/* A reset, and what comes after it. */
	window_add(&window, 41000, bits_of(3), TIME_NONE);
	for (int i = 42; i < 50; i++)
		window_add(&window, 1000 * i, bits_of(i), 20000);
	ck_assert(!window_rises_since(&window, 40999));
	ck_assert(window_rises_since(&window, 41000));
	/* What is no number breaks the rise when something comes after it. */
	window_add(&window, 50000, bits_of(NAN), TIME_NONE);
	ck_assert(window_rises_since(&window, 41000));
	window_check(&window, WINDOW_SAMPLES);
	window_add(&window, 51000, bits_of(60), TIME_NONE);
	ck_assert(!window_rises_since(&window, 50999));
	ck_assert(window_rises_since(&window, 51000));
	/* After a late one nobody knows, for a while. */
	window_add(&window, 52000, bits_of(61), TIME_NONE);
	window_add(&window, 50500, bits_of(1000), TIME_NONE);
	ck_assert(!window_rises_since(&window, 51999));
	window_check(&window, WINDOW_SAMPLES);
	window_fini(&window);

	window_init(&window);
	window_add(&window, 1000, bits_of(NAN), TIME_NONE);
	window_check(&window, WINDOW_SAMPLES);
	window_add(&window, 2000, bits_of(1), TIME_NONE);
	ck_assert(!window_rises_since(&window, 1999));
	window_check(&window, WINDOW_SAMPLES);
	window_fini(&window);
}
END_TEST

static Suite *window_suite(void)
{
	Suite *suite = suite_create("window");
	TCase *tcase = tcase_create("window");
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, window_agrees_with_naive_model, 0, 20);
	tcase_add_loop_test(tcase, window_agrees_with_naive_model_at_long_steps, 0, 5);
	tcase_add_test(tcase, window_keeps_newest_at_horizon);
	tcase_add_test(tcase, window_judges_samples);
	tcase_add_test(tcase, window_compares_nan_by_bits);
	tcase_add_test(tcase, window_knows_since_when_values_rise);
	tcase_add_test(tcase, window_survives_gap_beyond_offsets);
	tcase_add_test(tcase, window_takes_extreme_times);
	tcase_add_test(tcase, window_memory_follows_demand);
	tcase_add_test(tcase, window_limits_samples);
	tcase_add_test(tcase, window_takes_samples_backwards);
	tcase_add_loop_test(tcase, window_of_each_kind_agrees_with_all_that_came, 0, 12);
	tcase_add_test(tcase, window_judges_late_lines_by_the_horizon);
	tcase_add_test(tcase, window_minimum_prefers_numbers_to_nan);
	tcase_add_loop_test(tcase, window_restored_twice_is_the_same, 0, 40);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(window_suite)
