/*
 * Aggregations. Each row of the operand knows its group; a group lives while a row of the operand
 * does, present or not.
 *
 * For sum, count and their kind the groups are the rows of the result. topk and bottomk pick rows
 * of the operand: their rows are the operand's, and the groups are only for counting.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/node.h"
#include "engine/numeric.h"

#define GROUP_NONE UINT32_MAX

struct group {
	uint32_t lset; /* a reference */
	uint32_t members;
	uint32_t marked; /* members whose names are to be removed in the end */
};

struct accumulator {
	double a, b;
};

struct aggregate {
	uint32_t *labels, nlabels; /* symbols of by(…) or without(…) */
	uint32_t *group_of; /* by row of the operand */
	uint64_t *marked; /* the same rows: see struct group; NULL when marks mean nothing here */
	bool by_name; /* groups are told apart by names, which may be marked */
	uint32_t cap;
	struct id_map by_lset;
	struct group *groups;
	uint32_t ngroups, groups_cap;
	struct id_list free; /* of pick only: else the node's rows know */
	/* Of the evaluation. */
	void *slots; /* by group: accumulators or means */
	size_t slots_bytes;
	uint32_t *counts, *starts; /* by group: elements seen; first place in the values */
	uint32_t counts_cap;
	double *values;	 /* of quantile, laid out by `starts`; scratch memory */
	uint32_t *heaps; /* of pick, likewise */
	uint32_t k;	 /* of pick */
};

/* ---- shape ---- */

static int shape_aggregate(struct binding *b, struct node *node)
{
	const struct plan_node *p = node->plan;
	struct aggregate *agg = node->state = calloc(1, sizeof(*agg));
	if (!agg)
		return ERR_NOMEM;
	node->nameless = p->without;
	/* Groups differ in nothing but the name only if that is among the labels. */
	node->one_name = true;
	for (uint32_t i = 0; !p->without && i < p->labels.n; i++)
		if (slice_is(p->labels.items[i], METRIC_NAME))
			node->one_name = false;
	if (!p->without && node->one_name)
		node->nameless = true;
	agg->by_name = b->plan->delayed_names && !node->one_name;
	return symbols_take(b, &p->labels, p->without, &agg->labels, &agg->nlabels);
}

static int shape_pick(struct binding *b, struct node *node)
{
	int err = shape_aggregate(b, node);
	if (!err)
		node_base_set(b, node, node->children[0], false);
	return err;
}

static void fini_aggregate(struct binding *b, struct node *node)
{
	struct aggregate *agg = node->state;
	if (!agg)
		return;
	for (uint32_t g = 0; g < agg->ngroups; g++)
		if (agg->groups[g].members)
			lset_unref(b->lsets, agg->groups[g].lset);
	if (agg->labels)
		symbols_give(b, agg->labels, agg->nlabels);
	id_map_fini(&agg->by_lset);
	id_list_fini(&agg->free);
	free(agg->group_of);
	free(agg->marked);
	free(agg->groups);
	free(agg->slots);
	free(agg->counts);
	free(agg->starts);
	free(agg);
}

/* ---- extend ---- */

static bool groups_reserve(struct aggregate *agg, uint32_t n)
{
	if (n <= agg->groups_cap)
		return true;
	uint32_t cap = n + n / 2 + 4;
	struct group *groups = realloc(agg->groups, cap * sizeof(*groups));
	if (!groups)
		return false;
	agg->groups = groups;
	agg->groups_cap = cap;
	return true;
}

/* A group's number is, but for pick, its row. */
static int group_new(struct binding *b, struct node *node, uint32_t lset, uint32_t *out)
{
	struct aggregate *agg = node->state;
	uint32_t group = agg->free.n ? agg->free.ids[agg->free.n - 1] : agg->ngroups;
	if (!node->base) {
		lset_ref(b->lsets, lset);
		int err = node_row_new(b, node, lset, &group);
		if (err)
			return err;
	}
	if (!groups_reserve(agg, group + 1) || !id_map_put(&agg->by_lset, lset, group)) {
		if (!node->base)
			node_row_remove(b, node, group);
		return ERR_NOMEM;
	}
	if (node->base && agg->free.n)
		agg->free.n--;
	if (group >= agg->ngroups)
		agg->ngroups = group + 1;
	lset_ref(b->lsets, lset);
	agg->groups[group] = (struct group){ .lset = lset };
	*out = group;
	return 0;
}

