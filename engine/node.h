/*
 * Nodes: what a binding makes of the plan's nodes. Private to engine/.
 *
 * A node has rows (label sets by stable row id), which it owns or shares with the child whose rows
 * it keeps one to one, and columns, which are views: into its own memory, or into a child's where
 * they are the same. What a node does is in its struct node_kind; one file for each group of kinds.
 *
 * Following changes: in binding_extend() each node below which something changed is told of the
 * removals of all its children first, then of the additions. A row of a child may be in both lists
 * (replaced). At a removal the child's label set of that row is gone already: nodes keep what they
 * need of it. Both are idempotent: the removal of an unknown row and the addition of a known one do
 * nothing.
 */
#ifndef TOCSIN_ENGINE_NODE_H
#define TOCSIN_ENGINE_NODE_H

#include "engine/binding.h"

#include <stddef.h>

#include "base/error.h"
#include "engine/id_map.h"

#define ROW_NONE UINT32_MAX
#define NODE_CHILDREN_MAX 4

struct id_list {
	uint32_t *ids;
	uint32_t n, cap;
};
bool id_list_add(struct id_list *list, uint32_t id);
void id_list_fini(struct id_list *list);

struct rows {
	uint32_t *lsets; /* a reference each; LSET_NONE: no row */
	uint32_t n, cap, live;
	struct id_list free; /* for those who choose ids themselves */
};

struct row_changes {
	struct id_list removed, added;
};

struct node;

/* Rows that are evaluated at a stretch, between two looks at the units. */
#define EVAL_CHUNK 1024
/*
 * New columns, in rows: what malloc() takes for large pieces varies, most of all when much was
 * freed before, as after a reload.
 */
#define UNITS_COLUMNS 1500
/* A window that is looked at for its own sake, in rows: nobody read ahead. */
#define UNITS_SEARCHED 8

struct node_kind {
	const char *name;
	bool by_rows;	 /* evaluation may stop between rows; else between nodes only */
	bool makes_rows; /* when it is evaluated (dynamic.h) */
	/* Prepares the state from the plan. NULL: nothing to do. */
	int (*shape)(struct binding *binding, struct node *node);
	/*
	 * A row of a child (for a leaf: of its selector) came or went. NULL: none of the node's
	 * concern.
	 */
	int (*extend)(struct binding *binding, struct node *node, uint32_t child, uint32_t row,
		      bool added);
	/*
	 * Fills the columns for rows [from, to) of node->base's rows or, without a base, all.
	 * ERR_EVAL with node_fail(); ERR_AGAIN: the units ran out within, and it is to be called
	 * for the same again, where it goes on by itself.
	 */
	int (*eval)(struct binding *binding, struct node *node, uint32_t from, uint32_t to,
		    int64_t *units);
	/*
	 * In how many steps an evaluation is done that is not by rows of the result: mostly rows of
	 * what it reads. Then eval is called for steps [from, to), from 0 on in order, each `from`
	 * a multiple of EVAL_CHUNK. NULL: at once.
	 */
	uint32_t (*steps)(const struct node *node);
	/*
	 * Around an evaluation of all rows, whatever comes of it: for what is evaluated along with
	 * it. NULL: nothing is.
	 */
	int (*begin)(struct binding *binding, struct node *node);
	void (*end)(struct binding *binding, struct node *node, int err);
	/*
	 * Before fini: gives back some of the label sets that the state holds, a unit each.
	 * ERR_AGAIN when the units ran out. NULL: they are few, and fini does it.
	 */
	int (*release)(struct binding *binding, struct node *node, int64_t *units);
	void (*fini)(struct binding *binding, struct node *node);
	/*
	 * For partial evaluation (partial.h). up: marks in `out` the rows that the marked rows `in`
	 * of the child are part of; down: marks in `in` the child's rows that the marked rows `out`
	 * are made of. NULL: those of the base, under the same ids.
	 */
	void (*up)(struct node *node, uint32_t child, const uint64_t *in, uint64_t *out);
	void (*down)(struct node *node, uint32_t child, const uint64_t *out, uint64_t *in);
	/* May an evaluation fail for rows that a part of it does not look at? NULL: no. */
	bool (*may_fail)(const struct node *node);
};

