/* Label filters of log pipelines: status >= 500 and (method = "GET" or took > 1.5s). */
#include "rules/parse_log.h"

#include <stdio.h>

#include "rules/quantity.h"

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
		return stage_expect_name(parser, out);
	if (!parser_string(parser, out))
		return false;
	if (out->len == 0 || !slice_is_utf8(*out))
		parser_complain(parser, place.offset, place.span, NULL,
				"invalid label name " SLICE_FMT,
				SLICE_ARG(token_text(&parser->lexer, place)));
	parser_advance(parser);
	return true;
}

bool stage_compare_of(enum token_kind kind, enum log_compare *out)
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
		parser_unexpected(parser, STAGE_CONTEXT, "string, number, duration or size");
		return false;
	}
	filter->literal = stage_word(parser);
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

	if (!parser_match_type(op.kind, &type))
		parser_complain(parser, op.offset, op.span,
				"texts are compared with =, !=, =~ and !~; numbers stand without "
				"quotes",
				"\"%s\" compares numbers, not texts", token_kind_text(op.kind));
	filter->kind = FILTER_STRING;
	return stage_parse_value(parse, type, filter->name, &filter->matcher);
}

static bool parse_filter_ip(struct stage_parse *parse, struct token op, struct log_filter *filter)
{
	if (op.kind != TOKEN_EQ && op.kind != TOKEN_NEQ)
		parser_complain(parse->parser, op.offset, op.span, NULL,
				"ip() is compared with = and !=");
	filter->kind = FILTER_IP;
	return stage_parse_ip(parse->parser, &filter->literal);
}

/* After a name that nothing compares: a stage's word was meant, perhaps. */
static void no_comparison(struct parser *parser, struct token word)
{
	struct slice text = token_text(&parser->lexer, word);
	const char *near = word.kind == TOKEN_STRING ? NULL : stage_nearest(text);
	char hint[64];

	if (!near) {
		parser_unexpected(parser, STAGE_CONTEXT, "a comparison");
		return;
	}
	snprintf(hint, sizeof(hint), "did you mean \"%s\"?", near);
	parser_complain(parser, word.offset, word.span, hint,
			"no stage is called \"" SLICE_FMT "\", and no comparison follows",
			SLICE_ARG(text));
}

/* name op value */
static const struct log_filter *parse_comparison(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;
	struct log_filter *filter = filter_new(parse, FILTER_STRING);
	struct token word = parser->token;
	enum match_type type;
	bool good;

	if (!filter || !parse_filter_name(parser, &filter->name))
		return NULL;
	if (++parse->ncomparisons > LOG_STAGE_ITEMS_MAX &&
	    !stage_grow(parser, NULL, LOG_STAGE_ITEMS_MAX, LOG_STAGE_ITEMS_MAX, 1))
		return NULL;
	struct token op = parser->token;

	if (!stage_compare_of(op.kind, &filter->compare) && !parser_match_type(op.kind, &type)) {
		no_comparison(parser, word);
		return NULL;
	}
	parser_advance(parser);
	if (parser_is(parser, TOKEN_STRING))
		good = parse_filter_string(parse, op, filter);
	else if (stage_is_called(parser, "ip"))
		good = parse_filter_ip(parse, op, filter);
	else if (op.kind == TOKEN_EQ_RE || op.kind == TOKEN_NEQ_RE)
		good = stage_expect_string(parser, &filter->literal);
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
	if (!parser_open(parser, &bracket) || !stage_parse_filter(parse, &filter) ||
	    !parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, STAGE_CONTEXT, NULL))
		return NULL;
	return filter;
}

/* and = lf {('and' | ',' | ε) lf} */
static const struct log_filter *parse_filter_and(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;
	const struct log_filter *left = parse_filter_operand(parse);

	while (left && !stage_is_word(parser, "or")) {
		if (stage_is_word(parser, "and") || parser_is(parser, TOKEN_COMMA))
			parser_advance(parser);
		else if (!parser_is(parser, TOKEN_IDENTIFIER) && !parser_is(parser, TOKEN_STRING) &&
			 !parser_is(parser, TOKEN_PAREN_LEFT))
			break;
		const struct log_filter *right = parse_filter_operand(parse);

		left = right ? filter_join(parse, FILTER_AND, left, right) : NULL;
	}
	return left;
}

bool stage_parse_filter(struct stage_parse *parse, const struct log_filter **out)
{
	const struct log_filter *left = parse_filter_and(parse);

	while (left && stage_is_word(parse->parser, "or")) {
		parser_advance(parse->parser);
		const struct log_filter *right = parse_filter_and(parse);

		left = right ? filter_join(parse, FILTER_OR, left, right) : NULL;
	}
	*out = left;
	return left != NULL;
}
