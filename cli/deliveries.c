/* tocsin deliveries: notifications on their way and the last ones that ended. */
#include <jansson.h>

#include "cli/cli.h"

static const char *const heads[] = { "STATE",	 "RECEIVER", "GROUP", "FIRING", "RESOLVED",
				     "ATTEMPTS", "CODE",     "AGE",   "REASON", "MESSAGE" };

static void add_row(struct text_table *table, const json_t *delivery, const json_t *now)
{
	static const char *const counts[] = { "firing", "resolved", "attempts", "code" };

	text_table_add(table, json_string_value(json_object_get(delivery, "state")));
	text_table_add(table, json_string_value(json_object_get(delivery, "receiver")));
	text_table_add(table, json_string_value(json_object_get(delivery, "groupKey")));
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		text_table_add_format(
			table, "%lld",
			(long long)json_integer_value(json_object_get(delivery, counts[i])));
	text_table_add_age(table, json_object_get(delivery, "created"), now);
	text_table_add(table, json_string_value(json_object_get(delivery, "reason")));
	text_table_add(table, json_string_value(json_object_get(delivery, "message")));
}

static int run(const struct cli_args *args)
{
	static const struct overview_list list = { "deliveries", heads,
						   sizeof(heads) / sizeof(*heads), add_row };

	return overview_print(&deliveries_command, args, &list);
}

const struct command deliveries_command = {
	.name = "deliveries",
	.arguments = "[--url URL] [--format json]",
	.summary = "Show notifications on their way and the last that ended.",
	.options = overview_options,
	.run = run,
};
