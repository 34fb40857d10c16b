#include "engine/unit_test_input.h"

#include "base/bits.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/unit_test.h"
#include "ingest/collapsed.h"
#include "ingest/extractor_rules.h"

/* The text at a key, with its place in the file. */
static struct source source_of(const struct yaml_node *mapping, const char *key, struct slice text)
{
	const struct yaml_node *node = mapping ? yaml_get(mapping, key) : NULL;
	return node && node->type == YAML_SCALAR ? node->source
						 : (struct source){ .text = text, .line0 = 1 };
}

int test_labels_parse(const struct yaml_node *mapping, const char *key, struct slice text,
		      struct arena *arena, struct diag_list *diags, struct labels **out)
{
	struct source source = source_of(mapping, key, text);
	*out = NULL;
	return series_labels_parse(&source, arena, diags, out);
}

int test_expr_check(const struct yaml_node *mapping, struct slice text, struct arena *arena,
		    struct diag_list *diags)
{
	struct source source = source_of(mapping, "expr", text);
	struct expr *expr = NULL;
	int code = expr_parse(&source, arena, diags, &expr);
	if (code)
		return code;
	if (expr->type == VALUE_MATRIX) {
		diag_add_at(diags, DIAG_ERROR, &source, 0, source.text.len,
			    "give it to a function, such as rate()",
			    "a test cannot expect a range vector");
		code = ERR_INVALID;
	}
	expr_fini(expr);
	return code;
}

static int series_init(struct test_input_series *series, const struct test_series *written,
		       struct arena *arena, struct diag_list *diags)
{
	struct source values = source_of(written->node, "values", written->values);
	int code = 0;
	if (test_goes_on(&code, test_labels_parse(written->node, "series", written->series, arena,
						  diags, &series->labels)))
		test_goes_on(&code, series_values_parse(&values, arena, diags, &series->values));
	return code;
}

int test_input_series_init(struct test_input *input, uint64_t points_max, struct arena *arena,
			   struct diag_list *diags)
{
	const struct test_case *test = input->test;
	const struct test_series *written = test->series.items;
	uint64_t points = 0;
	int code = 0;
	input->series = ARENA_ARRAY(arena, struct test_input_series, test->series.n + 1);
	if (!input->series)
		return ERR_NOMEM;
	for (size_t i = 0; i < test->series.n && code != ERR_NOMEM; i++) {
		test_goes_on(&code, series_init(&input->series[i], &written[i], arena, diags));
		input->nseries = i + 1;
		points += input->series[i].values.n;
		if (points > points_max) {
			yaml_diag(diags, DIAG_ERROR, written[i].node, NULL,
				  "more than %llu samples in one test",
				  (unsigned long long)points_max);
			return ERR_LIMIT;
		}
	}
	return code;
}

/* ---- what comes again and again ---- */

/* When repetition number i comes; false: it does not. */
static bool time_of(const struct test_times *times, uint64_t i, int64_t *at_ms)
{
	*at_ms = times->at_ms;
	if (i == 0)
		return true;
	if (!times->every_ms || i > (uint64_t)(INT64_MAX / 2 / times->every_ms))
		return false;
	*at_ms += (int64_t)i * times->every_ms;
	return *at_ms <= times->until_ms;
}

static int check_times(const struct yaml_node *node, const struct test_times *times,
		       struct diag_list *diags)
{
	if (!times->every_ms == !times->until_ms)
		return 0;
	yaml_diag(diags, DIAG_ERROR, node, NULL, "\"every\" and \"until\" go together");
	return ERR_INVALID;
}

/* ---- profiles ---- */

/*
 * Sample types as of a profile that is pushed as stacks, and what a unit of a stack's count is of
 * each: of objects and waits the stacks say nothing.
 */
static int profile_types(struct profile *profile, enum profile_kind kind,
			 const struct test_profile *written, double scale[2])
{
	struct profile_type value = profile_kind_value(kind);
	bool is_sampled = kind == PROFILE_KIND_CPU || kind == PROFILE_KIND_WALL;
	double ns = 1e9 / (double)written->rate;
	int code = 0;
	scale[0] = 1;
	scale[1] = is_sampled ? ns : slice_is(value.unit, "nanoseconds") ? 1e9 : 1;
	if (is_sampled)
		code = profile_type_add(profile, slice_from(profile_kind_count(kind)),
					SLICE("count"));
	else
		scale[0] = scale[1];
	if (!code)
		code = profile_type_add(profile, value.type, value.unit);
	if (is_sampled) {
		profile->period = (int64_t)ns;
		profile->period_type = value;
	}
	profile->duration_ns = written->duration_ms * 1000000;
	return code;
}

