/*
 * What to do about a YAML syntax error, and how to read on: for yaml.c and bind.c only.
 *
 * Most who meet one have written an expression with a character that YAML keeps for itself.
 */
#ifndef TOCSIN_BASE_YAML_HINT_H
#define TOCSIN_BASE_YAML_HINT_H

#include "base/buf.h"
#include "base/slice.h"

/* What libyaml complains of: at an offset, in a construct that began at another (SIZE_MAX: none).
 */
struct yaml_error {
	const char *problem;
	size_t at, context;
};

/* Writes a hint; nothing when there is nothing useful to say. */
void yaml_hint_syntax(struct slice text, const struct yaml_error *error, struct buf *out);
/*
 * Puts an "x" for what is at fault, and blanks for the rest of it, so that what comes after it can
 * be read: each byte stays where it is. Gives where the "x" is; -1: it cannot be told what is at
 * fault. Where the indentation is, that is a guess: a fault that is found before *until then is
 * nothing new.
 */
ptrdiff_t yaml_repair(char *text, size_t len, const struct yaml_error *error, size_t *until);
/* "put the expression in a block: KEY: |", for text that YAML takes for something else. */
void yaml_hint_block(struct slice key, struct buf *out);

#endif
