#include "base/text.h"

#include <math.h>

#include "base/bits.h"
#include "base/error.h"
#include "tests/check_main.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct format_case {
	double v;
	const char *f, *e, *g, *json;
} format_cases[] = {
	{ 0, "0", "0e+00", "0", "0" },
	{ -0.0, "-0", "-0e+00", "-0", "-0" },
	{ 1, "1", "1e+00", "1", "1" },
	{ -1.5, "-1.5", "-1.5e+00", "-1.5", "-1.5" },
	{ 100000, "100000", "1e+05", "100000", "100000" },
	{ 123456.789, "123456.789", "1.23456789e+05", "123456.789", "123456.789" },
	{ 1e6, "1000000", "1e+06", "1e+06", "1000000" },
	{ 1234567, "1234567", "1.234567e+06", "1.234567e+06", "1234567" },
	{ 0.0001, "0.0001", "1e-04", "0.0001", "0.0001" },
	{ 0.00001234, "0.00001234", "1.234e-05", "1.234e-05", "0.00001234" },
	{ 1e-6, "0.000001", "1e-06", "1e-06", "0.000001" },
	{ 9.9e-7, "0.00000099", "9.9e-07", "9.9e-07", "9.9e-07" },
	{ 1e20, "100000000000000000000", "1e+20", "1e+20", "100000000000000000000" },
	{ 1e21, "1000000000000000000000", "1e+21", "1e+21", "1e+21" },
	{ 0.1 + 0.2, "0.30000000000000004", "3.0000000000000004e-01", "0.30000000000000004",
	  "0.30000000000000004" },
	{ 9007199254740993.0, "9007199254740992", "9.007199254740992e+15", "9.007199254740992e+15",
	  "9007199254740992" },
	{ 1.7976931348623157e308, NULL, "1.7976931348623157e+308", "1.7976931348623157e+308",
	  "1.7976931348623157e+308" },
	{ 5e-324, NULL, "5e-324", "5e-324", "5e-324" },
	/* A power of two whose nearest decimal of 16 digits lies just out of reach. */
	{ 0x1p-44, NULL, "5.684341886080802e-14", "5.684341886080802e-14",
	  "5.684341886080802e-14" },
	{ 0x1p-1022, NULL, "2.2250738585072014e-308", "2.2250738585072014e-308",
	  "2.2250738585072014e-308" },
	{ NAN, "NaN", "NaN", "NaN", "NaN" },
	{ INFINITY, "+Inf", "+Inf", "+Inf", "+Inf" },
	{ -INFINITY, "-Inf", "-Inf", "-Inf", "-Inf" },
};

static void check_format(void (*format)(double, struct buf *), double v, const char *expect)
{
	struct buf buf;

	if (!expect)
		return;
	buf_init(&buf);
	format(v, &buf);
	ck_assert_str_eq(buf.ptr, expect);
	buf_fini(&buf);
}

START_TEST(number_formats_as_go)
{
	const struct format_case *c = &format_cases[_i];

	check_format(number_format_f, c->v, c->f);
	check_format(number_format_e, c->v, c->e);
	check_format(number_format_g, c->v, c->g);
	check_format(number_format_json, c->v, c->json);
}
END_TEST

/* Nothing shorter reads back as the same number. */
static void check_shortest(double v)
{
	struct buf buf;
	char text[40];

	buf_init(&buf);
	number_format_e(v, &buf);
	ck_assert_msg(strtod(buf.ptr, NULL) == v, "%a gave %s", v, buf.ptr);
	size_t digits = strcspn(buf.ptr, "e") - (strchr(buf.ptr, '.') != NULL) - (v < 0);

	for (int precision = 0; precision + 1 < (int)digits; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, v);
		ck_assert_msg(strtod(text, NULL) != v, "%s is shorter than %s", text, buf.ptr);
	}
	buf_fini(&buf);
}

START_TEST(number_formats_are_shortest)
{
	uint64_t state = 1;

	for (int exponent = -1074; exponent < 1024; exponent++) {
		double v = ldexp(1, exponent);

		check_shortest(v);
		check_shortest(-v);
		if (exponent > -1074)
			check_shortest(nextafter(v, 0));
		check_shortest(nextafter(v, INFINITY) < INFINITY ? nextafter(v, INFINITY) : v);
	}
	for (int i = 0; i < 5000; i++) {
		double v;

		state = state * 6364136223846793005ull + 1442695040888963407ull;
		memcpy(&v, &state, sizeof(v));
		if (isfinite(v))
			check_shortest(v);
	}
}
END_TEST

