/*
 * Expressions and plans when memory is short: each allocation in turn fails, and the outcome is
 * ERR_NOMEM, never a crash, a leak or half a result.
 */
#include "tests/nomem.h"

#include <stdlib.h>

#include "base/error.h"
#include "rules/plan.h"
#include "tests/check_main.h"
#include "tests/rules/parse.h"

static const char right[] = "sum by (b, a, \"l.x\") (rate(x{c=~\"d.*\",e=\"\\n\",f!=\"g\"}[5m])) / "
			    "on (h) group_left (i) y > "
			    "topk(2, -z) and label_join(absent(w{j=\"k\",l=\"m\"}), \"n\", `o`, "
			    "\"p\") unless 1 + 2 < v";

static const char logs[] = "sum by (b) (rate(logs{c=~\"d.*\"} |= \"e\\n\" or ip(\"::1\") | json | "
			   "logfmt f, g=\"h\" | i =~ \"j\" or k > -5 and l = \"m\" | label_format "
			   "n=o | keep p=\"q\", b [5m])) + stddev_over_time(logs{c=\"d\"} | regexp "
			   "\"(?P<r>.)\" | line_format \"s\" | unwrap r [5m]) by (t, u) + "
			   "absent_over_time({c=\"d\"}[5m] != \"v\")";

static const char *planned; /* by plan_expression() */

static int plan_expression(void)
{
	struct parse parse;
	struct plan *plan = plan_new();
	uint32_t root = 77, *order = NULL, n = 0;
	struct buf text;

	buf_init(&text);
	parse_init(&parse, planned, strlen(planned));
	int error = parse.error;

	if (!error)
		error = plan ? plan_add(plan, parse.expr, &root) : ERR_NOMEM;
	if (!error)
		error = plan_order(plan, root, &order, &n);
	if (!error) {
		plan_format(plan, root, &text);
		expr_format(parse.expr, &text);
		error = buf_ok(&text) ? 0 : ERR_NOMEM;
	}
	nomem_disarm();
	if (!error)
		ck_assert_uint_eq(order[n - 1], root);
	if (plan)
		plan_check(plan); /* whatever became of it */
	/* What was added before the failure does no harm: the same goes in again. */
	if (plan && parse.expr)
		ck_assert_int_eq(plan_add(plan, parse.expr, &root), 0);
	free(order);
	plan_free(plan);
	parse_fini(&parse);
	buf_fini(&text);
	return error;
}

START_TEST(expression_or_no_memory)
{
	planned = right;
	ck_assert_uint_gt(nomem_sweep(plan_expression), 50);
	planned = logs;
	ck_assert_uint_gt(nomem_sweep(plan_expression), 50);
}
END_TEST

/* Enough of them for the plan's tables to grow. */
static int plan_many(void)
{
	struct plan *plan = plan_new();
	int error = plan ? 0 : ERR_NOMEM;
	char text[64];
	uint32_t root;

	for (int i = 0; i < 70 && !error; i++) {
		struct parse parse;

		snprintf(text, sizeof(text), "m%d{a=\"b\"}", i);
		parse_init(&parse, text, strlen(text));
		error = parse.error ? parse.error : plan_add(plan, parse.expr, &root);
		parse_fini(&parse);
	}
	nomem_disarm();
	if (plan)
		plan_check(plan);
	plan_free(plan);
	return error;
}

START_TEST(many_expressions_or_no_memory)
{
	ck_assert_uint_gt(nomem_sweep(plan_many), 100);
}
END_TEST

/* A wrong expression stays wrong, whatever becomes of its messages. */
static int complain(void)
{
	static const char wrong[] = "rat(x{a=~\"(\",b=~\"c\"}) + sum(1) + \"\\x41\" > abs(y";
	struct parse parse;

	parse_init(&parse, wrong, sizeof(wrong) - 1);
	bool failed = nomem_disarm();

	ck_assert_ptr_null(parse.expr);
	ck_assert_int_ne(parse.error, 0);
	if (!failed)
		ck_assert_uint_eq(parse.diags.n, 3);
	parse_fini(&parse);
	return parse.error == ERR_INVALID ? 0 : parse.error;
}

START_TEST(complaint_or_no_memory)
{
	ck_assert_uint_gt(nomem_sweep(complain), 3);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("nomem");
	TCase *tcase = tcase_create("nomem");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, expression_or_no_memory);
	tcase_add_test(tcase, many_expressions_or_no_memory);
	tcase_add_test(tcase, complaint_or_no_memory);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(make_suite)
