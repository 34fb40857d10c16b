/*
 * Requests: which are refused whole and how, what of the others becomes rows, and what is counted.
 * Each tolerance that real senders need has its own test. Keys and births: test_rw_keys.c.
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

static void assert_row(uint32_t row, const char *labels, double value, int64_t ts_ms)
{
	ck_assert_uint_lt(row, h.batch->nrows);
	char *text = harness_row_text(&h, row);
	ck_assert_str_eq(text, labels);
	ck_assert_double_eq(row_value(&h.batch->rows[row]), value);
	ck_assert_int_eq(h.batch->rows[row].ts_ms, ts_ms);
	free(text);
}

static void assert_complaint(const char *text)
{
	ck_assert_msg(strstr(h.batch->outcome.error, text) != NULL, "no \"%s\" in \"%s\"", text,
		      h.batch->outcome.error);
}

static void assert_refused(int status, int want, const char *why)
{
	ck_assert_msg(status == want, "%d, not %d: %s", status, want,
		      h.why ? h.why : "(no reason)");
	ck_assert_ptr_nonnull(h.why);
	ck_assert_msg(strstr(h.why, why) != NULL, "no \"%s\" in \"%s\"", why, h.why);
}

static void add_histogram(struct buf *series, uint32_t field, uint64_t count)
{
	struct buf histogram, span;
	buf_init(&histogram);
	buf_init(&span);
	enc_uint(&histogram, 1, count);
	enc_uint(&span, 2, 1);
	enc_message(&histogram, 11, &span);
	enc_sint(&histogram, 12, 3); /* one bucket of three: good when count is 3 */
	enc_uint(&histogram, 15, TS);
	enc_message(series, field, &histogram);
	buf_fini(&histogram);
	buf_fini(&span);
}

static void add_exemplar_v1(struct buf *series, const char *name, const char *value)
{
	struct buf exemplar;
	buf_init(&exemplar);
	enc_label(&exemplar, name, value);
	enc_double(&exemplar, 2, 0.25);
	enc_uint(&exemplar, 3, TS);
	enc_message(series, 3, &exemplar);
	buf_fini(&exemplar);
}

static void add_exemplar_v2(struct buf *series, const char *name, const char *value)
{
	struct buf exemplar;
	buf_init(&exemplar);
	enc_refs(&exemplar, &h.symbols, (const char *[]){ name, value, NULL });
	enc_double(&exemplar, 2, 0.25);
	enc_uint(&exemplar, 3, TS);
	enc_message(series, 4, &exemplar);
	buf_fini(&exemplar);
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
			assert_refused(status, 415, "unsupported content type");
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
	assert_refused(harness_decode_bytes(&h, TYPE_V1, "br", SLICE("\x00")), 415,
		       "encoding \"br\"");
	assert_refused(harness_decode_bytes(&h, TYPE_V1, "identity", SLICE("\x00")), 415,
		       "unsupported");
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
			assert_row(0, "up{job=\"node\"}", 1, TS);
		}
		buf_fini(&body);
	}
}
END_TEST

