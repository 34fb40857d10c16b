/*
 * The rows of a join: its labels, decided once per row or pair.
 *
 * Without include labels the result's labels are made of the many side's alone: its rows keep that
 * side's ids. With them there is a row per pair.
 */
#include <stdlib.h>

#include "engine/join.h"

static bool has_metric_name(const struct names *names)
{
	for (uint32_t i = 0; i < names->n; i++)
		if (slice_is(names->items[i], METRIC_NAME))
			return true;
	return false;
}

/* Names the rows' properties; see struct node. */
static void describe(const struct binding *b, struct node *node, const struct join *join)
{
	const struct plan_node *p = node->plan;
	const struct node *many = node->children[join->many];
	bool includes_name = has_metric_name(&p->include) && !p->is_bool;
	bool keeps_name = join->one_to_one && p->on ? has_metric_name(&p->labels) : true;
	bool drops_name = join->drops_name && !(b->plan->delayed_names && p->is_bool);
	bool includes_metadata = names_have_metadata(&p->include) && !p->is_bool;
	bool keeps_metadata = !(join->one_to_one && p->on) || names_have_metadata(&p->labels);
	node->nameless =
		!includes_metadata && (drops_name || many->nameless || !keeps_metadata);
	/*
	 * One-to-one: no two rows present have one signature, which has no name but if on() says
	 * so.
	 */
	node->one_name =
		!includes_name && (many->one_name || (join->one_to_one && !(p->on && keeps_name)));
	/* One-to-one: rows of different signatures that lose what tells these apart. */
	bool loses_signature = drops_name && p->on && names_have_metadata(&p->labels);
	bool loses_name = drops_name && !many->nameless && !many->one_name;
	node->may_repeat = join->one_to_one ? loses_signature : join->ninclude || loses_name;
}

int join_shape(struct binding *b, struct node *node)
{
	const struct plan_node *p = node->plan;
	struct join *join = node->state = calloc(1, sizeof(*join));
	if (!join)
		return ERR_NOMEM;
	join->many = p->card == CARD_ONE_TO_MANY;
	join->one = !join->many;
	join->one_to_one = p->card == CARD_ONE_TO_ONE;
	join->drops_name = !binary_op_is_comparison(p->binary) || p->is_bool;
	int err = match_init(b, &join->match, p);
	if (!err)
		err = symbols_take(b, &p->include, false, &join->include, &join->ninclude);
	if (err)
		return err;
	if (!join->ninclude) {
		struct node *many = node->children[join->many];
		/* With delayed names a filter's rows may lose a mark that they have there. */
		bool keeps_lsets = many->nameless || (!join->drops_name && !b->plan->delayed_names);
		if (!join->one_to_one && keeps_lsets)
			node_base_set(b, node, many, false);
		node->base = many;
	}
	describe(b, node, join);
	return 0;
}

int join_release(struct binding *b, struct node *node, int64_t *units)
{
	return match_release(b, &((struct join *)node->state)->match, units);
}

void join_fini(struct binding *b, struct node *node)
{
	struct join *join = node->state;
	if (!join)
		return;
	match_fini(b, &join->match);
	if (join->include)
		symbols_give(b, join->include, join->ninclude);
	free(join->pairs);
	free(join->first_pair);
	free(join->partner);
	free(join->used);
	free(join->matched);
	free(join);
}

/* ---- labels ---- */

/* Of a row of the many side, without a look at the one side. */
static uint32_t many_lset(struct binding *b, const struct node *node, uint32_t row)
{
	const struct join *join = node->state;
	const struct match *match = &join->match;
	uint32_t lset = node->children[join->many]->rows->lsets[row];
	if (!join->one_to_one)
		lset_ref(b->lsets, lset);
	else if (match->on)
		lset = lset_only(b->lsets, lset, match->labels, match->nlabels);
	else /* the last of the labels is the metric name */
		lset = lset_without(b->lsets, lset, match->labels,
				    match->nlabels - symbols_hidden(b));
	return binding_joined(b, node->plan, lset);
}

static uint32_t pair_lset(struct binding *b, const struct node *node, uint32_t many_row,
			  uint32_t one_row)
{
	const struct join *join = node->state;
	uint32_t many = many_lset(b, node, many_row);
	if (many == LSET_NONE)
		return LSET_NONE;
	uint32_t one = node->children[join->one]->rows->lsets[one_row];
	uint32_t lset = lset_take_from(b->lsets, many, one, join->include, join->ninclude);
	lset_unref(b->lsets, many);
	/* A name that was included goes with bool only. */
	return lset != LSET_NONE && node->plan->is_bool ? binding_joined(b, node->plan, lset)
							: lset;
}

/* ---- pairs ---- */

uint32_t join_pair_find(const struct join *join, uint32_t many_row, uint32_t one_row)
{
	uint32_t out = join->first_pair[many_row];
	while (out != MATCH_NONE && join->pairs[out].one != one_row)
		out = join->pairs[out].next;
	return out;
}

static bool pairs_reserve(struct join *join, uint32_t n)
{
	if (n <= join->pairs_cap)
		return true;
	uint32_t cap = n + n / 2 + 8;
	struct join_pair *pairs = realloc(join->pairs, cap * sizeof(*pairs));
	if (!pairs)
		return false;
	join->pairs = pairs;
	join->pairs_cap = cap;
	return true;
}

static bool first_reserve(struct join *join, uint32_t n)
{
	if (n <= join->first_cap)
		return true;
	uint32_t cap = n + n / 2 + 8;
	uint32_t *first = realloc(join->first_pair, cap * sizeof(*first));
	if (!first)
		return false;
	for (uint32_t i = join->first_cap; i < cap; i++)
		first[i] = MATCH_NONE;
	join->first_pair = first;
	join->first_cap = cap;
	return true;
}

