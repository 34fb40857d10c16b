/*
 * Files of unit tests: what is written in them is read, or complained of at its place; and what
 * they feed, if it is not much, is fed to rules as far as the first two ticks.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "engine/unit_test_input.h"

#define POINTS_MAX 10000 /* of a test that is run */
#define TICK_MS 60000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules_text[] =
	"groups:\n"
	"- name: g\n"
	"  rules:\n"
	"  - {record: r, expr: 'sum by (job) (rate(x[5m])) or x'}\n"
	"  - {record: l, expr: 'sum by (job) (count_over_time(logs{job=\"a\"} |= \"e\" [5m]))'}\n"
	"  - {alert: A, expr: 'up == 0', for: 1m, labels: {l: '{{ $value }}'}}\n";

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct rule_set *rules;

static void load_rules(void)
{
	struct rule_set_options options = { .interval_ms = TICK_MS, .rules_max = 100 };
	struct diag_list diags;
	diag_list_init(&diags);
	must(rule_set_load_text(slice_from(rules_text), "r.yml", &options, &diags, &rules) == 0);
	diag_list_fini(&diags);
}

static size_t points_of(const struct test_input *input)
{
	size_t points = 0;
	for (size_t i = 0; i < input->nseries; i++)
		points += input->series[i].values.n;
	return points;
}

static void run(struct test_input *input, int64_t start_ms)
{
	const struct simulation_options options = {
		.rules = rules, .start_ms = start_ms, .retention_ms = TICK_MS, .lookback_ms = 300000
	};
	struct simulation *simulation;
	must(simulation_new(&options, &simulation) == 0);
	for (int i = 0; i < 2; i++)
		must(test_input_step(input, simulation, start_ms + i * TICK_MS) == 0);
	store_check(engine_store(simulation_engine(simulation)));
	simulation_free(simulation);
}

static void read_expected(const struct test_expr *test, struct arena *arena,
			  struct diag_list *diags)
{
	const struct test_sample *samples = test->expected.items;
	struct labels *labels;
	if (test->expr.len > 0)
		must(test_expr_check(test->node, test->expr, arena, diags) != ERR_NOMEM);
	for (size_t i = 0; i < test->expected.n; i++) {
		int code = test_labels_parse(samples[i].node, "labels", samples[i].labels, arena,
					     diags, &labels);
		must(code != ERR_NOMEM);
		if (!code)
			labels_unref(labels);
	}
}

static void read_test(const struct test_case *test, struct arena *arena, struct diag_list *diags)
{
	const struct test_expr *exprs = test->exprs.items;
	struct test_input input;
	size_t errors = diags->errors;
	int code = test_input_init(&input, test, rules, TICK_MS, TICK_MS, arena, diags);
	must(code != ERR_INVALID || diags->errors > errors);
	must(code || diags->errors == errors);
	if (!code && points_of(&input) <= POINTS_MAX)
		run(&input, TICK_MS);
	test_input_fini(&input);
	for (size_t i = 0; i < test->exprs.n; i++)
		read_expected(&exprs[i], arena, diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root = NULL;
	struct test_file file;
	if (!rules)
		load_rules();
	arena_init(&arena, 0);
	diag_list_init(&diags);
	int code = yaml_parse((struct slice){ (const char *)data, size }, "t.yml", &arena, &diags,
			      &root);
	must(code == 0 || diags.errors > 0);
	bool is_read = code == 0 || root;
	if (is_read)
		must(bind_struct(&test_file_keys, root, &arena, &diags, &file) == 0 ||
		     diags.errors > 0);
	const struct test_case *tests = is_read ? file.tests.items : NULL;
	for (size_t i = 0; tests && i < file.tests.n; i++)
		read_test(&tests[i], &arena, &diags);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return 0;
}
