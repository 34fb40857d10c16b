#include "storage/id_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 16

void id_index_init(struct id_index *index)
{
	*index = (struct id_index){ .slots = NULL };
}

void id_index_fini(struct id_index *index)
{
	free(index->slots);
	id_index_init(index);
}

static void place(struct id_slot *slots, uint32_t mask, struct id_slot slot)
{
	uint32_t at = slot.hash & mask;
	while (slots[at].id != ID_NONE)
		at = (at + 1) & mask;
	slots[at] = slot;
}

bool id_index_reserve(struct id_index *index)
{
	size_t size = index->slots ? (size_t)index->mask + 1 : 0;
	if (index->n + 1 <= size / 4 * 3)
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
		if (index->slots[i].id != ID_NONE)
			place(slots, mask, index->slots[i]);
	free(index->slots);
	index->slots = slots;
	index->mask = mask;
	return true;
}

void id_index_add(struct id_index *index, uint32_t hash, uint32_t id)
{
	assert(id != ID_NONE && index->slots && index->n <= index->mask);
	place(index->slots, index->mask, (struct id_slot){ hash, id });
	index->n++;
}

void id_index_remove(struct id_index *index, uint32_t hash, uint32_t id)
{
	struct id_slot *slots = index->slots;
	uint32_t mask = index->mask, hole = hash & mask;
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
	index->n--;
}

size_t id_index_bytes(const struct id_index *index)
{
	return index->slots ? ((size_t)index->mask + 1) * sizeof(*index->slots) : 0;
}

void id_index_check(const struct id_index *index)
{
	uint32_t n = 0;
	for (size_t i = 0; index->slots && i <= index->mask; i++) {
		const struct id_slot *slot = &index->slots[i];
		if (slot->id == ID_NONE)
			continue;
		n++;
		/* No free slot between its own place and where it stands. */
		for (uint32_t at = slot->hash & index->mask; at != i; at = (at + 1) & index->mask)
			assert(index->slots[at].id != ID_NONE);
	}
	assert(n == index->n);
}
