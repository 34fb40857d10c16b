/* The daemon's side of the runner: finds or starts the helper, and keeps asking it over one socket. */
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
#include <unistd.h>

#include "actions/runner.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define CONNECT_RETRY_MS 50
#define CONNECT_TRIES_MAX 200 /* then whoever waits is told */

extern char **environ;

struct runner_call {
	struct runner_call *next;
	struct runner_client *client;
	char id[64];
	char *line; /* the request, to be sent again should the helper be another */
	bool recover_only;
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
	struct runner_call *calls;
	int tries;
};

static void connect_step(void *ctx);

/* ---- starting the helper ---- */

static int spawn_helper(struct runner_client *client, int fd)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	char fd_text[8] = "3";
	char *argv[] = { client->program, "runner", client->dir ? client->dir : "--fd", client->dir ? NULL : fd_text, NULL };
	sigset_t none;
	pid_t pid;

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
	return failed ? ERR_IO : 0;
}

/* ---- answers ---- */

static void answer(struct runner_call *call, const struct action_result *result)
{
	struct runner_call **at = &call->client->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->done(call->ctx, result);
	free(call->line);
	free(call);
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
	const json_t *output = json_object_get(object, "output"), *errors = json_object_get(object, "error_output");

	while (call && id && strcmp(call->id, id) != 0)
		call = call->next;
	if (call && id) {
		struct action_result result = { .outcome = (enum action_outcome)json_integer_value(json_object_get(object, "outcome")),
						.code = (int)json_integer_value(json_object_get(object, "code")),
						.message = json_string_value(json_object_get(object, "message")) ?: "",
						.output = { json_string_value(output), json_string_length(output) },
						.error_output = { json_string_value(errors), json_string_length(errors) },
						.output_cut = json_is_true(json_object_get(object, "cut")),
						.retry_after_ms = -1,
						.duration_ms = json_integer_value(json_object_get(object, "duration_ms")) };

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

static void on_socket(void *ctx, int what)
{
	struct runner_client *client = ctx;
	bool lost = false;

	while ((what & LOOP_WRITE) && client->out.len) {
		ssize_t n = send(client->fd, client->out.ptr, client->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			lost = true;
			break;
		}
		memmove(client->out.ptr, client->out.ptr + n, client->out.len - (size_t)n);
		client->out.len -= (size_t)n;
	}
	while ((what & LOOP_READ) && !lost) {
		char *room = buf_reserve(&client->in, 65536);
		ssize_t n = room ? recv(client->fd, room, 65536, MSG_DONTWAIT) : -1;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		lost = n <= 0 || client->in.len > 2 * RUNNER_LINE_MAX;
		client->in.len += n > 0 ? (size_t)n : 0;
	}
	for (char *newline; client->in.len && (newline = memchr(client->in.ptr, '\n', client->in.len));) {
		size_t len = (size_t)(newline - client->in.ptr) + 1;
		char *line = strndup(client->in.ptr, len - 1);

		memmove(client->in.ptr, client->in.ptr + len, client->in.len - len);
		client->in.len -= len;
		if (line)
			on_line(client, line, len - 1);
		free(line);
	}
	if (!lost) {
		loop_fd_set(client->watch, LOOP_READ | (client->out.len ? LOOP_WRITE : 0));
		return;
	}
	disconnect(client);
	client->tries = 0;
	if (client->calls)
		loop_timer_set(client->timer, CONNECT_RETRY_MS);
}

/* A new connection knows nothing of what the last one asked: everything open is asked again; a job that was begun is not begun twice. */
static int connected(struct runner_client *client, int fd)
{
	client->fd = fd;
	client->watch = loop_fd_new(client->loop, fd, on_socket, client);
	if (!client->watch)
		return ERR_NOMEM;
	client->tries = 0;
	loop_fd_set(client->watch, LOOP_READ);
	for (struct runner_call *call = client->calls; call; call = call->next)
		send_line(client, call->line);
	return 0;
}

static int try_connect(struct runner_client *client)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* By way of the directory's descriptor: paths of sockets are short, data_dirs need not be. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/runner.sock", client->dir_fd);
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

static void give_up(struct runner_client *client)
{
	const struct action_result result = { .outcome = ACTION_UNKNOWN, .message = "the runner cannot be reached", .retry_after_ms = -1 };

	log_error("action", "the runner cannot be reached", NULL);
	while (client->calls)
		answer(client->calls, &result);
	client->tries = 0;
}

static void connect_step(void *ctx)
{
	struct runner_client *client = ctx;

	if (client->fd >= 0)
		return;
	if ((client->dir ? try_connect(client) : pair_up(client)) == 0)
		return;
	if (client->tries++ % 20 == 0 && client->dir)
		spawn_helper(client, -1);
	if (client->tries > CONNECT_TRIES_MAX) {
		give_up(client);
		return;
	}
	loop_timer_set(client->timer, CONNECT_RETRY_MS);
}

int runner_client_new(struct loop *loop, const char *program, const char *dir, struct runner_client **out, char **why)
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
		if (why && asprintf(why, "cannot open \"%s\" for the runner: %s", dir ? dir : "", strerror(errno)) < 0)
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

static json_t *texts(const char *const *list)
{
	json_t *array = json_array();

	for (; list && *list; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

static char *job_line(const struct runner_job *job)
{
	json_t *object = json_pack("{ss ss so so ss? ss? ss% sI sI sb}", "do", job->recover_only ? "recover" : "start", "id", job->id, "argv",
				   texts(job->argv), "env", texts(job->env), "cwd", job->cwd, "user", job->user, "input",
				   job->input.ptr ? job->input.ptr : "", job->input.len, "timeout_ms", (json_int_t)job->timeout_ms,
				   "kill_after_ms", (json_int_t)job->kill_after_ms, "no_new_privs", job->no_new_privs);
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (line && strlen(line) >= RUNNER_LINE_MAX) {
		free(line);
		return NULL;
	}
	return line;
}

int runner_start(struct runner_client *client, const struct runner_job *job, void (*done)(void *ctx, const struct action_result *result),
		 void *ctx, struct runner_call **out)
{
	struct runner_call *call = calloc(1, sizeof(*call));
	char *line = job_line(job);

	if (!call || !line) {
		free(call);
		free(line);
		return ERR_LIMIT;
	}
	*call = (struct runner_call){ .next = client->calls, .client = client, .line = line, .recover_only = job->recover_only, .done = done, .ctx = ctx };
	snprintf(call->id, sizeof(call->id), "%s", job->id);
	client->calls = call;
	if (client->fd >= 0)
		send_line(client, line);
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
	free(call->line);
	free(call);
}
