/*
 * Evidence: what was seen beside an alert when it began to fire: example log lines, and the
 * functions that took the most in profiles.
 *
 * Filled by one thread, then immutable and shared between threads by reference count. Sizes are
 * bounded: what is over them is left out, too long a text is cut between characters. Texts are
 * UTF-8: other bytes, and NUL, become U+FFFD. Lines must come redacted: they are stored and sent.
 */
#ifndef TOCSIN_RULES_EVIDENCE_H
#define TOCSIN_RULES_EVIDENCE_H

#include "base/slice.h"

#define EVIDENCE_LINES_MAX 10
#define EVIDENCE_LINE_BYTES_MAX 1024
#define EVIDENCE_FUNCTIONS_MAX 15
#define EVIDENCE_NAME_BYTES_MAX 256 /* of a function, of a profile type */

struct evidence_function {
	char *name, *profile_type;
	double self_ratio, total_ratio; /* NaN: not known */
};

struct evidence {
	char *lines[EVIDENCE_LINES_MAX];
	uint32_t nlines;
	struct evidence_function functions[EVIDENCE_FUNCTIONS_MAX]; /* in the order they were added
								     */
	uint32_t nfunctions;
	_Atomic unsigned refs;
};

/* Empty, one reference; NULL without memory. */
struct evidence *evidence_new(void);
struct evidence *evidence_ref(struct evidence *evidence);
void evidence_unref(struct evidence *evidence);		 /* NULL is fine */
bool evidence_is_empty(const struct evidence *evidence); /* NULL is empty */
/* Texts are copied. ERR_LIMIT when there are enough of them already; ERR_NOMEM. */
int evidence_line_add(struct evidence *evidence, struct slice line);
int evidence_function_add(struct evidence *evidence, struct slice name, struct slice profile_type,
			  double self_ratio, double total_ratio);

#endif
