/* Templates: cases from template_cases.txt, diagnostics, limits. */
#include "rules/template.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "rules/template_tree.h"
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

static struct labels *some_labels(void)
{
	static const struct label pairs[] = {
		{ SLICE("__name__"), SLICE("m") },
		{ SLICE("a"), SLICE("1") },
		{ SLICE("b"), SLICE("2") },
		{ SLICE("instance"), SLICE("node1.example.org:9100") },
		{ SLICE("job"), SLICE("node") },
		{ SLICE("path"), SLICE("/x?y=1&z=<é>") },
	};
	struct labels *labels;
	ck_assert_int_eq(labels_new(pairs, sizeof(pairs) / sizeof(*pairs), &labels, NULL), 0);
	return labels;
}

static int parse(const char *text, const struct template **out)
{
	struct source *source = ARENA_NEW(&arena, struct source);
	*source = (struct source){ .text = slice_from(text), .line0 = 1, .column0 = 1 };
	return template_parse(source, &arena, &diags, out);
}

/* What scripts/check-templates gives promtool as series, and the queries of the cases. */
static struct query_results *some_results(void)
{
	static const struct {
		const char *text, *error;
		int nelements;
	} queries[] = {
		{ "q", NULL, 2 },
		{ "sort(q)", NULL, 2 },
		{ "q{c=\"\"}", NULL, 1 },
		{ "q == 7", NULL, 1 },
		{ "nothing", NULL, 0 },
		{ "sum(", "1:4: parse error: unclosed left parenthesis", 0 },
	};
	static const struct label pairs[][3] = {
		{ { SLICE("__name__"), SLICE("q") }, { SLICE("b"), SLICE("q2") } },
		{ { SLICE("__name__"), SLICE("q") },
		  { SLICE("b"), SLICE("q1") },
		  { SLICE("c"), SLICE("1") } },
	};
	struct query_results *results = query_results_new(1234500);
	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++) {
		struct query_result *result = query_result_new(slice_from(queries[i].text));
		for (int k = 0; k < queries[i].nelements; k++) {
			struct labels *labels;
			ck_assert_int_eq(labels_new(pairs[k], k == 0 ? 2 : 3, &labels, NULL), 0);
			ck_assert_int_eq(query_result_add(result, labels, k == 0 ? 7 : 1e8), 0);
			labels_unref(labels);
		}
		if (queries[i].error)
			query_result_fail(result, slice_from(queries[i].error));
		ck_assert_int_eq(query_results_add(results, result), 0);
		query_result_unref(result);
	}
	return results;
}

/* The text of a template with the given value, in an alert of this name; to free(). */
static char *render_in(const char *name, const char *text, double value)
{
	const struct template *template;
	struct labels *labels = some_labels();
	struct query_results *results = some_results();
	struct template_data data = { .name = slice_from(name),
				      .labels = labels,
				      .value = value,
				      .external_url = "http://tocsin.example/pre",
				      .results = results };
	struct buf out;
	buf_init(&out);
	buf_add_str(&out, "");
	if (parse(text, &template))
		buf_add_str(&out, diags.items[diags.n - 1].message);
	else
		template_render(template, &data, &out);
	labels_unref(labels);
	query_results_unref(results);
	return buf_take(&out);
}

static char *render(const char *text, double value)
{
	return render_in("", text, value);
}

/* ⏎ and ␠ for their bytes; what follows " !" says which peer disagrees, for
 * scripts/check-templates. */
static char *unfold(const char *line)
{
	struct buf out;
	buf_init(&out);
	buf_add_str(&out, "");
	while (*line && strncmp(line, " !go", 4) != 0 && strncmp(line, " !promtool", 10) != 0) {
		if (strncmp(line, "⏎", strlen("⏎")) == 0) {
			buf_add_char(&out, '\n');
			line += strlen("⏎");
		} else if (strncmp(line, "␠", strlen("␠")) == 0) {
			buf_add_char(&out, ' ');
			line += strlen("␠");
		} else {
			buf_add_char(&out, *line++);
		}
	}
	return buf_take(&out);
}

