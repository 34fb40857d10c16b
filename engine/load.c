/*
 * A rule set comes into force: bound beside the old one in quanta, its demands declared before
 * anything is shaped, swapped in between two passes. The old one is let go in quanta, too.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

/* ---- life ---- */

static void rule_begin(struct generation *generation, struct group_state *group,
		       struct rule_state *rule, const struct rule *def)
{
	rule->set = generation->set;
	rule->def = def;
	rule->group = group;
	rule->warm_at_ms = rule->warm_since_ms = rule->last_ms = rule->last_query_ms = TIME_NONE;
	instances_init(&rule->instances);
}

static void group_begin(struct engine *engine, struct generation *generation, uint32_t at)
{
	struct group_state *group = &generation->groups[at];
	const struct rule_group *def = &generation->set->groups[at];
	bool plain = def->dialect == DIALECT_PROMETHEUS;
	*group = (struct group_state){ .def = def, .due_ms = DUE_UNKNOWN };
	/* An empty group has no first rule to tell where its rules stand; nobody asks. */
	group->rules = def->nrules ? &generation->rules[def->rules[0].id] : NULL;
	group->last_ms = group->skip_to_ms = TIME_NONE;
	group->reads_ms = DUE_UNKNOWN;
	group->arrival.on = def->evaluate == EVALUATE_ARRIVAL;
	group->arrival.newest_ms = group->arrival.future_ms = TIME_NONE;
	group->arrival.run_ms = group->arrival.kept_ms = TIME_NONE;
	group->arrival.touched = group->arrival.recorded = WATCH_NONE;
	if (group->arrival.on)
		generation->arrivals[generation->narrivals++] = at;
	group->always_warm = engine->options.warm || plain || def->warmup == WARMUP_OFF;
	group->may_hold = !engine->options.warm && !plain && !engine->options.resolve_on_silence;
	generation->has_offsets |= def->query_offset_ms != 0;
	if (engine->now_ms != TIME_NONE) {
		group->due_ms = due_after(engine, def->interval_ms, engine->now_ms);
		group->reads_ms = engine->now_ms;
	}
	for (uint32_t i = 0; i < def->nrules; i++)
		rule_begin(generation, group, &group->rules[i], &def->rules[i]);
}

static struct generation *generation_new(struct engine *engine, struct rule_set *set)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	if (!generation)
		return NULL;
	generation->groups = calloc(set->ngroups + 1, sizeof(*generation->groups));
	generation->rules = calloc(set->nrules + 1, sizeof(*generation->rules));
	generation->demand_of = calloc(set->plan->nselectors + 1, sizeof(*generation->demand_of));
	generation->watch_of = malloc((set->plan->nselectors + 1) * sizeof(*generation->watch_of));
	generation->arrivals = malloc((set->ngroups + 1) * sizeof(*generation->arrivals));
	generation->set = rule_set_ref(set);
	if (!generation->groups || !generation->rules || !generation->demand_of ||
	    !generation->watch_of || !generation->arrivals) {
		generation_free(engine, generation);
		return NULL;
	}
	for (uint32_t i = 0; i < set->plan->nselectors; i++)
		generation->watch_of[i] = WATCH_NONE;
	return generation;
}

static void rule_fini(struct engine *engine, struct rule_state *rule)
{
	if (!rule->def)
		return;
	bool is_alert = rule->def->kind == RULE_ALERT;
	for (uint32_t slot = 0; slot < rule->instances.n && slot < rule->data_cap; slot++) {
		if (rule->instances.items[slot].lset == LSET_NONE)
			continue;
		if (is_alert)
			alert_clear(engine, &rule->alerts[slot]);
		else if (rule->series[slot])
			series_unpin(engine->store, rule->series[slot]);
	}
	instances_fini(&rule->instances, engine->lsets);
	rule_labels_fini(engine, rule);
	resolve_fini(engine, rule);
	arrival_rule_fini(rule);
	free(rule->alerts);
	free(rule->series);
	free(rule->leaves);
	free(rule->error);
}

