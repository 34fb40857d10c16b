/*
 * What a run asks the engine (engine/verify.h): verify steps whether the target does well again,
 * the gates whether that could be told at all, and how many targets there are.
 *
 * A question is under way at most once a step, and once a gate. Each is answered, if only with an
 * error; an answer that nobody waits for any more is dropped.
 */
#include "actions/runs_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

/* Takes the query. Its number, or 0 when nobody can be asked. */
static uint64_t ask(struct runs *runs, struct engine_query *query)
{
	struct actions *actions = runs->actions;

	if (!actions->sink.ask) {
		engine_query_free(query);
		return 0;
	}
	query->token = ++runs->next_question;
	actions->sink.ask(actions->sink.ctx, query);
	return query->token;
}

/* ---- verify steps ---- */

static int64_t give_up_ms(const struct run_step *step, const struct runbook_step *rule)
{
	return step->started_ms + rule->verify.within_ms;
}

int64_t verify_due_ms(const struct run_step *step, const struct runbook_step *rule)
{
	if (step->question)
		return TIME_NONE;
	if (step->asked_ms == TIME_NONE)
		return step->started_ms;
	return time_earliest(step->asked_ms + VERIFY_INTERVAL_MS, give_up_ms(step, rule));
}

static void give_up(struct run_step *step, const struct runbook_step *rule)
{
	char text[256];
	struct buf within;

	buf_init(&within);
	duration_format(rule->verify.within_ms, &within);
	snprintf(text, sizeof(text), "not verified within %s: %.180s", within.ptr ? within.ptr : "",
		 step->message);
	buf_fini(&within);
	step_end(step, STEP_FAILED, text);
}

/* As the rules in force are read. */
static struct verify_question question_of(const struct run *run, const struct runbook_step *rule,
					  int64_t fresh_after_ms)
{
	return (struct verify_question){
		.text = rule->verify.source->text,
		.settings = query_settings_of(run->runs->actions->rules),
		.labels = run->trigger.expr,
		.target = run->target,
		.t_ms = run->runs->actions->now_ms,
		.fresh_after_ms = fresh_after_ms,
	};
}

/* False: it cannot be asked, told in the step's message. */
static bool verify_ask(struct run_step *step, const struct runbook_step *rule)
{
	struct run *run = step->run;
	const struct runbook *runbook = run_runbook(run, run->config);
	int64_t acted_ms = run_acted_ms(run, runbook);
	struct engine_query *query;
	char why[128], text[256];
	const struct verify_question question =
		question_of(run, rule, acted_ms == TIME_NONE ? run->created_ms : acted_ms);
	int code = verify_query_new(&question, &query, why);

	step->asked_ms = question.t_ms;
	if (code == 0) {
		step->question = ask(run->runs, query);
		return step->question != 0;
	}
	snprintf(text, sizeof(text), code == ERR_NOT_FOUND ? "the alert has no label \"%s\"" : "%s",
		 *why ? why : error_text(code));
	text_fit(step->message, sizeof(step->message), text);
	return false;
}

bool verify_poll(struct run_step *step, const struct runbook_step *rule)
{
	int64_t now_ms = step->run->runs->actions->now_ms, due_ms = verify_due_ms(step, rule);

	if (due_ms == TIME_NONE || due_ms > now_ms)
		return false;
	if (step->asked_ms != TIME_NONE && now_ms >= give_up_ms(step, rule)) {
		give_up(step, rule);
		return true;
	}
	if (verify_ask(step, rule))
		return false;
	step_end(step, STEP_FAILED, *step->message ? step->message : "nobody can be asked");
	return true;
}

/* True: the step ended. */
static bool verify_answered(struct run_step *step, const struct runbook_step *rule,
			    const struct engine_query *query)
{
	int64_t now_ms = step->run->runs->actions->now_ms;
	bool holds = query->code == 0 && query->verify->verdict == VERIFY_TRUE;

	step->question = 0;
	text_fit(step->message, sizeof(step->message),
		 query->code ? query->error : verify_verdict_text(query->verify->verdict));
	if (!holds)
		step->held_since_ms = TIME_NONE;
	else if (step->held_since_ms == TIME_NONE)
		step->held_since_ms = query->t_ms;
	if (holds && query->t_ms - step->held_since_ms >= rule->verify.for_ms) {
		step_end(step, STEP_OK, "holds");
		return true;
	}
	if (now_ms < give_up_ms(step, rule))
		return false;
	give_up(step, rule);
	return true;
}

/* ---- gates ---- */

static const struct runbook_step *first_verify(const struct runbook *runbook)
{
	for (uint32_t i = 0; i < runbook->nsteps; i++)
		if (runbook->steps[i].kind == STEP_VERIFY)
			return &runbook->steps[i];
	return NULL;
}

