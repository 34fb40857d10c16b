/*
 * Log selectors: logs{…}, and the pipeline after it.
 *
 * A pipeline reaches up to "[", to a ")" of a parenthesis opened before it, or to the end; in it
 * the lexer takes every word for a name, and it is only the place that makes one a stage, "and" or
 * "ip". Places of whole stages (unwrap last, …) are judged by the checker.
 */
#include "rules/parse_log.h"

/* Log selectors, and what may stand after them */

bool parser_is_log_selector(const struct parser *parser)
{
	return parser->has_additions &&
	       slice_is(token_text(&parser->lexer, parser->token), "logs") &&
	       parser_peek(parser) == TOKEN_BRACE_LEFT;
}

static bool make_log(struct parser *parser, struct expr *selector, bool is_marked)
{
	struct log_selector *log = parser_alloc(parser, sizeof(*log));

	if (!log)
		return false;
	log->is_marked = is_marked;
	selector->selector.log = log;
	return true;
}

struct expr *parse_log_selector(struct parser *parser)
{
	struct expr *selector = parser_selector(parser, parser->token.offset);

	parser_advance(parser);
	if (!selector || !parse_matchers(parser, selector) || !make_log(parser, selector, true))
		return NULL;
	return parser_finish(parser, selector);
}

bool parser_adapt_selector(struct parser *parser, struct expr *selector)
{
	if (!parser->is_logql ||
	    matchers_has_metric(selector->selector.matchers, selector->selector.nmatchers))
		return true;
	return make_log(parser, selector, false);
}

/* The selector that this is, in parentheses or not, or NULL. */
static struct expr *selector_of(struct expr *expr)
{
	while (expr->kind == EXPR_PAREN)
		expr = expr->unary.operand;
	return expr->kind == EXPR_SELECTOR ? expr : NULL;
}

/* The selector itself instead of its parentheses, but with their place. */
static struct expr *out_of_parentheses(struct parser *parser, const struct expr *expr,
				       struct expr *selector)
{
	selector->offset = expr->offset;
	return parser_finish(parser, selector);
}

/* Is there a colon before the bracket that closes the one at the current token? */
static bool has_step(const struct parser *parser)
{
	struct lexer ahead = parser->lexer;

	for (;;) {
		enum token_kind kind = lexer_next(&ahead).kind;

		if (kind == TOKEN_COLON)
			return true;
		if (kind == TOKEN_BRACKET_RIGHT || kind == TOKEN_END || kind == TOKEN_ERROR)
			return false;
	}
}

/* What is wrong with a range at the current token, or NULL. */
static const char *range_fault(const struct parser *parser, const struct expr *selector)
{
	if (has_step(parser))
		return "a step makes this a subquery, which takes an instant vector; close the "
		       "function first";
	if (selector->selector.is_range)
		return "a log selector takes one range";
	if (selector->selector.offset_ms != 0 || selector->offset_expr)
		return "offset stands after the range of a log selector: [5m] offset 1h";
	return NULL;
}

static const char *modifier_fault(const struct parser *parser, const struct expr *selector)
{
	if (parser_is(parser, TOKEN_ANCHORED) || parser_is(parser, TOKEN_SMOOTHED))
		return "anchored and smoothed are for samples, not for log lines";
	if (selector->selector.is_range)
		return NULL;
	return parser_is(parser, TOKEN_AT)
		       ? "@ stands after the range of a log selector: [5m] @ 100"
		       : "offset stands after the range of a log selector: [5m] offset 1h";
}

static bool is_modifier(const struct parser *parser)
{
	return parser_is(parser, TOKEN_OFFSET) || parser_is(parser, TOKEN_AT) ||
	       parser_is(parser, TOKEN_ANCHORED) || parser_is(parser, TOKEN_SMOOTHED);
}

struct expr *parser_judge_postfix(struct parser *parser, struct expr *operand)
{
	bool is_range = parser_is(parser, TOKEN_BRACKET_LEFT);
	struct expr *selector = selector_of(operand);
	const char *fault;

