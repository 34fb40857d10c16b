#include "base/slice.h"

#include "tests/check_main.h"

START_TEST(slice_compare_is_bytewise)
{
	ck_assert_int_lt(slice_compare(SLICE("a"), SLICE("b")), 0);
	ck_assert_int_lt(slice_compare(SLICE("a"), SLICE("aa")), 0);
	ck_assert_int_gt(slice_compare(SLICE("\xC3\xA9"), SLICE("z")), 0);
	ck_assert_int_eq(slice_compare(SLICE("x"), SLICE("x")), 0);
	ck_assert_int_eq(slice_compare((struct slice){ NULL, 0 }, SLICE("")), 0);
	ck_assert_int_lt(slice_compare((struct slice){ NULL, 0 }, SLICE("a")), 0);
}
END_TEST

START_TEST(slice_finds_parts)
{
	ck_assert(slice_has_prefix(SLICE("abc"), SLICE("ab")));
	ck_assert(slice_has_prefix(SLICE("abc"), (struct slice){ NULL, 0 }));
	ck_assert(!slice_has_prefix(SLICE("ab"), SLICE("abc")));
	ck_assert(slice_has_suffix(SLICE("abc"), SLICE("bc")));
	ck_assert(!slice_has_suffix(SLICE("abc"), SLICE("ab")));
	ck_assert_int_eq(slice_find(SLICE("abcb"), 'b'), 1);
	ck_assert_int_eq(slice_find(SLICE("abc"), 'x'), -1);
	ck_assert_int_eq(slice_find((struct slice){ NULL, 0 }, 'x'), -1);
	ck_assert(slice_is(slice_trim(SLICE(" \t\r\na b\n ")), "a b"));
	ck_assert_uint_eq(slice_trim(SLICE(" \n ")).len, 0);
}
END_TEST

static const struct utf8_case {
	struct slice text;
	bool valid;
} utf8_cases[] = {
	{ SLICE(""), true },
	{ SLICE("plain ASCII, longer than eight bytes"), true },
	{ SLICE("a\0b"), true },
	{ SLICE("caf\xC3\xA9"), true },
	{ SLICE("12345678\xE2\x82\xAC" "12345678"), true },
	{ SLICE("\xF0\x9F\x98\x80"), true },
	{ SLICE("\xF4\x8F\xBF\xBF"), true },
	{ SLICE("\xEF\xBF\xBD"), true },
	{ SLICE("\xC3"), false },
	{ SLICE("12345678\xE2\x82"), false },
	{ SLICE("\x80"), false },
	{ SLICE("\xC0\x80"), false },         /* overlong */
	{ SLICE("\xC1\xBF"), false },
	{ SLICE("\xE0\x9F\xBF"), false },
	{ SLICE("\xF0\x8F\xBF\xBF"), false },
	{ SLICE("\xED\xA0\x80"), false },     /* a surrogate */
	{ SLICE("\xF4\x90\x80\x80"), false }, /* beyond U+10FFFF */
	{ SLICE("\xF5\x80\x80\x80"), false },
	{ SLICE("\xFF"), false },
};

START_TEST(slice_knows_utf8)
{
	const struct utf8_case *c = &utf8_cases[_i];

	ck_assert_msg(slice_is_utf8(c->text) == c->valid, "case %d", _i);
}
END_TEST

START_TEST(rune_survives_a_round_trip)
{
	for (uint32_t rune = 0; rune <= 0x10FFFF; rune++) {
		char bytes[4];
		uint32_t back;
		size_t n = rune_encode(rune, bytes);
		bool surrogate = rune >= 0xD800 && rune <= 0xDFFF;

		struct slice text = { bytes, n };

		/* A million of Check's own assertions would take a while. */
		if (!slice_is_utf8(text) || slice_rune(text, &back) != n ||
		    back != (surrogate ? RUNE_ERROR : rune))
			ck_abort_msg("U+%04x", rune);
	}
	uint32_t rune;

	ck_assert_uint_eq(slice_rune(SLICE("\xE2\x82"), &rune), 1);
	ck_assert_uint_eq(rune, RUNE_ERROR);
	ck_assert_uint_eq(slice_rune(SLICE(""), &rune), 0);
}
END_TEST

START_TEST(slice_dup_ends_with_nul)
{
	char *copy = slice_dup((struct slice){ "abc", 2 });

	ck_assert_str_eq(copy, "ab");
	free(copy);
	copy = slice_dup((struct slice){ NULL, 0 });
	ck_assert_str_eq(copy, "");
	free(copy);
}
END_TEST

static const struct nearest_case {
	const char *word, *expect;
} nearest_cases[] = {
	{ "rat", "rate" },       { "raet", "rate" }, /* a swap is one slip */
	{ "RATE", "rate" },      { "incraese", "increase" },
	{ "histogramquantile", "histogram_quantile" },
	{ "x", NULL },           { "", NULL },
	{ "frobnicate", NULL },  { "sume", "sum" },
	{ "smu", "sum" },        { "tare", NULL }, /* two slips in four letters are too many */
};

START_TEST(nearest_name_finds_slips)
{
	static const char *const names[] = { "sum", "rate", "increase", "histogram_quantile" };
	const struct nearest_case *c = &nearest_cases[_i];
	const char *found = nearest_name(slice_from(c->word), names, 4);

	if (!c->expect)
		ck_assert_msg(!found, "%s: %s", c->word, found);
	else
		ck_assert_str_eq(found, c->expect);
}
END_TEST

START_TEST(nearest_name_leaves_long_words_out)
{
	char word[NEAREST_NAME_MAX + 2], name[NEAREST_NAME_MAX + 2];
	const char *const names[] = { name };

	memset(word, 'a', sizeof(word));
	memset(name, 'a', sizeof(name));
	name[NEAREST_NAME_MAX] = '\0';
	ck_assert_ptr_eq(nearest_name((struct slice){ word, NEAREST_NAME_MAX }, names, 1), name);
	ck_assert_ptr_null(nearest_name((struct slice){ word, NEAREST_NAME_MAX + 1 }, names, 1));
	name[NEAREST_NAME_MAX] = 'a';
	name[NEAREST_NAME_MAX + 1] = '\0';
	ck_assert_ptr_null(nearest_name((struct slice){ word, NEAREST_NAME_MAX }, names, 1));
}
END_TEST

START_TEST(hex_digit_knows_its_sixteen)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	int digits = 0;

	for (int c = -128; c < 128; c++)
		digits += hex_digit((char)c) >= 0;
	ck_assert_int_eq(digits, 22);
	for (int i = 0; i < 16; i++) {
		ck_assert_int_eq(hex_digit(lower[i]), i);
		ck_assert_int_eq(hex_digit(upper[i]), i);
	}
}
END_TEST

static Suite *slice_suite(void)
{
	Suite *suite = suite_create("slice");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, slice_compare_is_bytewise);
	tcase_add_test(tcase, slice_finds_parts);
	tcase_add_loop_test(tcase, slice_knows_utf8, 0, sizeof(utf8_cases) / sizeof(utf8_cases[0]));
	tcase_add_test(tcase, rune_survives_a_round_trip);
	tcase_add_test(tcase, slice_dup_ends_with_nul);
	tcase_add_loop_test(tcase, nearest_name_finds_slips, 0,
			    sizeof(nearest_cases) / sizeof(nearest_cases[0]));
	tcase_add_test(tcase, nearest_name_leaves_long_words_out);
	tcase_add_test(tcase, hex_digit_knows_its_sixteen);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(slice_suite)
