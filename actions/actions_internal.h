/*
 * The action side's inner structure. Private to actions/.
 *
 *   alerts.c            what is active, by labels
 *   group.c             aggregation groups: who must be told what, when
 *   notification_log.c  what each integration of a group was told
 *   outbox.c            deliveries on their way
 *   silence.c           silences
 *   runs.c              runbook runs (runs_internal.h)
 *
 * All state lives here, owned by the action thread. Whatever must survive is a record of the
 * journal: upserts by a key of their own.
 */
#ifndef TOCSIN_ACTIONS_ACTIONS_INTERNAL_H
#define TOCSIN_ACTIONS_ACTIONS_INTERNAL_H

#include <jansson.h>

#include "actions/actions.h"
#include "actions/table.h"
#include "base/text.h"

/* ---- alerts ---- */

/* An alert as it is told: labels with the external ones. Firing while ends_ms is TIME_NONE. */
struct active_alert {
	struct table_entry entry; /* by labels */
	struct labels *labels, *expr_labels;
	struct labels *own; /* without the external ones: the engine's */
	uint64_t fingerprint;
	int64_t active_at_ms, starts_ms, ends_ms, updated_ms;
	enum alert_reason end_reason; /* of one that has ended; NONE: it ended as they do */
	double value;
	struct evidence *evidence;   /* NULL: none */
	struct query_results *asked; /* what its annotations asked for; NULL: nothing */
	/* As of when it was described last: alert_describe() comes before a look at them. */
	struct labels *annotations;
	char *generator_url;
	struct rule_set *undescribed; /* a reference: its rule describes it anew; NULL: none does */
	uint32_t rule_id;	      /* of that set */
	char *file, *group, *rule;
	uint32_t groups;   /* aggregation groups that hold it */
	bool from_journal; /* not heard of since the start */
	bool is_fresh; /* from the journal, and its runbooks may not have been asked for before the
			  crash */
};

struct active_alert *alert_find(struct actions *actions, const struct labels *labels);
/* Takes over what the event says; the alert, or NULL when there is nothing to tell (pending,
 * unknown end). */
struct active_alert *alert_update(struct actions *actions, const struct alert_event *event);
/* Annotations and link, as the newest event has them. */
void alert_describe(const struct actions *actions, struct active_alert *alert);
/* Forgets the alert when it has ended and no group holds it. */
void alert_release(struct actions *actions, struct active_alert *alert);
/*
 * The external labels have changed: what fires ends under its old labels and begins under the new
 * ones.
 */
void alerts_relabel(struct actions *actions);
/* So that none of them keeps rules that are no more. */
void alerts_describe(struct actions *actions);
void alerts_restore(struct actions *actions, struct slice payload);
void alerts_checkpoint(struct actions *actions);
void alerts_fini(struct actions *actions);

/* ---- groups ---- */

struct group {
	struct table_entry entry; /* by key */
	const struct route *route;
	struct labels *labels;
	char *key; /* {}/{team="x"}:{alertname="A"} */
	struct active_alert **alerts;
	uint32_t nalerts, cap;
	int64_t next_ms;
	bool flushed; /* at least once */
};

/* The routes that an alert of these labels takes; that there are more than it may is told. One
 * place more: to see that. */
size_t alert_routes(const struct actions *actions, const struct labels *alert,
		    const struct route *routes[ROUTES_OF_ALERT_MAX + 1]);
void groups_add_alert(struct actions *actions, struct active_alert *alert);
void groups_step(struct actions *actions);
/* Alerts are sorted into groups anew, by the routes in force. */
void groups_rebuild(struct actions *actions);
void groups_fini(struct actions *actions);

/* ---- notification log ---- */

struct fingerprints {
	uint64_t *items; /* sorted */
	uint32_t n, cap;
};
bool fingerprints_has(const struct fingerprints *set, uint64_t fingerprint);
int fingerprints_add(struct fingerprints *set, uint64_t fingerprint);
void fingerprints_remove(struct fingerprints *set, uint64_t fingerprint);
bool fingerprints_is_subset(const struct fingerprints *a, const struct fingerprints *b);
bool fingerprints_is_equal(const struct fingerprints *a, const struct fingerprints *b);
int fingerprints_copy(const struct fingerprints *from, struct fingerprints *to);
void fingerprints_fini(struct fingerprints *set);

/* What the integration of a group was last told; by (receiver, integration, index, group key). */
struct told {
	struct table_entry entry;
	char *key;
	int64_t at_ms; /* of the last successful notification; TIME_NONE: none yet */
	struct fingerprints firing, resolved;
	/* Alerts that somebody may have heard fire: told, or an attempt was begun. Their end must
	 * be told. */
	struct fingerprints heard;
	int64_t expires_ms;
	/* The delivery under way, and the newer one that waits behind it: the outbox's. */
	struct delivery *current, *next;
};
struct told *told_find(struct actions *actions, const char *key);
/* Finds or makes. NULL: no memory. */
struct told *told_get(struct actions *actions, const char *key);
/* Journals it. */
void told_save(struct actions *actions, const struct told *told);
void told_restore(struct actions *actions, struct slice payload);
void told_checkpoint(struct actions *actions);
void told_sweep(struct actions *actions);
void told_fini(struct actions *actions);

/* ---- outbox ---- */

