/*
 * What a template may ask for: the texts of its `query` calls, as far as they stand in the
 * template.
 *
 * A text is a constant, or put together by printf and print from constants and what is known only
 * when the template is rendered. Such parts are holes in it.
 */
#ifndef TOCSIN_RULES_TEMPLATE_QUERIES_H
#define TOCSIN_RULES_TEMPLATE_QUERIES_H

#include "rules/template.h"

#define TEMPLATE_HOLE '\x01'	    /* any text */
#define TEMPLATE_NUMBER_HOLE '\x02' /* the text of a number */

struct template_query {
	uint32_t offset, span; /* of the call in the template's source */
	struct slice text;     /* with holes; nothing but a hole: not known at all */
};

/* In the order of the text, behind them those of the templates that it defines; in the arena.
 * ERR_NOMEM. */
int template_queries(const struct template *template, struct arena *arena,
		     struct template_query **out, uint32_t *n);

#endif
