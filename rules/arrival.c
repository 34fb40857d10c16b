#include "rules/arrival.h"

#include <stddef.h>

const char *arrival_class_text(enum arrival_class class)
{
	static const char *const texts[] = {
		[ARRIVAL_IMMEDIATE] = "immediate",
		[ARRIVAL_SETTLE] = "waits for settle",
		[ARRIVAL_TICK] = "at ticks",
	};
	return texts[class];
}

static enum arrival_class at_ticks(const char **why, const char *what)
{
	*why = what;
	return ARRIVAL_TICK;
}

static enum arrival_class class_of_leaf(const struct plan_node *leaf, int64_t settle_ms,
					const char **why)
{
	if (leaf->log)
		return at_ticks(why, "log lines, not only for more of them than a number");
	if (leaf->edges == EDGES_SMOOTHED)
		return at_ticks(why, "\"smoothed\", which looks at later samples");
	if (leaf->at == AT_NONE && leaf->offset_ms < 0)
		return at_ticks(why, "an offset into the future");
	if (leaf->at == AT_NONE && leaf->offset_ms > 0 && leaf->offset_ms < settle_ms)
		return at_ticks(why, "an offset that is shorter than \"settle\"");
	if (leaf->op == PLAN_RANGE && leaf->function->id == FN_ABSENT_OVER_TIME)
		return at_ticks(why, "\"absent_over_time\"");
	return ARRIVAL_IMMEDIATE;
}

static enum arrival_class class_of_call(const struct plan_node *node, const char **why)
{
	if (node->type == VALUE_SCALAR && node->function->id != FN_SCALAR)
		return ARRIVAL_IMMEDIATE;
	switch (node->function->id) {
	case FN_HISTOGRAM_QUANTILE:
	case FN_HISTOGRAM_FRACTION:
		return ARRIVAL_SETTLE;
	case FN_VECTOR:
	case FN_SORT:
	case FN_SORT_DESC:
	case FN_SORT_BY_LABEL:
	case FN_SORT_BY_LABEL_DESC:
		return ARRIVAL_IMMEDIATE;
	default:
		return node->function->flags & ROWWISE ? ARRIVAL_IMMEDIATE
						       : at_ticks(why, node->function->name);
	}
}

static enum arrival_class class_of_binary(const struct plan *plan, const struct plan_node *node,
					  const char **why)
{
	for (uint32_t i = 0; i < 2; i++)
		if (plan->nodes[node->children[i]]->type == VALUE_SCALAR)
			return ARRIVAL_IMMEDIATE;
	if (node->fills[0] || node->fills[1])
		return at_ticks(why, "\"fill\"");
	if (binary_op_is_set(node->binary) || node->card != CARD_ONE_TO_ONE)
		return ARRIVAL_SETTLE;
	return ARRIVAL_IMMEDIATE;
}

static enum arrival_class class_of_aggregate(const struct plan_node *node, const char **why)
{
	switch (node->aggregate) {
	case AGG_LIMITK:
		return at_ticks(why, "\"limitk\"");
	case AGG_LIMIT_RATIO:
		return at_ticks(why, "\"limit_ratio\"");
	case AGG_COUNT_VALUES:
		return at_ticks(why, "\"count_values\"");
	default:
		return ARRIVAL_SETTLE;
	}
}

static enum arrival_class class_of_node(const struct plan *plan, const struct plan_node *node,
					int64_t settle_ms, const char **why)
{
	switch (node->op) {
	case PLAN_SELECT:
		return class_of_leaf(node, settle_ms, why);
	case PLAN_RANGE:
		return node->selector == PLAN_NONE ? at_ticks(why, "a subquery")
						   : class_of_leaf(node, settle_ms, why);
	case PLAN_SUBQUERY:
		return at_ticks(why, "a subquery");
	case PLAN_CALL:
		return class_of_call(node, why);
	case PLAN_BINARY:
		return class_of_binary(plan, node, why);
	case PLAN_AGGREGATE:
		return class_of_aggregate(node, why);
	default: /* numbers, negation, the removal of names */
		return ARRIVAL_IMMEDIATE;
	}
}

enum arrival_class arrival_class_of(const struct plan *plan, const uint32_t *order, uint32_t norder,
				    int64_t settle_ms, const char **why)
{
	enum arrival_class most = ARRIVAL_IMMEDIATE;
	bool reads = false;
	*why = NULL;
	for (uint32_t i = 0; i < norder && most != ARRIVAL_TICK; i++) {
		const struct plan_node *node = plan->nodes[order[i]];
		enum arrival_class class = class_of_node(plan, node, settle_ms, why);
		most = class > most ? class : most;
		reads |= plan_node_is_leaf(node) && arrival_reads_now(node);
	}
	if (most != ARRIVAL_TICK && !reads)
		return at_ticks(why, "nothing that arrives");
	return most;
}

/* ---- lines ---- */

/* The vector that must exceed a number, or NULL. */
static const struct plan_node *what_exceeds(const struct plan *plan, const struct plan_node *node)
{
	if (node->op != PLAN_BINARY || node->is_bool)
		return NULL;
	const struct plan_node *left = plan->nodes[node->children[0]],
			       *right = plan->nodes[node->children[1]];
	bool is_more = node->binary == OP_GT || node->binary == OP_GE;
	bool is_less = node->binary == OP_LT || node->binary == OP_LE;
	if (is_more && right->op == PLAN_NUMBER)
		return left;
	return is_less && left->op == PLAN_NUMBER ? right : NULL;
}

static bool counts_lines(const struct plan_node *node)
{
	if (node->op != PLAN_RANGE || !node->log || !arrival_reads_now(node))
		return false;
	switch (node->function->id) {
	case FN_COUNT_OVER_TIME:
	case FN_RATE:
	case FN_BYTES_OVER_TIME:
	case FN_BYTES_RATE:
		return true;
	default:
		return false;
	}
}

bool arrival_only_rises(const struct plan *plan, uint32_t root)
{
	const struct plan_node *node = plan->nodes[root];
	if (node->op == PLAN_FINISH)
		node = plan->nodes[node->children[0]];
	node = what_exceeds(plan, node);
	if (node && node->op == PLAN_AGGREGATE &&
	    (node->aggregate == AGG_SUM || node->aggregate == AGG_MAX))
		node = plan->nodes[node->children[0]];
	return node && counts_lines(node);
}
