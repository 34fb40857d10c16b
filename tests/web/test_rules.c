#include <jansson.h>

#include "tests/check_main.h"
#include "tests/web/harness.h"
#include "web/snapshot.h"

static struct web_harness w;

static const char rules[] = "groups:\n"
			    "- name: one\n"
			    "  interval: 15s\n"
			    "  limit: 5\n"
			    "  rules:\n"
			    "  - {record: r, expr: sum(x), labels: {l: v}}\n"
			    "  - alert: High\n"
			    "    expr: x > 1\n"
			    "    labels: {severity: page}\n"
			    "    annotations: {summary: 'a={{ $labels.a }} is {{ $value }} in {{ "
			    "$externalLabels.cluster }}'}\n"
			    "  - {alert: Slow, expr: x > 0, for: 90s, keep_firing_for: 1m}\n"
			    "- name: two\n"
			    "  rules: [{alert: Quiet, expr: x > 1000}]\n";

static void start(void)
{
	web_harness_start(&w, NULL);
}

static void stop(void)
{
	web_harness_stop(&w);
}

static void load(void)
{
	web_harness_load(&w, rules);
	web_harness_at(&w, 10, "x{a=\"1\"} 1; x{a=\"2\"} 2.5");
}

/* As in Prometheus 3.5: an empty label is none, an empty annotation stays one. */
START_TEST(alerts_have_empty_annotations)
{
	web_harness_load(&w, "groups:\n- name: g\n  rules:\n"
			     "  - alert: A\n    expr: x\n"
			     "    labels: {t: '{{ $labels.none }}', a: '', l: '', f: x}\n"
			     "    annotations: {t: '{{ $labels.none }}', l: '', n: , f: y}\n");
	web_harness_at(&w, 10, "x{a=\"1\"} 1");
	web_get(&w, "/api/v1/rules", 200);
	ck_assert_json(&w, "data.groups.0.rules.0.labels",
		       "{\"a\":\"\",\"f\":\"x\",\"l\":\"\",\"t\":\"{{ $labels.none }}\"}");
	ck_assert_json(&w, "data.groups.0.rules.0.annotations",
		       "{\"f\":\"y\",\"l\":\"\",\"n\":\"\",\"t\":\"{{ $labels.none }}\"}");
	ck_assert_json(&w, "data.groups.0.rules.0.alerts.0.annotations",
		       "{\"f\":\"y\",\"l\":\"\",\"n\":\"\",\"t\":\"\"}");
	web_get(&w, "/api/v1/alerts", 200);
	ck_assert_json(&w, "data.alerts.0.labels", "{\"alertname\":\"A\",\"f\":\"x\"}");
	ck_assert_json(&w, "data.alerts.0.annotations",
		       "{\"f\":\"y\",\"l\":\"\",\"n\":\"\",\"t\":\"\"}");
}
END_TEST

START_TEST(rules_have_the_shape_of_prometheus)
{
	load();
	web_get(&w, "/api/v1/rules", 200);
	ck_assert_json(&w, "data.groups.0.name", "one");
	ck_assert_json(&w, "data.groups.0.interval", "15");
	ck_assert_json(&w, "data.groups.0.limit", "5");
	ck_assert_json(&w, "data.groups.0.lastEvaluation", "2023-11-14T22:13:30.000Z");
	ck_assert_json(&w, "data.groups.0.rules.0",
		       "{\"name\":\"r\",\"query\":\"sum(x)\",\"labels\":{\"l\":\"v\"},\"health\":"
		       "\"ok\",\"evaluationTime\":0,"
		       "\"lastEvaluation\":\"2023-11-14T22:13:30.000Z\",\"type\":\"recording\"}");
	ck_assert_json(&w, "data.groups.0.rules.1",
		       "{\"state\":\"firing\",\"name\":\"High\",\"query\":\"x > "
		       "1\",\"duration\":0,\"keepFiringFor\":0,"
		       "\"labels\":{\"severity\":\"page\"},"
		       "\"annotations\":{\"summary\":\"a={{ $labels.a }} is {{ $value }} in {{ "
		       "$externalLabels.cluster }}\"},"
		       "\"alerts\":[{\"labels\":{\"a\":\"2\",\"alertname\":\"High\",\"severity\":"
		       "\"page\"},"
		       "\"annotations\":{\"summary\":\"a=2 is 2.5 in eu\"},\"state\":\"firing\","
		       "\"activeAt\":\"2023-11-14T22:13:30.000Z\",\"value\":\"2.5e+00\"}],"
		       "\"health\":\"ok\",\"evaluationTime\":0,\"lastEvaluation\":\"2023-11-14T22:"
		       "13:30.000Z\",\"type\":\"alerting\"}");
	ck_assert_json(&w, "data.groups.0.rules.2.state", "pending");
	ck_assert_json(&w, "data.groups.0.rules.2.duration", "90");
	ck_assert_json(&w, "data.groups.0.rules.2.keepFiringFor", "60");
	ck_assert_json(&w, "data.groups.1.rules.0.state", "inactive");
	ck_assert_json(&w, "data.groups.1.rules.0.alerts", "[]");
}
END_TEST

