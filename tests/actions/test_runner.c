/* The runner and its client, with real processes. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actions/runner_internal.h"
#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"

#define WAIT_MS 20000

static char dir[64], program[4096];
static struct loop *loop;
static struct runner_client *client;

/* What became of a job. */
struct got {
	unsigned n; /* times done() was called */
	enum action_outcome outcome;
	int code;
	char message[256];
	char *output, *errors;
	size_t output_len, errors_len;
	bool cut;
};

static void on_done(void *ctx, const struct action_result *result)
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

static void got_fini(struct got *got)
{
	free(got->output);
	free(got->errors);
}

static void on_tick(void *ctx)
{
	loop_stop(ctx);
}

static void turn(int64_t ms)
{
	struct loop_timer *timer = loop_timer_new(loop, on_tick, loop);

	loop_timer_set(timer, ms);
	loop_run(loop);
	loop_timer_free(timer);
}

static void wait_for(struct got *got)
{
	int64_t end_us = clock_monotonic_us() + WAIT_MS * 1000;

	while (got->n == 0 && clock_monotonic_us() < end_us)
		turn(100);
	ck_assert_msg(got->n == 1, "the job was answered %u times", got->n);
}

static void client_open(void)
{
	char *why = NULL;

	ck_assert_msg(runner_client_new(loop, program, dir, &client, &why) == 0, "%s", why);
}

