/* JSON read where it stands; jansson is the judge of what is well-formed. */
#include "base/json_reader.h"

#include <jansson.h>

#include "base/error.h"
#include "tests/check_main.h"

static const char *const good[] = {
	"{}",
	"[]",
	" { \"a\" : [ 1 , -0.5e+3 , true , false , null , \"x\" ] } ",
	"[[[[{\"a\":{\"b\":[]}}]]]]",
	"\"\\u0041\\n\\\"\\\\\\/\\b\\f\\r\\t\"",
	"\"\\ud83d\\ude00\"",
	"0",
	"-1.25E-7",
	"[0,1.0]",
};
static const char *const bad[] = {
	"",	"{",	   "}",	      "[1,]",	 "{\"a\"}", "{\"a\":}",	  "{\"a\":1,}", "{a:1}",
	"[1 2]", "01",	   "-",	      "1.",	 "1e",	    ".5",	  "tru",	"nul",
	"\"",	"\"\\x\"", "\"\\u12\"", "\"a\nb\"", "[1}",    "{\"a\":1]", "'a'",	"+1",
};

static bool is_well_formed(const char *text)
{
	struct json_reader reader = json_reader_of(slice_from(text));

	return json_read_skip(&reader, NULL) == 0 && json_read_is_done(&reader);
}

START_TEST(well_formed_is_what_jansson_says)
{
	json_error_t error;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		json_t *tree = json_loads(good[i], JSON_DECODE_ANY, &error);

		ck_assert_msg(tree != NULL, "%s", good[i]);
		json_decref(tree);
		ck_assert_msg(is_well_formed(good[i]), "%s", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(!json_loads(bad[i], JSON_DECODE_ANY, &error), "%s", bad[i]);
		ck_assert_msg(!is_well_formed(bad[i]), "%s", bad[i]);
	}
}
END_TEST

static void expect_string(const char *text, const char *wanted, bool copied)
{
	struct json_reader reader = json_reader_of(slice_from(text));
	struct buf unescaped;
	struct slice out;

	buf_init(&unescaped);
	ck_assert_int_eq(json_read_string(&reader, &unescaped, &out), 0);
	ck_assert_msg(slice_is(out, wanted), "%s: " SLICE_FMT, text, SLICE_ARG(out));
	ck_assert_int_eq(unescaped.len > 0, copied);
	ck_assert(json_read_is_done(&reader));
	buf_fini(&unescaped);
}

START_TEST(strings_are_unescaped_only_where_they_must_be)
{
	expect_string("\"plain\"", "plain", false);
	expect_string("\"\"", "", false);
	expect_string("\"a\\nb\\\"c\\\\\"", "a\nb\"c\\", true);
	expect_string("\"\\u00e4\\ud83d\\ude00!\"", "\xc3\xa4\xf0\x9f\x98\x80!", true);
	/* A surrogate without its other half. */
	expect_string("\"\\ud83dx\"", "\xef\xbf\xbdx", true);
	expect_string("\"\\ude00\"", "\xef\xbf\xbd", true);
	/* Logs hold bytes that are no UTF-8. */
	expect_string("\"\xff\xfe\"", "\xff\xfe", false);
}
END_TEST

START_TEST(objects_and_arrays_are_walked_member_by_member)
{
	struct json_reader reader =
		json_reader_of(SLICE("{\"a\": [1, \"two\", {}], \"b\\n\": null}"));
	struct slice key, raw;
	struct buf unescaped;
	bool first = true, first_element = true;

	buf_init(&unescaped);
	ck_assert_int_eq(json_read_member(&reader, &first, &unescaped, &key), 1);
	ck_assert(slice_is(key, "a"));
	ck_assert_int_eq(json_read_kind(&reader), JSON_KIND_ARRAY);
	ck_assert_int_eq(json_read_element(&reader, &first_element), 1);
	ck_assert_int_eq(json_read_skip(&reader, &raw), 0);
	ck_assert(slice_is(raw, "1"));
	ck_assert_int_eq(json_read_element(&reader, &first_element), 1);
	ck_assert_int_eq(json_read_string(&reader, &unescaped, &raw), 0);
	ck_assert_int_eq(json_read_element(&reader, &first_element), 1);
	ck_assert_int_eq(json_read_skip(&reader, &raw), 0);
	ck_assert(slice_is(raw, "{}"));
	ck_assert_int_eq(json_read_element(&reader, &first_element), 0);
	ck_assert_int_eq(json_read_member(&reader, &first, &unescaped, &key), 1);
	ck_assert(slice_is(key, "b\n"));
	ck_assert_int_eq(json_read_kind(&reader), JSON_KIND_NULL);
	ck_assert_int_eq(json_read_skip(&reader, &raw), 0);
	ck_assert_int_eq(json_read_member(&reader, &first, &unescaped, &key), 0);
	ck_assert(json_read_is_done(&reader));
	buf_fini(&unescaped);
}
END_TEST

START_TEST(nesting_is_bounded)
{
	char text[2 * JSON_READ_DEPTH_MAX + 8];
	struct json_reader reader;

	for (size_t depth = JSON_READ_DEPTH_MAX; depth <= JSON_READ_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		text[depth] = '1';
		memset(text + depth + 1, ']', depth);
		reader = json_reader_of((struct slice){ text, 2 * depth + 1 });
		ck_assert_int_eq(json_read_skip(&reader, NULL),
				 depth > JSON_READ_DEPTH_MAX ? ERR_LIMIT : 0);
	}
}
END_TEST

static Suite *json_reader_suite(void)
{
	Suite *suite = suite_create("json_reader");
	TCase *tcase = tcase_create("json_reader");

	tcase_add_test(tcase, well_formed_is_what_jansson_says);
	tcase_add_test(tcase, strings_are_unescaped_only_where_they_must_be);
	tcase_add_test(tcase, objects_and_arrays_are_walked_member_by_member);
	tcase_add_test(tcase, nesting_is_bounded);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(json_reader_suite)
