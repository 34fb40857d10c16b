/* One parse of a text, with all that must be freed after it. */
#ifndef TOCSIN_TESTS_RULES_PARSE_H
#define TOCSIN_TESTS_RULES_PARSE_H

#include "rules/expr.h"

struct parse {
	struct source source;
	struct arena arena;
	struct diag_list diags;
	struct expr *expr; /* NULL after an error */
	int error;
};

static inline void parse_init_dialect(struct parse *parse, enum expr_dialect dialect,
				      const char *text, size_t len)
{
	parse->source = (struct source){ .text = { text, len }, .line0 = 1, .column0 = 1 };
	parse->expr = NULL;
	arena_init(&parse->arena, 0);
	diag_list_init(&parse->diags);
	parse->error = expr_parse_dialect(&parse->source, dialect, &parse->arena, &parse->diags,
					  &parse->expr);
}

static inline void parse_init(struct parse *parse, const char *text, size_t len)
{
	parse_init_dialect(parse, EXPR_TOCSIN, text, len);
}

static inline void parse_fini(struct parse *parse)
{
	expr_fini(parse->expr);
	arena_fini(&parse->arena);
	diag_list_fini(&parse->diags);
}

#endif
