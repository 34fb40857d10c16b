/*
 * Times that depend on the query: x[step()], x offset range(). A rule is an instant query: both are
 * 0 there.
 */
#include <math.h>

#include "base/error.h"
#include "base/text.h"
#include "rules/expr.h"

/* About 292 years: sums of times cannot overflow. */
#define DURATION_S_MAX 9223372036.0

struct resolver {
	const struct query_bounds *bounds;
	const struct source *source;
	struct diag_list *diags;
	const char *fault; /* of the duration that is worked out */
	int error;
};

static double seconds_of(struct resolver *resolver, const struct expr *expr);

static double operation_of(struct resolver *resolver, const struct expr *expr)
{
	double left = seconds_of(resolver, expr->binary.left);
	double right = seconds_of(resolver, expr->binary.right);

	switch (expr->binary.op) {
	case OP_ADD:
		return left + right;
	case OP_SUB:
		return left - right;
	case OP_MUL:
		return left * right;
	case OP_DIV:
		if (right == 0)
			resolver->fault = "division by zero";
		return left / right;
	case OP_MOD:
		if (right == 0)
			resolver->fault = "modulo by zero";
		return fmod(left, right);
	default:
		return pow(left, right);
	}
}

static double call_of(struct resolver *resolver, const struct expr *expr)
{
	const struct query_bounds *bounds = resolver->bounds;
	double a, b;

	switch (expr->call.function->id) {
	case FN_STEP:
		return (double)bounds->step_ms / 1000;
	case FN_RANGE:
		return (double)(bounds->end_ms - bounds->start_ms) / 1000;
	default:
		a = seconds_of(resolver, expr->call.args[0]);
		b = seconds_of(resolver, expr->call.args[1]);
		return (expr->call.function->id == FN_MIN_OF) == (a < b) ? a : b;
	}
}

/* Recursion is bounded by the height of the duration's tree. */
static double seconds_of(struct resolver *resolver, const struct expr *expr)
{
	switch (expr->kind) {
	case EXPR_NUMBER:
		return expr->number;
	case EXPR_PAREN:
		return seconds_of(resolver, expr->unary.operand);
	case EXPR_UNARY:
		return -seconds_of(resolver, expr->unary.operand);
	case EXPR_BINARY:
		return operation_of(resolver, expr);
	default:
		return call_of(resolver, expr);
	}
}

static void complain(struct resolver *resolver, const struct expr *expr, const char *fault)
{
	diag_add_at(resolver->diags, DIAG_ERROR, resolver->source, expr->offset, expr->span, NULL,
		    "%s", fault);
	resolver->error = ERR_INVALID;
}

/* A time of less than a millisecond comes to 0. */
static void resolve_duration(struct resolver *resolver, const struct expr *expr,
			     bool must_be_positive, int64_t *ms)
{
	if (!expr)
		return;
	resolver->fault = NULL;
	double seconds = seconds_of(resolver, expr);

	if (!resolver->fault && must_be_positive && seconds <= 0)
		resolver->fault = "duration must be greater than 0";
	else if (!resolver->fault && !(fabs(seconds) < DURATION_S_MAX))
		resolver->fault = "duration is out of range";
	if (!resolver->fault) {
		*ms = (int64_t)(seconds * 1000);
		return;
	}
	complain(resolver, expr, resolver->fault);
}

/* A range may be empty; a step must lead on. */
static void resolve_step(struct resolver *resolver, struct expr *subquery)
{
	const struct expr *expr = subquery->step_expr;

	resolve_duration(resolver, expr, true, &subquery->subquery.step_ms);
	if (expr && !resolver->fault && subquery->subquery.step_ms == 0)
		complain(resolver, expr, "duration must be at least 1ms");
}

static void resolve_node(void *ctx, const struct expr *node)
{
	struct resolver *resolver = ctx;
	struct expr *expr = (struct expr *)node; /* the tree is the caller's of expr_resolve() */
	bool is_selector = expr->kind == EXPR_SELECTOR;

	if (!is_selector && expr->kind != EXPR_SUBQUERY)
		return;
	resolve_duration(resolver, expr->range_expr, true,
			 is_selector ? &expr->selector.range_ms : &expr->subquery.range_ms);
	resolve_duration(resolver, expr->offset_expr, false,
			 is_selector ? &expr->selector.offset_ms : &expr->subquery.offset_ms);
	if (!is_selector)
		resolve_step(resolver, expr);
}

int expr_resolve(struct expr *expr, const struct query_bounds *bounds, const struct source *source,
		 struct diag_list *diags)
{
	struct resolver resolver = { .bounds = bounds, .source = source, .diags = diags };

	expr_walk(expr, resolve_node, &resolver);
	return resolver.error;
}
