/*
 * Groups, due times and passes.
 *
 * Groups are due at multiples of their interval since the epoch. A pass takes the groups due at one
 * time T in the set's order, rule after rule, in quanta; what one rule writes the next one sees.
 *
 * Two things make a group skip ticks, which are counted:
 *   - an overrun: evaluation took longer than an interval. Timers of alerts go on: the time was
 * spent awake.
 *   - a jump: the told time went on by more than an interval at once (the machine slept, the clock
 * was set). What held in between nobody knows; so the skipped time counts for no timer: active_at
 * of pending alerts and keep_since of kept ones move forward by it, and the rule has to settle
 * anew.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <math.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/foresee.h"

#define JUMP_MIN_MS 1000 /* less is a busy engine, whatever the interval */
#define PASS_WAIT_MS 1000 /* so long a pass lets batches go first that arrived before it */

static int64_t due_before(const struct engine *engine, int64_t interval_ms, int64_t time_ms)
{
	int64_t rest = (time_ms - engine->options.due_phase_ms) % interval_ms;
	return time_ms - (rest < 0 ? rest + interval_ms : rest);
}

int64_t due_after(const struct engine *engine, int64_t interval_ms, int64_t time_ms)
{
	int64_t before_ms = due_before(engine, interval_ms, time_ms);
	return before_ms == time_ms ? time_ms : before_ms + interval_ms;
}

void schedule_due_update(struct engine *engine)
{
	const struct generation *active = engine->active;
	engine->due_ms = TIME_NONE;
	for (uint32_t i = 0; active && i < active->set->ngroups; i++) {
		int64_t due_ms = active->groups[i].due_ms;
		if (engine->due_ms == TIME_NONE || due_ms < engine->due_ms)
			engine->due_ms = due_ms;
	}
	if (engine->now_ms == TIME_NONE)
		engine->due_ms = TIME_NONE;
}

bool schedule_is_due(const struct engine *engine)
{
	return engine->due_ms != TIME_NONE && engine->due_ms <= engine->now_ms;
}

static void miss(struct engine *engine, struct group_state *group, int64_t skipped_ms)
{
	uint64_t ticks = (uint64_t)(skipped_ms / group->def->interval_ms);
	group->missed += ticks;
	engine->stats.missed += ticks;
}

/* The pass of a tick, or NULL. */
static const struct pass *tick_pass(const struct engine *engine)
{
	if (engine->interrupted.running)
		return &engine->interrupted;
	return engine->pass.running && !engine->pass.on_arrival ? &engine->pass : NULL;
}

static void jump(struct engine *engine, struct group_state *group, int64_t by_ms)
{
	int64_t interval_ms = group->def->interval_ms;
	if (by_ms <= interval_ms || by_ms < JUMP_MIN_MS)
		return;
	const struct pass *tick = tick_pass(engine);
	bool in_pass = tick && group->due_ms == tick->t_ms;
	int64_t next_ms = in_pass ? group->due_ms + interval_ms : group->due_ms;
	int64_t latest_ms = due_before(engine, interval_ms, engine->now_ms);
	if (latest_ms <= next_ms)
		return;
	miss(engine, group, latest_ms - next_ms);
	group->rebase_ms += latest_ms - next_ms;
	if (in_pass)
		group->skip_to_ms = latest_ms;
	else
		group->due_ms = latest_ms;
}

void group_time_set(const struct engine *engine, struct group_state *group)
{
	if (group->due_ms == DUE_UNKNOWN)
		group->due_ms = due_after(engine, group->def->interval_ms, engine->now_ms);
	if (group->reads_ms == DUE_UNKNOWN)
		group->reads_ms = engine->now_ms;
}

void schedule_time(struct engine *engine, int64_t before_ms)
{
	struct generation *active = engine->active;
	for (uint32_t i = 0; active && i < active->set->ngroups; i++) {
		struct group_state *group = &active->groups[i];
		if (group->due_ms == DUE_UNKNOWN)
			group_time_set(engine, group);
		else
			jump(engine, group, engine->now_ms - before_ms);
	}
	schedule_due_update(engine);
}

