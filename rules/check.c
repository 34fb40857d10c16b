#include "rules/checker.h"

#include <stdio.h>

#include "base/quote.h"

static enum value_type check_node(struct checker *checker, struct expr *expr);

/* What was refused is of no type, and fits everywhere: it has been told already. */
static void judge_type(struct checker *checker, const struct expr *expr, enum value_type wanted,
		       const char *context)
{
	enum value_type type = expr->type;
	const char *hint = NULL;

	if (type == wanted || type == VALUE_NONE)
		return;
	if (wanted == VALUE_MATRIX && expr->kind == EXPR_SELECTOR)
		hint = "a range follows the selector: x[5m]";
	else if (wanted == VALUE_VECTOR && type == VALUE_MATRIX)
		hint = "a function makes one value of a range: rate(x[5m]), avg_over_time(x[5m])";
	else if (value_is_log_range(type))
		hint = "a function makes one value of a range: count_over_time(logs{…}[5m])";
	COMPLAIN(checker, expr, hint, "expected type %s in %s, got %s", value_type_text(wanted),
		 context, value_type_text(type));
}

static void expect_type(struct checker *checker, struct expr *expr, enum value_type wanted,
			const char *context)
{
	check_node(checker, expr);
	judge_type(checker, expr, wanted, context);
}

/* Selectors */

static OUT_OF_LINE void complain_twice(struct checker *checker, const struct expr *expr,
				       const struct matcher *first, const struct matcher *second)
{
	struct buf names;

	buf_init(&names);
	text_quote(matcher_value(first), &names);
	buf_add_str(&names, " or ");
	text_quote(matcher_value(second), &names);
	COMPLAIN(checker, expr, NULL, "metric name must not be set twice: %s",
		 buf_ok(&names) ? names.ptr : "");
	buf_fini(&names);
}

/* A name before the braces, and none inside. Inside there may be any number of matchers for it. */
static void check_name_once(struct checker *checker, const struct expr *expr)
{
	if (!expr->selector.is_named)
		return;
	uint32_t last = expr->selector.nmatchers - 1;
	const struct matcher *name = &expr->selector.matchers[last];

	for (uint32_t i = 0; i < last; i++)
		if (matcher_is_metric_name(&expr->selector.matchers[i]))
			complain_twice(checker, expr, name, &expr->selector.matchers[i]);
}

static enum value_type check_selector(struct checker *checker, const struct expr *expr)
{
	bool is_selective = expr->selector.is_named;

	if (expr->selector.log)
		return check_log_selector(checker, expr);
	check_name_once(checker, expr);
	for (uint32_t i = 0; i < expr->selector.nmatchers && !is_selective; i++)
		is_selective = !matcher_is_match(&expr->selector.matchers[i], SLICE(""));
	if (!is_selective)
		COMPLAIN(checker, expr, NULL,
			 "vector selector must contain at least one non-empty matcher");
	return expr->selector.is_range ? VALUE_MATRIX : VALUE_VECTOR;
}

static enum value_type check_subquery(struct checker *checker, const struct expr *expr)
{
	enum value_type type = check_node(checker, expr->subquery.operand);

	if (type != VALUE_VECTOR && type != VALUE_NONE)
		COMPLAIN(checker, expr, type == VALUE_SCALAR ? "vector() makes one of a scalar" : NULL,
			 "subquery is only allowed on instant vector, got %s instead",
			 type == VALUE_MATRIX ? "matrix" : value_type_text(type));
	return VALUE_MATRIX;
}

/* Calls */

static enum value_type type_of_letter(char letter)
{
	switch (letter) {
	case 'v':
		return VALUE_VECTOR;
	case 'm':
		return VALUE_MATRIX;
	case 's':
		return VALUE_SCALAR;
	case 'l':
		return VALUE_LOG_RANGE;
	case 'u':
		return VALUE_UNWRAPPED_RANGE;
	default:
		return VALUE_STRING;
	}
}

static void check_argument(struct checker *checker, const struct expr *call, struct expr *arg,
			   char letter)
{
	char context[96];

	check_node(checker, arg);
	snprintf(context, sizeof(context), "call to function \"%s\"", call->call.function->name);
	if (value_is_log_range(arg->type))
		check_log_argument(checker, call, arg, letter);
	else
		judge_type(checker, arg, type_of_letter(letter), context);
}

