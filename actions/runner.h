/*
 * The runner: a small helper process that starts scripts and outlives the daemon.
 *
 * Forking a large multi-threaded daemon is neither cheap nor safe, and a script must be finished or
 * timed out even when the daemon is killed. So a small process of its own (`tocsin runner DIR`,
 * started by the daemon when none answers) listens on DIR/runner.sock, starts children, keeps their
 * time, and leaves their results in DIR/runs/ID.json until they are acknowledged. On SIGTERM it
 * ends with its last child.
 *
 * At most once: before a child is started, DIR/runs/ID.begun is created with O_EXCL and synced; a
 * job whose file exists is never started again, whoever asks. Without a data_dir the runner lives
 * on a socket pair, keeps nothing, and ends when the daemon and its last child are gone.
 *
 * How a child is started: execve of an absolute path, argv given, no shell; environment empty but
 * PATH, LANG, HOME, TOCSIN_ID and what the step allows; standard input one JSON document, then EOF;
 * output capped and drained; own session and process group; umask 077; signals reset; descriptors
 * closed; limits set; no_new_privs. At the timeout TERM to the group, after kill_after KILL to the
 * group. When the child itself has ended, what is left of its group is killed; only what has made
 * itself a session of its own goes on.
 *
 * The wire: one JSON object a line in both directions over the stream socket.
 */
#ifndef TOCSIN_ACTIONS_RUNNER_H
#define TOCSIN_ACTIONS_RUNNER_H

#include "actions/plugin.h"

#define RUNNER_CHILDREN_MAX 64
#define RUNNER_ID_MAX 64
/* A request with the outputs of 31 earlier steps, all control characters, escaped twice, fits. */
#define RUNNER_LINE_MAX (16 * 1024 * 1024)

/*
 * The helper's main loop; dir "" with fd: serve that one connection and end with it. The process is
 * its own: descriptors but standard error and fd are closed. Returns an exit code.
 */
int runner_main(const char *dir, int fd);

struct runner_client;
/*
 * Connects to a running helper, or starts one (program: the binary to run as `program runner DIR`),
 * when the first job comes. dir NULL: a helper of our own on a socket pair.
 */
int runner_client_new(struct loop *loop, const char *program, const char *dir,
		      struct runner_client **out, char **why);
/* Lets go; the helper goes on with its children (unless it is on a socket pair). */
void runner_client_free(struct runner_client *client);

struct runner_job {
	const char *id;
	const char *const *argv; /* NULL-terminated; argv[0] absolute */
	const char *const *env;	 /* NULL-terminated NAME=VALUE, beyond the fixed ones */
	const char *cwd;	 /* NULL: / */
	const char *user;	 /* NULL: the daemon's */
	struct slice input;
	int64_t timeout_ms, kill_after_ms;
	bool no_new_privs;
	bool recover_only; /* do not start: tell what is known of this id */
};
struct runner_call;
/*
 * done exactly once, never from inside, whatever becomes of the helper: ACTION_UNKNOWN where it
 * cannot be known how the job ended. With recover_only and an id never begun: result
 * ACTION_UNKNOWN with code 0 and message "never started". Codes, without done: ERR_INVALID (an id
 * the runner does not take, texts that are no UTF-8), ERR_LIMIT (more than RUNNER_LINE_MAX in all),
 * ERR_NOMEM.
 */
int runner_start(struct runner_client *client, const struct runner_job *job,
		 void (*done)(void *ctx, const struct action_result *result), void *ctx,
		 struct runner_call **out);
/* Waits no longer; the child goes on. */
void runner_call_cancel(struct runner_call *call);
/* The result of this job is in our journal: the helper need not keep it. */
void runner_forget(struct runner_client *client, const char *id);
/*
 * Is this script fit to be run: absolute, exists, regular, executable, it and its parent
 * directories not writable by others than root and the daemon's user? ERR_INVALID with the reason.
 */
int script_check(const char *path, char why[256]);

#endif
