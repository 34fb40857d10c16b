/*
 * One run of a runbook: from a firing alert to a script's end.
 *
 *   (firing) ──► gates ──► REFUSED | SUGGESTED
 *                  │ └───► QUEUED ──► (gates again) …
 *                  ▼
 *               RUNNING: step after step ──► RECOVERED | FAILED | UNKNOWN
 *
 * A step's intent is journaled and durable before its script is started, its result is durable
 * before the helper may forget it; a script is started at most once. After a restart a step whose
 * end nobody saw is UNKNOWN and ends its run; a run between two steps, or whose step certainly was
 * never started, is QUEUED, and all gates are asked again: should one refuse now, the run has
 * FAILED, for a part of it was done.
 *
 * `run:` is a ladder: the next runbook is tried only when the one before did not end RECOVERED.
 */
#include "actions/runs_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

const char *run_state_text(enum run_state state)
{
#define X(id, text) [id] = text,
	static const char *const texts[] = { RUN_STATE_LIST(X) };
#undef X

	return texts[state];
}

const char *step_state_text(enum step_state state)
{
#define X(id, text) [id] = text,
	static const char *const texts[] = { STEP_STATE_LIST(X) };
#undef X

	return texts[state];
}

/* ---- life ---- */

void run_link(struct runs *runs, struct run *run)
{
	run->runs = runs;
	run->older = runs->newest;
	if (runs->newest)
		runs->newest->newer = run;
	else
		runs->oldest = run;
	runs->newest = run;
	runs->n++;
}

struct run *run_new(struct runs *runs, const char *runbook)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run || !(run->runbook = strdup(runbook))) {
		free(run);
		return NULL;
	}
	run->state = RUN_QUEUED;
	run->created_ms = runs->actions->now_ms;
	run->queued_until_ms = run->finished_ms = TIME_NONE;
	run_link(runs, run);
	return run;
}

int run_steps_alloc(struct run *run, uint32_t n)
{
	run->steps = calloc(n, sizeof(*run->steps));
	if (!run->steps)
		return ERR_NOMEM;
	run->nsteps = n;
	for (uint32_t i = 0; i < n; i++)
		run->steps[i].started_ms = run->steps[i].finished_ms = TIME_NONE;
	return 0;
}

void run_output_set(struct run *run, struct run_step *step, char *output, char *error_output)
{
	size_t *bytes = &run->runs->output_bytes;

	*bytes -= (step->output ? strlen(step->output) : 0) +
		  (step->error_output ? strlen(step->error_output) : 0);
	free(step->output);
	free(step->error_output);
	step->output = output;
	step->error_output = error_output;
	*bytes += (output ? strlen(output) : 0) + (error_output ? strlen(error_output) : 0);
}

void run_outputs_drop(struct run *run)
{
	for (uint32_t i = 0; i < run->nsteps; i++)
		run_output_set(run, &run->steps[i], NULL, NULL);
}

void run_names_free(char **names, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

void run_ladder_drop(struct run *run)
{
	run_names_free(run->ladder, run->nladder);
	run->ladder = NULL;
	run->nladder = 0;
}

void run_free(struct run *run)
{
	struct runs *runs = run->runs;

	*(run->newer ? &run->newer->older : &runs->newest) = run->older;
	*(run->older ? &run->older->newer : &runs->oldest) = run->newer;
	runs->n--;
	if (run->attempt)
		run->plugin->cancel(run->attempt);
	run_outputs_drop(run);
	free(run->steps);
	run_ladder_drop(run);
	labels_unref(run->trigger.alert);
	labels_unref(run->trigger.expr);
	evidence_unref(run->trigger.evidence);
	labels_unref(run->target);
	actions_config_unref(run->config);
	free(run->target_text);
	free(run->runbook);
	free(run->trigger.rule);
	free(run->input);
	free(run);
}

/* ---- the end of a run ---- */

static void begin_step(struct run *run);

static void wait_end(struct run *run)
{
	if (run->queued_until_ms != TIME_NONE)
		run->runs->waiting--;
	run->queued_until_ms = TIME_NONE;
}

void run_finish(struct run *run, enum run_state state, const char *reason)
{
	struct runs *runs = run->runs;
	struct actions *actions = runs->actions;

	assert(!run_is_finished(run));
	runs->dirty = runs->dirty || run_is_under_way(run); /* a lock, a place is free */
	wait_end(run);
	runs->active--;
	run->state = state;
	run->finished_ms = actions->now_ms;
	text_fit(run->reason, sizeof(run->reason), reason);
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].state == STEP_WAITING)
			run->steps[i].state = STEP_SKIPPED;
	free(run->input);
	run->input = NULL;
	actions_config_unref(run->config);
	run->config = NULL;
	actions->stats.runs_refused += state == RUN_REFUSED;
	actions->stats.runs_failed += state == RUN_FAILED || state == RUN_UNKNOWN;
	run->token = run_save(run, run->unforgotten != 0);
	log_info("runbook", run_state_text(state), "run=%s runbook=%s target=%s reason=%s", run->id,
		 run->runbook, log_quote(slice_from(run->target_text ? run->target_text : "none")),
		 log_quote(slice_from(run->reason)));
	runs_ladder_next(run);
}

