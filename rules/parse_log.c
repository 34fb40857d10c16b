/*
 * Log selectors: logs{…}, and the stages of a pipeline after it.
 *
 * A pipeline reaches up to "[", to a ")" of a parenthesis opened before it, or to the end; in it
 * the lexer takes every word for a name, and it is only the place that makes one a stage, "and" or
 * "ip". Places of whole stages (unwrap last, …) are judged by the checker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "rules/log_selector.h"
#include "rules/parser.h"
#include "rules/quantity.h"

#define CONTEXT "log pipeline"

/* A stage being parsed, in the pipeline of that log selector. */
struct stage_parse {
	struct parser *parser;
	struct log_selector *log;
	struct log_stage *stage;
	uint32_t ncomparisons; /* of a label filter */
};

static bool parse_label_filter(struct stage_parse *parse, const struct log_filter **out);

/* Log selectors, and what may stand after them */

bool parser_is_log_selector(const struct parser *parser)
{
	return parser->has_additions &&
	       slice_is(token_text(&parser->lexer, parser->token), "logs") &&
	       parser_peek(parser) == TOKEN_BRACE_LEFT;
}

static bool make_log(struct parser *parser, struct expr *selector, bool is_marked)
{
	struct log_selector *log = parser_alloc(parser, sizeof(*log));

	if (!log)
		return false;
	log->is_marked = is_marked;
	selector->selector.log = log;
	return true;
}

struct expr *parse_log_selector(struct parser *parser)
{
	struct expr *selector = parser_selector(parser, parser->token.offset);

	parser_advance(parser);
	if (!selector || !parse_matchers(parser, selector) || !make_log(parser, selector, true))
		return NULL;
	return parser_finish(parser, selector);
}

static bool has_metric_name(const struct expr *selector)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *matcher = &selector->selector.matchers[i];

		if (slice_is((struct slice){ matcher->name, matcher->name_len }, METRIC_NAME))
			return true;
	}
	return false;
}

bool parser_adapt_selector(struct parser *parser, struct expr *selector)
{
	if (!parser->is_logql || has_metric_name(selector))
		return true;
	return make_log(parser, selector, false);
}

/* The selector that this is, in parentheses or not, or NULL. */
static struct expr *selector_of(struct expr *expr)
{
	while (expr->kind == EXPR_PAREN)
		expr = expr->unary.operand;
	return expr->kind == EXPR_SELECTOR ? expr : NULL;
}

/* The selector itself instead of its parentheses, but with their place. */
static struct expr *out_of_parentheses(struct parser *parser, const struct expr *expr,
				       struct expr *selector)
{
	selector->offset = expr->offset;
	return parser_finish(parser, selector);
}

/* Is there a colon before the bracket that closes the one at the current token? */
static bool has_step(const struct parser *parser)
{
	struct lexer ahead = parser->lexer;

	for (;;) {
		enum token_kind kind = lexer_next(&ahead).kind;

		if (kind == TOKEN_COLON)
			return true;
		if (kind == TOKEN_BRACKET_RIGHT || kind == TOKEN_END || kind == TOKEN_ERROR)
			return false;
	}
}

/* What is wrong with a range at the current token, or NULL. */
static const char *range_fault(const struct parser *parser, const struct expr *selector)
{
	if (has_step(parser))
		return "a step makes this a subquery, which takes an instant vector; close the "
		       "function first";
	if (selector->selector.range_ms > 0)
		return "a log selector takes one range";
	if (selector->selector.offset_ms != 0 || selector->offset_expr)
		return "offset stands after the range of a log selector: [5m] offset 1h";
	return NULL;
}

static const char *modifier_fault(const struct parser *parser, const struct expr *selector)
{
	if (parser_is(parser, TOKEN_ANCHORED) || parser_is(parser, TOKEN_SMOOTHED))
		return "anchored and smoothed are for samples, not for log lines";
	if (selector->selector.range_ms > 0)
		return NULL;
	return parser_is(parser, TOKEN_AT)
		       ? "@ stands after the range of a log selector: [5m] @ 100"
		       : "offset stands after the range of a log selector: [5m] offset 1h";
}

