/* From an alert's change to a webhook: groups, repeats, silences, failures, crashes. */
#include "tests/actions/harness.h"

#include <stdio.h>
#include <string.h>

#include "actions/actions_internal.h"
#include "tests/check_main.h"

#define CONFIG                                                                                     \
	"route: {receiver: a, group_by: [alertname], group_wait: 10s, group_interval: 60s, "       \
	"repeat_interval: 1h,\n"                                                                   \
	"  routes: [{receiver: b, matchers: ['team=\"x\"'], group_wait: 0s}]}\n"                   \
	"receivers:\n- {name: a, webhook_configs: [{url: 'http://127.0.0.1:%d/a'}]}\n"             \
	"- {name: b, webhook_configs: [{url: 'http://127.0.0.1:%d/b', send_resolved: false}]}\n"

static struct harness h;

static void setup(void)
{
	harness_init(&h, CONFIG, NULL);
}

static void teardown(void)
{
	harness_fini(&h);
}

static void expect_hooks(size_t n)
{
	ck_assert_msg(h.nhooks == n, "%zu webhooks came, not %zu", h.nhooks, n);
}

START_TEST(dispatch_waits_groups_and_tells_the_end)
{
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 5000);
	harness_fire(&h, "alertname=A,instance=y");
	expect_hooks(0);
	harness_at(&h, 10000);
	expect_hooks(1);
	ck_assert_str_eq(hook_alerts(&h.hooks[0]), "firing x, firing y");
	ck_assert_str_eq(hook_field(&h.hooks[0], "status"), "firing");
	ck_assert_str_eq(hook_field(&h.hooks[0], "version"), "4");
	ck_assert_str_eq(hook_field(&h.hooks[0], "groupKey"), "{}:{alertname=\"A\"}");
	ck_assert_str_eq(hook_field(&h.hooks[0], "notification_reason"), "first notification");
	ck_assert_str_eq(hook_field(&h.hooks[0], "externalURL"), "http://tocsin.example");
	ck_assert_str_eq(h.hooks[0].attempt, "1");
	harness_at(&h, 30000);
	harness_resolve(&h, "alertname=A,instance=x");
	expect_hooks(1);
	harness_at(&h, 70000);
	expect_hooks(2);
	ck_assert_str_eq(hook_alerts(&h.hooks[1]), "resolved x, firing y");
	ck_assert_str_eq(hook_field(&h.hooks[1], "notification_reason"), "some alerts resolved");
	ck_assert_str_ne(h.hooks[0].id, h.hooks[1].id);
	harness_resolve(&h, "alertname=A,instance=y");
	harness_at(&h, 130000);
	expect_hooks(3);
	ck_assert_str_eq(hook_alerts(&h.hooks[2]), "resolved y");
	ck_assert_str_eq(hook_field(&h.hooks[2], "status"), "resolved");
	/* All is told: nothing is kept of it. */
	harness_at(&h, 190000);
	harness_at(&h, 4000000);
	expect_hooks(3);
	struct actions_stats stats;

	actions_stats_get(h.actions, &stats);
	ck_assert_uint_eq(stats.alerts, 0);
	ck_assert_uint_eq(stats.groups, 0);
}
END_TEST

/* Receivers see it, annotations may use it; a refresh without it takes nothing away. */
START_TEST(dispatch_tells_the_evidence)
{
	harness_rules(&h, "groups:\n- {name: g, rules: [{alert: A, expr: x, annotations: {a: "
			  "'{{ range $evidence.lines }}{{ . }}{{ end }} {{ $activeAt }}'}}]}\n");
	h.evidence = "no {{ $value }}";
	harness_fire(&h, "alertname=A,instance=x");
	h.evidence = NULL;
	harness_fire(&h, "alertname=A,instance=y");
	harness_refresh(&h, "alertname=A,instance=x");
	harness_restart(&h, h.nrecords);
	harness_restored(&h, "alertname=A,instance=x");
	harness_restored(&h, "alertname=A,instance=y");
	harness_at(&h, 10000);
	expect_hooks(1);
	const json_t *alerts = json_object_get(h.hooks[0].body, "alerts");
	const json_t *x = json_array_get(alerts, 0), *y = json_array_get(alerts, 1);
	const json_t *lines = json_object_get(json_object_get(x, "evidence"), "lines");

	ck_assert_str_eq(json_string_value(json_array_get(lines, 0)), "no {{ $value }}");
	ck_assert_str_eq(
		json_string_value(json_object_get(json_object_get(x, "annotations"), "a")),
		"no {{ $value }} 2023-11-14 22:13:20 +0000 UTC");
	ck_assert_ptr_null(json_object_get(y, "evidence"));
}
END_TEST

