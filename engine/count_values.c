/* count_values(): how many elements of a group have which value, told by a label. */
#include <stdlib.h>

#include "base/text.h"
#include "engine/dynamic.h"

struct count_values {
	struct dynamic dynamic;
	struct id_map counts; /* by label set: place in the outcomes */
	uint32_t *labels, nlabels; /* symbols of by(…), the target among them, or of without(…) */
	uint32_t target; /* symbol */
};

static int shape_count(struct binding *b, struct node *node)
{
	const struct plan_node *p = node->plan;
	struct count_values *state = node->state = calloc(1, sizeof(*state));
	if (!state)
		return ERR_NOMEM;
	struct slice target = b->plan->nodes[p->children[1]]->string;
	state->target = UINT32_MAX;
	int err = node_check_label(node, target);
	if (err || node->fault)
		return err;
	state->target = symbol_intern(b->lsets, target);
	if (state->target == UINT32_MAX)
		return ERR_NOMEM;
	if (p->without)
		return symbols_take(b, &p->labels, true, &state->labels, &state->nlabels);
	struct names names = { malloc((p->labels.n + 1) * sizeof(*names.items)), 0 };
	if (!names.items)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < p->labels.n; i++)
		if (!slice_is_equal(p->labels.items[i], target))
			names.items[names.n++] = p->labels.items[i];
	names.items[names.n++] = target;
	err = symbols_take(b, &names, false, &state->labels, &state->nlabels);
	free(names.items);
	return err;
}

static void fini_count(struct binding *b, struct node *node)
{
	struct count_values *state = node->state;
	if (!state)
		return;
	dynamic_fini(b, &state->dynamic);
	id_map_fini(&state->counts);
	if (state->labels)
		symbols_give(b, state->labels, state->nlabels);
	if (state->target != UINT32_MAX)
		symbol_unref(b->lsets, state->target);
	free(state);
}

/* The label set of the group that an element of this value belongs to. */
static uint32_t group_of(struct binding *b, const struct node *node, uint32_t lset, double value)
{
	const struct count_values *state = node->state;
	struct buf text;
	buf_init(&text);
	number_format_f(value, &text);
	uint32_t symbol = buf_ok(&text) ? symbol_intern(b->lsets, buf_slice(&text)) : UINT32_MAX;
	buf_fini(&text);
	if (symbol == UINT32_MAX)
		return LSET_NONE;
	uint32_t marked = lset_with(b->lsets, lset, state->target, symbol);
	symbol_unref(b->lsets, symbol);
	if (marked == LSET_NONE)
		return LSET_NONE;
	uint32_t group = (node->plan->without ? lset_without : lset_only)(
		b->lsets, marked, state->labels, state->nlabels);
	lset_unref(b->lsets, marked);
	return group;
}

static int count_element(struct binding *b, struct count_values *state, uint32_t group)
{
	uint32_t at = group == LSET_NONE ? ID_MAP_NONE : id_map_find(&state->counts, group);
	if (at != ID_MAP_NONE) {
		dynamic_outcome(&state->dynamic, at)->value++;
		lset_unref(b->lsets, group);
		return 0;
	}
	int err = dynamic_add(b, &state->dynamic, group, 1);
	if (err)
		return err;
	return id_map_put(&state->counts, group, state->dynamic.n - 1) ? 0 : ERR_NOMEM;
}

static int eval_count(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		      int64_t *units)
{
	struct count_values *state = node->state;
	const struct node *in = node->children[0];
	struct steps steps = { .from = from, .to = to };
	int err = 0;
	if (from == 0) {
		dynamic_begin(b, &state->dynamic);
		id_map_fini(&state->counts);
		state->counts = (struct id_map){ .slots = NULL };
	}
	*units -= (int64_t)UNITS_LABELS * (to - from);
	if (steps_take(&steps, in->n))
		FOR_BITS (row, in->present, steps.at, steps.end)
			if (!err)
				err = count_element(b, state,
						    group_of(b, node, in->rows->lsets[row],
							     in->values[row]));
	return err ? err
		   : dynamic_finish(b, node, &state->dynamic, &steps, in->n,
				    to == dynamic_steps_by_row(node));
}

const struct node_kind node_count_values = {
	.name = "count_values",
	.makes_rows = true,
	.shape = shape_count,
	.steps = dynamic_steps_by_row,
	.eval = eval_count,
	.fini = fini_count,
};
