/*
 * The runner process. See runner.h for what it promises.
 *
 * A job is on disk as DIR/runs/ID.begun from before its child is started, and as DIR/runs/ID.json from its end until a
 * client acknowledges the result. So "never started", "under way" and "over, thus" can be told apart by whoever asks, whichever of the two processes
 * died in between. A .begun without .json and without a child of ours means that a runner died: its end will never be known.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "actions/runner.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define CLIENTS_MAX 8
#define IDLE_EXIT_MS 10000 /* without client and children the runner ends: the daemon starts another when it needs one */
#define ARGS_MAX 256
#define FILES_MAX 1024
#define PATH_BYTES 4096
#define MARK_KEEP_S (30 * 24 * 3600)

struct output {
	struct loop_fd *watch;
	int fd;
	struct buf bytes;
	bool cut;
};

struct client;

struct child {
	struct child *next;
	struct runner *runner;
	char id[64];
	pid_t pid;
	struct output out, err;
	struct loop_fd *input_watch;
	int input_fd;
	struct buf input;
	size_t input_sent;
	struct loop_timer *timer; /* TERM, then KILL, then the end of waiting for output */
	int64_t kill_after_ms, begun_us;
	bool timed_out, killed, exited;
	int status;
};

struct client {
	struct client *next;
	struct runner *runner;
	int fd;
	struct loop_fd *watch;
	struct buf in, out;
};

struct runner {
	struct loop *loop;
	char dir[PATH_BYTES - 128]; /* "": nothing on disk */
	int listen_fd, lock_fd;
	struct loop_fd *listener;
	struct client *clients;
	struct child *children;
	unsigned nchildren;
	struct loop_timer *idle;
};

/* ---- files ---- */

static void file_path(const struct runner *runner, const char *id, const char *ending, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/runs/%s.%s", runner->dir, id, ending);
}

static bool id_is_valid(const char *id)
{
	return id && *id && strlen(id) < 64 && strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(id);
}

