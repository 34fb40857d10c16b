/*
 * OTLP over HTTP: POST to /v1/metrics and /v1/logs, also under /api/v1/otlp and /otlp.
 *
 * The answer waits until the engine has what was sent. 200, with what was rejected as a partial
 * success; 400, 413, 415: nothing was taken; 503 with Retry-After: nothing was taken, and the
 * sender keeps it.
 */
#include "daemon/threads.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

#define RETRY_AFTER_S "1"

/* Kept with the batch until it comes home. */
struct answer {
	enum otlp_signal signal;
	struct otlp_result result;
};

static void reply_make(int status, enum otlp_signal signal, const struct otlp_result *result,
		       struct buf *body, struct http_reply *reply)
{
	static const struct http_header retry = { "Retry-After", RETRY_AFTER_S };

	buf_init(body);
	if (status == 200)
		otlp_reply(signal, result, body);
	else
		otlp_reply_refused(status, result, body);
	*reply = (struct http_reply){ .status = status,
				      .content_type = result->json ? "application/json"
								   : "application/x-protobuf",
				      .headers = &retry,
				      .nheaders = status == 503,
				      .body = buf_slice(body) };
}

static void count_refused(struct ingest_thread *thread, int status)
{
	atomic_fetch_add_explicit(status == 503 ? &thread->refused_full : &thread->refused_bad, 1,
				  memory_order_relaxed);
}

static void refuse(struct ingest_thread *thread, struct http_request *request, int status,
		   const struct otlp_result *result)
{
	struct http_reply reply;
	struct buf body;

	count_refused(thread, status);
	reply_make(status, OTLP_METRICS, result, &body, &reply);
	http_reply(request, &reply);
	buf_fini(&body);
}

static void refuse_busy(struct ingest_thread *thread, struct http_request *request, bool json)
{
	const struct otlp_result busy = { .json = json, .error = "too busy, try again" };

	refuse(thread, request, 503, &busy);
}

/* What the engine did not take counts as rejected, too. Of lines it takes all that it can. */
static void add_outcome(const struct batch *batch, struct otlp_result *result)
{
	const struct batch_outcome *outcome = &batch->outcome;
	uint32_t rejected = outcome->conflict + outcome->future + outcome->limited;
	size_t len = strlen(result->error);

	result->rejected += rejected;
	if (rejected && outcome->error[0])
		snprintf(result->error + len, sizeof(result->error) - len, "%s%.300s",
			 len ? "; " : "", outcome->error);
	else if (rejected)
		snprintf(result->error + len, sizeof(result->error) - len, "%sa limit was reached",
			 len ? "; " : "");
}

static void on_done(void *ctx, struct batch *batch)
{
	struct ingest_thread *thread = ctx;
	struct answer *answer = batch->decoder_data;
	struct http_reply reply;
	struct buf body;

	add_outcome(batch, &answer->result);
	reply_make(200, answer->signal, &answer->result, &body, &reply);
	http_reply_to(thread->server, (struct http_token){ batch->slot, batch->generation },
		      &reply);
	buf_fini(&body);
	batch_free(batch);
}

/* Takes the batch. */
static void push(struct ingest_thread *thread, struct http_request *request, struct batch *batch,
		 enum otlp_signal signal, const struct otlp_result *result)
{
	struct answer *answer = malloc(sizeof(*answer));
	struct http_token token;
	struct http_reply reply;
	struct buf body;

	batch->item.cost = batch_cost(batch);
	if (batch->item.cost > thread->batch_bytes_max) {
		const struct otlp_result large = {
			.json = result->json,
			.error = "the request takes more memory than limits.queue_bytes"
		};

		refuse(thread, request, 413, &large);
		free(answer);
		batch_free(batch);
		return;
	}
	if (!answer || http_defer(request, &token)) {
		refuse_busy(thread, request, result->json);
		free(answer);
		batch_free(batch);
		return;
	}
	*answer = (struct answer){ signal, *result };
	batch->decoder_data = answer;
	batch->free_data = free;
	batch->slot = token.slot;
	batch->generation = token.generation;
	ingest_sender(request, &batch->sender);
	if (ingest_push(thread, batch, on_done) == 0) {
		log_count(&thread->otlp_counters->lines, result->lines);
		log_count(&thread->otlp_counters->bytes, result->bytes);
		return;
	}
	const struct otlp_result busy = { .json = result->json, .error = "too busy, try again" };

	count_refused(thread, 503);
	reply_make(503, signal, &busy, &body, &reply);
	http_reply_to(thread->server, token, &reply);
	buf_fini(&body);
	batch_free(batch);
}

/* What the message comes to; NULL with *status. */
static struct batch *decode(struct ingest_thread *thread, enum otlp_signal signal,
			    struct slice message, struct otlp_result *result, int *status)
{
	struct log_sink sink = ingest_log_sink(thread);
	struct batch *batch;

	if (signal == OTLP_LOGS) {
		*status = otlp_logs(thread->otlp, message, clock_wall_ms(), &sink, result);
		batch = ingest_log_batch(thread);
	} else {
		batch = batch_new();
		*status = batch ? otlp_metrics(thread->otlp, message, batch, result) : 503;
	}
	if (batch && *status == 0)
		return batch;
	if (*status == 0) {
		*status = 503;
		snprintf(result->error, sizeof(result->error), "%s", error_text(ERR_NOMEM));
	}
	batch_free(batch);
	return NULL;
}

static void otlp_request(struct ingest_thread *thread, struct http_request *request,
			 enum otlp_signal signal)
{
	const struct otlp_request otlp = {
		.signal = signal,
		.content_type = http_request_header(request, "Content-Type"),
		.content_encoding = http_request_header(request, "Content-Encoding"),
		.body = http_request_body(request),
	};
	struct otlp_result result = { 0 };
	struct slice message;

	if (http_request_method(request) != HTTP_POST) {
		ingest_reply_post_only(request, "OTLP is a POST\n");
		return;
	}
	if (!ingest_is_open(thread)) {
		refuse_busy(thread, request, false);
		return;
	}
	int status = otlp_open(thread->otlp, &otlp, &result, &message);
	struct batch *batch = status ? NULL : decode(thread, signal, message, &result, &status);

	if (batch)
		push(thread, request, batch, signal, &result);
	else
		refuse(thread, request, status, &result);
}

void otlp_metrics_post(struct ingest_thread *thread, struct http_request *request)
{
	otlp_request(thread, request, OTLP_METRICS);
}

void otlp_logs_post(struct ingest_thread *thread, struct http_request *request)
{
	otlp_request(thread, request, OTLP_LOGS);
}
