/*
 * The series table: rows in slabs, label sets to rows, postings by metric name, and each series'
 * raw keys.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "storage/store_internal.h"

void series_table_init(struct series_table *table)
{
	*table = (struct series_table){ .next_uid = 1 };
	id_index_init(&table->posting_index);
}

void series_table_fini(struct store *store)
{
	struct series_table *table = &store->series;
	for (uint32_t row = 0; row < table->nrows; row++) {
		struct kept *kept = kept_at(table, row);
		if (!kept_is_live(kept))
			continue;
		window_fini(&kept->series.window);
		free(kept->series.memberships);
		free(kept->more_keys);
	}
	starts_fini(table);
	for (uint32_t i = 0; i < table->npostings; i++)
		free(table->postings[i].rows);
	slabs_fini(&table->rows);
	free(table->postings);
	slabs_fini(&table->by_lset);
	id_index_fini(&table->posting_index);
}

/* ---- rows ---- */

static bool row_reserve(struct series_table *table)
{
	return table->free_row ||
	       (table->nrows < KEY_ROWS_MAX - SLAB_ITEMS &&
		slabs_reserve(&table->rows, table->nrows, sizeof(struct kept)));
}

/* The row a reserved place will have. */
static uint32_t row_take(struct series_table *table)
{
	if (!table->free_row)
		return table->nrows++;
	uint32_t row = table->free_row - 1;
	table->free_row = kept_at(table, row)->free_next;
	return row;
}

/* ---- label sets ---- */

static uint32_t *row_of_lset(const struct series_table *table, uint32_t lset)
{
	return SLABS_AT(&table->by_lset, uint32_t, lset);
}

static bool by_lset_reserve(struct series_table *table, uint32_t lset)
{
	for (uint32_t n; (n = table->by_lset.n * SLAB_ITEMS) <= lset;) {
		if (!slabs_reserve(&table->by_lset, n, sizeof(uint32_t)))
			return false;
		memset(row_of_lset(table, n), 0xff, SLAB_ITEMS * sizeof(uint32_t)); /* ID_NONE */
	}
	return true;
}

struct kept *series_of_lset(const struct store *store, uint32_t lset)
{
	const struct series_table *table = &store->series;
	if (lset / SLAB_ITEMS >= table->by_lset.n || *row_of_lset(table, lset) == ID_NONE)
		return NULL;
	return kept_at(table, *row_of_lset(table, lset));
}

/* ---- postings ---- */

static uint32_t metric_hash(uint32_t metric)
{
	return metric * 0x9e3779b9u;
}

static uint32_t posting_place(const struct series_table *table, uint32_t metric)
{
	uint32_t hash = metric_hash(metric);
	for (uint32_t at = hash, id;
	     (id = id_index_next(&table->posting_index, hash, &at)) != ID_NONE;)
		if (table->postings[id].metric == metric)
			return id;
	return ID_NONE;
}

const struct posting *posting_find(const struct series_table *table, uint32_t metric)
{
	uint32_t id = posting_place(table, metric);
	return id == ID_NONE ? NULL : &table->postings[id];
}

static struct posting *posting_new(struct series_table *table, uint32_t metric)
{
	if (!id_index_reserve(&table->posting_index) ||
	    !ARRAY_RESERVE(&table->postings, table->npostings, &table->postings_cap))
		return NULL;
	uint32_t id = table->npostings++;
	id_index_add(&table->posting_index, metric_hash(metric), id);
	table->postings[id] = (struct posting){ .metric = metric };
	return &table->postings[id];
}

/* The posting goes; the last one takes its place. */
static void posting_free(struct series_table *table, uint32_t id)
{
	struct posting *posting = &table->postings[id],
		       *last = &table->postings[--table->npostings];
	table->bytes -= posting->cap * sizeof(*posting->rows);
	id_index_remove(&table->posting_index, metric_hash(posting->metric), id);
	free(posting->rows);
	if (posting == last)
		return;
	id_index_remove(&table->posting_index, metric_hash(last->metric), table->npostings);
	id_index_add(&table->posting_index, metric_hash(last->metric), id);
	*posting = *last;
}

