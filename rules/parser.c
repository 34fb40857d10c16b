#include "rules/parser.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "base/quote.h"
#include "base/text.h"
#include "rules/operators.h"

static struct expr *parse_binary(struct parser *parser, unsigned precedence);

void parser_init(struct parser *parser, const struct source *source, struct arena *arena, struct diag_list *diags)
{
	*parser = (struct parser){ .source = source, .arena = arena, .diags = diags };
	lexer_init(&parser->lexer, source->text);
}

void parser_discard(struct parser *parser)
{
	for (struct selector_link *link = parser->selectors; link; link = link->next)
		for (uint32_t i = 0; i < link->selector->selector.nmatchers; i++)
			matcher_fini(&link->selector->selector.matchers[i]);
	parser->selectors = NULL;
}

void parser_advance(struct parser *parser)
{
	parser->last_end = parser->token.offset + parser->token.span;
	parser->token = lexer_next(&parser->lexer);
}

enum token_kind parser_peek(const struct parser *parser)
{
	struct lexer ahead = parser->lexer;

	return lexer_next(&ahead).kind;
}

bool parser_is(const struct parser *parser, enum token_kind kind)
{
	return parser->token.kind == kind;
}

/* Messages */

void parser_complain(struct parser *parser, uint32_t offset, uint32_t span, const char *hint, const char *format, ...)
{
	va_list args;
	char message[1024];

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	diag_add_at(parser->diags, DIAG_ERROR, parser->source, offset, span, hint, "%s", message);
	if (!parser->error)
		parser->error = ERR_INVALID;
}

void parser_refuse(struct parser *parser, uint32_t offset, uint32_t span, const char *what, const char *hint)
{
	parser_complain(parser, offset, span, hint, "\"%s\" is not supported yet", what);
}

static void complain_limit(struct parser *parser, uint32_t offset, const char *format, unsigned limit)
{
	diag_add_at(parser->diags, DIAG_ERROR, parser->source, offset, 1, NULL, format, limit);
	parser->error = ERR_LIMIT;
}

/* The token in the message: its kind where that is not plain, and its text. */
static void describe_token(const struct parser *parser, struct buf *out)
{
	struct token token = parser->token;

	if (token.kind == TOKEN_END) {
		buf_add_str(out, "end of input");
		return;
	}
	if (token.kind <= TOKEN_STRING)
		buf_printf(out, "%s ", token_kind_text(token.kind));
	if (token.kind == TOKEN_STRING)
		buf_add_slice(out, token_text(&parser->lexer, token));
	else
		text_quote(token_text(&parser->lexer, token), out);
}

static const char *hint_for(const struct parser *parser)
{
	bool in_braces = parser->lexer.in_braces;

	switch (parser->token.kind) {
	case TOKEN_EQ:
		return in_braces ? NULL : "compare with \"==\"";
	case TOKEN_EQL:
		return in_braces ? "a matcher takes one \"=\"" : NULL;
	case TOKEN_EQ_RE:
	case TOKEN_NEQ_RE:
		return in_braces ? NULL : "patterns match labels, in braces: {job=~\"a.*\"}";
	default:
		return NULL;
	}
}

/* The lexer says why; a string without an end would be a long quote. */
static void unexpected_lexeme(struct parser *parser)
{
	struct buf text;
	struct token token = parser->token;
	struct slice lexeme = token_text(&parser->lexer, token);

	buf_init(&text);
	if (strchr("\"'`", lexeme.ptr[0]) == NULL || lexeme.ptr[0] == '\0') {
		buf_add_str(&text, ": ");
		text_quote(lexeme, &text);
	}
	parser_complain(parser, token.offset, token.span, parser->lexer.hint, "%s%s", parser->lexer.error,
			text.ptr && buf_ok(&text) ? text.ptr : "");
	buf_fini(&text);
}

static void unclosed(struct parser *parser)
{
	uint32_t offset = parser->open->offset;
	char c = parser->source->text.ptr[offset];

	parser_complain(parser, offset, 1, NULL, "unclosed left %s",
			c == '(' ? "parenthesis" : c == '[' ? "bracket" : "brace");
}

