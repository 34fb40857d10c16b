/*
 * Rule files: YAML → groups of rules. rule_keys.c says which keys there are; what one key alone
 * cannot tell is checked here, and for rules in rule_read.c and short_rule.c. All errors of a file
 * are told.
 */
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "rules/rule_read.h"

/* The entries of a list that is a key's value; complains when it is none. */
static size_t list_items(struct rule_loader *loader, const struct yaml_node *list, const char *key,
			 const char *what)
{
	if (!list)
		return 0;
	if (list->type == YAML_SEQUENCE)
		return list->n;
	yaml_diag(loader->diags, DIAG_ERROR, list, "write each entry on a line that begins with -",
		  "\"%s\" in %s must be a list", key, what);
	return 0;
}

static void check_group_keys(struct rule_loader *loader, struct group_yaml *yaml, const char *what)
{
	uint64_t given = yaml->given;
	const struct yaml_node *node = yaml->node;
	if (yaml->dialect == DIALECT_PROMETHEUS) {
		rule_keys_refuse(loader, &group_keys, node, given & GROUP_OF_TOCSIN, NOT_PROMETHEUS,
				 what);
		given &= ~GROUP_OF_TOCSIN;
		yaml->warmup = WARMUP_OFF;
	}
	if (yaml->evaluate == EVALUATE_ARRIVAL && yaml->query_offset_ms != 0)
		yaml_diag(loader->diags, DIAG_ERROR, yaml_get(node, "query_offset"),
			  "leave it out, or evaluate at ticks",
			  "\"query_offset\" in %s: what is evaluated on arrival looks at now", what);
	if ((given & KEY_BIT(GROUP_NAME)) && yaml->name.len == 0)
		yaml_diag(loader->diags, DIAG_ERROR, node, NULL, "a group with an empty name");
}

/* Those that are read as alerts, right or wrong: of the short form all are. */
static bool has_alerts(const struct yaml_node *rules, size_t n, rule_read_fn *read)
{
	for (size_t i = 0; i < n; i++)
		if (read == short_rule_read || yaml_get(rules->items[i], "alert"))
			return true;
	return false;
}

static int read_rules(struct rule_loader *loader, const struct group_yaml *yaml, const char *what,
		      rule_read_fn *read, struct rule_group *group)
{
	struct rule_context context = { .dialect = group->dialect };
	size_t n = list_items(loader, yaml->rules, "rules", what);
	int error = rule_texts_read(loader, &yaml->labels, false, NULL,
				    &context.labels[RULE_RECORD], &context.nlabels);
	if (!error && has_alerts(yaml->rules, n, read))
		error = rule_texts_read(loader, &yaml->labels, true, EPISODE_IN_LABEL,
					&context.labels[RULE_ALERT], &context.nlabels);
	if (loader->nrules + n > loader->options->rules_max) {
		yaml_diag(loader->diags, DIAG_ERROR, yaml->rules, "raise limits.rules",
			  "more than %zu rules", loader->options->rules_max);
		n = 0;
	}
	group->rules = ARENA_ARRAY(loader->arena, struct rule, n + 1);
	if (!group->rules)
		return ERR_NOMEM;
	for (size_t i = 0; i < n && !error; i++)
		if (!yaml_is_null(yaml->rules->items[i]))
			error = read(loader, yaml->rules->items[i], &context,
				     &group->rules[group->nrules++]);
	loader->nrules += group->nrules;
	return error;
}

static struct rule_group *add_group(struct rule_loader *loader)
{
	if (!ARRAY_RESERVE(&loader->groups, loader->ngroups, &loader->cap))
		return NULL;
	struct rule_group *group = &loader->groups[loader->ngroups++];
	memset(group, 0, sizeof(*group));
	return group;
}

static int make_group(struct rule_loader *loader, struct group_yaml *yaml, const char *what,
		      const struct yaml_node *node, rule_read_fn *read)
{
	check_group_keys(loader, yaml, what);
	rule_names_check(loader, &yaml->labels, "label", true, what);
	struct rule_group *group = add_group(loader);
	if (!group)
		return ERR_NOMEM;
	const struct rule_set_options *options = loader->options;
	/* The default is for rules that wait for late samples; those on arrival do not. */
	bool has_offset = (yaml->given & KEY_BIT(GROUP_QUERY_OFFSET)) ||
			  yaml->evaluate == EVALUATE_ARRIVAL;
	*group = (struct rule_group){
		.name = yaml->name,
		.file = slice_from(node->source.file ? node->source.file : ""),
		.interval_ms = options->interval_fixed_ms ? options->interval_fixed_ms
			       : yaml->interval_ms > 0	  ? yaml->interval_ms
							  : options->interval_ms,
		.query_offset_ms = has_offset ? yaml->query_offset_ms : options->query_offset_ms,
		.limit = yaml->limit,
		.dialect = (enum rule_dialect)yaml->dialect,
		.warmup = (enum rule_warmup)yaml->warmup,
		.evaluate = (enum rule_evaluate)yaml->evaluate,
		.min_gap_ms = yaml->min_gap_ms,
		.settle_ms = yaml->settle_ms,
		.exact = yaml->exact,
		.has_query_offset = yaml->given & KEY_BIT(GROUP_QUERY_OFFSET),
		.line = node->line,
	};
	return read_rules(loader, yaml, what, read, group);
}

