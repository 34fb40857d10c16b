#include "daemon/threads.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

/* Both owners write their part of a checkpoint. */
#define CHECKPOINT_PARTS 2
#define COMMIT_TRIES_LOGGED 10 /* one in so many */
#define STOPPING_TRIES_MAX 3

/* Is there anywhere to write to? */
static bool store_keeps(const struct store_thread *thread)
{
	return thread->journal || thread->redis;
}

static void *must(void *memory)
{
	if (!memory) {
		log_error("daemon", "out of memory", NULL);
		abort();
	}
	return memory;
}

void store_thread_record(struct store_thread *thread, enum record_type type, struct slice payload,
			 uint64_t token)
{
	if (!store_keeps(thread) && token == 0)
		return;
	struct msg_record *msg = must(malloc(sizeof(*msg) + payload.len));

	msg->item = (struct queue_item){ .kind = MSG_RECORD, .cost = sizeof(*msg) + payload.len };
	msg->type = type;
	msg->token = token;
	msg->len = payload.len;
	if (payload.len)
		memcpy(msg->bytes, payload.ptr, payload.len);
	queue_push(thread->inbox, &msg->item, true);
}

void store_thread_push(struct store_thread *thread, struct msg_records **records)
{
	if (!*records)
		return;
	(*records)->item = (struct queue_item){ .kind = MSG_RECORDS, .cost = (*records)->len };
	queue_push(thread->inbox, &(*records)->item, true);
	*records = NULL;
}

void store_thread_flush(struct store_thread *thread, struct msg_records **records)
{
	if (*records)
		(*records)->flushed = true;
	store_thread_push(thread, records);
}

void store_thread_gather(struct store_thread *thread, struct msg_records **records,
			 enum record_type type, struct slice payload)
{
	uint32_t head[2] = { (uint32_t)type, (uint32_t)payload.len };
	size_t need = sizeof(head) + payload.len;

	if (!store_keeps(thread))
		return;
	assert(payload.len <= BLOCK_PAYLOAD_MAX);
	if (*records && (*records)->cap - (*records)->len < need)
		store_thread_push(thread, records);
	if (!*records) {
		size_t cap = need > RECORDS_BYTES ? need : RECORDS_BYTES;

		*records = must(malloc(sizeof(**records) + cap));
		(*records)->flushed = false;
		(*records)->len = 0;
		(*records)->cap = cap;
	}
	memcpy((*records)->bytes + (*records)->len, head, sizeof(head));
	if (payload.len)
		memcpy((*records)->bytes + (*records)->len + sizeof(head), payload.ptr,
		       payload.len);
	(*records)->len += need;
}

void store_thread_batch(struct store_thread *thread, struct batch *batch)
{
	atomic_fetch_add(&thread->waiting_bytes, batch->item.cost);
	queue_push(thread->inbox, &batch->item, true);
}

/*
 * What follows from an event on the action thread is a record behind the event's own in one
 * journal, and goes out when that is durable: so the event need not wait for its own sync first.
 * Redis may be given up for one of them and have the other: there it waits.
 */
void store_thread_events(struct store_thread *thread, struct queue_item *events)
{
	queue_push_all(thread->redis ? thread->inbox : thread->daemon->action.inbox, events);
}

/* ---- taking messages ---- */

static void append(struct store_thread *thread, enum record_type type, struct slice payload)
{
	int64_t now_us = clock_monotonic_us();
	int code = 0;

	if (!store_keeps(thread))
		return;
	if (thread->journal)
		code = journal_append(thread->journal, type, payload);
	if (code == ERR_NOMEM)
		must(NULL); /* what follows would be told without it */
	if (code == ERR_LIMIT)
		log_error("store", "a record is too large and is not kept", "type=%s bytes=%zu",
			  log_quote(slice_from(record_type_text(type))), payload.len);
	else if (thread->redis)
		redis_log_append(thread->redis, type, payload, now_us); /* or it falls behind */
	if (type == RECORD_CHECKPOINT_PART && thread->checkpoint_parts > 0)
		thread->checkpoint_parts--;
	if (thread->appended_bytes == 0)
		thread->appended_us = now_us;
	thread->appended_bytes += BLOCK_HEADER_BYTES + payload.len;
	thread->appended++;
}

