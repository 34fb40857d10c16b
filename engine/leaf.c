/*
 * Leaves: the rows of all, and instant selectors. A row is a member of the selector, under the same
 * id.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/text.h"
#include "engine/node.h"
#include "engine/numeric.h"
#include "engine/range_rows.h"
#include "engine/read_ahead.h"

/* ---- rows ---- */

static bool has_one_name(const struct binding *b, const struct plan_node *p)
{
	const struct plan_selector *s = &b->plan->selectors[p->selector];
	return matchers_find_metric(s->matchers, s->nmatchers) != NULL;
}

static bool drops_name(const struct plan_node *p)
{
	/* What a series derived from log lines is called is nobody's business. */
	return p->op == PLAN_RANGE && (!(p->function->flags & KEEPS_NAME) || p->log);
}

int leaf_shape(struct binding *b, struct node *node)
{
	const struct plan_node *p = node->plan;
	node->one_name = has_one_name(b, p);
	node->nameless = drops_name(p) && !b->plan->delayed_names;
	node->may_repeat = node->nameless && !node->one_name;
	return 0;
}

int leaf_extend(struct binding *b, struct node *node, uint32_t child, uint32_t row, bool added)
{
	if (!added) {
		node_row_remove(b, node, row);
		return 0;
	}
	if (rows_has(&node->own, row))
		return 0;
	uint32_t n, lset = source_members(node->source, &n)[row]->lset;
	if (drops_name(node->plan))
		return node_row_put_nameless(b, node, row, lset);
	lset_ref(b->lsets, lset);
	return node_row_put(b, node, row, lset);
}

struct series *const *leaf_members(const struct node *node, uint32_t *to)
{
	const struct selector *selector = node->selector;
	uint32_t n = selector ? selector->nmembers : node->source->nmembers;
	if (*to > n)
		*to = n;
	return selector ? selector->members : node->source->members;
}

/* ---- silent senders ---- */

/* Absent, though it ended without a stale marker: its sender is silent. */
static bool is_silent(const struct binding *b, const struct series *series, int64_t end_ms)
{
	int64_t ts_ms;
	double value;
	return (*b->options.sender_silent)[series->sender] &&
	       window_last(&series->window, end_ms, &ts_ms, &value) && !value_is_stale(value);
}

void leaf_mark_silent(struct binding *b, struct node *node, int64_t end_ms, uint32_t from,
		      uint32_t to)
{
	if (from == 0)
		node_silent_begin(b, node);
	if (!b->silent || !node->silent)
		return;
	struct series *const *members = leaf_members(node, &to);
	for (uint32_t row = from; row < to; row++)
		if (!bit_get(node->own_present, row) && members[row] && rows_has(node->rows, row) &&
		    is_silent(b, members[row], end_ms))
			bit_set(node->own_silent, row);
}

/* ---- instant selectors ---- */

/* The newest sample at or before end_ms, if it is newer than start_ms and not stale. */
static inline bool newest_sample(const struct window *w, int64_t start_ms, int64_t end_ms,
				 int64_t *ts_ms, double *value)
{
	if (!w->n)
		return false;
	*ts_ms = w->base_ms + w->newest_offset;
	*value = w->newest;
	if (*ts_ms > end_ms && !window_last(w, end_ms, ts_ms, value))
		return false;
	return *ts_ms > start_ms && !value_is_stale(*value);
}

/*
 * Rows that have nothing any more: their series ended with a stale marker, at or before the latest
 * time asked for. They are not looked at until a series that is over gets a sample after all.
 */
struct select_state {
	uint64_t *over;
	uint32_t words;
	uint64_t revived; /* of the selector, as far as `over` knows */
	int64_t end_ms;
};

static int shape_select(struct binding *b, struct node *node)
{
	node->state = calloc(1, sizeof(struct select_state));
	if (!node->state)
		return ERR_NOMEM;
	range_meet_companions(b, node);
	return leaf_shape(b, node);
}

static int extend_select(struct binding *b, struct node *node, uint32_t child, uint32_t row,
			 bool added)
{
	struct select_state *state = node->state;
	if (row / 64 < state->words)
		bit_clear(state->over, row);
	return leaf_extend(b, node, child, row, added);
}

static void fini_select(struct binding *b, struct node *node)
{
	struct select_state *state = node->state;
	if (state)
		free(state->over);
	free(state);
}

/* The rows that are over at end_ms; NULL: nothing is remembered. */
static uint64_t *over_rows(const struct binding *b, struct node *node, int64_t end_ms)
{
	struct select_state *state = node->state;
	uint32_t words = words_of(node->n);
	if (!b->options.standing)
		return NULL;
	if (state->words > 0 &&
	    (state->revived != node->selector->revived || end_ms < state->end_ms))
		memset(state->over, 0, state->words * sizeof(*state->over));
	state->revived = node->selector->revived;
	state->end_ms = end_ms;
	if (words <= state->words)
		return state->over;
	if (!array_resize(&state->over, words + words / 4, sizeof(*state->over)))
		return NULL;
	memset(state->over + state->words, 0,
	       (words + words / 4 - state->words) * sizeof(*state->over));
	state->words = words + words / 4;
	return state->over;
}

