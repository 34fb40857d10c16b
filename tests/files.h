/* How many files are there? For tests that look for what was left open. */
#ifndef TOCSIN_TESTS_FILES_H
#define TOCSIN_TESTS_FILES_H

#include <check.h>
#include <dirent.h>

#define OWN_FILES "/proc/self/fd"

/* With "." and "..", and for OWN_FILES the descriptor that looks. */
static inline int files_in(const char *path)
{
	DIR *files = opendir(path);
	int n = 0;
	ck_assert_ptr_nonnull(files);
	while (readdir(files))
		n++;
	closedir(files);
	return n;
}

#endif
