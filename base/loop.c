#include "base/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

struct queue_watch {
	struct queue_watch *next;
	struct queue *queue;
	struct event *event;
	void (*fn)(void *ctx, struct queue_item *item);
	void *ctx;
};

struct signal_watch {
	struct signal_watch *next;
	struct event *event;
	void (*fn)(void *ctx, int signo);
	void *ctx;
};

struct loop {
	struct event_base *base;
	struct event *stop;
	int stop_fd; /* an eventfd, so that a stop before the run is not lost */
	struct queue_watch *queues;
	struct signal_watch *signals;
};

struct loop_timer {
	struct event *event;
	void (*fn)(void *ctx);
	void *ctx;
};

struct loop_fd {
	struct loop *loop;
	struct event *event;
	int fd;
	int what;
	void (*fn)(void *ctx, int what);
	void *ctx;
};

static void on_libevent_log(int severity, const char *message)
{
	enum log_level level = severity == EVENT_LOG_ERR    ? LOG_LEVEL_ERROR
			       : severity == EVENT_LOG_WARN ? LOG_LEVEL_WARN
							    : LOG_LEVEL_DEBUG;
	log_write(level, "loop", message, NULL);
}

/* libevent writes to sockets by writev(), which raises SIGPIPE when the peer is gone. */
static void init_process(void)
{
	struct sigaction current;
	if (sigaction(SIGPIPE, NULL, &current) == 0 && current.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(on_libevent_log);
}

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	struct loop *loop = ctx;
	uint64_t count;
	(void)what;
	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	event_base_loopbreak(loop->base);
}

/*
 * No locks, for a loop belongs to one thread; timers by the precise clock, for the coarse one of
 * the kernel is up to 4 ms behind and the promise from sample to webhook is 10.
 */
static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	if (!config)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

struct loop *loop_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct loop *loop = calloc(1, sizeof(*loop));
	pthread_once(&once, init_process);
	if (!loop)
		return NULL;
	loop->base = base_new();
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->base && loop->stop_fd >= 0)
		loop->stop =
			event_new(loop->base, loop->stop_fd, EV_READ | EV_PERSIST, on_stop, loop);
	if (!loop->stop || event_add(loop->stop, NULL) != 0) {
		loop_free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->queues) {
		struct queue_watch *watch = loop->queues;
		loop->queues = watch->next;
		event_free(watch->event);
		free(watch);
	}
	while (loop->signals) {
		struct signal_watch *watch = loop->signals;
		loop->signals = watch->next;
		event_free(watch->event);
		free(watch);
	}
	if (loop->stop)
		event_free(loop->stop);
	if (loop->stop_fd >= 0)
		close(loop->stop_fd);
	if (loop->base)
		event_base_free(loop->base);
	free(loop);
}

void loop_run(struct loop *loop)
{
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *loop)
{
	uint64_t one = 1;
	while (write(loop->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

struct event_base *loop_event_base(struct loop *loop)
{
	return loop->base;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct loop_timer *timer = ctx;
	(void)fd;
	(void)what;
	timer->fn(timer->ctx); /* may free the timer */
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *ctx), void *ctx)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));
	if (!timer)
		return NULL;
	timer->fn = fn;
	timer->ctx = ctx;
	timer->event = evtimer_new(loop->base, on_timer, timer);
	if (!timer->event) {
		free(timer);
		return NULL;
	}
	return timer;
}

void loop_timer_set(struct loop_timer *timer, int64_t delay_ms)
{
	if (delay_ms < 0)
		delay_ms = 0;
	struct timeval delay = { delay_ms / 1000, delay_ms % 1000 * 1000 };
	event_add(timer->event, &delay);
}

void loop_timer_clear(struct loop_timer *timer)
{
	event_del(timer->event);
}

void loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	event_free(timer->event);
	free(timer);
}

static void on_fd(evutil_socket_t fd, short what, void *ctx)
{
	struct loop_fd *watch = ctx;
	(void)fd;
	watch->fn(watch->ctx,
		  (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0));
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, void (*fn)(void *ctx, int what), void *ctx)
{
	struct loop_fd *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	*watch = (struct loop_fd){ .loop = loop, .fd = fd, .fn = fn, .ctx = ctx };
	watch->event = event_new(loop->base, fd, EV_PERSIST, on_fd, watch);
	if (!watch->event) {
		free(watch);
		return NULL;
	}
	return watch;
}

void loop_fd_set(struct loop_fd *watch, int what)
{
	short events =
		(short)((what & LOOP_READ ? EV_READ : 0) | (what & LOOP_WRITE ? EV_WRITE : 0));
	if (what == watch->what)
		return;
	event_del(watch->event);
	watch->what = what;
	if (!what)
		return;
	event_assign(watch->event, watch->loop->base, watch->fd, events | EV_PERSIST, on_fd, watch);
	event_add(watch->event, NULL);
}

void loop_fd_free(struct loop_fd *watch)
{
	if (!watch)
		return;
	event_free(watch->event);
	free(watch);
}

static void on_queue(evutil_socket_t fd, short what, void *ctx)
{
	struct queue_watch *watch = ctx;
	(void)fd;
	(void)what;
	struct queue_item *item = queue_take_all(watch->queue);
	while (item) {
		struct queue_item *next = item->next; /* fn owns the item */
		watch->fn(watch->ctx, item);
		item = next;
	}
}

int loop_queue_add(struct loop *loop, struct queue *queue,
		   void (*fn)(void *ctx, struct queue_item *item), void *ctx)
{
	int fd = queue_fd(queue);
	if (fd < 0)
		return ERR_IO;
	struct queue_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return ERR_NOMEM;
	*watch = (struct queue_watch){ loop->queues, queue, NULL, fn, ctx };
	watch->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_queue, watch);
	if (!watch->event || event_add(watch->event, NULL) != 0) {
		if (watch->event)
			event_free(watch->event);
		free(watch);
		return ERR_NOMEM;
	}
	loop->queues = watch;
	return 0;
}

static void on_signal(evutil_socket_t signo, short what, void *ctx)
{
	struct signal_watch *watch = ctx;
	(void)what;
	watch->fn(watch->ctx, (int)signo);
}

int loop_signal_add(struct loop *loop, int signo, void (*fn)(void *ctx, int signo), void *ctx)
{
	struct signal_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return ERR_NOMEM;
	*watch = (struct signal_watch){ loop->signals, NULL, fn, ctx };
	watch->event = evsignal_new(loop->base, signo, on_signal, watch);
	if (!watch->event || event_add(watch->event, NULL) != 0) {
		if (watch->event)
			event_free(watch->event);
		free(watch);
		return ERR_NOMEM;
	}
	loop->signals = watch;
	return 0;
}
