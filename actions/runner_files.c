/*
 * What is on disk of the runner's jobs. ID.begun is there from before the child's start, ID.json
 * from its end until the result is acknowledged.
 */
#include "actions/runner_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

#define PATH_BYTES 4096
#define KEEP_S (30 * 24 * 3600)

static void file_path(const char *dir, const char *id, const char *ending, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/runs/%s.%s", dir, id, ending);
}

bool runner_id_is_valid(const char *id)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return id && *id && strlen(id) < RUNNER_ID_MAX && strspn(id, allowed) == strlen(id);
}

static int sync_dir(const char *dir)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/runs", dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return ERR_IO;
	int failed = fsync(fd);

	close(fd);
	return failed ? ERR_IO : 0;
}

int runner_mark_begun(const char *dir, const char *id)
{
	char path[PATH_BYTES];

	if (!*dir)
		return 0;
	file_path(dir, id, "begun", path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
	int failed = fsync(fd);

	close(fd);
	if (failed || sync_dir(dir)) {
		int error = errno;

		unlink(path);
		errno = error;
		return ERR_IO;
	}
	return 0;
}

bool runner_was_begun(const char *dir, const char *id)
{
	char path[PATH_BYTES];

	if (!*dir)
		return false;
	file_path(dir, id, "begun", path);
	return access(path, F_OK) == 0;
}

void runner_result_write(const char *dir, const char *id, const char *text)
{
	char path[PATH_BYTES], temporary[PATH_BYTES];

	if (!*dir)
		return;
	file_path(dir, id, "json", path);
	file_path(dir, id, "tmp", temporary);
	FILE *file = fopen(temporary, "we");
	bool written =
		file && fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
	int error = errno;

	if (file && fclose(file) == 0 && written && rename(temporary, path) == 0 &&
	    sync_dir(dir) == 0)
		return;
	log_error("runner", "cannot write a result", "id=%s error=%s", id,
		  log_quote(slice_from(strerror(error))));
	unlink(temporary);
}

char *runner_result_read(const char *dir, const char *id)
{
	char path[PATH_BYTES];

	if (!*dir)
		return NULL;
	file_path(dir, id, "json", path);
	json_t *object = json_load_file(path, 0, NULL);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return text;
}

void runner_result_forget(const char *dir, const char *id)
{
	char path[PATH_BYTES];

	if (!*dir)
		return;
	file_path(dir, id, "json", path);
	unlink(path);
}

void runner_files_sweep(const char *dir, time_t now)
{
	char path[PATH_BYTES];
	struct stat st;

	if (!*dir)
		return;
	snprintf(path, sizeof(path), "%s/runs", dir);
	DIR *list = opendir(path);

	for (struct dirent *entry; list && (entry = readdir(list));)
		if (fstatat(dirfd(list), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < now - KEEP_S)
			unlinkat(dirfd(list), entry->d_name, 0);
	if (list)
		closedir(list);
}
