/* Expressions → the graph: operators, literals, and who builds the rest. */
#include "rules/plan_build.h"

#include <assert.h>
#include <math.h>

#include "base/error.h"
#include "rules/expr.h"
#include "rules/fold.h"
#include "rules/names.h"

/*
 * What an expression comes to: a constant, which becomes a node only where one is needed, or a
 * node.
 */
struct value {
	bool is_constant;
	double number;
	uint32_t id;
};

static int build_value(struct builder *builder, const struct expr *expr, struct value *out);

static OUT_OF_LINE int intern_number(struct builder *builder, double number, uint32_t *out)
{
	struct plan_node node = { .op = PLAN_NUMBER, .type = VALUE_SCALAR, .number = number };

	return plan_intern(builder, &node, out);
}

static int intern_value(struct builder *builder, const struct value *value, uint32_t *out)
{
	if (value->is_constant)
		return intern_number(builder, value->number, out);
	*out = value->id;
	return 0;
}

static void put_constant(double number, struct value *out)
{
	*out = (struct value){ .is_constant = true, .number = fold_canonical(number) };
}

static OUT_OF_LINE int build_string(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = { .op = PLAN_STRING, .type = VALUE_STRING, .string = expr->string };

	return plan_intern(builder, &node, out);
}

static OUT_OF_LINE int build_unary(struct builder *builder, const struct expr *expr,
				   struct value *out)
{
	struct value operand;
	int error = build_value(builder, expr->unary.operand, &operand);

	if (error)
		return error;
	if (operand.is_constant) {
		put_constant(-operand.number, out);
		return 0;
	}
	struct plan_node node = {
		.op = PLAN_NEGATE, .type = expr->type, .children = &operand.id, .nchildren = 1
	};

	return plan_intern(builder, &node, &out->id);
}

static int put_matching(struct builder *builder, const struct expr *expr, struct plan_node *node)
{
	int error = names_canonical(&expr->binary.labels, &builder->scratch, &node->labels);

	return error ? error
		     : names_canonical(&expr->binary.include, &builder->scratch, &node->include);
}

static OUT_OF_LINE int intern_binary(struct builder *builder, const struct expr *expr,
				     const struct value *left, const struct value *right,
				     uint32_t *out)
{
	struct plan_node node = {
		.op = PLAN_BINARY,
		.type = expr->type,
		.binary = expr->binary.op,
		.is_bool = expr->binary.is_bool,
		.on = expr->binary.on,
		.card = expr->binary.card,
		.nchildren = 2,
		.fills = { expr->binary.fills[0], expr->binary.fills[1] },
		.fill = { expr->binary.fill[0], expr->binary.fill[1] },
		.place = expr->offset,
	};
	uint32_t children[2];
	int error = intern_value(builder, left, &children[0]);

	if (!error)
		error = intern_value(builder, right, &children[1]);
	if (!error)
		error = put_matching(builder, expr, &node);
	node.children = children;
	return error ? error : plan_intern(builder, &node, out);
}

static OUT_OF_LINE int build_binary(struct builder *builder, const struct expr *expr,
				    struct value *out)
{
	struct value left, right;
	int error = build_value(builder, expr->binary.left, &left);

	if (!error)
		error = build_value(builder, expr->binary.right, &right);
	if (error)
		return error;
	/* What trims buckets fails as soon as it is evaluated. */
	if (!left.is_constant || !right.is_constant || binary_op_is_trim(expr->binary.op))
		return intern_binary(builder, expr, &left, &right, &out->id);
	put_constant(fold_binary(expr->binary.op, left.number, right.number), out);
	return 0;
}

static OUT_OF_LINE int build_aggregate(struct builder *builder, const struct expr *expr,
				       uint32_t *out)
{
	struct plan_node node = {
		.op = PLAN_AGGREGATE,
		.type = VALUE_VECTOR,
		.aggregate = expr->aggregate.op,
		.without = expr->aggregate.without,
		.nchildren = expr->aggregate.param ? 2 : 1,
		.place = plan_without_parens(expr->aggregate.param ? expr->aggregate.param
								   : expr->aggregate.operand)
				 ->offset,
	};
	uint32_t children[2];
	const struct expr *operand = plan_without_parens(expr->aggregate.operand);

	builder->aggregate = operand->kind == EXPR_CALL ? expr : NULL;
	int error = plan_build(builder, operand, &children[0]);

	if (!error && expr->aggregate.param)
		error = plan_build(builder, expr->aggregate.param, &children[1]);
	if (!error)
		error = names_canonical(&expr->aggregate.labels, &builder->scratch, &node.labels);
	node.children = children;
	return error ? error : plan_intern(builder, &node, out);
}

static OUT_OF_LINE int build_function(struct builder *builder, const struct expr *expr,
				      struct value *out)
{
	switch (expr->call.function->id) {
	case FN_PI:
		put_constant(M_PI, out);
		return 0;
	case FN_INFO:
		builder->aggregate = NULL;
		return plan_build_info(builder, expr, &out->id);
	case FN_HISTOGRAM_QUANTILES:
		builder->aggregate = NULL;
		return plan_build_quantiles(builder, expr, &out->id);
	default:
		return plan_build_call(builder, expr, &out->id);
	}
}

/* Recursion is bounded by the tree's height: what needs room for a node has a frame of its own. */
static int build_value(struct builder *builder, const struct expr *expr, struct value *out)
{
	*out = (struct value){ 0 };
	switch (expr->kind) {
	case EXPR_NUMBER:
		put_constant(expr->number, out);
		return 0;
	case EXPR_STRING:
		return build_string(builder, expr, &out->id);
	case EXPR_SELECTOR:
		return plan_build_selector(builder, expr, &out->id);
	case EXPR_SUBQUERY:
		return plan_build_subquery(builder, expr, &out->id);
	case EXPR_CALL:
		return build_function(builder, expr, out);
	case EXPR_UNARY:
		return build_unary(builder, expr, out);
	case EXPR_BINARY:
		return build_binary(builder, expr, out);
	case EXPR_AGGREGATE:
		return build_aggregate(builder, expr, &out->id);
	case EXPR_PAREN:
		return build_value(builder, expr->unary.operand, out);
	case EXPR_REFUSED:
		break;
	}
	assert(!"a checked tree has nothing refused in it");
	return ERR_INVALID;
}

int plan_build(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct value value;
	int error = build_value(builder, expr, &value);

	return error ? error : intern_value(builder, &value, out);
}

static int build_finish(struct builder *builder, uint32_t *root)
{
	struct plan_node node = { .op = PLAN_FINISH, .type = VALUE_VECTOR, .nchildren = 1 };
	uint32_t child = *root;

	node.children = &child;
	return plan_intern(builder, &node, root);
}

/* A range by itself: what last_over_time() reads of it is looked at. */
static int build_range(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = { .type = VALUE_VECTOR, .function = &functions[FN_LAST_OVER_TIME] };
	uint32_t child;
	int error = plan_put_range(builder, NULL, plan_without_parens(expr), &node, &child);

	node.children = &child;
	return error ? error : plan_intern(builder, &node, out);
}

int plan_add(struct plan *plan, const struct expr *expr, uint32_t *root)
{
	struct builder builder = { .plan = plan };

	assert(expr->type != VALUE_NONE);
	arena_init(&builder.scratch, 0);
	int error = expr->type == VALUE_MATRIX ? build_range(&builder, expr, root)
					       : plan_build(&builder, expr, root);

	if (!error && plan->delayed_names && expr->type == VALUE_VECTOR)
		error = build_finish(&builder, root);

	arena_fini(&builder.scratch);
	return error;
}
