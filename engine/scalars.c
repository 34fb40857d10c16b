/*
 * What is one number (a constant, the time, an operation on scalars), and the ways between that and
 * a vector.
 */
#include "engine/node.h"
#include "engine/numeric.h"
#include "engine/operators.h"

static int eval_number(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	node->scalar = node->plan->number;
	return 0;
}

static int eval_nothing(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			int64_t *units)
{
	return 0;
}

static int eval_time(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		     int64_t *units)
{
	node->scalar = (double)b->t_ms / 1000;
	return 0;
}

static int eval_bounds(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	const struct query_bounds *bounds = &b->bounds;
	int64_t ms = node->plan->function->id == FN_START ? bounds->start_ms
		     : node->plan->function->id == FN_END ? bounds->end_ms
		     : node->plan->function->id == FN_STEP
			     ? bounds->step_ms
			     : bounds->end_ms - bounds->start_ms;
	node->scalar = (double)ms / 1000;
	return 0;
}

static int eval_scalar_function(struct binding *b, struct node *node, uint32_t from, uint32_t to,
				int64_t *units)
{
	double left = node->children[0]->scalar, right = node->children[1]->scalar;
	bool is_min = node->plan->function->id == FN_MIN_OF;
	node->scalar = is_min ? min_of(left, right) : max_of(left, right);
	return 0;
}

static int eval_negative(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			 int64_t *units)
{
	node->scalar = -node->children[0]->scalar;
	return 0;
}

/* The only element's value, else NaN. */
static int eval_scalar(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	const struct node *child = node->children[0];
	uint32_t count = 0;
	node->scalar = NAN;
	for (uint32_t i = 0, end = words_of(child->n); i < end && count < 2; i++)
		count += (uint32_t)__builtin_popcountll(child->present[i]);
	*units -= child->n / 64;
	if (count != 1)
		return 0;
	FOR_BITS (row, child->present, 0, child->n)
		node->scalar = child->values[row];
	return 0;
}

static int eval_binary(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	enum binary_op op = node->plan->binary;
	double left = node->children[0]->scalar, right = node->children[1]->scalar;
	if (binary_op_is_trim(op))
		return node_fail(node, "operator \"%s\" not allowed for Scalar operations",
				 binary_op_text(op));
	if (binary_op_is_comparison(op))
		node->scalar = operator_holds(op, left, right);
	else
		node->scalar = operator_compute(op, left, right);
	return 0;
}

static int shape_vector(struct binding *b, struct node *node)
{
	uint32_t row;
	node->nameless = node->one_name = true;
	return node_row_new(b, node, LSET_EMPTY, &row);
}

static int eval_vector(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	node->own_values[0] = node->children[0]->scalar;
	node->own_present[0] = 1;
	return 0;
}

const struct node_kind node_number = { .name = "number", .eval = eval_number };
const struct node_kind node_string = { .name = "string", .eval = eval_nothing };
const struct node_kind node_time = { .name = "time", .eval = eval_time };
const struct node_kind node_bounds = { .name = "bounds", .eval = eval_bounds };
const struct node_kind node_scalar_function = { .name = "scalar function",
						.eval = eval_scalar_function };
const struct node_kind node_negative = { .name = "negative", .eval = eval_negative };
const struct node_kind node_scalar = { .name = "scalar", .eval = eval_scalar };
const struct node_kind node_binary_scalar = { .name = "binary scalar", .eval = eval_binary };
const struct node_kind node_vector = { .name = "vector",
				       .shape = shape_vector,
				       .eval = eval_vector };
