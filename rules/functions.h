/* The table of built-in functions (functions.def). */
#ifndef TOCSIN_RULES_FUNCTIONS_H
#define TOCSIN_RULES_FUNCTIONS_H

#include "base/slice.h"

enum function_id {
#define FUNCTION(id, name, returns, arguments, optional, flags, doc) id,
#include "rules/functions.def"
#undef FUNCTION
	FUNCTION_COUNT
};

enum function_flags {
	PLAIN = 0,
	KEEPS_NAME = 1,
	COUNTER = 2,
	ROWWISE = 4,
	VARIADIC = 8,
	OF_QUERY = 16,
	OF_LINES = 1 << 8,
	OF_UNWRAPPED = 1 << 9,
	GROUPED = 1 << 10,
	ADDITION = 1 << 11,
};

struct function {
	enum function_id id;
	const char *name;
	char returns;	       /* 'v' or 's' */
	const char *arguments; /* "sv": a letter each */
	unsigned optional;     /* how many of the last may be left out */
	unsigned flags;
	const char *doc;
};

extern const struct function functions[FUNCTION_COUNT];
/* NULL when there is none of that name. Names are case-sensitive. */
const struct function *function_find(struct slice name, bool with_additions);
/*
 * Known to PromQL, or one of Tocsin's additions to it, but not here yet: so that it is refused by
 * name.
 */
bool function_is_planned(struct slice name, bool with_additions);
/* The function or aggregation whose name is nearest to a misspelt one, or NULL. */
const char *function_nearest(struct slice name, bool with_additions);

#endif
