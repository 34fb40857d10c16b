#include "rules/names.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/labels.h"
#include "base/quote.h"

void names_format(const struct names *names, struct buf *out)
{
	for (uint32_t i = 0; i < names->n; i++) {
		if (i)
			buf_add_str(out, ", ");
		if (label_name_is_legacy(names->items[i]))
			buf_add_slice(out, names->items[i]);
		else
			text_quote(names->items[i], out);
	}
}

bool names_is_equal(const struct names *a, const struct names *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!slice_is_equal(a->items[i], b->items[i]))
			return false;
	return true;
}

static int compare_names(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

int names_canonical(const struct names *names, struct arena *arena, struct names *out)
{
	struct names copy = { 0 };

	if (names->n == 0) {
		*out = copy;
		return 0;
	}
	copy.items = ARENA_ARRAY(arena, struct slice, names->n);
	if (!copy.items)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < names->n; i++) {
		copy.items[i] = arena_slice(arena, names->items[i]);
		if (!copy.items[i].ptr)
			return ERR_NOMEM;
	}
	qsort(copy.items, names->n, sizeof(*copy.items), compare_names);
	for (uint32_t i = 0; i < names->n; i++)
		if (i == 0 || !slice_is_equal(copy.items[i], copy.items[copy.n - 1]))
			copy.items[copy.n++] = copy.items[i];
	*out = copy;
	return 0;
}
