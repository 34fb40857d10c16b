/*
 * Subqueries: an expression evaluated at the multiples of a step, and the range functions of that.
 *
 * What a step gave is kept, as a window of samples for each row, so that an evaluation computes
 * only the steps that are new since the one before; a range function then reads the windows as a
 * leaf reads those of series. What is kept is exact: a sample that comes late, at or before a step
 * that would have read it, voids that step and those after it. Kept is nothing when the steps
 * depend on more than their own time: start() and end(), "@", samples from after them.
 *
 * Rows of the expression that have the same labels at different times (of two pods, say, whose
 * names are not among the labels) are one series of the subquery.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/bits.h"
#include "engine/numeric.h"
#include "engine/range_rows.h"

#define SUBQUERY_STEPS_MAX 1000000 /* of one subquery */

struct subquery {
	uint32_t *order, norder; /* of the child, to be evaluated at each step */
	bool merges;		 /* rows with the same labels; else the rows are the child's */
	uint32_t *row_of;	 /* by row of the child, if it merges; ROW_NONE: it is not there */
	uint32_t row_of_cap;
	uint32_t *members; /* by row, if it merges: rows of the child */
	uint32_t members_cap;
	struct id_map by_lset;
	struct window *windows; /* by row */
	uint32_t nwindows;
	int64_t first_ms, last_ms; /* the steps that are there; none if last is before first */
	bool keeps;
	int64_t lead_ms; /* how far after a step it may read: less than 0 with an offset */
	struct feed {
		struct selector *selector;
		uint64_t seen; /* late samples */
	} * feeds;	       /* all selectors below, of a standing binding */
	uint32_t nfeeds;
	/* The step under way: evaluated up to the cursor, then the first rows taken into windows. */
	struct eval_cursor cursor;
	uint32_t taken;
	bool is_partly_there; /* windows may have a sample of it */
	int64_t step_ms;
	uint64_t extends;
	/* The evaluation under way: what was computed for it stays until it is done. */
	bool running;
	int64_t t_ms;
};

/* ---- shape ---- */

static void look_below(struct binding *b, struct subquery *s, uint32_t id, int64_t offset_ms)
{
	const struct plan_node *p = b->plan->nodes[id];
	offset_ms += p->offset_ms;
	if (p->at != AT_NONE || p->edges == EDGES_SMOOTHED)
		s->keeps = false;
	if (plan_node_is_leaf(p) && -offset_ms > s->lead_ms)
		s->lead_ms = -offset_ms;
	/* Offsets add up along each way from the subquery down. */
	for (uint32_t c = 0; c < p->nchildren && s->keeps; c++)
		look_below(b, s, p->children[c], offset_ms);
}

static int find_feeds(struct binding *b, struct subquery *s)
{
	s->feeds = calloc(s->norder, sizeof(*s->feeds));
	if (!s->feeds)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < s->norder; i++) {
		const struct plan_node *p = b->plan->nodes[s->order[i]];
		struct selector *selector =
			plan_node_is_leaf(p) ? b->sources[p->selector].selector : NULL;
		if (selector)
			s->feeds[s->nfeeds++] = (struct feed){ selector, selector->late.count };
	}
	return 0;
}

/* May no two rows have the same labels, even at different times? */
static bool has_distinct_rows(const struct node *node)
{
	switch (node->plan->op) {
	case PLAN_SELECT:
		return true;
	case PLAN_RANGE:
		return plan_node_is_leaf(node->plan) && !node->may_repeat;
	case PLAN_AGGREGATE:
		return node->rows == &node->own;
	default:
		return false;
	}
}

