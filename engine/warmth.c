/*
 * Warmth: a rule runs only when each selector it reads was fed in full for as far back as it reads.
 *
 * What a selector holds may also be written by rules, which begin to write when they are warm
 * themselves: a rule that looks an hour back at a series that another one has recorded for a minute
 * would fire because we have just begun to listen. So a leaf counts as fed since the later of its
 * selector's covered_since and the times its writers became warm. Only writers that run before the
 * reader count: a rule that reads itself, or a later one, could wait for ever.
 */
#include "engine/engine_internal.h"

#include "base/text.h"

/* When the leaf will have been fed for its reach. */
static int64_t leaf_warm_at(const struct generation *generation, const struct rule_state *rule,
			    const struct rule_leaf *leaf)
{
	int64_t since_ms = binding_selector(generation->binding, leaf->selector)->covered_since_ms;
	const struct rule_writers *writers = &generation->set->writers[leaf->selector];
	for (uint32_t i = 0; i < writers->n; i++) {
		const struct rule_state *writer = &generation->rules[writers->rules[i]];
		bool runs_before = writer < rule; /* rules stand in the order of evaluation */
		if (runs_before && writer->warm_at_ms > since_ms)
			since_ms = writer->warm_at_ms;
	}
	return since_ms > INT64_MAX - leaf->reach_ms ? INT64_MAX : since_ms + leaf->reach_ms;
}

int64_t rule_warmth_update(const struct generation *generation, struct rule_state *rule,
			   int64_t query_ms)
{
	int64_t units = 0;
	rule->warm_at_ms = TIME_NONE;
	if (!rule->group->always_warm)
		for (uint32_t i = 0; i < rule->nleaves; i++) {
			units += 1 + generation->set->writers[rule->leaves[i].selector].n;
			int64_t at_ms = leaf_warm_at(generation, rule, &rule->leaves[i]);
			if (at_ms > rule->warm_at_ms)
				rule->warm_at_ms = at_ms;
		}
	rule->warm =
		rule->group->always_warm || (query_ms != TIME_NONE && query_ms >= rule->warm_at_ms);
	if (!rule->warm)
		rule->health = RULE_WARMING;
	else if (rule->health == RULE_WARMING)
		rule->health = RULE_UNKNOWN; /* until it has run */
	return units;
}
