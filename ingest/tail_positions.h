/*
 * How far the sources of log lines were read, as far as it is known: what the journal remembered at
 * the start, and everything since. Keys and payloads as batch_position_add() has them. One table
 * for all sources, on their thread; a source that a reload starts anew goes on from here.
 */
#ifndef TOCSIN_INGEST_TAIL_POSITIONS_H
#define TOCSIN_INGEST_TAIL_POSITIONS_H

#include "base/slice.h"

#define TAIL_POSITIONS_MAX 65536 /* further ones are not remembered */

struct tail_positions {
	struct tail_position {
		char *key;
		struct slice payload; /* allocated */
	} * items;		      /* sorted by key */
	size_t n, cap;
};

void tail_positions_init(struct tail_positions *positions);
void tail_positions_fini(struct tail_positions *positions);
/* An empty payload forgets the key. ERR_NOMEM, ERR_LIMIT: the old one stands. */
int tail_positions_set(struct tail_positions *positions, struct slice key, struct slice payload);
/* Borrowed until the next change; an empty slice when it is not known. */
struct slice tail_positions_find(const struct tail_positions *positions, struct slice key);
/* Asserts the invariants, for tests. */
void tail_positions_check(const struct tail_positions *positions);

#endif
