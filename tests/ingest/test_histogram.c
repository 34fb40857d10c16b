#include "ingest/histogram.h"

#include <math.h>

#include "base/error.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"

static struct buf out;
static const char *why;

static void setup(void)
{
	buf_init(&out);
	why = NULL;
}

static void teardown(void)
{
	buf_fini(&out);
}

static void span(uint32_t field, int64_t offset, uint32_t length)
{
	struct buf inner;
	buf_init(&inner);
	if (offset != 0)
		enc_sint(&inner, 1, offset);
	if (length != 0)
		enc_uint(&inner, 2, length);
	enc_message(&out, field, &inner);
	buf_fini(&inner);
}

static void deltas(uint32_t field, const int64_t *values, size_t n)
{
	struct buf inner;
	buf_init(&inner);
	for (size_t i = 0; i < n; i++)
		enc_varint(&inner, (uint64_t)values[i] << 1 ^ (uint64_t)(values[i] >> 63));
	enc_message(&out, field, &inner);
	buf_fini(&inner);
}

static void doubles(uint32_t field, const double *values, size_t n)
{
	struct buf inner;
	buf_init(&inner);
	for (size_t i = 0; i < n; i++) {
		uint64_t bits;
		memcpy(&bits, &values[i], sizeof(bits));
		buf_add_u64(&inner, bits);
	}
	enc_message(&out, field, &inner);
	buf_fini(&inner);
}

#define DELTAS(field, ...)                                                                         \
	deltas(field, (const int64_t[]){ __VA_ARGS__ },                                            \
	       sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define DOUBLES(field, ...)                                                                        \
	doubles(field, (const double[]){ __VA_ARGS__ },                                            \
		sizeof((double[]){ __VA_ARGS__ }) / sizeof(double))

static int check(void)
{
	why = NULL;
	return histogram_check(buf_slice(&out), false, &why);
}

static void assert_fault(const char *text)
{
	ck_assert_int_eq(check(), ERR_INVALID);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, text) != NULL, "\"%s\" is not about \"%s\"", why, text);
}

START_TEST(integer_histogram_is_good)
{
	enc_uint(&out, 1, 21);
	enc_double(&out, 3, 18.4);
	enc_sint(&out, 4, 1);
	enc_double(&out, 5, 1e-128);
	enc_uint(&out, 6, 2);
	span(8, 0, 1);
	DELTAS(9, 4);
	span(11, -2, 2);
	span(11, 1, 2);
	DELTAS(12, 1, 1, -1, 9); /* 1 2 1 10 */
	enc_uint(&out, 14, 2);
	enc_uint(&out, 15, 1763600000000);
	enc_uint(&out, 17, 1763600000000);
	ck_assert_int_eq(check(), ERR_INVALID); /* 14 + 4 + 2 are 20 */
	enc_uint(&out, 1, 20);
	ck_assert_msg(check() == 0, "%s", why);
}
END_TEST

START_TEST(float_histogram_is_good)
{
	enc_double(&out, 2, 7.5);
	enc_double(&out, 7, 0.5);
	span(11, 3, 2);
	DOUBLES(13, 3.25, 3.75);
	ck_assert_msg(check() == 0, "%s", why);
	enc_double(&out, 2, 100); /* sums of floats are not held against the count */
	ck_assert_int_eq(check(), 0);
}
END_TEST

START_TEST(empty_histogram_is_good)
{
	ck_assert_int_eq(check(), 0);
	/* Zero count of a fresh one, as senders inject it: count_int is there, and is 0. */
	enc_uint(&out, 1, 0);
	enc_uint(&out, 15, 1763600000000);
	ck_assert_int_eq(check(), 0);
}
END_TEST

START_TEST(stale_marker_is_good)
{
	enc_uint(&out, 1, 0);
	enc_fixed64(&out, 3, 0x7ff0000000000002);
	ck_assert_int_eq(check(), 0);
}
END_TEST

