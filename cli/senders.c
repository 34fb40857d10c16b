/* tocsin senders: who sends, and what became of it. */
#include <jansson.h>

#include "cli/cli.h"

static const char *const heads[] = { "SENDER", "STATE",	    "LAST",    "LAG",  "SERIES",
				     "STORED", "IDENTICAL", "IGNORED", "LATE", "REJECTED" };

static void add_row(struct text_table *table, const json_t *sender, const json_t *now)
{
	static const char *const counts[] = { "series",	 "stored", "identical",
					      "ignored", "late",   "rejected" };

	text_table_add(table, json_string_value(json_object_get(sender, "name")));
	text_table_add(table,
		       json_is_true(json_object_get(sender, "silent")) ? "silent" : "sending");
	text_table_add_age(table, json_object_get(sender, "last"), now);
	text_table_add_format(table, "%.1fs",
			      json_number_value(json_object_get(sender, "lag")) / 1000);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		text_table_add_format(
			table, "%lld",
			(long long)json_integer_value(json_object_get(sender, counts[i])));
}

static int run(const struct cli_args *args)
{
	static const struct overview_list list = { "senders", heads, sizeof(heads) / sizeof(*heads),
						   add_row };

	return overview_print(&senders_command, args, &list);
}

const struct command senders_command = {
	.name = "senders",
	.arguments = "[--url URL] [--format json]",
	.summary = "Show who sends, and what became of it.",
	.options = overview_options,
	.run = run,
};
