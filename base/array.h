/*
 * Growing an array whose owner keeps pointer, count and capacity itself.
 */
#ifndef TOCSIN_BASE_ARRAY_H
#define TOCSIN_BASE_ARRAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* *array (of any pointer type) gets room for n elements of `size` bytes. False when out of memory:
 * it stays as it is. */
static inline bool array_resize(void *array, size_t n, size_t size)
{
	void *place;
	memcpy(&place, array, sizeof(place));
	place = reallocarray(place, n, size);
	if (!place)
		return false;
	memcpy(array, &place, sizeof(place));
	return true;
}

static inline bool array_reserve_size(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	size_t wanted = *cap ? *cap * 2 : 16;
	if (wanted <= *cap || !array_resize(array, wanted, size))
		return false;
	*cap = wanted;
	return true;
}

static inline bool array_reserve_u32(void *array, uint32_t n, uint32_t *cap, size_t size)
{
	size_t wanted = *cap;
	if (n < *cap)
		return true;
	if (wanted > UINT32_MAX / 2 || !array_reserve_size(array, n, &wanted, size))
		return false;
	*cap = (uint32_t)wanted;
	return true;
}

/*
 * Makes room for one more than n, by doubling from 16: `array` and `cap` are the addresses of the
 * pointer and of the capacity, a uint32_t or a size_t. False when out of memory: all stays as it
 * is.
 */
#define ARRAY_RESERVE(array, n, cap)                                                               \
	_Generic((cap), uint32_t *                                                                 \
		 : array_reserve_u32, size_t *                                                     \
		 : array_reserve_size)((array), (n), (cap), sizeof(**(array)))

#endif
