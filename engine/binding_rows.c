/* The rows of a binding's nodes: shape makes them, once; extend follows the series. */
#include "engine/node.h"

/* ---- shape ---- */

/* The rows of a child or, of a leaf, the members of its selector: which are there? */
static bool child_has(const struct node *node, uint32_t child, uint32_t row)
{
	if (!plan_node_is_leaf(node->plan))
		return rows_has(node->children[child]->rows, row);
	uint32_t n;
	return source_members(node->source, &n)[row] != NULL;
}

static uint32_t child_rows(const struct node *node, uint32_t child)
{
	if (!plan_node_is_leaf(node->plan))
		return node->children[child]->rows->n;
	uint32_t n;
	source_members(node->source, &n);
	return n;
}

static int shape_rows(struct binding *b, struct node *node, int64_t *units)
{
	/*
	 * A leaf takes its selector as child 0; the scalars that a range function takes have no
	 * rows.
	 */
	uint32_t children = plan_node_is_leaf(node->plan) ? 1 : node->nchildren;
	for (; node->shape_child < children; node->shape_child++, node->shape_row = 0) {
		uint32_t child = node->shape_child;
		while (node->shape_row < child_rows(node, child)) {
			if (*units <= 0)
				return ERR_AGAIN;
			uint32_t row = node->shape_row++;
			if (!child_has(node, child, row))
				continue;
			--*units;
			int err = node->kind->extend(b, node, child, row, true);
			if (err)
				return err;
		}
	}
	return 0;
}

static int shape_node(struct binding *b, struct node *node, int64_t *units)
{
	if (!node->prepared) {
		node->prepared = true;
		int err = node->kind->shape ? node->kind->shape(b, node) : 0;
		if (err)
			return err;
	}
	int err = node->kind->extend ? shape_rows(b, node, units) : 0;
	if (!err)
		node->shaped = true;
	return err;
}

int binding_shape(struct binding *b, int64_t *units)
{
	int bound = b->bound ? 0 : binding_bind(b, units);
	if (bound)
		return bound;
	for (; b->shaped < b->plan->nnodes; b->shaped++) {
		if (*units <= 0)
			return ERR_AGAIN;
		int err = shape_node(b, &b->nodes[b->shaped], units);
		if (err)
			return err;
		--*units;
	}
	return 0;
}

/* ---- extend ---- */

/* Rows that shape has not come to yet will be found as they are then. */
static bool is_followed(const struct node *node, uint32_t child, uint32_t row)
{
	if (node->shaped)
		return true;
	return node->prepared &&
	       (child < node->shape_child || (child == node->shape_child && row < node->shape_row));
}

static int follow(struct binding *b, struct node *node, uint32_t child, uint32_t row, bool added)
{
	return is_followed(node, child, row) ? node->kind->extend(b, node, child, row, added) : 0;
}

/*
 * The log tells which rows changed, not what stands there now: the same row may come and go several
 * times. An addition counts only if a member is there in the end.
 */
static int extend_leaf(struct binding *b, struct node *node)
{
	const struct selector *selector = node->source->selector;
	for (uint32_t i = 0; i < selector->nlog; i++) {
		struct selector_change change = selector->log[i];
		if (change.added && !selector->members[change.row])
			continue;
		int err = follow(b, node, 0, change.row, change.added);
		if (err)
			return err;
	}
	return 0;
}

static int extend_inner(struct binding *b, struct node *node)
{
	for (int added = 0; added <= 1; added++) {
		for (uint32_t c = 0; c < node->nchildren; c++) {
			const struct node *child = node->children[c];
			const struct id_list *list =
				added ? &child->changes->added : &child->changes->removed;
			for (uint32_t i = 0; i < list->n; i++) {
				if (added && !rows_has(child->rows, list->ids[i]))
					continue; /* it came, and went again */
				int err = follow(b, node, c, list->ids[i], added);
				if (err)
					return err;
			}
		}
	}
	return 0;
}

static int extend_node(struct binding *b, uint32_t id)
{
	struct node *node = &b->nodes[id];
	node->valid = false;
	for (uint32_t i = b->parent_start[id]; i < b->parent_start[id + 1]; i++)
		bit_set(b->touched, b->parents[i]);
	if (!node->kind->extend)
		return 0;
	return plan_node_is_leaf(node->plan) ? extend_leaf(b, node) : extend_inner(b, node);
}

static void forget_changes(struct binding *b)
{
	FOR_BITS (id, b->touched, 0, b->plan->nnodes) {
		b->nodes[id].own_changes.removed.n = 0;
		b->nodes[id].own_changes.added.n = 0;
	}
	bits_clear(b->touched, b->plan->nnodes);
}

/* Parents come after their children: a node is touched before the walk comes to it. */
static int extend_touched(struct binding *b)
{
	int err = 0;
	for (uint32_t word = 0; word < words_of(b->plan->nnodes) && !err; word++) {
		for (uint64_t left = b->touched[word]; left && !err;) {
			uint32_t bit = (uint32_t)__builtin_ctzll(left);
			err = extend_node(b, word * 64 + bit);
			left = bit == 63 ? 0 : b->touched[word] >> (bit + 1) << (bit + 1);
		}
	}
	forget_changes(b);
	if (err || b->broken) {
		b->broken = true;
		return err ? err : ERR_NOMEM;
	}
	return 0;
}

int binding_follow(struct binding *b, struct node *node)
{
	uint32_t id = node->plan->id;
	if (!node->own_changes.removed.n && !node->own_changes.added.n)
		return 0;
	for (uint32_t i = b->parent_start[id]; i < b->parent_start[id + 1]; i++)
		bit_set(b->touched, b->parents[i]);
	int err = extend_touched(b);
	node->own_changes.removed.n = node->own_changes.added.n = 0;
	return err;
}

int binding_extend(struct binding *b)
{
	bool any = false;
	if (!b->bound || b->releasing)
		return 0; /* what came will be found as it is */
	for (uint32_t i = 0; i < b->plan->nselectors; i++) {
		struct series_source *source = &b->sources[i];
		if (!source->selector || !source->selector->nlog)
			continue;
		any = true;
		for (uint32_t l = 0; l < source->leaves.n; l++)
			bit_set(b->touched, source->leaves.ids[l]);
	}
	if (!any)
		return 0;
	b->extends++;
	return extend_touched(b);
}
