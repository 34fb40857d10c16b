/*
 * Finding a pattern in a line: RE2's syntax, unanchored, the first place where it occurs, as Go's
 * Regexp finds it; a dot is anything but a line end.
 *
 * Lines come from strangers, and PCRE2 backtracks: so the steps from each start are bounded, by
 * what an ordinary pattern (foo.*bar) may need in a line of that length, and a search that exceeds
 * it is given up as a whole. A pattern that runs away does so at its first start: 0.1 ms. The worst
 * that is left grows with the square of the length: callers bound that. Nothing is allocated for a
 * line that is UTF-8.
 */
#ifndef TOCSIN_BASE_REGEX_FIND_H
#define TOCSIN_BASE_REGEX_FIND_H

#include "base/buf.h"
#include "base/regex.h"

/* Steps from each start: so many, and so many more for each byte behind it. */
#define REGEX_FIND_STEPS 10000
#define REGEX_FIND_STEPS_PER_BYTE 4

struct regex_finder; /* immutable, usable from any thread */

/* As regex_new(). */
int regex_finder_new(struct slice pattern, struct regex_finder **out, char **why, size_t *offset);
void regex_finder_free(struct regex_finder *finder); /* NULL is fine */

/* Groups from 1 to n; the name of one, empty when it has none. */
size_t regex_finder_groups(const struct regex_finder *finder);
struct slice regex_finder_group_name(const struct regex_finder *finder, size_t i);
/*
 * Finds. 1; 0; ERR_LIMIT: given up; ERR_NOMEM. is_utf8: the caller knows that the subject is valid.
 * groups (NULL: none wanted) receives the texts of groups 1 … n, empty for those without; they
 * point into the subject, or, when that was no UTF-8, into `copy`, which the caller keeps and ends.
 */
int regex_finder_search(const struct regex_finder *finder, struct slice subject, bool is_utf8,
			struct slice *groups, struct buf *copy);
/*
 * Appends the subject (valid UTF-8) with each match replaced, as Go's ReplaceAll does. 0;
 * ERR_LIMIT: given up, or too long; ERR_NOMEM: out may then hold a part.
 */
int regex_finder_replace(const struct regex_finder *finder, struct slice subject,
			 struct slice template, struct buf *out);

#endif