static int64_t deadline_us(int64_t timeout_ms)
{
	return clock_monotonic_us() + timeout_ms * 1000;
}

static void wait_to_act(struct store_thread *thread, struct queue_item *item)
{
	store_wait(thread, &thread->events, item, deadline_us(thread->commit_timeout_ms));
}

static void take_record(struct store_thread *thread, struct msg_record *msg)
{
	append(thread, msg->type, (struct slice){ msg->bytes, msg->len });
	if (msg->token) {
		struct msg_token *answer = must(calloc(1, sizeof(*answer)));

		answer->item.kind = MSG_DURABLE;
		answer->token = msg->token;
		wait_to_act(thread, &answer->item);
	}
	free(msg);
}

static void take_records(struct store_thread *thread, struct msg_records *msg)
{
	uint32_t head[2];

	for (size_t at = 0; at < msg->len; at += sizeof(head) + head[1]) {
		memcpy(head, msg->bytes + at, sizeof(head));
		append(thread, (enum record_type)head[0],
		       (struct slice){ msg->bytes + at + sizeof(head), head[1] });
	}
	thread->flushed = thread->flushed || msg->flushed;
	free(msg);
}

static void take(struct store_thread *thread, struct queue_item *item)
{
	switch ((enum message_kind)item->kind) {
	case MSG_RECORD:
		take_record(thread, (struct msg_record *)item);
		return;
	case MSG_RECORDS:
		take_records(thread, (struct msg_records *)item);
		return;
	case MSG_EVENT:
		wait_to_act(thread, item);
		return;
	case MSG_BATCH:
		store_wait(thread, &thread->batches, item, deadline_us(thread->confirm_timeout_ms));
		return;
	case MSG_SETTLE:
		thread->settling = true;
		free(item);
		return;
	case MSG_STOP:
		thread->stopping = true;
		thread->stop_us = deadline_us(STOPPING_MS);
		free(item);
		return;
	default:
		assert(!"no such message for the store thread");
	}
}

/* ---- commits ---- */

/*
 * The journal takes it in the end, or the daemon is told to stop meanwhile: then it is tried a few
 * times more, and once for whatever comes after. What is left is lost, but nobody was told of it.
 */
static bool write_journal(struct store_thread *thread)
{
	int tries = 0, stopping_tries = 0;

	if (thread->journal)
		journal_sync_set(thread->journal,
				 (enum journal_sync)atomic_load(&thread->journal_sync));
	while (thread->journal && journal_commit(thread->journal)) {
		atomic_fetch_add(&thread->commit_failures, 1);
		if (!thread->gave_up && tries++ % COMMIT_TRIES_LOGGED == 0)
			log_error("store",
				  "cannot write the journal, trying again: nothing is told and no "
				  "script started before",
				  "error=%s retry_ms=%d",
				  log_quote(slice_from(journal_error(thread->journal))),
				  COMMIT_RETRY_MS);
		if (thread->gave_up || (atomic_load(&thread->daemon->draining) &&
					stopping_tries++ >= STOPPING_TRIES_MAX)) {
			thread->gave_up = true;
			return false;
		}
		usleep(COMMIT_RETRY_MS * 1000);
	}
	if (tries)
		log_info("store", "the journal can be written again", "tries=%d", tries);
	thread->appended_bytes = 0;
	thread->flushed = false;
	thread->committed = thread->appended;
	return true;
}

/*
 * Up to which block the journal has everything that Redis may have: it stands in the journal before
 * that block leaves, so that after a restart the two can be compared (recover.c).
 */
static void note_place(struct store_thread *thread, struct redis_place place)
{
	struct buf payload;

	if (!thread->journal || !thread->journal_is_whole)
		return;
	buf_init(&payload);
	place_record_encode(place.epoch, place.seq, &payload);
	must(buf_ok(&payload) ? payload.ptr : NULL);
	if (journal_append(thread->journal, RECORD_PLACE, buf_slice(&payload)) == ERR_NOMEM)
		must(NULL);
	buf_fini(&payload);
}

