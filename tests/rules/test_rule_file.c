/* Rule files: what is bound, what is refused and how that is said, hashes, limits, real files. */
#include "rules/rule_file.h"

#include <glob.h>
#include <pthread.h>
#include <unistd.h>

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

static struct rule_set_options options(void)
{
	static const struct slice runbooks[] = { SLICE("restart"), SLICE("capture-heap") };
	return (struct rule_set_options){ .interval_ms = 60000,
					  .query_offset_ms = 1000,
					  .rules_max = RULES_MAX,
					  .runbooks = runbooks,
					  .nrunbooks = 2 };
}

static int load(const char *text)
{
	struct rule_set_options opts = options();
	rule_set_unref(set);
	set = NULL;
	return rule_set_load_text(slice_from(text), "f.yml", &opts, &diags, &set);
}

static void load_good(const char *text)
{
	int error = load(text);
	ck_assert_msg(error == 0, "%s", diags.n ? diags.items[0].message : error_text(error));
}

static void assert_slice(struct slice got, const char *expected)
{
	ck_assert_msg(slice_is(got, expected), "expected \"%s\", got \"" SLICE_FMT "\"", expected,
		      SLICE_ARG(got));
}

static const char full_file[] =
	"x-common: &common {severity: page, team: core}\n"
	"groups:\n"
	"- name: one\n"
	"  interval: 15s\n"
	"  query_offset: 30s\n"
	"  limit: 10\n"
	"  labels: {team: infra, env: prod}\n"
	"  warmup: off\n"
	"  evaluate: tick\n"
	"  dialect: tocsin\n"
	"  rules:\n"
	"  - record: job:up:sum\n"
	"    expr: |\n"
	"      sum  by(job)  (up)\n"
	"    labels: {team: web, empty: ''}\n"
	"  - alert: Down\n"
	"    expr: up{job=\"x\",a!=\"1\"}==0\n"
	"    for: 5m\n"
	"    keep_firing_for: 1h30m\n"
	"    labels:\n"
	"      <<: *common\n"
	"      level: '{{ $labels.level }}'\n"
	"    annotations: {summary: '{{ $labels.job }} is {{ $value }}', on: true, nil: null}\n"
	"    run: [capture-heap, restart]\n"
	"- name: two\n"
	"  dialect: prometheus\n"
	"  rules:\n"
	"  - {record: one, expr: 1}\n";

START_TEST(rule_file_binds_all_keys)
{
	load_good(full_file);
	ck_assert_uint_eq(diags.n, 0);
	ck_assert_uint_eq(set->ngroups, 2);
	ck_assert_uint_eq(set->nrules, 3);
	const struct rule_group *group = &set->groups[0];
	assert_slice(group->name, "one");
	assert_slice(group->file, "f.yml");
	ck_assert_int_eq(group->interval_ms, 15000);
	ck_assert_int_eq(group->query_offset_ms, 30000);
	ck_assert_int_eq(group->limit, 10);
	ck_assert_int_eq(group->warmup, WARMUP_OFF);
	ck_assert_int_eq(group->dialect, DIALECT_TOCSIN);
	ck_assert_uint_eq(group->line, 3);
	ck_assert_uint_eq(group->nrules, 2);
}
END_TEST

START_TEST(rule_file_binds_a_recording_rule)
{
	load_good(full_file);
	const struct rule *rule = &set->groups[0].rules[0];
	ck_assert_int_eq(rule->kind, RULE_RECORD);
	assert_slice(rule->name, "job:up:sum");
	assert_slice(rule->expr_text, "sum  by(job)  (up)\n");
	ck_assert_str_eq(rule->query, "sum by (job) (up)");
	ck_assert_uint_eq(rule->line, 12);
	ck_assert_uint_eq(rule->nlabels, 3); /* the group's and its own; its own win */
	assert_slice(rule->labels[0].name, "empty");
	assert_slice(rule->labels[0].text, "");
	assert_slice(rule->labels[1].name, "env");
	assert_slice(rule->labels[2].text, "web");
	ck_assert_ptr_null(rule->labels[1].template);
	ck_assert_uint_eq(rule->norder, 2); /* up, sum */
	ck_assert_uint_eq(rule->order[1], rule->root);
}
END_TEST