START_TEST(rules_before_the_first_evaluation)
{
	web_get(&w, "/api/v1/rules", 200);
	ck_assert_json(&w, "data", "{\"groups\":[]}");
	web_harness_load(&w, rules);
	web_get(&w, "/api/v1/rules", 200);
	ck_assert_json(&w, "data.groups.0.lastEvaluation", "0001-01-01T00:00:00Z");
	ck_assert_json(&w, "data.groups.0.rules.0.health", "unknown");
}
END_TEST

/* Names of groups and rules of the newest answer: "one:r,High two:Quiet". */
static const char *names(void)
{
	static char text[1000];
	json_t *root = json_loads(w.body.ptr, 0, NULL), *group, *rule;
	size_t i, k, n = 0;

	text[0] = '\0';
	json_array_foreach (json_object_get(json_object_get(root, "data"), "groups"), i, group) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s:", i ? " " : "",
				      json_string_value(json_object_get(group, "name")));
		json_array_foreach (json_object_get(group, "rules"), k, rule)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", k ? "," : "",
					      json_string_value(json_object_get(rule, "name")));
	}
	json_decref(root);
	return text;
}

START_TEST(rules_are_filtered)
{
	static const struct {
		const char *parameters, *names;
	} cases[] = {
		{ "", "one:r,High,Slow two:Quiet" },
		{ "type=alert", "one:High,Slow two:Quiet" },
		{ "type=record", "one:r" },
		{ "rule_group[]=two", "two:Quiet" },
		{ "rule_group[]=two&rule_group[]=one&type=record", "one:r" },
		{ "rule_name[]=High&rule_name[]=Quiet", "one:High two:Quiet" },
		{ "rule_name[]=none", "" },
		{ "file[]=elsewhere", "" },
		{ "type=&exclude_alerts=", "one:r,High,Slow two:Quiet" }, /* nothing is asked for */
		{ "match[]=%7Bseverity%3D%22page%22%7D", "one:High" },
		{ "match[]=%7Bseverity%3D%22page%22%7D&match[]=%7Bl%3D~%22v%7Cw%22%7D", "one:r,High" },
		{ "match[]=%7Bl%3D%22v%22,severity%3D%22page%22%7D", "" },
		{ "match[]=x", "" }, /* no rule has a label __name__ */
		{ "group_limit=1", "one:r,High,Slow" },
		{ "group_limit=1&rule_group[]=two", "two:Quiet" },
		{ "group_limit=2", "one:r,High,Slow two:Quiet" },
		{ "group_limit=1000000001", "one:r,High,Slow two:Quiet" },
	};
	char target[200];

	load();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(target, sizeof(target), "/api/v1/rules?%s", cases[i].parameters);
		web_get(&w, target, 200);
		ck_assert_str_eq(names(), cases[i].names);
	}
	web_get(&w, "/api/v1/rules?exclude_alerts=true", 200);
	ck_assert_json(&w, "data.groups.0.rules.1.state", "firing");
	ck_assert_json(&w, "data.groups.0.rules.1.alerts", "");
}
END_TEST

START_TEST(rules_are_told_page_by_page)
{
	char target[100], token[40];

	load();
	web_get(&w, "/api/v1/rules?group_limit=1", 200);
	snprintf(token, sizeof(token), "%s", web_json(&w, "data.groupNextToken"));
	snprintf(target, sizeof(target), "/api/v1/rules?group_limit=1&group_next_token=%s", token);
	web_get(&w, target, 200);
	ck_assert_str_eq(names(), "two:Quiet");
	ck_assert_json(&w, "data.groupNextToken", "");
	web_harness_load(&w, "groups: [{name: three, rules: []}]");
	web_get(&w, target, 400);
	ck_assert_json(&w, "errorType", "bad_data");
}
END_TEST

