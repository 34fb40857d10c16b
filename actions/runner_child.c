/*
 * The runner's children.
 *
 *   new ──► started ──► (timeout: TERM to the group ──► kill_after: KILL) ──► exited ──► over
 *
 * Over means: the leader has ended and its output is read to the end, or, where a grandchild keeps
 * the pipes open, for LINGER_MS more. Until then the leader stays a zombie, so that its number, by
 * which the group is killed, is nobody else's. What has made itself a session of its own (a daemon
 * that the script was to restart) goes on.
 */
#include "actions/runner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"

#define ARGS_MAX 256   /* of a script, its path included */
#define ENV_MAX 64     /* variables beyond the fixed ones */
#define FILES_MAX 1024 /* descriptors that a script may have open */
#define LINGER_MS 200
#define CHUNK_BYTES 16384
#define CHUNKS_MAX                                                                                 \
	16 /* read in one go: a script that writes faster than we read must not stop the clock */

struct output {
	struct loop_fd *watch;
	int fd;
	struct buf bytes;
	bool cut;
};

/* What the child does before it is the script, and so can go wrong. Told through a pipe that exec
 * closes. */
enum stage { STAGE_STREAMS, STAGE_USER, STAGE_CWD, STAGE_EXEC };
static const char *const stage_texts[] = {
	[STAGE_STREAMS] = "cannot set up its standard streams",
	[STAGE_USER] = "cannot become its user",
	[STAGE_CWD] = "cannot enter its working directory",
	[STAGE_EXEC] = "cannot be executed",
};
struct failure {
	int stage, error;
};

struct start {
	const char *argv[ARGS_MAX + 1];
	const char *env[ENV_MAX + 5];
	char id_env[RUNNER_ID_MAX + 16];
	const char *cwd;
	bool no_new_privs, switch_user;
	uid_t uid;
	gid_t gid;
};

struct child {
	struct child *next;
	struct children *children;
	char id[RUNNER_ID_MAX];
	json_t *job; /* owns the texts of `start` and the input */
	struct start start;
	pid_t pid;
	struct output out, err;
	struct loop_fd *input_watch;
	int input_fd, failure_fd;
	struct slice input;
	size_t input_sent;
	struct loop_timer *timer; /* TERM, then KILL, then the end of waiting for output */
	int64_t begun_us;
	bool timed_out, killed, exited;
	int code; /* exit code, or minus the signal */
};

/* ---- results ---- */

/* What JSON can hold of these bytes: others, and NUL, become question marks. Never NULL. */
static json_t *runner_text(struct slice bytes)
{
	json_t *text = NULL;

	if (!memchr(bytes.ptr ? bytes.ptr : "", '\0', bytes.len))
		text = json_stringn(bytes.ptr ? bytes.ptr : "", bytes.len);
	if (text)
		return text;
	struct buf copy;

	buf_init(&copy);
	while (bytes.len) {
		uint32_t rune;
		size_t n = slice_rune(bytes, &rune);
		bool is_bad = rune == 0 || (rune == RUNE_ERROR && n == 1);

		buf_add(&copy, is_bad ? "?" : bytes.ptr, n);
		bytes = (struct slice){ bytes.ptr + n, bytes.len - n };
	}
	text = json_stringn(copy.ptr ? copy.ptr : "", copy.len);
	buf_fini(&copy);
	return text ? text : json_string("");
}

json_t *runner_result(const char *id, enum action_outcome outcome, const char *message)
{
	return json_pack("{ss si si so ss ss}", "id", id, "outcome", (int)outcome, "code", 0,
			 "message", runner_text(slice_from(message)), "output", "", "error_output",
			 "");
}

/* ---- pipes ---- */

static void output_close(struct output *output)
{
	loop_fd_free(output->watch);
	output->watch = NULL;
	if (output->fd >= 0)
		close(output->fd);
	output->fd = -1;
}

static void input_close(struct child *child)
{
	loop_fd_free(child->input_watch);
	child->input_watch = NULL;
	if (child->input_fd >= 0)
		close(child->input_fd);
	child->input_fd = -1;
}

