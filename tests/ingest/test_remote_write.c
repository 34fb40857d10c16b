/*
 * Requests: which are refused whole and how, and what of the others becomes rows. What is judged
 * series by series: test_remote_write_series.c; of version 2.0 alone: test_remote_write_v2.c; keys
 * and births: test_rw_keys.c. Each tolerance that real senders need has its own test.
 */
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

/* --- headers --- */

START_TEST(content_type_chooses_the_schema)
{
	static const struct {
		const char *type;
		int version; /* 0: 415 */
	} cases[] = {
		{ "", 1 },
		{ "application/x-protobuf", 1 },
		{ "application/x-protobuf;proto=prometheus.WriteRequest", 1 },
		{ "Application/X-Protobuf ; Proto=\"prometheus.WriteRequest\"", 1 },
		{ "application/x-protobuf; charset=utf-8", 1 },
		{ "application/x-protobuf;proto=io.prometheus.write.v2.Request", 2 },
		{ "application/x-protobuf; proto=\"io.prometheus.write.v2.Request\"", 2 },
		{ "application/x-protobuf;proto=io.prometheus.write.v3.Request", 0 },
		{ "application/x-protobuf;proto=", 0 },
		{ "application/json", 0 },
		{ "text/plain", 0 },
		{ "x", 0 },
		{ ";proto=io.prometheus.write.v2.Request", 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = harness_decode_bytes(&h, cases[i].type, "snappy", SLICE("\x00"));
		if (cases[i].version == 0) {
			harness_assert_refused(&h, status, 415, "unsupported content type");
			continue;
		}
		ck_assert_msg(status == 0, "%s: %d", cases[i].type, status);
		ck_assert_int_eq(h.batch->protocol == BATCH_REMOTE_WRITE_2, cases[i].version == 2);
		ck_assert_int_eq(rw_is_version2(slice_from(cases[i].type)), cases[i].version == 2);
	}
}
END_TEST

START_TEST(unknown_encodings_are_refused)
{
	harness_assert_refused(&h, harness_decode_bytes(&h, TYPE_V1, "br", SLICE("\x00")), 415,
			       "encoding \"br\"");
	harness_assert_refused(&h, harness_decode_bytes(&h, TYPE_V1, "identity", SLICE("\x00")),
			       415, "unsupported");
	ck_assert_int_eq(harness_decode_bytes(&h, TYPE_V1, "", SLICE("\x00")), 0);
}
END_TEST

START_TEST(encoding_header_may_lie)
{
	static const char *const headers[] = { "snappy", "zstd", "gzip", "" };
	for (int real = 0; real < 4; real++) {
		struct buf body;
		buf_init(&body);
		buf_clear(&h.request);
		harness_series_v1(&h, "up", "node", 1);
		if (real == 0)
			enc_snappy(&body, buf_slice(&h.request));
		else if (real == 3)
			enc_gzip(&body, buf_slice(&h.request));
		else
			enc_zstd(&body, buf_slice(&h.request),
				 real == 1 ? ENC_ZSTD_DECLARED : ENC_ZSTD_UNDECLARED);
		for (size_t i = 0; i < 4; i++) {
			ck_assert_int_eq(
				harness_decode_bytes(&h, TYPE_V1, headers[i], buf_slice(&body)), 0);
			ck_assert_uint_eq(h.batch->nrows, 1);
			harness_assert_row(&h, 0, "up{job=\"node\"}", 1, TS);
		}
		buf_fini(&body);
	}
}
END_TEST

START_TEST(empty_body_is_bad_but_an_empty_message_is_not)
{
	harness_assert_refused(
		&h, harness_decode_bytes(&h, TYPE_V1, "snappy", (struct slice){ NULL, 0 }), 400,
		"empty body");
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 0);
}
END_TEST

