#include "actions/actions_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

#define SWEEP_INTERVAL_MS 60000

/* ---- records ---- */

uint64_t actions_record(struct actions *actions, enum record_type type, json_t *object, bool answer)
{
	uint64_t token = answer ? ++actions->next_token : 0;
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text) {
		/* What cannot be written down cannot be promised. */
		log_error("action", "out of memory for a record", "type=%s",
			  log_quote(slice_from(record_type_text(type))));
		abort();
	}
	actions->sink.record(actions->sink.ctx, type, slice_from(text), token);
	free(text);
	return token;
}

json_t *record_parse(struct slice payload)
{
	return json_loadb(payload.ptr ? payload.ptr : "", payload.len, JSON_ALLOW_NUL, NULL);
}

const char *json_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_t *labels_to_json(const struct labels *labels)
{
	json_t *object = json_object();

	for (size_t i = 0; labels && i < labels_count(labels); i++) {
		struct label label = labels_at(labels, i);
		char *name = slice_dup(label.name);

		if (name)
			json_object_set_new(object, name,
					    json_stringn(label.value.ptr, label.value.len));
		free(name);
	}
	return object;
}

struct labels *labels_from_json(const json_t *object)
{
	struct labels_builder builder;
	struct labels *labels = NULL;
	const char *name;
	json_t *value;

	labels_builder_init(&builder);
	json_object_foreach ((json_t *)object, name, value) {
		labels_builder_set(
			&builder, slice_from(name),
			(struct slice){ json_string_value(value), json_string_length(value) });
	}
	if (labels_builder_take(&builder, &labels, NULL))
		labels = NULL;
	labels_builder_fini(&builder);
	return labels;
}

json_t *fingerprints_to_json(const struct fingerprints *set)
{
	json_t *array = json_array();

	/* JSON's numbers are doubles to many a reader: hexadecimal text. */
	for (uint32_t i = 0; i < set->n; i++)
		json_array_append_new(array,
				      json_sprintf("%016llx", (unsigned long long)set->items[i]));
	return array;
}

int fingerprints_from_json(const json_t *array, struct fingerprints *set)
{
	const json_t *item;
	size_t i;
	int code = 0;

	fingerprints_fini(set);
	json_array_foreach (array, i, item) {
		if (json_is_string(item) && code == 0)
			code = fingerprints_add(set, strtoull(json_string_value(item), NULL, 16));
	}
	return code;
}

json_t *time_to_json(int64_t ms)
{
	return ms == TIME_NONE ? json_null() : json_integer(ms);
}

int64_t time_from_json(const json_t *value)
{
	json_int_t ms = json_integer_value(value);

	return json_is_integer(value) && time_is_sane(ms) ? ms : TIME_NONE;
}

int64_t integer_from_json(const json_t *value, int64_t min, int64_t max)
{
	json_int_t v = json_integer_value(value);

	return v < min ? min : v > max ? max : v;
}

/* ---- life ---- */

int actions_new(const struct actions_options *options, const struct actions_sink *sink,
		struct actions **out)
{
	struct actions *actions = calloc(1, sizeof(*actions));
	const struct actions_config_nodes none = { .base_dir = "." };
	struct diag_list diags;

	if (!actions)
		return ERR_NOMEM;
	actions->options = *options;
	actions->sink = *sink;
	actions->next_delivery = 1;
	actions->groups_due_ms = actions->outbox_due_ms = TIME_NONE;
	diag_list_init(&diags);
	int code = actions_config_bind(&none, (struct slice){ 0 }, NULL, &diags, &actions->config);

	diag_list_fini(&diags);
	if (code == 0)
		code = runs_new(actions, &actions->runs);
	if (code) {
		actions_free(actions);
		return code;
	}
	*out = actions;
	return 0;
}

void actions_free(struct actions *actions)
{
	if (actions->runs)
		runs_free(actions->runs);
	outbox_fini(actions);
	groups_fini(actions);
	told_fini(actions);
	alerts_fini(actions);
	silences_fini(actions);
	actions_config_unref(actions->config);
	rule_set_unref(actions->rules);
	free(actions);
}

void actions_configure(struct actions *actions, struct actions_config *config)
{
	struct actions_config *old = actions->config;

	actions_enter(actions);
	actions->config = actions_config_ref(config);
	outbox_configure(actions);
	alerts_relabel(actions);
	groups_rebuild(actions);
	runs_configure(actions->runs);
	actions_config_unref(old);
	actions_leave(actions);
}

void actions_rules(struct actions *actions, struct rule_set *rules)
{
	struct rule_set *old = actions->rules;

	alerts_describe(actions);
	actions->rules = rules ? rule_set_ref(rules) : NULL;
	rule_set_unref(old);
}

/* ---- events and time ---- */

