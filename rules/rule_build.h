/*
 * Inside of rule files: how a rule set comes about. rule_file.c reads one file after the other into
 * groups (rule_read.h: their rules), rule_order.c orders them, rule_set.c puts the whole together,
 * rule_index.c finds in it.
 * Users need rule_file.h only.
 */
#ifndef TOCSIN_RULES_RULE_BUILD_H
#define TOCSIN_RULES_RULE_BUILD_H

#include "rules/rule_file.h"

struct rule_loader {
	struct arena *arena; /* the set's */
	struct diag_list *diags;
	const struct rule_set_options *options;
	struct rule_group *groups; /* in file order; to free() */
	size_t ngroups, cap;
	size_t nrules;
};

/*
 * Adds the groups of one file; root is NULL for an empty file. What is wrong goes to diags, and
 * what is right beside it is checked all the same. ERR_NOMEM.
 */
int rule_file_read(struct rule_loader *loader, const struct yaml_node *root);
/* Warns of durations beside metrics that are not in seconds: x_ns > 50ms. */
void rule_warn_units(struct rule_loader *loader, const struct rule *rule);
/* Warns of rules that write the same series, or send one alert twice. ERR_NOMEM. */
int rule_warn_duplicates(const struct rule_set *set, struct diag_list *diags);
/*
 * Adds to the set's demands what the templates of its rules ask for, and notes which rules ask. A
 * query of which it cannot be told what it reads is named in diags. ERR_NOMEM, ERR_LIMIT.
 */
int rule_queries_demand(struct rule_set *set, struct diag_list *diags);
/*
 * Sorts the groups so that writers stand before readers, else as they are; notes in diags the
 * groups that read one another and so stay in file order. ERR_NOMEM.
 */
int rule_order_groups(struct rule_group *groups, size_t n, struct diag_list *diags);
/* Puts the groups that the options name first, in that order; the others stay behind them. */
int rule_order_as_told(struct rule_group *groups, size_t n, const struct rule_set_options *options);

/* Fills keys, groups_by_name and writers of a set that has its plan. ERR_NOMEM. */
int rule_index_make(struct rule_set *set);

#endif
