/*
 * The file journal: a log of records in segments under data_dir, and its replay.
 *
 *   data_dir/LOCK                 one daemon at a time (flock)
 *   data_dir/FORMAT               "tocsin journal 2": an older version is read, and the file
 *                                 rewritten; a newer one is refused by name
 *   data_dir/journal/00000007.log segments, numbered without gaps; a checkpoint begins a new one,
 *                                 and its end deletes those before
 *
 * Written by one thread (the store thread); sync: none, group (one fdatasync for all that waits),
 * each. A torn record at the end of a segment is left out and counted: what was not synced was not
 * promised.
 */
#ifndef TOCSIN_STORAGE_JOURNAL_H
#define TOCSIN_STORAGE_JOURNAL_H

#include "storage/block.h"

/* Larger: a checkpoint is due, if the state itself is smaller than half of it. */
#define JOURNAL_SEGMENT_MAX (64ll * 1024 * 1024)
#define JOURNAL_PATH_MAX 4096

enum journal_sync { JOURNAL_SYNC_NONE, JOURNAL_SYNC_GROUP, JOURNAL_SYNC_EACH };

struct journal;

/*
 * Locks, checks the version, finds the segments. *why: text to free(). ERR_CONFLICT: locked by
 * another daemon; ERR_UNSUPPORTED; ERR_CORRUPT; ERR_LIMIT; ERR_IO.
 */
int journal_open(const char *data_dir, enum journal_sync sync, struct journal **out, char **why);
/* From the next record on. */
void journal_sync_set(struct journal *journal, enum journal_sync sync);
void journal_close(struct journal *journal);

struct journal_replay_stats {
	uint64_t records, bytes, torn_bytes, skipped;
	/* The first place from which bytes were skipped: path of the segment, offset. "": none. */
	char damaged[JOURNAL_PATH_MAX];
	uint64_t damaged_at;
	/* Gaps in the row of segments, one before its first included: somebody took files away. */
	uint64_t missing;
};
/*
 * All records from the newest complete checkpoint on, in order. Call once, before the first append.
 * A corrupt record in the middle: the rest of that segment is left out and counted; ERR_CORRUPT
 * only when nothing could be read at all. ERR_IO, ERR_CORRUPT and ERR_UNSUPPORTED with *why (may be
 * NULL), a text to free().
 */
int journal_replay(struct journal *journal,
		   void (*fn)(void *ctx, enum record_type type, struct slice payload), void *ctx,
		   struct journal_replay_stats *stats, char **why);

/*
 * Buffers a record. ERR_NOMEM, ERR_LIMIT: it was not taken; ERR_IO (sync each): taken, but not yet
 * written.
 */
int journal_append(struct journal *journal, enum record_type type, struct slice payload);
/*
 * Writes what is buffered and syncs as configured: after it, all appended records have what `sync`
 * promises. ERR_IO: kept, to be tried again; after a sync that failed all of it, for nobody knows
 * what of it is on disk.
 */
int journal_commit(struct journal *journal);
/* What the last ERR_IO was about: file and cause. "" before the first. */
const char *journal_error(const struct journal *journal);
/* Bytes appended and not yet committed. */
size_t journal_waiting(const struct journal *journal);
/* Is a checkpoint due? */
bool journal_wants_checkpoint(const struct journal *journal);
/* Starts a new segment with RECORD_CHECKPOINT_BEGIN; records go there from now on. */
int journal_checkpoint_begin(struct journal *journal);
/*
 * All parts of the state have been appended: writes RECORD_CHECKPOINT_END, syncs, deletes the
 * segments before. After ERR_IO call it again.
 */
int journal_checkpoint_end(struct journal *journal);

struct journal_stats {
	uint64_t records, bytes, commits, syncs, errors, checkpoints, segment;
	int64_t segment_bytes;
};
void journal_stats_get(const struct journal *journal, struct journal_stats *out);

#endif
