#include "base/regex.h"

#include <pthread.h>

#include "base/error.h"
#include "base/regex_syntax.h"
#include "tests/check_main.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct regex *compile(struct slice pattern)
{
	struct regex *regex;
	char *why;
	size_t offset;
	int err = regex_new(pattern, &regex, &why, &offset);

	ck_assert_msg(err == 0, SLICE_FMT ": %s", SLICE_ARG(pattern), why);
	return regex;
}

/* Texts that match and texts that do not, each list closed by NULL. */
static const struct match_case {
	const char *pattern;
	const char *yes[6], *no[6];
} match_cases[] = {
	/* short cuts: words and words with something beside */
	{ "", { "" }, { "a", "\n" } },
	{ "abc", { "abc" }, { "", "ab", "abcd", "xabc", "ABC" } },
	{ "a\\.b\\|c", { "a.b|c" }, { "axb|c" } },
	{ "b|a|abc|", { "a", "b", "abc", "" }, { "ab", "c", "|" } },
	{ ".*", { "", "x", "a\nb", "é" }, { NULL } },
	{ ".+", { "x", "\n", "é" }, { "" } },
	{ "abc.*", { "abc", "abcd", "abc\n" }, { "ab", "xabc" } },
	{ "abc.+", { "abcd", "abc\n" }, { "abc", "xabcd" } },
	{ ".*abc", { "abc", "xabc" }, { "abcx" } },
	{ ".+abc", { "xabc" }, { "abc" } },
	{ ".*abc.*", { "abc", "xabcy" }, { "ab" } },
	{ ".+abc.+", { "xabcy", "abcabcx" }, { "abc", "xabc", "abcx" } },
	{ ".*.+", { "a" }, { "" } },
	{ ".*.*", { "a", "" }, { NULL } },
	/* anchors */
	{ "a|b.*", { "a", "bx" }, { "ax", "xb" } },
	{ "a$", { "a" }, { "a\n" } },
	{ "^a$", { "a" }, { "a\n", "\na" } },
	{ "a\\z", { "a" }, { "a\n" } },
	{ "(?m)^b$", { "b" }, { "a\nb", "b\n" } },
	{ "(?m)a$\n^b$.*", { "a\nb", "a\nb\nc" }, { "ab" } },
	{ "(?m)a\n^", { "a\n" }, { "a" } },
	{ "(?:^)*a", { "a" }, { "b" } },
	{ "^*a$+", { "a" }, { "b" } },
	{ "\\ba\\b.*", { "a", "a b" }, { "ab" } },
	/* dot and flags */
	{ "a.c", { "abc", "a\nc", "aéc" }, { "ac", "abbc" } },
	{ "(?-s)a.c", { "abc" }, { "a\nc" } },
	{ "(?-s:a.)(?s).", { "ab\n" }, { "a\nb" } },
	{ "(?i)abc", { "abc", "ABC", "aBc" }, { "ab" } },
	{ "(?i:a)b", { "ab", "Ab" }, { "AB" } },
	{ "(a(?i)b|c)d", { "aBd", "Cd" }, { "ABd", "aBD" } },
	{ "(?i)k", { "k", "K", "\xE2\x84\xAA" }, { "x" } },
	{ "(?i)\\w", { "\xC5\xBF", "\xE2\x84\xAA", "a" }, { "é" } },
	{ "(?i)\\W", { "é", "-" }, { "\xC5\xBF", "\xE2\x84\xAA", "a" } },
	{ "(?i)[\\W]", { "é", "-" }, { "\xC5\xBF", "\xE2\x84\xAA", "a", "s" } },
	{ "[\\W]", { "é", "-", "\xC5\xBF" }, { "s" } },
	{ "(?i)[[:^lower:]]", { "1", "é" }, { "a", "A" } },
	{ "(?U)(a+)(a*)", { "aaa" }, { "b" } },
	/* classes */
	{ "\\d+", { "019" }, { "\xD9\xA0", "a" } },
	{ "\\s", { " ", "\t", "\n", "\f", "\r" }, { "\v", "\xC2\xA0" } },
	{ "\\S", { "a", "\v" }, { " ", "\n" } },
	{ "[[:space:]]", { " ", "\v" }, { "a" } },
	{ "[^a-c]", { "d", "\n", "é" }, { "a", "b", "" } },
	{ "[]a]", { "]", "a" }, { "b" } },
	{ "[^]a]", { "b" }, { "]", "a" } },
	{ "[a-]", { "a", "-" }, { "b" } },
	{ "[-a]", { "a", "-" }, { "b" } },
	{ "[a-c-e]", { "b", "-", "e" }, { "d" } },
	{ "[\\d\\-x]", { "1", "-", "x" }, { "a" } },
	{ "[[:alpha:][:digit:]_]", { "a", "1", "_" }, { "-", "é" } },
	{ "[[:^alpha:]]", { "1", "é" }, { "a" } },
	{ "[[:ascii:]]", { "a", "\x7F", "\x01" }, { "é" } },
	{ "[[:word:]]", { "a", "_", "9" }, { "é" } },
	{ "[[:a]", { "[", ":", "a" }, { "b" } },
	{ "[é-ü]", { "ö" }, { "a", "e" } },
	{ "[\\x41-\\x{43}]", { "B" }, { "D" } },
	{ "\\pL", { "a", "é", "α" }, { "1" } },
	{ "\\PL", { "1" }, { "é" } },
	{ "\\p{Greek}+", { "αβ" }, { "a" } },
	{ "\\p{^Greek}", { "a" }, { "α" } },
	{ "\\P{^Greek}", { "α" }, { "a" } },
	{ "[\\p{Lu}\\d]", { "A", "É", "1" }, { "a" } },
	{ "(?i)\\p{Lu}", { "A", "a" }, { "1" } },
	/* escapes and literals */
	{ "\\a\\f\\t\\n\\r\\v", { "\a\f\t\n\r\v" }, { "aftnrv" } },
	{ "\\101\\x42\\x{e9}", { "ABé" }, { "AB" } },
	{ "\\_\\-\\#\\ \\\"", { "_-# \"" }, { "" } },
	{ "\\Qa.b*\\E+", { "a.b*", "a.b**" }, { "aXb*" } },
	{ "\\Qa.b", { "a.b" }, { "axb" } },
	{ "\\Q\\E", { "" }, { "a" } },
	{ "a#b c", { "a#b c" }, { "abc" } },
	{ "/", { "/" }, { "" } },
	/* repetition */
	{ "a{2}", { "aa" }, { "a", "aaa" } },
	{ "a{2,}", { "aa", "aaa" }, { "a" } },
	{ "a{1,2}", { "a", "aa" }, { "", "aaa" } },
	{ "a{0}", { "" }, { "a" } },
	{ "a{,2}", { "a{,2}" }, { "a", "aa" } },
	{ "a{2", { "a{2" }, { "aa" } },
	{ "a{ 2}", { "a{ 2}" }, { "aa" } },
	{ "a{02}", { "a{02}" }, { "aa" } },
	{ "{", { "{" }, { "" } },
	{ "a{}", { "a{}" }, { "a" } },
	{ "a*?b+?c??", { "b", "aabbc" }, { "a" } },
	{ "(a|ab)(c|bcd)(d*)", { "abcd", "acd", "abcdd" }, { "abd" } },
	{ "(a*)*b", { "b", "aab" }, { "a" } },
	{ "(|a)+", { "", "aa" }, { "b" } },
	{ "()", { "" }, { "a" } },
	{ "(a||b)c", { "ac", "c", "bc" }, { "d" } },
	{ "(?:)", { "" }, { "a" } },
	{ "(?P<year>\\d{4})-(?<month>\\d\\d)", { "2026-11" }, { "26-11" } },
	{ "x{1000}", { NULL }, { "x" } },
	{ "((x{10}){10}){10}", { NULL }, { "x" } },
	{ "((x{0}){1000}){1}", { "" }, { "x" } },
};

