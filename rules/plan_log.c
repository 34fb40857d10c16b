#include "rules/plan_log.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/hash.h"
#include "rules/log_selector.h"
#include "rules/names.h"

static const char *const value_texts[] = {
	[PLAN_LOG_LINES] = "lines",
	[PLAN_LOG_BYTES] = "bytes",
	[PLAN_LOG_UNWRAPPED] = "values",
};
static const char *const window_texts[] = {
	[PLAN_LOG_SUM] = "sum",
	[PLAN_LOG_MIN] = "min",
	[PLAN_LOG_MAX] = "max",
	[PLAN_LOG_EVENTS] = "events",
};

/* Is the result the same when values fall together before the function instead of after it? */
static bool is_pushed_down(enum plan_log_window window, enum aggregate_op op)
{
	switch (op) {
	case AGG_SUM:
		return window == PLAN_LOG_SUM;
	case AGG_MIN:
		return window == PLAN_LOG_MIN;
	case AGG_MAX:
		return window == PLAN_LOG_MAX;
	case AGG_GROUP: /* asks only whether there is any */
		return true;
	default:
		return false;
	}
}

static enum plan_log_window window_of(enum function_id id)
{
	switch (id) {
	case FN_COUNT_OVER_TIME:
	case FN_RATE:
	case FN_BYTES_OVER_TIME:
	case FN_BYTES_RATE:
	case FN_SUM_OVER_TIME:
	case FN_ABSENT_OVER_TIME:
		return PLAN_LOG_SUM;
	case FN_MIN_OVER_TIME:
		return PLAN_LOG_MIN;
	case FN_MAX_OVER_TIME:
		return PLAN_LOG_MAX;
	default:
		return PLAN_LOG_EVENTS;
	}
}

static int keep_labels(const struct names *labels, bool without, struct arena *arena,
		       struct plan_log *out)
{
	out->keep = without ? PLAN_LOG_WITHOUT : PLAN_LOG_BY;
	return names_canonical(labels, arena, &out->labels);
}

int plan_log_describe(const struct expr *call, const struct expr *range,
		      const struct expr *aggregate, struct arena *arena, struct plan_log *out)
{
	enum function_id id = call->call.function->id;

	*out = (struct plan_log){ .window = window_of(id) };
	if (log_selector_unwrap(range->selector.log))
		out->value = PLAN_LOG_UNWRAPPED;
	else if (id == FN_BYTES_OVER_TIME || id == FN_BYTES_RATE)
		out->value = PLAN_LOG_BYTES;
	if (id == FN_ABSENT_OVER_TIME) {
		out->keep = PLAN_LOG_BY; /* no labels: any line will do */
		return 0;
	}
	if (call->call.is_grouped)
		return keep_labels(&call->call.labels, call->call.without, arena, out);
	if (aggregate && is_pushed_down(out->window, aggregate->aggregate.op))
		return keep_labels(&aggregate->aggregate.labels, aggregate->aggregate.without,
				   arena, out);
	return 0;
}

/* Cut to what a name may have, with a checksum of the whole at its end. */
static void shorten(struct buf *text)
{
	char end[32];

	if (!buf_ok(text) || text->len <= PLAN_LOG_NAME_MAX)
		return;
	int n = snprintf(end, sizeof(end), "… %016llx",
			 (unsigned long long)hash_checksum(text->ptr, text->len));
	size_t keep = PLAN_LOG_NAME_MAX - (size_t)n;

	while ((text->ptr[keep] & 0xc0) == 0x80)
		keep--; /* not within a character */
	text->len = keep;
	buf_add_str(text, end);
}

char *plan_log_name(const struct plan_log *log, const struct matcher *const *matchers, uint32_t n,
		    const struct log_selector *stages)
{
	bool is_unwrapped = log->value == PLAN_LOG_UNWRAPPED;
	struct buf text;

	buf_init(&text);
	buf_add_str(&text, "logs");
	for (uint32_t i = 0; i < n; i++) {
		buf_add_char(&text, i ? ',' : '{');
		matcher_format(matchers[i], &text);
	}
	buf_add_char(&text, '}');
	log_stages_format(stages, &text);
	buf_printf(&text, " as %s",
		   is_unwrapped ? window_texts[log->window] : value_texts[log->value]);
	if (log->keep != PLAN_LOG_ALL) {
		buf_add_str(&text, log->keep == PLAN_LOG_BY ? " by (" : " without (");
		names_format(&log->labels, &text);
		buf_add_char(&text, ')');
	}
	shorten(&text);
	return buf_take(&text);
}

static bool dup_labels(struct arena *arena, struct names *labels)
{
	struct slice *items;

	if (labels->n == 0)
		return true;
	items = ARENA_ARRAY(arena, struct slice, labels->n);
	for (uint32_t i = 0; items && i < labels->n; i++) {
		items[i] = arena_slice(arena, labels->items[i]);
		if (labels->items[i].len && !items[i].ptr)
			items = NULL;
	}
	labels->items = items;
	return items != NULL;
}

int plan_log_add(struct plan *plan, const struct plan_log *log, const struct log_selector *stages,
		 uint32_t *out)
{
	struct plan_log made = *log;

	if (!ARRAY_RESERVE(&plan->logs, plan->nlogs, &plan->logs_cap))
		return ERR_NOMEM;
	if (!dup_labels(&plan->arena, &made.labels) ||
	    log_selector_dup(stages, &plan->arena, &made.log) < 0)
		return ERR_NOMEM;
	plan->logs[plan->nlogs++] = made;
	*out = plan->nlogs;
	return 0;
}

void plan_logs_free(struct plan *plan)
{
	for (uint32_t i = 0; i < plan->nlogs; i++) {
		struct plan_log *log = &plan->logs[i];

		matchers_free(log->matchers, log->nmatchers);
		log_selector_fini(log->log);
		free(log->name);
	}
	free(plan->logs);
}
