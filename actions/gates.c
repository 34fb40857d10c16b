/* May a run act now? */
#include "actions/runs_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define HOUR_MS (3600ll * 1000)

/* What the other runs mean for this one. */
struct survey {
	bool locked, cooling;
	int64_t running, runbook_running, this_hour, runbook_hour, target_hour;
	int64_t ahead; /* more important ones about which the engine is being asked */
	/* For the breaker, of this runbook: */
	int64_t ended, ended_badly;
	const struct run *newest; /* of those that acted, the one that ended last */
};

static bool has_same_target(const struct run *a, const struct run *b)
{
	return a->target_text && b->target_text && strcmp(a->target_text, b->target_text) == 0;
}

static void survey_ended(struct survey *survey, const struct run *other,
			 const struct runbook *runbook, int64_t now_ms)
{
	if (other->finished_ms + runbook->breaker.window_ms <= now_ms)
		return;
	survey->ended++;
	survey->ended_badly += other->state != RUN_RECOVERED;
	if (!survey->newest || other->finished_ms >= survey->newest->finished_ms)
		survey->newest = other;
}

/* Answers come in any order: who is more important keeps a place until its own is there. */
static bool is_ahead(const struct run *run, const struct run *other)
{
	return other->state == RUN_QUEUED && run_priority(other) > run_priority(run) &&
	       (other->gate.verify_question || other->gate.targets_question);
}

/* Budgets count what acts and what has acted; a cooldown begins when it ends. */
static void survey_add(struct survey *survey, const struct run *run, const struct run *other,
		       const struct runbook *runbook)
{
	int64_t now_ms = run->runs->actions->now_ms;
	bool same_target = has_same_target(run, other), is_running = run_is_under_way(other);
	bool same_runbook = strcmp(run->runbook, other->runbook) == 0;

	survey->ahead += is_ahead(run, other);
	if (!is_running && !run_has_acted(other))
		return;
	int64_t end_ms = is_running ? now_ms : other->finished_ms;
	bool in_hour = end_ms + HOUR_MS > now_ms;

	survey->running += is_running;
	survey->runbook_running += is_running && same_runbook;
	survey->locked = survey->locked || (is_running && same_target);
	survey->cooling = survey->cooling || (!is_running && same_runbook && same_target &&
					      end_ms + runbook->cooldown_ms > now_ms);
	survey->this_hour += in_hour;
	survey->runbook_hour += in_hour && same_runbook;
	survey->target_hour += in_hour && same_runbook && same_target;
	if (same_runbook && !is_running)
		survey_ended(survey, other, runbook, now_ms);
}

static bool is_trigger_gone(const struct run *run)
{
	const struct active_alert *alert = alert_find(run->runs->actions, run->trigger.alert);

	return !alert || alert->ends_ms != TIME_NONE || alert->starts_ms != run->trigger.starts_ms;
}

static bool has_failed_to_undo(const struct run *run)
{
	for (uint32_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].undo == STEP_FAILED || run->steps[i].undo == STEP_TIMED_OUT ||
		    run->steps[i].undo == STEP_UNKNOWN)
			return true;
	return false;
}

/*
 * Open when too many of the runs in the window did not end recovered, or the last one could not
 * undo what it did. A run that ends recovered closes it. After its sleep one run at a time tries.
 */
static bool is_breaker_open(const struct run *run, const struct runbook *runbook,
			    const struct survey *survey)
{
	const struct breaker *breaker = &runbook->breaker;
	const struct run *newest = survey->newest;

	if (!newest || newest->state == RUN_RECOVERED)
		return false;
	bool is_tripped = survey->ended >= breaker->volume &&
			  survey->ended_badly * 100 >= breaker->error_percent * survey->ended;

	if (!is_tripped && !has_failed_to_undo(newest))
		return false;
	return run->runs->actions->now_ms < newest->finished_ms + breaker->sleep_ms ||
	       survey->runbook_running > 0;
}

/* ---- shares of the population ---- */

struct unhealthy {
	const struct run *run;
	const struct runbook *runbook;
	struct labels **targets;
	uint32_t n, cap;
	bool failed;
};

static void unhealthy_add(struct unhealthy *all, struct labels *target)
{
	for (uint32_t i = 0; target && i < all->n; i++)
		if (labels_is_equal(all->targets[i], target)) {
			labels_unref(target);
			return;
		}
	if (!target)
		return;
	if (!ARRAY_RESERVE(&all->targets, all->n, &all->cap)) {
		all->failed = true;
		labels_unref(target);
		return;
	}
	all->targets[all->n++] = target;
}

/* The alerts of this runbook's rule that fire. */
static void unhealthy_alert(void *ctx, struct table_entry *entry)
{
	struct unhealthy *all = ctx;
	const struct active_alert *alert = (const struct active_alert *)entry;

	if (alert->ends_ms == TIME_NONE && strcmp(alert->rule, all->run->trigger.rule) == 0)
		unhealthy_add(all, run_target_of(all->runbook, alert->expr_labels));
}

/* Targets that are unhealthy or in repair; UINT32_MAX: no memory, better nobody is touched. */
static uint32_t unhealthy_count(const struct run *run, const struct runbook *runbook)
{
	struct unhealthy all = { .run = run, .runbook = runbook };

	table_each(&run->runs->actions->alerts, unhealthy_alert, &all);
	for (const struct run *other = run->runs->newest; other; other = other->older)
		if (other->target && run_is_under_way(other) &&
		    strcmp(other->runbook, run->runbook) == 0)
			unhealthy_add(&all, labels_ref(other->target));
	for (uint32_t i = 0; i < all.n; i++)
		labels_unref(all.targets[i]);
	free(all.targets);
	return all.failed ? UINT32_MAX : all.n;
}