void parser_unexpected(struct parser *parser, const char *context, const char *expected)
{
	struct buf text;

	if (parser_is(parser, TOKEN_ERROR)) {
		unexpected_lexeme(parser);
		return;
	}
	if (parser_is(parser, TOKEN_END) && parser->open) {
		unclosed(parser);
		return;
	}
	buf_init(&text);
	describe_token(parser, &text);
	if (context)
		buf_printf(&text, " in %s", context);
	if (expected)
		buf_printf(&text, ", expected %s", expected);
	parser_complain(parser, parser->token.offset, parser->token.span ? parser->token.span : 1, hint_for(parser),
			"unexpected %s", buf_ok(&text) ? text.ptr : "token");
	buf_fini(&text);
}

bool parser_expect(struct parser *parser, enum token_kind kind, const char *context)
{
	char expected[32];

	if (parser_is(parser, kind)) {
		parser_advance(parser);
		return true;
	}
	snprintf(expected, sizeof(expected), "\"%s\"", token_kind_text(kind));
	parser_unexpected(parser, context, expected);
	return false;
}

/* Nesting: every bracket, sign and power counts, so that the stack is bounded. */

static bool nest(struct parser *parser)
{
	if (parser->depth == EXPR_DEPTH_MAX) {
		complain_limit(parser, parser->token.offset, "expression is nested deeper than %u levels", EXPR_DEPTH_MAX);
		return false;
	}
	parser->depth++;
	return true;
}

bool parser_open(struct parser *parser, struct bracket *bracket)
{
	if (!nest(parser))
		return false;
	*bracket = (struct bracket){ parser->token.offset, parser->open };
	parser->open = bracket;
	parser_advance(parser);
	return true;
}

bool parser_close(struct parser *parser, struct bracket *bracket, enum token_kind kind, const char *context)
{
	if (!parser_expect(parser, kind, context))
		return false;
	parser->open = bracket->outer;
	parser->depth--;
	return true;
}

/* Nodes */

void *parser_alloc(struct parser *parser, size_t size)
{
	void *memory = arena_alloc(parser->arena, size);

	if (!memory)
		parser->error = ERR_NOMEM;
	return memory;
}

struct expr *parser_node(struct parser *parser, enum expr_kind kind, uint32_t offset)
{
	if (++parser->nodes > EXPR_NODES_MAX) {
		complain_limit(parser, offset, "expression has more than %u parts", EXPR_NODES_MAX);
		return NULL;
	}
	struct expr *expr = parser_alloc(parser, sizeof(*expr));

	if (expr) {
		expr->kind = kind;
		expr->offset = offset;
		expr->height = 1;
	}
	return expr;
}

bool parser_adopt(struct parser *parser, struct expr *parent, const struct expr *child)
{
	if (child->height >= EXPR_HEIGHT_MAX) {
		complain_limit(parser, parent->offset, "expression has more than %u operators in a chain", EXPR_HEIGHT_MAX);
		return false;
	}
	if (parent->height <= child->height)
		parent->height = child->height + 1;
	return true;
}

struct expr *parser_finish(struct parser *parser, struct expr *expr)
{
	expr->span = parser->last_end - expr->offset;
	return expr;
}

struct expr *parser_refused(struct parser *parser, uint32_t offset, struct expr *a, struct expr *b)
{
	struct expr *expr = parser_node(parser, EXPR_REFUSED, offset);

	if (!expr || !a)
		return expr ? parser_finish(parser, expr) : NULL;
	expr->call.args = parser_alloc(parser, 2 * sizeof(struct expr *));
	if (!expr->call.args || !parser_adopt(parser, expr, a) || (b && !parser_adopt(parser, expr, b)))
		return NULL;
	expr->call.args[0] = a;
	expr->call.args[1] = b;
	expr->call.nargs = b ? 2 : 1;
	return parser_finish(parser, expr);
}

/* Literals */

/* As Go's Duration.Seconds() adds them, so that 50ms is the same double as there. */
static double seconds_of(int64_t ms)
{
	return (double)(ms / 1000) + (double)(ms % 1000 * 1000000) / 1e9;
}

double parser_number(const struct parser *parser)
{
	struct slice text = token_text(&parser->lexer, parser->token);
	double number = 0;
	int64_t ms = 0;

	/* The lexer has read it before: neither can fail. */
	if (!parser_is(parser, TOKEN_DURATION))
		number_parse(text, &number);
	else if (duration_parse(text, &ms) == 0)
		number = seconds_of(ms);
	return number;
}

