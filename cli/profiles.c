/* tocsin profiles: the raw profiles that a running daemon keeps, and what they say. */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"

enum { URL, FORMAT, MATCH, TYPE, START, END, BEFORE, AFTER, RANGE, TRACE, LIMIT, SORT };

static const struct cli_option options[] = {
	[URL] = URL_OPTION,
	[FORMAT] = FORMAT_OPTION,
	[MATCH] = { "match", "MATCHERS", "of which targets: '{job=\"api\"}'" },
	[TYPE] = { "type", "TYPE", "cpu, heap_inuse, … (list: any; else cpu)" },
	[START] = { "start", "TIME", "list, top: ended since then" },
	[END] = { "end", "TIME", "list, top: ended by then (now)" },
	[BEFORE] = { "before", "TIME", "diff: the first of the two times" },
	[AFTER] = { "after", "TIME", "diff: the second (now)" },
	[RANGE] = { "range", "DURATION", "diff: how far back from each time (5m)" },
	[TRACE] = { "trace", "ID", "of this trace only" },
	[LIMIT] = { "limit", "N", "so many profiles or functions at most" },
	[SORT] = { "sort", "BY", "top: self or total; diff: share or absolute" },
	{ NULL, NULL, NULL },
};

/* Names of the API's parameters; NULL: not one. */
static const char *const params[] = {
	[MATCH] = "match",   [TYPE] = "type",	[START] = "start", [END] = "end",
	[BEFORE] = "before", [AFTER] = "after", [RANGE] = "range", [TRACE] = "trace_id",
	[LIMIT] = "limit",   [SORT] = "sort",
};

static bool is_time(size_t option)
{
	return option == START || option == END || option == BEFORE || option == AFTER;
}

static void add_param(struct buf *query, size_t option, const char *value)
{
	int64_t ago_ms;
	char time[32], *escaped;

	/* "10m": so long ago. */
	if (is_time(option) && duration_parse(slice_from(value), &ago_ms) == 0) {
		snprintf(time, sizeof(time), "%.3f", (double)(clock_wall_ms() - ago_ms) / 1000);
		value = time;
	}
	escaped = curl_easy_escape(NULL, value, 0);
	if (escaped)
		buf_printf(query, "%c%s=%s", strchr(query->ptr, '?') ? '&' : '?', params[option],
			   escaped);
	else
		query->failed = true;
	curl_free(escaped);
}

