#include "engine/unit_test.h"

#include <assert.h>
#include <glob.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/regex.h"
#include "base/text.h"
#include "engine/simulation.h"
#include "engine/unit_test_file.h"
#include "engine/unit_test_input.h"

#define LOOKBACK_MS (5 * 60 * 1000)
#define RULE_FILES_MAX 10000

/* One test that runs. */
struct running {
	const struct test_file *file;
	const struct test_case *test;
	struct arena *arena; /* of this test */
	struct diag_list *diags;
	struct rule_set *rules;
	struct simulation *simulation;
	struct test_input input;
	int64_t start_ms;
	size_t failures;
};

/* ---- what is said ---- */

static void fail(struct running *run, const struct yaml_node *at, const char *hint,
		 const char *message)
{
	struct slice name = run->test->name;
	run->failures++;
	if (name.len)
		yaml_diag(run->diags, DIAG_ERROR, at, hint, "test \"" SLICE_FMT "\": %s",
			  SLICE_ARG(name), message);
	else
		yaml_diag(run->diags, DIAG_ERROR, at, hint, "%s", message);
}

/* As fail(), of a text that is then done with. */
static int fail_with(struct running *run, const struct yaml_node *at, struct buf *message)
{
	if (buf_ok(message))
		fail(run, at, NULL, message->ptr);
	int code = buf_ok(message) ? 0 : ERR_NOMEM;
	buf_fini(message);
	return code;
}

static void say_time(int64_t eval_ms, struct buf *out)
{
	buf_add_str(out, "at ");
	duration_format(eval_ms, out);
}

/* ---- alerts ---- */

struct alert_text {
	char *text; /* labels, then annotations: what is compared */
};

struct alert_texts {
	struct alert_text *items;
	size_t n, cap;
	struct running *run;
	int code;
};

static void alert_texts_fini(struct alert_texts *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		free(texts->items[i].text);
	free(texts->items);
}

static void alert_texts_add(struct alert_texts *texts, const struct labels *labels,
			    const struct labels *annotations)
{
	struct buf text;
	if (texts->n == texts->cap) {
		size_t cap = texts->cap ? 2 * texts->cap : 16;
		struct alert_text *items = realloc(texts->items, cap * sizeof(*items));
		if (!items) {
			texts->code = ERR_NOMEM;
			return;
		}
		texts->items = items;
		texts->cap = cap;
	}
	buf_init(&text);
	labels_format(labels, &text);
	if (labels_count(annotations)) {
		buf_add_str(&text, " with annotations ");
		labels_format(annotations, &text);
	}
	char *taken = buf_take(&text);
	if (taken)
		texts->items[texts->n++] = (struct alert_text){ taken };
	else
		texts->code = ERR_NOMEM;
}

static int alert_text_compare(const void *a, const void *b)
{
	return strcmp(((const struct alert_text *)a)->text, ((const struct alert_text *)b)->text);
}

static void on_alert(void *ctx, const struct alert_view *view)
{
	struct alert_texts *texts = ctx;
	struct running *run = texts->run;
	struct engine *engine = simulation_engine(run->simulation);
	struct lset_table *lsets = store_lsets(engine_store(engine));
	if (view->state != ALERT_FIRING || texts->code)
		return;
	struct labels *labels = lset_to_labels(lsets, view->lset),
		      *seen = lset_to_labels(lsets, view->expr_lset), *annotations = NULL;
	const struct template_data data = { .labels = seen,
					    .value = view->value,
					    .external_labels = engine_external_labels(engine),
					    .external_url = engine_external_url(engine),
					    .active_at_ms = view->active_at_ms,
					    .evidence = view->evidence };
	if (!labels || !seen)
		texts->code = ERR_NOMEM;
	else
		texts->code = rule_annotations_render(view->rule, &data, &annotations);
	if (!texts->code)
		alert_texts_add(texts, labels, annotations);
	labels_unref(labels);
	labels_unref(seen);
	labels_unref(annotations);
}

