#include "base/quote.h"

#include "base/error.h"
#include "tests/check_main.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct quote_case {
	struct slice text;
	const char *quoted;
} quote_cases[] = {
	{ SLICE(""), "\"\"" },
	{ SLICE("plain 'text'"), "\"plain 'text'\"" },
	{ SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"" },
	{ SLICE("\a\b\f\n\r\t\v"), "\"\\a\\b\\f\\n\\r\\t\\v\"" },
	{ SLICE("\0\x01\x1F\x7F"), "\"\\x00\\x01\\x1f\\x7f\"" },
	{ SLICE("é€😀"), "\"é€😀\"" },
	{ SLICE("\xFF\xE2\x82"), "\"\\xff\\xe2\\x82\"" },
	{ SLICE("\xEF\xBF\xBD"), "\"\xEF\xBF\xBD\"" },	  /* U+FFFD itself prints */
	{ SLICE("\xC2\xA0"), "\"\\u00a0\"" },		  /* a blank other than the space */
	{ SLICE("\xE2\x80\x8B"), "\"\\u200b\"" },	  /* zero width */
	{ SLICE("\xF3\xA0\x80\x81"), "\"\\U000e0001\"" }, /* a tag */
	{ SLICE("\xEE\x80\x80"), "\"\\ue000\"" },	  /* private use */
};

START_TEST(text_quote_is_gos)
{
	const struct quote_case *c = &quote_cases[_i];
	struct buf buf, back;
	size_t at;

	buf_init(&buf);
	buf_init(&back);
	text_quote(c->text, &buf);
	ck_assert_str_eq(buf.ptr, c->quoted);
	ck_assert_int_eq(text_unquote((struct slice){ buf.ptr + 1, buf.len - 2 }, '"', &back, &at),
			 0);
	ck_assert(slice_is_equal(buf_slice(&back), c->text));
	buf_fini(&buf);
	buf_fini(&back);
}
END_TEST

static const struct unquote_case {
	struct slice inside, text;
	char quote;
} unquote_cases[] = {
	{ SLICE("a\\nb"), SLICE("a\nb"), '"' },
	{ SLICE("\\x41\\101\\u00e9\\U0001F600"), SLICE("AAé😀"), '"' },
	{ SLICE("\\377"), SLICE("\xFF"), '"' },
	{ SLICE("\\000"), SLICE("\0"), '"' },
	{ SLICE("it's"), SLICE("it's"), '"' },
	{ SLICE("say \"x\""), SLICE("say \"x\""), '\'' },
	{ SLICE("it\\'s"), SLICE("it's"), '\'' },
	{ SLICE("\t"), SLICE("\t"), '"' },
};

START_TEST(text_unquote_reads_escapes)
{
	const struct unquote_case *c = &unquote_cases[_i];
	struct buf buf;
	size_t at;

	buf_init(&buf);
	ck_assert_int_eq(text_unquote(c->inside, c->quote, &buf, &at), 0);
	ck_assert(slice_is_equal(buf_slice(&buf), c->text));
	buf_fini(&buf);
}
END_TEST

static const struct unquote_fault {
	struct slice inside;
	size_t at;
} unquote_faults[] = {
	{ SLICE("ab\""), 2 },	     { SLICE("ab\n"), 2 },	  { SLICE("a\\"), 1 },
	{ SLICE("a\\q"), 1 },	     { SLICE("a\\'"), 1 },	  { SLICE("\\x4"), 0 },
	{ SLICE("\\x4g"), 0 },	     { SLICE("\\400"), 0 },	  { SLICE("\\18"), 0 },
	{ SLICE("\\9"), 0 },	     { SLICE("\\ud800"), 0 },	  { SLICE("\\u12"), 0 },
	{ SLICE("\\U00110000"), 0 }, { SLICE("\\UFFFFFFFF"), 0 }, { SLICE("\\\0"), 0 },
};

START_TEST(text_unquote_names_the_fault)
{
	const struct unquote_fault *c = &unquote_faults[_i];
	struct buf buf;
	size_t at = 99;

	buf_init(&buf);
	buf_add_str(&buf, "before");
	ck_assert_int_eq(text_unquote(c->inside, '"', &buf, &at), ERR_INVALID);
	ck_assert_uint_eq(at, c->at);
	ck_assert_str_eq(buf.ptr, "before");
	buf_fini(&buf);
}
END_TEST

START_TEST(runes_have_categories)
{
	ck_assert(rune_is_print('a') && rune_is_print(' ') && rune_is_print(0x20AC));
	ck_assert(!rune_is_print('\n') && !rune_is_print(0x7F) && !rune_is_print(0xA0));
	ck_assert(rune_is_alnum('9') && rune_is_alnum('z') && rune_is_alnum(0xE9));
	ck_assert(rune_is_alnum(0x0660)); /* a digit */
	ck_assert(!rune_is_alnum('_') && !rune_is_alnum(0x2192) && !rune_is_alnum(0xB2));
}
END_TEST

static Suite *quote_suite(void)
{
	Suite *suite = suite_create("quote");
	TCase *tcase = tcase_create("all");

	tcase_add_loop_test(tcase, text_quote_is_gos, 0, COUNT(quote_cases));
	tcase_add_loop_test(tcase, text_unquote_reads_escapes, 0, COUNT(unquote_cases));
	tcase_add_loop_test(tcase, text_unquote_names_the_fault, 0, COUNT(unquote_faults));
	tcase_add_test(tcase, runes_have_categories);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(quote_suite)
