/*
 * The store: series, standing selectors and windows. Owned by the engine thread.
 *
 * Rules come before data: selectors are registered first, and a new series is matched once against
 * all of them. A series that no selector wants is remembered only by its key (ignored) and its
 * samples are dropped; one that is wanted is kept exactly as far back as its readers reach.
 *
 * Horizon H of a series: the oldest time a reader may still ask for = the least of (next due time
 * of the reader − its reach) over the readers of all selectors that hold it. Samples newer than H
 * are kept, and the newest one at or before H.
 *
 * Identity is the canonical label set. The 128-bit keys of raw wire labels only find it quickly:
 * several keys (unsorted labels) may lead to one series, at most KEYS_PER_SERIES_MAX. Should two
 * different label sets ever come with one key, the key is marked ambiguous and the labels are asked
 * for each time.
 *
 * Pointers to series are good until the next store_sweep(), and beyond it while the series is
 * pinned.
 */
#ifndef TOCSIN_STORAGE_STORE_H
#define TOCSIN_STORAGE_STORE_H

#include "base/hash.h"
#include "base/labels.h"
#include "base/matcher.h"
#include "storage/lset.h"
#include "storage/window.h"

#define FUTURE_MAX_MS (10 * 60 * 1000) /* further ahead of the told time: rejected */
#define KEYS_PER_SERIES_MAX 4
#define SELECTOR_MATCHERS_MAX 64

struct store_options {
	int64_t lookback_ms;
	size_t series_max;  /* limits.series; 0: none */
	size_t ignored_max; /* limits.ignored_series: clock eviction beyond it; 0: none is
			       remembered */
	size_t memory_max;  /* limits.memory: no new series beyond it; 0: none */
	/* For tests: a fixed secret instead of a random one. */
	const struct hash_key *key;
	/* For tests: replaces the hash of canonical label sets (their pairs of symbols). */
	struct hash128 (*hash_hook)(const void *bytes, size_t n);
};

struct selector;

struct series {
	uint32_t row;		/* place in the store's table; reused */
	uint32_t uid;		/* never reused: names the series in blocks */
	uint32_t lset;		/* its labels, a reference */
	uint16_t sender;	/* who fed it last (engine/senders.c); see store_sender_set() */
	uint8_t kind;		/* enum window_kind: of the window */
	bool local : 1;		/* written by a rule: demanded always */
	bool in_dictionary : 1; /* its dictionary entry was journaled */
	bool over : 1; /* it ended, and somebody counts on that (see selector.revived): the engine's
			*/
	bool watched : 1; /* some selector that holds it is (or was) watched: the engine's */
	struct window window;
	/* Selectors that hold it, with the member row it has there. */
	struct membership {
		struct selector *selector;
		uint32_t row;
	} * memberships;
	uint32_t nmemberships;
};

/* A reader of a selector: its reach back from *due_ms (range + offset + query offset, or lookback
 * in place of range). */
struct selector_reader {
	const int64_t *due_ms; /* the group's next due time; owned by the engine */
	int64_t reach_ms;
};

struct selector_change {
	uint32_t row;
	bool added; /* else removed */
};

/*
 * Samples of a selector's members that came when what was computed of their time was kept already
 * (see store_settle()): marks with rising numbers and rising times, so that for each number the
 * least time of all later ones is at hand. When there is no room two neighbours become one, which
 * tells too early a time, never too late a one.
 */
#define LATE_MARKS_MAX 8
struct late_log {
	uint64_t count; /* of late samples; goes on */
	struct late_mark {
		uint64_t number;
		int64_t ts_ms;
	} marks[LATE_MARKS_MAX];
	uint32_t n;
};

/*
 * A standing selector. Members have stable rows: members[row] is NULL for a row whose series went;
 * a row is reused only after its removal stands in the log. The log holds changes since
 * selector_log_clear(), in order.
 */
