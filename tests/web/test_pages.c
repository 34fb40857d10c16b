/* What people and Prometheus look at: the overview, the page, the metrics. */
#include <jansson.h>

#include "base/error.h"
#include "engine/listing.h"
#include "tests/check_main.h"
#include "tests/engine/harness.h"
#include "tests/web/harness.h"
#include "web/embed.h"

static struct web_harness w;

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
	web_harness_load(&w, "groups:\n- name: g\n  rules:\n"
			     "  - {alert: High, expr: x > 1, labels: {severity: page}, "
			     "annotations: {summary: 'at {{ $value }}'}}\n"
			     "  - {record: r, expr: sum(x)}\n");
	web_harness_at(&w, 10, "x{a=\"1\"} 1; x{a=\"2\"} 2.5; other 1");
}

START_TEST(overview_shows_all)
{
	load();
	web_get(&w, "/api/tocsin/v1/overview", 200);
	ck_assert_json(&w, "now", "1700000010000");
	ck_assert_json(&w, "version", "1.2.3");
	ck_assert_json(&w, "ready", "true");
	ck_assert_json(&w, "totals.firing", "1");
	ck_assert_json(&w, "totals.rules", "2");
	ck_assert_json(&w, "totals.senders", "1");
	ck_assert_json(
		&w, "alerts.0",
		"{\"rule\":\"High\",\"group\":\"g\",\"query\":\"x > 1\",\"state\":\"firing\","
		"\"labels\":{\"a\":\"2\",\"alertname\":\"High\",\"severity\":\"page\"},"
		"\"annotations\":{\"summary\":\"at "
		"2.5\"},\"value\":2.5,\"active\":1700000010000,\"fired\":1700000010000,"
		"\"keepSince\":null,\"for\":0,\"held\":false,\"heldBy\":\"\",\"noDataSince\":null,"
		"\"silencedBy\":\"\",\"evidence\":{\"lines\":[],\"functions\":[]}}");
	ck_assert_json(&w, "alerts.1", "");
	ck_assert_json(&w, "groups.0.interval", "15000");
	ck_assert_json(&w, "groups.0.rules.0.health", "ok");
	ck_assert_json(&w, "groups.0.rules.0.value", "2.5");
	ck_assert_json(&w, "groups.0.rules.0.newest", "1700000010000");
	ck_assert_json(&w, "groups.0.rules.0.series", "2");
	ck_assert_json(&w, "groups.0.rules.1.kind", "record");
	ck_assert_json(&w, "senders.0.name", "127.0.0.1 test");
	ck_assert_json(&w, "senders.0.stored", "2");
	ck_assert_json(&w, "senders.0.ignored", "1");
	ck_assert_json(&w, "runs", "[]");
	ck_assert_json(&w, "deliveries", "[]");
	ck_assert_json(&w, "silences", "[]");
}
END_TEST

START_TEST(overview_before_there_are_rules)
{
	web_get(&w, "/api/tocsin/v1/overview", 200);
	ck_assert_json(&w, "groups", "[]");
	ck_assert_json(&w, "alerts", "[]");
}
END_TEST

/* By its own labels, and by the external ones that notifications carry. */
START_TEST(overview_marks_what_is_silenced)
{
	static const char *const labels[] = { "\"alertname\":\"High\"", "\"cluster\":\"eu\"" };
	static const char *const headers[] = { "Content-Type", "application/json",
					       "X-Tocsin-Request", "1", NULL };
	char body[200], id[64], path[100];

	load();
	for (size_t i = 0; i < 2; i++) {
		snprintf(body, sizeof(body),
			 "{\"labels\":{%s},\"duration\":\"1h\",\"createdBy\":\"me\",\"comment\":"
			 "\"why\"}",
			 labels[i]);
		web_ask(&w, "POST", "/api/tocsin/v1/silences", headers, body);
		snprintf(id, sizeof(id), "%s", web_json(&w, "silenceID"));
		web_get(&w, "/api/tocsin/v1/overview", 200);
		ck_assert_json(&w, "alerts.0.silencedBy", id);
		snprintf(path, sizeof(path), "/api/tocsin/v1/silence/%s", id);
		web_ask(&w, "DELETE", path, headers, NULL);
		web_get(&w, "/api/tocsin/v1/overview", 200);
		ck_assert_json(&w, "alerts.0.silencedBy", "");
	}
}
END_TEST

START_TEST(overview_has_limits)
{
	struct buf yaml, samples;

	buf_init(&yaml);
	buf_init(&samples);
	buf_add_str(&yaml, "groups:\n- name: g\n  rules:\n");
	for (int i = 0; i < 2001; i++)
		buf_printf(&yaml, "  - {alert: A%d, expr: m}\n", i);
	web_harness_load(&w, yaml.ptr);
	web_harness_at(&w, 10, "m{i=\"1\"} 1");
	web_get(&w, "/api/tocsin/v1/overview", 200);
	json_t *root = json_loads(w.body.ptr, 0, NULL);

	ck_assert_uint_eq(json_array_size(json_object_get(root, "alerts")), 1000);
	ck_assert_uint_eq(json_array_size(json_object_get(
				  json_array_get(json_object_get(root, "groups"), 0), "rules")),
			  2000);
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_object_get(root, "totals"), "firing")),
		2001);
	json_decref(root);
	buf_fini(&yaml);
	buf_fini(&samples);
}
END_TEST

