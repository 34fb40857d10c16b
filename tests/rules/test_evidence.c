/* Evidence: bounds and texts; and what templates make of it. */
#include "rules/evidence.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "rules/rule_file.h"
#include "rules/template.h"
#include "tests/check_main.h"

START_TEST(evidence_is_bounded)
{
	struct evidence *evidence = evidence_new();
	char line[2 * EVIDENCE_LINE_BYTES_MAX];
	ck_assert(evidence_is_empty(evidence));
	ck_assert(evidence_is_empty(NULL));
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < EVIDENCE_LINES_MAX; i++)
		ck_assert_int_eq(evidence_line_add(evidence, (struct slice){ line, sizeof(line) }),
				 0);
	ck_assert_int_eq(evidence_line_add(evidence, SLICE("one more")), ERR_LIMIT);
	ck_assert_uint_eq(evidence->nlines, EVIDENCE_LINES_MAX);
	ck_assert_uint_eq(strlen(evidence->lines[0]), EVIDENCE_LINE_BYTES_MAX);
	for (int i = 0; i < EVIDENCE_FUNCTIONS_MAX; i++)
		ck_assert_int_eq(evidence_function_add(evidence,
						       (struct slice){ line, sizeof(line) },
						       SLICE("cpu"), 0.5, 1),
				 0);
	ck_assert_int_eq(evidence_function_add(evidence, SLICE("f"), SLICE("cpu"), 0, 0),
			 ERR_LIMIT);
	ck_assert_uint_eq(strlen(evidence->functions[0].name), EVIDENCE_NAME_BYTES_MAX);
	ck_assert(!evidence_is_empty(evidence));
	evidence_unref(evidence_ref(evidence));
	evidence_unref(evidence);
}
END_TEST

START_TEST(evidence_is_text)
{
	struct evidence *evidence = evidence_new();
	char line[EVIDENCE_LINE_BYTES_MAX + 1];
	ck_assert_int_eq(evidence_line_add(evidence, SLICE("a\0b\377c\303\251")), 0);
	ck_assert_str_eq(evidence->lines[0], "a\xef\xbf\xbd"
					     "b\xef\xbf\xbd"
					     "c\303\251");
	/* Cut between characters. */
	memset(line, 'x', sizeof(line));
	memcpy(line + EVIDENCE_LINE_BYTES_MAX - 1, "\303\251", 2);
	ck_assert_int_eq(evidence_line_add(evidence, (struct slice){ line, sizeof(line) }), 0);
	ck_assert_uint_eq(strlen(evidence->lines[1]), EVIDENCE_LINE_BYTES_MAX - 1);
	ck_assert_int_eq(evidence_line_add(evidence, SLICE("")), 0);
	ck_assert_str_eq(evidence->lines[2], "");
	evidence_unref(evidence);
}
END_TEST

/* ---- in templates ---- */

static struct evidence *some_evidence(void)
{
	struct evidence *evidence = evidence_new();
	ck_assert_int_eq(evidence_line_add(evidence, SLICE("timeout of {{ db }}")), 0);
	ck_assert_int_eq(evidence_line_add(evidence, SLICE("retry")), 0);
	ck_assert_int_eq(
		evidence_function_add(evidence, SLICE("main.hot"), SLICE("cpu"), 0.42, 0.9), 0);
	return evidence;
}

/* Rendered with some evidence, or none; active since 1700000000.5. */
static const char *render(const char *text, bool has_evidence)
{
	static char out[1024];
	struct arena arena;
	struct diag_list diags;
	const struct template *template;
	struct buf buf;
	arena_init(&arena, 0);
	diag_list_init(&diags);
	buf_init(&buf);
	struct source source = { .text = slice_from(text), .line0 = 1, .column0 = 1 };
	struct evidence *evidence = has_evidence ? some_evidence() : NULL;
	struct template_data data = { .active_at_ms = has_evidence ? 1700000000500 : TIME_NONE,
				      .evidence = evidence };
	if (template_parse(&source, &arena, &diags, &template))
		buf_add_str(&buf, diags.items[0].message);
	else
		template_render(template, &data, &buf);
	snprintf(out, sizeof(out), "%s", buf.ptr ? buf.ptr : "");
	buf_fini(&buf);
	evidence_unref(evidence);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return out;
}

