#include "storage/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
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

void store_options_set(struct store *store, const struct store_options *options)
{
	store->options.lookback_ms = options->lookback_ms;
	store->options.series_max = options->series_max;
	store->options.memory_max = options->memory_max;
	store->options.ignored_max = options->ignored_max;
	key_table_ignored_max_set(&store->keys, options->ignored_max);
	if (store->now_ms != TIME_NONE)
		store->floor_ms = time_minus(store->now_ms, options->lookback_ms);
	store->clock++; /* horizons are another thing now */
}

int store_evict(struct store *store, int64_t *units)
{
	return key_table_evict(&store->keys, units) ? 0 : ERR_AGAIN;
}

struct lset_table *store_lsets(struct store *store)
{
	return store->lsets;
}

/* ---- time ---- */

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

/* ---- memory ---- */

static size_t store_bytes(const struct store *store)
{
	return sizeof(*store) + lset_table_bytes(store->lsets) + store->keys.bytes +
	       slabs_bytes(&store->series.rows, sizeof(struct kept)) +
	       slabs_bytes(&store->series.by_lset, sizeof(uint32_t)) +
	       store->series.window_bytes + store->series.bytes + regex_memo_bytes(&store->memo) +
	       store->selector_bytes + selector_index_bytes(&store->index) + store->readers_bytes;
}

void store_readers_bytes_add(struct store *store, int64_t bytes)
{
	assert(bytes >= 0 || store->readers_bytes >= (size_t)-bytes);
	store->readers_bytes += (size_t)bytes;
}

bool store_is_full(const struct store *store)
{
	return store->options.memory_max && store_bytes(store) >= store->options.memory_max;
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
	return window_newest_ms(window) <=
	       (ended ? reached_ms : store_too_old_ms(store, horizon_ms));
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
