/*
 * The readers of standing selectors, and the horizons that follow from them: how far back samples
 * are wanted.
 */
#include <assert.h>

#include "base/array.h"
#include "base/error.h"
#include "storage/store_internal.h"

int selector_reader_add(struct selector *selector, const int64_t *due_ms, int64_t reach_ms)
{
	struct standing *standing = standing_of(selector);
	if (selector->nreaders == standing->readers_cap) {
		uint32_t cap = standing->readers_cap ? standing->readers_cap * 2 : 1;
		if (!array_resize(&selector->readers, cap, sizeof(*selector->readers)))
			return ERR_NOMEM;
		standing->readers_cap = cap;
	}
	selector->readers[selector->nreaders++] = (struct selector_reader){ due_ms, reach_ms };
	/* It reaches back beyond what was kept for the others: that part is not there. */
	if (time_minus(*due_ms, reach_ms) < standing->dropped_ms &&
	    selector->covered_since_ms < standing->dropped_ms)
		selector->covered_since_ms = standing->dropped_ms;
	standing->horizon_at = 0;
	return 0;
}

void selector_reader_remove(struct selector *selector, const int64_t *due_ms, int64_t reach_ms)
{
	struct selector_reader *readers = selector->readers;
	for (size_t i = 0; i < selector->nreaders; i++) {
		if (readers[i].due_ms != due_ms || readers[i].reach_ms != reach_ms)
			continue;
		readers[i] = readers[--selector->nreaders];
		standing_of(selector)->horizon_at = 0;
		return;
	}
	assert(!"a reader is removed as it was added");
}

static int64_t lookback_horizon_ms(const struct store *store)
{
	return time_minus(store->now_ms, store->options.lookback_ms);
}

int64_t selector_horizon_ms(const struct selector *selector)
{
	const struct standing *standing = (const struct standing *)selector;
	if (selector->nreaders == 0)
		return lookback_horizon_ms(standing->store);
	int64_t horizon_ms = INT64_MAX;
	for (size_t i = 0; i < selector->nreaders; i++) {
		const struct selector_reader *reader = &selector->readers[i];
		int64_t reaches_ms = time_minus(*reader->due_ms, reader->reach_ms);
		if (reaches_ms < horizon_ms)
			horizon_ms = reaches_ms;
	}
	return horizon_ms;
}

/* Works it out and notes that samples may be dropped by it. */
static int64_t refresh_horizon(struct selector *selector)
{
	struct standing *standing = standing_of(selector);
	standing->horizon_ms = selector_horizon_ms(selector);
	standing->horizon_at = standing->store->clock;
	if (standing->dropped_ms < standing->horizon_ms)
		standing->dropped_ms = standing->horizon_ms;
	return standing->horizon_ms;
}

/* Once for a told time: due times that moved since make it older than it might be, never newer. */
static int64_t recent_horizon(struct selector *selector)
{
	const struct standing *standing = standing_of(selector);
	return standing->horizon_at == standing->store->clock ? standing->horizon_ms
							      : refresh_horizon(selector);
}

static int64_t exact_horizon(struct selector *selector)
{
	return selector_horizon_ms(selector);
}

static int64_t series_horizon(const struct store *store, const struct series *series,
			      int64_t (*of_selector)(struct selector *selector))
{
	int64_t horizon_ms = INT64_MAX;
	if (series->local || series->nmemberships == 0)
		horizon_ms = lookback_horizon_ms(store);
	for (uint32_t i = 0; i < series->nmemberships; i++) {
		int64_t its_ms = of_selector(series->memberships[i].selector);
		if (its_ms < horizon_ms)
			horizon_ms = its_ms;
	}
	return horizon_ms;
}

int64_t series_horizon_ms(const struct store *store, const struct series *series)
{
	return series_horizon(store, series, exact_horizon);
}

int64_t series_drop_horizon_ms(const struct store *store, const struct series *series, bool exact)
{
	return series_horizon(store, series, exact ? refresh_horizon : recent_horizon);
}

int64_t store_too_old_ms(const struct store *store, int64_t horizon_ms)
{
	int64_t from_ms = horizon_ms < store->now_ms ? horizon_ms : store->now_ms;
	return time_minus(from_ms, store->options.lookback_ms);
}