static void restore(enum record_type type, const char *format, int i, const char *text)
{
	struct buf record;

	buf_init(&record);
	buf_printf(&record, format, i, text);
	actions_restore(w.actions, type, buf_slice(&record));
	buf_fini(&record);
}

static size_t count_of(const json_t *root, const char *list)
{
	return json_array_size(json_object_get(root, list));
}

/* Two more of each than are shown, and an output that ends inside a character. */
START_TEST(overview_has_limits_of_what_was_done)
{
	static const char *const headers[] = { "Content-Type", "application/json",
					       "X-Tocsin-Request", "1", NULL };
	char output[4096 + 4] = "", body[200], name[32];

	for (int i = 0; i <= 4096; i += 2)
		memcpy(output + i, i ? "\303\244" : "x", i ? 2 : 1);
	memmove(output + 1, output + 2, sizeof(output) - 2);
	web_harness_load(&w, "groups: []\n");
	for (int i = 0; i < 52; i++)
		restore(RECORD_RUN,
			"{\"id\": \"abcd-r%d\", \"runbook\": \"a\", \"state\": \"recovered\", "
			"\"rule\": \"A\", \"alert\": {\"a\": \"b\"}, \"expr\": {}, \"starts\": 1, "
			"\"created\": 1, \"finished\": 1, \"ladder\": [], \"steps\": [{\"id\": "
			"\"act\", \"state\": \"ok\", \"output\": \"%s\"}]}",
			i + 1, output);
	for (int i = 0; i < 102; i++)
		restore(RECORD_DELIVERY,
			"{\"id\": \"abcd-%d\", \"state\": \"%s\", \"told\": \"t\", \"group\": "
			"\"g\", \"receiver\": \"r\", \"integration\": \"webhook\", \"body\": \"\"}",
			i + 1, "done");
	for (int i = 0; i < 102; i++) {
		snprintf(body, sizeof(body),
			 "{\"labels\":{\"a\":\"%d\"},\"duration\":\"1h\",\"createdBy\":\"me\","
			 "\"comment\":\"why\"}",
			 i);
		web_ask(&w, "POST", "/api/tocsin/v1/silences", headers, body);
		ck_assert_int_eq(w.status, 200);
	}
	for (int i = 0; i < 202; i++) {
		snprintf(name, sizeof(name), "10.0.0.%d", i);
		engine_batch(w.engine, harness_batch(name, HARNESS_NOW_S, "m 1"));
	}
	web_harness_at(&w, 10, NULL);
	web_get(&w, "/api/tocsin/v1/overview", 200);
	json_t *root = json_loads(w.body.ptr, 0, NULL);

	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(count_of(root, "runs"), 50);
	ck_assert_uint_eq(count_of(root, "deliveries"), 100);
	ck_assert_uint_eq(count_of(root, "silences"), 100);
	ck_assert_uint_eq(count_of(root, "senders"), 200);
	json_decref(root);
	ck_assert_json(&w, "runs.0.id", "abcd-r52");
	ck_assert_json(&w, "totals.senders", "202");
	ck_assert_uint_le(strlen(web_json(&w, "runs.0.steps.0.output")), 4095);
}
END_TEST

START_TEST(statistics_name_so_many)
{
	struct buf samples;

	buf_init(&samples);
	for (int i = 0; i <= LISTING_TOP_MAX; i++)
		buf_printf(&samples, "m%d 1; ", i);
	web_harness_load(&w, "groups: [{name: g, rules: [{alert: A, expr: '{__name__=~\"m.*\"}'}]}]");
	web_harness_at(&w, 10, samples.ptr);
	web_get(&w, "/api/v1/status/tsdb?limit=1000", 200);
	json_t *root = json_loads(w.body.ptr, 0, NULL), *data = json_object_get(root, "data");

	ck_assert_uint_eq(json_array_size(json_object_get(data, "seriesCountByMetricName")),
			  LISTING_TOP_MAX);
	ck_assert_int_ge(json_integer_value(json_object_get(json_object_get(data, "headStats"),
							    "numSeries")),
			 LISTING_TOP_MAX + 1);
	json_decref(root);
	buf_fini(&samples);
}
END_TEST

/* ---- metrics ---- */

static void check_metric_line(const char *line, const char *name, const char *type)
{
	ck_assert_msg(strncmp(line, name, strlen(name)) == 0, "%s stands below %s", line, name);
	const char *rest = line + strlen(name), *value = strrchr(line, ' ');

	ck_assert_msg(*rest == ' ' || *rest == '{', "%s stands below %s", line, name);
	ck_assert_ptr_nonnull(value);
	ck_assert_msg(strspn(value + 1, "0123456789.") == strlen(value + 1), "%s", line);
	ck_assert_msg((strcmp(type, "counter") == 0) ==
			      (strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0),
		      "%s is a %s", name, type);
}

