#include "storage/redis_log.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "storage/redis_internal.h"

/* What may be in flight, the entry before it, and one that would be somebody else's. */
#define RESUME_ENTRIES (REDIS_FLIGHT_BLOCKS_MAX + 2)
#define EXPIRE_INTERVAL_US (3600ll * 1000 * 1000)

/* What an answer is to. */
enum question { ASKED_FORMAT = 1, ASKED_LAST, ASKED_CLAIM, ASKED_RESUME, ASKED_ADD, ASKED_NOTHING };

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

int redis_log_new(const struct redis_log_options *options, struct redis_log **out)
{
	struct redis_log *log = calloc(1, sizeof(*log));

	if (!log)
		return ERR_NOMEM;
	assert(strlen(options->prefix) <= REDIS_PREFIX_MAX);
	log->options = *options;
	log->end = &log->first;
	log->is_behind = true;
	log->next_seq = 1;
	log->pause_ms = REDIS_PAUSE_MS_MIN;
	buf_init(&log->filling);
	snprintf(log->log_key, sizeof(log->log_key), "{%s}:log", options->prefix);
	snprintf(log->format_key, sizeof(log->format_key), "{%s}:format", options->prefix);
	*out = log;
	return 0;
}

static void block_free(struct redis_block *block)
{
	buf_fini(&block->command);
	free(block);
}

/* From this one on; those before stay. */
static void drop_blocks(struct redis_log *log, struct redis_block **from)
{
	while (*from) {
		struct redis_block *block = *from;

		*from = block->next;
		log->backlog_bytes -= block->command.len;
		block_free(block);
	}
	log->end = from;
	log->unsent = NULL;
}

void redis_log_free(struct redis_log *log)
{
	if (!log)
		return;
	drop_blocks(log, &log->first);
	redis_client_free(log->client);
	if (log->sync)
		redisFree(log->sync);
	buf_fini(&log->filling);
	free(log);
}

static void tell(struct redis_log *log)
{
	log->sink.changed(log->sink.ctx);
}

/* ---- commands ---- */

static int ask(struct redis_log *log, enum question question, size_t n, const char *const *words)
{
	struct buf command;

	buf_init(&command);
	resp_array(&command, n);
	for (size_t i = 0; i < n; i++)
		resp_bulk(&command, slice_from(words[i]));
	int code = buf_ok(&command)
			   ? redis_client_send(log->client, buf_slice(&command), question)
			   : ERR_NOMEM;

	buf_fini(&command);
	return code;
}
#define ASK(log, question, ...)                                                                    \
	ask(log, question, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *),          \
	    (const char *const[]){ __VA_ARGS__ })

static void ask_or_fail(struct redis_log *log, int code)
{
	if (code)
		redis_client_fail(log->client, error_text(code));
}

/* ---- falling behind ---- */

static bool is_open(const struct redis_log *log)
{
	return !log->is_fenced && (!log->is_behind || log->checkpoint.epoch);
}

/*
 * Something will be missing in Redis: what follows passes it by as well, until a checkpoint brings
 * everything. Blocks in flight stay, for their answers come.
 */
static void fall_behind(struct redis_log *log, int64_t since_us)
{
	struct redis_block **from = &log->first;
	uint64_t kept = log->block_appended;

	while (*from && *from != log->unsent) {
		kept = (*from)->appended;
		from = &(*from)->next;
	}
	if (is_open(log))
		log->stats.dropped += log->appended - kept;
	drop_blocks(log, from);
	buf_clear(&log->filling);
	if (log->checkpoint.epoch) {
		log->resume_us = log->now_us + log->pause_ms * 1000;
		log->pause_ms *= 2;
		if (log->pause_ms > REDIS_PAUSE_MS_MAX)
			log->pause_ms = REDIS_PAUSE_MS_MAX;
	}
	log->checkpoint.epoch = 0;
	log->is_behind = true;
	if (!log->behind_us)
		log->behind_us = since_us;
}