START_TEST(sizes_are_checked_first)
{
	struct buf big;
	buf_init(&big);
	memset(buf_reserve(&big, RW_BODY_MAX + 1), 0, RW_BODY_MAX + 1);
	big.len = RW_BODY_MAX + 1;
	harness_assert_refused(&h, harness_decode_bytes(&h, TYPE_V1, "snappy", buf_slice(&big)),
			       413, "limit");
	buf_fini(&big);
	/* 32 MiB and one byte, declared by four bytes of a snappy block. */
	harness_assert_refused(
		&h, harness_decode_bytes(&h, TYPE_V1, "snappy", SLICE("\x81\x80\x80\x10\x00x")),
		413, "limit");
	harness_assert_refused(
		&h, harness_decode_bytes(&h, TYPE_V1, "snappy", SLICE("\x80\x80\x80\x10\x00x")),
		400, "snappy");
}
END_TEST

/* --- broken messages --- */

START_TEST(every_cut_of_a_request_is_refused_or_whole)
{
	struct buf whole;
	buf_init(&whole);
	harness_series_v1(&h, "up", "node", 1);
	size_t first = h.request.len;
	enc_label(&h.series, "__name__", "x");
	enc_histogram(&h.series, 4, 3);
	enc_exemplar_v1(&h.series, "trace_id", "abc");
	harness_series_end_v1(&h);
	buf_add_slice(&whole, buf_slice(&h.request));
	for (size_t cut = 0; cut < whole.len; cut++) {
		buf_clear(&h.request);
		buf_add(&h.request, whole.ptr, cut);
		ck_assert_int_eq(harness_decode_v1(&h), cut == 0 || cut == first ? 0 : 400);
	}
	buf_fini(&whole);
}
END_TEST

/* The lengths around are made right, so that each message itself is cut. */
START_TEST(broken_inner_messages_are_refused)
{
	static const struct {
		uint32_t field;
		struct slice bytes;
		const char *what;
	} cases[] = {
		{ 1, SLICE("\x0a\x05up"), "label" },	      { 1, SLICE("\x08\x01"), "label" },
		{ 2, SLICE("\x09\x01\x02"), "sample" },	      { 2, SLICE("\x08\x01"), "sample" },
		{ 2, SLICE("\x12\x01x"), "sample" },	      { 2, SLICE("\x10\x80"), "sample" },
		{ 3, SLICE("\x10\x01"), "exemplar" },	      { 3, SLICE("\x1a\x00"), "exemplar" },
		{ 3, SLICE("\x0a\x02\x0a\x05"), "exemplar" }, { 3, SLICE("\x08\x01"), "exemplar" },
		{ 4, SLICE("\x09\x01"), "histogram" },	      { 4, SLICE("\x0a\x00"), "histogram" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enc_label(&h.series, "__name__", "up");
		enc_bytes(&h.series, cases[i].field, cases[i].bytes);
		enc_sample(&h.series, 1, TS);
		harness_series_end_v1(&h);
		harness_assert_refused(&h, harness_decode_v1(&h), 400, cases[i].what);
	}
}
END_TEST

START_TEST(wrong_wire_types_are_refused)
{
	for (uint32_t field = 1; field <= 4; field++) {
		enc_uint(&h.series, field, 1);
		harness_series_end_v1(&h);
		harness_assert_refused(&h, harness_decode_v1(&h), 400, "time series");
	}
	for (uint32_t field = 1; field <= 3; field += 2) {
		enc_uint(&h.request, field, 1);
		harness_assert_refused(&h, harness_decode_v1(&h), 400, "request");
	}
	for (uint32_t field = 2; field <= 5; field++) {
		enc_uint(&h.series, field, 1);
		harness_series_end_v2(&h);
		harness_assert_refused(&h, harness_decode_v2(&h), 400, "time series");
	}
	for (uint32_t field = 4; field <= 5; field++) {
		enc_uint(&h.request, field, 1);
		harness_assert_refused(&h, harness_decode_v2(&h), 400, "request");
	}
}
END_TEST

START_TEST(unknown_fields_are_passed_over)
{
	enc_uint(&h.request, 2, 1); /* Cortex' source */
	enc_str(&h.request, 1000, "new");
	enc_str(&h.series, 77, "new");
	enc_label(&h.series, "__name__", "up");
	enc_double(&h.series, 78, 1);
	enc_bytes(&h.series, 2,
		  SLICE("\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x18\x05\x10\x07\x72\x01x"));
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 1);
	harness_assert_row(&h, 0, "up", 1, 7);
}
END_TEST

