/*
 * What rule files mean, written out: short rules translated, labels of groups in their rules,
 * expressions in canonical form, defaults filled in. The output is YAML that reads back as the same
 * rules.
 */
#ifndef TOCSIN_RULES_RULE_EXPAND_H
#define TOCSIN_RULES_RULE_EXPAND_H

#include "rules/rule_file.h"

/* prometheus: without Tocsin's keys, for tools that refuse them. */
enum expand_form { EXPAND_FULL, EXPAND_PROMETHEUS };

/*
 * A document for each file, in the order of names, groups and rules as they stand in it. More than
 * one are told apart by a comment. ERR_NOMEM.
 */
int rule_set_expand(const struct rule_set *set, enum expand_form form, struct buf *out);

#endif
