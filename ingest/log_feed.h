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
#include "ingest/extractor.h"

#define LOG_LINE_MAX (256u * 1024) /* bytes; what is longer is cut, and counted */
#define LOG_FEED_ROWS_MAX 10000	   /* that gather; then log_feed_line() wants a flush first */
#define LOG_FEED_STREAMS_MAX 16384 /* remembered; the ones not seen for longest are forgotten */
#define LOG_FEED_EXAMPLES_MAX 3	   /* lines kept of each derived series and second */

struct log_feed;
struct log_stream;

struct log_entry {
	int64_t ts_ns; /* rounded up to the millisecond by the feed */
	struct slice line;
	const struct label *metadata; /* structured metadata: as extracted labels */
	size_t nmetadata;
};

/* What one feed has seen since it was made. */
struct log_feed_counters {
	uint64_t lines, bytes; /* also those that no extractor wants */
	uint64_t cut;	       /* lines longer than LOG_LINE_MAX */
	uint64_t streams;      /* resolved anew */
};

/*
 * The key names the rows of batches: the engine's, as for remote-write; the feed keeps a copy. It
 * has no extractors until log_feed_use(). NULL when out of memory.
 */
struct log_feed *log_feed_new(const struct hash_key *key);
void log_feed_free(struct log_feed *feed); /* NULL is fine */
/*
 * From here on these extractors (NULL: none); takes a reference. What gathered stays gathered, and
 * streams stay valid. ERR_NOMEM: the set before is still in use.
 */
int log_feed_use(struct log_feed *feed, struct extractor_set *set);
void log_feed_counters(const struct log_feed *feed, struct log_feed_counters *out);
/*
 * The stream of these labels, borrowed until the next call of log_feed_stream() on this feed. NULL
 * when out of memory. Does not keep a reference of the caller's.
 */
struct log_stream *log_feed_stream(struct log_feed *feed, const struct labels *labels);
/*
 * Runs the extractors over one line. Samples gather in the feed (rows of one series and bucket
 * become one) until log_feed_flush(). ERR_FULL: LOG_FEED_ROWS_MAX rows gathered, flush first, then
 * give the line again. Either way, as with ERR_NOMEM, nothing of the line was taken.
 */
int log_feed_line(struct log_feed *feed, struct log_stream *stream, const struct log_entry *entry);
/* How many rows the next flush will add. */
uint32_t log_feed_rows(const struct log_feed *feed);
/* Moves what gathered into the batch as rows with births. ERR_NOMEM: it stays gathered. */
int log_feed_flush(struct log_feed *feed, struct batch *batch);

#endif