static void check_argument_count(struct checker *checker, const struct expr *expr)
{
	const struct function *function = expr->call.function;
	uint32_t n = expr->call.nargs, most = (uint32_t)strlen(function->arguments),
		 least = most - function->optional;
	bool has_most = !(function->flags & VARIADIC);

	if (n >= least && (n <= most || !has_most))
		return;
	if (least == most && has_most)
		COMPLAIN(checker, expr, NULL, "expected %u argument(s) in call to \"%s\", got %u",
			 most, function->name, n);
	else if (n < least)
		COMPLAIN(checker, expr, NULL,
			 "expected at least %u argument(s) in call to \"%s\", got %u", least,
			 function->name, n);
	else
		COMPLAIN(checker, expr, NULL,
			 "expected at most %u argument(s) in call to \"%s\", got %u", most,
			 function->name, n);
}

/* The second argument of info() are matchers alone; they may all match nothing. */
static void check_info(struct checker *checker, struct expr *selector)
{
	selector->type = VALUE_VECTOR;
	if (selector->kind == EXPR_REFUSED)
		return;
	if (selector->kind != EXPR_SELECTOR || selector->selector.is_named ||
	    selector->selector.is_range)
		COMPLAIN(checker, selector, "write matchers: info(x, {data=~\".+\"})",
			 "expected label selectors only, got %s instead",
			 selector->kind == EXPR_SELECTOR ? "vector selector" : "an expression");
}

static enum value_type check_call(struct checker *checker, const struct expr *expr)
{
	const struct function *function = expr->call.function;
	size_t n = strlen(function->arguments);

	check_argument_count(checker, expr);
	for (uint32_t i = 0; i < expr->call.nargs; i++) {
		if (function->id == FN_INFO && i == 1)
			check_info(checker, expr->call.args[i]);
		else if (i < n)
			check_argument(checker, expr, expr->call.args[i], function->arguments[i]);
		else if (function->flags & VARIADIC)
			check_argument(checker, expr, expr->call.args[i],
				       function->arguments[n - 1]);
		else
			check_node(checker, expr->call.args[i]);
	}
	check_log_call(checker, expr);
	return type_of_letter(function->returns);
}

/* Operators */

static enum value_type check_unary(struct checker *checker, const struct expr *expr)
{
	enum value_type type = check_node(checker, expr->unary.operand);

	if (type == VALUE_NONE || type == VALUE_SCALAR || type == VALUE_VECTOR)
		return type;
	COMPLAIN(checker, expr, NULL,
		 "unary expression only allowed on expressions of type scalar or instant vector, "
		 "got \"%s\"",
		 value_type_text(type));
	return VALUE_NONE;
}

static void check_labels_disjoint(struct checker *checker, const struct expr *expr)
{
	if (!expr->binary.on)
		return;
	for (uint32_t i = 0; i < expr->binary.labels.n; i++)
		for (uint32_t j = 0; j < expr->binary.include.n; j++)
			if (slice_is_equal(expr->binary.labels.items[i],
					   expr->binary.include.items[j]))
				COMPLAIN_AT(checker, expr->binary.op_offset,
					    strlen(binary_op_text(expr->binary.op)), NULL,
					    "label \"" SLICE_FMT
					    "\" must not occur in ON and GROUP clause at once",
					    SLICE_ARG(expr->binary.labels.items[i]));
}

/*
 * Between a vector and a scalar there is nothing to match: an empty on() is overlooked, as in
 * PromQL.
 */
static void check_matching(struct checker *checker, struct expr *expr, bool are_vectors)
{
	if (!are_vectors) {
		if (expr->binary.labels.n > 0)
			COMPLAIN(checker, expr, NULL,
				 "vector matching only allowed between instant vectors");
		else if (expr->binary.fills[0] || expr->binary.fills[1])
			COMPLAIN(checker, expr, NULL,
				 "filling in missing series only allowed between instant vectors");
		expr->binary.on = false;
		expr->binary.labels.n = 0;
		expr->binary.include.n = 0;
		expr->binary.card = CARD_ONE_TO_ONE;
	} else if (binary_op_is_set(expr->binary.op)) {
		if (expr->binary.card != CARD_ONE_TO_ONE)
			COMPLAIN(checker, expr, NULL, "no grouping allowed for \"%s\" operation",
				 binary_op_text(expr->binary.op));
		if (expr->binary.fills[0] || expr->binary.fills[1])
			COMPLAIN(checker, expr, NULL,
				 "filling in missing series not allowed for set operators");
		expr->binary.card = CARD_MANY_TO_MANY;
	}
}

static void check_operand(struct checker *checker, const struct expr *operand, enum value_type type)
{
	const char *hint = NULL;

	if (type == VALUE_MATRIX)
		hint = "a function makes one value of a range: rate(x[5m]), avg_over_time(x[5m])";
	else if (value_is_log_range(type))
		hint = "a function makes one value of a range: count_over_time(logs{…}[5m])";
	if (type == VALUE_STRING || hint)
		COMPLAIN(checker, operand, hint,
			 "binary expression must contain only scalar and instant vector types");
}

