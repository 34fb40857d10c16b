/*
 * Interned strings (symbols) and label sets (lsets): what labels are inside the engine thread.
 *
 * A label set is a sorted array of (name symbol, value symbol), hash-consed: equal sets have equal
 * ids, so that joins, groups and duplicate checks compare integers. Ids are reused when the last
 * reference goes. Owned by the engine thread alone; nothing here is locked, and no id ever leaves
 * that thread.
 *
 * Order of the pairs inside a set is by symbol id, not by name; lset_to_labels() sorts.
 */
#ifndef TOCSIN_STORAGE_LSET_H
#define TOCSIN_STORAGE_LSET_H

#include <stdint.h>

#include "base/hash.h"
#include "base/labels.h"

#define SYMBOL_NONE 0u /* the empty string; never a label's value */
#define LSET_EMPTY 0u  /* {}; needs no reference */
#define LSET_NONE                                                                                  \
	UINT32_MAX /* returned when out of memory, or for more than LABELS_COUNT_MAX labels */

struct lset_pair {
	uint32_t name, value;
};

struct lset_table;

/* The secret against chosen collisions. */
struct lset_table *lset_table_new(const struct hash_key *key);
void lset_table_free(struct lset_table *table);
/* Bytes held by symbols and sets. */
size_t lset_table_bytes(const struct lset_table *table);
/* Live symbols. */
size_t lset_table_symbols(const struct lset_table *table);
/* For tests, while the table is empty: replaces the hash of canonical pairs. */
void lset_table_hash_hook(struct lset_table *table,
			  struct hash128 (*hook)(const void *bytes, size_t n));
/* Walks all invariants; for tests. */
void lset_table_check(const struct lset_table *table);

/* A reference to the symbol of a text; SYMBOL_NONE for "" (and UINT32_MAX when out of memory). */
uint32_t symbol_intern(struct lset_table *table, struct slice text);
/* SYMBOL_NONE when no such symbol lives; takes no reference. */
uint32_t symbol_find(const struct lset_table *table, struct slice text);
void symbol_ref(struct lset_table *table, uint32_t symbol);
void symbol_unref(struct lset_table *table, uint32_t symbol);
struct slice symbol_text(const struct lset_table *table, uint32_t symbol);

/* All makers return a set with one reference for the caller. */
uint32_t lset_intern(struct lset_table *table, const struct labels *labels);
/* Of pairs in any order, names unique; pairs with an empty value are left out. */
uint32_t lset_intern_pairs(struct lset_table *table, const struct lset_pair *pairs, size_t n);
/* The living set of these pairs, LSET_NONE when there is none; takes no reference. */
uint32_t lset_find(const struct lset_table *table, const struct lset_pair *pairs, size_t n);
/* Without the names given (n may be 0). */
uint32_t lset_without(struct lset_table *table, uint32_t lset, const uint32_t *names, size_t n);
/* With only the names given. */
uint32_t lset_only(struct lset_table *table, uint32_t lset, const uint32_t *names, size_t n);
/* With one label set, replaced or (value SYMBOL_NONE) removed. */
uint32_t lset_with(struct lset_table *table, uint32_t lset, uint32_t name, uint32_t value);
/* `many` with the given labels as they are in `one` (removed where absent there): group_left(…). */
uint32_t lset_take_from(struct lset_table *table, uint32_t many, uint32_t one,
			const uint32_t *names, size_t n);
void lset_ref(struct lset_table *table, uint32_t lset);
void lset_unref(struct lset_table *table, uint32_t lset);

size_t lset_count(const struct lset_table *table, uint32_t lset);
/* Borrowed until the set goes. */
const struct lset_pair *lset_pairs(const struct lset_table *table, uint32_t lset);
/* The value of a label, SYMBOL_NONE when absent. */
uint32_t lset_get(const struct lset_table *table, uint32_t lset, uint32_t name);
/* A blob that may leave the engine. NULL when out of memory. */
struct labels *lset_to_labels(const struct lset_table *table, uint32_t lset);
/* As labels_compare(): for stable output. */
int lset_compare(const struct lset_table *table, uint32_t a, uint32_t b);

#endif
