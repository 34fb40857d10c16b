/* What rules can say on arrival, by their expressions. */
#include "base/error.h"
#include "base/text.h"
#include "rules/rule_expand.h"
#include "tests/check_main.h"

static const struct {
	const char *expr;
	enum arrival_class class;
	const char *why; /* of ARRIVAL_TICK */
} cases[] = {
	{ "x > 5", ARRIVAL_IMMEDIATE, NULL },
	{ "-abs(x) < 1 + time()", ARRIVAL_IMMEDIATE, NULL },
	{ "rate(x[1m]) > 5", ARRIVAL_IMMEDIATE, NULL },
	{ "timestamp(x) > 0", ARRIVAL_IMMEDIATE, NULL },
	{ "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)\")", ARRIVAL_IMMEDIATE, NULL },
	{ "sort(x)", ARRIVAL_IMMEDIATE, NULL },
	{ "rate(x[1m] anchored)", ARRIVAL_IMMEDIATE, NULL },
	{ "rate(a[1m]) / rate(b[1m]) > 0.5", ARRIVAL_IMMEDIATE, NULL },
	{ "a / on (job, instance) b", ARRIVAL_IMMEDIATE, NULL },
	{ "x - x offset 5m", ARRIVAL_IMMEDIATE, NULL },
	{ "x - x @ 100", ARRIVAL_IMMEDIATE, NULL },
	{ "x > bool 5", ARRIVAL_IMMEDIATE, NULL },
	{ "sum by (job) (x) > 5", ARRIVAL_SETTLE, NULL },
	{ "topk(3, x)", ARRIVAL_SETTLE, NULL },
	{ "quantile(0.9, x)", ARRIVAL_SETTLE, NULL },
	{ "a / on (job) group_left () b", ARRIVAL_SETTLE, NULL },
	{ "a * on (job) group_right (v) b", ARRIVAL_SETTLE, NULL },
	{ "a and b", ARRIVAL_SETTLE, NULL },
	{ "a or b", ARRIVAL_SETTLE, NULL },
	{ "a unless b", ARRIVAL_SETTLE, NULL },
	{ "histogram_quantile(0.9, x)", ARRIVAL_SETTLE, NULL },
	{ "rate(x[1m]) / sum(x)", ARRIVAL_SETTLE, NULL },
	{ "absent(x)", ARRIVAL_TICK, "absent" },
	{ "sum(x) or absent(x)", ARRIVAL_TICK, "absent" },
	{ "absent_over_time(x[1m])", ARRIVAL_TICK, "\"absent_over_time\"" },
	{ "x > scalar(y)", ARRIVAL_TICK, "scalar" },
	{ "max_over_time(x[5m:1m])", ARRIVAL_TICK, "a subquery" },
	{ "max_over_time(sum(x)[5m:])", ARRIVAL_TICK, "a subquery" },
	{ "info(x)", ARRIVAL_TICK, "info" },
	{ "count_values(\"v\", x)", ARRIVAL_TICK, "\"count_values\"" },
	{ "limitk(2, x)", ARRIVAL_TICK, "\"limitk\"" },
	{ "limit_ratio(0.5, x)", ARRIVAL_TICK, "\"limit_ratio\"" },
	{ "a + fill(0) b", ARRIVAL_TICK, "\"fill\"" },
	{ "x smoothed", ARRIVAL_TICK, "\"smoothed\", which looks at later samples" },
	{ "x offset -1m", ARRIVAL_TICK, "an offset into the future" },
	{ "x - x offset 3s", ARRIVAL_TICK, "an offset that is shorter than \"settle\"" },
	{ "vector(1)", ARRIVAL_TICK, "nothing that arrives" },
	{ "1", ARRIVAL_TICK, "nothing that arrives" },
	{ "x offset 5m", ARRIVAL_TICK, "nothing that arrives" },
	{ "count_over_time(logs{a=\"b\"} |= \"x\" [1m]) > 2", ARRIVAL_TICK,
	  "log lines, not only for more of them than a number" },
};

/* Of alerts. */
static const struct {
	const char *expr;
	bool rises;
} line_cases[] = {
	{ "count_over_time(logs{a=\"b\"} |= \"x\" [1m]) > 2", true },
	{ "2 <= rate(logs{a=\"b\"} |= \"x\" [1m])", true },
	{ "sum by (job) (bytes_over_time(logs{a=\"b\"}[1m])) >= 2e6", true },
	{ "max(bytes_rate(logs{a=\"b\"}[1m])) > 2", true },
	{ "count_over_time(logs{a=\"b\"} |= \"x\" [1m]) < 2", false },
	{ "count_over_time(logs{a=\"b\"} |= \"x\" [1m]) > bool 2", false },
	{ "count_over_time(logs{a=\"b\"} |= \"x\" [1m]) > y", false },
	{ "count_over_time(logs{a=\"b\"} |= \"x\" [1m] offset 5m) > 2", false },
	{ "min(rate(logs{a=\"b\"}[1m])) > 2", false },
	{ "sum by (a) (sum_over_time(logs{a=\"b\"} | logfmt | unwrap v [1m])) > 2", false },
	{ "count_over_time(x[1m]) > 2", false },
};

