/* GET /api/v1/rules, /api/v1/alerts: in the shapes of Prometheus' API. */
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "web/rules_filter.h"
#include "web/snapshot.h"

#define NEVER "0001-01-01T00:00:00Z"

struct rules_request {
	struct rules_filter filter;
	struct snapshot *snapshot;
	const struct web_host *host;
};

/* ---- one alert ---- */

static void add_time(struct json_writer *w, const char *key, int64_t ms)
{
	if (ms == TIME_NONE)
		json_field_string(w, key, SLICE(NEVER));
	else
		json_field_time(w, key, ms);
}

static void add_alert(struct json_writer *w, const struct snapshot *snapshot,
		      const struct snapshot_alert *alert)
{
	struct labels *annotations = snapshot_annotations(snapshot, alert);
	struct buf value;

	buf_init(&value);
	number_format_e(alert->view.value, &value);
	json_begin_object(w);
	json_field_labels(w, "labels", alert->labels);
	json_field_labels(w, "annotations", annotations);
	json_field_string(w, "state", slice_from(alert_state_text(alert->view.state)));
	add_time(w, "activeAt", alert->view.active_at_ms);
	if (alert->view.keep_since_ms != TIME_NONE)
		add_time(w, "keepFiringSince", alert->view.keep_since_ms);
	if (alert->view.hold != ALERT_NOT_HELD)
		json_field_string(w, "heldBy", slice_from(alert_hold_text(alert->view.hold)));
	json_field_string(w, "value", buf_slice(&value));
	json_end_object(w);
	buf_fini(&value);
	labels_unref(annotations);
}

/* ---- /api/v1/alerts ---- */

static bool collect(struct call *call, struct engine *engine, struct snapshot *snapshot,
		    void (*again)(struct call *call, void *owner))
{
	int code = snapshot_step(snapshot, engine);

	if (code == ERR_AGAIN)
		call_go_on(call, CALL_ENGINE, again);
	else if (code)
		call_fail(call, 500, "internal", "%s", error_text(code));
	return code == 0;
}

static void alerts_run(struct call *call, void *owner)
{
	collect(call, owner, call->data, alerts_run);
}

static void alerts_finish(struct call *call)
{
	const struct snapshot *snapshot = call->data;
	struct json_writer w;

	if (call->status != 200)
		return;
	envelope_begin(&w, &call->out);
	json_begin_object(&w);
	json_key(&w, "alerts");
	json_begin_array(&w);
	for (uint32_t i = 0; i < snapshot->nalerts; i++)
		add_alert(&w, snapshot, &snapshot->alerts[i]);
	json_end_array(&w);
	json_end_object(&w);
	envelope_end(&w);
}

HANDLER(on_alerts)
{
	struct call *call = call_new(alerts_run);

	if (call) {
		call->data = snapshot_new(0, SNAPSHOT_ALL);
		call->data_free = snapshot_free;
		call->finish = alerts_finish;
	}
	if (call && !call->data) {
		call_free(call);
		call = NULL;
	}
	web_send(web, request, CALL_ENGINE, call);
}

/* ---- /api/v1/rules ---- */

static void add_alerts(struct json_writer *w, const struct snapshot *snapshot, uint32_t rule_id)
{
	uint32_t i = snapshot_alerts_of(snapshot, rule_id);

	json_key(w, "alerts");
	json_begin_array(w);
	for (; i < snapshot->nalerts && snapshot->alerts[i].rule->id == rule_id; i++)
		add_alert(w, snapshot, &snapshot->alerts[i]);
	json_end_array(w);
}

static void add_texts(struct json_writer *w, const char *key, const struct rule_text *texts,
		      uint32_t n)
{
	json_key(w, key);
	json_begin_object(w);
	for (uint32_t i = 0; i < n; i++) {
		json_key_slice(w, texts[i].name);
		json_str(w, texts[i].text);
	}
	json_end_object(w);
}

/* Prometheus knows three kinds of health; what warms up has not been judged yet. */
static const char *health_text(enum rule_health health)
{
	return rule_health_text(health == RULE_WARMING ? RULE_UNKNOWN : health);
}

/* Beside Prometheus' own: what is there of what the rule reads. */
static void add_input(struct json_writer *w, const struct rules_request *asked,
		      const struct rule *rule)
{
	const struct rule_set *rules = asked->snapshot->rules;
	struct buf warning;

	if (rules->plan->nlogs > 0)
		rule_logs_add(w, asked->host, rules, rule);
	buf_init(&warning);
	bool is_amiss = rule_warning(asked->host, rules, rule, &asked->snapshot->status[rule->id],
				     &warning);
	if (is_amiss || rules->plan->nlogs > 0) {
		json_key(w, "warnings");
		json_begin_array(w);
		if (is_amiss)
			json_str(w, buf_slice(&warning));
		json_end_array(w);
	}
	buf_fini(&warning);
}

/* Likewise: what it can say as soon as samples arrive. */
static void add_arrival(struct json_writer *w, const struct rules_request *asked,
			const struct rule *rule)
{
	const struct rule_group *group = &asked->snapshot->rules->groups[rule->group];

	if (group->evaluate == EVALUATE_ARRIVAL)
		json_field_string(w, "arrival", slice_from(arrival_class_text(rule->arrival)));
}

