/*
 * How a run ends: rolled back, verified, or with the end of its last step.
 */
#include "actions/runs_internal.h"

#include <stdio.h>

/* ---- rollback ---- */

/* What ended well and is not undone yet; the last of them. NULL: none. */
static struct run_step *undo_next(struct run *run, const struct runbook *runbook)
{
	struct run_step *last = NULL;

	for (uint32_t at = 0; at < run->nsteps; at++) {
		struct run_step *step = &run->steps[runbook->order[at]];

		if (step->state == STEP_OK && step->undo == STEP_WAITING &&
		    runbook->steps[step_number(step)].undo.plugin &&
		    (!last || step->finished_ms >= last->finished_ms))
			last = step;
	}
	return last;
}

static const struct run_step *undo_failed(const struct run *run)
{
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].undo != STEP_WAITING && run->steps[i].undo != STEP_RUNNING &&
		    run->steps[i].undo != STEP_OK)
			return &run->steps[i];
	return NULL;
}

void run_roll_back(struct run *run, const struct runbook *runbook, const struct run_step *cause)
{
	char text[RUN_REASON_BYTES];
	const struct run_step *failed = undo_failed(run);
	struct run_step *next = failed ? NULL : undo_next(run, runbook);

	if (next) {
		next->undo = STEP_RUNNING;
		if (attempt_prepare(next) == 0) {
			run->token = run_save(run, true);
			return;
		}
		next->undo = STEP_FAILED;
		next->pending = false;
		text_fit(next->undo_message, sizeof(next->undo_message), "out of memory");
		failed = next;
	}
	if (failed)
		snprintf(text, sizeof(text), "undo of step \"%s\" failed: %s", failed->id,
			 failed->undo_message);
	else
		snprintf(text, sizeof(text), "rolled back: step \"%s\": %.180s", cause->id,
			 cause->message);
	run_finish(run, RUN_FAILED, text);
}

/* ---- the end ---- */

/* The verify step that ended last; NULL: none did. */
static const struct run_step *last_verdict(const struct run *run, const struct runbook *runbook)
{
	const struct run_step *last = NULL;

	for (uint32_t at = 0; at < run->nsteps; at++) {
		uint32_t i = runbook->order[at];
		const struct run_step *step = &run->steps[i];

		if (runbook->steps[i].kind == STEP_VERIFY && step->state != STEP_SKIPPED &&
		    (!last || step->finished_ms >= last->finished_ms))
			last = step;
	}
	return last;
}

static bool is_verified_by_design(const struct runbook *runbook)
{
	for (uint32_t i = 0; i < runbook->nsteps; i++)
		if (runbook->steps[i].kind == STEP_VERIFY)
			return true;
	return false;
}

/* The first step whose end is a bad one for the run; NULL: all ended well. */
static const struct run_step *first_bad(const struct run *run, const struct runbook *runbook)
{
	for (uint32_t at = 0; at < run->nsteps; at++) {
		uint32_t i = runbook->order[at];
		const struct run_step *step = &run->steps[i];

		if (step->state == STEP_UNKNOWN ||
		    (step_has_failed(step) &&
		     runbook->steps[i].options->on_failure != ON_FAILURE_CONTINUE))
			return step;
	}
	return NULL;
}

void run_conclude(struct run *run, const struct runbook *runbook)
{
	const struct run_step *verdict = last_verdict(run, runbook);
	const struct run_step *bad = first_bad(run, runbook);
	char text[RUN_REASON_BYTES];

	if (verdict && verdict->state == STEP_OK) {
		snprintf(text, sizeof(text), "step \"%s\" holds", verdict->id);
		run_finish(run, RUN_RECOVERED, text);
	} else if (verdict) {
		run_finish(run, RUN_FAILED, verdict->message);
	} else if (bad) {
		run_finish(run, bad->state == STEP_UNKNOWN ? RUN_UNKNOWN : RUN_FAILED,
			   bad->message);
	} else if (is_verified_by_design(runbook)) {
		run_finish(run, RUN_FAILED, "no verify step was reached");
	} else {
		run_finish(run, RUN_RECOVERED, "all steps ended well");
	}
}
