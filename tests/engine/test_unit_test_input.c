/* What a unit test feeds: how much of it there may be. */
#include "engine/unit_test_input.h"

#include "base/arena.h"
#include "base/text.h"
#include "tests/check_main.h"

/* Two series of 3 and 2 points, of which some are left out. */
static int series_read(uint64_t points_max, struct buf *complaints)
{
	static const char text[] = "tests:\n"
				   "- input_series:\n"
				   "  - {series: x, values: '1 _ 3'}\n"
				   "  - {series: y, values: '1x1'}\n";
	struct test_file file;
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root;
	arena_init(&arena, 0);
	diag_list_init(&diags);
	ck_assert_int_eq(yaml_parse(slice_from(text), "test.yml", &arena, &diags, &root), 0);
	ck_assert_int_eq(bind_struct(&test_file_keys, root, &arena, &diags, &file), 0);
	struct test_input input = { .test = file.tests.items };
	int code = test_input_series_init(&input, points_max, &arena, &diags);
	diag_list_format(&diags, false, complaints);
	test_input_fini(&input);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return code;
}

START_TEST(points_of_a_test_are_limited)
{
	struct buf complaints;
	buf_init(&complaints);
	ck_assert_int_eq(series_read(5, &complaints), 0);
	ck_assert_uint_eq(complaints.len, 0);
	ck_assert_int_eq(series_read(4, &complaints), ERR_LIMIT);
	ck_assert_msg(strstr(complaints.ptr, "test.yml:4:5: error: more than 4 samples in one test"),
		      "%s", complaints.ptr);
	buf_fini(&complaints);
}
END_TEST

static Suite *unit_test_input_suite(void)
{
	Suite *suite = suite_create("unit_test_input");
	TCase *tcase = tcase_create("unit_test_input");
	tcase_add_test(tcase, points_of_a_test_are_limited);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(unit_test_input_suite)
