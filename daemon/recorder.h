/*
 * `run --record DIR`: what the engine is told goes into a recording as well (engine/recording.h).
 *
 * Small inputs are written down where they happen, batches copied; a thread of its own names the
 * series, compresses and writes. Nobody waits for it: if RECORDER_QUEUE_BYTES of inputs wait, the
 * recording ends there and says so, in itself, in the log and in the metrics. All functions but
 * new, stop and free are the engine thread's, and cost nothing without a recorder (NULL).
 */
#ifndef TOCSIN_DAEMON_RECORDER_H
#define TOCSIN_DAEMON_RECORDER_H

#include "daemon/config.h"
#include "engine/engine.h"
#include "engine/recording.h"

#define RECORDER_QUEUE_BYTES (256u * 1024 * 1024)
#define RECORDER_BYTES_DEFAULT                                                                     \
	(4ll * 1024 * 1024 * 1024) /* of a recording, without --record-bytes */

struct recorder;

struct recorder_options {
	const char *dir;
	int64_t bytes_max;	/* 0: RECORDER_BYTES_DEFAULT */
	size_t queue_bytes_max; /* 0: RECORDER_QUEUE_BYTES */
	uint32_t step_units;	/* of engine_step() */
	bool rechecked;		/* as in struct recording_settings */
};
/* Begins the recording and its thread. ERR_IO, ERR_LIMIT, ERR_NOMEM with *why. */
int recorder_new(const struct recorder_options *options, struct recorder **out, char **why);
/* The end, in good order: all that was told is written. NULL is fine, for these two as well. */
void recorder_stop(struct recorder *recorder);
void recorder_free(struct recorder *recorder);

void recorder_time(struct recorder *recorder, int64_t now_ms);
void recorder_step(struct recorder *recorder);
void recorder_batch(struct recorder *recorder, const struct batch *batch);
/* rules_hash: recording_rules_hash(), made on another thread. */
void recorder_rules(struct recorder *recorder, const struct config *config, uint64_t rules_hash);
/* While starting, when nothing else waits: waits for the thread where it is behind. */
void recorder_restore(struct recorder *recorder, enum record_type type, struct slice payload);
void recorder_mark(struct recorder *recorder, enum input_kind kind);
void recorder_event(struct recorder *recorder, const struct alert_event *event);
/* What was written down goes to the thread: now and then. */
void recorder_push(struct recorder *recorder);

/* For metrics, any thread; zeroes without a recorder. */
struct recorder_stats {
	uint64_t bytes, samples, files_removed;
	uint64_t lost;	/* batches that came after it had ended */
	bool recording; /* it has not ended */
};
void recorder_stats(const struct recorder *recorder, struct recorder_stats *out);

#endif
