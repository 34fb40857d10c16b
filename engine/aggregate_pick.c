/* Aggregations that pick elements (topk, bottomk, limitk, limit_ratio): rows of the operand. */
#include <stdlib.h>

#include "base/text.h"
#include "engine/aggregate.h"
#include "engine/numeric.h"

/* What a row costs whose labels are looked at, in units. */
#define UNITS_RANKED 10

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

/* ---- topk, bottomk, limitk ---- */

/* By what rows of the operand are ranked. */
struct ranking {
	const struct node *in;
	const struct lset_table *lsets;
	enum aggregate_op by;
};

/*
 * Does row i rank before j? By values NaN is last, and of equal ones the earlier row is first.
 * limitk() goes by labels: it picks the same ones as long as they are there.
 */
static inline bool ranks_before(const struct ranking *r, uint32_t i, uint32_t j)
{
	if (r->by == AGG_LIMITK)
		return lset_compare(r->lsets, r->in->rows->lsets[i], r->in->rows->lsets[j]) < 0;
	double a = r->in->values[i], b = r->in->values[j];
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b) ? i < j : isnan(b);
	if (a != b)
		return r->by == AGG_TOPK ? a > b : a < b;
	return i < j;
}

/* A heap of rows, the one that ranks last on top. */
static void heap_sift(const struct ranking *r, uint32_t *heap, uint32_t n, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= n)
			return;
		if (child + 1 < n && ranks_before(r, heap[child], heap[child + 1]))
			child++;
		if (!ranks_before(r, heap[at], heap[child]))
			return;
		uint32_t row = heap[at];
		heap[at] = heap[child];
		heap[child] = row;
		at = child;
	}
}

static void heap_add(const struct ranking *r, uint32_t *heap, uint32_t *n, uint32_t k,
		     uint32_t row)
{
	if (*n < k) {
		uint32_t at = (*n)++;
		for (heap[at] = row; at > 0;) {
			uint32_t parent = (at - 1) / 2;
			if (!ranks_before(r, heap[parent], row))
				break;
			heap[at] = heap[parent];
			heap[parent] = row;
			at = parent;
		}
		return;
	}
	if (!ranks_before(r, row, heap[0]))
		return;
	heap[0] = row;
	heap_sift(r, heap, *n, 0);
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
	struct steps steps = { .from = from, .to = to };
	int err = from == 0 ? pick_begin(b, node, in) : 0;
	if (err)
		return err;
	*units -= (int64_t)(to - from) * (node->plan->aggregate == AGG_LIMITK ? UNITS_RANKED : 1);
	if (agg->k == 0)
		return 0;
	const struct ranking ranking = { in, b->lsets, node->plan->aggregate };
	if (steps_take(&steps, in->n))
		FOR_BITS (row, in->present, steps.at, steps.end) {
			uint32_t g = agg->group_of[row];
			heap_add(&ranking, agg->heaps + agg->starts[g], &agg->counts[g], agg->k,
				 row);
		}
	if (!steps_take(&steps, agg->ngroups))
		return 0;
	for (uint32_t g = steps.at; g < steps.end; g++) {
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
	.release = aggregate_release,
	.fini = aggregate_fini,
	.up = up_pick,
	.down = down_pick,
};

/* ---- limit_ratio ---- */

/* Where the labels' hash lies between 0 and 1; a name that is to go in the end counts. */
static int hash_place(struct binding *b, uint32_t lset, double *place)
{
	struct labels *labels = binding_labels_now(b, lset);
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
static int eval_limit_ratio(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			    int64_t *units)
{
	const struct node *in = node->children[0];
	double ratio = node->children[1]->scalar, place;
	int err = 0;
	if (isnan(ratio))
		return node_fail(node, "Ratio value is NaN");
	if (from == 0) {
		bits_clear(node->own_present, node->n);
		node->values = in->values;
	}
	if (from == 0 && fabs(ratio) > 1)
		node_warn_of(b, node, "ratio value should be between -1 and 1, got ", ratio,
			     ratio > 1 ? ", capping to 1" : ", capping to -1");
	ratio = ratio > 1 ? 1 : ratio < -1 ? -1 : ratio;
	*units -= (int64_t)UNITS_RANKED * (to - from);
	if (from >= to)
		return 0;
	FOR_BITS (row, in->present, from, to) {
		if (err)
			break;
		err = hash_place(b, in->rows->lsets[row], &place);
		if (!err && (ratio >= 0 ? place < ratio : place >= 1 + ratio))
			bit_set(node->own_present, row);
	}
	return err;
}

const struct node_kind node_limit_ratio = {
	.name = "limit_ratio",
	.by_rows = true,
	.shape = shape_pick,
	.extend = aggregate_extend,
	.eval = eval_limit_ratio,
	.release = aggregate_release,
	.fini = aggregate_fini,
};
