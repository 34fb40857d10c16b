/*
 * The language, by cases in expressions.txt (its head says how they are written).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/functions.h"
#include "tests/check_main.h"
#include "tests/rules/parse.h"

#define CASE_LINES_MAX 32
#define LINE_MAX_BYTES 4096

/* A block of the file: the expression, then lines that begin with one of "=:!?" */
struct language_case {
	char lines[CASE_LINES_MAX][LINE_MAX_BYTES];
	int n;
	int line; /* of the first, in the file */
};

/* What the parse says, written as in the file. */
static void describe(const struct parse *parse, const char *input, struct buf *out)
{
	struct buf text;

	if (parse->error == 0) {
		buf_init(&text);
		expr_format(parse->expr, &text);
		if (strcmp(text.ptr, input) == 0)
			buf_add_str(out, "=\n");
		else
			buf_printf(out, "= %s\n", text.ptr);
		if (parse->expr->type != VALUE_VECTOR)
			buf_printf(out, ": %s\n", value_type_text(parse->expr->type));
		buf_fini(&text);
	}
	for (size_t i = 0; i < parse->diags.n; i++) {
		const struct diag *diag = &parse->diags.items[i];

		buf_printf(out, "! %u+%u %s\n", diag->column, diag->span, diag->message);
		if (diag->hint)
			buf_printf(out, "? %s\n", diag->hint);
	}
}

/* The canonical form must mean itself. */
static void check_reprint(const struct parse *parse, int line)
{
	struct parse again;
	struct buf first, second;

	buf_init(&first);
	buf_init(&second);
	expr_format(parse->expr, &first);
	parse_init(&again, first.ptr, first.len);
	ck_assert_msg(again.error == 0, "expressions.txt:%d: cannot read again %s", line,
		      first.ptr);
	expr_format(again.expr, &second);
	ck_assert_msg(strcmp(first.ptr, second.ptr) == 0,
		      "expressions.txt:%d: printed again %s is %s", line, first.ptr, second.ptr);
	parse_fini(&again);
	buf_fini(&first);
	buf_fini(&second);
}

static bool run_case(const struct language_case *test)
{
	struct parse parse;
	struct buf wanted, got;

	buf_init(&wanted);
	buf_init(&got);
	for (int i = 1; i < test->n; i++)
		buf_printf(&wanted, "%s\n", test->lines[i]);
	parse_init(&parse, test->lines[0], strlen(test->lines[0]));
	describe(&parse, test->lines[0], &got);
	bool ok = wanted.ptr && got.ptr && strcmp(wanted.ptr, got.ptr) == 0;

	if (!ok)
		printf("expressions.txt:%d: %s\nwanted:\n%sgot:\n%s\n", test->line, test->lines[0],
		       wanted.ptr ? wanted.ptr : "", got.ptr ? got.ptr : "");
	else if (parse.error == 0)
		check_reprint(&parse, test->line);
	parse_fini(&parse);
	buf_fini(&wanted);
	buf_fini(&got);
	return ok;
}

static FILE *open_cases(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/rules/expressions.txt", getenv("TOCSIN_SRCDIR"));
	FILE *file = fopen(path, "r");

	ck_assert_msg(file != NULL, "cannot open %s", path);
	return file;
}

/* Reads the next block; false at the end. Comment lines stand between blocks. */
static bool read_case(FILE *file, struct language_case *test, int *line)
{
	char text[LINE_MAX_BYTES];

	test->n = 0;
	while (fgets(text, sizeof(text), file)) {
		++*line;
		text[strcspn(text, "\n")] = '\0';
		if (test->n == 0 && (text[0] == '\0' || text[0] == '#'))
			continue;
		if (text[0] == '\0')
			return true;
		ck_assert_msg(test->n < CASE_LINES_MAX, "expressions.txt:%d: block too long",
			      *line);
		if (test->n == 0)
			test->line = *line;
		strcpy(test->lines[test->n++], text);
	}
	return test->n > 0;
}

START_TEST(parser_reads_the_language)
{
	static struct language_case test;
	FILE *file = open_cases();
	int line = 0, cases = 0, failed = 0;

	while (read_case(file, &test, &line)) {
		cases++;
		failed += !run_case(&test);
	}
	fclose(file);
	printf("%d cases\n", cases);
	ck_assert_int_gt(cases, 50);
	ck_assert_msg(failed == 0, "%d of %d cases failed", failed, cases);
}
END_TEST

