#include "engine/oracle.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/regex.h"
#include "engine/oracle_internal.h"
#include "rules/plan.h"

#define SERIES_WORK 20 /* to read the labels of one */
#define NODE_WORK 20   /* to come to a part of the expression, though it may give nothing */

void *oracle_alloc(struct oracle *o, size_t size)
{
	void *memory = arena_alloc(&o->arena, size ? size : 1);
	if (!memory) {
		o->code = ERR_NOMEM;
		longjmp(o->failure, 1);
	}
	return memory;
}

/* So much has been done, or is about to be: gives up when it is too much. */
static void oracle_work(struct oracle *o, uint64_t steps)
{
	o->work += steps;
	if (!o->work_max || o->work <= o->work_max)
		return;
	o->code = ERR_LIMIT;
	longjmp(o->failure, 1);
}

void oracle_fail(struct oracle *o, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(o->error, sizeof(o->error), format, args);
	va_end(args);
	o->code = ERR_EVAL;
	longjmp(o->failure, 1);
}

/* ---- label sets ---- */

int tags_compare(struct tags a, struct tags b)
{
	for (uint32_t i = 0; i < a.n && i < b.n; i++) {
		int order = slice_compare(a.pairs[i].name, b.pairs[i].name);
		if (!order)
			order = slice_compare(a.pairs[i].value, b.pairs[i].value);
		if (order)
			return order;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

struct slice tags_get(struct tags tags, struct slice name)
{
	for (uint32_t i = 0; i < tags.n; i++)
		if (slice_is_equal(tags.pairs[i].name, name))
			return tags.pairs[i].value;
	return (struct slice){ NULL, 0 };
}

static bool names_has(const struct names *names, struct slice name)
{
	for (uint32_t i = 0; i < names->n; i++)
		if (slice_is_equal(names->items[i], name))
			return true;
	return false;
}

static struct tags filtered(struct oracle *o, struct tags tags, const struct names *names,
			    bool keep)
{
	struct tags out = { .pairs = oracle_alloc(o, tags.n * sizeof(*out.pairs)) };
	for (uint32_t i = 0; i < tags.n; i++)
		if (names_has(names, tags.pairs[i].name) == keep)
			out.pairs[out.n++] = tags.pairs[i];
	return out;
}

struct tags tags_only(struct oracle *o, struct tags tags, const struct names *names)
{
	return filtered(o, tags, names, true);
}

struct tags tags_without(struct oracle *o, struct tags tags, const struct names *names)
{
	return filtered(o, tags, names, false);
}

struct tags tags_without_name(struct oracle *o, struct tags tags)
{
	struct slice names[] = { SLICE(METRIC_NAME), SLICE("__type__"), SLICE("__unit__") };
	return tags_without(o, tags, &(struct names){ names, 3 });
}

struct tags tags_without_metric(struct oracle *o, struct tags tags)
{
	struct slice name = SLICE(METRIC_NAME);
	return tags_without(o, tags, &(struct names){ &name, 1 });
}

struct tags tags_with(struct oracle *o, struct tags tags, struct slice name, struct slice value)
{
	struct tags rest = tags_without(o, tags, &(struct names){ &name, 1 });
	if (!value.len)
		return rest;
	struct tags out = { .pairs = oracle_alloc(o, (rest.n + 1) * sizeof(*out.pairs)) };
	uint32_t i = 0;
	while (i < rest.n && slice_compare(rest.pairs[i].name, name) < 0)
		out.pairs[out.n++] = rest.pairs[i++];
	out.pairs[out.n++] = (struct label){ name, value };
	while (i < rest.n)
		out.pairs[out.n++] = rest.pairs[i++];
	return out;
}

/* ---- vectors ---- */

void vector_add(struct oracle *o, struct vector *vector, struct tags tags, double value)
{
	/* Sooner or later each is compared with each. */
	oracle_work(o, 1 + vector->n);
	/* Room doubles: there is none left where the count is a power of two. */
	if ((vector->n & (vector->n - 1)) == 0) {
		struct element *items =
			oracle_alloc(o, (vector->n ? vector->n * 2 : 1) * sizeof(*items));
		if (vector->n)
			memcpy(items, vector->items, vector->n * sizeof(*items));
		vector->items = items;
	}
	vector->items[vector->n++] = (struct element){ tags, value };
}

static int compare_elements(const void *a, const void *b)
{
	return tags_compare(((const struct element *)a)->tags, ((const struct element *)b)->tags);
}

static void vector_sort(struct vector *vector)
{
	if (vector->n)
		qsort(vector->items, vector->n, sizeof(*vector->items), compare_elements);
}

void vector_check(struct oracle *o, const struct vector *vector)
{
	struct vector sorted = { oracle_alloc(o, vector->n * sizeof(*sorted.items)), vector->n };
	if (vector->n)
		memcpy(sorted.items, vector->items, vector->n * sizeof(*sorted.items));
	vector_sort(&sorted);
	for (size_t i = 1; i < sorted.n; i++)
		if (compare_elements(&sorted.items[i - 1], &sorted.items[i]) == 0)
			oracle_fail(o, "vector cannot contain metrics with the same labelset");
}

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

/* The end of what a selector or subquery looks at. */
static int64_t end_of(const struct oracle *o, const struct expr *expr)
{
	int64_t offset_ms = expr->kind == EXPR_SELECTOR ? expr->selector.offset_ms
							: expr->subquery.offset_ms;
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
	int64_t start_ms = end_of(o, selector) - back_ms, end_ms = end_of(o, selector) + ahead_ms;
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

/* The newest sample of each series or, for timestamp() and start_timestamp(), its time. */
static struct vector select_instant(struct oracle *o, const struct expr *selector,
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

/* ---- calls ---- */

static const struct expr *without_parens(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN && !expr->unary.is_plus)
		expr = expr->unary.operand;
	return expr;
}

static bool takes_away(const struct matcher *m)
{
	return (m->type == MATCH_NE || m->type == MATCH_NRE) && matcher_is_match(m, SLICE(""));
}

/*
 * The labels that the equality matchers tell: the first of a label sets it, any further matcher
 * removes it; those that only take away come last.
 */
static struct vector absent(struct oracle *o, const struct expr *arg, bool is_empty)
{
	struct vector out = { NULL, 0 };
	struct tags tags = { NULL, 0 }, seen = { NULL, 0 };
	if (!is_empty)
		return out;
	uint32_t n = arg->kind == EXPR_SELECTOR ? arg->selector.nmatchers : 0;
	for (uint32_t i = 0; i < 2 * n; i++) {
		const struct matcher *m = &arg->selector.matchers[i % n];
		struct slice name = matcher_name(m), value = matcher_value(m);
		if (slice_is(name, METRIC_NAME) || takes_away(m) != (i >= n))
			continue;
		bool first = m->type == MATCH_EQ && !tags_get(seen, name).len;
		tags = tags_with(o, tags, name, first ? value : (struct slice){ NULL, 0 });
		if (first)
			seen = tags_with(o, seen, name, SLICE("seen"));
	}
	vector_add(o, &out, tags, 1);
	return out;
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
	int64_t step_ms =
		expr->subquery.step_ms ? expr->subquery.step_ms : o->subquery_step_ms;
	int64_t end_ms = end_of(o, expr), start_ms = end_ms - expr->subquery.range_ms;
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

static struct samples *range_samples(struct oracle *o, const struct expr *range, size_t *n)
{
	return range->kind == EXPR_SUBQUERY
		       ? subquery_samples(o, range, n)
		       : oracle_samples(o, range, range->selector.range_ms, 0, n);
}

int64_t oracle_range_ms(const struct expr *range)
{
	return range->kind == EXPR_SUBQUERY ? range->subquery.range_ms : range->selector.range_ms;
}

int64_t oracle_range_end(const struct oracle *o, const struct expr *range)
{
	return end_of(o, range);
}

/* A function of a range: of each series' samples. */
static struct vector call_range(struct oracle *o, const struct expr *expr,
				const struct expr *selector, const struct expr *aggregate)
{
	struct vector out = { NULL, 0 };
	struct range_call call = { .oracle = o, .call = expr, .range = selector };
	double value;
	size_t n, present = 0, narguments = 0;
	if (selector->edges != EDGES_PLAIN)
		return oracle_edges(o, expr, selector);
	for (uint32_t i = 0; i < expr->call.nargs; i++)
		if (expr->call.args[i]->type == VALUE_SCALAR)
			call.arguments[narguments++] = oracle_scalar(o, expr->call.args[i]);
	bool is_log = selector->type != VALUE_MATRIX;
	struct samples *samples = is_log ? oracle_log_samples(o, expr, aggregate, selector, &n)
					 : range_samples(o, selector, &n);
	for (size_t i = 0; i < n; i++) {
		samples_drop_stale(&samples[i]);
		present += samples[i].n > 0;
		call.samples = &samples[i];
		if (expr->call.function->id == FN_ABSENT_OVER_TIME || !samples[i].n ||
		    !(is_log ? oracle_log_range : oracle_range)(&call, &value))
			continue;
		bool keeps_name = !is_log && expr->call.function->flags & KEEPS_NAME;
		vector_add(o, &out,
			   keeps_name ? samples[i].tags : tags_without_name(o, samples[i].tags),
			   value);
	}
	if (expr->call.function->id == FN_ABSENT_OVER_TIME)
		return absent(o, selector, present == 0);
	vector_check(o, &out);
	vector_sort(&out);
	return out;
}

static struct vector call_timestamp(struct oracle *o, enum function_id function,
				    const struct expr *arg)
{
	bool is_selector = arg->kind == EXPR_SELECTOR;
	struct vector out = is_selector ? select_instant(o, arg, function) : oracle_vector(o, arg);
	if (!is_selector && function == FN_START_TIMESTAMP)
		out.n = 0;
	for (size_t i = 0; i < out.n; i++) {
		out.items[i].tags = tags_without_name(o, out.items[i].tags);
		if (!is_selector)
			out.items[i].value = (double)o->t_ms / 1000;
	}
	vector_check(o, &out);
	return out;
}

static struct vector call(struct oracle *o, const struct expr *expr)
{
	struct vector out = { NULL, 0 };
	const struct expr *aggregate = o->aggregate;
	o->aggregate = NULL; /* not for calls among the arguments */
	for (uint32_t i = 0; i < expr->call.nargs; i++) {
		const struct expr *range = without_parens(expr->call.args[i]);
		if (range->type == VALUE_MATRIX)
			return call_range(o, expr, range, NULL);
		if (range->type == VALUE_LOG_RANGE || range->type == VALUE_UNWRAPPED_RANGE)
			return call_range(o, expr, range, aggregate);
	}
	const struct expr *first = expr->call.nargs ? without_parens(expr->call.args[0]) : NULL;
	switch (expr->call.function->id) {
	case FN_VECTOR:
		vector_add(o, &out, (struct tags){ NULL, 0 }, oracle_scalar(o, first));
		return out;
	case FN_ABSENT:
		return absent(o, first, oracle_vector(o, first).n == 0);
	case FN_TIMESTAMP:
	case FN_START_TIMESTAMP:
		return call_timestamp(o, expr->call.function->id, first);
	default:
		return oracle_call(o, expr);
	}
}

/* ---- expressions ---- */

static double scalar_of_vector(struct oracle *o, const struct expr *expr)
{
	struct vector vector = oracle_vector(o, expr);
	return vector.n == 1 ? vector.items[0].value : NAN;
}

static double scalar_call(struct oracle *o, const struct expr *expr)
{
	double a, b;
	switch (expr->call.function->id) {
	case FN_TIME:
		return (double)o->t_ms / 1000;
	case FN_SCALAR:
		return scalar_of_vector(o, expr->call.args[0]);
	case FN_PI:
		return M_PI;
	case FN_START:
		return (double)o->bounds.start_ms / 1000;
	case FN_END:
		return (double)o->bounds.end_ms / 1000;
	case FN_STEP:
		return (double)o->bounds.step_ms / 1000;
	case FN_RANGE:
		return (double)(o->bounds.end_ms - o->bounds.start_ms) / 1000;
	case FN_MIN_OF:
	case FN_MAX_OF:
		a = oracle_scalar(o, expr->call.args[0]);
		b = oracle_scalar(o, expr->call.args[1]);
		return expr->call.function->id == FN_MIN_OF ? oracle_min(a, b) : oracle_max(a, b);
	default:
		oracle_fail(o, "unknown function");
	}
}

double oracle_scalar(struct oracle *o, const struct expr *expr)
{
	oracle_work(o, NODE_WORK);
	switch (expr->kind) {
	case EXPR_NUMBER:
		return expr->number;
	case EXPR_PAREN:
		return oracle_scalar(o, expr->unary.operand);
	case EXPR_UNARY:
		return -oracle_scalar(o, expr->unary.operand);
	case EXPR_BINARY: {
		double left = oracle_scalar(o, expr->binary.left);
		if (binary_op_is_trim(expr->binary.op))
			oracle_fail(o, "operator \"%s\" not allowed for Scalar operations",
				    binary_op_text(expr->binary.op));
		return oracle_operator(expr->binary.op, left, oracle_scalar(o, expr->binary.right));
	}
	case EXPR_CALL:
		return scalar_call(o, expr);
	default:
		break;
	}
	oracle_fail(o, "no scalar");
}

static struct vector negated(struct oracle *o, const struct expr *operand)
{
	struct vector out = oracle_vector(o, operand);
	for (size_t i = 0; i < out.n; i++) {
		out.items[i].tags = tags_without_name(o, out.items[i].tags);
		out.items[i].value = -out.items[i].value;
	}
	vector_check(o, &out);
	return out;
}

struct vector oracle_vector(struct oracle *o, const struct expr *expr)
{
	oracle_work(o, NODE_WORK);
	switch (expr->kind) {
	case EXPR_PAREN:
		return oracle_vector(o, expr->unary.operand);
	case EXPR_SELECTOR:
		return expr->edges == EDGES_SMOOTHED ? oracle_smoothed(o, expr)
						     : select_instant(o, expr, FUNCTION_COUNT);
	case EXPR_UNARY:
		return negated(o, expr->unary.operand);
	case EXPR_CALL:
		return call(o, expr);
	case EXPR_BINARY:
		return oracle_binary(o, expr);
	case EXPR_AGGREGATE:
		return oracle_aggregate(o, expr);
	default:
		oracle_fail(o, "no vector");
	}
}

/* ---- the way in and out ---- */

static int take_rows(struct vector *vector, struct oracle_result *out)
{
	vector_sort(vector);
	out->rows = calloc(vector->n + 1, sizeof(*out->rows));
	if (!out->rows)
		return ERR_NOMEM;
	for (; out->n < vector->n; out->n++) {
		const struct element *element = &vector->items[out->n];
		int err = labels_new(element->tags.pairs, element->tags.n,
				     &out->rows[out->n].labels, NULL);
		if (err)
			return err;
		out->rows[out->n].value = element->value;
	}
	return 0;
}

static int run(struct oracle *o, const struct expr *expr, struct oracle_result *out)
{
	if (setjmp(o->failure))
		return o->code;
	if (expr->type == VALUE_SCALAR) {
		out->scalar = oracle_scalar(o, expr);
		return 0;
	}
	struct vector vector = oracle_vector(o, expr);
	return take_rows(&vector, out);
}

int oracle_eval(struct store *store, const struct expr *expr, int64_t t_ms, int64_t lookback_ms,
		struct oracle_result *out)
{
	struct oracle_options options = { .lookback_ms = lookback_ms };
	return oracle_eval_with(store, expr, t_ms, &options, out);
}

int oracle_eval_with(struct store *store, const struct expr *expr, int64_t t_ms,
		     struct oracle_options *options, struct oracle_result *out)
{
	struct oracle oracle = {
		.store = store,
		.t_ms = t_ms,
		.lookback_ms = options->lookback_ms,
		.bounds = options->bounds ? *options->bounds
					  : (struct query_bounds){ t_ms, t_ms, 0 },
		.subquery_step_ms = options->subquery_step_ms ? options->subquery_step_ms
							      : PLAN_SUBQUERY_STEP_MS,
		.work_max = options->work_max,
	};
	struct oracle_result result = { .type = expr->type };
	arena_init(&oracle.arena, 0);
	int err = run(&oracle, expr, &result);
	options->work = oracle.work;
	regex_free(oracle.regex);
	matcher_fini(&oracle.info_name);
	if (err == ERR_EVAL) {
		snprintf(result.error, sizeof(result.error), "%s", oracle.error);
		err = 0;
	}
	arena_fini(&oracle.arena);
	if (err)
		oracle_result_fini(&result);
	else
		*out = result;
	return err;
}

void oracle_result_fini(struct oracle_result *result)
{
	for (size_t i = 0; i < result->n; i++)
		labels_unref(result->rows[i].labels);
	free(result->rows);
	*result = (struct oracle_result){ .type = VALUE_NONE };
}
