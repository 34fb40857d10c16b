/*
 * Small files that are written whole or not at all.
 */
#ifndef TOCSIN_BASE_FILE_H
#define TOCSIN_BASE_FILE_H

#include "base/slice.h"

#define FILE_PATH_MAX 4096

/*
 * Replaces the file by this text: a reader, or a crash, finds the old one or the new one, never a
 * part. Mode 0600. ERR_LIMIT (the path), ERR_IO, both with *why (may be NULL), a text to free().
 */
int file_replace(const char *path, struct slice text, char **why);

#endif
