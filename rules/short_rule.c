/* Rules in the short form: keys of their own, and a condition that becomes an expression. */
#include "base/error.h"
#include "rules/rule_read.h"
#include "rules/short_form.h"

/* `severity` is a label like any other; it comes first, and there is one. */
static int add_severity(struct rule_loader *loader, struct short_yaml *yaml, const char *what)
{
	const struct yaml_node *node = yaml_get(yaml->node, "severity");
	size_t n = yaml->labels.n;
	if (!(yaml->given & KEY_BIT(SHORT_SEVERITY)) || !node)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (slice_is(yaml->labels.items[i].key, "severity"))
			yaml_diag(loader->diags, DIAG_ERROR, yaml->labels.items[i].key_node, NULL,
				  "\"severity\" in %s twice: beside its labels and among them",
				  what);
	struct bind_pair *pairs = ARENA_ARRAY(loader->arena, struct bind_pair, n + 1);
	if (!pairs)
		return ERR_NOMEM;
	pairs[0] = (struct bind_pair){ SLICE("severity"), yaml->severity, node, node };
	if (n > 0)
		memcpy(pairs + 1, yaml->labels.items, n * sizeof(*pairs));
	yaml->labels.items = pairs;
	yaml->labels.n = n + 1;
	return 0;
}

/* False: told. */
static bool check_by(struct rule_loader *loader, const struct short_yaml *yaml, const char *what)
{
	bool good = true;
	for (size_t i = 0; i < yaml->by.n; i++) {
		struct slice label = yaml->by.items[i];
		if (label.len > 0 && slice_is_utf8(label) && !slice_is(label, METRIC_NAME))
			continue;
		yaml_diag(loader->diags, DIAG_ERROR, yaml->by.nodes[i], NULL,
			  "\"" SLICE_FMT "\" in \"by\" of %s is no label to join on",
			  SLICE_ARG(label), what);
		good = false;
	}
	return good;
}

/* The condition, translated, and read like any expression. */
static int read_condition(struct rule_loader *loader, const struct short_yaml *yaml,
			  enum rule_dialect dialect, const char *what, struct rule *rule)
{
	static struct slice by_default[] = { { "job", 3 }, { "instance", 8 } };
	const struct yaml_node *condition = yaml_get(yaml->node, "condition");
	const struct yaml_node *metric = yaml_get(yaml->node, "metric");
	struct short_form form = { .by = { by_default, 2 } };
	if (!(yaml->given & KEY_BIT(SHORT_CONDITION)) || condition->type != YAML_SCALAR ||
	    !check_by(loader, yaml, what))
		return 0; /* said by the table, or just now */
	form.condition = &condition->source;
	if (metric && metric->type == YAML_SCALAR && yaml->metric.len > 0)
		form.metric = &metric->source;
	if (yaml->given & KEY_BIT(SHORT_BY))
		form.by = (struct names){ yaml->by.items, (uint32_t)yaml->by.n };
	int error = short_form_translate(&form, loader->arena, loader->diags, &rule->source);
	if (error)
		return error == ERR_NOMEM ? error : 0;
	rule->expr_text = rule->source.text;
	const struct rule_reading reading = { "expr", what, condition, &rule->source, dialect };
	return rule_expr_read(loader, &reading, &rule->expr, &rule->query);
}

int short_rule_read(struct rule_loader *loader, const struct yaml_node *node,
		    const struct rule_context *group, struct rule *rule)
{
	struct short_yaml yaml;
	const struct yaml_node *name = node->type == YAML_MAPPING ? yaml_get(node, "name") : NULL;
	const char *what = rule_named(loader, "rule", name);
	int error = rule_keys_bind(loader, &short_rule_keys, what, node, &yaml);
	rule->kind = RULE_ALERT;
	rule->line = node->line;
	rule->name_node = name ? name : node;
	if (error || node->type != YAML_MAPPING)
		return error;
	rule->name = yaml.name;
	if ((yaml.given & KEY_BIT(SHORT_NAME)) && yaml.name.len == 0)
		yaml_diag(loader->diags, DIAG_ERROR, rule->name_node, NULL,
			  "a rule with an empty name");
	rule_names_check(loader, &yaml.labels, "label", true, what);
	rule_names_check(loader, &yaml.annotations, "annotation", false, what);
	rule->for_ms = yaml.for_ms;
	rule->keep_firing_for_ms = yaml.keep_firing_for_ms;
	error = read_condition(loader, &yaml, group->dialect, what, rule);
	if (!error)
		error = rule_resolve_read(loader, node, group->dialect, yaml.no_data, what, rule);
	if (!error)
		error = rule_run_read(loader, node, &yaml.run, what, rule);
	if (!error)
		error = add_severity(loader, &yaml, what);
	if (!error)
		error = rule_all_texts_read(loader, &yaml.labels, &yaml.annotations, group, rule);
	return error;
}