/*
 * Nothing that depends on what was appended goes out before the disk has it, and not to Redis
 * either: what Redis has, the journal has, too. The way in closes meanwhile.
 */
static void commit(struct store_thread *thread)
{
	struct redis_place place;

	if (thread->redis && redis_log_seal(thread->redis, &place))
		note_place(thread, place);
	if (!write_journal(thread))
		return;
	if (thread->redis)
		redis_log_send(thread->redis, clock_monotonic_us());
}

static bool has_uncommitted(const struct store_thread *thread)
{
	return thread->appended_bytes > 0 || (thread->redis && redis_log_is_due(thread->redis));
}

static bool is_awaited(const struct store_thread *thread)
{
	return thread->events.first || thread->batches.first || thread->flushed ||
	       thread->settling || thread->stopping ||
	       (thread->checkpoint && thread->checkpoint_parts == 0) ||
	       (thread->redis && redis_log_is_due(thread->redis));
}

/*
 * When to commit, on the monotonic clock; INT64_MAX: there is nothing. At once when somebody waits
 * for it, or no more will come for a while; but where Redis is all there is, not while a block is in flight: what comes meanwhile
 * goes together in the next one. (With a journal its sync takes that part.)
 */
static int64_t commit_us(const struct store_thread *thread)
{
	if (!has_uncommitted(thread))
		return INT64_MAX;
	if (thread->appended_bytes >= COMMIT_BYTES)
		return 0;
	if (is_awaited(thread) &&
	    (thread->journal || !thread->redis || !redis_log_is_busy(thread->redis)))
		return 0;
	return thread->appended_us + COMMIT_INTERVAL_MS * 1000;
}

/* ---- checkpoints ---- */

static void checkpoint_end(struct store_thread *thread)
{
	struct journal *journal = thread->journal;

	/* The segments with the places noted before go with the end. */
	if (thread->redis)
		note_place(thread, redis_log_last(thread->redis));
	if (journal && journal_checkpoint_end(journal)) {
		log_error("store", "cannot finish a checkpoint, trying again", "error=%s",
			  log_quote(slice_from(journal_error(journal))));
		return;
	}
	if (thread->redis) {
		redis_log_checkpoint_end(thread->redis, clock_monotonic_us());
		if (!thread->journal_is_whole) {
			thread->journal_is_whole = true;
			note_place(thread, redis_log_last(thread->redis));
		}
	}
	thread->checkpoint = false;
}

static void checkpoint_begin(struct store_thread *thread)
{
	int code = thread->journal ? journal_checkpoint_begin(thread->journal) : 0;

	if (code) {
		log_error("store", "cannot begin a checkpoint", "error=%s",
			  log_quote(slice_from(code == ERR_IO ? journal_error(thread->journal)
							      : error_text(code))));
		return;
	}
	if (thread->redis)
		redis_log_checkpoint_begin(thread->redis, clock_monotonic_us());
	thread->checkpoint = true;
	thread->checkpoint_parts = CHECKPOINT_PARTS;
	queue_push_signal(thread->daemon->engine.inbox, MSG_CHECKPOINT);
	queue_push_signal(thread->daemon->action.inbox, MSG_CHECKPOINT);
}

static bool wants_checkpoint(const struct store_thread *thread)
{
	if (thread->journal &&
	    (!thread->journal_is_whole || journal_wants_checkpoint(thread->journal)))
		return true;
	return thread->redis && redis_log_wants_checkpoint(thread->redis);
}

/* A checkpoint goes to both, whichever wants it: both are shorter after. */
static void checkpoint_step(struct store_thread *thread)
{
	if (thread->checkpoint && thread->checkpoint_parts == 0)
		checkpoint_end(thread);
	if (!thread->checkpoint && !thread->stopping && wants_checkpoint(thread))
		checkpoint_begin(thread);
}

/* ---- what is said of Redis ---- */

