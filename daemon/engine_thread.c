#include "daemon/threads.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/memory.h"

#define SLICE_UNITS                                                                                \
	20000 /* of the engine's work: a fifth of a millisecond, two at the very worst */

/* ---- what the engine wants done ---- */

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
	struct engine_thread *thread = ctx;

	store_thread_gather(&thread->daemon->store, &thread->records, type, payload);
}

static void on_event(void *ctx, struct alert_event *event)
{
	struct engine_thread *thread = ctx;

	recorder_event(thread->recorder, event);
	event->item = (struct queue_item){ .kind = MSG_EVENT, .cost = sizeof(*event) };
	*thread->events_end = &event->item;
	thread->events_end = &event->item.next;
}

/* All that a piece of work told goes together, so that who takes it is woken once; and the records
 * before it, for what follows from an event is to stand behind the event's own. */
static void push_events(struct engine_thread *thread)
{
	struct queue_item *events = thread->events;

	if (!events)
		return;
	thread->events = NULL;
	thread->events_end = &thread->events;
	store_thread_push(&thread->daemon->store, &thread->records);
	store_thread_events(&thread->daemon->store, events);
}

/* With durability storage its answer waits for the storage, but for our own numbers, which are
 * wanted most when that does not work. */
static void on_batch(void *ctx, struct batch *batch)
{
	struct engine_thread *thread = ctx;

	if (batch->is_past) {
		queue_push(thread->daemon->peer.inbox, &batch->item, true);
		return;
	}
	if (atomic_load(&thread->daemon->confirms) && !batch->own) {
		batch->item.next = NULL;
		*thread->applied_end = &batch->item;
		thread->applied_end = &batch->item.next;
		return;
	}
	queue_push(thread->daemon->ingest[batch->thread].inbox, &batch->item, true);
}

/* The records of what was applied go first, all of them; then the batches. */
static void confirm_applied(struct engine_thread *thread)
{
	struct queue_item *item = thread->applied;

	if (!item)
		return;
	thread->applied = NULL;
	thread->applied_end = &thread->applied;
	engine_flush(thread->engine);
	store_thread_push(&thread->daemon->store, &thread->records);
	for (struct queue_item *next; item; item = next) {
		next = item->next;
		store_thread_batch(&thread->daemon->store, (struct batch *)item);
	}
}

static void on_query(void *ctx, struct engine_query *query)
{
	struct engine_thread *thread = ctx;
	struct daemon *daemon = thread->daemon;

	push_events(thread); /* who is answered has heard of what was before */
	queue_push(query->thread == QUERY_OF_ACTIONS ? daemon->action.inbox
						     : daemon->ingest[query->thread].inbox,
		   &query->item, true);
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
	struct engine_thread *thread = ctx;
	struct daemon *daemon = thread->daemon;

	daemon->loaded = true;
	push_events(thread); /* those of the rules before come first */
	if (!atomic_load(&daemon->ready))
		return; /* the first rules: the main thread waits for them itself */
	struct msg_load *msg = calloc(1, sizeof(*msg));

	assert(msg);
	msg->item.kind = MSG_LOADED;
	msg->rules = rule_set_ref(set);
	msg->code = code;
	queue_push(daemon->inbox, &msg->item, true);
}

/* To free many rules takes long: the main thread has time. */
static void on_released(void *ctx, struct rule_set *set)
{
	struct engine_thread *thread = ctx;
	struct msg_load *msg = calloc(1, sizeof(*msg));

	if (!msg) {
		rule_set_unref(set);
		return;
	}
	msg->item.kind = MSG_RELEASED;
	msg->rules = set;
	queue_push(thread->daemon->inbox, &msg->item, true);
}

static void on_sender(void *ctx, const struct sender *sender, const char *what)
{
	log_info("engine", what, "sender=%s series=%llu kept=%llu ignored=%llu",
		 log_quote(slice_from(sender->name)),
		 (unsigned long long)(sender->stored + sender->ignored),
		 (unsigned long long)sender->stored, (unsigned long long)sender->ignored);
}

static void on_different(void *ctx, const struct rule *rule, int64_t t_ms, struct slice what)
{
	log_error("engine", "the plain evaluator disagrees",
		  "rule=%s time_ms=%lld expr=%s result=%s", log_quote(rule->name), (long long)t_ms,
		  log_quote(slice_from(rule->query)), log_quote(what));
}

static void push_written(struct engine_thread *thread)
{
	struct msg_written *msg = thread->written;

	if (!msg)
		return;
	thread->written = NULL;
	if (queue_push(thread->daemon->peer.inbox, &msg->item, false)) {
		atomic_fetch_add(&thread->written_dropped, msg->n);
		message_free(&msg->item);
	}
}

