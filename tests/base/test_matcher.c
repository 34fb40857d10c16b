#include "base/matcher.h"

#include "base/error.h"
#include "tests/check_main.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct matcher make(enum match_type type, const char *name, const char *value)
{
	struct matcher matcher;
	char *why;

	ck_assert_int_eq(matcher_init(&matcher, type, slice_from(name), slice_from(value), &why),
			 0);
	return matcher;
}

static const struct match_case {
	enum match_type type;
	const char *value, *subject;
	bool expect;
} match_cases[] = {
	{ MATCH_EQ, "x", "x", true },	{ MATCH_EQ, "x", "y", false },
	{ MATCH_EQ, "", "", true },	{ MATCH_NE, "x", "x", false },
	{ MATCH_NE, "x", "", true },	{ MATCH_NE, "", "", false },
	{ MATCH_RE, "x|y", "y", true }, { MATCH_RE, "x", "xx", false },
	{ MATCH_RE, "x*", "", true },	{ MATCH_NRE, "x.*", "xy", false },
	{ MATCH_NRE, "x", "xx", true }, { MATCH_NRE, ".+", "", true },
};

START_TEST(matcher_matches_values)
{
	const struct match_case *c = &match_cases[_i];
	struct matcher matcher = make(c->type, "a", c->value), copy;

	ck_assert(matcher_is_match(&matcher, slice_from(c->subject)) == c->expect);
	ck_assert_int_eq(matcher_dup(&matcher, &copy), 0);
	ck_assert(matcher_is_equal(&matcher, &copy));
	matcher_fini(&matcher);
	ck_assert(matcher_is_match(&copy, slice_from(c->subject)) == c->expect);
	matcher_fini(&copy);
}
END_TEST

START_TEST(matcher_refuses_bad_patterns)
{
	struct matcher matcher = { .name = "untouched" };
	char *why = NULL;

	ck_assert_int_eq(matcher_init(&matcher, MATCH_RE, SLICE("a"), SLICE("("), &why),
			 ERR_INVALID);
	ck_assert_str_eq(why, "missing closing \")\"");
	ck_assert_str_eq(matcher.name, "untouched");
	free(why);
}
END_TEST

/* Sorted as matcher_compare() has it. */
START_TEST(matcher_compare_orders)
{
	struct matcher sorted[] = {
		make(MATCH_EQ, "a", "1"), make(MATCH_EQ, "a", "2"),  make(MATCH_NE, "a", "1"),
		make(MATCH_RE, "a", "1"), make(MATCH_NRE, "a", "1"), make(MATCH_EQ, "aa", "0"),
		make(MATCH_EQ, "b", "0"),
	};

	for (size_t i = 0; i < COUNT(sorted); i++) {
		for (size_t k = 0; k < COUNT(sorted); k++) {
			int order = matcher_compare(&sorted[i], &sorted[k]);

			ck_assert_int_eq((order > 0) - (order < 0), (i > k) - (i < k));
			ck_assert(matcher_is_equal(&sorted[i], &sorted[k]) == (i == k));
		}
	}
	for (size_t i = 0; i < COUNT(sorted); i++)
		matcher_fini(&sorted[i]);
}
END_TEST

