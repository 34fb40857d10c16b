/* tocsin reference: what the tables of the program say, as Markdown; docs/ is made of it. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "ingest/profile_summary.h"
#include "engine/unit_test.h"
#include "rules/functions.h"
#include "rules/rule_file.h"
#include "rules/template.h"
#include "rules/warning.h"
#include "web/web.h"

static const char *kind_of(char letter)
{
	return letter == 'v'   ? "vector"
	       : letter == 'm' ? "range"
	       : letter == 's' ? "scalar"
	       : letter == 'l' ? "log range"
	       : letter == 'u' ? "unwrapped range"
			       : "text";
}

/* rate(range), round(vector [, scalar]), label_join(vector, text, text, text…) */
static void add_signature(struct buf *out, const struct function *function)
{
	size_t n = strlen(function->arguments);

	buf_printf(out, "%s(", function->name);
	for (size_t i = 0; i < n; i++) {
		bool optional = i >= n - function->optional;

		buf_add_str(out, optional ? i ? " [, " : "[" : i ? ", " : "");
		buf_add_str(out, kind_of(function->arguments[i]));
		buf_add_str(out, (function->flags & VARIADIC) && i == n - 1 ? "…" : "");
		buf_add_str(out, optional ? "]" : "");
	}
	buf_add_char(out, ')');
}

/* What it takes of logs instead of a range of samples. */
static const char *logs_of(unsigned flags)
{
	if (flags & OF_LINES)
		return flags & OF_UNWRAPPED ? "lines, values" : "lines";
	if (flags & OF_UNWRAPPED)
		return flags & GROUPED ? "values, `by`" : "values";
	return "";
}

/* parameter: the letter of its type (kind_of()); 0: none. */
static void add_aggregation(struct buf *out, const char *name, char parameter)
{
	buf_printf(out, " `%s(%s%svector)`", name, parameter ? kind_of(parameter) : "",
		   parameter ? ", " : "");
}

static void functions_reference(struct buf *out)
{
	buf_add_str(out, "| function | of logs | gives | meaning |\n|---|---|---|---|\n");
	for (size_t i = 0; i < FUNCTION_COUNT; i++) {
		buf_add_str(out, "| `");
		add_signature(out, &functions[i]);
		buf_printf(out, "` | %s | %s | %s |\n", logs_of(functions[i].flags),
			   kind_of(functions[i].returns), functions[i].doc);
	}
	buf_add_str(out, "\nAggregations, each with `by (…)` or `without (…)`:");
#define AGGREGATION(id, text, token, parameter)                                                    \
	add_aggregation(out, text, parameter);
#include "rules/operators.def"
#undef AGGREGATION
	buf_add_str(out, ".\n\nNot there yet, and refused by name:");
#define FUNCTION(...)
#define FUNCTION_PLANNED(name, is_addition) buf_add_str(out, " `" name "`");
#include "rules/functions.def"
#undef FUNCTION
#undef FUNCTION_PLANNED
	buf_add_str(out, ".\n");
}

static void all_metrics_reference(struct buf *out)
{
	metrics_reference(out);
	daemon_metrics_reference(out);
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
	{ "commands", commands_reference },	  { "configuration", config_reference },
	{ "rules", rule_file_reference },	  { "functions", functions_reference },
	{ "warnings", rule_warnings_reference },  { "templates", template_reference },
	{ "tests", unit_test_reference },	  { "metrics", all_metrics_reference },
	{ "profiles", profile_series_reference }, { "man", manual_write },
};
#define NPARTS (sizeof(parts) / sizeof(*parts))

static const char *choice(size_t i)
{
	return i < NPARTS ? parts[i].name : NULL;
}

static int run(const struct cli_args *args)
{
	const char *wanted = args->nwords ? args->words[0] : NULL;
	bool found = !wanted;
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < NPARTS; i++) {
		/* The manual page is no Markdown: only by itself. */
		if (wanted ? strcmp(wanted, parts[i].name) != 0 : parts[i].write == manual_write)
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
		return usage_error(&reference_command, "there is no part \"%.100s\"; \"tocsin help "
						       "reference\" names them",
				   wanted);
	return written ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command reference_command = {
	.name = "reference",
	.arguments = "[PART]",
	.summary = "Print the reference as Markdown; its part man as a manual page.",
	.choice = choice,
	.words_max = 1,
	.run = run,
};
