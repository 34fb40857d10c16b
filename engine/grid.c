#include "engine/grid.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

void grid_init(struct grid *grid, const struct query_bounds *bounds)
{
	assert(bounds->step_ms > 0 && bounds->start_ms <= bounds->end_ms);
	*grid = (struct grid){ .bounds = *bounds, .t_ms = bounds->start_ms };
}

void grid_fini(struct grid *grid, struct store *store)
{
	for (uint32_t i = 0; i < grid->n; i++) {
		lset_unref(store_lsets(store), grid->series[i].lset);
		free(grid->series[i].points);
	}
	free(grid->series);
	id_map_fini(&grid->by_lset);
	*grid = (struct grid){ .series = NULL };
}

static struct grid_series *series_of(struct grid *grid, struct store *store, uint32_t lset)
{
	uint32_t at = id_map_find(&grid->by_lset, lset);
	if (at != ID_MAP_NONE)
		return &grid->series[at];
	if (grid->n == grid->cap) {
		uint32_t cap = grid->cap ? grid->cap * 2 : 16;
		struct grid_series *series = realloc(grid->series, cap * sizeof(*series));
		if (!series)
			return NULL;
		grid->series = series;
		grid->cap = cap;
	}
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

static int take_step(struct grid *grid, struct store *store, const struct relation *relation)
{
	int err = 0;
	if (relation->type == VALUE_SCALAR)
		return point_add(grid, store, LSET_EMPTY, relation->scalar);
	for (uint32_t row = 0; row < relation->nrows && !err; row++)
		if (relation_has(relation, row))
			err = point_add(grid, store, relation->lsets[row], relation->values[row]);
	return err;
}

int grid_eval(struct grid *grid, struct store *store, struct binding *binding,
	      const uint32_t *order, uint32_t norder, int64_t *units)
{
	struct relation relation;
	while (grid->t_ms <= grid->bounds.end_ms) {
		if (*units <= 0)
			return ERR_AGAIN;
		int err = binding_eval(binding, order, norder, grid->t_ms, &grid->cursor, units);
		if (err)
			return err;
		binding_relation(binding, order[norder - 1], &relation);
		err = take_step(grid, store, &relation);
		if (err)
			return err;
		*units -= 1 + relation.nrows;
		grid->t_ms += grid->bounds.step_ms;
		grid->cursor = (struct eval_cursor){ 0, 0 };
	}
	return 0;
}