bool parser_string(struct parser *parser, struct slice *out)
{
	struct token token = parser->token;
	struct slice text = token_text(&parser->lexer, token);
	struct slice inside = { text.ptr + 1, text.len - 2 };
	struct buf buf;
	size_t at = 0;

	*out = inside; /* without escapes the source itself will do */
	if (text.ptr[0] == '`' || slice_find(inside, '\\') < 0)
		return true;
	buf_init(&buf);
	if (text_unquote(inside, text.ptr[0], &buf, &at) < 0) {
		parser_complain(parser, token.offset + 1 + (uint32_t)at, 2,
				"in quotes a backslash is written twice; in backticks it stands for itself",
				"unknown escape sequence in string");
		buf_fini(&buf);
		return true;
	}
	*out = arena_slice(parser->arena, buf_slice(&buf));
	bool ok = buf_ok(&buf) && (buf.len == 0 || out->ptr);

	buf_fini(&buf);
	if (!ok)
		parser->error = ERR_NOMEM;
	return ok;
}

static struct expr *parse_number(struct parser *parser)
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

static bool adopt_arguments(struct parser *parser, struct expr *call, struct argument *first, uint32_t n)
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
		if (parser_peek(parser) == TOKEN_PAREN_RIGHT)
			parser_complain(parser, parser->token.offset, 1, NULL,
					"trailing commas not allowed in function call args");
		parser_advance(parser);
	}
	return parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, context) && adopt_arguments(parser, call, first, n);
}

static void complain_unknown(struct parser *parser, struct token name)
{
	struct slice text = token_text(&parser->lexer, name);
	const char *nearest = function_nearest(text);
	char hint[128];

	snprintf(hint, sizeof(hint), "did you mean \"%s\"?", nearest ? nearest : "");
	parser_complain(parser, name.offset, name.span, nearest ? hint : NULL,
			"unknown function with name \"" SLICE_FMT "\"", SLICE_ARG(text));
}

static struct expr *parse_call(struct parser *parser)
{
	struct token name = parser->token;
	struct slice text = token_text(&parser->lexer, name);
	const struct function *function = function_find(text);
	struct expr *expr = parser_node(parser, function ? EXPR_CALL : EXPR_REFUSED, name.offset);

	if (!expr)
		return NULL;
	if (!function && function_is_planned(text))
		parser_complain(parser, name.offset, name.span, NULL, "\"" SLICE_FMT "\" is not supported yet", SLICE_ARG(text));
	else if (!function)
		complain_unknown(parser, name);
	expr->call.function = function;
	parser_advance(parser);
	return parse_arguments(parser, expr, "function call") ? parser_finish(parser, expr) : NULL;
}

/* Aggregations */

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

static bool check_argument_count(struct parser *parser, const struct expr *call, uint32_t wanted)
{
	uint32_t n = call->call.nargs;
	uint32_t span = parser->last_end - call->offset;

	if (n == wanted)
		return true;
	if (n == 0)
		parser_complain(parser, call->offset, span, NULL, "no arguments for aggregate expression provided");
	else
		parser_complain(parser, call->offset, span, NULL,
				"wrong number of arguments for aggregate expression provided, expected %u, got %u", wanted, n);
	return false;
}

/* Turns the call that sum(…) was read as into an aggregation. */
static struct expr *aggregate_of(struct parser *parser, struct expr *call, enum token_kind keyword, bool without,
				 struct names labels)
{
	struct expr **args = call->call.args;
	enum aggregate_op op;

	if (!aggregate_op_from_token(keyword, &op))
		parser_refuse(parser, call->offset, (uint32_t)strlen(token_kind_text(keyword)), token_kind_text(keyword), NULL);
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
	if (!expr->unary.operand || !parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, NULL) ||
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
		if (slice_is(token_text(&parser->lexer, parser->token), "logs") && parser_peek(parser) == TOKEN_BRACE_LEFT)
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

/* A sign binds as "*" does: its operand takes in what binds tighter. Before a number it is part of it. */
static struct expr *parse_sign(struct parser *parser)
{
	uint32_t offset = parser->token.offset;
	bool minus = parser_is(parser, TOKEN_SUB);

	if (!nest(parser))
		return NULL;
	parser_advance(parser);
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
	if (!minus)
		return operand;
	struct expr *expr = parser_node(parser, EXPR_UNARY, offset);

