/*
 * Arithmetic as Prometheus does it, down to the last bit. Private to engine/.
 */
#ifndef TOCSIN_ENGINE_NUMERIC_H
#define TOCSIN_ENGINE_NUMERIC_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bits.h"

/*
 * Adds to a compensated sum after Kahan, Babuška and Neumaier: what rounding loses goes into *c. A
 * sum that overflows has no compensation.
 */
static inline void kahan_add(double value, double *sum, double *c)
{
	double total = *sum + value;
	if (isinf(total))
		*c = 0;
	else if (fabs(*sum) >= fabs(value))
		*c += (*sum - total) + value;
	else
		*c += (value - total) + *sum;
	*sum = total;
}

/*
 * A mean: the compensated sum divided by the count or, from where the sum would overflow on, the
 * compensated incremental mean.
 */
struct mean {
	double sum, c, mean, count;
	bool incremental;
};

static inline void mean_add(struct mean *m, double value)
{
	if (m->count++ == 0) {
		m->sum = value;
		return;
	}
	if (!m->incremental) {
		double sum = m->sum, c = m->c;
		kahan_add(value, &sum, &c);
		if (!isinf(sum)) {
			m->sum = sum;
			m->c = c;
			return;
		}
		m->incremental = true;
		m->mean = m->sum / (m->count - 1);
		m->c /= m->count - 1;
	}
	double q = (m->count - 1) / m->count;
	m->mean *= q;
	m->c *= q;
	kahan_add(value / m->count, &m->mean, &m->c);
}

static inline double mean_value(const struct mean *m)
{
	return m->incremental ? m->mean + m->c : m->sum / m->count + m->c / m->count;
}

/* Go's math.Min and math.Max: an infinity wins over NaN, −0 is less than 0. */
static inline double min_of(double a, double b)
{
	if (isinf(a) && a < 0)
		return a;
	if (isinf(b) && b < 0)
		return b;
	if (isnan(a) || isnan(b))
		return NAN;
	if (a == 0 && b == 0)
		return signbit(a) ? a : b;
	return a < b ? a : b;
}

static inline double max_of(double a, double b)
{
	if (isinf(a) && a > 0)
		return a;
	if (isinf(b) && b > 0)
		return b;
	if (isnan(a) || isnan(b))
		return NAN;
	if (a == 0 && b == 0)
		return signbit(a) ? b : a;
	return a > b ? a : b;
}

/*
 * The quantile of n values, NaN counting as the least; moves them about. NaN when n is 0; ±Inf for
 * q outside of [0, 1].
 */
double quantile_of(double q, double *values, size_t n);
/* The same, a pass over the values at a time. */
struct quantile_search {
	double q, rank;
	double *values;
	size_t n;
	size_t low, end; /* the value of the rank is among these */
	unsigned rounds;
};
void quantile_search_begin(struct quantile_search *search, double q, double *values, size_t n);
/* True when it is found. Adds to *seen how many values were looked at. */
bool quantile_search_step(struct quantile_search *search, double *found, size_t *seen);

/* A bucket of a classic histogram: how many observations are at most `upper`. */
struct bucket {
	double upper, count;
};

/* Buckets that held less than the one below, and were given as much. */
struct bucket_mending {
	bool is_any;
	double upper_min, upper_max, difference_max;
};
/*
 * The quantile of a classic histogram by linear interpolation within the bucket; sorts, merges and
 * mends the buckets (n at least 1). NaN without a +Inf bucket, with fewer than two buckets or
 * without observations.
 */
double bucket_quantile(double q, struct bucket *buckets, size_t n, struct bucket_mending *mending);
/*
 * The part of the observations between two bounds, by linear interpolation within buckets; sorts
 * and merges them. NaN without a +Inf bucket or observations, or for a bound that is NaN.
 */
double bucket_fraction(double lower, double upper, struct bucket *buckets, size_t n);

#endif
