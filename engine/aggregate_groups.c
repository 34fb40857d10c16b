/* Groups of an aggregation: how they follow the rows of the operand, and the memory for each. */
#include "engine/aggregate.h"

#include <assert.h>
#include <stdlib.h>

/* ---- shape ---- */

int aggregate_shape(struct binding *b, struct node *node)
{
	const struct plan_node *p = node->plan;
	struct aggregate *agg = node->state = calloc(1, sizeof(*agg));
	if (!agg)
		return ERR_NOMEM;
	node->nameless = !p->without && !names_have_metadata(&p->labels);
	/* Groups differ in nothing but the name only if that is among the labels. */
	node->one_name = true;
	for (uint32_t i = 0; !p->without && i < p->labels.n; i++)
		if (slice_is(p->labels.items[i], METRIC_NAME))
			node->one_name = false;
	agg->by_name = b->plan->delayed_names && !node->nameless;
	return symbols_take(b, &p->labels, p->without, &agg->labels, &agg->nlabels);
}

int aggregate_release(struct binding *b, struct node *node, int64_t *units)
{
	struct aggregate *agg = node->state;
	for (; agg->ngroups > 0; agg->ngroups--, --*units) {
		if (*units <= 0)
			return ERR_AGAIN;
		const struct group *group = &agg->groups[agg->ngroups - 1];
		if (group->members)
			lset_unref(b->lsets, group->lset);
	}
	return 0;
}

void aggregate_fini(struct binding *b, struct node *node)
{
	struct aggregate *agg = node->state;
	int64_t units = INT64_MAX;
	if (!agg)
		return;
	aggregate_release(b, node, &units);
	if (agg->labels)
		symbols_give(b, agg->labels, agg->nlabels);
	id_map_fini(&agg->by_lset);
	id_list_fini(&agg->free);
	free(agg->group_of);
	free(agg->marked);
	free(agg->groups);
	free(agg->slots);
	free(agg->counts);
	free(agg->counted);
	free(agg->starts);
	free(agg);
}

/* ---- extend ---- */

static bool groups_reserve(struct aggregate *agg, uint32_t n)
{
	if (n <= agg->groups_cap)
		return true;
	uint32_t cap = n + n / 2 + 4;
	struct group *groups = realloc(agg->groups, cap * sizeof(*groups));
	if (!groups)
		return false;
	agg->groups = groups;
	agg->groups_cap = cap;
	return true;
}

/* A group's number is, but for pick, its row. */
static int group_new(struct binding *b, struct node *node, uint32_t lset, uint32_t *out)
{
	struct aggregate *agg = node->state;
	uint32_t group = agg->free.n ? agg->free.ids[agg->free.n - 1] : agg->ngroups;
	if (!node->base) {
		lset_ref(b->lsets, lset);
		int err = node_row_new(b, node, lset, &group);
		if (err)
			return err;
	}
	if (!groups_reserve(agg, group + 1) || !id_map_put(&agg->by_lset, lset, group)) {
		if (!node->base)
			node_row_remove(b, node, group);
		return ERR_NOMEM;
	}
	if (node->base && agg->free.n)
		agg->free.n--;
	if (group >= agg->ngroups)
		agg->ngroups = group + 1;
	lset_ref(b->lsets, lset);
	agg->groups[group] = (struct group){ .lset = lset };
	*out = group;
	return 0;
}

/* A group with a marked member is marked itself: its row gets other labels. */
static int remark(struct binding *b, struct node *node, uint32_t group, bool marked)
{
	struct aggregate *agg = node->state;
	uint32_t lset = agg->groups[group].lset;
	node_row_remove(b, node, group);
	/* The id is free now, and the last that was freed. */
	uint32_t row;
	if (!marked)
		lset_ref(b->lsets, lset);
	int err = node_row_new(b, node, marked ? binding_nameless(b, lset) : lset, &row);
	assert(err || row == group);
	return err;
}

static int note_mark(struct binding *b, struct node *node, uint32_t row, uint32_t group)
{
	struct aggregate *agg = node->state;
	uint32_t lset = node->children[0]->rows->lsets[row];
	if (lset_get(b->lsets, lset, b->mark) == SYMBOL_NONE)
		return 0;
	bit_set(agg->marked, row);
	return agg->groups[group].marked++ ? 0 : remark(b, node, group, true);
}

