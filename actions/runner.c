/*
 * The runner process. See runner.h for what it promises.
 *
 * A job is on disk as DIR/runs/ID.begun from before its child is started, and as DIR/runs/ID.json
 * from its end until a client acknowledges the result. So "never started", "under way" and "over,
 * thus" can be told apart by whoever asks, whichever of the two processes died in between. A .begun
 * without .json and without a child of ours means that a runner died: its end will never be known.
 */
#include "actions/runner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

#define CLIENTS_MAX 8
#define CLIENT_OUT_MAX (64 * 1024 * 1024) /* of a client that does not listen */
#define READ_BYTES 65536
#define IDLE_EXIT_MS                                                                               \
	10000 /* without client and children the runner ends: the daemon starts another when it    \
		 needs one */
#define SWEEP_MS (3600 * 1000)
#define DIR_BYTES 3840

struct client {
	struct client *next;
	struct runner *runner;
	int fd;
	struct loop_fd *watch;
	struct buf in, out;
};

struct runner {
	struct loop *loop;
	char dir[DIR_BYTES]; /* "": nothing on disk */
	int listen_fd, lock_fd;
	struct loop_fd *listener;
	struct client *clients;
	struct children children;
	struct loop_timer *idle, *sweep;
	bool leaving; /* asked to end: it does with its last child */
};

/* ---- clients ---- */

static void arm_idle(struct runner *runner)
{
	bool is_idle = runner->children.n == 0 && (!runner->clients || runner->leaving);

	if (is_idle)
		loop_timer_set(runner->idle, runner->dir[0] && !runner->leaving ? IDLE_EXIT_MS : 0);
	else
		loop_timer_clear(runner->idle);
}

static void client_close(struct client *client)
{
	struct client **at = &client->runner->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	loop_fd_free(client->watch);
	close(client->fd);
	buf_fini(&client->in);
	buf_fini(&client->out);
	arm_idle(client->runner);
	free(client);
}

