/*
 * Ad-hoc queries of log lines. Lines are not kept: what can be asked is what some rule in force has
 * counted, by the same pipeline. A sum by labels is also answered from series that have more labels
 * than it asks for: its aggregation, which stands in the plan as well, does the rest.
 */
#include "engine/engine_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

/* The name up to the labels that are kept: selector, pipeline, and what is counted of a line. */
static struct slice base_of(const struct plan_log *log)
{
	const char *end = NULL, *labels = log->keep == PLAN_LOG_BY ? " by (" : " without (";
	if (log->keep != PLAN_LOG_ALL)
		for (const char *at = log->name; (at = strstr(at, labels)); at++)
			end = at;
	return (struct slice){ log->name, end ? (size_t)(end - log->name) : strlen(log->name) };
}

/* Does the other one keep each label that this one keeps? */
static bool is_kept_by(const struct plan_log *log, const struct plan_log *other)
{
	bool wants_named = log->keep == PLAN_LOG_BY, has_named = other->keep == PLAN_LOG_BY;
	if (other->keep == PLAN_LOG_ALL)
		return true;
	if (log->keep == PLAN_LOG_ALL || (!wants_named && has_named))
		return false;
	if (!wants_named) {
		for (uint32_t i = 0; i < other->labels.n; i++)
			if (!names_has(&log->labels, other->labels.items[i]))
				return false;
		return true;
	}
	for (uint32_t i = 0; i < log->labels.n; i++)
		if (names_has(&other->labels, log->labels.items[i]) != has_named)
			return false;
	return true;
}

/* The rules' own derived series that answers for it; NULL: none. */
static const struct plan_log *kept_for(const struct engine *engine, const struct plan_log *log)
{
	const struct plan *plan = engine->active ? engine->active->set->plan : NULL;
	const struct plan_log *finer = NULL;
	struct slice base = base_of(log);
	for (uint32_t i = 0; plan && i < plan->nlogs; i++) {
		const struct plan_log *kept = &plan->logs[i];
		if (strcmp(kept->name, log->name) == 0)
			return kept;
		/* Only sums: of others `by` may be the function's, and nothing adds up after. */
		if (!finer && log->window == PLAN_LOG_SUM && log->keep != PLAN_LOG_ALL &&
		    slice_is_equal(base_of(kept), base) && is_kept_by(log, kept))
			finer = kept;
	}
	return finer;
}

static int read_instead(struct plan *plan, const struct plan_log *log, const char *name)
{
	struct plan_selector *selector = &plan->selectors[log->selector];
	struct matcher matcher;
	char *why; /* an equality has no pattern to be wrong */
	int code = matcher_init(&matcher, MATCH_EQ, SLICE(METRIC_NAME), slice_from(name), &why);
	if (code)
		return code;
	matcher_fini(&selector->matchers[0]);
	selector->matchers[0] = matcher;
	return 0;
}

static int refuse(struct engine_query *query, const struct plan_log *log)
{
	struct slice name = slice_from(log->name);
	bool is_long = name.len > QUERY_LOG_NAME_SHOWN;
	snprintf(query->error, sizeof(query->error),
		 "log lines are not kept, and no rule in force counts %.*s%s; add a rule that "
		 "does, or ask for what one counts",
		 is_long ? QUERY_LOG_NAME_SHOWN : (int)name.len, name.ptr, is_long ? "…" : "");
	return ERR_EVAL;
}

/* Do windows as they are asked for begin and end between buckets? */
static bool is_between_buckets(const struct plan *plan, uint32_t log, int64_t width_ms)
{
	for (uint32_t i = 0; i < plan->nnodes; i++) {
		const struct plan_node *node = plan->nodes[i];
		if (plan_node_is_leaf(node) && node->log == log + 1 &&
		    (node->range_ms % width_ms != 0 || node->offset_ms % width_ms != 0))
			return true;
	}
	return false;
}

int query_logs_find(struct engine *engine, struct engine_query *query)
{
	struct plan *plan = query->plan;
	for (uint32_t i = 0; i < plan->nlogs; i++) {
		const struct plan_log *log = &plan->logs[i], *kept = kept_for(engine, log);
		if (!kept)
			return refuse(query, log);
		int64_t width_ms =
			binding_selector(engine->active->binding, kept->selector)->bucket_ms;
		if (width_ms > query->bucket_ms && is_between_buckets(plan, i, width_ms))
			query->bucket_ms = width_ms;
		int code = read_instead(plan, log, kept->name);
		if (code)
			return code;
	}
	return 0;
}
