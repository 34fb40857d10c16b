/* The oracle's ranges with edges: anchored and smoothed. */
#include <math.h>

#include "engine/oracle_internal.h"

/* The value on the line through the samples around t, or of the last one. */
static bool value_at(const struct samples *s, int64_t t_ms, bool is_counter, double *out)
{
	size_t next = 0;
	while (next < s->n && s->times_ms[next] < t_ms)
		next++;
	if (next < s->n && s->times_ms[next] == t_ms) {
		*out = s->values[next];
		return true;
	}
	if (next == 0)
		return false;
	double a = s->values[next - 1], b = next < s->n ? s->values[next] : a;
	if (next < s->n && is_counter && b < a)
		a = 0;
	*out = next < s->n ? a + (b - a) * (double)(t_ms - s->times_ms[next - 1]) /
					     (double)(s->times_ms[next] - s->times_ms[next - 1])
			   : a;
	return true;
}

struct vector oracle_smoothed(struct oracle *o, const struct expr *selector)
{
	struct vector out = { NULL, 0 };
	size_t n;
	double value;
	struct samples *samples = oracle_samples(o, selector, o->lookback_ms, o->lookback_ms, &n);
	for (size_t i = 0; i < n; i++) {
		samples_drop_stale(&samples[i]);
		if (value_at(&samples[i], oracle_range_end(o, selector), false, &value))
			vector_add(o, &out, samples[i].tags, value);
	}
	return out;
}

static bool edge_difference(const struct samples *s, int64_t start_ms, int64_t end_ms,
			    bool smoothed, bool is_counter, double *out)
{
	bool any_after = s->n && s->times_ms[s->n - 1] > start_ms;
	double left = s->values[0], right = left, add = 0;
	if (!any_after || (smoothed && s->times_ms[0] > end_ms))
		return false;
	if (smoothed)
		value_at(s, start_ms, is_counter, &left);
	for (size_t i = 0; i < s->n; i++) {
		if (!smoothed && s->times_ms[i] <= start_ms)
			left = s->values[i];
		if (s->times_ms[i] <= end_ms)
			right = s->values[i];
	}
	if (smoothed)
		value_at(s, end_ms, is_counter, &right);
	double before = left;
	for (size_t i = 0; i < s->n && is_counter; i++) {
		if (s->times_ms[i] <= start_ms || s->times_ms[i] >= end_ms)
			continue;
		add += s->values[i] < before ? before : 0;
		before = s->values[i];
	}
	*out = right - left;
	if (is_counter)
		*out += right < before ? add + before : add;
	return true;
}

static bool edge_steps(const struct samples *s, int64_t start_ms, bool only_down, double *out)
{
	size_t first = 0, count = 0;
	while (first < s->n && s->times_ms[first] <= start_ms)
		first++;
	for (size_t i = first ? first : 1; i < s->n; i++) {
		double a = s->values[i - 1], b = s->values[i];
		count += only_down ? b < a : a != b && !(isnan(a) && isnan(b));
	}
	*out = (double)count;
	return first < s->n;
}

struct vector oracle_edges(struct oracle *o, const struct expr *call, const struct expr *selector)
{
	enum function_id id = call->call.function->id;
	bool smoothed = selector->edges == EDGES_SMOOTHED,
	     steps = id == FN_CHANGES || id == FN_RESETS;
	struct vector out = { NULL, 0 };
	size_t n;
	if ((steps && smoothed) || (!steps && id != FN_RATE && id != FN_INCREASE && id != FN_DELTA))
		oracle_fail(o, "%s modifier can only be used with: %s - not with %s",
			    smoothed ? "smoothed" : "anchored",
			    smoothed ? "delta, increase, rate"
				     : "changes, delta, increase, rate, resets",
			    call->call.function->name);
	int64_t range_ms = oracle_range_ms(selector), end_ms = oracle_range_end(o, selector);
	int64_t start_ms = end_ms - range_ms;
	struct samples *samples = oracle_samples(o, selector, range_ms + o->lookback_ms,
						 smoothed ? o->lookback_ms : 0, &n);
	for (size_t i = 0; i < n; i++) {
		double value;
		samples_drop_stale(&samples[i]);
		if (!samples[i].n ||
		    !(steps ? edge_steps(&samples[i], start_ms, id == FN_RESETS, &value)
			    : edge_difference(&samples[i], start_ms, end_ms, smoothed,
					      id != FN_DELTA, &value)))
			continue;
		vector_add(o, &out, tags_without_name(o, samples[i].tags),
			   id == FN_RATE ? value / ((double)range_ms / 1000) : value);
	}
	vector_check(o, &out);
	return out;
}
