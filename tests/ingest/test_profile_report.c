/* Several profiles together: sums, differences and trees, beside numbers made by hand. */
#include "ingest/profile_report.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "ingest/collapsed.h"
#include "tests/check_main.h"

static struct hash_key key;
static struct profile *profile;
static struct profile_report *report;

static void setup(void)
{
	hash_key_derive(&key, "test", 4);
	profile = profile_new(&key);
	report = profile_report_new(&key);
	ck_assert(profile && report);
}

static void teardown(void)
{
	profile_free(profile);
	profile_report_free(report);
}

static void add_of(enum profile_side side, const char *text, const char *type, const char *unit,
		   double seconds)
{
	const double scale = 1;
	struct collapsed_options options = { .counted = true, .scale = &scale };
	struct profile_view views[PROFILE_VIEWS_MAX];
	const char *why;
	uint32_t line;

	profile_clear(profile);
	ck_assert_int_eq(profile_type_add(profile, slice_from(type), slice_from(unit)), 0);
	ck_assert_int_eq(collapsed_read(slice_from(text), &options, profile, &line, &why), 0);
	ck_assert_uint_eq(profile_views(profile, PROFILE_KIND_NONE, views), 1);
	ck_assert_int_eq(
		profile_report_add(report, side, profile, &views[0], (int64_t)(seconds * 1e9)), 0);
}

static void add(enum profile_side side, const char *text, double seconds)
{
	add_of(side, text, "cpu", "seconds", seconds);
}

/* The functions in that order as "name self/total ". */
static void expect_rows(enum profile_order order, enum profile_side side, const char *wanted)
{
	struct profile_row *rows;
	char out[1000] = "";
	size_t n;

	ck_assert_int_eq(profile_report_rows(report, order, &rows, &n), 0);
	for (size_t i = 0; i < n; i++)
		sprintf(out + strlen(out), SLICE_FMT " %g/%g ", SLICE_ARG(rows[i].function),
			rows[i].amounts[side].self, rows[i].amounts[side].total);
	free(rows);
	ck_assert_str_eq(out, wanted);
}

START_TEST(functions_of_several_profiles_add_up)
{
	add(PROFILE_AFTER, "main;a;b 3\nmain;a 2\n", 1);
	add(PROFILE_AFTER, "main;a;b 4\nmain;b;b 1\nother 1\n", 1);
	expect_rows(PROFILE_BY_SELF, PROFILE_AFTER, "b 8/8 a 2/9 other 1/1 main 0/10 ");
	expect_rows(PROFILE_BY_TOTAL, PROFILE_AFTER, "main 0/10 a 2/9 b 8/8 other 1/1 ");
	const struct profile_side_sum *sum = profile_report_sum(report, PROFILE_AFTER);

	ck_assert_uint_eq(sum->profiles, 2);
	ck_assert_double_eq(sum->value, 11);
	ck_assert_double_eq(sum->seconds, 2);
	ck_assert_double_eq(profile_report_divisor(report, PROFILE_AFTER), 2);
	ck_assert(profile_report_is_rate(report));
}
END_TEST

START_TEST(differences_are_sorted_by_share_or_amount)
{
	/* Three times the load in as much time; c alone has become slower. */
	add(PROFILE_BEFORE, "main;a 10\nmain;b 10\nmain;c 1\nmain;gone 1\n", 10);
	add(PROFILE_AFTER, "main;a 30\nmain;b 29\nmain;c 9\n", 10);
	expect_rows(PROFILE_BY_SHARE_CHANGE, PROFILE_BEFORE,
		    "c 1/1 gone 1/1 b 10/10 a 10/10 main 0/22 ");
	expect_rows(PROFILE_BY_AMOUNT_CHANGE, PROFILE_AFTER,
		    "a 30/30 b 29/29 c 9/9 gone 0/0 main 0/68 ");
}
END_TEST

START_TEST(gauges_and_profiles_without_duration_are_compared_a_profile)
{
	add_of(PROFILE_BEFORE, "a 100\n", "inuse_space", "bytes", 0);
	add_of(PROFILE_AFTER, "a 100\n", "inuse_space", "bytes", 10);
	add_of(PROFILE_AFTER, "a 120\n", "inuse_space", "bytes", 10);
	ck_assert(!profile_report_is_rate(report));
	ck_assert_double_eq(profile_report_divisor(report, PROFILE_BEFORE), 1);
	ck_assert_double_eq(profile_report_divisor(report, PROFILE_AFTER), 2);
}
END_TEST

START_TEST(one_profile_without_duration_makes_all_comparisons_a_profile)
{
	add(PROFILE_BEFORE, "a 1\n", 5);
	add(PROFILE_AFTER, "a 1\n", 5);
	add(PROFILE_AFTER, "a 1\n", 0);
	add(PROFILE_AFTER, "a 1\n", 5);
	ck_assert(!profile_report_is_rate(report));
	ck_assert_double_eq(profile_report_divisor(report, PROFILE_BEFORE), 1);
	ck_assert_double_eq(profile_report_divisor(report, PROFILE_AFTER), 3);
}
END_TEST

START_TEST(the_tree_has_each_stack_once)
{
	add(PROFILE_AFTER, "main;a;b 3\nmain;a 2\nmain;a;b 1\nx 1\n", 1);
	uint32_t n;
	const struct profile_node *nodes = profile_report_nodes(report, &n);
	char out[1000] = "";

	for (uint32_t i = 0; i < n; i++) {
		ck_assert(i == 0 || nodes[i].parent < i);
		sprintf(out + strlen(out), "%d:" SLICE_FMT " %g/%g ", (int)nodes[i].parent,
			SLICE_ARG(profile_report_name(report, nodes[i].function)),
			nodes[i].amounts[PROFILE_AFTER].self,
			nodes[i].amounts[PROFILE_AFTER].total);
	}
	ck_assert_str_eq(out, "-1:total 0/7 0:main 0/6 1:a 2/6 2:b 4/4 0:x 1/1 ");
}
END_TEST

START_TEST(the_tree_stays_within_its_limit)
{
	struct buf text;

	buf_init(&text);
	for (int i = 0; i < PROFILE_REPORT_NODES_MAX / 2; i++)
		buf_printf(&text, "m;f%d;g;h 1\n", i);
	add(PROFILE_AFTER, text.ptr, 1);
	buf_fini(&text);
	uint32_t n;
	const struct profile_node *nodes = profile_report_nodes(report, &n);
	double self = 0;

	ck_assert_uint_eq(n, PROFILE_REPORT_NODES_MAX);
	/* Nothing is lost: what has no node of its own is its caller's. */
	for (uint32_t i = 0; i < n; i++)
		self += nodes[i].amounts[PROFILE_AFTER].self;
	ck_assert_double_eq(self, PROFILE_REPORT_NODES_MAX / 2);
	ck_assert_double_eq(nodes[0].amounts[PROFILE_AFTER].total, PROFILE_REPORT_NODES_MAX / 2);
}
END_TEST

static Suite *profile_report_suite(void)
{
	Suite *suite = suite_create("profile_report");
	TCase *tcase = tcase_create("profile_report");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, functions_of_several_profiles_add_up);
	tcase_add_test(tcase, differences_are_sorted_by_share_or_amount);
	tcase_add_test(tcase, gauges_and_profiles_without_duration_are_compared_a_profile);
	tcase_add_test(tcase, one_profile_without_duration_makes_all_comparisons_a_profile);
	tcase_add_test(tcase, the_tree_has_each_stack_once);
	tcase_add_test(tcase, the_tree_stays_within_its_limit);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(profile_report_suite)
