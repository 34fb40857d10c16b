/*
 * All runs: the queue, what alerts make of it, and restarts. A run's own way is in run.c.
 */
#include "actions/runs_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

#define RUNS_WAITING_MAX 1000		    /* one more is refused */
#define OUTPUT_BYTES_MAX (32 * 1024 * 1024) /* of all runs; then the oldest lose theirs */
#define PRIORITY_MAX 9			    /* of a runbook, the first in the queue */

int runs_new(struct actions *actions, struct runs **out)
{
	struct runs *runs = calloc(1, sizeof(*runs));

	if (!runs)
		return ERR_NOMEM;
	runs->actions = actions;
	runs->next_id = 1;
	runs->series_ms = runs->series_all_ms = TIME_NONE;
	*out = runs;
	return 0;
}

void runs_free(struct runs *runs)
{
	while (runs->newest)
		run_free(runs->newest);
	run_series_fini(runs);
	free(runs);
}

/* Cooldowns and budgets are counted from what is remembered: what they may still ask for stays,
 * whatever the storm of refusals. */
void runs_forget_old(struct runs *runs)
{
	const struct actions *actions = runs->actions;

	for (struct run *run = runs->oldest, *newer; run && runs->n > RUNS_KEPT; run = newer) {
		newer = run->newer;
		if (run_is_finished(run) &&
		    gates_remember_until_ms(run, actions->config) <= actions->now_ms)
			run_free(run);
	}
	for (struct run *run = runs->oldest; run && runs->output_bytes > OUTPUT_BYTES_MAX;
	     run = run->newer)
		if (run_is_finished(run))
			run_outputs_drop(run);
}

/* ---- the queue ---- */

/* Waits on; or waited long enough. */
static void keep_waiting(struct run *run, const struct runbook *runbook, const char *reason)
{
	struct runs *runs = run->runs;
	int64_t now_ms = runs->actions->now_ms;

	if (run->queued_until_ms == TIME_NONE) {
		if (runs->waiting >= RUNS_WAITING_MAX) {
			run_refuse(run, "too many runs are waiting");
			return;
		}
		runs->waiting++;
		run->queued_until_ms = now_ms + runbook->queue_for_ms;
	}
	if (now_ms >= run->queued_until_ms) {
		run_refuse(run, reason);
	} else if (strcmp(run->reason, reason) != 0) {
		text_fit(run->reason, sizeof(run->reason), reason);
		run_save(run, false);
	}
}

/* Asks the gates of a new or queued run. */
static void run_try(struct run *run)
{
	const struct actions_config *config = run->runs->actions->config;
	const struct runbook *runbook = runbook_find(config, slice_from(run->runbook));
	const char *reason;

	if (!runbook) {
		run_refuse(run, "the runbook is gone");
		return;
	}
	if (run_has_begun(run) && !run_runbook(run, config)) {
		run_refuse(run, "the runbook has other steps now");
		return;
	}
	switch (gates_ask(run, runbook, &reason)) {
	case GATE_REFUSE:
		run_refuse(run, reason);
		return;
	case GATE_WAIT:
		run->gate.answered_ms = TIME_NONE; /* asked anew when it may go on */
		keep_waiting(run, runbook, reason);
		return;
	case GATE_ASK:
		gate_ask(run, runbook);
		return;
	case GATE_OPEN:
		break;
	}
	if (runbook->mode == RUNBOOK_SUGGEST)
		run_finish(run, RUN_SUGGESTED, "mode suggest: nothing was done");
	else if (!run_has_begun(run) && run_steps_take(run, runbook))
		run_refuse(run, error_text(ERR_NOMEM));
	else
		run_begin(run);
}

int64_t run_priority(const struct run *run)
{
	const struct runbook *runbook =
		runbook_find(run->runs->actions->config, slice_from(run->runbook));

	return runbook ? runbook->priority : 0;
}

/* Queued ones in order of priority, then age. What comes in meanwhile, at the list's end, has been
 * tried. */
static void work_queue(struct runs *runs)
{
	runs->dirty = false;
	for (int64_t priority = PRIORITY_MAX; priority >= 0 && runs->active; priority--)
		for (struct run *run = runs->oldest, *newer; run; run = newer) {
			newer = run->newer;
			if (run->state == RUN_QUEUED && run_priority(run) == priority)
				run_try(run);
		}
	runs_forget_old(runs);
}

