/* Patterns found in lines, and the literals that they need. */
#include <check.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/regex_find.h"
#include "base/regex_literals.h"
#include "tests/check_main.h"

static struct regex_finder *finder(const char *pattern)
{
	struct regex_finder *made;
	char *why;
	size_t offset;

	ck_assert_int_eq(regex_finder_new(slice_from(pattern), &made, &why, &offset), 0);
	return made;
}

static int found(const char *pattern, struct slice line, struct slice *groups)
{
	struct regex_finder *f = finder(pattern);
	struct buf copy;
	int rc = regex_finder_search(f, line, false, groups, &copy);

	buf_fini(&copy);
	regex_finder_free(f);
	return rc;
}

START_TEST(pattern_is_found_anywhere)
{
	struct slice groups[2];

	ck_assert_int_eq(found("b+", SLICE("abbc"), NULL), 1);
	ck_assert_int_eq(found("^b", SLICE("abbc"), NULL), 0);
	ck_assert_int_eq(found("c$", SLICE("abbc"), NULL), 1);
	ck_assert_int_eq(found("a.c", SLICE("a\nc"), NULL), 0);
	ck_assert_int_eq(found("(?s)a.c", SLICE("a\nc"), NULL), 1);
	ck_assert_int_eq(found("", SLICE(""), NULL), 1);
	ck_assert_int_eq(found("x.y", SLICE("x\xffy"), NULL), 1);
	ck_assert_int_eq(found("(?P<x>a)|(?P<y>b)", SLICE("zb"), groups), 1);
	ck_assert_uint_eq(groups[0].len, 0);
	ck_assert(slice_is(groups[1], "b"));
}
END_TEST

START_TEST(groups_have_names)
{
	struct regex_finder *f = finder("(?P<x>a)(b)");

	ck_assert_uint_eq(regex_finder_groups(f), 2);
	ck_assert(slice_is(regex_finder_group_name(f, 1), "x"));
	ck_assert_uint_eq(regex_finder_group_name(f, 2).len, 0);
	regex_finder_free(f);
}
END_TEST

START_TEST(bad_patterns_are_refused)
{
	struct regex_finder *none;
	char *why;
	size_t offset;

	ck_assert_int_eq(regex_finder_new(SLICE("a(b"), &none, &why, &offset), ERR_INVALID);
	ck_assert_ptr_nonnull(why);
	free(why);
	ck_assert_int_eq(regex_finder_new(SLICE("(?=x)"), &none, &why, &offset), ERR_INVALID);
	free(why);
}
END_TEST

START_TEST(search_is_given_up)
{
	char line[2000];

	memset(line, 'a', sizeof(line));
	ck_assert_int_eq(found("(a+)+(a+)+[b-z]", (struct slice){ line, sizeof(line) }, NULL),
			 ERR_LIMIT);
	/* The next search has its own bound. */
	ck_assert_int_eq(found("a.*[b-z]?$", (struct slice){ line, sizeof(line) }, NULL), 1);
}
END_TEST

START_TEST(matches_are_replaced)
{
	struct regex_finder *f = finder("(?P<k>[a-z]+)=([0-9]+)");
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(regex_finder_replace(f, SLICE("a=1, b=22!"), SLICE("${k}:$2"), &out), 0);
	ck_assert_str_eq(out.ptr, "a:1, b:22!");
	buf_fini(&out);
	regex_finder_free(f);
	f = finder("x*");
	ck_assert_int_eq(regex_finder_replace(f, SLICE("abc"), SLICE("-"), &out), 0);
	ck_assert_str_eq(out.ptr, "-a-b-c-");
	buf_fini(&out);
	regex_finder_free(f);
}
END_TEST

static const struct {
	const char *pattern, *literals;
	bool is_exact;
} literal_cases[] = {
	{ "abc", "abc", true },
	{ "a|b|cd", "a b cd", true },
	{ "(?:foo)bar", "foobar", true },
	{ "(foo|bar)", "foo bar", true },
	{ "a\\.b", "a.b", true },
	{ "(?i)abc", "abc", false },
	{ "(?i)a(?-i)sk", "ask", false },
	{ "^abc", "abc", false },
	{ "(foo|bar)baz", "baz", false },
	{ "(foo|bar).az", "foo bar", false },
	{ "(foo|ba)bazz", "bazz", false },
	{ "abc+", "abc", false },
	{ "ab*cdef", "cdef", false },
	{ "(abc)?de", "de", false },
	{ "(abc){2}d", "abc", false },
	{ "(abc){0,2}d", "d", false },
	{ "[ab]cde[f]", "cde", false },
	{ "a|", "", false },
	{ "a|[b]", "", false },
	{ ".*", "", false },
	{ "", "", false },
	{ "x(y|z*)longer", "longer", false },
	{ "(?i)disk", "disk \xc5\xbf \xe2\x84\xaa", false },
	{ "(?i)\xc3\xa9t", "t", false },
	{ "\xc3\xa9t", "\xc3\xa9t", true },
	{ "\\Qa.b\\E", "a.b", true },
	{ "\\d+ms", "ms", false },
	{ "\\p{L}+ms", "ms", false },
	{ "((((deep))))", "deep", true },
	{ "(a|(b|(c|d)))", "a b c d", true },
};

START_TEST(literals_are_necessary)
{
	struct regex_literals literals;
	struct arena arena;
	char got[256] = "";

	arena_init(&arena, 0);
	regex_literals_find(slice_from(literal_cases[_i].pattern), &arena, &literals);
	for (uint32_t i = 0; i < literals.n; i++)
		sprintf(got + strlen(got), "%s" SLICE_FMT, i ? " " : "",
			SLICE_ARG(literals.items[i]));
	ck_assert_str_eq(got, literal_cases[_i].literals);
	ck_assert_int_eq(literals.is_exact, literal_cases[_i].is_exact);
	arena_fini(&arena);
}
END_TEST

START_TEST(alternatives_are_limited)
{
	char pattern[512];
	struct regex_literals literals;
	struct arena arena;

	arena_init(&arena, 0);
	for (int n = REGEX_LITERALS_MAX; n <= REGEX_LITERALS_MAX + 1; n++) {
		pattern[0] = '\0';
		for (int i = 0; i < n; i++)
			sprintf(pattern + strlen(pattern), "%sw%d", i ? "|" : "", i);
		regex_literals_find(slice_from(pattern), &arena, &literals);
		ck_assert_uint_eq(literals.n, n > REGEX_LITERALS_MAX ? 0 : (unsigned)n);
	}
	arena_fini(&arena);
}
END_TEST

static Suite *find_suite(void)
{
	Suite *suite = suite_create("regex_find");
	TCase *tcase = tcase_create("regex_find");

	tcase_add_test(tcase, pattern_is_found_anywhere);
	tcase_add_test(tcase, groups_have_names);
	tcase_add_test(tcase, bad_patterns_are_refused);
	tcase_add_test(tcase, search_is_given_up);
	tcase_add_test(tcase, matches_are_replaced);
	tcase_add_loop_test(tcase, literals_are_necessary, 0,
			    sizeof(literal_cases) / sizeof(*literal_cases));
	tcase_add_test(tcase, alternatives_are_limited);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(find_suite)