static bool is_modifier(const struct parser *parser)
{
	return parser_is(parser, TOKEN_OFFSET) || parser_is(parser, TOKEN_AT) ||
	       parser_is(parser, TOKEN_ANCHORED) || parser_is(parser, TOKEN_SMOOTHED);
}

struct expr *parser_judge_postfix(struct parser *parser, struct expr *operand)
{
	bool is_range = parser_is(parser, TOKEN_BRACKET_LEFT);
	struct expr *selector = selector_of(operand);
	const char *fault;

	if (!selector || !selector->selector.log || (!is_range && !is_modifier(parser)))
		return operand;
	fault = is_range ? range_fault(parser, selector) : modifier_fault(parser, selector);
	if (fault) {
		parser_complain(parser, parser->token.offset, parser->token.span, NULL, "%s",
				fault);
		return parser_refused(parser, operand->offset, NULL, NULL);
	}
	if (is_range)
		selector->selector.log->nbefore_range = selector->selector.log->nstages;
	return out_of_parentheses(parser, operand, selector);
}

/* Words and arrays */

static struct slice word_of(const struct parser *parser)
{
	return token_text(&parser->lexer, parser->token);
}

static bool is_word(const struct parser *parser, const char *word)
{
	struct slice text = word_of(parser);

	return parser_is(parser, TOKEN_IDENTIFIER) && text.len == strlen(word) &&
	       strncasecmp(text.ptr, word, text.len) == 0;
}

/* ip, bytes, duration: words only before a parenthesis. */
static bool is_called_word(const struct parser *parser, const char *word)
{
	return is_word(parser, word) && parser_peek(parser) == TOKEN_PAREN_LEFT;
}

/* Room for one more after n items; grows at powers of two. */
static void *grow(struct parser *parser, void *items, uint32_t n, uint32_t max, size_t size)
{
	void *grown;

	if (n == max) {
		parser_complain(parser, parser->token.offset, parser->token.span, NULL,
				max == LOG_STAGES_MAX ? "log pipeline has more than %u stages"
						      : "stage has more than %u parts",
				max);
		parser->error = ERR_LIMIT;
		return NULL;
	}
	if ((n & (n - 1)) != 0)
		return items;
	grown = parser_alloc(parser, (n ? 2 * n : 1) * size);
	if (grown && n)
		memcpy(grown, items, n * size);
	return grown;
}

static bool expect_string(struct parser *parser, struct slice *out)
{
	if (!parser_is(parser, TOKEN_STRING)) {
		parser_unexpected(parser, CONTEXT, "string");
		return false;
	}
	if (!parser_string(parser, out))
		return false;
	parser_advance(parser);
	return true;
}

static bool expect_name(struct parser *parser, struct slice *out)
{
	if (!parser_is(parser, TOKEN_IDENTIFIER)) {
		parser_unexpected(parser, CONTEXT, "label");
		return false;
	}
	*out = word_of(parser);
	parser_advance(parser);
	return true;
}

/* '(' STRING ')' after ip */
static bool parse_ip(struct parser *parser, struct slice *out)
{
	struct bracket bracket;

	parser_advance(parser);
	return parser_open(parser, &bracket) && expect_string(parser, out) &&
	       parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, CONTEXT, NULL);
}

/* A matcher of a stage, at the string of its value. NULL with nothing left to do: the parse ends.
 */