START_TEST(rule_file_binds_an_alerting_rule)
{
	load_good(full_file);
	const struct rule *rule = &set->groups[0].rules[1];
	ck_assert_int_eq(rule->kind, RULE_ALERT);
	assert_slice(rule->name, "Down");
	ck_assert_str_eq(rule->query, "up{a!=\"1\",job=\"x\"} == 0");
	ck_assert_int_eq(rule->for_ms, 300000);
	ck_assert_int_eq(rule->keep_firing_for_ms, 5400000);
	ck_assert_uint_eq(rule->nlabels, 4);
	assert_slice(rule->labels[0].name, "env");
	assert_slice(rule->labels[1].name, "level");
	assert_slice(rule->labels[2].name, "severity");
	assert_slice(rule->labels[3].text, "core");
	ck_assert(!template_is_constant(rule->labels[1].template));
	ck_assert(template_is_constant(rule->labels[2].template));
	ck_assert_uint_eq(rule->nannotations, 3);
	assert_slice(rule->annotations[1].name, "on"); /* a boolean is its text, null is none */
	assert_slice(rule->annotations[1].text, "true");
	assert_slice(rule->annotations[0].text, "");
	ck_assert_uint_eq(rule->nrun, 2);
	assert_slice(rule->run[0], "capture-heap");
}
END_TEST

/* A metric named logs is one under dialect: prometheus only. */
START_TEST(rule_file_reads_expressions_in_the_groups_dialect)
{
	load_good("groups: [{name: g, dialect: prometheus,"
		  " rules: [{record: a, expr: 'logs{b=\"c\"}'}]}]");
	ck_assert_str_eq(set->groups[0].rules[0].query, "logs{b=\"c\"}");
}
END_TEST

START_TEST(rule_file_reads_rules_for_loki)
{
	load_good("groups: [{name: g, dialect: logql,"
		  " rules: [{record: a, expr: 'rate({b=\"c\"}[5m]) / 0'}]}]");
	ck_assert_str_eq(set->groups[0].rules[0].query, "rate(logs{b=\"c\"}[5m]) / 0");
	ck_assert_int_eq(set->groups[0].dialect, DIALECT_LOGQL);
	ck_assert_uint_eq(set->plan->nlogs, 1);
	const struct plan_node *root = set->plan->nodes[set->groups[0].rules[0].root];
	ck_assert_int_eq(root->binary, OP_DIV_OR_NAN);
}
END_TEST

START_TEST(rule_file_takes_defaults)
{
	load_good(full_file);
	const struct rule_group *group = &set->groups[1];
	ck_assert_int_eq(group->interval_ms, 60000);
	ck_assert_int_eq(group->query_offset_ms, 1000);
	ck_assert_int_eq(group->limit, 0);
	ck_assert_int_eq(group->dialect, DIALECT_PROMETHEUS);
	ck_assert_int_eq(group->warmup, WARMUP_OFF); /* warming is an addition */
	ck_assert_str_eq(group->rules[0].query, "1");
	ck_assert_uint_eq(group->rules[0].id, 2);
	ck_assert_uint_eq(group->rules[0].group, 1);
	load_good("groups: [{name: g, rules: [{alert: a, expr: up}]}]");
	group = &set->groups[0];
	ck_assert_int_eq(group->dialect, DIALECT_TOCSIN);
	ck_assert_int_eq(group->evaluate, EVALUATE_TICK);
	ck_assert_int_eq(group->warmup, WARMUP_AUTO);
	ck_assert_int_eq(group->min_gap_ms, 2);
	ck_assert_int_eq(group->settle_ms, 5000);
	ck_assert(!group->exact);
	ck_assert_int_eq(group->rules[0].for_ms, 0);
	ck_assert_int_eq(group->rules[0].keep_firing_for_ms, 0);
	load_good("groups: [{name: g, rules: [{alert: a, expr: up, resolve_when: up}]}]");
	ck_assert_int_eq(set->groups[0].rules[0].resolve->no_data, NO_DATA_RESOLVE);
}
END_TEST

