/* tocsin alerts: what is pending or fires. */
#include <jansson.h>
#include <string.h>

#include "cli/cli.h"

static const char *const heads[] = {
	"STATE", "ALERT", "LABELS", "VALUE", "FOR", "NOTE", "EVIDENCE"
};

static const char *note_of(const json_t *alert)
{
	if (json_string_length(json_object_get(alert, "silencedBy")))
		return "silenced";
	if (!json_is_true(json_object_get(alert, "held")))
		return "";
	const char *by = json_string_value(json_object_get(alert, "heldBy"));

	return by && strcmp(by, "resolve_when") == 0 ? "held: resolve_when" : "held";
}

/* The hottest function, or else an example line. */
static void add_evidence(struct text_table *table, const json_t *evidence)
{
	const json_t *function = json_array_get(json_object_get(evidence, "functions"), 0);
	const char *line = json_string_value(json_array_get(json_object_get(evidence, "lines"), 0));

	if (function)
		text_table_add_format(
			table, "%s %s %.0f%%",
			json_string_value(json_object_get(function, "profile_type")),
			json_string_value(json_object_get(function, "name")),
			100 * json_number_value(json_object_get(function, "self_ratio")));
	else
		text_table_add_format(table, "%.80s", line ? line : "");
}

static void add_row(struct text_table *table, const json_t *alert, const json_t *now)
{
	static const char *const hidden[] = { "alertname", NULL };
	const json_t *value = json_object_get(alert, "value"),
		     *fired = json_object_get(alert, "fired");

	text_table_add(table, json_string_value(json_object_get(alert, "state")));
	text_table_add(table, json_string_value(json_object_get(alert, "rule")));
	text_table_add_labels(table, json_object_get(alert, "labels"), hidden);
	if (json_is_string(value))
		text_table_add(table, json_string_value(value));
	else
		text_table_add_format(table, "%.6g", json_number_value(value));
	text_table_add_age(table, json_is_integer(fired) ? fired : json_object_get(alert, "active"),
			   now);
	text_table_add(table, note_of(alert));
	add_evidence(table, json_object_get(alert, "evidence"));
}

static int run(const struct cli_args *args)
{
	static const struct overview_list list = { "alerts", heads, sizeof(heads) / sizeof(*heads),
						   add_row };

	return overview_print(&alerts_command, args, &list);
}

const struct command alerts_command = {
	.name = "alerts",
	.arguments = "[--url URL] [--format json]",
	.summary = "Show what is pending or fires.",
	.options = overview_options,
	.run = run,
};
