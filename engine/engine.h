/*
 * The engine: takes batches into the windows, evaluates rules when they are due, runs the alert
 * state machines.
 *
 * One thread owns it. It has no clock, no sockets and no threads: it is told the time
 * (engine_time), and everything it wants done goes through its sink. Live, a loop tells it; in a
 * test or a replay, the file does.
 *
 * A pass is the evaluation of all groups due at one time T, in the set's order, rule after rule. It
 * is cut into quanta: engine_step() works for about the units given and says whether more waits.
 * Between quanta batches are taken: samples newer than T at once (they cannot change the result at
 * T), others wait aside until the pass ends. A pass that overruns an interval makes the group skip
 * ticks, which are counted. So does a jump of the told time by more than an interval (and a
 * second); the time jumped over counts for no timer: active_at of pending alerts moves forward by
 * it, and rules settle anew.
 *
 * A rule runs when its inputs were fed as far back as it reads (warmth.c), and an alert whose input
 * ended without a stale marker while its sender is silent, or overdue by its habits, is held as it
 * is (senders.c): not with `warm`, nor for groups that switch it off. A firing alert with
 * `resolve_when` is held, too, until that matches (resolve_when.c).
 */
#ifndef TOCSIN_ENGINE_ENGINE_H
#define TOCSIN_ENGINE_ENGINE_H

#include "engine/alert_event.h"
#include "engine/binding.h"
#include "ingest/batch.h"
#include "rules/rule_file.h"
#include "storage/block.h"
#include "storage/store.h"

struct engine;
struct engine_query;
struct verify;
struct sender;

struct engine_options {
	struct store_options store;
	int64_t sender_timeout_ms;
	bool resolve_on_silence; /* on_sender_silence: resolve */
	const struct labels *external_labels;
	const char *external_url;
	bool warm;     /* tests and replays: windows count as covered from the beginning, no silent
			  senders */
	bool journal;  /* emit records */
	bool evidence; /* gather it for alerts, and demand what that needs */
	bool start_times; /* keep the start times of samples, for rate() and its like */
	/*
	 * Samples that an ad-hoc query may have in memory at once: those that it read for the step
	 * under way, and its result. 0: any number.
	 */
	uint64_t query_samples_max;
	uint32_t queries_at_once; /* that are worked at in turn; 0: QUERIES_AT_ONCE */
	int64_t due_phase_ms; /* groups are due at this time and multiples of their interval from
				 it; 0: from the epoch */
	double recheck_share; /* of the evaluations are done a second time (recheck.h): 0 to 1 */
	int64_t retention_ms; /* keep series that no rule demands, so long; 0: not at all */
};

/* What the engine wants done. Called on its thread; records and events in the order in which they
 * must be made durable. */
struct engine_sink {
	void *ctx;
	/* A record for the journal; the payload is borrowed. */
	void (*record)(void *ctx, enum record_type type, struct slice payload);
	/* A change of state; its record went before it. Takes the event. */
	void (*event)(void *ctx, struct alert_event *event);
	/* May be NULL: an alert goes on, but is kept or held since now, or is not any more.
	 * Borrowed. */
	void (*note)(void *ctx, const struct alert_event *event);
	/* A batch is applied: its outcome stands. Takes the batch. */
	void (*batch)(void *ctx, struct batch *batch);
	/* A query is answered. Takes the query. */
	void (*query)(void *ctx, struct engine_query *query);
	/* A rule set given to engine_load() is in force (code 0), or was refused. The old one is
	 * still referenced until after this. */
	void (*loaded)(void *ctx, struct rule_set *set, int code);
	/* The engine is done with a rule set: takes its reference. NULL: it is dropped in place. */
	void (*released)(void *ctx, struct rule_set *set);
	/* For the log: "first samples" (its first request is applied), "sender silent", "sender
	 * back". */
	void (*sender)(void *ctx, const struct sender *sender, const char *what);
	/* A sample that a rule wrote, a stale marker among them; the labels are those of its series
	 * and the external ones, borrowed. Only while engine_written_set() asks for it. */
	void (*written)(void *ctx, struct labels *labels, int64_t ts_ms, uint64_t bits);
	/* A selector of the rules in force is not covered as far back as they read: its samples
	 * since then are welcome, as batches of the past (batch.h), the last of which says that it
	 * is covered. Borrowed. Only while engine_history_set() asks for it. */
	void (*history)(void *ctx, const struct selector *selector, int64_t from_ms);
	/* For the log, and NULL if nobody cares: a rule's evaluation came out otherwise the second
	 * time (recheck.h); what differs, borrowed. */
	void (*different)(void *ctx, const struct rule *rule, int64_t t_ms, struct slice what);
};

