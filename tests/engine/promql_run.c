/* An evaluation, by a binding and in pieces. */
#include "tests/engine/promql_internal.h"

struct run {
	struct query query;
	struct plan *plan;
	struct binding *binding;
	uint32_t root, *order, norder;
};

/* False: an error that is told already (a range that is not positive). */
static bool run_init(struct run *run, struct script *script, const struct eval *eval,
		     const struct query_bounds *bounds, bool delayed_names, struct got *got)
{
	*run = (struct run){ .plan = plan_new() };
	run->plan->delayed_names = delayed_names;
	struct query *query = &run->query;
	query_parse(query, eval->expr, strlen(eval->expr));
	if (!query->expr || expr_resolve(query->expr, bounds, &query->source, &query->diags)) {
		snprintf(got->error, sizeof(got->error), "%s",
			 query->diags.n ? query->diags.items[0].message : "does not parse");
		return false;
	}
	ck_assert_int_eq(plan_add(run->plan, query->expr, &run->root), 0);
	plan_check(run->plan);
	ck_assert_int_eq(plan_order(run->plan, run->root, &run->order, &run->norder), 0);
	struct binding_options options = { .lookback_ms = WORLD_LOOKBACK_MS,
					   .bounds = bounds,
					   .notes = &got->notes };
	int64_t units = INT64_MAX;
	ck_assert_int_eq(binding_new(script->world.store, run->plan, &options, &run->binding), 0);
	ck_assert_int_eq(binding_shape(run->binding, &units), 0);
	return true;
}

static void run_fini(struct run *run)
{
	binding_free(run->binding);
	free(run->order);
	plan_free(run->plan);
	query_fini(&run->query);
}

static void take_rows(struct script *script, struct run *run, struct got *got)
{
	struct relation relation;
	binding_relation(run->binding, run->root, &relation);
	got->scalar = relation.scalar;
	if (relation.type != VALUE_VECTOR)
		return;
	got->rows = calloc(relation_count(&relation) + 1, sizeof(*got->rows));
	for (uint32_t row = 0; row < relation.nrows; row++)
		if (relation_has(&relation, row))
			got->rows[got->nrows++] = (struct engine_query_row){
				lset_to_labels(store_lsets(script->world.store),
					       relation.lsets[row]),
				relation.values[row],
				result_row_order(run->plan, run->binding, run->root, row)
			};
	result_sort(run->plan, run->root, got->rows, got->nrows);
}

static bool is_stale_value(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	return bits == STALE_NAN_BITS;
}

/* The points of a range vector, as of a range query. */
static void take_points(struct script *script, struct run *run, const struct query_bounds *points,
			struct got *got)
{
	struct relation relation;
	grid_init(&got->grid, points);
	binding_relation(run->binding, run->root, &relation);
	got->grid.series = calloc(relation.nrows + 1, sizeof(*got->grid.series));
	for (uint32_t row = 0; row < relation.nrows; row++) {
		struct window_view view;
		if (!relation_has(&relation, row))
			continue;
		struct grid_series *series = &got->grid.series[got->grid.n++];
		binding_range(run->binding, run->root, row, &view);
		*series = (struct grid_series){ .lset = binding_range_lset(run->binding, run->root,
									   row) };
		series->points = calloc(view.n + 1, sizeof(*series->points));
		for (size_t i = 0; i < view.n; i++) {
			int64_t ms = view.base_ms + view.offsets[i] - points->start_ms;
			if (is_stale_value(view.values[i]))
				continue;
			ck_assert_int_eq(ms % points->step_ms, 0);
			series->points[series->n++] =
				(struct grid_point){ (uint32_t)(ms / points->step_ms),
						     view.values[i] };
		}
	}
}

/* In two quanta at least: what is kept between them must do. */
#define QUANTUM 7

void eval_run(struct script *script, const struct eval *eval, const struct query_bounds *bounds,
	      bool delayed_names, struct got *got)
{
	struct run run;
	struct eval_cursor cursor = { 0, 0 };
	int code = ERR_AGAIN;
	bool is_range = bounds->step_ms > 0;
	*got = (struct got){ .type = VALUE_NONE };
	if (run_init(&run, script, eval, bounds, delayed_names, got)) {
		got->type = run.query.expr->type;
		if (is_range)
			grid_init(&got->grid, bounds);
		while (code == ERR_AGAIN) {
			int64_t units = QUANTUM;
			code = is_range ? grid_eval(&got->grid, script->world.store, run.binding,
						    run.order, run.norder, &units)
					: binding_eval(run.binding, run.order, run.norder,
						       bounds->start_ms, &cursor, &units);
		}
		ck_assert(code == 0 || code == ERR_EVAL);
		if (code)
			snprintf(got->error, sizeof(got->error), "%s",
				 binding_error(run.binding, run.root));
		else if (got->type == VALUE_STRING)
			got->string = slice_dup(run.plan->nodes[run.root]->string);
		else if (!is_range && got->type == VALUE_MATRIX && eval->is_matrix)
			take_points(script, &run, &eval->points, got);
		else if (!is_range)
			take_rows(script, &run, got);
	}
	run_fini(&run);
}

void got_fini(struct script *script, struct got *got)
{
	for (size_t i = 0; i < got->nrows; i++) {
		labels_unref(got->rows[i].labels);
		labels_unref(got->rows[i].ordered_by);
	}
	free(got->rows);
	free(got->string);
	grid_fini(&got->grid, script->world.store);
	notes_fini(&got->notes);
}