static void client_flush(struct client *client)
{
	size_t sent = 0;

	while (sent < client->out.len) {
		ssize_t n = send(client->fd, client->out.ptr + sent, client->out.len - sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	buf_drop(&client->out, sent);
	/* It reads the end then, and is closed there: not under the feet of whoever calls. */
	if (client->out.len > CLIENT_OUT_MAX)
		shutdown(client->fd, SHUT_RDWR);
	loop_fd_set(client->watch, LOOP_READ | (client->out.len ? LOOP_WRITE : 0));
}

static void tell_line(struct client *client, const char *line)
{
	buf_add_str(&client->out, line);
	buf_add_char(&client->out, '\n');
	client_flush(client);
}

static void tell(struct client *client, const char *id, enum action_outcome outcome,
		 const char *message)
{
	json_t *object = runner_result(id, outcome, message);
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (line)
		tell_line(client, line);
	free(line);
}

/* Written down first, then told to whoever listens: a job belongs to its id, not to a connection.
 */
static void on_ended(void *ctx, const char *id, const json_t *result)
{
	struct runner *runner = ctx;
	char *line = result ? json_dumps(result, JSON_COMPACT) : NULL;

	if (line)
		runner_result_write(runner->dir, id, line);
	for (struct client *client = runner->clients; line && client; client = client->next)
		tell_line(client, line);
	free(line);
	arm_idle(runner);
}

/* ---- requests ---- */

static void start(struct client *client, const char *id, json_t *job)
{
	struct runner *runner = client->runner;
	struct child *child;
	char why[256] = "";
	int code = child_new(&runner->children, id, job, &child, why);

	if (code) {
		tell(client, id, ACTION_FAILED, why);
		return;
	}
	code = runner_mark_begun(runner->dir, id);
	if (code == ERR_CONFLICT) {
		child_drop(child);
		tell(client, id, ACTION_UNKNOWN, "it was started before");
		return;
	}
	if (code) {
		snprintf(why, sizeof(why), "cannot mark it as begun: %s", strerror(errno));
		child_drop(child);
	} else {
		code = child_start(child, why);
	}
	if (code)
		tell(client, id, ACTION_FAILED, why);
	arm_idle(runner);
}

/* {"do": "start" | "recover" | "forget", "id": …} */
static void on_line(struct client *client, const char *line, size_t len)
{
	struct runner *runner = client->runner;
	json_t *job = json_loadb(line, len, 0, NULL);
	const char *what = json_string_value(json_object_get(job, "do"));
	const char *id = json_string_value(json_object_get(job, "id"));

	if (!what || !runner_id_is_valid(id)) {
		log_error("runner", "a request makes no sense", "bytes=%zu", len);
		json_decref(job);
		return;
	}
	if (strcmp(what, "forget") == 0) {
		runner_result_forget(runner->dir, id);
	} else if (!children_has(&runner->children, id)) { /* else: all are told when it ends */
		char *known = runner_result_read(runner->dir, id);

		if (known)
			tell_line(client, known);
		else if (strcmp(what, "start") == 0)
			start(client, id, job);
		else
			tell(client, id, ACTION_UNKNOWN,
			     runner_was_begun(runner->dir, id) ? "its end was not seen"
							       : ACTION_NEVER_STARTED);
		free(known);
	}
	json_decref(job);
}

static void take_lines(struct client *client)
{
	size_t done = 0;
	char *newline;

	while (done < client->in.len &&
	       (newline = memchr(client->in.ptr + done, '\n', client->in.len - done))) {
		size_t len = (size_t)(newline - client->in.ptr) - done;

		on_line(client, client->in.ptr + done, len);
		done += len + 1;
	}
	buf_drop(&client->in, done);
}

static void on_client(void *ctx, int what)
{
	struct client *client = ctx;

	if (what & LOOP_WRITE)
		client_flush(client);
	if (!(what & LOOP_READ))
		return;
	for (;;) {
		char *room = buf_reserve(&client->in, READ_BYTES);
		ssize_t n = room ? recv(client->fd, room, READ_BYTES, MSG_DONTWAIT) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		client->in.len += (size_t)n;
		take_lines(client);
		if (client->in.len > RUNNER_LINE_MAX)
			break;
	}
	client_close(client);
}

static void client_add(struct runner *runner, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client || !(client->watch = loop_fd_new(runner->loop, fd, on_client, client))) {
		free(client);
		close(fd);
		return;
	}
	client->runner = runner;
	client->fd = fd;
	client->next = runner->clients;
	runner->clients = client;
	loop_fd_set(client->watch, LOOP_READ);
	arm_idle(runner);
}

static void on_connection(void *ctx, int what)
{
	struct runner *runner = ctx;
	int fd = accept4(runner->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	unsigned n = 0;

	for (struct client *client = runner->clients; client; client = client->next)
		n++;
	if (fd >= 0 && n < CLIENTS_MAX)
		client_add(runner, fd);
	else if (fd >= 0)
		close(fd);
}

/* ---- the process ---- */

static void on_idle(void *ctx)
{
	struct runner *runner = ctx;

	loop_stop(runner->loop);
}

static void on_sweep(void *ctx)
{
	struct runner *runner = ctx;

	runner_files_sweep(runner->dir, time(NULL));
	loop_timer_set(runner->sweep, SWEEP_MS);
}

static void on_sigchld(void *ctx, int signo)
{
	struct runner *runner = ctx;

	children_reap(&runner->children);
}

static void on_sigterm(void *ctx, int signo)
{
	struct runner *runner = ctx;

	runner->leaving = true;
	arm_idle(runner);
}

/*
 * Standard input and output are nobody's business, and what else the daemon had open is not ours:
 * we may outlive it, and would keep its sockets, locks and pipes. Standard error stays: for the
 * log.
 */
static void leave_descriptors(int keep)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		if (fcntl(2, F_GETFD) < 0)
			dup2(null, 2);
	}
	if (keep < 0) {
		syscall(SYS_close_range, 3u, ~0u, 0u);
		return;
	}
	if (keep > 3)
		syscall(SYS_close_range, 3u, (unsigned)keep - 1, 0u);
	syscall(SYS_close_range, (unsigned)keep + 1, ~0u, 0u);
	fcntl(keep, F_SETFD, FD_CLOEXEC);
}

