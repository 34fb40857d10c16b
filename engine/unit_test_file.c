/* The keys of files of unit tests. */
#include "engine/unit_test_file.h"

#include "engine/unit_test.h"

#define DAY_MS (24ll * 3600 * 1000)
#define TIME_SPAN_MS (300ll * 365 * DAY_MS)

#define TABLE(table, s, title, ...)                                                                \
	static const struct bind_field table##_fields[] = { __VA_ARGS__ };                         \
	static const struct bind_table table = BIND_TABLE_AT(s, title, table##_fields)

TABLE(series_keys, test_series, "input series",
      BIND_FIELD(test_series, series, "series", BIND_STRING, .required = true,
		 .doc = "The series: `metric{label=\"value\"}`."),
      BIND_FIELD(test_series, values, "values", BIND_STRING,
		 .doc = "Its samples, an interval apart: `1 2 _ 3x2 0+10x5 stale`."));

#define TIMES(s)                                                                                   \
	BIND_FIELD(s, times.at_ms, "at", BIND_DURATION, .default_text = "0s", .min = 0,            \
		   .max = TIME_SPAN_MS, .doc = "When it comes, from the start."),                  \
		BIND_FIELD(s, times.every_ms, "every", BIND_DURATION, .min = 1,                    \
			   .max = TIME_SPAN_MS,                                                    \
			   .doc = "Again after each such time, until `until`."),                   \
		BIND_FIELD(s, times.until_ms, "until", BIND_DURATION, .min = 0,                    \
			   .max = TIME_SPAN_MS, .doc = "The last moment at which it comes.")

TABLE(line_keys, test_line, "input line", TIMES(test_line),
      BIND_FIELD(test_line, line, "line", BIND_STRING, .required = true, .doc = "The line."),
      BIND_FIELD(test_line, metadata, "metadata", BIND_MAP, .doc = "Its structured metadata."));

TABLE(stream_keys, test_stream, "input logs",
      BIND_FIELD(test_stream, stream, "stream", BIND_STRING, .required = true,
		 .doc = "The labels of the stream: `{job=\"shop\"}`."),
      BIND_FIELD(test_stream, lines, "lines", BIND_STRUCTS, .table = &line_keys,
		 .doc = "What is logged."));

TABLE(profile_keys, test_profile, "input profile", TIMES(test_profile),
      BIND_FIELD(test_profile, duration_ms, "duration", BIND_DURATION, .default_text = "10s",
		 .min = 1, .max = TIME_SPAN_MS,
		 .doc = "How long it was taken; it ends when it comes."),
      BIND_FIELD(test_profile, rate, "rate", BIND_INT, .default_text = "100", .min = 1,
		 .max = 1000000,
		 .doc = "Samples a second that the profiler is set to, of `cpu` and `wall`."),
      BIND_FIELD(test_profile, stacks, "stacks", BIND_STRING, .required = true,
		 .doc = "Collapsed stacks, one a line: `main;work 20`, in samples, or in the base "
			"unit "
			"of types that are not sampled in time."));

TABLE(target_keys, test_target, "input profiles",
      BIND_FIELD(test_target, labels, "labels", BIND_STRING, .required = true,
		 .doc = "The labels of the target: `{job=\"shop\", instance=\"a\"}`."),
      BIND_FIELD(test_target, type, "type", BIND_STRING, .default_text = "cpu",
		 .doc = "The kind of profile: cpu, wall, heap_inuse, heap_alloc, goroutine, mutex, "
			"block."),
      BIND_FIELD(test_target, profiles, "profiles", BIND_STRUCTS, .table = &profile_keys,
		 .doc = "What is taken."));

TABLE(expected_alert_keys, test_expected_alert, "expected alert",
      BIND_FIELD(test_expected_alert, labels, "exp_labels", BIND_MAP,
		 .doc = "All its labels; alertname need not be said."),
      BIND_FIELD(test_expected_alert, annotations, "exp_annotations", BIND_MAP,
		 .doc = "All its annotations, rendered."));

TABLE(alert_keys, test_alert, "alert test",
      BIND_FIELD(test_alert, eval_ms, "eval_time", BIND_DURATION, .default_text = "0s", .min = 0,
		 .max = TIME_SPAN_MS,
		 .doc = "When, from the start; the last evaluation until then counts."),
      BIND_FIELD(test_alert, name, "alertname", BIND_STRING, .required = true,
		 .doc = "The alerts' name."),
      BIND_FIELD(test_alert, expected, "exp_alerts", BIND_STRUCTS, .table = &expected_alert_keys,
		 .doc = "Those that fire then, and no others; none: nothing of that name fires."));

TABLE(sample_keys, test_sample, "expected sample",
      BIND_FIELD(test_sample, labels, "labels", BIND_STRING,
		 .doc = "The element: `metric{label=\"value\"}`."),
      BIND_FIELD(test_sample, value, "value", BIND_NUMBER, .doc = "Its value."),
      BIND_FIELD(test_sample, histogram, "histogram", BIND_STRING,
		 .doc = "Not there yet: must be empty."));

TABLE(expr_keys, test_expr, "expression test",
      BIND_FIELD(test_expr, expr, "expr", BIND_STRING, .required = true, .doc = "The expression."),
      BIND_FIELD(test_expr, eval_ms, "eval_time", BIND_DURATION, .default_text = "0s", .min = 0,
		 .max = TIME_SPAN_MS, .doc = "When it is evaluated, from the start."),
      BIND_FIELD(test_expr, expected, "exp_samples", BIND_STRUCTS, .table = &sample_keys,
		 .doc = "The elements of its result, in any order."));

TABLE(case_keys, test_case, "test",
      BIND_FIELD(test_case, name, "name", BIND_STRING, .doc = "What it is called in messages."),
      BIND_FIELD(test_case, interval_ms, "interval", BIND_DURATION, .min = 0, .max = TIME_SPAN_MS,
		 .doc = "Between the samples of a series; default: evaluation_interval."),
      BIND_FIELD(test_case, start, "start_timestamp", BIND_STRING, .default_text = "0",
		 .doc = "Its first moment: seconds since the epoch, or RFC 3339."),
      BIND_FIELD(test_case, external_labels, "external_labels", BIND_MAP,
		 .doc = "What templates see as $externalLabels."),
      BIND_FIELD(test_case, external_url, "external_url", BIND_STRING,
		 .doc = "What templates see as $externalURL."),
      BIND_FIELD(test_case, series, "input_series", BIND_STRUCTS, .table = &series_keys,
		 .doc = "The series that arrive."),
      BIND_FIELD(test_case, logs, "input_logs", BIND_STRUCTS, .table = &stream_keys,
		 .doc = "The lines that arrive."),
      BIND_FIELD(test_case, profiles, "input_profiles", BIND_STRUCTS, .table = &target_keys,
		 .doc = "The profiles that arrive."),
      BIND_FIELD(test_case, alerts, "alert_rule_test", BIND_STRUCTS, .table = &alert_keys,
		 .doc = "Alerts that are expected."),
      BIND_FIELD(test_case, exprs, "promql_expr_test", BIND_STRUCTS, .table = &expr_keys,
		 .doc = "Expressions whose results are expected."));

static const struct bind_field file_fields[] = {
	BIND_FIELD(test_file, rule_files, "rule_files", BIND_STRINGS,
		   .doc = "The rules under test, with wildcards; relative to this file."),
	BIND_FIELD(test_file, evaluation_interval_ms, "evaluation_interval", BIND_DURATION,
		   .default_text = "1m", .min = 0, .max = TIME_SPAN_MS,
		   .doc = "How often all groups run, whatever interval they name."),
	BIND_FIELD(test_file, group_eval_order, "group_eval_order", BIND_STRINGS,
		   .doc = "Groups that run first, in this order; the others follow as they stand."),
	BIND_FIELD(test_file, fuzzy_compare, "fuzzy_compare", BIND_BOOL,
		   .doc = "Values may differ in the last bit."),
	BIND_FIELD(test_file, tests, "tests", BIND_STRUCTS, .table = &case_keys,
		   .doc = "The tests."),
};

#define IS_RULE_FILE                                                                               \
	"this looks like a rule file: \"tocsin check\" checks it, and tests name it under "        \
	"rule_files"

static const struct bind_elsewhere not_of_tests[] = {
	{ "groups", IS_RULE_FILE },
	{ "rules", IS_RULE_FILE },
	{ "route", "this looks like a configuration: tocsin check FILE" },
	{ "receivers", "this looks like a configuration: tocsin check FILE" },
	{ NULL, NULL },
};

const struct bind_table test_file_keys =
	BIND_TABLE_OF(test_file, "file of unit tests", file_fields,
		      offsetof(struct test_file, root), SIZE_MAX, .elsewhere = not_of_tests);

void unit_test_reference(struct buf *out)
{
	bind_reference(&test_file_keys, out);
}
