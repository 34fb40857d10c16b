/*
 * Runbook runs: from a firing alert to a script's end.
 *
 *   (firing) ──► gates ──► REFUSED | SUGGESTED
 *                  │ └───► QUEUED ──► (gates again) …
 *                  ▼
 *               RUNNING: step after step ──► RECOVERED | FAILED | UNKNOWN
 *
 * A step's intent is journaled and durable before its script is started, its result after; a script is started at most once.
 * After a restart a step whose end nobody saw is UNKNOWN and ends its run; one that certainly was never started leaves
 * its run QUEUED, and all gates are asked again.
 *
 * `run:` is a ladder: the next runbook is tried only when the one before did not end RECOVERED.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "actions/actions_internal.h"
#include "base/error.h"
#include "base/log.h"

#define HOUR_MS (3600ll * 1000)
#define RUNBOOKS_OF_ALERT_MAX 16

enum run_state { RUN_SUGGESTED, RUN_QUEUED, RUN_RUNNING, RUN_RECOVERED, RUN_FAILED, RUN_REFUSED, RUN_UNKNOWN };
static const char *const run_states[] = { "suggested", "queued", "running", "recovered", "failed", "refused", "unknown" };
#define RUN_STATES 7

enum step_state { STEP_WAITING, STEP_RUNNING, STEP_OK, STEP_FAILED, STEP_TIMED_OUT, STEP_UNKNOWN, STEP_SKIPPED };
static const char *const step_states[] = { "waiting", "running", "ok", "failed", "timed_out", "unknown", "skipped" };
#define STEP_STATES 7

struct run_step {
	char id[40];
	enum step_state state;
	int exit;
	char message[256];
	int64_t started_ms, finished_ms;
	char *output, *error_output;
};

struct run {
	struct run *newer, *older;
	struct runs *runs;
	char id[48];
	char *runbook;
	enum run_state state;
	char reason[128];
	struct labels *alert, *expr, *target; /* target NULL: it has none */
	char *target_text;                    /* {instance="a"}: the lock's name */
	char *rule;
	int64_t starts_ms; /* of the episode */
	double value;
	char **ladder; /* runbooks to try after this one */
	uint32_t nladder;
	struct run_step steps[RUNBOOK_STEPS_MAX];
	uint32_t nsteps, step; /* step: the one under way or next */
	int64_t created_ms, queued_until_ms, finished_ms;
	bool settled, held;
	uint64_t token;
	struct action_attempt *attempt;
	const struct action_plugin *plugin; /* of the attempt */
	struct actions_config *config;      /* while RUNNING: what it runs by */
	char *input;                        /* of the step under way */
};

struct runs {
	struct actions *actions;
	struct run *newest, *oldest;
	uint32_t n, active; /* active: QUEUED or RUNNING */
	uint64_t next_id;
	bool dirty; /* a queued run may have become free to go */
};

static bool is_finished(const struct run *run)
{
	return run->state != RUN_QUEUED && run->state != RUN_RUNNING;
}

static bool has_acted(const struct run *run)
{
	return run->state == RUN_RECOVERED || run->state == RUN_FAILED || run->state == RUN_UNKNOWN;
}

/* ---- life ---- */

int runs_new(struct actions *actions, struct runs **out)
{
	struct runs *runs = calloc(1, sizeof(*runs));

	if (!runs)
		return ERR_NOMEM;
	runs->actions = actions;
	runs->next_id = 1;
	*out = runs;
	return 0;
}

static void run_link(struct runs *runs, struct run *run)
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

