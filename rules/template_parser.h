/*
 * Inside of the template parser, which stands in four files: template_parse.c (actions and what
 * they enclose), template_define.c (templates within the text, and what uses them), template_pipe.c
 * (pipelines and their commands), template_operand.c (what commands are made of).
 *
 * After a complaint an action is broken: nothing more is said of it, and template_parse.c skips to
 * its end.
 */
#ifndef TOCSIN_RULES_TEMPLATE_PARSER_H
#define TOCSIN_RULES_TEMPLATE_PARSER_H

#include "rules/template_tree.h"

#define TEMPLATE_FIELDS_MAX 16 /* in one chain: .a.b.c */

/* The variables of the text, or of a template that is defined in it: which sees none but its own.
 */
struct template_scope {
	const char *names[TEMPLATE_VARIABLES_MAX]; /* by slot; NULL: one that is not there */
	uint32_t nnames, nslots;
	unsigned loops;	  /* around what is being parsed */
	bool is_text;	  /* $ is the data */
	bool dot_is_root; /* and so is the dot */
};

struct template_parser {
	struct template_lexer lexer;
	struct template_token token; /* the one being looked at */
	struct arena *arena;
	struct template_scope *scope;
	struct template_definition *definitions; /* but the text itself; the newest first */
	uint32_t ndefinitions;
	struct template_node *calls; /* of templates, linked by next_call */
	size_t open;		     /* where the current action begins */
	unsigned depth;
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

/* Behind the last token of an action: the closing }}, or whatever is left is skipped. */
void template_close_action(struct template_parser *p);

/* How a list of nodes ended. */
enum template_list_end { ENDED_EOF, ENDED_END, ENDED_ELSE };
/* Nodes up to the end of the text, {{ end }} (consumed) or {{ else (the word is the current token).
 */
enum template_list_end template_parse_list(struct template_parser *p, struct template_node **out);
/* {{ define "x" }}…{{ end }}, from its first word on. */
void template_parse_definition(struct template_parser *p);
/* {{ template "x" . }}, or {{ block "x" . }}…{{ end }}, which defines it too; from the word on. */
void template_parse_call(struct template_parser *p, struct template_node *node, bool is_block);
/* At the end of the text: which definition each call means. */
void template_find_definitions(struct template_parser *p);

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
