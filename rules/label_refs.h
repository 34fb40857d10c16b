/*
 * References to an alert's labels in the expressions of runbooks: {instance="$labels.instance"}.
 *
 * A reference stands only as the whole value of a matcher with "=", and is bound after parsing, so
 * that no label's value can change what the expression means. Before it is bound, the expression
 * can be widened: then its selectors hold whatever they may be bound to.
 */
#ifndef TOCSIN_RULES_LABEL_REFS_H
#define TOCSIN_RULES_LABEL_REFS_H

#include "rules/expr.h"

/* ERR_INVALID, with complaints: a reference with another operator, as part of a value, or in a
 * selector without a metric's name. */
int label_refs_check(const struct expr *expr, const struct source *source, struct diag_list *diags);
/*
 * Each reference becomes the value of that label. ERR_NOT_FOUND: there is no such label, its name
 * is in *missing (of the tree); the tree is of no use then. ERR_NOMEM.
 */
int label_refs_bind(struct expr *expr, const struct labels *labels, struct slice *missing);
/* Each becomes name!="": whatever it may be. ERR_NOMEM. */
int label_refs_widen(struct expr *expr);

#endif
