/*
 * Steps of runbooks: the graph, retries, rollback, verification on a real engine, webhooks and
 * notifications to a real receiver; and all of that when the daemon dies.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions/runs_internal.h"
#include "base/text.h"
#include "tests/actions/runbooks.h"
#include "tests/check_main.h"

#define RULES                                                                                      \
	"groups:\n- name: g\n  rules:\n"                                                           \
	"  - {alert: A, expr: x > 0, run: [a]}\n"                                                  \
	"  - {alert: B, expr: x > 0, run: [b]}\n"                                                  \
	"  - {alert: L, expr: x > 0, run: [a, b]}\n"
#define ALERT "alertname=A,instance=i1"
#define RECEIVER "receivers: [{name: r, webhook_configs: [{url: 'http://127.0.0.1:%d/'}]}]\n"
#define UP "verify: 'up{instance=\"$labels.instance\"} == 1'"

static void setup(void)
{
	runbooks_setup("runbooks: []\n", RULES);
}

static void teardown(void)
{
	runbooks_teardown();
}

/* A runbook `a` with these steps; `b` runs the script ok. */
static void runbook(const char *steps)
{
	static char config[8192];

	snprintf(config, sizeof(config),
		 "%srunbooks:\n- name: a\n  mode: auto\n%s"
		 "- {name: b, mode: auto, steps: [{id: act, exec: [@/ok]}]}\n",
		 RECEIVER, steps);
	configure(config);
}

static void expect_steps(size_t i, const char *steps)
{
	look();
	ck_assert_str_eq(runs[i].steps, steps);
}

/* ---- the graph ---- */

START_TEST(steps_branch_and_join)
{
	script_make("busy", "echo '{\"busy\": true}'");
	runbook("  steps:\n"
		"  - {id: look, exec: [@/busy]}\n"
		"  - {id: idle, exec: [@/ok], when: output(look).busy == false}\n"
		"  - {id: drain, exec: [@/ok], after: [look], when: output(look).busy == true}\n"
		"  - {id: act, exec: [@/ok], after: [idle, drain], when: skipped(idle) and "
		"ok(drain)}\n");
	fire(ALERT);
	expect(0, "a", "recovered", "all steps ended well");
	expect_steps(0, "look=ok idle=skipped drain=ok act=ok");
	ck_assert_str_eq(file_text("log"), "abcd-r1-0\nabcd-r1-2\nabcd-r1-3\n");
	/* A script hears of all that ended before it. */
	json_t *input = input_of("abcd-r1-3");

	ck_assert_str_eq(at(input, "steps.idle.state"), "skipped");
	ck_assert_str_eq(at(input, "steps.drain.state"), "ok");
	json_decref(input);
}
END_TEST

START_TEST(steps_without_after_begin_at_once)
{
	runbook("  steps:\n"
		"  - {id: one, exec: [@/ok], after: []}\n"
		"  - {id: two, exec: [@/ok], after: []}\n"
		"  - {id: both, exec: [@/ok], after: [one, two]}\n");
	file_make("hold");
	harness_fire(&h, ALERT);
	await_started("abcd-r1-0");
	await_started("abcd-r1-1");
	expect_steps(0, "one=running two=running both=waiting");
	file_remove("hold");
	await();
	expect(0, "a", "recovered", "all steps ended well");
	ck_assert_uint_eq(count_started("abcd-r1-2"), 1);
}
END_TEST

START_TEST(steps_after_a_failure)
{
	/* stop: what follows is skipped, unless its own condition wants it. */
	runbook("  steps:\n"
		"  - {id: act, exec: [@/fails]}\n"
		"  - {id: next, exec: [@/ok]}\n"
		"  - {id: help, exec: [@/ok], after: [act], when: failed(act)}\n");
	fire(ALERT);
	expect(0, "a", "failed", "exit code 3");
	expect_steps(0, "act=failed next=skipped help=ok");
	harness_at(&h, HOUR_MS);
	runbook("  steps:\n"
		"  - {id: act, exec: [@/fails], on_failure: continue}\n"
		"  - {id: next, exec: [@/ok]}\n");
	fire_again(ALERT);
	expect(0, "a", "recovered", "all steps ended well");
	expect_steps(0, "act=failed next=ok");
}
END_TEST

