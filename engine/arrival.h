/*
 * Evaluation on arrival: of groups with `evaluate: arrival`. Private to engine/.
 *
 * What the rules of a group read of a selector is a watch. A sample that is stored in a watched
 * series marks its row there (series that nobody watches cost one look at a flag), and the group
 * runs, at most every min_gap: at T, the newest time among the marked samples, never after now,
 * never before its last time. Ticks that are due go first.
 *
 * A run takes each rule's marked rows up to the rows of its result that they are part of, and down
 * to all that those are made of. A row of the result is ready when none of that is in doubt:
 *
 *   immediate         rows of one series always are; of several, when each has the newest scrape's
 *                     sample of its target
 *   waits for settle  when the targets of all have settled (targets.h), within settle
 *
 * Ready rows are evaluated (partial.h), and only alerts and series of these change. The others stay
 * marked for the next run; the tick, which evaluates all, forgets the marks of what it saw. What is
 * gone (stale, or too old to be seen) makes no row ready to be absent: that is for the tick. Alerts
 * whose `for` or keep_firing_for ends are marked by the timer, without a sample.
 *
 * Times of a group rise strictly: a series has one sample a millisecond, and a second run for the
 * samples of one time is a millisecond later.
 */
#ifndef TOCSIN_ENGINE_ARRIVAL_H
#define TOCSIN_ENGINE_ARRIVAL_H

#include "engine/partial.h"
#include "engine/targets.h"

struct engine;
struct generation;
struct group_state;
struct rule_state;

#define WATCH_NONE UINT32_MAX

/* What a group reads of a selector. */
struct watch {
	uint32_t group, selector; /* the selector is the plan's */
	uint32_t next; /* watch of the same selector; WATCH_NONE */
	/* Members' rows: with a new sample since the last run; that the run at hand has recorded. */
	struct watch_rows {
		uint64_t *bits;
		uint32_t words;
		bool any;
	} touched, recorded;
};

struct group_arrival {
	bool on; /* the group evaluates on arrival */
	uint32_t first_watch, nwatches;
	bool is_touched; /* samples came since the last run */
	int64_t newest_ms; /* the newest of them; TIME_NONE */
	int64_t future_ms; /* the first time of samples that no run has seen yet, for that; TIME_NONE */
	int64_t timer_ms; /* the next end of a timer; TIME_NONE */
	int64_t run_ms; /* told time of the last run; TIME_NONE */
};

struct rule_arrival {
	struct partial partial;
	struct arrival_leaf {
		uint32_t place; /* in the partial */
		uint32_t watch; /* WATCH_NONE: reads the past */
		uint64_t *waiting; /* rows marked, and not evaluated since */
		uint32_t words;
		bool is_waiting;
	} * leaves;
	uint32_t nleaves;
	int64_t timer_ms; /* of its alerts, the next; TIME_NONE */
	bool is_overdue; /* a timer ended, and its row was not ready */
	bool resolves;	 /* resolve_when is asked: a timer of one that waits for it ended */
	uint64_t *gone; /* by row of the result: some input is */
	uint32_t gone_words;
};

/* Of the engine. */
struct arrival {
	struct targets targets;
};

/* ---- arrival_watch.c: what is read, and marks ---- */

/* Notes what a rule of an arrival group reads; after its order is bound. ERR_NOMEM. */
int arrival_rule_init(struct generation *generation, struct rule_state *rule);
void arrival_rule_fini(struct rule_state *rule);
void arrival_generation_fini(struct generation *generation);
/* Lets members of watched selectors know, from *at on. 0, ERR_AGAIN. */
int arrival_watch(struct generation *generation, int64_t *units);
/* The generation comes into force in place of the old one, which may be NULL. */
void arrival_swap(struct engine *engine, const struct generation *old);

/*
 * A sample was stored in a watched series. What a rule writes is news to those who run after it:
 * later rules of its group, and later groups. The others see it as the previous value.
 */
void arrival_sample(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits);
void arrival_written(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits);
/* The rows that its leaf of the watch has to look at now. */
void arrival_take_recorded(const struct generation *generation, struct rule_arrival *arrival);
/* Marks of the watches become the rules' own: they are done with them at different times. */
void watches_hand_out(struct generation *generation, struct group_state *group);
/* A run is over: what it has recorded is old. */
void watches_end(struct generation *generation, struct group_state *group);
/* A tick is over: only samples later than it stay marked. The newest of them, TIME_NONE: none. */
int64_t watches_ticked(struct generation *generation, struct group_state *group, int64_t t_ms);

/* ---- arrival.c: groups and runs ---- */

/* When the next run may begin; TIME_NONE: nothing waits for one. */
int64_t arrival_next_ms(const struct engine *engine);
bool arrival_is_due(const struct engine *engine);
/* Begins a run if one may: true. */
bool arrival_begin(struct engine *engine);
void arrival_end(struct engine *engine, struct group_state *group);
/* A tick of the group at t_ms is over. */
void arrival_ticked(struct group_state *group, struct generation *generation, int64_t t_ms);

/* ---- arrival_rule.c: a rule in a run ---- */

/* Marks what is to be evaluated; false: nothing is. */
bool arrival_rule_begin(struct engine *engine, struct rule_state *rule);
/* The ready rows of the result. ERR_NOMEM. */
int arrival_result(struct rule_state *rule, struct relation *out);
/* ERR_EVAL: more alerts would be active, or series recorded, than the group allows; none is then. */
int arrival_limit(struct rule_state *rule);
/* Moves part of what the ready rows are. 0, ERR_AGAIN. */
int arrival_commit(struct engine *engine, struct rule_state *rule, const struct relation *result,
		   int64_t *units);
/* The rule is done with in this run, evaluated or not. */
void arrival_rule_end(struct rule_state *rule, int64_t t_ms);
/* Looks for the timers of its alerts anew, after an evaluation of all. */
void arrival_timers_find(struct rule_state *rule, int64_t t_ms);

#endif
