#include "engine/numeric.h"

#include <float.h>
#include <stdlib.h>

/* Up to so many values an insertion sort is the quicker one. */
#define SORT_INSERTION_MAX 32
/* Partitions that select a rank: with even ones this is enough for any number of values. */
#define SELECT_ROUNDS_MAX 50
/*
 * Counts of neighbouring buckets that differ by less, relatively, are taken as equal: rounding, not
 * data.
 */
#define BUCKET_TOLERANCE 1e-12

static bool is_less(double a, double b)
{
	return isnan(a) ? !isnan(b) : a < b;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return is_less(x, y) ? -1 : is_less(y, x);
}

static void sort_values(double *values, size_t n)
{
	if (n > SORT_INSERTION_MAX) {
		qsort(values, n, sizeof(*values), compare_doubles);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		double value = values[i];
		size_t at = i;
		for (; at > 0 && is_less(value, values[at - 1]); at--)
			values[at] = values[at - 1];
		values[at] = value;
	}
}

/* Of values [low, end), those up to the middle that is returned are at most the others. */
static size_t partition(double *values, size_t low, size_t end)
{
	double pivot = values[low + (end - low) / 2], swap;
	for (size_t high = end - 1;; low++, high--) {
		while (is_less(values[low], pivot))
			low++;
		while (is_less(pivot, values[high]))
			high--;
		if (low >= high)
			return high + 1;
		swap = values[low];
		values[low] = values[high];
		values[high] = swap;
	}
}

/* The least of the values from `from` on. */
static double least_of(const double *values, size_t from, size_t n)
{
	double least = values[from];
	for (size_t i = from + 1; i < n; i++)
		if (is_less(values[i], least))
			least = values[i];
	return least;
}

void quantile_search_begin(struct quantile_search *search, double q, double *values, size_t n)
{
	*search = (struct quantile_search){ .q = q, .values = values, .n = n, .end = n };
	if (n > 0 && q >= 0 && q <= 1)
		search->rank = q * ((double)n - 1);
}

/*
 * The value of the rank comes to its place by partitions, the lesser ones before it, the others
 * after it. Should they go on being uneven, whoever chose the values, the rest is sorted.
 */
bool quantile_search_step(struct quantile_search *search, double *found, size_t *seen)
{
	double *values = search->values;
	size_t lower = (size_t)search->rank, left = search->end - search->low;
	if (search->n == 0 || !(search->q >= 0 && search->q <= 1)) {
		*found = search->n == 0 || isnan(search->q) ? NAN : search->q < 0 ? -INFINITY : INFINITY;
		return true;
	}
	*seen += left;
	if (left > SORT_INSERTION_MAX && ++search->rounds <= SELECT_ROUNDS_MAX) {
		size_t middle = partition(values, search->low, search->end);
		if (lower < middle)
			search->end = middle;
		else
			search->low = middle;
		return false;
	}
	sort_values(values + search->low, left);
	*seen += search->n - lower;
	double weight = search->rank - floor(search->rank), at = values[lower];
	double upper = lower + 1 < search->n ? least_of(values, lower + 1, search->n) : at;
	*found = at * (1 - weight) + upper * weight;
	return true;
}

double quantile_of(double q, double *values, size_t n)
{
	struct quantile_search search;
	double found;
	size_t seen = 0;
	quantile_search_begin(&search, q, values, n);
	while (!quantile_search_step(&search, &found, &seen))
		;
	return found;
}

static int compare_buckets(const void *a, const void *b)
{
	double x = ((const struct bucket *)a)->upper, y = ((const struct bucket *)b)->upper;
	return x < y ? -1 : x > y;
}

/* Buckets of one upper bound become one. */
static size_t merge_buckets(struct bucket *buckets, size_t n)
{
	size_t last = 0;
	for (size_t i = 1; i < n; i++) {
		if (buckets[i].upper == buckets[last].upper)
			buckets[last].count += buckets[i].count;
		else
			buckets[++last] = buckets[i];
	}
	return last + 1;
}