static void check_match(const struct regex *regex, const char *pattern, const char *text, bool yes)
{
	ck_assert_msg(regex_is_match(regex, slice_from(text)) == yes, "\"%s\" and \"%s\"", pattern,
		      text);
	/* The way without short cuts must agree. */
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(regex_expand(regex, slice_from(text), SLICE("$0"), &out), yes);
	if (yes)
		ck_assert(slice_is(buf_slice(&out), text));
	buf_fini(&out);
}

START_TEST(regex_matches_as_re2)
{
	const struct match_case *c = &match_cases[_i];
	struct regex *regex = compile(slice_from(c->pattern));

	for (int i = 0; i < 6 && c->yes[i]; i++)
		check_match(regex, c->pattern, c->yes[i], true);
	for (int i = 0; i < 6 && c->no[i]; i++)
		check_match(regex, c->pattern, c->no[i], false);
	regex_free(regex);
}
END_TEST

static const struct refuse_case {
	const char *pattern;
	size_t offset;
	const char *why;
} refuse_cases[] = {
	{ "a(?=b)", 1, "look-ahead \"(?=\" is not supported" },
	{ "(?!b)", 0, "look-ahead \"(?!\" is not supported" },
	{ "(?<=b)", 0, "look-behind \"(?<=\" is not supported" },
	{ "(?<!b)", 0, "look-behind \"(?<!\" is not supported" },
	{ "(a)\\1", 3, "the back reference \"\\1\" is not supported" },
	{ "(a)\\8", 3, "the back reference \"\\8\" is not supported" },
	{ "\\g1", 0, "the back reference \"\\g\" is not supported" },
	{ "\\k<a>", 0, "the back reference \"\\k\" is not supported" },
	{ "(?P=a)", 0, "the back reference \"(?P=\" is not supported" },
	{ "(?>a)", 0, "the atomic group \"(?>\" is not supported" },
	{ "a++", 2, "the possessive quantifier \"++\" is not supported" },
	{ "a*+", 2, "the possessive quantifier \"*+\" is not supported" },
	{ "a{2}+", 4, "the possessive quantifier \"}+\" is not supported" },
	{ "(?R)", 0, "recursion \"(?R\" is not supported" },
	{ "(?1)", 0, "recursion \"(?1\" is not supported" },
	{ "(?-1)", 0, "recursion \"(?-\" is not supported" },
	{ "(?+1)", 0, "recursion \"(?+\" is not supported" },
	{ "(?&a)", 0, "recursion \"(?&\" is not supported" },
	{ "(?P>a)", 0, "recursion \"(?P>\" is not supported" },
	{ "(?(1)a|b)", 0, "the conditional group \"(?(\" is not supported" },
	{ "(?C1)", 0, "the callout \"(?C\" is not supported" },
	{ "(?#x)", 0, "the comment \"(?#\" is not supported" },
	{ "(?|a|b)", 0, "the branch reset group \"(?|\" is not supported" },
	{ "(?'a'b)", 0, "the group name in quotes \"(?'\" is not supported" },
	{ "(*UTF)a", 0, "the verb \"(*\" is not supported" },
	{ "a(*FAIL)", 1, "the verb \"(*\" is not supported" },
	{ "\\C", 0, "the single byte \"\\C\" is not supported" },
	{ "\\K", 0, "the match reset \"\\K\" is not supported" },
	{ "a\\Z", 1, "the end before a newline \"\\Z\" is not supported" },
	{ "\\R", 0, "the line break \"\\R\" is not supported" },
	{ "\\h", 0, "the horizontal space \"\\h\" is not supported" },
	{ "\\E", 0, "invalid escape \"\\E\"" },
	{ "\\é", 0, "invalid escape \"\\é\"" },
	{ "[\\Qa\\E]", 1, "invalid escape \"\\Q\"" },
	{ "[\\b]", 1, "invalid escape \"\\b\"" },
	{ "\\x4", 0, "invalid escape \"\\x\"" },
	{ "\\x{}", 0, "invalid escape \"\\x\"" },
	{ "\\x{41", 0, "invalid escape \"\\x\"" },
	{ "\\x{110000}", 0, "escape beyond \\x{10FFFF}" },
	{ "a\\", 1, "trailing \"\\\"" },
	{ "(a", 0, "missing closing \")\"" },
	{ "((a)", 0, "missing closing \")\"" },
	{ "a)", 1, "unexpected \")\"" },
	{ "x[a", 1, "missing closing \"]\"" },
	{ "[]", 0, "missing closing \"]\"" },
	{ "[b-a]", 1, "invalid character range \"b-a\"" },
	{ "[a-\\d]", 3, "invalid escape \"\\d\"" },
	{ "[[:foo:]]", 1, "unknown character class \"[:foo:]\"" },
	{ "[[:d:]]", 1, "unknown character class \"[:d:]\"" },
	{ "\\p{foo}", 0, "unknown character property \"foo\"" },
	{ "\\pé", 0, "unknown character property \"é\"" },
	{ "\\p{Xan}", 0, "unknown character property \"Xan\"" },
	{ "\\p{L&}", 0, "unknown character property \"L&\"" },
	{ "\\p", 0, "missing name of a character property" },
	{ "\\p{L", 0, "missing \"}\" of a character property" },
	{ "*a", 0, "nothing to repeat before \"*\"" },
	{ "(+)", 1, "nothing to repeat before \"+\"" },
	{ "a|{2}", 2, "nothing to repeat before \"{2}\"" },
	{ "a**", 2, "repetition of a repetition \"*\"" },
	{ "a*??", 3, "repetition of a repetition \"?\"" },
	{ "a{2}{3}", 4, "repetition of a repetition \"{3}\"" },
	{ "a{1001}", 1, "invalid repeat count \"{1001}\"" },
	{ "a{1,1001}", 1, "invalid repeat count \"{1,1001}\"" },
	{ "a{99999999999999}", 1, "invalid repeat count \"{99999999999999}\"" },
	{ "a{3,2}", 1, "invalid repeat count \"{3,2}\"" },
	{ "((a{10}){10}){11}", 13, "nested repeat counts exceed 1000" },
	{ "(?P<a>b)(?P<a>c)", 8, "group name \"a\" twice" },
	{ "(?P<>b)", 0, "invalid group name" },
	{ "(?P<a b>c)", 0, "invalid group name" },
	{ "(?P<a", 0, "invalid group name" },
	{ "(?x)a", 0, "invalid group \"(?x\"" },
	{ "(?-)a", 0, "invalid group \"(?-)\"" },
	{ "(?i-:a)", 0, "invalid group \"(?i-:\"" },
	{ "(?i", 0, "invalid group \"(?i\"" },
	{ "a\xFF", 0, "no valid UTF-8" },
};

