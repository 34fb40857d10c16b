/* Ways through the plan, and the walker that proves its invariants. */
#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "rules/plan.h"
#include "rules/plan_index.h"

/* A heap of ids, the greatest on top. */
struct heap {
	uint32_t *ids;
	uint32_t n, cap;
};

static void swap_ids(uint32_t *a, uint32_t *b)
{
	uint32_t kept = *a;

	*a = *b;
	*b = kept;
}

static int heap_push(struct heap *heap, uint32_t id)
{
	if (!ARRAY_RESERVE(&heap->ids, heap->n, &heap->cap))
		return ERR_NOMEM;
	uint32_t at = heap->n++;

	heap->ids[at] = id;
	for (; at > 0 && heap->ids[(at - 1) / 2] < heap->ids[at]; at = (at - 1) / 2)
		swap_ids(&heap->ids[(at - 1) / 2], &heap->ids[at]);
	return 0;
}

static uint32_t heap_pop(struct heap *heap)
{
	uint32_t top = heap->ids[0], at = 0;

	heap->ids[0] = heap->ids[--heap->n];
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < heap->n && heap->ids[child + 1] > heap->ids[child])
			child++;
		if (child >= heap->n || heap->ids[child] <= heap->ids[at])
			return top;
		swap_ids(&heap->ids[child], &heap->ids[at]);
		at = child;
	}
}

/*
 * Children have smaller ids than their parents, so taking always the greatest of those still to do
 * meets every node after all that lead to it: its copies in the heap come out together, and no
 * marks are needed.
 */
static int collect(const struct plan *plan, uint32_t root, struct heap *todo, struct heap *found)
{
	int error = heap_push(todo, root);
	uint32_t last = PLAN_NONE;

	while (!error && todo->n > 0) {
		uint32_t id = heap_pop(todo);
		const struct plan_node *node = plan->nodes[id];

		if (id == last)
			continue;
		last = id;
		error = heap_push(found, id); /* descending, so that the heap is a plain list */
		for (uint32_t i = 0; i < node->nchildren && !error; i++)
			error = heap_push(todo, node->children[i]);
	}
	return error;
}

int plan_order(const struct plan *plan, uint32_t root, uint32_t **out, uint32_t *n)
{
	struct heap todo = { 0 }, found = { 0 };

	assert(root < plan->nnodes);
	int error = collect(plan, root, &todo, &found);

	free(todo.ids);
	if (error) {
		free(found.ids);
		return error;
	}
	for (uint32_t i = 0; i < found.n / 2; i++)
		swap_ids(&found.ids[i], &found.ids[found.n - 1 - i]);
	*out = found.ids;
	*n = found.n;
	return 0;
}

uint32_t plan_order_place(const uint32_t *order, uint32_t n, uint32_t id)
{
	uint32_t from = 0, to = n;

	while (to - from > 1) {
		uint32_t middle = from + (to - from) / 2;

		if (order[middle] <= id)
			from = middle;
		else
			to = middle;
	}
	return from;
}

static void put_back(const uint32_t *order, uint32_t n, int64_t *back_ms, uint32_t id, int64_t ms)
{
	uint32_t place = plan_order_place(order, n, id);

	if (ms > back_ms[place])
		back_ms[place] = ms;
}

void plan_order_back(const struct plan *plan, const uint32_t *order, uint32_t n, int64_t *back_ms)
{
	for (uint32_t i = 0; i < n; i++)
		back_ms[i] = i + 1 < n ? INT64_MIN : 0;
	/* Parents come after their children in the order: all that lead to a node are done. */
	for (uint32_t i = n; i-- > 0;) {
		const struct plan_node *node = plan->nodes[order[i]];
		int64_t ms = back_ms[i];

		if (node->op == PLAN_SUBQUERY)
			ms += node->range_ms + node->offset_ms;
		if (ms > PLAN_REACH_ALL || (node->op == PLAN_SUBQUERY && node->at == AT_TIME))
			ms = PLAN_REACH_ALL;
		for (uint32_t c = 0; c < node->nchildren; c++)
			put_back(order, n, back_ms, node->children[c], ms);
	}
}

static void check_names(const struct names *names)
{
	for (uint32_t i = 1; i < names->n; i++)
		assert(slice_compare(names->items[i - 1], names->items[i]) < 0);
}

static void check_node(const struct plan *plan, const struct plan_node *node)
{
	bool has_selector = plan_node_is_leaf(node), is_range = node->op == PLAN_RANGE;
	bool has_function = node->op == PLAN_CALL || node->op == PLAN_RANGE;

	assert(node->type != VALUE_NONE && node->type != VALUE_MATRIX);
	assert(has_function == (node->function != NULL));
	assert(plan_node_has_range(node) || node->range_ms == 0);
	assert((node->op == PLAN_SUBQUERY) == (node->step_ms > 0));
	assert(!is_range || has_selector ||
	       plan->nodes[node->children[0]]->op == PLAN_SUBQUERY);
	assert(node->grid < plan->ngrids);
	assert(!has_selector || node->selector < plan->nselectors);
	assert(node->log == 0 || (node->op == PLAN_RANGE &&
				  plan->selectors[node->selector].log == node->log));
	for (uint32_t i = 0; i < node->nchildren; i++) {
		const struct plan_node *child = plan->nodes[node->children[i]];

		assert(node->children[i] < node->id);
		/* Only a subquery changes the grid. */
		assert(node->op == PLAN_SUBQUERY
			       ? plan->grids[child->grid].outer == node->grid
			       : child->grid == node->grid);
	}
	assert(node->hash == plan_node_hash(node));
	assert(plan_index_find_node(plan, node) == node->id);
	check_names(&node->labels);
	check_names(&node->include);
}

static void check_selector(const struct plan *plan, uint32_t id)
{
	const struct plan_selector *selector = &plan->selectors[id];

	assert(selector->nmatchers > 0);
	for (uint32_t i = 1; i < selector->nmatchers; i++)
		assert(matcher_compare(&selector->matchers[i - 1], &selector->matchers[i]) < 0);
	assert(plan_index_find_selector(plan, selector->text) == id);
	assert(selector->log <= plan->nlogs);
	assert(selector->log == 0 || plan->logs[selector->log - 1].selector == id);
}

static void check_log(const struct plan *plan, uint32_t id)
{
	const struct plan_log *log = &plan->logs[id];
	const struct plan_selector *selector = &plan->selectors[log->selector];

	assert(selector->log == id + 1);
	assert(selector->nmatchers == 1 && strcmp(selector->matchers[0].value, log->name) == 0);
	assert(strlen(log->name) <= PLAN_LOG_NAME_MAX);
	assert(log->nmatchers > 0);
	for (uint32_t i = 1; i < log->nmatchers; i++)
		assert(matcher_compare(&log->matchers[i - 1], &log->matchers[i]) < 0);
	assert(log->keep != PLAN_LOG_ALL || log->labels.n == 0);
	check_names(&log->labels);
}

void plan_check(const struct plan *plan)
{
	uint64_t parents = 0, children = 0;

	for (uint32_t i = 0; i < plan->nnodes; i++) {
		assert(plan->nodes[i]->id == i);
		check_node(plan, plan->nodes[i]);
		parents += plan->nodes[i]->nparents;
		children += plan->nodes[i]->nchildren;
	}
	assert(parents == children);
	for (uint32_t i = 0; i < plan->nselectors; i++)
		check_selector(plan, i);
	for (uint32_t i = 0; i < plan->nlogs; i++)
		check_log(plan, i);
}
