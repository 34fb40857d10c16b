/* Templates of labels and annotations. */
#include <stdio.h>
#include <string.h>

#include "rules/lint_internal.h"
#include "rules/template_labels.h"

struct text_place {
	struct lint_place *place;
	const struct rule_text *text;
	const struct label_scope *scope;
};

/* ---- labels that are not there ---- */

static bool is_rule_label(const struct rule *rule, struct slice name)
{
	for (uint32_t i = 0; i < rule->nlabels; i++)
		if (slice_is_equal(rule->labels[i].name, name))
			return true;
	return slice_is(name, "alertname");
}

static void on_label(void *ctx, struct slice name, uint32_t offset, uint32_t span)
{
	struct text_place *at = ctx;
	if (label_scope_may_have(at->scope, name) || slice_is(name, METRIC_NAME))
		return;
	bool is_own = is_rule_label(at->place->rule, name);
	rule_warn_at(at->place->lint->diags, WARN_TEMPLATE_LABEL, at->text->source, offset, span,
		     is_own ? "$labels are those of the expression's result, not those of the rule"
			    : "aggregate by it, or leave it out",
		     "label \"" SLICE_FMT "\" is none that the result of the expression can have: "
		     "nothing is shown here",
		     SLICE_ARG(name));
}

/* ---- values in labels ---- */

static void on_value(void *ctx, uint32_t offset, uint32_t span)
{
	struct text_place *at = ctx;
	rule_warn_at(at->place->lint->diags, WARN_VALUE_LABEL, at->text->source, offset, span,
		     "show it in an annotation",
		     "label \"" SLICE_FMT "\" shows the value: with each value it is another alert",
		     SLICE_ARG(at->text->name));
}

/* ---- braces ---- */

static void warn_braces(struct text_place *at, const char *found, size_t n, const char *hint,
			const char *message)
{
	const struct source *source = at->text->source;
	rule_warn_at(at->place->lint->diags, WARN_BRACES, source,
		     (size_t)(found - source->text.ptr), n, hint, "%s", message);
}

static const char *find(struct slice text, const char *wanted)
{
	return text.len > 0 ? memmem(text.ptr, text.len, wanted, strlen(wanted)) : NULL;
}

static void on_text(void *ctx, struct slice text)
{
	static const char *const variables[] = { "$labels.", "$value", "$externalLabels." };
	struct text_place *at = ctx;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *found = find(text, variables[i]);
		char message[80];
		if (!found)
			continue;
		snprintf(message, sizeof(message), "\"%s\" is not filled in outside of {{ }}",
			 variables[i]);
		warn_braces(at, found, strlen(variables[i]),
			    "write {{ $value }}, {{ $labels.job }}", message);
		return;
	}
	const char *found = find(text, "}}");
	if (found)
		warn_braces(at, found, 2, NULL, "\"}}\" closes no \"{{\"");
}

static void check_text(struct lint_place *place, const struct rule_text *text, bool is_label,
		       const struct label_scope *scope)
{
	struct text_place at = { place, text, scope };
	if (!text->template || !text->source)
		return;
	if (is_label)
		template_each_value(text->template, on_value, &at);
	template_each_text(text->template, on_text, &at);
	template_each_label(text->template, on_label, &at);
}

/* The labels of a recording rule are no templates. */
static void check_literal(struct lint_place *place, const struct rule_text *text)
{
	const struct rule *rule = place->rule;
	if (text->template || !find(text->text, "{{"))
		return;
	rule_warn_at(place->lint->diags, WARN_BRACES, &rule->name_node->source, 0, rule->name.len,
		     NULL,
		     "label \"" SLICE_FMT "\" of recording rule \"" SLICE_FMT
		     "\" is no template: {{ }} stays as it is",
		     SLICE_ARG(text->name), SLICE_ARG(rule->name));
}

void lint_texts(struct lint_place *place, const struct label_scope *scope)
{
	const struct rule *rule = place->rule;
	for (uint32_t i = 0; i < rule->nlabels; i++) {
		if (rule->kind == RULE_RECORD)
			check_literal(place, &rule->labels[i]);
		else
			check_text(place, &rule->labels[i], true, scope);
	}
	for (uint32_t i = 0; i < rule->nannotations; i++)
		check_text(place, &rule->annotations[i], false, scope);
}
