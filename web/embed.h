/* Files that the binary carries: scripts/embed makes the table. */
#ifndef TOCSIN_WEB_EMBED_H
#define TOCSIN_WEB_EMBED_H

#include <stddef.h>

struct embedded_file {
	const char *name; /* NULL: the end */
	const unsigned char *bytes;
	size_t len;
};

extern const struct embedded_file page_files[];

#endif
