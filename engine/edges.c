/*
 * Selectors whose ranges have edges: `anchored`, which counts from the last sample before the
 * range, and `smoothed`, which interpolates at both ends of it. Samples are looked for as far
 * beyond an edge as the lookback reaches.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/numeric.h"
#include "engine/range_rows.h"

/* What a row has, of a range or around an instant: not stale, oldest first. */
struct points {
	const double *values;
	const uint32_t *offsets;
	size_t n;
	int64_t base_ms;
	int64_t start_ms, end_ms; /* of the range itself */
	bool smoothed, is_counter;
};

static int64_t time_at(const struct points *p, size_t i)
{
	return p->base_ms + p->offsets[i];
}

/* Copies what is not stale into the scratch memory: values first, then offsets. */
static bool take_points(struct binding *b, const struct window *window, int64_t from_ms,
			int64_t to_ms, struct points *points)
{
	struct window_view view;
	points->n = 0;
	window_range(window, from_ms, to_ms, &view);
	if (!view.n)
		return true;
	double *values = binding_scratch(b, view.n * 2);
	if (!values)
		return false;
	uint32_t *offsets = (uint32_t *)(values + view.n);
	for (size_t i = 0; i < view.n; i++) {
		if (value_is_stale(view.values[i]))
			continue;
		values[points->n] = view.values[i];
		offsets[points->n++] = view.offsets[i];
	}
	points->values = values;
	points->offsets = offsets;
	points->base_ms = view.base_ms;
	return true;
}

/* The first of [0, n) that is after ms (or, with at, at it); n if none is. */
static size_t first_after(const struct points *p, size_t n, int64_t ms, bool at)
{
	size_t i = 0;
	while (i < n && (at ? time_at(p, i) < ms : time_at(p, i) <= ms))
		i++;
	return i;
}

/* On the line between two points; a counter that was reset between them began at 0. */
static double between(const struct points *p, size_t i, size_t k, int64_t t_ms)
{
	double first = p->values[i], second = p->values[k];
	if (p->is_counter && second < first)
		first = 0;
	return first + (second - first) * (double)(t_ms - time_at(p, i)) /
			       (double)(time_at(p, k) - time_at(p, i));
}

/* What the resets strictly between the edges took away. */
static double correction(double left, double right, const struct points *p, size_t from, size_t to)
{
	double sum = 0, before = left;
	for (size_t i = from; i < to; i++) {
		if (p->values[i] < before)
			sum += before;
		before = p->values[i];
	}
	return right < before ? sum + before : sum;
}

static bool difference(const struct points *p, double *out)
{
	size_t last = p->n - 1, first = first_after(p, last, p->start_ms, false);
	first = first > 0 ? first - 1 : 0;
	if (p->smoothed)
		last = first_after(p, last, p->end_ms, true);
	if (time_at(p, last) <= p->start_ms || (p->smoothed && time_at(p, first) > p->end_ms))
		return false;
	double left = p->values[first], right = p->values[last];
	if (p->smoothed && time_at(p, first) < p->start_ms)
		left = between(p, first, first + 1, p->start_ms);
	if (p->smoothed && last > 0 && time_at(p, last) > p->end_ms)
		right = between(p, last - 1, last, p->end_ms);
	*out = right - left;
	if (p->is_counter) {
		size_t from = first + (time_at(p, first) <= p->start_ms);
		size_t to = last + (time_at(p, last) < p->end_ms);
		*out += correction(left, right, p, from, to);
	}
	return true;
}

/* changes() and resets(), from the last sample at or before the start on. */
static bool count_steps(const struct points *p, bool only_down, double *out)
{
	size_t first = first_after(p, p->n, p->start_ms, false), count = 0;
	if (first == p->n)
		return false;
	for (size_t i = first > 0 ? first : 1; i < p->n; i++) {
		double before = p->values[i - 1], value = p->values[i];
		count += only_down ? value < before
				   : value != before && !(isnan(value) && isnan(before));
	}
	*out = (double)count;
	return true;
}

