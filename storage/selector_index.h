/*
 * The selector index: which standing selectors might want a label set. Private to storage/.
 *
 * A selector stands at exactly one node, named by conditions that all of its members meet:
 *
 *   (metric, 0, 0)           the metric name alone; metric 0: no name equality, asked for every
 * series (metric, name, value)    and one further equality: the one that the fewest others stand at
 *
 * The node of a metric knows which label names its further equalities use, so that a look-up for a
 * new series probes once for each of those, whatever the number of selectors. What stands at the
 * nodes found is then matched in full.
 */
#ifndef TOCSIN_STORAGE_SELECTOR_INDEX_H
#define TOCSIN_STORAGE_SELECTOR_INDEX_H

#include "storage/id_index.h"
#include "storage/match.h"

struct standing;

struct standing_list {
	struct standing **items;
	uint32_t n, cap;
};

void standing_list_fini(struct standing_list *list);

struct index_name {
	uint32_t name, n; /* nodes of this metric that use it */
};

struct index_node {
	uint32_t metric, name, value;
	struct standing_list selectors;
	struct index_name *names; /* of (metric, 0, 0) */
	uint32_t nnames, names_cap;
};

struct selector_index {
	struct index_node **nodes; /* a NULL is free */
	uint32_t nnodes, nodes_cap;
	uint32_t *free_ids, nfree;
	struct id_index by_key;
	uint32_t metric_name; /* the symbol of __name__ */
};

void selector_index_init(struct selector_index *index, uint32_t metric_name);
void selector_index_fini(struct selector_index *index);
/* *node: where it stands now, for selector_index_remove(). ERR_NOMEM. */
int selector_index_add(struct selector_index *index, struct standing *standing,
		       const struct compiled_matcher *matchers, size_t n, uint32_t *node);
void selector_index_remove(struct selector_index *index, struct standing *standing, uint32_t node);
/* Appends the selectors that may match the subject, each once. ERR_NOMEM. */
int selector_index_find(const struct selector_index *index, const struct subject *subject,
			struct standing_list *out);
size_t selector_index_bytes(const struct selector_index *index);
void selector_index_check(const struct selector_index *index);

#endif
