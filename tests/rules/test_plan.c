#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/plan.h"
#include "tests/check_main.h"
#include "tests/rules/parse.h"

static struct plan *plan;

static void setup(void)
{
	plan = plan_new();
	ck_assert_ptr_nonnull(plan);
}

static void teardown(void)
{
	plan_check(plan);
	plan_free(plan);
}

static uint32_t add(const char *text)
{
	struct parse parse;
	uint32_t root;

	parse_init(&parse, text, strlen(text));
	ck_assert_msg(parse.error == 0, "cannot parse %s", text);
	ck_assert_int_eq(plan_add(plan, parse.expr, &root), 0);
	plan_check(plan);
	parse_fini(&parse); /* the plan keeps nothing of the tree */
	return root;
}

static const struct plan_node *add_node(const char *text)
{
	uint32_t root = add(text);

	return plan->nodes[root];
}

static void check_format(const char *text, const char *wanted)
{
	struct buf out;
	uint32_t root = add(text);

	buf_init(&out);
	plan_format(plan, root, &out);
	ck_assert_str_eq(out.ptr, wanted);
	buf_fini(&out);
}

static void check_same(const char *a, const char *b)
{
	ck_assert_msg(add(a) == add(b), "%s and %s should be one node", a, b);
}

static void check_different(const char *a, const char *b)
{
	ck_assert_msg(add(a) != add(b), "%s and %s should be two nodes", a, b);
}

START_TEST(plan_shares_what_is_equal)
{
	check_same("rate(x[5m])", "rate(x[300])");
	check_same("rate((x[5m]))", "(rate(x[5m]))");
	check_same("x{a=\"1\",b=~\"2\"}", "x{b=~'2', a=`1`}");
	check_same("x{a=\"1\",a=\"1\"}", "x{a=\"1\"}");
	check_same("x", "{__name__=\"x\"}");
	check_same("x", "{\"x\"}");
	check_same("sum by (a, b) (x)", "SUM(x) BY (b, a, b)");
	check_same("sum by () (x)", "sum(x)");
	check_same("x * on (a, b) group_left (d, c) y", "x * on (b, a) group_left (c, d, c) y");
	check_same("x + ignoring () y", "x + y");
	check_same("x > 1 + 2", "x > 3");
	check_same("x > 5m", "x > 300");
	check_same("x offset 0", "x");
	check_same("+x", "x");
	check_same("label_replace(x, \"a\", '$1', \"b\", `.`)",
		   "label_replace(x, \"a\", \"$1\", \"b\", \".\")");
}
END_TEST

START_TEST(plan_tells_apart_what_differs)
{
	check_different("x", "y");
	check_different("timestamp(x)", "timestamp(+x)");
	check_different("x{a=\"1\"}", "x{a!=\"1\"}");
	check_different("x{a=\"1\"}", "x{a=~\"1\"}");
	check_different("rate(x[5m])", "rate(x[6m])");
	check_different("rate(x[5m])", "increase(x[5m])");
	check_different("x", "x offset 1m");
	check_different("x offset 1m", "x offset -1m");
	check_different("sum(x)", "avg(x)");
	check_different("sum(x)", "sum without () (x)");
	check_different("sum by (a) (x)", "sum without (a) (x)");
	check_different("sum by (a) (x)", "sum by (b) (x)");
	check_different("topk(1, x)", "topk(2, x)");
	check_different("topk(1, x)", "bottomk(1, x)");
	check_different("x > 1", "x > bool 1");
	check_different("x > 1", "1 > x");
	check_different("x + y", "y + x");
	check_different("x + on () y", "x + y");
	check_different("x + on (a) y", "x + ignoring (a) y");
	check_different("x * on (a) group_left () y", "x * on (a) group_right () y");
	check_different("x * on (a) group_left (b) y", "x * on (a) group_left () y");
	check_different("x + 0", "x + -0");
	check_different("-x", "x");
	check_different("-(-x)", "x"); /* the name is gone */
	check_different("clamp(x, 1, 2)", "clamp(x, 2, 1)");
	check_different("absent(x{a=\"1\"})",
			"absent(x{a=\"1\",a=\"1\"})"); /* the labels of the result differ */
}
END_TEST

