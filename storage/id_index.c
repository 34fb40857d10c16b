#include "storage/id_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 16
#define PARTS (1u << ID_INDEX_PART_BITS)

void id_index_init(struct id_index *index)
{
	*index = (struct id_index){ .n = 0 };
}

void id_index_fini(struct id_index *index)
{
	for (uint32_t i = 0; i < PARTS; i++)
		free(index->parts[i].slots);
	id_index_init(index);
}

static struct id_part *part_of(struct id_index *index, uint32_t hash)
{
	return &index->parts[hash >> (32 - ID_INDEX_PART_BITS)];
}

static void place(struct id_slot *slots, uint32_t mask, struct id_slot slot)
{
	uint32_t at = slot.hash & mask;
	while (slots[at].id != ID_NONE)
		at = (at + 1) & mask;
	slots[at] = slot;
}

static bool part_reserve(struct id_part *part)
{
	size_t size = part->slots ? (size_t)part->mask + 1 : 0;
	if (part->n + 1 <= size / 4 * 3)
		return true;
	size_t wanted = size ? size * 2 : SLOTS_MIN;
	if (wanted > UINT32_MAX)
		return false;
	struct id_slot *slots = malloc(wanted * sizeof(*slots));
	if (!slots)
		return false;
	memset(slots, 0xff, wanted * sizeof(*slots)); /* ID_NONE all over */
	uint32_t mask = (uint32_t)(wanted - 1);
	for (size_t i = 0; i < size; i++)
		if (part->slots[i].id != ID_NONE)
			place(slots, mask, part->slots[i]);
	free(part->slots);
	part->slots = slots;
	part->mask = mask;
	return true;
}

/* Whatever its hash will be. */
bool id_index_reserve(struct id_index *index)
{
	for (uint32_t i = 0; i < PARTS; i++)
		if (!part_reserve(&index->parts[i]))
			return false;
	return true;
}

void id_index_add(struct id_index *index, uint32_t hash, uint32_t id)
{
	struct id_part *part = part_of(index, hash);
	assert(id != ID_NONE && part->slots && part->n <= part->mask);
	place(part->slots, part->mask, (struct id_slot){ hash, id });
	part->n++;
	index->n++;
}

void id_index_remove(struct id_index *index, uint32_t hash, uint32_t id)
{
	struct id_part *part = part_of(index, hash);
	struct id_slot *slots = part->slots;
	uint32_t mask = part->mask, hole = hash & mask;
	while (slots[hole].id != id) {
		assert(slots[hole].id != ID_NONE);
		hole = (hole + 1) & mask;
	}
	/* What stands after the hole moves into it, unless its own place lies behind the hole. */
	for (uint32_t at = (hole + 1) & mask; slots[at].id != ID_NONE; at = (at + 1) & mask) {
		uint32_t distance = (at - slots[at].hash) & mask;
		if (distance >= ((at - hole) & mask)) {
			slots[hole] = slots[at];
			hole = at;
		}
	}
	slots[hole].id = ID_NONE;
	part->n--;
	index->n--;
}

size_t id_index_bytes(const struct id_index *index)
{
	size_t bytes = 0;
	for (uint32_t i = 0; i < PARTS; i++)
		if (index->parts[i].slots)
			bytes += ((size_t)index->parts[i].mask + 1) * sizeof(struct id_slot);
	return bytes;
}

static uint32_t part_check(const struct id_index *index, uint32_t which)
{
	const struct id_part *part = &index->parts[which];
	uint32_t n = 0;
	for (size_t i = 0; part->slots && i <= part->mask; i++) {
		const struct id_slot *slot = &part->slots[i];
		if (slot->id == ID_NONE)
			continue;
		n++;
		assert(slot->hash >> (32 - ID_INDEX_PART_BITS) == which);
		/* No free slot between its own place and where it stands. */
		for (uint32_t at = slot->hash & part->mask; at != i; at = (at + 1) & part->mask)
			assert(part->slots[at].id != ID_NONE);
	}
	assert(n == part->n);
	return n;
}

void id_index_check(const struct id_index *index)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < PARTS; i++)
		n += part_check(index, i);
	assert(n == index->n);
}
