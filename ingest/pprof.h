/*
 * pprof: profile.proto, as Go's net/http/pprof, Java's and Python's profilers and every profile
 * store write it; gzip or plain.
 *
 * Two walks over the message: Go writes the string table last. Ids of locations, functions and
 * mappings are arbitrary numbers, each once. A location without lines (nobody knew its symbol) is
 * named by its mapping and offset: "libc.so.6+0x2a1f0". Values and durations may be anything;
 * references that lead nowhere make the profile corrupt.
 *
 * Source: github.com/google/pprof, proto/profile.proto.
 */
#ifndef TOCSIN_INGEST_PPROF_H
#define TOCSIN_INGEST_PPROF_H

#include "base/buf.h"
#include "ingest/decompress.h"
#include "ingest/profile.h"

/* Of each table of one profile: strings, locations, functions, mappings. */
#define PPROF_ENTRIES_MAX 250000

/*
 * The plain bytes of a profile: `body` itself, or what it unpacks to, in `out`. Errors as
 * decompress().
 */
int pprof_unpack(struct decompressor *decompressor, struct slice body, struct buf *out,
		 struct slice *plain, const char **why);
/*
 * Fills an empty profile from plain bytes. ERR_CORRUPT, ERR_LIMIT with a static text in *why for
 * the sender; ERR_NOMEM.
 */
int pprof_read(struct slice plain, struct profile *profile, const char **why);
/* Does this look like a pprof, packed or plain? For those who must guess. */
bool pprof_is_likely(struct slice body);
/*
 * Appends a profile as a gzipped pprof: one location a function; values rounded to whole numbers.
 * ERR_NOMEM.
 */
int pprof_write(const struct profile *profile, struct buf *out);

#endif
