#include "cli/cli.h"

#include <string.h>

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	const struct command *command = command_find(name);

	return command ? command_run(command, argc > 2 ? argc - 2 : 0, argv + 2)
		       : command_unknown(name);
}
