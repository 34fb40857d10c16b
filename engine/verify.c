#include "engine/verify.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/engine_internal.h"
#include "engine/numeric.h"
#include "rules/label_refs.h"

const char *verify_verdict_text(enum verify_verdict verdict)
{
	static const char *const texts[] = { [VERIFY_NO_DATA] = "no data",
					     [VERIFY_EARLY] = "too early",
					     [VERIFY_FALSE] = "it does not hold",
					     [VERIFY_TRUE] = "true" };
	return texts[verdict];
}

/* ---- at load ---- */

struct check {
	const struct source *source;
	struct diag_list *diags;
	uint32_t nselectors;
	int64_t reach_ms;
	int code;
};

/* What of an expression cannot be told to be fresh. NULL: nothing. */
static const char *refused_part(const struct expr *expr)
{
	if (expr->kind == EXPR_SUBQUERY)
		return "subqueries";
	if (expr->kind != EXPR_SELECTOR)
		return NULL;
	if (expr->selector.log)
		return "log lines";
	if (expr->at != AT_NONE)
		return "\"@\" modifiers";
	return expr->edges != EDGES_PLAIN ? "anchored and smoothed ranges" : NULL;
}

static void check_node(void *ctx, const struct expr *expr)
{
	struct check *check = ctx;
	const char *refused = refused_part(expr);
	if (refused) {
		diag_add_at(check->diags, DIAG_ERROR, check->source, expr->offset, expr->span,
			    "record it by a rule, and ask for that", "%s are not supported here",
			    refused);
		check->code = ERR_INVALID;
		return;
	}
	if (expr->kind == EXPR_SELECTOR) {
		check->nselectors++;
		int64_t reach_ms = expr->selector.range_ms + expr->selector.offset_ms;
		if (expr->selector.range_ms && reach_ms > check->reach_ms)
			check->reach_ms = reach_ms;
		return;
	}
	if (expr->kind != EXPR_CALL || strncmp(expr->call.function->name, "absent", 6) != 0)
		return;
	diag_add_at(check->diags, DIAG_ERROR, check->source, expr->offset, expr->span,
		    "ask for what is there when all is well",
		    "%s() proves nothing: it is also true when nothing is heard any more",
		    expr->call.function->name);
	check->code = ERR_INVALID;
}

static int complain(const struct check *check, const struct expr *expr, const char *hint,
		    const char *text)
{
	diag_add_at(check->diags, DIAG_ERROR, check->source, expr->offset, expr->span, hint, "%s",
		    text);
	return ERR_INVALID;
}

static int check_tree(struct check *check, const struct expr *expr)
{
	int code = label_refs_check(expr, check->source, check->diags);
	expr_walk(expr, check_node, check);
	if (expr->type != VALUE_VECTOR)
		return complain(check, expr, "compare something: up{…} == 1",
				"the expression must be an instant vector");
	if (check->nselectors == 0)
		return complain(check, expr, "name a metric of the target",
				"the expression reads nothing");
	return code ? code : check->code;
}

int verify_check(const struct source *source, struct diag_list *diags, int64_t *reach_ms)
{
	struct check check = { .source = source, .diags = diags };
	struct arena arena;
	struct expr *expr;
	arena_init(&arena, 0);
	size_t errors = diags->errors;
	int code = expr_parse(source, &arena, diags, &expr);
	if (!code) {
		code = expr_resolve(expr, &(struct query_bounds){ 0, 0, 0 }, source, diags);
		code = code ? code : check_tree(&check, expr);
		expr_fini(expr);
	} else if (code != ERR_NOMEM && diags->errors == errors) {
		diag_add_at(diags, DIAG_ERROR, source, 0, 1, NULL, "%s", error_text(code));
	}
	arena_fini(&arena);
	*reach_ms = check.reach_ms;
	return code == 0 || code == ERR_NOMEM ? code : ERR_INVALID;
}

/* ---- questions ---- */

