/* load: series, their samples and when they began to count. */
#include "tests/engine/promql_internal.h"

#define MINUTES_MAX (400 * 24 * 60)
#define LINES_MAX 4096

bool labels_parse(const char *text, struct labels **out)
{
	struct query query;
	struct label pairs[64] = { { { NULL, 0 }, { NULL, 0 } } };
	size_t n = 0;
	if (strcmp(text, "{}") == 0)
		return labels_new(pairs, 0, out, NULL) == 0;
	bool ok = query_init(&query, text, strlen(text)) && query.expr->kind == EXPR_SELECTOR;
	for (uint32_t i = 0; ok && i < query.expr->selector.nmatchers; i++) {
		const struct matcher *m = &query.expr->selector.matchers[i];
		pairs[n++] = (struct label){ matcher_name(m), matcher_value(m) };
	}
	ok = ok && labels_new(pairs, n, out, NULL) == 0;
	query_fini(&query);
	return ok;
}

void script_clear(struct script *script)
{
	if (script->loaded)
		world_fini(&script->world);
	world_init(&script->world, 0, (int64_t)MINUTES_MAX * 60000);
	script->loaded = true;
	for (size_t i = 0; i < script->nhistograms; i++)
		labels_unref(script->histograms[i].labels);
	script->nhistograms = 0;
}

static void note_histograms(struct script *script, struct labels *labels, int64_t first_ms,
			    int64_t last_ms)
{
	script->histograms = realloc(script->histograms,
				     (script->nhistograms + 1) * sizeof(*script->histograms));
	script->histograms[script->nhistograms++] =
		(struct histograms){ labels_ref(labels), first_ms, last_ms };
}

static void note_loaded(struct script *script, struct labels *labels, const struct values *values,
			int64_t step_ms)
{
	size_t first = 0, last = values->n;
	while (first < last && values->kind[first] != 3)
		first++;
	while (last > first && values->kind[last - 1] != 3)
		last--;
	if (first < last)
		note_histograms(script, labels, (int64_t)first * step_ms,
				(int64_t)(last - 1) * step_ms);
}

/* x_bucket{…,le="1"} makes a native histogram x{…}. */
static void note_converted(struct script *script, const struct labels *bucket, int64_t last_ms)
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
	note_histograms(script, labels, 0, last_ms);
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
	ck_assert_int_eq(
		store_start_add(script->world.store, series, ts_ms, ts_ms + (int64_t)starts->v[i]),
		0);
}

static void load_series(struct script *script, char *line, int64_t step_ms, bool with_nhcb)
{
	char *rest = text_split(line);
	struct labels *labels;
	if (slice_has_suffix(slice_from(line), SLICE("@st"))) {
		values_fini(&script->starts);
		script->starts = starts_parse(rest);
		return;
	}
	struct values values = values_parse(rest);
	ck_assert_msg(labels_parse(line, &labels), "%s:%u: bad series %s", script->path,
		      script->line, line);
	note_loaded(script, labels, &values, step_ms);
	if (with_nhcb)
		note_converted(script, labels, (int64_t)values.n * step_ms);
	struct label pairs[64];
	for (size_t i = 0; i < labels_count(labels); i++)
		pairs[i] = labels_at(labels, i);
	struct series *series = world_series(&script->world, pairs, labels_count(labels));
	for (size_t i = 0; i < values.n; i++) {
		if (values.kind[i] == 0)
			load_sample(script, series, i, step_ms, values.v[i]);
		else if (values.kind[i] == 2)
			world_add_bits(&script->world, series, (int64_t)i * step_ms,
				       STALE_NAN_BITS);
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

void script_load(struct script *script, char *args, bool with_nhcb)
{
	int64_t step_ms = 0;
	ck_assert_int_eq(duration_parse(slice_from(args), &step_ms), 0);
	/* Of lines for one series within a load the last counts. */
	char *lines[LINES_MAX];
	size_t n = 0;
	for (char *line; (line = script_line(script)) && *line;) {
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
