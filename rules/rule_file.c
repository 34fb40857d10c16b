/*
 * Rule files: YAML → groups of rules. rule_keys.c says which keys there are; what one key alone
 * cannot tell is checked here. All errors of a file are told.
 */
#include "rules/rule_build.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/rule_keys.h"

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

static const char *rule_what(struct rule_loader *loader, const struct yaml_node *node)
{
	const struct yaml_node *alert = node->type == YAML_MAPPING ? yaml_get(node, "alert") : NULL;
	const struct yaml_node *record =
		node->type == YAML_MAPPING ? yaml_get(node, "record") : NULL;
	const struct yaml_node *name = alert ? alert : record;
	if (!name || name->type != YAML_SCALAR)
		return "rule";
	struct slice text = name->text;
	text.len = text.len < 200 ? text.len : 200;
	const char *what = arena_printf(loader->arena, "%s rule \"" SLICE_FMT "\"",
					alert ? "alerting" : "recording", SLICE_ARG(text));
	return what ? what : "rule";
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
	size_t errors = loader->diags->errors;
	int error = expr_parse_dialect(&node->source, expr_dialects[dialect], loader->arena,
				       loader->diags, &rule->expr);
	if (!error)
		error = expr_resolve(rule->expr, &(struct query_bounds){ 0, 0, 0 }, &node->source,
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

static int read_run(struct rule_loader *loader, const struct rule_yaml *yaml, const char *what,
		    struct rule *rule)
{
	const struct rule_set_options *options = loader->options;
	rule->run = yaml->run.items;
	rule->nrun = (uint32_t)yaml->run.n;
	const struct yaml_node *list = yaml_get(yaml->node, "run");
	if (yaml->run.n > RULE_RUN_MAX)
		yaml_diag(loader->diags, DIAG_ERROR, list, NULL,
			  "\"run\" in %s names more than %d runbooks", what, RULE_RUN_MAX);
	if (!options->runbooks || yaml->run.n == 0)
		return 0;
	const char **names = ARENA_ARRAY(loader->arena, const char *, options->nrunbooks + 1);
	for (size_t i = 0; names && i < options->nrunbooks; i++) {
		names[i] = arena_strdup(loader->arena, options->runbooks[i]);
		if (!names[i])
			names = NULL;
	}
	if (!names)
		return ERR_NOMEM;
	for (size_t i = 0; i < yaml->run.n; i++) {
		bool known = false;
		char hint[256];
		for (size_t k = 0; k < options->nrunbooks && !known; k++)
			known = slice_is_equal(yaml->run.items[i], options->runbooks[k]);
		if (known || list->items[i]->type != YAML_SCALAR)
			continue;
		const char *near = nearest_name(yaml->run.items[i], names, options->nrunbooks);
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", near ? near : "");
		yaml_diag(loader->diags, DIAG_ERROR, list->items[i], near ? hint : NULL,
			  "unknown runbook \"" SLICE_FMT "\" in %s", SLICE_ARG(yaml->run.items[i]),
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
		error = read_run(loader, &yaml, what, rule);
	if (!error)
		error = read_texts(loader, &yaml.labels, rule->kind == RULE_ALERT, EPISODE_IN_LABEL,
				   &rule->labels, &rule->nlabels);
	if (!error)
		error = merge_labels(loader, group->labels[rule->kind], group->nlabels, rule);
	if (!error && rule->kind == RULE_ALERT)
		error = read_texts(
			loader, &yaml.annotations, true,
			group->dialect == DIALECT_PROMETHEUS ? EPISODE_NOT_PROMETHEUS : NULL,
			&rule->annotations, &rule->nannotations);
	return error;
}

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

static bool has_alerts(const struct yaml_node *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rules->items[i]->type == YAML_MAPPING && yaml_get(rules->items[i], "alert"))
			return true;
	return false;
}

static int read_rules(struct rule_loader *loader, const struct group_yaml *yaml, const char *what,
		      struct rule_group *group)
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
		error = read_rule(loader, yaml->rules->items[i], &context, &group->rules[i]);
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

static int read_group(struct rule_loader *loader, const struct yaml_node *node)
{
	struct group_yaml yaml;
	const struct yaml_node *name = node->type == YAML_MAPPING ? yaml_get(node, "name") : NULL;
	const char *what = NULL;
	if (name && name->type == YAML_SCALAR && name->text.len > 0)
		what = arena_printf(loader->arena, "group \"%.*s\"",
				    (int)(name->text.len < 200 ? name->text.len : 200),
				    name->text.ptr);
	what = what ? what : "group";
	int error = bind_shallow(loader, &group_keys, what, node, &yaml);
	if (error || node->type != YAML_MAPPING)
		return error;
	check_group_keys(loader, &yaml, what);
	check_names(loader, &yaml.labels, "label", true, what);
	struct rule_group *group = add_group(loader);
	if (!group)
		return ERR_NOMEM;
	const struct rule_set_options *options = loader->options;
	bool has_offset = yaml.given & KEY_BIT(GROUP_QUERY_OFFSET);
	*group = (struct rule_group){
		.name = yaml.name,
		.file = slice_from(node->source.file ? node->source.file : ""),
		.interval_ms = options->interval_fixed_ms ? options->interval_fixed_ms
			       : yaml.interval_ms > 0	  ? yaml.interval_ms
							  : options->interval_ms,
		.query_offset_ms = has_offset ? yaml.query_offset_ms : options->query_offset_ms,
		.limit = yaml.limit,
		.dialect = (enum rule_dialect)yaml.dialect,
		.warmup = (enum rule_warmup)yaml.warmup,
		.line = node->line,
	};
	return read_rules(loader, &yaml, what, group);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct yaml_node *x = *(const struct yaml_node *const *)a;
	const struct yaml_node *y = *(const struct yaml_node *const *)b;
	int order = slice_compare(x->text, y->text);
	return order ? order : x->line < y->line ? -1 : x->line > y->line;
}

/* A group is known by its file and name. */
static int check_group_names(struct rule_loader *loader, const struct yaml_node *groups, size_t n)
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
	if (yaml.given & KEY_BIT(FILE_RULES))
		refuse_keys(loader, &rule_file_keys, root, KEY_BIT(FILE_RULES),
			    "\"%s\" at the top of a %s, the short form of rules, is not there yet",
			    "rule file");
	size_t n = list_items(loader, yaml.groups, "groups", "rule file");
	for (size_t i = 0; i < n && !error; i++)
		error = read_group(loader, yaml.groups->items[i]);
	return error ? error : check_group_names(loader, yaml.groups, n);
}