/* All alerts of that name that fire now, whichever rule they come from. */
static int alerts_that_fire(struct running *run, struct slice name, struct alert_texts *out)
{
	out->run = run;
	for (uint32_t g = 0; g < run->rules->ngroups && !out->code; g++)
		for (uint32_t r = 0; r < run->rules->groups[g].nrules && !out->code; r++) {
			const struct rule *rule = &run->rules->groups[g].rules[r];
			if (rule->kind == RULE_ALERT && slice_is_equal(rule->name, name))
				engine_alerts_each(simulation_engine(run->simulation), rule->id,
						   on_alert, out);
		}
	return out->code;
}

static int labels_of_map(struct running *run, const struct test_expected_alert *alert,
			 const struct bind_map *map, struct slice alertname, struct labels **out)
{
	struct labels_builder builder;
	const char *why = NULL;
	labels_builder_init(&builder);
	if (alertname.len)
		labels_builder_set(&builder, SLICE("alertname"), alertname);
	for (size_t i = 0; i < map->n; i++)
		labels_builder_set(&builder, map->items[i].key, map->items[i].value);
	int code = labels_builder_take(&builder, out, &why);
	labels_builder_fini(&builder);
	if (code && code != ERR_NOMEM)
		yaml_diag(run->diags, DIAG_ERROR, alert->node, NULL, "%s", why);
	return code;
}

static int expect_alert(struct running *run, const struct test_expected_alert *alert,
			struct slice alertname, struct alert_texts *out)
{
	struct labels *labels = NULL, *annotations = NULL;
	int code = labels_of_map(run, alert, &alert->labels, alertname, &labels);
	if (!code)
		code = labels_of_map(run, alert, &alert->annotations, SLICE(""), &annotations);
	if (!code) {
		alert_texts_add(out, labels, annotations);
		code = out->code;
	}
	labels_unref(labels);
	labels_unref(annotations);
	return code;
}

/* What one list has and the other has not: both are sorted. */
static void say_missing(const struct alert_texts *these, const struct alert_texts *others,
			const char *what, struct buf *out)
{
	size_t k = 0;
	for (size_t i = 0; i < these->n; i++) {
		const char *text = these->items[i].text;
		while (k < others->n && strcmp(others->items[k].text, text) < 0)
			k++;
		if (k < others->n && strcmp(others->items[k].text, text) == 0)
			k++;
		else
			buf_printf(out, "; %s %s", what, text);
	}
}

static int check_alerts(struct running *run, const struct test_alert *test)
{
	struct alert_texts got = { 0 }, wanted = { 0 };
	const struct test_expected_alert *expected = test->expected.items;
	int code = alerts_that_fire(run, test->name, &got);
	for (size_t i = 0; i < test->expected.n && !code; i++)
		code = expect_alert(run, &expected[i], test->name, &wanted);
	if (!code) {
		struct buf missing;
		buf_init(&missing);
		if (got.n)
			qsort(got.items, got.n, sizeof(*got.items), alert_text_compare);
		if (wanted.n)
			qsort(wanted.items, wanted.n, sizeof(*wanted.items), alert_text_compare);
		say_missing(&wanted, &got, "expected", &missing);
		say_missing(&got, &wanted, "got", &missing);
		if (missing.len || !buf_ok(&missing)) {
			struct buf message;
			buf_init(&message);
			say_time(test->eval_ms, &message);
			buf_printf(&message, " alert \"" SLICE_FMT "\" differs%s",
				   SLICE_ARG(test->name), buf_ok(&missing) ? missing.ptr : "");
			code = fail_with(run, test->node, &message);
		}
		buf_fini(&missing);
	}
	alert_texts_fini(&got);
	alert_texts_fini(&wanted);
	return code;
}

/* ---- expressions ---- */

static bool values_agree(double a, double b, bool fuzzy)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return a == b || (fuzzy && (nextafter(a, INFINITY) == b || nextafter(a, -INFINITY) == b));
}

static void say_sample(const struct labels *labels, double value, struct buf *out)
{
	labels_format(labels, out);
	buf_add_char(out, ' ');
	number_format_json(value, out);
}

static void say_result(const struct engine_query *query, struct buf *out)
{
	buf_add_str(out, "; got");
	if (query->type == VALUE_SCALAR) {
		buf_add_str(out, " {} ");
		number_format_json(query->scalar, out);
	} else if (query->nrows == 0) {
		buf_add_str(out, " nothing");
	}
	for (size_t i = 0; i < query->nrows; i++) {
		buf_add_str(out, i ? ", " : " ");
		say_sample(query->rows[i].labels, query->rows[i].value, out);
	}
}

