/*
 * Bounds: between which values those of an expression lie, whatever the data, as far as its text
 * tells: count(x) is at least 1, hour() lies between 0 and 23, `x > 5` lets nothing pass that is
 * less.
 *
 * NaN is not looked at: no comparison but "!=" lets it pass.
 */
#ifndef TOCSIN_RULES_BOUNDS_H
#define TOCSIN_RULES_BOUNDS_H

#include "rules/ast.h"

struct bounds {
	double low, high; /* both included */
};

/*
 * Of a scalar or vector. on_impossible is called for each comparison that cannot be true, with the
 * bounds of its two sides.
 */
struct bounds bounds_find(const struct expr *expr,
			  void (*on_impossible)(void *ctx, const struct expr *expr,
						const struct bounds *left,
						const struct bounds *right),
			  void *ctx);

#endif