static const struct parse_case {
	const char *text;
	double v;
} parse_cases[] = {
	{ "0", 0 },
	{ "42", 42 },
	{ "-42", -42 },
	{ "+7", 7 },
	{ ".5", .5 },
	{ "5.", 5 },
	{ "1e3", 1000 },
	{ "1E-3", .001 },
	{ "0x1F", 31 },
	{ "0X1f", 31 },
	{ "010", 8 },
	{ "0o17", 15 },
	{ "0b101", 5 },
	{ "08", 8 },
	{ "09.5", 9.5 },
	{ "1_000", 1000 },
	{ "0x_1F", 31 },
	{ "1_0.2_5", 10.25 },
	{ "0x1p-2", .25 },
	{ "0x.8p0", .5 },
	{ "Inf", INFINITY },
	{ "+inf", INFINITY },
	{ "-iNf", -INFINITY },
	{ "infinity", INFINITY },
	{ "9223372036854775807", 9223372036854775807.0 },
	{ "-9223372036854775808", -9223372036854775808.0 },
	{ "9223372036854775808", 9223372036854775808.0 },
	{ "1e-400", 0 },
	{ "-0", 0 },
	{ "-0.0", -0.0 },
	{ "1.7976931348623157e308", 1.7976931348623157e308 },
};

START_TEST(number_parse_reads_literals)
{
	const struct parse_case *c = &parse_cases[_i];
	double v = 99;

	ck_assert_msg(number_parse(slice_from(c->text), &v) == 0, "%s", c->text);
	ck_assert_msg(v == c->v && signbit(v) == signbit(c->v), "%s gave %g", c->text, v);
}
END_TEST

static const char *const bad_numbers[] = {
	"",	 " ",	 "1 ",	 " 1",	   "1x",   "0x",   "0x1.8", "1e",   "1e+",   ".",
	"-",	 "+-1",	 "--1",	 "_1",	   "1_",   "1__0", "1_.5",  "1e_5", "0x1F_", "1.2.3",
	"1e400", "+nan", "-nan", "nan(1)", "infi", "0b2.", "0x1p",  "e5",   "1,5",   "0_x1",
};

START_TEST(number_parse_float_has_no_octal)
{
	double v = 0;
	ck_assert_int_eq(number_parse_float(SLICE("010"), &v), 0);
	ck_assert_double_eq(v, 10);
	ck_assert_int_eq(number_parse_float(SLICE("1_0.5"), &v), 0);
	ck_assert_double_eq(v, 10.5);
	ck_assert_int_eq(number_parse_float(SLICE("0xAp1"), &v), 0);
	ck_assert_double_eq(v, 20);
	ck_assert_int_eq(number_parse_float(SLICE("-infinity"), &v), 0);
	ck_assert_double_eq(v, -INFINITY);
	ck_assert_int_eq(number_parse_float(SLICE("0xA"), &v), ERR_INVALID);
	ck_assert_int_eq(number_parse_float(SLICE("0b1"), &v), ERR_INVALID);
	ck_assert_int_eq(number_parse_float(SLICE("1e400"), &v), ERR_INVALID);
	ck_assert_int_eq(number_parse_float(SLICE(" 1"), &v), ERR_INVALID);
	ck_assert_int_eq(number_parse_float(SLICE(""), &v), ERR_INVALID);
}
END_TEST

START_TEST(number_parse_refuses_others)
{
	double v = 99;

	ck_assert_msg(number_parse(slice_from(bad_numbers[_i]), &v) == ERR_INVALID, "%s gave %g",
		      bad_numbers[_i], v);
	ck_assert(v == 99);
}
END_TEST

START_TEST(number_parse_minds_bits_and_lengths)
{
	char text[1000];
	double v;
	uint64_t bits;

	ck_assert_int_eq(number_parse(SLICE("nAn"), &v), 0);
	memcpy(&bits, &v, sizeof(bits));
	ck_assert_uint_eq(bits, NORMAL_NAN_BITS);
	ck_assert_int_eq(number_parse(SLICE("1\0"), &v), ERR_INVALID);
	/* Not terminated, and longer than the small buffer. */
	memset(text, '1', sizeof(text));
	ck_assert_int_eq(number_parse((struct slice){ text, 3 }, &v), 0);
	ck_assert(v == 111);
	memset(text, '0', sizeof(text));
	text[0] = '1';
	text[1] = '.';
	ck_assert_int_eq(number_parse((struct slice){ text, sizeof(text) }, &v), 0);
	ck_assert(v == 1);
}
END_TEST