static void expect_json(const json_t *json, const char *key, const char *expected)
{
	char *text = json_dumps(json_object_get(json, key), JSON_COMPACT | JSON_SORT_KEYS);

	ck_assert_str_eq(text, expected);
	free(text);
}

/* As Alertmanager tells what Prometheus sends: an annotation that is missing is an empty one where
 * those that all alerts have are looked for. */
START_TEST(dispatch_tells_empty_annotations)
{
	harness_configure(&h, "route: {receiver: a, group_by: [instance], group_wait: 10s}\n"
			      "receivers: [{name: a, webhook_configs: [{url: 'http://127.0.0.1:%d/'}]}]\n");
	harness_rules(&h, "groups:\n- {name: g, rules: [{alert: A, expr: x, annotations: {e: '', t: "
			  "'{{ $labels.none }}', f: y}}, {alert: B, expr: x, annotations: {f: y}}]}\n");
	harness_fire(&h, "alertname=A,instance=x");
	harness_fire(&h, "alertname=B,instance=x");
	harness_at(&h, 10000);
	expect_hooks(1);
	const json_t *body = h.hooks[0].body, *alerts = json_object_get(body, "alerts");

	expect_json(json_array_get(alerts, 0), "annotations", "{\"e\":\"\",\"f\":\"y\",\"t\":\"\"}");
	expect_json(json_array_get(alerts, 1), "annotations", "{\"f\":\"y\"}");
	expect_json(body, "commonAnnotations", "{\"e\":\"\",\"f\":\"y\",\"t\":\"\"}");
}
END_TEST

static const char *annotation_of(const struct hook *hook, size_t i)
{
	const json_t *alert = json_array_get(json_object_get(hook->body, "alerts"), i);

	return json_string_value(json_object_get(json_object_get(alert, "annotations"), "a"));
}

/* By the rules of its newest event, whatever is in force when a receiver is told. */
START_TEST(dispatch_describes_by_the_rules_of_the_event)
{
	harness_rules(
		&h, "groups:\n- {name: g, rules: [{alert: A, expr: x, annotations: {a: one}}]}\n");
	harness_fire(&h, "alertname=A,instance=x");
	harness_fire(&h, "alertname=A,instance=y");
	harness_rules(&h, "groups:\n- {name: g, rules: [{alert: B, expr: x}, "
			  "{alert: A, expr: x, annotations: {a: two}}]}\n");
	harness_refresh(&h, "alertname=A,instance=y");
	harness_rules(&h, "groups: []\n");
	harness_at(&h, 10000);
	expect_hooks(1);
	ck_assert_str_eq(annotation_of(&h.hooks[0], 0), "one");
	ck_assert_str_eq(annotation_of(&h.hooks[0], 1), "two");
}
END_TEST

START_TEST(dispatch_repeats_unchanged_after_repeat_interval)
{
	harness_fire(&h, "alertname=A,instance=x");
	for (int64_t ms = 0; ms <= 3700000; ms += 10000)
		harness_at(&h, ms);
	expect_hooks(2);
	ck_assert_str_eq(hook_field(&h.hooks[1], "notification_reason"), "repeat interval elapsed");
}
END_TEST

START_TEST(dispatch_takes_child_routes_and_honours_send_resolved)
{
	harness_fire(&h, "alertname=A,instance=x,team=x");
	expect_hooks(1);
	ck_assert_str_eq(hook_field(&h.hooks[0], "receiver"), "b");
	ck_assert_str_eq(hook_field(&h.hooks[0], "groupKey"), "{}/{team=\"x\"}:{alertname=\"A\"}");
	harness_resolve(&h, "alertname=A,instance=x,team=x");
	harness_at(&h, 70000);
	expect_hooks(1);
}
END_TEST

