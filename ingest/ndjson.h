/*
 * A log line that is a JSON object: which of its fields are the time, the line itself, and labels.
 */
#ifndef TOCSIN_INGEST_NDJSON_H
#define TOCSIN_INGEST_NDJSON_H

#include "base/buf.h"
#include "base/labels.h"

#define NDJSON_STREAM_FIELDS_MAX 32 /* named in the configuration */
#define NDJSON_FIELDS_MAX 128	    /* of one line that become labels; further ones are left out */

struct ndjson_options {
	struct slice time_field; /* empty: none, the time of arrival */
	/* Empty: the whole object is the line, and its fields are not labels of it as well. */
	struct slice message_field;
	const struct slice *stream_fields;
	size_t nstream_fields;
};

struct ndjson_line {
	int64_t ts_ns;
	struct slice line;
	struct label stream[NDJSON_STREAM_FIELDS_MAX];
	size_t nstream;
	struct label metadata[NDJSON_FIELDS_MAX];
	size_t nmetadata;
};

/*
 * Slices point into the text or into `texts`, which is emptied first. Objects, arrays and null are
 * no labels. ts_ns is now_ns where the time is missing or none. ERR_INVALID: no JSON object;
 * ERR_NOMEM.
 */
int ndjson_parse(const struct ndjson_options *options, struct slice text, int64_t now_ns,
		 struct buf *texts, struct ndjson_line *out);
/*
 * RFC 3339, or a number: of seconds, milliseconds, microseconds or nanoseconds by its size.
 * ERR_INVALID.
 */
int ndjson_time(struct slice text, int64_t *ns);

#endif
