/*
 * A slice: bytes that somebody else owns. Not NUL-terminated; used for whatever came from outside.
 */
#ifndef TOCSIN_BASE_SLICE_H
#define TOCSIN_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
#define RUNE_ERROR 0xFFFDu
/*
 * The first character: its code point and length in bytes. What is no UTF-8 gives RUNE_ERROR and 1,
 * an empty slice RUNE_ERROR and 0.
 */
size_t slice_rune(struct slice a, uint32_t *rune);
/* Writes a character as UTF-8 (RUNE_ERROR for what is none); the number of bytes. */
size_t rune_encode(uint32_t rune, char out[4]);
/* A NUL-terminated copy to free(), or NULL when out of memory. */
char *slice_dup(struct slice a);

#define NEAREST_NAME_MAX 64 /* longer words and names are left out */

/*
 * The nearest of names[0..n) to the given word by edit distance, or NULL when none is near enough
 * to be a likely slip (distance at most a third of the word, at least 1; letter case does not
 * count). For "did you mean".
 */
const char *nearest_name(struct slice word, const char *const *names, size_t n);

/* The value of a hexadecimal digit; -1: it is none. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