static void check_number(const char *text, double wanted)
{
	const struct plan_node *node = add_node(text);

	ck_assert_int_eq(node->op, PLAN_NUMBER);
	ck_assert_int_eq(node->type, VALUE_SCALAR);
	ck_assert_msg(memcmp(&node->number, &wanted, sizeof(wanted)) == 0, "%s is %g", text,
		      node->number);
}

START_TEST(plan_folds_constants)
{
	uint64_t bits = 0x7ff8000000000001ull;
	double nan_of_prometheus;

	memcpy(&nan_of_prometheus, &bits, sizeof(bits));
	check_number("1 + 2 * 3 ^ 4", 163);
	check_number("0x1F + 1_000 + .5 + 5.", 1036.5);
	check_number("010", 8);
	check_number("-1 ^ 2", -1);
	check_number("2 ^ 3 ^ 2", 512);
	check_number("2 ^ -1 ^ 2", 0.5);
	check_number("-7 % 4", -3);
	check_number("7 % -4", 3);
	check_number("-(3)", -3);
	check_number("-(-(3))", 3);
	check_number("1 / 0", INFINITY);
	check_number("-1 / 0", -INFINITY);
	check_number("1 / -0", -INFINITY);
	check_number("0 / 0", nan_of_prometheus);
	check_number("-(0 / 0)", nan_of_prometheus);
	check_number("5 % 0", nan_of_prometheus);
	check_number("NaN", nan_of_prometheus);
	check_number("0.1 + 0.2", 0.1 + 0.2);
	check_number("50ms", 0.05);
	check_number("5m - 300", 0);
	check_number("1 < bool 2", 1);
	check_number("1 == bool 2", 0);
	check_number("NaN == bool NaN", 0);
	check_number("NaN != bool NaN", 1);
	check_number("2 >= bool 2", 1);
	check_number("2 <= bool 1", 0);
	check_number("2 > bool 2", 0);
	check_number("3 - 2 - 1", 0);
	check_number("8 / 4 / 2", 1);
}
END_TEST

START_TEST(plan_leaves_no_node_for_parts_of_constants)
{
	add("1 + 2 * 3");
	ck_assert_uint_eq(plan->nnodes, 1);
	add("x > (1 + 2) * 3");
	ck_assert_uint_eq(plan->nnodes, 4); /* 7, x, 9, > */
}
END_TEST

START_TEST(plan_fuses_ranges_with_their_function)
{
	const struct plan_node *node =
		add_node("quantile_over_time(0.9, x{a=\"b\"}[5m] offset 1m)");

	ck_assert_int_eq(node->op, PLAN_RANGE);
	ck_assert_int_eq(node->function->id, FN_QUANTILE_OVER_TIME);
	ck_assert_int_eq(node->range_ms, 300000);
	ck_assert_int_eq(node->offset_ms, 60000);
	ck_assert_uint_eq(node->nchildren, 1);
	ck_assert(plan->nodes[node->children[0]]->number == 0.9);
	ck_assert_str_eq(plan->selectors[node->selector].text, "{__name__=\"x\",a=\"b\"}");
	ck_assert_int_eq(node->type, VALUE_VECTOR);
	node = add_node("time()");
	ck_assert_int_eq(node->op, PLAN_TIME);
	ck_assert_int_eq(node->type, VALUE_SCALAR);
	node = add_node("round(x)");
	ck_assert_uint_eq(node->nchildren, 1);
	node = add_node("\"text\"");
	ck_assert_int_eq(node->op, PLAN_STRING);
}
END_TEST

