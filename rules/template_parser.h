/*
 * Inside of the template parser, which stands in three files: template_parse.c (actions and what
 * they enclose), template_pipe.c (pipelines and their commands), template_operand.c (what commands
 * are made of).
 *
 * After a complaint an action is broken: nothing more is said of it, and template_parse.c skips to
 * its end.
 */
#ifndef TOCSIN_RULES_TEMPLATE_PARSER_H
#define TOCSIN_RULES_TEMPLATE_PARSER_H

#include "rules/template_tree.h"

#define TEMPLATE_FIELDS_MAX 16 /* in one chain: .a.b.c */

struct template_parser {
	struct template_lexer lexer;
	struct template_token token; /* the one being looked at */
	struct arena *arena;
	const char *names[TEMPLATE_VARIABLES_MAX]; /* of the variables in scope, by slot */
	uint32_t nnames, nslots;
	size_t open; /* where the current action begins */
	unsigned depth, loops;
	bool dot_is_root;
	bool uses_value, uses_episode, uses_query, has_action;
	bool broken; /* the current action has been complained about */
	int failed;  /* memory or a limit: nothing goes on */
};

/* From the arena. NULL: failed is set. */
void *template_parser_alloc(struct template_parser *p, size_t size);
/* On to the next token. */
void template_advance(struct template_parser *p);
void template_skip_space(struct template_parser *p);
/* An error at a place of the text: one an action, what follows from the first is not told. */
void template_complain(struct template_parser *p, size_t offset, size_t span, const char *hint,
		       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Complains about the current token. */
void template_unexpected(struct template_parser *p, const char *where);
void template_warn(struct template_parser *p, size_t offset, size_t span, const char *hint,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The hint for a name that was meant, in `room`; NULL for none. */
const char *template_did_you_mean(char *room, size_t size, const char *prefix, const char *name);

/* The slot of a variable in scope, or -1. */
int template_variable_find(const struct template_parser *p, struct slice name);
/* A new variable in the innermost scope; complains when there are too many. */
uint32_t template_variable_add(struct template_parser *p, struct slice name);
void template_unknown_variable(struct template_parser *p, struct template_token token);

bool template_starts_operand(enum template_token_type type);
/* One operand with its fields; the token behind it is the current one. NULL: no memory. */
struct template_operand *template_parse_operand(struct template_parser *p);
/* A pipeline up to the closing token, which stays the current one; `what` names it in complaints.
 * NULL: no memory, or too deep. */
struct template_pipe *template_parse_pipe(struct template_parser *p, enum template_token_type close,
					  const char *what);

#endif
