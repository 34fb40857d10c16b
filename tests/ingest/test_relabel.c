/* relabel_configs: each action, what is refused, and what remote-write makes of it. */
#include <string.h>

#include "base/error.h"
#include "ingest/relabel.h"
#include "tests/check_main.h"

struct holder {
	struct bind_structs rules;
};

static const struct bind_field holder_fields[] = {
	{ .key = "rules",
	  .type = BIND_STRUCTS,
	  .offset = offsetof(struct holder, rules),
	  .table = &relabel_table },
};
static const struct bind_table holder_table = {
	.what = "test",
	.size = sizeof(struct holder),
	.fields = holder_fields,
	.n = 1,
	.node_offset = SIZE_MAX,
	.given_offset = SIZE_MAX,
};

/* Rules of a YAML list; what is wrong with them as text. */
static int make(const char *rules, struct relabel **out, struct buf *complaints)
{
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root;
	struct holder holder;
	struct buf text;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	buf_init(&text);
	buf_printf(&text, "rules:\n%s", rules);
	ck_assert_int_eq(yaml_parse(buf_slice(&text), "r.yml", &arena, &diags, &root), 0);
	int code = bind_struct(&holder_table, root, &arena, &diags, &holder);

	if (!code)
		code = relabel_new(&holder.rules, &diags, out);
	if (complaints)
		diag_list_format(&diags, false, complaints);
	buf_fini(&text);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return code;
}

/* What the rules make of m{a="x1",b="y",c="X"}. */
static const char *result(const char *rules)
{
	static char text[512];
	const struct label pairs[] = { { SLICE("__name__"), SLICE("m") },
				       { SLICE("a"), SLICE("x1") },
				       { SLICE("b"), SLICE("y") },
				       { SLICE("c"), SLICE("X") } };
	struct labels *labels, *after;
	struct relabel *relabel;
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(labels_new(pairs, 4, &labels, NULL), 0);
	ck_assert_int_eq(make(rules, &relabel, &out), 0);
	ck_assert_int_eq(relabel_apply(relabel, labels, &after), 0);
	if (after)
		labels_format(after, &out);
	else
		buf_add_str(&out, "dropped");
	snprintf(text, sizeof(text), "%s", out.ptr);
	labels_unref(labels);
	labels_unref(after);
	relabel_unref(relabel);
	buf_fini(&out);
	return text;
}