/*
 * The series of one of the plan's selectors: followed, or as they were when the binding was made.
 */
struct series_source {
	struct selector *selector;   /* standing */
	struct selection *selection; /* else: its series are being found */
	struct series **members;     /* and then: pinned */
	uint32_t nmembers;
	struct id_list leaves; /* nodes that read it */
};

/*
 * A node, of which an evaluation touches the first NODE_HOT_BYTES only: nodes are many, and between
 * two evaluations all that is cold has left the processor's caches. Nodes begin at cache lines.
 */
#define NODE_LINE_BYTES 64
#define NODE_HOT_BYTES (4 * NODE_LINE_BYTES)
struct node {
	/*
	 * Is it evaluated already? The time for which these columns were asked for last, and the
	 * time before; TIME_NONE.
	 */
	_Alignas(NODE_LINE_BYTES) int64_t wanted_ms;
	int64_t wanted_before_ms;
	int64_t t_ms;
	int64_t asked_ms; /* the time that the whole evaluation was asked for */
	uint64_t fed; /* the sum of what came for t_ms afterwards, of the selectors below */
	const struct selector *selector; /* of a leaf's source, if it stands; else NULL */
	uint32_t grid;			 /* the plan node's */
	uint32_t nchildren;
	bool valid, failed;
	bool is_subquery, depends_on_bounds; /* the plan node's */
	uint32_t n;			     /* rows of the columns */

	const struct plan_node *plan;
	const struct node_kind *kind;
	struct node *children[NODE_CHILDREN_MAX];
	void *state;	   /* the kind's */
	struct node *base; /* the child whose row ids are this node's, or NULL */

	/* The columns of the evaluation at t_ms. */
	const double *values;
	const uint64_t *present;
	const uint64_t *silent; /* NULL: none */
	/* Own columns, cols_cap rows of them (a multiple of 64). */
	double *own_values;
	uint64_t *own_present, *own_silent;
	struct rows *rows; /* own, or those of a node below */
	uint32_t cols_cap;
	uint32_t repeats; /* live rows beyond the first of each label set */

	double scalar;
	char *error; /* of the last evaluation; owned */
	char *fault; /* what is wrong with the node itself, whatever the data; owned */
	uint64_t evals, cached;
	uint64_t units; /* of the last evaluation */
	struct rows own; /* of which an evaluation reads the beginning */

	/* ---- what follows no evaluation of a rule touches ---- */

	struct series_source *source; /* of leaves */
	struct row_changes own_changes;
	struct row_changes *changes; /* of this extend; those of whoever owns the rows */
	bool nameless;		     /* no row has a metric name */
	bool one_name;	 /* all rows have the same name, so that they stay distinct without it */
	bool may_repeat; /* two rows may have the same labels: `repeats` counts them */
	struct id_map lset_uses;
	uint64_t *ever; /* rows that were there at any time of the query; NULL: none yet */
	uint32_t ever_cap;

	/*
	 * How far shape came: rows of the child before shape_row, and all of the children before.
	 */
	uint32_t shape_child, shape_row;
	bool prepared, shaped;
};
_Static_assert(offsetof(struct node, plan) == NODE_LINE_BYTES, "is it current: a line");
_Static_assert(offsetof(struct node, own.cap) < NODE_HOT_BYTES, "what an evaluation touches");
_Static_assert(offsetof(struct node, values) == 2 * NODE_LINE_BYTES, "the columns: a line");

