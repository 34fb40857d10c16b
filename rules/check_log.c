/* Log selectors in the checker: places of stages, and who takes what a selector gives. */
#include <stdio.h>

#include "base/quote.h"
#include "rules/checker.h"
#include "rules/expr.h"
#include "rules/log_pipeline.h"
#include "rules/log_selector.h"

/* The selector without its range and modifiers, for a message. */
static struct expr bare_selector(const struct expr *selector)
{
	struct expr copy = *selector;

	copy.selector.is_range = false;
	copy.selector.offset_ms = 0;
	copy.range_expr = NULL;
	copy.offset_expr = NULL;
	copy.at = AT_NONE;
	copy.edges = EDGES_PLAIN;
	return copy;
}

/* logs{job="a"} |= "x": as it would be right, unless there is more that is wrong. */
static void complain_name(struct checker *checker, const struct expr *selector, bool is_right)
{
	struct expr copy = bare_selector(selector);
	struct matcher matchers[EXPR_MATCHERS_MAX];
	struct buf text;
	uint32_t n = 0;

	if (!is_right) {
		COMPLAIN(checker, selector, NULL, "log lines have no metric name");
		return;
	}
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++)
		if (!matcher_is_metric_name(&selector->selector.matchers[i]))
			matchers[n++] = selector->selector.matchers[i];
	copy.selector.matchers = matchers;
	copy.selector.nmatchers = n;
	copy.selector.is_named = false;
	buf_init(&text);
	if (n > 0) {
		expr_format(&copy, &text);
	} else {
		buf_add_str(&text, "logs{job=\"…\"}");
		log_stages_format(selector->selector.log, &text);
	}
	if (buf_ok(&text))
		COMPLAIN(checker, selector, NULL, "log lines have no metric name; write %s",
			 text.ptr);
	buf_fini(&text);
}

static bool is_selective(const struct expr *selector)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++)
		if (!matcher_is_match(&selector->selector.matchers[i], SLICE("")))
			return true;
	return false;
}

static void check_stages(struct checker *checker, const struct log_selector *log)
{
	const struct log_stage *unwrap = NULL;

	for (uint32_t i = 0; i < log->nstages; i++) {
		const struct log_stage *stage = &log->stages[i];

		if (unwrap && stage->kind != LOG_LABEL_FILTER)
			COMPLAIN_AT(checker, stage->offset, stage->span, NULL,
				    "after \"unwrap\" only label filters may stand");
		if (stage->kind == LOG_UNWRAP)
			unwrap = stage;
	}
}

/* What cannot be run is refused here, where its place is known: templates, patterns, paths. */
static bool check_compiles(struct checker *checker, const struct log_selector *log)
{
	static const struct log_projection all;
	struct log_pipeline *pipeline;
	int err = log_pipeline_new(log->stages, log->nstages, LOG_VALUE_COUNT, &all,
				   checker->source, checker->diags, &pipeline);

	if (err == ERR_NOMEM)
		checker->error = err;
	else if (err)
		checker->error = ERR_INVALID;
	else
		log_pipeline_free(pipeline);
	return !err;
}

enum value_type check_log_selector(struct checker *checker, const struct expr *selector)
{
	const struct log_selector *log = selector->selector.log;

	checker->has_logs = true;
	check_stages(checker, log);
	bool is_right = check_compiles(checker, log);

	if (matchers_has_metric(selector->selector.matchers, selector->selector.nmatchers)) {
		complain_name(checker, selector, is_right);
		return VALUE_NONE;
	}
	if (!is_selective(selector))
		COMPLAIN(checker, selector, NULL,
			 "log selector must contain at least one non-empty matcher");
	if (!selector->selector.is_range) {
		COMPLAIN(checker, selector, "count_over_time(logs{job=\"api\"} |= \"error\" [5m])",
			 "a log selector needs a range and a function");
		return VALUE_NONE;
	}
	return log_selector_unwrap(log) ? VALUE_UNWRAPPED_RANGE : VALUE_LOG_RANGE;
}

/* Calls */

