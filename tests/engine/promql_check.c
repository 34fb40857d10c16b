/* An evaluation in all ways: as it is written, within a range query, and by the oracle. */
#include <stdio.h>

#include "tests/engine/promql_internal.h"

/* ---- what is skipped ---- */

/* The times of which samples can matter, all ways of an expression taken together. */
struct reach {
	int64_t first_ms, last_ms; /* that are asked about */
	int64_t back_ms, ahead_ms; /* of these */
};

struct search {
	const struct script *script;
	struct reach reach;
	const char *why; /* NULL: it need not be */
};

static void extend_reach(void *ctx, const struct expr *expr)
{
	struct reach *reach = ctx;
	bool is_selector = expr->kind == EXPR_SELECTOR;
	if (!is_selector && expr->kind != EXPR_SUBQUERY)
		return;
	int64_t range_ms = is_selector ? expr->selector.range_ms : expr->subquery.range_ms;
	int64_t offset_ms = is_selector ? expr->selector.offset_ms : expr->subquery.offset_ms;
	if (expr->at == AT_TIME) {
		reach->first_ms = expr->at_ms < reach->first_ms ? expr->at_ms : reach->first_ms;
		reach->last_ms = expr->at_ms > reach->last_ms ? expr->at_ms : reach->last_ms;
	}
	reach->back_ms += range_ms + (offset_ms > 0 ? offset_ms : 0);
	reach->ahead_ms += offset_ms < 0 ? -offset_ms : 0;
	reach->back_ms += expr->edges ? WORLD_LOOKBACK_MS : 0;
	reach->ahead_ms += expr->edges ? WORLD_LOOKBACK_MS : 0;
}

static bool selects(const struct expr *selector, const struct labels *labels)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *m = &selector->selector.matchers[i];
		if (!matcher_is_match(m, labels_get(labels, matcher_name(m))))
			return false;
	}
	return true;
}

static bool is_within(const struct reach *reach, const struct histograms *histograms)
{
	return histograms->last_ms > reach->first_ms - reach->back_ms &&
	       histograms->first_ms <= reach->last_ms + reach->ahead_ms;
}

static void look_for_histograms(void *ctx, const struct expr *expr)
{
	struct search *search = ctx;
	if (expr->kind == EXPR_CALL)
		switch (expr->call.function->id) {
		case FN_HISTOGRAM_AVG:
		case FN_HISTOGRAM_COUNT:
		case FN_HISTOGRAM_SUM:
		case FN_HISTOGRAM_STDDEV:
		case FN_HISTOGRAM_STDVAR:
			search->why = "a function of histograms";
			break;
		default:
			break;
		}
	for (size_t i = 0; expr->kind == EXPR_SELECTOR && i < search->script->nhistograms; i++) {
		const struct histograms *histograms = &search->script->histograms[i];
		if (is_within(&search->reach, histograms) && selects(expr, histograms->labels))
			search->why = "selects native histograms";
	}
}

/* NULL: it is not. The expression with its times worked out, or NULL. */
static const char *why_skipped(const struct script *script, const struct eval *eval,
			       const struct expr *expr)
{
	struct search search = { .script = script,
				 .reach = { .first_ms = eval->bounds.start_ms,
					    .last_ms = eval->bounds.end_ms,
					    .back_ms = WORLD_LOOKBACK_MS },
				 .why = eval->has_histogram ? "expects a histogram" : NULL };
	if (expr) {
		expr_walk(expr, extend_reach, &search.reach);
		expr_walk(expr, look_for_histograms, &search);
	}
	return search.why;
}

/* ---- the same in other ways ---- */

/* An instant query is the middle step of a range query around it. */
static bool is_right_in_range(struct script *script, const struct eval *eval)
{
	static const char *const words[] = { "start()", "end()", "range()", "step()" };
	struct eval around = *eval;
	struct got got;
	if (eval->is_range || eval->ordered || eval->is_matrix || eval->is_string ||
	    eval_expects(eval, FAIL))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasestr(eval->expr, words[i]))
			return true;
	around.bounds = (struct query_bounds){ eval->bounds.start_ms - 60000,
					       eval->bounds.start_ms + 60000, 60000 };
	eval_run(script, &around, &around.bounds, true, &got);
	bool ok = !got.error[0];
	/* Only the middle counts. */
	uint32_t n = 0;
	for (uint32_t i = 0; ok && i < got.grid.n; i++) {
		const struct grid_series *series = &got.grid.series[i];
		struct labels *labels =
			lset_to_labels(store_lsets(script->world.store), series->lset);
		const struct wanted_series *wanted = eval_wanted(eval, labels);
		for (uint32_t k = 0; k < series->n; k++) {
			if (series->points[k].step != 1)
				continue;
			n++;
			ok = ok &&
			     (eval->is_scalar ? is_almost(eval->scalar, series->points[k].value)
					      : wanted && is_almost(wanted->values.v[0],
								    series->points[k].value));
		}
		labels_unref(labels);
	}
	/* An error may be one of the other steps' alone. */
	ok = got.error[0] || (ok && n == (eval->is_scalar ? 1 : eval->n));
	if (!ok) {
		printf("  as a range query:\n");
		got_print(script, &got);
	}
	got_fini(script, &got);
	return ok;
}

