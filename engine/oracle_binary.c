/* The oracle's binary operators. */
#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/oracle_internal.h"

double oracle_operator(enum binary_op op, double left, double right)
{
	switch (op) {
	case OP_ADD:
		return left + right;
	case OP_SUB:
		return left - right;
	case OP_MUL:
		return left * right;
	case OP_DIV:
		return left / right;
	case OP_DIV_OR_NAN:
		return right == 0 ? NAN : left / right;
	case OP_MOD:
		return fmod(left, right);
	case OP_POW:
		return pow(left, right);
	case OP_ATAN2:
		return atan2(left, right);
	case OP_EQ:
		return left == right;
	case OP_NE:
		return left != right;
	case OP_GT:
		return left > right;
	case OP_LT:
		return left < right;
	case OP_GE:
		return left >= right;
	case OP_LE:
		return left <= right;
	default:
		return NAN;
	}
}

static struct vector with_scalar(struct oracle *o, const struct expr *expr, bool scalar_left)
{
	enum binary_op op = expr->binary.op;
	bool filters = binary_op_is_comparison(op) && !expr->binary.is_bool;
	double scalar = oracle_scalar(o, scalar_left ? expr->binary.left : expr->binary.right);
	struct vector in = oracle_vector(o, scalar_left ? expr->binary.right : expr->binary.left);
	struct vector out = { NULL, 0 };
	if (binary_op_is_trim(op))
		return out;
	for (size_t i = 0; i < in.n; i++) {
		double v = in.items[i].value;
		double result = scalar_left ? oracle_operator(op, scalar, v)
					    : oracle_operator(op, v, scalar);
		if (!filters)
			vector_add(o, &out, tags_without_name(o, in.items[i].tags), result);
		else if (result)
			vector_add(o, &out, in.items[i].tags, v);
	}
	vector_check(o, &out);
	return out;
}

static struct tags signature(struct oracle *o, const struct expr *expr, struct tags tags)
{
	if (expr->binary.on)
		return tags_only(o, tags, &expr->binary.labels);
	return tags_without_metric(o, tags_without(o, tags, &expr->binary.labels));
}

static struct tags *signatures(struct oracle *o, const struct expr *expr,
			       const struct vector *vector)
{
	struct tags *out = oracle_alloc(o, vector->n * sizeof(*out));
	for (size_t i = 0; i < vector->n; i++)
		out[i] = signature(o, expr, vector->items[i].tags);
	return out;
}

static struct vector set_operation(struct oracle *o, const struct expr *expr,
				   const struct vector *left, const struct vector *right)
{
	struct tags *left_keys = signatures(o, expr, left),
		    *right_keys = signatures(o, expr, right);
	struct vector out = { NULL, 0 };
	for (size_t i = 0; i < left->n; i++) {
		bool has_partner = tags_is_among(left_keys[i], right_keys, right->n);
		if (expr->binary.op == OP_OR || has_partner == (expr->binary.op == OP_AND))
			vector_add(o, &out, left->items[i].tags, left->items[i].value);
	}
	for (size_t i = 0; i < right->n && expr->binary.op == OP_OR; i++)
		if (!tags_is_among(right_keys[i], left_keys, left->n))
			vector_add(o, &out, right->items[i].tags, right->items[i].value);
	return out;
}

static struct tags result_tags(struct oracle *o, const struct expr *expr, struct tags many,
			       struct tags one)
{
	struct tags tags = many;
	if (!binary_op_is_comparison(expr->binary.op))
		tags = tags_without_name(o, tags);
	if (expr->binary.card == CARD_ONE_TO_ONE)
		tags = expr->binary.on ? tags_only(o, tags, &expr->binary.labels)
				       : tags_without(o, tags, &expr->binary.labels);
	for (uint32_t i = 0; i < expr->binary.include.n; i++) {
		struct slice name = expr->binary.include.items[i];
		tags = tags_with(o, tags, name, tags_get(one, name));
	}
	return expr->binary.is_bool ? tags_without_name(o, tags) : tags;
}

static void check_one_side(struct oracle *o, const struct tags *keys, size_t n, bool swapped)
{
	for (size_t i = 0; i < n; i++)
		if (tags_is_among(keys[i], keys, i))
			oracle_fail(o,
				    "found duplicate series for the match group {…} on the %s "
				    "hand-side of "
				    "the operation: […];many-to-many matching not allowed: "
				    "matching labels "
				    "must be unique on one side",
				    swapped ? "left" : "right");
}

