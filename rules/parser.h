/*
 * Tokens → syntax tree. Inside of rules/: the outside calls expr_parse().
 *
 * parser.c has what all parts share: tokens, messages, nodes; parse_expr.c has operators, calls and
 * aggregations, by precedence climbing; parse_selector.c what stands in braces and brackets;
 * parse_log.c log selectors and their pipelines. A syntax error ends the parse; what is understood
 * but wrong in itself (an unknown function, a bad pattern) or not supported yet is told, and the
 * parse goes on.
 */
#ifndef TOCSIN_RULES_PARSER_H
#define TOCSIN_RULES_PARSER_H

#include "rules/ast.h"
#include "rules/lexer.h"

/* A bracket that waits for its partner: the list of them is the stack of the parse. */
struct bracket {
	uint32_t offset;
	const struct bracket *outer;
};

struct selector_link {
	struct expr *selector;
	struct selector_link *next;
};

struct parser {
	const struct source *source;
	struct arena *arena;
	struct diag_list *diags;
	bool has_additions; /* knows what Tocsin adds to PromQL */
	bool is_logql;	    /* bare braces select logs */
	struct lexer lexer;
	struct token token; /* the current one */
	uint32_t last_end;  /* where the token before it ended */
	uint32_t depth, nodes;
	const struct bracket *open;
	struct selector_link *selectors; /* all that were made: they own regexes */
	int error;			 /* the first: 0 as long as all is well */
};

/*
 * The whole text. NULL, and parser->error, when there is no tree; a tree with parser->error set may
 * be checked, not used.
 */
struct expr *parser_run(struct parser *parser);
void parser_init(struct parser *parser, const struct source *source, struct arena *arena,
		 struct diag_list *diags);
/* Frees the regexes of all selectors: after an error only. */
void parser_discard(struct parser *parser);

/* For all parts. Those that return a node give NULL after an error that ends the parse. */
void parser_advance(struct parser *parser);
enum token_kind parser_peek(const struct parser *parser);
bool parser_is(const struct parser *parser, enum token_kind kind);
bool parser_expect(struct parser *parser, enum token_kind kind, const char *context);
#define PARSER_GROUPING "grouping opts" /* a context, of labels in by (…) and the like */
/* "unexpected X in CONTEXT, expected Y": ends the parse. */
void parser_unexpected(struct parser *parser, const char *context, const char *expected);
/* Tells what is wrong with source[offset, offset+span); the parse goes on. */
void parser_complain(struct parser *parser, uint32_t offset, uint32_t span, const char *hint,
		     const char *format, ...) __attribute__((format(printf, 5, 6)));
void parser_refuse(struct parser *parser, uint32_t offset, uint32_t span, const char *what,
		   const char *hint);
/*
 * One level deeper, or false: what was said then is that the limit is reached. The way out is
 * depth--.
 */
bool parser_nest(struct parser *parser);
/*
 * Opens a bracket at the current token, and closes it: an end of input between them is told at the
 * opening one. expected: what might stand there, or NULL: nothing but the closing one.
 */
bool parser_open(struct parser *parser, struct bracket *bracket);
bool parser_close(struct parser *parser, struct bracket *bracket, enum token_kind kind,
		  const char *context, const char *expected);
void *parser_alloc(struct parser *parser, size_t size);
struct expr *parser_node(struct parser *parser, enum expr_kind kind, uint32_t offset);
/*
 * An EXPR_REFUSED in place of what began at offset, with up to two children that are still checked.
 */
struct expr *parser_refused(struct parser *parser, uint32_t offset, struct expr *a, struct expr *b);
/* Makes child a child of parent. */
bool parser_adopt(struct parser *parser, struct expr *parent, const struct expr *child);
struct expr *parser_finish(struct parser *parser, struct expr *expr);
/* The current token as a number of seconds, or as a text. */
double parser_number(const struct parser *parser);
bool parser_string(struct parser *parser, struct slice *out);

/* parse_expr.c */
struct expr *parse_number(struct parser *parser);

/* parse_selector.c */
struct expr *parse_selector(struct parser *parser);
/* An EXPR_SELECTOR without matchers, known to parser_discard(). */
struct expr *parser_selector(struct parser *parser, uint32_t offset);
/* =, !=, =~, !~ as a token: false for any other. */
bool parser_match_type(enum token_kind kind, enum match_type *out);
/*
 * 1: *out is made; 0: it cannot be, which is told at the place of its value, and the parse goes on;
 * ERR_NOMEM, parser->error too.
 */
int parser_matcher(struct parser *parser, enum match_type type, struct slice name,
		   struct slice value, struct token place, struct matcher *out);
/* {a="b",…} into it. */
bool parse_matchers(struct parser *parser, struct expr *expr);
/* What may follow an operand: [5m], offset, @, anchored, smoothed, a log pipeline. */
struct expr *parse_postfix(struct parser *parser, struct expr *expr);

/* parse_duration.c */
struct duration {
	int64_t ms;	   /* of a literal; of an expression a place holder, not 0 */
	struct expr *expr; /* NULL: a literal */
};
/* What stands in brackets: positive, as far as it is a literal. */
bool parse_duration(struct parser *parser, struct duration *out);
/* What follows "offset": one operand, with or without a sign. */
bool parse_offset_duration(struct parser *parser, struct duration *out);
/* [sign] literal. False, with nothing said, when something else stands here. */
bool parser_signed(struct parser *parser, double *seconds);
/* Is it the keyword, in whatever case? */
bool slice_is_word(struct slice word, const char *keyword);
/* (a, "b.c", …) */
bool parse_labels(struct parser *parser, struct names *out);

/* parse_log.c */
/* At `logs` before a brace? */
bool parser_is_log_selector(const struct parser *parser);
struct expr *parse_log_selector(struct parser *parser);
/* Under dialect: logql: braces without a metric's name select logs. */
bool parser_adapt_selector(struct parser *parser, struct expr *selector);
/* Does a stage of a log pipeline begin here, after that operand? */
bool parser_is_stage(const struct parser *parser, const struct expr *operand);
/* One stage or more: gives the selector itself, out of the parentheses around it. */
struct expr *parse_pipeline(struct parser *parser, struct expr *operand);
/*
 * Judges a range or modifier that is about to follow: a log selector takes one range, and modifiers
 * only after it. Gives the operand to go on with; of a log selector in parentheses that selector.
 */
struct expr *parser_judge_postfix(struct parser *parser, struct expr *operand);

#endif