static int64_t oldest_us(const struct redis_log *log)
{
	if (log->behind_us)
		return log->behind_us;
	if (log->first)
		return log->first->oldest_us;
	return log->filling.len ? log->filling_us : 0;
}

/* ---- blocks ---- */

static void make_command(const struct redis_log *log, struct redis_block *block)
{
	char id[REDIS_PLACE_BYTES], complete[REDIS_PLACE_BYTES];
	bool has_complete = !log->is_behind && log->complete.epoch;
	struct buf *command = &block->command;

	redis_place_text((struct redis_place){ log->epoch, block->seq }, id);
	buf_init(command);
	buf_reserve(command, log->filling.len + 256);
	resp_array(command, has_complete ? 8 : 6);
	resp_bulk(command, SLICE("XADD"));
	resp_bulk(command, slice_from(log->log_key));
	resp_bulk(command, SLICE("NOMKSTREAM"));
	resp_bulk(command, slice_from(id));
	resp_bulk(command, SLICE("b"));
	resp_bulk(command, buf_slice(&log->filling));
	if (!has_complete)
		return;
	redis_place_text(log->complete, complete);
	resp_bulk(command, SLICE("k"));
	resp_bulk(command, slice_from(complete));
}

/* What is being filled becomes a block, even if it is empty. ERR_NOMEM: it is lost. */
static int seal(struct redis_log *log, bool ends_checkpoint)
{
	struct redis_block *block = calloc(1, sizeof(*block));

	if (!block) {
		fall_behind(log, log->filling_us);
		return ERR_NOMEM;
	}
	block->seq = log->next_seq++;
	block->appended = log->appended;
	block->oldest_us = log->filling_us;
	block->records_bytes = log->filling.len;
	block->ends_checkpoint = ends_checkpoint;
	block->tells_complete = !log->is_behind && log->complete.epoch && !log->is_told;
	make_command(log, block);
	if (!buf_ok(&block->command)) {
		block_free(block);
		fall_behind(log, log->filling_us);
		return ERR_NOMEM;
	}
	log->is_told |= block->tells_complete;
	log->log_bytes += (int64_t)block->command.len;
	log->backlog_bytes += block->command.len;
	*log->end = block;
	log->end = &block->next;
	if (!log->unsent)
		log->unsent = block;
	buf_clear(&log->filling);
	if (log->backlog_bytes > REDIS_BACKLOG_BYTES_MAX)
		fall_behind(log, oldest_us(log));
	return 0;
}

int redis_log_append(struct redis_log *log, enum record_type type, struct slice payload,
		     int64_t now_us)
{
	log->appended++;
	log->now_us = now_us;
	if (log->is_fenced)
		return 0;
	if (!is_open(log)) {
		log->stats.dropped++;
		if (!log->behind_us)
			log->behind_us = now_us;
		return 0;
	}
	if (log->filling.len == 0)
		log->filling_us = now_us;
	record_encode(type, payload, &log->filling);
	if (!buf_ok(&log->filling)) {
		buf_fini(&log->filling);
		buf_init(&log->filling);
		fall_behind(log, now_us);
		return ERR_NOMEM;
	}
	return log->filling.len >= REDIS_BLOCK_BYTES ? seal(log, false) : 0;
}

/* Nobody knows of the newest checkpoint yet. */
static bool must_tell(const struct redis_log *log)
{
	return is_open(log) && !log->is_behind && log->complete.epoch && !log->is_told;
}

bool redis_log_is_due(const struct redis_log *log)
{
	bool is_unreleased = log->unsent && log->next_seq - 1 > log->released_seq;

	return is_unreleased || must_tell(log);
}

struct redis_place redis_log_last(const struct redis_log *log)
{
	return (struct redis_place){ log->epoch, log->next_seq - 1 };
}

