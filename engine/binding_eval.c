/*
 * The columns of a binding's nodes: an evaluation walks the nodes in order, in quanta, and passes
 * over those whose columns are those of its time already.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine/foresee.h"
#include "engine/node.h"

int node_columns_reserve(struct node *node)
{
	uint32_t n = node->base ? node->base->rows->n : node->rows->n;
	node->n = n;
	if (n <= node->cols_cap && node->own_present)
		return 0;
	uint32_t cap = (n + n / 4 + 64) / 64 * 64;
	free(node->own_values);
	free(node->own_present);
	free(node->own_silent);
	node->own_values = calloc(cap, sizeof(*node->own_values));
	node->own_present = calloc(words_of(cap), sizeof(*node->own_present));
	node->own_silent = calloc(words_of(cap), sizeof(*node->own_silent));
	node->cols_cap = node->own_values && node->own_present && node->own_silent ? cap : 0;
	return node->cols_cap ? 0 : ERR_NOMEM;
}

static uint64_t fed_below(const struct node *node)
{
	if (node->is_subquery)
		return subquery_fed(node);
	const struct selector *selector = node->selector;
	uint64_t fed = selector ? selector->fed + selector->late.count : 0;
	for (uint32_t c = 0; c < node->nchildren; c++)
		fed += node->children[c]->fed;
	return fed;
}

/*
 * Rows that count as present: those of this time or, for a range function in a query, of any time
 * so far. Prometheus evaluates it at all the times before it looks for namesakes.
 */
static const uint64_t *counted_rows(struct binding *b, struct node *node)
{
	if (node->plan->op != PLAN_RANGE || !b->options.bounds || b->plan->delayed_names)
		return node->present;
	uint32_t words = words_of(node->n);
	if (words > node->ever_cap) {
		uint64_t *ever = realloc(node->ever, words * sizeof(*ever));
		if (!ever)
			return NULL;
		memset(ever + node->ever_cap, 0, (words - node->ever_cap) * sizeof(*ever));
		node->ever = ever;
		node->ever_cap = words;
	}
	for (uint32_t i = 0; i < words; i++)
		node->ever[i] |= node->present[i];
	return node->ever;
}

/* Two present rows with the same labels, of those that have a namesake at all? */
int node_check_repeats(struct binding *b, struct node *node)
{
	struct id_map seen = { .slots = NULL };
	/* With delayed names Prometheus looks at operators' results only where there are steps. */
	bool is_instant = b->bounds.start_ms == b->bounds.end_ms;
	if (b->plan->delayed_names && node->plan->op == PLAN_BINARY && is_instant)
		return 0;
	const uint64_t *rows = counted_rows(b, node);
	int err = rows ? 0 : ERR_NOMEM;
	FOR_BITS (row, rows, 0, rows ? node->n : 0) {
		uint32_t lset = node->rows->lsets[row];
		if (err || id_map_find(&node->lset_uses, lset) < 2)
			continue;
		if (id_map_find(&seen, lset) != ID_MAP_NONE)
			err = node_fail(node,
					"vector cannot contain metrics with the same labelset");
		else if (!id_map_put(&seen, lset, row))
			err = ERR_NOMEM;
	}
	id_map_fini(&seen);
	return err;
}

void node_eval_begin(struct binding *b, struct node *node)
{
	node->valid = node->failed = false;
	free(node->error);
	node->error = NULL;
	node->values = node->own_values;
	node->present = node->own_present;
	node->silent = node->base ? node->base->silent : NULL;
	b->silent = b->options.any_silent && *b->options.any_silent;
}

static uint32_t steps_of(const struct node *node)
{
	return node->kind->steps ? node->kind->steps(node) : node->n;
}

int node_eval_rows(struct binding *b, struct node *node, uint32_t *row, int64_t *units)
{
	uint32_t end = steps_of(node);
	if (!node->kind->by_rows && !node->kind->steps) {
		*row = end;
		return node->kind->eval(b, node, 0, end, units);
	}
	do {
		uint32_t from = *row, left = end - from;
		uint32_t to = left > EVAL_CHUNK ? from + EVAL_CHUNK : end;
		int err = node->kind->eval(b, node, from, to, units);
		if (err)
			return err;
		*row = to;
	} while (*units > 0 && *row < end);
	return *row < end ? ERR_AGAIN : 0;
}

