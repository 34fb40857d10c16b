/* The life of the runner itself: its clients, its end, and jobs that are started at most once. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/actions/runner_harness.h"
#include "base/text.h"
#include "tests/check_main.h"

/* ---- at most once, whoever dies ---- */

START_TEST(runner_starts_an_id_once)
{
	char text[512];

	snprintf(text, sizeof(text), "#!/bin/sh\necho $TOCSIN_ID >> %s/started\necho out\n", dir);
	const char *argv[] = { script(text), NULL };
	struct runner_job job = job_of("once", argv);
	struct got got;

	ask(&job, &got);
	wait_for(&got);
	got_fini(&got);
	/* Asked again, it tells what it knows. */
	ask(&job, &got);
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_OK);
	ck_assert_str_eq(got.output, "out\n");
	got_fini(&got);
	/* And once that is forgotten, that it cannot know. */
	runner_forget(client, "once");
	ask(&job, &got);
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_UNKNOWN);
	ck_assert_str_eq(got.message, "it was started before");
	got_fini(&got);
	got = recover("once");
	ck_assert_int_eq(got.outcome, ACTION_UNKNOWN);
	ck_assert_str_eq(got.message, "its end was not seen");
	got_fini(&got);
	got = recover("other");
	ck_assert_int_eq(got.outcome, ACTION_UNKNOWN);
	ck_assert_int_eq(got.code, 0);
	ck_assert_str_eq(got.message, ACTION_NEVER_STARTED);
	got_fini(&got);
	ck_assert_str_eq(read_text("started"), "once\n");
}
END_TEST

START_TEST(runner_outlives_its_client)
{
	char text[512];

	/* What ends while nobody listens, bytes and all, and what still runs when somebody does
	 * again. */
	snprintf(text, sizeof(text),
		 "#!/bin/sh\necho x >> %s/started\nprintf 'a\\000\\377b'; exit 4\n", dir);
	const char *quick[] = { script(text), NULL };
	snprintf(text, sizeof(text),
		 "#!/bin/sh\necho y >> %s/begun\nwhile ! [ -e %s/go ]; do sleep 0.05; done; echo "
		 "slow\n",
		 dir, dir);
	const char *slow[] = { script(text), NULL };
	struct runner_job first = job_of("quick", quick), second = job_of("slow", slow);
	struct got got[2];

	ask(&first, &got[0]);
	ask(&second, &got[1]);
	wait_file("begun");
	pid_t pid = runner_pid();

	ck_assert_int_ne(pid, 0);
	runner_client_free(client);
	wait_file("started");
	for (int i = 0; i < 100 && access(path_of("runs/quick.json"), F_OK); i++)
		turn(50);
	client_open();
	struct got quick_again = recover("quick");

	ck_assert_int_eq(quick_again.outcome, ACTION_FAILED);
	ck_assert_int_eq(quick_again.code, 4);
	ck_assert_str_eq(quick_again.output, "a??b");
	got_fini(&quick_again);
	struct runner_job again = { .id = "slow", .recover_only = true };
	struct got slow_again;

	ask(&again, &slow_again);
	turn(200);
	ck_assert_uint_eq(slow_again.n, 0);
	fclose(fopen(path_of("go"), "w"));
	wait_for(&slow_again);
	ck_assert_int_eq(slow_again.outcome, ACTION_OK);
	ck_assert_str_eq(slow_again.output, "slow\n");
	got_fini(&slow_again);
	ck_assert_int_eq(runner_pid(), pid);
	ck_assert_str_eq(read_text("started"), "x\n");
	ck_assert_uint_eq(got[0].n + got[1].n,
			  got[0].n); /* the freed client told nothing of the slow one */
	if (got[0].n)
		got_fini(&got[0]);
}
END_TEST