static bool parse_matcher_value(struct stage_parse *parse, enum match_type type, struct slice name,
				const struct matcher **out)
{
	struct parser *parser = parse->parser;
	struct log_matcher *link = parser_alloc(parser, sizeof(*link));
	struct token place = parser->token;
	struct slice value;
	char *why = NULL;

	if (!link || !expect_string(parser, &value))
		return false;
	int error = matcher_init(&link->matcher, type, name, value, &why);

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
	link->next = parse->log->matchers;
	parse->log->matchers = link;
	*out = &link->matcher;
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

/* Line filters: LINE_OP line_arg {'or' line_arg} */

static bool line_op_of(enum token_kind kind, enum log_line_op *out)
{
	switch (kind) {
	case TOKEN_LINE_CONTAINS:
		*out = LINE_CONTAINS;
		return true;
	case TOKEN_NEQ:
		*out = LINE_NOT_CONTAINS;
		return true;
	case TOKEN_LINE_RE:
		*out = LINE_MATCHES;
		return true;
	case TOKEN_NEQ_RE:
		*out = LINE_NOT_MATCHES;
		return true;
	case TOKEN_LINE_PATTERN:
		*out = LINE_PATTERN;
		return true;
	case TOKEN_LINE_NOT_PATTERN:
		*out = LINE_NOT_PATTERN;
		return true;
	default:
		return false;
	}
}

static bool parse_line_arg(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;
	struct log_stage *stage = parse->stage;
	uint32_t offset = parser->token.offset, n = stage->line.nargs;
	struct log_line_arg *arg;

	stage->line.args =
		grow(parser, stage->line.args, n, LOG_STAGE_ITEMS_MAX, sizeof(*stage->line.args));
	if (!stage->line.args)
		return false;
	arg = &stage->line.args[n];
	arg->is_ip = is_called_word(parser, "ip");
	if (arg->is_ip ? !parse_ip(parser, &arg->text) : !expect_string(parser, &arg->text))
		return false;
	stage->line.nargs++;
	if (arg->is_ip && stage->line.op != LINE_CONTAINS && stage->line.op != LINE_NOT_CONTAINS)
		parser_complain(parser, offset, parser->last_end - offset, NULL,
				"ip() stands after |= or != only");
	return true;
}

/*
 * What follows "or" is no string: a label filter, most likely, which the message then quotes. The
 * parse ends.
 */
static void complain_or(struct stage_parse *parse, struct token or_token)
{
	struct parser *parser = parse->parser;
	uint32_t offset = parser->token.offset;
	struct diag_list nowhere, *diags = parser->diags;
	const struct log_filter *filter = NULL;
	struct slice text = { parser->source->text.ptr + offset, 0 };
	int error = parser->error;

	diag_list_init(&nowhere);
	parser->diags = &nowhere;
	if (parse_label_filter(parse, &filter) && nowhere.n == 0)
		text.len = parser->last_end - offset;
	parser->diags = diags;
	if (parser->error != ERR_NOMEM && parser->error != ERR_LIMIT)
		parser->error = error;
	diag_list_fini(&nowhere);
	if (text.len > 0)
		parser_complain(parser, or_token.offset, or_token.span, NULL,
				"\"or\" after a line filter joins strings; for labels write "
				"| " SLICE_FMT,
				SLICE_ARG(text));
	else
		parser_complain(parser, or_token.offset, or_token.span,
				"the \"or\" of expressions stands after the function's parenthesis",
				"\"or\" after a line filter joins strings");
}

static bool parse_line_filter(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;

	parse->stage->kind = LOG_LINE_FILTER;
	line_op_of(parser->token.kind, &parse->stage->line.op);
	parser_advance(parser);
	if (!parse_line_arg(parse))
		return false;
	while (is_word(parser, "or")) {
		struct token or_token = parser->token;

		parser_advance(parser);
		if (!parser_is(parser, TOKEN_STRING) && !is_called_word(parser, "ip")) {
			complain_or(parse, or_token);
			return false;
		}
		if (!parse_line_arg(parse))
			return false;
	}
	return true;
}

/* Label filters */

static struct log_filter *filter_new(struct stage_parse *parse, enum log_filter_kind kind)
{
	struct log_filter *filter = parser_alloc(parse->parser, sizeof(*filter));

	if (filter) {
		filter->kind = kind;
		filter->height = 1;
	}
	return filter;
}

static const struct log_filter *filter_join(struct stage_parse *parse, enum log_filter_kind kind,
					    const struct log_filter *left,
					    const struct log_filter *right)
{
	struct log_filter *filter = filter_new(parse, kind);

	if (!filter)
		return NULL;
	filter->left = left;
	filter->right = right;
	filter->height = 1 + (left->height > right->height ? left->height : right->height);
	return filter;
}

/* NAME | STRING */
static bool parse_filter_name(struct parser *parser, struct slice *out)
{
	struct token place = parser->token;

	if (!parser_is(parser, TOKEN_STRING))
		return expect_name(parser, out);
	if (!parser_string(parser, out))
		return false;
	if (out->len == 0 || !slice_is_utf8(*out))
		parser_complain(parser, place.offset, place.span, NULL,
				"invalid label name " SLICE_FMT,
				SLICE_ARG(token_text(&parser->lexer, place)));
	parser_advance(parser);
	return true;
}

static bool compare_of(enum token_kind kind, enum log_compare *out)
{
	switch (kind) {
	case TOKEN_EQ:
	case TOKEN_EQL:
		*out = COMPARE_EQ;
		return true;
	case TOKEN_NEQ:
		*out = COMPARE_NE;
		return true;
	case TOKEN_GTR:
		*out = COMPARE_GT;
		return true;
	case TOKEN_GTE:
		*out = COMPARE_GE;
		return true;
	case TOKEN_LSS:
		*out = COMPARE_LT;
		return true;
	case TOKEN_LTE:
		*out = COMPARE_LE;
		return true;
	default:
		return false;
	}
}

/* ['+'|'-'] literal */
static bool parse_literal(struct stage_parse *parse, struct log_filter *filter)
{
	static const enum log_filter_kind kinds[] = {
		[QUANTITY_NUMBER] = FILTER_NUMBER,
		[QUANTITY_DURATION] = FILTER_DURATION,
		[QUANTITY_BYTES] = FILTER_BYTES,
	};
	struct parser *parser = parse->parser;
	enum quantity_kind kind = QUANTITY_NUMBER;
	bool minus = parser_is(parser, TOKEN_SUB);

	if (minus || parser_is(parser, TOKEN_ADD))
		parser_advance(parser);
	if (!parser_is(parser, TOKEN_NUMBER) && !parser_is(parser, TOKEN_DURATION) &&
	    !parser_is(parser, TOKEN_BYTES)) {
		parser_unexpected(parser, CONTEXT, "string, number, duration or size");
		return false;
	}
	filter->literal = word_of(parser);
	/* The lexer has read it before: it cannot fail. */
	quantity_parse(filter->literal, &kind, &filter->number);
	filter->kind = kinds[kind];
	if (kind == QUANTITY_DURATION)
		filter->number /= NANOSECONDS;
	if (minus) {
		char *text = parser_alloc(parser, filter->literal.len + 1);

		if (!text)
			return false;
		text[0] = '-';
		memcpy(text + 1, filter->literal.ptr, filter->literal.len);
		filter->literal = (struct slice){ text, filter->literal.len + 1 };
		filter->number = -filter->number;
	}
	parser_advance(parser);
	return true;
}

static bool parse_filter_string(struct stage_parse *parse, struct token op,
				struct log_filter *filter)
{
	struct parser *parser = parse->parser;
	enum match_type type = MATCH_EQ;

	if (!match_type_of(op.kind, &type))
		parser_complain(parser, op.offset, op.span,
				"texts are compared with =, !=, =~ and !~; numbers stand without "
				"quotes",
				"\"%s\" compares numbers, not texts", token_kind_text(op.kind));
	filter->kind = FILTER_STRING;
	return parse_matcher_value(parse, type, filter->name, &filter->matcher);
}

static bool parse_filter_ip(struct stage_parse *parse, struct token op, struct log_filter *filter)
{
	if (op.kind != TOKEN_EQ && op.kind != TOKEN_NEQ)
		parser_complain(parse->parser, op.offset, op.span, NULL,
				"ip() is compared with = and !=");
	filter->kind = FILTER_IP;
	return parse_ip(parse->parser, &filter->literal);
}

/* name op value */
static const struct log_filter *parse_comparison(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;
	struct log_filter *filter = filter_new(parse, FILTER_STRING);
	enum match_type type;
	bool good;

	if (!filter || !parse_filter_name(parser, &filter->name))
		return NULL;
	if (++parse->ncomparisons > LOG_STAGE_ITEMS_MAX &&
	    !grow(parser, NULL, LOG_STAGE_ITEMS_MAX, LOG_STAGE_ITEMS_MAX, 1))
		return NULL;
	struct token op = parser->token;

	if (!compare_of(op.kind, &filter->compare) && !match_type_of(op.kind, &type)) {
		parser_unexpected(parser, CONTEXT, "a comparison");
		return NULL;
	}
	parser_advance(parser);
	if (parser_is(parser, TOKEN_STRING))
		good = parse_filter_string(parse, op, filter);
	else if (is_called_word(parser, "ip"))
		good = parse_filter_ip(parse, op, filter);
	else if (op.kind == TOKEN_EQ_RE || op.kind == TOKEN_NEQ_RE)
		good = expect_string(parser, &filter->literal);
	else
		good = parse_literal(parse, filter);
	return good ? filter : NULL;
}

static const struct log_filter *parse_filter_operand(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;
	const struct log_filter *filter = NULL;
	struct bracket bracket;

	if (!parser_is(parser, TOKEN_PAREN_LEFT))
		return parse_comparison(parse);
	if (!parser_open(parser, &bracket) || !parse_label_filter(parse, &filter) ||
	    !parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, CONTEXT, NULL))
		return NULL;
	return filter;
}

