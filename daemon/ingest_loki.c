/*
 * Loki's push API: POST to /loki/api/v1/push.
 *
 * The answer waits until the engine has what the lines came to. 204: taken; 400: what was good of
 * it was taken, the text names the first of the rest; 413; 503 with Retry-After: nothing was taken,
 * and the sender keeps it.
 */
#include "daemon/threads.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

#define RETRY_AFTER_S "1"

/* Kept with the batch until it comes home. */
struct answer {
	int status;
	char error[LOKI_ERROR_MAX];
};

static struct http_reply reply_of(int status, const char *error)
{
	static const struct http_header retry = { "Retry-After", RETRY_AFTER_S };

	return (struct http_reply){ .status = status,
				    .content_type = error[0] ? "text/plain; charset=utf-8" : NULL,
				    .headers = &retry,
				    .nheaders = status == 503,
				    .body = slice_from(error) };
}

static void refuse(struct ingest_thread *thread, struct http_request *request, int status,
		   const char *error)
{
	struct http_reply reply = reply_of(status, error);

	atomic_fetch_add_explicit(status == 503 ? &thread->refused_full : &thread->refused_bad, 1,
				  memory_order_relaxed);
	http_reply(request, &reply);
}

/* ---- the sink: lines on their way to the thread's feed ---- */

static int on_stream(void *ctx, struct labels *labels)
{
	struct ingest_thread *thread = ctx;

	thread->stream = log_feed_stream(thread->feed, labels);
	return thread->stream ? 0 : ERR_NOMEM;
}

/* What gathered in the feed so far, behind what gathered before. */
static int gather(struct ingest_thread *thread)
{
	if (!thread->gathered && !(thread->gathered = batch_new()))
		return ERR_NOMEM;
	return log_feed_flush(thread->feed, thread->gathered);
}

static int on_line(void *ctx, const struct log_entry *entry)
{
	struct ingest_thread *thread = ctx;
	int code = log_feed_line(thread->feed, thread->stream, entry);

	if (code != ERR_FULL)
		return code;
	code = gather(thread);
	return code ? code : log_feed_line(thread->feed, thread->stream, entry);
}

struct log_sink ingest_log_sink(struct ingest_thread *thread)
{
	return (struct log_sink){ thread, on_stream, on_line };
}

struct batch *ingest_log_batch(struct ingest_thread *thread)
{
	int code = gather(thread);
	struct batch *batch = thread->gathered;

	thread->gathered = NULL;
	thread->stream = NULL;
	if (code) {
		batch_free(batch);
		return NULL;
	}
	batch->item.cost = batch_cost(batch);
	return batch;
}

/* ---- relabelling ---- */

void loki_relabel(struct ingest_thread *thread, struct relabel *relabel)
{
	relabel_ref(relabel);
	relabel_unref(thread->loki_rules);
	thread->loki_rules = relabel;
}

/* A stream that is dropped is none: stream NULL. */
static int on_loki_stream(void *ctx, struct labels *labels)
{
	struct ingest_thread *thread = ctx;
	struct labels *final = NULL;
	int code = relabel_apply(thread->loki_rules, labels, &final);

	thread->stream = NULL;
	if (code == 0 && final)
		code = on_stream(thread, final);
	labels_unref(final);
	return code == ERR_NOMEM ? code : 0;
}

static int on_loki_line(void *ctx, const struct log_entry *entry)
{
	struct ingest_thread *thread = ctx;

	return thread->stream ? on_line(thread, entry) : 0;
}

/* ---- requests ---- */

static void count(struct ingest_thread *thread, const struct loki_result *result)
{
	struct log_counters *counters = thread->loki_counters;

	log_count(&counters->lines, result->lines);
	log_count(&counters->bytes, result->bytes);
	log_count(&counters->cut, result->cut);
	log_count(&counters->malformed, result->rejected);
}

static void on_done(void *ctx, struct batch *batch)
{
	struct ingest_thread *thread = ctx;
	const struct answer *answer = batch->decoder_data;
	struct http_reply reply = reply_of(answer->status, answer->error);

	http_reply_to(thread->server, (struct http_token){ batch->slot, batch->generation },
		      &reply);
	batch_free(batch);
}

/* The lines were taken: what they came to goes to the engine, the answer when it is there. */
static void push_lines(struct ingest_thread *thread, struct http_request *request, int status,
		       const struct loki_result *result)
{
	struct batch *batch = ingest_log_batch(thread);
	struct answer *answer = malloc(sizeof(*answer));
	struct http_token token;

	if (!batch || !answer || http_defer(request, &token)) {
		free(answer);
		batch_free(batch);
		refuse(thread, request, 503, "too busy, try again\n");
		return;
	}
	answer->status = status;
	memcpy(answer->error, result->error, sizeof(answer->error));
	batch->decoder_data = answer;
	batch->free_data = free;
	batch->slot = token.slot;
	batch->generation = token.generation;
	ingest_sender(request, &batch->sender);
	if (batch->item.cost <= thread->batch_bytes_max &&
	    ingest_push(thread, batch, on_done) == 0) {
		count(thread, result);
		return;
	}
	bool busy = batch->item.cost <= thread->batch_bytes_max;
	struct http_reply reply =
		reply_of(busy ? 503 : 413, busy ? "too busy, try again\n"
						: "the request takes more memory than "
						  "limits.queue_bytes\n");

	atomic_fetch_add_explicit(&thread->refused_full, 1, memory_order_relaxed);
	http_reply_to(thread->server, token, &reply);
	batch_free(batch);
}

void loki_request(struct ingest_thread *thread, struct http_request *request)
{
	if (http_request_method(request) != HTTP_POST) {
		ingest_reply_post_only(request, "a push is a POST\n");
		return;
	}
	if (!ingest_is_open(thread)) {
		refuse(thread, request, 503, "too busy, try again\n");
		return;
	}
	struct loki_request loki = {
		.content_type = http_request_header(request, "Content-Type"),
		.content_encoding = http_request_header(request, "Content-Encoding"),
		.body = http_request_body(request),
		.now_ms = clock_wall_ms(),
	};
	struct log_sink sink = { thread, on_loki_stream, on_loki_line };
	struct loki_result result;
	int status = loki_push(thread->loki, &loki, &sink, &result);

	if (status == 503) /* in the middle: the sender sends all of it again */
		batch_free(ingest_log_batch(thread));
	if (status == 204 || (status == 400 && result.streams)) {
		push_lines(thread, request, status, &result);
		return;
	}
	log_count(&thread->loki_counters->malformed, result.rejected);
	refuse(thread, request, status, result.error);
}