struct binding {
	void *nodes_room; /* what was allocated for nodes, which begin at a cache line */
	struct store *store;
	struct lset_table *lsets;
	const struct plan *plan;
	struct binding_options options;
	struct node *nodes;
	struct series_source *sources;
	uint32_t *parent_start,
		*parents; /* of node i: parents[parent_start[i] … parent_start[i + 1]) */
	uint32_t parents_round, parents_at; /* while these are made */
	uint64_t *touched;		    /* during an extend: nodes that changed */
	uint32_t nsources, nnodes;	    /* those before these are bound */
	bool bound;
	uint32_t shaped;		   /* nodes before this are */
	uint32_t nodes_gone, sources_gone; /* freed: those before these */
	bool releasing;
	uint32_t name;	      /* the symbol of the metric name's label */
	uint32_t mark;	      /* symbol of what marks a name that is to be removed */
	uint32_t metadata[3]; /* the same, and __type__ and __unit__, which go with the name */
	/*
	 * Of the evaluation that runs; within a subquery, of its step. And what was asked for: in a
	 * rule start and end are the time of the evaluation.
	 */
	int64_t t_ms;
	struct query_bounds bounds;
	uint64_t extends,
		eval_extends; /* an extend between two quanta begins the evaluation anew */
	uint64_t samples;     /* read by the evaluation */
	uint64_t samples_all; /* and by those before it */
	bool broken;	      /* out of memory within an extend: rows are missing */
	bool silent;	      /* some sender is, as of the node that runs */
	bool sees_open;	      /* lines are seen up to the end of the bucket that is open */
	double *scratch;
	size_t scratch_cap;
};

extern const struct node_kind node_number, node_string, node_time, node_negative, node_scalar,
	node_vector;
extern const struct node_kind node_bounds, node_scalar_function;
extern const struct node_kind node_subquery, node_subquery_range, node_subquery_absent;
extern const struct node_kind node_select, node_range, node_timestamp, node_start_timestamp;
extern const struct node_kind node_edges, node_smoothed;
extern const struct node_kind node_absent, node_absent_over_time;
extern const struct node_kind node_element, node_identity, node_histogram_only;
extern const struct node_kind node_binary_scalar, node_binary_element, node_join, node_set;
extern const struct node_kind node_aggregate, node_pick;
extern const struct node_kind node_count_values, node_fill, node_info, node_limit_ratio;
extern const struct node_kind node_quantile_label, node_finish;
extern const struct node_kind node_histogram, node_label_function;
/* Which of these a node of the plan becomes. */
const struct node_kind *node_kind_of(const struct plan *plan, const struct plan_node *node);

/* ---- rows ---- */

static inline bool rows_has(const struct rows *rows, uint32_t row)
{
	return row < rows->n && rows->lsets[row] != LSET_NONE;
}
/* Gives the row a label set, whose reference it takes (LSET_NONE: ERR_NOMEM). */
int node_row_put(struct binding *binding, struct node *node, uint32_t row, uint32_t lset);
/*
 * Before a row loses the metric name that `lset` has: rows of one name stay distinct without it,
 * but not if they were told apart by __type__ or __unit__, which nearly nobody has: from the first
 * of these on uses are counted after all.
 */
int node_count_uses(struct binding *binding, struct node *node, uint32_t lset);
/* As node_row_put(), without the metric name of `lset`, whose reference stays the caller's. */
int node_row_put_nameless(struct binding *binding, struct node *node, uint32_t row, uint32_t lset);
/* As node_row_put(), of an id that is free. */
int node_row_new(struct binding *binding, struct node *node, uint32_t lset, uint32_t *row);
/* Takes the row away. Its id is free to node_row_new(). */
void node_row_remove(struct binding *binding, struct node *node, uint32_t row);
/*
 * Makes the node keep the rows of a child one to one, with the same labels or, with drop, without
 * the metric name. Then node_extend_base() is its extend.
 */
void node_base_set(const struct binding *binding, struct node *node, struct node *base,
		   bool drop_name);
int node_extend_base(struct binding *binding, struct node *node, uint32_t child, uint32_t row,
		     bool added);

