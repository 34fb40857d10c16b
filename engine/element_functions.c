/*
 * Functions of each element by itself: the rows are the child's, under the same ids.
 *
 * The cheap ones compute all rows, present or not, so that the loop is a plain one over an array;
 * what stands where nobody is present is of no matter.
 */
#include "engine/calendar.h"
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
	node_base_set(b, node, node->children[0], true);
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

/* Powers, roundings and signs. False: the function is another. */
static bool eval_arithmetic(struct node *node, uint32_t from, uint32_t to)
{
	const double *in = node->base->values;
	double *out = node->own_values;
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
	default:
		return false;
	}
	return true;
}

/* Of angles. False: the function is another. */
static bool eval_trigonometry(struct node *node, uint32_t from, uint32_t to)
{
	const double *in = node->base->values;
	double *out = node->own_values;
	switch (node->plan->function->id) {
	case FN_SIN:
		FOR_PRESENT(sin(v));
		break;
	case FN_COS:
		FOR_PRESENT(cos(v));
		break;
	case FN_TAN:
		FOR_PRESENT(tan(v));
		break;
	case FN_ASIN:
		FOR_PRESENT(asin(v));
		break;
	case FN_ACOS:
		FOR_PRESENT(acos(v));
		break;
	case FN_ATAN:
		FOR_PRESENT(atan(v));
		break;
	case FN_SINH:
		FOR_PRESENT(sinh(v));
		break;
	case FN_COSH:
		FOR_PRESENT(cosh(v));
		break;
	case FN_TANH:
		FOR_PRESENT(tanh(v));
		break;
	case FN_ASINH:
		FOR_PRESENT(asinh(v));
		break;
	case FN_ACOSH:
		FOR_PRESENT(acosh(v));
		break;
	case FN_ATANH:
		FOR_PRESENT(atanh(v));
		break;
	case FN_DEG:
		FOR_ALL(v * 180 / M_PI);
		break;
	case FN_RAD:
		FOR_ALL(v * M_PI / 180);
		break;
	default:
		return false;
	}
	return true;
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
	if (eval_arithmetic(node, from, to) || eval_trigonometry(node, from, to))
		return 0;
	switch (node->plan->function->id) {
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
	case FN_MINUTE:
	case FN_HOUR:
	case FN_DAY_OF_WEEK:
	case FN_DAY_OF_MONTH:
	case FN_DAY_OF_YEAR:
	case FN_DAYS_IN_MONTH:
	case FN_MONTH:
	case FN_YEAR:
		FOR_PRESENT(calendar_field(node->plan->function->id, v));
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

/* The functions of native histograms: of numbers there is nothing. */
static int eval_nothing(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			int64_t *units)
{
	bits_clear(node->own_present, node->n);
	return 0;
}

static int shape_identity(struct binding *b, struct node *node)
{
	node_base_set(b, node, node->children[0], false);
	return 0;
}

/* sort() and sort_desc(): the order of a result is the business of whoever prints it. */
static int eval_identity(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			 int64_t *units)
{
	node->values = node->base->values;
	node->present = node->base->present;
	if (b->options.notes && b->bounds.end_ms > b->bounds.start_ms)
		notes_add(b->options.notes, NOTE_WARNING, node->plan->place, node->plan->id,
			  "sort is ineffective for range queries since results are always ordered "
			  "by labels");
	return 0;
}

/* ---- the end of an expression, when names are removed there ---- */

static int shape_finish(struct binding *b, struct node *node)
{
	node->base = node->children[0];
	node->nameless = node->base->nameless;
	node->may_repeat = true;
	return 0;
}

static int extend_finish(struct binding *b, struct node *node, uint32_t child, uint32_t row,
			 bool added)
{
	if (!added) {
		node_row_remove(b, node, row);
		return 0;
	}
	if (rows_has(&node->own, row))
		return 0;
	return node_row_put(b, node, row, binding_finished(b, node->base->rows->lsets[row]));
}

static int eval_finish(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	node->values = node->base->values;
	node->present = node->base->present;
	return 0;
}

const struct node_kind node_finish = {
	.name = "removal of names",
	.shape = shape_finish,
	.extend = extend_finish,
	.eval = eval_finish,
};

const struct node_kind node_element = {
	.name = "element function",
	.by_rows = true,
	.shape = shape_element,
	.extend = node_extend_base,
	.eval = eval_element,
};

const struct node_kind node_histogram_only = {
	.name = "function of native histograms",
	.shape = shape_element,
	.extend = node_extend_base,
	.eval = eval_nothing,
};

const struct node_kind node_identity = {
	.name = "identity",
	.shape = shape_identity,
	.eval = eval_identity,
};
