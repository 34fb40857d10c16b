/*
 * What the files that read a replay's files share. Inside of engine/.
 *
 *   replay_files.c   which there are, and what they are
 *   replay_text.c    samples as text, and log lines
 *   replay_bodies.c  bodies of remote-write requests
 *   replay_lines.c   what lines come to
 */
#ifndef TOCSIN_ENGINE_REPLAY_FILES_H
#define TOCSIN_ENGINE_REPLAY_FILES_H

#include <zlib.h>

#include "engine/replay_internal.h"
#include "ingest/remote_write.h"

#define REPLAY_READ_BYTES (1024u * 1024) /* at once; no line is longer */
#define REPLAY_SNIFF_BYTES 4096u

struct files {
	struct data *data;
	const struct replay_data_options *options;
	const struct rule_set *rules;
	const struct replay_sink *sink;
	struct data_lines *lines; /* NULL: no log file so far */
	struct rw_decoder *decoder;
	struct rw_shared shared;
	_Atomic uint64_t epoch;
	uint64_t bytes, bytes_total; /* of all files, as they lie on disk */
	char **why;
};

/* Leaves the reason, unless there is one, and returns the code. */
int files_fail(struct files *files, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* What data_series() or data_add() said. */
int files_fail_add(struct files *files, int code);
/* What gzread() said. */
int files_fail_read(struct files *files, const char *path, gzFile file);
/* So many bytes of the file at hand are read. */
void files_progress(struct files *files, uint64_t bytes);

/* Samples as text; the head is what it begins with. */
int files_read_dump(struct files *files, const char *path, struct slice head);
int files_read_log(struct files *files, const char *path);
int files_read_body(struct files *files, const char *path);

#endif
