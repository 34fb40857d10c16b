/* The oracle's functions of the samples of one series within a range. */
#include <math.h>
#include <stdio.h>

#include "engine/oracle_internal.h"

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
static bool counts_from_start(const struct range_call *c)
{
	enum function_id id = c->call->call.function->id;
	const struct samples *s = c->samples;
	int64_t start_ms = oracle_range_end(c->oracle, c->range) - oracle_range_ms(c->range);
	return (id == FN_RATE || id == FN_INCREASE) && s->starts && s->starts[0] != 0 &&
	       s->starts[0] > (double)start_ms && s->starts[0] < (double)s->times_ms[0];
}

double oracle_rate(const struct range_call *c)
{
	enum function_id id = c->call->call.function->id;
	const struct samples *s = c->samples;
	bool is_delta = id == FN_DELTA;
	int64_t end_ms = oracle_range_end(c->oracle, c->range);
	int64_t start_ms = end_ms - oracle_range_ms(c->range);
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
	if (counts_from_start(c)) {
		result += s->values[0];
		covered = ((double)s->times_ms[last] - s->starts[0]) / 1000;
		before = 0;
	}
	double factor = (covered + before + after) / covered;
	if (id == FN_RATE || id == FN_RATE_COUNTER)
		factor /= seconds(oracle_range_ms(c->range));
	return result * factor;
}

static double difference(const struct range_call *c)
{
	const struct samples *s = c->samples;
	return s->values[s->n - 1] - s->values[s->n - 2];
}

static double difference_per_second(const struct range_call *c)
{
	const struct samples *s = c->samples;
	double elapsed = seconds(s->times_ms[s->n - 1] - s->times_ms[s->n - 2]);
	return (is_reset(s, s->n - 1) ? s->values[s->n - 1] : difference(c)) / elapsed;
}

static double changes(const struct range_call *c)
{
	size_t count = 0;
	for (size_t i = 1; i < c->samples->n; i++) {
		double a = c->samples->values[i - 1], b = c->samples->values[i];
		count += a != b && !(isnan(a) && isnan(b));
	}
	return (double)count;
}

static double resets(const struct range_call *c)
{
	size_t count = 0;
	for (size_t i = 1; i < c->samples->n; i++)
		count += is_reset(c->samples, i);
	return (double)count;
}

static double mean(const struct range_call *c)
{
	return oracle_mean(c->samples->values, c->samples->n);
}

static double least(const struct range_call *c)
{
	const double *values = c->samples->values;
	double best = NAN;
	for (size_t i = 0; i < c->samples->n; i++)
		best = isnan(best) || values[i] < best ? values[i] : best;
	return best;
}

static double greatest(const struct range_call *c)
{
	const double *values = c->samples->values;
	double best = NAN;
	for (size_t i = 0; i < c->samples->n; i++)
		best = isnan(best) || values[i] > best ? values[i] : best;
	return best;
}

static double first(const struct range_call *c)
{
	return c->samples->values[0];
}

static double last(const struct range_call *c)
{
	return c->samples->values[c->samples->n - 1];
}

static double count(const struct range_call *c)
{
	return (double)c->samples->n;
}

static double one(const struct range_call *c)
{
	(void)c;
	return 1;
}

static double variance(const struct range_call *c)
{
	const struct samples *s = c->samples;
	struct precise middle = { 0, 0 }, squares = { 0, 0 };
	for (size_t i = 0; i < s->n; i++) {
		double delta = s->values[i] - (middle.sum + middle.lost);
		middle = precise_add(middle, delta / (double)(i + 1));
		squares = precise_add(squares, delta * (s->values[i] - (middle.sum + middle.lost)));
	}
	return (squares.sum + squares.lost) / (double)s->n;
}

static double deviation(const struct range_call *c)
{
	return sqrt(variance(c));
}

double oracle_sum(const struct samples *s)
{
	struct precise sum = { 0, 0 };
	for (size_t i = 0; i < s->n; i++)
		sum = precise_add(sum, s->values[i]);
	return isinf(sum.sum) ? sum.sum : sum.sum + sum.lost;
}

