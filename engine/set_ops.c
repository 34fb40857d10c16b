/*
 * Set operators: and, or, unless. Rows match by signature, many to many; no value is looked at.
 *
 * The result of `and` and `unless` has the rows of the left side under their ids. That of `or` has
 * the rows of both sides under ids of its own.
 */
#include <stdlib.h>

#include "engine/match.h"

struct set_state {
	struct match match;
	uint64_t *marks; /* by match group */
	uint32_t marks_cap;
	/* `or`: the result's row of each side's row. */
	uint32_t *out[2];
	uint32_t out_cap[2];
};

const struct match *set_match(const struct node *node)
{
	return &((const struct set_state *)node->state)->match;
}

static int shape_set(struct binding *b, struct node *node)
{
	struct set_state *state = node->state = calloc(1, sizeof(*state));
	if (!state)
		return ERR_NOMEM;
	if (node->plan->binary == OP_OR)
		node->nameless = node->children[0]->nameless && node->children[1]->nameless;
	else
		node_base_set(b, node, node->children[0], false);
	return match_init(b, &state->match, node->plan);
}

static int release_set(struct binding *b, struct node *node, int64_t *units)
{
	return match_release(b, &((struct set_state *)node->state)->match, units);
}

static void fini_set(struct binding *b, struct node *node)
{
	struct set_state *state = node->state;
	if (!state)
		return;
	match_fini(b, &state->match);
	free(state->marks);
	free(state->out[0]);
	free(state->out[1]);
	free(state);
}

static bool out_reserve(struct set_state *state, uint32_t side, uint32_t n)
{
	if (n <= state->out_cap[side])
		return true;
	uint32_t cap = n + n / 2 + 8;
	uint32_t *out = realloc(state->out[side], cap * sizeof(*out));
	if (!out)
		return false;
	state->out[side] = out;
	state->out_cap[side] = cap;
	return true;
}

static int add_row(struct binding *b, struct node *node, uint32_t side, uint32_t row)
{
	struct set_state *state = node->state;
	uint32_t lset = node->children[side]->rows->lsets[row], out;
	if (node->plan->binary == OP_OR) {
		if (!out_reserve(state, side, row + 1))
			return ERR_NOMEM;
		lset_ref(b->lsets, lset);
		int err = node_row_new(b, node, lset, &out);
		if (err)
			return err;
		state->out[side][row] = out;
	}
	return match_add(b, &state->match, side, row, lset);
}

static int extend_set(struct binding *b, struct node *node, uint32_t child, uint32_t row,
		      bool added)
{
	struct set_state *state = node->state;
	bool known = match_has(&state->match, child, row);
	if (added)
		return known ? 0 : add_row(b, node, child, row);
	if (!known)
		return 0;
	match_remove(b, &state->match, child, row);
	if (node->plan->binary == OP_OR)
		node_row_remove(b, node, state->out[child][row]);
	return 0;
}

static bool marks_reserve(struct set_state *state)
{
	uint32_t words = words_of(state->match.ngroups) + 1;
	if (words <= state->marks_cap)
		return true;
	free(state->marks);
	state->marks = malloc(words * 2 * sizeof(*state->marks));
	state->marks_cap = state->marks ? words * 2 : 0;
	return state->marks != NULL;
}

/* The side whose rows depend on what the other one has; that is looked at first. */
static uint32_t judged_side(const struct node *node)
{
	return node->plan->binary == OP_OR;
}

/* and, unless: the rows of the left side whose group has, or has not, one of the right. */
static void filter_rows(struct node *node, const struct node *left, uint32_t from, uint32_t to)
{
	const struct set_state *state = node->state;
	const struct match_link *links = state->match.links[0];
	bool wanted = node->plan->binary == OP_AND;
	FOR_BITS (row, left->present, from, to)
		if (bit_get(state->marks, links[row].group) == wanted)
			bit_set(node->own_present, row);
}

/*
 * or: all rows of the left side, and those of the right whose group has none of the left; one to
 * one none may have one. ERR_EVAL.
 */
static int copy_rows(struct node *node, uint32_t side, uint32_t from, uint32_t to)
{
	const struct set_state *state = node->state;
	const struct node *in = node->children[side];
	const struct match_link *links = state->match.links[side];
	FOR_BITS (row, in->present, from, to) {
		bool is_there = side == 1 && bit_get(state->marks, links[row].group);
		if (is_there && node->plan->card == CARD_ONE_TO_ONE)
			return node_fail(node, "vector cannot contain metrics with the same labelset");
		if (is_there)
			continue;
		uint32_t out = state->out[side][row];
		node->own_values[out] = in->values[row];
		bit_set(node->own_present, out);
	}
	return 0;
}

