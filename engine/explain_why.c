#include "engine/explain_internal.h"

#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/join.h"

void explain_end(struct explain_work *work, enum explain_reason reason, const char *says)
{
	work->explain->reason = reason;
	work->explain->says = says;
}

static void explain_path_add(struct explain_work *work, uint32_t place, const char *says)
{
	struct explain *explain = work->explain;
	if (explain->npath < EXPLAIN_PATH_MAX)
		explain->path[explain->npath++] = (struct explain_step){ place, says };
}

/* ---- before the expression is looked at ---- */

static bool judge_rule(struct explain_work *work)
{
	struct explain *explain = work->explain;
	const struct rule_status *status = &explain->status;
	if (!explain->rule)
		return false;
	if (status->health == RULE_WARMING && status->warm_at_ms != TIME_NONE)
		explain_end(
			work, EXPLAIN_WARMING,
			explain_says(
				explain,
				"the rule is warming: it runs once its windows are fed, in %s",
				explain_duration(explain, status->warm_at_ms - explain->now_ms)));
	else if (status->health == RULE_WARMING)
		explain_end(work, EXPLAIN_WARMING,
			    "the rule is warming: some of what it reads was never fed");
	else if (status->health == RULE_ERROR)
		explain_end(work, EXPLAIN_FAILED,
			    explain_says(explain, "the rule's last evaluation failed: %s",
					 status->error));
	else if (status->last_ms == TIME_NONE)
		explain_end(work, EXPLAIN_NOT_YET_RUN,
			    explain_says(explain,
					 "the rule has not run yet since it was loaded; it "
					 "will in %s",
					 explain_duration(explain, explain->group.due_ms -
									   explain->now_ms)));
	return explain->reason != EXPLAIN_NOTHING;
}

/* ---- what the rule makes of a row ---- */

static const struct alert *alert_of(const struct rule_state *rule, uint32_t expr_lset)
{
	for (uint32_t slot = 0; slot < rule->instances.n && slot < EXPLAIN_ROWS_MAX; slot++)
		if (rule->instances.items[slot].lset != LSET_NONE &&
		    rule->instances.items[slot].expr_lset == expr_lset)
			return &rule->alerts[slot];
	return NULL;
}

static void judge_alert(struct explain_work *work, const struct alert *alert, const char *row)
{
	struct explain *explain = work->explain;
	int64_t now_ms = explain->now_ms;
	if (alert && alert->state == ALERT_FIRING) {
		explain_end(work, EXPLAIN_FIRES,
			    explain_says(explain, "the alert of %s fires, since %s", row,
					 explain_duration(explain, now_ms - alert->fired_at_ms)));
	} else if (alert && alert->state == ALERT_PENDING) {
		int64_t left_ms = alert->active_at_ms + explain->rule->for_ms - now_ms;
		explain_end(
			work, EXPLAIN_PENDING,
			explain_says(explain,
				     "the alert of %s is pending since %s: it fires in %s, when "
				     "`for: %s` is over",
				     row, explain_duration(explain, now_ms - alert->active_at_ms),
				     explain_duration(explain, left_ms),
				     explain_duration(explain, explain->rule->for_ms)));
	} else {
		explain_end(
			work, EXPLAIN_PRESENT,
			explain_says(explain,
				     "%s is in the result now; the rule ran %s ago, and runs "
				     "again in %s",
				     row,
				     explain_duration(explain, now_ms - explain->status.last_ms),
				     explain_duration(explain, explain->group.due_ms - now_ms)));
	}
}

static void judge_present(struct engine *engine, struct explain_work *work, const struct node *root,
			  uint32_t row)
{
	struct explain *explain = work->explain;
	const char *text = explain_labels(explain, work->query->binding, root->rows->lsets[row]);
	if (explain->rule && explain->rule->kind == RULE_ALERT)
		judge_alert(
			work,
			alert_of(&engine->active->rules[explain->rule->id], root->rows->lsets[row]),
			text);
	else
		explain_end(work, EXPLAIN_PRESENT,
			    explain_says(explain, "%s is in the result, with the value %s", text,
					 explain_number(explain, root->values[row])));
}

