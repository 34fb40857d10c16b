/*
 * A slice: bytes that somebody else owns. Not NUL-terminated; used for whatever came from outside.
 */
#ifndef TOCSIN_BASE_SLICE_H
#define TOCSIN_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *ptr; /* may be NULL when len is 0 */
	size_t len;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
#define SLICE_FMT "%.*s"
#define SLICE_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct slice slice_from(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_is_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
	return slice_is_equal(a, slice_from(text));
}

/* Bytewise order, as Prometheus sorts label names: <0, 0, >0. */
int slice_compare(struct slice a, struct slice b);
bool slice_has_prefix(struct slice a, struct slice prefix);
bool slice_has_suffix(struct slice a, struct slice suffix);
/* Position of the first c, or -1. */
ptrdiff_t slice_find(struct slice a, char c);
/* The slice without white space (space, tab, CR, LF) at both ends. */
struct slice slice_trim(struct slice a);
/* Valid UTF-8 (no surrogates, no overlong forms)? */
bool slice_is_utf8(struct slice a);
/* A NUL-terminated copy to free(), or NULL when out of memory. */
char *slice_dup(struct slice a);

/*
 * The nearest of names[0..n) to the given word by edit distance, or NULL when none is near enough
 * to be a likely slip (distance at most a third of the word, at least 1). For "did you mean".
 */
const char *nearest_name(struct slice word, const char *const *names, size_t n);

#endif
