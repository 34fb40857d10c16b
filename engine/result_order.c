/* The order of a result's elements: by labels, by value, or by certain labels. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/binding.h"
#include "engine/engine.h"

enum order { BY_LABELS, BY_VALUE, BY_SOME_LABELS };

struct ordering {
	enum order order;
	bool descending;
	const struct plan *plan;
	const struct plan_node *root; /* has the labels of BY_SOME_LABELS */
};

static struct ordering ordering_of(const struct plan *plan, uint32_t id)
{
	const struct plan_node *root = plan->nodes[id];
	if (root->op == PLAN_FINISH)
		root = plan->nodes[root->children[0]];
	struct ordering by = { BY_LABELS, false, plan, root };
	if (root->op == PLAN_AGGREGATE &&
	    (root->aggregate == AGG_TOPK || root->aggregate == AGG_BOTTOMK)) {
		by.order = BY_VALUE;
		by.descending = root->aggregate == AGG_TOPK;
	}
	if (root->op != PLAN_CALL)
		return by;
	switch (root->function->id) {
	case FN_SORT:
	case FN_SORT_DESC:
		by.order = BY_VALUE;
		by.descending = root->function->id == FN_SORT_DESC;
		return by;
	case FN_SORT_BY_LABEL:
	case FN_SORT_BY_LABEL_DESC:
		by.order = BY_SOME_LABELS;
		by.descending = root->function->id == FN_SORT_BY_LABEL_DESC;
		return by;
	default:
		return by;
	}
}

/* NaN stands last in either order, as in Prometheus. */
static int compare_values(const struct engine_query_row *x, const struct engine_query_row *y,
			  bool descending)
{
	bool x_nan = x->value != x->value, y_nan = y->value != y->value;
	if (x_nan || y_nan || x->value == y->value)
		return x_nan != y_nan ? x_nan - y_nan : labels_compare(x->labels, y->labels);
	return (x->value < y->value) == descending ? 1 : -1;
}

/* ---- natural order: numbers within texts count as numbers ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits, or what is none, at the start; cut off from the text. */
static struct slice next_part(struct slice *text)
{
	struct slice part = { text->ptr, 0 };
	while (part.len < text->len && is_digit(text->ptr[part.len]) == is_digit(text->ptr[0]))
		part.len++;
	text->ptr += part.len;
	text->len -= part.len;
	return part;
}

/* What does not fit is compared as a text, as in Prometheus. */
static bool part_number(struct slice part, long long *out)
{
	*out = 0;
	if (part.len == 0 || !is_digit(part.ptr[0]))
		return false;
	for (size_t i = 0; i < part.len; i++)
		if (__builtin_mul_overflow(*out, 10, out) ||
		    __builtin_add_overflow(*out, part.ptr[i] - '0', out))
			return false;
	return true;
}

static int compare_naturally(struct slice a, struct slice b)
{
	long long x, y;
	while (a.len && b.len) {
		struct slice left = next_part(&a), right = next_part(&b);
		int order = slice_compare(left, right);
		if (part_number(left, &x) && part_number(right, &y))
			order = (x > y) - (x < y);
		if (order)
			return order;
	}
	/* What has more to come is greater. */
	return (a.len > 0) - (b.len > 0);
}

static int compare_labels(const struct engine_query_row *x, const struct engine_query_row *y,
			  const struct ordering *by)
{
	const struct labels *a = x->ordered_by ? x->ordered_by : x->labels;
	const struct labels *b = y->ordered_by ? y->ordered_by : y->labels;
	int order = 0;
	for (uint32_t i = 1; i < by->root->nchildren && !order; i++) {
		struct slice name = by->plan->nodes[by->root->children[i]]->string;
		order = compare_naturally(labels_get(a, name), labels_get(b, name));
	}
	order = order ? order : labels_compare(a, b);
	return by->descending ? -order : order;
}

static int compare_rows(const void *a, const void *b, void *ctx)
{
	const struct ordering *by = ctx;
	const struct engine_query_row *x = a, *y = b;
	switch (by->order) {
	case BY_VALUE:
		return compare_values(x, y, by->descending);
	case BY_SOME_LABELS:
		return compare_labels(x, y, by);
	default:
		return labels_compare(x->labels, y->labels);
	}
}

struct labels *result_row_order(const struct plan *plan, struct binding *binding, uint32_t root,
				uint32_t row)
{
	struct relation within;
	if (plan->nodes[root]->op != PLAN_FINISH ||
	    ordering_of(plan, root).order != BY_SOME_LABELS)
		return NULL;
	binding_relation(binding, plan->nodes[root]->children[0], &within);
	return binding_labels_now(binding, within.lsets[row]);
}

bool result_is_ordered(const struct plan *plan, uint32_t root)
{
	return ordering_of(plan, root).order != BY_LABELS;
}

void engine_query_sort(struct engine_query *query)
{
	if (query->nrows > 1) /* what is no expression has no plan */
		result_sort(query->plan, query->root, query->rows, query->nrows);
}

void result_sort(const struct plan *plan, uint32_t root, struct engine_query_row *rows, size_t n)
{
	struct ordering by = ordering_of(plan, root);
	if (n > 1)
		qsort_r(rows, n, sizeof(*rows), compare_rows, &by);
}