static bool is_majority_unhealthy(struct run *run, const struct runbook *runbook)
{
	struct gate_answers *gate = &run->gate;

	if (!runbook->targets || runbook->stop_over.number == 0)
		return false;
	uint64_t n = unhealthy_count(run, runbook);

	snprintf(gate->text, sizeof(gate->text),
		 "majority unhealthy: %llu of %u targets, more than %lld%%", (unsigned long long)n,
		 gate->population, (long long)runbook->stop_over.number);
	return n * 100 > (uint64_t)runbook->stop_over.number * gate->population;
}

/* How many runs of the runbook may be under way. */
static int64_t places_of(const struct run *run, const struct runbook *runbook)
{
	const struct share *share = &runbook->max_in_flight;

	return share->is_percent ? share->number * run->gate.population / 100 : share->number;
}

/* ---- all of them ---- */

struct gate {
	bool closed;
	enum verdict verdict;
	const char *reason;
};

/* The first that is closed; NULL: all are open. */
static const struct gate *first_closed(const struct gate *gates, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (gates[i].closed)
			return &gates[i];
	return NULL;
}

/* Those that can be asked at once. */
static enum verdict ask_at_hand(const struct run *run, const struct runbook *runbook,
				const struct survey *survey, const char **reason)
{
	struct actions *actions = run->runs->actions;
	const struct actions_config *config = actions->config;
	bool is_silenced =
		actions_silenced_by(actions, run->trigger.alert, actions->now_ms) != NULL;
	bool is_spent = survey->target_hour >= runbook->per_target_per_hour ||
			survey->runbook_hour >= runbook->per_hour ||
			survey->this_hour >= config->per_hour;
	const struct gate gates[] = {
		{ config->freeze, GATE_REFUSE, "frozen" },
		{ runbook->mode == RUNBOOK_DISABLED, GATE_REFUSE, "disabled" },
		{ is_silenced, GATE_REFUSE, "suppressed" },
		{ !run->trigger.settled, GATE_WAIT, "unsettled" },
		{ run->trigger.held, GATE_REFUSE, "sender silent" },
		{ !run->target, GATE_REFUSE, "no_target" },
		{ survey->locked, GATE_WAIT, "locked" },
		{ survey->cooling, GATE_REFUSE, "cooldown" },
		{ is_spent, GATE_REFUSE, "budget" },
		{ is_breaker_open(run, runbook, survey), GATE_REFUSE, "breaker" },
	};
	const struct gate *closed = first_closed(gates, sizeof(gates) / sizeof(gates[0]));

	*reason = closed ? closed->reason : "";
	return closed ? closed->verdict : GATE_OPEN;
}

/* Those for which the engine was asked, and what comes after them. */
static enum verdict ask_answered(struct run *run, const struct runbook *runbook,
				 const struct survey *survey, const char **reason)
{
	const struct actions_config *config = run->runs->actions->config;
	int64_t places = places_of(run, runbook);
	bool is_verified = false;
	char none[RUN_REASON_BYTES];

	for (uint32_t i = 0; i < runbook->nsteps; i++)
		is_verified = is_verified || runbook->steps[i].kind == STEP_VERIFY;
	if (is_majority_unhealthy(run, runbook)) {
		*reason = run->gate.text;
		return GATE_REFUSE;
	}
	snprintf(none, sizeof(none), "in flight: %lld%% of %u targets is none",
		 (long long)runbook->max_in_flight.number, run->gate.population);
	const struct gate gates[] = {
		{ places == 0, GATE_REFUSE, none },
		{ survey->runbook_running >= places, GATE_WAIT, "in flight" },
		{ is_verified && !run->gate.has_data, GATE_REFUSE, "unverifiable" },
		{ survey->running + survey->ahead >= config->max_running, GATE_WAIT,
		  "max_running" },
		{ is_trigger_gone(run), GATE_REFUSE, "trigger gone" },
	};
	const struct gate *closed = first_closed(gates, sizeof(gates) / sizeof(gates[0]));

	if (closed)
		text_fit(run->gate.text, sizeof(run->gate.text), closed->reason);
	*reason = closed ? run->gate.text : "";
	return closed ? closed->verdict : GATE_OPEN;
}

enum verdict gates_ask(struct run *run, const struct runbook *runbook, const char **reason)
{
	struct survey survey = { 0 };
	enum verdict verdict;

	for (const struct run *other = run->runs->newest; other; other = other->older)
		if (other != run)
			survey_add(&survey, run, other, runbook);
	verdict = ask_at_hand(run, runbook, &survey, reason);
	if (verdict == GATE_OPEN && !gate_is_answered(run, runbook) && !is_trigger_gone(run))
		verdict = GATE_ASK;
	else if (verdict == GATE_OPEN)
		verdict = ask_answered(run, runbook, &survey, reason);
	/* There is nothing left to wait for. */
	if (verdict == GATE_WAIT && is_trigger_gone(run)) {
		*reason = "trigger gone";
		return GATE_REFUSE;
	}
	return verdict;
}

int64_t gates_remember_until_ms(const struct run *run, const struct actions_config *config)
{
	const struct runbook *runbook = runbook_find(config, slice_from(run->runbook));
	int64_t keep_ms = HOUR_MS;

	if (runbook && runbook->cooldown_ms > keep_ms)
		keep_ms = runbook->cooldown_ms;
	if (runbook && runbook->breaker.window_ms > keep_ms)
		keep_ms = runbook->breaker.window_ms;
	return run_has_acted(run) ? run->finished_ms + keep_ms : TIME_NONE;
}