START_TEST(count_must_be_the_sum_of_buckets)
{
	enc_uint(&out, 1, 4);
	span(11, 0, 2);
	DELTAS(12, 1, 1);
	assert_fault("add up to the count");
	enc_uint(&out, 1, 2);
	assert_fault("add up to the count");
	/* Observations of NaN are counted, and are in no bucket. */
	enc_uint(&out, 1, 4);
	enc_double(&out, 3, NAN);
	ck_assert_int_eq(check(), 0);
	enc_uint(&out, 1, 2);
	assert_fault("add up to the count");
}
END_TEST

START_TEST(spans_must_cover_the_buckets)
{
	span(11, 0, 3);
	DELTAS(12, 0, 0);
	assert_fault("cover");
	buf_clear(&out);
	span(8, 0, 1);
	assert_fault("cover");
	buf_clear(&out);
	DELTAS(9, 0);
	assert_fault("cover");
}
END_TEST

START_TEST(spans_go_forward)
{
	span(11, -5, 1);
	span(11, -1, 1);
	DELTAS(12, 0, 0);
	assert_fault("negative offset");
}
END_TEST

START_TEST(buckets_are_not_negative)
{
	enc_uint(&out, 1, 1);
	span(11, 0, 2);
	DELTAS(12, 1, -2);
	assert_fault("negative");
	buf_clear(&out);
	enc_double(&out, 2, 1);
	span(8, 0, 1);
	DOUBLES(10, -0.5);
	assert_fault("negative");
	buf_clear(&out);
	enc_double(&out, 2, -1);
	assert_fault("negative");
	buf_clear(&out);
	enc_double(&out, 2, 1);
	enc_double(&out, 7, -1);
	assert_fault("negative");
}
END_TEST

START_TEST(buckets_that_overflow_are_found)
{
	span(11, 0, 2);
	DELTAS(12, INT64_MAX, 1);
	assert_fault("impossible");
	buf_clear(&out);
	span(11, 0, 3);
	DELTAS(12, INT64_MAX, 0, 0);
	assert_fault("impossible");
	buf_clear(&out);
	span(8, 0, 2);
	span(11, 0, 1);
	DELTAS(9, INT64_MAX, 0);
	DELTAS(12, INT64_MAX);
	assert_fault("counted");
}
END_TEST

START_TEST(schemas_are_those_we_know)
{
	static const struct {
		int64_t schema;
		bool is_good;
	} cases[] = { { -5, false }, { -4, true },  { 8, true },    { 9, true },
		      { 52, true },  { 53, false }, { -52, false }, { -54, false } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&out);
		enc_sint(&out, 4, cases[i].schema);
		if (cases[i].is_good)
			ck_assert_int_eq(check(), 0);
		else
			assert_fault("unknown schema");
	}
}
END_TEST

START_TEST(custom_buckets_are_good)
{
	enc_uint(&out, 1, 6);
	enc_sint(&out, 4, HISTOGRAM_SCHEMA_CUSTOM);
	span(11, 0, 1);
	span(11, 1, 2); /* the last is the one of +Inf */
	DELTAS(12, 1, 1, 1);
	DOUBLES(16, 0.5, 1, 5);
	ck_assert_msg(check() == 0, "%s", why);
}
END_TEST

START_TEST(custom_buckets_without_bounds_pass_in_version_1_only)
{
	enc_uint(&out, 1, 3);
	enc_sint(&out, 4, HISTOGRAM_SCHEMA_CUSTOM);
	span(11, 0, 2);
	DELTAS(12, 1, 1);
	ck_assert_int_eq(histogram_check(buf_slice(&out), true, &why), 0);
	assert_fault("more buckets than custom bounds");
}
END_TEST