static int add_pair(struct binding *b, struct node *node, uint32_t many_row, uint32_t one_row)
{
	struct join *join = node->state;
	uint32_t out;
	int err = node_row_new(b, node, pair_lset(b, node, many_row, one_row), &out);
	if (err)
		return err;
	if (!pairs_reserve(join, out + 1))
		return ERR_NOMEM;
	join->pairs[out] = (struct join_pair){ one_row, join->first_pair[many_row] };
	join->first_pair[many_row] = out;
	return 0;
}

/* Takes away the pair of the row with one_row or, for MATCH_NONE, all its pairs. */
static void remove_pairs(struct binding *b, struct node *node, uint32_t many_row, uint32_t one_row)
{
	struct join *join = node->state;
	for (uint32_t *link = &join->first_pair[many_row]; *link != MATCH_NONE;) {
		uint32_t out = *link;
		if (one_row != MATCH_NONE && join->pairs[out].one != one_row) {
			link = &join->pairs[out].next;
			continue;
		}
		*link = join->pairs[out].next;
		node_row_remove(b, node, out);
	}
}

/*
 * Makes the pairs that a group lacks: of each row of the many side with the first partners. Between
 * removals: rows that the children have no more are about to be removed here, too.
 */
static int complete_pairs(struct binding *b, struct node *node, uint32_t g)
{
	struct join *join = node->state;
	const struct match_link *const *links = (const struct match_link *const *)join->match.links;
	const struct rows *many_rows = node->children[join->many]->rows;
	const struct rows *one_rows = node->children[join->one]->rows;
	const struct match_group *group = &join->match.groups[g];
	uint32_t partners = 0;
	for (uint32_t one = group->first[join->one]; one != MATCH_NONE;
	     one = links[join->one][one].next) {
		if (!rows_has(one_rows, one))
			continue;
		if (++partners > JOIN_PARTNERS_MAX)
			break;
		for (uint32_t many = group->first[join->many]; many != MATCH_NONE;
		     many = links[join->many][many].next) {
			bool lacks = rows_has(many_rows, many) &&
				     join_pair_find(join, many, one) == MATCH_NONE;
			int err = lacks ? add_pair(b, node, many, one) : 0;
			if (err)
				return err;
		}
	}
	return 0;
}

/* A row that match has just taken in. */
static int pair_up(struct binding *b, struct node *node, uint32_t side, uint32_t row)
{
	struct join *join = node->state;
	const struct match_link *const *links = (const struct match_link *const *)join->match.links;
	const struct match_group *group = &join->match.groups[links[side][row].group];
	if (side == join->one && group->count[side] > JOIN_PARTNERS_MAX)
		return 0;
	uint32_t other = !side, partners = 0;
	for (uint32_t i = group->first[other]; i != MATCH_NONE; i = links[other][i].next) {
		if (side == join->many && ++partners > JOIN_PARTNERS_MAX)
			break;
		int err =
			side == join->many ? add_pair(b, node, row, i) : add_pair(b, node, i, row);
		if (err)
			return err;
	}
	return 0;
}

static int part(struct binding *b, struct node *node, uint32_t side, uint32_t row)
{
	struct join *join = node->state;
	uint32_t g = join->match.links[side][row].group;
	const struct match_group *group = &join->match.groups[g];
	bool crowded = side == join->one && group->count[side] > JOIN_PARTNERS_MAX;
	if (side == join->many) {
		remove_pairs(b, node, row, MATCH_NONE);
	} else {
		const struct match_link *links = join->match.links[join->many];
		for (uint32_t many = group->first[join->many]; many != MATCH_NONE;
		     many = links[many].next)
			remove_pairs(b, node, many, row);
	}
	match_remove(b, &join->match, side, row);
	return crowded ? complete_pairs(b, node, g) : 0;
}

bool join_is_crowded(const struct node *node)
{
	const struct join *join = node->state;
	for (uint32_t g = 0; join->ninclude && g < join->match.ngroups; g++)
		if (join->match.groups[g].lset != LSET_NONE &&
		    join->match.groups[g].count[join->one] > JOIN_PARTNERS_MAX)
			return true;
	return false;
}

/* ---- extend ---- */

static int add_row(struct binding *b, struct node *node, uint32_t side, uint32_t row)
{
	struct join *join = node->state;
	int err = match_add(b, &join->match, side, row, node->children[side]->rows->lsets[row]);
	if (err)
		return err;
	if (join->ninclude)
		return first_reserve(join, side == join->many ? row + 1 : 0)
			       ? pair_up(b, node, side, row)
			       : ERR_NOMEM;
	if (side != join->many || node->rows != &node->own)
		return 0;
	uint32_t lset = node->children[side]->rows->lsets[row];
	err = join->drops_name ? node_count_uses(b, node, lset) : 0;
	return err ? err : node_row_put(b, node, row, many_lset(b, node, row));
}

int join_extend(struct binding *b, struct node *node, uint32_t child, uint32_t row, bool added)
{
	struct join *join = node->state;
	bool known = match_has(&join->match, child, row);
	if (added)
		return known ? 0 : add_row(b, node, child, row);
	if (!known)
		return 0;
	if (join->ninclude)
		return part(b, node, child, row);
	match_remove(b, &join->match, child, row);
	if (child == join->many && node->rows == &node->own)
		node_row_remove(b, node, row);
	return 0;
}
