#include "actions/table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

#define BUCKETS_MIN 64

struct table_entry *table_find(const struct table *table, uint64_t hash,
			       bool (*is_equal)(const struct table_entry *entry, const void *key),
			       const void *key)
{
	if (table->n == 0)
		return NULL;
	for (struct table_entry *entry = table->buckets[hash & (table->nbuckets - 1)]; entry;
	     entry = entry->next)
		if (entry->hash == hash && is_equal(entry, key))
			return entry;
	return NULL;
}

static int grow(struct table *table)
{
	size_t n = table->nbuckets ? 2 * table->nbuckets : BUCKETS_MIN;
	struct table_entry **buckets = calloc(n, sizeof(*buckets));

	if (!buckets)
		return ERR_NOMEM;
	for (size_t i = 0; i < table->nbuckets; i++)
		for (struct table_entry *entry = table->buckets[i], *next; entry; entry = next) {
			next = entry->next;
			entry->next = buckets[entry->hash & (n - 1)];
			buckets[entry->hash & (n - 1)] = entry;
		}
	free(table->buckets);
	table->buckets = buckets;
	table->nbuckets = n;
	return 0;
}

int table_add(struct table *table, struct table_entry *entry)
{
	if (table->n >= table->nbuckets && grow(table))
		return ERR_NOMEM;
	struct table_entry **bucket = &table->buckets[entry->hash & (table->nbuckets - 1)];

	entry->next = *bucket;
	*bucket = entry;
	table->n++;
	return 0;
}

void table_remove(struct table *table, struct table_entry *entry)
{
	struct table_entry **at = &table->buckets[entry->hash & (table->nbuckets - 1)];

	while (*at != entry) {
		assert(*at);
		at = &(*at)->next;
	}
	*at = entry->next;
	table->n--;
}

void table_each(const struct table *table, void (*fn)(void *ctx, struct table_entry *entry),
		void *ctx)
{
	for (size_t i = 0; i < table->nbuckets; i++)
		for (struct table_entry *entry = table->buckets[i], *next; entry; entry = next) {
			next = entry->next;
			fn(ctx, entry);
		}
}

void table_fini(struct table *table)
{
	free(table->buckets);
	*table = (struct table){ 0 };
}
