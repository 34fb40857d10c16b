/*
 * Ad-hoc queries: parsed and planned on the caller's thread, bound and evaluated here in quanta,
 * one after the other, between passes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/engine_internal.h"
#include "engine/grid.h"
#include "engine/listing.h"
#include "engine/numeric.h"
#include "engine/verify.h"
#include "rules/label_refs.h"

static int refs_bind(struct expr *expr, const struct labels *labels, char why[128])
{
	struct slice missing;
	int code = label_refs_bind(expr, labels, &missing);
	if (code == ERR_NOT_FOUND)
		snprintf(why, 128, "%.*s", missing.len < 100 ? (int)missing.len : 100, missing.ptr);
	return code;
}

/* A range query has instants to put together; a range vector is one already. */
static int check_type(const struct engine_query *query, const struct source *source,
		      struct diag_list *diags)
{
	enum value_type type = query->expr->type;
	if (query->bounds.step_ms == 0 || type == VALUE_VECTOR || type == VALUE_SCALAR)
		return 0;
	diag_add_at(diags, DIAG_ERROR, source, query->expr->offset, query->expr->span, NULL,
		    "invalid expression type \"%s\" for range query, must be Scalar or instant "
		    "Vector",
		    value_type_text(type));
	return ERR_INVALID;
}

int query_make(struct slice text, const struct query_bounds *bounds,
	       const struct query_settings *settings, const struct labels *labels,
	       struct diag_list *diags, char why[128], struct engine_query **out)
{
	struct engine_query *query = calloc(1, sizeof(*query));
	if (!query)
		return ERR_NOMEM;
	arena_init(&query->arena, 0);
	query->t_ms = bounds->end_ms;
	query->bounds = *bounds;
	query->plan = plan_new();
	struct source *source = ARENA_NEW(&query->arena, struct source);
	char *copy = text.len <= EXPR_BYTES_MAX ? arena_strdup(&query->arena, text) : NULL;
	int code = !query->plan || !source || (text.len <= EXPR_BYTES_MAX && !copy) ? ERR_NOMEM : 0;
	if (!code) {
		/* Too long a text is refused by the parser, which reads none of it. */
		source->text = copy ? (struct slice){ copy, text.len } : text;
		source->line0 = source->column0 = 1;
		query->text = source->text;
		query->plan->delayed_names = settings->delayed_names;
		if (settings->subquery_step_ms)
			query->plan->subquery_step_ms = settings->subquery_step_ms;
		code = expr_parse(source, &query->arena, diags, &query->expr);
	}
	if (!code)
		code = check_type(query, source, diags);
	if (!code && labels)
		code = refs_bind(query->expr, labels, why);
	if (!code)
		code = expr_resolve(query->expr, bounds, source, diags);
	if (!code)
		code = plan_add(query->plan, query->expr, &query->root);
	if (!code)
		code = plan_order(query->plan, query->root, &query->order, &query->norder);
	if (code) {
		engine_query_free(query);
		return code;
	}
	*out = query;
	return 0;
}

int engine_query_new(struct slice text, int64_t t_ms, struct diag_list *diags,
		     struct engine_query **out)
{
	return engine_query_range_new(text, &(struct query_bounds){ t_ms, t_ms, 0 },
				      &(struct query_settings){ 0 }, diags, out);
}

int engine_query_range_new(struct slice text, const struct query_bounds *bounds,
			   const struct query_settings *settings, struct diag_list *diags,
			   struct engine_query **out)
{
	return query_make(text, bounds, settings, NULL, diags, NULL, out);
}

void engine_query_free(struct engine_query *query)
{
	if (!query)
		return;
	binding_free(query->binding);
	verify_free(query->verify);
	listing_free(query->listing);
	for (size_t i = 0; i < query->nseries; i++) {
		labels_unref(query->series[i].labels);
		free(query->series[i].points);
	}
	free(query->series);
	notes_fini(&query->notes);
	for (size_t i = 0; i < query->nrows; i++)
		labels_unref(query->rows[i].labels);
	free(query->rows);
	free(query->order);
	plan_free(query->plan);
	if (query->expr)
		expr_fini(query->expr);
	arena_fini(&query->arena);
	free(query);
}

