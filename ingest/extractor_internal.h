/* What feeds know of a set of extractors. Private to extractor.c and log_feed.c. */
#ifndef TOCSIN_INGEST_EXTRACTOR_INTERNAL_H
#define TOCSIN_INGEST_EXTRACTOR_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "ingest/extractor.h"
#include "ingest/prefilter.h"

/* What outlives sets: the next one takes it over by its name. */
struct extractor_state {
	atomic_uint refs;
	char *name;
	pthread_mutex_t lock;		    /* of all below */
	struct extractor_counters counters; /* but `series` */
	struct extractor_series *series;    /* open addressing; refs 0: empty */
	uint32_t nseries, mask;
};

struct extractor_series {
	struct hash128 key;
	uint32_t refs; /* feeds that have it */
};

struct extractor {
	struct extractor_state *state;
	struct matcher *matchers;
	uint32_t nmatchers;
	struct log_pipeline *pipeline;
	enum window_kind kind;
	int64_t bucket_ms;
	bool is_prefiltered; /* else to be run over each line */
};

struct extractor_set {
	atomic_uint refs;
	struct extractor *extractors;
	uint32_t n;
	uint32_t series_max;
	struct prefilter *prefilter; /* NULL: none has literals */
	struct redactor *redactor;
};

bool extractor_wants(const struct extractor *extractor, const struct labels *stream);
/*
 * One feed more has a series: false when it is a new one over the limit. *err: 0 or ERR_NOMEM.
 */
bool extractor_series_add(struct extractor_state *state, struct hash128 key, uint32_t max,
			  int *err);
void extractor_series_remove(struct extractor_state *state, struct hash128 key);
void extractor_state_count(struct extractor_state *state, const struct extractor_counters *counted);

#endif
