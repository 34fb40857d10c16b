/* What a step is told on its standard input. */
#include "actions/runs_internal.h"

#include <stdio.h>

static json_t *steps_to_json(const struct run *run)
{
	json_t *steps = json_object();

	for (uint32_t i = 0; i < run->nsteps; i++) {
		const struct run_step *step = &run->steps[i];

		if (step_has_ended(step))
			json_object_set_new(
				steps, step->id,
				json_pack("{ss si so}", "state", step_state_text(step->state),
					  "exit", step->exit, "output", step_output_json(step)));
	}
	return steps;
}

static json_t *text_to_json(const struct buf *text)
{
	return json_stringn(text->ptr ? text->ptr : "", text->len);
}

static json_t *time_text(int64_t ms)
{
	struct buf text;

	buf_init(&text);
	time_format_rfc3339(ms, &text);
	json_t *out = text_to_json(&text);

	buf_fini(&text);
	return out;
}

static json_t *value_text(double value)
{
	struct buf text;

	buf_init(&text);
	number_format_f(value, &text);
	json_t *out = text_to_json(&text);

	buf_fini(&text);
	return out;
}

static json_t *alert_to_json(const struct run *run)
{
	return json_pack(
		"{so so so so so}", "labels", labels_to_json(run->trigger.alert), "expr_labels",
		labels_to_json(run->trigger.expr), "fingerprint",
		json_sprintf("%016llx", (unsigned long long)labels_fingerprint(run->trigger.alert)),
		"value", value_text(run->trigger.value), "startsAt",
		time_text(run->trigger.starts_ms));
}

static json_t *evidence_to_json(const struct evidence *evidence)
{
	struct json_writer w;
	struct buf text;

	buf_init(&text);
	json_writer_init(&w, &text);
	evidence_json(evidence, &w);
	json_t *object = json_loadb(text.ptr ? text.ptr : "", text.len, 0, NULL);

	buf_fini(&text);
	return object;
}

char *run_input_make(const struct run_step *step, const struct step_options *options, bool undo,
		     const char *key)
{
	const struct run *run = step->run;
	int64_t deadline_ms = run->runs->actions->now_ms + options->timeout_ms;
	json_t *object = json_pack(
		"{si ss ss ss ss sb si so ss so ss so so so so}", "version", 1, "key", key, "run",
		run->id, "runbook", run->runbook, "step", step->id, "undo", (int)undo, "attempt",
		undo ? 1 : (int)step->attempt, "deadline", time_text(deadline_ms), "mode", "auto",
		"alert", alert_to_json(run), "rule", run->trigger.rule, "target",
		labels_to_json(run->target), "parameters", json_object(), "steps",
		steps_to_json(run), "evidence", evidence_to_json(run->trigger.evidence));
	char *out = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return out;
}
