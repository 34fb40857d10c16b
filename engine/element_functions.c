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

/* Those that take long: of rows that are present alone. */
static double (*const slow_functions[FUNCTION_COUNT])(double v) = {
	[FN_EXP] = exp,	  [FN_LN] = log,      [FN_LOG2] = log2,	  [FN_LOG10] = log10,
	[FN_SIN] = sin,	  [FN_COS] = cos,     [FN_TAN] = tan,	  [FN_ASIN] = asin,
	[FN_ACOS] = acos, [FN_ATAN] = atan,   [FN_SINH] = sinh,	  [FN_COSH] = cosh,
	[FN_TANH] = tanh, [FN_ASINH] = asinh, [FN_ACOSH] = acosh, [FN_ATANH] = atanh,
};

/* Loops that the compiler can see through. False: the function is another. */
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
	case FN_SQRT:
		FOR_ALL(sqrt(v));
		break;
	case FN_SGN:
		FOR_ALL(sign_of(v));
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
	enum function_id id = node->plan->function->id;
	if (slow_functions[id]) {
		FOR_PRESENT(slow_functions[id](v));
		return 0;
	}
	if (eval_arithmetic(node, from, to))
		return 0;
	switch (id) {
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
		FOR_PRESENT(calendar_field(id, v));
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
