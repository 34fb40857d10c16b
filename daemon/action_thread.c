#include "daemon/threads.h"

#include <assert.h>
#include <stdlib.h>

#include "actions/runner.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

static void on_record(void *ctx, enum record_type type, struct slice payload, uint64_t token)
{
	struct action_thread *thread = ctx;

	store_thread_record(&thread->daemon->store, type, payload, token);
}

static int64_t on_now_ms(void *ctx)
{
	return clock_wall_ms();
}

static void on_sample(void *ctx, const struct labels *labels, int64_t ts_ms, uint64_t bits)
{
	struct action_thread *thread = ctx;

	if (!thread->samples)
		thread->samples = batch_new();
	if (!thread->samples || batch_sample_add(thread->samples, &thread->daemon->rw.key,
						 (struct labels *)labels, ts_ms, bits))
		log_error("action", "out of memory for the series of runs", NULL);
}

/* On ingest thread 0, to which batches come home. */
static void on_batch_done(void *ctx, struct batch *batch)
{
	batch_free(batch);
}

/* What one step wrote goes as one batch. It may pass a full queue: it is small, and seldom. */
static void push_samples(struct action_thread *thread)
{
	struct batch *batch = thread->samples;

	if (!batch)
		return;
	thread->samples = NULL;
	batch->own = true;
	batch->done = on_batch_done;
	batch->thread = 0;
	batch->arrived_us = clock_monotonic_us();
	batch->item.kind = MSG_BATCH;
	batch->item.cost = sizeof(*batch);
	if (queue_push(thread->daemon->engine.inbox, &batch->item, true))
		batch_free(batch);
}

/* Answered always, but while the daemon stops: then the run is taken up at the next start. */
static void on_ask(void *ctx, struct engine_query *query)
{
	struct action_thread *thread = ctx;

	query->thread = QUERY_OF_ACTIONS;
	query->item.kind = MSG_QUERY;
	query->item.cost = sizeof(*query);
	queue_push(thread->daemon->engine.inbox, &query->item, true);
}

/* Not at once: a storm of messages and answers is worked off first, then stepped once. */
static void on_wake(void *ctx)
{
	struct action_thread *thread = ctx;

	if (thread->is_woken)
		return;
	thread->is_woken = true;
	loop_timer_set(thread->timer, 0);
}

/* For what comes next, whatever the timer was set for. */
static void set_timer(struct action_thread *thread)
{
	thread->is_woken = false;
	int64_t next_ms = actions_next_ms(thread->actions);

	if (next_ms == TIME_NONE) {
		loop_timer_clear(thread->timer);
		return;
	}
	int64_t delay_ms = next_ms - clock_wall_ms();

	loop_timer_set(thread->timer, delay_ms < 0 ? 0 : delay_ms);
}

/* Does what is due. Nothing is for who has been fenced: another daemon acts. */
static void on_timer(void *ctx)
{
	struct action_thread *thread = ctx;

	if (atomic_load(&thread->daemon->store.fenced)) {
		thread->is_woken = false;
		return;
	}
	actions_step(thread->actions, clock_wall_ms());
	push_samples(thread);
	set_timer(thread);
}

static void configure(struct action_thread *thread, struct msg_load *msg)
{
	if (msg->config) {
		actions_configure(thread->actions, msg->config->actions);
		config_unref(msg->config);
	}
	if (msg->rules) {
		actions_rules(thread->actions, msg->rules);
		rule_set_unref(msg->rules);
	}
	free(msg);
}

static void on_message(void *ctx, struct queue_item *item)
{
	struct action_thread *thread = ctx;

	switch ((enum message_kind)item->kind) {
	case MSG_EVENT:
		actions_event(thread->actions, (struct alert_event *)item);
		break;
	case MSG_DURABLE:
		actions_durable(thread->actions, ((struct msg_token *)item)->token);
		free(item);
		break;
	case MSG_QUERY:
		actions_answer(thread->actions, (struct engine_query *)item);
		break;
	case MSG_CALL: {
		struct call *call = (struct call *)item;

		call->run(call, thread->actions);
		call_forward(thread->daemon, call);
		break;
	}
	case MSG_CONFIG:
		configure(thread, (struct msg_load *)item);
		break;
	case MSG_CHECKPOINT:
		actions_checkpoint(thread->actions);
		free(item);
		break;
	case MSG_STOP:
		free(item);
		loop_stop(thread->loop);
		return;
	default:
		assert(!"no such message for the action thread");
	}
	on_wake(thread);
}

int action_thread_init(struct action_thread *thread, struct daemon *daemon, char **why)
{
	thread->daemon = daemon;
	thread->loop = loop_new();
	thread->inbox = queue_new(SIZE_MAX, SIZE_MAX);
	if (!thread->loop || !thread->inbox)
		return ERR_NOMEM;
	thread->timer = loop_timer_new(thread->loop, on_timer, thread);
	thread->http = http_client_new(thread->loop);
	if (!thread->timer || !thread->http)
		return ERR_NOMEM;
	int code = runner_client_new(thread->loop, daemon->options->program,
				     daemon->config->data_dir, &thread->runner, why);

	if (code)
		return code;
	struct actions_options options = {
		.host = { .loop = thread->loop,
			  .http = thread->http,
			  .runner = thread->runner,
			  .version = PACKAGE_VERSION },
		.instance = daemon->instance,
	};
	struct actions_sink sink = { .ctx = thread,
				     .record = on_record,
				     .now_ms = on_now_ms,
				     .ask = on_ask,
				     .sample = on_sample,
				     .wake = on_wake };

	code = actions_new(&options, &sink, &thread->actions);
	if (code)
		return code;
	loop_timer_set(thread->timer, 0);
	return loop_queue_add(thread->loop, thread->inbox, on_message, thread);
}

void action_thread_fini(struct action_thread *thread)
{
	if (thread->actions)
		actions_free(thread->actions);
	batch_free(thread->samples);
	if (thread->runner)
		runner_client_free(thread->runner);
	if (thread->http)
		http_client_free(thread->http);
	if (thread->timer)
		loop_timer_free(thread->timer);
	if (thread->loop)
		loop_free(thread->loop);
	queue_discard(thread->inbox);
}
