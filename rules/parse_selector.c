#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/parser.h"

/* Go's time.Duration counts nanoseconds: what it cannot hold is out of range there, and so here. */
#define DURATION_S_MAX 9223372036.0

/* Labels of by, without, on, ignoring, group_left, group_right */

static bool parse_label(struct parser *parser, struct slice *out)
{
	struct token token = parser->token;

	if (token.kind == TOKEN_STRING) {
		if (!parser_string(parser, out))
			return false;
		if (out->len == 0 || !slice_is_utf8(*out))
			parser_complain(parser, token.offset, token.span, NULL,
					"invalid label name for grouping: " SLICE_FMT,
					SLICE_ARG(token_text(&parser->lexer, token)));
	} else {
		*out = token_text(&parser->lexer, token);
		if (token.kind == TOKEN_METRIC_IDENTIFIER) {
			parser_complain(parser, token.offset, token.span, NULL,
					"invalid label name for grouping: \"" SLICE_FMT "\"",
					SLICE_ARG(*out));
		} else if (!token_is_label(token.kind)) {
			parser_unexpected(parser, "grouping opts", "label");
			return false;
		}
	}
	parser_advance(parser);
	return true;
}

static bool names_add(struct parser *parser, struct names *names, struct slice name)
{
	/* Grows at powers of two. */
	if ((names->n & (names->n - 1)) == 0) {
		struct slice *items =
			parser_alloc(parser, (names->n ? 2 * names->n : 1) * sizeof(*items));

		if (!items)
			return false;
		if (names->n)
			memcpy(items, names->items, names->n * sizeof(*items));
		names->items = items;
	}
	names->items[names->n++] = name;
	return true;
}

bool parse_labels(struct parser *parser, struct names *out)
{
	struct bracket bracket;
	struct slice name;

	*out = (struct names){ 0 };
	if (!parser_is(parser, TOKEN_PAREN_LEFT)) {
		parser_unexpected(parser, "grouping opts", "\"(\"");
		return false;
	}
	if (!parser_open(parser, &bracket))
		return false;
	while (!parser_is(parser, TOKEN_PAREN_RIGHT)) {
		if (!parse_label(parser, &name) || !names_add(parser, out, name))
			return false;
		if (!parser_is(parser, TOKEN_COMMA))
			break;
		parser_advance(parser);
	}
	return parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, "grouping opts", "\",\" or \")\"");
}

/* Matchers */

static struct expr *selector_new(struct parser *parser)
{
	struct expr *expr = parser_node(parser, EXPR_SELECTOR, parser->token.offset);
	struct selector_link *link = parser_alloc(parser, sizeof(*link));

	if (!expr || !link)
		return NULL;
	*link = (struct selector_link){ expr, parser->selectors };
	parser->selectors = link;
	return expr;
}

/* value is the place that a bad pattern is told at. */
static bool selector_add(struct parser *parser, struct expr *expr, enum match_type type,
			 struct slice name, struct slice value, struct token place)
{
	uint32_t n = expr->selector.nmatchers;
	char *why = NULL;

	if (n == EXPR_MATCHERS_MAX) {
		parser_complain(parser, place.offset, place.span, NULL,
				"selector has more than %u matchers", EXPR_MATCHERS_MAX);
		parser->error = ERR_LIMIT;
		return false;
	}
	if ((n & (n - 1)) == 0) {
		struct matcher *matchers =
			parser_alloc(parser, (n ? 2 * n : 1) * sizeof(*matchers));

		if (!matchers)
			return false;
		if (n)
			memcpy(matchers, expr->selector.matchers, n * sizeof(*matchers));
		expr->selector.matchers = matchers;
	}
	int error = matcher_init(&expr->selector.matchers[n], type, name, value, &why);

	if (error == ERR_NOMEM) {
		parser->error = error;
		return false;
	}
	if (error < 0) {
		parser_complain(parser, place.offset, place.span, NULL,
				"invalid matcher of \"" SLICE_FMT "\": %s", SLICE_ARG(name),
				why ? why : error_text(error));
		free(why);
		return true;
	}
	expr->selector.nmatchers++;
	return true;
}

