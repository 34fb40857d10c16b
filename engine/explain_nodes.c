#include "engine/explain_internal.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/numeric.h"
#include "engine/join.h"

/* ---- leaves ---- */

/* Goes through the members of a leaf's selector. ERR_AGAIN. */
static int leaf_look(struct engine *engine, struct explain_work *work, const struct node *node,
		     int64_t *units)
{
	int64_t t_ms = work->explain->t_ms, end_ms = node_end_ms(work->query->binding, node->plan);
	uint32_t n;
	struct series **members = source_members(node->source, &n);
	if (work->member == 0) {
		work->newest_ms = TIME_NONE;
		work->old = work->ended = work->none = 0;
	}
	for (; work->member < n; work->member++) {
		int64_t ts_ms;
		double value;
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= UNITS_LOOKED_AT;
		const struct series *series = members[work->member];
		if (!series)
			continue;
		if (window_last(&series->window, t_ms, &ts_ms, &value) && ts_ms > work->newest_ms)
			work->newest_ms = ts_ms;
		if (explain_is_present(node, work->member))
			continue;
		if (!window_last(&series->window, end_ms, &ts_ms, &value))
			work->none++;
		else if (value_is_stale(value))
			work->ended++;
		else
			work->old++;
	}
	work->member = 0;
	return 0;
}

static void add_lost(struct buf *out, uint32_t n, const char *why)
{
	if (n)
		buf_printf(out, "%s%u %s", out->len ? ", " : "", n, why);
}

static void leaf_tell(struct engine *engine, struct explain_work *work, const struct node *node,
		      struct explain_node *out, struct buf *lost)
{
	uint32_t n;
	struct series **members = source_members(node->source, &n);
	uint32_t place = (uint32_t)(out - work->explain->nodes);
	out->is_leaf = true;
	out->newest_ms = work->newest_ms;
	for (uint32_t i = 0; i < n; i++)
		out->series += members[i] != NULL;
	add_lost(lost, work->none, "without a sample");
	add_lost(lost, work->ended, "ended");
	add_lost(lost, work->old,
		 node->plan->op == PLAN_SELECT ? "with none in the lookback"
					       : "with too few in the range");
	if (!work->has_counterparts ||
	    engine->active->rules[work->explain->rule->id].group->always_warm)
		return;
	const struct plan_node *plan = work->explain->set->plan->nodes[work->counterparts[place]];
	const struct selector *selector = binding_selector(engine->active->binding, plan->selector);
	int64_t reach_ms = binding_reach_ms(engine->active->binding, plan->id);
	bool known = selector->covered_since_ms < INT64_MAX - reach_ms;
	if (!known || selector->covered_since_ms + reach_ms > work->explain->t_ms)
		out->warm_at_ms = known ? selector->covered_since_ms + reach_ms : INT64_MAX;
}

/* ---- operators ---- */

static uint32_t present_of(const struct node *node)
{
	struct relation relation = { .nrows = node->n, .present = node->present };
	bool has_columns = node->plan->type == VALUE_VECTOR && node->valid && !node->failed;
	return has_columns ? relation_count(&relation) : 0;
}

/* How many present rows of a side have no present partner. */
static uint32_t unmatched(const struct node *node, const struct match *match, uint32_t side)
{
	const struct node *own = node->children[side], *other = node->children[!side];
	uint64_t *marks = calloc(words_of(match->ngroups) + 1, sizeof(*marks));
	uint32_t count = 0;
	if (!marks || own->failed || !own->valid || other->failed || !other->valid) {
		free(marks);
		return 0;
	}
	match_mark(match, !side, other->present, other->n, marks);
	FOR_BITS (row, own->present, 0, own->n)
		count += match_has(match, side, row) &&
			 !bit_get(marks, match->links[side][row].group);
	free(marks);
	return count;
}

/* How far the value is from the number it is compared with. */
static double distance(const struct node *vector, uint32_t row, double bound)
{
	double by = fabs(vector->values[row] - bound);
	return isnan(by) ? INFINITY : by;
}

/* A comparison of a vector with a number: who came nearest of those that were lost. */
static void tell_nearest(struct explain_work *work, const struct node *node, struct buf *out)
{
	const struct node *vector = node->children[0], *scalar = node->children[1];
	if (vector->plan->type == VALUE_SCALAR) {
		vector = scalar;
		scalar = node->children[0];
	}
	uint32_t nearest = ROW_NONE;
	FOR_BITS (row, vector->present, 0, vector->n) {
		if (explain_is_present(node, row))
			continue;
		if (nearest == ROW_NONE || distance(vector, row, scalar->scalar) <
						   distance(vector, nearest, scalar->scalar))
			nearest = row;
	}
	if (nearest == ROW_NONE)
		return;
	struct binding *binding = work->query->binding;
	buf_printf(out, "; nearest %s of %s",
		   explain_number(work->explain, vector->values[nearest]),
		   explain_labels(work->explain, binding, vector->rows->lsets[nearest]));
}

