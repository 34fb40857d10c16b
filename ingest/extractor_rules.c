#include "ingest/extractor_rules.h"

#include <stdlib.h>

#include "base/error.h"

static const enum log_value values[] = { [PLAN_LOG_LINES] = LOG_VALUE_COUNT,
					 [PLAN_LOG_BYTES] = LOG_VALUE_BYTES,
					 [PLAN_LOG_UNWRAPPED] = LOG_VALUE_UNWRAP };
static const enum window_kind kinds[] = { [PLAN_LOG_SUM] = WINDOW_SUM,
					  [PLAN_LOG_MIN] = WINDOW_MIN,
					  [PLAN_LOG_MAX] = WINDOW_MAX,
					  [PLAN_LOG_EVENTS] = WINDOW_EVENTS };

static struct extractor_spec spec_of(const struct plan_log *log)
{
	return (struct extractor_spec){ .name = slice_from(log->name),
					.matchers = log->matchers,
					.nmatchers = log->nmatchers,
					.stages = log->log->stages,
					.nstages = log->log->nstages,
					.value = values[log->value],
					.projection = { .is_by = log->keep == PLAN_LOG_BY,
							.names = log->labels.items,
							.n = log->labels.n },
					.kind = (uint8_t)kinds[log->window],
					.bucket_ms = log->bucket_ms };
}

int extractor_set_of_rules(const struct rule_set *rules, const struct extractor_options *options,
			   const struct extractor_set *before, struct diag_list *diags,
			   struct extractor_set **out)
{
	const struct plan *plan = rules->plan;
	struct extractor_spec *specs = calloc(plan->nlogs + 1, sizeof(*specs));
	uint32_t bad = UINT32_MAX;
	size_t errors = diags->errors;
	int code = ERR_NOMEM;

	if (specs) {
		for (uint32_t i = 0; i < plan->nlogs; i++)
			specs[i] = spec_of(&plan->logs[i]);
		code = extractor_set_new(specs, plan->nlogs, options, before, diags, &bad, out);
	}
	if (code && code != ERR_NOMEM)
		diag_add(diags, diags->errors > errors ? DIAG_NOTE : DIAG_ERROR, NULL, 0, 0, NULL,
			 NULL, "log selector \"%.300s\" cannot be run: %s",
			 bad < plan->nlogs ? plan->logs[bad].name : "", error_text(code));
	free(specs);
	return code;
}