static bool match_type_of(enum token_kind kind, enum match_type *out)
{
	switch (kind) {
	case TOKEN_EQ:
		*out = MATCH_EQ;
		return true;
	case TOKEN_NEQ:
		*out = MATCH_NE;
		return true;
	case TOKEN_EQ_RE:
		*out = MATCH_RE;
		return true;
	case TOKEN_NEQ_RE:
		*out = MATCH_NRE;
		return true;
	default:
		return false;
	}
}

/* label op "value", "quoted label" op "value", or a bare "metric name" */
static bool parse_matcher(struct parser *parser, struct expr *expr)
{
	struct token place = parser->token;
	struct slice name = token_text(&parser->lexer, place), value;
	bool is_quoted = place.kind == TOKEN_STRING;
	enum match_type type;

	if (is_quoted && !parser_string(parser, &name))
		return false;
	if (!is_quoted && place.kind != TOKEN_IDENTIFIER) {
		parser_unexpected(parser, "label matching", "identifier or \"}\"");
		return false;
	}
	parser_advance(parser);
	if (is_quoted && (parser_is(parser, TOKEN_COMMA) || parser_is(parser, TOKEN_BRACE_RIGHT)))
		return selector_add(parser, expr, MATCH_EQ, SLICE(METRIC_NAME), name, place);
	if (!match_type_of(parser->token.kind, &type)) {
		parser_unexpected(parser, "label matching", "label matching operator");
		return false;
	}
	parser_advance(parser);
	if (!parser_is(parser, TOKEN_STRING)) {
		parser_unexpected(parser, "label matching", "string");
		return false;
	}
	if (is_quoted && (name.len == 0 || !slice_is_utf8(name)))
		parser_complain(parser, place.offset, place.span, NULL,
				"invalid label name " SLICE_FMT,
				SLICE_ARG(token_text(&parser->lexer, place)));
	place = parser->token;
	if (!parser_string(parser, &value))
		return false;
	parser_advance(parser);
	return selector_add(parser, expr, type, name, value, place);
}

static bool parse_matchers(struct parser *parser, struct expr *expr)
{
	struct bracket bracket;

	if (!parser_open(parser, &bracket))
		return false;
	while (!parser_is(parser, TOKEN_BRACE_RIGHT)) {
		if (!parse_matcher(parser, expr))
			return false;
		if (!parser_is(parser, TOKEN_COMMA))
			break;
		parser_advance(parser);
	}
	return parser_close(parser, &bracket, TOKEN_BRACE_RIGHT, "label matching",
			    "\",\" or \"}\"");
}

struct expr *parse_selector(struct parser *parser)
{
	struct expr *expr = selector_new(parser);
	struct token name = parser->token;

	if (!expr)
		return NULL;
	if (name.kind != TOKEN_BRACE_LEFT)
		parser_advance(parser);
	if (parser_is(parser, TOKEN_BRACE_LEFT) && !parse_matchers(parser, expr))
		return NULL;
	if (name.kind != TOKEN_BRACE_LEFT) {
		if (!selector_add(parser, expr, MATCH_EQ, SLICE(METRIC_NAME),
				  token_text(&parser->lexer, name), name))
			return NULL;
		expr->selector.is_named = true;
	}
	return parser_finish(parser, expr);
}

struct expr *parse_log_selector(struct parser *parser)
{
	uint32_t offset = parser->token.offset;
	struct expr *selector;

	parser_advance(parser);
	selector = selector_new(parser);
	if (!selector || !parse_matchers(parser, selector))
		return NULL;
	parser_refuse(parser, offset, parser->last_end - offset, "log selector",
		      "a metric of that name is selected by {__name__=\"logs\"}");
	return parser_refused(parser, offset, NULL, NULL);
}

/* Durations */

static void skip_to(struct parser *parser, enum token_kind kind)
{
	while (!parser_is(parser, kind) && !parser_is(parser, TOKEN_END) &&
	       !parser_is(parser, TOKEN_ERROR))
		parser_advance(parser);
}

/* [sign] literal. False, with nothing said, when something else stands here. */
static bool parse_signed(struct parser *parser, double *seconds)
{
	double sign = 1;

	while (parser_is(parser, TOKEN_SUB) || parser_is(parser, TOKEN_ADD)) {
		sign = parser_is(parser, TOKEN_SUB) ? -sign : sign;
		parser_advance(parser);
	}
	if (!parser_is(parser, TOKEN_NUMBER) && !parser_is(parser, TOKEN_DURATION))
		return false;
	*seconds = sign * parser_number(parser);
	parser_advance(parser);
	return true;
}