/* What a run adds on the way, the next of its ladder, is at the list's end. */
static void poll_running(struct runs *runs)
{
	int64_t now_ms = runs->actions->now_ms;

	for (struct run *run = runs->active ? runs->oldest : NULL, *newer; run; run = newer) {
		newer = run->newer;
		if (run->state != RUN_RUNNING)
			continue;
		int64_t due_ms = run_due_ms(run);

		if (due_ms != TIME_NONE && due_ms <= now_ms)
			run_poll(run);
	}
}

void runs_step(struct runs *runs)
{
	int64_t next_ms = runs_next_ms(runs);

	if (next_ms == TIME_NONE || next_ms > runs->actions->now_ms)
		return;
	poll_running(runs);
	work_queue(runs);
	run_series_step(runs);
}

int64_t runs_next_ms(const struct runs *runs)
{
	int64_t next_ms = run_series_due_ms(runs);

	if (runs->dirty)
		return runs->actions->now_ms;
	for (const struct run *run = runs->active ? runs->newest : NULL; run; run = run->older)
		if (run->state == RUN_QUEUED)
			next_ms = time_earliest(next_ms, run->queued_until_ms);
		else if (run->state == RUN_RUNNING)
			next_ms = time_earliest(next_ms, run_due_ms(run));
	return next_ms;
}

/* ---- from event to run ---- */

struct labels *run_target_of(const struct runbook *runbook, const struct labels *expr)
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

char *run_target_text(const struct labels *target)
{
	struct buf text;

	buf_init(&text);
	labels_format(target, &text);
	return buf_take(&text);
}

static int trigger_copy(struct trigger *to, const struct trigger *from)
{
	*to = *from;
	to->rule = strdup(from->rule);
	labels_ref(to->alert);
	labels_ref(to->expr);
	if (to->evidence)
		evidence_ref(to->evidence);
	return to->rule ? 0 : ERR_NOMEM;
}

/* Of the runbooks names[0..n), the first now, the others after it. */
static void start(struct runs *runs, const struct trigger *trigger, char *const *names, uint32_t n)
{
	const struct runbook *runbook = runbook_find(runs->actions->config, slice_from(names[0]));
	struct run *run = run_new(runs, names[0]);

	if (!run || trigger_copy(&run->trigger, trigger) ||
	    !(run->ladder = calloc(n, sizeof(*run->ladder))) ||
	    (runbook && run_steps_take(run, runbook))) {
		log_error("runbook", "out of memory for a run", "runbook=%s", names[0]);
		if (run)
			run_free(run);
		return;
	}
	snprintf(run->id, sizeof(run->id), "%s-r%llu", runs->actions->options.instance,
		 (unsigned long long)runs->next_id++);
	runs->active++;
	runs->actions->stats.runs++;
	for (uint32_t i = 1; i < n; i++)
		if ((run->ladder[run->nladder] = strdup(names[i])))
			run->nladder++;
	run->target = runbook ? run_target_of(runbook, trigger->expr) : NULL;
	run->target_text = run->target ? run_target_text(run->target) : NULL;
	run_try(run);
}

void runs_ladder_next(struct run *run)
{
	bool is_needed =
		run->state == RUN_FAILED || run->state == RUN_REFUSED || run->state == RUN_UNKNOWN;
	char **names = run->ladder;
	uint32_t n = run->nladder;

	if (!is_needed || n == 0)
		return;
	run->ladder = NULL;
	run->nladder = 0;
	start(run->runs, &run->trigger, names, n);
	run_names_free(names, n);
}

static bool has_run_for(const struct runs *runs, const struct active_alert *alert)
{
	for (const struct run *run = runs->newest; run; run = run->older)
		if (run->trigger.starts_ms == alert->starts_ms &&
		    labels_is_equal(run->trigger.alert, alert->labels))
			return true;
	return false;
}

static char **names_of(const struct rule *rule, uint32_t *n)
{
	char **names = calloc(rule->nrun, sizeof(*names));

	for (uint32_t i = 0; names && i < rule->nrun; i++)
		if ((names[*n] = slice_dup(rule->run[i])))
			++*n;
	return names;
}

