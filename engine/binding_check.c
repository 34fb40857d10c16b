/* Checks of a binding, for tests: its invariants, and its rows against a fresh shape. */
#include <assert.h>
#include <stdlib.h>

#include "engine/join.h"

static void check_node(struct binding *b, const struct node *node)
{
	const struct rows *rows = node->rows;
	uint32_t live = 0;
	assert(rows->n <= rows->cap);
	for (uint32_t row = 0; row < rows->n; row++) {
		live += rows_has(rows, row);
		/* Interned and alive. */
		assert(!rows_has(rows, row) || lset_count(b->lsets, rows->lsets[row]) < UINT32_MAX);
		/* Whose ids are a child's has a row exactly where that has one. */
		if (node->base)
			assert(rows_has(rows, row) == rows_has(node->base->rows, row));
	}
	assert(live == rows->live);
	assert(node->own_changes.removed.n == 0 && node->own_changes.added.n == 0);
	if (node->source && plan_node_is_leaf(node->plan) && node->kind->extend) {
		uint32_t n;
		struct series **members = source_members(node->source, &n);
		for (uint32_t row = 0; row < n; row++)
			assert(rows_has(rows, row) == (members[row] != NULL));
	}
	if (node->kind == &node_join)
		match_check(&((const struct join *)node->state)->match);
	if (!node->may_repeat)
		return;
	uint32_t uses = 0;
	for (uint32_t i = 0; node->lset_uses.slots && i <= node->lset_uses.mask; i++)
		if (node->lset_uses.slots[i].key != ID_MAP_NONE)
			uses += node->lset_uses.slots[i].value - 1;
	assert(uses == node->repeats);
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static uint32_t *sorted_lsets(const struct rows *rows)
{
	uint32_t *lsets = malloc((rows->n + 1) * sizeof(*lsets)), n = 0;
	assert(lsets);
	for (uint32_t row = 0; row < rows->n; row++)
		if (rows_has(rows, row))
			lsets[n++] = rows->lsets[row];
	qsort(lsets, n, sizeof(*lsets), compare_ids);
	return lsets;
}

/* The same label sets, each as often; the ids may differ. */
static void compare_rows(const struct rows *a, const struct rows *b)
{
	assert(a->live == b->live);
	uint32_t *left = sorted_lsets(a), *right = sorted_lsets(b);
	assert(memcmp(left, right, a->live * sizeof(*left)) == 0);
	free(left);
	free(right);
}

void binding_check(struct binding *b)
{
	assert(b->shaped == b->plan->nnodes && !b->broken);
	struct binding *fresh;
	int64_t units = INT64_MAX;
	int err = binding_new(b->store, b->plan, &b->options, &fresh);
	assert(!err);
	err = binding_shape(fresh, &units);
	assert(!err);
	bool *crowded = calloc(b->plan->nnodes + 1, sizeof(*crowded));
	assert(crowded);
	for (uint32_t i = 0; i < b->plan->nnodes; i++) {
		check_node(b, &b->nodes[i]);
		/*
		 * Which of too many partners have a row depends on who came first, and which rows
		 * evaluations made on those, here and in all that is above.
		 */
		crowded[i] = b->nodes[i].kind->makes_rows ||
			     (b->nodes[i].kind == &node_join && join_is_crowded(&b->nodes[i]));
		for (uint32_t c = 0; c < b->nodes[i].nchildren; c++)
			crowded[i] |= crowded[b->nodes[i].children[c]->plan->id];
		if (crowded[i])
			continue;
		assert(b->nodes[i].repeats == fresh->nodes[i].repeats);
		compare_rows(b->nodes[i].rows, fresh->nodes[i].rows);
	}
	free(crowded);
	binding_free(fresh);
}
