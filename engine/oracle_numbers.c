/* The oracle's arithmetic: sums that keep what rounding lost, means, quantiles, extremes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/oracle_internal.h"

struct precise precise_add(struct precise sum, double value)
{
	double total = sum.sum + value;
	if (isinf(total))
		return (struct precise){ total, 0 };
	if (fabs(sum.sum) >= fabs(value))
		return (struct precise){ total, sum.lost + ((sum.sum - total) + value) };
	return (struct precise){ total, sum.lost + ((value - total) + sum.sum) };
}

/* Sum by count; once the sum would overflow, mean of means from there on. */
double oracle_mean(const double *values, size_t n)
{
	struct precise sum = { values[0], 0 };
	size_t i = 1;
	for (; i < n; i++) {
		struct precise next = precise_add(sum, values[i]);
		if (isinf(next.sum))
			break;
		sum = next;
	}
	if (i == n)
		return sum.sum / (double)n + sum.lost / (double)n;
	struct precise mean = { sum.sum / (double)i, sum.lost / (double)i };
	for (; i < n; i++) {
		double count = (double)(i + 1), q = (count - 1) / count;
		mean = precise_add((struct precise){ q * mean.sum, q * mean.lost },
				   values[i] / count);
	}
	return mean.sum + mean.lost;
}

static int compare_nan_first(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	if (isnan(x) || isnan(y))
		return (int)isnan(y) - (int)isnan(x);
	return x < y ? -1 : x > y;
}

double oracle_quantile(struct oracle *o, double q, const double *values, size_t n)
{
	if (isnan(q) || n == 0)
		return NAN;
	if (q < 0 || q > 1)
		return q < 0 ? -INFINITY : INFINITY;
	double *sorted = oracle_alloc(o, n * sizeof(*sorted));
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_nan_first);
	double rank = q * (double)(n - 1);
	size_t below = (size_t)floor(rank), above = below + 1 < n ? below + 1 : n - 1;
	double weight = rank - floor(rank);
	return sorted[below] * (1 - weight) + sorted[above] * weight;
}

/* Go's math.Min and math.Max by their table of special cases. */
double oracle_min(double a, double b)
{
	if (a == -INFINITY || b == -INFINITY)
		return -INFINITY;
	if (isnan(a) || isnan(b))
		return NAN;
	if (a == 0 && b == 0)
		return signbit(a) || signbit(b) ? -0.0 : 0.0;
	return a < b ? a : b;
}

double oracle_max(double a, double b)
{
	return -oracle_min(-a, -b);
}
