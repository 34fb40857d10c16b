/* Lists of label names, as in by (…) and on (…). Inside of rules/. */
#ifndef TOCSIN_RULES_NAMES_H
#define TOCSIN_RULES_NAMES_H

#include "rules/ast.h"

/* a, b, "c.d" */
void names_format(const struct names *names, struct buf *out);
bool names_is_equal(const struct names *a, const struct names *b);
/* Sorted, without repetitions, all in the arena. ERR_NOMEM. */
int names_canonical(const struct names *names, struct arena *arena, struct names *out);

#endif
