/*
 * Samples on their way to a receiver of remote-write: a queue bounded in samples, and one request
 * under way.
 *
 * What is added goes out in the order in which it was added, so that each series stays in order. A
 * request that the receiver did not get, or could not take at the time (5xx, and 429 where
 * configured), is sent again with the same samples, after min_backoff, doubled up to max_backoff,
 * or after what the receiver asks for by Retry-After; any other refusal is final, as in Prometheus:
 * its samples are dropped and counted. Meanwhile the queue grows; when it is full the oldest
 * samples give way to new ones. It is in memory only.
 *
 * All on one loop; nothing here waits.
 *
 * Source: Prometheus' specifications of remote-write 1.0 and 2.0.
 */
#ifndef TOCSIN_INGEST_RW_SENDER_H
#define TOCSIN_INGEST_RW_SENDER_H

#include <stdatomic.h>

#include "base/http_peer.h"
#include "ingest/relabel.h"
#include "ingest/rw_encode.h"

#define RW_CAPACITY_MAX 100000000  /* samples of a queue; 24 bytes each, and their labels once */
#define RW_SEND_SAMPLES_MAX 100000 /* in one request */
#define RW_RETRY_AFTER_MS_MAX (5 * 60 * 1000) /* a receiver may ask us to wait so long at most */
#define RW_COMPLAINT_INTERVAL_MS 60000	      /* a refusal is logged at most so often */
#define RW_ANSWER_BYTES_MAX 4096	      /* of an answer's body are read */

struct rw_sender_options {
	const char *name;      /* for the log */
	const char *url_shown; /* the address without a password */
	struct http_peer peer;
	struct relabel *relabel; /* write_relabel_configs; NULL: none */
	enum rw_version version;
	int64_t capacity, samples_per_send; /* samples */
	int64_t shards;			    /* senders of a receiver (rw_shards.h) */
	int64_t deadline_ms;		    /* a sample waits at most so long for others */
	int64_t min_backoff_ms, max_backoff_ms;
	int64_t age_max_ms; /* older samples are dropped; 0: never */
	bool retries_429;
};

/* Of all senders of a receiver; written by the loop's thread, read by any. */
struct rw_counters {
	_Atomic uint64_t samples; /* taken by the receiver */
	_Atomic uint64_t bytes;	  /* of these requests */
	_Atomic uint64_t failed;  /* samples refused for good */
	_Atomic uint64_t retried; /* samples sent once more */
	_Atomic uint64_t dropped_full, dropped_old, dropped_relabel, dropped_memory;
	_Atomic uint64_t pending, capacity;
	_Atomic uint64_t failing; /* senders whose last request failed and is tried again */
	_Atomic int64_t newest_ms, sent_ms; /* of what was added, and taken; 0: nothing yet */
};

struct rw_sender;

/* Options and what they point to stay until rw_sender_configure() or the end. NULL: no memory. */
struct rw_sender *rw_sender_new(struct loop *loop, struct http_client *http,
				const struct rw_sender_options *options,
				struct rw_counters *counters);
/* Gives up what is under way and what waits. NULL is fine. */
void rw_sender_free(struct rw_sender *sender);
/* From the next request on; what waits goes where they say. */
void rw_sender_configure(struct rw_sender *sender, const struct rw_sender_options *options);
/* Takes no reference of the caller's. */
void rw_sender_add(struct rw_sender *sender, struct labels *labels, int64_t ts_ms, uint64_t bits);
/*
 * The end is near: what waits is sent at once, and a request that fails is not tried again but
 * gives up the rest. `idle` is called when nothing waits any more, maybe at once.
 */
void rw_sender_drain(struct rw_sender *sender, void (*idle)(void *ctx), void *ctx);
/* Samples that wait or are under way. */
size_t rw_sender_pending(const struct rw_sender *sender);
/* How long a request that failed waits; retry_after_ms: what the receiver asked for, -1: nothing.
 */
int64_t rw_retry_wait_ms(int64_t backoff_ms, int64_t retry_after_ms);
/* Asserts the invariants, for tests. */
void rw_sender_check(const struct rw_sender *sender);

#endif
