/*
 * Samples with their times as text, line by line: Prometheus' text format, OpenMetrics, and what
 * `promtool tsdb dump` prints.
 *
 *   name{label="value",…} value timestamp
 *   {__name__="name", label="value"} value timestamp
 *   {"a name in UTF-8", label="value"} value timestamp
 *
 * Timestamps are milliseconds, in OpenMetrics seconds; with a point in them they are always
 * seconds. Comments are passed over, and exemplars behind a sample. In a dump a series stands on
 * many lines: its labels are read once, and found again by their text.
 */
#ifndef TOCSIN_INGEST_DUMP_H
#define TOCSIN_INGEST_DUMP_H

#include "base/hash.h"
#include "base/labels.h"

#define DUMP_LINE_MAX (1024u * 1024) /* bytes of a line */
#define DUMP_SERIES_MAX 20000000u    /* that are told apart by their text */

struct dump_sample {
	uint32_t series; /* as `series` below gave it */
	int64_t ts_ms;
	uint64_t bits;
};

struct dump_reader;

struct dump_options {
	bool seconds; /* times without a point are seconds: OpenMetrics */
	void *ctx;
	/* Gives the series of these labels a number; takes no reference. An error code ends it. */
	int (*series)(void *ctx, struct labels *labels, uint32_t *number);
};

/* NULL when out of memory. */
struct dump_reader *dump_reader_new(const struct dump_options *options);
void dump_reader_free(struct dump_reader *reader); /* NULL is fine */
/*
 * One line, without its end. 1: a sample; 0: nothing to be taken; ERR_INVALID, ERR_LIMIT with *why,
 * a static text; ERR_NOMEM, or what `series` said.
 */
int dump_line(struct dump_reader *reader, struct slice line, struct dump_sample *out,
	      const char **why);

#endif
