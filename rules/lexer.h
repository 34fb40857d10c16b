/*
 * Text → tokens: PromQL's, and those of Tocsin's log pipelines.
 *
 * A token is a place in the source; what it stands for is found out by the parser. Keywords are
 * known in any case. The lexer is a plain value: a copy of it looks ahead.
 *
 * In a log pipeline (the parser says so) every word is a name, and numbers are decimal, durations
 * may have fractions, and sizes have a token of their own. What ends a pipeline, "[" and ")", is
 * the same token inside and outside of it.
 */
#ifndef TOCSIN_RULES_LEXER_H
#define TOCSIN_RULES_LEXER_H

#include <stdint.h>

#include "base/slice.h"

#define LEXER_TEXT_HINT "a text stands in quotes: \"a\""

enum token_kind {
	TOKEN_END,
	TOKEN_ERROR, /* lexer.error and lexer.hint say why */
	TOKEN_IDENTIFIER,
	TOKEN_METRIC_IDENTIFIER, /* one with a colon */
	TOKEN_NUMBER,
	TOKEN_DURATION,
	TOKEN_BYTES,  /* 10MB: in a log pipeline */
	TOKEN_STRING, /* with its quotes */
#define PUNCTUATION(id, text) id,
#define KEYWORD(id, text, flags) id,
#include "rules/tokens.def"
#undef PUNCTUATION
#undef KEYWORD
};

struct token {
	enum token_kind kind;
	uint32_t offset, span;
};

struct lexer {
	struct slice text;
	uint32_t at;
	bool in_braces;	  /* there every word is a label's name */
	bool in_brackets; /* there a colon stands for itself */
	bool before_time; /* in brackets, and no number has come: there are no comments yet */
	bool in_pipeline; /* set by the parser */
	const char *error;
	const char *hint;
};

void lexer_init(struct lexer *lexer, struct slice text);
struct token lexer_next(struct lexer *lexer);
struct slice token_text(const struct lexer *lexer, struct token token);
/* May the token name a metric? */
bool token_is_metric(enum token_kind kind);
/* May it name a label in by (…), on (…), group_left (…)? */
bool token_is_label(enum token_kind kind);
/* "sum", "<=": a keyword's or punctuation's own text; else what it is: "identifier". */
const char *token_kind_text(enum token_kind kind);

#endif
