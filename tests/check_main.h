/*
 * The main() of a Check program: TEST_MAIN(suite_function) where suite_function returns a Suite *.
 * Closes with Check's own line; the exit code says whether all passed.
 */
#ifndef TOCSIN_TESTS_CHECK_MAIN_H
#define TOCSIN_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* How long a test waits for what must come: as much longer as Check gives the test itself. */
static inline int64_t patience_ms(int64_t ms)
{
	const char *multiplier = getenv("CK_TIMEOUT_MULTIPLIER");
	double factor = multiplier ? strtod(multiplier, NULL) : 1;
	return factor > 1 ? (int64_t)((double)ms * factor) : ms;
}

/* Limits that take their time, seconds or many files: a stage of ./dev soak asks for them. */
static inline bool long_limits_are_wanted(void)
{
	return getenv("LONG_LIMITS") != NULL;
}

#define TEST_MAIN(make_suite)                                                                      \
	int main(void)                                                                             \
	{                                                                                          \
		/* A test that fails ends its process at once: what it said must be out by then. */ \
		setvbuf(stdout, NULL, _IOLBF, 0);                                                  \
		SRunner *runner = srunner_create(make_suite());                                    \
		srunner_run_all(runner, CK_ENV);                                                   \
		int failed = srunner_ntests_failed(runner);                                        \
		srunner_free(runner);                                                              \
		return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                       \
	}

/* Skips the whole program, saying why: automake's exit code for it. */
#define TEST_SKIP(...)                                                                             \
	do {                                                                                       \
		printf("SKIP: " __VA_ARGS__);                                                      \
		printf("\n");                                                                      \
		exit(77);                                                                          \
	} while (0)

#endif
