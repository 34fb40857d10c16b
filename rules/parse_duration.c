/*
 * Lengths of time in brackets and after "offset": a literal, or an expression of literals, step(),
 * range(), min_of() and max_of(). Its tree is one of ordinary nodes; what it comes to is worked out
 * by expr_resolve(), but for literals.
 */
#include <math.h>
#include <strings.h>

#include "rules/operators.h"
#include "rules/parser.h"

/* Go's time.Duration counts nanoseconds: what it cannot hold is out of range there, and so here. */
#define DURATION_S_MAX 9223372036.0

static struct expr *parse_operation(struct parser *parser, unsigned precedence);

bool slice_is_word(struct slice word, const char *keyword)
{
	return word.len == strlen(keyword) && strncasecmp(word.ptr, keyword, word.len) == 0;
}

bool parser_signed(struct parser *parser, double *seconds)
{
	double sign = 1;

	if (parser_is(parser, TOKEN_SUB) || parser_is(parser, TOKEN_ADD)) {
		sign = parser_is(parser, TOKEN_SUB) ? -1 : 1;
		parser_advance(parser);
	}
	if (!parser_is(parser, TOKEN_NUMBER) && !parser_is(parser, TOKEN_DURATION))
		return false;
	*seconds = sign * parser_number(parser);
	parser_advance(parser);
	return true;
}

/* Operands */

static void check_in_range(struct parser *parser, const struct expr *number)
{
	if (!(fabs(number->number) <= DURATION_S_MAX))
		parser_complain(parser, number->offset, number->span, NULL,
				"duration out of range");
}

static struct expr *parse_literal(struct parser *parser)
{
	struct expr *expr = parse_number(parser);

	if (expr)
		check_in_range(parser, expr);
	return expr;
}

/*
 * Parentheses around a literal, and those around parentheses, are left out: they are not printed
 * either.
 */
static struct expr *parse_paren(struct parser *parser)
{
	uint32_t offset = parser->token.offset;
	struct bracket bracket;

	if (!parser_open(parser, &bracket))
		return NULL;
	struct expr *operand = parse_operation(parser, PRECEDENCE_MIN);

	if (!operand || !parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, "duration", NULL))
		return NULL;
	if (operand->kind == EXPR_NUMBER || operand->kind == EXPR_PAREN)
		return operand;
	struct expr *expr = parser_node(parser, EXPR_PAREN, offset);

	if (!expr || !parser_adopt(parser, expr, operand))
		return NULL;
	expr->unary.operand = operand;
	return parser_finish(parser, expr);
}

static const struct function *duration_function(const struct parser *parser)
{
	static const enum function_id ids[] = { FN_STEP, FN_RANGE, FN_MIN_OF, FN_MAX_OF };
	struct slice word = token_text(&parser->lexer, parser->token);

	if (!parser_is(parser, TOKEN_IDENTIFIER) || parser_peek(parser) != TOKEN_PAREN_LEFT)
		return NULL;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		if (slice_is_word(word, functions[ids[i]].name))
			return &functions[ids[i]];
	return NULL;
}

/* step(), range(), min_of(a, b), max_of(a, b) */
static struct expr *parse_call(struct parser *parser, const struct function *function)
{
	struct expr *expr = parser_node(parser, EXPR_CALL, parser->token.offset);
	uint32_t n = (uint32_t)strlen(function->arguments);
	struct bracket bracket;

	if (!expr || !(expr->call.args = parser_alloc(parser, (n + 1) * sizeof(struct expr *))))
		return NULL;
	expr->call.function = function;
	parser_advance(parser);
	if (!parser_open(parser, &bracket))
		return NULL;
	while (expr->call.nargs < n) {
		if (expr->call.nargs && !parser_expect(parser, TOKEN_COMMA, "duration"))
			return NULL;
		struct expr *arg = parse_operation(parser, PRECEDENCE_MIN);

		if (!arg || !parser_adopt(parser, expr, arg))
			return NULL;
		expr->call.args[expr->call.nargs++] = arg;
	}
	if (!parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, "duration", NULL))
		return NULL;
	return parser_finish(parser, expr);
}

/* The lexer is past the token. */
static const char *context_of(const struct parser *parser)
{
	return parser->lexer.in_brackets || parser_is(parser, TOKEN_BRACKET_RIGHT)
		       ? "subquery selector"
		       : "offset";
}

static struct expr *parse_primary(struct parser *parser)
{
	const struct function *function = duration_function(parser);

	if (parser_is(parser, TOKEN_NUMBER) || parser_is(parser, TOKEN_DURATION))
		return parse_literal(parser);
	if (parser_is(parser, TOKEN_PAREN_LEFT))
		return parse_paren(parser);
	if (function)
		return parse_call(parser, function);
	parser_unexpected(parser, context_of(parser), "number or duration");
	return NULL;
}

/* A sign before a literal is part of it. */
static struct expr *sign_of(struct parser *parser, struct expr *operand, uint32_t offset, bool minus)
{
	struct expr *expr;