/* Alerts that do not all fit into a body are told as far as they do, and how many more there are. */
START_TEST(dispatch_tells_what_fits)
{
	const int alerts = 800;
	char labels[64], line[EVIDENCE_LINE_BYTES_MAX + 1];

	memset(line, '\001', sizeof(line) - 1); /* six bytes each, as JSON */
	line[sizeof(line) - 1] = '\0';
	h.evidence = line;
	h.at_once = true;
	for (int i = 0; i < alerts; i++) {
		snprintf(labels, sizeof(labels), "alertname=A,instance=%d", i);
		harness_fire(&h, labels);
	}
	harness_at(&h, 10000);
	expect_hooks(1);
	size_t told = json_array_size(json_object_get(h.hooks[0].body, "alerts"));
	size_t more = (size_t)json_integer_value(json_object_get(h.hooks[0].body, "truncatedAlerts"));

	ck_assert_uint_eq(told + more, (size_t)alerts);
	ck_assert_uint_gt(more, 0);
	ck_assert_uint_gt(told, DELIVERY_BODY_MAX / 6 / EVIDENCE_LINE_BYTES_MAX / 2);
	/* All of them count as told. */
	harness_at(&h, 80000);
	expect_hooks(1);
}
END_TEST

/* The address of ours is told whole, to templates, too. */
START_TEST(dispatch_tells_a_long_external_url)
{
	char url[2001];

	snprintf(url, sizeof(url), "http://tocsin.example/%0*d", (int)sizeof(url) - 23, 0);
	h.external_url = url;
	harness_configure(&h, CONFIG);
	harness_rules(&h, "groups:\n- {name: g, rules: [{alert: A, expr: x, annotations: {a: "
			  "'{{ externalURL }}'}}]}\n");
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	expect_hooks(1);
	const json_t *alert = json_array_get(json_object_get(h.hooks[0].body, "alerts"), 0);
	const json_t *annotations = json_object_get(alert, "annotations");

	ck_assert_str_eq(hook_field(&h.hooks[0], "externalURL"), url);
	ck_assert_str_eq(json_string_value(json_object_get(annotations, "a")), url);
}
END_TEST

static void on_delivery(void *ctx, const struct delivery_view *delivery)
{
	struct buf *out = ctx;

	buf_printf(out, "%s %s; ", delivery_state_text(delivery->state),
		   delivery->body.len > 65536 ? "long"
		   : delivery->body.len	      ? "short"
					      : "nothing");
}

/* Newest first: the state, and what is kept of the body. */
static void expect_kept(const char *expected)
{
	struct buf kept;

	buf_init(&kept);
	actions_deliveries_each(h.actions, on_delivery, &kept);
	ck_assert_str_eq(kept.ptr, expected);
	buf_fini(&kept);
}

