#include "rules/lexer.h"

#include <assert.h>
#include <strings.h>

#include "base/text.h"
#include "rules/quantity.h"

enum { METRIC = 1, LABEL = 2, CALLED = 4 };

static const struct punctuation {
	enum token_kind kind;
	struct slice text;
} punctuations[] = {
#define PUNCTUATION(id, text) { id, { text, sizeof(text) - 1 } },
#include "rules/tokens.def"
#undef PUNCTUATION
};

static const struct keyword {
	enum token_kind kind;
	struct slice text;
	unsigned flags;
} keywords[] = {
#define KEYWORD(id, text, flags) { id, { text, sizeof(text) - 1 }, flags },
#include "rules/tokens.def"
#undef KEYWORD
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

void lexer_init(struct lexer *lexer, struct slice text)
{
	assert(text.len < UINT32_MAX);
	*lexer = (struct lexer){ .text = text };
}

struct slice token_text(const struct lexer *lexer, struct token token)
{
	return (struct slice){ lexer->text.ptr + token.offset, token.span };
}

static const struct keyword *keyword_of(enum token_kind kind)
{
	for (size_t i = 0; i < LENGTH(keywords); i++)
		if (keywords[i].kind == kind)
			return &keywords[i];
	return NULL;
}

bool token_is_metric(enum token_kind kind)
{
	if (kind == TOKEN_IDENTIFIER || kind == TOKEN_METRIC_IDENTIFIER)
		return true;
	const struct keyword *keyword = keyword_of(kind);

	return keyword && keyword->flags & METRIC;
}

bool token_is_label(enum token_kind kind)
{
	if (kind == TOKEN_IDENTIFIER)
		return true;
	const struct keyword *keyword = keyword_of(kind);

	return keyword && keyword->flags & LABEL;
}

const char *token_kind_text(enum token_kind kind)
{
	static const char *const classes[] = {
		[TOKEN_END] = "end of input",
		[TOKEN_ERROR] = "error",
		[TOKEN_IDENTIFIER] = "identifier",
		[TOKEN_METRIC_IDENTIFIER] = "metric name",
		[TOKEN_NUMBER] = "number",
		[TOKEN_DURATION] = "duration",
		[TOKEN_BYTES] = "size",
		[TOKEN_STRING] = "string",
	};
	if (kind < LENGTH(classes))
		return classes[kind];
	for (size_t i = 0; i < LENGTH(punctuations); i++)
		if (punctuations[i].kind == kind)
			return punctuations[i].text.ptr;
	return keyword_of(kind)->text.ptr;
}

static int byte_at(const struct lexer *lexer, uint32_t at)
{
	return at < lexer->text.len ? (unsigned char)lexer->text.ptr[at] : -1;
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

/* Over white space and comments. */
static uint32_t skip_blank(const struct lexer *lexer, uint32_t at)
{
	for (;;) {
		int c = byte_at(lexer, at);

		if (c == '#' && !lexer->before_time) {
			while (c >= 0 && c != '\n')
				c = byte_at(lexer, ++at);
		} else if (is_space(c)) {
			at++;
		} else {
			return at;
		}
	}
}

static struct token token_fail(struct lexer *lexer, struct token token, uint32_t end,
			       const char *error, const char *hint)
{
	token.kind = TOKEN_ERROR;
	token.span = end - token.offset;
	lexer->error = error;
	lexer->hint = hint;
	return token;
}

/*
 * A double- or single-quoted string may not span lines and has escapes; a raw one ends at the next
 * backtick.
 */
static struct token lex_string(struct lexer *lexer, struct token token, char quote)
{
	uint32_t at = token.offset + 1;

	for (;; at++) {
		int c = byte_at(lexer, at);

		if (c < 0)
			return token_fail(lexer, token, token.offset + 1,
					  "unterminated quoted string", NULL);
		if (c == '\n' && quote != '`')
			return token_fail(lexer, token, token.offset + 1,
					  "unterminated quoted string",
					  "a string that spans lines stands in backticks");
		if (c == '\\' && quote != '`' && byte_at(lexer, at + 1) >= 0 &&
		    byte_at(lexer, at + 1) != '\n')
			at++;
		else if (c == quote)
			break;
	}
	token.kind = TOKEN_STRING;
	token.span = at + 1 - token.offset;
	if (!slice_is_utf8(token_text(lexer, token)))
		return token_fail(lexer, token, at + 1, "string is not valid UTF-8", NULL);
	return token;
}

static bool is_number(struct slice text, double *number)
{
	/* Of what Go's number parser reads Prometheus' lexer passes on neither 0b11 and 0o7 nor
	 * 0x1p4. */
	if (text.len > 1 && text.ptr[0] == '0' && strchr("bBoO", text.ptr[1]))
		return false;
	bool is_hex = text.len > 1 && (text.ptr[1] | 0x20) == 'x';
	if (is_hex && (memchr(text.ptr, 'p', text.len) || memchr(text.ptr, 'P', text.len)))
		return false;
	return number_parse(text, number) == 0;
}

/*
 * A number or a duration: everything that could belong to either is taken, then read as one of
 * them, so that 5mm or 1_000x is one wrong token instead of two odd ones.
 */
static struct token lex_number(struct lexer *lexer, struct token token)
{
	uint32_t at = token.offset;
	bool is_hex = byte_at(lexer, at) == '0' && (byte_at(lexer, at + 1) | 0x20) == 'x';
	bool is_plain = true; /* so far digits, dots and underscores only */

	for (int c; is_word(c = byte_at(lexer, at)) || c == '.'; at++) {
		bool is_exponent = is_plain && !is_hex && (c | 0x20) == 'e';
		int next = byte_at(lexer, at + 1);

		if (is_exponent && (next == '+' || next == '-'))
			at++;
		is_plain = is_plain && (is_digit(c) || c == '.' || c == '_');
	}
	token.span = at - token.offset;
	struct slice text = token_text(lexer, token);
	double number;
	int64_t ms;

	if (is_number(text, &number))
		token.kind = TOKEN_NUMBER;
	else if (duration_parse(text, &ms) == 0)
		token.kind = TOKEN_DURATION;
	else
		return token_fail(lexer, token, at, "bad number or duration syntax",
				  lexer->in_braces ? LEXER_TEXT_HINT
						   : "a duration has whole numbers and units in "
						     "descending order: 1h30m, 50ms");
	return token;
}

/* As above: 5xx is one wrong token. Microseconds may be written with a letter beyond ASCII. */
static struct token lex_literal(struct lexer *lexer, struct token token)
{
	uint32_t at = token.offset;
	enum quantity_kind kind;
	double value;

	for (int c; is_word(c = byte_at(lexer, at)) || c == '.' || c >= 0x80; at++) {
		int next = byte_at(lexer, at + 1), before = at > 0 ? byte_at(lexer, at - 1) : -1;

		if ((c | 0x20) == 'e' && (next == '+' || next == '-') && is_digit(before))
			at++;
	}
	token.span = at - token.offset;
	if (quantity_parse(token_text(lexer, token), &kind, &value) < 0)
		return token_fail(lexer, token, at, "bad number, duration or size syntax",
				  "a log filter compares with numbers, durations and sizes: 500, "
				  "1.5s, 10MB; texts stand in quotes");
	token.kind = kind == QUANTITY_DURATION ? TOKEN_DURATION
		     : kind == QUANTITY_BYTES  ? TOKEN_BYTES
					       : TOKEN_NUMBER;
	return token;
}

static bool is_called(const struct lexer *lexer, uint32_t at)
{
	return byte_at(lexer, skip_blank(lexer, at)) == '(';
}

static enum token_kind word_kind(const struct lexer *lexer, struct slice word, uint32_t end)
{
	if (lexer->in_braces || lexer->in_pipeline)
		return TOKEN_IDENTIFIER;
	for (size_t i = 0; i < LENGTH(keywords); i++) {
		const struct keyword *keyword = &keywords[i];

		if (word.len == keyword->text.len &&
		    strncasecmp(word.ptr, keyword->text.ptr, word.len) == 0)
			return keyword->flags & CALLED && !is_called(lexer, end) ? TOKEN_IDENTIFIER
										 : keyword->kind;
	}
	if (word.len == 3 && !lexer->in_brackets &&
	    (strncasecmp(word.ptr, "inf", 3) == 0 || strncasecmp(word.ptr, "nan", 3) == 0))
		return TOKEN_NUMBER;
	return TOKEN_IDENTIFIER;
}

/* May a colon be part of a word here? */
static bool takes_colon(const struct lexer *lexer)
{
	return !lexer->in_braces && !lexer->in_brackets && !lexer->in_pipeline;
}

static struct token lex_word(struct lexer *lexer, struct token token)
{
	bool with_colon = takes_colon(lexer);
	bool has_colon = false;
	uint32_t at = token.offset;

	for (int c; is_word(c = byte_at(lexer, at)) || (c == ':' && with_colon); at++)
		has_colon = has_colon || c == ':';
	token.span = at - token.offset;
	token.kind = has_colon ? TOKEN_METRIC_IDENTIFIER
			       : word_kind(lexer, token_text(lexer, token), at);
	return token;
}

/* What gets into an expression by way of a text processor or a page; NULL: it is none of that. */
static const char *typographic_hint(struct slice rest)
{
	static const char quotes[] = "write plain quotes: \"", minus[] = "write a plain \"-\"";
	static const struct {
		const char *character, *hint;
	} known[] = {
		{ "\u201c", quotes },
		{ "\u201d", quotes },
		{ "\u201e", quotes },
		{ "\u2018", quotes },
		{ "\u2019", quotes },
		{ "\u00ab", quotes },
		{ "\u00bb", quotes },
		{ "\u2013", minus },
		{ "\u2014", minus },
		{ "\u2212", minus },
		{ "\u00d7", "write \"*\"" },
		{ "\u00f7", "write \"/\"" },
		{ "\u2264", "write \"<=\"" },
		{ "\u2265", "write \">=\"" },
		{ "\u2260", "write \"!=\"" },
		{ "\u00a0", "this only looks like a blank: write a plain one" },
	};

	for (size_t i = 0; i < LENGTH(known); i++)
		if (slice_has_prefix(rest, slice_from(known[i].character)))
			return known[i].hint;
	return NULL;
}

static struct token lex_unknown(struct lexer *lexer, struct token token)
{
	uint32_t end = token.offset + 1;
	int c = byte_at(lexer, token.offset);
	const char *hint = NULL;

	if (c == '&')
		hint = "write \"and\"";
	else if (c == '|' && lexer->in_pipeline)
		hint = "one of several texts: |= \"a\" or \"b\"";
	else if (c == '|')
		hint = "write \"or\"";
	else if (c == '!')
		hint = "write \"!=\", or \"unless\" for what must not be there";
	else if (c == '$')
		hint = "variables of dashboards mean nothing here";
	else if (c == '.' && lexer->in_pipeline)
		hint = "a name with dots stands in quotes: | \"http.status\" >= 500";
	else if (c == '.')
		hint = "a name with dots stands in quotes and braces: {\"http.requests\"}";
	else
		hint = typographic_hint((struct slice){ lexer->text.ptr + token.offset,
							lexer->text.len - token.offset });
	while (end < lexer->text.len && (byte_at(lexer, end) & 0xc0) == 0x80)
		end++; /* the rest of a character of several bytes */
	return token_fail(lexer, token, end, "unexpected character", hint);
}

static struct token lex_punctuation(struct lexer *lexer, struct token token)
{
	struct slice rest = { lexer->text.ptr + token.offset, lexer->text.len - token.offset };

	if (slice_has_prefix(rest, SLICE("||")))
		return lex_unknown(lexer, token);
	for (size_t i = 0; i < LENGTH(punctuations); i++) {
		if (slice_has_prefix(rest, punctuations[i].text)) {
			token.kind = punctuations[i].kind;
			token.span = (uint32_t)punctuations[i].text.len;
			return token;
		}
	}
	return lex_unknown(lexer, token);
}

static void track_brackets(struct lexer *lexer, enum token_kind kind)
{
	if (kind == TOKEN_BRACKET_LEFT)
		lexer->before_time = true;
	else if (kind == TOKEN_NUMBER || kind == TOKEN_DURATION || kind == TOKEN_BRACKET_RIGHT)
		lexer->before_time = false;
	if (kind == TOKEN_BRACE_LEFT)
		lexer->in_braces = true;
	else if (kind == TOKEN_BRACE_RIGHT)
		lexer->in_braces = false;
	else if (kind == TOKEN_BRACKET_LEFT)
		lexer->in_brackets = true;
	else if (kind == TOKEN_BRACKET_RIGHT)
		lexer->in_brackets = false;
}

/* Of the last line: what a block of YAML ends with is none of the expression's. */
static uint32_t text_end(const struct lexer *lexer)
{
	size_t end = lexer->text.len;

	while (end > 0 && (lexer->text.ptr[end - 1] == '\n' || lexer->text.ptr[end - 1] == '\r'))
		end--;
	return (uint32_t)end;
}

struct token lexer_next(struct lexer *lexer)
{
	struct token token = { .kind = TOKEN_END, .offset = skip_blank(lexer, lexer->at) };
	int c = byte_at(lexer, token.offset);

	if (c < 0)
		token.offset = text_end(lexer);
	else if (c == '"' || c == '\'' || c == '`')
		token = lex_string(lexer, token, (char)c);
	else if (is_digit(c) || (c == '.' && is_digit(byte_at(lexer, token.offset + 1))))
		token = lexer->in_pipeline ? lex_literal(lexer, token) : lex_number(lexer, token);
	else if (is_word(c) || (c == ':' && takes_colon(lexer)))
		token = lex_word(lexer, token);
	else
		token = lex_punctuation(lexer, token);
	lexer->at = token.offset + token.span;
	track_brackets(lexer, token.kind);
	return token;
}