struct selector {
	struct matcher *matchers; /* canonical order */
	size_t nmatchers;
	char *text; /* canonical: {__name__="up",job=~"a|b"} */
	uint32_t refs;
	struct series **members;
	uint32_t nmembers; /* rows, dead ones included */
	uint32_t nlive;
	struct selector_change *log;
	uint32_t nlog;
	int64_t covered_since_ms; /* since when it was fed in full */
	uint64_t fed; /* raised by each sample that a rule wrote to a member: cached results of the
			 same time are void */
	uint64_t revived; /* raised when a member that is over gets a sample: it is no longer */
	struct late_log late;
	struct selector_reader *readers;
	size_t nreaders;
	bool is_watched;   /* whoever joins it is watched, too */
	uint32_t watch;	   /* the engine's: 1 + place of the first who watches it; 0: nobody */
	int64_t bucket_ms; /* the engine's: how wide the buckets are that lines are counted in, for
			      its series; 0: not so */
};

struct store;

/* NULL when out of memory (or of randomness). */
struct store *store_new(const struct store_options *options);
void store_free(struct store *store);
/* Takes lookback and limits of the options into force. Ignored keys beyond a lower limit go by
 * store_evict(). */
void store_options_set(struct store *store, const struct store_options *options);
/* Forgets ignored keys beyond the limit, in pieces: ERR_AGAIN when the units (of some 10 ns) ran
 * out. */
int store_evict(struct store *store, int64_t *units);
struct lset_table *store_lsets(struct store *store);
/* The told time; never goes back. */
void store_time_set(struct store *store, int64_t now_ms);
int64_t store_time(const struct store *store);

/* ---- samples ---- */

/*
 * A sample is late when no reader needs it: at or before H with a newer one at or before H there
 * (also if it came a second time), or by more than the lookback before H and the told time. In
 * order it may be older than H: the newest one at or before H is kept.
 */
enum append_result {
	APPEND_STORED,
	APPEND_IDENTICAL, /* same time, same bits */
	APPEND_LATE,	  /* counted as written, dropped */
	APPEND_IGNORED,	  /* known, demanded by nobody */
	APPEND_CONFLICT,  /* same time, other value */
	APPEND_FUTURE,	  /* more than FUTURE_MAX_MS ahead */
	APPEND_UNKNOWN,	  /* key not known, or ambiguous: call store_birth() and append with what it
			     gives */
	APPEND_LIMITED,	  /* out of memory */
};

/*
 * Starts loading what store_append() of this key will need: its slot at once; with the calls for
 * the following keys its series, and then the end of its window. So call it STORE_PREFETCH_AHEAD
 * keys before the append. A hint: never necessary, never wrong.
 */
#define STORE_PREFETCH_AHEAD 26
void store_prefetch(const struct store *store, struct hash128 key);
/* *out: the series when the key leads to one, else NULL. A sample from the future is refused before
 * the key is looked up. */
enum append_result store_append(struct store *store, struct hash128 key, uint32_t sender,
				int64_t ts_ms, uint64_t bits, struct series **out);
/* Counts a sample that ended so before it came to the store; gives the result back. */
enum append_result store_count(struct store *store, enum append_result result);
/*
 * Introduces a key with its labels: finds or makes the series, or remembers the key as ignored.
 * 0 with *out the series, or NULL when no selector wants it (a series that only a rule writes is
 * not for senders). ERR_LIMIT, ERR_NOMEM: nothing is remembered.
 */
int store_birth(struct store *store, struct hash128 key, const struct labels *labels,
		struct series **out);
/*
 * As store_birth() for a series made of log lines, whose window is of this kind. What a sender has
 * given the same name before is forgotten; from now on it is refused: ignored, as if nobody
 * demanded it.
 */
int store_birth_derived(struct store *store, struct hash128 key, const struct labels *labels,
			enum window_kind kind, struct series **out);
