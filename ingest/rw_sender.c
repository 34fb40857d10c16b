#include "ingest/rw_sender.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define QUEUE_ROOM_MIN 1024
#define WHY_MAX 256

struct rw_sender {
	struct rw_sender_options options;
	struct rw_counters *counters;
	struct http_client *http;
	struct loop_timer *timer;
	struct rw_encoder *encoder;

	struct rw_sample *queue; /* a ring */
	size_t room, first, n;	 /* room is a power of two, or 0 */
	int64_t waits_since_us;	 /* the first of them, for others */

	struct rw_sample *batch; /* of the request under way, or to be tried again */
	size_t nbatch, batch_room;
	size_t batch_bytes;
	struct http_call *call; /* NULL: none */
	uint32_t attempt;	/* of the batch, from 1 */
	int64_t backoff_ms;	/* after the next failure */
	int64_t retry_us;	/* not before */
	char attempt_text[16], agent[64];

	int64_t complained_us;
	bool has_complained, warned_unwritten, is_failing;
	uint64_t told_pending, told_capacity, told_failing;
	bool draining;
	void (*idle)(void *ctx); /* to be called once; NULL: it was, or is not wanted */
	void *idle_ctx;
};

static void step(struct rw_sender *sender);

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

size_t rw_sender_pending(const struct rw_sender *sender)
{
	return sender->n + sender->nbatch;
}

/* What of a number that several senders add up is ours. */
static void tell(_Atomic uint64_t *sum, uint64_t *told, uint64_t now)
{
	atomic_fetch_add(sum, now - *told);
	*told = now;
}

static void pending_tell(struct rw_sender *sender)
{
	tell(&sender->counters->pending, &sender->told_pending, rw_sender_pending(sender));
}

static void failing_set(struct rw_sender *sender, bool is_failing)
{
	sender->is_failing = is_failing;
	tell(&sender->counters->failing, &sender->told_failing, is_failing);
}

/* ---- the queue ---- */

static struct rw_sample *queue_at(const struct rw_sender *sender, size_t i)
{
	return &sender->queue[(sender->first + i) & (sender->room - 1)];
}

static struct rw_sample queue_take(struct rw_sender *sender)
{
	struct rw_sample sample = *queue_at(sender, 0);
	sender->first = (sender->first + 1) & (sender->room - 1);
	sender->n--;
	return sample;
}

static void queue_drop(struct rw_sender *sender, _Atomic uint64_t *counter)
{
	struct rw_sample sample = queue_take(sender);
	labels_unref(sample.labels);
	count(counter, 1);
}

static bool queue_grow(struct rw_sender *sender)
{
	size_t room = sender->room ? sender->room * 2 : QUEUE_ROOM_MIN;
	struct rw_sample *queue = reallocarray(NULL, room, sizeof(*queue));
	if (!queue)
		return false;
	for (size_t i = 0; i < sender->n; i++)
		queue[i] = *queue_at(sender, i);
	free(sender->queue);
	sender->queue = queue;
	sender->room = room;
	sender->first = 0;
	return true;
}

static void queue_trim(struct rw_sender *sender, size_t max)
{
	while (sender->n > max)
		queue_drop(sender, &sender->counters->dropped_full);
}

/* Takes the reference. */
static void queue_put(struct rw_sender *sender, struct labels *labels, int64_t ts_ms, uint64_t bits)
{
	struct rw_counters *counters = sender->counters;
	queue_trim(sender, (size_t)sender->options.capacity - 1);
	if (sender->n == sender->room && !queue_grow(sender)) {
		labels_unref(labels);
		count(&counters->dropped_memory, 1);
		return;
	}
	if (sender->n == 0)
		sender->waits_since_us = clock_monotonic_us();
	*queue_at(sender, sender->n++) = (struct rw_sample){ labels, ts_ms, bits };
	if (ts_ms > atomic_load_explicit(&counters->newest_ms, memory_order_relaxed))
		atomic_store(&counters->newest_ms, ts_ms);
}

