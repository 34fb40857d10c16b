#include "rules/log_bucket.h"

static uint64_t magnitude(int64_t a)
{
	return a < 0 ? -(uint64_t)a : (uint64_t)a;
}

/* 0 divides nothing and is divided by all: what does not move an edge. */
static int64_t common_divisor(int64_t a, int64_t b)
{
	uint64_t x = magnitude(a), y = magnitude(b);
	while (y) {
		uint64_t rest = x % y;
		x = y;
		y = rest;
	}
	return (int64_t)x;
}

/* When the node is evaluated: at multiples of this, from the epoch; the expression at those of
 * grid_ms. */
static int64_t grid_of(const struct plan *plan, const struct plan_node *node, int64_t grid_ms)
{
	if (node->at == AT_TIME)
		return node->at_ms;
	return node->grid != 0 ? plan->grids[node->grid].step_ms : grid_ms;
}

/* The greatest divisor that is not too wide. */
static int64_t bounded(int64_t width_ms)
{
	if (width_ms == 0)
		return LOG_BUCKET_MS_MAX; /* nobody reads it */
	int64_t bounded_ms = width_ms < LOG_BUCKET_MS_MAX ? width_ms : LOG_BUCKET_MS_MAX;
	while (width_ms % bounded_ms != 0)
		bounded_ms--; /* 1 divides all */
	return bounded_ms;
}

/* All nodes of an expression, which is evaluated at multiples of grid_ms. */
static void add_nodes(struct plan *plan, const uint32_t *order, uint32_t n, int64_t grid_ms)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct plan_node *node = plan->nodes[order[i]];
		if (!plan_node_is_leaf(node) || node->log == 0)
			continue;
		int64_t *width_ms = &plan->logs[node->log - 1].bucket_ms;
		*width_ms = common_divisor(*width_ms, grid_of(plan, node, grid_ms));
		*width_ms = common_divisor(*width_ms, node->range_ms);
		*width_ms = common_divisor(*width_ms, node->offset_ms);
	}
}

static void add_group(struct plan *plan, const struct rule_group *group)
{
	int64_t grid_ms = common_divisor(group->interval_ms, group->query_offset_ms);
	for (uint32_t i = 0; i < group->nrules; i++) {
		const struct rule *rule = &group->rules[i];
		add_nodes(plan, rule->order, rule->norder, grid_ms);
		if (rule->resolve)
			add_nodes(plan, rule->resolve->when.order, rule->resolve->when.norder,
				  grid_ms);
		/* What it reads without its conditions it reads with them. */
	}
}

void log_buckets_set(struct rule_set *set)
{
	struct plan *plan = set->plan;
	if (plan->nlogs == 0)
		return;
	for (uint32_t i = 0; i < set->ngroups; i++)
		add_group(plan, &set->groups[i]);
	for (uint32_t i = 0; i < set->ndemands; i++)
		add_nodes(plan, set->demands[i].order, set->demands[i].norder, LOG_BUCKET_MS_ASKED);
	for (uint32_t i = 0; i < plan->nlogs; i++) {
		struct plan_log *log = &plan->logs[i];
		log->bucket_ms = log->window == PLAN_LOG_EVENTS ? 0 : bounded(log->bucket_ms);
	}
}
