/*
 * Tocsin's own numbers enter the store: every 15 s the text of /metrics, made and read as a scrape
 * of ourselves would be, becomes a batch with job="tocsin" and instance="<listen address>".
 *
 * It goes the way of samples, but as the engine's own (struct batch): always kept, and by nobody
 * who could fall silent. One is under way at a time, so that both of its messages may pass a full
 * queue: that is when these numbers are wanted most.
 */
#include "daemon/threads.h"

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ingest/exposition.h"

/* Once, until it works again. */
static void complain(struct own_metrics *own, const char *why)
{
	if (!own->failed)
		log_warn("daemon", "own metrics are not stored", "error=%s",
			 log_quote(slice_from(why)));
	own->failed = true;
}

static void failed(struct own_metrics *own, const char *why)
{
	complain(own, why);
	own->busy = false;
}

static void on_timer(void *ctx)
{
	struct ingest_thread *thread = ctx;
	struct own_metrics *own = &thread->own;
	struct daemon *daemon = thread->daemon;

	loop_timer_set(own->timer, OWN_METRICS_INTERVAL_MS);
	if (own->busy || atomic_load(&daemon->draining))
		return;
	struct call *call = web_metrics_call(thread->web);

	if (!call) {
		complain(own, error_text(ERR_NOMEM));
		return;
	}
	call->now_ms = clock_wall_ms();
	call->thread = thread->number;
	call->item.kind = MSG_CALL;
	call->item.cost = sizeof(*call);
	own->busy = true;
	own->call = call;
	if (queue_push(daemon->engine.inbox, &call->item, true)) {
		call_free(call);
		failed(own, error_text(ERR_FULL));
	}
}

/* The text as a batch; NULL: told why not. */
static struct batch *batch_of(struct own_metrics *own, const struct call *call)
{
	const struct label extra[] = { { SLICE("job"), SLICE("tocsin") },
				       { SLICE("instance"), slice_from(own->instance) } };
	const struct exposition_options options = { .now_ms = call->now_ms,
						    .extra = extra,
						    .nextra = 2 };
	struct exposition_fault fault;
	struct batch *batch = batch_new();
	int code = !batch || !buf_ok(&call->out)
			   ? ERR_NOMEM
			   : exposition_read(buf_slice(&call->out), &options, batch, &fault);

	if (code == 0)
		return batch;
	batch_free(batch);
	failed(own, code == ERR_NOMEM ? error_text(code) : fault.why);
	return NULL;
}

static void on_done(void *ctx, struct batch *batch)
{
	struct ingest_thread *thread = ctx;
	struct own_metrics *own = &thread->own;

	own->busy = false;
	if (batch->outcome.limited)
		complain(own, "no room for their series");
	else
		own->failed = false;
	batch_free(batch);
}

bool own_metrics_call_done(struct ingest_thread *thread, struct call *call)
{
	struct own_metrics *own = &thread->own;

	if (call != own->call)
		return false;
	own->call = NULL;
	call->finish(call);
	struct batch *batch = batch_of(own, call);

	call_free(call);
	if (!batch)
		return true;
	batch->own = true;
	batch->done = on_done;
	batch->thread = thread->number;
	batch->arrived_us = clock_monotonic_us();
	batch->item.kind = MSG_BATCH;
	batch->item.cost = sizeof(*batch);
	if (queue_push(thread->daemon->engine.inbox, &batch->item, true)) {
		batch_free(batch);
		failed(own, error_text(ERR_FULL));
	}
	return true;
}

int own_metrics_init(struct ingest_thread *thread)
{
	struct own_metrics *own = &thread->own;
	const char *host = thread->daemon->config->listen_host;

	snprintf(own->instance, sizeof(own->instance), strchr(host, ':') ? "[%s]:%u" : "%s:%u",
		 host, http_server_port(thread->server));
	own->timer = loop_timer_new(thread->loop, on_timer, thread);
	if (!own->timer)
		return ERR_NOMEM;
	loop_timer_set(own->timer, 0);
	return 0;
}

void own_metrics_fini(struct ingest_thread *thread)
{
	if (thread->own.timer)
		loop_timer_free(thread->own.timer);
}
