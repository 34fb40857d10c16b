/*
 * Every named limit of expressions and plans: what is just within it is right, what is over it is
 * told.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "rules/lint.h"
#include "rules/log_pipeline.h"
#include "rules/plan.h"
#include "rules/rule_expand.h"
#include "tests/check_main.h"
#include "tests/rules/parse.h"

static void repeat(struct buf *out, const char *text, int n)
{
	for (int i = 0; i < n; i++)
		buf_add_str(out, text);
}

/* head (opening × n) middle (closing × n) */
static char *nested(const char *opening, const char *middle, const char *closing, int n)
{
	struct buf out;

	buf_init(&out);
	repeat(&out, opening, n);
	buf_add_str(&out, middle);
	repeat(&out, closing, n);
	return buf_take(&out);
}

/* As the rule of a file: read, ordered, looked over for warnings, written out. */
static void check_rule(const char *text)
{
	struct rule_set_options options = { .interval_ms = 15000, .rules_max = 10 };
	struct rule_set *set = NULL;
	struct diag_list diags;
	struct buf yaml, out;

	diag_list_init(&diags);
	buf_init(&yaml);
	buf_init(&out);
	buf_printf(&yaml, "groups:\n- name: g\n  rules:\n  - record: r\n    expr: |-\n      %s\n",
		   text);
	ck_assert_int_eq(rule_set_load_text(buf_slice(&yaml), "f.yml", &options, &diags, &set), 0);
	ck_assert_int_eq(rule_set_lint(set, &diags), 0);
	ck_assert_int_eq(rule_set_expand(set, EXPAND_FULL, &out), 0);
	rule_set_unref(set);
	buf_fini(&yaml);
	buf_fini(&out);
	diag_list_fini(&diags);
}

/* Parses, prints, plans: everything that recurses. */
static void check_right(char *text)
{
	struct parse parse;
	struct plan *plan = plan_new();
	struct buf out;
	uint32_t root;

	buf_init(&out);
	parse_init(&parse, text, strlen(text));
	ck_assert_msg(parse.error == 0, "%s",
		      parse.diags.n ? parse.diags.items[0].message : "no error told");
	ck_assert_int_eq(plan_add(plan, parse.expr, &root), 0);
	expr_format(parse.expr, &out);
	plan_format(plan, root, &out);
	ck_assert(buf_ok(&out));
	plan_free(plan);
	buf_fini(&out);
	if (parse.expr->type != VALUE_MATRIX)
		check_rule(text);
	parse_fini(&parse);
	free(text);
}

static void check_refused(char *text, int error, const char *message)
{
	struct parse parse;

	parse_init(&parse, text, strlen(text));
	ck_assert_int_eq(parse.error, error);
	ck_assert_uint_ge(parse.diags.n, 1);
	ck_assert_str_eq(parse.diags.items[parse.diags.n - 1].message, message);
	parse_fini(&parse);
	free(text);
}

static void check_limit(char *text, const char *message)
{
	check_refused(text, ERR_LIMIT, message);
}

START_TEST(bytes_are_limited)
{
	char *text = malloc(EXPR_BYTES_MAX + 2);

	memset(text, ' ', EXPR_BYTES_MAX + 1);
	text[0] = 'x';
	text[EXPR_BYTES_MAX] = '\0';
	check_right(text);
	text = malloc(EXPR_BYTES_MAX + 2);
	memset(text, ' ', EXPR_BYTES_MAX + 1);
	text[0] = 'x';
	text[EXPR_BYTES_MAX + 1] = '\0';
	check_limit(text, "expression is longer than 262144 bytes");
}
END_TEST

