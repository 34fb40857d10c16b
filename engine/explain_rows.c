#include "engine/explain_internal.h"

#include <string.h>

#include "base/error.h"
#include "engine/join.h"

/* ---- which rows are sought ---- */

static struct slice label_of(const struct engine *engine, uint32_t lset, const struct matcher *m)
{
	struct slice name = matcher_name(m);
	uint32_t symbol = symbol_find(engine->lsets, name);
	return symbol == SYMBOL_NONE
		       ? (struct slice){ "", 0 }
		       : symbol_text(engine->lsets, lset_get(engine->lsets, lset, symbol));
}

static bool fits_pairs(const struct engine *engine, const struct sought *sought, uint32_t lset)
{
	for (uint32_t i = 0; i < sought->npairs; i++)
		if (lset_get(engine->lsets, lset, sought->pairs[i].name) != sought->pairs[i].value)
			return false;
	return true;
}

static bool fits_matchers(const struct engine *engine, const struct explain *explain,
			  const struct sought *sought, uint32_t lset)
{
	for (size_t i = 0; i < explain->nmatchers; i++)
		if (sought->applies >> i & 1 &&
		    !matcher_is_match(&explain->matchers[i],
				      label_of(engine, lset, &explain->matchers[i])))
			return false;
	return true;
}

void sought_prepare(const struct engine *engine, const struct explain *explain,
		    const struct node *node, struct sought *sought)
{
	uint64_t all =
		explain->nmatchers == 64 ? UINT64_MAX : (UINT64_C(1) << explain->nmatchers) - 1;
	uint32_t n = node->rows->n < EXPLAIN_ROWS_MAX ? node->rows->n : EXPLAIN_ROWS_MAX;
	sought->applies = 0;
	if (!sought->asks_matchers)
		return;
	for (uint32_t row = 0; row < n && sought->applies != all; row++)
		for (size_t i = 0; rows_has(node->rows, row) && i < explain->nmatchers; i++)
			if (label_of(engine, node->rows->lsets[row], &explain->matchers[i]).len)
				sought->applies |= UINT64_C(1) << i;
}

uint32_t sought_next(const struct engine *engine, const struct explain_work *work,
		     const struct node *node, const struct sought *sought, uint32_t row)
{
	uint32_t n = node->rows->n < EXPLAIN_ROWS_MAX ? node->rows->n : EXPLAIN_ROWS_MAX;
	for (; row < n; row++)
		if (rows_has(node->rows, row) &&
		    fits_pairs(engine, sought, node->rows->lsets[row]) &&
		    fits_matchers(engine, work->explain, sought, node->rows->lsets[row]))
			return row;
	return ROW_NONE;
}

static void pair_add(struct sought *sought, uint32_t name, uint32_t value)
{
	if (sought->npairs < EXPLAIN_PAIRS_MAX)
		sought->pairs[sought->npairs++] = (struct lset_pair){ name, value };
}

void sought_of_signature(const struct engine *engine, const struct node *node, uint32_t signature,
			 struct sought *sought)
{
	const struct plan_node *plan = node->plan;
	const struct lset_pair *pairs = lset_pairs(engine->lsets, signature);
	size_t n = lset_count(engine->lsets, signature);
	sought->npairs = 0;
	for (size_t i = 0; i < n; i++)
		pair_add(sought, pairs[i].name, pairs[i].value);
	for (uint32_t i = 0; plan->on && i < plan->labels.n; i++) {
		uint32_t name = symbol_find(engine->lsets, plan->labels.items[i]);
		if (name != SYMBOL_NONE && lset_get(engine->lsets, signature, name) == SYMBOL_NONE)
			pair_add(sought, name, SYMBOL_NONE);
	}
}

void sought_of_group(const struct engine *engine, const struct node *node, uint32_t row,
		     struct sought *sought)
{
	uint32_t lset = node->rows->lsets[row];
	const struct lset_pair *pairs = lset_pairs(engine->lsets, lset);
	for (size_t i = 0; i < lset_count(engine->lsets, lset); i++)
		if (pairs[i].name != engine->symbol.name)
			pair_add(sought, pairs[i].name, pairs[i].value);
}

/* ---- joins ---- */

const struct match *explain_match(const struct node *node)
{
	if (node->kind == &node_join)
		return &((const struct join *)node->state)->match;
	return node->kind == &node_set ? set_match(node) : NULL;
}

static uint32_t present_in(const struct node *side, const struct match *match, uint32_t group,
			   uint32_t which)
{
	uint32_t row = match->groups[group].first[which];
	for (; row != MATCH_NONE; row = match->links[which][row].next)
		if (explain_is_present(side, row))
			return row;
	return ROW_NONE;
}

void join_sides_of_child(const struct node *node, uint32_t side, uint32_t row,
			 struct join_sides *out)
{
	const struct match *match = explain_match(node);
	*out = (struct join_sides){ .row = { ROW_NONE, ROW_NONE },
				    .present = { ROW_NONE, ROW_NONE },
				    .signature = LSET_EMPTY };
	out->row[side] = row;
	if (!match_has(match, side, row))
		return;
	uint32_t group = match->links[side][row].group;
	out->signature = match->groups[group].lset;
	for (uint32_t which = 0; which < 2; which++) {
		out->present[which] = present_in(node->children[which], match, group, which);
		if (which != side)
			out->row[which] = match->groups[group].first[which];
	}
	out->present[side] = explain_is_present(node->children[side], row) ? row : ROW_NONE;
}

/* The row of the many side of a pair. */
static uint32_t many_of_pair(const struct join *join, uint32_t row, uint32_t group)
{
	uint32_t many = join->match.groups[group].first[join->many];
	for (; many != MATCH_NONE; many = join->match.links[join->many][many].next)
		if (join_pair_find(join, many, join->pairs[row].one) == row)
			return many;
	return ROW_NONE;
}

