/*
 * Aggregation groups, after Alertmanager's dispatcher: an alert lives in one group for each route
 * it takes; a group waits group_wait, is flushed, and flushed again every group_interval while it
 * has alerts. What a flush tells is decided for each integration by comparing with the notification
 * log.
 *
 * Two things are done better than there: the end of an alert is told to everybody who may have
 * heard its beginning, even if no attempt is known to have succeeded; and what was told is in the
 * journal before it is sent, not in a snapshot every quarter of an hour.
 */
#include "actions/actions_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

/* ---- the table ---- */

static bool has_key(const struct table_entry *entry, const void *key)
{
	return strcmp(((const struct group *)entry)->key, key) == 0;
}

static void group_free(struct group *group)
{
	labels_unref(group->labels);
	free(group->key);
	free(group->alerts);
	free(group);
}

static struct labels *group_labels(const struct route *route, const struct labels *labels)
{
	struct labels_builder builder;
	struct labels *out = NULL;

	if (route->group_by_all)
		return labels_ref((struct labels *)labels);
	labels_builder_init(&builder);
	for (uint32_t i = 0; i < route->ngroup_by; i++)
		labels_builder_set(&builder, route->group_by[i],
				   labels_get(labels, route->group_by[i]));
	if (labels_builder_take(&builder, &out, NULL))
		out = NULL;
	labels_builder_fini(&builder);
	return out;
}

/* {}/{team="x"}:{alertname="A"} */
static char *group_key(const struct route *route, const struct labels *labels)
{
	struct buf key;

	buf_init(&key);
	buf_printf(&key, "%s:{", route->key);
	for (size_t i = 0; i < labels_count(labels); i++) {
		struct label label = labels_at(labels, i);

		buf_printf(&key, "%s" SLICE_FMT "=", i ? ", " : "", SLICE_ARG(label.name));
		text_quote(label.value, &key);
	}
	buf_add_char(&key, '}');
	return buf_take(&key);
}

static struct group *group_get(struct actions *actions, const struct route *route,
			       const struct labels *alert_labels)
{
	struct labels *labels = group_labels(route, alert_labels);
	char *key = labels ? group_key(route, labels) : NULL;
	uint64_t hash = key ? hash_fnv1a64(FNV1A64_INIT, key, strlen(key)) : 0;
	struct group *group =
		key ? (struct group *)table_find(&actions->groups, hash, has_key, key) : NULL;

	if (!group && key) {
		group = calloc(1, sizeof(*group));
		if (group) {
			*group = (struct group){ .entry.hash = hash,
						 .route = route,
						 .labels = labels,
						 .key = key,
						 .next_ms = TIME_NONE };
			if (table_add(&actions->groups, &group->entry) == 0)
				return group;
			free(group);
			group = NULL;
		}
	}
	labels_unref(labels);
	free(key);
	return group;
}

static int group_alert_add(struct group *group, struct active_alert *alert)
{
	for (uint32_t i = 0; i < group->nalerts; i++)
		if (group->alerts[i] == alert)
			return 0;
	if (group->nalerts == group->cap) {
		uint32_t cap = group->cap ? 2 * group->cap : 4;
		struct active_alert **grown = realloc(group->alerts, cap * sizeof(*grown));

		if (!grown)
			return ERR_NOMEM;
		group->alerts = grown;
		group->cap = cap;
	}
	group->alerts[group->nalerts++] = alert;
	alert->groups++;
	return 0;
}

/* When a group that has just got this alert is to be flushed. */
static void group_schedule(struct actions *actions, struct group *group,
			   const struct active_alert *alert)
{
	const struct route *route = group->route;

	if (group->next_ms != TIME_NONE)
		return;
	group->next_ms = group->flushed ? actions->now_ms : actions->now_ms + route->group_wait_ms;
	/* An alert that has fired for longer than the wait has waited enough. */
	if (alert->starts_ms + route->group_wait_ms < actions->now_ms)
		group->next_ms = actions->now_ms;
	actions->groups_due_ms = time_earliest(actions->groups_due_ms, group->next_ms);
}