/* Long bodies stay until they are delivered, and as dead letters; the journal brings none back. */
START_TEST(dispatch_keeps_short_bodies)
{
	char line[EVIDENCE_LINE_BYTES_MAX + 1], labels[64];

	memset(line, '\001', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	h.at_once = true;
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	h.evidence = line;
	for (int i = 0; i < 20; i++) {
		snprintf(labels, sizeof(labels), "alertname=B,instance=%d", i);
		harness_fire(&h, labels);
	}
	h.answer = 503;
	harness_at(&h, 20000);
	expect_kept("retrying long; done short; ");
	h.answer = 200;
	harness_at(&h, 90000);
	expect_kept("done nothing; done short; ");
	harness_restart(&h, h.nrecords);
	expect_kept("done nothing; done short; ");
	for (int i = 0; i < 20; i++) {
		snprintf(labels, sizeof(labels), "alertname=C,instance=%d", i);
		harness_fire(&h, labels);
	}
	h.answer = 400;
	harness_at(&h, 110000);
	expect_kept("dead long; done nothing; done short; ");
	harness_restart(&h, h.nrecords);
	expect_kept("dead long; done nothing; done short; ");
}
END_TEST

/* Of dead letters the newest have their bodies. */
START_TEST(dispatch_keeps_so_much_of_dead_letters)
{
	const size_t room = DELIVERY_BODY_MAX + 300;
	char *record = malloc(room), *body = malloc(DELIVERY_BODY_MAX + 1);

	memset(body, 'x', DELIVERY_BODY_MAX);
	body[DELIVERY_BODY_MAX] = '\0';
	for (int i = 0; i < 18; i++) {
		int len = snprintf(record, room,
				   "{\"id\": \"abcd-%d\", \"state\": \"dead\", \"told\": \"t\", "
				   "\"group\": \"g\", \"receiver\": \"r\", \"integration\": "
				   "\"webhook\", \"body\": \"%s\"}",
				   i + 1, body);

		actions_restore(h.actions, RECORD_DELIVERY, (struct slice){ record, (size_t)len });
	}
	expect_kept("dead long; dead long; dead long; dead long; dead long; dead long; dead long; "
		    "dead long; dead long; dead long; dead long; dead long; dead long; dead long; "
		    "dead long; dead long; dead nothing; dead nothing; ");
	free(record);
	free(body);
}
END_TEST

static void count_delivery(void *ctx, const struct delivery_view *delivery)
{
	++*(int *)ctx;
	ck_assert_str_ne(delivery->id, "abcd-1");
}

/* The oldest are forgotten, also of those that the journal brings. */
START_TEST(dispatch_keeps_so_many_alerts)
{
	harness_fire(&h, "alertname=A,instance=w");
	h.actions->alerts.n += ACTION_ALERTS_MAX - 1; /* as if */
	harness_fire(&h, "alertname=A,instance=x");
	h.actions->alerts.n--;
	harness_fire(&h, "alertname=A,instance=y");
	harness_fire(&h, "alertname=A,instance=z");
	ck_assert_uint_eq(h.actions->alerts.n, ACTION_ALERTS_MAX);
	h.actions->alerts.n = 2;
	harness_at(&h, 10000);
	expect_hooks(1);
	ck_assert_str_eq(hook_alerts(&h.hooks[0]), "firing w, firing y");
}
END_TEST

START_TEST(dispatch_keeps_so_many_deliveries)
{
	char record[300];
	int n = 0;

	for (int i = 0; i < DELIVERIES_KEPT; i++) {
		int len = snprintf(record, sizeof(record),
				   "{\"id\": \"abcd-%d\", \"state\": \"done\", \"told\": \"t\", "
				   "\"group\": \"g\", \"receiver\": \"r\", \"integration\": "
				   "\"webhook\", \"body\": \"\"}",
				   i + 1);

		actions_restore(h.actions, RECORD_DELIVERY, (struct slice){ record, (size_t)len });
	}
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	expect_hooks(1);
	actions_deliveries_each(h.actions, count_delivery, &n);
	ck_assert_int_eq(n, DELIVERIES_KEPT);
}
END_TEST

/* Counts that the journal brings, of ATTEMPTS_MAX and INTEGRATIONS_MAX: a greater one is that. */
START_TEST(dispatch_restores_counts_up_to_a_bound)
{
	static const struct {
		const char *restored;
		int kept;
	} cases[] = { { "1000000", 1000000 },
		      { "1000001", 1000000 },
		      { "9223372036854775807", 1000000 },
		      { "-1", 0 } };
	char record[300];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int len = snprintf(record, sizeof(record),
				   "{\"id\": \"abcd-%zu\", \"state\": \"dead\", \"told\": \"t\", "
				   "\"group\": \"g\", \"receiver\": \"r\", \"integration\": "
				   "\"webhook\", \"body\": \"\", \"attempts\": %s, \"index\": %s}",
				   i + 1, cases[i].restored, cases[i].restored);

		actions_restore(h.actions, RECORD_DELIVERY, (struct slice){ record, (size_t)len });
	}
	actions_checkpoint(h.actions);
	for (size_t i = 0; i < h.nrecords; i++) {
		if (h.records[i].type != RECORD_DELIVERY)
			continue;
		json_t *saved = json_loadb(h.records[i].bytes, h.records[i].len, 0, NULL);

		ck_assert_int_eq(json_integer_value(json_object_get(saved, "attempts")),
				 cases[n].kept);
		ck_assert_int_eq(json_integer_value(json_object_get(saved, "index")),
				 cases[n].kept);
		json_decref(saved);
		n++;
	}
	ck_assert_uint_eq(n, sizeof(cases) / sizeof(*cases));
}
END_TEST