/* Lets the nodes above follow rows that came or went since the last call, outside of an extend. */
int binding_follow(struct binding *binding, struct node *node);
/*
 * Without the metric name, and what describes the metric: a reference, or LSET_NONE. When names are
 * removed in the end only (plan->delayed_names) the label set gets a mark instead, which is a label
 * of a name that no label can have.
 */
uint32_t binding_nameless(struct binding *binding, uint32_t lset);
/* Is the label, or any of these, the metric name or one that goes with it? */
bool label_is_metadata(struct slice name);
bool names_have_metadata(const struct names *names);
/* As it stands in a result: without mark and name where it is marked. */
uint32_t binding_finished(struct binding *binding, uint32_t lset);
/* Without the mark: a name that was to go stays after all. */
uint32_t binding_unmarked(struct binding *binding, uint32_t lset);
/*
 * The labels that a binary operation between two vectors gives its result, made of those of one
 * side (whose reference it takes): of arithmetic the name goes at once, of a comparison with bool
 * as of a function, and a comparison that filters keeps it, even if it was to go.
 */
uint32_t binding_joined(struct binding *binding, const struct plan_node *plan, uint32_t lset);

/* ---- columns ---- */

/* Room for as many rows as there are: sets node->n. What the columns held may be gone. */
int node_columns_reserve(struct node *node);

/* Notes how many samples a node has read. */
static inline void binding_read(struct binding *b, uint64_t samples)
{
	b->samples += samples;
	b->samples_all += samples;
}

static inline uint32_t words_of(uint32_t rows)
{
	return rows / 64 + (rows % 64 != 0);
}
static inline bool bit_get(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}
static inline void bit_set(uint64_t *bits, uint32_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}
static inline void bit_clear(uint64_t *bits, uint32_t i)
{
	bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
}
bool bits_any(const uint64_t *bits, uint32_t rows);
void bits_clear(uint64_t *bits, uint32_t rows);
/* Loops over the set bits of words [from / 64, …) below row `to`; `from` is a multiple of 64. */
#define FOR_BITS(row, bits, from, to)                                                              \
	for (uint32_t word_ = (from) / 64, end_ = words_of(to); word_ < end_; word_++)             \
		for (uint64_t left_ = (bits)[word_]; left_; left_ &= left_ - 1)                    \
			for (uint32_t row = word_ * 64 + (uint32_t)__builtin_ctzll(left_),         \
				      once_ = 1;                                                   \
			     once_; once_ = 0)

/* The node's own silent bits, cleared, as its column; NULL when no sender is silent. */
uint64_t *node_silent_begin(struct binding *binding, struct node *node);

/* ---- evaluation ---- */

/* Before the first row of an evaluation. */
void node_eval_begin(struct binding *binding, struct node *node);
/* After the last: the columns are those of this time, err 0 or ERR_EVAL. fed: see struct node. */
void node_eval_end(struct binding *binding, struct node *node, uint64_t fed, int err);
/* ERR_EVAL: two present rows have the same labels. */
int node_check_repeats(struct binding *binding, struct node *node);
/* The root of a failed evaluation gets the error of the node below that failed. */
void node_failure_note(struct node *root, const struct node *node);
/* The time of the evaluation that begins, or goes on. */
void binding_time_set(struct binding *binding, int64_t t_ms);

/* ---- times ---- */

