/* The daemon's side of the runner: finds or starts the helper, and keeps asking it over one socket.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actions/runner_internal.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define CONNECT_RETRY_MS 50
#define CONNECT_TRIES_MAX 200 /* then whoever waits is told */
#define TRIES_PER_HELPER 20   /* a helper gets so many before another is started */
#define HELPERS_MAX 16	      /* started and not yet seen to end */
#define LATE_MS 20000 /* a helper that hangs is waited for so much longer than the job may take */
#define JOB_MS_MAX (26ll * 3600 * 1000) /* a job's longest timeout and kill_after, and an hour */
#define READ_BYTES 65536

extern char **environ;

struct runner_call {
	struct runner_call *next;
	struct runner_client *client;
	char id[RUNNER_ID_MAX];
	char *line; /* the request, to be sent again should the helper be another */
	bool recover_only;
	bool sent; /* a helper may have begun it */
	struct loop_timer *late;
	void (*done)(void *ctx, const struct action_result *result);
	void *ctx;
};

struct runner_client {
	struct loop *loop;
	char *program, *dir;
	int fd, dir_fd;
	struct loop_fd *watch;
	struct loop_timer *timer;
	struct buf in, out;
	struct runner_call *calls; /* oldest first */
	int tries;
	pid_t helpers[HELPERS_MAX]; /* that we started and did not see end; 0: free */
};

static void connect_step(void *ctx);

/* ---- starting the helper ---- */

/* A helper that ended, as the second in a directory does at once, must not stay a zombie. */
static void reap_helpers(struct runner_client *client)
{
	for (int i = 0; i < HELPERS_MAX; i++)
		if (client->helpers[i] && waitpid(client->helpers[i], NULL, WNOHANG) != 0)
			client->helpers[i] = 0;
}

/* NULL: so many that were started hang that another one would, too. */
static pid_t *helper_slot(struct runner_client *client)
{
	for (int i = 0; i < HELPERS_MAX; i++)
		if (!client->helpers[i])
			return &client->helpers[i];
	log_error("action",
		  "no other runner is started before one of those that do not answer has ended",
		  "runners=%d first_pid=%d", HELPERS_MAX, (int)client->helpers[0]);
	return NULL;
}

static int spawn_helper(struct runner_client *client, int fd)
{
	pid_t *slot = helper_slot(client);
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	char fd_text[8] = "3";
	char *argv[] = { client->program, "runner", client->dir ? client->dir : "--fd",
			 client->dir ? NULL : fd_text, NULL };
	sigset_t none;
	pid_t pid;

	if (!slot)
		return ERR_LIMIT;
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawn_file_actions_init(&files);
	if (fd >= 0)
		posix_spawn_file_actions_adddup2(&files, fd, 3);
	int failed = posix_spawn(&pid, client->program, &files, &attributes, argv, environ);

	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	if (failed) {
		log_error("action", "cannot start the runner", "program=%s error=%s",
			  log_quote(slice_from(client->program)),
			  log_quote(slice_from(strerror(failed))));
		return ERR_IO;
	}
	*slot = pid;
	return 0;
}

/* ---- answers ---- */

static void call_free(struct runner_call *call)
{
	loop_timer_free(call->late);
	free(call->line);
	free(call);
}

static void answer(struct runner_call *call, const struct action_result *result)
{
	struct runner_call **at = &call->client->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->done(call->ctx, result);
	call_free(call);
}

static void send_line(struct runner_client *client, const char *line)
{
	buf_add_str(&client->out, line);
	buf_add_char(&client->out, '\n');
	if (client->watch)
		loop_fd_set(client->watch, LOOP_READ | LOOP_WRITE);
}

static void on_line(struct runner_client *client, const char *text, size_t len)
{
	json_t *object = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	const char *id = json_string_value(json_object_get(object, "id"));
	struct runner_call *call = client->calls;
	const json_t *output = json_object_get(object, "output"),
		     *errors = json_object_get(object, "error_output");

	while (call && id && strcmp(call->id, id) != 0)
		call = call->next;
	if (call && id) {
		struct action_result result = {
			.outcome = (enum action_outcome)json_integer_value(
				json_object_get(object, "outcome")),
			.code = (int)json_integer_value(json_object_get(object, "code")),
			.message = json_string_value(json_object_get(object, "message")) ?: "",
			.output = { json_string_value(output), json_string_length(output) },
			.error_output = { json_string_value(errors), json_string_length(errors) },
			.output_cut = json_is_true(json_object_get(object, "cut")),
			.retry_after_ms = -1,
			.duration_ms = json_integer_value(json_object_get(object, "duration_ms"))
		};

		answer(call, &result);
	}
	json_decref(object);
}

void runner_forget(struct runner_client *client, const char *id)
{
	json_t *object = json_pack("{ss ss}", "do", "forget", "id", id);
	char *line = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	if (line)
		send_line(client, line);
	free(line);
}

