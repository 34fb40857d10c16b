/* histogram_quantiles(): one of its quantiles, with the label that tells it from the others. */
#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/dynamic.h"

struct quantile_label {
	struct dynamic dynamic;
	uint32_t target; /* symbol */
};

static int shape_quantile(struct binding *b, struct node *node)
{
	struct quantile_label *state = node->state = calloc(1, sizeof(*state));
	if (!state)
		return ERR_NOMEM;
	struct slice target = b->plan->nodes[node->plan->children[2]]->string;
	state->target = UINT32_MAX;
	int err = node_check_label(node, target);
	if (err || node->fault)
		return err;
	state->target = symbol_intern(b->lsets, target);
	return state->target == UINT32_MAX ? ERR_NOMEM : 0;
}

static void fini_quantile(struct binding *b, struct node *node)
{
	struct quantile_label *state = node->state;
	if (!state)
		return;
	dynamic_fini(b, &state->dynamic);
	if (state->target != UINT32_MAX)
		symbol_unref(b->lsets, state->target);
	free(state);
}

/* As OpenMetrics writes a quantile: with a point in any case. */
static uint32_t value_symbol(struct binding *b, double q)
{
	struct buf text;
	buf_init(&text);
	number_format_g(q == 0 ? 0 : q, &text);
	if (buf_ok(&text) && isfinite(q) && !strpbrk(text.ptr, ".e"))
		buf_add_str(&text, ".0");
	uint32_t symbol = buf_ok(&text) ? symbol_intern(b->lsets, buf_slice(&text)) : UINT32_MAX;
	buf_fini(&text);
	return symbol;
}

static int add_rows(struct binding *b, const struct node *node, uint32_t from, uint32_t to)
{
	struct quantile_label *state = node->state;
	const struct node *in = node->children[0];
	uint32_t symbol = value_symbol(b, node->children[1]->scalar);
	int err = 0;
	if (symbol == UINT32_MAX)
		return ERR_NOMEM;
	FOR_BITS (row, in->present, from, to)
		if (!err)
			err = dynamic_add(b, &state->dynamic,
					  lset_with(b->lsets, in->rows->lsets[row], state->target,
						    symbol),
					  in->values[row]);
	symbol_unref(b->lsets, symbol);
	return err;
}

static int eval_quantile(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			 int64_t *units)
{
	struct quantile_label *state = node->state;
	uint32_t n = node->children[0]->n;
	struct steps steps = { .from = from, .to = to };
	int err = 0;
	if (from == 0)
		dynamic_begin(b, &state->dynamic);
	*units -= (int64_t)UNITS_LABELS * (to - from);
	if (steps_take(&steps, n))
		err = add_rows(b, node, steps.at, steps.end);
	return err ? err
		   : dynamic_finish(b, node, &state->dynamic, &steps, n,
				    to == dynamic_steps_by_row(node));
}

const struct node_kind node_quantile_label = {
	.name = "quantile label",
	.makes_rows = true,
	.shape = shape_quantile,
	.steps = dynamic_steps_by_row,
	.eval = eval_quantile,
	.fini = fini_quantile,
};