START_TEST(plan_counts_parents_and_selectors)
{
	uint32_t x = add("x"), rate = add("rate(x[5m])"), both = add("rate(x[5m]) / x + x");

	ck_assert_uint_eq(plan->nodes[x]->nparents, 2);
	ck_assert_uint_eq(plan->nodes[rate]->nparents, 1);
	ck_assert_uint_eq(plan->nodes[both]->nparents, 0);
	ck_assert_uint_eq(plan->nselectors, 1); /* whatever range and offset */
	add("rate(x[1h] offset 5m) / x + x");
	ck_assert_uint_eq(plan->nselectors, 1);
	uint32_t square = add("x * x");

	ck_assert_uint_eq(plan->nodes[square]->nchildren, 2);
	ck_assert_uint_eq(plan->nodes[x]->nparents, 6); /* two of each expression */
}
END_TEST

/* The labels of absent(…), as a=1,b=2 */
static void check_absent(const char *text, const char *wanted)
{
	const struct plan_node *node = add_node(text);
	struct buf out;

	buf_init(&out);
	buf_add_str(&out, "");
	for (uint32_t i = 0; i < node->nabsent_labels; i++)
		buf_printf(&out, SLICE_FMT "=" SLICE_FMT ",",
			   SLICE_ARG(node->absent_labels[i].name),
			   SLICE_ARG(node->absent_labels[i].value));
	ck_assert_str_eq(out.ptr ? out.ptr : "", wanted);
	buf_fini(&out);
}

START_TEST(plan_gives_absent_its_labels)
{
	check_absent("absent(x)", "");
	check_absent("absent(x{b=\"2\",a=\"1\"})", "a=1,b=2,");
	check_absent("absent((x{a=\"1\"}))", "a=1,");
	check_absent("absent({__name__=\"x\",a=\"1\"})", "a=1,");
	check_absent("absent(x{a=\"1\",b!=\"2\",c=~\"3\",d!~\"4\"})", "a=1,");
	check_absent("absent(x{a=\"1\",a=\"2\",b=\"3\"})", "b=3,");
	check_absent("absent(x{a=\"1\",a=\"2\",a=\"3\"})", "");
	check_absent("absent(x{a=\"1\",a!=\"2\"})", "");
	/* By the order as written, but for what only takes away. */
	check_absent("absent(x{a!=\"2\",a=\"1\"})", "");
	check_absent("absent(x{a!=\"\",a=\"1\"})", "a=1,");
	check_absent("absent(x{a=~\"2\",a=\"1\"})", "a=1,");
	check_absent("absent(x{a=\"\",b=\"1\"})", "b=1,");
	check_absent("absent(sum(x{a=\"1\"}))", "");
	check_absent("absent(x{a=\"1\"} offset 5m)", "a=1,");
	check_absent("absent_over_time(x{a=\"1\"}[5m])", "a=1,");
	check_absent("abs(x{a=\"1\"})", "");
}
END_TEST

/* What a subquery is of is evaluated at the multiples of its step: another node at other times. */
START_TEST(plan_tells_apart_times_of_evaluation)
{
	const struct plan_node *ten = add_node("max_over_time(sum(x)[10m:1m])");
	const struct plan_node *five = add_node("min_over_time(sum(x)[5m:1m])");
	const struct plan_node *coarse = add_node("max_over_time(sum(x)[10m:2m])");
	const struct plan_node *nested =
		add_node("max_over_time(max_over_time(sum(x)[10m:1m])[1h:1m])");
	const struct plan_node *subquery = plan->nodes[ten->children[0]];
	uint32_t outer = add("sum(x)");

	ck_assert_int_eq(ten->op, PLAN_RANGE);
	ck_assert_uint_eq(ten->selector, PLAN_NONE);
	ck_assert_int_eq(subquery->op, PLAN_SUBQUERY);
	ck_assert_uint_ne(subquery->children[0], outer);
	/* Steps are shared, whatever the range. */
	ck_assert_uint_eq(plan->nodes[five->children[0]]->children[0], subquery->children[0]);
	ck_assert_uint_ne(plan->nodes[coarse->children[0]]->children[0], subquery->children[0]);
	/* Within a subquery the times are not those of a rule. */
	ck_assert_uint_ne(plan->nodes[nested->children[0]]->children[0],
			  add("max_over_time(sum(x)[10m:1m])"));
	check_same("max_over_time(x[10m:])", "max_over_time(x[10m:1m])");
	check_different("max_over_time(x[10m:1m])", "max_over_time(x[10m])");
	check_different("max_over_time(x[10m:1m])", "max_over_time(x[10m:1m] offset 1m)");
	check_different("x @ 5", "x");
	check_different("x @ 5", "x @ 6");
}
END_TEST