void run_refuse(struct run *run, const char *reason)
{
	char text[RUN_REASON_BYTES];

	if (run->step == 0) {
		run_finish(run, RUN_REFUSED, reason);
		return;
	}
	snprintf(text, sizeof(text), "stopped before step \"%s\": %s", run->steps[run->step].id,
		 reason);
	run_finish(run, RUN_FAILED, text);
}

/* ---- steps ---- */

static void job_id(const struct run *run, uint32_t step, char id[64])
{
	snprintf(id, 64, "%s-%u", run->id, step);
}

const struct runbook *run_runbook(const struct run *run, const struct actions_config *config)
{
	const struct runbook *runbook = runbook_find(config, slice_from(run->runbook));

	if (!runbook || runbook->nsteps != run->nsteps)
		return NULL;
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (!slice_is(runbook->steps[i].id, run->steps[i].id))
			return NULL;
	return runbook;
}

/* All gates are asked again before it goes on. */
static void requeue(struct run *run)
{
	struct run_step *step = run->nsteps ? &run->steps[run->step] : NULL;

	if (step) {
		step->state = STEP_WAITING;
		step->started_ms = TIME_NONE;
	}
	run->state = RUN_QUEUED;
	run->runs->dirty = true;
	actions_config_unref(run->config);
	run->config = NULL;
	free(run->input);
	run->input = NULL;
}

/* What the end of the step under way means for the run. */
static void conclude(struct run *run)
{
	const struct run_step *step = &run->steps[run->step];

	if (step->state == STEP_OK && run->step + 1 < run->nsteps) {
		run->step++;
		begin_step(run);
	} else if (step->state == STEP_OK) {
		run_finish(run, RUN_RECOVERED, "all steps ended well");
	} else {
		run_finish(run, step->state == STEP_UNKNOWN ? RUN_UNKNOWN : RUN_FAILED,
			   step->message);
	}
}

static enum step_state state_of(enum action_outcome outcome)
{
	switch (outcome) {
	case ACTION_OK:
		return STEP_OK;
	case ACTION_TIMED_OUT:
		return STEP_TIMED_OUT;
	case ACTION_UNKNOWN:
		return STEP_UNKNOWN;
	case ACTION_RETRY:
	case ACTION_FAILED:
		break;
	}
	return STEP_FAILED;
}

/* Records are JSON: what is no text is told apart from nothing. */
static char *text_dup(struct slice text)
{
	bool is_text = slice_is_utf8(text) && !memchr(text.ptr ? text.ptr : "", '\0', text.len);

	return is_text ? slice_dup(text) : strdup("(binary)");
}

static void take_result(struct run *run, const struct action_result *result)
{
	struct run_step *step = &run->steps[run->step];
	const char *message = result->message ? result->message : "";

	run->attempt = NULL;
	if (result->outcome == ACTION_UNKNOWN && strcmp(message, ACTION_NEVER_STARTED) == 0) {
		requeue(run); /* certain: the crash came between intent and start */
		return;
	}
	step->state = state_of(result->outcome);
	step->exit = result->code;
	step->finished_ms = run->runs->actions->now_ms;
	text_fit(step->message, sizeof(step->message), message);
	run_output_set(run, step, text_dup(result->output), text_dup(result->error_output));
	run->unforgotten = run->plugin->forget ? run->step + 1 : 0;
	conclude(run);
}

