/*
 * What the files of runbook runs share. Private to actions/.
 *
 *   run.c         one run's way through its states
 *   run_steps.c   its steps: which begins when
 *   run_attempt.c attempts to do, and to undo, what a step says
 *   run_end.c     rollback, and what the run comes to
 *   run_ask.c     what it asks the engine: verify steps, and questions of the gates
 *   run_tell.c    whom it tells
 *   run_series.c  what rules may read of runs
 *   runs.c        all of them: the queue, what alerts make of it, restarts
 *   gates.c       may it act now?
 *   run_record.c  its record in the journal
 *   run_input.c   what a step is told on its standard input
 */
#ifndef TOCSIN_ACTIONS_RUNS_INTERNAL_H
#define TOCSIN_ACTIONS_RUNS_INTERNAL_H

#include "actions/actions_internal.h"
#include "engine/verify.h"

#define RUN_REASON_BYTES 256
#define RUN_ATTEMPTS_MAX 1000	/* read back from the journal */
#define VERIFY_INTERVAL_MS 1000 /* a verify step asks so often */
#define GATE_ANSWER_MS 5000	/* an answer to the gates counts for so long */
#define RUN_TOLD_MAX 60u	/* bad ends told in a minute, of all runs */
#define RUN_SERIES_MAX 10000	/* further ones are left out, and that is told */
#define RUN_VALUES_MAX 16u		     /* numbers of one step's output */
#define RUN_SERIES_INTERVAL_MS 15000	     /* what has not changed is written so often */
#define RUN_SERIES_GAP_MS 50		     /* between two writings of what has */
#define RUN_SERIES_FOR_MS (15ll * 60 * 1000) /* after its end a run is told no more */

#define RUN_STATE_LIST(X)                                                                          \
	X(RUN_SUGGESTED, "suggested")                                                              \
	X(RUN_QUEUED, "queued")                                                                    \
	X(RUN_RUNNING, "running")                                                                  \
	X(RUN_RECOVERED, "recovered")                                                              \
	X(RUN_FAILED, "failed")                                                                    \
	X(RUN_REFUSED, "refused")                                                                  \
	X(RUN_UNKNOWN, "unknown")

#define STEP_STATE_LIST(X)                                                                         \
	X(STEP_WAITING, "waiting")                                                                 \
	X(STEP_RUNNING, "running")                                                                 \
	X(STEP_OK, "ok")                                                                           \
	X(STEP_FAILED, "failed")                                                                   \
	X(STEP_TIMED_OUT, "timed_out")                                                             \
	X(STEP_REFUSED, "refused")                                                                 \
	X(STEP_UNKNOWN, "unknown")                                                                 \
	X(STEP_SKIPPED, "skipped")

#define X(id, text) id,
enum run_state { RUN_STATE_LIST(X) RUN_STATES };
enum step_state { STEP_STATE_LIST(X) STEP_STATES };
#undef X

struct run_step {
	char id[40];
	enum step_state state;
	int exit;
	char message[256];
	int64_t started_ms, finished_ms;
	char *output, *error_output; /* NULL: none, or dropped for want of room */
	uint32_t attempt;	     /* the one under way or the last, from 1; 0: none yet */
	int64_t retry_ms; /* RUNNING: when the next attempt begins; TIME_NONE: one is under way */
	enum step_state undo; /* WAITING: was not asked for */
	char undo_message[128];

	/* Not in the journal: */
	struct run *run;
	bool pending; /* what it begins with waits for its record */
	struct action_attempt *try;
	const struct action_plugin *plugin; /* of the attempt, or of the one to forget */
	char *input;			    /* of the attempt */
	char forget[64];       /* id of a job whose result waits to be durable; "" none */
	uint64_t question;     /* asked of the engine; 0 none */
	int64_t asked_ms;      /* TIME_NONE: not yet */
	int64_t held_since_ms; /* of a verify step; TIME_NONE */
	struct step_value {
		char key[64];
		double value;
	} * values; /* numbers of its output */
	uint32_t nvalues;
};

/* What the gates asked the engine. */
struct gate_answers {
	uint64_t verify_question, targets_question; /* not answered yet; 0 none */
	int64_t answered_ms;			    /* of both; TIME_NONE: not asked */
	bool has_data;				    /* for the first verify step */
	uint32_t population;			    /* distinct targets */
	char text[RUN_REASON_BYTES];		    /* a reason with its arithmetic */
};

