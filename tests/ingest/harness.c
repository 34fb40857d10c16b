#include "tests/ingest/harness.h"

#include <stdlib.h>

#include "tests/check_main.h"

void harness_init(struct harness *h)
{
	memset(h, 0, sizeof(*h));
	hash_key_derive(&h->shared.key, "test", 4);
	h->shared.epoch = &h->epoch;
	h->decoder = rw_decoder_new(&h->shared);
	buf_init(&h->request);
	buf_init(&h->series);
	enc_symbols_init(&h->symbols);
}

void harness_fini(struct harness *h)
{
	batch_free(h->batch);
	free(h->why);
	rw_decoder_free(h->decoder);
	buf_fini(&h->request);
	buf_fini(&h->series);
	enc_symbols_fini(&h->symbols);
}

void harness_series_end_v1(struct harness *h)
{
	enc_message(&h->request, 1, &h->series);
}

void harness_series_end_v2(struct harness *h)
{
	enc_message(&h->request, 5, &h->series);
}

void harness_series_v1(struct harness *h, const char *name, const char *job, double value)
{
	enc_label(&h->series, "__name__", name);
	enc_label(&h->series, "job", job);
	enc_sample(&h->series, value, TS);
	harness_series_end_v1(h);
}

void harness_series_v2(struct harness *h, const char *name, const char *job, double value)
{
	enc_refs(&h->series, &h->symbols, (const char *[]){ "__name__", name, "job", job, NULL });
	enc_sample(&h->series, value, TS);
	harness_series_end_v2(h);
}

int harness_decode_bytes(struct harness *h, const char *type, const char *encoding,
			 struct slice bytes)
{
	struct rw_request request = { slice_from(type), slice_from(encoding), bytes };
	struct batch *batch = NULL;
	free(h->why);
	h->why = NULL;
	int status = rw_decode(h->decoder, &request, &batch, &h->why);
	batch_free(h->batch);
	h->batch = batch;
	return status;
}

int harness_decode_v1(struct harness *h)
{
	struct buf body;
	buf_init(&body);
	enc_snappy(&body, buf_slice(&h->request));
	int status = harness_decode_bytes(h, TYPE_V1, "snappy", buf_slice(&body));
	buf_fini(&body);
	buf_clear(&h->request);
	return status;
}

int harness_decode_v2(struct harness *h)
{
	struct buf raw, body;
	buf_init(&raw);
	buf_init(&body);
	enc_symbols(&raw, &h->symbols);
	buf_add_slice(&raw, buf_slice(&h->request));
	enc_snappy(&body, buf_slice(&raw));
	int status = harness_decode_bytes(h, TYPE_V2, "snappy", buf_slice(&body));
	buf_fini(&raw);
	buf_fini(&body);
	buf_clear(&h->request);
	enc_symbols_fini(&h->symbols);
	enc_symbols_init(&h->symbols);
	return status;
}

void harness_learn(struct harness *h)
{
	rw_decoder_learn(h->decoder, h->batch);
}

char *labels_text(const struct labels *labels)
{
	struct buf text;
	buf_init(&text);
	labels_format(labels, &text);
	return buf_take(&text);
}

char *harness_row_text(const struct harness *h, uint32_t row)
{
	struct labels *labels;
	if (batch_labels(h->batch, row, &labels) < 0)
		return strdup("invalid");
	char *text = labels_text(labels);
	labels_unref(labels);
	return text;
}

double row_value(const struct batch_row *row)
{
	double value;
	memcpy(&value, &row->bits, sizeof(value));
	return value;
}

void harness_assert_row(const struct harness *h, uint32_t row, const char *labels, double value,
			int64_t ts_ms)
{
	ck_assert_uint_lt(row, h->batch->nrows);
	char *text = harness_row_text(h, row);
	ck_assert_str_eq(text, labels);
	ck_assert_double_eq(row_value(&h->batch->rows[row]), value);
	ck_assert_int_eq(h->batch->rows[row].ts_ms, ts_ms);
	free(text);
}

void harness_assert_complaint(const struct harness *h, const char *text)
{
	ck_assert_msg(strstr(h->batch->outcome.error, text) != NULL, "no \"%s\" in \"%s\"", text,
		      h->batch->outcome.error);
}

void harness_assert_refused(const struct harness *h, int status, int want, const char *why)
{
	ck_assert_msg(status == want, "%d, not %d: %s", status, want,
		      h->why ? h->why : "(no reason)");
	ck_assert_ptr_nonnull(h->why);
	ck_assert_msg(strstr(h->why, why) != NULL, "no \"%s\" in \"%s\"", why, h->why);
}

void enc_histogram(struct buf *series, uint32_t field, uint64_t count)
{
	struct buf histogram, span;
	buf_init(&histogram);
	buf_init(&span);
	enc_uint(&histogram, 1, count);
	enc_uint(&span, 2, 1);
	enc_message(&histogram, 11, &span);
	enc_sint(&histogram, 12, 3);
	enc_uint(&histogram, 15, TS);
	enc_message(series, field, &histogram);
	buf_fini(&histogram);
	buf_fini(&span);
}

void enc_exemplar_v1(struct buf *series, const char *name, const char *value)
{
	struct buf exemplar;
	buf_init(&exemplar);
	enc_label(&exemplar, name, value);
	enc_double(&exemplar, 2, 0.25);
	enc_uint(&exemplar, 3, TS);
	enc_message(series, 3, &exemplar);
	buf_fini(&exemplar);
}

void enc_exemplar_v2(struct buf *series, struct enc_symbols *symbols, const char *name,
		     const char *value)
{
	struct buf exemplar;
	buf_init(&exemplar);
	enc_refs(&exemplar, symbols, (const char *[]){ name, value, NULL });
	enc_double(&exemplar, 2, 0.25);
	enc_uint(&exemplar, 3, TS);
	enc_message(series, 4, &exemplar);
	buf_fini(&exemplar);
}
