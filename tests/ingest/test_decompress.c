#include "ingest/decompress.h"

#include "base/error.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"

#define MAX (1024 * 1024)

static struct decompressor decompressor;
static struct buf raw, body, out;
static const char *why;

static void setup(void)
{
	decompressor_init(&decompressor);
	buf_init(&raw);
	buf_init(&body);
	buf_init(&out);
	why = NULL;
}

static void teardown(void)
{
	decompressor_fini(&decompressor);
	buf_fini(&raw);
	buf_fini(&body);
	buf_fini(&out);
}

/* Text that compresses, but not to nothing. */
static void raw_make(size_t n)
{
	buf_clear(&raw);
	for (unsigned i = 0; raw.len < n; i++)
		buf_printf(&raw, "metric_%u{instance=\"%u\"} ", i % 50, i * 2654435761u);
	raw.len = n;
}

enum form { SNAPPY, ZSTD_SIZED, ZSTD_UNSIZED, GZIP, FORMS };

static void body_make(enum form form)
{
	switch (form) {
	case SNAPPY:
		enc_snappy(&body, buf_slice(&raw));
		break;
	case ZSTD_SIZED:
		enc_zstd(&body, buf_slice(&raw), ENC_ZSTD_DECLARED);
		break;
	case ZSTD_UNSIZED:
		enc_zstd(&body, buf_slice(&raw), ENC_ZSTD_UNDECLARED);
		break;
	case GZIP:
	default:
		enc_gzip(&body, buf_slice(&raw));
		break;
	}
}

static int unpack(struct slice bytes)
{
	return decompress(&decompressor, bytes, MAX, &out, &why);
}

START_TEST(encoding_is_known_by_name)
{
	enum encoding encoding;
	ck_assert(encoding_parse(SLICE("snappy"), &encoding) == 0 && encoding == ENCODING_SNAPPY);
	ck_assert(encoding_parse(SLICE(" ZSTD "), &encoding) == 0 && encoding == ENCODING_ZSTD);
	ck_assert(encoding_parse(SLICE("gzip"), &encoding) == 0 && encoding == ENCODING_GZIP);
	ck_assert(encoding_parse((struct slice){ NULL, 0 }, &encoding) == 0 &&
		  encoding == ENCODING_SNAPPY);
	ck_assert_int_eq(encoding_parse(SLICE("br"), &encoding), ERR_UNSUPPORTED);
	ck_assert_int_eq(encoding_parse(SLICE("identity"), &encoding), ERR_UNSUPPORTED);
	ck_assert_int_eq(encoding_parse(SLICE("snappy, gzip"), &encoding), ERR_UNSUPPORTED);
}
END_TEST

/* Each form at sizes around the pieces in which undeclared ones are unpacked. */
START_TEST(all_forms_come_back)
{
	static const size_t sizes[] = { 1, 100, 65535, 65536, 65537, 131072, 500000, MAX };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		raw_make(sizes[i]);
		buf_clear(&body);
		body_make((enum form)_i);
		ck_assert_msg(unpack(buf_slice(&body)) == 0, "%s", why);
		ck_assert(slice_is_equal(buf_slice(&out), buf_slice(&raw)));
	}
}
END_TEST

