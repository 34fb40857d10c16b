/*
 * What one does with the tree of a log selector (log_ast.h): print, copy, free, ask. Inside of
 * rules/.
 */
#ifndef TOCSIN_RULES_LOG_SELECTOR_H
#define TOCSIN_RULES_LOG_SELECTOR_H

#include "base/arena.h"
#include "rules/log_ast.h"

/* Frees the regexes of the stages; the memory is the arena's. NULL is fine. */
void log_selector_fini(struct log_selector *log);
/*
 * A deep copy in the arena; the regexes are shared. ERR_NOMEM: what was made by then is freed.
 * *out is to be given to log_selector_fini().
 */
int log_selector_dup(const struct log_selector *from, struct arena *arena,
		     struct log_selector **out);
/* The canonical form of the stages, a space before each: ` |= "x" | json`. */
void log_stages_format(const struct log_selector *log, struct buf *out);
/* The stage that unwraps, or NULL. */
const struct log_stage *log_selector_unwrap(const struct log_selector *log);
/*
 * The parser that makes labels of whatever a line holds, with no `keep` after it, or NULL: such a
 * selector gives about as many series as there are lines.
 */
const struct log_stage *log_selector_unbounded(const struct log_selector *log);

/* "json" */
const char *log_parser_text(enum log_parser parser);

#endif
