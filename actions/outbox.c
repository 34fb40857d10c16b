/*
 * The outbox: deliveries on their way.
 *
 *              ┌────────── newer one of the same key ──────────┐
 *              │ (not begun)                                   │ (after a failed attempt)
 *   WAITING ───┴──► SENDING ──► DONE                           ▼
 *                     │  ▲                                SUPERSEDED
 *          to retry   ▼  │ backoff
 *                   RETRYING ──► (given up, or refused for good) DEAD
 *
 * A lane is a key (receiver, integration, group key), held by its struct told: one entry current,
 * at most one newer behind it. SENDING is journaled, and that record durable, before the first byte
 * leaves; the body is in the journal since the entry was made. After a crash an entry that was
 * SENDING is sent again under its id: at least once.
 */
#include "actions/actions_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define ATTEMPTS_MAX 1000000	  /* read back from the journal */
#define INTEGRATIONS_MAX 1000000  /* of a receiver, likewise */
#define BODY_KEPT_MAX (64 * 1024) /* of finished deliveries, for looking in */
#define DEAD_BYTES_MAX (64 * 1024 * 1024) /* of dead letters; then the oldest lose theirs */

static const char *const state_texts[] = {
	[DELIVERY_WAITING] = "waiting",	      [DELIVERY_SENDING] = "sending",
	[DELIVERY_RETRYING] = "retrying",     [DELIVERY_DONE] = "done",
	[DELIVERY_SUPERSEDED] = "superseded", [DELIVERY_DEAD] = "dead"
};

static bool is_finished(const struct delivery *delivery)
{
	return delivery->state >= DELIVERY_DONE;
}

static void due_at(struct delivery *delivery, int64_t ms)
{
	delivery->next_ms = ms;
	delivery->actions->outbox_due_ms = time_earliest(delivery->actions->outbox_due_ms, ms);
}

/* ---- the list ---- */

static void link_newest(struct actions *actions, struct delivery *delivery)
{
	delivery->older = actions->newest;
	delivery->newer = NULL;
	if (actions->newest)
		actions->newest->newer = delivery;
	else
		actions->oldest = delivery;
	actions->newest = delivery;
}

static void delivery_free(struct delivery *delivery)
{
	struct actions *actions = delivery->actions;

	*(delivery->newer ? &delivery->newer->older : &actions->newest) = delivery->older;
	*(delivery->older ? &delivery->older->newer : &actions->oldest) = delivery->newer;
	free(delivery->told_key);
	free(delivery->group_key);
	free(delivery->receiver);
	free(delivery->integration_name);
	free(delivery->body);
	fingerprints_fini(&delivery->firing);
	fingerprints_fini(&delivery->resolved);
	free(delivery);
}

static void forget_old(struct actions *actions)
{
	for (struct delivery *delivery = actions->oldest;
	     delivery && actions->nfinished > DELIVERIES_KEPT;) {
		struct delivery *newer = delivery->newer;

		if (is_finished(delivery)) {
			delivery_free(delivery);
			actions->nfinished--;
		}
		delivery = newer;
	}
}

/* ---- journal ---- */

static uint64_t save(struct delivery *delivery, bool whole, bool answer)
{
	json_t *object = json_pack("{ss ss si si ss sI sI sI sI}", "id", delivery->id, "state",
				   state_texts[delivery->state], "attempts",
				   (int)delivery->attempts, "code", delivery->code, "message",
				   delivery->message, "last", (json_int_t)delivery->last_attempt_ms,
				   "next", (json_int_t)delivery->next_ms, "finished",
				   (json_int_t)delivery->finished_ms, "created",
				   (json_int_t)delivery->created_ms);

	if (object && whole) {
		json_t *rest = json_pack(
			"{ss ss ss ss si ss ss% so so sI}", "told", delivery->told_key, "group",
			delivery->group_key, "receiver", delivery->receiver, "integration",
			delivery->integration_name, "index", (int)delivery->integration_index,
			"reason", delivery->reason, "body", delivery->body ? delivery->body : "",
			delivery->body_len, "firing", fingerprints_to_json(&delivery->firing),
			"resolved", fingerprints_to_json(&delivery->resolved), "repeat",
			(json_int_t)delivery->repeat_ms);

		/* Without it the record would not be the whole: better none at all. */
		if (!rest || json_object_update(object, rest)) {
			json_decref(object);
			object = NULL;
		}
		json_decref(rest);
	}
	return actions_record(delivery->actions, RECORD_DELIVERY, object, answer);
}

