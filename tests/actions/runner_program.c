/* The runner alone, for tests: `runner runner DIR` as the daemon's binary would be called. */
#include <stdlib.h>
#include <string.h>

#include "actions/runner.h"

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[2], "--fd") == 0)
		return runner_main("", (int)strtol(argv[3], NULL, 10));
	return argc == 3 ? runner_main(argv[2], -1) : 2;
}