static bool compute(const struct points *p, enum function_id function, double range_s, double *out)
{
	if (p->n == 0)
		return false;
	switch (function) {
	case FN_CHANGES:
	case FN_RESETS:
		return count_steps(p, function == FN_RESETS, out);
	default:
		if (!difference(p, out))
			return false;
		if (function == FN_RATE)
			*out /= range_s;
		return true;
	}
}

/* ---- ranges ---- */

static bool is_allowed(enum edge_kind edges, enum function_id function)
{
	switch (function) {
	case FN_RATE:
	case FN_INCREASE:
	case FN_DELTA:
		return true;
	case FN_CHANGES:
	case FN_RESETS:
		return edges == EDGES_ANCHORED;
	default:
		return false;
	}
}

static int shape_edges(struct binding *b, struct node *node)
{
	const struct plan_node *p = node->plan;
	bool anchored = p->edges == EDGES_ANCHORED;
	if (!is_allowed(p->edges, p->function->id) &&
	    asprintf(&node->fault, "%s modifier can only be used with: %s - not with %s",
		     anchored ? "anchored" : "smoothed",
		     anchored ? "changes, delta, increase, rate, resets" : "delta, increase, rate",
		     p->function->name) < 0)
		return ERR_NOMEM;
	return leaf_shape(b, node);
}

static int eval_edges(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		      int64_t *units)
{
	const struct plan_node *p = node->plan;
	struct points points = { .smoothed = p->edges == EDGES_SMOOTHED };
	int64_t reach_ms = points.smoothed ? b->options.lookback_ms : 0;
	uint32_t end = to;
	struct series *const *members = leaf_members(node, &end);
	points.end_ms = node_end_ms(b, p);
	points.start_ms = points.end_ms - p->range_ms;
	points.is_counter = p->function->flags & COUNTER;
	if (from == 0)
		bits_clear(node->own_present, node->n);
	for (uint32_t row = from; row < end; row++) {
		if (!members[row] || !rows_has(node->rows, row))
			continue;
		if (!take_points(b, &members[row]->window,
				 points.start_ms - b->options.lookback_ms, points.end_ms + reach_ms,
				 &points))
			return ERR_NOMEM;
		*units -= 1 + (int64_t)points.n / 8;
		if (compute(&points, p->function->id, (double)p->range_ms / 1000,
			    &node->own_values[row])) {
			bit_set(node->own_present, row);
			if (b->options.notes)
				range_note(b, node, members[row]->lset, NULL);
		}
	}
	leaf_mark_silent(b, node, points.end_ms, from, to);
	return 0;
}

/* ---- instants ---- */

/* Between the samples around the time; the last one's value where none follows. */
static bool smooth(const struct points *p, double *out)
{
	size_t next = first_after(p, p->n, p->end_ms, true);
	if (next < p->n && time_at(p, next) == p->end_ms) {
		*out = p->values[next];
		return true;
	}
	if (next == 0)
		return false;
	*out = next < p->n ? between(p, next - 1, next, p->end_ms) : p->values[next - 1];
	return true;
}

static int eval_smoothed(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			 int64_t *units)
{
	struct points points = { .end_ms = node_end_ms(b, node->plan) };
	int64_t lookback_ms = b->options.lookback_ms;
	uint32_t end = to;
	struct series *const *members = leaf_members(node, &end);
	if (from == 0)
		bits_clear(node->own_present, node->n);
	for (uint32_t row = from; row < end; row++) {
		if (!members[row] || !rows_has(node->rows, row))
			continue;
		if (!take_points(b, &members[row]->window, points.end_ms - lookback_ms,
				 points.end_ms + lookback_ms, &points))
			return ERR_NOMEM;
		*units -= 1 + (int64_t)points.n / 8;
		if (smooth(&points, &node->own_values[row]))
			bit_set(node->own_present, row);
	}
	leaf_mark_silent(b, node, points.end_ms, from, to);
	return 0;
}

const struct node_kind node_edges = {
	.name = "range with edges",
	.by_rows = true,
	.shape = shape_edges,
	.extend = leaf_extend,
	.eval = eval_edges,
};

const struct node_kind node_smoothed = {
	.name = "smoothed select",
	.by_rows = true,
	.shape = leaf_shape,
	.extend = leaf_extend,
	.eval = eval_smoothed,
};
