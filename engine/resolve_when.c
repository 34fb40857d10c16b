/*
 * `resolve_when`: hysteresis. A firing alert whose expression does not hold any more stays until an
 * element of another expression is about it (elements.h).
 *
 * "No such element" may mean that the condition does not hold, or that nothing is known. Which of
 * the two, a second expression tells: the same without its conditions (rules/unfilter.h). Who has
 * no number there has no data.
 */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "engine/elements.h"
#include "engine/engine_internal.h"

enum { SIDE_WHEN, SIDE_HAS, SIDES };

struct resolve_state {
	uint32_t side; /* that is being evaluated */
	struct eval_cursor cursor;
	struct elements elements[SIDES];
	bool failed; /* in this pass; error may be NULL without memory */
	char *error;
	bool is_known; /* whether there is data: that side may fail where the other does not */
};

int resolve_init(struct rule_state *rule)
{
	if (!rule->def->resolve)
		return 0;
	rule->resolve = calloc(1, sizeof(*rule->resolve));
	return rule->resolve ? 0 : ERR_NOMEM;
}

void resolve_fini(struct engine *engine, struct rule_state *rule)
{
	if (!rule->resolve)
		return;
	for (uint32_t side = 0; side < SIDES; side++)
		elements_fini(&rule->resolve->elements[side], engine->lsets);
	free(rule->resolve->error);
	free(rule->resolve);
	rule->resolve = NULL;
}

const char *resolve_error(const struct rule_state *rule)
{
	if (!rule->resolve || !rule->resolve->failed)
		return NULL;
	return rule->resolve->error ? rule->resolve->error : error_text(ERR_NOMEM);
}

static const struct rule_root *root_of(const struct rule_state *rule, uint32_t side)
{
	return side == SIDE_WHEN ? &rule->def->resolve->when : &rule->def->resolve->has;
}

/* ---- evaluation ---- */

/* The rows of one side, as of this pass, in its elements; only while somebody may have to know. */
static int side_follow(struct engine *engine, struct rule_state *rule, uint32_t side)
{
	struct elements *elements = &rule->resolve->elements[side];
	struct relation relation;
	if (rule->nfiring == 0) {
		elements_fini(elements, engine->lsets);
		*elements = (struct elements){ .n = 0 };
		return 0;
	}
	binding_relation(engine->active->binding, root_of(rule, side)->root, &relation);
	if (relation.type == VALUE_SCALAR)
		return 0;
	return elements_follow(elements, engine->lsets, engine->symbol.name, &relation);
}

static void begin(struct resolve_state *resolve)
{
	free(resolve->error);
	resolve->error = NULL;
	resolve->failed = false;
	resolve->is_known = true;
}

static void side_fail(const struct engine *engine, struct rule_state *rule, int code)
{
	struct resolve_state *resolve = rule->resolve;
	if (resolve->side == SIDE_HAS) {
		resolve->is_known = false;
		return;
	}
	resolve->failed = true;
	resolve->error = slice_dup(slice_from(
		code == ERR_EVAL
			? binding_error(engine->active->binding, root_of(rule, SIDE_WHEN)->root)
			: error_text(code)));
}

int resolve_step(struct engine *engine, struct rule_state *rule, int64_t *units)
{
	struct resolve_state *resolve = rule->resolve;
	if (resolve->side == SIDE_WHEN && resolve->cursor.node == 0 && resolve->cursor.row == 0)
		begin(resolve);
	for (; resolve->side < SIDES; resolve->side++) {
		const struct rule_root *root = root_of(rule, resolve->side);
		int code = binding_eval(engine->active->binding, root->order, root->norder,
					engine->pass.query_ms, &resolve->cursor, units);
		if (code == ERR_AGAIN)
			return code;
		if (!code)
			code = side_follow(engine, rule, resolve->side);
		if (code)
			side_fail(engine, rule, code);
		resolve->cursor = (struct eval_cursor){ 0 };
	}
	resolve->side = SIDE_WHEN;
	return 0;
}

/* ---- judging ---- */

struct judging {
	const struct relation *relation;
	bool has_value;	 /* some row about the alert has a number */
	bool has_row;	 /* there is one, present or not */
	bool has_silent; /* one is missing because of silence */
};

static bool judge_row(void *ctx, uint32_t row)
{
	struct judging *judging = ctx;
	const struct relation *relation = judging->relation;
	judging->has_row = true;
	if (relation_has(relation, row) && !isnan(relation->values[row]))
		judging->has_value = true;
	else if (relation->silent && (relation->silent[row / 64] >> (row % 64) & 1))
		judging->has_silent = true;
	return !judging->has_value;
}

static struct judging judge_side(const struct engine *engine, const struct rule_state *rule,
				 uint32_t side, uint32_t expr_lset)
{
	struct relation relation;
	binding_relation(engine->active->binding, root_of(rule, side)->root, &relation);
	struct judging judging = { .relation = &relation };
	if (relation.type == VALUE_SCALAR)
		judging.has_value = !isnan(relation.scalar);
	else
		elements_each(&rule->resolve->elements[side], engine->lsets, expr_lset, judge_row,
			      &judging);
	return judging;
}

/* As for the alert's own expression: a row that was forgotten meanwhile cannot tell any more. */
static bool is_silent(const struct engine *engine, const struct rule_state *rule,
		      const struct alert *alert, const struct judging *judging)
{
	if (!rule->group->may_hold || !engine->senders.any_silent)
		return false;
	if (judging->has_row)
		return judging->has_silent;
	return (alert->hold == ALERT_HELD_SILENT || alert->unseen) &&
	       senders_silent_since(engine, alert->held_since_ms);
}

enum resolve_verdict resolve_judge(const struct engine *engine, const struct rule_state *rule,
				   uint32_t slot)
{
	uint32_t expr_lset = rule->instances.items[slot].expr_lset;
	if (rule->resolve->failed)
		return RESOLVE_FAILED;
	if (judge_side(engine, rule, SIDE_WHEN, expr_lset).has_value)
		return RESOLVE_MATCHES;
	if (!rule->resolve->is_known)
		return RESOLVE_WAITS;
	struct judging judging = judge_side(engine, rule, SIDE_HAS, expr_lset);
	if (judging.has_value)
		return RESOLVE_WAITS;
	return is_silent(engine, rule, &rule->alerts[slot], &judging) ? RESOLVE_SILENT
								      : RESOLVE_NO_DATA;
}
