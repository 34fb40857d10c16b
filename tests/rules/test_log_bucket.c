/* How wide the buckets are that lines are counted in. */
#include "rules/log_bucket.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/check_main.h"

/* The width for count_over_time(logs{a="b"} …) in rules that stand in groups; 0 for events. */
static int64_t width_of_asked(const char *yaml, const char *asked)
{
	const struct source source = { .text = slice_from(asked ? asked : "") };
	const struct source *const demands[] = { &source };
	const struct rule_set_options options = { .interval_ms = 60000,
						  .rules_max = 100,
						  .demands = demands,
						  .ndemands = asked != NULL };
	struct diag_list diags;
	struct rule_set *set;
	diag_list_init(&diags);
	int code = rule_set_load_text(slice_from(yaml), "r.yml", &options, &diags, &set);
	ck_assert_msg(code == 0, "%s", diags.n ? diags.items[0].message : "");
	ck_assert_uint_eq(set->plan->nlogs, 1);
	int64_t width_ms = set->plan->logs[0].bucket_ms;
	rule_set_unref(set);
	diag_list_fini(&diags);
	return width_ms;
}

static int64_t width_of(const char *yaml)
{
	return width_of_asked(yaml, NULL);
}

static int64_t width_of_group(const char *keys, const char *expr)
{
	char yaml[1024];
	snprintf(yaml, sizeof(yaml),
		 "groups:\n- name: g\n  %s\n  rules:\n  - record: r\n    expr: |\n      %s\n", keys,
		 expr);
	return width_of(yaml);
}

#define COUNT "count_over_time(logs{a=\"b\"} "

START_TEST(bucket_is_what_interval_and_range_have_in_common)
{
	ck_assert_int_eq(width_of_group("interval: 15s", COUNT "[5m])"), 15000);
	ck_assert_int_eq(width_of_group("interval: 1m", COUNT "[90s])"), 30000);
	ck_assert_int_eq(width_of_group("interval: 1m", COUNT "[1m] offset 7s)"), 1000);
	ck_assert_int_eq(width_of_group("interval: 1m", COUNT "[1m] offset -10s)"), 10000);
	ck_assert_int_eq(width_of_group("interval: 1m\n  query_offset: 20s", COUNT "[1m])"), 20000);
	ck_assert_int_eq(width_of_group("interval: 1m", COUNT "[1700ms])"), 100);
}
END_TEST

START_TEST(bucket_serves_all_who_read_it)
{
	ck_assert_int_eq(width_of("groups:\n- {name: a, interval: 1m, rules: [{record: r, expr: "
				  "'" COUNT
				  "[5m])'}]}\n- {name: b, interval: 40s, rules: [{record: s, expr: "
				  "'" COUNT "[2m]) / " COUNT "[1m] offset 30s)'}]}\n"),
			 10000);
}
END_TEST

START_TEST(bucket_follows_the_steps_of_subqueries)
{
	ck_assert_int_eq(width_of_group("interval: 7s", "max_over_time(" COUNT "[1m])[1h:30s])"),
			 30000);
	ck_assert_int_eq(width_of_group("interval: 1m", COUNT "[1m] @ 1234.1)"), 100);
	ck_assert_int_eq(width_of_group("interval: 1m", COUNT "[1m] @ end())"), 60000);
}
END_TEST

START_TEST(bucket_is_short_for_runbooks_that_ask_at_any_time)
{
	const char *rules =
		"groups: [{name: a, interval: 1m, rules: [{record: r, expr: '" COUNT "[5m])'}]}]";
	ck_assert_int_eq(width_of_asked(rules, "sum(up)"), 60000);
	ck_assert_int_eq(width_of_asked(rules, COUNT "[1m]) > 3"), LOG_BUCKET_MS_ASKED);
	/* Seen from the start of a step, nothing else moves. */
	ck_assert_int_eq(width_of_asked(rules, "max_over_time(" COUNT "[1m])[5m:30s])"), 30000);
}
END_TEST

START_TEST(bucket_is_bounded)
{
	ck_assert_int_eq(width_of_group("interval: 1h", COUNT "[1d])"), LOG_BUCKET_MS_MAX);
	/* Still a divisor. */
	ck_assert_int_eq(width_of_group("interval: 100s", COUNT "[100s])"), 50000);
	ck_assert_int_eq(width_of_group("interval: 61s", COUNT "[61s])"), 30500);
	ck_assert_int_eq(width_of_group("interval: 3600001ms", COUNT "[3600001ms])"), 1);
}
END_TEST

START_TEST(events_have_no_buckets)
{
	ck_assert_int_eq(
		width_of_group("interval: 1m",
			       "avg_over_time(logs{a=\"b\"} | logfmt | unwrap v [1m]) by (c)"),
		0);
}
END_TEST

static Suite *log_bucket_suite(void)
{
	Suite *suite = suite_create("log_bucket");
	TCase *tcase = tcase_create("log_bucket");
	tcase_add_test(tcase, bucket_is_what_interval_and_range_have_in_common);
	tcase_add_test(tcase, bucket_serves_all_who_read_it);
	tcase_add_test(tcase, bucket_follows_the_steps_of_subqueries);
	tcase_add_test(tcase, bucket_is_short_for_runbooks_that_ask_at_any_time);
	tcase_add_test(tcase, bucket_is_bounded);
	tcase_add_test(tcase, events_have_no_buckets);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(log_bucket_suite)
