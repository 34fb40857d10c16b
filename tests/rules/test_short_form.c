/*
 * The short form, by cases in short_form.txt (its head says how they are written); its limits; and
 * what it comes to when it is written out in full.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/rule_expand.h"
#include "rules/short_form.h"
#include "tests/check_main.h"

#define CASE_LINES_MAX 32
#define LINE_MAX_BYTES 1024

static struct diag_list diags;
static struct rule_set *set;

static void setup(void)
{
	diag_list_init(&diags);
	set = NULL;
}

static void teardown(void)
{
	rule_set_unref(set);
	diag_list_fini(&diags);
}

static int load(struct slice text)
{
	struct rule_set_options options = { .interval_ms = 60000, .rules_max = RULES_MAX };

	teardown();
	setup();
	return rule_set_load_text(text, "f.yml", &options, &diags, &set);
}

/* A block of the file: lines of a rule, then lines that begin with one of "=!?". */
struct short_case {
	char lines[CASE_LINES_MAX][LINE_MAX_BYTES];
	int n, line;
};

static bool is_outcome(const char *line)
{
	return strchr("=!?", line[0]) != NULL;
}

/* What the rule comes to, written as in the file: its places are those of the block's lines. */
static void describe(struct buf *out)
{
	if (set)
		buf_printf(out, "= %s\n", set->groups[0].rules[0].query);
	for (size_t i = 0; i < diags.n; i++) {
		const struct diag *diag = &diags.items[i];

		buf_printf(out, "! %u:%u+%u %s\n", diag->line - 2, diag->column - 2, diag->span,
			   diag->message);
		if (diag->hint)
			buf_printf(out, "? %s\n", diag->hint);
	}
}

static bool run_case(const struct short_case *test)
{
	struct buf yaml, wanted, got;

	buf_init(&yaml);
	buf_init(&wanted);
	buf_init(&got);
	buf_add_str(&yaml, "rules:\n- name: r\n");
	for (int i = 0; i < test->n; i++)
		buf_printf(is_outcome(test->lines[i]) ? &wanted : &yaml,
			   is_outcome(test->lines[i]) ? "%s\n" : "  %s\n", test->lines[i]);
	load(buf_slice(&yaml));
	describe(&got);
	bool ok = wanted.ptr && got.ptr && strcmp(wanted.ptr, got.ptr) == 0;

	if (!ok)
		fprintf(stderr, "short_form.txt:%d:\n%swanted:\n%sgot:\n%s\n", test->line,
			yaml.ptr, wanted.ptr ? wanted.ptr : "", got.ptr ? got.ptr : "");
	buf_fini(&yaml);
	buf_fini(&wanted);
	buf_fini(&got);
	return ok;
}

/* Reads the next block; false at the end. Comment lines stand between blocks. */
static bool read_case(FILE *file, struct short_case *test, int *line)
{
	char text[LINE_MAX_BYTES];

	test->n = 0;
	while (fgets(text, sizeof(text), file)) {
		++*line;
		text[strcspn(text, "\n")] = '\0';
		if (test->n == 0 && (text[0] == '\0' || text[0] == '#'))
			continue;
		if (text[0] == '\0')
			return true;
		ck_assert_msg(test->n < CASE_LINES_MAX, "short_form.txt:%d: too long", *line);
		if (test->n == 0)
			test->line = *line;
		strcpy(test->lines[test->n++], text);
	}
	return test->n > 0;
}

START_TEST(short_form_translates)
{
	static struct short_case test;
	char path[4096];
	int line = 0, cases = 0, failed = 0;

	snprintf(path, sizeof(path), "%s/tests/rules/short_form.txt", getenv("TOCSIN_SRCDIR"));
	FILE *file = fopen(path, "r");

	ck_assert_msg(file != NULL, "cannot open %s", path);
	while (read_case(file, &test, &line)) {
		cases++;
		failed += !run_case(&test);
	}
	fclose(file);
	printf("%d cases\n", cases);
	ck_assert_int_gt(cases, 80);
	ck_assert_msg(failed == 0, "%d of %d cases failed", failed, cases);
}
END_TEST

static void load_condition(const char *opening, int n, const char *middle, const char *closing)
{
	struct buf yaml;

	buf_init(&yaml);
	buf_add_str(&yaml, "rules:\n- name: r\n  condition: \"");
	for (int i = 0; i < n; i++)
		buf_add_str(&yaml, opening);
	buf_add_str(&yaml, middle);
	for (int i = 0; i < n; i++)
		buf_add_str(&yaml, closing);
	buf_add_str(&yaml, "\"\n");
	load(buf_slice(&yaml));
	buf_fini(&yaml);
}

static void check_limit(const char *message)
{
	ck_assert_ptr_null(set);
	ck_assert_uint_eq(diags.n, 1);
	ck_assert_str_eq(diags.items[0].message, message);
}