/* A group with a marked member is marked itself: its row gets other labels. */
static int remark(struct binding *b, struct node *node, uint32_t group, bool marked)
{
	struct aggregate *agg = node->state;
	uint32_t lset = agg->groups[group].lset;
	node_row_remove(b, node, group);
	/* The id is free now, and the last that was freed. */
	uint32_t row;
	if (!marked)
		lset_ref(b->lsets, lset);
	int err = node_row_new(b, node, marked ? binding_nameless(b, lset) : lset, &row);
	assert(err || row == group);
	return err;
}

static int note_mark(struct binding *b, struct node *node, uint32_t row, uint32_t group)
{
	struct aggregate *agg = node->state;
	uint32_t lset = node->children[0]->rows->lsets[row];
	if (lset_get(b->lsets, lset, b->mark) == SYMBOL_NONE)
		return 0;
	bit_set(agg->marked, row);
	return agg->groups[group].marked++ ? 0 : remark(b, node, group, true);
}

static int forget_mark(struct binding *b, struct node *node, uint32_t row, uint32_t group)
{
	struct aggregate *agg = node->state;
	if (!agg->marked || !bit_get(agg->marked, row))
		return 0;
	agg->marked[row / 64] &= ~(UINT64_C(1) << row % 64);
	bool is_last = --agg->groups[group].marked == 0;
	return is_last && agg->groups[group].members > 0 ? remark(b, node, group, false) : 0;
}

static int join_group(struct binding *b, struct node *node, uint32_t row)
{
	struct aggregate *agg = node->state;
	uint32_t lset = node->children[0]->rows->lsets[row], group;
	lset = (node->plan->without ? lset_without : lset_only)(b->lsets, lset, agg->labels,
								agg->nlabels);
	if (lset == LSET_NONE)
		return ERR_NOMEM;
	int err = 0;
	group = id_map_find(&agg->by_lset, lset);
	if (group == ID_MAP_NONE)
		err = group_new(b, node, lset, &group);
	lset_unref(b->lsets, lset);
	if (err)
		return err;
	agg->groups[group].members++;
	agg->group_of[row] = group;
	return agg->by_name && !node->base ? note_mark(b, node, row, group) : 0;
}

static int leave_group(struct binding *b, struct node *node, uint32_t row)
{
	struct aggregate *agg = node->state;
	uint32_t group = agg->group_of[row];
	agg->group_of[row] = GROUP_NONE;
	agg->groups[group].members--;
	int err = forget_mark(b, node, row, group);
	if (err || agg->groups[group].members)
		return err;
	id_map_remove(&agg->by_lset, agg->groups[group].lset);
	lset_unref(b->lsets, agg->groups[group].lset);
	if (node->base)
		id_list_add(&agg->free, group); /* a failure only wastes a number */
	else
		node_row_remove(b, node, group);
	return 0;
}

static bool group_of_reserve(struct aggregate *agg, uint32_t n)
{
	if (n <= agg->cap)
		return true;
	uint32_t cap = n + n / 2 + 8;
	uint32_t *group_of = realloc(agg->group_of, cap * sizeof(*group_of));
	if (!group_of)
		return false;
	for (uint32_t i = agg->cap; i < cap; i++)
		group_of[i] = GROUP_NONE;
	agg->group_of = group_of;
	if (agg->by_name) {
		uint64_t *marked = realloc(agg->marked, words_of(cap) * sizeof(*marked));
		if (!marked)
			return false;
		for (uint32_t i = words_of(agg->cap); i < words_of(cap); i++)
			marked[i] = 0;
		agg->marked = marked;
	}
	agg->cap = cap;
	return true;
}

static int extend_aggregate(struct binding *b, struct node *node, uint32_t child, uint32_t row,
			    bool added)
{
	struct aggregate *agg = node->state;
	if (child != 0) /* the parameter is a scalar */
		return 0;
	bool known = row < agg->cap && agg->group_of[row] != GROUP_NONE;
	if (!added) {
		return known ? leave_group(b, node, row) : 0;
	}
	if (known)
		return 0;
	return group_of_reserve(agg, row + 1) ? join_group(b, node, row) : ERR_NOMEM;
}

/* ---- eval: what can be added up element by element ---- */