size_t alert_routes(const struct actions *actions, const struct labels *alert,
		    const struct route *routes[ROUTES_OF_ALERT_MAX + 1])
{
	size_t n = actions->config->root ? route_match(actions->config->root, alert, routes,
						       ROUTES_OF_ALERT_MAX + 1)
					 : 0;

	if (n <= ROUTES_OF_ALERT_MAX)
		return n;
	log_error("action", "an alert takes too many routes: the others are not told",
		  "labels_fingerprint=%016llx limit=%d",
		  (unsigned long long)labels_fingerprint(alert), ROUTES_OF_ALERT_MAX);
	return ROUTES_OF_ALERT_MAX;
}

void groups_add_alert(struct actions *actions, struct active_alert *alert)
{
	const struct route *routes[ROUTES_OF_ALERT_MAX + 1];
	size_t n = alert_routes(actions, alert->labels, routes);

	for (size_t i = 0; i < n; i++) {
		struct group *group = group_get(actions, routes[i], alert->labels);

		if (!group || group_alert_add(group, alert)) {
			log_error("action", "out of memory: an alert is not told", NULL);
			continue;
		}
		group_schedule(actions, group, alert);
	}
}

/* ---- flush ---- */

/* By job, instance, then all labels: Alertmanager's order. */
static int compare_alerts(const void *a, const void *b)
{
	const struct active_alert *x = *(struct active_alert *const *)a,
				  *y = *(struct active_alert *const *)b;
	int order = slice_compare(labels_get(x->labels, SLICE("job")),
				  labels_get(y->labels, SLICE("job")));

	if (order == 0)
		order = slice_compare(labels_get(x->labels, SLICE("instance")),
				      labels_get(y->labels, SLICE("instance")));
	return order ? order : labels_compare(x->labels, y->labels);
}

/* What one integration should hear now. */
struct flush {
	struct active_alert **alerts; /* not silenced, sorted */
	uint32_t n;
	struct fingerprints firing, resolved;
};

static int flush_init(struct actions *actions, const struct group *group, struct flush *flush)
{
	*flush = (struct flush){ .alerts = malloc((group->nalerts + 1) * sizeof(*flush->alerts)) };
	if (!flush->alerts)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < group->nalerts; i++) {
		struct active_alert *alert = group->alerts[i];

		if (actions_silenced_by(actions, alert->labels, actions->now_ms)) {
			actions->stats.suppressed++;
			continue;
		}
		flush->alerts[flush->n++] = alert;
		if (fingerprints_add(alert->ends_ms == TIME_NONE ? &flush->firing
								 : &flush->resolved,
				     alert->fingerprint))
			return ERR_NOMEM;
	}
	qsort(flush->alerts, flush->n, sizeof(*flush->alerts), compare_alerts);
	return 0;
}

static void flush_fini(struct flush *flush)
{
	free(flush->alerts);
	fingerprints_fini(&flush->firing);
	fingerprints_fini(&flush->resolved);
}

static bool any_heard(const struct told *told, const struct fingerprints *set)
{
	for (uint32_t i = 0; told && i < set->n; i++)
		if (fingerprints_has(&told->heard, set->items[i]))
			return true;
	return false;
}

/*
 * Why this integration must be told, in Alertmanager's words; NULL: it need not. Compared with what
 * it was told last or, while a delivery is on its way, with what that says.
 */
static const char *reason_to_tell(const struct actions *actions, const struct flush *flush,
				  const struct told *told, const struct delivery *pending,
				  const struct integration_options *options, int64_t repeat_ms)
{
	const struct fingerprints *firing = pending ? &pending->firing
					    : told  ? &told->firing
						    : NULL;
	const struct fingerprints *resolved = pending ? &pending->resolved
					      : told  ? &told->resolved
						      : NULL;
	bool fresh = !pending && (!told || told->at_ms == TIME_NONE);

	/* An end is told to whoever may have heard the beginning, else to nobody. */
	if (options->send_resolved && any_heard(told, &flush->resolved) &&
	    !(pending && fingerprints_is_subset(&flush->resolved, resolved)))
		return flush->firing.n ? "some alerts resolved" : "all alerts resolved";
	if (flush->firing.n == 0)
		return NULL;
	if (fresh)
		return "first notification";
	if (!fingerprints_is_subset(&flush->firing, firing))
		return firing->n ? "new alerts added" : "first notification";
	if (pending)
		return NULL;
	return told->at_ms + repeat_ms <= actions->now_ms ? "repeat interval elapsed" : NULL;
}

