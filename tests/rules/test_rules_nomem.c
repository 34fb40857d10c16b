/*
 * Rule files and templates when memory is short: each allocation in turn fails, and the outcome is
 * ERR_NOMEM or, for one rendering, its error text; never a crash, a leak, a wrong complaint or half
 * a set.
 */
#include "tests/nomem.h"

#include "base/error.h"
#include "rules/lint.h"
#include "rules/rule_expand.h"
#include "tests/check_main.h"

static const char file[] =
	"groups:\n"
	"- name: r\n"
	"  labels: {team: core}\n"
	"  rules:\n"
	"  - alert: A\n"
	"    expr: sum by (job) (rate(x{l=~\"a.*\"}[5m])) > 1 and on (job) y:z == 0\n"
	"    for: 5m\n"
	"    resolve_when: topk(1, x < 1) and on (job) (y < z or absent(y{l=~'b.*'})) unless w\n"
	"    labels: {severity: '{{ if gt $value 1.0 }}page{{ else }}info{{ end }}'}\n"
	"    annotations:\n"
	"      max: '{{ query (printf `up{job=%q} > %v` $labels.job $value) | first | value }}'\n"
	"      summary: '{{ range $k, $v := $labels }}{{ $k }}={{ printf \"%s\" $v | toUpper }}{{ "
	"end }}'\n"
	"      value: \"{{ $value | humanize }} \\u00e9 {{ 'x' }} {{ `raw` }}\"\n"
	"    run: [restart]\n"
	"  - {alert: A, expr: y}\n"
	"- name: w\n"
	"  rules:\n"
	"  - record: y:z\n"
	"    expr: |\n"
	"      x +\n"
	"      ALERTS{alertname=\"A\"}\n";

/* The same three rules' worth of work, in the short form; with what expand prints of them. */
static const char short_file[] =
	"interval: 10s\n"
	"labels: {team: core}\n"
	"rules:\n"
	"- name: a\n"
	"  metric: b.c_bucket{d=~'e.*'}\n"
	"  condition: |\n"
	"    p99_9_over_5m > 50ms AND pprof.cpu.sample_rate < 50 or\n"
	"      (value > 1 UNLESS f{g=\"h\"} == 0)\n"
	"  by: [job, \"i.j\"]\n"
	"  severity: page\n"
	"- {name: k, condition: up == 0, labels: {l: 'm'}, resolve_when: up == 1}\n"
	"- {name: n, metric: o_ns, condition: avg_over_1m > 1ms}\n";

static struct slice loaded; /* by load() */

static uint64_t hash;

static int load(void)
{
	static const struct slice runbooks[] = { SLICE("restart") };
	struct rule_set_options options = {
		.interval_ms = 60000, .rules_max = RULES_MAX, .runbooks = runbooks, .nrunbooks = 1
	};
	struct rule_set *set = NULL;
	struct diag_list diags;
	diag_list_init(&diags);
	int error = rule_set_load_text(loaded, "f.yml", &options, &diags, &set);
	struct buf text;
	buf_init(&text);
	if (!error)
		error = rule_set_expand(set, EXPAND_FULL, &text);
	if (!error)
		error = rule_set_lint(set, &diags);
	bool was_short = nomem_disarm();
	buf_fini(&text);
	if (error && set) {
		rule_set_unref(set);
		set = NULL;
		ck_assert(was_short);
	}
	size_t errors = diags.errors;
	diag_list_fini(&diags);
	ck_assert_uint_eq(errors, 0);
	ck_assert((set != NULL) == !error);
	if (set) {
		ck_assert_uint_eq(set->nrules, 3);
		ck_assert(hash == 0 || hash == set->groups[0].hash);
		hash = set->groups[0].hash;
	}
	rule_set_unref(set);
	return error;
}

START_TEST(rule_set_load_survives_short_memory)
{
	loaded = SLICE(file);
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_gt(nomem_sweep(load), 50);
	loaded = SLICE(short_file);
	hash = 0;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_gt(nomem_sweep(load), 50);
}
END_TEST

static struct rule_set *set;
static struct labels *labels;

static int render(void)
{
	struct template_data data = { .labels = labels, .value = 1234567 };
	struct labels *out = NULL;
	int error = rule_annotations_render(&set->groups[0].rules[0], &data, &out);
	nomem_disarm();
	ck_assert((out != NULL) == !error);
	if (out) {
		struct slice value = labels_get(out, SLICE("value"));
		ck_assert(slice_is(value, "1.235M é 120 raw") ||
			  slice_has_prefix(value, SLICE("<error expanding template: ")));
	}
	labels_unref(out);
	return error;
}

START_TEST(rule_annotations_survive_short_memory)
{
	static const struct slice runbooks[] = { SLICE("restart") };
	struct rule_set_options options = {
		.interval_ms = 60000, .rules_max = RULES_MAX, .runbooks = runbooks, .nrunbooks = 1
	};
	struct label pair = { SLICE("job"), SLICE("node") };
	struct diag_list diags;
	diag_list_init(&diags);
	ck_assert_int_eq(labels_new(&pair, 1, &labels, NULL), 0);
	ck_assert_int_eq(rule_set_load_text(SLICE(file), "f.yml", &options, &diags, &set), 0);
	ck_assert_uint_gt(nomem_sweep(render), 2);
	rule_set_unref(set);
	labels_unref(labels);
	diag_list_fini(&diags);
}
END_TEST

static Suite *rules_nomem_suite(void)
{
	Suite *suite = suite_create("rules_nomem");
	TCase *all = tcase_create("all");
	tcase_add_test(all, rule_set_load_survives_short_memory);
	tcase_add_test(all, rule_annotations_survive_short_memory);
	suite_add_tcase(suite, all);
	return suite;
}

TEST_MAIN(rules_nomem_suite)
