/*
 * Binary operators between two vectors, other than set operators: one-to-one, many-to-one,
 * one-to-many.
 *
 * Who may match whom is decided when rows come and go (join_rows.c); here by presence only: which
 * row of the one side stands for each match group, then the operation for each row of the many
 * side. Errors in Prometheus' words and order.
 */
#include <stdlib.h>

#include "engine/join.h"
#include "engine/operators.h"

int join_fail_one_side(struct binding *b, struct node *node, uint32_t signature, uint32_t row,
		       uint32_t other)
{
	uint32_t one = node->plan->card != CARD_ONE_TO_MANY;
	const uint32_t *lsets = node->children[one]->rows->lsets;
	uint32_t first = lsets[row], second = lsets[other];
	if (lset_compare(b->lsets, first, second) > 0) {
		first = lsets[other];
		second = lsets[row];
	}
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "found duplicate series for the match group ");
	binding_format_lset(b, signature, &text);
	buf_printf(&text, " on the %s hand-side of the operation: [", one ? "right" : "left");
	binding_format_lset(b, first, &text);
	buf_add_str(&text, ", ");
	binding_format_lset(b, second, &text);
	buf_add_str(&text, "];many-to-many matching not allowed: matching labels must be unique on "
			   "one side");
	int err = buf_ok(&text) ? node_fail(node, "%s", text.ptr) : ERR_NOMEM;
	buf_fini(&text);
	return err;
}

static int groups_reserve(struct join *join)
{
	uint32_t n = join->match.ngroups;
	if (n <= join->groups_cap && join->partner)
		return 0;
	uint32_t cap = n + n / 4 + 64;
	free(join->partner);
	free(join->used);
	join->partner = malloc(cap * sizeof(*join->partner));
	join->used = malloc(words_of(cap) * sizeof(*join->used));
	join->groups_cap = join->partner && join->used ? cap : 0;
	return join->groups_cap ? 0 : ERR_NOMEM;
}

static int matched_reserve(struct join *join, uint32_t n)
{
	if (n <= join->matched_cap && join->matched)
		return 0;
	free(join->matched);
	join->matched_cap = n + 64;
	join->matched = malloc(words_of(join->matched_cap) * sizeof(*join->matched));
	return join->matched ? 0 : ERR_NOMEM;
}

/* Finds the row of the one side that stands for each match group. */
static int find_partners(struct binding *b, struct node *node, const struct node *one,
			 uint32_t from, uint32_t to)
{
	struct join *join = node->state;
	const struct match_link *links = join->match.links[join->one];
	FOR_BITS (row, one->present, from, to) {
		uint32_t group = links[row].group;
		if (join->partner[group] != MATCH_NONE)
			return join_fail_one_side(b, node, join->match.groups[group].lset, row,
						  join->partner[group]);
		join->partner[group] = row;
	}
	return 0;
}

/* The value for a pair; false: a filter lets it not through. */
static inline bool compute(const struct plan_node *p, bool is_comparison, double left, double right,
			   double *out)
{
	if (!is_comparison) {
		*out = operator_compute(p->binary, left, right);
		return true;
	}
	bool holds = operator_holds(p->binary, left, right);
	*out = p->is_bool ? holds : left;
	return p->is_bool || holds;
}

