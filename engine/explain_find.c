#include "engine/explain_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "rules/expr.h"

#define PIECE_RULES 512 /* rules looked at for UNITS_LOOKED_AT each, between looks at the units */

/* ---- finding the rule ---- */

static bool is_named(const struct rule_set *set, const struct rule *rule, struct slice name)
{
	const struct rule_group *group = &set->groups[rule->group];
	size_t len = group->file.len + 1 + group->name.len + 1 + rule->name.len;
	if (slice_is_equal(name, rule->name))
		return true;
	if (name.len != len)
		return false;
	const char *at = name.ptr;
	const struct slice parts[] = { group->file, group->name, rule->name };
	for (size_t i = 0; i < 3; i++) {
		if (parts[i].len && memcmp(at, parts[i].ptr, parts[i].len) != 0)
			return false;
		at += parts[i].len;
		if (i < 2 && *at++ != ';')
			return false;
	}
	return true;
}

static const struct rule *rule_of(const struct rule_set *set, uint32_t id)
{
	for (uint32_t g = 0; g < set->ngroups; g++) {
		const struct rule_group *group = &set->groups[g];
		if (group->nrules && id - group->rules[0].id < group->nrules)
			return &group->rules[id - group->rules[0].id];
	}
	return NULL;
}

static int tell_candidates(struct explain_work *work)
{
	struct explain *explain = work->explain;
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "more than one rule is called that; say which:");
	for (uint32_t i = 0; i < work->nfound; i++) {
		const struct rule *rule = rule_of(explain->set, work->found[i]);
		const struct rule_group *group = &explain->set->groups[rule->group];
		buf_printf(&text, "%s " SLICE_FMT ";" SLICE_FMT ";" SLICE_FMT, i ? "," : "",
			   SLICE_ARG(group->file), SLICE_ARG(group->name), SLICE_ARG(rule->name));
	}
	return explain_conclude(explain, ERR_CONFLICT, explain_taken(explain, &text));
}

static struct rule_root root_of(const struct explain *explain)
{
	const struct rule *rule = explain->rule;
	if (explain->of == EXPLAIN_OF_EXPR)
		return (struct rule_root){ rule->root, rule->order, rule->norder };
	return explain->of == EXPLAIN_OF_RESOLVE ? rule->resolve->when : rule->resolve->has;
}

static struct expr *expr_of(const struct explain *explain)
{
	const struct rule *rule = explain->rule;
	if (explain->of == EXPLAIN_OF_EXPR)
		return rule->expr;
	return explain->of == EXPLAIN_OF_RESOLVE ? rule->resolve->expr : rule->resolve->data;
}

/* The rule's expression as a query of its own. */
static int query_of_rule(struct engine *engine, struct explain_work *work, const struct rule *rule)
{
	const struct rule_set *set = work->explain->set;
	struct engine_query *query = calloc(1, sizeof(*query));
	if (!query)
		return ERR_NOMEM;
	arena_init(&query->arena, 0);
	work->query = query;
	work->expr_is_borrowed = true;
	query->expr = expr_of(work->explain);
	query->t_ms = engine->now_ms - set->groups[rule->group].query_offset_ms;
	query->bounds = (struct query_bounds){ query->t_ms, query->t_ms, 0 };
	query->plan = plan_new();
	if (!query->plan)
		return ERR_NOMEM;
	query->plan->delayed_names = set->plan->delayed_names;
	query->plan->subquery_step_ms = set->plan->subquery_step_ms;
	int code = plan_add(query->plan, query->expr, &query->root);
	return code ? code : plan_order(query->plan, query->root, &query->order, &query->norder);
}

static int rule_take(struct engine *engine, struct explain_work *work, const struct rule *rule)
{
	struct explain *explain = work->explain;
	struct buf text;
	explain->rule = rule;
	buf_init(&text);
	expr_format(expr_of(explain), &text);
	explain->text = explain_taken(explain, &text);
	engine_rule_status(engine, rule->id, &explain->status);
	explain->status.error = explain_says(explain, "%s", explain->status.error);
	engine_group_status(engine, rule->group, &explain->group);
	return query_of_rule(engine, work, rule);
}

static int expression_take(struct engine *engine, struct explain_work *work)
{
	struct explain *explain = work->explain;
	struct buf text;
	if (!explain->query)
		return explain_conclude(explain, ERR_NOT_FOUND,
					explain_says(explain,
						     "no rule is called \"%s\", nor is that an "
						     "expression: %s",
						     explain->name, explain->error));
	work->query = explain->query;
	explain->query = NULL;
	work->query->t_ms = engine->now_ms;
	work->query->bounds = (struct query_bounds){ engine->now_ms, engine->now_ms, 0 };
	buf_init(&text);
	expr_format(work->query->expr, &text);
	explain->text = explain_taken(explain, &text);
	return 0;
}

