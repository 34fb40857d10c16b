#include "engine/explain_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

const char *explain_reason_text(enum explain_reason reason)
{
	static const char *const texts[] = {
		[EXPLAIN_NOTHING] = "",
		[EXPLAIN_PRESENT] = "present",
		[EXPLAIN_NO_SERIES] = "no_series",
		[EXPLAIN_NO_LABELS] = "no_labels",
		[EXPLAIN_NO_SAMPLE] = "no_sample",
		[EXPLAIN_ENDED] = "ended",
		[EXPLAIN_TOO_OLD] = "too_old",
		[EXPLAIN_TOO_FEW] = "too_few",
		[EXPLAIN_FALSE] = "false",
		[EXPLAIN_NO_PARTNER] = "no_partner",
		[EXPLAIN_TAKEN_OUT] = "taken_out",
		[EXPLAIN_NOT_PICKED] = "not_picked",
		[EXPLAIN_NOT_ABSENT] = "not_absent",
		[EXPLAIN_FAILED] = "failed",
		[EXPLAIN_WARMING] = "warming",
		[EXPLAIN_NOT_YET_RUN] = "not_yet_run",
		[EXPLAIN_PENDING] = "pending",
		[EXPLAIN_FIRES] = "fires",
		[EXPLAIN_OTHER] = "other",
	};
	return texts[reason];
}

/* ---- life ---- */

int explain_new(struct slice text, const char *matchers, const struct query_settings *settings,
		struct explain **out, char **why)
{
	struct explain *explain = calloc(1, sizeof(*explain));
	struct diag_list diags;
	*why = NULL;
	if (!explain)
		return ERR_NOMEM;
	arena_init(&explain->arena, 0);
	explain->says = explain->error = "";
	explain->name = arena_strdup(&explain->arena, text);
	explain->wants_why = matchers != NULL;
	int code = explain->name ? 0 : ERR_NOMEM;
	if (!code && matchers)
		code = matchers_parse(slice_from(matchers), &explain->matchers, &explain->nmatchers,
				      why);
	if (!code && explain->nmatchers > EXPLAIN_MATCHERS_MAX)
		code = ERR_LIMIT;
	diag_list_init(&diags);
	if (!code) {
		int parsed = engine_query_range_new(text, &(struct query_bounds){ 0, 0, 0 },
						    settings, &diags, &explain->query);
		code = parsed == ERR_NOMEM ? parsed : 0;
		/* It may be a rule's name all the same. */
		if (parsed && diags.n > 0)
			explain->error =
				arena_printf(&explain->arena, "%s", diags.items[0].message);
	}
	diag_list_fini(&diags);
	if (code) {
		explain_free(explain);
		return code;
	}
	*out = explain;
	return 0;
}

static void alert_drop(struct explain_alert *alert)
{
	labels_unref(alert->labels);
	labels_unref(alert->expr_labels);
}

/* What the engine has for it. */
static void work_free(struct engine *engine, struct explain_work *work)
{
	struct explain_work **link = &engine->explains;
	while (*link && *link != work)
		link = &(*link)->next;
	if (*link) {
		*link = work->next;
		engine->nexplains--;
	}
	if (work->query) {
		if (work->expr_is_borrowed)
			work->query->expr = NULL;
		query_drop(engine, work->query);
	}
	id_map_fini(&work->names);
	free(work->near);
	if (work->explain)
		work->explain->work = NULL;
	free(work);
}

void explains_fini(struct engine *engine)
{
	while (engine->explains)
		work_free(engine, engine->explains);
}

void explain_free(struct explain *explain)
{
	if (!explain)
		return;
	explain_free(explain->next);
	if (explain->work)
		explain->work->explain = NULL; /* the engine's end frees it */
	engine_query_free(explain->query);
	matchers_free(explain->matchers, explain->nmatchers);
	for (uint32_t i = 0; i < explain->nalerts; i++)
		alert_drop(&explain->alerts[i]);
	labels_unref(explain->external);
	rule_set_unref(explain->set);
	arena_fini(&explain->arena);
	free(explain);
}

/* ---- texts ---- */

const char *explain_says(struct explain *explain, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	const char *says = arena_printf(&explain->arena, "%s", text);
	return says ? says : "";
}

