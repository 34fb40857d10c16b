/*
 * The canonical form of expressions, byte for byte that of Prometheus: it shows in its APIs, in
 * generator URLs and in logs.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/quote.h"
#include "base/text.h"
#include "rules/expr.h"
#include "rules/log_selector.h"
#include "rules/names.h"

static void format_call(const struct expr *expr, struct buf *out)
{
	buf_add_str(out, expr->call.function->name);
	buf_add_char(out, '(');
	for (uint32_t i = 0; i < expr->call.nargs; i++) {
		if (i)
			buf_add_str(out, ", ");
		expr_format(expr->call.args[i], out);
	}
	buf_add_char(out, ')');
	if (expr->call.is_grouped) {
		buf_add_str(out, expr->call.without ? " without (" : " by (");
		names_format(&expr->call.labels, out);
		buf_add_char(out, ')');
	}
}

static void format_number(const struct expr *expr, struct buf *out)
{
	if (!expr->is_duration) {
		number_format_f(expr->number, out);
		return;
	}
	if (signbit(expr->number))
		buf_add_char(out, '-');
	duration_format(llround(fabs(expr->number) * 1000), out);
}

static int compare_texts(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/*
 * {a="b",c="d"}: sorted as texts, whatever their order in the source. Nothing when there are none.
 */
static void format_matchers(const struct matcher *matchers, uint32_t n, struct buf *out)
{
	struct slice texts[EXPR_MATCHERS_MAX + 1];
	struct buf buf;
	size_t start = 0;

	assert(n <= EXPR_MATCHERS_MAX);
	buf_init(&buf);
	for (uint32_t i = 0; i < n; i++) {
		matcher_format(&matchers[i], &buf);
		texts[i].len = buf.len - start;
		start = buf.len;
	}
	if (buf_ok(&buf) && n > 0) {
		start = 0;
		for (uint32_t i = 0; i < n; start += texts[i++].len)
			texts[i].ptr = buf.ptr + start;
		qsort(texts, n, sizeof(*texts), compare_texts);
		for (uint32_t i = 0; i < n; i++) {
			buf_add_char(out, i ? ',' : '{');
			buf_add_slice(out, texts[i]);
		}
		buf_add_char(out, '}');
	}
	out->failed = out->failed || !buf_ok(&buf);
	buf_fini(&buf);
}

static void format_duration(int64_t ms, const struct expr *written, struct buf *out)
{
	if (written)
		expr_format(written, out);
	else
		duration_format(ms, out);
}

static void format_offset(int64_t ms, const struct expr *written, struct buf *out)
{
	if (!written && ms == 0)
		return;
	buf_add_str(out, !written && ms < 0 ? " offset -" : " offset ");
	format_duration(llabs(ms), written, out);
}

static void format_at(const struct expr *expr, struct buf *out)
{
	if (expr->at == AT_TIME)
		buf_printf(out, " @ %.3f", (double)expr->at_ms / 1000);
	else if (expr->at != AT_NONE)
		buf_add_str(out, expr->at == AT_START ? " @ start()" : " @ end()");
}

static void format_edges(const struct expr *expr, struct buf *out)
{
	if (expr->edges != EDGES_PLAIN)
		buf_add_str(out, expr->edges == EDGES_ANCHORED ? " anchored" : " smoothed");
}

static void format_selector(const struct expr *expr, struct buf *out)
{
	uint32_t n = expr->selector.nmatchers;

	if (expr->selector.is_named) {
		const struct matcher *name = &expr->selector.matchers[--n];

		buf_add(out, name->value, name->value_len);
	}
	if (expr->selector.log)
		buf_add_str(out, "logs");
	format_matchers(expr->selector.matchers, n, out);
	if (expr->selector.log)
		log_stages_format(expr->selector.log, out);
	if (expr->selector.is_range) {
		if (expr->selector.log && expr->selector.log->nstages > 0)
			buf_add_char(out, ' ');
		buf_add_char(out, '[');
		format_duration(expr->selector.range_ms, expr->range_expr, out);
		buf_add_char(out, ']');
		format_edges(expr, out);
		format_at(expr, out);
	} else {
		format_at(expr, out);
		format_edges(expr, out);
	}
	format_offset(expr->selector.offset_ms, expr->offset_expr, out);
}