START_TEST(plan_limits_the_number_of_steps)
{
	char text[64];
	struct parse parse;
	uint32_t root;
	int code = 0;

	for (unsigned ms = 1; code == 0 && ms <= PLAN_GRIDS_MAX; ms++) {
		snprintf(text, sizeof(text), "max_over_time(x[10m:%ums])", ms);
		parse_init(&parse, text, strlen(text));
		ck_assert_int_eq(parse.error, 0);
		code = plan_add(plan, parse.expr, &root);
		parse_fini(&parse);
	}
	ck_assert_int_eq(code, ERR_LIMIT);
	ck_assert_uint_eq(plan->ngrids, PLAN_GRIDS_MAX);
	add("max_over_time(y[10m:7ms])");
}
END_TEST

START_TEST(plan_prints_as_a_tree)
{
	check_format("sum by (b, a) (rate(x{c=\"1\"}[5m] offset -1m)) / sum by (a, b) "
		     "(rate(x{c=\"1\"}[5m] offset -1m)) > bool 0.5",
		     "#4 > bool\n"
		     "  #2 /\n"
		     "    #1 sum by (a, b)\n"
		     "      #0 rate {__name__=\"x\",c=\"1\"}[5m] offset -1m\n"
		     "    #1 sum by (a, b) (above)\n"
		     "  #3 0.5\n");
	check_format("-topk(3, y) * on (a) group_left (\"b.c\") vector(time()) and label_join(y, "
		     "\"d\", \"\")",
		     "#15 and\n"
		     "  #11 * on (a) group_left (\"b.c\")\n"
		     "    #8 -\n"
		     "      #7 topk\n"
		     "        #5 {__name__=\"y\"}\n"
		     "        #6 3\n"
		     "    #10 vector\n"
		     "      #9 time\n"
		     "  #14 label_join\n"
		     "    #5 {__name__=\"y\"}\n"
		     "    #12 \"d\"\n"
		     "    #13 \"\"\n");
}
END_TEST

static void check_order(const char *text, uint32_t wanted)
{
	uint32_t root = add(text), *order, n;
	bool *seen = calloc(plan->nnodes, sizeof(*seen));

	ck_assert_int_eq(plan_order(plan, root, &order, &n), 0);
	ck_assert_uint_eq(n, wanted);
	ck_assert_uint_eq(order[n - 1], root);
	for (uint32_t i = 0; i < n; i++) {
		const struct plan_node *node = plan->nodes[order[i]];

		ck_assert(!seen[order[i]]);
		for (uint32_t j = 0; j < node->nchildren; j++)
			ck_assert(seen[node->children[j]]);
		seen[order[i]] = true;
	}
	free(seen);
	free(order);
}

START_TEST(plan_orders_children_before_parents)
{
	check_order("x", 1);
	check_order("x + x", 2);
	add("y / z");
	check_order("sum(x) / sum(x) + sum(x) * y > 3", 8); /* x, sum, /, y, *, +, 3, > */
}
END_TEST

/* Each line uses the one before twice: paths double, nodes do not. */
START_TEST(plan_order_is_linear_in_nodes)
{
	struct buf text;

	buf_init(&text);
	buf_add_str(&text, "x");
	for (int i = 0; i < 12; i++) {
		char *inner = buf_take(&text);

		buf_printf(&text, "(%s) + (%s)", inner, inner);
		free(inner);
	}
	check_order(text.ptr, 13);
	buf_fini(&text);
}
END_TEST

