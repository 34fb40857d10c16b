/* The oracle's aggregations. */
#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/oracle_internal.h"

static struct tags group_tags(struct oracle *o, const struct expr *expr, struct tags tags)
{
	if (expr->aggregate.without)
		return tags_without_metric(o, tags_without(o, tags, &expr->aggregate.labels));
	return tags_only(o, tags, &expr->aggregate.labels);
}

/* ---- values of a group ---- */

static double aggregate_extreme(const double *values, size_t n, bool greatest)
{
	double best = values[0];
	for (size_t i = 1; i < n; i++)
		if (isnan(best) || (greatest ? values[i] > best : values[i] < best))
			best = values[i];
	return best;
}

static double aggregate_variance(const double *values, size_t n)
{
	double mean = values[0], squares = isfinite(values[0]) ? 0 : NAN;
	for (size_t i = 1; i < n; i++) {
		double delta = values[i] - mean;
		mean += delta / (double)(i + 1);
		squares += delta * (values[i] - mean);
	}
	return squares / (double)n;
}

static double aggregate_sum(const double *values, size_t n)
{
	struct precise sum = { 0, 0 };
	for (size_t i = 0; i < n; i++)
		sum = precise_add(sum, values[i]);
	return sum.sum + sum.lost;
}

static double aggregate_values(struct oracle *o, enum aggregate_op op, double param,
			       const double *values, size_t n)
{
	switch (op) {
	case AGG_SUM:
		return aggregate_sum(values, n);
	case AGG_AVG:
		return oracle_mean(values, n);
	case AGG_MIN:
	case AGG_MAX:
		return aggregate_extreme(values, n, op == AGG_MAX);
	case AGG_COUNT:
		return (double)n;
	case AGG_GROUP:
		return 1;
	case AGG_STDDEV:
		return sqrt(aggregate_variance(values, n));
	case AGG_STDVAR:
		return aggregate_variance(values, n);
	case AGG_QUANTILE:
		return oracle_quantile(o, param, values, n);
	default:
		oracle_fail(o, "unknown aggregation");
	}
}

static double check_count(struct oracle *o, double k)
{
	if (isnan(k))
		oracle_fail(o, "Parameter value is NaN");
	if (k >= 0x1p63 || k <= -0x1p63) {
		struct buf text;
		buf_init(&text);
		number_format_g(k, &text);
		char *copy = arena_strdup(&o->arena, buf_slice(&text));
		buf_fini(&text);
		oracle_fail(o, "Scalar value %s %s int64", copy ? copy : "",
			    k > 0 ? "overflows" : "underflows");
	}
	return floor(k);
}

/*
 * How many of the group's elements rank before element i: those of equal value that come earlier
 * do.
 */
static size_t rank_of(const struct vector *in, const size_t *members, size_t n, size_t i, bool top)
{
	size_t before = 0;
	double v = in->items[members[i]].value;
	for (size_t k = 0; k < n; k++) {
		double w = in->items[members[k]].value;
		if (isnan(v) || isnan(w))
			before += isnan(v) && (!isnan(w) || k < i);
		else if (v == w)
			before += k < i;
		else
			before += top ? w > v : w < v;
	}
	return before;
}

/* ---- count_values, limitk, limit_ratio ---- */

static struct vector count_values(struct oracle *o, const struct expr *expr)
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
		bool drops = expr->aggregate.without && !slice_is(target, METRIC_NAME) &&
			     !names_has(&expr->aggregate.labels, target);
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

static struct vector limit_elements(struct oracle *o, const struct expr *expr)
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
		bool is_in = counts	  ? (double)before < floor(limit)
			     : limit >= 0 ? place < limit
					  : place >= 1 + limit;
		if (is_in)
			vector_add(o, &out, in.items[i].tags, in.items[i].value);
	}
	return out;
}

/* ---- all of them ---- */

struct vector oracle_aggregate(struct oracle *o, const struct expr *expr)
{
	enum aggregate_op op = expr->aggregate.op;
	if (op == AGG_COUNT_VALUES)
		return count_values(o, expr);
	if (op == AGG_LIMITK || op == AGG_LIMIT_RATIO)
		return limit_elements(o, expr);
	bool picks = op == AGG_TOPK || op == AGG_BOTTOMK;
	double param = expr->aggregate.param ? oracle_scalar(o, expr->aggregate.param) : 0;
	const struct expr *operand = expr->aggregate.operand;
	while (operand->kind == EXPR_PAREN)
		operand = operand->unary.operand;
	o->aggregate = operand->kind == EXPR_CALL ? expr : NULL;
	struct vector in = oracle_vector(o, operand), out = { NULL, 0 };
	struct tags *keys = oracle_alloc(o, in.n * sizeof(*keys));
	if (picks)
		param = check_count(o, param);
	for (size_t i = 0; i < in.n; i++)
		keys[i] = group_tags(o, expr, in.items[i].tags);
	double *values = oracle_alloc(o, in.n * sizeof(*values));
	size_t *members = oracle_alloc(o, in.n * sizeof(*members));
	for (size_t i = 0; i < in.n; i++) {
		if (tags_is_among(keys[i], keys, i))
			continue; /* one of a group that was done */
		size_t n = 0;
		for (size_t k = i; k < in.n; k++) {
			if (tags_compare(keys[k], keys[i]) != 0)
				continue;
			members[n] = k;
			values[n++] = in.items[k].value;
		}
		if (!picks)
			vector_add(o, &out, keys[i], aggregate_values(o, op, param, values, n));
		for (size_t m = 0; m < n && picks; m++)
			if ((double)rank_of(&in, members, n, m, op == AGG_TOPK) < param)
				vector_add(o, &out, in.items[members[m]].tags, values[m]);
	}
	return out;
}