static OUT_OF_LINE void check_operator(struct checker *checker, const struct expr *expr,
				       bool are_scalars, bool has_scalar)
{
	enum binary_op op = expr->binary.op;
	size_t offset = expr->binary.op_offset, span = strlen(binary_op_text(op));
	char hint[64];

	if (expr->binary.is_bool && !binary_op_is_comparison(op))
		COMPLAIN_AT(checker, offset, span, NULL,
			    "bool modifier can only be used on comparison operators");
	if (are_scalars && binary_op_is_comparison(op) && !expr->binary.is_bool) {
		snprintf(hint, sizeof(hint), "write \"%s bool\"", binary_op_text(op));
		COMPLAIN_AT(checker, offset, span, hint,
			    "comparisons between scalars must use BOOL modifier");
	}
	if (has_scalar && binary_op_is_set(op))
		COMPLAIN(checker, expr, NULL,
			    "set operator \"%s\" not allowed in binary scalar expression",
			    binary_op_text(op));
}

static enum value_type check_binary(struct checker *checker, struct expr *expr)
{
	enum value_type left = check_node(checker, expr->binary.left);
	enum value_type right = check_node(checker, expr->binary.right);
	bool are_scalars = left == VALUE_SCALAR && right == VALUE_SCALAR;

	/* LogQL compares numbers without being asked for a number. */
	if (checker->is_logql && are_scalars && binary_op_is_comparison(expr->binary.op))
		expr->binary.is_bool = true;
	check_operator(checker, expr, are_scalars, left == VALUE_SCALAR || right == VALUE_SCALAR);
	check_labels_disjoint(checker, expr);
	check_operand(checker, expr->binary.left, left);
	check_operand(checker, expr->binary.right, right);
	if (left != VALUE_NONE && right != VALUE_NONE)
		check_matching(checker, expr, left == VALUE_VECTOR && right == VALUE_VECTOR);
	return are_scalars ? VALUE_SCALAR : VALUE_VECTOR;
}

/* Those that choose elements leave them their labels. */
static bool bounds_labels(const struct expr *expr)
{
	return !expr->aggregate.without && expr->aggregate.op != AGG_TOPK &&
	       expr->aggregate.op != AGG_BOTTOMK && expr->aggregate.op != AGG_LIMITK &&
	       expr->aggregate.op != AGG_LIMIT_RATIO;
}

static enum value_type check_aggregate(struct checker *checker, const struct expr *expr)
{
	uint32_t bounded = checker->bounded;

	checker->bounded += bounds_labels(expr);
	expect_type(checker, expr->aggregate.operand, VALUE_VECTOR, "aggregation expression");
	checker->bounded = bounded;
	if (expr->aggregate.param)
		expect_type(checker, expr->aggregate.param, aggregate_op_param(expr->aggregate.op),
			    "aggregation parameter");
	return VALUE_VECTOR;
}

static enum value_type check_refused(struct checker *checker, const struct expr *expr)
{
	for (uint32_t i = 0; i < expr->call.nargs; i++)
		check_node(checker, expr->call.args[i]);
	return VALUE_NONE;
}

static enum value_type check_kind(struct checker *checker, struct expr *expr)
{
	switch (expr->kind) {
	case EXPR_NUMBER:
		return VALUE_SCALAR;
	case EXPR_STRING:
		return VALUE_STRING;
	case EXPR_SELECTOR:
		return check_selector(checker, expr);
	case EXPR_SUBQUERY:
		return check_subquery(checker, expr);
	case EXPR_CALL:
		return check_call(checker, expr);
	case EXPR_UNARY:
		return check_unary(checker, expr);
	case EXPR_BINARY:
		return check_binary(checker, expr);
	case EXPR_AGGREGATE:
		return check_aggregate(checker, expr);
	case EXPR_PAREN:
		return expr->unary.is_plus ? check_unary(checker, expr)
					   : check_node(checker, expr->unary.operand);
	case EXPR_REFUSED:
		return check_refused(checker, expr);
	}
	return VALUE_NONE;
}

/* Recursion is bounded by the tree's height. */
static enum value_type check_node(struct checker *checker, struct expr *expr)
{
	expr->type = check_kind(checker, expr);
	return expr->type;
}

int check_expr(const struct source *source, enum expr_dialect dialect, struct diag_list *diags,
	       struct expr *expr)
{
	struct checker checker = { .source = source,
				   .diags = diags,
				   .is_logql = dialect == EXPR_LOGQL };

	check_node(&checker, expr);
	check_log_root(&checker, expr);
	return checker.error;
}
