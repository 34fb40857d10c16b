#include <stdio.h>

#include "base/error.h"
#include "rules/operators.h"
#include "rules/parser.h"

static struct expr *parse_binary(struct parser *parser, unsigned precedence);

/* Literals */

struct expr *parse_number(struct parser *parser)
{
	struct expr *expr = parser_node(parser, EXPR_NUMBER, parser->token.offset);

	if (!expr)
		return NULL;
	expr->number = parser_number(parser);
	expr->is_duration = parser_is(parser, TOKEN_DURATION);
	parser_advance(parser);
	return parser_finish(parser, expr);
}

static struct expr *parse_string(struct parser *parser)
{
	struct expr *expr = parser_node(parser, EXPR_STRING, parser->token.offset);

	if (!expr || !parser_string(parser, &expr->string))
		return NULL;
	parser_advance(parser);
	return parser_finish(parser, expr);
}

/* Arguments: '(' [expr {',' expr}] ')', linked while they come, then an array. */

struct argument {
	struct expr *expr;
	struct argument *next;
};

static bool adopt_arguments(struct parser *parser, struct expr *call, struct argument *first,
			    uint32_t n)
{
	call->call.args = parser_alloc(parser, (n ? n : 1) * sizeof(struct expr *));
	if (!call->call.args)
		return false;
	for (; first; first = first->next) {
		call->call.args[call->call.nargs++] = first->expr;
		if (!parser_adopt(parser, call, first->expr))
			return false;
	}
	return true;
}

/* One that nothing follows is told; the parse goes on when the call ends there. */
static bool parse_comma(struct parser *parser)
{
	enum token_kind next = parser_peek(parser);

	if (next == TOKEN_PAREN_RIGHT || next == TOKEN_COMMA)
		parser_complain(parser, parser->token.offset, 1, NULL,
				"trailing commas not allowed in function call args");
	parser_advance(parser);
	return next != TOKEN_COMMA;
}

static bool parse_arguments(struct parser *parser, struct expr *call, const char *context)
{
	struct argument *first = NULL, **last = &first;
	struct bracket bracket;
	uint32_t n = 0;

	if (!parser_is(parser, TOKEN_PAREN_LEFT)) {
		parser_unexpected(parser, context, "\"(\"");
		return false;
	}
	if (!parser_open(parser, &bracket))
		return false;
	while (!parser_is(parser, TOKEN_PAREN_RIGHT)) {
		struct argument *argument = parser_alloc(parser, sizeof(*argument));

		if (!argument || !(argument->expr = parse_binary(parser, PRECEDENCE_MIN)))
			return false;
		*last = argument;
		last = &argument->next;
		n++;
		if (!parser_is(parser, TOKEN_COMMA))
			break;
		if (!parse_comma(parser))
			return false;
	}
	return parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, context, "\",\" or \")\"") &&
	       adopt_arguments(parser, call, first, n);
}

static void complain_unknown(struct parser *parser, struct token name)
{
	struct slice text = token_text(&parser->lexer, name);
	const char *nearest = function_nearest(text, parser->has_additions);
	char hint[128];

	snprintf(hint, sizeof(hint), "did you mean \"%s\"?", nearest ? nearest : "");
	parser_complain(parser, name.offset, name.span, nearest ? hint : NULL,
			"unknown function with name \"" SLICE_FMT "\"", SLICE_ARG(text));
}

/* by (…), without (…) */

static bool is_grouping(const struct parser *parser)
{
	return parser_is(parser, TOKEN_BY) || parser_is(parser, TOKEN_WITHOUT);
}

static bool parse_grouping(struct parser *parser, bool *without, struct names *labels)
{
	*without = parser_is(parser, TOKEN_WITHOUT);
	parser_advance(parser);
	return parse_labels(parser, labels);
}

static struct expr *parse_call(struct parser *parser)
{
	struct token name = parser->token;
	struct slice text = token_text(&parser->lexer, name);
	const struct function *function = function_find(text, parser->has_additions);
	struct expr *expr = parser_node(parser, function ? EXPR_CALL : EXPR_REFUSED, name.offset);

