#include "ingest/protobuf.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"

static struct buf out;

static void setup(void)
{
	buf_init(&out);
}

static void teardown(void)
{
	buf_fini(&out);
}

static struct pb_walk walk_of(const struct buf *buf)
{
	return pb_walk_of(buf_slice(buf));
}

/* What pb_next() makes of raw bytes, field by field, until 0 or an error. */
static int walk_all(struct slice bytes, uint32_t *nfields)
{
	struct pb_walk walk = pb_walk_of(bytes);
	struct pb_field field;
	int rc;
	*nfields = 0;
	while ((rc = pb_next(&walk, &field)) > 0)
		(*nfields)++;
	return rc;
}

START_TEST(walk_gives_each_field_as_it_stands)
{
	struct pb_field field;
	enc_uint(&out, 1, 300);
	enc_fixed64(&out, 2, 0x7ff0000000000002);
	enc_str(&out, 3, "text");
	enc_tag(&out, 4, PB_FIXED32);
	buf_add_u32(&out, 77);
	enc_uint(&out, 536870911, UINT64_MAX);
	struct pb_walk walk = walk_of(&out);
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert(field.number == 1 && field.wire == PB_VARINT && field.value == 300);
	ck_assert(slice_is_equal(field.bytes, SLICE("\xac\x02")));
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert(field.number == 2 && field.wire == PB_FIXED64 &&
		  field.value == 0x7ff0000000000002);
	ck_assert_uint_eq(field.bytes.len, 8);
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert(field.number == 3 && field.wire == PB_BYTES && slice_is(field.bytes, "text"));
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert(field.number == 4 && field.wire == PB_FIXED32 && field.value == 77);
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert(field.number == 536870911 && field.value == UINT64_MAX);
	ck_assert_int_eq(pb_next(&walk, &field), 0);
	ck_assert_int_eq(pb_next(&walk, &field), 0);
}
END_TEST