bool redis_log_seal(struct redis_log *log, struct redis_place *last)
{
	if (log->filling.len || must_tell(log))
		seal(log, false);
	if (!log->unsent || log->next_seq - 1 == log->released_seq)
		return false;
	*last = redis_log_last(log);
	return true;
}

/* Only what a new k makes needless, and only once that k is there. */
static void trim(struct redis_log *log)
{
	char id[REDIS_PLACE_BYTES];

	log->is_trim_due = false;
	redis_place_text(log->complete, id);
	ASK(log, ASKED_NOTHING, "XTRIM", log->log_key, "MINID", id);
}

/* As many as may be in flight. */
static void pump(struct redis_log *log)
{
	struct redis_block *block;

	if (log->stage == STAGE_WRITING && log->is_trim_due)
		trim(log);
	while (log->stage == STAGE_WRITING && (block = log->unsent) &&
	       block->seq <= log->released_seq &&
	       (log->flight_blocks == 0 ||
		(log->flight_blocks < REDIS_FLIGHT_BLOCKS_MAX &&
		 log->flight_bytes + block->command.len <= REDIS_FLIGHT_BYTES_MAX))) {
		if (redis_client_send(log->client, buf_slice(&block->command), ASKED_ADD)) {
			redis_client_fail(log->client, "cannot send");
			return;
		}
		log->flight_blocks++;
		log->flight_bytes += block->command.len;
		log->unsent = block->next;
	}
}

static void tell_expiry(struct redis_log *log, int64_t now_us)
{
	char ms[24];

	log->expire_us = now_us;
	snprintf(ms, sizeof(ms), "%lld", (long long)REDIS_EXPIRE_MS);
	ASK(log, ASKED_NOTHING, "PEXPIRE", log->log_key, ms);
	ASK(log, ASKED_NOTHING, "PEXPIRE", log->format_key, ms);
}

void redis_log_send(struct redis_log *log, int64_t now_us)
{
	log->now_us = now_us;
	log->released_seq = log->next_seq - 1;
	pump(log);
	if (log->stage == STAGE_WRITING && log->is_proven &&
	    (log->expire_us == 0 || now_us - log->expire_us > EXPIRE_INTERVAL_US))
		tell_expiry(log, now_us);
}

/* ---- what has arrived ---- */

/* All of a checkpoint is there, in order: what is in Redis is a state again. */
static void checkpoint_arrived(struct redis_log *log)
{
	log->complete = log->checkpoint;
	log->checkpoint.epoch = 0;
	log->is_behind = false;
	log->is_told = false;
	log->behind_us = 0;
	log->state_bytes = log->log_bytes;
	log->pause_ms = REDIS_PAUSE_MS_MIN;
	log->stats.checkpoints++;
}

static void block_arrived(struct redis_log *log)
{
	struct redis_block *block = log->first;

	log->first = block->next;
	if (!log->first)
		log->end = &log->first;
	if (log->unsent == block)
		log->unsent = block->next;
	log->backlog_bytes -= block->command.len;
	log->arrived_seq = block->seq;
	log->stats.blocks++;
	log->stats.bytes += block->command.len;
	if (block->ends_checkpoint && log->checkpoint.epoch)
		checkpoint_arrived(log);
	log->block_appended = block->appended;
	if (!log->is_behind)
		log->arrived = block->appended;
	log->is_trim_due |= block->tells_complete && !log->is_behind;
	block_free(block);
}

static void on_added(struct redis_log *log, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_NIL) {
		log->is_claimed = false;
		redis_client_fail(log->client, "the log is gone: was the server emptied?");
		return;
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		/* Maybe somebody has taken the log over: the resumption looks. */
		redis_client_fail(log->client, reply->str);
		return;
	}
	log->flight_blocks--;
	log->flight_bytes -= log->first->command.len;
	log->is_proven = true;
	redis_client_is_well(log->client);
	block_arrived(log);
	pump(log);
	tell(log);
}