const char *explain_taken(struct explain *explain, struct buf *text)
{
	const char *copy = buf_ok(text) ? arena_strdup(&explain->arena, buf_slice(text)) : NULL;
	buf_fini(text);
	return copy ? copy : "";
}

const char *explain_duration(struct explain *explain, int64_t ms)
{
	struct buf text;
	buf_init(&text);
	/* Of long ones nobody wants the milliseconds. */
	duration_format(ms < 0 ? 0 : ms >= 10000 ? ms / 1000 * 1000 : ms, &text);
	return explain_taken(explain, &text);
}

const char *explain_number(struct explain *explain, double value)
{
	struct buf text;
	buf_init(&text);
	number_format_json(value, &text);
	return explain_taken(explain, &text);
}

const char *explain_labels(struct explain *explain, struct binding *binding, uint32_t lset)
{
	struct labels *labels = binding_labels(binding, lset);
	struct buf text;
	if (!labels)
		return "";
	buf_init(&text);
	labels_format(labels, &text);
	labels_unref(labels);
	return explain_taken(explain, &text);
}

int explain_conclude(struct explain *explain, int code, const char *error)
{
	explain->code = code;
	explain->error = error;
	return code;
}

struct node *explain_node_of(const struct explain_work *work, uint32_t place)
{
	return &work->query->binding->nodes[work->query->order[place]];
}

uint32_t explain_place_of(const struct explain_work *work, const struct node *node)
{
	return plan_order_place(work->query->order, work->query->norder, node->plan->id);
}

/* ---- evaluating ---- */

static int stage_eval(struct engine *engine, struct explain_work *work, int64_t *units)
{
	struct explain *explain = work->explain;
	struct engine_query *query = work->query;
	int code = query_evaluate(engine, query, units);
	if (query_is_too_much(engine, query))
		return explain_conclude(
			explain, ERR_LIMIT,
			"it would load more samples than limits.query_samples allows");
	/* Which node fails is told with the nodes; without a binding there are none. */
	if (code == ERR_EVAL && query->binding)
		code = 0;
	else if (code == ERR_EVAL)
		return explain_conclude(explain, code, explain_says(explain, "%s", query->error));
	return code;
}

/* ---- the nodes ---- */

static int stage_nodes(struct engine *engine, struct explain_work *work, int64_t *units)
{
	for (; work->at < work->explain->nnodes; work->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		int code = explain_node_look(engine, work, units);
		if (code)
			return code;
	}
	return 0;
}

/* ---- alerts ---- */

static int alert_take(struct engine *engine, struct explain_work *work,
		      const struct rule_state *rule, uint32_t slot)
{
	struct explain *explain = work->explain;
	const struct instance *instance = &rule->instances.items[slot];
	const struct alert *from = &rule->alerts[slot];
	struct explain_alert *alert = &explain->alerts[explain->nalerts++];
	*alert = (struct explain_alert){
		.labels = lset_to_labels(engine->lsets, instance->lset),
		.expr_labels = lset_to_labels(engine->lsets, instance->expr_lset),
		.state = from->state,
		.hold = from->hold,
		.value = from->value,
		.active_at_ms = from->active_at_ms,
		.fired_at_ms = from->fired_at_ms,
		.keep_since_ms = from->keep_since_ms,
	};
	if (!alert->labels || !alert->expr_labels)
		return ERR_NOMEM;
	return explain_parts(engine, work, alert, instance->expr_lset);
}

/* Those that the user asks about, if he does; firing ones first: at counts slots, then again. */
static int stage_alerts(struct engine *engine, struct explain_work *work, int64_t *units)
{
	struct explain *explain = work->explain;
	if (!explain->rule || explain->rule->kind != RULE_ALERT)
		return 0;
	if (!explain->alerts)
		explain->alerts =
			ARENA_ARRAY(&explain->arena, struct explain_alert, EXPLAIN_ALERTS_MAX);
	if (!explain->alerts)
		return ERR_NOMEM;
	const struct rule_state *rule = &engine->active->rules[explain->rule->id];
	explain->alerts_all = rule->npending + rule->nfiring;
	uint32_t n = rule->instances.n;
	for (; work->at < 2 * n; work->at++) {
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= 1;
		uint32_t slot = work->at % n;
		enum alert_state wanted = work->at < n ? ALERT_FIRING : ALERT_PENDING;
		if (rule->instances.items[slot].lset == LSET_NONE ||
		    rule->alerts[slot].state != wanted || explain->nalerts == EXPLAIN_ALERTS_MAX)
			continue;
		*units -= UNITS_LOOKED_AT * explain->nnodes;
		int code = alert_take(engine, work, rule, slot);
		if (code)
			return code;
	}
	return 0;
}

