/* Runbook runs: gates, ladder, crashes; with real scripts under a real runner. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "actions/actions_internal.h"
#include "base/text.h"
#include "tests/actions/runbooks.h"
#include "tests/check_main.h"

#define STEPS_OK "steps: [{id: act, exec: [@/ok]}]"
#define RULES                                                                                      \
	"groups:\n- name: g\n  rules:\n"                                                           \
	"  - {alert: A, expr: x > 0, run: [a]}\n"                                                  \
	"  - {alert: B, expr: x > 0, run: [b]}\n"                                                  \
	"  - {alert: C, expr: x > 0, run: [c]}\n"                                                  \
	"  - {alert: L, expr: x > 0, run: [two, b]}\n"                                             \
	"  - {alert: N, expr: x > 0}\n"
#define CONFIG                                                                                     \
	"runbooks:\n"                                                                              \
	"- {name: a, mode: auto, " STEPS_OK "}\n"                                                  \
	"- {name: b, mode: auto, " STEPS_OK "}\n"                                                  \
	"- {name: c, mode: auto, priority: 9, " STEPS_OK "}\n"                                     \
	"- {name: two, mode: auto, steps: [{id: look, exec: [@/ok, hello]}, {id: act, exec: "      \
	"[@/fails]}]}\n"

static void setup(void)
{
	runbooks_setup(CONFIG, RULES);
}

static void teardown(void)
{
	runbooks_teardown();
}

/* ---- what a run does ---- */

START_TEST(runs_carry_out_the_steps_and_tell_them_of_the_alert)
{
	h.value = (double)INFINITY;
	h.evidence = "timeout \"db\"";
	fire("alertname=L,instance=i1,job=\303\244");
	expect(1, "two", "failed", "exit code 3");
	ck_assert_str_eq(runs[1].steps, "look=ok act=failed");
	json_t *first = input_of("abcd-r1-0"), *second = input_of("abcd-r1-1");

	ck_assert_int_eq(json_integer_value(json_object_get(first, "version")), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(first, "attempt")), 1);
	ck_assert_str_eq(at(first, "key"), "abcd-r1-0");
	ck_assert_str_eq(at(first, "run"), "abcd-r1");
	ck_assert_str_eq(at(first, "runbook"), "two");
	ck_assert_str_eq(at(first, "step"), "look");
	ck_assert_str_eq(at(first, "mode"), "auto");
	ck_assert_str_eq(at(first, "rule"), "L");
	ck_assert_str_eq(at(first, "deadline"), "2023-11-14T22:14:20.000Z");
	ck_assert_str_eq(at(first, "alert.labels.job"), "\303\244");
	ck_assert_str_eq(at(first, "alert.value"), "+Inf");
	ck_assert_str_eq(at(first, "alert.startsAt"), "2023-11-14T22:13:20.000Z");
	ck_assert_uint_eq(strlen(at(first, "alert.fingerprint")), 16);
	ck_assert_str_eq(at(first, "target.instance"), "i1");
	ck_assert_uint_eq(json_object_size(json_object_get(first, "target")), 1);
	ck_assert_uint_eq(json_object_size(json_object_get(first, "steps")), 0);
	const json_t *lines = json_object_get(json_object_get(first, "evidence"), "lines");

	ck_assert_str_eq(json_string_value(json_array_get(lines, 0)), "timeout \"db\"");
	const json_t *look_step = json_object_get(json_object_get(second, "steps"), "look");

	ck_assert_str_eq(at(look_step, "state"), "ok");
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_object_get(look_step, "output"), "found")),
		7);
	json_decref(first);
	json_decref(second);
	ck_assert_str_eq(file_text("log"), "abcd-r1-0\nabcd-r1-1\nabcd-r2-0\n");
}
END_TEST

START_TEST(runs_go_on_to_the_next_runbook_only_after_a_failure)
{
	fire("alertname=L,instance=i1");
	look();
	ck_assert_uint_eq(nruns, 2);
	expect(1, "two", "failed", "exit code 3");
	expect(0, "b", "recovered", "all steps ended well");
	harness_rules(&h, "groups:\n- {name: g, rules: [{alert: M, expr: x, run: [a, b]}]}\n");
	fire("alertname=M,instance=i2");
	look();
	ck_assert_uint_eq(nruns, 3);
	expect(0, "a", "recovered", "all steps ended well");
	/* A refusal is no recovery either. */
	configure("runbooks:\n- {name: a, mode: disabled, " STEPS_OK
		  "}\n- {name: b, mode: auto, " STEPS_OK "}\n");
	fire("alertname=M,instance=i3");
	expect(1, "a", "refused", "disabled");
	expect(0, "b", "recovered", "all steps ended well");
}
END_TEST

