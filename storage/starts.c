/*
 * Start times: since when the counter of a sample counts, beside the windows of the few series
 * whose senders tell it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/bits.h"
#include "base/error.h"
#include "storage/store_internal.h"

/* Whole numbers that a double holds exactly. */
#define START_ABS_MAX (INT64_C(1) << 53)

static struct window *starts_of(struct series_table *table, uint32_t row)
{
	return row < table->starts_cap ? table->starts[row] : NULL;
}

static bool rows_reserve(struct series_table *table, uint32_t row)
{
	uint32_t cap = table->rows.n * SLAB_ITEMS;
	if (row < table->starts_cap)
		return true;
	if (!array_resize(&table->starts, cap, sizeof(struct window *)))
		return false;
	memset(table->starts + table->starts_cap, 0,
	       (cap - table->starts_cap) * sizeof(struct window *));
	table->bytes += (cap - table->starts_cap) * sizeof(struct window *);
	table->starts_cap = cap;
	return true;
}

static struct window *starts_make(struct series_table *table, uint32_t row)
{
	if (!rows_reserve(table, row))
		return NULL;
	if (table->starts[row])
		return table->starts[row];
	struct window *starts = malloc(sizeof(*starts));
	if (!starts)
		return NULL;
	window_init(starts);
	table->bytes += sizeof(*starts) + window_bytes(starts);
	return table->starts[row] = starts;
}

int store_start_add(struct store *store, struct series *series, int64_t ts_ms, int64_t start_ms)
{
	struct series_table *table = &store->series;
	if (start_ms > START_ABS_MAX || start_ms < -START_ABS_MAX)
		return 0;
	struct window *starts = starts_make(table, series->row);
	if (!starts)
		return ERR_NOMEM;
	uint64_t bits = bits_of_double((double)start_ms);
	size_t bytes = window_bytes(starts);
	enum window_result result =
		window_add(starts, ts_ms, bits, series_drop_horizon_ms(store, series, false));
	table->bytes += window_bytes(starts) - bytes;
	return result == WINDOW_NOMEM ? ERR_NOMEM : 0;
}

struct window *const *store_starts(const struct store *store, uint32_t *n)
{
	*n = store->series.starts_cap;
	return store->series.starts;
}

void starts_forget(struct series_table *table, uint32_t row)
{
	struct window *starts = starts_of(table, row);
	if (!starts)
		return;
	table->bytes -= sizeof(*starts) + window_bytes(starts);
	window_fini(starts);
	free(starts);
	table->starts[row] = NULL;
}

void starts_trim(struct series_table *table, uint32_t row, int64_t horizon_ms)
{
	struct window *starts = starts_of(table, row);
	if (!starts)
		return;
	size_t bytes = window_bytes(starts);
	window_trim(starts, horizon_ms);
	table->bytes += window_bytes(starts) - bytes;
}

void starts_fini(struct series_table *table)
{
	for (uint32_t row = 0; row < table->starts_cap; row++)
		starts_forget(table, row);
	free(table->starts);
}
