#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ALIGNMENT 16
#define CHUNK_MIN 4096
#define CHUNK_MAX (1024 * 1024) /* of the doubling; a larger single piece gets its own chunk */

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	_Alignas(ALIGNMENT) char bytes[];
};

void arena_init(struct arena *arena, size_t limit)
{
	*arena = (struct arena){ .limit = limit };
}

static void chunks_free(struct arena_chunk *chunk)
{
	while (chunk) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void arena_fini(struct arena *arena)
{
	chunks_free(arena->chunks);
	arena->chunks = NULL;
	arena->used = 0;
}

void arena_clear(struct arena *arena)
{
	struct arena_chunk *keep = arena->chunks;

	for (struct arena_chunk *c = arena->chunks; c; c = c->next) {
		if (c->cap > keep->cap)
			keep = c;
	}
	for (struct arena_chunk *c = arena->chunks, *next; c; c = next) {
		next = c->next;
		if (c != keep)
			free(c);
	}
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
	}
	arena->chunks = keep;
	arena->used = 0;
}

static struct arena_chunk *chunk_add(struct arena *arena, size_t size)
{
	size_t cap = arena->chunks ? arena->chunks->cap * 2 : CHUNK_MIN;

	if (cap > CHUNK_MAX)
		cap = CHUNK_MAX;
	if (cap < size)
		cap = size;
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + cap);

	if (!chunk)
		return NULL;
	chunk->used = 0;
	chunk->cap = cap;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (arena->limit && (size > arena->limit || arena->used > arena->limit - size))
		return NULL;

	struct arena_chunk *chunk = arena->chunks;

	if (!chunk || chunk->cap - chunk->used < size)
		chunk = chunk_add(arena, size);
	if (!chunk)
		return NULL;
	char *at = chunk->bytes + chunk->used;

	chunk->used += size;
	arena->used += size;
	return memset(at, 0, size);
}

void *arena_alloc_array(struct arena *arena, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return arena_alloc(arena, bytes);
}

char *arena_strdup(struct arena *arena, struct slice text)
{
	char *copy = arena_alloc(arena, text.len + 1);

	if (copy && text.len)
		memcpy(copy, text.ptr, text.len);
	return copy;
}

struct slice arena_slice(struct arena *arena, struct slice text)
{
	char *copy = arena_strdup(arena, text);

	return copy ? (struct slice){ copy, text.len } : (struct slice){ NULL, 0 };
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return NULL;

	char *text = arena_alloc(arena, (size_t)len + 1);

	if (!text)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

void arena_check(const struct arena *arena)
{
	size_t used = 0;

	for (const struct arena_chunk *c = arena->chunks; c; c = c->next) {
		assert(c->used <= c->cap);
		assert(c->used % ALIGNMENT == 0);
		assert((uintptr_t)c->bytes % ALIGNMENT == 0);
		used += c->used;
	}
	assert(used == arena->used);
	assert(arena->limit == 0 || arena->used <= arena->limit);
}