/* Almost equal: relative to the size of both, but for numbers next to zero. */
static bool is_almost(double a, double b)
{
	if ((isnan(a) && isnan(b)) || a == b)
		return true;
	double size = fabs(a) + fabs(b), difference = fabs(a - b);
	if (a == 0 || b == 0 || size < DBL_MIN)
		return difference < BUCKET_TOLERANCE * DBL_MIN;
	return difference / fmin(size, DBL_MAX) < BUCKET_TOLERANCE;
}

/* Counts only rise from bucket to bucket: what falls, or rises by mere rounding, stays level. */
static struct bucket_mending level_buckets(struct bucket *buckets, size_t n)
{
	struct bucket_mending mending = { false, INFINITY, -INFINITY, 0 };
	double previous = buckets[0].count;
	for (size_t i = 1; i < n; i++) {
		double count = buckets[i].count;
		bool is_same = is_almost(previous, count);
		if (!is_same && count < previous) {
			mending.is_any = true;
			mending.upper_min = fmin(mending.upper_min, buckets[i].upper);
			mending.upper_max = fmax(mending.upper_max, buckets[i].upper);
			mending.difference_max = fmax(mending.difference_max, previous - count);
		}
		if (is_same || count < previous)
			buckets[i].count = previous;
		else
			previous = count;
	}
	return mending;
}

double bucket_quantile(double q, struct bucket *buckets, size_t n, struct bucket_mending *mending)
{
	*mending = (struct bucket_mending){ .is_any = false };
	if (isnan(q))
		return NAN;
	if (q < 0)
		return -INFINITY;
	if (q > 1)
		return INFINITY;
	qsort(buckets, n, sizeof(*buckets), compare_buckets);
	if (buckets[n - 1].upper != INFINITY)
		return NAN;
	n = merge_buckets(buckets, n);
	*mending = level_buckets(buckets, n);
	if (n < 2 || buckets[n - 1].count == 0)
		return NAN;
	double rank = q * buckets[n - 1].count;
	/* By halves, as Go's sort.Search: the same bucket even where NaN breaks the order. */
	size_t low = 0, high = n - 1;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (buckets[mid].count >= rank)
			high = mid;
		else
			low = mid + 1;
	}
	if (low == n - 1)
		return buckets[n - 2].upper;
	if (low == 0 && buckets[0].upper <= 0)
		return buckets[0].upper;
	if (low == 0)
		return buckets[0].upper * (rank / buckets[0].count);
	const struct bucket *below = &buckets[low - 1], *found = &buckets[low];
	double inside = found->count - below->count;
	return below->upper + (found->upper - below->upper) * ((rank - below->count) / inside);
}

/*
 * How many observations are at most v: within its bucket in proportion, but nothing of a bucket
 * that reaches to +Inf, and all of one that comes from -Inf.
 */
static double rank_of(double v, const struct bucket *buckets, size_t n)
{
	double rank = 0, below = buckets[0].upper <= 0 ? -INFINITY : 0;
	for (size_t i = 0; i < n; i++) {
		if (below >= v)
			return rank;
		if (buckets[i].upper > v)
			return isinf(below) ? buckets[i].count
					    : rank + (buckets[i].count - rank) * (v - below) /
							      (buckets[i].upper - below);
		rank = buckets[i].count;
		below = buckets[i].upper;
	}
	return buckets[n - 1].count;
}

double bucket_fraction(double lower, double upper, struct bucket *buckets, size_t n)
{
	qsort(buckets, n, sizeof(*buckets), compare_buckets);
	if (buckets[n - 1].upper != INFINITY)
		return NAN;
	n = merge_buckets(buckets, n);
	double count = buckets[n - 1].count;
	if (count == 0 || isnan(lower) || isnan(upper))
		return NAN;
	if (lower >= upper)
		return 0;
	double from = rank_of(lower, buckets, n), to = rank_of(upper, buckets, n);
	return ((to > count ? count : to) - (from > count ? count : from)) / count;
}
