/*
 * Each allocation of a request failed in turn: it is answered, with 500 or 503 or as ever, nothing
 * leaks, and the next request goes well.
 */
#include "tests/check_main.h"
#include "tests/nomem.h"
#include "tests/web/harness.h"

static struct web_harness w;
static unsigned fail_at;
static bool failed_once;

static void arm(struct web_harness *harness)
{
	nomem_arm(fail_at);
}

static void disarm(struct web_harness *harness)
{
	failed_once = nomem_disarm();
}

static void start(void)
{
	web_harness_start(&w, NULL);
	web_harness_load(&w, "groups: [{name: g, rules: [{alert: A, expr: x, annotations: {s: 'at "
			     "{{ $value }}'}}, {record: r, expr: x}]}]");
	web_harness_at(&w, 10, "x{a=\"1\"} 1; x{a=\"2\"} 2");
	w.begun = arm;
	w.done = disarm;
}

static void stop(void)
{
	web_harness_stop(&w);
}

static const struct {
	const char *method, *target, *body;
	int status;
} requests[] = {
	{ "GET", "/api/v1/rules?file[]=a&rule_name[]=A", NULL, 200 },
	{ "GET", "/api/v1/rules?type=odd", NULL, 400 },
	{ "GET", "/api/v1/rules", NULL, 200 },
	{ "GET", "/api/v1/alerts", NULL, 200 },
	{ "GET", "/api/tocsin/v1/overview", NULL, 200 },
	{ "GET", "/metrics", NULL, 200 },
	{ "GET", "/api/v1/query?query=sum(x)&time=1700000010&timeout=1s", NULL, 200 },
	{ "GET", "/api/v1/query?query=sum(", NULL, 400 },
	{ "GET", "/api/v1/status/buildinfo", NULL, 200 },
	{ "GET", "/api/v2/status", NULL, 200 },
	{ "GET", "/api/v2/silences?filter=a%3D1&filter=b%3D~2", NULL, 200 },
	{ "GET", "/api/v2/silences?filter=a%3D~(", NULL, 400 },
	{ "GET", "/api/v2/silence/00000000-0000-4000-8000-000000000000", NULL, 404 },
	{ "GET", "/api/v2/silence/word", NULL, 422 },
	{ "POST", "/api/tocsin/v1/silences",
	  "{\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"duration\":\"1h\",\"createdBy\":\"me\","
	  "\"comment\":\"why\"}",
	  200 },
	{ "POST", "/api/v2/silences",
	  "{\"matchers\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"b\",\"value\":\"2.*\","
	  "\"isRegex\":true}],"
	  "\"startsAt\":\"2023-01-01T00:00:00Z\",\"endsAt\":\"2025-01-01T00:00:00Z\",\"createdBy\":"
	  "\"me\",\"comment\":\"why\"}",
	  200 },
	{ "GET", "/", NULL, 200 },
	{ "GET", "/graph?g0.expr=x", NULL, 302 },
	{ "GET", "/nothing", NULL, 404 },
};

START_TEST(request_survives_every_failing_allocation)
{
	static const char *const json[] = { "Content-Type", "application/json", "X-Tocsin-Request",
					    "1", NULL };
	int wanted = requests[_i].status;

	for (fail_at = 0; fail_at < NOMEM_SWEEP_MAX; fail_at++) {
		web_ask(&w, requests[_i].method, requests[_i].target, json, requests[_i].body);
		if (!failed_once)
			break;
		/* A parameter that could not be read counts as absent. */
		ck_assert_msg(w.status == wanted || w.status == 200 || w.status == 400 ||
				      w.status == 500 || w.status == 503,
			      "%s, allocation %u: %d", requests[_i].target, fail_at, w.status);
	}
	ck_assert_msg(w.status == wanted, "%s: %d: %s", requests[_i].target, w.status, w.body.ptr);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("web/nomem");
	TCase *tests = tcase_create("requests");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_loop_test(tests, request_survives_every_failing_allocation, 0,
			    sizeof(requests) / sizeof(*requests));
	suite_add_tcase(suite, tests);
	return suite;
}

TEST_MAIN(make_suite)
