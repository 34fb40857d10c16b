#include "tests/actions/runner_harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/check_main.h"

#define WAIT_MS 20000

char dir[64], program[4096];
struct loop *loop;
struct runner_client *client;

void on_done(void *ctx, const struct action_result *result)
{
	struct got *got = ctx;

	got->n++;
	got->outcome = result->outcome;
	got->code = result->code;
	snprintf(got->message, sizeof(got->message), "%s", result->message);
	got->output = slice_dup(result->output);
	got->errors = slice_dup(result->error_output);
	got->output_len = result->output.len;
	got->errors_len = result->error_output.len;
	got->cut = result->output_cut;
	loop_stop(loop);
}

void got_fini(struct got *got)
{
	free(got->output);
	free(got->errors);
}

static void on_tick(void *ctx)
{
	loop_stop(ctx);
}

void turn(int64_t ms)
{
	struct loop_timer *timer = loop_timer_new(loop, on_tick, loop);

	loop_timer_set(timer, ms);
	loop_run(loop);
	loop_timer_free(timer);
}

void wait_for(struct got *got)
{
	int64_t end_us = clock_monotonic_us() + WAIT_MS * 1000;

	while (got->n == 0 && clock_monotonic_us() < end_us)
		turn(100);
	ck_assert_msg(got->n == 1, "the job was answered %u times", got->n);
}

void client_open(void)
{
	char *why = NULL;

	ck_assert_msg(runner_client_new(loop, program, dir, &client, &why) == 0, "%s", why);
}

void runner_setup(void)
{
	strcpy(dir, "/tmp/tocsin-runner-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(program, sizeof(program), "%s/tests/actions/runner", getenv("TOCSIN_BUILDDIR"));
	loop = loop_new();
	client_open();
}

void runner_teardown(void)
{
	char command[128];

	if (client)
		runner_client_free(client);
	loop_free(loop);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

char *path_of(const char *name)
{
	static char path[2][128];
	static int next;

	next = !next;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

const char *script(const char *text)
{
	static char paths[8][128];
	static unsigned n;
	char *path = paths[n % 8];

	snprintf(path, sizeof(paths[0]), "%s/script-%u", dir, n++);
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
	chmod(path, 0700);
	return path;
}

char *read_text(const char *name)
{
	static char text[4096];
	FILE *file = fopen(path_of(name), "r");

	text[file ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
	if (file)
		fclose(file);
	return text;
}

void wait_file(const char *name)
{
	for (int64_t end_us = clock_monotonic_us() + WAIT_MS * 1000; clock_monotonic_us() < end_us;)
		if (*read_text(name))
			return;
		else
			turn(10);
	ck_abort_msg("%s did not come", name);
}

bool is_alive(pid_t pid)
{
	char path[64], text[512] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "r");

	if (!file)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, file);

	text[n] = '\0';
	fclose(file);
	const char *state = strrchr(text, ')');

	return state && state[2] != 'Z' && state[2] != 'X';
}

void wait_end(pid_t pid, int64_t ms)
{
	for (int64_t end_us = clock_monotonic_us() + ms * 1000;
	     is_alive(pid) && clock_monotonic_us() < end_us;)
		turn(20);
	ck_assert_msg(!is_alive(pid), "process %d goes on", pid);
}

pid_t runner_pid(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path_of("runner.lock"), O_RDWR);
	int failed = fcntl(fd, F_GETLK, &lock);

	close(fd);
	return failed || lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

struct runner_job job_of(const char *id, const char *const *argv)
{
	return (struct runner_job){ .id = id,
				    .argv = argv,
				    .timeout_ms = 15000,
				    .kill_after_ms = 15000,
				    .no_new_privs = true };
}

struct runner_call *ask(const struct runner_job *job, struct got *got)
{
	struct runner_call *call;

	*got = (struct got){ 0 };
	ck_assert_int_eq(runner_start(client, job, on_done, got, &call), 0);
	ck_assert_uint_eq(got->n, 0); /* never from inside */
	return call;
}

struct got run(const char *text, int64_t timeout_ms, int64_t kill_after_ms)
{
	static unsigned n;
	char id[32];
	const char *argv[] = { script(text), NULL };

	snprintf(id, sizeof(id), "job-%u", n++);
	struct runner_job job = job_of(id, argv);
	struct got got;

	if (timeout_ms) {
		job.timeout_ms = timeout_ms;
		job.kill_after_ms = kill_after_ms;
	}
	ask(&job, &got);
	wait_for(&got);
	return got;
}

struct got recover(const char *id)
{
	struct runner_job job = { .id = id, .recover_only = true };
	struct got got;

	ask(&job, &got);
	wait_for(&got);
	return got;
}