static double sum_of_samples(const struct range_call *c)
{
	return oracle_sum(c->samples);
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

static double slope(const struct range_call *c)
{
	double per_second, intercept;
	fit(c->samples, c->samples->times_ms[0], &per_second, &intercept);
	return per_second;
}

static double predict(const struct range_call *c)
{
	double per_second, now;
	fit(c->samples, c->oracle->t_ms, &per_second, &now);
	return per_second * c->arguments[0] + now;
}

static double quantile(const struct range_call *c)
{
	return oracle_quantile(c->oracle, c->arguments[0], c->samples->values, c->samples->n);
}

static double median_distance(const struct range_call *c)
{
	const struct samples *s = c->samples;
	double median = oracle_quantile(c->oracle, 0.5, s->values, s->n);
	double *distances = oracle_alloc(c->oracle, s->n * sizeof(*distances));
	for (size_t i = 0; i < s->n; i++) {
		if (isnan(s->values[i]))
			return NAN;
		distances[i] = fabs(s->values[i] - median);
	}
	return oracle_quantile(c->oracle, 0.5, distances, s->n);
}

static double time_of_first(const struct range_call *c)
{
	return seconds(c->samples->times_ms[0]);
}

static double time_of_last(const struct range_call *c)
{
	return seconds(c->samples->times_ms[c->samples->n - 1]);
}

/* Of the newest sample that has the value. */
static double time_of(const struct samples *s, double value)
{
	size_t at = s->n - 1;
	while (isnan(value) ? !isnan(s->values[at]) : s->values[at] != value)
		at--;
	return seconds(s->times_ms[at]);
}

static double time_of_least(const struct range_call *c)
{
	return time_of(c->samples, least(c));
}

static double time_of_greatest(const struct range_call *c)
{
	return time_of(c->samples, greatest(c));
}

/* With a sign before an infinity. */
static void check_factor(struct oracle *o, const char *name, const char *symbol, double factor)
{
	if (!(factor <= 0 || factor >= 1))
		return;
	char text[320];
	snprintf(text, sizeof(text), "%+f", factor);
	text[1] = isinf(factor) ? 'I' : text[1];
	oracle_fail(o, "invalid %s factor. Expected: 0 < %s < 1, got: %s", name, symbol,
		    isinf(factor) || factor < 0 ? text : text + 1);
}

static void check_factors(const struct range_call *c)
{
	check_factor(c->oracle, "smoothing", "sf", c->arguments[0]);
	check_factor(c->oracle, "trend", "tf", c->arguments[1]);
}

static double smoothed(const struct range_call *c)
{
	const double *values = c->samples->values;
	double factor = c->arguments[0], trend_factor = c->arguments[1];
	double smooth = values[0], older = 0, trend = values[1] - values[0];
	for (size_t i = 1; i < c->samples->n; i++) {
		if (i > 1)
			trend = trend_factor * (smooth - older) + (1 - trend_factor) * trend;
		older = smooth;
		smooth = factor * values[i] + (1 - factor) * (older + trend);
	}
	return smooth;
}

/* ---- which function is which ---- */

struct samples_function {
	double (*value)(const struct range_call *c);
	size_t needs; /* so many samples, or there is no value */
	/* Fails because of the arguments, however few samples there are. */
	void (*check)(const struct range_call *c);
};

static const struct samples_function samples_functions[FUNCTION_COUNT] = {
	[FN_RATE] = { oracle_rate, 2 },
	[FN_INCREASE] = { oracle_rate, 2 },
	[FN_DELTA] = { oracle_rate, 2 },
	[FN_IRATE] = { difference_per_second, 2 },
	[FN_IDELTA] = { difference, 2 },
	[FN_CHANGES] = { changes, 1 },
	[FN_RESETS] = { resets, 1 },
	[FN_AVG_OVER_TIME] = { mean, 1 },
	[FN_SUM_OVER_TIME] = { sum_of_samples, 1 },
	[FN_MIN_OVER_TIME] = { least, 1 },
	[FN_MAX_OVER_TIME] = { greatest, 1 },
	[FN_COUNT_OVER_TIME] = { count, 1 },
	[FN_LAST_OVER_TIME] = { last, 1 },
	[FN_FIRST_OVER_TIME] = { first, 1 },
	[FN_STDDEV_OVER_TIME] = { deviation, 1 },
	[FN_STDVAR_OVER_TIME] = { variance, 1 },
	[FN_QUANTILE_OVER_TIME] = { quantile, 1 },
	[FN_PRESENT_OVER_TIME] = { one, 1 },
	[FN_MAD_OVER_TIME] = { median_distance, 1 },
	[FN_TS_OF_FIRST_OVER_TIME] = { time_of_first, 1 },
	[FN_TS_OF_LAST_OVER_TIME] = { time_of_last, 1 },
	[FN_TS_OF_MIN_OVER_TIME] = { time_of_least, 1 },
	[FN_TS_OF_MAX_OVER_TIME] = { time_of_greatest, 1 },
	[FN_DOUBLE_EXPONENTIAL_SMOOTHING] = { smoothed, 2, check_factors },
	[FN_DERIV] = { slope, 2 },
	[FN_PREDICT_LINEAR] = { predict, 2 },
};

bool oracle_range(const struct range_call *c, double *out)
{
	const struct samples_function *function = &samples_functions[c->call->call.function->id];
	if (!function->value)
		oracle_fail(c->oracle, "unknown range function");
	if (function->check)
		function->check(c);
	if (c->samples->n < function->needs && !counts_from_start(c))
		return false;
	*out = function->value(c);
	return true;
}
