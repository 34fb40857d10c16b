/*
 * Many literals looked for in a line at once: which patterns are worth running at all.
 *
 * An Aho-Corasick automaton as one table: a byte costs one look-up, however many literals there
 * are. ASCII letters of either case are one. Bytes fall into classes (those that no literal has are
 * one), so that the states that lines are mostly in stay in the fastest cache.
 *
 *   state ──class of byte──► next[state + class] = the next state, with a flag if literals end
 * there
 *
 * A hit says that a literal, or as much of it as was taken into the table, occurs: never more.
 */
#ifndef TOCSIN_INGEST_PREFILTER_H
#define TOCSIN_INGEST_PREFILTER_H

#include <stdint.h>

#include "base/slice.h"

#define PREFILTER_LITERAL_MAX 24		/* bytes of a literal; the rest is not looked for */
#define PREFILTER_BYTES_MAX (32u * 1024 * 1024) /* of the table; then literals are cut shorter */

/* One literal of what has that id. */
struct prefilter_literal {
	uint32_t id;
	struct slice text; /* not empty */
};

struct prefilter; /* immutable, any thread */

/* Ids that were hit by a line, each once; one a feed. */
struct prefilter_hits {
	uint32_t *ids;
	uint32_t n;
	uint32_t *seen; /* by id: the mark of the line that last hit it */
	uint32_t mark, nids;
};

/* Literals of ids < nids; ERR_LIMIT: too many even when cut short; ERR_NOMEM. */
int prefilter_new(const struct prefilter_literal *literals, size_t n, uint32_t nids,
		  struct prefilter **out);
void prefilter_free(struct prefilter *prefilter); /* NULL is fine */
size_t prefilter_bytes(const struct prefilter *prefilter);
int prefilter_hits_init(struct prefilter_hits *hits, uint32_t nids);
void prefilter_hits_fini(struct prefilter_hits *hits);
/* Replaces what is in hits. */
void prefilter_scan(const struct prefilter *prefilter, struct slice line,
		    struct prefilter_hits *hits);

#endif
