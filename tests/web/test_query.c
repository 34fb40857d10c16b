#include <jansson.h>

#include "tests/check_main.h"
#include "tests/web/harness.h"

static struct web_harness w;

static void start(void)
{
	web_harness_start(&w, NULL);
	web_harness_load(
		&w, "groups: [{name: g, rules: [{record: r, expr: x}, {record: s, expr: y}]}]");
	web_harness_at(&w, 15, "x{a=\"1\"} 1; x{a=\"2\"} 0.25; y{a=\"1\"} 7; y{a=\"1\",b=\"c\"} 8");
}

static void stop(void)
{
	web_harness_stop(&w);
}

START_TEST(query_answers_a_vector)
{
	ck_assert_str_eq(
		web_get(&w, "/api/v1/query?query=x&time=1700000015", 200),
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
		"{\"metric\":{\"__name__\":\"x\",\"a\":\"1\"},\"value\":[1700000015,\"1\"]},"
		"{\"metric\":{\"__name__\":\"x\",\"a\":\"2\"},\"value\":[1700000015,\"0.25\"]}]}}");
	web_get(&w, "/api/v1/query?query=nothing", 200);
	ck_assert_json(&w, "data", "{\"resultType\":\"vector\",\"result\":[]}");
}
END_TEST

START_TEST(query_answers_scalars_and_strings)
{
	web_get(&w, "/api/v1/query?query=1%2B1&time=4", 200);
	ck_assert_json(&w, "data", "{\"resultType\":\"scalar\",\"result\":[4,\"2\"]}");
	web_get(&w, "/api/v1/query?query=%22a%5Cn%22&time=1.5", 200);
	ck_assert_json(&w, "data", "{\"resultType\":\"string\",\"result\":[1.5,\"a\\n\"]}");
}
END_TEST

START_TEST(query_writes_values_as_json_floats)
{
	static const struct {
		const char *expr, *value;
	} cases[] = {
		{ "1e20", "100000000000000000000" },
		{ "1e21", "1e+21" },
		{ "1e-6", "0.000001" },
		{ "1e-7", "1e-07" },
		{ "NaN", "NaN" },
		{ "Inf", "+Inf" },
		{ "-Inf", "-Inf" },
		{ "0.1", "0.1" },
	};
	char target[100];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(target, sizeof(target), "/api/v1/query?query=%s", cases[i].expr);
		web_get(&w, target, 200);
		ck_assert_json(&w, "data.result.1", cases[i].value);
	}
}
END_TEST

START_TEST(query_takes_times_of_both_forms)
{
	static const struct {
		const char *given, *shown;
	} cases[] = {
		{ "1700000015", "1700000015" },
		{ "1700000015.25", "1700000015.25" },
		{ "2023-11-14T22:13:35Z", "1700000015" },
		{ "2023-11-14T23:13:35.007%2B01:00", "1700000015.007" },
		{ "-1.5", "-1.5" },
	};
	char target[100];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(target, sizeof(target), "/api/v1/query?query=time()&time=%s",
			 cases[i].given);
		web_get(&w, target, 200);
		char shown[100];

		snprintf(shown, sizeof(shown), "[%s,\"%s\"]", cases[i].shown, cases[i].shown);
		/* jansson prints reals in its own way: compare the text. */
		ck_assert_msg(strstr(w.body.ptr, cases[i].shown), "%s", w.body.ptr);
	}
	web_get(&w, "/api/v1/query?query=time()", 200);
	ck_assert_json(&w, "data.result.1", "1700000015");
}
END_TEST

START_TEST(query_takes_a_form)
{
	static const char *const form[] = { "Content-Type", "application/x-www-form-urlencoded",
					    NULL };

	web_ask(&w, "POST", "/api/v1/query", form, "query=sum(x)&time=1700000015");
	ck_assert_int_eq(w.status, 200);
	ck_assert_json(&w, "data.result.0.value.1", "1.25");
}
END_TEST