/* What of the options may be set otherwise at any time; as there. */
struct engine_settings {
	int64_t lookback_ms, retention_ms, sender_timeout_ms;
	size_t series_max, ignored_max, memory_max;
	bool resolve_on_silence, start_times;
	uint64_t query_samples_max;
	uint32_t queries_at_once;
};

int engine_new(const struct engine_options *options, const struct engine_sink *sink,
	       struct engine **out);
void engine_free(struct engine *engine);
struct store *engine_store(struct engine *engine);
/*
 * From now on; but how far rules look back, and whether their alerts are held, with the next
 * engine_load(). Limits that are lower than what there is let nothing more in; of ignored series those
 * beyond it are forgotten, in pieces. ERR_NOMEM: then some of it stays as it was.
 */
int engine_settings_set(struct engine *engine, const struct engine_settings *settings);
/* What templates of rule labels see from now on. ERR_NOMEM. */
int engine_external_set(struct engine *engine, const struct labels *labels, const char *url);
/* The same, borrowed; labels may be NULL, the URL is not. */
const struct labels *engine_external_labels(const struct engine *engine);
const char *engine_external_url(const struct engine *engine);

/* Is sink.history wanted, from the next rules in force on? Not so at first. */
void engine_history_set(struct engine *engine, bool is_wanted);
/* Are samples that rules write to be told by sink.written, from now on? Not so at first. */
void engine_written_set(struct engine *engine, bool is_wanted);

/* ---- time and work ---- */

/* Tells the time: never goes back (an earlier time is taken as the last one). */
void engine_time(struct engine *engine, int64_t now_ms);
/* Works off what is due or pending, for about so many units (a unit: a row of a node; some 10 ns).
 * True: more waits. */
bool engine_step(struct engine *engine, int64_t units);
/*
 * Tells how long the last engine_step()s took since this was called before: the pace of the engine,
 * by which it tells what rules cost in seconds. No decision depends on it.
 */
void engine_spent(struct engine *engine, int64_t ns);
/* Seconds that so many units take at that pace; 0: not told. */
double engine_seconds(const struct engine *engine, uint64_t units);
/* When the engine wants to be told the time again; TIME_NONE: no need. */
int64_t engine_next_ms(const struct engine *engine);

/* ---- samples ---- */

/* Takes a batch: applies its rows now, or those not newer than the running pass after it. The
 * answer comes by sink.batch. */
void engine_batch(struct engine *engine, struct batch *batch);
/* So many batches wait aside that further ones should stay in their queue for now (which then
 * refuses: 503 with Retry-After). */
bool engine_is_full(const struct engine *engine);

/*
 * How far sources of log lines were read, by all batches applied so far or, after a restart, by
 * those that the journal knew (batch_position_add()). Calls fn for each, in the order of keys; both
 * slices are borrowed. On the engine's thread, or before it runs, after engine_restore_done().
 */
#define POSITIONS_MAX 65536 /* sources; further ones are not remembered */
void engine_positions_each(const struct engine *engine,
			   void (*fn)(void *ctx, struct slice key, struct slice payload),
			   void *ctx);

/*
 * Forgets the example lines of all series, also of batches that wait: they were redacted by rules
 * that are not in force any more. What alerts show already stays.
 */
void engine_lines_forget(struct engine *engine);

/* ---- rules ---- */

/*
 * Takes a rule set into force: bound beside the old one in quanta, swapped between passes. Takes a
 * reference. Rules known by file, group, name and labels go on with their states (adopt.c). One
 * that waits when a newer comes is told as refused: ERR_CONFLICT.
 */
void engine_load(struct engine *engine, struct rule_set *set);
/*
 * Rules are being swapped, in pieces: until it is done nobody may look at them
 * (engine_rule_status(), engine_alerts_each() and their like).
 */
bool engine_is_swapping(const struct engine *engine);
/* The set in force, borrowed; NULL before the first. */
struct rule_set *engine_rules(const struct engine *engine);
/* Its binding, for explain and tests; NULL before the first. Valid until engine_step(). */
struct binding *engine_binding(const struct engine *engine);

/* ---- ad-hoc queries ---- */

