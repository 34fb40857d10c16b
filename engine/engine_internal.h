/*
 * What the files of the engine share. Nobody outside the room includes this.
 *
 *   engine.c        life, the driver of all work, looking in
 *   senders.c       who feeds us, and who has fallen silent
 *   intake.c        batches → store, judged
 *   emit.c          records for the journal
 *   positions.c     how far sources of log lines were read
 *   examples.c      the newest few lines of each series made of log lines
 *   schedule.c      groups, due times, passes
 *   arrival.c       evaluation when samples arrive; arrival_watch.c: of which series,
 *                   arrival_marks.c: which of these have some; arrival_rule.c: one rule of it;
 *                   arrival_doubt.c: what has to wait there; arrival_within.c: which may go
 *                   first while a pass is under way
 *   targets.c       which scrapes are complete
 *   warmth.c        since when a rule's inputs were fed in full
 *   rule_labels.c   the labels that a rule puts on its results
 *   captures.c      what the queries in a rule's templates give
 *   alerts.c        the alert state machine; alert_series.c: ALERTS, ALERTS_FOR_STATE, events
 *   resolve_when.c  what ends a firing alert; elements.c: which elements are about which alert
 *   record_rules.c  recorded series
 *   past.c          what rules lack of the past: asked for, taken in
 *   written.c       what rules write, told to whoever sends it on
 *   load.c          a rule set comes into force; adopt.c: what the new one keeps of the old
 *   restore.c       what the journal knew; checkpoint.c: the whole state as records
 *   explain.c       what a rule comes to, node by node, and why a row is not in its result
 *   query.c         ad-hoc queries; query_result.c, query_logs.c: those of log lines
 *
 * What they work on is in engine_state.h.
 */
#ifndef TOCSIN_ENGINE_ENGINE_INTERNAL_H
#define TOCSIN_ENGINE_ENGINE_INTERNAL_H

#include "engine/engine_state.h"

#define BATCHES_PARKED_MAX 1024 /* see engine_is_full() */
#define REFRESH_MS 60000	/* a firing alert is told again this often */
#define SWEEP_MS 1000
#define SWEEP_SERIES_MIN 4096u
#define UNITS_SWEPT 20 /* a series that is looked at: the horizon of each of its readers */
#define TICK_RECORD_MS 5000
#define COMPLAINTS_MAX 3u /* a batch */

/* Units of work that are not rows of nodes, in rows of nodes. */
#define UNITS_SAMPLE 10
#define UNITS_BIRTH 400
#define UNITS_WISH 50
#define UNITS_INSTANCE 20
#define UNITS_READER 20
#define UNITS_LISTED 100
#define UNITS_JUDGED 30
#define UNITS_LOOKED_AT 20
#define UNITS_CAPTURE 500 /* a rendering, or a query beside its rows */
#define UNITS_SHAPE_ROW 30
#define UNITS_RELEASE_ROW 4
#define UNITS_WATCHED 4
#define INTAKE_UNITS 200000 /* of engine_batch() itself; what is left waits for engine_step() */

/* ---- senders.c ---- */

int senders_init(struct senders *senders);
void senders_fini(struct senders *senders);
/* The sender of a request that arrives now. */
struct sender_entry *sender_hear(struct engine *engine, const struct batch_sender *from);
/* Learns how late the samples are that it sends now. */
void sender_lag(struct engine *engine, struct sender_entry *entry, const struct batch *batch);
/* The sender of a request that arrived before. */
struct sender_entry *sender_known(struct engine *engine, const struct batch_sender *from);
/* A request of it was applied: the first one is told of, with what became of it. */
void sender_applied(struct engine *engine, struct sender_entry *entry);
/* Series were read back: until senders are heard they count as silent. */
void senders_restored(struct engine *engine);
/* Looks who has fallen silent by now. */
void senders_step(struct engine *engine);
/* Has some sender been silent without a break since then or longer? */
bool senders_silent_since(const struct engine *engine, int64_t since_ms);

