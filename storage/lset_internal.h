/*
 * The tables behind storage/lset.h. Private to symbols.c, lset.c and match.c.
 */
#ifndef TOCSIN_STORAGE_LSET_INTERNAL_H
#define TOCSIN_STORAGE_LSET_INTERNAL_H

#include "base/slabs.h"
#include "storage/id_index.h"
#include "storage/lset.h"

struct symbol {
	char *text; /* NULL: a free entry */
	uint32_t len;
	uint32_t hash;
	uint32_t refs; /* of a free entry: the next free one, 0 at the end */
};

struct lset {
	struct lset_pair *pairs; /* by name symbol, ascending; NULL: a free entry */
	uint32_t n;
	uint32_t hash;
	uint32_t refs; /* as above */
};

struct lset_table {
	struct hash_key key;
	struct hash128 (*hash_hook)(const void *bytes, size_t n);

	struct slabs symbols; /* struct symbol; the first is the empty string */
	uint32_t nsymbols, free_symbol, live_symbols;
	struct id_index symbol_index;

	struct slabs lsets; /* struct lset; the first is {} */
	uint32_t nlsets, free_lset, live_lsets;
	struct id_index lset_index;

	size_t bytes; /* of texts and pairs */
};

static inline struct symbol *symbol_at(const struct lset_table *table, uint32_t symbol)
{
	return SLABS_AT(&table->symbols, struct symbol, symbol);
}

static inline struct lset *lset_at(const struct lset_table *table, uint32_t lset)
{
	return SLABS_AT(&table->lsets, struct lset, lset);
}

/* The keyed hash of the symbol's text. */
static inline uint32_t symbol_hash(const struct lset_table *table, uint32_t symbol)
{
	return symbol_at(table, symbol)->hash;
}

void symbols_fini(struct lset_table *table);
void symbols_check(const struct lset_table *table);

#endif