static void run_free(struct run *run)
{
	struct runs *runs = run->runs;

	*(run->newer ? &run->newer->older : &runs->newest) = run->older;
	*(run->older ? &run->older->newer : &runs->oldest) = run->newer;
	runs->n--;
	if (run->attempt)
		run->plugin->cancel(run->attempt);
	for (uint32_t i = 0; i < run->nsteps; i++) {
		free(run->steps[i].output);
		free(run->steps[i].error_output);
	}
	for (uint32_t i = 0; i < run->nladder; i++)
		free(run->ladder[i]);
	free(run->ladder);
	labels_unref(run->alert);
	labels_unref(run->expr);
	labels_unref(run->target);
	actions_config_unref(run->config);
	free(run->target_text);
	free(run->runbook);
	free(run->rule);
	free(run->input);
	free(run);
}

void runs_free(struct runs *runs)
{
	while (runs->newest)
		run_free(runs->newest);
	free(runs);
}

static void forget_old(struct runs *runs)
{
	for (struct run *run = runs->oldest, *newer; run && runs->n > RUNS_KEPT; run = newer) {
		newer = run->newer;
		if (is_finished(run))
			run_free(run);
	}
}

/* ---- journal ---- */

static json_t *step_to_json(const struct run_step *step)
{
	return json_pack("{ss ss si ss so so ss? ss?}", "id", step->id, "state", step_states[step->state], "exit", step->exit, "message", step->message,
			 "started", time_to_json(step->started_ms), "finished", time_to_json(step->finished_ms), "output", step->output,
			 "error_output", step->error_output);
}

static uint64_t save(const struct run *run, bool answer)
{
	json_t *steps = json_array(), *ladder = json_array();

	for (uint32_t i = 0; i < run->nsteps; i++)
		json_array_append_new(steps, step_to_json(&run->steps[i]));
	for (uint32_t i = 0; i < run->nladder; i++)
		json_array_append_new(ladder, json_string(run->ladder[i]));
	json_t *object = json_pack("{ss ss ss ss so so so ss so sf}", "id", run->id, "runbook", run->runbook, "state", run_states[run->state], "reason",
				   run->reason, "alert", labels_to_json(run->alert), "expr", labels_to_json(run->expr), "target",
				   run->target ? labels_to_json(run->target) : json_null(), "rule", run->rule, "starts",
				   time_to_json(run->starts_ms), "value", run->value == run->value ? run->value : 0.0);

	json_t *rest = json_pack("{so so so so so sb}", "steps", steps, "ladder", ladder, "created", time_to_json(run->created_ms),
						 "queued_until", time_to_json(run->queued_until_ms), "finished", time_to_json(run->finished_ms),
						 "settled", run->settled);
	if (!object || !rest || json_object_update(object, rest)) {
		json_decref(object);
		object = NULL;
	}
	json_decref(rest);
	return actions_record(run->runs->actions, RECORD_RUN, object, answer);
}

/* ---- making one ---- */

static char *target_text(const struct labels *target)
{
	struct buf text;

	buf_init(&text);
	labels_format(target, &text);
	return buf_take(&text);
}

/* The labels that the runbook acts upon, from the expression's result; NULL when one is missing. */
static struct labels *target_of(const struct runbook *runbook, const struct labels *expr)
{
	struct labels_builder builder;
	struct labels *target = NULL;
	bool whole = true;

	labels_builder_init(&builder);
	for (uint32_t i = 0; i < runbook->ntarget; i++) {
		struct slice value = labels_get(expr, runbook->target[i]);

		whole = whole && value.len > 0;
		labels_builder_set(&builder, runbook->target[i], value);
	}
	if (!whole || labels_builder_take(&builder, &target, NULL))
		target = NULL;
	labels_builder_fini(&builder);
	return target;
}

static void steps_take(struct run *run, const struct runbook *runbook)
{
	run->nsteps = runbook->nsteps;
	for (uint32_t i = 0; i < runbook->nsteps; i++) {
		run->steps[i] = (struct run_step){ .started_ms = TIME_NONE, .finished_ms = TIME_NONE };
		snprintf(run->steps[i].id, sizeof(run->steps[i].id), SLICE_FMT, SLICE_ARG(runbook->steps[i].id));
	}
}