/* The row is absent: does its alert live on? */
static void judge_absent(struct engine *engine, struct explain_work *work, const struct node *root,
			 uint32_t row)
{
	struct explain *explain = work->explain;
	if (!explain->rule || explain->rule->kind != RULE_ALERT)
		return;
	const struct alert *alert =
		alert_of(&engine->active->rules[explain->rule->id], root->rows->lsets[row]);
	if (!alert || alert->state == ALERT_INACTIVE)
		return;
	if (alert->hold != ALERT_NOT_HELD)
		work->besides = explain_says(explain, "the alert is held (%s), though ",
					     alert_hold_text(alert->hold));
	else if (alert->keep_since_ms != TIME_NONE)
		work->besides = explain_says(
			explain, "the alert is kept for %s more by keep_firing_for, though ",
			explain_duration(explain, alert->keep_since_ms +
							  explain->rule->keep_firing_for_ms -
							  explain->now_ms));
}

/* ---- a row of a node ---- */

static bool is_filter(const struct node *node)
{
	return node->plan->op == PLAN_BINARY && binary_op_is_comparison(node->plan->binary) &&
	       !node->plan->is_bool;
}

/* The number that a filter compares with; NULL: it compares two vectors. */
static const struct node *bound_of(const struct node *node)
{
	for (uint32_t i = 0; i < 2 && is_filter(node); i++)
		if (node->children[i]->plan->type == VALUE_SCALAR)
			return node->children[i];
	return NULL;
}

/* How near an absent row is to being there: the less, the nearer. */
static double farness(const struct node *node, uint32_t row)
{
	const struct node *bound = bound_of(node);
	if (!node->base || !explain_is_present(node->base, row))
		return INFINITY;
	double by = bound ? fabs(node->base->values[row] - bound->scalar) : 0;
	return isnan(by) ? INFINITY : by;
}

/*
 * Labels that a node does not have choose nothing there. But what the leaf has of the row that is
 * sought tells which group it fell into: sum by (job) of {instance="a"} is that of its job.
 */
static bool agrees(const struct engine *engine, uint32_t hint, uint32_t lset)
{
	const struct lset_pair *pairs = lset_pairs(engine->lsets, lset);
	for (size_t i = 0; i < lset_count(engine->lsets, lset); i++) {
		uint32_t value = lset_get(engine->lsets, hint, pairs[i].name);
		if (pairs[i].name != engine->symbol.name && value != SYMBOL_NONE &&
		    value != pairs[i].value)
			return false;
	}
	return true;
}

static uint32_t pick_among(const struct engine *engine, struct explain_work *work,
			   const struct node *node, uint32_t hint)
{
	uint32_t best = ROW_NONE;
	uint32_t row = sought_next(engine, work, node, &work->sought, 0);
	for (; row != ROW_NONE; row = sought_next(engine, work, node, &work->sought, row + 1)) {
		if (hint != LSET_NONE && !agrees(engine, hint, node->rows->lsets[row]))
			continue;
		if (explain_is_present(node, row))
			return row;
		if (best == ROW_NONE || farness(node, row) < farness(node, best))
			best = row;
	}
	return best;
}

/* A row that is present; else the nearest that is not; else ROW_NONE. */
static uint32_t pick(const struct engine *engine, struct explain_work *work,
		     const struct node *node)
{
	uint32_t row = ROW_NONE;
	sought_prepare(engine, work->explain, node, &work->sought);
	if (work->hint != LSET_NONE)
		row = pick_among(engine, work, node, work->hint);
	return row != ROW_NONE ? row : pick_among(engine, work, node, LSET_NONE);
}

/* The labels of a leaf's row that meets all that is asked for there. */
static void hint_find(const struct engine *engine, struct explain_work *work)
{
	work->hint = LSET_NONE;
	for (uint32_t i = 0; i < work->explain->nnodes && work->explain->nmatchers; i++) {
		const struct node *node = explain_node_of(work, i);
		if (!node->source || node->plan->type != VALUE_VECTOR)
			continue;
		sought_prepare(engine, work->explain, node, &work->sought);
		uint32_t row = work->sought.applies
				       ? sought_next(engine, work, node, &work->sought, 0)
				       : ROW_NONE;
		if (row != ROW_NONE) {
			work->hint = node->rows->lsets[row];
			return;
		}
	}
}

static int go_on(struct explain_work *work, const struct node *child, uint32_t row)
{
	work->why_node = explain_place_of(work, child);
	work->why_row = row;
	return ERR_AGAIN;
}

/* ---- comparisons ---- */

