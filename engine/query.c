/*
 * Ad-hoc queries: parsed and planned on the caller's thread, bound and evaluated here in quanta,
 * some at a time in turn, between passes; the others wait. query_result.c copies out what they gave.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/engine_internal.h"
#include "engine/grid.h"
#include "engine/listing.h"
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
static int check_type(const struct engine_query *query, struct diag_list *diags)
{
	enum value_type type = query->expr->type;
	if (query->bounds.step_ms == 0 || type == VALUE_VECTOR || type == VALUE_SCALAR)
		return 0;
	diag_add(diags, DIAG_ERROR, NULL, 0, 0, NULL, NULL,
		 "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
		 value_type_text(type));
	return ERR_INVALID;
}

struct query_settings query_settings_of(const struct rule_set *set)
{
	struct query_settings settings = { 0 };
	if (set) {
		settings.subquery_step_ms = set->plan->subquery_step_ms;
		settings.delayed_names = set->plan->delayed_names;
	}
	return settings;
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
		code = expr_parse_dialect(source, settings->dialect, &query->arena, diags,
					  &query->expr);
	}
	if (!code)
		code = check_type(query, diags);
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

struct query_interest *query_interest_new(void)
{
	struct query_interest *interest = malloc(sizeof(*interest));
	if (!interest)
		return NULL;
	atomic_init(&interest->refs, 1);
	atomic_init(&interest->is_gone, false);
	return interest;
}

struct query_interest *query_interest_ref(struct query_interest *interest)
{
	atomic_fetch_add_explicit(&interest->refs, 1, memory_order_relaxed);
	return interest;
}

void query_interest_unref(struct query_interest *interest)
{
	if (interest && atomic_fetch_sub_explicit(&interest->refs, 1, memory_order_acq_rel) == 1)
		free(interest);
}

static bool query_is_gone(const struct engine_query *query)
{
	return query->interest &&
	       atomic_load_explicit(&query->interest->is_gone, memory_order_relaxed);
}

void engine_query_free(struct engine_query *query)
{
	if (!query)
		return;
	binding_free(query->binding);
	query_interest_unref(query->interest);
	verify_free(query->verify);
	listing_free(query->listing);
	for (size_t i = 0; i < query->nseries; i++) {
		labels_unref(query->series[i].labels);
		free(query->series[i].points);
	}
	free(query->series);
	notes_fini(&query->notes);
	for (size_t i = 0; i < query->nrows; i++) {
		labels_unref(query->rows[i].labels);
		labels_unref(query->rows[i].ordered_by);
	}
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
		query_drop(engine, take(engine));
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
	if (query->lookback_ms)
		options.lookback_ms = query->lookback_ms;
	if (query->verify) {
		options.is_fresh = true;
		options.fresh_after_ms = query->verify->fresh_after_ms;
	}
	int code = query_logs_find(engine, query);
	return code ? code : binding_new(engine->store, query->plan, &options, &query->binding);
}

/* ---- working at one ---- */

static int stage_bind(struct engine *engine, struct engine_query *query, int64_t *units)
{
	return bind(engine, query);
}

static int stage_shape(struct engine *engine, struct engine_query *query, int64_t *units)
{
	return shape_priced(query->binding, units);
}

static int stage_eval(struct engine *engine, struct engine_query *query, int64_t *units)
{
	int code = query->grid ? grid_eval(query->grid, engine->store, query->binding,
					   query->order, query->norder, units)
			       : binding_eval(query->binding, query->order, query->norder,
					      query->t_ms, &query->cursor, units);
	if (code == ERR_EVAL)
		strncpy(query->error, binding_error(query->binding, query->root),
			sizeof(query->error) - 1);
	return code;
}

static int (*const stages[])(struct engine *engine, struct engine_query *query, int64_t *units) = {
	[QUERY_BIND] = stage_bind,
	[QUERY_SHAPE] = stage_shape,
	[QUERY_EVAL] = stage_eval,
	[QUERY_RESULT] = query_result_take,
	[QUERY_JUDGE] = query_partial_judge,
};

/* Goes on with the stages before `end`; ERR_AGAIN when the units ran out. */
static int advance(struct engine *engine, struct engine_query *query, enum query_stage end,
		   int64_t *units)
{
	for (; query->stage < end; query->stage++) {
		int code = stages[query->stage](engine, query, units);
		if (code)
			return code;
	}
	return 0;
}

int query_evaluate(struct engine *engine, struct engine_query *query, int64_t *units)
{
	return advance(engine, query, QUERY_RESULT, units);
}

static int answer(struct engine *engine, struct engine_query *query, int64_t *units)
{
	return query->listing ? listing_step(engine, query, units)
			      : advance(engine, query, QUERY_RELEASE, units);
}

/* In memory at once: what the step under way has read, and the result so far. */
static uint64_t samples_at_once(const struct engine_query *query)
{
	uint64_t samples = query->binding ? binding_samples(query->binding) : 0;
	return samples + (query->grid ? query->grid->points : 0);
}

