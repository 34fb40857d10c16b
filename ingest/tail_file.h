/*
 * One file that is followed: read line by line from its mark on.
 *
 * A line ends with LF, or CR LF, neither of which is part of it. What stands behind the last LF is
 * no line yet: it waits, in the file, until its end is written, or until tail_file_finish(). Of a
 * line longer than LOG_LINE_MAX that much is taken, the rest is passed over.
 *
 * The mark never runs ahead of what the door took.
 */
#ifndef TOCSIN_INGEST_TAIL_FILE_H
#define TOCSIN_INGEST_TAIL_FILE_H

#include "ingest/log_counters.h"
#include "ingest/log_door.h"
#include "ingest/tail_mark.h"

#define TAIL_READ_BYTES (LOG_LINE_MAX + 64 * 1024) /* the buffer holds a whole line */
#define TAIL_TURN_BYTES_MAX (1024 * 1024)	   /* of one file, then others have their turn */

struct tail_file {
	struct tail_file *next;
	int fd;
	char *path; /* under which it was found first */
	struct labels *labels;
	struct tail_mark mark;
	uint64_t scanned; /* bytes behind mark.offset in which there is no end of a line */
	uint64_t size;	  /* when it was last looked at */
	bool leaving;	  /* no longer under its path: read to the end, then closed */
	bool seen;	  /* by the scan under way */
	bool dirty;	  /* something may be there to be read */
	int64_t grown_ms; /* monotonic: when it was last seen to have grown */
};

enum tail_turn {
	TAIL_END,	/* all there is was read */
	TAIL_MORE,	/* the turn is over, there is more */
	TAIL_FULL,	/* the door took no more */
	TAIL_TRUNCATED, /* the file does not hold what was read any more */
	TAIL_ERROR,	/* it cannot be read: errno */
};

/*
 * Opens it for reading; the mark's identity is filled, all else of it is zero. Takes a reference of
 * the labels. ERR_IO with errno (EINVAL: no regular file), ERR_NOMEM.
 */
int tail_file_open(const char *path, struct labels *labels, struct tail_file **out);
void tail_file_free(struct tail_file *file);
/* To the end of what is there; in the middle of a line: to the beginning of the next. ERR_IO. */
int tail_file_skip_all(struct tail_file *file);
/* From the beginning again: nothing of what is there was read. */
void tail_file_rewind(struct tail_file *file);
/*
 * One turn. buffer has TAIL_READ_BYTES; lines get the time now_ns. *took (may be NULL): whether the
 * mark moved.
 */
enum tail_turn tail_file_turn(struct tail_file *file, char *buffer, int64_t now_ns,
			      const struct log_door *door, struct log_counters *counters,
			      bool *took);
/*
 * Nothing more will be written: what stands behind the last LF is a line. False: the door did not
 * take it.
 */
bool tail_file_finish(struct tail_file *file, char *buffer, int64_t now_ns,
		      const struct log_door *door, struct log_counters *counters);
/* Gives the mark to the door: what was read until here belongs together. */
void tail_file_mark(struct tail_file *file, const struct log_door *door);

#endif