START_TEST(evidence_in_templates)
{
	static const struct {
		const char *text, *with, *without;
	} cases[] = {
		{ "{{ range $evidence.lines }}[{{ . }}]{{ end }}", "[timeout of {{ db }}][retry]",
		  "" },
		{ "{{ range $i, $l := $evidence.lines }}{{ $i }}={{ $l }};{{ else }}none{{ end }}",
		  "0=timeout of {{ db }};1=retry;", "none" },
		{ "{{ range $evidence.functions }}{{ .name }} {{ .profile_type }} "
		  "{{ .self_ratio | humanizePercentage }} {{ .total_ratio }}{{ end }}",
		  "main.hot cpu 42% 0.9", "" },
		{ "{{ if $evidence }}yes{{ else }}no{{ end }}", "yes", "no" },
		{ "{{ with $evidence.functions }}{{ len . }} {{ (index . 0).name }}{{ end }}",
		  "1 main.hot", "" },
		{ "{{ index $evidence.lines 1 }}", "retry",
		  "<error expanding template: index $evidence.lines 1: error calling index: "
		  "index out of range: 1>" },
		{ "{{ $evidence.lines }} {{ $evidence.functions }}",
		  "[timeout of {{ db }} retry] [main.hot]", "[] []" },
		{ "{{ $evidence }}", "{[timeout of {{ db }} retry] [main.hot]}", "{[] []}" },
		{ "{{ $activeAt }}", "2023-11-14 22:13:20.5 +0000 UTC", "<no value>" },
		{ "{{ with $activeAt }}{{ .Unix }} {{ .UnixMilli }}{{ end }}",
		  "1700000000 1700000000500", "" },
		{ "{{ $evidence.line }}",
		  "$evidence has no field \"line\": it has lines and functions",
		  "$evidence has no field \"line\": it has lines and functions" },
		{ "{{ $activeAt.Year }}",
		  "$activeAt has no field \"Year\": it has Unix and "
		  "UnixMilli",
		  "$activeAt has no field \"Year\": it has Unix and UnixMilli" },
		{ "{{ (index $evidence.functions 0).nothing }}",
		  "<error expanding template: 0: can't evaluate field nothing in type function>",
		  NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_str_eq(render(cases[i].text, true), cases[i].with);
		if (cases[i].without)
			ck_assert_str_eq(render(cases[i].text, false), cases[i].without);
	}
}
END_TEST

/* The first error of a rule file; "" for none. */
static const char *load(const char *text)
{
	static char out[512];
	const struct rule_set_options options = { .interval_ms = 15000, .rules_max = 100 };
	struct diag_list diags;
	struct rule_set *rules = NULL;
	diag_list_init(&diags);
	int code = rule_set_load_text(slice_from(text), "f.yml", &options, &diags, &rules);
	snprintf(out, sizeof(out), "%s", code ? diags.items[0].message : "");
	rule_set_unref(rules);
	diag_list_fini(&diags);
	return out;
}

START_TEST(evidence_is_for_annotations)
{
	ck_assert_str_eq(load("groups: [{name: g, rules: [{alert: A, expr: x, annotations: {a: "
			      "'{{ $evidence.lines }}'}}]}]"),
			 "");
	ck_assert_str_eq(
		load("groups: [{name: g, rules: [{alert: A, expr: x, labels: {a: "
		     "'{{ $activeAt }}'}}]}]"),
		"a label is what tells alerts apart: it cannot use $activeAt or $evidence");
	ck_assert_str_eq(
		load("groups: [{name: g, labels: {a: '{{ $evidence }}'}, rules: [{alert: A, expr: "
		     "x}]}]"),
		"a label is what tells alerts apart: it cannot use $activeAt or $evidence");
	ck_assert_str_eq(load("groups: [{name: g, dialect: prometheus, rules: [{alert: A, expr: x, "
			      "annotations: {a: '{{ $activeAt }}'}}]}]"),
			 "$activeAt and $evidence are additions of Tocsin's: not under dialect: "
			 "prometheus");
}
END_TEST

static Suite *evidence_suite(void)
{
	Suite *suite = suite_create("evidence");
	TCase *tcase = tcase_create("evidence");
	tcase_add_test(tcase, evidence_is_bounded);
	tcase_add_test(tcase, evidence_is_text);
	tcase_add_test(tcase, evidence_in_templates);
	tcase_add_test(tcase, evidence_is_for_annotations);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(evidence_suite)
