/*
 * A source of log lines: files that are followed, as they grow, come, are rotated and go.
 *
 * Which files: all that the patterns match, looked for at each change in their directories and once
 * a second. Not taken: what is compressed by its name, and what bears the name of a file that the
 * patterns match, too, with a number or date behind it: app.log.1 beside app.log is what app.log
 * was, and was read as such.
 *
 * Where reading begins: where it ended, for a file that is known (tail_mark.h); at the beginning,
 * for one that is new; at the end, for those that were there when a pattern is seen for the first
 * time.
 *
 * Rotation: a file that is no longer under its path is read until nobody writes to it any more, and
 * what then stands under the path is another file. A file that was truncated (logrotate's
 * copytruncate) begins anew; what of it had not been read yet is looked for in the copy, which is
 * known by the mark's fingerprints. So is what came under the path and was rotated away again while
 * nobody looked, by its name and its time of birth.
 *
 * What cannot be had: lines that were written between copy and truncation, for logrotate loses
 * them; the unread rest of a file that was deleted, or compressed, while nobody followed it; a
 * truncation that cannot be seen, because the file has grown beyond its old place again and holds
 * the same bytes there.
 *
 * inotify tells of changes where there is any; the look once a second is what network file systems
 * and an overflowed queue are left with.
 */
#ifndef TOCSIN_INGEST_TAIL_H
#define TOCSIN_INGEST_TAIL_H

#include "base/loop.h"
#include "ingest/tail_file.h"
#include "ingest/tail_positions.h"

#define TAIL_FILES_MAX 1000	      /* followed at a time by one source; further ones wait */
#define TAIL_SIBLINGS_MAX 10000	      /* entries of a directory looked at for a rotated file */
#define TAIL_TOLD_MAX 100	      /* paths whose errors were told; of more only that */
#define TAIL_TURN_MS_MAX 20	      /* of one turn over all files: others use the loop, too */
#define TAIL_POLL_MS 1000	      /* between looks at everything */
#define TAIL_SCAN_GAP_MS 20	      /* between looks at what the patterns match, at least */
#define TAIL_RECOVER_MS (3600 * 1000) /* between looks for files that are gone */
#define TAIL_LEAVING_MS 60000 /* a rotated file is followed until so long after it grew last */
#define TAIL_UNLINKED_MS 5000 /* a deleted one */
#define TAIL_PARTIAL_MS 30000 /* after so long a line without an end is taken as it stands */

struct tail;

struct tail_options {
	struct loop *loop;
	const char *name;   /* of the source, for messages */
	char *const *globs; /* borrowed, as all here, until tail_free() */
	size_t nglobs;
	struct labels *labels; /* of every line; `filename` is added, unless it is among them */
	struct log_door door;
	struct log_counters *counters;
	const struct tail_positions *positions; /* the door's position() keeps it up to date */
	int64_t (*now_ns)(void);		/* wall clock: the time of lines */
	bool polling;				/* without inotify */
};

/* Follows from the loop's next turn on. ERR_NOMEM. */
int tail_new(const struct tail_options *options, struct tail **out);
/* Lines that were given to the door are with their marks. */
void tail_free(struct tail *tail);
/* The door is open again. */
void tail_resume(struct tail *tail);

/* Does the path bear another path's name with a number or date behind it? That one's length, or 0.
 */
size_t tail_rotated_name(const char *path);

#endif
