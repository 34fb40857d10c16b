/* What the runner gives to scripts and takes of them, with real processes. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/actions/runner_harness.h"
#include "tests/check_main.h"
#include "tests/files.h"

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
		"umask; pwd; ulimit -c; ulimit -n; ulimit -Hn\n",
		0, 0);

	ck_assert_str_eq(got.output, "own\n0 1 2 3\nSigBlk: 0000000000000000\n"
				     "SigIgn: 0000000\nNoNewPrivs: 1\n0077\n/\n0\n1024\n1024\n");
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

/* The configuration keeps to less; the runner does not rely on it. */
START_TEST(runner_takes_so_many_arguments_and_variables)
{
	const char *argv[258] = { script("#!/bin/sh\necho $#; env | grep -c ^V=\n") },
		   *env[66] = { NULL };
	static const struct {
		int nargs, nvariables;
		const char *output, *message;
	} cases[] = { { 256, 64, "255\n1\n", "exit code 0" },
		      { 257, 64, "", "no command, or too many arguments" },
		      { 256, 65, "", "too many variables" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct got got;
		char id[24];

		for (int k = 1; k < 258; k++)
			argv[k] = k < cases[i].nargs ? "x" : NULL;
		for (int k = 0; k < 66; k++)
			env[k] = k < cases[i].nvariables ? "V=x" : NULL;
		snprintf(id, sizeof(id), "many-%zu", i);
		struct runner_job job = job_of(id, argv);

		job.env = env;
		ask(&job, &got);
		wait_for(&got);
		ck_assert_str_eq(got.message, cases[i].message);
		ck_assert_str_eq(got.output ?: "", cases[i].output);
		got_fini(&got);
	}
}
END_TEST

/* Ids are names of files. */
START_TEST(runner_takes_ids_of_so_many_bytes)
{
	const char *argv[] = { script("#!/bin/sh\n"), NULL };
	char id[RUNNER_ID_MAX + 1] = { 0 };
	struct runner_job job = job_of(id, argv);
	struct runner_call *call;
	struct got got;

	memset(id, 'i', RUNNER_ID_MAX - 1);
	ask(&job, &got);
	wait_for(&got);
	ck_assert_int_eq(got.outcome, ACTION_OK);
	got_fini(&got);
	id[RUNNER_ID_MAX - 1] = 'i';
	ck_assert_int_eq(runner_start(client, &job, on_done, &got, &call), ERR_INVALID);
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

START_TEST(runner_leaks_neither_descriptors_nor_zombies)
{
	char path[64], command[128];
	struct got got = run("#!/bin/sh\n", 0, 0);

	got_fini(&got);
	snprintf(path, sizeof(path), "/proc/%d/fd", runner_pid());
	/* It tells of an end before it clears up. */
	turn(300);
	int before = files_in(path), ours = files_in(OWN_FILES);

	for (int i = 0; i < 20; i++) {
		got = run(i % 2 ? "#!/bin/sh\n" : "no interpreter", 0, 0);
		got_fini(&got);
	}
	for (int i = 0; i < 100 && files_in(path) != before; i++)
		turn(20);
	ck_assert_int_eq(files_in(path), before);
	ck_assert_int_eq(files_in(OWN_FILES), ours);
	/* ps would say defunct. */
	snprintf(command, sizeof(command),
		 "! grep -qs 'State:.Z' $(sed 's|[0-9]*|/proc/&/status|g' "
		 "/proc/%d/task/%d/children)",
		 runner_pid(), runner_pid());
	ck_assert_int_eq(system(command), 0);
}
END_TEST

static Suite *runner_suite(void)
{
	Suite *suite = suite_create("runner");
	TCase *tcase = tcase_create("runner");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, runner_setup, runner_teardown);
	tcase_add_test(tcase, runner_gives_input_and_takes_output);
	tcase_add_test(tcase, runner_environment_is_what_was_allowed);
	tcase_add_test(tcase, runner_child_is_clean);
	tcase_add_test(tcase, runner_says_why_a_script_cannot_start);
	tcase_add_test(tcase, runner_takes_so_many_arguments_and_variables);
	tcase_add_test(tcase, runner_takes_ids_of_so_many_bytes);
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
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(runner_suite)