int engine_query(struct engine *engine, struct engine_query *query)
{
	if (engine->nqueries == QUERIES_MAX)
		return ERR_FULL;
	query->item.next = NULL;
	*engine->queries_end = &query->item;
	engine->queries_end = &query->item.next;
	engine->nqueries++;
	engine->stats.queries++;
	return 0;
}

static struct engine_query *take(struct engine *engine)
{
	struct queue_item *item = engine->queries;
	engine->queries = item->next;
	if (!engine->queries)
		engine->queries_end = &engine->queries;
	engine->nqueries--;
	item->next = NULL;
	return (struct engine_query *)item;
}

/* Label sets are the engine's: they are given back on its thread. */
static void grid_forget(struct engine *engine, struct engine_query *query)
{
	if (query->grid)
		grid_fini(query->grid, engine->store);
	free(query->grid);
	query->grid = NULL;
}

void queries_fini(struct engine *engine)
{
	while (engine->nqueries > 0) {
		query_drop(engine, take(engine));
	}
}

/* ---- the result ---- */

static int rows_take(struct engine *engine, struct engine_query *query,
		     const struct relation *relation)
{
	query->rows = calloc((size_t)relation_count(relation) + 1, sizeof(*query->rows));
	if (!query->rows)
		return ERR_NOMEM;
	for (uint32_t row = 0; row < relation->nrows; row++) {
		if (!relation_has(relation, row))
			continue;
		struct labels *labels = lset_to_labels(engine->lsets, relation->lsets[row]);
		if (!labels)
			return ERR_NOMEM;
		query->rows[query->nrows++] =
			(struct engine_query_row){ labels, relation->values[row] };
	}
	result_sort(query->plan, query->root, query->rows, query->nrows);
	return 0;
}

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

/*
 * Does any leaf look further back than what is kept of a series? Of an instant the newest sample at
 * or before the horizon is kept, too: it needs no more than that.
 */
static bool is_partial(struct engine *engine, const struct engine_query *query)
{
	bool partial = false;
	int64_t *back_ms = calloc(query->norder, sizeof(*back_ms));
	if (back_ms)
		plan_order_back(query->plan, query->order, query->norder, back_ms);
	for (uint32_t i = 0; back_ms && i < query->norder && !partial; i++) {
		const struct plan_node *node = query->plan->nodes[query->order[i]];
		if (!plan_node_is_leaf(node))
			continue;
		if (back_ms[i] >= PLAN_REACH_ALL)
			continue; /* below a subquery at a fixed time: who knows */
		int64_t at_ms = node->at == AT_TIME ? node->at_ms : query->bounds.start_ms;
		int64_t from_ms = at_ms - node->offset_ms - node->range_ms - back_ms[i];
		const struct plan_selector *selector = &query->plan->selectors[node->selector];
		struct series **series;
		size_t n;
		if (store_select(engine->store, selector->matchers, selector->nmatchers, &series,
				 &n))
			continue;
		for (size_t k = 0; k < n && !partial; k++)
			partial = is_cut(engine, series[k], from_ms);
		free(series);
	}
	free(back_ms);
	return partial;
}

/* ---- evaluation ---- */

static int bind(struct engine *engine, struct engine_query *query)
{
	struct binding_options options = { .lookback_ms = engine->options.store.lookback_ms,
					   .bounds = &query->bounds,
					   .notes = &query->notes };
	if (query->bounds.step_ms) {
		query->grid = calloc(1, sizeof(*query->grid));
		if (!query->grid)
			return ERR_NOMEM;
		grid_init(query->grid, &query->bounds);
	}
	if (query->verify) {
		options.is_fresh = true;
		options.fresh_after_ms = query->verify->fresh_after_ms;
	}
	int code = query_logs_find(engine, query);
	return code ? code : binding_new(engine->store, query->plan, &options, &query->binding);
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
			to->points[to->n++] = (struct engine_query_point){
				query->bounds.start_ms +
					(int64_t)from->points[i].step * query->bounds.step_ms,
				from->points[i].value
			};
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
		struct engine_query_series *to =
			series_add(engine, query, relation->lsets[query->taken], view.n);
		if (!to)
			return ERR_NOMEM;
		for (size_t i = 0; i < view.n; i++)
			if (!value_is_stale(view.values[i]))
				to->points[to->n++] = (struct engine_query_point){
					view.base_ms + view.offsets[i], view.values[i]
				};
		*units -= UNITS_LISTED + (int64_t)view.n / 4;
	}
	return 0;
}

