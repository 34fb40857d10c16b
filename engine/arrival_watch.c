/* What rules on arrival read. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/arrival.h"
#include "engine/engine_internal.h"
#include "engine/node.h"
#include "engine/numeric.h"

/* ---- what is watched ---- */

static int watch_add(struct generation *generation, uint32_t selector, uint32_t group,
		     uint32_t *out)
{
	uint32_t at = generation->watch_of[selector];
	for (; at != WATCH_NONE; at = generation->watches[at].next)
		if (generation->watches[at].group == group) {
			*out = at;
			return 0;
		}
	if (!ARRAY_RESERVE(&generation->watches, generation->nwatches, &generation->watches_cap))
		return ERR_NOMEM;
	/* Rules come group by group: a group's watches stand together. */
	struct group_arrival *arrival = &generation->groups[group].arrival;
	if (arrival->nwatches++ == 0)
		arrival->first_watch = generation->nwatches;
	*out = generation->nwatches++;
	generation->watches[*out] = (struct watch){
		.group = group, .selector = selector, .next = generation->watch_of[selector]
	};
	generation->watch_of[selector] = *out;
	return 0;
}

/* The leaf reads it: what comes there is told to the rule. */
static int reader_add(struct watch *watch, const struct rule_state *rule, uint32_t leaf)
{
	if (!ARRAY_RESERVE(&watch->readers, watch->nreaders, &watch->readers_cap))
		return ERR_NOMEM;
	watch->readers[watch->nreaders++] = (struct watch_reader){ rule_place(rule), leaf };
	return 0;
}

static int leaf_find(struct generation *generation, struct rule_state *rule, uint32_t place)
{
	struct rule_arrival *arrival = rule->arrival;
	const struct plan_node *plan = arrival->partial.nodes[place].node->plan;
	struct arrival_leaf *leaf = &arrival->leaves[arrival->nleaves++];
	*leaf = (struct arrival_leaf){ .place = place, .watch = WATCH_NONE };
	if (!arrival_reads_now(plan))
		return 0;
	int code = watch_add(generation, plan->selector, rule->def->group, &leaf->watch);
	return code ? code
		    : reader_add(&generation->watches[leaf->watch], rule, arrival->nleaves - 1);
}

static int leaves_find(struct generation *generation, struct rule_state *rule)
{
	struct rule_arrival *arrival = rule->arrival;
	const struct partial *partial = &arrival->partial;
	arrival->leaves = calloc(partial->n, sizeof(*arrival->leaves));
	if (!arrival->leaves)
		return ERR_NOMEM;
	int code = 0;
	for (uint32_t i = 0; i < partial->n && !code; i++)
		if (plan_node_is_leaf(partial->nodes[i].node->plan))
			code = leaf_find(generation, rule, i);
	return code;
}

int arrival_rule_init(struct generation *generation, struct rule_state *rule)
{
	struct group_arrival *group = &rule->group->arrival;
	if (!group->on || rule->def->arrival == ARRIVAL_TICK)
		return 0;
	if (!group->work)
		group->work = calloc(words_of(rule->group->def->nrules), sizeof(*group->work));
	rule->arrival = calloc(1, sizeof(*rule->arrival));
	if (!group->work || !rule->arrival)
		return ERR_NOMEM;
	rule->arrival->timer_ms = TIME_NONE;
	int code = partial_init(&rule->arrival->partial, generation->binding, rule->def->order,
				rule->def->norder);
	return code ? code : leaves_find(generation, rule);
}

void arrival_rule_fini(struct rule_state *rule)
{
	struct rule_arrival *arrival = rule->arrival;
	if (!arrival)
		return;
	for (uint32_t i = 0; i < arrival->nleaves; i++)
		free(arrival->leaves[i].marks[0]);
	free(arrival->leaves);
	free(arrival->gone);
	partial_fini(&arrival->partial);
	free(arrival);
	rule->arrival = NULL;
}

static void watch_fini(struct watch *watch)
{
	free(watch->readers);
	free(watch->touched.bits);
	free(watch->recorded.bits);
}

void arrival_generation_fini(struct generation *generation)
{
	for (uint32_t i = 0; i < generation->nwatches; i++)
		watch_fini(&generation->watches[i]);
	for (uint32_t i = 0; i < generation->narrivals; i++) {
		struct group_arrival *arrival = &generation->groups[generation->arrivals[i]].arrival;
		free(arrival->work);
		alarms_fini(&arrival->timers);
	}
	free(generation->watches);
	free(generation->watch_of);
}

struct selector *watch_selector(const struct generation *generation, const struct watch *watch)
{
	return binding_selector(generation->binding, watch->selector);
}

int arrival_watch(struct generation *generation, int64_t *units)
{
	for (; generation->at < generation->nwatches; generation->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		struct selector *selector =
			watch_selector(generation, &generation->watches[generation->at]);
		*units -= UNITS_READER + 1;
		if (selector->is_watched)
			continue;
		selector->is_watched = true; /* who joins from now on is told */
		*units -= (int64_t)selector->nmembers * UNITS_WATCHED;
		for (uint32_t row = 0; row < selector->nmembers; row++)
			if (selector->members[row])
				selector->members[row]->watched = true;
	}
	return 0;
}

void arrival_swap(struct engine *engine, const struct generation *old)
{
	struct generation *young = engine->active;
	struct targets *targets = &engine->arrival.targets;
	for (uint32_t i = 0; old && i < old->nwatches; i++) {
		struct selector *selector = watch_selector(old, &old->watches[i]);
		selector->watch = 0;
		selector->is_watched = false;
	}
	targets_forget(targets, engine->lsets, engine->now_ms);
	targets->settle_max_ms = 0;
	for (uint32_t i = 0; i < young->nwatches; i++) {
		const struct watch *watch = &young->watches[i];
		struct selector *selector = watch_selector(young, watch);
		selector->is_watched = true;
		selector->watch = 1 + young->watch_of[watch->selector];
	}
	for (uint32_t i = 0; i < young->narrivals; i++) {
		const struct rule_group *def = young->groups[young->arrivals[i]].def;
		if (def->settle_ms > targets->settle_max_ms)
			targets->settle_max_ms = def->settle_ms;
	}
}