bool query_is_too_much(const struct engine *engine, const struct engine_query *query)
{
	uint64_t samples = samples_at_once(query);
	return engine->options.query_samples_max && samples > engine->options.query_samples_max;
}

static int give_up(struct engine_query *query, int code, const char *why)
{
	snprintf(query->error, sizeof(query->error), "%s", why);
	return code;
}

/* What the evaluation came to; ERR_AGAIN: it goes on. */
static int judge(const struct engine *engine, struct engine_query *query, int code)
{
	bool goes_on = code == ERR_AGAIN;
	if (query_is_too_much(engine, query))
		return give_up(query, ERR_LIMIT,
			       "query processing would load too many samples into memory in query "
			       "execution");
	if (goes_on && query_is_gone(query))
		return give_up(query, ERR_CANCELED,
			       "query was canceled in expression evaluation");
	if (goes_on && query->deadline_ms && store_time(engine->store) >= query->deadline_ms)
		return give_up(query, ERR_TIMEOUT, "query timed out in expression evaluation");
	if (code && !goes_on && !query->error[0])
		return give_up(query, code, error_text(code));
	return code;
}

/* Gives back what is the engine's; ERR_AGAIN when the units ran out. */
static int release(struct engine *engine, struct engine_query *query, int64_t *units)
{
	if (query->binding && release_priced(query->binding, units))
		return ERR_AGAIN;
	binding_free(query->binding);
	query->binding = NULL;
	if (query->grid && grid_release(query->grid, engine->store, units))
		return ERR_AGAIN;
	free(query->grid);
	query->grid = NULL;
	return 0;
}

/* For whoever asks what the query has cost. */
static void measure(const struct engine *engine, struct engine_query *query)
{
	uint64_t samples = samples_at_once(query);
	query->done_ms = engine->now_ms;
	if (samples > query->samples_peak)
		query->samples_peak = samples;
	if (query->binding)
		query->samples_read = binding_samples_all(query->binding);
}

bool query_work(struct engine *engine, struct engine_query *query, int64_t *units)
{
	if (query->begun_ms == 0)
		query->begun_ms = engine->now_ms;
	if (query->stage < QUERY_RELEASE) {
		int code = answer(engine, query, units);
		measure(engine, query);
		code = judge(engine, query, code);
		if (code == ERR_AGAIN)
			return false;
		query->code = code;
		query->stage = QUERY_RELEASE;
		*units = *units > 0 ? *units : 1; /* what is left to do is begun at least */
	}
	if (release(engine, query, units))
		return false;
	*units -= UNITS_INSTANCE;
	return true;
}

void query_drop(struct engine *engine, struct engine_query *query)
{
	int64_t units = INT64_MAX;
	release(engine, query, &units);
	engine_query_free(query);
}

/* ---- the queue ---- */

/* Its turn is over: behind the others that are worked at, before those that wait. */
static void rotate(struct engine *engine)
{
	struct queue_item *head = engine->queries, *last = head;
	for (uint32_t i = 1; i < engine->options.queries_at_once && last->next; i++)
		last = last->next;
	if (last == head)
		return;
	engine->queries = head->next;
	head->next = last->next;
	last->next = head;
	if (!head->next)
		engine->queries_end = &head->next;
}

/* Nobody waits for it any more, or not in vain: what was not begun need not be. */
static bool is_over(struct engine *engine, struct engine_query *query)
{
	if (query->binding || query->grid || (query->listing && query->listing->row > 0))
		return false;
	if (query_is_gone(query))
		query->code = give_up(query, ERR_CANCELED, "query was canceled in query queue");
	else if (query->deadline_ms && engine->now_ms >= query->deadline_ms)
		query->code = give_up(query, ERR_TIMEOUT, "query timed out in query queue");
	return query->code != 0;
}

/* Once for each told time. */
static void expire(struct engine *engine)
{
	if (engine->queries_told_ms == engine->now_ms)
		return;
	engine->queries_told_ms = engine->now_ms;
	for (struct queue_item **link = &engine->queries; *link;) {
		struct engine_query *query = (struct engine_query *)*link;
		if (!is_over(engine, query)) {
			link = &(*link)->next;
			continue;
		}
		*link = query->item.next;
		if (!*link)
			engine->queries_end = link;
		query->item.next = NULL;
		engine->nqueries--;
		engine->sink.query(engine->sink.ctx, query);
	}
}

bool query_step(struct engine *engine, int64_t *units)
{
	expire(engine);
	while (engine->nqueries > 0 && *units > 0) {
		struct engine_query *query = (struct engine_query *)engine->queries;
		if (!query_work(engine, query, units)) {
			rotate(engine);
			break;
		}
		take(engine);
		engine->sink.query(engine->sink.ctx, query);
	}
	return engine->nqueries > 0;
}
