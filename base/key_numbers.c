#include "base/key_numbers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"

#define SLOTS_MIN 1024u

void key_numbers_fini(struct key_numbers *numbers)
{
	free(numbers->keys);
	free(numbers->slots);
	*numbers = (struct key_numbers){ 0 };
}

/* Where the key stands, or would. */
static uint32_t *slot_of(const struct key_numbers *numbers, struct hash128 key)
{
	uint32_t at = (uint32_t)key.lo & numbers->mask;
	while (numbers->slots[at] && !hash128_is_equal(numbers->keys[numbers->slots[at] - 1], key))
		at = (at + 1) & numbers->mask;
	return &numbers->slots[at];
}

uint32_t key_numbers_find(const struct key_numbers *numbers, struct hash128 key)
{
	return numbers->slots ? *slot_of(numbers, key) - 1 : KEY_NUMBER_NONE;
}

static void slots_fill(struct key_numbers *numbers)
{
	for (uint32_t i = 0; i < numbers->n; i++)
		*slot_of(numbers, numbers->keys[i]) = i + 1;
}

/* Room for one more. */
static int slots_reserve(struct key_numbers *numbers)
{
	size_t nslots = numbers->slots ? (size_t)numbers->mask + 1 : 0;
	if (2 * ((size_t)numbers->n + 1) <= nslots)
		return 0;
	nslots = nslots ? 2 * nslots : SLOTS_MIN;
	uint32_t *slots = calloc(nslots, sizeof(*slots));
	if (!slots)
		return ERR_NOMEM;
	free(numbers->slots);
	numbers->slots = slots;
	numbers->mask = (uint32_t)(nslots - 1);
	slots_fill(numbers);
	return 0;
}

int key_numbers_add(struct key_numbers *numbers, struct hash128 key, uint32_t max)
{
	if (numbers->n >= max)
		return ERR_LIMIT;
	if (!ARRAY_RESERVE(&numbers->keys, numbers->n, &numbers->cap) || slots_reserve(numbers))
		return ERR_NOMEM;
	uint32_t *slot = slot_of(numbers, key);
	assert(*slot == 0);
	numbers->keys[numbers->n++] = key;
	*slot = numbers->n;
	return 0;
}

void key_numbers_filter(struct key_numbers *numbers,
			bool (*is_kept)(void *ctx, uint32_t number, uint32_t then), void *ctx)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < numbers->n; i++)
		if (is_kept(ctx, i, kept))
			numbers->keys[kept++] = numbers->keys[i];
	numbers->n = kept;
	if (!numbers->slots)
		return;
	memset(numbers->slots, 0, ((size_t)numbers->mask + 1) * sizeof(*numbers->slots));
	slots_fill(numbers);
}

void key_numbers_check(const struct key_numbers *numbers)
{
	size_t used = 0;
	if (!numbers->slots) {
		assert(numbers->n == 0);
		return;
	}
	assert((numbers->mask & (numbers->mask + 1)) == 0);
	assert(numbers->n <= numbers->cap && 2 * (size_t)numbers->n <= (size_t)numbers->mask + 1);
	for (size_t i = 0; i <= numbers->mask; i++)
		used += numbers->slots[i] != 0;
	assert(used == numbers->n);
	for (uint32_t i = 0; i < numbers->n; i++)
		assert(key_numbers_find(numbers, numbers->keys[i]) == i);
}
