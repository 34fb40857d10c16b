/*
 * GET /api/tocsin/v1/overview: all that the page shows, in one answer. Times are milliseconds since
 * the epoch, null for none.
 *
 * The engine gives its part in pieces (snapshot.h) and its senders; then the action thread writes
 * deliveries, runs and silences, and says which alerts are silenced; the rest is rendered on the
 * thread that answers.
 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "web/silence_json.h"
#include "web/snapshot.h"
#include "web/web_internal.h"

#define OVERVIEW_RULES_MAX 2000
#define OVERVIEW_ALERTS_MAX 1000
#define OVERVIEW_SENDERS_MAX 200
#define OVERVIEW_DELIVERIES_MAX 100
#define OVERVIEW_RUNS_MAX 50
#define OVERVIEW_SILENCES_MAX 100
#define OVERVIEW_OUTPUT_MAX 4096 /* bytes of a step's output */

struct overview {
	struct snapshot *snapshot;
	struct buf senders, deliveries, runs, silences; /* finished JSON arrays */
	struct sender latest;
	struct engine_stats engine;
	struct store_stats store;
	struct actions_stats actions;
	bool ready;
	int64_t started_ms;
	const char *version;
	const struct web_host *host;
};

static void overview_free(void *data)
{
	struct overview *overview = data;

	if (overview->snapshot)
		snapshot_free(overview->snapshot);
	buf_fini(&overview->senders);
	buf_fini(&overview->deliveries);
	buf_fini(&overview->runs);
	buf_fini(&overview->silences);
}

static void field_ms(struct json_writer *w, const char *key, int64_t ms)
{
	json_key(w, key);
	if (ms == TIME_NONE || ms <= 0)
		json_nil(w);
	else
		json_int(w, ms);
}

static void field_text(struct json_writer *w, const char *key, const char *text)
{
	json_field_string(w, key, slice_from(text));
}

static void field_count(struct json_writer *w, const char *key, uint64_t n)
{
	json_field_int(w, key, (int64_t)n);
}

/* What of a list is written, up to a limit. */
struct list {
	struct json_writer w;
	uint32_t left;
};

static void list_begin(struct list *list, struct buf *out, uint32_t max)
{
	json_writer_init(&list->w, out);
	list->left = max;
	json_begin_array(&list->w);
}

/* ---- on the engine's thread ---- */

static void on_sender(void *ctx, const struct sender *sender)
{
	struct list *list = ctx;

	if (list->left == 0)
		return;
	list->left--;
	sender_json(sender, &list->w);
}

static void actions_run(struct call *call, void *owner);

static void engine_run(struct call *call, void *owner)
{
	struct overview *overview = call->data;
	struct list senders;
	int code = snapshot_step(overview->snapshot, owner);

	if (code == ERR_AGAIN) {
		call_go_on(call, CALL_ENGINE, engine_run);
		return;
	}
	if (code) {
		call_fail(call, 500, "internal", "%s", error_text(code));
		return;
	}
	list_begin(&senders, &overview->senders, OVERVIEW_SENDERS_MAX);
	engine_senders_each(owner, on_sender, &senders);
	json_end_array(&senders.w);
	overview->latest = engine_latest_sender(owner);
	engine_stats_get(owner, &overview->engine);
	store_stats_get(engine_store(owner), &overview->store);
	call_go_on(call, CALL_ACTIONS, actions_run);
}

/* ---- on the action thread ---- */

static void on_delivery(void *ctx, const struct delivery_view *delivery)
{
	struct list *list = ctx;
	struct json_writer *w = &list->w;

	if (list->left == 0)
		return;
	list->left--;
	json_begin_object(w);
	field_text(w, "id", delivery->id);
	field_text(w, "receiver", delivery->receiver);
	field_text(w, "integration", delivery->integration);
	field_text(w, "groupKey", delivery->group_key);
	field_text(w, "state", delivery_state_text(delivery->state));
	field_text(w, "reason", delivery->reason);
	field_text(w, "message", delivery->message);
	field_count(w, "attempts", delivery->attempts);
	json_field_int(w, "code", delivery->code);
	field_count(w, "firing", delivery->firing);
	field_count(w, "resolved", delivery->resolved);
	field_ms(w, "created", delivery->created_ms);
	field_ms(w, "lastAttempt", delivery->last_attempt_ms);
	field_ms(w, "nextAttempt", delivery->next_attempt_ms);
	field_ms(w, "finished", delivery->finished_ms);
	json_end_object(w);
}

static struct slice cut(struct slice text)
{
	return text.len > OVERVIEW_OUTPUT_MAX ? (struct slice){ text.ptr, OVERVIEW_OUTPUT_MAX }
					      : text;
}

static void add_step(struct json_writer *w, const struct run_step_view *step)
{
	json_begin_object(w);
	field_text(w, "id", step->id);
	field_text(w, "state", step->state);
	field_text(w, "message", step->message);
	field_text(w, "undo", step->undo ? step->undo : "");
	json_field_int(w, "attempt", step->attempt);
	json_field_int(w, "exit", step->exit);
	field_ms(w, "started", step->started_ms);
	field_ms(w, "finished", step->finished_ms);
	json_field_string(w, "output", cut(step->output));
	json_field_string(w, "errorOutput", cut(step->error_output));
	json_end_object(w);
}