static struct run *run_new(struct runs *runs, const char *runbook)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run || !(run->runbook = strdup(runbook))) {
		free(run);
		return NULL;
	}
	run->created_ms = runs->actions->now_ms;
	run->queued_until_ms = run->finished_ms = TIME_NONE;
	snprintf(run->id, sizeof(run->id), "%s-r%llu", runs->actions->options.instance, (unsigned long long)runs->next_id++);
	run_link(runs, run);
	return run;
}

/* ---- gates ---- */

enum verdict { GATE_OPEN, GATE_WAIT, GATE_REFUSE };

/* In the order that interfaces promise. The first that is not open says why. */
static enum verdict ask_gates(const struct run *run, const struct runbook *runbook, const char **reason)
{
	struct actions *actions = run->runs->actions;
	const struct actions_config *config = actions->config;
	const struct active_alert *alert = alert_find(actions, run->alert);
	int64_t now_ms = actions->now_ms, acted_hour = 0, target_hour = 0, all_hour = 0, running = 0;
	bool locked = false, cooling = false;

	for (const struct run *other = run->runs->newest; other; other = other->older) {
		bool same_target = other->target_text && run->target_text && strcmp(other->target_text, run->target_text) == 0;
		bool same_runbook = strcmp(other->runbook, run->runbook) == 0;

		if (other == run)
			continue;
		running += other->state == RUN_RUNNING;
		locked = locked || (other->state == RUN_RUNNING && same_target);
		if (!has_acted(other) && other->state != RUN_RUNNING)
			continue;
		int64_t end_ms = other->finished_ms == TIME_NONE ? now_ms : other->finished_ms;

		cooling = cooling || (same_runbook && same_target && end_ms + runbook->cooldown_ms > now_ms && has_acted(other));
		all_hour += end_ms + HOUR_MS > now_ms;
		acted_hour += same_runbook && end_ms + HOUR_MS > now_ms;
		target_hour += same_runbook && same_target && end_ms + HOUR_MS > now_ms;
	}
	const struct {
		bool closed;
		enum verdict verdict;
		const char *reason;
	} gates[] = {
		{ config->freeze, GATE_REFUSE, "frozen" },
		{ runbook->mode == RUNBOOK_DISABLED, GATE_REFUSE, "disabled" },
		{ actions_silenced_by(actions, run->alert, now_ms) != NULL, GATE_REFUSE, "suppressed" },
		{ !run->settled, GATE_WAIT, "unsettled" },
		{ run->held, GATE_REFUSE, "sender silent" },
		{ !run->target, GATE_REFUSE, "no_target" },
		{ locked, GATE_WAIT, "locked" },
		{ cooling, GATE_REFUSE, "cooldown" },
		{ target_hour >= runbook->per_target_per_hour || acted_hour >= runbook->per_hour || all_hour >= config->per_hour, GATE_REFUSE, "budget" },
		{ running >= config->max_running, GATE_WAIT, "in flight" },
		{ !alert || alert->ends_ms != TIME_NONE || alert->starts_ms != run->starts_ms, GATE_REFUSE, "trigger gone" },
	};

	for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++)
		if (gates[i].closed) {
			*reason = gates[i].reason;
			return gates[i].verdict;
		}
	*reason = "";
	return GATE_OPEN;
}

/* ---- steps ---- */

static void run_begin_step(struct run *run);
static void ladder_next(struct run *run);