static bool check_case(const char *template_line, const char *expected_line, double value,
		       unsigned number)
{
	char *template = unfold(template_line), *expected = unfold(expected_line),
	     *got = render_in("T", template, value);
	bool good = strcmp(expected, "<error>") == 0
			    ? strncmp(got, "<error expanding template: ", 27) == 0
			    : strcmp(got, expected) == 0;
	if (!good)
		fprintf(stderr, "template_cases.txt:%u: %s\n  expected: %s\n  got:      %s\n",
			number, template_line, expected, got);
	free(template);
	free(expected);
	free(got);
	return good;
}

START_TEST(template_gives_what_go_gives)
{
	char path[4096], line[4096], template[4096] = "";
	double value = 0;
	unsigned number = 0, cases = 0, failed = 0;
	snprintf(path, sizeof(path), "%s/tests/rules/template_cases.txt", getenv("TOCSIN_SRCDIR"));
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || (line[0] == '\0' && !template[0]))
			continue;
		if (strncmp(line, "@value ", 7) == 0) {
			value = strtod(line + 7, NULL);
		} else if (!template[0]) {
			strcpy(template, line);
		} else {
			failed += !check_case(template, line, value, number);
			cases++;
			template[0] = '\0';
		}
	}
	fclose(file);
	printf("%u cases, %u failed\n", cases, failed);
	ck_assert_uint_gt(cases, 80);
	ck_assert_uint_eq(failed, 0);
}
END_TEST

