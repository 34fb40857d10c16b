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
#include <stdlib.h>
#include <string.h>

#include "actions/when.h"
#include "base/error.h"
#include "base/log.h"

#define END_NOT_SEEN "its end was not seen"

static uint32_t number_of(const struct run_step *step)
{
	return (uint32_t)(step - step->run->steps);
}

static const struct runbook *runbook_of(const struct run_step *step)
{
	const struct runbook *runbook = run_runbook(step->run, step->run->config);

	assert(runbook);
	return runbook;
}

static const struct runbook_step *rule_of(const struct run_step *step)
{
	return &runbook_of(step)->steps[number_of(step)];
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

static bool has_failed(const struct run_step *step)
{
	return step->state == STEP_FAILED || step->state == STEP_TIMED_OUT;
}

/* Without a `when`: all of `after` ended well, or badly with on_failure: continue. */
static bool is_wanted_by_default(const struct run *run, const struct runbook *runbook, uint32_t i)
{
	uint32_t cut = runbook->steps[i].kind == STEP_VERIFY ? cut_off(run, runbook) : 0;

	for (uint32_t k = 0; k < run->nsteps; k++) {
		const struct run_step *step = &run->steps[k];
		bool goes_on = has_failed(step) &&
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
		if (has_failed(&run->steps[i]) &&
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

/* ---- attempts ---- */

/*
 * A job's id. The runner starts none twice: further attempts of a script have ids of their own. A
 * request keeps its id, so that its receiver recognises the repeat.
 */
static void job_id(const struct run_step *step, bool undo, char id[64])
{
	size_t n = (size_t)snprintf(id, 64, "%s-%u%s", step->run->id, number_of(step),
				    undo ? "-u" : "");

	if (!undo && step->attempt > 1 && step->plugin->recover)
		snprintf(id + n, 64 - n, "-%u", step->attempt);
}

static void job_key(const struct run_step *step, bool undo, char key[64])
{
	snprintf(key, 64, "%s-%u%s", step->run->id, number_of(step), undo ? "-u" : "");
}

static const struct step_act *act_of(const struct run_step *step)
{
	const struct runbook_step *rule = rule_of(step);

	return step->undo == STEP_RUNNING ? &rule->undo : &rule->act;
}

/* Its intent is to be journaled; what it will be told is made now. ERR_NOMEM. */
static int try_prepare(struct run_step *step)
{
	const struct step_act *act = act_of(step);
	bool undo = step->undo == STEP_RUNNING;
	char key[64];

	job_key(step, undo, key);
	step->plugin = act->plugin;
	free(step->input);
	step->input = run_input_make(step, act->options, undo, key);
	step->pending = true;
	return step->input ? 0 : ERR_NOMEM;
}

/* An attempt that failed may be repeated: what certainly failed always, what may have been done
 * only when that does no harm. */
static bool may_retry(const struct run_step *step, enum action_outcome outcome, int code)
{
	const struct step_options *options = rule_of(step)->options;
	bool is_script = step->plugin->recover != NULL;

	if (step->attempt > options->retry.times)
		return false;
	switch (outcome) {
	case ACTION_OK:
		return false;
	case ACTION_FAILED:
		return is_script; /* a request was refused for good */
	case ACTION_RETRY:
		return code != 0 || options->idempotent; /* no answer: it may have been received */
	case ACTION_TIMED_OUT:
	case ACTION_UNKNOWN:
		break;
	}
	return options->idempotent;
}

static void retry_later(struct run_step *step)
{
	const struct retry_options *retry = &rule_of(step)->options->retry;
	int64_t wait_ms = retry->backoff_ms;

	for (uint32_t i = 1; i < step->attempt && wait_ms < retry->max_backoff_ms; i++)
		wait_ms *= 2;
	if (wait_ms > retry->max_backoff_ms)
		wait_ms = retry->max_backoff_ms;
	step->retry_ms = step->run->runs->actions->now_ms + wait_ms;
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

/* Certain: the crash came between intent and start. */
static void never_started(struct run_step *step)
{
	struct run *run = step->run;

	if (step->undo == STEP_RUNNING) {
		step->undo = STEP_WAITING;
		run_advance(run);
		return;
	}
	step->state = STEP_WAITING;
	step->started_ms = TIME_NONE;
	step->attempt -= step->attempt > 0;
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].state == STEP_RUNNING) {
			run_advance(run);
			return;
		}
	run_requeue(run);
}

static void undo_ended(struct run_step *step, const struct action_result *result)
{
	step->undo = state_of(result->outcome);
	text_fit(step->undo_message, sizeof(step->undo_message),
		 result->message ? result->message : "");
	run_advance(step->run);
}

static void take_result(struct run_step *step, const struct action_result *result)
{
	const char *message = result->message ? result->message : "";

	step->try = NULL;
	if (result->outcome == ACTION_UNKNOWN && strcmp(message, ACTION_NEVER_STARTED) == 0) {
		never_started(step);
		return;
	}
	if (step->plugin->forget)
		job_id(step, step->undo == STEP_RUNNING, step->forget);
	if (step->undo == STEP_RUNNING) {
		undo_ended(step, result);
		return;
	}
	step->exit = result->code;
	text_fit(step->message, sizeof(step->message), message);
	run_output_set(step->run, step, text_dup(result->output), text_dup(result->error_output));
	if (may_retry(step, result->outcome, result->code))
		retry_later(step);
	else
		step_end(step, state_of(result->outcome), message);
	run_advance(step->run);
}

static void on_result(void *ctx, const struct action_result *result)
{
	struct run_step *step = ctx;
	struct actions *actions = step->run->runs->actions;

	actions_enter(actions);
	take_result(step, result);
	actions_leave(actions);
}

static void failed_to_start(struct run_step *step, int code)
{
	char message[128];
	struct action_result result = { .outcome = ACTION_FAILED,
					.message = message,
					.retry_after_ms = -1 };

	snprintf(message, sizeof(message), "cannot be started: %s", error_text(code));
	take_result(step, &result);
}

/* What its templates see: what the annotations of the alert see. */
static void try_start(struct run_step *step)
{
	struct run *run = step->run;
	struct actions *actions = run->runs->actions;
	const struct step_act *act = act_of(step);
	char id[64], url[1024], *input = step->input;

	job_id(step, step->undo == STEP_RUNNING, id);
	step->input = NULL;
	snprintf(url, sizeof(url), SLICE_FMT, SLICE_ARG(run->config->external_url));
	const struct template_data data = { .labels = run->trigger.expr,
					    .value = run->trigger.value,
					    .external_labels = run->config->external_labels,
					    .external_url = url,
					    .active_at_ms = run->trigger.starts_ms,
					    .evidence = run->trigger.evidence };
	struct action_job job = { .id = id,
				  .attempt = step->attempt,
				  .now_ms = actions->now_ms,
				  .body = slice_from(input),
				  .is_step = true,
				  .data = &data };
	int code = act->plugin->start(&actions->options.host, act->options, &job, on_result, step,
				      &step->try);

	free(input);
	actions->stats.scripts_started += code == 0 && act->plugin->recover;
	if (code)
		failed_to_start(step, code);
}

static void notify_start(struct run_step *step)
{
	int code = run_notify(step->run, step, rule_of(step)->receiver);

	step_end(step, code ? STEP_FAILED : STEP_OK, code ? error_text(code) : "told");
	run_advance(step->run);
}

/* Between two of them the run may come to its end. */
void run_steps_saved(struct run *run)
{
	for (uint32_t i = 0; i < run->nsteps; i++) {
		struct run_step *step = &run->steps[i];

		if (step->forget[0])
			step->plugin->forget(&run->runs->actions->options.host, step->forget);
		step->forget[0] = '\0';
	}
	for (uint32_t i = 0; i < run->nsteps && run->state == RUN_RUNNING && run->token == 0; i++) {
		struct run_step *step = &run->steps[i];

		if (!step->pending)
			continue;
		step->pending = false;
		if (rule_of(step)->kind == STEP_NOTIFY)
			notify_start(step);
		else
			try_start(step);
	}
}

/* ---- beginning ---- */

static void try_begin(struct run_step *step)
{
	step->attempt++;
	step->retry_ms = TIME_NONE;
	if (try_prepare(step))
		step_end(step, STEP_FAILED, "cannot be started: out of memory");
}

static void step_begin(struct run_step *step, const struct runbook_step *rule)
{
	step->state = STEP_RUNNING;
	step->started_ms = step->run->runs->actions->now_ms;
	step->message[0] = '\0';
	switch (rule->kind) {
	case STEP_ACT:
		try_begin(step);
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

/* ---- rollback ---- */

/* What ended well and is not undone yet; the last of them. NULL: none. */
static struct run_step *undo_next(struct run *run, const struct runbook *runbook)
{
	struct run_step *last = NULL;

	for (uint32_t at = 0; at < run->nsteps; at++) {
		struct run_step *step = &run->steps[runbook->order[at]];

		if (step->state == STEP_OK && step->undo == STEP_WAITING &&
		    runbook->steps[number_of(step)].undo.plugin &&
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

static void roll_back(struct run *run, const struct runbook *runbook, const struct run_step *cause)
{
	char text[RUN_REASON_BYTES];
	const struct run_step *failed = undo_failed(run);
	struct run_step *next = failed ? NULL : undo_next(run, runbook);

	if (next) {
		next->undo = STEP_RUNNING;
		if (try_prepare(next) == 0) {
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
		    (has_failed(step) &&
		     runbook->steps[i].options->on_failure != ON_FAILURE_CONTINUE))
			return step;
	}
	return NULL;
}

static void conclude(struct run *run, const struct runbook *runbook)
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
		roll_back(run, runbook, cause);
	else
		conclude(run, runbook);
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
	try_begin(step);
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

/* What became of the attempt under way? 0: the answer comes by on_result(). */
static int try_recover(struct run_step *step)
{
	struct actions *actions = step->run->runs->actions;
	const struct step_act *act = act_of(step);
	char id[64];

	step->plugin = act->plugin;
	job_id(step, step->undo == STEP_RUNNING, id);
	struct action_job job = {
		.id = id, .attempt = step->attempt, .now_ms = actions->now_ms, .is_step = true
	};

	return act->plugin && act->plugin->recover
		       ? act->plugin->recover(&actions->options.host, act->options, &job, on_result,
					      step, &step->try)
		       : ERR_UNSUPPORTED;
}

static void act_resume(struct run_step *step)
{
	if (step->retry_ms != TIME_NONE)
		return; /* between two attempts */
	if (step->attempt == 0)
		step->attempt = 1; /* the record of an older version */
	if (try_recover(step) == 0)
		return;
	if (may_retry(step, ACTION_UNKNOWN, 0))
		retry_later(step);
	else
		step_end(step, STEP_UNKNOWN, END_NOT_SEEN);
}

static void undo_resume(struct run_step *step)
{
	if (try_recover(step) == 0)
		return;
	step->undo = STEP_UNKNOWN;
	text_fit(step->undo_message, sizeof(step->undo_message), END_NOT_SEEN);
}

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
			act_resume(step);
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