/* Each pair of the same signature: the result, if a filter lets it through. */
static struct vector join(struct oracle *o, const struct expr *expr, const struct vector *many,
			  const struct vector *one)
{
	bool swapped = expr->binary.card == CARD_ONE_TO_MANY;
	bool is_comparison = binary_op_is_comparison(expr->binary.op);
	struct tags *many_keys = signatures(o, expr, many), *one_keys = signatures(o, expr, one);
	struct vector out = { NULL, 0 }, matched = { NULL, 0 };
	if ((!many->n || !one->n) && !expr->binary.fills[0] && !expr->binary.fills[1])
		return out;
	check_one_side(o, one_keys, one->n, swapped);
	struct tags *taken = oracle_alloc(o, many->n * sizeof(*taken));
	for (size_t i = 0; i < many->n; i++) {
		size_t k = 0;
		while (k < one->n && tags_compare(many_keys[i], one_keys[k]) != 0)
			k++;
		if (k == one->n || binary_op_is_trim(expr->binary.op))
			continue; /* numbers have no buckets */
		if (expr->binary.card == CARD_ONE_TO_ONE &&
		    tags_is_among(many_keys[i], taken, matched.n))
			oracle_fail(o, "multiple matches for labels: many-to-one matching must be "
				       "explicit "
				       "(group_left/group_right)");
		taken[matched.n] = many_keys[i];
		double left = swapped ? one->items[k].value : many->items[i].value;
		double right = swapped ? many->items[i].value : one->items[k].value;
		double value = oracle_operator(expr->binary.op, left, right);
		struct tags tags = result_tags(o, expr, many->items[i].tags, one->items[k].tags);
		vector_add(o, &matched, tags, value);
		if (!is_comparison || expr->binary.is_bool)
			vector_add(o, &out, tags, value);
		else if (value)
			vector_add(o, &out, tags, left);
	}
	for (size_t i = 0; i < matched.n && expr->binary.card != CARD_ONE_TO_ONE; i++)
		for (size_t k = 0; k < i; k++)
			if (tags_compare(taken[i], taken[k]) == 0 &&
			    tags_compare(matched.items[i].tags, matched.items[k].tags) == 0)
				oracle_fail(o, "multiple matches for labels: "
					       "grouping labels must ensure unique matches");
	vector_check(o, &out);
	return out;
}

static struct vector join_sides(struct oracle *o, const struct expr *expr,
				const struct vector *left, const struct vector *right)
{
	if (expr->binary.card == CARD_ONE_TO_MANY)
		return join(o, expr, right, left);
	return join(o, expr, left, right);
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
		struct tags key = signature(o, expr, other->items[i].tags);
		bool found = false;
		for (size_t k = 0; k < out.n && !found; k++)
			found = tags_compare(signature(o, expr, out.items[k].tags), key) == 0;
		if (!found)
			vector_add(o, &out, key, value);
	}
	return out;
}

static struct vector fill_join(struct oracle *o, const struct expr *expr, const struct vector *left,
			       const struct vector *right)
{
	/* fill_left() fills the many side, wherever that stands. */
	int l_fill = expr->binary.card == CARD_ONE_TO_MANY, r_fill = !l_fill;
	struct vector l =
		filled(o, expr, left, right, expr->binary.fills[l_fill], expr->binary.fill[l_fill]);
	struct vector r =
		filled(o, expr, right, left, expr->binary.fills[r_fill], expr->binary.fill[r_fill]);
	return join_sides(o, expr, &l, &r);
}

struct vector oracle_binary(struct oracle *o, const struct expr *expr)
{
	if (expr->binary.left->type == VALUE_SCALAR || expr->binary.right->type == VALUE_SCALAR)
		return with_scalar(o, expr, expr->binary.left->type == VALUE_SCALAR);
	struct vector left = oracle_vector(o, expr->binary.left);
	struct vector right = oracle_vector(o, expr->binary.right);
	if (expr->binary.fills[0] || expr->binary.fills[1])
		return fill_join(o, expr, &left, &right);
	if (binary_op_is_set(expr->binary.op))
		return set_operation(o, expr, &left, &right);
	return join_sides(o, expr, &left, &right);
}
