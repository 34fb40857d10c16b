/*
 * A batch: the samples of one request, on their way from an ingest thread to the engine and back.
 *
 * Life: made and filled by a decoder on the ingest thread; pushed to the engine's queue; the engine
 * applies each row and writes the outcome; sent back to the ingest thread, which answers the sender
 * from the outcome and frees it. Exactly one thread owns it at any time.
 *
 * A row names its series by the 128-bit keyed hash of the raw wire labels. The labels themselves
 * travel along only for keys that the ingest thread has not seen lately (births); should the engine
 * not know a key without labels (it forgot the series meanwhile), it asks batch_labels(), which
 * parses them from the body that the batch keeps: correctness never rests on the cache.
 */
#ifndef TOCSIN_INGEST_BATCH_H
#define TOCSIN_INGEST_BATCH_H

#include <stdint.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/labels.h"
#include "base/queue.h"
#include "storage/window.h"

struct batch_row {
	struct hash128 key;
	int64_t ts_ms;
	uint64_t bits; /* of the double: a stale marker is compared, never computed with */
};

/* Labels of a row's series; sorted by row. Rows without a birth are expected to be known. */
struct batch_birth {
	uint32_t row;
	struct labels *labels; /* a reference */
	enum window_kind kind; /* WINDOW_SAMPLES but for series made of log lines */
	bool is_delta;	       /* the row's value is what the series has grown by */
};

/* Since when the counter of a row's sample counts, as its sender tells; sorted by row. */
struct batch_start {
	uint32_t row;
	int64_t start_ms;
};

/*
 * A line that a row was made of, redacted, for people to look at should an alert fire: the engine
 * keeps the newest few of each series.
 */
struct batch_example {
	uint32_t row;
	int64_t ts_ms;	  /* the line's own */
	uint32_t at, len; /* in batch->texts */
};
#define BATCH_EXAMPLES_MAX 4096
#define BATCH_EXAMPLE_BYTES_MAX 1024 /* what is longer is cut, at a character */

/* Who sent it: (user, or address and user agent). No name: nobody, it was read by ourselves. */
struct batch_sender {
	char name[160]; /* "127.0.0.1 Prometheus/3.5.0"; NUL-terminated, cut to fit */
	uint64_t hash;	/* of the whole identity */
};

enum batch_protocol { BATCH_REMOTE_WRITE_1, BATCH_REMOTE_WRITE_2 };

/* What became of the rows. Written by the engine, but `invalid`, which the decoder counts. */
struct batch_outcome {
	uint32_t stored;    /* appended or inserted */
	uint32_t identical; /* the same sample was there */
	uint32_t late;	    /* older than any reader may ask for */
	uint32_t ignored;   /* demanded by nobody */
	uint32_t conflict;  /* same time, other value: rejected */
	uint32_t future;    /* more than FUTURE_MAX_MS ahead: rejected */
	uint32_t limited;   /* a series limit was reached: rejected */
	bool unconfirmed;   /* the storage does not have it in time: the sender must try again */
	uint32_t invalid;   /* bad labels: rejected by the decoder, not among the rows */
	uint32_t histograms, exemplars, metadata; /* well-formed ones, counted by the decoder */
	uint32_t bad_histograms, bad_exemplars;
	char error[512]; /* the first few complaints, for the reply; "" when none */
};

#define BATCH_COMPLAINT_MAX 200 /* bytes of one complaint; what is longer is cut */

struct batch {
	struct queue_item item; /* for queue.h */
	enum batch_protocol protocol;
	struct batch_sender sender;
	/*
	 * Tocsin's own numbers: nobody sent them, so nobody can fall silent; kept whether demanded
	 * or not. Every row has a birth; keys do not count.
	 */
	bool own;
	/*
	 * Samples of the past, which history was asked for: nobody's, counted for nobody, and never
	 * late. Rows of a series stand together; the first one has its labels.
	 */
	bool is_past;
	/* When its rows are applied, the selector of this text is covered since then; NULL: none.
	 */
	char *covers;
	int64_t covers_since_ms;

	struct batch_row *rows;
	uint32_t nrows, rows_cap;
	struct batch_birth *births;
	uint32_t nbirths, births_cap;
	struct batch_start *starts;
	uint32_t nstarts, starts_cap;

	/* Of batches made of log lines; both cleared with the batch. */
	struct batch_example *examples;
	uint32_t nexamples, examples_cap;
	struct buf texts;     /* of the examples */
	struct buf positions; /* (sized key, sized payload) of each: see batch_position_add() */
	uint32_t npositions;

	/* For batch_labels(): the decoded body and, per row, where its series' labels stand. */
	char *body;
	size_t body_len;
	uint32_t *label_at; /* nrows offsets into body, meaning is the decoder's */
	int (*labels_parse)(const struct batch *batch, uint32_t row, struct labels **out);
	void *decoder_data; /* the decoder's, freed by free_data */
	void (*free_data)(void *data);