START_TEST(regex_refuses_by_name)
{
	const struct refuse_case *c = &refuse_cases[_i];
	struct regex *regex = NULL;
	char *why = NULL;
	size_t offset = 99;

	ck_assert_msg(regex_new(slice_from(c->pattern), &regex, &why, &offset) == ERR_INVALID, "%s",
		      c->pattern);
	ck_assert_str_eq(why, c->why);
	ck_assert_uint_eq(offset, c->offset);
	ck_assert_ptr_null(regex);
	free(why);
}
END_TEST

static int try_repeated(const char *part, size_t times, const char *tail)
{
	struct buf pattern;
	struct regex *regex = NULL;
	char *why;
	size_t offset;

	buf_init(&pattern);
	for (size_t i = 0; i < times; i++)
		buf_add_str(&pattern, part);
	for (size_t i = 0; i < times; i++)
		buf_add_str(&pattern, tail);
	int err = regex_new(buf_slice(&pattern), &regex, &why, &offset);

	if (!err)
		regex_free(regex);
	free(why);
	buf_fini(&pattern);
	return err;
}

START_TEST(regex_keeps_to_its_limits)
{
	ck_assert_int_eq(try_repeated("a", REGEX_PATTERN_MAX, ""), 0);
	ck_assert_int_eq(try_repeated("a", REGEX_PATTERN_MAX + 1, ""), ERR_LIMIT);
	ck_assert_int_eq(try_repeated("(a)", REGEX_GROUPS_MAX, ""), 0);
	ck_assert_int_eq(try_repeated("(a)", REGEX_GROUPS_MAX + 1, ""), ERR_LIMIT);
	ck_assert_int_eq(try_repeated("(?:", REGEX_NESTING_MAX, ")"), 0);
	ck_assert_int_eq(try_repeated("(?:", REGEX_NESTING_MAX + 1, ")"), ERR_LIMIT);
	/* The largest patterns that are no words. */
	ck_assert_int_eq(try_repeated("[a]", REGEX_PATTERN_MAX / 3, ""), 0);
}
END_TEST