START_TEST(steps_wait)
{
	runbook("  steps:\n  - {id: pause, wait: 30s}\n  - {id: act, exec: [@/ok]}\n");
	harness_fire(&h, ALERT);
	harness_at(&h, 29999);
	expect_steps(0, "pause=running act=waiting");
	/* The time goes on while the daemon is away; but after it all gates are asked again. */
	harness_restart(&h, h.nrecords);
	harness_restored(&h, ALERT);
	harness_refresh(&h, ALERT);
	expect_steps(0, "pause=running act=waiting");
	harness_at(&h, 30000);
	await();
	expect_steps(0, "pause=ok act=ok");
}
END_TEST

/* ---- retries ---- */

/* Until what is under way has ended, as long as that takes, and something else is due then. */
static void await_due(int64_t ms)
{
	for (int i = 0; i < 200; i++) {
		harness_settle(&h);
		if (actions_next_ms(h.actions) == HARNESS_START_MS + ms)
			return;
	}
	ck_abort_msg("nothing is due at %lld ms", (long long)ms);
}

START_TEST(steps_are_tried_again)
{
	char body[256];

	snprintf(body, sizeof(body), "[ $(grep -c abcd-r1-0 %s/log) -ge 3 ]", dir);
	script_make("third", body);
	runbook("  steps: [{id: act, exec: [@/third], retry: {times: 2, backoff: 5s}}]\n");
	fire("alertname=N,instance=i1"); /* no run: time passes */
	harness_fire(&h, ALERT);
	await_due(5000);
	ck_assert_uint_eq(count_started("abcd-r1-0"), 1);
	expect_steps(0, "act=running");
	harness_at(&h, 4999);
	ck_assert_uint_eq(count_started("abcd-r1-0-2"), 0);
	harness_at(&h, 5000);
	await_started("abcd-r1-0-2");
	await_due(15000); /* doubled */
	harness_at(&h, 14999);
	ck_assert_uint_eq(count_started("abcd-r1-0-3"), 0);
	harness_at(&h, 15000);
	await();
	expect(0, "a", "recovered", "all steps ended well");
	json_t *input = input_of("abcd-r1-0-3");

	ck_assert_str_eq(at(input, "key"), "abcd-r1-0");
	ck_assert_int_eq(json_integer_value(json_object_get(input, "attempt")), 3);
	json_decref(input);
}
END_TEST

START_TEST(steps_that_may_have_acted_are_repeated_only_if_idempotent)
{
	script_make("sleeps", "sleep 60");
	runbook("  steps: [{id: act, exec: [@/sleeps], timeout: 50ms, retry: {times: 1, backoff: "
		"1s}}]\n");
	fire(ALERT);
	expect_steps(0, "act=timed_out");
	harness_at(&h, HOUR_MS);
	runbook("  steps: [{id: act, exec: [@/sleeps], timeout: 50ms, idempotent: true, retry: "
		"{times: 1, backoff: 1ms}}]\n");
	harness_resolve(&h, ALERT);
	harness_fire(&h, ALERT);
	for (int i = 0; i < 1000 && count_started("abcd-r2-0-2") == 0; i++)
		harness_at(&h, now() + 1);
	await();
	expect_steps(0, "act=timed_out");
	ck_assert_uint_eq(count_started("abcd-r2-0-2"), 1);
}
END_TEST

/* ---- rollback ---- */

#define UNDO_STEPS                                                                                 \
	"  steps:\n"                                                                               \
	"  - {id: one, exec: [@/ok], undo: {exec: [@/ok]}}\n"                                      \
	"  - {id: two, exec: [@/ok], undo: {exec: [@/ok]}}\n"                                      \
	"  - {id: three, exec: [@/fails], on_failure: rollback, undo: {exec: [@/ok]}}\n"           \
	"  - {id: four, exec: [@/ok]}\n"

START_TEST(steps_are_undone_in_reverse)
{
	runbook(UNDO_STEPS);
	fire(ALERT);
	expect(0, "a", "failed", "rolled back: step \"three\": exit code 3");
	expect_steps(0, "one=ok undo=ok two=ok undo=ok three=failed four=skipped");
	ck_assert_str_eq(file_text("log"), "abcd-r1-0\nabcd-r1-1\nabcd-r1-2\nabcd-r1-1-u\n"
					   "abcd-r1-0-u\n");
	json_t *input = input_of("abcd-r1-1-u");

	ck_assert(json_is_true(json_object_get(input, "undo")));
	ck_assert_str_eq(at(input, "step"), "two");
	json_decref(input);
}
END_TEST