void bindings_extend(struct engine *engine)
{
	size_t n;
	struct selector **changed = store_changed_selectors(engine->store, &n);
	if (n == 0)
		return;
	if (engine->active)
		binding_extend(engine->active->binding);
	if (engine->loading && engine->loading->binding)
		binding_extend(engine->loading->binding);
	for (struct generation *retired = engine->retired; retired; retired = retired->next)
		binding_extend(retired->binding);
	for (size_t i = 0; i < n; i++)
		selector_log_clear(changed[i]);
	store_changed_clear(engine->store);
}

/* ---- one rule ---- */

/* The result as rows: a scalar is one row without labels. */
static int result_get(const struct engine *engine, struct rule_state *rule, struct relation *out)
{
	static const uint32_t no_labels = LSET_EMPTY;
	static const uint64_t one = 1;
	const struct pass *pass = &engine->pass;
	if (pass->on_arrival)
		return arrival_result(rule, out);
	binding_relation(engine->active->binding, rule->def->root, out);
	if (out->type != VALUE_SCALAR)
		return 0;
	*out = (struct relation){ .type = VALUE_VECTOR, .scalar = out->scalar, .nrows = 1 };
	out->lsets = &no_labels;
	out->present = &one;
	out->values = &pass->scalar;
	return 0;
}

static bool rule_fail(struct engine *engine, struct rule_state *rule, int code)
{
	if (code != ERR_EVAL)
		rule_error_set(rule, "%s", error_text(code));
	rule->health = RULE_ERROR;
	rule->last_ms = engine->pass.t_ms;
	rule->failures++;
	engine->stats.failures++;
	rule_prune(engine, rule);
	engine->pass.stage = PASS_RULE;
	return true;
}

static bool rule_succeed(struct engine *engine, struct rule_state *rule)
{
	rule->health = RULE_OK;
	rule->last_ms = engine->pass.t_ms;
	rule->last_query_ms = engine->pass.query_ms;
	/* On arrival they are some of many: the tick tells them all. */
	if (!engine->pass.on_arrival) {
		rule->results = engine->pass.results;
		rule->value = engine->pass.results ? engine->pass.value : NAN;
	}
	rule_error_set(rule, NULL);
	engine->pass.stage = PASS_RULE;
	if (resolve_error(rule)) {
		/* Alerts began as they should; only none that wait for it ended. */
		rule_error_set(rule, "resolve_when: %s", resolve_error(rule));
		rule->health = RULE_ERROR;
		rule->failures++;
		engine->stats.failures++;
	}
	return true;
}

/* False when the rule is warming: it does not run, its state is untouched. */
static bool rule_prepare(struct engine *engine, struct group_state *group, struct rule_state *rule)
{
	struct pass *pass = &engine->pass;
	if (pass->on_arrival)
		return arrival_rule_begin(engine, rule);
	pass->query_ms = pass->t_ms - group->def->query_offset_ms;
	if (!rule->warm) {
		rule_warmth_update(engine->active, rule, pass->query_ms);
		if (!rule->warm)
			return false;
	}
	bindings_extend(engine);
	return true;
}

static bool rule_begin(struct engine *engine, struct group_state *group, struct rule_state *rule)
{
	struct pass *pass = &engine->pass;
	if (!rule_prepare(engine, group, rule))
		return false;
	if (rule->warm_since_ms == TIME_NONE)
		rule->warm_since_ms = pass->t_ms;
	captures_begin(engine);
	pass->cursor = (struct eval_cursor){ 0 };
	pass->at = pass->results = 0;
	pass->stage = PASS_EVAL;
	rule->evaluation++;
	rule->evaluations++;
	engine->stats.evaluations++;
	return true;
}

static int rule_eval(struct engine *engine, struct rule_state *rule, int64_t *units)
{
	struct binding *binding = engine->active->binding;
	const struct rule *def = rule->def;
	struct pass *pass = &engine->pass;
	int code = pass->on_arrival ? partial_eval(&rule->arrival->partial, binding, pass->query_ms,
						   &pass->cursor, units)
				    : binding_eval(binding, def->order, def->norder, pass->query_ms,
						   &pass->cursor, units);
	if (code == ERR_EVAL)
		rule_error_set(rule, "%s", binding_error(binding, def->root));
	if (!code || code == ERR_EVAL)
		recheck_rule(engine, rule, code, units);
	if (code)
		return code;
	struct relation result;
	binding_relation(binding, def->root, &result);
	pass->scalar = result.scalar;
	bool resolves = rule->resolve && (!pass->on_arrival || rule->arrival->resolves);
	pass->stage = resolves ? PASS_RESOLVE : PASS_COLLECT;
	if (!rule->instances.stray)
		return 0;
	code = result_get(engine, rule, &result);
	return code ? code : instances_rejoin(&rule->instances, &result);
}

