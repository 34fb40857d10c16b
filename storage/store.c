#include "storage/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "storage/array.h"
#include "storage/store_internal.h"

/* ---- making and freeing ---- */

static int store_init(struct store *store, const struct store_options *options)
{
	store->options = *options;
	store->options.key = NULL; /* copied below, not kept */
	store->now_ms = TIME_NONE;
	store->future_ms = INT64_MAX;
	store->settled_ms = TIME_NONE;
	store->floor_ms = TIME_NONE;
	store->clock = 1;
	if (options->key)
		store->key = *options->key;
	else if (hash_key_init(&store->key) < 0)
		return ERR_IO;
	store->lsets = lset_table_new(&store->key);
	store->prefetch = calloc(1, sizeof(*store->prefetch));
	store->sender_series = calloc(SENDER_NUMBERS, sizeof(*store->sender_series));
	if (!store->lsets || !store->prefetch || !store->sender_series)
		return ERR_NOMEM;
	if (options->hash_hook)
		lset_table_hash_hook(store->lsets, options->hash_hook);
	key_table_init(&store->keys, options->ignored_max);
	series_table_init(&store->series);
	regex_memo_init(&store->memo, store->lsets);
	id_index_init(&store->selector_by_text);
	store->metric_name = symbol_intern(store->lsets, SLICE(METRIC_NAME));
	selector_index_init(&store->index, store->metric_name);
	return store->metric_name == UINT32_MAX ? ERR_NOMEM : 0;
}

struct store *store_new(const struct store_options *options)
{
	struct store *store = calloc(1, sizeof(*store));
	if (store && store_init(store, options) < 0) {
		store_free(store);
		return NULL;
	}
	return store;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	if (store->lsets) {
		selectors_fini(store);
		selector_index_fini(&store->index);
		series_table_fini(store);
		regex_memo_fini(&store->memo);
		key_table_fini(&store->keys);
	}
	lset_table_free(store->lsets);
	free(store->prefetch);
	free(store->sender_series);
	free(store);
}

struct lset_table *store_lsets(struct store *store)
{
	return store->lsets;
}

/* ---- time ---- */

int64_t time_minus(int64_t a, int64_t b)
{
	return a < INT64_MIN + b ? INT64_MIN : a - b;
}

void store_time_set(struct store *store, int64_t now_ms)
{
	if (now_ms <= store->now_ms)
		return;
	bool first = store->now_ms == TIME_NONE;
	store->now_ms = now_ms;
	store->future_ms = now_ms > INT64_MAX - FUTURE_MAX_MS ? INT64_MAX : now_ms + FUTURE_MAX_MS;
	store->floor_ms = time_minus(now_ms, store->options.lookback_ms);
	store->clock++;
	if (first)
		selectors_time_told(store);
}

int64_t store_time(const struct store *store)
{
	return store->now_ms;
}

/* ---- samples ---- */

enum append_result store_count(struct store *store, enum append_result result)
{
	struct store_stats *stats = &store->stats;
	switch (result) {
	case APPEND_STORED:
		stats->stored++;
		break;
	case APPEND_IDENTICAL:
		stats->identical++;
		break;
	case APPEND_LATE:
		stats->late++;
		break;
	case APPEND_IGNORED:
		stats->dropped_ignored++;
		break;
	case APPEND_CONFLICT:
		stats->conflict++;
		break;
	case APPEND_FUTURE:
		stats->future++;
		break;
	case APPEND_LIMITED:
		stats->limited++;
		break;
	case APPEND_UNKNOWN:
		break;
	}
	return result;
}

/* As old as this, no reader will see it: not even as the newest sample at or before H. */
static int64_t too_old_ms(const struct store *store, int64_t horizon_ms)
{
	int64_t from_ms = horizon_ms < store->now_ms ? horizon_ms : store->now_ms;
	return time_minus(from_ms, store->options.lookback_ms);
}

static enum append_result result_of(enum window_result result)
{
	switch (result) {
	case WINDOW_STORED:
		return APPEND_STORED;
	case WINDOW_IDENTICAL:
		return APPEND_IDENTICAL;
	case WINDOW_CONFLICT:
		return APPEND_CONFLICT;
	case WINDOW_LATE:
		return APPEND_LATE;
	case WINDOW_NOMEM:
		break;
	}
	return APPEND_LIMITED;
}