/* What is read of the newest sample: timestamp() and start_timestamp() want its times. */
enum newest { NEWEST_VALUE, NEWEST_TIME, NEWEST_START };

static bool has_ended(const struct window *w, int64_t end_ms)
{
	return w->n > 0 && value_is_stale(w->newest) && w->base_ms + w->newest_offset <= end_ms;
}

static double start_at(const struct binding *b, const struct series *series, int64_t ts_ms)
{
	uint32_t n;
	uint64_t bits;
	double start = 0;
	struct window *const *starts = store_starts(b->store, &n);
	if (series->row < n && starts[series->row] && window_get(starts[series->row], ts_ms, &bits))
		memcpy(&start, &bits, sizeof(start));
	return start;
}

/* What is looked at of the newest samples of a selector's series. */
struct newest_look {
	enum newest what;
	int64_t start_ms, end_ms;
	const uint32_t *lsets;
	uint64_t *over;
};

static struct newest_look newest_look(const struct binding *b, struct node *node, enum newest what)
{
	bool times = what != NEWEST_VALUE;
	struct newest_look look = { .what = what };
	look.end_ms = node_end_ms(b, (times ? node->children[0] : node)->plan);
	look.start_ms = look.end_ms - b->options.lookback_ms;
	if (b->options.is_fresh && b->options.fresh_after_ms > look.start_ms)
		look.start_ms = b->options.fresh_after_ms;
	look.lsets = (times ? node->base : node)->rows->lsets;
	look.over = times ? NULL : over_rows(b, node, look.end_ms);
	return look;
}

static inline void eval_newest_row(const struct binding *b, struct node *node,
				   const struct newest_look *look, struct series *series,
				   uint32_t row)
{
	int64_t ts_ms;
	double value;
	if (look->over && bit_get(look->over, row))
		return;
	/* A row whose series changed since the last extend has nothing at this time. */
	if (!series || series->lset != look->lsets[row] ||
	    !newest_sample(&series->window, look->start_ms, look->end_ms, &ts_ms, &value)) {
		if (look->over && series && has_ended(&series->window, look->end_ms)) {
			series->over = true;
			bit_set(look->over, row);
		}
		return;
	}
	if (look->what == NEWEST_TIME)
		value = (double)ts_ms / 1000;
	else if (look->what == NEWEST_START)
		value = start_at(b, series, ts_ms) / 1000;
	node->own_values[row] = value;
	bit_set(node->own_present, row);
}

static void eval_newest(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			enum newest what)
{
	struct newest_look look = newest_look(b, node, what);
	struct series *const *members = leaf_members(node, &to);
	const struct ahead newest = { .n = 0, .over = look.over };
	read_ahead_begin(members, from, to, &newest);
	for (uint32_t row = from; row < to; row++) {
		read_ahead(members, row, to, &newest);
		eval_newest_row(b, node, &look, members[row], row);
	}
}

void select_rows_near(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		      const struct range_block *block)
{
	struct newest_look look = newest_look(b, node, NEWEST_VALUE);
	struct series *const *members = leaf_members(node, &to);
	uint32_t word = from / RANGE_BLOCK_ROWS;
	double *values = node->own_values + word * RANGE_BLOCK_ROWS;
	uint64_t present = 0;
	for (uint32_t i = 0; i < block->n; i++) {
		uint32_t row = block->rows[i];
		values[row] = block->ends[i].last;
		present |= (uint64_t)(block->ends[i].last_ms > look.start_ms) << row;
	}
	node->own_present[word] |= present & block->live;
	for (uint32_t row = from; row < to; row++)
		if (!(block->live >> (row % RANGE_BLOCK_ROWS) & 1))
			eval_newest_row(b, node, &look, members[row], row);
}

static int eval_select(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	if (from == 0)
		bits_clear(node->own_present, node->n);
	eval_newest(b, node, from, to, NEWEST_VALUE);
	leaf_mark_silent(b, node, node_end_ms(b, node->plan), from, to);
	binding_read(b, to - from);
	*units -= to - from;
	return 0;
}

static int shape_timestamp(struct binding *b, struct node *node)
{
	node_base_set(b, node, node->children[0], !node->plan->keeps_names);
	return 0;
}

static int eval_timestamp(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			  int64_t *units)
{
	if (from == 0)
		bits_clear(node->own_present, node->n);
	eval_newest(b, node, from, to, NEWEST_TIME);
	*units -= to - from;
	return 0;
}

static int eval_start_timestamp(struct binding *b, struct node *node, uint32_t from, uint32_t to,
				int64_t *units)
{
	if (from == 0)
		bits_clear(node->own_present, node->n);
	eval_newest(b, node, from, to, NEWEST_START);
	*units -= to - from;
	return 0;
}

const struct node_kind node_select = {
	.name = "select",
	.by_rows = true,
	.shape = shape_select,
	.extend = extend_select,
	.eval = eval_select,
	.fini = fini_select,
};

const struct node_kind node_timestamp = {
	.name = "timestamp",
	.by_rows = true,
	.shape = shape_timestamp,
	.extend = node_extend_base,
	.eval = eval_timestamp,
};

const struct node_kind node_start_timestamp = {
	.name = "start timestamp",
	.by_rows = true,
	.shape = shape_timestamp,
	.extend = node_extend_base,
	.eval = eval_start_timestamp,
};
