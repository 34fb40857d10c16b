/* The plan as text, for `explain` and tests. */
#include <stdlib.h>

#include "base/quote.h"
#include "base/text.h"
#include "rules/names.h"
#include "rules/plan.h"

static void format_range(const struct plan_node *node, struct buf *out)
{
	if (plan_node_has_range(node)) {
		buf_add_char(out, '[');
		duration_format(node->range_ms, out);
		if (node->step_ms) {
			buf_add_char(out, ':');
			duration_format(node->step_ms, out);
		}
		buf_add_char(out, ']');
	}
	if (node->edges != EDGES_PLAIN)
		buf_add_str(out, node->edges == EDGES_ANCHORED ? " anchored" : " smoothed");
	if (node->at == AT_TIME)
		buf_printf(out, " @ %.3f", (double)node->at_ms / 1000);
	else if (node->at != AT_NONE)
		buf_add_str(out, node->at == AT_START ? " @ start()" : " @ end()");
	if (node->offset_ms != 0) {
		buf_add_str(out, node->offset_ms < 0 ? " offset -" : " offset ");
		duration_format(llabs(node->offset_ms), out);
	}
}

static void format_names(const char *keyword, const struct names *names, struct buf *out)
{
	buf_printf(out, " %s (", keyword);
	names_format(names, out);
	buf_add_char(out, ')');
}

static void format_binary(const struct plan_node *node, struct buf *out)
{
	buf_printf(out, "%s%s", binary_op_text(node->binary), node->is_bool ? " bool" : "");
	if (node->on || node->labels.n > 0)
		format_names(node->on ? "on" : "ignoring", &node->labels, out);
	if (node->card == CARD_MANY_TO_ONE || node->card == CARD_ONE_TO_MANY)
		format_names(node->card == CARD_MANY_TO_ONE ? "group_left" : "group_right",
			     &node->include, out);
}

static void format_aggregate(const struct plan_node *node, struct buf *out)
{
	buf_add_str(out, aggregate_op_text(node->aggregate));
	if (node->without || node->labels.n > 0)
		format_names(node->without ? "without" : "by", &node->labels, out);
}

void plan_node_format(const struct plan *plan, const struct plan_node *node, struct buf *out)
{
	switch (node->op) {
	case PLAN_NUMBER:
		number_format_f(node->number, out);
		break;
	case PLAN_STRING:
		text_quote(node->string, out);
		break;
	case PLAN_TIME:
		buf_add_str(out, "time");
		break;
	case PLAN_SELECT:
		buf_add_str(out, plan->selectors[node->selector].text);
		format_range(node, out);
		break;
	case PLAN_RANGE:
		buf_printf(out, "%s %s", node->function->name,
			   node->log ? plan->logs[node->log - 1].name
			   : node->selector == PLAN_NONE
				   ? "of a subquery"
				   : plan->selectors[node->selector].text);
		if (node->log)
			buf_add_char(out, ' ');
		format_range(node, out);
		break;
	case PLAN_SUBQUERY:
		buf_add_str(out, "subquery ");
		format_range(node, out);
		break;
	case PLAN_CALL:
		buf_add_str(out, node->function->name);
		break;
	case PLAN_NEGATE:
		buf_add_char(out, '-');
		break;
	case PLAN_BINARY:
		format_binary(node, out);
		break;
	case PLAN_AGGREGATE:
		format_aggregate(node, out);
		break;
	case PLAN_FINISH:
		buf_add_str(out, "removal of names");
		break;
	}
}

/* Which nodes of the graph were shown: flags in parallel to the sorted ids. */
struct shown {
	const uint32_t *ids;
	bool *flags;
	uint32_t n;
};

static bool *shown_flag(const struct shown *shown, uint32_t id)
{
	uint32_t from = 0, to = shown->n;

	while (to - from > 1) {
		uint32_t middle = from + (to - from) / 2;

		if (shown->ids[middle] <= id)
			from = middle;
		else
			to = middle;
	}
	return &shown->flags[from];
}

/* Recursion is bounded by the height of the expressions that the plan was made of. */
static void format_tree(const struct plan *plan, uint32_t id, unsigned depth,
			const struct shown *shown, struct buf *out)
{
	const struct plan_node *node = plan->nodes[id];
	bool *flag = shown_flag(shown, id);
	bool is_again = *flag && node->nchildren > 0;

	*flag = true;
	for (unsigned i = 0; i < depth; i++)
		buf_add_str(out, "  ");
	buf_printf(out, "#%u ", id);
	plan_node_format(plan, node, out);
	buf_add_str(out, is_again ? " (above)\n" : "\n");
	for (uint32_t i = 0; i < node->nchildren && !is_again; i++)
		format_tree(plan, node->children[i], depth + 1, shown, out);
}

void plan_format(const struct plan *plan, uint32_t root, struct buf *out)
{
	uint32_t *ids, n;

	if (plan_order(plan, root, &ids, &n) < 0) {
		out->failed = true;
		return;
	}
	struct shown shown = { ids, calloc(n, sizeof(bool)), n };

	if (shown.flags)
		format_tree(plan, root, 0, &shown, out);
	else
		out->failed = true;
	free(shown.flags);
	free(ids);
}