START_TEST(steps_an_undo_that_fails_opens_the_breaker)
{
	runbook("  limits: {cooldown: 0s}\n  steps:\n"
		"  - {id: one, exec: [@/ok], undo: {exec: [@/ok]}}\n"
		"  - {id: two, exec: [@/ok], undo: {exec: [@/fails]}}\n"
		"  - {id: three, exec: [@/fails], on_failure: rollback}\n");
	fire(ALERT);
	expect(0, "a", "failed", "undo of step \"two\" failed: exit code 3");
	expect_steps(0, "one=ok two=ok undo=failed three=failed");
	fire_again(ALERT);
	expect(0, "a", "refused", "breaker");
	harness_at(&h, 31 * MINUTE_MS);
	fire_again(ALERT);
	expect(0, "a", "failed", "undo of step \"two\" failed: exit code 3");
}
END_TEST

/* ---- verification ---- */

#define VERIFIED "  steps: [{id: act, exec: [@/ok]}, {id: check, " UP ", within: 1m, for: 2s}]\n"

/* The alert fires on a target that is heard of, and is down. */
static void fire_verified(const char *steps)
{
	runbook(steps);
	harness_engine(&h);
	harness_feed(&h, "up{instance=\"i1\"} 0\nup{instance=\"i2\"} 0\n");
	harness_fire(&h, ALERT);
}

static void await_step(const char *steps)
{
	for (int i = 0; i < 200; i++) {
		harness_settle(&h);
		look();
		if (strcmp(runs[0].steps, steps) == 0)
			return;
	}
	ck_abort_msg("%s, not %s", runs[0].steps, steps);
}

START_TEST(verify_holds_on_fresh_samples)
{
	fire_verified(VERIFIED);
	await_step("act=ok check=running");
	/* What came before the act's end counts for nothing; nor does another target. */
	harness_at(&h, 10000);
	expect_steps(0, "act=ok check=running");
	harness_feed(&h, "up{instance=\"i2\"} 1\n");
	harness_at(&h, 15000);
	expect_steps(0, "act=ok check=running");
	harness_feed(&h, "up{instance=\"i1\"} 1\n");
	harness_at(&h, 16000);
	expect_steps(0, "act=ok check=running");
	/* `for` begins anew with each break. */
	harness_feed(&h, "up{instance=\"i1\"} 0\n");
	harness_at(&h, 17000);
	harness_feed(&h, "up{instance=\"i1\"} 1\n");
	harness_at(&h, 18000);
	harness_at(&h, 19000);
	expect_steps(0, "act=ok check=running");
	harness_at(&h, 20000);
	expect(0, "a", "recovered", "step \"check\" holds");
	/* Nothing more is asked. */
	ck_assert_int_eq(actions_next_ms(h.actions), TIME_NONE);
}
END_TEST

START_TEST(verify_that_does_not_hold_fails_the_run)
{
	harness_rules(&h, RULES);
	runbook(VERIFIED);
	harness_engine(&h);
	harness_feed(&h, "up{instance=\"i1\"} 0\n");
	harness_fire(&h, "alertname=L,instance=i1");
	await_step("act=ok check=running");
	harness_at(&h, 30000);
	harness_feed(&h, "up{instance=\"i1\"} 0\n");
	harness_at(&h, 59999);
	expect(0, "a", "running", "");
	harness_at(&h, 60000);
	/* The next of the ladder. */
	await();
	expect(1, "a", "failed", "not verified within 1m: it does not hold");
	expect(0, "b", "recovered", "all steps ended well");
	/* Silence is no recovery. */
	harness_at(&h, HOUR_MS);
	harness_feed(&h, "up{instance=\"i1\"} 0\n");
	harness_fire(&h, ALERT);
	await_step("act=ok check=running");
	harness_at(&h, HOUR_MS + MINUTE_MS);
	expect(0, "a", "failed", "not verified within 1m: no data");
}
END_TEST

START_TEST(verify_leads_to_a_rollback)
{
	fire_verified("  steps:\n  - {id: act, exec: [@/ok], undo: {exec: [@/ok]}}\n"
		      "  - {id: check, " UP ", within: 10s, on_failure: rollback}\n");
	await_step("act=ok check=running");
	harness_at(&h, 10000);
	await();
	expect(0, "a", "failed", "rolled back: step \"check\": not verified within 10s: no data");
	ck_assert_uint_eq(count_started("abcd-r1-0-u"), 1);
}
END_TEST

