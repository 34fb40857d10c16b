/*
 * The alert state machine, after AlertingRule.Eval of Prometheus: inactive → pending → firing →
 * inactive, per label set.
 *
 *   in the result        pending since then, unless active already; firing once `for` has passed
 *   not in the result    pending: gone; firing: kept for keep_firing_for, then resolved
 *   neither              an evaluation that failed, or a rule that is warming, changes nothing
 *
 * Beyond Prometheus: an alert whose input ended without a stale marker while its sender is silent
 * is held as it is; one with resolve_when is held until that matches, and for keep_firing_for from
 * then on; and alerts dropped by a limit or with their rule are told as ended, because somebody may
 * have heard them fire.
 */
#include "engine/engine_internal.h"

#include <assert.h>

#include "base/error.h"
#include "base/text.h"

/* The one place that writes a state. */
static void state_set(struct engine *engine, struct rule_state *rule, struct alert *alert,
		      enum alert_state state)
{
	uint32_t *const counts[] = { NULL, &rule->npending, &rule->nfiring };
	uint32_t *const totals[] = { NULL, &engine->stats.alerts_pending,
				     &engine->stats.alerts_firing };
	if (counts[alert->state]) {
		(*counts[alert->state])--;
		(*totals[alert->state])--;
	}
	alert->state = state;
	if (counts[state]) {
		(*counts[state])++;
		(*totals[state])++;
	}
}

static void hold_set(const struct engine *engine, struct rule_state *rule, struct alert *alert,
		     enum alert_hold hold)
{
	if (hold == ALERT_HELD_SILENT && alert->hold != hold)
		alert->held_since_ms = engine->now_ms;
	rule->nheld +=
		(uint32_t)(hold != ALERT_NOT_HELD) - (uint32_t)(alert->hold != ALERT_NOT_HELD);
	alert->hold = hold;
}

void alert_state_restore(struct engine *engine, struct rule_state *rule, uint32_t slot,
			 enum alert_state state, enum alert_hold hold)
{
	state_set(engine, rule, &rule->alerts[slot], state);
	hold_set(engine, rule, &rule->alerts[slot], hold);
}

/*
 * An absent alert whose input is a silent sender's. The relation tells as long as the row is there;
 * when the series was forgotten meanwhile, or has not come back since a restart, an alert that was
 * held stays so until all who were silent then are back.
 */
static bool must_hold(const struct engine *engine, const struct rule_state *rule, uint32_t slot,
		      const struct relation *relation)
{
	if (!rule->group->may_hold || !engine->senders.any_silent)
		return false;
	const struct instance *instance = &rule->instances.items[slot];
	uint32_t row = instance->row;
	if (row != ID_MAP_NONE && row < relation->nrows &&
	    relation->lsets[row] == instance->expr_lset)
		return relation->silent && (relation->silent[row / 64] >> (row % 64) & 1);
	const struct alert *alert = &rule->alerts[slot];
	return (alert->hold == ALERT_HELD_SILENT || alert->unseen) &&
	       senders_silent_since(engine, alert->held_since_ms);
}

static bool is_seen(const struct rule_state *rule, uint32_t slot)
{
	return rule->instances.items[slot].seen == rule->evaluation;
}

/* What becomes of an active alert that is not in the result. */
enum fate {
	FATE_ENDS,
	FATE_ENDS_NO_DATA,
	FATE_KEPT,	 /* by keep_firing_for */
	FATE_SILENT,	 /* held as it is: its sender is silent */
	FATE_UNRESOLVED, /* held: resolve_when does not match */
	FATE_NO_DATA,	 /* the same, and there is nothing to match */
	FATE_LEFT_ALONE, /* resolve_when could not be evaluated */
};

static bool is_over(int64_t since_ms, int64_t t_ms, int64_t lasts_ms)
{
	return t_ms - (since_ms == TIME_NONE ? t_ms : since_ms) >= lasts_ms;
}

/* Of a firing alert with resolve_when: keep_firing_for counts from the first match. */
static enum fate fate_by_resolve(const struct engine *engine, const struct rule_state *rule,
				 uint32_t slot)
{
	const struct alert *alert = &rule->alerts[slot];
	const struct rule *def = rule->def;
	int64_t t_ms = engine->pass.t_ms;
	switch (resolve_judge(engine, rule, slot)) {
	case RESOLVE_MATCHES:
		return is_over(alert->keep_since_ms, t_ms, def->keep_firing_for_ms) ? FATE_ENDS
										    : FATE_KEPT;
	case RESOLVE_WAITS:
		return FATE_UNRESOLVED;
	case RESOLVE_SILENT:
		return FATE_SILENT;
	case RESOLVE_NO_DATA:
		return def->resolve->no_data == NO_DATA_RESOLVE &&
				       is_over(alert->no_data_since_ms, t_ms,
					       engine->options.store.lookback_ms)
			       ? FATE_ENDS_NO_DATA
			       : FATE_NO_DATA;
	case RESOLVE_FAILED:
		break;
	}
	return FATE_LEFT_ALONE;
}

