/*
 * Rows that come into being when a node is evaluated: those of count_values(), info(), fill(…),
 * whose labels depend on the values or on who is present. Private to engine/.
 *
 * An evaluation collects label sets with values; then dynamic_finish() finds or makes their rows,
 * lets the nodes above follow, as binding_extend() does, and fills the columns. (The nodes above
 * come later in the order of evaluation, so none of them is under way but subqueries, which follow
 * at any time.) Rows stay when they are absent, so that ids are stable from one evaluation to the
 * next, until there are many of them that no subquery above can still read.
 */
#ifndef TOCSIN_ENGINE_DYNAMIC_H
#define TOCSIN_ENGINE_DYNAMIC_H

#include "base/slabs.h"
#include "engine/node.h"

/* Absent rows that a node keeps beside as many as are present. */
#define DYNAMIC_ROWS_KEPT_MAX 1024
/* Absent rows that one evaluation takes away; the next goes on. */
#define DYNAMIC_ROWS_FORGOTTEN_MAX 4096
/* What a row costs whose labels are made, in units. */
#define UNITS_LABELS 40

struct dynamic_outcome {
	double value;
	uint32_t lset; /* a reference, until the row is made */
	uint32_t row;  /* ROW_NONE: a filter holds it back, only its labels count */
};

struct dynamic {
	struct id_map by_lset;		  /* rows */
	struct slabs outcomes;		  /* of the evaluation: n struct dynamic_outcome */
	uint32_t n;
	int64_t *seen_ms; /* by row: the latest time at which it was present */
	uint32_t seen_cap;
	uint32_t forget_at; /* so many rows; 0: not worked out yet */
	int64_t keep_ms;    /* how long subqueries above may read a row */
};

static inline struct dynamic_outcome *dynamic_outcome(const struct dynamic *dynamic, uint32_t i)
{
	return SLABS_AT(&dynamic->outcomes, struct dynamic_outcome, i);
}

void dynamic_begin(struct binding *binding, struct dynamic *dynamic);
/* Takes the reference (LSET_NONE: ERR_NOMEM). */
int dynamic_add(struct binding *binding, struct dynamic *dynamic, uint32_t lset, double value);
/* The same of what a filter holds back: its labels live until the next evaluation. */
int dynamic_add_absent(struct binding *binding, struct dynamic *dynamic, uint32_t lset);
/* Steps that finish an evaluation of at most so many outcomes. */
static inline uint32_t dynamic_steps(uint32_t outcomes)
{
	return steps_padded(outcomes) + outcomes;
}
/* The kind's steps, where each row of the first child has an outcome at most. */
uint32_t dynamic_steps_by_row(const struct node *node);
/* These of them; is_last: they end there. ERR_EVAL when two outcomes have the same labels. */
int dynamic_finish(struct binding *binding, struct node *node, struct dynamic *dynamic,
		   struct steps *steps, uint32_t outcomes, bool is_last);
void dynamic_fini(struct binding *binding, struct dynamic *dynamic);

#endif
