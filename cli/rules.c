/* tocsin rules: the rules in force and how they fare. */
#include <jansson.h>

#include "cli/cli.h"

static const char *const heads[] = { "GROUP",  "RULE",	 "STATE",     "HEALTH", "VALUE",
				     "NEWEST", "SERIES", "EVALUATED", "ERROR" };

static void add_rule(struct text_table *table, const json_t *group, const json_t *rule,
		     const json_t *now)
{
	const json_t *value = json_object_get(rule, "value");

	text_table_add(table, json_string_value(json_object_get(group, "name")));
	text_table_add(table, json_string_value(json_object_get(rule, "name")));
	text_table_add(table, json_string_value(json_object_get(rule, "state")));
	text_table_add(table, json_string_value(json_object_get(rule, "health")));
	if (json_integer_value(json_object_get(rule, "results")) == 0)
		text_table_add(table, "-");
	else if (json_is_string(value))
		text_table_add(table, json_string_value(value));
	else
		text_table_add_format(table, "%.6g", json_number_value(value));
	text_table_add_age(table, json_object_get(rule, "newest"), now);
	text_table_add_format(table, "%lld",
			      (long long)json_integer_value(json_object_get(rule, "series")));
	text_table_add_age(table, json_object_get(rule, "last"), now);
	const char *error = json_string_value(json_object_get(rule, "error"));

	text_table_add(table, error && *error
				      ? error
				      : json_string_value(json_object_get(rule, "warning")));
}

static void add_row(struct text_table *table, const json_t *group, const json_t *now)
{
	json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(group, "rules"), i, rule)
		add_rule(table, group, rule, now);
}

static int run(const struct cli_args *args)
{
	static const struct overview_list list = { "groups", heads, sizeof(heads) / sizeof(*heads),
						   add_row };

	return overview_print(&rules_command, args, &list);
}

const struct command rules_command = {
	.name = "rules",
	.arguments = "[--url URL] [--format json]",
	.summary = "Show the rules in force and how they fare.",
	.options = overview_options,
	.run = run,
};
