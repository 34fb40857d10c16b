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

#define BLOCK_FORMAT_VERSION 1
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
	X(RECORD_CHECKPOINT_END, 14, "all parts are there")

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

/* RECORD_SERIES */
void series_record_encode(uint32_t uid, bool local, const struct labels *labels, struct buf *out);
int series_record_decode(struct slice payload, uint32_t *uid, bool *local, struct labels **labels);

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

/* RECORD_TILE: all samples of one series, as RECORD_SAMPLES of one uid but 12 bytes a sample. */
void tile_record_encode(uint32_t uid, int64_t base_ms, const uint32_t *offsets,
			const double *values, size_t n, struct buf *out);
int tile_record_each(struct slice payload,
		     void (*fn)(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits), void *ctx);

/* RECORD_COVERAGE */
void coverage_record_encode(struct slice selector, int64_t since_ms, struct buf *out);
int coverage_record_decode(struct slice payload, struct slice *selector, int64_t *since_ms);

#endif
