/*
 * Is a script fit to be run?
 *
 * Whoever may write the file, or replace it or a link on the way to it in its directory, decides
 * what runs. So the path is walked from the root as the kernel does it, links included, and each
 * step must belong to root or the daemon's user and be writable by nobody else.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actions/runner.h"
#include "base/error.h"

#define LINKS_MAX 40 /* on the way to a script */

struct walk {
	char at[PATH_MAX];   /* checked, without a link; "" is the root */
	char rest[PATH_MAX]; /* still to go */
	struct stat st;	     /* of `at` */
	unsigned links;
	char *why;
};

/* The text may be cut: never inside a character, for it travels as JSON. */
static void say(char why[256], const char *path, const char *what)
{
	size_t room = 255 - strlen(what) - 3, len = strlen(path);

	if (len > room)
		for (len = room; len > 0 && ((unsigned char)path[len] & 0xc0) == 0x80; len--)
			;
	snprintf(why, 256, "\"%.*s\" %s", (int)len, path, what);
}

static int refuse(const struct walk *walk, const char *path, const char *what)
{
	say(walk->why, *path ? path : "/", what);
	return ERR_INVALID;
}

static int refuse_errno(const struct walk *walk, const char *path)
{
	char what[128];

	snprintf(what, sizeof(what), "cannot be looked at: %s", strerror(errno));
	return refuse(walk, path, what);
}

/* In a sticky directory (/tmp) others cannot rename or remove what is not theirs. */
static int check_writers(const struct walk *walk, const char *path)
{
	mode_t mode = walk->st.st_mode;

	if (walk->st.st_uid != 0 && walk->st.st_uid != geteuid())
		return refuse(walk, path, "belongs to another user than root or the daemon's");
	if (S_ISLNK(mode) || (S_ISDIR(mode) && (mode & S_ISVTX)))
		return 0;
	if (mode & (S_IWGRP | S_IWOTH))
		return refuse(walk, path, "may be written by others: chmod go-w");
	return 0;
}

static int follow(struct walk *walk, const char *link)
{
	char target[PATH_MAX], joined[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n < 0)
		return refuse_errno(walk, link);
	target[n] = '\0';
	if (++walk->links > LINKS_MAX)
		return refuse(walk, link, "is one of too many links");
	if (snprintf(joined, sizeof(joined), "%s/%s", target, walk->rest) >= (int)sizeof(joined))
		return refuse(walk, link, "leads to a path that is too long");
	strcpy(walk->rest, joined);
	if (target[0] == '/')
		walk->at[0] = '\0';
	return 0;
}

static void leave_dir(struct walk *walk)
{
	char *slash = strrchr(walk->at, '/');

	if (slash)
		*slash = '\0';
}

/* Takes the next name of the path. */
static int walk_step(struct walk *walk)
{
	char name[NAME_MAX + 1], next[PATH_MAX];
	size_t skip = strspn(walk->rest, "/"), len = strcspn(walk->rest + skip, "/");

	if (len > NAME_MAX)
		return refuse(walk, walk->rest, "has a name that is too long");
	memcpy(name, walk->rest + skip, len);
	name[len] = '\0';
	memmove(walk->rest, walk->rest + skip + len, strlen(walk->rest + skip + len) + 1);
	if (len == 0 || strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		leave_dir(walk);
		return stat(*walk->at ? walk->at : "/", &walk->st) ? refuse_errno(walk, walk->at)
								   : 0;
	}
	if (snprintf(next, sizeof(next), "%s/%s", walk->at, name) >= (int)sizeof(next))
		return refuse(walk, walk->at, "leads to a path that is too long");
	if (lstat(next, &walk->st))
		return refuse_errno(walk, next);
	int code = check_writers(walk, next);

	if (code)
		return code;
	if (S_ISLNK(walk->st.st_mode))
		return follow(walk, next);
	strcpy(walk->at, next);
	return 0;
}

int script_check(const char *path, char why[256])
{
	struct walk walk = { .why = why };
	int code = 0;

	if (path[0] != '/')
		return refuse(&walk, path, "is not an absolute path");
	if (strlen(path) >= sizeof(walk.rest))
		return refuse(&walk, path, "is too long");
	strcpy(walk.rest, path);
	if (stat("/", &walk.st))
		return refuse_errno(&walk, "/");
	code = check_writers(&walk, "/");
	while (code == 0 && *walk.rest)
		code = walk_step(&walk);
	if (code)
		return code;
	if (!S_ISREG(walk.st.st_mode))
		return refuse(&walk, path, "is not a regular file");
	if (access(walk.at, X_OK))
		return refuse(&walk, path, "is not executable: chmod +x");
	return 0;
}
