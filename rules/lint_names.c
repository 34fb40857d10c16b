/* Which rule records what, and with which labels. */
#include "rules/lint_internal.h"

#include <stdlib.h>

#include "base/error.h"

static int by_name(const void *a, const void *b)
{
	const struct lint_record *x = a, *y = b;
	int order = slice_compare(x->name, y->name);
	return order ? order : (x->rule->id > y->rule->id) - (x->rule->id < y->rule->id);
}

int lint_names_init(struct lint *lint)
{
	const struct rule_set *set = lint->set;
	lint->records = ARENA_ARRAY(&lint->arena, struct lint_record, set->nrules + 1);
	if (!lint->records)
		return ERR_NOMEM;
	for (uint32_t g = 0; g < set->ngroups; g++)
		for (uint32_t r = 0; r < set->groups[g].nrules; r++) {
			const struct rule *rule = &set->groups[g].rules[r];
			if (rule->kind == RULE_RECORD)
				lint->records[lint->nrecords++] =
					(struct lint_record){ .name = rule->name, .rule = rule };
		}
	qsort(lint->records, lint->nrecords, sizeof(*lint->records), by_name);
	return 0;
}

struct slice lint_metric(const struct expr *selector)
{
	const struct matcher *name = selector->selector.log
					     ? NULL
					     : matchers_find_metric(selector->selector.matchers,
								    selector->selector.nmatchers);
	return name ? matcher_value(name) : SLICE("");
}

const struct lint_record *lint_records(const struct lint *lint, struct slice name, uint32_t *n)
{
	uint32_t low = 0, high = lint->nrecords;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (slice_compare(lint->records[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*n = 0;
	while (low + *n < lint->nrecords && slice_is_equal(lint->records[low + *n].name, name))
		(*n)++;
	return &lint->records[low];
}

/* The labels that the rule adds to those of its result, or takes away. */
static void add_own(struct lint *lint, const struct rule *rule, struct label_scope *scope)
{
	struct label_mention *has =
		ARENA_ARRAY(&lint->arena, struct label_mention, scope->nhas + rule->nlabels + 1);
	uint32_t n = 0;
	if (!has) {
		lint->failed = true;
		return;
	}
	for (uint32_t i = 0; i < scope->nhas; i++)
		has[n++] = scope->has[i];
	for (uint32_t i = 0; i < rule->nlabels; i++)
		has[n++] = (struct label_mention){ .name = rule->labels[i].name };
	scope->has = has;
	scope->nhas = n;
}

/* Whose series may be other people's, too, or that reads itself, is not known. */
static const struct label_scope *scope_of(struct lint_place *place, struct lint_record *record)
{
	static const struct label_scope open = { .closed = false };
	struct lint_place its = { place->lint, record->rule, &record->rule->source };
	if (record->scope_state == SCOPE_KNOWN)
		return &record->scope;
	if (record->scope_state == SCOPE_ASKED || place->lint->chain == LINT_CHAIN_MAX)
		return &open;
	record->scope_state = SCOPE_ASKED;
	place->lint->chain++;
	const struct label_scope_options options = { .source = its.source,
						     .arena = &place->lint->arena,
						     .recorded = lint_recorded_scope,
						     .ctx = &its };
	if (label_scope_find(record->rule->expr, &options, &record->scope))
		place->lint->failed = true;
	add_own(place->lint, record->rule, &record->scope);
	place->lint->chain--;
	record->scope_state = SCOPE_KNOWN;
	return &record->scope;
}

/* A name with a colon is a rule's; others may come from elsewhere as well. */
const struct label_scope *lint_recorded_scope(void *ctx, const struct expr *selector)
{
	struct lint_place *place = ctx;
	struct slice name = lint_metric(selector);
	uint32_t n;
	const struct lint_record *records = lint_records(place->lint, name, &n);
	if (n == 0 || slice_find(name, ':') < 0 || place->lint->failed)
		return NULL;
	uint32_t first = (uint32_t)(records - place->lint->records);
	struct label_scope *all = ARENA_NEW(&place->lint->scratch, struct label_scope);
	if (!all) {
		place->lint->failed = true;
		return NULL;
	}
	*all = *scope_of(place, &place->lint->records[first]);
	for (uint32_t i = 1; i < n; i++)
		if (label_scope_join(all, scope_of(place, &place->lint->records[first + i]),
				     &place->lint->scratch, all))
			place->lint->failed = true;
	return all;
}
