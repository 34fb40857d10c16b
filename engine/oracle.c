#include "engine/oracle.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/regex.h"
#include "engine/oracle_internal.h"
#include "rules/plan.h"

void *oracle_alloc(struct oracle *o, size_t size)
{
	void *memory = arena_alloc(&o->arena, size ? size : 1);
	if (!memory) {
		o->code = ERR_NOMEM;
		longjmp(o->failure, 1);
	}
	return memory;
}

void oracle_work(struct oracle *o, uint64_t steps)
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
		bool is_kept = first && slice_is_utf8(value);
		tags = tags_with(o, tags, name, is_kept ? value : (struct slice){ NULL, 0 });
		if (first)
			seen = tags_with(o, seen, name, SLICE("seen"));
	}
	vector_add(o, &out, tags, 1);
	return out;
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
					 : oracle_range_samples(o, selector, &n);
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
	struct vector out = is_selector ? oracle_instant(o, arg, function) : oracle_vector(o, arg);
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
						     : oracle_instant(o, expr, FUNCTION_COUNT);
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
		.bounds =
			options->bounds ? *options->bounds : (struct query_bounds){ t_ms, t_ms, 0 },
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
