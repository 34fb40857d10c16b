#include "ingest/rw_shards.h"

#include <stdlib.h>

struct rw_shards {
	struct loop *loop;
	struct http_client *http;
	struct rw_counters *counters;
	struct rw_sender_options options;
	struct hash_key key; /* of which shard a series is: any */
	struct rw_sender *items[RW_SHARDS_MAX];
	uint32_t n;
};

uint32_t rw_shards_count(const struct rw_shards *shards)
{
	return shards->n;
}

size_t rw_shards_pending(const struct rw_shards *shards)
{
	size_t pending = 0;
	for (uint32_t i = 0; i < shards->n; i++)
		pending += rw_sender_pending(shards->items[i]);
	return pending;
}

/* Those of one of n shards. */
static struct rw_sender_options share(const struct rw_sender_options *options, uint32_t n)
{
	struct rw_sender_options own = *options;
	own.capacity = (options->capacity + n - 1) / n;
	return own;
}

static uint32_t wanted(const struct rw_sender_options *options)
{
	return options->shards < 1		 ? 1
	       : options->shards > RW_SHARDS_MAX ? RW_SHARDS_MAX
						 : (uint32_t)options->shards;
}

/* As many as there is memory for. */
static void grow(struct rw_shards *shards, uint32_t n)
{
	const struct rw_sender_options own = share(&shards->options, n);
	while (shards->n < n) {
		struct rw_sender *sender =
			rw_sender_new(shards->loop, shards->http, &own, shards->counters);
		if (!sender)
			return;
		shards->items[shards->n++] = sender;
	}
}

/* As many shards as are wanted once nothing waits: then it is all the same where a series goes. */
static void share_out(struct rw_shards *shards)
{
	if (rw_shards_pending(shards) == 0) {
		uint32_t n = wanted(&shards->options);
		while (shards->n > n)
			rw_sender_free(shards->items[--shards->n]);
		grow(shards, n);
	}
	const struct rw_sender_options own = share(&shards->options, shards->n);
	for (uint32_t i = 0; i < shards->n; i++)
		rw_sender_configure(shards->items[i], &own);
}

void rw_shards_configure(struct rw_shards *shards, const struct rw_sender_options *options)
{
	shards->options = *options;
	share_out(shards);
}

void rw_shards_add(struct rw_shards *shards, struct labels *labels, int64_t ts_ms, uint64_t bits)
{
	if (shards->n != wanted(&shards->options) && rw_shards_pending(shards) == 0)
		share_out(shards);
	uint32_t at =
		shards->n == 1 ? 0 : (uint32_t)(labels_hash(labels, &shards->key).lo % shards->n);
	rw_sender_add(shards->items[at], labels, ts_ms, bits);
}

void rw_shards_drain(struct rw_shards *shards, void (*idle)(void *ctx), void *ctx)
{
	for (uint32_t i = 0; i < shards->n; i++)
		rw_sender_drain(shards->items[i], idle, ctx);
}

struct rw_shards *rw_shards_new(struct loop *loop, struct http_client *http,
				const struct rw_sender_options *options,
				struct rw_counters *counters)
{
	struct rw_shards *shards = calloc(1, sizeof(*shards));
	if (!shards)
		return NULL;
	shards->loop = loop;
	shards->http = http;
	shards->counters = counters;
	shards->options = *options;
	grow(shards, wanted(options));
	if (shards->n < wanted(options)) {
		rw_shards_free(shards);
		return NULL;
	}
	return shards;
}

void rw_shards_free(struct rw_shards *shards)
{
	if (!shards)
		return;
	while (shards->n > 0)
		rw_sender_free(shards->items[--shards->n]);
	free(shards);
}
