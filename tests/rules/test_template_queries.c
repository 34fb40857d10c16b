/* What templates ask for: the texts of their query calls, and what is kept for them. */
#include "rules/template_queries.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "rules/rule_file.h"
#include "tests/check_main.h"

static struct arena arena;
static struct diag_list diags;

static void setup(void)
{
	arena_init(&arena, 0);
	diag_list_init(&diags);
}

static void teardown(void)
{
	diag_list_fini(&diags);
	arena_fini(&arena);
}

/* The texts, "; " between; a hole is ?, one of a number #. */
static void assert_asks(const char *text, const char *expected)
{
	const struct source source = { .text = slice_from(text), .line0 = 1, .column0 = 1 };
	const struct template *template;
	struct template_query *queries;
	struct buf out;
	uint32_t n;
	ck_assert_int_eq(template_parse(&source, &arena, &diags, &template), 0);
	ck_assert_int_eq(template_queries(template, &arena, &queries, &n), 0);
	buf_init(&out);
	for (uint32_t i = 0; i < n; i++) {
		buf_add_str(&out, i ? "; " : "");
		buf_add_slice(&out, queries[i].text);
		ck_assert_int_eq(memcmp(text + queries[i].offset, "query", 5), 0);
	}
	for (size_t i = 0; i < out.len; i++)
		if (out.ptr[i] == TEMPLATE_HOLE || out.ptr[i] == TEMPLATE_NUMBER_HOLE)
			out.ptr[i] = out.ptr[i] == TEMPLATE_HOLE ? '?' : '#';
	ck_assert_msg(slice_is(buf_slice(&out), expected), "%s: " SLICE_FMT ", not %s", text,
		      SLICE_ARG(buf_slice(&out)), expected);
	buf_fini(&out);
}

START_TEST(template_queries_are_found_with_their_texts)
{
	assert_asks("plain {{ $value }}", "");
	assert_asks("{{ query \"up\" | len }}", "up");
	assert_asks("{{ \"up\" | query | len }}", "up");
	assert_asks(
		"{{ query (printf `x{a=\"%s\",b=%q} > %d and %v or %.2f%%` $labels.a .Value 1 2 "
		"3) }}",
		"x{a=\"?\",b=\"?\"} > # and 2 or #%");
	assert_asks("{{ printf \"x{a='%s'}\" \"const\" | query }}", "x{a='const'}");
	assert_asks("{{ query (print \"x{a='\" $labels.a \"'}\") }}", "x{a='?'}");
	assert_asks("{{ $q := printf \"a{b='%s'}\" .Labels.b }}{{ query $q | len }}", "a{b='?'}");
	assert_asks("{{ $q := \"a\" }}{{ if $value }}{{ $q = \"b\" }}{{ end }}{{ query $q }}", "?");
	assert_asks("{{ range query \"a\" }}{{ with query \"b\" }}{{ if query \"c\" }}{{ end }}{{ "
		    "else }}{{ query \"d\" }}{{ end }}{{ end }}",
		    "a; b; c; d");
	assert_asks(
		"{{ query $labels.a }}{{ query (toLower \"A\") }}{{ . | printf \"%v\" | query }}",
		"?; ?; ?");
	assert_asks("{{ range $i, $x := query \"a\" }}{{ query $x }}{{ end }}", "a; ?");
}
END_TEST

/* Variables of variables: the work is bounded, what is not looked at is a hole. */
START_TEST(template_queries_give_up_on_endless_ones)
{
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "{{ $v0 := \"x\" }}");
	for (int i = 1; i < 4; i++) {
		buf_printf(&text, "{{ $v%d := print", i);
		for (int k = 0; k < 1000; k++)
			buf_printf(&text, " $v%d", i - 1);
		buf_add_str(&text, " }}");
	}
	buf_add_str(&text, "{{ query $v3 }}");
	const struct source source = { .text = buf_slice(&text), .line0 = 1, .column0 = 1 };
	const struct template *template;
	struct template_query *queries;
	uint32_t n;
	ck_assert_int_eq(template_parse(&source, &arena, &diags, &template), 0);
	ck_assert_int_eq(template_queries(template, &arena, &queries, &n), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_ge(slice_find(queries[0].text, TEMPLATE_HOLE), 0);
	ck_assert_uint_le(queries[0].text.len, 10000);
	buf_fini(&text);
}
END_TEST

/* ---- what is kept ---- */

static struct rule_set *load(const char *annotation)
{
	struct rule_set_options options = { .interval_ms = 15000, .rules_max = 100 };
	struct rule_set *set;
	struct buf yaml;
	buf_init(&yaml);
	buf_printf(
		&yaml,
		"groups: [{name: g, rules: [{alert: A, expr: up == 0, annotations: {a: '%s'}}]}]",
		annotation);
	diag_list_fini(&diags);
	diag_list_init(&diags);
	int code = rule_set_load_text(buf_slice(&yaml), "f.yml", &options, &diags, &set);
	buf_fini(&yaml);
	ck_assert_msg(code == 0, "%s", diags.n ? diags.items[0].message : error_text(code));
	return set;
}

