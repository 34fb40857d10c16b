/*
 * GET /api/tocsin/v1/explain?query=RULE|EXPR[&not=LABELS]: what a rule or an expression comes to
 * now, node by node; the parts of its alerts; and why a row is not in the result
 * (engine/explain.h).
 *
 * The engine works in pieces; the action thread says which alerts are silenced; the rest is written
 * on the thread that answers. Times are milliseconds since the epoch, null for none.
 */
#include "engine/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "web/snapshot.h"
#include "web/web_internal.h"

#define PIECE_UNITS 20000 /* some 0.2 ms */

static void explain_drop(void *data)
{
	explain_free(data);
}

/* ---- on the engine's thread, then on the action thread ---- */

static void actions_run(struct call *call, void *owner)
{
	struct explain *explain = call->data;

	/* Those of resolve_when are the same ones. */
	for (uint32_t i = 0; i < explain->nalerts; i++) {
		struct explain_alert *alert = &explain->alerts[i];
		struct labels *labels = labels_with_external(alert->labels, explain->external);
		const struct silence *silence =
			labels ? actions_silenced_by(owner, labels, call->now_ms) : NULL;

		if (silence)
			memcpy(alert->silenced_by, silence->id, sizeof(alert->silenced_by));
		labels_unref(labels);
	}
}

static void engine_run(struct call *call, void *owner)
{
	struct explain *explain = call->data;
	int code = explain_step(owner, explain, PIECE_UNITS);

	if (code == ERR_AGAIN)
		call_go_on(call, CALL_ENGINE, engine_run);
	else if (code == ERR_FULL)
		call_fail(call, 503, "unavailable", "%d explanations are under way: ask again",
			  EXPLAINS_MAX);
	else if (code)
		call_fail(call, 500, "internal", "%s", error_text(code));
	else if (explain->nalerts)
		call_go_on(call, CALL_ACTIONS, actions_run);
}

/* ---- at home ---- */

static void field_text(struct json_writer *w, const char *key, const char *text)
{
	json_field_string(w, key, slice_from(text));
}

static void field_ms(struct json_writer *w, const char *key, int64_t ms)
{
	json_key(w, key);
	if (ms == TIME_NONE || ms == INT64_MAX)
		json_nil(w);
	else
		json_int(w, ms);
}

/* As text: JSON has no infinity. */
static void field_value(struct json_writer *w, const char *key, double value)
{
	struct buf text;

	buf_init(&text);
	number_format_json(value, &text);
	json_field_string(w, key, buf_slice(&text));
	buf_fini(&text);
}

static const char *type_name(enum value_type type)
{
	return type == VALUE_SCALAR ? "scalar" : type == VALUE_STRING ? "string" : "vector";
}

static void add_rule(struct json_writer *w, const struct explain *explain)
{
	const struct rule *rule = explain->rule;
	const struct rule_group *group = &explain->set->groups[rule->group];

	json_begin_object(w);
	json_field_string(w, "file", group->file);
	json_field_string(w, "group", group->name);
	json_field_string(w, "name", rule->name);
	field_text(w, "type", rule->kind == RULE_ALERT ? "alerting" : "recording");
	field_text(w, "health", rule_health_text(explain->status.health));
	field_text(w, "error", explain->status.error);
	if (rule->kind == RULE_ALERT)
		field_text(w, "state", alert_state_text(explain->status.state));
	json_field_int(w, "for", rule->for_ms);
	field_ms(w, "last", explain->status.last_ms);
	field_ms(w, "due", explain->group.due_ms);
	field_ms(w, "warmAt", explain->status.warm_at_ms);
	json_field_int(w, "cost", (int64_t)explain->status.units);
	json_field_number(w, "evaluationTime", explain->status.seconds);
	json_end_object(w);
}

static void add_node(struct json_writer *w, const struct explain *explain,
		     const struct explain_node *node)
{
	bool is_vector = node->type == VALUE_VECTOR || node->type == VALUE_MATRIX;

	json_begin_object(w);
	json_field_int(w, "id", (int64_t)(node - explain->nodes));
	field_text(w, "text", node->text);
	field_text(w, "type", type_name(node->type));
	json_key(w, "children");
	json_begin_array(w);
	for (uint32_t i = 0; i < node->nchildren; i++)
		json_int(w, node->children[i]);
	json_end_array(w);
	json_field_bool(w, "belowSubquery", node->below_subquery);
	if (is_vector) {
		json_field_int(w, "rows", node->rows);
		json_field_int(w, "present", node->present);
	} else if (node->type == VALUE_SCALAR) {
		field_value(w, "value", node->scalar);
	}
	field_text(w, "lost", node->lost);
	field_text(w, "error", node->error);
	json_field_int(w, "cost", (int64_t)node->units);
	if (node->rules) {
		json_field_int(w, "rules", node->rules);
		json_field_int(w, "evaluations", (int64_t)node->evaluations);
		json_field_int(w, "cached", (int64_t)node->cached);
	}
	if (node->is_leaf) {
		json_field_int(w, "series", node->series);
		field_ms(w, "newest", node->newest_ms);
		json_field_bool(w, "warm", node->warm_at_ms == TIME_NONE);
		field_ms(w, "warmAt", node->warm_at_ms);
	}
	json_end_object(w);
}

static void add_parts(struct json_writer *w, const struct explain *explain,
		      const struct explain_alert *alert)
{
	json_key(w, "parts");
	json_begin_array(w);
	for (uint32_t i = 0; i < explain->nnodes; i++) {
		if (explain->nodes[i].below_subquery || explain->nodes[i].type == VALUE_STRING)
			continue;
		json_begin_object(w);
		json_field_int(w, "node", i);
		json_field_int(w, "rows", alert->parts[i].rows);
		if (alert->parts[i].rows)
			field_value(w, "value", alert->parts[i].value);
		json_end_object(w);
	}
	json_end_array(w);
}

