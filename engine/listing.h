/*
 * Listings: which series are kept, and what labels they have: for /api/v1/series, labels, label
 * values and status. A query of another kind: made on the caller's thread, worked off by the engine
 * in quanta, answered by sink.query.
 */
#ifndef TOCSIN_ENGINE_LISTING_H
#define TOCSIN_ENGINE_LISTING_H

#include "engine/engine.h"
#include "engine/id_map.h"

#define LISTING_MAX 100000 /* series or texts in one answer, whatever limit is asked for */
#define LISTING_SELECTORS_MAX 64
#define LISTING_TOP_MAX 100 /* names with most series in the statistics */

enum listing_kind { LIST_SERIES, LIST_LABEL_NAMES, LIST_LABEL_VALUES, LIST_STATISTICS };

struct listing_count {
	char *name;
	uint64_t n;
};

struct listing {
	enum listing_kind kind;
	/* in: */
	struct expr *selectors[LISTING_SELECTORS_MAX]; /* any of these; none: all series */
	uint32_t nselectors;
	struct slice label;	  /* of LIST_LABEL_VALUES, in the query's arena */
	int64_t start_ms, end_ms; /* only series with a sample between these */
	size_t limit; /* 0: LISTING_MAX; of texts more may come, whoever tells them takes the first
		       */
	/* out: */
	struct labels **series;
	char **texts;
	size_t n; /* of either; in no order */
	bool truncated;
	uint64_t nseries, npairs; /* statistics: kept series, different pairs of name and value */
	int64_t oldest_ms, newest_ms;
	/* Series by metric, and values by label: all of them; in no order. */
	struct listing_count *by_metric, *by_label;
	size_t nby_metric, nby_label;
	/* the engine's */
	uint32_t row;
	struct id_map seen, labels, metrics; /* by symbol */
	struct id_map *values;		     /* of each label in by_label, by symbol */
	size_t nvalues;
};

/*
 * Adds a selector (text, checked to be one), on the caller's thread. ERR_INVALID with diagnostics,
 * ERR_LIMIT, ERR_NOMEM.
 */
int listing_selector_add(struct engine_query *query, struct slice text, struct diag_list *diags);
/* ERR_NOMEM. */
int listing_new(enum listing_kind kind, struct engine_query **out);
void listing_free(struct listing *listing);

#endif
