/*
 * What check warns of (lint.txt), and that each kind of warning is shown once and once not; those
 * that data tell are tests/e2e/test_check_data's.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "rules/lint.h"
#include "rules/lint_data.h"
#include "rules/lint_internal.h"
#include "rules/warning.h"
#include "tests/check_main.h"

struct lint_case {
	char name[200];
	struct buf yaml, expected;
};

static const struct {
	const char *name;
} kinds[] = {
#define WARNING(id, name, severity, doc) { name },
#define WARNING_OF_DATA(...)
#include "rules/warnings.def"
#undef WARNING
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))
static bool shown[NKINDS], silent[NKINDS];

static void format(const struct diag_list *diags, struct buf *out)
{
	for (size_t i = 0; i < diags->n; i++) {
		struct diag diag = diags->items[i];
		diag.quote = NULL;
		diag_format(&diag, false, out);
	}
}

static void lint(struct slice yaml, struct buf *out)
{
	struct rule_set_options options = { .interval_ms = 15000, .rules_max = RULES_MAX };
	struct rule_set *set = NULL;
	struct diag_list diags;
	diag_list_init(&diags);
	if (rule_set_load_text(yaml, "f.yml", &options, &diags, &set) == 0)
		ck_assert_int_eq(rule_set_lint(set, &diags), 0);
	format(&diags, out);
	rule_set_unref(set);
	diag_list_fini(&diags);
}

/* The case is about the kind that its name begins with. */
static void note_kind(const struct lint_case *lint_case, struct slice got)
{
	for (size_t i = 0; i < NKINDS; i++) {
		char id[64];
		int n = snprintf(id, sizeof(id), "[%s] ", kinds[i].name);
		if (strncmp(lint_case->name, id, (size_t)n) != 0)
			continue;
		id[n - 1] = '\n';
		bool has = got.len > 0 && memmem(got.ptr, got.len, id, (size_t)n);
		bool is_silent = strncmp(lint_case->name + n, "silent: ", 8) == 0;
		ck_assert_msg(has != is_silent, "%s: " SLICE_FMT, lint_case->name, SLICE_ARG(got));
		(is_silent ? silent : shown)[i] = true;
		return;
	}
	ck_abort_msg("%s: no such kind", lint_case->name);
}

static bool check_case(struct lint_case *lint_case)
{
	struct buf got;
	buf_init(&got);
	buf_add_str(&got, "");
	lint(buf_slice(&lint_case->yaml), &got);
	struct slice expected = slice_trim(buf_slice(&lint_case->expected));
	bool good = slice_is_equal(slice_trim(buf_slice(&got)), expected);
	if (!good)
		fprintf(stderr, "=== %s\n--- expected\n" SLICE_FMT "\n--- got\n" SLICE_FMT "\n",
			lint_case->name, SLICE_ARG(expected), SLICE_ARG(buf_slice(&got)));
	else
		note_kind(lint_case, buf_slice(&got));
	buf_fini(&got);
	buf_clear(&lint_case->yaml);
	buf_clear(&lint_case->expected);
	return good;
}

START_TEST(lint_says_what_is_probably_wrong)
{
	char path[4096], line[1000];
	struct lint_case lint_case = { .name = "" };
	bool in_yaml = false;
	unsigned cases = 0, failed = 0;
	snprintf(path, sizeof(path), "%s/tests/rules/lint.txt", getenv("TOCSIN_SRCDIR"));
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "=== ", 4) == 0) {
			failed += cases++ && !check_case(&lint_case);
			snprintf(lint_case.name, sizeof(lint_case.name), "%.*s",
				 (int)strcspn(line + 4, "\n"), line + 4);
			in_yaml = true;
		} else if (cases > 0 && strcmp(line, "---\n") == 0) {
			in_yaml = false;
		} else if (cases > 0) {
			buf_add_str(in_yaml ? &lint_case.yaml : &lint_case.expected, line);
		}
	}
	failed += !check_case(&lint_case);
	fclose(file);
	buf_fini(&lint_case.yaml);
	buf_fini(&lint_case.expected);
	ck_assert_uint_eq(failed, 0);
	for (size_t i = 0; i < NKINDS; i++)
		ck_assert_msg(shown[i] && silent[i],
			      "%s is not shown in one case and silent in another", kinds[i].name);
}
END_TEST

/* Rules r:0 to r:N, each of which records the next one's series; the last those of jobs. */
static void add_chain(struct buf *yaml, int n)
{
	buf_clear(yaml);
	buf_add_str(yaml, "groups:\n- name: g\n  rules:\n"
			  "  - {alert: A, expr: 'sum by (pod) (r:0) > 1'}\n");
	for (int i = 0; i < n; i++)
		buf_printf(yaml, "  - {record: 'r:%d', expr: 'r:%d'}\n", i, i + 1);
	buf_printf(yaml, "  - {record: 'r:%d', expr: sum by (job) (x)}\n", n);
}

