#include "rules/unfilter.h"

#include <math.h>

/* Nodes are made of ones that stand where they stand. */
static struct expr *node_like(struct arena *arena, const struct expr *model, enum expr_kind kind,
			      enum value_type type)
{
	struct expr *expr = ARENA_NEW(arena, struct expr);
	if (!expr)
		return NULL;
	memset(expr, 0, sizeof(*expr));
	expr->kind = kind;
	expr->type = type;
	expr->offset = model->offset;
	expr->span = model->span;
	expr->height = 1;
	return expr;
}

static struct expr *number_like(struct arena *arena, const struct expr *model, double number)
{
	struct expr *expr = node_like(arena, model, EXPR_NUMBER, VALUE_SCALAR);
	if (expr)
		expr->number = number;
	return expr;
}

/* Those of its elements that are not NaN: x <= +Inf. */
static struct expr *without_nan(struct arena *arena, struct expr *operand)
{
	struct expr *expr = node_like(arena, operand, EXPR_BINARY, VALUE_VECTOR);
	struct expr *infinity = number_like(arena, operand, INFINITY);
	if (!expr || !infinity)
		return NULL;
	expr->height = operand->height + 1;
	expr->binary.op = OP_LE;
	expr->binary.left = operand;
	expr->binary.right = infinity;
	return expr;
}

/* absent() always knows: vector(1). */
static struct expr *always(struct arena *arena, struct expr *call)
{
	struct expr *expr = node_like(arena, call, EXPR_CALL, VALUE_VECTOR);
	struct expr *one = number_like(arena, call, 1);
	struct expr **args = ARENA_ARRAY(arena, struct expr *, 1);
	if (!expr || !one || !args)
		return NULL;
	args[0] = one;
	expr->height = 2;
	expr->call.function = &functions[FN_VECTOR];
	expr->call.args = args;
	expr->call.nargs = 1;
	expr_fini(call);
	return expr;
}

static bool is_number(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN || expr->kind == EXPR_UNARY)
		expr = expr->unary.operand;
	return expr->kind == EXPR_NUMBER;
}

/* Keeps `kept`, lets go of `dropped`. */
static struct expr *only(struct expr *kept, struct expr *dropped)
{
	expr_fini(dropped);
	return kept;
}

/*
 * A comparison lets pass, or not, what both sides know. atan2 is NaN only if one side is: unlike
 * the difference of two infinities.
 */
static struct expr *of_comparison(struct expr *expr)
{
	struct expr *left = expr->binary.left, *right = expr->binary.right;
	if (expr->binary.is_bool || expr->type != VALUE_VECTOR)
		return expr;
	if (is_number(right))
		return only(left, right);
	if (is_number(left))
		return only(right, left);
	expr->binary.op = OP_ATAN2;
	return expr;
}

/* Without memory the tree stays whole. */
static bool replace(struct expr **place, struct expr *by)
{
	if (by)
		*place = by;
	return by != NULL;
}

static struct expr *of_binary(struct expr *expr, struct arena *arena)
{
	struct expr **left = &expr->binary.left, **right = &expr->binary.right;
	if (!replace(left, expr_unfilter(*left, arena)) ||
	    !replace(right, expr_unfilter(*right, arena)))
		return NULL;
	switch (expr->binary.op) {
	case OP_AND:
		return replace(right, without_nan(arena, *right)) ? expr : NULL;
	case OP_OR:
		return replace(left, without_nan(arena, *left)) ? expr : NULL;
	case OP_UNLESS:
		return only(expr->binary.left, expr->binary.right);
	default:
		return binary_op_is_comparison(expr->binary.op) ? of_comparison(expr) : expr;
	}
}

static struct expr *of_call(struct expr *expr, struct arena *arena)
{
	enum function_id id = expr->call.function->id;
	if (id == FN_ABSENT || id == FN_ABSENT_OVER_TIME)
		return always(arena, expr);
	for (uint32_t i = 0; i < expr->call.nargs; i++)
		if (!replace(&expr->call.args[i], expr_unfilter(expr->call.args[i], arena)))
			return NULL;
	return expr;
}

/* Does it choose among its elements? */
static bool is_choice(enum aggregate_op op)
{
	return op == AGG_TOPK || op == AGG_BOTTOMK || op == AGG_LIMITK || op == AGG_LIMIT_RATIO;
}

/* Recursion is bounded by the tree's height. */
struct expr *expr_unfilter(struct expr *expr, struct arena *arena)
{
	switch (expr->kind) {
	case EXPR_PAREN:
	case EXPR_UNARY:
		return replace(&expr->unary.operand, expr_unfilter(expr->unary.operand, arena))
			       ? expr
			       : NULL;
	case EXPR_SUBQUERY:
		return replace(&expr->subquery.operand,
			       expr_unfilter(expr->subquery.operand, arena))
			       ? expr
			       : NULL;
	case EXPR_AGGREGATE:
		if (!replace(&expr->aggregate.operand,
			     expr_unfilter(expr->aggregate.operand, arena)))
			return NULL;
		return is_choice(expr->aggregate.op)
			       ? only(expr->aggregate.operand, expr->aggregate.param)
			       : expr;
	case EXPR_BINARY:
		return of_binary(expr, arena);
	case EXPR_CALL:
		return of_call(expr, arena);
	default:
		return expr;
	}
}