/* A template and what is said of it: "line:column severity: message[; hint]", one a line. */
static const struct {
	const char *text, *said;
} complaints[] = {
	{ "{{ $lables.x }}",
	  "1:4+7 error: undefined variable \"$lables\"; did you mean \"$labels\"?\n" },
	{ "{{ $value | humanise }}",
	  "1:13+8 error: unknown function \"humanise\"; did you mean \"humanize\"?\n" },
	{ "{{ $lables.x }}\n{{ $value | humanise }}",
	  "1:4+7 error: undefined variable \"$lables\"; did you mean \"$labels\"?\n"
	  "2:13+8 error: unknown function \"humanise\"; did you mean \"humanize\"?\n" },
	{ "{{ labels.x }}",
	  "1:4+6 error: unknown function \"labels\"; did you mean \"$labels\"?\n" },
	{ "{{ Labels.x }}",
	  "1:4+6 error: unknown function \"Labels\"; did you mean \".Labels\"?\n" },
	{ "{{ $evidence.line }}", "1:4+14 error: $evidence has no field \"line\": it has lines and "
				  "functions; did you mean \".lines\"?\n" },
	{ "{{ (toTime 5).Year }}",
	  "1:4+15 error: the methods of times and durations are not there yet\n" },
	{ "{{ tmpl \"x\" . }}", "1:4+4 error: unknown function \"tmpl\"; that is of Prometheus' "
				"console pages; write {{ template \"name\" . }}\n" },
	{ "{{ define \"x\" }}", "1:1+2 error: \"define\" is not closed: {{ end }} is missing\n" },
	{ "{{ block \"x\" . }}", "1:1+2 error: \"block\" is not closed: {{ end }} is missing\n" },
	{ "{{ block \"x\" }}{{ end }}", "1:14+2 error: a value is missing in block\n" },
	{ "{{ define x }}{{ end }}",
	  "1:11+1 error: define wants a name in quotes; put the name in quotes\n" },
	{ "{{ template }}", "1:13+2 error: the name is missing in template\n" },
	{ "{{ define \"x\" . }}{{ end }}", "1:15+1 error: unexpected \".\" in define\n" },
	{ "{{ define \"x\" }}a{{ else }}b{{ end }}",
	  "1:21+4 error: {{ else }} without an \"if\", \"with\" or \"range\"\n" },
	{ "{{ if true }}{{ define \"x\" }}{{ end }}{{ end }}",
	  "1:17+6 error: a template is defined at the top of the text, not within something "
	  "else\n" },
	{ "{{ define \"x\" }}a{{ end }}{{ block \"x\" . }}b{{ end }}",
	  "1:36+3 error: template \"x\" is defined already\n" },
	{ "{{ define \"x\" }}{{ $labels.a }}{{ end }}",
	  "1:20+7 error: undefined variable \"$labels\"; a template has no variables but its own; "
	  "what it is to know is handed to it: {{ template \"x\" $labels }}\n" },
	{ "{{ define \"x\" }}{{ $count := 1 }}{{ $cuont }}{{ end }}",
	  "1:37+6 error: undefined variable \"$cuont\"; did you mean \"$count\"?\n" },
	{ "{{ define \"text\" }}{{ end }}{{ template \"test\" . }}",
	  "1:41+8 warning: template \"test\" is not defined in this text: rendering will fail; did "
	  "you mean \"text\"?\n" },
	{ "{{ if true }}x", "1:1+5 error: \"if\" is not closed: {{ end }} is missing\n" },
	{ "x {{ end }} {{ $nope }}",
	  "1:3+2 error: {{ end }} closes nothing\n1:16+5 error: undefined variable \"$nope\"\n" },
	{ "{{ else }}", "1:4+4 error: {{ else }} without an \"if\", \"with\" or \"range\"\n" },
	{ "{{ if true }}{{ else }}{{ else }}{{ end }}", "1:27+4 error: a second {{ else }}\n" },
	{ "{{ if }}x{{ end }}", "1:7+2 error: a value is missing in if\n" },
	{ "{{ }}", "1:4+2 error: a value is missing in an action\n" },
	{ "{{ $value | }}", "1:13+2 error: a value is missing in an action\n" },
	{ "{{ $value ", "1:10+1 error: unclosed action: \"}}\" is missing\n" },
	{ "{{ ($value }}", "1:12+2 error: unexpected \"}}\" in parentheses\n" },
	{ "{{ $value) }}", "1:10+1 error: unexpected \")\" in an action\n" },
	{ "{{ \"abc }}", "1:4+1 error: unclosed string\n" },
	{ "{{ \"a\\q\" }}", "1:4+5 error: bad escape in a string\n" },
	{ "{{ 1x }}", "1:4+2 error: bad number \"1x\"\n" },
	{ "{{ 'ab' }}", "1:4+4 error: bad character literal\n" },
	{ "{{ \"a\"\"b\" }}", "1:7+3 error: a blank is missing before \"\"b\"\"\n" },
	{ "{{ nil }}", "1:4+3 warning: nil is not a command: rendering will fail\n" },
	{ "{{ $value | 5 }}",
	  "1:13+1 error: a pipeline goes on into a function, not into a value\n" },
	{ "{{ $x, $y := $labels }}", "1:8+2 error: too many variables are set at once\n" },
	{ "{{ $labels.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q }}",
	  "1:43+2 error: a chain of more than 16 fields\n" },
	{ "{{ $x = 1 }}", "1:4+2 error: undefined variable \"$x\"\n" },
	{ "{{ break }}", "1:4+5 error: \"break\" outside of a range\n" },
	{ "{{/* x }}", "1:1+2 error: unclosed comment\n" },
	{ "{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}",
	  "1:39+2 error: undefined variable \"$x\"\n" },
	{ "{{ $value; }}", "1:10+1 error: unexpected \";\" in an action\n" },
	{ "{{ els }}", "1:4+3 error: unknown function \"els\"; did you mean \"else\"?\n" },
	{ "{{ .Lables.x }}", "1:4+9 warning: the data has no field \"Lables\": rendering will "
			     "fail; did you mean \".Labels\"?\n" },
	{ "{{ $labels.service.name }}",
	  "1:4+20 warning: label \"service\" is a text: it has no field \"name\", rendering will "
	  "fail; "
	  "for a label of that name: {{ index $labels \"service.name\" }}\n" },
	{ "{{ $value humanize }}",
	  "1:4+6 warning: \"$value\" is a value: it takes no arguments, rendering will fail; pass "
	  "a value on with \"|\"\n"
	  "1:11+8 warning: \"humanize\" takes 1 argument but is given 0: rendering will fail\n" },
	{ "{{ humanize }}",
	  "1:4+8 warning: \"humanize\" takes 1 argument but is given 0: rendering will fail\n" },
	{ "{{ with .Labels }}{{ .job }}{{ end }}", "" },
};

