/*
 * What the files of the store share. Private to storage/.
 *
 *   store.c      the store as a whole: time, memory, the sweep
 *   append.c     samples on their way into windows
 *   births.c     series that come into being
 *   series.c     the series table
 *   selector.c   standing selectors: members, logs, making, filling, letting go
 *   horizon.c    how far back their readers want samples
 *   coverage.c   since when all that they want was kept
 *   starts.c     start times of samples
 */
#ifndef TOCSIN_STORAGE_STORE_INTERNAL_H
#define TOCSIN_STORAGE_STORE_INTERNAL_H

#include "base/slabs.h"
#include "storage/key_table.h"
#include "storage/match.h"
#include "storage/selector_index.h"
#include "storage/store.h"

/* ---- series ---- */

#define SERIES_LIVE UINT32_MAX

/*
 * A series and what only the store knows of it: two cache lines, of which an append in order
 * touches the first alone. They stand in slabs, found by row without another pointer; slabs are
 * never given back.
 */
struct kept {
	_Alignas(64) struct series series;
	struct hash128 key;	   /* its first raw key, if nkeys > 0 */
	struct hash128 *more_keys; /* KEYS_PER_SERIES_MAX − 1 of them, or NULL */
	uint32_t pins;
	uint32_t posting_at; /* place in its metric's posting */
	uint32_t free_next;  /* SERIES_LIVE, or of a free row the next free one (0: none, else row +
				1) */
	uint8_t nkeys, next_key; /* next_key: the one to give way to a fifth */
};
_Static_assert(offsetof(struct series, window.early) == 64,
	       "an append touches one line of a series");
_Static_assert(sizeof(struct kept) == 128, "a series is two lines");

/* The rows of the kept series of one metric name (SYMBOL_NONE: without one). */
struct posting {
	uint32_t metric;
	uint32_t *rows;
	uint32_t n, cap;
};

struct series_table {
	struct slabs rows; /* struct kept; never given back */
	uint32_t nrows;	   /* rows ever used */
	uint32_t free_row; /* row + 1, 0: none */
	uint32_t nlive;
	uint32_t next_uid;
	struct slabs by_lset; /* uint32_t: label set → row, ID_NONE */
	struct posting *postings;
	uint32_t npostings, postings_cap;
	struct id_index posting_index;
	size_t window_bytes, bytes; /* bytes: of all else */
	struct window **starts;	    /* by row: start times of samples (starts.c) */
	uint32_t starts_cap;
};

static inline struct kept *kept_at(const struct series_table *table, uint32_t row)
{
	return SLABS_AT(&table->rows, struct kept, row);
}

static inline bool kept_is_live(const struct kept *kept)
{
	return kept->free_next == SERIES_LIVE;
}

/* ---- selectors ---- */

#define COVERED_SINCE_TOLD INT64_MAX /* registered before any time was told: since the first */

/* A standing selector and what only the store knows of it. */
struct series_scan;
struct standing {
	struct selector selector;
	struct store *store;
	struct compiled_matcher *compiled; /* selector.nmatchers of them */
	uint32_t place;			   /* in store->selectors */
	uint32_t text_hash;
	uint32_t node; /* in the selector index */
	uint32_t members_cap, log_cap, readers_cap;
	uint32_t *free_rows; /* room for members_cap: rows whose removal has left the log */
	uint32_t nfree;
	bool changed;	     /* is in store->changed */
	uint64_t horizon_at; /* the store's clock of horizon_ms; 0: to be worked out */
	int64_t horizon_ms;
	int64_t dropped_ms; /* the greatest horizon by which samples may have been dropped */
	struct series_scan
		*filling;  /* series that were there before are being taken; NULL: all are */
	bool leaving;	   /* nobody refers to it any more: its members are leaving, */
	uint32_t leave_at; /* those before this have left */
};

/* Coverage told before its selector was referenced. */
#define COVERAGE_MAX 65536
struct coverage {
	char *text;
	uint32_t hash;
	int64_t since_ms;
};

/* ---- the store ---- */

/* Do keys come in the order of rows? */
struct row_order {
	uint32_t next_row; /* follows the series found last */
	bool holds;	   /* that one followed the one before */
};

/* The keys that were asked to be prefetched lately: each is led one step further on later calls. */
#define PREFETCH_RING 32
struct prefetch {
	struct hash128 keys[PREFETCH_RING];
	const struct kept *found[PREFETCH_RING];
	uint32_t at;
	struct row_order order;
};

struct store {
	struct store_options options;
	struct hash_key key;
	int64_t now_ms;
	/* By the told time: what is later is from the future; what is not later than the floor may
	 * be too old. */
	int64_t future_ms, floor_ms;
	int64_t settled_ms; /* something is kept that was computed from samples up to then */
	uint64_t clock;	    /* raised when the told time moves */
	struct store_stats stats;
	struct lset_table *lsets;
	struct key_table keys;
	struct series_table series;
	uint32_t sweep_row;
	struct row_order append_order;
	struct prefetch *prefetch;
	uint32_t *sender_series; /* by sender: how many live series are its */

