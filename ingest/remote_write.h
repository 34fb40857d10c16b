/*
 * Prometheus remote-write 1.0 and 2.0: request body → batch, outcome → reply.
 *
 * Source: the two specifications as told in the facts on ingest; quirks of real senders are
 * tolerated (unsorted labels, zstd under a snappy header and the reverse, exemplar-only series, 1.0
 * with custom-bucket histograms without bounds, created_timestamp of 2.0-rc.3).
 *
 * One decoder a thread: it owns scratch memory and the cache of keys seen lately.
 */
#ifndef TOCSIN_INGEST_REMOTE_WRITE_H
#define TOCSIN_INGEST_REMOTE_WRITE_H

#include "base/hash.h"
#include "base/http_server.h"
#include "ingest/batch.h"

#define RW_BODY_MAX (32u * 1024 * 1024) /* compressed, and decompressed */
/* Labels of one request, expanded (2.0's symbols × references). */
#define RW_LABEL_BYTES_MAX (64u * 1024 * 1024)
#define RW_ROWS_MAX 2000000u

struct rw_shared {
	struct hash_key key; /* random secret of the process, the same for all threads */
	/* The engine raises it when keys that it knew as ignored may be wanted now; caches start
	 * anew. */
	_Atomic uint64_t *epoch;
	/*
	 * For tests: when set, replaces the hash that names a series: over the raw labels for 1.0,
	 * over the hashes of the symbols for 2.0. Label sets under one key are told apart within a
	 * request always, from request to request by the length of their raw labels.
	 */
	struct hash128 (*hash_hook)(const void *bytes, size_t n);
};

struct rw_decoder;
struct rw_decoder *rw_decoder_new(const struct rw_shared *shared);
void rw_decoder_free(struct rw_decoder *decoder);
/* What becomes of labels from now on (NULL: they stay as they are); takes a reference of its own.
 */
struct relabel;
void rw_decoder_relabel(struct rw_decoder *decoder, struct relabel *relabel);

struct rw_request {
	struct slice content_type, content_encoding; /* header values, empty when absent */
	struct slice body;
};

/*
 * 0 and a batch (possibly with no rows: metadata-only), or an HTTP status (400, 413, 415; 503 when
 * out of memory) with *why, a text to free() (NULL if even that failed), when the whole request is
 * refused. Births are parsed and checked here: a series with bad labels is counted in
 * outcome.invalid with a complaint, the rest is kept.
 */
int rw_decode(struct rw_decoder *decoder, const struct rw_request *request, struct batch **out,
	      char **why);
/* Call with the batch when it came back applied: its births enter the cache of known keys. */
void rw_decoder_learn(struct rw_decoder *decoder, const struct batch *batch);
/*
 * Instead of batch_free(), on the decoder's own thread, for a batch it made: the memory serves
 * later requests. (batch_free() is right everywhere, only slower: each body would be new pages.)
 */
void rw_decoder_recycle(struct rw_decoder *decoder, struct batch *batch);

/*
 * The reply to an applied batch: 204, or 400 with the complaints; with the Written headers for 2.0.
 */
struct rw_reply {
	int status;
	char body[640];
	struct http_header headers[4];
	size_t nheaders;
	char written[3][16];
};
void rw_reply_make(const struct batch *batch, struct rw_reply *reply);
/*
 * For a request that was refused whole: 2.0 wants its headers (zeros) there too. why may be NULL. A
 * Retry-After beside a 503 is the caller's to add, who knows how long it will be.
 */
void rw_reply_refused(int status, const char *why, bool version2, struct rw_reply *reply);
/* Does this Content-Type ask for 2.0? */
bool rw_is_version2(struct slice content_type);

#endif
