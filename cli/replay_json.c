/* What "tocsin replay --format json" prints: the same for the same data and rules, byte for byte.
 */
#include <stdio.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/replay.h"

static void add_time(struct json_writer *w, const char *key, int64_t ms)
{
	if (ms != TIME_NONE) {
		json_field_time(w, key, ms);
		return;
	}
	json_key(w, key);
	json_nil(w);
}

static void add_labels(struct json_writer *w, const struct labels *labels)
{
	char fingerprint[17];

	snprintf(fingerprint, sizeof(fingerprint), "%016llx",
		 (unsigned long long)labels_fingerprint(labels));
	json_field_labels(w, "labels", labels);
	json_field_string(w, "fingerprint", slice_from(fingerprint));
}

void replay_json_begin(struct buf *out)
{
	buf_add_str(out, "{\"events\":[");
}

void replay_json_event(const struct alert_event *event, enum replay_change change, bool is_first,
		       struct buf *out)
{
	struct json_writer w;

	buf_add_str(out, is_first ? "\n" : ",\n");
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_field_time(&w, "at", event->at_ms);
	json_field_string(&w, "change", slice_from(replay_change_text(change)));
	json_field_string(&w, "group", slice_from(event->group));
	add_labels(&w, event->labels);
	json_key(&w, "value");
	json_number(&w, event->value);
	add_time(&w, "activeAt", event->active_at_ms);
	add_time(&w, "firedAt", event->fired_at_ms);
	add_time(&w, "resolvedAt", event->resolved_at_ms);
	if (change == REPLAY_HELD)
		json_field_string(&w, "held_by",
				  event->hold == ALERT_NOT_HELD
					  ? SLICE("keep_firing_for")
					  : slice_from(alert_hold_text(event->hold)));
	json_end_object(&w);
}

static void add_spell(struct json_writer *w, const struct replay_spell *spell)
{
	json_begin_object(w);
	add_time(w, "pendingAt", spell->pending_ms);
	add_time(w, "firedAt", spell->fired_ms);
	add_time(w, "endedAt", spell->ended_ms);
	json_field_int(w, "held_ms", spell->held_ms);
	json_key(w, "value");
	json_number(w, spell->value);
	json_end_object(w);
}

static void add_alerts(struct json_writer *w, const struct replay_report *report)
{
	json_key(w, "alerts");
	json_begin_array(w);
	for (uint32_t i = 0; i < report->nalerts; i++) {
		const struct replay_alert *alert = &report->alerts[i];

		buf_add_char(w->out, '\n');
		json_begin_object(w);
		add_labels(w, alert->labels);
		json_key(w, "spells");
		json_begin_array(w);
		for (uint32_t s = alert->first; s != REPLAY_NONE; s = report->spells[s].next)
			add_spell(w, &report->spells[s]);
		json_end_array(w);
		json_end_object(w);
	}
	json_end_array(w);
}

static void add_rules(struct json_writer *w, const char *key, const struct replay_report *report)
{
	json_key(w, key);
	json_begin_array(w);
	for (uint32_t i = 0; i < report->set->nrules; i++) {
		const struct replay_rule *rule = &report->rules[i];

		if (rule->def->kind != RULE_ALERT)
			continue;
		buf_add_char(w->out, '\n');
		json_begin_object(w);
		json_field_string(w, "group", rule->group->name);
		json_field_string(w, "name", rule->def->name);
		json_field_int(w, "fired", rule->fired);
		json_field_int(w, "alerts", rule->alerts);
		json_field_int(w, "only_pending", rule->only_pending);
		json_field_int(w, "flaps", rule->flaps);
		json_field_int(w, "firing_at_end", rule->going_on);
		json_field_int(w, "firing_ms", rule->firing_ms);
		json_field_int(w, "median_ms", rule->median_ms);
		json_field_int(w, "longest_ms", rule->longest_ms);
		json_field_int(w, "held_ms", rule->held_ms);
		json_end_object(w);
	}
	json_end_array(w);
}

static void add_differences(struct json_writer *w, const struct replay_told *told)
{
	json_key(w, "differences");
	json_begin_array(w);
	for (size_t i = 0; i < told->ndifferences; i++) {
		const struct replay_difference *difference = &told->differences[i];

		buf_add_char(w->out, '\n');
		json_begin_object(w);
		json_field_string(w, "kind", slice_from(replay_difference_text(difference->kind)));
		add_labels(w, difference->labels);
		if (difference->before) {
			json_key(w, "before");
			add_spell(w, difference->before);
		}
		if (difference->after) {
			json_key(w, "after");
			add_spell(w, difference->after);
		}
		json_end_object(w);
	}
	json_end_array(w);
}

static void add_recording(struct json_writer *w, const struct replay_result *result)
{
	json_key(w, "recording");
	json_begin_object(w);
	json_field_int(w, "sessions", (int64_t)result->sessions);
	json_field_bool(w, "rechecked", result->rechecked);
	json_field_bool(w, "begins_late", result->begins_late);
	json_field_bool(w, "other_rules", result->others);
	add_time(w, "other_rules_since", result->others_ms);
	json_field_string(w, "end", slice_from(recording_end_text(result->end)));
	json_field_int(w, "torn_bytes", (int64_t)result->torn_bytes);
	json_field_int(w, "live_events", (int64_t)result->live_events);
	json_field_int(w, "live_events_equal", (int64_t)result->live_compared);
	json_field_bool(w, "live_differs", result->live_differs);
	if (result->live_differs) {
		add_time(w, "differs_at", result->differs_ms);
		json_field_string(w, "differs", slice_from(result->differs_what));
	}
	json_end_object(w);
}

static void add_failed(struct json_writer *w, const struct replay_result *result)
{
	json_key(w, "failed_rules");
	json_begin_array(w);
	for (size_t i = 0; i < result->nfailed; i++) {
		json_begin_object(w);
		json_field_string(w, "name", slice_from(result->failed[i].rule));
		json_field_string(w, "error", slice_from(result->failed[i].why));
		add_time(w, "first", result->failed[i].first_ms);
		json_end_object(w);
	}
	json_end_array(w);
}

void replay_json_end(const struct replay_told *told, struct buf *out)
{
	const struct replay_result *result = told->result;
	struct json_writer w;

	buf_add_str(out, "],\n\"summary\":");
	json_writer_init(&w, out);
	json_begin_object(&w);
	add_time(&w, "from", result->from_ms);
	add_time(&w, "to", result->to_ms);
	json_field_int(&w, "samples", (int64_t)result->samples);
	json_field_int(&w, "evaluations", (int64_t)result->evaluations);
	json_field_int(&w, "failures", (int64_t)result->failures);
	add_failed(&w, result);
	json_field_int(&w, "missed_ticks", (int64_t)result->missed);
	json_field_int(&w, "rules_never_run", result->warming);
	json_field_int(&w, "events_not_counted", (int64_t)told->report->dropped);
	json_field_int(&w, "entries_not_read",
		       (int64_t)result->passed.not_files + result->passed.hidden +
			       result->passed.headers);
	if (result->sessions)
		add_recording(&w, result);
	if (told->before) {
		add_differences(&w, told);
		add_rules(&w, "rules_before", told->before);
	}
	add_rules(&w, "rules", told->report);
	add_alerts(&w, told->report);
	json_end_object(&w);
	buf_add_str(out, "}\n");
}
