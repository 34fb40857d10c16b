/*
 * Runs on arrival within a tick's pass.
 *
 * A pass over many rules takes long, and runs would wait for its end. But one may go first, between
 * two rules of the pass, if nothing comes out otherwise than after it:
 *
 *   - it is of a later time than the pass, so that no rule still to come sees what it writes;
 *   - no other tick is due by now, which would go before it;
 *   - its group has had its own tick, if it has one in this pass, and so have all groups whose
 *     results it reads, or that those read, and none of these waits for a run of its own;
 *   - no other group writes series of the same name, which take samples in order, and no rule on
 *     arrival reads ALERTS, which settle in the order in which groups write them (targets.h);
 *   - no template of its rules asks a query, which may read anything.
 *
 * Samples do not change the pass: those up to its time are held back until it ends (intake.c).
 */
#include "base/error.h"
#include "base/text.h"
#include "engine/arrival.h"
#include "engine/engine_internal.h"

#define AFTER_ALL UINT32_MAX

/* ---- after which groups ---- */

static void wait_for(struct group_state *group, uint32_t after)
{
	if (after > group->after)
		group->after = after;
}

/* A group that writes series of this name; two of them wait for all. */
static int note_name(struct generation *generation, const struct rule_state *rule)
{
	uint32_t other = id_map_find(&generation->groups_by_name, rule->name);
	if (other == ID_MAP_NONE)
		return id_map_put(&generation->groups_by_name, rule->name, rule->def->group)
			       ? 0
			       : ERR_NOMEM;
	if (other == rule->def->group)
		return 0;
	wait_for(&generation->groups[other], AFTER_ALL);
	wait_for(rule->group, AFTER_ALL);
	return 0;
}

int arrival_order_note(struct generation *generation, const struct rule_state *rule,
		       int64_t *units)
{
	uint32_t own = rule->def->group;
	if (rule->def->labels_ask || rule->def->annotations_ask)
		wait_for(rule->group, AFTER_ALL);
	for (uint32_t i = 0; i < rule->nleaves; i++) {
		const struct rule_writers *writers =
			&generation->set->writers[rule->leaves[i].selector];
		for (uint32_t w = 0; w < writers->n; w++) {
			const struct rule *writer = generation->rules[writers->rules[w]].def;
			uint32_t group = writer->group;
			generation->reads_alerts |= rule->arrival && writer->kind == RULE_ALERT;
			if (group == own)
				continue;
			wait_for(rule->group, group + 1);
			/* Groups before this one know by now what they wait for. */
			wait_for(rule->group, group < own ? generation->groups[group].after
							  : AFTER_ALL);
		}
		*units -= writers->n;
	}
	return note_name(generation, rule);
}

/* ---- may one go first? ---- */

static bool may_go_first(const struct engine *engine, const struct group_state *group)
{
	const struct pass *pass = &engine->pass;
	return group->due_ms > engine->now_ms && group->after <= pass->group &&
	       arrival_time_ms(engine, group) > pass->t_ms;
}

bool arrival_find_within(const struct engine *engine, uint32_t *at)
{
	const struct generation *active = engine->active;
	const struct pass *pass = &engine->pass;
	bool is_blocked = false; /* a run before this one has to wait, which it may read from */
	if (active->reads_alerts || pass->gave_way || pass->next_due_ms <= engine->now_ms)
		return false;
	for (uint32_t i = 0; i < active->narrivals; i++) {
		const struct group_state *group = &active->groups[active->arrivals[i]];
		if (!arrival_is_due_in(engine, group))
			continue;
		*at = active->arrivals[i];
		if (may_go_first(engine, group) && !(is_blocked && group->after > 0))
			return true;
		is_blocked = true;
	}
	return false;
}

void arrival_begin_within(struct engine *engine, uint32_t at)
{
	engine->interrupted = engine->pass;
	arrival_begin_of(engine, at);
}

void arrival_return(struct engine *engine)
{
	engine->pass = engine->interrupted;
	engine->pass.gave_way = engine->pass.running;
	engine->interrupted.running = false;
}