START_TEST(template_complains_at_the_place)
{
	const struct template *template;
	struct buf said;
	buf_init(&said);
	buf_reserve(&said, 1);
	parse(complaints[_i].text, &template);
	for (size_t i = 0; i < diags.n; i++) {
		const struct diag *diag = &diags.items[i];
		buf_printf(&said, "%u:%u+%u %s: %s%s%s\n", diag->line, diag->column, diag->span,
			   diag->severity == DIAG_ERROR ? "error" : "warning", diag->message,
			   diag->hint ? "; " : "", diag->hint ? diag->hint : "");
	}
	ck_assert_str_eq(said.ptr, complaints[_i].said);
	buf_fini(&said);
}
END_TEST

START_TEST(template_knows_what_it_depends_on)
{
	static const struct {
		const char *text;
		bool constant, uses_value;
	} cases[] = {
		{ "plain", true, false },
		{ "{{/* only a comment */}}plain", true, false },
		{ "{{ $labels.job }}", false, false },
		{ "{{ .Labels.job }} {{ $.Labels }} {{ range .Labels }}{{ . }}{{ end }}", false,
		  false },
		{ "{{ $value }}", false, true },
		{ "{{ with .Value }}{{ . }}{{ end }}", false, true },
		{ "{{ range .Labels }}{{ $.Value }}{{ end }}", false, true },
		{ "{{ . }}", false, true },
		{ "{{ with $ }}{{ .Value }}{{ end }}", false, true },
		{ "{{ define \"x\" }}{{ . }}{{ end }}{{ template \"x\" . }}", false, true },
		{ "{{ define \"x\" }}{{ .Value }}{{ $.Value }}{{ end }}{{ template \"x\" 1 }}",
		  false, false },
		{ "{{ printf \"%v\" (print $value) }}", false, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct template *template;
		ck_assert_int_eq(parse(cases[i].text, &template), 0);
		ck_assert_msg(template_is_constant(template) == cases[i].constant, "%s",
			      cases[i].text);
		ck_assert_msg(template_uses_value(template) == cases[i].uses_value, "%s",
			      cases[i].text);
	}
}
END_TEST

START_TEST(template_failure_replaces_the_text)
{
	char *got = render("before {{ humanize \"abc\" }} after", 1);
	ck_assert_str_eq(got,
			 "<error expanding template: humanize \"abc\": error calling humanize: "
			 "strconv.ParseFloat: parsing \"abc\": invalid syntax>");
	free(got);
	got = render("{{ $labels.job.x }}", 1);
	ck_assert_str_eq(
		got,
		"<error expanding template: $labels.job.x: can't evaluate field x in type string>");
	free(got);
}
END_TEST

START_TEST(template_data_is_never_read_as_a_template)
{
	const struct template *template;
	struct label pair = { SLICE("x"), SLICE("{{ $value }}{{ end }}") };
	struct labels *labels;
	ck_assert_int_eq(labels_new(&pair, 1, &labels, NULL), 0);
	struct template_data data = { .labels = labels };
	struct buf out;
	buf_init(&out);
	ck_assert_int_eq(parse("{{ $labels.x }}", &template), 0);
	ck_assert_int_eq(template_render(template, &data, &out), 0);
	ck_assert_str_eq(out.ptr, "{{ $value }}{{ end }}");
	buf_fini(&out);
	labels_unref(labels);
}
END_TEST

/* `head`, n times `unit`, `tail`; lives in the arena. */
static const char *repeated(const char *head, const char *unit, size_t n, const char *tail)
{
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, head);
	while (n-- > 0)
		buf_add_str(&text, unit);
	buf_add_str(&text, tail);
	const char *copy = arena_strdup(&arena, buf_slice(&text));
	buf_fini(&text);
	return copy;
}

static void assert_renders(const char *text, const char *expected)
{
	char *got = render(text, 1);
	ck_assert_str_eq(got, expected);
	free(got);
}