	if (!expr)
		return NULL;
	if (!function && function_is_planned(text, parser->has_additions))
		parser_complain(parser, name.offset, name.span, NULL,
				"\"" SLICE_FMT "\" is not supported yet", SLICE_ARG(text));
	else if (!function)
		complain_unknown(parser, name);
	expr->call.function = function;
	parser_advance(parser);
	if (!parse_arguments(parser, expr, "function call"))
		return NULL;
	expr->call.is_grouped = parser->has_additions && is_grouping(parser);
	if (expr->call.is_grouped &&
	    !parse_grouping(parser, &expr->call.without, &expr->call.labels))
		return NULL;
	return parser_finish(parser, expr);
}

/* Aggregations */

static bool check_argument_count(struct parser *parser, const struct expr *call, uint32_t wanted)
{
	uint32_t n = call->call.nargs;
	uint32_t span = parser->last_end - call->offset;

	if (n == wanted)
		return true;
	if (n == 0)
		parser_complain(parser, call->offset, span, NULL,
				"no arguments for aggregate expression provided");
	else
		parser_complain(parser, call->offset, span, NULL,
				"wrong number of arguments for aggregate expression provided, "
				"expected %u, got %u",
				wanted, n);
	return false;
}

/* Turns the call that sum(…) was read as into an aggregation. */
static struct expr *aggregate_of(struct parser *parser, struct expr *call, enum token_kind keyword,
				 bool without, struct names labels)
{
	struct expr **args = call->call.args;
	enum aggregate_op op;

	if (!aggregate_op_from_token(keyword, &op))
		parser_refuse(parser, call->offset, (uint32_t)strlen(token_kind_text(keyword)),
			      token_kind_text(keyword), NULL);
	else if (check_argument_count(parser, call, aggregate_op_has_param(op) ? 2 : 1)) {
		call->kind = EXPR_AGGREGATE;
		memset(&call->aggregate, 0, sizeof(call->aggregate));
		call->aggregate.op = op;
		call->aggregate.without = without;
		call->aggregate.labels = labels;
		call->aggregate.param = aggregate_op_has_param(op) ? args[0] : NULL;
		call->aggregate.operand = args[aggregate_op_has_param(op) ? 1 : 0];
	}
	return parser_finish(parser, call);
}

static struct expr *parse_aggregate(struct parser *parser)
{
	enum token_kind keyword = parser->token.kind;
	struct expr *call = parser_node(parser, EXPR_REFUSED, parser->token.offset);
	struct names labels = { 0 };
	bool without = false, is_grouped;

	if (!call)
		return NULL;
	parser_advance(parser);
	is_grouped = is_grouping(parser);
	if (is_grouped && !parse_grouping(parser, &without, &labels))
		return NULL;
	if (!parse_arguments(parser, call, "aggregation"))
		return NULL;
	if (!is_grouped && is_grouping(parser) && !parse_grouping(parser, &without, &labels))
		return NULL;
	return aggregate_of(parser, call, keyword, without, labels);
}

/* Operands */

static bool is_aggregation(const struct parser *parser)
{
	enum token_kind next;

	if (parser->token.kind < TOKEN_SUM || parser->token.kind > TOKEN_LIMIT_RATIO)
		return false;
	next = parser_peek(parser);
	return next == TOKEN_PAREN_LEFT || next == TOKEN_BY || next == TOKEN_WITHOUT;
}

static struct expr *parse_paren(struct parser *parser)
{
	struct expr *expr = parser_node(parser, EXPR_PAREN, parser->token.offset);
	struct bracket bracket;

	if (!expr || !parser_open(parser, &bracket))
		return NULL;
	expr->unary.operand = parse_binary(parser, PRECEDENCE_MIN);
	if (!expr->unary.operand ||
	    !parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, NULL, NULL) ||
	    !parser_adopt(parser, expr, expr->unary.operand))
		return NULL;
	return parser_finish(parser, expr);
}