START_TEST(verify_must_be_possible)
{
	runbook(VERIFIED);
	harness_engine(&h);
	harness_feed(&h, "up{instance=\"i2\"} 0\n");
	fire(ALERT);
	expect(0, "a", "refused", "unverifiable");
	ck_assert_str_eq(file_text("log"), "");
	/* A label that the alert does not have. */
	runbook("  steps: [{id: act, exec: [@/ok]}, {id: check, verify: "
		"'up{job=\"$labels.job\"}'}]\n");
	fire_again(ALERT);
	expect(0, "a", "refused", "unverifiable");
}
END_TEST

/* ---- shares of the targets, breaker ---- */

START_TEST(gates_a_majority_that_is_ill_is_left_alone)
{
	runbook("  targets: up\n  limits: {stop_over: 50%%, cooldown: 0s, max_in_flight: 34%%}\n"
		"  steps: [{id: act, exec: [@/ok]}]\n");
	harness_engine(&h);
	harness_feed(&h, "up{instance=\"i1\"} 0\nup{instance=\"i2\"} 0\nup{instance=\"i3\"} 1\n"
			 "up{instance=\"i3\",port=\"2\"} 1\n");
	fire(ALERT);
	expect(0, "a", "recovered", "all steps ended well");
	fire("alertname=A,instance=i2");
	expect(0, "a", "refused", "majority unhealthy: 2 of 3 targets, more than 50%");
	/* A third of three is one; of two it is none. */
	harness_resolve(&h, ALERT);
	runbook("  targets: up == 0\n  limits: {stop_over: 100%%, cooldown: 0s, max_in_flight: "
		"34%%}\n  steps: [{id: act, exec: [@/ok]}]\n");
	fire_again("alertname=A,instance=i2");
	expect(0, "a", "refused", "in flight: 34% of 2 targets is none");
}
END_TEST

START_TEST(gates_the_breaker_opens_and_lets_one_try)
{
	const char *config = "  breaker: {volume: 2, error_share: 50%%, window: 1h, sleep: 10m}\n"
			     "  limits: {cooldown: 0s, per_target_per_hour: 100, per_hour: 100}\n"
			     "  steps: [{id: act, exec: [@/changes]}]\n";

	script_make("changes", "exit 1");
	runbook(config);
	fire(ALERT);
	fire_again(ALERT);
	expect(0, "a", "failed", "exit code 1");
	fire_again(ALERT);
	expect(0, "a", "refused", "breaker");
	harness_at(&h, now() + 10 * MINUTE_MS);
	script_make("changes", "exit 0");
	file_make("hold");
	harness_resolve(&h, ALERT);
	harness_fire(&h, ALERT);
	expect(0, "a", "running", "");
	harness_fire(&h, "alertname=A,instance=i2");
	expect(0, "a", "refused", "breaker");
	file_remove("hold");
	await();
	expect(1, "a", "recovered", "all steps ended well");
	fire_again("alertname=A,instance=i2");
	expect(0, "a", "recovered", "all steps ended well");
}
END_TEST

/* ---- webhook, notify ---- */

START_TEST(webhook_is_rendered_and_keeps_its_id)
{
	h.evidence = "line \"1\"";
	h.answer = 503;
	runbook("  steps:\n  - id: call\n    retry: {times: 1, backoff: 1s}\n"
		"    webhook:\n      url: 'http://127.0.0.1:%d/x'\n"
		"      headers: {X-Who: '{{ $labels.instance }}'}\n"
		"      body: '{\"i\": \"{{ $labels.instance }}\", \"v\": {{ $value }}, "
		"\"lines\": {{ len $evidence.lines }}}'\n");
	harness_fire(&h, ALERT);
	for (int i = 0; i < 20 && h.nhooks == 0; i++)
		harness_settle(&h);
	ck_assert_str_eq(h.hooks[0].text, "{\"i\": \"i1\", \"v\": 42, \"lines\": 1}");
	ck_assert_str_eq(h.hooks[0].id, "abcd-r1-0");
	expect_steps(0, "call=running");
	h.answer = 200;
	harness_at(&h, 1000);
	await();
	expect(0, "a", "recovered", "all steps ended well");
	ck_assert_uint_eq(h.nhooks, 2);
	ck_assert_str_eq(h.hooks[1].id, "abcd-r1-0");
	ck_assert_str_eq(h.hooks[1].attempt, "2");
	ck_assert_str_eq(h.hooks[1].text, h.hooks[0].text);
	/* Without a body of its own it is told what scripts are told. */
	harness_at(&h, HOUR_MS);
	h.answer = 404;
	runbook("  steps: [{id: call, webhook: {url: 'http://127.0.0.1:%d/x'}, retry: {times: "
		"3}}]\n");
	fire_again(ALERT);
	expect(0, "a", "failed", "HTTP 404");
	ck_assert_str_eq(hook_field(&h.hooks[2], "runbook"), "a");
}
END_TEST

