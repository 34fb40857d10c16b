#include <stdlib.h>

#include "cli/cli.h"

static const char *choice(size_t i)
{
	return commands[i] ? commands[i]->name : NULL;
}

static int run(const struct cli_args *args)
{
	const struct command *command;

	if (args->nwords == 0) {
		commands_help();
		return EXIT_SUCCESS;
	}
	command = command_find(args->words[0]);
	if (!command)
		return command_unknown(args->words[0]);
	command_help(command);
	return EXIT_SUCCESS;
}

const struct command help_command = { .name = "help",
				      .arguments = "[COMMAND]",
				      .summary = "Say what there is, or more about a command.",
				      .choice = choice,
				      .words_max = 1,
				      .run = run };