/* ---- tables ---- */

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static double number_of(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

static int print_list(const json_t *data)
{
	static const char *const heads[] = { "ID", "END", "SECONDS", "TYPES", "BYTES", "LABELS" };
	struct text_table table;
	json_t *profile, *type;
	size_t i, k;

	text_table_init(&table, heads, sizeof(heads) / sizeof(*heads));
	json_array_foreach (data, i, profile) {
		struct buf types;

		buf_init(&types);
		json_array_foreach (json_object_get(profile, "profile_types"), k, type)
			buf_printf(&types, "%s%s", k ? "," : "", json_string_value(type));
		text_table_add_format(&table, "%.0f", number_of(profile, "id"));
		text_table_add(&table, text_of(profile, "end"));
		text_table_add_format(&table, "%g", number_of(profile, "duration_seconds"));
		text_table_add(&table, types.ptr);
		text_table_add_format(&table, "%.0f", number_of(profile, "size"));
		text_table_add_labels(&table, json_object_get(profile, "labels"), NULL);
		buf_fini(&types);
	}
	return text_table_print(&table);
}

static int print_top(const json_t *data)
{
	static const char *const heads[] = { "SELF", "SELF %", "TOTAL", "TOTAL %", "FUNCTION" };
	struct text_table table;
	json_t *row;
	size_t i;

	text_table_init(&table, heads, sizeof(heads) / sizeof(*heads));
	json_array_foreach (json_object_get(data, "functions"), i, row) {
		text_table_add_format(&table, "%.6g", number_of(row, "self"));
		text_table_add_format(&table, "%.2f", 100 * number_of(row, "self_ratio"));
		text_table_add_format(&table, "%.6g", number_of(row, "total"));
		text_table_add_format(&table, "%.2f", 100 * number_of(row, "total_ratio"));
		text_table_add(&table, text_of(row, "function"));
	}
	return text_table_print(&table);
}

static int print_diff(const json_t *data)
{
	static const char *const heads[] = { "SELF %", "CHANGE",      "TOTAL %",
					     "CHANGE", "SELF CHANGE", "FUNCTION" };
	bool per_second = strcmp(text_of(data, "per") ? text_of(data, "per") : "", "second") == 0;
	struct text_table table;
	json_t *row;
	size_t i;

	text_table_init(&table, heads, sizeof(heads) / sizeof(*heads));
	json_array_foreach (json_object_get(data, "functions"), i, row) {
		const json_t *after = json_object_get(row, "after"),
			     *change = json_object_get(row, "change");

		text_table_add_format(&table, "%.2f", 100 * number_of(after, "self_ratio"));
		text_table_add_format(&table, "%+.2f", 100 * number_of(change, "self_ratio"));
		text_table_add_format(&table, "%.2f", 100 * number_of(after, "total_ratio"));
		text_table_add_format(&table, "%+.2f", 100 * number_of(change, "total_ratio"));
		text_table_add_format(&table, "%+.4g%s", number_of(change, "self"),
				      per_second ? "/s" : "");
		text_table_add(&table, text_of(row, "function"));
	}
	return text_table_print(&table);
}

/* ---- the command ---- */

static const struct view {
	const char *name, *path;
	int (*print)(const json_t *data);
} views[] = {
	{ "list", "/api/tocsin/v1/profiles", print_list },
	{ "top", "/api/tocsin/v1/profiles/top", print_top },
	{ "diff", "/api/tocsin/v1/profiles/diff", print_diff },
};

static const struct view *view_find(const char *name)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(*views); i++)
		if (strcmp(views[i].name, name) == 0)
			return &views[i];
	return NULL;
}

static int print_answer(const struct view *view, const json_t *answer, bool json)
{
	if (!json)
		return view->print(json_object_get(answer, "data"));
	char *text = json_dumps(answer, JSON_INDENT(2));
	bool good = text && puts(text) >= 0;

	free(text);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int ask(const struct view *view, const struct cli_args *args, json_t **answer)
{
	struct buf path;

	buf_init(&path);
	buf_add_str(&path, view->path);
	for (size_t i = 0; i < sizeof(params) / sizeof(*params) && buf_ok(&path); i++)
		if (params[i] && args->values[i])
			add_param(&path, i, args->values[i]);
	int code = buf_ok(&path) ? client_ask(args->values[URL], "GET", path.ptr, NULL,
					      (struct slice){ 0 }, answer)
				 : fail(EXIT_FAILURE, "out of memory");

	buf_fini(&path);
	return code;
}

static const char *choice(size_t i)
{
	return i < sizeof(views) / sizeof(*views) ? views[i].name : NULL;
}

static int run(const struct cli_args *args)
{
	bool bad, json = is_json_format(args->values[FORMAT], &bad);
	const struct view *view = view_find(args->words[0]);
	json_t *answer;

	if (bad)
		return usage_error(&profiles_command, "unknown format \"%.100s\": text or json",
				   args->values[FORMAT]);
	if (!view)
		return usage_error(&profiles_command, "\"%.100s\" is not list, top or diff",
				   args->words[0]);
	if (strcmp(view->name, "diff") == 0 && !args->values[BEFORE])
		return usage_error(&profiles_command, "diff needs --before, the first time");
	int code = ask(view, args, &answer);

	if (code)
		return code;
	code = print_answer(view, answer, json);
	json_decref(answer);
	return code;
}

const struct command profiles_command = {
	.name = "profiles",
	.arguments = "list|top|diff [--match MATCHERS] [--type TYPE] [--url URL] [--format json]",
	.summary = "Show the profiles kept, their top functions, or what changed.",
	.doc = "A TIME is seconds since the epoch, RFC 3339, or a duration: so long ago.\n"
	       "  tocsin profiles diff --before 1h --match '{job=\"api\"}'\n"
	       "Amounts are in seconds of CPU or of waiting, bytes, or numbers, by the type.",
	.options = options,
	.choice = choice,
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