START_TEST(runner_killed_leaves_its_child_and_no_second_start)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\necho $$ >> %s/started\nwhile ! [ -e %s/go ]; do sleep 0.05; done; "
		 "echo x > %s/ended\n",
		 dir, dir, dir);
	const char *argv[] = { script(text), NULL };
	struct runner_job job = job_of("orphan", argv);
	struct got got;

	ask(&job, &got);
	wait_file("started");
	pid_t first = runner_pid(), child = atoi(read_text("started"));

	ck_assert_int_eq(kill(first, SIGKILL), 0);
	/* The client finds another helper, asks it for the same, and learns that this cannot be
	 * known. */
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_UNKNOWN);
	ck_assert_str_eq(got.message, "it was started before");
	ck_assert_int_ne(runner_pid(), first);
	got_fini(&got);
	ck_assert(is_alive(child));
	fclose(fopen(path_of("go"), "w"));
	wait_end(child, 5000);
	ck_assert_str_eq(read_text("ended"), "x\n");
	got = recover("orphan");
	ck_assert_str_eq(got.message, "its end was not seen");
	got_fini(&got);
	ck_assert_int_eq(atoi(read_text("started")), child);
	/* The first helper was our child: no zombie. */
	ck_assert_int_eq(waitpid(first, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(runner_is_one_for_two_clients)
{
	char text[512];
	struct runner_client *other = NULL;
	char *why = NULL;

	snprintf(text, sizeof(text), "#!/bin/sh\necho x >> %s/started\nsleep 0.3\n", dir);
	const char *argv[] = { script(text), NULL };
	struct runner_job job = job_of("shared", argv);
	struct got got[2] = { 0 };
	struct runner_call *call;

	/* Both start a helper; one of the two gives way. */
	ck_assert_int_eq(runner_client_new(loop, program, dir, &other, &why), 0);
	ask(&job, &got[0]);
	ck_assert_int_eq(runner_start(other, &job, on_done, &got[1], &call), 0);
	wait_for(&got[0]);
	wait_for(&got[1]);
	ck_assert_int_eq(got[0].outcome, ACTION_OK);
	ck_assert_int_eq(got[1].outcome, ACTION_OK);
	ck_assert_str_eq(read_text("started"), "x\n");
	got_fini(&got[0]);
	got_fini(&got[1]);
	runner_client_free(other);
}
END_TEST

START_TEST(runner_results_beyond_a_line_s_length_arrive)
{
	static struct got got[40];
	const char *argv[] = { script("#!/bin/sh\nhead -c 65536 /dev/zero | tr '\\0' '\\1'\n"),
			       NULL };

	/* 390 KB each on the wire, all at once after the client comes back. */
	for (int i = 0; i < 40; i++) {
		char id[24];

		snprintf(id, sizeof(id), "big-%d", i);
		struct runner_job job = job_of(id, argv);

		ask(&job, &got[i]);
		wait_for(&got[i]);
		got_fini(&got[i]);
	}
	for (int i = 0; i < 40; i++) {
		char id[24];

		snprintf(id, sizeof(id), "big-%d", i);
		struct runner_job job = { .id = id, .recover_only = true };

		ask(&job, &got[i]);
	}
	for (int i = 0; i < 40; i++) {
		wait_for(&got[i]);
		ck_assert_uint_eq(got[i].output_len, ACTION_OUTPUT_MAX);
		got_fini(&got[i]);
	}
}
END_TEST

/* ---- the process ---- */

START_TEST(runner_ends_when_nobody_needs_it)
{
	struct got got = run("#!/bin/sh\n", 0, 0);
	pid_t pid = runner_pid();

	got_fini(&got);
	runner_client_free(client);
	client = NULL;
	turn(2000);
	ck_assert(is_alive(pid)); /* a daemon that restarts finds it */
	wait_end(pid, 12000);
	/* And the next is started as if there had been none. */
	client_open();
	got = run("#!/bin/sh\necho again\n", 0, 0);
	ck_assert_str_eq(got.output, "again\n");
	got_fini(&got);
}
END_TEST

START_TEST(runner_asked_to_end_does_with_its_last_child)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\necho x > %s/started\nwhile ! [ -e %s/go ]; do sleep 0.05; done\n", dir,
		 dir);
	const char *argv[] = { script(text), NULL };
	struct runner_job job = job_of("last", argv);
	struct got got;

	ask(&job, &got);
	wait_file("started");
	pid_t pid = runner_pid();

	kill(pid, SIGTERM);
	turn(300);
	ck_assert(is_alive(pid));
	fclose(fopen(path_of("go"), "w"));
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_OK);
	got_fini(&got);
	wait_end(pid, 5000);
}
END_TEST