START_TEST(runs_start_once_an_episode)
{
	fire("alertname=A,instance=i1");
	harness_refresh(&h, "alertname=A,instance=i1");
	harness_restored(&h, "alertname=A,instance=i1");
	await();
	look();
	ck_assert_uint_eq(nruns, 1);
	harness_at(&h, HOUR_MS);
	fire_again("alertname=A,instance=i1");
	look();
	ck_assert_uint_eq(nruns, 2);
	fire("alertname=N,instance=i1");
	look();
	ck_assert_uint_eq(nruns, 2);
}
END_TEST

START_TEST(runs_nothing_starts_before_its_record_is_durable)
{
	h.hold = true;
	harness_fire(&h, "alertname=A,instance=i1");
	usleep(300000);
	harness_settle(&h);
	ck_assert_str_eq(file_text("log"), "");
	expect(0, "a", "running", "");
	harness_release(&h);
	await();
	expect(0, "a", "recovered", "all steps ended well");
}
END_TEST

/* ---- gates ---- */

#define A_WITH(mode, more)                                                                         \
	"runbooks:\n- {name: a, mode: " mode ", " more STEPS_OK                                    \
	"}\n- {name: b, mode: auto, " STEPS_OK "}\n- {name: c, mode: auto, " STEPS_OK "}\n"

START_TEST(gates_close_in_order)
{
	const char *alert = "alertname=A,job=j"; /* no instance: no target */
	char id[40];

	configure("actions: {freeze: true}\n" A_WITH("disabled", ""));
	harness_silence(&h, "job=\"j\"", 0, 10 * HOUR_MS, id);
	h.unsettled = h.sender_silent = true;
	fire(alert);
	expect(0, "a", "refused", "frozen");
	configure(A_WITH("disabled", ""));
	fire_again(alert);
	expect(0, "a", "refused", "disabled");
	configure(A_WITH("auto", ""));
	fire_again(alert);
	expect(0, "a", "refused", "suppressed");
	actions_silence_expire(h.actions, id, h.now_ms);
	fire_again(alert);
	expect(0, "a", "queued", "unsettled");
	/* This gate waits: the same run goes on to the next. */
	h.unsettled = false;
	harness_refresh(&h, alert);
	expect(0, "a", "refused", "sender silent");
	h.sender_silent = false;
	fire_again(alert);
	expect(0, "a", "refused", "no_target");
	ck_assert_str_eq(file_text("log"), "");
	/* With a target, that has been acted upon, and is being; and no place is free. */
	alert = "alertname=A,instance=i1";
	fire(alert);
	expect(0, "a", "recovered", "all steps ended well");
	configure(
		"actions: {max_running: 1}\n" A_WITH("auto", "limits: {per_target_per_hour: 1}, "));
	file_make("hold");
	harness_fire(&h, "alertname=B,instance=i1");
	expect(0, "b", "running", "");
	harness_resolve(&h, alert);
	harness_at(&h, now() + MINUTE_MS);
	harness_fire(&h, alert);
	expect(0, "a", "queued", "locked");
	file_remove("hold");
	await();
	expect(0, "a", "refused", "cooldown");
	configure("actions: {max_running: 1}\n" A_WITH(
		"auto", "limits: {per_target_per_hour: 1, cooldown: 0s}, "));
	fire_again(alert);
	expect(0, "a", "refused", "budget");
	configure("actions: {max_running: 1}\n" A_WITH("auto", "limits: {cooldown: 0s}, "));
	file_make("hold");
	harness_fire(&h, "alertname=C,instance=i2");
	expect(0, "c", "running", "");
	harness_resolve(&h, alert);
	harness_at(&h, now() + MINUTE_MS);
	harness_fire(&h, alert);
	expect(0, "a", "queued", "max_running");
	/* In vain is waited for nothing. */
	harness_resolve(&h, alert);
	expect(0, "a", "refused", "trigger gone");
	file_remove("hold");
	await();
	harness_at(&h, now() + MINUTE_MS);
	fire(alert);
	expect(0, "a", "recovered", "all steps ended well");
}
END_TEST