static char *told_key(const struct group *group, const struct receiver *receiver,
		      const struct integration *integration)
{
	struct buf key;

	buf_init(&key);
	buf_printf(&key, SLICE_FMT "/%s/%u/%s", SLICE_ARG(receiver->name),
		   integration->plugin->name, integration->index, group->key);
	return buf_take(&key);
}

/* Ended alerts that this integration cannot have heard of are left out of what it is told. */
static uint32_t pick(const struct flush *flush, const struct told *told,
		     const struct integration_options *options, struct active_alert **out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < flush->n; i++) {
		struct active_alert *alert = flush->alerts[i];

		if (alert->ends_ms == TIME_NONE ||
		    (options->send_resolved && told &&
		     fingerprints_has(&told->heard, alert->fingerprint)))
			out[n++] = alert;
	}
	return n;
}

static int sets_of(struct active_alert *const *alerts, uint32_t n, struct fingerprints *firing,
		   struct fingerprints *resolved)
{
	int code = 0;

	for (uint32_t i = 0; i < n && code == 0; i++)
		code = fingerprints_add(alerts[i]->ends_ms == TIME_NONE ? firing : resolved,
					alerts[i]->fingerprint);
	return code;
}

/*
 * The body tells as many of the alerts as it has room for: of the others only how many they are,
 * as with max_alerts. Rather so than never.
 */
static int body_make(struct actions *actions, const struct group *group,
		     struct active_alert *const *alerts, uint32_t n, uint32_t kept,
		     struct delivery_spec *spec)
{
	for (;;) {
		int code = payload_make(actions, group, spec->receiver, alerts, kept, n - kept,
					spec->reason, &spec->body, &spec->body_len);
		if (code || spec->body_len <= DELIVERY_BODY_MAX || kept <= 1)
			return code;
		/* A little fewer than would fit if all were alike. */
		kept = (uint32_t)((double)kept * DELIVERY_BODY_MAX / (double)spec->body_len * 0.9);
		kept = kept ? kept : 1;
		free(spec->body);
	}
}

/* A delivery for these alerts, unless the one that waits says the same. */
static int tell_alerts(struct actions *actions, const struct group *group,
		       const struct integration *integration, const char *key, const char *reason,
		       struct active_alert **alerts, uint32_t n)
{
	const struct integration_options *options = integration->options;
	const struct delivery *waiting = outbox_unbegun(actions, key);
	struct delivery_spec spec = { .told_key = key,
				      .group_key = group->key,
				      .receiver = group->route->receiver,
				      .integration = integration,
				      .reason = reason,
				      .repeat_ms = group->route->repeat_interval_ms };
	uint32_t kept = options->max_alerts > 0 && n > options->max_alerts
				? (uint32_t)options->max_alerts
				: n;
	int code = sets_of(alerts, n, &spec.firing, &spec.resolved);
	bool same = waiting && fingerprints_is_equal(&spec.firing, &waiting->firing) &&
		    fingerprints_is_equal(&spec.resolved, &waiting->resolved);

	if (code == 0 && !same)
		code = body_make(actions, group, alerts, n, kept, &spec);
	if (code == 0 && !same)
		code = outbox_add(actions, &spec);
	if (code || same) {
		fingerprints_fini(&spec.firing);
		fingerprints_fini(&spec.resolved);
	}
	return code;
}

/* What waits unsent does not count as told: it is replaced, or dropped when there is nothing to say
 * any more. */
