/* The oracle's label sets, and vectors of them. */
#include <stdlib.h>
#include <string.h>

#include "engine/oracle_internal.h"

/* ---- label sets ---- */

int tags_compare(struct tags a, struct tags b)
{
	for (uint32_t i = 0; i < a.n && i < b.n; i++) {
		int order = slice_compare(a.pairs[i].name, b.pairs[i].name);
		if (!order)
			order = slice_compare(a.pairs[i].value, b.pairs[i].value);
		if (order)
			return order;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

struct slice tags_get(struct tags tags, struct slice name)
{
	for (uint32_t i = 0; i < tags.n; i++)
		if (slice_is_equal(tags.pairs[i].name, name))
			return tags.pairs[i].value;
	return (struct slice){ NULL, 0 };
}

static struct tags filtered(struct oracle *o, struct tags tags, const struct names *names,
			    bool keep)
{
	struct tags out = { .pairs = oracle_alloc(o, tags.n * sizeof(*out.pairs)) };
	for (uint32_t i = 0; i < tags.n; i++)
		if (names_has(names, tags.pairs[i].name) == keep)
			out.pairs[out.n++] = tags.pairs[i];
	return out;
}

struct tags tags_only(struct oracle *o, struct tags tags, const struct names *names)
{
	return filtered(o, tags, names, true);
}

struct tags tags_without(struct oracle *o, struct tags tags, const struct names *names)
{
	return filtered(o, tags, names, false);
}

struct tags tags_without_name(struct oracle *o, struct tags tags)
{
	struct slice names[] = { SLICE(METRIC_NAME), SLICE("__type__"), SLICE("__unit__") };
	return tags_without(o, tags, &(struct names){ names, 3 });
}

struct tags tags_without_metric(struct oracle *o, struct tags tags)
{
	struct slice name = SLICE(METRIC_NAME);
	return tags_without(o, tags, &(struct names){ &name, 1 });
}

struct tags tags_with(struct oracle *o, struct tags tags, struct slice name, struct slice value)
{
	struct tags rest = tags_without(o, tags, &(struct names){ &name, 1 });
	if (!value.len)
		return rest;
	struct tags out = { .pairs = oracle_alloc(o, (rest.n + 1) * sizeof(*out.pairs)) };
	uint32_t i = 0;
	while (i < rest.n && slice_compare(rest.pairs[i].name, name) < 0)
		out.pairs[out.n++] = rest.pairs[i++];
	out.pairs[out.n++] = (struct label){ name, value };
	while (i < rest.n)
		out.pairs[out.n++] = rest.pairs[i++];
	return out;
}

bool tags_is_among(struct tags tags, const struct tags *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (tags_compare(tags, list[i]) == 0)
			return true;
	return false;
}

/* ---- vectors ---- */

void vector_add(struct oracle *o, struct vector *vector, struct tags tags, double value)
{
	/* Sooner or later each is compared with each. */
	oracle_work(o, 1 + vector->n);
	/* Room doubles: there is none left where the count is a power of two. */
	if ((vector->n & (vector->n - 1)) == 0) {
		struct element *items =
			oracle_alloc(o, (vector->n ? vector->n * 2 : 1) * sizeof(*items));
		if (vector->n)
			memcpy(items, vector->items, vector->n * sizeof(*items));
		vector->items = items;
	}
	vector->items[vector->n++] = (struct element){ tags, value };
}

static int compare_elements(const void *a, const void *b)
{
	return tags_compare(((const struct element *)a)->tags, ((const struct element *)b)->tags);
}

void vector_sort(struct vector *vector)
{
	if (vector->n)
		qsort(vector->items, vector->n, sizeof(*vector->items), compare_elements);
}

void vector_check(struct oracle *o, const struct vector *vector)
{
	struct vector sorted = { oracle_alloc(o, vector->n * sizeof(*sorted.items)), vector->n };
	if (vector->n)
		memcpy(sorted.items, vector->items, vector->n * sizeof(*sorted.items));
	vector_sort(&sorted);
	for (size_t i = 1; i < sorted.n; i++)
		if (compare_elements(&sorted.items[i - 1], &sorted.items[i]) == 0)
			oracle_fail(o, "vector cannot contain metrics with the same labelset");
}