/* `and`: a row is silent, too, when one of its partners is. */
static void mark_silent_filter(struct binding *b, struct node *node, const struct node *left,
			       const struct node *right)
{
	struct set_state *state = node->state;
	if (node->plan->binary != OP_AND || !right->silent || !node_silent_begin(b, node))
		return;
	if (left->silent)
		FOR_BITS (row, left->silent, 0, left->n)
			bit_set(node->own_silent, row);
	match_mark(&state->match, 1, right->silent, right->n, state->marks);
	for (uint32_t row = 0; row < left->n; row++)
		if (match_has(&state->match, 0, row) &&
		    bit_get(state->marks, state->match.links[0][row].group))
			bit_set(node->own_silent, row);
}

static void mark_silent_or(struct binding *b, struct node *node)
{
	struct set_state *state = node->state;
	if (!node_silent_begin(b, node))
		return;
	for (uint32_t side = 0; side < 2; side++) {
		const struct node *in = node->children[side];
		if (in->silent)
			FOR_BITS (row, in->silent, 0, in->n)
				bit_set(node->own_silent, state->out[side][row]);
	}
}

static int set_begin(struct binding *b, struct node *node)
{
	struct set_state *state = node->state;
	const struct node *left = node->children[0], *right = node->children[1];
	if (!marks_reserve(state))
		return ERR_NOMEM;
	if (node->plan->binary == OP_OR) {
		mark_silent_or(b, node);
	} else {
		mark_silent_filter(b, node, left, right);
		node->values = left->values;
	}
	bits_clear(node->own_present, node->n);
	bits_clear(state->marks, state->match.ngroups);
	return 0;
}

static uint32_t steps_set(const struct node *node)
{
	uint32_t judged = judged_side(node);
	return steps_padded(node->children[!judged]->n) + node->children[judged]->n;
}

/* First the rows of the side that is not judged, then the others. */
static int eval_set(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		    int64_t *units)
{
	struct set_state *state = node->state;
	bool is_or = node->plan->binary == OP_OR;
	uint32_t judged = judged_side(node), other = !judged;
	const struct node *in = node->children[other];
	struct steps steps = { .from = from, .to = to };
	int err = from == 0 ? set_begin(b, node) : 0;
	if (err)
		return err;
	*units -= (int64_t)UNITS_MATCHED * (to - from);
	if (steps_take(&steps, in->n)) {
		match_mark_more(&state->match, other, in->present, steps.at, steps.end,
				state->marks);
		if (is_or)
			err = copy_rows(node, other, steps.at, steps.end);
	}
	if (err || !steps_take(&steps, node->children[judged]->n))
		return err;
	if (is_or)
		return copy_rows(node, judged, steps.at, steps.end);
	filter_rows(node, node->children[judged], steps.at, steps.end);
	return 0;
}

/* ---- parts ---- */

/* The row of the result that a row of a side is, or belongs to. */
static uint32_t out_row(const struct node *node, uint32_t side, uint32_t row)
{
	const struct set_state *state = node->state;
	return node->plan->binary == OP_OR ? state->out[side][row] : row;
}

/*
 * Rows of the result depend on those they are, and on those of the other side with the same
 * signature: the left on the right for `and` and `unless`, the right on the left for `or`.
 */
static void up_set(struct node *node, uint32_t child, const uint64_t *in, uint64_t *out)
{
	struct set_state *state = node->state;
	uint32_t judged = judged_side(node);
	if (child == judged || node->plan->binary == OP_OR)
		FOR_BITS (row, in, 0, node->children[child]->rows->n)
			if (match_has(&state->match, child, row))
				bit_set(out, out_row(node, child, row));
	if (child == judged || !marks_reserve(state))
		return;
	match_mark(&state->match, child, in, node->children[child]->rows->n, state->marks);
	for (uint32_t row = 0; row < node->children[judged]->rows->n; row++)
		if (match_has(&state->match, judged, row) &&
		    bit_get(state->marks, state->match.links[judged][row].group))
			bit_set(out, out_row(node, judged, row));
}

static void down_set(struct node *node, uint32_t child, const uint64_t *out, uint64_t *in)
{
	struct set_state *state = node->state;
	uint32_t judged = judged_side(node), n = node->children[child]->rows->n;
	if (child == judged || node->plan->binary == OP_OR)
		for (uint32_t row = 0; row < n; row++)
			if (match_has(&state->match, child, row) &&
			    bit_get(out, out_row(node, child, row)))
				bit_set(in, row);
	if (child == judged || !marks_reserve(state))
		return;
	bits_clear(state->marks, state->match.ngroups);
	for (uint32_t row = 0; row < node->children[judged]->rows->n; row++)
		if (match_has(&state->match, judged, row) && bit_get(out, out_row(node, judged, row)))
			bit_set(state->marks, state->match.links[judged][row].group);
	for (uint32_t row = 0; row < n; row++)
		if (match_has(&state->match, child, row) &&
		    bit_get(state->marks, state->match.links[child][row].group))
			bit_set(in, row);
}

const struct node_kind node_set = {
	.name = "set operator",
	.shape = shape_set,
	.extend = extend_set,
	.steps = steps_set,
	.eval = eval_set,
	.release = release_set,
	.fini = fini_set,
	.up = up_set,
	.down = down_set,
};
