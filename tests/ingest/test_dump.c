/* Samples with their times as text, and when log lines were written. */
#include "ingest/dump.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/line_time.h"
#include "tests/check_main.h"

static struct buf out;
static uint32_t series;

static int on_series(void *ctx, struct labels *labels, uint32_t *number)
{
	*number = series++;
	buf_printf(&out, "#%u ", *number);
	labels_format(labels, &out);
	buf_add_char(&out, '\n');
	return 0;
}

static void setup(void)
{
	buf_init(&out);
	series = 0;
}

static void teardown(void)
{
	buf_fini(&out);
}

/* "#0 m{a="b"}" where a series is new, then "0 value @milliseconds" of each sample. */
static void expect_lines(bool seconds, const char *text, const char *wanted)
{
	const struct dump_options options = { .seconds = seconds, .series = on_series };
	struct dump_reader *reader = dump_reader_new(&options);
	buf_clear(&out);
	series = 0;
	for (const char *at = text; *at;) {
		size_t len = strcspn(at, "\n");
		struct dump_sample sample;
		const char *why = NULL;
		int code = dump_line(reader, (struct slice){ at, len }, &sample, &why);
		double value;
		at += len + (at[len] == '\n');
		if (code < 0)
			buf_printf(&out, "%s\n", why);
		if (code != 1)
			continue;
		memcpy(&value, &sample.bits, sizeof(value));
		buf_printf(&out, "%u ", sample.series);
		number_format_json(value, &out);
		buf_printf(&out, " @%lld\n", (long long)sample.ts_ms);
	}
	ck_assert_str_eq(out.ptr ? out.ptr : "", wanted);
	dump_reader_free(reader);
}

START_TEST(series_are_read_once)
{
	expect_lines(false,
		     "# HELP m What it is.\n"
		     "\n"
		     "m 1 1000\n"
		     "m{} 2 2000\n"
		     "m{a=\"b\",} 3.25 3000\r\n"
		     "m {a=\"b\" , c=\"}\\\" \\\\ \\n\"}  -4 \t 4000\n"
		     "m{a=\"b\",} NaN 5000\n"
		     "{__name__=\"m\", a=\"b\"} +Inf 6000\n"
		     "{\"a.b\", \"c.d\"=\"e\"} 1e3 7000\n",
		     "#0 m\n0 1 @1000\n#1 m\n1 2 @2000\n#2 m{a=\"b\"}\n2 3.25 @3000\n"
		     "#3 m{a=\"b\", c=\"}\\\" \\\\ \\n\"}\n3 -4 @4000\n2 NaN @5000\n"
		     "#4 m{a=\"b\"}\n4 +Inf @6000\n#5 {\"a.b\", \"c.d\"=\"e\"}\n5 1000 @7000\n");
}
END_TEST

START_TEST(times_are_in_the_unit_of_their_format)
{
	expect_lines(false, "m 1 1700000000123\nm 1 1700000000.5\nm 1 -5\n",
		     "#0 m\n0 1 @1700000000123\n0 1 @1700000000500\n0 1 @-5\n");
	expect_lines(true,
		     "m_total 1 1700000000 # {trace=\"a b\"} 3 4\nm_total 2 1.7e9\nm_total 3 "
		     "0.001\n# EOF\n",
		     "#0 m_total\n0 1 @1700000000000\n0 2 @1700000000000\n0 3 @1\n");
}
END_TEST

/* Read by a division, or by the slow way: the same double. */
START_TEST(numbers_are_exact)
{
	static const char *const numbers[] = {
		"0.1",
		"123456789.012345",
		"-0.5",
		"999999999999999",
		"1234567890123456",
		"0.30000000000000004",
		"5e-324",
		"0.000000000000001",
		"9007199254740993",
		"1.7976931348623157e308",
	};
	const struct dump_options options = { .series = on_series };
	struct dump_reader *reader = dump_reader_new(&options);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		char line[80];
		struct dump_sample sample;
		const char *why;
		double value;
		uint64_t bits;
		snprintf(line, sizeof(line), "m %s 1", numbers[i]);
		ck_assert_int_eq(dump_line(reader, slice_from(line), &sample, &why), 1);
		ck_assert_int_eq(number_parse(slice_from(numbers[i]), &value), 0);
		memcpy(&bits, &value, sizeof(bits));
		ck_assert_msg(sample.bits == bits, "%s", numbers[i]);
	}
	dump_reader_free(reader);
	/* Not as the language reads numbers. */
	expect_lines(false, "m 010 1\nm -0 2\n", "#0 m\n0 10 @1\n0 -0 @2\n");
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
		{ "m{a=\"b 1 2", "the labels have no end\n" },
		{ "m{a=\"b\" 1 2", "the labels have no end\n" },
		{ "m{a=b} 1 2", "a label value stands in double quotes\n" },
		{ "m{a} 1 2", "no \"=\" behind a label name\n" },
		{ "m{1a=\"b\"} 1 2", "no label name\n" },
		{ "m{a=\"b\"c=\"d\"} 1 2", "no \",\" or \"}\" behind a label\n" },
		{ "m{a=\"\\q\"} 1 2", "unknown escape in a label value\n" },
		{ "m{a=\"1\",a=\"2\"} 1 2", "a label name stands twice\n" },
		{ "{a=\"\"} 1 2", "no metric name\n" },
		{ "9m 1 2", "no metric name\n" },
		{ "m x 2", "no value\n" },
		{ "m 1", "no timestamp behind the value\n" },
		{ "m 1 # {a=\"b\"} 1", "no timestamp behind the value\n" },
		{ "m 1 x", "no timestamp\n" },
		{ "m 1 1e300", "no timestamp\n" },
		{ "m 1 2 3", "more than value and timestamp\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct dump_options options = { .series = on_series };
		struct dump_reader *reader = dump_reader_new(&options);
		struct dump_sample sample;
		const char *why = NULL;
		int code = dump_line(reader, slice_from(cases[i].line), &sample, &why);
		ck_assert_msg(code == ERR_INVALID, "%s: %d", cases[i].line, code);
		if (strcmp(cases[i].line, "m{a=\"1\",a=\"2\"} 1 2") != 0) {
			ck_assert_msg(strncmp(why, cases[i].why, strlen(why)) == 0, "%s: %s",
				      cases[i].line, why);
		}
		dump_reader_free(reader);
	}
}
END_TEST