START_TEST(gates_mode_suggest_does_nothing)
{
	configure(A_WITH("suggest", ""));
	fire("alertname=A,instance=i1");
	expect(0, "a", "suggested", "mode suggest: nothing was done");
	ck_assert_str_eq(runs[0].steps, "act=skipped");
	fire("alertname=A,job=j");
	expect(0, "a", "refused", "no_target");
	ck_assert_str_eq(file_text("log"), "");
}
END_TEST

START_TEST(gates_what_waits_too_long_is_refused)
{
	h.unsettled = true;
	fire("alertname=A,instance=i1");
	expect(0, "a", "queued", "unsettled");
	harness_at(&h, 5 * MINUTE_MS - 1);
	expect(0, "a", "queued", "unsettled");
	harness_at(&h, 5 * MINUTE_MS);
	expect(0, "a", "refused", "unsettled");
	h.unsettled = false;
	harness_refresh(&h, "alertname=A,instance=i1");
	expect(0, "a", "refused", "unsettled");
	/* Without patience at once. */
	configure(A_WITH("auto", "limits: {queue_for: 0s}, "));
	h.unsettled = true;
	fire_again("alertname=A,instance=i1");
	expect(0, "a", "refused", "unsettled");
}
END_TEST

START_TEST(gates_cooldown_is_of_a_runbook_and_a_target)
{
	fire("alertname=A,instance=i1");
	fire("alertname=A,instance=i2");
	expect(0, "a", "recovered", "all steps ended well");
	fire("alertname=B,instance=i1");
	expect(0, "b", "recovered", "all steps ended well");
	harness_at(&h, 9 * MINUTE_MS - 1);
	fire_again("alertname=A,instance=i1");
	expect(0, "a", "refused", "cooldown");
	fire_again("alertname=A,instance=i1");
	expect(0, "a", "recovered", "all steps ended well");
}
END_TEST

START_TEST(gates_budgets)
{
	const char *config = "actions: {per_hour: 4}\nrunbooks:\n"
			     "- {name: a, mode: auto, limits: {cooldown: 0s, per_target_per_hour: "
			     "2, per_hour: 3}, " STEPS_OK "}\n"
			     "- {name: b, mode: auto, limits: {cooldown: 0s}, " STEPS_OK "}\n";

	configure(config);
	fire("alertname=A,instance=i1");
	fire_again("alertname=A,instance=i1");
	expect(0, "a", "recovered", "all steps ended well");
	fire_again("alertname=A,instance=i1"); /* a third on this target */
	expect(0, "a", "refused", "budget");
	fire("alertname=A,instance=i2");
	expect(0, "a", "recovered", "all steps ended well");
	fire("alertname=A,instance=i3"); /* a fourth of this runbook */
	expect(0, "a", "refused", "budget");
	fire("alertname=B,instance=i4");
	expect(0, "b", "recovered", "all steps ended well");
	fire("alertname=B,instance=i5"); /* a fifth at all */
	expect(0, "b", "refused", "budget");
	/* The hour is counted from the end of each. */
	harness_at(&h, HOUR_MS - 1);
	harness_resolve(&h, "alertname=B,instance=i5");
	fire("alertname=B,instance=i5");
	expect(0, "b", "refused", "budget");
	harness_at(&h, HOUR_MS);
	harness_resolve(&h, "alertname=B,instance=i5");
	fire("alertname=B,instance=i5");
	expect(0, "b", "recovered", "all steps ended well");
}
END_TEST

START_TEST(gates_the_queue_goes_by_priority_then_age)
{
	configure("actions: {max_running: 1}\n" CONFIG);
	file_make("hold");
	harness_fire(&h, "alertname=A,instance=i1");
	harness_fire(&h, "alertname=A,instance=i2");
	harness_fire(&h, "alertname=A,instance=i3");
	harness_fire(&h, "alertname=C,instance=i4");
	expect(3, "a", "running", "");
	/* Of its own runbook one is under way; of another, no place is free. */
	ck_assert_str_eq(runs[0].reason, "max_running");
	for (size_t i = 1; i < 3; i++)
		ck_assert_str_eq(runs[i].reason, "in flight");
	file_remove("hold");
	await();
	ck_assert_str_eq(file_text("log"), "abcd-r1-0\nabcd-r4-0\nabcd-r2-0\nabcd-r3-0\n");
}
END_TEST

