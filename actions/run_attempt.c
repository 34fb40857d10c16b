/*
 * The attempts of a step: prepared, journaled, then started; what comes of them; and those that
 * were under way when the daemon ended.
 */
#include "actions/runs_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define END_NOT_SEEN "its end was not seen"

/*
 * A job's id. The runner starts none twice: further attempts of a script have ids of their own. A
 * request keeps its id, so that its receiver recognises the repeat.
 */
static void job_id(const struct run_step *step, bool undo, char id[64])
{
	size_t n = (size_t)snprintf(id, 64, "%s-%u%s", step->run->id, step_number(step),
				    undo ? "-u" : "");

	if (!undo && step->attempt > 1 && step->plugin->recover)
		snprintf(id + n, 64 - n, "-%u", step->attempt);
}

static void job_key(const struct run_step *step, bool undo, char key[64])
{
	snprintf(key, 64, "%s-%u%s", step->run->id, step_number(step), undo ? "-u" : "");
}

static const struct step_act *act_of(const struct run_step *step)
{
	const struct runbook_step *rule = step_rule(step);

	return step->undo == STEP_RUNNING ? &rule->undo : &rule->act;
}

int attempt_prepare(struct run_step *step)
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
	const struct step_options *options = step_rule(step)->options;
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
	const struct retry_options *retry = &step_rule(step)->options->retry;
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
	char id[64], *input = step->input;

	job_id(step, step->undo == STEP_RUNNING, id);
	step->input = NULL;
	const struct template_data data = { .labels = run->trigger.expr,
					    .value = run->trigger.value,
					    .external_labels = run->config->external_labels,
					    .external_url = run->config->external_url,
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
	int code = run_notify(step->run, step, step_rule(step)->receiver);

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
		if (step_rule(step)->kind == STEP_NOTIFY)
			notify_start(step);
		else
			try_start(step);
	}
}

void attempt_begin(struct run_step *step)
{
	step->attempt++;
	step->retry_ms = TIME_NONE;
	if (attempt_prepare(step))
		step_end(step, STEP_FAILED, "cannot be started: out of memory");
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

void attempt_resume(struct run_step *step)
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

void undo_resume(struct run_step *step)
{
	if (try_recover(step) == 0)
		return;
	step->undo = STEP_UNKNOWN;
	text_fit(step->undo_message, sizeof(step->undo_message), END_NOT_SEEN);
}
