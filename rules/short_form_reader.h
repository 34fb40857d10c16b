/*
 * Inside of the short form's parser: short_form_parse.c has tokens and conditions,
 * short_form_operand.c what may stand left of a comparison, short_form_literal.c what stands right
 * of it. False or NULL: told, or out of memory (reader->error says).
 */
#ifndef TOCSIN_RULES_SHORT_FORM_READER_H
#define TOCSIN_RULES_SHORT_FORM_READER_H

#include "rules/short_form.h"

enum short_token {
	SHORT_END,
	SHORT_WORD,    /* AND, value, avg_over_1m, a.b.c */
	SHORT_LITERAL, /* 5, 50ms, -10MB, 80% */
	SHORT_COMPARE, /* > */
	SHORT_LEFT,
	SHORT_RIGHT,
	SHORT_OTHER,
};

struct short_reader {
	const struct short_form *form;
	const struct source *source; /* the condition's, or the metric's */
	struct arena *arena;
	struct diag_list *diags;
	uint32_t at; /* behind the token */
	enum short_token token;
	uint32_t offset, span; /* of the token */
	uint32_t depth, terms;
	int error;
};

/* Left of a comparison: the operand that begins at the current token, up to its end. */
bool short_operand_parse(struct short_reader *reader, struct short_node *node);
/* Right of it: the current token, into the unit of the node's metric. */
bool short_literal_parse(struct short_reader *reader, struct short_node *node);

/* Tokens and messages */

void short_advance(struct short_reader *reader);
struct slice short_token_text(const struct short_reader *reader);
/* In any case. */
bool short_is_word(const struct short_reader *reader, const char *word);
/* A byte of the source; -1 at its end. */
int short_byte(const struct short_reader *reader, uint32_t at);
static inline bool short_is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static inline bool short_is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

void short_complain_at(struct short_reader *reader, uint32_t offset, uint32_t span,
		       const char *hint, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* "unexpected X, expected Y", of the current token. */
void short_complain(struct short_reader *reader, const char *hint, const char *expected);

#endif
