#include "base/error.h"
#include "tests/check_main.h"
#include "tests/web/harness.h"
#include "web/web_internal.h"

static struct web_harness w;

static void stop(void)
{
	web_harness_stop(&w);
}

static void start(void)
{
	web_harness_start(&w, NULL);
}

static int status_of(const char *method, const char *target, const char *const *headers)
{
	web_ask(&w, method, target, headers, NULL);
	return w.status;
}

START_TEST(guard_knows_our_hosts)
{
	static const struct {
		const char *host;
		int status;
	} cases[] = {
		{ "127.0.0.1", 200 },
		{ "127.0.0.1:9797", 200 },
		{ "192.168.7.7:80", 200 },
		{ "[::1]:9797", 200 },
		{ "[::1]", 200 },
		{ "localhost", 200 },
		{ "LocalHost:1", 200 },
		{ "tocsin.example", 200 },
		{ "TOCSIN.example:443", 200 },
		{ "other.example", 200 },
		{ "other.example:9797", 200 },
		{ "evil.example", 403 },
		{ "127.0.0.1.evil", 403 },
		{ "localhost.evil", 403 },
		{ "[::1", 403 },
		{ "[evil]", 403 },
		{ "evil.example:9797", 403 },
		{ "999.0.0.1", 403 },
		{ "xother.example", 403 },
	};
	static const char *const guarded[] = { "/",
					       "/page/app.js",
					       "/api/v1/query?query=1",
					       "/api/v1/rules",
					       "/api/v2/silences",
					       "/api/v2/status",
					       "/api/tocsin/v1/overview" };
	static const char *const open[] = { "/metrics", "/-/healthy", "/-/ready" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const headers[] = { "Host", cases[i].host, NULL };

		for (size_t k = 0; k < sizeof(guarded) / sizeof(*guarded); k++)
			ck_assert_msg(status_of("GET", guarded[k], headers) == cases[i].status,
				      "%s %s: %d", cases[i].host, guarded[k], w.status);
		for (size_t k = 0; k < sizeof(open) / sizeof(*open); k++)
			ck_assert_msg(status_of("GET", open[k], headers) == 200, "%s %s: %d",
				      cases[i].host, open[k], w.status);
	}
}
END_TEST

START_TEST(guard_knows_our_origins)
{
	static const struct {
		const char *host, *origin;
		int status;
	} cases[] = {
		{ "127.0.0.1:9797", "http://127.0.0.1:9797", 200 },
		{ "127.0.0.1:9797", "http://127.0.0.1:9798", 403 },
		{ "127.0.0.1:9797", "http://10.0.0.1:9797", 403 },
		{ "127.0.0.1:9797", "https://127.0.0.1:9797", 200 },
		{ "127.0.0.1:9797", "http://TOCSIN.example:9797", 200 },
		{ "127.0.0.1:9797", "https://tocsin.example:9797", 403 },
		{ "127.0.0.1:9797", "https://other.example", 403 },
		{ "other.example", "https://other.example", 200 },
		{ "evil.example", "http://evil.example", 403 }, /* made to point here */
		{ "127.0.0.1:9797", "http://evil.example", 403 },
		{ "127.0.0.1:9797", "null", 403 },
		{ "127.0.0.1:9797", "http://127.0.0.1:9797/", 403 },
		{ "127.0.0.1:9797", "file://", 403 },
		{ "127.0.0.1:9797", "http://", 403 },
	};
	/* Wherever it is sent: also where Host is not looked at. */
	static const char *const targets[] = { "/api/v1/query?query=1", "/metrics", "/-/ready",
					       "/" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const headers[] = { "Host", cases[i].host, "Origin", cases[i].origin,
						NULL };

		for (size_t k = 0; k < sizeof(targets) / sizeof(*targets); k++)
			ck_assert_msg(status_of("GET", targets[k], headers) == cases[i].status,
				      "%s %s: %d", cases[i].origin, targets[k], w.status);
	}
	const char *const reload[] = { "Origin", "http://evil.example", NULL };

	ck_assert_int_eq(status_of("POST", "/-/reload", reload), 403);
}
END_TEST

