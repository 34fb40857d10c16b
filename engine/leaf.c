/*
 * Leaves: selectors, and range functions fused with theirs.
 *
 * A row is a member of the selector, under the same id. Its samples lie anywhere in memory: what
 * limits a leaf is waiting for them, so that each row asks for those of the rows to come.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/node.h"
#include "engine/numeric.h"
#include "engine/range_rows.h"

/*
 * How many rows ahead the series is asked for, and then, with its window known, the samples: far
 * enough that both waits, of some 100 to 200 ns, are over when their row comes.
 */
#define PREFETCH_SERIES 64
#define PREFETCH_SAMPLES 24
/*
 * Of a long window only the newest samples: the rest, if it is read at all, the processor foresees.
 */
#define PREFETCH_SAMPLES_MAX 64
#define CACHE_LINE 64
/*
 * Samples that are stepped over one by one, from where the edge of a range is expected, before
 * halving.
 */
#define EDGE_STEPS 4

/* ---- rows ---- */

static bool has_one_name(const struct binding *b, const struct plan_node *p)
{
	const struct plan_selector *s = &b->plan->selectors[p->selector];
	for (uint32_t i = 0; i < s->nmatchers; i++) {
		const struct matcher *m = &s->matchers[i];
		if (m->type == MATCH_EQ &&
		    slice_is((struct slice){ m->name, m->name_len }, METRIC_NAME))
			return true;
	}
	return false;
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

/* ---- reading ahead ---- */

/*
 * Always inline: GCC takes a function that only prefetches for one without effect, and drops the
 * call.
 */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE void prefetch_span(const void *from, size_t bytes)
{
	const char *at = from;
	for (const char *end = at + bytes; at < end; at += CACHE_LINE)
		__builtin_prefetch(at);
	__builtin_prefetch((const char *)from + bytes - 1);
}

ALWAYS_INLINE void prefetch_series(const struct series *series)
{
	if (series)
		prefetch_span(&series->window, sizeof(series->window));
}

/* Which samples of a series are asked for. */
struct ahead {
	uint32_t n;	  /* the newest so many; 0: the copy of the newest one is enough */
	bool ends;	  /* where all rise since start_ms, of them the oldest alone */
	uint32_t oldest;  /* which is likely to be the oldest-th newest */
	int64_t start_ms;
};

ALWAYS_INLINE void prefetch_samples(const struct series *series, const struct ahead *ahead)
{
	if (!ahead->n || !series || !series->window.n)
		return;
	const struct window *w = &series->window;
	bool ends = ahead->ends && window_rises_since(w, ahead->start_ms);
	uint32_t n = ends ? ahead->oldest : ahead->n;
	uint32_t first = w->start + w->n - (n < w->n ? n : w->n);
	if (ends) {
		__builtin_prefetch(w->values + first);
		/* To know it, the one before is looked at as well. */
		__builtin_prefetch(window_offsets(w) + first - (first > 0));
		return;
	}
	n = w->start + w->n - first;
	prefetch_span(w->values + first, n * sizeof(*w->values));
	prefetch_span(window_offsets(w) + first, n * sizeof(uint32_t));
}

/* Before a loop over rows [from, to): asks for what the loop itself would ask for too late. */
ALWAYS_INLINE void read_ahead_begin(struct series *const *members, uint32_t from, uint32_t to,
				    const struct ahead *ahead)
{
	for (uint32_t row = from; row < to && row < from + PREFETCH_SERIES; row++)
		prefetch_series(members[row]);
	for (uint32_t row = from; row < to && row < from + PREFETCH_SAMPLES; row++)
		prefetch_samples(members[row], ahead);
}

ALWAYS_INLINE void read_ahead(struct series *const *members, uint32_t row, uint32_t to,
			      const struct ahead *ahead)
{
	if (row + PREFETCH_SERIES < to)
		prefetch_series(members[row + PREFETCH_SERIES]);
	if (row + PREFETCH_SAMPLES < to)
		prefetch_samples(members[row + PREFETCH_SAMPLES], ahead);
}

struct series *const *leaf_members(const struct node *node, uint32_t *to)
{
	uint32_t n;
	struct series *const *members = source_members(node->source, &n);
	if (*to > n)
		*to = n;
	return members;
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

/* What is read of the newest sample: timestamp() and start_timestamp() want its times. */
enum newest { NEWEST_VALUE, NEWEST_TIME, NEWEST_START };

static double start_at(const struct binding *b, const struct series *series, int64_t ts_ms)
{
	uint32_t n;
	uint64_t bits;
	double start = 0;
	struct window *const *starts = store_starts(b->store, &n);
	if (series->row < n && starts[series->row] &&
	    window_get(starts[series->row], ts_ms, &bits))
		memcpy(&start, &bits, sizeof(start));
	return start;
}

static void eval_newest(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			enum newest what)
{
	bool times = what != NEWEST_VALUE;
	int64_t end_ms = node_end_ms(b, (times ? node->children[0] : node)->plan);
	int64_t start_ms = end_ms - b->options.lookback_ms;
	if (b->options.is_fresh && b->options.fresh_after_ms > start_ms)
		start_ms = b->options.fresh_after_ms;
	struct series *const *members = leaf_members(node, &to);
	const uint32_t *lsets = (times ? node->base : node)->rows->lsets;
	static const struct ahead newest = { .n = 0 };
	read_ahead_begin(members, from, to, &newest);
	for (uint32_t row = from; row < to; row++) {
		read_ahead(members, row, to, &newest);
		int64_t ts_ms;
		double value;
		/* A row whose series changed since the last extend has nothing at this time. */
		if (!members[row] || members[row]->lset != lsets[row] ||
		    !newest_sample(&members[row]->window, start_ms, end_ms, &ts_ms, &value))
			continue;
		if (what == NEWEST_TIME)
			value = (double)ts_ms / 1000;
		else if (what == NEWEST_START)
			value = start_at(b, members[row], ts_ms) / 1000;
		node->own_values[row] = value;
		bit_set(node->own_present, row);
	}
}

static int eval_select(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	if (from == 0)
		bits_clear(node->own_present, node->n);
	eval_newest(b, node, from, to, NEWEST_VALUE);
	leaf_mark_silent(b, node, node_end_ms(b, node->plan), from, to);
	*units -= to - from;
	return 0;
}

static int shape_timestamp(struct binding *b, struct node *node)
{
	node_base_set(b, node, node->children[0], true);
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

/* ---- ranges ---- */

int range_state_new(struct node *node)
{
	struct range_state *state = node->state = calloc(1, sizeof(*state));
	if (!state)
		return ERR_NOMEM;
	enum function_id id = node->plan->function->id;
	state->function = node->plan->log ? log_function_get(id) : range_function_get(id);
	assert(state->function);
	state->within = PREFETCH_SAMPLES_MAX;
	return 0;
}

static int shape_range(struct binding *b, struct node *node)
{
	int err = range_state_new(node);
	return err ? err : leaf_shape(b, node);
}

static void fini_range(struct binding *b, struct node *node)
{
	free(node->state);
}

/* How many samples are at or before t_ms; nearly always about as many as the guess says. */
static inline uint32_t count_near(const struct window *w, int64_t t_ms, uint32_t guess)
{
	const uint32_t *offsets = window_offsets(w) + w->start;
	uint32_t at = guess, steps = 0;
	for (; at > 0 && w->base_ms + offsets[at - 1] > t_ms && steps <= EDGE_STEPS; at--)
		steps++;
	for (; at < w->n && w->base_ms + offsets[at] <= t_ms && steps <= EDGE_STEPS; at++)
		steps++;
	if (steps <= EDGE_STEPS)
		return at;
	struct window_view view;
	window_range(w, INT64_MIN, t_ms, &view);
	return (uint32_t)view.n;
}

/* Finds the samples with start_ms < t ≤ end_ms. */
static inline void slice_window(struct range_state *state, const struct window *w,
				struct range *range)
{
	uint32_t n = w->n, newer = state->newer < n ? state->newer : n;
	uint32_t to = count_near(w, range->end_ms, n - newer);
	uint32_t from = count_near(w, range->start_ms, to > state->within ? to - state->within : 0);
	range->values = w->values + w->start + from;
	range->offsets = window_offsets(w) + w->start + from;
	range->base_ms = w->base_ms;
	range->n = to - from;
	if (to > from) {
		state->within = to - from;
		state->newer = n - to;
	}
}

static bool has_nan(const double *values, size_t n)
{
	bool found = false;
	for (size_t i = 0; i < n; i++)
		found |= values[i] != values[i];
	return found;
}

/* Copies what is not stale into the scratch memory: values first, then offsets. */
static bool without_stale(struct binding *b, struct range *range)
{
	double *values = binding_scratch(b, range->n * 3);
	if (!values)
		return false;
	uint32_t *offsets = (uint32_t *)(values + range->n);
	size_t kept = 0;
	for (size_t i = 0; i < range->n; i++) {
		if (value_is_stale(range->values[i]))
			continue;
		values[kept] = range->values[i];
		offsets[kept++] = range->offsets[i];
	}
	range->values = values;
	range->offsets = offsets;
	range->scratch = values + 2 * range->n;
	range->n = kept;
	return true;
}

void range_note(struct binding *b, const struct node *node, uint32_t lset,
		const struct range *range)
{
	static const char *const endings[] = { "_total", "_sum", "_count", "_bucket" };
	enum function_id function = node->plan->function->id;
	struct slice name = symbol_text(b->lsets, lset_get(b->lsets, lset, b->name));
	if (function == FN_QUANTILE_OVER_TIME)
		node_note_quantile(b, node, range->arguments[0]);
	if ((function != FN_RATE && function != FN_INCREASE) || name.len == 0)
		return;
	if (range && range_starts_overlap(range))
		notes_add(b->options.notes, NOTE_WARNING, node->plan->place, node->plan->id,
			  "sample has start time that overlaps with previous sample timestamp for "
			  "metric \"" SLICE_FMT "\"",
			  SLICE_ARG(name));
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (slice_has_suffix(name, slice_from(endings[i])))
			return;
	notes_add(b->options.notes, NOTE_INFO, node->plan->place, node->plan->id,
		  "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
		  "\"" SLICE_FMT "\"",
		  SLICE_ARG(name));
}

void range_arguments(const struct node *node, uint32_t first, struct range *range)
{
	for (uint32_t i = first; i < node->nchildren && i < first + 2; i++)
		range->arguments[i - first] = node->children[i]->scalar;
}

/* Puts the start times beside the samples, in the scratch memory. */
static void take_starts(const struct window *starts, struct range *range)
{
	struct window_view view;
	size_t at = 0;
	window_range(starts, range->start_ms, range->end_ms, &view);
	for (size_t i = 0; i < range->n; i++) {
		int64_t ts_ms = range->base_ms + range->offsets[i];
		while (at < view.n && view.base_ms + view.offsets[at] < ts_ms)
			at++;
		bool is_told = at < view.n && view.base_ms + view.offsets[at] == ts_ms;
		range->scratch[i] = is_told ? view.values[at] : 0;
	}
	range->starts = range->scratch;
}

int range_row_eval(struct binding *b, struct node *node, const struct window *window,
		   const struct window *starts, struct range *range, double *out, bool *is_present)
{
	struct range_state *state = node->state;
	*is_present = false;
	range->n = 0;
	if (window->n)
		slice_window(state, window, range);
	if (!range->n)
		return 0;
	if (has_nan(range->values, range->n)) {
		if (!without_stale(b, range))
			return ERR_NOMEM;
	} else if (state->function->needs_scratch || starts) {
		range->scratch = binding_scratch(b, range->n);
		if (!range->scratch)
			return ERR_NOMEM;
	}
	range->starts = NULL;
	if (starts && state->function->uses_starts)
		take_starts(starts, range);
	if (range->n && state->function->fault) {
		char message[160];
		if (state->function->fault(range, message, sizeof(message)))
			return node_fail(node, "%s", message);
	}
	*is_present = range->n && state->function->eval(range, out);
	return 0;
}

/* What a row is likely to need. */
static struct ahead range_ahead(const struct range_state *state, const struct range *range)
{
	uint32_t n = state->within + state->newer + EDGE_STEPS;
	return (struct ahead){
		.n = n < PREFETCH_SAMPLES_MAX ? n : PREFETCH_SAMPLES_MAX,
		.ends = state->function->of_ends != NULL,
		.oldest = state->within + state->newer,
		.start_ms = range->start_ms,
	};
}

/*
 * The function by the two ends of the range, without a look at what is between. False: the row is
 * none that can be evaluated so.
 */
static inline bool eval_ends(struct range_state *state, const struct window *w,
			     const struct range *range, double *out, bool *is_present)
{
	int64_t newest_ms = w->base_ms + w->newest_offset;
	if (!w->n || newest_ms > range->end_ms || newest_ms <= range->start_ms ||
	    !window_rises_since(w, range->start_ms))
		return false;
	uint32_t from = count_near(w, range->start_ms, w->n > state->within ? w->n - state->within : 0);
	struct range_ends ends = {
		.first = w->values[w->start + from],
		.last = w->newest,
		.first_ms = w->base_ms + window_offsets(w)[w->start + from],
		.last_ms = newest_ms,
		.n = w->n - from,
	};
	state->within = (uint32_t)ends.n;
	state->newer = 0;
	*is_present = state->function->of_ends(range, &ends, out);
	return true;
}

static int eval_range(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		      int64_t *units)
{
	if (from == 0)
		bits_clear(node->own_present, node->n);
	uint32_t end = to;
	int64_t end_ms = node_end_ms(b, node->plan), samples = 0;
	struct range range = {
		.start_ms = end_ms - node->plan->range_ms,
		.end_ms = end_ms,
		.range_s = (double)node->plan->range_ms / 1000,
		.t_ms = b->t_ms,
	};
	range_arguments(node, 0, &range);
	struct range_state *state = node->state;
	struct series *const *members = leaf_members(node, &end);
	const uint32_t *lsets = node->rows->lsets;
	uint32_t nstarts;
	struct window *const *starts = store_starts(b->store, &nstarts);
	struct ahead ahead = range_ahead(state, &range);
	bool by_ends = ahead.ends && !b->options.notes;
	read_ahead_begin(members, from, end, &ahead);
	for (uint32_t row = from; row < end; row++) {
		read_ahead(members, row, end, &ahead);
		const struct series *series = members[row];
		if (!series || lsets[row] == LSET_NONE)
			continue;
		bool is_present;
		double *out = &node->own_values[row];
		const struct window *start = series->row < nstarts ? starts[series->row] : NULL;
		if (!by_ends || start || series->kind != WINDOW_SAMPLES ||
		    !eval_ends(state, &series->window, &range, out, &is_present)) {
			int err = range_row_eval(b, node, &series->window, start, &range, out,
						 &is_present);
			if (err)
				return err;
			samples += (int64_t)range.n;
		}
		if (!is_present)
			continue;
		bit_set(node->own_present, row);
		if (b->options.notes)
			range_note(b, node, series->lset, &range);
	}
	leaf_mark_silent(b, node, end_ms, from, to);
	*units -= to - from + samples / 8;
	return 0;
}

const struct node_kind node_select = {
	.name = "select",
	.by_rows = true,
	.shape = leaf_shape,
	.extend = leaf_extend,
	.eval = eval_select,
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

const struct node_kind node_range = {
	.name = "range",
	.by_rows = true,
	.shape = shape_range,
	.extend = leaf_extend,
	.eval = eval_range,
	.fini = fini_range,
};
