#include "engine/recheck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/engine_internal.h"

void recheck_init(struct recheck *recheck, double share)
{
	*recheck = (struct recheck){ .share = share,
				     .dice = UINT64_C(0x9e3779b97f4a7c15),
				     .evaluate = oracle_eval_with };
}

/* Evenly, whatever the order in which rules come. */
static bool is_picked(struct recheck *recheck)
{
	recheck->dice ^= recheck->dice << 13;
	recheck->dice ^= recheck->dice >> 7;
	recheck->dice ^= recheck->dice << 17;
	return (double)(recheck->dice >> 11) * 0x1p-53 < recheck->share;
}

/* ---- which rules ---- */

/* What is picked from among equal elements is the implementation's. */
static bool picks_elements(const struct plan_node *p)
{
	return p->op == PLAN_AGGREGATE &&
	       (p->aggregate == AGG_TOPK || p->aggregate == AGG_BOTTOMK ||
		p->aggregate == AGG_LIMITK);
}

static bool adds_up(const struct plan_node *p)
{
	return p->op == PLAN_AGGREGATE &&
	       (p->aggregate == AGG_SUM || p->aggregate == AGG_AVG || p->aggregate == AGG_STDDEV ||
		p->aggregate == AGG_STDVAR);
}

static bool is_suited(const struct engine *engine, const struct rule *def, bool *exact)
{
	const struct binding *binding = engine->active->binding;
	const struct plan *plan = engine->active->set->plan;
	uint64_t series = 0;
	*exact = true;
	if (plan->delayed_names)
		return false;
	for (uint32_t i = 0; i < def->norder; i++) {
		const struct plan_node *p = plan->nodes[def->order[i]];
		if (picks_elements(p) || p->log)
			return false;
		*exact = *exact && !adds_up(p);
		if (!plan_node_is_leaf(p))
			continue;
		/* Without a metric's name it may go over many series to find few. */
		const struct plan_selector *selector = &plan->selectors[p->selector];
		if (!matchers_find_metric(selector->matchers, selector->nmatchers))
			return false;
		series += binding_selector(binding, p->selector)->nmembers;
	}
	return series <= RECHECK_SERIES_MAX;
}

/* ---- comparison ---- */

static bool is_same_value(double a, double b, bool exact)
{
	if (memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b)) || a == b)
		return true;
	return !exact && fabs(a - b) <= RECHECK_DIFFERENCE_MAX * fmax(fabs(a), fabs(b));
}

static void tell_value(struct buf *out, const char *whose, const double *value)
{
	buf_add_str(out, whose);
	if (value)
		number_format_g(*value, out);
	else
		buf_add_str(out, "none");
}

/* Either may be NULL: not there. */
static void tell(struct buf *out, const struct labels *labels, const double *ours,
		 const double *theirs)
{
	if (out->len >= RECHECK_BYTES_MAX)
		return;
	if (out->len)
		buf_add_str(out, "; ");
	labels_format(labels, out);
	tell_value(out, " is ", ours);
	tell_value(out, ", by the plain evaluator ", theirs);
}

static int compare_to_row(const void *labels, const void *row)
{
	return labels_compare(labels, ((const struct oracle_row *)row)->labels);
}

static int compare_row(struct engine *engine, const struct relation *relation, uint32_t row,
		       const struct oracle_result *oracle, bool exact, bool *seen, struct buf *out)
{
	struct labels *labels = lset_to_labels(engine->lsets, relation->lsets[row]);
	if (!labels)
		return ERR_NOMEM;
	struct oracle_row *found =
		oracle->n ? bsearch(labels, oracle->rows, oracle->n, sizeof(*found), compare_to_row)
			  : NULL;
	if (!found || !is_same_value(relation->values[row], found->value, exact))
		tell(out, labels, &relation->values[row], found ? &found->value : NULL);
	if (found)
		seen[found - oracle->rows] = true;
	labels_unref(labels);
	return 0;
}

static int compare_rows(struct engine *engine, const struct relation *relation,
			const struct oracle_result *oracle, bool exact, struct buf *out)
{
	bool *seen = calloc(oracle->n + 1, sizeof(*seen));
	int err = seen ? 0 : ERR_NOMEM;
	for (uint32_t row = 0; !err && row < relation->nrows; row++)
		if (relation_has(relation, row))
			err = compare_row(engine, relation, row, oracle, exact, seen, out);
	for (size_t i = 0; !err && i < oracle->n; i++)
		if (!seen[i])
			tell(out, oracle->rows[i].labels, NULL, &oracle->rows[i].value);
	free(seen);
	return err;
}

/* What differs is written to out. */
static int compare(struct engine *engine, const struct rule_state *rule, int code,
		   const struct oracle_result *oracle, bool exact, struct buf *out)
{
	struct relation relation;
	if ((code == ERR_EVAL) != (oracle->error[0] != 0)) {
		buf_printf(out, "%s, by the plain evaluator %s",
			   code ? binding_error(engine->active->binding, rule->def->root)
				: "no error",
			   oracle->error[0] ? oracle->error : "no error");
		return 0;
	}
	if (code == ERR_EVAL)
		return 0;
	binding_relation(engine->active->binding, rule->def->root, &relation);
	if (relation.type != VALUE_SCALAR)
		return compare_rows(engine, &relation, oracle, exact, out);
	if (!is_same_value(relation.scalar, oracle->scalar, exact)) {
		tell_value(out, "it is ", &relation.scalar);
		tell_value(out, ", by the plain evaluator ", &oracle->scalar);
	}
	return 0;
}

static void differ(struct engine *engine, const struct rule_state *rule, struct buf *what)
{
	struct recheck *recheck = &engine->recheck;
	engine->stats.recheck_different++;
	if (recheck->told == RECHECK_TOLD_MAX || !engine->sink.different)
		return;
	recheck->told++;
	engine->sink.different(engine->sink.ctx, rule->def, engine->pass.query_ms,
			       what->len > RECHECK_BYTES_MAX
				       ? (struct slice){ what->ptr, RECHECK_BYTES_MAX }
				       : buf_slice(what));
}

void recheck_rule(struct engine *engine, struct rule_state *rule, int code, int64_t *units)
{
	struct recheck *recheck = &engine->recheck;
	struct oracle_result oracle;
	struct buf what;
	bool exact;
	if (recheck->share <= 0 || engine->pass.on_arrival || !is_picked(recheck))
		return;
	if (!is_suited(engine, rule->def, &exact)) {
		engine->stats.recheck_skipped++;
		return;
	}
	struct oracle_options options = {
		.lookback_ms = engine->options.store.lookback_ms,
		.subquery_step_ms = engine->active->set->plan->subquery_step_ms,
		.work_max = RECHECK_WORK_MAX,
	};
	int err = recheck->evaluate(engine->store, rule->def->expr, engine->pass.query_ms, &options,
				    &oracle);
	*units -= (int64_t)options.work * RECHECK_UNITS;
	if (err) {
		engine->stats.recheck_skipped++;
		return;
	}
	buf_init(&what);
	err = compare(engine, rule, code, &oracle, exact, &what);
	if (err || !buf_ok(&what))
		engine->stats.recheck_skipped++;
	else if (what.len)
		differ(engine, rule, &what);
	else
		engine->stats.recheck_equal++;
	buf_fini(&what);
	oracle_result_fini(&oracle);
}