START_TEST(rules_refuse_bad_parameters)
{
	static const char *const cases[] = {
		"type=odd",	 "exclude_alerts=x",   "match[]=%7B",
		"match[]=x[5m]", "group_limit=0",      "group_limit=x",
		"group_limit=1x", "group_next_token=1", "group_limit=1&group_next_token=zz",
	};
	char target[100];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(target, sizeof(target), "/api/v1/rules?%s", cases[i]);
		web_get(&w, target, 400);
		ck_assert_json(&w, "errorType", "bad_data");
	}
}
END_TEST

START_TEST(rules_take_so_many_values_of_a_filter)
{
	char target[4000] = "/api/v1/rules?";

	for (int i = 0; i < 100; i++)
		strcat(target, "rule_name[]=High&");
	web_get(&w, target, 200);
	strcat(target, "rule_name[]=High&");
	web_get(&w, target, 400);
}
END_TEST

START_TEST(alerts_have_the_shape_of_prometheus)
{
	load();
	web_get(&w, "/api/v1/alerts", 200);
	ck_assert_json(&w, "data.alerts.0",
		       "{\"labels\":{\"a\":\"2\",\"alertname\":\"High\",\"severity\":\"page\"},"
		       "\"annotations\":{\"summary\":\"a=2 is 2.5 in eu\"},\"state\":\"firing\","
		       "\"activeAt\":\"2023-11-14T22:13:30.000Z\",\"value\":\"2.5e+00\"}");
	ck_assert_json(&w, "data.alerts.1.state", "pending");
	ck_assert_json(&w, "data.alerts.3", "");
	for (int t = 25; t <= 100; t += 15)
		web_harness_at(&w, t, "x{a=\"1\"} 1; x{a=\"2\"} 2.5");
	web_harness_at(&w, 115, "x{a=\"1\"} -1; x{a=\"2\"} 2.5");
	web_get(&w, "/api/v1/alerts", 200);
	ck_assert_ptr_nonnull(strstr(w.body.ptr, "\"keepFiringSince\":\"2023-11-14T22:15:15.000Z"));
}
END_TEST

START_TEST(rules_that_fail_say_why)
{
	web_harness_load(&w, "groups: [{name: g, rules: [{record: r, expr: x * on(a) y}]}]");
	web_harness_at(&w, 10, "x{a=\"1\",b=\"1\"} 1; y{a=\"1\",b=\"1\"} 1; y{a=\"1\",b=\"2\"} 1");
	web_get(&w, "/api/v1/rules", 200);
	ck_assert_json(&w, "data.groups.0.rules.0.health", "err");
	ck_assert_ptr_nonnull(strstr(web_json(&w, "data.groups.0.rules.0.lastError"), "duplicate"));
}
END_TEST

START_TEST(rules_that_read_nothing_say_so)
{
	web_harness_load(&w, "groups: [{name: g, rules: [{alert: Gone, expr: nothing > 1}, "
			     "{alert: There, expr: x > 1}, {alert: Absent, expr: absent(nothing)}, "
			     "{alert: Recorded, expr: a:b > 1}, {alert: Const, expr: vector(1)}]}]");
	web_harness_at(&w, 10, "x 1");
	web_get(&w, "/api/v1/rules", 200);
	ck_assert_json(&w, "data.groups.0.rules.0.warnings",
		       "[\"no series matches what it reads\"]");
	for (int i = 1; i < 5; i++) {
		char path[64];

		snprintf(path, sizeof(path), "data.groups.0.rules.%d.warnings", i);
		ck_assert_json(&w, path, "");
	}
}
END_TEST

/* What holds an alert and what would end it are told beside Prometheus' own. */
START_TEST(rules_with_resolve_when_say_what_holds_their_alerts)
{
	web_harness_load(&w, "groups: [{name: g, rules: [{alert: A, expr: x > 5, "
			     "resolve_when: x<1, no_data: hold}]}]");
	web_harness_at(&w, 10, "x 6");
	web_harness_at(&w, 25, "x 3");
	web_get(&w, "/api/v1/rules", 200);
	ck_assert_json(&w, "data.groups.0.rules.0.resolveWhen", "x < 1");
	ck_assert_json(&w, "data.groups.0.rules.0.noData", "hold");
	web_get(&w, "/api/v1/alerts", 200);
	ck_assert_json(&w, "data.alerts.0.state", "firing");
	ck_assert_json(&w, "data.alerts.0.heldBy", "resolve_when");
}
END_TEST

