/*
 * OTLP/HTTP: requests of metrics and logs, in protobuf or JSON → rows and lines; the reply.
 *
 * Names and labels are those that Prometheus makes of OTLP ("UnderscoreEscapingWithSuffixes"), so
 * that rules for the one fit the other: http.server.request.duration in s, a histogram, is
 * http_server_request_duration_seconds_bucket, _count and _sum. job is
 * service.namespace/service.name, instance service.instance.id; what else is known of the resource
 * is in target_info.
 *
 * Delta sums and histograms become running totals as the engine takes them, for it alone sees all
 * of a series. Exponential histograms give their count and sum. What is wrong with one point is
 * told as a partial success and stops no other.
 *
 * Source: opentelemetry.io, "OTLP Specification" 1.x; Prometheus' translation as told in the facts
 * on ingest.
 */
#ifndef TOCSIN_INGEST_OTLP_H
#define TOCSIN_INGEST_OTLP_H

#include "base/hash.h"
#include "ingest/batch.h"
#include "ingest/log_sink.h"
#include "ingest/relabel.h"

#define OTLP_BODY_MAX (64u * 1024 * 1024) /* compressed, and decompressed */
#define OTLP_ROWS_MAX 1000000u
#define OTLP_ATTRIBUTES_MAX LABELS_COUNT_MAX	 /* of one resource, point or record */
#define OTLP_VALUE_DEPTH_MAX 16			 /* values within a value */
#define OTLP_LABEL_BYTES_MAX (64u * 1024 * 1024) /* labels of one request, at each of its series   \
						  */
#define OTLP_ERROR_MAX 400			 /* of a reply's message */
#define OTLP_LINE_AGE_MAX_MS (7ll * 24 * 3600 * 1000) /* older records are refused */
#define OTLP_LINE_AHEAD_MAX_MS (10ll * 60 * 1000)     /* so are those that far in the future */

enum otlp_signal { OTLP_METRICS, OTLP_LOGS, OTLP_PROFILES };

struct otlp_decoder; /* memory and contexts of one thread */

struct otlp_request {
	enum otlp_signal signal;
	struct slice content_type, content_encoding; /* of the header; empty: absent */
	struct slice body;
	int64_t now_ms; /* of lines that bring no time */
};

struct otlp_result {
	bool json; /* how to answer */
	uint32_t rejected;
	uint32_t lines;		    /* of logs: taken */
	uint64_t bytes;		    /* of them */
	char error[OTLP_ERROR_MAX]; /* the first complaints; "" when there are none */
};

struct otlp_decoder *otlp_decoder_new(const struct hash_key *key);
void otlp_decoder_free(struct otlp_decoder *decoder);
/* What becomes of labels from now on (NULL: they stay as they are); takes a reference of its own.
 */
void otlp_decoder_relabel(struct otlp_decoder *decoder, struct relabel *relabel);
/*
 * The request's message as protobuf, in the decoder's memory until the next call. 0, or the HTTP
 * status (400, 413, 415, 503) with result->error.
 */
int otlp_open(struct otlp_decoder *decoder, const struct otlp_request *request,
	      struct otlp_result *result, struct slice *message);
/* Metrics: rows with births. The status as above. */
int otlp_metrics(struct otlp_decoder *decoder, struct slice message, struct batch *batch,
		 struct otlp_result *result);
/* Logs: to the sink. 503: what it was given must be dropped, for the sender sends it again. */
int otlp_logs(struct otlp_decoder *decoder, struct slice message, int64_t now_ms,
	      const struct log_sink *sink, struct otlp_result *result);

/* The body of the reply to what was taken (200), with what was not; and to what was refused. */
void otlp_reply(enum otlp_signal signal, const struct otlp_result *result, struct buf *out);
void otlp_reply_refused(int status, const struct otlp_result *result, struct buf *out);

#endif