START_TEST(plan_keeps_apart_a_thousand_nodes)
{
	char text[128];

	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "rate(m_%d{l=\"%d\"}[%dm]) > %d", i, i % 7, i % 60 + 1,
			 i);
		add(text);
	}
	uint32_t n = plan->nnodes;

	ck_assert_uint_eq(n, 3000);
	ck_assert_uint_eq(plan->nselectors, 1000);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "rate(m_%d{l='%d'}[%ds]) > %d", i, i % 7,
			 60 * (i % 60 + 1), i);
		add(text);
	}
	ck_assert_uint_eq(plan->nnodes, n);
}
END_TEST

/* The derived series that a rule reads; the last node but the root's is the function of it. */
static const struct plan_log *add_log(const char *text)
{
	const struct plan_node *node = add_node(text);

	while (node->log == 0 && node->nchildren > 0)
		node = plan->nodes[node->children[0]];
	ck_assert_uint_gt(node->log, 0);
	ck_assert_uint_eq(node->selector, plan->logs[node->log - 1].selector);
	return &plan->logs[node->log - 1];
}

static void check_log_name(const char *text, const char *wanted)
{
	ck_assert_str_eq(add_log(text)->name, wanted);
}

START_TEST(plan_derives_series_from_logs)
{
	const struct plan_log *log = add_log("quantile_over_time(0.9, logs{b=\"2\",a=~\"1\"} |= "
					     "\"x\" | json | unwrap bytes(n) [5m]) by (d, c, d)");

	ck_assert_str_eq(log->name, "logs{a=~\"1\",b=\"2\"} |= \"x\" | json | unwrap bytes(n) as "
				    "events by (c, d)");
	ck_assert_uint_eq(log->nmatchers, 2);
	ck_assert_str_eq(log->matchers[0].name, "a");
	ck_assert(matcher_is_match(&log->matchers[0], SLICE("1")));
	ck_assert_uint_eq(log->log->nstages, 3);
	ck_assert_int_eq(log->log->stages[0].line.op, LINE_CONTAINS);
	ck_assert(slice_is(log->log->stages[0].line.args[0].text, "x"));
	ck_assert_int_eq(log->log->stages[2].unwrap.how, UNWRAP_BYTES);
	ck_assert_int_eq(log->value, PLAN_LOG_UNWRAPPED);
	ck_assert_int_eq(log->window, PLAN_LOG_EVENTS);
	ck_assert_int_eq(log->keep, PLAN_LOG_BY);
	ck_assert_uint_eq(log->labels.n, 2);
	/* It is an ordinary selector, of a name. */
	const struct plan_selector *selector = &plan->selectors[log->selector];

	ck_assert_uint_eq(selector->nmatchers, 1);
	ck_assert_str_eq(selector->matchers[0].name, METRIC_NAME);
	ck_assert_str_eq(selector->matchers[0].value, log->name);
	ck_assert_uint_eq(selector->log, 1);
	add("up");
	ck_assert_uint_eq(plan->selectors[1].log, 0);
}
END_TEST

/* A copy of the tree: every kind of stage outlives it. */
START_TEST(plan_keeps_stages_of_its_own)
{
	check_log_name(
		"count_over_time(logs{a=\"b\"} != \"x\" or ip(\"::1\") | json p, q=\"r\" | logfmt "
		"--strict s | regexp \"(?P<t>.)\" | x > -1.5s or y = ip(\"10.0.0.0/8\") and z =~ "
		"\"1|2\" | line_format \"{{.p}}\" | label_format u=v, w=\"x\" | decolorize | drop "
		"q=~\"5\", r | keep p [5m])",
		"logs{a=\"b\"} != \"x\" or ip(\"::1\") | json p, q=\"r\" | logfmt --strict s | "
		"regexp \"(?P<t>.)\" | x > -1.5s or y = ip(\"10.0.0.0/8\") and z =~ \"1|2\" | "
		"line_format \"{{.p}}\" | label_format u=v, w=\"x\" | decolorize | drop q=~\"5\", r "
		"| keep p as lines");
	const struct log_selector *log = plan->logs[0].log;
	const struct log_filter *filter = log->stages[4].filter;

	ck_assert_uint_eq(log->nstages, 10);
	ck_assert_int_eq(filter->kind, FILTER_OR);
	ck_assert(filter->left->number == -1.5 && slice_is(filter->left->literal, "-1.5s"));
	ck_assert_uint_eq(filter->height, 3);
	ck_assert(matcher_is_match(filter->right->right->matcher, SLICE("2")));
	ck_assert(matcher_is_match(log->stages[8].labels.items[0].matcher, SLICE("5")));
	ck_assert(slice_is(log->stages[9].labels.items[0].name, "p"));
}
END_TEST