static const struct grid_point *point_at(struct script *script, const struct got *got,
					 const struct labels *labels, uint32_t step)
{
	for (uint32_t i = 0; i < got->grid.n; i++) {
		struct labels *of =
			lset_to_labels(store_lsets(script->world.store), got->grid.series[i].lset);
		bool is_it = labels_is_equal(of, labels);
		labels_unref(of);
		for (uint32_t k = 0; is_it && k < got->grid.series[i].n; k++)
			if (got->grid.series[i].points[k].step == step)
				return &got->grid.series[i].points[k];
	}
	return NULL;
}

static bool is_oracles(struct script *script, const struct got *got,
		       const struct oracle_result *oracle, uint32_t step, bool is_range)
{
	bool ok = true;
	for (size_t i = 0; ok && i < oracle->n; i++) {
		const double *value = NULL;
		if (is_range) {
			const struct grid_point *point =
				point_at(script, got, oracle->rows[i].labels, step);
			value = point ? &point->value : NULL;
		}
		for (size_t k = 0; !is_range && k < got->nrows; k++)
			if (labels_is_equal(got->rows[k].labels, oracle->rows[i].labels))
				value = &got->rows[k].value;
		ok = value && is_almost(*value, oracle->rows[i].value);
	}
	return ok && (is_range || oracle->n == got->nrows);
}

/* Names removed as the server does it, step by step, by the oracle, too. */
static bool agrees_with_oracle(struct script *script, const struct eval *eval,
			       const struct expr *expr)
{
	const struct query_bounds *bounds = &eval->bounds;
	struct got got;
	uint32_t step = 0;
	size_t points = 0;
	bool ok = true, failed = false;
	if (eval->is_string || eval->is_matrix)
		return true;
	eval_run(script, eval, bounds, false, &got);
	for (int64_t t_ms = bounds->start_ms; ok && !failed && t_ms <= bounds->end_ms; step++) {
		struct oracle_result oracle;
		struct oracle_options options = { .lookback_ms = WORLD_LOOKBACK_MS,
						  .bounds = bounds };
		ck_assert_int_eq(
			oracle_eval_with(script->world.store, expr, t_ms, &options, &oracle), 0);
		failed = oracle.error[0];
		points += oracle.n;
		if (!failed && !got.error[0])
			ok = oracle.type == VALUE_SCALAR
				     ? eval->is_range || is_almost(oracle.scalar, got.scalar)
				     : is_oracles(script, &got, &oracle, step, eval->is_range);
		oracle_result_fini(&oracle);
		if (!eval->is_range)
			break;
		t_ms += bounds->step_ms;
	}
	ok = ok && failed == (got.error[0] != 0);
	if (ok && !failed && eval->is_range && expr->type == VALUE_VECTOR)
		ok = points == got.grid.points;
	if (!ok) {
		printf("  unlike the oracle%s:\n", failed ? ", which fails" : "");
		got_print(script, &got);
	}
	got_fini(script, &got);
	return ok;
}

void eval_check(struct script *script, struct eval *eval)
{
	struct query query;
	struct got got;
	query_parse(&query, eval->expr, strlen(eval->expr));
	bool resolved = query.expr &&
			expr_resolve(query.expr, &eval->bounds, &query.source, &query.diags) == 0;
	const char *why = why_skipped(script, eval, query.expr);
	if (why) {
		script->counts->skipped++;
		if (script->counts->tells_skipped)
			printf("%s:%u: skipped: %s: %s\n", script->path, eval->line, why,
			       eval->expr);
		query_fini(&query);
		return;
	}
	eval_run(script, eval, &eval->bounds, true, &got);
	bool ok = got_is_right(script, eval, &got);
	if (!ok) {
		printf("%s:%u: %s\n", script->path, eval->line, eval->expr);
		got_print(script, &got);
	} else if (!is_right_in_range(script, eval) ||
		   (resolved && !agrees_with_oracle(script, eval, query.expr))) {
		printf("%s:%u: %s\n", script->path, eval->line, eval->expr);
		ok = false;
	}
	script->counts->passed += ok;
	script->counts->failed += !ok;
	got_fini(script, &got);
	query_fini(&query);
}
