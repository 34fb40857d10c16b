/*
 * Partial evaluation: an expression for some of its rows, at a time of their own.
 *
 * For a pass all rows of all nodes are evaluated. When a sample arrives, only the rows that it is
 * part of are: marks on rows go up from the leaves (what is this row part of?), and down from the
 * root (what is that row made of?); then each node is evaluated for the words of 64 rows that have
 * a needed one. What crosses series is evaluated as a whole of what is needed. The values are those
 * that a pass would give for the same rows.
 *
 * One struct serves one expression; its marks last from partial_begin() to partial_end(), within
 * which the binding must not be extended, nor evaluated otherwise.
 */
#ifndef TOCSIN_ENGINE_PARTIAL_H
#define TOCSIN_ENGINE_PARTIAL_H

#include "engine/binding.h"

struct node;

enum partial_marks {
	PARTIAL_TOUCHED, /* have a new sample */
	PARTIAL_NEEDED,	 /* are to be evaluated */
	PARTIAL_DOUBTED, /* may change with what is on its way */
	PARTIAL_GONE,	 /* have no value any more */
	PARTIAL_MARKS
};

struct partial {
	struct partial_node {
		struct node *node;
		uint32_t *children; /* places in `nodes` */
		uint64_t
			*marks[PARTIAL_MARKS]; /* by row, `words` of them each, in one allocation */
		uint32_t words, cap;
	} * nodes; /* in the order of evaluation, the root last */
	uint32_t n;
	uint64_t *present; /* of the root: see partial_relation() */
	uint32_t present_cap;
};

/* ERR_NOMEM. */
int partial_init(struct partial *partial, struct binding *binding, const uint32_t *order,
		 uint32_t norder);
void partial_fini(struct partial *partial);

/* No marks anywhere, with room for the rows that there are. ERR_NOMEM. */
int partial_begin(struct partial *partial);
static inline struct partial_node *partial_root(const struct partial *partial)
{
	return &partial->nodes[partial->n - 1];
}
/* The members of a leaf, by row; NULL for another node. */
struct series *const *partial_members(const struct partial_node *leaf);
/* Is there such a row? */
bool partial_has_row(const struct partial_node *node, uint32_t row);
/*
 * What a leaf sees at t_ms: samples later than *start_ms, up to *end_ms. Of log lines that is the
 * end of the bucket that is open then.
 */
void partial_span(const struct binding *binding, const struct partial_node *leaf, int64_t t_ms,
		  int64_t *start_ms, int64_t *end_ms);

/* From the leaves to the root: what is part of a marked row is marked. */
void partial_up(struct partial *partial, enum partial_marks marks);
/* From the root to the leaves: what a marked row is made of is marked. */
void partial_down(struct partial *partial, enum partial_marks marks);
/* A clean slate for one kind of marks. */
void partial_clear(struct partial *partial, enum partial_marks marks);
/*
 * Must all rows be evaluated for any, because an error may depend on others? Then they are marked
 * as needed.
 */
void partial_widen(struct partial *partial);

/* Evaluates what is needed; as binding_eval(). */
int partial_eval(struct partial *partial, struct binding *binding, int64_t t_ms,
		 struct eval_cursor *cursor, int64_t *units);
/*
 * The root's columns, where present tells of its marked rows alone. Valid until the end; ERR_NOMEM.
 */
int partial_relation(struct partial *partial, enum partial_marks marks, struct relation *out);
/* Whoever evaluates next begins anew. */
void partial_end(struct partial *partial);

#endif
