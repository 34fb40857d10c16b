/*
 * Aggregations whose rows are groups: sum, avg, count, group, min, max, stddev, stdvar, quantile.
 * Those that pick elements are in aggregate_pick.c.
 */
#include "engine/aggregate.h"

#include "base/array.h"

struct accumulator {
	double a, b;
};

/* ---- eval: how many elements each group has ---- */

static bool is_count_apart(enum aggregate_op op)
{
	return op == AGG_SUM || op == AGG_AVG || op == AGG_COUNT || op == AGG_GROUP;
}

/*
 * Elements are counted anew only where another one is present than in the evaluation before, or in
 * another group; each time where there is no memory to tell.
 */
static void counts_begin(struct aggregate *agg, const struct node *in)
{
	uint32_t words = words_of(in->n);
	if (agg->is_counted && agg->ncounted == words &&
	    memcmp(agg->counted, in->present, words * sizeof(*agg->counted)) == 0)
		return;
	agg->is_counted = false;
	agg->ncounted = 0;
	if (words > agg->counted_cap &&
	    array_resize(&agg->counted, words + words / 4, sizeof(*agg->counted)))
		agg->counted_cap = words + words / 4;
}

static void count(struct aggregate *agg, const struct node *in, uint32_t from, uint32_t to)
{
	if (agg->is_counted)
		return;
	FOR_BITS (row, in->present, from, to)
		agg->counts[agg->group_of[row]]++;
	uint32_t word = from / 64, end = words_of(to);
	if (word == agg->ncounted && end <= agg->counted_cap) {
		memcpy(agg->counted + word, in->present + word,
		       (end - word) * sizeof(*agg->counted));
		agg->ncounted = end;
	}
	agg->is_counted = to == in->n && end == agg->ncounted;
}

/* ---- eval: what can be added up element by element ---- */

static void add_sum(struct aggregate *agg, const struct node *in, uint32_t from, uint32_t to)
{
	struct accumulator *sums = agg->slots;
	FOR_BITS (row, in->present, from, to) {
		struct accumulator *sum = &sums[agg->group_of[row]];
		kahan_add(in->values[row], &sum->a, &sum->b);
	}
}

static void add_avg(struct aggregate *agg, const struct node *in, uint32_t from, uint32_t to)
{
	struct mean *means = agg->slots;
	FOR_BITS (row, in->present, from, to)
		mean_add(&means[agg->group_of[row]], in->values[row]);
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

static int quantile_begin(struct binding *b, struct node *node)
{
	struct aggregate *agg = node->state;
	node_note_quantile(b, node, node->children[1]->scalar);
	aggregate_lay_out(agg);
	agg->searches = false;
	agg->searched = 0;
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

static void up_aggregate(struct node *node, uint32_t child, const uint64_t *in, uint64_t *out)
{
	const struct aggregate *agg = node->state;
	FOR_BITS (row, in, 0, node->children[0]->rows->n)
		if (aggregate_has(agg, row))
			bit_set(out, agg->group_of[row]);
}

static void down_aggregate(struct node *node, uint32_t child, const uint64_t *out, uint64_t *in)
{
	const struct aggregate *agg = node->state;
	for (uint32_t row = 0; row < node->children[0]->rows->n; row++)
		if (aggregate_has(agg, row) && bit_get(out, agg->group_of[row]))
			bit_set(in, row);
}

/* ---- eval: in steps ---- */

static int aggregate_begin(struct binding *b, struct node *node, const struct node *in)
{
	enum aggregate_op op = node->plan->aggregate;
	if (is_count_apart(op))
		counts_begin(node->state, in);
	int err = aggregate_slots_begin(node->state, op == AGG_AVG ? sizeof(struct mean)
								   : sizeof(struct accumulator));
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
	if (is_count_apart(op))
		count(agg, in, from, to);
	switch (op) {
	case AGG_SUM:
		add_sum(agg, in, from, to);
		return 0;
	case AGG_AVG:
		add_avg(agg, in, from, to);
		return 0;
	case AGG_COUNT:
	case AGG_GROUP:
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
	default:
		FOR_GROUPS(acc[g].a);
	}
}

/* Those of the groups before `to`, from where it stopped on. 0, ERR_AGAIN. */
static int find_quantiles(struct node *node, uint32_t to, int64_t *units)
{
	struct aggregate *agg = node->state;
	double q = node->children[1]->scalar;
	while (agg->searched < to) {
		uint32_t g = agg->searched;
		size_t seen = 0;
		if (!agg->searches)
			quantile_search_begin(&agg->search, q, agg->values + agg->starts[g],
					      agg->counts[g]);
		agg->searches = !quantile_search_step(&agg->search, &node->own_values[g], &seen);
		*units -= 1 + seen / 2;
		if (!agg->searches) {
			if (agg->counts[g])
				bit_set(node->own_present, g);
			agg->searched++;
		}
		if (*units <= 0 && agg->searched < to)
			return ERR_AGAIN;
	}
	return 0;
}

static int eval_aggregate(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			  int64_t *units)
{
	const struct node *in = node->children[0];
	const struct aggregate *agg = node->state;
	struct steps steps = { .from = from, .to = to };
	int err = from == 0 ? aggregate_begin(b, node, in) : 0;
	*units -= to - from;
	if (!err && steps_take(&steps, in->n))
		err = add_rows(node, in, steps.at, steps.end);
	if (err || !steps_take(&steps, agg->ngroups))
		return err;
	if (node->plan->aggregate == AGG_QUANTILE)
		return find_quantiles(node, steps.end, units);
	groups_finish(node, steps.at, steps.end);
	return 0;
}

const struct node_kind node_aggregate = {
	.name = "aggregate",
	.shape = aggregate_shape,
	.extend = aggregate_extend,
	.steps = aggregate_steps,
	.eval = eval_aggregate,
	.release = aggregate_release,
	.fini = aggregate_fini,
	.up = up_aggregate,
	.down = down_aggregate,
};
