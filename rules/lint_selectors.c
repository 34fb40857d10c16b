/* Selectors, and the functions of ranges over them. */
#include "rules/lint_internal.h"

#include <string.h>

#include "base/text.h"

/* ---- matchers ---- */

/* Of log lines the name is that of the selector's own series. */
static void check_name(struct lint_place *place, const struct expr *expr)
{
	if (matchers_find_metric(expr->selector.matchers, expr->selector.nmatchers))
		return;
	rule_warn_at(place->lint->diags, WARN_NO_NAME, place->source, expr->offset, expr->span,
		     "name the metric: up{job=\"a\"}",
		     "this selector names no metric: each series that its matchers meet is kept");
}

static void check_contradiction(struct lint_place *place, const struct expr *expr)
{
	const struct matcher *matchers = expr->selector.matchers;
	uint32_t n = expr->selector.nmatchers;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < n && matchers[i].type == MATCH_EQ; k++) {
			if (k == i ||
			    !slice_is_equal(matcher_name(&matchers[i]),
					    matcher_name(&matchers[k])) ||
			    matcher_is_match(&matchers[k], matcher_value(&matchers[i])))
				continue;
			rule_warn_at(place->lint->diags, WARN_CONTRADICTION, place->source,
				     expr->offset, expr->span, NULL,
				     "no series can meet both matchers of label \"" SLICE_FMT "\"",
				     SLICE_ARG(matcher_name(&matchers[i])));
			return;
		}
}

/* Patterns are anchored at both ends, whatever stands in them. */
static void check_patterns(struct lint_place *place, const struct expr *expr)
{
	for (uint32_t i = 0; i < expr->selector.nmatchers; i++) {
		const struct matcher *matcher = &expr->selector.matchers[i];
		struct slice name = matcher_name(matcher), value = matcher_value(matcher);
		bool is_negative = matcher->type == MATCH_NRE;
		if ((matcher->type != MATCH_RE && !is_negative) || value.len == 0)
			continue;
		/* strcspn() stops at a byte 0 too, which is no plain text either. */
		bool is_plain = strcspn(matcher->value, "\\.+*?()|[]{}^$") == value.len;
		bool has_end = value.len > 1 && value.ptr[value.len - 1] == '$' &&
			       value.ptr[value.len - 2] != '\\';
		if (is_plain)
			rule_warn_at(place->lint->diags, WARN_PATTERN, place->source, expr->offset,
				     expr->span, is_negative ? "write != for it" : "write = for it",
				     "the pattern of label \"" SLICE_FMT "\" is a plain text",
				     SLICE_ARG(name));
		else if (value.ptr[0] == '^' || has_end)
			rule_warn_at(place->lint->diags, WARN_PATTERN, place->source, expr->offset,
				     expr->span, "leave ^ and $ out",
				     "the pattern of label \"" SLICE_FMT
				     "\" is anchored, as all patterns of labels are anyway",
				     SLICE_ARG(name));
	}
}

/* ---- counters ---- */

/* What is a gauge wherever it is called so. */
static bool is_gauge_name(struct slice name)
{
	static const char *const endings[] = { "_ratio",       "_percent",
					       "_celsius",     "_timestamp_seconds",
					       "_timestamp",   "_info",
					       "_utilization", "_version" };
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (slice_has_suffix(name, slice_from(endings[i])))
			return true;
	return slice_is(name, "up");
}

static bool is_counter_name(struct slice name)
{
	return slice_has_suffix(name, SLICE("_total")) || slice_has_suffix(name, SLICE("_bucket"));
}

/* Does what the rule records count as what it reads does? */
static bool is_copy(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN)
		expr = expr->unary.operand;
	if (expr->kind == EXPR_CALL && (expr->call.function->id == FN_LABEL_REPLACE ||
					expr->call.function->id == FN_LABEL_JOIN))
		return is_copy(expr->call.args[0]);
	if (expr->kind == EXPR_BINARY && binary_op_is_set(expr->binary.op))
		return is_copy(expr->binary.left);
	return expr->kind == EXPR_SELECTOR;
}

static void check_counter(struct lint_place *place, const struct expr *call, struct slice name)
{
	const char *function = call->call.function->name;
	uint32_t n;
	const struct lint_record *record = lint_records(place->lint, name, &n);
	if (n > 0 && !is_copy(record->rule->expr))
		rule_warn_at(place->lint->diags, WARN_RATE_OF_GAUGE, place->source, call->offset,
			     call->span, "apply it to the counters, and record or sum the result",
			     "%s() is for counters, but \"" SLICE_FMT "\" is recorded as %.120s",
			     function, SLICE_ARG(name), record->rule->query);
	else if (n == 0 && is_gauge_name(name))
		rule_warn_at(place->lint->diags, WARN_RATE_OF_GAUGE, place->source, call->offset,
			     call->span, "deriv(), delta() and avg_over_time() are for gauges",
			     "%s() is for counters, and \"" SLICE_FMT "\" is none by its name",
			     function, SLICE_ARG(name));
}

