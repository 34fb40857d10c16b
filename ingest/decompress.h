/*
 * Request bodies: from what came over the wire to the message.
 *
 * No sender is believed: what a body declares to become is held against the limit, and against what
 * its format could make of so few bytes, before anything is allocated; a body that declares nothing
 * is unpacked piece by piece up to the limit. The header Content-Encoding is asked only whether it
 * names something we know: vmagent's queue resends zstd bodies under a snappy header and the
 * reverse, so the bytes themselves decide.
 */
#ifndef TOCSIN_INGEST_DECOMPRESS_H
#define TOCSIN_INGEST_DECOMPRESS_H

#include "base/buf.h"
#include "base/slice.h"

enum encoding {
	ENCODING_SNAPPY, /* the block format, not the framed one */
	ENCODING_ZSTD,
	ENCODING_GZIP,
	ENCODING_DEFLATE, /* raw, without a header: only where a sender names it */
};

/* The value of Content-Encoding: ERR_UNSUPPORTED when it is none of ours. Absent means snappy. */
int encoding_parse(struct slice header, enum encoding *out);

/*
 * What the body really is: zstd and gzip show by their first bytes; anything else can only be
 * snappy. No snappy block starts with either magic: both would begin it with a copy of earlier
 * bytes.
 */
enum encoding encoding_sniff(struct slice body);

/* Contexts of the libraries, made at first use and kept; for one thread at a time. */
struct decompressor {
	struct ZSTD_DCtx_s *zstd;
	struct z_stream_s *gzip, *deflate;
};

void decompressor_init(struct decompressor *decompressor);
void decompressor_fini(struct decompressor *decompressor);

/*
 * Unpacks the body into `out`, which is emptied first and whose memory is used if it suffices.
 * ERR_LIMIT: it is or would become larger than `max` bytes; ERR_CORRUPT; ERR_NOMEM. With an error
 * *why is a static text for the sender.
 */
int decompress(struct decompressor *decompressor, struct slice body, size_t max, struct buf *out,
	       const char **why);
/* The same for a body whose encoding is known. */
int decompress_as(struct decompressor *decompressor, enum encoding encoding, struct slice body,
		  size_t max, struct buf *out, const char **why);

#endif