START_TEST(empty_body_is_bad_but_an_empty_message_is_not)
{
	assert_refused(harness_decode_bytes(&h, TYPE_V1, "snappy", (struct slice){ NULL, 0 }), 400,
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
	assert_refused(harness_decode_bytes(&h, TYPE_V1, "snappy", buf_slice(&big)), 413, "limit");
	buf_fini(&big);
	/* 32 MiB and one byte, declared by four bytes of a snappy block. */
	assert_refused(harness_decode_bytes(&h, TYPE_V1, "snappy", SLICE("\x81\x80\x80\x10\x00x")),
		       413, "limit");
	assert_refused(harness_decode_bytes(&h, TYPE_V1, "snappy", SLICE("\x80\x80\x80\x10\x00x")),
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
	add_histogram(&h.series, 4, 3);
	add_exemplar_v1(&h.series, "trace_id", "abc");
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
		assert_refused(harness_decode_v1(&h), 400, cases[i].what);
	}
}
END_TEST

START_TEST(wrong_wire_types_are_refused)
{
	for (uint32_t field = 1; field <= 4; field++) {
		enc_uint(&h.series, field, 1);
		harness_series_end_v1(&h);
		assert_refused(harness_decode_v1(&h), 400, "time series");
	}
	for (uint32_t field = 1; field <= 3; field += 2) {
		enc_uint(&h.request, field, 1);
		assert_refused(harness_decode_v1(&h), 400, "request");
	}
	for (uint32_t field = 2; field <= 5; field++) {
		enc_uint(&h.series, field, 1);
		harness_series_end_v2(&h);
		assert_refused(harness_decode_v2(&h), 400, "time series");
	}
	for (uint32_t field = 4; field <= 5; field++) {
		enc_uint(&h.request, field, 1);
		assert_refused(harness_decode_v2(&h), 400, "request");
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
	assert_row(0, "up", 1, 7);
}
END_TEST

START_TEST(a_message_of_the_other_schema_is_not_taken_for_an_empty_one)
{
	struct buf body;
	buf_init(&body);
	harness_series_v1(&h, "up", "node", 1);
	enc_snappy(&body, buf_slice(&h.request));
	assert_refused(harness_decode_bytes(&h, TYPE_V2, "snappy", buf_slice(&body)), 400,
		       "is remote-write 1.0");
	buf_clear(&h.request);
	buf_clear(&body);
	harness_series_v2(&h, "up", "node", 1);
	enc_snappy(&body, buf_slice(&h.request));
	assert_refused(harness_decode_bytes(&h, TYPE_V1, "snappy", buf_slice(&body)), 400,
		       "is remote-write 2.0");
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
	assert_row(0, "a", 1.5, TS);
	assert_row(1, "a", -2.5, TS + 1);
	assert_row(2, "b{job=\"node\"}", 3, TS);
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
		assert_row(0, "a", 0, TS);
		assert_row(1, "a", 2, 0);
		assert_row(2, "a", 0, 0);
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
		assert_row(i, "a", 1.5, times[i]);
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
	assert_row(0, "a", 4, TS);
	assert_row(1, "a", 2, 5);
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
			assert_refused(status, 413, "more than 2000000 samples");
	}
	buf_fini(&body);
}
END_TEST

/* --- labels --- */

/* vmagent appends its external labels behind job. */
START_TEST(unsorted_labels_are_put_in_order)
{
	enc_label(&h.series, "__name__", "up");
	enc_label(&h.series, "job", "node");
	enc_label(&h.series, "cluster", "eu");
	enc_sample(&h.series, 1, TS);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	assert_row(0, "up{cluster=\"eu\", job=\"node\"}", 1, TS);
	ck_assert_uint_eq(h.batch->nbirths, 1);
	char *text = labels_text(h.batch->births[0].labels);
	ck_assert_str_eq(text, "up{cluster=\"eu\", job=\"node\"}");
	free(text);
}
END_TEST

START_TEST(empty_values_are_absent_labels)
{
	enc_label(&h.series, "__name__", "up");
	enc_label(&h.series, "gone", "");
	enc_label(&h.series, "job", "node");
	enc_sample(&h.series, 1, TS);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	assert_row(0, "up{job=\"node\"}", 1, TS);
	harness_series_v2(&h, "up", "", 1);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	assert_row(0, "up", 1, TS);
}
END_TEST

START_TEST(utf8_names_and_values_are_fine)
{
	enc_label(&h.series, "__name__", "température.cpu");
	enc_label(&h.series, "日本", "line\nfeed \"quoted\"");
	enc_sample(&h.series, 1, TS);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 1);
	ck_assert_uint_eq(h.batch->outcome.invalid, 0);
	struct labels *labels;
	ck_assert_int_eq(batch_labels(h.batch, 0, &labels), 0);
	ck_assert(slice_is(labels_get(labels, SLICE("日本")), "line\nfeed \"quoted\""));
	labels_unref(labels);
}
END_TEST

/* Bad labels cost their series, not the request. The rows around are closed up. */
static void assert_bad_series(const char *why)
{
	struct buf bad;
	buf_init(&bad);
	buf_add_slice(&bad, buf_slice(&h.series));
	buf_clear(&h.series);
	harness_series_v1(&h, "first", "node", 1);
	buf_add_slice(&h.series, buf_slice(&bad));
	enc_sample(&h.series, 9, TS);
	enc_sample(&h.series, 9, TS + 1);
	harness_series_end_v1(&h);
	harness_series_v1(&h, "last", "node", 2);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 2);
	ck_assert_uint_eq(h.batch->outcome.invalid, 2);
	ck_assert_uint_eq(h.batch->nbirths, 2);
	ck_assert_uint_eq(h.batch->births[1].row, 1);
	assert_row(0, "first{job=\"node\"}", 1, TS);
	assert_row(1, "last{job=\"node\"}", 2, TS);
	assert_complaint(why);
	ck_assert(batch_is_rejected(&h.batch->outcome));
	buf_fini(&bad);
}

