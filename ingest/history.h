/*
 * The past of selectors, asked of other servers by remote-read (remote_read.h) and given away as
 * batches.
 *
 * A wish names a selector and how far back it is to reach. All servers are asked, one after the
 * other, from the oldest time on, in pieces of time that answers of a bounded size hold: a piece
 * whose answer is too large is halved, the next one after a small answer is doubled. A few wishes
 * are worked off at once; each has one request or one batch under way, so that neither the servers
 * nor whoever takes the batches are flooded. When all batches of a wish have come back, a last one,
 * without rows, says since when the selector is covered (struct batch). A request that fails is
 * tried again a bounded number of times; then the wish is given up.
 *
 * All on one loop; nothing here waits.
 */
#ifndef TOCSIN_INGEST_HISTORY_H
#define TOCSIN_INGEST_HISTORY_H

#include <stdatomic.h>

#include "base/http_peer.h"
#include "base/matcher.h"
#include "ingest/batch.h"
#include "ingest/relabel.h"

#define HISTORY_SERVERS_MAX 16
#define HISTORY_URL_MAX 2000	  /* bytes of a server's address */
#define HISTORY_WAITING_MAX 65536 /* wishes; further ones are given up at once */
#define HISTORY_BUSY_MAX 4	  /* wishes worked off at once */
#define HISTORY_ATTEMPTS_MAX 8	  /* of one request; 0.25, 0.5, 1, … 16 seconds apart */
/* Of the one for external_labels: wishes wait for it, and then have their own attempts. */
#define HISTORY_LABELS_ATTEMPTS_MAX 4
#define HISTORY_BODY_MAX (8u * 1024 * 1024)	  /* of an answer */
#define HISTORY_DECODED_MAX (32u * 1024 * 1024)	  /* of an answer, decompressed */
#define HISTORY_ROWS_MAX 20000			  /* of a batch */
#define HISTORY_PIECE_MS_MAX (24ll * 3600 * 1000) /* of time, in one request */

struct history_server {
	const char *url_shown; /* the address without a password */
	struct http_peer peer; /* the URL without a path */
	int64_t max_range_ms;
	struct relabel *relabel; /* as the server's remote-write does; NULL: not at all */
};

struct history_options {
	const struct history_server *servers;
	size_t n;
	struct relabel *relabel; /* of what comes by remote-write; NULL: none */
};

/* Written by the loop's thread, read by any. */
struct history_counters {
	_Atomic uint64_t filled, failed;	   /* wishes */
	_Atomic uint64_t waiting;		   /* those under way included */
	_Atomic uint64_t requests, retries, bytes; /* of answers, as they came */
	_Atomic uint64_t samples;
};

struct history;

/* What the owner does. */
struct history_host {
	void *ctx;
	/*
	 * Takes the batch and gives it back with history_done() when it is applied. ERR_FULL:
	 * later.
	 */
	int (*push)(void *ctx, struct batch *batch);
	int64_t (*now_ms)(void *ctx);
};

/* The key names series, as in batch_sample_add(). NULL: no memory. */
struct history *history_new(struct loop *loop, struct http_client *http, const struct hash_key *key,
			    const struct history_host *host, struct history_counters *counters);
void history_free(struct history *history); /* NULL is fine */
/*
 * From now on these servers, which must stay until the next call; what is under way begins anew.
 * Without servers all wishes are given up.
 */
void history_configure(struct history *history, const struct history_options *options);
/*
 * Wishes for the samples after from_ms of the selector of this text, in its canonical form. One
 * that reaches less far back than one of the same text under way is nothing new. ERR_INVALID: it is
 * no selector; ERR_LIMIT, ERR_NOMEM.
 */
int history_wish(struct history *history, struct slice text, int64_t from_ms);
/* A batch came back; takes it. */
void history_done(struct history *history, struct batch *batch);

/*
 * external_labels of a server, out of its answer to /api/v1/status/config: *out is an empty set
 * when there are none. ERR_INVALID: no such answer; ERR_NOMEM.
 */
int history_external_labels(struct slice answer, struct labels **out);

#endif