static int result_take(struct engine *engine, struct engine_query *query, int64_t *units)
{
	struct relation relation;
	query->type = query->expr->type;
	if (query->type == VALUE_STRING)
		return 0;
	binding_relation(query->binding, query->root, &relation);
	query->scalar = relation.scalar;
	if (query->grid || query->type == VALUE_MATRIX) {
		query->type = VALUE_MATRIX;
		int code = query->grid ? grid_take(engine, query, units)
				       : range_take(engine, query, &relation, units);
		query->partial = !code && is_partial(engine, query);
		return code;
	}
	if (query->verify)
		verify_judge(engine, query, &relation);
	query->partial = is_partial(engine, query);
	return relation.type == VALUE_SCALAR ? 0 : rows_take(engine, query, &relation);
}

int query_evaluate(struct engine *engine, struct engine_query *query, int64_t *units)
{
	int code = query->binding ? 0 : bind(engine, query);
	if (!code)
		code = shape_priced(query->binding, units);
	if (!code && !query->evaluated) {
		int64_t before = *units;
		code = query->grid ? grid_eval(query->grid, engine->store, query->binding,
					       query->order, query->norder, units)
				   : binding_eval(query->binding, query->order, query->norder,
						  query->t_ms, &query->cursor, units);
		query->evaluated = !code;
		query->units_used += before - *units;
	}
	if (code == ERR_EVAL && query->binding)
		strncpy(query->error, binding_error(query->binding, query->root),
			sizeof(query->error) - 1);
	return code;
}

/* ERR_AGAIN when the units ran out. */
static int evaluate(struct engine *engine, struct engine_query *query, int64_t *units)
{
	if (query->listing)
		return listing_step(engine, query, units);
	int code = query_evaluate(engine, query, units);
	return code ? code : result_take(engine, query, units);
}

static void finish(struct engine *engine, struct engine_query *query, int code)
{
	query->code = code;
	if (code && !query->error[0])
		strncpy(query->error, error_text(code), sizeof(query->error) - 1);
	binding_free(query->binding);
	query->binding = NULL;
	grid_forget(engine, query);
}

bool query_work(struct engine *engine, struct engine_query *query, int64_t *units)
{
	int code = evaluate(engine, query, units);
	bool too_much = engine->options.query_rows_max &&
			(uint64_t)query->units_used > engine->options.query_rows_max;
	bool too_late = query->deadline_ms && store_time(engine->store) >= query->deadline_ms;
	if (code == ERR_AGAIN && !too_much && !too_late)
		return false;
	if (code == ERR_AGAIN && too_late) {
		strcpy(query->error, "query timed out in expression evaluation");
		code = ERR_TIMEOUT;
	}
	if (too_much) {
		strcpy(query->error, "query processing would load too many samples into "
				     "memory in query execution");
		code = ERR_LIMIT;
	}
	*units -= UNITS_INSTANCE;
	finish(engine, query, code);
	return true;
}

void query_drop(struct engine *engine, struct engine_query *query)
{
	grid_forget(engine, query);
	engine_query_free(query);
}

bool query_step(struct engine *engine, int64_t *units)
{
	while (engine->nqueries > 0 && *units > 0) {
		struct engine_query *query = (struct engine_query *)engine->queries;
		if (!query_work(engine, query, units))
			break;
		take(engine);
		engine->sink.query(engine->sink.ctx, query);
	}
	return engine->nqueries > 0;
}