START_TEST(nothing_comes_back_as_nothing)
{
	body_make((enum form)_i);
	ck_assert_msg(unpack(buf_slice(&body)) == 0, "%s", why);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(one_byte_over_the_limit_is_refused)
{
	raw_make(MAX + 1);
	body_make((enum form)_i);
	ck_assert_int_eq(unpack(buf_slice(&body)), ERR_LIMIT);
	ck_assert_str_eq(why, "the body would become larger than the limit");
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(every_cut_is_corrupt)
{
	raw_make(3000);
	body_make((enum form)_i);
	for (size_t cut = 0; cut < body.len; cut++) {
		ck_assert_msg(unpack((struct slice){ body.ptr, cut }) == ERR_CORRUPT,
			      "cut at %zu of %zu", cut, body.len);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

/* A flipped bit may go unseen by snappy, which has no checksum; it must not do harm. */
START_TEST(flipped_bits_do_no_harm)
{
	raw_make(3000);
	body_make((enum form)_i);
	for (size_t i = 0; i < body.len; i++) {
		body.ptr[i] ^= (char)(1 << (i % 8));
		int rc = unpack(buf_slice(&body));
		ck_assert(rc == 0 || rc == ERR_CORRUPT || rc == ERR_LIMIT);
		body.ptr[i] ^= (char)(1 << (i % 8));
	}
	ck_assert_int_eq(unpack(buf_slice(&body)), 0);
}
END_TEST

START_TEST(declared_length_is_checked_before_memory_is_taken)
{
	/* 4 GiB, declared in five bytes; and 1 MiB, which so few bytes cannot become. */
	ck_assert_int_eq(unpack(SLICE("\xff\xff\xff\xff\x0f\x00x")), ERR_LIMIT);
	ck_assert_int_eq(unpack(SLICE("\x80\x80\x40\x00x")), ERR_CORRUPT);
	/* zstd: a frame of 2^62 bytes. */
	ck_assert_int_eq(
		unpack(SLICE("\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x00\x00\x00\x40\x01\x00\x00")),
		ERR_LIMIT);
	ck_assert_uint_eq(out.cap, 0);
}
END_TEST

START_TEST(zstd_bomb_without_a_size_stops_at_the_limit)
{
	buf_reserve(&raw, 64 * MAX);
	memset(raw.ptr, 0, 64 * MAX);
	raw.len = 64 * MAX;
	enc_zstd(&body, buf_slice(&raw), ENC_ZSTD_UNDECLARED);
	ck_assert_int_eq(unpack(buf_slice(&body)), ERR_LIMIT);
	ck_assert_uint_le(out.cap, 4 * MAX);
}
END_TEST

/* The frame's header asks for it: 32 MiB are given, no more. */
START_TEST(zstd_windows_are_limited)
{
	const int window_log_max = 25;

	for (int log = window_log_max; log <= window_log_max + 1; log++) {
		/* magic; neither size nor checksum; 2^log; a last block, raw, of one byte */
		const unsigned char frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, 0, 9, 0, 0, 'x' };
		struct buf bytes;

		buf_init(&bytes);
		buf_add(&bytes, frame, sizeof(frame));
		bytes.ptr[5] = (char)((log - 10) << 3);
		ck_assert_int_eq(unpack(buf_slice(&bytes)),
				 log == window_log_max ? 0 : ERR_CORRUPT);
		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(gzip_bomb_stops_at_the_limit)
{
	buf_reserve(&raw, 64 * MAX);
	memset(raw.ptr, 0, 64 * MAX);
	raw.len = 64 * MAX;
	enc_gzip(&body, buf_slice(&raw));
	ck_assert_int_eq(unpack(buf_slice(&body)), ERR_LIMIT);
	ck_assert_uint_le(out.cap, 4 * MAX);
}
END_TEST

START_TEST(body_larger_than_the_limit_is_not_looked_at)
{
	raw_make(MAX + 1);
	ck_assert_int_eq(unpack(buf_slice(&raw)), ERR_LIMIT);
	ck_assert_str_eq(why, "the body is larger than the limit");
}
END_TEST

START_TEST(several_frames_or_members_are_one_body)
{
	struct buf twice;
	buf_init(&twice);
	raw_make(70000);
	body_make((enum form)_i);
	size_t once = body.len;
	body_make((enum form)_i);
	ck_assert_uint_gt(body.len, once);
	buf_add_slice(&twice, buf_slice(&raw));
	buf_add_slice(&twice, buf_slice(&raw));
	ck_assert_msg(unpack(buf_slice(&body)) == 0, "%s", why);
	ck_assert(slice_is_equal(buf_slice(&out), buf_slice(&twice)));
	buf_add_str(&body, "rest");
	ck_assert_int_eq(unpack(buf_slice(&body)), ERR_CORRUPT);
	buf_fini(&twice);
}
END_TEST

START_TEST(framed_snappy_is_refused_by_name)
{
	ck_assert_int_eq(unpack(SLICE("\xff\x06\x00\x00sNaPpY\x00\x00\x00\x00")), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(why, "framed"));
}
END_TEST

START_TEST(memory_is_used_again)
{
	raw_make(100000);
	body_make(SNAPPY);
	ck_assert_int_eq(unpack(buf_slice(&body)), 0);
	const char *was = out.ptr;
	for (int form = 0; form < FORMS; form++) {
		buf_clear(&body);
		raw_make(50000);
		body_make((enum form)form);
		ck_assert_int_eq(unpack(buf_slice(&body)), 0);
		ck_assert_ptr_eq(out.ptr, was);
	}
}
END_TEST

static Suite *decompress_suite(void)
{
	Suite *suite = suite_create("decompress");
	TCase *tcase = tcase_create("decompress");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, encoding_is_known_by_name);
	tcase_add_loop_test(tcase, all_forms_come_back, 0, FORMS);
	tcase_add_loop_test(tcase, nothing_comes_back_as_nothing, 0, FORMS);
	tcase_add_loop_test(tcase, one_byte_over_the_limit_is_refused, 0, FORMS);
	tcase_add_loop_test(tcase, every_cut_is_corrupt, 0, FORMS);
	tcase_add_loop_test(tcase, flipped_bits_do_no_harm, 0, FORMS);
	tcase_add_test(tcase, declared_length_is_checked_before_memory_is_taken);
	tcase_add_test(tcase, zstd_bomb_without_a_size_stops_at_the_limit);
	tcase_add_test(tcase, zstd_windows_are_limited);
	tcase_add_test(tcase, gzip_bomb_stops_at_the_limit);
	tcase_add_test(tcase, body_larger_than_the_limit_is_not_looked_at);
	tcase_add_loop_test(tcase, several_frames_or_members_are_one_body, ZSTD_SIZED, FORMS);
	tcase_add_test(tcase, framed_snappy_is_refused_by_name);
	tcase_add_test(tcase, memory_is_used_again);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(decompress_suite)