/* `bytes` zeroed bytes and a zeroed count for each group. */
static int slots_begin(struct aggregate *agg, size_t bytes)
{
	if (agg->ngroups > agg->counts_cap || !agg->counts) {
		uint32_t cap = agg->groups_cap + 1;
		free(agg->counts);
		free(agg->starts);
		agg->counts = malloc(cap * sizeof(*agg->counts));
		agg->starts = malloc((cap + 1) * sizeof(*agg->starts));
		agg->counts_cap = agg->counts && agg->starts ? cap : 0;
		if (!agg->counts_cap)
			return ERR_NOMEM;
	}
	memset(agg->counts, 0, agg->ngroups * sizeof(*agg->counts));
	size_t needed = agg->ngroups * bytes;
	if (needed > agg->slots_bytes) {
		free(agg->slots);
		agg->slots = malloc(needed);
		agg->slots_bytes = agg->slots ? needed : 0;
		if (!agg->slots)
			return ERR_NOMEM;
	}
	if (needed)
		memset(agg->slots, 0, needed);
	return 0;
}

static void add_sum(struct aggregate *agg, const struct node *in, uint32_t from, uint32_t to)
{
	struct accumulator *sums = agg->slots;
	FOR_BITS (row, in->present, from, to) {
		uint32_t g = agg->group_of[row];
		agg->counts[g]++;
		kahan_add(in->values[row], &sums[g].a, &sums[g].b);
	}
}

static void add_avg(struct aggregate *agg, const struct node *in, uint32_t from, uint32_t to)
{
	struct mean *means = agg->slots;
	FOR_BITS (row, in->present, from, to) {
		uint32_t g = agg->group_of[row];
		agg->counts[g]++;
		mean_add(&means[g], in->values[row]);
	}
}

static void add_count(struct aggregate *agg, const struct node *in, uint32_t from, uint32_t to)
{
	FOR_BITS (row, in->present, from, to)
		agg->counts[agg->group_of[row]]++;
}

static void add_extreme(struct aggregate *agg, const struct node *in, uint32_t from, uint32_t to,
			bool greatest)
{
	struct accumulator *best = agg->slots;
	FOR_BITS (row, in->present, from, to) {
		uint32_t g = agg->group_of[row];
		double v = in->values[row];
		if (!agg->counts[g]++ || (greatest ? best[g].a < v : best[g].a > v) ||
		    isnan(best[g].a))
			best[g].a = v;
	}
}

/*
 * Welford's recurrence: a is the mean, b the sum of squares, which an infinity or NaN at the start
 * spoils.
 */
static void add_variance(struct aggregate *agg, const struct node *in, uint32_t from, uint32_t to)
{
	struct accumulator *acc = agg->slots;
	FOR_BITS (row, in->present, from, to) {
		uint32_t g = agg->group_of[row];
		double v = in->values[row];
		if (!agg->counts[g]++) {
			acc[g] = (struct accumulator){ v, isfinite(v) ? 0 : NAN };
			continue;
		}
		double delta = v - acc[g].a;
		acc[g].a += delta / agg->counts[g];
		acc[g].b += delta * (v - acc[g].a);
	}
}

/* ---- eval: what needs the elements of a group together ---- */

/* starts[g]: where group g's elements begin in an array of all, with room for each member. */
static void lay_out(struct aggregate *agg)
{
	agg->starts[0] = 0;
	for (uint32_t g = 0; g < agg->ngroups; g++)
		agg->starts[g + 1] = agg->starts[g] + agg->groups[g].members;
}

static int quantile_begin(struct binding *b, struct node *node)
{
	struct aggregate *agg = node->state;
	node_note_quantile(b, node, node->children[1]->scalar);
	lay_out(agg);
	agg->values = binding_scratch(b, agg->starts[agg->ngroups]);
	return !agg->values && agg->starts[agg->ngroups] ? ERR_NOMEM : 0;
}

static void add_quantile(struct aggregate *agg, const struct node *in, uint32_t from, uint32_t to)
{
	FOR_BITS (row, in->present, from, to) {
		uint32_t g = agg->group_of[row];
		agg->values[agg->starts[g] + agg->counts[g]++] = in->values[row];
	}
}

static void mark_silent(struct binding *b, struct node *node, const struct node *in)
{
	const struct aggregate *agg = node->state;
	uint64_t *silent = in->silent ? node_silent_begin(b, node) : NULL;
	if (!silent)
		return;
	FOR_BITS (row, in->silent, 0, in->n)
		if (row < agg->cap && agg->group_of[row] != GROUP_NONE)
			bit_set(silent, agg->group_of[row]);
}

/* ---- parts ---- */

static bool has_group(const struct aggregate *agg, uint32_t row)
{
	return row < agg->cap && agg->group_of[row] != GROUP_NONE;
}

