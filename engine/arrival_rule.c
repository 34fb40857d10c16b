/* One rule in a run on arrival: which rows of its result are ready, and what becomes of them. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/arrival.h"
#include "engine/engine_internal.h"
#include "engine/node.h"
#include "engine/numeric.h"

/* ---- marks at the leaves ---- */

/* What waits goes into the marks; what is later than T goes on waiting, all else must be earned. */
static bool touch_leaf(struct engine *engine, struct rule_state *rule, struct arrival_leaf *leaf)
{
	struct partial_node *node = leaf_node(rule->arrival, leaf);
	struct series *const *members = partial_members(node);
	struct group_arrival *group = &rule->group->arrival;
	bool any = false, waits = false;
	int64_t start_ms, end_ms;
	partial_span(engine->active->binding, node, engine->pass.t_ms, &start_ms, &end_ms);
	uint32_t n = leaf->words < node->words ? leaf->words * 64 : node->words * 64;
	FOR_BITS (row, leaf->marks[LEAF_WAITING], 0, n) {
		if (!partial_has_row(node, row) || !members[row])
			continue;
		int64_t ts_ms = window_newest_ms(&members[row]->window);
		rule->arrival->looked_at++;
		if (ts_ms > end_ms) {
			waits = true;
			if (group->future_ms == TIME_NONE || ts_ms < group->future_ms)
				group->future_ms = ts_ms;
			continue;
		}
		bit_clear(leaf->marks[LEAF_WAITING], row);
		if (!leaf_is_live(engine, node, members[row], &ts_ms))
			continue;
		bit_set(node->marks[PARTIAL_TOUCHED], row);
		any = true;
	}
	leaf->is_waiting = waits;
	return any;
}

static bool touch_leaves(struct engine *engine, struct rule_state *rule)
{
	bool any = false;
	for (uint32_t i = 0; i < rule->arrival->nleaves; i++)
		if (rule->arrival->leaves[i].is_waiting)
			any |= touch_leaf(engine, rule, &rule->arrival->leaves[i]);
	return any;
}

/* ---- timers ---- */

static int64_t alert_timer_ms(const struct rule_state *rule, const struct alert *alert)
{
	if (alert->state == ALERT_PENDING)
		return alert->active_at_ms + rule->def->for_ms;
	if (alert->state == ALERT_FIRING && alert->keep_since_ms != TIME_NONE)
		return alert->keep_since_ms + rule->def->keep_firing_for_ms;
	return TIME_NONE;
}

static bool has_timer(const struct rule_state *rule, uint32_t slot, int64_t *ends_ms)
{
	if (rule->instances.items[slot].lset == LSET_NONE || slot >= rule->data_cap)
		return false;
	*ends_ms = alert_timer_ms(rule, &rule->alerts[slot]);
	return *ends_ms != TIME_NONE;
}

static bool has_timer_due(const struct rule_arrival *arrival, int64_t t_ms)
{
	return arrival->is_overdue || (arrival->timer_ms != TIME_NONE && arrival->timer_ms <= t_ms);
}

/* Alerts that were read back, or taken over at a reload, stand in no row yet. */
static void join_rows(struct rule_state *rule)
{
	const struct rows *rows = partial_root(&rule->arrival->partial)->node->rows;
	const struct relation all = { .nrows = rows->n, .lsets = rows->lsets };
	if (rule->instances.stray)
		instances_rejoin(&rule->instances, &all); /* without memory they wait for the tick */
}

/* Marks the rows of alerts whose timers have ended. */
static bool touch_timers(struct engine *engine, struct rule_state *rule)
{
	struct rule_arrival *arrival = rule->arrival;
	struct partial_node *root = partial_root(&arrival->partial);
	int64_t ends_ms;
	bool any = false;
	arrival->resolves = false;
	if (!has_timer_due(arrival, engine->pass.t_ms))
		return false;
	join_rows(rule);
	for (uint32_t slot = 0; slot < rule->instances.n; slot++) {
		const struct instance *instance = &rule->instances.items[slot];
		if (!has_timer(rule, slot, &ends_ms) || ends_ms > engine->pass.t_ms ||
		    instance->row >= root->words * 64 || !partial_has_row(root, instance->row) ||
		    root->node->rows->lsets[instance->row] != instance->expr_lset)
			continue;
		bit_set(root->marks[PARTIAL_TOUCHED], instance->row);
		arrival->resolves |= rule->resolve && rule->alerts[slot].state == ALERT_FIRING;
		any = true;
	}
	return any;
}

/* Without memory the next tick will do. */
static void timer_set(struct rule_state *rule)
{
	alarms_set(&rule->group->arrival.timers, rule_place(rule), rule->arrival->timer_ms);
}

/* One that ended before all targets could be known again is looked at when they are. */
static int64_t overdue_until_ms(const struct engine *engine, const struct rule_state *rule)
{
	int64_t until_ms = engine->arrival.targets.learnt_ms + rule->group->def->settle_ms + 1;
	return until_ms > engine->now_ms ? until_ms : TIME_NONE;
}

