/*
 * A hash index of small numbers: finds the places of things in somebody's array. Private to
 * storage/.
 *
 * Open addressing with linear probing, 8 bytes a slot; removal shifts back, so there are no
 * tombstones. The hash is kept in the slot: a look-up compares things only where the hashes agree,
 * and growing touches none of them.
 *
 * It is in parts, by the highest bits of the hash, which grow each by itself: of a million ids at
 * once that would take the engine's thread some 15 ms.
 */
#ifndef TOCSIN_STORAGE_ID_INDEX_H
#define TOCSIN_STORAGE_ID_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_NONE UINT32_MAX

struct id_slot {
	uint32_t hash;
	uint32_t id; /* ID_NONE: free */
};

#define ID_INDEX_PART_BITS 5

struct id_index {
	struct id_part {
		struct id_slot *slots; /* NULL, or mask + 1 of them */
		uint32_t mask;
		uint32_t n;
	} parts[1 << ID_INDEX_PART_BITS];
	uint32_t n; /* of all */
};

void id_index_init(struct id_index *index);
void id_index_fini(struct id_index *index);
/* Room for one more: the next id_index_add() cannot fail. False when out of memory. */
bool id_index_reserve(struct id_index *index);
/* Needs room. The id must not be there. */
void id_index_add(struct id_index *index, uint32_t hash, uint32_t id);
/* The id must be there. */
void id_index_remove(struct id_index *index, uint32_t hash, uint32_t id);
size_t id_index_bytes(const struct id_index *index);
void id_index_check(const struct id_index *index);

/*
 * Goes through the ids with this hash:
 *   for (uint32_t at = hash, id; (id = id_index_next(&index, hash, &at)) != ID_NONE;)
 */
static inline uint32_t id_index_next(const struct id_index *index, uint32_t hash, uint32_t *at)
{
	const struct id_part *part = &index->parts[hash >> (32 - ID_INDEX_PART_BITS)];
	if (!part->slots)
		return ID_NONE;
	for (;;) {
		const struct id_slot *slot = &part->slots[*at & part->mask];
		(*at)++;
		if (slot->id == ID_NONE)
			return ID_NONE;
		if (slot->hash == hash)
			return slot->id;
	}
}

#endif
