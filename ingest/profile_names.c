/* The functions that rules name: see profile_summary.h. */
#include <stdatomic.h>
#include <stdlib.h>

#include "ingest/profile_summary.h"

static int by_name(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

struct profile_names *profile_names_new(const struct slice *names, uint32_t n)
{
	struct profile_names *set = calloc(1, sizeof(*set));
	uint32_t kept = 0;

	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	arena_init(&set->arena, 0);
	set->names = ARENA_ARRAY(&set->arena, struct slice, n + 1);
	bool good = set->names != NULL;

	for (uint32_t i = 0; good && i < n; i++) {
		set->names[i] = arena_slice(&set->arena, names[i]);
		good = set->names[i].ptr || names[i].len == 0;
	}
	if (!good) {
		profile_names_unref(set);
		return NULL;
	}
	qsort(set->names, n, sizeof(*set->names), by_name);
	for (uint32_t i = 0; i < n; i++)
		if (set->names[i].len &&
		    (kept == 0 || !slice_is_equal(set->names[kept - 1], set->names[i])))
			set->names[kept++] = set->names[i];
	set->n = kept < PROFILE_NAMED_MAX ? kept : PROFILE_NAMED_MAX;
	set->over = kept - set->n;
	return set;
}

struct profile_names *profile_names_ref(struct profile_names *names)
{
	if (names)
		atomic_fetch_add(&names->refs, 1);
	return names;
}

void profile_names_unref(struct profile_names *names)
{
	if (!names || atomic_fetch_sub(&names->refs, 1) > 1)
		return;
	arena_fini(&names->arena);
	free(names);
}