void check_log_argument(struct checker *checker, const struct expr *call, const struct expr *arg,
			char letter)
{
	const struct function *function = call->call.function;
	bool is_lines = arg->type == VALUE_LOG_RANGE;
	unsigned takes = function->flags & (OF_LINES | OF_UNWRAPPED);

	if (strchr("mlu", letter) && takes & (is_lines ? OF_LINES : OF_UNWRAPPED))
		return;
	if (!strchr("mlu", letter))
		COMPLAIN(checker, arg,
			 "a function makes one value of a range: count_over_time(logs{…}[5m])",
			 "expected type %s in call to function \"%s\", got %s",
			 value_type_text(letter == 'v'	 ? VALUE_VECTOR
					 : letter == 's' ? VALUE_SCALAR
							 : VALUE_STRING),
			 function->name, value_type_text(arg->type));
	else if (takes == OF_LINES)
		COMPLAIN(checker, arg, NULL,
			 "%s() takes log lines, not unwrapped values; leave \"unwrap\" out",
			 function->name);
	else if (takes == OF_UNWRAPPED)
		COMPLAIN(checker, arg, NULL,
			 "%s() takes samples, not log lines; use count_over_time() or unwrap",
			 function->name);
	else
		COMPLAIN(checker, arg, NULL,
			 is_lines ? "%s() takes samples, not log lines; use count_over_time() or "
				    "unwrap"
				  : "%s() takes samples, not unwrapped values; use rate() or "
				    "rate_counter()",
			 function->name);
}

static const struct expr *without_parens(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN)
		expr = expr->unary.operand;
	return expr;
}

/* The log range among the arguments, or NULL. */
static const struct expr *log_argument(const struct expr *call)
{
	for (uint32_t i = 0; i < call->call.nargs; i++)
		if (value_is_log_range(call->call.args[i]->type))
			return without_parens(call->call.args[i]);
	return NULL;
}

static void check_grouping(struct checker *checker, const struct expr *call, const struct expr *arg)
{
	const char *word = call->call.without ? "without" : "by";

	if (!(call->call.function->flags & GROUPED))
		COMPLAIN(checker, call, "an aggregation groups: sum by (…) (…)",
			 "no \"%s\" after %s(): it takes none", word, call->call.function->name);
	else if (!arg || arg->type != VALUE_UNWRAPPED_RANGE)
		COMPLAIN(checker, call, "an aggregation groups: avg by (…) (…)",
			 "\"%s\" after %s() is for unwrapped ranges of logs", word,
			 call->call.function->name);
}

void check_log_call(struct checker *checker, const struct expr *call)
{
	const struct expr *arg = log_argument(call);
	const struct log_stage *stage = arg ? log_selector_unbounded(arg->selector.log) : NULL;
	bool is_bounded = checker->bounded > 0 || call->call.function->id == FN_ABSENT_OVER_TIME ||
			  (call->call.is_grouped && !call->call.without);

	if (call->call.is_grouped)
		check_grouping(checker, call, arg);
	if (stage && !is_bounded)
		COMPLAIN_AT(checker, stage->offset, stage->span, NULL,
			    "\"%s\" can make a series of every line; use sum by (…) or | keep …",
			    log_parser_text(stage->parse.parser));
}

/* The root */

/* {a="b"} where the same expression selects logs: which of the two was meant? */
static void check_ambiguous(void *ctx, const struct expr *expr)
{
	struct checker *checker = ctx;
	struct expr copy;
	struct buf text;

	if (expr->kind != EXPR_SELECTOR || expr->selector.log ||
	    matchers_has_metric(expr->selector.matchers, expr->selector.nmatchers) ||
	    expr->selector.nmatchers == 0)
		return;
	copy = bare_selector(expr);
	buf_init(&text);
	expr_format(&copy, &text);
	if (buf_ok(&text))
		COMPLAIN(checker, expr, NULL,
			 "%s selects metrics here, but this expression also selects logs; write "
			 "logs%s, or set dialect: logql",
			 text.ptr, text.ptr);
	buf_fini(&text);
}

void check_log_root(struct checker *checker, const struct expr *expr)
{
	if (!checker->has_logs)
		return;
	if (!checker->is_logql)
		expr_walk(expr, check_ambiguous, checker);
	if (value_is_log_range(expr->type))
		COMPLAIN(checker, expr, "count_over_time(logs{job=\"api\"} |= \"error\" [5m])",
			 "a log range needs a function");
}
