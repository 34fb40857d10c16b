/* What a unit test expects, compared with what there is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/unit_test_run.h"

/* ---- what is said ---- */

void unit_test_fail(struct running *run, const struct yaml_node *at, const char *hint,
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

/* As unit_test_fail(), of a text that is then done with. */
int unit_test_fail_with(struct running *run, const struct yaml_node *at, struct buf *message)
{
	if (buf_ok(message))
		unit_test_fail(run, at, NULL, message->ptr);
	int code = buf_ok(message) ? 0 : ERR_NOMEM;
	buf_fini(message);
	return code;
}

void unit_test_say_time(int64_t eval_ms, struct buf *out)
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
	if (!ARRAY_RESERVE(&texts->items, texts->n, &texts->cap)) {
		texts->code = ERR_NOMEM;
		return;
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
					    .evidence = view->evidence,
					    .results = view->asked };
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

static int told(struct running *run, const struct test_expected_alert *alert, int code,
		const char *why)
{
	if (code && code != ERR_NOMEM)
		yaml_diag(run->diags, DIAG_ERROR, alert->node, NULL, "%s", why);
	return code;
}

/* Whatever is said of its alertname: those of this name are looked at. */
static int expected_labels(struct running *run, const struct test_expected_alert *alert,
			   struct slice alertname, struct labels **out)
{
	const struct bind_map *map = &alert->labels;
	struct labels_builder builder;
	const char *why = "";
	labels_builder_init(&builder);
	for (size_t i = 0; i < map->n; i++) {
		labels_builder_set(&builder, map->items[i].key, map->items[i].value);
		if (map->items[i].value.len == 0 && !slice_is(map->items[i].key, "alertname"))
			unit_test_fail(run, map->items[i].key_node, "leave it out",
				       "an alert never has an empty label");
	}
	labels_builder_set(&builder, SLICE("alertname"), alertname);
	int code = labels_builder_take(&builder, out, &why);
	labels_builder_fini(&builder);
	return told(run, alert, code, why);
}

static int expected_annotations(struct running *run, const struct test_expected_alert *alert,
				struct labels **out)
{
	const struct bind_map *map = &alert->annotations;
	struct label *pairs = ARENA_ARRAY(run->arena, struct label, map->n + 1);
	const char *why = "";
	if (!pairs)
		return ERR_NOMEM;
	for (size_t i = 0; i < map->n; i++)
		pairs[i] = (struct label){ map->items[i].key, map->items[i].value };
	return told(run, alert, annotations_new(pairs, map->n, out, &why), why);
}

static int expect_alert(struct running *run, const struct test_expected_alert *alert,
			struct slice alertname, struct alert_texts *out)
{
	struct labels *labels = NULL, *annotations = NULL;
	int code = expected_labels(run, alert, alertname, &labels);
	if (!code)
		code = expected_annotations(run, alert, &annotations);
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

int unit_test_alerts(struct running *run, const struct test_alert *test)
{
	struct alert_texts got = { 0 }, wanted = { 0 };
	const struct test_expected_alert *expected = test->expected.items;
	if (test->name.len == 0)
		unit_test_fail(run, test->node, NULL, "an alert test without alertname");
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
			unit_test_say_time(test->eval_ms, &message);
			buf_printf(&message, " alert \"" SLICE_FMT "\" differs%s",
				   SLICE_ARG(test->name), buf_ok(&missing) ? missing.ptr : "");
			code = unit_test_fail_with(run, test->node, &message);
		}
		buf_fini(&missing);
	}
	alert_texts_fini(&got);
	alert_texts_fini(&wanted);
	return code;
}

/* ---- what is written, before anything runs ---- */

/*
 * An alert that no rule makes never fires: a test that expects that passes, whatever the rule that
 * was meant does. promtool lets it pass; so it is only warned of.
 */