static void run_finish(struct run *run, enum run_state state, const char *reason)
{
	struct runs *runs = run->runs;
	struct actions *actions = runs->actions;

	if (!is_finished(run))
		runs->active--;
	run->state = state;
	run->finished_ms = actions->now_ms;
	snprintf(run->reason, sizeof(run->reason), "%s", reason);
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].state == STEP_WAITING)
			run->steps[i].state = STEP_SKIPPED;
	free(run->input);
	run->input = NULL;
	actions_config_unref(run->config);
	run->config = NULL;
	actions->stats.runs_refused += state == RUN_REFUSED;
	actions->stats.runs_failed += state == RUN_FAILED || state == RUN_UNKNOWN;
	save(run, false);
	log_info("runbook", run_states[state], "run=%s runbook=%s target=%s reason=%s", run->id, run->runbook,
		 log_quote(slice_from(run->target_text ? run->target_text : "none")), log_quote(slice_from(reason)));
	runs->dirty = true;
	if (state != RUN_RECOVERED && state != RUN_SUGGESTED)
		ladder_next(run);
}

static json_t *output_to_json(const struct run_step *step)
{
	const char *text = step->output ? step->output : "";
	json_t *object = json_loads(text, 0, NULL);

	if (json_is_object(object))
		return object;
	json_decref(object);
	return json_pack("{ss}", "text", text);
}

static char *input_make(const struct run *run, const struct runbook *runbook, const char *key)
{
	const struct step_options *options = runbook->steps[run->step].options;
	json_t *steps = json_object();

	for (uint32_t i = 0; i < run->step; i++)
		json_object_set_new(steps, run->steps[i].id,
				    json_pack("{ss si so}", "state", step_states[run->steps[i].state], "exit", run->steps[i].exit, "output",
					      output_to_json(&run->steps[i])));
	char fingerprint[20], value[40];
	struct buf text;

	snprintf(fingerprint, sizeof(fingerprint), "%016llx", (unsigned long long)labels_fingerprint(run->alert));
	buf_init(&text);
	number_format_f(run->value, &text);
	snprintf(value, sizeof(value), "%s", text.ptr ? text.ptr : "");
	buf_clear(&text);
	time_format_rfc3339(run->starts_ms, &text);
	json_t *alert = json_pack("{so so ss ss ss}", "labels", labels_to_json(run->alert), "expr_labels", labels_to_json(run->expr), "fingerprint",
				  fingerprint, "value", value, "startsAt", text.ptr ? text.ptr : "");

	buf_clear(&text);
	time_format_rfc3339(run->runs->actions->now_ms + options->timeout_ms, &text);
	json_t *object = json_pack("{si ss ss ss ss si ss ss so ss so so so so}", "version", 1, "key", key, "run", run->id, "runbook", run->runbook, "step",
				   run->steps[run->step].id, "attempt", 1, "deadline", text.ptr ? text.ptr : "", "mode", "auto", "alert", alert,
				   "rule", run->rule, "target", labels_to_json(run->target), "parameters", json_object(), "steps", steps,
				   "evidence", json_object());
	char *out = object ? json_dumps(object, JSON_COMPACT) : NULL;

	buf_fini(&text);
	json_decref(object);
	return out;
}

static void job_id(const struct run *run, char id[64])
{
	snprintf(id, 64, "%s-%u", run->id, run->step);
}

static char *text_dup(struct slice text)
{
	/* Records are JSON: what is no UTF-8 is told apart from nothing. */
	return slice_is_utf8(text) && !memchr(text.ptr ? text.ptr : "", '\0', text.len) ? slice_dup(text) : strdup("(binary)");
}

