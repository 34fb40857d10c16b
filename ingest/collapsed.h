/*
 * Collapsed stacks: a line a stack, frames from the root to the leaf, joined by semicolons, then a
 * blank and a count, which may have a fraction: "main;work;read 12". Frames may contain blanks: the
 * last one divides. The marks "_[k]", "_[i]" and "_[j]" (kernel, inlined, compiled) at the end of a
 * frame are not part of its name.
 *
 * Source: FlameGraph's stackcollapse-*.pl and flamegraph.pl.
 */
#ifndef TOCSIN_INGEST_COLLAPSED_H
#define TOCSIN_INGEST_COLLAPSED_H

#include "ingest/profile.h"

struct collapsed_options {
	bool counted; /* else each line is a stack seen once, without a number */
	/* Each sample's value of type i is its count times scale[i]; one for each type. */
	const double *scale;
};

/*
 * Fills a profile whose sample types stand already. ERR_INVALID, ERR_LIMIT with the number of the
 * line and a static text; ERR_NOMEM.
 */
int collapsed_read(struct slice text, const struct collapsed_options *options,
		   struct profile *profile, uint32_t *line, const char **why);

#endif
