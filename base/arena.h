/*
 * Arena: memory that is freed all at once (a parse, a batch, an evaluation).
 *
 * An arena may be given a limit in bytes; beyond it arena_alloc() returns NULL, which callers turn
 * into ERR_LIMIT or ERR_NOMEM. Memory is aligned to 16 bytes and zeroed.
 */
#ifndef TOCSIN_BASE_ARENA_H
#define TOCSIN_BASE_ARENA_H

#include "base/slice.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t used;		    /* bytes handed out */
	size_t limit;		    /* 0: none */
};

void arena_init(struct arena *arena, size_t limit);
/* Frees all; the arena may be used again. */
void arena_fini(struct arena *arena);
/* Forgets all but keeps the largest chunk for reuse. */
void arena_clear(struct arena *arena);
void *arena_alloc(struct arena *arena, size_t size);
/* n things of that size; NULL also when the product overflows. */
void *arena_alloc_array(struct arena *arena, size_t n, size_t size);
/* A NUL-terminated copy. */
char *arena_strdup(struct arena *arena, struct slice text);
struct slice arena_slice(struct arena *arena, struct slice text);
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Asserts the invariants, for tests. */
void arena_check(const struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, n) ((type *)arena_alloc_array((arena), (size_t)(n), sizeof(type)))

#endif