START_TEST(plan_derives_what_functions_need)
{
#define S "logs{a=\"b\"} | logfmt n | unwrap n"
	static const char *const sums[] = { "sum", "rate" };
	static const char *const events[] = { "avg", "stddev", "stdvar", "first", "last" };
	char text[128];

	check_log_name("count_over_time(logs{a=\"b\"}[5m])", "logs{a=\"b\"} as lines");
	check_log_name("rate(logs{a=\"b\"}[1m])", "logs{a=\"b\"} as lines");
	check_log_name("bytes_over_time(logs{a=\"b\"}[1m])", "logs{a=\"b\"} as bytes");
	check_log_name("bytes_rate(logs{a=\"b\"}[1m])", "logs{a=\"b\"} as bytes");
	check_log_name("absent_over_time(logs{a=\"b\"}[1m])", "logs{a=\"b\"} as lines by ()");
	check_log_name("absent_over_time(" S " [1m])", S " as sum by ()");
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%s%s(" S " [1m])", sums[i], i ? "" : "_over_time");
		check_log_name(text, S " as sum");
	}
	check_log_name("min_over_time(" S " [1m])", S " as min");
	check_log_name("max_over_time(" S " [1m])", S " as max");
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "%s_over_time(" S " [1m])", events[i]);
		check_log_name(text, S " as events");
	}
	check_log_name("quantile_over_time(0.5, " S " [1m])", S " as events");
	check_log_name("rate_counter(" S " [1m])", S " as events");
	ck_assert_uint_eq(plan->nlogs, 8);
}
END_TEST

/* Labels that the aggregation drops are dropped at the door, where nothing changes by it. */
START_TEST(plan_pushes_labels_down_where_that_is_exact)
{
	check_log_name("sum by (c) (count_over_time(logs{a=\"b\"}[5m]))",
		       "logs{a=\"b\"} as lines by (c)");
	check_log_name("sum without (d, c) ((rate(logs{a=\"b\"}[5m])))",
		       "logs{a=\"b\"} as lines without (c, d)");
	check_log_name("sum(bytes_rate(logs{a=\"b\"}[5m]))", "logs{a=\"b\"} as bytes by ()");
	check_log_name("group by (c) (rate(logs{a=\"b\"}[5m]))", "logs{a=\"b\"} as lines by (c)");
	check_log_name("max by (c) (max_over_time(" S " [5m]))", S " as max by (c)");
	check_log_name("min by (c) (min_over_time(" S " [5m]))", S " as min by (c)");
	check_log_name("group by (c) (avg_over_time(" S " [5m]))", S " as events by (c)");
	/* … and kept where it would. */
	check_log_name("max by (c) (count_over_time(logs{a=\"b\"}[5m]))", "logs{a=\"b\"} as lines");
	check_log_name("count(count_over_time(logs{a=\"b\"}[5m]))", "logs{a=\"b\"} as lines");
	check_log_name("sum by (c) (max_over_time(" S " [5m]))", S " as max");
	check_log_name("sum by (c) (avg_over_time(" S " [5m]))", S " as events");
	check_log_name("sum by (c) (abs(rate(logs{a=\"b\"}[5m])))", "logs{a=\"b\"} as lines");
	check_log_name("sum by (c) (rate(logs{a=\"b\"}[5m]) / 2)", "logs{a=\"b\"} as lines");
	check_log_name("sum by (c) (avg_over_time(" S " [5m]) by (d))", S " as events by (d)");
	check_log_name("max_over_time(sum(rate(logs{a=\"b\"}[5m]))[1h:1m])",
		       "logs{a=\"b\"} as lines by ()");
}
END_TEST