int explain_find(struct engine *engine, struct explain_work *work, int64_t *units)
{
	struct explain *explain = work->explain;
	const struct slice name = slice_from(explain->name);
	uint32_t looked = 0;
	for (; explain->set && !explain->rule && work->at < explain->set->nrules; work->at++) {
		if (++looked % PIECE_RULES == 0 && *units <= 0)
			return ERR_AGAIN;
		*units -= 1;
		const struct rule *rule = engine->active->rules[work->at].def;
		if (is_named(explain->set, rule, name) && work->nfound < EXPLAIN_CANDIDATES_MAX)
			work->found[work->nfound++] = rule->id;
	}
	if (work->nfound > 1)
		return tell_candidates(work);
	const struct rule *rule =
		work->nfound ? rule_of(explain->set, work->found[0]) : explain->rule;
	int code = rule ? rule_take(engine, work, rule) : expression_take(engine, work);
	if (!code && work->query->norder > EXPLAIN_NODES_MAX)
		return explain_conclude(explain, ERR_LIMIT,
					explain_says(explain,
						     "the expression has more than %d nodes",
						     EXPLAIN_NODES_MAX));
	explain->t_ms = code ? 0 : work->query->t_ms;
	return code;
}

/* ---- who shares ---- */

/* The node of the rules' plan at each place: by walking both from their roots. False: they differ.
 */
static bool counterparts_find(struct explain_work *work)
{
	const struct plan *ours = work->query->plan, *theirs = work->explain->set->plan;
	const uint32_t *order = work->query->order;
	uint32_t n = work->query->norder;
	work->counterparts[n - 1] = root_of(work->explain).root;
	for (uint32_t place = n; place-- > 0;) {
		const struct plan_node *own = ours->nodes[order[place]];
		const struct plan_node *other = theirs->nodes[work->counterparts[place]];
		if (own->op != other->op || own->nchildren != other->nchildren)
			return false;
		for (uint32_t i = 0; i < own->nchildren; i++)
			work->counterparts[plan_order_place(order, n, own->children[i])] =
				other->children[i];
	}
	return true;
}

/* Marks those of the nodes that the other has, too: both lists are in ascending order. */
static void mark_shared(uint64_t *marks, const struct rule_root *own, const uint32_t *order,
			uint32_t norder)
{
	for (uint32_t i = 0, k = 0; i < own->norder && k < norder;) {
		uint32_t x = own->order[i], y = order[k];
		if (x == y)
			bit_set(marks, i);
		i += x <= y;
		k += y <= x;
	}
}

/* Counts this rule, once, at each node that one of its expressions has. */
static void share_with(struct explain_work *work, const struct rule_root *own,
		       const struct rule *other)
{
	uint32_t nwords = words_of(own->norder);
	memset(work->marks, 0, nwords * sizeof(*work->marks));
	mark_shared(work->marks, own, other->order, other->norder);
	if (other->resolve) {
		mark_shared(work->marks, own, other->resolve->when.order,
			    other->resolve->when.norder);
		mark_shared(work->marks, own, other->resolve->has.order,
			    other->resolve->has.norder);
	}
	FOR_BITS (i, work->marks, 0, own->norder)
		work->shared[i]++;
}

static void share_tell(struct engine *engine, struct explain_work *work,
		       const struct rule_root *own)
{
	for (uint32_t place = 0; place < work->explain->nnodes; place++) {
		struct explain_node *node = &work->explain->nodes[place];
		uint32_t id = work->counterparts[place];
		struct binding_node_stats stats;
		binding_node_stats_get(engine->active->binding, id, &stats);
		node->rules = work->shared[plan_order_place(own->order, own->norder, id)];
		node->units = stats.units;
		node->evaluations = stats.evals;
		node->cached = stats.cached;
	}
}

int explain_share(struct engine *engine, struct explain_work *work, int64_t *units)
{
	if (!work->explain->rule)
		return 0;
	const struct rule_root own = root_of(work->explain);
	if (!work->counterparts) {
		work->counterparts =
			ARENA_ARRAY(&work->explain->arena, uint32_t, work->query->norder);
		work->shared = ARENA_ARRAY(&work->explain->arena, uint32_t, own.norder);
		work->marks =
			ARENA_ARRAY(&work->explain->arena, uint64_t, words_of(own.norder));
		if (!work->counterparts || !work->shared || !work->marks)
			return ERR_NOMEM;
		work->has_counterparts = counterparts_find(work);
	}
	if (!work->has_counterparts)
		return 0;
	for (; work->at < work->explain->set->nrules; work->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		const struct rule *other = engine->active->rules[work->at].def;
		share_with(work, &own, other);
		*units -= other->norder + 1;
	}
	share_tell(engine, work, &own);
	return 0;
}