START_TEST(template_limits_its_size)
{
	const struct template *template;
	ck_assert_int_eq(parse(repeated("", "x", TEMPLATE_BYTES_MAX, ""), &template), 0);
	ck_assert_int_eq(parse(repeated("", "x", TEMPLATE_BYTES_MAX + 1, ""), &template),
			 ERR_INVALID);
	ck_assert_str_eq(diags.items[0].message, "a template of more than 65536 bytes");
}
END_TEST

START_TEST(template_limits_its_nesting)
{
	const struct template *template;
	/* An action is a level itself. */
	ck_assert_int_eq(parse(repeated("{{ ", "(", TEMPLATE_DEPTH_MAX - 1,
					repeated("1", ")", TEMPLATE_DEPTH_MAX - 1, " }}")),
			       &template),
			 0);
	ck_assert_int_eq(parse(repeated("{{ ", "(", TEMPLATE_DEPTH_MAX,
					repeated("1", ")", TEMPLATE_DEPTH_MAX, " }}")),
			       &template),
			 ERR_INVALID);
	ck_assert_str_eq(diags.items[0].message, "nested more than 64 deep");
	ck_assert_int_eq(parse(repeated("", "{{if 1}}", TEMPLATE_DEPTH_MAX - 1,
					repeated("x", "{{end}}", TEMPLATE_DEPTH_MAX - 1, "")),
			       &template),
			 0);
	ck_assert_int_eq(parse(repeated("", "{{if 1}}", TEMPLATE_DEPTH_MAX + 1,
					repeated("x", "{{end}}", TEMPLATE_DEPTH_MAX + 1, "")),
			       &template),
			 ERR_INVALID);
	ck_assert_int_eq(parse(repeated("{{if 1}}", "{{block \"b\" .}}", TEMPLATE_DEPTH_MAX,
					repeated("x", "{{end}}", TEMPLATE_DEPTH_MAX + 1, "")),
			       &template),
			 ERR_INVALID);
	ck_assert_str_eq(diags.items[0].message, "nested more than 64 deep");
	/* A chain of `else if` is no nesting. */
	assert_renders(repeated("{{ if 0 }}a", "{{ else if 0 }}b", 1000, "{{ else }}c{{ end }}"),
		       "c");
}
END_TEST

START_TEST(template_limits_templates_that_use_themselves)
{
	assert_renders("{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" 1 }}",
		       "<error expanding template: {{template \"x\" .}}: exceeded maximum template "
		       "depth (1000)>");
	/* However much is between them; and what ends by itself is no matter. */
	assert_renders("{{ define \"x\" }}{{ if 1 }}{{ range 1 }}{{ with 1 }}{{ template \"x\" }}"
		       "{{ end }}{{ end }}{{ end }}{{ end }}{{ template \"x\" }}",
		       "<error expanding template: {{template \"x\"}}: exceeded maximum template "
		       "depth (1000)>");
	char *got = render("{{ define \"x\" }}{{ if . }}{{ template \"x\" slice . 1 }}{{ else }}end"
			   "{{ end }}{{ end }}{{ template \"x\" printf \"%400s\" \"\" }}",
			   1);
	ck_assert_str_eq(got, "end");
	free(got);
}
END_TEST

START_TEST(template_limits_what_it_defines)
{
	const struct template *template;
	struct buf text;
	buf_init(&text);
	for (int i = 0; i < TEMPLATE_DEFINITIONS_MAX; i++)
		buf_printf(&text, "{{ define \"%d\" }}x{{ end }}", i);
	ck_assert_int_eq(parse(arena_strdup(&arena, buf_slice(&text)), &template), 0);
	buf_add_str(&text, "{{ define \"more\" }}x{{ end }}");
	ck_assert_int_eq(parse(arena_strdup(&arena, buf_slice(&text)), &template), ERR_INVALID);
	ck_assert_str_eq(diags.items[0].message, "more than 100 templates in one text");
	buf_fini(&text);
}
END_TEST

