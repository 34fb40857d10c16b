/* Labels, histograms, exemplars and metadata: what is taken, and what costs its series. */
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
	harness_assert_row(&h, 0, "up{cluster=\"eu\", job=\"node\"}", 1, TS);
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
	harness_assert_row(&h, 0, "up{job=\"node\"}", 1, TS);
	harness_series_v2(&h, "up", "", 1);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	harness_assert_row(&h, 0, "up", 1, TS);
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
	harness_assert_row(&h, 0, "first{job=\"node\"}", 1, TS);
	harness_assert_row(&h, 1, "last{job=\"node\"}", 2, TS);
	harness_assert_complaint(&h, why);
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
			harness_assert_row(&h, row++, name, i, TS + s);
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
	harness_assert_complaint(&h, "series {name=\"short\"}: no metric name; series {name=\"vvv");
	harness_assert_complaint(&h, "…: no metric name");
}
END_TEST

/* Of a series so much is shown (SERIES_TEXT_MAX): what is longer by a byte is cut there. */
START_TEST(complaints_show_so_much_of_a_series)
{
	for (int len = 111; len <= 112; len++) {
		char value[200], complaint[300];
		memset(value, 'v', sizeof(value));
		value[len] = '\0';
		enc_label(&h.series, "name", value);
		enc_sample(&h.series, 1, TS);
		harness_series_end_v1(&h);
		ck_assert_int_eq(harness_decode_v1(&h), 0);
		/* {name="…"} is 9 bytes more than the value. */
		snprintf(complaint, sizeof(complaint), "series {name=\"%.112s%s: no metric name",
			 value, len == 111 ? "\"}" : "\"…");
		harness_assert_complaint(&h, complaint);
	}
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
		harness_assert_complaint(&h, "…: no metric name");
		buf_fini(&value);
	}
}
END_TEST

/* --- histograms, exemplars, metadata --- */

START_TEST(exemplar_only_series_are_counted)
{
	enc_label(&h.series, "__name__", "up");
	enc_exemplar_v1(&h.series, "trace_id", "abc");
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.exemplars, 1);
	ck_assert_uint_eq(h.batch->nrows, 0);
	/* As Prometheus' own 2.0 sender makes them. */
	enc_refs(&h.series, &h.symbols, (const char *[]){ "__name__", "up", NULL });
	enc_exemplar_v2(&h.series, &h.symbols, "trace_id", "abc");
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
	enc_exemplar_v1(&h.series, "", "abc");
	enc_exemplar_v1(&h.series, "good", "abc");
	enc_exemplar_v1(&h.series, "bad", "\xff");
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.exemplars, 1);
	ck_assert_uint_eq(h.batch->outcome.bad_exemplars, 2);
	harness_assert_complaint(&h, "exemplar of {__name__=\"up\"}: empty label name");
}
END_TEST

START_TEST(histograms_are_judged_and_counted)
{
	enc_label(&h.series, "__name__", "h");
	enc_histogram(&h.series, 4, 3);
	enc_histogram(&h.series, 4, 7);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.batch->outcome.histograms, 1);
	ck_assert_uint_eq(h.batch->outcome.bad_histograms, 1);
	harness_assert_complaint(
		&h, "histogram of {__name__=\"h\"}: the buckets do not add up to the count");
	enc_refs(&h.series, &h.symbols, (const char *[]){ "__name__", "h", NULL });
	enc_histogram(&h.series, 3, 3);
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
	enc_histogram(&h.series, 4, 3);
	enc_exemplar_v1(&h.series, "trace_id", "abc");
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
	harness_assert_row(&h, 2, "a{job=\"node\"}", 2, TS);
}
END_TEST

static Suite *remote_write_series_suite(void)
{
	Suite *suite = suite_create("remote_write_series");
	TCase *tcase = tcase_create("samples");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
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
	tcase_add_test(tcase, complaints_show_so_much_of_a_series);
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
	return suite;
}

TEST_MAIN(remote_write_series_suite)