static bool is_current(const struct binding *b, const struct node *node)
{
	return node->valid && node->t_ms == b->t_ms && node->fed == fed_below(node) &&
	       (!node->depends_on_bounds || node->asked_ms == b->bounds.end_ms);
}

void node_eval_end(struct binding *b, struct node *node, uint64_t fed, int err)
{
	node->valid = true;
	node->failed = err != 0;
	node->t_ms = b->t_ms;
	node->asked_ms = b->bounds.end_ms;
	node->fed = fed;
	node->evals++;
}

static int eval_prepare(struct binding *b, struct node *node)
{
	foresee_nodes(b, node);
	node->units = 0;
	node->fed = fed_below(node); /* of what comes while it is under way it may miss some */
	int err = node_columns_reserve(node);
	if (err)
		return err;
	node_eval_begin(b, node);
	return node->kind->begin ? node->kind->begin(b, node) : 0;
}

/* Evaluates one node from *row on, unless its columns are those of this time already. */
static int eval_node(struct binding *b, struct node *node, uint32_t *row, int64_t *units)
{
	if (*row == 0 && node->wanted_ms != b->t_ms) {
		node->wanted_before_ms = node->wanted_ms;
		node->wanted_ms = b->t_ms;
	}
	if (*row == 0 && is_current(b, node)) {
		node->cached++;
		return node->failed ? ERR_EVAL : 0;
	}
	int64_t before = *units;
	uint32_t cap = node->cols_cap;
	int err = *row == 0 ? eval_prepare(b, node) : 0;
	if (err)
		return err;
	if (node->cols_cap != cap)
		*units -= UNITS_COLUMNS + node->cols_cap / 8;
	if (node->fault)
		err = node_fail(node, "%s", node->fault);
	else
		err = node_eval_rows(b, node, row, units);
	node->units += (uint64_t)(before - *units);
	if (!err && node->repeats)
		err = node_check_repeats(b, node);
	if (err && err != ERR_EVAL)
		return err;
	node_eval_end(b, node, node->fed, err);
	if (node->kind->end)
		node->kind->end(b, node, err);
	return err;
}

void node_failure_note(struct node *root, const struct node *node)
{
	if (root == node)
		return;
	free(root->error);
	root->error = node->error ? strdup(node->error) : NULL;
	root->valid = false;
}

int binding_eval_grid(struct binding *b, const uint32_t *order, uint32_t norder,
		      struct eval_cursor *cursor, int64_t *units, struct node **failed)
{
	uint32_t grid = b->nodes[order[norder - 1]].grid;
	for (; cursor->node < norder; cursor->node++, cursor->row = 0) {
		struct node *node = &b->nodes[order[cursor->node]];
		if (node->grid != grid)
			continue; /* a subquery will see to it */
		if (*units <= 0)
			return ERR_AGAIN;
		int err = eval_node(b, node, &cursor->row, units);
		if (err == ERR_EVAL)
			*failed = node;
		if (err)
			return err;
	}
	return 0;
}

void binding_time_set(struct binding *b, int64_t t_ms)
{
	b->t_ms = t_ms;
	b->bounds = b->options.bounds ? *b->options.bounds : (struct query_bounds){ t_ms, t_ms, 0 };
	b->silent = b->options.any_silent && *b->options.any_silent;
}

int binding_eval(struct binding *b, const uint32_t *order, uint32_t norder, int64_t t_ms,
		 struct eval_cursor *cursor, int64_t *units)
{
	assert(b->shaped == b->plan->nnodes);
	if (b->broken)
		return ERR_NOMEM;
	/*
	 * Columns may have lost rows since the last quantum: what is still valid is passed over
	 * quickly.
	 */
	if (b->eval_extends != b->extends || b->t_ms != t_ms)
		*cursor = (struct eval_cursor){ 0, 0 };
	if (cursor->node == 0 && cursor->row == 0)
		b->samples = 0;
	b->eval_extends = b->extends;
	binding_time_set(b, t_ms);
	struct node *failed;
	int err = binding_eval_grid(b, order, norder, cursor, units, &failed);
	if (err == ERR_EVAL)
		node_failure_note(&b->nodes[order[norder - 1]], failed);
	return err;
}

uint64_t binding_samples(const struct binding *b)
{
	return b->samples;
}

uint64_t binding_samples_all(const struct binding *b)
{
	return b->samples_all;
}

void binding_invalidate(struct binding *b)
{
	for (uint32_t i = 0; i < b->plan->nnodes; i++)
		b->nodes[i].valid = false;
}