static void tell_amiss(struct store_thread *thread)
{
	const char *error = redis_log_error(thread->redis);

	if (!error[0] || redis_log_is_broken(thread->redis) ||
	    (thread->redis_is_amiss && strcmp(error, thread->redis_error) == 0))
		return;
	if (!thread->redis_is_amiss)
		thread->amiss_us = clock_monotonic_us();
	thread->redis_is_amiss = true;
	snprintf(thread->redis_error, sizeof(thread->redis_error), "%s", error);
	log_warn("store", "Redis does not take what is written: going on without it", "error=%s",
		 log_quote(slice_from(error)));
}

static void tell_current(struct store_thread *thread)
{
	struct redis_log_stats stats;

	redis_log_stats_get(thread->redis, &stats);
	if (thread->redis_is_amiss)
		log_info("store", "Redis has everything again", "away_ms=%lld",
			 (long long)(clock_monotonic_us() - thread->amiss_us) / 1000);
	else if (!thread->redis_was_used)
		log_info("store", "Redis has everything", "epoch=%llu",
			 (unsigned long long)stats.epoch);
	thread->redis_was_used = true;
	thread->redis_is_amiss = false;
}

static void watch_redis(struct store_thread *thread)
{
	enum redis_health health = redis_log_health(thread->redis), before = thread->health;

	thread->health = health;
	if (health == REDIS_AWAY)
		tell_amiss(thread);
	else if (health == REDIS_CURRENT)
		tell_current(thread);
	else if (health == REDIS_FENCED && before != REDIS_FENCED) {
		log_error("store",
			  "another daemon has taken over this storage: nothing is written, told or "
			  "run here any more",
			  "error=%s", log_quote(slice_from(redis_log_error(thread->redis))));
		atomic_store(&thread->fenced, true);
	}
}

/* Not at once: it may be in the middle of something. */
static void on_redis(void *ctx)
{
	struct store_thread *thread = ctx;

	loop_timer_set(thread->timer, 0);
}

/* ---- the thread ---- */

static void publish_stats(struct store_thread *thread)
{
	pthread_mutex_lock(&thread->stats_lock);
	if (thread->journal)
		journal_stats_get(thread->journal, &thread->stats);
	if (thread->redis) {
		redis_log_stats_get(thread->redis, &thread->redis_stats);
		thread->redis_health = redis_log_health(thread->redis);
	}
	thread->cpu_us = clock_thread_cpu_us();
	pthread_mutex_unlock(&thread->stats_lock);
	atomic_store(&thread->is_full, thread->redis && redis_log_is_full(thread->redis));
}

static bool may_stop(const struct store_thread *thread)
{
	if (!thread->stopping || queue_items(thread->inbox))
		return false;
	if (!thread->redis || redis_log_health(thread->redis) == REDIS_AWAY ||
	    redis_log_health(thread->redis) == REDIS_FENCED || redis_log_is_idle(thread->redis))
		return true;
	return clock_monotonic_us() >= thread->stop_us;
}

static void set_timer(struct store_thread *thread)
{
	int64_t at_us = commit_us(thread), release_us = store_release_us(thread);

	if (release_us < at_us)
		at_us = release_us;
	if (thread->stopping && thread->stop_us < at_us)
		at_us = thread->stop_us;
	if (at_us == INT64_MAX) {
		loop_timer_clear(thread->timer);
		return;
	}
	int64_t wait_us = at_us - clock_monotonic_us();

	loop_timer_set(thread->timer, wait_us > 0 ? (wait_us + 999) / 1000 : 0);
}

static void step(struct store_thread *thread)
{
	checkpoint_step(thread);
	if (commit_us(thread) <= clock_monotonic_us())
		commit(thread);
	if (thread->redis)
		watch_redis(thread);
	store_release(thread, clock_monotonic_us());
	publish_stats(thread);
	if (thread->settling && !thread->batches.first) {
		thread->settling = false;
		sem_post(&thread->settled);
	}
	if (may_stop(thread))
		loop_stop(thread->loop);
	else
		set_timer(thread);
}

static void on_timer(void *ctx)
{
	step(ctx);
}

/* A storm of messages is taken first, then stepped once. */
static void on_message(void *ctx, struct queue_item *item)
{
	struct store_thread *thread = ctx;

	take(thread, item);
	if (is_awaited(thread))
		loop_timer_set(thread->timer, 0);
	else
		set_timer(thread);
}

