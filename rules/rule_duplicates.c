/*
 * Rules of one name and equal labels may write the same series, or send one alert twice.
 *
 * Many are meant so, each for a part of the series: {verb="LIST"} here, {verb="GET"} there. Two
 * rules that read one metric, and ask for other values of one of its labels, are taken to be apart.
 */
#include <stdlib.h>

#include "base/error.h"
#include "rules/rule_build.h"
#include "rules/warning.h"

#define DUPLICATES_ASKED_MAX 64	 /* earlier namesakes that one is compared with */
#define DUPLICATES_SELECTORS_MAX 64 /* of a rule that are looked at */

/* ---- apart ---- */

struct selectors {
	const struct expr *items[DUPLICATES_SELECTORS_MAX];
	uint32_t n;
};

static void collect(void *ctx, const struct expr *expr)
{
	struct selectors *selectors = ctx;
	if (expr->kind == EXPR_SELECTOR && selectors->n < DUPLICATES_SELECTORS_MAX)
		selectors->items[selectors->n++] = expr;
}

static bool is_same(const char *a, size_t alen, const char *b, size_t blen)
{
	return slice_is_equal((struct slice){ a, alen }, (struct slice){ b, blen });
}

/* Do both say which values they want, and not the same? Patterns may overlap: they are believed. */
static bool matchers_are_apart(const struct matcher *a, const struct matcher *b)
{
	bool both_want = (a->type == MATCH_EQ || a->type == MATCH_RE) &&
			 (b->type == MATCH_EQ || b->type == MATCH_RE);
	if (!is_same(a->name, a->name_len, b->name, b->name_len))
		return false;
	if (both_want)
		return !is_same(a->value, a->value_len, b->value, b->value_len);
	if (a->type == MATCH_EQ)
		return !matcher_is_match(b, matcher_value(a));
	return b->type == MATCH_EQ && !matcher_is_match(a, matcher_value(b));
}

static bool selectors_are_apart(const struct expr *a, const struct expr *b)
{
	bool apart = false;
	for (uint32_t i = 0; i < a->selector.nmatchers; i++)
		for (uint32_t k = 0; k < b->selector.nmatchers; k++) {
			const struct matcher *x = &a->selector.matchers[i];
			const struct matcher *y = &b->selector.matchers[k];
			bool differ = matchers_are_apart(x, y);
			if (differ && matcher_is_metric_name(x))
				return false; /* of another metric: that tells nothing */
			apart = apart || differ;
		}
	return apart;
}

static bool rules_are_apart(const struct rule *a, const struct rule *b)
{
	struct selectors of_a = { .n = 0 }, of_b = { .n = 0 };
	if (!a->expr || !b->expr)
		return false;
	expr_walk(a->expr, collect, &of_a);
	expr_walk(b->expr, collect, &of_b);
	for (uint32_t i = 0; i < of_a.n; i++)
		for (uint32_t k = 0; k < of_b.n; k++)
			if (selectors_are_apart(of_a.items[i], of_b.items[k]))
				return true;
	return false;
}

/* ---- namesakes ---- */

static int compare_rules(const void *a, const void *b)
{
	const struct rule *x = *(const struct rule *const *)a, *y = *(const struct rule *const *)b;
	int order =
		x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : slice_compare(x->name, y->name);
	if (!order && x->nlabels != y->nlabels)
		order = x->nlabels < y->nlabels ? -1 : 1;
	for (uint32_t i = 0; !order && i < x->nlabels; i++) {
		order = slice_compare(x->labels[i].name, y->labels[i].name);
		if (!order)
			order = slice_compare(x->labels[i].text, y->labels[i].text);
	}
	return order;
}

static int compare_rules_and_ids(const void *a, const void *b)
{
	const struct rule *x = *(const struct rule *const *)a, *y = *(const struct rule *const *)b;
	int order = compare_rules(a, b);
	return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

/* Warns of the last of some namesakes, if it is not apart from one before. */
static void check(const struct rule_set *set, struct diag_list *diags, const struct rule **rules,
		  size_t last)
{
	const struct rule *rule = rules[last], *earlier = NULL;
	for (size_t i = 0; i < last && i < DUPLICATES_ASKED_MAX && !earlier; i++)
		if (!rules_are_apart(rules[i], rule))
			earlier = rules[i];
	if (!earlier)
		return;
	rule_warn_at(diags, WARN_DUPLICATE, &rule->name_node->source, 0, rule->name.len, NULL,
		     "%s rule \"" SLICE_FMT
		     "\" a second time with the same labels; the first is at " SLICE_FMT ":%u",
		     rule->kind == RULE_ALERT ? "alerting" : "recording", SLICE_ARG(rule->name),
		     SLICE_ARG(set->groups[earlier->group].file), earlier->name_node->line);
}

int rule_warn_duplicates(const struct rule_set *set, struct diag_list *diags)
{
	size_t n = 0;
	const struct rule **rules = calloc(set->nrules + 1, sizeof(*rules));
	if (!rules)
		return ERR_NOMEM;
	for (uint32_t g = 0; g < set->ngroups; g++)
		for (uint32_t r = 0; r < set->groups[g].nrules; r++)
			if (set->groups[g].rules[r].name.len > 0)
				rules[n++] = &set->groups[g].rules[r];
	qsort(rules, n, sizeof(*rules), compare_rules_and_ids);
	for (size_t i = 1, first = 0; i < n; i++) {
		if (compare_rules(&rules[first], &rules[i]) != 0)
			first = i;
		else
			check(set, diags, rules + first, i - first);
	}
	free(rules);
	return 0;
}
