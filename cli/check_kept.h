/*
 * Which series a daemon keeps: those that the rules which run there ask for, and no others.
 *
 * So of another rule it can be told whether a series is there only where it asks for series of
 * which all are kept.
 */
#ifndef TOCSIN_CLI_CHECK_KEPT_H
#define TOCSIN_CLI_CHECK_KEPT_H

#include "base/arena.h"
#include "rules/ast.h"

struct kept {
	struct arena arena;
	struct kept_rule *rules;
	struct kept_selector *selectors;
};

void kept_init(struct kept *kept);
void kept_fini(struct kept *kept);
/* The selectors of a rule that runs. What cannot be read, or for want of memory, is left out: then
 * less is known to be kept. */
void kept_add(struct kept *kept, const char *query);
/* Is every series kept that the selector may match? */
bool kept_has(const struct kept *kept, const struct expr *selector);

#endif
