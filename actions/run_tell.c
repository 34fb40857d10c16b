/*
 * Whom a run tells: the receiver of a notify step, and at a bad end those that the runbook names or
 * that the alert's own route leads to. By way of the outbox: at least once, under one id.
 *
 * What is told is the alert as it is, in the payload of any notification, with a reason of its own.
 */
#include "actions/runs_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

#define TOLD_REPEAT_MS (3600ll * 1000) /* nothing is repeated; so long it is remembered */

/* The alert, or what is known of one that is over and forgotten. */
static struct active_alert alert_of(const struct run *run)
{
	struct active_alert *alert = alert_find(run->runs->actions, run->trigger.alert);

	if (alert) {
		alert_describe(run->runs->actions, alert);
		return *alert;
	}
	return (struct active_alert){ .labels = run->trigger.alert,
				      .expr_labels = run->trigger.expr,
				      .fingerprint = labels_fingerprint(run->trigger.alert),
				      .starts_ms = run->trigger.starts_ms,
				      .ends_ms = run->runs->actions->now_ms,
				      .value = run->trigger.value,
				      .evidence = run->trigger.evidence };
}

/* It was put there before a crash. */
static bool is_in_outbox(const struct actions *actions, const char *key)
{
	for (const struct delivery *delivery = actions->newest; delivery;
	     delivery = delivery->older)
		if (delivery->told_key && strcmp(delivery->told_key, key) == 0)
			return true;
	return false;
}

static int tell_one(struct run *run, const struct receiver *receiver,
		    const struct integration *integration, const char *key, const char *reason)
{
	struct actions *actions = run->runs->actions;
	struct active_alert alert = alert_of(run), *alerts = &alert;
	struct group group = { .labels = run->trigger.alert, .key = (char *)key };
	struct delivery_spec spec = { .told_key = key,
				      .group_key = key,
				      .receiver = receiver,
				      .integration = integration,
				      .reason = "runbook",
				      .repeat_ms = TOLD_REPEAT_MS };
	int code = fingerprints_add(alert.ends_ms == TIME_NONE ? &spec.firing : &spec.resolved,
				    alert.fingerprint);

	if (code == 0)
		code = payload_make(actions, &group, receiver, &alerts, 1, 0, reason, &spec.body,
				    &spec.body_len);
	if (code == 0)
		code = outbox_add(actions, &spec);
	if (code) {
		fingerprints_fini(&spec.firing);
		fingerprints_fini(&spec.resolved);
	}
	return code;
}

/* `what` tells the messages of a run apart. */
static int tell(struct run *run, const struct receiver *receiver, const char *what,
		const char *reason)
{
	int code = 0;

	for (uint32_t i = 0; i < receiver->n && code == 0; i++) {
		const struct integration *integration = &receiver->integrations[i];
		struct buf key;

		buf_init(&key);
		buf_printf(&key, SLICE_FMT "/%s/%u/run:%s/%s", SLICE_ARG(receiver->name),
			   integration->plugin->name, integration->index, run->id, what);
		if (!buf_ok(&key))
			code = ERR_NOMEM;
		else if (!is_in_outbox(run->runs->actions, key.ptr))
			code = tell_one(run, receiver, integration, key.ptr, reason);
		buf_fini(&key);
	}
	return code;
}

int run_notify(struct run *run, const struct run_step *step, const struct receiver *receiver)
{
	char reason[200];

	snprintf(reason, sizeof(reason), "runbook %s, step %s", run->runbook, step->id);
	return tell(run, receiver, step->id, reason);
}

/* Nobody wants to hear that nothing was done where nothing was to be done. */
static bool is_worth_telling(const struct run *run)
{
	static const char *const quiet[] = { "disabled", "suppressed", "trigger gone" };

	if (run->state == RUN_RECOVERED || run->state == RUN_SUGGESTED)
		return false;
	for (size_t i = 0; run->state == RUN_REFUSED && i < sizeof(quiet) / sizeof(quiet[0]); i++)
		if (strcmp(run->reason, quiet[i]) == 0)
			return false;
	return true;
}

/* A storm of refusals is told in part; all are shown and logged. */
static bool may_tell(struct runs *runs)
{
	int64_t minute = runs->actions->now_ms / 60000;

	if (minute != runs->told_minute)
		runs->told = 0;
	runs->told_minute = minute;
	if (runs->told == RUN_TOLD_MAX)
		log_warn("runbook", "more bad ends than are told in a minute", NULL);
	return runs->told++ < RUN_TOLD_MAX;
}

static int tell_route(struct run *run, const char *reason)
{
	const struct route *routes[ROUTES_OF_ALERT_MAX + 1];
	size_t n = alert_routes(run->runs->actions, run->trigger.alert, routes);
	int code = 0;

	for (size_t i = 0; i < n && code == 0; i++) {
		size_t k = 0;

		while (routes[k]->receiver != routes[i]->receiver)
			k++;
		if (k == i) /* two routes may lead to one receiver */
			code = tell(run, routes[i]->receiver, "end", reason);
	}
	return code;
}

void run_tell_end(struct run *run)
{
	const struct runbook *runbook =
		runbook_find(run->runs->actions->config, slice_from(run->runbook));
	const struct receiver *receiver = NULL;
	char reason[RUN_REASON_BYTES + 128];

	if (!is_worth_telling(run) || !may_tell(run->runs))
		return;
	if (runbook)
		receiver = run->state == RUN_REFUSED ? runbook->on_refused : runbook->on_failed;
	snprintf(reason, sizeof(reason), "runbook %s %s: %s", run->runbook,
		 run_state_text(run->state), run->reason);
	int code = receiver ? tell(run, receiver, "end", reason) : tell_route(run, reason);

	if (code)
		log_error("runbook", "cannot tell how a run ended", "run=%s error=%s", run->id,
			  log_quote(slice_from(error_text(code))));
}
