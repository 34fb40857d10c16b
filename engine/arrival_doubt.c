/* Which rows of a rule on arrival are in doubt, what they wait for, and who wakes them. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/arrival.h"
#include "engine/engine_internal.h"
#include "engine/node.h"
#include "engine/numeric.h"

bool leaf_is_live(const struct engine *engine, const struct partial_node *node,
		  const struct series *series, int64_t *ts_ms)
{
	double value;
	int64_t start_ms, end_ms;
	partial_span(engine->active->binding, node, engine->pass.t_ms, &start_ms, &end_ms);
	return window_last(&series->window, end_ms, ts_ms, &value) && !value_is_stale(value) &&
	       *ts_ms > start_ms;
}

/* ---- is it? ---- */

enum doubt {
	DOUBT_NONE,
	DOUBT_UNTOLD, /* nobody tells when it ends: looked at in each run */
	DOUBT_LATE,   /* until late samples are not waited for */
	DOUBT_SETTLE, /* until the scrape settles, or is not waited for */
	DOUBT_TICK,   /* a tick ends it; looked at now and again, as the target may never tell */
};

/* Is the target's newest scrape complete, or as complete as the tick has taken it to be? */
static enum doubt settle_doubt(const struct engine *engine, const struct group_state *group,
			       const struct target *target)
{
	int64_t settle_ms = group->def->settle_ms;
	if (target->scrape_ms > engine->pass.t_ms)
		return DOUBT_UNTOLD; /* of a later run */
	if (target->settled_ms != TIME_NONE && target->settled_ms - target->begun_ms <= settle_ms)
		return DOUBT_NONE;
	if (engine->now_ms - target->begun_ms <= settle_ms)
		return DOUBT_SETTLE;
	return group->last_ms != TIME_NONE && group->last_ms >= target->scrape_ms ? DOUBT_NONE
										  : DOUBT_TICK;
}

/*
 * Of a target that was not heard of since a restart, or a reload. What was on its way then has come
 * within settle; where completeness matters a tick must have taken it as it is.
 */
static enum doubt unknown_doubt(const struct engine *engine, const struct rule_state *rule)
{
	const struct group_state *group = rule->group;
	int64_t learnt_ms = engine->arrival.targets.learnt_ms;
	if (engine->now_ms - learnt_ms <= group->def->settle_ms)
		return DOUBT_UNTOLD;
	if (rule->def->arrival != ARRIVAL_SETTLE && rule->arrival->nleaves < 2)
		return DOUBT_NONE;
	return group->last_ms != TIME_NONE && group->last_ms >= learnt_ms ? DOUBT_NONE
									  : DOUBT_UNTOLD;
}

/*
 * May what the row says change with samples that are on their way? A range may lack one of an
 * earlier scrape; where it is all that an element is made of, nothing else can come.
 */
static enum doubt row_doubt(const struct engine *engine, const struct rule_state *rule,
			    const struct partial_node *node, const struct target *target,
			    int64_t newest_ms)
{
	bool is_range = node->node->plan->op == PLAN_RANGE;
	if (rule->def->arrival_rises)
		return DOUBT_NONE;
	if (!target)
		return unknown_doubt(engine, rule);
	if (rule->def->arrival == ARRIVAL_SETTLE)
		return settle_doubt(engine, rule->group, target);
	if (is_range && engine->now_ms < target->late_until_ms)
		return DOUBT_LATE;
	if (rule->arrival->nleaves < 2 || newest_ms == target->scrape_ms)
		return DOUBT_NONE;
	enum doubt doubt = settle_doubt(engine, rule->group, target);
	/* One from before the target was known may come to be of its newest scrape. */
	return doubt != DOUBT_NONE && newest_ms > target->scrape_ms ? DOUBT_UNTOLD : doubt;
}

/* Asks the target to tell; a row asks once, until it is told. */
static void ask(struct engine *engine, struct rule_state *rule, struct arrival_leaf *leaf,
		uint32_t row, struct target *target, enum doubt doubt)
{
	struct targets *targets = &engine->arrival.targets;
	const struct target_waiter waiter = { (uint32_t)(rule - engine->active->rules),
					      (uint32_t)(leaf - rule->arrival->leaves), row };
	if (doubt == DOUBT_UNTOLD ||
	    (!bit_get(leaf->marks[LEAF_TOLD], row) && target_wait(target, &waiter))) {
		rule->arrival->is_restless = true;
		return;
	}
	bit_set(leaf->marks[LEAF_TOLD], row);
	int64_t since_ms = doubt == DOUBT_SETTLE ? target->begun_ms : engine->now_ms;
	if (doubt == DOUBT_LATE)
		target_wait_late(targets, target);
	else
		target_wait_until(targets, target, since_ms + rule->group->def->settle_ms + 1);
}