START_TEST(regex_gives_up_on_hostile_patterns)
{
	static char subject[5000];
	struct regex *regex = compile(SLICE("(x+x+)+[yz]x*"));
	uint64_t before = regex_limit_hits();

	memset(subject, 'x', sizeof(subject));
	ck_assert(!regex_is_match(regex, (struct slice){ subject, 40 }));
	ck_assert_uint_eq(regex_limit_hits(), before + 1);
	/* The thread can go on. */
	ck_assert(regex_is_match(regex, SLICE("xxxxyx")));
	regex_free(regex);
	/* Deep nesting needs more stack than the machine code has by default. */
	regex = compile(SLICE("(?:a|x(x|b))*c?"));
	ck_assert(regex_is_match(regex, (struct slice){ subject, sizeof(subject) }));
	regex_free(regex);
}
END_TEST

START_TEST(regex_takes_any_bytes)
{
	struct regex *regex = compile(SLICE("a.b"));

	ck_assert(regex_is_match(regex, SLICE("a\xFF"
					      "b")));
	ck_assert(regex_is_match(regex, SLICE("a\0b")));
	ck_assert(!regex_is_match(regex, SLICE("a\xFF\xFE"
					       "b")));
	ck_assert(!regex_is_match(regex, (struct slice){ NULL, 0 }));
	regex_free(regex);
	regex = compile(SLICE("(a?)*"));
	ck_assert(regex_is_match(regex, (struct slice){ NULL, 0 }));
	regex_free(regex);
	regex = compile(SLICE("a\0+b"));
	ck_assert(regex_is_match(regex, SLICE("a\0\0b")));
	regex_free(regex);
}
END_TEST

