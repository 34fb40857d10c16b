/*
 * The steps of a run: a small graph.
 *
 * A step waits until all of its `after` have ended. Then its `when`, or the default, says whether
 * it begins or is skipped. Several may be under way at once. What acts (exec, webhook) is journaled
 * first: run_save(), durable, run_steps_saved() starts it.
 *
 *   WAITING ─► RUNNING ─► OK | FAILED | TIMED_OUT | UNKNOWN        WAITING ─► SKIPPED
 *                │  ▲
 *                ▼  │ backoff (RUNNING, with retry_ms)
 *             a failed attempt that may be repeated
 *
 * Once a step with on_failure: rollback has failed, nothing more begins; when nothing is under way
 * any more, the steps that ended well are undone, the last first. A failing undo ends the run.
 */
#include "actions/runs_internal.h"

#include <assert.h>

#include "actions/when.h"

const struct runbook_step *step_rule(const struct run_step *step)
{
	const struct runbook *runbook = run_runbook(step->run, step->run->config);

	assert(runbook);
	return &runbook->steps[step_number(step)];
}

void step_end(struct run_step *step, enum step_state state, const char *message)
{
	step->state = state;
	step->finished_ms = step->run->runs->actions->now_ms;
	step->retry_ms = TIME_NONE;
	step->pending = false;
	step->question = 0;
	text_fit(step->message, sizeof(step->message), message);
}

/* ---- may a step begin? ---- */

static enum when_state when_state_of(void *ctx, uint32_t step)
{
	static const enum when_state states[] = { [STEP_OK] = WHEN_OK,
						  [STEP_FAILED] = WHEN_FAILED,
						  [STEP_TIMED_OUT] = WHEN_TIMED_OUT,
						  [STEP_REFUSED] = WHEN_REFUSED,
						  [STEP_UNKNOWN] = WHEN_UNKNOWN,
						  [STEP_SKIPPED] = WHEN_SKIPPED };
	const struct run *run = ctx;

	assert(step_has_ended(&run->steps[step]));
	return states[run->steps[step].state];
}

json_t *step_output_json(const struct run_step *step)
{
	const char *text = step->output ? step->output : "";
	json_t *object = json_loads(text, 0, NULL);

	if (json_is_object(object))
		return object;
	json_decref(object);
	return json_pack("{ss}", "text", text);
}

static json_t *when_output_of(void *ctx, uint32_t step)
{
	const struct run *run = ctx;

	return step_output_json(&run->steps[step]);
}

/*
 * Steps that a crash kept from a known end: the act that was cut off, and by default what follows
 * from it. Verify steps go on behind them. A bit each.
 */
static uint32_t cut_off(const struct run *run, const struct runbook *runbook)
{
	uint32_t cut = 0;

	for (uint32_t at = 0; at < run->nsteps; at++) {
		uint32_t i = runbook->order[at];
		const struct run_step *step = &run->steps[i];
		bool follows = step->state == STEP_SKIPPED && !runbook->steps[i].when &&
			       (runbook->steps[i].after & cut);

		if (step->state == STEP_UNKNOWN || follows)
			cut |= UINT32_C(1) << i;
	}
	return cut;
}

/* Without a `when`: all of `after` ended well, or badly with on_failure: continue. */
static bool is_wanted_by_default(const struct run *run, const struct runbook *runbook, uint32_t i)
{
	uint32_t cut = runbook->steps[i].kind == STEP_VERIFY ? cut_off(run, runbook) : 0;

	for (uint32_t k = 0; k < run->nsteps; k++) {
		const struct run_step *step = &run->steps[k];
		bool goes_on = step_has_failed(step) &&
			       runbook->steps[k].options->on_failure == ON_FAILURE_CONTINUE;

		if ((runbook->steps[i].after >> k & 1) && step->state != STEP_OK && !goes_on &&
		    !(cut >> k & 1))
			return false;
	}
	return true;
}

static bool is_wanted(const struct run *run, const struct runbook *runbook, uint32_t i)
{
	const struct when_steps steps = { .ctx = (void *)run,
					  .state = when_state_of,
					  .output = when_output_of };
	const struct when *when = runbook->steps[i].when;

	return when ? when_is_true(when, &steps) : is_wanted_by_default(run, runbook, i);
}

static bool may_be_judged(const struct run *run, const struct runbook *runbook, uint32_t i)
{
	for (uint32_t k = 0; k < run->nsteps; k++)
		if ((runbook->steps[i].after >> k & 1) && !step_has_ended(&run->steps[k]))
			return false;
	return run->steps[i].state == STEP_WAITING;
}

/* The step because of which all is undone; NULL: none. */
static const struct run_step *rollback_cause(const struct run *run, const struct runbook *runbook)
{
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (step_has_failed(&run->steps[i]) &&
		    runbook->steps[i].options->on_failure == ON_FAILURE_ROLLBACK)
			return &run->steps[i];
	return NULL;
}

