/*
 * promqltest [--skipped] FILE…: runs Prometheus' test scripts. A line for each failure (and for
 * each that is skipped, with the reason) and, last, "N passed, M failed, K skipped".
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/promql_script.h"

static char **files;
static int nfiles;
static struct script_counts counts;

/* What loads and evaluates is shared with unit tests, and asserts as they do: in a runner. */
START_TEST(scripts)
{
	ck_assert_msg(script_run(files[_i], &counts), "cannot read \"%s\"", files[_i]);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("promqltest");
	TCase *tcase = tcase_create("scripts");
	SRunner *runner = srunner_create(suite);

	counts.tells_skipped = argc > 1 && strcmp(argv[1], "--skipped") == 0;
	files = argv + 1 + counts.tells_skipped;
	nfiles = argc - 1 - counts.tells_skipped;
	if (nfiles < 1) {
		fprintf(stderr, "usage: promqltest [--skipped] FILE...\n");
		srunner_free(runner);
		return 2;
	}
	/* One that cannot be read to its end keeps no other from being run. */
	tcase_add_loop_test(tcase, scripts, 0, nfiles);
	suite_add_tcase(suite, tcase);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_SILENT);
	int broken = srunner_ntests_failed(runner);

	if (broken)
		srunner_print(runner, CK_NORMAL);
	srunner_free(runner);
	printf("%u passed, %u failed, %u skipped\n", counts.passed, counts.failed, counts.skipped);
	return broken == 0 && counts.failed == 0 ? 0 : 1;
}
