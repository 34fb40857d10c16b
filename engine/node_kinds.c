/* Which kind of node a node of the plan becomes. */
#include "engine/node.h"

static bool is_scalar(const struct plan *plan, uint32_t id)
{
	return plan->nodes[id]->type == VALUE_SCALAR;
}

static const struct node_kind *kind_of_call(const struct plan *plan, const struct plan_node *p)
{
	switch (p->function->id) {
	case FN_TIME:
		return &node_time;
	case FN_START:
	case FN_END:
	case FN_STEP:
	case FN_RANGE:
		return &node_bounds;
	case FN_MIN_OF:
	case FN_MAX_OF:
		return &node_scalar_function;
	case FN_SCALAR:
		return &node_scalar;
	case FN_VECTOR:
		return &node_vector;
	case FN_ABSENT:
		return &node_absent;
	case FN_HISTOGRAM_QUANTILE:
	case FN_HISTOGRAM_FRACTION:
		return &node_histogram;
	case FN_HISTOGRAM_QUANTILES:
		return &node_quantile_label;
	case FN_INFO:
		return &node_info;
	case FN_LABEL_REPLACE:
	case FN_LABEL_JOIN:
		return &node_label_function;
	case FN_SORT:
	case FN_SORT_DESC:
	case FN_SORT_BY_LABEL:
	case FN_SORT_BY_LABEL_DESC:
		return &node_identity;
	case FN_HISTOGRAM_AVG:
	case FN_HISTOGRAM_COUNT:
	case FN_HISTOGRAM_SUM:
	case FN_HISTOGRAM_STDDEV:
	case FN_HISTOGRAM_STDVAR:
		return &node_histogram_only;
	case FN_START_TIMESTAMP: /* of anything else than samples there is none */
		return plan->nodes[p->children[0]]->op == PLAN_SELECT ? &node_start_timestamp
								      : &node_histogram_only;
	case FN_TIMESTAMP:
		return plan->nodes[p->children[0]]->op == PLAN_SELECT ? &node_timestamp
								      : &node_element;
	default:
		return &node_element;
	}
}

static const struct node_kind *kind_of_binary(const struct plan *plan, const struct plan_node *p)
{
	bool left = is_scalar(plan, p->children[0]), right = is_scalar(plan, p->children[1]);
	if (left && right)
		return &node_binary_scalar;
	if (left || right)
		return &node_binary_element;
	if (p->fills[0] || p->fills[1])
		return &node_fill;
	return binary_op_is_set(p->binary) ? &node_set : &node_join;
}

static const struct node_kind *kind_of_range(const struct plan_node *p)
{
	bool is_absent = p->function->id == FN_ABSENT_OVER_TIME;
	if (p->selector == PLAN_NONE)
		return is_absent ? &node_subquery_absent : &node_subquery_range;
	if (p->edges != EDGES_PLAIN)
		return &node_edges;
	return is_absent ? &node_absent_over_time : &node_range;
}

static const struct node_kind *kind_of_aggregate(const struct plan_node *p)
{
	switch (p->aggregate) {
	case AGG_TOPK:
	case AGG_BOTTOMK:
	case AGG_LIMITK:
		return &node_pick;
	case AGG_LIMIT_RATIO:
		return &node_limit_ratio;
	case AGG_COUNT_VALUES:
		return &node_count_values;
	default:
		return &node_aggregate;
	}
}

const struct node_kind *node_kind_of(const struct plan *plan, const struct plan_node *p)
{
	switch (p->op) {
	case PLAN_NUMBER:
		return &node_number;
	case PLAN_STRING:
		return &node_string;
	case PLAN_TIME:
		return &node_time;
	case PLAN_SELECT:
		return p->edges == EDGES_SMOOTHED ? &node_smoothed : &node_select;
	case PLAN_SUBQUERY:
		return &node_subquery;
	case PLAN_RANGE:
		return kind_of_range(p);
	case PLAN_CALL:
		return kind_of_call(plan, p);
	case PLAN_FINISH:
		return &node_finish;
	case PLAN_NEGATE:
		return p->type == VALUE_SCALAR ? &node_negative : &node_element;
	case PLAN_BINARY:
		return kind_of_binary(plan, p);
	case PLAN_AGGREGATE:
		return kind_of_aggregate(p);
	}
	return NULL;
}
