#include "daemon/threads.h"

#include <assert.h>
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

static void *must(void *memory)
{
	if (!memory) {
		log_error("daemon", "out of memory", NULL);
		abort();
	}
	return memory;
}

void store_thread_record(struct store_thread *thread, enum record_type type, struct slice payload, uint64_t token)
{
	if (!thread->journal && token == 0)
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

void store_thread_gather(struct store_thread *thread, struct msg_records **records, enum record_type type, struct slice payload)
{
	uint32_t head[2] = { (uint32_t)type, (uint32_t)payload.len };
	size_t need = sizeof(head) + payload.len;

	if (!thread->journal)
		return;
	assert(payload.len <= BLOCK_PAYLOAD_MAX);
	if (*records && (*records)->cap - (*records)->len < need)
		store_thread_push(thread, records);
	if (!*records) {
		size_t cap = need > RECORDS_BYTES ? need : RECORDS_BYTES;

		*records = must(malloc(sizeof(**records) + cap));
		(*records)->len = 0;
		(*records)->cap = cap;
	}
	memcpy((*records)->bytes + (*records)->len, head, sizeof(head));
	if (payload.len)
		memcpy((*records)->bytes + (*records)->len + sizeof(head), payload.ptr, payload.len);
	(*records)->len += need;
}

void store_thread_event(struct store_thread *thread, struct alert_event *event)
{
	event->item = (struct queue_item){ .kind = MSG_EVENT, .cost = sizeof(*event) };
	queue_push(thread->inbox, &event->item, true);
}

/* What goes out once the records before it are durable. */
static void wait_for_commit(struct store_thread *thread, struct queue_item *item)
{
	item->next = NULL;
	*thread->waiting_end = item;
	thread->waiting_end = &item->next;
}

static void append(struct store_thread *thread, enum record_type type, struct slice payload)
{
	if (!thread->journal)
		return;
	int code = journal_append(thread->journal, type, payload);

	if (code == ERR_NOMEM)
		must(NULL); /* what follows would be told without it */
	if (code == ERR_LIMIT)
		log_error("store", "a record is too large and is not kept", "type=%s bytes=%zu",
			  log_quote(slice_from(record_type_text(type))), payload.len);
	if (type == RECORD_CHECKPOINT_PART && thread->checkpoint_parts > 0)
		thread->checkpoint_parts--;
	if (thread->appended_bytes == 0)
		thread->appended_us = clock_monotonic_us();
	thread->appended_bytes += BLOCK_HEADER_BYTES + payload.len;
}

static void take_record(struct store_thread *thread, struct msg_record *msg)
{
	append(thread, msg->type, (struct slice){ msg->bytes, msg->len });
	if (msg->token) {
		struct msg_token *answer = must(calloc(1, sizeof(*answer)));

		answer->item.kind = MSG_DURABLE;
		answer->token = msg->token;
		wait_for_commit(thread, &answer->item);
	}
	free(msg);
}

static void take_records(struct store_thread *thread, struct msg_records *msg)
{
	uint32_t head[2];

	for (size_t at = 0; at < msg->len; at += sizeof(head) + head[1]) {
		memcpy(head, msg->bytes + at, sizeof(head));
		append(thread, (enum record_type)head[0], (struct slice){ msg->bytes + at + sizeof(head), head[1] });
	}
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
		wait_for_commit(thread, item);
		return;
	case MSG_STOP:
		thread->stopping = true;
		free(item);
		return;
	default:
		assert(!"no such message for the store thread");
	}
}

/* The journal takes it in the end, or the daemon is told to stop meanwhile: then what is left is lost, but nobody was told of it. */
static bool write_journal(struct store_thread *thread)
{
	int tries = 0, stopping_tries = 0;

	while (thread->journal && journal_commit(thread->journal)) {
		atomic_fetch_add(&thread->commit_failures, 1);
		if (tries++ % COMMIT_TRIES_LOGGED == 0)
			log_error("store", "cannot write the journal, trying again: nothing is told and no script started before",
				  "error=%s retry_ms=%d", log_quote(slice_from(journal_error(thread->journal))), COMMIT_RETRY_MS);
		if (atomic_load(&thread->daemon->draining) && stopping_tries++ >= STOPPING_TRIES_MAX) {
			log_error("store", "stopping without the end of the journal", "bytes_lost=%zu error=%s",
				  journal_waiting(thread->journal), log_quote(slice_from(journal_error(thread->journal))));
			return false;
		}
		usleep(COMMIT_RETRY_MS * 1000);
	}
	if (tries)
		log_info("store", "the journal can be written again", "tries=%d", tries);
	thread->appended_bytes = 0;
	return true;
}