/* Many alerts at once, each of an instance of its own; nothing is waited for between. */
static void storm(int n, bool settled)
{
	char instance[24];

	for (int i = 0; i < n; i++) {
		struct alert_event *event = alert_event_new();
		struct labels_builder builder;

		snprintf(instance, sizeof(instance), "x%d", i);
		labels_builder_init(&builder);
		labels_builder_set(&builder, SLICE("alertname"), SLICE("A"));
		labels_builder_set(&builder, SLICE("instance"), slice_from(instance));
		ck_assert_int_eq(labels_builder_take(&builder, &event->labels, NULL), 0);
		labels_builder_fini(&builder);
		event->expr_labels = labels_ref(event->labels);
		event->from = ALERT_PENDING;
		event->state = ALERT_FIRING;
		event->at_ms = event->active_at_ms = event->fired_at_ms = h.now_ms;
		event->resolved_at_ms = event->keep_since_ms = TIME_NONE;
		event->rules = rule_set_ref(h.rules);
		event->file = strdup("f.yml");
		event->group = strdup("g");
		event->rule = strdup("A");
		event->settled = settled;
		actions_event(h.actions, event);
	}
}

START_TEST(gates_remember_what_acted_through_a_storm)
{
	fire("alertname=A,instance=i1");
	configure(A_WITH("disabled", ""));
	storm(RUNS_KEPT + 100, true);
	harness_settle(&h);
	look();
	ck_assert_uint_le(nruns, RUNS_KEPT + 1);
	expect(nruns - 1, "a", "recovered", "all steps ended well");
	configure(A_WITH("auto", ""));
	fire_again("alertname=A,instance=i1");
	expect(0, "a", "refused", "cooldown");
	/* Two hours later nobody asks any more. */
	harness_at(&h, 2 * HOUR_MS);
	fire_again("alertname=A,instance=i1");
	look();
	ck_assert_uint_le(nruns, RUNS_KEPT + 1);
	ck_assert_str_ne(runs[nruns - 1].id, "abcd-r1");
}
END_TEST

START_TEST(gates_the_queue_is_bounded)
{
	storm(1001, false);
	expect(0, "a", "refused", "too many runs are waiting");
	expect(1, "a", "queued", "unsettled");
	/* Places become free again. */
	harness_at(&h, 5 * MINUTE_MS);
	ck_assert(!any_is("queued"));
	h.unsettled = true;
	fire("alertname=A,instance=i1");
	expect(0, "a", "queued", "unsettled");
}
END_TEST

/* ---- changes on the way ---- */

START_TEST(runs_end_by_the_configuration_they_began_with)
{
	file_make("hold");
	harness_fire(&h, "alertname=L,instance=i1");
	await_started("abcd-r1-0");
	/* Gone from the configuration, and the old one freed but for the run's reference. */
	configure("runbooks: []\n");
	configure("runbooks: []\n");
	file_remove("hold");
	await();
	expect(1, "two", "failed", "exit code 3");
	ck_assert_str_eq(runs[1].steps, "look=ok act=failed");
	expect(0, "b", "refused", "the runbook is gone");
}
END_TEST

START_TEST(runs_that_wait_see_the_new_configuration)
{
	h.unsettled = true;
	fire("alertname=A,instance=i1");
	fire("alertname=B,instance=i1");
	configure("runbooks:\n- {name: b, mode: disabled, " STEPS_OK "}\n");
	harness_settle(&h);
	expect(1, "a", "refused", "the runbook is gone");
	expect(0, "b", "refused", "disabled");
}
END_TEST

START_TEST(runs_end_although_the_alert_did)
{
	file_make("hold");
	harness_fire(&h, "alertname=A,instance=i1");
	await_started("abcd-r1-0");
	harness_resolve(&h, "alertname=A,instance=i1");
	file_remove("hold");
	await();
	expect(0, "a", "recovered", "all steps ended well");
}
END_TEST

