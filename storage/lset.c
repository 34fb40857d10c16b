#include "storage/lset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "storage/lset_internal.h"

struct lset_table *lset_table_new(const struct hash_key *key)
{
	struct lset_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->key = *key;
	id_index_init(&table->symbol_index);
	id_index_init(&table->lset_index);
	if (!slabs_reserve(&table->symbols, 0, sizeof(struct symbol)) ||
	    !slabs_reserve(&table->lsets, 0, sizeof(struct lset))) {
		lset_table_free(table);
		return NULL;
	}
	*symbol_at(table, table->nsymbols++) = (struct symbol){ .text = NULL };
	*lset_at(table, table->nlsets++) = (struct lset){ .pairs = NULL };
	return table;
}

void lset_table_free(struct lset_table *table)
{
	if (!table)
		return;
	symbols_fini(table);
	for (uint32_t i = 0; i < table->nlsets; i++)
		free(lset_at(table, i)->pairs);
	slabs_fini(&table->lsets);
	id_index_fini(&table->lset_index);
	free(table);
}

void lset_table_hash_hook(struct lset_table *table,
			  struct hash128 (*hook)(const void *bytes, size_t n))
{
	assert(table->live_lsets == 0);
	table->hash_hook = hook;
}

size_t lset_table_bytes(const struct lset_table *table)
{
	return sizeof(*table) + table->bytes + slabs_bytes(&table->symbols, sizeof(struct symbol)) +
	       slabs_bytes(&table->lsets, sizeof(struct lset)) + id_index_bytes(&table->symbol_index) +
	       id_index_bytes(&table->lset_index);
}

size_t lset_table_symbols(const struct lset_table *table)
{
	return table->live_symbols;
}

/* ---- finding and making, of canonical pairs ---- */

static uint32_t pairs_hash(const struct lset_table *table, const struct lset_pair *pairs, size_t n)
{
	if (table->hash_hook)
		return (uint32_t)table->hash_hook(pairs, n * sizeof(*pairs)).lo;
	return (uint32_t)hash_keyed64(&table->key, pairs, n * sizeof(*pairs));
}

static uint32_t find(const struct lset_table *table, const struct lset_pair *pairs, size_t n,
		     uint32_t hash)
{
	for (uint32_t at = hash, id;
	     (id = id_index_next(&table->lset_index, hash, &at)) != ID_NONE;) {
		const struct lset *lset = lset_at(table, id);
		if (lset->n == n && memcmp(lset->pairs, pairs, n * sizeof(*pairs)) == 0)
			return id;
	}
	return LSET_NONE;
}

static uint32_t add(struct lset_table *table, const struct lset_pair *pairs, size_t n,
		    uint32_t hash)
{
	if (!id_index_reserve(&table->lset_index) ||
	    !slabs_reserve(&table->lsets, table->nlsets, sizeof(struct lset)))
		return LSET_NONE;
	struct lset_pair *copy = malloc(n * sizeof(*copy));
	if (!copy)
		return LSET_NONE;
	memcpy(copy, pairs, n * sizeof(*copy));
	for (size_t i = 0; i < n; i++) {
		symbol_ref(table, pairs[i].name);
		symbol_ref(table, pairs[i].value);
	}
	uint32_t id = table->free_lset;
	if (id)
		table->free_lset = lset_at(table, id)->refs;
	else
		id = table->nlsets++;
	*lset_at(table, id) =
		(struct lset){ .pairs = copy, .n = (uint32_t)n, .hash = hash, .refs = 1 };
	id_index_add(&table->lset_index, hash, id);
	table->live_lsets++;
	table->bytes += n * sizeof(*copy);
	return id;
}

/* A reference to the set of pairs that stand in canonical order, none of them empty. */
static uint32_t intern_sorted(struct lset_table *table, const struct lset_pair *pairs, size_t n)
{
	if (n == 0)
		return LSET_EMPTY;
	uint32_t hash = pairs_hash(table, pairs, n), id = find(table, pairs, n, hash);
	if (id == LSET_NONE)
		return add(table, pairs, n, hash);
	lset_at(table, id)->refs++;
	return id;
}

/* Leaves out empty values and sorts (by insertion: sets are small); false when there are too many.
 */
static bool canonical(const struct lset_pair *pairs, size_t n, struct lset_pair *out, size_t *count)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (pairs[i].value == SYMBOL_NONE)
			continue;
		if (kept == LABELS_COUNT_MAX)
			return false;
		size_t at = kept++;
		for (; at > 0 && out[at - 1].name > pairs[i].name; at--)
			out[at] = out[at - 1];
		out[at] = pairs[i];
	}
	*count = kept;
	return true;
}

