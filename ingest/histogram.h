/*
 * Native histograms on the wire: is one well-formed?
 *
 * The message is the same in remote-write 1.0 and 2.0 (2.0 adds start_timestamp). It is judged in
 * one pass, without storing its buckets: spans against the number of buckets, buckets against the
 * count. Rules as in Prometheus' model/histogram Validate(), with the tolerance for 1.0 that
 * histogram_check() tells.
 */
#ifndef TOCSIN_INGEST_HISTOGRAM_H
#define TOCSIN_INGEST_HISTOGRAM_H

#include "base/slice.h"

#define HISTOGRAM_SCHEMA_MIN (-4)
#define HISTOGRAM_SCHEMA_MAX 52 /* above 8: to be scaled down */
#define HISTOGRAM_SCHEMA_CUSTOM (-53)

/*
 * 0; ERR_INVALID when it is a message but no possible histogram, with a static *why; ERR_CORRUPT
 * when it is no such message. bounds_may_lack: Prometheus up to 3.6 sends custom buckets over 1.0
 * without their bounds (prometheus#17146): tolerated.
 */
int histogram_check(struct slice message, bool bounds_may_lack, const char **why);

#endif
