/*
 * The groups of an aggregation. Private to engine/aggregate*.c.
 *
 * Each row of the operand knows its group; a group lives while a row of the operand does, present
 * or not. For sum, count and their kind the groups are the rows of the result. What picks elements
 * (topk, bottomk, limitk, limit_ratio) has the operand's rows, and groups only for counting.
 */
#ifndef TOCSIN_ENGINE_AGGREGATE_H
#define TOCSIN_ENGINE_AGGREGATE_H

#include "engine/node.h"
#include "engine/numeric.h"

#define GROUP_NONE UINT32_MAX

struct group {
	uint32_t lset; /* a reference */
	uint32_t members;
	uint32_t marked; /* members whose names are to be removed in the end */
};

struct aggregate {
	uint32_t *labels, nlabels; /* symbols of by(…) or without(…) */
	uint32_t *group_of;	   /* by row of the operand */
	uint64_t *marked; /* the same rows: see struct group; NULL when marks mean nothing here */
	bool by_name;	  /* groups are told apart by names, which may be marked */
	uint32_t cap;
	struct id_map by_lset;
	struct group *groups;
	uint32_t ngroups, groups_cap;
	struct id_list free; /* of pick only: else the node's rows know */
	/* Of the evaluation. */
	void *slots; /* by group: accumulators or means */
	size_t slots_bytes;
	uint32_t *counts, *starts; /* by group: elements seen; first place in the values */
	uint32_t counts_cap;
	uint64_t *counted; /* the ncounted words of present rows that `counts` are of */
	uint32_t ncounted, counted_cap;
	bool is_counted; /* of all rows there were, and no group has changed since */
	double *values;		       /* of quantile, laid out by `starts`; scratch memory */
	struct quantile_search search; /* in the group `searched`, if it is under way */
	uint32_t searched;
	bool searches;
	uint32_t *heaps; /* of pick, likewise */
	uint32_t k;	 /* of pick */
};

/* ---- groups ---- */

/* The shape, extend, release and fini of a kind whose state is a struct aggregate. */
int aggregate_shape(struct binding *binding, struct node *node);
int aggregate_extend(struct binding *binding, struct node *node, uint32_t child, uint32_t row,
		     bool added);
int aggregate_release(struct binding *binding, struct node *node, int64_t *units);
void aggregate_fini(struct binding *binding, struct node *node);

/* Has the row of the operand a group? */
static inline bool aggregate_has(const struct aggregate *agg, uint32_t row)
{
	return row < agg->cap && agg->group_of[row] != GROUP_NONE;
}

/* ---- evaluation ---- */

/* The kind's steps: rows of the operand, then groups. */
uint32_t aggregate_steps(const struct node *node);
/* `bytes` zeroed bytes and, unless is_counted, a zeroed count for each group; ERR_NOMEM. */
int aggregate_slots_begin(struct aggregate *agg, size_t bytes);
/* starts[g]: where group g's elements begin in an array of all, with room for each member. */
void aggregate_lay_out(struct aggregate *agg);

#endif
