/*
 * A source of log lines: a descriptor that is read to its end, line by line: standard input.
 *
 * A line ends with LF or CR LF; the last one may lack it. Of a line longer than LOG_LINE_MAX that
 * much is taken. How far it was read is nobody's to remember: what a crash takes is gone.
 */
#ifndef TOCSIN_INGEST_LINE_SOURCE_H
#define TOCSIN_INGEST_LINE_SOURCE_H

#include "base/loop.h"
#include "ingest/log_counters.h"
#include "ingest/log_door.h"
#include "ingest/ndjson.h"

struct line_source;

struct line_source_options {
	struct loop *loop;
	const char *name; /* for messages */
	int fd;		  /* borrowed; becomes non-blocking, unless it is a file */
	bool json;
	struct ndjson_options fields; /* of JSON; a line that is none is taken as it stands */
	struct labels *labels;
	struct log_door door;
	struct log_counters *counters;
	int64_t (*now_ns)(void);  /* wall clock */
	void (*ended)(void *ctx); /* may be NULL: the end was read, and all of it given */
	void *ctx;
};

/* Borrows what the options point to. ERR_NOMEM. */
int line_source_new(const struct line_source_options *options, struct line_source **out);
void line_source_free(struct line_source *source); /* NULL is fine */
/* The door is open again. */
void line_source_resume(struct line_source *source);

#endif
