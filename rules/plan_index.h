/*
 * The tables behind hash-consing: which node or selector of a plan is equal to a given one. Inside
 * of rules/.
 *
 * Open addressing over ids; the hashes are those of the plan's own nodes and selectors.
 */
#ifndef TOCSIN_RULES_PLAN_INDEX_H
#define TOCSIN_RULES_PLAN_INDEX_H

#include "rules/plan.h"

struct id_table {
	uint32_t *slots; /* PLAN_NONE: free */
	uint32_t cap, n; /* cap is a power of two, at least twice n */
};

struct plan_index {
	struct id_table nodes, selectors;
};

uint64_t plan_node_hash(const struct plan_node *node);

struct plan_index *plan_index_new(void);
void plan_index_free(struct plan_index *index);
/* The id of the equal one, or PLAN_NONE. node->hash must be set. */
uint32_t plan_index_find_node(const struct plan *plan, const struct plan_node *node);
uint32_t plan_index_find_selector(const struct plan *plan, const char *text);
/* Room for one more of each, so that adding cannot fail. ERR_NOMEM. */
int plan_index_reserve(const struct plan *plan);
void plan_index_add_node(struct plan *plan, uint32_t id);
void plan_index_add_selector(struct plan *plan, uint32_t id);

#endif
