#include "rules/functions.h"

#include "rules/ast.h"

const struct function functions[FUNCTION_COUNT] = {
#define FUNCTION(id, name, returns, arguments, optional, flags, doc)                               \
	[id] = { id, name, returns, arguments, optional, flags, doc },
#include "rules/functions.def"
#undef FUNCTION
};

static const struct {
	const char *name;
	bool is_addition;
} planned[] = {
#define FUNCTION(id, name, returns, arguments, optional, flags, doc)
#define FUNCTION_PLANNED(name, is_addition) { name, is_addition },
#include "rules/functions.def"
#undef FUNCTION_PLANNED
#undef FUNCTION
};

const struct function *function_find(struct slice name, bool with_additions)
{
	for (size_t i = 0; i < FUNCTION_COUNT; i++)
		if (slice_is(name, functions[i].name))
			return with_additions || !(functions[i].flags & ADDITION) ? &functions[i]
										  : NULL;
	return NULL;
}

bool function_is_planned(struct slice name, bool with_additions)
{
	for (size_t i = 0; i < sizeof(planned) / sizeof(planned[0]); i++)
		if (slice_is(name, planned[i].name))
			return with_additions || !planned[i].is_addition;
	return false;
}

const char *function_nearest(struct slice name, bool with_additions)
{
	const char *names[FUNCTION_COUNT + AGGREGATE_OP_COUNT];
	size_t n = 0;

	for (size_t i = 0; i < FUNCTION_COUNT; i++)
		if (with_additions || !(functions[i].flags & ADDITION))
			names[n++] = functions[i].name;
	for (size_t i = 0; i < AGGREGATE_OP_COUNT; i++)
		names[n++] = aggregate_op_text((enum aggregate_op)i);
	return nearest_name(name, names, n);
}
