#include "web/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"

struct snapshot *snapshot_new(uint32_t rules_max, uint32_t alerts_max)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (snapshot)
		*snapshot = (struct snapshot){ .rules_max = rules_max, .alerts_max = alerts_max };
	return snapshot;
}

static void clear(struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->nalerts; i++) {
		labels_unref(snapshot->alerts[i].labels);
		labels_unref(snapshot->alerts[i].expr_labels);
		evidence_unref(snapshot->alerts[i].evidence);
		query_results_unref(snapshot->alerts[i].asked);
	}
	for (uint32_t i = 0; i < snapshot->nstatus; i++)
		free((char *)snapshot->status[i].error);
	free(snapshot->alerts);
	free(snapshot->status);
	free(snapshot->groups);
	free(snapshot->external_url);
	labels_unref(snapshot->external_labels);
	if (snapshot->rules)
		rule_set_unref(snapshot->rules);
	*snapshot = (struct snapshot){ .rules_max = snapshot->rules_max,
				       .alerts_max = snapshot->alerts_max };
}

void snapshot_free(void *snapshot)
{
	clear(snapshot);
	free(snapshot);
}

static int begin(struct snapshot *snapshot, struct engine *engine)
{
	struct rule_set *rules = engine_rules(engine);
	const struct labels *external = engine_external_labels(engine);

	clear(snapshot);
	snapshot->rules = rule_set_ref(rules);
	snapshot->external_labels = external ? labels_ref((struct labels *)external) : NULL;
	snapshot->external_url = strdup(engine_external_url(engine));
	snapshot->status = calloc(rules->nrules + 1, sizeof(*snapshot->status));
	snapshot->groups = calloc(rules->ngroups + 1, sizeof(*snapshot->groups));
	if (!snapshot->external_url || !snapshot->status || !snapshot->groups)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < rules->ngroups; i++)
		engine_group_status(engine, i, &snapshot->groups[i]);
	return 0;
}

/* ---- alerts ---- */

struct walk {
	struct snapshot *snapshot;
	struct engine *engine;
	uint32_t seen, end; /* of this rule's alerts: taken from next_alert up to end */
	int code;
};

static int add_alert(struct snapshot *snapshot, struct engine *engine,
		     const struct alert_view *view)
{
	if (!ARRAY_RESERVE(&snapshot->alerts, snapshot->nalerts, &snapshot->alerts_cap))
		return ERR_NOMEM;
	const struct lset_table *lsets = store_lsets(engine_store(engine));
	struct snapshot_alert *alert = &snapshot->alerts[snapshot->nalerts++];

	*alert = (struct snapshot_alert){ .rule = view->rule,
					  .view = *view,
					  .labels = lset_to_labels(lsets, view->lset),
					  .expr_labels = lset_to_labels(lsets, view->expr_lset) };
	if (view->evidence)
		alert->evidence = evidence_ref((struct evidence *)view->evidence);
	if (view->asked)
		alert->asked = query_results_ref((struct query_results *)view->asked);
	alert->view.evidence = alert->evidence;
	alert->view.asked = alert->asked;
	return alert->labels && alert->expr_labels ? 0 : ERR_NOMEM;
}

static void on_alert(void *ctx, const struct alert_view *view)
{
	struct walk *walk = ctx;
	uint32_t at = walk->seen++;

	if (!walk->code && at >= walk->snapshot->next_alert && at < walk->end)
		walk->code = add_alert(walk->snapshot, walk->engine, view);
}

/* The next alerts of the rule at hand; *room: how many this piece still takes. ERR_AGAIN: the rule
 * has more. */
static int take_alerts(struct snapshot *snapshot, struct engine *engine, uint32_t *room)
{
	uint32_t left = snapshot->alerts_max - snapshot->nalerts, before = snapshot->nalerts;
	struct walk walk = { .snapshot = snapshot,
			     .engine = engine,
			     .end = snapshot->next_alert + (left < *room ? left : *room) };

	engine_alerts_each(engine, snapshot->next_rule, on_alert, &walk);
	*room -= snapshot->nalerts - before;
	if (walk.code)
		return walk.code;
	if (walk.seen > walk.end && snapshot->nalerts < snapshot->alerts_max) {
		snapshot->next_alert = walk.end;
		return ERR_AGAIN;
	}
	snapshot->next_alert = 0;
	return 0;
}

/* ---- rules ---- */

static int take_rule(struct snapshot *snapshot, struct engine *engine)
{
	struct rule_status *status = &snapshot->status[snapshot->next_rule];

	engine_rule_status(engine, snapshot->next_rule, status);
	status->error = strdup(status->error);
	snapshot->nstatus = snapshot->next_rule + 1;
	return status->error ? 0 : ERR_NOMEM;
}

/* Nothing more is wanted of the rules that are left. */
static bool is_done(const struct snapshot *snapshot)
{
	return snapshot->next_rule == snapshot->rules->nrules ||
	       (snapshot->next_rule >= snapshot->rules_max &&
		snapshot->nalerts >= snapshot->alerts_max);
}

int snapshot_step(struct snapshot *snapshot, struct engine *engine)
{
	uint32_t alerts_room = SNAPSHOT_ALERTS_PIECE, rules_room = SNAPSHOT_RULES_PIECE,
		 visits = SNAPSHOT_VISITS_PIECE;
	int code = 0;

	if (!engine_rules(engine))
		return 0;
	if (snapshot->rules != engine_rules(engine))
		code = begin(snapshot, engine);
	while (!code && !is_done(snapshot)) {
		if (rules_room == 0 || alerts_room == 0 || visits-- == 0)
			return ERR_AGAIN;
		if (snapshot->next_rule < snapshot->rules_max &&
		    snapshot->nstatus <= snapshot->next_rule) {
			rules_room--;
			code = take_rule(snapshot, engine);
		}
		if (!code && snapshot->nalerts < snapshot->alerts_max)
			code = take_alerts(snapshot, engine, &alerts_room);
		if (!code)
			snapshot->next_rule++;
	}
	return code;
}

/* ---- on any thread ---- */

uint32_t snapshot_alerts_of(const struct snapshot *snapshot, uint32_t rule_id)
{
	uint32_t low = 0, high = snapshot->nalerts;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (snapshot->alerts[middle].rule->id < rule_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct labels *snapshot_annotations(const struct snapshot *snapshot,
				    const struct snapshot_alert *alert)
{
	struct template_data data = { .labels = alert->expr_labels,
				      .value = alert->view.value,
				      .external_labels = snapshot->external_labels,
				      .external_url = snapshot->external_url,
				      .active_at_ms = alert->view.active_at_ms,
				      .evidence = alert->evidence,
				      .results = alert->asked };
	struct labels *annotations;

	return rule_annotations_render(alert->rule, &data, &annotations) == 0 ? annotations : NULL;
}

struct labels *labels_with_external(struct labels *own, const struct labels *external)
{
	struct labels_builder builder;
	struct labels *labels;

	if (!external)
		return labels_ref(own);
	labels_builder_init(&builder);
	labels_builder_add_all(&builder, external);
	for (size_t i = 0; i < labels_count(own); i++) {
		struct label label = labels_at(own, i);

		labels_builder_set(&builder, label.name, label.value);
	}
	int code = labels_builder_take(&builder, &labels, NULL);

	labels_builder_fini(&builder);
	return code ? NULL : labels;
}

struct labels *snapshot_full_labels(const struct snapshot *snapshot,
				    const struct snapshot_alert *alert)
{
	return labels_with_external(alert->labels, snapshot->external_labels);
}
