/*
 * A recording: all that an engine was told, in order, so that another can be told the same.
 *
 * The engine is a function of its inputs (engine.h): the told time, batches, rules, what was
 * restored, and how far it was let work in between (engine_step()). All of them are here; so a
 * replay under the same rules gives the same events, byte for byte. The events of the live run are
 * here as well, to prove it.
 *
 *   DIR/00000001.rec …   files of records (storage/block.h), numbered without gaps
 *     RECORD_RECORDING_HEAD   u32 version | i64 session | u32 its file, from 1 | settings and rules
 *                             as they are then (as in INPUT_RULES)
 *     RECORD_RECORDING_PART   inputs, compressed with zstd
 *
 * A session is a daemon's life. Each file stands for itself: its series are named anew. Where more
 * bytes than allowed were written the oldest files go; what is left begins in the middle, which the
 * reader tells. A file that was torn is read up to the tear.
 *
 * Inputs are written one after the other, each a byte of its kind and
 *
 *   INPUT_TIME      i64 told time
 *   INPUT_STEPS     varint engine_step() so often, of `step_units` each
 *   INPUT_BATCH     a batch in columns (recording_batch.c)
 *   INPUT_SERIES    what a batch's series is called: varint id | u64, u64 key | u32 labels | (sized
 *                   name, sized value) of each
 *   INPUT_RULES     settings, and the hash of the rules that come into force
 *   INPUT_RESTORE   u8 record type | sized payload: what the storage remembered
 *   INPUT_RESTORED  all of that was told
 *   INPUT_FORGET    example lines are forgotten
 *   INPUT_EVENT     sized: what the engine said (alert_event_encode(), without the file's path)
 *   INPUT_END       u8 enum recording_end: the session, or what there is of it, ends here
 */
#ifndef TOCSIN_ENGINE_RECORDING_H
#define TOCSIN_ENGINE_RECORDING_H

#include "engine/alert_event.h"
#include "ingest/batch.h"
#include "storage/block.h"

#define RECORDING_VERSION 1
#define RECORDING_SUFFIX ".rec"
#define RECORDING_FILES_MAX 1000000u
#define RECORDING_FILES 16 /* that a recording is cut into, for the oldest to go */
#define RECORDING_FILE_BYTES_MAX (256ll * 1024 * 1024) /* then the next file begins in any case */
#define RECORDING_BYTES_MIN (32ll * 1024 * 1024) /* least that a recording may be bounded to */
#define RECORDING_PART_BYTES (1024 * 1024)	 /* of inputs, before compression, make a part */
#define RECORDING_PART_MAX (128u * 1024 * 1024)	 /* one input larger than this is not recorded */
#define RECORDING_SERIES_MAX 4000000u		 /* that are named at a time, or in a file */
#define RECORDING_SERIES_KEPT                                                                      \
	1000000u /* beyond it those are forgotten that two files did not need */

#define INPUT_LIST(X)                                                                              \
	X(INPUT_TIME, 1)                                                                           \
	X(INPUT_STEPS, 2)                                                                          \
	X(INPUT_BATCH, 3)                                                                          \
	X(INPUT_SERIES, 4)                                                                         \
	X(INPUT_RULES, 5)                                                                          \
	X(INPUT_RESTORE, 6)                                                                        \
	X(INPUT_RESTORED, 7)                                                                       \
	X(INPUT_FORGET, 8)                                                                         \
	X(INPUT_EVENT, 9)                                                                          \
	X(INPUT_END, 10)

enum input_kind {
#define X(id, number) id = number,
	INPUT_LIST(X)
#undef X
};

enum recording_end {
	RECORDING_TORN,	   /* never written: the file just ends */
	RECORDING_STOPPED, /* in good order */
	RECORDING_BEHIND,  /* what came in came faster than it could be written */
	RECORDING_FAILED,  /* an input was too large, or there was no memory */
};
const char *recording_end_text(enum recording_end end);

/* What the engine of a live run was set to, and how its rules were read. */
struct recording_settings {
	int64_t interval_ms, query_offset_ms, subquery_step_ms; /* as in rule_set_options */
	bool delayed_names, resolve_on_silence, start_times;
	bool rechecked; /* --verify: pieces of work were longer than their steps tell */
	int64_t lookback_ms, sender_timeout_ms, retention_ms;
	uint64_t series_max, ignored_max, memory_max, log_series_max;
	uint32_t step_units; /* of each step */
	struct slice external_url;
	const struct labels *external_labels; /* NULL: none */
	uint64_t rules_hash;		      /* recording_rules_hash() */
};
/*
 * Equal for rules that mean the same, wherever their files are. Takes as long as to write them all
 * down: not for the engine's thread. 0 when out of memory.
 */