void rw_sender_add(struct rw_sender *sender, struct labels *labels, int64_t ts_ms, uint64_t bits)
{
	struct labels *relabeled;
	int code = relabel_apply(sender->options.relabel, labels, &relabeled);
	if (code || !relabeled) {
		count(code == ERR_NOMEM ? &sender->counters->dropped_memory
					: &sender->counters->dropped_relabel,
		      1);
		return;
	}
	queue_put(sender, relabeled, ts_ms, bits);
	pending_tell(sender);
	if (!sender->call)
		step(sender);
}

/* ---- the batch ---- */

static void batch_clear(struct rw_sender *sender)
{
	for (size_t i = 0; i < sender->nbatch; i++)
		labels_unref(sender->batch[i].labels);
	sender->nbatch = 0;
	sender->attempt = 0;
}

/* False: no memory. */
static bool batch_fill(struct rw_sender *sender)
{
	size_t want = (size_t)sender->options.samples_per_send;
	if (sender->batch_room < want) {
		struct rw_sample *batch = reallocarray(sender->batch, want, sizeof(*batch));
		if (!batch)
			return false;
		sender->batch = batch;
		sender->batch_room = want;
	}
	sender->attempt = 0;
	while (sender->nbatch < want && sender->n > 0)
		sender->batch[sender->nbatch++] = queue_take(sender);
	sender->waits_since_us = clock_monotonic_us();
	return true;
}

/* What has become too old to be sent. */
static void batch_age(struct rw_sender *sender)
{
	int64_t age_max_ms = sender->options.age_max_ms, now_ms = clock_wall_ms();
	size_t n = 0;
	if (age_max_ms == 0)
		return;
	for (size_t i = 0; i < sender->nbatch; i++) {
		if (now_ms - sender->batch[i].ts_ms <= age_max_ms) {
			sender->batch[n++] = sender->batch[i];
			continue;
		}
		labels_unref(sender->batch[i].labels);
		count(&sender->counters->dropped_old, 1);
	}
	sender->nbatch = n;
}

/* ---- what came of it ---- */

static void complain(struct rw_sender *sender, const char *what, const char *why)
{
	int64_t now_us = clock_monotonic_us();
	if (sender->has_complained &&
	    now_us - sender->complained_us < RW_COMPLAINT_INTERVAL_MS * 1000ll)
		return;
	sender->has_complained = true;
	sender->complained_us = now_us;
	log_warn("remote_write", what, "name=%s samples=%zu pending=%zu error=%s",
		 log_quote(slice_from(sender->options.name)), sender->nbatch,
		 rw_sender_pending(sender), log_quote(slice_from(why)));
}

static bool is_retried(const struct rw_sender *sender, int status)
{
	return status == 0 || status / 100 == 5 || (status == 429 && sender->options.retries_429);
}

int64_t rw_retry_wait_ms(int64_t backoff_ms, int64_t retry_after_ms)
{
	if (retry_after_ms < 0)
		return backoff_ms;
	return retry_after_ms < RW_RETRY_AFTER_MS_MAX ? retry_after_ms : RW_RETRY_AFTER_MS_MAX;
}

static void retry(struct rw_sender *sender, int64_t retry_after_ms, const char *why)
{
	const struct rw_sender_options *options = &sender->options;
	int64_t wait_ms = rw_retry_wait_ms(sender->backoff_ms, retry_after_ms);
	sender->backoff_ms = sender->backoff_ms > options->max_backoff_ms / 2
				     ? options->max_backoff_ms
				     : sender->backoff_ms * 2;
	sender->retry_us = clock_monotonic_us() + wait_ms * 1000;
	failing_set(sender, true);
	complain(sender, "not taken, tried again", why);
}