/* ---- restarts ---- */

static void after_restart(const char *alert)
{
	harness_restored(&h, alert);
	harness_refresh(&h, alert);
	await();
}

START_TEST(runs_survive_a_restart_while_a_script_runs)
{
	const char *alert = "alertname=L,instance=i1";

	file_make("hold");
	harness_fire(&h, alert);
	await_started("abcd-r1-0");
	harness_restart(&h, h.nrecords);
	harness_restored(&h, alert);
	expect(0, "two", "running", "");
	file_remove("hold");
	await();
	/* Its result is found, and the run goes on. */
	expect(1, "two", "failed", "exit code 3");
	ck_assert_str_eq(runs[1].steps, "look=ok act=failed");
	/* The next of the ladder is asked all gates: the rule has not settled since the start. */
	expect(0, "b", "queued", "unsettled");
	after_restart(alert);
	expect(0, "b", "recovered", "all steps ended well");
	ck_assert_str_eq(file_text("log"), "abcd-r1-0\nabcd-r1-1\nabcd-r2-0\n");
}
END_TEST

START_TEST(runs_whose_runner_died_with_them_are_unknown)
{
	const char *alert = "alertname=A,instance=i1";

	file_make("hold");
	harness_fire(&h, alert);
	await_started("abcd-r1-0");
	kill_runner();
	harness_restart(&h, h.nrecords);
	after_restart(alert);
	expect(0, "a", "unknown", "its end was not seen");
	file_remove("hold");
	/* It may have acted: it counts. */
	fire_again(alert);
	expect(0, "a", "refused", "cooldown");
	ck_assert_uint_eq(count_started("abcd-r1-0"), 1);
}
END_TEST

START_TEST(runs_between_two_steps_ask_the_gates_again)
{
	const char *alert = "alertname=L,instance=i1";

	/* The second step's intent is on its way to the journal when the daemon dies. */
	h.durable_max = 2;
	harness_fire(&h, alert);
	for (int i = 0; i < 100 && h.nrecords < 3; i++)
		harness_settle(&h);
	ck_assert_uint_eq(h.nrecords, 3);
	harness_restart(&h, 3);
	harness_settle(&h);
	await();
	expect(0, "two", "queued", "unsettled");
	ck_assert_str_eq(runs[0].steps, "look=ok act=waiting");
	/* It has begun to repair this target: nobody else does now. */
	harness_fire(&h, "alertname=B,instance=i1");
	expect(0, "b", "queued", "locked");
	harness_resolve(&h, "alertname=B,instance=i1");
	harness_resolve(&h, alert);
	expect(2, "two", "failed", "stopped before step \"act\": trigger gone");
	expect(1, "b", "refused", "trigger gone");
	expect(0, "b", "refused", "trigger gone"); /* the next of the ladder */
	ck_assert_str_eq(file_text("log"), "abcd-r1-0\n");
}
END_TEST

START_TEST(runs_between_two_steps_do_not_take_other_steps_for_theirs)
{
	const char *alert = "alertname=L,instance=i1";

	h.durable_max = 2;
	harness_fire(&h, alert);
	for (int i = 0; i < 100 && h.nrecords < 3; i++)
		harness_settle(&h);
	harness_restart(&h, 3);
	harness_settle(&h);
	configure("runbooks:\n- {name: two, mode: auto, steps: [{id: look, exec: [@/ok]}]}\n");
	after_restart(alert);
	expect(1, "two", "failed", "stopped before step \"act\": the runbook has other steps now");
	ck_assert_str_eq(file_text("log"), "abcd-r1-0\n");
}
END_TEST

START_TEST(runs_survive_a_crash_before_the_first_record)
{
	const char *alert = "alertname=A,instance=i1";

	h.durable_max = 1;
	harness_fire(&h, alert);
	harness_restart(&h, 1);
	look();
	ck_assert_uint_eq(nruns, 0);
	after_restart(alert);
	expect(0, "a", "recovered", "all steps ended well");
	/* Not twice, now that the journal knows of it; nor after a checkpoint. */
	harness_restart(&h, h.nrecords);
	after_restart(alert);
	actions_checkpoint(h.actions);
	harness_restart(&h, h.nrecords);
	after_restart(alert);
	look();
	ck_assert_uint_eq(nruns, 1);
	ck_assert_str_eq(file_text("log"), "abcd-r1-0\n");
}
END_TEST

