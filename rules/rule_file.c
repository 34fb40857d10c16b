/*
 * Rule files: YAML → groups of rules. rule_keys.c says which keys there are; what one key alone
 * cannot tell is checked here. All errors of a file are told.
 */
#include "rules/rule_build.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/rule_keys.h"
#include "rules/short_form.h"

/*
 * Binds one mapping, called `what` in messages. Lists of mappings inside are left as nodes: each is
 * bound by itself, so that messages can name the group and the rule.
 */
static int bind_shallow(struct rule_loader *loader, const struct bind_table *table,
			const char *what, const struct yaml_node *node, void *out)
{
	struct bind_field fields[BIND_FIELDS_MAX];
	struct bind_table shallow = *table;
	memcpy(fields, table->fields, table->n * sizeof(*fields));
	for (size_t i = 0; i < table->n; i++)
		if (fields[i].type == BIND_STRUCTS)
			fields[i].type = BIND_NODE;
	shallow.what = what;
	shallow.fields = fields;
	int error = bind_struct(&shallow, node, loader->arena, loader->diags, out);
	return error == ERR_NOMEM ? error : 0;
}

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

/* Complains about each of the given keys that is in the mask. */
static void refuse_keys(struct rule_loader *loader, const struct bind_table *table,
			const struct yaml_node *node, uint64_t mask, const char *format,
			const char *what)
{
	char message[512];
	for (size_t i = 0; i < table->n; i++) {
		if (!(mask >> i & 1))
			continue;
		snprintf(message, sizeof(message), format, table->fields[i].key, what);
		for (size_t k = 0; k + 1 < node->n; k += 2)
			if (slice_is(node->items[k]->text, table->fields[i].key))
				yaml_diag(loader->diags, DIAG_ERROR, node->items[k], NULL, "%s",
					  message);
	}
}

#define ONLY_ALERTS "\"%s\" in %s: only alerting rules have it"
#define NOT_YET "\"%s\" in %s is not there yet"
#define NOT_PROMETHEUS "\"%s\" in %s is an addition of Tocsin's: not under dialect: prometheus"

/* Names of labels and annotations: any UTF-8, but not empty; and no label may be the metric's name.
 */
static void check_names(struct rule_loader *loader, const struct bind_map *map, const char *kind,
			bool are_labels, const char *what)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct bind_pair *pair = &map->items[i];
		if (pair->key.len == 0 || !slice_is_utf8(pair->key))
			yaml_diag(loader->diags, DIAG_ERROR, pair->key_node, NULL,
				  "%s with an invalid name in %s", kind, what);
		else if (are_labels && slice_is(pair->key, METRIC_NAME))
			yaml_diag(loader->diags, DIAG_ERROR, pair->key_node,
				  "the name of a series is what \"record\" says",
				  "label \"" METRIC_NAME "\" cannot be set in %s", what);
	}
}

static int compare_texts(const void *a, const void *b)
{
	const struct rule_text *x = a, *y = b;
	return slice_compare(x->name, y->name);
}

static int parse_template(struct rule_loader *loader, const struct bind_pair *pair,
			  struct rule_text *text)
{
	int error = template_parse(&pair->value_node->source, loader->arena, loader->diags,
				   &text->template);
	return error == ERR_NOMEM ? error : 0;
}

#define EPISODE_IN_LABEL "a label is what tells alerts apart: it cannot use $activeAt or $evidence"
#define EPISODE_NOT_PROMETHEUS                                                                     \
	"$activeAt and $evidence are additions of Tocsin's: not under dialect: prometheus"

/*
 * A map's pairs, with templates when they are to be rendered; sorted by name. no_episode: why a
 * template may not use what only a firing alert has; NULL: it may.
 */