START_TEST(a_label_name_twice_is_bad)
{
	enc_label(&h.series, "__name__", "up");
	enc_label(&h.series, "a", "1");
	enc_label(&h.series, "a", "2");
	assert_bad_series("series {__name__=\"up\", a=\"1\", a=\"2\"}: label name twice");
}
END_TEST

START_TEST(an_empty_label_name_is_bad)
{
	enc_label(&h.series, "__name__", "up");
	enc_label(&h.series, "", "1");
	assert_bad_series("empty label name");
	enc_label(&h.series, "__name__", "up");
	enc_label(&h.series, "", "");
	assert_bad_series("empty label name");
}
END_TEST

START_TEST(a_missing_metric_name_is_bad)
{
	enc_label(&h.series, "job", "node");
	assert_bad_series("series {job=\"node\"}: no metric name");
	enc_label(&h.series, "__name__", "");
	enc_label(&h.series, "job", "node");
	assert_bad_series("no metric name");
	assert_bad_series("series {}: no metric name");
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_bad)
{
	enc_label(&h.series, "__name__", "up");
	enc_label(&h.series, "a", "x\xff\xc0");
	assert_bad_series("a=\"x\\xff\\xc0\"}: label value is no UTF-8");
	enc_label(&h.series, "__name__", "up");
	enc_label(&h.series, "\xed\xa0\x80", "surrogate");
	assert_bad_series("label name is no UTF-8");
	ck_assert(slice_is_utf8(slice_from(h.batch->outcome.error)));
}
END_TEST

START_TEST(too_many_labels_are_bad)
{
	char name[16];
	enc_label(&h.series, "__name__", "up");
	for (int i = 0; i < LABELS_COUNT_MAX - 1; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		enc_label(&h.series, name, "x");
	}
	struct buf most;
	buf_init(&most);
	buf_add_slice(&most, buf_slice(&h.series));
	enc_sample(&h.series, 1, TS);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 1);
	buf_add_slice(&h.series, buf_slice(&most));
	enc_label(&h.series, "one", "more");
	assert_bad_series("too many labels");
	buf_fini(&most);
}
END_TEST

START_TEST(too_long_labels_are_bad)
{
	char *value = calloc(1, LABELS_BYTES_MAX + 2);
	memset(value, 'v', LABELS_BYTES_MAX + 1);
	enc_label(&h.series, "__name__", "up");
	enc_label(&h.series, "a", value);
	assert_bad_series("labels too long");
	free(value);
}
END_TEST

START_TEST(bad_series_in_every_group_are_closed_up)
{
	enum { N = 1000 };
	char name[32];
	uint32_t good = 0;
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		for (int s = 0; s < i % 4; s++)
			enc_sample(&h.series, i, TS + s);
		enc_label(&h.series, i % 3 == 0 ? "nameless" : "__name__", name);
		harness_series_end_v1(&h);
		good += i % 3 == 0 ? 0 : (uint32_t)i % 4;
	}
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, good);
	uint32_t row = 0, birth = 0;
	for (int i = 0; i < N; i++) {
		if (i % 3 == 0 || i % 4 == 0)
			continue;
		ck_assert_uint_eq(h.batch->births[birth++].row, row);
		snprintf(name, sizeof(name), "m%d", i);
		for (int s = 0; s < i % 4; s++)
			assert_row(row++, name, i, TS + s);
	}
	ck_assert_uint_eq(h.batch->nbirths, birth);
}
END_TEST

START_TEST(complaints_stay_within_their_room)
{
	char value[4000];
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 100; i++) {
		enc_label(&h.series, "name", i % 2 ? value : "short");
		enc_sample(&h.series, 1, TS);
		harness_series_end_v1(&h);
	}
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.invalid, 100);
	ck_assert_uint_lt(strlen(h.batch->outcome.error), sizeof(h.batch->outcome.error));
	assert_complaint("series {name=\"short\"}: no metric name; series {name=\"vvv");
	assert_complaint("…: no metric name");
}
END_TEST