static void drain(struct output *output)
{
	char chunk[CHUNK_BYTES];
	ssize_t n = -1;

	if (output->fd < 0)
		return;
	for (int i = 0; i < CHUNKS_MAX && (n = read(output->fd, chunk, sizeof(chunk))) > 0; i++) {
		size_t room = ACTION_OUTPUT_MAX - output->bytes.len;
		size_t take = (size_t)n < room ? (size_t)n : room;

		buf_add(&output->bytes, chunk, take);
		output->cut = output->cut || take < (size_t)n;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		output_close(output);
}

/* ---- the end ---- */

static void child_free(struct child *child)
{
	output_close(&child->out);
	output_close(&child->err);
	input_close(child);
	if (child->failure_fd >= 0)
		close(child->failure_fd);
	loop_timer_free(child->timer);
	buf_fini(&child->out.bytes);
	buf_fini(&child->err.bytes);
	json_decref(child->job);
	free(child);
}

static void child_unlink(struct child *child)
{
	struct child **at = &child->children->first;

	while (*at != child)
		at = &(*at)->next;
	*at = child->next;
	child->children->n--;
}

/* Before its setsid() the child has no group yet. */
static void signal_group(const struct child *child, int signo)
{
	if (kill(-child->pid, signo) != 0)
		kill(child->pid, signo);
}

static json_t *result_make(const struct child *child)
{
	struct failure failure;
	char message[256];
	enum action_outcome outcome = child->code == 0 ? ACTION_OK : ACTION_FAILED;

	if (read(child->failure_fd, &failure, sizeof(failure)) == (ssize_t)sizeof(failure)) {
		snprintf(message, sizeof(message), "%s: %s", stage_texts[failure.stage],
			 strerror(failure.error));
	} else if (child->timed_out) {
		outcome = ACTION_TIMED_OUT;
		snprintf(message, sizeof(message), "cut off by its timeout%s",
			 child->killed ? ", by force" : "");
	} else if (child->code < 0) {
		snprintf(message, sizeof(message), "ended by signal %d", -child->code);
	} else {
		snprintf(message, sizeof(message), "exit code %d", child->code);
	}
	return json_pack("{ss si si so so so sb sI}", "id", child->id, "outcome", (int)outcome,
			 "code", child->code, "message", runner_text(slice_from(message)), "output",
			 runner_text(buf_slice(&child->out.bytes)), "error_output",
			 runner_text(buf_slice(&child->err.bytes)), "cut",
			 child->out.cut || child->err.cut, "duration_ms",
			 (json_int_t)((clock_monotonic_us() - child->begun_us) / 1000));
}

/* Once the leader is gone and its output read. Nothing of the group may go on. */
static void child_step(struct child *child)
{
	struct children *children = child->children;

	if (!child->exited || child->out.fd >= 0 || child->err.fd >= 0)
		return;
	kill(-child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0); /* a zombie: at once */
	json_t *result = result_make(child);

	child_unlink(child);
	children->ended(children->ctx, child->id, result);
	json_decref(result);
	child_free(child);
}

static void on_timer(void *ctx)
{
	struct child *child = ctx;

	if (child->exited) {
		drain(&child->out);
		drain(&child->err);
		output_close(&child->out);
		output_close(&child->err);
		child_step(child);
		return;
	}
	if (child->timed_out) {
		child->killed = true;
		signal_group(child, SIGKILL);
		return;
	}
	child->timed_out = true;
	signal_group(child, SIGTERM);
	loop_timer_set(child->timer,
		       json_integer_value(json_object_get(child->job, "kill_after_ms")));
}

void children_reap(struct children *children)
{
	for (struct child *child = children->first, *next; child; child = next) {
		siginfo_t info = { .si_pid = 0 };

		next = child->next;
		if (child->exited ||
		    waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
		    info.si_pid != child->pid)
			continue;
		child->exited = true;
		child->code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
		loop_timer_set(child->timer, LINGER_MS);
		child_step(child);
	}
}

/* ---- while it runs ---- */

static void on_out(void *ctx, int what)
{
	struct child *child = ctx;

	drain(&child->out);
	child_step(child);
}

static void on_err(void *ctx, int what)
{
	struct child *child = ctx;

	drain(&child->err);
	child_step(child);
}

static void on_input(void *ctx, int what)
{
	struct child *child = ctx;

	while (child->input_sent < child->input.len) {
		ssize_t n = write(child->input_fd, child->input.ptr + child->input_sent,
				  child->input.len - child->input_sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break; /* it does not want to hear more */
		child->input_sent += (size_t)n;
	}
	input_close(child);
}

/* ---- the start ---- */

static int refuse(char why[256], const char *text)
{
	snprintf(why, 256, "%s", text);
	return ERR_INVALID;
}

static int strings_get(const json_t *array, const char **out, size_t max)
{
	const json_t *item;
	size_t i;

	if (json_array_size(array) > max)
		return ERR_LIMIT;
	json_array_foreach (array, i, item) {
		if (!json_is_string(item))
			return ERR_INVALID;
		out[i] = json_string_value(item);
	}
	return 0;
}

static int start_parse(const json_t *job, const char *id, struct start *start, char why[256])
{
	const char *user = json_string_value(json_object_get(job, "user"));

	if (strings_get(json_object_get(job, "argv"), start->argv, ARGS_MAX) || !start->argv[0])
		return refuse(why, "no command, or too many arguments");
	if (strings_get(json_object_get(job, "env"), start->env + 4, ENV_MAX))
		return refuse(why, "too many variables");
	int code = script_check(start->argv[0], why);

	if (code)
		return code;
	snprintf(start->id_env, sizeof(start->id_env), "TOCSIN_ID=%s", id);
	start->env[0] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	start->env[1] = "LANG=C";
	start->env[2] = "HOME=/";
	start->env[3] = start->id_env;
	start->cwd = json_string_value(json_object_get(job, "cwd"));
	if (!start->cwd)
		start->cwd = "/";
	start->no_new_privs = !json_is_false(json_object_get(job, "no_new_privs"));
	if (!user)
		return 0;
	const struct passwd *entry = getpwnam(user);

	if (!entry) {
		snprintf(why, 256, "there is no user \"%.64s\"", user);
		return ERR_INVALID;
	}
	start->switch_user = entry->pw_uid != geteuid();
	start->uid = entry->pw_uid;
	start->gid = entry->pw_gid;
	return 0;
}

int child_new(struct children *children, const char *id, json_t *job, struct child **out,
	      char why[256])
{
	const json_t *input = json_object_get(job, "input");
	struct child *child = calloc(1, sizeof(*child));

	if (!child) {
		refuse(why, "out of memory");
		return ERR_NOMEM;
	}
	child->children = children;
	child->out.fd = child->err.fd = child->input_fd = child->failure_fd = -1;
	child->job = json_incref(job);
	child->input = (struct slice){ json_string_value(input), json_string_length(input) };
	snprintf(child->id, sizeof(child->id), "%s", id);
	int code = start_parse(job, id, &child->start, why);

	if (code == 0 && children->n >= RUNNER_CHILDREN_MAX) {
		refuse(why, "too many scripts are running");
		code = ERR_LIMIT;
	}
	if (code) {
		child_free(child);
		return code;
	}
	*out = child;
	return 0;
}

void child_drop(struct child *child)
{
	child_free(child);
}

static void give_up(int fd, enum stage stage)
{
	struct failure failure = { stage, errno };
	ssize_t n = write(fd, &failure, sizeof(failure));

	_exit(n == (ssize_t)sizeof(failure) ? 127 : 126);
}

/* No way back: a group or user id that is left could be taken up again. */
static bool become_user(const struct start *start)
{
	if (setgroups(0, NULL) || setresgid(start->gid, start->gid, start->gid) ||
	    setresuid(start->uid, start->uid, start->uid))
		return false;
	if (start->uid != 0 && setuid(0) == 0) {
		errno = EPERM;
		return false;
	}
	return true;
}

/* Between fork and exec: the runner has one thread, still only plain system calls here. */
static void become(const struct start *start, int in, int out, int err, int failure)
{
	const struct rlimit no_core = { 0, 0 }, files = { FILES_MAX, FILES_MAX };
	sigset_t none;

	setsid();
	/* Ignored signals stay ignored over exec, and the runner ignores some. */
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(077);
	setrlimit(RLIMIT_CORE, &no_core);
	setrlimit(RLIMIT_NOFILE, &files);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 ||
	    (failure != 3 && dup3(failure, 3, O_CLOEXEC) < 0))
		give_up(failure, STAGE_STREAMS);
	syscall(SYS_close_range, 4u, ~0u, 0u);
	if (start->switch_user && !become_user(start))
		give_up(3, STAGE_USER);
	if (start->no_new_privs)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (chdir(start->cwd))
		give_up(3, STAGE_CWD);
	execve(start->argv[0], (char *const *)start->argv, (char *const *)start->env);
	give_up(3, STAGE_EXEC);
}

enum { IN, OUT, ERR, FAILURE, PIPES };

static void pipes_close(int pipes[PIPES][2])
{
	for (int i = 0; i < PIPES; i++)
		for (int end = 0; end < 2; end++)
			if (pipes[i][end] >= 0)
				close(pipes[i][end]);
}

static int spawn(struct child *child)
{
	int pipes[PIPES][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };

	for (int i = 0; i < PIPES; i++)
		if (pipe2(pipes[i], O_CLOEXEC)) {
			pipes_close(pipes);
			return ERR_LIMIT;
		}
	child->pid = fork();
	if (child->pid < 0) {
		pipes_close(pipes);
		return ERR_LIMIT;
	}
	if (child->pid == 0)
		become(&child->start, pipes[IN][0], pipes[OUT][1], pipes[ERR][1],
		       pipes[FAILURE][1]);
	close(pipes[IN][0]);
	close(pipes[OUT][1]);
	close(pipes[ERR][1]);
	close(pipes[FAILURE][1]);
	child->input_fd = pipes[IN][1];
	child->out.fd = pipes[OUT][0];
	child->err.fd = pipes[ERR][0];
	child->failure_fd = pipes[FAILURE][0];
	/* Our ends only: a script is not to meet pipes that do not wait. */
	fcntl(child->input_fd, F_SETFL, O_NONBLOCK);
	fcntl(child->out.fd, F_SETFL, O_NONBLOCK);
	fcntl(child->err.fd, F_SETFL, O_NONBLOCK);
	fcntl(child->failure_fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static int watch(struct child *child)
{
	struct loop *loop = child->children->loop;

	child->timer = loop_timer_new(loop, on_timer, child);
	child->out.watch = loop_fd_new(loop, child->out.fd, on_out, child);
	child->err.watch = loop_fd_new(loop, child->err.fd, on_err, child);
	child->input_watch = loop_fd_new(loop, child->input_fd, on_input, child);
	if (!child->timer || !child->out.watch || !child->err.watch || !child->input_watch)
		return ERR_NOMEM;
	loop_fd_set(child->out.watch, LOOP_READ);
	loop_fd_set(child->err.watch, LOOP_READ);
	loop_fd_set(child->input_watch, LOOP_WRITE);
	loop_timer_set(child->timer, json_integer_value(json_object_get(child->job, "timeout_ms")));
	return 0;
}

int child_start(struct child *child, char why[256])
{
	struct children *children = child->children;

	child->begun_us = clock_monotonic_us();
	int code = spawn(child);

	if (code == 0 && (code = watch(child))) {
		errno = ENOMEM;
		signal_group(child, SIGKILL);
		waitpid(child->pid, NULL, 0);
	}
	if (code) {
		snprintf(why, 256, "cannot start a process: %s", strerror(errno));
		child_free(child);
		return code;
	}
	child->next = children->first;
	children->first = child;
	children->n++;
	return 0;
}

bool children_has(const struct children *children, const char *id)
{
	for (const struct child *child = children->first; child; child = child->next)
		if (strcmp(child->id, id) == 0)
			return true;
	return false;
}