START_TEST(runner_cannot_be_started)
{
	struct got got;
	const char *argv[] = { script("#!/bin/sh\n"), NULL };
	struct runner_job job = job_of("never", argv);

	runner_client_free(client);
	strcpy(program, "/nowhere/tocsin");
	client_open();
	ask(&job, &got);
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_FAILED);
	ck_assert_str_eq(got.message, "the runner cannot be started");
	got_fini(&got);
	/* What may have been begun by another is not said to have failed. */
	got = recover("earlier");
	ck_assert_int_eq(got.outcome, ACTION_UNKNOWN);
	ck_assert_str_eq(got.message, "the runner cannot be reached");
	got_fini(&got);
	runner_client_free(client);
	client = NULL;
	char *why = NULL;

	strcat(dir, "/none");
	ck_assert_int_ne(runner_client_new(loop, program, dir, &client, &why), 0);
	ck_assert_ptr_nonnull(strstr(why, "No such file or directory"));
	free(why);
	client = NULL;
	*strrchr(dir, '/') = '\0';
}
END_TEST

START_TEST(runner_that_hangs_is_not_waited_for)
{
	struct got got = run("#!/bin/sh\n", 0, 0);
	pid_t pid = runner_pid();
	const char *argv[] = { script("#!/bin/sh\n"), NULL };
	struct runner_job job = job_of("hangs", argv);

	got_fini(&got);
	kill(pid, SIGSTOP);
	job.timeout_ms = job.kill_after_ms = 100;
	ask(&job, &got);
	turn(19000);
	ck_assert_uint_eq(got.n, 0);
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_UNKNOWN);
	ck_assert_str_eq(got.message, "the runner does not answer");
	got_fini(&got);
	/* Not continued: it would take up the job while its folder is removed. */
	kill(pid, SIGKILL);
}
END_TEST

START_TEST(runner_sweeps_what_is_old)
{
	const struct timespec old[2] = { { .tv_sec = time(NULL) - 31 * 24 * 3600 },
					 { .tv_sec = time(NULL) - 31 * 24 * 3600 } };

	mkdir(path_of("runs"), 0700);
	fclose(fopen(path_of("runs/old.begun"), "w"));
	fclose(fopen(path_of("runs/old.json"), "w"));
	fclose(fopen(path_of("runs/young.begun"), "w"));
	utimensat(AT_FDCWD, path_of("runs/old.begun"), old, 0);
	utimensat(AT_FDCWD, path_of("runs/old.json"), old, 0);
	struct got got = recover("young");

	ck_assert_str_eq(got.message, "its end was not seen");
	got_fini(&got);
	got = recover("old");
	ck_assert_str_eq(got.message, ACTION_NEVER_STARTED);
	got_fini(&got);
	ck_assert_int_ne(access(path_of("runs/old.json"), F_OK), 0);
}
END_TEST

static int connect_raw(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of("runner.sock"));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