/* As store_append() for a series in hand. */
enum append_result store_append_series(struct store *store, struct series *series, uint32_t sender,
				       int64_t ts_ms, uint64_t bits);
/*
 * A sample of the past that history tells of: as store_append_series(), but counted nowhere, and
 * nobody has fed the series by it.
 */
enum append_result store_append_past(struct store *store, struct series *series, int64_t ts_ms,
				     uint64_t bits);
/* The series that a rule writes, found or made (ERR_LIMIT, ERR_NOMEM): always demanded while it has
 * samples within its readers' reach, at least the lookback. */
int store_local(struct store *store, uint32_t lset, struct series **out);
/* Appends what a rule computed: raises `fed` of the selectors that hold the series. A conflict
 * overwrites nothing. */
enum append_result store_append_local(struct store *store, struct series *series, int64_t ts_ms,
				      uint64_t bits);

/*
 * Something computed from samples up to ts_ms is kept: from now on samples at or before the
 * greatest such time are noted in the late logs of the selectors that hold them.
 */
void store_settle(struct store *store, int64_t ts_ms);
/* The least time of the late samples after the first `seen`; INT64_MAX when there is none. */
int64_t late_log_since(const struct late_log *log, uint64_t seen);

/*
 * Notes since when the counter of a stored sample counts, as far as its sender tells: what is rare
 * costs memory only where it is told. Kept as long as the sample may be. ERR_NOMEM; nothing is
 * noted for times that no double can hold.
 */
int store_start_add(struct store *store, struct series *series, int64_t ts_ms, int64_t start_ms);
/*
 * By series row (*n of them, maybe fewer than there are rows): windows of start times, in
 * milliseconds as numbers, at the times of their samples; NULL for a series without. Good until the
 * next call of the store.
 */
struct window *const *store_starts(const struct store *store, uint32_t *n);

int64_t series_horizon_ms(const struct store *store, const struct series *series);
/* Who feeds the series from now on; appending to it tells that by itself. */
void store_sender_set(struct store *store, struct series *series, uint16_t sender);
/* How many kept series this sender fed last; those that nobody fed yet are of sender 0. */
uint32_t store_sender_series(const struct store *store, uint16_t sender);

/* ---- selectors ---- */

/*
 * A reference to the standing selector of these matchers (any order); equal ones are shared. A new
 * one takes the kept series that match (they are in no log), is covered since now (or since
 * restored, or as a wider selector is: its matchers are among these), and makes ignored keys be
 * asked for again (see store_epoch()). Registered before any time was told: covered since the
 * first. ERR_LIMIT, ERR_NOMEM.
 */
int store_selector_ref(struct store *store, const struct matcher *matchers, size_t n,
		       struct selector **out);
/*
 * The same in pieces: the kept series that match a new one come to it by store_selector_fill(),
 * until that gives 0; ERR_AGAIN when the units ran out, ERR_NOMEM: give the reference back. Series
 * that are born meanwhile come by themselves.
 */
int store_selector_begin(struct store *store, const struct matcher *matchers, size_t n,
			 struct selector **out);
int store_selector_fill(struct store *store, struct selector *selector, int64_t *units);
/* What a series costs that a scan meets, and one that it takes: in units of some 10 ns. */
#define STORE_UNITS_MET 10
#define STORE_UNITS_TAKEN 40
void store_selector_unref(struct store *store, struct selector *selector);
/* The same in pieces: ERR_AGAIN when the units ran out: call again. 0: the reference is gone. */
int store_selector_drop(struct store *store, struct selector *selector, int64_t *units);
/*
 * Declares a reader; due_ms must stay valid until removed. If it reaches back beyond what was kept
 * so far, covered_since_ms moves up: what is older is not there. ERR_NOMEM.
 */