START_TEST(short_form_is_limited)
{
	load_condition("(", SHORT_FORM_DEPTH_MAX, "x > 1", ")");
	ck_assert_ptr_nonnull(set);
	load_condition("(x > 1 OR ", SHORT_FORM_DEPTH_MAX, "x > 1", ")");
	ck_assert_ptr_nonnull(set);
	load_condition("(", SHORT_FORM_DEPTH_MAX + 1, "x > 1", ")");
	check_limit("condition is nested deeper than 50 levels");
	load_condition("(", 10000, "", "");
	check_limit("condition is nested deeper than 50 levels");
	load_condition("x > 1 OR ", SHORT_FORM_TERMS_MAX - 1, "x > 1", "");
	ck_assert_ptr_nonnull(set);
	load_condition("x > 1 AND ", SHORT_FORM_TERMS_MAX - 1, "x > 1", "");
	ck_assert_ptr_nonnull(set);
	load_condition("x > 1 OR ", SHORT_FORM_TERMS_MAX, "x > 1", "");
	check_limit("condition has more than 256 comparisons");
	load_condition(" ", SHORT_FORM_BYTES_MAX - 5, "x > 1", "");
	ck_assert_ptr_nonnull(set);
	load_condition(" ", SHORT_FORM_BYTES_MAX - 4, "x > 1", "");
	check_limit("condition is longer than 16384 bytes");
}
END_TEST

static const char file[] = "interval: 10s\n"
			   "query_offset: 5s\n"
			   "limit: 7\n"
			   "labels: {team: core, severity: info}\n"
			   "warmup: off\n"
			   "rules:\n"
			   "- name: high-gc-pressure\n"
			   "  metric: runtime.go.gc.pause_ns\n"
			   "  condition: avg_over_1m > 50ms AND pprof.cpu.sample_rate < 50\n"
			   "  severity: critical\n"
			   "  for: 1m\n"
			   "  keep_firing_for: 5m\n"
			   "  labels: {tier: '1', at: '{{ $labels.job }}'}\n"
			   "  annotations: {summary: \"it's\\n{{ $value }}\"}\n"
			   "  run: [restart]\n"
			   "- {name: B, condition: up == 0, resolve_when: up==1, no_data: hold}\n"
			   "groups:\n"
			   "- {name: g, rules: [{record: a, expr: sum  (up)}, {alert: C, expr: up}]}\n";

START_TEST(short_rules_are_a_group)
{
	ck_assert_int_eq(load(SLICE(file)), 0);
	ck_assert_uint_eq(set->ngroups, 2);
	ck_assert(slice_is(set->groups[0].name, "g"));
	const struct rule_group *group = &set->groups[1];
	const struct rule *rule = &group->rules[0];

	ck_assert(slice_is(group->name, "rules"));
	ck_assert_uint_eq(group->line, 6);
	ck_assert_int_eq(group->interval_ms, 10000);
	ck_assert_int_eq(group->query_offset_ms, 5000);
	ck_assert_int_eq(group->limit, 7);
	ck_assert_int_eq(group->warmup, WARMUP_OFF);
	ck_assert_uint_eq(group->nrules, 2);
	ck_assert_int_eq(rule->kind, RULE_ALERT);
	ck_assert(slice_is(rule->name, "high-gc-pressure"));
	ck_assert_int_eq(rule->for_ms, 60000);
	ck_assert_int_eq(rule->keep_firing_for_ms, 300000);
	ck_assert_uint_eq(rule->nlabels, 4);
	ck_assert(slice_is(rule->labels[1].name, "severity"));
	ck_assert(slice_is(rule->labels[1].text, "critical"));
	ck_assert(!template_is_constant(rule->labels[0].template));
	ck_assert_uint_eq(rule->nannotations, 1);
	ck_assert_uint_eq(rule->nrun, 1);
	ck_assert(slice_is(group->rules[1].labels[0].text, "info")); /* the group's */
	ck_assert_ptr_null(rule->resolve);
	ck_assert_int_eq(group->rules[1].resolve->no_data, NO_DATA_HOLD);
}
END_TEST

/* What is said, and differs from what would hold without a word. */
static const struct {
	const char *keys, *written;
} group_keys[] = {
	{ "interval: 7s", "  interval: 7s\n" },
	{ "query_offset: 0s", "  query_offset: 0s\n" },
	{ "limit: 3", "  limit: 3\n" },
	{ "labels: {a: b}", "    labels:\n      a: b\n" },
	{ "dialect: logql", "  dialect: logql\n" },
	{ "warmup: off", "  warmup: 'off'\n" },
	{ "evaluate: arrival\nmin_gap: 7ms", "  evaluate: arrival\n  min_gap: 7ms\n" },
	{ "evaluate: arrival\nsettle: 7s", "  settle: 7s\n" },
	{ "exact: true", "  exact: true\n" },
};

