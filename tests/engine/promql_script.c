#include <ctype.h>
#include <stdio.h>

#include "base/regex.h"
#include "engine/engine.h"
#include "engine/grid.h"
#include "tests/engine/eval_fixture.h"
#include "tests/engine/promql_script.h"

#define EPSILON 1e-6
#define MINUTES_MAX (400 * 24 * 60)
#define LINES_MAX 4096
#define EXPECTATIONS_MAX 16

struct values {
	double *v;
	uint8_t *kind; /* 0 a number, 1 none, 2 stale */
	size_t n;
	bool histograms;
};

struct script {
	const char *path;
	char *text, *at; /* the rest */
	unsigned line;
	struct world world;
	bool loaded;
	struct values starts; /* of the series on the next line, by the times of its samples */
	struct labels **histograms; /* series that hold native histograms */
	size_t nhistograms;
	struct script_counts *counts;
};

/* ---- lines ---- */

static char *trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	for (char *end = text + strlen(text); end > text && isspace((unsigned char)end[-1]);)
		*--end = 0;
	return text;
}

/* The next line, trimmed; a comment counts as an empty one. NULL at the end. */
static char *next_line(struct script *script)
{
	if (!script->at)
		return NULL;
	char *line = script->at, *end = strchr(line, '\n');
	script->at = end ? end + 1 : NULL;
	if (end)
		*end = 0;
	script->line++;
	line = trim(line);
	return *line == '#' ? line + strlen(line) : line;
}

/* Cuts off the first word, spaces within braces and quotes not counting; what follows it. */
static char *split(char *text)
{
	char quote = 0;
	int depth = 0;
	for (; *text; text++) {
		if (quote) {
			if (*text == '\\' && quote != '`' && text[1])
				text++;
			else if (*text == quote)
				quote = 0;
		} else if (strchr("\"'`", *text)) {
			quote = *text;
		} else {
			depth += *text == '{' ? 1 : *text == '}' ? -1 : 0;
			if (depth == 0 && isspace((unsigned char)*text))
				break;
		}
	}
	if (*text)
		*text++ = 0;
	return trim(text);
}

/* ---- values: 1 2 _ stale NaN 3x4 1+2x10 _x5 ---- */

static void values_add(struct values *values, double v, uint8_t kind)
{
	values->v = realloc(values->v, (values->n + 1) * sizeof(*values->v));
	values->kind = realloc(values->kind, values->n + 1);
	values->v[values->n] = v;
	values->kind[values->n++] = kind;
}

/* strtod() would read 0x10 as sixteen; here it is ten times 0. */
static double decimal(const char *text, char **end)
{
	char copy[128];
	size_t len = strspn(text, "+-") ? 1 : 0;
	while (len < sizeof(copy) - 1 &&
	       (isalnum((unsigned char)text[len]) || text[len] == '.' ||
		(strchr("+-", text[len]) && strchr("eE", text[len - 1]))) &&
	       text[len] && text[len] != 'x')
		len++;
	memcpy(copy, text, len);
	copy[len] = 0;
	char *stop;
	double v = strtod(copy, &stop);
	*end = (char *)text + (stop - copy);
	return v;
}

static void values_add_term(struct values *values, const char *term)
{
	char *end;
	bool none = *term == '_', stale = strncmp(term, "stale", 5) == 0;
	double v = none || stale ? 0 : decimal(term, &end), step = 0;
	unsigned long times = 0;
	if (none || stale)
		end = (char *)term + (none ? 1 : 5);
	if (*end == '+' || *end == '-')
		step = decimal(end, &end);
	if (*end == 'x')
		times = strtoul(end + 1, &end, 10);
	ck_assert_msg(*end == 0, "bad value %s", term);
	/* A number is there once and then so many times again; nothing just so many times. */
	for (unsigned long i = 0; i <= times && !(none && times && i == times); i++, v += step)
		values_add(values, v, none ? 1 : stale ? 2 : 0);
}

static struct values values_of(char *text)
{
	struct values values = { .n = 0 };
	char *save = NULL;
	values.histograms = strstr(text, "{{") != NULL;
	for (char *term = strtok_r(text, " \t", &save); term && !values.histograms;
	     term = strtok_r(NULL, " \t", &save))
		values_add_term(&values, term);
	return values;
}

