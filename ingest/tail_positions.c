#include "ingest/tail_positions.h"

#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"

void tail_positions_init(struct tail_positions *positions)
{
	*positions = (struct tail_positions){ .n = 0 };
}

static void item_free(struct tail_position *item)
{
	free(item->key);
	free((char *)(uintptr_t)item->payload.ptr);
}

void tail_positions_fini(struct tail_positions *positions)
{
	for (size_t i = 0; i < positions->n; i++)
		item_free(&positions->items[i]);
	free(positions->items);
	tail_positions_init(positions);
}

/* Where the key stands, or would. */
static size_t place(const struct tail_positions *positions, struct slice key, bool *there)
{
	size_t from = 0, to = positions->n;

	*there = false;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = slice_compare(slice_from(positions->items[middle].key), key);

		if (order == 0)
			*there = true;
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static int insert(struct tail_positions *positions, size_t at, struct slice key,
		  struct slice payload)
{
	if (positions->n == TAIL_POSITIONS_MAX)
		return ERR_LIMIT;
	if (!ARRAY_RESERVE(&positions->items, positions->n, &positions->cap))
		return ERR_NOMEM;
	struct tail_position item = { slice_dup(key), { slice_dup(payload), payload.len } };

	if (!item.key || !item.payload.ptr) {
		item_free(&item);
		return ERR_NOMEM;
	}
	memmove(positions->items + at + 1, positions->items + at,
		(positions->n - at) * sizeof(*positions->items));
	positions->items[at] = item;
	positions->n++;
	return 0;
}

int tail_positions_set(struct tail_positions *positions, struct slice key, struct slice payload)
{
	bool there;
	size_t at = place(positions, key, &there);

	if (!there)
		return payload.len ? insert(positions, at, key, payload) : 0;
	if (payload.len == 0) {
		item_free(&positions->items[at]);
		positions->n--;
		memmove(positions->items + at, positions->items + at + 1,
			(positions->n - at) * sizeof(*positions->items));
		return 0;
	}
	char *copy = slice_dup(payload);

	if (!copy)
		return ERR_NOMEM;
	free((char *)(uintptr_t)positions->items[at].payload.ptr);
	positions->items[at].payload = (struct slice){ copy, payload.len };
	return 0;
}

struct slice tail_positions_find(const struct tail_positions *positions, struct slice key)
{
	bool there;
	size_t at = place(positions, key, &there);

	return there ? positions->items[at].payload : SLICE("");
}

void tail_positions_check(const struct tail_positions *positions)
{
	assert(positions->n <= positions->cap && positions->n <= TAIL_POSITIONS_MAX);
	for (size_t i = 0; i < positions->n; i++) {
		assert(positions->items[i].payload.len > 0);
		assert(i == 0 || strcmp(positions->items[i - 1].key, positions->items[i].key) < 0);
	}
}