static void body_drop(struct delivery *delivery)
{
	free(delivery->body);
	delivery->body = NULL;
	delivery->body_len = 0;
}

/* What was sent is kept where it is short, for looking in, and of dead letters while there is room.
 */
static void body_bound(struct delivery *delivery)
{
	size_t bytes = 0;

	if (delivery->state != DELIVERY_DEAD) {
		if (delivery->body_len > BODY_KEPT_MAX)
			body_drop(delivery);
		return;
	}
	for (struct delivery *each = delivery->actions->newest; each; each = each->older) {
		bytes += each->state == DELIVERY_DEAD ? each->body_len : 0;
		if (each->state == DELIVERY_DEAD && bytes > DEAD_BYTES_MAX)
			body_drop(each);
	}
}

/* ---- lanes ---- */

/* The entry leaves its lane; the one behind it takes its place. */
static void finish(struct delivery *delivery, enum delivery_state state, const char *message)
{
	struct actions *actions = delivery->actions;
	struct told *told = delivery->told;

	delivery->state = state;
	delivery->finished_ms = actions->now_ms;
	delivery->next_ms = TIME_NONE;
	if (message)
		text_fit(delivery->message, sizeof(delivery->message), message);
	save(delivery, false, false);
	delivery->told = NULL;
	actions->nfinished++;
	if (told->current == delivery) {
		told->current = told->next;
		told->next = NULL;
		if (told->current)
			due_at(told->current, actions->now_ms);
	} else if (told->next == delivery) {
		told->next = NULL;
	}
	body_bound(delivery);
}

static bool has_begun(const struct delivery *delivery)
{
	return delivery->attempts > 0;
}

const struct delivery *outbox_begun(const struct actions *actions, const char *key)
{
	const struct told *told = told_find((struct actions *)actions, key);

	return told && told->current && has_begun(told->current) ? told->current : NULL;
}

struct delivery *outbox_unbegun(const struct actions *actions, const char *key)
{
	const struct told *told = told_find((struct actions *)actions, key);

	if (!told || (!told->next && (!told->current || has_begun(told->current))))
		return NULL;
	return told->next ? told->next : told->current;
}

void outbox_drop(struct delivery *delivery)
{
	finish(delivery, DELIVERY_SUPERSEDED, "it was over before it was sent");
}

static struct delivery *delivery_new(struct actions *actions, const struct delivery_spec *spec)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery)
		return NULL;
	delivery->actions = actions;
	delivery->told_key = strdup(spec->told_key);
	delivery->group_key = strdup(spec->group_key);
	delivery->receiver = slice_dup(spec->receiver->name);
	delivery->integration_name = strdup(spec->integration->plugin->name);
	delivery->integration = spec->integration;
	delivery->integration_index = spec->integration->index;
	text_fit(delivery->reason, sizeof(delivery->reason), spec->reason);
	delivery->repeat_ms = spec->repeat_ms;
	delivery->created_ms = actions->now_ms;
	delivery->last_attempt_ms = delivery->finished_ms = delivery->next_ms = TIME_NONE;
	link_newest(actions, delivery);
	if (!delivery->told_key || !delivery->group_key || !delivery->receiver ||
	    !delivery->integration_name) {
		delivery_free(delivery);
		return NULL;
	}
	return delivery;
}

int outbox_add(struct actions *actions, struct delivery_spec *spec)
{
	struct told *told = told_get(actions, spec->told_key);
	struct delivery *delivery = told ? delivery_new(actions, spec) : NULL;

	if (!delivery || spec->body_len > DELIVERY_BODY_MAX) {
		if (delivery)
			delivery_free(delivery);
		free(spec->body);
		return told && spec->body_len > DELIVERY_BODY_MAX ? ERR_LIMIT : ERR_NOMEM;
	}
	snprintf(delivery->id, sizeof(delivery->id), "%s-%llu", actions->options.instance,
		 (unsigned long long)actions->next_delivery++);
	delivery->told = told;
	delivery->body = spec->body;
	delivery->body_len = spec->body_len;
	delivery->firing = spec->firing;
	delivery->resolved = spec->resolved;
	actions->stats.notifications++;
	save(delivery, true, false);
	/* What has not begun is replaced; what failed at least once is superseded; what is being
	 * sent is waited for. */
	if (told->next)
		finish(told->next, DELIVERY_SUPERSEDED,
		       "a newer state took its place before it was sent");
	if (told->current && told->current->state != DELIVERY_SENDING) {
		actions->stats.superseded++;
		finish(told->current, DELIVERY_SUPERSEDED, "a newer state took its place");
	}
	if (told->current)
		told->next = delivery;
	else
		told->current = delivery;
	if (told->current == delivery)
		due_at(delivery, actions->now_ms);
	return 0;
}