/* The alert that a run is for. */
struct trigger {
	struct labels *alert, *expr;
	char *rule;
	int64_t starts_ms; /* of the episode */
	double value;
	bool settled, held;
	struct evidence *evidence; /* a reference; NULL: none */
};

struct run {
	struct run *newer, *older;
	struct runs *runs;
	char id[48];
	char *runbook;
	enum run_state state;
	char reason[RUN_REASON_BYTES];
	struct trigger trigger;
	struct labels *target; /* NULL: it has none */
	char *target_text;     /* {instance="a"}: the lock's name */
	char **ladder;	       /* runbooks to try after this one */
	uint32_t nladder;
	struct run_step *steps;
	uint32_t nsteps;
	int64_t created_ms, queued_until_ms,
		finished_ms;	       /* queued_until_ms: TIME_NONE unless a gate keeps it */
	uint64_t token;		       /* the newest record it waits for; 0 none */
	bool was_told;		       /* read back: what its series said before may still stand */
	struct actions_config *config; /* while RUNNING: what it runs by */
	struct gate_answers gate;
};

struct runs {
	struct actions *actions;
	struct run *newest, *oldest;
	uint32_t n, active,
		waiting; /* active: QUEUED or RUNNING; waiting: of these, those that a gate keeps */
	size_t output_bytes; /* of all steps */
	uint64_t next_id, next_question;
	int64_t told_minute; /* in which so many bad ends were told: */
	uint32_t told;
	bool dirty; /* a queued run may have become free to go */
	/* Series (run_series.c): */
	struct table series;
	uint64_t series_round;
	bool series_dirty;		  /* a run has changed */
	int64_t series_ms, series_all_ms; /* last written; all of them due; TIME_NONE */
	uint32_t series_left_out;	  /* for want of room, in the newest round */
};

const char *run_state_text(enum run_state state);
const char *step_state_text(enum step_state state);
static inline bool run_is_finished(const struct run *run)
{
	return run->state != RUN_QUEUED && run->state != RUN_RUNNING;
}
/* Some step of it was begun. */
static inline bool run_has_begun(const struct run *run)
{
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].state != STEP_WAITING && run->steps[i].state != STEP_SKIPPED)
			return true;
	return false;
}
/* Some of its steps are done, or being done. */
static inline bool run_is_under_way(const struct run *run)
{
	return run->state == RUN_RUNNING || (run->state == RUN_QUEUED && run_has_begun(run));
}
static inline bool step_has_ended(const struct run_step *step)
{
	return step->state != STEP_WAITING && step->state != STEP_RUNNING;
}
static inline bool step_has_failed(const struct run_step *step)
{
	return step->state == STEP_FAILED || step->state == STEP_TIMED_OUT;
}
/* Its place in the run. */
static inline uint32_t step_number(const struct run_step *step)
{
	return (uint32_t)(step - step->run->steps);
}
/* Its scripts did, or may have done, something. */
static inline bool run_has_acted(const struct run *run)
{
	return run->state == RUN_RECOVERED || run->state == RUN_FAILED || run->state == RUN_UNKNOWN;
}
/* ---- one run (run.c) ---- */

/* One without an id, linked as the newest. */
struct run *run_new(struct runs *runs, const char *runbook);
void run_free(struct run *run);
void run_link(struct runs *runs, struct run *run);
int run_steps_alloc(struct run *run, uint32_t n);
/* The steps of this runbook, all waiting. */
int run_steps_take(struct run *run, const struct runbook *runbook);
/* Takes the texts. */
void run_output_set(struct run *run, struct run_step *step, char *output, char *error_output);
void run_outputs_drop(struct run *run);
void run_ladder_drop(struct run *run);
void run_names_free(char **names, uint32_t n);
/* The runbook of this configuration that the run goes by, if its steps are those that the run
 * began; or NULL. */
const struct runbook *run_runbook(const struct run *run, const struct actions_config *config);
/* All gates are open: its first, or next, step begins. */
void run_begin(struct run *run);
/* The record it waited for is durable. */
void run_saved(struct run *run);
/* All gates are asked again before it goes on. */
void run_requeue(struct run *run);
/* It was RUNNING when the daemon ended. */
void run_resume(struct run *run);
/* From here on it is over. */
void run_finish(struct run *run, enum run_state state, const char *reason);
/* A refusal; but where steps were done already, the run has come to a bad end. */
void run_refuse(struct run *run, const char *reason);