struct engine_query_row {
	struct labels *labels;
	double value;
	struct labels
		*ordered_by; /* NULL: the labels; else those with names that went in the end */
};
/* Of a range query, or of a range vector. */
struct engine_query_point {
	int64_t t_ms;
	double value;
};
struct engine_query_series {
	struct labels *labels;
	struct engine_query_point *points; /* ascending */
	size_t n;
};
enum query_stage { QUERY_BIND, QUERY_SHAPE, QUERY_EVAL, QUERY_RESULT, QUERY_JUDGE, QUERY_RELEASE };

/*
 * Does anybody wait for an answer? Shared by the one who asked, on any thread, and the engine,
 * which gives a query up when nobody does.
 */
struct query_interest {
	_Atomic unsigned refs;
	_Atomic bool is_gone;
};
/* One reference; NULL: out of memory. */
struct query_interest *query_interest_new(void);
struct query_interest *query_interest_ref(struct query_interest *interest);
void query_interest_unref(struct query_interest *interest);

struct engine_query {
	struct queue_item item;
	/* in: */
	struct plan *plan;  /* owned */
	struct arena arena; /* of the expression */
	struct slice text;  /* in the arena */
	struct expr *expr;  /* in the arena */
	uint32_t root;
	int64_t t_ms;
	struct query_bounds bounds; /* step_ms is 0: an instant query, at t_ms */
	struct listing *listing;    /* owned; no expression then, but a listing (listing.h) */
	int64_t deadline_ms;	    /* told time at which it is given up; 0: never */
	int64_t lookback_ms;	    /* of instant selectors; 0: the engine's */
	size_t limit;		    /* elements that are told, for whoever tells them; 0: all */
	/* out: */
	int code; /* 0, ERR_EVAL, ERR_LIMIT, ERR_TIMEOUT, ERR_CANCELED, ERR_FULL, ERR_NOMEM */
	char error[512];
	enum value_type type;
	double scalar;
	struct engine_query_row *rows; /* in no order: engine_query_sort() */
	size_t nrows;
	struct engine_query_series *series; /* VALUE_MATRIX; in no order */
	size_t nseries;
	struct notes notes;
	/* Told times of when it was worked at first, and last; 0: never. */
	int64_t begun_ms, done_ms;
	uint64_t samples_read, samples_peak; /* in all; in memory at once, at most */
	bool partial;			     /* asked beyond what is kept */
	/*
	 * Log lines are counted in buckets of this width, and the edges of what was asked for lie
	 * between them: it is as of the edges before. 0: not so.
	 */
	int64_t bucket_ms;
	struct query_interest *interest; /* a reference; NULL: whoever asked waits */
	struct verify *verify; /* in and out, owned (verify.h); NULL: a query like any other */
	/* the caller's: when it was asked, and where the answer goes */
	int64_t asked_ms;
	bool wants_stats; /* what it has cost is told */
	uint32_t thread, slot, generation;
	uint64_t token;
	/* the engine's */
	enum query_stage stage;
	struct binding *binding;
	uint32_t *order, norder;
	struct eval_cursor cursor;
	struct grid *grid;
	uint32_t taken; /* rows or series of the result so far */
	uint32_t judged,
		judged_row; /* nodes, and series of the next one, asked whether they are cut */
};

/* How expressions are read. */
struct query_settings {
	int64_t subquery_step_ms; /* of subqueries that name none; 0: PLAN_SUBQUERY_STEP_MS */
	bool delayed_names;
	enum expr_dialect dialect;
};
/* As these rules are read, but for the dialect, which is a group's; NULL: without any settings. */
struct query_settings query_settings_of(const struct rule_set *set);
/*
 * The order in which the elements of an instant query are told: the root's, if it makes one (topk,
 * sort, sort_by_label), else by labels.
 */
void result_sort(const struct plan *plan, uint32_t root, struct engine_query_row *rows, size_t n);
/* `ordered_by` of a row of the root, as long as that is bound. */
struct labels *result_row_order(const struct plan *plan, struct binding *binding, uint32_t root,
				uint32_t row);
/* The rows of an answer, so: for whoever tells them, on any thread. */
void engine_query_sort(struct engine_query *query);
/* Does the root make an order? */
bool result_is_ordered(const struct plan *plan, uint32_t root);
/* Parses and plans on the caller's thread. ERR_INVALID with diagnostics. */
int engine_query_new(struct slice text, int64_t t_ms, struct diag_list *diags,
		     struct engine_query **out);
/*
 * The same with settings and, if step_ms is positive, of a range; then the expression must give a
 * scalar or an instant vector, and there may be at most GRID_STEPS_MAX steps.
 */
int engine_query_range_new(struct slice text, const struct query_bounds *bounds,
			   const struct query_settings *settings, struct diag_list *diags,
			   struct engine_query **out);
