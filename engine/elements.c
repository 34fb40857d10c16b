#include "engine/elements.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* ---- shapes ---- */

static bool shape_fits(const struct element_shape *shape, const struct lset_pair *pairs, size_t n)
{
	if (shape->nrows == 0 || shape->nnames != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (shape->names[i] != pairs[i].name)
			return false;
	return true;
}

/* The shape of the labels; a new one, or one without rows, takes their names. */
static int shape_get(struct elements *elements, const struct lset_table *lsets, uint32_t key,
		     uint32_t *out)
{
	const struct lset_pair *pairs = lset_pairs(lsets, key);
	size_t n = lset_count(lsets, key);
	uint32_t free_shape = elements->nshapes;
	for (uint32_t i = 0; i < elements->nshapes; i++) {
		if (shape_fits(&elements->shapes[i], pairs, n)) {
			*out = i;
			return 0;
		}
		if (elements->shapes[i].nrows == 0)
			free_shape = i;
	}
	if (free_shape == ELEMENTS_SHAPES_MAX)
		return ERR_LIMIT;
	uint32_t *names = calloc(n + 1, sizeof(*names));
	if (!names)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		names[i] = pairs[i].name;
	struct element_shape *shape = &elements->shapes[free_shape];
	free(shape->names);
	*shape = (struct element_shape){ .names = names, .nnames = (uint32_t)n };
	if (free_shape == elements->nshapes)
		elements->nshapes++;
	*out = free_shape;
	return 0;
}

/* ---- rows ---- */

static int rows_reserve(struct elements *elements, uint32_t n)
{
	if (n <= elements->cap)
		return 0;
	uint32_t cap = n < elements->cap * 2 ? elements->cap * 2 : n;
	struct element *rows = realloc(elements->rows, cap * sizeof(*rows));
	if (!rows)
		return ERR_NOMEM;
	elements->rows = rows;
	elements->cap = cap;
	return 0;
}

static void row_remove(struct elements *elements, struct lset_table *lsets, uint32_t row)
{
	struct element *element = &elements->rows[row];
	if (element->lset == LSET_NONE)
		return;
	uint32_t at = id_map_find(&elements->by_key, element->key);
	if (at == row && element->next == ID_MAP_NONE)
		id_map_remove(&elements->by_key, element->key);
	else if (at == row)
		/* Replaces: needs no memory. */
		(void)id_map_put(&elements->by_key, element->key, element->next);
	for (; at != row && at != ID_MAP_NONE; at = elements->rows[at].next)
		if (elements->rows[at].next == row)
			elements->rows[at].next = element->next;
	elements->shapes[element->shape].nrows--;
	lset_unref(lsets, element->lset);
	lset_unref(lsets, element->key);
	element->lset = LSET_NONE;
}

static int row_add(struct elements *elements, struct lset_table *lsets, uint32_t name_symbol,
		   uint32_t row, uint32_t lset)
{
	uint32_t shape;
	uint32_t key = lset_without(lsets, lset, &name_symbol, 1);
	int code = key == LSET_NONE ? ERR_NOMEM : shape_get(elements, lsets, key, &shape);
	uint32_t first = code ? ID_MAP_NONE : id_map_find(&elements->by_key, key);
	if (!code && !id_map_put(&elements->by_key, key, row))
		code = ERR_NOMEM;
	if (code) {
		if (key != LSET_NONE)
			lset_unref(lsets, key);
		return code;
	}
	lset_ref(lsets, lset);
	elements->shapes[shape].nrows++;
	elements->rows[row] = (struct element){ lset, key, shape, first };
	return 0;
}

int elements_follow(struct elements *elements, struct lset_table *lsets, uint32_t name_symbol,
		    const struct relation *relation)
{
	int code = rows_reserve(elements, relation->nrows);
	for (; !code && elements->n < relation->nrows; elements->n++)
		elements->rows[elements->n].lset = LSET_NONE;
	/* What is gone leaves room before what is new takes it. */
	for (uint32_t row = 0; row < elements->n; row++)
		if (row >= relation->nrows || elements->rows[row].lset != relation->lsets[row])
			row_remove(elements, lsets, row);
	for (uint32_t row = 0; !code && row < relation->nrows; row++)
		if (elements->rows[row].lset != relation->lsets[row])
			code = row_add(elements, lsets, name_symbol, row, relation->lsets[row]);
	return code;
}

void elements_fini(struct elements *elements, struct lset_table *lsets)
{
	for (uint32_t row = 0; row < elements->n; row++)
		row_remove(elements, lsets, row);
	for (uint32_t i = 0; i < elements->nshapes; i++)
		free(elements->shapes[i].names);
	free(elements->rows);
	id_map_fini(&elements->by_key);
}

/* ---- looking up ---- */

/* The key that rows of the shape must have to be about the label set; LSET_NONE: none can be. */
static uint32_t key_find(const struct element_shape *shape, const struct lset_table *lsets,
			 uint32_t lset)
{
	struct lset_pair pairs[LABELS_COUNT_MAX];
	if (shape->nrows == 0 || shape->nnames > LABELS_COUNT_MAX)
		return LSET_NONE;
	for (uint32_t i = 0; i < shape->nnames; i++) {
		pairs[i] = (struct lset_pair){ shape->names[i],
					       lset_get(lsets, lset, shape->names[i]) };
		if (pairs[i].value == SYMBOL_NONE)
			return LSET_NONE;
	}
	return shape->nnames ? lset_find(lsets, pairs, shape->nnames) : LSET_EMPTY;
}

void elements_each(const struct elements *elements, const struct lset_table *lsets, uint32_t lset,
		   bool (*fn)(void *ctx, uint32_t row), void *ctx)
{
	for (uint32_t i = 0; i < elements->nshapes; i++) {
		uint32_t key = key_find(&elements->shapes[i], lsets, lset);
		if (key == LSET_NONE)
			continue;
		for (uint32_t row = id_map_find(&elements->by_key, key); row != ID_MAP_NONE;
		     row = elements->rows[row].next)
			if (!fn(ctx, row))
				return;
	}
}

void elements_check(const struct elements *elements, const struct lset_table *lsets)
{
	uint32_t nrows[ELEMENTS_SHAPES_MAX] = { 0 };
	for (uint32_t row = 0; row < elements->n; row++) {
		const struct element *element = &elements->rows[row];
		if (element->lset == LSET_NONE)
			continue;
		uint32_t at = id_map_find(&elements->by_key, element->key);
		while (at != row && at != ID_MAP_NONE)
			at = elements->rows[at].next;
		assert(at == row);
		assert(lset_count(lsets, element->key) == elements->shapes[element->shape].nnames);
		nrows[element->shape]++;
	}
	for (uint32_t i = 0; i < elements->nshapes; i++)
		assert(nrows[i] == elements->shapes[i].nrows);
}
