/* Conditions that cannot hold, and alerts without any. */
#include <math.h>

#include "rules/bounds.h"
#include "rules/lint_internal.h"

#include "base/text.h"

/* ---- never true ---- */

static const struct expr *bare(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN)
		expr = expr->unary.operand;
	return expr;
}

/* What is meant, in the case that everybody stumbles over. */
static const char *hint_of(const struct expr *expr)
{
	const struct expr *left = bare(expr->binary.left);
	if ((left->kind == EXPR_AGGREGATE && left->aggregate.op == AGG_COUNT) ||
	    (left->kind == EXPR_CALL && left->call.function->id == FN_COUNT_OVER_TIME))
		return "nothing is counted where nothing is: absent(), absent_over_time() or "
		       "\"or vector(0)\" see that";
	return NULL;
}

static void add_bounds(struct buf *out, const struct bounds *bounds)
{
	if (bounds->low == bounds->high) {
		buf_add_str(out, "is ");
		number_format_g(bounds->low, out);
		return;
	}
	buf_add_str(out, "is ");
	if (bounds->low > -INFINITY) {
		buf_add_str(out, "at least ");
		number_format_g(bounds->low, out);
	}
	if (bounds->high < INFINITY) {
		buf_add_str(out, bounds->low > -INFINITY ? " and at most " : "at most ");
		number_format_g(bounds->high, out);
	}
}

static void on_impossible(void *ctx, const struct expr *expr, const struct bounds *left,
			  const struct bounds *right)
{
	struct lint_place *place = ctx;
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "this comparison is never true: its left side ");
	add_bounds(&text, left);
	buf_add_str(&text, ", its right side ");
	add_bounds(&text, right);
	if (buf_ok(&text))
		rule_warn_at(place->lint->diags, WARN_NEVER_TRUE, place->source, expr->offset,
			     expr->span, hint_of(expr), "%s", text.ptr);
	buf_fini(&text);
}

void lint_values(struct lint_place *place, const struct expr *expr)
{
	(void)bounds_find(expr, on_impossible, place);
}

/* ---- no condition ---- */

/* Does a metric's presence mean something by itself? */
static bool is_telling(struct lint_place *place, const struct expr *selector)
{
	struct slice name = lint_metric(selector);
	uint32_t n;
	(void)lint_records(place->lint, name, &n);
	return n > 0 || name.len == 0 || slice_find(name, ':') >= 0 || slice_is(name, "ALERTS");
}

/* What an expression makes of the series that it reads; the greater of two parts counts. */
enum reading {
	READS_NOTHING, /* like vector(1), which is meant to fire always */
	READS_ALL,
	LEAVES_OUT, /* some: it has a condition */
};

static enum reading greater(enum reading a, enum reading b)
{
	return a > b ? a : b;
}

static enum reading reading_of(struct lint_place *place, const struct expr *expr);

static enum reading reading_of_binary(struct lint_place *place, const struct expr *expr)
{
	enum reading left = reading_of(place, expr->binary.left);
	enum reading right = reading_of(place, expr->binary.right);
	if (binary_op_is_comparison(expr->binary.op) && !expr->binary.is_bool)
		return LEAVES_OUT;
	if (expr->binary.op == OP_OR)
		return left == READS_ALL || right == READS_ALL ? READS_ALL : greater(left, right);
	return binary_op_is_set(expr->binary.op) ? LEAVES_OUT : greater(left, right);
}

static enum reading reading_of_call(struct lint_place *place, const struct expr *expr)
{
	enum function_id id = expr->call.function->id;
	enum reading reading = READS_NOTHING;
	if (id == FN_ABSENT || id == FN_ABSENT_OVER_TIME)
		return LEAVES_OUT;
	for (uint32_t i = 0; i < expr->call.nargs; i++)
		reading = greater(reading, reading_of(place, expr->call.args[i]));
	return reading;
}

static enum reading reading_of(struct lint_place *place, const struct expr *expr)
{
	switch (expr->kind) {
	case EXPR_SELECTOR:
		return is_telling(place, expr) ? LEAVES_OUT : READS_ALL;
	case EXPR_SUBQUERY:
		return reading_of(place, expr->subquery.operand);
	case EXPR_UNARY:
	case EXPR_PAREN:
		return reading_of(place, expr->unary.operand);
	case EXPR_AGGREGATE:
		return reading_of(place, expr->aggregate.operand);
	case EXPR_BINARY:
		return reading_of_binary(place, expr);
	case EXPR_CALL:
		return reading_of_call(place, expr);
	default:
		return READS_NOTHING;
	}
}

void lint_condition(struct lint_place *place)
{
	const struct expr *expr = place->rule->expr;
	if (reading_of(place, expr) == READS_ALL)
		rule_warn_at(
			place->lint->diags, WARN_NO_CONDITION, place->source, expr->offset,
			expr->span, "compare it: … > 0",
			"the expression has no condition: the alert fires for each series that is "
			"there, whatever its value");
}
