/* Conditions that cannot hold, alerts without any, quantiles that are none. */
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

/* ---- two conditions of one value ---- */

/* A comparison of something with a number, which it lets through. */
struct condition {
	const struct expr *what;
	enum binary_op op;
	double number;
};

static bool read_condition(const struct expr *expr, struct condition *out)
{
	expr = bare(expr);
	if (expr->kind != EXPR_BINARY || !binary_op_is_comparison(expr->binary.op) ||
	    expr->binary.is_bool || bare(expr->binary.right)->kind != EXPR_NUMBER)
		return false;
	*out = (struct condition){ bare(expr->binary.left), expr->binary.op,
				   bare(expr->binary.right)->number };
	return true;
}

static bool is_same(const struct expr *a, const struct expr *b)
{
	struct buf x, y;
	buf_init(&x);
	buf_init(&y);
	expr_format(a, &x);
	expr_format(b, &y);
	bool same = buf_ok(&x) && buf_ok(&y) && slice_is_equal(buf_slice(&x), buf_slice(&y));
	buf_fini(&x);
	buf_fini(&y);
	return same;
}

/* Does the number meet the condition? */
static bool meets(double number, const struct condition *condition)
{
	switch (condition->op) {
	case OP_GT:
		return number > condition->number;
	case OP_GE:
		return number >= condition->number;
	case OP_LT:
		return number < condition->number;
	case OP_LE:
		return number <= condition->number;
	case OP_EQ:
		return number == condition->number;
	default:
		return number != condition->number;
	}
}

/*
 * Conditions split the numbers at two points at most: what holds at these, between and on either
 * side of them holds everywhere. Is there a number that meets the first and, or but not, the
 * second?
 */
static bool can_meet(const struct condition *a, const struct condition *b, bool wanted_of_b)
{
	double low = fmin(a->number, b->number), high = fmax(a->number, b->number);
	const double points[] = { -INFINITY, low, low + (high - low) / 2, high, INFINITY };
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		if (meets(points[i], a) && meets(points[i], b) == wanted_of_b)
			return true;
	return false;
}

/* x > 5 and x < 3; x > 5 unless x > 3: of the same series. */
static void on_set(void *ctx, const struct expr *expr)
{
	struct lint_place *place = ctx;
	struct condition left, right;
	bool is_and = expr->kind == EXPR_BINARY && expr->binary.op == OP_AND;
	if (expr->kind != EXPR_BINARY || (!is_and && expr->binary.op != OP_UNLESS) ||
	    expr->binary.on || expr->binary.labels.n > 0 ||
	    !read_condition(expr->binary.left, &left) ||
	    !read_condition(expr->binary.right, &right) || can_meet(&left, &right, is_and) ||
	    !is_same(left.what, right.what))
		return;
	rule_warn_at(place->lint->diags, WARN_NEVER_TRUE, place->source, expr->offset, expr->span,
		     NULL,
		     is_and ? "this is never true: no value meets both conditions"
			    : "this is never true: whatever meets the first condition meets the "
			      "second");
}

/* ---- quantiles ---- */

/* What a call or aggregation takes for a quantile; NULL: nothing. */
static const struct expr *quantile_of(const struct expr *expr)
{
	if (expr->kind == EXPR_AGGREGATE)
		return expr->aggregate.op == AGG_QUANTILE ? expr->aggregate.param : NULL;
	if (expr->kind == EXPR_CALL && (expr->call.function->id == FN_HISTOGRAM_QUANTILE ||
					expr->call.function->id == FN_QUANTILE_OVER_TIME))
		return expr->call.args[0];
	return NULL;
}

static void on_quantile(void *ctx, const struct expr *expr)
{
	struct lint_place *place = ctx;
	const struct expr *quantile = quantile_of(expr);
	struct buf text;

	if (!quantile || bare(quantile)->kind != EXPR_NUMBER)
		return;
	double number = bare(quantile)->number;

	if (!(number < 0 || number > 1))
		return;
	buf_init(&text);
	number_format_g(number, &text);
	if (buf_ok(&text))
		rule_warn_at(place->lint->diags, WARN_QUANTILE, place->source, quantile->offset,
			     quantile->span,
			     number > 1 && number <= 100 ? "of 95 in a hundred: 0.95" : NULL,
			     "a quantile lies between 0 and 1; of %s all that comes is %s",
			     text.ptr, number > 1 ? "+Inf" : "-Inf");
	buf_fini(&text);
}

void lint_values(struct lint_place *place, const struct expr *expr)
{
	(void)bounds_find(expr, on_impossible, place);
	expr_walk(expr, on_set, place);
	expr_walk(expr, on_quantile, place);
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