static void setup(void)
{
	strcpy(dir, "/tmp/tocsin-runner-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(program, sizeof(program), "%s/tests/actions/runner", getenv("TOCSIN_BUILDDIR"));
	loop = loop_new();
	client_open();
}

static void teardown(void)
{
	char command[128];

	if (client)
		runner_client_free(client);
	loop_free(loop);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static char *path_of(const char *name)
{
	static char path[2][128];
	static int next;

	next = !next;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

/* An executable file of this text; its path. */
static const char *script(const char *text)
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

static char *read_text(const char *name)
{
	static char text[4096];
	FILE *file = fopen(path_of(name), "r");

	text[file ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
	if (file)
		fclose(file);
	return text;
}

/* A file that a script makes to say where it is. */
static void wait_file(const char *name)
{
	for (int64_t end_us = clock_monotonic_us() + WAIT_MS * 1000; clock_monotonic_us() < end_us;)
		if (*read_text(name))
			return;
		else
			turn(10);
	ck_abort_msg("%s did not come", name);
}

/* Gone, or a zombie. */
static bool is_alive(pid_t pid)
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

static void wait_end(pid_t pid, int64_t ms)
{
	for (int64_t end_us = clock_monotonic_us() + ms * 1000;
	     is_alive(pid) && clock_monotonic_us() < end_us;)
		turn(20);
	ck_assert_msg(!is_alive(pid), "process %d goes on", pid);
}

/* Who holds the directory's lock. */
static pid_t runner_pid(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path_of("runner.lock"), O_RDWR);
	int failed = fcntl(fd, F_GETLK, &lock);

	close(fd);
	return failed || lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static struct runner_job job_of(const char *id, const char *const *argv)
{
	return (struct runner_job){ .id = id,
				    .argv = argv,
				    .timeout_ms = 15000,
				    .kill_after_ms = 15000,
				    .no_new_privs = true };
}

static struct runner_call *ask(const struct runner_job *job, struct got *got)
{
	struct runner_call *call;

	*got = (struct got){ 0 };
	ck_assert_int_eq(runner_start(client, job, on_done, got, &call), 0);
	ck_assert_uint_eq(got->n, 0); /* never from inside */
	return call;
}

/* Runs a script to its end. */
static struct got run(const char *text, int64_t timeout_ms, int64_t kill_after_ms)
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

static struct got recover(const char *id)
{
	struct runner_job job = { .id = id, .recover_only = true };
	struct got got;

	ask(&job, &got);
	wait_for(&got);
	return got;
}

/* ---- what a script meets ---- */

START_TEST(runner_gives_input_and_takes_output)
{
	const char *argv[] = { script("#!/bin/sh\necho \"$1|$2\"; cat; echo oops >&2; exit 3\n"),
			       "a b", "$(id)", NULL };
	struct runner_job job = job_of("one", argv);
	struct got got;

	job.input = SLICE("{\"key\": \"\303\244\"}");
	ask(&job, &got);
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_FAILED);
	ck_assert_int_eq(got.code, 3);
	ck_assert_str_eq(got.message, "exit code 3");
	ck_assert_str_eq(got.output, "a b|$(id)\n{\"key\": \"\303\244\"}");
	ck_assert_str_eq(got.errors, "oops\n");
	ck_assert(!got.cut);
	got_fini(&got);
	got = run("#!/bin/sh\nexit 0\n", 0, 0);
	ck_assert_int_eq(got.outcome, ACTION_OK);
	got_fini(&got);
	got = run("#!/bin/sh\nkill -9 $$\n", 0, 0);
	ck_assert_int_eq(got.outcome, ACTION_FAILED);
	ck_assert_int_eq(got.code, -9);
	ck_assert_str_eq(got.message, "ended by signal 9");
	got_fini(&got);
}
END_TEST

START_TEST(runner_environment_is_what_was_allowed)
{
	const char *argv[] = { script("#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/environ\n"), NULL };
	const char *env[] = { "SERVICE=db one", NULL };
	struct runner_job job = job_of("env", argv);
	struct got got;

	setenv("LD_PRELOAD_NOT", "1", 1);
	job.env = env;
	ask(&job, &got);
	wait_for(&got);
	ck_assert_str_eq(got.output, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLANG=C\nHOME=/\n"
				     "TOCSIN_ID=env\nSERVICE=db one\n");
	got_fini(&got);
}
END_TEST

START_TEST(runner_child_is_clean)
{
	/* Session and group of its own, no foreign descriptors, no signal ignored or blocked, no
	 * way to more privileges. */
	struct got got = run(
		"#!/bin/sh\n"
		"set -- $(cut -d' ' -f5,6 /proc/$$/stat); [ $1 = $$ ] && [ $2 = $$ ] && echo own\n"
		"echo $(ls /proc/self/fd)\n"
		"grep -E '^(SigBlk|SigIgn|NoNewPrivs)' /proc/self/status | tr '\\t' ' ' | sed "
		"'s/Ign: .*\\(.......\\)$/Ign: \\1/'\n"
		"umask; pwd; ulimit -c\n",
		0, 0);

	ck_assert_str_eq(got.output, "own\n0 1 2 3\nSigBlk: 0000000000000000\n"
				     "SigIgn: 0000000\nNoNewPrivs: 1\n0077\n/\n0\n");
	got_fini(&got);
}
END_TEST

START_TEST(runner_says_why_a_script_cannot_start)
{
	const struct {
		const char *text, *cwd, *user, *message;
	} cases[] = {
		{ "no interpreter", NULL, NULL, "cannot be executed: Exec format error" },
		{ "#!/nowhere/sh\n", NULL, NULL, "cannot be executed: No such file or directory" },
		{ "#!/bin/sh\n", "/nowhere", NULL,
		  "cannot enter its working directory: No such file or directory" },
		{ "#!/bin/sh\n", NULL, "no-such-user", "there is no user \"no-such-user\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *argv[] = { script(cases[i].text), NULL };
		char id[24];

		snprintf(id, sizeof(id), "bad-%zu", i);
		struct runner_job job = job_of(id, argv);
		struct got got;

		job.cwd = cases[i].cwd;
		job.user = cases[i].user;
		ask(&job, &got);
		wait_for(&got);
		ck_assert_int_eq(got.outcome, ACTION_FAILED);
		ck_assert_str_eq(got.message, cases[i].message);
		got_fini(&got);
	}
	const char *argv[] = { "/nowhere/\303\244", NULL };
	struct runner_job job = job_of("missing", argv);
	struct got got;

	ask(&job, &got);
	wait_for(&got);
	ck_assert_str_eq(got.message,
			 "\"/nowhere\" cannot be looked at: No such file or directory");
	got_fini(&got);
}
END_TEST

START_TEST(runner_takes_up_another_user)
{
	if (geteuid() != 0)
		return;
	const char *argv[] = { script("#!/bin/sh\nid -u; id -G; grep CapEff /proc/self/status\n"),
			       NULL };
	struct runner_job job = job_of("nobody", argv);
	struct got got;

	/* The script must be reachable for the other user. */
	chmod(dir, 0755);
	chmod(argv[0], 0755);
	job.user = "nobody";
	ask(&job, &got);
	wait_for(&got);
	ck_assert_str_eq(got.output, "65534\n65534\nCapEff:\t0000000000000000\n");
	got_fini(&got);
}
END_TEST

/* ---- time ---- */

START_TEST(runner_timeout_asks_first)
{
	struct got got = run("#!/bin/sh\ntrap 'echo bye; exit 0' TERM\necho hello\nwhile :; do "
			     "sleep 0.05; done\n",
			     300, 10000);

	ck_assert_int_eq(got.outcome, ACTION_TIMED_OUT);
	ck_assert_str_eq(got.message, "cut off by its timeout");
	ck_assert_str_eq(got.output, "hello\nbye\n");
	got_fini(&got);
}
END_TEST

START_TEST(runner_kills_what_ignores_term_with_its_whole_group)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\ntrap '' TERM\nsh -c 'trap \"\" TERM; echo $$ > %s/grandchild; exec "
		 "sleep 60' &\n"
		 "while :; do sleep 60; done\n",
		 dir);
	struct got got = run(text, 300, 300);

	ck_assert_int_eq(got.outcome, ACTION_TIMED_OUT);
	ck_assert_str_eq(got.message, "cut off by its timeout, by force");
	ck_assert_int_eq(got.code, -9);
	wait_end(atoi(read_text("grandchild")), 2000);
	got_fini(&got);
}
END_TEST

START_TEST(runner_does_not_wait_for_who_holds_the_pipes)
{
	char text[512];
	int64_t begun_us = clock_monotonic_us();

	snprintf(text, sizeof(text),
		 "#!/bin/sh\nsleep 60 & echo $! > %s/same\n"
		 "setsid sh -c 'echo $$ > %s/daemon; exec sleep 60' &\n"
		 "while ! [ -s %s/daemon ]; do sleep 0.02; done; echo done\n",
		 dir, dir, dir);
	struct got got = run(text, 0, 0);

	ck_assert_int_eq(got.outcome, ACTION_OK);
	ck_assert_str_eq(got.output, "done\n");
	ck_assert_int_lt(clock_monotonic_us() - begun_us, 10000000);
	/* What is of its group ends with it; a daemon that it started as one goes on. */
	wait_end(atoi(read_text("same")), 2000);
	pid_t daemon = atoi(read_text("daemon"));

	ck_assert(is_alive(daemon));
	kill(daemon, SIGKILL);
	got_fini(&got);
}
END_TEST

/* ---- output and input ---- */

START_TEST(runner_caps_output_and_keeps_draining)
{
	struct got got = run("#!/bin/sh\nhead -c 8000000 /dev/zero | tr '\\0' x; head -c 8000000 "
			     "/dev/zero | tr '\\0' y >&2\n",
			     0, 0);

	ck_assert_int_eq(got.outcome, ACTION_OK);
	ck_assert_uint_eq(got.output_len, ACTION_OUTPUT_MAX);
	ck_assert_uint_eq(got.errors_len, ACTION_OUTPUT_MAX);
	ck_assert(got.cut);
	got_fini(&got);
}
END_TEST

START_TEST(runner_clock_goes_on_while_a_script_floods_it)
{
	int64_t begun_us = clock_monotonic_us();
	struct got got =
		run("#!/bin/sh\nfor i in 1 2 3 4 5 6; do cat /dev/zero & done; wait\n", 300, 300);

	ck_assert_int_eq(got.outcome, ACTION_TIMED_OUT);
	ck_assert_int_lt(clock_monotonic_us() - begun_us, 10000000);
	got_fini(&got);
}
END_TEST

START_TEST(runner_keeps_output_that_is_no_text)
{
	struct got got = run("#!/bin/sh\nprintf 'a\\000b\\377\\303\\244\\001\"\\n'\n", 0, 0);

	ck_assert_int_eq(got.outcome, ACTION_OK);
	ck_assert_str_eq(got.output, "a?b?\303\244\001\"\n");
	got_fini(&got);
	/* Cut in the midst of a character: what is whole stays. */
	got = run("#!/bin/sh\nprintf x; for i in 1 2 3 4; do head -c 10000 /dev/zero | sed "
		  "'s/\\x00/\303\244/g'; done\n",
		  0, 0);
	ck_assert(got.cut);
	ck_assert_uint_eq(got.output_len, ACTION_OUTPUT_MAX);
	ck_assert_int_eq(strncmp(got.output, "x\303\244\303\244", 5), 0);
	ck_assert_int_eq(got.output[ACTION_OUTPUT_MAX - 1], '?');
	got_fini(&got);
}
END_TEST

START_TEST(runner_feeds_large_input_to_who_reads_and_who_does_not)
{
	size_t size = 4000000;
	char *input = malloc(size + 1);
	const char *reads[] = { script("#!/bin/sh\nsleep 0.2; wc -c\n"), NULL };
	const char *does_not[] = { script("#!/bin/sh\nexit 0\n"), NULL };
	const char *closes[] = { script("#!/bin/sh\nexec <&-; sleep 0.2\n"), NULL };
	const char *const *all[] = { reads, does_not, closes };

	memset(input, '\001', size);
	input[size] = '\0';
	for (size_t i = 0; i < 3; i++) {
		char id[24];

		snprintf(id, sizeof(id), "in-%zu", i);
		struct runner_job job = job_of(id, all[i]);
		struct got got;

		/* One byte is six on the wire. */
		job.input = (struct slice){ input, size / 2 };
		ask(&job, &got);
		wait_for(&got);
		ck_assert_int_eq(got.outcome, ACTION_OK);
		if (i == 0)
			ck_assert_str_eq(got.output, "2000000\n");
		got_fini(&got);
	}
	struct runner_job job = job_of("too-much", reads);
	struct runner_call *call;

	job.input = (struct slice){ input, size };
	ck_assert_int_eq(runner_start(client, &job, on_done, NULL, &call), ERR_LIMIT);
	free(input);
}
END_TEST

/* ---- limits ---- */

START_TEST(runner_refuses_a_65th_child)
{
	static struct got got[RUNNER_CHILDREN_MAX + 1];
	char text[512];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\necho x >> %s/started\nwhile ! [ -e %s/go ]; do sleep 0.2; done\n", dir,
		 dir);
	const char *argv[] = { script(text), NULL };

	for (int i = 0; i <= RUNNER_CHILDREN_MAX; i++) {
		char id[24];

		snprintf(id, sizeof(id), "many-%d", i);
		struct runner_job job = job_of(id, argv);

		ask(&job, &got[i]);
	}
	wait_for(&got[RUNNER_CHILDREN_MAX]);
	ck_assert_int_eq(got[RUNNER_CHILDREN_MAX].outcome, ACTION_FAILED);
	ck_assert_str_eq(got[RUNNER_CHILDREN_MAX].message, "too many scripts are running");
	fclose(fopen(path_of("go"), "w"));
	for (int i = 0; i < RUNNER_CHILDREN_MAX; i++) {
		wait_for(&got[i]);
		ck_assert_int_eq(got[i].outcome, ACTION_OK);
		got_fini(&got[i]);
	}
	ck_assert_uint_eq(strlen(read_text("started")), 2 * RUNNER_CHILDREN_MAX);
	got_fini(&got[RUNNER_CHILDREN_MAX]);
	/* It was refused before it was marked: it may be asked for again. */
	struct got last = recover("many-64");

	ck_assert_str_eq(last.message, ACTION_NEVER_STARTED);
	got_fini(&last);
}
END_TEST

START_TEST(runner_takes_ids_it_can_make_files_of)
{
	const char *argv[] = { script("#!/bin/sh\n"), NULL };
	const char *const bad[] = {
		"",   "a/b", "a.b",
		"..", "a b", "0123456789012345678901234567890123456789012345678901234567890123"
	};
	struct runner_call *call;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct runner_job job = job_of(bad[i], argv);

		ck_assert_int_eq(runner_start(client, &job, on_done, NULL, &call), ERR_INVALID);
	}
	const char *not_text[] = { argv[0], "\377", NULL };
	struct runner_job job = job_of("id", not_text);

	ck_assert_int_eq(runner_start(client, &job, on_done, NULL, &call), ERR_INVALID);
}
END_TEST

