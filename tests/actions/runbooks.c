#include "tests/actions/runbooks.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

struct harness h;
char dir[64];

/* ---- scripts ---- */

const char *path_of(const char *name)
{
	static char path[4][128];
	static unsigned next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

void file_make(const char *name)
{
	fclose(fopen(path_of(name), "w"));
}

void file_remove(const char *name)
{
	unlink(path_of(name));
}

char *file_text(const char *name)
{
	static char text[65536];
	FILE *file = fopen(path_of(name), "r");

	text[file ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
	if (file)
		fclose(file);
	return text;
}

/* DIR/NAME says that it was started, keeps what it was told, waits while DIR/hold is there, and
 * ends as it is asked to. */
void script_make(const char *name, const char *end)
{
	FILE *file = fopen(path_of(name), "w");

	fprintf(file,
		"#!/bin/sh\necho $TOCSIN_ID >> %s/log\ncat > %s/input-$TOCSIN_ID\n"
		"while [ -e %s/hold ]; do sleep 0.02; done\n%s\n",
		dir, dir, dir, end);
	fclose(file);
	chmod(path_of(name), 0700);
}

unsigned count_started(const char *id)
{
	unsigned n = 0;
	char line[64];

	snprintf(line, sizeof(line), "%s\n", id);
	for (const char *at = file_text("log"); (at = strstr(at, line)); at++)
		n++;
	return n;
}

/* ---- configuration ---- */

static void expand(const char *text, char *out, size_t size)
{
	size_t len = 0;

	for (; *text && len + sizeof(dir) < size; text++)
		if (*text == '@')
			len += (size_t)snprintf(out + len, size - len, "%s", dir);
		else
			out[len++] = *text;
	out[len] = '\0';
}

/* @ in the text is the directory of scripts. */
void configure(const char *text)
{
	char config[8192];

	expand(text, config, sizeof(config));
	harness_configure(&h, config);
}

void runbooks_setup(const char *text, const char *rules)
{
	char config[8192];

	strcpy(dir, "/tmp/tocsin-runs-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	script_make("ok", "echo '{\"found\": 7}'; echo fine >&2");
	script_make("fails", "echo 'no \"good\"'; exit 3");
	expand(text, config, sizeof(config));
	harness_init(&h, config, dir);
	harness_rules(&h, rules);
}

void runbooks_teardown(void)
{
	char command[128];

	harness_fini(&h);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* It holds the directory's lock. */
void kill_runner(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path_of("runner.lock"), O_RDWR);

	if (fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		ck_assert_int_eq(kill(lock.l_pid, SIGKILL), 0);
	if (fd >= 0)
		close(fd);
}

/* ---- looking at runs ---- */

struct seen runs[4096];
size_t nruns;

static void on_run(void *ctx, const struct run_view *view)
{
	struct seen *run = &runs[nruns++];
	size_t len = 0;

	ck_assert_uint_lt(nruns, sizeof(runs) / sizeof(runs[0]));
	*run = (struct seen){ 0 };
	snprintf(run->id, sizeof(run->id), "%s", view->id);
	snprintf(run->runbook, sizeof(run->runbook), "%s", view->runbook);
	snprintf(run->state, sizeof(run->state), "%s", view->state);
	snprintf(run->reason, sizeof(run->reason), "%s", view->reason);
	for (uint32_t i = 0; i < view->nsteps; i++) {
		len += (size_t)snprintf(run->steps + len, sizeof(run->steps) - len, "%s%s=%s%s%s",
					i ? " " : "", view->steps[i].id, view->steps[i].state,
					view->steps[i].undo ? " undo=" : "",
					view->steps[i].undo ? view->steps[i].undo : "");
		run->output_bytes += view->steps[i].output.len + view->steps[i].error_output.len;
	}
}

/* Newest first. */
void look(void)
{
	nruns = 0;
	actions_runs_each(h.actions, on_run, NULL);
}

void expect(size_t i, const char *runbook, const char *state, const char *reason)
{
	look();
	ck_assert_msg(i < nruns, "there are %zu runs", nruns);
	ck_assert_msg(strcmp(runs[i].runbook, runbook) == 0 && strcmp(runs[i].state, state) == 0 &&
			      strcmp(runs[i].reason, reason) == 0,
		      "%s: %s is %s: %s; not %s: %s: %s", runs[i].id, runs[i].runbook,
		      runs[i].state, runs[i].reason, runbook, state, reason);
}

bool any_is(const char *state)
{
	look();
	for (size_t i = 0; i < nruns; i++)
		if (strcmp(runs[i].state, state) == 0)
			return true;
	return false;
}

void await(void)
{
	for (int i = 0; i < 200; i++) {
		harness_settle(&h);
		if (!any_is("running"))
			return;
	}
	ck_abort_msg("a run goes on and on");
}

void await_started(const char *id)
{
	for (int i = 0; i < 200 && count_started(id) == 0; i++)
		harness_settle(&h);
	ck_assert_uint_eq(count_started(id), 1);
}

void fire(const char *labels)
{
	harness_fire(&h, labels);
	await();
}

/* A new episode: over, and again a minute later. */
void fire_again(const char *labels)
{
	harness_resolve(&h, labels);
	harness_at(&h, h.now_ms - HARNESS_START_MS + MINUTE_MS);
	fire(labels);
}

int64_t now(void)
{
	return h.now_ms - HARNESS_START_MS;
}

/* ---- what scripts were told ---- */

json_t *input_of(const char *id)
{
	char name[80];

	snprintf(name, sizeof(name), "input-%s", id);
	json_t *object = json_loads(file_text(name), 0, NULL);

	ck_assert_ptr_nonnull(object);
	return object;
}

const char *at(const json_t *object, const char *path)
{
	char copy[128], *rest = copy;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key; object && (key = strsep(&rest, "."));)
		object = json_object_get(object, key);
	return json_is_string(object) ? json_string_value(object) : "";
}
