/*
 * Expressions from anybody. Whatever is in the bytes is refused with a reason, or becomes a tree
 * whose canonical form reads back as the same form and comes to the same node of a plan.
 */
#include <stdlib.h>

#include "rules/plan.h"
#include "tests/rules/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_refusal(const struct parse *parse)
{
	struct buf out;

	must(parse->diags.errors > 0);
	for (size_t i = 0; i < parse->diags.n; i++) {
		must(parse->diags.items[i].message[0] != '\0');
		must(parse->diags.items[i].line > 0 && parse->diags.items[i].span > 0);
	}
	buf_init(&out);
	diag_list_format(&parse->diags, false, &out);
	must(buf_ok(&out));
	buf_fini(&out);
}

static void note_place(void *ctx, const struct expr *expr)
{
	const struct source *source = ctx;

	must(expr->kind != EXPR_REFUSED && expr->type != VALUE_NONE);
	must(expr->offset + expr->span <= source->text.len && expr->span > 0);
	must(expr->height >= 1 && expr->height <= EXPR_HEIGHT_MAX);
}

/* The root, or PLAN_NONE for a range vector, which is no value of a rule. */
static uint32_t plan_root(struct plan *plan, const struct expr *expr)
{
	uint32_t root = PLAN_NONE, *order, n;

	if (expr->type == VALUE_MATRIX)
		return root;
	must(plan_add(plan, expr, &root) == 0);
	plan_check(plan);
	must(plan_order(plan, root, &order, &n) == 0);
	must(n > 0 && order[n - 1] == root);
	free(order);
	return root;
}

/* With the times of a query, where they can be worked out, both come to the same node. */
static void check_plan(struct plan *plan, const struct parse *parse, const struct parse *again)
{
	const struct query_bounds bounds = { 1000000, 2000000, 15000 };
	struct diag_list diags;
	int code, code_again;

	diag_list_init(&diags);
	code = expr_resolve(parse->expr, &bounds, &parse->source, &diags);
	must((code != 0) == (diags.errors > 0));
	code_again = expr_resolve(again->expr, &bounds, &again->source, &diags);
	must(code == code_again);
	if (!code)
		must(plan_root(plan, parse->expr) == plan_root(plan, again->expr));
	diag_list_fini(&diags);
}

static void check_tree(const struct parse *parse, enum expr_dialect dialect)
{
	struct plan *plan = plan_new();
	struct parse again;
	struct buf first, second;

	buf_init(&first);
	buf_init(&second);
	expr_walk(parse->expr, note_place, (void *)&parse->source);
	expr_format(parse->expr, &first);
	must(buf_ok(&first));
	parse_init_dialect(&again, dialect, first.ptr, first.len);
	/* The canonical form may be longer than what was written, and then too long. */
	if (first.len <= EXPR_BYTES_MAX) {
		must(again.error == 0);
		expr_format(again.expr, &second);
		must(slice_is_equal(buf_slice(&first), buf_slice(&second)));
		check_plan(plan, parse, &again);
	}
	parse_fini(&again);
	buf_fini(&first);
	buf_fini(&second);
	plan_free(plan);
}

static void check_dialect(enum expr_dialect dialect, struct slice text)
{
	struct parse parse;

	parse_init_dialect(&parse, dialect, text.ptr, text.len);
	if (parse.error == 0)
		check_tree(&parse, dialect);
	else
		check_refusal(&parse);
	parse_fini(&parse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };

	check_dialect(EXPR_TOCSIN, text);
	check_dialect(EXPR_PROMETHEUS, text);
	check_dialect(EXPR_LOGQL, text);
	return 0;
}
