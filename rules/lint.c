#include "rules/lint_internal.h"

#include "base/error.h"
#include "base/text.h"

#define INTERVAL_MS_MAX 300000 /* the lookback, unless the configuration says another */

/* Between its runs nobody sees what the group records. */
static void lint_group(struct lint *lint, const struct rule_group *group)
{
	struct buf interval;
	const struct rule *record = NULL;
	for (uint32_t i = 0; i < group->nrules && !record; i++)
		if (group->rules[i].kind == RULE_RECORD)
			record = &group->rules[i];
	if (!record || group->interval_ms <= INTERVAL_MS_MAX)
		return;
	buf_init(&interval);
	duration_format(group->interval_ms, &interval);
	rule_warn_at(lint->diags, WARN_INTERVAL, &record->name_node->source, 0, record->name.len,
		     "run it at least every 5m, or read its series with last_over_time()",
		     "group \"" SLICE_FMT "\" records each " SLICE_FMT
		     ": longer than a lookback of 5m, its series are gone between two runs",
		     SLICE_ARG(group->name), SLICE_ARG(buf_slice(&interval)));
	buf_fini(&interval);
}

/* What a rule on arrival can say at once: no slip, but good to know. */
static void note_arrival(struct lint *lint, const struct rule *rule)
{
	const char *why = rule->arrival_why;
	if (lint->set->groups[rule->group].evaluate != EVALUATE_ARRIVAL)
		return;
	if (lint->narrival++ >= LINT_ARRIVAL_MAX) {
		lint->more_arrival[rule->arrival]++;
		lint->first_more = lint->first_more ? lint->first_more : rule;
		return;
	}
	rule_warn_at(lint->diags, WARN_ARRIVAL, &rule->name_node->source, 0, rule->name.len, NULL,
		     "rule \"" SLICE_FMT "\" on arrival: %s%s%s", SLICE_ARG(rule->name),
		     arrival_class_text(rule->arrival), why ? ", for it reads " : "",
		     why ? why : "");
}

/* So many notes that nobody reads them would leave no room for what is wrong. */
static void note_more_arrival(struct lint *lint)
{
	const struct rule *first = lint->first_more;
	if (!first)
		return;
	rule_warn_at(lint->diags, WARN_ARRIVAL, &first->name_node->source, 0, first->name.len,
		     "check --expand says it of each",
		     "from rule \"" SLICE_FMT "\" on %u more rules on arrival: %u immediate, %u "
		     "wait for settle, %u at ticks",
		     SLICE_ARG(first->name), lint->narrival - LINT_ARRIVAL_MAX,
		     lint->more_arrival[ARRIVAL_IMMEDIATE], lint->more_arrival[ARRIVAL_SETTLE],
		     lint->more_arrival[ARRIVAL_TICK]);
}

static void lint_rule(struct lint *lint, const struct rule *rule)
{
	struct lint_place place = { lint, rule, &rule->source };
	struct label_scope own, resolve;
	arena_clear(&lint->scratch);
	note_arrival(lint, rule);
	lint_selectors(&place, rule->expr);
	lint_values(&place, rule->expr);
	lint_labels(&place, rule->expr, &own);
	if (rule->kind == RULE_ALERT)
		lint_condition(&place);
	lint_texts(&place, &own);
	if (!rule->resolve)
		return;
	place.source = &rule->resolve->source;
	lint_selectors(&place, rule->resolve->expr);
	lint_values(&place, rule->resolve->expr);
	lint_labels(&place, rule->resolve->expr, &resolve);
	lint_resolve_labels(&place, &own, &resolve);
}

int rule_set_lint(const struct rule_set *set, struct diag_list *diags)
{
	struct lint lint = { .set = set, .diags = diags };
	arena_init(&lint.arena, 0);
	arena_init(&lint.scratch, 0);
	int error = lint_names_init(&lint);
	for (uint32_t g = 0; g < set->ngroups && !error; g++) {
		lint_group(&lint, &set->groups[g]);
		for (uint32_t r = 0; r < set->groups[g].nrules && !lint.failed; r++)
			lint_rule(&lint, &set->groups[g].rules[r]);
	}
	note_more_arrival(&lint);
	arena_fini(&lint.arena);
	arena_fini(&lint.scratch);
	return lint.failed ? ERR_NOMEM : error;
}