static int shape_subquery(struct binding *b, struct node *node)
{
	struct subquery *s = node->state = calloc(1, sizeof(*s));
	if (!s)
		return ERR_NOMEM;
	uint32_t child = node->plan->children[0];
	s->keeps = !b->plan->nodes[child]->depends_on_bounds;
	s->lead_ms = INT64_MIN;
	s->first_ms = INT64_MAX;
	s->last_ms = INT64_MIN;
	s->merges = !has_distinct_rows(node->children[0]);
	if (s->merges) {
		node->nameless = node->children[0]->nameless;
		node->one_name = node->children[0]->one_name;
	} else {
		node_base_set(b, node, node->children[0], false);
	}
	int err = plan_order(b->plan, child, &s->order, &s->norder);
	if (err)
		return err;
	look_below(b, s, child, 0);
	return find_feeds(b, s);
}

static bool row_of_reserve(struct subquery *s, uint32_t n)
{
	if (n <= s->row_of_cap)
		return true;
	uint32_t cap = n + n / 4 + 8;
	uint32_t *row_of = realloc(s->row_of, cap * sizeof(*row_of));
	if (!row_of)
		return false;
	for (s->row_of = row_of; s->row_of_cap < cap; s->row_of_cap++)
		row_of[s->row_of_cap] = ROW_NONE;
	return true;
}

/* Zero for a row that was not there. */
static bool members_reserve(struct subquery *s, uint32_t n)
{
	if (n <= s->members_cap)
		return true;
	uint32_t cap = n + n / 4 + 8;
	uint32_t *members = realloc(s->members, cap * sizeof(*members));
	if (!members)
		return false;
	memset(members + s->members_cap, 0, (cap - s->members_cap) * sizeof(*members));
	s->members = members;
	s->members_cap = cap;
	return true;
}

static void leave_row(struct binding *b, struct node *node, uint32_t row)
{
	struct subquery *s = node->state;
	if (--s->members[row])
		return;
	id_map_remove(&s->by_lset, node->own.lsets[row]);
	if (row < s->nwindows)
		window_fini(&s->windows[row]);
	node_row_remove(b, node, row);
}

static int join_row(struct binding *b, struct node *node, uint32_t child_row)
{
	struct subquery *s = node->state;
	uint32_t lset = node->children[0]->rows->lsets[child_row];
	uint32_t row = id_map_find(&s->by_lset, lset);
	if (row == ID_MAP_NONE) {
		/* Before the row is there, for one more than there can be. */
		if (!members_reserve(s, node->own.n + 1))
			return ERR_NOMEM;
		lset_ref(b->lsets, lset);
		int err = node_row_new(b, node, lset, &row);
		if (err)
			return err;
		if (!id_map_put(&s->by_lset, lset, row)) {
			node_row_remove(b, node, row);
			return ERR_NOMEM;
		}
	}
	s->members[row]++;
	s->row_of[child_row] = row;
	return 0;
}

static int extend_subquery(struct binding *b, struct node *node, uint32_t child, uint32_t row,
			   bool added)
{
	struct subquery *s = node->state;
	if (!s->merges) {
		if (!added && row < s->nwindows)
			window_fini(&s->windows[row]);
		return 0;
	}
	if (!row_of_reserve(s, row + 1))
		return ERR_NOMEM;
	bool known = s->row_of[row] != ROW_NONE;
	if (added)
		return known ? 0 : join_row(b, node, row);
	if (known) {
		leave_row(b, node, s->row_of[row]);
		s->row_of[row] = ROW_NONE;
	}
	return 0;
}

static void fini_subquery(struct binding *b, struct node *node)
{
	struct subquery *s = node->state;
	for (uint32_t row = 0; s && row < s->nwindows; row++)
		window_fini(&s->windows[row]);
	if (s) {
		free(s->windows);
		free(s->feeds);
		free(s->order);
		free(s->row_of);
		free(s->members);
		id_map_fini(&s->by_lset);
	}
	free(s);
}

uint64_t subquery_fed(const struct node *node)
{
	const struct subquery *s = node->state;
	uint64_t fed = 0;
	for (uint32_t i = 0; i < s->nfeeds; i++)
		fed += s->feeds[i].selector->fed + s->feeds[i].selector->late.count;
	return fed;
}

/* ---- which steps are there ---- */

