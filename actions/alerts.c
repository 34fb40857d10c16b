/* What is active, as it is told to people. */
#include "actions/actions_internal.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

static bool has_labels(const struct table_entry *entry, const void *key)
{
	return labels_is_equal(((const struct active_alert *)entry)->labels, key);
}

struct active_alert *alert_find(struct actions *actions, const struct labels *labels)
{
	return (struct active_alert *)table_find(&actions->alerts, labels_fingerprint(labels),
						 has_labels, labels);
}

static void alert_free(struct active_alert *alert)
{
	labels_unref(alert->labels);
	labels_unref(alert->own);
	labels_unref(alert->expr_labels);
	labels_unref(alert->annotations);
	evidence_unref(alert->evidence);
	query_results_unref(alert->asked);
	rule_set_unref(alert->undescribed);
	free(alert->generator_url);
	free(alert->file);
	free(alert->group);
	free(alert->rule);
	free(alert);
}

/* External labels are added where the alert has none of that name. */
static struct labels *with_external(const struct actions *actions, struct labels *labels)
{
	const struct labels *external = actions->config->external_labels;
	struct labels_builder builder;
	struct labels *out = NULL;

	if (!external || labels_count(external) == 0)
		return labels_ref(labels);
	labels_builder_init(&builder);
	labels_builder_add_all(&builder, external);
	for (size_t i = 0; i < labels_count(labels); i++)
		labels_builder_set(&builder, labels_at(labels, i).name, labels_at(labels, i).value);
	if (labels_builder_take(&builder, &out, NULL))
		out = labels_ref(labels);
	labels_builder_fini(&builder);
	return out;
}

/* EXTERNAL_URL/graph?g0.expr=…&g0.tab=1: the address Prometheus gives, under which the page shows
 * the expression. */
static char *generator_url(const struct actions *actions, const struct rule *rule)
{
	struct buf out;
	char *query = curl_easy_escape(NULL, rule->query, 0);

	buf_init(&out);
	buf_printf(&out, "%s/graph?g0.expr=%s&g0.tab=1", actions->config->external_url,
		   query ? query : "");
	curl_free(query);
	return buf_take(&out);
}

static const struct rule *rule_find(const struct rule_set *rules, const struct active_alert *alert)
{
	if (!rules || !alert->rule)
		return NULL;
	for (uint32_t g = 0; g < rules->ngroups; g++) {
		const struct rule_group *group = &rules->groups[g];

		if (!slice_is(group->name, alert->group) || !slice_is(group->file, alert->file))
			continue;
		for (uint32_t r = 0; r < group->nrules; r++)
			if (group->rules[r].kind == RULE_ALERT &&
			    slice_is(group->rules[r].name, alert->rule))
				return &group->rules[r];
	}
	return NULL;
}

static void describe(const struct actions *actions, struct active_alert *alert,
		     const struct rule *rule)
{
	struct labels *annotations;

	if (!rule)
		return;
	struct template_data data = { .labels = alert->expr_labels,
				      .value = alert->value,
				      .external_labels = actions->config->external_labels,
				      .external_url = actions->config->external_url,
				      .active_at_ms = alert->active_at_ms,
				      .evidence = alert->evidence,
				      .results = alert->asked };

	if (rule_annotations_render(rule, &data, &annotations) == 0) {
		labels_unref(alert->annotations);
		alert->annotations = annotations;
	}
	free(alert->generator_url);
	alert->generator_url = generator_url(actions, rule);
}

void alert_describe(const struct actions *actions, struct active_alert *alert)
{
	struct rule_set *rules = alert->undescribed;

	if (!rules)
		return;
	alert->undescribed = NULL;
	describe(actions, alert, alert_rule_of(rules, alert->rule_id));
	rule_set_unref(rules);
}

/*
 * An alert that fires is told again each minute, and looked at hardly ever: so it is described when
 * somebody looks. A rule that is gone leaves what was.
 */
