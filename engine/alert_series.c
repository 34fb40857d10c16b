/*
 * What is seen of an alert: events, journal records, and the series ALERTS and ALERTS_FOR_STATE as
 * Prometheus writes them.
 */
#include "engine/engine_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/text.h"

/* The blobs that leave the engine, made once in the life of an alert (the second one anew with
 * another row). */
static int labels_make(struct engine *engine, const struct instance *instance, struct alert *alert)
{
	if (!alert->labels)
		alert->labels = lset_to_labels(engine->lsets, instance->lset);
	if (alert->expr_labels && alert->expr_labels_of != instance->expr_lset) {
		labels_unref(alert->expr_labels);
		alert->expr_labels = NULL;
	}
	if (!alert->expr_labels)
		alert->expr_labels = lset_to_labels(engine->lsets, instance->expr_lset);
	alert->expr_labels_of = instance->expr_lset;
	return alert->labels && alert->expr_labels ? 0 : ERR_NOMEM;
}

/*
 * Runbooks may act on a rule that has run, warm, without a break for as long as its alerts take to
 * fire, and at least for two intervals. Where warming is switched off this gate is, too.
 */
bool rule_is_settled(const struct rule_state *rule, int64_t at_ms)
{
	const struct group_state *group = rule->group;
	if (group->always_warm)
		return true;
	int64_t need_ms = 2 * group->def->interval_ms;
	if (rule->def->for_ms > need_ms)
		need_ms = rule->def->for_ms;
	return rule->warm_since_ms != TIME_NONE && at_ms - rule->warm_since_ms >= need_ms;
}

struct alert_event *alert_event_make(struct engine *engine, struct rule_state *rule, uint32_t slot,
				     enum alert_state from, enum alert_reason reason, int64_t at_ms)
{
	struct alert *alert = &rule->alerts[slot];
	struct alert_event *event = alert_event_new();
	if (!event || labels_make(engine, &rule->instances.items[slot], alert)) {
		alert_event_free(event);
		return NULL;
	}
	event->from = from;
	event->state = alert->state;
	event->reason = reason;
	event->labels = labels_ref(alert->labels);
	event->expr_labels = labels_ref(alert->expr_labels);
	event->value = alert->value;
	event->at_ms = at_ms;
	event->active_at_ms = alert->active_at_ms;
	event->fired_at_ms = alert->fired_at_ms;
	event->keep_since_ms = alert->keep_since_ms;
	event->no_data_since_ms = alert->no_data_since_ms;
	event->resolved_at_ms =
		from == ALERT_FIRING && alert->state != ALERT_FIRING ? at_ms : TIME_NONE;
	event->file = slice_dup(rule->group->def->file);
	event->group = slice_dup(rule->group->def->name);
	event->rule = slice_dup(rule->def->name);
	event->rules = rule_set_ref(rule->set);
	event->rule_id = rule->def->id;
	event->settled = rule_is_settled(rule, at_ms);
	event->hold = alert->hold;
	event->evidence = alert->evidence ? evidence_ref(alert->evidence) : NULL;
	event->asked = alert->asked ? query_results_ref(alert->asked) : NULL;
	if (!event->file || !event->group || !event->rule) {
		alert_event_free(event);
		return NULL;
	}
	return event;
}

/* Without memory for an event the change is not told now; a refresh tells of it within a minute. */
void alert_tell(struct engine *engine, struct rule_state *rule, uint32_t slot,
		enum alert_state from, enum alert_reason reason, int64_t at_ms)
{
	struct alert_event *event = alert_event_make(engine, rule, slot, from, reason, at_ms);
	if (!event)
		return;
	rule->alerts[slot].refreshed_ms = at_ms;
	rule->alerts[slot].told_unsettled = !event->settled;
	if (reason != ALERT_REASON_REFRESH && reason != ALERT_REASON_RESTORED)
		emit_alert(engine, event);
	engine->stats.events++;
	engine->sink.event(engine->sink.ctx, event);
}

void alert_note(struct engine *engine, struct rule_state *rule, uint32_t slot, int64_t at_ms)
{
	if (!engine->options.journal && !engine->sink.note)
		return;
	enum alert_state state = rule->alerts[slot].state;
	struct alert_event *event =
		alert_event_make(engine, rule, slot, state, ALERT_REASON_NONE, at_ms);
	if (event) {
		emit_alert(engine, event);
		if (engine->sink.note)
			engine->sink.note(engine->sink.ctx, event);
	}
	alert_event_free(event);
}

/* Labels of the alert with another metric name, and with alertstate if a symbol is given. A
 * reference. */
static uint32_t series_lset(struct engine *engine, uint32_t lset, uint32_t name, uint32_t state)
{
	uint32_t named = lset_with(engine->lsets, lset, engine->symbol.name, name);
	if (named == LSET_NONE || state == SYMBOL_NONE)
		return named;
	uint32_t result = lset_with(engine->lsets, named, engine->symbol.alertstate, state);
	lset_unref(engine->lsets, named);
	return result;
}

static struct series *series_take(struct engine *engine, uint32_t lset, uint32_t name,
				  uint32_t state)
{
	uint32_t labels = series_lset(engine, lset, name, state);
	if (labels == LSET_NONE)
		return NULL;
	struct series *series = local_series_take(engine, labels);
	lset_unref(engine->lsets, labels);
	return series;
}

void alert_series_take(struct engine *engine, struct rule_state *rule, uint32_t slot)
{
	struct alert *alert = &rule->alerts[slot];
	uint32_t lset = rule->instances.items[slot].lset;
	if (!alert->state_series) {
		uint32_t state = alert->state == ALERT_FIRING ? engine->symbol.firing
							      : engine->symbol.pending;
		alert->state_series = series_take(engine, lset, engine->symbol.alerts, state);
		alert->series_state = alert->state;
	}
	if (!alert->for_series)
		alert->for_series =
			series_take(engine, lset, engine->symbol.alerts_for_state, SYMBOL_NONE);
}

void alert_series_write(struct engine *engine, struct rule_state *rule, uint32_t slot,
			int64_t query_ms)
{
	struct alert *alert = &rule->alerts[slot];
	if (alert->state_series && alert->series_state != alert->state)
		local_series_end(engine, &alert->state_series, query_ms);
	alert_series_take(engine, rule, slot);
	if (alert->state_series)
		write_local(engine, alert->state_series, query_ms, bits_of_double(1));
	/* Whole seconds, as time.Unix() gives them. */
	if (alert->for_series)
		write_local(engine, alert->for_series, query_ms,
			    bits_of_double(floor((double)alert->active_at_ms / 1000)));
}

void alert_series_end(struct engine *engine, struct alert *alert, int64_t query_ms)
{
	local_series_end(engine, &alert->state_series, query_ms);
	local_series_end(engine, &alert->for_series, query_ms);
}

void alert_clear(struct engine *engine, struct alert *alert)
{
	if (alert->state_series)
		series_unpin(engine->store, alert->state_series);
	if (alert->for_series)
		series_unpin(engine->store, alert->for_series);
	labels_unref(alert->labels);
	labels_unref(alert->expr_labels);
	evidence_unref(alert->evidence);
	query_results_unref(alert->asked);
	*alert = (struct alert){ .state = ALERT_INACTIVE };
}