/* ---- the connection ---- */

static void disconnect(struct runner_client *client)
{
	if (client->watch)
		loop_fd_free(client->watch);
	if (client->fd >= 0)
		close(client->fd);
	client->watch = NULL;
	client->fd = -1;
	buf_clear(&client->in);
	buf_clear(&client->out);
}

/* The work of a helper on a socket pair is known to nobody else: what it was told is lost with it.
 */
static void lose_sent(struct runner_client *client)
{
	const struct action_result result = { .outcome = ACTION_UNKNOWN,
					      .message = "the runner ended",
					      .retry_after_ms = -1 };

	for (struct runner_call *call = client->calls, *next; call; call = next) {
		next = call->next;
		if (!call->sent)
			continue;
		answer(call, &result);
		next = client->calls; /* whoever was told may have changed the list */
	}
}

/* False: the connection is lost. */
static bool write_some(struct runner_client *client)
{
	size_t sent = 0;
	ssize_t n = 1;

	while (sent < client->out.len) {
		n = send(client->fd, client->out.ptr + sent, client->out.len - sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	buf_drop(&client->out, sent);
	return n > 0 || errno == EAGAIN || errno == EINTR;
}

/* The line is taken out first: whoever is told may send, or ask for the connection to be closed. */
static void take_lines(struct runner_client *client)
{
	char *newline;

	while (client->in.len && (newline = memchr(client->in.ptr, '\n', client->in.len))) {
		size_t len = (size_t)(newline - client->in.ptr) + 1;
		char *line = slice_dup((struct slice){ client->in.ptr, len - 1 });

		buf_drop(&client->in, len);
		if (line)
			on_line(client, line, len - 1);
		free(line);
	}
}

static bool read_some(struct runner_client *client)
{
	for (;;) {
		char *room = buf_reserve(&client->in, READ_BYTES);
		ssize_t n = room ? recv(client->fd, room, READ_BYTES, MSG_DONTWAIT) : 0;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0)
			return false;
		client->in.len += (size_t)n;
		take_lines(client);
		if (client->in.len > RUNNER_LINE_MAX)
			return false;
	}
}

static void on_socket(void *ctx, int what)
{
	struct runner_client *client = ctx;

	if ((!(what & LOOP_WRITE) || write_some(client)) &&
	    (!(what & LOOP_READ) || read_some(client))) {
		loop_fd_set(client->watch, LOOP_READ | (client->out.len ? LOOP_WRITE : 0));
		return;
	}
	disconnect(client);
	if (!client->dir)
		lose_sent(client);
	client->tries = 0;
	if (client->calls)
		loop_timer_set(client->timer, CONNECT_RETRY_MS);
}

static void send_call(struct runner_client *client, struct runner_call *call)
{
	call->sent = true;
	send_line(client, call->line);
}

/*
 * A new connection knows nothing of what the last one asked: everything open is asked again. A job
 * that was begun is not begun twice: by its mark on disk, and on a socket pair because nothing that
 * was sent is open any more.
 */
static int connected(struct runner_client *client, int fd)
{
	client->watch = loop_fd_new(client->loop, fd, on_socket, client);
	if (!client->watch) {
		close(fd);
		return ERR_NOMEM;
	}
	client->fd = fd;
	client->tries = 0;
	loop_fd_set(client->watch, LOOP_READ | (client->out.len ? LOOP_WRITE : 0));
	for (struct runner_call *call = client->calls; call; call = call->next)
		send_call(client, call);
	return 0;
}

static int try_connect(struct runner_client *client)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	/* A helper that hangs, its queue of connections full, must not hang us. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* By way of the directory's descriptor: paths of sockets are short, data_dirs need not be.
	 */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/runner.sock",
		 client->dir_fd);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		if (fd >= 0)
			close(fd);
		return ERR_NOT_FOUND;
	}
	return connected(client, fd);
}

static int pair_up(struct runner_client *client)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return ERR_IO;
	int code = spawn_helper(client, pair[1]);

	close(pair[1]);
	if (code) {
		close(pair[0]);
		return code;
	}
	return connected(client, pair[0]);
}

/* Whoever waits now is told; who asks from inside an answer waits for the next try. */
static void give_up(struct runner_client *client)
{
	const struct action_result never = { .outcome = ACTION_FAILED,
					     .message = "the runner cannot be started",
					     .retry_after_ms = -1 };
	const struct action_result lost = { .outcome = ACTION_UNKNOWN,
					    .message = "the runner cannot be reached",
					    .retry_after_ms = -1 };
	size_t n = 0;

	log_error("action", "the runner cannot be reached", NULL);
	client->tries = 0;
	for (struct runner_call *call = client->calls; call; call = call->next)
		n++;
	for (struct runner_call *call; n > 0 && (call = client->calls); n--)
		answer(call, call->sent || call->recover_only ? &lost : &never);
}