/* When the readers of a demand read next. */
static const int64_t *demand_due(const struct engine *engine, const struct generation *generation,
				 const struct demand *demand)
{
	if (demand->group == GROUP_ASKED)
		return &engine->asked_ms;
	const struct group_state *group = &generation->groups[demand->group];
	return group->arrival.on ? &group->reads_ms : &group->due_ms;
}

static struct selector *demand_selector(const struct generation *generation,
					const struct demand *demand)
{
	return binding_selector(generation->binding, demand->selector);
}

static void reader_remove(const struct engine *engine, struct generation *generation)
{
	const struct demand *demand = &generation->demands[--generation->ndeclared];
	selector_reader_remove(demand_selector(generation, demand),
			       demand_due(engine, generation, demand), demand->reach_ms);
}

/* The sink may know a thread with more time: a set of many rules takes long to free. */
static void set_unref(const struct engine *engine, struct rule_set *set)
{
	if (set && engine->sink.released)
		engine->sink.released(engine->sink.ctx, set);
	else
		rule_set_unref(set);
}

void generation_free(struct engine *engine, struct generation *generation)
{
	if (!generation)
		return;
	while (generation->ndeclared > 0)
		reader_remove(engine, generation);
	for (; generation->rules && generation->nrules_gone < generation->set->nrules;
	     generation->nrules_gone++)
		rule_fini(engine, &generation->rules[generation->nrules_gone]);
	binding_free(generation->binding);
	arrival_generation_fini(generation);
	free(generation->arrivals);
	id_map_fini(&generation->groups_by_name);
	free(generation->groups);
	free(generation->rules);
	free(generation->demands);
	free(generation->demand_of);
	free(generation->wishes.reach_ms);
	adopt_fini(generation);
	set_unref(engine, generation->set);
	free(generation);
}

/* ---- what the rules read ---- */

static int demand_add(struct generation *generation, uint32_t selector, uint32_t group,
		      int64_t reach_ms)
{
	/* Each selector once a group, with the longest reach: H is the least of due − reach. */
	uint32_t at = generation->demand_of[selector];
	if (at < generation->ndemands && generation->demands[at].selector == selector &&
	    generation->demands[at].group == group) {
		if (reach_ms > generation->demands[at].reach_ms)
			generation->demands[at].reach_ms = reach_ms;
		return 0;
	}
	if (!ARRAY_RESERVE(&generation->demands, generation->ndemands, &generation->demands_cap))
		return ERR_NOMEM;
	generation->demand_of[selector] = generation->ndemands;
	generation->demands[generation->ndemands++] = (struct demand){ selector, group, reach_ms };
	return 0;
}

/* How far back a leaf may read, from the time of the rule: never less than 0 (offset -5m). */
static int64_t reach_of(const struct generation *generation, const struct plan_node *leaf,
			int64_t back_ms)
{
	int64_t reach_ms = binding_reach_ms(generation->binding, leaf->id) + back_ms;
	return reach_ms < 0 ? 0 : reach_ms < PLAN_REACH_ALL ? reach_ms : PLAN_REACH_ALL;
}

/* Those below one root of the rule. */
static int leaves_add(struct generation *generation, struct rule_state *rule,
		      const struct rule_root *root)
{
	const struct plan *plan = generation->set->plan;
	int64_t *back_ms = calloc(root->norder, sizeof(*back_ms));
	int code = back_ms ? 0 : ERR_NOMEM;
	if (!code)
		plan_order_back(plan, root->order, root->norder, back_ms);
	for (uint32_t i = 0; i < root->norder && !code; i++) {
		const struct plan_node *node = plan->nodes[root->order[i]];
		if (!plan_node_is_leaf(node))
			continue;
		int64_t reach_ms = reach_of(generation, node, back_ms[i]);
		/* What is at a fixed time no waiting will bring. */
		rule->leaves[rule->nleaves++] = (struct rule_leaf){
			node->selector, reach_ms < PLAN_REACH_ALL ? reach_ms : 0
		};
		const struct rule_group *group = rule->group->def;
		reach_ms += group->query_offset_ms;
		/* Of lines a query asks for as much at any time as the rule does when it is due. */
		if (node->log && reach_ms < PLAN_REACH_ALL)
			reach_ms += group->interval_ms;
		code = demand_add(generation, node->selector, rule->def->group, reach_ms);
	}
	free(back_ms);
	return code;
}

