/*
 * Warmth: a rule runs only when each selector it reads was fed in full for as far back as it reads.
 *
 * What a selector holds may also be written by rules, which begin to write when they are warm
 * themselves: a rule that looks an hour back at a series that another one has recorded for a minute
 * would fire because we have just begun to listen. So a leaf counts as fed since the later of its
 * selector's covered_since and the times its writers became warm. Only writers that run before the
 * reader count: a rule that reads itself, or a later one, could wait for ever.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

struct named_rule {
	struct slice name;
	uint32_t id;
};

static int by_name(const void *a, const void *b)
{
	const struct named_rule *x = a, *y = b;
	int order = slice_compare(x->name, y->name);
	return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* All that may be written: recorded names, and two names for each alerting rule. Sorted. To free().
 */
static struct named_rule *writers_list(const struct rule_set *set, size_t *n)
{
	struct named_rule *list = malloc((2 * (size_t)set->nrules + 1) * sizeof(*list));
	*n = 0;
	for (uint32_t g = 0; list && g < set->ngroups; g++) {
		for (uint32_t r = 0; r < set->groups[g].nrules; r++) {
			const struct rule *rule = &set->groups[g].rules[r];
			if (rule->kind == RULE_RECORD) {
				list[(*n)++] = (struct named_rule){ rule->name, rule->id };
				continue;
			}
			list[(*n)++] = (struct named_rule){ SLICE("ALERTS"), rule->id };
			list[(*n)++] = (struct named_rule){ SLICE("ALERTS_FOR_STATE"), rule->id };
		}
	}
	if (list)
		qsort(list, *n, sizeof(*list), by_name);
	return list;
}

/* Does a literal label of the rule contradict the matcher? What is rendered may be anything. */
static bool contradicts(const struct rule *rule, const struct matcher *matcher)
{
	struct slice name = { matcher->name, matcher->name_len };
	if (rule->kind == RULE_ALERT && slice_is(name, "alertname"))
		return !matcher_is_match(matcher, rule->name);
	for (uint32_t i = 0; i < rule->nlabels; i++) {
		const struct rule_text *label = &rule->labels[i];
		if (!slice_is_equal(label->name, name))
			continue;
		bool constant = !label->template || template_is_constant(label->template);
		return constant && !matcher_is_match(matcher, label->text);
	}
	return false;
}

static bool may_write(const struct named_rule *writer, const struct rule *rule,
		      const struct plan_selector *selector)
{
	for (uint32_t i = 0; i < selector->nmatchers; i++) {
		const struct matcher *matcher = &selector->matchers[i];
		bool is_name =
			slice_is((struct slice){ matcher->name, matcher->name_len }, METRIC_NAME);
		if (is_name ? !matcher_is_match(matcher, writer->name) : contradicts(rule, matcher))
			return false;
	}
	return true;
}

/* The part of the list that a name equality leaves. */
static void narrow(const struct named_rule *list, size_t n, const struct plan_selector *selector,
		   size_t *from, size_t *to)
{
	*from = 0;
	*to = n;
	for (uint32_t i = 0; i < selector->nmatchers; i++) {
		const struct matcher *matcher = &selector->matchers[i];
		struct slice value = { matcher->value, matcher->value_len };
		if (matcher->type != MATCH_EQ ||
		    !slice_is((struct slice){ matcher->name, matcher->name_len }, METRIC_NAME))
			continue;
		size_t low = 0, high = n;
		while (low < high) {
			size_t middle = low + (high - low) / 2;
			if (slice_compare(list[middle].name, value) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		*from = *to = low;
		while (*to < n && slice_is_equal(list[*to].name, value))
			(*to)++;
		return;
	}
}

static int writers_of(const struct generation *generation, const struct named_rule *list, size_t n,
		      const struct plan_selector *selector, struct writers *out)
{
	size_t from, to;
	narrow(list, n, selector, &from, &to);
	for (size_t i = from; i < to; i++) {
		const struct rule_state *rule = generation->by_id[list[i].id];
		if (!may_write(&list[i], rule->def, selector))
			continue;
		uint32_t *rules = realloc(out->rules, (out->n + 1) * sizeof(*rules));
		if (!rules)
			return ERR_NOMEM;
		out->rules = rules;
		rules[out->n++] = list[i].id;
	}
	return 0;
}

int writers_find(struct generation *generation)
{
	const struct plan *plan = generation->set->plan;
	size_t n;
	struct named_rule *list = writers_list(generation->set, &n);
	if (!list)
		return ERR_NOMEM;
	int code = 0;
	for (uint32_t i = 0; i < plan->nselectors && !code; i++)
		code = writers_of(generation, list, n, &plan->selectors[i],
				  &generation->writers[i]);
	free(list);
	return code;
}

/* When the leaf will have been fed for its reach. */
static int64_t leaf_warm_at(const struct generation *generation, const struct rule_state *rule,
			    const struct rule_leaf *leaf)
{
	int64_t since_ms = binding_selector(generation->binding, leaf->selector)->covered_since_ms;
	const struct writers *writers = &generation->writers[leaf->selector];
	for (uint32_t i = 0; i < writers->n; i++) {
		const struct rule_state *writer = generation->by_id[writers->rules[i]];
		bool runs_before = writer < rule; /* rules stand in the order of evaluation */
		if (runs_before && writer->warm_at_ms > since_ms)
			since_ms = writer->warm_at_ms;
	}
	return since_ms > INT64_MAX - leaf->reach_ms ? INT64_MAX : since_ms + leaf->reach_ms;
}

void rule_warmth_update(const struct generation *generation, struct rule_state *rule,
			int64_t query_ms)
{
	rule->warm_at_ms = TIME_NONE;
	if (!rule->group->always_warm)
		for (uint32_t i = 0; i < rule->nleaves; i++) {
			int64_t at_ms = leaf_warm_at(generation, rule, &rule->leaves[i]);
			if (at_ms > rule->warm_at_ms)
				rule->warm_at_ms = at_ms;
		}
	rule->warm =
		rule->group->always_warm || (query_ms != TIME_NONE && query_ms >= rule->warm_at_ms);
	if (!rule->warm)
		rule->health = RULE_WARMING;
	else if (rule->health == RULE_WARMING)
		rule->health = RULE_UNKNOWN; /* until it has run */
}
