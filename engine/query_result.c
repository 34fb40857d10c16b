/*
 * The result of an ad-hoc query, copied out of the relation in pieces: rows, series of points; and
 * whether it looks back further than what is kept.
 */
#include <stdlib.h>

#include "base/error.h"
#include "engine/engine_internal.h"
#include "engine/grid.h"
#include "engine/numeric.h"
#include "engine/verify.h"

static int rows_take(struct engine *engine, struct engine_query *query,
		     const struct relation *relation, int64_t *units)
{
	if (!query->rows)
		query->rows = calloc((size_t)relation_count(relation) + 1, sizeof(*query->rows));
	if (!query->rows)
		return ERR_NOMEM;
	for (; query->taken < relation->nrows; query->taken++) {
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= 1;
		if (!relation_has(relation, query->taken))
			continue;
		struct labels *labels =
			lset_to_labels(engine->lsets, relation->lsets[query->taken]);
		if (!labels)
			return ERR_NOMEM;
		query->rows[query->nrows++] = (struct engine_query_row){
			labels, relation->values[query->taken],
			result_row_order(query->plan, query->binding, query->root, query->taken)
		};
		*units -= UNITS_LISTED;
	}
	return 0;
}

/* One more series of the result, with room for n points. NULL: out of memory. */
static struct engine_query_series *series_add(struct engine *engine, struct engine_query *query,
					      uint32_t lset, size_t n)
{
	struct labels *labels = lset_to_labels(engine->lsets, lset);
	struct engine_query_point *points = malloc((n + 1) * sizeof(*points));
	if (!labels || !points) {
		labels_unref(labels);
		free(points);
		return NULL;
	}
	struct engine_query_series *series = &query->series[query->nseries++];
	*series = (struct engine_query_series){ labels, points, 0 };
	return series;
}

/* Some of the range query's series a call: 0 when all are there. */
static int grid_take(struct engine *engine, struct engine_query *query, int64_t *units)
{
	const struct grid *grid = query->grid;
	if (!query->series)
		query->series = calloc(grid->n + 1, sizeof(*query->series));
	if (!query->series)
		return ERR_NOMEM;
	for (; query->taken < grid->n; query->taken++) {
		const struct grid_series *from = &grid->series[query->taken];
		if (*units <= 0)
			return ERR_AGAIN;
		struct engine_query_series *to = series_add(engine, query, from->lset, from->n);
		if (!to)
			return ERR_NOMEM;
		for (uint32_t i = 0; i < from->n; i++)
			to->points[to->n++] =
				(struct engine_query_point){ query->bounds.start_ms +
								     (int64_t)from->points[i].step *
									     query->bounds.step_ms,
							     from->points[i].value };
		*units -= UNITS_LISTED + from->n / 4;
	}
	return 0;
}

/* The samples of a range vector. */
static int range_take(struct engine *engine, struct engine_query *query,
		      const struct relation *relation, int64_t *units)
{
	if (!query->series)
		query->series = calloc((size_t)relation->nrows + 1, sizeof(*query->series));
	if (!query->series)
		return ERR_NOMEM;
	for (; query->taken < relation->nrows; query->taken++) {
		struct window_view view;
		if (*units <= 0)
			return ERR_AGAIN;
		if (!relation_has(relation, query->taken))
			continue;
		binding_range(query->binding, query->root, query->taken, &view);
		uint32_t lset = binding_range_lset(query->binding, query->root, query->taken);
		struct engine_query_series *to =
			lset != LSET_NONE ? series_add(engine, query, lset, view.n) : NULL;
		if (lset != LSET_NONE)
			lset_unref(engine->lsets, lset);
		if (!to)
			return ERR_NOMEM;
		for (size_t i = 0; i < view.n; i++)
			if (!value_is_stale(view.values[i]))
				to->points[to->n++] =
					(struct engine_query_point){ view.base_ms + view.offsets[i],
								     view.values[i] };
		*units -= UNITS_LISTED + (int64_t)view.n / 4;
	}
	return 0;
}

int query_result_take(struct engine *engine, struct engine_query *query, int64_t *units)
{
	struct relation relation;
	query->type = query->expr->type;
	if (query->type == VALUE_STRING)
		return 0;
	binding_relation(query->binding, query->root, &relation);
	query->scalar = relation.scalar;
	if (query->grid || query->type == VALUE_MATRIX) {
		query->type = VALUE_MATRIX;
		return query->grid ? grid_take(engine, query, units)
				   : range_take(engine, query, &relation, units);
	}
	if (query->verify && query->taken == 0)
		verify_judge(engine, query, &relation);
	return relation.type == VALUE_SCALAR ? 0 : rows_take(engine, query, &relation, units);
}

/* ---- does it look back too far? ---- */

/*
 * Were samples newer than from_ms dropped, as far as one can know? They leave oldest first, so a
 * window that still has one from before has all since; and where none would fit between from_ms and
 * the oldest, none is missed.
 */
static bool is_cut(const struct engine *engine, const struct series *series, int64_t from_ms)
{
	struct window_view view;
	if (series_horizon_ms(engine->store, series) <= from_ms)
		return false;
	window_range(&series->window, INT64_MIN, INT64_MAX, &view);
	if (view.n < 2)
		return true;
	int64_t interval_ms = (view.offsets[view.n - 1] - view.offsets[0]) / (int64_t)(view.n - 1);
	return view.base_ms + view.offsets[0] > from_ms + interval_ms;
}

/* Some of the leaf's series; 0 when all were looked at, or one is cut. */
static int leaf_judge(struct engine *engine, struct engine_query *query,
		      const struct plan_node *leaf, int64_t back_ms, int64_t *units)
{
	int64_t at_ms = leaf->at == AT_TIME ? leaf->at_ms : query->bounds.start_ms;
	int64_t from_ms = at_ms - leaf->offset_ms - leaf->range_ms - back_ms;
	uint32_t n;
	struct series *const *members = binding_members(query->binding, leaf->selector, &n);
	for (; query->judged_row < n && !query->partial; query->judged_row++) {
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= UNITS_JUDGED;
		query->partial = is_cut(engine, members[query->judged_row], from_ms);
	}
	return 0;
}

/*
 * Does any leaf look further back than what is kept of a series? Of an instant the newest sample at
 * or before the horizon is kept, too: it needs no more than that.
 */
int query_partial_judge(struct engine *engine, struct engine_query *query, int64_t *units)
{
	int code = 0;
	int64_t *back_ms = calloc(query->norder + 1, sizeof(*back_ms));
	if (!back_ms)
		return ERR_NOMEM;
	plan_order_back(query->plan, query->order, query->norder, back_ms);
	for (; query->judged < query->norder && !query->partial; query->judged++) {
		const struct plan_node *node = query->plan->nodes[query->order[query->judged]];
		/* Below a subquery at a fixed time: who knows. */
		if (plan_node_is_leaf(node) && back_ms[query->judged] < PLAN_REACH_ALL)
			code = leaf_judge(engine, query, node, back_ms[query->judged], units);
		if (code)
			break;
		query->judged_row = 0;
	}
	free(back_ms);
	return code;
}
