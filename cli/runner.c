/* tocsin runner: the helper that starts scripts and outlives the daemon. Started by the daemon
 * itself. */
#include <limits.h>
#include <stdlib.h>

#include "actions/runner.h"
#include "cli/cli.h"

enum { FD };

static const struct cli_option options[] = {
	[FD] = { "fd", "N", "serve this one connection and end with it" },
	{ NULL, NULL, NULL },
};

static int run(const struct cli_args *args)
{
	const char *text = args->values[FD];
	char *end;

	if ((text != NULL) == (args->nwords == 1))
		return usage_error(&runner_command, "either a directory or --fd");
	if (!text)
		return runner_main(args->words[0], -1);
	long fd = strtol(text, &end, 10);

	if (end == text || *end || fd < 0 || fd > INT_MAX)
		return usage_error(&runner_command, "\"%.100s\" is no descriptor", text);
	return runner_main("", (int)fd);
}

const struct command runner_command = {
	.name = "runner",
	.arguments = "DIR | --fd N",
	.summary = "Start scripts for a daemon; it runs this itself.",
	.options = options,
	.words_max = 1,
	.hidden = true,
	.run = run,
};