START_TEST(rule_file_may_be_empty)
{
	static const char *const empty[] = { "",	  "# nothing\n",
					     "groups:\n", "groups: []\n",
					     "x-y: 1\n",  "groups: [{name: g}]\n",
					     "groups:\n-\n", "groups: [{name: g, rules: [~]}]\n" };
	for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
		load_good(empty[i]);
		ck_assert_uint_eq(set->nrules, 0);
	}
	struct rule_set_options opts = options();
	rule_set_unref(set);
	ck_assert_int_eq(rule_set_load(NULL, 0, &opts, &diags, &set), 0);
	ck_assert_uint_eq(set->ngroups, 0);
}
END_TEST

/* Diagnostics from rule_errors.txt. */

struct error_case {
	char name[200];
	bool quoted; /* with the quoted lines */
	struct buf yaml, expected;
};

static void format_plainly(struct buf *out)
{
	for (size_t i = 0; i < diags.n; i++) {
		static const char *const names[] = { "error", "warning", "note" };
		const struct diag *diag = &diags.items[i];
		buf_printf(out, "%s:%u:%u: %s: %s\n", diag->file, diag->line, diag->column,
			   names[diag->severity], diag->message);
		if (diag->hint)
			buf_printf(out, "  hint: %s\n", diag->hint);
	}
}

static void format_quoted(struct buf *out)
{
	for (size_t i = 0; i < diags.n; i++)
		diag_format(&diags.items[i], false, out);
}

static bool check_error_case(struct error_case *error_case)
{
	struct buf got;
	buf_init(&got);
	buf_reserve(&got, 1);
	diag_list_fini(&diags);
	diag_list_init(&diags);
	int error = load(error_case->yaml.ptr ? error_case->yaml.ptr : "");
	bool consistent =
		(diags.errors > 0) == (error == ERR_INVALID) && (error == 0) == (set != NULL);
	(error_case->quoted ? format_quoted : format_plainly)(&got);
	bool good = consistent &&
		    slice_is_equal(buf_slice(&got), slice_trim(buf_slice(&error_case->expected)));
	if (!good) {
		struct slice trimmed = slice_trim(buf_slice(&got)),
			     expected = slice_trim(buf_slice(&error_case->expected));
		good = consistent && slice_is_equal(trimmed, expected);
		if (!good)
			fprintf(stderr,
				"=== %s (%s)\n--- expected\n" SLICE_FMT "\n--- got\n" SLICE_FMT
				"\n",
				error_case->name, error_text(error), SLICE_ARG(expected),
				SLICE_ARG(trimmed));
	}
	buf_fini(&got);
	buf_clear(&error_case->yaml);
	buf_clear(&error_case->expected);
	error_case->quoted = false;
	return good;
}

START_TEST(rule_file_says_all_that_is_wrong)
{
	char path[4096], line[1000];
	struct error_case error_case = { .name = "" };
	bool in_yaml = false;
	unsigned cases = 0, failed = 0;
	snprintf(path, sizeof(path), "%s/tests/rules/rule_errors.txt", getenv("TOCSIN_SRCDIR"));
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "=== ", 4) == 0) {
			failed += cases++ && !check_error_case(&error_case);
			snprintf(error_case.name, sizeof(error_case.name), "%.*s",
				 (int)strcspn(line + 4, "\n"), line + 4);
			in_yaml = true;
		} else if (cases == 0) {
			continue;
		} else if (strcmp(line, "---\n") == 0) {
			in_yaml = false;
		} else if (strcmp(line, "!quoted\n") == 0) {
			error_case.quoted = true;
		} else {
			buf_add_str(in_yaml ? &error_case.yaml : &error_case.expected, line);
		}
	}
	failed += !check_error_case(&error_case);
	fclose(file);
	buf_fini(&error_case.yaml);
	buf_fini(&error_case.expected);
	ck_assert_uint_ge(cases, 15);
	ck_assert_uint_eq(failed, 0);
}
END_TEST

