/*
 * Numbers: selection against sorting, with values that someone chose to make it slow; sums;
 * buckets.
 */
#include "engine/numeric.h"

#include "engine/calendar.h"

#include <stdlib.h>

#include "tests/check_main.h"

#define N_MAX 3000

static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 20) % n);
}

static int compare_nan_first(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	if (isnan(x) || isnan(y))
		return (int)isnan(y) - (int)isnan(x);
	return x < y ? -1 : x > y;
}

static double by_sorting(double q, const double *values, size_t n)
{
	static double sorted[N_MAX];
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_nan_first);
	double rank = q * (double)(n - 1), weight = rank - floor(rank);
	size_t lower = (size_t)floor(rank), upper = lower + 1 < n ? lower + 1 : n - 1;
	return sorted[lower] * (1 - weight) + sorted[upper] * weight;
}

static void fill(double *values, size_t n, int how)
{
	for (size_t i = 0; i < n; i++) {
		switch (how) {
		case 0:
			values[i] = (double)below(1000000) / 7;
			break;
		case 1: /* few different ones */
			values[i] = below(4);
			break;
		case 2:
			values[i] = below(5) ? (double)below(100) - 50 : NAN;
			break;
		case 3: /* rising */
			values[i] = (double)i;
			break;
		case 4: /* an organ pipe */
			values[i] = (double)(i < n / 2 ? i : n - i);
			break;
		case 5:
			values[i] = below(3) ? (double)below(10) : below(2) ? INFINITY : -INFINITY;
			break;
		default:
			values[i] = 1;
		}
	}
}

START_TEST(quantiles_are_those_of_sorted_values)
{
	static double values[N_MAX];
	static const double qs[] = { 0, 0.01, 0.25, 0.5, 0.9, 0.999, 1 };
	for (int how = 0; how <= 6; how++) {
		for (int i = 0; i < 300; i++) {
			size_t n = 1 + below(i % 10 ? 100 : N_MAX - 1);
			double q = i % 2 ? qs[below(7)] : (double)below(1000) / 1000;
			fill(values, n, how);
			double wanted = by_sorting(q, values, n), got = quantile_of(q, values, n);
			ck_assert_msg(got == wanted || (isnan(got) && isnan(wanted)),
				      "kind %d, n %zu, q %g: %g, not %g", how, n, q, got, wanted);
		}
	}
}
END_TEST

START_TEST(quantiles_outside_of_0_to_1_are_infinite)
{
	double values[] = { 3, 1, 2 };
	ck_assert_double_eq(quantile_of(-0.1, values, 3), -INFINITY);
	ck_assert_double_eq(quantile_of(1.1, values, 3), INFINITY);
	ck_assert_double_nan(quantile_of(NAN, values, 3));
	ck_assert_double_nan(quantile_of(0.5, values, 0));
}
END_TEST

START_TEST(sums_keep_what_rounding_loses)
{
	static const double values[] = { 1, 1e100, 1, -1e100 };
	double sum = 0, c = 0;
	for (int i = 0; i < 4; i++)
		kahan_add(values[i], &sum, &c);
	ck_assert_double_eq(sum + c, 2);
	kahan_add(1e308, &sum, &c);
	kahan_add(1e308, &sum, &c);
	ck_assert_double_eq(sum, INFINITY);
	ck_assert_double_eq(c, 0);
}
END_TEST

START_TEST(means_do_not_overflow)
{
	struct mean mean = { .count = 0 };
	for (int i = 0; i < 10; i++)
		mean_add(&mean, 1.5e308);
	ck_assert_double_eq_tol(mean_value(&mean) / 1.5e308, 1, 1e-12);
	mean = (struct mean){ .count = 0 };
	for (int i = 1; i <= 4; i++)
		mean_add(&mean, i);
	ck_assert_double_eq(mean_value(&mean), 2.5);
}
END_TEST

START_TEST(extremes_are_those_of_go)
{
	ck_assert_double_eq(min_of(NAN, -INFINITY), -INFINITY);
	ck_assert_double_eq(max_of(INFINITY, NAN), INFINITY);
	ck_assert_double_nan(min_of(NAN, 1));
	ck_assert_double_nan(max_of(1, NAN));
	ck_assert(signbit(min_of(0.0, -0.0)));
	ck_assert(!signbit(max_of(-0.0, 0.0)));
}
END_TEST

static double of_buckets(double q, const struct bucket *buckets, size_t n)
{
	struct bucket copy[8];
	memcpy(copy, buckets, n * sizeof(*copy));
	struct bucket_mending mending;
	return bucket_quantile(q, copy, n, &mending);
}

START_TEST(buckets_are_sorted_merged_and_levelled)
{
	const struct bucket shuffled[] = { { INFINITY, 40 }, { 1, 10 }, { 2, 30 } };
	ck_assert_double_eq(of_buckets(0.5, shuffled, 3), 1.5);
	ck_assert_double_eq(of_buckets(0.1, shuffled, 3), 0.4);
	ck_assert_double_eq(of_buckets(0.9, shuffled, 3), 2);
	const struct bucket twice[] = { { 1, 4 }, { 1, 6 }, { 2, 30 }, { INFINITY, 40 } };
	ck_assert_double_eq(of_buckets(0.5, twice, 4), 1.5);
	const struct bucket falling[] = { { 1, 10 }, { 2, 5 }, { 3, 20 }, { INFINITY, 20 } };
	ck_assert_double_eq(of_buckets(0.75, falling, 4), 2.5);
	const struct bucket below_zero[] = { { -1, 10 }, { 2, 10 }, { INFINITY, 10 } };
	ck_assert_double_eq(of_buckets(0.5, below_zero, 3), -1);
	ck_assert_double_nan(of_buckets(0.5, shuffled + 1, 2));
	ck_assert_double_nan(of_buckets(0.5, shuffled, 1));
	const struct bucket empty[] = { { 1, 0 }, { INFINITY, 0 } };
	ck_assert_double_nan(of_buckets(0.5, empty, 2));
}
END_TEST

/* As Go has it: no number is the least one, which comes out at the other end of time. */
START_TEST(calendar_goes_round)
{
	ck_assert_double_eq(calendar_field(FN_YEAR, NAN), 292277026596);
	ck_assert_double_eq(calendar_field(FN_YEAR, -1e300), 292277026596);
	ck_assert_double_eq(calendar_field(FN_YEAR, INFINITY), 292277026596);
	ck_assert_double_eq(calendar_field(FN_MONTH, NAN), 12);
	ck_assert_double_eq(calendar_field(FN_HOUR, NAN), 15);
	ck_assert_double_eq(calendar_field(FN_YEAR, -1), 1969);
	ck_assert_double_eq(calendar_field(FN_DAY_OF_WEEK, -1), 3);
	ck_assert_double_eq(calendar_field(FN_MINUTE, -1), 59);
	ck_assert_double_eq(calendar_field(FN_DAY_OF_MONTH, 951782400), 29);
}
END_TEST

static Suite *numeric_suite(void)
{
	Suite *suite = suite_create("numeric");
	TCase *tcase = tcase_create("numeric");
	tcase_add_test(tcase, quantiles_are_those_of_sorted_values);
	tcase_add_test(tcase, quantiles_outside_of_0_to_1_are_infinite);
	tcase_add_test(tcase, sums_keep_what_rounding_loses);
	tcase_add_test(tcase, means_do_not_overflow);
	tcase_add_test(tcase, extremes_are_those_of_go);
	tcase_add_test(tcase, buckets_are_sorted_merged_and_levelled);
	tcase_add_test(tcase, calendar_goes_round);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(numeric_suite)