/* The same of durations: -1m 1ms-1mx4 _ */
static void starts_add_term(struct values *starts, const char *term)
{
	int64_t ms[2] = { 0, 0 };
	unsigned long times = 0;
	if (*term == '_') {
		values_add_term(starts, term);
		return;
	}
	for (int i = 0; i < 2 && *term && *term != 'x'; i++) {
		bool minus = *term == '-';
		term += strspn(term, "+-");
		size_t len = strcspn(term, "+-x");
		ck_assert_int_eq(duration_parse((struct slice){ term, len }, &ms[i]), 0);
		ms[i] = minus ? -ms[i] : ms[i];
		term += len;
	}
	if (*term == 'x')
		times = strtoul(term + 1, NULL, 10);
	for (unsigned long i = 0; i <= times; i++)
		values_add(starts, (double)(ms[0] + (int64_t)i * ms[1]), 0);
}

static struct values starts_of(char *text)
{
	struct values starts = { .n = 0 };
	char *save = NULL;
	for (char *term = strtok_r(text, " \t", &save); term; term = strtok_r(NULL, " \t", &save))
		starts_add_term(&starts, term);
	return starts;
}

static void values_fini(struct values *values)
{
	free(values->v);
	free(values->kind);
}

/* ---- series ---- */

static bool labels_of(const char *text, struct labels **out)
{
	struct query query;
	struct label pairs[64] = { { { NULL, 0 }, { NULL, 0 } } };
	size_t n = 0;
	if (strcmp(text, "{}") == 0)
		return labels_new(pairs, 0, out, NULL) == 0;
	bool ok = query_init(&query, text, strlen(text)) && query.expr->kind == EXPR_SELECTOR;
	for (uint32_t i = 0; ok && i < query.expr->selector.nmatchers; i++) {
		const struct matcher *m = &query.expr->selector.matchers[i];
		pairs[n++] = (struct label){ { m->name, m->name_len }, { m->value, m->value_len } };
	}
	ok = ok && labels_new(pairs, n, out, NULL) == 0;
	query_fini(&query);
	return ok;
}

static void script_clear(struct script *script)
{
	if (script->loaded)
		world_fini(&script->world);
	world_init(&script->world, 0, (int64_t)MINUTES_MAX * 60000);
	script->loaded = true;
	for (size_t i = 0; i < script->nhistograms; i++)
		labels_unref(script->histograms[i]);
	script->nhistograms = 0;
}

static void note_histogram(struct script *script, struct labels *labels)
{
	script->histograms = realloc(script->histograms, (script->nhistograms + 1) *
								 sizeof(*script->histograms));
	script->histograms[script->nhistograms++] = labels_ref(labels);
}

/* x_bucket{…,le="1"} makes a native histogram x{…}. */
static void note_converted(struct script *script, const struct labels *bucket)
{
	struct label pairs[64];
	size_t n = 0;
	struct slice name = labels_get(bucket, SLICE(METRIC_NAME));
	struct labels *labels;
	if (!slice_has_suffix(name, SLICE("_bucket")))
		return;
	for (size_t i = 0; i < labels_count(bucket); i++) {
		pairs[n] = labels_at(bucket, i);
		if (slice_is(pairs[n].name, METRIC_NAME))
			pairs[n].value.len -= strlen("_bucket");
		n += !slice_is(pairs[n].name, "le");
	}
	ck_assert_int_eq(labels_new(pairs, n, &labels, NULL), 0);
	note_histogram(script, labels);
	labels_unref(labels);
}

static void load_sample(struct script *script, struct series *series, size_t i, int64_t step_ms,
			double value)
{
	const struct values *starts = &script->starts;
	int64_t ts_ms = (int64_t)i * step_ms;
	world_add(&script->world, series, ts_ms, value);
	if (i >= starts->n || starts->kind[i] != 0)
		return;
	ck_assert_int_eq(store_start_add(script->world.store, series, ts_ms,
					 ts_ms + (int64_t)starts->v[i]),
			 0);
}

static void load_series(struct script *script, char *line, int64_t step_ms, bool with_nhcb)
{
	char *rest = split(line);
	struct labels *labels;
	if (slice_has_suffix(slice_from(line), SLICE("@st"))) {
		values_fini(&script->starts);
		script->starts = starts_of(rest);
		return;
	}
	struct values values = values_of(rest);
	ck_assert_msg(labels_of(line, &labels), "%s:%u: bad series %s", script->path, script->line,
		      line);
	if (values.histograms)
		note_histogram(script, labels);
	if (with_nhcb)
		note_converted(script, labels);
	struct label pairs[64];
	for (size_t i = 0; i < labels_count(labels); i++)
		pairs[i] = labels_at(labels, i);
	struct series *series = world_series(&script->world, pairs, labels_count(labels));
	for (size_t i = 0; i < values.n; i++) {
		if (values.kind[i] == 0)
			load_sample(script, series, i, step_ms, values.v[i]);
		else if (values.kind[i] == 2)
			world_add_bits(&script->world, series, (int64_t)i * step_ms, STALE_NAN_BITS);
	}
	labels_unref(labels);
	values_fini(&values);
	values_fini(&script->starts);
	script->starts = (struct values){ .n = 0 };
}