/* Room for one more row; an empty posting stays when that fails, and goes with its next series. */
static bool posting_reserve(struct series_table *table, uint32_t metric)
{
	uint32_t id = posting_place(table, metric);
	struct posting *posting = id == ID_NONE ? posting_new(table, metric) : &table->postings[id];
	if (!posting)
		return false;
	if (posting->n < posting->cap)
		return true;
	uint32_t cap = posting->cap ? posting->cap + posting->cap / 2 + 1 : 1;
	if (!array_resize(&posting->rows, cap, sizeof(*posting->rows)))
		return false;
	table->bytes += (cap - posting->cap) * sizeof(*posting->rows);
	posting->cap = cap;
	return true;
}

static void posting_add(struct series_table *table, uint32_t metric, struct kept *kept)
{
	struct posting *posting = &table->postings[posting_place(table, metric)];
	kept->posting_at = posting->n;
	posting->rows[posting->n++] = kept->series.row;
}

static void posting_remove(struct series_table *table, uint32_t metric, const struct kept *kept)
{
	uint32_t id = posting_place(table, metric);
	struct posting *posting = &table->postings[id];
	uint32_t last = posting->rows[--posting->n];
	posting->rows[kept->posting_at] = last;
	kept_at(table, last)->posting_at = kept->posting_at;
	if (posting->n == 0)
		posting_free(table, id);
}

static int scan_metric(struct series_scan *scan, const struct posting *posting)
{
	scan->by_metric = true;
	if (!posting || posting->n == 0)
		return 0;
	scan->rows = malloc(posting->n * sizeof(*scan->rows));
	if (!scan->rows)
		return ERR_NOMEM;
	memcpy(scan->rows, posting->rows, posting->n * sizeof(*scan->rows));
	scan->nrows = posting->n;
	return 0;
}

int series_scan_init(struct series_scan *scan, const struct store *store,
		     const struct compiled_matcher *matchers, size_t n)
{
	*scan = (struct series_scan){ .store = store };
	for (size_t i = 0; i < n; i++)
		if (matchers[i].type == MATCH_EQ && matchers[i].name == store->metric_name &&
		    matchers[i].value != SYMBOL_NONE)
			return scan_metric(scan, posting_find(&store->series, matchers[i].value));
	return 0;
}

void series_scan_fini(struct series_scan *scan)
{
	free(scan->rows);
}

struct kept *series_scan_next(struct series_scan *scan)
{
	const struct series_table *table = &scan->store->series;
	while (scan->next < (scan->by_metric ? scan->nrows : table->nrows)) {
		uint32_t at = scan->next++;
		struct kept *kept = kept_at(table, scan->by_metric ? scan->rows[at] : at);
		if (kept_is_live(kept))
			return kept;
	}
	return NULL;
}

/* ---- keys ---- */

static struct hash128 *key_place(struct kept *kept, uint32_t i)
{
	return i == 0 ? &kept->key : &kept->more_keys[i - 1];
}

struct hash128 series_key_at(const struct kept *kept, uint32_t i)
{
	assert(i < kept->nkeys);
	return i == 0 ? kept->key : kept->more_keys[i - 1];
}

void series_key_drop(struct kept *kept, struct hash128 key)
{
	for (uint32_t i = 0; i < kept->nkeys; i++) {
		if (!hash128_is_equal(series_key_at(kept, i), key))
			continue;
		*key_place(kept, i) = series_key_at(kept, kept->nkeys - 1u);
		kept->nkeys--;
		return;
	}
	assert(!"a key that leads to the series is one of its keys");
}

void series_key_add(struct store *store, struct kept *kept, struct hash128 key)
{
	uint32_t at = kept->nkeys;
	if (at == 1 && !kept->more_keys) {
		kept->more_keys = malloc((KEYS_PER_SERIES_MAX - 1) * sizeof(*kept->more_keys));
		if (!kept->more_keys)
			return;
		store->series.bytes += (KEYS_PER_SERIES_MAX - 1) * sizeof(*kept->more_keys);
	}
	if (!key_table_reserve(&store->keys, key))
		return;
	if (at == KEYS_PER_SERIES_MAX) {
		at = kept->next_key++ % KEYS_PER_SERIES_MAX;
		key_table_remove(&store->keys, series_key_at(kept, at));
	} else {
		kept->nkeys++;
	}
	*key_place(kept, at) = key;
	key_table_set(&store->keys, key, KEY_ROW + kept->series.row);
}