/* What cannot stand on one line of the file. */
START_TEST(parser_reads_white_space_and_comments)
{
	static const char text[] = "# first\nsum # of\n(\r\n\tx # the \"series\"\n) # last";
	struct parse parse;
	struct buf out;

	buf_init(&out);
	parse_init(&parse, text, sizeof(text) - 1);
	ck_assert_int_eq(parse.error, 0);
	expr_format(parse.expr, &out);
	ck_assert_str_eq(out.ptr, "sum(x)");
	ck_assert_uint_eq(parse.expr->offset, 8);
	ck_assert_uint_eq(parse.expr->span, 39 - 8);
	parse_fini(&parse);
	buf_fini(&out);
}
END_TEST

static void check_dialect(enum expr_dialect dialect, const char *text, const char *wanted)
{
	struct parse parse;
	struct buf got;

	buf_init(&got);
	parse_init_dialect(&parse, dialect, text, strlen(text));
	describe(&parse, text, &got);
	ck_assert_str_eq(got.ptr, wanted);
	parse_fini(&parse);
	buf_fini(&got);
}

static void check_invalid(const char *text, size_t len, uint32_t line, uint32_t column,
			  const char *message)
{
	struct parse parse;

	parse_init(&parse, text, len);
	ck_assert_int_eq(parse.error, ERR_INVALID);
	ck_assert_uint_eq(parse.diags.n, 1);
	ck_assert_str_eq(parse.diags.items[0].message, message);
	ck_assert_uint_eq(parse.diags.items[0].line, line);
	ck_assert_uint_eq(parse.diags.items[0].column, column);
	parse_fini(&parse);
}

START_TEST(parser_points_into_later_lines)
{
	check_invalid("", 0, 1, 1, "no expression found in input");
	check_invalid(" # only a comment", 17, 1, 1, "no expression found in input");
	check_invalid("a +\n  rat(x)", 12, 2, 3, "unknown function with name \"rat\"");
	check_invalid("x{a=\"b\n\"}", 9, 1, 5, "unterminated quoted string");
	check_invalid("a\0b", 3, 1, 2, "unexpected character: \"\\x00\"");
	check_invalid("\"\xff\"", 3, 1, 1, "string is not valid UTF-8");
}
END_TEST

/* In brackets there are no comments before the first number, as in Prometheus. */
START_TEST(parser_reads_comments_in_brackets)
{
	check_dialect(EXPR_TOCSIN, "x[5m # c\n:# c\n1m # c\n]", "= x[5m:1m]\n: range vector\n");
	check_dialect(EXPR_TOCSIN, "x[5m + # c\n1m]", "= x[5m + 1m]\n: range vector\n");
	check_dialect(EXPR_TOCSIN, "x offset (# c\n5m)", "= x offset 5m\n");
	check_invalid("x[# c\n5m]", 9, 1, 3, "unexpected character: \"#\"");
	check_invalid("x[(# c\n5m)]", 11, 1, 4, "unexpected character: \"#\"");
}
END_TEST

/* Prometheus prints what it cannot read itself. */
START_TEST(range_of_less_than_a_millisecond_is_there)
{
	check_dialect(EXPR_TOCSIN, "x[0.0001]", "= x[0s]\n: range vector\n");
	check_dialect(EXPR_TOCSIN, "x[0.0001:1m]", "= x[0s:1m]\n: range vector\n");
	check_dialect(EXPR_TOCSIN, "rate(x[0.0004] offset 0.0001)", "= rate(x[0s])\n");
}
END_TEST

static void note_kind(void *ctx, const struct expr *expr)
{
	buf_add_char(ctx, "nsvqcubap"[expr->kind]);
}

START_TEST(walk_visits_parents_first)
{
	static const char text[] = "topk(2, -(a)) + on (b) rate(c[5m:1m])";
	struct parse parse;
	struct buf kinds;

	buf_init(&kinds);
	parse_init(&parse, text, sizeof(text) - 1);
	ck_assert_int_eq(parse.error, 0);
	ck_assert_uint_eq(parse.expr->height, 5);
	expr_walk(parse.expr, note_kind, &kinds);
	ck_assert_str_eq(kinds.ptr, "banupvcqv");
	parse_fini(&parse);
	buf_fini(&kinds);
}
END_TEST

