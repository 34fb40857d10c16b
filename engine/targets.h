/*
 * Targets: series of the same job and instance, which are scraped together. Private to engine/.
 *
 * Kept for the series that rules on arrival read, so that it is known when a scrape is complete: a
 * scrape begins with the first sample of a newer time, and is settled when each series that had a
 * value in the scrape before has a sample, or a stale marker, of the new time. One in which series
 * are new is not known to be complete, as more of them may be on their way; nor are those that
 * begin within the longest `settle` of that, or of one that was not complete.
 *
 * Who finds a row in doubt because of its target asks to be told: when a scrape of it has settled,
 * when a series of it has ended, or at a told time from which what is late is not waited for.
 */
#ifndef TOCSIN_ENGINE_TARGETS_H
#define TOCSIN_ENGINE_TARGETS_H

#include "engine/alarms.h"
#include "engine/id_map.h"
#include "storage/store.h"

struct engine;

#define ARRIVAL_TARGETS_MAX 262144 /* with one more all are forgotten, and learnt again */

struct target {
	uint32_t lset; /* job and instance; with them the name for what rules write: a reference */
	int64_t scrape_ms, before_ms; /* times of the newest scrape and the one before; TIME_NONE */
	int64_t begun_ms;	      /* told time of the scrape's first sample */
	int64_t settled_ms;	      /* told time at which it was complete; TIME_NONE: not yet */
	uint32_t expected;	      /* series that had a value in the scrape before */
	uint32_t arrived;	      /* of these, in this one */
	uint32_t sampled;	      /* series with a value in this one */
	bool is_odd;		      /* more came than was expected, or not in order */
	int64_t unsure_until_ms; /* told time; scrapes that begin before it may be part of such */
	int64_t late_until_ms;	 /* samples of a scrape before the newest may come until then */
	/* Rows of leaves in doubt, each once (arrival_leaf.told). */
	struct target_waiter {
		uint32_t rule, leaf, row;
	} * waiters;
	uint32_t nwaiters, waiters_cap;
	int64_t until_ms; /* told time from which they do not wait for a scrape; TIME_NONE */
};

struct targets {
	struct target *items;
	uint32_t n, cap;
	struct id_map by_lset;
	struct target_of {
		uint32_t uid, target;
	} * of; /* by series row */
	uint32_t of_cap;
	uint32_t max;	       /* ARRIVAL_TARGETS_MAX unless a test says less */
	int64_t settle_max_ms; /* the longest that anybody waits */
	int64_t learnt_ms;     /* told time since when they are learnt; TIME_NONE: not told yet */
	struct alarms alarms;  /* by target: when those who wait are told, whatever has come */
};

void targets_init(struct targets *targets);
void targets_fini(struct targets *targets, struct lset_table *lsets);
/* All is learnt anew: the series that are looked at are others now, and nobody waits. */
void targets_forget(struct targets *targets, struct lset_table *lsets, int64_t now_ms);
/* A sample of the series was stored. */
void targets_sample(struct engine *engine, const struct series *series, int64_t ts_ms,
		    bool is_stale);
/* NULL: not known. */
struct target *targets_find(const struct targets *targets, const struct series *series);
/* One more is told. ERR_NOMEM. */
int target_wait(struct target *target, const struct target_waiter *waiter);
/* Those who wait for it are told at until_ms at the latest. */
void target_wait_until(struct targets *targets, struct target *target, int64_t until_ms);
/* The same, at late_until_ms, also if that is put off. */
void target_wait_late(struct targets *targets, struct target *target);
/* Tells those whose time has come. */
void targets_time(struct engine *engine);

#endif
