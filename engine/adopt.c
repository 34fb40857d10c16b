/*
 * What a new generation keeps of the old one.
 *
 * A group is known by file and name: it keeps its counters and, with the same interval, its due
 * time. A rule goes on with the state of the old rule of the same file, group, kind, name, labels
 * and expression. For one whose expression changed an old rule is looked for without it, as
 * Prometheus does: an alert whose threshold was moved is still the same alert, and the next
 * evaluation says whether it goes on. Several equal rules are matched in order. What finds no heir
 * ends: alerts are resolved with the reason `rule removed`, recorded series get a stale marker.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

struct adopt_index {
	bool *taken;	       /* by place of the young generation's rules */
	uint32_t at[2];	       /* old rules judged: exactly, loosely */
	uint32_t groups_at[2]; /* old and young groups, by name, that are done with */
	uint32_t moved;	       /* old rules that are */
	uint32_t slot;	       /* of the old rule that is being ended */
};

static uint64_t rule_hash(const struct rule_state *rule)
{
	return rule_key_hash(rule->group->def->file, rule->group->def->name, rule->def->name);
}

static bool labels_are_equal(const struct rule *a, const struct rule *b)
{
	if (a->nlabels != b->nlabels)
		return false;
	for (uint32_t i = 0; i < a->nlabels; i++)
		if (!slice_is_equal(a->labels[i].name, b->labels[i].name) ||
		    !slice_is_equal(a->labels[i].text, b->labels[i].text))
			return false;
	return true;
}

static bool groups_are_equal(const struct rule_group *a, const struct rule_group *b)
{
	return slice_is_equal(a->file, b->file) && slice_is_equal(a->name, b->name);
}

static bool rules_are_equal(const struct rule_state *a, const struct rule_state *b, bool exact)
{
	return a->def->kind == b->def->kind && slice_is_equal(a->def->name, b->def->name) &&
	       groups_are_equal(a->group->def, b->group->def) && labels_are_equal(a->def, b->def) &&
	       (!exact || slice_is_equal(slice_from(a->def->query), slice_from(b->def->query)));
}

static void heir_find(const struct generation *old, struct generation *young, uint32_t place,
		      bool exact)
{
	const struct rule_state *rule = &old->rules[place];
	struct adopt_index *adopt = young->adopt;
	if (young->heirs[place].rule != ID_MAP_NONE)
		return;
	const struct rule_set *set = young->set;
	uint64_t hash = rule_hash(rule);
	for (uint32_t i = rule_keys_find(set, hash); i < set->nrules && set->keys[i].hash == hash;
	     i++) {
		uint32_t candidate = set->keys[i].id;
		if (adopt->taken[candidate] ||
		    !rules_are_equal(rule, &young->rules[candidate], exact))
			continue;
		adopt->taken[candidate] = true;
		young->heirs[place] = (struct heir){ candidate, exact };
		return;
	}
}

void adopt_fini(struct generation *young)
{
	if (young->adopt) {
		free(young->adopt->taken);
		free(young->adopt);
		young->adopt = NULL;
	}
	free(young->heirs);
	young->heirs = NULL;
}

static int match_begin(const struct generation *old, struct generation *young)
{
	uint32_t n = old->set->nrules;
	young->adopt = calloc(1, sizeof(*young->adopt));
	young->heirs = calloc(n + 1, sizeof(*young->heirs));
	if (!young->adopt || !young->heirs)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		young->heirs[i].rule = ID_MAP_NONE;
	young->adopt->taken = calloc(young->set->nrules + 1, sizeof(bool));
	return young->adopt->taken ? 0 : ERR_NOMEM;
}

int adopt_match(const struct generation *old, struct generation *young, int64_t *units)
{
	int code = young->adopt ? 0 : match_begin(old, young);
	if (code)
		return code;
	for (int loose = 0; loose <= 1; loose++) {
		uint32_t *at = &young->adopt->at[loose];
		for (; *at < old->set->nrules; (*at)++) {
			if (*units <= 0)
				return ERR_AGAIN;
			heir_find(old, young, *at, !loose);
			*units -= UNITS_READER;
		}
	}
	return 0;
}

/* ---- moving ---- */

static void state_move(struct rule_state *from, struct rule_state *to, bool exact)
{
	to->instances = from->instances;
	to->alerts = from->alerts;
	to->series = from->series;
	to->data_cap = from->data_cap;
	to->npending = from->npending;
	to->nfiring = from->nfiring;
	to->nheld = from->nheld;
	to->evaluation = from->evaluation;
	to->evaluations = from->evaluations;
	to->failures = from->failures;
	to->last_ms = from->last_ms;
	to->last_query_ms = from->last_query_ms;
	instances_forget_rows(&to->instances);
	instances_init(&from->instances);
	from->alerts = NULL;
	from->series = NULL;
	from->data_cap = 0;
	if (!exact)
		return;
	to->warm_since_ms = from->warm_since_ms;
	to->health = from->health;
	to->results = from->results;
	to->value = from->value;
	to->error = from->error;
	from->error = NULL;
}

