#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"

static int fail(char **why, int code, const char *what, const char *path, const char *cause)
{
	if (why && asprintf(why, "cannot %s \"%s\": %s", what, path, cause) < 0)
		*why = NULL;
	return code;
}

static bool write_all(int fd, struct slice text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text.ptr += n;
		text.len -= (size_t)n;
	}
	return true;
}

/* The new name is on disk, too; where a file system cannot say so, it is so already. */
static void sync_dir(const char *path)
{
	char copy[FILE_PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

int file_replace(const char *path, struct slice text, char **why)
{
	char new_path[FILE_PATH_MAX];

	if (snprintf(new_path, sizeof(new_path), "%s.new", path) >= (int)sizeof(new_path))
		return fail(why, ERR_LIMIT, "write", path, "the path is too long");
	int fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail(why, ERR_IO, "write", new_path, strerror(errno));
	bool written = write_all(fd, text) && fsync(fd) == 0;
	int error = errno;

	if (close(fd) && written) {
		written = false;
		error = errno;
	}
	if (!written) {
		unlink(new_path);
		return fail(why, ERR_IO, "write", new_path, strerror(error));
	}
	if (rename(new_path, path)) {
		error = errno;
		unlink(new_path);
		return fail(why, ERR_IO, "replace", path, strerror(error));
	}
	sync_dir(path);
	return 0;
}
