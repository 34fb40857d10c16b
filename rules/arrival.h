/*
 * What a rule of a group with `evaluate: arrival` can say as soon as samples arrive.
 *
 *   immediate         each element of the result is made of one series, or of series of one scrape
 *                     joined one to one: it is ready when they are there
 *   waits for settle  elements cross series (aggregations, many-to-one matches, set operators):
 * they are ready when the scrapes they are made of are complete at ticks          what cannot be
 * told of a part of the data: that something is absent, what a subquery says. Such a rule runs at
 * ticks alone.
 *
 * Log lines are counted in buckets, which end later than the lines came. That there are more of
 * them than a number is known as soon as they are, for more can only come: an alert that asks for
 * that is immediate, and evaluated as of the end of the open bucket. All else about lines is for
 * ticks.
 */
#ifndef TOCSIN_RULES_ARRIVAL_H
#define TOCSIN_RULES_ARRIVAL_H

#include "rules/plan.h"

enum arrival_class { ARRIVAL_IMMEDIATE, ARRIVAL_SETTLE, ARRIVAL_TICK };
const char *arrival_class_text(enum arrival_class class);

/*
 * Of an expression by its order (plan_order()). *why is what makes it ARRIVAL_TICK, as its subject
 * is called in messages; NULL otherwise. An offset counts as the past when it is at least
 * settle_ms: scrapes of then are complete.
 */
enum arrival_class arrival_class_of(const struct plan *plan, const uint32_t *order, uint32_t norder,
				    int64_t settle_ms, const char **why);
/*
 * Does the expression compare how many lines there are (or bytes of them, or a sum or maximum over
 * that) to a number that they must exceed?
 */
bool arrival_only_rises(const struct plan *plan, uint32_t root);
/* Does the leaf read what arrives now, not what was there before? */
static inline bool arrival_reads_now(const struct plan_node *leaf)
{
	return leaf->at == AT_NONE && leaf->offset_ms == 0;
}

#endif