/* Do two lines of a load begin with the same braces, and the same "@st" after them? */
static bool is_same_series(const char *a, const char *b)
{
	size_t len = strcspn(a, "}");
	return a[len] && strncmp(a, b, len + 1) == 0 && (a[len + 1] == '@') == (b[len + 1] == '@');
}

static void run_load(struct script *script, char *args, bool with_nhcb)
{
	int64_t step_ms = 0;
	ck_assert_int_eq(duration_parse(slice_from(args), &step_ms), 0);
	/* Of lines for one series within a load the last counts. */
	char *lines[LINES_MAX];
	size_t n = 0;
	for (char *line; (line = next_line(script)) && *line;) {
		size_t i = 0;
		while (i < n && !is_same_series(lines[i], line))
			i++;
		if (i == n)
			ck_assert_uint_lt(++n, LINES_MAX);
		lines[i] = line;
	}
	for (size_t i = 0; i < n; i++)
		load_series(script, lines[i], step_ms, with_nhcb);
}

/* ---- expectations ---- */

enum what { FAIL, WARN, NO_WARN, INFO, NO_INFO };

struct expectation {
	enum what what;
	bool is_regex;
	char *text; /* NULL: any */
};

struct wanted_series {
	struct labels *labels;
	struct values values;
};

struct eval {
	unsigned line;
	char *expr;
	bool is_range, ordered, is_scalar, is_string, is_matrix, has_histogram;
	struct query_bounds bounds; /* of an instant: start = end */
	struct query_bounds points; /* of a range vector */
	struct expectation expectations[EXPECTATIONS_MAX];
	size_t nexpectations;
	double scalar;
	struct slice string;
	struct wanted_series *series;
	size_t n;
};

static bool is_expected(const struct eval *eval, enum what what)
{
	for (size_t i = 0; i < eval->nexpectations; i++)
		if (eval->expectations[i].what == what)
			return true;
	return false;
}

static void expect(struct eval *eval, enum what what, char *rest)
{
	struct expectation *e = &eval->expectations[eval->nexpectations++];
	ck_assert_uint_lt(eval->nexpectations, EXPECTATIONS_MAX);
	rest = trim(rest);
	*e = (struct expectation){ .what = what };
	e->is_regex = strncmp(rest, "regex:", 6) == 0;
	if (e->is_regex || strncmp(rest, "msg:", 4) == 0)
		e->text = trim(strchr(rest, ':') + 1);
}

static int64_t time_of(const char *text)
{
	int64_t ms = 0;
	ck_assert_msg(duration_parse(slice_from(text), &ms) == 0 || strcmp(text, "0") == 0,
		      "bad time %s", text);
	return ms;
}

/* "from 0 to 5m step 1m", followed by something: *rest. */
static struct query_bounds bounds_of(char *text, char **rest)
{
	char *from = split(text), *to = split(from), *end = split(to), *word = split(end);
	char *step = split(word);
	*rest = split(step);
	return (struct query_bounds){ time_of(from), time_of(end), time_of(step) };
}

static void read_expect(struct eval *eval, char *line)
{
	static const struct {
		const char *word;
		enum what what;
	} words[] = { { "fail", FAIL }, { "no_warn", NO_WARN }, { "warn", WARN },
		      { "no_info", NO_INFO }, { "info", INFO } };
	char *word = trim(line + strlen("expect")), *rest;
	if (strncmp(word, "ordered", 7) == 0)
		eval->ordered = true;
	else if (strncmp(word, "string", 6) == 0) {
		eval->is_string = true;
		eval->string = slice_from(trim(word + 6));
	} else if (strncmp(word, "range vector", 12) == 0) {
		eval->is_matrix = true;
		eval->points = bounds_of(trim(word + 12), &rest);
	} else {
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (strncmp(word, words[i].word, strlen(words[i].word)) == 0) {
				expect(eval, words[i].what, word + strlen(words[i].word));
				return;
			}
		ck_assert_msg(false, "unknown expectation %s", line);
	}
}

