/*
 * The way of a line: whoever reads lines (files, Loki push, syslog, OTLP, standard input) gives
 * them to its thread's feed, which runs every extractor of the rules in force over each line once
 * and adds what they make of it, samples of derived series, to a batch. The line itself goes no
 * further, but for a bounded number of redacted examples.
 *
 * One feed a thread. Streams (label sets) are resolved once and remembered, within a bound.
 */
#ifndef TOCSIN_INGEST_LOG_FEED_H
#define TOCSIN_INGEST_LOG_FEED_H

#include "base/labels.h"
#include "ingest/batch.h"

#define LOG_LINE_MAX (256u * 1024) /* bytes; what is longer is cut, and counted */

struct log_feed;
struct log_stream;

struct log_entry {
	int64_t ts_ns; /* rounded up to the millisecond by the feed */
	struct slice line;
	const struct label *metadata; /* structured metadata: as extracted labels */
	size_t nmetadata;
};

struct log_feed *log_feed_new(void);
void log_feed_free(struct log_feed *feed);
/*
 * The stream of these labels, borrowed until the next call of log_feed_stream() on this feed. NULL
 * when out of memory. Does not keep a reference of the caller's.
 */
struct log_stream *log_feed_stream(struct log_feed *feed, const struct labels *labels);
/*
 * Runs the extractors over one line. Samples gather in the feed (rows of one series and bucket
 * become one) until log_feed_flush(). ERR_NOMEM: nothing of the line was taken.
 */
int log_feed_line(struct log_feed *feed, struct log_stream *stream, const struct log_entry *entry);
/* Moves what gathered into the batch as rows with births. ERR_NOMEM: it stays gathered. */
int log_feed_flush(struct log_feed *feed, struct batch *batch);

#endif
