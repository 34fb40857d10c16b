/*
 * Loki's push protocol: JSON, or protobuf in a snappy block, as Promtail, Alloy, fluent-bit, Vector
 * and others send it.
 *
 * A body that cannot be read gives nothing: it is gone through once before its first line goes
 * anywhere. In one that can, each stream and each line is judged by itself: the good ones are taken
 * and the answer, 400, tells the first of the others, for senders do not send that again.
 *
 * Limits are Loki's defaults, but: a line that is too long is cut, not refused, and bodies are
 * bounded by less.
 *
 * Source: grafana.com/docs/loki, "Loki HTTP API"; pkg/push of Loki (Apache 2.0).
 */
#ifndef TOCSIN_INGEST_LOKI_PUSH_H
#define TOCSIN_INGEST_LOKI_PUSH_H

#include "ingest/decompress.h"
#include "ingest/log_sink.h"

#define LOKI_BODY_MAX (64u * 1024 * 1024)	 /* unpacked */
#define LOKI_STREAM_TEXT_MAX (64 * 1024)	 /* the labels of a stream as text */
#define LOKI_LABELS_MAX 15			 /* of a stream */
#define LOKI_LABEL_NAME_MAX 1024		 /* bytes */
#define LOKI_LABEL_VALUE_MAX 2048		 /* bytes */
#define LOKI_METADATA_MAX 128			 /* labels of one line */
#define LOKI_METADATA_BYTES_MAX (64 * 1024)	 /* names and values of one line's labels */
#define LOKI_AGE_MAX_MS (7ll * 24 * 3600 * 1000) /* older lines are refused */
#define LOKI_AHEAD_MAX_MS (10ll * 60 * 1000)	 /* so are those that far in the future */
#define LOKI_ERROR_MAX 1024			 /* bytes of complaints in an answer */

struct loki_decoder; /* memory and contexts of one thread */

struct loki_request {
	struct slice content_type, content_encoding; /* of the header; empty: absent */
	struct slice body;
	int64_t now_ms;
};

struct loki_result {
	uint32_t streams, lines, cut, rejected;
	uint64_t bytes;		    /* of the lines taken */
	char error[LOKI_ERROR_MAX]; /* for the sender, lines of text; "" when all is well */
};

struct loki_decoder *loki_decoder_new(void);
void loki_decoder_free(struct loki_decoder *decoder);
/*
 * Reads the request and gives its lines to the sink. The HTTP status: 204; 400 (result->lines says
 * whether something was taken); 413; 503 when out of memory: then what the sink was given must be
 * dropped, for the sender sends it again.
 */
int loki_push(struct loki_decoder *decoder, const struct loki_request *request,
	      const struct log_sink *sink, struct loki_result *result);

#endif
