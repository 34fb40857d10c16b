#include "ingest/exposition.h"

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"

#define NOW_MS 1700000000123

static struct batch *batch;
static struct exposition_fault fault;

static void setup(void)
{
	batch = batch_new();
}

static void teardown(void)
{
	batch_free(batch);
}

static int read_text(const char *text)
{
	const struct label extra[] = { { SLICE("job"), SLICE("tocsin") },
				       { SLICE("instance"), SLICE("h:1") } };
	const struct exposition_options options = { .now_ms = NOW_MS, .extra = extra, .nextra = 2 };

	batch_clear(batch);
	fault = (struct exposition_fault){ UINT32_MAX, "" };
	return exposition_read(slice_from(text), &options, batch, &fault);
}

static void expect(const char *text, const char *wanted)
{
	struct buf out;

	ck_assert_int_eq(read_text(text), 0);
	buf_init(&out);
	ck_assert_uint_eq(batch->nbirths, batch->nrows);
	for (uint32_t i = 0; i < batch->nrows; i++) {
		double value;

		ck_assert_uint_eq(batch->births[i].row, i);
		labels_format(batch->births[i].labels, &out);
		memcpy(&value, &batch->rows[i].bits, sizeof(value));
		buf_add_char(&out, ' ');
		number_format_json(value, &out);
		buf_printf(&out, " %lld\n", (long long)(batch->rows[i].ts_ms - NOW_MS));
	}
	ck_assert_str_eq(out.ptr ? out.ptr : "", wanted);
	buf_fini(&out);
}

static void refuse(const char *text, uint32_t line, const char *why)
{
	ck_assert_int_eq(read_text(text), ERR_INVALID);
	ck_assert_uint_eq(fault.line, line);
	ck_assert_str_eq(fault.why, why);
}

START_TEST(exposition_takes_samples_with_labels_and_times)
{
	expect("", "");
	expect("# HELP up Is it?\n# TYPE up gauge\nup 1\n\n \t\nup{} 2",
	       "up{instance=\"h:1\", job=\"tocsin\"} 1 0\n"
	       "up{instance=\"h:1\", job=\"tocsin\"} 2 0\n");
	expect("  a:b_9\t{ x = \"1\" , _y=\"\" ,}3 1700000000000\t\n",
	       "a:b_9{instance=\"h:1\", job=\"tocsin\", x=\"1\"} 3 -123\n");
	expect("a{x=\"1\"}-4e3 -5",
	       "a{instance=\"h:1\", job=\"tocsin\", x=\"1\"} -4000 -1700000000128\n");
}
END_TEST

START_TEST(exposition_puts_its_own_labels_in_place_of_those_of_the_text)
{
	expect("a{job=\"x\",instance=\"y\",z=\"1\"} 1",
	       "a{instance=\"h:1\", job=\"tocsin\", z=\"1\"} 1 0\n");
}
END_TEST

START_TEST(exposition_unescapes_values)
{
	expect("a{x=\"\\\\n\\\"\\n,}#\"} 1",
	       "a{instance=\"h:1\", job=\"tocsin\", x=\"\\\\n\\\"\\n,}#\"} 1 0\n");
}
END_TEST

START_TEST(exposition_reads_numbers_as_go_does)
{
	expect("a +Inf\na -Inf\na 0x1p-2\na 1e-400\n",
	       "a{instance=\"h:1\", job=\"tocsin\"} +Inf 0\n"
	       "a{instance=\"h:1\", job=\"tocsin\"} -Inf 0\n"
	       "a{instance=\"h:1\", job=\"tocsin\"} 0.25 0\n"
	       "a{instance=\"h:1\", job=\"tocsin\"} 0 0\n");
	/* Never the stale marker. */
	ck_assert_int_eq(read_text("a NaN"), 0);
	ck_assert_uint_eq(batch->rows[0].bits, NORMAL_NAN_BITS);
}
END_TEST

