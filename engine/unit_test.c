#include "engine/unit_test.h"

#include <glob.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/regex.h"
#include "base/text.h"
#include "engine/unit_test_run.h"

#define LOOKBACK_MS (5 * 60 * 1000)
#define INTERVAL_MS (60 * 1000)
#define RULE_FILES_MAX 10000

/* ---- one test ---- */

/* A rule that fails to evaluate ends the test. */
static bool rules_are_well(struct running *run, int64_t since_ms)
{
	for (uint32_t g = 0; g < run->rules->ngroups; g++)
		for (uint32_t r = 0; r < run->rules->groups[g].nrules; r++) {
			const struct rule *rule = &run->rules->groups[g].rules[r];
			struct rule_status status;
			struct buf message;
			engine_rule_status(simulation_engine(run->simulation), rule->id, &status);
			if (status.health != RULE_ERROR)
				continue;
			buf_init(&message);
			unit_test_say_time(since_ms, &message);
			buf_printf(&message, " rule \"" SLICE_FMT "\" failed: %s",
				   SLICE_ARG(rule->name), status.error ? status.error : "");
			unit_test_fail_with(run, run->test->node, &message);
			return false;
		}
	return true;
}

/* Alerts are as the last tick left them. */
static int alerts_until(struct running *run, int64_t from_ms, int64_t to_ms)
{
	const struct test_alert *alerts = run->test->alerts.items;
	int code = 0;
	for (size_t i = 0; i < run->test->alerts.n && !code; i++)
		if (alerts[i].eval_ms >= from_ms && alerts[i].eval_ms < to_ms)
			code = unit_test_alerts(run, &alerts[i]);
	return code;
}

/* Those of times before this that were not evaluated yet. */
static int exprs_before(struct running *run, int64_t end_ms)
{
	const struct test_expr *exprs = run->test->exprs.items;
	int code = 0;
	for (size_t i = 0; i < run->test->exprs.n && !code; i++)
		if (exprs[i].eval_ms >= run->exprs_done_ms && exprs[i].eval_ms < end_ms)
			code = unit_test_expr(run, &exprs[i]);
	if (end_ms > run->exprs_done_ms)
		run->exprs_done_ms = end_ms;
	return code;
}

static int64_t last_moment(const struct test_case *test)
{
	const struct test_alert *alerts = test->alerts.items;
	const struct test_expr *exprs = test->exprs.items;
	int64_t last_ms = 0;
	for (size_t i = 0; i < test->alerts.n; i++)
		if (alerts[i].eval_ms > last_ms)
			last_ms = alerts[i].eval_ms;
	for (size_t i = 0; i < test->exprs.n; i++)
		if (exprs[i].eval_ms > last_ms)
			last_ms = exprs[i].eval_ms;
	return last_ms;
}

/* A zero is no interval, but the default. */
static int64_t interval_of(const struct test_file *file)
{
	return file->evaluation_interval_ms ? file->evaluation_interval_ms : INTERVAL_MS;
}

static int run_ticks(struct running *run)
{
	int64_t interval_ms = interval_of(run->file), last_ms = last_moment(run->test);
	if (last_ms / interval_ms > UNIT_TEST_TICKS_MAX) {
		unit_test_fail(run, run->test->node, "raise evaluation_interval",
			       "too many evaluations");
		return 0;
	}
	int code = 0;
	for (int64_t tick_ms = 0; tick_ms <= last_ms && !code; tick_ms += interval_ms) {
		code = test_input_step(&run->input, run->simulation, run->start_ms + tick_ms);
		if (code || !rules_are_well(run, tick_ms))
			return code;
		code = alerts_until(run, tick_ms, tick_ms + interval_ms);
		if (!code)
			code = exprs_before(run, tick_ms + interval_ms - UNIT_TEST_EXPR_WAITS_MS);
	}
	/* As in promtool an expression may look at what came after its time. */
	return code ? code : exprs_before(run, INT64_MAX);
}

static int external_labels(struct running *run, struct labels **out)
{
	const struct bind_map *map = &run->test->external_labels;
	struct label *pairs = ARENA_ARRAY(run->arena, struct label, map->n + 1);
	const char *why = NULL;
	if (!pairs)
		return ERR_NOMEM;
	for (size_t i = 0; i < map->n; i++)
		pairs[i] = (struct label){ map->items[i].key, map->items[i].value };
	int code = labels_new(pairs, map->n, out, &why);
	if (code && code != ERR_NOMEM)
		unit_test_fail(run, run->test->node, NULL, why);
	return code;
}

static int read_start(struct running *run)
{
	if (time_parse(run->test->start, &run->start_ms) == 0)
		return 0;
	unit_test_fail(run, run->test->node, "write seconds since the epoch, or 2026-11-20T10:00:00Z",
		       "start_timestamp is no time");
	return ERR_INVALID;
}

/* All that is written in a test, to the end, so that all mistakes are told at once. */
static int read_test(struct running *run, struct labels **external)
{
	int64_t points_ms =
		run->test->interval_ms ? run->test->interval_ms : interval_of(run->file);
	int code = 0;
	test_goes_on(&code, read_start(run));
	if (test_goes_on(&code, external_labels(run, external)) &&
	    test_goes_on(&code, test_input_init(&run->input, run->test, run->rules, points_ms,
						run->start_ms, run->arena, run->diags)))
		test_goes_on(&code, unit_test_read_expected(run));
	return code;
}

