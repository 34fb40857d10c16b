/* Aggregations that pick elements (topk, bottomk, limitk, limit_ratio): rows of the operand. */
#include <stdlib.h>

#include "base/text.h"
#include "engine/aggregate.h"
#include "engine/numeric.h"

/* ---- groups ---- */

static int shape_pick(struct binding *b, struct node *node)
{
	int err = aggregate_shape(b, node);
	if (!err)
		node_base_set(b, node, node->children[0], false);
	return err;
}

/* ---- parts ---- */

/* topk and bottomk: whether an element is picked depends on all of its group. */
static void spread_pick(struct node *node, const uint64_t *marked, uint64_t *out)
{
	struct aggregate *agg = node->state;
	bool all = aggregate_slots_begin(agg, 0) != 0; /* no memory to tell them apart */
	for (uint32_t row = 0; !all && row < node->rows->n; row++)
		if (aggregate_has(agg, row))
			agg->counts[agg->group_of[row]] |= bit_get(marked, row);
	for (uint32_t row = 0; row < node->rows->n; row++)
		if (aggregate_has(agg, row) && (all || agg->counts[agg->group_of[row]]))
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
		err = aggregate_slots_begin(agg, 0);
	if (err)
		return err;
	bits_clear(node->own_present, node->n);
	node->values = in->values;
	aggregate_lay_out(agg);
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

const struct node_kind node_pick = {
	.name = "pick",
	.shape = shape_pick,
	.extend = aggregate_extend,
	.steps = aggregate_steps,
	.eval = eval_pick,
	.fini = aggregate_fini,
	.up = up_pick,
	.down = down_pick,
};

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
	aggregate_lay_out(agg);
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

/* Where the labels' hash lies between 0 and 1. */
static int hash_place(struct binding *b, uint32_t lset, double *place)
{
	struct labels *labels = binding_labels(b, lset);
	if (!labels)
		return ERR_NOMEM;
	int err = labels_place(labels, place);
	labels_unref(labels);
	return err;
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
	int err = aggregate_slots_begin(node->state, 0);
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
	.extend = aggregate_extend,
	.eval = eval_limit,
	.fini = aggregate_fini,
};