enum crash {
	CRASH_ACKNOWLEDGED, /* the last durable record was acknowledged, and what follows from it
			       happened */
	CRASH_DURABLE,	    /* it was durable, and that was not yet known */
	CRASH_RUNNING,	    /* as the first, and the script still runs at the restart */
	CRASH_BOTH,	    /* as the first, and the helper dies too */
	CRASHES
};

/* Until the record before the cut is written, and what follows from it, if it was heard of, under
 * way. */
static void run_until(size_t cut, enum crash how)
{
	for (int quiet = 0, turns = 0; quiet < 4 && turns < 200; turns++) {
		size_t before = h.nrecords;

		harness_settle(&h);
		quiet = h.nrecords == before ? quiet + 1 : 0;
		/* Where the last script is to be caught, those before it must end. */
		if (how == CRASH_RUNNING && h.nrecords < cut) {
			file_remove("hold");
			harness_settle(&h);
			file_make("hold");
		}
	}
}

static void crash_after(size_t cut, enum crash how)
{
	const char *alert = "alertname=L,instance=i1";

	if (how == CRASH_RUNNING)
		file_make("hold");
	h.durable_max = how == CRASH_DURABLE ? cut - 1 : cut;
	h.hold = h.durable_max == 0;
	harness_fire(&h, alert);
	run_until(cut, how);
	if (how == CRASH_BOTH)
		kill_runner();
	h.hold = false;
	harness_restart(&h, cut < h.nrecords ? cut : h.nrecords);
	file_remove("hold");
	harness_restored(&h, alert);
	for (int i = 0; i < 50 && (i == 0 || any_is("queued") || any_is("running")); i++)
		harness_refresh(&h, alert);
}

/* Killed after any record: each script is started at most once, and what was begun comes to an end.
 */
START_TEST(runs_survive_a_crash_at_each_record)
{
	fire("alertname=L,instance=i1");
	size_t total = h.nrecords;

	ck_assert_uint_ge(total, 5);
	teardown();
	for (size_t cut = 1; cut <= total; cut++) {
		static const char *const ids[] = { "abcd-r1-0", "abcd-r1-1", "abcd-r2-0" };

		setup();
		crash_after(cut, (enum crash)_i);
		look();
		ck_assert_msg(nruns > 0, "cut %zu: the alert is forgotten", cut);
		for (size_t i = 0; i < nruns; i++)
			ck_assert_msg(strcmp(runs[i].state, "queued") != 0 &&
					      strcmp(runs[i].state, "running") != 0,
				      "cut %zu: %s is %s: %s", cut, runs[i].id, runs[i].state,
				      runs[i].reason);
		for (size_t i = 0; i < 3; i++)
			ck_assert_msg(count_started(ids[i]) <= 1, "cut %zu: %s was started twice",
				      cut, ids[i]);
		/* Where the helper lives on, nothing is lost either. */
		if (_i != CRASH_BOTH) {
			ck_assert_str_eq(file_text("log"), "abcd-r1-0\nabcd-r1-1\nabcd-r2-0\n");
			expect(1, "two", "failed", "exit code 3");
			expect(0, "b", "recovered", "all steps ended well");
		}
		if (cut < total)
			teardown();
	}
}
END_TEST

START_TEST(runs_checkpoint_holds_them)
{
	const char *alert = "alertname=A,instance=i1";

	fire(alert);
	fire("alertname=L,instance=i2");
	h.unsettled = true;
	fire("alertname=B,instance=i3");
	look();
	size_t before = h.nrecords, n = nruns;
	static struct seen copy[16];

	memcpy(copy, runs, n * sizeof(runs[0]));
	actions_checkpoint(h.actions);
	for (size_t i = 0; i < before; i++)
		free(h.records[i].bytes);
	memmove(h.records, h.records + before, (h.nrecords - before) * sizeof(h.records[0]));
	h.nrecords -= before;
	harness_restart(&h, h.nrecords);
	look();
	ck_assert_uint_eq(nruns, n);
	for (size_t i = 0; i < n; i++) {
		ck_assert_str_eq(runs[i].id, copy[i].id);
		ck_assert_str_eq(runs[i].state, copy[i].state);
		ck_assert_str_eq(runs[i].reason, copy[i].reason);
		ck_assert_str_eq(runs[i].steps, copy[i].steps);
		ck_assert_uint_eq(runs[i].output_bytes, copy[i].output_bytes);
	}
	/* Ids go on, cooldowns hold, who waits goes when its rule has settled. */
	h.unsettled = false;
	harness_refresh(&h, "alertname=B,instance=i3");
	await();
	expect(0, "b", "recovered", "all steps ended well");
	fire_again(alert);
	expect(0, "a", "refused", "cooldown");
	ck_assert_str_eq(runs[0].id, "abcd-r5");
}
END_TEST

