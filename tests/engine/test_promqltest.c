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
	if (is_there(given_folder))
		tcase_add_test(tcase, given_scripts_give_what_they_expect);
	else
		printf("%s is not there: its scripts are left out\n", given_folder);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(promqltest_suite)