/* Takes what the result says of part of the instances. 0, ERR_AGAIN. */
static int rule_commit(struct engine *engine, struct rule_state *rule,
		       const struct relation *result, int64_t *units)
{
	struct pass *pass = &engine->pass;
	if (pass->on_arrival)
		return arrival_commit(engine, rule, result, units);
	for (; pass->at < rule->instances.n; pass->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= 1;
		if (rule->instances.items[pass->at].lset == LSET_NONE)
			continue;
		if (rule->def->kind == RULE_RECORD)
			record_commit_slot(engine, rule, pass->at, result);
		else
			alerts_commit_slot(engine, rule, pass->at, result);
		*units -= UNITS_INSTANCE;
	}
	return 0;
}

/* After collecting: the limit, judged before anything is changed. */
static int rule_limit(struct engine *engine, struct rule_state *rule, const struct relation *result)
{
	engine->pass.at = 0;
	engine->pass.stage = PASS_CAPTURE;
	if (rule->group->def->limit <= 0)
		return 0;
	if (engine->pass.on_arrival)
		return arrival_limit(rule);
	return rule->def->kind == RULE_RECORD ? record_limit(engine, rule)
					      : alerts_limit(engine, rule, result);
}

/* True when the rule is done with for this pass. */
static bool rule_work(struct engine *engine, struct group_state *group, struct rule_state *rule,
		      int64_t *units)
{
	struct pass *pass = &engine->pass;
	int code = 0;
	if (pass->stage == PASS_RULE) {
		bool begun = rule_begin(engine, group, rule);
		if (pass->on_arrival)
			*units -= rule->arrival->looked_at;
		if (!begun) {
			*units -= UNITS_INSTANCE;
			return true;
		}
	}
	if (pass->stage == PASS_EVAL)
		code = rule_eval(engine, rule, units);
	if (!code && pass->stage == PASS_RESOLVE) {
		code = resolve_step(engine, rule, units);
		if (!code)
			pass->stage = PASS_COLLECT;
	}
	struct relation result;
	if (!code)
		code = result_get(engine, rule, &result);
	if (!code && pass->stage == PASS_COLLECT) {
		code = rule_collect(engine, rule, &result, units);
		if (!code)
			code = rule_limit(engine, rule, &result);
	}
	if (!code && pass->stage == PASS_CAPTURE) {
		code = alerts_capture(engine, rule, &result, units);
		if (!code)
			pass->stage = PASS_COMMIT;
	}
	if (!code && pass->stage == PASS_COMMIT)
		code = rule_commit(engine, rule, &result, units);
	if (code == ERR_AGAIN)
		return false;
	*units -= UNITS_INSTANCE;
	if (pass->on_arrival)
		arrival_rule_end(engine, rule);
	return code ? rule_fail(engine, rule, code) : rule_succeed(engine, rule);
}

/* What it costs is of its last evaluation: that there is nothing to do counts for none. */
static bool rule_step(struct engine *engine, struct group_state *group, struct rule_state *rule,
		      int64_t *units)
{
	int64_t before = *units;
	bool goes_on = engine->pass.stage != PASS_RULE;
	uint32_t evaluation = rule->evaluation;
	bool done = rule_work(engine, group, rule, units);
	if (rule->evaluation != evaluation)
		rule->units = 0;
	if (goes_on || rule->evaluation != evaluation)
		rule->units += (uint64_t)(before - *units);
	return done;
}

/* ---- one pass ---- */

static void group_begin(struct engine *engine, struct group_state *group)
{
	if (group->rebase_ms == 0)
		return;
	for (uint32_t i = 0; i < group->def->nrules; i++) {
		struct rule_state *rule = &group->rules[i];
		rule->warm_since_ms = TIME_NONE;
		if (rule->def->kind == RULE_ALERT)
			alerts_rebase(engine, rule, group->rebase_ms);
	}
	group->rebase_ms = 0;
}