START_TEST(keys_of_the_group_are_written_out)
{
	static const char *const ours[] = { "dialect:", "warmup:", "evaluate:",
					    "min_gap:", "settle:", "exact:", "arrival" };
	struct buf yaml, full, again;

	buf_init(&yaml);
	buf_init(&full);
	buf_init(&again);
	buf_printf(&yaml, "%s\nrules: [{name: a, condition: up == 0}]\n", group_keys[_i].keys);
	ck_assert_int_eq(load(buf_slice(&yaml)), 0);
	ck_assert_int_eq(rule_set_expand(set, EXPAND_FULL, &full), 0);
	ck_assert_msg(strstr(full.ptr, group_keys[_i].written) != NULL, "%s", full.ptr);
	ck_assert_int_eq(load(buf_slice(&full)), 0);
	ck_assert_int_eq(rule_set_expand(set, EXPAND_FULL, &again), 0);
	ck_assert_str_eq(full.ptr, again.ptr);
	buf_clear(&again);
	ck_assert_int_eq(rule_set_expand(set, EXPAND_PROMETHEUS, &again), 0);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		ck_assert_msg(!strstr(again.ptr, ours[i]), "%s", again.ptr);
	buf_fini(&yaml);
	buf_fini(&full);
	buf_fini(&again);
}
END_TEST

START_TEST(rules_are_written_out_in_full)
{
	struct buf first, second;

	buf_init(&first);
	buf_init(&second);
	ck_assert_int_eq(load(SLICE(file)), 0);
	ck_assert_int_eq(rule_set_expand(set, EXPAND_FULL, &first), 0);
	ck_assert_str_eq(
		first.ptr,
		"# f.yml\n"
		"groups:\n"
		"- name: rules\n"
		"  interval: 10s\n"
		"  query_offset: 5s\n"
		"  limit: 7\n"
		"  dialect: tocsin\n"
		"  warmup: 'off'\n"
		"  rules:\n"
		"  - alert: high-gc-pressure\n"
		"    expr: |-\n"
		"      (avg_over_time({__name__=\"runtime.go.gc.pause_ns\"}[1m]) or "
		"avg_over_time(runtime_go_gc_pause_ns[1m])) > 50000000 and on (job, instance) "
		"profile_sample_rate{profile_type=\"cpu\"} < 50\n"
		"    for: 1m\n"
		"    keep_firing_for: 5m\n"
		"    labels:\n"
		"      at: '{{ $labels.job }}'\n"
		"      severity: critical\n"
		"      team: core\n"
		"      tier: '1'\n"
		"    annotations:\n"
		"      summary: \"it's\\n{{ $value }}\"\n"
		"    run: [restart]\n"
		"  - alert: B\n"
		"    expr: |-\n"
		"      up == 0\n"
		"    resolve_when: |-\n"
		"      up == 1\n"
		"    no_data: hold\n"
		"    labels:\n"
		"      severity: info\n"
		"      team: core\n"
		"- name: g\n"
		"  interval: 1m\n"
		"  dialect: tocsin\n"
		"  warmup: auto\n"
		"  rules:\n"
		"  - record: a\n"
		"    expr: |-\n"
		"      sum(up)\n"
		"  - alert: C\n"
		"    expr: |-\n"
		"      up\n");
	/* It means itself. */
	ck_assert_int_eq(load(buf_slice(&first)), 0);
	ck_assert_int_eq(rule_set_expand(set, EXPAND_FULL, &second), 0);
	ck_assert_str_eq(first.ptr, second.ptr);
	/* Without Tocsin's keys it is a file of Prometheus'. */
	buf_clear(&first);
	ck_assert_int_eq(rule_set_expand(set, EXPAND_PROMETHEUS, &first), 0);
	ck_assert_ptr_null(strstr(first.ptr, "run:"));
	ck_assert_ptr_null(strstr(first.ptr, "resolve_when:"));
	ck_assert_ptr_null(strstr(first.ptr, "no_data:"));
	ck_assert_ptr_null(strstr(first.ptr, "warmup:"));
	ck_assert_ptr_null(strstr(first.ptr, "dialect:"));
	ck_assert_ptr_nonnull(strstr(first.ptr, "query_offset: 5s"));
	buf_fini(&first);
	buf_fini(&second);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("short_form");
	TCase *tcase = tcase_create("short_form");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, short_form_translates);
	tcase_add_test(tcase, short_form_is_limited);
	tcase_add_test(tcase, short_rules_are_a_group);
	tcase_add_test(tcase, rules_are_written_out_in_full);
	tcase_add_loop_test(tcase, keys_of_the_group_are_written_out, 0,
			    sizeof(group_keys) / sizeof(group_keys[0]));
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(make_suite)
