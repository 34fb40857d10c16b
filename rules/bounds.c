#include "rules/bounds.h"

#include <math.h>

#include "base/labels.h"

struct finder {
	void (*on_impossible)(void *ctx, const struct expr *expr, const struct bounds *left,
			      const struct bounds *right);
	void *ctx;
};

static struct bounds find(struct finder *finder, const struct expr *expr);

static const struct bounds any = { -INFINITY, INFINITY };
static const struct bounds not_negative = { 0, INFINITY };
static const struct bounds one = { 1, 1 };

/* What calculation made of bounds; those that it made nonsense of are none. */
static struct bounds bounds_of(double low, double high)
{
	if (isnan(low) || isnan(high) || low > high)
		return any;
	return (struct bounds){ low, high };
}

static struct bounds both(struct bounds a, struct bounds b)
{
	return (struct bounds){ fmin(a.low, b.low), fmax(a.high, b.high) };
}

/* Selectors */

/* Few names tell: those that are the same everywhere. */
static OUT_OF_LINE struct bounds of_selector(const struct expr *expr)
{
	for (uint32_t i = 0; i < expr->selector.nmatchers && !expr->selector.log; i++) {
		const struct matcher *matcher = &expr->selector.matchers[i];
		struct slice value = matcher_value(matcher);
		if (matcher->type != MATCH_EQ || !matcher_is_metric_name(matcher))
			continue;
		if (slice_is(value, "up"))
			return (struct bounds){ 0, 1 };
		if (slice_is(value, "ALERTS"))
			return one;
	}
	return any;
}

/* Calls */

/* Whatever their arguments. */
static const struct {
	enum function_id id;
	struct bounds bounds;
} fixed[] = {
	{ FN_RATE, { 0, INFINITY } },
	{ FN_INCREASE, { 0, INFINITY } },
	{ FN_IRATE, { 0, INFINITY } },
	{ FN_CHANGES, { 0, INFINITY } },
	{ FN_RESETS, { 0, INFINITY } },
	{ FN_STDDEV_OVER_TIME, { 0, INFINITY } },
	{ FN_STDVAR_OVER_TIME, { 0, INFINITY } },
	{ FN_BYTES_OVER_TIME, { 0, INFINITY } },
	{ FN_BYTES_RATE, { 0, INFINITY } },
	{ FN_PRESENT_OVER_TIME, { 1, 1 } },
	{ FN_ABSENT_OVER_TIME, { 1, 1 } },
	{ FN_ABSENT, { 1, 1 } },
	{ FN_HISTOGRAM_FRACTION, { 0, 1 } },
	{ FN_ABS, { 0, INFINITY } },
	{ FN_SQRT, { 0, INFINITY } },
	{ FN_EXP, { 0, INFINITY } },
	{ FN_SGN, { -1, 1 } },
	{ FN_SIN, { -1, 1 } },
	{ FN_COS, { -1, 1 } },
	{ FN_MINUTE, { 0, 59 } },
	{ FN_HOUR, { 0, 23 } },
	{ FN_DAY_OF_WEEK, { 0, 6 } },
	{ FN_DAY_OF_MONTH, { 1, 31 } },
	{ FN_DAY_OF_YEAR, { 1, 366 } },
	{ FN_DAYS_IN_MONTH, { 28, 31 } },
	{ FN_MONTH, { 1, 12 } },
};

#define ARGUMENTS 3 /* that any of them looks at */

static struct bounds of_clamp(enum function_id id, const struct bounds *args)
{
	struct bounds bounds = args[0], upper = args[id == FN_CLAMP ? 2 : 1];
	if (id != FN_CLAMP_MAX)
		bounds = bounds_of(fmax(bounds.low, args[1].low), fmax(bounds.high, args[1].high));
	if (id != FN_CLAMP_MIN)
		bounds = bounds_of(fmin(bounds.low, upper.low), fmin(bounds.high, upper.high));
	return bounds;
}

