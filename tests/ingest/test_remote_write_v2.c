/* What only remote-write 2.0 has: symbols, start times. */
#include "ingest/remote_write.h"

#include "tests/check_main.h"
#include "tests/ingest/harness.h"

static struct harness h;

static void setup(void)
{
	harness_init(&h);
}

static void teardown(void)
{
	harness_fini(&h);
}

START_TEST(version_2_reads_references)
{
	harness_series_v2(&h, "up", "node", 1);
	harness_series_v2(&h, "up", "other", 2);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 2);
	harness_assert_row(&h, 0, "up{job=\"node\"}", 1, TS);
	harness_assert_row(&h, 1, "up{job=\"other\"}", 2, TS);
}
END_TEST

/*
 * start_timestamp of rc.4 is field 3 of the sample; created_timestamp of 2.0-rc.3, field 6 of the
 * series, is passed over.
 */
START_TEST(version_2_reads_start_times)
{
	struct buf sample;
	buf_init(&sample);
	enc_refs(&h.series, &h.symbols, (const char *[]){ "__name__", "up", NULL });
	enc_uint(&h.series, 6, TS - 1000);
	enc_double(&sample, 1, 1);
	enc_uint(&sample, 2, TS);
	enc_uint(&sample, 3, TS - 1000);
	enc_message(&h.series, 2, &sample);
	harness_series_end_v2(&h);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 1);
	harness_assert_row(&h, 0, "up", 1, TS);
	ck_assert_uint_eq(h.batch->nstarts, 1);
	ck_assert_uint_eq(h.batch->starts[0].row, 0);
	ck_assert_int_eq(h.batch->starts[0].start_ms, TS - 1000);
	buf_fini(&sample);
}
END_TEST

static void series_with_start(const char *name, int64_t start_ms)
{
	struct buf sample;
	buf_init(&sample);
	enc_refs(&h.series, &h.symbols, (const char *[]){ "__name__", name, NULL });
	enc_double(&sample, 1, 1);
	enc_uint(&sample, 2, TS);
	if (start_ms)
		enc_uint(&sample, 3, (uint64_t)start_ms);
	enc_message(&h.series, 2, &sample);
	harness_series_end_v2(&h);
	buf_fini(&sample);
}

START_TEST(version_2_start_times_stay_with_their_rows)
{
	series_with_start("a", 0);
	series_with_start("", 1); /* rejected */
	series_with_start("b", 2);
	series_with_start("", 0); /* rejected */
	series_with_start("c", 3);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.invalid, 2);
	ck_assert_uint_eq(h.batch->nrows, 3);
	ck_assert_uint_eq(h.batch->nstarts, 2);
	ck_assert_uint_eq(h.batch->starts[0].row, 1);
	ck_assert_int_eq(h.batch->starts[0].start_ms, 2);
	ck_assert_uint_eq(h.batch->starts[1].row, 2);
	ck_assert_int_eq(h.batch->starts[1].start_ms, 3);
}
END_TEST

static int decode_v2_raw(void)
{
	struct buf body;
	buf_init(&body);
	enc_snappy(&body, buf_slice(&h.request));
	int status = harness_decode_bytes(&h, TYPE_V2, "snappy", buf_slice(&body));
	buf_fini(&body);
	buf_clear(&h.request);
	return status;
}

START_TEST(version_2_wants_the_empty_symbol_first)
{
	enc_str(&h.request, 4, "up");
	harness_assert_refused(&h, decode_v2_raw(), 400, "first symbol");
	enc_bytes(&h.series, 1, SLICE("\x00\x00"));
	harness_series_end_v2(&h);
	harness_assert_refused(&h, decode_v2_raw(), 400, "no symbols");
	enc_str(&h.request, 4, "");
	ck_assert_int_eq(decode_v2_raw(), 0);
}
END_TEST

/*
 * Symbols may stand behind the series that refer to them, references in several fields, packed or
 * not.
 */
START_TEST(version_2_takes_any_order_and_packing)
{
	enc_bytes(&h.series, 1, SLICE("\x01"));
	enc_sample(&h.series, 1, TS);
	enc_uint(&h.series, 1, 2);
	enc_bytes(&h.series, 1, SLICE("\x03\x04"));
	harness_series_end_v2(&h);
	enc_str(&h.request, 4, "");
	enc_str(&h.request, 4, "__name__");
	enc_str(&h.request, 4, "up");
	enc_str(&h.request, 4, "job");
	enc_str(&h.request, 4, "node");
	ck_assert_int_eq(decode_v2_raw(), 0);
	ck_assert_uint_eq(h.batch->nrows, 1);
	harness_assert_row(&h, 0, "up{job=\"node\"}", 1, TS);
	struct hash128 key = h.batch->rows[0].key;
	harness_series_v2(&h, "up", "node", 1);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	ck_assert(hash128_is_equal(h.batch->rows[0].key, key));
}
END_TEST

