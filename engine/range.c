/*
 * Range functions fused with their selectors.
 *
 * Functions of one range of one selector are evaluated together, in one pass over its samples:
 * those that were asked for at the same time when this one was asked for the last time will be
 * again. So do the instant selectors of the same series and time, which look at the newest samples
 * in passing.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/node.h"
#include "engine/numeric.h"
#include "engine/range_rows.h"
#include "engine/read_ahead.h"

/*
 * Samples that are stepped over one by one, from where the edge of a range is expected, before
 * halving.
 */
#define EDGE_STEPS 4

/* ---- state ---- */

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

static bool is_instant(const struct node *node)
{
	return node->kind == &node_select;
}

/* May it be evaluated along with another one, as far as itself goes? */
static bool is_sociable(const struct node *node)
{
	const struct range_state *state = node->state;
	if (node->kind != &node_range)
		return is_instant(node);
	return node->nchildren == 0 && !state->function->needs_scratch && !state->function->fault;
}

/* Do they end at the same time and, if they are ranges, begin as well? */
static bool is_of_one_time(const struct node *one, const struct node *other)
{
	const struct plan_node *a = one->plan, *b = other->plan;
	return a->offset_ms == b->offset_ms && a->at == b->at && a->at_ms == b->at_ms &&
	       a->grid == b->grid && a->log == b->log &&
	       (is_instant(one) || is_instant(other) || a->range_ms == b->range_ms);
}

/* The range takes the other one along, if it may go along with anybody. */
static void take_companion(struct node *node, struct node *other)
{
	struct range_state *state = node->state;
	if (!is_instant(node) && state->ncompanions < RANGE_COMPANIONS_MAX)
		state->companions[state->ncompanions++] = other;
}

