/*
 * A chained hash table of structs that begin with a struct table_entry. Keys are hashed by the
 * caller.
 */
#ifndef TOCSIN_ACTIONS_TABLE_H
#define TOCSIN_ACTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_entry {
	struct table_entry *next;
	uint64_t hash;
};

struct table {
	struct table_entry **buckets;
	size_t nbuckets, n;
};

/* The first entry of this hash for which is_equal(entry, key); or NULL. */
struct table_entry *table_find(const struct table *table, uint64_t hash,
			       bool (*is_equal)(const struct table_entry *entry, const void *key),
			       const void *key);
/* ERR_NOMEM. The entry's hash must be set. */
int table_add(struct table *table, struct table_entry *entry);
void table_remove(struct table *table, struct table_entry *entry);
/* Calls fn for each; fn may remove the entry it is given. */
void table_each(const struct table *table, void (*fn)(void *ctx, struct table_entry *entry),
		void *ctx);
/* Frees the buckets; entries are the caller's. */
void table_fini(struct table *table);

#endif
