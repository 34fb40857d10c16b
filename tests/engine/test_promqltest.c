/* Test scripts in Prometheus' language: ours and, where they are there, its own: see
 * promql_script.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "tests/check_main.h"
#include "tests/engine/promql_script.h"

static char own_folder[4096], given_folder[4096];

static struct script_counts run_folder(const char *folder)
{
	struct script_counts all = { 0 };
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);
	ck_assert_int_gt(n, 0);
	for (int i = 0; i < n; i++) {
		char path[8192];
		struct script_counts counts = { 0 };
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (slice_has_suffix(slice_from(entries[i]->d_name), SLICE(".test"))) {
			ck_assert(script_run(path, &counts));
			printf("%-26s %4u passed %4u failed %4u skipped\n", entries[i]->d_name,
			       counts.passed, counts.failed, counts.skipped);
			all.passed += counts.passed;
			all.failed += counts.failed;
			all.skipped += counts.skipped;
		}
		free(entries[i]);
	}
	free(entries);
	printf("%u passed, %u failed, %u skipped\n", all.passed, all.failed, all.skipped);
	return all;
}

START_TEST(scripts_give_what_they_expect)
{
	struct script_counts counts = run_folder(own_folder);
	ck_assert_uint_eq(counts.failed, 0);
	ck_assert_uint_eq(counts.skipped, 0);
	ck_assert_uint_gt(counts.passed, 20);
}
END_TEST

/* Each way to be wrong; a runner that overlooks one says "passed" of anything. */
static const char *const wrong_expectations[] = {
	"eval instant at 1m x\n  x{a=\"b\"} 2.00001\n  x{a=\"c\"} 5\n",
	"eval instant at 1m x\n  x{a=\"b\"} 2\n",
	"eval instant at 1m x\n",
	"eval instant at 1m x\n  x{a=\"b\"} 2\n  x{a=\"c\"} 5\n  x{a=\"d\"} 5\n",
	"eval instant at 1m x\n  {a=\"b\"} 2\n  {a=\"c\"} 5\n",
	"eval instant at 1m x\n  x{a=\"b\"} NaN\n  x{a=\"c\"} 5\n",
	"eval instant at 1m x\n  expect fail\n",
	"eval_fail instant at 1m x\n",
	"eval instant at 1m sort_desc(x)\n  expect ordered\n  x{a=\"b\"} 2\n  x{a=\"c\"} 5\n",
	"eval_ordered instant at 1m sort_desc(x)\n  x{a=\"b\"} 2\n  x{a=\"c\"} 5\n",
	"eval instant at 1m topk(NaN, x)\n",
	"eval instant at 1m topk(NaN, x)\n  expect fail msg: Parameter value\n",
	"eval instant at 1m topk(NaN, x)\n  expect fail regex: ^value\n",
	"eval_fail instant at 1m topk(NaN, x)\n  expected_fail_message Parameter\n",
	"eval_fail instant at 1m topk(NaN, x)\n  expected_fail_regexp ^value\n",
	"eval instant at 1m quantile(2, x)\n  expect no_warn\n  {} Inf\n",
	"eval instant at 1m quantile(0.5, x)\n  expect warn\n  {} 3.5\n",
	"eval_warn instant at 1m quantile(0.5, x)\n  {} 3.5\n",
	"eval instant at 1m quantile(2, x)\n  expect warn msg: quantile\n  {} Inf\n",
	"eval instant at 1m quantile(2, x)\n  expect warn regex: ^quantile\n  {} Inf\n",
	"eval instant at 1m quantile(2, x) + quantile(3, x)\n  expect warn regex: got 2\n"
	"  {} Inf\n",
	"eval instant at 1m rate(x[2m])\n  expect no_info\n  {a=\"b\"} 0.016666667\n"
	"  {a=\"c\"} 0.016666667\n",
	"eval_info instant at 1m x\n  x{a=\"b\"} 2\n  x{a=\"c\"} 5\n",
	"eval instant at 1m 2 * 3\n  7\n",
	"eval instant at 1m 2 * 3\n  {} 6\n",
	"eval instant at 1m vector(6)\n  6\n",
	"eval instant at 1m \"text\"\n  expect string \"texts\"\n",
	"eval instant at 1m vector(1)\n  expect string \"1\"\n",
	"eval instant at 1m x{a=\"b\"}[2m]\n  expect range vector from 0 to 1m step 1m\n"
	"  x{a=\"b\"} 1 3\n",
	"eval instant at 1m x{a=\"b\"}[2m]\n  expect range vector from 0 to 1m step 1m\n"
	"  x{a=\"b\"} 1\n",
	"eval range from 0 to 1m step 1m x{a=\"b\"}\n  x{a=\"b\"} 1 2 3\n",
	"eval range from 0 to 1m step 1m x{a=\"b\"}\n  x{a=\"b\"} _ 2\n",
	"eval range from 0 to 1m step 1m x{a=\"b\"}\n  x{a=\"c\"} 1 2\n",
	"eval range from 0 to 1m step 1m x{a=\"b\"}\n",
	"eval range from 0 to 1m step 1m sort(x{a=\"b\"})\n  expect no_warn\n"
	"  x{a=\"b\"} 1 2\n",
};

START_TEST(script_fails_where_something_else_is_expected)
{
	size_t n = sizeof(wrong_expectations) / sizeof(*wrong_expectations);
	char path[] = "/tmp/tocsin-script-XXXXXX";
	struct script_counts counts = { 0 };
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "load 1m\n  x{a=\"b\"} 1 2 3\n  x{a=\"c\"} 4 5 6\n\n");
	for (size_t i = 0; i < n; i++)
		fprintf(file, "%s\n", wrong_expectations[i]);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert(script_run(path, &counts));
	remove(path);
	ck_assert_uint_eq(counts.failed, n);
	ck_assert_uint_eq(counts.passed + counts.skipped, 0);
}
END_TEST

START_TEST(given_scripts_give_what_they_expect)
{
	struct script_counts counts = run_folder(given_folder);
	ck_assert_uint_eq(counts.failed, 0);
	ck_assert_uint_gt(counts.passed, 600);
}
END_TEST

static bool is_there(const char *folder)
{
	DIR *dir = opendir(folder);
	if (dir)
		closedir(dir);
	return dir != NULL;
}

static Suite *promqltest_suite(void)
{
	const char *srcdir = getenv("TOCSIN_SRCDIR");
	Suite *suite = suite_create("promqltest");
	TCase *tcase = tcase_create("scripts");
	snprintf(own_folder, sizeof(own_folder), "%s/tests/conformance", srcdir ? srcdir : ".");
	snprintf(given_folder, sizeof(given_folder), "%s/../shared/conformance/promqltest",
		 srcdir ? srcdir : ".");
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, scripts_give_what_they_expect);
	tcase_add_test(tcase, script_fails_where_something_else_is_expected);
	if (is_there(given_folder))
		tcase_add_test(tcase, given_scripts_give_what_they_expect);
	else
		printf("%s is not there: its scripts are left out\n", given_folder);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(promqltest_suite)