START_TEST(rule_file_says_errors_of_all_files)
{
	char paths[3][64];
	static const char *const texts[] = {
		"groups: [{name: g, rules: [{alert: A, expr: 'sum('}]}]", "groups: {}",
		"groups: [{name: g, rules: [{record: x, expr: up}]}]"
	};
	const char *list[5];
	for (int i = 0; i < 3; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/tmp/tocsin-rules-%d-%d.yml", (int)getpid(),
			 i);
		FILE *file = fopen(paths[i], "w");
		ck_assert_ptr_nonnull(file);
		fputs(texts[i], file);
		fclose(file);
		list[i] = paths[i];
	}
	list[3] = "/nonexistent/rules.yml";
	list[4] = paths[2]; /* again: two patterns may name one file */
	struct rule_set_options opts = options();
	ck_assert_int_eq(rule_set_load(list, 5, &opts, &diags, &set), ERR_INVALID);
	ck_assert_uint_eq(diags.errors, 3);
	ck_assert_str_eq(diags.items[0].file, paths[0]);
	ck_assert_str_eq(diags.items[1].file, paths[1]);
	const char *twice[] = { paths[2], paths[2] };
	ck_assert_int_eq(rule_set_load(twice, 2, &opts, &diags, &set), 0);
	ck_assert_uint_eq(set->nrules, 1);
	for (int i = 0; i < 3; i++)
		unlink(paths[i]);
}
END_TEST

START_TEST(rule_file_limits_its_rules)
{
	struct rule_set_options opts = options();
	opts.rules_max = 2;
	struct slice text =
		SLICE("groups: [{name: g, rules: [{alert: a, expr: up}, {alert: b, expr: up}]}]");
	ck_assert_int_eq(rule_set_load_text(text, "f.yml", &opts, &diags, &set), 0);
	rule_set_unref(set);
	set = NULL;
	opts.rules_max = 1;
	ck_assert_int_eq(rule_set_load_text(text, "f.yml", &opts, &diags, &set), ERR_INVALID);
	ck_assert_str_eq(diags.items[0].message, "more than 1 rules");
}
END_TEST

/* Hashes. */

static uint64_t hash_of(const char *text)
{
	load_good(text);
	return set->groups[0].hash;
}

