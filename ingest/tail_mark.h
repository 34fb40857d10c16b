/*
 * A mark: how far a file was read, and by what it is known again.
 *
 * A name says little of a log file, for rotation gives it to another, and an inode number is given
 * to another file once its own is gone. So a mark knows the device, the inode and its time of
 * birth, and two fingerprints of what was read: the first bytes of the file and the last ones
 * before the place reached. Only where all of them hold does reading go on from there.
 */
#ifndef TOCSIN_INGEST_TAIL_MARK_H
#define TOCSIN_INGEST_TAIL_MARK_H

#include <sys/types.h>

#include "base/buf.h"

#define TAIL_HEAD_MAX 1024 /* bytes at the beginning that are known again */
#define TAIL_LAST_MAX 64   /* bytes before the place reached */
#define TAIL_PATH_MAX 4096

struct file_id {
	uint64_t device, inode;
	int64_t birth_ns; /* 0: the file system does not say */
};

struct tail_mark {
	struct file_id id;
	uint64_t offset;	     /* of the first byte that was not taken */
	uint32_t head_len, last_len; /* bytes the fingerprints are of */
	uint64_t head_hash, last_hash;
	bool skipping; /* in the middle of a line whose beginning was taken, or missed */
};

static inline bool file_id_is_equal(struct file_id a, struct file_id b)
{
	return a.device == b.device && a.inode == b.inode && a.birth_ns == b.birth_ns;
}

/* ERR_IO with errno. *size and *is_regular may be NULL. */
int file_id_get(int fd, struct file_id *id, uint64_t *size, bool *is_regular);

/* The key of a file's position: "file/DEVICE-INODE-BIRTH". */
void file_id_key(struct file_id id, struct buf *out);
/* The payload: the mark, and the path under which it was found. */
void tail_mark_encode(const struct tail_mark *mark, struct slice path, struct buf *out);
/* From disk: ERR_CORRUPT. The path is a slice of the payload. */
int tail_mark_decode(struct slice key, struct slice payload, struct tail_mark *mark,
		     struct slice *path);

/* Fingerprints anew, of what stands in the file before mark->offset. ERR_IO. */
int tail_mark_take(int fd, struct tail_mark *mark);
/* Does the file hold what was read? Its identity aside. False also where it cannot be read. */
bool tail_mark_holds(int fd, const struct tail_mark *mark);
/* The same for the last bytes only: enough for a file that was open all the time. */
bool tail_mark_last_holds(int fd, const struct tail_mark *mark);

#endif
