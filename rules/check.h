/*
 * The type check: annotates a tree with types, and tells all that is wrong with it. Inside of
 * rules/.
 */
#ifndef TOCSIN_RULES_CHECK_H
#define TOCSIN_RULES_CHECK_H

#include "rules/expr.h"

/* 0 or ERR_INVALID. The messages are PromQL's. */
int check_expr(const struct source *source, enum expr_dialect dialect, struct diag_list *diags,
	       struct expr *expr);

#endif
