/* Counters of sources of log lines: by name, kept for good, and not without end. */
#include "daemon/source_counters.h"

#include "tests/check_main.h"

START_TEST(further_sources_share_one)
{
	struct log_counters_list list;
	struct log_counters *first, *rest;
	char name[32];

	log_counters_list_init(&list);
	first = log_counters_get(&list, "source 0");
	for (int i = 1; i < LOG_COUNTERS_MAX; i++) {
		snprintf(name, sizeof(name), "source %d", i);
		ck_assert_ptr_ne(log_counters_get(&list, name), first);
	}
	ck_assert_uint_eq(list.n, LOG_COUNTERS_MAX);
	rest = log_counters_get(&list, "one more");
	ck_assert_ptr_nonnull(rest);
	ck_assert_ptr_eq(log_counters_get(&list, "and another"), rest);
	ck_assert_uint_eq(list.n, LOG_COUNTERS_MAX);
	/* Those that are there stay. */
	ck_assert_ptr_eq(log_counters_get(&list, "source 0"), first);
	ck_assert_ptr_ne(log_counters_get(&list, name), rest);
	log_counters_list_fini(&list);
}
END_TEST

static Suite *source_counters_suite(void)
{
	Suite *suite = suite_create("source_counters");
	TCase *tcase = tcase_create("source_counters");

	tcase_add_test(tcase, further_sources_share_one);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(source_counters_suite)