static void group_end(struct engine *engine, struct group_state *group)
{
	if (group->arrival.on)
		arrival_ticked(engine, group);
	group->last_ms = group->due_ms;
	group->due_ms += group->def->interval_ms;
	if (group->skip_to_ms != TIME_NONE && group->skip_to_ms > group->due_ms)
		group->due_ms = group->skip_to_ms;
	group->skip_to_ms = TIME_NONE;
	group->iterations++;
	engine->stats.iterations++;
}

static void pass_begin(struct engine *engine)
{
	struct generation *active = engine->active;
	int64_t t_ms = TIME_NONE, next_due_ms = INT64_MAX;
	for (uint32_t i = 0; i < active->set->ngroups; i++) {
		struct group_state *group = &active->groups[i];
		if (group->due_ms > engine->now_ms)
			continue;
		int64_t latest_ms = due_before(engine, group->def->interval_ms, engine->now_ms);
		if (latest_ms > group->due_ms) {
			miss(engine, group, latest_ms - group->due_ms);
			group->due_ms = latest_ms;
		}
		if (t_ms == TIME_NONE || group->due_ms < t_ms)
			t_ms = group->due_ms;
	}
	assert(t_ms != TIME_NONE);
	for (uint32_t i = 0; i < active->set->ngroups; i++) {
		int64_t due_ms = active->groups[i].due_ms;
		if (due_ms == t_ms)
			due_ms += active->groups[i].def->interval_ms;
		if (due_ms < next_due_ms)
			next_due_ms = due_ms;
	}
	/* A group with a query offset may ask anew for a time that was asked for before; samples
	 * may have come since. */
	if (active->has_offsets)
		binding_invalidate(active->binding);
	engine->pass =
		(struct pass){ .running = true, .t_ms = t_ms, .next_due_ms = next_due_ms };
}

/* Goes on until the pass ends, or the units are used up, or it gives way between two rules. */
static void pass_step(struct engine *engine, bool gives_way, int64_t *units)
{
	struct pass *pass = &engine->pass;
	struct generation *active = engine->active;
	while (*units > 0 && pass->group < active->set->ngroups &&
	       !(gives_way && pass->stage == PASS_RULE)) {
		struct group_state *group = &active->groups[pass->group];
		if (group->due_ms != pass->t_ms) {
			pass->group++;
			*units -= 1;
			continue;
		}
		if (pass->rule == 0 && pass->stage == PASS_RULE)
			group_begin(engine, group);
		if (pass->rule < group->def->nrules) {
			struct rule_state *rule = &group->rules[pass->rule];
			if (pass->stage == PASS_RULE)
				foresee_rules(active, rule);
			if (!rule_step(engine, group, rule, units))
				continue;
			if (rule->arrival)
				arrival_rule_ticked(engine, rule);
		}
		if (++pass->rule < group->def->nrules)
			continue;
		group_end(engine, group);
		pass->rule = 0;
		pass->group++;
	}
	if (pass->group < active->set->ngroups)
		return;
	pass->running = false;
	schedule_due_update(engine);
}

/* The same for what is ready in one group. */
static void run_step(struct engine *engine, int64_t *units)
{
	struct pass *pass = &engine->pass;
	struct group_state *group = &engine->active->groups[pass->group];
	while (pass->stage != PASS_RULE || (*units > 0 && arrival_next_rule(group, &pass->rule))) {
		if (!rule_step(engine, group, &group->rules[pass->rule], units))
			return;
		pass->rule++;
	}
	if (*units <= 0)
		return;
	arrival_end(engine, group);
	arrival_return(engine);
}

static void tick_step(struct engine *engine, int64_t *units)
{
	uint32_t group;
	bool gives_way = arrival_find_within(engine, &group);
	engine->pass.gave_way = false;
	pass_step(engine, gives_way, units);
	if (!gives_way || *units <= 0 || !engine->pass.running)
		return;
	arrival_begin_within(engine, group);
	run_step(engine, units);
}

void schedule_step(struct engine *engine, int64_t *units)
{
	if (!engine->pass.running) {
		if (!schedule_is_due(engine)) {
			if (!arrival_begin(engine))
				return;
			run_step(engine, units);
			return;
		}
		if (engine->parked.n > 0 && engine->now_ms < engine->due_ms + PASS_WAIT_MS)
			return;
		pass_begin(engine);
	}
	if (engine->pass.on_arrival)
		run_step(engine, units);
	else
		tick_step(engine, units);
}