static const struct expand_case {
	const char *pattern, *subject, *template, *expect; /* expect NULL: no match */
} expand_cases[] = {
	{ "(.*):(.*)", "host:80", "$1", "host" },
	{ "(.*):(.*)", "host:80", "$2-$1", "80-host" },
	{ "(.*):(.*)", "host", "$1", NULL },
	{ "(.*)", "x", "$1y", "" }, /* the name is "1y" */
	{ "(.*)", "x", "${1}y", "xy" },
	{ "(.*)", "x", "$$1 $0", "$1 x" },
	{ "(.*)", "x", "$2 $9 $99999999999999999999", "  " },
	{ "(.*)", "x", "$01", "" },
	{ "(?P<a>.)(b)?", "x", "<$a> <${a}> <$2> <$nobody>", "<x> <x> <> <>" },
	{ "(.)", "x", "$ $- ${1 ${} ${1} $", "$ $- ${1 ${} x $" },
	{ "(.)", "x", "$1→$1é", "x→" },
	{ "(a)|(b)", "b", "[$1|$2]", "[|b]" },
	{ ".*", "words", "no groups: $0 $1", "no groups: words " },
	{ "a|b", "b", "", "" },
};

START_TEST(regex_expand_fills_templates)
{
	const struct expand_case *c = &expand_cases[_i];
	struct regex *regex = compile(slice_from(c->pattern));
	struct buf out;

	buf_init(&out);
	buf_add_str(&out, "<");
	int rc = regex_expand(regex, slice_from(c->subject), slice_from(c->template), &out);

	ck_assert_int_eq(rc, c->expect != NULL);
	ck_assert_str_eq(out.ptr + 1, c->expect ? c->expect : "");
	buf_fini(&out);
	regex_free(regex);
}
END_TEST

static const struct replace_case {
	const char *pattern, *subject, *template, *expect;
} replace_cases[] = {
	{ "x*", "abc", "-", "-a-b-c-" },
	{ "b*", "abbc", "-", "-a-c-" },
	{ "", "é€", "-", "-é-€-" },
	{ "a", "banana", "<$0>", "b<a>n<a>n<a>" },
	{ "(?P<a>b+)", "abbc", "<$a>${a}1$1$$", "a<bb>bb1bb$c" },
	{ "^a", "aaa", "x", "xaa" },
	{ "a$", "aaa", "x", "aax" },
	{ "(?m)^", "a\nb\n", "> ", "> a\n> b\n> " },
	{ "\\b", "ab cd", "|", "|ab| |cd|" },
	{ "a.b", "a\nb axb", "x", "a\nb x" }, /* here the dot is no newline */
	{ "(?s)a.b", "a\nb", "x", "x" },
	{ "z", "abc", "x", "abc" },
	{ "a", "", "x", "" },
	{ "", "", "x", "x" },
};