struct delivery {
	struct delivery *newer, *older; /* all, by creation */
	struct actions *actions;
	struct told *told; /* while it is not finished */
	char id[48];
	char *told_key, *group_key, *receiver, *integration_name;
	uint32_t integration_index;
	const struct integration *integration; /* NULL: no longer configured */
	char reason[40];
	char *body;
	size_t body_len;
	struct fingerprints firing, resolved;
	int64_t repeat_ms;
	enum delivery_state state;
	unsigned attempts;
	int code;
	char message[256];
	int64_t created_ms, last_attempt_ms, next_ms,
		finished_ms; /* next_ms: TIME_NONE while a record or an answer is awaited */
	struct action_attempt *attempt; /* under way */
	struct actions_config *config;	/* a reference while an attempt is under way: it uses the
					   integration's options */
	uint64_t token;			/* the record it waits for; 0 none */
};

/* What is to be told. outbox_add() takes body and fingerprints, and the body also when it fails. */
struct delivery_spec {
	const char *told_key, *group_key;
	const struct receiver *receiver;
	const struct integration *integration;
	const char *reason;
	char *body;
	size_t body_len;
	struct fingerprints firing, resolved;
	int64_t repeat_ms;
};
int outbox_add(struct actions *actions, struct delivery_spec *spec);
/* What has begun to leave with this key and is not finished; or NULL. */
const struct delivery *outbox_begun(const struct actions *actions, const char *told_key);
/* What waits with this key and has not begun; or NULL. */
struct delivery *outbox_unbegun(const struct actions *actions, const char *told_key);
/* An entry that has not begun has nothing to say any more. */
void outbox_drop(struct delivery *delivery);
void outbox_step(struct actions *actions);
/* True when the token was the outbox's. */
bool outbox_durable(struct actions *actions, uint64_t token);
void outbox_configure(struct actions *actions);
void outbox_restore(struct actions *actions, struct slice payload);
void outbox_restore_done(struct actions *actions);
void outbox_checkpoint(struct actions *actions);
void outbox_fini(struct actions *actions);

/* ---- payload ---- */

/* Alertmanager's webhook body, version 4, of these alerts (sorted by the caller). *out to free().
 */
int payload_make(const struct actions *actions, const struct group *group,
		 const struct receiver *receiver, struct active_alert *const *alerts, uint32_t n,
		 uint32_t truncated, const char *reason, char **out, size_t *len);

/* ---- silences ---- */

void silences_restore(struct actions *actions, struct slice payload);
void silences_checkpoint(struct actions *actions);
void silences_sweep(struct actions *actions);
void silences_fini(struct actions *actions);

/* ---- runs ---- */

struct runs;
int runs_new(struct actions *actions, struct runs **out);
void runs_free(struct runs *runs);
/*
 * An alert went from pending (or inactive) to firing, or is told of again and may have done so just
 * before a crash: starts the runbooks that its rule names, once per episode.
 */
void runs_on_firing(struct runs *runs, const struct active_alert *alert,
		    const struct alert_event *event);
/* A firing alert as it is now: what waits for it to be settled may go. */
void runs_on_refresh(struct runs *runs, const struct active_alert *alert,
		     const struct alert_event *event);
/* An alert ended: what still waits for it stops. */
void runs_on_resolved(struct runs *runs, const struct active_alert *alert);
void runs_step(struct runs *runs);
int64_t runs_next_ms(const struct runs *runs);
bool runs_durable(struct runs *runs, uint64_t token);
/* Takes the query. */
void runs_answer(struct runs *runs, struct engine_query *query);
void runs_configure(struct runs *runs);
void runs_restore(struct runs *runs, struct slice payload);
void runs_restore_done(struct runs *runs);
void runs_checkpoint(struct runs *runs);
void runs_each(const struct runs *runs, void (*fn)(void *ctx, const struct run_view *run),
	       void *ctx);
void runs_stats(const struct runs *runs, struct actions_stats *stats);

/* ---- the whole ---- */

/* The earlier of two times, of which either may be TIME_NONE. */
static inline int64_t time_earliest(int64_t a, int64_t b)
{
	return a == TIME_NONE || (b != TIME_NONE && b < a) ? b : a;
}

struct actions {
	struct actions_options options;
	struct actions_sink sink;
	struct actions_config *config;
	struct rule_set *rules;
	int64_t now_ms;
	struct table alerts, groups, told;
	struct delivery *newest, *oldest; /* deliveries */
	uint32_t nfinished;
	uint64_t next_delivery, next_token;
	int64_t groups_due_ms, outbox_due_ms; /* the earliest of all; TIME_NONE */
	struct silence *silences;
	uint32_t nsilences, silences_cap;
	struct runs *runs;
	int64_t sweep_ms; /* when old things are next cleared away */
	struct actions_stats stats;
};

/* Begins the handling of what came in from outside: the clock is read. */
void actions_enter(struct actions *actions);
/* Ends it: whoever steps us must look again when the next thing is due. */
void actions_leave(struct actions *actions);
/* Journals a JSON object (which it takes); with `answer` returns the token to wait for, else 0. */
uint64_t actions_record(struct actions *actions, enum record_type type, json_t *object,
			bool answer);
json_t *record_parse(struct slice payload);
/* "name": {"a": "b"} ↔ labels */
json_t *labels_to_json(const struct labels *labels);
struct labels *labels_from_json(const json_t *object);
json_t *fingerprints_to_json(const struct fingerprints *set);
int fingerprints_from_json(const json_t *array, struct fingerprints *set);
/* TIME_NONE is null. */
json_t *time_to_json(int64_t ms);
/* TIME_NONE also for what no clock ever showed. */
int64_t time_from_json(const json_t *value);
/* Within the bounds; what is no integer counts as 0. */
int64_t integer_from_json(const json_t *value, int64_t min, int64_t max);
const char *json_text(const json_t *object, const char *key);

#endif
