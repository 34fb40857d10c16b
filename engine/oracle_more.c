/* The oracle's rarer parts: count_values, limits, fill, edges of ranges, the calendar. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "engine/calendar.h"
#include "engine/oracle_internal.h"

/* ---- aggregations ---- */

static struct tags group_tags(struct oracle *o, const struct expr *expr, struct tags tags)
{
	if (expr->aggregate.without)
		return tags_without_metric(o, tags_without(o, tags, &expr->aggregate.labels));
	return tags_only(o, tags, &expr->aggregate.labels);
}

struct vector oracle_count_values(struct oracle *o, const struct expr *expr)
{
	const struct expr *param = expr->aggregate.param;
	while (param->kind == EXPR_PAREN)
		param = param->unary.operand;
	struct slice target = param->string;
	if (target.len == 0 || !slice_is_utf8(target))
		oracle_fail(o, "invalid label name");
	struct vector in = oracle_vector(o, expr->aggregate.operand), out = { NULL, 0 };
	struct names only = { &target, 1 };
	for (size_t i = 0; i < in.n; i++) {
		struct buf text;
		buf_init(&text);
		number_format_f(in.items[i].value, &text);
		char *value = arena_strdup(&o->arena, buf_slice(&text));
		buf_fini(&text);
		struct tags tags = in.items[i].tags;
		struct tags group = tags_without(o, group_tags(o, expr, tags), &only);
		bool drops = expr->aggregate.without && !slice_is(target, METRIC_NAME);
		for (uint32_t k = 0; drops && k < expr->aggregate.labels.n; k++)
			drops = !slice_is_equal(expr->aggregate.labels.items[k], target);
		if (drops || !expr->aggregate.without)
			group = tags_with(o, group, target, slice_from(value));
		size_t k = 0;
		while (k < out.n && tags_compare(out.items[k].tags, group) != 0)
			k++;
		if (k == out.n)
			vector_add(o, &out, group, 0);
		out.items[k].value++;
	}
	return out;
}

static double hash_place(struct oracle *o, struct tags tags)
{
	struct labels *labels;
	if (labels_new(tags.pairs, tags.n, &labels, NULL))
		oracle_fail(o, "no labels");
	double place = 0;
	if (labels_place(labels, &place))
		oracle_fail(o, "no labels");
	labels_unref(labels);
	return place;
}

struct vector oracle_limit(struct oracle *o, const struct expr *expr)
{
	bool counts = expr->aggregate.op == AGG_LIMITK;
	double limit = oracle_scalar(o, expr->aggregate.param);
	struct vector in = oracle_vector(o, expr->aggregate.operand), out = { NULL, 0 };
	if (isnan(limit))
		oracle_fail(o, counts ? "Parameter value is NaN" : "Ratio value is NaN");
	if (counts && fabs(limit) >= 0x1p63)
		oracle_fail(o, "Scalar value overflows int64");
	for (size_t i = 0; i < in.n; i++) {
		struct tags group = group_tags(o, expr, in.items[i].tags);
		size_t before = 0;
		/* The elements of the group whose labels come before. */
		for (size_t k = 0; k < in.n; k++)
			before += tags_compare(in.items[k].tags, in.items[i].tags) < 0 &&
				  tags_compare(group_tags(o, expr, in.items[k].tags), group) == 0;
		double place = counts ? 0 : hash_place(o, in.items[i].tags);
		bool is_in = counts ? (double)before < floor(limit)
			     : limit >= 0 ? place < limit
					  : place >= 1 + limit;
		if (is_in)
			vector_add(o, &out, in.items[i].tags, in.items[i].value);
	}
	return out;
}

/* ---- fill ---- */

/* Adds to both sides what is missing, so that an ordinary join finds a partner for each. */
static struct vector filled(struct oracle *o, const struct expr *expr, const struct vector *side,
			    const struct vector *other, bool fills, double value)
{
	struct vector out = { NULL, 0 };
	for (size_t i = 0; i < side->n; i++)
		vector_add(o, &out, side->items[i].tags, side->items[i].value);
	for (size_t i = 0; i < other->n && fills; i++) {
		struct tags key = oracle_signature(o, expr, other->items[i].tags);
		bool found = false;
		for (size_t k = 0; k < out.n && !found; k++)
			found = tags_compare(oracle_signature(o, expr, out.items[k].tags), key) == 0;
		if (!found)
			vector_add(o, &out, key, value);
	}
	return out;
}

struct vector oracle_fill(struct oracle *o, const struct expr *expr, const struct vector *left,
			  const struct vector *right)
{
	/* fill_left() fills the many side, wherever that stands. */
	int l_fill = expr->binary.card == CARD_ONE_TO_MANY, r_fill = !l_fill;
	struct vector l = filled(o, expr, left, right, expr->binary.fills[l_fill],
				 expr->binary.fill[l_fill]);
	struct vector r = filled(o, expr, right, left, expr->binary.fills[r_fill],
				 expr->binary.fill[r_fill]);
	return oracle_join(o, expr, &l, &r);
}

/* ---- edges ---- */

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

static bool edge_difference(const struct samples *s, int64_t start_ms, int64_t end_ms, bool smoothed,
			    bool is_counter, double *out)
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
	bool smoothed = selector->edges == EDGES_SMOOTHED, steps = id == FN_CHANGES || id == FN_RESETS;
	struct vector out = { NULL, 0 };
	size_t n;
	if ((steps && smoothed) ||
	    (!steps && id != FN_RATE && id != FN_INCREASE && id != FN_DELTA))
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

/* ---- the calendar ---- */

double oracle_calendar(enum function_id field, double seconds)
{
	if (!(fabs(seconds) < 1e15)) /* of years that struct tm cannot hold */
		return calendar_field(field, seconds);
	time_t t = (time_t)seconds;
	struct tm tm;
	gmtime_r(&t, &tm);
	switch (field) {
	case FN_MINUTE:
		return tm.tm_min;
	case FN_HOUR:
		return tm.tm_hour;
	case FN_DAY_OF_WEEK:
		return tm.tm_wday;
	case FN_DAY_OF_MONTH:
		return tm.tm_mday;
	case FN_DAY_OF_YEAR:
		return tm.tm_yday + 1;
	case FN_MONTH:
		return tm.tm_mon + 1;
	case FN_YEAR:
		return tm.tm_year + 1900;
	default:
		/* The day before the first of the next month. */
		tm.tm_mon++;
		tm.tm_mday = 0;
		t = timegm(&tm);
		gmtime_r(&t, &tm);
		return tm.tm_mday;
	}
}
