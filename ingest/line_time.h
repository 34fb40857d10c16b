/*
 * When a log line was written, by what stands in it: for files that are read long after.
 *
 * Known are, at the beginning of the line (an opening bracket may be before it) RFC 3339 and its
 * like (2026-11-20T10:00:00Z, 2026-11-20 10:00:00,123: UTC where nothing else is said) and Unix
 * times of ten digits or more; anywhere, the common log format's [20/Nov/2026:10:00:00 +0000]; in
 * logfmt and JSON the fields time, ts, timestamp and @timestamp.
 */
#ifndef TOCSIN_INGEST_LINE_TIME_H
#define TOCSIN_INGEST_LINE_TIME_H

#include <stdint.h>

#include "base/slice.h"

/* ERR_NOT_FOUND: it tells none that is known. */
int line_time(struct slice line, int64_t *ns);

#endif
