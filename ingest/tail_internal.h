/*
 * What tail.c and tail_rotation.c share: the source, its files, and what is known of them.
 */
#ifndef TOCSIN_INGEST_TAIL_INTERNAL_H
#define TOCSIN_INGEST_TAIL_INTERNAL_H

#include "ingest/tail.h"

struct tail_dir {
	int watch;
	char *path;
};

struct told {
	char *path;
	int error;
};

struct tail {
	struct tail_options options;
	struct loop_timer *timer; /* of the next turn */
	struct tail_file *files;
	size_t nfiles;
	int inotify; /* -1: polling only */
	struct loop_fd *watch;
	struct tail_dir *dirs;
	size_t ndirs;
	struct told told[TAIL_TOLD_MAX];
	size_t ntold;
	bool scan_due, crowded, hushed; /* hushed: not all errors are told, and that is */
	int64_t scanned_ms, polled_ms, recovered_ms;
	char *buffer;
};

/* The youngest file that is known to have stood under a path. */
struct origin {
	char *path;
	struct file_id id;
};
struct origins {
	struct origin *items;
	size_t n;
};

/* ---- tail.c ---- */

struct slice tail_dir_of(const char *path);
struct tail_file *tail_file_find(struct tail *tail, struct file_id id);
/* Older lines first: what was rotated away before what is new. */
void tail_file_add(struct tail *tail, struct tail_file *file);
/* Opens `path`; its lines are called those of `named`. NULL: told why not. */
struct tail_file *tail_open(struct tail *tail, const char *path, const char *named);
bool tail_position_find(const struct tail *tail, struct file_id id, struct tail_mark *mark);
void tail_position_forget(struct tail *tail, struct file_id id);

/* ---- tail_rotation.c ---- */

/* Names that are never followed by themselves: app.log.gz; app.log.1 where app.log is ours. */
bool tail_name_is_compressed(const char *path);
bool tail_is_rotated(const struct tail *tail, const char *path);
/* The file does not hold what was read: it begins anew, and its rest is looked for. */
void tail_truncated(struct tail *tail, struct tail_file *file);
/*
 * At the start: before the first look at what the patterns match, and after it. Reads what came
 * under a path and went again while nobody looked.
 */
struct origins tail_origins_take(const struct tail *tail);
void tail_origins_follow(struct tail *tail, struct origins *origins);
/*
 * Files that were ours and are under no pattern now: what of them was not read. Those that are gone
 * are forgotten.
 */
void tail_recover(struct tail *tail);

#endif