START_TEST(query_refuses_bad_parameters)
{
	static const struct {
		const char *parameters, *part;
	} cases[] = {
		{ "", "invalid parameter \"query\"" },
		{ "query=", "parse error" },
		{ "query=1%2B", "1:3: parse error" },
		{ "query=rat(x)", "did you mean \"rate\"?" },
		{ "query=rat(x)%2Bsun(y)", "1:8: parse error" },
		{ "query=x&time=noon", "invalid parameter \"time\"" },
		{ "query=x&timeout=long", "invalid parameter \"timeout\"" },
		{ "query=x&timeout=NaN", "invalid parameter \"timeout\"" },
	};
	char target[100];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(target, sizeof(target), "/api/v1/query?%s", cases[i].parameters);
		web_get(&w, target, 400);
		ck_assert_json(&w, "status", "error");
		ck_assert_json(&w, "errorType", "bad_data");
		ck_assert_msg(strstr(web_json(&w, "error"), cases[i].part), "%s", w.body.ptr);
	}
}
END_TEST

/* Larger answers come in the order of the engine: here the one in which the series came. */
START_TEST(query_sorts_so_many_rows)
{
	const int max = 10000;
	struct buf samples;

	buf_init(&samples);
	for (int i = max + 1; i > 0; i--)
		buf_printf(&samples, "x{a=\"%05d\",b=\"%s\"} 1; ", i, i == 1 ? "less" : "");
	web_harness_at(&w, 30, samples.ptr);
	web_get(&w, "/api/v1/query?query=x{a=~%22.....%22,b=%22%22}&time=1700000030", 200);
	ck_assert_json(&w, "data.result.0.metric.a", "00002");
	web_get(&w, "/api/v1/query?query=x{a=~%22.....%22}&time=1700000030", 200);
	ck_assert_json(&w, "data.result.0.metric.a", "10001");
	buf_fini(&samples);
}
END_TEST

/* As Prometheus, which takes any number of 64 bits. */
START_TEST(query_takes_any_limit)
{
	web_get(&w, "/api/v1/query?query=1&limit=1000000001", 200);
	web_get(&w, "/api/v1/query?query=1&limit=9223372036854775807", 200);
	web_get(&w, "/api/v1/query?query=1&limit=9223372036854775808", 400);
	ck_assert_json(&w, "error",
		       "invalid parameter \"limit\": strconv.Atoi: parsing "
		       "\"9223372036854775808\": value out of range");
	web_get(&w, "/api/v1/query?query=1&limit=1x", 400);
	ck_assert_json(&w, "error",
		       "invalid parameter \"limit\": strconv.Atoi: parsing \"1x\": "
		       "invalid syntax");
}
END_TEST

START_TEST(query_that_fails_is_422)
{
	web_get(&w, "/api/v1/query?query=x*on(a)group_left()y&time=1700000015", 422);
	ck_assert_json(&w, "errorType", "execution");
	ck_assert_ptr_nonnull(strstr(web_json(&w, "error"), "duplicate"));
}
END_TEST

START_TEST(query_beyond_what_is_kept_warns)
{
	for (int i = 2; i < 60; i++)
		web_harness_at(&w, 15 * i, "x{a=\"1\"} 1");
	web_get(&w, "/api/v1/query?query=count_over_time(x[1h])", 200);
	ck_assert_ptr_nonnull(strstr(web_json(&w, "warnings.0"), "incomplete"));
}
END_TEST

START_TEST(answer_that_is_too_long_is_refused)
{
	static const char *const targets[] = {
		"/api/v1/query?query=x&time=1700000030",
		"/api/v1/query_range?query=x&start=1700000015&end=1700000030&step=1",
		"/api/v1/label/a/values",
	};
	struct web_options options = { .query_timeout_ms = 30000,
				       .version = "1",
				       .loopback = true,
				       .answer_bytes_max = 300 };
	struct buf text;

	ck_assert_int_eq(web_configure(w.web, &options), 0);
	web_get(&w, "/api/v1/query?query=y&time=1700000015", 200);
	buf_init(&text);
	for (int i = 0; i < 100; i++)
		buf_printf(&text, "x{a=\"%d\"} 1; ", i);
	web_harness_at(&w, 30, text.ptr);
	buf_fini(&text);
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		web_get(&w, targets[i], 422);
		ck_assert_json(&w, "errorType", "execution");
		ck_assert_ptr_nonnull(strstr(web_json(&w, "error"), "longer than 300 bytes"));
	}
	web_get(&w, "/api/v1/query?query=x&time=1700000030&limit=2", 200);
}
END_TEST