static void on_run(void *ctx, const struct run_view *run)
{
	struct list *list = ctx;
	struct json_writer *w = &list->w;

	if (list->left == 0)
		return;
	list->left--;
	json_begin_object(w);
	field_text(w, "id", run->id);
	field_text(w, "runbook", run->runbook);
	field_text(w, "state", run->state);
	field_text(w, "reason", run->reason);
	json_field_labels(w, "alert", run->alert);
	json_field_labels(w, "target", run->target);
	field_ms(w, "created", run->created_ms);
	field_ms(w, "finished", run->finished_ms);
	json_key(w, "steps");
	json_begin_array(w);
	for (uint32_t i = 0; i < run->nsteps; i++)
		add_step(w, &run->steps[i]);
	json_end_array(w);
	json_end_object(w);
}

static void mark_silenced(struct snapshot *snapshot, const struct actions *actions, int64_t now_ms)
{
	for (uint32_t i = 0; i < snapshot->nalerts; i++) {
		struct snapshot_alert *alert = &snapshot->alerts[i];
		struct labels *labels = snapshot_full_labels(snapshot, alert);
		const struct silence *silence =
			labels ? actions_silenced_by(actions, labels, now_ms) : NULL;

		if (silence)
			memcpy(alert->silenced_by, silence->id, sizeof(alert->silenced_by));
		labels_unref(labels);
	}
}

static void actions_run(struct call *call, void *owner)
{
	struct overview *overview = call->data;
	struct json_writer w;
	struct list list;

	actions_stats_get(owner, &overview->actions);
	list_begin(&list, &overview->deliveries, OVERVIEW_DELIVERIES_MAX);
	actions_deliveries_each(owner, on_delivery, &list);
	json_end_array(&list.w);
	list_begin(&list, &overview->runs, OVERVIEW_RUNS_MAX);
	actions_runs_each(owner, on_run, &list);
	json_end_array(&list.w);
	json_writer_init(&w, &overview->silences);
	if (silences_format(&w, owner, NULL, OVERVIEW_SILENCES_MAX, call->now_ms))
		call_fail(call, 500, "internal", "%s", error_text(ERR_NOMEM));
	if (overview->actions.silences)
		mark_silenced(overview->snapshot, owner, call->now_ms);
}

/* ---- at home ---- */

static void add_alert(struct json_writer *w, const struct snapshot *snapshot,
		      const struct snapshot_alert *alert)
{
	struct labels *annotations = snapshot_annotations(snapshot, alert);
	const struct rule *rule = alert->rule;

	json_begin_object(w);
	json_field_string(w, "rule", rule->name);
	json_field_string(w, "group", snapshot->rules->groups[rule->group].name);
	field_text(w, "query", rule->query);
	field_text(w, "state", alert_state_text(alert->view.state));
	json_field_labels(w, "labels", alert->labels);
	json_field_labels(w, "annotations", annotations);
	json_field_number(w, "value", alert->view.value);
	field_ms(w, "active", alert->view.active_at_ms);
	field_ms(w, "fired", alert->view.fired_at_ms);
	field_ms(w, "keepSince", alert->view.keep_since_ms);
	json_field_int(w, "for", rule->for_ms);
	json_field_bool(w, "held", alert->view.hold != ALERT_NOT_HELD);
	field_text(w, "heldBy", alert_hold_text(alert->view.hold));
	field_ms(w, "noDataSince", alert->view.no_data_since_ms);
	field_text(w, "silencedBy", alert->silenced_by);
	json_key(w, "evidence");
	evidence_json(alert->evidence, w);
	json_end_object(w);
	labels_unref(annotations);
}

static void add_rule(struct json_writer *w, const struct overview *overview,
		     const struct rule *rule)
{
	const struct snapshot *snapshot = overview->snapshot;
	const struct rule_status *status = &snapshot->status[rule->id];
	struct buf warning;

	buf_init(&warning);
	rule_warning(overview->host, snapshot->rules, rule, status, &warning);
	json_begin_object(w);
	json_field_string(w, "name", rule->name);
	field_text(w, "kind", rule->kind == RULE_ALERT ? "alert" : "record");
	field_text(w, "query", rule->query);
	field_text(w, "resolveWhen", rule->resolve ? rule->resolve->query : "");
	json_field_int(w, "for", rule->for_ms);
	field_text(w, "health", rule_health_text(status->health));
	field_text(w, "error", status->error);
	json_field_string(w, "warning", buf_slice(&warning));
	field_text(w, "state", alert_state_text(status->state));
	json_field_number(w, "value", status->value);
	field_count(w, "results", status->results);
	field_count(w, "series", status->series);
	field_count(w, "pending", status->pending);
	field_count(w, "firing", status->firing);
	field_count(w, "held", status->held);
	field_ms(w, "newest", status->newest_ms);
	field_ms(w, "last", status->last_ms);
	field_ms(w, "warmAt", status->warm_at_ms);
	field_count(w, "evaluations", status->evaluations);
	field_count(w, "failures", status->failures);
	if (snapshot->rules->plan->nlogs > 0)
		rule_logs_add(w, overview->host, snapshot->rules, rule);
	json_end_object(w);
	buf_fini(&warning);
}

