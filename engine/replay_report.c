#include "engine/replay_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

#define SLOTS_MIN 256u

const char *replay_change_text(enum replay_change change)
{
	static const char *const texts[] = {
#define X(id, text) [id] = text,
		REPLAY_CHANGE_LIST(X)
#undef X
	};
	return texts[change];
}

const char *replay_difference_text(enum replay_difference_kind kind)
{
	static const char *const texts[] = {
#define X(id, text) [id] = text,
		REPLAY_DIFFERENCE_LIST(X)
#undef X
	};
	return texts[kind];
}

/* ---- alerts and spells ---- */

static uint32_t *slot_of(const struct replay_report *report, uint32_t rule_id,
			 const struct labels *labels)
{
	uint32_t at = (uint32_t)(labels_fingerprint(labels) + rule_id) & report->mask;
	for (; report->slots[at]; at = (at + 1) & report->mask) {
		const struct replay_alert *alert = &report->alerts[report->slots[at] - 1];
		if (alert->rule_id == rule_id && labels_is_equal(alert->labels, labels))
			break;
	}
	return &report->slots[at];
}

static bool slots_grow(struct replay_report *report)
{
	uint32_t mask = report->mask ? 2 * report->mask + 1 : SLOTS_MIN - 1;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return false;
	free(report->slots);
	report->slots = slots;
	report->mask = mask;
	for (uint32_t i = 0; i < report->nalerts; i++)
		*slot_of(report, report->alerts[i].rule_id, report->alerts[i].labels) = i + 1;
	return true;
}

/* NULL: there is no room, which is noted. */
static struct replay_alert *alert_get(struct replay_report *report, const struct alert_event *event)
{
	if (2 * report->nalerts >= report->mask && !slots_grow(report)) {
		report->failed = true;
		return NULL;
	}
	uint32_t *slot = slot_of(report, event->rule_id, event->labels);
	if (*slot)
		return &report->alerts[*slot - 1];
	if (report->nalerts == report->alerts_max)
		return NULL;
	if (!ARRAY_RESERVE(&report->alerts, report->nalerts, &report->alerts_cap)) {
		report->failed = true;
		return NULL;
	}
	report->alerts[report->nalerts] = (struct replay_alert){
		.rule_id = event->rule_id,
		.labels = labels_ref(event->labels),
		.first = REPLAY_NONE,
		.last = REPLAY_NONE,
		.held_since_ms = TIME_NONE,
	};
	*slot = ++report->nalerts;
	return &report->alerts[report->nalerts - 1];
}

static struct replay_spell *spell_now(const struct replay_report *report,
				      const struct replay_alert *alert)
{
	return alert->last == REPLAY_NONE ? NULL : &report->spells[alert->last];
}

static void spell_begin(struct replay_report *report, struct replay_alert *alert,
			const struct alert_event *event)
{
	if (report->nspells == report->spells_max) {
		report->dropped++;
		return;
	}
	if (!ARRAY_RESERVE(&report->spells, report->nspells, &report->spells_cap)) {
		report->failed = true;
		return;
	}
	struct replay_spell *last = spell_now(report, alert);
	uint32_t index = report->nspells++;
	report->spells[index] = (struct replay_spell){
		.alert = (uint32_t)(alert - report->alerts),
		.next = REPLAY_NONE,
		.pending_ms = event->active_at_ms,
		.fired_ms = TIME_NONE,
		.ended_ms = TIME_NONE,
		.value = event->value,
	};
	if (last)
		last->next = index;
	else
		alert->first = index;
	alert->last = index;
}

static void held_end(struct replay_report *report, struct replay_alert *alert, int64_t at_ms)
{
	struct replay_spell *spell = spell_now(report, alert);
	if (alert->held_since_ms != TIME_NONE && spell)
		spell->held_ms += at_ms - alert->held_since_ms;
	alert->held_since_ms = TIME_NONE;
}

static void spell_end(struct replay_report *report, struct replay_alert *alert, int64_t at_ms)
{
	struct replay_spell *spell = spell_now(report, alert);
	held_end(report, alert, at_ms);
	alert->state = ALERT_INACTIVE;
	alert->unconfirmed = false;
	if (spell && spell->ended_ms == TIME_NONE)
		spell->ended_ms = at_ms;
}

/* ---- events ---- */

