/*
 * histogram_quantile() and histogram_fraction() of classic histograms: rows that differ in `le`
 * only are the buckets of one histogram.
 */
#include <math.h>
#include <stdlib.h>

#include "base/quote.h"
#include "base/text.h"
#include "engine/node.h"
#include "engine/numeric.h"

/* What a bucket costs, and a histogram, in units. */
#define UNITS_BUCKET 4

struct histogram {
	uint32_t lset; /* all labels but le, the metric name included: a reference */
	uint32_t members;
};

struct histogram_row {
	uint32_t histogram; /* ROW_NONE: the row is not there, or no bucket */
	double upper;
};

struct histogram_state {
	uint32_t le;		  /* symbol */
	struct histogram_row *of; /* by row of the operand */
	uint32_t cap;
	struct histogram *histograms; /* by row of the result */
	uint32_t histograms_cap;
	struct id_map by_lset;
	struct bucket *buckets; /* of the evaluation: each histogram's together */
	size_t buckets_cap;
	uint32_t *starts, *counts; /* by row of the result */
	uint32_t starts_cap;
	uint32_t released; /* rows of the result whose histograms were given back */
};

/* The vector is the last argument, after the scalars. */
static uint32_t vector_of(const struct node *node)
{
	return node->nchildren - 1;
}

static int shape_histogram(struct binding *b, struct node *node)
{
	struct histogram_state *state = node->state = calloc(1, sizeof(*state));
	if (!state)
		return ERR_NOMEM;
	node->nameless = !b->plan->delayed_names;
	const struct node *in = node->children[vector_of(node)];
	node->may_repeat = node->nameless && !in->nameless && !in->one_name;
	node->one_name = in->nameless || in->one_name;
	state->le = symbol_intern(b->lsets, SLICE("le"));
	return state->le == UINT32_MAX ? ERR_NOMEM : 0;
}

static int release_histogram(struct binding *b, struct node *node, int64_t *units)
{
	struct histogram_state *state = node->state;
	for (; state->released < node->own.n; state->released++, --*units) {
		if (*units <= 0)
			return ERR_AGAIN;
		if (rows_has(&node->own, state->released))
			lset_unref(b->lsets, state->histograms[state->released].lset);
	}
	return 0;
}

static void fini_histogram(struct binding *b, struct node *node)
{
	struct histogram_state *state = node->state;
	int64_t units = INT64_MAX;
	if (!state)
		return;
	release_histogram(b, node, &units);
	if (state->le != UINT32_MAX)
		symbol_unref(b->lsets, state->le);
	id_map_fini(&state->by_lset);
	free(state->of);
	free(state->histograms);
	free(state->buckets);
	free(state->starts);
	free(state->counts);
	free(state);
}

static bool rows_reserve(struct histogram_state *state, uint32_t n)
{
	if (n <= state->cap)
		return true;
	uint32_t cap = n + n / 2 + 8;
	struct histogram_row *of = realloc(state->of, cap * sizeof(*of));
	if (!of)
		return false;
	for (uint32_t i = state->cap; i < cap; i++)
		of[i].histogram = ROW_NONE;
	state->of = of;
	state->cap = cap;
	return true;
}

static bool histograms_reserve(struct histogram_state *state, uint32_t n)
{
	if (n <= state->histograms_cap)
		return true;
	uint32_t cap = n + n / 2 + 8;
	struct histogram *histograms = realloc(state->histograms, cap * sizeof(*histograms));
	if (!histograms)
		return false;
	state->histograms = histograms;
	state->histograms_cap = cap;
	return true;
}

/* Takes the reference of lset. */
static int histogram_new(struct binding *b, struct node *node, uint32_t lset, uint32_t *row)
{
	struct histogram_state *state = node->state;
	/* Before the row is there, for one more than there can be. */
	if (!histograms_reserve(state, node->own.n + 1)) {
		lset_unref(b->lsets, lset);
		return ERR_NOMEM;
	}
	int err = node_row_new(b, node, binding_nameless(b, lset), row);
	if (err) {
		lset_unref(b->lsets, lset);
		return err;
	}
	state->histograms[*row] = (struct histogram){ .lset = lset };
	return id_map_put(&state->by_lset, lset, *row) ? 0 : ERR_NOMEM;
}