static void format_subquery(const struct expr *expr, struct buf *out)
{
	expr_format(expr->subquery.operand, out);
	buf_add_char(out, '[');
	format_duration(expr->subquery.range_ms, expr->range_expr, out);
	buf_add_char(out, ':');
	if (expr->subquery.step_ms || expr->step_expr)
		format_duration(expr->subquery.step_ms, expr->step_expr, out);
	buf_add_char(out, ']');
	format_at(expr, out);
	format_offset(expr->subquery.offset_ms, expr->offset_expr, out);
}

static void format_matching(const struct expr *expr, struct buf *out)
{
	bool is_grouped =
		expr->binary.card == CARD_MANY_TO_ONE || expr->binary.card == CARD_ONE_TO_MANY;

	if (expr->binary.labels.n > 0 || expr->binary.on || is_grouped) {
		buf_add_str(out, expr->binary.on ? " on (" : " ignoring (");
		names_format(&expr->binary.labels, out);
		buf_add_char(out, ')');
	}
	if (is_grouped) {
		buf_add_str(out, expr->binary.card == CARD_MANY_TO_ONE ? " group_left ("
								       : " group_right (");
		names_format(&expr->binary.include, out);
		buf_add_char(out, ')');
	}
}

static void format_fill(const struct expr *expr, struct buf *out)
{
	const double *fill = expr->binary.fill;
	const bool *fills = expr->binary.fills;

	if (fills[0] && fills[1] && memcmp(&fill[0], &fill[1], sizeof(*fill)) == 0) {
		buf_add_str(out, " fill (");
		number_format_g(fill[0], out);
		buf_add_char(out, ')');
		return;
	}
	for (int side = 0; side < 2; side++) {
		if (!fills[side])
			continue;
		buf_add_str(out, side ? " fill_right (" : " fill_left (");
		number_format_g(fill[side], out);
		buf_add_char(out, ')');
	}
}

static void format_binary(const struct expr *expr, struct buf *out)
{
	expr_format(expr->binary.left, out);
	buf_printf(out, " %s%s", binary_op_text(expr->binary.op),
		   expr->binary.is_bool ? " bool" : "");
	format_matching(expr, out);
	format_fill(expr, out);
	buf_add_char(out, ' ');
	expr_format(expr->binary.right, out);
}

static void format_aggregate(const struct expr *expr, struct buf *out)
{
	buf_add_str(out, aggregate_op_text(expr->aggregate.op));
	if (expr->aggregate.without || expr->aggregate.labels.n > 0) {
		buf_add_str(out, expr->aggregate.without ? " without (" : " by (");
		names_format(&expr->aggregate.labels, out);
		buf_add_str(out, ") ");
	}
	buf_add_char(out, '(');
	if (expr->aggregate.param) {
		expr_format(expr->aggregate.param, out);
		buf_add_str(out, ", ");
	}
	expr_format(expr->aggregate.operand, out);
	buf_add_char(out, ')');
}

/* Recursion is bounded by the tree's height. */
void expr_format(const struct expr *expr, struct buf *out)
{
	switch (expr->kind) {
	case EXPR_NUMBER:
		format_number(expr, out);
		break;
	case EXPR_STRING:
		text_quote(expr->string, out);
		break;
	case EXPR_SELECTOR:
		format_selector(expr, out);
		break;
	case EXPR_SUBQUERY:
		format_subquery(expr, out);
		break;
	case EXPR_CALL:
		format_call(expr, out);
		break;
	case EXPR_UNARY:
		buf_add_char(out, '-');
		expr_format(expr->unary.operand, out);
		break;
	case EXPR_BINARY:
		format_binary(expr, out);
		break;
	case EXPR_AGGREGATE:
		format_aggregate(expr, out);
		break;
	case EXPR_PAREN:
		buf_add_char(out, expr->unary.is_plus ? '+' : '(');
		expr_format(expr->unary.operand, out);
		if (!expr->unary.is_plus)
			buf_add_char(out, ')');
		break;
	case EXPR_REFUSED:
		break;
	}
}