uint32_t lset_intern_pairs(struct lset_table *table, const struct lset_pair *pairs, size_t n)
{
	struct lset_pair sorted[LABELS_COUNT_MAX];
	size_t count;
	if (!canonical(pairs, n, sorted, &count))
		return LSET_NONE;
	return intern_sorted(table, sorted, count);
}

uint32_t lset_find(const struct lset_table *table, const struct lset_pair *pairs, size_t n)
{
	struct lset_pair sorted[LABELS_COUNT_MAX];
	size_t count;
	if (!canonical(pairs, n, sorted, &count))
		return LSET_NONE;
	if (count == 0)
		return LSET_EMPTY;
	return find(table, sorted, count, pairs_hash(table, sorted, count));
}

uint32_t lset_intern(struct lset_table *table, const struct labels *labels)
{
	struct lset_pair pairs[LABELS_COUNT_MAX];
	size_t n = labels_count(labels), got = 0;
	uint32_t lset = LSET_NONE;
	assert(n <= LABELS_COUNT_MAX);
	for (; got < n; got++) {
		struct label label = labels_at(labels, got);
		pairs[got].name = symbol_intern(table, label.name);
		if (pairs[got].name == UINT32_MAX)
			break;
		pairs[got].value = symbol_intern(table, label.value);
		if (pairs[got].value == UINT32_MAX) {
			symbol_unref(table, pairs[got].name);
			break;
		}
	}
	if (got == n)
		lset = lset_intern_pairs(table, pairs, n);
	while (got-- > 0) { /* the set holds its own references */
		symbol_unref(table, pairs[got].name);
		symbol_unref(table, pairs[got].value);
	}
	return lset;
}

/* ---- derived sets: the pairs stay in canonical order ---- */

static bool is_among(uint32_t name, const uint32_t *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] == name)
			return true;
	return false;
}

static uint32_t filtered(struct lset_table *table, uint32_t lset, const uint32_t *names, size_t n,
			 bool keep)
{
	struct lset_pair out[LABELS_COUNT_MAX];
	const struct lset_pair *pairs = lset_pairs(table, lset);
	size_t count = lset_count(table, lset), kept = 0;
	for (size_t i = 0; i < count; i++)
		if (is_among(pairs[i].name, names, n) == keep)
			out[kept++] = pairs[i];
	if (kept < count)
		return intern_sorted(table, out, kept);
	lset_ref(table, lset);
	return lset;
}

uint32_t lset_without(struct lset_table *table, uint32_t lset, const uint32_t *names, size_t n)
{
	return filtered(table, lset, names, n, false);
}

uint32_t lset_only(struct lset_table *table, uint32_t lset, const uint32_t *names, size_t n)
{
	return filtered(table, lset, names, n, true);
}

uint32_t lset_with(struct lset_table *table, uint32_t lset, uint32_t name, uint32_t value)
{
	struct lset_pair out[LABELS_COUNT_MAX + 1];
	const struct lset_pair *pairs = lset_pairs(table, lset);
	size_t count = lset_count(table, lset), kept = 0, i = 0;
	while (i < count && pairs[i].name < name)
		out[kept++] = pairs[i++];
	if (i < count && pairs[i].name == name)
		i++;
	if (value != SYMBOL_NONE)
		out[kept++] = (struct lset_pair){ name, value };
	while (i < count)
		out[kept++] = pairs[i++];
	return kept <= LABELS_COUNT_MAX ? intern_sorted(table, out, kept) : LSET_NONE;
}

uint32_t lset_take_from(struct lset_table *table, uint32_t many, uint32_t one,
			const uint32_t *names, size_t n)
{
	struct lset_pair out[2 * LABELS_COUNT_MAX];
	const struct lset_pair *pairs = lset_pairs(table, many);
	size_t count = lset_count(table, many), kept = 0;
	for (size_t i = 0; i < count; i++)
		if (!is_among(pairs[i].name, names, n))
			out[kept++] = pairs[i];
	pairs = lset_pairs(table, one);
	count = lset_count(table, one);
	for (size_t i = 0; i < count; i++)
		if (is_among(pairs[i].name, names, n))
			out[kept++] = pairs[i];
	return lset_intern_pairs(table, out, kept);
}

