/*
 * RE2's syntax in terms of PCRE2's: private to regex.c.
 *
 * Reads a pattern as Go's regexp/syntax does (Perl flags) and writes one that means the same to
 * PCRE2, in which every escape, class and literal is spelled out. What Go would refuse is refused;
 * so nothing that only PCRE2 knows gets through.
 */
#ifndef TOCSIN_BASE_REGEX_SYNTAX_H
#define TOCSIN_BASE_REGEX_SYNTAX_H

#include "base/buf.h"
#include "base/regex.h"

#define REGEX_NESTING_MAX 200 /* groups within groups */
#define REGEX_REPEAT_MAX 1000 /* RE2's own bound of x{n}, also for nested ones multiplied */

struct regex_syntax {
	struct buf out; /* the pattern for PCRE2 */
	size_t ngroups; /* capturing ones */
	/* names[i] of group i + 1, empty when it has none; slices of the source pattern */
	struct slice names[REGEX_GROUPS_MAX];
};

/*
 * On ERR_INVALID or ERR_LIMIT *why is a text to free() and *offset a place in the pattern. The
 * caller frees syntax->out in any case.
 */
int regex_translate(struct slice pattern, struct regex_syntax *syntax, char **why, size_t *offset);

#endif
