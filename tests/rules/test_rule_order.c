/* The order of groups: writers before readers, stable, cycles in file order. */
#include "rules/rule_file.h"

#include "base/error.h"
#include "tests/check_main.h"

static struct diag_list diags;
static struct rule_set *set;

static void setup(void)
{
	diag_list_init(&diags);
	set = NULL;
}

static void teardown(void)
{
	rule_set_unref(set);
	diag_list_fini(&diags);
}

/* "a b c": the groups in their order. */
static void assert_order(const char *yaml, const char *expected)
{
	struct rule_set_options options = { .interval_ms = 60000, .rules_max = RULES_MAX };
	struct buf got;
	rule_set_unref(set);
	set = NULL;
	int error = rule_set_load_text(slice_from(yaml), "f.yml", &options, &diags, &set);
	ck_assert_msg(error == 0, "%s: %s", yaml,
		      diags.n ? diags.items[0].message : error_text(error));
	buf_init(&got);
	buf_reserve(&got, 1);
	for (uint32_t i = 0; i < set->ngroups; i++)
		buf_printf(&got, "%s" SLICE_FMT, i ? " " : "", SLICE_ARG(set->groups[i].name));
	ck_assert_msg(strcmp(got.ptr, expected) == 0, "expected %s, got %s of %s", expected,
		      got.ptr, yaml);
	buf_fini(&got);
}

/* Groups with one rule each: what it is, and where it stands in the order. */
static const struct {
	const char *yaml, *order;
} cases[] = {
	/* Nothing read: file order. */
	{ "groups: [{name: b, rules: [{record: x, expr: up}]}, {name: a, rules: [{record: y, expr: "
	  "up}]}]",
	  "b a" },
	/* What is evaluated on arrival comes first, behind what it reads. */
	{ "groups: [{name: a, rules: [{record: x, expr: up}]}, {name: w, rules: [{record: y, expr: "
	  "up}]}, {name: b, evaluate: arrival, rules: [{record: z, expr: y}]}, {name: c, evaluate: "
	  "arrival, rules: [{record: u, expr: x}]}, {name: d, rules: [{record: v, expr: up}]}]",
	  "w b a c d" },
	/* A reader waits for its writer, and nobody else moves. */
	{ "groups: [{name: a, rules: [{record: y, expr: up}]}, {name: r, rules: [{record: z, expr: "
	  "sum(x)}]},"
	  " {name: b, rules: [{record: q, expr: up}]}, {name: w, rules: [{record: x, expr: up}]}]",
	  "a w r b" },
	/* A chain. */
	{ "groups: [{name: c, rules: [{record: c, expr: b}]}, {name: b, rules: [{record: b, expr: "
	  "a}]},"
	  " {name: a, rules: [{record: a, expr: up}]}]",
	  "a b c" },
	/* Two writers of one name. */
	{ "groups: [{name: r, rules: [{record: y, expr: x}]}, {name: b, rules: [{record: x, expr: "
	  "up, labels: {l: b}}]},"
	  " {name: a, rules: [{record: x, expr: up, labels: {l: a}}]}]",
	  "b a r" },
	/* A literal label contradicts: by equality, inequality, patterns; an empty one is an absent
	   one. */
	{ "groups: [{name: r, rules: [{record: y, expr: 'x{l=\"a\"}'}]}, {name: b, rules: "
	  "[{record: x, expr: up, labels: {l: b}}]},"
	  " {name: a, rules: [{record: x, expr: up, labels: {l: a}}]}]",
	  "a r b" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'x{l!=\"b\"}'}]}, {name: b, rules: "
	  "[{record: x, expr: up, labels: {l: b}}]}]",
	  "r b" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'x{l=~\"b|c\"}'}]}, {name: b, rules: "
	  "[{record: x, expr: up, labels: {l: b}}]}]",
	  "b r" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'x{l!~\"b|c\"}'}]}, {name: b, rules: "
	  "[{record: x, expr: up, labels: {l: b}}]}]",
	  "r b" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'x{l=\"a\"}'}]}, {name: b, rules: "
	  "[{record: x, expr: up, labels: {l: ''}}]}]",
	  "r b" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'x{l=\"\"}'}]}, {name: b, rules: [{record: "
	  "x, expr: up, labels: {l: ''}}]}]",
	  "b r" },
	/* A label that comes from the result is not known. */
	{ "groups: [{name: r, rules: [{record: y, expr: 'x{job=\"a\"}'}]}, {name: w, rules: "
	  "[{record: x, expr: up}]}]",
	  "w r" },
	/* The group's labels count as the rule's. */
	{ "groups: [{name: r, rules: [{record: y, expr: 'x{l=\"a\"}'}]}, {name: w, labels: {l: b}, "
	  "rules: [{record: x, expr: up}]}]",
	  "r w" },
	/* Alerts write ALERTS, with their name and a state, and ALERTS_FOR_STATE. */
	{ "groups: [{name: r, rules: [{record: y, expr: count(ALERTS)}]}, {name: w, rules: "
	  "[{alert: A, expr: up}]}]",
	  "w r" },
	{ "groups: [{name: r, rules: [{record: y, expr: "
	  "'ALERTS{alertname=\"A\",alertstate=\"firing\"}'}]},"
	  " {name: w, rules: [{alert: A, expr: up}]}]",
	  "w r" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'ALERTS{alertname=\"B\"}'}]}, {name: w, "
	  "rules: [{alert: A, expr: up}]}]",
	  "r w" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'ALERTS{alertstate=\"resolved\"}'}]}, "
	  "{name: w, rules: [{alert: A, expr: up}]}]",
	  "r w" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'ALERTS_FOR_STATE{alertname=\"A\"}'}]}, "
	  "{name: w, rules: [{alert: A, expr: up}]}]",
	  "w r" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'ALERTS{severity=\"page\"}'}]},"
	  " {name: w, rules: [{alert: A, expr: up, labels: {severity: info}}]}]",
	  "r w" },
	{ "groups: [{name: r, rules: [{record: y, expr: 'ALERTS{severity=\"page\"}'}]},"
	  " {name: w, rules: [{alert: A, expr: up, labels: {severity: '{{ $labels.s }}'}}]}]",
	  "w r" },
	/* Names by pattern, and no name at all. */
	{ "groups: [{name: r, rules: [{record: y, expr: 'sum({__name__=~\"job:.*\"})'}]}, {name: "
	  "w, rules: [{record: job:x, expr: up}]},"
	  " {name: v, rules: [{record: inst:x, expr: up}]}]",
	  "w r v" },
	{ "groups: [{name: r, rules: [{alert: y, expr: 'count({job=\"a\"}) > 1'}]}, {name: w, "
	  "rules: [{record: x, expr: up}]}]",
	  "w r" },
	/* In parts of an expression, also ranges; but not of the past. */
	{ "groups: [{name: r, rules: [{alert: y, expr: 'up > 1 and on () rate(x[5m]) > 2'}]}, "
	  "{name: w, rules: [{record: x, expr: up}]}]",
	  "w r" },
	{ "groups: [{name: r, rules: [{alert: y, expr: 'x offset 5m > 1'}]}, {name: w, rules: "
	  "[{record: x, expr: up}]}]",
	  "r w" },
	{ "groups: [{name: r, rules: [{alert: y, expr: 'x offset -5m > 1'}]}, {name: w, rules: "
	  "[{record: x, expr: up}]}]",
	  "w r" },
	/* What a group reads of itself does not matter. */
	{ "groups: [{name: a, rules: [{record: x, expr: x}]}, {name: b, rules: [{record: y, expr: "
	  "y}]}]",
	  "a b" },
};

