/*
 * Evaluation on arrival: of groups with `evaluate: arrival`. Private to engine/.
 *
 * What the rules of a group read of a selector is a watch. A sample that is stored in a watched
 * series marks its row there (series that nobody watches cost one look at a flag), and the group
 * runs, at most every min_gap: at T, the newest time among the marked samples, never after now,
 * never before its last time. Ticks that are due go first, but for what arrival_within.c says.
 *
 * A run takes each rule's marked rows up to the rows of its result that they are part of, and down
 * to all that those are made of. A row of the result is ready when none of that is in doubt:
 *
 *   immediate         rows of one series always are; of several, when each has the newest scrape's
 *                     sample of its target
 *   waits for settle  when the targets of all have settled (targets.h), within settle
 *
 * Ready rows are evaluated (partial.h), and only alerts and series of these change. The others stay
 * marked; the tick, which evaluates all, forgets the marks of what it saw. What is gone (stale, or
 * too old to be seen) makes no row ready to be absent: that is for the tick. Alerts whose `for` or
 * keep_firing_for ends are marked by the timer, without a sample.
 *
 * A run costs what came since the last one, however many rules the group has, and however many rows
 * of it wait. For that a watch knows which leaves of which rules read it, and only rules that there
 * is something to do for are looked at: a bit each in group_arrival.work. Rows in doubt are left
 * asleep, and the targets that they wait for tell of themselves (targets.h): that stirs the rule's
 * row, and what is asleep of the rows of the result that it is part of is marked anew.
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
	uint32_t next;		  /* watch of the same selector; WATCH_NONE */
	struct watch_reader {
		uint32_t rule, leaf; /* of the group, of that */
	} * readers;		     /* in the order of rules */
	uint32_t nreaders, readers_cap;
	/* Members' rows: with a new sample since the last run; that the run at hand has recorded.
	 */
	struct watch_rows {
		uint64_t *bits;
		uint32_t words;
		bool any;
		uint32_t next; /* the group's next watch with any; WATCH_NONE */
	} touched, recorded;
};

struct group_arrival {
	bool on; /* the group evaluates on arrival */
	uint32_t first_watch, nwatches;
	uint32_t touched, recorded; /* the first watches with such rows; WATCH_NONE */
	uint64_t *work;		    /* by rule: there is something to do for it in the next run */
	struct alarms timers;	    /* by rule: the next end of a timer of its alerts */
	bool is_touched;	    /* samples came since the last run */
	int64_t newest_ms;	    /* the newest of them; TIME_NONE */
	int64_t future_ms;	    /* the first time of samples that no run has seen yet, for that;
				       TIME_NONE */
	int64_t run_ms;		    /* told time of the last run; TIME_NONE */
	int64_t kept_ms; /* the newest sample that rules' ticks have not seen; TIME_NONE */
};

enum leaf_marks {
	LEAF_WAITING, /* rows marked, and not looked at since */
	LEAF_ASLEEP,  /* marked, and part of what was in doubt when they were looked at */
	LEAF_TOLD,    /* in doubt then: their targets will tell */
	LEAF_STIRRED, /* and have told */
	LEAF_MARKS
};

struct rule_arrival {
	struct partial partial;
	struct arrival_leaf {
		uint32_t place;		     /* in the partial */
		uint32_t watch;		     /* WATCH_NONE: reads the past */
		uint64_t *marks[LEAF_MARKS]; /* by row, `words` of them each, in one allocation */
		uint32_t words;
		bool is_waiting, is_stirred; /* some row is */
	} * leaves;
	uint32_t nleaves;
	bool is_asleep;	    /* some row of a leaf is */
	uint32_t looked_at; /* rows, in this run */
	bool is_restless;   /* what is in doubt now is looked at in each run: nobody tells of it */
	int64_t timer_ms;   /* of its alerts, the next; TIME_NONE */
	bool is_overdue;    /* a timer ended, and its row was not ready */
	bool resolves;	    /* resolve_when is asked: a timer of one that waits for it ended */
	uint64_t *gone;	    /* by row of the result: some input is */
	uint32_t gone_words;
};

/* Of the engine. */
struct arrival {
	struct targets targets;
};

/* Where the rule stands in its group. */
uint32_t rule_place(const struct rule_state *rule);
static inline struct partial_node *leaf_node(const struct rule_arrival *arrival,
					     const struct arrival_leaf *leaf)
{
	return &arrival->partial.nodes[leaf->place];
}
struct selector *watch_selector(const struct generation *generation, const struct watch *watch);

/* ---- arrival_watch.c: what is read ---- */

/* Notes what a rule of an arrival group reads; after its order is bound. ERR_NOMEM. */
int arrival_rule_init(struct generation *generation, struct rule_state *rule);
void arrival_rule_fini(struct rule_state *rule);
void arrival_generation_fini(struct generation *generation);
/* Lets members of watched selectors know, from *at on. 0, ERR_AGAIN. */
int arrival_watch(struct generation *generation, int64_t *units);
/* The generation comes into force in place of the old one, which may be NULL. */
void arrival_swap(struct engine *engine, const struct generation *old);