	uint32_t metric_name; /* the symbol of __name__ */
	struct regex_memo memo;
	struct selector_index index;
	struct selector **selectors;
	struct selector **changed; /* room for selectors_cap as well */
	uint32_t nselectors, nchanged, selectors_cap;
	struct id_index selector_by_text;
	struct standing_list found; /* scratch */
	size_t selector_bytes, readers_bytes;
	struct coverage *coverage;
	uint32_t ncoverage, coverage_cap;
};

static inline struct standing *standing_of(struct selector *selector)
{
	return (struct standing *)selector; /* its first member */
}

static inline struct kept *kept_of(struct series *series)
{
	return (struct kept *)series; /* its first member */
}

#define SENDER_NUMBERS (UINT16_MAX + 1u) /* that a series' sender may have */

/* A sample of the series came at or before settled_ms. */
void series_note_late(struct series *series, int64_t ts_ms);

/* starts.c: the start times of a row's samples are over; those before the horizon may go. */
void starts_forget(struct series_table *table, uint32_t row);
void starts_trim(struct series_table *table, uint32_t row, int64_t horizon_ms);
void starts_fini(struct series_table *table);

/* a − b for b ≥ 0; TIME_NONE stays, and is what lies before all time. */
static inline int64_t time_minus(int64_t a, int64_t b)
{
	return a < INT64_MIN + b ? INT64_MIN : a - b;
}

/* store.c: as much memory is used as may be. */
bool store_is_full(const struct store *store);

/* append.c: samples come again to a series that was over. */
void series_revive(struct series *series);

/* series.c */
void series_table_init(struct series_table *table);
void series_table_fini(struct store *store);
/* The kept series of a label set, NULL when there is none. */
struct kept *series_of_lset(const struct store *store, uint32_t lset);
/*
 * A new series of the label set (takes a reference of its own), a member of the selectors in
 * store->found. uid 0: the next one. ERR_LIMIT, ERR_NOMEM.
 */
int series_new(struct store *store, uint32_t lset, uint32_t uid, bool local, struct kept **out);
/* Removes it from everything; its selectors log it. */
void series_forget(struct store *store, struct kept *kept);
/* Leads a key to the series; a fifth takes the place of an older one. Quietly does nothing when out
 * of memory. */
void series_key_add(struct store *store, struct kept *kept, struct hash128 key);
/* The series does not own the key any more; the key table is left alone. */
void series_key_drop(struct kept *kept, struct hash128 key);
struct hash128 series_key_at(const struct kept *kept, uint32_t i);
bool series_membership_add(struct store *store, struct series *series, struct selector *selector,
			   uint32_t row);
void series_membership_remove(struct store *store, struct series *series,
			      const struct selector *selector);
/* The kept series with this metric name; NULL when there are none. */
const struct posting *posting_find(const struct series_table *table, uint32_t metric);

/*
 * Goes through the kept series that the matchers may hold: of one metric, or all. Series may come
 * and go between two steps: each that is there all the time is met once; one that took the row of
 * another may be met or not.
 */
struct series_scan {
	const struct store *store;
	bool by_metric;
	uint32_t *rows; /* of that metric, at the beginning */
	uint32_t nrows, next;
};
/* ERR_NOMEM. */
int series_scan_init(struct series_scan *scan, const struct store *store,
		     const struct compiled_matcher *matchers, size_t n);
void series_scan_fini(struct series_scan *scan);
struct kept *series_scan_next(struct series_scan *scan);

/* selector.c */
void selectors_fini(struct store *store);
/* store->found becomes the standing selectors that match. ERR_NOMEM. */
int selectors_find(struct store *store, const struct subject *subject);
/* Room for one more member and its later removal: the next standing_member_add() cannot fail. */
bool standing_reserve(struct standing *standing);
/* The row given. `log`: as a change that readers follow. */
uint32_t standing_member_add(struct standing *standing, struct series *series, bool log);
void standing_member_remove(struct standing *standing, uint32_t row);
/* The selector of this canonical text; NULL: none stands. */
struct standing *selector_by_text(const struct store *store, struct slice text);
uint32_t selector_text_hash(const struct store *store, struct slice text);

/*
 * horizon.c: as series_horizon_ms(), where samples may be dropped by it: the selectors note that.
 * Not `exact`: each selector's part is worked out once for a told time; what comes out may be older
 * than the horizon, never newer.
 */
int64_t series_drop_horizon_ms(const struct store *store, const struct series *series, bool exact);
/* As old as this, no reader will see it: not even as the newest sample at or before the horizon. */
int64_t store_too_old_ms(const struct store *store, int64_t horizon_ms);

/* coverage.c: since when a selector is covered that is about to stand. */
int64_t coverage_begin_ms(struct store *store, const struct standing *standing);
/* Selectors that were registered before any time was told are covered since now. */
void selectors_time_told(struct store *store);
/* A series was turned away: coverage that waits for a selector is broken. */
void coverage_break(struct store *store);
void coverage_fini(struct store *store);

#endif