START_TEST(runner_survives_nonsense)
{
	static const char *const lines[] = {
		"\n",
		"nonsense\n",
		"{}\n",
		"[1]\n",
		"{\"do\": \"start\"}\n",
		"{\"do\": 1, \"id\": \"x\"}\n",
		"{\"do\": \"start\", \"id\": \"../x\"}\n",
		"{\"do\": \"stop\", \"id\": \"x\"}\n",
		"{\"do\": \"start\", \"id\": \"x\"}\n",
		"{\"do\": \"start\", \"id\": \"x\", \"argv\": [1]}\n",
		"{\"do\": \"start\", \"id\": \"x\", \"argv\": [\"sh\"]}\n",
		"{\"do\": \"start\", \"id\": \"x\", \"argv\": {}, \"env\": 1}\n",
	};
	struct got got = run("#!/bin/sh\n", 0, 0);
	pid_t pid = runner_pid();
	int fd = connect_raw(), silent = connect_raw();

	got_fini(&got);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_int_eq(write(fd, lines[i], strlen(lines[i])), (ssize_t)strlen(lines[i]));
	turn(100);
	/* A line without end is cut off. */
	char *line = malloc(RUNNER_LINE_MAX + 100000);
	ssize_t n = 0, sent = 0;

	memset(line, 'x', RUNNER_LINE_MAX + 100000);
	while (sent < RUNNER_LINE_MAX + 100000 &&
	       (n = send(fd, line + sent, (size_t)(RUNNER_LINE_MAX + 100000 - sent),
			 MSG_NOSIGNAL)) > 0)
		sent += n;
	while ((n = recv(fd, line, 1000, 0)) > 0)
		; /* what it answered before */
	free(line);
	close(fd);
	got = recover("x");
	ck_assert_str_eq(got.message, ACTION_NEVER_STARTED);
	got_fini(&got);
	ck_assert_int_eq(runner_pid(), pid);
	close(silent);
}
END_TEST

/* Of eight that are connected none is sent away for the ninth. */
START_TEST(runner_takes_so_many_clients)
{
	struct got got = run("#!/bin/sh\n", 0, 0); /* the first one is ours */
	int fds[8];
	char byte;

	got_fini(&got);
	for (int i = 0; i < 8; i++)
		fds[i] = connect_raw();
	ck_assert_int_eq(recv(fds[7], &byte, 1, 0), 0);
	for (int i = 0; i < 7; i++)
		ck_assert_int_eq(recv(fds[i], &byte, 1, MSG_DONTWAIT), -1);
	got = run("#!/bin/sh\necho on\n", 0, 0);
	ck_assert_str_eq(got.output, "on\n");
	got_fini(&got);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
}
END_TEST

/* ---- without a data_dir ---- */

static void pair_open(void)
{
	char *why = NULL;

	runner_client_free(client);
	ck_assert_int_eq(runner_client_new(loop, program, NULL, &client, &why), 0);
}

START_TEST(pair_runs_and_ends_with_its_client)
{
	pair_open();
	struct got got = run("#!/bin/sh\necho hello; ls /proc/self/fd | wc -l\n", 0, 0);

	ck_assert_str_eq(got.output, "hello\n4\n");
	got_fini(&got);
	got = recover("job-0");
	ck_assert_str_eq(got.message, ACTION_NEVER_STARTED); /* it keeps nothing */
	got_fini(&got);
	runner_client_free(client);
	client = NULL;
	int status;

	for (int i = 0; i < 100 && waitpid(-1, &status, WNOHANG) == 0; i++)
		turn(50);
	ck_assert_int_eq(waitpid(-1, &status, WNOHANG), -1);
}
END_TEST

START_TEST(pair_killed_does_not_start_again)
{
	char text[512];

	pair_open();
	snprintf(text, sizeof(text), "#!/bin/sh\necho $PPID >> %s/started\nsleep 0.5\n", dir);
	const char *argv[] = { script(text), NULL };
	struct runner_job job = job_of("orphan", argv);
	struct got got;

	ask(&job, &got);
	wait_file("started");
	kill(atoi(read_text("started")), SIGKILL);
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_UNKNOWN);
	ck_assert_str_eq(got.message, "the runner ended");
	got_fini(&got);
	/* The next job has a new helper. */
	got = run("#!/bin/sh\necho hello\n", 0, 0);
	ck_assert_str_eq(got.output, "hello\n");
	got_fini(&got);
	turn(300);
	ck_assert_ptr_eq(strchr(read_text("started"), '\n')[1] ? "twice" : NULL, NULL);
}
END_TEST

