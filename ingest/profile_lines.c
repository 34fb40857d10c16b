#include "ingest/profile_lines.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"

void profile_lines_fini(struct profile_lines *lines)
{
	free(lines->functions);
}

int profile_line_add(struct profile_lines *lines, struct profile_location *location,
		     uint32_t function)
{
	if (lines->n == PROFILE_LINES_MAX)
		return ERR_LIMIT;
	if (!ARRAY_RESERVE(&lines->functions, lines->n, &lines->cap))
		return ERR_NOMEM;
	lines->functions[lines->n++] = function;
	location->n++;
	return 0;
}

int profile_location_push(const struct profile_lines *lines,
			  const struct profile_location *location, struct profile *profile)
{
	int code = 0;

	for (uint32_t i = 0; code == 0 && i < location->n; i++)
		code = profile_frame_add(profile, lines->functions[location->first + i]);
	return code;
}