START_TEST(rule_group_hash_is_of_what_is_written)
{
	static const char base[] = "groups: [{name: g, rules: [{alert: a, expr: 'up==0', for: 60s, "
				   "labels: {l: v}, annotations: {s: t}}]}]";
	static const char same[] = "# another comment\n"
				   "groups:\n"
				   "- rules:\n"
				   "  - expr: |\n"
				   "      up  ==  0 # in other words\n"
				   "    alert: a\n"
				   "    annotations:\n"
				   "      s: \"t\"\n"
				   "    labels: {l: v}\n"
				   "    for: 1m\n"
				   "  name: g\n";
	static const char *const others[] = {
		"groups: [{name: h, rules: [{alert: a, expr: 'up==0', for: 60s, labels: {l: v}, "
		"annotations: {s: t}}]}]",
		"groups: [{name: g, interval: 30s, rules: [{alert: a, expr: 'up==0', for: 60s, "
		"labels: {l: v}, annotations: {s: t}}]}]",
		"groups: [{name: g, limit: 1, rules: [{alert: a, expr: 'up==0', for: 60s, labels: "
		"{l: v}, annotations: {s: t}}]}]",
		"groups: [{name: g, query_offset: 0s, rules: [{alert: a, expr: 'up==0', for: 60s, "
		"labels: {l: v}, annotations: {s: t}}]}]",
		"groups: [{name: g, warmup: off, rules: [{alert: a, expr: 'up==0', for: 60s, "
		"labels: {l: v}, annotations: {s: t}}]}]",
		"groups: [{name: g, labels: {m: n}, rules: [{alert: a, expr: 'up==0', for: 60s, "
		"labels: {l: v}, annotations: {s: t}}]}]",
		"groups: [{name: g, rules: [{alert: b, expr: 'up==0', for: 60s, labels: {l: v}, "
		"annotations: {s: t}}]}]",
		"groups: [{name: g, rules: [{alert: a, expr: 'up==1', for: 60s, labels: {l: v}, "
		"annotations: {s: t}}]}]",
		"groups: [{name: g, rules: [{alert: a, expr: 'up==0', for: 61s, labels: {l: v}, "
		"annotations: {s: t}}]}]",
		"groups: [{name: g, rules: [{alert: a, expr: 'up==0', for: 60s, keep_firing_for: "
		"1s, labels: {l: v}, annotations: {s: t}}]}]",
		"groups: [{name: g, rules: [{alert: a, expr: 'up==0', for: 60s, resolve_when: "
		"'up==1', labels: {l: v}, annotations: {s: t}}]}]",
		"groups: [{name: g, rules: [{alert: a, expr: 'up==0', for: 60s, resolve_when: "
		"'up==1', no_data: hold, labels: {l: v}, annotations: {s: t}}]}]",
		"groups: [{name: g, rules: [{alert: a, expr: 'up==0', for: 60s, labels: {l: w}, "
		"annotations: {s: t}}]}]",
		"groups: [{name: g, rules: [{alert: a, expr: 'up==0', for: 60s, labels: {l: v}, "
		"annotations: {s: tt}}]}]",
		"groups: [{name: g, rules: [{alert: a, expr: 'up==0', for: 60s, labels: {l: v}, "
		"annotations: {s: t}, run: [restart]}]}]",
		"groups: [{name: g, rules: [{alert: a, expr: 'up==0', for: 60s, labels: {l: v}, "
		"annotations: {s: t}}, {record: r, expr: up}]}]",
	};
	uint64_t hash = hash_of(base);
	ck_assert_uint_eq(hash_of(same), hash);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		ck_assert_msg(hash_of(others[i]) != hash, "%s", others[i]);
}
END_TEST

/* Annotations. */

START_TEST(rule_annotations_are_rendered)
{
	load_good("groups:\n"
		  "- name: g\n"
		  "  rules:\n"
		  "  - alert: A\n"
		  "    expr: up\n"
		  "    annotations:\n"
		  "      summary: '{{ $labels.job }}: {{ $value }}'\n"
		  "      broken: '{{ humanize \"x\" }}'\n"
		  "      cut: '{{ slice \"é!\" 1 }}'\n"
		  "      empty: ''\n");
	struct label pair = { SLICE("job"), SLICE("node") };
	struct labels *labels, *out;
	ck_assert_int_eq(labels_new(&pair, 1, &labels, NULL), 0);
	struct template_data data = { .labels = labels, .value = 1.5 };
	ck_assert_int_eq(rule_annotations_render(&set->groups[0].rules[0], &data, &out), 0);
	ck_assert_uint_eq(labels_count(out), 4); /* the empty one, too */
	assert_slice(labels_at(out, 2).name, "empty");
	assert_slice(labels_at(out, 2).value, "");
	assert_slice(labels_get(out, SLICE("summary")), "node: 1.5");
	assert_slice(labels_get(out, SLICE("broken")),
		     "<error expanding template: error executing template __alert_A: template: "
		     "__alert_A:1:115: executing \"__alert_A\" at <humanize \"x\">: error calling "
		     "humanize: strconv.ParseFloat: parsing \"x\": invalid syntax>");
	assert_slice(labels_get(out, SLICE("cut")), "\xef\xbf\xbd!");
	labels_unref(out);
	labels_unref(labels);
}
END_TEST