START_TEST(line_that_is_too_long_is_refused)
{
	const struct dump_options options = { .series = on_series };
	struct dump_reader *reader = dump_reader_new(&options);
	struct dump_sample sample;
	const char *why = NULL;
	struct buf line;
	buf_init(&line);
	buf_add_str(&line, "m{a=\"");
	while (line.len <= DUMP_LINE_MAX)
		buf_add_char(&line, 'x');
	buf_add_str(&line, "\"} 1 2");
	ck_assert_int_eq(dump_line(reader, buf_slice(&line), &sample, &why), ERR_LIMIT);
	ck_assert_str_eq(why, "the line is too long");
	buf_fini(&line);
	dump_reader_free(reader);
}
END_TEST

START_TEST(line_tells_when_it_was_written)
{
	static const struct {
		const char *line;
		int64_t ms; /* of 2023-11-14T22:15:00; TIME_NONE: it does not tell */
	} cases[] = {
		{ "2023-11-14T22:15:01Z x", 1000 },
		{ "2023-11-14T22:15:01.5Z x", 1500 },
		{ "2023-11-14 22:15:01 x", 1000 },
		{ "2023-11-14 22:15:01,250 [main] x", 1250 },
		{ "[2023-11-14 22:15:01.250987]", 1250 },
		{ "2023-11-14T23:15:01+01:00 x", 1000 },
		{ "2023-11-14 21:45:01-0030 x", 1000 },
		{ "1700000101 x", 1000 },
		{ "1700000101.25 x", 1250 },
		{ "1700000101250 x", 1250 },
		{ "1700000101250000000 x", 1250 },
		{ "[1700000101] x", 1000 },
		{ "level=info time=2023-11-14T22:15:01Z x", 1000 },
		{ "level=info ts=1700000101.5", 1500 },
		{ "timestamp=\"2023-11-14T22:15:01Z\" x", 1000 },
		{ "{\"level\":\"info\",\"time\":\"2023-11-14T22:15:01.123Z\"}", 1123 },
		{ "{\"@timestamp\" : 1700000101}", 1000 },
		{ "{\"uptime\":5,\"ts\": 1700000101.5,\"x\":1}", 1500 },
		{ "10.0.0.1 - bob [14/Nov/2023:22:15:01 +0000] \"GET\"", 1000 },
		{ "10.0.0.1 - - [14/Nov/2023:23:15:01 +0100] \"GET\"", 1000 },
		{ "at java.lang.Thread.run(Thread.java:748)", TIME_NONE },
		{ "2023-13-14T22:15:01Z", TIME_NONE },
		{ "123 lines", TIME_NONE },
		{ "mytime=1700000101", TIME_NONE },
		{ "time=soon", TIME_NONE },
		{ "[14/Foo/2023:22:15:01 +0000]", TIME_NONE },
		{ "", TIME_NONE },
		{ "[", TIME_NONE },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t ns = 0;
		int code = line_time(slice_from(cases[i].line), &ns);
		ck_assert_msg((code == 0) == (cases[i].ms != TIME_NONE), "%s", cases[i].line);
		if (code == 0)
			ck_assert_msg(ns / 1000000 == 1700000100000 + cases[i].ms, "%s: %lld",
				      cases[i].line, (long long)ns);
	}
	/* What stands far behind is not looked for. */
	const size_t looked_at = 4096;
	for (size_t before = 0; before <= looked_at; before += looked_at) {
		struct buf line;
		int64_t ns = 0;
		buf_init(&line);
		while (line.len < before)
			buf_add_char(&line, 'x');
		buf_add_str(&line, " time=2023-11-14T22:15:01Z");
		ck_assert_int_eq(line_time(buf_slice(&line), &ns), before ? ERR_NOT_FOUND : 0);
		buf_fini(&line);
	}
}
END_TEST

static Suite *dump_suite(void)
{
	Suite *suite = suite_create("dump");
	TCase *tcase = tcase_create("dump");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, series_are_read_once);
	tcase_add_test(tcase, times_are_in_the_unit_of_their_format);
	tcase_add_test(tcase, numbers_are_exact);
	tcase_add_test(tcase, what_is_wrong_is_told);
	tcase_add_test(tcase, line_that_is_too_long_is_refused);
	tcase_add_test(tcase, line_tells_when_it_was_written);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(dump_suite)