/* A side's row with these very labels: or keeps them as they are. */
static uint32_t row_of_lset(const struct node *node, uint32_t lset)
{
	uint32_t n = node->rows->n < EXPLAIN_ROWS_MAX ? node->rows->n : EXPLAIN_ROWS_MAX;
	for (uint32_t row = 0; row < n; row++)
		if (node->rows->lsets[row] == lset)
			return row;
	return ROW_NONE;
}

void join_sides_of(const struct node *node, uint32_t row, struct join_sides *out)
{
	const struct join *join = node->kind == &node_join ? node->state : NULL;
	uint32_t side = join ? join->many : 0, many = row;
	if (join && join->ninclude) {
		uint32_t one = join->pairs[row].one;
		if (match_has(&join->match, join->one, one))
			many = many_of_pair(join, row, join->match.links[join->one][one].group);
	} else if (!join && node->plan->binary == OP_OR) {
		many = row_of_lset(node->children[0], node->rows->lsets[row]);
		side = many == ROW_NONE;
		if (side)
			many = row_of_lset(node->children[1], node->rows->lsets[row]);
	}
	join_sides_of_child(node, side, many, out);
}

/* ---- the parts of an alert ---- */

/* As elements.h has it: all labels of the row, less the name, are the alert's, too. */
static bool is_about(const struct engine *engine, uint32_t lset, uint32_t expr_lset)
{
	const struct lset_pair *pairs = lset_pairs(engine->lsets, lset);
	for (size_t i = 0; i < lset_count(engine->lsets, lset); i++)
		if (pairs[i].name != engine->symbol.name &&
		    lset_get(engine->lsets, expr_lset, pairs[i].name) != pairs[i].value)
			return false;
	return true;
}

/* The row of resolve_when about an alert: one that is present, if there is. */
static uint32_t row_about(const struct engine *engine, const struct node *node, uint32_t expr_lset)
{
	uint32_t n = node->rows->n < EXPLAIN_ROWS_MAX ? node->rows->n : EXPLAIN_ROWS_MAX;
	uint32_t first = ROW_NONE;
	for (uint32_t row = 0; row < n; row++) {
		if (!rows_has(node->rows, row) ||
		    !is_about(engine, node->rows->lsets[row], expr_lset))
			continue;
		if (explain_is_present(node, row))
			return row;
		first = first == ROW_NONE ? row : first;
	}
	return first;
}

/* What is known of the alert at a node: its row, or which rows are about it. */
struct about {
	bool known;
	uint32_t row; /* ROW_NONE: whatever is sought */
	struct sought sought;
};

static void about_child(const struct engine *engine, const struct node *node, uint32_t child,
			const struct about *of, struct about *out)
{
	struct join_sides sides;
	if (out->known)
		return;
	*out = *of;
	if (of->row == ROW_NONE || node->children[child]->plan->type != VALUE_VECTOR)
		return;
	if (explain_match(node)) {
		join_sides_of(node, of->row, &sides);
		out->row =
			sides.present[child] != ROW_NONE ? sides.present[child] : sides.row[child];
		out->known = out->row != ROW_NONE;
	} else if (node->base != node->children[child]) {
		out->row = ROW_NONE;
		out->sought.npairs = 0;
		sought_of_group(engine, node, of->row, &out->sought);
	}
}

static void part_read(const struct engine *engine, struct explain_work *work,
		      const struct node *node, const struct about *about, struct explain_part *out)
{
	if (node->plan->type != VALUE_VECTOR) {
		*out = (struct explain_part){ node->plan->type == VALUE_SCALAR, node->scalar };
		return;
	}
	if (about->row != ROW_NONE) {
		if (explain_is_present(node, about->row))
			*out = (struct explain_part){ 1, node->values[about->row] };
		return;
	}
	uint32_t row = sought_next(engine, work, node, &about->sought, 0);
	for (; row != ROW_NONE; row = sought_next(engine, work, node, &about->sought, row + 1)) {
		if (!explain_is_present(node, row))
			continue;
		if (out->rows++ == 0)
			out->value = node->values[row];
	}
}

int explain_parts(struct engine *engine, struct explain_work *work, struct explain_alert *alert,
		  uint32_t expr_lset)
{
	struct explain *explain = work->explain;
	uint32_t n = explain->nnodes;
	struct about *abouts = ARENA_ARRAY(&explain->arena, struct about, n);
	alert->parts = ARENA_ARRAY(&explain->arena, struct explain_part, n);
	if (!abouts || !alert->parts)
		return ERR_NOMEM;
	const struct node *root = explain_node_of(work, n - 1);
	if (root->plan->type != VALUE_VECTOR)
		abouts[n - 1].row = ROW_NONE;
	else if (explain->of == EXPLAIN_OF_EXPR)
		abouts[n - 1].row = row_of_lset(root, expr_lset);
	else
		abouts[n - 1].row = row_about(engine, root, expr_lset);
	abouts[n - 1].known = abouts[n - 1].row != ROW_NONE;
	for (uint32_t place = n; place-- > 0;) {
		const struct node *node = explain_node_of(work, place);
		if (explain->nodes[place].below_subquery)
			continue;
		if (!abouts[place].known && node->plan->type == VALUE_VECTOR)
			continue;
		part_read(engine, work, node, &abouts[place], &alert->parts[place]);
		for (uint32_t i = 0; i < node->nchildren; i++)
			about_child(engine, node, i, &abouts[place],
				    &abouts[explain_place_of(work, node->children[i])]);
	}
	return 0;
}