START_TEST(depth_is_limited)
{
	static const char message[] = "expression is nested deeper than 200 levels";

	check_right(nested("(", "x", ")", EXPR_DEPTH_MAX));
	check_limit(nested("(", "x", ")", EXPR_DEPTH_MAX + 1), message);
	check_limit(nested("(", "x", ")", 100000), message);
	check_right(nested("-", "x", "", EXPR_DEPTH_MAX));
	check_limit(nested("-", "x", "", EXPR_DEPTH_MAX + 1), message);
	check_right(nested("2^", "x", "", EXPR_DEPTH_MAX));
	check_limit(nested("2^", "x", "", EXPR_DEPTH_MAX + 1), message);
	check_right(nested("abs(", "x", ")", EXPR_DEPTH_MAX));
	check_limit(nested("abs(", "x", ")", EXPR_DEPTH_MAX + 1), message);
	check_right(nested("sum(", "x", ")", EXPR_DEPTH_MAX));
	check_limit(nested("sum(", "x", ")", EXPR_DEPTH_MAX + 1), message);
	/* What is done twice at each level would not come to an end. */
	check_right(nested("label_replace(", "x", ", `a`, `$1`, `b`, `(.*)`)", EXPR_DEPTH_MAX));
	check_right(nested("label_join(", "x", ", `a`, `-`, `b`)", EXPR_DEPTH_MAX));
	check_right(nested("histogram_quantile(0.9, ", "x", ")", EXPR_DEPTH_MAX));
	check_right(nested("max_over_time((", "x", ")[5m:1m])", EXPR_DEPTH_MAX / 3));
	check_limit(nested("(", "", "", 100000), message);
}
END_TEST

START_TEST(height_is_limited)
{
	static const char message[] = "expression has more than 2000 operators in a chain";

	check_right(nested("x + ", "x", "", EXPR_HEIGHT_MAX - 1));
	check_limit(nested("x + ", "x", "", EXPR_HEIGHT_MAX), message);
	check_limit(nested("x or ", "x", "", 50000), message);
}
END_TEST

/* The trees that take most: the highest, and every level of precedence in each parenthesis. */
static void *check_highest(void *unused)
{
	check_right(nested("x + ", "x", "", EXPR_HEIGHT_MAX - 1));
	check_right(nested("x or ", "x", "", EXPR_HEIGHT_MAX - 1));
	check_right(nested("x > ", "x", "", EXPR_HEIGHT_MAX - 1));
	check_right(nested("(a or b and c == d + e * f ^ ", "x", ")", EXPR_DEPTH_MAX / 2));
	check_right(nested("label_replace(a or b and c == bool d + e * ", "x",
			   ", `a`, `$1`, `b`, `(.*)`)", EXPR_DEPTH_MAX));
	check_right(nested("sum by (a) (a or b and c == d + e * ", "x", ")", EXPR_DEPTH_MAX));
	check_right(nested("abs(a or b and c == d + e * ", "x", ")", EXPR_DEPTH_MAX));
	return NULL;
}

START_TEST(stack_is_limited)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	ck_assert_int_eq(pthread_attr_setstacksize(&attributes, EXPR_STACK_MAX), 0);
	ck_assert_int_eq(pthread_create(&thread, &attributes, check_highest, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attributes);
}
END_TEST

/* label_join(x, "", "", "", …): many parts side by side. */
static char *many_arguments(int n)
{
	struct buf out;

	buf_init(&out);
	buf_add_str(&out, "label_join(x,``,``");
	repeat(&out, ",1", n);
	buf_add_char(&out, ')');
	return buf_take(&out);
}

START_TEST(nodes_are_limited)
{
	struct parse parse;
	char *text = many_arguments(EXPR_NODES_MAX - 4);

	parse_init(&parse, text, strlen(text));
	ck_assert_int_eq(parse.error, ERR_INVALID); /* of the wrong types, but not too many */
	parse_fini(&parse);
	free(text);
	check_limit(many_arguments(EXPR_NODES_MAX - 3), "expression has more than 100000 parts");
}
END_TEST

static char *many_matchers(int n)
{
	struct buf out;

	buf_init(&out);
	buf_add_str(&out, "x{");
	repeat(&out, "a!=\"b\",", n);
	buf_add_char(&out, '}');
	return buf_take(&out);
}