/* A name is looked for among so many, the newest. */
START_TEST(template_knows_near_names_of_so_many)
{
	const struct template *template;
	for (int n = 64; n <= 65; n++) {
		struct buf text;
		buf_init(&text);
		buf_add_str(&text, "{{ define \"target\" }}x{{ end }}");
		for (int i = 1; i < n; i++)
			buf_printf(&text, "{{ define \"%d\" }}x{{ end }}", i);
		buf_add_str(&text, "{{ template \"targte\" . }}");
		diag_list_fini(&diags);
		diag_list_init(&diags);
		ck_assert_int_eq(parse(arena_strdup(&arena, buf_slice(&text)), &template), 0);
		ck_assert_uint_eq(diags.n, 1);
		if (n == 64)
			ck_assert_str_eq(diags.items[0].hint, "did you mean \"target\"?");
		else
			ck_assert_ptr_null(diags.items[0].hint);
		buf_fini(&text);
	}
}
END_TEST

START_TEST(template_limits_its_numbers)
{
	const struct template *template;
	assert_renders(repeated("{{ ", "0", 197, "7. }}"), "7");
	ck_assert_int_eq(parse(repeated("{{ ", "0", 198, "7. }}"), &template), ERR_INVALID);
	ck_assert_str_eq(diags.items[0].message, "a number of more than 199 bytes");
	/* As a text, too. */
	assert_renders(repeated("{{ humanize \"", "0", 510, "7\" }}"), "7");
	char *got = render(repeated("{{ humanize \"", "0", 511, "7\" }}"), 1);
	ck_assert_ptr_nonnull(strstr(got, "error calling humanize: strconv.ParseFloat: parsing"));
	free(got);
	/* No address is longer than this. */
	assert_renders(repeated("{{ stripDomain \"", "1.", 40, "1:80\" }}"), "1:80");
}
END_TEST

START_TEST(template_limits_its_variables)
{
	const struct template *template;
	ck_assert_int_eq(
		parse(repeated("", "{{$x:=1}}", TEMPLATE_VARIABLES_MAX - SLOT_FIRST_OWN, ""),
		      &template),
		0);
	ck_assert_int_eq(
		parse(repeated("", "{{$x:=1}}", TEMPLATE_VARIABLES_MAX - SLOT_FIRST_OWN + 1, ""),
		      &template),
		ERR_INVALID);
	ck_assert_str_eq(diags.items[0].message, "more than 200 variables in one scope");
}
END_TEST

START_TEST(template_limits_its_output)
{
	char *got = render("{{ range 64 }}{{ printf \"%1024d\" 1 }}{{ end }}", 1);
	ck_assert_uint_eq(strlen(got), TEMPLATE_OUTPUT_MAX);
	free(got);
	assert_renders("{{ range 64 }}{{ printf \"%1024d\" 1 }}{{ end }}x",
		       "<error expanding template: a text of more than 65536 bytes>");
}
END_TEST

START_TEST(template_limits_its_steps)
{
	assert_renders("{{ range 10000 }}{{ end }}done", "done");
	assert_renders("{{ range 1000000000000 }}{{ end }}",
		       "<error expanding template: more than 100000 steps>");
	assert_renders("{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}",
		       "<error expanding template: more than 100000 steps>");
}
END_TEST