/* Has it anything to ask the engine before it may act? */
static bool gate_has_questions(const struct runbook *runbook)
{
	return runbook->targets || first_verify(runbook);
}

bool gate_is_answered(const struct run *run, const struct runbook *runbook)
{
	const struct gate_answers *gate = &run->gate;

	return !gate_has_questions(runbook) ||
	       (gate->answered_ms != TIME_NONE && !gate->verify_question &&
		!gate->targets_question &&
		gate->answered_ms + GATE_ANSWER_MS >= run->runs->actions->now_ms);
}

static void gate_answered(struct run *run)
{
	if (run->gate.verify_question || run->gate.targets_question)
		return;
	run->gate.answered_ms = run->runs->actions->now_ms;
	run->runs->dirty = true;
}

/* Before anything is done all samples count: is there something to judge by? */
static uint64_t ask_verify(struct run *run, const struct runbook_step *rule)
{
	const struct verify_question question = question_of(run, rule, TIME_NONE);
	struct engine_query *query;
	char why[128];

	run->gate.has_data = false;
	if (verify_query_new(&question, &query, why))
		return 0;
	return ask(run->runs, query);
}

static uint64_t ask_targets(struct run *run, const struct runbook *runbook)
{
	const struct actions *actions = run->runs->actions;
	struct query_bounds now = { actions->now_ms, actions->now_ms, 0 };
	struct query_settings settings = query_settings_of(actions->rules);
	struct engine_query *query;
	struct diag_list diags;

	run->gate.population = 0;
	diag_list_init(&diags);
	int code = engine_query_range_new(runbook->targets->text, &now, &settings, &diags, &query);

	diag_list_fini(&diags);
	return code ? 0 : ask(run->runs, query);
}

void gate_ask(struct run *run, const struct runbook *runbook)
{
	struct gate_answers *gate = &run->gate;
	const struct runbook_step *rule = first_verify(runbook);

	if (gate->verify_question || gate->targets_question)
		return;
	gate->verify_question = rule ? ask_verify(run, rule) : 0;
	gate->targets_question = runbook->targets ? ask_targets(run, runbook) : 0;
	gate_answered(run);
}

/* A run whose alert has no target is not asked for. */
static int compare_labels(const void *a, const void *b)
{
	return labels_compare(*(struct labels *const *)a, *(struct labels *const *)b);
}

/* Different targets among the elements; those without all of its labels are none. */
static uint32_t population_of(const struct runbook *runbook, const struct engine_query *query)
{
	struct labels **all = calloc(query->nrows + 1, sizeof(struct labels *));
	uint32_t n = 0, distinct = 0;

	for (size_t i = 0; all && i < query->nrows; i++)
		if ((all[n] = run_target_of(runbook, query->rows[i].labels)))
			n++;
	if (all)
		qsort(all, n, sizeof(struct labels *), compare_labels);
	for (uint32_t i = 0; i < n; i++)
		distinct += i == 0 || !labels_is_equal(all[i - 1], all[i]);
	for (uint32_t i = 0; i < n; i++)
		labels_unref(all[i]);
	free(all);
	return distinct;
}

/* True: it was this run's. */
static bool gate_take(struct run *run, const struct engine_query *query)
{
	struct gate_answers *gate = &run->gate;
	const struct runbook *runbook =
		runbook_find(run->runs->actions->config, slice_from(run->runbook));

	if (query->token == gate->verify_question) {
		gate->verify_question = 0;
		gate->has_data = query->code == 0 && query->verify->verdict != VERIFY_NO_DATA;
	} else if (query->token == gate->targets_question) {
		gate->targets_question = 0;
		gate->population = query->code == 0 && runbook ? population_of(runbook, query) : 0;
	} else {
		return false;
	}
	gate_answered(run);
	return true;
}

/* ---- answers ---- */

/* True: it was for a step of this run. */
static bool step_take(struct run *run, const struct engine_query *query)
{
	const struct runbook *runbook = run_runbook(run, run->config);

	for (uint32_t i = 0; runbook && i < run->nsteps; i++) {
		struct run_step *step = &run->steps[i];

		if (step->state != STEP_RUNNING || step->question != query->token)
			continue;
		if (verify_answered(step, &runbook->steps[i], query))
			run_advance(run);
		return true;
	}
	return false;
}

void runs_answer(struct runs *runs, struct engine_query *query)
{
	for (struct run *run = runs->active ? runs->newest : NULL; run; run = run->older)
		if ((run->state == RUN_QUEUED && gate_take(run, query)) ||
		    (run->state == RUN_RUNNING && step_take(run, query)))
			break;
	engine_query_free(query);
}
