/*
 * Numbers of keys: the first key that is added is 0, the next 1. Who numbers keys keeps what
 * belongs to them in an array by number.
 *
 * Invariants: a slot table of a power of two, at most half full, open addressing with linear
 * probing; each slot holds 1 + a number, 0 is free. The keys must be good hashes already.
 */
#ifndef TOCSIN_BASE_KEY_NUMBERS_H
#define TOCSIN_BASE_KEY_NUMBERS_H

#include "base/hash.h"

#define KEY_NUMBER_NONE UINT32_MAX

struct key_numbers {
	struct hash128 *keys; /* by number */
	uint32_t n, cap;
	uint32_t *slots; /* mask + 1 of them; NULL until the first key */
	uint32_t mask;
};

/* An empty one is all zero. */
void key_numbers_fini(struct key_numbers *numbers);
/* KEY_NUMBER_NONE: it was not added. */
uint32_t key_numbers_find(const struct key_numbers *numbers, struct hash128 key);
/*
 * Of a key that is not there: its number is n as it was. ERR_LIMIT: there are max (not more than
 * 2^30) already; ERR_NOMEM.
 */
int key_numbers_add(struct key_numbers *numbers, struct hash128 key, uint32_t max);
/*
 * Keeps those that `is_kept` wants and numbers them anew in the same order; it is called for each,
 * in the order of their numbers, with its number and the one that it has if it stays.
 */
void key_numbers_filter(struct key_numbers *numbers,
			bool (*is_kept)(void *ctx, uint32_t number, uint32_t then), void *ctx);
/* Asserts the invariants, for tests. */
void key_numbers_check(const struct key_numbers *numbers);

#endif