/* Read as Go does with base 0: 010 is eight, 0x1F 31, 1_000 a thousand. */
static bool scalar_of(const char *line, double *out)
{
	bool minus = *line == '-';
	line += strspn(line, "+-") == 1;
	if (number_parse(slice_from(line), out))
		return false;
	*out = minus ? -*out : *out;
	return true;
}

static void read_line(struct eval *eval, char *line)
{
	if (strncmp(line, "expect ", 7) == 0) {
		read_expect(eval, line);
		return;
	}
	if (strncmp(line, "expected_fail_message", 21) == 0 ||
	    strncmp(line, "expected_fail_regexp", 20) == 0) {
		struct expectation *e = &eval->expectations[eval->nexpectations++];
		*e = (struct expectation){ FAIL, line[14] == 'r', split(line) };
		return;
	}
	if (scalar_of(line, &eval->scalar)) {
		eval->is_scalar = true;
		return;
	}
	char *rest = split(line);
	struct wanted_series wanted = { .values = values_of(rest) };
	eval->has_histogram |= wanted.values.histograms;
	ck_assert_msg(labels_of(line, &wanted.labels), "bad series %s", line);
	eval->series = realloc(eval->series, (eval->n + 1) * sizeof(*eval->series));
	eval->series[eval->n++] = wanted;
}

static void eval_fini(struct eval *eval)
{
	for (size_t i = 0; i < eval->n; i++) {
		labels_unref(eval->series[i].labels);
		values_fini(&eval->series[i].values);
	}
	free(eval->series);
}

/* ---- what is skipped ---- */

struct search {
	const struct script *script;
	const char *why; /* NULL: it need not be */
};

static bool selects(const struct expr *selector, const struct labels *labels)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *m = &selector->selector.matchers[i];
		if (!matcher_is_match(m, labels_get(labels, (struct slice){ m->name, m->name_len })))
			return false;
	}
	return true;
}

static void look_for_histograms(void *ctx, const struct expr *expr)
{
	struct search *search = ctx;
	if (expr->kind == EXPR_CALL)
		switch (expr->call.function->id) {
		case FN_HISTOGRAM_AVG:
		case FN_HISTOGRAM_COUNT:
		case FN_HISTOGRAM_SUM:
		case FN_HISTOGRAM_STDDEV:
		case FN_HISTOGRAM_STDVAR:
			search->why = "a function of histograms";
			break;
		default:
			break;
		}
	for (size_t i = 0; expr->kind == EXPR_SELECTOR && i < search->script->nhistograms; i++)
		if (selects(expr, search->script->histograms[i]))
			search->why = "selects a series of histograms";
}

/* Why, or NULL. */
static const char *is_skipped(const struct script *script, const struct eval *eval,
			      const struct expr *expr)
{
	struct search search = { script, eval->has_histogram ? "expects a histogram" : NULL };
	if (expr)
		expr_walk(expr, look_for_histograms, &search);
	return search.why;
}

/* ---- evaluating ---- */

/* An instant result is one of series with one point each. */
struct got {
	enum value_type type;
	char error[512];
	struct engine_query_row *rows; /* of an instant, in order */
	size_t nrows;
	double scalar;
	char *string;
	struct grid grid;
	struct notes notes;
};

struct run {
	struct query query;
	struct plan *plan;
	struct binding *binding;
	uint32_t root, *order, norder;
};

/* False: an error that is told already (a range that is not positive). */
static bool run_init(struct run *run, struct script *script, const struct eval *eval,
		     const struct query_bounds *bounds, bool delayed_names, struct got *got)
{
	*run = (struct run){ .plan = plan_new() };
	run->plan->delayed_names = delayed_names;
	struct query *query = &run->query;
	query_parse(query, eval->expr, strlen(eval->expr));
	if (!query->expr || expr_resolve(query->expr, bounds, &query->source, &query->diags)) {
		snprintf(got->error, sizeof(got->error), "%s",
			 query->diags.n ? query->diags.items[0].message : "does not parse");
		return false;
	}
	ck_assert_int_eq(plan_add(run->plan, query->expr, &run->root), 0);
	plan_check(run->plan);
	ck_assert_int_eq(plan_order(run->plan, run->root, &run->order, &run->norder), 0);
	struct binding_options options = { .lookback_ms = WORLD_LOOKBACK_MS,
					   .bounds = bounds,
					   .notes = &got->notes };
	int64_t units = INT64_MAX;
	ck_assert_int_eq(binding_new(script->world.store, run->plan, &options, &run->binding), 0);
	ck_assert_int_eq(binding_shape(run->binding, &units), 0);
	return true;
}

static void run_fini(struct run *run)
{
	binding_free(run->binding);
	free(run->order);
	plan_free(run->plan);
	query_fini(&run->query);
}

