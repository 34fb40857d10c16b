/* Rules of rule files, in the long form; and what the short form shares with it. */
#include "rules/rule_read.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

/* Keys and names */

int rule_keys_bind(struct rule_loader *loader, const struct bind_table *table, const char *what,
		   const struct yaml_node *node, void *out)
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

void rule_keys_refuse(struct rule_loader *loader, const struct bind_table *table,
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

void rule_names_check(struct rule_loader *loader, const struct bind_map *map, const char *kind,
		      bool are_labels, const char *what)
{
	if (map->n > LABELS_COUNT_MAX)
		yaml_diag(loader->diags, DIAG_ERROR, map->items[LABELS_COUNT_MAX].key_node, NULL,
			  "more than %d %ss in %s", LABELS_COUNT_MAX, kind, what);
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

const char *rule_named(struct rule_loader *loader, const char *kind, const struct yaml_node *name)
{
	const char *what = NULL;
	if (name && name->type == YAML_SCALAR && name->text.len > 0)
		what = arena_printf(loader->arena, "%s \"%.*s\"", kind,
				    (int)(name->text.len < 200 ? name->text.len : 200),
				    name->text.ptr);
	return what ? what : kind;
}

/* Texts */

static int compare_texts(const void *a, const void *b)
{
	const struct rule_text *x = a, *y = b;
	return slice_compare(x->name, y->name);
}

static int parse_template(struct rule_loader *loader, const struct bind_pair *pair,
			  struct rule_text *text)
{
	text->source = &pair->value_node->source;
	int error = template_parse(text->source, loader->arena, loader->diags, &text->template);
	return error == ERR_NOMEM ? error : 0;
}

int rule_texts_read(struct rule_loader *loader, const struct bind_map *map, bool templates,
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

int rule_all_texts_read(struct rule_loader *loader, const struct bind_map *labels,
			const struct bind_map *annotations, const struct rule_context *group,
			struct rule *rule)
{
	int error = rule_texts_read(loader, labels, rule->kind == RULE_ALERT, EPISODE_IN_LABEL,
				    &rule->labels, &rule->nlabels);
	if (!error)
		error = merge_labels(loader, group->labels[rule->kind], group->nlabels, rule);
	if (!error && rule->kind == RULE_ALERT)
		error = rule_texts_read(
			loader, annotations, true,
			group->dialect == DIALECT_PROMETHEUS ? EPISODE_NOT_PROMETHEUS : NULL,
			&rule->annotations, &rule->nannotations);
	return error;
}

/* Expressions and runbooks */

/*
 * A plain text ends where YAML sees a comment. When what is left of an expression does not parse,
 * that is likely why: {path="/a #b"}.
 */
static void note_comment(struct rule_loader *loader, const struct yaml_node *node, const char *key)
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
			 (uint32_t)(at - line) + 1, copy,
			 arena_printf(loader->arena, "put the expression in a block: %s: |", key),
			 "YAML takes what follows \" #\" for a comment: the expression ends before "
			 "it");
}

/* Prometheus tells so at every evaluation only. */
static void check_result(struct rule_loader *loader, const struct rule_reading *reading,
			 const struct expr *expr)
{
	if (expr->type == VALUE_VECTOR || expr->type == VALUE_SCALAR)
		return;
	diag_add_at(loader->diags, DIAG_ERROR, reading->source, expr->offset, expr->span,
		    expr->type == VALUE_MATRIX
			    ? "a function makes one value of a range: rate(x[5m])"
			    : NULL,
		    "\"%s\" in %s must be an instant vector or a scalar, it is a %s", reading->key,
		    reading->what, value_type_text(expr->type));
}

enum expr_dialect rule_dialect_expr(enum rule_dialect dialect)
{
	static const enum expr_dialect dialects[] = {
		[DIALECT_TOCSIN] = EXPR_TOCSIN,
		[DIALECT_PROMETHEUS] = EXPR_PROMETHEUS,
		[DIALECT_LOGQL] = EXPR_LOGQL,
	};

	return dialects[dialect];
}

int rule_expr_parse(struct rule_loader *loader, const struct rule_reading *reading,
		    struct expr **out)
{
	struct expr *expr = NULL;
	int error = expr_parse_dialect(reading->source, rule_dialect_expr(reading->dialect),
				       loader->arena, loader->diags, &expr);
	if (!error)
		error = expr_resolve(expr, &(struct query_bounds){ 0, 0, 0 }, reading->source,
				     loader->diags);
	if (error)
		expr_fini(expr);
	else
		*out = expr;
	return error;
}

int rule_expr_read(struct rule_loader *loader, const struct rule_reading *reading,
		   struct expr **out, char **query)
{
	size_t errors = loader->diags->errors;
	int error = rule_expr_parse(loader, reading, out);
	if (error == ERR_NOMEM)
		return error;
	if (error) {
		if (loader->diags->errors == errors)
			yaml_diag(loader->diags, DIAG_ERROR, reading->node, NULL,
				  "\"%s\" in %s: %s", reading->key, reading->what,
				  error_text(error));
		note_comment(loader, reading->node, reading->key);
		return 0;
	}
	check_result(loader, reading, *out);
	struct buf text;
	buf_init(&text);
	expr_format(*out, &text);
	*query = buf_ok(&text) ? arena_strdup(loader->arena, buf_slice(&text)) : NULL;
	buf_fini(&text);
	return *query ? 0 : ERR_NOMEM;
}

int rule_run_read(struct rule_loader *loader, const struct yaml_node *mapping,
		  const struct bind_strings *run, const char *what, struct rule *rule)
{
	const struct rule_set_options *options = loader->options;
	rule->run = run->items;
	rule->nrun = (uint32_t)run->n;
	if (run->n > RULE_RUN_MAX)
		yaml_diag(loader->diags, DIAG_ERROR, yaml_get(mapping, "run"), NULL,
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
		if (known)
			continue;
		const char *near = nearest_name(run->items[i], names, options->nrunbooks);
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", near ? near : "");
		yaml_diag(loader->diags, DIAG_ERROR, run->nodes[i], near ? hint : NULL,
			  "unknown runbook \"" SLICE_FMT "\" in %s", SLICE_ARG(run->items[i]),
			  what);
	}
	return 0;
}

/* The long form */

static const char *rule_what(struct rule_loader *loader, const struct yaml_node *node)
{
	const struct yaml_node *alert = node->type == YAML_MAPPING ? yaml_get(node, "alert") : NULL;
	const struct yaml_node *record =
		node->type == YAML_MAPPING ? yaml_get(node, "record") : NULL;
	const struct yaml_node *name = alert ? alert : record;
	if (!name || name->type != YAML_SCALAR || name->text.len == 0)
		return "rule";
	return rule_named(loader, alert ? "alerting rule" : "recording rule", name);
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
	rule_keys_refuse(loader, &rule_keys, yaml->node, wrong, ONLY_ALERTS, what);
	given &= ~wrong;
	if (dialect == DIALECT_PROMETHEUS) {
		rule_keys_refuse(loader, &rule_keys, yaml->node, given & RULE_OF_TOCSIN,
				 NOT_PROMETHEUS, what);
		given &= ~RULE_OF_TOCSIN;
	}
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
	const struct rule_reading reading = { "expr", what, node, &rule->source, dialect };
	return rule_expr_read(loader, &reading, &rule->expr, &rule->query);
}

int rule_read(struct rule_loader *loader, const struct yaml_node *node,
	      const struct rule_context *group, struct rule *rule)
{
	struct rule_yaml yaml;
	const char *what = rule_what(loader, node);
	int error = rule_keys_bind(loader, &rule_keys, what, node, &yaml);
	rule->line = node->line;
	rule->name_node = node;
	if (error || node->type != YAML_MAPPING)
		return error;
	check_name(loader, &yaml, what, rule);
	check_keys(loader, &yaml, group->dialect, what);
	rule_names_check(loader, &yaml.labels, "label", true, what);
	rule_names_check(loader, &yaml.annotations, "annotation", false, what);
	rule->for_ms = yaml.for_ms;
	rule->keep_firing_for_ms = yaml.keep_firing_for_ms;
	error = read_expr(loader, &yaml, group->dialect, what, rule);
	if (!error && rule->kind == RULE_ALERT)
		error = rule_resolve_read(loader, node, group->dialect, yaml.no_data, what, rule);
	if (!error && rule->expr)
		rule_warn_units(loader, rule);
	if (!error)
		error = rule_run_read(loader, node, &yaml.run, what, rule);
	if (!error)
		error = rule_all_texts_read(loader, &yaml.labels, &yaml.annotations, group, rule);
	return error;
}