START_TEST(dispatch_takes_so_many_routes)
{
	const int max = 64;
	struct buf config;

	buf_init(&config);
	buf_add_str(&config, "route:\n  receiver: a\n  group_wait: 0s\n  routes:\n");
	for (int i = 0; i <= max; i++)
		buf_printf(&config, "  - {matchers: ['n%d!=\"x\"'], continue: true}\n", i);
	buf_add_str(&config, "receivers: [{name: a, webhook_configs: [{url: "
			     "'http://127.0.0.1:%d/a'}]}]\n");
	harness_fini(&h);
	harness_init(&h, config.ptr, NULL);
	harness_fire(&h, "alertname=A,instance=x");
	expect_hooks((size_t)max);
	buf_fini(&config);
}
END_TEST

START_TEST(dispatch_short_alert_within_group_wait_is_not_told)
{
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 5000);
	harness_resolve(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	harness_at(&h, 100000);
	expect_hooks(0);
}
END_TEST

START_TEST(dispatch_firing_that_becomes_pending_again_has_ended)
{
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	harness_unfire(&h, "alertname=A,instance=x");
	harness_at(&h, 70000);
	expect_hooks(2);
	ck_assert_str_eq(hook_alerts(&h.hooks[1]), "resolved x");
}
END_TEST

START_TEST(dispatch_retries_with_one_id_and_the_same_bytes)
{
	h.answer = 500;
	harness_fire(&h, "alertname=A,instance=x");
	for (int64_t ms = 10000; ms <= 14000; ms += 100)
		harness_at(&h, ms);
	ck_assert_uint_ge(h.nhooks, 3);
	for (size_t i = 1; i < h.nhooks; i++) {
		ck_assert_str_eq(h.hooks[i].id, h.hooks[0].id);
		ck_assert_str_eq(h.hooks[i].text, h.hooks[0].text);
	}
	ck_assert_str_eq(h.hooks[2].attempt, "3");
	size_t before = h.nhooks;

	h.answer = 200;
	harness_at(&h, 30000);
	expect_hooks(before + 1);
	ck_assert_str_eq(h.hooks[before].id, h.hooks[0].id);
	harness_at(&h, 200000);
	expect_hooks(before + 1);
}
END_TEST

START_TEST(dispatch_honours_retry_after)
{
	h.answer = 429;
	h.retry_after = "30";
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	expect_hooks(1);
	harness_at(&h, 39000);
	expect_hooks(1);
	harness_at(&h, 40001);
	expect_hooks(2);
}
END_TEST

START_TEST(dispatch_end_is_told_after_an_outage_that_swallowed_the_beginning)
{
	/* Alertmanager tells nothing at all here: the webhook failed while the alert fired, and it
	 * was over when it recovered. */
	h.answer = 500;
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	harness_resolve(&h, "alertname=A,instance=x");
	harness_at(&h, 69000);
	size_t before = h.nhooks;

	h.answer = 200;
	harness_at(&h, 140000);
	harness_at(&h, 150000);
	ck_assert_uint_gt(h.nhooks, before);
	ck_assert_str_eq(hook_alerts(&h.hooks[h.nhooks - 1]), "resolved x");
	ck_assert_str_ne(h.hooks[h.nhooks - 1].id, h.hooks[0].id);
}
END_TEST

START_TEST(dispatch_refusal_for_good_is_a_dead_letter)
{
	h.answer = 404;
	harness_fire(&h, "alertname=A,instance=x");
	for (int64_t ms = 10000; ms < 600000; ms += 10000)
		harness_at(&h, ms);
	expect_hooks(1);
	struct actions_stats stats;

	actions_stats_get(h.actions, &stats);
	ck_assert_uint_eq(stats.dead, 1);
}
END_TEST

START_TEST(dispatch_silence_holds_back_and_lets_go)
{
	char id[40];

	harness_silence(&h, "instance=\"x\"", 0, 100000, id);
	harness_fire(&h, "alertname=A,instance=x");
	harness_fire(&h, "alertname=A,instance=y");
	harness_at(&h, 10000);
	expect_hooks(1);
	ck_assert_str_eq(hook_alerts(&h.hooks[0]), "firing y");
	/* At the end of the silence the alert still fires. */
	harness_at(&h, 70000);
	expect_hooks(1);
	harness_at(&h, 130000);
	expect_hooks(2);
	ck_assert_str_eq(hook_alerts(&h.hooks[1]), "firing x, firing y");
	ck_assert_str_eq(hook_field(&h.hooks[1], "notification_reason"), "new alerts added");
}
END_TEST

