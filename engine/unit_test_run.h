/* A unit test that runs, and its checks. Inside of engine/; users need unit_test.h only. */
#ifndef TOCSIN_ENGINE_UNIT_TEST_RUN_H
#define TOCSIN_ENGINE_UNIT_TEST_RUN_H

#include "engine/unit_test_input.h"

struct running {
	const struct test_file *file;
	const struct test_case *test;
	struct arena *arena; /* of this test */
	struct diag_list *diags;
	struct rule_set *rules;
	struct simulation *simulation;
	struct test_input input;
	int64_t start_ms;
	int64_t exprs_done_ms; /* expressions of earlier times were evaluated */
	size_t failures;
};

/* Says what is wrong, at its place, and counts it. */
void unit_test_fail(struct running *run, const struct yaml_node *at, const char *hint,
		    const char *message);
/* The same of a text, which is then done with. ERR_NOMEM. */
int unit_test_fail_with(struct running *run, const struct yaml_node *at, struct buf *message);
/* Reads all that a test expects, so that each mistake is told before it runs. ERR_INVALID,
 * ERR_NOMEM.
 */
int unit_test_read_expected(struct running *run);
/* "at 5m" */
void unit_test_say_time(int64_t eval_ms, struct buf *out);
/* Compares the alerts of a name that fire now. ERR_INVALID, ERR_NOMEM; a difference is a failure.
 */
int unit_test_alerts(struct running *run, const struct test_alert *test);
/* Evaluates an expression at its time, which was told, and compares. As above. */
int unit_test_expr(struct running *run, const struct test_expr *test);

#endif
