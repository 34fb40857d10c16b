/*
 * Where all profiles come together, whoever brings them: each is decoded, its summary becomes rows
 * of a batch, and its bytes are kept. Owned by one thread (ingest thread 0), since counters and
 * lists of top functions go on from one profile of a target to the next.
 */
#ifndef TOCSIN_INGEST_PROFILE_HUB_H
#define TOCSIN_INGEST_PROFILE_HUB_H

#include "ingest/profile_push.h"
#include "ingest/profile_summary.h"
#include "storage/profile_store.h"

#define PROFILE_SAMPLE_RATE_DEFAULT 100 /* Hz, of collapsed stacks that come without */

struct profile_hub;
struct profile_fetcher;

/* What is known of a profile's coming beside the push itself. */
struct profile_arrival {
	int64_t now_ms;
	bool is_fetched;
	uint64_t source;		    /* see struct profile_target */
	const struct profile_trace *traces; /* it is to be found by, besides its own */
	uint32_t ntraces;
};

struct profile_hub_stats {
	uint64_t taken, refused; /* refused: not decoded */
	uint64_t unkept;	 /* taken, but the store could not keep it */
};

/*
 * The key (borrowed) is that of the batches. Takes the store. NULL when out of memory: the store is
 * closed.
 */
struct profile_hub *profile_hub_new(const struct hash_key *key, struct profile_store *store);
void profile_hub_free(struct profile_hub *hub); /* NULL is fine */
struct profile_store *profile_hub_store(struct profile_hub *hub);
struct profile_summary *profile_hub_summary(struct profile_hub *hub);
const struct hash_key *profile_hub_key(const struct profile_hub *hub);
const struct profile_hub_stats *profile_hub_stats(const struct profile_hub *hub);
/* Who fetches, for those who ask for it by way of the hub; borrowed, may be NULL. */
void profile_hub_fetcher_set(struct profile_hub *hub, struct profile_fetcher *fetcher);
struct profile_fetcher *profile_hub_fetcher(struct profile_hub *hub);
/*
 * Decodes, adds rows to the batch, keeps. A profile that ended more than FUTURE_MAX_MS ahead of our
 * clock is refused, as samples are: its stream would take all that follow for late. *id: in the
 * store, 0: not kept. ERR_CORRUPT, ERR_INVALID, ERR_LIMIT with a static text in *why; ERR_NOMEM:
 * the batch must not be used.
 */
int profile_hub_take(struct profile_hub *hub, const struct profile_push *push,
		     const struct profile_arrival *arrival, struct batch *batch, uint64_t *id,
		     const char **why);
/* The same for one that is decoded already: OTLP's. `push` without bytes. */
int profile_hub_take_decoded(struct profile_hub *hub, struct profile *profile,
			     const struct profile_push *push, const struct profile_arrival *arrival,
			     struct batch *batch, uint64_t *id, const char **why);
/*
 * Decodes a kept profile; *view is the one of that type. Good until the next call. ERR_NOT_FOUND:
 * it is not there, or has no such type; others as profile_store_read().
 */
int profile_hub_load(struct profile_hub *hub, uint64_t id, struct slice type,
		     const struct profile **profile, struct profile_view *view);

#endif
