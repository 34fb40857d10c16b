/*
 * The matching of two vectors: which rows of both sides have the same signature. Private to
 * engine/.
 *
 * The signature of a row is the label set that on(…) or ignoring(…) leaves of it. Rows of one
 * signature form a match group, in which each side's rows are a doubly linked list. A group lives
 * while it has a row.
 */
#ifndef TOCSIN_ENGINE_MATCH_H
#define TOCSIN_ENGINE_MATCH_H

#include "engine/node.h"

#define MATCH_NONE UINT32_MAX

struct match_link {
	uint32_t group;		 /* MATCH_NONE: the row is not there */
	uint32_t next, previous; /* rows of the same side and group; MATCH_NONE at the ends */
};

struct match_group {
	uint32_t lset; /* the signature, a reference */
	uint32_t first[2], count[2];
};

struct match {
	bool on;
	uint32_t *labels, nlabels;   /* symbols */
	struct match_link *links[2]; /* by row of each side */
	uint32_t cap[2];
	struct id_map by_lset;
	struct match_group *groups;
	uint32_t ngroups, groups_cap;
	struct id_list free;
	/* Groups that have more than one row of a side. */
	uint32_t repeated[2];
};

int match_init(struct binding *binding, struct match *match, const struct plan_node *plan);
void match_fini(struct binding *binding, struct match *match);
/* Gives back the signatures, a unit each; then only match_fini() may follow. ERR_AGAIN. */
int match_release(struct binding *binding, struct match *match, int64_t *units);
static inline bool match_has(const struct match *match, uint32_t side, uint32_t row)
{
	return row < match->cap[side] && match->links[side][row].group != MATCH_NONE;
}
/* Adds a row, that is not there, by its label set. */
int match_add(struct binding *binding, struct match *match, uint32_t side, uint32_t row,
	      uint32_t lset);
/* Removes a row that is there. */
void match_remove(struct binding *binding, struct match *match, uint32_t side, uint32_t row);
/* In units: a row that is matched, since where its group stands is not foreseen. */
#define UNITS_MATCHED 2
/* Marks in `marks` (by group) the groups that have one of the rows [from, to); `from` as FOR_BITS.
 */
void match_mark_more(const struct match *match, uint32_t side, const uint64_t *rows, uint32_t from,
		     uint32_t to, uint64_t *marks);
/* Of all n rows, and of no others: `marks` is cleared before. */
void match_mark(const struct match *match, uint32_t side, const uint64_t *rows, uint32_t n,
		uint64_t *marks);
/* set_ops.c: that of a set operator. */
const struct match *set_match(const struct node *node);
/* Walks all invariants; for tests. */
void match_check(const struct match *match);

#endif
