/* Questions of runbooks: checks at load, references to labels, fresh samples, verdicts. */
#include "engine/verify.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"
#include "tests/engine/harness.h"

static struct harness h;
static struct rule_set *set;

static struct source source_of(const char *text)
{
	return (struct source){
		.file = "t.yml", .text = slice_from(text), .line0 = 7, .column0 = 3
	};
}

/* Rules that read nothing of it, and expressions of runbooks. */
static void load(const char *const *texts, size_t n)
{
	struct source sources[4];
	const struct source *demands[4];
	struct diag_list diags;
	struct rule_set_options options = {
		.interval_ms = 15000, .rules_max = 10, .demands = demands, .ndemands = n
	};
	for (size_t i = 0; i < n; i++) {
		sources[i] = source_of(texts[i]);
		demands[i] = &sources[i];
	}
	diag_list_init(&diags);
	ck_assert_int_eq(rule_set_load_text(
				 SLICE("groups: [{name: g, rules: [{alert: A, expr: other > 5}]}]"),
				 "r.yml", &options, &diags, &set),
			 0);
	diag_list_fini(&diags);
	engine_load(h.engine, set);
	harness_settle(&h);
}

static void start(void)
{
	struct engine_options options;
	harness_options(&options);
	harness_start(&h, &options);
	static const char *const texts[] = { "up{instance=\"$labels.instance\"} == 1",
					     "rate(errors[1m]) < 0.5" };
	load(texts, 2);
	harness_time(&h, 0);
}

static void stop(void)
{
	rule_set_unref(set);
	harness_stop(&h);
}

static struct labels *labels_of(const char *job, const char *instance)
{
	const struct label pairs[] = { { SLICE("instance"), slice_from(instance) },
				       { SLICE("job"), slice_from(job) } };
	struct labels *labels;
	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	return labels;
}

/* The verdict for job j and this instance; fresh_after_s < 0: all samples are fresh. */
static const char *ask(const char *text, const char *instance, double t_s, double fresh_after_s)
{
	static char why[128];
	struct labels *labels = labels_of("j", instance);
	struct engine_query *query;
	const struct verify_question question = {
		.text = slice_from(text),
		.labels = labels,
		.target = labels,
		.t_ms = (int64_t)(t_s * 1000),
		.fresh_after_ms = fresh_after_s < 0 ? TIME_NONE : (int64_t)(fresh_after_s * 1000),
	};
	int code = verify_query_new(&question, &query, why);
	labels_unref(labels);
	if (code)
		return why;
	ck_assert_int_eq(engine_query(h.engine, query), 0);
	harness_settle(&h);
	return h.query.ptr;
}

#define UP "up{instance=\"$labels.instance\"} == 1"

START_TEST(verify_is_of_the_target_on_fresh_samples)
{
	harness_feed(&h, 10, "up{job=\"j\",instance=\"a\"} 0; up{job=\"j\",instance=\"b\"} 1");
	harness_time(&h, 11);
	ck_assert_str_eq(ask(UP, "a", 11, -1), "it does not hold");
	ck_assert_str_eq(ask(UP, "b", 11, -1), "true");
	ck_assert_str_eq(ask(UP, "c", 11, -1), "no data");
	/* Later than, not at. */
	ck_assert_str_eq(ask(UP, "b", 11, 9.999), "true");
	ck_assert_str_eq(ask(UP, "b", 11, 10), "no data");
	harness_feed(&h, 20, "up{job=\"j\",instance=\"b\"} 1; up{job=\"j\",instance=\"a\"} NaN");
	ck_assert_str_eq(ask(UP, "b", 21, 10), "true");
	ck_assert_str_eq(ask("up{instance=\"$labels.instance\"}", "a", 21, 10), "it does not hold");
	/* What has ended proves nothing. */
	harness_feed(&h, 22, "up{job=\"j\",instance=\"b\"} stale");
	ck_assert_str_eq(ask(UP, "b", 23, 10), "no data");
}
END_TEST

START_TEST(verify_takes_elements_of_the_target_only)
{
	harness_feed(&h, 10, "up{job=\"j\",instance=\"a\"} 0; up{job=\"j\",instance=\"b\"} 1");
	/* Not bound to a label: the other instance's element does not count. */
	ck_assert_str_eq(ask("up == 1", "a", 11, -1), "it does not hold");
	ck_assert_str_eq(ask("up == 1", "b", 11, -1), "true");
	ck_assert_str_eq(ask("sum(up) >= 1", "a", 11, -1), "true");
	ck_assert_str_eq(ask("count by (job) (up == 1) >= 1", "a", 11, -1), "true");
	/* A constant is true, but says nothing of the target. */
	ck_assert_str_eq(ask("vector(1) or up", "c", 11, -1), "no data");
}
END_TEST