static int read_texts(struct rule_loader *loader, const struct bind_map *map, bool templates,
		      const char *no_episode, struct rule_text **out, uint32_t *n)
{
	struct rule_text *texts = ARENA_ARRAY(loader->arena, struct rule_text, map->n + 1);
	if (!texts)
		return ERR_NOMEM;
	for (size_t i = 0; i < map->n; i++) {
		const struct bind_pair *pair = &map->items[i];
		texts[i] = (struct rule_text){ .name = pair->key, .text = pair->value };
		int error = 0;
		if (templates && pair->value_node->type == YAML_SCALAR)
			error = parse_template(loader, pair, &texts[i]);
		if (error)
			return error;
		if (no_episode && texts[i].template && template_uses_episode(texts[i].template))
			yaml_diag(loader->diags, DIAG_ERROR, pair->value_node, NULL, "%s",
				  no_episode);
	}
	qsort(texts, map->n, sizeof(*texts), compare_texts);
	*out = texts;
	*n = (uint32_t)map->n;
	return 0;
}

/* The group's labels below the rule's own: both sorted, own win. */
static int merge_labels(struct rule_loader *loader, const struct rule_text *group, uint32_t ngroup,
			struct rule *rule)
{
	const struct rule_text *own = rule->labels;
	uint32_t nown = rule->nlabels, n = 0;
	if (ngroup == 0)
		return 0;
	struct rule_text *both = ARENA_ARRAY(loader->arena, struct rule_text, ngroup + nown);
	if (!both)
		return ERR_NOMEM;
	for (uint32_t i = 0, j = 0; i < ngroup || j < nown;) {
		int order = i == ngroup ? 1
			    : j == nown ? -1
					: slice_compare(group[i].name, own[j].name);
		both[n++] = order < 0 ? group[i] : own[j];
		i += order <= 0;
		j += order >= 0;
	}
	rule->labels = both;
	rule->nlabels = n;
	return 0;
}

/* KIND "NAME", for messages; cut where it is long. */
static const char *named(struct rule_loader *loader, const char *kind, const struct yaml_node *name)
{
	const char *what = NULL;
	if (name && name->type == YAML_SCALAR && name->text.len > 0)
		what = arena_printf(loader->arena, "%s \"%.*s\"", kind,
				    (int)(name->text.len < 200 ? name->text.len : 200),
				    name->text.ptr);
	return what ? what : kind;
}

static const char *rule_what(struct rule_loader *loader, const struct yaml_node *node)
{
	const struct yaml_node *alert = node->type == YAML_MAPPING ? yaml_get(node, "alert") : NULL;
	const struct yaml_node *record =
		node->type == YAML_MAPPING ? yaml_get(node, "record") : NULL;
	const struct yaml_node *name = alert ? alert : record;
	if (!name || name->type != YAML_SCALAR || name->text.len == 0)
		return "rule";
	return named(loader, alert ? "alerting rule" : "recording rule", name);
}

/* What "record" or "alert" say. */
static void check_name(struct rule_loader *loader, const struct rule_yaml *yaml, const char *what,
		       struct rule *rule)
{
	bool record = yaml->record.len > 0, alert = yaml->alert.len > 0;
	const struct yaml_node *name = yaml_get(yaml->node, alert ? "alert" : "record");
	rule->kind = alert ? RULE_ALERT : RULE_RECORD;
	rule->name = alert ? yaml->alert : yaml->record;
	rule->name_node = name ? name : yaml->node;
	if (record && alert)
		yaml_diag(loader->diags, DIAG_ERROR, yaml_get(yaml->node, "record"), NULL,
			  "%s has both \"record\" and \"alert\": a rule is one or the other", what);
	else if (!record && !alert)
		yaml_diag(loader->diags, DIAG_ERROR, yaml->node, NULL,
			  "a rule without \"record\" or \"alert\"");
	else if (record &&
		 (slice_find(yaml->record, '{') >= 0 || slice_find(yaml->record, '}') >= 0))
		yaml_diag(loader->diags, DIAG_ERROR, name, "labels go under \"labels\"",
			  "invalid name \"" SLICE_FMT
			  "\" of a recording rule: braces are not for names",
			  SLICE_ARG(yaml->record));
	else if (record && !slice_is_utf8(yaml->record))
		yaml_diag(loader->diags, DIAG_ERROR, name, NULL,
			  "invalid name of a recording rule");
}