void actions_enter(struct actions *actions)
{
	int64_t now_ms = actions->sink.now_ms(actions->sink.ctx);

	if (now_ms > actions->now_ms)
		actions->now_ms = now_ms;
}

void actions_leave(struct actions *actions)
{
	actions->sink.wake(actions->sink.ctx);
}

static void log_change(const struct alert_event *event)
{
	struct buf labels;

	buf_init(&labels);
	labels_format(event->labels, &labels);
	log_info("alert", event->state == ALERT_FIRING ? "firing" : "resolved",
		 "rule=%s labels=%s value=%g reason=%s", log_quote(slice_from(event->rule)),
		 log_quote(buf_slice(&labels)), event->value, alert_reason_text(event->reason));
	buf_fini(&labels);
}

/* Of an episode of firing. A crash may have come between its record and our hearing of it. */
static bool is_beginning(const struct active_alert *alert, const struct alert_event *event)
{
	if (event->state != ALERT_FIRING)
		return false;
	if (event->reason == ALERT_REASON_RESTORED)
		return alert->is_fresh;
	return event->from != ALERT_FIRING && event->reason == ALERT_REASON_NONE;
}

void actions_event(struct actions *actions, struct alert_event *event)
{
	bool refresh = event->reason == ALERT_REASON_REFRESH;

	actions_enter(actions);
	struct active_alert *alert = alert_update(actions, event);

	actions->stats.events++;
	if (alert && event->state == ALERT_FIRING)
		runs_on_refresh(actions->runs, alert, event);
	if (alert && !refresh) {
		if (event->reason != ALERT_REASON_RESTORED)
			log_change(event);
		groups_add_alert(actions, alert);
		if (is_beginning(alert, event))
			runs_on_firing(actions->runs, alert, event);
		alert->is_fresh = false;
		if (alert->ends_ms != TIME_NONE)
			runs_on_resolved(actions->runs, alert);
		alert_release(actions, alert);
	}
	alert_event_free(event);
	actions_leave(actions);
}

void actions_durable(struct actions *actions, uint64_t token)
{
	actions_enter(actions);
	if (!outbox_durable(actions, token))
		runs_durable(actions->runs, token);
	actions_leave(actions);
}

void actions_answer(struct actions *actions, struct engine_query *query)
{
	actions_enter(actions);
	runs_answer(actions->runs, query);
	actions_leave(actions);
}

void actions_step(struct actions *actions, int64_t now_ms)
{
	if (now_ms > actions->now_ms)
		actions->now_ms = now_ms;
	groups_step(actions);
	outbox_step(actions);
	runs_step(actions->runs);
	if (actions->now_ms < actions->sweep_ms)
		return;
	actions->sweep_ms = actions->now_ms + SWEEP_INTERVAL_MS;
	silences_sweep(actions);
	told_sweep(actions);
}

int64_t actions_next_ms(const struct actions *actions)
{
	return time_earliest(time_earliest(actions->groups_due_ms, actions->outbox_due_ms),
			     runs_next_ms(actions->runs));
}

/* ---- restart and checkpoint ---- */

void actions_restore(struct actions *actions, enum record_type type, struct slice payload)
{
	switch (type) {
	case RECORD_ALERT:
	case RECORD_ACTION_ALERT:
		alerts_restore(actions, payload);
		break;
	case RECORD_SILENCE:
		silences_restore(actions, payload);
		break;
	case RECORD_GROUP:
		told_restore(actions, payload);
		break;
	case RECORD_DELIVERY:
		outbox_restore(actions, payload);
		break;
	case RECORD_RUN:
		runs_restore(actions->runs, payload);
		break;
	default:
		break;
	}
}

void actions_restore_done(struct actions *actions, int64_t now_ms)
{
	actions->now_ms = now_ms;
	outbox_restore_done(actions);
	groups_rebuild(actions);
	runs_restore_done(actions->runs);
}

void actions_checkpoint(struct actions *actions)
{
	alerts_checkpoint(actions);
	silences_checkpoint(actions);
	told_checkpoint(actions);
	outbox_checkpoint(actions);
	runs_checkpoint(actions->runs);
	actions->sink.record(actions->sink.ctx, RECORD_CHECKPOINT_PART, SLICE("actions"), 0);
}

/* ---- looking in ---- */

void actions_runs_each(const struct actions *actions,
		       void (*fn)(void *ctx, const struct run_view *run), void *ctx)
{
	runs_each(actions->runs, fn, ctx);
}

void actions_stats_get(const struct actions *actions, struct actions_stats *out)
{
	*out = actions->stats;
	out->alerts = (uint32_t)actions->alerts.n;
	out->groups = (uint32_t)actions->groups.n;
	out->silences = actions->nsilences;
	out->outbox = 0;
	for (const struct delivery *delivery = actions->newest; delivery;
	     delivery = delivery->older)
		out->outbox += delivery->state < DELIVERY_DONE;
	runs_stats(actions->runs, out);
}