START_TEST(rule_order_puts_writers_before_readers)
{
	assert_order(cases[_i].yaml, cases[_i].order);
	ck_assert_uint_eq(diags.n, 0);
}
END_TEST

START_TEST(rule_order_of_a_cycle_is_that_of_the_file)
{
	assert_order("groups:\n"
		     "- {name: d, rules: [{record: d, expr: a}]}\n"
		     "- {name: b, rules: [{record: b, expr: c}]}\n"
		     "- {name: a, rules: [{record: a, expr: b + x}]}\n"
		     "- {name: c, rules: [{record: c, expr: a}]}\n"
		     "- {name: x, rules: [{record: x, expr: up}]}\n",
		     "x b a c d");
	ck_assert_uint_eq(diags.n, 1);
	ck_assert_int_eq(diags.items[0].severity, DIAG_NOTE);
	ck_assert_str_eq(diags.items[0].message,
			 "groups \"b\", \"a\" and \"c\" read what the others write: they run in "
			 "the order of the files");
	ck_assert_str_eq(diags.items[0].file, "f.yml");
	ck_assert_uint_eq(diags.items[0].line, 3);
}
END_TEST

START_TEST(rule_order_numbers_rules_as_they_run)
{
	assert_order("groups: [{name: r, rules: [{record: y, expr: x}, {record: z, expr: x}]}, "
		     "{name: w, rules: [{record: x, expr: up}]}]",
		     "w r");
	ck_assert_uint_eq(set->groups[0].rules[0].id, 0);
	ck_assert_uint_eq(set->groups[1].rules[0].id, 1);
	ck_assert_uint_eq(set->groups[1].rules[1].id, 2);
	ck_assert_uint_eq(set->groups[1].rules[1].group, 1);
	ck_assert_uint_eq(set->groups[1].rules[1].index, 1);
}
END_TEST

#define CHAIN 5000

/* Each group reads what the next writes: as deep as there are groups, and no recursion to overflow.
 */
START_TEST(rule_order_takes_long_chains)
{
	struct buf yaml, order;
	buf_init(&yaml);
	buf_init(&order);
	buf_add_str(&yaml, "groups:\n");
	for (int i = 0; i < CHAIN; i++) {
		buf_printf(&yaml, "- {name: g%d, rules: [{record: r%d, expr: r%d}]}\n", i, i,
			   i + 1);
		buf_printf(&order, "%sg%d", i ? " " : "", CHAIN - 1 - i);
	}
	assert_order(yaml.ptr, order.ptr);
	buf_fini(&yaml);
	buf_fini(&order);
}
END_TEST

static Suite *rule_order_suite(void)
{
	Suite *suite = suite_create("rule_order");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_loop_test(all, rule_order_puts_writers_before_readers, 0,
			    sizeof(cases) / sizeof(*cases));
	tcase_add_test(all, rule_order_of_a_cycle_is_that_of_the_file);
	tcase_add_test(all, rule_order_numbers_rules_as_they_run);
	tcase_add_test(all, rule_order_takes_long_chains);
	suite_add_tcase(suite, all);
	return suite;
}

TEST_MAIN(rule_order_suite)