void runs_on_firing(struct runs *runs, const struct active_alert *alert,
		    const struct alert_event *event)
{
	const struct rule *rule = event->rules ? alert_event_rule(event) : NULL;

	if (runs->dirty)
		work_queue(runs); /* who waits goes first */
	runs_forget_old(runs);
	/* Once per episode. */
	if (!rule || rule->nrun == 0 || has_run_for(runs, alert))
		return;
	const struct trigger trigger = { .alert = alert->labels,
					 .expr = alert->expr_labels,
					 .rule = event->rule,
					 .starts_ms = alert->starts_ms,
					 .value = alert->value,
					 .settled = event->settled,
					 .held = event->hold == ALERT_HELD_SILENT,
					 .evidence = alert->evidence };

	uint32_t n = 0;
	char **names = names_of(rule, &n);

	if (n)
		start(runs, &trigger, names, n);
	run_names_free(names, n);
}

void runs_on_refresh(struct runs *runs, const struct active_alert *alert,
		     const struct alert_event *event)
{
	for (struct run *run = runs->active ? runs->newest : NULL; run; run = run->older)
		if (run->state == RUN_QUEUED && run->trigger.starts_ms == alert->starts_ms &&
		    labels_is_equal(run->trigger.alert, alert->labels)) {
			run->trigger.settled = event->settled;
			run->trigger.held = event->hold == ALERT_HELD_SILENT;
			run->trigger.value = event->value;
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

/* ---- the journal ---- */

bool runs_durable(struct runs *runs, uint64_t token)
{
	struct run *run = runs->newest;

	while (run && run->token != token)
		run = run->older;
	if (!run)
		return false;
	run_saved(run);
	return true;
}

/* ---- restart ---- */

static int compare_age(const void *a, const void *b)
{
	const struct run *one = *(struct run *const *)a, *two = *(struct run *const *)b;

	if (one->created_ms != two->created_ms)
		return one->created_ms < two->created_ms ? -1 : 1;
	/* "r9" before "r10" */
	size_t length_one = strlen(one->id), length_two = strlen(two->id);

	return length_one != length_two ? (length_one < length_two ? -1 : 1)
					: strcmp(one->id, two->id);
}

/* Records came in the order of the last change. */
static void sort_by_age(struct runs *runs)
{
	struct run **list = calloc(runs->n + 1, sizeof(struct run *));
	uint32_t n = 0;

	if (!list)
		return;
	for (struct run *run = runs->oldest; run; run = run->newer)
		list[n++] = run;
	qsort(list, n, sizeof(struct run *), compare_age);
	runs->newest = runs->oldest = NULL;
	runs->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		list[i]->newer = list[i]->older = NULL;
		run_link(runs, list[i]);
	}
	free(list);
}

void runs_restore_done(struct runs *runs)
{
	sort_by_age(runs);
	for (struct run *run = runs->oldest; run; run = run->newer)
		if (!run_is_finished(run)) {
			runs->active++;
			runs->waiting += run->queued_until_ms != TIME_NONE;
		}
	/* What a ladder adds on the way is new, and not to be resumed. */
	for (struct run *run = runs->oldest, *last = runs->newest, *newer; run; run = newer) {
		newer = run == last ? NULL : run->newer;
		if (run->state == RUN_RUNNING)
			run_resume(run);
		else
			runs_ladder_next(
				run); /* the crash came between a bad end and what follows it */
	}
	runs->dirty = runs->series_dirty = true;
}

/* ---- looking in ---- */

static void view_step(const struct run_step *step, struct run_step_view *view)
{
	*view = (struct run_step_view){ .id = step->id,
					.state = step_state_text(step->state),
					.undo = step->undo == STEP_WAITING
							? NULL
							: step_state_text(step->undo),
					.attempt = step->attempt,
					.message = step->message,
					.exit = step->exit,
					.started_ms = step->started_ms,
					.finished_ms = step->finished_ms,
					.output = slice_from(step->output),
					.error_output = slice_from(step->error_output) };
}

void runs_each(const struct runs *runs, void (*fn)(void *ctx, const struct run_view *run),
	       void *ctx)
{
	for (const struct run *run = runs->newest; run; run = run->older) {
		struct run_step_view steps[RUNBOOK_STEPS_MAX];
		struct run_view view = { .id = run->id,
					 .runbook = run->runbook,
					 .state = run_state_text(run->state),
					 .reason = run->reason,
					 .alert = run->trigger.alert,
					 .target = run->target,
					 .created_ms = run->created_ms,
					 .finished_ms = run->finished_ms,
					 .steps = steps,
					 .nsteps = run->nsteps };

		for (uint32_t i = 0; i < run->nsteps; i++)
			view_step(&run->steps[i], &steps[i]);
		fn(ctx, &view);
	}
}

void runs_stats(const struct runs *runs, struct actions_stats *stats)
{
	stats->runs_active = runs->active;
}
