/* What join.c and join_rows.c share. Private to engine/. */
#ifndef TOCSIN_ENGINE_JOIN_H
#define TOCSIN_ENGINE_JOIN_H

#include "engine/match.h"

/*
 * With group_left(labels) or group_right(labels) the labels of a result depend on the partner, too:
 * there is a row for each pair, for at most so many partners of a match group. (More than one at a
 * time is an error, but those of the past stay until they are forgotten.)
 */
#define JOIN_PARTNERS_MAX 32

/* A row of the result that stands for a pair. */
struct join_pair {
	uint32_t one;
	uint32_t next; /* pair of the same row of the many side; MATCH_NONE at the end */
};

struct join {
	struct match match;
	uint32_t many, one; /* which child is which side; one-to-one: the left is the many side */
	bool one_to_one;
	bool drops_name;
	uint32_t *include, ninclude; /* symbols */
	struct join_pair *pairs;     /* by row of the result */
	uint32_t pairs_cap;
	uint32_t *first_pair; /* by row of the many side */
	uint32_t first_cap;
	/* Of the evaluation, by match group: */
	uint32_t *partner; /* the row of the one side that is present */
	uint64_t *used;	   /* one-to-one: has it been matched? */
	uint32_t groups_cap;
	uint64_t *matched; /* by row of the result: has a partner, whatever a filter says */
	uint32_t matched_cap;
	bool is_idle; /* nothing can match */
};

int join_shape(struct binding *binding, struct node *node);
int join_extend(struct binding *binding, struct node *node, uint32_t child, uint32_t row,
		bool added);
int join_release(struct binding *binding, struct node *node, int64_t *units);
void join_fini(struct binding *binding, struct node *node);
/* The result's row of the pair, or ROW_NONE: too many partners. */
uint32_t join_pair_find(const struct join *join, uint32_t many_row, uint32_t one_row);

/* Two rows of the one side have the signature (a label set): Prometheus' error. */
int join_fail_one_side(struct binding *binding, struct node *node, uint32_t signature, uint32_t row,
		       uint32_t other);

/* Has a match group more partners than get rows? */
bool join_is_crowded(const struct node *node);

#endif