/* and = lf {('and' | ',' | ε) lf} */
static const struct log_filter *parse_filter_and(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;
	const struct log_filter *left = parse_filter_operand(parse);

	while (left && !is_word(parser, "or")) {
		if (is_word(parser, "and") || parser_is(parser, TOKEN_COMMA))
			parser_advance(parser);
		else if (!parser_is(parser, TOKEN_IDENTIFIER) && !parser_is(parser, TOKEN_STRING) &&
			 !parser_is(parser, TOKEN_PAREN_LEFT))
			break;
		const struct log_filter *right = parse_filter_operand(parse);

		left = right ? filter_join(parse, FILTER_AND, left, right) : NULL;
	}
	return left;
}

/* label_filter = and {'or' and}. The result stays NULL when something in it was told. */
static bool parse_label_filter(struct stage_parse *parse, const struct log_filter **out)
{
	const struct log_filter *left = parse_filter_and(parse);

	while (left && is_word(parse->parser, "or")) {
		parser_advance(parse->parser);
		const struct log_filter *right = parse_filter_and(parse);

		left = right ? filter_join(parse, FILTER_OR, left, right) : NULL;
	}
	*out = left;
	return left != NULL;
}

/* Stages with a word */

/* ex = NAME ['=' STRING] */
static bool parse_extractions(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;
	struct log_stage *stage = parse->stage;

	if (!parser_is(parser, TOKEN_IDENTIFIER))
		return true;
	for (;; parser_advance(parser)) {
		struct log_field *field;
		struct token place;

		stage->parse.fields = grow(parser, stage->parse.fields, stage->parse.nfields,
					   LOG_STAGE_ITEMS_MAX, sizeof(*stage->parse.fields));
		if (!stage->parse.fields)
			return false;
		field = &stage->parse.fields[stage->parse.nfields];
		if (!expect_name(parser, &field->name))
			return false;
		stage->parse.nfields++;
		if (parser_is(parser, TOKEN_EQ)) {
			parser_advance(parser);
			place = parser->token;
			if (!expect_string(parser, &field->value))
				return false;
			if (field->value.len == 0)
				parser_complain(parser, place.offset, place.span, NULL,
						"empty path of a field");
		}
		if (!parser_is(parser, TOKEN_COMMA))
			return true;
	}
}

