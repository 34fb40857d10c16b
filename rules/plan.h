/*
 * The plan: all expressions compiled into one hash-consed graph.
 *
 * The same sub-expression, in whichever rule, is one node (equal operator, parameters and
 * children). Nodes are numbered so that children come before parents. The plan is pure data:
 * immutable once built, it knows nothing of series; the engine binds it to the store's selectors
 * and gives each node rows and columns.
 *
 * Constants are folded (1 + 2, -(3)); parentheses leave no node; selectors are in canonical order,
 * so that {a="1",b="2"} and {b="2",a="1"} are one.
 *
 * A subquery evaluates what is below it at the multiples of its step. Such nodes are on another
 * grid of times than the rules' own: a node has one grid, so that its columns have one time at any
 * moment, and equal expressions on the same grid are one node still.
 */
#ifndef TOCSIN_RULES_PLAN_H
#define TOCSIN_RULES_PLAN_H

#include "rules/ast.h"

#define PLAN_NODES_MAX 4000000
#define PLAN_NONE UINT32_MAX
#define PLAN_GRIDS_MAX 4096
#define PLAN_SUBQUERY_STEP_MS 60000
/* The reach of what is read at a fixed time (x @ 100): as far back as there is anything. */
#define PLAN_REACH_ALL (INT64_MAX / 4)

struct plan_index;

enum plan_op {
	PLAN_NUMBER,   /* scalar constant */
	PLAN_STRING,   /* only as a parameter */
	PLAN_TIME,     /* time(): the evaluation time in seconds */
	PLAN_SELECT,   /* instant selector: newest sample within the lookback, not stale */
	PLAN_SUBQUERY, /* children: an expression on a grid of its own */
	/*
	 * A range function: of a selector, fused with it, children: the other arguments; or, with
	 * no selector, of a subquery, which is the first child then.
	 */
	PLAN_RANGE,
	PLAN_CALL, /* any other function of vectors and scalars */
	PLAN_NEGATE,
	PLAN_BINARY,	/* operands vector or scalar in any mix */
	PLAN_AGGREGATE, /* children: operand, then the parameter if any */
	PLAN_FINISH,	/* with delayed_names, above an expression: what is marked loses its name */
};

/* A selector of the plan: distinct matchers. */
struct plan_selector {
	struct matcher *matchers; /* canonical order */
	uint32_t nmatchers;
	char *text;   /* {__name__="up"}: its identity */
	uint32_t log; /* 1 + index of the derived series in plan->logs that it reads; 0: none */
};

/*
 * When a node is evaluated. 0: at the time that is asked for; else at multiples of step_ms, as the
 * subqueries on the grid `outer` ask for.
 */
struct plan_grid {
	uint32_t outer;
	int64_t step_ms;
};

/* What a derived series counts of a line that passes its pipeline. */
enum plan_log_value {
	PLAN_LOG_LINES,	    /* 1 */
	PLAN_LOG_BYTES,	    /* the length of the line as the pipeline leaves it */
	PLAN_LOG_UNWRAPPED, /* the value of the label that "unwrap" names */
};

/* How the values of a bucket become one sample; or each stays a sample of its own. */
enum plan_log_window { PLAN_LOG_SUM, PLAN_LOG_MIN, PLAN_LOG_MAX, PLAN_LOG_EVENTS };

/* Which labels of a line its derived series has: lines that differ in others fall together. */
enum plan_log_keep {
	PLAN_LOG_ALL,	  /* but the unwrapped one */
	PLAN_LOG_BY,	  /* those named */
	PLAN_LOG_WITHOUT, /* all but those named, and the unwrapped one */
};

/*
 * A kind of series that is extracted from log lines. Nodes read it like any other series, by its
 * name. Functions that need the same of the same lines share one.
 */
struct plan_log {
	/*
	 * The name of the series, and the identity: the canonical log selector with its pipeline,
	 * then what it keeps: `logs{job="api"} |= "x" as lines by (job)`. No longer than
	 * PLAN_LOG_NAME_MAX; a longer text is cut and ends in a checksum.
	 */
	char *name;
	struct matcher *matchers; /* of stream labels, canonical order */
	uint32_t nmatchers;
	struct log_selector *log; /* the stages */
	enum plan_log_value value;
	enum plan_log_window window;
	enum plan_log_keep keep;
	struct names labels; /* sorted, unique */
	uint32_t selector;   /* index into plan->selectors: {__name__="…"} */
	int64_t bucket_ms;   /* width of its buckets for the rules of a set; 0: events, or no set */
};

#define PLAN_LOG_NAME_MAX 4096