/* Labels are followed through so many records, and no further. */
START_TEST(lint_follows_a_chain_of_records_for_a_while)
{
	struct buf yaml, got;
	buf_init(&yaml);
	buf_init(&got);
	add_chain(&yaml, LINT_CHAIN_MAX);
	lint(buf_slice(&yaml), &got);
	ck_assert_uint_eq(got.len, 0);
	add_chain(&yaml, LINT_CHAIN_MAX - 1);
	lint(buf_slice(&yaml), &got);
	ck_assert_ptr_nonnull(strstr(got.ptr, "[label]"));
	buf_fini(&yaml);
	buf_fini(&got);
}
END_TEST

static unsigned count(const struct buf *text, const char *word)
{
	unsigned n = 0;
	for (const char *at = text->ptr; (at = strstr(at, word)) != NULL; at++)
		n++;
	return n;
}

/* Rules of one name and of different series, and one of the same series as the first or the last. */
static void lint_namesakes(int n, bool like_last, struct buf *got)
{
	struct buf yaml;
	buf_init(&yaml);
	buf_add_str(&yaml, "groups:\n- name: g\n  rules:\n");
	for (int i = 0; i <= n; i++)
		buf_printf(&yaml, "  - {alert: A, expr: 'x{i=\"%d\"} > 1'}\n",
			   i < n ? i : like_last ? n - 1 : 0);
	buf_clear(got);
	lint(buf_slice(&yaml), got);
	buf_fini(&yaml);
}

START_TEST(lint_compares_with_so_many_namesakes)
{
	const int max = 64;
	struct buf got;
	buf_init(&got);
	lint_namesakes(max, true, &got);
	ck_assert_uint_eq(count(&got, "a second time with the same labels"), 1);
	lint_namesakes(max + 1, false, &got);
	ck_assert_uint_eq(count(&got, "a second time with the same labels"), 1);
	lint_namesakes(max + 1, true, &got);
	ck_assert_uint_eq(got.len, 0);
	buf_fini(&got);
}
END_TEST

/* Rules are told apart by the last of n selectors. */
static void lint_by_last_selector(int n, struct buf *got)
{
	struct buf yaml;
	buf_init(&yaml);
	buf_add_str(&yaml, "groups:\n- name: g\n  rules:\n");
	for (int i = 0; i < 2; i++) {
		buf_add_str(&yaml, "  - {alert: A, expr: '");
		for (int k = 1; k < n; k++)
			buf_add_str(&yaml, "y or ");
		buf_printf(&yaml, "x{i=\"%d\"}'}\n", i);
	}
	buf_clear(got);
	lint(buf_slice(&yaml), got);
	buf_fini(&yaml);
}

START_TEST(lint_tells_namesakes_apart_by_so_many_selectors)
{
	struct buf got;
	buf_init(&got);
	lint_by_last_selector(64, &got);
	ck_assert_uint_eq(count(&got, "a second time"), 0);
	lint_by_last_selector(65, &got);
	ck_assert_uint_eq(count(&got, "a second time"), 1);
	buf_fini(&got);
}
END_TEST

/* Many rules on arrival are no reason not to say what is wrong with the last one. */
START_TEST(lint_says_of_so_many_rules_what_they_can_say_on_arrival)
{
	struct buf yaml, got;
	buf_init(&yaml);
	buf_init(&got);
	buf_add_str(&yaml, "groups:\n- name: g\n  evaluate: arrival\n  rules:\n");
	for (int i = 0; i < LINT_ARRIVAL_MAX; i++)
		buf_printf(&yaml, "  - {alert: A%d, expr: x%d > 1}\n", i, i);
	lint(buf_slice(&yaml), &got);
	ck_assert_uint_eq(count(&got, "on arrival: immediate [arrival]\n"), LINT_ARRIVAL_MAX);
	ck_assert_uint_eq(count(&got, "more rules"), 0);
	for (int i = 0; i < DIAG_MAX; i++)
		buf_printf(&yaml, "  - {alert: B%d, expr: sum(x%d) > 1}\n", i, i);
	buf_add_str(&yaml, "  - {alert: C, expr: absent(y)}\n  - {alert: D, expr: up > 1}\n");
	buf_clear(&got);
	lint(buf_slice(&yaml), &got);
	ck_assert_uint_eq(count(&got, "on arrival: immediate [arrival]\n"), LINT_ARRIVAL_MAX);
	ck_assert_uint_eq(count(&got, "waits for settle"), 0);
	ck_assert_uint_eq(count(&got, "from rule \"B0\" on 1002 more rules on arrival: 1 "
				      "immediate, 1000 wait for settle, 1 at ticks"),
			  1);
	ck_assert_uint_eq(count(&got, "[never-true]"), 1);
	buf_fini(&yaml);
	buf_fini(&got);
}
END_TEST