static void await_hooks(size_t n)
{
	for (int i = 0; i < 200 && h.nhooks < n; i++)
		harness_settle(&h);
	harness_settle(&h);
	ck_assert_uint_eq(h.nhooks, n);
}

START_TEST(notify_tells_the_receiver)
{
	runbook("  steps:\n  - {id: act, exec: [@/fails]}\n"
		"  - {id: tell, notify: r, when: failed(act)}\n");
	fire(ALERT);
	expect_steps(0, "act=failed tell=ok");
	expect(0, "a", "failed", "exit code 3");
	await_hooks(1);
	ck_assert_str_eq(hook_alerts(&h.hooks[0]), "firing i1");
	ck_assert_str_eq(hook_field(&h.hooks[0], "notification_reason"), "runbook a, step tell");
	ck_assert_str_eq(hook_field(&h.hooks[0], "receiver"), "r");
}
END_TEST

START_TEST(notify_of_bad_ends)
{
	runbook("  on_failed: r\n  on_refused: r\n  steps: [{id: act, exec: [@/fails]}]\n");
	fire(ALERT);
	fire_again(ALERT);
	expect(0, "a", "refused", "cooldown");
	await_hooks(2);
	ck_assert_str_eq(hook_field(&h.hooks[0], "notification_reason"),
			 "runbook a failed: exit code 3");
	ck_assert_str_eq(hook_field(&h.hooks[1], "notification_reason"),
			 "runbook a refused: cooldown");
}
END_TEST

START_TEST(notify_of_bad_ends_is_bounded)
{
	runbook("  limits: {queue_for: 0s}\n  on_refused: r\n  steps: [{id: act, exec: [@/ok]}]\n");
	h.unsettled = true;
	for (unsigned i = 0; i < RUN_TOLD_MAX + 10; i++) {
		char labels[64];

		snprintf(labels, sizeof(labels), "alertname=A,instance=i%u", i);
		harness_fire(&h, labels);
	}
	await_hooks(RUN_TOLD_MAX);
	/* Another minute. */
	harness_at(&h, MINUTE_MS);
	fire("alertname=A,instance=more");
	await_hooks(RUN_TOLD_MAX + 1);
}
END_TEST

/* Each route to a receiver of its own: all are told that an alert may take, and no more. */
START_TEST(notify_of_bad_ends_takes_so_many_routes)
{
	unsigned port = http_server_port(h.server);

	for (int n = ROUTES_OF_ALERT_MAX; n <= ROUTES_OF_ALERT_MAX + 1; n++) {
		struct buf config;
		size_t before = h.nhooks;

		buf_init(&config);
		buf_add_str(&config, "route:\n  receiver: r0\n  group_wait: 1h\n  routes:\n");
		for (int i = 0; i < n; i++)
			buf_printf(&config, "  - {receiver: r%d, continue: true}\n", i);
		buf_add_str(&config, "receivers:\n");
		for (int i = 0; i < n; i++)
			buf_printf(
				&config,
				"- {name: r%d, webhook_configs: [{url: 'http://127.0.0.1:%u'}]}\n",
				i, port);
		buf_add_str(&config, "runbooks: [{name: a, mode: auto, limits: {cooldown: 0s}, "
				     "steps: [{id: act, exec: [@/fails]}]}]\n");
		configure(config.ptr);
		fire_again(ALERT);
		await_hooks(before + ROUTES_OF_ALERT_MAX);
		buf_fini(&config);
	}
}
END_TEST

