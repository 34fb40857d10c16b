/* What the oracle reads: samples of selectors, and those that subqueries make. */
#include <stdlib.h>
#include <string.h>

#include "engine/oracle_internal.h"

#define SERIES_WORK 20 /* to read the labels of one */

/* ---- selectors ---- */

static struct tags series_tags(struct oracle *o, const struct series *series)
{
	const struct lset_table *lsets = store_lsets(o->store);
	const struct lset_pair *pairs = lset_pairs(lsets, series->lset);
	struct tags tags = { NULL, 0 };
	for (size_t i = 0; i < lset_count(lsets, series->lset); i++)
		tags = tags_with(o, tags, symbol_text(lsets, pairs[i].name),
				 symbol_text(lsets, pairs[i].value));
	return tags;
}

int64_t oracle_range_end(const struct oracle *o, const struct expr *expr)
{
	int64_t offset_ms =
		expr->kind == EXPR_SELECTOR ? expr->selector.offset_ms : expr->subquery.offset_ms;
	switch (expr->at) {
	case AT_TIME:
		return expr->at_ms - offset_ms;
	case AT_START:
		return o->bounds.start_ms - offset_ms;
	case AT_END:
		return o->bounds.end_ms - offset_ms;
	default:
		return o->t_ms - offset_ms;
	}
}

static double start_of(const struct oracle *o, const struct series *series, int64_t ts_ms)
{
	uint32_t n;
	uint64_t bits = 0;
	double start;
	struct window *const *starts = store_starts(o->store, &n);
	if (series->row < n && starts[series->row])
		window_get(starts[series->row], ts_ms, &bits);
	memcpy(&start, &bits, sizeof(start));
	return start;
}

struct samples *oracle_samples(struct oracle *o, const struct expr *selector, int64_t back_ms,
			       int64_t ahead_ms, size_t *count)
{
	int64_t start_ms = oracle_range_end(o, selector) - back_ms,
		end_ms = oracle_range_end(o, selector) + ahead_ms;
	struct series **series;
	oracle_work(o, NODE_WORK);
	o->code = store_select(o->store, selector->selector.matchers, selector->selector.nmatchers,
			       &series, count);
	if (o->code)
		longjmp(o->failure, 1);
	struct samples *out = arena_alloc(&o->arena, (*count + 1) * sizeof(*out));
	for (size_t i = 0; out && i < *count; i++) {
		const struct window *w = &series[i]->window;
		out[i].times_ms = arena_alloc(&o->arena, (w->n + 1) * sizeof(*out->times_ms));
		out[i].values = arena_alloc(&o->arena, (w->n + 1) * sizeof(*out->values));
		out[i].starts = arena_alloc(&o->arena, (w->n + 1) * sizeof(*out->starts));
		if (!out[i].times_ms || !out[i].values || !out[i].starts)
			out = NULL;
		for (uint32_t k = 0; out && k < w->n; k++) {
			int64_t ts_ms = w->base_ms + window_offsets(w)[w->start + k];
			if (ts_ms <= start_ms || ts_ms > end_ms)
				continue;
			out[i].times_ms[out[i].n] = ts_ms;
			out[i].starts[out[i].n] = start_of(o, series[i], ts_ms);
			out[i].values[out[i].n++] = w->values[w->start + k];
		}
	}
	/* The tags last: to fail there would lose the list of series. */
	struct tags *tags = out ? arena_alloc(&o->arena, (*count + 1) * sizeof(*tags)) : NULL;
	const struct series **kept =
		tags ? arena_alloc(&o->arena, (*count + 1) * sizeof(*kept)) : NULL;
	for (size_t i = 0; kept && i < *count; i++)
		kept[i] = series[i];
	free(series);
	if (!kept) {
		o->code = ERR_NOMEM;
		longjmp(o->failure, 1);
	}
	for (size_t i = 0; i < *count; i++) {
		oracle_work(o, SERIES_WORK + kept[i]->window.n);
		out[i].tags = series_tags(o, kept[i]);
	}
	return out;
}