START_TEST(walk_of_an_empty_message_ends_at_once)
{
	uint32_t n;
	ck_assert_int_eq(walk_all((struct slice){ NULL, 0 }, &n), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(walk_all(SLICE("\x0a\x00"), &n), 0);
	ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(walk_refuses_every_cut)
{
	uint32_t n;
	enc_uint(&out, 1, 300);
	enc_fixed64(&out, 2, 1);
	enc_str(&out, 3, "text");
	enc_tag(&out, 4, PB_FIXED32);
	buf_add_u32(&out, 77);
	const size_t ends[] = { 0, 3, 12, 18, 23 };
	ck_assert_uint_eq(out.len, 23);
	for (size_t cut = 0; cut < out.len; cut++) {
		bool is_end = false;
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			is_end |= ends[i] == cut;
		ck_assert_int_eq(walk_all((struct slice){ out.ptr, cut }, &n),
				 is_end ? 0 : ERR_CORRUPT);
	}
}
END_TEST

START_TEST(varint_takes_64_bits_and_no_more)
{
	static const struct {
		struct slice bytes;
		int rc;
		uint64_t value;
	} cases[] = {
		{ SLICE("\x00"), 0, 0 },
		{ SLICE("\x7f"), 0, 127 },
		{ SLICE("\x80\x01"), 0, 128 },
		{ SLICE("\x80\x00"), 0, 0 }, /* padded: allowed */
		{ SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0, UINT64_MAX },
		{ SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), ERR_CORRUPT, 0 },
		{ SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x00"), ERR_CORRUPT, 0 },
		{ SLICE("\x80"), ERR_CORRUPT, 0 },
		{ { "", 0 }, ERR_CORRUPT, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pb_walk walk = pb_walk_of(cases[i].bytes);
		uint64_t value = 0;
		ck_assert_int_eq(pb_varint(&walk, &value), cases[i].rc);
		ck_assert_uint_eq(value, cases[i].value);
		if (cases[i].rc == 0)
			ck_assert_uint_eq(pb_left(&walk), 0);
	}
}
END_TEST

START_TEST(walk_refuses_impossible_tags_and_lengths)
{
	static const struct slice cases[] = {
		SLICE("\x02\x00"),		   /* field 0 */
		SLICE("\x80\x80\x80\x80\x20\x00"), /* field 2^30 */
		SLICE("\x0e\x00"),		   /* wire type 6 */
		SLICE("\x0f\x00"),		   /* wire type 7 */
		SLICE("\x0c"),			   /* a group ends that never began */
		SLICE("\x0a\x02x"),		   /* longer than what is left */
		SLICE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),	   /* much longer */
		SLICE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7fxxxxxxxx"), /* as a negative number
									    */
	};
	uint32_t n;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(walk_all(cases[i], &n) == ERR_CORRUPT, "case %zu", i);
}
END_TEST

static void nested_groups(struct buf *to, uint32_t depth)
{
	for (uint32_t i = 0; i < depth; i++)
		enc_tag(to, 9 + i, PB_GROUP);
	enc_str(to, 1, "inside");
	for (uint32_t i = depth; i-- > 0;)
		enc_tag(to, 9 + i, PB_GROUP_END);
}

START_TEST(groups_are_passed_over)
{
	struct pb_field field;
	nested_groups(&out, 3);
	enc_uint(&out, 2, 5);
	struct pb_walk walk = walk_of(&out);
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert(field.number == 2 && field.value == 5);
	ck_assert_int_eq(pb_next(&walk, &field), 0);
}
END_TEST

START_TEST(groups_have_a_limit_of_depth)
{
	uint32_t n;
	nested_groups(&out, PB_GROUP_DEPTH_MAX);
	ck_assert_int_eq(walk_all(buf_slice(&out), &n), 0);
	buf_clear(&out);
	nested_groups(&out, PB_GROUP_DEPTH_MAX + 1);
	ck_assert_int_eq(walk_all(buf_slice(&out), &n), ERR_CORRUPT);
}
END_TEST

START_TEST(groups_must_end_as_they_began)
{
	uint32_t n;
	ck_assert_int_eq(walk_all(SLICE("\x0b\x0c"), &n), 0);		/* {1 } 1 */
	ck_assert_int_eq(walk_all(SLICE("\x0b\x14"), &n), ERR_CORRUPT); /* {1 } 2 */
	ck_assert_int_eq(walk_all(SLICE("\x0b"), &n), ERR_CORRUPT);
	ck_assert_int_eq(walk_all(SLICE("\x0b\x0a\x09x\x0c"), &n), ERR_CORRUPT);
}
END_TEST

START_TEST(elements_are_read_packed_or_single)
{
	struct pb_walk walk, elements;
	struct pb_field field;
	uint64_t v;
	enc_str(&out, 1, "\x05\xac\x02");
	enc_uint(&out, 1, 300);
	enc_double(&out, 1, 1.5);
	walk = walk_of(&out);
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert_int_eq(pb_elements(&field, PB_VARINT, &elements), 0);
	ck_assert(pb_varint(&elements, &v) == 0 && v == 5);
	ck_assert(pb_varint(&elements, &v) == 0 && v == 300);
	ck_assert_uint_eq(pb_left(&elements), 0);
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert_int_eq(pb_elements(&field, PB_VARINT, &elements), 0);
	ck_assert(pb_varint(&elements, &v) == 0 && v == 300);
	ck_assert_uint_eq(pb_left(&elements), 0);
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert_int_eq(pb_elements(&field, PB_VARINT, &elements), ERR_CORRUPT);
	ck_assert_int_eq(pb_elements(&field, PB_FIXED64, &elements), 0);
	ck_assert(pb_fixed64(&elements, &v) == 0 && v == 0x3ff8000000000000);
	ck_assert_int_eq(pb_fixed64(&elements, &v), ERR_CORRUPT);
}
END_TEST

START_TEST(zigzag_gives_signed_numbers)
{
	ck_assert_int_eq(pb_zigzag(0), 0);
	ck_assert_int_eq(pb_zigzag(1), -1);
	ck_assert_int_eq(pb_zigzag(2), 1);
	ck_assert_int_eq(pb_zigzag(105), -53);
	ck_assert(pb_zigzag(UINT64_MAX) == INT64_MIN);
	ck_assert(pb_zigzag(UINT64_MAX - 1) == INT64_MAX);
}
END_TEST

static Suite *protobuf_suite(void)
{
	Suite *suite = suite_create("protobuf");
	TCase *tcase = tcase_create("walk");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, walk_gives_each_field_as_it_stands);
	tcase_add_test(tcase, walk_of_an_empty_message_ends_at_once);
	tcase_add_test(tcase, walk_refuses_every_cut);
	tcase_add_test(tcase, varint_takes_64_bits_and_no_more);
	tcase_add_test(tcase, walk_refuses_impossible_tags_and_lengths);
	tcase_add_test(tcase, groups_are_passed_over);
	tcase_add_test(tcase, groups_have_a_limit_of_depth);
	tcase_add_test(tcase, groups_must_end_as_they_began);
	tcase_add_test(tcase, elements_are_read_packed_or_single);
	tcase_add_test(tcase, zigzag_gives_signed_numbers);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(protobuf_suite)
