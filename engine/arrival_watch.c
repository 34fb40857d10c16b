/* What rules on arrival read, and what of it has new samples. */
#include <stdlib.h>
#include <string.h>

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
	if (generation->nwatches == generation->watches_cap) {
		uint32_t cap = generation->watches_cap ? generation->watches_cap * 2 : 16;
		struct watch *watches = realloc(generation->watches, cap * sizeof(*watches));
		if (!watches)
			return ERR_NOMEM;
		generation->watches = watches;
		generation->watches_cap = cap;
	}
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

static int leaves_find(struct generation *generation, struct rule_state *rule)
{
	struct rule_arrival *arrival = rule->arrival;
	const struct partial *partial = &arrival->partial;
	arrival->leaves = calloc(partial->n, sizeof(*arrival->leaves));
	if (!arrival->leaves)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < partial->n; i++) {
		const struct plan_node *plan = partial->nodes[i].node->plan;
		if (!plan_node_is_leaf(plan))
			continue;
		struct arrival_leaf *leaf = &arrival->leaves[arrival->nleaves++];
		*leaf = (struct arrival_leaf){ .place = i, .watch = WATCH_NONE };
		int code = arrival_reads_now(plan) ? watch_add(generation, plan->selector,
							       rule->def->group, &leaf->watch)
						   : 0;
		if (code)
			return code;
	}
	return 0;
}

int arrival_rule_init(struct generation *generation, struct rule_state *rule)
{
	if (!rule->group->arrival.on || rule->def->arrival == ARRIVAL_TICK)
		return 0;
	rule->arrival = calloc(1, sizeof(*rule->arrival));
	if (!rule->arrival)
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
		free(arrival->leaves[i].waiting);
	free(arrival->leaves);
	free(arrival->gone);
	partial_fini(&arrival->partial);
	free(arrival);
	rule->arrival = NULL;
}

static void watch_fini(struct watch *watch)
{
	free(watch->touched.bits);
	free(watch->recorded.bits);
}

void arrival_generation_fini(struct generation *generation)
{
	for (uint32_t i = 0; i < generation->nwatches; i++)
		watch_fini(&generation->watches[i]);
	free(generation->watches);
	free(generation->watch_of);
}

static struct selector *watch_selector(const struct generation *generation,
				       const struct watch *watch)
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
	targets_forget(targets, engine->lsets);
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

/* ---- marks ---- */

static bool bits_reserve(uint64_t **bits, uint32_t *words, uint32_t row)
{
	if (row < *words * 64)
		return true;
	uint32_t wanted = words_of(row + 1) + *words / 2;
	uint64_t *more = realloc(*bits, wanted * sizeof(**bits));
	if (!more)
		return false;
	memset(more + *words, 0, (wanted - *words) * sizeof(**bits));
	*bits = more;
	*words = wanted;
	return true;
}

static void group_touch(struct group_state *group, int64_t ts_ms)
{
	group->arrival.is_touched = true;
	if (group->arrival.newest_ms == TIME_NONE || ts_ms > group->arrival.newest_ms)
		group->arrival.newest_ms = ts_ms;
}

static void rows_mark(struct watch_rows *rows, uint32_t row)
{
	if (!bits_reserve(&rows->bits, &rows->words, row))
		return; /* without memory it is for the tick */
	bit_set(rows->bits, row);
	rows->any = true;
}

static void rows_clear(struct watch_rows *rows)
{
	if (rows->any)
		memset(rows->bits, 0, rows->words * sizeof(*rows->bits));
	rows->any = false;
}

/* Stale markers touch the group, which may have waited for them, but mark no row. */
static void watch_touch(struct generation *generation, struct watch *watch,
			const struct pass *writer, uint32_t row, int64_t ts_ms, bool is_stale)
{
	if (writer && watch->group <= writer->group) {
		if (watch->group == writer->group && writer->on_arrival && !is_stale)
			rows_mark(&watch->recorded, row);
		return;
	}
	group_touch(&generation->groups[watch->group], ts_ms);
	if (!is_stale)
		rows_mark(&watch->touched, row);
}

static void take_sample(struct engine *engine, struct series *series, int64_t ts_ms, bool is_stale,
			const struct pass *writer)
{
	bool is_watched = false;
	bool is_newest = window_newest_ms(&series->window) == ts_ms; /* else it is for the tick */
	if (series->kind == WINDOW_SAMPLES)
		targets_sample(engine, series, ts_ms, is_stale);
	for (uint32_t i = 0; i < series->nmemberships; i++) {
		const struct membership *membership = &series->memberships[i];
		is_watched |= membership->selector->is_watched;
		uint32_t at = membership->selector->watch - 1;
		for (; at != WATCH_NONE && is_newest; at = engine->active->watches[at].next)
			watch_touch(engine->active, &engine->active->watches[at], writer,
				    membership->row, ts_ms, is_stale);
	}
	series->watched = is_watched;
}