/* A receiver that knows no 2.0 takes its messages for empty ones, and says that all is well. */
static void check_written(struct rw_sender *sender, const struct http_result *http)
{
	if (sender->options.version != RW_VERSION_2 || http->header.ptr || sender->warned_unwritten)
		return;
	sender->warned_unwritten = true;
	log_warn("remote_write",
		 "the receiver does not say what it has written: it may not know remote-write 2.0",
		 "name=%s", log_quote(slice_from(sender->options.name)));
}

static void taken(struct rw_sender *sender, const struct http_result *http)
{
	struct rw_counters *counters = sender->counters;
	check_written(sender, http);
	count(&counters->samples, sender->nbatch);
	count(&counters->bytes, sender->batch_bytes);
	for (size_t i = 0; i < sender->nbatch; i++)
		if (sender->batch[i].ts_ms > atomic_load(&counters->sent_ms))
			atomic_store(&counters->sent_ms, sender->batch[i].ts_ms);
	if (sender->is_failing)
		log_info("remote_write", "works again", "name=%s pending=%zu",
			 log_quote(slice_from(sender->options.name)), sender->n);
	failing_set(sender, false);
	sender->has_complained = false;
	sender->backoff_ms = sender->options.min_backoff_ms;
	batch_clear(sender);
}

static void give_up(struct rw_sender *sender)
{
	batch_clear(sender);
	while (sender->n > 0)
		labels_unref(queue_take(sender).labels);
}

static void on_answer(void *ctx, const struct http_result *http)
{
	struct rw_sender *sender = ctx;
	char why[WHY_MAX];
	sender->call = NULL;
	if (http->status / 100 == 2) {
		taken(sender, http);
	} else {
		http_explain(http, why, sizeof(why));
		if (sender->draining) {
			complain(sender, "not taken at the end, given up", why);
			give_up(sender);
		} else if (is_retried(sender, http->status)) {
			retry(sender, http->retry_after_ms, why);
		} else {
			complain(sender, "refused, dropped", why);
			count(&sender->counters->failed, sender->nbatch);
			sender->backoff_ms = sender->options.min_backoff_ms;
			batch_clear(sender);
		}
	}
	pending_tell(sender);
	step(sender);
}

static int send_batch(struct rw_sender *sender)
{
	const struct rw_sender_options *options = &sender->options;
	struct slice body;
	int code =
		rw_encode(sender->encoder, options->version, sender->batch, sender->nbatch, &body);
	if (code)
		return code;
	snprintf(sender->attempt_text, sizeof(sender->attempt_text), "%u", sender->attempt);
	const struct http_header headers[] = {
		{ "Content-Encoding", "snappy" },
		{ "Content-Type", rw_content_type(options->version) },
		{ "X-Prometheus-Remote-Write-Version", rw_version_text(options->version) },
		{ "User-Agent", sender->agent },
		{ "Retry-Attempt", sender->attempt_text },
	};
	struct http_send send = {
		.method = "POST",
		.headers = headers,
		.nheaders = sizeof(headers) / sizeof(headers[0]) - (sender->attempt == 0),
		.body = body,
		.response_max = RW_ANSWER_BYTES_MAX,
		.header_wanted = "X-Prometheus-Remote-Write-Samples-Written",
	};
	sender->batch_bytes = body.len;
	code = http_peer_send(sender->http, &options->peer, &send, on_answer, sender,
			      &sender->call);
	if (code)
		return code;
	if (sender->attempt > 0)
		count(&sender->counters->retried, sender->nbatch);
	sender->attempt++;
	return 0;
}

/* ---- what is to be done ---- */

static bool is_due(struct rw_sender *sender, int64_t now_us)
{
	int64_t due_us = sender->waits_since_us + sender->options.deadline_ms * 1000;
	if (sender->n == 0)
		return false;
	if (sender->draining || sender->n >= (size_t)sender->options.samples_per_send ||
	    now_us >= due_us)
		return true;
	loop_timer_set(sender->timer, (due_us - now_us) / 1000 + 1);
	return false;
}

