/*
 * Instances: what a rule made of the rows of its result. An alert of an alerting rule, a recorded
 * series of a recording rule.
 *
 * An instance is known by its identity (the label set after the rule's labels were applied) and
 * remembers the row it was last made of, so that labels are rendered once in the life of a row and
 * not at each evaluation. Slots are stable while the instance lives.
 *
 * A row is trusted only together with its label set: row ids are reused, but a label set id is not
 * while a reference to it is held here.
 */
#ifndef TOCSIN_ENGINE_INSTANCES_H
#define TOCSIN_ENGINE_INSTANCES_H

#include "engine/binding.h"
#include "engine/id_map.h"
#include "storage/lset.h"

struct instance {
	uint32_t lset;	    /* identity, a reference; LSET_NONE: a free slot */
	uint32_t expr_lset; /* of the row it was last made of, a reference */
	uint32_t row;	    /* ID_MAP_NONE: not known (any more) */
	uint32_t seen;	    /* number of the evaluation in whose result it was last */
};

struct instances {
	struct instance *items;
	uint32_t n, cap; /* free slots included */
	uint32_t nlive;
	uint32_t free_slot; /* first of a list through `row`, ID_MAP_NONE */
	bool stray;	    /* some instance has no row: instances_rejoin() is due */
	struct id_map by_row, by_lset;
};

void instances_init(struct instances *instances);
void instances_fini(struct instances *instances, struct lset_table *lsets);
/* The slot that was made of this row with this label set, or ID_MAP_NONE. */
uint32_t instances_find_row(const struct instances *instances, uint32_t row, uint32_t expr_lset);
/*
 * Joins the row to the instance of this identity (takes the caller's reference to lset, whatever
 * the outcome), which is made if there is none: *is_new. row may be ID_MAP_NONE. ERR_NOMEM.
 */
int instances_join(struct instances *instances, struct lset_table *lsets, uint32_t row,
		   uint32_t expr_lset, uint32_t lset, uint32_t *slot, bool *is_new);
void instances_remove(struct instances *instances, struct lset_table *lsets, uint32_t slot);
/* Row ids mean nothing any more: another binding. */
void instances_forget_rows(struct instances *instances);
/* Finds rows for instances that have none, present or not. ERR_NOMEM. */
int instances_rejoin(struct instances *instances, const struct relation *relation);
void instances_check(const struct instances *instances);

#endif