/* ---- settings.c ---- */

/* Keeps what no rule demands so long from now on; 0: not at all. ERR_NOMEM. */
int retention_set(struct engine *engine, int64_t reach_ms);
/* True: series are still to come to it, or to leave it. */
bool retention_step(struct engine *engine, int64_t *units);
void retention_fini(struct engine *engine);

/* ---- emit.c ---- */

void emit_sample(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits);
/* Since when a stored sample counts. */
void emit_start(struct engine *engine, struct series *series, int64_t ts_ms, int64_t start_ms);
/* The blocks of samples and of start times under way. */
void emit_blocks(struct engine *engine);
/* What was stored in a window that is not of samples. */
void emit_derived_sample(struct engine *engine, struct series *series, int64_t ts_ms,
			 uint64_t bits);
/* The derived block under way, with its positions. */
void emit_derived(struct engine *engine);
void emit_position(struct engine *engine, struct slice key, struct slice payload);
void emit_series(struct engine *engine, struct series *series);
void emit_tile(struct engine *engine, const struct series *series);
void emit_coverage(struct engine *engine, const struct selector *selector, int64_t since_ms);
void emit_alert(struct engine *engine, const struct alert_event *event);
void emit_tick(struct engine *engine);
/* Appends what a rule computed and journals it. */
void write_local(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits);
/* The series of these labels for a rule to write, pinned; NULL when there is no memory or room for
 * it. */
struct series *local_series_take(struct engine *engine, uint32_t lset);
/* Ends the series with a stale marker and lets go of it. */
void local_series_end(struct engine *engine, struct series **series, int64_t ts_ms);

/* ---- intake.c ---- */

/* Goes on with the batches that wait. True: some still do, though no pass holds them back. */
bool intake_step(struct engine *engine, int64_t *units);
/* Would the row change what the running pass reads? */
bool intake_is_held_back(const struct engine *engine, const struct batch_row *row);
/* Did labels come along with this row? Rows are to be taken in order. */
bool intake_has_birth(struct batch *batch, uint32_t row);
void intake_fini(struct engine *engine);

/* ---- positions.c ---- */

void positions_init(struct positions *positions);
void positions_fini(struct positions *positions);
/* The newest payload of a key; an empty one removes it. ERR_LIMIT, ERR_NOMEM: it stays as it was.
 */
int positions_set(struct positions *positions, struct slice key, struct slice payload);
/* Those of a batch that was applied: kept, and journaled with its samples. */
void positions_apply(struct engine *engine, const struct batch *batch);

/* ---- examples.c ---- */

void examples_init(struct examples *examples);
void examples_fini(struct examples *examples);
/* A line that became a sample of the series: among its newest, or forgotten. */
void example_add(struct examples *examples, uint32_t uid, int64_t ts_ms, struct slice line);
struct example {
	int64_t ts_ms;
	struct slice line; /* borrowed until a batch is applied */
};
/* Which lines are asked for: in (from, to], of series that agree with the result's labels. */
struct example_query {
	uint32_t expr_lset;
	int64_t from_ms, to_ms;
	uint32_t max;
};
/*
 * The newest lines within reach of the rule at t_ms, newest first, at most `max`; of series whose
 * labels do not differ from those of the expression's result. How many there are.
 */
uint32_t examples_find(struct engine *engine, const struct rule_state *rule, uint32_t expr_lset,
		       int64_t t_ms, struct example *out, uint32_t max);

/* ---- schedule.c ---- */

int64_t due_after(const struct engine *engine, int64_t interval_ms,
		  int64_t time_ms); /* the first multiple at or after */
/* The time went on from `before`. */
void schedule_time(struct engine *engine, int64_t before_ms);
/* The first time is told: when the group is due, if it does not know. */
void group_time_set(const struct engine *engine, struct group_state *group);
/* Begins or goes on with a pass. */
void schedule_step(struct engine *engine, int64_t *units);
bool schedule_is_due(const struct engine *engine);
void schedule_due_update(struct engine *engine);
/* Lets the bindings follow the selectors' logs. */
void bindings_extend(struct engine *engine);