static int profile_init(struct test_input *input, struct test_input_profile *one,
			const struct test_profile *written, struct diag_list *diags)
{
	double scale[2];
	const struct collapsed_options options = { .counted = true, .scale = scale };
	const char *why = "";
	uint32_t line = 0;
	one->written = written;
	one->profile = profile_new(&input->key);
	int code =
		one->profile ? profile_types(one->profile, one->kind, written, scale) : ERR_NOMEM;
	if (!code)
		code = collapsed_read(written->stacks, &options, one->profile, &line, &why);
	if (code == ERR_INVALID || code == ERR_LIMIT) {
		yaml_diag(diags, DIAG_ERROR, yaml_get(written->node, "stacks"), NULL,
			  "stacks: line %u: %s", line, why);
		return ERR_INVALID;
	}
	return code ? code : check_times(written->node, &written->times, diags);
}

static int target_init(struct test_input *input, const struct test_target *target,
		       struct arena *arena, struct diag_list *diags)
{
	const struct test_profile *written = target->profiles.items;
	enum profile_kind kind = profile_kind_of(target->type);
	int code = 0;
	if (kind == PROFILE_KIND_NONE) {
		yaml_diag(diags, DIAG_ERROR, yaml_get(target->node, "type"),
			  "cpu, wall, heap_inuse, heap_alloc, goroutine, mutex or block",
			  "no profile is of the type \"" SLICE_FMT "\"", SLICE_ARG(target->type));
		return ERR_INVALID;
	}
	struct labels *labels = NULL;
	code = test_labels_parse(target->node, "labels", target->labels, arena, diags, &labels);
	for (size_t i = 0; i < target->profiles.n && code != ERR_NOMEM; i++) {
		struct test_input_profile *one = &input->profiles[input->nprofiles++];
		one->kind = kind;
		one->source = (uint64_t)(target->node->line);
		one->labels = labels ? labels_ref(labels) : NULL;
		test_goes_on(&code, profile_init(input, one, &written[i], diags));
	}
	labels_unref(labels);
	return code;
}

static int profiles_init(struct test_input *input, struct arena *arena, struct diag_list *diags)
{
	const struct test_target *targets = input->test->profiles.items;
	size_t n = 0;
	int code = 0;
	for (size_t i = 0; i < input->test->profiles.n; i++)
		n += targets[i].profiles.n;
	input->profiles = ARENA_ARRAY(arena, struct test_input_profile, n + 1);
	input->summary = profile_summary_new(&input->key);
	if (!input->profiles || !input->summary)
		return ERR_NOMEM;
	for (size_t i = 0; i < input->test->profiles.n && code != ERR_NOMEM; i++)
		test_goes_on(&code, target_init(input, &targets[i], arena, diags));
	return code;
}

/* The next profile that is not newer than t, in the order of time, for summaries count on. */
static struct test_input_profile *profile_next(struct test_input *input, int64_t t_ms,
					       int64_t *at_ms)
{
	struct test_input_profile *first = NULL;
	for (size_t i = 0; i < input->nprofiles; i++) {
		struct test_input_profile *one = &input->profiles[i];
		int64_t at;
		if (!time_of(&one->written->times, one->next, &at) || input->start_ms + at > t_ms ||
		    (first && at >= *at_ms))
			continue;
		first = one;
		*at_ms = at;
	}
	return first;
}

static int profiles_step(struct test_input *input, int64_t t_ms, struct batch *batch)
{
	struct test_input_profile *one;
	int64_t at_ms = 0;
	int code = 0;
	while (!code && (one = profile_next(input, t_ms, &at_ms))) {
		const struct profile_target target = {
			.labels = one->labels,
			.source = one->source,
			.hint = one->kind,
			.end_ms = input->start_ms + at_ms,
			.duration_ns = one->profile->duration_ns,
		};
		one->next++;
		code = profile_summary_add(input->summary, one->profile, &target, batch);
	}
	return code;
}

/* ---- lines ---- */

static int line_init(struct test_input_line *line, const struct test_line *written,
		     struct arena *arena, struct diag_list *diags)
{
	line->written = written;
	line->metadata = ARENA_ARRAY(arena, struct label, written->metadata.n + 1);
	if (!line->metadata)
		return ERR_NOMEM;
	for (size_t i = 0; i < written->metadata.n; i++)
		line->metadata[i] = (struct label){ written->metadata.items[i].key,
						    written->metadata.items[i].value };
	return check_times(written->node, &written->times, diags);
}

static int stream_init(struct test_input *input, const struct test_stream *stream,
		       struct arena *arena, struct diag_list *diags)
{
	const struct test_line *written = stream->lines.items;
	struct labels *labels = NULL;
	int code = test_labels_parse(stream->node, "stream", stream->stream, arena, diags, &labels);
	if (!code && labels_get(labels, SLICE(METRIC_NAME)).len) {
		yaml_diag(diags, DIAG_ERROR, yaml_get(stream->node, "stream"), "write {job=\"a\"}",
			  "a stream of lines has no metric name");
		code = ERR_INVALID;
	}
	for (size_t i = 0; i < stream->lines.n && code != ERR_NOMEM; i++) {
		struct test_input_line *line = &input->lines[input->nlines++];
		line->stream = labels ? labels_ref(labels) : NULL;
		test_goes_on(&code, line_init(line, &written[i], arena, diags));
	}
	labels_unref(labels);
	return code;
}

