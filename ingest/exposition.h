/*
 * Prometheus' text exposition format, version 0.0.4 → batch.
 *
 * A line is blank, a comment, or `name{label="value",…} value [timestamp in ms]`. A text is taken
 * whole or not at all, as Prometheus takes a scrape. Comments (HELP, TYPE) are not kept.
 *
 * Source: the format's page in Prometheus' documentation.
 */
#ifndef TOCSIN_INGEST_EXPOSITION_H
#define TOCSIN_INGEST_EXPOSITION_H

#include "ingest/batch.h"

#define EXPOSITION_BYTES_MAX (16u * 1024 * 1024)
#define EXPOSITION_ROWS_MAX 100000u
#define EXPOSITION_EXTRA_MAX 8u

struct exposition_options {
	int64_t now_ms;		   /* of samples that bring no time */
	const struct label *extra; /* put on every series, in the place of its own of that name */
	size_t nextra;		   /* at most EXPOSITION_EXTRA_MAX */
};

struct exposition_fault {
	uint32_t line; /* from 1; 0: it concerns the whole text */
	const char *why;
};

/*
 * Adds a row and its birth for each sample. Rows have no key: labels name their series. On failure
 * the batch holds a part of the text and is good for batch_clear() and batch_free() only.
 * ERR_INVALID and ERR_LIMIT with *fault; ERR_NOMEM.
 */
int exposition_read(struct slice text, const struct exposition_options *options,
		    struct batch *batch, struct exposition_fault *fault);

#endif