static size_t store_bytes(const struct store *store)
{
	return sizeof(*store) + lset_table_bytes(store->lsets) + store->keys.bytes +
	       store->series.window_bytes + store->series.bytes + regex_memo_bytes(&store->memo) +
	       store->selector_bytes + selector_index_bytes(&store->index);
}

static bool is_memory_full(const struct store *store)
{
	return store->options.memory_max && store_bytes(store) >= store->options.memory_max;
}

/* How a sample goes into a window that has no room for it at its end. */
struct entry {
	int64_t ts_ms;
	uint64_t bits;
	bool restored;
	uint32_t ordinal; /* of a restored event among those of its time */
};

static enum window_result enter(struct series *series, const struct entry *entry,
				int64_t horizon_ms)
{
	enum window_kind kind = series->kind;
	if (entry->restored)
		return window_restore(&series->window, kind, entry->ts_ms, entry->ordinal,
				      entry->bits, horizon_ms);
	return window_merge(&series->window, kind, entry->ts_ms, entry->bits, horizon_ms);
}

/* What is late, old or finds no room: here the horizon must be known. */
static enum append_result take_slowly(struct store *store, struct series *series,
				      const struct entry *entry)
{
	struct window *window = &series->window;
	int64_t ts_ms = entry->ts_ms;
	bool exact = ts_ms <= window_newest_ms(window) || ts_ms <= store->floor_ms;
	int64_t horizon_ms = series_drop_horizon_ms(store, series, exact);
	if (ts_ms <= too_old_ms(store, horizon_ms))
		return APPEND_LATE;
	/* Of samples there is one a time, of events as many as somebody sends. */
	if (series->kind == WINDOW_EVENTS && window_must_grow(window, horizon_ms) &&
	    is_memory_full(store))
		return APPEND_LIMITED;
	size_t bytes = window_bytes(window);
	uint32_t early = window->early;
	enum append_result result = result_of(enter(series, entry, horizon_ms));
	store->series.window_bytes += window_bytes(window) - bytes;
	store->stats.left_early += (uint32_t)(window->early - early);
	return result;
}

static void revive(struct series *series)
{
	series->over = false;
	for (uint32_t i = 0; i < series->nmemberships; i++)
		series->memberships[i].selector->revived++;
}

static inline enum append_result take(struct store *store, struct series *series, int64_t ts_ms,
				      uint64_t bits)
{
	struct window *window = &series->window;
	enum append_result result = APPEND_STORED;
	if (ts_ms <= store->floor_ms || !window_append(window, ts_ms, bits))
		result = take_slowly(store, series,
				     &(struct entry){ .ts_ms = ts_ms, .bits = bits });
	if (ts_ms <= store->settled_ms && result == APPEND_STORED)
		series_note_late(series, ts_ms);
	if (series->over && result == APPEND_STORED)
		revive(series);
	return result;
}

enum append_result store_append_series(struct store *store, struct series *series, uint32_t sender,
				       int64_t ts_ms, uint64_t bits)
{
	if (ts_ms > store->future_ms)
		return store_count(store, APPEND_FUTURE);
	enum append_result result = take(store, series, ts_ms, bits);
	if (result == APPEND_STORED && series->sender != sender)
		store_sender_set(store, series, (uint16_t)sender);
	return store_count(store, result);
}

enum append_result store_append_past(struct store *store, struct series *series, int64_t ts_ms,
				     uint64_t bits)
{
	return ts_ms > store->future_ms ? APPEND_FUTURE : take(store, series, ts_ms, bits);
}

/*
 * What a key stands for. Senders send their series in the order in which those were born: while
 * that holds, a key is met in the row after the last one's, which is memory read in order, without
 * a look into the key table, which is not.
 */
static inline uint32_t find_key(const struct store *store, struct row_order *order,
				struct hash128 key)
{
	uint32_t row = order->next_row;
	if (order->holds && row < store->series.nrows) {
		const struct kept *kept = kept_at(&store->series, row);
		if (kept->nkeys > 0 && hash128_is_equal(kept->key, key)) {
			order->next_row++;
			return KEY_ROW + row;
		}
	}
	uint32_t what = key_table_find(&store->keys, key);
	order->holds = what == KEY_ROW + row;
	if (what >= KEY_ROW)
		order->next_row = what - KEY_ROW + 1;
	return what;
}

