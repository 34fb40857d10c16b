/*
 * Functions of each element by itself: the rows are the child's, under the same ids.
 *
 * The cheap ones compute all rows, present or not, so that the loop is a plain one over an array;
 * what stands where nobody is present is of no matter.
 */
#include "engine/node.h"
#include "engine/numeric.h"

#define FOR_ALL(expression)                                                                        \
	do {                                                                                       \
		for (uint32_t i = from; i < to; i++) {                                             \
			double v = in[i];                                                          \
			out[i] = (expression);                                                     \
		}                                                                                  \
	} while (0)
#define FOR_PRESENT(expression)                                                                    \
	do {                                                                                       \
		FOR_BITS (i, node->present, from, to) {                                            \
			double v = in[i];                                                          \
			out[i] = (expression);                                                     \
		}                                                                                  \
	} while (0)

static int shape_element(struct binding *b, struct node *node)
{
	node_base_set(node, node->children[0], true);
	return 0;
}

static double sign_of(double v)
{
	return v < 0 ? -1 : v > 0 ? 1 : v;
}

static void eval_clamp(struct node *node, double least, double most, uint32_t from, uint32_t to)
{
	const double *in = node->base->values;
	double *out = node->own_values;
	if (most < least) { /* nothing can be between them */
		bits_clear(node->own_present, node->n);
		node->present = node->own_present;
		return;
	}
	FOR_PRESENT(max_of(least, min_of(most, v)));
}

static double argument(const struct node *node, uint32_t i, double otherwise)
{
	return node->nchildren > i ? node->children[i]->scalar : otherwise;
}

static int eval_element(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			int64_t *units)
{
	const double *in = node->base->values;
	double *out = node->own_values;
	node->present = node->base->present;
	*units -= to - from;
	if (node->plan->op == PLAN_NEGATE) {
		FOR_ALL(-v);
		return 0;
	}
	switch (node->plan->function->id) {
	case FN_ABS:
		FOR_ALL(fabs(v));
		break;
	case FN_CEIL:
		FOR_ALL(ceil(v));
		break;
	case FN_FLOOR:
		FOR_ALL(floor(v));
		break;
	case FN_EXP:
		FOR_PRESENT(exp(v));
		break;
	case FN_LN:
		FOR_PRESENT(log(v));
		break;
	case FN_LOG2:
		FOR_PRESENT(log2(v));
		break;
	case FN_LOG10:
		FOR_PRESENT(log10(v));
		break;
	case FN_SQRT:
		FOR_ALL(sqrt(v));
		break;
	case FN_SGN:
		FOR_ALL(sign_of(v));
		break;
	case FN_ROUND: {
		double inverse = 1.0 / argument(node, 1, 1);
		FOR_ALL(floor(v * inverse + 0.5) / inverse);
		break;
	}
	case FN_CLAMP:
		eval_clamp(node, argument(node, 1, 0), argument(node, 2, 0), from, to);
		break;
	case FN_CLAMP_MIN:
		eval_clamp(node, argument(node, 1, 0), INFINITY, from, to);
		break;
	case FN_CLAMP_MAX:
		eval_clamp(node, -INFINITY, argument(node, 1, 0), from, to);
		break;
	case FN_TIMESTAMP: /* of no plain selector: the time of the evaluation */
		for (uint32_t i = from; i < to; i++)
			out[i] = (double)b->t_ms / 1000;
		break;
	default:
		return ERR_UNSUPPORTED; /* the checker lets none through */
	}
	return 0;
}

static int shape_identity(struct binding *b, struct node *node)
{
	node_base_set(node, node->children[0], false);
	return 0;
}

/* sort() and sort_desc(): the order of a result is the business of whoever prints it. */
static int eval_identity(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			 int64_t *units)
{
	node->values = node->base->values;
	node->present = node->base->present;
	return 0;
}

const struct node_kind node_element = {
	.name = "element function",
	.by_rows = true,
	.shape = shape_element,
	.extend = node_extend_base,
	.eval = eval_element,
};

const struct node_kind node_identity = {
	.name = "identity",
	.shape = shape_identity,
	.eval = eval_identity,
};
