#include "engine/partial.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/node.h"

#define PARTIAL_CHUNK_WORDS 16 /* evaluated at a stretch, between two looks at the units */

/* ---- life ---- */

static bool has_rows(const struct node *node)
{
	return node->plan->type == VALUE_VECTOR;
}

static uint32_t place_of(const struct partial *partial, const struct node *node)
{
	/* The order is that of ids. */
	uint32_t low = 0, high = partial->n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (partial->nodes[middle].node->plan->id < node->plan->id)
			low = middle + 1;
		else
			high = middle;
	}
	assert(partial->nodes[low].node == node);
	return low;
}

int partial_init(struct partial *partial, struct binding *b, const uint32_t *order, uint32_t norder)
{
	*partial = (struct partial){ .nodes = calloc(norder, sizeof(*partial->nodes)) };
	if (!partial->nodes)
		return ERR_NOMEM;
	partial->n = norder;
	for (uint32_t i = 0; i < norder; i++) {
		assert(i == 0 || order[i - 1] < order[i]);
		partial->nodes[i].node = &b->nodes[order[i]];
	}
	for (uint32_t i = 0; i < norder; i++) {
		struct partial_node *at = &partial->nodes[i];
		at->children = malloc((at->node->nchildren + 1) * sizeof(*at->children));
		if (!at->children)
			return ERR_NOMEM;
		for (uint32_t c = 0; c < at->node->nchildren; c++)
			at->children[c] = place_of(partial, at->node->children[c]);
	}
	return 0;
}

void partial_fini(struct partial *partial)
{
	for (uint32_t i = 0; i < partial->n; i++) {
		free(partial->nodes[i].children);
		free(partial->nodes[i].marks[0]);
	}
	free(partial->nodes);
	free(partial->present);
	*partial = (struct partial){ .nodes = NULL };
}

static uint32_t rows_of(const struct node *node)
{
	return node->base ? node->base->rows->n : node->rows->n;
}

static int marks_reserve(struct partial_node *at, uint32_t words)
{
	if (words > at->cap) {
		uint32_t cap = words + words / 4 + 4;
		free(at->marks[0]);
		at->marks[0] = malloc((size_t)cap * PARTIAL_MARKS * sizeof(uint64_t));
		at->cap = at->marks[0] ? cap : 0;
		if (!at->marks[0])
			return ERR_NOMEM;
	}
	at->words = words;
	if (at->cap == 0)
		return 0; /* no rows yet */
	for (int m = 1; m < PARTIAL_MARKS; m++)
		at->marks[m] = at->marks[0] + (size_t)m * at->cap;
	return 0;
}

int partial_begin(struct partial *partial)
{
	for (uint32_t i = 0; i < partial->n; i++) {
		struct partial_node *at = &partial->nodes[i];
		if (!has_rows(at->node))
			continue;
		int err = marks_reserve(at, words_of(rows_of(at->node)));
		if (err)
			return err;
	}
	for (int m = 0; m < PARTIAL_MARKS; m++)
		partial_clear(partial, m);
	return 0;
}

void partial_clear(struct partial *partial, enum partial_marks marks)
{
	for (uint32_t i = 0; i < partial->n; i++)
		if (partial->nodes[i].words)
			memset(partial->nodes[i].marks[marks], 0,
			       partial->nodes[i].words * sizeof(uint64_t));
}

void partial_end(struct partial *partial)
{
	for (uint32_t i = 0; i < partial->n; i++)
		partial->nodes[i].node->valid = false;
}

/* ---- leaves ---- */

struct series *const *partial_members(const struct partial_node *leaf)
{
	if (!plan_node_is_leaf(leaf->node->plan))
		return NULL;
	uint32_t n;
	return source_members(leaf->node->source, &n);
}

bool partial_has_row(const struct partial_node *at, uint32_t row)
{
	return rows_has(at->node->rows, row);
}

void partial_span(const struct binding *b, const struct partial_node *leaf, int64_t t_ms,
		  int64_t *start_ms, int64_t *end_ms)
{
	const struct plan_node *plan = leaf->node->plan;
	*end_ms = plan->log ? bucket_end_ms(b->plan, plan, t_ms) : t_ms;
	*start_ms = *end_ms - (plan->op == PLAN_RANGE ? plan->range_ms : b->options.lookback_ms);
}

/* ---- up and down ---- */

static void add_all(const uint64_t *from, uint32_t nfrom, uint64_t *to, uint32_t nto)
{
	for (uint32_t i = 0; i < nfrom && i < nto; i++)
		to[i] |= from[i];
}

static void up(struct partial *partial, struct partial_node *at, enum partial_marks marks)
{
	for (uint32_t c = 0; c < at->node->nchildren; c++) {
		const struct partial_node *child = &partial->nodes[at->children[c]];
		if (!has_rows(child->node) || !bits_any(child->marks[marks], child->words * 64))
			continue;
		if (at->node->kind->up)
			at->node->kind->up(at->node, c, child->marks[marks], at->marks[marks]);
		else if (at->node->base == child->node)
			add_all(child->marks[marks], child->words, at->marks[marks], at->words);
	}
}

