/* tocsin reference: what the tables of the program say, as Markdown; docs/ is made of it. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "daemon/config.h"
#include "rules/functions.h"
#include "rules/rule_file.h"
#include "rules/template.h"
#include "web/web.h"

static void functions_reference(struct buf *out)
{
	buf_add_str(out, "| function | gives | meaning |\n|---|---|---|\n");
	for (size_t i = 0; i < FUNCTION_COUNT; i++)
		buf_printf(out, "| `%s` | %s | %s |\n", functions[i].name,
			   functions[i].returns == 's' ? "scalar" : "vector", functions[i].doc);
}

static void commands_reference(struct buf *out)
{
	buf_add_str(out, "| command | meaning |\n|---|---|\n");
	for (size_t i = 0; commands[i]; i++) {
		if (commands[i]->hidden)
			continue;
		buf_printf(out, "| `tocsin %s%s", commands[i]->name,
			   commands[i]->arguments[0] ? " " : "");
		for (const char *c = commands[i]->arguments; *c; c++)
			buf_printf(out, *c == '|' ? "\\%c" : "%c", *c);
		buf_printf(out, "` | %s |\n", commands[i]->summary);
	}
}

static const struct {
	const char *name;
	void (*write)(struct buf *out);
} parts[] = {
	{ "commands", commands_reference },  { "configuration", config_reference },
	{ "rules", rule_file_reference },    { "functions", functions_reference },
	{ "templates", template_reference }, { "metrics", metrics_reference },
};
#define NPARTS (sizeof(parts) / sizeof(*parts))

static int run(const struct cli_args *args)
{
	const char *wanted = args->nwords ? args->words[0] : NULL;
	bool found = !wanted;
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < NPARTS; i++) {
		if (wanted && strcmp(wanted, parts[i].name) != 0)
			continue;
		found = true;
		if (!wanted)
			buf_printf(&out, "%s# %c%s\n\n", i ? "\n" : "",
				   parts[i].name[0] - 'a' + 'A', parts[i].name + 1);
		parts[i].write(&out);
	}
	bool written = buf_ok(&out) && write_out(buf_slice(&out));

	buf_fini(&out);
	if (!found)
		return usage_error(&reference_command, "there is no part \"%.100s\"", wanted);
	return written ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command reference_command = {
	.name = "reference",
	.arguments = "[commands|configuration|rules|functions|templates|metrics]",
	.summary = "Print the reference as Markdown.",
	.words_max = 1,
	.run = run,
};