START_TEST(regex_replace_all_is_gos)
{
	const struct replace_case *c = &replace_cases[_i];
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(regex_replace_all(slice_from(c->pattern), slice_from(c->subject),
					   slice_from(c->template), &out),
			 0);
	ck_assert(slice_is(buf_slice(&out), c->expect));
	buf_fini(&out);
}
END_TEST

START_TEST(regex_output_is_bounded)
{
	static char subject[5000], template[2001];
	struct buf out;

	memset(subject, 'a', sizeof(subject));
	for (size_t i = 0; i + 1 < sizeof(template); i += 2)
		memcpy(template + i, "$0", 2);
	buf_init(&out);
	/* Each "a" becomes a thousand. */
	ck_assert_int_eq(regex_replace_all(SLICE("a"), (struct slice){ subject, 1000 },
					   slice_from(template), &out),
			 0);
	ck_assert_uint_eq(out.len, 1000 * 1000);
	buf_clear(&out);
	ck_assert_int_eq(regex_replace_all(SLICE("a"), (struct slice){ subject, 1100 },
					   slice_from(template), &out),
			 ERR_LIMIT);
	struct regex *regex = compile(SLICE("(a*)"));

	buf_clear(&out);
	ck_assert_int_eq(
		regex_expand(regex, (struct slice){ subject, 1000 }, slice_from(template), &out),
		1);
	buf_clear(&out);
	ck_assert_int_eq(
		regex_expand(regex, (struct slice){ subject, 1100 }, slice_from(template), &out),
		ERR_LIMIT);
	ck_assert_uint_lt(out.len, REGEX_OUTPUT_MAX + sizeof(subject));
	regex_free(regex);
	buf_fini(&out);
}
END_TEST

START_TEST(regex_search_is_not_anchored)
{
	struct buf out;

	ck_assert_int_eq(regex_search(SLICE("b+"), SLICE("abbc")), 1);
	ck_assert_int_eq(regex_search(SLICE("^b"), SLICE("abbc")), 0);
	ck_assert_int_eq(regex_search(SLICE(""), SLICE("")), 1);
	ck_assert_int_eq(regex_search(SLICE("a|b"), SLICE("xbx")), 1);
	ck_assert_int_eq(regex_search(SLICE("("), SLICE("abbc")), ERR_INVALID);
	buf_init(&out);
	ck_assert_int_eq(regex_replace_all(SLICE("(?=a)"), SLICE("a"), SLICE("b"), &out),
			 ERR_INVALID);
	ck_assert_uint_eq(out.len, 0);
	buf_fini(&out);
}
END_TEST

static void *match_many_times(void *arg)
{
	const struct regex *regex = arg;

	for (int i = 0; i < 2000; i++) {
		if (!regex_is_match(regex, SLICE("node-17.example.org")) ||
		    regex_is_match(regex, SLICE("node-17.example.com")))
			return arg;
	}
	return NULL;
}

START_TEST(regex_serves_many_threads)
{
	struct regex *regex = compile(SLICE("node-(\\d+)\\.example\\.(org|net)"));
	pthread_t threads[4];

	ck_assert_ptr_eq(regex_ref(regex), regex);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, match_many_times, regex);
	for (int i = 0; i < 4; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
	regex_free(regex);
	ck_assert(regex_is_match(regex, SLICE("node-1.example.net")));
	regex_free(regex);
	regex_free(NULL);
}
END_TEST

static Suite *regex_suite(void)
{
	Suite *suite = suite_create("regex");
	TCase *tcase = tcase_create("all");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, regex_matches_as_re2, 0, COUNT(match_cases));
	tcase_add_loop_test(tcase, regex_refuses_by_name, 0, COUNT(refuse_cases));
	tcase_add_test(tcase, regex_keeps_to_its_limits);
	tcase_add_test(tcase, regex_gives_up_on_hostile_patterns);
	tcase_add_test(tcase, regex_takes_any_bytes);
	tcase_add_loop_test(tcase, regex_expand_fills_templates, 0, COUNT(expand_cases));
	tcase_add_loop_test(tcase, regex_replace_all_is_gos, 0, COUNT(replace_cases));
	tcase_add_test(tcase, regex_output_is_bounded);
	tcase_add_test(tcase, regex_search_is_not_anchored);
	tcase_add_test(tcase, regex_serves_many_threads);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(regex_suite)
