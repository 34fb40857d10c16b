/*
 * Remote-write over HTTP: POST to /api/v1/write or /api/v1/push.
 *
 * The answer waits until the engine has applied the batch, so that it can tell what became of each
 * sample.
 */
#include "daemon/threads.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

#define RETRY_AFTER_S "1"

static void reply_write(struct http_request *request, const struct rw_reply *reply)
{
	struct http_reply http = { .status = reply->status,
				   .content_type =
					   reply->body[0] ? "text/plain; charset=utf-8" : NULL,
				   .headers = reply->headers,
				   .nheaders = reply->nheaders,
				   .body = slice_from(reply->body) };

	http_reply(request, &http);
}

/* 503 keeps the data at the sender; 429 would make Prometheus drop it. */
struct full_reply {
	struct rw_reply reply;
	struct http_header headers[5];
	struct http_reply http;
};

static void full_reply_make(struct ingest_thread *thread, bool version2, struct full_reply *full)
{
	size_t n = 0;

	atomic_fetch_add_explicit(&thread->refused_full, 1, memory_order_relaxed);
	rw_reply_refused(503, "too busy, try again", version2, &full->reply);
	full->headers[n++] = (struct http_header){ "Retry-After", RETRY_AFTER_S };
	for (size_t i = 0; i < full->reply.nheaders; i++)
		full->headers[n++] = full->reply.headers[i];
	full->http = (struct http_reply){ .status = 503,
					  .content_type = "text/plain; charset=utf-8",
					  .headers = full->headers,
					  .nheaders = n,
					  .body = slice_from(full->reply.body) };
}

static void reply_full(struct ingest_thread *thread, struct http_request *request, bool version2)
{
	struct full_reply full;

	full_reply_make(thread, version2, &full);
	http_reply(request, &full.http);
}

/* It would never fit into the queue: to ask for another try would be to be asked for ever. */
static void reply_too_large(struct ingest_thread *thread, struct http_request *request,
			    bool version2)
{
	struct rw_reply reply;

	atomic_fetch_add_explicit(&thread->refused_bad, 1, memory_order_relaxed);
	rw_reply_refused(413, "the request takes more memory than limits.queue_bytes", version2,
			 &reply);
	reply_write(request, &reply);
}

/* An applied batch: answer, and remember its keys. */
static void on_done(void *ctx, struct batch *batch)
{
	struct ingest_thread *thread = ctx;
	struct rw_reply reply;

	rw_decoder_learn(thread->decoder, batch);
	rw_reply_make(batch, &reply);
	http_reply_to(thread->server, (struct http_token){ batch->slot, batch->generation },
		      &(struct http_reply){
			      .status = reply.status,
			      .content_type = reply.body[0] ? "text/plain; charset=utf-8" : NULL,
			      .headers = reply.headers,
			      .nheaders = reply.nheaders,
			      .body = slice_from(reply.body) });
	batch_free(batch);
}

static void on_post(struct ingest_thread *thread, struct http_request *request)
{
	struct rw_request body = { .content_type = http_request_header(request, "Content-Type"),
				   .content_encoding =
					   http_request_header(request, "Content-Encoding"),
				   .body = http_request_body(request) };
	bool version2 = rw_is_version2(body.content_type);
	struct batch *batch;
	char *why = NULL;

	if (!ingest_is_open(thread)) {
		reply_full(thread, request, version2);
		return;
	}
	int status = rw_decode(thread->decoder, &body, &batch, &why);

	if (status) {
		struct rw_reply reply;

		atomic_fetch_add_explicit(&thread->refused_bad, 1, memory_order_relaxed);
		rw_reply_refused(status, why ? why : "", version2, &reply);
		free(why);
		reply_write(request, &reply);
		return;
	}
	struct http_token token;

	if (batch->item.cost > thread->batch_bytes_max) {
		reply_too_large(thread, request, version2);
		rw_decoder_recycle(thread->decoder, batch);
		return;
	}
	ingest_sender(request, &batch->sender);
	if (http_defer(request, &token)) {
		rw_decoder_recycle(thread->decoder, batch);
		reply_full(thread, request, version2);
		return;
	}
	batch->slot = token.slot;
	batch->generation = token.generation;
	if (ingest_push(thread, batch, on_done)) {
		struct full_reply full;

		full_reply_make(thread, version2, &full);
		http_reply_to(thread->server, token, &full.http);
		rw_decoder_recycle(thread->decoder, batch);
	}
}

void remote_write_request(struct ingest_thread *thread, struct http_request *request)
{
	enum http_method method = http_request_method(request);

	if (method == HTTP_POST) {
		on_post(thread, request);
		return;
	}
	if (method == HTTP_GET || method == HTTP_HEAD) {
		/* vmagent asks which protocol may be spoken: 1 means zstd is welcome. */
		char *probe = http_request_param(request, "get_vm_proto_version", 0);

		if (probe) {
			free(probe);
			http_reply(request, &(struct http_reply){
						    .status = 200,
						    .content_type = "text/plain; charset=utf-8",
						    .body = SLICE("1") });
			return;
		}
	}
	ingest_reply_post_only(request, "remote-write is a POST\n");
}