START_TEST(a_message_of_the_other_schema_is_not_taken_for_an_empty_one)
{
	struct buf body;
	buf_init(&body);
	harness_series_v1(&h, "up", "node", 1);
	enc_snappy(&body, buf_slice(&h.request));
	harness_assert_refused(&h, harness_decode_bytes(&h, TYPE_V2, "snappy", buf_slice(&body)),
			       400, "is remote-write 1.0");
	buf_clear(&h.request);
	buf_clear(&body);
	harness_series_v2(&h, "up", "node", 1);
	enc_snappy(&body, buf_slice(&h.request));
	harness_assert_refused(&h, harness_decode_bytes(&h, TYPE_V1, "snappy", buf_slice(&body)),
			       400, "is remote-write 2.0");
	buf_fini(&body);
}
END_TEST

/* --- samples --- */

START_TEST(samples_become_rows_in_order)
{
	enc_label(&h.series, "__name__", "a");
	enc_sample(&h.series, 1.5, TS);
	enc_sample(&h.series, -2.5, TS + 1);
	harness_series_end_v1(&h);
	harness_series_v1(&h, "b", "node", 3);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 3);
	harness_assert_row(&h, 0, "a", 1.5, TS);
	harness_assert_row(&h, 1, "a", -2.5, TS + 1);
	harness_assert_row(&h, 2, "b{job=\"node\"}", 3, TS);
	ck_assert(hash128_is_equal(h.batch->rows[0].key, h.batch->rows[1].key));
	ck_assert(!hash128_is_equal(h.batch->rows[0].key, h.batch->rows[2].key));
	ck_assert(!batch_is_rejected(&h.batch->outcome));
	ck_assert_uint_gt(h.batch->item.cost, h.batch->body_len);
}
END_TEST

START_TEST(zeros_are_not_on_the_wire)
{
	for (int version = 1; version <= 2; version++) {
		if (version == 1)
			enc_label(&h.series, "__name__", "a");
		else
			enc_refs(&h.series, &h.symbols, (const char *[]){ "__name__", "a", NULL });
		enc_sample(&h.series, 0, TS);
		enc_sample(&h.series, 2, 0);
		enc_sample(&h.series, 0, 0);
		if (version == 1)
			harness_series_end_v1(&h);
		else
			harness_series_end_v2(&h);
		ck_assert_int_eq(version == 1 ? harness_decode_v1(&h) : harness_decode_v2(&h), 0);
		ck_assert_uint_eq(h.batch->nrows, 3);
		harness_assert_row(&h, 0, "a", 0, TS);
		harness_assert_row(&h, 1, "a", 2, 0);
		harness_assert_row(&h, 2, "a", 0, 0);
		ck_assert_uint_eq(h.batch->rows[0].bits, 0);
	}
}
END_TEST

/* The form without a loop takes times of six bytes; all others must give the same. */
START_TEST(times_of_all_lengths_are_read)
{
	static const int64_t times[] = { 1,
					 127,
					 128,
					 34359738367,	/* five bytes */
					 34359738368,	/* six */
					 4398046511103, /* the last of six */
					 4398046511104,
					 1763600000123,
					 INT64_MAX,
					 -1,
					 INT64_MIN };
	size_t n = sizeof(times) / sizeof(times[0]);
	enc_label(&h.series, "__name__", "a");
	for (size_t i = 0; i < n; i++)
		enc_sample(&h.series, 1.5, times[i]);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, n);
	for (uint32_t i = 0; i < n; i++)
		harness_assert_row(&h, i, "a", 1.5, times[i]);
}
END_TEST

