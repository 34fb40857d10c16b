/*
 * From an alert's state change to a delivered notification or a finished runbook.
 *
 * Owned by the action thread. It is told the time like the engine (actions_step), works on a loop
 * for I/O, and asks its sink to make records durable: nothing is sent, and no script started,
 * before the record that says so is acknowledged (actions_durable).
 *
 *   alert event → alerts (what is active) → routes → aggregation groups → flush: who is to be told
 *      → silences → outbox entry (journaled) → attempt (journaled before) → result (journaled)
 *      → notification log
 *   alert event pending→firing, with `run:` → gates → run (journaled)
 *      → steps, each intent journaled before it starts → verified by the engine → series, told
 *
 * Outbox: keyed by (receiver, integration, group key); one entry in flight a key, first in first
 * out. The body is frozen when its first attempt begins: same id and same bytes at each retry. An
 * entry not yet begun is replaced by a newer one of its key. Retries with backoff on ACTION_RETRY;
 * a failed entry is superseded by a newer state under a new id; giving up makes a dead letter.
 * Whoever heard an alert fire hears its end.
 */
#ifndef TOCSIN_ACTIONS_ACTIONS_H
#define TOCSIN_ACTIONS_ACTIONS_H

#include "actions/config.h"
#include "engine/alert_event.h"
#include "engine/engine.h"
#include "storage/block.h"

#define DELIVERY_BODY_MAX (4 * 1024 * 1024)
#define DELIVERY_BACKOFF_MIN_MS 500
#define DELIVERY_BACKOFF_MAX_MS 60000
#define DELIVERY_GIVE_UP_MS (24ll * 3600 * 1000) /* of trying: then a dead letter */
#define DELIVERIES_KEPT 1000			 /* finished ones, for looking in */
#define RUNS_KEPT 1000				 /* likewise */
#define SILENCES_MAX 10000
#define ACTION_ALERTS_MAX 1000000

struct actions;

struct actions_options {
	struct action_host host;
	const char *instance; /* begins the ids of deliveries and runs: unique to this data_dir */
};

struct actions_sink {
	void *ctx;
	/* Make this record durable, then call actions_durable(token) on the action thread; token 0:
	 * no answer wanted. In order. Payload borrowed. */
	void (*record)(void *ctx, enum record_type type, struct slice payload, uint64_t token);
	/* The wall clock: asked whenever something comes in from outside (an event, an answer), so
	 * that waits are counted from then. */
	int64_t (*now_ms)(void *ctx);
	/* Asks the engine (engine/verify.h), which it takes; answered by actions_answer() on the
	 * action thread, always. NULL: there is no engine, verify steps fail. */
	void (*ask)(void *ctx, struct engine_query *query);
	/* A sample of a run (run_series.c), to be kept as the engine's own; borrowed. A stale
	 * marker by its bits. NULL: nobody keeps them. */
	void (*sample)(void *ctx, const struct labels *labels, int64_t ts_ms, uint64_t bits);
	/* Something came in: actions_next_ms() may be earlier than it was. */
	void (*wake)(void *ctx);
};

int actions_new(const struct actions_options *options, const struct actions_sink *sink,
		struct actions **out);
void actions_free(struct actions *actions);
/* Takes a configuration into force (a reference is kept). Groups are made anew; what was notified
 * is remembered by key. */
void actions_configure(struct actions *actions, struct actions_config *config);
/* The rules in force: for annotations of restored alerts. A reference is kept; may be NULL. */
void actions_rules(struct actions *actions, struct rule_set *rules);

/* Takes the event (already durable). */
void actions_event(struct actions *actions, struct alert_event *event);
void actions_durable(struct actions *actions, uint64_t token);
/* Takes the answered question. */
void actions_answer(struct actions *actions, struct engine_query *query);
/* Works off what is due at this wall-clock time. */
void actions_step(struct actions *actions, int64_t now_ms);
/* When actions_step() wants to be called next; TIME_NONE. */
int64_t actions_next_ms(const struct actions *actions);