static void up_aggregate(struct node *node, uint32_t child, const uint64_t *in, uint64_t *out)
{
	const struct aggregate *agg = node->state;
	FOR_BITS (row, in, 0, node->children[0]->rows->n)
		if (has_group(agg, row))
			bit_set(out, agg->group_of[row]);
}

static void down_aggregate(struct node *node, uint32_t child, const uint64_t *out, uint64_t *in)
{
	const struct aggregate *agg = node->state;
	for (uint32_t row = 0; row < node->children[0]->rows->n; row++)
		if (has_group(agg, row) && bit_get(out, agg->group_of[row]))
			bit_set(in, row);
}

/* topk and bottomk: whether an element is picked depends on all of its group. */
static void spread_pick(struct node *node, const uint64_t *marked, uint64_t *out)
{
	struct aggregate *agg = node->state;
	bool all = slots_begin(agg, 0) != 0; /* no memory to tell them apart */
	for (uint32_t row = 0; !all && row < node->rows->n; row++)
		if (has_group(agg, row))
			agg->counts[agg->group_of[row]] |= bit_get(marked, row);
	for (uint32_t row = 0; row < node->rows->n; row++)
		if (has_group(agg, row) && (all || agg->counts[agg->group_of[row]]))
			bit_set(out, row);
}

static void up_pick(struct node *node, uint32_t child, const uint64_t *in, uint64_t *out)
{
	spread_pick(node, in, out);
}

static void down_pick(struct node *node, uint32_t child, const uint64_t *out, uint64_t *in)
{
	spread_pick(node, out, in);
}

/* ---- eval: in steps ---- */

/* Rows of the operand, then groups. */
static uint32_t steps_aggregate(const struct node *node)
{
	const struct aggregate *agg = node->state;
	return steps_padded(node->children[0]->n) + agg->ngroups;
}

static int aggregate_begin(struct binding *b, struct node *node, const struct node *in)
{
	enum aggregate_op op = node->plan->aggregate;
	int err = slots_begin(node->state,
			      op == AGG_AVG ? sizeof(struct mean) : sizeof(struct accumulator));
	if (err)
		return err;
	mark_silent(b, node, in);
	bits_clear(node->own_present, node->n);
	return op == AGG_QUANTILE ? quantile_begin(b, node) : 0;
}

static int add_rows(struct node *node, const struct node *in, uint32_t from, uint32_t to)
{
	struct aggregate *agg = node->state;
	enum aggregate_op op = node->plan->aggregate;
	switch (op) {
	case AGG_SUM:
		add_sum(agg, in, from, to);
		return 0;
	case AGG_AVG:
		add_avg(agg, in, from, to);
		return 0;
	case AGG_COUNT:
	case AGG_GROUP:
		add_count(agg, in, from, to);
		return 0;
	case AGG_MIN:
	case AGG_MAX:
		add_extreme(agg, in, from, to, op == AGG_MAX);
		return 0;
	case AGG_STDDEV:
	case AGG_STDVAR:
		add_variance(agg, in, from, to);
		return 0;
	case AGG_QUANTILE:
		add_quantile(agg, in, from, to);
		return 0;
	default: /* those that pick elements, and count_values */
		return ERR_UNSUPPORTED;
	}
}

/* Sets the value of each group in [from, to) that has an element; `g` is the group. */
#define FOR_GROUPS(expression)                                                                     \
	do {                                                                                       \
		for (uint32_t g = from; g < to; g++) {                                             \
			if (!agg->counts[g])                                                       \
				continue;                                                          \
			node->own_values[g] = (expression);                                        \
			bit_set(node->own_present, g);                                             \
		}                                                                                  \
	} while (0)

static void groups_finish(struct node *node, uint32_t from, uint32_t to)
{
	struct aggregate *agg = node->state;
	const struct accumulator *acc = agg->slots;
	struct mean *means = agg->slots;
	switch (node->plan->aggregate) {
	case AGG_SUM:
		FOR_GROUPS(acc[g].a + acc[g].b);
		return;
	case AGG_AVG:
		FOR_GROUPS(mean_value(&means[g]));
		return;
	case AGG_COUNT:
		FOR_GROUPS(agg->counts[g]);
		return;
	case AGG_GROUP:
		FOR_GROUPS(1);
		return;
	case AGG_STDDEV:
		FOR_GROUPS(sqrt(acc[g].b / agg->counts[g]));
		return;
	case AGG_STDVAR:
		FOR_GROUPS(acc[g].b / agg->counts[g]);
		return;
	case AGG_QUANTILE:
		FOR_GROUPS(quantile_of(node->children[1]->scalar, agg->values + agg->starts[g],
				       agg->counts[g]));
		return;
	default:
		FOR_GROUPS(acc[g].a);
	}
}

