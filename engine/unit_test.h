/*
 * Unit tests of rules: promtool's files, unmodified, and logs and profiles as inputs beside series.
 *
 * Each test has its own engine on a simulated clock, fed with written-down series, lines and
 * profiles. All groups run at start + k · evaluation_interval, whatever interval they name, those
 * of group_eval_order first, the others in file order. Alerts are compared after the last tick at
 * or before eval_time: those that fire, with exact labels and annotations. Expressions are
 * evaluated at eval_time; values must be equal, with fuzzy_compare nearly so.
 *
 * Source: promtool's behaviour, as told in the facts on rules.
 */
#ifndef TOCSIN_ENGINE_UNIT_TEST_H
#define TOCSIN_ENGINE_UNIT_TEST_H

#include "base/diag.h"
#include "base/slice.h"

#define UNIT_TEST_POINTS_MAX 50000000 /* samples of one test */
#define UNIT_TEST_TICKS_MAX 10000000  /* evaluations of one test */
/*
 * How far behind the last evaluation an expression may be: what is older leaves the windows, which
 * reach back 49 days. Then it is evaluated before, and sees what was there until then.
 */
#define UNIT_TEST_EXPR_WAITS_MS INT64_C(1728000000) /* 20 days */

struct unit_test_options {
	struct slice run; /* a pattern: only tests whose name has it; empty: all */
};

struct unit_test_totals {
	size_t passed, failed, skipped; /* tests; skipped: their names do not match */
};

/*
 * Runs the tests of a file and adds to *totals. Each mistake in the file and each failure is a
 * diagnostic with its place. 0: all passed; ERR_INVALID: not; ERR_NOMEM.
 */
int unit_test_run(const char *path, const struct unit_test_options *options,
		  struct diag_list *diags, struct unit_test_totals *totals);
/* The keys of test files as Markdown, from the tables that read them. */
void unit_test_reference(struct buf *out);

#endif
