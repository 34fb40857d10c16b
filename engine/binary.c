/*
 * Binary operators between a vector and a scalar: row by row, the rows being the vector's.
 *
 * Arithmetic makes new values for the same rows; a filter keeps the vector's values and makes new
 * presence bits; with bool it is again new values for the same rows. What stays the same is shared,
 * not copied.
 */
#include "engine/node.h"
#include "engine/operators.h"

static int shape_element(struct binding *b, struct node *node)
{
	const struct plan_node *p = node->plan;
	struct node *vector = node->children[node->children[0]->plan->type == VALUE_SCALAR];
	node_base_set(b, node, vector, !binary_op_is_comparison(p->binary) || p->is_bool);
	return 0;
}

/* `v` is the vector's value, `s` the scalar. */
#define FOR_ALL(expression)                                                                        \
	do {                                                                                       \
		for (uint32_t i = from; i < to; i++) {                                             \
			double v = in[i];                                                          \
			out[i] = (expression);                                                     \
		}                                                                                  \
	} while (0)

static void compute(struct node *node, double s, bool is_left, uint32_t from, uint32_t to)
{
	enum binary_op op = node->plan->binary;
	const double *in = node->base->values;
	double *out = node->own_values;
	node->present = node->base->present;
	switch (op) {
	case OP_ADD:
		FOR_ALL(v + s);
		break;
	case OP_MUL:
		FOR_ALL(v * s);
		break;
	case OP_SUB:
		if (is_left)
			FOR_ALL(s - v);
		else
			FOR_ALL(v - s);
		break;
	case OP_DIV:
		if (is_left)
			FOR_ALL(s / v);
		else
			FOR_ALL(v / s);
		break;
	default:
		FOR_BITS (i, node->present, from, to)
			out[i] = is_left ? operator_compute(op, s, in[i])
					 : operator_compute(op, in[i], s);
	}
}

#define MASK(comparison)                                                                           \
	do {                                                                                       \
		for (uint32_t i = 0; i < n; i++) {                                                 \
			double v = values[i];                                                      \
			mask |= (uint64_t)(comparison) << i;                                       \
		}                                                                                  \
	} while (0)

/* Bit i: values[i] op s, of at most 64 values. */
static uint64_t compare_word(enum binary_op op, const double *values, uint32_t n, double s)
{
	uint64_t mask = 0;
	switch (op) {
	case OP_EQ:
		MASK(v == s);
		break;
	case OP_NE:
		MASK(v != s);
		break;
	case OP_GT:
		MASK(v > s);
		break;
	case OP_LT:
		MASK(v < s);
		break;
	case OP_GE:
		MASK(v >= s);
		break;
	case OP_LE:
		MASK(v <= s);
		break;
	default:
		break;
	}
	return mask;
}

/* The operator that says the same with its sides changed. */
static enum binary_op mirrored(enum binary_op op)
{
	switch (op) {
	case OP_GT:
		return OP_LT;
	case OP_LT:
		return OP_GT;
	case OP_GE:
		return OP_LE;
	case OP_LE:
		return OP_GE;
	default:
		return op;
	}
}

static void filter(struct node *node, enum binary_op op, double s, uint32_t from, uint32_t to)
{
	const struct node *base = node->base;
	node->values = base->values;
	for (uint32_t row = from; row < to; row += 64) {
		uint32_t word = row / 64, n = to - row < 64 ? to - row : 64;
		uint64_t present = base->present[word];
		if (present)
			present &= compare_word(op, base->values + row, n, s);
		node->own_present[word] = present;
	}
}

static void compare_to_bool(struct node *node, enum binary_op op, double s, uint32_t from,
			    uint32_t to)
{
	const double *in = node->base->values;
	double *out = node->own_values;
	node->present = node->base->present;
	FOR_ALL(operator_holds(op, v, s));
}

static int eval_element(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			int64_t *units)
{
	enum binary_op op = node->plan->binary;
	bool is_left = node->base == node->children[1];
	double s = node->children[is_left ? 0 : 1]->scalar;
	*units -= (to - from) / 8;
	if (binary_op_is_trim(op)) {
		bits_clear(node->own_present, node->n);
		bool is_any = false;
		FOR_BITS (row, node->base->present, from, to)
			is_any |= row < to;
		if (is_any)
			node_note_trim(b, node);
		return 0;
	}
	if (!binary_op_is_comparison(op)) {
		compute(node, s, is_left, from, to);
		return 0;
	}
	op = is_left ? mirrored(op) : op;
	if (node->plan->is_bool)
		compare_to_bool(node, op, s, from, to);
	else
		filter(node, op, s, from, to);
	return 0;
}

const struct node_kind node_binary_element = {
	.name = "binary with a scalar",
	.by_rows = true,
	.shape = shape_element,
	.extend = node_extend_base,
	.eval = eval_element,
};
