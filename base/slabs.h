/*
 * An array that grows without moving what is there: in slabs of SLAB_ITEMS. So one more item costs
 * a slab at most, however many there are (to move a million of them takes some 10 ms), and pointers
 * to items stay good. The owner counts the items and knows their size.
 */
#ifndef TOCSIN_BASE_SLABS_H
#define TOCSIN_BASE_SLABS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/array.h"

#define SLAB_ITEMS 1024u
#define SLAB_ALIGNMENT 64

struct slabs {
	void **slabs;
	uint32_t n, cap;
};

static inline void slabs_fini(struct slabs *slabs)
{
	for (uint32_t i = 0; i < slabs->n; i++)
		free(slabs->slabs[i]);
	free(slabs->slabs);
	*slabs = (struct slabs){ .slabs = NULL };
}

/* Room for one more than n items, all bytes of which are undefined. False: out of memory. */
static inline bool slabs_reserve(struct slabs *slabs, uint32_t n, size_t size)
{
	if (n / SLAB_ITEMS < slabs->n)
		return true;
	if (!ARRAY_RESERVE(&slabs->slabs, slabs->n, &slabs->cap))
		return false;
	void *slab = aligned_alloc(SLAB_ALIGNMENT, SLAB_ITEMS * size);
	if (!slab)
		return false;
	slabs->slabs[slabs->n++] = slab;
	return true;
}

static inline size_t slabs_bytes(const struct slabs *slabs, size_t size)
{
	return slabs->n * (SLAB_ITEMS * size);
}

static inline void *slabs_at(const struct slabs *slabs, uint32_t i, size_t size)
{
	return (char *)slabs->slabs[i / SLAB_ITEMS] + i % SLAB_ITEMS * size;
}

/* The i-th item, which is of this type. */
#define SLABS_AT(slabs, type, i) ((type *)slabs_at((slabs), (i), sizeof(type)))

#endif