void arrival_timers_find(const struct engine *engine, struct rule_state *rule, int64_t t_ms)
{
	struct rule_arrival *arrival = rule->arrival;
	int64_t ends_ms;
	arrival->timer_ms = TIME_NONE;
	arrival->is_overdue = false;
	uint32_t n = rule->def->kind == RULE_ALERT ? rule->instances.n : 0;
	for (uint32_t slot = 0; slot < n; slot++) {
		if (!has_timer(rule, slot, &ends_ms))
			continue;
		bool is_over = ends_ms <= t_ms;
		arrival->is_overdue |= is_over;
		if (is_over)
			ends_ms = overdue_until_ms(engine, rule);
		if (ends_ms != TIME_NONE &&
		    (arrival->timer_ms == TIME_NONE || ends_ms < arrival->timer_ms))
			arrival->timer_ms = ends_ms;
	}
	timer_set(rule);
}

/* ---- what is ready ---- */

static void copy_bits(uint64_t *to, const uint64_t *from, uint32_t words)
{
	if (words > 0)
		memcpy(to, from, words * sizeof(*to));
}

/* Parts the touched rows of the result into those that are ready, which stay touched and needed,
 * and the others. True: some are ready. */
static bool part_rows(struct rule_state *rule)
{
	struct partial *partial = &rule->arrival->partial;
	struct partial_node *root = partial_root(partial);
	uint64_t *touched = root->marks[PARTIAL_TOUCHED], *doubted = root->marks[PARTIAL_DOUBTED];
	bool any = false, rest = false;
	for (uint32_t i = 0; i < root->words; i++) {
		uint64_t unready = touched[i] & doubted[i];
		touched[i] &= ~doubted[i];
		doubted[i] = unready;
		any |= touched[i] != 0;
		rest |= unready != 0;
	}
	if (!rest)
		return any;
	for (uint32_t i = 0; i + 1 < partial->n; i++)
		if (partial->nodes[i].words) {
			memset(partial->nodes[i].marks[PARTIAL_DOUBTED], 0,
			       partial->nodes[i].words * sizeof(uint64_t));
		}
	partial_down(partial, PARTIAL_DOUBTED);
	doubt_wait(rule, false);
	partial_clear(partial, PARTIAL_NEEDED);
	copy_bits(root->marks[PARTIAL_NEEDED], touched, root->words);
	partial_down(partial, PARTIAL_NEEDED);
	return any;
}

static int keep_gone(struct rule_arrival *arrival)
{
	const struct partial_node *root = partial_root(&arrival->partial);
	if (root->words > arrival->gone_words) {
		free(arrival->gone);
		arrival->gone = malloc(root->cap * sizeof(*arrival->gone));
		arrival->gone_words = arrival->gone ? root->cap : 0;
		if (!arrival->gone)
			return ERR_NOMEM;
	}
	copy_bits(arrival->gone, root->marks[PARTIAL_GONE], root->words);
	return 0;
}

static bool find_ready(struct engine *engine, struct rule_state *rule)
{
	struct partial *partial = &rule->arrival->partial;
	struct partial_node *root = partial_root(partial);
	rule->arrival->is_restless = false;
	doubt_wake(rule);
	bool has_touched = touch_leaves(engine, rule);
	partial_up(partial, PARTIAL_TOUCHED);
	bool has_timers = touch_timers(engine, rule);
	if (!has_touched && !has_timers)
		return false;
	if (!has_timers && rule->def->arrival == ARRIVAL_SETTLE &&
	    doubt_leaves(engine, rule, PARTIAL_TOUCHED)) {
		doubt_wait(rule, true); /* no row is made of nothing but what settled */
		return false;
	}
	copy_bits(root->marks[PARTIAL_NEEDED], root->marks[PARTIAL_TOUCHED], root->words);
	partial_down(partial, PARTIAL_NEEDED);
	doubt_leaves(engine, rule, PARTIAL_NEEDED);
	partial_up(partial, PARTIAL_DOUBTED);
	partial_up(partial, PARTIAL_GONE);
	return keep_gone(rule->arrival) == 0 && part_rows(rule);
}

static bool has_work(const struct rule_arrival *arrival, int64_t t_ms)
{
	bool any = has_timer_due(arrival, t_ms);
	for (uint32_t i = 0; i < arrival->nleaves && !any; i++)
		any = arrival->leaves[i].is_waiting || arrival->leaves[i].is_stirred;
	return any;
}

bool arrival_rule_begin(struct engine *engine, struct rule_state *rule)
{
	struct pass *pass = &engine->pass;
	engine->stats.arrival_rules++;
	rule->arrival->looked_at = 0;
	arrival_take_recorded(engine->active, rule->arrival);
	if (!has_work(rule->arrival, pass->t_ms))
		return false;
	pass->query_ms = pass->t_ms;
	if (!rule->warm)
		rule_warmth_update(engine->active, rule, pass->query_ms);
	if (!rule->warm)
		return false;
	bindings_extend(engine);
	if (partial_begin(&rule->arrival->partial) || !find_ready(engine, rule)) {
		arrival_rule_end(engine, rule);
		return false;
	}
	partial_widen(&rule->arrival->partial);
	return true;
}