	if (!selector || !selector->selector.log || (!is_range && !is_modifier(parser)))
		return operand;
	fault = is_range ? range_fault(parser, selector) : modifier_fault(parser, selector);
	if (fault) {
		parser_complain(parser, parser->token.offset, parser->token.span, NULL, "%s",
				fault);
		return parser_refused(parser, operand->offset, NULL, NULL);
	}
	if (is_range)
		selector->selector.log->nbefore_range = selector->selector.log->nstages;
	return out_of_parentheses(parser, operand, selector);
}

/* Pipelines */

bool parser_is_stage(const struct parser *parser, const struct expr *operand)
{
	enum token_kind kind = parser->token.kind;

	if (!parser->has_additions)
		return false;
	if ((kind >= TOKEN_LINE_CONTAINS && kind <= TOKEN_PIPE) || kind == TOKEN_LINE_NOT_PATTERN)
		return true;
	if (kind != TOKEN_NEQ && kind != TOKEN_NEQ_RE)
		return false;
	/* PromQL has words of its own for a comparison of a metric with a text. */
	while (operand->kind == EXPR_PAREN)
		operand = operand->unary.operand;
	if (operand->kind != EXPR_SELECTOR ||
	    (operand->selector.is_named && !operand->selector.is_range))
		return false;
	return stage_has_line_arg(parser);
}

static bool parse_stage(struct parser *parser, struct log_selector *log)
{
	struct stage_parse parse = { .parser = parser, .log = log };
	uint32_t offset = parser->token.offset;
	bool good;

	log->stages =
		stage_grow(parser, log->stages, log->nstages, LOG_STAGES_MAX, sizeof(*log->stages));
	if (!log->stages)
		return false;
	parse.stage = &log->stages[log->nstages];
	parse.stage->offset = offset;
	if (parser_is(parser, TOKEN_PIPE)) {
		parser_advance(parser);
		good = stage_parse_piped(&parse);
	} else {
		good = stage_parse_line(&parse);
	}
	if (!good)
		return false;
	parse.stage->span = parser->last_end - offset;
	log->nstages++;
	return true;
}

/* The token after a stage: another one, or what ends a pipeline. */
static bool expect_end(struct parser *parser)
{
	if (parser_is(parser, TOKEN_BRACKET_LEFT) || parser_is(parser, TOKEN_PAREN_RIGHT) ||
	    parser_is(parser, TOKEN_END))
		return true;
	if (parser_is(parser, TOKEN_COMMA))
		parser_complain(parser, parser->token.offset, 1, NULL,
				"a log range is the last argument of its function");
	else if (stage_is_word(parser, "offset"))
		parser_complain(parser, parser->token.offset, parser->token.span, NULL,
				"offset stands after the range of a log selector: [5m] offset 1h");
	else
		parser_unexpected(parser, STAGE_CONTEXT, "\"|\", \"[\" or \")\"");
	return false;
}

/* The selector that the stages are for; of what is none, one that belongs to no tree. */
static struct expr *pipeline_selector(struct parser *parser, struct expr *operand)
{
	struct expr *selector = selector_of(operand);

	if (!selector) {
		if (operand->kind != EXPR_REFUSED)
			parser_complain(parser, parser->token.offset, parser->token.span,
					"logs{job=\"api\"} |= \"error\" [5m]",
					"a log pipeline stands on a log selector, its parentheses "
					"or its range");
		selector = parser_selector(parser, operand->offset);
	}
	if (!selector || (!selector->selector.log && !make_log(parser, selector, false)))
		return NULL;
	if (selector->selector.is_range && selector->selector.log->nbefore_range > 0) {
		parser_complain(parser, parser->token.offset, parser->token.span, NULL,
				"a log pipeline stands before the range or after it, not on both "
				"sides");
		selector->selector.log->nbefore_range = 0; /* said once */
	}
	return selector;
}

struct expr *parse_pipeline(struct parser *parser, struct expr *operand)
{
	struct expr *selector = pipeline_selector(parser, operand);

	if (!selector)
		return NULL;
	parser->lexer.in_pipeline = true;
	while (parser_is_stage(parser, selector))
		if (!parse_stage(parser, selector->selector.log))
			return NULL;
	if (!expect_end(parser))
		return NULL;
	parser->lexer.in_pipeline = false;
	if (selector_of(operand))
		return out_of_parentheses(parser, operand, selector);
	return parser_refused(parser, operand->offset, operand, NULL);
}
