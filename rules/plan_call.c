/* Calls of functions, but for info(). */
#include "rules/plan_build.h"

#include <stdlib.h>

#include "base/error.h"
#include "rules/expr.h"
#include "rules/names.h"

const struct expr *plan_without_parens(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN && !expr->unary.is_plus)
		expr = expr->unary.operand;
	return expr;
}

static int compare_labels(const void *a, const void *b)
{
	return slice_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/*
 * Prometheus goes over the matchers as written, but moves those that only take away behind the
 * others: the first equality of a label sets it, anything after that removes it. (So {a!="",a="c"}
 * gives a="c", and {a!="b",a="c"} nothing.)
 */
static bool is_absent_label(const struct expr *selector, uint32_t at)
{
	const struct matcher *matcher = &selector->selector.matchers[at];
	struct slice name = matcher_name(matcher);

	if (matcher->type != MATCH_EQ || matcher->value_len == 0 || slice_is(name, METRIC_NAME))
		return false;
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *other = &selector->selector.matchers[i];

		bool takes_away = (other->type == MATCH_NE || other->type == MATCH_NRE) &&
				  matcher_is_match(other, SLICE(""));

		if (i != at && slice_is_equal(name, matcher_name(other)) &&
		    (i > at || other->type == MATCH_EQ || takes_away))
			return false;
	}
	return true;
}

static int put_absent_labels(struct builder *builder, const struct expr *selector,
			     struct plan_node *node)
{
	struct label *labels =
		ARENA_ARRAY(&builder->scratch, struct label, selector->selector.nmatchers);

	if (!labels)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *matcher = &selector->selector.matchers[i];

		if (is_absent_label(selector, i))
			labels[node->nabsent_labels++] =
				(struct label){ matcher_name(matcher), matcher_value(matcher) };
	}
	if (node->nabsent_labels)
		qsort(labels, node->nabsent_labels, sizeof(*labels), compare_labels);
	node->absent_labels = labels;
	return 0;
}

static void note_variable(void *ctx, const struct expr *expr)
{
	if (expr->kind == EXPR_SELECTOR || expr->kind == EXPR_CALL)
		*(bool *)ctx = true;
}

/* Prometheus takes the parentheses away, but not from a constant. */
static const struct expr *argument_told(const struct expr *arg)
{
	bool is_variable = false;

	if (arg->kind != EXPR_PAREN)
		return arg;
	expr_walk(arg, note_variable, &is_variable);
	return is_variable ? plan_without_parens(arg) : arg;
}

/*
 * Notes are of an argument: of the range, the quantile, or the buckets; those of sort() of itself.
 * Of a subquery Prometheus has forgotten the place when it comes to that.
 */
static uint32_t place_of(const struct expr *call)
{
	switch (call->call.function->id) {
	case FN_SORT:
	case FN_SORT_DESC:
	case FN_SORT_BY_LABEL:
	case FN_SORT_BY_LABEL_DESC:
		return call->offset;
	default:
		if (call->call.nargs == 0)
			return call->offset;
		call = argument_told(call->call.args[0]);
		return call->kind == EXPR_SUBQUERY ? 0 : call->offset;
	}
}

static bool is_range(enum value_type type)
{
	return type == VALUE_MATRIX || type == VALUE_LOG_RANGE || type == VALUE_UNWRAPPED_RANGE;
}

static const struct expr *range_argument(const struct expr *call)
{
	for (uint32_t i = 0; i < call->call.nargs; i++)
		if (is_range(call->call.args[i]->type))
			return plan_without_parens(call->call.args[i]);
	return NULL;
}

/* vector(time()) */
static int build_now(struct builder *builder, uint32_t *out)
{
	uint32_t time;
	struct plan_node now = { .op = PLAN_TIME, .type = VALUE_SCALAR };
	struct plan_node vector = { .op = PLAN_CALL,
				    .type = VALUE_VECTOR,
				    .function = &functions[FN_VECTOR],
				    .children = &time,
				    .nchildren = 1 };
	int error = plan_intern(builder, &now, &time);

	return error ? error : plan_intern(builder, &vector, out);
}

/* histogram_quantiles(v, "l", q, …): histogram_quantile(q, v) of each, labelled, put together. */

