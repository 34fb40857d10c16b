/* The oracle's functions of histograms: of elements that differ in "le" alone. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/oracle_internal.h"

struct edge {
	double upper, count;
};

static int compare_edges(const void *a, const void *b)
{
	double x = ((const struct edge *)a)->upper, y = ((const struct edge *)b)->upper;
	return x < y ? -1 : x > y;
}

/* Sorted, those of one bound added up; how many are left. */
static size_t edges_merge(struct edge *edges, size_t n)
{
	size_t kept = 0;
	qsort(edges, n, sizeof(*edges), compare_edges);
	for (size_t i = 1; i < n; i++) {
		if (edges[i].upper == edges[kept].upper)
			edges[kept].count += edges[i].count;
		else
			edges[++kept] = edges[i];
	}
	return kept + 1;
}

static bool is_same_count(double a, double b)
{
	if (a == b || (isnan(a) && isnan(b)))
		return true;
	double sum = fabs(a) + fabs(b);
	if (a == 0 || b == 0 || sum < DBL_MIN)
		return fabs(a - b) < 1e-12 * DBL_MIN;
	return fabs(a - b) / fmin(sum, DBL_MAX) < 1e-12;
}

static double histogram_quantile(double q, struct edge *edges, size_t n)
{
	if (isnan(q))
		return NAN;
	if (q < 0 || q > 1)
		return q < 0 ? -INFINITY : INFINITY;
	n = edges_merge(edges, n);
	if (edges[n - 1].upper != INFINITY)
		return NAN;
	double level = edges[0].count;
	for (size_t i = 1; i < n; i++) {
		if (edges[i].count < level || is_same_count(edges[i].count, level))
			edges[i].count = level;
		level = edges[i].count;
	}
	if (n < 2 || edges[n - 1].count == 0)
		return NAN;
	double rank = q * edges[n - 1].count;
	size_t low = 0, high = n - 1;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (edges[mid].count >= rank)
			high = mid;
		else
			low = mid + 1;
	}
	if (low == n - 1)
		return edges[n - 2].upper;
	if (low == 0 && edges[0].upper <= 0)
		return edges[0].upper;
	double from = low ? edges[low - 1].upper : 0, less = low ? edges[low - 1].count : 0;
	return from + (edges[low].upper - from) * ((rank - less) / (edges[low].count - less));
}

static bool bound_of(struct tags tags, double *upper)
{
	return number_parse_float(tags_get(tags, SLICE("le")), upper) == 0;
}

/* Observations at or below v, counted by going through the buckets. */
static double rank_of(double v, const struct edge *edges, size_t n)
{
	double from = edges[0].upper <= 0 ? -INFINITY : 0, count = 0;
	for (size_t i = 0; i < n && from < v; i++) {
		if (v < edges[i].upper) {
			double inside = (edges[i].count - count) * (v - from);
			return from == -INFINITY ? edges[i].count
						 : count + inside / (edges[i].upper - from);
		}
		count = edges[i].count;
		from = edges[i].upper;
	}
	return count;
}

static double histogram_fraction(double lower, double upper, struct edge *edges, size_t n)
{
	n = edges_merge(edges, n);
	if (edges[n - 1].upper != INFINITY)
		return NAN;
	double all = edges[n - 1].count;
	if (all == 0 || isnan(lower) || isnan(upper))
		return NAN;
	if (lower >= upper)
		return 0;
	double to = rank_of(upper, edges, n), from = rank_of(lower, edges, n);
	return ((to > all ? all : to) - (from > all ? all : from)) / all;
}

/* The histograms of a vector, each with a function of its buckets: a quantile, or a fraction. */
static struct vector of_histograms(struct oracle *o, const struct expr *vector, double a, double b,
				   bool is_fraction)
{
	struct slice le = SLICE("le");
	struct names without = { &le, 1 };
	double upper;
	struct vector in = oracle_vector(o, vector), keys = { NULL, 0 }, out = { NULL, 0 };
	for (size_t i = 0; i < in.n; i++) {
		struct tags tags = tags_without(o, in.items[i].tags, &without);
		bool seen = !bound_of(in.items[i].tags, &upper);
		for (size_t k = 0; k < keys.n && !seen; k++)
			seen = tags_compare(keys.items[k].tags, tags) == 0;
		if (!seen)
			vector_add(o, &keys, tags, 0);
	}
	struct edge *edges = oracle_alloc(o, (in.n + 1) * sizeof(*edges));
	for (size_t k = 0; k < keys.n; k++) {
		size_t n = 0;
		for (size_t i = 0; i < in.n; i++) {
			struct tags tags = tags_without(o, in.items[i].tags, &without);
			if (tags_compare(tags, keys.items[k].tags) == 0 &&
			    bound_of(in.items[i].tags, &upper))
				edges[n++] = (struct edge){ upper, in.items[i].value };
		}
		vector_add(o, &out, tags_without_name(o, keys.items[k].tags),
			   is_fraction ? histogram_fraction(a, b, edges, n)
				       : histogram_quantile(a, edges, n));
	}
	return out;
}

struct vector oracle_histogram(struct oracle *o, const struct expr *expr)
{
	struct expr *const *args = expr->call.args;
	bool is_fraction = expr->call.function->id == FN_HISTOGRAM_FRACTION;
	double a = oracle_scalar(o, args[0]), b = is_fraction ? oracle_scalar(o, args[1]) : 0;
	struct vector out = of_histograms(o, args[expr->call.nargs - 1], a, b, is_fraction);
	vector_check(o, &out);
	return out;
}

struct vector oracle_quantiles(struct oracle *o, const struct expr *expr)
{
	struct vector out = { NULL, 0 };
	struct slice target = oracle_string(expr->call.args[1]);
	if (target.len == 0 || !slice_is_utf8(target))
		oracle_fail(o, "invalid label name");
	for (uint32_t i = 2; i < expr->call.nargs; i++) {
		double q = oracle_scalar(o, expr->call.args[i]);
		char text[40];
		snprintf(text, sizeof(text), "%.15g", q + 0.0);
		if (isfinite(q) && !strpbrk(text, ".e"))
			strcat(text, ".0");
		struct slice value = slice_from(arena_strdup(&o->arena, slice_from(text)));
		struct vector of = of_histograms(o, expr->call.args[0], q, 0, false);
		for (size_t k = 0; k < of.n; k++)
			vector_add(o, &out,
				   tags_with(o, of.items[k].tags, target,
					     isnan(q) ? SLICE("NaN") : value),
				   of.items[k].value);
	}
	vector_check(o, &out);
	return out;
}
