/*
 * From profiles to series: for each profile a handful of numbers and the shares of its hottest
 * functions (profile_series.def), as rows of a batch, with the labels of the target and
 * profile_type. For one thread.
 *
 * What must be remembered from one profile of a target to the next is a *stream*, one for each
 * target and profile_type: the counter's sum, which functions have series, and, where the process
 * counts since its start, what it had counted. There are at most PROFILE_STREAMS_MAX of them; the
 * one that was quiet the longest makes room for a new one (its counter then begins anew).
 *
 * Which functions have a series: those that rules name, always (0 when the profile does not have
 * them); and by each of the two ratios those of the top PROFILE_TOP. A function comes when it is
 * among these, and leaves, with a stale marker, when it was not among twice as many in
 * PROFILE_TOP_MISSES profiles one after the other: otherwise whatever is around the last place
 * would come and go.
 */
#ifndef TOCSIN_INGEST_PROFILE_SUMMARY_H
#define TOCSIN_INGEST_PROFILE_SUMMARY_H

#include "base/labels.h"
#include "ingest/batch.h"
#include "ingest/profile_kind.h"

#define PROFILE_TOP 20		 /* functions with series, by each ratio */
#define PROFILE_TOP_MISSES 3	 /* profiles in a row without, and it leaves */
#define PROFILE_NAMED_MAX 200	 /* functions that rules name; further ones are told and left out */
#define PROFILE_STREAMS_MAX 4096 /* targets × profile types remembered */
#define PROFILE_LISTED_MAX 64 /* functions with series by one ratio, those that linger included */
#define PROFILE_BEFORE_MAX 65536 /* functions remembered of what counts since the start */

struct profile_summary;

/* Names of functions, to be known to all ingest threads: immutable, sorted, reference-counted. */
struct profile_names {
	_Atomic unsigned refs;
	uint32_t n, over; /* `over`: how many were left out */
	struct slice *names;
	struct arena arena;
};

/* Where a profile comes from and when it ended. */
struct profile_target {
	const struct labels *labels; /* without __name__ and profile_type */
	uint64_t source;	     /* which of several that share the labels; any number */
	enum profile_kind hint;
	int64_t end_ms;
	int64_t duration_ns; /* 0: not known */
	double cpus;	     /* that it may use; 0: 1 */
	bool is_fetched;     /* it has a profile_up */
};

/* NULL when out of memory. The key (borrowed) is that of the batches and of the profiles. */
struct profile_summary *profile_summary_new(const struct hash_key *key);
void profile_summary_free(struct profile_summary *summary); /* NULL is fine */
/* Functions that rules name, from now on. Takes a reference. NULL: none. */
void profile_summary_watch(struct profile_summary *summary, struct profile_names *names);
/*
 * Adds the series of a profile to the batch. A profile older than one that was seen adds what is
 * its own, but nothing that counts on. ERR_NOMEM, ERR_INVALID, ERR_LIMIT (labels that cannot be):
 * the batch may hold a part and must not be used.
 */
int profile_summary_add(struct profile_summary *summary, const struct profile *profile,
			const struct profile_target *target, struct batch *batch);
/*
 * A fetch has failed: profile_up is 0 from then on, and all other series of the target end with
 * stale markers. Errors as before.
 */
int profile_summary_fail(struct profile_summary *summary, const struct profile_target *target,
			 struct batch *batch);
/* Nothing more comes from there: the target is not in the configuration any more. */
int profile_summary_end(struct profile_summary *summary, const struct profile_target *target,
			struct batch *batch);
/* How many streams are remembered. */
uint32_t profile_summary_streams(const struct profile_summary *summary);

struct profile_names *profile_names_new(const struct slice *names, uint32_t n);
/*
 * The functions that the selectors of a plan name: by equality, or as the alternatives of a regular
 * expression that are plain texts ("main\\.(work|read)" is none, "main\\.work|main\\.read" has two;
 * a dot may go without its backslash). NULL when out of memory.
 */
struct plan;
struct profile_names *profile_names_of_plan(const struct plan *plan);
struct profile_names *profile_names_ref(struct profile_names *names); /* NULL is fine */
void profile_names_unref(struct profile_names *names);		      /* NULL is fine */

/* Rows of a Markdown table: the series. */
void profile_series_reference(struct buf *out);

#endif