static int read_group(struct rule_loader *loader, const struct yaml_node *node)
{
	struct group_yaml yaml;
	const struct yaml_node *name = node->type == YAML_MAPPING ? yaml_get(node, "name") : NULL;
	const char *what = rule_named(loader, "group", name);
	int error = rule_keys_bind(loader, &group_keys, what, node, &yaml);
	if (error || node->type != YAML_MAPPING)
		return error;
	return make_group(loader, &yaml, what, node, rule_read);
}

#define SHORT_GROUP "rules" /* the name of the group of a file's short rules */

/* The short rules at the top of a file, and the keys of their group. */
static int read_short_group(struct rule_loader *loader, const struct yaml_node *root,
			    struct file_yaml *yaml)
{
	struct group_yaml group = yaml->group;
	const struct yaml_node *key = root;
	for (size_t i = 0; i + 1 < root->n; i += 2)
		if (slice_is(root->items[i]->text, "rules"))
			key = root->items[i];
	if (!(group.given & KEY_BIT(FILE_RULES))) {
		rule_keys_refuse(
			loader, &rule_file_keys, root, group.given & FILE_OF_GROUP,
			"\"%s\" at the top of a %s is a key of its list \"rules\", which it "
			"has not",
			"rule file");
		return 0;
	}
	if (group.dialect == DIALECT_PROMETHEUS) {
		rule_keys_refuse(loader, &rule_file_keys, root, KEY_BIT(FILE_RULES), NOT_PROMETHEUS,
				 "rule file");
		return 0;
	}
	group.given &= FILE_OF_GROUP;
	group.name = SLICE(SHORT_GROUP);
	group.rules = yaml->rules;
	return make_group(loader, &group, "group \"" SHORT_GROUP "\"", key, short_rule_read);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct yaml_node *x = *(const struct yaml_node *const *)a;
	const struct yaml_node *y = *(const struct yaml_node *const *)b;
	int order = slice_compare(x->text, y->text);
	return order ? order : x->line < y->line ? -1 : x->line > y->line;
}

/* A group is known by its file and name. */
static int check_group_names(struct rule_loader *loader, const struct yaml_node *groups, size_t n,
			     bool has_short)
{
	size_t nnames = 0;
	const struct yaml_node **names =
		ARENA_ARRAY(loader->arena, const struct yaml_node *, n + 1);
	if (!names)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct yaml_node *group = groups->items[i];
		const struct yaml_node *name =
			group->type == YAML_MAPPING ? yaml_get(group, "name") : NULL;
		if (name && name->type == YAML_SCALAR && name->text.len > 0)
			names[nnames++] = name;
		if (has_short && name && slice_is(name->text, SHORT_GROUP))
			yaml_diag(loader->diags, DIAG_ERROR, name, NULL,
				  "group \"" SHORT_GROUP "\" a second time: the list \"rules\" at "
				  "the top of the file is the group of that name");
	}
	qsort(names, nnames, sizeof(*names), compare_nodes);
	for (size_t i = 1, first = 0; i < nnames; i++) {
		if (!slice_is_equal(names[i]->text, names[first]->text))
			first = i;
		else
			yaml_diag(loader->diags, DIAG_ERROR, names[i], NULL,
				  "group \"" SLICE_FMT "\" a second time; the first is at line %u",
				  SLICE_ARG(names[i]->text), names[first]->line);
	}
	return 0;
}

int rule_file_read(struct rule_loader *loader, const struct yaml_node *root)
{
	struct file_yaml yaml;
	if (!root || yaml_is_null(root))
		return 0;
	int error = rule_keys_bind(loader, &rule_file_keys, "rule file", root, &yaml);
	if (error || root->type != YAML_MAPPING)
		return error;
	size_t n = list_items(loader, yaml.groups, "groups", "rule file");
	/* An entry that is nothing is left out, as by Prometheus; of rules likewise. */
	for (size_t i = 0; i < n && !error; i++)
		if (!yaml_is_null(yaml.groups->items[i]))
			error = read_group(loader, yaml.groups->items[i]);
	if (!error)
		error = read_short_group(loader, root, &yaml);
	return error ? error
		     : check_group_names(loader, yaml.groups, n,
					 yaml.group.given & KEY_BIT(FILE_RULES));
}
