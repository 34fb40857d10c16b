#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/parser.h"

/* Prometheus counts milliseconds in 64 bits. */
#define TIMESTAMP_S_MAX 9223372036854775.0

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
			parser_unexpected(parser, PARSER_GROUPING, "label");
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
		parser_unexpected(parser, PARSER_GROUPING, "\"(\"");
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
	return parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, PARSER_GROUPING, "\",\" or \")\"");
}

/* Matchers */

struct expr *parser_selector(struct parser *parser, uint32_t offset)
{
	struct expr *expr = parser_node(parser, EXPR_SELECTOR, offset);
	struct selector_link *link = parser_alloc(parser, sizeof(*link));

	if (!expr || !link)
		return NULL;
	*link = (struct selector_link){ expr, parser->selectors };
	parser->selectors = link;
	return expr;
}

int parser_matcher(struct parser *parser, enum match_type type, struct slice name,
		   struct slice value, struct token place, struct matcher *out)
{
	char *why = NULL;
	int error = matcher_init(out, type, name, value, &why);

	if (error == ERR_NOMEM)
		return parser->error = error;
	if (error < 0)
		parser_complain(parser, place.offset, place.span, NULL,
				"invalid matcher of \"" SLICE_FMT "\": %s", SLICE_ARG(name),
				why ? why : error_text(error));
	free(why);
	return error == 0;
}

static bool selector_add(struct parser *parser, struct expr *expr, enum match_type type,
			 struct slice name, struct slice value, struct token place)
{
	uint32_t n = expr->selector.nmatchers;

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
	int made = parser_matcher(parser, type, name, value, place, &expr->selector.matchers[n]);

	if (made > 0)
		expr->selector.nmatchers++;
	return made >= 0;
}

bool parser_match_type(enum token_kind kind, enum match_type *out)
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
	if (!parser_match_type(parser->token.kind, &type)) {
		parser_unexpected(parser, "label matching", "label matching operator");
		return false;
	}
	parser_advance(parser);
	if (!parser_is(parser, TOKEN_STRING)) {
		parser_unexpected(parser, "label matching", "string");
		return false;
	}
	place = parser->token;
	if (!parser_string(parser, &value))
		return false;
	parser_advance(parser);
	return selector_add(parser, expr, type, name, value, place);
}

bool parse_matchers(struct parser *parser, struct expr *expr)
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
	struct expr *expr = parser_selector(parser, parser->token.offset);
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
	return parser_adapt_selector(parser, expr) ? parser_finish(parser, expr) : NULL;
}

/* Ranges, subqueries: [5m], [1h:1m], [1h:] */

static struct expr *subquery_of(struct parser *parser, struct expr *operand,
				const struct duration *range, const struct duration *step)
{
	struct expr *expr = parser_node(parser, EXPR_SUBQUERY, operand->offset);

	if (!expr || !parser_adopt(parser, expr, operand))
		return NULL;
	expr->subquery.operand = operand;
	expr->subquery.range_ms = range->ms;
	expr->subquery.step_ms = step->ms;
	expr->range_expr = range->expr;
	expr->step_expr = step->expr;
	return parser_finish(parser, expr);
}

static struct expr *range_of(struct parser *parser, struct expr *expr, uint32_t offset,
			     const struct duration *range)
{
	uint32_t span = parser->last_end - offset;

	if (expr->kind != EXPR_SELECTOR || expr->selector.is_range) {
		parser_complain(parser, offset, span,
				"of what is no selector a subquery makes a range: (…)[5m:1m]",
				"ranges only allowed for vector selectors");
		return parser_refused(parser, expr->offset, expr, NULL);
	}
	/* As in Prometheus: of an offset that is no literal, and of start() and end(), nothing is said. */
	if (expr->selector.offset_ms != 0 && !expr->offset_expr)
		parser_complain(parser, offset, span,
				"write the offset after the range: x[5m] offset 1h",
				"no offset modifiers allowed before range");
	else if (expr->at == AT_TIME)
		parser_complain(parser, offset, span, "write \"@\" after the range: x[5m] @ 100",
				"no @ modifiers allowed before range");
	else if (expr->edges != EDGES_PLAIN)
		parser_complain(parser, offset, span,
				"write it after the range: x[5m] anchored",
				"no anchored or smoothed modifiers allowed before range");
	expr->selector.is_range = true;
	expr->selector.range_ms = range->ms;
	expr->range_expr = range->expr;
	return parser_finish(parser, expr);
}

/* A range may be empty; a step must lead on. */
static bool parse_step(struct parser *parser, struct duration *out)
{
	uint32_t offset = parser->token.offset;

	if (!parse_duration(parser, out))
		return false;
	if (out->ms == 0)
		parser_complain(parser, offset, parser->last_end - offset, NULL,
				"duration must be at least 1ms");
	return true;
}

static struct expr *parse_range(struct parser *parser, struct expr *expr)
{
	uint32_t offset = parser->token.offset;
	struct duration range, step = { 0 };
	struct bracket bracket;
	bool is_subquery;

