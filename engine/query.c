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

int query_make(struct slice text, int64_t t_ms, const struct labels *labels,
	       struct diag_list *diags, char why[128], struct engine_query **out)
{
	struct engine_query *query = calloc(1, sizeof(*query));
	if (!query)
		return ERR_NOMEM;
	arena_init(&query->arena, 0);
	query->t_ms = t_ms;
	query->plan = plan_new();
	struct source *source = ARENA_NEW(&query->arena, struct source);
	char *copy = text.len <= EXPR_BYTES_MAX ? arena_strdup(&query->arena, text) : NULL;
	int code = !query->plan || !source || (text.len <= EXPR_BYTES_MAX && !copy) ? ERR_NOMEM : 0;
	if (!code) {
		/* Too long a text is refused by the parser, which reads none of it. */
		source->text = copy ? (struct slice){ copy, text.len } : text;
		source->line0 = source->column0 = 1;
		code = expr_parse(source, &query->arena, diags, &query->expr);
	}
	if (!code && query->expr->type == VALUE_MATRIX) {
		diag_add_at(diags, DIAG_ERROR, source, query->expr->offset, query->expr->span,
			    "give it to a function, such as rate()",
			    "a query cannot return a range vector");
		code = ERR_INVALID;
	}
	if (!code && labels)
		code = refs_bind(query->expr, labels, why);
	if (!code)
		code = expr_resolve(query->expr, &(struct query_bounds){ t_ms, t_ms, 0 }, source,
				    diags);
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
	return query_make(text, t_ms, NULL, diags, NULL, out);
}

void engine_query_free(struct engine_query *query)
{
	if (!query)
		return;
	binding_free(query->binding);
	verify_free(query->verify);
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

void queries_fini(struct engine *engine)
{
	while (engine->nqueries > 0)
		engine_query_free(take(engine));
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
		int64_t from_ms = query->t_ms - node->offset_ms - node->range_ms - back_ms[i];
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
	struct binding_options options = { .lookback_ms = engine->options.store.lookback_ms };
	if (query->verify) {
		options.is_fresh = true;
		options.fresh_after_ms = query->verify->fresh_after_ms;
	}
	int code = query_logs_find(engine, query);
	return code ? code : binding_new(engine->store, query->plan, &options, &query->binding);
}

static int finish(struct engine *engine, struct engine_query *query)
{
	struct relation relation;
	query->type = query->expr->type;
	if (query->type == VALUE_STRING)
		return 0;
	binding_relation(query->binding, query->root, &relation);
	query->type = relation.type;
	query->scalar = relation.scalar;
	if (query->verify)
		verify_judge(engine, query, &relation);
	query->partial = is_partial(engine, query);
	return relation.type == VALUE_SCALAR ? 0 : rows_take(engine, query, &relation);
}

/* ERR_AGAIN when the units ran out. */
static int evaluate(struct engine *engine, struct engine_query *query, int64_t *units)
{
	int code = query->binding ? 0 : bind(engine, query);
	if (!code)
		code = shape_priced(query->binding, units);
	if (!code)
		code = binding_eval(query->binding, query->order, query->norder, query->t_ms,
				    &query->cursor, units);
	if (code == ERR_EVAL && query->binding)
		strncpy(query->error, binding_error(query->binding, query->root),
			sizeof(query->error) - 1);
	return code ? code : finish(engine, query);
}

static void answer(struct engine *engine, struct engine_query *query, int code)
{
	query->code = code;
	if (code && !query->error[0])
		strncpy(query->error, error_text(code), sizeof(query->error) - 1);
	binding_free(query->binding);
	query->binding = NULL;
	engine->sink.query(engine->sink.ctx, query);
}

bool query_step(struct engine *engine, int64_t *units)
{
	while (engine->nqueries > 0 && *units > 0) {
		struct engine_query *query = (struct engine_query *)engine->queries;
		int64_t before = *units;
		int code = evaluate(engine, query, units);
		query->units_used += before - *units;
		bool too_much = engine->options.query_rows_max &&
				(uint64_t)query->units_used > engine->options.query_rows_max;
		bool too_late =
			query->deadline_ms && store_time(engine->store) >= query->deadline_ms;
		if (code == ERR_AGAIN && !too_much && !too_late)
			break;
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
		answer(engine, take(engine), code);
	}
	return engine->nqueries > 0;
}