int verify_query_new(const struct verify_question *question, struct engine_query **out,
		     char why[128])
{
	int64_t t_ms = question->t_ms;
	struct verify *verify = calloc(1, sizeof(*verify));
	struct diag_list diags;
	if (!verify)
		return ERR_NOMEM;
	verify->target = labels_ref((struct labels *)question->target);
	verify->fresh_after_ms = question->fresh_after_ms;
	diag_list_init(&diags);
	why[0] = '\0';
	int code = query_make(question->text, &(struct query_bounds){ t_ms, t_ms, 0 },
			      &question->settings, question->labels, &diags, why, out);
	if (code == ERR_INVALID && diags.n > 0)
		snprintf(why, 128, "%.100s", diags.items[0].message);
	diag_list_fini(&diags);
	if (code) {
		verify_free(verify);
		return code;
	}
	(*out)->verify = verify;
	return 0;
}

void verify_free(struct verify *verify)
{
	if (!verify)
		return;
	labels_unref(verify->target);
	free(verify);
}

/* ---- the verdict; on the engine's thread ---- */

/* No label of the target is there with another value. */
static bool is_of_target(const struct engine *engine, uint32_t lset, const struct labels *target)
{
	for (size_t i = 0; i < labels_count(target); i++) {
		struct label label = labels_at(target, i);
		uint32_t name = symbol_find(engine->lsets, label.name);
		uint32_t value =
			name == SYMBOL_NONE ? SYMBOL_NONE : lset_get(engine->lsets, lset, name);
		if (value != SYMBOL_NONE &&
		    !slice_is_equal(symbol_text(engine->lsets, value), label.value))
			return false;
	}
	return true;
}

static bool has_fresh(const struct engine *engine, const struct engine_query *query,
		      const struct plan_node *leaf, const struct series *series)
{
	int64_t reach_ms =
		leaf->op == PLAN_RANGE ? leaf->range_ms : engine->options.store.lookback_ms;
	int64_t end_ms = query->t_ms - leaf->offset_ms, from_ms = end_ms - reach_ms, ts_ms;
	double value;
	if (query->verify->fresh_after_ms > from_ms)
		from_ms = query->verify->fresh_after_ms;
	return is_of_target(engine, series->lset, query->verify->target) &&
	       window_last(&series->window, end_ms, &ts_ms, &value) && ts_ms > from_ms &&
	       !value_is_stale(value);
}

/* Has any leaf a fresh sample for the target? */
static bool has_data(struct engine *engine, const struct engine_query *query)
{
	bool found = false;
	for (uint32_t i = 0; i < query->norder && !found; i++) {
		const struct plan_node *node = query->plan->nodes[query->order[i]];
		if (node->op != PLAN_SELECT && node->op != PLAN_RANGE)
			continue;
		const struct plan_selector *selector = &query->plan->selectors[node->selector];
		struct series **series;
		size_t n;
		if (store_select(engine->store, selector->matchers, selector->nmatchers, &series,
				 &n))
			continue;
		for (size_t k = 0; k < n && !found; k++)
			found = has_fresh(engine, query, node, series[k]);
		free(series);
	}
	return found;
}

/* Does a range reach back to before what is fresh? */
static bool is_early(const struct engine_query *query)
{
	for (uint32_t i = 0; i < query->norder; i++) {
		const struct plan_node *node = query->plan->nodes[query->order[i]];
		if (node->op == PLAN_RANGE &&
		    query->t_ms - node->offset_ms - node->range_ms < query->verify->fresh_after_ms)
			return true;
	}
	return false;
}

static bool is_held(const struct engine *engine, const struct engine_query *query,
		    const struct relation *relation)
{
	for (uint32_t row = 0; row < relation->nrows; row++)
		if (relation_has(relation, row) && relation->values[row] == relation->values[row] &&
		    is_of_target(engine, relation->lsets[row], query->verify->target))
			return true;
	return false;
}

void verify_judge(struct engine *engine, struct engine_query *query,
		  const struct relation *relation)
{
	struct verify *verify = query->verify;
	if (is_early(query))
		verify->verdict = VERIFY_EARLY;
	else if (!has_data(engine, query))
		verify->verdict = VERIFY_NO_DATA;
	else
		verify->verdict = is_held(engine, query, relation) ? VERIFY_TRUE : VERIFY_FALSE;
}