static void on_written(void *ctx, struct labels *labels, int64_t ts_ms, uint64_t bits)
{
	struct engine_thread *thread = ctx;

	if (!thread->written && (thread->written = malloc(sizeof(*thread->written)))) {
		thread->written->item = (struct queue_item){ .cost = sizeof(*thread->written),
							     .kind = MSG_WRITTEN };
		thread->written->n = 0;
	}
	if (!thread->written) {
		atomic_fetch_add(&thread->written_dropped, 1);
		return;
	}
	thread->written->samples[thread->written->n++] =
		(struct rw_sample){ labels_ref(labels), ts_ms, bits };
	if (thread->written->n == WRITTEN_SAMPLES_MAX)
		push_written(thread);
}

static void on_history(void *ctx, const struct selector *selector, int64_t from_ms)
{
	struct engine_thread *thread = ctx;
	struct msg_history *msg = calloc(1, sizeof(*msg));

	if (!msg || !(msg->text = slice_dup(slice_from(selector->text)))) {
		log_error("engine", "out of memory: rules warm up without history", NULL);
		free(msg);
		return;
	}
	msg->item.kind = MSG_HISTORY;
	msg->from_ms = from_ms;
	queue_push(thread->daemon->peer.inbox, &msg->item, true);
}

/* ---- the loop ---- */

static struct engine_settings settings_of(const struct config *config)
{
	return (struct engine_settings){ .lookback_ms = config->lookback_ms,
					 .series_max = (size_t)config->series_max,
					 .ignored_max = (size_t)config->ignored_max,
					 .memory_max = (size_t)config->memory_max,
					 .retention_ms = config->retention_ms,
					 .sender_timeout_ms = config->sender_timeout_ms,
					 .resolve_on_silence = config->resolve_on_silence,
					 .start_times = config->start_times,
					 .query_samples_max = (uint64_t)config->query_samples_max,
					 .queries_at_once = config->query_concurrency };
}

static void take_query(struct engine_thread *thread, struct engine_query *query)
{
	if (engine_query(thread->engine, query)) {
		query->code = ERR_FULL;
		on_query(thread, query);
	}
}

/* Rules and settings to be put into force. */
static void take_load(struct engine_thread *thread, struct msg_load *msg)
{
	const struct config *config = msg->config;
	const struct engine_settings settings = settings_of(config);
	struct engine *engine = thread->engine;

	if (engine_settings_set(engine, &settings))
		log_error("engine", "out of memory: some settings stay as they were", NULL);
	if (engine_external_set(engine, config->external_labels, config->external_url.ptr))
		log_error("engine", "out of memory: rule labels see the old external labels", NULL);
	engine_written_set(engine, config->remote_write.n > 0);
	engine_history_set(engine, config->history.n > 0);
	recorder_rules(thread->recorder, config, msg->rules_hash);
	if (msg->forget_lines) {
		recorder_mark(thread->recorder, INPUT_FORGET);
		engine_lines_forget(engine);
	}
	engine_load(engine, msg->rules);
	message_free(&msg->item);
}

/* One message. What it costs counts as a piece of work. */
static void take(struct engine_thread *thread, struct queue_item *item)
{
	switch ((enum message_kind)item->kind) {
	case MSG_BATCH:
		recorder_batch(thread->recorder, (struct batch *)item);
		engine_batch(thread->engine, (struct batch *)item);
		return;
	case MSG_QUERY:
		take_query(thread, (struct engine_query *)item);
		return;
	case MSG_CALL: {
		struct call *call = (struct call *)item;

		call->run(call, thread->engine);
		push_events(thread); /* it may go on to the action thread */
		call_forward(thread->daemon, call);
		return;
	}
	case MSG_LOAD:
		take_load(thread, (struct msg_load *)item);
		return;
	case MSG_CHECKPOINT:
		engine_checkpoint(thread->engine);
		free(item);
		return;
	case MSG_STOP:
		thread->stopping = true;
		free(item);
		return;
	default:
		assert(!"no such message for the engine thread");
	}
}

/*
 * While rules are swapped nobody may look at them: calls wait, in their order, and batches go on. A
 * new rule set and all else may come, too: none of it looks.
 */
static void take_or_defer(struct engine_thread *thread, struct queue_item *item)
{
	if (item->kind == MSG_CALL && (thread->deferred || engine_is_swapping(thread->engine))) {
		*thread->deferred_end = item;
		thread->deferred_end = &item->next;
		return;
	}
	take(thread, item);
}

