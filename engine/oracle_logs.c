/*
 * The oracle: functions over log ranges, of the series that a rule keeps of these lines. Which one
 * that is depends on the aggregation around the call, as in the plan.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/oracle_internal.h"
#include "rules/plan.h"

/* The name of the series that the call reads, in the arena. */
static struct slice series_name(struct oracle *o, const struct expr *call,
				const struct expr *aggregate)
{
	const struct expr *top = aggregate ? aggregate : call;
	struct plan *plan = plan_new();
	uint32_t root;
	char *name = NULL;
	o->code = plan ? plan_add(plan, top, &root) : ERR_NOMEM;
	if (!o->code) {
		const struct plan_node *node = plan->nodes[root];
		if (aggregate)
			node = plan->nodes[node->children[0]];
		name = arena_strdup(&o->arena, slice_from(plan->logs[node->log - 1].name));
		o->code = name ? 0 : ERR_NOMEM;
	}
	plan_free(plan);
	if (o->code)
		longjmp(o->failure, 1);
	return slice_from(name);
}

struct samples *oracle_log_samples(struct oracle *o, const struct expr *call,
				   const struct expr *aggregate, const struct expr *range,
				   size_t *n)
{
	struct slice label = SLICE(METRIC_NAME), name = series_name(o, call, aggregate);
	struct matcher matcher = { .type = MATCH_EQ,
				   .name = (char *)label.ptr,
				   .name_len = label.len,
				   .value = (char *)name.ptr,
				   .value_len = name.len };
	struct expr derived = *range;
	derived.selector.matchers = &matcher;
	derived.selector.nmatchers = 1;
	return oracle_samples(o, &derived, range->selector.range_ms, 0, n);
}

bool oracle_log_range(const struct range_call *c, double *out)
{
	const struct samples *s = c->samples;
	switch (c->call->call.function->id) {
	case FN_COUNT_OVER_TIME:
	case FN_BYTES_OVER_TIME:
		*out = oracle_sum(s);
		return true;
	case FN_RATE:
	case FN_BYTES_RATE:
		*out = oracle_sum(s) / ((double)c->range->selector.range_ms / 1000);
		return true;
	case FN_RATE_COUNTER:
		*out = s->times_ms[0] == s->times_ms[s->n - 1] ? 0 : oracle_rate(c);
		return true;
	default:
		return oracle_range(c, out);
	}
}
