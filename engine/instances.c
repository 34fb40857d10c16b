#include "engine/instances.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

void instances_init(struct instances *instances)
{
	*instances = (struct instances){ .free_slot = ID_MAP_NONE };
}

void instances_fini(struct instances *instances, struct lset_table *lsets)
{
	for (uint32_t i = 0; i < instances->n; i++)
		if (instances->items[i].lset != LSET_NONE) {
			lset_unref(lsets, instances->items[i].lset);
			lset_unref(lsets, instances->items[i].expr_lset);
		}
	free(instances->items);
	id_map_fini(&instances->by_row);
	id_map_fini(&instances->by_lset);
	instances_init(instances);
}

uint32_t instances_find_row(const struct instances *instances, uint32_t row, uint32_t expr_lset)
{
	uint32_t slot = id_map_find(&instances->by_row, row);
	if (slot == ID_MAP_NONE || instances->items[slot].expr_lset != expr_lset)
		return ID_MAP_NONE;
	return slot;
}

static uint32_t instances_find(const struct instances *instances, uint32_t lset)
{
	return id_map_find(&instances->by_lset, lset);
}

static uint32_t slot_take(struct instances *instances)
{
	uint32_t slot = instances->free_slot;
	if (slot != ID_MAP_NONE) {
		instances->free_slot = instances->items[slot].row;
		return slot;
	}
	if (instances->n == instances->cap) {
		uint32_t cap = instances->cap ? instances->cap * 2 : 4;
		struct instance *items = realloc(instances->items, cap * sizeof(*items));
		if (!items)
			return ID_MAP_NONE;
		instances->items = items;
		instances->cap = cap;
	}
	return instances->n++;
}

static void slot_give(struct instances *instances, uint32_t slot)
{
	instances->items[slot] =
		(struct instance){ .lset = LSET_NONE, .row = instances->free_slot };
	instances->free_slot = slot;
}

/* Forgets the row of an instance, unless the row was given to another one meanwhile. */
static void row_leave(struct instances *instances, uint32_t slot)
{
	struct instance *instance = &instances->items[slot];
	if (instance->row != ID_MAP_NONE && id_map_find(&instances->by_row, instance->row) == slot)
		id_map_remove(&instances->by_row, instance->row);
	instance->row = ID_MAP_NONE;
}

static int make(struct instances *instances, struct lset_table *lsets, uint32_t expr_lset,
		uint32_t lset, uint32_t *slot)
{
	uint32_t made = slot_take(instances);
	if (made == ID_MAP_NONE)
		return ERR_NOMEM;
	if (!id_map_put(&instances->by_lset, lset, made)) {
		slot_give(instances, made);
		return ERR_NOMEM;
	}
	lset_ref(lsets, expr_lset);
	instances->items[made] =
		(struct instance){ .lset = lset, .expr_lset = expr_lset, .row = ID_MAP_NONE };
	instances->nlive++;
	*slot = made;
	return 0;
}

int instances_join(struct instances *instances, struct lset_table *lsets, uint32_t row,
		   uint32_t expr_lset, uint32_t lset, uint32_t *slot, bool *is_new)
{
	uint32_t found = instances_find(instances, lset);
	bool made = found == ID_MAP_NONE;
	if (made && make(instances, lsets, expr_lset, lset, &found)) {
		lset_unref(lsets, lset);
		return ERR_NOMEM;
	}
	if (!made)
		lset_unref(lsets, lset); /* the instance has its own */
	struct instance *instance = &instances->items[found];
	if (row != ID_MAP_NONE && !id_map_put(&instances->by_row, row, found)) {
		if (made)
			instances_remove(instances, lsets, found);
		return ERR_NOMEM;
	}
	if (instance->row != row) {
		row_leave(instances, found);
		instance->row = row;
	}
	if (instance->expr_lset != expr_lset) {
		lset_ref(lsets, expr_lset);
		lset_unref(lsets, instance->expr_lset);
		instance->expr_lset = expr_lset;
	}
	instances->stray |= row == ID_MAP_NONE;
	*slot = found;
	*is_new = made;
	return 0;
}

void instances_remove(struct instances *instances, struct lset_table *lsets, uint32_t slot)
{
	struct instance *instance = &instances->items[slot];
	assert(instance->lset != LSET_NONE);
	row_leave(instances, slot);
	id_map_remove(&instances->by_lset, instance->lset);
	lset_unref(lsets, instance->lset);
	lset_unref(lsets, instance->expr_lset);
	slot_give(instances, slot);
	instances->nlive--;
}

void instances_forget_rows(struct instances *instances)
{
	id_map_fini(&instances->by_row);
	for (uint32_t i = 0; i < instances->n; i++)
		if (instances->items[i].lset != LSET_NONE)
			instances->items[i].row = ID_MAP_NONE;
	instances->stray = instances->nlive > 0;
}

int instances_rejoin(struct instances *instances, const struct relation *relation)
{
	struct id_map by_expr = { .slots = NULL };
	bool ok = true;
	for (uint32_t i = 0; i < instances->n && ok; i++)
		if (instances->items[i].lset != LSET_NONE && instances->items[i].row == ID_MAP_NONE)
			ok = id_map_put(&by_expr, instances->items[i].expr_lset, i);
	for (uint32_t row = 0; row < relation->nrows && ok; row++) {
		if (relation->lsets[row] == LSET_NONE)
			continue;
		uint32_t slot = id_map_find(&by_expr, relation->lsets[row]);
		if (slot == ID_MAP_NONE || instances->items[slot].row != ID_MAP_NONE)
			continue;
		ok = id_map_put(&instances->by_row, row, slot);
		if (ok)
			instances->items[slot].row = row;
	}
	id_map_fini(&by_expr);
	if (!ok)
		return ERR_NOMEM;
	instances->stray = false;
	return 0;
}

void instances_check(const struct instances *instances)
{
	uint32_t live = 0, joined = 0;
	for (uint32_t i = 0; i < instances->n; i++) {
		const struct instance *instance = &instances->items[i];
		if (instance->lset == LSET_NONE)
			continue;
		live++;
		assert(id_map_find(&instances->by_lset, instance->lset) == i);
		if (instance->row != ID_MAP_NONE &&
		    id_map_find(&instances->by_row, instance->row) == i)
			joined++;
	}
	assert(live == instances->nlive);
	assert(live == id_map_count(&instances->by_lset));
	assert(joined == id_map_count(&instances->by_row));
	(void)joined;
}