void partial_up(struct partial *partial, enum partial_marks marks)
{
	for (uint32_t i = 0; i < partial->n; i++)
		if (has_rows(partial->nodes[i].node))
			up(partial, &partial->nodes[i], marks);
}

static void down(struct partial *partial, const struct partial_node *at, enum partial_marks marks)
{
	for (uint32_t c = 0; c < at->node->nchildren; c++) {
		struct partial_node *child = &partial->nodes[at->children[c]];
		if (!has_rows(child->node))
			continue;
		if (at->node->kind->down)
			at->node->kind->down(at->node, c, at->marks[marks], child->marks[marks]);
		else if (at->node->base == child->node)
			add_all(at->marks[marks], at->words, child->marks[marks], child->words);
	}
}

void partial_down(struct partial *partial, enum partial_marks marks)
{
	for (uint32_t i = partial->n; i-- > 0;) {
		const struct partial_node *at = &partial->nodes[i];
		if (has_rows(at->node) && bits_any(at->marks[marks], at->words * 64))
			down(partial, at, marks);
	}
}

void partial_widen(struct partial *partial)
{
	bool wide = false;
	for (uint32_t i = 0; i < partial->n && !wide; i++) {
		struct node *node = partial->nodes[i].node;
		wide = node->repeats > 0 || (node->kind->may_fail && node->kind->may_fail(node));
	}
	for (uint32_t i = 0; i < partial->n && wide; i++)
		if (partial->nodes[i].words)
			memset(partial->nodes[i].marks[PARTIAL_NEEDED], 0xff,
			       partial->nodes[i].words * sizeof(uint64_t));
}

/* ---- eval ---- */

static int eval_words(struct binding *b, const struct partial_node *at, uint32_t *row,
		      int64_t *units)
{
	struct node *node = at->node;
	const uint64_t *needed = at->marks[PARTIAL_NEEDED];
	for (uint32_t from = *row / 64; from < at->words;) {
		uint32_t to = from;
		while (to < at->words && needed[to] && to - from < PARTIAL_CHUNK_WORDS)
			to++;
		if (to == from) {
			from++;
			continue;
		}
		if (*units <= 0) {
			*row = from * 64;
			return ERR_AGAIN;
		}
		int err = node->kind->eval(b, node, from * 64,
					   to * 64 < node->n ? to * 64 : node->n, units);
		if (err)
			return err;
		from = to;
	}
	return 0;
}

static int eval_node(struct binding *b, const struct partial_node *at, uint32_t *row,
		     int64_t *units)
{
	struct node *node = at->node;
	int err = 0;
	if (*row == 0) {
		err = node_columns_reserve(node);
		if (err)
			return err;
		node_eval_begin(b, node);
		bits_clear(node->own_present, node->n);
	}
	if (node->fault)
		return node_fail(node, "%s", node->fault);
	if (has_rows(node) && node->kind->by_rows)
		err = eval_words(b, at, row, units);
	else
		err = node_eval_rows(b, node, row, units);
	return !err && node->repeats ? node_check_repeats(b, node) : err;
}

static int eval_nodes(struct partial *partial, struct binding *b, struct eval_cursor *cursor,
		      int64_t *units)
{
	for (; cursor->node < partial->n; cursor->node++, cursor->row = 0) {
		struct partial_node *at = &partial->nodes[cursor->node];
		if (*units <= 0)
			return ERR_AGAIN;
		int err = eval_node(b, at, &cursor->row, units);
		if (err == ERR_EVAL)
			node_failure_note(partial_root(partial)->node, at->node);
		if (err)
			return err;
		at->node->evals++;
	}
	return 0;
}

int partial_eval(struct partial *partial, struct binding *b, int64_t t_ms,
		 struct eval_cursor *cursor, int64_t *units)
{
	binding_time_set(b, t_ms);
	b->sees_open = true;
	int err = eval_nodes(partial, b, cursor, units);
	b->sees_open = false;
	return err;
}

int partial_relation(struct partial *partial, enum partial_marks marks, struct relation *out)
{
	const struct partial_node *root = partial_root(partial);
	const struct node *node = root->node;
	if (root->words > partial->present_cap) {
		free(partial->present);
		partial->present = malloc(root->cap * sizeof(*partial->present));
		partial->present_cap = partial->present ? root->cap : 0;
		if (!partial->present)
			return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < root->words; i++)
		partial->present[i] = node->present[i] & root->marks[marks][i];
	*out = (struct relation){
		.type = node->plan->type,
		.nrows = node->n < node->rows->n ? node->n : node->rows->n,
		.lsets = node->rows->lsets,
		.values = node->values,
		.present = partial->present,
	};
	return 0;
}
