#include "engine/arrival.h"

#include "base/text.h"
#include "engine/engine_internal.h"

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
	int64_t next_ms = earlier(arrival->future_ms, arrival->timer_ms);
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

/* The time of a run that begins now. */
static int64_t run_time_ms(const struct engine *engine, const struct group_state *group)
{
	const struct group_arrival *arrival = &group->arrival;
	int64_t t_ms = group->reads_ms;
	if (arrival->is_touched && arrival->newest_ms <= engine->now_ms)
		t_ms = later(t_ms, arrival->newest_ms);
	else if (arrival->is_touched)
		t_ms = engine->now_ms;
	int64_t ends_ms = earlier(arrival->future_ms, arrival->timer_ms);
	if (ends_ms != TIME_NONE && ends_ms <= engine->now_ms)
		t_ms = later(t_ms, ends_ms);
	return t_ms;
}

/* ---- runs ---- */

bool arrival_begin(struct engine *engine)
{
	struct generation *active = engine->active;
	for (uint32_t i = 0; active && i < active->narrivals; i++) {
		struct group_state *group = &active->groups[active->arrivals[i]];
		int64_t next_ms = group_next_ms(group);
		if (next_ms == TIME_NONE || next_ms > engine->now_ms)
			continue;
		engine->pass = (struct pass){ .running = true,
					      .on_arrival = true,
					      .t_ms = run_time_ms(engine, group),
					      .group = active->arrivals[i] };
		group->arrival.run_ms = engine->now_ms;
		group->arrival.timer_ms = TIME_NONE;
		group->arrival.is_touched = false;
		group->arrival.newest_ms = group->arrival.future_ms = TIME_NONE;
		watches_hand_out(active, group);
		engine->stats.arrival_runs++;
		return true;
	}
	return false;
}

static void timers_update(struct group_state *group)
{
	group->arrival.timer_ms = TIME_NONE;
	for (uint32_t i = 0; i < group->def->nrules; i++)
		if (group->rules[i].arrival)
			group->arrival.timer_ms = earlier(group->arrival.timer_ms,
							  group->rules[i].arrival->timer_ms);
}

void arrival_end(struct engine *engine, struct group_state *group)
{
	watches_end(engine->active, group);
	group->reads_ms = engine->pass.t_ms + 1;
	timers_update(group);
}

void arrival_ticked(struct group_state *group, struct generation *generation, int64_t t_ms)
{
	int64_t newest_ms = watches_ticked(generation, group, t_ms);
	for (uint32_t r = 0; r < group->def->nrules; r++)
		if (group->rules[r].arrival)
			arrival_timers_find(&group->rules[r], t_ms);
	group->reads_ms = later(group->reads_ms, t_ms + 1);
	group->arrival.is_touched = newest_ms != TIME_NONE;
	group->arrival.newest_ms = newest_ms;
	group->arrival.future_ms = TIME_NONE;
	timers_update(group);
}