/* A piece of work without a look at the queue: by the wall, as others wait for it, and in CPU time,
 * as the engine is to answer for it. */
struct piece {
	int64_t begun_us, begun_cpu_us;
};

static struct piece piece_begin(void)
{
	return (struct piece){ clock_monotonic_us(), clock_thread_cpu_us() };
}

static void raise_to(_Atomic int64_t *most, int64_t us)
{
	if (us > atomic_load_explicit(most, memory_order_relaxed))
		atomic_store_explicit(most, us, memory_order_relaxed);
}

/* The next piece begins where this one ends. */
static int64_t piece_end(struct engine_thread *thread, struct piece *piece)
{
	struct piece next = piece_begin();
	int64_t took_us = next.begun_us - piece->begun_us;

	raise_to(&thread->longest_us, took_us);
	raise_to(&thread->longest_cpu_us, next.begun_cpu_us - piece->begun_cpu_us);
	atomic_fetch_add_explicit(&thread->busy_us, (uint64_t)took_us, memory_order_relaxed);
	*piece = next;
	return took_us;
}

/* Messages for at most a quantum; the rest stays for the next turn, and while the engine has too
 * much put aside: then the queue fills and senders are told to wait. */
static void drain(struct engine_thread *thread)
{
	struct piece piece = piece_begin();
	int64_t spent_us = 0;

	while (thread->deferred && !engine_is_swapping(thread->engine) && spent_us < QUANTUM_US) {
		struct queue_item *item = thread->deferred;

		thread->deferred = item->next;
		if (!thread->deferred)
			thread->deferred_end = &thread->deferred;
		item->next = NULL;
		take(thread, item);
		spent_us += piece_end(thread, &piece);
	}
	if (!thread->todo)
		thread->todo = queue_take_all(thread->inbox);
	while (thread->todo && !engine_is_full(thread->engine) && spent_us < QUANTUM_US) {
		struct queue_item *item = thread->todo;

		thread->todo = item->next;
		item->next = NULL;
		take_or_defer(thread, item);
		spent_us += piece_end(thread, &piece);
	}
}

/* A quantum of the engine's own work, in slices so small that none is far beyond it. */
static void work(struct engine_thread *thread)
{
	struct piece piece = piece_begin();

	do {
		thread->more = engine_step(thread->engine, SLICE_UNITS);
		recorder_step(thread->recorder);
	} while (thread->more && clock_monotonic_us() - piece.begun_us < QUANTUM_US);
	engine_spent(thread->engine, piece_end(thread, &piece) * 1000);
}

/* How long nothing needs to be done: until the next due time or flush. */
static int64_t idle_us(const struct engine_thread *thread, int64_t now_ms)
{
	if (thread->more || thread->todo || thread->deferred)
		return 0;
	int64_t until_ms = thread->flushed_ms + FLUSH_INTERVAL_MS,
		next_ms = engine_next_ms(thread->engine);

	if (next_ms != TIME_NONE && next_ms < until_ms)
		until_ms = next_ms;
	if (thread->held && now_ms + CHECKPOINT_PAUSE_MS < until_ms)
		until_ms = now_ms + CHECKPOINT_PAUSE_MS;
	return until_ms <= now_ms ? 0 : (until_ms - now_ms) * 1000;
}

/* A checkpoint is as large as the state: it waits where the storage does not keep up. */
static bool is_storage_full(const struct engine_thread *thread)
{
	struct store_thread *store = &thread->daemon->store;

	return atomic_load(&store->is_full) || queue_bytes(store->inbox) > CHECKPOINT_AHEAD_BYTES;
}

/* What rules wrote goes when they are through, so that it is one write, and the engine is not woken
 * for it; what comes from senders when it has gathered. */
static bool is_flush_due(const struct engine_thread *thread, int64_t now_ms, uint64_t iterations)
{
	int64_t since_ms = now_ms - thread->flushed_ms;

	return since_ms >= FLUSH_INTERVAL_MS || since_ms < 0 ||
	       (since_ms >= FLUSH_PAUSE_MS && !thread->more &&
		iterations != thread->flushed_iterations);
}

static void flush(struct engine_thread *thread, int64_t now_ms)
{
	struct engine_stats stats;

	engine_stats_get(thread->engine, &stats);
	if (!is_flush_due(thread, now_ms, stats.iterations))
		return;
	engine_flush(thread->engine);
	recorder_push(thread->recorder);
	store_thread_flush(&thread->daemon->store, &thread->records);
	thread->flushed_ms = now_ms;
	thread->flushed_iterations = stats.iterations;
	atomic_store(&thread->daemon->epoch, store_epoch(engine_store(thread->engine)));
}