/* None is left out without a word. */
START_TEST(rules_have_so_many_labels_and_annotations)
{
	static const char *const keys[] = { "labels", "annotations" };
	static const char *const messages[] = {
		"more than 256 labels in alerting rule \"A\"",
		"more than 256 annotations in alerting rule \"A\"",
	};
	for (size_t k = 0; k < 2; k++) {
		struct buf text;
		buf_init(&text);
		buf_printf(&text,
			   "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    %s:\n",
			   keys[k]);
		for (int i = 0; i < LABELS_COUNT_MAX; i++)
			buf_printf(&text, "      a%d: t\n", i);
		load_good(text.ptr);
		buf_add_str(&text, "      more: t\n");
		ck_assert_int_eq(load(text.ptr), ERR_INVALID);
		ck_assert_str_eq(diags.items[k].message, messages[k]);
		ck_assert_uint_eq(diags.items[k].line, 7 + LABELS_COUNT_MAX);
		buf_fini(&text);
	}
}
END_TEST

START_TEST(rule_annotations_fit_into_one_set)
{
	load_good("groups:\n"
		  "- name: g\n"
		  "  rules:\n"
		  "  - alert: A\n"
		  "    expr: up\n"
		  "    annotations:\n"
		  "      a: '{{ range 60 }}{{ printf \"%1000d\" 1 }}{{ end }}'\n"
		  "      b: '{{ range 60 }}{{ printf \"%1000d\" 1 }}{{ end }}'\n"
		  "      c: short\n");
	struct labels *out;
	struct template_data data = { .value = 1 };
	ck_assert_int_eq(rule_annotations_render(&set->groups[0].rules[0], &data, &out), 0);
	ck_assert_uint_eq(labels_get(out, SLICE("a")).len, 60000);
	assert_slice(labels_get(out, SLICE("b")),
		     "<error expanding template: no room left for this annotation>");
	assert_slice(labels_get(out, SLICE("c")), "short");
	labels_unref(out);
}
END_TEST

/* References from many threads; the sanitizers see what goes wrong. */

#define REFERENCES 20000

static void *use_references(void *ctx)
{
	struct rule_set *mine = ctx;
	for (int i = 0; i < REFERENCES; i++)
		rule_set_unref(rule_set_ref(mine));
	rule_set_unref(mine);
	return NULL;
}

START_TEST(rule_set_is_shared_between_threads)
{
	pthread_t threads[4];
	load_good(full_file);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, use_references, rule_set_ref(set)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(set->refs, 1);
}
END_TEST

START_TEST(rule_file_reference_has_all_keys)
{
	static const char *const keys[] = {
		"groups", "name",    "interval", "query_offset",    "limit",  "record",
		"alert",  "expr",    "for",	 "keep_firing_for", "labels", "annotations",
		"run",	  "dialect", "warmup",	 "evaluate",	    "min_gap", "settle"
	};
	struct buf out;
	buf_init(&out);
	rule_file_reference(&out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		char cell[64];
		snprintf(cell, sizeof(cell), "| `%s` | ", keys[i]);
		ck_assert_msg(strstr(out.ptr, cell) != NULL, "%s", keys[i]);
	}
	buf_fini(&out);
}
END_TEST

/* Real files. */

/* promtool refuses these too: keys and functions of VictoriaMetrics, functions that no Prometheus
 * has. */
static const char *const refused_by_promtool[] = {
	"victoriametrics/deployment__docker__rules__alerts-cluster.yml",
	"victoriametrics/deployment__docker__rules__alerts-single-node.yml",
	"victoriametrics/deployment__docker__rules__alerts-vmagent.yml",
	"victoriametrics/deployment__docker__rules__alerts-vmanomaly.yml",
	"sloth-generated/examples___gen__victoria-metrics.yml",
};

