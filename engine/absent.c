/*
 * absent() and absent_over_time(): one row, with the labels that the selector's equality matchers
 * tell, present when nothing else is.
 */
#include "engine/numeric.h"
#include "engine/range_rows.h"

static int shape_absent(struct binding *b, struct node *node)
{
	uint32_t lset = LSET_EMPTY, row;
	node->one_name = true;
	for (uint32_t i = 0; i < node->plan->nabsent_labels; i++) {
		const struct label *label = &node->plan->absent_labels[i];
		/* A sample cannot have it either. */
		if (!slice_is_utf8(label->value))
			continue;
		uint32_t name = symbol_intern(b->lsets, label->name);
		uint32_t value = symbol_intern(b->lsets, label->value), before = lset;
		if (name == UINT32_MAX || value == UINT32_MAX)
			return ERR_NOMEM;
		lset = lset_with(b->lsets, before, name, value);
		lset_unref(b->lsets, before);
		symbol_unref(b->lsets, name);
		symbol_unref(b->lsets, value);
		if (lset == LSET_NONE)
			return ERR_NOMEM;
	}
	return node_row_new(b, node, lset, &row);
}

static int eval_absent(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	const struct node *child = node->children[0];
	node->own_values[0] = 1;
	node->own_present[0] = !bits_any(child->present, child->n);
	*units -= child->n / 64;
	return 0;
}

static bool has_sample(const struct window *window, int64_t start_ms, int64_t end_ms)
{
	struct window_view view;
	window_range(window, start_ms, end_ms, &view);
	for (size_t i = view.n; i-- > 0;)
		if (!value_is_stale(view.values[i]))
			return true;
	return false;
}

static uint32_t steps_of_absent_over_time(const struct node *node)
{
	uint32_t n;
	source_members(node->source, &n);
	return n;
}

/* The first that has one ends the search: with anything alive this looks at a few rows. */
static int eval_absent_over_time(struct binding *b, struct node *node, uint32_t from, uint32_t to,
				 int64_t *units)
{
	int64_t end_ms = node_end_ms(b, node->plan), start_ms = end_ms - node->plan->range_ms;
	struct series *const *members = leaf_members(node, &to);
	uint32_t row = from;
	if (from == 0)
		node->own_values[0] = node->own_present[0] = 1;
	if (!node->own_present[0])
		return 0;
	while (row < to && !(members[row] && has_sample(&members[row]->window, start_ms, end_ms)))
		row++;
	node->own_present[0] = row == to;
	*units -= (row - from) * UNITS_SEARCHED;
	return 0;
}

const struct node_kind node_absent = {
	.name = "absent",
	.shape = shape_absent,
	.eval = eval_absent,
};

const struct node_kind node_absent_over_time = {
	.name = "absent_over_time",
	.shape = shape_absent,
	.eval = eval_absent_over_time,
	.steps = steps_of_absent_over_time,
};