	if (!parser_open(parser, &bracket) || !parse_duration(parser, &range))
		return NULL;
	is_subquery = parser_is(parser, TOKEN_COLON);
	if (is_subquery) {
		parser_advance(parser);
		if (!parser_is(parser, TOKEN_BRACKET_RIGHT) && !parse_step(parser, &step))
			return NULL;
	}
	if (!parser_close(parser, &bracket, TOKEN_BRACKET_RIGHT, "subquery or range",
			  is_subquery ? "\"]\"" : "\":\" or \"]\""))
		return NULL;
	if (expr->kind == EXPR_REFUSED)
		return parser_refused(parser, expr->offset, expr, NULL);
	return is_subquery ? subquery_of(parser, expr, &range, &step)
			   : range_of(parser, expr, offset, &range);
}

/* Modifiers */

static bool takes_time(const struct expr *expr)
{
	return expr->kind == EXPR_SELECTOR || expr->kind == EXPR_SUBQUERY;
}

static struct expr *complain_misplaced(struct parser *parser, struct expr *expr, const char *what)
{
	parser_complain(parser, expr->offset, parser->last_end - expr->offset, NULL,
			"%s modifier must be preceded by an instant vector selector or range "
			"vector selector or a subquery",
			what);
	return parser_refused(parser, expr->offset, expr, NULL);
}

static struct expr *parse_offset(struct parser *parser, struct expr *expr)
{
	struct duration offset;

	parser_advance(parser);
	if (!parse_offset_duration(parser, &offset))
		return NULL;
	if (expr->kind == EXPR_REFUSED)
		return parser_finish(parser, expr);
	if (!takes_time(expr))
		return complain_misplaced(parser, expr, "offset");
	int64_t *ms = expr->kind == EXPR_SELECTOR ? &expr->selector.offset_ms
						  : &expr->subquery.offset_ms;

	if (*ms != 0 || expr->offset_expr)
		parser_complain(parser, expr->offset, parser->last_end - expr->offset, NULL,
				"offset may not be set multiple times");
	*ms = offset.ms;
	expr->offset_expr = offset.expr;
	return parser_finish(parser, expr);
}

static void complain_timestamp(struct parser *parser, const struct expr *expr, double seconds)
{
	char number[512]; /* the largest have 309 digits */

	if (isfinite(seconds))
		snprintf(number, sizeof(number), "%f", seconds);
	else
		strcpy(number, isnan(seconds) ? "NaN" : seconds > 0 ? "+Inf" : "-Inf");
	parser_complain(parser, expr->offset, parser->last_end - expr->offset, NULL,
			"timestamp out of bounds for @ modifier: %s", number);
}

/* '@' ([sign] number | 'start' '(' ')' | 'end' '(' ')') */
static bool parse_timestamp(struct parser *parser, const struct expr *expr, enum at_kind *at,
			    int64_t *ms)
{
	struct slice word = token_text(&parser->lexer, parser->token);
	double seconds;

	if (parser_signed(parser, &seconds)) {
		*at = AT_TIME;
		if (fabs(seconds) < TIMESTAMP_S_MAX)
			*ms = llround(seconds * 1000);
		else
			complain_timestamp(parser, expr, seconds);
		return true;
	}
	*at = slice_is_word(word, "start") ? AT_START : AT_END;
	if (*at == AT_END && !slice_is_word(word, "end")) {
		parser_unexpected(parser, "@", "timestamp");
		return false;
	}
	parser_advance(parser);
	return parser_expect(parser, TOKEN_PAREN_LEFT, "@") &&
	       parser_expect(parser, TOKEN_PAREN_RIGHT, "@");
}

static struct expr *parse_at(struct parser *parser, struct expr *expr)
{
	enum at_kind at;
	int64_t ms = 0;

	parser_advance(parser);
	if (!parse_timestamp(parser, expr, &at, &ms))
		return NULL;
	if (expr->kind == EXPR_REFUSED)
		return parser_finish(parser, expr);
	if (!takes_time(expr))
		return complain_misplaced(parser, expr, "@");
	if (expr->at != AT_NONE)
		parser_complain(parser, expr->offset, parser->last_end - expr->offset, NULL,
				"@ <timestamp> may not be set multiple times");
	expr->at = at;
	expr->at_ms = ms;
	return parser_finish(parser, expr);
}

static struct expr *parse_edges(struct parser *parser, struct expr *expr)
{
	uint32_t offset = parser->token.offset;
	bool anchored = parser_is(parser, TOKEN_ANCHORED);
	const char *what = anchored ? "anchored" : "smoothed";

	parser_advance(parser);
	if (expr->kind == EXPR_REFUSED)
		return parser_finish(parser, expr);
	if (expr->kind != EXPR_SELECTOR) {
		parser_complain(parser, offset, parser->last_end - offset, NULL,
				expr->kind == EXPR_SUBQUERY
					? "%s modifier is not supported for subqueries"
					: "%s modifier not implemented",
				what);
		return parser_refused(parser, expr->offset, expr, NULL);
	}
	if (expr->edges != EDGES_PLAIN)
		parser_complain(parser, offset, parser->last_end - offset, NULL,
				"anchored and smoothed modifiers cannot be used together");
	expr->edges = anchored ? EDGES_ANCHORED : EDGES_SMOOTHED;
	return parser_finish(parser, expr);
}

struct expr *parse_postfix(struct parser *parser, struct expr *expr)
{
	while (expr && (expr = parser_judge_postfix(parser, expr))) {
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
			expr = parse_edges(parser, expr);
			break;
		default:
			if (!parser_is_stage(parser, expr))
				return expr;
			expr = parse_pipeline(parser, expr);
		}
	}
	return NULL;
}
