#include "engine/targets.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/engine_internal.h"
#include "engine/numeric.h"

void targets_init(struct targets *targets)
{
	*targets = (struct targets){ .max = ARRIVAL_TARGETS_MAX, .learnt_ms = TIME_NONE };
}

void targets_forget(struct targets *targets, struct lset_table *lsets, int64_t now_ms)
{
	for (uint32_t i = 0; i < targets->n; i++) {
		lset_unref(lsets, targets->items[i].lset);
		free(targets->items[i].waiters);
	}
	free(targets->items);
	free(targets->of);
	alarms_fini(&targets->alarms);
	id_map_fini(&targets->by_lset);
	*targets = (struct targets){ .max = targets->max,
				     .settle_max_ms = targets->settle_max_ms,
				     .learnt_ms = now_ms };
}

void targets_fini(struct targets *targets, struct lset_table *lsets)
{
	targets_forget(targets, lsets, TIME_NONE);
}

struct target *targets_find(const struct targets *targets, const struct series *series)
{
	if (series->row >= targets->of_cap || targets->of[series->row].uid != series->uid)
		return NULL;
	return &targets->items[targets->of[series->row].target];
}

/* ---- who waits ---- */

int target_wait(struct target *target, const struct target_waiter *waiter)
{
	if (!ARRAY_RESERVE(&target->waiters, target->nwaiters, &target->waiters_cap))
		return ERR_NOMEM;
	target->waiters[target->nwaiters++] = *waiter;
	return 0;
}

/* Without memory they wait for something else, or the tick. */
static void alarm_at_most(struct targets *targets, const struct target *target, int64_t at_ms)
{
	uint32_t id = (uint32_t)(target - targets->items);
	int64_t before_ms = alarms_get(&targets->alarms, id);
	if (before_ms == TIME_NONE || at_ms < before_ms)
		alarms_set(&targets->alarms, id, at_ms);
}

void target_wait_until(struct targets *targets, struct target *target, int64_t until_ms)
{
	if (target->until_ms == TIME_NONE || until_ms < target->until_ms)
		target->until_ms = until_ms;
	alarm_at_most(targets, target, until_ms);
}

void target_wait_late(struct targets *targets, struct target *target)
{
	alarm_at_most(targets, target, target->late_until_ms);
}

static void tell(struct engine *engine, struct target *target)
{
	struct targets *targets = &engine->arrival.targets;
	for (uint32_t i = 0; i < target->nwaiters; i++)
		arrival_stir(engine, &target->waiters[i]);
	target->nwaiters = 0;
	target->until_ms = TIME_NONE;
	alarms_set(&targets->alarms, (uint32_t)(target - targets->items), TIME_NONE);
}

void targets_time(struct engine *engine)
{
	struct targets *targets = &engine->arrival.targets;
	uint32_t id;
	while (alarms_take(&targets->alarms, engine->now_ms, &id)) {
		struct target *target = &targets->items[id];
		bool is_over = target->until_ms != TIME_NONE && target->until_ms <= engine->now_ms;
		if (is_over || target->late_until_ms <= engine->now_ms) {
			tell(engine, target);
			continue;
		}
		target_wait_late(targets, target);
		if (target->until_ms != TIME_NONE)
			alarm_at_most(targets, target, target->until_ms);
	}
}

/* ---- which one ---- */

static bool of_reserve(struct targets *targets, uint32_t n)
{
	if (n <= targets->of_cap)
		return true;
	uint32_t cap = n + n / 2 + 64;
	struct target_of *of = realloc(targets->of, cap * sizeof(*of));
	if (!of)
		return false;
	for (uint32_t i = targets->of_cap; i < cap; i++)
		of[i].uid = 0;
	targets->of = of;
	targets->of_cap = cap;
	return true;
}

/* Takes the reference. */
static bool target_new(struct targets *targets, struct lset_table *lsets, uint32_t lset)
{
	if (!ARRAY_RESERVE(&targets->items, targets->n, &targets->cap) ||
	    !id_map_put(&targets->by_lset, lset, targets->n)) {
		lset_unref(lsets, lset);
		return false;
	}
	targets->items[targets->n++] = (struct target){
		.lset = lset,
		.scrape_ms = TIME_NONE,
		.before_ms = TIME_NONE,
		.settled_ms = TIME_NONE,
		.unsure_until_ms = TIME_NONE,
		.late_until_ms = TIME_NONE,
		.until_ms = TIME_NONE,
	};
	return true;
}

