/*
 * The key table: what is known of the 128-bit keys of raw wire labels. Private to storage/.
 *
 * A key leads to a series row, or is ignored (nobody demands its series), or is ambiguous (two
 * label sets came with it). Slots of 24 bytes, open addressing with linear probing, in KEY_PARTS
 * parts by the key's top bits: each part grows for itself, in one go. So the longest growth moves a
 * 256th of the table (4,096 of a million keys), and the growths of the parts fall on different
 * moments, because the keys do not fill them evenly.
 *
 * Ignored keys are worth no more than the time they save: beyond ignored_max a clock evicts those
 * that were not asked for since the hand last came by. Each remembers the epoch in which it was
 * judged; in a later one it counts as unknown. No new one is remembered while there are too many,
 * nor when the hand finds none to evict within KEY_EVICT_STEPS_MAX: it is asked for again.
 */
#ifndef TOCSIN_STORAGE_KEY_TABLE_H
#define TOCSIN_STORAGE_KEY_TABLE_H

#include "base/hash.h"

#define KEY_PARTS 256
#define KEY_EVICT_STEPS_MAX 4096 /* slots looked at to make room for one ignored key */

/* What a key stands for; rows are KEY_ROW + row. */
enum { KEY_UNKNOWN, KEY_IGNORED, KEY_AMBIGUOUS, KEY_ROW };
#define KEY_ROWS_MAX (UINT32_MAX - KEY_ROW)

struct key_slot {
	struct hash128 key;
	uint32_t what;	/* KEY_UNKNOWN: a free slot */
	uint32_t clock; /* of ignored keys: epoch << 1 | asked for lately */
};

struct key_part {
	struct key_slot *slots; /* NULL, or mask + 1 of them */
	uint32_t mask;
	uint32_t n;
};

struct key_table {
	struct key_part parts[KEY_PARTS];
	size_t n;	    /* keys of all kinds */
	size_t ignored;	    /* ignored keys, of past epochs as well */
	size_t ignored_now; /* of this epoch */
	size_t ignored_max;
	size_t ambiguous;
	uint64_t epoch, evicted;
	uint32_t hand_part, hand_slot;
	size_t bytes;
};

void key_table_init(struct key_table *table, size_t ignored_max);
void key_table_fini(struct key_table *table);

static inline struct key_part *key_table_part(const struct key_table *table, struct hash128 key)
{
	return (struct key_part *)&table->parts[key.hi >> 56];
}

/* Starts loading the key's slot. */
static inline void key_table_prefetch(const struct key_table *table, struct hash128 key)
{
	const struct key_part *part = key_table_part(table, key);
	if (part->slots)
		__builtin_prefetch(&part->slots[key.lo & part->mask]);
}

/* The key's slot, or NULL. Valid until the next change of the table. */
static inline struct key_slot *key_table_slot(const struct key_table *table, struct hash128 key)
{
	const struct key_part *part = key_table_part(table, key);
	if (!part->slots)
		return NULL;
	for (uint32_t at = (uint32_t)key.lo;; at++) {
		struct key_slot *slot = &part->slots[at & part->mask];
		if (slot->what == KEY_UNKNOWN)
			return NULL;
		if (hash128_is_equal(slot->key, key))
			return slot;
	}
}

/* What the key stands for; marks an ignored one as asked for. */
static inline uint32_t key_table_find(const struct key_table *table, struct hash128 key)
{
	struct key_slot *slot = key_table_slot(table, key);
	if (!slot)
		return KEY_UNKNOWN;
	if (slot->what == KEY_IGNORED) {
		if (slot->clock >> 1 != (uint32_t)table->epoch << 1 >> 1)
			return KEY_UNKNOWN;
		slot->clock |= 1;
	}
	return slot->what;
}

/* Room for one more key: the next key_table_set() cannot fail. False when out of memory. */
bool key_table_reserve(struct key_table *table, struct hash128 key);
/* Another limit from now on; what is beyond it goes by key_table_evict(). */
void key_table_ignored_max_set(struct key_table *table, size_t ignored_max);
/* Takes away so many steps of the clock from *steps. False: more ignored keys than ignored_max are
 * left. */
bool key_table_evict(struct key_table *table, int64_t *steps);
/* Says what a key stands for, whatever it was; needs room if the key is new. KEY_IGNORED may evict
 * another, or not be remembered. */
void key_table_set(struct key_table *table, struct hash128 key, uint32_t what);
/* The key must be there. */
void key_table_remove(struct key_table *table, struct hash128 key);
/* Ignored keys are to be asked for again. True if there were any. */
bool key_table_epoch_raise(struct key_table *table);
/* Calls fn for each key and what it stands for (KEY_UNKNOWN for ignored ones of past epochs). For
 * checks. */
void key_table_each(const struct key_table *table,
		    void (*fn)(void *ctx, struct hash128 key, uint32_t what), void *ctx);
void key_table_check(const struct key_table *table);

#endif
