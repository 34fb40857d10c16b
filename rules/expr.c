#include "rules/expr.h"

#include "base/error.h"
#include "rules/check.h"
#include "rules/log_selector.h"
#include "rules/parser.h"

int expr_parse_dialect(const struct source *source, enum expr_dialect dialect, struct arena *arena,
		       struct diag_list *diags, struct expr **out)
{
	struct parser parser;
	struct expr *expr;

	if (source->text.len > EXPR_BYTES_MAX) {
		diag_add_at(diags, DIAG_ERROR, source, EXPR_BYTES_MAX, 1, NULL,
			    "expression is longer than %d bytes", EXPR_BYTES_MAX);
		return ERR_LIMIT;
	}
	parser_init(&parser, source, arena, diags);
	parser.has_additions = dialect != EXPR_PROMETHEUS;
	parser.is_logql = dialect == EXPR_LOGQL;
	expr = parser_run(&parser);
	int error = expr ? check_expr(source, dialect, diags, expr) : 0;

	if (parser.error)
		error = parser.error;
	if (error) {
		parser_discard(&parser);
		return error;
	}
	*out = expr;
	return 0;
}

int expr_parse(const struct source *source, struct arena *arena, struct diag_list *diags,
	       struct expr **out)
{
	return expr_parse_dialect(source, EXPR_TOCSIN, arena, diags, out);
}

static uint32_t child_count(const struct expr *expr)
{
	switch (expr->kind) {
	case EXPR_CALL:
	case EXPR_REFUSED:
		return expr->call.nargs;
	case EXPR_UNARY:
	case EXPR_PAREN:
	case EXPR_SUBQUERY:
		return 1;
	case EXPR_BINARY:
		return 2;
	case EXPR_AGGREGATE:
		return expr->aggregate.param ? 2 : 1;
	case EXPR_NUMBER:
	case EXPR_STRING:
	case EXPR_SELECTOR:
		break;
	}
	return 0;
}

static const struct expr *child_at(const struct expr *expr, uint32_t i)
{
	switch (expr->kind) {
	case EXPR_CALL:
	case EXPR_REFUSED:
		return expr->call.args[i];
	case EXPR_BINARY:
		return i == 0 ? expr->binary.left : expr->binary.right;
	case EXPR_AGGREGATE:
		return i == 0 && expr->aggregate.param ? expr->aggregate.param
						       : expr->aggregate.operand;
	case EXPR_SUBQUERY:
		return expr->subquery.operand;
	default:
		return expr->unary.operand;
	}
}

/* Recursion is bounded by the tree's height. */
void expr_walk(const struct expr *expr, void (*fn)(void *ctx, const struct expr *expr), void *ctx)
{
	uint32_t n = child_count(expr);

	fn(ctx, expr);
	for (uint32_t i = 0; i < n; i++)
		expr_walk(child_at(expr, i), fn, ctx);
}

static void free_matchers(void *ctx, const struct expr *expr)
{
	if (expr->kind != EXPR_SELECTOR)
		return;
	for (uint32_t i = 0; i < expr->selector.nmatchers; i++)
		matcher_fini(&expr->selector.matchers[i]);
	log_selector_fini(expr->selector.log);
}

void expr_fini(struct expr *expr)
{
	if (expr)
		expr_walk(expr, free_matchers, NULL);
}
