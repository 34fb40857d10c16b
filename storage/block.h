/*
 * The one block format: typed, checksummed records, the same for every back end.
 *
 *   u32 length of the payload | u16 type | u16 format version | u64 XXH3 of type, version and
 * payload | payload
 *
 * All numbers little-endian. A record is an upsert or a tombstone of something with a key of its
 * own, or samples, whose insertion is idempotent: so a log may be replayed over a state that has
 * seen part of it.
 */
#ifndef TOCSIN_STORAGE_BLOCK_H
#define TOCSIN_STORAGE_BLOCK_H

#include "base/buf.h"
#include "base/labels.h"
#include "storage/window.h"

/*
 * 1: the first
 * 2: windows of several kinds (RECORD_SERIES tells which), RECORD_DERIVED, RECORD_POSITION
 */
#define BLOCK_FORMAT_VERSION 2
#define BLOCK_PAYLOAD_MAX (64u * 1024 * 1024)
#define BLOCK_HEADER_BYTES 16

/* RECORD(id, number, what) */
#define RECORD_LIST(X)                                                                             \
	X(RECORD_SERIES, 1, "dictionary entry: series uid → labels")                               \
	X(RECORD_SAMPLES, 2, "samples of many series")                                             \
	X(RECORD_TILE, 3, "the window of one series")                                              \
	X(RECORD_COVERAGE, 4, "since when a selector was fed in full")                             \
	X(RECORD_ALERT, 5, "an alert's state")                                                     \
	X(RECORD_SILENCE, 6, "a silence")                                                          \
	X(RECORD_ACTION_ALERT, 7, "an alert as the action side knows it")                          \
	X(RECORD_GROUP, 8, "what was notified to an aggregation group's integration")              \
	X(RECORD_DELIVERY, 9, "an outbox entry")                                                   \
	X(RECORD_RUN, 10, "a runbook run")                                                         \
	X(RECORD_TICK, 11, "the told time")                                                        \
	X(RECORD_CHECKPOINT_BEGIN, 12, "a state follows that makes earlier segments needless")     \
	X(RECORD_CHECKPOINT_PART, 13, "one owner has written its part of the state")               \
	X(RECORD_CHECKPOINT_END, 14, "all parts are there")                                        \
	X(RECORD_DERIVED, 15, "what log lines came to, and how far their sources were read")       \
	X(RECORD_POSITION, 16, "how far a source of lines was read")                               \
	X(RECORD_STARTS, 17, "since when samples of many series count")                            \
	X(RECORD_PLACE, 20, "up to which block of the log in Redis this one has everything")       \
	X(RECORD_RECORDING_HEAD, 30,                                                               \
	  "the beginning of a file of a recording: how the engine was set")                        \
	X(RECORD_RECORDING_PART, 31, "what the engine was told, packed")

enum record_type {
#define X(id, number, what) id = number,
	RECORD_LIST(X)
#undef X
};
const char *record_type_text(enum record_type type);

void record_encode(enum record_type type, struct slice payload, struct buf *out);
/*
 * Reads the record at the start of bytes. 0 with *used; ERR_AGAIN: the bytes end inside it (a torn
 * write); ERR_CORRUPT: checksum or length wrong; ERR_UNSUPPORTED: written by a newer version.
 */
int record_decode(struct slice bytes, enum record_type *type, struct slice *payload, size_t *used);

/* ---- payloads of series data ---- */

/*
 * RECORD_SERIES: u32 uid | u32 flags (bit 0: local; bits 8 to 15: the kind of its window, 0 in
 * version 1) | u32 labels | (sized name, sized value) of each.
 */
struct series_entry {
	uint32_t uid;
	bool local;
	enum window_kind kind;
	const struct labels *labels;
};
void series_record_encode(const struct series_entry *entry, struct buf *out);
/* The labels come as a reference of the caller's. ERR_CORRUPT, ERR_NOMEM. */
int series_record_decode(struct slice payload, struct series_entry *entry, struct labels **labels);

