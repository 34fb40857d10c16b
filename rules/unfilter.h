/*
 * An expression without its conditions: what it gives of whoever is looked at, whether a comparison
 * lets it pass or not. `rate(x[5m]) < 1` becomes `rate(x[5m])`.
 *
 * By it one can tell "the condition does not hold" from "there is no data": whoever has no element
 * here, or NaN, is not known to the expression. Its values mean nothing else.
 */
#ifndef TOCSIN_RULES_UNFILTER_H
#define TOCSIN_RULES_UNFILTER_H

#include "rules/expr.h"

/*
 * Changes the tree in place, with new nodes from the arena, lets go of what falls out of it, and
 * gives its new root. NULL: no memory; the tree is good for expr_fini() only.
 */
struct expr *expr_unfilter(struct expr *expr, struct arena *arena);

#endif