/* After json, logfmt, …: a comparison here means that the word was to be a label's name. */
static bool is_misread_name(const struct parser *parser)
{
	enum match_type type;
	enum log_compare compare;

	return match_type_of(parser->token.kind, &type) || compare_of(parser->token.kind, &compare);
}

static bool parse_parser(struct stage_parse *parse, unsigned which)
{
	struct parser *parser = parse->parser;
	struct log_stage *stage = parse->stage;

	stage->kind = LOG_PARSER;
	stage->parse.parser = (enum log_parser)which;
	if (which == LOG_REGEXP || which == LOG_PATTERN)
		return expect_string(parser, &stage->parse.text);
	return which == LOG_UNPACK || parse_extractions(parse);
}

/* "--strict" or "--keep-empty": names with dashes, which the lexer takes apart. */
static bool parse_flags(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;

	while (parser_is(parser, TOKEN_SUB)) {
		uint32_t offset = parser->token.offset;
		struct slice rest = { parser->source->text.ptr + offset,
				      parser->source->text.len - offset };
		bool strict = slice_has_prefix(rest, SLICE("--strict"));
		uint32_t end =
			offset + (uint32_t)(strict ? strlen("--strict") : strlen("--keep-empty"));

		if (!strict && !slice_has_prefix(rest, SLICE("--keep-empty"))) {
			parser_unexpected(parser, CONTEXT, "--strict or --keep-empty");
			return false;
		}
		while (parser->token.offset < end)
			parser_advance(parser);
		if (parser->last_end != end) {
			parser_complain(parser, offset, parser->last_end - offset, NULL,
					"unknown flag of logfmt, expected --strict or "
					"--keep-empty");
			return false;
		}
		parse->stage->parse.strict = parse->stage->parse.strict || strict;
		parse->stage->parse.keep_empty = parse->stage->parse.keep_empty || !strict;
	}
	return true;
}

