/*
 * store_check(): walks all that the store holds and asserts what its parts say of each other. For
 * tests.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "storage/store_internal.h"

static void check_key(void *ctx, struct hash128 key, uint32_t what)
{
	const struct store *store = ctx;
	if (what < KEY_ROW)
		return;
	assert(what - KEY_ROW < store->series.nrows);
	const struct kept *kept = kept_at(&store->series, what - KEY_ROW);
	assert(kept_is_live(kept));
	uint32_t owned = 0;
	for (uint32_t i = 0; i < kept->nkeys; i++)
		owned += hash128_is_equal(series_key_at(kept, i), key);
	assert(owned == 1);
}

static void check_membership(const struct store *store, const struct series *series,
			     const struct membership *membership)
{
	const struct selector *selector = membership->selector;
	const struct standing *standing = standing_of(membership->selector);
	assert(standing->place < store->nselectors);
	assert(store->selectors[standing->place] == selector);
	assert(membership->row < selector->nmembers);
	assert(selector->members[membership->row] == series);
}

static size_t check_series(const struct store *store, const struct kept *kept, uint32_t row)
{
	const struct series *series = &kept->series;
	uint32_t metric = lset_get(store->lsets, series->lset, store->metric_name);
	const struct posting *posting = posting_find(&store->series, metric);
	assert(series->row == row);
	assert(series->uid > 0 && series->uid < store->series.next_uid);
	assert(series_of_lset(store, series->lset) == kept);
	assert(posting && kept->posting_at < posting->n);
	assert(posting->rows[kept->posting_at] == row);
	assert(kept->nkeys <= KEYS_PER_SERIES_MAX);
	for (uint32_t i = 0; i < kept->nkeys; i++) {
		const struct key_slot *slot = key_table_slot(&store->keys, series_key_at(kept, i));
		assert(slot && slot->what == KEY_ROW + row);
	}
	for (uint32_t i = 0; i < series->nmemberships; i++)
		check_membership(store, series, &series->memberships[i]);
	window_check(&series->window, series->kind);
	return window_bytes(&series->window);
}

static void check_table(const struct store *store)
{
	const struct series_table *table = &store->series;
	uint32_t live = 0, posted = 0, mapped = 0;
	size_t bytes = 0;
	for (uint32_t row = 0; row < table->nrows; row++) {
		if (!kept_is_live(kept_at(table, row)))
			continue;
		live++;
		bytes += check_series(store, kept_at(table, row), row);
	}
	assert(live == table->nlive && bytes == table->window_bytes);
	id_index_check(&table->posting_index);
	for (uint32_t i = 0; i < table->npostings; i++) {
		assert(posting_find(table, table->postings[i].metric) == &table->postings[i]);
		posted += table->postings[i].n;
	}
	for (uint32_t i = 0; i < table->by_lset.n * SLAB_ITEMS; i++)
		mapped += *SLABS_AT(&table->by_lset, uint32_t, i) != ID_NONE;
	assert(posted == live && mapped == live);
}

static void check_senders(const struct store *store)
{
	uint32_t *counted = calloc(SENDER_NUMBERS, sizeof(*counted));
	assert(counted);
	for (uint32_t row = 0; row < store->series.nrows; row++)
		if (kept_is_live(kept_at(&store->series, row)))
			counted[kept_at(&store->series, row)->series.sender]++;
	assert(memcmp(counted, store->sender_series, SENDER_NUMBERS * sizeof(*counted)) == 0);
	free(counted);
}

/* Every row is a member's, or free, or its removal is in the log. */
static void check_rows(const struct standing *standing)
{
	const struct selector *selector = &standing->selector;
	uint32_t live = 0, removed = 0;
	for (uint32_t row = 0; row < selector->nmembers; row++)
		live += selector->members[row] != NULL;
	for (uint32_t i = 0; i < selector->nlog; i++) {
		assert(selector->log[i].row < selector->nmembers);
		removed += !selector->log[i].added;
	}
	for (uint32_t i = 0; i < standing->nfree; i++)
		assert(!selector->members[standing->free_rows[i]]);
	assert(live == selector->nlive);
	assert(live + removed + standing->nfree == selector->nmembers);
	assert(selector->nlog + selector->nlive <= standing->log_cap);
	assert(selector->nmembers <= standing->members_cap);
}

static void check_members(const struct store *store, const struct selector *selector)
{
	for (uint32_t row = 0; row < selector->nmembers; row++) {
		const struct series *series = selector->members[row];
		uint32_t listed = 0;
		for (uint32_t i = 0; series && i < series->nmemberships; i++)
			listed += series->memberships[i].selector == selector &&
				  series->memberships[i].row == row;
		assert(!series || listed == 1);
		/* Matched anew, by the plain matchers on the labels. */
		struct labels *labels = series ? lset_to_labels(store->lsets, series->lset) : NULL;
		assert(!labels ||
		       matchers_is_match(selector->matchers, selector->nmatchers, labels));
		labels_unref(labels);
	}
}

static void check_selectors(const struct store *store)
{
	uint32_t changed = 0, leaving = 0;
	id_index_check(&store->selector_by_text);
	selector_index_check(&store->index);
	for (uint32_t i = 0; i < store->nselectors; i++) {
		const struct standing *standing = standing_of(store->selectors[i]);
		assert(standing->place == i);
		assert(standing->leaving == (standing->selector.refs == 0));
		changed += standing->changed;
		leaving += standing->leaving;
		if (!standing->leaving) {
			assert(store->index.nodes[standing->node]->selectors.n > 0);
			check_rows(standing);
		}
		check_members(store, &standing->selector);
	}
	assert(changed == store->nchanged &&
	       store->selector_by_text.n + leaving == store->nselectors);
	for (uint32_t i = 0; i < store->nchanged; i++)
		assert(standing_of(store->changed[i])->changed);
}

void store_check(const struct store *store)
{
	lset_table_check(store->lsets);
	key_table_check(&store->keys);
	key_table_each(&store->keys, check_key, (void *)store);
	check_table(store);
	check_senders(store);
	check_selectors(store);
	assert(store->memo.ndisplaced == 0);
}
