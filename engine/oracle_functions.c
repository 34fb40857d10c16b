/* The oracle's functions: of the samples of a range, and of the elements of a vector. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/regex.h"
#include "base/text.h"
#include "engine/oracle_internal.h"

/* ---- numbers ---- */

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

/* ---- ranges ---- */

static double seconds(int64_t ms)
{
	return (double)ms / 1000;
}

/* A smaller value, or a start since the sample before: for deltas, at it. */
static bool is_reset(const struct samples *s, size_t i)
{
	if (s->values[i] < s->values[i - 1])
		return true;
	if (!s->starts || s->starts[i] == 0)
		return false;
	double start = s->starts[i], before_start = s->starts[i - 1];
	double at = (double)s->times_ms[i], before = (double)s->times_ms[i - 1];
	bool is_delta = start == before && before_start != 0 && before_start < before;
	return start < at && (start > before || is_delta);
}

/* Is the start of the counter, at 0, within the range and before the first sample? */
static bool counts_from_start(const struct oracle *o, const struct expr *call,
			      const struct expr *selector, const struct samples *s)
{
	enum function_id id = call->call.function->id;
	int64_t start_ms = oracle_range_end(o, selector) - oracle_range_ms(selector);
	return (id == FN_RATE || id == FN_INCREASE) && s->starts && s->starts[0] != 0 &&
	       s->starts[0] > (double)start_ms && s->starts[0] < (double)s->times_ms[0];
}

double oracle_rate(struct oracle *o, const struct expr *call, const struct expr *selector,
		   const struct samples *s)
{
	bool is_delta = call->call.function->id == FN_DELTA;
	int64_t end_ms = oracle_range_end(o, selector);
	int64_t start_ms = end_ms - oracle_range_ms(selector);
	size_t last = s->n - 1;
	double result = s->values[last] - s->values[0];
	for (size_t i = 1; i < s->n && !is_delta; i++)
		if (is_reset(s, i))
			result += s->values[i - 1];
	double before = seconds(s->times_ms[0] - start_ms),
	       after = seconds(end_ms - s->times_ms[last]);
	double covered = seconds(s->times_ms[last] - s->times_ms[0]);
	double step = last ? covered / (double)last : 0;
	if (before >= step * 1.1)
		before = step / 2;
	if (!is_delta && result > 0 && s->values[0] >= 0)
		before = fmin(before, covered * (s->values[0] / result));
	if (after >= step * 1.1)
		after = step / 2;
	if (counts_from_start(o, call, selector, s)) {
		result += s->values[0];
		covered = ((double)s->times_ms[last] - s->starts[0]) / 1000;
		before = 0;
	}
	double factor = (covered + before + after) / covered;
	if (call->call.function->id == FN_RATE || call->call.function->id == FN_RATE_COUNTER)
		factor /= seconds(oracle_range_ms(selector));
	return result * factor;
}

static double between_last_two(const struct samples *s, bool per_second)
{
	double before = s->values[s->n - 2], last = s->values[s->n - 1];
	if (!per_second)
		return last - before;
	double elapsed = seconds(s->times_ms[s->n - 1] - s->times_ms[s->n - 2]);
	return (is_reset(s, s->n - 1) ? last : last - before) / elapsed;
}

static double count_steps(const struct samples *s, bool only_down)
{
	size_t count = 0;
	for (size_t i = 1; i < s->n; i++) {
		double a = s->values[i - 1], b = s->values[i];
		count += only_down ? is_reset(s, i) : a != b && !(isnan(a) && isnan(b));
	}
	return (double)count;
}

static double extreme(const struct samples *s, bool greatest)
{
	double best = NAN;
	for (size_t i = 0; i < s->n; i++)
		if (isnan(best) || (greatest ? s->values[i] > best : s->values[i] < best))
			best = s->values[i];
	return best;
}

