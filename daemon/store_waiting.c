/*
 * What waits for the storage: answers to the action thread, which must not act on what could be
 * forgotten, and with Redis events, too; and batches, whose senders are to be told that their
 * samples are kept.
 *
 * Both wait for the journal without end. For Redis, events wait until a deadline, unless it is
 * known to be away: then they go out, and are counted. Batches wait until theirs, whatever happens,
 * and go home unconfirmed. Who has been fenced lets no event out any more, and confirms nothing.
 */
#include "daemon/threads.h"

#include <stdlib.h>

#include "base/log.h"

struct waiter {
	struct waiter *next;
	struct queue_item *item;
	uint64_t appended, redis_appended; /* the records it waits for */
	int64_t deadline_us;
};

void waiting_init(struct waiting *waiting)
{
	*waiting = (struct waiting){ .end = &waiting->first };
}

static struct queue_item *take_first(struct waiting *waiting)
{
	struct waiter *waiter = waiting->first;
	struct queue_item *item = waiter->item;

	waiting->first = waiter->next;
	if (!waiting->first)
		waiting->end = &waiting->first;
	waiting->n--;
	free(waiter);
	return item;
}

void waiting_discard(struct waiting *waiting)
{
	while (waiting->first)
		message_free(take_first(waiting));
}

void store_wait(struct store_thread *thread, struct waiting *waiting, struct queue_item *item,
		int64_t deadline_us)
{
	struct waiter *waiter = malloc(sizeof(*waiter));

	if (!waiter) {
		log_error("daemon", "out of memory", NULL);
		abort();
	}
	*waiter = (struct waiter){
		.item = item,
		.appended = thread->appended,
		.redis_appended = thread->redis ? redis_log_appended(thread->redis) : 0,
		.deadline_us = deadline_us,
	};
	item->next = NULL;
	*waiting->end = waiter;
	waiting->end = &waiter->next;
	waiting->n++;
}

static bool has_journal(const struct store_thread *thread, const struct waiter *waiter)
{
	return waiter->appended <= thread->committed;
}

static bool has_redis(const struct store_thread *thread, const struct waiter *waiter)
{
	return !thread->redis || waiter->redis_appended <= redis_log_arrived(thread->redis);
}

static void release_events(struct store_thread *thread, int64_t now_us)
{
	struct waiting *events = &thread->events;
	enum redis_health health = thread->redis ? redis_log_health(thread->redis) : REDIS_CURRENT;

	if (health == REDIS_FENCED) {
		waiting_discard(events);
		return;
	}
	while (events->first && has_journal(thread, events->first)) {
		if (!has_redis(thread, events->first)) {
			if (!redis_log_is_given_up(thread->redis) &&
			    now_us < events->first->deadline_us)
				return;
			atomic_fetch_add(&thread->unreplicated, 1);
		}
		queue_push(thread->daemon->action.inbox, take_first(events), true);
	}
}

static void release_batches(struct store_thread *thread, int64_t now_us)
{
	struct waiting *batches = &thread->batches;
	bool is_fenced = thread->redis && redis_log_health(thread->redis) == REDIS_FENCED;

	while (batches->first) {
		bool is_kept = !is_fenced && has_journal(thread, batches->first) &&
			       has_redis(thread, batches->first);

		if (!is_kept && !is_fenced && now_us < batches->first->deadline_us)
			return;
		struct batch *batch = (struct batch *)take_first(batches);

		batch->outcome.unconfirmed = !is_kept;
		atomic_fetch_add(&thread->unconfirmed, !is_kept);
		atomic_fetch_sub(&thread->waiting_bytes, batch->item.cost);
		queue_push(thread->daemon->ingest[batch->thread].inbox, &batch->item, true);
	}
}

void store_release(struct store_thread *thread, int64_t now_us)
{
	release_events(thread, now_us);
	release_batches(thread, now_us);
}

int64_t store_release_us(const struct store_thread *thread)
{
	int64_t at_us = INT64_MAX;

	if (thread->batches.first)
		at_us = thread->batches.first->deadline_us;
	/* An event whose time for Redis is over waits for the journal. */
	if (thread->events.first && has_journal(thread, thread->events.first) &&
	    thread->events.first->deadline_us < at_us)
		at_us = thread->events.first->deadline_us;
	return at_us;
}
