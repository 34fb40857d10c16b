/*
 * A map from small numbers (label set ids) to small numbers. Private to engine/.
 *
 * Open addressing with linear probing, 8 bytes a slot, at most half full; removal shifts back, so
 * there are no tombstones. UINT32_MAX is neither a key nor a value.
 *
 * A map of many keys is in parts, by the highest bits of the hash, which grow each by itself: a
 * table of a million keys, doubled at once, would take the engine's thread some 12 ms.
 */
#ifndef TOCSIN_ENGINE_ID_MAP_H
#define TOCSIN_ENGINE_ID_MAP_H

#include <stdbool.h>
#include <stdint.h>

#define ID_MAP_NONE UINT32_MAX
#define ID_MAP_WHOLE_MAX 16384 /* keys, beyond which it is in parts */
#define ID_MAP_PART_BITS 6

struct id_map_slot {
	uint32_t key, value;
};

struct id_map {
	struct id_map_slot *slots; /* NULL, or mask + 1 of them */
	uint32_t mask, n; /* n: of the slots */
	struct id_map *parts; /* NULL, or all keys are in these 1 << ID_MAP_PART_BITS */
};

/* An empty one is all zero bytes; this leaves such a one. */
void id_map_fini(struct id_map *map);
uint32_t id_map_count(const struct id_map *map); /* keys */
/* ID_MAP_NONE when the key is not there. */
uint32_t id_map_find(const struct id_map *map, uint32_t key);
/* Adds or replaces; false when out of memory. */
bool id_map_put(struct id_map *map, uint32_t key, uint32_t value);
/* Nothing happens when the key is not there. */
void id_map_remove(struct id_map *map, uint32_t key);

#endif