static int add_bucket(struct binding *b, struct node *node, uint32_t row)
{
	struct histogram_state *state = node->state;
	uint32_t lset = node->children[vector_of(node)]->rows->lsets[row], histogram;
	double upper;
	if (number_parse_float(symbol_text(b->lsets, lset_get(b->lsets, lset, state->le)), &upper))
		return 0;
	lset = lset_without(b->lsets, lset, &state->le, 1);
	if (lset == LSET_NONE)
		return ERR_NOMEM;
	histogram = id_map_find(&state->by_lset, lset);
	if (histogram == ID_MAP_NONE) {
		int err = histogram_new(b, node, lset, &histogram);
		if (err)
			return err;
	} else {
		lset_unref(b->lsets, lset);
	}
	state->histograms[histogram].members++;
	state->of[row] = (struct histogram_row){ histogram, upper };
	return 0;
}

static void remove_bucket(struct binding *b, struct node *node, uint32_t row)
{
	struct histogram_state *state = node->state;
	uint32_t histogram = state->of[row].histogram;
	state->of[row].histogram = ROW_NONE;
	if (--state->histograms[histogram].members)
		return;
	id_map_remove(&state->by_lset, state->histograms[histogram].lset);
	lset_unref(b->lsets, state->histograms[histogram].lset);
	node_row_remove(b, node, histogram);
}

static int extend_histogram(struct binding *b, struct node *node, uint32_t child, uint32_t row,
			    bool added)
{
	struct histogram_state *state = node->state;
	if (child != vector_of(node))
		return 0;
	bool known = row < state->cap && state->of[row].histogram != ROW_NONE;
	if (added == known)
		return 0;
	if (!added) {
		remove_bucket(b, node, row);
		return 0;
	}
	return rows_reserve(state, row + 1) ? add_bucket(b, node, row) : ERR_NOMEM;
}

/* starts[h]: the place of histogram h's buckets, with room for each member. */
static int lay_out(struct node *node)
{
	struct histogram_state *state = node->state;
	uint32_t n = node->own.n;
	if (n >= state->starts_cap) {
		free(state->starts);
		free(state->counts);
		state->starts_cap = n + n / 2 + 8;
		state->starts = malloc(state->starts_cap * sizeof(*state->starts));
		state->counts = malloc(state->starts_cap * sizeof(*state->counts));
		if (!state->starts || !state->counts) {
			state->starts_cap = 0;
			return ERR_NOMEM;
		}
	}
	size_t total = 0;
	for (uint32_t h = 0; h < n; h++) {
		state->starts[h] = (uint32_t)total;
		state->counts[h] = 0;
		total += rows_has(&node->own, h) ? state->histograms[h].members : 0;
	}
	if (total <= state->buckets_cap)
		return 0;
	free(state->buckets);
	state->buckets_cap = total * 2;
	state->buckets = malloc(state->buckets_cap * sizeof(*state->buckets));
	if (!state->buckets)
		state->buckets_cap = 0;
	return state->buckets ? 0 : ERR_NOMEM;
}

static void mark_silent(struct binding *b, struct node *node, const struct node *in)
{
	const struct histogram_state *state = node->state;
	uint64_t *silent = in->silent ? node_silent_begin(b, node) : NULL;
	if (!silent)
		return;
	FOR_BITS (row, in->silent, 0, in->n)
		if (row < state->cap && state->of[row].histogram != ROW_NONE)
			bit_set(silent, state->of[row].histogram);
}

static void up_histogram(struct node *node, uint32_t child, const uint64_t *in, uint64_t *out)
{
	const struct histogram_state *state = node->state;
	FOR_BITS (row, in, 0, node->children[child]->rows->n)
		if (row < state->cap && state->of[row].histogram != ROW_NONE)
			bit_set(out, state->of[row].histogram);
}

static void down_histogram(struct node *node, uint32_t child, const uint64_t *out, uint64_t *in)
{
	const struct histogram_state *state = node->state;
	uint32_t n = node->children[child]->rows->n;
	for (uint32_t row = 0; row < n && row < state->cap; row++)
		if (state->of[row].histogram != ROW_NONE && bit_get(out, state->of[row].histogram))
			bit_set(in, row);
}

