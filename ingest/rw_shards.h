/*
 * Shards of a receiver of remote-write: a sender (rw_sender.h) for each share of the series, so
 * that a few requests are under way at once, and a receiver that is slow to answer is kept up with.
 * A series is always of the same shard, and so its samples stay in order. The capacity is that of
 * all shards together, in equal parts.
 *
 * Another number of shards holds from when nothing waits any more: until then the series stay where
 * their samples are.
 *
 * All on one loop; nothing here waits.
 */
#ifndef TOCSIN_INGEST_RW_SHARDS_H
#define TOCSIN_INGEST_RW_SHARDS_H

#include "ingest/rw_sender.h"

#define RW_SHARDS_MAX 16 /* of a receiver: as many requests at once */

struct rw_shards;

/* As rw_sender_new(), with options->shards of them. NULL: no memory. */
struct rw_shards *rw_shards_new(struct loop *loop, struct http_client *http,
				const struct rw_sender_options *options,
				struct rw_counters *counters);
void rw_shards_free(struct rw_shards *shards); /* NULL is fine */
void rw_shards_configure(struct rw_shards *shards, const struct rw_sender_options *options);
/* Takes no reference of the caller's. */
void rw_shards_add(struct rw_shards *shards, struct labels *labels, int64_t ts_ms, uint64_t bits);
/* `idle` is called once for each shard; how many that is. See rw_sender_drain(). */
uint32_t rw_shards_count(const struct rw_shards *shards);
void rw_shards_drain(struct rw_shards *shards, void (*idle)(void *ctx), void *ctx);
/* Samples that wait or are under way. */
size_t rw_shards_pending(const struct rw_shards *shards);

#endif
