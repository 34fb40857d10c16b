#include "base/json.h"

#include <jansson.h>
#include <math.h>

#include "tests/check_main.h"

static struct buf out;
static struct json_writer w;

static void setup(void)
{
	buf_init(&out);
	json_writer_init(&w, &out);
}

static void teardown(void)
{
	buf_fini(&out);
}

START_TEST(json_separates_values)
{
	json_begin_object(&w);
	json_key(&w, "a");
	json_begin_array(&w);
	json_int(&w, 1);
	json_nil(&w);
	json_begin_array(&w);
	json_end_array(&w);
	json_begin_object(&w);
	json_end_object(&w);
	json_end_array(&w);
	json_field_bool(&w, "b", true);
	json_field_string(&w, "c", SLICE("x"));
	json_field_int(&w, "d", INT64_MIN);
	json_field_time(&w, "e", 1500);
	json_key_slice(&w, SLICE("f"));
	json_raw(&w, SLICE("[1,2]"));
	json_end_object(&w);
	ck_assert_str_eq(out.ptr, "{\"a\":[1,null,[],{}],\"b\":true,\"c\":\"x\","
				  "\"d\":-9223372036854775808,"
				  "\"e\":\"1970-01-01T00:00:01.500Z\",\"f\":[1,2]}");
	ck_assert(buf_ok(&out));
}
END_TEST

START_TEST(json_escapes_strings)
{
	json_str(&w, SLICE("a\"\\/\n\r\t\b\x01\x7F\0é€😀"));
	ck_assert_str_eq(out.ptr, "\"a\\\"\\\\/\\n\\r\\t\\u0008\\u0001\\u007f\\u0000é€😀\"");
	buf_clear(&out);
	json_str(&w, SLICE("a\xFFz\xE2\x82"));
	ck_assert_str_eq(out.ptr, "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\"");
	buf_clear(&out);
	json_str(&w, (struct slice){ NULL, 0 });
	ck_assert_str_eq(out.ptr, "\"\"");
}
END_TEST

START_TEST(json_numbers_are_numbers)
{
	json_begin_array(&w);
	json_number(&w, 0.5);
	json_number(&w, 1e21);
	json_number(&w, NAN);
	json_number(&w, -INFINITY);
	json_end_array(&w);
	ck_assert_str_eq(out.ptr, "[0.5,1e+21,\"NaN\",\"-Inf\"]");
}
END_TEST

START_TEST(json_writes_labels)
{
	const struct label pairs[] = { { SLICE("b\""), SLICE("2") }, { SLICE("a"), SLICE("1\n") } };
	struct labels *labels;

	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	json_labels(&w, labels);
	ck_assert_str_eq(out.ptr, "{\"a\":\"1\\n\",\"b\\\"\":\"2\"}");
	labels_unref(labels);
}
END_TEST

/* Whatever the bytes, another reader accepts what was written. */
START_TEST(json_is_read_by_jansson)
{
	uint32_t state = 1;

	for (int i = 0; i < 3000; i++) {
		char bytes[12];
		json_error_t error;

		for (size_t k = 0; k < sizeof(bytes); k++) {
			state = state * 1664525 + 1013904223;
			bytes[k] = (char)(state >> 24);
		}
		buf_clear(&out);
		json_str(&w, (struct slice){ bytes, sizeof(bytes) });
		json_t *value =
			json_loadb(out.ptr, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

		ck_assert_msg(value != NULL, "%s: %s", error.text, out.ptr);
		json_decref(value);
	}
}
END_TEST

START_TEST(json_bounds_nesting)
{
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		json_begin_array(&w);
	ck_assert(buf_ok(&out));
	json_begin_array(&w);
	ck_assert(!buf_ok(&out));
	json_int(&w, 1);
	for (int i = 0; i <= JSON_DEPTH_MAX; i++)
		json_end_array(&w);
	ck_assert_int_eq(w.depth, 0);
	ck_assert(!buf_ok(&out));
}
END_TEST

static Suite *json_suite(void)
{
	Suite *suite = suite_create("json");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, json_separates_values);
	tcase_add_test(tcase, json_escapes_strings);
	tcase_add_test(tcase, json_numbers_are_numbers);
	tcase_add_test(tcase, json_writes_labels);
	tcase_add_test(tcase, json_is_read_by_jansson);
	tcase_add_test(tcase, json_bounds_nesting);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(json_suite)
