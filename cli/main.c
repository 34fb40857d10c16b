#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No command is done before what it printed is written: not on a full disk, for instance. */
static int finish_output(int code)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	/* What went wrong in the middle of a long output has been forgotten by now. */
	return fail(code ? code : EXIT_FAILURE, "cannot write all of the output%s%s",
		    errno ? ": " : "", errno ? strerror(errno) : "");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	const struct command *command = command_find(name);

	if (!command)
		return command_unknown(name);
	return finish_output(command_run(command, argc > 2 ? argc - 2 : 0, argv + 2));
}
