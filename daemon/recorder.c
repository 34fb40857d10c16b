#include "daemon/recorder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define PUSH_BYTES (64 * 1024) /* of small inputs go to the thread at the latest */
#define FLUSH_MS 250	       /* what was told is written at the latest then */
#define RESTORE_PAUSE_US 1000

/* Inputs as they were written down, then a batch. */
struct pack {
	struct queue_item item;
	struct buf inputs;
	struct batch *batch;
	bool is_last;
	enum recording_end end; /* of the last one */
};

struct recorder {
	struct recording_writer *writer; /* the thread's, once it runs */
	struct queue *queue;
	pthread_t thread;
	bool started;
	size_t queue_bytes_max;
	uint32_t step_units;
	bool rechecked;
	/* The engine thread's: */
	struct pack *pack;
	int64_t told_ms;
	uint64_t steps; /* since the last other input */
	bool ended;
	/* For all: */
	_Atomic bool failed; /* the thread takes nothing any more */
	_Atomic bool recording;
	_Atomic uint64_t bytes, samples, files_removed, lost;
};

static void pack_free(struct pack *pack)
{
	if (!pack)
		return;
	buf_fini(&pack->inputs);
	batch_free(pack->batch);
	free(pack);
}

/* ---- the thread ---- */

static void publish(struct recorder *recorder)
{
	struct recording_writer_stats stats;
	recording_writer_stats(recorder->writer, &stats);
	atomic_store(&recorder->bytes, stats.bytes);
	atomic_store(&recorder->samples, stats.samples);
	atomic_store(&recorder->files_removed, stats.files_removed);
}

static void give_up(struct recorder *recorder)
{
	if (atomic_exchange(&recorder->failed, true))
		return;
	atomic_store(&recorder->recording, false);
	log_error("recorder", "the recording ends here", "error=%s",
		  log_quote(slice_from(recording_writer_error(recorder->writer))));
	recording_end(recorder->writer, RECORDING_FAILED);
}

/* True: it was the last. */
static bool take(struct recorder *recorder, struct pack *pack)
{
	bool is_last = pack->is_last;
	if (!atomic_load(&recorder->failed)) {
		int code = recording_write(recorder->writer, buf_slice(&pack->inputs), pack->batch);
		if (!code && is_last)
			code = recording_end(recorder->writer, pack->end);
		if (code)
			give_up(recorder);
	}
	if (atomic_load(&recorder->failed) && pack->batch)
		atomic_fetch_add(&recorder->lost, 1);
	pack_free(pack);
	return is_last;
}

static void *recorder_main(void *arg)
{
	struct recorder *recorder = arg;
	int64_t flushed_us = clock_monotonic_us();
	bool is_last = false;
	pthread_setname_np(pthread_self(), "recorder");
	while (!is_last) {
		queue_wait(recorder->queue, FLUSH_MS * 1000);
		struct queue_item *item = queue_take_all(recorder->queue);
		for (struct queue_item *next; item; item = next) {
			next = item->next;
			is_last |= take(recorder, (struct pack *)item);
		}
		if (is_last || clock_monotonic_us() - flushed_us >= FLUSH_MS * 1000) {
			if (!atomic_load(&recorder->failed) && !is_last &&
			    recording_flush(recorder->writer))
				give_up(recorder);
			flushed_us = clock_monotonic_us();
		}
		publish(recorder);
	}
	atomic_store(&recorder->recording, false);
	return NULL;
}

/* ---- the engine thread ---- */

/* Where the next input is written down; NULL: it is not recorded. */
static struct buf *inputs(struct recorder *recorder)
{
	if (!recorder || recorder->ended)
		return NULL;
	if (!recorder->pack)
		recorder->pack = calloc(1, sizeof(*recorder->pack));
	if (!recorder->pack) {
		recorder->ended = true; /* nothing can be said either: as if torn */
		return NULL;
	}
	if (recorder->steps)
		input_steps_add(&recorder->pack->inputs, recorder->steps);
	recorder->steps = 0;
	return &recorder->pack->inputs;
}

static size_t cost(const struct pack *pack)
{
	return sizeof(*pack) + pack->inputs.cap + (pack->batch ? batch_cost(pack->batch) : 0);
}

static void push_last(struct recorder *recorder, enum recording_end end)
{
	struct pack *pack = recorder->pack ? recorder->pack : calloc(1, sizeof(*pack));
	recorder->pack = NULL;
	recorder->ended = true;
	if (!pack) {
		log_error("recorder", "out of memory", NULL);
		abort();
	}
	pack->is_last = true;
	pack->end = end;
	pack->item.cost = sizeof(*pack);
	queue_push(recorder->queue, &pack->item, true);
}

static void end_behind(struct recorder *recorder, enum recording_end end)
{
	if (recorder->pack && recorder->pack->batch)
		atomic_fetch_add(&recorder->lost, 1);
	pack_free(recorder->pack);
	recorder->pack = NULL;
	push_last(recorder, end);
	log_error("recorder", "the recording ends here", "error=%s",
		  log_quote(slice_from(recording_end_text(end))));
}

void recorder_push(struct recorder *recorder)
{
	struct buf *out = inputs(recorder);
	if (!out || (out->len == 0 && !recorder->pack->batch))
		return;
	if (!buf_ok(out)) {
		end_behind(recorder, RECORDING_FAILED);
		return;
	}
	recorder->pack->item.cost = cost(recorder->pack);
	if (queue_push(recorder->queue, &recorder->pack->item, false))
		end_behind(recorder, RECORDING_BEHIND);
	recorder->pack = NULL;
}