START_TEST(each_action_does_what_prometheus_does)
{
	static const struct {
		const char *rules, *wanted;
	} cases[] = {
		{ "- {source_labels: [a, b], target_label: d}",
		  "m{a=\"x1\", b=\"y\", c=\"X\", d=\"x1;y\"}" },
		{ "- {source_labels: [a, b], separator: '', regex: 'x(.)(.)', target_label: 'd$2', "
		  "replacement: '${1}z'}",
		  "m{a=\"x1\", b=\"y\", c=\"X\", dy=\"1z\"}" },
		/* no match, no change; the pattern is anchored */
		{ "- {source_labels: [a], regex: 'x', target_label: d}",
		  "m{a=\"x1\", b=\"y\", c=\"X\"}" },
		{ "- {target_label: b, replacement: ''}", "m{a=\"x1\", c=\"X\"}" },
		{ "- {source_labels: [a], regex: 'x.', action: keep}",
		  "m{a=\"x1\", b=\"y\", c=\"X\"}" },
		{ "- {source_labels: [nothing], regex: 'x.', action: keep}", "dropped" },
		{ "- {source_labels: [a], regex: 'x.', action: drop}", "dropped" },
		{ "- {source_labels: [nothing], regex: '', action: drop}", "dropped" },
		{ "- {source_labels: [a], target_label: b, action: keepequal}", "dropped" },
		{ "- {source_labels: [a], target_label: b, action: dropequal}",
		  "m{a=\"x1\", b=\"y\", c=\"X\"}" },
		{ "- {source_labels: [c], target_label: c, action: lowercase}",
		  "m{a=\"x1\", b=\"y\", c=\"x\"}" },
		{ "- {source_labels: [a], target_label: a, action: uppercase}",
		  "m{a=\"X1\", b=\"y\", c=\"X\"}" },
		{ "- {regex: '([ab])', action: labelmap, replacement: 'l_$1'}",
		  "m{a=\"x1\", b=\"y\", c=\"X\", l_a=\"x1\", l_b=\"y\"}" },
		{ "- {regex: '[ab]', action: labeldrop}", "m{c=\"X\"}" },
		{ "- {regex: '__name__|c', action: labelkeep}", "m{c=\"X\"}" },
		/* lower half of md5("x1"), big-endian, modulo 1000 */
		{ "- {source_labels: [a], target_label: d, modulus: 1000, action: hashmod}",
		  "m{a=\"x1\", b=\"y\", c=\"X\", d=\"565\"}" },
		/* one after the other, and what is temporary goes */
		{ "- {source_labels: [a], target_label: __tmp_a}\n"
		  "- {source_labels: [__tmp_a], target_label: e, replacement: 'from $1'}",
		  "m{a=\"x1\", b=\"y\", c=\"X\", e=\"from x1\"}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(strcmp(result(cases[i].rules), cases[i].wanted) == 0,
			      "%s: %s, not %s", cases[i].rules, result(cases[i].rules),
			      cases[i].wanted);
}
END_TEST

START_TEST(wrong_rules_are_told_at_their_place)
{
	static const struct {
		const char *rules, *wanted;
	} cases[] = {
		{ "- {source_labels: [a]}", "r.yml:2:3: error: relabel_configs: replace needs a "
					    "target_label" },
		{ "- {action: labeldrop, target_label: a}",
		  "r.yml:2:37: error: relabel_configs: labeldrop has no use for target_label" },
		{ "- {action: labelmap, source_labels: [a]}", "names of labels" },
		{ "- {action: hashmod, target_label: a}", "needs a modulus" },
		{ "- {action: keepequal, target_label: a, regex: x}", "source_labels, separator and "
								      "target_label only" },
		{ "- {target_label: a, regex: '('}", "r.yml:2:29: error: relabel_configs: bad pattern: missing closing" },
		{ "- {target_label: a, action: repalce}", "repalce" },
		{ "- {target_label: a, action: ''}", "\"\" is not one of replace" },
		{ "- {target_lable: a}", "did you mean \"target_label\"?" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct relabel *relabel = NULL;
		struct buf text;

		buf_init(&text);
		ck_assert_int_eq(make(cases[i].rules, &relabel, &text), ERR_INVALID);
		ck_assert_ptr_null(relabel);
		ck_assert_msg(strstr(text.ptr, cases[i].wanted) != NULL, "%s: %s", cases[i].rules,
			      text.ptr);
		buf_fini(&text);
	}
}
END_TEST

START_TEST(no_rules_are_no_object_and_too_many_are_refused)
{
	struct relabel *relabel;
	struct buf rules;

	ck_assert_int_eq(make("", &relabel, NULL), 0);
	ck_assert_ptr_null(relabel);
	ck_assert_uint_eq(relabel_hash(relabel), 0);
	buf_init(&rules);
	for (int i = 0; i <= RELABEL_RULES_MAX; i++)
		buf_add_str(&rules, "- {target_label: a}\n");
	ck_assert_int_eq(make(rules.ptr, &relabel, NULL), ERR_INVALID);
	buf_fini(&rules);
}
END_TEST

START_TEST(equal_rules_have_equal_hashes)
{
	struct relabel *a, *b, *c;

	ck_assert_int_eq(make("- {target_label: a}", &a, NULL), 0);
	ck_assert_int_eq(make("- {target_label: a, replacement: '$1'}", &b, NULL), 0);
	ck_assert_int_eq(make("- {target_label: a, replacement: '$2'}", &c, NULL), 0);
	ck_assert_uint_eq(relabel_hash(a), relabel_hash(b));
	ck_assert_uint_ne(relabel_hash(a), relabel_hash(c));
	relabel_unref(a);
	relabel_unref(b);
	relabel_unref(c);
}
END_TEST

static Suite *relabel_suite(void)
{
	Suite *suite = suite_create("relabel");
	TCase *tcase = tcase_create("relabel");

	tcase_add_test(tcase, each_action_does_what_prometheus_does);
	tcase_add_test(tcase, wrong_rules_are_told_at_their_place);
	tcase_add_test(tcase, no_rules_are_no_object_and_too_many_are_refused);
	tcase_add_test(tcase, equal_rules_have_equal_hashes);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(relabel_suite)
