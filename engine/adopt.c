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
#include "base/hash.h"
#include "base/text.h"

/* Places sorted by hash. */
struct key_index {
	struct key_entry {
		uint64_t hash;
		uint32_t place;
	} * entries;
	uint32_t n;
};

struct adopt_index {
	struct key_index rules; /* of the young generation, by all but the expression */
	bool *taken;		/* by place */
	uint32_t at[2];		/* old rules judged: exactly, loosely */
};

static uint64_t hash_slice(uint64_t hash, struct slice text)
{
	hash = hash_fnv1a64(hash, text.ptr, text.len);
	return hash_fnv1a64(hash, "\xff", 1);
}

static uint64_t group_hash(struct slice file, struct slice name)
{
	return hash_slice(hash_slice(FNV1A64_INIT, file), name);
}

static uint64_t rule_hash(const struct rule_state *rule)
{
	uint64_t hash = group_hash(rule->group->def->file, rule->group->def->name);
	return hash_slice(hash, rule->def->name);
}

static int by_hash(const void *a, const void *b)
{
	const struct key_entry *x = a, *y = b;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static int index_make(struct key_index *index, const struct generation *generation)
{
	uint32_t n = generation->set->nrules;
	index->entries = malloc((n + 1) * sizeof(*index->entries));
	if (!index->entries)
		return ERR_NOMEM;
	index->n = n;
	for (uint32_t i = 0; i < n; i++)
		index->entries[i] = (struct key_entry){ rule_hash(&generation->rules[i]), i };
	qsort(index->entries, n, sizeof(*index->entries), by_hash);
	return 0;
}

static uint32_t index_first(const struct key_index *index, uint64_t hash)
{
	uint32_t low = 0, high = index->n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (index->entries[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
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
	uint64_t hash = rule_hash(rule);
	for (uint32_t i = index_first(&adopt->rules, hash);
	     i < adopt->rules.n && adopt->rules.entries[i].hash == hash; i++) {
		uint32_t candidate = adopt->rules.entries[i].place;
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
		free(young->adopt->rules.entries);
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
	return young->adopt->taken ? index_make(&young->adopt->rules, young) : ERR_NOMEM;
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

static int by_group(const void *a, const void *b)
{
	const struct group_state *x = *(const struct group_state *const *)a,
				 *y = *(const struct group_state *const *)b;
	int order = slice_compare(x->def->file, y->def->file);
	return order ? order : slice_compare(x->def->name, y->def->name);
}

static struct group_state **groups_sorted(const struct generation *generation)
{
	uint32_t n = generation->set->ngroups;
	struct group_state **sorted = malloc((n + 1) * sizeof(struct group_state *));
	for (uint32_t i = 0; sorted && i < n; i++)
		sorted[i] = &generation->groups[i];
	if (sorted)
		qsort(sorted, n, sizeof(struct group_state *), by_group);
	return sorted;
}

/* Without memory the groups begin anew, at their next due time: nothing but counters is lost. */
static void groups_move(struct engine *engine, const struct generation *old,
			struct generation *young)
{
	struct group_state **from = groups_sorted(old), **to = groups_sorted(young);
	for (uint32_t i = 0, k = 0;
	     from && to && i < old->set->ngroups && k < young->set->ngroups;) {
		int order = by_group(&from[i], &to[k]);
		if (order == 0)
			group_move(engine, from[i], to[k]);
		i += order <= 0;
		k += order >= 0;
	}
	free(from);
	free(to);
}

void adopt_states(struct engine *engine, struct generation *old, struct generation *young)
{
	groups_move(engine, old, young);
	for (uint32_t i = 0; i < old->set->nrules; i++) {
		struct rule_state *rule = &old->rules[i];
		struct heir heir = young->heirs[i];
		if (heir.rule != ID_MAP_NONE)
			state_move(rule, &young->rules[heir.rule], heir.exact);
		else if (rule->def->kind == RULE_ALERT)
			alerts_remove(engine, rule);
		else
			record_remove(engine, rule);
	}
	adopt_fini(young);
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
				     const struct key_index *index, const struct alert_event *event)
{
	struct slice file = slice_from(event->file), group = slice_from(event->group),
		     name = slice_from(event->rule);
	uint64_t hash = hash_slice(group_hash(file, group), name);
	for (uint32_t i = index_first(index, hash); i < index->n && index->entries[i].hash == hash;
	     i++) {
		struct rule_state *rule = &generation->rules[index->entries[i].place];
		if (rule->def->kind == RULE_ALERT && slice_is_equal(rule->def->name, name) &&
		    slice_is_equal(rule->group->def->name, group) &&
		    slice_is_equal(rule->group->def->file, file) &&
		    rule_fits(rule->def, event->labels))
			return rule;
	}
	return NULL;
}

int adopt_events(struct engine *engine, struct alert_event **events, size_t n,
		 bool (*fn)(struct engine *engine, struct rule_state *rule,
			    const struct alert_event *event))
{
	struct key_index index;
	int code = index_make(&index, engine->active);
	if (code)
		return code;
	for (size_t i = 0; i < n; i++) {
		struct rule_state *rule = event_rule(engine->active, &index, events[i]);
		if (!rule || !fn(engine, rule, events[i]))
			continue;
		alert_event_free(events[i]);
		events[i] = NULL;
	}
	free(index.entries);
	return 0;
}