static double variance(const struct samples *s)
{
	struct precise mean = { 0, 0 }, squares = { 0, 0 };
	for (size_t i = 0; i < s->n; i++) {
		double delta = s->values[i] - (mean.sum + mean.lost);
		mean = precise_add(mean, delta / (double)(i + 1));
		squares = precise_add(squares, delta * (s->values[i] - (mean.sum + mean.lost)));
	}
	return (squares.sum + squares.lost) / (double)s->n;
}

double oracle_sum(const struct samples *s)
{
	struct precise sum = { 0, 0 };
	for (size_t i = 0; i < s->n; i++)
		sum = precise_add(sum, s->values[i]);
	return isinf(sum.sum) ? sum.sum : sum.sum + sum.lost;
}

/* The line of least squares; x in seconds from zero_ms. */
static void fit(const struct samples *s, int64_t zero_ms, double *slope, double *intercept)
{
	struct precise x = { 0, 0 }, y = { 0, 0 }, xy = { 0, 0 }, xx = { 0, 0 };
	double n = (double)s->n;
	bool differs = false;
	for (size_t i = 0; i < s->n; i++) {
		double at = (double)(s->times_ms[i] - zero_ms) / 1e3;
		differs |= i > 0 && s->values[i] != s->values[0];
		x = precise_add(x, at);
		y = precise_add(y, s->values[i]);
		xy = precise_add(xy, at * s->values[i]);
		xx = precise_add(xx, at * at);
	}
	if (!differs) {
		*slope = isinf(s->values[0]) ? NAN : 0;
		*intercept = isinf(s->values[0]) ? NAN : s->values[0];
		return;
	}
	double sx = x.sum + x.lost, sy = y.sum + y.lost, sxy = xy.sum + xy.lost,
	       sxx = xx.sum + xx.lost;
	*slope = (sxy - sx * sy / n) / (sxx - sx * sx / n);
	*intercept = sy / n - *slope * sx / n;
}

static double median_distance(struct oracle *o, const struct samples *s)
{
	double median = oracle_quantile(o, 0.5, s->values, s->n);
	double *distances = oracle_alloc(o, s->n * sizeof(*distances));
	for (size_t i = 0; i < s->n; i++) {
		if (isnan(s->values[i]))
			return NAN;
		distances[i] = fabs(s->values[i] - median);
	}
	return oracle_quantile(o, 0.5, distances, s->n);
}

/* Of the newest sample that has the extreme value. */
static double time_of_extreme(const struct samples *s, bool greatest)
{
	double best = extreme(s, greatest);
	size_t at = s->n - 1;
	while (isnan(best) ? !isnan(s->values[at]) : s->values[at] != best)
		at--;
	return seconds(s->times_ms[at]);
}

/* With a sign before an infinity. */
static void fail_factor(struct oracle *o, const char *name, const char *symbol, double factor)
{
	char text[320];
	snprintf(text, sizeof(text), "%+f", factor);
	text[1] = isinf(factor) ? 'I' : text[1];
	oracle_fail(o, "invalid %s factor. Expected: 0 < %s < 1, got: %s", name, symbol,
		    isinf(factor) || factor < 0 ? text : text + 1);
}

static bool smoothing(struct oracle *o, const struct samples *s, double factor, double trend_factor,
		      double *out)
{
	if (factor <= 0 || factor >= 1)
		fail_factor(o, "smoothing", "sf", factor);
	if (trend_factor <= 0 || trend_factor >= 1)
		fail_factor(o, "trend", "tf", trend_factor);
	if (s->n < 2)
		return false;
	double smooth = s->values[0], older = 0, trend = s->values[1] - s->values[0];
	for (size_t i = 1; i < s->n; i++) {
		if (i > 1)
			trend = trend_factor * (smooth - older) + (1 - trend_factor) * trend;
		older = smooth;
		smooth = factor * s->values[i] + (1 - factor) * (older + trend);
	}
	*out = smooth;
	return true;
}

