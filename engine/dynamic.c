#include "engine/dynamic.h"

#include <stdlib.h>

void dynamic_begin(struct binding *b, struct dynamic *dynamic)
{
	for (uint32_t i = 0; i < dynamic->n; i++)
		lset_unref(b->lsets, dynamic->outcomes[i].lset);
	dynamic->n = 0;
}

void dynamic_fini(struct binding *b, struct dynamic *dynamic)
{
	dynamic_begin(b, dynamic);
	free(dynamic->outcomes);
	id_map_fini(&dynamic->by_lset);
}

int dynamic_add(struct binding *b, struct dynamic *dynamic, uint32_t lset, double value)
{
	if (lset == LSET_NONE)
		return ERR_NOMEM;
	if (dynamic->n == dynamic->cap) {
		uint32_t cap = dynamic->cap ? dynamic->cap * 2 : 16;
		struct dynamic_outcome *outcomes =
			realloc(dynamic->outcomes, cap * sizeof(*outcomes));
		if (!outcomes) {
			lset_unref(b->lsets, lset);
			return ERR_NOMEM;
		}
		dynamic->outcomes = outcomes;
		dynamic->cap = cap;
	}
	dynamic->outcomes[dynamic->n++] = (struct dynamic_outcome){ .lset = lset,
									 .value = value };
	return 0;
}

/* Takes absent rows away when there are too many; none that a subquery above may still read. */
static void forget_rows(struct binding *b, struct node *node, struct dynamic *dynamic)
{
	if (node->plan->grid || node->own.live <= 2 * dynamic->n + DYNAMIC_ROWS_KEPT_MAX)
		return;
	for (uint32_t row = 0; row < node->own.n; row++) {
		if (!rows_has(&node->own, row) || (row < node->n && bit_get(node->present, row)))
			continue;
		id_map_remove(&dynamic->by_lset, node->own.lsets[row]);
		node_row_remove(b, node, row);
	}
}

static int make_rows(struct binding *b, struct node *node, struct dynamic *dynamic)
{
	for (uint32_t i = 0; i < dynamic->n; i++) {
		uint32_t lset = dynamic->outcomes[i].lset, row;
		if (dynamic->outcomes[i].absent || id_map_find(&dynamic->by_lset, lset) != ID_MAP_NONE)
			continue;
		lset_ref(b->lsets, lset);
		int err = node_row_new(b, node, lset, &row);
		if (err)
			return err;
		if (!id_map_put(&dynamic->by_lset, lset, row)) {
			node_row_remove(b, node, row);
			return ERR_NOMEM;
		}
	}
	return 0;
}

int dynamic_finish(struct binding *b, struct node *node, struct dynamic *dynamic)
{
	int err = make_rows(b, node, dynamic);
	if (!err)
		err = node_columns_reserve(node);
	if (err)
		return err;
	node->values = node->own_values;
	node->present = node->own_present;
	bits_clear(node->own_present, node->n);
	for (uint32_t i = 0; i < dynamic->n && !err; i++) {
		if (dynamic->outcomes[i].absent)
			continue;
		uint32_t row = id_map_find(&dynamic->by_lset, dynamic->outcomes[i].lset);
		if (bit_get(node->own_present, row))
			err = node_fail(node,
					"vector cannot contain metrics with the same labelset");
		node->own_values[row] = dynamic->outcomes[i].value;
		bit_set(node->own_present, row);
	}
	forget_rows(b, node, dynamic);
	int followed = binding_follow(b, node);
	return err ? err : followed;
}
