/*
 * The second back end: the log of records as a stream in Redis.
 *
 *   {PREFIX}:format   "tocsin redis N", N the version of block.h; a newer version is refused by
 * name {PREFIX}:log      a stream of blocks, each a few records as block.h encodes them
 *
 *   entry <epoch>-0       o: who owns the log from here on
 *   entry <epoch>-<seq>   b: records; k: the id of the entry with which the newest complete
 *                         checkpoint begins, in every block while nothing is missing after it
 *
 * Who takes the log over writes <epoch>-0 with an epoch above all others: from then on Redis itself
 * refuses whatever the owner before still sends, for ids of a stream only grow. So a checkpoint
 * goes through the log as well, and nothing is written but by XADD (and XTRIM, which cannot reach
 * beyond the checkpoint of its sender). An emptied server is noticed by NOMKSTREAM.
 *
 * What is in Redis is a state as long as seqs have no gap from entry k on. A gap comes when Redis
 * could not take what was sent (gone for long, slow, out of memory): then the log is *behind*, k is
 * left out, and records pass it by, until a checkpoint has brought everything anew.
 *
 * The engine never waits for any of this. Bytes in flight, and those that wait, are bounded.
 */
#ifndef TOCSIN_STORAGE_REDIS_LOG_H
#define TOCSIN_STORAGE_REDIS_LOG_H

#include "base/redis_client.h"
#include "storage/block.h"

#define REDIS_FORMAT_VERSION BLOCK_FORMAT_VERSION
#define REDIS_BLOCK_BYTES (16 * 1024)
/* In flight at most so much (or one block), as hiredis' buffer has no bound of its own. About what
 * the journal takes in one commit: while it syncs, nothing more can be sent. */
#define REDIS_FLIGHT_BYTES_MAX (4 * 1024 * 1024)
#define REDIS_FLIGHT_BLOCKS_MAX 256
/* In flight or waiting; more is dropped, and a checkpoint brings it later. */
#define REDIS_BACKLOG_BYTES_MAX (16 * 1024 * 1024)
/* A checkpoint waits while so much is in front of it. */
#define REDIS_CHECKPOINT_BYTES_MAX (4 * 1024 * 1024)
/* After one that Redis was too slow for, the next one waits for this long, and twice as long. */
#define REDIS_PAUSE_MS_MIN 1000
#define REDIS_PAUSE_MS_MAX 60000
/* Since the last checkpoint: a new one is due, if the state itself is smaller than half of it. */
#define REDIS_LOG_BYTES_MAX (64ll * 1024 * 1024)
/* A log that nobody writes any more is forgotten after so long; told to Redis once an hour. */
#define REDIS_EXPIRE_MS (30ll * 24 * 3600 * 1000)
#define REDIS_PREFIX_MAX 64

struct redis_log;

/* A place in the log: the id of an entry. */
struct redis_place {
	uint64_t epoch, seq;
};
static inline int redis_place_compare(struct redis_place a, struct redis_place b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return (a.seq > b.seq) - (a.seq < b.seq);
}

struct redis_log_options {
	struct redis_endpoint endpoint; /* its texts, and the next two, are borrowed */
	const char *prefix;
	const char *owner; /* who we are, for people who look into the stream */
};

int redis_log_new(const struct redis_log_options *options, struct redis_log **out);
/* NULL is fine. */
void redis_log_free(struct redis_log *log);

/* ---- at the start, before there are threads: these wait for Redis ---- */

/*
 * Takes the log over: from now on nobody before us can write it. *state: the last place up to which
 * it holds a complete state; epoch 0: it holds none.
 *
 * ERR_AGAIN: Redis is loading its data; ERR_IO: it cannot be reached; ERR_INVALID: it refuses;
 * ERR_UNSUPPORTED: a newer format, an older Redis; ERR_CORRUPT: somebody else's keys. All with
 * *why, a text to free(). Nothing is spoiled by trying again.
 */
int redis_log_take(struct redis_log *log, struct redis_place *state, char **why);