/* ---- memberships ---- */

bool series_membership_add(struct store *store, struct series *series, struct selector *selector,
			   uint32_t row)
{
	if (!array_resize(&series->memberships, series->nmemberships + 1,
			  sizeof(*series->memberships)))
		return false;
	series->memberships[series->nmemberships++] = (struct membership){ selector, row };
	store->series.bytes += sizeof(*series->memberships);
	return true;
}

void series_membership_remove(struct store *store, struct series *series,
			      const struct selector *selector)
{
	for (uint32_t i = 0; i < series->nmemberships; i++) {
		if (series->memberships[i].selector != selector)
			continue;
		series->memberships[i] = series->memberships[--series->nmemberships];
		store->series.bytes -= sizeof(*series->memberships);
		return;
	}
	assert(!"a member knows its selector");
}

/* ---- births and ends ---- */

static bool reserve_all(struct store *store, uint32_t lset, uint32_t metric)
{
	for (uint32_t i = 0; i < store->found.n; i++)
		if (!standing_reserve(store->found.items[i]))
			return false;
	return row_reserve(&store->series) && by_lset_reserve(&store->series, lset) &&
	       posting_reserve(&store->series, metric);
}

int series_new(struct store *store, uint32_t lset, uint32_t uid, bool local, struct kept **out)
{
	struct series_table *table = &store->series;
	uint32_t n = store->found.n, metric = lset_get(store->lsets, lset, store->metric_name);
	if (store->options.series_max && table->nlive >= store->options.series_max)
		return ERR_LIMIT;
	if (table->next_uid == UINT32_MAX)
		return ERR_LIMIT;
	struct membership *memberships = n ? malloc(n * sizeof(*memberships)) : NULL;
	if ((n && !memberships) || !reserve_all(store, lset, metric)) {
		free(memberships);
		return ERR_NOMEM;
	}
	uint32_t row = row_take(table);
	struct kept *kept = kept_at(table, row);
	*kept = (struct kept){ .free_next = SERIES_LIVE };
	kept->series = (struct series){
		.row = row,
		.uid = uid ? uid : table->next_uid++,
		.lset = lset,
		.local = local,
		.memberships = memberships,
		.nmemberships = n,
	};
	window_init(&kept->series.window);
	lset_ref(store->lsets, lset);
	*row_of_lset(table, lset) = row;
	posting_add(table, metric, kept);
	for (uint32_t i = 0; i < n; i++) {
		struct standing *standing = store->found.items[i];
		memberships[i].selector = &standing->selector;
		memberships[i].row = standing_member_add(standing, &kept->series, true);
	}
	table->bytes += n * sizeof(*memberships);
	table->nlive++;
	store->sender_series[kept->series.sender]++;
	store->stats.born++;
	*out = kept;
	return 0;
}

void series_forget(struct store *store, struct kept *kept)
{
	struct series_table *table = &store->series;
	struct series *series = &kept->series;
	assert(kept_is_live(kept) && kept->pins == 0);
	for (uint32_t i = 0; i < kept->nkeys; i++)
		key_table_remove(&store->keys, series_key_at(kept, i));
	for (uint32_t i = 0; i < series->nmemberships; i++)
		standing_member_remove(standing_of(series->memberships[i].selector),
				       series->memberships[i].row);
	posting_remove(table, lset_get(store->lsets, series->lset, store->metric_name), kept);
	*row_of_lset(table, series->lset) = ID_NONE;
	table->window_bytes -= window_bytes(&series->window);
	table->bytes -= series->nmemberships * sizeof(*series->memberships);
	if (kept->more_keys)
		table->bytes -= (KEYS_PER_SERIES_MAX - 1) * sizeof(*kept->more_keys);
	window_fini(&series->window);
	starts_forget(table, series->row);
	lset_unref(store->lsets, series->lset);
	store->sender_series[series->sender]--;
	free(series->memberships);
	free(kept->more_keys);
	uint32_t row = series->row;
	*kept = (struct kept){ .free_next = table->free_row };
	table->free_row = row + 1;
	table->nlive--;
	store->stats.forgotten++;
}
