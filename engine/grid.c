#include "engine/grid.h"

#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"

/* What things cost, in rows of nodes. */
#define UNITS_POINT 5
#define UNITS_SERIES_FREED 20

void grid_init(struct grid *grid, const struct query_bounds *bounds)
{
	assert(bounds->step_ms > 0 && bounds->start_ms <= bounds->end_ms);
	*grid = (struct grid){ .bounds = *bounds, .t_ms = bounds->start_ms };
}

int grid_release(struct grid *grid, struct store *store, int64_t *units)
{
	for (; grid->n > 0; grid->n--) {
		struct grid_series *series = &grid->series[grid->n - 1];
		if (*units <= 0)
			return ERR_AGAIN;
		lset_unref(store_lsets(store), series->lset);
		free(series->points);
		*units -= UNITS_SERIES_FREED;
	}
	free(grid->series);
	id_map_fini(&grid->by_lset);
	*grid = (struct grid){ .series = NULL };
	return 0;
}

void grid_fini(struct grid *grid, struct store *store)
{
	int64_t units = INT64_MAX;
	grid_release(grid, store, &units);
}

static struct grid_series *series_of(struct grid *grid, struct store *store, uint32_t lset)
{
	uint32_t at = id_map_find(&grid->by_lset, lset);
	if (at != ID_MAP_NONE)
		return &grid->series[at];
	if (!ARRAY_RESERVE(&grid->series, grid->n, &grid->cap))
		return NULL;
	if (!id_map_put(&grid->by_lset, lset, grid->n))
		return NULL;
	lset_ref(store_lsets(store), lset);
	grid->series[grid->n] = (struct grid_series){ .lset = lset };
	return &grid->series[grid->n++];
}

static int point_add(struct grid *grid, struct store *store, uint32_t lset, double value)
{
	struct grid_series *series = series_of(grid, store, lset);
	if (!series)
		return ERR_NOMEM;
	if (grid->points == GRID_POINTS_MAX)
		return ERR_LIMIT;
	if (series->n == series->cap) {
		uint32_t cap = series->cap ? series->cap * 2 : 8;
		struct grid_point *points = realloc(series->points, cap * sizeof(*points));
		if (!points)
			return ERR_NOMEM;
		series->points = points;
		series->cap = cap;
	}
	uint32_t step = (uint32_t)((grid->t_ms - grid->bounds.start_ms) / grid->bounds.step_ms);
	series->points[series->n++] = (struct grid_point){ step, value };
	grid->points++;
	return 0;
}

static int take_step(struct grid *grid, struct store *store, const struct relation *relation,
		     int64_t *units)
{
	if (relation->type == VALUE_SCALAR)
		return point_add(grid, store, LSET_EMPTY, relation->scalar);
	for (; grid->row < relation->nrows; grid->row++) {
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= 1;
		if (!relation_has(relation, grid->row))
			continue;
		int err = point_add(grid, store, relation->lsets[grid->row],
				    relation->values[grid->row]);
		if (err)
			return err;
		*units -= UNITS_POINT;
	}
	return 0;
}

static int step_eval(struct grid *grid, struct binding *binding, const uint32_t *order,
		     uint32_t norder, int64_t *units)
{
	if (grid->evaluated)
		return 0;
	int err = binding_eval(binding, order, norder, grid->t_ms, &grid->cursor, units);
	grid->evaluated = !err;
	return err;
}

int grid_eval(struct grid *grid, struct store *store, struct binding *binding,
	      const uint32_t *order, uint32_t norder, int64_t *units)
{
	struct relation relation;
	while (grid->t_ms <= grid->bounds.end_ms) {
		if (*units <= 0)
			return ERR_AGAIN;
		int err = step_eval(grid, binding, order, norder, units);
		if (err)
			return err;
		binding_relation(binding, order[norder - 1], &relation);
		err = take_step(grid, store, &relation, units);
		if (err)
			return err;
		*units -= 1;
		grid->t_ms += grid->bounds.step_ms;
		grid->cursor = (struct eval_cursor){ 0, 0 };
		grid->evaluated = false;
		grid->row = 0;
	}
	return 0;
}
