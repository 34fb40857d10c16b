#include "ingest/key_cache.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

void key_cache_init(struct key_cache *cache, uint32_t slots_max)
{
	assert(slots_max >= KEY_CACHE_SLOTS_MIN && (slots_max & (slots_max - 1)) == 0);
	*cache = (struct key_cache){ .slots_max = slots_max };
}

void key_cache_fini(struct key_cache *cache)
{
	key_cache_clear(cache);
}

void key_cache_clear(struct key_cache *cache)
{
	free(cache->slots);
	cache->slots = NULL;
	cache->mask = cache->n = cache->hand = 0;
}

static void slot_put(struct key_cache *cache, struct key_cache_slot slot)
{
	uint32_t i = (uint32_t)slot.key.lo & cache->mask;
	while (cache->slots[i].raw_len != 0)
		i = (i + 1) & cache->mask;
	cache->slots[i] = slot;
}

static int resize(struct key_cache *cache, uint32_t nslots)
{
	struct key_cache_slot *old = cache->slots;
	uint32_t nold = old ? cache->mask + 1 : 0;
	struct key_cache_slot *slots = calloc(nslots, sizeof(*slots));
	if (!slots)
		return ERR_NOMEM;
	cache->slots = slots;
	cache->mask = nslots - 1;
	cache->hand = 0;
	for (uint32_t i = 0; i < nold; i++)
		if (old[i].raw_len != 0)
			slot_put(cache, old[i]);
	free(old);
	return 0;
}

/*
 * Empties slot i and closes the gap: a later key of the same run moves into it unless its home lies
 * between the gap and where it stands.
 */
static void slot_clear(struct key_cache *cache, uint32_t i)
{
	uint32_t gap = i;
	for (uint32_t j = (i + 1) & cache->mask; cache->slots[j].raw_len != 0;
	     j = (j + 1) & cache->mask) {
		uint32_t home = (uint32_t)cache->slots[j].key.lo & cache->mask;
		if (((j - home) & cache->mask) < ((j - gap) & cache->mask))
			continue;
		cache->slots[gap] = cache->slots[j];
		gap = j;
	}
	cache->slots[gap].raw_len = 0;
	cache->n--;
}

/*
 * The hand goes round until it finds a key not used since it came by; at most twice, for the first
 * round leaves none marked.
 */
static void evict_one(struct key_cache *cache)
{
	for (;; cache->hand = (cache->hand + 1) & cache->mask) {
		struct key_cache_slot *slot = &cache->slots[cache->hand];
		if (slot->raw_len == 0)
			continue;
		if (!slot->used)
			break;
		slot->used = 0;
	}
	/* The hand stays: another key may have moved into the slot. */
	slot_clear(cache, cache->hand);
	cache->evicted++;
}

static bool is_crowded(const struct key_cache *cache)
{
	return cache->n >= (cache->mask + 1) / 4 * 3;
}

int key_cache_add(struct key_cache *cache, struct hash128 key, uint32_t raw_len)
{
	assert(raw_len > 0);
	struct key_cache_slot *slot = key_cache_find(cache, key);
	if (slot) {
		if (slot->raw_len != raw_len)
			slot_clear(cache, (uint32_t)(slot - cache->slots));
		return 0;
	}
	if (!cache->slots && resize(cache, KEY_CACHE_SLOTS_MIN) < 0)
		return ERR_NOMEM;
	if (is_crowded(cache) && cache->mask + 1 < cache->slots_max &&
	    resize(cache, 2 * (cache->mask + 1)) < 0)
		return ERR_NOMEM;
	if (is_crowded(cache))
		evict_one(cache);
	slot_put(cache, (struct key_cache_slot){ key, raw_len, 1 });
	cache->n++;
	return 0;
}

void key_cache_remove(struct key_cache *cache, struct hash128 key)
{
	struct key_cache_slot *slot = key_cache_find(cache, key);
	if (slot)
		slot_clear(cache, (uint32_t)(slot - cache->slots));
}

void key_cache_check(const struct key_cache *cache)
{
	uint32_t n = 0;
	if (!cache->slots) {
		assert(cache->n == 0);
		return;
	}
	assert(((cache->mask + 1) & cache->mask) == 0 && cache->mask < cache->slots_max);
	for (uint32_t i = 0; i <= cache->mask; i++) {
		if (cache->slots[i].raw_len == 0)
			continue;
		assert(key_cache_find(cache, cache->slots[i].key) == &cache->slots[i]);
		n++;
	}
	assert(n == cache->n && n <= (cache->mask + 1) / 4 * 3);
}