START_TEST(verify_of_ranges_waits_until_they_are_fresh)
{
	for (int t = 0; t <= 120; t += 15) {
		char text[64];
		snprintf(text, sizeof(text), "errors{job=\"j\"} %d", t < 45 ? t * 10 : 450);
		harness_time(&h, t);
		harness_feed(&h, t, text);
	}
	ck_assert_str_eq(ask("rate(errors[1m]) < 0.5", "a", 60, 50), "too early");
	ck_assert_str_eq(ask("rate(errors[1m]) < 0.5", "a", 109.999, 50), "too early");
	ck_assert_str_eq(ask("rate(errors[1m]) < 0.5", "a", 110, 50), "true");
	ck_assert_str_eq(ask("rate(errors[1m]) > 0.5", "a", 110, 50), "it does not hold");
	ck_assert_str_eq(ask("rate(errors[1m] offset 20s) < 0.5", "a", 120, 50), "too early");
}
END_TEST

START_TEST(verify_windows_are_kept_for_it)
{
	/* No rule reads it, yet five samples of a minute are there. */
	for (int t = 0; t <= 300; t += 15) {
		harness_time(&h, t);
		harness_feed(&h, t, "errors{job=\"j\"} 1; nobody 1");
	}
	harness_expect_query(&h, "count_over_time(errors[10m])", 300, "{job=\"j\"} 5\npartial\n");
	harness_expect_query(&h, "nobody", 300, "");
	/* Another set, without runbooks: they go. */
	rule_set_unref(set);
	load(NULL, 0);
	harness_run(&h, 300, 2000, NULL);
	harness_expect_query(&h, "count_over_time(errors[1h])", 2000, "");
}
END_TEST

START_TEST(verify_binds_labels_after_parsing)
{
	ck_assert_str_eq(ask("up{instance=\"$labels.nothing\"}", "a", 11, -1), "nothing");
	/* What a label holds is never read as a reference, nor as an expression. */
	harness_feed(&h, 10,
		     "up{job=\"j\",instance=\"$labels.job\"} 0; up{job=\"j\",instance=\"j\"} 1");
	ck_assert_str_eq(ask(UP, "$labels.job", 11, -1), "it does not hold");
	ck_assert_str_eq(ask(UP, "\"} or vector(1) or x{a=\"", 11, -1), "no data");
}
END_TEST

/* ---- at load ---- */

static const char *check(const char *text, int64_t *reach_ms)
{
	static char out[512];
	struct diag_list diags;
	struct source source = source_of(text);
	diag_list_init(&diags);
	int code = verify_check(&source, &diags, reach_ms);
	out[0] = '\0';
	if (code)
		snprintf(out, sizeof(out), "%u:%u %s", diags.items[0].line, diags.items[0].column,
			 diags.items[0].message);
	ck_assert_int_eq(code, diags.n ? ERR_INVALID : 0);
	diag_list_fini(&diags);
	return out;
}

START_TEST(verify_is_checked_at_load)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ UP, "" },
		{ "up{instance=~\"$labels.instance\"}",
		  "7:3 \"$labels.NAME\" stands only as the whole value of a matcher with \"=\"" },
		{ "up{instance=\"x$labels.instance\"}",
		  "7:3 \"$labels.NAME\" stands only as the whole value of a matcher with \"=\"" },
		{ "up{instance=\"$labels.a.b\"}",
		  "7:3 \"$labels.NAME\" stands only as the whole value of a matcher with \"=\"" },
		{ "{instance=\"$labels.instance\"}",
		  "7:3 a selector with \"$labels.NAME\" needs the name of a metric" },
		{ "absent(up)",
		  "7:3 absent() proves nothing: it is also true when nothing is heard any more" },
		{ "max_over_time(up[5m:1m])", "7:17 subqueries are not supported here" },
		{ "rate(logs{a=\"b\"}[1m]) < 1", "7:8 log lines are not supported here" },
		{ "up @ 5", "7:3 \"@\" modifiers are not supported here" },
		{ "vector(1)", "7:3 the expression reads nothing" },
		{ "1", "7:3 the expression must be an instant vector" },
		{ "up[5m]", "7:3 the expression must be an instant vector" },
	};
	int64_t reach_ms;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(check(cases[i].text, &reach_ms), cases[i].said);
	check("rate(a[5m] offset 1m) + rate(b[2m]) + c offset 1h", &reach_ms);
	ck_assert_int_eq(reach_ms, 360000);
	check("up", &reach_ms);
	ck_assert_int_eq(reach_ms, 0);
	ck_assert_str_ne(check("up ==", &reach_ms), "");
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("verify");
	TCase *tc = tcase_create("verify");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, verify_is_of_the_target_on_fresh_samples);
	tcase_add_test(tc, verify_takes_elements_of_the_target_only);
	tcase_add_test(tc, verify_of_ranges_waits_until_they_are_fresh);
	tcase_add_test(tc, verify_windows_are_kept_for_it);
	tcase_add_test(tc, verify_binds_labels_after_parsing);
	tcase_add_test(tc, verify_is_checked_at_load);
	suite_add_tcase(suite, tc);
	return suite;
}
TEST_MAIN(suite)