/* ---- the pieces in order ---- */

static int work_new(struct engine *engine, struct explain *explain)
{
	if (engine->nexplains == EXPLAINS_MAX)
		return ERR_FULL;
	struct explain_work *work = calloc(1, sizeof(*work));
	if (!work)
		return ERR_NOMEM;
	work->explain = explain;
	work->next = engine->explains;
	engine->explains = work;
	engine->nexplains++;
	explain->work = work;
	explain->now_ms = engine->now_ms;
	if (engine->active && !explain->set)
		explain->set = rule_set_ref(engine->active->set);
	if (engine->external_labels && !explain->external)
		explain->external = labels_ref(engine->external_labels);
	return 0;
}

static int nodes_make(struct explain_work *work)
{
	struct explain *explain = work->explain;
	explain->nnodes = work->query->norder;
	explain->nodes = ARENA_ARRAY(&explain->arena, struct explain_node, explain->nnodes);
	return explain->nodes ? 0 : ERR_NOMEM;
}

static int stage_run(struct engine *engine, struct explain_work *work, int64_t *units)
{
	switch (work->stage) {
	case EXPLAIN_FIND:
		return explain_find(engine, work, units);
	case EXPLAIN_EVAL: {
		int code = stage_eval(engine, work, units);
		return code ? code : nodes_make(work);
	}
	case EXPLAIN_SHARE:
		return explain_share(engine, work, units);
	case EXPLAIN_NODES:
		return stage_nodes(engine, work, units);
	case EXPLAIN_ALERTS: {
		int code = stage_alerts(engine, work, units);
		if (!code)
			explain_why_begin(engine, work);
		return code;
	}
	case EXPLAIN_WHY:
		return explain_why_step(engine, work, units);
	case EXPLAIN_NAMES:
		return explain_names_step(engine, work, units);
	case EXPLAIN_DONE:
		break;
	}
	return 0;
}

/* The next piece of this expression alone. */
static int expr_step(struct engine *engine, struct explain *explain, int64_t *units)
{
	int code = explain->work ? 0 : work_new(engine, explain);
	if (code)
		return code;
	struct explain_work *work = explain->work;
	if (engine->now_ms == TIME_NONE)
		code = explain_conclude(explain, ERR_CONFLICT,
					"the engine was not told the time yet");
	if (!code && explain->set && engine->active->set != explain->set)
		code = explain_conclude(explain, ERR_CONFLICT,
					"the rules have changed meanwhile: ask again");
	while (!code && work->stage != EXPLAIN_DONE) {
		code = stage_run(engine, work, units);
		if (code)
			break;
		work->stage++;
		work->at = 0;
	}
	if (code == ERR_AGAIN)
		return code;
	explain->code = code;
	if (code && !explain->error[0])
		explain->error = error_text(code);
	explain->is_done = true;
	work_free(engine, work);
	return 0;
}

/* The rule's next expression, if it has one. 0, ERR_NOMEM. */
static int next_make(struct explain *explain)
{
	const struct rule *rule = explain->rule;
	enum explain_of of = explain->of + 1;
	if (explain->next || explain->code || !rule || !rule->resolve || of == EXPLAIN_OFS ||
	    (of == EXPLAIN_OF_DATA && rule->resolve->has.root == rule->resolve->when.root))
		return 0;
	struct explain *next = calloc(1, sizeof(*next));
	if (!next)
		return ERR_NOMEM;
	arena_init(&next->arena, 0);
	next->name = next->says = next->error = "";
	next->of = of;
	next->rule = rule;
	next->set = rule_set_ref(explain->set);
	explain->next = next;
	return 0;
}

int explain_step(struct engine *engine, struct explain *explain, int64_t units)
{
	for (; explain; explain = explain->next) {
		int code = explain->is_done ? 0 : expr_step(engine, explain, &units);
		if (!code)
			code = next_make(explain);
		if (code)
			return code;
	}
	return 0;
}
