/*
 * Regular expressions: PCRE2 with JIT behind the syntax and meaning of RE2, as Prometheus uses it.
 *
 * Fully anchored, dot matches newline ((?s)), UTF-8. What RE2 lacks (look-around, back references,
 * atomic groups, possessive quantifiers, recursion, callouts) is refused by name; so a pattern
 * means here what it means there. Every match has a step limit; a pattern that exceeds it counts as
 * no match and is counted in regex_limit_hits().
 */
#ifndef TOCSIN_BASE_REGEX_H
#define TOCSIN_BASE_REGEX_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define REGEX_PATTERN_MAX (16 * 1024)
#define REGEX_MATCH_LIMIT 1000000
#define REGEX_GROUPS_MAX 64
#define REGEX_OUTPUT_MAX (1024 * 1024) /* of one regex_expand() or regex_replace_all() */

struct regex; /* immutable after compilation, usable from any thread */

/* *why: a text to free() with what is wrong and where in the pattern (*offset). */
int regex_new(struct slice pattern, struct regex **out, char **why, size_t *offset);
struct regex *regex_ref(struct regex *regex);
/* Drops a reference; NULL is fine. */
void regex_free(struct regex *regex);
bool regex_is_match(const struct regex *regex, struct slice subject);
/*
 * For label_replace: matches the whole subject and expands $1, ${name}, $$ of the template as Go's
 * Regexp.Expand does. 1 matched (out appended), 0 not, negative on error
 * (ERR_LIMIT: more than REGEX_OUTPUT_MAX bytes; out may then hold a part).
 */
int regex_expand(const struct regex *regex, struct slice subject, struct slice template,
		 struct buf *out);
/* Replaces every (unanchored) match of the pattern: Go's ReplaceAllString. For templates'
 * reReplaceAll. 0 or negative. */
int regex_replace_all(struct slice pattern, struct slice subject, struct slice template,
		      struct buf *out);
/* Finds (unanchored) whether the pattern occurs: templates' match. 1, 0 or negative. */
int regex_search(struct slice pattern, struct slice subject);
uint64_t regex_limit_hits(void);

#endif
