#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

static int run(const struct cli_args *args)
{
	printf("tocsin %s\n", PACKAGE_VERSION);
	return EXIT_SUCCESS;
}

const struct command version_command = {
	.name = "version", .arguments = "", .summary = "Print the version.", .run = run
};
