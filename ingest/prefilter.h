/*
 * Many literals looked for in a line at once: which patterns are worth running at all.
 *
 * Of each literal a few neighbouring grams (four bytes) are in a table, as many as the scan's
 * stride: so that, wherever the literal stands, one of them is at a place that the scan looks at.
 * A look is a hash and a bit, and waits for no other; where the bit is set, the literals with that
 * gram are compared in full.
 *
 *   line     … a p i :   c o n n e c t ( )   f a i l e d
 *   looks at     |       |       |       |       |          every fourth byte here
 *   literal            c o n n e c t ( )
 *   its grams              [nect][ect(][ct()][t() ]
 *
 * Measured beside an Aho-Corasick automaton, 50 literals, lines of 119 bytes: 67 ns a line for
 * 235 ns, whose every step waits for the memory of the one before.
 *
 * ASCII letters of either case are one. Literals of less than four bytes are none of the filter's,
 * unless they are not ASCII: then any line that is not is a hit.
 */
#ifndef TOCSIN_INGEST_PREFILTER_H
#define TOCSIN_INGEST_PREFILTER_H

#include <stdint.h>

#include "base/slice.h"

#define PREFILTER_STRIDE_MAX 4 /* bytes from look to look; less with literals of less than 7 */

/* One literal of what has that id. */
struct prefilter_literal {
	uint32_t id;
	struct slice text; /* prefilter_takes() it */
};

struct prefilter; /* immutable, any thread */

/* Ids that were hit by a line, each once; one a feed. */
struct prefilter_hits {
	uint32_t *ids;
	uint32_t n;
	uint32_t *seen; /* by id: the mark of the line that last hit it */
	uint32_t mark, nids;
};

/* Can the filter look for it? */
bool prefilter_takes(struct slice literal);
/* Literals of ids < nids. ERR_NOMEM. */
int prefilter_new(const struct prefilter_literal *literals, size_t n, uint32_t nids,
		  struct prefilter **out);
void prefilter_free(struct prefilter *prefilter); /* NULL is fine */
int prefilter_hits_init(struct prefilter_hits *hits, uint32_t nids);
void prefilter_hits_fini(struct prefilter_hits *hits);
/* Replaces what is in hits by the ids of which a literal occurs: all of them, and no other. */
void prefilter_scan(const struct prefilter *prefilter, struct slice line,
		    struct prefilter_hits *hits);
/* How many literals share the gram that most have: what a look may cost. For tests. */
uint32_t prefilter_worst(const struct prefilter *prefilter);

#endif