/* How many leaves were shaped before this one: they are in the order of their ids. */
static uint32_t leaf_place(const struct id_list *leaves, uint32_t id)
{
	uint32_t from = 0, to = leaves->n;
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		if (leaves->ids[middle] < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

void range_meet_companions(struct binding *b, struct node *node)
{
	const struct id_list *leaves = &node->source->leaves;
	if (!is_sociable(node))
		return;
	uint32_t place = leaf_place(leaves, (uint32_t)(node - b->nodes));
	for (uint32_t i = place > RANGE_MET_MAX ? place - RANGE_MET_MAX : 0; i < place; i++) {
		struct node *other = &b->nodes[leaves->ids[i]];
		if (!is_sociable(other) || !is_of_one_time(node, other))
			continue;
		take_companion(node, other);
		take_companion(other, node);
	}
}

static int shape_range(struct binding *b, struct node *node)
{
	int err = range_state_new(node);
	if (err)
		return err;
	range_meet_companions(b, node);
	return leaf_shape(b, node);
}

static int extend_range(struct binding *b, struct node *node, uint32_t child, uint32_t row,
			bool added)
{
	struct range_state *state = node->state;
	oldest_forget(&state->oldest, row);
	return leaf_extend(b, node, child, row, added);
}

static void fini_range(struct binding *b, struct node *node)
{
	struct range_state *state = node->state;
	if (state) {
		store_readers_bytes_add(b->store, -(int64_t)state->oldest.bytes);
		oldest_fini(&state->oldest);
	}
	free(state);
}

/* ---- the samples of a range ---- */

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

/* Finds the samples of the range, and what the functions need beside them; range->n 0: none. */
static int range_row_take(struct binding *b, struct range_state *state, const struct window *window,
			  const struct window *starts, struct range *range)
{
	range->n = 0;
	range->starts = NULL;
	state->looks++;
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
	if (starts)
		take_starts(starts, range);
	return 0;
}

/* The node's function of what was taken. ERR_EVAL. */
static int range_row_compute(struct node *node, const struct range *range, double *out,
			     bool *is_present)
{
	const struct range_function *function = ((struct range_state *)node->state)->function;
	if (range->n && function->fault) {
		char message[RANGE_FAULT_MAX];
		if (function->fault(range, message, sizeof(message)))
			return node_fail(node, "%s", message);
	}
	*is_present = range->n && function->eval(range, out);
	return 0;
}

int range_row_eval(struct binding *b, struct node *node, const struct window *window,
		   const struct window *starts, struct range *range, double *out, bool *is_present)
{
	struct range_state *state = node->state;
	*is_present = false;
	int err = range_row_take(b, state, window, state->function->uses_starts ? starts : NULL,
				 range);
	return err ? err : range_row_compute(node, range, out, is_present);
}

enum ends { ENDS_NONE, ENDS_LIVE, ENDS_ENDED, ENDS_UNKNOWN };

/*
 * The two ends of a range whose values never fall, without a look at what is between. ENDS_LIVE:
 * the last is the newest sample of the series; ENDS_ENDED: after it came a stale marker; ENDS_NONE:
 * there are no samples; ENDS_UNKNOWN: it may be no such range.
 */
static inline enum ends take_ends(struct range_state *state, struct series *series,
				  const struct oldest_row *at, const struct range *range,
				  struct range_ends *ends)
{
	const struct window *w = &series->window;
	int64_t newest_ms = w->base_ms + w->newest_offset;
	if (!w->n || newest_ms <= range->start_ms)
		return ENDS_NONE;
	if (newest_ms > range->end_ms || !window_rises_since(w, range->start_ms))
		return ENDS_UNKNOWN;
	const double *values = w->values + w->start;
	const uint32_t *offsets = window_offsets(w) + w->start;
	uint32_t from, to = w->n;
	uint32_t known = at ? oldest_find(*at, series, &from) : OLDEST_SAMPLES;
	if (known == OLDEST_SAMPLES) {
		uint32_t guess = w->n > state->within ? w->n - state->within : 0;
		state->looks++;
		from = count_near(w, range->start_ms, guess);
		if (at)
			oldest_note(*at, series, from);
	}
	*ends = (struct range_ends){ .last = w->newest, .last_ms = newest_ms };
	if (known < OLDEST_SAMPLES) {
		ends->first = oldest_value(*at, known);
		ends->first_ms = oldest_ms(*at, known);
	} else {
		ends->first = values[from];
		ends->first_ms = w->base_ms + offsets[from];
	}
	enum ends found = ENDS_LIVE;
	if (isnan(w->newest)) {
		if (!value_is_stale(w->newest))
			return ENDS_UNKNOWN;
		found = ENDS_ENDED;
		if (--to == from)
			return ENDS_NONE;
		if (!at || !oldest_last(*at, series, &ends->last_ms, &ends->last)) {
			ends->last = values[to - 1];
			ends->last_ms = w->base_ms + offsets[to - 1];
			if (at)
				oldest_note_last(*at, ends->last_ms, ends->last);
		}
		if (at && oldest_has_end(*at) && w->n <= OLDEST_WINDOW_MAX)
			oldest_over(*at, series, to - from + (known < OLDEST_SAMPLES ? known : 0));
	}
	ends->n = to - from;
	state->within = w->n - from;
	state->newer = 0;
	return found;
}

/* The same of a series that is over, in a row that tells so. */
static inline enum ends take_over(struct oldest_row at, struct range_ends *ends)
{
	int64_t last_ms = oldest_ms(at, OLDEST_SAMPLES - 1);
	if (last_ms <= at.oldest->since_ms)
		return ENDS_NONE;
	uint32_t first = oldest_first(at);
	if (first == OLDEST_SAMPLES)
		return ENDS_UNKNOWN;
	*ends = (struct range_ends){
		.first = oldest_value(at, first),
		.first_ms = oldest_ms(at, first),
		.last = oldest_value(at, OLDEST_SAMPLES - 1),
		.last_ms = last_ms,
		.n = oldest_uids(at.block)[at.i] - first,
	};
	return ENDS_ENDED;
}

/* ---- notes and arguments ---- */

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

/* ---- evaluation ---- */

/* The nodes that are evaluated in one pass. */
struct party {
	struct node *nodes[1 + RANGE_COMPANIONS_MAX]; /* ranges */
	struct node *instants[RANGE_COMPANIONS_MAX];
	uint32_t n, ninstants;
	bool of_ends;	  /* all of them can do with the ends of a range */
	bool uses_starts; /* some of them */
};

static void party_add(struct party *party, struct node *node)
{
	if (is_instant(node)) {
		party->instants[party->ninstants++] = node;
		return;
	}
	const struct range_function *function = ((struct range_state *)node->state)->function;
	party->nodes[party->n++] = node;
	party->of_ends &= function->of_ends != NULL;
	party->uses_starts |= function->uses_starts;
}

static struct party party_of(const struct binding *b, struct node *node)
{
	const struct range_state *state = node->state;
	struct party party = { .of_ends = !b->options.notes };
	party_add(&party, node);
	/* One for some of the rows has a time of its own, and no company. */
	for (uint32_t i = 0; i < state->nalong && state->along_ms == b->t_ms; i++)
		party_add(&party, state->along[i]);
	return party;
}

/* Before the first rows. */
static void party_begin(const struct party *party)
{
	for (uint32_t i = 0; i < party->n; i++)
		bits_clear(party->nodes[i]->own_present, party->nodes[i]->n);
	for (uint32_t i = 0; i < party->ninstants; i++)
		bits_clear(party->instants[i]->own_present, party->instants[i]->n);
}

static void party_mark_silent(struct binding *b, const struct party *party, int64_t end_ms,
			      uint32_t from, uint32_t to)
{
	for (uint32_t i = 0; i < party->n; i++)
		leaf_mark_silent(b, party->nodes[i], end_ms, from, to);
	for (uint32_t i = 0; i < party->ninstants; i++)
		leaf_mark_silent(b, party->instants[i], end_ms, from, to);
}

/* What a row is likely to need. */
static struct ahead party_ahead(const struct party *party, const struct range *range)
{
	const struct range_state *state = party->nodes[0]->state;
	uint32_t n = state->within + state->newer + EDGE_STEPS;
	return (struct ahead){
		.n = n < PREFETCH_SAMPLES_MAX ? n : PREFETCH_SAMPLES_MAX,
		.ends = party->of_ends,
		.oldest = state->within + state->newer,
		.start_ms = range->start_ms,
	};
}

static inline void put(struct node *node, uint32_t row, bool is_present)
{
	if (is_present)
		bit_set(node->own_present, row);
}

/* Of the rows of a block, that is of the word-th 64. */
static void put_ends(const struct party *party, const struct range *range,
		     const struct range_block *block, uint32_t word)
{
	for (uint32_t i = 0; i < party->n && block->n > 0; i++) {
		struct node *node = party->nodes[i];
		const struct range_state *state = node->state;
		node->own_present[word] |= state->function->of_ends(
			range, block, &node->own_values[word * RANGE_BLOCK_ROWS]);
	}
}

static int put_samples(struct binding *b, const struct party *party, struct range *range,
		       uint32_t lset, uint32_t row)
{
	const double *starts = range->starts;
	for (uint32_t i = 0; i < party->n; i++) {
		struct node *node = party->nodes[i];
		bool is_present;
		range->starts =
			((struct range_state *)node->state)->function->uses_starts ? starts : NULL;
		int err = range_row_compute(node, range, &node->own_values[row], &is_present);
		if (err)
			return err;
		put(node, row, is_present);
		if (is_present && b->options.notes)
			range_note(b, node, lset, range);
	}
	return 0;
}

/* What whoever stands for the party remembers of rows [from, to); NULL: nothing. */
static struct oldest *party_oldest(struct binding *b, const struct party *party,
				   const struct range *range, uint32_t from, uint32_t to)
{
	const struct node *node = party->nodes[0];
	struct oldest *oldest = &((struct range_state *)node->state)->oldest;
	if (!party->of_ends || !b->options.standing)
		return NULL;
	size_t bytes = oldest->bytes;
	bool is_known = oldest_begin(oldest, from, to, node->selector->revived, range->start_ms);
	if (oldest->bytes > bytes)
		store_readers_bytes_add(b->store, (int64_t)(oldest->bytes - bytes));
	return is_known ? oldest : NULL;
}

/* What a pass over rows needs beside the party. */
struct pass_rows {
	struct series *const *members;
	struct window *const *starts; /* by row of the store */
	uint32_t nstarts;
	struct ahead ahead; /* what is remembered of the rows as well */
	uint32_t to;
};

/* The start times of the series' samples, for those who use them; NULL: unknown. */
static inline const struct window *starts_of(const struct pass_rows *rows,
					     const struct party *party, const struct series *series)
{
	return party->uses_starts && series->row < rows->nstarts ? rows->starts[series->row] : NULL;
}

/* The ends of a row's range, whether its series is over or not. */
static inline enum ends row_ends(const struct party *party, const struct pass_rows *rows,
				 uint32_t row, const struct range *range, struct range_ends *ends)
{
	struct series *series = rows->members[row];
	struct oldest_row at, *known = NULL;
	if (rows->ahead.known) {
		at = oldest_row(rows->ahead.known, row);
		known = &at;
	}
	if (known && oldest_is_over(at.oldest, row)) {
		enum ends over = take_over(at, ends);
		if (over != ENDS_UNKNOWN)
			return over;
		oldest_look(at, series);
	}
	if (!party->of_ends || series->kind != WINDOW_SAMPLES || starts_of(rows, party, series))
		return ENDS_UNKNOWN;
	return take_ends(party->nodes[0]->state, series, known, range, ends);
}

/* A row whose samples are looked at one by one. */
static int eval_row(struct binding *b, const struct party *party, const struct pass_rows *rows,
		    uint32_t row, struct range *range, int64_t *samples)
{
	const struct series *series = rows->members[row];
	int err = range_row_take(b, party->nodes[0]->state, &series->window,
				 starts_of(rows, party, series), range);
	if (!err)
		err = put_samples(b, party, range, series->lset, row);
	*samples += (int64_t)range->n * party->n;
	return err;
}

/* Will the window of this row be looked into? As good as sure. */
static bool is_looked_into(const struct pass_rows *rows, uint32_t row)
{
	return !rows->ahead.known || !oldest_is_likely(oldest_row(rows->ahead.known, row));
}

/* Rows [first, end), all of one block. */
static int eval_block(struct binding *b, const struct party *party, const struct pass_rows *rows,
		      uint32_t first, uint32_t end, struct range *range, int64_t *samples)
{
	const uint32_t *lsets = party->nodes[0]->rows->lsets;
	uint32_t word = first / RANGE_BLOCK_ROWS;
	struct range_block block;
	int err = 0;
	block.n = 0;
	block.live = 0;
	for (uint32_t row = first; row < end && !err; row++) {
		read_ahead(rows->members, row, rows->to, &rows->ahead);
		const struct series *series = rows->members[row];
		if (!series || lsets[row] == LSET_NONE)
			continue;
		enum ends found = row_ends(party, rows, row, range, &block.ends[block.n]);
		uint32_t at = row % RANGE_BLOCK_ROWS;
		if (found == ENDS_LIVE || found == ENDS_ENDED)
			block.rows[block.n++] = (uint8_t)at;
		if (found == ENDS_LIVE && series->lset == lsets[row])
			block.live |= UINT64_C(1) << at;
		if (found == ENDS_UNKNOWN)
			err = eval_row(b, party, rows, row, range, samples);
	}
	put_ends(party, range, &block, word);
	for (uint32_t i = 0; i < party->ninstants && !err; i++)
		select_rows_near(b, party->instants[i], first, end, &block);
	return err;
}

static int eval_party(struct binding *b, const struct party *party, struct range *range,
		      uint32_t from, uint32_t to, int64_t *samples)
{
	const struct node *node = party->nodes[0];
	struct pass_rows rows = { .ahead = party_ahead(party, range) };
	rows.members = leaf_members(node, &to);
	rows.to = to;
	rows.starts = store_starts(b->store, &rows.nstarts);
	rows.ahead.known = party_oldest(b, party, range, from, to);
	rows.ahead.over = rows.ahead.known ? rows.ahead.known->over : NULL;
	rows.ahead.samples = !rows.ahead.known || oldest_is_spent(rows.ahead.known);
	read_ahead_begin(rows.members, from, to, &rows.ahead);
	/* Where one block looked into windows the next will, too. */
	struct range_state *state = node->state;
	int err = 0;
	for (uint32_t first = from, end; first < to && !err; first = end) {
		uint32_t looks = state->looks;
		end = (first / RANGE_BLOCK_ROWS + 1) * RANGE_BLOCK_ROWS;
		if (end > to)
			end = to;
		err = eval_block(b, party, &rows, first, end, range, samples);
		rows.ahead.samples =
			state->looks != looks || (end < to && is_looked_into(&rows, end));
	}
	return err;
}

static int eval_range(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		      int64_t *units)
{
	int64_t end_ms = node_end_ms(b, node->plan), samples = 0;
	struct range range = {
		.start_ms = end_ms - node->plan->range_ms,
		.end_ms = end_ms,
		.range_s = (double)node->plan->range_ms / 1000,
		.t_ms = b->t_ms,
	};
	struct party party = party_of(b, node);
	range_arguments(node, 0, &range);
	if (from == 0)
		party_begin(&party);
	int err = eval_party(b, &party, &range, from, to, &samples);
	if (!err)
		party_mark_silent(b, &party, end_ms, from, to);
	binding_read(b, (uint64_t)samples + (to - from) * party.ninstants);
	*units -= (to - from) * (party.n + party.ninstants) + samples / 8;
	return err;
}

/* ---- company ---- */

/*
 * Who is likely to be asked for now as well: whoever was, when this one was asked for before, and
 * has not been yet.
 */
static int begin_range(struct binding *b, struct node *node)
{
	struct range_state *state = node->state;
	state->nalong = 0;
	state->along_ms = b->t_ms;
	if (b->options.notes)
		return 0;
	for (uint32_t i = 0; i < state->ncompanions; i++) {
		struct node *other = state->companions[i];
		if (other->wanted_ms == TIME_NONE || other->wanted_ms != node->wanted_before_ms ||
		    other->fault || other->repeats || other->rows->n != node->rows->n)
			continue;
		int err = node_columns_reserve(other);
		if (err)
			return err;
		node_eval_begin(b, other);
		state->along[state->nalong++] = other;
	}
	return 0;
}

static void end_range(struct binding *b, struct node *node, int err)
{
	struct range_state *state = node->state;
	for (uint32_t i = 0; i < state->nalong && !err; i++)
		node_eval_end(b, state->along[i], node->fed, 0);
	state->nalong = 0;
}

const struct node_kind node_range = {
	.name = "range",
	.by_rows = true,
	.shape = shape_range,
	.extend = extend_range,
	.begin = begin_range,
	.eval = eval_range,
	.end = end_range,
	.fini = fini_range,
};