static bool is_kept(const struct alert_event *event)
{
	return event->hold != ALERT_NOT_HELD || event->keep_since_ms != TIME_NONE;
}

static enum replay_change hold(struct replay_report *report, struct replay_alert *alert,
			       const struct alert_event *event)
{
	bool was_held = alert->held_since_ms != TIME_NONE, held = is_kept(event);
	if (held == was_held)
		return REPLAY_NOTHING;
	if (!held) {
		held_end(report, alert, event->at_ms);
		return REPLAY_RELEASED;
	}
	alert->held_since_ms = event->at_ms;
	return REPLAY_HELD;
}

static enum replay_change fire(struct replay_report *report, struct replay_alert *alert,
			       const struct alert_event *event)
{
	struct replay_spell *spell = spell_now(report, alert);
	alert->state = ALERT_FIRING;
	if (!spell)
		return REPLAY_FIRING;
	spell->fired_ms = event->fired_at_ms;
	spell->value = event->value;
	return REPLAY_FIRING;
}

static enum replay_change active(struct replay_report *report, struct replay_alert *alert,
				 const struct alert_event *event)
{
	enum alert_state before = alert->state;
	/* It went on through a restart, or did not and began anew meanwhile. */
	if (alert->unconfirmed && before == event->state) {
		alert->unconfirmed = false;
		return hold(report, alert, event);
	}
	if (before == ALERT_FIRING && event->state == ALERT_PENDING) {
		spell_end(report, alert, event->at_ms);
		before = ALERT_INACTIVE;
	}
	if (before == ALERT_INACTIVE)
		spell_begin(report, alert, event);
	alert->unconfirmed = false;
	if (event->state == ALERT_FIRING && before != ALERT_FIRING)
		return fire(report, alert, event);
	if (before == ALERT_INACTIVE) {
		alert->state = ALERT_PENDING;
		return REPLAY_PENDING;
	}
	return hold(report, alert, event);
}

enum replay_change replay_report_event(struct replay_report *report,
				       const struct alert_event *event)
{
	/* Of a rule that is no more: the storage knew its alert. */
	if (event->rules != report->set)
		return REPLAY_NOTHING;
	struct replay_alert *alert = alert_get(report, event);
	if (!alert) {
		report->dropped++;
		return REPLAY_NOTHING;
	}
	enum replay_change change = REPLAY_NOTHING;
	if (event->state != ALERT_INACTIVE) {
		change = active(report, alert, event);
	} else if (alert->state != ALERT_INACTIVE) {
		change = alert->state == ALERT_FIRING ? REPLAY_RESOLVED : REPLAY_INACTIVE;
		spell_end(report, alert, event->at_ms);
	}
	return report->from_ms != TIME_NONE && event->at_ms < report->from_ms ? REPLAY_NOTHING
									      : change;
}

static void lose_unconfirmed(struct replay_report *report)
{
	for (uint32_t i = 0; i < report->nalerts; i++)
		if (report->alerts[i].unconfirmed)
			spell_end(report, &report->alerts[i], report->session_ms);
}

void replay_report_session(struct replay_report *report, int64_t t_ms)
{
	lose_unconfirmed(report);
	report->session_ms = t_ms;
	for (uint32_t i = 0; i < report->nalerts; i++)
		report->alerts[i].unconfirmed = report->alerts[i].state != ALERT_INACTIVE;
}

/* ---- the sum ---- */

static bool has_fired(const struct replay_report *report, const struct replay_spell *spell)
{
	return spell->fired_ms != TIME_NONE && spell->fired_ms >= report->from_ms;
}

static int64_t end_of(const struct replay_report *report, const struct replay_spell *spell)
{
	return spell->ended_ms == TIME_NONE ? report->to_ms : spell->ended_ms;
}

static void count_spells(struct replay_report *report, const struct replay_alert *alert)
{
	struct replay_rule *rule = &report->rules[alert->rule_id];
	int64_t ended_ms = TIME_NONE;
	bool is_told = false;
	for (uint32_t i = alert->first; i != REPLAY_NONE; i = report->spells[i].next) {
		const struct replay_spell *spell = &report->spells[i];
		if (spell->fired_ms == TIME_NONE && end_of(report, spell) >= report->from_ms) {
			rule->only_pending++;
			is_told = true;
		}
		if (!has_fired(report, spell))
			continue;
		is_told = true;
		rule->fired++;
		rule->held_ms += spell->held_ms;
		rule->going_on += spell->ended_ms == TIME_NONE;
		rule->flaps +=
			ended_ms != TIME_NONE && spell->fired_ms - ended_ms <= report->flap_ms;
		ended_ms = spell->ended_ms;
	}
	rule->alerts += is_told;
}