static void connect_step(void *ctx)
{
	struct runner_client *client = ctx;

	reap_helpers(client);
	if (client->fd >= 0)
		return;
	if ((client->dir ? try_connect(client) : pair_up(client)) == 0)
		return;
	bool is_hopeless = !client->dir; /* what cannot be executed now will not be in a moment */
	if (client->dir && client->tries++ % TRIES_PER_HELPER == 0)
		is_hopeless = spawn_helper(client, -1) != 0;
	if (is_hopeless || client->tries > CONNECT_TRIES_MAX) {
		give_up(client);
		return;
	}
	loop_timer_set(client->timer, CONNECT_RETRY_MS);
}

int runner_client_new(struct loop *loop, const char *program, const char *dir,
		      struct runner_client **out, char **why)
{
	struct runner_client *client = calloc(1, sizeof(*client));

	if (!client)
		return ERR_NOMEM;
	client->loop = loop;
	client->fd = client->dir_fd = -1;
	client->program = strdup(program);
	client->dir = dir ? realpath(dir, NULL) : NULL;
	client->timer = loop_timer_new(loop, connect_step, client);
	if (client->dir)
		client->dir_fd = open(client->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!client->program || !client->timer || (dir && client->dir_fd < 0)) {
		if (why && asprintf(why, "cannot open \"%s\" for the runner: %s", dir ? dir : "",
				    strerror(errno)) < 0)
			*why = NULL;
		runner_client_free(client);
		return ERR_IO;
	}
	*out = client;
	return 0;
}

void runner_client_free(struct runner_client *client)
{
	disconnect(client);
	reap_helpers(client);
	while (client->calls)
		runner_call_cancel(client->calls);
	if (client->timer)
		loop_timer_free(client->timer);
	if (client->dir_fd >= 0)
		close(client->dir_fd);
	buf_fini(&client->in);
	buf_fini(&client->out);
	free(client->program);
	free(client->dir);
	free(client);
}

/* ---- calls ---- */

/* NULL when one is no UTF-8: an argument that is missing would make it another command. */
static json_t *texts(const char *const *list)
{
	json_t *array = json_array();

	for (; list && *list; list++)
		if (json_array_append_new(array, json_string(*list))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static int job_line(const struct runner_job *job, char **out)
{
	json_t *object = json_pack(
		"{ss ss so so ss? ss? ss% sI sI sb}", "do", job->recover_only ? "recover" : "start",
		"id", job->id, "argv", texts(job->argv), "env", texts(job->env), "cwd", job->cwd,
		"user", job->user, "input", job->input.ptr ? job->input.ptr : "", job->input.len,
		"timeout_ms", (json_int_t)job->timeout_ms, "kill_after_ms",
		(json_int_t)job->kill_after_ms, "no_new_privs", job->no_new_privs);
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!line)
		return ERR_INVALID;
	if (strlen(line) >= RUNNER_LINE_MAX) {
		free(line);
		return ERR_LIMIT;
	}
	*out = line;
	return 0;
}

static void on_late(void *ctx)
{
	struct runner_call *call = ctx;
	const struct action_result result = { .outcome = ACTION_UNKNOWN,
					      .message = "the runner does not answer",
					      .retry_after_ms = -1 };

	log_error("action", "the runner does not answer", "id=%s", call->id);
	answer(call, &result);
}

/* Who asks for what was begun before knows only what the timeouts are now, not what they were. */
static int64_t patience_ms(const struct runner_job *job)
{
	return LATE_MS + (job->recover_only ? JOB_MS_MAX : job->timeout_ms + job->kill_after_ms);
}

int runner_start(struct runner_client *client, const struct runner_job *job,
		 void (*done)(void *ctx, const struct action_result *result), void *ctx,
		 struct runner_call **out)
{
	char *line = NULL;

	reap_helpers(client);
	if (!runner_id_is_valid(job->id))
		return ERR_INVALID;
	int code = job_line(job, &line);

	if (code)
		return code;
	struct runner_call *call = calloc(1, sizeof(*call));

	if (!call) {
		free(line);
		return ERR_NOMEM;
	}
	*call = (struct runner_call){ .client = client,
				      .line = line,
				      .recover_only = job->recover_only,
				      .done = done,
				      .ctx = ctx };
	snprintf(call->id, sizeof(call->id), "%s", job->id);
	call->late = loop_timer_new(client->loop, on_late, call);
	if (!call->late) {
		call_free(call);
		return ERR_NOMEM;
	}
	loop_timer_set(call->late, patience_ms(job));
	struct runner_call **end = &client->calls;

	while (*end)
		end = &(*end)->next;
	*end = call;
	if (client->fd >= 0)
		send_call(client, call);
	else
		loop_timer_set(client->timer, 0);
	*out = call;
	return 0;
}

void runner_call_cancel(struct runner_call *call)
{
	struct runner_call **at = &call->client->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call_free(call);
}