static int64_t multiple_at_or_before(int64_t step_ms, int64_t t_ms)
{
	int64_t rest = t_ms % step_ms;
	return t_ms - (rest < 0 ? rest + step_ms : rest);
}

static void cut(struct subquery *s, int64_t step_ms, int64_t from_ms)
{
	if (from_ms > s->last_ms + (s->is_partly_there ? step_ms : 0))
		return;
	for (uint32_t row = 0; row < s->nwindows; row++)
		window_cut(&s->windows[row], from_ms);
	s->is_partly_there = false;
	if (from_ms <= s->last_ms)
		s->last_ms = multiple_at_or_before(step_ms, from_ms - 1);
}

/* Voids the steps that would have read what came late. */
static void cut_late(struct subquery *s, int64_t step_ms)
{
	int64_t least_ms = INT64_MAX;
	for (uint32_t i = 0; i < s->nfeeds; i++) {
		const struct late_log *late = &s->feeds[i].selector->late;
		int64_t ms = late_log_since(late, s->feeds[i].seen);
		least_ms = ms < least_ms ? ms : least_ms;
		s->feeds[i].seen = late->count;
	}
	if (least_ms != INT64_MAX)
		cut(s, step_ms, least_ms - s->lead_ms);
}

static void begin(struct binding *b, struct node *node, int64_t first_ms)
{
	struct subquery *s = node->state;
	int64_t step_ms = node->plan->step_ms;
	bool goes_on = s->running && s->t_ms == b->t_ms;
	s->running = true;
	s->t_ms = b->t_ms;
	/* What comes while it is under way voids its steps for the next, lest it never end. */
	if (!goes_on) {
		s->cursor = (struct eval_cursor){ 0, 0 };
		cut_late(s, step_ms);
	}
	/* The steps that are there must be without a gap, and begin where they are needed. */
	if ((s->keeps || goes_on) && first_ms >= s->first_ms && first_ms <= s->last_ms + step_ms)
		return;
	cut(s, step_ms, INT64_MIN + step_ms);
	s->first_ms = first_ms;
	s->last_ms = first_ms - step_ms;
}

/* ---- steps ---- */

static bool windows_reserve(struct subquery *s, uint32_t n)
{
	if (n <= s->nwindows)
		return true;
	uint32_t cap = n + n / 4;
	struct window *windows = realloc(s->windows, cap * sizeof(*windows));
	if (!windows)
		return false;
	s->windows = windows;
	for (; s->nwindows < cap; s->nwindows++)
		window_init(&windows[s->nwindows]);
	return true;
}

/* The columns of the child, at this step, go into the windows. */
static int take_columns(struct subquery *s, const struct node *node, int64_t horizon_ms,
			int64_t *units)
{
	const struct node *child = node->children[0];
	uint32_t n = s->merges ? node->own.n : child->n;
	if (n > s->nwindows) {
		if (!windows_reserve(s, n))
			return ERR_NOMEM;
		*units -= n;
	}
	s->is_partly_there = true;
	*units -= 1;
	do {
		uint32_t left = child->n - s->taken;
		uint32_t end = left > EVAL_CHUNK ? s->taken + EVAL_CHUNK : child->n;
		FOR_BITS (row, child->present, s->taken, end) {
			struct window *window = &s->windows[s->merges ? s->row_of[row] : row];
			if (window_add(window, s->step_ms, bits_of_double(child->values[row]),
				       horizon_ms) == WINDOW_NOMEM)
				return ERR_NOMEM;
			*units -= UNITS_SEARCHED;
		}
		*units -= (end - s->taken) / 8;
		s->taken = end;
	} while (s->taken < child->n && *units > 0);
	if (s->taken < child->n)
		return ERR_AGAIN;
	s->is_partly_there = false;
	s->taken = 0;
	return 0;
}