START_TEST(dispatch_nothing_leaves_before_its_record_is_durable)
{
	h.hold = true;
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	expect_hooks(0);
	harness_release(&h);
	expect_hooks(1);
}
END_TEST

/* Was the delivery allowed to leave by the first n records? */
static bool was_sent(size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++) {
		json_t *object = h.records[i].type == RECORD_DELIVERY
					 ? json_loadb(h.records[i].bytes, h.records[i].len, 0, NULL)
					 : NULL;
		const char *of = json_string_value(json_object_get(object, "id")),
			   *state = json_string_value(json_object_get(object, "state"));
		bool sent = of && strcmp(of, id) == 0 && strcmp(state, "sending") == 0;

		json_decref(object);
		if (sent)
			return true;
	}
	return false;
}

/* Killed after any record: every notification arrives at least once, under one id; the end is heard
 * by whoever heard the beginning. */
START_TEST(dispatch_survives_a_crash_at_each_record)
{
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	harness_at(&h, 20000);
	harness_resolve(&h, "alertname=A,instance=x");
	harness_at(&h, 70000);
	size_t total = h.nrecords;

	expect_hooks(2);
	teardown();
	for (size_t cut = 1; cut <= total; cut++) {
		setup();
		harness_fire(&h, "alertname=A,instance=x");
		harness_at(&h, 10000);
		harness_at(&h, 20000);
		harness_resolve(&h, "alertname=A,instance=x");
		harness_at(&h, 70000);
		ck_assert_uint_eq(h.nrecords, total);
		size_t before = h.nhooks;
		bool resolved_known = false;

		for (size_t i = 0; i < cut; i++)
			resolved_known =
				resolved_known || (h.records[i].type == RECORD_ALERT && i > 0);
		harness_restart(&h, cut);
		/* The engine finds the same out again. */
		if (!resolved_known)
			harness_resolve(&h, "alertname=A,instance=x");
		for (int64_t ms = 70000; ms <= 200000; ms += 10000)
			harness_at(&h, ms);
		/* A second telling carries the id of the first. */
		for (size_t i = before; i < h.nhooks; i++)
			for (size_t k = 0; k < before; k++)
				if (was_sent(cut, h.hooks[k].id) &&
				    strcmp(h.hooks[i].text, h.hooks[k].text) == 0)
					ck_assert_msg(
						strcmp(h.hooks[i].id, h.hooks[k].id) == 0,
						"cut after record %zu: told again under another id",
						cut);
		ck_assert_msg(strcmp(hook_alerts(&h.hooks[h.nhooks - 1]), "resolved x") == 0,
			      "cut after record %zu of %zu (%s): last told %s", cut, total,
			      record_type_text(h.records[cut - 1].type),
			      hook_alerts(&h.hooks[h.nhooks - 1]));
		if (cut < total)
			teardown();
	}
}
END_TEST

START_TEST(dispatch_restart_remembers_firing_alerts_silences_and_what_was_told)
{
	char id[40];

	harness_silence(&h, "instance=\"quiet\"", 0, 1000000, id);
	harness_fire(&h, "alertname=A,instance=x");
	harness_fire(&h, "alertname=A,instance=quiet");
	harness_at(&h, 10000);
	expect_hooks(1);
	harness_restart(&h, h.nrecords);
	ck_assert_ptr_nonnull(actions_silence_find(h.actions, id));
	for (int64_t ms = 20000; ms <= 200000; ms += 10000)
		harness_at(&h, ms);
	expect_hooks(1);
	harness_resolve(&h, "alertname=A,instance=x");
	harness_at(&h, 300000);
	expect_hooks(2);
	ck_assert_str_eq(hook_alerts(&h.hooks[1]), "resolved x");
}
END_TEST