bool run_is_about_to_act(const struct run *run, const struct runbook *runbook)
{
	if (rollback_cause(run, runbook))
		return false;
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (may_be_judged(run, runbook, i) && runbook->steps[i].kind == STEP_ACT &&
		    is_wanted(run, runbook, i))
			return true;
	return false;
}

int64_t run_acted_ms(const struct run *run, const struct runbook *runbook)
{
	int64_t acted_ms = TIME_NONE;

	for (uint32_t i = 0; i < run->nsteps; i++) {
		const struct run_step *step = &run->steps[i];

		if (runbook->steps[i].kind == STEP_ACT && step->state != STEP_SKIPPED &&
		    step_has_ended(step) && step->finished_ms > acted_ms)
			acted_ms = step->finished_ms;
	}
	return acted_ms;
}

/* ---- beginning ---- */

static void step_begin(struct run_step *step, const struct runbook_step *rule)
{
	step->state = STEP_RUNNING;
	step->started_ms = step->run->runs->actions->now_ms;
	step->message[0] = '\0';
	switch (rule->kind) {
	case STEP_ACT:
		attempt_begin(step);
		break;
	case STEP_NOTIFY:
		step->pending = true;
		break;
	case STEP_WAIT:
	case STEP_VERIFY:
		step->asked_ms = step->held_since_ms = TIME_NONE;
		break;
	}
}

void run_advance(struct run *run)
{
	const struct runbook *runbook = run_runbook(run, run->config);
	bool is_running = false;

	assert(runbook);
	for (uint32_t at = 0; at < run->nsteps; at++) {
		uint32_t i = runbook->order[at];
		struct run_step *step = &run->steps[i];

		if (!may_be_judged(run, runbook, i))
			continue;
		if (rollback_cause(run, runbook) || !is_wanted(run, runbook, i))
			step->state = STEP_SKIPPED;
		else
			step_begin(step, &runbook->steps[i]);
	}
	for (uint32_t i = 0; i < run->nsteps; i++)
		is_running = is_running || run->steps[i].state == STEP_RUNNING ||
			     run->steps[i].undo == STEP_RUNNING;
	const struct run_step *cause = rollback_cause(run, runbook);

	if (is_running)
		run->token = run_save(run, true);
	else if (cause)
		run_roll_back(run, runbook, cause);
	else
		run_conclude(run, runbook);
}

/* ---- timers ---- */

int64_t run_due_ms(const struct run *run)
{
	const struct runbook *runbook = run_runbook(run, run->config);
	int64_t due_ms = TIME_NONE;

	for (uint32_t i = 0; runbook && i < run->nsteps; i++) {
		const struct run_step *step = &run->steps[i];
		const struct runbook_step *rule = &runbook->steps[i];

		if (step->state != STEP_RUNNING)
			continue;
		if (rule->kind == STEP_WAIT)
			due_ms = time_earliest(due_ms, step->started_ms + rule->wait_ms);
		else if (rule->kind == STEP_VERIFY)
			due_ms = time_earliest(due_ms, verify_due_ms(step, rule));
		else
			due_ms = time_earliest(due_ms, step->retry_ms);
	}
	return due_ms;
}

/* True: something has changed. */
static bool step_poll(struct run_step *step, const struct runbook_step *rule)
{
	int64_t now_ms = step->run->runs->actions->now_ms;

	if (step->state != STEP_RUNNING)
		return false;
	if (rule->kind == STEP_VERIFY)
		return verify_poll(step, rule);
	if (rule->kind == STEP_WAIT && now_ms >= step->started_ms + rule->wait_ms) {
		step_end(step, STEP_OK, "waited");
		return true;
	}
	if (step->retry_ms == TIME_NONE || now_ms < step->retry_ms)
		return false;
	attempt_begin(step);
	return true;
}

void run_poll(struct run *run)
{
	const struct runbook *runbook = run_runbook(run, run->config);
	bool changed = false;

	for (uint32_t i = 0; i < run->nsteps; i++)
		changed |= step_poll(&run->steps[i], &runbook->steps[i]);
	if (changed)
		run_advance(run);
}

/* ---- after a restart ---- */

void run_steps_resume(struct run *run, const struct runbook *runbook)
{
	bool is_pending = false;

	for (uint32_t i = 0; i < run->nsteps; i++) {
		struct run_step *step = &run->steps[i];

		if (step->undo == STEP_RUNNING)
			undo_resume(step);
		if (step->state != STEP_RUNNING)
			continue;
		switch (runbook->steps[i].kind) {
		case STEP_ACT:
			attempt_resume(step);
			break;
		case STEP_NOTIFY:
			step->pending = is_pending = true;
			break;
		case STEP_VERIFY: /* from the beginning: samples may only now come in again */
			step->started_ms = run->runs->actions->now_ms;
			break;
		case STEP_WAIT:
			break;
		}
	}
	if (is_pending)
		run->token = run_save(run, true);
}