static bool parse_logfmt(struct stage_parse *parse, unsigned which)
{
	return parse_flags(parse) && parse_parser(parse, which);
}

static bool parse_line_format(struct stage_parse *parse, unsigned which)
{
	(void)which;
	parse->stage->kind = LOG_LINE_FORMAT;
	return expect_string(parse->parser, &parse->stage->template);
}

/* NAME '=' (NAME|STRING) */
static bool parse_format(struct stage_parse *parse, struct log_field *field)
{
	struct parser *parser = parse->parser;
	struct token place = parser->token;
	const struct log_field *fields = parse->stage->format.fields;

	if (!expect_name(parser, &field->name) || !parser_expect(parser, TOKEN_EQ, CONTEXT))
		return false;
	for (uint32_t i = 0; i < parse->stage->format.nfields; i++)
		if (slice_is_equal(fields[i].name, field->name))
			parser_complain(parser, place.offset, place.span, NULL,
					"label_format sets \"" SLICE_FMT "\" twice",
					SLICE_ARG(field->name));
	field->value_is_label = !parser_is(parser, TOKEN_STRING);
	if (!field->value_is_label)
		return expect_string(parser, &field->value);
	if (parser_is(parser, TOKEN_IDENTIFIER))
		return expect_name(parser, &field->value);
	parser_unexpected(parser, CONTEXT, "label or string");
	return false;
}

static bool parse_label_format(struct stage_parse *parse, unsigned which)
{
	struct parser *parser = parse->parser;
	struct log_stage *stage = parse->stage;

	(void)which;
	stage->kind = LOG_LABEL_FORMAT;
	for (;; parser_advance(parser)) {
		uint32_t n = stage->format.nfields;

		stage->format.fields = grow(parser, stage->format.fields, n, LOG_STAGE_ITEMS_MAX,
					    sizeof(*stage->format.fields));
		if (!stage->format.fields || !parse_format(parse, &stage->format.fields[n]))
			return false;
		stage->format.nfields++;
		if (!parser_is(parser, TOKEN_COMMA))
			return true;
	}
}

static bool parse_decolorize(struct stage_parse *parse, unsigned which)
{
	(void)which;
	parse->stage->kind = LOG_DECOLORIZE;
	return true;
}

