/*
 * What the files of runbook runs share. Private to actions/.
 *
 *   run.c         one run's way through its states
 *   runs.c        all of them: the queue, what alerts make of it, restarts
 *   gates.c       may it act now?
 *   run_record.c  its record in the journal
 *   run_input.c   what a step is told on its standard input
 */
#ifndef TOCSIN_ACTIONS_RUNS_INTERNAL_H
#define TOCSIN_ACTIONS_RUNS_INTERNAL_H

#include "actions/actions_internal.h"

#define RUN_REASON_BYTES 256

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
	uint32_t nsteps, step; /* step: the one under way or next */
	int64_t created_ms, queued_until_ms,
		finished_ms;  /* queued_until_ms: TIME_NONE unless a gate keeps it */
	uint64_t token;	      /* the record it waits for; 0 none */
	uint32_t unforgotten; /* of a step whose result is not yet durable: its number from 1; else
				 0 */
	struct action_attempt *attempt;
	const struct action_plugin *plugin; /* of the attempt, or of the one to forget */
	struct actions_config *config;	    /* while RUNNING: what it runs by */
	char *input;			    /* of the step under way */
};

struct runs {
	struct actions *actions;
	struct run *newest, *oldest;
	uint32_t n, active,
		waiting; /* active: QUEUED or RUNNING; waiting: of these, those that a gate keeps */
	size_t output_bytes; /* of all steps */
	uint64_t next_id;
	bool dirty; /* a queued run may have become free to go */
};

const char *run_state_text(enum run_state state);
const char *step_state_text(enum step_state state);
static inline bool run_is_finished(const struct run *run)
{
	return run->state != RUN_QUEUED && run->state != RUN_RUNNING;
}
/* Some of its steps are done, or being done. */
static inline bool run_is_under_way(const struct run *run)
{
	return run->state == RUN_RUNNING || (run->state == RUN_QUEUED && run->step > 0);
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
/* It was RUNNING when the daemon ended. */
void run_resume(struct run *run);
/* From here on it is over. */
void run_finish(struct run *run, enum run_state state, const char *reason);
/* A refusal; but where steps were done already, the run has come to a bad end. */
void run_refuse(struct run *run, const char *reason);

/* ---- all (runs.c) ---- */

void runs_forget_old(struct runs *runs);
/* After a bad end: the next runbook of the rule. */
void runs_ladder_next(struct run *run);

/* ---- gates ---- */

enum verdict { GATE_OPEN, GATE_WAIT, GATE_REFUSE };
/* In the order that interfaces promise. The first that is not open says why. */
enum verdict gates_ask(const struct run *run, const struct runbook *runbook, const char **reason);
/* Until when the gates may ask about this finished run. */
int64_t gates_remember_until_ms(const struct run *run, const struct actions_config *config);

/* ---- records and inputs ---- */

/* Journals it; with `answer` returns the token. */
uint64_t run_save(const struct run *run, bool answer);
/* {instance="a"}; NULL without memory. */
char *run_target_text(const struct labels *target);
/* The JSON document of the step that is next. NULL: no memory. */
char *run_input_make(const struct run *run, const struct runbook *runbook, const char *key);

#endif
