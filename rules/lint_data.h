/*
 * Lint by data: what only the series that are there can tell of rules. Who has them is asked
 * through functions; this room knows no daemon.
 *
 * Of a rule that is not in force there only that is said which is sure: series that no rule wants
 * may be ignored, and windows be shorter than its ranges.
 */
#ifndef TOCSIN_RULES_LINT_DATA_H
#define TOCSIN_RULES_LINT_DATA_H

#include "rules/rule_file.h"

#define LINT_QUESTIONS_MAX 5000 /* in one go; then it is told that not all was asked */

struct lint_strings {
	const char **items; /* in the arena given */
	size_t n;
};

/* Each false: there is no answer; then nothing is said. */
struct lint_source {
	void *ctx;
	/* Is the rule in force, and warm? */
	bool (*is_running)(void *ctx, const struct rule *rule);
	/* Are all series kept there that the selector may match, whether the rule runs or not? */
	bool (*is_kept)(void *ctx, const struct expr *selector);
	/* How many series a selector matches, and the names of their labels. */
	bool (*series)(void *ctx, const char *selector, struct arena *arena, size_t *n,
		       struct lint_strings *labels);
	/* The values of a label; selector NULL: of all series. */
	bool (*values)(void *ctx, const char *label, const char *selector, struct arena *arena,
		       struct lint_strings *values);
	/* The value of the only element of an expression's result. */
	bool (*value)(void *ctx, const char *expr, double *value);
	/* By how much samples come after their time at most, and whose these are (in the arena). */
	bool (*lag)(void *ctx, struct arena *arena, int64_t *lag_ms, const char **sender);
};

/* Adds a warning for each thing found. ERR_NOMEM. */
int rule_set_lint_data(const struct rule_set *set, const struct lint_source *source,
		       struct diag_list *diags);

#endif