START_TEST(query_that_takes_too_long_is_given_up)
{
	static const struct {
		const char *timeout;
		int64_t takes_ms;
		int status;
	} cases[] = {
		{ "", 29999, 200 },
		{ "", 30000, 503 },
		{ "&timeout=2s", 1999, 200 },
		{ "&timeout=2s", 2000, 503 },
		{ "&timeout=0.5", 499, 200 },
		{ "&timeout=0.5", 500, 503 },
		{ "&timeout=5m", 30000, 503 }, /* at most what the configuration says */
		{ "&timeout=0", 0, 503 },
		{ "&timeout=-1", 0, 503 },
		{ "&timeout=", 29999, 200 }, /* nothing is asked for */
	};
	char target[100];

	w.units = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		web_harness_at(&w, 15 + 100 * (double)i, "x 1");
		w.query_takes_ms = cases[i].takes_ms;
		snprintf(target, sizeof(target), "/api/v1/query?query=sum(x%%2Bx%%2Bx)%s",
			 cases[i].timeout);
		web_get(&w, target, cases[i].status);
		if (cases[i].status == 503)
			ck_assert_json(&w, "errorType", "timeout");
	}
}
END_TEST

/* What a query has cost is told to whoever asks, however. */
START_TEST(query_tells_its_cost)
{
	web_get(&w, "/api/v1/query?query=sum(x)&time=1700000015", 200);
	ck_assert_json(&w, "data.stats", "");
	web_get(&w, "/api/v1/query?query=sum(x)&time=1700000015&stats=", 200);
	ck_assert_json(&w, "data.stats", "");
	w.query_takes_ms = 250;
	w.units = 1;
	web_get(&w, "/api/v1/query?query=sum(x)&time=1700000015&stats=all", 200);
	ck_assert_json(&w, "data.stats.samples.totalQueryableSamples", "2");
	ck_assert_json(&w, "data.stats.samples.peakSamples", "2");
	ck_assert_json(&w, "data.stats.timings.execQueueTime", "0.25");
	ck_assert_ptr_nonnull(strstr(w.body.ptr, "\"evalTotalTime\":"));
	web_get(&w, "/api/v1/query_range?query=x&start=1700000015&end=1700000016&step=0.5&stats=1",
		200);
	ck_assert_json(&w, "data.stats.samples.totalQueryableSamples", "6");
}
END_TEST

START_TEST(query_is_refused_while_busy)
{
	w.full = true;
	web_get(&w, "/api/v1/query?query=x", 503);
	ck_assert_json(&w, "errorType", "unavailable");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("web/query");
	TCase *tests = tcase_create("query");

	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_test(tests, query_answers_a_vector);
	tcase_add_test(tests, query_answers_scalars_and_strings);
	tcase_add_test(tests, query_writes_values_as_json_floats);
	tcase_add_test(tests, query_takes_times_of_both_forms);
	tcase_add_test(tests, query_takes_a_form);
	tcase_add_test(tests, query_refuses_bad_parameters);
	tcase_add_test(tests, query_sorts_so_many_rows);
	tcase_add_test(tests, query_takes_any_limit);
	tcase_add_test(tests, query_that_fails_is_422);
	tcase_add_test(tests, query_beyond_what_is_kept_warns);
	tcase_add_test(tests, answer_that_is_too_long_is_refused);
	tcase_add_test(tests, query_that_takes_too_long_is_given_up);
	tcase_add_test(tests, query_tells_its_cost);
	tcase_add_test(tests, query_is_refused_while_busy);
	suite_add_tcase(suite, tests);
	return suite;
}

TEST_MAIN(make_suite)