static void *engine_thread_main(void *arg)
{
	struct engine_thread *thread = arg;

	pthread_setname_np(pthread_self(), "engine");
	memory_stands();
	while (!thread->stopping || thread->todo || thread->more) {
		int64_t now_ms = clock_wall_ms(), wait_us = idle_us(thread, now_ms);

		if (wait_us > 0) {
			store_thread_push(&thread->daemon->store, &thread->records);
			queue_wait(thread->inbox, wait_us);
		}
		now_ms = clock_wall_ms();
		recorder_time(thread->recorder, now_ms);
		engine_time(thread->engine, now_ms);
		drain(thread);
		push_events(thread);
		thread->held = engine_checkpoint_hold(thread->engine, is_storage_full(thread));
		work(thread);
		push_events(thread);
		push_written(thread);
		confirm_applied(thread);
		flush(thread, now_ms);
		if (thread->stopping && !thread->todo && !queue_items(thread->inbox))
			break;
	}
	confirm_applied(thread);
	push_written(thread);
	engine_flush(thread->engine);
	store_thread_push(&thread->daemon->store, &thread->records);
	return NULL;
}

static int recorder_make(struct engine_thread *thread, const struct daemon_options *given,
			 char **why)
{
	const struct recorder_options options = { .dir = given->record_dir,
						  .bytes_max = given->record_bytes,
						  .step_units = SLICE_UNITS,
						  .rechecked = given->verify_share > 0 };

	return given->record_dir ? recorder_new(&options, &thread->recorder, why) : 0;
}

static int engine_make(struct engine_thread *thread, const struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct engine_options options = {
		.store = { .lookback_ms = config->lookback_ms,
			   .series_max = (size_t)config->series_max,
			   .ignored_max = (size_t)config->ignored_max,
			   .memory_max = (size_t)config->memory_max },
		.retention_ms = config->retention_ms,
		.sender_timeout_ms = config->sender_timeout_ms,
		.resolve_on_silence = config->resolve_on_silence,
		.start_times = config->start_times,
		.external_labels = config->external_labels,
		.external_url = config->external_url.ptr,
		.journal = config->data_dir || config->storage.redis,
		.evidence = true,
		.query_samples_max = (uint64_t)config->query_samples_max,
		.queries_at_once = config->query_concurrency,
		.recheck_share = daemon->options->verify_share,
	};
	struct engine_sink sink = { .ctx = thread,
				    .record = on_record,
				    .event = on_event,
				    .batch = on_batch,
				    .query = on_query,
				    .loaded = on_loaded,
				    .released = on_released,
				    .sender = on_sender,
				    .written = on_written,
				    .history = on_history,
				    .different = on_different };
	int code = engine_new(&options, &sink, &thread->engine);

	if (code)
		return code;
	engine_written_set(thread->engine, config->remote_write.n > 0);
	engine_history_set(thread->engine, config->history.n > 0);
	return 0;
}

int engine_thread_init(struct engine_thread *thread, struct daemon *daemon, char **why)
{
	thread->daemon = daemon;
	thread->applied_end = &thread->applied;
	thread->events_end = &thread->events;
	thread->deferred_end = &thread->deferred;
	thread->inbox = queue_new(QUEUE_ITEMS_MAX, (size_t)daemon->config->queue_bytes_max);
	if (!thread->inbox)
		return ERR_NOMEM;
	int code = recorder_make(thread, daemon->options, why);

	return code ? code : engine_make(thread, daemon);
}

int engine_thread_start(struct engine_thread *thread)
{
	return pthread_create(&thread->thread, NULL, engine_thread_main, thread) ? ERR_LIMIT : 0;
}

void engine_thread_stop(struct engine_thread *thread)
{
	queue_push_signal(thread->inbox, MSG_STOP);
	pthread_join(thread->thread, NULL);
	recorder_stop(thread->recorder);
}

static void discard(struct queue_item *item)
{
	for (struct queue_item *next; item; item = next) {
		next = item->next;
		message_free(item);
	}
}

void engine_thread_fini(struct engine_thread *thread)
{
	discard(thread->deferred);
	discard(thread->todo);
	free(thread->records);
	if (thread->written)
		message_free(&thread->written->item);
	recorder_free(thread->recorder);
	queue_discard(thread->inbox);
	if (thread->engine)
		engine_free(thread->engine);
}
