/* A run's record in the journal: the whole of it, at each change. */
#include "actions/runs_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

static json_t *step_to_json(const struct run_step *step)
{
	json_t *object = json_pack("{ss ss si ss so so ss? ss? si so}", "id", step->id, "state",
				   step_state_text(step->state), "exit", step->exit, "message",
				   step->message, "started", time_to_json(step->started_ms),
				   "finished", time_to_json(step->finished_ms), "output",
				   step->output, "error_output", step->error_output, "attempt",
				   (int)step->attempt, "retry", time_to_json(step->retry_ms));

	if (object && step->undo != STEP_WAITING) {
		json_object_set_new(object, "undo", json_string(step_state_text(step->undo)));
		json_object_set_new(object, "undo_message", json_string(step->undo_message));
	}
	return object;
}

static json_t *steps_to_json(const struct run *run)
{
	json_t *steps = json_array();

	for (uint32_t i = 0; i < run->nsteps; i++)
		json_array_append_new(steps, step_to_json(&run->steps[i]));
	return steps;
}

static json_t *ladder_to_json(const struct run *run)
{
	json_t *ladder = json_array();

	for (uint32_t i = 0; i < run->nladder; i++)
		json_array_append_new(ladder, json_string(run->ladder[i]));
	return ladder;
}

/* As text: JSON has no infinity, and an alert on x / 0 has. */
static json_t *value_to_json(double value)
{
	struct buf text;

	buf_init(&text);
	number_format_f(value, &text);
	json_t *out = json_stringn(text.ptr ? text.ptr : "", text.len);

	buf_fini(&text);
	return out;
}

uint64_t run_save(const struct run *run, bool answer)
{
	json_t *target = run->target ? labels_to_json(run->target) : json_null();
	json_t *object = json_pack(
		"{ss ss ss ss so so so ss so so so so so so so}", "id", run->id, "runbook",
		run->runbook, "state", run_state_text(run->state), "reason", run->reason, "alert",
		labels_to_json(run->trigger.alert), "expr", labels_to_json(run->trigger.expr),
		"target", target, "rule", run->trigger.rule, "starts",
		time_to_json(run->trigger.starts_ms), "value", value_to_json(run->trigger.value),
		"steps", steps_to_json(run), "ladder", ladder_to_json(run), "created",
		time_to_json(run->created_ms), "queued_until", time_to_json(run->queued_until_ms),
		"finished", time_to_json(run->finished_ms));

	run->runs->series_dirty = true;
	return actions_record(run->runs->actions, RECORD_RUN, object, answer);
}

void runs_checkpoint(struct runs *runs)
{
	for (const struct run *run = runs->oldest; run; run = run->newer)
		run_save(run, false);
}

/* ---- reading ---- */

static enum run_state run_state_parse(const char *text)
{
	for (int i = 0; text && i < RUN_STATES; i++)
		if (strcmp(run_state_text((enum run_state)i), text) == 0)
			return (enum run_state)i;
	return RUN_UNKNOWN;
}

static enum step_state step_state_parse(const char *text)
{
	for (int i = 0; text && i < STEP_STATES; i++)
		if (strcmp(step_state_text((enum step_state)i), text) == 0)
			return (enum step_state)i;
	return STEP_UNKNOWN;
}

static char *dup_text(const json_t *object, const char *key)
{
	const char *text = json_text(object, key);

	return text ? strdup(text) : NULL;
}

static void step_restore(struct run *run, struct run_step *step, const json_t *object)
{
	text_fit(step->id, sizeof(step->id), json_text(object, "id"));
	step->state = step_state_parse(json_text(object, "state"));
	step->exit = (int)integer_from_json(json_object_get(object, "exit"), INT32_MIN, INT32_MAX);
	text_fit(step->message, sizeof(step->message), json_text(object, "message"));
	step->started_ms = time_from_json(json_object_get(object, "started"));
	step->finished_ms = time_from_json(json_object_get(object, "finished"));
	run_output_set(run, step, dup_text(object, "output"), dup_text(object, "error_output"));
	step->attempt = (uint32_t)integer_from_json(json_object_get(object, "attempt"), 0,
						    RUN_ATTEMPTS_MAX);
	step->retry_ms = time_from_json(json_object_get(object, "retry"));
	if (json_object_get(object, "undo"))
		step->undo = step_state_parse(json_text(object, "undo"));
	text_fit(step->undo_message, sizeof(step->undo_message), json_text(object, "undo_message"));
}

