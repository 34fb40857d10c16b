/* Looking in: what pages and metrics show. Nothing here changes anything. */
#include "engine/engine_internal.h"

#include <assert.h>
#include <math.h>

#include "base/text.h"

#define NEWEST_LOOK_MAX 256u /* members of a selector that are asked for their newest sample */

const char *rule_health_text(enum rule_health health)
{
	static const char *const texts[] = {
		[RULE_UNKNOWN] = "unknown",
		[RULE_OK] = "ok",
		[RULE_ERROR] = "err",
		[RULE_WARMING] = "warming",
	};
	return texts[health];
}

/* Of a wide selector only some members: a page must not hold up the engine. */
static int64_t newest_of(const struct selector *selector)
{
	int64_t newest_ms = TIME_NONE;
	for (uint32_t i = 0, looked = 0; i < selector->nmembers && looked < NEWEST_LOOK_MAX; i++) {
		if (!selector->members[i])
			continue;
		int64_t its_ms = window_newest_ms(&selector->members[i]->window);
		if (its_ms > newest_ms)
			newest_ms = its_ms;
		looked++;
	}
	return newest_ms;
}

/* The selector of a leaf, unless an earlier leaf has the same. */
static const struct selector *leaf_selector(const struct engine *engine,
					    const struct rule_state *rule, uint32_t leaf)
{
	for (uint32_t i = 0; i < leaf; i++)
		if (rule->leaves[i].selector == rule->leaves[leaf].selector)
			return NULL;
	return binding_selector(engine->active->binding, rule->leaves[leaf].selector);
}

void engine_rule_status(const struct engine *engine, uint32_t rule_id, struct rule_status *out)
{
	assert(engine->active && rule_id < engine->active->set->nrules);
	const struct rule_state *rule = &engine->active->rules[rule_id];
	*out = (struct rule_status){
		.health = rule->health,
		.error = rule->error ? rule->error : "",
		.last_ms = rule->last_ms,
		.results = rule->results,
		.value = rule->results ? rule->value : NAN,
		.newest_ms = TIME_NONE,
		.warm_at_ms = TIME_NONE,
		.state = rule->nfiring	  ? ALERT_FIRING
			 : rule->npending ? ALERT_PENDING
					  : ALERT_INACTIVE,
		.pending = rule->npending,
		.firing = rule->nfiring,
		.held = rule->nheld,
		.evaluations = rule->evaluations,
		.failures = rule->failures,
		.units = rule->units,
		.seconds = engine_seconds(engine, rule->units),
	};
	if (rule->health == RULE_WARMING && rule->warm_at_ms != TIME_NONE &&
	    rule->warm_at_ms != INT64_MAX)
		out->warm_at_ms = rule->warm_at_ms + rule->group->def->query_offset_ms;
	for (uint32_t i = 0; i < rule->nleaves; i++) {
		const struct selector *selector = leaf_selector(engine, rule, i);
		if (!selector)
			continue;
		int64_t newest_ms = newest_of(selector);
		out->series += selector->nlive;
		if (newest_ms > out->newest_ms)
			out->newest_ms = newest_ms;
	}
}

void engine_group_status(const struct engine *engine, uint32_t group, struct group_status *out)
{
	assert(engine->active && group < engine->active->set->ngroups);
	const struct group_state *state = &engine->active->groups[group];
	*out = (struct group_status){
		.due_ms = state->due_ms == DUE_UNKNOWN ? TIME_NONE : state->due_ms,
		.last_ms = state->last_ms,
		.iterations = state->iterations,
		.missed = state->missed,
	};
}

static void alerts_of(const struct rule_state *rule,
		      void (*fn)(void *ctx, const struct alert_view *alert), void *ctx)
{
	for (uint32_t slot = 0; rule->def->kind == RULE_ALERT && slot < rule->instances.n; slot++) {
		const struct instance *instance = &rule->instances.items[slot];
		if (instance->lset == LSET_NONE || rule->alerts[slot].state == ALERT_INACTIVE)
			continue;
		const struct alert *alert = &rule->alerts[slot];
		const struct alert_view view = {
			.rule = rule->def,
			.state = alert->state,
			.lset = instance->lset,
			.expr_lset = instance->expr_lset,
			.value = alert->value,
			.active_at_ms = alert->active_at_ms,
			.fired_at_ms = alert->fired_at_ms,
			.keep_since_ms = alert->keep_since_ms,
			.no_data_since_ms = alert->no_data_since_ms,
			.hold = alert->hold,
			.evidence = alert->evidence,
			.asked = alert->asked,
		};
		fn(ctx, &view);
	}
}

void engine_alerts_each(const struct engine *engine, uint32_t rule_id,
			void (*fn)(void *ctx, const struct alert_view *alert), void *ctx)
{
	if (!engine->active)
		return;
	if (rule_id != UINT32_MAX) {
		assert(rule_id < engine->active->set->nrules);
		alerts_of(&engine->active->rules[rule_id], fn, ctx);
		return;
	}
	for (uint32_t i = 0; i < engine->active->set->nrules; i++)
		alerts_of(&engine->active->rules[i], fn, ctx);
}

void engine_stats_get(const struct engine *engine, struct engine_stats *out)
{
	*out = engine->stats;
	if (!engine->active)
		return;
	out->rules = engine->active->set->nrules;
	out->groups = engine->active->set->ngroups;
	out->nodes = engine->active->set->plan->nnodes;
}
