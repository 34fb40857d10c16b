/*
 * Inside of templates: tokens, tree and functions, shared by lexer, parser, evaluation and
 * functions. Users of templates need template.h only.
 *
 * A template is a list of nodes; variables are resolved to slots of a frame when parsed, so that
 * rendering looks nothing up by name. The first slots hold what every template begins with.
 */
#ifndef TOCSIN_RULES_TEMPLATE_TREE_H
#define TOCSIN_RULES_TEMPLATE_TREE_H

#include "rules/template.h"
#include "rules/template_value.h"

/* Tokens. */
enum template_token_type {
	TOKEN_EOF,
	TOKEN_TEXT,  /* between actions; trimmed */
	TOKEN_OPEN,  /* {{ */
	TOKEN_CLOSE, /* }} */
	TOKEN_SPACE, /* separates operands */
	TOKEN_FIELD, /* .name */
	TOKEN_DOT,
	TOKEN_VARIABLE, /* $name, or $ alone */
	TOKEN_WORD,	/* keyword or function */
	TOKEN_NUMBER,
	TOKEN_CHAR,
	TOKEN_STRING,
	TOKEN_RAW_STRING,
	TOKEN_PIPE,
	TOKEN_COMMA,
	TOKEN_LPAREN,
	TOKEN_RPAREN,
	TOKEN_DECLARE, /* := */
	TOKEN_ASSIGN,  /* = */
	TOKEN_ERROR,   /* reported by the lexer already */
};

struct template_token {
	enum template_token_type type;
	struct slice text;
	size_t offset;
};

struct template_lexer {
	const struct source *source;
	struct diag_list *diags;
	size_t at;
	bool in_action;
	bool trim_next; /* the last action closed with -}} */
	unsigned errors;
};

void template_lexer_init(struct template_lexer *lexer, const struct source *source,
			 struct diag_list *diags);
/* The next token. A comment leaves none. After TOKEN_ERROR the rest of the action may be skipped.
 */
struct template_token template_lexer_next(struct template_lexer *lexer);
/* Skips to behind the end of the action that is being read: where parsing goes on after an error.
 */
void template_lexer_skip_action(struct template_lexer *lexer);
/* An error at a place of the template; counted. */
void template_error(struct template_lexer *lexer, size_t offset, size_t span, const char *hint,
		    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The value of a string or raw string literal (quotes included in text). ERR_INVALID: a bad escape;
 * ERR_NOMEM. */
int template_unquote(struct slice text, struct arena *arena, struct slice *out);
/* The value of a character literal, an int. ERR_INVALID: a bad escape, or not one character;
 * ERR_NOMEM. */
int template_char(struct slice text, struct arena *arena, struct template_value *out);
/* The value of a number literal, as Go types it: int or float. */
bool template_number(struct slice text, struct template_value *out);

/* Slots of the variables that every template begins with. */
enum template_slot {
	SLOT_ROOT,
	SLOT_LABELS,
	SLOT_EXTERNAL_LABELS,
	SLOT_EXTERNAL_URL,
	SLOT_VALUE,
	SLOT_ACTIVE_AT,
	SLOT_EVIDENCE,
	SLOT_FIRST_OWN
};
#define TEMPLATE_VARIABLES_MAX 200 /* in scope at once */

struct template_pipe;

enum operand_kind {
	OPERAND_DOT,
	OPERAND_VARIABLE,
	OPERAND_CONSTANT,
	OPERAND_NIL,
	OPERAND_FUNCTION,
	OPERAND_PIPE, /* in parentheses */
};

/* One word of a command: what it starts from, then a chain of fields. `.Labels.x` is DOT with two.
 */
struct template_operand {
	enum operand_kind kind;
	uint32_t offset, span;
	struct template_operand *next; /* in the command */
	struct slice *fields;
	uint32_t nfields;
	union {
		uint32_t slot;
		struct template_value constant;
		const struct template_function *function;
		struct template_pipe *pipe;
	};
};

struct template_command {
	struct template_operand
		*operands; /* the first is what is evaluated, the others its arguments */
	uint32_t noperands;
	struct template_command *next; /* in the pipeline */
};

struct template_pipe {
	struct template_command *commands;
	uint32_t slots[2]; /* variables that are set */
	uint32_t nslots;
	uint32_t offset; /* in the source */
};

enum node_kind {
	NODE_TEXT,
	NODE_ACTION,
	NODE_IF,
	NODE_WITH,
	NODE_RANGE,
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_TEMPLATE, /* {{ template "x" . }} and {{ block "x" . }} */
};

struct template_node {
	enum node_kind kind;
	struct template_node *next;
	struct slice text;	    /* NODE_TEXT; NODE_TEMPLATE: its name */
	struct template_pipe *pipe; /* all but text, break, continue; NULL: a template without */
	struct template_node *body, *otherwise;
	bool is_chained; /* otherwise is what `else if` or `else with` begins */
	/* Of NODE_TEMPLATE: NULL when there is none of that name; its name and pipeline in the
	 * source; the one that was parsed before it. */
	const struct template_definition *called;
	uint32_t offset, end;
	struct template_node *next_call;
};

/* The text itself, or a template that is defined in it: with slots of its own, of which it begins
 * with SLOT_ROOT alone. */
struct template_definition {
	struct slice name; /* of the text: NULL */
	struct template_node *nodes;
	uint32_t nslots;
	struct template_definition *next;
};

struct template
{
	struct template_definition text; /* behind it those that it defines */
	const struct source *source;
	bool is_constant, uses_value, uses_episode, uses_query;
};

/* Functions, from template_functions.def. */
enum template_lazy { LAZY_NOT, LAZY_AND, LAZY_OR };

struct template_call {
	const struct template_function *function;
	const struct template_data *data;
	struct arena *arena;
	const struct template_value *args;
	uint32_t nargs;
	struct slice first; /* how the first argument is written; NULL: it came through a pipe */
	char *why;	    /* in the arena: set when the function fails */
};

struct template_function {
	const char *name;
	/* A letter an argument: s string, a anything; '*' repeats the last any number of times
	 * (also none). */
	const char *arguments;
	int (*fn)(struct template_call *call, struct template_value *out); /* NULL: lazy */
	enum template_lazy lazy;
	const char *doc;
};

extern const struct template_function template_functions[];
extern const size_t template_nfunctions;

const struct template_function *template_function_find(struct slice name);
/* Of the same text or NULL: for "did you mean". */
const char *template_function_nearest(struct slice name);
/* How many arguments it takes; *max is UINT32_MAX for any number. */
void template_function_arity(const struct template_function *function, uint32_t *min,
			     uint32_t *max);

#endif