/* What `resolve_when` reads without its conditions it reads with them. */
static int leaves_find(struct generation *generation, struct rule_state *rule)
{
	const struct rule *def = rule->def;
	const struct rule_root own = { def->root, def->order, def->norder };
	const struct rule_root *when = def->resolve ? &def->resolve->when : NULL;
	rule->leaves = calloc(own.norder + (when ? when->norder : 0), sizeof(*rule->leaves));
	int code = rule->leaves ? leaves_add(generation, rule, &own) : ERR_NOMEM;
	rule->nown_leaves = rule->nleaves;
	return code || !when ? code : leaves_add(generation, rule, when);
}

static int demand_find(struct generation *generation, const struct rule_root *asked)
{
	const struct plan *plan = generation->set->plan;
	int64_t *back_ms = calloc(asked->norder + 1, sizeof(*back_ms));
	int code = back_ms ? 0 : ERR_NOMEM;
	if (!code)
		plan_order_back(plan, asked->order, asked->norder, back_ms);
	for (uint32_t i = 0; i < asked->norder && !code; i++) {
		const struct plan_node *node = plan->nodes[asked->order[i]];
		if (plan_node_is_leaf(node))
			code = demand_add(generation, node->selector, GROUP_ASKED,
					  reach_of(generation, node, back_ms[i]));
	}
	free(back_ms);
	return code;
}

/* What runbooks ask for at any time. */
static int demands_find(struct generation *generation)
{
	const struct rule_set *set = generation->set;
	int code = 0;
	for (uint32_t i = 0; i < set->ndemands && !code; i++)
		code = demand_find(generation, &set->demands[i]);
	return code;
}

/* ---- stages; each 0 when it is done, ERR_AGAIN when the units ran out ---- */

static int stage_groups(struct engine *engine, struct generation *young, int64_t *units)
{
	for (; young->at < young->set->ngroups; young->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		group_begin(engine, young, young->at);
		*units -= UNITS_READER * (1 + (int64_t)young->groups[young->at].def->nrules);
	}
	return 0;
}

static int stage_bind(struct engine *engine, struct generation *young, int64_t *units)
{
	struct binding_options options = { .lookback_ms = engine->options.store.lookback_ms,
					   .standing = true };
	options.sender_silent = &engine->senders.silent;
	options.any_silent = &engine->senders.any_silent;
	int code = young->binding ? 0
				  : binding_new(engine->store, young->set->plan, &options,
						&young->binding);
	return code ? code : binding_bind(young->binding, units);
}

static int stage_rules(struct engine *engine, struct generation *young, int64_t *units)
{
	for (; young->at < young->set->nrules; young->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		struct rule_state *rule = &young->rules[young->at];
		int code = rule_labels_init(engine, rule);
		if (!code)
			code = resolve_init(rule);
		if (!code)
			code = leaves_find(young, rule);
		if (!code)
			code = arrival_rule_init(young, rule);
		if (!code)
			code = arrival_order_note(young, rule, units);
		if (code)
			return code;
		*units -= UNITS_READER + rule->def->norder;
	}
	id_map_fini(&young->groups_by_name);
	return demands_find(young);
}

static int stage_readers(struct engine *engine, struct generation *young, int64_t *units)
{
	for (; young->ndeclared < young->ndemands; young->ndeclared++) {
		if (*units <= 0)
			return ERR_AGAIN;
		const struct demand *demand = &young->demands[young->ndeclared];
		int code =
			selector_reader_add(demand_selector(young, demand),
					    demand_due(engine, young, demand), demand->reach_ms);
		if (code)
			return code;
		*units -= UNITS_READER;
	}
	return 0;
}