/* By rule, then by time. */
struct stretch {
	uint32_t rule_id;
	int64_t from_ms, to_ms;
};

static int by_rule(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;
	if (x->rule_id != y->rule_id)
		return x->rule_id < y->rule_id ? -1 : 1;
	if (x->from_ms != y->from_ms)
		return x->from_ms < y->from_ms ? -1 : 1;
	return (x->to_ms > y->to_ms) - (x->to_ms < y->to_ms);
}

static int by_length(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;
	int64_t i = x->to_ms - x->from_ms, j = y->to_ms - y->from_ms;
	return (i > j) - (i < j);
}

static void sum_rule(struct replay_rule *rule, struct stretch *stretches, size_t n)
{
	int64_t until_ms = INT64_MIN;
	for (size_t i = 0; i < n; i++) {
		int64_t from_ms = stretches[i].from_ms > until_ms ? stretches[i].from_ms : until_ms;
		if (stretches[i].to_ms > from_ms)
			rule->firing_ms += stretches[i].to_ms - from_ms;
		if (stretches[i].to_ms > until_ms)
			until_ms = stretches[i].to_ms;
	}
	qsort(stretches, n, sizeof(*stretches), by_length);
	rule->median_ms = stretches[n / 2].to_ms - stretches[n / 2].from_ms;
	rule->longest_ms = stretches[n - 1].to_ms - stretches[n - 1].from_ms;
}

static int sum_rules(struct replay_report *report)
{
	struct stretch *all = reallocarray(NULL, report->nspells + 1, sizeof(*all));
	size_t n = 0;
	if (!all)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < report->nspells; i++) {
		const struct replay_spell *spell = &report->spells[i];
		if (has_fired(report, spell))
			all[n++] = (struct stretch){ report->alerts[spell->alert].rule_id,
						     spell->fired_ms, end_of(report, spell) };
	}
	qsort(all, n, sizeof(*all), by_rule);
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i; next < n && all[next].rule_id == all[i].rule_id;)
			next++;
		sum_rule(&report->rules[all[i].rule_id], all + i, next - i);
	}
	free(all);
	return 0;
}

int replay_report_end(struct replay_report *report, int64_t from_ms, int64_t to_ms)
{
	lose_unconfirmed(report);
	if (report->from_ms == TIME_NONE)
		report->from_ms = from_ms;
	report->to_ms = to_ms;
	for (uint32_t i = 0; i < report->nalerts; i++) {
		struct replay_alert *alert = &report->alerts[i];
		if (alert->held_since_ms != TIME_NONE) {
			held_end(report, alert, to_ms);
			alert->held_since_ms = to_ms;
		}
		count_spells(report, alert);
	}
	return report->failed ? ERR_NOMEM : sum_rules(report);
}

/* ---- life ---- */

int replay_report_init(struct replay_report *report, struct rule_set *rules, int64_t from_ms,
		       int64_t flap_ms)
{
	*report = (struct replay_report){ .set = rule_set_ref(rules),
					  .from_ms = from_ms,
					  .to_ms = TIME_NONE,
					  .flap_ms = flap_ms,
					  .alerts_max = REPLAY_ALERTS_MAX,
					  .spells_max = REPLAY_SPELLS_MAX };
	report->rules = calloc(rules->nrules + 1, sizeof(*report->rules));
	if (!report->rules) {
		rule_set_unref(rules);
		return ERR_NOMEM;
	}
	for (uint32_t g = 0; g < rules->ngroups; g++)
		for (uint32_t r = 0; r < rules->groups[g].nrules; r++) {
			const struct rule *rule = &rules->groups[g].rules[r];
			report->rules[rule->id].def = rule;
			report->rules[rule->id].group = &rules->groups[g];
		}
	return 0;
}

void replay_report_fini(struct replay_report *report)
{
	for (uint32_t i = 0; i < report->nalerts; i++)
		labels_unref(report->alerts[i].labels);
	free(report->alerts);
	free(report->spells);
	free(report->slots);
	free(report->rules);
	rule_set_unref(report->set);
	*report = (struct replay_report){ 0 };
}