	if (!expr || !parser_adopt(parser, expr, operand))
		return NULL;
	expr->unary.operand = operand;
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

struct operator {
	enum binary_op op;
	const char *refused; /* one of those not there yet */
	unsigned precedence;
};

static bool operator_of(const struct parser *parser, struct operator *out)
{
	enum token_kind kind = parser->token.kind;

	*out = (struct operator){ 0 };
	if (binary_op_from_token(kind, &out->op)) {
		out->precedence = binary_op_precedence(out->op);
		return true;
	}
	if (kind != TOKEN_ATAN2 && kind != TOKEN_TRIM_LOWER && kind != TOKEN_TRIM_UPPER)
		return false;
	out->refused = token_kind_text(kind);
	out->precedence = binary_op_precedence(kind == TOKEN_ATAN2 ? OP_MUL : OP_EQ);
	return true;
}

static bool is_fill(const struct parser *parser)
{
	return parser->token.kind >= TOKEN_FILL && parser->token.kind <= TOKEN_FILL_RIGHT;
}

/* fill (0), fill_left (0), fill_right (0) */
static bool parse_fill(struct parser *parser)
{
	struct bracket bracket;

	parser_refuse(parser, parser->token.offset, parser->token.span, token_kind_text(parser->token.kind), NULL);
	parser_advance(parser);
	if (!parser_open(parser, &bracket))
		return false;
	if (parser_is(parser, TOKEN_ADD) || parser_is(parser, TOKEN_SUB))
		parser_advance(parser);
	if (!parser_is(parser, TOKEN_NUMBER) && !parser_is(parser, TOKEN_DURATION)) {
		parser_unexpected(parser, "fill modifier", "number");
		return false;
	}
	parser_advance(parser);
	return parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, "fill modifier");
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
			expr->binary.card = parser_is(parser, TOKEN_GROUP_LEFT) ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
			parser_advance(parser);
			if (parser_is(parser, TOKEN_PAREN_LEFT) && !parse_labels(parser, &expr->binary.include))
				return false;
		}
	}
	while (is_fill(parser))
		if (!parse_fill(parser))
			return false;
	return true;
}

static struct expr *parse_right(struct parser *parser, const struct operator *operator)
{
	/* Right-associative, so each power nests in the one before. */
	if (operator->op != OP_POW || operator->refused)
		return parse_binary(parser, operator->precedence + 1);
	if (!nest(parser))
		return NULL;
	struct expr *right = parse_binary(parser, operator->precedence);

	parser->depth--;
	return right;
}

static struct expr *parse_operation(struct parser *parser, struct expr *left, const struct operator *operator)
{
	struct expr *expr = parser_node(parser, EXPR_BINARY, left->offset);

	if (!expr)
		return NULL;
	expr->binary.op = operator->op;
	expr->binary.left = left;
	expr->binary.op_offset = parser->token.offset;
	if (operator->refused)
		parser_refuse(parser, parser->token.offset, parser->token.span, operator->refused, NULL);
	parser_advance(parser);
	if (!parse_modifiers(parser, expr))
		return NULL;
	struct expr *right = parse_right(parser, operator);

	if (!right || !parser_adopt(parser, expr, left) || !parser_adopt(parser, expr, right))
		return NULL;
	expr->binary.right = right;
	return operator->refused ? parser_refused(parser, left->offset, left, right) : parser_finish(parser, expr);
}

/* Does a log pipeline begin here? "!=" with a string compares nothing that PromQL knows. */
static bool is_pipeline(const struct parser *parser, const struct expr *left)
{
	enum token_kind kind = parser->token.kind;

	if ((kind >= TOKEN_LINE_CONTAINS && kind <= TOKEN_PIPE) || kind == TOKEN_LINE_NOT_PATTERN)
		return true;
	if (left->kind != EXPR_REFUSED && (left->kind != EXPR_SELECTOR || left->selector.is_named))
		return false;
	return (kind == TOKEN_NEQ || kind == TOKEN_NEQ_RE) && parser_peek(parser) == TOKEN_STRING;
}

static struct expr *parse_binary(struct parser *parser, unsigned precedence)
{
	struct expr *left = parse_operand(parser);
	struct operator operator;

	while (left) {
		if (is_pipeline(parser, left)) {
			/* What follows has a grammar of its own. */
			parser_refuse(parser, parser->token.offset, parser->token.span, "log pipeline", NULL);
			return NULL;
		}
		if (!operator_of(parser, &operator) || operator.precedence < precedence)
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
