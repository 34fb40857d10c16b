/*
 * What the files of the runner process share. Private to actions/.
 *
 *   runner_files.c  what is on disk of jobs
 *   runner_child.c  the children: starting one, its pipes, its time, its end
 *   runner.c        the process: clients and what they ask
 */
#ifndef TOCSIN_ACTIONS_RUNNER_INTERNAL_H
#define TOCSIN_ACTIONS_RUNNER_INTERNAL_H

#include <jansson.h>
#include <sys/types.h>
#include <time.h>

#include "actions/runner.h"

/* ---- on disk; an empty dir: nothing is ---- */

bool runner_id_is_valid(const char *id);
/* From here on the job is never started again. ERR_CONFLICT: it was begun before; ERR_IO, with
 * errno. */
int runner_mark_begun(const char *dir, const char *id);
bool runner_was_begun(const char *dir, const char *id);
void runner_result_write(const char *dir, const char *id, const char *text);
/* To free(); NULL when there is none. */
char *runner_result_read(const char *dir, const char *id);
/* The result goes; the mark stays as a guard. */
void runner_result_forget(const char *dir, const char *id);
/* Clears away what is so old that nobody can ask for it any more. */
void runner_files_sweep(const char *dir, time_t now);

/* ---- children ---- */

struct child;
struct children {
	struct loop *loop;
	struct child *first;
	unsigned n;
	/* A child is over, its result (borrowed) is this. Its entry is gone when the call returns.
	 */
	void (*ended)(void *ctx, const char *id, const json_t *result);
	void *ctx;
};

/* Takes a reference of the job. ERR_INVALID, ERR_LIMIT with the reason. To child_start() or
 * child_drop(). */
int child_new(struct children *children, const char *id, json_t *job, struct child **out,
	      char why[256]);
/* On failure the child is freed. */
int child_start(struct child *child, char why[256]);
/* One that was not started. */
void child_drop(struct child *child);
bool children_has(const struct children *children, const char *id);
/* After SIGCHLD. */
void children_reap(struct children *children);
json_t *runner_result(const char *id, enum action_outcome outcome, const char *message);

#endif
