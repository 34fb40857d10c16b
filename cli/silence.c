/* tocsin silence: add, list and expire silences of a running daemon, through Alertmanager's API. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/matcher.h"
#include "base/text.h"
#include "cli/cli.h"

enum { URL, FORMAT, DURATION, BY, COMMENT };

static const struct cli_option options[] = {
	[URL] = URL_OPTION,
	[FORMAT] = FORMAT_OPTION,
	[DURATION] = { "for", "DURATION", "how long, from now on (1h)" },
	[BY] = { "by", "NAME", "who silences ($USER)" },
	[COMMENT] = { "because", "TEXT", "why; required" },
	{ NULL, NULL, NULL },
};

static void add_matcher(struct json_writer *w, const struct matcher *matcher)
{
	json_begin_object(w);
	json_field_string(w, "name", matcher_name(matcher));
	json_field_string(w, "value", matcher_value(matcher));
	json_field_bool(w, "isRegex", matcher->type == MATCH_RE || matcher->type == MATCH_NRE);
	json_field_bool(w, "isEqual", matcher->type == MATCH_EQ || matcher->type == MATCH_RE);
	json_end_object(w);
}

static void format_silence(const struct cli_args *args, const struct matcher *matchers, size_t n,
			   int64_t duration_ms, struct buf *out)
{
	const char *by = args->values[BY] ? args->values[BY] : getenv("USER");
	int64_t now_ms = clock_wall_ms();
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_key(&w, "matchers");
	json_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		add_matcher(&w, &matchers[i]);
	json_end_array(&w);
	json_field_time(&w, "startsAt", now_ms);
	json_field_time(&w, "endsAt", now_ms + duration_ms);
	json_field_string(&w, "createdBy", slice_from(by ? by : "tocsin"));
	json_field_string(&w, "comment", slice_from(args->values[COMMENT]));
	json_end_object(&w);
}

static int send_silence(const struct cli_args *args, const struct matcher *matchers, size_t n,
			int64_t duration_ms)
{
	struct buf body;
	json_t *answer;

	buf_init(&body);
	format_silence(args, matchers, n, duration_ms, &body);
	int code = client_ask(args->values[URL], "POST", "/api/v2/silences", "application/json",
			      buf_slice(&body), &answer);

	buf_fini(&body);
	if (code)
		return code;
	puts(json_string_value(json_object_get(answer, "silenceID")) ?: "");
	json_decref(answer);
	return EXIT_SUCCESS;
}

static int add(const struct cli_args *args)
{
	const char *duration = args->values[DURATION] ? args->values[DURATION] : "1h";
	struct matcher *matchers = NULL;
	int64_t duration_ms;
	char *why = NULL;
	size_t n = 0;
	int code = 0;

	if (!args->values[COMMENT])
		return usage_error(&silence_command, "say why: --because TEXT");
	if (duration_parse(slice_from(duration), &duration_ms) || duration_ms <= 0)
		return usage_error(&silence_command, "\"%.100s\" is no duration such as 2h",
				   duration);
	for (size_t i = 1; i < args->nwords && !code; i++)
		code = matchers_parse(slice_from(args->words[i]), &matchers, &n, &why);
	if (code)
		code = usage_error(&silence_command, "%s", why ? why : error_text(code));
	else if (n == 0)
		code = usage_error(&silence_command,
				   "which alerts? Give matchers such as alertname=Down");
	else
		code = send_silence(args, matchers, n, duration_ms);
	free(why);
	matchers_free(matchers, n);
	return code;
}

static void add_matchers(struct text_table *table, const json_t *matchers)
{
	struct buf text;
	json_t *matcher;
	size_t i;

	buf_init(&text);
	json_array_foreach (matchers, i, matcher) {
		bool is_equal = json_is_true(json_object_get(matcher, "isEqual")),
		     is_regex = json_is_true(json_object_get(matcher, "isRegex"));

		buf_printf(&text, "%s%s%s\"%s\"", i ? " " : "",
			   json_string_value(json_object_get(matcher, "name")),
			   is_regex   ? (is_equal ? "=~" : "!~")
			   : is_equal ? "="
				      : "!=",
			   json_string_value(json_object_get(matcher, "value")));
	}
	text_table_add(table, text.ptr);
	buf_fini(&text);
}

static int print_list(const json_t *silences)
{
	static const char *const heads[] = { "ID", "STATE", "MATCHERS", "ENDS", "BY", "BECAUSE" };
	struct text_table table;
	json_t *silence;
	size_t i;

	text_table_init(&table, heads, sizeof(heads) / sizeof(*heads));
	json_array_foreach (silences, i, silence) {
		text_table_add(&table, json_string_value(json_object_get(silence, "id")));
		text_table_add(&table, json_string_value(json_object_get(
					       json_object_get(silence, "status"), "state")));
		add_matchers(&table, json_object_get(silence, "matchers"));
		text_table_add(&table, json_string_value(json_object_get(silence, "endsAt")));
		text_table_add(&table, json_string_value(json_object_get(silence, "createdBy")));
		text_table_add(&table, json_string_value(json_object_get(silence, "comment")));
	}
	return text_table_print(&table);
}

static int list(const struct cli_args *args)
{
	bool bad, json = is_json_format(args->values[FORMAT], &bad);
	json_t *silences;

	if (bad)
		return usage_error(&silence_command, "unknown format \"%.100s\": text or json",
				   args->values[FORMAT]);
	int code = client_ask(args->values[URL], "GET", "/api/v2/silences", NULL, SLICE(""),
			      &silences);

	if (code)
		return code;
	if (json) {
		char *text = json_dumps(silences, JSON_INDENT(2));

		code = text && puts(text) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
		free(text);
	} else {
		code = print_list(silences);
	}
	json_decref(silences);
	return code;
}

static int expire(const struct cli_args *args)
{
	int code = EXIT_SUCCESS;

	if (args->nwords < 2)
		return usage_error(&silence_command,
				   "which? Give the ids of \"tocsin silence list\"");
	for (size_t i = 1; i < args->nwords && !code; i++) {
		char path[128];
		json_t *answer;

		snprintf(path, sizeof(path), "/api/v2/silence/%.64s", args->words[i]);
		code = client_ask(args->values[URL], "DELETE", path, NULL, SLICE(""), &answer);
		if (!code)
			json_decref(answer);
	}
	return code;
}

static const struct {
	const char *name;
	int (*run)(const struct cli_args *args);
} verbs[] = { { "add", add }, { "list", list }, { "expire", expire } };
#define NVERBS (sizeof(verbs) / sizeof(*verbs))

static const char *choice(size_t i)
{
	return i < NVERBS ? verbs[i].name : NULL;
}

static int run(const struct cli_args *args)
{
	for (size_t i = 0; i < NVERBS; i++)
		if (strcmp(args->words[0], verbs[i].name) == 0)
			return verbs[i].run(args);
	return usage_error(&silence_command, "\"%.100s\" is not add, list or expire",
			   args->words[0]);
}

const struct command silence_command = {
	.name = "silence",
	.arguments = "add MATCHER… --because TEXT [--for 1h] [--by NAME] | list | expire ID…",
	.summary = "Keep alerts from being told for a while.",
	.doc = "Matchers are Alertmanager's: alertname=Down, instance=~\"web.*\".",
	.options = options,
	.choice = choice,
	.words_min = 1,
	.words_max = 64,
	.run = run,
};
