#include "storage/redis_log.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "storage/redis_internal.h"

#define EXPIRE_INTERVAL_US (3600ll * 1000 * 1000)

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
void redis_drop_blocks(struct redis_log *log, struct redis_block **from)
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
	redis_drop_blocks(log, &log->first);
	redis_client_free(log->client);
	if (log->sync)
		redisFree(log->sync);
	buf_fini(&log->filling);
	free(log);
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
void redis_fall_behind(struct redis_log *log, int64_t since_us)
{
	struct redis_block **from = &log->first;
	uint64_t kept = log->block_appended;

	while (*from && *from != log->unsent) {
		kept = (*from)->appended;
		from = &(*from)->next;
	}
	if (is_open(log))
		log->stats.dropped += log->appended - kept;
	redis_drop_blocks(log, from);
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
int redis_seal(struct redis_log *log, bool ends_checkpoint)
{
	struct redis_block *block = calloc(1, sizeof(*block));

	if (!block) {
		redis_fall_behind(log, log->filling_us);
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
		redis_fall_behind(log, log->filling_us);
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
		redis_fall_behind(log, oldest_us(log));
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
		redis_fall_behind(log, now_us);
		return ERR_NOMEM;
	}
	return log->filling.len >= REDIS_BLOCK_BYTES ? redis_seal(log, false) : 0;
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
		redis_seal(log, false);
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
void redis_pump(struct redis_log *log)
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
	redis_pump(log);
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

void redis_block_arrived(struct redis_log *log)
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

/* ---- checkpoints ---- */

bool redis_log_wants_checkpoint(const struct redis_log *log)
{
	if (log->stage != STAGE_WRITING || log->is_fenced || !log->is_proven ||
	    log->checkpoint.epoch || log->now_us < log->resume_us)
		return false;
	return log->is_behind ||
	       (log->log_bytes > REDIS_LOG_BYTES_MAX && log->log_bytes > 2 * log->state_bytes);
}

bool redis_log_is_full(const struct redis_log *log)
{
	return log->stage == STAGE_WRITING && log->backlog_bytes > REDIS_CHECKPOINT_BYTES_MAX;
}

void redis_log_checkpoint_begin(struct redis_log *log, int64_t now_us)
{
	if (log->stage != STAGE_WRITING || log->is_fenced || log->checkpoint.epoch)
		return;
	if (log->filling.len && redis_seal(log, false))
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
		redis_seal(log, true);
	else
		redis_fall_behind(log, now_us);
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
