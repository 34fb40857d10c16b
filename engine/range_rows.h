/*
 * Leaves and range functions by rows: what those of plain selectors, of selectors with edges and
 * of subqueries share. Private to engine/.
 */
#ifndef TOCSIN_ENGINE_RANGE_ROWS_H
#define TOCSIN_ENGINE_RANGE_ROWS_H

#include "engine/node.h"
#include "engine/oldest.h"
#include "engine/range_functions.h"

/* So many other nodes that read one selector are evaluated along with a function of its range. */
#define RANGE_COMPANIONS_MAX 7
/*
 * Among so many nodes that read the selector, those shaped last before it, one looks for such:
 * where thousands of ranges differ each would meet all others for nothing.
 */
#define RANGE_MET_MAX 256

struct range_state {
	const struct range_function *function;
	/* Of the same range, or the instant that it ends at. */
	struct node *companions[RANGE_COMPANIONS_MAX];
	struct node *along[RANGE_COMPANIONS_MAX]; /* those evaluated along with this one, now */
	int64_t along_ms;			  /* the time of that */
	uint32_t ncompanions, nalong;
	/*
	 * Of the row before: samples within its range, and newer ones. The next is likely to have
	 * as many.
	 */
	uint32_t within, newer;
	uint32_t looks;	      /* into windows, so far */
	struct oldest oldest; /* when it is the first of those evaluated together */
};

/* Of any leaf: its rows are the members of its selector. */
int leaf_shape(struct binding *binding, struct node *node);
int leaf_extend(struct binding *binding, struct node *node, uint32_t child, uint32_t row,
		bool added);
/* The series by row; *to becomes the end of those that are there. */
struct series *const *leaf_members(const struct node *node, uint32_t *to);
/* Marks the absent rows among [from, to) whose senders are silent. */
void leaf_mark_silent(struct binding *binding, struct node *node, int64_t end_ms, uint32_t from,
		      uint32_t to);

/* Rows [from, to) of an instant selector, all of one block, of whose series the ranges that end at
 * its time were looked at just before. */
void select_rows_near(struct binding *binding, struct node *node, uint32_t from, uint32_t to,
		      const struct range_block *block);
/*
 * While the node is shaped: of the ranges and instants of the same series and time that were shaped
 * before the ranges learn of it and, if it is a range, it of them all.
 */
void range_meet_companions(struct binding *binding, struct node *node);

/* Makes node->state, to be freed by the kind's fini. ERR_NOMEM. */
int range_state_new(struct node *node);
/* Notes that a rate is taken of what is no counter by its name, a quantile that is none, or start
 * times that overlap; range: NULL of a selector with edges. */
void range_note(struct binding *binding, const struct node *node, uint32_t lset,
		const struct range *range);
/* Takes the further arguments from the node's children, from the first-th on. */
void range_arguments(const struct node *node, uint32_t first, struct range *range);
/*
 * The function of the window's samples within *range, of which start, end and arguments are given;
 * starts: the start times of the samples, or NULL. ERR_EVAL, ERR_NOMEM.
 */
int range_row_eval(struct binding *binding, struct node *node, const struct window *window,
		   const struct window *starts, struct range *range, double *out, bool *is_present);

#endif
