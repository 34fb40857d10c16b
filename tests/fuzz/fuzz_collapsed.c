/* Collapsed stacks from anybody: refused with a line and a reason, or a profile that holds. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "ingest/collapsed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const double scale = 1;
	struct slice text = { (const char *)data, size };
	const char *why = NULL;
	struct hash_key key;
	uint32_t line;

	hash_key_derive(&key, "fuzz", 4);
	struct profile *profile = profile_new(&key);

	must(profile_type_add(profile, SLICE("samples"), SLICE("count")) == 0);
	for (int counted = 0; counted < 2; counted++) {
		struct collapsed_options options = { .counted = counted, .scale = &scale };
		int code = collapsed_read(text, &options, profile, &line, &why);

		must(code == 0 || code == ERR_INVALID || code == ERR_LIMIT);
		must(code == 0 || (why && line > 0 && line <= size + 1));
	}
	profile_check(profile);
	for (uint32_t i = 0; i < profile->nsamples; i++)
		must(isfinite(profile_value(profile, i, 0)));
	profile_free(profile);
	return 0;
}