static void check_prometheus(const char *text, const char *wanted)
{
	check_dialect(EXPR_PROMETHEUS, text, wanted);
}

static void check_logql(const char *text, const char *wanted)
{
	check_dialect(EXPR_LOGQL, text, wanted);
}

/* A group may switch off all that Tocsin adds. */
START_TEST(prometheus_dialect_has_no_additions)
{
	check_prometheus("logs{a=\"b\"}", "=\n");
	check_prometheus("rate(logs{a=\"b\"}[5m])", "=\n");
	check_prometheus("x | json", "! 3+1 unexpected \"|\"\n");
	check_prometheus(
		"{a=\"b\"} != \"x\"",
		"! 12+3 binary expression must contain only scalar and instant vector types\n");
	check_prometheus("count_over_time({a=\"b\"} |= \"x\" [5m])",
			 "! 25+2 unexpected \"|=\" in function call, expected \",\" or \")\"\n");
	check_prometheus("avg_over_time(x[5m]) by (a)", "! 22+2 unexpected \"by\"\n");
	check_prometheus("bytes_rate({a=\"b\"}[5m])",
			 "! 1+10 unknown function with name \"bytes_rate\"\n");
	check_prometheus("rate_counter(x[5m])",
			 "! 1+12 unknown function with name \"rate_counter\"\n");
	check_prometheus("x / 0", "=\n");
	check_prometheus("1 > 2", "! 3+1 comparisons between scalars must use BOOL modifier\n"
				  "? write \"> bool\"\n");
	check_prometheus("-2 ^ 2", "=\n: scalar\n");
	check_prometheus("anomaly(x)", "! 1+7 unknown function with name \"anomaly\"\n");
}
END_TEST

/* What makes rules for Loki work; their canonical form is written as everybody reads it. */
START_TEST(logql_dialect_selects_logs)
{
	check_logql("rate({a=\"b\"}[5m])", "= rate(logs{a=\"b\"}[5m])\n");
	check_logql("count_over_time({a=\"b\"}[5m]) / count_over_time({a=\"b\"} |= \"x\" [5m])",
		    "= count_over_time(logs{a=\"b\"}[5m]) / count_over_time(logs{a=\"b\"} |= \"x\" "
		    "[5m])\n");
	check_logql("sum by (c) (rate(({a=\"b\"})[5m])) > 0",
		    "= sum by (c) (rate(logs{a=\"b\"}[5m])) > 0\n");
	check_logql("rate(logs{a=\"b\"}[5m])", "=\n");
	check_logql("{a=\"b\"}", "! 1+7 a log selector needs a range and a function\n"
				 "? count_over_time(logs{job=\"api\"} |= \"error\" [5m])\n");
	/* Metrics have a name. */
	check_logql("rate(x{a=\"b\"}[5m]) + {__name__=\"y\",a=\"b\"}",
		    "=\n");
}
END_TEST

START_TEST(logql_dialect_calculates_differently)
{
	check_logql("1 > 2", "= 1 > bool 2\n: scalar\n");
	check_logql("time() >= 1 == 1", "= time() >= bool 1 == bool 1\n: scalar\n");
	check_logql("x > 2", "=\n");
	check_logql("-2 ^ 2", "= (-2) ^ 2\n: scalar\n");
	check_logql("-2^2 * x", "= (-2) ^ 2 * x\n");
	check_logql("+2 ^ 2", "= (2) ^ 2\n: scalar\n");
	check_logql("--2 ^ 2", "= -(-2) ^ 2\n: scalar\n");
	check_logql("-x ^ 2", "=\n");
	check_logql("-2", "=\n: scalar\n");
	check_logql("x / 0", "=\n");
	check_logql("rate(x[10m / 2])", "=\n");
}
END_TEST