static int tell(struct actions *actions, const struct group *group, const struct flush *flush,
		const struct integration *integration)
{
	const struct integration_options *options = integration->options;
	char *key = told_key(group, group->route->receiver, integration);
	int code = 0;

	if (!key)
		return ERR_NOMEM;
	const struct told *told = told_find(actions, key);
	const char *reason = reason_to_tell(actions, flush, told, outbox_begun(actions, key),
					    options, group->route->repeat_interval_ms);
	struct active_alert **alerts = reason ? malloc((flush->n + 1) * sizeof(*alerts)) : NULL;

	if (alerts)
		code = tell_alerts(actions, group, integration, key, reason, alerts,
				   pick(flush, told, options, alerts));
	else if (reason)
		code = ERR_NOMEM;
	else if (outbox_unbegun(actions, key))
		outbox_drop(outbox_unbegun(actions, key));
	free(alerts);
	free(key);
	return code;
}

/* Is somebody still to hear the end of this alert? */
static bool end_is_awaited(struct actions *actions, const struct group *group,
			   const struct active_alert *alert)
{
	const struct receiver *receiver = group->route->receiver;

	for (uint32_t i = 0; i < receiver->n; i++) {
		const struct integration_options *options = receiver->integrations[i].options;
		char *key = told_key(group, receiver, &receiver->integrations[i]);
		const struct told *told = key ? told_find(actions, key) : NULL;
		bool awaited = !key || (options->send_resolved && told &&
					fingerprints_has(&told->heard, alert->fingerprint));

		free(key);
		if (awaited)
			return true;
	}
	return false;
}

static void forget_ended(struct actions *actions, struct group *group)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < group->nalerts; i++) {
		struct active_alert *alert = group->alerts[i];

		if (alert->ends_ms == TIME_NONE || end_is_awaited(actions, group, alert)) {
			group->alerts[kept++] = alert;
			continue;
		}
		alert->groups--;
		alert_release(actions, alert);
	}
	group->nalerts = kept;
}

static void flush(struct actions *actions, struct group *group)
{
	struct flush flush;
	int code = flush_init(actions, group, &flush);

	for (uint32_t i = 0; i < group->route->receiver->n && code == 0; i++)
		code = tell(actions, group, &flush, &group->route->receiver->integrations[i]);
	flush_fini(&flush);
	if (code)
		log_error("action", "cannot tell a group, trying again", "group=%s error=%s",
			  log_quote(slice_from(group->key)),
			  log_quote(slice_from(error_text(code))));
	else
		forget_ended(actions, group);
	group->flushed = true;
	group->next_ms = actions->now_ms + group->route->group_interval_ms;
}

static void step_one(void *ctx, struct table_entry *entry)
{
	struct actions *actions = ctx;
	struct group *group = (struct group *)entry;

	if (group->next_ms <= actions->now_ms && group->next_ms != TIME_NONE) {
		flush(actions, group);
		if (group->nalerts == 0) {
			table_remove(&actions->groups, entry);
			group_free(group);
			return;
		}
	}
	actions->groups_due_ms = time_earliest(actions->groups_due_ms, group->next_ms);
}

void groups_step(struct actions *actions)
{
	if (actions->groups_due_ms == TIME_NONE || actions->groups_due_ms > actions->now_ms)
		return;
	actions->groups_due_ms = TIME_NONE;
	table_each(&actions->groups, step_one, actions);
}

/* ---- a new routing tree ---- */

static void free_one(void *ctx, struct table_entry *entry)
{
	struct group *group = (struct group *)entry;

	for (uint32_t i = 0; i < group->nalerts; i++)
		group->alerts[i]->groups--;
	group_free(group);
}

static void add_one(void *ctx, struct table_entry *entry)
{
	groups_add_alert(ctx, (struct active_alert *)entry);
}

static void release_one(void *ctx, struct table_entry *entry)
{
	alert_release(ctx, (struct active_alert *)entry);
}

void groups_rebuild(struct actions *actions)
{
	groups_fini(actions);
	actions->groups_due_ms = TIME_NONE;
	table_each(&actions->alerts, add_one, actions);
	/* With no route left, ended alerts wait for nobody. */
	table_each(&actions->alerts, release_one, actions);
}

void groups_fini(struct actions *actions)
{
	table_each(&actions->groups, free_one, NULL);
	table_fini(&actions->groups);
}