/* ---- connecting: format, then claim or resume ---- */

static void fence(struct redis_log *log, const struct redis_entry *entry)
{
	char place[REDIS_PLACE_BYTES];

	redis_place_text(entry->place, place);
	log->is_fenced = true;
	snprintf(log->error, sizeof(log->error), "the log has gone on without us, to %s%s" SLICE_FMT,
		 place, entry->owner.len ? ", by " : "", SLICE_ARG(entry->owner));
	drop_blocks(log, &log->first);
	log->flight_blocks = log->flight_bytes = 0;
	buf_clear(&log->filling);
	log->checkpoint.epoch = 0;
	tell(log);
}

static void start_writing(struct redis_log *log)
{
	log->stage = STAGE_WRITING;
	log->stats.connects++;
	/* Does it take anything? A checkpoint is not begun on trust. */
	if (log->is_behind && !log->is_proven && !log->first && !log->checkpoint.epoch &&
	    seal(log, false) == 0)
		log->released_seq = log->next_seq - 1;
	pump(log);
	tell(log);
}

/* A claim of ours whose answer did not come. */
static bool is_own_claim(const struct redis_log *log, const struct redis_entry *last)
{
	return last->place.epoch == log->claiming && last->place.seq == 0 &&
	       slice_is(last->owner, log->options.owner);
}

static void claim(struct redis_log *log, const struct redis_entry *last)
{
	char id[REDIS_PLACE_BYTES], format[32];

	if (last && last->place.epoch > log->epoch && !is_own_claim(log, last)) {
		fence(log, last);
		return;
	}
	log->stage = STAGE_CLAIM;
	log->claiming = (last && last->place.epoch > log->epoch ? last->place.epoch : log->epoch) + 1;
	redis_place_text((struct redis_place){ log->claiming, 0 }, id);
	snprintf(format, sizeof(format), REDIS_FORMAT_TEXT "%d", REDIS_FORMAT_VERSION);
	int code = ASK(log, ASKED_NOTHING, "SET", log->format_key, format);

	if (code == 0)
		code = ASK(log, ASKED_CLAIM, "XADD", log->log_key, id, "o", log->options.owner);
	ask_or_fail(log, code);
}

static void on_claimed(struct redis_log *log)
{
	fall_behind(log, log->behind_us);
	drop_blocks(log, &log->first);
	log->epoch = log->claiming;
	log->is_claimed = log->is_proven = true;
	log->next_seq = 1;
	log->arrived_seq = log->released_seq = 0;
	log->complete.epoch = 0;
	log->expire_us = 0;
	start_writing(log);
}

static void on_last(struct redis_log *log, const redisReply *reply)
{
	struct redis_entry last;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements > 1 ||
	    (reply->elements && redis_entry_read(reply->element[0], &last)))
		redis_client_fail(log->client, "the answer makes no sense");
	else
		claim(log, reply->elements ? &last : NULL);
}

/*
 * What was in flight when the connection was lost: is it there? Then it has arrived; the rest is
 * sent again. Another one's entries after ours fence us; a log without our newest entry is not ours
 * any more.
 */
static void on_resumed(struct redis_log *log, const redisReply *reply)
{
	struct redis_place known = { log->epoch, log->arrived_seq };
	struct redis_entry entry;

	for (size_t i = 0; i < reply->elements; i++) {
		if (redis_entry_read(reply->element[i], &entry)) {
			redis_client_fail(log->client, "the answer makes no sense");
			return;
		}
		if (entry.place.epoch > log->epoch) {
			fence(log, &entry);
			return;
		}
		if (i == 0 && redis_place_compare(entry.place, known) == 0)
			continue;
		if (i == 0 || !log->first || log->first->seq != entry.place.seq) {
			/* A hole: one was refused, and a later one was not. */
			log->is_claimed = false;
			break;
		}
		block_arrived(log);
	}
	if (reply->elements == 0)
		log->is_claimed = false;
	if (log->is_claimed) {
		start_writing(log);
		return;
	}
	log->stage = STAGE_LAST;
	ask_or_fail(log, ASK(log, ASKED_LAST, "XREVRANGE", log->log_key, "+", "-", "COUNT", "1"));
}

