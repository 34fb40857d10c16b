/* Is a script fit to be run? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actions/runner.h"
#include "base/error.h"

static int refuse(char why[256], const char *path, const char *what)
{
	snprintf(why, 256, "\"%.160s\" %s", path, what);
	return ERR_INVALID;
}

/*
 * Whoever may write the file, or rename it within a directory, decides what runs. In a sticky directory (/tmp) others cannot
 * rename what is not theirs.
 */
static int check_writers(const char *path, const struct stat *st, char why[256])
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return refuse(why, path, "belongs to another user than root or the daemon's");
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)))
		return refuse(why, path, "may be written by others: chmod go-w");
	return 0;
}

int script_check(const char *path, char why[256])
{
	struct stat st;

	if (path[0] != '/')
		return refuse(why, path, "is not an absolute path");
	if (stat(path, &st)) {
		snprintf(why, 256, "\"%.160s\": %s", path, strerror(errno));
		return ERR_INVALID;
	}
	if (!S_ISREG(st.st_mode))
		return refuse(why, path, "is not a regular file");
	if (access(path, X_OK))
		return refuse(why, path, "is not executable: chmod +x");
	char *real = realpath(path, NULL);
	int code = real ? check_writers(real, &st, why) : refuse(why, path, "cannot be resolved");

	/* Each directory on the way, the root included. */
	for (char *slash; code == 0 && (slash = strrchr(real, '/'));) {
		const char *parent = slash == real ? "/" : real;

		*slash = '\0';
		if (stat(parent, &st))
			code = refuse(why, parent, "cannot be looked at");
		else
			code = check_writers(parent, &st, why);
	}
	free(real);
	return code;
}