static void on_result(void *ctx, const struct action_result *result)
{
	struct run *run = ctx;
	struct actions *actions = run->runs->actions;

	actions_enter(actions);
	take_result(run, result);
	actions_leave(actions);
}

static void step_failed_to_start(struct run *run, int code)
{
	char message[128];
	struct action_result result = { .outcome = ACTION_FAILED,
					.message = message,
					.retry_after_ms = -1 };

	snprintf(message, sizeof(message), "cannot be started: %s", error_text(code));
	take_result(run, &result);
}

/* The intent goes to the journal; the script starts when it is there. */
static void begin_step(struct run *run)
{
	const struct runbook *runbook = run_runbook(run, run->config);
	char id[64];

	assert(runbook);
	job_id(run, run->step, id);
	run->plugin = runbook->steps[run->step].plugin;
	run->input = run_input_make(run, runbook, id);
	run->steps[run->step].state = STEP_RUNNING;
	run->steps[run->step].started_ms = run->runs->actions->now_ms;
	if (!run->input)
		step_failed_to_start(run, ERR_NOMEM);
	else
		run->token = run_save(run, true);
}

static void start_step(struct run *run)
{
	struct actions *actions = run->runs->actions;
	const struct runbook_step *step = &run_runbook(run, run->config)->steps[run->step];
	char id[64], *input = run->input;

	job_id(run, run->step, id);
	run->input = NULL;
	struct action_job job = { .id = id,
				  .attempt = 1,
				  .now_ms = actions->now_ms,
				  .body = slice_from(input),
				  .is_step = true };
	int code = run->plugin->start(&actions->options.host, step->options, &job, on_result, run,
				      &run->attempt);

	free(input);
	actions->stats.scripts_started += code == 0;
	if (code)
		step_failed_to_start(run, code);
}

void run_saved(struct run *run)
{
	char id[64];

	run->token = 0;
	if (run->unforgotten) {
		job_id(run, run->unforgotten - 1, id);
		run->plugin->forget(&run->runs->actions->options.host, id);
		run->unforgotten = 0;
	}
	if (run->state == RUN_RUNNING)
		start_step(run);
}

/* ---- the beginning ---- */

int run_steps_take(struct run *run, const struct runbook *runbook)
{
	run_outputs_drop(run);
	free(run->steps);
	run->steps = NULL;
	run->nsteps = 0;
	if (run_steps_alloc(run, runbook->nsteps))
		return ERR_NOMEM;
	for (uint32_t i = 0; i < runbook->nsteps; i++)
		snprintf(run->steps[i].id, sizeof(run->steps[i].id), SLICE_FMT,
			 SLICE_ARG(runbook->steps[i].id));
	return 0;
}

void run_begin(struct run *run)
{
	wait_end(run);
	run->config = actions_config_ref(run->runs->actions->config);
	run->state = RUN_RUNNING;
	run->reason[0] = '\0';
	log_info("runbook", "running", "run=%s runbook=%s target=%s", run->id, run->runbook,
		 log_quote(slice_from(run->target_text)));
	begin_step(run);
}

/* ---- after a restart ---- */

/* The helper is asked what became of the step. */
static int recover_step(struct run *run, const struct runbook *runbook)
{
	struct actions *actions = run->runs->actions;
	const struct runbook_step *step = &runbook->steps[run->step];
	char id[64];

	job_id(run, run->step, id);
	struct action_job job = {
		.id = id, .attempt = 1, .now_ms = actions->now_ms, .is_step = true
	};

	run->plugin = step->plugin;
	return run->plugin->recover ? run->plugin->recover(&actions->options.host, step->options,
							   &job, on_result, run, &run->attempt)
				    : ERR_UNSUPPORTED;
}

void run_resume(struct run *run)
{
	const struct actions_config *config = run->runs->actions->config;
	const struct runbook *runbook = run_runbook(run, config);
	struct run_step *step = &run->steps[run->step];

	if (step->state == STEP_WAITING) {
		requeue(run);
		return;
	}
	run->config = actions_config_ref((struct actions_config *)config);
	if (step->state != STEP_RUNNING) {
		conclude(run); /* without another step: restoring went past those that ended well */
		return;
	}
	if (runbook && recover_step(run, runbook) == 0)
		return;
	/* Its configuration is gone: then nobody can know. */
	step->state = STEP_UNKNOWN;
	run_finish(run, RUN_UNKNOWN, "its end was not seen");
}