static void take_rows(struct script *script, struct run *run, struct got *got)
{
	struct relation relation;
	binding_relation(run->binding, run->root, &relation);
	got->scalar = relation.scalar;
	if (relation.type != VALUE_VECTOR)
		return;
	got->rows = calloc(relation_count(&relation) + 1, sizeof(*got->rows));
	for (uint32_t row = 0; row < relation.nrows; row++)
		if (relation_has(&relation, row))
			got->rows[got->nrows++] = (struct engine_query_row){
				lset_to_labels(store_lsets(script->world.store),
					       relation.lsets[row]),
				relation.values[row],
				result_row_order(run->plan, run->binding, run->root, row)
			};
	result_sort(run->plan, run->root, got->rows, got->nrows);
}

static bool is_stale_value(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	return bits == STALE_NAN_BITS;
}

/* The points of a range vector, as of a range query. */
static void take_points(struct script *script, struct run *run, const struct query_bounds *points,
			struct got *got)
{
	struct relation relation;
	grid_init(&got->grid, points);
	binding_relation(run->binding, run->root, &relation);
	got->grid.series = calloc(relation.nrows + 1, sizeof(*got->grid.series));
	for (uint32_t row = 0; row < relation.nrows; row++) {
		struct window_view view;
		if (!relation_has(&relation, row))
			continue;
		struct grid_series *series = &got->grid.series[got->grid.n++];
		binding_range(run->binding, run->root, row, &view);
		*series = (struct grid_series){ .lset = binding_range_lset(run->binding, run->root,
									   row) };
		series->points = calloc(view.n + 1, sizeof(*series->points));
		for (size_t i = 0; i < view.n; i++) {
			int64_t ms = view.base_ms + view.offsets[i] - points->start_ms;
			if (is_stale_value(view.values[i]))
				continue;
			ck_assert_int_eq(ms % points->step_ms, 0);
			series->points[series->n++] = (struct grid_point){
				(uint32_t)(ms / points->step_ms), view.values[i]
			};
		}
	}
}

/* In two quanta at least: what is kept between them must do. */
#define QUANTUM 7

static void evaluate(struct script *script, const struct eval *eval,
		     const struct query_bounds *bounds, bool delayed_names, struct got *got)
{
	struct run run;
	struct eval_cursor cursor = { 0, 0 };
	int code = ERR_AGAIN;
	bool is_range = bounds->step_ms > 0;
	*got = (struct got){ .type = VALUE_NONE };
	if (run_init(&run, script, eval, bounds, delayed_names, got)) {
		got->type = run.query.expr->type;
		if (is_range)
			grid_init(&got->grid, bounds);
		while (code == ERR_AGAIN) {
			int64_t units = QUANTUM;
			code = is_range ? grid_eval(&got->grid, script->world.store, run.binding,
						    run.order, run.norder, &units)
					: binding_eval(run.binding, run.order, run.norder,
						       bounds->start_ms, &cursor, &units);
		}
		ck_assert(code == 0 || code == ERR_EVAL);
		if (code)
			snprintf(got->error, sizeof(got->error), "%s",
				 binding_error(run.binding, run.root));
		else if (got->type == VALUE_STRING)
			got->string = slice_dup(run.plan->nodes[run.root]->string);
		else if (!is_range && got->type == VALUE_MATRIX && eval->is_matrix)
			take_points(script, &run, &eval->points, got);
		else if (!is_range)
			take_rows(script, &run, got);
	}
	run_fini(&run);
}

static void got_fini(struct script *script, struct got *got)
{
	for (size_t i = 0; i < got->nrows; i++) {
		labels_unref(got->rows[i].labels);
		labels_unref(got->rows[i].ordered_by);
	}
	free(got->rows);
	free(got->string);
	grid_fini(&got->grid, script->world.store);
	notes_fini(&got->notes);
}

/* ---- comparing ---- */

static bool is_almost(double a, double b)
{
	if ((isnan(a) && isnan(b)) || a == b)
		return true;
	double sum = fabs(a) + fabs(b), difference = fabs(a - b);
	if (a == 0 || b == 0 || sum < 2.2250738585072014e-308)
		return difference < EPSILON * 2.2250738585072014e-308;
	return difference / fmin(sum, 1.7976931348623157e308) < EPSILON;
}

static const struct wanted_series *wanted_of(const struct eval *eval, const struct labels *labels)
{
	for (size_t i = 0; i < eval->n; i++)
		if (labels_is_equal(eval->series[i].labels, labels))
			return &eval->series[i];
	return NULL;
}

