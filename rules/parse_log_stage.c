/* Stages of log pipelines: line filters, and those with a word. */
#include <stdio.h>
#include <strings.h>

#include "base/error.h"
#include "rules/parse_log.h"

/* Words and arrays */

struct slice stage_word(const struct parser *parser)
{
	return token_text(&parser->lexer, parser->token);
}

bool stage_is_word(const struct parser *parser, const char *word)
{
	struct slice text = stage_word(parser);

	return parser_is(parser, TOKEN_IDENTIFIER) && text.len == strlen(word) &&
	       strncasecmp(text.ptr, word, text.len) == 0;
}

bool stage_is_called(const struct parser *parser, const char *word)
{
	return stage_is_word(parser, word) && parser_peek(parser) == TOKEN_PAREN_LEFT;
}

void *stage_grow(struct parser *parser, void *items, uint32_t n, uint32_t max, size_t size)
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

bool stage_expect_string(struct parser *parser, struct slice *out)
{
	if (!parser_is(parser, TOKEN_STRING)) {
		parser_unexpected(parser, STAGE_CONTEXT, "string");
		return false;
	}
	if (!parser_string(parser, out))
		return false;
	parser_advance(parser);
	return true;
}

bool stage_expect_name(struct parser *parser, struct slice *out)
{
	if (!parser_is(parser, TOKEN_IDENTIFIER)) {
		parser_unexpected(parser, STAGE_CONTEXT, "label");
		return false;
	}
	*out = stage_word(parser);
	parser_advance(parser);
	return true;
}

bool stage_parse_ip(struct parser *parser, struct slice *out)
{
	struct bracket bracket;

	parser_advance(parser);
	return parser_open(parser, &bracket) && stage_expect_string(parser, out) &&
	       parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, STAGE_CONTEXT, NULL);
}

bool stage_parse_value(struct stage_parse *parse, enum match_type type, struct slice name,
		       const struct matcher **out)
{
	struct parser *parser = parse->parser;
	struct log_matcher *link = parser_alloc(parser, sizeof(*link));
	struct token place = parser->token;
	struct slice value;

	if (!link || !stage_expect_string(parser, &value))
		return false;
	int made = parser_matcher(parser, type, name, value, place, &link->matcher);

	if (made <= 0)
		return made == 0;
	link->next = parse->log->matchers;
	parse->log->matchers = link;
	*out = &link->matcher;
	return true;
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

	stage->line.args = stage_grow(parser, stage->line.args, n, LOG_STAGE_ITEMS_MAX,
				      sizeof(*stage->line.args));
	if (!stage->line.args)
		return false;
	arg = &stage->line.args[n];
	arg->is_ip = stage_is_called(parser, "ip");
	if (arg->is_ip ? !stage_parse_ip(parser, &arg->text)
		       : !stage_expect_string(parser, &arg->text))
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
	if (stage_parse_filter(parse, &filter) && nowhere.n == 0)
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

bool stage_parse_line(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;

	parse->stage->kind = LOG_LINE_FILTER;
	line_op_of(parser->token.kind, &parse->stage->line.op);
	parser_advance(parser);
	if (!parse_line_arg(parse))
		return false;
	while (stage_is_word(parser, "or")) {
		struct token or_token = parser->token;

		parser_advance(parser);
		if (!parser_is(parser, TOKEN_STRING) && !stage_is_called(parser, "ip")) {
			complain_or(parse, or_token);
			return false;
		}
		if (!parse_line_arg(parse))
			return false;
	}
	return true;
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

		stage->parse.fields = stage_grow(parser, stage->parse.fields, stage->parse.nfields,
						 LOG_STAGE_ITEMS_MAX, sizeof(*stage->parse.fields));
		if (!stage->parse.fields)
			return false;
		field = &stage->parse.fields[stage->parse.nfields];
		if (!stage_expect_name(parser, &field->name))
			return false;
		stage->parse.nfields++;
		if (parser_is(parser, TOKEN_EQ)) {
			parser_advance(parser);
			place = parser->token;
			if (!stage_expect_string(parser, &field->value))
				return false;
			if (field->value.len == 0)
				parser_complain(parser, place.offset, place.span, NULL,
						"empty path of a field");
		}
		if (!parser_is(parser, TOKEN_COMMA))
			return true;
	}
}

bool stage_has_line_arg(const struct parser *parser)
{
	struct lexer ahead = parser->lexer;
	struct token next = lexer_next(&ahead);

	return next.kind == TOKEN_STRING || (slice_is(token_text(&parser->lexer, next), "ip") &&
					     lexer_next(&ahead).kind == TOKEN_PAREN_LEFT);
}

/*
 * After json, logfmt, …: a comparison here means that the word was to be a label's name, unless
 * the stage is complete and a line filter follows.
 */
static bool is_misread_name(const struct parser *parser, bool is_complete)
{
	enum token_kind kind = parser->token.kind;
	enum match_type type;
	enum log_compare compare;

	if (is_complete && (kind == TOKEN_NEQ || kind == TOKEN_NEQ_RE) &&
	    stage_has_line_arg(parser))
		return false;
	return parser_match_type(kind, &type) || stage_compare_of(kind, &compare);
}