/* Has nothing changed since the columns of the step began to be taken? */
static bool goes_on_with(const struct binding *b, const struct node *node, int64_t t_ms)
{
	const struct subquery *s = node->state;
	const struct node *child = node->children[0];
	/* Another subquery of the same expression may have had the columns meanwhile. */
	return s->step_ms == t_ms && s->extends == b->extends &&
	       (s->cursor.node < s->norder || (child->valid && child->t_ms == t_ms));
}

static int eval_step(struct binding *b, struct node *node, int64_t t_ms, int64_t horizon_ms,
		     int64_t *units)
{
	struct subquery *s = node->state;
	if (!goes_on_with(b, node, t_ms))
		s->cursor = (struct eval_cursor){ 0, 0 };
	if (s->cursor.node < s->norder)
		s->taken = 0;
	s->step_ms = t_ms;
	s->extends = b->extends;
	int64_t outer_ms = b->t_ms;
	struct node *failed;
	b->t_ms = t_ms;
	int err = binding_eval_grid(b, s->order, s->norder, &s->cursor, units, &failed);
	b->t_ms = outer_ms;
	if (err == ERR_EVAL)
		return node_fail(node, "%s", failed->error ? failed->error : "");
	if (!err)
		err = take_columns(s, node, horizon_ms, units);
	if (!err)
		s->cursor = (struct eval_cursor){ 0, 0 };
	return err;
}

/* Rows that the newest step lacks are silent as there, if anyone is. */
static void take_silence(struct binding *b, struct node *node)
{
	const struct subquery *s = node->state;
	const struct node *child = node->children[0];
	uint64_t *silent = node_silent_begin(b, node);
	if (!silent)
		node->silent = NULL;
	else if (child->valid && child->silent && s->merges)
		FOR_BITS (row, child->silent, 0, child->n) {
			if (row < s->row_of_cap && s->row_of[row] < node->n)
				bit_set(silent, s->row_of[row]);
		}
	else if (child->valid && child->silent)
		memcpy(silent, child->silent,
		       words_of(child->n < node->n ? child->n : node->n) * sizeof(*silent));
}

static int eval_subquery(struct binding *b, struct node *node, uint32_t from, uint32_t to,
			 int64_t *units)
{
	struct subquery *s = node->state;
	const struct plan_node *p = node->plan;
	int64_t end_ms = node_end_ms(b, p), start_ms = end_ms - p->range_ms;
	int64_t first_ms = multiple_at_or_before(p->step_ms, start_ms) + p->step_ms;
	bits_clear(node->own_present, node->n);
	if (p->range_ms / p->step_ms >= SUBQUERY_STEPS_MAX)
		return node_fail(node, "subquery has more than %d steps", SUBQUERY_STEPS_MAX);
	begin(b, node, first_ms);
	/* From now on, not from the last step on, it is told what comes late. */
	if (s->keeps && b->options.standing)
		store_settle(b->store, multiple_at_or_before(p->step_ms, end_ms) + s->lead_ms);
	while (s->last_ms + p->step_ms <= end_ms) {
		/* Older steps make room for this one. */
		if (first_ms > s->first_ms)
			s->first_ms = first_ms;
		int err = eval_step(b, node, s->last_ms + p->step_ms, start_ms, units);
		if (err)
			return err;
		s->last_ms += p->step_ms;
	}
	if (!windows_reserve(s, node->n))
		return ERR_NOMEM;
	/* What is newer than asked for stays: times may go back. Older steps leave by themselves.
	 */
	s->running = false;
	take_silence(b, node);
	return 0;
}

const struct node_kind node_subquery = {
	.name = "subquery",
	.shape = shape_subquery,
	.extend = extend_subquery,
	.eval = eval_subquery,
	.fini = fini_subquery,
};

/* ---- range functions of a subquery ---- */

static bool keeps_name(const struct node *node)
{
	return node->plan->function->flags & KEEPS_NAME;
}

static int shape_range(struct binding *b, struct node *node)
{
	node_base_set(b, node, node->children[0], !keeps_name(node) || b->plan->delayed_names);
	return range_state_new(node);
}

/* A subquery's series have forgotten which names were to go: Prometheus hands them on like stored
 * ones. */
