/*
 * Growing an array whose owner keeps pointer and capacity itself. Private to storage/.
 */
#ifndef TOCSIN_STORAGE_ARRAY_H
#define TOCSIN_STORAGE_ARRAY_H

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
	place = realloc(place, n * size);
	if (!place)
		return false;
	memcpy(array, &place, sizeof(place));
	return true;
}

/* Makes room for one more than n, by doubling from 16. */
static inline bool array_reserve(void *array, uint32_t n, uint32_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	uint32_t wanted = *cap ? *cap * 2 : 16;
	if (wanted <= *cap || !array_resize(array, wanted, size))
		return false;
	*cap = wanted;
	return true;
}

#endif
