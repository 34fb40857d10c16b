/*
 * The peer thread: an event loop with an HTTP client, for the servers that we write to and those
 * that we ask for the past.
 *
 * Apart from the action thread, so that neither a storm of recorded series nor a slow receiver of
 * them delays a notification. What the engine writes comes in packs; should this thread ever be so
 * far behind that PEER_QUEUE_BYTES_MAX wait, further packs are dropped and counted: the engine
 * never waits.
 */
#include "daemon/threads.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

static void configure(struct peer_thread *thread, struct config *config)
{
	struct config *before = thread->config;

	if (remote_writes_configure(&thread->remotes, thread->loop, thread->http,
				    &config->remote_write))
		log_error("remote_write", "out of memory: some receivers are missing", NULL);
	const struct history_options history = { .servers = config->history.servers,
						 .n = config->history.n,
						 .relabel = config->remote_write_relabel };

	history_configure(thread->history, &history);
	thread->config = config_ref(config);
	config_unref(before);
}

static void on_wish(struct peer_thread *thread, struct msg_history *msg)
{
	int code = history_wish(thread->history, slice_from(msg->text), msg->from_ms);

	if (code)
		log_warn("history", "not asked for: its rules warm up by what comes in",
			 "selector=%s error=%s", log_quote(slice_from(msg->text)),
			 error_text(code));
	message_free(&msg->item);
}

static int host_push(void *ctx, struct batch *batch)
{
	struct peer_thread *thread = ctx;

	batch->arrived_us = clock_monotonic_us();
	batch->item.kind = MSG_BATCH;
	return queue_push(thread->daemon->engine.inbox, &batch->item, false);
}

static int64_t host_now_ms(void *ctx)
{
	return clock_wall_ms();
}

static void on_written(struct peer_thread *thread, struct msg_written *msg)
{
	remote_writes_add(&thread->remotes, msg->samples, msg->n);
	message_free(&msg->item);
}

static void on_end(void *ctx)
{
	struct peer_thread *thread = ctx;

	loop_stop(thread->loop);
}

static void stop(struct peer_thread *thread)
{
	loop_timer_set(thread->timer, DRAIN_MS_MAX);
	remote_writes_drain(&thread->remotes, on_end, thread);
}

static void on_message(void *ctx, struct queue_item *item)
{
	struct peer_thread *thread = ctx;

	switch ((enum message_kind)item->kind) {
	case MSG_WRITTEN:
		on_written(thread, (struct msg_written *)item);
		return;
	case MSG_HISTORY:
		on_wish(thread, (struct msg_history *)item);
		return;
	case MSG_BATCH:
		history_done(thread->history, (struct batch *)item);
		return;
	case MSG_CONFIG:
		configure(thread, ((struct msg_load *)item)->config);
		message_free(item);
		return;
	case MSG_STOP:
		free(item);
		stop(thread);
		return;
	default:
		assert(!"no such message for the peer thread");
	}
}

int peer_thread_init(struct peer_thread *thread, struct daemon *daemon)
{
	thread->daemon = daemon;
	remote_writes_init(&thread->remotes);
	thread->loop = loop_new();
	thread->inbox = queue_new(SIZE_MAX, PEER_QUEUE_BYTES_MAX);
	if (!thread->loop || !thread->inbox)
		return ERR_NOMEM;
	thread->timer = loop_timer_new(thread->loop, on_end, thread);
	thread->http = http_client_new(thread->loop);
	if (!thread->timer || !thread->http)
		return ERR_NOMEM;
	const struct history_host host = { thread, host_push, host_now_ms };

	thread->history = history_new(thread->loop, thread->http, &daemon->rw.key, &host,
				      &thread->history_counters);
	if (!thread->history)
		return ERR_NOMEM;
	configure(thread, daemon->config);
	return loop_queue_add(thread->loop, thread->inbox, on_message, thread);
}

void peer_thread_fini(struct peer_thread *thread)
{
	remote_writes_fini(&thread->remotes);
	history_free(thread->history);
	if (thread->http)
		http_client_free(thread->http);
	if (thread->timer)
		loop_timer_free(thread->timer);
	if (thread->loop)
		loop_free(thread->loop);
	queue_discard(thread->inbox);
	config_unref(thread->config);
}