static void check_delta(struct lint_place *place, const struct expr *call, struct slice name)
{
	bool is_delta = call->call.function->id == FN_DELTA;
	uint32_t n;
	(void)lint_records(place->lint, name, &n);
	if (n == 0 && is_counter_name(name))
		rule_warn_at(place->lint->diags, WARN_DELTA_OF_COUNTER, place->source, call->offset,
			     call->span, is_delta ? "write increase()" : "write irate()",
			     "%s() takes the reset of a counter for a fall, and \"" SLICE_FMT
			     "\" is a counter by its name",
			     call->call.function->name, SLICE_ARG(name));
}

/* ---- ranges ---- */

bool lint_needs_two(const struct function *function)
{
	switch (function->id) {
	case FN_RATE:
	case FN_INCREASE:
	case FN_DELTA:
	case FN_IRATE:
	case FN_IDELTA:
	case FN_DERIV:
	case FN_PREDICT_LINEAR:
		return true;
	default:
		return false;
	}
}

#define INTERVAL_GUESSED_MS_MAX 60000 /* samples may come more often than a slower group runs */

/*
 * How often samples come is known of recorded series. Others are taken to come as often as the
 * group runs, unless that is seldom; 0 then.
 */
static int64_t interval_of(struct lint_place *place, struct slice name, bool *is_recorded)
{
	const struct rule_group *groups = place->lint->set->groups;
	int64_t own_ms = groups[place->rule->group].interval_ms;
	uint32_t n;
	const struct lint_record *record = lint_records(place->lint, name, &n);
	*is_recorded = n > 0;
	if (n > 0)
		return groups[record->rule->group].interval_ms;
	return own_ms <= INTERVAL_GUESSED_MS_MAX ? own_ms : 0;
}

static void check_range(struct lint_place *place, const struct expr *call,
			const struct expr *selector, struct slice name)
{
	bool is_recorded;
	int64_t interval_ms = interval_of(place, name, &is_recorded);
	int64_t need_ms = lint_needs_two(call->call.function) ? 2 * interval_ms
			  : is_recorded			      ? interval_ms
							      : 0;
	struct buf need, each;
	if (selector->edges != EDGES_PLAIN || selector->selector.range_ms >= need_ms)
		return;
	buf_init(&need);
	buf_init(&each);
	duration_format(need_ms, &need);
	duration_format(interval_ms, &each);
	rule_warn_at(place->lint->diags, WARN_SHORT_RANGE, place->source, selector->offset,
		     selector->span, NULL,
		     is_recorded ? "\"" SLICE_FMT "\" is recorded each " SLICE_FMT
				   ": %s() needs a range of at least " SLICE_FMT
				 : "if \"" SLICE_FMT
				   "\" comes no more often than the group runs, each " SLICE_FMT
				   ", %s() needs a range of at least " SLICE_FMT,
		     SLICE_ARG(name), SLICE_ARG(buf_slice(&each)), call->call.function->name,
		     SLICE_ARG(buf_slice(&need)));
	buf_fini(&need);
	buf_fini(&each);
}

const struct expr *lint_range(const struct expr *call)
{
	for (uint32_t i = 0; i < call->call.nargs; i++) {
		const struct expr *arg = call->call.args[i];
		while (arg->kind == EXPR_PAREN)
			arg = arg->unary.operand;
		if (arg->kind == EXPR_SELECTOR && arg->selector.is_range && !arg->selector.log)
			return arg;
	}
	return NULL;
}

static void on_expr(void *ctx, const struct expr *expr)
{
	struct lint_place *place = ctx;
	if (expr->kind == EXPR_SELECTOR && !expr->selector.log)
		check_name(place, expr);
	if (expr->kind == EXPR_SELECTOR) {
		check_contradiction(place, expr);
		check_patterns(place, expr);
	}
	const struct expr *range = expr->kind == EXPR_CALL ? lint_range(expr) : NULL;
	struct slice name = range ? lint_metric(range) : SLICE("");
	if (name.len == 0)
		return;
	check_range(place, expr, range, name);
	if (expr->call.function->flags & COUNTER)
		check_counter(place, expr, name);
	else if (expr->call.function->id == FN_DELTA || expr->call.function->id == FN_IDELTA)
		check_delta(place, expr, name);
}

void lint_selectors(struct lint_place *place, const struct expr *expr)
{
	expr_walk(expr, on_expr, place);
}
