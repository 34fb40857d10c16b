#include "engine/range_functions.h"

#include <stdio.h>

#include "engine/numeric.h"

/* ---- counters and differences, extrapolated to the edges of the range ---- */

static double time_at(const struct range *r, size_t i)
{
	return (double)(r->base_ms + r->offsets[i]);
}

/*
 * Did the counter begin anew between a sample and the one before, as its start time tells? Where it
 * starts with the sample before, that one has to have a start of its own as well: else the first of
 * a counter whose start is unknown would be taken for a delta.
 */
static bool range_starts_anew(const struct range *r, size_t i)
{
	if (!r->starts)
		return false;
	double start = r->starts[i], before = time_at(r, i - 1), before_start = r->starts[i - 1];
	if (start == 0 || start >= time_at(r, i))
		return false;
	return start > before || (start == before && before_start != 0 && before_start < before);
}

bool range_starts_overlap(const struct range *r)
{
	for (size_t i = 1; r->starts && i < r->n; i++)
		if (r->starts[i] != 0 && r->starts[i] < time_at(r, i - 1) &&
		    r->starts[i] != r->starts[i - 1])
			return true;
	return false;
}

/* What the resets took away: after each, the counter began again at 0. */
static double reset_correction(const struct range *r, double result)
{
	/* Apart, for this is the loop that most rules run. */
	for (size_t i = 1; i < r->n && !r->starts; i++)
		if (r->values[i] < r->values[i - 1])
			result += r->values[i - 1];
	for (size_t i = 1; i < r->n && r->starts; i++)
		if (r->values[i] < r->values[i - 1] || range_starts_anew(r, i))
			result += r->values[i - 1];
	return result;
}

static struct range_ends ends_of(const struct range *r)
{
	size_t last = r->n - 1;
	return (struct range_ends){
		.first = r->values[0],
		.last = r->values[last],
		.first_ms = r->base_ms + r->offsets[0],
		.last_ms = r->base_ms + r->offsets[last],
		.n = r->n,
	};
}

/* What an extrapolation counts with, in milliseconds: of one range, or of several side by side. */
struct span {
	double to_start, to_end, sampled, intervals;
	double first, result;
};

/*
 * The difference between first and last sample, extended to the edges of the range: all the way to
 * an edge that is nearer than 1.1 times the mean distance of samples, else by half of that; and,
 * for a counter, not beyond where it was 0. result: that difference, corrected. There is no branch
 * in it, so that several go side by side.
 */
static inline __attribute__((always_inline)) double
extended(const struct span *span, double range_s, bool is_counter, bool is_rate)
{
	double to_start = span->to_start / 1000, to_end = span->to_end / 1000;
	double sampled = span->sampled / 1000;
	double average = sampled / span->intervals, threshold = average * 1.1, half = average / 2;
	to_start = to_start >= threshold ? half : to_start;
	to_end = to_end >= threshold ? half : to_end;
	if (is_counter) {
		double to_zero = sampled * (span->first / span->result);
		bool is_nearer = (span->result > 0) & (span->first >= 0) & (to_zero < to_start);
		to_start = is_nearer ? to_zero : to_start;
	}
	double factor = (sampled + to_start + to_end) / sampled;
	if (is_rate)
		factor /= range_s;
	return span->result * factor;
}

static inline struct span span_of(const struct range *r, const struct range_ends *ends,
				  double result)
{
	return (struct span){
		.to_start = (double)(ends->first_ms - r->start_ms),
		.to_end = (double)(r->end_ms - ends->last_ms),
		.sampled = (double)(ends->last_ms - ends->first_ms),
		.intervals = (double)(ends->n - 1),
		.first = ends->first,
		.result = result,
	};
}

static inline bool extrapolate(const struct range *r, const struct range_ends *ends, double result,
			       bool is_counter, bool is_rate, double *out)
{
	if (ends->n < 2)
		return false;
	struct span span = span_of(r, ends, result);
	*out = extended(&span, r->range_s, is_counter, is_rate);
	return true;
}

static inline bool extrapolate_counter(const struct range *r, bool is_rate, double *out)
{
	struct range_ends ends = ends_of(r);
	return extrapolate(r, &ends, reset_correction(r, ends.last - ends.first), true, is_rate,
			   out);
}

/*
 * A counter that is known to have started at 0 within the range, before its first sample: there is
 * nothing to extend to the left, and one sample will do.
 */