static void group_move(struct engine *engine, const struct group_state *from,
		       struct group_state *to)
{
	to->last_ms = from->last_ms;
	to->iterations = from->iterations;
	to->missed = from->missed;
	to->rebase_ms = from->rebase_ms;
	if (from->reads_ms > to->reads_ms)
		to->reads_ms = from->reads_ms;
	if (from->def->interval_ms == to->def->interval_ms) {
		to->due_ms = from->due_ms;
	} else if (engine->now_ms != TIME_NONE) {
		to->due_ms = due_after(engine, to->def->interval_ms, engine->now_ms);
		if (to->last_ms != TIME_NONE && to->due_ms <= to->last_ms)
			to->due_ms += to->def->interval_ms;
	}
}

static struct group_state *group_by_name(const struct generation *generation, uint32_t at)
{
	return &generation->groups[generation->set->groups_by_name[at]];
}

static int compare_groups(const struct group_state *a, const struct group_state *b)
{
	int order = slice_compare(a->def->file, b->def->file);
	return order ? order : slice_compare(a->def->name, b->def->name);
}

/* Both sets' groups in the order of names, side by side. */
static bool groups_move(struct engine *engine, const struct generation *old,
			struct generation *young, int64_t *units)
{
	uint32_t *i = &young->adopt->groups_at[0], *k = &young->adopt->groups_at[1];
	while (*i < old->set->ngroups && *k < young->set->ngroups) {
		if (*units <= 0)
			return false;
		struct group_state *from = group_by_name(old, *i), *to = group_by_name(young, *k);
		int order = compare_groups(from, to);
		if (order == 0)
			group_move(engine, from, to);
		*i += order <= 0;
		*k += order >= 0;
		*units -= UNITS_READER;
	}
	return true;
}

/* False when the units ran out before all of it was ended. */
static bool rule_end(struct engine *engine, struct rule_state *rule, uint32_t *slot, int64_t *units)
{
	return rule->def->kind == RULE_ALERT ? alerts_remove(engine, rule, slot, units)
					     : record_remove(engine, rule, slot, units);
}

int adopt_states(struct engine *engine, struct generation *old, struct generation *young,
		 int64_t *units)
{
	struct adopt_index *adopt = young->adopt;
	if (!groups_move(engine, old, young, units))
		return ERR_AGAIN;
	for (; adopt->moved < old->set->nrules; adopt->moved++) {
		struct rule_state *rule = &old->rules[adopt->moved];
		struct heir heir = young->heirs[adopt->moved];
		if (*units <= 0)
			return ERR_AGAIN;
		if (heir.rule != ID_MAP_NONE)
			state_move(rule, &young->rules[heir.rule], heir.exact);
		else if (!rule_end(engine, rule, &adopt->slot, units))
			return ERR_AGAIN;
		adopt->slot = 0;
		*units -= UNITS_READER;
	}
	adopt_fini(young);
	return 0;
}

/* ---- after a restart ---- */

/* Could the rule have given the alert its labels? Rendered ones may be anything. */
static bool rule_fits(const struct rule *rule, const struct labels *labels)
{
	for (uint32_t i = 0; i < rule->nlabels; i++) {
		const struct rule_text *text = &rule->labels[i];
		if (text->template && !template_is_constant(text->template))
			continue;
		if (!slice_is_equal(labels_get(labels, text->name), text->text))
			return false;
	}
	return true;
}

static struct rule_state *event_rule(const struct generation *generation,
				     const struct alert_event *event)
{
	const struct rule_set *set = generation->set;
	struct slice file = slice_from(event->file), group = slice_from(event->group),
		     name = slice_from(event->rule);
	uint64_t hash = rule_key_hash(file, group, name);
	for (uint32_t i = rule_keys_find(set, hash); i < set->nrules && set->keys[i].hash == hash;
	     i++) {
		struct rule_state *rule = &generation->rules[set->keys[i].id];
		if (rule->def->kind == RULE_ALERT && slice_is_equal(rule->def->name, name) &&
		    slice_is_equal(rule->group->def->name, group) &&
		    slice_is_equal(rule->group->def->file, file) &&
		    rule_fits(rule->def, event->labels))
			return rule;
	}
	return NULL;
}

void adopt_events(struct engine *engine, struct alert_event **events, size_t n,
		  bool (*fn)(struct engine *engine, struct rule_state *rule,
			     const struct alert_event *event))
{
	for (size_t i = 0; i < n; i++) {
		struct rule_state *rule = event_rule(engine->active, events[i]);
		if (!rule || !fn(engine, rule, events[i]))
			continue;
		alert_event_free(events[i]);
		events[i] = NULL;
	}
}
