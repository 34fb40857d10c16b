/* tocsin query: asks a running daemon. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/cli.h"

enum { URL, FORMAT, TIME };

static const struct cli_option options[] = {
	[URL] = URL_OPTION,
	[FORMAT] = FORMAT_OPTION,
	[TIME] = { "time", "TIME", "seconds since the epoch or RFC 3339 (now)" },
	{ NULL, NULL, NULL },
};

static void add_series(struct text_table *table, const json_t *metric)
{
	static const char *const hidden[] = { "__name__", NULL };
	const char *name = json_string_value(json_object_get(metric, "__name__"));

	text_table_add(table, name);
	text_table_add_labels(table, metric, hidden);
}

/* A range: 1 @1795167707.963 2 @1795167722.963 */
static void add_samples(struct text_table *table, const json_t *samples)
{
	struct buf text;
	json_t *sample;
	size_t i;

	buf_init(&text);
	json_array_foreach (samples, i, sample)
		buf_printf(&text, "%s%s @%.3f", i ? " " : "",
			   json_string_value(json_array_get(sample, 1)),
			   json_number_value(json_array_get(sample, 0)));
	text_table_add(table, text.ptr);
	buf_fini(&text);
}

static int print_table(const json_t *data)
{
	static const char *const heads[] = { "METRIC", "LABELS", "VALUE" };
	const json_t *result = json_object_get(data, "result");
	const char *type = json_string_value(json_object_get(data, "resultType"));
	bool is_matrix = type && slice_is(SLICE("matrix"), type);
	struct text_table table;
	json_t *row;
	size_t i;

	if (!is_matrix && (!type || slice_is(SLICE("vector"), type) == 0)) {
		const char *value = json_string_value(json_array_get(result, 1));

		return value && puts(value) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	/* Whoever asks for a metric that no rule reads shall not look for a mistake of his own. */
	if (json_array_size(result) == 0)
		fprintf(stderr, "no series; only what the rules ask for is kept\n");
	text_table_init(&table, heads, 3);
	json_array_foreach (result, i, row) {
		add_series(&table, json_object_get(row, "metric"));
		if (is_matrix)
			add_samples(&table, json_object_get(row, "values"));
		else
			text_table_add(&table, json_string_value(json_array_get(
						       json_object_get(row, "value"), 1)));
	}
	return text_table_print(&table);
}

static int print_answer(const json_t *answer, bool json)
{
	json_t *warning;
	size_t i;

	if (json) {
		char *text = json_dumps(answer, JSON_INDENT(2));
		bool good = text && puts(text) >= 0;

		free(text);
		return good ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	json_array_foreach (json_object_get(answer, "warnings"), i, warning)
		fprintf(stderr, "warning: %s\n", json_string_value(warning));
	return print_table(json_object_get(answer, "data"));
}

static int run(const struct cli_args *args)
{
	bool bad, json = is_json_format(args->values[FORMAT], &bad);
	json_t *answer;
	struct buf form;

	if (bad)
		return usage_error(&query_command, "unknown format \"%.100s\": text or json",
				   args->values[FORMAT]);
	char *expr = text_argument(args->words[0]);

	if (!expr)
		return EXIT_FAILURE;
	buf_init(&form);
	form_add(&form, "query", expr);
	free(expr);
	if (args->values[TIME])
		form_add(&form, "time", args->values[TIME]);
	int code = client_ask_form(args->values[URL], "/api/v1/query", &form, &answer);

	if (code)
		return code;
	code = print_answer(answer, json);
	json_decref(answer);
	return code;
}

const struct command query_command = {
	.name = "query",
	.arguments = "EXPR [--time TIME] [--url URL] [--format json]",
	.summary = "Ask a running daemon.",
	.doc = "\"-\" is standard input. A value of a range vector is followed by its time.",
	.options = options,
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