static int eval_aggregate(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			  int64_t *units)
{
	const struct node *in = node->children[0];
	const struct aggregate *agg = node->state;
	uint32_t first = steps_padded(in->n), group = from > first ? from - first : 0;
	int err = from == 0 ? aggregate_begin(b, node, in) : 0;
	*units -= to - from;
	if (!err && from < in->n)
		err = add_rows(node, in, from, to < in->n ? to : in->n);
	if (err || to <= first)
		return err;
	groups_finish(node, group, to - first);
	for (; node->plan->aggregate == AGG_QUANTILE && group < to - first; group++)
		*units -= agg->counts[group];
	return 0;
}

/* ---- topk, bottomk ---- */

/*
 * Does value `a` of row `i` rank before `b` of `j`? NaN is last; of equal values the earlier row is
 * first.
 */
static inline bool ranks_before(bool top, double a, uint32_t i, double b, uint32_t j)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b) ? i < j : isnan(b);
	if (a != b)
		return top ? a > b : a < b;
	return i < j;
}

/* A heap of rows, the one that ranks last on top. */
static void heap_sift(const double *values, bool top, uint32_t *heap, uint32_t n, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= n)
			return;
		if (child + 1 < n && ranks_before(top, values[heap[child]], heap[child],
						  values[heap[child + 1]], heap[child + 1]))
			child++;
		if (!ranks_before(top, values[heap[at]], heap[at], values[heap[child]],
				  heap[child]))
			return;
		uint32_t row = heap[at];
		heap[at] = heap[child];
		heap[child] = row;
		at = child;
	}
}

static void heap_add(const double *values, bool top, uint32_t *heap, uint32_t *n, uint32_t k,
		     uint32_t row)
{
	if (*n < k) {
		uint32_t at = (*n)++;
		for (heap[at] = row; at > 0;) {
			uint32_t parent = (at - 1) / 2;
			if (!ranks_before(top, values[heap[parent]], heap[parent], values[row],
					  row))
				break;
			heap[at] = heap[parent];
			heap[parent] = row;
			at = parent;
		}
		return;
	}
	if (!ranks_before(top, values[row], row, values[heap[0]], heap[0]))
		return;
	heap[0] = row;
	heap_sift(values, top, heap, *n, 0);
}

/* The parameter as a count, at most `most`. */
static int pick_count(struct node *node, uint32_t most, uint32_t *k)
{
	double wanted = node->children[1]->scalar;
	if (isnan(wanted))
		return node_fail(node, "Parameter value is NaN");
	if (wanted >= 0x1p63 || wanted <= -0x1p63) {
		struct buf text;
		buf_init(&text);
		number_format_g(wanted, &text);
		int err = node_fail(node, "Scalar value %s %s int64", text.ptr ? text.ptr : "",
				    wanted > 0 ? "overflows" : "underflows");
		buf_fini(&text);
		return err;
	}
	*k = wanted < 1 ? 0 : wanted >= most ? most : (uint32_t)wanted;
	return 0;
}

static int pick_begin(struct binding *b, struct node *node, const struct node *in)
{
	struct aggregate *agg = node->state;
	agg->k = 0;
	int err = pick_count(node, in->n, &agg->k);
	if (!err)
		err = slots_begin(agg, 0);
	if (err)
		return err;
	bits_clear(node->own_present, node->n);
	node->values = in->values;
	lay_out(agg);
	agg->heaps = agg->k ? (uint32_t *)binding_scratch(b, agg->starts[agg->ngroups]) : NULL;
	return agg->k && !agg->heaps && agg->starts[agg->ngroups] ? ERR_NOMEM : 0;
}

static int eval_pick(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		     int64_t *units)
{
	struct aggregate *agg = node->state;
	const struct node *in = node->children[0];
	uint32_t first = steps_padded(in->n), end = to < in->n ? to : in->n;
	int err = from == 0 ? pick_begin(b, node, in) : 0;
	if (err)
		return err;
	*units -= to - from;
	if (agg->k == 0)
		return 0;
	bool top = node->plan->aggregate == AGG_TOPK;
	if (from < end)
		FOR_BITS (row, in->present, from, end) {
			uint32_t g = agg->group_of[row];
			heap_add(in->values, top, agg->heaps + agg->starts[g], &agg->counts[g],
				 agg->k, row);
		}
	for (uint32_t g = from > first ? from - first : 0; to > first && g < to - first; g++) {
		for (uint32_t i = 0; i < agg->counts[g]; i++)
			bit_set(node->own_present, agg->heaps[agg->starts[g] + i]);
		*units -= agg->counts[g] / 4;
	}
	return 0;
}