/* A reference to what names the target, or LSET_NONE. */
static uint32_t target_lset(const struct engine *engine, const struct series *series)
{
	/* Rules write at times of their own: what one writes is apart from what is scraped. */
	const uint32_t names[] = { engine->symbol.job, engine->symbol.instance,
				   engine->symbol.name };
	return lset_only(engine->lsets, series->lset, names, series->local ? 3 : 2);
}

static struct target *target_take(struct engine *engine, const struct series *series)
{
	struct targets *targets = &engine->arrival.targets;
	if (targets_find(targets, series))
		return &targets->items[targets->of[series->row].target];
	uint32_t lset = target_lset(engine, series);
	if (lset == LSET_NONE)
		return NULL;
	uint32_t at = id_map_find(&targets->by_lset, lset);
	if (at == ID_MAP_NONE) {
		if (targets->n >= targets->max) {
			for (uint32_t i = 0; i < targets->n; i++)
				tell(engine, &targets->items[i]);
			targets_forget(targets, engine->lsets, engine->now_ms);
		}
		at = targets->n;
		if (!target_new(targets, engine->lsets, lset))
			return NULL;
	} else {
		lset_unref(engine->lsets, lset);
	}
	if (!of_reserve(targets, series->row + 1))
		return NULL;
	targets->of[series->row] = (struct target_of){ series->uid, at };
	return &targets->items[at];
}

/* ---- scrapes ---- */

/* What is on its way of the newest scrape comes within settle, or is not waited for. */
static void wait_until(const struct targets *targets, const struct target *target, int64_t *until_ms)
{
	int64_t end_ms = target->begun_ms + targets->settle_max_ms;
	if (end_ms > *until_ms)
		*until_ms = end_ms;
}

static void scrape_begin(const struct engine *engine, struct target *target, int64_t ts_ms)
{
	const struct targets *targets = &engine->arrival.targets;
	if (target->arrived < target->expected) {
		wait_until(targets, target, &target->unsure_until_ms);
		wait_until(targets, target, &target->late_until_ms);
	}
	target->is_odd = engine->now_ms < target->unsure_until_ms;
	target->before_ms = target->scrape_ms;
	target->scrape_ms = ts_ms;
	target->begun_ms = engine->now_ms;
	target->settled_ms = TIME_NONE;
	target->expected = target->sampled;
	target->arrived = target->sampled = 0;
}

/* Had the series a value in the scrape before? Its newest sample is this scrape's. */
static bool was_expected(const struct target *target, const struct window *window)
{
	if (window->n < 2)
		return false;
	uint32_t before = window->start + window->n - 2;
	return window->base_ms + window_offsets(window)[before] == target->before_ms &&
	       !value_is_stale(window->values[before]);
}

void targets_sample(struct engine *engine, const struct series *series, int64_t ts_ms, bool is_stale)
{
	struct target *target = target_take(engine, series);
	if (!target)
		return;
	if (target->scrape_ms == TIME_NONE || ts_ms > target->scrape_ms)
		scrape_begin(engine, target, ts_ms);
	if (ts_ms == target->scrape_ms) {
		if (was_expected(target, &series->window)) {
			target->arrived++;
		} else if (!is_stale) {
			target->is_odd = true;
			wait_until(&engine->arrival.targets, target, &target->unsure_until_ms);
		}
		target->sampled += !is_stale;
	} else if (ts_ms == target->before_ms) {
		target->is_odd = true;
	}
	bool is_settled = !target->is_odd && target->arrived == target->expected;
	bool is_news = is_settled && target->settled_ms == TIME_NONE;
	if (!is_settled)
		target->settled_ms = TIME_NONE;
	else if (is_news)
		target->settled_ms = engine->now_ms;
	if (is_news || is_stale)
		tell(engine, target);
}