static void check_keys(struct rule_loader *loader, const struct rule_yaml *yaml,
		       enum rule_dialect dialect, const char *what)
{
	uint64_t given = yaml->given, wrong = 0;
	if (yaml->record.len > 0 && yaml->alert.len == 0)
		wrong = given & RULE_OF_ALERTS;
	refuse_keys(loader, &rule_keys, yaml->node, wrong, ONLY_ALERTS, what);
	given &= ~wrong;
	if (dialect == DIALECT_PROMETHEUS) {
		refuse_keys(loader, &rule_keys, yaml->node, given & RULE_OF_TOCSIN, NOT_PROMETHEUS,
			    what);
		given &= ~RULE_OF_TOCSIN;
	}
	refuse_keys(loader, &rule_keys, yaml->node, given & RULE_LATER, NOT_YET, what);
}

/*
 * A plain text ends where YAML sees a comment. When what is left of an expression does not parse,
 * that is likely why: {path="/a #b"}.
 */
static void note_comment(struct rule_loader *loader, const struct yaml_node *node)
{
	struct slice whole = node->source.whole;
	const char *line = whole.ptr, *end = whole.ptr ? whole.ptr + whole.len : NULL;
	if (!node->plain || !line || slice_find(node->text, '\n') >= 0 || node->source.pieces)
		return;
	for (uint32_t i = 1; i < node->source.line0 && line; i++) {
		line = memchr(line, '\n', (size_t)(end - line));
		line += line != NULL;
	}
	if (!line || (size_t)(end - line) < node->source.column0 - 1 + node->text.len)
		return;
	const char *at = line + node->source.column0 - 1 + node->text.len;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	const char *line_end = memchr(line, '\n', (size_t)(end - line));
	struct slice quote = { line, (size_t)((line_end ? line_end : end) - line) };
	char *copy = arena_strdup(loader->arena, quote);
	if (at < end && *at == '#')
		diag_add(loader->diags, DIAG_NOTE, node->source.file, node->source.line0,
			 (uint32_t)(at - line) + 1, copy, "put the expression in a block: expr: |",
			 "YAML takes what follows \" #\" for a comment: the expression ends before "
			 "it");
}

/* Prometheus tells so at every evaluation only. */
static void check_result(struct rule_loader *loader, const struct rule *rule, const char *what)
{
	const struct expr *expr = rule->expr;
	if (expr->type == VALUE_VECTOR || expr->type == VALUE_SCALAR)
		return;
	diag_add_at(loader->diags, DIAG_ERROR, &rule->source, expr->offset, expr->span,
		    expr->type == VALUE_MATRIX
			    ? "a function makes one value of a range: rate(x[5m])"
			    : NULL,
		    "\"expr\" in %s must be an instant vector or a scalar, it is a %s", what,
		    value_type_text(expr->type));
}

static const enum expr_dialect expr_dialects[] = {
	[DIALECT_TOCSIN] = EXPR_TOCSIN,
	[DIALECT_PROMETHEUS] = EXPR_PROMETHEUS,
	[DIALECT_LOGQL] = EXPR_LOGQL,
};

/* Parses rule->source, which is the node's, or made of it. */
static int parse_expr(struct rule_loader *loader, const struct yaml_node *node,
		      enum rule_dialect dialect, const char *what, struct rule *rule)
{
	size_t errors = loader->diags->errors;
	int error = expr_parse_dialect(&rule->source, expr_dialects[dialect], loader->arena,
				       loader->diags, &rule->expr);
	if (!error)
		error = expr_resolve(rule->expr, &(struct query_bounds){ 0, 0, 0 }, &rule->source,
				     loader->diags);
	if (error && rule->expr)
		expr_fini(rule->expr);
	if (error == ERR_NOMEM)
		return error;
	if (error) {
		rule->expr = NULL;
		if (loader->diags->errors == errors)
			yaml_diag(loader->diags, DIAG_ERROR, node, NULL, "\"expr\" in %s: %s", what,
				  error_text(error));
		note_comment(loader, node);
		return 0;
	}
	check_result(loader, rule, what);
	struct buf text;
	buf_init(&text);
	expr_format(rule->expr, &text);
	rule->query = buf_ok(&text) ? arena_strdup(loader->arena, buf_slice(&text)) : NULL;
	buf_fini(&text);
	return rule->query ? 0 : ERR_NOMEM;
}

