/*
 * A runner in a process of its own, its client on a loop, and scripts in a directory for them.
 */
#ifndef TOCSIN_TESTS_ACTIONS_RUNNER_HARNESS_H
#define TOCSIN_TESTS_ACTIONS_RUNNER_HARNESS_H

#include "actions/runner_internal.h"

extern char dir[64], program[4096]; /* where it keeps its state; the runner's program */
extern struct loop *loop;
extern struct runner_client *client;

/* Before and after each test. */
void runner_setup(void);
void runner_teardown(void);
/* The client is made anew. */
void client_open(void);

/* Runs the loop for so long, or until a job is done. */
void turn(int64_t ms);
/* In the directory; of the two newest calls each holds. */
char *path_of(const char *name);
/* An executable file of this text; its path. */
const char *script(const char *text);
/* Of a file in the directory, until the next call; "" when it is not there. */
char *read_text(const char *name);
/* A file that a script makes to say where it is. */
void wait_file(const char *name);

/* Not gone, and no zombie. */
bool is_alive(pid_t pid);
/* It ends within this time. */
void wait_end(pid_t pid, int64_t ms);
/* Who holds the directory's lock; 0: nobody. */
pid_t runner_pid(void);

/* What became of a job. */
struct got {
	unsigned n; /* times done() was called */
	enum action_outcome outcome;
	int code;
	char message[256];
	char *output, *errors;
	size_t output_len, errors_len;
	bool cut;
};

/* A result, to a struct got. */
void on_done(void *ctx, const struct action_result *result);
void got_fini(struct got *got);
void wait_for(struct got *got);

struct runner_job job_of(const char *id, const char *const *argv);
/* Starts it; what becomes of it is written to *got. */
struct runner_call *ask(const struct runner_job *job, struct got *got);
/* Runs a script to its end. Times of 0: long ones. */
struct got run(const char *text, int64_t timeout_ms, int64_t kill_after_ms);
/* What became of a job that was started before. */
struct got recover(const char *id);

#endif