START_TEST(runs_results_are_kept_until_the_journal_has_them)
{
	/* The end of the run is not durable: its result must stay with the helper. */
	h.durable_max = 2;
	harness_fire(&h, "alertname=A,instance=i1");
	for (int i = 0; i < 100 && h.nrecords < 3; i++)
		harness_settle(&h);
	usleep(100000);
	ck_assert_int_eq(access(path_of("runs/abcd-r1-0.json"), F_OK), 0);
	h.durable_max = 0;
	fire("alertname=B,instance=i2");
	for (int i = 0; i < 50 && access(path_of("runs/abcd-r2-0.json"), F_OK) == 0; i++)
		harness_settle(&h);
	ck_assert_int_ne(access(path_of("runs/abcd-r2-0.json"), F_OK), 0);
	ck_assert_int_eq(access(path_of("runs/abcd-r2-0.begun"), F_OK), 0);
}
END_TEST

/* ---- records ---- */

START_TEST(runs_restore_bounds_outputs)
{
	size_t total = 0;
	char *output = malloc(65537), *record = malloc(70000);

	memset(output, 'x', 65536);
	output[65536] = '\0';
	for (int i = 0; i < 600; i++) {
		int len = sprintf(
			record,
			"{\"id\": \"abcd-r%d\", \"runbook\": \"a\", \"state\": \"recovered\", "
			"\"rule\": \"A\", "
			"\"alert\": {\"a\": \"b\"}, \"expr\": {}, \"starts\": 1, \"created\": 1, "
			"\"finished\": 1, \"ladder\": [], "
			"\"steps\": [{\"id\": \"act\", \"state\": \"ok\", \"output\": \"%s\"}]}",
			i + 1, output);

		actions_restore(h.actions, RECORD_RUN, (struct slice){ record, (size_t)len });
	}
	actions_restore_done(h.actions, h.now_ms);
	actions_step(h.actions, h.now_ms);
	look();
	ck_assert_uint_eq(nruns, 600);
	for (size_t i = 0; i < nruns; i++)
		total += runs[i].output_bytes;
	ck_assert_uint_le(total, 32 * 1024 * 1024);
	ck_assert_uint_ge(total, 31 * 1024 * 1024);
	ck_assert_uint_eq(runs[0].output_bytes, 65536);
	ck_assert_uint_eq(runs[599].output_bytes, 0);
	ck_assert_str_eq(runs[0].id, "abcd-r600");
	free(output);
	free(record);
}
END_TEST

/* The attempts that the journal brings, RUN_ATTEMPTS_MAX: more are so many. */
START_TEST(runs_restore_bounds_attempts)
{
	static const int restored[] = { 1000, 1001, INT32_MAX, -1 };
	static const int kept[] = { 1000, 1000, 1000, 0 };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		char record[300];
		int len = snprintf(record, sizeof(record),
				   "{\"id\": \"abcd-r%zu\", \"runbook\": \"a\", \"state\": "
				   "\"recovered\", \"rule\": \"A\", \"alert\": {\"a\": \"b\"}, "
				   "\"expr\": {}, \"finished\": 1, \"ladder\": [], \"steps\": "
				   "[{\"id\": \"act\", \"state\": \"ok\", \"attempt\": %d}]}",
				   i + 1, restored[i]);

		actions_restore(h.actions, RECORD_RUN, (struct slice){ record, (size_t)len });
	}
	actions_checkpoint(h.actions);
	for (size_t i = 0; i < h.nrecords; i++) {
		if (h.records[i].type != RECORD_RUN)
			continue;
		json_t *saved = json_loadb(h.records[i].bytes, h.records[i].len, 0, NULL);
		const json_t *step = json_array_get(json_object_get(saved, "steps"), 0);

		ck_assert_int_eq(json_integer_value(json_object_get(step, "attempt")), kept[n]);
		json_decref(saved);
		n++;
	}
	ck_assert_uint_eq(n, sizeof(kept) / sizeof(kept[0]));
}
END_TEST

