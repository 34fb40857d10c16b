#include "daemon/address.h"

#include <stdlib.h>

#include "base/error.h"

int address_parse(struct slice text, struct arena *arena, char **host, uint16_t *port)
{
	const char *colon = memrchr(text.ptr ? text.ptr : "", ':', text.len);
	char *end;

	if (!colon)
		return ERR_INVALID;
	struct slice name = { text.ptr, (size_t)(colon - text.ptr) };
	char *digits = slice_dup((struct slice){ colon + 1, text.len - name.len - 1 });
	unsigned long number = digits ? strtoul(digits, &end, 10) : 0;
	bool good = digits && *digits && *end == '\0' && number <= 65535;

	free(digits);
	if (!good)
		return ERR_INVALID;
	if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
		name = (struct slice){ name.ptr + 1, name.len - 2 };
	*host = arena_strdup(arena, name.len ? name : SLICE("0.0.0.0"));
	*port = (uint16_t)number;
	return *host ? 0 : ERR_NOMEM;
}