/* ---- attempts ---- */

static int64_t backoff_ms(const struct delivery *delivery)
{
	int64_t ms = DELIVERY_BACKOFF_MIN_MS;

	for (unsigned i = 1; i < delivery->attempts && ms < DELIVERY_BACKOFF_MAX_MS; i++)
		ms += ms / 2;
	if (ms > DELIVERY_BACKOFF_MAX_MS)
		ms = DELIVERY_BACKOFF_MAX_MS;
	return ms - ms / 4 + random() % (ms / 2);
}

static void succeed(struct delivery *delivery)
{
	struct actions *actions = delivery->actions;
	struct told *told = delivery->told;

	fingerprints_copy(&delivery->firing, &told->firing);
	fingerprints_copy(&delivery->resolved, &told->resolved);
	for (uint32_t i = 0; i < delivery->resolved.n; i++)
		fingerprints_remove(&told->heard, delivery->resolved.items[i]);
	told->at_ms = actions->now_ms;
	told->expires_ms = actions->now_ms + 2 * delivery->repeat_ms;
	told_save(actions, told);
}

/* Newer state waits behind: it tells all that this one would have. */
static void fail_for_now(struct delivery *delivery, const struct action_result *result)
{
	struct actions *actions = delivery->actions;
	int64_t wait_ms = backoff_ms(delivery);

	actions->stats.retries++;
	if (delivery->told->next) {
		actions->stats.superseded++;
		finish(delivery, DELIVERY_SUPERSEDED, NULL);
		return;
	}
	if (actions->now_ms - delivery->created_ms > DELIVERY_GIVE_UP_MS) {
		actions->stats.dead++;
		succeed(delivery); /* said as well as it could be: not to be tried for ever */
		finish(delivery, DELIVERY_DEAD, NULL);
		return;
	}
	if (result->retry_after_ms > wait_ms)
		wait_ms = result->retry_after_ms < DELIVERY_GIVE_UP_MS ? result->retry_after_ms
								       : DELIVERY_GIVE_UP_MS;
	delivery->state = DELIVERY_RETRYING;
	due_at(delivery, actions->now_ms + wait_ms);
	save(delivery, false, false);
}

static void take_result(struct delivery *delivery, const struct action_result *result)
{
	struct actions *actions = delivery->actions;

	delivery->attempt = NULL;
	actions_config_unref(delivery->config);
	delivery->config = NULL;
	delivery->code = result->code;
	text_fit(delivery->message, sizeof(delivery->message), result->message);
	if (result->outcome == ACTION_OK) {
		succeed(delivery);
		finish(delivery, DELIVERY_DONE, NULL);
		return;
	}
	actions->stats.notifications_failed++;
	log_warn("action", "a notification was not taken",
		 "id=%s receiver=%s attempt=%u code=%d error=%s", delivery->id,
		 log_quote(slice_from(delivery->receiver)), delivery->attempts, result->code,
		 log_quote(slice_from(delivery->message)));
	if (result->outcome != ACTION_FAILED) {
		fail_for_now(delivery, result);
		return;
	}
	actions->stats.dead++;
	succeed(delivery);
	finish(delivery, DELIVERY_DEAD, NULL);
}

static void on_result(void *ctx, const struct action_result *result)
{
	struct delivery *delivery = ctx;
	struct actions *actions = delivery->actions;

	actions_enter(actions);
	take_result(delivery, result);
	actions_leave(actions);
}

/* The intent is durable: now it may leave. */
static void send(struct delivery *delivery)
{
	struct actions *actions = delivery->actions;
	struct action_job job = { .id = delivery->id,
				  .attempt = delivery->attempts,
				  .now_ms = actions->now_ms,
				  .body = { delivery->body, delivery->body_len } };

	actions->stats.attempts++;
	delivery->config = actions_config_ref(actions->config);
	int code = delivery->integration->plugin->start(&actions->options.host,
							delivery->integration->options, &job,
							on_result, delivery, &delivery->attempt);

	if (code) {
		struct action_result result = { .outcome = ACTION_RETRY,
						.message = error_text(code),
						.retry_after_ms = -1 };

		on_result(delivery, &result);
	}
}

