/*
 * A range query: an expression evaluated at each step of a query's bounds, and what it gave as
 * series of points. In quanta.
 *
 * The binding must have been made with the same bounds. Steps ascend, so that subqueries compute
 * each of theirs once.
 */
#ifndef TOCSIN_ENGINE_GRID_H
#define TOCSIN_ENGINE_GRID_H

#include "engine/binding.h"
#include "engine/id_map.h"

#define GRID_STEPS_MAX 11000	 /* of one query, as in Prometheus */
#define GRID_POINTS_MAX 20000000 /* of one query's result */

struct grid_point {
	uint32_t step; /* its time is start + step · step_ms */
	double value;
};

struct grid_series {
	uint32_t lset; /* a reference */
	struct grid_point *points;
	uint32_t n, cap;
};

struct grid {
	struct query_bounds bounds;
	int64_t t_ms; /* the step that is next, or under way */
	struct eval_cursor cursor;
	bool evaluated; /* the step: its rows before `row` are taken */
	uint32_t row;
	struct id_map by_lset; /* series */
	struct grid_series *series;
	uint32_t n, cap;
	uint64_t points;
};

/* step_ms is positive; end is not before start, and at most GRID_STEPS_MAX steps after it. */
void grid_init(struct grid *grid, const struct query_bounds *bounds);
void grid_fini(struct grid *grid, struct store *store);
/* The same, some at a time: 0, or ERR_AGAIN when the units ran out. */
int grid_release(struct grid *grid, struct store *store, int64_t *units);
/*
 * Goes on with the steps. 0 when all are done, ERR_AGAIN when the units ran out, ERR_EVAL with
 * binding_error() of the root, ERR_LIMIT (points), ERR_NOMEM. A scalar gives a series without
 * labels.
 */
int grid_eval(struct grid *grid, struct store *store, struct binding *binding,
	      const uint32_t *order, uint32_t norder, int64_t *units);

#endif