/* ---- results ---- */

int arrival_result(struct rule_state *rule, struct relation *out)
{
	return partial_relation(&rule->arrival->partial, PARTIAL_TOUCHED, out);
}

/* What comes of it is for the tick, which sees all. */
int arrival_limit(struct rule_state *rule)
{
	uint32_t n = rule->def->kind == RULE_RECORD ? rule->instances.nlive
						    : rule->npending + rule->nfiring;
	for (uint32_t slot = 0; rule->def->kind == RULE_ALERT && slot < rule->instances.n; slot++)
		n += rule->instances.items[slot].lset != LSET_NONE &&
		     rule->alerts[slot].state == ALERT_INACTIVE;
	if ((int64_t)n <= rule->group->def->limit)
		return 0;
	rule_error_set(rule, "exceeded limit of %lld with %u %s",
		       (long long)rule->group->def->limit, n,
		       rule->def->kind == RULE_RECORD ? "series" : "alerts");
	return ERR_EVAL;
}

/*
 * That something is gone is seen at ticks, and whether its sender is silent, and what resolve_when
 * says, which reads other series.
 */
static bool is_for_tick(const struct engine *engine, const struct rule_state *rule, uint32_t slot,
			uint32_t row)
{
	if (rule->instances.items[slot].seen == rule->evaluation)
		return false;
	if (rule->def->arrival_rises ||
	    (rule->resolve && rule->alerts[slot].state == ALERT_FIRING && !rule->arrival->resolves))
		return true;
	bool is_gone = bit_get(rule->arrival->gone, row);
	bool is_settling = rule->def->arrival == ARRIVAL_SETTLE;
	if ((is_settling || is_gone) && engine->senders.any_silent && rule->group->may_hold)
		return true;
	bool is_kept = rule->def->kind == RULE_ALERT &&
		       rule->alerts[slot].keep_since_ms != TIME_NONE;
	return is_gone && !is_settling && !is_kept;
}

static void commit_slot(struct engine *engine, struct rule_state *rule, uint32_t slot, uint32_t row,
			const struct relation *result)
{
	int64_t ends_ms;
	if (is_for_tick(engine, rule, slot, row))
		return;
	if (rule->def->kind == RULE_RECORD) {
		record_commit_slot(engine, rule, slot, result);
		return;
	}
	alerts_commit_slot(engine, rule, slot, result);
	if (has_timer(rule, slot, &ends_ms) &&
	    (rule->arrival->timer_ms == TIME_NONE || ends_ms < rule->arrival->timer_ms))
		rule->arrival->timer_ms = ends_ms;
}

/* An identity that reads the value may have left its row for another one. */
static int commit_slots(struct engine *engine, struct rule_state *rule,
			const struct relation *result, int64_t *units)
{
	struct pass *pass = &engine->pass;
	const struct partial_node *root = partial_root(&rule->arrival->partial);
	for (; pass->at < rule->instances.n; pass->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		const struct instance *instance = &rule->instances.items[pass->at];
		*units -= 1;
		if (instance->lset == LSET_NONE || instance->row >= root->words * 64 ||
		    !bit_get(root->marks[PARTIAL_TOUCHED], instance->row))
			continue;
		commit_slot(engine, rule, pass->at, instance->row, result);
		*units -= UNITS_INSTANCE;
	}
	return 0;
}

int arrival_commit(struct engine *engine, struct rule_state *rule, const struct relation *result,
		   int64_t *units)
{
	struct pass *pass = &engine->pass;
	const struct partial_node *root = partial_root(&rule->arrival->partial);
	if (rule->labels_use_value)
		return commit_slots(engine, rule, result, units);
	while (pass->at < result->nrows) {
		if (*units <= 0)
			return ERR_AGAIN;
		uint64_t word = root->marks[PARTIAL_TOUCHED][pass->at / 64] >> (pass->at % 64);
		if (!word) {
			pass->at = (pass->at / 64 + 1) * 64;
			continue;
		}
		uint32_t row = pass->at + (uint32_t)__builtin_ctzll(word);
		if (row >= result->nrows)
			break;
		engine->stats.arrival_rows++;
		uint32_t slot = instances_find_row(&rule->instances, row, result->lsets[row]);
		if (slot != ID_MAP_NONE)
			commit_slot(engine, rule, slot, row, result);
		pass->at = row + 1;
		*units -= UNITS_INSTANCE;
	}
	return 0;
}

void arrival_rule_end(const struct engine *engine, struct rule_state *rule)
{
	struct rule_arrival *arrival = rule->arrival;
	if (has_timer_due(arrival, engine->pass.t_ms))
		arrival_timers_find(engine, rule, engine->pass.t_ms);
	else
		timer_set(rule);
	for (uint32_t i = 0; i < arrival->nleaves; i++)
		if (arrival->leaves[i].is_waiting)
			bit_set(rule->group->arrival.work, rule_place(rule));
	partial_end(&arrival->partial);
}
