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
 */
#ifndef TOCSIN_RULES_PLAN_H
#define TOCSIN_RULES_PLAN_H

#include "rules/ast.h"

#define PLAN_NODES_MAX 4000000
#define PLAN_NONE UINT32_MAX

struct plan_index;

enum plan_op {
	PLAN_NUMBER, /* scalar constant */
	PLAN_STRING, /* only as a parameter */
	PLAN_TIME,   /* time(): the evaluation time in seconds */
	PLAN_SELECT, /* instant selector: newest sample within the lookback, not stale */
	PLAN_RANGE,  /* a range function fused with its selector; children: other arguments */
	PLAN_CALL,   /* any other function of vectors and scalars */
	PLAN_NEGATE,
	PLAN_BINARY,	/* operands vector or scalar in any mix */
	PLAN_AGGREGATE, /* children: operand, then the parameter if any */
};

/* A selector of the plan: distinct matchers. */
struct plan_selector {
	struct matcher *matchers; /* canonical order */
	uint32_t nmatchers;
	char *text; /* {__name__="up"}: its identity */
};

struct plan_node {
	enum plan_op op;
	enum value_type type; /* VALUE_SCALAR, VALUE_VECTOR, VALUE_STRING */
	uint32_t id;
	uint32_t nchildren;
	const uint32_t *children;	 /* ids, all smaller than id */
	uint32_t nparents;		 /* how many edges lead here: rules' roots not counted */
	const struct function *function; /* PLAN_RANGE, PLAN_CALL */
	uint32_t selector;		 /* PLAN_SELECT, PLAN_RANGE: index into plan->selectors */
	int64_t range_ms, offset_ms;	 /* of the selector */
	double number;
	struct slice string;
	enum binary_op binary;
	bool is_bool;
	bool on; /* binary: on(labels), else ignoring(labels) */
	enum match_card card;
	struct names include;
	enum aggregate_op aggregate;
	bool without;
	struct names labels; /* of on/ignoring, by/without: sorted, unique */
	/*
	 * absent(), absent_over_time(): the labels that the result has, from the selector's
	 * equality matchers.
	 */
	const struct label *absent_labels;
	uint32_t nabsent_labels;
	uint64_t hash;
};

struct plan {
	struct plan_node **nodes;
	uint32_t nnodes, nodes_cap;
	struct plan_selector *selectors;
	uint32_t nselectors, selectors_cap;
	uint32_t nodes_max; /* PLAN_NODES_MAX unless a test says less */
	struct arena arena;
	struct plan_index *index; /* the hash-consing tables */
};

struct plan *plan_new(void);
void plan_free(struct plan *plan);
/*
 * Adds a checked expression of any type but a range vector; *root is the id of its node. The plan
 * keeps nothing of the tree. ERR_LIMIT, ERR_NOMEM: what was added by then stays, and does no harm.
 */
int plan_add(struct plan *plan, const struct expr *expr, uint32_t *root);
/*
 * The nodes below a root, itself last, children before parents, each once: the order of evaluation.
 * *out to free().
 */
int plan_order(const struct plan *plan, uint32_t root, uint32_t **out, uint32_t *n);
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