/* Milliseconds; what is wrong is told at [offset, last_end). */
static int64_t milliseconds_of(struct parser *parser, double seconds, uint32_t offset,
			       bool must_be_positive)
{
	uint32_t span = parser->last_end - offset;

	if (!(fabs(seconds) <= DURATION_S_MAX)) {
		parser_complain(parser, offset, span, NULL, "duration out of range");
		return 1;
	}
	if (must_be_positive && seconds <= 0) {
		parser_complain(parser, offset, span, NULL, "duration must be greater than 0");
		return 1;
	}
	int64_t ms = llround(seconds * 1000);

	if (must_be_positive && ms == 0) {
		parser_complain(parser, offset, span, NULL, "duration must be at least 1ms");
		return 1;
	}
	return ms;
}

static bool is_duration_operator(const struct parser *parser)
{
	return parser->token.kind >= TOKEN_ADD && parser->token.kind <= TOKEN_POW;
}

/*
 * step(), range(), min_of(…), max_of(…), (…): where a duration is wanted, the start of an
 * expression of them.
 */
static bool is_duration_expression(const struct parser *parser)
{
	return parser_is(parser, TOKEN_PAREN_LEFT) ||
	       (parser_is(parser, TOKEN_IDENTIFIER) && parser_peek(parser) == TOKEN_PAREN_LEFT);
}

/* [5m] and [1h:1m] */

struct range {
	int64_t ms;
	bool is_subquery;
	bool is_refused; /* a duration expression: told */
};

static bool parse_range_duration(struct parser *parser, uint32_t bracket, struct range *range,
				 int64_t *ms)
{
	uint32_t offset = parser->token.offset;
	double seconds;
	bool is_literal = parse_signed(parser, &seconds);

	if (is_literal ? is_duration_operator(parser) : is_duration_expression(parser)) {
		skip_to(parser, TOKEN_BRACKET_RIGHT);
		range->is_refused = true;
		parser_refuse(parser, bracket, parser->token.offset + parser->token.span - bracket,
			      "duration expression", NULL);
		return true;
	}
	if (!is_literal) {
		parser_unexpected(parser, "subquery or range selector", "number or duration");
		return false;
	}
	*ms = milliseconds_of(parser, seconds, offset, true);
	return true;
}

static bool parse_range_brackets(struct parser *parser, struct range *range)
{
	uint32_t offset = parser->token.offset;
	struct bracket bracket;
	int64_t step_ms;

	*range = (struct range){ 0 };
	if (!parser_open(parser, &bracket) ||
	    !parse_range_duration(parser, offset, range, &range->ms))
		return false;
	range->is_subquery = parser_is(parser, TOKEN_COLON);
	if (range->is_subquery) {
		parser_advance(parser);
		if (!parser_is(parser, TOKEN_BRACKET_RIGHT) &&
		    !parse_range_duration(parser, offset, range, &step_ms))
			return false;
	}
	return parser_close(parser, &bracket, TOKEN_BRACKET_RIGHT, "subquery or range selector",
			    NULL);
}

static struct expr *parse_range(struct parser *parser, struct expr *expr)
{
	uint32_t offset = parser->token.offset;
	struct range range;

	if (!parse_range_brackets(parser, &range))
		return NULL;
	uint32_t span = parser->last_end - offset;

	if (range.is_subquery && !range.is_refused)
		parser_refuse(parser, offset, span, "subquery",
			      "record the inner expression by a rule of its own, and select what "
			      "that records");
	if (range.is_subquery || range.is_refused || expr->kind == EXPR_REFUSED)
		return parser_refused(parser, expr->offset, expr, NULL);
	if (expr->kind != EXPR_SELECTOR || expr->selector.range_ms > 0) {
		parser_complain(parser, offset, span, NULL,
				"ranges only allowed for vector selectors");
		return parser_refused(parser, expr->offset, expr, NULL);
	}
	if (expr->selector.offset_ms != 0)
		parser_complain(parser, offset, span,
				"write the offset after the range: x[5m] offset 1h",
				"no offset modifiers allowed before range");
	expr->selector.range_ms = range.ms;
	return parser_finish(parser, expr);
}