void lset_ref(struct lset_table *table, uint32_t lset)
{
	if (lset == LSET_EMPTY)
		return;
	assert(lset < table->nlsets && lset_at(table, lset)->pairs);
	lset_at(table, lset)->refs++;
}

void lset_unref(struct lset_table *table, uint32_t lset)
{
	if (lset == LSET_EMPTY)
		return;
	assert(lset < table->nlsets);
	struct lset *entry = lset_at(table, lset);
	assert(entry->pairs && entry->refs);
	if (--entry->refs)
		return;
	id_index_remove(&table->lset_index, entry->hash, lset);
	for (uint32_t i = 0; i < entry->n; i++) {
		symbol_unref(table, entry->pairs[i].name);
		symbol_unref(table, entry->pairs[i].value);
	}
	table->bytes -= entry->n * sizeof(*entry->pairs);
	free(entry->pairs);
	entry->pairs = NULL;
	entry->n = 0;
	entry->refs = table->free_lset;
	table->free_lset = lset;
	table->live_lsets--;
}

/* ---- looking in ---- */

size_t lset_count(const struct lset_table *table, uint32_t lset)
{
	assert(lset < table->nlsets);
	return lset_at(table, lset)->n;
}

const struct lset_pair *lset_pairs(const struct lset_table *table, uint32_t lset)
{
	assert(lset < table->nlsets && (lset == LSET_EMPTY || lset_at(table, lset)->pairs));
	return lset_at(table, lset)->pairs;
}

uint32_t lset_get(const struct lset_table *table, uint32_t lset, uint32_t name)
{
	const struct lset_pair *pairs = lset_pairs(table, lset);
	size_t n = lset_count(table, lset);
	for (size_t i = 0; i < n && pairs[i].name <= name; i++)
		if (pairs[i].name == name)
			return pairs[i].value;
	return SYMBOL_NONE;
}

static struct label label_of(const struct lset_table *table, const struct lset_pair *pair)
{
	return (struct label){ symbol_text(table, pair->name), symbol_text(table, pair->value) };
}

struct labels *lset_to_labels(const struct lset_table *table, uint32_t lset)
{
	struct label pairs[LABELS_COUNT_MAX];
	size_t n = lset_count(table, lset);
	for (size_t i = 0; i < n; i++)
		pairs[i] = label_of(table, &lset_pairs(table, lset)[i]);
	struct labels *labels;
	return labels_new(pairs, n, &labels, NULL) == 0 ? labels : NULL;
}

static int compare_by_name(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	return slice_compare(x->name, y->name);
}

static size_t sorted_labels(const struct lset_table *table, uint32_t lset, struct label *out)
{
	size_t n = lset_count(table, lset);
	for (size_t i = 0; i < n; i++)
		out[i] = label_of(table, &lset_pairs(table, lset)[i]);
	qsort(out, n, sizeof(*out), compare_by_name);
	return n;
}

int lset_compare(const struct lset_table *table, uint32_t a, uint32_t b)
{
	struct label x[LABELS_COUNT_MAX], y[LABELS_COUNT_MAX];
	if (a == b)
		return 0;
	size_t nx = sorted_labels(table, a, x), ny = sorted_labels(table, b, y);
	for (size_t i = 0; i < nx && i < ny; i++) {
		int order = slice_compare(x[i].name, y[i].name);
		if (order == 0)
			order = slice_compare(x[i].value, y[i].value);
		if (order)
			return order;
	}
	return nx < ny ? -1 : nx > ny;
}

void lset_table_check(const struct lset_table *table)
{
	uint32_t live = 0;
	symbols_check(table);
	id_index_check(&table->lset_index);
	for (uint32_t id = 1; id < table->nlsets; id++) {
		const struct lset *lset = lset_at(table, id);
		if (!lset->pairs)
			continue;
		live++;
		assert(lset->refs > 0 && lset->n > 0 && lset->n <= LABELS_COUNT_MAX);
		for (uint32_t i = 0; i < lset->n; i++) {
			assert(lset->pairs[i].name != SYMBOL_NONE);
			assert(lset->pairs[i].value != SYMBOL_NONE);
			assert(symbol_text(table, lset->pairs[i].name).len > 0);
			assert(symbol_text(table, lset->pairs[i].value).len > 0);
			assert(i == 0 || lset->pairs[i - 1].name < lset->pairs[i].name);
		}
		assert(lset->hash == pairs_hash(table, lset->pairs, lset->n));
		assert(find(table, lset->pairs, lset->n, lset->hash) == id);
	}
	assert(live == table->live_lsets && live == table->lset_index.n);
}