static bool is_refused_by_promtool(const char *path)
{
	for (size_t i = 0; i < sizeof(refused_by_promtool) / sizeof(*refused_by_promtool); i++)
		if (slice_has_suffix(slice_from(path), slice_from(refused_by_promtool[i])))
			return true;
	return false;
}

/* Is all that is wrong only not there yet? */
static bool is_only_too_early(void)
{
	for (size_t i = 0; i < diags.n; i++)
		if (diags.items[i].severity == DIAG_ERROR &&
		    !strstr(diags.items[i].message, "not supported yet") &&
		    !strstr(diags.items[i].message, "not there yet"))
			return false;
	return true;
}

START_TEST(rule_file_loads_what_prometheus_loads)
{
	char pattern[4096];
	unsigned loaded = 0, early = 0, rightly = 0, wrongly = 0, rules = 0;
	struct rule_set_options opts = options();
	glob_t files;
	snprintf(pattern, sizeof(pattern), "%s/../shared/conformance/rules/*/*.y*ml",
		 getenv("TOCSIN_SRCDIR"));
	if (glob(pattern, 0, NULL, &files) != 0) {
		printf("SKIP: no real rule files at %s\n", pattern);
		return;
	}
	for (size_t i = 0; i < files.gl_pathc; i++) {
		const char *path = files.gl_pathv[i];
		diag_list_fini(&diags);
		diag_list_init(&diags);
		int error = rule_set_load(&path, 1, &opts, &diags, &set);
		if (!error) {
			loaded++;
			rules += set->nrules;
			ck_assert_msg(!is_refused_by_promtool(path), "%s loads", path);
			rule_set_unref(set);
			set = NULL;
		} else if (is_refused_by_promtool(path)) {
			rightly++;
		} else if (is_only_too_early()) {
			early++;
		} else {
			wrongly++;
			for (size_t k = 0; k < diags.n; k++)
				fprintf(stderr, "%s:%u: %s\n", path, diags.items[k].line,
					diags.items[k].message);
		}
	}
	globfree(&files);
	printf("real rule files: %u load (%u rules), %u need what is not there yet, %u refused "
	       "rightly, %u wrongly\n",
	       loaded, rules, early, rightly, wrongly);
	ck_assert_uint_eq(wrongly, 0);
	ck_assert_uint_eq(early, 0);
	ck_assert_uint_eq(rightly, 5);
	ck_assert_uint_ge(loaded, 140);
}
END_TEST

static Suite *rule_file_suite(void)
{
	Suite *suite = suite_create("rule_file");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, rule_file_binds_all_keys);
	tcase_add_test(all, rule_file_binds_a_recording_rule);
	tcase_add_test(all, rule_file_binds_an_alerting_rule);
	tcase_add_test(all, rule_file_reads_expressions_in_the_groups_dialect);
	tcase_add_test(all, rule_file_reads_rules_for_loki);
	tcase_add_test(all, rule_file_takes_defaults);
	tcase_add_test(all, rule_file_may_be_empty);
	tcase_add_test(all, rule_file_says_all_that_is_wrong);
	tcase_add_test(all, rule_file_says_errors_of_all_files);
	tcase_add_test(all, rule_file_limits_its_rules);
	tcase_add_test(all, rule_group_hash_is_of_what_is_written);
	tcase_add_test(all, rule_annotations_are_rendered);
	tcase_add_test(all, rules_have_so_many_labels_and_annotations);
	tcase_add_test(all, rule_annotations_fit_into_one_set);
	tcase_add_test(all, rule_set_is_shared_between_threads);
	tcase_add_test(all, rule_file_reference_has_all_keys);
	tcase_add_test(all, rule_file_loads_what_prometheus_loads);
	suite_add_tcase(suite, all);
	return suite;
}

TEST_MAIN(rule_file_suite)
