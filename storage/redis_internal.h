/* The log in Redis: what its writer (redis_log.c) and its reader (redis_read.c) share. */
#ifndef TOCSIN_STORAGE_REDIS_INTERNAL_H
#define TOCSIN_STORAGE_REDIS_INTERNAL_H

#include "storage/redis_log.h"

#define REDIS_FORMAT_TEXT "tocsin redis "
#define REDIS_KEY_BYTES (REDIS_PREFIX_MAX + 16)
#define REDIS_PLACE_BYTES 48
#define REDIS_ERROR_BYTES 512

struct redisReply;

struct redis_block {
	struct redis_block *next;
	uint64_t seq;
	uint64_t appended; /* records up to its end */
	int64_t oldest_us; /* of its first record */
	size_t records_bytes;
	bool ends_checkpoint;
	bool tells_complete; /* the first one with a new k */
	struct buf command;
};

enum redis_stage {
	STAGE_DOWN,   /* no connection */
	STAGE_FORMAT, /* asked which format it has */
	STAGE_LAST,   /* asked for the last entry, to claim the log */
	STAGE_CLAIM,  /* sent <epoch>-0; if that is refused, asked for the newest id */
	STAGE_RESUME, /* asked for the entries from the last known one on */
	STAGE_WRITING,
};

struct redis_log {
	struct redis_log_options options;
	char log_key[REDIS_KEY_BYTES], format_key[REDIS_KEY_BYTES];
	char error[REDIS_ERROR_BYTES];
	/* at the start */
	struct redisContext *sync;
	struct redis_place base, state; /* the checkpoint's beginning and the end of the state */
	bool is_state_last;		/* nothing but claims came after it */
	/* writing */
	struct redis_client *client;
	struct redis_log_sink sink;
	enum redis_stage stage;
	bool is_claimed; /* <epoch>-0 is ours */
	bool is_fenced;
	bool is_broken;	   /* the connection broke, and the next try has not been made yet */
	bool is_behind;	   /* something is missing in Redis */
	bool is_proven;	   /* it has taken something since it was connected */
	uint64_t epoch;	   /* ours; until then the newest that we know of */
	uint64_t claiming; /* the epoch that is being claimed */
	uint64_t deleted;  /* the newest of this connection's log without entries; 0: not asked */
	uint64_t next_seq, arrived_seq; /* of the next block; of the newest that has arrived */
	struct redis_place
		complete; /* where the newest complete checkpoint begins; epoch 0: none */
	struct redis_place checkpoint; /* where the one under way begins; epoch 0: none */
	bool is_told;		       /* a block with the newest k was made */
	bool is_trim_due;	       /* and has arrived */
	/* blocks: in flight, then those that may leave, then those the journal does not have yet */
	struct redis_block *first, **end, *unsent;
	uint64_t released_seq; /* may leave up to here */
	size_t flight_bytes, flight_blocks, backlog_bytes;
	struct buf filling;
	int64_t filling_us; /* when its first record came */
	uint64_t appended, arrived;
	uint64_t block_appended; /* records up to the end of the newest block that arrived */
	int64_t behind_us;	 /* since when something is missing; 0: nothing is */
	int64_t now_us;		 /* as it was told last */
	int64_t pause_ms;	 /* after the checkpoint that failed last */
	int64_t resume_us;	 /* the next checkpoint not before */
	int64_t expire_us;	 /* when the expiry was told last */
	int64_t log_bytes, state_bytes;
	struct redis_log_stats stats;
};

/* "12-34" and back. ERR_CORRUPT. */
void redis_place_text(struct redis_place place, char text[REDIS_PLACE_BYTES]);
int redis_place_parse(struct slice text, struct redis_place *out);

/* One entry of a stream, borrowed from the reply. */
struct redis_entry {
	struct redis_place place;
	struct slice block, complete, owner; /* ptr NULL: it has none */
};
/* ERR_CORRUPT when the reply is no entry. */
int redis_entry_read(const struct redisReply *reply, struct redis_entry *out);
/* The newest id that a stream has given, of XINFO STREAM: its entry may be deleted. ERR_CORRUPT. */
int redis_newest_read(const struct redisReply *reply, struct redis_place *out);
/* Is this how Redis says that a stream has given an id as high already? */
bool redis_is_id_refused(const char *error);
/* What to do where that goes on. */
#define REDIS_DELETED_HINT                                                                         \
	"another Tocsin takes the log over again and again, or newer entries were deleted by "     \
	"hand; allow this user XINFO, or choose another storage.key_prefix"
/* 0; ERR_UNSUPPORTED, ERR_CORRUPT with a text for people. */
int redis_format_check(const struct redis_log *log, struct slice text, char why[REDIS_ERROR_BYTES]);

/* ---- redis_log.c: blocks ---- */

/* Frees the blocks from this one on; those before stay. */
void redis_drop_blocks(struct redis_log *log, struct redis_block **from);
/* Something will be missing in Redis, and has been since then. */
void redis_fall_behind(struct redis_log *log, int64_t since_us);
/* What is being filled becomes a block, even if it is empty. ERR_NOMEM: it is lost. */
int redis_seal(struct redis_log *log, bool ends_checkpoint);
/* Sends what may leave, as much as may be in flight. */
void redis_pump(struct redis_log *log);
/* The first block is in Redis. */
void redis_block_arrived(struct redis_log *log);

/* ---- redis_owner.c: the connection ---- */

/* What an answer is to. */
enum redis_question {
	ASKED_FORMAT = 1,
	ASKED_LAST,
	ASKED_CLAIM,
	ASKED_NEWEST,
	ASKED_RESUME,
	ASKED_ADD,
	ASKED_NOTHING
};
/* Sends a command; its answer is known by the question. ERR_NOMEM, ERR_IO. */
int redis_ask(struct redis_log *log, enum redis_question question, size_t n,
	      const char *const *words);
#define ASK(log, question, ...)                                                                    \
	redis_ask(log, question, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *),    \
		  (const char *const[]){ __VA_ARGS__ })

#endif