#define DAY 86400000ll

static const struct duration_case {
	const char *text;
	int64_t ms;
	const char *format; /* NULL: as text */
} duration_cases[] = {
	{ "0", 0, "0s" },
	{ "0s", 0, NULL },
	{ "5m", 300000, NULL },
	{ "90s", 90000, "1m30s" },
	{ "1h30m", 5400000, NULL },
	{ "50ms", 50, NULL },
	{ "1s50ms", 1050, NULL },
	{ "1d12h", 36 * 3600000ll, NULL },
	{ "7d", 7 * DAY, "1w" },
	{ "90d", 90 * DAY, NULL },
	{ "1y", 365 * DAY, NULL },
	{ "2w", 14 * DAY, NULL },
	{ "1y2w3d4h5m6s7ms", 365 * DAY + 17 * DAY + 4 * 3600000ll + 5 * 60000 + 6007,
	  "382d4h5m6s7ms" },
	{ "9223372036854ms", 9223372036854ll, "106751d23h47m16s854ms" },
};

START_TEST(duration_reads_and_writes)
{
	const struct duration_case *c = &duration_cases[_i];
	int64_t ms = -1;
	struct buf buf;

	ck_assert_msg(duration_parse(slice_from(c->text), &ms) == 0, "%s", c->text);
	ck_assert_int_eq(ms, c->ms);
	buf_init(&buf);
	duration_format(ms, &buf);
	ck_assert_str_eq(buf.ptr, c->format ? c->format : c->text);
	buf_fini(&buf);
}
END_TEST

static const char *const bad_durations[] = {
	"",
	"5",
	"m",
	"5m5m",
	"5s5m",
	"1.5h",
	"-5m",
	"5 m",
	"5min",
	"5M",
	"5ms1s",
	"00",
	"293y",
	"9223372036855ms",
	"99999999999999999999s",
	"5m ",
	"1h30",
	"300y",
};

START_TEST(duration_refuses_others)
{
	int64_t ms = -1;

	ck_assert_msg(duration_parse(slice_from(bad_durations[_i]), &ms) == ERR_INVALID,
		      "%s gave %lld", bad_durations[_i], (long long)ms);
	ck_assert_int_eq(ms, -1);
}
END_TEST

START_TEST(duration_formats_negative_ones)
{
	struct buf buf;

	buf_init(&buf);
	duration_format(-90000, &buf);
	ck_assert_str_eq(buf.ptr, "-1m30s");
	buf_clear(&buf);
	duration_format(INT64_MIN, &buf);
	ck_assert_str_eq(buf.ptr, "-106751991167d7h12m55s808ms");
	buf_fini(&buf);
}
END_TEST

static const struct time_case {
	const char *text;
	int64_t ms;
	const char *format; /* NULL: as text */
} time_cases[] = {
	{ "1970-01-01T00:00:00.000Z", 0, NULL },
	{ "0", 0, "1970-01-01T00:00:00.000Z" },
	{ "1435781451.781", 1435781451781, "2015-07-01T20:10:51.781Z" },
	{ "1e9", 1000000000000, "2001-09-09T01:46:40.000Z" },
	{ "-1.5", -1500, "1969-12-31T23:59:58.500Z" },
	{ "2026-11-20T10:11:12.345Z", 1795169472345, NULL },
	{ "2026-11-20t10:11:12.3459z", 1795169472345, "2026-11-20T10:11:12.345Z" },
	{ "2026-11-20T10:11:12Z", 1795169472000, "2026-11-20T10:11:12.000Z" },
	{ "2026-11-20T10:11:12+05:30", 1795149672000, "2026-11-20T04:41:12.000Z" },
	{ "2026-11-20T10:11:12.5-01:00", 1795173072500, "2026-11-20T11:11:12.500Z" },
	{ "2024-02-29T23:59:59Z", 1709251199000, "2024-02-29T23:59:59.000Z" },
	{ "2000-02-29T00:00:00Z", 951782400000, "2000-02-29T00:00:00.000Z" },
	{ "0001-01-01T00:00:00Z", -62135596800000, "0001-01-01T00:00:00.000Z" },
	{ "9999-12-31T23:59:59.999Z", 253402300799999, NULL },
};