/* Whoever is now told of firing alerts may have heard of them, whatever becomes of the attempt. */
static void begin(struct delivery *delivery)
{
	struct actions *actions = delivery->actions;
	bool more = false;

	if (!delivery->integration) {
		actions->stats.dead++;
		succeed(delivery);
		finish(delivery, DELIVERY_DEAD, "its receiver is no longer configured");
		return;
	}
	for (uint32_t i = 0; i < delivery->firing.n; i++) {
		more = more || !fingerprints_has(&delivery->told->heard, delivery->firing.items[i]);
		fingerprints_add(&delivery->told->heard, delivery->firing.items[i]);
	}
	if (more)
		told_save(actions, delivery->told);
	delivery->state = DELIVERY_SENDING;
	delivery->attempts++;
	delivery->last_attempt_ms = actions->now_ms;
	delivery->next_ms = TIME_NONE;
	delivery->token = save(delivery, false, true);
}

bool outbox_durable(struct actions *actions, uint64_t token)
{
	for (struct delivery *delivery = actions->newest; delivery; delivery = delivery->older)
		if (delivery->token == token) {
			delivery->token = 0;
			send(delivery);
			return true;
		}
	return false;
}

void outbox_step(struct actions *actions)
{
	forget_old(actions);
	if (actions->outbox_due_ms == TIME_NONE || actions->outbox_due_ms > actions->now_ms)
		return;
	actions->outbox_due_ms = TIME_NONE;
	for (struct delivery *delivery = actions->oldest; delivery; delivery = delivery->newer) {
		if (is_finished(delivery) || delivery->told->current != delivery ||
		    delivery->next_ms == TIME_NONE)
			continue;
		if (delivery->next_ms <= actions->now_ms) {
			begin(delivery);
		} else {
			due_at(delivery, delivery->next_ms);
		}
	}
}

/* ---- configuration ---- */

static const struct integration *integration_find(const struct actions_config *config,
						  const struct delivery *delivery)
{
	for (uint32_t r = 0; r < config->nreceivers; r++) {
		const struct receiver *receiver = &config->receivers[r];

		for (uint32_t i = 0; i < receiver->n; i++)
			if (slice_is(receiver->name, delivery->receiver) &&
			    receiver->integrations[i].index == delivery->integration_index &&
			    strcmp(receiver->integrations[i].plugin->name,
				   delivery->integration_name) == 0)
				return &receiver->integrations[i];
	}
	return NULL;
}

void outbox_configure(struct actions *actions)
{
	for (struct delivery *delivery = actions->newest; delivery; delivery = delivery->older)
		if (!is_finished(delivery) && !delivery->config)
			delivery->integration = integration_find(actions->config, delivery);
}

/* ---- restart ---- */

static struct delivery *find_id(const struct actions *actions, const char *id)
{
	for (struct delivery *delivery = actions->newest; delivery; delivery = delivery->older)
		if (strcmp(delivery->id, id) == 0)
			return delivery;
	return NULL;
}

static enum delivery_state state_parse(const char *text)
{
	for (int i = DELIVERY_WAITING; text && i <= DELIVERY_DEAD; i++)
		if (strcmp(state_texts[i], text) == 0)
			return (enum delivery_state)i;
	return DELIVERY_WAITING;
}

static struct delivery *restore_whole(struct actions *actions, const char *id, const json_t *object)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));
	const json_t *body = json_object_get(object, "body");
	unsigned long long number;
	const char *dash = strrchr(id, '-');

	if (!delivery)
		return NULL;
	delivery->actions = actions;
	link_newest(actions, delivery);
	strcpy(delivery->id, id);
	delivery->told_key = strdup(json_text(object, "told") ?: "");
	delivery->group_key = strdup(json_text(object, "group") ?: "");
	delivery->receiver = strdup(json_text(object, "receiver") ?: "");
	delivery->integration_name = strdup(json_text(object, "integration") ?: "");
	delivery->integration_index =
		(uint32_t)integer_from_json(json_object_get(object, "index"), 0, INTEGRATIONS_MAX);
	text_fit(delivery->reason, sizeof(delivery->reason), json_text(object, "reason"));
	delivery->body =
		slice_dup((struct slice){ json_string_value(body), json_string_length(body) });
	delivery->body_len = json_string_length(body);
	if (!delivery->told_key || !delivery->group_key || !delivery->receiver ||
	    !delivery->integration_name || !delivery->body) {
		delivery_free(delivery);
		return NULL;
	}
	fingerprints_from_json(json_object_get(object, "firing"), &delivery->firing);
	fingerprints_from_json(json_object_get(object, "resolved"), &delivery->resolved);
	delivery->repeat_ms = integer_from_json(json_object_get(object, "repeat"), 0, TIME_MAX_MS);
	if (dash && sscanf(dash + 1, "%llu", &number) == 1 && number >= actions->next_delivery)
		actions->next_delivery = number + 1;
	return delivery;
}

