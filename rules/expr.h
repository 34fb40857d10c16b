/*
 * Text → syntax tree → checked tree → text: the front half of the expression compiler.
 *
 * lexer.c, parser.c (precedence climbing after the PromQL grammar; parse_log.c: log selectors),
 * check.c (types; PromQL's own messages; check_log.c), printer.c (Prometheus' canonical form, which
 * is exported in APIs and generator URLs).
 */
#ifndef TOCSIN_RULES_EXPR_H
#define TOCSIN_RULES_EXPR_H

#include "rules/ast.h"

/*
 * Tocsin adds to PromQL: log selectors, their pipelines, and functions. A group may do without
 * (prometheus), or have bare braces select logs, as in rules written for Loki (logql).
 */
enum expr_dialect { EXPR_TOCSIN, EXPR_PROMETHEUS, EXPR_LOGQL };

/*
 * Parses and checks. All that is wrong is added to diags (at its place in the source, with hints);
 * ERR_INVALID then, ERR_LIMIT for too long or deep an expression, ERR_NOMEM. On success the tree is
 * in the arena; expr_fini() frees the regexes that it owns. source must live as long as the tree.
 */
int expr_parse(const struct source *source, struct arena *arena, struct diag_list *diags,
	       struct expr **out);
int expr_parse_dialect(const struct source *source, enum expr_dialect dialect, struct arena *arena,
		       struct diag_list *diags, struct expr **out);
/*
 * Works out the times that depend on the query: ranges, offsets and steps with step() or range().
 * To be called, with the same tree, once for each query before it is planned; a tree without such
 * expressions is left as it is. ERR_INVALID, with the message in diags and in Prometheus' words,
 * for a range or step that is not positive, and for a division by zero.
 */
int expr_resolve(struct expr *expr, const struct query_bounds *bounds, const struct source *source,
		 struct diag_list *diags);
void expr_fini(struct expr *expr); /* NULL is fine */
/* The canonical form, as Prometheus prints it. */
void expr_format(const struct expr *expr, struct buf *out);
/* Calls fn for each node, parents first. */
void expr_walk(const struct expr *expr, void (*fn)(void *ctx, const struct expr *expr), void *ctx);

#endif