/* How many calls ago the key was given whose series, window, or demand is loaded now. */
#define SERIES_STEP 10
#define WINDOW_STEP 16
#define DEMAND_STEP 22
#define LINE_BYTES 64
_Static_assert(DEMAND_STEP<PREFETCH_RING && STORE_PREFETCH_AHEAD> DEMAND_STEP, "steps in time");

static void prefetch_bytes(const void *from, size_t n)
{
	for (size_t at = 0; at < n; at += LINE_BYTES)
		__builtin_prefetch((const char *)from + at, 1);
}

/*
 * The end of the window; or, when it is full, all of it (up to a size: it will be compacted) and
 * what tells how far back it is demanded.
 */
static bool prefetch_window(const struct kept *kept)
{
	const struct window *window = &kept->series.window;
	if (window_has_room(window)) {
		uint32_t end = window->start + window->n;
		__builtin_prefetch(window->values + end, 1);
		__builtin_prefetch(window_offsets(window) + end, 1);
		return false;
	}
	__builtin_prefetch(&kept->series.memberships);
	if (window->cap > 0 && window_bytes(window) <= 16 * LINE_BYTES)
		prefetch_bytes(window->values, window_bytes(window));
	return true;
}

static void prefetch_row(const struct store *store, uint32_t row)
{
	if (row < store->series.nrows)
		prefetch_bytes(kept_at(&store->series, row), sizeof(struct kept));
}

void store_prefetch(const struct store *store, struct hash128 key)
{
	struct prefetch *prefetch = store->prefetch;
	uint32_t at = prefetch->at++;
	prefetch->keys[at % PREFETCH_RING] = key;
	if (prefetch->order.holds)
		prefetch_row(store, prefetch->order.next_row + SERIES_STEP);
	else
		key_table_prefetch(&store->keys, key);

	uint32_t before = (at - SERIES_STEP) % PREFETCH_RING;
	uint32_t what = find_key(store, &prefetch->order, prefetch->keys[before]);
	const struct kept *kept = NULL;
	if (what >= KEY_ROW) {
		kept = kept_at(&store->series, what - KEY_ROW);
		__builtin_prefetch(kept, 1);
	}
	prefetch->found[before] = kept;

	/* Slabs are never given back: should the series have gone meanwhile, the look is vain, not
	 * wrong. */
	before = (at - WINDOW_STEP) % PREFETCH_RING;
	if (prefetch->found[before] && !prefetch_window(prefetch->found[before]))
		prefetch->found[before] = NULL;
	kept = prefetch->found[(at - DEMAND_STEP) % PREFETCH_RING];
	if (kept)
		__builtin_prefetch(kept->series.memberships);
}

enum append_result store_append(struct store *store, struct hash128 key, uint32_t sender,
				int64_t ts_ms, uint64_t bits, struct series **out)
{
	*out = NULL;
	if (ts_ms > store->future_ms)
		return store_count(store, APPEND_FUTURE);
	uint32_t what = find_key(store, &store->append_order, key);
	if (what < KEY_ROW)
		return store_count(store, what == KEY_IGNORED ? APPEND_IGNORED : APPEND_UNKNOWN);
	struct series *series = &kept_at(&store->series, what - KEY_ROW)->series;
	*out = series;
	return store_append_series(store, series, sender, ts_ms, bits);
}

enum append_result store_append_local(struct store *store, struct series *series, int64_t ts_ms,
				      uint64_t bits)
{
	if (ts_ms > store->future_ms)
		return store_count(store, APPEND_FUTURE);
	enum append_result result = take(store, series, ts_ms, bits);
	if (result == APPEND_STORED)
		for (uint32_t i = 0; i < series->nmemberships; i++)
			series->memberships[i].selector->fed++;
	return store_count(store, result);
}

void store_sender_set(struct store *store, struct series *series, uint16_t sender)
{
	store->sender_series[series->sender]--;
	store->sender_series[sender]++;
	series->sender = sender;
}

uint32_t store_sender_series(const struct store *store, uint16_t sender)
{
	return store->sender_series[sender];
}

/* ---- births ---- */

/* A new series of labels that store->found wants, or that is local. */
static int born(struct store *store, const struct labels *labels, uint32_t uid, bool local,
		struct kept **out)
{
	if (is_memory_full(store))
		return ERR_LIMIT;
	uint32_t lset = lset_intern(store->lsets, labels);
	if (lset == LSET_NONE)
		return ERR_NOMEM;
	int code = series_new(store, lset, uid, local, out);
	lset_unref(store->lsets, lset);
	return code;
}

