/*
 * What to do about a YAML syntax error: for yaml.c and bind.c only.
 *
 * Most who meet one have written an expression with a character that YAML keeps for itself.
 */
#ifndef TOCSIN_BASE_YAML_HINT_H
#define TOCSIN_BASE_YAML_HINT_H

#include "base/buf.h"
#include "base/slice.h"

/*
 * Writes a hint for the error that libyaml found at the offset `at`, in a construct that began at
 * `context` (SIZE_MAX: none); nothing when there is nothing useful to say.
 */
void yaml_hint_syntax(struct slice text, const char *problem, size_t at, size_t context,
		      struct buf *out);
/* "put the expression in a block: KEY: |", for text that YAML takes for something else. */
void yaml_hint_block(struct slice key, struct buf *out);

#endif