static void add_rule(struct json_writer *w, const struct rules_request *asked,
		     const struct rule *rule)
{
	const struct rule_status *status = &asked->snapshot->status[rule->id];
	bool alerting = rule->kind == RULE_ALERT;

	json_begin_object(w);
	if (alerting)
		json_field_string(w, "state", slice_from(alert_state_text(status->state)));
	json_field_string(w, "name", rule->name);
	json_field_string(w, "query", slice_from(rule->query));
	if (alerting) {
		json_field_number(w, "duration", (double)rule->for_ms / 1000);
		json_field_number(w, "keepFiringFor", (double)rule->keep_firing_for_ms / 1000);
	}
	if (rule->resolve) {
		json_field_string(w, "resolveWhen", slice_from(rule->resolve->query));
		json_field_string(w, "noData",
				  rule->resolve->no_data == NO_DATA_HOLD ? SLICE("hold")
									 : SLICE("resolve"));
	}
	add_texts(w, "labels", rule->labels, rule->nlabels);
	if (alerting) {
		add_texts(w, "annotations", rule->annotations, rule->nannotations);
		if (!asked->filter.exclude_alerts)
			add_alerts(w, asked->snapshot, rule->id);
	}
	json_field_string(w, "health", slice_from(health_text(status->health)));
	if (status->error[0])
		json_field_string(w, "lastError", slice_from(status->error));
	add_input(w, asked, rule);
	json_field_number(w, "evaluationTime", status->seconds);
	add_time(w, "lastEvaluation", status->last_ms);
	json_field_string(w, "type", alerting ? SLICE("alerting") : SLICE("recording"));
	add_arrival(w, asked, rule);
	json_end_object(w);
}

/* Of all its rules, wanted or not. */
static double group_seconds(const struct rules_request *asked, const struct rule_group *group)
{
	double seconds = 0;

	for (uint32_t i = 0; i < group->nrules; i++)
		seconds += asked->snapshot->status[group->rules[i].id].seconds;
	return seconds;
}

static void add_group(struct json_writer *w, const struct rules_request *asked,
		      const struct rule_group *group, const struct group_status *status)
{
	json_begin_object(w);
	json_field_string(w, "name", group->name);
	json_field_string(w, "file", group->file);
	json_key(w, "rules");
	json_begin_array(w);
	for (uint32_t i = 0; i < group->nrules; i++)
		if (rules_filter_has(&asked->filter, &group->rules[i]))
			add_rule(w, asked, &group->rules[i]);
	json_end_array(w);
	json_field_number(w, "interval", (double)group->interval_ms / 1000);
	json_field_int(w, "limit", group->limit);
	json_field_number(w, "evaluationTime", group_seconds(asked, group));
	add_time(w, "lastEvaluation", status->last_ms);
	json_end_object(w);
}

static void rules_run(struct call *call, void *owner)
{
	struct rules_request *asked = call->data;

	collect(call, owner, asked->snapshot, rules_run);
}

/* The place of the group that a token names; that after the last: there is none. */
static uint32_t place_of(const struct rule_set *rules, uint64_t token)
{
	uint32_t i = 0;

	while (token && i < rules->ngroups && rules_filter_token(&rules->groups[i]) != token)
		i++;
	return i;
}

static void add_token(struct json_writer *w, const struct rule_group *group)
{
	char text[20];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)rules_filter_token(group));
	json_field_string(w, "groupNextToken", slice_from(text));
}

/* Those wanted from there on, and where the next page begins. */
static void add_groups(struct json_writer *w, const struct rules_request *asked, uint32_t at)
{
	const struct rule_set *rules = asked->snapshot->rules;
	const struct rules_filter *filter = &asked->filter;
	const struct rule_group *next = NULL;
	uint32_t n = 0;

	json_key(w, "groups");
	json_begin_array(w);
	for (; rules && at < rules->ngroups && !next; at++) {
		const struct rule_group *group = &rules->groups[at];

		if (!rules_filter_has_group(filter, group))
			continue;
		if (filter->groups_max && n++ == filter->groups_max)
			next = group;
		else
			add_group(w, asked, group, &asked->snapshot->groups[at]);
	}
	json_end_array(w);
	if (next)
		add_token(w, next);
}

static void rules_finish(struct call *call)
{
	const struct rules_request *asked = call->data;
	const struct rule_set *rules = asked->snapshot->rules;
	uint32_t at = rules ? place_of(rules, asked->filter.from) : 0;
	struct json_writer w;

	if (call->status != 200)
		return;
	if (asked->filter.from && (!rules || at == rules->ngroups)) {
		call_fail(call, 400, "bad_data",
			  "invalid parameter \"group_next_token\": no group is known by it: were "
			  "rule groups changed?");
		return;
	}
	envelope_begin(&w, &call->out);
	json_begin_object(&w);
	add_groups(&w, asked, at);
	json_end_object(&w);
	envelope_end(&w);
}

static void rules_request_free(void *data)
{
	struct rules_request *asked = data;

	rules_filter_fini(&asked->filter);
	if (asked->snapshot)
		snapshot_free(asked->snapshot);
}

HANDLER(on_rules)
{
	struct call *call = call_new(rules_run);
	struct rules_request *asked = call ? ARENA_NEW(&call->arena, struct rules_request) : NULL;

	if (!asked || !(asked->snapshot = snapshot_new(SNAPSHOT_ALL, SNAPSHOT_ALL))) {
		call_free(call);
		web_send(web, request, CALL_ENGINE, NULL);
		return;
	}
	asked->host = &web->host;
	call->data = asked;
	call->data_free = rules_request_free;
	call->finish = rules_finish;
	if (!rules_filter_read(request, &call->arena, &asked->filter)) {
		call_free(call);
		return;
	}
	if (asked->filter.exclude_alerts)
		asked->snapshot->alerts_max = 0;
	web_send(web, request, CALL_ENGINE, call);
}