/* The series of these labels: found, or made if a selector wants it, or NULL. */
static int find_or_make(struct store *store, const struct labels *labels, enum window_kind kind,
			struct kept **out)
{
	struct subject subject;
	subject_from_labels(store->lsets, labels, &subject);
	*out = series_of_lset(store, subject_lset(store->lsets, &subject));
	if (*out)
		return 0;
	int code = selectors_find(store, &subject);
	if (code == 0 && store->found.n > 0)
		code = born(store, labels, 0, false, out);
	regex_memo_settle(&store->memo);
	if (*out)
		(*out)->series.kind = kind;
	return code;
}

/* The series begins anew, with a window of another kind: what it holds means something else. */
static void kind_change(struct store *store, struct kept *kept, enum window_kind kind)
{
	struct series *series = &kept->series;
	revive(series);
	while (kept->nkeys > 0) {
		struct hash128 key = series_key_at(kept, 0);
		series_key_drop(kept, key);
		key_table_remove(&store->keys, key);
	}
	store->series.window_bytes -= window_bytes(&series->window);
	window_fini(&series->window);
	starts_forget(&store->series, series->row);
	series->kind = kind;
	series->in_dictionary = false;
}

/* Two label sets came with one key: from now on the labels are asked for. */
static void key_is_ambiguous(struct store *store, struct hash128 key)
{
	uint32_t what = key_table_find(&store->keys, key);
	if (what >= KEY_ROW)
		series_key_drop(kept_at(&store->series, what - KEY_ROW), key);
	key_table_set(&store->keys, key, KEY_AMBIGUOUS);
}

/*
 * A series that is only local, or that waits to be forgotten, is as good as none to whoever sends
 * it: what the same labels would be if the series were not there.
 */
static bool is_demanded(const struct kept *kept)
{
	return kept && kept->series.nmemberships > 0;
}

/* Notes what the labels of a key turned out to be. */
static void learn_key(struct store *store, struct hash128 key, struct kept *kept)
{
	uint32_t what = key_table_find(&store->keys, key);
	if (what == KEY_AMBIGUOUS || (kept && what == KEY_ROW + kept->series.row) ||
	    (what == KEY_IGNORED && !is_demanded(kept)))
		return;
	if (what != KEY_UNKNOWN) {
		key_is_ambiguous(store, key);
	} else if (is_demanded(kept)) {
		series_key_add(store, kept, key);
	} else if (key_table_reserve(&store->keys, key)) {
		key_table_set(&store->keys, key, KEY_IGNORED);
	}
}

static int birth(struct store *store, struct hash128 key, const struct labels *labels,
		 enum window_kind kind, struct series **out)
{
	struct kept *kept;
	int code = find_or_make(store, labels, kind, &kept);
	if (code < 0) {
		if (code == ERR_LIMIT)
			store->stats.limited++;
		return code;
	}
	if (kept && kept->series.kind != kind) {
		if (kind == WINDOW_SAMPLES || kept->series.local) {
			*out = NULL;
			store->stats.dropped_ignored++;
			return 0;
		}
		kind_change(store, kept, kind);
	}
	if (!is_demanded(kept))
		coverage_break(store);
	learn_key(store, key, kept);
	*out = is_demanded(kept) ? &kept->series : NULL;
	if (!*out)
		store->stats.dropped_ignored++; /* the sample that brought the key */
	return 0;
}

int store_birth(struct store *store, struct hash128 key, const struct labels *labels,
		struct series **out)
{
	return birth(store, key, labels, WINDOW_SAMPLES, out);
}

int store_birth_derived(struct store *store, struct hash128 key, const struct labels *labels,
			enum window_kind kind, struct series **out)
{
	return birth(store, key, labels, kind, out);
}

int store_restore_series(struct store *store, uint32_t uid, const struct labels *labels, bool local,
			 enum window_kind kind, struct series **out)
{
	struct series_table *table = &store->series;
	struct subject subject;
	if (uid == 0 || uid == UINT32_MAX)
		return ERR_INVALID;
	if (table->next_uid <= uid)
		table->next_uid = uid + 1;
	subject_from_labels(store->lsets, labels, &subject);
	struct kept *kept = series_of_lset(store, subject_lset(store->lsets, &subject));
	int code = 0;
	if (!kept) {
		code = selectors_find(store, &subject);
		if (code == 0 && (local || store->found.n > 0))
			code = born(store, labels, uid, local, &kept);
		regex_memo_settle(&store->memo);
	}
	if (code < 0)
		return code;
	*out = kept ? &kept->series : NULL;
	if (kept) {
		if (kept->series.kind != kind)
			kind_change(store, kept, kind);
		kept->series.uid = uid;
		kept->series.local |= local;
		kept->series.in_dictionary = true;
	}
	return 0;
}

