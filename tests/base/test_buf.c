#include "base/buf.h"

#include "tests/check_main.h"

START_TEST(buf_grows_and_stays_terminated)
{
	struct buf buf;

	buf_init(&buf);
	for (int i = 0; i < 1000; i++) {
		buf_add_char(&buf, (char)('a' + i % 26));
		ck_assert_uint_eq(strlen(buf.ptr), buf.len);
	}
	buf_add_str(&buf, "");
	buf_add(&buf, NULL, 0);
	buf_add_slice(&buf, SLICE("end"));
	ck_assert_uint_eq(buf.len, 1003);
	ck_assert(buf_ok(&buf));
	ck_assert(slice_has_suffix(buf_slice(&buf), SLICE("end")));
	buf_clear(&buf);
	ck_assert_str_eq(buf.ptr, "");
	buf_fini(&buf);
}
END_TEST

START_TEST(buf_drops_from_the_front)
{
	struct buf buf;

	buf_init(&buf);
	buf_drop(&buf, 0);
	buf_add_str(&buf, "one two");
	buf_drop(&buf, 0);
	buf_drop(&buf, 4);
	ck_assert_str_eq(buf.ptr, "two");
	buf_drop(&buf, 3);
	ck_assert_str_eq(buf.ptr, "");
	ck_assert_uint_eq(buf.len, 0);
	buf_fini(&buf);
}
END_TEST

START_TEST(buf_recycles_what_is_small)
{
	struct buf buf;

	buf_init(&buf);
	buf_add_str(&buf, "text");
	buf_recycle(&buf, buf.cap);
	ck_assert_ptr_nonnull(buf.ptr);
	ck_assert_uint_eq(buf.len, 0);
	buf_recycle(&buf, buf.cap - 1);
	ck_assert_ptr_null(buf.ptr);
	buf.failed = true;
	buf_recycle(&buf, 100);
	ck_assert(buf_ok(&buf));
	buf_fini(&buf);
}
END_TEST

/* Around the sizes at which the buffer must grow for the text, or just not. */
START_TEST(buf_printf_takes_any_length)
{
	for (int width = 1; width < 300; width++) {
		struct buf buf;

		buf_init(&buf);
		buf_printf(&buf, "<%*d>", width, 7);
		ck_assert_uint_eq(buf.len, (size_t)width + 2);
		ck_assert_int_eq(buf.ptr[width], '7');
		ck_assert_int_eq(buf.ptr[width + 1], '>');
		buf_printf(&buf, "%s", "tail");
		ck_assert_str_eq(buf.ptr + width + 2, "tail");
		buf_fini(&buf);
	}
}
END_TEST

START_TEST(buf_take_moves_out)
{
	struct buf buf;

	buf_init(&buf);
	char *text = buf_take(&buf);

	ck_assert_str_eq(text, "");
	free(text);
	buf_add_str(&buf, "abc");
	text = buf_take(&buf);
	ck_assert_str_eq(text, "abc");
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_ptr_null(buf.ptr);
	free(text);
	buf_fini(&buf);
}
END_TEST

START_TEST(buf_remembers_failure)
{
	struct buf buf;

	buf_init(&buf);
	buf_add_str(&buf, "abc");
	ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX - 2));
	ck_assert(!buf_ok(&buf));
	buf_add_str(&buf, "def");
	buf_printf(&buf, "%d", 1);
	ck_assert_uint_eq(buf.len, 3);
	ck_assert_ptr_null(buf_take(&buf));
	buf_add_str(&buf, "again");
	ck_assert(buf_ok(&buf));
	buf_fini(&buf);
}
END_TEST

START_TEST(reader_reads_what_buf_wrote)
{
	struct buf buf;
	struct reader reader;

	buf_init(&buf);
	buf_add_char(&buf, '\x7F');
	buf_add_u32(&buf, 0xDEADBEEF);
	buf_add_u64(&buf, 0x0102030405060708ull);
	buf_add_sized(&buf, SLICE("sized"));
	buf_add_sized(&buf, SLICE(""));
	buf_add_str(&buf, "raw");
	ck_assert_mem_eq(buf.ptr + 1, "\xEF\xBE\xAD\xDE\x08\x07", 6);
	reader_init(&reader, buf_slice(&buf));
	ck_assert_uint_eq(reader_u8(&reader), 0x7F);
	ck_assert_uint_eq(reader_u32(&reader), 0xDEADBEEF);
	ck_assert_uint_eq(reader_u64(&reader), 0x0102030405060708ull);
	ck_assert(slice_is(reader_sized(&reader), "sized"));
	ck_assert(slice_is(reader_sized(&reader), ""));
	ck_assert(slice_is(reader_bytes(&reader, 3), "raw"));
	ck_assert(!reader.failed);
	ck_assert_uint_eq(reader.len, 0);
	buf_fini(&buf);
}
END_TEST

START_TEST(reader_stops_at_the_end)
{
	struct reader reader;

	reader_init(&reader, SLICE("\xFF\xFF\xFF\xFFxy")); /* a size far beyond */
	ck_assert_uint_eq(reader_sized(&reader).len, 0);
	ck_assert(reader.failed);
	ck_assert_uint_eq(reader_u8(&reader), 0); /* though there would be bytes */
	reader_init(&reader, SLICE("abc"));
	ck_assert_uint_eq(reader_u32(&reader), 0);
	ck_assert(reader.failed);
	reader_init(&reader, (struct slice){ NULL, 0 });
	ck_assert_uint_eq(reader_bytes(&reader, 0).len, 0);
	ck_assert(!reader.failed);
	ck_assert_uint_eq(reader_u64(&reader), 0);
	ck_assert(reader.failed);
}
END_TEST

static Suite *buf_suite(void)
{
	Suite *suite = suite_create("buf");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, buf_grows_and_stays_terminated);
	tcase_add_test(tcase, buf_drops_from_the_front);
	tcase_add_test(tcase, buf_recycles_what_is_small);
	tcase_add_test(tcase, buf_printf_takes_any_length);
	tcase_add_test(tcase, buf_take_moves_out);
	tcase_add_test(tcase, buf_remembers_failure);
	tcase_add_test(tcase, reader_reads_what_buf_wrote);
	tcase_add_test(tcase, reader_stops_at_the_end);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(buf_suite)