uint64_t recording_rules_hash(const struct rule_set *rules);

/* ---- small inputs, appended to a buffer ---- */

void input_time_add(struct buf *out, int64_t now_ms);
void input_steps_add(struct buf *out, uint64_t steps);
void input_rules_add(struct buf *out, const struct recording_settings *settings);
void input_restore_add(struct buf *out, enum record_type type, struct slice payload);
void input_mark_add(struct buf *out, enum input_kind kind); /* INPUT_RESTORED, INPUT_FORGET */
void input_event_add(struct buf *out, const struct alert_event *event);
/* The event as it stands in a recording. */
void recording_event_encode(const struct alert_event *event, struct buf *out);

/* ---- writing; one thread ---- */

struct recording_writer;
/*
 * Begins a session behind what is in the directory, which is made if it is not there. bytes_max:
 * the oldest files go when there are more; at least RECORDING_BYTES_MIN. ERR_IO, ERR_LIMIT,
 * ERR_NOMEM, ERR_CONFLICT (somebody else writes there) with *why, a text to free().
 */
int recording_writer_new(const char *dir, int64_t bytes_max, int64_t session_ms,
			 struct recording_writer **out, char **why);
/* Without an end: as if it were torn there. NULL is fine. */
void recording_writer_free(struct recording_writer *writer);
/*
 * Small inputs as they were added above, whole ones; then the batch (NULL: none), borrowed. ERR_IO:
 * could not be written, recording_writer_error() tells; ERR_LIMIT, ERR_NOMEM. After any of them the
 * recording is at its end.
 */
int recording_write(struct recording_writer *writer, struct slice inputs,
		    const struct batch *batch);
/* Writes out what has gathered. ERR_IO. */
int recording_flush(struct recording_writer *writer);
/* The last input; flushes and syncs. */
int recording_end(struct recording_writer *writer, enum recording_end end);
const char *recording_writer_error(const struct recording_writer *writer);
struct recording_writer_stats {
	uint64_t bytes, samples, files_removed;
};
void recording_writer_stats(const struct recording_writer *writer,
			    struct recording_writer_stats *out);

/* ---- reading ---- */

struct input {
	enum input_kind kind;
	int64_t t_ms;		/* INPUT_TIME */
	uint64_t steps;		/* INPUT_STEPS */
	struct batch *batch;	/* INPUT_BATCH: the caller's */
	enum record_type type;	/* INPUT_RESTORE */
	struct slice payload;	/* INPUT_RESTORE, INPUT_EVENT; good until the next call */
	enum recording_end end; /* INPUT_END */
};

struct recording_reader;
/* Is there a file of a recording in this directory? */
bool recording_is_in(const char *dir);
/* ERR_NOT_FOUND: no recording; ERR_IO, ERR_CORRUPT, ERR_UNSUPPORTED, ERR_NOMEM with *why. */
int recording_reader_new(const char *dir, struct recording_reader **out, char **why);
void recording_reader_free(struct recording_reader *reader); /* NULL is fine */
/*
 * The next input. 1: there is one; 0: the end of the recording; or an error as above, with
 * recording_reader_error(). INPUT_SERIES is never told. INPUT_END is told wherever inputs are
 * missing, a tear included.
 */
int recording_next(struct recording_reader *reader, struct input *out);
const char *recording_reader_error(const struct recording_reader *reader);
/* As they are in force since the last INPUT_RULES, or since the beginning of what there is. */
const struct recording_settings *recording_settings(const struct recording_reader *reader);
/*
 * Did the input that was told last begin a session, or what is left of one? *whole: from the
 * session's first input on.
 */
bool recording_begins(const struct recording_reader *reader, bool *whole);
struct recording_reader_stats {
	uint64_t bytes, bytes_total; /* of the files: read so far, and all */
	uint64_t samples, sessions, torn_bytes;
};
void recording_reader_stats(const struct recording_reader *reader,
			    struct recording_reader_stats *out);
/* The inputs of one part, as they stand: for fuzzing. Gives what recording_next() would. */
int recording_part_check(struct slice inputs);

#endif
