/*
 * Prometheus' remote-read: the request, and the answer read sample by sample where it stands.
 *
 * Of all ways to ask a Prometheus for its past this is the one that gives it as it is: every sample
 * to the millisecond, bit for bit, stale markers among them, under the labels that its remote-write
 * sends (external_labels added; a matcher of equality on one of those is understood).
 *
 * Source: Prometheus' prompb/remote.proto, storage/remote/read_handler.go. Native histograms are
 * passed over.
 */
#ifndef TOCSIN_INGEST_REMOTE_READ_H
#define TOCSIN_INGEST_REMOTE_READ_H

#include <stdint.h>

#include "base/matcher.h"
#include "ingest/protobuf.h"

/*
 * The body of a request for the samples in [from_ms, to_ms] of the series that match, but for the
 * matchers whose bit in `without` is set. ERR_NOMEM.
 */
int remote_read_request(const struct matcher *matchers, size_t n, uint64_t without, int64_t from_ms,
			int64_t to_ms, struct buf *out);

/* Where one stands in an answer, decompressed. */
struct remote_read {
	struct pb_walk response, result, series;
	struct labels *labels; /* of the series at hand; a reference, NULL: between two */
};

struct remote_read_sample {
	int64_t ts_ms;
	uint64_t bits;
};

/* The text must stay. */
void remote_read_init(struct remote_read *read, struct slice answer);
void remote_read_fini(struct remote_read *read);
/*
 * Goes to the next series: 1, its labels are read->labels; 0: there is none; ERR_CORRUPT,
 * ERR_NOMEM. Series whose labels are no valid set are passed over.
 */
int remote_read_series(struct remote_read *read);
/* The next sample of the series at hand: 1; 0: there is none; ERR_CORRUPT. */
int remote_read_sample(struct remote_read *read, struct remote_read_sample *out);

#endif