/* What each text means, written out as matcher_format() does; NULL: refused with the message. */
static const struct parse_case {
	struct slice text;
	const char *expect, *why;
} parse_cases[] = {
	{ SLICE("a=\"b\""), " a=\"b\"", NULL },
	{ SLICE("a=b"), " a=\"b\"", NULL },
	{ SLICE(" a != b "), " a!=\"b\"", NULL },
	{ SLICE("a=~\"b|c\""), " a=~\"b|c\"", NULL },
	{ SLICE("a!~b.*"), " a!~\"b.*\"", NULL },
	{ SLICE("{a=\"b\", c=~\"d\"}"), " a=\"b\" c=~\"d\"", NULL },
	{ SLICE("{a=\"b\",c=d,}"), " a=\"b\" c=\"d\"", NULL },
	{ SLICE("{}"), "", NULL },
	{ SLICE("{"), NULL, "missing closing \"}\"" },
	{ SLICE(" { "), NULL, "missing closing \"}\"" },
	{ SLICE("}"), NULL, "expected a label name before \"}\"" },
	{ SLICE(""), "", NULL },
	{ SLICE("a=\"\""), " a=\"\"", NULL },
	{ SLICE("a="), " a=\"\"", NULL },	/* classic only */
	{ SLICE("a=b c"), " a=\"b c\"", NULL }, /* classic only */
	{ SLICE("a:b=c"), " \"a:b\"=\"c\"", NULL },
	{ SLICE("a=\"b,c\",d=e"), " a=\"b,c\" d=\"e\"", NULL },
	{ SLICE("a=\"b\\\"c\\\\d\\ne\\qf\""), " a=\"b\\\"c\\\\d\\ne\\\\qf\"", NULL },
	{ SLICE("a=b=c"), " a=\"b=c\"", NULL },
	{ SLICE("a=b\\"), " a=\"b\\\\\"", NULL },
	{ SLICE("a==b"), " a=\"=b\"", NULL },
	/* beyond the classic syntax */
	{ SLICE("\"a.b\"=\"c\""), " \"a.b\"=\"c\"", NULL },
	{ SLICE("{\"a b\"!~\"c\", d=\"\\u00e9\"}"), " \"a b\"!~\"c\" d=\"é\"", NULL },
	{ SLICE("é=ü"), " \"é\"=\"ü\"", NULL },
	{ SLICE("a.b=c,"), " \"a.b\"=\"c\"", NULL },
	{ SLICE("a-b = \"\\x41\""), " \"a-b\"=\"A\"", NULL },
	/* neither */
	{ SLICE("a"), NULL, "expected an operator such as \"=\" behind \"a\"" },
	{ SLICE("=b"), NULL, "expected a label name before \"=b\"" },
	{ SLICE("{\"a.b\"=\"c\""), NULL, "missing closing \"}\"" },
	{ SLICE("a.b="), NULL, "expected a value before \"\"" },
	{ SLICE("\"\"=x"), NULL, "empty label name" },
	{ SLICE("a.b=c d"), NULL, "expected a comma before \"d\"" },
	{ SLICE("a.b=\"c"), NULL, "missing closing quote of \"c" },
	{ SLICE("a.b=\"\\q\""), NULL, "invalid escape in \"\\q\"" },
	{ SLICE("a.b=\"\\xff\""), NULL, "no valid UTF-8 in \"\\xff\"" },
	{ SLICE("a=\"b\"c\""), NULL, "expected a comma before \"c\"\"" },
	{ SLICE("a=~\"(\""), NULL, "invalid regular expression \"(\": missing closing \")\"" },
	{ SLICE("a=b,,c=d"), NULL, "expected a label name before \",c=d\"" },
	{ SLICE("a=\"\xFF\""), NULL, "no valid UTF-8" },
	{ SLICE("a=b,\0=c"), NULL, "expected a label name before \"\"" },
};

START_TEST(matchers_are_parsed)
{
	const struct parse_case *c = &parse_cases[_i];
	struct matcher *list = NULL;
	size_t n = 0;
	char *why;
	struct buf out;
	int err = matchers_parse(c->text, &list, &n, &why);

	if (!c->expect) {
		ck_assert_int_eq(err, ERR_INVALID);
		ck_assert_str_eq(why, c->why);
		ck_assert_uint_eq(n, 0);
		ck_assert_ptr_null(list);
		free(why);
		return;
	}
	ck_assert_msg(err == 0, SLICE_FMT ": %s", SLICE_ARG(c->text), why);
	ck_assert_ptr_null(why);
	buf_init(&out);
	buf_add_str(&out, "");
	for (size_t i = 0; i < n; i++) {
		buf_add_char(&out, ' ');
		matcher_format(&list[i], &out);
	}
	ck_assert(slice_is(buf_slice(&out), c->expect));
	buf_fini(&out);
	matchers_free(list, n);
}
END_TEST