START_TEST(runs_restore_takes_no_nonsense)
{
	static const char *const records[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"id\": 1}",
		"{\"id\": \"r\"}",
		"{\"id\": \"0123456789012345678901234567890123456789012345678\", \"runbook\": "
		"\"a\", \"rule\": \"A\"}",
		"{\"id\": \"x-r1\", \"runbook\": \"a\", \"state\": \"running\", \"rule\": \"A\", "
		"\"alert\": {}, \"expr\": {}}",
		"{\"id\": \"x-r2\", \"runbook\": \"a\", \"state\": \"running\", \"steps\": "
		"[{\"state\": \"running\"}]}",
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		actions_restore(h.actions, RECORD_RUN, slice_from(records[i]));
	actions_restore_done(h.actions, h.now_ms);
	look();
	ck_assert_uint_eq(nruns, 0);
	/* What a later version may know and this one does not is the careful thing. */
	const char *strange = "{\"id\": \"x-r7\", \"runbook\": \"a\", \"state\": \"odd\", "
			      "\"rule\": \"A\", \"alert\": {}, \"expr\": {}, "
			      "\"target\": 1, \"steps\": [{\"id\": \"act\", \"state\": \"odd\"}, "
			      "3], \"ladder\": [1, \"b\"]}";

	actions_restore(h.actions, RECORD_RUN, slice_from(strange));
	actions_restore_done(h.actions, h.now_ms);
	expect(1, "a", "unknown", "");
	expect(0, "b", "refused", "trigger gone");
	fire("alertname=A,instance=i1");
	ck_assert_str_eq(runs[0].id, "abcd-r9");
}
END_TEST

static Suite *runs_suite(void)
{
	Suite *suite = suite_create("runs");
	TCase *tcase = tcase_create("runs");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, runs_carry_out_the_steps_and_tell_them_of_the_alert);
	tcase_add_test(tcase, runs_go_on_to_the_next_runbook_only_after_a_failure);
	tcase_add_test(tcase, runs_start_once_an_episode);
	tcase_add_test(tcase, runs_nothing_starts_before_its_record_is_durable);
	tcase_add_test(tcase, gates_close_in_order);
	tcase_add_test(tcase, gates_mode_suggest_does_nothing);
	tcase_add_test(tcase, gates_what_waits_too_long_is_refused);
	tcase_add_test(tcase, gates_cooldown_is_of_a_runbook_and_a_target);
	tcase_add_test(tcase, gates_budgets);
	tcase_add_test(tcase, gates_the_queue_goes_by_priority_then_age);
	tcase_add_test(tcase, gates_remember_what_acted_through_a_storm);
	tcase_add_test(tcase, gates_the_queue_is_bounded);
	tcase_add_test(tcase, runs_end_by_the_configuration_they_began_with);
	tcase_add_test(tcase, runs_that_wait_see_the_new_configuration);
	tcase_add_test(tcase, runs_end_although_the_alert_did);
	tcase_add_test(tcase, runs_survive_a_restart_while_a_script_runs);
	tcase_add_test(tcase, runs_whose_runner_died_with_them_are_unknown);
	tcase_add_test(tcase, runs_between_two_steps_ask_the_gates_again);
	tcase_add_test(tcase, runs_between_two_steps_do_not_take_other_steps_for_theirs);
	tcase_add_test(tcase, runs_survive_a_crash_before_the_first_record);
	tcase_add_loop_test(tcase, runs_survive_a_crash_at_each_record, 0, CRASHES);
	tcase_add_test(tcase, runs_checkpoint_holds_them);
	tcase_add_test(tcase, runs_results_are_kept_until_the_journal_has_them);
	tcase_add_test(tcase, runs_restore_bounds_outputs);
	tcase_add_test(tcase, runs_restore_bounds_attempts);
	tcase_add_test(tcase, runs_restore_takes_no_nonsense);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(runs_suite)
