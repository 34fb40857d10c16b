/* The graph: its life, and its nodes, of which there is each but once. */
#include "rules/plan_build.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "rules/plan_index.h"
#include "rules/plan_log.h"

struct plan *plan_new(void)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	arena_init(&plan->arena, 0);
	plan->nodes_max = PLAN_NODES_MAX;
	plan->subquery_step_ms = PLAN_SUBQUERY_STEP_MS;
	plan->index = plan_index_new();
	plan->grids = calloc(1, sizeof(*plan->grids));
	plan->ngrids = plan->grids_cap = 1;
	if (!plan->index || !plan->grids) {
		plan_free(plan);
		return NULL;
	}
	return plan;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (uint32_t i = 0; i < plan->nselectors; i++) {
		matchers_free(plan->selectors[i].matchers, plan->selectors[i].nmatchers);
		free(plan->selectors[i].text);
	}
	free(plan->selectors);
	plan_logs_free(plan);
	free(plan->nodes);
	free(plan->grids);
	plan_index_free(plan->index);
	arena_fini(&plan->arena);
	free(plan);
}

int plan_reserve(struct plan *plan)
{
	if (!ARRAY_RESERVE(&plan->nodes, plan->nnodes, &plan->nodes_cap))
		return ERR_NOMEM;
	if (!ARRAY_RESERVE(&plan->selectors, plan->nselectors, &plan->selectors_cap))
		return ERR_NOMEM;
	return plan_index_reserve(plan);
}

/* Copies into the plan's memory. False: out of memory. */

static bool keep_bytes(struct plan *plan, const void *from, size_t n, void *out_pointer)
{
	void *to = NULL;

	if (n > 0) {
		to = arena_alloc(&plan->arena, n);
		if (!to)
			return false;
		memcpy(to, from, n);
	}
	memcpy(out_pointer, &to, sizeof(to));
	return true;
}

static bool keep_text(struct plan *plan, struct slice *text)
{
	return keep_bytes(plan, text->ptr, text->len, &text->ptr);
}

static bool keep_names(struct plan *plan, struct names *names)
{
	if (!keep_bytes(plan, names->items, names->n * sizeof(*names->items), &names->items))
		return false;
	for (uint32_t i = 0; i < names->n; i++)
		if (!keep_text(plan, &names->items[i]))
			return false;
	return true;
}

static bool keep_labels(struct plan *plan, struct plan_node *node)
{
	struct label *labels;

	if (!keep_bytes(plan, node->absent_labels, node->nabsent_labels * sizeof(*labels), &labels))
		return false;
	for (uint32_t i = 0; i < node->nabsent_labels; i++)
		if (!keep_text(plan, &labels[i].name) || !keep_text(plan, &labels[i].value))
			return false;
	node->absent_labels = labels;
	return true;
}

static struct plan_node *keep_node(struct plan *plan, const struct plan_node *from)
{
	struct plan_node *node = ARENA_NEW(&plan->arena, struct plan_node);

	if (!node)
		return NULL;
	*node = *from;
	if (!keep_bytes(plan, from->children, from->nchildren * sizeof(*from->children),
			&node->children) ||
	    !keep_text(plan, &node->string) || !keep_names(plan, &node->include) ||
	    !keep_names(plan, &node->labels) || !keep_labels(plan, node))
		return NULL;
	return node;
}

static bool depends_on_bounds(const struct plan *plan, const struct plan_node *node)
{
	bool depends = node->at == AT_START || node->at == AT_END ||
		       (node->function && node->function->flags & OF_QUERY);

	for (uint32_t i = 0; i < node->nchildren; i++)
		depends = depends || plan->nodes[node->children[i]]->depends_on_bounds;
	return depends;
}

int plan_intern(struct builder *builder, struct plan_node *node, uint32_t *out)
{
	struct plan *plan = builder->plan;

	node->grid = builder->grid;
	node->depends_on_bounds = depends_on_bounds(plan, node);
	node->hash = plan_node_hash(node);
	uint32_t id = plan_index_find_node(plan, node);

	if (id == PLAN_NONE) {
		if (plan->nnodes >= plan->nodes_max)
			return ERR_LIMIT;
		struct plan_node *kept = plan_reserve(plan) == 0 ? keep_node(plan, node) : NULL;

		if (!kept)
			return ERR_NOMEM;
		id = plan->nnodes++;
		kept->id = id;
		plan->nodes[id] = kept;
		plan_index_add_node(plan, id);
		for (uint32_t i = 0; i < kept->nchildren; i++)
			plan->nodes[kept->children[i]]->nparents++;
	}
	struct plan_node *known = plan->nodes[id];
	known->place = node->place;
	known->vector_place = node->vector_place;
	*out = id;
	return 0;
}
