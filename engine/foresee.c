#include "engine/foresee.h"

#include "engine/engine_internal.h"
#include "engine/node.h"
#include "engine/read_ahead.h"

/* ---- nodes ---- */

/* How many nodes ahead a step asks: most take a tenth of a microsecond to a few. */
#define AHEAD_NODE 28
#define AHEAD_PARTS 20
/* Of what is of another size with each kind, the beginning. */
#define STATE_BYTES (4 * CACHE_LINE)
#define PLAN_BYTES (2 * CACHE_LINE)

/* What the node points to. */
ALWAYS_INLINE void ask_parts(const struct node *node)
{
	prefetch_span(node->plan, PLAN_BYTES);
	if (node->state)
		prefetch_span(node->state, STATE_BYTES);
	if (node->selector)
		prefetch_span(node->selector, sizeof(*node->selector));
	__builtin_prefetch(node->own_present, 1);
	__builtin_prefetch(node->own_values, 1);
	__builtin_prefetch(node->own.lsets);
}

void foresee_nodes(const struct binding *b, const struct node *node)
{
	if (b->nodes + b->plan->nnodes - node <= AHEAD_NODE)
		return;
	prefetch_span(node + AHEAD_NODE, NODE_HOT_BYTES);
	ask_parts(node + AHEAD_PARTS);
}

/* ---- rules ---- */

/* How many rules ahead a step asks: nearly all take some microseconds. */
#define AHEAD_RULE 4
#define AHEAD_PARTS_OF_RULE 3
#define AHEAD_ORDER 2
#define AHEAD_SERIES 1
/* Of more alerts, or series recorded, than this the first ones are asked for. */
#define SLOTS_MAX 64

static inline uint32_t slots_of(const struct rule_state *rule)
{
	uint32_t n = rule->instances.n < rule->data_cap ? rule->instances.n : rule->data_cap;
	return n < SLOTS_MAX ? n : SLOTS_MAX;
}

ALWAYS_INLINE void ask_parts_of_rule(const struct rule_state *rule)
{
	uint32_t n = slots_of(rule);
	prefetch_span(rule->def, sizeof(*rule->def));
	if (!n)
		return;
	prefetch_span(rule->instances.items, n * sizeof(*rule->instances.items));
	__builtin_prefetch(rule->instances.by_row.slots);
	if (rule->alerts)
		prefetch_span(rule->alerts, n * sizeof(*rule->alerts));
	if (rule->series)
		prefetch_span(rule->series, n * sizeof(*rule->series));
}

enum part { SERIES, SERIES_END };

/* A series that a sample is going to be written to or, once that is known, where it goes. */
ALWAYS_INLINE void ask_series(const struct series *series, enum part part)
{
	if (!series)
		return;
	if (part == SERIES) {
		prefetch_span(series, sizeof(*series));
		return;
	}
	const struct window *w = &series->window;
	if (!w->values)
		return;
	__builtin_prefetch(w->values + w->start + w->n, 1);
	__builtin_prefetch(window_offsets(w) + w->start + w->n, 1);
	__builtin_prefetch(series->memberships);
}

ALWAYS_INLINE void ask_all_series(const struct rule_state *rule, enum part part)
{
	for (uint32_t i = 0, n = slots_of(rule); i < n; i++) {
		if (rule->series)
			ask_series(rule->series[i], part);
		if (!rule->alerts)
			continue;
		ask_series(rule->alerts[i].state_series, part);
		ask_series(rule->alerts[i].for_series, part);
	}
}

void foresee_rules(const struct generation *generation, const struct rule_state *rule)
{
	if (generation->rules + generation->set->nrules - rule <= AHEAD_RULE)
		return;
	prefetch_span(rule + AHEAD_RULE, sizeof(*rule));
	ask_parts_of_rule(rule + AHEAD_PARTS_OF_RULE);
	__builtin_prefetch(rule[AHEAD_ORDER].def->order);
	ask_all_series(rule + AHEAD_SERIES, SERIES);
	ask_all_series(rule, SERIES_END);
}