START_TEST(complaints_are_not_cut_inside_a_character)
{
	for (int pad = 0; pad < 8; pad++) {
		struct buf value;
		buf_init(&value);
		for (int i = 0; i < pad; i++)
			buf_add_char(&value, 'x');
		for (int i = 0; i < 100; i++)
			buf_add_str(&value, i % 2 ? "é" : "日");
		enc_label(&h.series, "name", value.ptr);
		enc_sample(&h.series, 1, TS);
		harness_series_end_v1(&h);
		ck_assert_int_eq(harness_decode_v1(&h), 0);
		ck_assert(slice_is_utf8(slice_from(h.batch->outcome.error)));
		assert_complaint("…: no metric name");
		buf_fini(&value);
	}
}
END_TEST

/* --- histograms, exemplars, metadata --- */

START_TEST(exemplar_only_series_are_counted)
{
	enc_label(&h.series, "__name__", "up");
	add_exemplar_v1(&h.series, "trace_id", "abc");
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.exemplars, 1);
	ck_assert_uint_eq(h.batch->nrows, 0);
	/* As Prometheus' own 2.0 sender makes them. */
	enc_refs(&h.series, &h.symbols, (const char *[]){ "__name__", "up", NULL });
	add_exemplar_v2(&h.series, "trace_id", "abc");
	harness_series_end_v2(&h);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.exemplars, 1);
	ck_assert_uint_eq(h.batch->nrows + h.batch->nbirths, 0);
	ck_assert(!batch_is_rejected(&h.batch->outcome));
}
END_TEST

START_TEST(bad_exemplars_are_counted_apart)
{
	enc_label(&h.series, "__name__", "up");
	add_exemplar_v1(&h.series, "", "abc");
	add_exemplar_v1(&h.series, "good", "abc");
	add_exemplar_v1(&h.series, "bad", "\xff");
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.exemplars, 1);
	ck_assert_uint_eq(h.batch->outcome.bad_exemplars, 2);
	assert_complaint("exemplar of {__name__=\"up\"}: empty label name");
}
END_TEST

START_TEST(histograms_are_judged_and_counted)
{
	enc_label(&h.series, "__name__", "h");
	add_histogram(&h.series, 4, 3);
	add_histogram(&h.series, 4, 7);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.histograms, 1);
	ck_assert_uint_eq(h.batch->outcome.bad_histograms, 1);
	assert_complaint("histogram of {__name__=\"h\"}: the buckets do not add up to the count");
	enc_refs(&h.series, &h.symbols, (const char *[]){ "__name__", "h", NULL });
	add_histogram(&h.series, 3, 3);
	harness_series_end_v2(&h);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.histograms, 1);
	ck_assert(!batch_is_rejected(&h.batch->outcome));
}
END_TEST

/* Prometheus up to 3.6 sends schema -53 over 1.0 without custom_values. */
START_TEST(custom_buckets_without_bounds_are_taken_in_version_1)
{
	for (int version = 1; version <= 2; version++) {
		struct buf histogram, span;
		buf_init(&histogram);
		buf_init(&span);
		enc_uint(&histogram, 1, 2);
		enc_sint(&histogram, 4, -53);
		enc_uint(&span, 2, 2);
		enc_message(&histogram, 11, &span);
		enc_sint(&histogram, 12, 1);
		enc_sint(&histogram, 12, 0);
		if (version == 1) {
			enc_label(&h.series, "__name__", "h");
			enc_message(&h.series, 4, &histogram);
			harness_series_end_v1(&h);
			ck_assert_int_eq(harness_decode_v1(&h), 0);
		} else {
			enc_refs(&h.series, &h.symbols, (const char *[]){ "__name__", "h", NULL });
			enc_message(&h.series, 3, &histogram);
			harness_series_end_v2(&h);
			ck_assert_int_eq(harness_decode_v2(&h), 0);
		}
		ck_assert_uint_eq(h.batch->outcome.histograms, version == 1);
		ck_assert_uint_eq(h.batch->outcome.bad_histograms, version == 2);
		buf_fini(&histogram);
		buf_fini(&span);
	}
}
END_TEST

