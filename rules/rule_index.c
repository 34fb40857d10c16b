/*
 * What is found in a rule set, worked out when it is loaded, so that taking it into force is not
 * held up: rules by what they are known by, groups by name, and for each selector the rules that
 * may write what it holds.
 */
#include "rules/rule_build.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"

/* ---- keys ---- */

static uint64_t hash_slice(uint64_t hash, struct slice text)
{
	hash = hash_fnv1a64(hash, text.ptr, text.len);
	return hash_fnv1a64(hash, "\xff", 1);
}

uint64_t rule_key_hash(struct slice file, struct slice group, struct slice name)
{
	return hash_slice(hash_slice(hash_slice(FNV1A64_INIT, file), group), name);
}

static int by_hash(const void *a, const void *b)
{
	const struct rule_entry *x = a, *y = b;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static int keys_make(struct rule_set *set)
{
	uint32_t n = 0;
	set->keys = ARENA_ARRAY(&set->arena, struct rule_entry, set->nrules + 1);
	if (!set->keys)
		return ERR_NOMEM;
	for (uint32_t g = 0; g < set->ngroups; g++) {
		const struct rule_group *group = &set->groups[g];
		for (uint32_t r = 0; r < group->nrules; r++)
			set->keys[n++] =
				(struct rule_entry){ rule_key_hash(group->file, group->name,
								   group->rules[r].name),
						     group->rules[r].id };
	}
	qsort(set->keys, n, sizeof(*set->keys), by_hash);
	return 0;
}

uint32_t rule_keys_find(const struct rule_set *set, uint64_t hash)
{
	uint32_t low = 0, high = set->nrules;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (set->keys[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- groups ---- */

static int by_group(const void *a, const void *b, void *ctx)
{
	const struct rule_set *set = ctx;
	const struct rule_group *x = &set->groups[*(const uint32_t *)a],
				*y = &set->groups[*(const uint32_t *)b];
	int order = slice_compare(x->file, y->file);
	return order ? order : slice_compare(x->name, y->name);
}

static int groups_make(struct rule_set *set)
{
	set->groups_by_name = ARENA_ARRAY(&set->arena, uint32_t, set->ngroups + 1);
	if (!set->groups_by_name)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < set->ngroups; i++)
		set->groups_by_name[i] = i;
	qsort_r(set->groups_by_name, set->ngroups, sizeof(uint32_t), by_group, set);
	return 0;
}

/* ---- writers ---- */

struct named_rule {
	struct slice name;
	const struct rule *rule;
};

static int by_name(const void *a, const void *b)
{
	const struct named_rule *x = a, *y = b;
	int order = slice_compare(x->name, y->name);
	return order ? order : (x->rule->id > y->rule->id) - (x->rule->id < y->rule->id);
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
				list[(*n)++] = (struct named_rule){ rule->name, rule };
				continue;
			}
			list[(*n)++] = (struct named_rule){ SLICE("ALERTS"), rule };
			list[(*n)++] = (struct named_rule){ SLICE("ALERTS_FOR_STATE"), rule };
		}
	}
	if (list)
		qsort(list, *n, sizeof(*list), by_name);
	return list;
}

/* Does a literal label of the rule contradict the matcher? What is rendered may be anything. */
static bool contradicts(const struct rule *rule, const struct matcher *matcher)
{
	struct slice name = matcher_name(matcher);
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

static bool may_write(const struct named_rule *writer, const struct plan_selector *selector)
{
	for (uint32_t i = 0; i < selector->nmatchers; i++) {
		const struct matcher *matcher = &selector->matchers[i];
		bool is_name = matcher_is_metric_name(matcher);
		if (is_name ? !matcher_is_match(matcher, writer->name)
			    : contradicts(writer->rule, matcher))
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
		struct slice value = matcher_value(matcher);
		if (matcher->type != MATCH_EQ || !matcher_is_metric_name(matcher))
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

/* The ids of those that may write what the selector holds go to *found, which has room for all. */
static uint32_t find_writers(const struct named_rule *list, size_t n,
			     const struct plan_selector *selector, uint32_t *found)
{
	size_t from, to;
	uint32_t count = 0;
	narrow(list, n, selector, &from, &to);
	for (size_t i = from; i < to; i++)
		if (may_write(&list[i], selector))
			found[count++] = list[i].rule->id;
	return count;
}

static bool keep_writers(struct rule_set *set, const uint32_t *found, uint32_t n,
			 struct rule_writers *out)
{
	if (n == 0)
		return true;
	out->rules = ARENA_ARRAY(&set->arena, uint32_t, n);
	if (!out->rules)
		return false;
	memcpy(out->rules, found, n * sizeof(*found));
	out->n = n;
	return true;
}

static int writers_make(struct rule_set *set)
{
	const struct plan *plan = set->plan;
	size_t n;
	struct named_rule *list = writers_list(set, &n);
	uint32_t *found = malloc((n + 1) * sizeof(*found));
	set->writers = ARENA_ARRAY(&set->arena, struct rule_writers, plan->nselectors + 1);
	bool ok = list && found && set->writers;
	if (ok)
		memset(set->writers, 0, plan->nselectors * sizeof(*set->writers));
	for (uint32_t i = 0; ok && i < plan->nselectors; i++) {
		uint32_t count = find_writers(list, n, &plan->selectors[i], found);
		ok = keep_writers(set, found, count, &set->writers[i]);
	}
	free(list);
	free(found);
	return ok ? 0 : ERR_NOMEM;
}

int rule_index_make(struct rule_set *set)
{
	int error = keys_make(set);
	if (!error)
		error = groups_make(set);
	return error ? error : writers_make(set);
}