/* RECORD_SAMPLES: three columns (uid, time, value), 16 bytes a sample. */
#define SAMPLES_BLOCK_MAX 4096
struct samples_block {
	int64_t base_ms;
	uint32_t n;
	uint32_t uids[SAMPLES_BLOCK_MAX];
	uint32_t offsets[SAMPLES_BLOCK_MAX]; /* from base_ms */
	uint64_t bits[SAMPLES_BLOCK_MAX];
};
void samples_block_init(struct samples_block *block);
/* False when it is full, or the time does not fit: encode and clear first. */
bool samples_block_add(struct samples_block *block, uint32_t uid, int64_t ts_ms, uint64_t bits);
void samples_block_encode(const struct samples_block *block, struct buf *out);
/* Calls fn for each sample; ERR_CORRUPT. */
int samples_record_each(struct slice payload,
			void (*fn)(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits),
			void *ctx);

/* RECORD_STARTS: as RECORD_SAMPLES; a value is since when its sample counts, as an i64 of
 * milliseconds. */

/*
 * RECORD_TILE: all samples of one series, as RECORD_SAMPLES of one uid but 12 bytes a sample. Of a
 * window of events several may have one time; they stand in the order of their arrival.
 */
void tile_record_encode(uint32_t uid, int64_t base_ms, const uint32_t *offsets,
			const double *values, size_t n, struct buf *out);
int tile_record_each(struct slice payload,
		     void (*fn)(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits), void *ctx);

/*
 * RECORD_DERIVED: what the lines of some batches came to, and how far their sources had been read
 * by then. One record for both, for only what is one record is on disk as a whole or not at all:
 * so that a source that is read again from where it was counts no line twice and leaves none out.
 *
 *   u32 samples | u32 positions | (u32 uid, u32 ordinal, i64 time, u64 value) of each |
 *   (sized key, sized payload) of each
 *
 * What a sample means is told by the kind of its series' window: of WINDOW_EVENTS it is the
 * ordinal-th (from 0) of its time, of the others the total of its bucket by then, which takes the
 * place of what was told of that bucket before.
 */
struct derived_sample {
	uint32_t uid, ordinal;
	int64_t ts_ms;
	uint64_t bits;
};
#define DERIVED_BLOCK_FULL 65536  /* samples, or a megabyte of positions: emit it soon */
#define DERIVED_BLOCK_MAX 2000000 /* samples: no more fit into a record */
#define DERIVED_RECENT 4096
struct derived_block {
	struct derived_sample *samples;
	uint32_t n, cap;
	uint32_t recent[DERIVED_RECENT]; /* places of totals by a hash of (uid, time) */
	struct buf positions;
	uint32_t npositions;
};
void derived_block_init(struct derived_block *block);
void derived_block_fini(struct derived_block *block);
void derived_block_clear(struct derived_block *block);
/* Any of these: ERR_NOMEM, or ERR_LIMIT when it is at its maximum, and nothing is added. */
int derived_block_add_total(struct derived_block *block, uint32_t uid, int64_t ts_ms,
			    uint64_t bits);
int derived_block_add_event(struct derived_block *block, const struct derived_sample *sample);
int derived_block_add_position(struct derived_block *block, struct slice key, struct slice payload);
bool derived_block_is_full(const struct derived_block *block);
void derived_block_encode(const struct derived_block *block, struct buf *out);
/* Calls the functions for each sample, then for each position. ERR_CORRUPT: none was called. */
struct derived_visitor {
	void (*sample)(void *ctx, const struct derived_sample *sample);
	void (*position)(void *ctx, struct slice key, struct slice payload);
	void *ctx;
};
int derived_record_each(struct slice payload, const struct derived_visitor *visitor);

/* RECORD_POSITION: sized key | sized payload; an empty payload: the source is forgotten. */
void position_record_encode(struct slice key, struct slice payload, struct buf *out);
int position_record_decode(struct slice payload, struct slice *key, struct slice *value);

/* RECORD_PLACE: a block's epoch and seq (redis_log.h). */
void place_record_encode(uint64_t epoch, uint64_t seq, struct buf *out);
int place_record_decode(struct slice payload, uint64_t *epoch, uint64_t *seq);

/*
 * RECORD_COVERAGE: i64 since | sized selector | i64 width of the buckets that its series are
 * counted in (0: none; not there in version 1).
 */
struct coverage_entry {
	struct slice selector; /* canonical text */
	int64_t since_ms, bucket_ms;
};
void coverage_record_encode(const struct coverage_entry *entry, struct buf *out);
/* The selector is borrowed from the payload. ERR_CORRUPT. */
int coverage_record_decode(struct slice payload, struct coverage_entry *entry);

#endif