static void describe_later(struct active_alert *alert, const struct alert_event *event)
{
	alert->rule_id = event->rule_id;
	if (alert->undescribed == event->rules)
		return;
	rule_set_unref(alert->undescribed);
	alert->undescribed = rule_set_ref(event->rules);
}

static char *dup_text(const char *text)
{
	return strdup(text ? text : "");
}

static struct active_alert *alert_new(struct actions *actions, struct labels *labels,
				      const struct alert_event *event)
{
	struct active_alert *alert = calloc(1, sizeof(*alert));

	if (!alert)
		return NULL;
	alert->labels = labels_ref(labels);
	alert->own = labels_ref(event->labels);
	alert->expr_labels = labels_ref(event->expr_labels);
	alert->fingerprint = alert->entry.hash = labels_fingerprint(labels);
	alert->ends_ms = TIME_NONE;
	alert->file = dup_text(event->file);
	alert->group = dup_text(event->group);
	alert->rule = dup_text(event->rule);
	if (!alert->file || !alert->group || !alert->rule ||
	    table_add(&actions->alerts, &alert->entry)) {
		alert_free(alert);
		return NULL;
	}
	return alert;
}

/* A longer `for` in a new rule file makes a firing alert pending again: for those who were told,
 * that is its end. */
static bool is_end(const struct alert_event *event)
{
	return event->state == ALERT_INACTIVE ||
	       (event->state == ALERT_PENDING && event->from == ALERT_FIRING);
}

static void take_over(struct active_alert *alert, const struct alert_event *event)
{
	labels_unref(alert->expr_labels);
	alert->expr_labels = labels_ref(event->expr_labels);
	alert->value = event->value;
	alert->updated_ms = event->at_ms;
	if (event->active_at_ms != TIME_NONE)
		alert->active_at_ms = event->active_at_ms;
	/* What an alert's end brings, or a refresh, is what its beginning brought. */
	if (event->evidence) {
		evidence_unref(alert->evidence);
		alert->evidence = evidence_ref(event->evidence);
	}
	if (event->asked) {
		query_results_unref(alert->asked);
		alert->asked = query_results_ref(event->asked);
	}
	if (event->fired_at_ms != TIME_NONE)
		alert->starts_ms = event->fired_at_ms;
	alert->ends_ms = TIME_NONE;
	alert->end_reason = ALERT_REASON_NONE;
	if (is_end(event)) {
		alert->ends_ms =
			event->resolved_at_ms != TIME_NONE ? event->resolved_at_ms : event->at_ms;
		alert->end_reason = event->reason;
	}
}

struct active_alert *alert_update(struct actions *actions, const struct alert_event *event)
{
	if (event->state == ALERT_PENDING && !is_end(event))
		return NULL;
	struct labels *labels = with_external(actions, event->labels);
	struct active_alert *alert = alert_find(actions, labels);

	if (!alert && event->state == ALERT_FIRING) {
		if (actions->alerts.n >= ACTION_ALERTS_MAX)
			log_error("action", "too many alerts: this one is not told",
				  "labels_fingerprint=%016llx",
				  (unsigned long long)labels_fingerprint(labels));
		else
			alert = alert_new(actions, labels, event);
	}
	labels_unref(labels);
	if (!alert)
		return NULL;
	if (event->rules) {
		take_over(alert, event);
		describe_later(alert, event);
	} else {
		alert_describe(actions, alert);
		take_over(alert, event);
		describe(actions, alert, rule_find(actions->rules, alert));
	}
	alert->from_journal = false;
	return alert;
}

/* As an event of the engine would tell it. */
static struct alert_event event_of(const struct active_alert *alert)
{
	bool fires = alert->ends_ms == TIME_NONE;