static bool are_rows_right(const struct eval *eval, const struct got *got)
{
	if (got->nrows != eval->n)
		return false;
	for (size_t i = 0; i < got->nrows; i++) {
		const struct wanted_series *wanted = wanted_of(eval, got->rows[i].labels);
		if (!wanted || wanted->values.n != 1 ||
		    !is_almost(wanted->values.v[0], got->rows[i].value))
			return false;
		if (eval->ordered && wanted != &eval->series[i])
			return false;
	}
	return true;
}

static bool is_series_right(const struct wanted_series *wanted, const struct grid_series *got)
{
	uint32_t at = 0;
	for (size_t i = 0; i < wanted->values.n; i++) {
		if (wanted->values.kind[i])
			continue;
		if (at == got->n || got->points[at].step != i ||
		    !is_almost(wanted->values.v[i], got->points[at].value))
			return false;
		at++;
	}
	return at == got->n;
}

static bool are_series_right(struct script *script, const struct eval *eval, const struct got *got)
{
	if (got->grid.n != eval->n)
		return false;
	for (uint32_t i = 0; i < got->grid.n; i++) {
		struct labels *labels = lset_to_labels(store_lsets(script->world.store),
						       got->grid.series[i].lset);
		const struct wanted_series *wanted = wanted_of(eval, labels);
		labels_unref(labels);
		if (!wanted || !is_series_right(wanted, &got->grid.series[i]))
			return false;
	}
	return true;
}

static bool says(const struct expectation *e, struct slice text)
{
	if (!e->text)
		return true;
	if (e->is_regex)
		return regex_search(slice_from(e->text), text) == 1;
	return slice_is(text, e->text);
}

/* Each expectation is met by a note, and each note by an expectation. */
static bool are_notes_right(const struct eval *eval, const struct got *got, enum what some,
			    enum what none, enum note_kind kind)
{
	bool met[EXPECTATIONS_MAX] = { false };
	if (!is_expected(eval, some) && !is_expected(eval, none))
		return true;
	for (uint32_t i = 0; i < got->notes.n; i++) {
		struct buf text;
		bool is_met = false;
		if (got->notes.items[i].kind != kind)
			continue;
		if (is_expected(eval, none))
			return false;
		buf_init(&text);
		note_format(&got->notes.items[i], slice_from(eval->expr), &text);
		for (size_t e = 0; e < eval->nexpectations; e++)
			if (eval->expectations[e].what == some &&
			    says(&eval->expectations[e], buf_slice(&text)))
				is_met = met[e] = true;
		buf_fini(&text);
		if (!is_met)
			return false;
	}
	for (size_t e = 0; e < eval->nexpectations; e++)
		if (eval->expectations[e].what == some && !met[e])
			return false;
	return true;
}

/* It is written as in an expression. */
static bool is_string_right(const struct eval *eval, const struct got *got)
{
	struct query wanted;
	bool ok = query_parse(&wanted, eval->string.ptr, eval->string.len) &&
		  wanted.expr->kind == EXPR_STRING && got->type == VALUE_STRING &&
		  slice_is(wanted.expr->string, got->string);
	query_fini(&wanted);
	return ok;
}

static bool is_right(struct script *script, const struct eval *eval, const struct got *got)
{
	if (is_expected(eval, FAIL)) {
		bool ok = got->error[0];
		for (size_t e = 0; e < eval->nexpectations; e++)
			ok = ok && (eval->expectations[e].what != FAIL ||
				    says(&eval->expectations[e], slice_from(got->error)));
		return ok;
	}
	if (got->error[0] || !are_notes_right(eval, got, WARN, NO_WARN, NOTE_WARNING) ||
	    !are_notes_right(eval, got, INFO, NO_INFO, NOTE_INFO))
		return false;
	if (eval->is_string)
		return is_string_right(eval, got);
	if (eval->is_range || eval->is_matrix)
		return are_series_right(script, eval, got);
	if (got->type == VALUE_SCALAR || eval->is_scalar)
		return got->type == VALUE_SCALAR && eval->is_scalar &&
		       is_almost(got->scalar, eval->scalar);
	return are_rows_right(eval, got);
}

/* ---- printing ---- */