void arrival_sample(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits)
{
	take_sample(engine, series, ts_ms, bits == STALE_NAN_BITS, NULL);
}

void arrival_written(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits)
{
	const struct pass *writer = engine->pass.running ? &engine->pass : NULL;
	take_sample(engine, series, ts_ms, bits == STALE_NAN_BITS, writer);
}

/* ---- what marks become ---- */

static void leaf_wait(struct arrival_leaf *leaf, const struct watch_rows *rows)
{
	if (!rows->any || !bits_reserve(&leaf->waiting, &leaf->words, rows->words * 64 - 1))
		return;
	for (uint32_t i = 0; i < rows->words; i++)
		leaf->waiting[i] |= rows->bits[i];
	leaf->is_waiting = true;
}

void arrival_take_recorded(const struct generation *generation, struct rule_arrival *arrival)
{
	for (uint32_t i = 0; i < arrival->nleaves; i++)
		if (arrival->leaves[i].watch != WATCH_NONE)
			leaf_wait(&arrival->leaves[i],
				  &generation->watches[arrival->leaves[i].watch].recorded);
}

/* What the watches saw becomes the rules' own: they are done with it at different times. */
void watches_hand_out(struct generation *generation, struct group_state *group)
{
	for (uint32_t r = 0; r < group->def->nrules; r++) {
		struct rule_arrival *arrival = group->rules[r].arrival;
		for (uint32_t i = 0; arrival && i < arrival->nleaves; i++)
			if (arrival->leaves[i].watch != WATCH_NONE)
				leaf_wait(&arrival->leaves[i],
					  &generation->watches[arrival->leaves[i].watch].touched);
	}
	struct watch *watches = generation->watches + group->arrival.first_watch;
	for (uint32_t i = 0; i < group->arrival.nwatches; i++)
		rows_clear(&watches[i].touched);
}

/* Keeps the marks of rows whose newest sample is later than t_ms: the tick has not seen it. */
static bool keep_later(struct series *const *members, uint32_t nmembers, uint64_t *bits,
		       uint32_t words, int64_t t_ms, int64_t *newest_ms)
{
	bool any = false;
	uint32_t n = words * 64 < nmembers ? words * 64 : nmembers;
	FOR_BITS (row, bits, 0, n) {
		int64_t ts_ms = row < n && members[row] ? window_newest_ms(&members[row]->window)
							: TIME_NONE;
		if (ts_ms == TIME_NONE || ts_ms <= t_ms) {
			bits[row / 64] &= ~(UINT64_C(1) << row % 64);
			continue;
		}
		if (*newest_ms == TIME_NONE || ts_ms > *newest_ms)
			*newest_ms = ts_ms;
		any = true;
	}
	return any;
}

int64_t watches_ticked(struct generation *generation, struct group_state *group, int64_t t_ms)
{
	int64_t newest_ms = TIME_NONE;
	struct watch *watches = generation->watches + group->arrival.first_watch;
	for (uint32_t i = 0; i < group->arrival.nwatches; i++) {
		const struct selector *selector = watch_selector(generation, &watches[i]);
		struct watch_rows *rows = &watches[i].touched;
		if (rows->any)
			rows->any = keep_later(selector->members, selector->nmembers, rows->bits,
					       rows->words, t_ms, &newest_ms);
	}
	for (uint32_t r = 0; r < group->def->nrules; r++) {
		struct rule_arrival *arrival = group->rules[r].arrival;
		for (uint32_t i = 0; arrival && i < arrival->nleaves; i++) {
			struct arrival_leaf *leaf = &arrival->leaves[i];
			if (!leaf->is_waiting)
				continue;
			const struct selector *selector = watch_selector(
				generation, &generation->watches[leaf->watch]);
			leaf->is_waiting = keep_later(selector->members, selector->nmembers,
						      leaf->waiting, leaf->words, t_ms, &newest_ms);
		}
	}
	return newest_ms;
}

void watches_end(struct generation *generation, struct group_state *group)
{
	struct watch *watches = generation->watches + group->arrival.first_watch;
	for (uint32_t i = 0; i < group->arrival.nwatches; i++)
		rows_clear(&watches[i].recorded);
}