bool oracle_range(struct oracle *o, const struct expr *call, const struct expr *selector,
		  const struct samples *s, const double *arguments, double *out)
{
	double slope, intercept;
	switch (call->call.function->id) {
	case FN_RATE:
	case FN_INCREASE:
	case FN_DELTA:
		if (s->n < 2 && !counts_from_start(o, call, selector, s))
			return false;
		*out = oracle_rate(o, call, selector, s);
		return true;
	case FN_IRATE:
	case FN_IDELTA:
		if (s->n >= 2)
			*out = between_last_two(s, call->call.function->id == FN_IRATE);
		return s->n >= 2;
	case FN_CHANGES:
	case FN_RESETS:
		*out = count_steps(s, call->call.function->id == FN_RESETS);
		return true;
	case FN_AVG_OVER_TIME:
		*out = oracle_mean(s->values, s->n);
		return true;
	case FN_SUM_OVER_TIME:
		*out = oracle_sum(s);
		return true;
	case FN_MIN_OVER_TIME:
	case FN_MAX_OVER_TIME:
		*out = extreme(s, call->call.function->id == FN_MAX_OVER_TIME);
		return true;
	case FN_COUNT_OVER_TIME:
		*out = (double)s->n;
		return true;
	case FN_LAST_OVER_TIME:
		*out = s->values[s->n - 1];
		return true;
	case FN_FIRST_OVER_TIME:
		*out = s->values[0];
		return true;
	case FN_STDDEV_OVER_TIME:
		*out = sqrt(variance(s));
		return true;
	case FN_STDVAR_OVER_TIME:
		*out = variance(s);
		return true;
	case FN_QUANTILE_OVER_TIME:
		*out = oracle_quantile(o, arguments[0], s->values, s->n);
		return true;
	case FN_PRESENT_OVER_TIME:
		*out = 1;
		return true;
	case FN_MAD_OVER_TIME:
		*out = median_distance(o, s);
		return true;
	case FN_TS_OF_FIRST_OVER_TIME:
		*out = seconds(s->times_ms[0]);
		return true;
	case FN_TS_OF_LAST_OVER_TIME:
		*out = seconds(s->times_ms[s->n - 1]);
		return true;
	case FN_TS_OF_MIN_OVER_TIME:
	case FN_TS_OF_MAX_OVER_TIME:
		*out = time_of_extreme(s, call->call.function->id == FN_TS_OF_MAX_OVER_TIME);
		return true;
	case FN_DOUBLE_EXPONENTIAL_SMOOTHING:
		return smoothing(o, s, arguments[0], arguments[1], out);
	case FN_DERIV:
		if (s->n >= 2)
			fit(s, s->times_ms[0], out, &intercept);
		return s->n >= 2;
	case FN_PREDICT_LINEAR:
		if (s->n < 2)
			return false;
		fit(s, o->t_ms, &slope, &intercept);
		*out = slope * arguments[0] + intercept;
		return true;
	default:
		oracle_fail(o, "unknown range function");
	}
}

/* ---- elements ---- */

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

static double element_function(struct oracle *o, enum function_id id, double v, const double *args)
{
	switch (id) {
	case FN_ABS:
		return fabs(v);
	case FN_CEIL:
		return ceil(v);
	case FN_FLOOR:
		return floor(v);
	case FN_EXP:
		return exp(v);
	case FN_LN:
		return log(v);
	case FN_LOG2:
		return log2(v);
	case FN_LOG10:
		return log10(v);
	case FN_SQRT:
		return sqrt(v);
	case FN_SGN:
		return v < 0 ? -1 : v > 0 ? 1 : v;
	case FN_SIN:
		return sin(v);
	case FN_COS:
		return cos(v);
	case FN_TAN:
		return tan(v);
	case FN_ASIN:
		return asin(v);
	case FN_ACOS:
		return acos(v);
	case FN_ATAN:
		return atan(v);
	case FN_SINH:
		return sinh(v);
	case FN_COSH:
		return cosh(v);
	case FN_TANH:
		return tanh(v);
	case FN_ASINH:
		return asinh(v);
	case FN_ACOSH:
		return acosh(v);
	case FN_ATANH:
		return atanh(v);
	case FN_DEG:
		return v * 180 / M_PI;
	case FN_RAD:
		return v * M_PI / 180;
	case FN_MINUTE:
	case FN_HOUR:
	case FN_DAY_OF_WEEK:
	case FN_DAY_OF_MONTH:
	case FN_DAY_OF_YEAR:
	case FN_DAYS_IN_MONTH:
	case FN_MONTH:
	case FN_YEAR:
		return oracle_calendar(id, v);
	case FN_ROUND:
		return floor(v * (1.0 / args[0]) + 0.5) / (1.0 / args[0]);
	case FN_CLAMP:
		return oracle_max(args[0], oracle_min(args[1], v));
	case FN_CLAMP_MIN:
		return oracle_max(args[0], oracle_min(INFINITY, v));
	case FN_CLAMP_MAX:
		return oracle_max(-INFINITY, oracle_min(args[0], v));
	default:
		oracle_fail(o, "unknown function");
	}
}