static int read_expr(struct rule_loader *loader, const struct rule_yaml *yaml,
		     enum rule_dialect dialect, const char *what, struct rule *rule)
{
	const struct yaml_node *node = yaml_get(yaml->node, "expr");
	if (!(yaml->given & KEY_BIT(RULE_EXPR)) || node->type != YAML_SCALAR)
		return 0; /* said by the table */
	if (slice_trim(yaml->expr).len == 0) {
		yaml_diag(loader->diags, DIAG_ERROR, node, NULL, "\"expr\" in %s is empty", what);
		return 0;
	}
	rule->expr_text = yaml->expr;
	rule->source = node->source;
	int error = parse_expr(loader, node, dialect, what, rule);
	if (!error && rule->expr)
		rule_warn_units(loader, rule);
	return error;
}

static int read_run(struct rule_loader *loader, const struct yaml_node *mapping,
		    const struct bind_strings *run, const char *what, struct rule *rule)
{
	const struct rule_set_options *options = loader->options;
	rule->run = run->items;
	rule->nrun = (uint32_t)run->n;
	const struct yaml_node *list = yaml_get(mapping, "run");
	if (run->n > RULE_RUN_MAX)
		yaml_diag(loader->diags, DIAG_ERROR, list, NULL,
			  "\"run\" in %s names more than %d runbooks", what, RULE_RUN_MAX);
	if (!options->runbooks || run->n == 0)
		return 0;
	const char **names = ARENA_ARRAY(loader->arena, const char *, options->nrunbooks + 1);
	for (size_t i = 0; names && i < options->nrunbooks; i++) {
		names[i] = arena_strdup(loader->arena, options->runbooks[i]);
		if (!names[i])
			names = NULL;
	}
	if (!names)
		return ERR_NOMEM;
	for (size_t i = 0; i < run->n; i++) {
		bool known = false;
		char hint[256];
		for (size_t k = 0; k < options->nrunbooks && !known; k++)
			known = slice_is_equal(run->items[i], options->runbooks[k]);
		if (known || list->items[i]->type != YAML_SCALAR)
			continue;
		const char *near = nearest_name(run->items[i], names, options->nrunbooks);
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", near ? near : "");
		yaml_diag(loader->diags, DIAG_ERROR, list->items[i], near ? hint : NULL,
			  "unknown runbook \"" SLICE_FMT "\" in %s", SLICE_ARG(run->items[i]),
			  what);
	}
	return 0;
}

/* What a group's rules share. */
struct group_context {
	enum rule_dialect dialect;
	struct rule_text *labels[2]; /* as records and as alerts take them, by rule_kind */
	uint32_t nlabels;
};

/* Labels, own and the group's, and annotations. */
static int read_all_texts(struct rule_loader *loader, const struct bind_map *labels,
			  const struct bind_map *annotations, const struct group_context *group,
			  struct rule *rule)
{
	int error = read_texts(loader, labels, rule->kind == RULE_ALERT, EPISODE_IN_LABEL,
			       &rule->labels, &rule->nlabels);
	if (!error)
		error = merge_labels(loader, group->labels[rule->kind], group->nlabels, rule);
	if (!error && rule->kind == RULE_ALERT)
		error = read_texts(
			loader, annotations, true,
			group->dialect == DIALECT_PROMETHEUS ? EPISODE_NOT_PROMETHEUS : NULL,
			&rule->annotations, &rule->nannotations);
	return error;
}