static enum fate fate_of(const struct engine *engine, const struct rule_state *rule, uint32_t slot,
			 const struct relation *relation)
{
	const struct alert *alert = &rule->alerts[slot];
	if (must_hold(engine, rule, slot, relation))
		return FATE_SILENT;
	if (alert->state != ALERT_FIRING)
		return FATE_ENDS;
	if (rule->resolve)
		return fate_by_resolve(engine, rule, slot);
	return is_over(alert->keep_since_ms, engine->pass.t_ms, rule->def->keep_firing_for_ms)
		       ? FATE_ENDS
		       : FATE_KEPT;
}

int alerts_limit(struct engine *engine, struct rule_state *rule, const struct relation *relation)
{
	int64_t n = 0;
	int64_t t_ms = engine->pass.t_ms;
	for (uint32_t slot = 0; slot < rule->instances.n; slot++) {
		if (rule->instances.items[slot].lset == LSET_NONE)
			continue;
		n += is_seen(rule, slot) ||
		     (rule->alerts[slot].state != ALERT_INACTIVE &&
		      fate_of(engine, rule, slot, relation) > FATE_ENDS_NO_DATA);
	}
	if (n <= rule->group->def->limit)
		return 0;
	for (uint32_t slot = 0; slot < rule->instances.n; slot++) {
		if (rule->instances.items[slot].lset == LSET_NONE)
			continue;
		struct alert *alert = &rule->alerts[slot];
		enum alert_state from = alert->state;
		if (from == ALERT_INACTIVE)
			continue;
		hold_set(engine, rule, alert, ALERT_NOT_HELD);
		state_set(engine, rule, alert, ALERT_INACTIVE);
		alert_tell(engine, rule, slot, from, ALERT_REASON_LIMIT, t_ms);
	}
	rule_error_set(rule, "exceeded limit of %lld with %lld alerts",
		       (long long)rule->group->def->limit, (long long)n);
	return ERR_EVAL;
}

/* In the result. */
static void advance_present(struct engine *engine, struct rule_state *rule, uint32_t slot,
			    double value)
{
	struct alert *alert = &rule->alerts[slot];
	alert->value = value;
	alert->keep_since_ms = alert->no_data_since_ms = TIME_NONE;
	alert->unseen = false;
	hold_set(engine, rule, alert, ALERT_NOT_HELD);
	if (alert->state != ALERT_INACTIVE)
		return;
	state_set(engine, rule, alert, ALERT_PENDING);
	alert->active_at_ms = engine->pass.t_ms;
	alert->fired_at_ms = TIME_NONE;
}

/* A timer begins, unless it runs. */
static void timer_start(int64_t *since_ms, int64_t t_ms)
{
	if (*since_ms == TIME_NONE)
		*since_ms = t_ms;
}

/* Not in the result. Why it ended, if it did. */
static enum alert_reason advance_absent(struct engine *engine, struct rule_state *rule,
					uint32_t slot, enum fate fate)
{
	static const enum alert_hold holds[] = {
		[FATE_SILENT] = ALERT_HELD_SILENT,
		[FATE_UNRESOLVED] = ALERT_HELD_UNRESOLVED,
		[FATE_NO_DATA] = ALERT_HELD_UNRESOLVED,
		[FATE_LEFT_ALONE] = ALERT_NOT_HELD,
	};
	struct alert *alert = &rule->alerts[slot];
	int64_t t_ms = engine->pass.t_ms;
	if (fate == FATE_LEFT_ALONE)
		return ALERT_REASON_NONE;
	hold_set(engine, rule, alert, holds[fate]);
	if (fate == FATE_KEPT)
		timer_start(&alert->keep_since_ms, t_ms);
	if (fate == FATE_NO_DATA)
		timer_start(&alert->no_data_since_ms, t_ms);
	else if (fate != FATE_SILENT)
		alert->no_data_since_ms = TIME_NONE;
	if (fate <= FATE_ENDS_NO_DATA)
		state_set(engine, rule, alert, ALERT_INACTIVE);
	return fate == FATE_ENDS_NO_DATA ? ALERT_REASON_NO_DATA : ALERT_REASON_NONE;
}

/* Pending long enough, or no longer long enough: `for` was raised by a reload. */
static void advance_timer(struct engine *engine, struct rule_state *rule, struct alert *alert)
{
	int64_t t_ms = engine->pass.t_ms;
	bool is_due = t_ms - alert->active_at_ms >= rule->def->for_ms;
	if (alert->state == ALERT_PENDING && is_due) {
		state_set(engine, rule, alert, ALERT_FIRING);
		alert->fired_at_ms = t_ms;
	} else if (alert->state == ALERT_FIRING && !is_due) {
		state_set(engine, rule, alert, ALERT_PENDING);
		alert->fired_at_ms = alert->keep_since_ms = alert->no_data_since_ms = TIME_NONE;
	}
}