static int lines_init(struct test_input *input, const struct rule_set *rules, struct arena *arena,
		      struct diag_list *diags)
{
	const struct test_stream *streams = input->test->logs.items;
	const struct extractor_options options = { .series_max = 0 };
	struct extractor_set *extractors;
	size_t n = 0;
	for (size_t i = 0; i < input->test->logs.n; i++)
		n += streams[i].lines.n;
	input->lines = ARENA_ARRAY(arena, struct test_input_line, n + 1);
	input->feed = log_feed_new(&input->key);
	if (!input->lines || !input->feed)
		return ERR_NOMEM;
	int code = rules ? extractor_set_of_rules(rules, &options, NULL, diags, &extractors) : 0;
	if (rules && !code) {
		code = log_feed_use(input->feed, extractors);
		extractor_set_unref(extractors);
	}
	for (size_t i = 0; i < input->test->logs.n && code != ERR_NOMEM; i++)
		test_goes_on(&code, stream_init(input, &streams[i], arena, diags));
	return code;
}

/* The next line that is not newer than t, in the order of time. */
static struct test_input_line *line_next(struct test_input *input, int64_t t_ms, int64_t *at_ms)
{
	struct test_input_line *first = NULL;
	for (size_t i = 0; i < input->nlines; i++) {
		struct test_input_line *line = &input->lines[i];
		int64_t at;
		if (!time_of(&line->written->times, line->next, &at) ||
		    input->start_ms + at > t_ms || (first && at >= *at_ms))
			continue;
		first = line;
		*at_ms = at;
	}
	return first;
}

static int lines_step(struct test_input *input, int64_t t_ms, struct batch *batch)
{
	struct test_input_line *line;
	int64_t at_ms = 0;
	int code = 0;
	while (!code && (line = line_next(input, t_ms, &at_ms))) {
		const struct log_entry entry = {
			.ts_ns = (input->start_ms + at_ms) * 1000000,
			.line = line->written->line,
			.metadata = line->metadata,
			.nmetadata = line->written->metadata.n,
		};
		struct log_stream *stream = log_feed_stream(input->feed, line->stream);
		code = stream ? log_feed_line(input->feed, stream, &entry) : ERR_NOMEM;
		if (code == ERR_FULL) {
			code = log_feed_flush(input->feed, batch);
			continue;
		}
		line->next++;
	}
	return code ? code : log_feed_flush(input->feed, batch);
}

/* ---- all of it ---- */

int test_input_init(struct test_input *input, const struct test_case *test,
		    const struct rule_set *rules, int64_t interval_ms, int64_t start_ms,
		    struct arena *arena, struct diag_list *diags)
{
	int code;
	*input = (struct test_input){ .test = test,
				      .interval_ms = interval_ms,
				      .start_ms = start_ms };
	code = hash_key_init(&input->key);
	if (code)
		return code;
	if (test_goes_on(&code,
			 test_input_series_init(input, UNIT_TEST_POINTS_MAX, arena, diags)) &&
	    test_goes_on(&code, profiles_init(input, arena, diags)))
		test_goes_on(&code, lines_init(input, rules, arena, diags));
	return code;
}

void test_input_fini(struct test_input *input)
{
	for (size_t i = 0; i < input->nseries; i++)
		labels_unref(input->series[i].labels);
	for (size_t i = 0; i < input->nprofiles; i++) {
		labels_unref(input->profiles[i].labels);
		profile_free(input->profiles[i].profile);
	}
	for (size_t i = 0; i < input->nlines; i++)
		labels_unref(input->lines[i].stream);
	log_feed_free(input->feed);
	profile_summary_free(input->summary);
	*input = (struct test_input){ 0 };
}

static uint64_t bits_of(const struct series_value *value)
{
	return value->kind == SERIES_NUMBER ? bits_of_double(value->number) : STALE_NAN_BITS;
}

static int series_step(struct test_input *input, struct test_input_series *series, int64_t t_ms,
		       struct batch *batch)
{
	int code = 0;
	for (; series->next < series->values.n && !code; series->next++) {
		const struct series_value *value = &series->values.items[series->next];
		int64_t at_ms = input->start_ms + (int64_t)series->next * input->interval_ms;
		if (at_ms > t_ms)
			break;
		if (value->kind != SERIES_NOTHING)
			code = batch_sample_add(batch, &input->key, series->labels, at_ms,
						bits_of(value));
	}
	return code;
}

int test_input_step(struct test_input *input, struct simulation *simulation, int64_t t_ms)
{
	struct batch *batch = batch_new();
	int code = batch ? 0 : ERR_NOMEM;
	for (size_t i = 0; i < input->nseries && !code; i++)
		code = series_step(input, &input->series[i], t_ms, batch);
	if (!code)
		code = profiles_step(input, t_ms, batch);
	if (!code)
		code = lines_step(input, t_ms, batch);
	if (code) {
		batch_free(batch);
		return code;
	}
	simulation_step(simulation, t_ms, batch);
	return 0;
}