static int build_quantile(struct builder *builder, const struct expr *expr, uint32_t vector,
			  uint32_t label, uint32_t at, uint32_t *out)
{
	uint32_t children[3] = { 0, vector, label };
	struct plan_node quantile = { .op = PLAN_CALL,
				      .type = VALUE_VECTOR,
				      .function = &functions[FN_HISTOGRAM_QUANTILE],
				      .place = argument_told(expr->call.args[at])->offset,
				      .vector_place =
					      plan_without_parens(expr->call.args[0])->offset,
				      .children = children,
				      .nchildren = 2 };
	struct plan_node node = { .op = PLAN_CALL,
				  .type = VALUE_VECTOR,
				  .function = expr->call.function,
				  .children = children,
				  .nchildren = 3 };
	uint32_t q, id;
	int error = plan_build(builder, expr->call.args[at], &q);

	children[0] = q;
	if (!error)
		error = plan_intern(builder, &quantile, &id);
	if (error)
		return error;
	children[0] = id;
	children[1] = q;
	return plan_intern(builder, &node, out);
}

int plan_build_quantiles(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node both = { .op = PLAN_BINARY,
				  .type = VALUE_VECTOR,
				  .binary = OP_OR,
				  .card = CARD_ONE_TO_ONE, /* the same quantile twice is an error */
				  .nchildren = 2 };
	uint32_t vector, label, children[2];
	int error = plan_build(builder, expr->call.args[0], &vector);

	if (!error)
		error = plan_build(builder, expr->call.args[1], &label);
	if (!error)
		error = build_quantile(builder, expr, vector, label, 2, out);
	for (uint32_t i = 3; i < expr->call.nargs && !error; i++) {
		children[0] = *out;
		error = build_quantile(builder, expr, vector, label, i, &children[1]);
		both.children = children;
		if (!error)
			error = plan_intern(builder, &both, out);
	}
	return error;
}

/*
 * The argument of a call. With a sign before it timestamp() does not see the samples any more: what
 * has the same rows, but is no selector, will do.
 */
static int build_argument(struct builder *builder, enum function_id function,
			  const struct expr *arg, uint32_t *out)
{
	uint32_t signless;
	struct plan_node node = {
		.op = PLAN_NEGATE, .type = arg->type, .children = &signless, .nchildren = 1
	};
	bool has_plus = arg->kind == EXPR_PAREN; /* no other ones are left */

	if (!has_plus || (function != FN_TIMESTAMP && function != FN_START_TIMESTAMP))
		return plan_build(builder, arg, out);
	int error = plan_build(builder, arg, &signless);

	return error ? error : plan_intern(builder, &node, out);
}

int plan_build_call(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	const struct function *function = expr->call.function;
	struct plan_node node = { .op = PLAN_CALL, .type = expr->type, .function = function };
	uint32_t *children = ARENA_ARRAY(&builder->scratch, uint32_t, expr->call.nargs + 1);
	const struct expr *range = range_argument(expr);

	node.place = place_of(expr);
	node.vector_place =
		expr->call.nargs
			? plan_without_parens(expr->call.args[expr->call.nargs - 1])->offset
			: expr->offset;
	if (!children)
		return ERR_NOMEM;
	int error = plan_put_range(builder, expr, range, &node, children);

	for (uint32_t i = 0; i < expr->call.nargs && !error; i++) {
		const struct expr *arg = plan_without_parens(expr->call.args[i]);

		if (!is_range(arg->type))
			error = build_argument(builder, function->id, arg,
					       &children[node.nchildren++]);
		if (!error && arg->kind == EXPR_SELECTOR &&
		    (function->id == FN_ABSENT || function->id == FN_ABSENT_OVER_TIME))
			error = put_absent_labels(builder, arg, &node);
	}
	if (error)
		return error;
	if (function->id == FN_TIME)
		node = (struct plan_node){ .op = PLAN_TIME, .type = VALUE_SCALAR };
	if (node.nchildren == 0 && strcmp(function->arguments, "v") == 0) {
		/* hour(): of the evaluation's time. */
		error = build_now(builder, &children[node.nchildren++]);
		if (error)
			return error;
	}
	node.children = children;
	return plan_intern(builder, &node, out);
}