static bool doubt_leaf(struct engine *engine, struct rule_state *rule, struct arrival_leaf *leaf,
		       enum partial_marks of)
{
	struct partial_node *node = leaf_node(rule->arrival, leaf);
	struct series *const *members = partial_members(node);
	bool all = true;
	if (!leaf_reserve(leaf, node->words))
		rule->arrival->is_restless = true;
	FOR_BITS (row, node->marks[of], 0, node->words * 64) {
		if (!partial_has_row(node, row) || !members[row])
			continue;
		int64_t ts_ms = TIME_NONE;
		rule->arrival->looked_at++;
		bool live = leaf_is_live(engine, node, members[row], &ts_ms);
		if (!live)
			bit_set(node->marks[PARTIAL_GONE], row);
		struct target *target = targets_find(&engine->arrival.targets, members[row]);
		enum doubt doubt = row_doubt(engine, rule, node, target, ts_ms);
		all &= doubt != DOUBT_NONE;
		if (doubt == DOUBT_NONE)
			continue;
		bit_set(node->marks[PARTIAL_DOUBTED], row);
		if (row < leaf->words * 64)
			ask(engine, rule, leaf, row, target, doubt);
	}
	return all;
}

bool doubt_leaves(struct engine *engine, struct rule_state *rule, enum partial_marks of)
{
	bool all = true;
	for (uint32_t i = 0; i < rule->arrival->nleaves; i++)
		if (rule->arrival->leaves[i].watch != WATCH_NONE)
			all &= doubt_leaf(engine, rule, &rule->arrival->leaves[i], of);
	return all;
}

/* ---- then they wait ---- */

static void leaf_wait(struct rule_arrival *arrival, struct arrival_leaf *leaf, bool all)
{
	const struct partial_node *node = leaf_node(arrival, leaf);
	bool is_root = node == partial_root(&arrival->partial);
	uint64_t *to = leaf->marks[arrival->is_restless ? LEAF_WAITING : LEAF_ASLEEP];
	for (uint32_t i = 0; i < node->words && i < leaf->words; i++) {
		uint64_t doubted = node->marks[PARTIAL_DOUBTED][i];
		uint64_t touched = node->marks[PARTIAL_TOUCHED][i];
		uint64_t again = all ? touched : is_root ? doubted : touched & doubted;
		to[i] |= again;
		leaf->is_waiting |= arrival->is_restless && again;
		arrival->is_asleep |= !arrival->is_restless && again;
	}
}

void doubt_wait(struct rule_state *rule, bool all)
{
	for (uint32_t i = 0; i < rule->arrival->nleaves; i++)
		if (rule->arrival->leaves[i].watch != WATCH_NONE)
			leaf_wait(rule->arrival, &rule->arrival->leaves[i], all);
}

/* ---- until they are told ---- */

void arrival_stir(struct engine *engine, const struct target_waiter *waiter)
{
	struct rule_state *rule = &engine->active->rules[waiter->rule];
	struct arrival_leaf *leaf = &rule->arrival->leaves[waiter->leaf];
	bit_clear(leaf->marks[LEAF_TOLD], waiter->row);
	bit_set(leaf->marks[LEAF_STIRRED], waiter->row);
	leaf->is_stirred = true;
	bit_set(rule->group->arrival.work, rule_place(rule));
}

static void mark_rows(const struct partial_node *node, const uint64_t *bits, uint32_t words)
{
	FOR_BITS (row, bits, 0, (words < node->words ? words : node->words) * 64)
		if (partial_has_row(node, row))
			bit_set(node->marks[PARTIAL_NEEDED], row);
}

/* What was stirred, and what has new samples, which may be all that was lacking. */
static void take_stirred(const struct rule_arrival *arrival, struct arrival_leaf *leaf)
{
	const struct partial_node *node = leaf_node(arrival, leaf);
	if (leaf->is_waiting)
		mark_rows(node, leaf->marks[LEAF_WAITING], leaf->words);
	if (!leaf->is_stirred)
		return;
	mark_rows(node, leaf->marks[LEAF_STIRRED], leaf->words);
	memset(leaf->marks[LEAF_STIRRED], 0, leaf->words * sizeof(uint64_t));
	leaf->is_stirred = false;
}

static bool take_asleep(const struct rule_arrival *arrival, struct arrival_leaf *leaf)
{
	const struct partial_node *node = leaf_node(arrival, leaf);
	bool is_asleep = false;
	for (uint32_t i = 0; i < leaf->words; i++) {
		uint64_t asleep = leaf->marks[LEAF_ASLEEP][i];
		uint64_t awake = i < node->words ? asleep & node->marks[PARTIAL_NEEDED][i] : 0;
		leaf->marks[LEAF_ASLEEP][i] = asleep & ~awake;
		leaf->marks[LEAF_WAITING][i] |= awake;
		leaf->is_waiting |= awake != 0;
		is_asleep |= (asleep & ~awake) != 0;
	}
	return is_asleep;
}

/* Up, to the rows of the result that these are part of, and down to all that those are made of. */
void doubt_wake(struct rule_state *rule)
{
	struct rule_arrival *arrival = rule->arrival;
	for (uint32_t i = 0; i < arrival->nleaves; i++)
		take_stirred(arrival, &arrival->leaves[i]);
	if (arrival->is_asleep) {
		partial_up(&arrival->partial, PARTIAL_NEEDED);
		partial_down(&arrival->partial, PARTIAL_NEEDED);
		arrival->is_asleep = false;
		for (uint32_t i = 0; i < arrival->nleaves; i++)
			arrival->is_asleep |= take_asleep(arrival, &arrival->leaves[i]);
	}
	partial_clear(&arrival->partial, PARTIAL_NEEDED);
}
