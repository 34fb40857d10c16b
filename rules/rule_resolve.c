/* `resolve_when` and `no_data`: what ends a firing alert. */
#include "base/error.h"
#include "rules/label_scope.h"
#include "rules/rule_read.h"
#include "rules/unfilter.h"

/*
 * An element ends the alerts that have its labels: one with a label that they cannot have would end
 * none, ever.
 */
static int check_labels(struct rule_loader *loader, const struct rule *rule, const char *what)
{
	const struct rule_resolve *resolve = rule->resolve;
	struct label_scope_options options = { .source = &rule->source, .arena = loader->arena };
	struct label_scope own, theirs;
	int error = label_scope_find(rule->expr, &options, &own);
	options.source = &resolve->source;
	if (!error)
		error = label_scope_find(resolve->expr, &options, &theirs);
	for (uint32_t i = 0; !error && i < theirs.nhas; i++)
		if (!label_scope_may_have(&own, theirs.has[i].name))
			diag_add_at(
				loader->diags, DIAG_ERROR, &resolve->source, theirs.has[i].offset,
				theirs.has[i].span,
				"an element ends an alert only if each of its labels equals the "
				"alert's",
				"label \"" SLICE_FMT "\" of \"resolve_when\" in %s is none that "
				"the result of \"expr\" can have",
				SLICE_ARG(theirs.has[i].name), what);
	return error;
}

static int read_expressions(struct rule_loader *loader, const struct rule_reading *reading,
			    struct rule *rule)
{
	struct rule_resolve *resolve = rule->resolve;
	int error = rule_expr_read(loader, reading, &resolve->expr, &resolve->query);
	if (error || !resolve->expr)
		return error;
	error = rule_expr_parse(loader, reading, &resolve->data);
	if (error)
		return ERR_NOMEM; /* it was right just now */
	struct expr *data = expr_unfilter(resolve->data, loader->arena);
	if (!data)
		return ERR_NOMEM;
	resolve->data = data;
	return 0;
}

int rule_resolve_read(struct rule_loader *loader, const struct yaml_node *mapping,
		      enum rule_dialect dialect, int no_data, const char *what, struct rule *rule)
{
	const struct yaml_node *node = yaml_get(mapping, "resolve_when");
	const struct yaml_node *silent = yaml_get(mapping, "no_data");
	if (!node && silent)
		yaml_diag(loader->diags, DIAG_ERROR, silent, NULL,
			  "\"no_data\" in %s says what becomes of \"resolve_when\", which it has "
			  "not",
			  what);
	if (!node || yaml_is_null(node) || node->type != YAML_SCALAR)
		return 0; /* said by the table, if it is wrong */
	if (slice_trim(node->text).len == 0) {
		yaml_diag(loader->diags, DIAG_ERROR, node, NULL, "\"resolve_when\" in %s is empty",
			  what);
		return 0;
	}
	rule->resolve = ARENA_NEW(loader->arena, struct rule_resolve);
	if (!rule->resolve)
		return ERR_NOMEM;
	*rule->resolve = (struct rule_resolve){ .source = node->source,
						.no_data = (enum rule_no_data)no_data };
	const struct rule_reading reading = { "resolve_when", what, node, &rule->resolve->source,
					      dialect };
	int error = read_expressions(loader, &reading, rule);
	if (!error && rule->expr && rule->resolve->expr)
		error = check_labels(loader, rule, what);
	return error;
}