START_TEST(dispatch_checkpoint_holds_the_whole_state)
{
	char id[40];

	harness_silence(&h, "instance=\"quiet\"", 0, 1000000, id);
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	size_t before = h.nrecords;

	actions_checkpoint(h.actions);
	ck_assert_int_eq(h.records[h.nrecords - 1].type, RECORD_CHECKPOINT_PART);
	/* Only what the checkpoint wrote. */
	for (size_t i = 0; i < before; i++)
		free(h.records[i].bytes);
	memmove(h.records, h.records + before, (h.nrecords - before) * sizeof(h.records[0]));
	h.nrecords -= before;
	harness_restart(&h, h.nrecords);
	ck_assert_ptr_nonnull(actions_silence_find(h.actions, id));
	harness_at(&h, 20000);
	harness_resolve(&h, "alertname=A,instance=x");
	harness_at(&h, 90000);
	expect_hooks(2);
	ck_assert_str_eq(hook_alerts(&h.hooks[1]), "resolved x");
}
END_TEST

START_TEST(dispatch_reload_keeps_what_was_told)
{
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	expect_hooks(1);
	harness_configure(&h, CONFIG);
	for (int64_t ms = 20000; ms <= 200000; ms += 10000)
		harness_at(&h, ms);
	expect_hooks(1);
	harness_resolve(&h, "alertname=A,instance=x");
	harness_at(&h, 300000);
	expect_hooks(2);
}
END_TEST

START_TEST(dispatch_receiver_gone_while_sending)
{
	h.answer = 500;
	harness_fire(&h, "alertname=A,instance=x");
	harness_at(&h, 10000);
	size_t before = h.nhooks;

	harness_configure(&h, "route: {receiver: none}\nreceivers: [{name: none}]\n");
	harness_at(&h, 60000);
	harness_at(&h, 120000);
	ck_assert_uint_eq(h.nhooks, before);
	struct actions_stats stats;

	actions_stats_get(h.actions, &stats);
	ck_assert_uint_eq(stats.outbox, 0);
}
END_TEST

static Suite *dispatch_suite(void)
{
	Suite *suite = suite_create("dispatch");
	TCase *tcase = tcase_create("dispatch");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, dispatch_waits_groups_and_tells_the_end);
	tcase_add_test(tcase, dispatch_tells_the_evidence);
	tcase_add_test(tcase, dispatch_tells_empty_annotations);
	tcase_add_test(tcase, dispatch_describes_by_the_rules_of_the_event);
	tcase_add_test(tcase, dispatch_repeats_unchanged_after_repeat_interval);
	tcase_add_test(tcase, dispatch_takes_child_routes_and_honours_send_resolved);
	tcase_add_test(tcase, dispatch_tells_what_fits);
	tcase_add_test(tcase, dispatch_tells_a_long_external_url);
	tcase_add_test(tcase, dispatch_keeps_short_bodies);
	tcase_add_test(tcase, dispatch_keeps_so_much_of_dead_letters);
	tcase_add_test(tcase, dispatch_keeps_so_many_alerts);
	tcase_add_test(tcase, dispatch_keeps_so_many_deliveries);
	tcase_add_test(tcase, dispatch_restores_counts_up_to_a_bound);
	tcase_add_test(tcase, dispatch_takes_so_many_routes);
	tcase_add_test(tcase, dispatch_short_alert_within_group_wait_is_not_told);
	tcase_add_test(tcase, dispatch_firing_that_becomes_pending_again_has_ended);
	tcase_add_test(tcase, dispatch_retries_with_one_id_and_the_same_bytes);
	tcase_add_test(tcase, dispatch_honours_retry_after);
	tcase_add_test(tcase, dispatch_end_is_told_after_an_outage_that_swallowed_the_beginning);
	tcase_add_test(tcase, dispatch_refusal_for_good_is_a_dead_letter);
	tcase_add_test(tcase, dispatch_silence_holds_back_and_lets_go);
	tcase_add_test(tcase, dispatch_nothing_leaves_before_its_record_is_durable);
	tcase_add_test(tcase, dispatch_survives_a_crash_at_each_record);
	tcase_add_test(tcase, dispatch_restart_remembers_firing_alerts_silences_and_what_was_told);
	tcase_add_test(tcase, dispatch_checkpoint_holds_the_whole_state);
	tcase_add_test(tcase, dispatch_reload_keeps_what_was_told);
	tcase_add_test(tcase, dispatch_receiver_gone_while_sending);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(dispatch_suite)
