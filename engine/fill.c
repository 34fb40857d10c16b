/*
 * Binary operators between two vectors with fill(…): where one side lacks a partner, one is made of
 * the signature's labels and the fill value. (With group_right the many side counts as the left
 * one, as in Prometheus, which changes sides before it fills.) So the rows depend on who is
 * present, and matching is done at each evaluation.
 */
#include <stdlib.h>

#include "engine/dynamic.h"
#include "engine/join.h"
#include "engine/operators.h"

struct fill {
	struct dynamic dynamic;
	uint32_t *labels, nlabels; /* symbols of on(…), or of ignoring(…) and the metric name */
	uint32_t *include, ninclude;
	struct id_map partners; /* by signature: the row of the one side */
	struct id_map matched;	/* by signature: was it matched? */
	struct id_map seen;	/* by labels of the result: the signature */
	struct id_list keys;	/* the signatures: references, for as long as the maps need them */
};

static int shape_fill(struct binding *b, struct node *node)
{
	const struct plan_node *p = node->plan;
	struct fill *state = node->state = calloc(1, sizeof(*state));
	if (!state)
		return ERR_NOMEM;
	int err = symbols_take(b, &p->labels, !p->on, &state->labels, &state->nlabels);
	return err ? err : symbols_take(b, &p->include, false, &state->include, &state->ninclude);
}

static void clear_map(struct id_map *map)
{
	id_map_fini(map);
	*map = (struct id_map){ .slots = NULL };
}

/* Gives back the signatures from the at-th on, which are the last that were made. */
static void give_keys(struct binding *b, struct fill *state, uint32_t at)
{
	while (state->keys.n > at)
		lset_unref(b->lsets, state->keys.ids[--state->keys.n]);
}

static void clear_maps(struct binding *b, struct fill *state)
{
	give_keys(b, state, 0);
	clear_map(&state->partners);
	clear_map(&state->matched);
	clear_map(&state->seen);
}

static void fini_fill(struct binding *b, struct node *node)
{
	struct fill *state = node->state;
	if (!state)
		return;
	clear_maps(b, state);
	id_list_fini(&state->keys);
	dynamic_fini(b, &state->dynamic);
	if (state->labels)
		symbols_give(b, state->labels, state->nlabels);
	if (state->include)
		symbols_give(b, state->include, state->ninclude);
	free(state);
}

/* LSET_NONE when out of memory. */
static uint32_t signature(struct binding *b, const struct node *node, uint32_t lset)
{
	struct fill *state = node->state;
	uint32_t key = (node->plan->on ? lset_only : lset_without)(b->lsets, lset, state->labels,
								   state->nlabels);
	if (key == LSET_NONE || id_list_add(&state->keys, key))
		return key;
	lset_unref(b->lsets, key);
	return LSET_NONE;
}

/* The labels of the result for a pair; either may be made up. */
static uint32_t result_lset(struct binding *b, const struct node *node, uint32_t many, uint32_t one)
{
	const struct plan_node *p = node->plan;
	const struct fill *state = node->state;
	uint32_t lset = many, next;
	lset_ref(b->lsets, lset);
	if (p->card == CARD_ONE_TO_ONE) {
		/* Of ignoring(…) the last is the metric name, which goes with the rest or not. */
		next = p->on ? lset_only(b->lsets, lset, state->labels, state->nlabels)
			     : lset_without(b->lsets, lset, state->labels,
					    state->nlabels - symbols_hidden(b));
		lset_unref(b->lsets, lset);
		lset = next;
	} else if (state->ninclude) {
		next = lset_take_from(b->lsets, lset, one, state->include, state->ninclude);
		lset_unref(b->lsets, lset);
		lset = next;
	}
	return binding_joined(b, p, lset);
}

static int put_pair(struct binding *b, struct node *node, uint32_t key, uint32_t many,
		    double many_value, uint32_t one, double one_value)
{
	const struct plan_node *p = node->plan;
	struct fill *state = node->state;
	bool swapped = p->card == CARD_ONE_TO_MANY;
	double left = swapped ? one_value : many_value, right = swapped ? many_value : one_value;
	uint32_t lset = result_lset(b, node, many, one);
	if (lset == LSET_NONE)
		return ERR_NOMEM;
	if (p->card != CARD_ONE_TO_ONE && id_map_find(&state->seen, lset) == key) {
		lset_unref(b->lsets, lset);
		return node_fail(node, "multiple matches for labels: "
				       "grouping labels must ensure unique matches");
	}
	if (!id_map_put(&state->seen, lset, key)) {
		lset_unref(b->lsets, lset);
		return ERR_NOMEM;
	}
	bool holds = true;
	double value = left;
	if (!binary_op_is_comparison(p->binary))
		value = operator_compute(p->binary, left, right);
	else if (p->is_bool)
		value = operator_holds(p->binary, left, right);
	else
		holds = operator_holds(p->binary, left, right);
	/* What a filter holds back is remembered by the id of its labels: these must live. */
	return holds ? dynamic_add(b, &state->dynamic, lset, value)
		     : dynamic_add_absent(b, &state->dynamic, lset);
}