static struct bounds of_function(const struct expr *call, const struct bounds *args)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (fixed[i].id == call->call.function->id)
			return fixed[i].bounds;
	switch (call->call.function->id) {
	case FN_COUNT_OVER_TIME: /* of lines there may be none */
		return call->call.args[0]->type == VALUE_MATRIX ? (struct bounds){ 1, INFINITY }
								: not_negative;
	case FN_AVG_OVER_TIME:
	case FN_MIN_OVER_TIME:
	case FN_MAX_OVER_TIME:
	case FN_LAST_OVER_TIME:
	case FN_FIRST_OVER_TIME:
	case FN_VECTOR:
	case FN_SCALAR:
	case FN_SORT:
	case FN_SORT_DESC:
	case FN_LABEL_REPLACE:
	case FN_LABEL_JOIN:
		return args[0];
	case FN_CEIL:
	case FN_FLOOR:
		return bounds_of(floor(args[0].low), ceil(args[0].high));
	case FN_SUM_OVER_TIME:
		return args[0].low >= 0 ? bounds_of(args[0].low, INFINITY) : any;
	case FN_CLAMP:
	case FN_CLAMP_MIN:
	case FN_CLAMP_MAX:
		return of_clamp(call->call.function->id, args);
	default:
		return any;
	}
}

/* All arguments are looked at, for what is impossible in them. */
static OUT_OF_LINE struct bounds of_call(struct finder *finder, const struct expr *call)
{
	struct bounds args[ARGUMENTS] = { any, any, any };
	for (uint32_t i = 0; i < call->call.nargs; i++) {
		if (call->call.args[i]->type == VALUE_STRING)
			continue;
		struct bounds bounds = find(finder, call->call.args[i]);
		if (i < ARGUMENTS)
			args[i] = bounds;
	}
	return of_function(call, args);
}

/* Operators */

/* Nowhere for the comparison to hold. */
static bool is_impossible(enum binary_op op, struct bounds left, struct bounds right)
{
	switch (op) {
	case OP_GT:
		return left.high <= right.low;
	case OP_GE:
		return left.high < right.low;
	case OP_LT:
		return left.low >= right.high;
	case OP_LE:
		return left.low > right.high;
	case OP_EQ:
		return left.high < right.low || left.low > right.high;
	case OP_NE:
		return left.low == left.high && right.low == right.high && left.low == right.low;
	default:
		return false;
	}
}

/* Of the left side's values those that can pass. */
static struct bounds passed(enum binary_op op, struct bounds left, struct bounds right)
{
	switch (op) {
	case OP_GT:
	case OP_GE:
		return bounds_of(fmax(left.low, right.low), left.high);
	case OP_LT:
	case OP_LE:
		return bounds_of(left.low, fmin(left.high, right.high));
	case OP_EQ:
		return bounds_of(fmax(left.low, right.low), fmin(left.high, right.high));
	default:
		return left;
	}
}

/* a < x gives x, as x > a does. */
static enum binary_op turned(enum binary_op op)
{
	return op == OP_GT   ? OP_LT
	       : op == OP_LT ? OP_GT
	       : op == OP_GE ? OP_LE
	       : op == OP_LE ? OP_GE
			     : op;
}

static struct bounds of_comparison(struct finder *finder, const struct expr *expr,
				   struct bounds left, struct bounds right)
{
	enum binary_op op = expr->binary.op;
	bool gives_right =
		expr->binary.left->type == VALUE_SCALAR && expr->binary.right->type != VALUE_SCALAR;
	if (is_impossible(op, left, right)) {
		if (finder->on_impossible)
			finder->on_impossible(finder->ctx, expr, &left, &right);
		return expr->binary.is_bool ? (struct bounds){ 0, 0 } : any;
	}
	if (expr->binary.is_bool || expr->type == VALUE_SCALAR)
		return (struct bounds){ 0, 1 };
	return gives_right ? passed(turned(op), right, left) : passed(op, left, right);
}