static void says_false(struct explain_work *work, const struct node *node, double left,
		       double right, const char *row)
{
	struct explain *explain = work->explain;
	double away = fabs(left - right);
	char by[48] = "";
	/* For the eye: 1 - 0.7 to the last digit is 0.30000000000000004. */
	if (isfinite(away))
		snprintf(by, sizeof(by), ": it is away by %.6g", away);
	explain_end(work, EXPLAIN_FALSE,
		    explain_says(explain, "%s %s %s does not hold for %s%s",
				 explain_number(explain, left), binary_op_text(node->plan->binary),
				 explain_number(explain, right), row, by));
}

static int why_filter(struct explain_work *work, const struct node *node, uint32_t row)
{
	const struct node *bound = bound_of(node), *vector = node->base;
	bool swapped = node->children[0] == bound;
	if (row == ROW_NONE || !explain_is_present(vector, row))
		return go_on(work, vector, row);
	double value = vector->values[row];
	says_false(work, node, swapped ? bound->scalar : value, swapped ? value : bound->scalar,
		   explain_labels(work->explain, work->query->binding, vector->rows->lsets[row]));
	return 0;
}

/* ---- joins and set operators ---- */

static const char *const side_names[] = { "left", "right" };

/* A side has no row for the signature, or none that is present. */
static int why_side(struct engine *engine, struct explain_work *work, const struct node *node,
		    uint32_t side, const struct join_sides *sides)
{
	struct explain *explain = work->explain;
	uint32_t row = sides->row[side];
	const char *with = explain_labels(explain, work->query->binding, sides->signature);
	explain_path_add(work, explain_place_of(work, node),
			 explain_says(explain, "on the %s nothing %s %s%s", side_names[side],
				      row == ROW_NONE ? "matches" : "is present that matches",
				      node->plan->on || sides->signature != LSET_EMPTY ? with : "",
				      node->plan->binary == OP_AND || node->plan->binary == OP_OR
					      ? ""
					      : ", and so there is no pair"));
	work->lacks_partner |= row == ROW_NONE;
	if (row == ROW_NONE) {
		sought_of_signature(engine, node, sides->signature, &work->sought);
		work->sought.asks_matchers = false;
	}
	return go_on(work, node->children[side], row);
}

static int why_pair(struct engine *engine, struct explain_work *work, const struct node *node,
		    const struct join_sides *sides)
{
	struct explain *explain = work->explain;
	struct binding *binding = work->query->binding;
	const struct node *left = node->children[0], *right = node->children[1];
	enum binary_op op = node->plan->binary;
	if (sides->present[0] == ROW_NONE)
		return sides->row[0] != ROW_NONE ? go_on(work, left, sides->row[0])
						 : why_side(engine, work, node, 0, sides);
	if (op == OP_UNLESS && sides->present[1] != ROW_NONE) {
		explain_end(work, EXPLAIN_TAKEN_OUT,
			    explain_says(explain, "unless takes it out: the right side has %s",
					 explain_labels(explain, binding,
							right->rows->lsets[sides->present[1]])));
		return 0;
	}
	if (sides->present[1] == ROW_NONE)
		return why_side(engine, work, node, 1, sides);
	if (!is_filter(node)) {
		explain_end(work, EXPLAIN_OTHER, "both sides have it");
		return 0;
	}
	says_false(work, node, left->values[sides->present[0]], right->values[sides->present[1]],
		   explain_labels(explain, binding, left->rows->lsets[sides->present[0]]));
	return 0;
}

static int why_match(struct engine *engine, struct explain_work *work, const struct node *node,
		     uint32_t row)
{
	struct join_sides sides;
	if (row != ROW_NONE) {
		join_sides_of(node, row, &sides);
		if (node->plan->binary == OP_OR)
			return go_on(work, node->children[sides.row[0] == ROW_NONE],
				     sides.row[sides.row[0] == ROW_NONE]);
		return why_pair(engine, work, node, &sides);
	}
	/* No row of the result is about it: a pair never came together, or one side never had it.
	 */
	for (uint32_t side = 0; side < 2; side++) {
		uint32_t its = pick(engine, work, node->children[side]);
		if (its == ROW_NONE && work->sought.applies)
			return go_on(work, node->children[side], ROW_NONE);
		if (its == ROW_NONE)
			continue;
		join_sides_of_child(node, side, its, &sides);
		if (sides.present[side] == ROW_NONE)
			return go_on(work, node->children[side], its);
		return why_pair(engine, work, node, &sides);
	}
	return go_on(work, node->children[0], ROW_NONE);
}

/* ---- all others ---- */

