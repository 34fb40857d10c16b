/*
 * Lint: what is probably wrong in rules that load (warnings.def). Pure, like all of this room: what
 * only data can tell is asked elsewhere (cli/check_data.h).
 */
#ifndef TOCSIN_RULES_LINT_H
#define TOCSIN_RULES_LINT_H

#include "rules/rule_file.h"

/* Of so many rules it is told one by one what they can say on arrival; the rest are counted. */
#define LINT_ARRIVAL_MAX 500

/* Adds a warning for each thing found in the rules of a set. ERR_NOMEM. */
int rule_set_lint(const struct rule_set *set, struct diag_list *diags);

#endif