static void print_got(struct script *script, const struct got *got)
{
	struct buf text;
	buf_init(&text);
	if (got->error[0])
		buf_printf(&text, " error: %s", got->error);
	else if (got->type == VALUE_SCALAR && !got->grid.n)
		buf_printf(&text, " %.17g", got->scalar);
	for (size_t i = 0; i < got->nrows; i++) {
		buf_add_str(&text, "\n    ");
		labels_format(got->rows[i].labels, &text);
		buf_printf(&text, " %.17g", got->rows[i].value);
	}
	for (uint32_t i = 0; i < got->grid.n; i++) {
		const struct grid_series *series = &got->grid.series[i];
		struct labels *labels =
			lset_to_labels(store_lsets(script->world.store), series->lset);
		buf_add_str(&text, "\n    ");
		labels_format(labels, &text);
		for (uint32_t k = 0; k < series->n; k++)
			buf_printf(&text, " %u:%.17g", series->points[k].step,
				   series->points[k].value);
		labels_unref(labels);
	}
	for (uint32_t i = 0; i < got->notes.n; i++)
		buf_printf(&text, "\n    (%s)", got->notes.items[i].text);
	printf("  got%s\n", text.len ? text.ptr : " nothing");
	buf_fini(&text);
}

/* ---- the same in other ways ---- */

/* An instant query is the middle step of a range query around it. */
static bool is_right_in_range(struct script *script, const struct eval *eval)
{
	static const char *const words[] = { "start()", "end()", "range()", "step()" };
	struct eval around = *eval;
	struct got got;
	if (eval->is_range || eval->ordered || eval->is_matrix || eval->is_string ||
	    is_expected(eval, FAIL))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasestr(eval->expr, words[i]))
			return true;
	around.bounds = (struct query_bounds){ eval->bounds.start_ms - 60000,
					       eval->bounds.start_ms + 60000, 60000 };
	evaluate(script, &around, &around.bounds, true, &got);
	bool ok = !got.error[0];
	/* Only the middle counts. */
	uint32_t n = 0;
	for (uint32_t i = 0; ok && i < got.grid.n; i++) {
		const struct grid_series *series = &got.grid.series[i];
		struct labels *labels =
			lset_to_labels(store_lsets(script->world.store), series->lset);
		const struct wanted_series *wanted = wanted_of(eval, labels);
		for (uint32_t k = 0; k < series->n; k++) {
			if (series->points[k].step != 1)
				continue;
			n++;
			ok = ok && (eval->is_scalar
					    ? is_almost(eval->scalar, series->points[k].value)
					    : wanted && is_almost(wanted->values.v[0],
								  series->points[k].value));
		}
		labels_unref(labels);
	}
	/* An error may be one of the other steps' alone. */
	ok = got.error[0] || (ok && n == (eval->is_scalar ? 1 : eval->n));
	if (!ok) {
		printf("  as a range query:\n");
		print_got(script, &got);
	}
	got_fini(script, &got);
	return ok;
}

static const struct grid_point *point_at(struct script *script, const struct got *got,
					 const struct labels *labels, uint32_t step)
{
	for (uint32_t i = 0; i < got->grid.n; i++) {
		struct labels *of = lset_to_labels(store_lsets(script->world.store),
						   got->grid.series[i].lset);
		bool is_it = labels_is_equal(of, labels);
		labels_unref(of);
		for (uint32_t k = 0; is_it && k < got->grid.series[i].n; k++)
			if (got->grid.series[i].points[k].step == step)
				return &got->grid.series[i].points[k];
	}
	return NULL;
}

static bool is_oracles(struct script *script, const struct got *got,
		       const struct oracle_result *oracle, uint32_t step, bool is_range)
{
	bool ok = true;
	for (size_t i = 0; ok && i < oracle->n; i++) {
		const double *value = NULL;
		if (is_range) {
			const struct grid_point *point =
				point_at(script, got, oracle->rows[i].labels, step);
			value = point ? &point->value : NULL;
		}
		for (size_t k = 0; !is_range && k < got->nrows; k++)
			if (labels_is_equal(got->rows[k].labels, oracle->rows[i].labels))
				value = &got->rows[k].value;
		ok = value && is_almost(*value, oracle->rows[i].value);
	}
	return ok && (is_range || oracle->n == got->nrows);
}