enum append_result store_restore_sample(struct store *store, struct series *series, int64_t ts_ms,
					uint32_t ordinal, uint64_t bits)
{
	const struct entry entry = { ts_ms, bits, true, ordinal };
	if (series->over)
		revive(series);
	if (ts_ms > store->future_ms)
		return store_count(store, APPEND_FUTURE);
	if (ts_ms > store->floor_ms && window_append(&series->window, ts_ms, bits))
		return store_count(store, APPEND_STORED);
	return store_count(store, take_slowly(store, series, &entry));
}

int store_local(struct store *store, uint32_t lset, struct series **out)
{
	struct kept *kept = series_of_lset(store, lset);
	if (!kept) {
		struct subject subject;
		subject_from_lset(store->lsets, lset, &subject);
		int code = selectors_find(store, &subject);
		if (code == 0)
			code = series_new(store, lset, 0, true, &kept);
		regex_memo_settle(&store->memo);
		if (code < 0)
			return code;
	}
	kept->series.local = true;
	*out = &kept->series;
	return 0;
}

/* ---- looking in ---- */

void series_pin(struct series *series)
{
	kept_of(series)->pins++;
}

void series_unpin(struct store *store, struct series *series)
{
	struct kept *kept = kept_of(series);
	assert(kept_is_live(kept) && kept->pins > 0);
	kept->pins--; /* the sweep takes it, should it be over */
}

struct series *store_next(struct store *store, uint32_t *cursor)
{
	while (*cursor < store->series.nrows) {
		struct kept *kept = kept_at(&store->series, (*cursor)++);
		if (kept_is_live(kept))
			return &kept->series;
	}
	return NULL;
}

/*
 * Can no reader reach any of its samples? Of a series that ended none is left as soon as its stale
 * marker is at or before the horizon; one that just fell silent stays by the lookback longer, so
 * that what comes late finds it.
 */
static bool is_out_of_reach(const struct store *store, const struct series *series,
			    int64_t horizon_ms)
{
	const struct window *window = &series->window;
	bool ended = window->n > 0 && value_is_stale(window->newest);
	int64_t reached_ms = horizon_ms < store->now_ms ? horizon_ms : store->now_ms;
	return window_newest_ms(window) <= (ended ? reached_ms : too_old_ms(store, horizon_ms));
}

static void sweep_one(struct store *store, struct kept *kept)
{
	struct series *series = &kept->series;
	if (!kept_is_live(kept) || kept->pins > 0)
		return;
	int64_t horizon_ms = series_drop_horizon_ms(store, series, false);
	if ((series->nmemberships == 0 && !series->local) ||
	    is_out_of_reach(store, series, horizon_ms)) {
		series_forget(store, kept);
		return;
	}
	size_t bytes = window_bytes(&series->window);
	window_trim(&series->window, horizon_ms);
	starts_trim(&store->series, series->row, horizon_ms);
	store->series.window_bytes += window_bytes(&series->window) - bytes;
}

void store_sweep(struct store *store, size_t max)
{
	if (store->now_ms == TIME_NONE)
		return;
	size_t n = max < store->series.nrows ? max : store->series.nrows;
	while (n-- > 0) {
		if (store->sweep_row >= store->series.nrows)
			store->sweep_row = 0;
		sweep_one(store, kept_at(&store->series, store->sweep_row++));
	}
}

uint64_t store_epoch(const struct store *store)
{
	return store->keys.epoch;
}

void store_stats_get(const struct store *store, struct store_stats *out)
{
	*out = store->stats;
	out->series = store->series.nlive;
	out->ignored = store->keys.ignored_now;
	out->symbols = lset_table_symbols(store->lsets);
	out->selectors = store->nselectors;
	out->keys_ambiguous = store->keys.ambiguous;
	out->ignored_evicted = store->keys.evicted;
	out->bytes = store_bytes(store);
}