START_TEST(bad_labels_reject_histograms_and_exemplars_too)
{
	enc_label(&h.series, "job", "node");
	add_histogram(&h.series, 4, 3);
	add_exemplar_v1(&h.series, "trace_id", "abc");
	enc_sample(&h.series, 1, TS);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.histograms, 0);
	ck_assert_uint_eq(h.batch->outcome.exemplars, 0);
	ck_assert_uint_eq(h.batch->outcome.bad_histograms, 1);
	ck_assert_uint_eq(h.batch->outcome.bad_exemplars, 1);
	ck_assert_uint_eq(h.batch->outcome.invalid, 1);
}
END_TEST

START_TEST(metadata_only_requests_are_counted)
{
	struct buf metadata;
	buf_init(&metadata);
	for (int i = 0; i < 3; i++) {
		enc_uint(&metadata, 1, 2);
		enc_str(&metadata, 2, "up");
		enc_str(&metadata, 4, "Is it up?");
		enc_message(&h.request, 3, &metadata);
	}
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.metadata, 3);
	ck_assert_uint_eq(h.batch->nrows, 0);
	enc_refs(&h.series, &h.symbols, (const char *[]){ "__name__", "up", NULL });
	enc_uint(&metadata, 3, enc_symbol(&h.symbols, "Is it up?"));
	enc_message(&h.series, 5, &metadata);
	harness_series_end_v2(&h);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.metadata, 1);
	buf_fini(&metadata);
}
END_TEST

/*
 * The created-timestamp zero: an older sample 0 of the same series, in a series of its own or
 * before.
 */
START_TEST(one_series_may_come_several_times)
{
	harness_series_v1(&h, "a", "node", 0);
	harness_series_v1(&h, "b", "node", 1);
	harness_series_v1(&h, "a", "node", 2);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 3);
	ck_assert_uint_eq(h.batch->nbirths, 2);
	ck_assert(hash128_is_equal(h.batch->rows[0].key, h.batch->rows[2].key));
	assert_row(2, "a{job=\"node\"}", 2, TS);
}
END_TEST

/* --- 2.0 --- */

START_TEST(version_2_reads_references)
{
	harness_series_v2(&h, "up", "node", 1);
	harness_series_v2(&h, "up", "other", 2);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	ck_assert_uint_eq(h.batch->nrows, 2);
	assert_row(0, "up{job=\"node\"}", 1, TS);
	assert_row(1, "up{job=\"other\"}", 2, TS);
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
	assert_row(0, "up", 1, TS);
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
	assert_refused(decode_v2_raw(), 400, "first symbol");
	enc_bytes(&h.series, 1, SLICE("\x00\x00"));
	harness_series_end_v2(&h);
	assert_refused(decode_v2_raw(), 400, "no symbols");
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
	assert_row(0, "up{job=\"node\"}", 1, TS);
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
		assert_refused(decode_v2_raw(), 400, cases[i].why);
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
	assert_refused(decode_v2_raw(), 400, "come to more than");
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
	assert_refused(decode_v2_raw(), 413, "more than 1000000 symbols");
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
		assert_complaint("too many labels");
		harness_learn(&h);
	}
	buf_fini(&refs);
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
	tcase_add_test(tcase, one_series_may_come_several_times);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("labels");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, unsorted_labels_are_put_in_order);
	tcase_add_test(tcase, empty_values_are_absent_labels);
	tcase_add_test(tcase, utf8_names_and_values_are_fine);
	tcase_add_test(tcase, a_label_name_twice_is_bad);
	tcase_add_test(tcase, an_empty_label_name_is_bad);
	tcase_add_test(tcase, a_missing_metric_name_is_bad);
	tcase_add_test(tcase, bytes_that_are_no_utf8_are_bad);
	tcase_add_test(tcase, too_many_labels_are_bad);
	tcase_add_test(tcase, too_long_labels_are_bad);
	tcase_add_test(tcase, bad_series_in_every_group_are_closed_up);
	tcase_add_test(tcase, complaints_stay_within_their_room);
	tcase_add_test(tcase, complaints_are_not_cut_inside_a_character);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("others");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, exemplar_only_series_are_counted);
	tcase_add_test(tcase, bad_exemplars_are_counted_apart);
	tcase_add_test(tcase, histograms_are_judged_and_counted);
	tcase_add_test(tcase, custom_buckets_without_bounds_are_taken_in_version_1);
	tcase_add_test(tcase, bad_labels_reject_histograms_and_exemplars_too);
	tcase_add_test(tcase, metadata_only_requests_are_counted);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("version 2");
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

TEST_MAIN(remote_write_suite)