void engine_query_free(struct engine_query *query);
/* Takes the query; answered by sink.query from engine_step(). At most QUERIES_MAX wait (ERR_FULL).
 */
#define QUERIES_MAX 256
#define QUERIES_AT_ONCE 20 /* of these are worked at in turn, unless options say so */
int engine_query(struct engine *engine, struct engine_query *query);

/* ---- looking in; on the engine's thread ---- */

struct sender {
	char name[160];
	uint64_t hash;
	uint32_t id;
	int64_t first_ms, last_ms; /* told time of the first and newest request */
	/*
	 * By how much a sample came after its time at most, in the last 5 to 10 minutes; not what a
	 * sender sends that is back from a silence.
	 */
	int64_t lag_ms;
	bool silent;
	uint64_t requests, stored, identical, late, ignored, rejected;
	uint64_t series; /* kept series whose newest sample is its */
};
/* Calls fn for each. */
void engine_senders_each(const struct engine *engine,
			 void (*fn)(void *ctx, const struct sender *sender), void *ctx);
/* Of those whose series are kept the one with the longest lag; without a name when there is none.
 */
struct sender engine_latest_sender(const struct engine *engine);

enum rule_health { RULE_UNKNOWN, RULE_OK, RULE_ERROR, RULE_WARMING };
const char *rule_health_text(enum rule_health health);
struct rule_status {
	enum rule_health health;
	const char *error;
	int64_t last_ms;	/* newest evaluation time, TIME_NONE */
	uint32_t results;	/* rows of the newest result */
	double value;		/* of its first row; NaN when none */
	int64_t newest_ms;	/* newest sample among its inputs, TIME_NONE */
	uint32_t series;	/* series its selectors hold */
	int64_t warm_at_ms;	/* when it will be warm, while warming */
	enum alert_state state; /* the highest of its alerts */
	uint32_t pending, firing, held;
	uint64_t evaluations, failures;
	uint64_t units; /* what its last evaluation cost */
	double seconds; /* the same, at the engine's pace; 0: not told */
};
void engine_rule_status(const struct engine *engine, uint32_t rule_id, struct rule_status *out);
struct group_status {
	int64_t due_ms, last_ms;
	uint64_t iterations, missed;
};
void engine_group_status(const struct engine *engine, uint32_t group, struct group_status *out);

struct alert_view {
	const struct rule *rule;
	enum alert_state state;
	uint32_t lset, expr_lset; /* of the engine's label sets */
	double value;
	int64_t active_at_ms, fired_at_ms, keep_since_ms, no_data_since_ms;
	enum alert_hold hold;
	const struct evidence *evidence;   /* of when it began to fire; NULL: none */
	const struct query_results *asked; /* what its annotations asked for; NULL: nothing */
};
/* Active alerts, rule by rule; rule_id UINT32_MAX: of all rules. */
void engine_alerts_each(const struct engine *engine, uint32_t rule_id,
			void (*fn)(void *ctx, const struct alert_view *alert), void *ctx);

struct engine_stats {
	uint64_t batches, samples, evaluations, failures, iterations, missed, queries, events,
		parked_batches;
	/* Of groups on arrival; rules looked at, and rows of results evaluated, in them. */
	uint64_t arrival_runs, arrival_rules, arrival_rows;
	uint64_t recheck_equal, recheck_different, recheck_skipped;
	uint64_t reloads, senders, senders_silent;
	uint32_t rules, groups, nodes, alerts_pending, alerts_firing;
};
void engine_stats_get(const struct engine *engine, struct engine_stats *out);

/* ---- restart and checkpoint ---- */

/*
 * One record read back, before the first engine_time(), after engine_load() of the rules is done
 * (samples of what no rule in force demands are not kept). Other types are ignored, as is what does
 * not decode.
 */
void engine_restore(struct engine *engine, enum record_type type, struct slice payload);
/* All records have been read: restored alerts without a rule are resolved (rule removed), the
 * others are told as RESTORED at the first step. */
void engine_restore_done(struct engine *engine);
/* Emits the whole state as records in quanta, RECORD_CHECKPOINT_PART last, from engine_step(). */
void engine_checkpoint(struct engine *engine);
/* While held, a checkpoint under way emits nothing. True: there is one, and it is held. */
bool engine_checkpoint_hold(struct engine *engine, bool hold);
/* Emits the samples that wait in the current block. The loop calls it at the latest every 250 ms.
 */
void engine_flush(struct engine *engine);

#endif
