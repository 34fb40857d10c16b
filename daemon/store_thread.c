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
/* Samples that nobody waits for are committed together. */
#define COMMIT_INTERVAL_US 100000

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

static void append(struct store_thread *thread, struct msg_record *msg)
{
	if (thread->journal) {
		int code = journal_append(thread->journal, msg->type, (struct slice){ msg->bytes, msg->len });

		if (code)
			log_error("store", "cannot take a record", "type=%s error=%s", record_type_text(msg->type),
				  log_quote(slice_from(error_text(code))));
		if (msg->type == RECORD_CHECKPOINT_PART && thread->checkpoint_parts > 0)
			thread->checkpoint_parts--;
	}
	if (msg->token) {
		struct msg_token *answer = must(calloc(1, sizeof(*answer)));

		answer->item.kind = MSG_DURABLE;
		answer->token = msg->token;
		wait_for_commit(thread, &answer->item);
	}
	free(msg);
}

static void take(struct store_thread *thread, struct queue_item *item)
{
	switch ((enum message_kind)item->kind) {
	case MSG_RECORD:
		append(thread, (struct msg_record *)item);
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

/* Until the disk takes it: nothing that depends on it goes out before, and the way in closes meanwhile. */
static void commit(struct store_thread *thread)
{
	int tries = 0;

	while (thread->journal) {
		int code = journal_commit(thread->journal);

		if (code == 0)
			break;
		atomic_fetch_add(&thread->commit_failures, 1);
		if (tries++ % 10 == 0)
			log_error("store", "cannot write the journal, trying again", "error=%s retry_ms=%d",
				  log_quote(slice_from(error_text(code))), COMMIT_RETRY_MS);
		if (thread->stopping && tries > 3)
			return;
		usleep(COMMIT_RETRY_MS * 1000);
	}
	while (thread->waiting) {
		struct queue_item *item = thread->waiting;

		thread->waiting = item->next;
		queue_push(thread->daemon->action.inbox, item, true);
	}
	thread->waiting_end = &thread->waiting;
}

static void checkpoint_step(struct store_thread *thread, bool *under_way)
{
	struct daemon *daemon = thread->daemon;

	if (*under_way && thread->checkpoint_parts == 0) {
		int code = journal_checkpoint_end(thread->journal);

		if (code)
			log_error("store", "cannot finish a checkpoint", "error=%s", log_quote(slice_from(error_text(code))));
		*under_way = false;
	}
	if (!*under_way && !thread->stopping && journal_wants_checkpoint(thread->journal)) {
		int code = journal_checkpoint_begin(thread->journal);

		if (code) {
			log_error("store", "cannot begin a checkpoint", "error=%s", log_quote(slice_from(error_text(code))));
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

/* Samples alone wait a little for company; whatever somebody waits for goes at once. */
static bool is_commit_due(const struct store_thread *thread, int64_t committed_us)
{
	return thread->waiting || thread->stopping ||
	       clock_monotonic_us() - committed_us >= COMMIT_INTERVAL_US;
}

static void *store_thread_main(void *arg)
{
	struct store_thread *thread = arg;
	int64_t committed_us = 0;
	bool checkpoint = false, uncommitted = false;

	while (!thread->stopping || queue_items(thread->inbox)) {
		queue_wait(thread->inbox, uncommitted ? COMMIT_INTERVAL_US : -1);
		for (struct queue_item *item = queue_take_all(thread->inbox), *next; item; item = next) {
			next = item->next;
			take(thread, item);
			uncommitted = true;
		}
		if (!is_commit_due(thread, committed_us))
			continue;
		commit(thread);
		uncommitted = false;
		committed_us = clock_monotonic_us();
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