static int compare_words(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/*
 * Two rows of a match group that matched and have the same labels, whatever a filter says of them.
 * (Those of two groups are an error only if both are present: node_check_repeats().)
 */
static int check_matched(struct node *node)
{
	const struct join *join = node->state;
	const struct match_link *const *links = (const struct match_link *const *)join->match.links;
	uint32_t n = 0;
	uint64_t *pairs = malloc(((size_t)node->n + 1) * sizeof(*pairs)); /* labels, group */
	if (!pairs)
		return ERR_NOMEM;
	FOR_BITS (row, join->matched, 0, node->n) {
		uint32_t lset = node->rows->lsets[row];
		uint32_t group = join->ninclude ? links[join->one][join->pairs[row].one].group
						: links[join->many][row].group;
		if (id_map_find(&node->lset_uses, lset) >= 2)
			pairs[n++] = (uint64_t)lset << 32 | group;
	}
	qsort(pairs, n, sizeof(*pairs), compare_words);
	bool repeats = false;
	for (uint32_t i = 1; i < n; i++)
		repeats |= pairs[i] == pairs[i - 1];
	free(pairs);
	return repeats ? node_fail(node, "multiple matches for labels: "
					 "grouping labels must ensure unique matches")
		       : 0;
}

static int match_rows(struct binding *b, struct node *node, const struct node *many,
		      const struct node *one, uint32_t from, uint32_t to)
{
	struct join *join = node->state;
	const struct plan_node *p = node->plan;
	const struct match_link *links = join->match.links[join->many];
	bool comparison = binary_op_is_comparison(p->binary), swapped = join->many == 1;
	bool trims = binary_op_is_trim(p->binary);
	bool once = join->one_to_one && join->match.repeated[join->many];
	if (once && from == 0)
		bits_clear(join->used, join->match.ngroups);
	FOR_BITS (row, many->present, from, to) {
		uint32_t group = links[row].group, partner = join->partner[group], out = row;
		if (partner == MATCH_NONE)
			continue;
		if (trims) {
			node_note_trim(b, node);
			continue;
		}
		if (once && bit_get(join->used, group))
			return node_fail(
				node, "multiple matches for labels: many-to-one matching must be "
				      "explicit (group_left/group_right)");
		if (once)
			bit_set(join->used, group);
		if (join->ninclude)
			out = join_pair_find(join, row, partner);
		if (out == ROW_NONE)
			return node_fail(node,
					 "more than %d series of the match group are kept on the "
					 "\"one\" side of the operation",
					 JOIN_PARTNERS_MAX);
		double left = many->values[row], right = one->values[partner];
		bool kept = swapped ? compute(p, comparison, right, left, &node->own_values[out])
				    : compute(p, comparison, left, right, &node->own_values[out]);
		if (node->repeats)
			bit_set(join->matched, out);
		if (kept)
			bit_set(node->own_present, out);
	}
	return 0;
}

/* ---- silent senders ---- */

/* Either side's silence may be why a row is absent. */
static void mark_silent(struct binding *b, struct node *node)
{
	struct join *join = node->state;
	const struct node *many = node->children[join->many], *one = node->children[join->one];
	node->silent = NULL;
	if ((!many->silent && !one->silent) || !node_silent_begin(b, node))
		return;
	bits_clear(join->used, join->match.ngroups);
	if (one->silent)
		match_mark(&join->match, join->one, one->silent, one->n, join->used);
	for (uint32_t row = 0; row < many->n; row++) {
		if (!match_has(&join->match, join->many, row))
			continue;
		uint32_t group = join->match.links[join->many][row].group;
		if (!(many->silent && bit_get(many->silent, row)) && !bit_get(join->used, group))
			continue;
		uint32_t out = join->ninclude ? join->first_pair[row] : row;
		for (; out != MATCH_NONE; out = join->ninclude ? join->pairs[out].next : MATCH_NONE)
			bit_set(node->own_silent, out);
	}
}

/* Rows of the one side, then those of the many side. */
static uint32_t steps_join(const struct node *node)
{
	const struct join *join = node->state;
	return steps_padded(node->children[join->one]->n) + node->children[join->many]->n;
}

static int join_begin(struct binding *b, struct node *node, const struct node *many,
		      const struct node *one)
{
	struct join *join = node->state;
	int err = groups_reserve(join);
	if (!err && node->repeats)
		err = matched_reserve(join, node->n);
	if (err)
		return err;
	mark_silent(b, node);
	bits_clear(node->own_present, node->n);
	if (node->repeats)
		bits_clear(join->matched, node->n);
	memset(join->partner, 0xff, join->match.ngroups * sizeof(*join->partner));
	/* Nothing can match: not an error, either. */
	join->is_idle = !bits_any(many->present, many->n) || !bits_any(one->present, one->n);
	return 0;
}

static int eval_join(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		     int64_t *units)
{
	struct join *join = node->state;
	const struct node *many = node->children[join->many], *one = node->children[join->one];
	struct steps steps = { .from = from, .to = to };
	int err = from == 0 ? join_begin(b, node, many, one) : 0;
	*units -= (int64_t)UNITS_MATCHED * (to - from);
	if (err || join->is_idle)
		return err;
	if (steps_take(&steps, one->n))
		err = find_partners(b, node, one, steps.at, steps.end);
	if (!err && steps_take(&steps, many->n))
		err = match_rows(b, node, many, one, steps.at, steps.end);
	if (!err && node->repeats && !join->one_to_one && to == steps_join(node))
		err = check_matched(node);
	return err;
}

/* ---- parts ---- */

static void mark_pairs(const struct join *join, uint32_t row, uint64_t *out)
{
	uint32_t pair = join->ninclude ? join->first_pair[row] : row;
	for (; pair != MATCH_NONE; pair = join->ninclude ? join->pairs[pair].next : MATCH_NONE)
		bit_set(out, pair);
}

static bool is_pair_marked(const struct join *join, uint32_t row, const uint64_t *marked)
{
	uint32_t pair = join->ninclude ? join->first_pair[row] : row;
	for (; pair != MATCH_NONE; pair = join->ninclude ? join->pairs[pair].next : MATCH_NONE)
		if (bit_get(marked, pair))
			return true;
	return false;
}

static void up_join(struct node *node, uint32_t child, const uint64_t *in, uint64_t *out)
{
	struct join *join = node->state;
	bool is_many = child == join->many;
	uint32_t nmany = node->children[join->many]->rows->n;
	if (!is_many && groups_reserve(join))
		return;
	if (!is_many)
		match_mark(&join->match, join->one, in, node->children[child]->rows->n, join->used);
	for (uint32_t row = 0; row < nmany; row++) {
		if (!match_has(&join->match, join->many, row))
			continue;
		uint32_t group = join->match.links[join->many][row].group;
		if (is_many ? bit_get(in, row) : bit_get(join->used, group))
			mark_pairs(join, row, out);
	}
}

static void down_join(struct node *node, uint32_t child, const uint64_t *out, uint64_t *in)
{
	struct join *join = node->state;
	uint32_t nmany = node->children[join->many]->rows->n;
	bool is_many = child == join->many;
	if (groups_reserve(join))
		return;
	bits_clear(join->used, join->match.ngroups);
	for (uint32_t row = 0; row < nmany; row++) {
		if (!match_has(&join->match, join->many, row) || !is_pair_marked(join, row, out))
			continue;
		bit_set(join->used, join->match.links[join->many][row].group);
		if (is_many)
			bit_set(in, row);
	}
	for (uint32_t row = 0; !is_many && row < node->children[child]->rows->n; row++)
		if (match_has(&join->match, child, row) &&
		    bit_get(join->used, join->match.links[child][row].group))
			bit_set(in, row);
}

/* Whether a match is ambiguous depends on all rows of its group. */
static bool may_join_fail(const struct node *node)
{
	const struct join *join = node->state;
	return join->match.repeated[join->one] > 0 ||
	       (join->one_to_one && join->match.repeated[join->many] > 0);
}

const struct node_kind node_join = {
	.name = "join",
	.shape = join_shape,
	.extend = join_extend,
	.steps = steps_join,
	.eval = eval_join,
	.release = join_release,
	.fini = join_fini,
	.up = up_join,
	.down = down_join,
	.may_fail = may_join_fail,
};