static int bind_here(int fd)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "runner.sock" };
	mode_t mask = umask(077);

	unlink(address.sun_path);
	int failed = bind(fd, (const struct sockaddr *)&address, sizeof(address));

	umask(mask);
	return failed || listen(fd, CLIENTS_MAX) ? ERR_IO : 0;
}

/* ERR_CONFLICT: there is a runner in this directory. */
static int listen_in(struct runner *runner, const char *dir)
{
	if (strlen(dir) >= sizeof(runner->dir)) {
		errno = ENAMETOOLONG;
		return ERR_LIMIT;
	}
	strcpy(runner->dir, dir);
	/* Paths of sockets are short: it is bound by its name in the directory. */
	if (chdir(dir) || (mkdir("runs", 0700) && errno != EEXIST))
		return ERR_IO;
	/* One runner a directory: the lock goes with the process, the socket's file does not. */
	runner->lock_fd = open("runner.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (runner->lock_fd < 0)
		return ERR_IO;
	if (lockf(runner->lock_fd, F_TLOCK, 0))
		return ERR_CONFLICT;
	fsync(runner->lock_fd);
	runner->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (runner->listen_fd < 0 || bind_here(runner->listen_fd))
		return ERR_IO;
	runner->listener = loop_fd_new(runner->loop, runner->listen_fd, on_connection, runner);
	if (!runner->listener)
		return ERR_NOMEM;
	loop_fd_set(runner->listener, LOOP_READ);
	loop_timer_set(runner->sweep, 0);
	return 0;
}

static int runner_init(struct runner *runner)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* ^C on the daemon's terminal is not for the scripts under way */
	signal(SIGHUP, SIG_IGN);
	runner->loop = loop_new();
	if (!runner->loop)
		return ERR_NOMEM;
	runner->idle = loop_timer_new(runner->loop, on_idle, runner);
	runner->sweep = loop_timer_new(runner->loop, on_sweep, runner);
	if (!runner->idle || !runner->sweep ||
	    loop_signal_add(runner->loop, SIGCHLD, on_sigchld, runner) ||
	    loop_signal_add(runner->loop, SIGTERM, on_sigterm, runner))
		return ERR_NOMEM;
	runner->children =
		(struct children){ .loop = runner->loop, .ended = on_ended, .ctx = runner };
	return 0;
}

static void runner_fini(struct runner *runner)
{
	while (runner->clients)
		client_close(runner->clients);
	loop_fd_free(runner->listener);
	if (runner->listen_fd >= 0)
		close(runner->listen_fd);
	loop_timer_free(runner->idle);
	loop_timer_free(runner->sweep);
	loop_free(runner->loop);
	/* Last: the next runner may begin. */
	if (runner->lock_fd >= 0)
		close(runner->lock_fd);
}

int runner_main(const char *dir, int fd)
{
	struct runner runner = { .listen_fd = -1, .lock_fd = -1 };

	leave_descriptors(*dir ? -1 : fd);
	int code = runner_init(&runner);

	if (code == 0 && *dir) {
		char *absolute = realpath(dir, NULL);

		code = absolute ? listen_in(&runner, absolute) : ERR_IO;
		free(absolute);
	} else if (code == 0) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		client_add(&runner, fd);
		code = chdir("/") ? ERR_IO : 0;
	}
	if (code && code != ERR_CONFLICT)
		log_error("runner", "cannot start", "dir=%s error=%s", log_quote(slice_from(dir)),
			  log_quote(slice_from(strerror(errno))));
	if (code == 0) {
		arm_idle(&runner);
		loop_run(runner.loop);
	}
	runner_fini(&runner);
	/* Another runner came first: fine. */
	return code && code != ERR_CONFLICT ? EXIT_FAILURE : EXIT_SUCCESS;
}
