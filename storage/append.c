/*
 * Samples on their way into windows: by key or series, in order at once, what is late with a look
 * at how far back it is wanted; and what is loaded ahead of them.
 */
#include "storage/store_internal.h"

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
	if (ts_ms <= store_too_old_ms(store, horizon_ms))
		return APPEND_LATE;
	/* Of samples there is one a time, of events as many as somebody sends. */
	if (series->kind == WINDOW_EVENTS && window_must_grow(window, horizon_ms) &&
	    store_is_full(store))
		return APPEND_LIMITED;
	size_t bytes = window_bytes(window);
	uint32_t early = window->early;
	enum append_result result = result_of(enter(series, entry, horizon_ms));
	store->series.window_bytes += window_bytes(window) - bytes;
	store->stats.left_early += (uint32_t)(window->early - early);
	return result;
}

void series_revive(struct series *series)
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
		result =
			take_slowly(store, series, &(struct entry){ .ts_ms = ts_ms, .bits = bits });
	if (ts_ms <= store->settled_ms && result == APPEND_STORED)
		series_note_late(series, ts_ms);
	if (series->over && result == APPEND_STORED)
		series_revive(series);
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

enum append_result store_restore_sample(struct store *store, struct series *series, int64_t ts_ms,
					uint32_t ordinal, uint64_t bits)
{
	const struct entry entry = { ts_ms, bits, true, ordinal };
	if (series->over)
		series_revive(series);
	if (ts_ms > store->future_ms)
		return store_count(store, APPEND_FUTURE);
	if (ts_ms > store->floor_ms && window_append(&series->window, ts_ms, bits))
		return store_count(store, APPEND_STORED);
	return store_count(store, take_slowly(store, series, &entry));
}

/* ---- loading ahead ---- */

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
