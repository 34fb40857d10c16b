/* What regex.c (whole subjects) and regex_find.c (a place in a line) share. Private to these two.
 */
#ifndef TOCSIN_BASE_REGEX_INTERNAL_H
#define TOCSIN_BASE_REGEX_INTERNAL_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/regex_syntax.h"

/* What a match needs, once a thread. */
struct matching {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

/* This thread's; its match limit is REGEX_MATCH_LIMIT. NULL when out of memory. */
struct matching *regex_matching(void);
/*
 * Makes a subject fit for PCRE2: it has an address, and bytes that are no UTF-8 become U+FFFD, as
 * which Go sees them too. Returns false without memory. The copy is to be ended in any case.
 */
bool regex_subject_repair(struct slice *subject, struct buf *copy);
/*
 * An anchored pattern is wrapped as Prometheus does: ^(?s:...)$. The caller ends syntax->out in any
 * case.
 */
int regex_pattern_compile(struct slice pattern, bool anchored, struct regex_syntax *syntax,
			  pcre2_code **out, char **why, size_t *offset);

/* A match that was found. */
struct found {
	struct slice subject;
	const PCRE2_SIZE *at; /* start and end of the whole and of each group */
	int places;	      /* pairs in at[] */
	const struct slice *names;
	size_t ngroups;
};

/*
 * Go's Regexp.ReplaceAll: appends found->subject with each match that `find` gives replaced; find
 * says how many places there are of the next match from a place on, 0: none, below 0: an error. A
 * match of nothing right behind another match is not replaced, so that "abc" with x* gives -a-b-c-.
 * ERR_LIMIT: more than REGEX_OUTPUT_MAX.
 */
int regex_replace_found(struct found *found,
			int (*find)(const void *ctx, struct slice subject, size_t from),
			const void *ctx, struct slice template, struct buf *out);

#endif
