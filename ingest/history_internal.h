/*
 * What the files of history share.
 *
 *   history.c         wishes: which there are, which are worked off, how they end
 *   history_ask.c     one after the other server, piece after piece of time
 *   history_fill.c    an answer becomes batches
 *   history_labels.c  external_labels of the servers
 */
#ifndef TOCSIN_INGEST_HISTORY_INTERNAL_H
#define TOCSIN_INGEST_HISTORY_INTERNAL_H

#include "base/log.h"
#include "ingest/decompress.h"
#include "ingest/history.h"
#include "ingest/remote_read.h"

#define HISTORY_BUCKETS 4096 /* of wishes by their texts */
#define HISTORY_URL_BYTES (HISTORY_URL_MAX + 32) /* with the path that is asked */
#define HISTORY_WHY_BYTES 256
#define HISTORY_AGENT "Tocsin/" PACKAGE_VERSION

/*
 * The external_labels of a server. Remote-read adds them to what it gives, and understands a
 * matcher of equality on one of them; any other finds nothing there, as the stored series do not
 * have them. So it is left out of the request: what comes is judged by the engine anyhow.
 */
struct server_labels {
	const struct history_server *server;
	struct history_counters *counters;
	struct http_client *http;
	struct http_call *call;
	struct loop_timer *timer;
	uint32_t failures;
	bool is_asked, is_known;
	struct labels *labels;	  /* NULL: not told */
	void (*known)(void *ctx); /* called when they are, or will not be; the owner's, as is ctx */
	void *ctx;
};

void server_labels_init(struct server_labels *labels, struct loop *loop, struct http_client *http,
			const struct history_server *server, struct history_counters *counters);
void server_labels_fini(struct server_labels *labels);
/* Are they known, as far as the server tells them? Asks if that was not done yet. */
bool server_labels_are_known(struct server_labels *labels);
/* Which matchers are to be left out: a bit each. */
uint64_t server_labels_without(const struct server_labels *labels, const struct matcher *matchers,
			       size_t n);

/* How long a request waits that has failed so many times in a row. */
static inline int64_t history_retry_ms(uint32_t failures)
{
	return 250ll << (failures - 1);
}

/* The address of a path at the server. ERR_LIMIT. */
int history_url(const struct history_server *server, const char *path, char *url, size_t size);

/* A wish on its way. */
struct wish {
	struct wish *next, *next_of_hash;
	struct history *history;
	uint32_t id; /* of its batches; another one after it began anew */
	char *text;
	struct matcher *matchers;
	size_t nmatchers;
	int64_t from_ms;

	bool is_busy;
	size_t server; /* that is asked */
	int64_t to_ms, since_ms;
	int64_t at_ms, end_ms, piece_ms; /* the piece of time that is asked for */
	uint32_t failures;		 /* of the request, one after the other */
	struct http_call *call;
	struct loop_timer *timer;
	struct buf answer;
	bool is_reading;
	struct remote_read read;
	struct labels *labels; /* of the series that is read, as its samples are given away */
	struct batch *batch;   /* that was not taken yet */
	bool is_last;	       /* the last batch is under way, or to be */
	uint64_t samples;
};

/* From the first wish until none waits any more: for the log. */
struct round {
	int64_t begun_us;
	uint32_t filled, failed;
	uint64_t samples;
};

struct history {
	struct loop *loop;
	struct http_client *http;
	const struct hash_key *key;
	struct history_host host;
	struct history_counters *counters;
	struct history_options options;
	struct server_labels externals[HISTORY_SERVERS_MAX];
	size_t nexternals;
	struct wish *first, **end;
	struct wish *by_text[HISTORY_BUCKETS];
	uint32_t nwaiting, nbusy, next_id;
	uint32_t failed_in_row; /* wishes, since the last good answer */
	struct round round;
	struct loop_timer *timer; /* begins what waits */
	struct decompressor decompressor;
};

static inline void history_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline const struct history_server *wish_server(const struct wish *wish)
{
	return &wish->history->options.servers[wish->server];
}

/* ---- history.c: frees the wish ---- */

void wish_fail(struct wish *wish, const char *why);

/* ---- history_ask.c ---- */

/* Asks the servers, from the first one on. */
void wish_ask_all(struct wish *wish);
/* Gives the next part of the answer away, or goes on to the next piece. */
void wish_feed(struct wish *wish);
/* What waits for its time: a batch that was not taken, or a request. */
void wish_on_timer(void *wish);

/* ---- history_fill.c ---- */

/* An empty one of this wish; NULL: no memory. */
struct batch *wish_batch(const struct wish *wish);
/* Reads on in the answer. 1: the batch is full; 0: the answer is at its end; or an error.
 */
int wish_fill(struct wish *wish, struct batch *batch);
/* The answer is not read any further. */
void wish_read_end(struct wish *wish);

#endif