	return (struct alert_event){ .from = ALERT_FIRING,
				     .state = fires ? ALERT_FIRING : ALERT_INACTIVE,
				     .reason = alert->end_reason,
				     .labels = alert->own,
				     .expr_labels = alert->expr_labels,
				     .value = alert->value,
				     .at_ms = alert->updated_ms,
				     .active_at_ms = alert->active_at_ms,
				     .fired_at_ms = alert->starts_ms,
				     .resolved_at_ms = alert->ends_ms,
				     .keep_since_ms = TIME_NONE,
				     .no_data_since_ms = TIME_NONE,
				     .evidence = alert->evidence,
				     .asked = alert->asked,
				     .file = alert->file,
				     .group = alert->group,
				     .rule = alert->rule };
}

static void describe_one(void *ctx, struct table_entry *entry)
{
	alert_describe(ctx, (struct active_alert *)entry);
}

void alerts_describe(struct actions *actions)
{
	table_each(&actions->alerts, describe_one, actions);
}

struct collected {
	struct active_alert **items;
	size_t n;
};

static void collect_one(void *ctx, struct table_entry *entry)
{
	struct collected *all = ctx;

	all->items[all->n++] = (struct active_alert *)entry;
}

void alerts_relabel(struct actions *actions)
{
	struct collected all = { .items = malloc((actions->alerts.n + 1) * sizeof(*all.items)) };

	if (!all.items) {
		log_error("action", "out of memory: alerts keep their external labels", NULL);
		return;
	}
	table_each(&actions->alerts, collect_one, &all);
	for (size_t i = 0; i < all.n; i++) {
		struct active_alert *old = all.items[i];
		struct labels *labels = with_external(actions, old->own);
		struct alert_event event = event_of(old);

		if (old->ends_ms == TIME_NONE && !labels_is_equal(labels, old->labels) &&
		    alert_update(actions, &event)) {
			old->ends_ms = actions->now_ms;
			/* It is found by all its labels from now on. */
			labels_unref(old->own);
			old->own = labels_ref(old->labels);
		}
		labels_unref(labels);
	}
	free(all.items);
}

void alert_release(struct actions *actions, struct active_alert *alert)
{
	if (alert->groups || alert->ends_ms == TIME_NONE)
		return;
	table_remove(&actions->alerts, &alert->entry);
	alert_free(alert);
}

/* ---- journal ---- */

/* The engine's own records tell all there is to know of an alert. */
void alerts_restore(struct actions *actions, struct slice payload)
{
	struct alert_event *event;

	if (alert_event_decode(payload, &event))
		return;
	struct active_alert *alert = alert_update(actions, event);

	if (alert) {
		alert->from_journal = true;
		/* As the engine told it: our own records begin where the alert fires. */
		alert->is_fresh = event->state == ALERT_FIRING && event->from != ALERT_FIRING &&
				  event->reason == ALERT_REASON_NONE;
	}
	alert_event_free(event);
}

static void save_one(void *ctx, struct table_entry *entry)
{
	struct actions *actions = ctx;
	struct active_alert *alert = (struct active_alert *)entry;
	struct alert_event event = event_of(alert);
	struct buf out;

	/* An ended alert is only found again under a firing one: so it is told in two steps. */
	buf_init(&out);
	if (event.state == ALERT_INACTIVE) {
		event.state = ALERT_FIRING;
		event.resolved_at_ms = TIME_NONE;
		alert_event_encode(&event, &out);
		actions->sink.record(actions->sink.ctx, RECORD_ACTION_ALERT, buf_slice(&out), 0);
		buf_clear(&out);
		event.state = ALERT_INACTIVE;
		event.resolved_at_ms = alert->ends_ms;
	}
	alert_event_encode(&event, &out);
	actions->sink.record(actions->sink.ctx, RECORD_ACTION_ALERT, buf_slice(&out), 0);
	buf_fini(&out);
}

void alerts_checkpoint(struct actions *actions)
{
	table_each(&actions->alerts, save_one, actions);
}

static void free_one(void *ctx, struct table_entry *entry)
{
	alert_free((struct active_alert *)entry);
}

void alerts_fini(struct actions *actions)
{
	table_each(&actions->alerts, free_one, NULL);
	table_fini(&actions->alerts);
}