/* The end of the bucket of log lines that t_ms is in. */
static inline int64_t bucket_end_ms(const struct plan *plan, const struct plan_node *leaf,
				    int64_t t_ms)
{
	int64_t bucket_ms = plan->logs[leaf->log - 1].bucket_ms;
	int64_t rest = bucket_ms ? t_ms % bucket_ms : 0;
	return rest > 0 ? t_ms + bucket_ms - rest : t_ms;
}
/* The end of what a selector or subquery looks at. */
static inline int64_t node_end_ms(const struct binding *binding, const struct plan_node *plan)
{
	int64_t t_ms = plan->at == AT_NONE    ? binding->t_ms
		       : plan->at == AT_TIME  ? plan->at_ms
		       : plan->at == AT_START ? binding->bounds.start_ms
					      : binding->bounds.end_ms;
	t_ms -= plan->offset_ms;
	return binding->sees_open && plan->log ? bucket_end_ms(binding->plan, plan, t_ms) : t_ms;
}
/*
 * Evaluates those nodes of the order that are on the grid of its last one, at binding->t_ms. As
 * binding_eval(); *failed is the node that failed.
 */
int binding_eval_grid(struct binding *binding, const uint32_t *order, uint32_t norder,
		      struct eval_cursor *cursor, int64_t *units, struct node **failed);
/* node->fed of a subquery: the nodes below it are not evaluated each time. */
uint64_t subquery_fed(const struct node *node);

/* Rows as steps before others begin: so many that these begin at a chunk. */
static inline uint32_t steps_padded(uint32_t rows)
{
	return (rows + EVAL_CHUNK - 1) / EVAL_CHUNK * EVAL_CHUNK;
}
/* Steps [from, to) of an evaluation in several phases, each of which begins at a chunk. */
struct steps {
	uint32_t from, to;
	uint32_t at, end; /* those of the phase that steps_take() came to */
};
/* The next phase has n steps: false when none of [from, to) is of it. */
static inline bool steps_take(struct steps *steps, uint32_t n)
{
	uint32_t padded = steps_padded(n);
	steps->at = steps->from < n ? steps->from : n;
	steps->end = steps->to < n ? steps->to : n;
	steps->from = steps->from > padded ? steps->from - padded : 0;
	steps->to = steps->to > padded ? steps->to - padded : 0;
	return steps->at < steps->end;
}
/* Evaluates it from *row on, or from that step on, in chunks; ERR_AGAIN. */
int node_eval_rows(struct binding *binding, struct node *node, uint32_t *row, int64_t *units);
/* Room for n doubles that lives until the next call; NULL when out of memory. */
double *binding_scratch(struct binding *binding, size_t n);

/* ---- errors ---- */

/* A warning about a number, where anybody listens. */
void node_warn_of(struct binding *binding, const struct node *node, const char *before,
		  double number, const char *after);
/* Notes, where anybody listens, that a quantile is none. */
void node_note_quantile(struct binding *binding, const struct node *node, double q);
/* Notes, where anybody listens, that numbers have no buckets to trim. */
void node_note_trim(struct binding *binding, const struct node *node);
/* Shaping: what no label can be called is the node's fault. 0, or ERR_NOMEM. */
int node_check_label(struct node *node, struct slice name);
/* Notes why the evaluation failed; ERR_EVAL. */
int node_fail(struct node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds {a="b"}, all labels inside the braces, as Prometheus' errors print them. */
struct buf;
void binding_format_lset(struct binding *binding, uint32_t lset, struct buf *out);
/* As the result would have them. NULL when out of memory. */
struct labels *binding_labels(struct binding *binding, uint32_t lset);

/* ---- symbols ---- */

/*
 * References to the symbols of the names, then of the metric name if asked, then (if that may be
 * marked) of the mark; *out to be given back.
 */
int symbols_take(struct binding *binding, const struct names *names, bool metric_name,
		 uint32_t **out, uint32_t *n);
/* How many of the last symbols are not from the names. */
static inline uint32_t symbols_hidden(const struct binding *binding)
{
	return binding->plan->delayed_names ? 2 : 1;
}
void symbols_give(struct binding *binding, uint32_t *symbols, uint32_t n);

/* ---- sources ---- */

static inline struct series **source_members(const struct series_source *source, uint32_t *n)
{
	*n = source->selector ? source->selector->nmembers : source->nmembers;
	return source->selector ? source->selector->members : source->members;
}

#endif