static struct vector map_elements(struct oracle *o, const struct expr *expr)
{
	double args[2] = { 1, 0 };
	enum function_id id = expr->call.function->id;
	struct vector out = { NULL, 0 };
	if (expr->call.nargs)
		out = oracle_vector(o, expr->call.args[0]);
	else /* hour(): of the time */
		vector_add(o, &out, (struct tags){ NULL, 0 }, seconds(o->t_ms));
	for (uint32_t i = 1; i < expr->call.nargs; i++)
		args[i - 1] = oracle_scalar(o, expr->call.args[i]);
	if (id == FN_CLAMP && args[1] < args[0])
		out.n = 0;
	for (size_t i = 0; i < out.n; i++) {
		out.items[i].tags = tags_without_name(o, out.items[i].tags);
		out.items[i].value = element_function(o, id, out.items[i].value, args);
	}
	vector_check(o, &out);
	return out;
}

/* ---- labels ---- */

static struct slice string_of(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN)
		expr = expr->unary.operand;
	return expr->string;
}

static void check_name(struct oracle *o, const char *function, const char *which, struct slice name)
{
	if (name.len == 0 || !slice_is_utf8(name))
		oracle_fail(o, "invalid %s label name in %s(): " SLICE_FMT, which, function,
			    SLICE_ARG(name));
}

static struct vector label_replace(struct oracle *o, const struct expr *expr)
{
	struct slice target = string_of(expr->call.args[1]),
		     template = string_of(expr->call.args[2]);
	struct slice source = string_of(expr->call.args[3]),
		     pattern = string_of(expr->call.args[4]);
	char *why = NULL;
	size_t offset;
	struct regex *regex = NULL;
	int err = regex_new(pattern, &regex, &why, &offset);
	free(why);
	if (err)
		oracle_fail(o, "invalid regular expression in label_replace(): " SLICE_FMT,
			    SLICE_ARG(pattern));
	regex_free(regex);
	check_name(o, "label_replace", "destination", target);
	struct vector out = oracle_vector(o, expr->call.args[0]);
	if (regex_new(pattern, &o->regex, &why, &offset))
		oracle_fail(o, "invalid regular expression");
	for (size_t i = 0; i < out.n; i++) {
		struct buf value;
		buf_init(&value);
		if (regex_expand(o->regex, tags_get(out.items[i].tags, source), template, &value) >
		    0) {
			char *copy = arena_strdup(&o->arena, buf_slice(&value));
			if (copy)
				out.items[i].tags =
					tags_with(o, out.items[i].tags, target, slice_from(copy));
		}
		buf_fini(&value);
	}
	regex_free(o->regex);
	o->regex = NULL;
	vector_check(o, &out);
	return out;
}