/* ---- series ---- */

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The samples since the last look, sorted. */
static void expect_samples(const char *expected)
{
	char *lines[64], text[4096] = "", *rest = h.samples.ptr;
	size_t n = 0;

	for (char *line; rest && (line = strsep(&rest, "\n"));)
		if (*line)
			lines[n++] = line;
	qsort(lines, n, sizeof(lines[0]), compare_lines);
	for (size_t i = 0; i < n; i++) {
		strcat(text, lines[i]);
		strcat(text, "\n");
	}
	ck_assert_str_eq(text, expected);
	buf_clear(&h.samples);
}

#define STATE "tocsin_run_state{instance=\"i1\", result="

START_TEST(series_tell_what_runs_are)
{
	h.has_series = true;
	harness_restart(&h, h.nrecords);
	runbook("  steps: [{id: act, exec: [@/ok]}, {id: pause, wait: 20s}]\n");
	harness_fire(&h, ALERT);
	await_step("act=ok pause=running");
	expect_samples("0 " STATE "\"running\", runbook=\"a\"} 1\n");
	/* What the script printed. */
	harness_at(&h, 1000);
	expect_samples("1 tocsin_run_value{instance=\"i1\", key=\"found\", runbook=\"a\", "
		       "step=\"act\"} 7\n");
	harness_at(&h, 15000);
	expect_samples("15 " STATE "\"running\", runbook=\"a\"} 1\n"
		       "15 tocsin_run_value{instance=\"i1\", key=\"found\", runbook=\"a\", "
		       "step=\"act\"} 7\n");
	harness_at(&h, 20000);
	harness_at(&h, 20100);
	expect(0, "a", "recovered", "all steps ended well");
	expect_samples("20 " STATE "\"recovered\", runbook=\"a\"} 1\n"
		       "20 " STATE "\"running\", runbook=\"a\"} stale\n");
	/* Told again while it counts, after a restart too. */
	harness_at(&h, 5 * MINUTE_MS);
	buf_clear(&h.samples);
	harness_restart(&h, h.nrecords);
	harness_settle(&h);
	expect_samples("300 " STATE "\"queued\", runbook=\"a\"} stale\n"
		       "300 " STATE "\"recovered\", runbook=\"a\"} 1\n"
		       "300 " STATE "\"running\", runbook=\"a\"} stale\n"
		       "300 tocsin_run_value{instance=\"i1\", key=\"found\", runbook=\"a\", "
		       "step=\"act\"} 7\n");
	harness_at(&h, 20000 + 15 * MINUTE_MS);
	expect_samples("920 " STATE "\"recovered\", runbook=\"a\"} stale\n"
		       "920 tocsin_run_value{instance=\"i1\", key=\"found\", runbook=\"a\", "
		       "step=\"act\"} stale\n");
	ck_assert_int_eq(actions_next_ms(h.actions), TIME_NONE);
}
END_TEST

START_TEST(series_are_of_so_many_numbers_of_a_step)
{
	char text[512];
	struct run_step step = { .output = text };
	size_t len = (size_t)sprintf(text, "{");

	for (unsigned i = 0; i <= RUN_VALUES_MAX; i++)
		len += (size_t)sprintf(text + len, "%s\"n%u\":%u", i ? "," : "", i, i);
	sprintf(text + len, "}");
	step_values_take(&step);
	ck_assert_uint_eq(step.nvalues, RUN_VALUES_MAX);
	free(step.values);
}
END_TEST

/* A run with all steps and numbers that one may have, and so many of them that one is too many. */
static void restore_runs_with_numbers(unsigned n)
{
	struct buf record, output;

	buf_init(&output);
	for (unsigned i = 0; i < RUN_VALUES_MAX; i++)
		buf_printf(&output, "%c\\\"n%u\\\":%u", i ? ',' : '{', i, i);
	for (unsigned r = 1; r <= n; r++) {
		buf_init(&record);
		buf_printf(&record,
			   "{\"id\": \"abcd-r%u\", \"runbook\": \"a\", \"state\": \"recovered\", "
			   "\"rule\": \"A\", \"alert\": {\"instance\": \"i%u\"}, \"expr\": {}, "
			   "\"target\": {\"instance\": \"i%u\"}, \"starts\": %lld, \"created\": "
			   "%lld, \"finished\": %lld, \"ladder\": [], \"steps\": [",
			   r, r, r, (long long)h.now_ms, (long long)h.now_ms, (long long)h.now_ms);
		for (unsigned s = 0; s < RUNBOOK_STEPS_MAX; s++)
			buf_printf(&record,
				   "%s{\"id\": \"s%u\", \"state\": \"ok\", \"output\": \"%s}\"}",
				   s ? ", " : "", s, output.ptr);
		buf_add_str(&record, "]}");
		actions_restore(h.actions, RECORD_RUN, buf_slice(&record));
		buf_fini(&record);
	}
	buf_fini(&output);
	actions_restore_done(h.actions, h.now_ms);
}