/* Runners that hang, each of which has hung up: so many are started, and no more. */
START_TEST(runners_that_hang_are_so_many_at_most)
{
	enum { HELPERS = 16 };
	char text[256], *pids;
	const char *argv[] = { "/bin/true", NULL };
	struct runner_job job = job_of("asked", argv);
	struct got got;

	snprintf(text, sizeof(text), "#!/bin/sh\necho $$ >> %s/started\nexec 3<&- sleep 60\n", dir);
	strcpy(program, script(text));
	pair_open();
	for (int i = 0; i <= HELPERS; i++) {
		ask(&job, &got);
		wait_for(&got);
		ck_assert_str_eq(got.message,
				 i < HELPERS ? "the runner ended" : "the runner cannot be started");
		ck_assert_int_eq(got.outcome, i < HELPERS ? ACTION_UNKNOWN : ACTION_FAILED);
		got_fini(&got);
	}
	/* Once one has ended there is room for another. */
	kill(atoi(read_text("started")), SIGKILL);
	wait_end(atoi(read_text("started")), 5000);
	ask(&job, &got);
	wait_for(&got);
	ck_assert_str_eq(got.message, "the runner ended");
	got_fini(&got);
	pids = strdup(read_text("started"));
	int n = 0;

	for (char *pid = strtok(pids, "\n"); pid; pid = strtok(NULL, "\n"), n++)
		if (n > 0)
			kill(atoi(pid), SIGKILL);
	ck_assert_int_eq(n, HELPERS + 1);
	free(pids);
}
END_TEST

/* One that ends at once: it is started ten times in ten seconds, then whoever waits is told. */
START_TEST(runner_that_never_listens_is_given_up)
{
	enum { HELPERS = 10 }; /* CONNECT_TRIES_MAX / TRIES_PER_HELPER */
	const char *argv[] = { "/bin/true", NULL };
	struct runner_job job = job_of("asked", argv);
	struct got got;
	char text[256];
	int n = 0;

	snprintf(text, sizeof(text), "#!/bin/sh\necho x >> %s/started\n", dir);
	runner_client_free(client);
	strcpy(program, script(text));
	client_open();
	int64_t begun_us = clock_monotonic_us();

	ask(&job, &got);
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_FAILED);
	ck_assert_str_eq(got.message, "the runner cannot be started");
	ck_assert_int_ge(clock_monotonic_us() - begun_us, 9 * 1000000);
	got_fini(&got);
	for (const char *at = read_text("started"); (at = strchr(at, 'x')) != NULL; at++)
		n++;
	ck_assert_int_ge(n, HELPERS);
	ck_assert_int_le(n, HELPERS + 1);
}
END_TEST

static Suite *runner_life_suite(void)
{
	Suite *suite = suite_create("runner_life");
	TCase *tcase = tcase_create("runner_life");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, runner_setup, runner_teardown);
	tcase_add_test(tcase, runner_starts_an_id_once);
	tcase_add_test(tcase, runner_outlives_its_client);
	tcase_add_test(tcase, runner_killed_leaves_its_child_and_no_second_start);
	tcase_add_test(tcase, runner_is_one_for_two_clients);
	tcase_add_test(tcase, runner_results_beyond_a_line_s_length_arrive);
	tcase_add_test(tcase, runner_ends_when_nobody_needs_it);
	tcase_add_test(tcase, runner_asked_to_end_does_with_its_last_child);
	tcase_add_test(tcase, runner_cannot_be_started);
	tcase_add_test(tcase, runner_that_hangs_is_not_waited_for);
	tcase_add_test(tcase, runner_sweeps_what_is_old);
	tcase_add_test(tcase, runner_survives_nonsense);
	tcase_add_test(tcase, runner_takes_so_many_clients);
	tcase_add_test(tcase, pair_runs_and_ends_with_its_client);
	tcase_add_test(tcase, pair_killed_does_not_start_again);
	tcase_add_test(tcase, runners_that_hang_are_so_many_at_most);
	if (long_limits_are_wanted())
		tcase_add_test(tcase, runner_that_never_listens_is_given_up);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(runner_life_suite)
