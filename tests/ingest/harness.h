/*
 * What tests of remote-write share: a decoder, a request under construction, the batch it became.
 */
#ifndef TOCSIN_TESTS_INGEST_HARNESS_H
#define TOCSIN_TESTS_INGEST_HARNESS_H

#include "base/error.h"
#include "ingest/remote_write.h"
#include "tests/ingest/encode.h"

#define TYPE_V1 "application/x-protobuf"
#define TYPE_V2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"
#define TS 1763600000000ll

struct harness {
	struct rw_shared shared;
	_Atomic uint64_t epoch;
	struct rw_decoder *decoder;

	struct buf request; /* fields of the request, before compression */
	struct buf series;  /* fields of the series that harness_series_end() adds */
	struct enc_symbols symbols;

	struct batch *batch; /* of the last decode that was good */
	char *why;	     /* of the last that was not */
};

void harness_init(struct harness *h);
void harness_fini(struct harness *h);
/* Ends the series under construction: field 1 (1.0) or 5 (2.0) of the request. */
void harness_series_end_v1(struct harness *h);
void harness_series_end_v2(struct harness *h);
/* A whole series of one sample: {__name__="name", job="job"}. */
void harness_series_v1(struct harness *h, const char *name, const char *job, double value);
void harness_series_v2(struct harness *h, const char *name, const char *job, double value);
/* Compresses (snappy), decodes, empties the request. The status; the batch before is freed. */
int harness_decode_v1(struct harness *h);
int harness_decode_v2(struct harness *h);
int harness_decode_bytes(struct harness *h, const char *type, const char *encoding,
			 struct slice bytes);
/* The batch comes back applied. */
void harness_learn(struct harness *h);

/* The labels of a row as text, from batch_labels(), to free(); "invalid" when it has none. */
char *harness_row_text(const struct harness *h, uint32_t row);
char *labels_text(const struct labels *labels);
double row_value(const struct batch_row *row);

void harness_assert_row(const struct harness *h, uint32_t row, const char *labels, double value,
			int64_t ts_ms);
/* Some series were refused, with this among the reasons. */
void harness_assert_complaint(const struct harness *h, const char *text);
/* The request was refused, with this in the reason. */
void harness_assert_refused(const struct harness *h, int status, int want, const char *why);

/* Into a series: a native histogram of one bucket of three, good when count is 3. */
void enc_histogram(struct buf *series, uint32_t field, uint64_t count);
void enc_exemplar_v1(struct buf *series, const char *name, const char *value);
void enc_exemplar_v2(struct buf *series, struct enc_symbols *symbols, const char *name,
		     const char *value);

#endif
