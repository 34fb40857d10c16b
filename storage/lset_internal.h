/*
 * The tables behind storage/lset.h. Private to symbols.c, lset.c and match.c.
 */
#ifndef TOCSIN_STORAGE_LSET_INTERNAL_H
#define TOCSIN_STORAGE_LSET_INTERNAL_H

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

	struct symbol *symbols; /* [0] is the empty string */
	uint32_t nsymbols, symbols_cap, free_symbol, live_symbols;
	struct id_index symbol_index;

	struct lset *lsets; /* [0] is {} */
	uint32_t nlsets, lsets_cap, free_lset, live_lsets;
	struct id_index lset_index;

	size_t bytes; /* of texts and pairs */
};

/* The keyed hash of the symbol's text. */
static inline uint32_t symbol_hash(const struct lset_table *table, uint32_t symbol)
{
	return table->symbols[symbol].hash;
}

void symbols_fini(struct lset_table *table);
void symbols_check(const struct lset_table *table);

#endif