START_TEST(version_2_checks_references)
{
	static const struct {
		uint32_t field;
		struct slice bytes;
		const char *why;
	} cases[] = {
		{ 1, SLICE("\x00\x02"), "beyond the 2 symbols" },
		{ 1, SLICE("\x01\xff\xff\xff\xff\x0f"), "beyond the 2 symbols" },
		{ 1, SLICE("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		  "beyond the 2 symbols" },
		{ 1, SLICE("\x01"), "odd number" },
		{ 1, SLICE("\x01\x80"), "list of label references" },
		{ 4, SLICE("\x0a\x01\x01"), "odd number" },
		{ 4, SLICE("\x0a\x02\x01\x02"), "beyond the 2 symbols" },
		{ 4, SLICE("\x0d\x00\x00\x00\x00"), "list of label references" },
		{ 4, SLICE("\x10\x00"), "exemplar" },
		{ 4, SLICE("\x12\x01"), "exemplar" },
		{ 5, SLICE("\x18\x02"), "metadata reference 2 beyond" },
		{ 5, SLICE("\x20\x02"), "metadata reference 2 beyond" },
		{ 5, SLICE("\x1a\x00"), "metadata entry" },
		{ 5, SLICE("\x18"), "metadata entry" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enc_str(&h.request, 4, "");
		enc_str(&h.request, 4, "x");
		enc_bytes(&h.series, cases[i].field, cases[i].bytes);
		harness_series_end_v2(&h);
		harness_assert_refused(&h, decode_v2_raw(), 400, cases[i].why);
	}
}
END_TEST

START_TEST(version_2_has_a_budget_for_expanded_labels)
{
	enum { LONG = 1024 * 1024 };
	char *text = calloc(1, LONG + 1);
	memset(text, 'x', LONG);
	enc_str(&h.request, 4, "");
	enc_str(&h.request, 4, text);
	/*
	 * Each series is 1 MiB of labels in a few bytes of body; and each bad alone, so they are no
	 * births.
	 */
	for (uint32_t i = 0; i < RW_LABEL_BYTES_MAX / LONG; i++) {
		enc_bytes(&h.series, 1, SLICE("\x01\x00"));
		enc_sample(&h.series, 1, TS);
		harness_series_end_v2(&h);
	}
	struct buf most;
	buf_init(&most);
	buf_add_slice(&most, buf_slice(&h.request));
	ck_assert_int_eq(decode_v2_raw(), 0);
	ck_assert_uint_eq(h.batch->outcome.invalid, RW_LABEL_BYTES_MAX / LONG);
	buf_add_slice(&h.request, buf_slice(&most));
	enc_bytes(&h.series, 1, SLICE("\x01\x00"));
	enc_sample(&h.series, 1, TS);
	harness_series_end_v2(&h);
	harness_assert_refused(&h, decode_v2_raw(), 400, "come to more than");
	buf_fini(&most);
	free(text);
}
END_TEST

START_TEST(version_2_has_a_limit_of_symbols)
{
	/* One million empty ones, then one more. */
	enum { SYMBOLS = 1000000 };
	for (uint32_t i = 0; i < SYMBOLS; i++)
		buf_add_slice(&h.request, SLICE("\x22\x00"));
	struct buf most;
	buf_init(&most);
	buf_add_slice(&most, buf_slice(&h.request));
	ck_assert_int_eq(decode_v2_raw(), 0);
	buf_add_slice(&h.request, buf_slice(&most));
	enc_str(&h.request, 4, "");
	harness_assert_refused(&h, decode_v2_raw(), 413, "more than 1000000 symbols");
	buf_fini(&most);
}
END_TEST

/* A series of more labels than any may have must not pass under the key of its first ones. */
START_TEST(version_2_refuses_too_many_labels_by_series)
{
	char name[16];
	const char *pairs[2 * LABELS_COUNT_MAX + 1] = { "__name__", "up" };
	struct buf refs;
	buf_init(&refs);
	for (int i = 1; i < LABELS_COUNT_MAX; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		pairs[2 * i] = h.symbols.texts[enc_symbol(&h.symbols, name)];
		pairs[2 * i + 1] = "x";
	}
	enc_refs(&h.series, &h.symbols, pairs);
	buf_add_slice(&refs, buf_slice(&h.series));
	enc_sample(&h.series, 1, TS);
	harness_series_end_v2(&h);
	buf_add_slice(&h.series, buf_slice(&refs));
	enc_bytes(&h.series, 1, SLICE("\x00\x00"));
	enc_sample(&h.series, 2, TS);
	harness_series_end_v2(&h);
	for (int round = 0; round < 2; round++) {
		struct buf again;
		buf_init(&again);
		enc_symbols(&again, &h.symbols);
		buf_add_slice(&again, buf_slice(&h.request));
		struct buf keep = h.request;
		h.request = again;
		ck_assert_int_eq(decode_v2_raw(), 0);
		buf_fini(&h.request);
		h.request = keep;
		ck_assert_uint_eq(h.batch->nrows, 1);
		ck_assert_uint_eq(h.batch->outcome.invalid, 1);
		harness_assert_complaint(&h, "too many labels");
		harness_learn(&h);
	}
	buf_fini(&refs);
}
END_TEST

static Suite *remote_write_v2_suite(void)
{
	Suite *suite = suite_create("remote_write_v2");
	TCase *tcase = tcase_create("version 2");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, version_2_reads_references);
	tcase_add_test(tcase, version_2_reads_start_times);
	tcase_add_test(tcase, version_2_start_times_stay_with_their_rows);
	tcase_add_test(tcase, version_2_wants_the_empty_symbol_first);
	tcase_add_test(tcase, version_2_takes_any_order_and_packing);
	tcase_add_test(tcase, version_2_checks_references);
	tcase_add_test(tcase, version_2_has_a_budget_for_expanded_labels);
	tcase_add_test(tcase, version_2_has_a_limit_of_symbols);
	tcase_add_test(tcase, version_2_refuses_too_many_labels_by_series);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(remote_write_v2_suite)
