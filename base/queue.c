#include "base/queue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct queue_item *first, **last; /* last: where the next one is hung */
	size_t items, bytes;
	size_t items_max, bytes_max;
	uint64_t refused;
	_Atomic int event_fd; /* -1 until asked for */
};

struct queue *queue_new(size_t items_max, size_t bytes_max)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	pthread_condattr_t attr;

	if (!queue)
		return NULL;
	queue->last = &queue->first;
	queue->items_max = items_max;
	queue->bytes_max = bytes_max;
	queue->event_fd = -1;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->filled, &attr);
	pthread_condattr_destroy(&attr);
	return queue;
}

void queue_free(struct queue *queue)
{
	if (!queue)
		return;
	assert(!queue->first);
	if (queue->event_fd >= 0)
		close(queue->event_fd);
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

/* A full counter of an eventfd is still readable: EAGAIN needs no care. */
static void event_set(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void event_clear(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static bool has_room(const struct queue *queue, size_t cost)
{
	return queue->items < queue->items_max && cost <= queue->bytes_max &&
	       queue->bytes <= queue->bytes_max - cost;
}

void queue_bytes_max_set(struct queue *queue, size_t bytes_max)
{
	pthread_mutex_lock(&queue->lock);
	queue->bytes_max = bytes_max;
	pthread_mutex_unlock(&queue->lock);
}

/*
 * Tells the consumer, after the lock is given back: else it wakes up only to wait for that. So an
 * eventfd may be set once more after its items were taken; then it is cleared with none.
 */
static void wake(struct queue *queue)
{
	int fd = queue->event_fd;

	if (fd >= 0)
		event_set(fd);
	pthread_cond_signal(&queue->filled);
}

static void append(struct queue *queue, struct queue_item *item)
{
	item->next = NULL;
	*queue->last = item;
	queue->last = &item->next;
	queue->items++;
	queue->bytes += item->cost;
}

int queue_push(struct queue *queue, struct queue_item *item, bool force)
{
	pthread_mutex_lock(&queue->lock);
	if (!force && !has_room(queue, item->cost)) {
		queue->refused++;
		pthread_mutex_unlock(&queue->lock);
		return ERR_FULL;
	}
	bool was_empty = !queue->first;

	append(queue, item);
	pthread_mutex_unlock(&queue->lock);
	if (was_empty)
		wake(queue);
	return 0;
}

void queue_push_all(struct queue *queue, struct queue_item *list)
{
	if (!list)
		return;
	pthread_mutex_lock(&queue->lock);
	bool was_empty = !queue->first;

	for (struct queue_item *next; list; list = next) {
		next = list->next;
		append(queue, list);
	}
	pthread_mutex_unlock(&queue->lock);
	if (was_empty)
		wake(queue);
}

/* The eventfd is cleared first: whatever comes after that sets it again, or is taken here. */
struct queue_item *queue_take_all(struct queue *queue)
{
	int fd = queue->event_fd;

	if (fd >= 0)
		event_clear(fd);
	pthread_mutex_lock(&queue->lock);
	struct queue_item *list = queue->first;

	queue->first = NULL;
	queue->last = &queue->first;
	queue->items = queue->bytes = 0;
	pthread_mutex_unlock(&queue->lock);
	return list;
}

static struct timespec deadline_after(int64_t timeout_us)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += timeout_us / 1000000;
	at.tv_nsec += timeout_us % 1000000 * 1000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

bool queue_wait(struct queue *queue, int64_t timeout_us)
{
	struct timespec at = { 0 };
	int err = 0;

	if (timeout_us > 0)
		at = deadline_after(timeout_us);
	pthread_mutex_lock(&queue->lock);
	while (!queue->first && timeout_us != 0 && err != ETIMEDOUT) {
		if (timeout_us < 0)
			pthread_cond_wait(&queue->filled, &queue->lock);
		else
			err = pthread_cond_timedwait(&queue->filled, &queue->lock, &at);
	}
	bool filled = queue->first != NULL;

	pthread_mutex_unlock(&queue->lock);
	return filled;
}

int queue_fd(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	if (queue->event_fd < 0) {
		queue->event_fd = eventfd(queue->first != NULL, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	int fd = queue->event_fd;

	pthread_mutex_unlock(&queue->lock);
	return fd >= 0 ? fd : ERR_IO;
}

/* The lock is what a reader of the figures changes too; to the caller they are constant. */
static pthread_mutex_t *lock_of(const struct queue *queue)
{
	return (pthread_mutex_t *)&queue->lock;
}

size_t queue_items(const struct queue *queue)
{
	pthread_mutex_lock(lock_of(queue));
	size_t items = queue->items;

	pthread_mutex_unlock(lock_of(queue));
	return items;
}

size_t queue_bytes(const struct queue *queue)
{
	pthread_mutex_lock(lock_of(queue));
	size_t bytes = queue->bytes;

	pthread_mutex_unlock(lock_of(queue));
	return bytes;
}

uint64_t queue_refused(const struct queue *queue)
{
	pthread_mutex_lock(lock_of(queue));
	uint64_t refused = queue->refused;

	pthread_mutex_unlock(lock_of(queue));
	return refused;
}

void queue_check(const struct queue *queue)
{
	size_t items = 0, bytes = 0;
	struct queue_item *const *hook = &queue->first;

	pthread_mutex_lock(lock_of(queue));
	for (; *hook; hook = &(*hook)->next) {
		items++;
		bytes += (*hook)->cost;
	}
	assert(hook == queue->last);
	assert(items == queue->items && bytes == queue->bytes);
	pthread_mutex_unlock(lock_of(queue));
}