START_TEST(series_are_at_most_so_many)
{
	const unsigned of_a_run = 1 + RUNBOOK_STEPS_MAX * RUN_VALUES_MAX;
	unsigned n = 0;

	h.has_series = true;
	harness_restart(&h, h.nrecords);
	restore_runs_with_numbers(RUN_SERIES_MAX / of_a_run + 1);
	harness_settle(&h);
	for (const char *at = h.samples.ptr; (at = strchr(at, '\n')); at++)
		n += at[-1] != 'e'; /* stale: of the states that they passed */
	ck_assert_uint_eq(n, RUN_SERIES_MAX);
	/* A while later they end, all of them, and there is room again. */
	harness_at(&h, 16 * MINUTE_MS);
	ck_assert_int_eq(actions_next_ms(h.actions), TIME_NONE);
}
END_TEST

START_TEST(series_keep_names_apart)
{
	h.has_series = true;
	harness_restart(&h, h.nrecords);
	runbook("  target: [runbook, job]\n  steps: [{id: act, exec: [@/ok]}]\n");
	harness_fire(&h, "alertname=A,runbook=x,job=j");
	ck_assert_ptr_nonnull(strstr(h.samples.ptr, "exported_runbook=\"x\""));
	await();
}
END_TEST

/* ---- crashes ---- */

/* An act whose end nobody saw is not repeated: whether it helped is what verify steps are for. */
START_TEST(crash_goes_on_to_verify)
{
	fire_verified("  steps:\n  - {id: act, exec: [@/ok]}\n  - {id: more, exec: [@/ok]}\n"
		      "  - {id: check, " UP ", within: 1m}\n");
	file_make("hold");
	await_started("abcd-r1-0");
	kill_runner();
	harness_restart(&h, h.nrecords);
	file_remove("hold");
	harness_restored(&h, ALERT);
	await_step("act=unknown more=skipped check=running");
	harness_at(&h, 5000);
	harness_feed(&h, "up{instance=\"i1\"} 1\n");
	harness_at(&h, 7000);
	expect(0, "a", "recovered", "step \"check\" holds");
	ck_assert_str_eq(file_text("log"), "abcd-r1-0\n");
}
END_TEST

/* Nobody can know whether a request was received: it is unknown, or repeated under its id. */
START_TEST(crash_while_a_webhook_is_under_way)
{
	static const char *const steps[] = {
		"  steps: [{id: call, webhook: {url: 'http://127.0.0.1:%d/x'}}]\n",
		"  steps: [{id: call, webhook: {url: 'http://127.0.0.1:%d/x'}, idempotent: true, "
		"retry: {times: 1, backoff: 1ms}}]\n",
	};

	for (int i = 0; i < 2; i++) {
		runbook(steps[i]);
		h.hold = true;
		harness_fire(&h, ALERT);
		size_t cut = h.nrecords;

		h.hold = false;
		harness_restart(&h, cut);
		harness_restored(&h, ALERT);
		harness_at(&h, now() + 10);
		await();
		expect(0, "a", i ? "recovered" : "unknown",
		       i ? "all steps ended well" : "its end was not seen");
		ck_assert_uint_eq(h.nhooks, (size_t)i);
		harness_resolve(&h, ALERT);
		harness_at(&h, now() + HOUR_MS);
	}
	ck_assert_str_eq(h.hooks[0].id, "abcd-r2-0");
}
END_TEST

#define CRASH_STEPS                                                                                \
	"  steps:\n"                                                                               \
	"  - {id: one, exec: [@/ok], undo: {exec: [@/ok]}}\n"                                      \
	"  - {id: tell, notify: r}\n"                                                              \
	"  - {id: pause, wait: 1s}\n"                                                              \
	"  - {id: two, exec: [@/ok], undo: {exec: [@/ok]}}\n"                                      \
	"  - {id: check, " UP ", within: 3s, on_failure: rollback}\n"