static void push_when_full(struct recorder *recorder)
{
	if (recorder->pack && recorder->pack->inputs.len >= PUSH_BYTES)
		recorder_push(recorder);
}

void recorder_time(struct recorder *recorder, int64_t now_ms)
{
	if (!recorder || recorder->told_ms == now_ms)
		return;
	struct buf *out = inputs(recorder);
	recorder->told_ms = now_ms;
	if (out)
		input_time_add(out, now_ms);
}

void recorder_step(struct recorder *recorder)
{
	if (recorder)
		recorder->steps++;
}

void recorder_batch(struct recorder *recorder, const struct batch *batch)
{
	if (!inputs(recorder)) {
		if (recorder)
			atomic_fetch_add(&recorder->lost, 1);
		return;
	}
	recorder->pack->batch = batch_copy(batch);
	if (recorder->pack->batch)
		recorder_push(recorder);
	else
		end_behind(recorder, RECORDING_FAILED);
}

void recorder_rules(struct recorder *recorder, const struct config *config, uint64_t rules_hash)
{
	struct buf *out = inputs(recorder);
	if (!out)
		return;
	const struct recording_settings settings = {
		.interval_ms = config->evaluation_interval_ms,
		.query_offset_ms = config->rule_query_offset_ms,
		.subquery_step_ms = config->subquery_step_ms,
		.delayed_names = config->delayed_names,
		.resolve_on_silence = config->resolve_on_silence,
		.start_times = config->start_times,
		.lookback_ms = config->lookback_ms,
		.sender_timeout_ms = config->sender_timeout_ms,
		.retention_ms = config->retention_ms,
		.series_max = (uint64_t)config->series_max,
		.ignored_max = (uint64_t)config->ignored_max,
		.memory_max = (uint64_t)config->memory_max,
		.log_series_max = (uint64_t)config->log_series_max,
		.step_units = recorder->step_units,
		.rechecked = recorder->rechecked,
		.external_url = config->external_url,
		.external_labels = config->external_labels,
		.rules_hash = rules_hash,
	};
	input_rules_add(out, &settings);
}

void recorder_restore(struct recorder *recorder, enum record_type type, struct slice payload)
{
	struct buf *out = inputs(recorder);
	if (!out)
		return;
	input_restore_add(out, type, payload);
	while (!atomic_load(&recorder->failed) &&
	       queue_bytes(recorder->queue) > recorder->queue_bytes_max / 2)
		usleep(RESTORE_PAUSE_US);
	push_when_full(recorder);
}

void recorder_mark(struct recorder *recorder, enum input_kind kind)
{
	struct buf *out = inputs(recorder);
	if (out)
		input_mark_add(out, kind);
}

void recorder_event(struct recorder *recorder, const struct alert_event *event)
{
	struct buf *out;
	/* Of the step under way, which is counted behind it. */
	if (!recorder || !(out = inputs(recorder)))
		return;
	input_event_add(out, event);
	push_when_full(recorder);
}

/* ---- life ---- */

static int start(struct recorder *recorder)
{
	recorder->queue = queue_new(SIZE_MAX, recorder->queue_bytes_max);
	if (!recorder->queue)
		return ERR_NOMEM;
	atomic_store(&recorder->recording, true);
	if (pthread_create(&recorder->thread, NULL, recorder_main, recorder))
		return ERR_LIMIT;
	recorder->started = true;
	return 0;
}

int recorder_new(const struct recorder_options *options, struct recorder **out, char **why)
{
	int64_t bytes_max = options->bytes_max ? options->bytes_max : RECORDER_BYTES_DEFAULT;
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	if (!recorder)
		return ERR_NOMEM;
	recorder->told_ms = TIME_NONE;
	recorder->step_units = options->step_units;
	recorder->rechecked = options->rechecked;
	recorder->queue_bytes_max =
		options->queue_bytes_max ? options->queue_bytes_max : RECORDER_QUEUE_BYTES;
	int code = recording_writer_new(options->dir, bytes_max, clock_wall_ms(), &recorder->writer,
					why);
	if (!code)
		code = start(recorder);
	if (code) {
		recorder_free(recorder);
		return code;
	}
	log_info("recorder", "recording", "dir=%s", log_quote(slice_from(options->dir)));
	*out = recorder;
	return 0;
}

void recorder_stop(struct recorder *recorder)
{
	if (!recorder || !recorder->started)
		return;
	if (!recorder->ended) {
		inputs(recorder);
		push_last(recorder, RECORDING_STOPPED);
	}
	pthread_join(recorder->thread, NULL);
	recorder->started = false;
}

void recorder_free(struct recorder *recorder)
{
	if (!recorder)
		return;
	recorder_stop(recorder);
	pack_free(recorder->pack);
	if (recorder->queue) {
		for (struct queue_item *item = queue_take_all(recorder->queue), *next; item;
		     item = next) {
			next = item->next;
			pack_free((struct pack *)item);
		}
		queue_free(recorder->queue);
	}
	recording_writer_free(recorder->writer);
	free(recorder);
}

void recorder_stats(const struct recorder *recorder, struct recorder_stats *out)
{
	*out = (struct recorder_stats){ 0 };
	if (!recorder)
		return;
	out->bytes = atomic_load(&recorder->bytes);
	out->samples = atomic_load(&recorder->samples);
	out->files_removed = atomic_load(&recorder->files_removed);
	out->lost = atomic_load(&recorder->lost);
	out->recording = atomic_load(&recorder->recording);
}
