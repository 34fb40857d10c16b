/*
 * The raw label keys that one ingest thread has seen applied lately: open addressing, bounded, with
 * clock eviction.
 *
 * A key goes with the length of the raw labels it was made of: the same key with another length is
 * another label set (which 128 keyed bits make an accident nobody will see, and a test can
 * arrange), and then neither is to be trusted. Invariants: the number of slots is a power of two,
 * at least a quarter of them is empty, and from a key's home slot to where it stands no slot is
 * empty.
 */
#ifndef TOCSIN_INGEST_KEY_CACHE_H
#define TOCSIN_INGEST_KEY_CACHE_H

#include "base/hash.h"

#define KEY_CACHE_SLOTS_MIN 1024u
#define KEY_CACHE_SLOTS_MAX (2u * 1024 * 1024) /* 48 MiB */

struct key_cache_slot {
	struct hash128 key;
	uint32_t raw_len; /* 0: empty */
	uint32_t used;	  /* since the hand came by */
};

struct key_cache {
	struct key_cache_slot *slots; /* NULL until the first key */
	uint32_t mask, n;
	uint32_t slots_max;
	uint32_t hand;
	uint64_t evicted;
};

/* slots_max: a power of two, at least KEY_CACHE_SLOTS_MIN. */
void key_cache_init(struct key_cache *cache, uint32_t slots_max);
void key_cache_fini(struct key_cache *cache);
/* Forgets all keys, and the memory. */
void key_cache_clear(struct key_cache *cache);
/*
 * Remembers a key (raw_len > 0). One that was there with another length is forgotten instead.
 * ERR_NOMEM.
 */
int key_cache_add(struct key_cache *cache, struct hash128 key, uint32_t raw_len);
/* Forgets a key, if it is there. */
void key_cache_remove(struct key_cache *cache, struct hash128 key);
/* Asserts the invariants. */
void key_cache_check(const struct key_cache *cache);

/* To be called some time before key_cache_find(), which then need not wait for the memory. */
static inline void key_cache_prefetch(const struct key_cache *cache, struct hash128 key)
{
	if (cache->slots)
		__builtin_prefetch(&cache->slots[key.lo & cache->mask]);
}

/* The slot of a key, whatever its length, or NULL. */
static inline struct key_cache_slot *key_cache_find(const struct key_cache *cache,
						    struct hash128 key)
{
	if (!cache->slots)
		return NULL;
	for (uint32_t i = (uint32_t)key.lo & cache->mask;; i = (i + 1) & cache->mask) {
		struct key_cache_slot *slot = &cache->slots[i];
		if (slot->raw_len == 0)
			return NULL;
		if (hash128_is_equal(slot->key, key))
			return slot;
	}
}

#endif
