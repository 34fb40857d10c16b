#include "cli/check_data.h"
#include "cli/check_kept.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "rules/lint_data.h"

#define SERIES_ASKED "10000" /* of one selector */

struct asked {
	const char *url;
	const struct rule_set *set;
	json_t *rules; /* a set: group, rule and query of those that run */
	struct kept kept;
	int code; /* of the first failure */
};

/* The answer's data, to decref; NULL: none, and nothing more is asked. */
static json_t *ask(struct asked *asked, const char *path, const char *names[2],
		   const char *values[2])
{
	json_t *answer = NULL, *data = NULL;
	struct buf form;

	if (asked->code)
		return NULL;
	buf_init(&form);
	for (int i = 0; i < 2; i++)
		if (names[i])
			form_add(&form, names[i], values[i]);
	asked->code = client_ask_form(asked->url, path, &form, &answer);
	if (!asked->code)
		data = json_incref(json_object_get(answer, "data"));
	json_decref(answer);
	return data;
}

/* ---- which rules run ---- */

static char *key_of(const char *group, const char *name, const char *query)
{
	struct buf key;

	buf_init(&key);
	buf_printf(&key, "%s\n%s\n%s", group, name, query);
	return buf_take(&key);
}

static void remember(struct asked *asked, const json_t *group)
{
	json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(group, "rules"), i, rule) {
		const char *health = json_string_value(json_object_get(rule, "health"));
		const char *query = json_string_value(json_object_get(rule, "query"));
		const char *name = json_string_value(json_object_get(rule, "name"));
		char *key = query && name
				    ? key_of(json_string_value(json_object_get(group, "name")),
					     name, query)
				    : NULL;

		if (key && health && strcmp(health, "ok") == 0) {
			json_object_set_new(asked->rules, key, json_true());
			kept_add(&asked->kept, query);
		}
		free(key);
	}
}

static bool is_running(void *ctx, const struct rule *rule)
{
	const struct asked *asked = ctx;
	char *name = slice_dup(rule->name);
	char *group = slice_dup(asked->set->groups[rule->group].name);
	char *key = name && group ? key_of(group, name, rule->query) : NULL;
	bool is = key && json_object_get(asked->rules, key);

	free(key);
	free(group);
	free(name);
	return is;
}

static bool is_kept(void *ctx, const struct expr *selector)
{
	const struct asked *asked = ctx;

	return kept_has(&asked->kept, selector);
}

/* ---- what there is ---- */

static bool add_strings(const json_t *array, struct arena *arena, struct lint_strings *out)
{
	size_t n = json_array_size(array);

	*out = (struct lint_strings){ .items = ARENA_ARRAY(arena, const char *, n + 1) };
	for (size_t i = 0; out->items && i < n; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		const char *copy = text ? arena_strdup(arena, slice_from(text)) : NULL;

		if (copy)
			out->items[out->n++] = copy;
	}
	return out->items != NULL;
}

static bool series(void *ctx, const char *selector, struct arena *arena, size_t *n,
		   struct lint_strings *labels)
{
	json_t *list = ask(ctx, "/api/v1/series", (const char *[]){ "match[]", "limit" },
			   (const char *[]){ selector, SERIES_ASKED });
	json_t *names = json_object(), *array = json_array(), *one, *value;
	const char *name;
	size_t i;

	json_array_foreach (list, i, one) {
		json_object_foreach (one, name, value) {
			if (json_object_get(names, name))
				continue;
			json_object_set_new(names, name, json_true());
			json_array_append_new(array, json_string(name));
		}
	}
	*n = json_array_size(list);
	bool good = list && add_strings(array, arena, labels);

	json_decref(array);
	json_decref(names);
	json_decref(list);
	return good;
}

static bool values(void *ctx, const char *label, const char *selector, struct arena *arena,
		   struct lint_strings *out)
{
	struct buf path;
	char *escaped_label = curl_easy_escape(NULL, label, 0);
	char *escaped_selector = curl_easy_escape(NULL, selector ? selector : "", 0);

	buf_init(&path);
	if (escaped_label && escaped_selector)
		buf_printf(&path, "/api/v1/label/%s/values%s%s", escaped_label,
			   selector ? "?match[]=" : "", escaped_selector);
	curl_free(escaped_label);
	curl_free(escaped_selector);
	json_t *array = path.len && buf_ok(&path)
				? ask(ctx, path.ptr, (const char *[]){ NULL, NULL }, NULL)
				: NULL;
	bool good = array && add_strings(array, arena, out);

	buf_fini(&path);
	json_decref(array);
	return good;
}

static bool value(void *ctx, const char *expr, double *out)
{
	json_t *data = ask(ctx, "/api/v1/query", (const char *[]){ "query", NULL },
			   (const char *[]){ expr, NULL });
	const json_t *row = json_array_get(json_object_get(data, "result"), 0);
	const char *text = json_string_value(json_array_get(json_object_get(row, "value"), 1));
	bool good = text && number_parse(slice_from(text), out) == 0;

	json_decref(data);
	return good;
}

static bool lag_of(void *ctx, struct arena *arena, int64_t *lag_ms, const char **sender)
{
	struct asked *asked = ctx;
	json_t *overview = NULL, *lag, *name;

	if (!asked->code)
		asked->code = client_ask(asked->url, "GET", "/api/tocsin/v1/overview", NULL,
					 SLICE(""), &overview);
	lag = json_object_get(overview, "lag");
	name = json_object_get(lag, "sender");
	*lag_ms = json_integer_value(json_object_get(lag, "longest"));
	*sender = json_is_string(name) ? arena_strdup(arena, slice_from(json_string_value(name)))
				       : NULL;
	json_decref(overview);
	return *sender != NULL;
}

int check_data_offset(const char *url, int64_t *offset_ms)
{
	json_t *answer = NULL;
	int code = client_ask(url, "GET", "/api/tocsin/v1/senders", NULL, SLICE(""), &answer);
	const json_t *data = json_object_get(answer, "data");

	*offset_ms = json_integer_value(json_object_get(data, "ruleQueryOffset"));
	json_decref(answer);
	return code;
}

int check_data(const char *url, const struct rule_set *rules, struct diag_list *diags,
	       size_t *compared)
{
	struct asked asked = { .url = url, .set = rules, .rules = json_object() };
	const struct lint_source source = { &asked, is_running, is_kept, series,
					    values, value,	lag_of };
	json_t *group;
	size_t i;

	kept_init(&asked.kept);
	json_t *data = ask(&asked, "/api/v1/rules?exclude_alerts=true",
			   (const char *[]){ NULL, NULL }, NULL);

	json_array_foreach (json_object_get(data, "groups"), i, group)
		remember(&asked, group);
	json_decref(data);
	if (!asked.code && rule_set_lint_data(rules, &source, diags) && !asked.code)
		asked.code = fail(EXIT_FAILURE, "out of memory");
	for (uint32_t g = 0; g < rules->ngroups; g++)
		for (uint32_t r = 0; r < rules->groups[g].nrules; r++)
			*compared += is_running(&asked, &rules->groups[g].rules[r]);
	json_decref(asked.rules);
	kept_fini(&asked.kept);
	return asked.code;
}