static int why_base(struct explain_work *work, const struct node *node, uint32_t row)
{
	if (row == ROW_NONE || !explain_is_present(node->base, row))
		return go_on(work, node->base, row);
	const char *text =
		explain_labels(work->explain, work->query->binding, node->base->rows->lsets[row]);
	if (node->plan->op == PLAN_AGGREGATE)
		explain_end(work, EXPLAIN_NOT_PICKED,
			    explain_says(work->explain, "%s has %s: not among those that %s takes",
					 text,
					 explain_number(work->explain, node->base->values[row]),
					 aggregate_op_text(node->plan->aggregate)));
	else
		explain_end(work, EXPLAIN_OTHER,
			    explain_says(work->explain, "%s is lost here", text));
	return 0;
}

static const struct node *vector_child(const struct node *node)
{
	for (uint32_t i = 0; i < node->nchildren; i++)
		if (node->children[i]->plan->type == VALUE_VECTOR)
			return node->children[i];
	return NULL;
}

static int why_below(struct engine *engine, struct explain_work *work, const struct node *node,
		     uint32_t row)
{
	const struct node *child = vector_child(node);
	bool is_absent = node->kind == &node_absent || node->kind == &node_absent_over_time;
	if (is_absent || !child) {
		explain_end(
			work, is_absent ? EXPLAIN_NOT_ABSENT : EXPLAIN_OTHER,
			is_absent ? "absent() has a row only when nothing is there, and something "
				    "is"
				  : "it is lost here");
		return 0;
	}
	if (node->plan->op == PLAN_AGGREGATE && row != ROW_NONE)
		sought_of_group(engine, node, row, &work->sought);
	return go_on(work, child, ROW_NONE);
}

static int why_node(struct engine *engine, struct explain_work *work, const struct node *node,
		    uint32_t row)
{
	if (node->source && plan_node_is_leaf(node->plan) && node->kind != &node_absent_over_time) {
		if (explain_leaf_why(engine, work, node, row))
			work->at = 0;
		return 0;
	}
	if (explain_match(node))
		return why_match(engine, work, node, row);
	if (bound_of(node) && node->base)
		return why_filter(work, node, row);
	if (node->base)
		return why_base(work, node, row);
	return why_below(engine, work, node, row);
}

void explain_why_begin(struct engine *engine, struct explain_work *work)
{
	if (!work->explain->wants_why || judge_rule(work))
		return;
	work->why_node = work->explain->nnodes - 1;
	work->why_row = ROW_NONE;
	work->sought.asks_matchers = true;
	hint_find(engine, work);
}

/* The end of the way: what was met on it goes before. */
static void conclude(struct explain_work *work)
{
	struct explain *explain = work->explain;
	bool is_nowhere =
		explain->reason == EXPLAIN_NO_SERIES || explain->reason == EXPLAIN_NO_LABELS;
	explain_path_add(work, work->why_node, explain->says);
	if (work->lacks_partner && is_nowhere)
		explain->reason = EXPLAIN_NO_PARTNER;
	if (work->besides)
		explain->says = explain_says(explain, "%s%s", work->besides, explain->says);
}

int explain_why_step(struct engine *engine, struct explain_work *work, int64_t *units)
{
	struct explain *explain = work->explain;
	if (!explain->wants_why || explain->reason != EXPLAIN_NOTHING)
		return 0;
	const struct node *node = explain_node_of(work, work->why_node);
	bool is_root = work->why_node == explain->nnodes - 1;
	*units -= UNITS_LOOKED_AT + node->rows->n;
	if (node->failed)
		explain_end(work, EXPLAIN_FAILED,
			    explain_says(explain, "the evaluation fails: %s",
					 node->error ? node->error : ""));
	else if (node->plan->type != VALUE_VECTOR)
		explain_end(work, EXPLAIN_OTHER, "it is a number, and has no labels");
	else if (explain->nodes[work->why_node].below_subquery)
		explain_end(work, EXPLAIN_OTHER,
			    "it is evaluated within a subquery, at other times than now");
	if (explain->reason != EXPLAIN_NOTHING) {
		conclude(work);
		return 0;
	}
	uint32_t row = work->why_row == ROW_NONE ? pick(engine, work, node) : work->why_row;
	if (is_root && row != ROW_NONE && explain_is_present(node, row)) {
		judge_present(engine, work, node, row);
		return 0;
	}
	if (is_root && row != ROW_NONE)
		judge_absent(engine, work, node, row);
	int code = why_node(engine, work, node, row);
	if (code == 0)
		conclude(work);
	return code;
}