static enum alert_reason advance(struct engine *engine, struct rule_state *rule, uint32_t slot,
				 const struct relation *relation)
{
	struct alert *alert = &rule->alerts[slot];
	if (is_seen(rule, slot)) {
		advance_present(engine, rule, slot,
				relation->values[rule->instances.items[slot].row]);
		advance_timer(engine, rule, alert);
		return ALERT_REASON_NONE;
	}
	if (alert->state == ALERT_INACTIVE)
		return ALERT_REASON_NONE;
	enum fate fate = fate_of(engine, rule, slot, relation);
	enum alert_reason reason = advance_absent(engine, rule, slot, fate);
	if (fate != FATE_SILENT && fate != FATE_LEFT_ALONE)
		advance_timer(engine, rule, alert);
	return reason;
}

/* What is told of an alert beside its state. */
struct before {
	enum alert_state state;
	enum alert_hold hold;
	int64_t keep_since_ms, no_data_since_ms;
};

/* Tells what advance() changed. */
static void report(struct engine *engine, struct rule_state *rule, uint32_t slot,
		   const struct before *before, enum alert_reason reason)
{
	struct alert *alert = &rule->alerts[slot];
	enum alert_state from = before->state;
	int64_t t_ms = engine->pass.t_ms;
	if (alert->state != from) {
		/* With no `for` an alert passes through pending at once: it is told as going from
		 * there. */
		bool skipped = from == ALERT_INACTIVE && alert->state == ALERT_FIRING;
		if (alert->state == ALERT_FIRING)
			alert_evidence_take(engine, rule, slot);
		alert_tell(engine, rule, slot, skipped ? ALERT_PENDING : from, reason, t_ms);
		return;
	}
	if (alert->state == ALERT_INACTIVE)
		return;
	if (alert->keep_since_ms != before->keep_since_ms ||
	    alert->no_data_since_ms != before->no_data_since_ms || alert->hold != before->hold)
		alert_note(engine, rule, slot, t_ms);
	bool is_refreshed = t_ms - alert->refreshed_ms >= REFRESH_MS ||
			    (alert->told_unsettled && rule_is_settled(rule, t_ms));
	if (alert->hold != before->hold || (from == ALERT_FIRING && is_refreshed))
		alert_tell(engine, rule, slot, from, ALERT_REASON_REFRESH, t_ms);
}

void alerts_commit_slot(struct engine *engine, struct rule_state *rule, uint32_t slot,
			const struct relation *relation)
{
	struct alert *alert = &rule->alerts[slot];
	const struct before before = { alert->state, alert->hold, alert->keep_since_ms,
				       alert->no_data_since_ms };
	enum alert_reason reason = advance(engine, rule, slot, relation);
	report(engine, rule, slot, &before, reason);
	if (alert->state != ALERT_INACTIVE) {
		alert_series_write(engine, rule, slot, engine->pass.query_ms);
		return;
	}
	alert_series_end(engine, alert, engine->pass.query_ms);
	alert_clear(engine, alert);
	instances_remove(&rule->instances, engine->lsets, slot);
}

void alerts_rebase(struct engine *engine, struct rule_state *rule, int64_t skipped_ms)
{
	for (uint32_t slot = 0; slot < rule->instances.n; slot++) {
		if (rule->instances.items[slot].lset == LSET_NONE)
			continue;
		struct alert *alert = &rule->alerts[slot];
		int64_t *const timers[] = {
			alert->state == ALERT_PENDING ? &alert->active_at_ms : NULL,
			alert->state == ALERT_FIRING ? &alert->keep_since_ms : NULL,
			alert->state == ALERT_FIRING ? &alert->no_data_since_ms : NULL,
		};
		bool moved = false;
		for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
			if (timers[i] && *timers[i] != TIME_NONE) {
				*timers[i] += skipped_ms;
				moved = true;
			}
		if (!moved)
			continue;
		alert_note(engine, rule, slot, engine->now_ms);
	}
}

bool alerts_remove(struct engine *engine, struct rule_state *rule, uint32_t *at, int64_t *units)
{
	for (; *at < rule->instances.n; ++*at) {
		uint32_t slot = *at;
		if (rule->instances.items[slot].lset == LSET_NONE)
			continue;
		if (*units <= 0)
			return false;
		*units -= UNITS_BIRTH;
		struct alert *alert = &rule->alerts[slot];
		enum alert_state from = alert->state;
		if (from != ALERT_INACTIVE) {
			hold_set(engine, rule, alert, ALERT_NOT_HELD);
			state_set(engine, rule, alert, ALERT_INACTIVE);
			alert_tell(engine, rule, slot, from, ALERT_REASON_RULE_REMOVED,
				   engine->now_ms);
		}
		/* Just after the newest sample, so that whoever writes these series next does not
		 * collide. */
		alert_series_end(engine, alert, rule->last_query_ms + 1);
		alert_clear(engine, alert);
		instances_remove(&rule->instances, engine->lsets, slot);
	}
	return true;
}