static void on_format(struct redis_log *log, const redisReply *reply)
{
	char known[REDIS_PLACE_BYTES], count[16], why[REDIS_ERROR_BYTES];
	int code;

	if (reply->type == REDIS_REPLY_STRING &&
	    redis_format_check(log, (struct slice){ reply->str, reply->len }, why)) {
		redis_client_fail(log->client, why);
		return;
	}
	if (log->is_claimed) {
		log->stage = STAGE_RESUME;
		redis_place_text((struct redis_place){ log->epoch, log->arrived_seq }, known);
		snprintf(count, sizeof(count), "%d", RESUME_ENTRIES);
		code = ASK(log, ASKED_RESUME, "XRANGE", log->log_key, known, "+", "COUNT", count);
	} else {
		log->stage = STAGE_LAST;
		code = ASK(log, ASKED_LAST, "XREVRANGE", log->log_key, "+", "-", "COUNT", "1");
	}
	ask_or_fail(log, code);
}

static void on_answer(void *ctx, unsigned what, const struct redisReply *reply)
{
	struct redis_log *log = ctx;

	if (log->is_fenced || what == ASKED_NOTHING)
		return;
	if (what == ASKED_ADD) {
		on_added(log, reply);
		return;
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		redis_client_fail(log->client, reply->str);
		return;
	}
	switch ((enum question)what) {
	case ASKED_FORMAT:
		on_format(log, reply);
		return;
	case ASKED_LAST:
		on_last(log, reply);
		return;
	case ASKED_CLAIM:
		on_claimed(log);
		return;
	case ASKED_RESUME:
		on_resumed(log, reply);
		return;
	default:
		assert(!"no such question");
	}
}

static void on_up(void *ctx)
{
	struct redis_log *log = ctx;

	if (log->is_fenced)
		return;
	log->stage = STAGE_FORMAT;
	ask_or_fail(log, ASK(log, ASKED_FORMAT, "GET", log->format_key));
}

static void on_down(void *ctx, const char *why, bool broke)
{
	struct redis_log *log = ctx;

	if (log->is_fenced)
		return;
	log->stage = STAGE_DOWN;
	log->is_proven = false;
	log->flight_blocks = log->flight_bytes = 0;
	log->unsent = log->first;
	log->stats.errors++;
	log->is_broken = broke;
	snprintf(log->error, sizeof(log->error), "%s", why);
	tell(log);
}

void redis_log_adopt(struct redis_log *log, bool from_redis, uint64_t mine)
{
	if (log->sync) {
		redisFree(log->sync);
		log->sync = NULL;
	}
	if (!log->is_claimed)
		log->epoch = mine;
	if (log->is_claimed && from_redis && log->is_state_last) {
		log->is_behind = false;
		log->complete = log->base;
		log->is_told = true;
	}
}

int redis_log_start(struct redis_log *log, struct loop *loop, const struct redis_log_sink *sink)
{
	const struct redis_client_sink client = {
		.ctx = log, .up = on_up, .down = on_down, .answer = on_answer
	};

	log->sink = *sink;
	log->client = redis_client_new(loop, &log->options.endpoint, &client);
	if (!log->client)
		return ERR_NOMEM;
	redis_client_start(log->client);
	return 0;
}

/* ---- checkpoints ---- */

bool redis_log_wants_checkpoint(const struct redis_log *log)
{
	if (log->stage != STAGE_WRITING || log->is_fenced || !log->is_proven ||
	    log->checkpoint.epoch || log->now_us < log->resume_us)
		return false;
	return log->is_behind || (log->log_bytes > REDIS_LOG_BYTES_MAX &&
				  log->log_bytes > 2 * log->state_bytes);
}

