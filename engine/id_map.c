#include "engine/id_map.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 8

#define PARTS (1u << ID_MAP_PART_BITS)

static uint32_t hash_of(uint32_t key)
{
	uint32_t hash = key * 2654435769u; /* 2^32 / golden ratio: neighbours part */
	return hash ^ hash >> 15;
}

void id_map_fini(struct id_map *map)
{
	for (uint32_t i = 0; map->parts && i < PARTS; i++)
		free(map->parts[i].slots);
	free(map->parts);
	free(map->slots);
	*map = (struct id_map){ .slots = NULL };
}

uint32_t id_map_count(const struct id_map *map)
{
	uint32_t n = map->n;
	for (uint32_t i = 0; map->parts && i < PARTS; i++)
		n += map->parts[i].n;
	return n;
}

/* The map that has the key, or would have it. */
static struct id_map *part_of(const struct id_map *map, uint32_t key)
{
	return map->parts ? &map->parts[hash_of(key) >> (32 - ID_MAP_PART_BITS)]
			  : (struct id_map *)map;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct id_map_slot *slot_for(const struct id_map *map, uint32_t key)
{
	uint32_t at = hash_of(key) & map->mask;
	while (map->slots[at].key != ID_MAP_NONE && map->slots[at].key != key)
		at = (at + 1) & map->mask;
	return &map->slots[at];
}

uint32_t id_map_find(const struct id_map *map, uint32_t key)
{
	map = part_of(map, key);
	return map->n ? slot_for(map, key)->value : ID_MAP_NONE;
}

static bool grow(struct id_map *map)
{
	uint32_t count = map->slots ? (map->mask + 1) * 2 : SLOTS_MIN;
	struct id_map bigger = { .slots = malloc(count * sizeof(*bigger.slots)),
				 .mask = count - 1 };
	if (!bigger.slots)
		return false;
	memset(bigger.slots, 0xff, count * sizeof(*bigger.slots));
	if (map->slots)
		for (uint32_t i = 0; i <= map->mask; i++)
			if (map->slots[i].key != ID_MAP_NONE)
				*slot_for(&bigger, map->slots[i].key) = map->slots[i];
	bigger.n = map->n;
	free(map->slots);
	*map = bigger;
	return true;
}

static bool put(struct id_map *map, uint32_t key, uint32_t value)
{
	if ((!map->slots || map->n * 2 > map->mask) && !grow(map))
		return false;
	struct id_map_slot *slot = slot_for(map, key);
	if (slot->key == ID_MAP_NONE)
		map->n++;
	*slot = (struct id_map_slot){ key, value };
	return true;
}

/* All keys into parts. False when out of memory: the map is as it was. */
static bool divide(struct id_map *map)
{
	struct id_map divided = { .parts = calloc(PARTS, sizeof(*divided.parts)) };
	if (!divided.parts)
		return false;
	for (uint32_t i = 0; i <= map->mask; i++) {
		uint32_t key = map->slots[i].key;
		if (key == ID_MAP_NONE || put(part_of(&divided, key), key, map->slots[i].value))
			continue;
		id_map_fini(&divided);
		return false;
	}
	id_map_fini(map);
	*map = divided;
	return true;
}

bool id_map_put(struct id_map *map, uint32_t key, uint32_t value)
{
	if (map->n == ID_MAP_WHOLE_MAX && !divide(map))
		return false;
	return put(part_of(map, key), key, value);
}

void id_map_remove(struct id_map *map, uint32_t key)
{
	map = part_of(map, key);
	if (!map->n)
		return;
	struct id_map_slot *slots = map->slots, *slot = slot_for(map, key);
	if (slot->key == ID_MAP_NONE)
		return;
	map->n--;
	uint32_t hole = (uint32_t)(slot - slots);
	for (uint32_t at = (hole + 1) & map->mask; slots[at].key != ID_MAP_NONE;
	     at = (at + 1) & map->mask) {
		/*
		 * A key moves into the hole unless that lies before the place where its probing
		 * starts.
		 */
		uint32_t home = hash_of(slots[at].key) & map->mask;
		if (((at - home) & map->mask) < ((at - hole) & map->mask))
			continue;
		slots[hole] = slots[at];
		hole = at;
	}
	slots[hole] = (struct id_map_slot){ ID_MAP_NONE, ID_MAP_NONE };
}