static void steps_restore(struct run *run, const json_t *steps)
{
	const json_t *item;
	size_t i, n = json_array_size(steps);

	if (n == 0 || n > RUNBOOK_STEPS_MAX || run_steps_alloc(run, (uint32_t)n))
		return;
	json_array_foreach (steps, i, item) {
		step_restore(run, &run->steps[i], item);
	}
}

static void ladder_restore(struct run *run, const json_t *ladder)
{
	const json_t *item;
	size_t i;

	run->ladder = calloc(json_array_size(ladder) + 1, sizeof(*run->ladder));
	json_array_foreach (ladder, i, item) {
		if (run->ladder && json_is_string(item) &&
		    (run->ladder[run->nladder] = strdup(json_string_value(item))))
			run->nladder++;
	}
}

/* The alert need not be looked at again: what it gave rise to is known. Its record has the
 * evidence.
 */
static void mark_alert(struct run *run)
{
	struct active_alert *alert = alert_find(run->runs->actions, run->trigger.alert);

	if (!alert || alert->starts_ms != run->trigger.starts_ms)
		return;
	alert->is_fresh = false;
	if (alert->evidence && !run->trigger.evidence)
		run->trigger.evidence = evidence_ref(alert->evidence);
}

/* The ladder that led to this run has gone on. */
static void mark_ladder(const struct run *run)
{
	for (struct run *other = run->older; other; other = other->older)
		if (other->nladder > 0 && strcmp(other->ladder[0], run->runbook) == 0 &&
		    other->trigger.starts_ms == run->trigger.starts_ms &&
		    labels_is_equal(other->trigger.alert, run->trigger.alert))
			run_ladder_drop(other);
}

/* False: it makes no sense without what is missing. */
static bool run_restore(struct run *run, const json_t *object)
{
	const json_t *target = json_object_get(object, "target");
	const char *value = json_text(object, "value");

	text_fit(run->reason, sizeof(run->reason), json_text(object, "reason"));
	run->state = run_state_parse(json_text(object, "state"));
	run->trigger.alert = labels_from_json(json_object_get(object, "alert"));
	run->trigger.expr = labels_from_json(json_object_get(object, "expr"));
	run->target = json_is_object(target) ? labels_from_json(target) : NULL;
	run->target_text = run->target ? run_target_text(run->target) : NULL;
	run->trigger.rule = dup_text(object, "rule");
	run->trigger.starts_ms = time_from_json(json_object_get(object, "starts"));
	if (!value || number_parse(slice_from(value), &run->trigger.value))
		run->trigger.value = number_nan();
	run->created_ms = time_from_json(json_object_get(object, "created"));
	run->queued_until_ms = time_from_json(json_object_get(object, "queued_until"));
	run->finished_ms = time_from_json(json_object_get(object, "finished"));
	if (run_is_finished(run) && run->finished_ms == TIME_NONE)
		run->finished_ms = run->created_ms;
	steps_restore(run, json_object_get(object, "steps"));
	ladder_restore(run, json_object_get(object, "ladder"));
	return run->trigger.alert && run->trigger.expr && run->trigger.rule && run->ladder &&
	       ((run->nsteps > 0 && run->target) || run->state != RUN_RUNNING);
}

static struct run *find_id(const struct runs *runs, const char *id)
{
	struct run *run = runs->newest;

	while (run && strcmp(run->id, id) != 0)
		run = run->older;
	return run;
}

void runs_restore(struct runs *runs, struct slice payload)
{
	json_t *object = record_parse(payload);
	const char *id = json_text(object, "id"), *runbook = json_text(object, "runbook");
	struct run *old = id ? find_id(runs, id) : NULL;
	const char *dash = id ? strrchr(id, '-') : NULL;
	unsigned long long number;

	if (old)
		run_free(old);
	runs_forget_old(runs); /* a journal may hold more than is kept */
	struct run *run =
		id && strlen(id) < sizeof(run->id) && runbook ? run_new(runs, runbook) : NULL;

	if (run) {
		strcpy(run->id, id);
		run->was_told = true;
		if (dash && sscanf(dash, "-r%llu", &number) == 1 && number >= runs->next_id)
			runs->next_id = number + 1;
		if (run_restore(run, object)) {
			mark_alert(run);
			mark_ladder(run);
		} else {
			run_free(run);
		}
	}
	json_decref(object);
}
