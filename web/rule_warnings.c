/* What is probably wrong with a rule, by what it reads: for its health. */
#include "web/web_internal.h"

/* Does the node tell something of series that are not there? */
static bool is_of_absence(const struct plan_node *node)
{
	return node->function &&
	       (node->function->id == FN_ABSENT || node->function->id == FN_ABSENT_OVER_TIME);
}

/* Series that rules write come and go with what they say. */
static bool is_written(const struct plan_selector *selector)
{
	for (uint32_t i = 0; i < selector->nmatchers; i++) {
		const struct matcher *matcher = &selector->matchers[i];
		struct slice value = matcher_value(matcher);

		if (matcher_is_metric_name(matcher) &&
		    (slice_find(value, ':') >= 0 || slice_has_prefix(value, SLICE("ALERTS"))))
			return true;
	}
	return false;
}

/* Is something amiss if no series is there? */
static bool needs_series(const struct plan *plan, const struct rule *rule)
{
	bool reads = false;

	for (uint32_t i = 0; i < rule->norder; i++) {
		const struct plan_node *node = plan->nodes[rule->order[i]];

		if (is_of_absence(node))
			return false;
		if (!plan_node_is_leaf(node))
			continue;
		if (node->log || is_written(&plan->selectors[node->selector]))
			return false;
		reads = true;
	}
	return reads;
}

bool rule_warning(const struct web_host *host, const struct rule_set *rules,
		  const struct rule *rule, const struct rule_status *status, struct buf *out)
{
	if (rules->plan->nlogs > 0)
		rule_logs_warning(host, rules, rule, out);
	if (status->health == RULE_OK && status->series == 0 && needs_series(rules->plan, rule))
		buf_printf(out, "%sno series matches what it reads", out->len ? "; " : "");
	return out->len > 0;
}