int selector_reader_add(struct selector *selector, const int64_t *due_ms, int64_t reach_ms);
void selector_reader_remove(struct selector *selector, const int64_t *due_ms, int64_t reach_ms);
int64_t selector_horizon_ms(const struct selector *selector);
void selector_log_clear(struct selector *selector);
/* All live selectors. */
struct selector **store_selectors(struct store *store, size_t *n);
/* Selectors whose log got entries since store_changed_clear(), in that order. */
struct selector **store_changed_selectors(struct store *store, size_t *n);
void store_changed_clear(struct store *store);
/* Raised when keys known as ignored may be wanted now: ingest threads clear their caches. */
uint64_t store_epoch(const struct store *store);
/*
 * Tells that this selector (by its canonical text) was covered since then: for a restart. Holds at
 * once for one that is there; for one that is not, until it is referenced or the first series is
 * turned away (which it might have wanted). ERR_LIMIT, ERR_NOMEM.
 */
int store_coverage_restore(struct store *store, struct slice text, int64_t since_ms);

/*
 * Tells that all samples of the selector since then were put in again: it is covered since then, or
 * since before. The selector, or NULL when there is none of that text any more.
 */
struct selector *store_coverage_fill(struct store *store, struct slice text, int64_t since_ms);

/* ---- looking in, restoring ---- */

/* The kept series that match now, for an ad-hoc query; *out is for free() (NULL when *count is 0).
 * ERR_LIMIT, ERR_NOMEM. A selector without name equality walks all. */
int store_select(struct store *store, const struct matcher *matchers, size_t n,
		 struct series ***out, size_t *count);
/*
 * The same in pieces: series are pinned as they are found, until selection_step() gives 0;
 * ERR_AGAIN when the units ran out, ERR_NOMEM. selection_take() gives them away, still pinned, to
 * free(); selection_free() unpins what was not taken.
 */
struct selection;
int selection_new(struct store *store, const struct matcher *matchers, size_t n,
		  struct selection **out);
int selection_step(struct selection *selection, int64_t *units);
struct series **selection_take(struct selection *selection, size_t *count);
void selection_free(struct selection *selection);
/* Keeps the series in memory (its row and window) while a query holds it. */
void series_pin(struct series *series);
void series_unpin(struct store *store, struct series *series);
/*
 * Forgets series that no reader can reach any more (the newest sample is by the lookback before H
 * and the told time, or a stale marker and at or before both, or there is none; or no selector
 * wants them and no rule writes them) and trims windows: looks at `max` rows a call at most, going
 * on where the last one ended.
 */
void store_sweep(struct store *store, size_t max);
/* Walks rows [*cursor, …): the next live series, or NULL at the end. */
struct series *store_next(struct store *store, uint32_t *cursor);
/*
 * A dictionary entry read back: *out NULL when nobody wants it now. A series known by another uid
 * takes the later one. ERR_INVALID (uid), ERR_LIMIT, ERR_NOMEM.
 */
int store_restore_series(struct store *store, uint32_t uid, const struct labels *labels, bool local,
			 enum window_kind kind, struct series **out);
/* A sample read back: see window_restore(). */
enum append_result store_restore_sample(struct store *store, struct series *series, int64_t ts_ms,
					uint32_t ordinal, uint64_t bits);

struct store_stats {
	uint64_t series, ignored, born, forgotten, symbols,
		selectors; /* ignored: keys, of this epoch */
	uint64_t stored, identical, late, dropped_ignored, conflict, future, limited;
	uint64_t keys_ambiguous, ignored_evicted, bytes;
	uint64_t left_early; /* samples that a window's limits dropped before their time (window.h)
			      */
};
void store_stats_get(const struct store *store, struct store_stats *out);
/*
 * Readers keep so many bytes more (or, negative, fewer) for the series that they read: counted with
 * those of the store, and so in limits.memory. What they have told they take back before the end.
 */
void store_readers_bytes_add(struct store *store, int64_t bytes);
/* Walks all invariants; for tests. */
void store_check(const struct store *store);

#endif