static int read_rule(struct rule_loader *loader, const struct yaml_node *node,
		     const struct group_context *group, struct rule *rule)
{
	struct rule_yaml yaml;
	const char *what = rule_what(loader, node);
	int error = bind_shallow(loader, &rule_keys, what, node, &yaml);
	rule->line = node->line;
	rule->name_node = node;
	if (error || node->type != YAML_MAPPING)
		return error;
	check_name(loader, &yaml, what, rule);
	check_keys(loader, &yaml, group->dialect, what);
	check_names(loader, &yaml.labels, "label", true, what);
	check_names(loader, &yaml.annotations, "annotation", false, what);
	rule->for_ms = yaml.for_ms;
	rule->keep_firing_for_ms = yaml.keep_firing_for_ms;
	error = read_expr(loader, &yaml, group->dialect, what, rule);
	if (!error)
		error = read_run(loader, node, &yaml.run, what, rule);
	if (!error)
		error = read_all_texts(loader, &yaml.labels, &yaml.annotations, group, rule);
	return error;
}

/* Rules in the short form */

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
	const struct yaml_node *list = yaml_get(yaml->node, "by");
	bool good = true;
	for (size_t i = 0; i < yaml->by.n; i++) {
		struct slice label = yaml->by.items[i];
		if (label.len > 0 && slice_is_utf8(label) && !slice_is(label, METRIC_NAME))
			continue;
		yaml_diag(loader->diags, DIAG_ERROR, list->items[i], NULL,
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
	return parse_expr(loader, condition, dialect, what, rule);
}

static int read_short_rule(struct rule_loader *loader, const struct yaml_node *node,
			   const struct group_context *group, struct rule *rule)
{
	struct short_yaml yaml;
	const struct yaml_node *name = node->type == YAML_MAPPING ? yaml_get(node, "name") : NULL;
	const char *what = named(loader, "rule", name);
	int error = bind_shallow(loader, &short_rule_keys, what, node, &yaml);
	rule->kind = RULE_ALERT;
	rule->line = node->line;
	rule->name_node = name ? name : node;
	if (error || node->type != YAML_MAPPING)
		return error;
	rule->name = yaml.name;
	if ((yaml.given & KEY_BIT(SHORT_NAME)) && yaml.name.len == 0)
		yaml_diag(loader->diags, DIAG_ERROR, rule->name_node, NULL,
			  "a rule with an empty name");
	refuse_keys(loader, &short_rule_keys, node, yaml.given & SHORT_LATER, NOT_YET, what);
	check_names(loader, &yaml.labels, "label", true, what);
	check_names(loader, &yaml.annotations, "annotation", false, what);
	rule->for_ms = yaml.for_ms;
	rule->keep_firing_for_ms = yaml.keep_firing_for_ms;
	error = read_condition(loader, &yaml, group->dialect, what, rule);
	if (!error)
		error = read_run(loader, node, &yaml.run, what, rule);
	if (!error)
		error = add_severity(loader, &yaml, what);
	if (!error)
		error = read_all_texts(loader, &yaml.labels, &yaml.annotations, group, rule);
	return error;
}

/* Groups */

static void check_group_keys(struct rule_loader *loader, struct group_yaml *yaml, const char *what)
{
	uint64_t given = yaml->given;
	const struct yaml_node *node = yaml->node;
	if (yaml->dialect == DIALECT_PROMETHEUS) {
		refuse_keys(loader, &group_keys, node, given & GROUP_OF_TOCSIN, NOT_PROMETHEUS,
			    what);
		given &= ~GROUP_OF_TOCSIN;
		yaml->warmup = WARMUP_OFF;
	}
	refuse_keys(loader, &group_keys, node, given & GROUP_LATER, NOT_YET, what);
	if (yaml->evaluate == EVALUATE_ARRIVAL && (given & KEY_BIT(GROUP_EVALUATE)))
		yaml_diag(loader->diags, DIAG_ERROR, yaml_get(node, "evaluate"), NULL,
			  "\"evaluate: arrival\" in %s is not there yet", what);
	if ((given & KEY_BIT(GROUP_NAME)) && yaml->name.len == 0)
		yaml_diag(loader->diags, DIAG_ERROR, node, NULL, "a group with an empty name");
}

typedef int read_rule_fn(struct rule_loader *loader, const struct yaml_node *node,
			 const struct group_context *group, struct rule *rule);

static bool has_alerts(const struct yaml_node *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rules->items[i]->type == YAML_MAPPING && !yaml_get(rules->items[i], "record"))
			return true;
	return false;
}