	struct batch_outcome outcome;

	/* Where the answer goes: ingest thread, slot, generation; and who sees to it there. */
	uint32_t thread, slot, generation;
	void (*done)(void *thread, struct batch *batch);
	/* The engine's: how far it has come when it must wait for the end of a pass. */
	uint32_t next_row, next_birth, next_start, next_example;
	int64_t arrived_us; /* monotonic, for latency metrics */
};

struct batch *batch_new(void);
void batch_free(struct batch *batch); /* NULL is fine */
/* What it counts for in the engine's queue: the memory it holds. */
size_t batch_cost(const struct batch *batch);
/* Empties it for another request; arrays, body and the decoder's data stay as memory to fill again.
 */
void batch_clear(struct batch *batch);
/*
 * The rows and all that came with them, for somebody who looks at them later; not the body, so that
 * batch_labels() knows only what births tell. NULL when out of memory.
 */
struct batch *batch_copy(const struct batch *batch);
/* Room for n more rows. ERR_NOMEM. */
int batch_reserve(struct batch *batch, uint32_t nrows);
/* Adds a birth for a row, in the order of rows. Takes the reference, unless it fails: ERR_NOMEM. */
int batch_birth_add(struct batch *batch, uint32_t row, struct labels *labels);
/* Adds the start time of a row's sample, in the order of rows. ERR_NOMEM. */
int batch_start_add(struct batch *batch, uint32_t row, int64_t start_ms);
/*
 * Adds a row whose labels are at hand, with its birth; takes no reference of the caller's. The key
 * is the labels' own: the same whoever sends the series. ERR_NOMEM.
 */
int batch_sample_add(struct batch *batch, const struct hash_key *key, struct labels *labels,
		     int64_t ts_ms, uint64_t bits);
/*
 * As batch_sample_add(), but the value is added to the newest one of the series (zero before the
 * first), of which one at that very time is taken to be this one: a running total out of deltas, as
 * their senders retry. Late ones are lost: totals do not change afterwards.
 */
int batch_delta_add(struct batch *batch, const struct hash_key *key, struct labels *labels,
		    int64_t ts_ms, double value);
/*
 * As batch_sample_add(), for a series made of log lines. WINDOW_SUM, _MIN, _MAX: the part of a
 * bucket (kB, (k+1)B] that is new with this batch, stamped (k+1)B; WINDOW_EVENTS: one event, with
 * the line's own time. A series has one kind for ever.
 */
int batch_derived_add(struct batch *batch, const struct hash_key *key, struct labels *labels,
		      enum window_kind kind, int64_t ts_ms, uint64_t bits);
/* Takes back the rows from that one on, with their births and start times: what was added in vain.
 */
void batch_rows_drop(struct batch *batch, uint32_t from);
/*
 * Says how far a source of lines was read when all rows of this batch had been made of it. The key
 * names the source (a file's identity, say), the payload (an offset) is its reader's alone; an
 * empty payload forgets the source. Journaled in one record with the samples of the batch, so that
 * after kill -9 either both are known or neither is; kept in checkpoints; read back by
 * engine_positions_each(), which gives the newest payload of each key. So a reader that goes on
 * from there counts each line exactly once, if it pushes the batches of one source in order. Such a
 * batch is applied in one piece: keep it at some 10,000 rows. It may have no rows at all.
 *
 * ERR_LIMIT: longer than BATCH_POSITION_BYTES_MAX together, the key is empty, or all of the batch
 * are longer than BATCH_POSITIONS_BYTES_MAX; ERR_NOMEM.
 */
#define BATCH_POSITION_BYTES_MAX 8192
#define BATCH_POSITIONS_BYTES_MAX (4u * 1024 * 1024)
int batch_position_add(struct batch *batch, struct slice key, struct slice payload);
/*
 * Adds an example for a row, in the order of rows. Beyond BATCH_EXAMPLES_MAX, or without memory, it
 * is left out in silence.
 */
void batch_example_add(struct batch *batch, uint32_t row, int64_t ts_ms, struct slice line);
struct slice batch_example_line(const struct batch *batch, const struct batch_example *example);
/*
 * The labels of a row's series, parsed anew from the body, or else of its birth. ERR_INVALID when
 * they are no valid set, ERR_NOT_FOUND when they did not come along.
 */
int batch_labels(const struct batch *batch, uint32_t row, struct labels **out);
/* Adds a complaint to outcome.error as long as there is room ("a; b; …"). */
void batch_complain(struct batch *batch, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Would the longest complaint still fit? Asked before one is made at some cost. */
bool batch_has_room_to_complain(const struct batch *batch);
/* Rows that were valid and taken: what the 2.0 Written header says of samples. */
uint32_t batch_written(const struct batch_outcome *outcome);
/* Anything that must be answered 400? */
bool batch_is_rejected(const struct batch_outcome *outcome);

#endif