/* ---- its steps (run_steps.c) ---- */

/* Begins what may begin; undoes what is to be undone; ends the run when nothing is left to do. */
void run_advance(struct run *run);
/* The daemon has restarted: takes up each step that was under way. */
void run_steps_resume(struct run *run, const struct runbook *runbook);
/* Would one of the steps that may begin now act? */
bool run_is_about_to_act(const struct run *run, const struct runbook *runbook);
/* Works off timers. */
void run_poll(struct run *run);
/* When run_poll() has something to do; TIME_NONE. */
int64_t run_due_ms(const struct run *run);
/* A step without an attempt under way has ended. run_advance() is the caller's. */
void step_end(struct run_step *step, enum step_state state, const char *message);
/* The end of the last step that acted; TIME_NONE: none did. */
int64_t run_acted_ms(const struct run *run, const struct runbook *runbook);
/* Its output as JSON: what the step printed, or {"text": …}. A new reference. */
json_t *step_output_json(const struct run_step *step);
/* What the runbook says of it, while its run goes by one. */
const struct runbook_step *step_rule(const struct run_step *step);

/* ---- their attempts (run_attempt.c) ---- */

/* The next attempt of an act: once its record is durable it starts. */
void attempt_begin(struct run_step *step);
/* An act's, or its undo's: the intent is to be journaled; what it will be told is made now.
 * ERR_NOMEM. */
int attempt_prepare(struct run_step *step);
/* The record that they waited for is durable: starts what was pending, forgets what may be. */
void run_steps_saved(struct run *run);
/* After a restart: goes on with an act, or an undo, that was under way. */
void attempt_resume(struct run_step *step);
void undo_resume(struct run_step *step);

/* ---- its end (run_end.c) ---- */

/* Undoes the next step that is to be undone, or ends the run. */
void run_roll_back(struct run *run, const struct runbook *runbook, const struct run_step *cause);
/* Ends a run of which nothing is left to do. */
void run_conclude(struct run *run, const struct runbook *runbook);

/* ---- questions (run_ask.c) ---- */

/* A verify step under way: asks, or ends it when its time is up. True: it ended. */
bool verify_poll(struct run_step *step, const struct runbook_step *rule);
int64_t verify_due_ms(const struct run_step *step, const struct runbook_step *rule);
/* The answers are there, and not too old. */
bool gate_is_answered(const struct run *run, const struct runbook *runbook);
/* Asks, unless the questions are under way. */
void gate_ask(struct run *run, const struct runbook *runbook);

/* ---- telling (run_tell.c) ---- */

/* A step's receiver gets the alert, once. ERR_NOMEM. */
int run_notify(struct run *run, const struct run_step *step, const struct receiver *receiver);
/* A bad end is told to whom the runbook says, or along the alert's own route. */
void run_tell_end(struct run *run);

/* ---- series (run_series.c) ---- */

/* Its output has changed. */
void step_values_take(struct run_step *step);
void run_series_step(struct runs *runs);
/* TIME_NONE: nothing is to be written. */
int64_t run_series_due_ms(const struct runs *runs);
void run_series_fini(struct runs *runs);

/* ---- all (runs.c) ---- */

/* Of its runbook, 9 the most important; 0 when that is gone. */
int64_t run_priority(const struct run *run);
void runs_forget_old(struct runs *runs);
/* After a bad end: the next runbook of the rule. */
void runs_ladder_next(struct run *run);

/* ---- gates ---- */

enum verdict { GATE_OPEN, GATE_WAIT, GATE_REFUSE, GATE_ASK };
/* In the order that interfaces promise. The first that is not open says why. */
enum verdict gates_ask(struct run *run, const struct runbook *runbook, const char **reason);
/* Until when the gates may ask about this finished run. */
int64_t gates_remember_until_ms(const struct run *run, const struct actions_config *config);

/* ---- records and inputs ---- */

/* Journals it; with `answer` returns the token. */
uint64_t run_save(const struct run *run, bool answer);
/* The labels that the runbook acts upon, from an expression's result; NULL when one is missing. */
struct labels *run_target_of(const struct runbook *runbook, const struct labels *expr);
/* {instance="a"}; NULL without memory. */
char *run_target_text(const struct labels *target);
/* The JSON document of a step that begins, or of what undoes it. NULL: no memory. */
char *run_input_make(const struct run_step *step, const struct step_options *options, bool undo,
		     const char *key);

#endif
