/*
 * Bounded queue between threads: many producers, one consumer, in items and bytes.
 *
 * The only lock on the way of a sample. Items are intrusive: the first member of a message is its
 * struct queue_item. A full queue refuses (ERR_FULL); it never blocks a producer and never drops.
 */
#ifndef TOCSIN_BASE_QUEUE_H
#define TOCSIN_BASE_QUEUE_H

#include <stdint.h>

#include "base/slice.h"

struct queue_item {
	struct queue_item *next;
	size_t cost;   /* bytes it counts for */
	uint32_t kind; /* which message, for consumers of several kinds */
};

struct queue;

struct queue *queue_new(size_t items_max, size_t bytes_max);
/* The queue must be empty, and every push over. */
void queue_free(struct queue *queue);
/*
 * Takes the item, or ERR_FULL (the caller keeps it). With `force` the limit is passed: for
 * completions and shutdown. An item that costs more than bytes_max is always refused.
 */
int queue_push(struct queue *queue, struct queue_item *item, bool force);
/* A list, linked by `next`, in its order and by force: the consumer is woken once for all. */
void queue_push_all(struct queue *queue, struct queue_item *list);
/* Another limit from now on; what is in it stays. */
void queue_bytes_max_set(struct queue *queue, size_t bytes_max);
/* All items in order as a list, or NULL. */
struct queue_item *queue_take_all(struct queue *queue);
/* Waits until there is an item or timeout_us (< 0: for ever) has passed. True if there is one. */
bool queue_wait(struct queue *queue, int64_t timeout_us);
/*
 * An eventfd that is readable while there are items, for consumers with an event loop; reading it
 * is queue_take_all()'s work. Shortly after items were taken it may be readable once more. The
 * queue closes it. ERR_IO: there are no more descriptors.
 */
int queue_fd(struct queue *queue);
size_t queue_items(const struct queue *queue);
size_t queue_bytes(const struct queue *queue);
/* Times a push was refused. */
uint64_t queue_refused(const struct queue *queue);
/* Asserts the invariants, for tests. */
void queue_check(const struct queue *queue);

#endif
