/*
 * What tests of runbooks share: a directory with scripts, a harness, a look at the runs.
 *
 * Scripts `ok` and `fails` are there; the runner is a real one, in that directory.
 */
#ifndef TOCSIN_TESTS_ACTIONS_RUNBOOKS_H
#define TOCSIN_TESTS_ACTIONS_RUNBOOKS_H

#include "tests/actions/harness.h"

#define MINUTE_MS 60000
#define HOUR_MS (60 * MINUTE_MS)

extern struct harness h;
extern char dir[64];

struct seen {
	char id[64], runbook[64], state[24], reason[256];
	char steps[256]; /* "look=ok undo=failed act=failed" */
	size_t output_bytes;
};
extern struct seen runs[4096];
extern size_t nruns;

/* @ in the configuration is the directory of scripts. */
void runbooks_setup(const char *text, const char *rules);
void runbooks_teardown(void);
/* DIR/NAME; good for the next three calls. */
const char *path_of(const char *name);
void file_make(const char *name);
void file_remove(const char *name);
/* Its text, "" when it is not there; good until the next call. */
char *file_text(const char *name);
/* A script that notes its start in DIR/log and its input, waits while DIR/hold is there, and ends
 * so. */
void script_make(const char *name, const char *end);
/* How often a job of this id was started. */
unsigned count_started(const char *id);
/* @ in the text is the directory of scripts. */
void configure(const char *text);
void kill_runner(void);
/* Fills runs, newest first. */
void look(void);
void expect(size_t i, const char *runbook, const char *state, const char *reason);
bool any_is(const char *state);
/* Until no run is under way. */
void await(void);
void await_started(const char *id);
/* And until no run is under way. */
void fire(const char *labels);
/* A new episode: over, and again a minute later. */
void fire_again(const char *labels);
int64_t now(void);
/* What the script of this job was told. */
json_t *input_of(const char *id);
/* The text at a.b.c of the object, or "". */
const char *at(const json_t *object, const char *path);

#endif
