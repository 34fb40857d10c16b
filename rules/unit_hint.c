/*
 * A slip that no type check sees: `x_ns > 50ms`. A duration is a number of seconds, and the metric
 * is in nanoseconds. The short form converts; here one is told.
 */
#include <stdio.h>

#include "base/text.h"
#include "rules/rule_build.h"
#include "rules/warning.h"

static const struct small_unit {
	const char *ending;
	const char *name;
	double per_second;
} units[] = {
	{ "_ns", "nanoseconds", 1e9 },
	{ "_us", "microseconds", 1e6 },
	{ "_ms", "milliseconds", 1e3 },
};

#define UNITS (sizeof(units) / sizeof(units[0]))

static const struct small_unit *unit_of_name(struct slice name)
{
	static const char *const kinds[] = { "_total", "_sum", "_bucket" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (slice_has_suffix(name, slice_from(kinds[i]))) {
			name.len -= strlen(kinds[i]);
			break;
		}
	}
	for (size_t i = 0; i < UNITS; i++)
		if (slice_has_suffix(name, slice_from(units[i].ending)))
			return &units[i];
	return NULL;
}

static const struct small_unit *unit_of_selector(const struct expr *expr, struct slice *name)
{
	const struct matcher *metric =
		matchers_find_metric(expr->selector.matchers, expr->selector.nmatchers);

	if (!metric)
		return NULL;
	*name = matcher_value(metric);
	return unit_of_name(*name);
}

static bool is_literal(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN || expr->kind == EXPR_UNARY)
		expr = expr->unary.operand;
	return expr->kind == EXPR_NUMBER;
}

static const struct small_unit *unit_of(const struct expr *expr, struct slice *name);

/* A factor converts: what it comes to is not known. Of a quotient the dividend has the unit. */
static const struct small_unit *unit_of_binary(const struct expr *expr, struct slice *name)
{
	enum binary_op op = expr->binary.op;
	const struct small_unit *unit;

	if (op == OP_MUL || op == OP_POW || is_literal(expr->binary.left) ||
	    (op != OP_ADD && op != OP_SUB && is_literal(expr->binary.right) &&
	     !binary_op_is_comparison(op)))
		return NULL;
	unit = unit_of(expr->binary.left, name);
	return unit || op == OP_DIV || op == OP_DIV_OR_NAN || binary_op_is_comparison(op)
		       ? unit
		       : unit_of(expr->binary.right, name);
}

static const struct small_unit *unit_of_call(const struct expr *expr, struct slice *name)
{
	switch (expr->call.function->id) {
	case FN_COUNT_OVER_TIME:
	case FN_CHANGES:
	case FN_RESETS:
	case FN_TIMESTAMP:
	case FN_ABSENT:
	case FN_ABSENT_OVER_TIME:
	case FN_PRESENT_OVER_TIME:
	case FN_STDVAR_OVER_TIME:
	case FN_LN:
	case FN_LOG2:
	case FN_LOG10:
	case FN_EXP:
	case FN_SGN:
	case FN_SQRT:
		return NULL; /* of another unit, or of none */
	default:
		break;
	}
	for (uint32_t i = 0; i < expr->call.nargs; i++) {
		const struct small_unit *unit = unit_of(expr->call.args[i], name);

		if (unit)
			return unit;
	}
	return NULL;
}

/* The unit of the result, and the metric whose name tells it; NULL: not known, or in seconds. */
static const struct small_unit *unit_of(const struct expr *expr, struct slice *name)
{
	switch (expr->kind) {
	case EXPR_SELECTOR:
		return unit_of_selector(expr, name);
	case EXPR_CALL:
		return unit_of_call(expr, name);
	case EXPR_SUBQUERY:
		return unit_of(expr->subquery.operand, name);
	case EXPR_UNARY:
	case EXPR_PAREN:
		return unit_of(expr->unary.operand, name);
	case EXPR_BINARY:
		return unit_of_binary(expr, name);
	case EXPR_AGGREGATE:
		return expr->aggregate.op == AGG_COUNT || expr->aggregate.op == AGG_GROUP ||
				       expr->aggregate.op == AGG_STDVAR
			       ? NULL
			       : unit_of(expr->aggregate.operand, name);
	default:
		return NULL;
	}
}

struct hinter {
	const struct source *source;
	struct diag_list *diags;
};

static void hint_at(const struct hinter *hinter, const struct expr *literal,
		    const struct expr *other)
{
	const struct small_unit *unit;
	struct slice name = { 0 };
	struct buf hint;

	while (literal->kind == EXPR_PAREN || literal->kind == EXPR_UNARY)
		literal = literal->unary.operand;
	if (literal->kind != EXPR_NUMBER || !literal->is_duration)
		return;
	unit = unit_of(other, &name);
	if (!unit)
		return;
	buf_init(&hint);
	buf_add_str(&hint, "write ");
	number_format_f(literal->number * unit->per_second, &hint);
	if (buf_ok(&hint))
		rule_warn_at(hinter->diags, WARN_UNIT, hinter->source, literal->offset,
			     literal->span, hint.ptr,
			     "a duration is a number of seconds, but \"" SLICE_FMT "\" is in %s",
			     SLICE_ARG(name), unit->name);
	buf_fini(&hint);
}

static void on_expr(void *ctx, const struct expr *expr)
{
	if (expr->kind != EXPR_BINARY ||
	    (!binary_op_is_comparison(expr->binary.op) && expr->binary.op != OP_ADD &&
	     expr->binary.op != OP_SUB))
		return;
	hint_at(ctx, expr->binary.left, expr->binary.right);
	hint_at(ctx, expr->binary.right, expr->binary.left);
}

void rule_warn_units(struct rule_loader *loader, const struct rule *rule)
{
	struct hinter hinter = { &rule->source, loader->diags };

	expr_walk(rule->expr, on_expr, &hinter);
	if (!rule->resolve || !rule->resolve->expr)
		return;
	hinter.source = &rule->resolve->source;
	expr_walk(rule->resolve->expr, on_expr, &hinter);
}