START_TEST(fields_of_a_sample_come_in_any_order)
{
	struct buf sample;
	buf_init(&sample);
	enc_label(&h.series, "__name__", "a");
	enc_uint(&sample, 2, TS);
	enc_double(&sample, 1, 4);
	enc_message(&h.series, 2, &sample);
	enc_double(&sample, 1, 1);
	enc_uint(&sample, 2, 5);
	enc_double(&sample, 1, 2); /* twice: the last holds */
	enc_message(&h.series, 2, &sample);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	harness_assert_row(&h, 0, "a", 4, TS);
	harness_assert_row(&h, 1, "a", 2, 5);
	buf_fini(&sample);
}
END_TEST

START_TEST(special_values_keep_their_bits)
{
	static const uint64_t bits[] = { STALE_NAN_BITS,     NORMAL_NAN_BITS,
					 0x7ff0000000000001, 0xfff0000000000002,
					 0x7ff0000000000000, 0xfff0000000000000,
					 0x8000000000000000, 1 };
	size_t n = sizeof(bits) / sizeof(bits[0]);
	for (int is_fast = 0; is_fast < 2; is_fast++) {
		enc_label(&h.series, "__name__", "a");
		for (size_t i = 0; i < n; i++)
			enc_sample_bits(&h.series, bits[i], is_fast ? TS : 5);
		harness_series_end_v1(&h);
		ck_assert_int_eq(harness_decode_v1(&h), 0);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(h.batch->rows[i].bits, bits[i]);
	}
}
END_TEST

START_TEST(rows_have_a_limit)
{
	struct buf body;
	buf_init(&body);
	for (uint32_t more = 0; more <= 1; more++) {
		buf_clear(&body);
		enc_label(&h.series, "__name__", "a");
		for (uint32_t i = 0; i < RW_ROWS_MAX + more; i++)
			buf_add_slice(&h.series, SLICE("\x12\x00"));
		harness_series_end_v1(&h);
		enc_snappy(&body, buf_slice(&h.request));
		buf_clear(&h.request);
		int status = harness_decode_bytes(&h, TYPE_V1, "snappy", buf_slice(&body));
		if (more == 0)
			ck_assert_uint_eq(h.batch->nrows, RW_ROWS_MAX);
		else
			harness_assert_refused(&h, status, 413, "more than 2000000 samples");
	}
	buf_fini(&body);
}
END_TEST

static Suite *remote_write_suite(void)
{
	Suite *suite = suite_create("remote_write");
	TCase *tcase = tcase_create("requests");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, content_type_chooses_the_schema);
	tcase_add_test(tcase, unknown_encodings_are_refused);
	tcase_add_test(tcase, encoding_header_may_lie);
	tcase_add_test(tcase, empty_body_is_bad_but_an_empty_message_is_not);
	tcase_add_test(tcase, sizes_are_checked_first);
	tcase_add_test(tcase, every_cut_of_a_request_is_refused_or_whole);
	tcase_add_test(tcase, broken_inner_messages_are_refused);
	tcase_add_test(tcase, wrong_wire_types_are_refused);
	tcase_add_test(tcase, unknown_fields_are_passed_over);
	tcase_add_test(tcase, a_message_of_the_other_schema_is_not_taken_for_an_empty_one);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("samples");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, samples_become_rows_in_order);
	tcase_add_test(tcase, zeros_are_not_on_the_wire);
	tcase_add_test(tcase, times_of_all_lengths_are_read);
	tcase_add_test(tcase, fields_of_a_sample_come_in_any_order);
	tcase_add_test(tcase, special_values_keep_their_bits);
	tcase_add_test(tcase, rows_have_a_limit);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(remote_write_suite)