/* The leaves of what is demanded beside the rule, "; " between; then the warning, if any. */
static void assert_demands(const char *annotation, const char *expected)
{
	struct rule_set *set = load(annotation);
	struct buf out;
	buf_init(&out);
	for (uint32_t i = 0; i < set->ndemands; i++)
		for (uint32_t k = 0; k < set->demands[i].norder; k++) {
			const struct plan_node *node = set->plan->nodes[set->demands[i].order[k]];
			if (!plan_node_is_leaf(node))
				continue;
			buf_add_str(&out, out.len ? "; " : "");
			plan_node_format(set->plan, node, &out);
		}
	for (size_t i = 0; i < diags.n; i++)
		buf_printf(&out, "%s%.30s", out.len ? " | " : "", diags.items[i].message);
	ck_assert_msg(slice_is(buf_slice(&out), expected), "%s: " SLICE_FMT ", not %s", annotation,
		      SLICE_ARG(buf_slice(&out)), expected);
	ck_assert(set->groups[0].rules[0].annotations_ask);
	buf_fini(&out);
	rule_set_unref(set);
}

#define UNKNOWN "cannot tell which series this "

START_TEST(rule_set_demands_what_templates_ask_for)
{
	assert_demands("{{ query \"x\" | len }}", "{__name__=\"x\"}");
	assert_demands("{{ query \"rate(x[5m] offset 1m) / y\" | len }}",
		       "rate {__name__=\"x\"}[5m] offset 1m; {__name__=\"y\"}");
	assert_demands("{{ query \"vector(1)\" | len }}{{ now }}", "");
	/* Matchers with a hole are left out, whatever else is filled in. */
	assert_demands("{{ query (printf `x{a=\"1\",b=\"%s\",c=~\"%s.*\"}` $value $value) }}",
		       "{__name__=\"x\",a=\"1\"}");
	assert_demands("{{ query (printf `x{b=%q} > %v` $labels.b $value) }}", "{__name__=\"x\"}");
	assert_demands("{{ query (printf `topk(%d, x)` $value) }}", "{__name__=\"x\"}");
	assert_demands("{{ query (printf `sum by (%s) (x{%s=\"b\"})` $labels.b $labels.b) }}",
		       "{__name__=\"x\"}");
	assert_demands("{{ query (printf `%s{job=\"a\"}` $labels.b) }}", "{job=\"a\"}");
	assert_demands("{{ query (printf `x_%s{job=\"a\"}` $labels.b) }}", "{job=\"a\"}");
	assert_demands("{{ query (printf `x{a=\"\\\"%s\"} - y` $labels.b) }}",
		       "{__name__=\"x\"}; {__name__=\"y\"}");
	/* Lines as they stand; what is beside them may be filled in. */
	assert_demands("{{ query (printf `count_over_time(logs{a=\"b\"} |= \"x\" [5m]) > %f and "
		       "y{c=%q}` $value $labels.c) }}",
		       "count_over_time logs{a=\"b\"} |= \"x\" as lines [5m]; {__name__=\"y\"}");
}
END_TEST

START_TEST(rule_set_names_queries_that_tell_nothing)
{
	assert_demands("{{ query $labels.a }}", UNKNOWN);
	assert_demands("{{ query (printf `%s` $labels.a) }}", UNKNOWN);
	assert_demands("{{ query (printf `%s{a=\"%s\"}` $labels.a $labels.b) }}", UNKNOWN);
	assert_demands("{{ query (printf `rate(x[%s])` $labels.a) }}", UNKNOWN);
	assert_demands("{{ query (printf `rate(x[%dm])` $value) }}", UNKNOWN);
	assert_demands("{{ query (printf `x offset %d` $value) }}", UNKNOWN);
	assert_demands("{{ query (printf `x %s y` $labels.a) }}", UNKNOWN);
	/* Lines are counted before anybody knows what an alert fills in. */
	assert_demands("{{ query (printf `count_over_time(logs{a=\"b\",c=%q}[5m])` $labels.c) }}",
		       UNKNOWN);
	assert_demands("{{ query (printf `count_over_time(logs{a=\"b\"} |= %q [5m])` $labels.c) }}",
		       UNKNOWN);
	assert_demands("{{ query (printf `count_over_time(logs{a=\"b\"} | logfmt x | x > %d [5m])` "
		       "$value) }}",
		       UNKNOWN);
	assert_demands("{{ query \"sum(\" }}", "this query will fail: unclosed");
	/* Why is told in so many words. */
	char text[512];
	snprintf(text, sizeof(text), "{{ query \"%0400d\" }}", 0);
	memset(strchr(text, '0'), 'f', 400);
	memcpy(strrchr(text, 'f'), "(", 1);
	struct rule_set *long_one = load(text);
	ck_assert_uint_eq(diags.n, 1);
	ck_assert_uint_eq(strlen(diags.items[0].message), strlen("this query will fail: ") + 199);
	rule_set_unref(long_one);
	/* Where it stands. */
	struct rule_set *set = load("x {{ $labels.a | query }}");
	ck_assert_uint_eq(diags.items[0].severity, DIAG_WARNING);
	ck_assert_uint_eq(diags.items[0].line, 1);
	ck_assert_uint_eq(diags.items[0].column, 89);
	rule_set_unref(set);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("template_queries");
	TCase *tc = tcase_create("all");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, template_queries_are_found_with_their_texts);
	tcase_add_test(tc, template_queries_give_up_on_endless_ones);
	tcase_add_test(tc, rule_set_demands_what_templates_ask_for);
	tcase_add_test(tc, rule_set_names_queries_that_tell_nothing);
	suite_add_tcase(suite, tc);
	return suite;
}
TEST_MAIN(suite)
