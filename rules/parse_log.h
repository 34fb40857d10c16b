/*
 * Stages of log pipelines, inside of the parser: parse_log_stage.c has all stages, but what
 * compares labels, which is parse_log_filter.c. All here leave the parser at the token behind what
 * they read; false or NULL ends the parse.
 */
#ifndef TOCSIN_RULES_PARSE_LOG_H
#define TOCSIN_RULES_PARSE_LOG_H

#include "rules/parser.h"

#define STAGE_CONTEXT "log pipeline" /* in messages */

/* A stage being parsed, in the pipeline of that log selector. */
struct stage_parse {
	struct parser *parser;
	struct log_selector *log;
	struct log_stage *stage;
	uint32_t ncomparisons; /* of a label filter */
};

/* LINE_OP line_arg {'or' line_arg} */
bool stage_parse_line(struct stage_parse *parse);
/* After "|": a word's stage, or a label filter. */
bool stage_parse_piped(struct stage_parse *parse);
/* The stage whose word is nearest to a misspelt one, or NULL. */
const char *stage_nearest(struct slice word);
/* label_filter = and {'or' and} */
bool stage_parse_filter(struct stage_parse *parse, const struct log_filter **out);

/* What they are made of */

struct slice stage_word(const struct parser *parser);
bool stage_is_word(const struct parser *parser, const char *word);
/* ip, bytes, duration: words only before a parenthesis. */
bool stage_is_called(const struct parser *parser, const char *word);
/* After != or !~: does what makes it a line filter follow, a string or ip( ? */
bool stage_has_line_arg(const struct parser *parser);
bool stage_expect_string(struct parser *parser, struct slice *out);
bool stage_expect_name(struct parser *parser, struct slice *out);
/* '(' STRING ')' after ip */
bool stage_parse_ip(struct parser *parser, struct slice *out);
/*
 * A matcher, at the string of its value. *out stays as it is when the pattern is wrong, which is
 * told.
 */
bool stage_parse_value(struct stage_parse *parse, enum match_type type, struct slice name,
		       const struct matcher **out);
/* = and == alike */
bool stage_compare_of(enum token_kind kind, enum log_compare *out);
/* Room for one more after n items, at most max; grows at powers of two. */
void *stage_grow(struct parser *parser, void *items, uint32_t n, uint32_t max, size_t size);

#endif
