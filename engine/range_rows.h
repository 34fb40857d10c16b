/*
 * Range functions by rows: what those of selectors and those of subqueries share. Private to
 * engine/.
 */
#ifndef TOCSIN_ENGINE_RANGE_ROWS_H
#define TOCSIN_ENGINE_RANGE_ROWS_H

#include "engine/node.h"
#include "engine/range_functions.h"

struct range_state {
	const struct range_function *function;
	/*
	 * Of the row before: samples within its range, and newer ones. The next is likely to have
	 * as many.
	 */
	uint32_t within, newer;
};

/* Makes node->state, to be freed by the kind's fini. ERR_NOMEM. */
int range_state_new(struct node *node);
/*
 * The function of the window's samples within *range, of which start, end and argument are given.
 * ERR_NOMEM.
 */
int range_row_eval(struct binding *binding, const struct node *node, const struct window *window,
		   struct range *range, double *out, bool *is_present);

#endif
