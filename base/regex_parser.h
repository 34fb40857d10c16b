/*
 * The parser of patterns: what regex_syntax.c (structure) and regex_class.c (characters and
 * classes) share. Private to these two.
 */
#ifndef TOCSIN_BASE_REGEX_PARSER_H
#define TOCSIN_BASE_REGEX_PARSER_H

#include "base/error.h"
#include "base/regex_syntax.h"

struct regex_frame {
	size_t at;	 /* of the opening parenthesis */
	bool fold;	 /* (?i) outside of the group */
	unsigned repeat; /* largest product of repeat counts in the enclosing group so far */
};

struct regex_parser {
	struct slice in;
	size_t i;
	struct regex_syntax *syntax;
	struct buf *out;
	bool fold;	 /* (?i) */
	bool has_atom;	 /* there is something to repeat */
	bool has_repeat; /* and it was repeated already */
	unsigned atom;	 /* product of the repeat counts within the last atom */
	unsigned repeat; /* the largest one of this group */
	struct regex_frame frames[REGEX_NESTING_MAX];
	size_t depth;
	struct buf why; /* the first error */
	size_t why_at;
};

/* Sets the error; returns err. */
int regex_fail(struct regex_parser *p, int err, size_t at, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#define fail(p, at, ...) regex_fail((p), ERR_INVALID, (at), __VA_ARGS__)

/*
 * Reading on. All of these look from p->i on and, where they take something, move it; errors are
 * set in the parser.
 */
static inline struct slice rest(const struct regex_parser *p)
{
	return (struct slice){ p->in.ptr + p->i, p->in.len - p->i };
}

static inline bool at_end(const struct regex_parser *p)
{
	return p->i == p->in.len;
}

/* The byte k positions ahead, 0 beyond the end. */
static inline char peek(const struct regex_parser *p, size_t k)
{
	return k < p->in.len - p->i ? p->in.ptr[p->i + k] : '\0';
}

static inline bool looking_at(const struct regex_parser *p, const char *text)
{
	return slice_has_prefix(rest(p), slice_from(text));
}

static inline uint32_t next_rune(struct regex_parser *p)
{
	uint32_t rune;

	p->i += slice_rune(rest(p), &rune);
	return rune;
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* An atom was written, with the largest product of repeat counts within it. */
void regex_atom_done(struct regex_parser *p, unsigned repeat);

/* The character of an escape, at its backslash. */
int regex_parse_escape(struct regex_parser *p, uint32_t *rune);
/* \pL \p{Greek} \P{^Lu}: behind the p; `at` is the backslash. Writes it as an item. */
int regex_parse_property(struct regex_parser *p, size_t at, bool negated);
/* \d \D \s \S \w \W: writes it as an atom. False when there is none. */
bool regex_parse_perl_class(struct regex_parser *p);
/* [...], at its bracket. */
int regex_parse_class(struct regex_parser *p);

#endif