START_TEST(plan_shares_derived_series)
{
	check_same("rate({b=\"1\",a=\"2\"}[5m] |= 'x')", "rate(logs{a=\"2\",b=\"1\"} |= `x` [5m])");
	check_different("rate(logs{a=\"2\"}[5m])", "rate(logs{a=\"2\"}[1m])");
	check_different("rate(logs{a=\"2\"}[5m])", "rate(logs{a=\"2\"}[5m] offset 1m)");
	uint32_t n = plan->nlogs;

	add("sum(rate(logs{a=\"2\"}[5m]))");
	ck_assert_uint_eq(plan->nlogs, n + 1);
	add("sum(count_over_time(logs{a=\"2\"}[1h])) + sum(rate(logs{a=\"2\"}[5m] offset 1d))");
	ck_assert_uint_eq(plan->nlogs, n + 1);
	/* Who selects that series by its name reads samples, not lines. */
	check_different("rate(logs{a=\"2\"}[5m])",
			"rate({__name__=\"logs{a=\\\"2\\\"} as lines\"}[5m])");
	ck_assert_uint_eq(plan->nlogs, n + 1);
}
END_TEST

START_TEST(plan_shows_derived_series)
{
	check_format("sum by (c) (rate(logs{a=\"b\"} |= \"x\" [5m] offset 1m)) > 2",
		     "#3 >\n"
		     "  #1 sum by (c)\n"
		     "    #0 rate logs{a=\"b\"} |= \"x\" as lines by (c) [5m] offset 1m\n"
		     "  #2 2\n");
}
END_TEST

/* A label's value has a limit, and so have the names of series. */
START_TEST(plan_shortens_long_names)
{
	struct buf text;
	const struct plan_log *a, *b;

	buf_init(&text);
	buf_add_str(&text, "rate(logs{a=\"b\"} |= \"");
	for (int i = 0; i < PLAN_LOG_NAME_MAX; i++)
		buf_add_str(&text, "\xc3\xa4");
	buf_add_str(&text, "1\" [5m])");
	a = add_log(text.ptr);
	ck_assert_uint_le(strlen(a->name), PLAN_LOG_NAME_MAX);
	ck_assert_uint_gt(strlen(a->name), PLAN_LOG_NAME_MAX - 4);
	ck_assert(slice_is_utf8(slice_from(a->name)));
	char *name = slice_dup(slice_from(a->name));

	text.ptr[text.len - 8] = '2';
	b = add_log(text.ptr);
	ck_assert_uint_eq(plan->nlogs, 2);
	ck_assert_str_ne(name, b->name);
	free(name);
	buf_fini(&text);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("plan");
	TCase *tcase = tcase_create("plan");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, plan_shares_what_is_equal);
	tcase_add_test(tcase, plan_tells_apart_what_differs);
	tcase_add_test(tcase, plan_folds_constants);
	tcase_add_test(tcase, plan_leaves_no_node_for_parts_of_constants);
	tcase_add_test(tcase, plan_fuses_ranges_with_their_function);
	tcase_add_test(tcase, plan_counts_parents_and_selectors);
	tcase_add_test(tcase, plan_gives_absent_its_labels);
	tcase_add_test(tcase, plan_tells_apart_times_of_evaluation);
	tcase_add_test(tcase, plan_limits_the_number_of_steps);
	tcase_add_test(tcase, plan_prints_as_a_tree);
	tcase_add_test(tcase, plan_orders_children_before_parents);
	tcase_add_test(tcase, plan_order_is_linear_in_nodes);
	tcase_add_test(tcase, plan_keeps_apart_a_thousand_nodes);
	tcase_add_test(tcase, plan_derives_series_from_logs);
	tcase_add_test(tcase, plan_keeps_stages_of_its_own);
	tcase_add_test(tcase, plan_derives_what_functions_need);
	tcase_add_test(tcase, plan_pushes_labels_down_where_that_is_exact);
	tcase_add_test(tcase, plan_shares_derived_series);
	tcase_add_test(tcase, plan_shows_derived_series);
	tcase_add_test(tcase, plan_shortens_long_names);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(make_suite)