START_TEST(senders_are_listed_with_how_late_they_are)
{
	load();
	web_get(&w, "/api/tocsin/v1/senders", 200);
	ck_assert_json(&w, "data.now", "1700000010000");
	ck_assert_json(&w, "data.ruleQueryOffset", "7000");
	ck_assert_json(&w, "data.senders.0.name", "127.0.0.1 test");
	ck_assert_json(&w, "data.senders.0.lag", "0");
	ck_assert_json(&w, "data.senders.0.series", "2");
	ck_assert_json(&w, "data.senders.0.ignored", "1");
	ck_assert_json(&w, "data.senders.1", "");
}
END_TEST

START_TEST(metrics_are_well_formed)
{
	char *copy, *rest, *line, name[100] = "", type[20] = "";
	int metrics = 0, values = 0;

	load();
	copy = rest = strdup(web_get(&w, "/metrics", 200));
	ck_assert_ptr_nonnull(strstr(copy, "own_metric 1\n"));
	ck_assert_ptr_nonnull(strstr(copy, "tocsin_rules 2\n"));
	ck_assert_ptr_nonnull(strstr(copy, "tocsin_alerts{state=\"firing\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(copy, "tocsin_samples_dropped_total{reason=\"ignored\"} 1\n"));
	while ((line = strsep(&rest, "\n")) && *line) {
		if (strncmp(line, "# HELP ", 7) == 0)
			continue;
		if (sscanf(line, "# TYPE %99s %19s", name, type) == 2) {
			metrics++;
			continue;
		}
		values++;
		check_metric_line(line, name, type);
	}
	ck_assert_int_gt(metrics, 40);
	ck_assert_int_gt(values, metrics);
	free(copy);
}
END_TEST

START_TEST(metrics_have_a_reference)
{
	struct buf out;

	buf_init(&out);
	metrics_reference(&out);
	ck_assert_ptr_nonnull(strstr(
		out.ptr,
		"| `tocsin_series` | gauge | Series kept because something demands them. |\n"));
	buf_fini(&out);
}
END_TEST

/* ---- the page ---- */

START_TEST(page_is_carried_as_it_is_written)
{
	char path[4096];
	size_t n = 0;

	for (const struct embedded_file *file = page_files; file->name; file++, n++) {
		snprintf(path, sizeof(path), "%s/web/page/%s", getenv("TOCSIN_SRCDIR"), file->name);
		FILE *source = fopen(path, "r");
		char *bytes = malloc(file->len + 1);

		ck_assert_msg(source != NULL, "%s", path);
		ck_assert_uint_eq(fread(bytes, 1, file->len + 1, source), file->len);
		ck_assert(memcmp(bytes, file->bytes, file->len) == 0);
		fclose(source);
		free(bytes);
		snprintf(path, sizeof(path), "/page/%s", file->name);
		web_get(&w, path, 200);
		ck_assert_uint_eq(w.body.len - 1, file->len);
	}
	ck_assert_uint_gt(n, 5);
}
END_TEST

/* Nothing from elsewhere, no script or style in the markup: the policy would refuse it. */
START_TEST(page_keeps_to_its_policy)
{
	static const char *const never[] = { "http://", "https://", "<script>",	 "<style",
					     "style=",	"onclick=", "innerHTML", "eval(" };

	for (const struct embedded_file *file = page_files; file->name; file++) {
		if (strstr(file->name, ".svg"))
			continue; /* its namespace is an address */
		for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
			ck_assert_msg(!memmem(file->bytes, file->len, never[i], strlen(never[i])),
				      "%s: %s", file->name, never[i]);
	}
}
END_TEST

START_TEST(status_for_amtool)
{
	web_get(&w, "/api/v2/status", 200);
	ck_assert_json(&w, "cluster", "{\"status\":\"disabled\",\"peers\":[]}");
	ck_assert_json(&w, "versionInfo.version", "1.2.3");
	ck_assert_json(&w, "uptime", "2023-11-14T22:13:20.000Z");
	web_get(&w, "/api/v1/status/buildinfo", 200);
	ck_assert_json(&w, "data.features", "");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("web/pages");
	TCase *tests = tcase_create("pages");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_test(tests, overview_shows_all);
	tcase_add_test(tests, overview_before_there_are_rules);
	tcase_add_test(tests, overview_marks_what_is_silenced);
	tcase_add_test(tests, overview_has_limits);
	tcase_add_test(tests, overview_has_limits_of_what_was_done);
	tcase_add_test(tests, statistics_name_so_many);
	tcase_add_test(tests, senders_are_listed_with_how_late_they_are);
	tcase_add_test(tests, metrics_are_well_formed);
	tcase_add_test(tests, metrics_have_a_reference);
	tcase_add_test(tests, page_is_carried_as_it_is_written);
	tcase_add_test(tests, page_keeps_to_its_policy);
	tcase_add_test(tests, status_for_amtool);
	suite_add_tcase(suite, tests);
	return suite;
}

TEST_MAIN(make_suite)
