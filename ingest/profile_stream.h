/*
 * What the parts of the summary share: what is remembered of a target from one profile to the next
 * (a stream), and a profile on its way through (an adding). Inside of ingest/.
 */
#ifndef TOCSIN_INGEST_PROFILE_STREAM_H
#define TOCSIN_INGEST_PROFILE_STREAM_H

#include "base/bits.h"
#include "ingest/profile_summary.h"

#define PROFILE_STREAM_SLOTS (2 * PROFILE_STREAMS_MAX)

enum series {
#define SERIES(id, name, doc) SERIES_##id,
#include "ingest/profile_series.def"
#undef SERIES
	SERIES_COUNT
};

enum ratio { RATIO_SELF, RATIO_TOTAL, RATIOS };

/* A function that has a series, or had one until this profile. */
struct listed {
	char *name;
	size_t len;
	bool is_top[RATIOS];
	bool is_alive[RATIOS]; /* its series has samples and no stale marker since */
	unsigned misses[RATIOS];
	bool is_named;
};

/* What a process had counted for each function, and in all. */
struct count {
	uint64_t hash; /* of the function's name */
	double value[RATIOS];
};

struct counted {
	struct count *counts; /* sorted by hash */
	uint32_t n;
	double sum;
	bool is_there;
};

struct stream {
	struct hash128 key;
	struct labels *labels; /* with profile_type, without __name__ */
	struct hash128 target; /* of the labels without profile_type */
	uint64_t source;       /* of the target */
	uint64_t used;	       /* when, in profiles seen */
	bool is_seen;	       /* end_ms means something */
	int64_t end_ms;
	double total;
	uint32_t alive; /* series with samples and no stale marker since: bits */
	struct listed *listed;
	uint32_t nlisted, listed_cap;
	struct counted before;
};

struct profile_summary {
	const struct hash_key *key;
	struct profile_names *names;
	struct stream *streams[PROFILE_STREAMS_MAX];
	uint32_t nstreams;
	uint32_t slots[PROFILE_STREAM_SLOTS]; /* index + 1 */
	uint64_t clock;
	/* for the profile under work; by function */
	double *value[RATIOS];
	uint32_t *seen;
	uint32_t functions_cap;
};

/* One view of one profile, being added. */
struct adding {
	struct profile_summary *summary;
	const struct profile *profile;
	const struct profile_view *view;
	const struct profile_target *target;
	struct stream *stream;
	struct batch *batch;
	struct labels_builder labels;
	int64_t ts_ms;
	double sum;  /* of the view's value, in its own unit */
	double base; /* what ratios are shares of */
	bool is_late;
};

/* Does the profile hold what its process has counted since its start? */
static inline bool is_growing(const struct adding *adding)
{
	return adding->view->mode == PROFILE_GROWING && adding->target->duration_ns == 0;
}

/*
 * The stream of a target and a profile type (empty: not known), made if it is new, marked as used.
 * ERR_NOMEM, and what labels_new() says of labels that cannot be.
 */
int profile_stream_get(struct profile_summary *summary, const struct profile_target *target,
		       struct slice name, struct stream **out);
void profile_stream_free(struct stream *stream);
/* A row of the stream's labels, a name and, unless it is empty, a function. Errors likewise. */
int profile_row_add(struct adding *adding, enum series series, struct slice function,
		    uint64_t bits);

/* profile_shares.c: the rows of both ratios, of all functions that have them. Errors likewise. */
int profile_shares_add(struct adding *adding);
/* Stale markers for all that are alive. */
int profile_shares_end(struct adding *adding);
/* Frees what a stream remembers of its functions. */
void profile_shares_fini(struct stream *stream);

#endif