static void add_groups(struct json_writer *w, const struct overview *overview)
{
	const struct snapshot *snapshot = overview->snapshot;
	const struct rule_set *rules = snapshot->rules;

	json_begin_array(w);
	for (uint32_t i = 0; rules && i < rules->ngroups; i++) {
		const struct rule_group *group = &rules->groups[i];

		json_begin_object(w);
		json_field_string(w, "name", group->name);
		json_field_string(w, "file", group->file);
		json_field_int(w, "interval", group->interval_ms);
		field_ms(w, "last", snapshot->groups[i].last_ms);
		field_ms(w, "due", snapshot->groups[i].due_ms);
		field_count(w, "missed", snapshot->groups[i].missed);
		json_key(w, "rules");
		json_begin_array(w);
		for (uint32_t k = 0; k < group->nrules; k++)
			if (group->rules[k].id < snapshot->nstatus)
				add_rule(w, overview, &group->rules[k]);
		json_end_array(w);
		json_end_object(w);
	}
	json_end_array(w);
}

static void add_totals(struct json_writer *w, const struct overview *overview)
{
	json_begin_object(w);
	field_count(w, "firing", overview->engine.alerts_firing);
	field_count(w, "pending", overview->engine.alerts_pending);
	field_count(w, "rules", overview->engine.rules);
	field_count(w, "evaluations", overview->engine.evaluations);
	field_count(w, "failures", overview->engine.failures);
	field_count(w, "samples", overview->engine.samples);
	field_count(w, "series", overview->store.series);
	field_count(w, "ignored", overview->store.ignored);
	field_count(w, "bytes", overview->store.bytes);
	field_count(w, "senders", overview->engine.senders);
	field_count(w, "sendersSilent", overview->engine.senders_silent);
	field_count(w, "outbox", overview->actions.outbox);
	field_count(w, "dead", overview->actions.dead);
	field_count(w, "notifications", overview->actions.notifications);
	field_count(w, "runs", overview->actions.runs);
	field_count(w, "runsActive", overview->actions.runs_active);
	json_end_object(w);
}

/* The latest of all senders, and how many groups look back less than it is late. */
static void add_lag(struct json_writer *w, const struct overview *overview)
{
	const struct rule_set *rules = overview->snapshot->rules;
	const struct rule_group *first;

	json_begin_object(w);
	field_text(w, "sender", overview->latest.name);
	json_field_int(w, "longest", overview->latest.lag_ms);
	field_count(w, "groups",
		    rules ? rule_set_outrun(rules, overview->latest.lag_ms, &first) : 0);
	json_end_object(w);
}

static void add_array(struct json_writer *w, const char *key, struct buf *array)
{
	json_key(w, key);
	json_raw(w, buf_slice(array));
	if (!buf_ok(array))
		w->out->failed = true;
}

static void finish(struct call *call)
{
	struct overview *overview = call->data;
	const struct snapshot *snapshot = overview->snapshot;
	struct json_writer w;

	if (call->status != 200)
		return;
	json_writer_init(&w, &call->out);
	json_begin_object(&w);
	field_ms(&w, "now", call->now_ms);
	field_ms(&w, "started", overview->started_ms);
	field_text(&w, "version", overview->version);
	json_field_bool(&w, "ready", overview->ready);
	json_key(&w, "totals");
	add_totals(&w, overview);
	json_key(&w, "alerts");
	json_begin_array(&w);
	for (uint32_t i = 0; i < snapshot->nalerts; i++)
		add_alert(&w, snapshot, &snapshot->alerts[i]);
	json_end_array(&w);
	json_key(&w, "groups");
	add_groups(&w, overview);
	json_key(&w, "lag");
	add_lag(&w, overview);
	add_array(&w, "senders", &overview->senders);
	add_array(&w, "deliveries", &overview->deliveries);
	add_array(&w, "runs", &overview->runs);
	add_array(&w, "silences", &overview->silences);
	if (overview->host->overview)
		overview->host->overview(overview->host->ctx, &w);
	json_end_object(&w);
}

HANDLER(on_overview)
{
	struct call *call = call_new(engine_run);
	struct overview *overview = call ? ARENA_NEW(&call->arena, struct overview) : NULL;

	if (!overview ||
	    !(overview->snapshot = snapshot_new(OVERVIEW_RULES_MAX, OVERVIEW_ALERTS_MAX))) {
		call_free(call);
		web_send(web, request, CALL_ENGINE, NULL);
		return;
	}
	overview->ready = web->host.ready(web->host.ctx);
	overview->started_ms = web->started_ms;
	overview->version = arena_strdup(&call->arena, slice_from(web->version));
	call->data = overview;
	call->data_free = overview_free;
	overview->host = &web->host;
	call->finish = finish;
	web_send(web, request, CALL_ENGINE, call);
}