/* ---- warmth.c ---- */

/* Works out warm_at_ms, and warm for an evaluation at query_ms. How many units of work it was. */
int64_t rule_warmth_update(const struct generation *generation, struct rule_state *rule,
			   int64_t query_ms);

/* ---- rule_labels.c ---- */

int rule_labels_init(struct engine *engine, struct rule_state *rule);
void rule_labels_fini(struct engine *engine, struct rule_state *rule);
/* The identity of a row: a reference. ERR_LIMIT: more or longer labels than a set may have;
 * ERR_AGAIN: captures_answer() first; ERR_NOMEM. */
int rule_labels_apply(struct engine *engine, const struct rule_state *rule, uint32_t expr_lset,
		      double value, uint32_t *out);
/* Takes part of the rows of the result into the rule's instances. 0, ERR_AGAIN, ERR_EVAL (told in
 * rule->error), ERR_NOMEM. */
int rule_collect(struct engine *engine, struct rule_state *rule, const struct relation *relation,
		 int64_t *units);
/* Lets go of instances that came to nothing: after a failure. */
void rule_prune(struct engine *engine, struct rule_state *rule);
/* NULL: none. */
void rule_error_set(struct rule_state *rule, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- alerts.c ---- */

/* Before the first slot: the limit. ERR_EVAL when it is exceeded; all alerts are gone then. */
int alerts_limit(struct engine *engine, struct rule_state *rule, const struct relation *relation);
/* Moves an alert, which is in the result if it was seen in this evaluation, to its next state. */
void alerts_commit_slot(struct engine *engine, struct rule_state *rule, uint32_t slot,
			const struct relation *relation);
/* Writes the state of an alert read back. */
void alert_state_restore(struct engine *engine, struct rule_state *rule, uint32_t slot,
			 enum alert_state state, enum alert_hold hold);
/* Moves running timers by the time that was jumped over. */
void alerts_rebase(struct engine *engine, struct rule_state *rule, int64_t skipped_ms);
/* Ends all alerts of a rule that is no more. */
bool alerts_remove(struct engine *engine, struct rule_state *rule, uint32_t *at, int64_t *units);

/* ---- resolve_when.c ---- */

/* Makes, or not, the rule's resolve_state. ERR_NOMEM. */
int resolve_init(struct rule_state *rule);
void resolve_fini(struct engine *engine, struct rule_state *rule);
/*
 * Evaluates resolve_when for the pass, and finds its elements. 0, ERR_AGAIN; what goes wrong is
 * kept: then it leaves alerts alone.
 */
int resolve_step(struct engine *engine, struct rule_state *rule, int64_t *units);
/* What went wrong in this pass; NULL: nothing. */
const char *resolve_error(const struct rule_state *rule);

enum resolve_verdict {
	RESOLVE_FAILED,	 /* it was not evaluated */
	RESOLVE_MATCHES, /* an element ends the alert */
	RESOLVE_WAITS,	 /* there is data, and no such element */
	RESOLVE_SILENT,	 /* its data ended with its sender's silence */
	RESOLVE_NO_DATA,
};
/* What it says of one alert. */
enum resolve_verdict resolve_judge(const struct engine *engine, const struct rule_state *rule,
				   uint32_t slot);

/* ---- alert_series.c ---- */

/* May runbooks act on what it says? */
bool rule_is_settled(const struct rule_state *rule, int64_t at_ms);
/* Tells a change (or a repetition) of an alert: journal, then sink. */
void alert_tell(struct engine *engine, struct rule_state *rule, uint32_t slot,
		enum alert_state from, enum alert_reason reason, int64_t at_ms);
/* Journals what changed beside the state. */
void alert_note(struct engine *engine, struct rule_state *rule, uint32_t slot, int64_t at_ms);
/* The event as it would be told. NULL: no memory. */
struct alert_event *alert_event_make(struct engine *engine, struct rule_state *rule, uint32_t slot,
				     enum alert_state from, enum alert_reason reason,
				     int64_t at_ms);
/* Takes the two series for the state it has. */
void alert_series_take(struct engine *engine, struct rule_state *rule, uint32_t slot);
/* Writes ALERTS and ALERTS_FOR_STATE for one alert. */
void alert_series_write(struct engine *engine, struct rule_state *rule, uint32_t slot,
			int64_t query_ms);
void alert_series_end(struct engine *engine, struct alert *alert, int64_t query_ms);
void alert_clear(struct engine *engine, struct alert *alert);

/* ---- alert_evidence.c ---- */

int evidence_sources_init(struct engine *engine);
/* It reads so far back from now on. ERR_NOMEM. */
int evidence_lookback_set(struct engine *engine, int64_t lookback_ms);
void evidence_sources_fini(struct engine *engine);
/* Series that may be looked at now; whoever looks counts them in evidence.scanned. */
bool evidence_is_within_budget(struct engine *engine);
/* Gathers the evidence of an alert that begins to fire. */
void alert_evidence_take(struct engine *engine, struct rule_state *rule, uint32_t slot);

/* ---- captures.c ---- */

void captures_init(struct captures *captures);
void captures_fini(struct engine *engine);
/* The evaluation of another rule begins: what was captured before is as of before. */
void captures_begin(struct engine *engine);
/* Lets templates ask: those of the row or alert at hand. ERR_NOMEM. */
int captures_open(struct engine *engine, struct template_data *data);
/*
 * Evaluates what a rendering lacked: 0 when nothing is lacking (any more), and it may be tried
 * anew, ERR_AGAIN when the units ran out first, ERR_EVAL, ERR_NOMEM.
 */
int captures_answer(struct engine *engine, int64_t *units);
/* What was captured for the row or alert at hand, which is over; NULL: nothing. */
struct query_results *captures_take(struct engine *engine);
/* Captures for part of the alerts in the result. 0, ERR_AGAIN, ERR_EVAL, ERR_NOMEM. */
int alerts_capture(struct engine *engine, struct rule_state *rule, const struct relation *relation,
		   int64_t *units);

/* ---- past.c ---- */

/* Asks for what the selectors of the rules in force lack, if that is due. True: more to do. */
bool past_step(struct engine *engine, int64_t *units);
/* Applies rows of a batch of the past, and what it covers. True when all are applied. */
bool past_apply(struct engine *engine, struct batch *batch, int64_t *units);

/* ---- written.c ---- */

/* A rule has written this sample. */
void written_tell(struct engine *engine, const struct series *series, int64_t ts_ms, uint64_t bits);
/* The external labels have changed, or nobody wants to know any more. */
void written_forget(struct engine *engine);

/* ---- record_rules.c ---- */

int record_limit(struct engine *engine, struct rule_state *rule);
/* Writes what the result says of a series. */
void record_commit_slot(struct engine *engine, struct rule_state *rule, uint32_t slot,
			const struct relation *relation);
/* Ends all series of a rule that is gone, from slot *at on; false: the units ran out before. */
bool record_remove(struct engine *engine, struct rule_state *rule, uint32_t *at, int64_t *units);
/* Room for the data of all slots. ERR_NOMEM. */
int rule_data_reserve(struct rule_state *rule);

/* ---- load.c, adopt.c ---- */

/* binding_shape() at what a row of it costs: labels are looked at. */
int shape_priced(struct binding *binding, int64_t *units);
/* binding_release(), likewise. */
int release_priced(struct binding *binding, int64_t *units);
/*
 * A new generation takes the states of the old one over, in pieces: between these nobody may look
 * at rules, nor evaluate any.
 */
static inline bool load_is_swapping(const struct engine *engine)
{
	return engine->loading && engine->loading->stage >= LOAD_ADOPT;
}
/* Goes on with loading and with letting go of old generations. True: more to do. */
bool load_step(struct engine *engine, int64_t *units);
/* Can windows whose edges are multiples of `wanted` be told from buckets that were `there`? */
static inline bool buckets_serve(int64_t there_ms, int64_t wanted_ms)
{
	return there_ms == 0 || wanted_ms % there_ms == 0;
}
/* Works out anew since when all is covered, and journals it. */
void generation_warm(struct engine *engine, struct generation *generation);
void generation_free(struct engine *engine, struct generation *generation);
/* Goes on finding for the old rules their heirs. 0, ERR_AGAIN, ERR_NOMEM. */
int adopt_match(const struct generation *old, struct generation *young, int64_t *units);
/* Goes on moving states from the old generation, and ending what has no heir. 0, ERR_AGAIN. */
int adopt_states(struct engine *engine, struct generation *old, struct generation *young,
		 int64_t *units);
void adopt_fini(struct generation *young);
/*
 * Calls fn with each event of the journal whose rule is in force; those that it takes (true) are
 * freed and NULL after.
 */
void adopt_events(struct engine *engine, struct alert_event **events, size_t n,
		  bool (*fn)(struct engine *engine, struct rule_state *rule,
			     const struct alert_event *event));

/* ---- restore.c, checkpoint.c ---- */

void restore_init(struct restore *restore);
void restore_fini(struct restore *restore);
/* Gives restored alerts to the rules in force. */
void restore_adopt(struct engine *engine);
/* The first time is told: what was covered and how timers go on. */
void restore_time(struct engine *engine);
/* Tells restored alerts, and the end of those without a rule. */
void restore_tell(struct engine *engine);
bool checkpoint_step(struct engine *engine, int64_t *units);

/* ---- query.c ---- */

bool query_step(struct engine *engine, int64_t *units);
/* Binds, shapes and evaluates: 0 when query->binding has the columns of its time; ERR_AGAIN. */
int query_evaluate(struct engine *engine, struct engine_query *query, int64_t *units);
/* Has it more samples in memory than limits.query_samples? */
bool query_is_too_much(const struct engine *engine, const struct engine_query *query);
/* Goes on with one query: true when query->code says what came of it, false: units ran out. */
bool query_work(struct engine *engine, struct engine_query *query, int64_t *units);
/* Frees it, on the engine's thread, wherever it stands. */
void query_drop(struct engine *engine, struct engine_query *query);
/*
 * engine_query_range_new(); references to labels (rules/label_refs.h) are bound to `labels` if
 * there are any: ERR_NOT_FOUND with the missing one in why.
 */
int query_make(struct slice text, const struct query_bounds *bounds,
	       const struct query_settings *settings, const struct labels *labels,
	       struct diag_list *diags, char why[128], struct engine_query **out);
/*
 * query_result.c: copies out what an evaluated query gave; finds out whether it looks back further
 * than what is kept. Each 0 when it is done, ERR_AGAIN, ERR_NOMEM.
 */
int query_result_take(struct engine *engine, struct engine_query *query, int64_t *units);
int query_partial_judge(struct engine *engine, struct engine_query *query, int64_t *units);
/* listing.c: goes on with a listing. 0, ERR_AGAIN, ERR_NOMEM. */
int listing_step(struct engine *engine, struct engine_query *query, int64_t *units);
/*
 * Leads what a query asks of log lines to series that a rule in force keeps. Before it is bound.
 * ERR_EVAL with query->error: none does; ERR_NOMEM.
 */
#define QUERY_LOG_NAME_SHOWN 300 /* bytes of a derived series' name in that error */
int query_logs_find(struct engine *engine, struct engine_query *query);

/* ---- explain.c ---- */

/* Drops those that are under way: with the engine. */
void explains_fini(struct engine *engine);

/* ---- verify.c ---- */

void verify_free(struct verify *verify);
/* Writes the verdict of an evaluated question. */
void verify_judge(struct engine *engine, struct engine_query *query,
		  const struct relation *relation);
void queries_fini(struct engine *engine);

#endif