static int read_rules(struct rule_loader *loader, const struct group_yaml *yaml, const char *what,
		      read_rule_fn *read, struct rule_group *group)
{
	struct group_context context = { .dialect = group->dialect };
	size_t n = list_items(loader, yaml->rules, "rules", what);
	int error = read_texts(loader, &yaml->labels, false, NULL, &context.labels[RULE_RECORD],
			       &context.nlabels);
	if (!error && has_alerts(yaml->rules, n))
		error = read_texts(loader, &yaml->labels, true, EPISODE_IN_LABEL,
				   &context.labels[RULE_ALERT], &context.nlabels);
	if (loader->nrules + n > loader->options->rules_max) {
		yaml_diag(loader->diags, DIAG_ERROR, yaml->rules, "raise limits.rules",
			  "more than %zu rules", loader->options->rules_max);
		n = 0;
	}
	group->rules = ARENA_ARRAY(loader->arena, struct rule, n + 1);
	if (!group->rules)
		return ERR_NOMEM;
	group->nrules = (uint32_t)n;
	loader->nrules += n;
	for (size_t i = 0; i < n && !error; i++)
		error = read(loader, yaml->rules->items[i], &context, &group->rules[i]);
	return error;
}

static struct rule_group *add_group(struct rule_loader *loader)
{
	if (loader->ngroups == loader->cap) {
		size_t cap = loader->cap ? loader->cap * 2 : 16;
		struct rule_group *groups = realloc(loader->groups, cap * sizeof(*groups));
		if (!groups)
			return NULL;
		loader->groups = groups;
		loader->cap = cap;
	}
	struct rule_group *group = &loader->groups[loader->ngroups++];
	memset(group, 0, sizeof(*group));
	return group;
}

static int make_group(struct rule_loader *loader, struct group_yaml *yaml, const char *what,
		      const struct yaml_node *node, read_rule_fn *read)
{
	check_group_keys(loader, yaml, what);
	check_names(loader, &yaml->labels, "label", true, what);
	struct rule_group *group = add_group(loader);
	if (!group)
		return ERR_NOMEM;
	const struct rule_set_options *options = loader->options;
	bool has_offset = yaml->given & KEY_BIT(GROUP_QUERY_OFFSET);
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
		.line = node->line,
	};
	return read_rules(loader, yaml, what, read, group);
}

static int read_group(struct rule_loader *loader, const struct yaml_node *node)
{
	struct group_yaml yaml;
	const struct yaml_node *name = node->type == YAML_MAPPING ? yaml_get(node, "name") : NULL;
	const char *what = named(loader, "group", name);
	int error = bind_shallow(loader, &group_keys, what, node, &yaml);
	if (error || node->type != YAML_MAPPING)
		return error;
	return make_group(loader, &yaml, what, node, read_rule);
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
		refuse_keys(loader, &rule_file_keys, root, group.given & FILE_OF_GROUP,
			    "\"%s\" at the top of a %s is a key of its list \"rules\", which it "
			    "has not",
			    "rule file");
		return 0;
	}
	if (group.dialect == DIALECT_PROMETHEUS) {
		refuse_keys(loader, &rule_file_keys, root, KEY_BIT(FILE_RULES), NOT_PROMETHEUS,
			    "rule file");
		return 0;
	}
	group.given &= FILE_OF_GROUP;
	group.name = SLICE(SHORT_GROUP);
	group.rules = yaml->rules;
	return make_group(loader, &group, "group \"" SHORT_GROUP "\"", key, read_short_rule);
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
	int error = bind_shallow(loader, &rule_file_keys, "rule file", root, &yaml);
	if (error || root->type != YAML_MAPPING)
		return error;
	size_t n = list_items(loader, yaml.groups, "groups", "rule file");
	for (size_t i = 0; i < n && !error; i++)
		error = read_group(loader, yaml.groups->items[i]);
	if (!error)
		error = read_short_group(loader, root, &yaml);
	return error ? error
		     : check_group_names(loader, yaml.groups, n,
					 yaml.group.given & KEY_BIT(FILE_RULES));
}
