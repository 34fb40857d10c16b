/* May a run act now? */
#include "actions/runs_internal.h"

#include <string.h>

#define HOUR_MS (3600ll * 1000)

/* What the other runs mean for this one. */
struct survey {
	bool locked, cooling;
	int64_t running, this_hour, runbook_hour, target_hour;
};

static bool has_same_target(const struct run *a, const struct run *b)
{
	return a->target_text && b->target_text && strcmp(a->target_text, b->target_text) == 0;
}

/* Budgets count what acts and what has acted; a cooldown begins when it ends. */
static void survey_add(struct survey *survey, const struct run *run, const struct run *other,
		       const struct runbook *runbook)
{
	int64_t now_ms = run->runs->actions->now_ms;
	bool same_target = has_same_target(run, other), is_running = run_is_under_way(other);
	bool same_runbook = strcmp(run->runbook, other->runbook) == 0;

	if (!is_running && !run_has_acted(other))
		return;
	int64_t end_ms = is_running ? now_ms : other->finished_ms;
	bool in_hour = end_ms + HOUR_MS > now_ms;

	survey->running += is_running;
	survey->locked = survey->locked || (is_running && same_target);
	survey->cooling = survey->cooling || (!is_running && same_runbook && same_target &&
					      end_ms + runbook->cooldown_ms > now_ms);
	survey->this_hour += in_hour;
	survey->runbook_hour += in_hour && same_runbook;
	survey->target_hour += in_hour && same_runbook && same_target;
}

static bool is_trigger_gone(const struct run *run)
{
	const struct active_alert *alert = alert_find(run->runs->actions, run->trigger.alert);

	return !alert || alert->ends_ms != TIME_NONE || alert->starts_ms != run->trigger.starts_ms;
}

enum verdict gates_ask(const struct run *run, const struct runbook *runbook, const char **reason)
{
	struct actions *actions = run->runs->actions;
	const struct actions_config *config = actions->config;
	bool is_gone = is_trigger_gone(run);
	struct survey survey = { 0 };

	for (const struct run *other = run->runs->newest; other; other = other->older)
		if (other != run)
			survey_add(&survey, run, other, runbook);
	bool is_silenced =
		actions_silenced_by(actions, run->trigger.alert, actions->now_ms) != NULL;
	bool is_spent = survey.target_hour >= runbook->per_target_per_hour ||
			survey.runbook_hour >= runbook->per_hour ||
			survey.this_hour >= config->per_hour;
	const struct {
		bool closed;
		enum verdict verdict;
		const char *reason;
	} gates[] = {
		{ config->freeze, GATE_REFUSE, "frozen" },
		{ runbook->mode == RUNBOOK_DISABLED, GATE_REFUSE, "disabled" },
		{ is_silenced, GATE_REFUSE, "suppressed" },
		{ !run->trigger.settled, GATE_WAIT, "unsettled" },
		{ run->trigger.held, GATE_REFUSE, "sender silent" },
		{ !run->target, GATE_REFUSE, "no_target" },
		{ survey.locked, GATE_WAIT, "locked" },
		{ survey.cooling, GATE_REFUSE, "cooldown" },
		{ is_spent, GATE_REFUSE, "budget" },
		{ survey.running >= config->max_running, GATE_WAIT, "max_running" },
		{ is_gone, GATE_REFUSE, "trigger gone" },
	};

	for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
		if (!gates[i].closed)
			continue;
		/* There is nothing left to wait for. */
		bool in_vain = gates[i].verdict == GATE_WAIT && is_gone;

		*reason = in_vain ? "trigger gone" : gates[i].reason;
		return in_vain ? GATE_REFUSE : gates[i].verdict;
	}
	*reason = "";
	return GATE_OPEN;
}

int64_t gates_remember_until_ms(const struct run *run, const struct actions_config *config)
{
	const struct runbook *runbook = runbook_find(config, slice_from(run->runbook));
	int64_t keep_ms =
		runbook && runbook->cooldown_ms > HOUR_MS ? runbook->cooldown_ms : HOUR_MS;

	return run_has_acted(run) ? run->finished_ms + keep_ms : TIME_NONE;
}