/* ---- restart and checkpoint ---- */

/* RECORD_ALERT, RECORD_ACTION_ALERT, RECORD_SILENCE, RECORD_GROUP, RECORD_DELIVERY, RECORD_RUN;
 * before the first step. Others are ignored. */
void actions_restore(struct actions *actions, enum record_type type, struct slice payload);
/* All read: undelivered entries are tried again under their ids, begun steps are recovered or
 * unknown. */
void actions_restore_done(struct actions *actions, int64_t now_ms);
/* Emits the whole state as records, then RECORD_CHECKPOINT_PART with payload "actions". */
void actions_checkpoint(struct actions *actions);

/* ---- silences (Alertmanager's rules for them) ---- */

enum silence_state { SILENCE_PENDING, SILENCE_ACTIVE, SILENCE_EXPIRED };
struct silence {
	char id[40]; /* a UUID */
	struct matcher *matchers;
	size_t nmatchers;
	int64_t starts_ms, ends_ms, updated_ms;
	char *created_by, *comment;
};
enum silence_state silence_state_at(const struct silence *silence, int64_t now_ms);
/*
 * Adds (id "") or updates; *id receives the id in force. ERR_INVALID, ERR_NOT_FOUND, ERR_LIMIT with
 * a text in why[256].
 */
int actions_silence_set(struct actions *actions, const struct silence *silence, int64_t now_ms,
			char id[40], char why[256]);
int actions_silence_expire(struct actions *actions, const char *id, int64_t now_ms);
const struct silence *actions_silence_find(const struct actions *actions, const char *id);
void actions_silences_each(const struct actions *actions,
			   void (*fn)(void *ctx, const struct silence *silence), void *ctx);
/* The first active silence that matches, or NULL. */
const struct silence *actions_silenced_by(const struct actions *actions,
					  const struct labels *labels, int64_t now_ms);

/* ---- looking in ---- */

enum delivery_state {
	DELIVERY_WAITING,
	DELIVERY_SENDING,
	DELIVERY_RETRYING,
	DELIVERY_DONE,
	DELIVERY_SUPERSEDED,
	DELIVERY_DEAD
};
const char *delivery_state_text(enum delivery_state state);
struct delivery_view {
	const char *id, *receiver, *integration, *group_key, *reason, *message;
	enum delivery_state state;
	unsigned attempts;
	int code;
	uint32_t firing, resolved; /* alerts in it */
	int64_t created_ms, last_attempt_ms, next_attempt_ms, finished_ms;
	struct slice body;
};
/* Newest first. */
void actions_deliveries_each(const struct actions *actions,
			     void (*fn)(void *ctx, const struct delivery_view *delivery),
			     void *ctx);

struct run_step_view {
	const char *id, *state, *message; /* state: waiting, running, ok, failed, timed_out,
					     refused, unknown, skipped */
	const char *undo;		  /* the state of what undoes it; NULL: was not asked for */
	uint32_t attempt;
	int exit;
	int64_t started_ms, finished_ms;
	struct slice output, error_output;
};
struct run_view {
	const char *id, *runbook, *state, *reason; /* state: suggested, queued, running, recovered,
						      failed, refused, unknown */
	const struct labels *alert, *target;
	int64_t created_ms, finished_ms;
	const struct run_step_view *steps;
	uint32_t nsteps;
};
void actions_runs_each(const struct actions *actions,
		       void (*fn)(void *ctx, const struct run_view *run), void *ctx);

struct actions_stats {
	uint64_t events, notifications, notifications_failed, attempts, retries, superseded, dead,
		suppressed;
	uint64_t runs, runs_refused, runs_failed, scripts_started;
	uint32_t alerts, groups, outbox, silences, runs_active;
};
void actions_stats_get(const struct actions *actions, struct actions_stats *out);

#endif
