/*
 * The lines of locations, kept while a profile is read: pprof and OTLP name a location once, with a
 * line for each call that was inlined there, and the stacks of many samples refer to it. Private to
 * ingest/.
 */
#ifndef TOCSIN_INGEST_PROFILE_LINES_H
#define TOCSIN_INGEST_PROFILE_LINES_H

#include "ingest/profile.h"

#define PROFILE_LINES_MAX 4000000 /* of all locations, inlined ones included */

/* Zeroed at first. */
struct profile_lines {
	uint32_t *functions; /* of the profile */
	uint32_t n, cap;
};

/* Where a location's lines stand; `first` is lines->n when it begins. */
struct profile_location {
	uint32_t first, n;
};

void profile_lines_fini(struct profile_lines *lines);
/* The next line of the location that was begun last. ERR_LIMIT, ERR_NOMEM. */
int profile_line_add(struct profile_lines *lines, struct profile_location *location,
		     uint32_t function);
/* All lines as frames of the newest sample; as profile_frame_add(). */
int profile_location_push(const struct profile_lines *lines,
			  const struct profile_location *location, struct profile *profile);

#endif