	if (operand->kind == EXPR_NUMBER) {
		operand->number = minus ? -operand->number : operand->number;
		operand->span += operand->offset - offset;
		operand->offset = offset;
		return operand;
	}
	if (!minus)
		return operand;
	expr = parser_node(parser, EXPR_UNARY, offset);
	if (!expr || !parser_adopt(parser, expr, operand))
		return NULL;
	expr->unary.operand = operand;
	return parser_finish(parser, expr);
}

/* precedence: of what the sign's operand takes in; 0: an operand alone. */
static struct expr *parse_signed_operand(struct parser *parser, unsigned precedence)
{
	uint32_t offset = parser->token.offset;
	bool minus = parser_is(parser, TOKEN_SUB);

	if (!minus && !parser_is(parser, TOKEN_ADD))
		return parse_primary(parser);
	if (!parser_nest(parser))
		return NULL;
	parser_advance(parser);
	struct expr *operand = precedence ? parse_operation(parser, precedence)
					  : parse_primary(parser);

	parser->depth--;
	return operand ? sign_of(parser, operand, offset, minus) : NULL;
}

/* Operators: + - * / % ^, as everywhere */

static bool duration_operator(const struct parser *parser, enum binary_op *op)
{
	return parser->token.kind >= TOKEN_ADD && parser->token.kind <= TOKEN_POW &&
	       binary_op_from_token(parser->token.kind, op);
}

static void check_divisor(struct parser *parser, const struct expr *expr)
{
	const struct expr *right = expr->binary.right;
	bool is_division = expr->binary.op == OP_DIV, is_modulo = expr->binary.op == OP_MOD;

	if ((is_division || is_modulo) && right->kind == EXPR_NUMBER && right->number == 0)
		parser_complain(parser, expr->binary.op_offset, 1, NULL, "%s by zero",
				is_division ? "division" : "modulo");
}

/* Whatever follows the left side. */
static struct expr *parse_operators(struct parser *parser, struct expr *left, unsigned precedence)
{
	enum binary_op op;

	while (left && duration_operator(parser, &op) && binary_op_precedence(op) >= precedence) {
		struct expr *expr = parser_node(parser, EXPR_BINARY, left->offset);

		if (!expr || !parser_nest(parser))
			return NULL;
		expr->binary.op = op;
		expr->binary.op_offset = parser->token.offset;
		expr->binary.left = left;
		parser_advance(parser);
		/* Right-associative: ^ */
		expr->binary.right =
			parse_operation(parser, binary_op_precedence(op) + (op == OP_POW ? 0 : 1));
		parser->depth--;
		if (!expr->binary.right || !parser_adopt(parser, expr, left) ||
		    !parser_adopt(parser, expr, expr->binary.right))
			return NULL;
		check_divisor(parser, expr);
		left = parser_finish(parser, expr);
	}
	return left;
}

static struct expr *parse_operation(struct parser *parser, unsigned precedence)
{
	return parse_operators(parser, parse_signed_operand(parser, PRECEDENCE_POW), precedence);
}

/* What a literal comes to */

/* A place holder that says "range" until expr_resolve() has worked it out. */
#define UNRESOLVED_MS 1

static void put_duration(const struct expr *expr, struct duration *out)
{
	bool is_literal = expr->kind == EXPR_NUMBER && fabs(expr->number) <= DURATION_S_MAX;

	out->ms = is_literal ? llround(expr->number * 1000) : UNRESOLVED_MS;
	out->expr = expr->kind == EXPR_NUMBER ? NULL : (struct expr *)expr;
}

bool parse_duration(struct parser *parser, struct duration *out)
{
	const struct expr *expr = parse_operation(parser, PRECEDENCE_MIN);

	if (!expr)
		return false;
	if (expr->kind == EXPR_NUMBER && expr->number <= 0)
		parser_complain(parser, expr->offset, expr->span, NULL,
				"duration must be greater than 0");
	put_duration(expr, out);
	return true;
}

/* A literal, a call; or one sign before either, or before parentheses. */
static bool is_lone_operand(const struct parser *parser)
{
	enum token_kind kind = parser->token.kind;

	if (kind != TOKEN_SUB && kind != TOKEN_ADD)
		return kind != TOKEN_PAREN_LEFT;
	kind = parser_peek(parser);
	return kind != TOKEN_SUB && kind != TOKEN_ADD;
}

/*
 * An operand alone, so that in `x offset 5m * 2` it is x that is doubled; but what begins with a
 * parenthesis, or two signs, goes on as an expression: x offset (5m) * 2 is of ten minutes ago.
 */
bool parse_offset_duration(struct parser *parser, struct duration *out)
{
	const struct expr *expr = is_lone_operand(parser)
					  ? parse_signed_operand(parser, 0)
					  : parse_operation(parser, PRECEDENCE_MIN);

	if (!expr)
		return false;
	put_duration(expr, out);
	return true;
}