static void take_result(struct run *run, const struct action_result *result)
{
	struct actions *actions = run->runs->actions;
	struct run_step *step = &run->steps[run->step];
	char id[64];

	run->attempt = NULL;
	job_id(run, id);
	if (result->outcome == ACTION_UNKNOWN && strcmp(result->message, ACTION_NEVER_STARTED) == 0) {
		/* Certain: the crash came between intent and start. */
		*step = (struct run_step){ .started_ms = TIME_NONE, .finished_ms = TIME_NONE };
		snprintf(step->id, sizeof(step->id), SLICE_FMT, SLICE_ARG(runbook_find(run->config, slice_from(run->runbook))->steps[run->step].id));
		run->state = RUN_QUEUED;
		run->runs->dirty = true;
		return;
	}
	step->exit = result->code;
	step->finished_ms = actions->now_ms;
	snprintf(step->message, sizeof(step->message), "%s", result->message ? result->message : "");
	free(step->output);
	free(step->error_output);
	step->output = text_dup(result->output);
	step->error_output = text_dup(result->error_output);
	step->state = result->outcome == ACTION_OK	    ? STEP_OK
		      : result->outcome == ACTION_TIMED_OUT ? STEP_TIMED_OUT
		      : result->outcome == ACTION_UNKNOWN   ? STEP_UNKNOWN
							    : STEP_FAILED;
	free(run->input);
	run->input = NULL;
	if (run->plugin->forget) {
		save(run, false); /* before the helper forgets it */
		run->plugin->forget(&actions->options.host, id);
	}
	if (step->state == STEP_OK && run->step + 1 < run->nsteps) {
		run->step++;
		run_begin_step(run);
		return;
	}
	if (step->state == STEP_OK)
		run_finish(run, RUN_RECOVERED, "all steps ended well");
	else if (step->state == STEP_UNKNOWN)
		run_finish(run, RUN_UNKNOWN, step->message);
	else
		run_finish(run, RUN_FAILED, step->message);
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
	struct action_result result = { .outcome = ACTION_FAILED, .message = error_text(code), .retry_after_ms = -1 };

	take_result(run, &result);
}

/* The intent goes to the journal; the script starts when it is there. */
static void run_begin_step(struct run *run)
{
	struct actions *actions = run->runs->actions;
	const struct runbook *runbook = runbook_find(run->config, slice_from(run->runbook));
	char id[64];

	job_id(run, id);
	run->plugin = runbook->steps[run->step].plugin;
	run->input = input_make(run, runbook, id);
	run->steps[run->step].state = STEP_RUNNING;
	run->steps[run->step].started_ms = actions->now_ms;
	if (!run->input)
		step_failed_to_start(run, ERR_NOMEM);
	else
		run->token = save(run, true);
}

bool runs_durable(struct runs *runs, uint64_t token)
{
	struct run *run = runs->newest;

	while (run && run->token != token)
		run = run->older;
	if (!run)
		return false;
	struct actions *actions = runs->actions;
	const struct runbook_step *step = &runbook_find(run->config, slice_from(run->runbook))->steps[run->step];
	char id[64];

	run->token = 0;
	job_id(run, id);
	struct action_job job = { .id = id, .attempt = 1, .now_ms = actions->now_ms, .body = slice_from(run->input), .is_step = true };
	int code = run->plugin->start(&actions->options.host, step->options, &job, on_result, run, &run->attempt);

	actions->stats.scripts_started += code == 0;
	if (code)
		step_failed_to_start(run, code);
	return true;
}

/* ---- from event to run ---- */

/* Asks the gates of a new or queued run. */
static void run_try(struct run *run)
{
	struct runs *runs = run->runs;
	struct actions *actions = runs->actions;
	const struct runbook *runbook = runbook_find(actions->config, slice_from(run->runbook));
	const char *reason;

	if (!runbook) {
		run_finish(run, RUN_REFUSED, "the runbook is gone");
		return;
	}
	enum verdict verdict = ask_gates(run, runbook, &reason);

	if (verdict == GATE_OPEN && runbook->mode == RUNBOOK_SUGGEST) {
		run_finish(run, RUN_SUGGESTED, "mode suggest: nothing was done");
		return;
	}
	if (verdict == GATE_WAIT) {
		if (run->queued_until_ms == TIME_NONE)
			run->queued_until_ms = actions->now_ms + runbook->queue_for_ms;
		if (actions->now_ms < run->queued_until_ms) {
			if (strcmp(run->reason, reason) != 0) {
				snprintf(run->reason, sizeof(run->reason), "%s", reason);
				save(run, false);
			}
			return;
		}
		verdict = GATE_REFUSE;
	}
	if (verdict == GATE_REFUSE) {
		run_finish(run, RUN_REFUSED, reason);
		return;
	}
	actions_config_unref(run->config);
	run->config = actions_config_ref(actions->config);
	run->state = RUN_RUNNING;
	run->reason[0] = '\0';
	if (run->step == 0)
		steps_take(run, runbook);
	log_info("runbook", "running", "run=%s runbook=%s target=%s", run->id, run->runbook, log_quote(slice_from(run->target_text)));
	run_begin_step(run);
}