/* It could not even be begun: as if the receiver had not been there. */
static void send_failed(struct rw_sender *sender, int code)
{
	char why[WHY_MAX];
	if (code == ERR_IO)
		snprintf(why, sizeof(why),
			 "cannot read the file of a password or of credentials: %s",
			 strerror(errno));
	else
		snprintf(why, sizeof(why), "%s", error_text(code));
	if (sender->draining) {
		give_up(sender);
		return;
	}
	retry(sender, -1, why);
	loop_timer_set(sender->timer, (sender->retry_us - clock_monotonic_us()) / 1000 + 1);
}

/* Is there a batch to be sent now? If there will be one later, the timer is set. */
static bool batch_is_ready(struct rw_sender *sender)
{
	int64_t now_us = clock_monotonic_us();
	if (sender->nbatch > 0 && now_us < sender->retry_us && !sender->draining) {
		loop_timer_set(sender->timer, (sender->retry_us - now_us) / 1000 + 1);
		return false;
	}
	for (;;) {
		batch_age(sender);
		if (sender->nbatch > 0)
			return true;
		if (!is_due(sender, now_us))
			return false;
		if (!batch_fill(sender)) {
			send_failed(sender, ERR_NOMEM);
			return false;
		}
	}
}

static void step(struct rw_sender *sender)
{
	if (sender->call)
		return;
	if (batch_is_ready(sender)) {
		int code = send_batch(sender);
		if (code)
			send_failed(sender, code);
	}
	pending_tell(sender);
	if (sender->idle && rw_sender_pending(sender) == 0) {
		void (*idle)(void *ctx) = sender->idle;
		sender->idle = NULL;
		idle(sender->idle_ctx);
	}
}

static void on_timer(void *ctx)
{
	step(ctx);
}

void rw_sender_drain(struct rw_sender *sender, void (*idle)(void *ctx), void *ctx)
{
	sender->draining = true;
	sender->idle = idle;
	sender->idle_ctx = ctx;
	step(sender);
}

/* ---- life ---- */

void rw_sender_configure(struct rw_sender *sender, const struct rw_sender_options *options)
{
	sender->options = *options;
	sender->backoff_ms = options->min_backoff_ms;
	sender->warned_unwritten = false;
	tell(&sender->counters->capacity, &sender->told_capacity, (uint64_t)options->capacity);
	queue_trim(sender, (size_t)options->capacity);
	pending_tell(sender);
	loop_timer_set(sender->timer, 0);
}

struct rw_sender *rw_sender_new(struct loop *loop, struct http_client *http,
				const struct rw_sender_options *options,
				struct rw_counters *counters)
{
	struct rw_sender *sender = calloc(1, sizeof(*sender));
	if (!sender)
		return NULL;
	sender->http = http;
	sender->counters = counters;
	sender->timer = loop_timer_new(loop, on_timer, sender);
	sender->encoder = rw_encoder_new();
	if (!sender->timer || !sender->encoder) {
		rw_sender_free(sender);
		return NULL;
	}
	snprintf(sender->agent, sizeof(sender->agent), "Tocsin/%s", PACKAGE_VERSION);
	rw_sender_configure(sender, options);
	return sender;
}

void rw_sender_free(struct rw_sender *sender)
{
	if (!sender)
		return;
	if (sender->call)
		http_call_cancel(sender->call);
	if (sender->timer)
		loop_timer_free(sender->timer);
	give_up(sender);
	failing_set(sender, false);
	tell(&sender->counters->pending, &sender->told_pending, 0);
	tell(&sender->counters->capacity, &sender->told_capacity, 0);
	rw_encoder_free(sender->encoder);
	free(sender->queue);
	free(sender->batch);
	free(sender);
}

void rw_sender_check(const struct rw_sender *sender)
{
	assert(sender->n <= sender->room && (sender->room & (sender->room - 1)) == 0);
	assert(sender->n <= (size_t)sender->options.capacity);
	assert(sender->nbatch <= sender->batch_room);
	assert(!sender->call || sender->nbatch > 0);
}