int shape_priced(struct binding *binding, int64_t *units)
{
	int64_t rows = *units / UNITS_SHAPE_ROW + 1, left = rows;
	int code = binding_shape(binding, &left);
	*units -= (rows - left) * UNITS_SHAPE_ROW;
	return code;
}

static int stage_watches(struct engine *engine, struct generation *young, int64_t *units)
{
	return arrival_watch(young, units);
}

static int stage_shape(struct engine *engine, struct generation *young, int64_t *units)
{
	return shape_priced(young->binding, units);
}

static int stage_match(struct engine *engine, struct generation *young, int64_t *units)
{
	return engine->active ? adopt_match(engine->active, young, units) : 0;
}

/* ---- into force ---- */

/*
 * The widths of the buckets that lines are counted in from now on. What was counted in wider ones,
 * or others, does not tell what the rules ask for: then it counts as not there.
 */
static void buckets_set(struct engine *engine, const struct generation *generation)
{
	const struct plan *plan = generation->set->plan;
	for (uint32_t i = 0; i < plan->nlogs; i++) {
		const struct plan_log *log = &plan->logs[i];
		struct selector *selector = binding_selector(generation->binding, log->selector);
		if (!buckets_serve(selector->bucket_ms, log->bucket_ms) &&
		    engine->now_ms > selector->covered_since_ms)
			selector->covered_since_ms = engine->now_ms;
		selector->bucket_ms = log->bucket_ms;
	}
}

static int stage_adopt(struct engine *engine, struct generation *young, int64_t *units)
{
	return engine->active ? adopt_states(engine, engine->active, young, units) : 0;
}

/* When it will be warm depends on rules before it, so they come in this order. */
static int rules_warm(struct engine *engine, struct generation *generation, int64_t *units)
{
	uint32_t n = generation->set->nrules;
	for (; generation->at < n; generation->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		struct rule_state *rule = &generation->rules[generation->at];
		*units -= UNITS_READER + rule_warmth_update(generation, rule, engine->now_ms);
		if (rule->arrival) {
			arrival_timers_find(engine, rule, TIME_NONE);
			*units -= rule->instances.n;
		}
	}
	for (;
	     engine->now_ms != TIME_NONE && generation->at - n < generation->set->plan->nselectors;
	     generation->at++) {
		const struct selector *selector =
			binding_selector(generation->binding, generation->at - n);
		if (*units <= 0)
			return ERR_AGAIN;
		emit_coverage(engine, selector, selector->covered_since_ms);
		*units -= UNITS_READER;
	}
	return 0;
}

/* Before the first time is told nothing is covered yet: restore_time() comes here then. */
void generation_warm(struct engine *engine, struct generation *generation)
{
	int64_t units = INT64_MAX;
	generation->at = 0;
	rules_warm(engine, generation, &units);
}

static int stage_warm(struct engine *engine, struct generation *young, int64_t *units)
{
	if (young->at == 0)
		buckets_set(engine, young);
	return rules_warm(engine, young, units);
}

/*
 * What only the old set read is not fed any more: should the rule come back after a restart, the
 * journal must not say that it was. False: the units ran out.
 */
static bool coverage_end(struct engine *engine, struct generation *old, int64_t *units)
{
	for (; old->nended < old->set->plan->nselectors; old->nended++) {
		const struct selector *selector = binding_selector(old->binding, old->nended);
		if (*units <= 0)
			return false;
		if (selector->refs == 1)
			emit_coverage(engine, selector, COVERED_NEVER);
		*units -= UNITS_READER;
	}
	return true;
}

static void retire(struct engine *engine, struct generation *generation)
{
	generation->next = engine->retired;
	engine->retired = generation;
}