static void *store_thread_main(void *arg)
{
	struct store_thread *thread = arg;
	const struct redis_log_sink sink = { .ctx = thread, .changed = on_redis };

	pthread_setname_np(pthread_self(), "store");
	if (thread->redis && redis_log_start(thread->redis, thread->loop, &sink))
		must(NULL);
	if (thread->journal && !thread->journal_is_whole)
		loop_timer_set(thread->timer, 0);
	loop_run(thread->loop);
	commit(thread);
	if (thread->journal && journal_waiting(thread->journal) > 0)
		log_error("store", "stopping without the end of the journal",
			  "bytes_lost=%zu error=%s", journal_waiting(thread->journal),
			  log_quote(slice_from(journal_error(thread->journal))));
	return NULL;
}

static int redis_init(struct store_thread *thread, const struct storage_config *config)
{
	struct redis_log_options options = { .endpoint = *config->redis,
					     .prefix = config->key_prefix,
					     .owner = thread->owner };
	char host[64] = "?";
	struct hash_key key;

	gethostname(host, sizeof(host) - 1);
	if (hash_key_init(&key))
		return ERR_IO;
	snprintf(thread->owner, sizeof(thread->owner), "%s pid %ld %08llx", host, (long)getpid(),
		 (unsigned long long)hash_checksum(key.secret, sizeof(key.secret)) & 0xffffffff);
	return redis_log_new(&options, &thread->redis);
}

void store_thread_configure(struct store_thread *thread, const struct storage_config *config)
{
	atomic_store(&thread->commit_timeout_ms, config->commit_timeout_ms);
	atomic_store(&thread->confirm_timeout_ms, config->confirm_timeout_ms);
	atomic_store(&thread->journal_sync, (int)config->journal_sync);
}

int store_thread_init(struct store_thread *thread, struct daemon *daemon, char **why)
{
	const struct config *config = daemon->config;

	thread->daemon = daemon;
	thread->config = config_ref(daemon->config);
	thread->health = thread->redis_health = REDIS_AWAY;
	thread->journal_is_whole = true;
	store_thread_configure(thread, &config->storage);
	waiting_init(&thread->events);
	waiting_init(&thread->batches);
	pthread_mutex_init(&thread->stats_lock, NULL);
	sem_init(&thread->settled, 0, 0);
	thread->inbox = queue_new(SIZE_MAX, SIZE_MAX);
	thread->loop = loop_new();
	if (!thread->inbox || !thread->loop)
		return ERR_NOMEM;
	thread->timer = loop_timer_new(thread->loop, on_timer, thread);
	if (!thread->timer)
		return ERR_NOMEM;
	int code = loop_queue_add(thread->loop, thread->inbox, on_message, thread);

	if (code == 0 && config->storage.redis)
		code = redis_init(thread, &config->storage);
	if (code || !config->data_dir)
		return code;
	return journal_open(config->data_dir, config->storage.journal_sync, &thread->journal, why);
}

int store_thread_start(struct store_thread *thread)
{
	return pthread_create(&thread->thread, NULL, store_thread_main, thread) ? ERR_LIMIT : 0;
}

void store_thread_settle(struct store_thread *thread)
{
	queue_push_signal(thread->inbox, MSG_SETTLE);
	while (sem_wait(&thread->settled) && errno == EINTR)
		;
}

void store_thread_stop(struct store_thread *thread)
{
	queue_push_signal(thread->inbox, MSG_STOP);
	pthread_join(thread->thread, NULL);
}

void store_thread_fini(struct store_thread *thread)
{
	waiting_discard(&thread->events);
	waiting_discard(&thread->batches);
	redis_log_free(thread->redis);
	config_unref(thread->config);
	if (thread->timer)
		loop_timer_free(thread->timer);
	loop_free(thread->loop);
	queue_discard(thread->inbox);
	if (thread->journal) {
		journal_commit(thread->journal);
		journal_close(thread->journal);
	}
	sem_destroy(&thread->settled);
	pthread_mutex_destroy(&thread->stats_lock);
}