static struct expr *parse_primary(struct parser *parser)
{
	enum token_kind kind = parser->token.kind;

	if (kind == TOKEN_NUMBER || kind == TOKEN_DURATION)
		return parse_number(parser);
	if (kind == TOKEN_STRING)
		return parse_string(parser);
	if (kind == TOKEN_PAREN_LEFT)
		return parse_paren(parser);
	if (is_aggregation(parser))
		return parse_aggregate(parser);
	if (kind == TOKEN_IDENTIFIER || (kind >= TOKEN_FILL && kind <= TOKEN_FILL_RIGHT)) {
		if (parser_peek(parser) == TOKEN_PAREN_LEFT)
			return parse_call(parser);
		if (parser_is_log_selector(parser))
			return parse_log_selector(parser);
	}
	if (kind == TOKEN_BRACE_LEFT || token_is_metric(kind))
		return parse_selector(parser);
	if (kind == TOKEN_END && !parser->open && parser->last_end == 0)
		parser_complain(parser, 0, 1, NULL, "no expression found in input");
	else
		parser_unexpected(parser, NULL, "an expression");
	return NULL;
}

/*
 * LogQL has signs only as a part of numbers: -2^2 is (-2)^2 there. The parentheses keep it that for
 * all who read the canonical form.
 */
static struct expr *sign_number(struct parser *parser, bool minus, uint32_t offset)
{
	struct expr *number = parse_number(parser), *paren;

	if (!number)
		return NULL;
	number->number = minus ? -number->number : number->number;
	number->offset = offset;
	parser_finish(parser, number);
	if (!parser_is(parser, TOKEN_POW))
		return number;
	paren = parser_node(parser, EXPR_PAREN, offset);
	if (!paren || !parser_adopt(parser, paren, number))
		return NULL;
	paren->unary.operand = number;
	return parser_finish(parser, paren);
}

/*
 * A sign binds as "*" does: its operand takes in what binds tighter. Before a number it is part of
 * it.
 */
static struct expr *parse_sign(struct parser *parser)
{
	uint32_t offset = parser->token.offset;
	bool minus = parser_is(parser, TOKEN_SUB);

	if (!parser_nest(parser))
		return NULL;
	parser_advance(parser);
	if (parser->is_logql &&
	    (parser_is(parser, TOKEN_NUMBER) || parser_is(parser, TOKEN_DURATION))) {
		parser->depth--;
		return sign_number(parser, minus, offset);
	}
	struct expr *operand = parse_binary(parser, PRECEDENCE_POW);

	if (!operand)
		return NULL;
	parser->depth--;
	if (operand->kind == EXPR_NUMBER) {
		operand->number = minus ? -operand->number : operand->number;
		operand->span += operand->offset - offset;
		operand->offset = offset;
		return operand;
	}
	struct expr *expr = parser_node(parser, minus ? EXPR_UNARY : EXPR_PAREN, offset);

	if (!expr || !parser_adopt(parser, expr, operand))
		return NULL;
	expr->unary.operand = operand;
	expr->unary.is_plus = !minus;
	return parser_finish(parser, expr);
}

static struct expr *parse_operand(struct parser *parser)
{
	if (parser_is(parser, TOKEN_ADD) || parser_is(parser, TOKEN_SUB))
		return parse_sign(parser);
	struct expr *expr = parse_primary(parser);

	return expr ? parse_postfix(parser, expr) : NULL;
}

/* Binary operators */

struct operator
{
	enum binary_op op;
	unsigned precedence;
};

static bool operator_of(const struct parser *parser, struct operator* out)
{
	if (!binary_op_from_token(parser->token.kind, &out->op))
		return false;
	if (parser->is_logql && out->op == OP_DIV)
		out->op = OP_DIV_OR_NAN;
	out->precedence = binary_op_precedence(out->op);
	return true;
}