START_TEST(matchers_are_limited)
{
	check_right(many_matchers(EXPR_MATCHERS_MAX - 1)); /* and the name */
	check_limit(many_matchers(EXPR_MATCHERS_MAX), "selector has more than 64 matchers");
	check_limit(many_matchers(30000), "selector has more than 64 matchers");
}
END_TEST

/* count_over_time(logs{a="b"} head (part × n) tail [5m]) */
static char *pipeline(const char *head, const char *part, int n, const char *tail)
{
	struct buf out;

	buf_init(&out);
	buf_printf(&out, "count_over_time(logs{a=\"b\"} %s", head);
	repeat(&out, part, n);
	buf_printf(&out, "%s [5m])", tail);
	return buf_take(&out);
}

START_TEST(log_stages_are_limited)
{
	static const char message[] = "log pipeline has more than 64 stages";

	check_right(pipeline("", "|= \"x\"", LOG_STAGES_MAX, ""));
	check_limit(pipeline("", "|= \"x\"", LOG_STAGES_MAX + 1, ""), message);
	check_limit(pipeline("", "| decolorize", 10000, ""), message);
}
END_TEST

START_TEST(parts_of_log_stages_are_limited)
{
	static const char message[] = "stage has more than 256 parts";
	static const struct {
		const char *head, *part, *tail;
	} stages[] = {
		{ "|= `x`", " or `x`", "" },	 { "| json x", ", x", "" },
		{ "| logfmt x", ", x=`y`", "" }, { "| keep x", ", x", "" },
		{ "| drop x", ", x!=`y`", "" },	 { "| x > 1", " or x = `y`", "" },
		{ "| x > 1", " and x > 1", "" }, { "| x > 1", ", (x > 1)", "" },
	};

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		check_right(pipeline(stages[i].head, stages[i].part, LOG_STAGE_ITEMS_MAX - 1,
				     stages[i].tail));
		check_limit(pipeline(stages[i].head, stages[i].part, LOG_STAGE_ITEMS_MAX,
				     stages[i].tail),
			    message);
	}
}
END_TEST

/* What only the pipeline that is made of a selector knows: refused with the expression. */
START_TEST(log_templates_patterns_and_paths_are_limited)
{
	static const struct {
		const char *head, *part, *tail;
		int n;
		const char *message;
	} stages[] = {
		{ "| line_format `", "{{.a}}", "`", 256, "a template of more than 256 parts" },
		{ "| line_format `{{.a", " | lower", "}}`", 16,
		  "more than 16 functions in one action of a template" },
		{ "| pattern `<a>,", "<_>,", "`", 127, "a pattern of more than 256 parts" },
		{ "| json a=`x", ".x", "`", 31, "has more than 32 parts" },
	};

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		struct parse parse;
		char *text = pipeline(stages[i].head, stages[i].part, stages[i].n, stages[i].tail);

		check_right(text);
		text = pipeline(stages[i].head, stages[i].part, stages[i].n + 1, stages[i].tail);
		parse_init(&parse, text, strlen(text));
		ck_assert_int_eq(parse.error, ERR_INVALID);
		ck_assert_msg(strstr(parse.diags.items[0].message, stages[i].message) != NULL, "%s",
			      parse.diags.items[0].message);
		parse_fini(&parse);
		free(text);
	}
}
END_TEST

/* | l0 > 1 or l1 > 1 …, in stages of 200 */
static char *many_log_labels(int n)
{
	struct buf out;

	buf_init(&out);
	buf_add_str(&out, "count_over_time(logs{a=\"b\"}");
	for (int i = 0; i < n; i++)
		buf_printf(&out, "%s l%d > 1", i % 200 ? " or" : " |", i);
	buf_add_str(&out, "[5m])");
	return buf_take(&out);
}

START_TEST(labels_of_log_selectors_are_limited)
{
	check_right(many_log_labels(LOG_LABELS_MAX));
	check_refused(many_log_labels(LOG_LABELS_MAX + 1), ERR_INVALID,
		      "a log selector that reads more than 256 labels");
}
END_TEST

