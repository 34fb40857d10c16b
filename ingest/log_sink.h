/*
 * Where a decoder of log lines puts them: first the stream, then its lines. Whoever stands behind
 * it decides what becomes of them; a decoder knows neither rules nor threads.
 *
 * The labels a decoder gives are those of the wire. What is behind the sink relabels them.
 */
#ifndef TOCSIN_INGEST_LOG_SINK_H
#define TOCSIN_INGEST_LOG_SINK_H

#include "ingest/log_feed.h"

struct log_sink {
	void *ctx;
	/* The lines from now on are this stream's. Takes no reference. ERR_NOMEM. */
	int (*stream)(void *ctx, struct labels *labels);
	/* ERR_NOMEM: the line was not taken, and none after it should be given. */
	int (*line)(void *ctx, const struct log_entry *entry);
};

#endif