static int count_files(const char *path)
{
	char command[256];
	int n = -1;

	snprintf(command, sizeof(command), "ls %s | wc -l", path);
	FILE *pipe = popen(command, "r");

	ck_assert_int_eq(fscanf(pipe, "%d", &n), 1);
	pclose(pipe);
	return n;
}

START_TEST(runner_leaks_neither_descriptors_nor_zombies)
{
	char path[64], command[128];
	struct got got = run("#!/bin/sh\n", 0, 0);

	got_fini(&got);
	snprintf(path, sizeof(path), "/proc/%d/fd", runner_pid());
	/* It tells of an end before it clears up. */
	turn(300);
	int before = count_files(path), ours = count_files("/proc/self/fd");

	for (int i = 0; i < 20; i++) {
		got = run(i % 2 ? "#!/bin/sh\n" : "no interpreter", 0, 0);
		got_fini(&got);
	}
	for (int i = 0; i < 100 && count_files(path) != before; i++)
		turn(20);
	ck_assert_int_eq(count_files(path), before);
	ck_assert_int_eq(count_files("/proc/self/fd"), ours);
	/* ps would say defunct. */
	snprintf(command, sizeof(command),
		 "! grep -qs 'State:.Z' $(sed 's|[0-9]*|/proc/&/status|g' "
		 "/proc/%d/task/%d/children)",
		 runner_pid(), runner_pid());
	ck_assert_int_eq(system(command), 0);
}
END_TEST

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