START_TEST(time_reads_and_writes)
{
	const struct time_case *c = &time_cases[_i];
	int64_t ms = -1;
	struct buf buf;

	ck_assert_msg(time_parse(slice_from(c->text), &ms) == 0, "%s", c->text);
	ck_assert_int_eq(ms, c->ms);
	buf_init(&buf);
	time_format_rfc3339(ms, &buf);
	ck_assert_str_eq(buf.ptr, c->format ? c->format : c->text);
	buf_fini(&buf);
}
END_TEST

static const char *const bad_times[] = {
	"",
	"x",
	"2026-11-20",
	"2026-11-20T10:11:12",
	"2026-11-20 10:11:12Z",
	"2026-13-20T10:11:12Z",
	"2026-00-20T10:11:12Z",
	"2026-02-29T10:11:12Z",
	"1900-02-29T10:11:12Z",
	"2026-11-31T10:11:12Z",
	"2026-11-20T24:11:12Z",
	"2026-11-20T10:60:12Z",
	"2026-11-20T10:11:60Z",
	"2026-11-20T10:11:12.Z",
	"2026-11-20T10:11:12+0530",
	"2026-11-20T10:11:12+05:60",
	"2026-11-20T10:11:12Zx",
	"2026-1-20T10:11:12Z",
	"NaN",
	"Inf",
	"1e15",
	"-1e15",
};

START_TEST(time_refuses_others)
{
	int64_t ms = -1;

	ck_assert_msg(time_parse(slice_from(bad_times[_i]), &ms) == ERR_INVALID, "%s gave %lld",
		      bad_times[_i], (long long)ms);
	ck_assert_int_eq(ms, -1);
}
END_TEST

/* Every day of 800 years: parsing is the inverse of formatting, and dates follow each other. */
START_TEST(time_knows_the_calendar)
{
	struct buf buf, before;

	buf_init(&buf);
	buf_init(&before);
	for (int64_t day = -200000; day < 100000; day++) {
		int64_t back;

		buf_clear(&buf);
		time_format_rfc3339(day * DAY, &buf);
		ck_assert_int_eq(time_parse(buf_slice(&buf), &back), 0);
		ck_assert_int_eq(back, day * DAY);
		ck_assert_int_gt(slice_compare(buf_slice(&buf), buf_slice(&before)), 0);
		buf_clear(&before);
		buf_add_slice(&before, buf_slice(&buf));
	}
	buf_fini(&buf);
	buf_fini(&before);
}
END_TEST

START_TEST(clocks_go_on)
{
	int64_t us = clock_monotonic_us();

	ck_assert_int_gt(clock_wall_ms(), 1700000000000);
	ck_assert_int_ge(clock_monotonic_us(), us);
}
END_TEST

START_TEST(texts_fit_between_characters)
{
	char text[8];

	text_fit(text, sizeof(text), NULL);
	ck_assert_str_eq(text, "");
	text_fit(text, sizeof(text), "1234567");
	ck_assert_str_eq(text, "1234567");
	text_fit(text, sizeof(text), "123456\303\244");
	ck_assert_str_eq(text, "123456");
	text_fit(text, sizeof(text), "12345\303\2447");
	ck_assert_str_eq(text, "12345\303\244");
	text_fit(text, sizeof(text), "1\3772");
	ck_assert_str_eq(text, "1?2");
}
END_TEST

static Suite *text_suite(void)
{
	Suite *suite = suite_create("text");
	TCase *tcase = tcase_create("all");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, number_formats_as_go, 0, COUNT(format_cases));
	tcase_add_test(tcase, number_formats_are_shortest);
	tcase_add_loop_test(tcase, number_parse_reads_literals, 0, COUNT(parse_cases));
	tcase_add_test(tcase, number_parse_float_has_no_octal);
	tcase_add_loop_test(tcase, number_parse_refuses_others, 0, COUNT(bad_numbers));
	tcase_add_test(tcase, number_parse_minds_bits_and_lengths);
	tcase_add_loop_test(tcase, duration_reads_and_writes, 0, COUNT(duration_cases));
	tcase_add_loop_test(tcase, duration_refuses_others, 0, COUNT(bad_durations));
	tcase_add_test(tcase, duration_formats_negative_ones);
	tcase_add_loop_test(tcase, time_reads_and_writes, 0, COUNT(time_cases));
	tcase_add_loop_test(tcase, time_refuses_others, 0, COUNT(bad_times));
	tcase_add_test(tcase, time_knows_the_calendar);
	tcase_add_test(tcase, clocks_go_on);
	tcase_add_test(tcase, texts_fit_between_characters);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(text_suite)