static void sync_dir(const struct runner *runner)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/runs", runner->dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* ERR_CONFLICT: it was begun before. */
static int mark_begun(const struct runner *runner, const char *id)
{
	char path[PATH_BYTES];

	if (!runner->dir[0])
		return 0;
	file_path(runner, id, "begun", path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
	fsync(fd);
	close(fd);
	sync_dir(runner);
	return 0;
}

static bool was_begun(const struct runner *runner, const char *id)
{
	char path[PATH_BYTES];

	if (!runner->dir[0])
		return false;
	file_path(runner, id, "begun", path);
	return access(path, F_OK) == 0;
}

static void write_result(const struct runner *runner, const char *id, const char *text)
{
	char path[PATH_BYTES], temporary[PATH_BYTES];

	if (!runner->dir[0])
		return;
	file_path(runner, id, "json", path);
	file_path(runner, id, "tmp", temporary);
	FILE *file = fopen(temporary, "we");

	if (!file || fputs(text, file) < 0 || fflush(file) || fsync(fileno(file)))
		log_error("runner", "cannot write a result", "id=%s error=%s", id, log_quote(slice_from(strerror(errno))));
	if (file && fclose(file) == 0 && rename(temporary, path) == 0)
		sync_dir(runner);
}

static char *read_result(const struct runner *runner, const char *id)
{
	char path[PATH_BYTES];
	json_t *object;

	if (!runner->dir[0])
		return NULL;
	file_path(runner, id, "json", path);
	object = json_load_file(path, 0, NULL);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return text;
}

/* The client has it in its journal. The mark stays as a guard until sweep_marks(). */
static void forget(const struct runner *runner, const char *id)
{
	char path[PATH_BYTES];

	if (!runner->dir[0])
		return;
	file_path(runner, id, "json", path);
	unlink(path);
}

/* Marks so old that nobody can ask for their jobs any more. */
static void sweep_marks(const struct runner *runner)
{
	char path[PATH_BYTES];
	struct stat st;

	snprintf(path, sizeof(path), "%s/runs", runner->dir);
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (!slice_has_suffix(slice_from(entry->d_name), SLICE(".begun")))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && st.st_mtime < time(NULL) - MARK_KEEP_S)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

/* ---- clients ---- */

static void arm_idle(struct runner *runner)
{
	if (!runner->clients && !runner->children)
		loop_timer_set(runner->idle, runner->dir[0] ? IDLE_EXIT_MS : 0);
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
	while (client->out.len) {
		ssize_t n = send(client->fd, client->out.ptr, client->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		memmove(client->out.ptr, client->out.ptr + n, client->out.len - (size_t)n);
		client->out.len -= (size_t)n;
	}
	loop_fd_set(client->watch, LOOP_READ | (client->out.len ? LOOP_WRITE : 0));
}

/* Results go to whoever listens: a job belongs to its id, not to a connection. */
static void tell_all(struct runner *runner, const char *line)
{
	for (struct client *client = runner->clients; client; client = client->next) {
		buf_add_str(&client->out, line);
		buf_add_char(&client->out, '\n');
		client_flush(client);
	}
}

static void tell(struct client *client, json_t *object)
{
	char *line = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	if (line) {
		buf_add_str(&client->out, line);
		buf_add_char(&client->out, '\n');
	}
	free(line);
	client_flush(client);
}

static json_t *plain_result(const char *id, enum action_outcome outcome, const char *message)
{
	return json_pack("{ss si si ss ss ss}", "id", id, "outcome", (int)outcome, "code", 0, "message", message, "output", "", "error_output", "");
}

/* ---- children ---- */

/* Invalid UTF-8 from a script must not spoil the line: what JSON cannot hold is replaced. */
static json_t *text_to_json(const struct buf *bytes)
{
	json_t *text = json_stringn(bytes->ptr ? bytes->ptr : "", bytes->len);

	if (text)
		return text;
	char *copy = malloc(bytes->len + 1);

	for (size_t i = 0; copy && i < bytes->len; i++)
		copy[i] = (unsigned char)bytes->ptr[i] < 0x80 ? bytes->ptr[i] : '?';
	text = copy ? json_stringn(copy, bytes->len) : json_string("");
	free(copy);
	return text;
}

static void output_close(struct output *output)
{
	if (output->watch)
		loop_fd_free(output->watch);
	output->watch = NULL;
	if (output->fd >= 0)
		close(output->fd);
	output->fd = -1;
}

static void input_close(struct child *child)
{
	if (child->input_watch)
		loop_fd_free(child->input_watch);
	child->input_watch = NULL;
	if (child->input_fd >= 0)
		close(child->input_fd);
	child->input_fd = -1;
}

static void child_free(struct child *child)
{
	struct child **at = &child->runner->children;

	while (*at != child)
		at = &(*at)->next;
	*at = child->next;
	child->runner->nchildren--;
	output_close(&child->out);
	output_close(&child->err);
	input_close(child);
	loop_timer_free(child->timer);
	buf_fini(&child->out.bytes);
	buf_fini(&child->err.bytes);
	buf_fini(&child->input);
	arm_idle(child->runner);
	free(child);
}

/* The child is gone and its output read: the result is written down, then told. */
static void child_finish(struct child *child)
{
	bool exited = WIFEXITED(child->status);
	int code = exited ? WEXITSTATUS(child->status) : -WTERMSIG(child->status);
	enum action_outcome outcome = child->timed_out ? ACTION_TIMED_OUT : code == 0 ? ACTION_OK : ACTION_FAILED;
	char message[80];

	if (child->timed_out)
		snprintf(message, sizeof(message), "cut off by its timeout%s", child->killed ? ", by force" : "");
	else
		snprintf(message, sizeof(message), exited ? "exit code %d" : "ended by signal %d", exited ? code : -code);
	/* Nothing of the group may go on. */
	kill(-child->pid, SIGKILL);
	json_t *object = json_pack("{ss si si ss so so sb sI}", "id", child->id, "outcome", (int)outcome, "code", code, "message", message, "output",
				   text_to_json(&child->out.bytes), "error_output", text_to_json(&child->err.bytes), "cut",
				   child->out.cut || child->err.cut, "duration_ms", (json_int_t)((clock_monotonic_us() - child->begun_us) / 1000));
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (line) {
		write_result(child->runner, child->id, line);
		tell_all(child->runner, line);
	}
	free(line);
	child_free(child);
}

static void child_step(struct child *child)
{
	if (child->exited && child->out.fd < 0 && child->err.fd < 0)
		child_finish(child);
}

/* TERM to the whole group, after kill_after KILL; and who left the pipes open to a stranger is not waited for. */
static void on_timeout(void *ctx)
{
	struct child *child = ctx;

	if (child->exited) {
		output_close(&child->out);
		output_close(&child->err);
		child_step(child);
		return;
	}
	if (!child->timed_out) {
		child->timed_out = true;
		kill(-child->pid, SIGTERM);
		loop_timer_set(child->timer, child->kill_after_ms);
		return;
	}
	child->killed = true;
	kill(-child->pid, SIGKILL);
}

static void drain(struct output *output)
{
	char chunk[16384];
	ssize_t n;

	while ((n = read(output->fd, chunk, sizeof(chunk))) > 0) {
		size_t room = ACTION_OUTPUT_MAX - output->bytes.len, take = (size_t)n < room ? (size_t)n : room;

		buf_add(&output->bytes, chunk, take);
		output->cut = output->cut || take < (size_t)n;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		output_close(output);
}

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
		ssize_t n = write(child->input_fd, child->input.ptr + child->input_sent, child->input.len - child->input_sent);

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

static void on_sigchld(void *ctx, int signo)
{
	struct runner *runner = ctx;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct child *child = runner->children; child; child = child->next) {
			if (child->pid != pid)
				continue;
			child->exited = true;
			child->status = status;
			/* A grandchild may hold the pipes: it gets a moment, no more. */
			loop_timer_set(child->timer, 200);
			child_step(child);
			break;
		}
}

/* ---- starting one ---- */

struct start {
	const char *argv[ARGS_MAX + 1];
	const char *env[ARGS_MAX + 8];
	char id_env[96];
	const char *cwd, *user;
	bool no_new_privs;
	uid_t uid;
	gid_t gid;
	bool switch_user;
};

static size_t strings_of(const json_t *array, const char **out, size_t max)
{
	const json_t *item;
	size_t i, n = 0;

	json_array_foreach(array, i, item) {
		if (n < max && json_is_string(item))
			out[n++] = json_string_value(item);
	}
	return n;
}

static int start_parse(const json_t *job, const char *id, struct start *start, char why[256])
{
	size_t n = strings_of(json_object_get(job, "argv"), start->argv, ARGS_MAX);

	if (n == 0 || json_array_size(json_object_get(job, "argv")) > ARGS_MAX) {
		snprintf(why, 256, "no command, or too many arguments");
		return ERR_INVALID;
	}
	int code = script_check(start->argv[0], why);

	if (code)
		return code;
	snprintf(start->id_env, sizeof(start->id_env), "TOCSIN_ID=%s", id);
	start->env[0] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	start->env[1] = "LANG=C";
	start->env[2] = "HOME=/";
	start->env[3] = start->id_env;
	strings_of(json_object_get(job, "env"), start->env + 4, ARGS_MAX);
	start->cwd = json_string_value(json_object_get(job, "cwd")) ?: "/";
	start->user = json_string_value(json_object_get(job, "user"));
	start->no_new_privs = !json_is_false(json_object_get(job, "no_new_privs"));
	if (!start->user)
		return 0;
	const struct passwd *user = getpwnam(start->user);

	if (!user) {
		snprintf(why, 256, "there is no user \"%.64s\"", start->user);
		return ERR_INVALID;
	}
	start->switch_user = user->pw_uid != geteuid();
	start->uid = user->pw_uid;
	start->gid = user->pw_gid;
	return 0;
}

/* Between fork and exec: the runner has one thread, still only plain system calls here. */
static void become(const struct start *start, int in, int out, int err)
{
	const struct rlimit no_core = { 0, 0 }, files = { FILES_MAX, FILES_MAX };
	sigset_t none;

	setsid();
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(077);
	setrlimit(RLIMIT_CORE, &no_core);
	setrlimit(RLIMIT_NOFILE, &files);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	syscall(SYS_close_range, 3u, ~0u, 0u);
	if (start->switch_user && (setgroups(0, NULL) || setresgid(start->gid, start->gid, start->gid) ||
				   setresuid(start->uid, start->uid, start->uid) || setuid(0) == 0))
		_exit(126);
	if (start->no_new_privs)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (chdir(start->cwd))
		_exit(126);
	execve(start->argv[0], (char *const *)start->argv, (char *const *)start->env);
	_exit(127);
}

static void keep(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int spawn(struct child *child, const struct start *start, char why[256])
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || (child->pid = fork()) < 0) {
		snprintf(why, 256, "cannot start a process: %s", strerror(errno));
		for (int i = 0; i < 2; i++) {
			if (in[i] >= 0)
				close(in[i]);
			if (out[i] >= 0)
				close(out[i]);
			if (err[i] >= 0)
				close(err[i]);
		}
		return ERR_LIMIT;
	}
	if (child->pid == 0)
		become(start, in[0], out[1], err[1]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	child->input_fd = in[1];
	child->out.fd = out[0];
	child->err.fd = err[0];
	keep(in[1]);
	keep(out[0]);
	keep(err[0]);
	return 0;
}

static int watch(struct child *child, const json_t *job)
{
	struct loop *loop = child->runner->loop;

	child->timer = loop_timer_new(loop, on_timeout, child);
	child->out.watch = loop_fd_new(loop, child->out.fd, on_out, child);
	child->err.watch = loop_fd_new(loop, child->err.fd, on_err, child);
	child->input_watch = loop_fd_new(loop, child->input_fd, on_input, child);
	if (!child->timer || !child->out.watch || !child->err.watch || !child->input_watch)
		return ERR_NOMEM;
	loop_fd_set(child->out.watch, LOOP_READ);
	loop_fd_set(child->err.watch, LOOP_READ);
	loop_fd_set(child->input_watch, LOOP_WRITE);
	loop_timer_set(child->timer, json_integer_value(json_object_get(job, "timeout_ms")));
	child->kill_after_ms = json_integer_value(json_object_get(job, "kill_after_ms"));
	return 0;
}

static int start_child(struct runner *runner, const char *id, const json_t *job, char why[256])
{
	const json_t *input = json_object_get(job, "input");
	struct start start = { 0 };
	int code = start_parse(job, id, &start, why);

	if (code)
		return code;
	if (runner->nchildren >= RUNNER_CHILDREN_MAX) {
		snprintf(why, 256, "too many scripts are running");
		return ERR_LIMIT;
	}
	code = mark_begun(runner, id);
	if (code) {
		snprintf(why, 256, code == ERR_CONFLICT ? "it was started before" : "cannot mark it as begun: %s", strerror(errno));
		return code;
	}
	struct child *child = calloc(1, sizeof(*child));

	if (!child)
		abort();
	child->runner = runner;
	snprintf(child->id, sizeof(child->id), "%s", id);
	child->out.fd = child->err.fd = child->input_fd = -1;
	child->begun_us = clock_monotonic_us();
	buf_add(&child->input, json_string_value(input), json_string_length(input));
	child->next = runner->children;
	runner->children = child;
	runner->nchildren++;
	code = spawn(child, &start, why);
	if (code == 0)
		code = watch(child, job);
	if (code) {
		if (child->pid > 0)
			kill(-child->pid, SIGKILL);
		if (!child->timer)
			child->timer = loop_timer_new(runner->loop, on_timeout, child);
		child_free(child);
	}
	return code;
}

/* ---- requests ---- */

static struct child *child_find(const struct runner *runner, const char *id)
{
	for (struct child *child = runner->children; child; child = child->next)
		if (strcmp(child->id, id) == 0)
			return child;
	return NULL;
}

/* {"do": "start" | "recover" | "forget" | "cancel", "id": …} */
static void on_line(struct client *client, const char *line, size_t len)
{
	struct runner *runner = client->runner;
	json_t *job = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
	const char *what = json_string_value(json_object_get(job, "do")), *id = json_string_value(json_object_get(job, "id"));
	char why[256] = "";

	if (!what || !id_is_valid(id)) {
		json_decref(job);
		return;
	}
	struct child *child = child_find(runner, id);
	char *known = child ? NULL : read_result(runner, id);

	if (strcmp(what, "forget") == 0) {
		forget(runner, id);
	} else if (strcmp(what, "cancel") == 0) {
		if (child && !child->exited)
			on_timeout(child);
	} else if (known) {
		buf_printf(&client->out, "%s\n", known);
		client_flush(client);
	} else if (child) {
		/* Its result goes to all when it ends. */
	} else if (strcmp(what, "recover") == 0) {
		tell(client, plain_result(id, ACTION_UNKNOWN, was_begun(runner, id) ? "its end was not seen" : ACTION_NEVER_STARTED));
	} else {
		int code = start_child(runner, id, job, why);

		if (code == ERR_CONFLICT)
			tell(client, plain_result(id, ACTION_UNKNOWN, why));
		else if (code)
			tell(client, plain_result(id, ACTION_FAILED, why));
	}
	free(known);
	json_decref(job);
}

static void on_client(void *ctx, int what)
{
	struct client *client = ctx;

	if (what & LOOP_WRITE)
		client_flush(client);
	if (!(what & LOOP_READ))
		return;
	for (;;) {
		char *room = buf_reserve(&client->in, 65536);
		ssize_t n = room ? recv(client->fd, room, 65536, MSG_DONTWAIT) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0 || client->in.len + (size_t)n > 2 * RUNNER_LINE_MAX) {
			client_close(client);
			return;
		}
		client->in.len += (size_t)n;
	}
	char *newline;

	while (client->in.len && (newline = memchr(client->in.ptr, '\n', client->in.len))) {
		size_t len = (size_t)(newline - client->in.ptr) + 1;

		on_line(client, client->in.ptr, len - 1);
		memmove(client->in.ptr, client->in.ptr + len, client->in.len - len);
		client->in.len -= len;
	}
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

static void on_idle(void *ctx)
{
	struct runner *runner = ctx;

	loop_stop(runner->loop);
}

/* ---- life ---- */

static int listen_on(struct runner *runner, const char *dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[PATH_BYTES];

	snprintf(runner->dir, sizeof(runner->dir), "%s", dir);
	snprintf(path, sizeof(path), "%s/runs", dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return ERR_IO;
	/* One runner a directory: the lock goes with the process, the socket's file does not. */
	snprintf(path, sizeof(path), "%s/runner.lock", dir);
	runner->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (runner->lock_fd < 0 || lockf(runner->lock_fd, F_TLOCK, 0))
		return ERR_CONFLICT;
	/* Paths of sockets are short: it is bound by its name in the directory. */
	if (chdir(dir))
		return ERR_IO;
	strcpy(address.sun_path, "runner.sock");
	unlink(address.sun_path);
	runner->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(077);
	int bound = bind(runner->listen_fd, (struct sockaddr *)&address, sizeof(address));

	umask(mask);
	if (bound || listen(runner->listen_fd, CLIENTS_MAX))
		return ERR_IO;
	runner->listener = loop_fd_new(runner->loop, runner->listen_fd, on_connection, runner);
	if (!runner->listener)
		return ERR_NOMEM;
	loop_fd_set(runner->listener, LOOP_READ);
	sweep_marks(runner);
	return 0;
}

int runner_main(const char *dir, int fd)
{
	struct runner runner = { .loop = loop_new(), .listen_fd = -1, .lock_fd = -1 };
	int code = 0;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* ^C on the daemon's terminal is not for the scripts under way */
	signal(SIGHUP, SIG_IGN);
	if (!runner.loop || !(runner.idle = loop_timer_new(runner.loop, on_idle, &runner)) ||
	    loop_signal_add(runner.loop, SIGCHLD, on_sigchld, &runner))
		return EXIT_FAILURE;
	if (*dir) {
		char *absolute = realpath(dir, NULL);

		code = absolute ? listen_on(&runner, absolute) : ERR_IO;
		free(absolute);
	} else {
		keep(fd);
		client_add(&runner, fd);
	}
	if (code) {
		/* Another runner came first: fine. */
		if (code != ERR_CONFLICT)
			log_error("runner", "cannot start", "dir=%s error=%s", log_quote(slice_from(dir)), log_quote(slice_from(strerror(errno))));
		return code == ERR_CONFLICT ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	arm_idle(&runner);
	loop_run(runner.loop);
	for (struct child *child = runner.children; child; child = child->next)
		kill(-child->pid, SIGKILL);
	return EXIT_SUCCESS;
}
