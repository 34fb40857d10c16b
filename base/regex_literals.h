/*
 * What a text must contain for a pattern to occur in it: the necessary literals, by which a search
 * for many patterns at once finds the few that are worth running.
 *
 * Letters of a-z stand for both cases. Of (?i)s and (?i)k there are members outside of ASCII; where
 * such a letter is in a literal, they are literals beside it.
 */
#ifndef TOCSIN_BASE_REGEX_LITERALS_H
#define TOCSIN_BASE_REGEX_LITERALS_H

#include "base/arena.h"

#define REGEX_LITERALS_MAX 32 /* alternatives; where there are more, nothing is said */

struct regex_literals {
	struct slice items[REGEX_LITERALS_MAX]; /* in the arena; none is empty */
	uint32_t n; /* at least one of them occurs; 0: nothing can be said */
	/* The pattern means: one of the items, as it is written, letter case and all. */
	bool is_exact;
};

/*
 * Of a pattern that regex_find_new() takes; of any other, and without memory, nothing is said.
 */
void regex_literals_find(struct slice pattern, struct arena *arena, struct regex_literals *out);

#endif
