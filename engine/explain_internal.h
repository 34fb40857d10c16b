/*
 * What the files of explain share. Private to engine/.
 *
 *   explain.c        its life, its texts, evaluating; the pieces in order
 *   explain_find.c   which rule is meant, its plan, and who shares it
 *   explain_nodes.c  what each node has and loses
 *   explain_rows.c   following a row from a node to those below it
 *   explain_why.c    where a row is lost
 *   explain_leaf.c   why a selector has it not, and what is near
 */
#ifndef TOCSIN_ENGINE_EXPLAIN_INTERNAL_H
#define TOCSIN_ENGINE_EXPLAIN_INTERNAL_H

#include "engine/engine_internal.h"
#include "engine/explain.h"
#include "engine/node.h"

#define EXPLAIN_PAIRS_MAX (LABELS_COUNT_MAX + 8)

enum explain_stage {
	EXPLAIN_FIND,
	EXPLAIN_EVAL,
	EXPLAIN_SHARE,
	EXPLAIN_NODES,
	EXPLAIN_ALERTS,
	EXPLAIN_WHY,
	EXPLAIN_NAMES,
	EXPLAIN_DONE
};

/* Which rows of a node are about the one that is looked for. */
struct sought {
	/* Labels that they have just so; SYMBOL_NONE: not at all. */
	struct lset_pair pairs[EXPLAIN_PAIRS_MAX];
	uint32_t npairs;
	bool asks_matchers; /* and those of the user, where the node has such labels: */
	uint64_t applies;   /* by matcher; sought_prepare() finds it out */
};

struct explain_work {
	struct explain_work *next; /* of the engine */
	struct explain *explain;
	enum explain_stage stage;
	uint32_t at;					/* where the stage stands */
	struct engine_query *query;			/* what is evaluated */
	bool expr_is_borrowed;				/* of the rule set */
	uint32_t found[EXPLAIN_CANDIDATES_MAX], nfound; /* rules of the name */
	uint32_t *counterparts; /* by place: the node of the rules' plan; in the arena */
	uint32_t *shared;	/* by place in the rule's order: how many rules have it */
	uint64_t *marks;	/* of such places, of the rule that is looked at */
	bool has_counterparts;
	int64_t newest_ms;	   /* of the leaf at hand */
	uint32_t member;	   /* of it */
	uint32_t old, ended, none; /* of its members that give nothing */
	uint32_t why_node;	   /* where the row is looked for */
	uint32_t why_row;	   /* there, if it is known; ROW_NONE: what is sought */
	uint32_t hint;	     /* labels of the row that is sought, as a leaf has them; LSET_NONE */
	bool lacks_partner;  /* on the way a join had no row for the other side */
	const char *besides; /* what is true although the row is absent; NULL */
	struct sought sought;
	struct id_map names; /* metric names met, when one is looked for */
	const char **near;   /* as texts */
	uint32_t nnear, cursor;
	struct slice wanted_name;
};

/* ---- explain.c ---- */

/* It ends so; gives the code. */
int explain_conclude(struct explain *explain, int code, const char *error);
/* What the buffer holds, in the arena; ends the buffer. */
const char *explain_taken(struct explain *explain, struct buf *text);
/* A sentence in the arena; "" without memory. */
const char *explain_says(struct explain *explain, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "3m20s" */
const char *explain_duration(struct explain *explain, int64_t ms);
const char *explain_number(struct explain *explain, double value);
/* {a="b"}; the metric name before. */
const char *explain_labels(struct explain *explain, struct binding *binding, uint32_t lset);
/* The binding's node at a place of the order. */
struct node *explain_node_of(const struct explain_work *work, uint32_t place);
/* The place of one of its nodes. */
uint32_t explain_place_of(const struct explain_work *work, const struct node *node);
static inline bool explain_is_present(const struct node *node, uint32_t row)
{
	return node->valid && !node->failed && row < node->n && rows_has(node->rows, row) &&
	       bit_get(node->present, row);
}

/* ---- explain_find.c ---- */

/* Finds the rule, or takes the expression, and plans it. 0, ERR_AGAIN; concluded else. */
int explain_find(struct engine *engine, struct explain_work *work, int64_t *units);
/* How many rules share each node, and what it costs there. 0, ERR_AGAIN, ERR_NOMEM. */
int explain_share(struct engine *engine, struct explain_work *work, int64_t *units);

/* ---- explain_nodes.c ---- */

/* Goes on with the node at work->at. 0: it is done; ERR_AGAIN. */
int explain_node_look(struct engine *engine, struct explain_work *work, int64_t *units);

/* ---- explain_rows.c ---- */

void sought_prepare(const struct engine *engine, const struct explain *explain,
		    const struct node *node, struct sought *sought);
/* The next row from `row` on that is sought; ROW_NONE. */
uint32_t sought_next(const struct engine *engine, const struct explain_work *work,
		     const struct node *node, const struct sought *sought, uint32_t row);
/* Adds the labels of a row of an aggregation: rows of its child have them, too. */
void sought_of_group(const struct engine *engine, const struct node *node, uint32_t row,
		     struct sought *sought);
/* The rows of both sides of a join or set operator that a row of the result is made of. */
struct join_sides {
	uint32_t row[2];     /* ROW_NONE: there is none */
	uint32_t present[2]; /* the first that is present; ROW_NONE */
	uint32_t signature;  /* label set */
};
/* The match of a node that has one, else NULL. */
const struct match *explain_match(const struct node *node);
void join_sides_of(const struct node *node, uint32_t row, struct join_sides *out);
/* The same of a row of one side, whether the result has a row for it or not. */
void join_sides_of_child(const struct node *node, uint32_t side, uint32_t row,
			 struct join_sides *out);
/* Rows of a side that have this signature. */
void sought_of_signature(const struct engine *engine, const struct node *node, uint32_t signature,
			 struct sought *sought);
/* What each part has for an alert. 0, ERR_NOMEM. */
int explain_parts(struct engine *engine, struct explain_work *work, struct explain_alert *alert,
		  uint32_t expr_lset);

/* ---- explain_why.c, explain_leaf.c ---- */

void explain_why_begin(struct engine *engine, struct explain_work *work);
/* One node further. 0: the end is reached; ERR_AGAIN. */
int explain_why_step(struct engine *engine, struct explain_work *work, int64_t *units);
void explain_end(struct explain_work *work, enum explain_reason reason, const char *says);
/* Why a leaf has not this row, or none at all (ROW_NONE). True: near names are still to be found.
 */
bool explain_leaf_why(struct engine *engine, struct explain_work *work, const struct node *leaf,
		      uint32_t row);
/* Looks for metric names near the one that is not there. 0, ERR_AGAIN. */
int explain_names_step(struct engine *engine, struct explain_work *work, int64_t *units);

#endif
