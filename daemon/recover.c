/*
 * After a start: what the storage remembers goes back into the engine and the action side.
 *
 * From one source, for a state is whole or it is none: the journal, or the log in Redis, whichever
 * is newer. A block goes to Redis only when the journal has it, and a record that says so
 * (RECORD_PLACE). So if the journal's newest place is not before the end of the state in Redis, it
 * has all of it and maybe more. Otherwise the journal is of another life, or damaged, or gone.
 * docs/decisions/0008-the-log-in-redis.md.
 */
#include "daemon/threads.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

/* A Redis that is being started, or reads its data, is waited for. */
#define REDIS_WAIT_MS 15000
#define REDIS_PAUSE_MS 200

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
	struct daemon *daemon = ctx;

	recorder_restore(daemon->engine.recorder, type, payload);
	engine_restore(daemon->engine.engine, type, payload);
	actions_restore(daemon->action.actions, type, payload);
}

/* ---- the journal ---- */

/* What was read, and what of it could not be. */
static void tell_journal(const struct journal_replay_stats *stats, int64_t took_us)
{
	if (stats->records || stats->torn_bytes || stats->skipped)
		log_info("store", "journal replayed",
			 "records=%llu bytes=%llu torn_bytes=%llu skipped=%llu took_ms=%lld",
			 (unsigned long long)stats->records, (unsigned long long)stats->bytes,
			 (unsigned long long)stats->torn_bytes, (unsigned long long)stats->skipped,
			 (long long)took_us / 1000);
	if (stats->skipped)
		log_error("store", "the journal is damaged: what follows in its segment is lost",
			  "file=%s offset=%llu bytes_lost=%llu",
			  log_quote(slice_from(stats->damaged)),
			  (unsigned long long)stats->damaged_at,
			  (unsigned long long)stats->skipped);
	if (stats->missing)
		log_error("store", "segments of the journal are missing: what they held is lost",
			  "gaps=%llu", (unsigned long long)stats->missing);
}

static int from_journal(struct daemon *daemon, char **why)
{
	struct journal_replay_stats stats;
	int64_t begun_us = clock_monotonic_us();
	int code = journal_replay(daemon->store.journal, on_record, daemon, &stats, why);

	if (code)
		return code;
	tell_journal(&stats, clock_monotonic_us() - begun_us);
	return instance_init(daemon, &stats, why);
}

/* What the journal is worth, without taking anything from it. */
struct survey {
	struct redis_place place;
	struct journal_replay_stats stats;
	bool is_damaged;
};

static void on_surveyed(void *ctx, enum record_type type, struct slice payload)
{
	struct survey *survey = ctx;
	struct redis_place place;

	if (type == RECORD_PLACE && place_record_decode(payload, &place.epoch, &place.seq) == 0)
		survey->place = place;
}

static int survey_journal(struct daemon *daemon, struct survey *survey, char **why)
{
	*survey = (struct survey){ 0 };
	if (!daemon->store.journal)
		return 0;
	int code = journal_replay(daemon->store.journal, on_surveyed, survey, &survey->stats, why);

	survey->is_damaged = survey->stats.skipped || survey->stats.missing;
	return code;
}

/* ---- Redis ---- */

/* needed: there is no other state, and to begin without any would be to forget what may be there.
 */
static int take_redis(struct daemon *daemon, bool needed, struct redis_place *state, char **why)
{
	int64_t until_us = clock_monotonic_us() + REDIS_WAIT_MS * 1000ll;
	bool told = false;

	for (;;) {
		int code = redis_log_take(daemon->store.redis, state, why);
		bool passes = code == ERR_AGAIN || (code == ERR_IO && needed);

		if (!passes || clock_monotonic_us() > until_us)
			return code;
		if (!told)
			log_info("store", "waiting for Redis", "error=%s",
				 log_quote(slice_from(*why)));
		told = true;
		free(*why);
		*why = NULL;
		usleep(REDIS_PAUSE_MS * 1000);
	}
}

static int from_redis(struct daemon *daemon, char **why)
{
	struct redis_replay_stats stats;
	int64_t begun_us = clock_monotonic_us();
	int code = redis_log_replay(daemon->store.redis, on_record, daemon, &stats, why);

	if (code)
		return code;
	log_info("store", "state read from Redis",
		 "records=%llu bytes=%llu blocks=%llu took_ms=%lld",
		 (unsigned long long)stats.records, (unsigned long long)stats.bytes,
		 (unsigned long long)stats.blocks,
		 (long long)(clock_monotonic_us() - begun_us) / 1000);
	if (stats.skipped)
		log_error("store",
			  "the log in Redis is damaged: what it held from there on is lost", NULL);
	/* Ids may have been given out that never came to Redis: others are begun. */
	return instance_init(
		daemon, daemon->store.journal ? &(struct journal_replay_stats){ 0 } : NULL, why);
}

/* ---- which ---- */

static int recover_either(struct daemon *daemon, char **why)
{
	struct store_thread *store = &daemon->store;
	struct redis_place state = { 0 };
	struct survey survey;
	int code = survey_journal(daemon, &survey, why);

	if (code)
		return code;
	bool has_journal = survey.stats.records > 0;

	code = take_redis(daemon, !has_journal, &state, why);
	if (code == ERR_NOMEM || code == ERR_UNSUPPORTED || code == ERR_CORRUPT ||
	    (code && !has_journal))
		return code;
	if (code) {
		log_error("store", "Redis is left out for now: going on from data_dir", "error=%s",
			  log_quote(slice_from(*why)));
		free(*why);
		*why = NULL;
		state.epoch = 0;
	}
	bool redis_wins = state.epoch && (!has_journal || survey.is_damaged ||
					  redis_place_compare(survey.place, state) < 0);

	if (redis_wins && has_journal)
		log_warn(
			"store",
			survey.is_damaged ? "data_dir is damaged: its journal is not used"
					  : "Redis is newer than data_dir: its journal is not used",
			"journal=%llu-%llu redis=%llu-%llu", (unsigned long long)survey.place.epoch,
			(unsigned long long)survey.place.seq, (unsigned long long)state.epoch,
			(unsigned long long)state.seq);
	store->journal_is_whole = !redis_wins;
	code = redis_wins	? from_redis(daemon, why)
	       : store->journal ? from_journal(daemon, why)
				: instance_init(daemon, NULL, why);
	redis_log_adopt(store->redis, redis_wins, survey.place.epoch);
	return code;
}

int recover(struct daemon *daemon, char **why)
{
	if (daemon->store.redis)
		return recover_either(daemon, why);
	return daemon->store.journal ? from_journal(daemon, why) : instance_init(daemon, NULL, why);
}