static Suite *runner_suite(void)
{
	Suite *suite = suite_create("runner");
	TCase *tcase = tcase_create("runner");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, runner_gives_input_and_takes_output);
	tcase_add_test(tcase, runner_environment_is_what_was_allowed);
	tcase_add_test(tcase, runner_child_is_clean);
	tcase_add_test(tcase, runner_says_why_a_script_cannot_start);
	tcase_add_test(tcase, runner_takes_up_another_user);
	tcase_add_test(tcase, runner_timeout_asks_first);
	tcase_add_test(tcase, runner_kills_what_ignores_term_with_its_whole_group);
	tcase_add_test(tcase, runner_does_not_wait_for_who_holds_the_pipes);
	tcase_add_test(tcase, runner_caps_output_and_keeps_draining);
	tcase_add_test(tcase, runner_clock_goes_on_while_a_script_floods_it);
	tcase_add_test(tcase, runner_keeps_output_that_is_no_text);
	tcase_add_test(tcase, runner_feeds_large_input_to_who_reads_and_who_does_not);
	tcase_add_test(tcase, runner_refuses_a_65th_child);
	tcase_add_test(tcase, runner_takes_ids_it_can_make_files_of);
	tcase_add_test(tcase, runner_leaks_neither_descriptors_nor_zombies);
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
	tcase_add_test(tcase, pair_runs_and_ends_with_its_client);
	tcase_add_test(tcase, pair_killed_does_not_start_again);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(runner_suite)