static bool parse_parser(struct stage_parse *parse, unsigned which)
{
	struct parser *parser = parse->parser;
	struct log_stage *stage = parse->stage;

	stage->kind = LOG_PARSER;
	stage->parse.parser = (enum log_parser)which;
	if (which == LOG_REGEXP || which == LOG_PATTERN)
		return stage_expect_string(parser, &stage->parse.text);
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
			parser_unexpected(parser, STAGE_CONTEXT, "--strict or --keep-empty");
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
	return stage_expect_string(parse->parser, &parse->stage->template);
}

/* NAME '=' (NAME|STRING) */
static bool parse_format(struct stage_parse *parse, struct log_field *field)
{
	struct parser *parser = parse->parser;
	struct token place = parser->token;
	const struct log_field *fields = parse->stage->format.fields;

	if (!stage_expect_name(parser, &field->name) ||
	    !parser_expect(parser, TOKEN_EQ, STAGE_CONTEXT))
		return false;
	for (uint32_t i = 0; i < parse->stage->format.nfields; i++)
		if (slice_is_equal(fields[i].name, field->name))
			parser_complain(parser, place.offset, place.span, NULL,
					"label_format sets \"" SLICE_FMT "\" twice",
					SLICE_ARG(field->name));
	field->value_is_label = !parser_is(parser, TOKEN_STRING);
	if (!field->value_is_label)
		return stage_expect_string(parser, &field->value);
	if (parser_is(parser, TOKEN_IDENTIFIER))
		return stage_expect_name(parser, &field->value);
	parser_unexpected(parser, STAGE_CONTEXT, "label or string");
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

		stage->format.fields =
			stage_grow(parser, stage->format.fields, n, LOG_STAGE_ITEMS_MAX,
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

	if (!stage_expect_name(parser, &item->name))
		return false;
	if (!parser_match_type(parser->token.kind, &type))
		return true;
	parser_advance(parser);
	return stage_parse_value(parse, type, item->name, &item->matcher);
}

static bool parse_items(struct stage_parse *parse, unsigned which)
{
	struct parser *parser = parse->parser;
	struct log_stage *stage = parse->stage;

	stage->kind = (enum log_stage_kind)which;
	for (;; parser_advance(parser)) {
		uint32_t n = stage->labels.nitems;

		stage->labels.items = stage_grow(parser, stage->labels.items, n,
						 LOG_STAGE_ITEMS_MAX, sizeof(*stage->labels.items));
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
	if (stage_is_called(parser, "bytes"))
		stage->unwrap.how = UNWRAP_BYTES;
	else if (stage_is_called(parser, "duration") || stage_is_called(parser, "duration_seconds"))
		stage->unwrap.how = UNWRAP_DURATION;
	if (stage->unwrap.how == UNWRAP_NUMBER)
		return stage_expect_name(parser, &stage->unwrap.name);
	parser_advance(parser);
	return parser_open(parser, &bracket) && stage_expect_name(parser, &stage->unwrap.name) &&
	       parser_close(parser, &bracket, TOKEN_PAREN_RIGHT, STAGE_CONTEXT, NULL);
}

static const struct {
	const char *word;
	bool (*parse)(struct stage_parse *parse, unsigned which);
	unsigned which;
	bool is_complete; /* the word alone */
} stage_parsers[] = {
	{ "json", parse_parser, LOG_JSON, true },
	{ "logfmt", parse_logfmt, LOG_LOGFMT, true },
	{ "regexp", parse_parser, LOG_REGEXP, false },
	{ "pattern", parse_parser, LOG_PATTERN, false },
	{ "unpack", parse_parser, LOG_UNPACK, true },
	{ "line_format", parse_line_format, 0, false },
	{ "label_format", parse_label_format, 0, false },
	{ "decolorize", parse_decolorize, 0, true },
	{ "keep", parse_items, LOG_KEEP, false },
	{ "drop", parse_items, LOG_DROP, false },
	{ "unwrap", parse_unwrap, 0, false },
};

#define STAGE_PARSERS (sizeof(stage_parsers) / sizeof(stage_parsers[0]))

const char *stage_nearest(struct slice word)
{
	const char *words[STAGE_PARSERS];

	for (size_t i = 0; i < STAGE_PARSERS; i++)
		words[i] = stage_parsers[i].word;
	return nearest_name(word, words, STAGE_PARSERS);
}

bool stage_parse_piped(struct stage_parse *parse)
{
	struct parser *parser = parse->parser;

	for (size_t i = 0; i < STAGE_PARSERS; i++) {
		struct slice word = stage_word(parser);

		if (!stage_is_word(parser, stage_parsers[i].word))
			continue;
		parser_advance(parser);
		if (!is_misread_name(parser, stage_parsers[i].is_complete))
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
	return stage_parse_filter(parse, &parse->stage->filter);
}
