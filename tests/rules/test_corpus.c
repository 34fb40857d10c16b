/*
 * Real rule files: every expression parses, prints to something that means itself, and goes into
 * one plan, unless it uses what is refused by name for now.
 */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/yaml.h"
#include "rules/plan.h"
#include "tests/check_main.h"
#include "tests/rules/parse.h"

/* The published files hold that many rules, and at least that many use nothing that is refused. */
#define RULES_WANTED 1990
#define PARSED_WANTED 1900

/* Rules for VictoriaMetrics, in a language of its own: Prometheus takes them no more than we do. */
static const char *const metricsql_files[] = { "examples___gen__victoria-metrics.yml",
					       "deployment__docker__rules__alerts-vmanomaly.yml" };

static struct {
	struct plan *plan;
	bool is_metricsql; /* the current file */
	unsigned files, rules, parsed, refused, metricsql, wrong;
} corpus;

static bool is_refusal(const struct diag *diag)
{
	return slice_has_suffix(slice_from(diag->message), SLICE("is not supported yet"));
}

static bool are_refusals(const struct diag_list *diags)
{
	for (size_t i = 0; i < diags->n; i++)
		if (!is_refusal(&diags->items[i]))
			return false;
	return diags->n > 0;
}

static void print_diags(const struct diag_list *diags)
{
	struct buf text;

	buf_init(&text);
	diag_list_format(diags, false, &text);
	printf("%s", text.ptr ? text.ptr : "");
	buf_fini(&text);
}

static char *canonical(const struct expr *expr)
{
	struct buf text;

	buf_init(&text);
	expr_format(expr, &text);
	return buf_take(&text);
}

/* The canonical form means itself, and comes to the same node of the plan. */
static void check_again(const char *text, uint32_t root)
{
	struct parse parse;
	uint32_t again;

	parse_init(&parse, text, strlen(text));
	ck_assert_msg(parse.error == 0, "cannot read again: %s", text);
	char *second = canonical(parse.expr);

	ck_assert_str_eq(text, second);
	ck_assert_int_eq(plan_add(corpus.plan, parse.expr, &again), 0);
	ck_assert_uint_eq(root, again);
	free(second);
	parse_fini(&parse);
}

static void check_expression(const struct yaml_node *node)
{
	struct diag_list diags;
	struct arena arena;
	struct expr *expr = NULL;
	uint32_t root;

	corpus.rules++;
	arena_init(&arena, 0);
	diag_list_init(&diags);
	if (expr_parse(&node->source, &arena, &diags, &expr) == 0) {
		corpus.parsed++;
		ck_assert_int_eq(plan_add(corpus.plan, expr, &root), 0);
		char *text = canonical(expr);

		check_again(text, root);
		free(text);
	} else if (are_refusals(&diags)) {
		corpus.refused++;
		for (size_t i = 0; i < diags.n; i++)
			printf("refused: %s\n", diags.items[i].message);
	} else if (corpus.is_metricsql) {
		corpus.metricsql++;
	} else {
		corpus.wrong++;
		print_diags(&diags);
	}
	expr_fini(expr);
	diag_list_fini(&diags);
	arena_fini(&arena);
}

static void check_rules(const struct yaml_node *rules)
{
	for (size_t i = 0; rules && rules->type == YAML_SEQUENCE && i < rules->n; i++) {
		const struct yaml_node *expr = yaml_get(rules->items[i], "expr");

		if (expr && expr->type == YAML_SCALAR)
			check_expression(expr);
	}
}

static bool is_metricsql(const char *path)
{
	for (size_t i = 0; i < sizeof(metricsql_files) / sizeof(metricsql_files[0]); i++)
		if (slice_has_suffix(slice_from(path), slice_from(metricsql_files[i])))
			return true;
	return false;
}

static int check_file(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root = NULL;
	const char *ending = strrchr(path, '.');

	if (kind != FTW_F || !ending ||
	    (strcmp(ending, ".yml") != 0 && strcmp(ending, ".yaml") != 0))
		return 0;
	corpus.files++;
	corpus.is_metricsql = is_metricsql(path);
	arena_init(&arena, 0);
	diag_list_init(&diags);
	if (yaml_parse_file(path, &arena, &diags, &root) < 0) {
		print_diags(&diags);
		corpus.wrong++;
	}
	const struct yaml_node *groups = root ? yaml_get(root, "groups") : NULL;

	for (size_t i = 0; groups && i < groups->n; i++)
		check_rules(yaml_get(groups->items[i], "rules"));
	diag_list_fini(&diags);
	arena_fini(&arena);
	return 0;
}

START_TEST(corpus_parses)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/../shared/conformance/rules", getenv("TOCSIN_SRCDIR"));
	corpus.plan = plan_new();
	ck_assert_ptr_nonnull(corpus.plan);
	ck_assert_int_eq(nftw(path, check_file, 16, FTW_PHYS), 0);
	printf("%u files, %u rules: %u parsed, %u refused by name, %u MetricsQL, %u wrong; plan: "
	       "%u nodes, %u selectors\n",
	       corpus.files, corpus.rules, corpus.parsed, corpus.refused, corpus.metricsql,
	       corpus.wrong, corpus.plan->nnodes, corpus.plan->nselectors);
	fflush(stdout);
	plan_check(corpus.plan);
	plan_free(corpus.plan);
	ck_assert_uint_ge(corpus.rules, RULES_WANTED);
	ck_assert_uint_ge(corpus.parsed, PARSED_WANTED);
	ck_assert_uint_eq(corpus.wrong, 0);
}
END_TEST

static Suite *make_suite(void)
{
	char path[4096];
	Suite *suite = suite_create("corpus");
	TCase *tcase = tcase_create("rules");

	snprintf(path, sizeof(path), "%s/../shared/conformance/rules/node-mixin",
		 getenv("TOCSIN_SRCDIR"));
	FILE *folder = fopen(path, "r");

	if (!folder)
		TEST_SKIP("no ../shared/conformance/rules");
	fclose(folder);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, corpus_parses);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(make_suite)