static int find_partners(struct binding *b, struct node *node, const struct node *one,
			 uint32_t from, uint32_t to)
{
	struct fill *state = node->state;
	int err = 0;
	FOR_BITS (row, one->present, from, to) {
		if (err)
			break;
		uint32_t key = signature(b, node, one->rows->lsets[row]);
		if (key == LSET_NONE)
			return ERR_NOMEM;
		uint32_t other = id_map_find(&state->partners, key);
		if (other != ID_MAP_NONE)
			err = join_fail_one_side(b, node, key, row, other);
		else if (!id_map_put(&state->partners, key, row))
			err = ERR_NOMEM;
	}
	return err;
}

static int match_row(struct binding *b, struct node *node, const struct node *many,
		     const struct node *one, uint32_t row, bool fills_one, double fill)
{
	struct fill *state = node->state;
	uint32_t lset = many->rows->lsets[row], key = signature(b, node, lset);
	if (key == LSET_NONE)
		return ERR_NOMEM;
	uint32_t partner = id_map_find(&state->partners, key);
	bool again = id_map_find(&state->matched, key) != ID_MAP_NONE;
	int err = 0;
	if (partner == ID_MAP_NONE && !fills_one)
		return 0;
	if (binary_op_is_trim(node->plan->binary)) {
		node_note_trim(b, node);
		return 0;
	}
	if (again && node->plan->card == CARD_ONE_TO_ONE)
		err = node_fail(node, "multiple matches for labels: many-to-one matching must be "
				      "explicit (group_left/group_right)");
	else if (partner != ID_MAP_NONE)
		err = put_pair(b, node, key, lset, many->values[row], one->rows->lsets[partner],
			       one->values[partner]);
	else
		err = put_pair(b, node, key, lset, many->values[row], key, fill);
	if (!again && !err && !id_map_put(&state->matched, key, 1))
		err = ERR_NOMEM;
	return err;
}

/* A row of the one side, unless somebody matched it. */
static int fill_row(struct binding *b, struct node *node, const struct node *one, uint32_t row,
		    double fill)
{
	const struct fill *state = node->state;
	uint32_t lset = one->rows->lsets[row], key = signature(b, node, lset);
	if (key == LSET_NONE)
		return ERR_NOMEM;
	if (id_map_find(&state->matched, key) != ID_MAP_NONE)
		return 0;
	if (binary_op_is_trim(node->plan->binary)) {
		node_note_trim(b, node);
		return 0;
	}
	return put_pair(b, node, key, key, fill, lset, one->values[row]);
}

/*
 * Phases: partners, rows of the many side, rows of the one side; the signatures go; rows of the
 * result.
 */
static uint32_t steps_fill(const struct node *node)
{
	uint32_t many = node->plan->card == CARD_ONE_TO_MANY;
	uint32_t nmany = node->children[many]->n, none = node->children[!many]->n;
	return 2 * steps_padded(none) + steps_padded(nmany) + steps_padded(nmany + 2 * none) +
	       dynamic_steps(nmany + none);
}

static int eval_fill(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		     int64_t *units)
{
	const struct plan_node *p = node->plan;
	struct fill *state = node->state;
	uint32_t many_side = p->card == CARD_ONE_TO_MANY, one_side = !many_side;
	const struct node *many = node->children[many_side], *one = node->children[one_side];
	struct steps steps = { .from = from, .to = to };
	int err = 0;
	if (from == 0) {
		clear_maps(b, state);
		dynamic_begin(b, &state->dynamic);
	}
	*units -= (int64_t)UNITS_LABELS * (to - from);
	if (steps_take(&steps, one->n))
		err = find_partners(b, node, one, steps.at, steps.end);
	if (!err && steps_take(&steps, many->n))
		FOR_BITS (row, many->present, steps.at, steps.end)
			if (!err)
				err = match_row(b, node, many, one, row, p->fills[1], p->fill[1]);
	if (!err && steps_take(&steps, one->n) && p->fills[0])
		FOR_BITS (row, one->present, steps.at, steps.end)
			if (!err)
				err = fill_row(b, node, one, row, p->fill[0]);
	if (!err && steps_take(&steps, many->n + 2 * one->n))
		give_keys(b, state, many->n + 2 * one->n - steps.end);
	return err ? err
		   : dynamic_finish(b, node, &state->dynamic, &steps, many->n + one->n,
				    to == steps_fill(node));
}

const struct node_kind node_fill = {
	.name = "join with fill",
	.makes_rows = true,
	.shape = shape_fill,
	.steps = steps_fill,
	.eval = eval_fill,
	.fini = fini_fill,
};
