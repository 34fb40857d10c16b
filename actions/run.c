/*
 * One run of a runbook: from a firing alert to a verified end.
 *
 *   (firing) ──► gates ──► REFUSED | SUGGESTED
 *                  │ └───► QUEUED ──► (gates again) …
 *                  ▼
 *               RUNNING: its steps (run_steps.c) ──► RECOVERED | FAILED | UNKNOWN
 *
 * A step's intent is journaled and durable before it acts, its result is durable before the helper
 * may forget it; a script is started at most once an attempt. After a restart an act whose end
 * nobody saw is UNKNOWN: it is not repeated, the run goes on to verify. A run that is about to act,
 * or whose act certainly was never started, is QUEUED, and all gates are asked again: should one
 * refuse now, the run has FAILED, for a part of it was done.
 *
 * A run with verify steps has RECOVERED when the last of them held; one without when all its steps
 * ended well.
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
	run->queued_until_ms = run->finished_ms = run->gate.answered_ms = TIME_NONE;
	run_link(runs, run);
	return run;
}

int run_steps_alloc(struct run *run, uint32_t n)
{
	run->steps = calloc(n, sizeof(*run->steps));
	if (!run->steps)
		return ERR_NOMEM;
	run->nsteps = n;
	for (uint32_t i = 0; i < n; i++) {
		struct run_step *step = &run->steps[i];

		step->run = run;
		step->started_ms = step->finished_ms = step->retry_ms = TIME_NONE;
		step->asked_ms = step->held_since_ms = TIME_NONE;
	}
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
	step_values_take(step);
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

static void steps_free(struct run *run)
{
	run_outputs_drop(run);
	for (uint32_t i = 0; i < run->nsteps; i++) {
		struct run_step *step = &run->steps[i];

		if (step->try)
			step->plugin->cancel(step->try);
		free(step->input);
		free(step->values);
	}
	free(run->steps);
	run->steps = NULL;
	run->nsteps = 0;
}

void run_free(struct run *run)
{
	struct runs *runs = run->runs;

	*(run->newer ? &run->newer->older : &runs->newest) = run->older;
	*(run->older ? &run->older->newer : &runs->oldest) = run->newer;
	runs->n--;
	steps_free(run);
	run_ladder_drop(run);
	labels_unref(run->trigger.alert);
	labels_unref(run->trigger.expr);
	evidence_unref(run->trigger.evidence);
	labels_unref(run->target);
	actions_config_unref(run->config);
	free(run->target_text);
	free(run->runbook);
	free(run->trigger.rule);
	free(run);
}

/* ---- the end of a run ---- */

static void wait_end(struct run *run)
{
	if (run->queued_until_ms != TIME_NONE)
		run->runs->waiting--;
	run->queued_until_ms = TIME_NONE;
}

static bool has_to_forget(const struct run *run)
{
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].forget[0])
			return true;
	return false;
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
	actions_config_unref(run->config);
	run->config = NULL;
	actions->stats.runs_refused += state == RUN_REFUSED;
	actions->stats.runs_failed += state == RUN_FAILED || state == RUN_UNKNOWN;
	run->token = run_save(run, has_to_forget(run));
	log_info("runbook", run_state_text(state), "run=%s runbook=%s target=%s reason=%s", run->id,
		 run->runbook, log_quote(slice_from(run->target_text ? run->target_text : "none")),
		 log_quote(slice_from(run->reason)));
	run_tell_end(run);
	runs_ladder_next(run);
}

void run_refuse(struct run *run, const char *reason)
{
	char text[RUN_REASON_BYTES];
	uint32_t next = 0;

	if (!run_has_begun(run)) {
		run_finish(run, RUN_REFUSED, reason);
		return;
	}
	while (next + 1 < run->nsteps && run->steps[next].state != STEP_WAITING)
		next++;
	snprintf(text, sizeof(text), "stopped before step \"%s\": %s", run->steps[next].id, reason);
	run_finish(run, RUN_FAILED, text);
}

/* ---- the beginning ---- */

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

int run_steps_take(struct run *run, const struct runbook *runbook)
{
	steps_free(run);
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
	run_advance(run);
}

void run_requeue(struct run *run)
{
	run->state = RUN_QUEUED;
	run->gate.answered_ms = TIME_NONE;
	run->runs->dirty = true;
	actions_config_unref(run->config);
	run->config = NULL;
}

void run_saved(struct run *run)
{
	run->token = 0;
	run_steps_saved(run);
}

/* ---- after a restart ---- */

/* Its runbook is gone, or has other steps now: then nobody can know how a step ended. */
static void resume_without_runbook(struct run *run)
{
	bool was_running = false;

	for (uint32_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].state == STEP_RUNNING) {
			step_end(&run->steps[i], STEP_UNKNOWN, "its end was not seen");
			was_running = true;
		}
	if (was_running)
		run_finish(run, RUN_UNKNOWN, "its end was not seen");
	else
		run_requeue(run);
}

static bool is_any_running(const struct run *run)
{
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].state == STEP_RUNNING || run->steps[i].undo == STEP_RUNNING)
			return true;
	return false;
}

void run_resume(struct run *run)
{
	struct actions_config *config = run->runs->actions->config;
	const struct runbook *runbook = run_runbook(run, config);

	if (!runbook) {
		resume_without_runbook(run);
		return;
	}
	run->config = actions_config_ref(config);
	run_steps_resume(run, runbook);
	if (is_any_running(run))
		return;
	if (run_is_about_to_act(run, runbook))
		run_requeue(run);
	else
		run_advance(run);
}