static void start(struct runs *runs, const struct labels *alert, const struct labels *expr, const char *rule, int64_t starts_ms, double value,
		  bool settled, bool held, char *const *names, uint32_t n)
{
	struct run *run = run_new(runs, names[0]);
	const struct runbook *runbook = runbook_find(runs->actions->config, slice_from(names[0]));

	if (!run)
		return;
	run->alert = labels_ref((struct labels *)alert);
	run->expr = labels_ref((struct labels *)expr);
	run->rule = strdup(rule ? rule : "");
	run->starts_ms = starts_ms;
	run->value = value;
	run->settled = settled;
	run->held = held;
	run->state = RUN_QUEUED;
	runs->active++;
	runs->actions->stats.runs++;
	run->ladder = calloc(n, sizeof(*run->ladder));
	for (uint32_t i = 1; run->ladder && i < n; i++)
		if ((run->ladder[run->nladder] = strdup(names[i])))
			run->nladder++;
	run->target = runbook ? target_of(runbook, expr) : NULL;
	run->target_text = run->target ? target_text(run->target) : NULL;
	if (runbook)
		steps_take(run, runbook);
	run_try(run);
}

static void ladder_next(struct run *run)
{
	if (run->nladder == 0)
		return;
	char **names = run->ladder;
	uint32_t n = run->nladder;

	run->ladder = NULL;
	run->nladder = 0;
	start(run->runs, run->alert, run->expr, run->rule, run->starts_ms, run->value, run->settled, run->held, names, n);
	for (uint32_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static bool has_run_for(const struct runs *runs, const struct active_alert *alert)
{
	for (const struct run *run = runs->newest; run; run = run->older)
		if (run->starts_ms == alert->starts_ms && labels_is_equal(run->alert, alert->labels))
			return true;
	return false;
}

void runs_on_firing(struct runs *runs, const struct active_alert *alert, const struct alert_event *event)
{
	const struct rule *rule = event->rules ? alert_event_rule(event) : NULL;
	char *names[RUNBOOKS_OF_ALERT_MAX];
	uint32_t n = 0;

	/* Once per episode. */
	if (!rule || rule->nrun == 0 || has_run_for(runs, alert))
		return;
	for (uint32_t i = 0; i < rule->nrun && n < RUNBOOKS_OF_ALERT_MAX; i++)
		if ((names[n] = slice_dup(rule->run[i])))
			n++;
	if (n)
		start(runs, alert->labels, alert->expr_labels, event->rule, alert->starts_ms, alert->value, event->settled, event->held, names, n);
	for (uint32_t i = 0; i < n; i++)
		free(names[i]);
}

void runs_on_refresh(struct runs *runs, const struct active_alert *alert, const struct alert_event *event)
{
	for (struct run *run = runs->active ? runs->newest : NULL; run; run = run->older)
		if (run->state == RUN_QUEUED && run->starts_ms == alert->starts_ms && labels_is_equal(run->alert, alert->labels)) {
			run->settled = event->settled;
			run->held = event->held;
			runs->dirty = true;
		}
}

void runs_on_resolved(struct runs *runs, const struct active_alert *alert)
{
	runs->dirty = true;
}

void runs_configure(struct runs *runs)
{
	runs->dirty = true;
}

static int64_t queued_priority(const struct run *run)
{
	const struct runbook *runbook = runbook_find(run->runs->actions->config, slice_from(run->runbook));

	return runbook ? runbook->priority : 0;
}

/* Queued ones in order of priority, then age. */
void runs_step(struct runs *runs)
{
	int64_t next_ms = runs_next_ms(runs);

	if (!runs->dirty && (next_ms == TIME_NONE || next_ms > runs->actions->now_ms))
		return;
	runs->dirty = false;
	for (int64_t priority = 9; priority >= 0 && runs->active; priority--)
		for (struct run *run = runs->oldest, *newer; run; run = newer) {
			newer = run->newer;
			if (run->state == RUN_QUEUED && queued_priority(run) == priority)
				run_try(run);
		}
	forget_old(runs);
}

int64_t runs_next_ms(const struct runs *runs)
{
	int64_t next_ms = TIME_NONE;

	for (const struct run *run = runs->active ? runs->newest : NULL; run; run = run->older)
		if (run->state == RUN_QUEUED)
			next_ms = time_earliest(next_ms, run->queued_until_ms);
	return runs->dirty ? runs->actions->now_ms : next_ms;
}

/* ---- restart and checkpoint ---- */

static int state_parse(const char *text, const char *const *names, int n, int otherwise)
{
	for (int i = 0; text && i < n; i++)
		if (strcmp(names[i], text) == 0)
			return i;
	return otherwise;
}

static struct run *find_id(const struct runs *runs, const char *id)
{
	struct run *run = runs->newest;

	while (run && strcmp(run->id, id) != 0)
		run = run->older;
	return run;
}

static void step_restore(struct run_step *step, const json_t *object)
{
	snprintf(step->id, sizeof(step->id), "%s", json_text(object, "id") ?: "");
	step->state = (enum step_state)state_parse(json_text(object, "state"), step_states, STEP_STATES, STEP_UNKNOWN);
	step->exit = (int)json_integer_value(json_object_get(object, "exit"));
	snprintf(step->message, sizeof(step->message), "%s", json_text(object, "message") ?: "");
	step->started_ms = time_from_json(json_object_get(object, "started"));
	step->finished_ms = time_from_json(json_object_get(object, "finished"));
	const char *output = json_text(object, "output"), *errors = json_text(object, "error_output");

	step->output = output ? strdup(output) : NULL;
	step->error_output = errors ? strdup(errors) : NULL;
}

static void run_restore(struct run *run, const json_t *object)
{
	const json_t *steps = json_object_get(object, "steps"), *ladder = json_object_get(object, "ladder"), *item;
	size_t i;

	snprintf(run->reason, sizeof(run->reason), "%s", json_text(object, "reason") ?: "");
	run->state = (enum run_state)state_parse(json_text(object, "state"), run_states, RUN_STATES, RUN_UNKNOWN);
	run->alert = labels_from_json(json_object_get(object, "alert"));
	run->expr = labels_from_json(json_object_get(object, "expr"));
	run->target = json_is_object(json_object_get(object, "target")) ? labels_from_json(json_object_get(object, "target")) : NULL;
	run->target_text = run->target ? target_text(run->target) : NULL;
	run->rule = strdup(json_text(object, "rule") ?: "");
	run->starts_ms = time_from_json(json_object_get(object, "starts"));
	run->value = json_number_value(json_object_get(object, "value"));
	run->created_ms = time_from_json(json_object_get(object, "created"));
	run->queued_until_ms = time_from_json(json_object_get(object, "queued_until"));
	run->finished_ms = time_from_json(json_object_get(object, "finished"));
	run->settled = json_is_true(json_object_get(object, "settled"));
	json_array_foreach(steps, i, item) {
		if (run->nsteps < RUNBOOK_STEPS_MAX)
			step_restore(&run->steps[run->nsteps++], item);
	}
	while (run->step + 1 < run->nsteps && run->steps[run->step].state == STEP_OK)
		run->step++;
	run->ladder = calloc(json_array_size(ladder) + 1, sizeof(*run->ladder));
	json_array_foreach(ladder, i, item) {
		if (run->ladder && json_is_string(item))
			run->ladder[run->nladder++] = strdup(json_string_value(item));
	}
}

void runs_restore(struct runs *runs, struct slice payload)
{
	json_t *object = record_parse(payload);
	const char *id = json_text(object, "id"), *runbook = json_text(object, "runbook");
	struct run *old = id ? find_id(runs, id) : NULL;
	unsigned long long number;
	const char *dash = id ? strrchr(id, '-') : NULL;

	if (old)
		run_free(old);
	struct run *run = id && runbook ? run_new(runs, runbook) : NULL;

	if (run) {
		snprintf(run->id, sizeof(run->id), "%s", id);
		run_restore(run, object);
		if (dash && sscanf(dash, "-r%llu", &number) == 1 && number >= runs->next_id)
			runs->next_id = number + 1;
	}
	json_decref(object);
}

/* The helper is asked what became of the step. Its configuration may be gone: then nobody can know. */
static void recover(struct run *run)
{
	struct actions *actions = run->runs->actions;
	const struct runbook *runbook = runbook_find(actions->config, slice_from(run->runbook));
	char id[64];

	job_id(run, id);
	struct action_job job = { .id = id, .attempt = 1, .now_ms = actions->now_ms, .is_step = true };

	run->config = actions_config_ref(actions->config);
	if (runbook && run->step < runbook->nsteps && slice_is(runbook->steps[run->step].id, run->steps[run->step].id)) {
		run->plugin = runbook->steps[run->step].plugin;
		if (run->plugin->recover &&
		    run->plugin->recover(&actions->options.host, runbook->steps[run->step].options, &job, on_result, run, &run->attempt) == 0)
			return;
	}
	run->steps[run->step].state = STEP_UNKNOWN;
	run_finish(run, RUN_UNKNOWN, "its end was not seen");
}

void runs_restore_done(struct runs *runs)
{
	for (struct run *run = runs->oldest, *newer; run; run = newer) {
		newer = run->newer;
		if (is_finished(run))
			continue;
		runs->active++;
		if (run->state == RUN_QUEUED || run->nsteps == 0) {
			run->state = RUN_QUEUED;
			runs->dirty = true;
		} else if (run->steps[run->step].state == STEP_RUNNING) {
			recover(run);
		} else {
			/* Between two steps: the next was not yet meant to start. */
			run->state = RUN_QUEUED;
			runs->dirty = true;
		}
	}
}

void runs_checkpoint(struct runs *runs)
{
	for (const struct run *run = runs->oldest; run; run = run->newer)
		save(run, false);
}

/* ---- looking in ---- */

void runs_each(const struct runs *runs, void (*fn)(void *ctx, const struct run_view *run), void *ctx)
{
	for (const struct run *run = runs->newest; run; run = run->older) {
		struct run_step_view steps[RUNBOOK_STEPS_MAX];
		struct run_view view = { .id = run->id,
					 .runbook = run->runbook,
					 .state = run_states[run->state],
					 .reason = run->reason,
					 .alert = run->alert,
					 .target = run->target,
					 .created_ms = run->created_ms,
					 .finished_ms = run->finished_ms,
					 .steps = steps,
					 .nsteps = run->nsteps };

		for (uint32_t i = 0; i < run->nsteps; i++) {
			const struct run_step *step = &run->steps[i];

			steps[i] = (struct run_step_view){ .id = step->id,
							   .state = step_states[step->state],
							   .message = step->message,
							   .exit = step->exit,
							   .started_ms = step->started_ms,
							   .finished_ms = step->finished_ms,
							   .output = slice_from(step->output),
							   .error_output = slice_from(step->error_output) };
		}
		fn(ctx, &view);
	}
}

void runs_stats(const struct runs *runs, struct actions_stats *stats)
{
	stats->runs_active = runs->active;
}