/* item = NAME [('='|'!='|'=~'|'!~') STRING]: directly after the name these compare. */
static bool parse_item(struct stage_parse *parse, struct log_item *item)
{
	struct parser *parser = parse->parser;
	enum match_type type;

	if (!expect_name(parser, &item->name))
		return false;
	if (!match_type_of(parser->token.kind, &type))
		return true;
	parser_advance(parser);
	return parse_matcher_value(parse, type, item->name, &item->matcher);
}

static bool parse_items(struct stage_parse *parse, unsigned which)
{
	struct parser *parser = parse->parser;
	struct log_stage *stage = parse->stage;

	stage->kind = (enum log_stage_kind)which;
	for (;; parser_advance(parser)) {
		uint32_t n = stage->labels.nitems;

		stage->labels.items = grow(parser, stage->labels.items, n, LOG_STAGE_ITEMS_MAX,
					   sizeof(*stage->labels.items));
		if (!stage->labels.items || !parse_item(parse, &stage->labels.items[n]))
			return false;
		stage->labels.nitems++;
		if (!parser_is(parser, TOKEN_COMMA))
			return true;
	}
}

static bool parse_unwrap(struct stage_parse *parse, unsigned which)
{
	struct parser *parser = parse->parser;
	struct log_stage *stage = parse->stage;
	struct bracket bracket;

	(void)which;
	stage->kind = LOG_UNWRAP;
	stage->unwrap.how = UNWRAP_NUMBER;
	if (is_called_word(parser, "bytes"))
		stage->unwrap.how = UNWRAP_BYTES;
	else if (is_called_word(parser, "duration") || is_called_word(parser, "duration_seconds"))
		stage->unwrap.how = UNWRAP_DURATION;
	if (stage->unwrap.how == UNWRAP_NUMBER)
		return expect_name(parser, &stage->unwrap.name);
	parser_advance(parser);
	return parser_open(parser, &bracket) && expect_name(parser, &stage->unwrap.name) &&
	       parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, CONTEXT, NULL);
}

static const struct {
	const char *word;
	bool (*parse)(struct stage_parse *parse, unsigned which);
	unsigned which;
} stage_parsers[] = {
	{ "json", parse_parser, LOG_JSON },
	{ "logfmt", parse_logfmt, LOG_LOGFMT },
	{ "regexp", parse_parser, LOG_REGEXP },
	{ "pattern", parse_parser, LOG_PATTERN },
	{ "unpack", parse_parser, LOG_UNPACK },
	{ "line_format", parse_line_format, 0 },
	{ "label_format", parse_label_format, 0 },
	{ "decolorize", parse_decolorize, 0 },
	{ "keep", parse_items, LOG_KEEP },
	{ "drop", parse_items, LOG_DROP },
	{ "unwrap", parse_unwrap, 0 },
};

#define STAGE_PARSERS (sizeof(stage_parsers) / sizeof(stage_parsers[0]))

/* After "|": a word's stage, or a label filter. */
static bool parse_piped(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;

	for (size_t i = 0; i < STAGE_PARSERS; i++) {
		struct slice word = word_of(parser);

		if (!is_word(parser, stage_parsers[i].word))
			continue;
		parser_advance(parser);
		if (!is_misread_name(parser))
			return stage_parsers[i].parse(parse, stage_parsers[i].which);
		char hint[64];

		snprintf(hint, sizeof(hint), "a label of that name stands in quotes: | \"%s\" %s …",
			 stage_parsers[i].word, token_kind_text(parser->token.kind));
		parser_complain(parser, parser->token.offset, parser->token.span, hint,
				"unexpected \"%s\" after the stage \"" SLICE_FMT "\"",
				token_kind_text(parser->token.kind), SLICE_ARG(word));
		return false;
	}
	parse->stage->kind = LOG_LABEL_FILTER;
	return parse_label_filter(parse, &parse->stage->filter);
}

/* Pipelines */