static void swap(struct engine *engine)
{
	struct generation *old = engine->active, *young = engine->loading;
	engine->active = young;
	engine->loading = NULL;
	young->wishes.are_due = engine->wants_history;
	arrival_swap(engine, old);
	for (uint32_t i = 0; i < young->set->ngroups && engine->now_ms != TIME_NONE; i++)
		group_time_set(engine, &young->groups[i]);
	restore_adopt(engine);
	schedule_due_update(engine);
	engine->stats.reloads++;
	engine->sink.loaded(engine->sink.ctx, young->set, 0);
	if (old)
		retire(engine, old);
}

static void refuse(struct engine *engine, int code)
{
	struct generation *young = engine->loading;
	engine->loading = NULL;
	engine->sink.loaded(engine->sink.ctx, young->set, code);
	young->nended = young->set->plan->nselectors; /* nothing was told of them */
	retire(engine, young);
}

static int (*const stages[])(struct engine *engine, struct generation *young, int64_t *units) = {
	[LOAD_GROUPS] = stage_groups,	[LOAD_BIND] = stage_bind,   [LOAD_RULES] = stage_rules,
	[LOAD_READERS] = stage_readers, [LOAD_WATCHES] = stage_watches, [LOAD_SHAPE] = stage_shape,
	[LOAD_MATCH] = stage_match,	[LOAD_ADOPT] = stage_adopt,	[LOAD_WARM] = stage_warm,
};

static void loading_step(struct engine *engine, int64_t *units)
{
	struct generation *young = engine->loading;
	while (*units > 0 && young->stage < LOAD_READY) {
		int code = stages[young->stage](engine, young, units);
		if (code == ERR_AGAIN)
			return;
		if (code) {
			refuse(engine, code);
			return;
		}
		young->stage++;
		young->at = 0;
	}
	if (young->stage == LOAD_READY)
		swap(engine);
}

static void next_begin(struct engine *engine)
{
	struct rule_set *set = engine->load_next;
	engine->load_next = NULL;
	engine->loading = generation_new(engine, set);
	if (!engine->loading)
		engine->sink.loaded(engine->sink.ctx, set, ERR_NOMEM);
	set_unref(engine, set);
}

int release_priced(struct binding *binding, int64_t *units)
{
	int64_t rows = *units / UNITS_RELEASE_ROW + 1, left = rows;
	int code = binding_release(binding, &left);
	*units -= (rows - left) * UNITS_RELEASE_ROW;
	return code;
}

static bool rules_release(struct engine *engine, struct generation *old, int64_t *units)
{
	for (; old->nrules_gone < old->set->nrules; old->nrules_gone++) {
		struct rule_state *rule = &old->rules[old->nrules_gone];
		if (*units <= 0)
			return false;
		*units -= UNITS_READER + UNITS_INSTANCE * (int64_t)rule->instances.n;
		rule_fini(engine, rule);
	}
	return true;
}

static bool readers_release(struct engine *engine, struct generation *old, int64_t *units)
{
	for (; old->ndeclared > 0; *units -= UNITS_READER) {
		if (*units <= 0)
			return false;
		reader_remove(engine, old);
	}
	return true;
}

static void retired_step(struct engine *engine, int64_t *units)
{
	while (engine->retired && *units > 0) {
		struct generation *old = engine->retired;
		if (!coverage_end(engine, old, units) || !readers_release(engine, old, units) ||
		    !rules_release(engine, old, units) ||
		    (old->binding && release_priced(old->binding, units)))
			return;
		engine->retired = old->next;
		generation_free(engine, old);
	}
}

bool load_step(struct engine *engine, int64_t *units)
{
	if (engine->retired)
		retired_step(engine, units);
	if (!engine->loading && engine->load_next)
		next_begin(engine);
	if (engine->loading && *units > 0)
		loading_step(engine, units);
	return past_step(engine, units) || engine->loading || engine->load_next || engine->retired;
}

void engine_load(struct engine *engine, struct rule_set *set)
{
	if (engine->load_next) {
		/* Never begun, and something newer is here. */
		engine->sink.loaded(engine->sink.ctx, engine->load_next, ERR_CONFLICT);
		set_unref(engine, engine->load_next);
	}
	engine->load_next = rule_set_ref(set);
}