struct vector oracle_instant(struct oracle *o, const struct expr *selector,
			     enum function_id function)
{
	struct vector out = { NULL, 0 };
	size_t n;
	struct samples *samples = oracle_samples(o, selector, o->lookback_ms, 0, &n);
	for (size_t i = 0; i < n; i++) {
		size_t last = samples[i].n - 1;
		if (!samples[i].n || value_is_stale(samples[i].values[last]))
			continue;
		double value = samples[i].values[last];
		if (function == FN_TIMESTAMP)
			value = (double)samples[i].times_ms[last] / 1000;
		else if (function == FN_START_TIMESTAMP)
			value = samples[i].starts[last] / 1000;
		vector_add(o, &out, samples[i].tags, value);
	}
	vector_sort(&out);
	return out;
}

void samples_drop_stale(struct samples *samples)
{
	size_t kept = 0;
	for (size_t i = 0; i < samples->n; i++) {
		if (value_is_stale(samples->values[i]))
			continue;
		samples->times_ms[kept] = samples->times_ms[i];
		if (samples->starts)
			samples->starts[kept] = samples->starts[i];
		samples->values[kept++] = samples->values[i];
	}
	samples->n = kept;
}

void samples_drop_if_stale(struct samples *samples)
{
	if (samples->n && value_is_stale(samples->values[samples->n - 1]))
		samples->n = 0;
}

/* ---- subqueries ---- */

static void sample_add(struct oracle *o, struct samples *samples, int64_t t_ms, double value,
		       size_t room)
{
	if (!samples->values) {
		samples->times_ms = oracle_alloc(o, room * sizeof(*samples->times_ms));
		samples->values = oracle_alloc(o, room * sizeof(*samples->values));
	}
	samples->times_ms[samples->n] = t_ms;
	samples->values[samples->n++] = value;
}

/* Evaluates the expression at each multiple of the step in (end − range, end]. */
static struct samples *subquery_samples(struct oracle *o, const struct expr *expr, size_t *count)
{
	int64_t step_ms = expr->subquery.step_ms ? expr->subquery.step_ms : o->subquery_step_ms;
	int64_t end_ms = oracle_range_end(o, expr), start_ms = end_ms - expr->subquery.range_ms;
	int64_t outer_ms = o->t_ms, at_ms = start_ms / step_ms * step_ms;
	size_t room = (size_t)(expr->subquery.range_ms / step_ms) + 2, cap = 0, n = 0;
	struct samples *all = NULL;
	while (at_ms > start_ms)
		at_ms -= step_ms;
	while (at_ms <= start_ms)
		at_ms += step_ms;
	for (; at_ms <= end_ms; at_ms += step_ms) {
		o->t_ms = at_ms;
		struct vector vector = oracle_vector(o, expr->subquery.operand);
		if (n + vector.n > cap) {
			struct samples *grown =
				oracle_alloc(o, (cap = 2 * (n + vector.n)) * sizeof(*grown));
			if (n)
				memcpy(grown, all, n * sizeof(*grown));
			all = grown;
		}
		for (size_t i = 0; i < vector.n; i++) {
			size_t k = 0;
			oracle_work(o, 1 + n);
			while (k < n && tags_compare(all[k].tags, vector.items[i].tags) != 0)
				k++;
			if (k == n)
				all[n++] = (struct samples){ .tags = vector.items[i].tags };
			sample_add(o, &all[k], at_ms, vector.items[i].value, room);
		}
	}
	o->t_ms = outer_ms;
	*count = n;
	return all;
}

struct samples *oracle_range_samples(struct oracle *o, const struct expr *range, size_t *n)
{
	return range->kind == EXPR_SUBQUERY
		       ? subquery_samples(o, range, n)
		       : oracle_samples(o, range, range->selector.range_ms, 0, n);
}

int64_t oracle_range_ms(const struct expr *range)
{
	return range->kind == EXPR_SUBQUERY ? range->subquery.range_ms : range->selector.range_ms;
}
