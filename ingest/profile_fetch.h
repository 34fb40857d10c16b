/*
 * Profiles that are fetched: each target by its interval, and at once when somebody asks for it,
 * tagged with a trace id to find it again by.
 *
 * One fetch at a time for each target, since Go refuses a second CPU profile; the first of each at
 * a moment of its own within the interval, so that targets do not all answer at once. Bounded in
 * time, size and number. A failure makes profile_up 0 and ends the target's other series with stale
 * markers; it is logged once until the target is back.
 */
#ifndef TOCSIN_INGEST_PROFILE_FETCH_H
#define TOCSIN_INGEST_PROFILE_FETCH_H

#include "base/http_client.h"
#include "base/matcher.h"
#include "ingest/profile_hub.h"

#define PROFILE_TARGETS_MAX 1000		   /* of ingest.profiles.scrape */
#define PROFILE_FETCHES_MAX 64			   /* under way at once; further ones wait */
#define PROFILE_FETCH_BYTES_MAX (16 * 1024 * 1024) /* of an answer, as it comes */
#define PROFILE_NOW_TARGETS_MAX 8  /* that one request for a profile at once may mean */
#define PROFILE_NOW_WAITING_MAX 16 /* such requests that wait for one target */
#define PROFILE_ERROR_MAX 200	   /* bytes of a target's newest error */

/* A target as it is configured: borrowed from the configuration. */
struct profile_fetch_target {
	struct slice url;
	struct labels *labels;
	int64_t interval_ms, timeout_ms;
	double cpus;
};

struct profile_fetch_host {
	void *ctx;
	int64_t (*now_ms)(void *ctx);
	/* Takes the batch to the engine; it is the host's, whatever becomes of it. `url` is where
	 * it is from. */
	void (*push)(void *ctx, struct batch *batch, struct slice url);
};

/* How a target stands, for those who look. Texts are borrowed. */
struct profile_target_state {
	struct slice url, error; /* error: of the newest fetch, empty when it was good */
	const struct labels *labels;
	int64_t interval_ms, last_ms; /* last_ms: of the newest fetch, 0: none yet */
	bool is_up, is_busy;
};

struct profile_fetch_stats {
	uint64_t good, failed;
	uint32_t targets, down;
};

/* What became of a request for profiles at once: ids of those kept, and of the rest why not. */
struct profile_now {
	uint64_t ids[PROFILE_NOW_TARGETS_MAX];
	uint32_t nids, failed;
	char error[PROFILE_ERROR_MAX]; /* of the first that failed */
};
typedef void profile_now_fn(void *ctx, const struct profile_now *now);

/* The hub is borrowed. NULL when out of memory. */
struct profile_fetcher *profile_fetcher_new(struct loop *loop, struct profile_hub *hub,
					    const struct profile_fetch_host *host);
/* Whoever waits is told that nothing came. NULL is fine. */
void profile_fetcher_free(struct profile_fetcher *fetcher);
/*
 * Takes other targets into force: those that are as before go on, the series of those that are gone
 * end. ERR_NOMEM: as many as there is memory for; ERR_LIMIT.
 */
int profile_fetcher_configure(struct profile_fetcher *fetcher,
			      const struct profile_fetch_target *targets, size_t n);
/*
 * A profile now of the targets whose labels match and, unless it is empty, whose address says that
 * they give this type. fn is called once, perhaps before this returns. ERR_NOT_FOUND: no target
 * matches; ERR_LIMIT: too many do; ERR_FULL: too many ask already; ERR_NOMEM.
 */
int profile_fetch_now(struct profile_fetcher *fetcher, const struct matcher *matchers, size_t n,
		      struct slice type, const struct profile_trace *trace, profile_now_fn *fn,
		      void *ctx);
/* Target i, in the order of the configuration; false behind the last. */
bool profile_fetcher_target(const struct profile_fetcher *fetcher, size_t i,
			    struct profile_target_state *out);
struct profile_fetch_stats profile_fetcher_stats(const struct profile_fetcher *fetcher);

#endif
