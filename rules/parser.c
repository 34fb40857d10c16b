#include "rules/parser.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "base/quote.h"
#include "base/text.h"
#include "rules/log_selector.h"

void parser_init(struct parser *parser, const struct source *source, struct arena *arena,
		 struct diag_list *diags)
{
	*parser = (struct parser){ .source = source, .arena = arena, .diags = diags };
	lexer_init(&parser->lexer, source->text);
}

void parser_discard(struct parser *parser)
{
	for (struct selector_link *link = parser->selectors; link; link = link->next) {
		for (uint32_t i = 0; i < link->selector->selector.nmatchers; i++)
			matcher_fini(&link->selector->selector.matchers[i]);
		log_selector_fini(link->selector->selector.log);
	}
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

void parser_complain(struct parser *parser, uint32_t offset, uint32_t span, const char *hint,
		     const char *format, ...)
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

void parser_refuse(struct parser *parser, uint32_t offset, uint32_t span, const char *what,
		   const char *hint)
{
	parser_complain(parser, offset, span, hint, "\"%s\" is not supported yet", what);
}

static void complain_limit(struct parser *parser, uint32_t offset, const char *format,
			   unsigned limit)
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

/* The byte `by` places from where the token begins; 0: none. */
static char byte_near(const struct parser *parser, int by)
{
	size_t at = parser->token.offset + (size_t)by;

	return at < parser->source->text.len ? parser->source->text.ptr[at] : '\0';
}

static const char *hint_for(const struct parser *parser, const char *context, const char *expected)
{
	bool in_braces = parser->lexer.in_braces;

	switch (parser->token.kind) {
	case TOKEN_EQ:
		return in_braces		     ? NULL
		       : byte_near(parser, 1) == '>' ? "write \">=\""
		       : byte_near(parser, 1) == '<' ? "write \"<=\""
						     : "compare with \"==\"";
	case TOKEN_GTR:
		return byte_near(parser, -1) == '<' ? "write \"!=\"" : NULL;
	case TOKEN_EQL:
		return in_braces ? "a matcher takes one \"=\"" : NULL;
	case TOKEN_EQ_RE:
	case TOKEN_NEQ_RE:
		return in_braces ? NULL : "patterns match labels, in braces: {job=~\"a.*\"}";
	case TOKEN_IDENTIFIER:
	case TOKEN_NUMBER:
	case TOKEN_DURATION:
		if (!expected)
			return NULL;
		if (strcmp(expected, "string") == 0)
			return LEXER_TEXT_HINT;
		return context && strcmp(context, PARSER_GROUPING) == 0 && expected[1] == '('
			       ? "labels stand in parentheses: by (job)"
			       : NULL;
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
	parser_complain(parser, token.offset, token.span, parser->lexer.hint, "%s%s",
			parser->lexer.error, text.ptr && buf_ok(&text) ? text.ptr : "");
	buf_fini(&text);
}

static void unclosed(struct parser *parser)
{
	uint32_t offset = parser->open->offset;
	char c = parser->source->text.ptr[offset];

	parser_complain(parser, offset, 1, NULL, "unclosed left %s",
			c == '('   ? "parenthesis"
			: c == '[' ? "bracket"
				   : "brace");
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
	parser_complain(parser, parser->token.offset, parser->token.span ? parser->token.span : 1,
			hint_for(parser, context, expected), "unexpected %s",
			buf_ok(&text) ? text.ptr : "token");
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

bool parser_nest(struct parser *parser)
{
	if (parser->depth == EXPR_DEPTH_MAX) {
		complain_limit(parser, parser->token.offset,
			       "expression is nested deeper than %u levels", EXPR_DEPTH_MAX);
		return false;
	}
	parser->depth++;
	return true;
}

bool parser_open(struct parser *parser, struct bracket *bracket)
{
	if (!parser_nest(parser))
		return false;
	*bracket = (struct bracket){ parser->token.offset, parser->open };
	parser->open = bracket;
	parser_advance(parser);
	return true;
}

bool parser_close(struct parser *parser, struct bracket *bracket, enum token_kind kind,
		  const char *context, const char *expected)
{
	if (expected && !parser_is(parser, kind)) {
		parser_unexpected(parser, context, expected);
		return false;
	}
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
		complain_limit(parser, parent->offset,
			       "expression has more than %u operators in a chain", EXPR_HEIGHT_MAX);
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
	if (!expr->call.args || !parser_adopt(parser, expr, a) ||
	    (b && !parser_adopt(parser, expr, b)))
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

static int unquote(struct parser *parser, struct slice inside, char quote, struct slice *out)
{
	struct buf buf;
	size_t at = 0;

	buf_init(&buf);
	int error = text_unquote(inside, quote, &buf, &at);

	if (error == ERR_INVALID)
		parser_complain(
			parser, parser->token.offset + 1 + (uint32_t)at, 2,
			"in quotes a backslash is written twice; in backticks it stands for itself",
			"unknown escape sequence in string");
	if (!error) {
		*out = arena_slice(parser->arena, buf_slice(&buf));
		error = buf.len > 0 && !out->ptr ? ERR_NOMEM : 0;
	}
	buf_fini(&buf);
	return error;
}

bool parser_string(struct parser *parser, struct slice *out)
{
	struct slice text = token_text(&parser->lexer, parser->token);
	struct slice inside = { text.ptr + 1, text.len - 2 };

	*out = inside; /* without escapes the source itself will do */
	if (text.ptr[0] == '`' || slice_find(inside, '\\') < 0)
		return true;
	if (unquote(parser, inside, text.ptr[0], out) != ERR_NOMEM)
		return true; /* what is wrong has been told */
	parser->error = ERR_NOMEM;
	return false;
}