/* Records from number cut on never become durable. */
static void crash_setup(size_t cut)
{
	runbook(CRASH_STEPS);
	harness_engine(&h);
	harness_feed(&h, "up{instance=\"i1\"} 0\n");
	h.durable_max = cut;
	harness_fire(&h, ALERT);
}

/* In steps of a second, until all is over. */
static void crash_run(size_t until)
{
	for (int turns = 0; turns < 60 && h.nrecords < until; turns++) {
		if (turns > 0 && !any_is("running") && !any_is("queued"))
			return;
		harness_at(&h, now() + 1000);
		if (any_is("queued"))
			harness_refresh(&h, ALERT); /* its rule has settled */
	}
}

/*
 * Killed after any record: each act is started at most once, each undo follows its act, and the run
 * comes to its end.
 */
START_TEST(crash_at_each_record)
{
	static const char *const ids[] = { "abcd-r1-0", "abcd-r1-3", "abcd-r1-3-u", "abcd-r1-0-u" };

	crash_setup(0);
	crash_run(SIZE_MAX);
	expect(0, "a", "failed", "rolled back: step \"check\": not verified within 3s: no data");
	size_t total = h.nrecords;

	ck_assert_uint_ge(total, 10);
	teardown();
	for (size_t cut = 1; cut <= total; cut++) {
		setup();
		crash_setup(cut);
		crash_run(cut);
		/* Half of the times the runner dies, too. */
		if (_i)
			kill_runner();
		harness_restart(&h, cut < h.nrecords ? cut : h.nrecords);
		harness_restored(&h, ALERT);
		crash_run(SIZE_MAX);
		look();
		ck_assert_msg(nruns == 1, "cut %zu: %zu runs", cut, nruns);
		ck_assert_msg(strcmp(runs[0].state, "failed") == 0 ||
				      (_i && strcmp(runs[0].state, "unknown") == 0),
			      "cut %zu: %s: %s (%s)", cut, runs[0].state, runs[0].reason,
			      runs[0].steps);
		for (size_t i = 0; i < 4; i++)
			ck_assert_msg(count_started(ids[i]) <= 1, "cut %zu: %s twice", cut, ids[i]);
		if (!_i)
			ck_assert_msg(strcmp(file_text("log"), "abcd-r1-0\nabcd-r1-3\nabcd-r1-3-u\n"
							       "abcd-r1-0-u\n") == 0,
				      "cut %zu: %s%s: %s", cut, file_text("log"), runs[0].steps,
				      runs[0].reason);
		if (cut < total)
			teardown();
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("steps");
	TCase *tcase = tcase_create("steps");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, steps_branch_and_join);
	tcase_add_test(tcase, steps_without_after_begin_at_once);
	tcase_add_test(tcase, steps_after_a_failure);
	tcase_add_test(tcase, steps_wait);
	tcase_add_test(tcase, steps_are_tried_again);
	tcase_add_test(tcase, steps_that_may_have_acted_are_repeated_only_if_idempotent);
	tcase_add_test(tcase, steps_are_undone_in_reverse);
	tcase_add_test(tcase, steps_an_undo_that_fails_opens_the_breaker);
	tcase_add_test(tcase, verify_holds_on_fresh_samples);
	tcase_add_test(tcase, verify_that_does_not_hold_fails_the_run);
	tcase_add_test(tcase, verify_leads_to_a_rollback);
	tcase_add_test(tcase, verify_must_be_possible);
	tcase_add_test(tcase, gates_a_majority_that_is_ill_is_left_alone);
	tcase_add_test(tcase, gates_the_breaker_opens_and_lets_one_try);
	tcase_add_test(tcase, webhook_is_rendered_and_keeps_its_id);
	tcase_add_test(tcase, notify_tells_the_receiver);
	tcase_add_test(tcase, notify_of_bad_ends);
	tcase_add_test(tcase, notify_of_bad_ends_is_bounded);
	tcase_add_test(tcase, notify_of_bad_ends_takes_so_many_routes);
	tcase_add_test(tcase, series_tell_what_runs_are);
	tcase_add_test(tcase, series_are_of_so_many_numbers_of_a_step);
	tcase_add_test(tcase, series_are_at_most_so_many);
	tcase_add_test(tcase, series_keep_names_apart);
	tcase_add_test(tcase, crash_goes_on_to_verify);
	tcase_add_test(tcase, crash_while_a_webhook_is_under_way);
	tcase_add_loop_test(tcase, crash_at_each_record, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(suite)