static bool is_fill(const struct parser *parser)
{
	return parser->token.kind >= TOKEN_FILL && parser->token.kind <= TOKEN_FILL_RIGHT;
}

/* fill (0), fill_left (0), fill_right (0) */
static bool parse_fill(struct parser *parser, struct expr *expr)
{
	enum token_kind kind = parser->token.kind;
	struct token place = parser->token;
	struct bracket bracket;
	double value;

	parser_advance(parser);
	if (!parser_open(parser, &bracket))
		return false;
	if (!parser_signed(parser, &value)) {
		parser_unexpected(parser, "fill modifier", "number");
		return false;
	}
	for (int side = 0; side < 2; side++) {
		if (kind == (side ? TOKEN_FILL_LEFT : TOKEN_FILL_RIGHT))
			continue;
		if (expr->binary.fills[side])
			parser_complain(parser, place.offset, place.span, NULL,
					"fill values may not be set multiple times");
		expr->binary.fills[side] = true;
		expr->binary.fill[side] = value;
	}
	return parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, "fill modifier", NULL);
}

/* ['bool'] [('on'|'ignoring') labels [('group_left'|'group_right') [labels]]] {fill} */
static bool parse_modifiers(struct parser *parser, struct expr *expr)
{
	if (parser_is(parser, TOKEN_BOOL)) {
		expr->binary.is_bool = true;
		parser_advance(parser);
	}
	if (parser_is(parser, TOKEN_ON) || parser_is(parser, TOKEN_IGNORING)) {
		expr->binary.on = parser_is(parser, TOKEN_ON);
		parser_advance(parser);
		if (!parse_labels(parser, &expr->binary.labels))
			return false;
		if (parser_is(parser, TOKEN_GROUP_LEFT) || parser_is(parser, TOKEN_GROUP_RIGHT)) {
			expr->binary.card = parser_is(parser, TOKEN_GROUP_LEFT) ? CARD_MANY_TO_ONE
										: CARD_ONE_TO_MANY;
			parser_advance(parser);
			if (parser_is(parser, TOKEN_PAREN_LEFT) &&
			    !parse_labels(parser, &expr->binary.include))
				return false;
		}
	}
	while (is_fill(parser))
		if (!parse_fill(parser, expr))
			return false;
	return true;
}

static struct expr *parse_right(struct parser *parser, const struct operator* operator)
{
	/* Right-associative, so each power nests in the one before. */
	if (operator->op != OP_POW)
		return parse_binary(parser, operator->precedence + 1);
	if (!parser_nest(parser))
		return NULL;
	struct expr *right = parse_binary(parser, operator->precedence);

	parser->depth--;
	return right;
}

static struct expr *parse_operation(struct parser *parser, struct expr *left,
				    const struct operator* operator)
{
	struct expr *expr = parser_node(parser, EXPR_BINARY, left->offset);

	if (!expr)
		return NULL;
	expr->binary.op = operator->op;
	expr->binary.left = left;
	expr->binary.op_offset = parser->token.offset;
	parser_advance(parser);
	if (!parse_modifiers(parser, expr))
		return NULL;
	struct expr *right = parse_right(parser, operator);

	if (!right || !parser_adopt(parser, expr, left) || !parser_adopt(parser, expr, right))
		return NULL;
	expr->binary.right = right;
	return parser_finish(parser, expr);
}

static struct expr *parse_binary(struct parser *parser, unsigned precedence)
{
	struct expr *left = parse_operand(parser);
	struct operator operator;

	while (left) {
		if (!operator_of(parser, &operator) || operator.precedence<precedence)
			return left;
		left = parse_operation(parser, left, &operator);
	}
	return NULL;
}

struct expr *parser_run(struct parser *parser)
{
	parser_advance(parser);
	struct expr *expr = parse_binary(parser, PRECEDENCE_MIN);

	if (expr && !parser_is(parser, TOKEN_END)) {
		parser_unexpected(parser, NULL, NULL);
		return NULL;
	}
	return expr;
}