/*
 * Real rule files, written by people who know what they do. Each of these warnings was looked at,
 * and is right: `sum by (job) (x == 0) > 0` is there twice, and many texts show labels that are not
 * there.
 */
static const struct {
	const char *name;
	unsigned wanted;
} of_corpus[] = {
	{ "template-label", 242 }, { "never-true", 4 }, { "no-name", 3 }, { "delta-of-counter", 2 },
	{ "no-condition", 1 },	   { "join", 1 },	{ "cycle", 1 },	   { "pattern", 17 },
};
static unsigned corpus_files, corpus_counts[NKINDS];

static int count_file(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	struct rule_set_options options = { .interval_ms = 15000, .rules_max = RULES_MAX };
	struct slice name = slice_from(path);
	struct rule_set *set = NULL;
	struct diag_list diags;
	if (type != FTW_F ||
	    !(slice_has_suffix(name, SLICE(".yml")) || slice_has_suffix(name, SLICE(".yaml"))))
		return 0;
	corpus_files++;
	diag_list_init(&diags);
	if (rule_set_load(&path, 1, &options, &diags, &set) == 0)
		ck_assert_int_eq(rule_set_lint(set, &diags), 0);
	rule_set_unref(set);
	for (size_t i = 0; i < diags.n; i++)
		for (size_t k = 0; k < NKINDS && diags.items[i].id; k++)
			corpus_counts[k] += strcmp(diags.items[i].id, kinds[k].name) == 0;
	diag_list_fini(&diags);
	return 0;
}

START_TEST(lint_is_right_about_real_files)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/../shared/conformance/rules", getenv("TOCSIN_SRCDIR"));
	(void)nftw(path, count_file, 16, FTW_PHYS);
	if (corpus_files == 0) {
		printf("SKIP: no ../shared/conformance/rules\n");
		return;
	}
	for (size_t k = 0; k < NKINDS; k++) {
		unsigned wanted = 0;
		for (size_t i = 0; i < sizeof(of_corpus) / sizeof(of_corpus[0]); i++)
			if (strcmp(of_corpus[i].name, kinds[k].name) == 0)
				wanted = of_corpus[i].wanted;
		ck_assert_msg(corpus_counts[k] == wanted, "%s: %u, not %u", kinds[k].name,
			      corpus_counts[k], wanted);
	}
}
END_TEST

/* Who asks is counted; nobody answers. */

static bool always(void *ctx, const struct rule *rule)
{
	return true;
}

static bool count_series(void *ctx, const char *selector, struct arena *arena, size_t *n,
			 struct lint_strings *labels)
{
	++*(unsigned *)ctx;
	return false;
}

START_TEST(lint_does_not_ask_for_ever)
{
	struct rule_set_options options = { .interval_ms = 15000, .rules_max = RULES_MAX };
	unsigned asked = 0;
	const struct lint_source source = { &asked, always, NULL, count_series, NULL, NULL, NULL };
	struct rule_set *set;
	struct diag_list diags;
	struct buf yaml;
	buf_init(&yaml);
	buf_add_str(&yaml, "groups:\n- name: g\n  rules:\n");
	for (int i = 0; i < LINT_QUESTIONS_MAX + 1; i++)
		buf_printf(&yaml, "  - {alert: A%d, expr: 'x%d > 1'}\n", i, i);
	diag_list_init(&diags);
	ck_assert_int_eq(rule_set_load_text(buf_slice(&yaml), "f.yml", &options, &diags, &set), 0);
	ck_assert_int_eq(rule_set_lint_data(set, &source, &diags), 0);
	ck_assert_uint_eq(asked, LINT_QUESTIONS_MAX);
	ck_assert_uint_eq(diags.n, 1);
	ck_assert_int_eq(diags.items[0].severity, DIAG_NOTE);
	rule_set_unref(set);
	diag_list_fini(&diags);
	buf_fini(&yaml);
}
END_TEST

static Suite *lint_suite(void)
{
	Suite *suite = suite_create("lint");
	TCase *tcase = tcase_create("lint");
	tcase_add_test(tcase, lint_says_what_is_probably_wrong);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, lint_is_right_about_real_files);
	tcase_add_test(tcase, lint_does_not_ask_for_ever);
	tcase_add_test(tcase, lint_follows_a_chain_of_records_for_a_while);
	tcase_add_test(tcase, lint_compares_with_so_many_namesakes);
	tcase_add_test(tcase, lint_tells_namesakes_apart_by_so_many_selectors);
	tcase_add_test(tcase, lint_says_of_so_many_rules_what_they_can_say_on_arrival);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(lint_suite)
