/*
 * The event loop: libevent behind four things (timers, descriptors, signals, queues). One loop a
 * thread; all calls but loop_stop() are for the loop's own thread. A callback may free the timer or
 * watch it belongs to, and any other: the loop touches nothing of it after.
 */
#ifndef TOCSIN_BASE_LOOP_H
#define TOCSIN_BASE_LOOP_H

#include <stdint.h>

#include "base/queue.h"

struct loop;
struct loop_timer;
struct loop_fd;
struct event_base;

/*
 * The first one also has the process ignore SIGPIPE (a child that is started must set it back) and
 * sends libevent's own warnings to the log. NULL: out of memory or descriptors.
 */
struct loop *loop_new(void);
/* Timers, watches, servers and clients of the loop must be freed before. */
void loop_free(struct loop *loop);
/* Runs until loop_stop(); at once over if that came before. */
void loop_run(struct loop *loop);
/* From any thread. */
void loop_stop(struct loop *loop);
/* For libraries that want libevent itself (http_server.c, http_client.c): base/ only. */
struct event_base *loop_event_base(struct loop *loop);

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *ctx), void *ctx);
/* Fires once after delay_ms (0: next turn); replaces an earlier setting. */
void loop_timer_set(struct loop_timer *timer, int64_t delay_ms);
void loop_timer_clear(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

#define LOOP_READ 1
#define LOOP_WRITE 2
struct loop_fd *loop_fd_new(struct loop *loop, int fd, void (*fn)(void *ctx, int what), void *ctx);
/* what: LOOP_READ | LOOP_WRITE, 0 to pause. */
void loop_fd_set(struct loop_fd *watch, int what);
/* Does not close the descriptor. */
void loop_fd_free(struct loop_fd *watch);

/* Calls fn for each item of the queue, in the loop's thread, as they come. */
int loop_queue_add(struct loop *loop, struct queue *queue,
		   void (*fn)(void *ctx, struct queue_item *item), void *ctx);
int loop_signal_add(struct loop *loop, int signo, void (*fn)(void *ctx, int signo), void *ctx);

#endif