/* only_read: the rules, or others, are wrong. */
static int run_test(struct running *run, bool only_read)
{
	struct labels *labels = NULL;
	char *url = arena_strdup(run->arena, run->test->external_url);
	int code = url ? read_test(run, &labels) : ERR_NOMEM;
	const struct simulation_options options = {
		.rules = run->rules,
		.external_labels = labels,
		.external_url = url,
		.start_ms = run->start_ms,
		.retention_ms = last_moment(run->test) + LOOKBACK_MS + 1,
		.lookback_ms = LOOKBACK_MS,
	};
	if (!code && !only_read)
		code = simulation_new(&options, &run->simulation);
	if (!code && !only_read)
		code = run_ticks(run);
	simulation_free(run->simulation);
	test_input_fini(&run->input);
	labels_unref(labels);
	return code;
}

/* ---- the file ---- */

struct rule_paths {
	char **items;
	size_t n;
};

static void rule_paths_fini(struct rule_paths *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		free(paths->items[i]);
	free(paths->items);
}

/* Of a pattern that matches nothing it is told so, and no more, as by promtool. */
static int rule_paths_add(struct rule_paths *paths, const char *dir, struct slice pattern,
			  const struct yaml_node *node, struct diag_list *diags)
{
	struct buf path;
	glob_t found = { 0 };
	buf_init(&path);
	if (pattern.len == 0 || pattern.ptr[0] != '/')
		buf_printf(&path, "%s/", dir);
	buf_add_slice(&path, pattern);
	if (!buf_ok(&path)) {
		buf_fini(&path);
		return ERR_NOMEM;
	}
	int status = glob(path.ptr, 0, NULL, &found), code = status == GLOB_NOSPACE ? ERR_NOMEM : 0;
	if (status && !code)
		yaml_diag(diags, DIAG_WARNING, node, NULL,
			  "rule_files: \"" SLICE_FMT "\" matches no file", SLICE_ARG(pattern));
	if (!code && found.gl_pathc > RULE_FILES_MAX - paths->n) {
		diag_add(diags, DIAG_ERROR, path.ptr, 0, 0, NULL, NULL, "more than %d rule files",
			 RULE_FILES_MAX);
		code = ERR_LIMIT;
	}
	for (size_t i = 0; i < found.gl_pathc && !code; i++) {
		char **items = realloc(paths->items, (paths->n + 1) * sizeof(*items));
		if (items)
			paths->items = items;
		char *copy = items ? strdup(found.gl_pathv[i]) : NULL;
		if (copy)
			paths->items[paths->n++] = copy;
		else
			code = ERR_NOMEM;
	}
	globfree(&found);
	buf_fini(&path);
	return code;
}

static int load_rules(const struct test_file *file, const char *path, struct diag_list *diags,
		      struct rule_set **out)
{
	struct rule_paths paths = { 0 };
	char *copy = strdup(path);
	int code = copy ? 0 : ERR_NOMEM;
	const char *dir = copy ? dirname(copy) : NULL;
	for (size_t i = 0; i < file->rule_files.n && !code; i++)
		code = rule_paths_add(&paths, dir, file->rule_files.items[i],
				      file->rule_files.nodes[i], diags);
	const struct rule_set_options options = {
		.interval_ms = interval_of(file),
		.interval_fixed_ms = interval_of(file),
		.subquery_step_ms = interval_of(file), /* as promtool has it */
		.rules_max = RULES_MAX,
		.in_file_order = true,
		.groups_first = file->group_eval_order.items,
		.ngroups_first = file->group_eval_order.n,
	};
	if (!code)
		code = rule_set_load((const char *const *)paths.items, paths.n, &options, diags,
				     out);
	rule_paths_fini(&paths);
	free(copy);
	return code;
}

static bool is_wanted(const struct test_case *test, struct slice run)
{
	return run.len == 0 || regex_search(run, test->name) == 1;
}

static void count(const struct running *run, int code, struct unit_test_totals *totals)
{
	if (code || run->failures)
		totals->failed++;
	else
		totals->passed++;
}

/* Without rules, which are wrong, or totals tests are only read. */
static int run_tests(const struct test_file *file, struct rule_set *rules, struct slice only,
		     struct diag_list *diags, struct unit_test_totals *totals)
{
	const struct test_case *tests = file->tests.items;
	int code = 0;
	for (size_t i = 0; i < file->tests.n && code != ERR_NOMEM; i++) {
		struct arena arena;
		struct running run = { .file = file,
				       .test = &tests[i],
				       .arena = &arena,
				       .diags = diags,
				       .rules = rules };
		if (!is_wanted(&tests[i], only)) {
			if (totals)
				totals->skipped++;
			continue;
		}
		arena_init(&arena, 0);
		code = run_test(&run, !rules || !totals);
		if (totals)
			count(&run, code, totals);
		arena_fini(&arena);
	}
	return code == ERR_NOMEM ? code : 0;
}

int unit_test_run(const char *path, const struct unit_test_options *options,
		  struct diag_list *diags, struct unit_test_totals *totals)
{
	struct arena arena;
	struct yaml_node *root = NULL;
	struct test_file file;
	struct rule_set *rules = NULL;
	size_t failed = totals->failed;
	arena_init(&arena, 0);
	int code = yaml_parse_file(path, &arena, diags, &root);
	/* Whatever is wrong: what else is there is looked at, to tell all of it. */
	bool is_read = !code || (code == ERR_INVALID && root);
	if (is_read &&
	    test_goes_on(&code, bind_struct(&test_file_keys, root, &arena, diags, &file)) &&
	    test_goes_on(&code, load_rules(&file, path, diags, &rules)))
		test_goes_on(&code, run_tests(&file, rules, options->run, diags, code ? NULL : totals));
	rule_set_unref(rules);
	arena_fini(&arena);
	if (!code && totals->failed > failed)
		code = ERR_INVALID;
	return code == ERR_NOMEM || !code ? code : ERR_INVALID;
}