static struct bounds of_product(struct bounds a, struct bounds b)
{
	bool by_number = b.low == b.high && isfinite(b.low);
	if (!by_number && a.low >= 0 && b.low >= 0)
		return not_negative;
	if (!by_number)
		return any;
	return b.low >= 0 ? bounds_of(a.low * b.low, a.high * b.low)
			  : bounds_of(a.high * b.low, a.low * b.low);
}

static OUT_OF_LINE struct bounds of_operands(struct finder *finder, const struct expr *expr,
					     struct bounds left, struct bounds right)
{
	if (binary_op_is_comparison(expr->binary.op))
		return of_comparison(finder, expr, left, right);
	if (expr->binary.fills[0] || expr->binary.fills[1])
		return any;
	switch (expr->binary.op) {
	case OP_ADD:
		return bounds_of(left.low + right.low, left.high + right.high);
	case OP_SUB:
		return bounds_of(left.low - right.high, left.high - right.low);
	case OP_MUL:
		return left.low == left.high ? of_product(right, left) : of_product(left, right);
	case OP_DIV:
		if (right.low == right.high && right.low != 0)
			return of_product(left, (struct bounds){ 1 / right.low, 1 / right.low });
		return left.low >= 0 && right.low >= 0 ? not_negative : any;
	case OP_AND:
	case OP_UNLESS:
		return left;
	case OP_OR:
		return both(left, right);
	default:
		return any;
	}
}

static struct bounds of_binary(struct finder *finder, const struct expr *expr)
{
	struct bounds left = find(finder, expr->binary.left);
	struct bounds right = find(finder, expr->binary.right);
	return of_operands(finder, expr, left, right);
}

static OUT_OF_LINE struct bounds of_aggregate(struct finder *finder, const struct expr *expr)
{
	struct bounds bounds = find(finder, expr->aggregate.operand);
	if (expr->aggregate.param && expr->aggregate.param->type == VALUE_SCALAR)
		(void)find(finder, expr->aggregate.param);
	switch (expr->aggregate.op) {
	case AGG_SUM:
		return bounds_of(bounds.low >= 0 ? bounds.low : -INFINITY,
				 bounds.high <= 0 ? bounds.high : INFINITY);
	case AGG_COUNT:
	case AGG_COUNT_VALUES:
		return (struct bounds){ 1, INFINITY };
	case AGG_GROUP:
		return one;
	case AGG_STDDEV:
	case AGG_STDVAR:
		return not_negative;
	case AGG_QUANTILE: /* beyond 0 and 1 it is infinite */
		return any;
	default:
		return bounds;
	}
}

/* Recursion is bounded by the tree's height. */
static struct bounds find(struct finder *finder, const struct expr *expr)
{
	struct bounds bounds;
	switch (expr->kind) {
	case EXPR_NUMBER:
		return bounds_of(expr->number, expr->number);
	case EXPR_SELECTOR:
		return of_selector(expr);
	case EXPR_SUBQUERY:
		return find(finder, expr->subquery.operand);
	case EXPR_CALL:
		return of_call(finder, expr);
	case EXPR_UNARY:
		bounds = find(finder, expr->unary.operand);
		return bounds_of(0 - bounds.high, 0 - bounds.low);
	case EXPR_PAREN:
		return find(finder, expr->unary.operand);
	case EXPR_BINARY:
		return of_binary(finder, expr);
	case EXPR_AGGREGATE:
		return of_aggregate(finder, expr);
	default:
		return any;
	}
}

struct bounds bounds_find(const struct expr *expr,
			  void (*on_impossible)(void *ctx, const struct expr *expr,
						const struct bounds *left,
						const struct bounds *right),
			  void *ctx)
{
	struct finder finder = { on_impossible, ctx };
	return find(&finder, expr);
}