static void add_alert(struct json_writer *w, const struct explain *explain,
		      const struct explain_alert *alert)
{
	json_begin_object(w);
	json_field_labels(w, "labels", alert->labels);
	field_text(w, "state", alert_state_text(alert->state));
	field_text(w, "held", alert_hold_text(alert->hold));
	field_text(w, "silencedBy", alert->silenced_by);
	field_value(w, "value", alert->value);
	field_ms(w, "active", alert->active_at_ms);
	field_ms(w, "fired", alert->fired_at_ms);
	field_ms(w, "keepSince", alert->keep_since_ms);
	add_parts(w, explain, alert);
	json_end_object(w);
}

/* Alerts that fire may all the same have been heard by nobody. */
static void add_silence(const struct explain *explain, struct buf *says)
{
	bool is_there = explain->reason == EXPLAIN_FIRES || explain->reason == EXPLAIN_PENDING;
	const char *by = "";

	for (uint32_t i = 0; is_there && i < explain->nalerts && !*by; i++)
		if (matchers_is_match(explain->matchers, explain->nmatchers,
				      explain->alerts[i].labels))
			by = explain->alerts[i].silenced_by;
	if (*by)
		buf_printf(says, "; nobody is told: silence %s", by);
}

static void add_why(struct json_writer *w, const struct explain *explain)
{
	struct buf says;

	buf_init(&says);
	buf_add_str(&says, explain->says);
	add_silence(explain, &says);
	json_begin_object(w);
	field_text(w, "reason", explain_reason_text(explain->reason));
	json_field_string(w, "says", buf_slice(&says));
	json_key(w, "path");
	json_begin_array(w);
	for (uint32_t i = 0; i < explain->npath; i++) {
		json_begin_object(w);
		json_field_int(w, "node", explain->path[i].node);
		field_text(w, "says", explain->path[i].says);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
	buf_fini(&says);
}

static void add_tree(struct json_writer *w, const struct explain *explain)
{
	field_text(w, "query", explain->text);
	field_ms(w, "at", explain->t_ms);
	field_ms(w, "now", explain->now_ms);
	json_key(w, "nodes");
	json_begin_array(w);
	for (uint32_t i = 0; i < explain->nnodes; i++)
		add_node(w, explain, &explain->nodes[i]);
	json_end_array(w);
}

/* resolve_when, or what tells whether it has data: its tree, and what of it each alert has. */
static void add_resolve(struct json_writer *w, const char *key, const struct explain *explain)
{
	json_key(w, key);
	if (!explain || explain->code) {
		json_nil(w);
		return;
	}
	json_begin_object(w);
	add_tree(w, explain);
	json_key(w, "alerts");
	json_begin_array(w);
	for (uint32_t i = 0; i < explain->nalerts; i++) {
		json_begin_object(w);
		json_field_labels(w, "labels", explain->alerts[i].labels);
		add_parts(w, explain, &explain->alerts[i]);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
}

static void write_all(struct json_writer *w, const struct explain *explain)
{
	json_begin_object(w);
	json_key(w, "rule");
	if (explain->rule)
		add_rule(w, explain);
	else
		json_nil(w);
	add_tree(w, explain);
	add_resolve(w, "resolveWhen", explain->next);
	add_resolve(w, "resolveData", explain->next ? explain->next->next : NULL);
	json_field_int(w, "alertsInAll", explain->alerts_all);
	json_key(w, "alerts");
	json_begin_array(w);
	for (uint32_t i = 0; i < explain->nalerts; i++)
		add_alert(w, explain, &explain->alerts[i]);
	json_end_array(w);
	json_key(w, "why");
	if (explain->wants_why)
		add_why(w, explain);
	else
		json_nil(w);
	json_end_object(w);
}

static void explain_finish(struct call *call)
{
	const struct explain *explain = call->data;
	struct json_writer w;
	int code = explain->code;

	if (call->status != 200)
		return;
	if (code) {
		call_fail(call,
			  code == ERR_NOT_FOUND	 ? 404
			  : code == ERR_CONFLICT ? 409
			  : code == ERR_NOMEM	 ? 500
						 : 422,
			  code == ERR_NOT_FOUND ? "not_found" : "execution", "%s", explain->error);
		return;
	}
	envelope_begin(&w, &call->out);
	write_all(&w, explain);
	envelope_end(&w);
}

HANDLER(on_explain)
{
	struct explain *explain = NULL;
	struct arena arena;
	char *why = NULL;

	arena_init(&arena, 0);
	const char *text = web_param(request, &arena, "query", 0);
	const char *matchers = web_param(request, &arena, "not", 0);
	int code = text ? explain_new(slice_from(text), matchers, &web->queries, &explain, &why)
			: ERR_INVALID;
	struct call *call = code ? NULL : call_new(engine_run);

	if (!text)
		web_fail(request, 400, "bad_data", "invalid parameter \"query\": it is missing");
	else if (code == ERR_INVALID || code == ERR_LIMIT)
		web_fail(request, 400, "bad_data", "invalid parameter \"not\": %s",
			 why ? why : "too many matchers");
	else if (!call) {
		explain_free(explain);
		web_send(web, request, CALL_ENGINE, NULL);
	} else {
		call->data = explain;
		call->data_free = explain_drop;
		call->finish = explain_finish;
		web_send(web, request, CALL_ENGINE, call);
	}
	free(why);
	arena_fini(&arena);
}