/* ---- limitk, limit_ratio ---- */

static int by_labels(const void *a, const void *b, void *ctx)
{
	const struct node *in = ((void **)ctx)[0];
	const struct lset_table *lsets = ((void **)ctx)[1];
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return lset_compare(lsets, in->rows->lsets[x], in->rows->lsets[y]);
}

/* The first k of each group by their labels: the same ones as long as they are there. */
static int eval_limit_count(struct binding *b, struct node *node, const struct node *in)
{
	struct aggregate *agg = node->state;
	uint32_t k = 0;
	int err = pick_count(node, in->n, &k);
	if (err || k == 0)
		return err;
	lay_out(agg);
	uint32_t *rows = (uint32_t *)binding_scratch(b, agg->starts[agg->ngroups]);
	if (!rows && agg->starts[agg->ngroups])
		return ERR_NOMEM;
	FOR_BITS (row, in->present, 0, in->n) {
		uint32_t g = agg->group_of[row];
		rows[agg->starts[g] + agg->counts[g]++] = row;
	}
	void *ctx[] = { (void *)in, b->lsets };
	for (uint32_t g = 0; g < agg->ngroups; g++) {
		if (agg->counts[g] > k)
			qsort_r(rows + agg->starts[g], agg->counts[g], sizeof(*rows), by_labels,
				ctx);
		for (uint32_t i = 0; i < agg->counts[g] && i < k; i++)
			bit_set(node->own_present, rows[agg->starts[g] + i]);
	}
	return 0;
}

/* Where the labels' hash lies in [0, 1). */
static int hash_place(struct binding *b, uint32_t lset, double *place)
{
	struct labels *labels = binding_labels(b, lset);
	if (!labels)
		return ERR_NOMEM;
	uint64_t fingerprint = labels_fingerprint(labels);
	labels_unref(labels);
	*place = (double)(hash_checksum(&fingerprint, sizeof(fingerprint)) >> 11) * 0x1p-53;
	return 0;
}

/*
 * About so large a part of all elements, always the same ones; of a negative ratio those that the
 * positive one of 1 + ratio leaves out.
 */
static int eval_limit_ratio(struct binding *b, struct node *node, const struct node *in)
{
	double ratio = node->children[1]->scalar, place;
	int err = 0;
	if (isnan(ratio))
		return node_fail(node, "Ratio value is NaN");
	if (fabs(ratio) > 1 && b->options.notes)
		notes_add(b->options.notes, NOTE_WARNING, node->plan->place, node->plan->id,
			  "ratio value should be between -1 and 1, got %.15g, capping to %d", ratio,
			  ratio > 1 ? 1 : -1);
	ratio = ratio > 1 ? 1 : ratio < -1 ? -1 : ratio;
	FOR_BITS (row, in->present, 0, in->n) {
		if (err)
			break;
		err = hash_place(b, in->rows->lsets[row], &place);
		if (!err && (ratio >= 0 ? place < ratio : place >= 1 + ratio))
			bit_set(node->own_present, row);
	}
	return err;
}

static int eval_limit(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		      int64_t *units)
{
	const struct node *in = node->children[0];
	int err = slots_begin(node->state, 0);
	if (err)
		return err;
	*units -= in->n * 4;
	bits_clear(node->own_present, node->n);
	node->values = in->values;
	return node->plan->aggregate == AGG_LIMITK ? eval_limit_count(b, node, in)
						   : eval_limit_ratio(b, node, in);
}

const struct node_kind node_limit = {
	.name = "limit",
	.shape = shape_pick,
	.extend = extend_aggregate,
	.eval = eval_limit,
	.fini = fini_aggregate,
};

const struct node_kind node_aggregate = {
	.name = "aggregate",
	.shape = shape_aggregate,
	.extend = extend_aggregate,
	.steps = steps_aggregate,
	.eval = eval_aggregate,
	.fini = fini_aggregate,
	.up = up_aggregate,
	.down = down_aggregate,
};

const struct node_kind node_pick = {
	.name = "pick",
	.shape = shape_pick,
	.extend = extend_aggregate,
	.steps = steps_aggregate,
	.eval = eval_pick,
	.fini = fini_aggregate,
	.up = up_pick,
	.down = down_pick,
};