/* ---- in pieces ---- */

#define MANY_RULES 100
#define MANY_ALERTS 1203 /* of one rule */

static void load_many(void)
{
	struct buf yaml, samples;

	buf_init(&yaml);
	buf_init(&samples);
	buf_add_str(&yaml, "groups:\n- name: g\n  rules:\n  - {alert: Many, expr: m}\n");
	for (int i = 1; i < MANY_RULES; i++)
		buf_printf(&yaml, "  - {alert: A%d, expr: 'm{i=\"%d\"}'}\n", i, i);
	for (int i = 0; i < MANY_ALERTS; i++)
		buf_printf(&samples, "m{i=\"%d\"} 1\n", i);
	web_harness_load(&w, yaml.ptr);
	web_harness_at(&w, 10, samples.ptr);
	buf_fini(&yaml);
	buf_fini(&samples);
}

static size_t count_of(const char *part)
{
	size_t n = 0;

	for (const char *at = w.body.ptr; (at = strstr(at, part)); at++)
		n++;
	return n;
}

START_TEST(alerts_are_copied_in_pieces)
{
	load_many();
	web_get(&w, "/api/v1/alerts", 200);
	ck_assert_uint_eq(count_of("\"alertname\":\"Many\""), MANY_ALERTS);
	ck_assert_uint_eq(count_of("\"activeAt\""), MANY_ALERTS + MANY_RULES - 1);
	ck_assert_int_eq(w.pieces, 1 + (MANY_ALERTS + MANY_RULES - 1) / SNAPSHOT_ALERTS_PIECE);
	/* No alert twice. */
	ck_assert_uint_eq(count_of("\"i\":\"1202\""), 1);
	ck_assert_uint_eq(count_of("\"i\":\"500\""), 1);
}
END_TEST

START_TEST(rules_are_copied_in_pieces)
{
	load_many();
	web_get(&w, "/api/v1/rules?exclude_alerts=1", 200);
	ck_assert_uint_eq(count_of("\"type\":\"alerting\""), MANY_RULES);
	ck_assert_int_eq(w.pieces, 1 + (MANY_RULES - 1) / SNAPSHOT_RULES_PIECE);
	w.pieces = 0;
	web_get(&w, "/api/v1/rules", 200);
	ck_assert_uint_eq(count_of("\"activeAt\""), MANY_ALERTS + MANY_RULES - 1);
}
END_TEST

static void reload_once(struct web_harness *harness)
{
	if (harness->pieces == 2)
		web_harness_load(
			harness,
			"groups: [{name: new, rules: [{alert: New, expr: 'm{i=\"1\"}'}]}]");
}

START_TEST(rules_that_are_replaced_meanwhile_start_over)
{
	load_many();
	w.before_piece = reload_once;
	web_get(&w, "/api/v1/rules", 200);
	ck_assert_str_eq(names(), "new:New");
	ck_assert_int_gt(w.pieces, 2);
}
END_TEST

START_TEST(rules_are_refused_while_busy)
{
	w.full = true;
	web_get(&w, "/api/v1/rules", 503);
	web_get(&w, "/api/v1/alerts", 503);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("web/rules");
	TCase *tests = tcase_create("rules");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_test(tests, rules_have_the_shape_of_prometheus);
	tcase_add_test(tests, alerts_have_empty_annotations);
	tcase_add_test(tests, rules_before_the_first_evaluation);
	tcase_add_test(tests, rules_are_filtered);
	tcase_add_test(tests, rules_are_told_page_by_page);
	tcase_add_test(tests, rules_refuse_bad_parameters);
	tcase_add_test(tests, rules_take_so_many_values_of_a_filter);
	tcase_add_test(tests, alerts_have_the_shape_of_prometheus);
	tcase_add_test(tests, rules_that_fail_say_why);
	tcase_add_test(tests, rules_that_read_nothing_say_so);
	tcase_add_test(tests, rules_with_resolve_when_say_what_holds_their_alerts);
	tcase_add_test(tests, alerts_are_copied_in_pieces);
	tcase_add_test(tests, rules_are_copied_in_pieces);
	tcase_add_test(tests, rules_that_are_replaced_meanwhile_start_over);
	tcase_add_test(tests, rules_are_refused_while_busy);
	suite_add_tcase(suite, tests);
	return suite;
}

TEST_MAIN(make_suite)