struct redis_replay_stats {
	uint64_t records, bytes, blocks, skipped;
};
/* After redis_log_take(), when it found a state: all records of it, in order. ERR_IO, ERR_CORRUPT,
 * ERR_UNSUPPORTED with *why. */
int redis_log_replay(struct redis_log *log,
		     void (*fn)(void *ctx, enum record_type type, struct slice payload), void *ctx,
		     struct redis_replay_stats *stats, char **why);

/* ---- from then on, on the thread of the loop ---- */

enum redis_health {
	REDIS_AWAY,   /* not connected, or it does not do what it is asked */
	REDIS_BEHIND, /* connected, but something is missing: a checkpoint is due, or under way */
	REDIS_CURRENT,
	REDIS_FENCED, /* somebody else has taken the log over: nothing is written any more */
};

struct redis_log_sink {
	void *ctx;
	/* Something is new: health, error, or what has arrived. */
	void (*changed)(void *ctx);
};

/*
 * Which state the daemon goes on with. from_redis: the one that redis_log_replay() gave; else all
 * of it is still to come, by a checkpoint. mine: the epoch of the newest block that state knows of,
 * for a log that could not be taken: if that has a later one when it can be reached, it is left
 * alone, for nobody here has read it (REDIS_FENCED).
 */
void redis_log_adopt(struct redis_log *log, bool from_redis, uint64_t mine);
/* Begins to write, on the thread of this loop. ERR_NOMEM. */
int redis_log_start(struct redis_log *log, struct loop *loop, const struct redis_log_sink *sink);

/* Takes a record into the block that is being filled. now_us: monotonic. ERR_NOMEM. */
int redis_log_append(struct redis_log *log, enum record_type type, struct slice payload,
		     int64_t now_us);
/* Ends the block that is being filled. True: there is a new one, *last is its place. */
bool redis_log_seal(struct redis_log *log, struct redis_place *last);
/* The place of the newest block that was sealed, or of our claim. */
struct redis_place redis_log_last(const struct redis_log *log);
/* What is sealed may leave: the journal has it. now_us: monotonic. */
void redis_log_send(struct redis_log *log, int64_t now_us);
/* Is there something to seal and send though no record was appended? */
bool redis_log_is_due(const struct redis_log *log);
/* Are blocks in flight? */
bool redis_log_is_busy(const struct redis_log *log);
/* Nothing waits, nothing is in flight. */
bool redis_log_is_idle(const struct redis_log *log);

enum redis_health redis_log_health(const struct redis_log *log);
/* Why it is REDIS_AWAY, or who fenced us. */
const char *redis_log_error(const struct redis_log *log);
/* The connection just broke: the next try will tell whether that means anything. */
bool redis_log_is_broken(const struct redis_log *log);
/* It is away, and a try to have it back has failed. */
bool redis_log_is_given_up(const struct redis_log *log);
/* Records appended up to now; and how many of those are known to be in Redis. */
uint64_t redis_log_appended(const struct redis_log *log);
uint64_t redis_log_arrived(const struct redis_log *log);

/* Is a checkpoint due, and Redis there to take it? */
bool redis_log_wants_checkpoint(const struct redis_log *log);
/* Should whoever writes one wait a little? */
bool redis_log_is_full(const struct redis_log *log);
void redis_log_checkpoint_begin(struct redis_log *log, int64_t now_us);
/* All parts have been appended. */
void redis_log_checkpoint_end(struct redis_log *log, int64_t now_us);

struct redis_log_stats {
	uint64_t epoch;
	uint64_t blocks, bytes; /* that have arrived */
	uint64_t dropped;	/* records that passed Redis by: a checkpoint brings them */
	uint64_t checkpoints, errors, connects;
	size_t waiting_bytes; /* in flight, or waiting */
	int64_t oldest_us;    /* when the oldest record that Redis lacks was appended; 0: none */
	int64_t log_bytes;    /* since the beginning of the last checkpoint */
};
void redis_log_stats_get(const struct redis_log *log, struct redis_log_stats *out);
/* Asserts the invariants, for tests. */
void redis_log_check(const struct redis_log *log);

#endif