START_TEST(times_and_durations_are_limited)
{
	check_right(strdup("x @ 9223372036854774"));
	check_refused(strdup("x @ 9223372036854776"), ERR_INVALID,
		      "timestamp out of bounds for @ modifier: 9223372036854776.000000");
	check_right(strdup("x offset 9223372036"));
	check_refused(strdup("x offset 9223372037"), ERR_INVALID, "duration out of range");
}
END_TEST

START_TEST(depth_of_label_filters_is_limited)
{
	static const char message[] = "expression is nested deeper than 200 levels";
	char *filter = nested("(", "x > 1", ")", EXPR_DEPTH_MAX - 1);

	check_right(pipeline("| ", filter, 1, "")); /* and the call's parenthesis */
	free(filter);
	filter = nested("(", "x > 1", ")", EXPR_DEPTH_MAX);
	check_limit(pipeline("| ", filter, 1, ""), message);
	free(filter);
	check_limit(pipeline("| ", "(", 100000, ""), message);
}
END_TEST

START_TEST(plan_nodes_are_limited)
{
	static const char text[] = "a + b + c";
	struct parse parse;
	struct plan *plan = plan_new();
	uint32_t root = 77;

	ck_assert_uint_eq(plan->nodes_max, PLAN_NODES_MAX);
	parse_init(&parse, text, sizeof(text) - 1);
	plan->nodes_max = 4;
	ck_assert_int_eq(plan_add(plan, parse.expr, &root), ERR_LIMIT);
	ck_assert_uint_eq(root, 77);
	plan_check(plan);
	plan->nodes_max = 5;
	ck_assert_int_eq(plan_add(plan, parse.expr, &root), 0);
	ck_assert_uint_eq(plan->nnodes, 5);
	ck_assert_int_eq(plan_add(plan, parse.expr, &root), 0); /* nothing new */
	plan_check(plan);
	plan_free(plan);
	parse_fini(&parse);
}
END_TEST

/* A parse that runs out of memory says so and leaves nothing behind. */
START_TEST(arena_limit_is_no_memory)
{
	static const char text[] = "sum by (a, b) (rate(x{c=~\"d.*\",e=\"\\n\"}[5m])) / on (f) "
				   "group_left (g) y > topk(2, -z)";
	struct source source = { .text = SLICE(text), .line0 = 1, .column0 = 1 };
	struct expr *expr = NULL;
	unsigned failures = 0;
	int error;

	for (size_t limit = 16;; limit += 16) {
		struct arena arena;
		struct diag_list diags;

		arena_init(&arena, limit);
		diag_list_init(&diags);
		error = expr_parse(&source, &arena, &diags, &expr);
		if (error == 0)
			expr_fini(expr);
		else
			ck_assert_int_eq(error, ERR_NOMEM);
		failures += error != 0;
		diag_list_fini(&diags);
		arena_fini(&arena);
		if (error == 0)
			break;
	}
	ck_assert_uint_gt(failures, 50);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("limits");
	TCase *tcase = tcase_create("limits");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, bytes_are_limited);
	tcase_add_test(tcase, depth_is_limited);
	tcase_add_test(tcase, height_is_limited);
	tcase_add_test(tcase, stack_is_limited);
	tcase_add_test(tcase, nodes_are_limited);
	tcase_add_test(tcase, matchers_are_limited);
	tcase_add_test(tcase, log_stages_are_limited);
	tcase_add_test(tcase, parts_of_log_stages_are_limited);
	tcase_add_test(tcase, log_templates_patterns_and_paths_are_limited);
	tcase_add_test(tcase, labels_of_log_selectors_are_limited);
	tcase_add_test(tcase, times_and_durations_are_limited);
	tcase_add_test(tcase, depth_of_label_filters_is_limited);
	tcase_add_test(tcase, plan_nodes_are_limited);
	tcase_add_test(tcase, arena_limit_is_no_memory);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(make_suite)
