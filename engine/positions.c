/*
 * How far sources of log lines were read, by what their readers call them. The engine looks into
 * neither key nor payload: it only sees to it that both are as old as the samples beside them.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"

void positions_init(struct positions *positions)
{
	*positions = (struct positions){ .n = 0 };
}

void positions_fini(struct positions *positions)
{
	for (uint32_t i = 0; i < positions->n; i++)
		free(positions->items[i].key);
	free(positions->items);
	positions_init(positions);
}

static struct slice key_of(const struct position *position)
{
	return (struct slice){ position->key, position->key_len };
}

static struct slice payload_of(const struct position *position)
{
	return (struct slice){ position->payload, position->payload_len };
}

/* Where the key stands, or would. */
static uint32_t place_of(const struct positions *positions, struct slice key, bool *is_there)
{
	uint32_t low = 0, high = positions->n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (slice_compare(key_of(&positions->items[middle]), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*is_there = low < positions->n && slice_is_equal(key_of(&positions->items[low]), key);
	return low;
}

static void remove_at(struct positions *positions, uint32_t at)
{
	free(positions->items[at].key);
	positions->n--;
	memmove(&positions->items[at], &positions->items[at + 1],
		(positions->n - at) * sizeof(*positions->items));
}

static int insert_at(struct positions *positions, uint32_t at)
{
	if (positions->n == POSITIONS_MAX)
		return ERR_LIMIT;
	if (!ARRAY_RESERVE(&positions->items, positions->n, &positions->cap))
		return ERR_NOMEM;
	memmove(&positions->items[at + 1], &positions->items[at],
		(positions->n - at) * sizeof(*positions->items));
	positions->items[at] = (struct position){ .key = NULL };
	positions->n++;
	return 0;
}

int positions_set(struct positions *positions, struct slice key, struct slice payload)
{
	bool is_there;
	uint32_t at = place_of(positions, key, &is_there);
	if (payload.len == 0) {
		if (is_there)
			remove_at(positions, at);
		return 0;
	}
	if (key.len + payload.len > BATCH_POSITION_BYTES_MAX)
		return ERR_LIMIT;
	/* Nearly always a number that grew: it fits where the one before stood. */
	if (is_there && positions->items[at].payload_len == payload.len) {
		memcpy(positions->items[at].payload, payload.ptr, payload.len);
		return 0;
	}
	char *bytes = malloc(key.len + payload.len);
	int code = !bytes ? ERR_NOMEM : is_there ? 0 : insert_at(positions, at);
	if (code) {
		free(bytes);
		return code;
	}
	memcpy(bytes, key.ptr, key.len);
	memcpy(bytes + key.len, payload.ptr, payload.len);
	free(positions->items[at].key);
	positions->items[at] = (struct position){ bytes, bytes + key.len, (uint32_t)key.len,
						  (uint32_t)payload.len };
	return 0;
}

/*
 * One that there is no room for is not journaled either: after a restart its source begins anew
 * rather than at some older place.
 */
void positions_apply(struct engine *engine, const struct batch *batch)
{
	struct reader reader;
	reader_init(&reader, buf_slice(&batch->positions));
	for (uint32_t i = 0; i < batch->npositions; i++) {
		struct slice key = reader_sized(&reader), payload = reader_sized(&reader);
		if (positions_set(&engine->positions, key, payload) == 0 && engine->options.journal)
			derived_block_add_position(&engine->derived, key, payload);
	}
}

void engine_positions_each(const struct engine *engine,
			   void (*fn)(void *ctx, struct slice key, struct slice payload), void *ctx)
{
	for (uint32_t i = 0; i < engine->positions.n; i++)
		fn(ctx, key_of(&engine->positions.items[i]),
		   payload_of(&engine->positions.items[i]));
}