void outbox_restore(struct actions *actions, struct slice payload)
{
	json_t *object = record_parse(payload);
	const char *id = json_text(object, "id");
	struct delivery *delivery = id ? find_id(actions, id) : NULL;

	if (id && !delivery && strlen(id) < sizeof(delivery->id) && json_object_get(object, "told"))
		delivery = restore_whole(actions, id, object);
	if (delivery) {
		bool was_finished = is_finished(delivery);

		delivery->state = state_parse(json_text(object, "state"));
		delivery->attempts = (unsigned)integer_from_json(
			json_object_get(object, "attempts"), 0, ATTEMPTS_MAX);
		delivery->code = (int)integer_from_json(json_object_get(object, "code"), INT32_MIN,
							INT32_MAX);
		text_fit(delivery->message, sizeof(delivery->message),
			 json_text(object, "message"));
		delivery->last_attempt_ms = time_from_json(json_object_get(object, "last"));
		delivery->next_ms = time_from_json(json_object_get(object, "next"));
		delivery->finished_ms = time_from_json(json_object_get(object, "finished"));
		delivery->created_ms =
			integer_from_json(json_object_get(object, "created"), 0, TIME_MAX_MS);
		if (is_finished(delivery)) {
			actions->nfinished += !was_finished;
			body_bound(delivery);
		}
		forget_old(actions);
	}
	json_decref(object);
}

/* What was under way when the daemon died goes out again under its id, and first what is older. */
void outbox_restore_done(struct actions *actions)
{
	for (struct delivery *delivery = actions->oldest; delivery; delivery = delivery->newer) {
		if (is_finished(delivery))
			continue;
		struct told *told = told_get(actions, delivery->told_key);

		if (!told || told->next) {
			log_error("action", "a delivery could not be taken up again", "id=%s",
				  delivery->id);
			delivery->state = DELIVERY_DEAD;
			continue;
		}
		delivery->told = told;
		*(told->current ? &told->next : &told->current) = delivery;
		delivery->next_ms = TIME_NONE;
		delivery->state = delivery->attempts ? DELIVERY_RETRYING : DELIVERY_WAITING;
		if (told->current == delivery)
			due_at(delivery, actions->now_ms);
	}
	outbox_configure(actions);
}

void outbox_checkpoint(struct actions *actions)
{
	for (struct delivery *delivery = actions->oldest; delivery; delivery = delivery->newer)
		save(delivery, true, false);
}

void outbox_fini(struct actions *actions)
{
	while (actions->newest) {
		struct delivery *delivery = actions->newest;

		if (delivery->attempt)
			delivery->integration->plugin->cancel(delivery->attempt);
		actions_config_unref(delivery->config);
		delivery_free(delivery);
	}
}

/* ---- looking in ---- */

void actions_deliveries_each(const struct actions *actions,
			     void (*fn)(void *ctx, const struct delivery_view *delivery), void *ctx)
{
	for (const struct delivery *delivery = actions->newest; delivery;
	     delivery = delivery->older) {
		struct delivery_view view = { .id = delivery->id,
					      .receiver = delivery->receiver,
					      .integration = delivery->integration_name,
					      .group_key = delivery->group_key,
					      .reason = delivery->reason,
					      .message = delivery->message,
					      .state = delivery->state,
					      .attempts = delivery->attempts,
					      .code = delivery->code,
					      .firing = delivery->firing.n,
					      .resolved = delivery->resolved.n,
					      .created_ms = delivery->created_ms,
					      .last_attempt_ms = delivery->last_attempt_ms,
					      .next_attempt_ms = delivery->next_ms,
					      .finished_ms = delivery->finished_ms,
					      .body = { delivery->body, delivery->body_len } };

		fn(ctx, &view);
	}
}

const char *delivery_state_text(enum delivery_state state)
{
	return state_texts[state];
}