static struct rule_set *load(const char *evaluate, const char *kind, const char *expr);

START_TEST(more_lines_than_a_number_are_told_at_once)
{
	struct rule_set *set = load("arrival", "alert", line_cases[_i].expr);
	const struct rule *rule = &set->groups[0].rules[0];
	ck_assert_msg(rule->arrival_rises == line_cases[_i].rises, "%s", line_cases[_i].expr);
	if (rule->arrival_rises)
		ck_assert_int_eq(rule->arrival, ARRIVAL_IMMEDIATE);
	rule_set_unref(set);
}
END_TEST

static struct rule_set *load(const char *evaluate, const char *kind, const char *expr)
{
	const struct rule_set_options options = { .interval_ms = 15000, .rules_max = 10 };
	struct buf text;
	struct diag_list diags;
	struct rule_set *set = NULL;
	buf_init(&text);
	diag_list_init(&diags);
	buf_printf(&text, "groups: [{name: g, evaluate: %s, rules: [{%s: r, expr: '%s'}]}]",
		   evaluate, kind, expr);
	ck_assert_msg(rule_set_load_text(buf_slice(&text), "f.yml", &options, &diags, &set) == 0,
		      "%s", expr);
	buf_fini(&text);
	diag_list_fini(&diags);
	return set;
}

START_TEST(arrival_class_is_told_by_the_expression)
{
	struct rule_set *set = load("arrival", "record", cases[_i].expr);
	const struct rule *rule = &set->groups[0].rules[0];
	ck_assert_msg(rule->arrival == cases[_i].class, "%s: %s", cases[_i].expr,
		      arrival_class_text(rule->arrival));
	if (cases[_i].class == ARRIVAL_TICK)
		ck_assert_str_eq(rule->arrival_why, cases[_i].why);
	else
		ck_assert_ptr_null(rule->arrival_why);
	rule_set_unref(set);
}
END_TEST

START_TEST(arrival_has_defaults_and_looks_at_now)
{
	const struct rule_set_options options = { .interval_ms = 15000,
						  .query_offset_ms = 30000,
						  .rules_max = 10 };
	struct diag_list diags;
	struct rule_set *set = NULL;
	diag_list_init(&diags);
	ck_assert_int_eq(rule_set_load_text(SLICE("groups:\n"
						  "- {name: a, evaluate: arrival}\n"
						  "- {name: b, evaluate: arrival, min_gap: 100ms, "
						  "settle: 1m}\n"
						  "- {name: c}\n"),
					    "f.yml", &options, &diags, &set),
			 0);
	ck_assert_int_eq(set->groups[0].min_gap_ms, 2);
	ck_assert_int_eq(set->groups[0].settle_ms, 5000);
	ck_assert_int_eq(set->groups[0].query_offset_ms, 0);
	ck_assert_int_eq(set->groups[1].min_gap_ms, 100);
	ck_assert_int_eq(set->groups[1].settle_ms, 60000);
	ck_assert_int_eq(set->groups[2].evaluate, EVALUATE_TICK);
	ck_assert_int_eq(set->groups[2].query_offset_ms, 30000);
	rule_set_unref(set);
	diag_list_fini(&diags);
}
END_TEST

START_TEST(arrival_is_written_out)
{
	struct rule_set *set = load("arrival", "record", "x > 5");
	struct buf text;
	buf_init(&text);
	ck_assert_int_eq(rule_set_expand(set, EXPAND_FULL, &text), 0);
	ck_assert_str_eq(text.ptr, "# f.yml\n"
				   "groups:\n"
				   "- name: g\n"
				   "  interval: 15s\n"
				   "  dialect: tocsin\n"
				   "  warmup: auto\n"
				   "  evaluate: arrival\n"
				   "  min_gap: 2ms\n"
				   "  settle: 5s\n"
				   "  rules:\n"
				   "  # on arrival: immediate\n"
				   "  - record: r\n"
				   "    expr: |-\n"
				   "      x > 5\n");
	buf_clear(&text);
	ck_assert_int_eq(rule_set_expand(set, EXPAND_PROMETHEUS, &text), 0);
	ck_assert_ptr_null(strstr(text.ptr, "arrival"));
	ck_assert_ptr_null(strstr(text.ptr, "settle"));
	buf_fini(&text);
	rule_set_unref(set);
}
END_TEST

static Suite *arrival_suite(void)
{
	Suite *suite = suite_create("arrival");
	TCase *tc = tcase_create("classes");
	tcase_add_loop_test(tc, arrival_class_is_told_by_the_expression, 0,
			    (int)(sizeof(cases) / sizeof(*cases)));
	tcase_add_loop_test(tc, more_lines_than_a_number_are_told_at_once, 0,
			    (int)(sizeof(line_cases) / sizeof(*line_cases)));
	tcase_add_test(tc, arrival_has_defaults_and_looks_at_now);
	tcase_add_test(tc, arrival_is_written_out);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(arrival_suite)
