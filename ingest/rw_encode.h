/*
 * Samples → a body of remote-write 1.0 or 2.0: the message and the snappy block around it.
 *
 * Each sample is a series of its own in the message, in the order given: receivers append in the
 * order in which they read. Values go as they are, bit for bit, so that a stale marker stays one.
 *
 * Source: Prometheus' specifications of remote-write 1.0 and 2.0.
 */
#ifndef TOCSIN_INGEST_RW_ENCODE_H
#define TOCSIN_INGEST_RW_ENCODE_H

#include <stdint.h>

#include "base/labels.h"

/* A sample on its way out; the labels are a reference. */
struct rw_sample {
	struct labels *labels;
	int64_t ts_ms;
	uint64_t bits;
};

enum rw_version { RW_VERSION_1, RW_VERSION_2 };

/* Encodes again and again into the same memory. */
struct rw_encoder;

struct rw_encoder *rw_encoder_new(void);	  /* NULL: out of memory */
void rw_encoder_free(struct rw_encoder *encoder); /* NULL is fine */
/* *out is good until the next call. ERR_NOMEM. */
int rw_encode(struct rw_encoder *encoder, enum rw_version version, const struct rw_sample *samples,
	      size_t n, struct slice *out);
/* Values of the headers Content-Type and X-Prometheus-Remote-Write-Version. */
const char *rw_content_type(enum rw_version version);
const char *rw_version_text(enum rw_version version);

#endif
