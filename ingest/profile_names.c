/* The functions that rules name: see profile_summary.h. */
#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "ingest/profile_summary.h"
#include "rules/plan.h"

#define COLLECTED_MAX 10000 /* different names; further ones are neither taken nor counted */

static int by_name(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorts them and leaves out empty ones and those given twice; how many there are now. */
static uint32_t names_unite(struct slice *names, uint32_t n)
{
	uint32_t kept = 0;

	qsort(names, n, sizeof(*names), by_name);
	for (uint32_t i = 0; i < n; i++)
		if (names[i].len && (kept == 0 || !slice_is_equal(names[kept - 1], names[i])))
			names[kept++] = names[i];
	return kept;
}

struct profile_names *profile_names_new(const struct slice *names, uint32_t n)
{
	struct profile_names *set = calloc(1, sizeof(*set));

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
	uint32_t kept = names_unite(set->names, n);

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

/* ---- of a plan ---- */

struct collection {
	struct arena arena;
	struct slice *names;
	uint32_t n, cap;
	bool is_full; /* with different ones */
};

/* Whenever twice as many have come as there may be, those given twice are left out. */
static int name_collect(struct collection *collection, struct slice name)
{
	if (!collection->is_full && collection->n == 2 * COLLECTED_MAX) {
		collection->n = names_unite(collection->names, collection->n);
		collection->is_full = collection->n > COLLECTED_MAX;
	}
	if (collection->is_full)
		return 0;
	struct slice copy = arena_slice(&collection->arena, name);

	if (name.len && !copy.ptr)
		return ERR_NOMEM;
	if (!ARRAY_RESERVE(&collection->names, collection->n, &collection->cap))
		return ERR_NOMEM;
	collection->names[collection->n++] = copy;
	return 0;
}

/* An alternative of a pattern as the text it stands for; false when it is no plain text. */
static bool literal_read(struct slice pattern, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < pattern.len; i++) {
		char c = pattern.ptr[i];

		if (c == '\\') {
			if (++i == pattern.len || !ispunct((unsigned char)pattern.ptr[i]))
				return false;
			buf_add_char(out, pattern.ptr[i]);
		} else if (c && strchr("*+?()[]{}^$", c)) {
			return false;
		} else {
			buf_add_char(out, c);
		}
	}
	return out->len > 0 && buf_ok(out);
}

/* Where the first alternative ends. */
static size_t alternative_end(struct slice pattern)
{
	size_t i = 0;

	while (i < pattern.len && pattern.ptr[i] != '|')
		i += pattern.ptr[i] == '\\' && i + 1 < pattern.len ? 2 : 1;
	return i;
}

static int alternatives_collect(struct collection *collection, struct slice pattern)
{
	struct buf text;
	int code = 0;

	buf_init(&text);
	while (code == 0 && pattern.len > 0) {
		size_t end = alternative_end(pattern);

		if (literal_read((struct slice){ pattern.ptr, end }, &text))
			code = name_collect(collection, buf_slice(&text));
		end += end < pattern.len;
		pattern = (struct slice){ pattern.ptr + end, pattern.len - end };
	}
	buf_fini(&text);
	return code;
}

/* May it select shares of functions at all? */
static bool is_of_functions(const struct plan_selector *selector)
{
	for (uint32_t i = 0; i < selector->nmatchers; i++) {
		const struct matcher *matcher = &selector->matchers[i];

		if (matcher_is_metric_name(matcher))
			return matcher_is_match(matcher, SLICE("profile_function_self_ratio")) ||
			       matcher_is_match(matcher, SLICE("profile_function_total_ratio"));
	}
	return true;
}

static int selector_collect(struct collection *collection, const struct plan_selector *selector)
{
	int code = 0;

	if (!is_of_functions(selector))
		return 0;
	for (uint32_t i = 0; code == 0 && i < selector->nmatchers; i++) {
		const struct matcher *matcher = &selector->matchers[i];
		struct slice value = matcher_value(matcher);

		if (!slice_is(matcher_name(matcher), "function"))
			continue;
		if (matcher->type == MATCH_EQ)
			code = name_collect(collection, value);
		else if (matcher->type == MATCH_RE)
			code = alternatives_collect(collection, value);
	}
	return code;
}

struct profile_names *profile_names_of_plan(const struct plan *plan)
{
	struct collection collection = { .names = NULL };
	struct profile_names *set = NULL;
	int code = 0;

	arena_init(&collection.arena, 0);
	for (uint32_t i = 0; code == 0 && i < plan->nselectors; i++)
		code = selector_collect(&collection, &plan->selectors[i]);
	if (code == 0)
		set = profile_names_new(collection.names, collection.n);
	free(collection.names);
	arena_fini(&collection.arena);
	return set;
}