START_TEST(matchers_find_the_metric)
{
	struct matcher list[] = { make(MATCH_EQ, "a", "up"), make(MATCH_NE, "__name__", "x"),
				  make(MATCH_EQ, "__name__", "up"),
				  make(MATCH_EQ, "__name__", "down") };

	ck_assert_ptr_eq(matchers_find_metric(list, 4), &list[2]);
	ck_assert_ptr_null(matchers_find_metric(list, 2));
	ck_assert_ptr_null(matchers_find_metric(NULL, 0));
	ck_assert(matchers_has_metric(list, 2));
	ck_assert(!matchers_has_metric(list, 1));
	for (size_t i = 0; i < COUNT(list); i++)
		matcher_fini(&list[i]);
}
END_TEST

START_TEST(matchers_append_to_the_list)
{
	struct matcher *list = NULL;
	size_t n = 0;
	char *why;

	ck_assert_int_eq(matchers_parse(SLICE("a=1"), &list, &n, &why), 0);
	ck_assert_int_eq(matchers_parse(SLICE("b=\"2"), &list, &n, &why), ERR_INVALID);
	free(why);
	ck_assert_int_eq(matchers_parse(SLICE("{b=2,c=3}"), &list, &n, &why), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(list[0].name, "a");
	ck_assert_str_eq(list[2].value, "3");
	matchers_free(list, n);
}
END_TEST

START_TEST(matchers_all_must_match)
{
	const struct label pairs[] = { { SLICE("a"), SLICE("1") }, { SLICE("b"), SLICE("2") } };
	struct matcher *list = NULL;
	struct labels *labels;
	size_t n = 0;
	char *why;

	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	ck_assert(matchers_is_match(NULL, 0, labels));
	/* A label that is missing is an empty one. */
	ck_assert_int_eq(matchers_parse(SLICE("a=1,b=~\"2|3\",c=\"\",c!~\".+\""), &list, &n, &why),
			 0);
	ck_assert(matchers_is_match(list, n, labels));
	ck_assert_int_eq(matchers_parse(SLICE("c!=\"\""), &list, &n, &why), 0);
	ck_assert(!matchers_is_match(list, n, labels));
	ck_assert(matchers_is_match(list, n - 1, labels));
	matchers_free(list, n);
	labels_unref(labels);
}
END_TEST

static int parse_many(size_t count)
{
	struct matcher *list = NULL;
	struct buf text;
	size_t n = 0;
	char *why;

	buf_init(&text);
	for (size_t i = 0; i < count; i++)
		buf_add_str(&text, "a=b,");
	int err = matchers_parse(buf_slice(&text), &list, &n, &why);

	ck_assert_uint_eq(n, err ? 0 : count);
	if (err)
		ck_assert_str_eq(why, "more than 256 matchers");
	free(why);
	buf_fini(&text);
	matchers_free(list, n);
	return err;
}

START_TEST(matchers_keep_to_their_limit)
{
	ck_assert_int_eq(parse_many(MATCHERS_MAX), 0);
	ck_assert_int_eq(parse_many(MATCHERS_MAX + 1), ERR_LIMIT);
}
END_TEST

static Suite *matcher_suite(void)
{
	Suite *suite = suite_create("matcher");
	TCase *tcase = tcase_create("all");

	tcase_add_loop_test(tcase, matcher_matches_values, 0, COUNT(match_cases));
	tcase_add_test(tcase, matcher_refuses_bad_patterns);
	tcase_add_test(tcase, matcher_compare_orders);
	tcase_add_loop_test(tcase, matchers_are_parsed, 0, COUNT(parse_cases));
	tcase_add_test(tcase, matchers_find_the_metric);
	tcase_add_test(tcase, matchers_append_to_the_list);
	tcase_add_test(tcase, matchers_all_must_match);
	tcase_add_test(tcase, matchers_keep_to_their_limit);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(matcher_suite)
