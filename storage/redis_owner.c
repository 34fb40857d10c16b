/*
 * The log in Redis: owning it. Each connection begins with a look: is the format one that we can
 * write, and is the log still ours? Then it is claimed, or resumed where it was left.
 */
#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "storage/redis_internal.h"

/* What may be in flight, the entry before it, and one that would be somebody else's. */
#define RESUME_ENTRIES (REDIS_FLIGHT_BLOCKS_MAX + 2)

static void tell(struct redis_log *log)
{
	log->sink.changed(log->sink.ctx);
}

/* ---- commands ---- */

int redis_ask(struct redis_log *log, enum redis_question question, size_t n,
	      const char *const *words)
{
	struct buf command;

	buf_init(&command);
	resp_array(&command, n);
	for (size_t i = 0; i < n; i++)
		resp_bulk(&command, slice_from(words[i]));
	int code = buf_ok(&command) ? redis_client_send(log->client, buf_slice(&command), question)
				    : ERR_NOMEM;

	buf_fini(&command);
	return code;
}
static void ask_or_fail(struct redis_log *log, int code)
{
	if (code)
		redis_client_fail(log->client, error_text(code));
}

/* ---- answers to blocks ---- */

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
	redis_block_arrived(log);
	redis_pump(log);
	tell(log);
}

/* ---- connecting: format, then claim or resume ---- */

static void fence(struct redis_log *log, const struct redis_entry *entry)
{
	char place[REDIS_PLACE_BYTES];

	redis_place_text(entry->place, place);
	log->is_fenced = true;
	snprintf(log->error, sizeof(log->error),
		 "the log has gone on without us, to %s%s" SLICE_FMT, place,
		 entry->owner.len ? ", by " : "", SLICE_ARG(entry->owner));
	redis_drop_blocks(log, &log->first);
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
	    redis_seal(log, false) == 0)
		log->released_seq = log->next_seq - 1;
	redis_pump(log);
	tell(log);
}

/* A claim of ours whose answer did not come. */
static bool is_own_claim(const struct redis_log *log, const struct redis_entry *last)
{
	return last->place.epoch == log->claiming && last->place.seq == 0 &&
	       slice_is(last->owner, log->options.owner);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void claim(struct redis_log *log, const struct redis_entry *last)
{
	char id[REDIS_PLACE_BYTES], format[32];

	if (last && last->place.epoch > log->epoch && !is_own_claim(log, last)) {
		fence(log, last);
		return;
	}
	log->stage = STAGE_CLAIM;
	log->claiming =
		greater(greater(last ? last->place.epoch : 0, log->epoch), log->deleted) + 1;
	redis_place_text((struct redis_place){ log->claiming, 0 }, id);
	snprintf(format, sizeof(format), REDIS_FORMAT_TEXT "%d", REDIS_FORMAT_VERSION);
	int code = ASK(log, ASKED_NOTHING, "SET", log->format_key, format);

	if (code == 0)
		code = ASK(log, ASKED_CLAIM, "XADD", log->log_key, id, "o", log->options.owner);
	ask_or_fail(log, code);
}

static void on_claimed(struct redis_log *log)
{
	redis_fall_behind(log, log->behind_us);
	redis_drop_blocks(log, &log->first);
	log->epoch = log->claiming;
	log->is_claimed = log->is_proven = true;
	log->next_seq = 1;
	log->arrived_seq = log->released_seq = 0;
	log->complete.epoch = 0;
	log->expire_us = 0;
	start_writing(log);
}

static void ask_last(struct redis_log *log)
{
	log->stage = STAGE_LAST;
	ask_or_fail(log, ASK(log, ASKED_LAST, "XREVRANGE", log->log_key, "+", "-", "COUNT", "1"));
}

/*
 * There is an entry above our claim, or was: Redis remembers the ids of those that were deleted by
 * hand. Asked once a connection.
 */
static void on_claim_refused(struct redis_log *log, const char *error)
{
	if (redis_is_id_refused(error) && !log->deleted)
		ask_or_fail(log, ASK(log, ASKED_NEWEST, "XINFO", "STREAM", log->log_key));
	else
		redis_client_fail(log->client, error);
}

/* Whoever has claimed it meanwhile is seen by looking again. */
static void on_newest(struct redis_log *log, const redisReply *reply)
{
	struct redis_place newest;

	if (redis_newest_read(reply, &newest)) {
		redis_client_fail(log->client, "the log takes no entry: " REDIS_DELETED_HINT);
		return;
	}
	log->deleted = newest.epoch;
	ask_last(log);
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
		redis_block_arrived(log);
	}
	if (reply->elements == 0)
		log->is_claimed = false;
	if (log->is_claimed) {
		start_writing(log);
		return;
	}
	ask_last(log);
}

static void on_format(struct redis_log *log, const redisReply *reply)
{
	char known[REDIS_PLACE_BYTES], count[16], why[REDIS_ERROR_BYTES];

	if (reply->type == REDIS_REPLY_STRING &&
	    redis_format_check(log, (struct slice){ reply->str, reply->len }, why)) {
		redis_client_fail(log->client, why);
		return;
	}
	if (!log->is_claimed) {
		ask_last(log);
		return;
	}
	log->stage = STAGE_RESUME;
	redis_place_text((struct redis_place){ log->epoch, log->arrived_seq }, known);
	snprintf(count, sizeof(count), "%d", RESUME_ENTRIES);
	ask_or_fail(log,
		    ASK(log, ASKED_RESUME, "XRANGE", log->log_key, known, "+", "COUNT", count));
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
	if (reply->type == REDIS_REPLY_ERROR && what == ASKED_CLAIM) {
		on_claim_refused(log, reply->str);
		return;
	}
	if (reply->type == REDIS_REPLY_ERROR && what != ASKED_NEWEST) {
		redis_client_fail(log->client, reply->str);
		return;
	}
	switch ((enum redis_question)what) {
	case ASKED_FORMAT:
		on_format(log, reply);
		return;
	case ASKED_LAST:
		on_last(log, reply);
		return;
	case ASKED_CLAIM:
		on_claimed(log);
		return;
	case ASKED_NEWEST:
		on_newest(log, reply);
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
	log->deleted = 0;
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