START_TEST(custom_buckets_have_rules_of_their_own)
{
	static const struct {
		double bounds[2];
		const char *fault;
	} cases[] = {
		{ { 2, 1 }, "rise" },	{ { 1, 1 }, "rise" },	     { { 1, NAN }, "rise" },
		{ { NAN, 1 }, "rise" }, { { 1, INFINITY }, "+Inf" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&out);
		enc_sint(&out, 4, HISTOGRAM_SCHEMA_CUSTOM);
		doubles(16, cases[i].bounds, 2);
		assert_fault(cases[i].fault);
	}
	buf_clear(&out);
	enc_sint(&out, 4, HISTOGRAM_SCHEMA_CUSTOM);
	DOUBLES(16, 1, 2);
	span(11, 2, 2);
	DELTAS(12, 0, 0);
	assert_fault("more buckets than custom bounds");
	buf_clear(&out);
	enc_sint(&out, 4, HISTOGRAM_SCHEMA_CUSTOM);
	span(11, -1, 1);
	DELTAS(12, 0);
	assert_fault("start at 0");
	buf_clear(&out);
	enc_sint(&out, 4, HISTOGRAM_SCHEMA_CUSTOM);
	span(8, 0, 0);
	assert_fault("negative side");
	buf_clear(&out);
	enc_sint(&out, 4, HISTOGRAM_SCHEMA_CUSTOM);
	enc_uint(&out, 6, 1);
	assert_fault("zero bucket");
	buf_clear(&out);
	enc_sint(&out, 4, 3);
	DOUBLES(16, 1);
	assert_fault("without custom buckets");
}
END_TEST

START_TEST(single_elements_count_like_packed_ones)
{
	enc_uint(&out, 1, 3);
	span(11, 0, 2);
	enc_sint(&out, 12, 1);
	enc_sint(&out, 12, 1);
	ck_assert_msg(check() == 0, "%s", why);
}
END_TEST

START_TEST(wrong_wire_types_are_corrupt)
{
	static const uint32_t numbers[] = { 1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 14, 15, 16, 17 };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		buf_clear(&out);
		enc_tag(&out, numbers[i], 5);
		buf_add_u32(&out, 0);
		ck_assert_msg(check() == ERR_CORRUPT, "field %u", numbers[i]);
	}
	for (uint32_t field = 8; field <= 11; field += 3) {
		buf_clear(&out);
		enc_uint(&out, field, 1);
		ck_assert_int_eq(check(), ERR_CORRUPT);
		buf_clear(&out);
		enc_bytes(&out, field,
			  SLICE("\x09\x00\x00\x00\x00\x00\x00\x00\x00")); /* an offset of eight
									     bytes */
		ck_assert_int_eq(check(), ERR_CORRUPT);
	}
	buf_clear(&out);
	enc_bytes(&out, 13, SLICE("1234567"));
	ck_assert_int_eq(check(), ERR_CORRUPT);
	buf_clear(&out);
	enc_uint(&out, 99, 1); /* unknown: passed over */
	ck_assert_int_eq(check(), 0);
}
END_TEST

static Suite *histogram_suite(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tcase = tcase_create("check");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, integer_histogram_is_good);
	tcase_add_test(tcase, float_histogram_is_good);
	tcase_add_test(tcase, empty_histogram_is_good);
	tcase_add_test(tcase, stale_marker_is_good);
	tcase_add_test(tcase, count_must_be_the_sum_of_buckets);
	tcase_add_test(tcase, spans_must_cover_the_buckets);
	tcase_add_test(tcase, spans_go_forward);
	tcase_add_test(tcase, buckets_are_not_negative);
	tcase_add_test(tcase, buckets_that_overflow_are_found);
	tcase_add_test(tcase, schemas_are_those_we_know);
	tcase_add_test(tcase, custom_buckets_are_good);
	tcase_add_test(tcase, custom_buckets_without_bounds_pass_in_version_1_only);
	tcase_add_test(tcase, custom_buckets_have_rules_of_their_own);
	tcase_add_test(tcase, single_elements_count_like_packed_ones);
	tcase_add_test(tcase, wrong_wire_types_are_corrupt);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(histogram_suite)