bool parser_is_stage(const struct parser *parser, const struct expr *operand)
{
	enum token_kind kind = parser->token.kind;
	struct lexer ahead = parser->lexer;
	struct token next;

	if (!parser->has_additions)
		return false;
	if ((kind >= TOKEN_LINE_CONTAINS && kind <= TOKEN_PIPE) || kind == TOKEN_LINE_NOT_PATTERN)
		return true;
	if (kind != TOKEN_NEQ && kind != TOKEN_NEQ_RE)
		return false;
	/* PromQL has words of its own for a comparison of a metric with a text. */
	while (operand->kind == EXPR_PAREN)
		operand = operand->unary.operand;
	if (operand->kind != EXPR_SELECTOR ||
	    (operand->selector.is_named && operand->selector.range_ms == 0))
		return false;
	next = lexer_next(&ahead);
	return next.kind == TOKEN_STRING || (slice_is(token_text(&parser->lexer, next), "ip") &&
					     lexer_next(&ahead).kind == TOKEN_PAREN_LEFT);
}

static bool parse_stage(struct parser *parser, struct log_selector *log)
{
	struct stage_parse parse = { .parser = parser, .log = log };
	uint32_t offset = parser->token.offset;
	bool good;

	log->stages = grow(parser, log->stages, log->nstages, LOG_STAGES_MAX, sizeof(*log->stages));
	if (!log->stages)
		return false;
	parse.stage = &log->stages[log->nstages];
	parse.stage->offset = offset;
	if (parser_is(parser, TOKEN_PIPE)) {
		parser_advance(parser);
		good = parse_piped(&parse);
	} else {
		good = parse_line_filter(&parse);
	}
	if (!good)
		return false;
	parse.stage->span = parser->last_end - offset;
	log->nstages++;
	return true;
}

/* The token after a stage: another one, or what ends a pipeline. */
static bool expect_end(struct parser *parser)
{
	if (parser_is(parser, TOKEN_BRACKET_LEFT) || parser_is(parser, TOKEN_PAREN_RIGHT) ||
	    parser_is(parser, TOKEN_END))
		return true;
	if (parser_is(parser, TOKEN_COMMA))
		parser_complain(parser, parser->token.offset, 1, NULL,
				"a log range is the last argument of its function");
	else if (is_word(parser, "offset"))
		parser_complain(parser, parser->token.offset, parser->token.span, NULL,
				"offset stands after the range of a log selector: [5m] offset 1h");
	else
		parser_unexpected(parser, CONTEXT, "\"|\", \"[\" or \")\"");
	return false;
}

/* The selector that the stages are for; of what is none, one that belongs to no tree. */
static struct expr *pipeline_selector(struct parser *parser, struct expr *operand)
{
	struct expr *selector = selector_of(operand);

	if (!selector) {
		if (operand->kind != EXPR_REFUSED)
			parser_complain(parser, parser->token.offset, parser->token.span,
					"logs{job=\"api\"} |= \"error\" [5m]",
					"a log pipeline stands on a log selector, its parentheses "
					"or its range");
		selector = parser_selector(parser, operand->offset);
	}
	if (!selector || (!selector->selector.log && !make_log(parser, selector, false)))
		return NULL;
	if (selector->selector.range_ms > 0 && selector->selector.log->nbefore_range > 0) {
		parser_complain(parser, parser->token.offset, parser->token.span, NULL,
				"a log pipeline stands before the range or after it, not on both "
				"sides");
		selector->selector.log->nbefore_range = 0; /* said once */
	}
	return selector;
}

struct expr *parse_pipeline(struct parser *parser, struct expr *operand)
{
	struct expr *selector = pipeline_selector(parser, operand);

	if (!selector)
		return NULL;
	parser->lexer.in_pipeline = true;
	while (parser_is_stage(parser, selector))
		if (!parse_stage(parser, selector->selector.log))
			return NULL;
	if (!expect_end(parser))
		return NULL;
	parser->lexer.in_pipeline = false;
	if (selector_of(operand))
		return out_of_parentheses(parser, operand, selector);
	return parser_refused(parser, operand->offset, operand, NULL);
}