START_TEST(guard_asks_changes_for_what_no_form_sends)
{
	static const struct {
		const char *type, *mark;
		int status;
	} cases[] = {
		{ "application/json", "1", 400 }, /* past the guard, refused for its empty body */
		{ "application/json; charset=utf-8", "1", 400 },
		{ "Application/JSON", "1", 400 },
		{ "application/json", NULL, 403 },
		{ "application/jsonx", "1", 403 },
		{ "text/plain", "1", 403 },
		{ "application/x-www-form-urlencoded", "1", 403 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const headers[] = { "Content-Type", cases[i].type,
						cases[i].mark ? "X-Tocsin-Request" : NULL,
						cases[i].mark, NULL };

		ck_assert_msg(status_of("POST", "/api/tocsin/v1/silences", headers) ==
				      cases[i].status,
			      "%s: %d", cases[i].type, w.status);
	}
}
END_TEST

START_TEST(guard_refuses_changes_where_all_may_reach_us)
{
	static const char *const headers[] = { "Content-Type", "application/json",
					       "X-Tocsin-Request", "1", NULL };
	const struct web_options options = { .external_url = SLICE(""),
					     .version = "1",
					     .query_timeout_ms = 1000 };

	web_harness_start(&w, &options);
	ck_assert_int_eq(status_of("POST", "/api/tocsin/v1/silences", headers), 403);
	ck_assert_int_eq(status_of("DELETE",
				   "/api/tocsin/v1/silence/00000000-0000-4000-8000-000000000000",
				   headers),
			 403);
	ck_assert_int_eq(status_of("GET", "/api/tocsin/v1/overview", NULL), 200);
	ck_assert_int_eq(status_of("POST", "/api/v2/silences", headers),
			 400); /* Alertmanager's API is not ours */
}
END_TEST

static int64_t no_time(void *ctx)
{
	return 0;
}

START_TEST(guard_takes_so_many_hosts)
{
	static struct slice hosts[HOSTS_MAX + 1];
	const struct web_host host = { .now_ms = no_time };
	struct web_options options = { .allowed_hosts = hosts, .version = "1" };
	struct web *web;

	for (size_t i = 0; i <= HOSTS_MAX; i++)
		hosts[i] = SLICE("h.example");
	options.nallowed_hosts = HOSTS_MAX;
	ck_assert_int_eq(web_new(&host, &options, &web), 0);
	web_free(web);
	options.nallowed_hosts = HOSTS_MAX + 1;
	ck_assert_int_eq(web_new(&host, &options, &web), ERR_LIMIT);
}
END_TEST

/* Longer than DNS has names: the external URL's host is known up to 255 bytes. */
START_TEST(guard_knows_hosts_so_long)
{
	char url[7 + 256 + 1] = "http://", *host = url + 7;
	const char *const headers[] = { "Host", host, NULL };

	web_harness_start(&w, NULL);
	memset(host, 'h', 256);
	for (size_t len = 255; len <= 256; len++) {
		struct web_options options = { .external_url = { url, 7 + len }, .version = "2" };

		host[len] = '\0';
		ck_assert_int_eq(web_configure(w.web, &options), 0);
		ck_assert_int_eq(status_of("GET", "/", headers), len == 255 ? 200 : 403);
		host[len] = 'h';
	}
}
END_TEST

START_TEST(guard_follows_a_reload)
{
	static const char *const old_host[] = { "Host", "other.example", NULL };
	static const char *const new_host[] = { "Host", "new.example", NULL };
	static struct slice hosts[HOSTS_MAX + 1] = { { "new.example", 11 } };
	struct web_options options = { .allowed_hosts = hosts,
				       .nallowed_hosts = HOSTS_MAX + 1,
				       .version = "2" };

	web_harness_start(&w, NULL);
	ck_assert_int_eq(web_configure(w.web, &options), ERR_LIMIT);
	ck_assert_int_eq(status_of("GET", "/", old_host), 200);
	options.nallowed_hosts = 1;
	ck_assert_int_eq(web_configure(w.web, &options), 0);
	ck_assert_int_eq(status_of("GET", "/", old_host), 403);
	ck_assert_int_eq(status_of("GET", "/", new_host), 200);
}
END_TEST

/* ---- routing ---- */

START_TEST(web_answers_what_is_not_there)
{
	static const char *const paths[] = { "/nothing", "/api/v1/nothing",  "/api/v1/query/",
					     "/-/",	 "/page/nothing.js", "/page/../web.c" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		ck_assert_msg(status_of("GET", paths[i], NULL) == 404, "%s: %d", paths[i],
			      w.status);
}
END_TEST

START_TEST(web_names_what_is_for_later)
{
	static const char *const paths[] = { "/-/leader",
					     "/api/v2/alerts",
					     "/api/v2/alerts/groups",
					     "/api/v2/receivers",
					     "/api/tocsin/v1/ignored",
					     "/api/tocsin/v1/deliveries",
					     "/api/tocsin/v1/runbooks/restart/runs",
					     "/api/tocsin/v1/runs",
					     "/api/tocsin/v1/approvals",
					     "/api/tocsin/v1/freeze" };

	for (size_t i = 0; i < 2 * sizeof(paths) / sizeof(*paths); i++) {
		const char *path = paths[i / 2], *method = i % 2 ? "POST" : "GET";

		ck_assert_msg(status_of(method, path, NULL) == 501, "%s: %d", path, w.status);
		ck_assert_ptr_nonnull(strstr(web_json(&w, "error"), "is not supported yet: "));
	}
}
END_TEST

START_TEST(web_knows_its_methods)
{
	static const struct {
		const char *method, *target;
		int status;
	} cases[] = {
		{ "HEAD", "/", 200 },
		{ "HEAD", "/metrics", 200 },
		{ "HEAD", "/-/healthy", 200 },
		{ "HEAD", "/api/v1/query?query=1", 200 },
		{ "HEAD", "/api/v1/rules", 200 },
		{ "POST", "/", 405 },
		{ "DELETE", "/api/v1/query", 405 },
		{ "GET", "/-/reload", 405 },
		{ "POST", "/-/healthy", 405 },
		{ "POST", "/api/v1/rules", 405 },
		{ "PUT", "/api/v2/silences", 405 },
		{ "POST", "/metrics", 405 },
		{ "OPTIONS", "/api/v1/query", 405 },
		{ "POST", "/-/reload", 500 },
		{ "PUT", "/-/reload", 500 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(status_of(cases[i].method, cases[i].target, NULL) == cases[i].status,
			      "%s %s: %d", cases[i].method, cases[i].target, w.status);
	status_of("POST", "/-/reload", NULL);
	ck_assert_str_eq(w.body.ptr, "rules.yml:1: error: no\n");
}
END_TEST

START_TEST(web_says_whether_it_is_ready)
{
	ck_assert_int_eq(status_of("GET", "/-/ready", NULL), 200);
	w.unready = true;
	ck_assert_int_eq(status_of("GET", "/-/ready", NULL), 503);
	ck_assert_int_eq(status_of("GET", "/-/healthy", NULL), 200);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("web/guard");
	TCase *tests = tcase_create("guard");

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_test(tests, guard_knows_our_hosts);
	tcase_add_test(tests, guard_knows_our_origins);
	tcase_add_test(tests, guard_asks_changes_for_what_no_form_sends);
	tcase_add_test(tests, web_answers_what_is_not_there);
	tcase_add_test(tests, web_names_what_is_for_later);
	tcase_add_test(tests, web_knows_its_methods);
	tcase_add_test(tests, web_says_whether_it_is_ready);
	suite_add_tcase(suite, tests);

	TCase *others = tcase_create("other options");

	tcase_add_checked_fixture(others, NULL, stop);
	tcase_add_test(others, guard_refuses_changes_where_all_may_reach_us);
	tcase_add_test(others, guard_knows_hosts_so_long);
	tcase_add_test(others, guard_follows_a_reload);
	suite_add_tcase(suite, others);

	TCase *limits = tcase_create("limits");

	tcase_add_test(limits, guard_takes_so_many_hosts);
	suite_add_tcase(suite, limits);
	return suite;
}

TEST_MAIN(make_suite)