static bool from_start(const struct range *r, bool is_rate, double *out)
{
	size_t last = r->n - 1;
	double first_ms = time_at(r, 0), last_ms = time_at(r, last);
	double sampled = (last_ms - r->starts[0]) / 1000;
	double to_end = ((double)r->end_ms - last_ms) / 1000;
	double average = last ? (last_ms - first_ms) / 1000 / (double)last : 0;
	double result = reset_correction(r, r->values[last] - r->values[0]) + r->values[0];
	if (to_end >= average * 1.1)
		to_end = average / 2;
	double factor = (sampled + to_end) / sampled;
	if (is_rate)
		factor /= r->range_s;
	*out = result * factor;
	return true;
}

static bool has_start_within(const struct range *r)
{
	return r->starts && r->starts[0] != 0 && r->starts[0] > (double)r->start_ms &&
	       r->starts[0] < time_at(r, 0);
}

static bool eval_rate(const struct range *r, double *out)
{
	if (has_start_within(r))
		return from_start(r, true, out);
	return extrapolate_counter(r, true, out);
}

static bool eval_increase(const struct range *r, double *out)
{
	if (has_start_within(r))
		return from_start(r, false, out);
	return extrapolate_counter(r, false, out);
}

static bool eval_delta(const struct range *r, double *out)
{
	struct range_ends ends = ends_of(r);
	return extrapolate(r, &ends, ends.last - ends.first, false, false, out);
}

typedef bool ends_function(const struct range *r, const struct range_ends *ends, double *out);

/* Inlined with the function, of each row of the block. */
static inline __attribute__((always_inline)) uint64_t
of_each(const struct range *r, const struct range_block *block, double *out, ends_function *one)
{
	uint64_t present = 0;
	for (uint32_t i = 0; i < block->n; i++)
		present |= (uint64_t)one(r, &block->ends[i], &out[block->rows[i]])
			   << block->rows[i];
	return present;
}