static int extend_range(struct binding *b, struct node *node, uint32_t child, uint32_t row,
			bool added)
{
	if (!keeps_name(node) || !added || node->children[child] != node->base ||
	    node->rows != &node->own || rows_has(&node->own, row))
		return node_extend_base(b, node, child, row, added);
	return node_row_put(b, node, row, binding_unmarked(b, node->base->rows->lsets[row]));
}

static void fini_range(struct binding *b, struct node *node)
{
	free(node->state);
}

static int eval_range(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		      int64_t *units)
{
	const struct subquery *s = node->base->state;
	const struct plan_node *p = node->base->plan;
	int64_t end_ms = node_end_ms(b, p), samples = 0;
	struct range range = {
		.start_ms = end_ms - p->range_ms,
		.end_ms = end_ms,
		.range_s = (double)p->range_ms / 1000,
		.t_ms = b->t_ms,
	};
	range_arguments(node, 1, &range);
	if (from == 0)
		bits_clear(node->own_present, node->n);
	for (uint32_t row = from; row < to; row++) {
		bool is_present;
		if (!rows_has(node->rows, row))
			continue;
		int err = range_row_eval(b, node, &s->windows[row], NULL, &range,
					 &node->own_values[row], &is_present);
		if (err)
			return err;
		samples += (int64_t)range.n;
		if (!is_present)
			continue;
		bit_set(node->own_present, row);
		if (b->options.notes)
			range_note(b, node, node->base->rows->lsets[row], &range);
	}
	b->samples += (uint64_t)samples; /* made by its steps, which have read others */
	*units -= to - from + samples / 8;
	return 0;
}

const struct node_kind node_subquery_range = {
	.name = "range of a subquery",
	.by_rows = true,
	.shape = shape_range,
	.extend = extend_range,
	.eval = eval_range,
	.fini = fini_range,
};

static int shape_absent(struct binding *b, struct node *node)
{
	uint32_t row;
	node->nameless = node->one_name = true;
	return node_row_new(b, node, LSET_EMPTY, &row);
}

static uint32_t steps_of_absent(const struct node *node)
{
	return ((const struct subquery *)node->children[0]->state)->nwindows;
}

static int eval_absent(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		       int64_t *units)
{
	const struct node *below = node->children[0];
	const struct subquery *s = below->state;
	int64_t end_ms = node_end_ms(b, below->plan), start_ms = end_ms - below->plan->range_ms;
	uint32_t row = from;
	struct window_view view = { .n = 0 };
	if (from == 0)
		node->own_values[0] = node->own_present[0] = 1;
	for (; row < to && node->own_present[0]; row++) {
		window_range(&s->windows[row], start_ms, end_ms, &view);
		node->own_present[0] = view.n == 0;
	}
	*units -= (row - from) * UNITS_SEARCHED;
	return 0;
}

const struct node_kind node_subquery_absent = {
	.name = "absent_over_time of a subquery",
	.shape = shape_absent,
	.eval = eval_absent,
	.steps = steps_of_absent,
};

void binding_range(struct binding *b, uint32_t id, uint32_t row, struct window_view *out)
{
	const struct node *node = &b->nodes[id];
	bool is_leaf = plan_node_is_leaf(node->plan);
	const struct plan_node *p = is_leaf ? node->plan : node->base->plan;
	int64_t end_ms = node_end_ms(b, p);
	uint32_t n = row + 1;
	const struct window *window =
		is_leaf ? &leaf_members(node, &n)[row]->window
			: &((const struct subquery *)node->base->state)->windows[row];
	window_range(window, end_ms - p->range_ms, end_ms, out);
}

uint32_t binding_range_lset(struct binding *b, uint32_t id, uint32_t row)
{
	const struct node *node = &b->nodes[id];
	if (!plan_node_is_leaf(node->plan))
		node = node->base; /* knows still which names were to go */
	return binding_finished(b, node->rows->lsets[row]);
}