/* Elements that are no buckets. */
static void note_elements(struct binding *b, const struct node *node, const struct node *in,
			  uint32_t from, uint32_t to)
{
	const struct histogram_state *state = node->state;
	FOR_BITS (row, in->present, from, to) {
		uint32_t lset = in->rows->lsets[row];
		if (state->of[row].histogram != ROW_NONE)
			continue;
		struct slice le = symbol_text(b->lsets, lset_get(b->lsets, lset, state->le));
		struct slice name = symbol_text(b->lsets, lset_get(b->lsets, lset, b->name));
		struct buf text;
		buf_init(&text);
		buf_add_str(&text, "bucket label \"le\" is missing or has a malformed value of ");
		text_quote(le, &text);
		if (name.len) {
			buf_add_str(&text, " for metric name ");
			text_quote(name, &text);
		}
		if (buf_ok(&text))
			notes_add(b->options.notes, NOTE_WARNING, node->plan->vector_place,
				  node->plan->id, "%s", text.ptr);
		buf_fini(&text);
	}
}

/* With its name where that is still there. */
static void note_mended(struct binding *b, const struct node *node, uint32_t row,
			const struct bucket_mending *mending)
{
	const struct histogram_state *state = node->state;
	const struct note_mending told = {
		mending->upper_min, mending->upper_max, mending->difference_max, b->t_ms, b->t_ms, 1
	};
	struct slice name = { NULL, 0 };
	struct buf text;
	if (b->plan->delayed_names)
		name = symbol_text(b->lsets,
				   lset_get(b->lsets, state->histograms[row].lset, b->name));
	buf_init(&text);
	buf_add_str(&text, "input to histogram_quantile needed to be fixed for monotonicity (see "
			   "https://prometheus.io/docs/prometheus/latest/querying/functions/"
			   "#histogram_quantile)");
	if (name.len) {
		buf_add_str(&text, " for metric name ");
		text_quote(name, &text);
	}
	buf_add(&text, "", 1);
	if (buf_ok(&text))
		notes_add_mending(b->options.notes, node->plan->vector_place, node->plan->id,
				  text.ptr, &told);
	buf_fini(&text);
}

static double value_of(struct binding *b, const struct node *node, uint32_t row)
{
	const struct histogram_state *state = node->state;
	struct bucket *buckets = state->buckets + state->starts[row];
	size_t n = state->counts[row];
	struct bucket_mending mending;
	double first = node->children[0]->scalar;
	if (node->plan->function->id == FN_HISTOGRAM_FRACTION)
		return bucket_fraction(first, node->children[1]->scalar, buckets, n);
	double value = bucket_quantile(first, buckets, n, &mending);
	if (mending.is_any && b->options.notes)
		note_mended(b, node, row, &mending);
	return value;
}

/* Phases: rows of the operand into their histograms, histograms. */
static uint32_t steps_histogram(const struct node *node)
{
	return steps_padded(node->children[vector_of(node)]->n) + node->own.n;
}

static void put_buckets(const struct node *node, const struct node *in, uint32_t from, uint32_t to)
{
	const struct histogram_state *state = node->state;
	FOR_BITS (row, in->present, from, to) {
		const struct histogram_row *of = &state->of[row];
		if (of->histogram == ROW_NONE)
			continue;
		uint32_t at = state->starts[of->histogram] + state->counts[of->histogram]++;
		state->buckets[at] = (struct bucket){ of->upper, in->values[row] };
	}
}

static int eval_histogram(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			  int64_t *units)
{
	struct histogram_state *state = node->state;
	const struct node *in = node->children[vector_of(node)];
	struct steps steps = { .from = from, .to = to };
	int err = from == 0 ? lay_out(node) : 0;
	if (err)
		return err;
	*units -= (int64_t)UNITS_BUCKET * (to - from);
	if (from == 0) {
		mark_silent(b, node, in);
		bits_clear(node->own_present, node->n);
		if (b->options.notes && node->plan->function->id == FN_HISTOGRAM_QUANTILE)
			node_note_quantile(b, node, node->children[0]->scalar);
	}
	if (steps_take(&steps, in->n)) {
		if (b->options.notes)
			note_elements(b, node, in, steps.at, steps.end);
		put_buckets(node, in, steps.at, steps.end);
	}
	if (!steps_take(&steps, node->own.n))
		return 0;
	for (uint32_t h = steps.at; h < steps.end; h++) {
		if (!state->counts[h])
			continue;
		node->own_values[h] = value_of(b, node, h);
		bit_set(node->own_present, h);
	}
	return 0;
}

const struct node_kind node_histogram = {
	.name = "histogram_quantile",
	.shape = shape_histogram,
	.extend = extend_histogram,
	.steps = steps_histogram,
	.eval = eval_histogram,
	.release = release_histogram,
	.fini = fini_histogram,
	.up = up_histogram,
	.down = down_histogram,
};
