/* Derived series of log lines in the plan. Inside of rules/. */
#ifndef TOCSIN_RULES_PLAN_LOG_H
#define TOCSIN_RULES_PLAN_LOG_H

#include "rules/plan.h"

/*
 * What the call needs of the log range that is its argument: value, window and labels, in *out.
 * aggregate is the aggregation that takes the call's result as it is, or NULL: where the result
 * does not change by it, lines fall together under its labels already when they arrive. The names
 * are in the arena. ERR_NOMEM.
 */
int plan_log_describe(const struct expr *call, const struct expr *range,
		      const struct expr *aggregate, struct arena *arena, struct plan_log *out);
/* The name of that series with those matchers, to free(); NULL: out of memory. */
char *plan_log_name(const struct plan_log *log, const struct matcher *const *matchers, uint32_t n,
		    const struct log_selector *stages);
/*
 * Adds a derived series: takes over its name and matchers, copies stages and labels. *out is 1 +
 * its index. ERR_NOMEM: nothing was taken over.
 */
int plan_log_add(struct plan *plan, const struct plan_log *log, const struct log_selector *stages,
		 uint32_t *out);
void plan_logs_free(struct plan *plan);

#endif