#define OF_ENDS(name)                                                                              \
	static uint64_t name(const struct range *r, const struct range_block *block, double *out)  \
	{                                                                                          \
		return of_each(r, block, out, name##_of_row);                                      \
	}

/* Ranges whose divisions, which is what an extrapolation takes, go side by side. */
#define LANES 8
_Static_assert(RANGE_BLOCK_ROWS % LANES == 0, "a block is whole lanes");

/* The spans of a block: their members apart. */
struct spans {
	double to_start[RANGE_BLOCK_ROWS], to_end[RANGE_BLOCK_ROWS];
	double sampled[RANGE_BLOCK_ROWS], intervals[RANGE_BLOCK_ROWS];
	double first[RANGE_BLOCK_ROWS], result[RANGE_BLOCK_ROWS];
};

/* Of the rows that are there, and of as many more as fill the last lanes. */
static inline __attribute__((always_inline)) void
spans_fill(struct spans *spans, const struct range *r, const struct range_block *block)
{
	for (uint32_t i = 0; i < block->n; i++) {
		const struct range_ends *ends = &block->ends[i];
		struct span span = span_of(r, ends, ends->last - ends->first);
		spans->to_start[i] = span.to_start;
		spans->to_end[i] = span.to_end;
		spans->sampled[i] = span.sampled;
		spans->intervals[i] = span.intervals;
		spans->first[i] = span.first;
		spans->result[i] = span.result;
	}
	for (uint32_t i = block->n; i % LANES; i++)
		spans->to_start[i] = spans->to_end[i] = spans->sampled[i] = spans->intervals[i] =
			spans->first[i] = spans->result[i] = 1;
}

/* From the at-th on: nothing but doubles, or the compiler takes them one by one. */
static inline __attribute__((always_inline)) void extend_lanes(const struct spans *spans, size_t at,
							       double range_s, bool is_counter,
							       bool is_rate, double *values)
{
	for (size_t i = 0; i < LANES; i++) {
		struct span span = { spans->to_start[at + i], spans->to_end[at + i],
				     spans->sampled[at + i],  spans->intervals[at + i],
				     spans->first[at + i],    spans->result[at + i] };
		values[at + i] = extended(&span, range_s, is_counter, is_rate);
	}
}

/* The same of values that never fall. */
static inline __attribute__((always_inline)) uint64_t
extrapolate_block(const struct range *r, const struct range_block *block, bool is_counter,
		  bool is_rate, double *out)
{
	struct spans spans;
	double values[RANGE_BLOCK_ROWS];
	uint64_t present = 0;
	spans_fill(&spans, r, block);
	for (uint32_t at = 0; at < block->n; at += LANES)
		extend_lanes(&spans, at, r->range_s, is_counter, is_rate, values);
	for (uint32_t i = 0; i < block->n; i++) {
		out[block->rows[i]] = values[i];
		present |= (uint64_t)(block->ends[i].n > 1) << block->rows[i];
	}
	return present;
}

static uint64_t ends_rate(const struct range *r, const struct range_block *block, double *out)
{
	return extrapolate_block(r, block, true, true, out);
}

static uint64_t ends_increase(const struct range *r, const struct range_block *block, double *out)
{
	return extrapolate_block(r, block, true, false, out);
}

static uint64_t ends_delta(const struct range *r, const struct range_block *block, double *out)
{
	return extrapolate_block(r, block, false, false, out);
}

static bool eval_irate(const struct range *r, double *out)
{
	if (r->n < 2)
		return false;
	double before = r->values[r->n - 2], last = r->values[r->n - 1];
	double elapsed_s = (double)(r->offsets[r->n - 1] - r->offsets[r->n - 2]) / 1000;
	bool is_reset = last < before || range_starts_anew(r, r->n - 1);
	*out = (is_reset ? last : last - before) / elapsed_s;
	return true;
}

static bool eval_idelta(const struct range *r, double *out)
{
	if (r->n < 2)
		return false;
	*out = r->values[r->n - 1] - r->values[r->n - 2];
	return true;
}

static bool eval_changes(const struct range *r, double *out)
{
	size_t count = 0;
	for (size_t i = 1; i < r->n; i++) {
		double before = r->values[i - 1], value = r->values[i];
		count += value != before && !(isnan(value) && isnan(before));
	}
	*out = (double)count;
	return true;
}

static bool eval_resets(const struct range *r, double *out)
{
	size_t count = 0;
	for (size_t i = 1; i < r->n; i++)
		count += r->values[i] < r->values[i - 1] || range_starts_anew(r, i);
	*out = (double)count;
	return true;
}

static inline bool ends_resets_of_row(const struct range *r, const struct range_ends *ends,
				      double *out)
{
	*out = 0;
	return true;
}
OF_ENDS(ends_resets)

/* ---- over time ---- */

static bool eval_sum(const struct range *r, double *out)
{
	double sum = 0, c = 0;
	for (size_t i = 0; i < r->n; i++)
		kahan_add(r->values[i], &sum, &c);
	*out = isinf(sum) ? sum : sum + c;
	return true;
}

static bool eval_avg(const struct range *r, double *out)
{
	struct mean mean = { .count = 0 };
	for (size_t i = 0; i < r->n; i++)
		mean_add(&mean, r->values[i]);
	*out = mean_value(&mean);
	return true;
}

static bool eval_min(const struct range *r, double *out)
{
	double least = r->values[0];
	for (size_t i = 1; i < r->n; i++)
		if (r->values[i] < least || isnan(least))
			least = r->values[i];
	*out = least;
	return true;
}

static bool eval_max(const struct range *r, double *out)
{
	double greatest = r->values[0];
	for (size_t i = 1; i < r->n; i++)
		if (r->values[i] > greatest || isnan(greatest))
			greatest = r->values[i];
	*out = greatest;
	return true;
}

static bool eval_count(const struct range *r, double *out)
{
	*out = (double)r->n;
	return true;
}

static bool eval_first(const struct range *r, double *out)
{
	*out = r->values[0];
	return true;
}

static bool eval_last(const struct range *r, double *out)
{
	*out = r->values[r->n - 1];
	return true;
}

static inline bool ends_count_of_row(const struct range *r, const struct range_ends *ends,
				     double *out)
{
	*out = (double)ends->n;
	return true;
}
OF_ENDS(ends_count)

static inline bool ends_last_of_row(const struct range *r, const struct range_ends *ends,
				    double *out)
{
	*out = ends->last;
	return true;
}
OF_ENDS(ends_last)

static bool eval_present(const struct range *r, double *out)
{
	*out = 1;
	return true;
}

/* Welford's recurrence, mean and sum of squares both compensated. */
static bool eval_stdvar(const struct range *r, double *out)
{
	double mean = 0, mean_c = 0, squares = 0, squares_c = 0;
	for (size_t i = 0; i < r->n; i++) {
		double delta = r->values[i] - (mean + mean_c);
		kahan_add(delta / (double)(i + 1), &mean, &mean_c);
		kahan_add(delta * (r->values[i] - (mean + mean_c)), &squares, &squares_c);
	}
	*out = (squares + squares_c) / (double)r->n;
	return true;
}

static bool eval_stddev(const struct range *r, double *out)
{
	eval_stdvar(r, out);
	*out = sqrt(*out);
	return true;
}

static bool eval_quantile(const struct range *r, double *out)
{
	memcpy(r->scratch, r->values, r->n * sizeof(*r->scratch));
	*out = quantile_of(r->arguments[0], r->scratch, r->n);
	return true;
}

/* The median distance from the median. */
static bool eval_mad(const struct range *r, double *out)
{
	*out = NAN;
	for (size_t i = 0; i < r->n; i++)
		if (isnan(r->values[i]))
			return true;
	memcpy(r->scratch, r->values, r->n * sizeof(*r->scratch));
	double median = quantile_of(0.5, r->scratch, r->n);
	for (size_t i = 0; i < r->n; i++)
		r->scratch[i] = fabs(r->scratch[i] - median);
	*out = quantile_of(0.5, r->scratch, r->n);
	return true;
}

/* ---- times ---- */

static double seconds_at(const struct range *r, size_t i)
{
	return (double)(r->base_ms + r->offsets[i]) / 1000;
}

static bool eval_ts_of_first(const struct range *r, double *out)
{
	*out = seconds_at(r, 0);
	return true;
}

static bool eval_ts_of_last(const struct range *r, double *out)
{
	*out = seconds_at(r, r->n - 1);
	return true;
}

/* The newest of equals. */
static bool eval_ts_of_min(const struct range *r, double *out)
{
	size_t at = 0;
	for (size_t i = 1; i < r->n; i++)
		if (r->values[i] <= r->values[at] || isnan(r->values[at]))
			at = i;
	*out = seconds_at(r, at);
	return true;
}

static bool eval_ts_of_max(const struct range *r, double *out)
{
	size_t at = 0;
	for (size_t i = 1; i < r->n; i++)
		if (r->values[i] >= r->values[at] || isnan(r->values[at]))
			at = i;
	*out = seconds_at(r, at);
	return true;
}

/* ---- smoothing ---- */

#define FACTOR_TEXT_MAX 320 /* 1.8e308 in digits */

/* Go's %f has a sign for an infinity, too. */
static const char *factor_text(double factor, char text[FACTOR_TEXT_MAX])
{
	snprintf(text, FACTOR_TEXT_MAX, "%f", factor);
	return isfinite(factor) ? text : factor > 0 ? "+Inf" : "-Inf";
}

static bool fault_smoothing(const struct range *r, char *message, size_t size)
{
	static const char *const names[] = { "smoothing factor", "trend factor" };
	static const char *const symbols[] = { "sf", "tf" };
	char text[FACTOR_TEXT_MAX];
	for (int i = 0; i < 2; i++) {
		double factor = r->arguments[i];
		if (!(factor <= 0 || factor >= 1))
			continue;
		snprintf(message, size, "invalid %s. Expected: 0 < %s < 1, got: %s", names[i],
			 symbols[i], factor_text(factor, text));
		return true;
	}
	return false;
}

/* Holt's: a smoothed value, and a smoothed trend that is added to it. */
static bool eval_smoothing(const struct range *r, double *out)
{
	if (r->n < 2)
		return false;
	double factor = r->arguments[0], trend_factor = r->arguments[1];
	double before = 0, value = r->values[0], trend = r->values[1] - r->values[0];
	for (size_t i = 1; i < r->n; i++) {
		double part = factor * r->values[i];
		if (i > 1)
			trend = trend_factor * (value - before) + (1 - trend_factor) * trend;
		double rest = (1 - factor) * (value + trend);
		before = value;
		value = part + rest;
	}
	*out = value;
	return true;
}

/* ---- least squares ---- */

struct line {
	double slope, intercept;
};

/* The line through the samples; x counts in seconds from zero_ms. */
static struct line fit_line(const struct range *r, int64_t zero_ms)
{
	double x_sum = 0, x_c = 0, y_sum = 0, y_c = 0, xy_sum = 0, xy_c = 0, xx_sum = 0, xx_c = 0;
	double n = (double)r->n;
	bool is_constant = true;
	for (size_t i = 0; i < r->n; i++) {
		double x = (double)(r->base_ms + r->offsets[i] - zero_ms) / 1e3, y = r->values[i];
		if (i > 0 && y != r->values[0])
			is_constant = false;
		kahan_add(x, &x_sum, &x_c);
		kahan_add(y, &y_sum, &y_c);
		kahan_add(x * y, &xy_sum, &xy_c);
		kahan_add(x * x, &xx_sum, &xx_c);
	}
	if (is_constant) {
		if (isinf(r->values[0]))
			return (struct line){ NAN, NAN };
		return (struct line){ 0, r->values[0] };
	}
	x_sum += x_c;
	y_sum += y_c;
	xy_sum += xy_c;
	xx_sum += xx_c;
	double covariance = xy_sum - x_sum * y_sum / n, variance = xx_sum - x_sum * x_sum / n;
	double slope = covariance / variance;
	return (struct line){ slope, y_sum / n - slope * x_sum / n };
}

static bool eval_deriv(const struct range *r, double *out)
{
	if (r->n < 2)
		return false;
	*out = fit_line(r, r->base_ms + r->offsets[0]).slope;
	return true;
}

static bool eval_predict_linear(const struct range *r, double *out)
{
	if (r->n < 2)
		return false;
	struct line line = fit_line(r, r->t_ms);
	*out = line.slope * r->arguments[0] + line.intercept;
	return true;
}

static const struct range_function range_functions[FUNCTION_COUNT] = {
	[FN_RATE] = { eval_rate, .of_ends = ends_rate, .uses_starts = true },
	[FN_INCREASE] = { eval_increase, .of_ends = ends_increase, .uses_starts = true },
	[FN_DELTA] = { eval_delta, .of_ends = ends_delta },
	[FN_IRATE] = { eval_irate, .uses_starts = true },
	[FN_IDELTA] = { eval_idelta },
	[FN_CHANGES] = { eval_changes },
	[FN_RESETS] = { eval_resets, .of_ends = ends_resets, .uses_starts = true },
	[FN_AVG_OVER_TIME] = { eval_avg },
	[FN_SUM_OVER_TIME] = { eval_sum },
	[FN_MIN_OVER_TIME] = { eval_min },
	[FN_MAX_OVER_TIME] = { eval_max },
	[FN_COUNT_OVER_TIME] = { eval_count, .of_ends = ends_count },
	[FN_LAST_OVER_TIME] = { eval_last, .of_ends = ends_last },
	[FN_FIRST_OVER_TIME] = { eval_first },
	[FN_STDDEV_OVER_TIME] = { eval_stddev },
	[FN_STDVAR_OVER_TIME] = { eval_stdvar },
	[FN_QUANTILE_OVER_TIME] = { eval_quantile, .needs_scratch = true },
	[FN_MAD_OVER_TIME] = { eval_mad, .needs_scratch = true },
	[FN_TS_OF_FIRST_OVER_TIME] = { eval_ts_of_first },
	[FN_TS_OF_LAST_OVER_TIME] = { eval_ts_of_last },
	[FN_TS_OF_MIN_OVER_TIME] = { eval_ts_of_min },
	[FN_TS_OF_MAX_OVER_TIME] = { eval_ts_of_max },
	[FN_DOUBLE_EXPONENTIAL_SMOOTHING] = { eval_smoothing, .fault = fault_smoothing },
	[FN_PRESENT_OVER_TIME] = { eval_present },
	[FN_DERIV] = { eval_deriv },
	[FN_PREDICT_LINEAR] = { eval_predict_linear },
};

/* ---- of log lines ---- */

/* What each sample brings, per second of the range. */
static bool eval_rate_of_sum(const struct range *r, double *out)
{
	eval_sum(r, out);
	*out /= r->range_s;
	return true;
}

/*
 * A counter that lines tell: as rate(), but a single value is no increase rather than nothing, and
 * so are several of one millisecond.
 */
static bool eval_rate_counter(const struct range *r, double *out)
{
	if (r->offsets[r->n - 1] == r->offsets[0])
		*out = 0;
	else
		eval_rate(r, out);
	return true;
}

static const struct range_function log_functions[FUNCTION_COUNT] = {
	[FN_COUNT_OVER_TIME] = { eval_sum },
	[FN_RATE] = { eval_rate_of_sum },
	[FN_BYTES_OVER_TIME] = { eval_sum },
	[FN_BYTES_RATE] = { eval_rate_of_sum },
	[FN_SUM_OVER_TIME] = { eval_sum },
	[FN_MIN_OVER_TIME] = { eval_min },
	[FN_MAX_OVER_TIME] = { eval_max },
	[FN_AVG_OVER_TIME] = { eval_avg },
	[FN_STDDEV_OVER_TIME] = { eval_stddev },
	[FN_STDVAR_OVER_TIME] = { eval_stdvar },
	[FN_QUANTILE_OVER_TIME] = { eval_quantile, .needs_scratch = true },
	[FN_FIRST_OVER_TIME] = { eval_first },
	[FN_LAST_OVER_TIME] = { eval_last },
	[FN_RATE_COUNTER] = { eval_rate_counter },
};

const struct range_function *log_function_get(enum function_id id)
{
	return log_functions[id].eval ? &log_functions[id] : NULL;
}

const struct range_function *range_function_get(enum function_id id)
{
	return range_functions[id].eval ? &range_functions[id] : NULL;
}