/* Is an element with these labels and this value there? Each counts once. */
static bool take_sample(const struct engine_query *query, bool *taken, const struct labels *labels,
			double value, bool fuzzy)
{
	if (query->type == VALUE_SCALAR) {
		bool good = !taken[0] && labels_count(labels) == 0 &&
			    values_agree(query->scalar, value, fuzzy);
		taken[0] |= good;
		return good;
	}
	for (size_t i = 0; i < query->nrows; i++) {
		if (taken[i] || !labels_is_equal(query->rows[i].labels, labels))
			continue;
		taken[i] = values_agree(query->rows[i].value, value, fuzzy);
		return taken[i];
	}
	return false;
}

static int compare_result(struct running *run, const struct test_expr *test,
			  const struct engine_query *query)
{
	const struct test_sample *expected = test->expected.items;
	size_t nrows = query->type == VALUE_SCALAR ? 1 : query->nrows;
	bool *taken = calloc(nrows + 1, sizeof(*taken));
	struct buf message;
	bool differs = nrows != test->expected.n;
	int code = taken ? 0 : ERR_NOMEM;
	buf_init(&message);
	say_time(test->eval_ms, &message);
	buf_printf(&message, " expression \"" SLICE_FMT "\" differs", SLICE_ARG(test->expr));
	for (size_t i = 0; i < test->expected.n && !code; i++) {
		struct labels *labels = NULL;
		if (expected[i].histogram.len) {
			yaml_diag(run->diags, DIAG_ERROR, expected[i].node, NULL,
				  "native histograms are not supported yet");
			code = ERR_INVALID;
			break;
		}
		code = test_labels_parse(expected[i].node, "labels", expected[i].labels, run->arena,
					 run->diags, &labels);
		if (!code && !take_sample(query, taken, labels, expected[i].value,
					  run->file->fuzzy_compare)) {
			differs = true;
			buf_add_str(&message, "; expected ");
			say_sample(labels, expected[i].value, &message);
		}
		labels_unref(labels);
	}
	free(taken);
	if (!code && differs) {
		say_result(query, &message);
		return fail_with(run, test->node, &message);
	}
	buf_fini(&message);
	return code;
}

static int check_expr(struct running *run, const struct test_expr *test)
{
	struct engine_query *query;
	struct diag_list diags;
	diag_list_init(&diags);
	int code = simulation_query(run->simulation, test->expr, run->start_ms + test->eval_ms,
				    &diags, &query);
	if (code && code != ERR_NOMEM) {
		/* Once more, for a complaint at its place in the file. */
		run->failures++;
		code = test_expr_complain(test->node, test->expr, run->arena, run->diags);
	} else if (!code && query->code) {
		struct buf message;
		buf_init(&message);
		say_time(test->eval_ms, &message);
		buf_printf(&message, " expression \"" SLICE_FMT "\" failed: %s",
			   SLICE_ARG(test->expr), query->error);
		code = fail_with(run, test->node, &message);
		engine_query_free(query);
	} else if (!code) {
		code = compare_result(run, test, query);
		engine_query_free(query);
	}
	diag_list_fini(&diags);
	return code;
}

/* ---- one test ---- */