static int forget_mark(struct binding *b, struct node *node, uint32_t row, uint32_t group)
{
	struct aggregate *agg = node->state;
	if (!agg->marked || !bit_get(agg->marked, row))
		return 0;
	bit_clear(agg->marked, row);
	bool is_last = --agg->groups[group].marked == 0;
	return is_last && agg->groups[group].members > 0 ? remark(b, node, group, false) : 0;
}

static int join_group(struct binding *b, struct node *node, uint32_t row)
{
	struct aggregate *agg = node->state;
	uint32_t lset = node->children[0]->rows->lsets[row], group;
	lset = (node->plan->without ? lset_without : lset_only)(b->lsets, lset, agg->labels,
								agg->nlabels);
	if (lset == LSET_NONE)
		return ERR_NOMEM;
	int err = 0;
	group = id_map_find(&agg->by_lset, lset);
	if (group == ID_MAP_NONE)
		err = group_new(b, node, lset, &group);
	lset_unref(b->lsets, lset);
	if (err)
		return err;
	agg->groups[group].members++;
	agg->group_of[row] = group;
	agg->is_counted = false;
	return agg->by_name && !node->base ? note_mark(b, node, row, group) : 0;
}

static int leave_group(struct binding *b, struct node *node, uint32_t row)
{
	struct aggregate *agg = node->state;
	uint32_t group = agg->group_of[row];
	agg->group_of[row] = GROUP_NONE;
	agg->is_counted = false;
	agg->groups[group].members--;
	int err = forget_mark(b, node, row, group);
	if (err || agg->groups[group].members)
		return err;
	id_map_remove(&agg->by_lset, agg->groups[group].lset);
	lset_unref(b->lsets, agg->groups[group].lset);
	if (node->base)
		id_list_add(&agg->free, group); /* a failure only wastes a number */
	else
		node_row_remove(b, node, group);
	return 0;
}

static bool group_of_reserve(struct aggregate *agg, uint32_t n)
{
	if (n <= agg->cap)
		return true;
	uint32_t cap = n + n / 2 + 8;
	uint32_t *group_of = realloc(agg->group_of, cap * sizeof(*group_of));
	if (!group_of)
		return false;
	for (uint32_t i = agg->cap; i < cap; i++)
		group_of[i] = GROUP_NONE;
	agg->group_of = group_of;
	if (agg->by_name) {
		uint64_t *marked = realloc(agg->marked, words_of(cap) * sizeof(*marked));
		if (!marked)
			return false;
		for (uint32_t i = words_of(agg->cap); i < words_of(cap); i++)
			marked[i] = 0;
		agg->marked = marked;
	}
	agg->cap = cap;
	return true;
}

int aggregate_extend(struct binding *b, struct node *node, uint32_t child, uint32_t row, bool added)
{
	struct aggregate *agg = node->state;
	if (child != 0) /* the parameter is a scalar */
		return 0;
	bool known = row < agg->cap && agg->group_of[row] != GROUP_NONE;
	if (!added) {
		return known ? leave_group(b, node, row) : 0;
	}
	if (known)
		return 0;
	return group_of_reserve(agg, row + 1) ? join_group(b, node, row) : ERR_NOMEM;
}

/* ---- eval ---- */

uint32_t aggregate_steps(const struct node *node)
{
	const struct aggregate *agg = node->state;
	return steps_padded(node->children[0]->n) + agg->ngroups;
}

int aggregate_slots_begin(struct aggregate *agg, size_t bytes)
{
	if (agg->ngroups > agg->counts_cap || !agg->counts) {
		uint32_t cap = agg->groups_cap + 1;
		free(agg->counts);
		free(agg->starts);
		agg->counts = malloc(cap * sizeof(*agg->counts));
		agg->starts = malloc((cap + 1) * sizeof(*agg->starts));
		agg->counts_cap = agg->counts && agg->starts ? cap : 0;
		agg->is_counted = false;
		if (!agg->counts_cap)
			return ERR_NOMEM;
	}
	if (!agg->is_counted)
		memset(agg->counts, 0, agg->ngroups * sizeof(*agg->counts));
	size_t needed = agg->ngroups * bytes;
	if (needed > agg->slots_bytes) {
		free(agg->slots);
		agg->slots = malloc(needed);
		agg->slots_bytes = agg->slots ? needed : 0;
		if (!agg->slots)
			return ERR_NOMEM;
	}
	if (needed)
		memset(agg->slots, 0, needed);
	return 0;
}

void aggregate_lay_out(struct aggregate *agg)
{
	agg->starts[0] = 0;
	for (uint32_t g = 0; g < agg->ngroups; g++)
		agg->starts[g + 1] = agg->starts[g] + agg->groups[g].members;
}