/* ---- arrival_marks.c: what of it has new samples ---- */

/*
 * A sample was stored in a watched series. What a rule writes is news to those who run after it:
 * later rules of its group, and later groups. The others see it as the previous value.
 */
void arrival_sample(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits);
void arrival_written(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits);
/* The rows that its leaf of the watch has to look at now. */
void arrival_take_recorded(const struct generation *generation, struct rule_arrival *arrival);
/* Room for so many words of each. */
bool leaf_reserve(struct arrival_leaf *leaf, uint32_t words);
/* Marks of the watches become the rules' own: they are done with them at different times. */
void watches_hand_out(struct generation *generation, struct group_state *group);
/* A run is over: what it has recorded is old. */
void watches_end(struct generation *generation, struct group_state *group);
/*
 * A tick is over, of the group or of one of its rules: only samples later than it stay marked. The
 * newest of them, TIME_NONE: none.
 */
int64_t watches_ticked(struct generation *generation, struct group_state *group, int64_t t_ms);
int64_t rule_marks_ticked(const struct generation *generation, struct rule_state *rule,
			  int64_t t_ms);

/* ---- arrival.c: groups and runs ---- */

/* When the next run may begin; TIME_NONE: nothing waits for one. */
int64_t arrival_next_ms(const struct engine *engine);
bool arrival_is_due(const struct engine *engine);
/* The same of one group, and the time of the run. */
bool arrival_is_due_in(const struct engine *engine, const struct group_state *group);
int64_t arrival_time_ms(const struct engine *engine, const struct group_state *group);
/* Begins a run if one may: true. Or that of one group. */
bool arrival_begin(struct engine *engine);
void arrival_begin_of(struct engine *engine, uint32_t group);
void arrival_end(struct engine *engine, struct group_state *group);
/* The tick of a rule is over, evaluated or not; then that of its group. */
void arrival_rule_ticked(struct engine *engine, struct rule_state *rule);
void arrival_ticked(struct engine *engine, struct group_state *group);
/* Alerts were read back: their timers go on, and those that ended meanwhile are looked at now. */
void arrival_arm(struct engine *engine);

/* The next rule from *at on that there is something to do for; false: none. */
bool arrival_next_rule(struct group_state *group, uint32_t *at);

/* ---- arrival_doubt.c: rows that wait ---- */

/* Marks the rows that wait no longer for what has told of itself as waiting to be looked at. */
void doubt_wake(struct rule_state *rule);
/* Marks what is gone, and in doubt, among the leaves' rows with such marks; true: all are in doubt.
 */
bool doubt_leaves(struct engine *engine, struct rule_state *rule, enum partial_marks of);
/* Touched rows of the leaves wait: all, or those that are part of what is in doubt. */
void doubt_wait(struct rule_state *rule, bool all);
/* The newest sample of a series at T: is there a value that the leaf sees? */
bool leaf_is_live(const struct engine *engine, const struct partial_node *node,
		  const struct series *series, int64_t *ts_ms);
/* A target tells one of those who wait for it. */
void arrival_stir(struct engine *engine, const struct target_waiter *waiter);

/* ---- arrival_within.c: runs within a tick's pass ---- */

/* Notes for which groups the rule's group has to wait; rule by rule. ERR_NOMEM. */
int arrival_order_note(struct generation *generation, const struct rule_state *rule,
		       int64_t *units);
/* Is there a run that may go first, when the rule at hand is done? Of which group. */
bool arrival_find_within(const struct engine *engine, uint32_t *group);
/* Between two rules. */
void arrival_begin_within(struct engine *engine, uint32_t group);
/* The run is over: the pass goes on, if there is one. */
void arrival_return(struct engine *engine);

/* ---- arrival_rule.c: a rule in a run ---- */

/* Marks what is to be evaluated; false: nothing is. */
bool arrival_rule_begin(struct engine *engine, struct rule_state *rule);
/* The ready rows of the result. ERR_NOMEM. */
int arrival_result(struct rule_state *rule, struct relation *out);
/* ERR_EVAL: more alerts would be active, or series recorded, than the group allows; none is then.
 */
int arrival_limit(struct rule_state *rule);
/* Moves part of what the ready rows are. 0, ERR_AGAIN. */
int arrival_commit(struct engine *engine, struct rule_state *rule, const struct relation *result,
		   int64_t *units);
/* The rule is done with in this run, evaluated or not. */
void arrival_rule_end(const struct engine *engine, struct rule_state *rule);
/* Looks for the timers of its alerts anew: those that end later than t_ms. */
void arrival_timers_find(const struct engine *engine, struct rule_state *rule, int64_t t_ms);

#endif