/* A rule that fails to evaluate ends the test. */
static bool rules_are_well(struct running *run, int64_t since_ms)
{
	for (uint32_t id = 0; id < run->rules->nrules; id++) {
		struct rule_status status;
		engine_rule_status(simulation_engine(run->simulation), id, &status);
		if (status.health != RULE_ERROR)
			continue;
		const struct rule *rule = NULL;
		for (uint32_t g = 0; g < run->rules->ngroups && !rule; g++)
			for (uint32_t r = 0; r < run->rules->groups[g].nrules && !rule; r++)
				if (run->rules->groups[g].rules[r].id == id)
					rule = &run->rules->groups[g].rules[r];
		struct buf message;
		buf_init(&message);
		say_time(since_ms, &message);
		buf_printf(&message, " rule \"" SLICE_FMT "\" failed: %s", SLICE_ARG(rule->name),
			   status.error ? status.error : "");
		fail_with(run, run->test->node, &message);
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
			code = check_alerts(run, &alerts[i]);
	return code;
}

static int exprs_until(struct running *run, int64_t from_ms, int64_t to_ms)
{
	const struct test_expr *exprs = run->test->exprs.items;
	int code = 0;
	/* In order of time: the engine's clock never goes back. */
	for (int64_t t_ms = from_ms; !code;) {
		int64_t next_ms = to_ms;
		for (size_t i = 0; i < run->test->exprs.n; i++)
			if (exprs[i].eval_ms >= t_ms && exprs[i].eval_ms < next_ms)
				next_ms = exprs[i].eval_ms;
		if (next_ms == to_ms)
			return 0;
		code = test_input_step(&run->input, run->simulation, run->start_ms + next_ms);
		for (size_t i = 0; i < run->test->exprs.n && !code; i++)
			if (exprs[i].eval_ms == next_ms)
				code = check_expr(run, &exprs[i]);
		t_ms = next_ms + 1;
	}
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

static int run_ticks(struct running *run)
{
	int64_t interval_ms = run->file->evaluation_interval_ms, last_ms = last_moment(run->test);
	if (last_ms / interval_ms > UNIT_TEST_TICKS_MAX) {
		fail(run, run->test->node, "raise evaluation_interval", "too many evaluations");
		return 0;
	}
	int code = 0;
	for (int64_t tick_ms = 0; tick_ms <= last_ms && !code; tick_ms += interval_ms) {
		code = test_input_step(&run->input, run->simulation, run->start_ms + tick_ms);
		if (code || !rules_are_well(run, tick_ms))
			break;
		code = alerts_until(run, tick_ms, tick_ms + interval_ms);
		if (!code)
			code = exprs_until(run, tick_ms, tick_ms + interval_ms);
	}
	return code;
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
		fail(run, run->test->node, NULL, why);
	return code;
}

static int run_test(struct running *run)
{
	struct labels *labels = NULL;
	char *url = arena_strdup(run->arena, run->test->external_url);
	int64_t points_ms =
		run->test->interval_ms ? run->test->interval_ms : run->file->evaluation_interval_ms;
	if (!url)
		return ERR_NOMEM;
	if (time_parse(run->test->start, &run->start_ms)) {
		fail(run, run->test->node, "write seconds since the epoch, or 2026-11-20T10:00:00Z",
		     "start_timestamp is no time");
		return ERR_INVALID;
	}
	int code = external_labels(run, &labels);
	if (!code)
		code = test_input_init(&run->input, run->test, run->rules, points_ms, run->start_ms,
				       run->arena, run->diags);
	const struct simulation_options options = {
		.rules = run->rules,
		.external_labels = labels,
		.external_url = url,
		.start_ms = run->start_ms,
		.retention_ms = last_moment(run->test) + LOOKBACK_MS + 1,
		.lookback_ms = LOOKBACK_MS,
	};
	if (!code)
		code = simulation_new(&options, &run->simulation);
	if (!code)
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

/* A pattern that matches nothing is taken as a name, so that it is told what is missing. */
static int rule_paths_add(struct rule_paths *paths, const char *dir, struct slice pattern)
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
	int status = glob(path.ptr, GLOB_NOCHECK, NULL, &found), code = status ? ERR_NOMEM : 0;
	for (size_t i = 0; i < found.gl_pathc && !code && paths->n < RULE_FILES_MAX; i++) {
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
		code = rule_paths_add(&paths, dir, file->rule_files.items[i]);
	const struct rule_set_options options = {
		.interval_ms = file->evaluation_interval_ms,
		.interval_fixed_ms = file->evaluation_interval_ms,
		.subquery_step_ms = file->evaluation_interval_ms, /* as promtool has it */
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
			totals->skipped++;
			continue;
		}
		arena_init(&arena, 0);
		code = run_test(&run);
		if (code || run.failures)
			totals->failed++;
		else
			totals->passed++;
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
	if (!code)
		code = bind_struct(&test_file_keys, root, &arena, diags, &file);
	if (!code)
		code = load_rules(&file, path, diags, &rules);
	if (!code)
		code = run_tests(&file, rules, options->run, diags, totals);
	rule_set_unref(rules);
	arena_fini(&arena);
	if (!code && totals->failed > failed)
		code = ERR_INVALID;
	return code == ERR_NOMEM || !code ? code : ERR_INVALID;
}