/* Modifiers */

/* Over '(' … ')', whatever is in it. */
static bool skip_parentheses(struct parser *parser)
{
	struct bracket bracket;
	unsigned inner = 0;

	if (!parser_open(parser, &bracket))
		return false;
	while (inner > 0 || !parser_is(parser, TOKEN_PAREN_RIGHT)) {
		inner += parser_is(parser, TOKEN_PAREN_LEFT);
		inner -= parser_is(parser, TOKEN_PAREN_RIGHT);
		if (parser_is(parser, TOKEN_END) || parser_is(parser, TOKEN_ERROR)) {
			parser_unexpected(parser, "duration", "\")\"");
			return false;
		}
		parser_advance(parser);
	}
	return parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, "duration", NULL);
}

static struct expr *refuse_offset(struct parser *parser, struct expr *expr, uint32_t offset)
{
	if (parser_is(parser, TOKEN_IDENTIFIER))
		parser_advance(parser);
	if (!skip_parentheses(parser))
		return NULL;
	parser_refuse(parser, offset, parser->last_end - offset, "duration expression", NULL);
	return parser_refused(parser, expr->offset, expr, NULL);
}

static struct expr *parse_offset(struct parser *parser, struct expr *expr)
{
	uint32_t keyword = parser->token.offset;
	double seconds;

	parser_advance(parser);
	uint32_t offset = parser->token.offset;

	if (!parse_signed(parser, &seconds)) {
		if (is_duration_expression(parser))
			return refuse_offset(parser, expr, offset);
		parser_unexpected(parser, "offset", "number or duration");
		return NULL;
	}
	int64_t ms = milliseconds_of(parser, seconds, offset, false);

	if (expr->kind == EXPR_REFUSED)
		return parser_finish(parser, expr);
	if (expr->kind != EXPR_SELECTOR) {
		parser_complain(parser, keyword, parser->last_end - keyword, NULL,
				"offset modifier must be preceded by an instant vector selector or "
				"range vector selector or a subquery");
		return parser_refused(parser, expr->offset, expr, NULL);
	}
	if (expr->selector.offset_ms != 0)
		parser_complain(parser, keyword, parser->last_end - keyword, NULL,
				"offset may not be set multiple times");
	expr->selector.offset_ms = ms;
	return parser_finish(parser, expr);
}

/* '@' ([sign] number | 'start' '(' ')' | 'end' '(' ')') */
static struct expr *parse_at(struct parser *parser, struct expr *expr)
{
	uint32_t offset = parser->token.offset;
	double seconds;

	parser_advance(parser);
	struct slice word = token_text(&parser->lexer, parser->token);

	if (!parse_signed(parser, &seconds)) {
		if (!slice_is(word, "start") && !slice_is(word, "end")) {
			parser_unexpected(parser, "@", "timestamp");
			return NULL;
		}
		parser_advance(parser);
		if (!parser_expect(parser, TOKEN_PAREN_LEFT, "@") ||
		    !parser_expect(parser, TOKEN_PAREN_RIGHT, "@"))
			return NULL;
	}
	parser_refuse(parser, offset, parser->last_end - offset, "@", NULL);
	return parser_refused(parser, expr->offset, expr, NULL);
}

static struct expr *refuse_modifier(struct parser *parser, struct expr *expr)
{
	parser_refuse(parser, parser->token.offset, parser->token.span,
		      token_kind_text(parser->token.kind), NULL);
	parser_advance(parser);
	return parser_refused(parser, expr->offset, expr, NULL);
}

struct expr *parse_postfix(struct parser *parser, struct expr *expr)
{
	while (expr) {
		switch (parser->token.kind) {
		case TOKEN_BRACKET_LEFT:
			expr = parse_range(parser, expr);
			break;
		case TOKEN_OFFSET:
			expr = parse_offset(parser, expr);
			break;
		case TOKEN_AT:
			expr = parse_at(parser, expr);
			break;
		case TOKEN_ANCHORED:
		case TOKEN_SMOOTHED:
			expr = refuse_modifier(parser, expr);
			break;
		default:
			return expr;
		}
	}
	return NULL;
}