static struct vector label_join(struct oracle *o, const struct expr *expr)
{
	struct slice target = string_of(expr->call.args[1]),
		     separator = string_of(expr->call.args[2]);
	for (uint32_t i = 3; i < expr->call.nargs; i++)
		check_name(o, "label_join", "source", string_of(expr->call.args[i]));
	check_name(o, "label_join", "destination", target);
	struct vector out = oracle_vector(o, expr->call.args[0]);
	for (size_t e = 0; e < out.n; e++) {
		struct slice value = { "", 0 };
		for (uint32_t i = 3; i < expr->call.nargs; i++) {
			struct slice part =
				tags_get(out.items[e].tags, string_of(expr->call.args[i]));
			char *joined = arena_printf(
				&o->arena, SLICE_FMT SLICE_FMT SLICE_FMT, SLICE_ARG(value),
				i > 3 ? (int)separator.len : 0, separator.ptr, SLICE_ARG(part));
			value = slice_from(joined);
		}
		out.items[e].tags = tags_with(o, out.items[e].tags, target, value);
	}
	vector_check(o, &out);
	return out;
}

/* ---- histograms ---- */

struct edge {
	double upper, count;
};

static int compare_edges(const void *a, const void *b)
{
	double x = ((const struct edge *)a)->upper, y = ((const struct edge *)b)->upper;
	return x < y ? -1 : x > y;
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
	qsort(edges, n, sizeof(*edges), compare_edges);
	if (edges[n - 1].upper != INFINITY)
		return NAN;
	size_t kept = 0;
	for (size_t i = 1; i < n; i++) {
		if (edges[i].upper == edges[kept].upper)
			edges[kept].count += edges[i].count;
		else
			edges[++kept] = edges[i];
	}
	n = kept + 1;
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
	size_t kept = 0;
	qsort(edges, n, sizeof(*edges), compare_edges);
	if (edges[n - 1].upper != INFINITY)
		return NAN;
	for (size_t i = 1; i < n; i++) {
		if (edges[i].upper == edges[kept].upper)
			edges[kept].count += edges[i].count;
		else
			edges[++kept] = edges[i];
	}
	double all = edges[kept].count;
	if (all == 0 || isnan(lower) || isnan(upper))
		return NAN;
	if (lower >= upper)
		return 0;
	double to = rank_of(upper, edges, kept + 1), from = rank_of(lower, edges, kept + 1);
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

static struct vector call_histogram(struct oracle *o, const struct expr *expr)
{
	struct expr *const *args = expr->call.args;
	bool is_fraction = expr->call.function->id == FN_HISTOGRAM_FRACTION;
	double a = oracle_scalar(o, args[0]), b = is_fraction ? oracle_scalar(o, args[1]) : 0;
	struct vector out = of_histograms(o, args[expr->call.nargs - 1], a, b, is_fraction);
	vector_check(o, &out);
	return out;
}

static struct vector call_quantiles(struct oracle *o, const struct expr *expr)
{
	struct vector out = { NULL, 0 };
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
				   tags_with(o, of.items[k].tags, string_of(expr->call.args[1]),
					     isnan(q) ? SLICE("NaN") : value),
				   of.items[k].value);
	}
	vector_check(o, &out);
	return out;
}

struct vector oracle_call(struct oracle *o, const struct expr *expr)
{
	switch (expr->call.function->id) {
	case FN_LABEL_REPLACE:
		return label_replace(o, expr);
	case FN_LABEL_JOIN:
		return label_join(o, expr);
	case FN_HISTOGRAM_QUANTILE:
	case FN_HISTOGRAM_FRACTION:
		return call_histogram(o, expr);
	case FN_HISTOGRAM_QUANTILES:
		return call_quantiles(o, expr);
	case FN_HISTOGRAM_AVG:
	case FN_HISTOGRAM_COUNT:
	case FN_HISTOGRAM_SUM:
	case FN_HISTOGRAM_STDDEV:
	case FN_HISTOGRAM_STDVAR: {
		struct vector none = oracle_vector(o, expr->call.args[0]);
		none.n = 0;
		return none;
	}
	case FN_INFO:
		return oracle_info(o, expr);
	case FN_SORT:
	case FN_SORT_DESC:
	case FN_SORT_BY_LABEL:
	case FN_SORT_BY_LABEL_DESC:
		return oracle_vector(o, expr->call.args[0]);
	default:
		return map_elements(o, expr);
	}
}