static void join_tell(struct explain_work *work, const struct node *node, uint32_t present,
		      struct buf *lost)
{
	const struct match *match = explain_match(node);
	enum binary_op op = node->plan->binary;
	uint32_t left = present_of(node->children[0]), right = present_of(node->children[1]);
	if (op == OP_OR)
		return;
	if (left + right > EXPLAIN_MATCHED_MAX) {
		buf_add_str(lost, "too many rows to match them up");
		return;
	}
	uint32_t lonely[2] = { unmatched(node, match, 0), unmatched(node, match, 1) };
	if (op == OP_UNLESS) {
		add_lost(lost, left - present, "of the left taken out by the right");
		return;
	}
	add_lost(lost, lonely[0], "of the left without a partner");
	if (op != OP_AND)
		add_lost(lost, lonely[1], "of the right without a partner");
	if (!binary_op_is_comparison(op) || node->plan->is_bool)
		return;
	bool right_is_many = node->plan->card == CARD_ONE_TO_MANY;
	uint32_t matched = right_is_many ? right - lonely[1] : left - lonely[0];
	if (matched > present)
		add_lost(lost, matched - present, "compared false");
	(void)work;
}

static bool is_filter(const struct plan_node *plan)
{
	return plan->op == PLAN_BINARY && binary_op_is_comparison(plan->binary) && !plan->is_bool;
}

static void others_tell(struct explain_work *work, const struct node *node, uint32_t present,
			struct buf *lost)
{
	const struct node *base = node->base;
	if (explain_match(node)) {
		join_tell(work, node, present, lost);
		return;
	}
	if (!base || !base->valid || base->failed)
		return;
	uint32_t before = present_of(base);
	if (before <= present)
		return;
	if (is_filter(node->plan)) {
		add_lost(lost, before - present, "compared false");
		tell_nearest(work, node, lost);
	} else {
		add_lost(lost, before - present,
			 node->plan->op == PLAN_AGGREGATE ? "not picked" : "lost");
	}
}

/* ---- one node ---- */

static void children_tell(struct explain_work *work, const struct node *node,
			  struct explain_node *out)
{
	uint32_t *children =
		ARENA_ARRAY(&work->explain->arena, uint32_t, node->plan->nchildren + 1);
	for (uint32_t i = 0; children && i < node->plan->nchildren; i++)
		children[i] = explain_place_of(
			work, &work->query->binding->nodes[node->plan->children[i]]);
	out->children = children;
	out->nchildren = children ? node->plan->nchildren : 0;
}

int explain_node_look(struct engine *engine, struct explain_work *work, int64_t *units)
{
	struct explain *explain = work->explain;
	const struct node *node = explain_node_of(work, work->at);
	const struct node *root = explain_node_of(work, explain->nnodes - 1);
	struct explain_node *out = &explain->nodes[work->at];
	struct buf text, lost;
	bool below = node->plan->grid != root->plan->grid;
	if (node->source && !below && leaf_look(engine, work, node, units))
		return ERR_AGAIN;
	buf_init(&text);
	buf_init(&lost);
	plan_node_format(work->query->plan, node->plan, &text);
	out->text = explain_says(explain, "%s", buf_ok(&text) && text.ptr ? text.ptr : "");
	out->type = node->plan->type;
	out->below_subquery = below;
	out->newest_ms = out->warm_at_ms = TIME_NONE;
	out->error = node->failed && node->error ? explain_says(explain, "%s", node->error) : "";
	out->rows = node->plan->type == VALUE_VECTOR ? node->rows->live : 0;
	out->present = below ? 0 : present_of(node);
	out->scalar = node->scalar;
	if (!explain->rule)
		out->units = node->units;
	children_tell(work, node, out);
	if (node->source && !below)
		leaf_tell(engine, work, node, out, &lost);
	else if (!below && node->valid && !node->failed && node->plan->type == VALUE_VECTOR)
		others_tell(work, node, out->present, &lost);
	out->lost = explain_says(explain, "%s", buf_ok(&lost) && lost.ptr ? lost.ptr : "");
	*units -= UNITS_LOOKED_AT + (int64_t)out->rows / 4;
	buf_fini(&text);
	buf_fini(&lost);
	return 0;
}
