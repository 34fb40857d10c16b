#include "engine/arrival.h"

#include "base/text.h"
#include "engine/engine_internal.h"
#include "engine/node.h"

uint32_t rule_place(const struct rule_state *rule)
{
	return (uint32_t)(rule - rule->group->rules);
}

/* ---- when ---- */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The earlier of two times that may be TIME_NONE. */
static int64_t earlier(int64_t a, int64_t b)
{
	return a == TIME_NONE || (b != TIME_NONE && b < a) ? b : a;
}

static int64_t group_next_ms(const struct group_state *group)
{
	const struct group_arrival *arrival = &group->arrival;
	int64_t next_ms = earlier(arrival->future_ms, alarms_next_ms(&arrival->timers));
	if (arrival->is_touched)
		next_ms = group->reads_ms;
	if (next_ms == TIME_NONE)
		return TIME_NONE;
	next_ms = later(next_ms, group->reads_ms);
	return arrival->run_ms == TIME_NONE
		       ? next_ms
		       : later(next_ms, arrival->run_ms + group->def->min_gap_ms);
}

int64_t arrival_next_ms(const struct engine *engine)
{
	const struct generation *active = engine->active;
	int64_t next_ms = TIME_NONE;
	if (!active || engine->now_ms == TIME_NONE)
		return TIME_NONE;
	for (uint32_t i = 0; i < active->narrivals; i++)
		next_ms = earlier(next_ms, group_next_ms(&active->groups[active->arrivals[i]]));
	return next_ms;
}

bool arrival_is_due(const struct engine *engine)
{
	int64_t next_ms = arrival_next_ms(engine);
	return next_ms != TIME_NONE && next_ms <= engine->now_ms;
}

bool arrival_is_due_in(const struct engine *engine, const struct group_state *group)
{
	int64_t next_ms = group_next_ms(group);
	return next_ms != TIME_NONE && next_ms <= engine->now_ms;
}

int64_t arrival_time_ms(const struct engine *engine, const struct group_state *group)
{
	const struct group_arrival *arrival = &group->arrival;
	int64_t t_ms = group->reads_ms;
	if (arrival->is_touched && arrival->newest_ms <= engine->now_ms)
		t_ms = later(t_ms, arrival->newest_ms);
	else if (arrival->is_touched)
		t_ms = engine->now_ms;
	int64_t ends_ms = earlier(arrival->future_ms, alarms_next_ms(&arrival->timers));
	if (ends_ms != TIME_NONE && ends_ms <= engine->now_ms)
		t_ms = later(t_ms, ends_ms);
	return t_ms;
}

/* ---- runs ---- */

void arrival_begin_of(struct engine *engine, uint32_t at)
{
	struct group_state *group = &engine->active->groups[at];
	struct group_arrival *arrival = &group->arrival;
	uint32_t rule;
	targets_time(engine);
	engine->pass = (struct pass){ .running = true,
				      .on_arrival = true,
				      .t_ms = arrival_time_ms(engine, group),
				      .group = at };
	arrival->run_ms = engine->now_ms;
	arrival->is_touched = false;
	arrival->newest_ms = arrival->future_ms = TIME_NONE;
	watches_hand_out(engine->active, group);
	while (alarms_take(&arrival->timers, engine->pass.t_ms, &rule))
		bit_set(arrival->work, rule);
	engine->stats.arrival_runs++;
}

bool arrival_begin(struct engine *engine)
{
	const struct generation *active = engine->active;
	for (uint32_t i = 0; active && i < active->narrivals; i++)
		if (arrival_is_due_in(engine, &active->groups[active->arrivals[i]])) {
			arrival_begin_of(engine, active->arrivals[i]);
			return true;
		}
	return false;
}

bool arrival_next_rule(struct group_state *group, uint32_t *at)
{
	uint64_t *work = group->arrival.work;
	for (uint32_t i = *at / 64, n = words_of(group->def->nrules); work && i < n; i++) {
		uint64_t left = i == *at / 64 ? work[i] & UINT64_MAX << *at % 64 : work[i];
		if (!left)
			continue;
		*at = i * 64 + (uint32_t)__builtin_ctzll(left);
		work[i] &= ~(UINT64_C(1) << *at % 64);
		return true;
	}
	return false;
}

void arrival_end(struct engine *engine, struct group_state *group)
{
	watches_end(engine->active, group);
	group->reads_ms = engine->pass.t_ms + 1;
}

void arrival_rule_ticked(struct engine *engine, struct rule_state *rule)
{
	struct group_arrival *group = &rule->group->arrival;
	int64_t t_ms = engine->pass.t_ms;
	group->kept_ms = later(group->kept_ms, rule_marks_ticked(engine->active, rule, t_ms));
	arrival_timers_find(engine, rule, t_ms);
}

void arrival_ticked(struct engine *engine, struct group_state *group)
{
	int64_t t_ms = engine->pass.t_ms;
	int64_t newest_ms = watches_ticked(engine->active, group, t_ms);
	newest_ms = later(newest_ms, group->arrival.kept_ms);
	group->reads_ms = later(group->reads_ms, t_ms + 1);
	group->arrival.is_touched = newest_ms != TIME_NONE;
	group->arrival.newest_ms = newest_ms;
	group->arrival.future_ms = group->arrival.kept_ms = TIME_NONE;
}

void arrival_arm(struct engine *engine)
{
	const struct generation *active = engine->active;
	for (uint32_t i = 0; i < active->set->nrules; i++)
		if (active->rules[i].arrival)
			arrival_timers_find(engine, &active->rules[i], TIME_NONE);
}
