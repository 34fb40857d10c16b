/*
 * A binding: a plan joined to the store's series. Here label work is done when series come and go,
 * and evaluation is loops over columns of doubles.
 *
 * Each plan node has a relation: rows (stable ids, interned label sets) and, after an evaluation,
 * columns (values, presence bits). Three verbs make it:
 *
 *   shape   builds the rows from the children's rows, once, when the binding is made (in quanta);
 *   extend  follows the additions and removals that the selectors logged, node by node, children
 *           first: an aggregation finds the new row's group, a join its partner, by integer ids;
 *   eval    fills the columns for rows [from, to) at one time T; no label is looked at.
 *
 * Row ids are stable while the row lives; the id of a dead row (lset LSET_NONE) may be used again
 * by a later addition. Errors that depend on which rows are present (duplicate matches, duplicate
 * label sets) are decided in eval.
 *
 * A node's columns are kept with their T and evaluated once for it, whoever asks, unless a rule
 * wrote a sample of the same T that it reads (selector->fed).
 *
 * A subquery keeps what its steps gave, as windows of samples, and computes only new ones, as long
 * as no sample comes that an old one would have read (selector->late).
 *
 * Values follow Prometheus bit for bit where the order of computation allows: Kahan–Neumaier sums,
 * left-open ranges, its extrapolation, its NaN and stale rules. A column may hold anything where
 * the presence bit is 0.
 */
#ifndef TOCSIN_ENGINE_BINDING_H
#define TOCSIN_ENGINE_BINDING_H

#include "engine/notes.h"
#include "rules/plan.h"
#include "storage/store.h"

struct relation {
	enum value_type type; /* VALUE_SCALAR: only `scalar` counts; VALUE_VECTOR */
	double scalar;
	uint32_t nrows; /* dead ones included */
	const uint32_t *lsets;
	const double *values;
	const uint64_t *present; /* bit i%64 of word i/64 */
	/*
	 * Rows of which, if they are absent, a sample would be expected: it ended without a stale
	 * marker while its sender is silent (for an aggregate or a join: one of its inputs did; the
	 * bit may then stand at a present row, too). NULL when no sender is silent.
	 */
	const uint64_t *silent;
};

struct binding_options {
	int64_t lookback_ms;
	/*
	 * Standing selectors (rules), else a snapshot of the series that match now (queries; the
	 * series are pinned).
	 */
	bool standing;
	/* By series->sender: 1 when silent; *any_silent spares the look. May be NULL. */
	uint8_t *const *sender_silent;
	const bool *any_silent;
	/* Of a range query, or NULL: start and end are the time of each evaluation, the step is 0.
	 */
	const struct query_bounds *bounds;
	/* Instant selectors see samples later than fresh_after_ms only. */
	bool is_fresh;
	int64_t fresh_after_ms;
	struct notes *notes; /* of a query, or NULL */
};

struct binding;

/* Does nothing yet: call binding_shape() until it is done. The plan must outlive the binding. */
int binding_new(struct store *store, const struct plan *plan, const struct binding_options *options,
		struct binding **out);
/*
 * Finds the series, as binding_shape() does first where this was not called: 0 when all selectors
 * have theirs, ERR_AGAIN when the units ran out, ERR_NOMEM: give the binding up.
 */
int binding_bind(struct binding *binding, int64_t *units);
void binding_free(struct binding *binding);
/*
 * Frees what is large, some at a time: 0 when only binding_free() is left to call, ERR_AGAIN when
 * the units ran out. Nothing else may be asked of the binding after the first call.
 */
int binding_release(struct binding *binding, int64_t *units);
/*
 * 0 when all nodes are shaped, ERR_AGAIN when the units (about one a row) ran out, ERR_NOMEM: give
 * the binding up.
 */
int binding_shape(struct binding *binding, int64_t *units);
/*
 * Follows the logs of the changed selectors through all nodes. The caller clears the logs
 * (selector_log_clear, store_changed_clear) after all bindings have followed.
 */
/*
 * ERR_NOMEM: rows are missing; give the binding up (further evaluations fail). May come between two
 * quanta of shape or eval.
 */
int binding_extend(struct binding *binding);

/* Where an evaluation stopped; zero to begin. */
struct eval_cursor {
	uint32_t node; /* position in order */
	uint32_t row;
};
/*
 * Evaluates the nodes of `order` (plan_order() of a root) at t_ms. 0 when done; ERR_AGAIN when the
 * units (about one a row and node, samples of ranges counted) ran out: call again with the same
 * cursor; ERR_EVAL: binding_error() tells why.
 */
int binding_eval(struct binding *binding, const uint32_t *order, uint32_t norder, int64_t t_ms,
		 struct eval_cursor *cursor, int64_t *units);
/* Samples read by the evaluation under way, or by the last one. */
uint64_t binding_samples(const struct binding *binding);
/* By all evaluations so far. */
uint64_t binding_samples_all(const struct binding *binding);
/*
 * Forgets all columns. Needed when samples of a time that was evaluated before have come since and
 * it is to be evaluated again: columns are kept by their time alone (and `fed`).
 */
void binding_invalidate(struct binding *binding);
/*
 * Why the last evaluation of the node failed, in Prometheus' words; "" when it did not. For the
 * root of a failed evaluation it is the error of the node below that failed.
 */
const char *binding_error(const struct binding *binding, uint32_t node);
/*
 * The columns of the last evaluation; no rows when it failed. Valid until the next extend or eval.
 */
void binding_relation(const struct binding *binding, uint32_t node, struct relation *out);
/*
 * A row's labels as they are within the expression: a name that is removed in the end only is
 * there. NULL when out of memory.
 */
struct labels *binding_labels_now(struct binding *binding, uint32_t lset);
/* Has any row the presence bit? Counts them. */
uint32_t relation_count(const struct relation *relation);
static inline bool relation_has(const struct relation *relation, uint32_t row)
{
	return relation->present[row / 64] >> (row % 64) & 1;
}

/*
 * What a range function of plain samples (the root of a range vector) read for a row in the last
 * evaluation; stale markers included.
 */
void binding_range(struct binding *binding, uint32_t node, uint32_t row, struct window_view *out);
/* The label set of such a row as a result has it: a reference; LSET_NONE when out of memory. */
uint32_t binding_range_lset(struct binding *binding, uint32_t node, uint32_t row);
/* The selector behind a plan's selector. */
struct selector *binding_selector(const struct binding *binding, uint32_t plan_selector);
/* The series that a plan's selector reads now, some of them NULL; *n of them. */
struct series *const *binding_members(const struct binding *binding, uint32_t plan_selector,
				      uint32_t *n);
/*
 * How far back node's own leaf reads: range + offset, or lookback + offset; for plan nodes SELECT
 * and RANGE only.
 */
int64_t binding_reach_ms(const struct binding *binding, uint32_t node);
/* Rows, live rows and evaluations of a node, for explain and metrics. */
struct binding_node_stats {
	uint32_t rows, live;
	uint64_t evals, cached;
	uint64_t units; /* that the last evaluation cost */
};
void binding_node_stats_get(const struct binding *binding, uint32_t node,
			    struct binding_node_stats *out);
/* Walks all invariants; compares each node's rows with a fresh shape. For tests. */
void binding_check(struct binding *binding);

#endif