START_TEST(template_limits_its_memory)
{
	/* Doubles at each turn: stopped by the length of one text, else by the sum of all. */
	assert_renders("{{ $x := \"xxxxxxxx\" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}",
		       "<error expanding template: print $x $x: error calling print: a limit was "
		       "exceeded>");
	assert_renders(
		"{{ range 40 }}{{ $x := printf \"%9999d%9999d%9999d%9999d\" 1 1 1 1 }}{{ end }}",
		"<error expanding template: printf \"%9999d%9999d%9999d%9999d\" 1 1 1 1: error "
		"calling "
		"printf: a limit was exceeded>");
	assert_renders("{{ $x := printf \"%9999d\" 1 }}{{ reReplaceAll \".\" $x $x }}",
		       "<error expanding template: reReplaceAll \".\" $x $x: error calling "
		       "reReplaceAll: a limit was exceeded>");
	/* TEMPLATE_REPLACE_MAX: what replacing could make, 673 * 24928 + 672 bytes, is 16 MiB. */
	assert_renders("{{ $t := printf \"%9999d%9999d%4930d\" 1 1 1 }}"
		       "{{ $s := printf \"%672d\" 1 }}{{ len (reReplaceAll \"x\" $t $s) }}",
		       "672");
	assert_renders("{{ $t := printf \"%9999d%9999d%4930d\" 1 1 1 }}"
		       "{{ $s := printf \"%673d\" 1 }}{{ len (reReplaceAll \"x\" $t $s) }}",
		       "<error expanding template: reReplaceAll \"x\" $t $s: error calling "
		       "reReplaceAll: a limit was exceeded>");
	assert_renders(
		"{{ printf \"%10001d\" 1 }}",
		"<error expanding template: printf \"%10001d\" 1: error calling printf: a limit "
		"was exceeded>");
	assert_renders(
		"{{ (args 1 2 3 4 5 6 7 8 9 10 11).arg0 }}",
		"<error expanding template: args 1 2 3 4 5 6 7 8 9 10 11: error calling args: "
		"more than 10 arguments>");
	assert_renders("{{ printf \"%*d\" 10001 1 }}",
		       "<error expanding template: printf \"%*d\" 10001 1: error calling printf: "
		       "a limit was exceeded>");
	assert_renders("{{ printf \"%*d\" 1000001 1 }}", "%!(BADWIDTH)1");
	assert_renders("{{ query (printf \"%4097s\" \"x\") }}",
		       "<error expanding template: query (printf \"%4097s\" \"x\"): error calling "
		       "query: more than 4096 bytes>");
}
END_TEST

/* However long what is wrong is: it is told with its head. */
START_TEST(template_limits_its_complaints)
{
	static const char *const parts[][2] = {
		{ "{{ humanize \"", "\" }}" },
		{ "{{ range \"", "\" }}{{ end }}" },
		{ "{{ toTime \"", "\" }}" },
		{ "{{ template \"", "\" }}" },
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char *got = render(repeated(parts[i][0], "x", 20000, parts[i][1]), 1);
		ck_assert_msg(strncmp(got, "<error ", 7) == 0 && strlen(got) < 2200, "%s", got);
		free(got);
	}
}
END_TEST

START_TEST(template_functions_are_documented)
{
	struct buf out;
	buf_init(&out);
	template_reference(&out);
	ck_assert_ptr_nonnull(strstr(out.ptr, "| `printf text any …` | "));
	ck_assert_ptr_nonnull(strstr(out.ptr, "| `sortByLabel text result` | "));
	buf_fini(&out);
	for (size_t i = 0; i < template_nfunctions; i++) {
		const char *doc = template_functions[i].doc;
		ck_assert_msg(doc[0] && doc[strlen(doc) - 1] == '.', "%s",
			      template_functions[i].name);
		ck_assert_ptr_eq(template_function_find(slice_from(template_functions[i].name)),
				 &template_functions[i]);
	}
}
END_TEST

static Suite *template_suite(void)
{
	Suite *suite = suite_create("template");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, template_gives_what_go_gives);
	tcase_add_loop_test(all, template_complains_at_the_place, 0,
			    sizeof(complaints) / sizeof(*complaints));
	tcase_add_test(all, template_knows_what_it_depends_on);
	tcase_add_test(all, template_failure_replaces_the_text);
	tcase_add_test(all, template_data_is_never_read_as_a_template);
	tcase_add_test(all, template_limits_its_size);
	tcase_add_test(all, template_limits_its_nesting);
	tcase_add_test(all, template_limits_templates_that_use_themselves);
	tcase_add_test(all, template_limits_what_it_defines);
	tcase_add_test(all, template_knows_near_names_of_so_many);
	tcase_add_test(all, template_limits_its_numbers);
	tcase_add_test(all, template_limits_its_variables);
	tcase_add_test(all, template_limits_its_output);
	tcase_add_test(all, template_limits_its_steps);
	tcase_add_test(all, template_limits_its_memory);
	tcase_add_test(all, template_limits_its_complaints);
	tcase_add_test(all, template_functions_are_documented);
	suite_add_tcase(suite, all);
	return suite;
}

TEST_MAIN(template_suite)
