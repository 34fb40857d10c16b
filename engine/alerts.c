/*
 * The alert state machine, after AlertingRule.Eval of Prometheus: inactive → pending → firing →
 * inactive, per label set.
 *
 *   in the result        pending since then, unless active already; firing once that has lasted
 * `for` not in the result    pending: gone; firing: kept for keep_firing_for, then resolved neither
 * an evaluation that failed, or a rule that is warming, changes nothing
 *
 * Beyond Prometheus: an alert whose input ended without a stale marker while its sender is silent
 * is held as it is; and alerts dropped by a limit or with their rule are told as ended, because
 * somebody may have heard them fire.
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

static void held_set(const struct engine *engine, struct rule_state *rule, struct alert *alert,
		     bool held)
{
	if (held && !alert->held)
		alert->held_since_ms = engine->now_ms;
	rule->nheld += (uint32_t)held - (uint32_t)alert->held;
	alert->held = held;
}

void alert_state_restore(struct engine *engine, struct rule_state *rule, uint32_t slot,
			 enum alert_state state, bool held)
{
	state_set(engine, rule, &rule->alerts[slot], state);
	held_set(engine, rule, &rule->alerts[slot], held);
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
	return (alert->held || alert->unseen) && senders_silent_since(engine, alert->held_since_ms);
}

static bool is_seen(const struct rule_state *rule, uint32_t slot)
{
	return rule->instances.items[slot].seen == rule->evaluation;
}

/* Would keep_firing_for keep it now? */
static bool must_keep(const struct rule_state *rule, const struct alert *alert, int64_t t_ms)
{
	if (alert->state != ALERT_FIRING || rule->def->keep_firing_for_ms <= 0)
		return false;
	return alert->keep_since_ms == TIME_NONE ||
	       t_ms - alert->keep_since_ms < rule->def->keep_firing_for_ms;
}

int alerts_limit(struct engine *engine, struct rule_state *rule, const struct relation *relation)
{
	int64_t n = 0;
	int64_t t_ms = engine->pass.t_ms;
	for (uint32_t slot = 0; slot < rule->instances.n; slot++) {
		if (rule->instances.items[slot].lset == LSET_NONE)
			continue;
		const struct alert *alert = &rule->alerts[slot];
		bool stays =
			alert->state != ALERT_INACTIVE &&
			(must_hold(engine, rule, slot, relation) || must_keep(rule, alert, t_ms));
		n += is_seen(rule, slot) || stays;
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
		held_set(engine, rule, alert, false);
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
	alert->keep_since_ms = TIME_NONE;
	alert->unseen = false;
	held_set(engine, rule, alert, false);
	if (alert->state != ALERT_INACTIVE)
		return;
	state_set(engine, rule, alert, ALERT_PENDING);
	alert->active_at_ms = engine->pass.t_ms;
	alert->fired_at_ms = TIME_NONE;
}

/* Not in the result, not held. False: it ended. */
static bool advance_absent(struct engine *engine, struct rule_state *rule, uint32_t slot)
{
	struct alert *alert = &rule->alerts[slot];
	held_set(engine, rule, alert, false);
	if (must_keep(rule, alert, engine->pass.t_ms)) {
		if (alert->keep_since_ms == TIME_NONE)
			alert->keep_since_ms = engine->pass.t_ms;
		return true;
	}
	state_set(engine, rule, alert, ALERT_INACTIVE);
	return false;
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
		alert->fired_at_ms = alert->keep_since_ms = TIME_NONE;
	}
}

static void advance(struct engine *engine, struct rule_state *rule, uint32_t slot,
		    const struct relation *relation)
{
	struct alert *alert = &rule->alerts[slot];
	if (is_seen(rule, slot)) {
		advance_present(engine, rule, slot,
				relation->values[rule->instances.items[slot].row]);
		advance_timer(engine, rule, alert);
	} else if (alert->state != ALERT_INACTIVE) {
		if (must_hold(engine, rule, slot, relation))
			held_set(engine, rule, alert, true);
		else if (advance_absent(engine, rule, slot))
			advance_timer(engine, rule, alert);
	}
}

/* Tells what advance() changed. */
static void report(struct engine *engine, struct rule_state *rule, uint32_t slot,
		   enum alert_state from, bool was_held, int64_t kept_since_ms)
{
	struct alert *alert = &rule->alerts[slot];
	int64_t t_ms = engine->pass.t_ms;
	if (alert->state != from) {
		/* With no `for` an alert passes through pending at once: it is told as going from
		 * there. */
		bool skipped = from == ALERT_INACTIVE && alert->state == ALERT_FIRING;
		if (alert->state == ALERT_FIRING)
			alert_evidence_take(engine, rule, slot);
		alert_tell(engine, rule, slot, skipped ? ALERT_PENDING : from, ALERT_REASON_NONE,
			   t_ms);
		return;
	}
	if (alert->state == ALERT_INACTIVE)
		return;
	if (alert->keep_since_ms != kept_since_ms || alert->held != was_held)
		alert_note(engine, rule, slot, t_ms);
	bool is_refreshed = t_ms - alert->refreshed_ms >= REFRESH_MS ||
			    (alert->told_unsettled && rule_is_settled(rule, t_ms));
	if (alert->held != was_held || (from == ALERT_FIRING && is_refreshed))
		alert_tell(engine, rule, slot, from, ALERT_REASON_REFRESH, t_ms);
}

static void commit_slot(struct engine *engine, struct rule_state *rule, uint32_t slot,
			const struct relation *relation)
{
	struct alert *alert = &rule->alerts[slot];
	enum alert_state from = alert->state;
	bool was_held = alert->held;
	int64_t kept_since_ms = alert->keep_since_ms;
	advance(engine, rule, slot, relation);
	report(engine, rule, slot, from, was_held, kept_since_ms);
	if (alert->state != ALERT_INACTIVE) {
		alert_series_write(engine, rule, slot, engine->pass.query_ms);
		return;
	}
	alert_series_end(engine, alert, engine->pass.query_ms);
	alert_clear(engine, alert);
	instances_remove(&rule->instances, engine->lsets, slot);
}

int alerts_commit(struct engine *engine, struct rule_state *rule, const struct relation *relation,
		  int64_t *units)
{
	struct pass *pass = &engine->pass;
	for (; pass->at < rule->instances.n; pass->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= 1;
		if (rule->instances.items[pass->at].lset == LSET_NONE)
			continue;
		commit_slot(engine, rule, pass->at, relation);
		*units -= UNITS_INSTANCE;
	}
	return 0;
}

void alerts_rebase(struct engine *engine, struct rule_state *rule, int64_t skipped_ms)
{
	for (uint32_t slot = 0; slot < rule->instances.n; slot++) {
		if (rule->instances.items[slot].lset == LSET_NONE)
			continue;
		struct alert *alert = &rule->alerts[slot];
		if (alert->state == ALERT_PENDING)
			alert->active_at_ms += skipped_ms;
		else if (alert->state == ALERT_FIRING && alert->keep_since_ms != TIME_NONE)
			alert->keep_since_ms += skipped_ms;
		else
			continue;
		alert_note(engine, rule, slot, engine->now_ms);
	}
}

void alerts_remove(struct engine *engine, struct rule_state *rule)
{
	for (uint32_t slot = 0; slot < rule->instances.n; slot++) {
		if (rule->instances.items[slot].lset == LSET_NONE)
			continue;
		struct alert *alert = &rule->alerts[slot];
		enum alert_state from = alert->state;
		if (from != ALERT_INACTIVE) {
			held_set(engine, rule, alert, false);
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
}