static int warn_unknown_alert(struct running *run, const struct test_alert *alert)
{
	const struct rule_set *rules = run->rules;
	const char **names = ARENA_ARRAY(run->arena, const char *, rules->nrules + 1);
	size_t n = 0;
	if (!names)
		return ERR_NOMEM;
	for (uint32_t g = 0; g < rules->ngroups; g++)
		for (uint32_t r = 0; r < rules->groups[g].nrules; r++) {
			const struct rule *rule = &rules->groups[g].rules[r];
			if (rule->kind != RULE_ALERT)
				continue;
			if (slice_is_equal(rule->name, alert->name))
				return 0;
			names[n] = arena_strdup(run->arena, rule->name);
			if (!names[n++])
				return ERR_NOMEM;
		}
	const char *near = nearest_name(alert->name, names, n);
	yaml_diag(run->diags, DIAG_WARNING, yaml_get(alert->node, "alertname"),
		  near ? arena_printf(run->arena, "did you mean \"%s\"?", near) : NULL,
		  "no rule under test is an alert \"" SLICE_FMT "\"", SLICE_ARG(alert->name));
	return 0;
}

static int read_alert(struct running *run, const struct test_alert *alert)
{
	const struct test_expected_alert *expected = alert->expected.items;
	int code = run->rules && alert->name.len ? warn_unknown_alert(run, alert) : 0;
	for (size_t i = 0; i < alert->expected.n && code != ERR_NOMEM; i++) {
		struct labels *labels = NULL, *annotations = NULL;
		if (test_goes_on(&code, expected_labels(run, &expected[i], alert->name, &labels)))
			test_goes_on(&code, expected_annotations(run, &expected[i], &annotations));
		labels_unref(labels);
		labels_unref(annotations);
	}
	return code;
}

static int read_expr(struct running *run, const struct test_expr *test)
{
	const struct test_sample *expected = test->expected.items;
	int code = 0;
	if (test->expr.len) /* else that was told */
		code = test_expr_check(test->node, test->expr, run->arena, run->diags);
	for (size_t i = 0; i < test->expected.n && code != ERR_NOMEM; i++) {
		struct labels *labels = NULL;
		if (expected[i].histogram.len) {
			yaml_diag(run->diags, DIAG_ERROR, expected[i].node, NULL,
				  "native histograms are not supported yet");
			code = ERR_INVALID;
		}
		test_goes_on(&code, test_labels_parse(expected[i].node, "labels",
						      expected[i].labels, run->arena, run->diags,
						      &labels));
		labels_unref(labels);
	}
	return code;
}

int unit_test_read_expected(struct running *run)
{
	const struct test_alert *alerts = run->test->alerts.items;
	const struct test_expr *exprs = run->test->exprs.items;
	int code = 0;
	for (size_t i = 0; i < run->test->alerts.n && code != ERR_NOMEM; i++)
		test_goes_on(&code, read_alert(run, &alerts[i]));
	for (size_t i = 0; i < run->test->exprs.n && code != ERR_NOMEM; i++)
		test_goes_on(&code, read_expr(run, &exprs[i]));
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
	unit_test_say_time(test->eval_ms, &message);
	buf_printf(&message, " expression \"" SLICE_FMT "\" differs", SLICE_ARG(test->expr));
	for (size_t i = 0; i < test->expected.n && !code; i++) {
		struct labels *labels = NULL;
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
		return unit_test_fail_with(run, test->node, &message);
	}
	buf_fini(&message);
	return code;
}

int unit_test_expr(struct running *run, const struct test_expr *test)
{
	struct engine_query *query;
	struct diag_list diags;
	diag_list_init(&diags);
	int code = simulation_query(run->simulation, test->expr, run->start_ms + test->eval_ms,
				    &diags, &query);
	if (code && code != ERR_NOMEM) {
		/* It is well written, as was looked at before: it asks for too much. */
		struct buf message;
		buf_init(&message);
		buf_printf(&message, "expression \"" SLICE_FMT "\" is refused: %s",
			   SLICE_ARG(test->expr),
			   diags.n ? diags.items[0].message : error_text(code));
		code = unit_test_fail_with(run, test->node, &message);
	} else if (!code && query->code) {
		struct buf message;
		buf_init(&message);
		unit_test_say_time(test->eval_ms, &message);
		buf_printf(&message, " expression \"" SLICE_FMT "\" failed: %s",
			   SLICE_ARG(test->expr), query->error);
		code = unit_test_fail_with(run, test->node, &message);
		engine_query_free(query);
	} else if (!code) {
		engine_query_sort(query);
		code = compare_result(run, test, query);
		engine_query_free(query);
	}
	diag_list_fini(&diags);
	return code;
}