/* Names removed as the server does it, step by step, by the oracle, too. */
static bool agrees_with_oracle(struct script *script, const struct eval *eval,
			       const struct expr *expr)
{
	const struct query_bounds *bounds = &eval->bounds;
	struct got got;
	uint32_t step = 0;
	size_t points = 0;
	bool ok = true, failed = false;
	if (eval->is_string || eval->is_matrix)
		return true;
	evaluate(script, eval, bounds, false, &got);
	for (int64_t t_ms = bounds->start_ms; ok && !failed && t_ms <= bounds->end_ms; step++) {
		struct oracle_result oracle;
		struct oracle_options options = { .lookback_ms = WORLD_LOOKBACK_MS,
						  .bounds = bounds };
		ck_assert_int_eq(oracle_eval_with(script->world.store, expr, t_ms, &options,
						  &oracle),
				 0);
		failed = oracle.error[0];
		points += oracle.n;
		if (!failed && !got.error[0])
			ok = oracle.type == VALUE_SCALAR
				     ? eval->is_range || is_almost(oracle.scalar, got.scalar)
				     : is_oracles(script, &got, &oracle, step, eval->is_range);
		oracle_result_fini(&oracle);
		if (!eval->is_range)
			break;
		t_ms += bounds->step_ms;
	}
	ok = ok && failed == (got.error[0] != 0);
	if (ok && !failed && eval->is_range && expr->type == VALUE_VECTOR)
		ok = points == got.grid.points;
	if (!ok) {
		printf("  unlike the oracle%s:\n", failed ? ", which fails" : "");
		print_got(script, &got);
	}
	got_fini(script, &got);
	return ok;
}

static void check_eval(struct script *script, struct eval *eval)
{
	struct query query;
	struct got got;
	query_parse(&query, eval->expr, strlen(eval->expr));
	const char *why = is_skipped(script, eval, query.expr);
	if (why) {
		script->counts->skipped++;
		if (script->counts->tells_skipped)
			printf("%s:%u: skipped: %s: %s\n", script->path, eval->line, why,
			       eval->expr);
		query_fini(&query);
		return;
	}
	bool resolved = query.expr && expr_resolve(query.expr, &eval->bounds, &query.source,
						   &query.diags) == 0;
	evaluate(script, eval, &eval->bounds, true, &got);
	bool ok = is_right(script, eval, &got);
	if (!ok) {
		printf("%s:%u: %s\n", script->path, eval->line, eval->expr);
		print_got(script, &got);
	} else if (!is_right_in_range(script, eval) ||
		   (resolved && !agrees_with_oracle(script, eval, query.expr))) {
		printf("%s:%u: %s\n", script->path, eval->line, eval->expr);
		ok = false;
	}
	script->counts->passed += ok;
	script->counts->failed += !ok;
	got_fini(script, &got);
	query_fini(&query);
}

static void run_eval(struct script *script, char *line)
{
	struct eval eval = { .line = script->line };
	char *rest = split(line);
	if (strcasecmp(line, "eval_fail") == 0)
		expect(&eval, FAIL, rest + strlen(rest));
	else if (strcasecmp(line, "eval_warn") == 0)
		expect(&eval, WARN, rest + strlen(rest));
	else if (strcasecmp(line, "eval_info") == 0)
		expect(&eval, INFO, rest + strlen(rest));
	eval.ordered = strcasecmp(line, "eval_ordered") == 0;
	char *args = split(rest);
	eval.is_range = strcmp(rest, "range") == 0;
	if (eval.is_range) {
		eval.bounds = bounds_of(args, &eval.expr);
	} else {
		eval.expr = args;
		if (strncmp(args, "at ", 3) == 0) {
			char *time = trim(args + 3);
			eval.expr = split(time);
			eval.bounds.start_ms = eval.bounds.end_ms = time_of(time);
		}
	}
	for (char *next; (next = next_line(script)) && *next;)
		read_line(&eval, next);
	check_eval(script, &eval);
	eval_fini(&eval);
}

/* ---- scripts ---- */

static void run_commands(struct script *script)
{
	script_clear(script);
	for (char *line; (line = next_line(script));) {
		if (strncasecmp(line, "clear", 5) == 0) {
			script_clear(script);
		} else if (strncasecmp(line, "load", 4) == 0) {
			char *args = split(line);
			run_load(script, args, strcasecmp(line, "load_with_nhcb") == 0);
		} else if (strncasecmp(line, "eval", 4) == 0) {
			run_eval(script, line);
		} else {
			ck_assert_msg(*line == 0, "%s:%u: unknown command %s", script->path,
				      script->line, line);
		}
	}
	script_clear(script);
	free(script->histograms);
	world_fini(&script->world);
}

bool script_run(const char *path, struct script_counts *counts)
{
	struct script script = { .path = path, .counts = counts };
	FILE *file = fopen(path, "r");
	struct buf text;
	char chunk[65536];
	size_t n;
	if (!file)
		return false;
	buf_init(&text);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&text, chunk, n);
	fclose(file);
	script.text = script.at = buf_take(&text);
	run_commands(&script);
	free(script.text);
	return true;
}
