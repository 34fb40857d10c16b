/* tocsin runs: what the runbooks did. */
#include <jansson.h>

#include "cli/cli.h"

static const char *const heads[] = {
	"RUN", "RUNBOOK", "STATE", "TARGET", "AGE", "STEPS", "REASON"
};

/* restart:ok(undo:failed) */
static void add_step(struct buf *text, const json_t *step, bool first)
{
	const char *undo = json_string_value(json_object_get(step, "undo"));

	buf_printf(text, "%s%s:%s", first ? "" : " ",
		   json_string_value(json_object_get(step, "id")),
		   json_string_value(json_object_get(step, "state")));
	if (undo && *undo)
		buf_printf(text, "(undo:%s)", undo);
}

static void add_steps(struct text_table *table, const json_t *steps)
{
	struct buf text;
	json_t *step;
	size_t i;

	buf_init(&text);
	json_array_foreach (steps, i, step)
		add_step(&text, step, i == 0);
	text_table_add(table, text.ptr);
	buf_fini(&text);
}

static void add_row(struct text_table *table, const json_t *run, const json_t *now)
{
	text_table_add(table, json_string_value(json_object_get(run, "id")));
	text_table_add(table, json_string_value(json_object_get(run, "runbook")));
	text_table_add(table, json_string_value(json_object_get(run, "state")));
	text_table_add_labels(table, json_object_get(run, "target"), NULL);
	text_table_add_age(table, json_object_get(run, "created"), now);
	add_steps(table, json_object_get(run, "steps"));
	text_table_add(table, json_string_value(json_object_get(run, "reason")));
}

static int run(const struct cli_args *args)
{
	static const struct overview_list list = { "runs", heads, sizeof(heads) / sizeof(*heads),
						   add_row };

	return overview_print(&runs_command, args, &list);
}

const struct command runs_command = {
	.name = "runs",
	.arguments = "[--url URL] [--format json]",
	.summary = "Show what the runbooks did.",
	.options = overview_options,
	.run = run,
};