bool redis_log_is_full(const struct redis_log *log)
{
	return log->stage == STAGE_WRITING && log->backlog_bytes > REDIS_CHECKPOINT_BYTES_MAX;
}

void redis_log_checkpoint_begin(struct redis_log *log, int64_t now_us)
{
	if (log->stage != STAGE_WRITING || log->is_fenced || log->checkpoint.epoch)
		return;
	if (log->filling.len && seal(log, false))
		return;
	log->checkpoint = (struct redis_place){ log->epoch, log->next_seq };
	log->log_bytes = 0;
	redis_log_append(log, RECORD_CHECKPOINT_BEGIN, (struct slice){ 0 }, now_us);
}

void redis_log_checkpoint_end(struct redis_log *log, int64_t now_us)
{
	if (!log->checkpoint.epoch)
		return;
	log->appended++;
	if (log->filling.len == 0)
		log->filling_us = now_us;
	record_encode(RECORD_CHECKPOINT_END, (struct slice){ 0 }, &log->filling);
	if (buf_ok(&log->filling))
		seal(log, true);
	else
		fall_behind(log, now_us);
}

/* ---- looking in ---- */

bool redis_log_is_busy(const struct redis_log *log)
{
	return log->flight_blocks > 0;
}

bool redis_log_is_idle(const struct redis_log *log)
{
	return !log->first && log->filling.len == 0;
}

enum redis_health redis_log_health(const struct redis_log *log)
{
	if (log->is_fenced)
		return REDIS_FENCED;
	/* What it refused before, it may refuse again. */
	if (log->stage != STAGE_WRITING || (log->first && !log->is_proven))
		return REDIS_AWAY;
	return log->is_behind ? REDIS_BEHIND : REDIS_CURRENT;
}

bool redis_log_is_broken(const struct redis_log *log)
{
	return log->is_broken;
}

bool redis_log_is_given_up(const struct redis_log *log)
{
	return redis_log_health(log) == REDIS_AWAY && log->error[0] && !log->is_broken;
}

const char *redis_log_error(const struct redis_log *log)
{
	return log->error;
}

uint64_t redis_log_appended(const struct redis_log *log)
{
	return log->appended;
}

uint64_t redis_log_arrived(const struct redis_log *log)
{
	return log->arrived;
}

void redis_log_stats_get(const struct redis_log *log, struct redis_log_stats *out)
{
	*out = log->stats;
	out->epoch = log->epoch;
	out->waiting_bytes = log->backlog_bytes + log->filling.len;
	out->oldest_us = log->is_fenced ? 0 : oldest_us(log);
	out->log_bytes = log->log_bytes;
}

void redis_log_check(const struct redis_log *log)
{
	size_t bytes = 0, flight_bytes = 0, flight_blocks = 0;
	bool in_flight = true;
	uint64_t seq = log->arrived_seq;
	struct redis_block *const *end = &log->first;

	for (const struct redis_block *block = log->first; block; block = block->next) {
		assert(block->seq > seq && block->seq < log->next_seq);
		seq = block->seq;
		in_flight &= block != log->unsent;
		bytes += block->command.len;
		if (in_flight) {
			flight_blocks++;
			flight_bytes += block->command.len;
		}
		end = &block->next;
	}
	assert(end == (struct redis_block *const *)log->end);
	assert(bytes == log->backlog_bytes && flight_blocks == log->flight_blocks &&
	       flight_bytes == log->flight_bytes);
	assert(flight_blocks <= 1 || flight_bytes <= REDIS_FLIGHT_BYTES_MAX);
	assert(flight_blocks <= REDIS_FLIGHT_BLOCKS_MAX);
	assert(bytes <= REDIS_BACKLOG_BYTES_MAX);
	assert(log->arrived <= log->appended);
	assert(!log->checkpoint.epoch || log->checkpoint.epoch == log->epoch);
}