/* f(1, RANGE, "t"): the range where the function takes one; what else it takes is simple. */
static void call_of(const struct function *function, const char *range, struct buf *out)
{
	buf_clear(out);
	buf_printf(out, "%s(", function->name);
	for (const char *letter = function->arguments; *letter; letter++) {
		const char *text = *letter == 'v'   ? "x"
				   : *letter == 's' ? "1"
				   : *letter == 't' ? "\"t\""
						    : range;
		buf_printf(out, "%s%s", letter > function->arguments ? ", " : "", text);
	}
	buf_add_str(out, ")");
}

static bool is_among(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* Of every function: does it take the range exactly if it is one of these? */
static void check_takers(const char *range, const char *end, const char *const *takers)
{
	struct buf text;
	unsigned taken = 0, expected = 0;

	buf_init(&text);
	for (; takers[expected]; expected++)
		;
	for (size_t i = 0; i < FUNCTION_COUNT; i++) {
		struct parse parse;

		call_of(&functions[i], range, &text);
		if (!strstr(text.ptr, range))
			continue;
		buf_add_str(&text, end);
		parse_init(&parse, text.ptr, text.len);
		ck_assert_msg((parse.error == 0) == is_among(functions[i].name, takers), "%s: %s",
			      text.ptr, parse.error ? "refused" : "taken");
		taken += parse.error == 0;
		parse_fini(&parse);
	}
	ck_assert_uint_eq(taken, expected);
	buf_fini(&text);
}

START_TEST(functions_of_log_lines_are_these)
{
	static const char lines[] = "logs{a=\"b\"} |= \"x\" [5m]",
			  values[] = "logs{a=\"b\"} | logfmt n | unwrap n [5m]";
	static const char *const of_lines[] = { "count_over_time",  "rate",
						"bytes_over_time",  "bytes_rate",
						"absent_over_time", NULL };
	/* absent_over_time as in LogQL, which asks whether a line has a value. */
	static const char *const of_values[] = { "sum_over_time",
						 "avg_over_time",
						 "min_over_time",
						 "max_over_time",
						 "stddev_over_time",
						 "stdvar_over_time",
						 "quantile_over_time",
						 "first_over_time",
						 "last_over_time",
						 "rate",
						 "rate_counter",
						 "absent_over_time",
						 NULL };
	static const char *const with_by[] = {
		"avg_over_time",    "min_over_time",	"max_over_time",
		"stddev_over_time", "stdvar_over_time", "quantile_over_time",
		"first_over_time",  "last_over_time",	NULL
	};
	static const char *const none[] = { NULL };

	check_takers(lines, "", of_lines);
	check_takers(values, "", of_values);
	check_takers(values, " by (c)", with_by);
	check_takers(values, " without (c)", with_by);
	check_takers(lines, " by (c)", none);
	check_takers("x[5m]", " by (c)", none);
}
END_TEST

START_TEST(pipelines_may_stand_on_many_lines)
{
	static const char text[] = "sum by (status) (\n\tcount_over_time(\n\t\tlogs # those\n"
				   "\t\t{job=\"api\"} # of the API\n\t\t|= 'a' # \"one\"\n"
				   "\t\t\tor `b` # or the other\n\t\t| json # | logfmt\n"
				   "\t\t| status >= 500 # and nothing\n\t\t[5m]\n\t)\n)";

	check_dialect(EXPR_TOCSIN, text,
		      "= sum by (status) (count_over_time(logs{job=\"api\"} |= \"a\" or \"b\" | "
		      "json | status >= 500 [5m]))\n");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("parser");
	TCase *tcase = tcase_create("language");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, parser_reads_the_language);
	tcase_add_test(tcase, parser_reads_white_space_and_comments);
	tcase_add_test(tcase, parser_points_into_later_lines);
	tcase_add_test(tcase, prometheus_dialect_has_no_additions);
	tcase_add_test(tcase, logql_dialect_selects_logs);
	tcase_add_test(tcase, logql_dialect_calculates_differently);
	tcase_add_test(tcase, parser_reads_comments_in_brackets);
	tcase_add_test(tcase, range_of_less_than_a_millisecond_is_there);
	tcase_add_test(tcase, walk_visits_parents_first);
	tcase_add_test(tcase, functions_of_log_lines_are_these);
	tcase_add_test(tcase, pipelines_may_stand_on_many_lines);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(make_suite)