/*
 * Nothing that depends on what was appended goes out before the disk has it; the way in closes
 * meanwhile.
 */
static void commit(struct store_thread *thread)
{
	if (!write_journal(thread))
		return;
	while (thread->waiting) {
		struct queue_item *item = thread->waiting;

		thread->waiting = item->next;
		queue_push(thread->daemon->action.inbox, item, true);
	}
	thread->waiting_end = &thread->waiting;
}

/* How long the commit may wait, in microseconds: not at all when somebody waits for it, for ever when there is nothing to commit. */
static int64_t commit_wait_us(const struct store_thread *thread)
{
	if (thread->waiting || thread->stopping || thread->appended_bytes >= COMMIT_BYTES)
		return 0;
	if (thread->appended_bytes == 0)
		return -1;
	int64_t left_us = thread->appended_us + COMMIT_INTERVAL_MS * 1000 - clock_monotonic_us();

	return left_us > 0 ? left_us : 0;
}

static void checkpoint_step(struct store_thread *thread, bool *under_way)
{
	struct daemon *daemon = thread->daemon;

	if (*under_way && thread->checkpoint_parts == 0) {
		if (journal_checkpoint_end(thread->journal)) {
			log_error("store", "cannot finish a checkpoint, trying again", "error=%s",
				  log_quote(slice_from(journal_error(thread->journal))));
			return;
		}
		*under_way = false;
	}
	if (!*under_way && !thread->stopping && journal_wants_checkpoint(thread->journal)) {
		int code = journal_checkpoint_begin(thread->journal);

		if (code) {
			log_error("store", "cannot begin a checkpoint", "error=%s",
				  log_quote(slice_from(code == ERR_IO ? journal_error(thread->journal) : error_text(code))));
			return;
		}
		*under_way = true;
		thread->checkpoint_parts = CHECKPOINT_PARTS;
		queue_push_signal(daemon->engine.inbox, MSG_CHECKPOINT);
		queue_push_signal(daemon->action.inbox, MSG_CHECKPOINT);
	}
}

static void publish_stats(struct store_thread *thread)
{
	pthread_mutex_lock(&thread->stats_lock);
	journal_stats_get(thread->journal, &thread->stats);
	pthread_mutex_unlock(&thread->stats_lock);
}

static void *store_thread_main(void *arg)
{
	struct store_thread *thread = arg;
	bool checkpoint = false;

	pthread_setname_np(pthread_self(), "store");
	while (!thread->stopping || queue_items(thread->inbox)) {
		queue_wait(thread->inbox, commit_wait_us(thread));
		for (struct queue_item *item = queue_take_all(thread->inbox), *next; item; item = next) {
			next = item->next;
			take(thread, item);
		}
		if (commit_wait_us(thread) != 0)
			continue;
		commit(thread);
		if (thread->journal) {
			checkpoint_step(thread, &checkpoint);
			publish_stats(thread);
		}
	}
	commit(thread);
	return NULL;
}

int store_thread_init(struct store_thread *thread, struct daemon *daemon, char **why)
{
	const struct config *config = daemon->config;

	thread->daemon = daemon;
	thread->waiting_end = &thread->waiting;
	pthread_mutex_init(&thread->stats_lock, NULL);
	thread->inbox = queue_new(SIZE_MAX, SIZE_MAX);
	if (!thread->inbox)
		return ERR_NOMEM;
	if (!config->data_dir)
		return 0;
	return journal_open(config->data_dir, config->journal_sync, &thread->journal, why);
}

int store_thread_start(struct store_thread *thread)
{
	return pthread_create(&thread->thread, NULL, store_thread_main, thread) ? ERR_LIMIT : 0;
}

void store_thread_stop(struct store_thread *thread)
{
	queue_push_signal(thread->inbox, MSG_STOP);
	pthread_join(thread->thread, NULL);
}

void store_thread_fini(struct store_thread *thread)
{
	while (thread->waiting) {
		struct queue_item *item = thread->waiting;

		thread->waiting = item->next;
		message_free(item);
	}
	queue_discard(thread->inbox);
	if (thread->journal) {
		journal_commit(thread->journal);
		journal_close(thread->journal);
	}
	pthread_mutex_destroy(&thread->stats_lock);
}