struct plan_node {
	enum plan_op op;
	enum value_type type; /* VALUE_SCALAR, VALUE_VECTOR, VALUE_STRING */
	uint32_t id;
	uint32_t nchildren;
	const uint32_t *children;	 /* ids, all smaller than id */
	uint32_t nparents;		 /* how many edges lead here: rules' roots not counted */
	const struct function *function; /* PLAN_RANGE, PLAN_CALL */
	uint32_t selector;		 /* PLAN_SELECT, PLAN_RANGE: index into plan->selectors, or
					    PLAN_NONE */
	/*
	 * PLAN_RANGE of log lines: 1 + index into plan->logs; 0: of samples. The function then
	 * means what it does in LogQL: rate() is per second of the range, without extrapolation.
	 */
	uint32_t log;
	int64_t range_ms, offset_ms; /* of the selector or subquery */
	int64_t step_ms;	     /* of the subquery */
	enum at_kind at;	     /* of the selector or subquery */
	int64_t at_ms;
	enum edge_kind edges; /* of the selector */
	uint32_t grid;	      /* index into plan->grids */
	/* Depends on start, end, step of the query, here or below: not identity, but what follows.
	 */
	bool depends_on_bounds;
	double number;
	struct slice string;
	enum binary_op binary;
	bool is_bool;
	bool on; /* binary: on(labels), else ignoring(labels) */
	enum match_card card;
	struct names include;
	bool fills[2]; /* left, right: what stands for a missing element */
	double fill[2];
	enum aggregate_op aggregate;
	bool without;
	struct names labels; /* of on/ignoring, by/without: sorted, unique */
	/*
	 * absent(), absent_over_time(): the labels that the result has, from the selector's
	 * equality matchers.
	 */
	const struct label *absent_labels;
	uint32_t nabsent_labels;
	/*
	 * info(): `labels` are those that are taken (none: all). Is an element without an info
	 * series kept? Are elements that match the names of the info metrics left as they are?
	 */
	bool info_optional, info_names;
	/* timestamp() for info(): names, by which its info series are told apart, stay. */
	bool keeps_names;
	/*
	 * Where in its expression what it may complain of stands, for notes: of whoever came last,
	 * and no part of its identity.
	 */
	uint32_t place, vector_place; /* vector_place: of the last argument */
	uint64_t hash;
};

struct plan {
	struct plan_node **nodes;
	uint32_t nnodes, nodes_cap;
	struct plan_selector *selectors;
	uint32_t nselectors, selectors_cap;
	struct plan_log *logs;
	uint32_t nlogs, logs_cap;
	struct plan_grid *grids; /* the first is the rules' own */
	uint32_t ngrids, grids_cap;
	uint32_t nodes_max; /* PLAN_NODES_MAX unless a test says less */
	/*
	 * Metric names are removed at the end of an expression, not by each function: so that
	 * label_replace() may still read them. To be set before anything is added.
	 */
	bool delayed_names;
	int64_t subquery_step_ms; /* of subqueries without a step; PLAN_SUBQUERY_STEP_MS at first */
	struct arena arena;
	struct plan_index *index; /* the hash-consing tables */
};

struct plan *plan_new(void);
void plan_free(struct plan *plan);
/*
 * Adds a checked expression; *root is the id of its node. A range vector by itself becomes its
 * last_over_time(): see binding_range(). The plan keeps nothing of the tree. ERR_LIMIT, ERR_NOMEM:
 * what was added by then stays, and does no harm.
 */
int plan_add(struct plan *plan, const struct expr *expr, uint32_t *root);
/*
 * The nodes below a root, itself last, children before parents, each once: the order of evaluation.
 * *out to free().
 */
int plan_order(const struct plan *plan, uint32_t root, uint32_t **out, uint32_t *n);
/* Where in an order the node stands, which is in it. */
uint32_t plan_order_place(const uint32_t *order, uint32_t n, uint32_t id);
/*
 * How much further back than at the time of the evaluation the nodes of an order (in parallel to
 * it) are evaluated: what the subqueries above them add, at most; PLAN_REACH_ALL below one at a
 * fixed time. back_ms has room for n.
 */
void plan_order_back(const struct plan *plan, const uint32_t *order, uint32_t n, int64_t *back_ms);
/* Has the node a selector of its own? (PLAN_SELECT, and PLAN_RANGE of no subquery.) */
static inline bool plan_node_is_leaf(const struct plan_node *node)
{
	return node->op == PLAN_SELECT || (node->op == PLAN_RANGE && node->selector != PLAN_NONE);
}
/* Does it look back over a range? (Of 0 ms too: x[0.0001] is empty.) */
static inline bool plan_node_has_range(const struct plan_node *node)
{
	return node->op == PLAN_SUBQUERY || (node->op == PLAN_RANGE && plan_node_is_leaf(node));
}
/*
 * One node as a line of text, without what is below it: "sum by (job)", "rate
 * {__name__=\"x\"}[5m]".
 */
void plan_node_format(const struct plan *plan, const struct plan_node *node, struct buf *out);
/* The graph below a root as an indented tree; a node shown before is referred to by its number. */
void plan_format(const struct plan *plan, uint32_t root, struct buf *out);
/* Asserts the invariants: order of ids, parents counted, nothing twice, names sorted. For tests. */
void plan_check(const struct plan *plan);

#endif
