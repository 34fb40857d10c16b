#include "engine/dynamic.h"

#include <stdlib.h>

void dynamic_begin(struct binding *b, struct dynamic *dynamic)
{
	for (uint32_t i = 0; i < dynamic->n; i++)
		if (dynamic_outcome(dynamic, i)->lset != LSET_NONE)
			lset_unref(b->lsets, dynamic_outcome(dynamic, i)->lset);
	dynamic->n = 0;
}

void dynamic_fini(struct binding *b, struct dynamic *dynamic)
{
	dynamic_begin(b, dynamic);
	slabs_fini(&dynamic->outcomes);
	free(dynamic->seen_ms);
	id_map_fini(&dynamic->by_lset);
}

static int add(struct binding *b, struct dynamic *dynamic, struct dynamic_outcome outcome)
{
	if (outcome.lset == LSET_NONE)
		return ERR_NOMEM;
	if (!slabs_reserve(&dynamic->outcomes, dynamic->n, sizeof(outcome))) {
		lset_unref(b->lsets, outcome.lset);
		return ERR_NOMEM;
	}
	*dynamic_outcome(dynamic, dynamic->n++) = outcome;
	return 0;
}

int dynamic_add(struct binding *b, struct dynamic *dynamic, uint32_t lset, double value)
{
	return add(b, dynamic, (struct dynamic_outcome){ .lset = lset, .value = value });
}

int dynamic_add_absent(struct binding *b, struct dynamic *dynamic, uint32_t lset)
{
	return add(b, dynamic, (struct dynamic_outcome){ .lset = lset, .row = ROW_NONE });
}

uint32_t dynamic_steps_by_row(const struct node *node)
{
	uint32_t n = node->children[0]->n;
	return steps_padded(n) + dynamic_steps(n);
}

/*
 * How long after a step the subqueries of this grid, and those around them, may read what it gave.
 * Several share their steps, each with an offset of its own: one may be that far ahead of another.
 */
static int64_t grid_keep_ms(const struct plan *plan, uint32_t grid)
{
	int64_t longest_ms = 0;
	if (!grid)
		return 0;
	for (uint32_t id = 0; id < plan->nnodes; id++) {
		const struct plan_node *p = plan->nodes[id];
		if (p->op != PLAN_SUBQUERY || p->grid != plan->grids[grid].outer ||
		    p->step_ms != plan->grids[grid].step_ms)
			continue;
		if (p->at != AT_NONE)
			return PLAN_REACH_ALL;
		int64_t offset_ms = p->offset_ms < 0 ? -p->offset_ms : p->offset_ms;
		int64_t keep_ms = offset_ms < PLAN_REACH_ALL / 4 ? p->range_ms + 2 * offset_ms
								 : PLAN_REACH_ALL;
		longest_ms = keep_ms > longest_ms ? keep_ms : longest_ms;
	}
	longest_ms += grid_keep_ms(plan, plan->grids[grid].outer);
	return longest_ms < PLAN_REACH_ALL ? longest_ms : PLAN_REACH_ALL;
}

/* Takes absent rows away when there are too many; none that a subquery above may still read. */
static void forget_rows(struct binding *b, struct node *node, struct dynamic *dynamic)
{
	if (!dynamic->forget_at) {
		dynamic->forget_at = DYNAMIC_ROWS_KEPT_MAX;
		dynamic->keep_ms = grid_keep_ms(b->plan, node->plan->grid);
	}
	uint32_t left = DYNAMIC_ROWS_FORGOTTEN_MAX;
	if (node->own.live <= 2 * dynamic->n + dynamic->forget_at)
		return;
	for (uint32_t row = 0; row < node->own.n; row++) {
		if (!rows_has(&node->own, row) || (row < node->n && bit_get(node->present, row)) ||
		    dynamic->seen_ms[row] >= b->t_ms - dynamic->keep_ms)
			continue;
		if (left-- == 0)
			return;
		id_map_remove(&dynamic->by_lset, node->own.lsets[row]);
		node_row_remove(b, node, row);
	}
	/* Those that must stay are not looked at each time. */
	dynamic->forget_at = node->own.live + DYNAMIC_ROWS_KEPT_MAX;
}

static bool seen_reserve(struct dynamic *dynamic, uint32_t n)
{
	if (n <= dynamic->seen_cap)
		return true;
	uint32_t cap = n + n / 4;
	int64_t *seen_ms = realloc(dynamic->seen_ms, cap * sizeof(*seen_ms));
	if (!seen_ms)
		return false;
	dynamic->seen_ms = seen_ms;
	for (; dynamic->seen_cap < cap; dynamic->seen_cap++)
		seen_ms[dynamic->seen_cap] = INT64_MIN;
	return true;
}

/* The row of an outcome, found or made: the reference goes there, or is not needed any more. */
static int make_row(struct binding *b, struct node *node, struct dynamic *dynamic,
		    struct dynamic_outcome *outcome)
{
	uint32_t lset = outcome->lset;
	outcome->lset = LSET_NONE;
	outcome->row = id_map_find(&dynamic->by_lset, lset);
	if (outcome->row != ID_MAP_NONE) {
		lset_unref(b->lsets, lset);
		return 0;
	}
	int err = node_row_new(b, node, lset, &outcome->row);
	if (err)
		return err;
	if (id_map_put(&dynamic->by_lset, lset, outcome->row))
		return 0;
	node_row_remove(b, node, outcome->row);
	return ERR_NOMEM;
}

static int make_rows(struct binding *b, struct node *node, struct dynamic *dynamic,
		     const struct steps *steps)
{
	int err = 0;
	for (uint32_t i = steps->at; i < steps->end && i < dynamic->n && !err; i++)
		if (dynamic_outcome(dynamic, i)->row != ROW_NONE)
			err = make_row(b, node, dynamic, dynamic_outcome(dynamic, i));
	return err ? err : binding_follow(b, node);
}

static int columns_begin(struct node *node, struct dynamic *dynamic)
{
	int err = node_columns_reserve(node);
	if (!err && !seen_reserve(dynamic, node->own.n))
		err = ERR_NOMEM;
	if (err)
		return err;
	node->values = node->own_values;
	node->present = node->own_present;
	bits_clear(node->own_present, node->n);
	return 0;
}

static int fill_columns(struct binding *b, struct node *node, struct dynamic *dynamic,
			const struct steps *steps)
{
	for (uint32_t i = steps->at; i < steps->end && i < dynamic->n; i++) {
		const struct dynamic_outcome *outcome = dynamic_outcome(dynamic, i);
		uint32_t row = outcome->row;
		if (row == ROW_NONE)
			continue;
		if (bit_get(node->own_present, row))
			return node_fail(node,
					 "vector cannot contain metrics with the same labelset");
		node->own_values[row] = outcome->value;
		bit_set(node->own_present, row);
		dynamic->seen_ms[row] = b->t_ms;
	}
	return 0;
}

int dynamic_finish(struct binding *b, struct node *node, struct dynamic *dynamic,
		   struct steps *steps, uint32_t outcomes, bool is_last)
{
	int err = steps_take(steps, outcomes) ? make_rows(b, node, dynamic, steps) : 0;
	bool fills = steps_take(steps, outcomes);
	if (!err && (fills ? steps->at == 0 : is_last))
		err = columns_begin(node, dynamic);
	if (!err && fills)
		err = fill_columns(b, node, dynamic, steps);
	if (err || !is_last)
		return err;
	forget_rows(b, node, dynamic);
	return binding_follow(b, node);
}