START_TEST(exposition_refuses_the_whole_text_and_says_where)
{
	refuse("a 1\n9a 1\n", 2, "no metric name");
	refuse("{__name__=\"a\"} 1\n", 1, "no metric name");
	refuse("a\n", 1, "no value");
	refuse("a x\n", 1, "no value");
	refuse("a 1 x\n", 1, "no timestamp in milliseconds");
	refuse("a 1 -\n", 1, "no timestamp in milliseconds");
	refuse("a 1 9223372036854775808\n", 1, "no timestamp in milliseconds");
	refuse("a 1 2 3\n", 1, "more than value and timestamp");
	refuse("a{\n", 1, "no label name");
	refuse("a{,} 1\n", 1, "no label name");
	refuse("a{x} 1\n", 1, "no \"=\" behind a label name");
	refuse("a{x=1} 1\n", 1, "a label value stands in double quotes");
	refuse("a{x=\"1} 1\n", 1, "a label value has no end");
	refuse("a{x=\"1\\", 1, "a label value has no end");
	refuse("a{x=\"\\t\"} 1\n", 1, "unknown escape in a label value");
	refuse("a{x=\"1\" y=\"2\"} 1\n", 1, "no \",\" or \"}\" behind a label");
	refuse("a{x=\"1\"", 1, "no \",\" or \"}\" behind a label");
	ck_assert_int_eq(read_text("\n\na{x=\"1\",x=\"2\"} 1\n"), ERR_INVALID);
	ck_assert_uint_eq(fault.line, 3);
	ck_assert_int_eq(read_text("a{x=\"\xff\"} 1\n"), ERR_INVALID);
}
END_TEST

START_TEST(exposition_has_limits)
{
	struct buf text;

	buf_init(&text);
	for (unsigned i = 0; i <= EXPOSITION_ROWS_MAX; i++)
		buf_add_str(&text, "a 1\n");
	ck_assert_int_eq(read_text(text.ptr), ERR_LIMIT);
	ck_assert_uint_eq(fault.line, EXPOSITION_ROWS_MAX + 1);
	text.ptr[text.len - 4] = '\0';
	ck_assert_int_eq(read_text(text.ptr), 0);
	ck_assert_uint_eq(batch->nrows, EXPOSITION_ROWS_MAX);
	buf_clear(&text);
	buf_add_str(&text, "a{");
	for (unsigned i = 0; i < LABELS_COUNT_MAX; i++)
		buf_printf(&text, "l%u=\"1\",", i);
	buf_add_str(&text, "} 1");
	ck_assert_int_eq(read_text(text.ptr), ERR_LIMIT);
	ck_assert_str_eq(fault.why, "too many labels");
	buf_clear(&text);
	buf_add_str(&text, "a{x=\"");
	for (unsigned i = 0; i < LABELS_BYTES_MAX; i++)
		buf_add_char(&text, 'x');
	buf_add_str(&text, "\"} 1");
	ck_assert_int_eq(read_text(text.ptr), ERR_LIMIT);
	buf_clear(&text);
	for (unsigned i = 0; i < EXPOSITION_BYTES_MAX; i++)
		buf_add_char(&text, ' ');
	ck_assert_int_eq(read_text(text.ptr), 0);
	buf_add_char(&text, ' ');
	ck_assert_int_eq(read_text(text.ptr), ERR_LIMIT);
	ck_assert_uint_eq(fault.line, 0);
	buf_fini(&text);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("exposition");
	TCase *tc = tcase_create("exposition");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, exposition_takes_samples_with_labels_and_times);
	tcase_add_test(tc, exposition_puts_its_own_labels_in_place_of_those_of_the_text);
	tcase_add_test(tc, exposition_unescapes_values);
	tcase_add_test(tc, exposition_reads_numbers_as_go_does);
	tcase_add_test(tc, exposition_refuses_the_whole_text_and_says_where);
	tcase_add_test(tc, exposition_has_limits);
	suite_add_tcase(suite, tc);
	return suite;
}
TEST_MAIN(suite)
