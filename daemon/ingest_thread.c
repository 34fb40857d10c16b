#include "daemon/threads.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define IDLE_TIMEOUT_MS (5 * 60 * 1000)
#define CONNECTIONS_MAX 10000
#define RETRY_AFTER_S "1"

/* Has the store thread fallen so far behind that nothing more may come in? */
static bool is_store_behind(struct daemon *daemon)
{
	return queue_bytes(daemon->store.inbox) > (size_t)atomic_load(&daemon->queue_bytes_max);
}

static void reply_write(struct http_request *request, const struct rw_reply *reply)
{
	struct http_reply http = { .status = reply->status,
				   .content_type = reply->body[0] ? "text/plain; charset=utf-8" : NULL,
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
static void reply_too_large(struct ingest_thread *thread, struct http_request *request, bool version2)
{
	struct rw_reply reply;

	atomic_fetch_add_explicit(&thread->refused_bad, 1, memory_order_relaxed);
	rw_reply_refused(413, "the request takes more memory than limits.queue_bytes", version2, &reply);
	reply_write(request, &reply);
}

/* (user, or address and user agent) */
static void sender_name(struct http_request *request, struct batch_sender *sender)
{
	struct slice peer = http_request_peer(request), agent = http_request_header(request, "User-Agent");

	snprintf(sender->name, sizeof(sender->name), SLICE_FMT " " SLICE_FMT, SLICE_ARG(peer), SLICE_ARG(agent));
	sender->hash = hash_fnv1a64(FNV1A64_INIT, sender->name, strlen(sender->name));
}

static void on_write(struct ingest_thread *thread, struct http_request *request)
{
	struct daemon *daemon = thread->daemon;
	struct rw_request body = { .content_type = http_request_header(request, "Content-Type"),
				   .content_encoding = http_request_header(request, "Content-Encoding"),
				   .body = http_request_body(request) };
	bool version2 = rw_is_version2(body.content_type);
	struct batch *batch;
	char *why = NULL;

	if (atomic_load_explicit(&daemon->draining, memory_order_relaxed) || is_store_behind(daemon)) {
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
	sender_name(request, &batch->sender);
	if (http_defer(request, &token)) {
		rw_decoder_recycle(thread->decoder, batch);
		reply_full(thread, request, version2);
		return;
	}
	batch->thread = thread->number;
	batch->slot = token.slot;
	batch->generation = token.generation;
	batch->arrived_us = clock_monotonic_us();
	batch->item.kind = MSG_BATCH;
	if (queue_push(daemon->engine.inbox, &batch->item, false)) {
		struct full_reply full;

		full_reply_make(thread, version2, &full);
		http_reply_to(thread->server, token, &full.http);
		rw_decoder_recycle(thread->decoder, batch);
	}
}

static bool is_write_path(struct slice path)
{
	return slice_is(path, "/api/v1/write") || slice_is(path, "/api/v1/push");
}

static void on_request(void *ctx, struct http_request *request)
{
	struct ingest_thread *thread = ctx;
	enum http_method method = http_request_method(request);

	atomic_fetch_add_explicit(&thread->requests, 1, memory_order_relaxed);
	if (!is_write_path(http_request_path(request))) {
		web_request(thread->web, request);
		return;
	}
	if (!web_origin_pass(thread->web, request))
		return;
	if (method == HTTP_POST) {
		on_write(thread, request);
		return;
	}
	if (method == HTTP_GET || method == HTTP_HEAD) {
		/* vmagent asks which protocol may be spoken: 1 means zstd is welcome. */
		char *probe = http_request_param(request, "get_vm_proto_version", 0);

		if (probe) {
			free(probe);
			http_reply(request, &(struct http_reply){ .status = 200, .content_type = "text/plain; charset=utf-8", .body = SLICE("1") });
			return;
		}
	}
	struct http_header allow = { "Allow", "POST" };

	http_reply(request, &(struct http_reply){ .status = 405, .headers = &allow, .nheaders = 1,
						  .content_type = "text/plain; charset=utf-8", .body = SLICE("remote-write is a POST\n") });
}

/* An applied batch: answer, and remember its keys. */
static void on_batch_done(struct ingest_thread *thread, struct batch *batch)
{
	struct rw_reply reply;

	rw_decoder_learn(thread->decoder, batch);
	rw_reply_make(batch, &reply);
	http_reply_to(thread->server, (struct http_token){ batch->slot, batch->generation },
		      &(struct http_reply){ .status = reply.status,
					    .content_type = reply.body[0] ? "text/plain; charset=utf-8" : NULL,
					    .headers = reply.headers,
					    .nheaders = reply.nheaders,
					    .body = slice_from(reply.body) });
	batch_free(batch);
}

/* The listen address stays what it was at the start, whatever a reloaded configuration says. */
static struct web_options web_options(const struct ingest_thread *thread,
				      const struct config *config)
{
	return (struct web_options){ .external_url = config->external_url,
				     .allowed_hosts = config->allowed_hosts.items,
				     .nallowed_hosts = config->allowed_hosts.n,
				     .loopback = thread->loopback,
				     .version = PACKAGE_VERSION,
				     .query_timeout_ms = config->query_timeout_ms,
				     .thread = thread->number };
}

static void on_config(struct ingest_thread *thread, struct msg_load *msg)
{
	struct web_options web = web_options(thread, msg->config);
	int code = web_configure(thread->web, &web);

	if (code)
		log_error("web", "the old hosts and limits stay in force", "error=%s",
			  log_quote(slice_from(error_text(code))));
	message_free(&msg->item);
}

static void on_message(void *ctx, struct queue_item *item)
{
	struct ingest_thread *thread = ctx;

	switch ((enum message_kind)item->kind) {
	case MSG_BATCH:
		if (((struct batch *)item)->own)
			own_metrics_batch_done(thread, (struct batch *)item);
		else
			on_batch_done(thread, (struct batch *)item);
		return;
	case MSG_QUERY:
		web_query_done(thread->web, thread->server, (struct engine_query *)item);
		return;
	case MSG_CALL:
		if (!own_metrics_call_done(thread, (struct call *)item))
			web_call_done(thread->web, thread->server, (struct call *)item);
		return;
	case MSG_CONFIG:
		on_config(thread, (struct msg_load *)item);
		return;
	case MSG_STOP:
		free(item);
		loop_stop(thread->loop);
		return;
	default:
		assert(!"no such message for an ingest thread");
	}
}

/* ---- what the API asks of the daemon ---- */

static int host_call(void *ctx, enum call_owner owner, struct call *call)
{
	struct ingest_thread *thread = ctx;
	struct daemon *daemon = thread->daemon;
	struct queue *inbox = owner == CALL_ENGINE ? daemon->engine.inbox : daemon->action.inbox;

	call->thread = thread->number;
	call->item.kind = MSG_CALL;
	call->item.cost = sizeof(*call);
	return queue_push(inbox, &call->item, false);
}

static int host_query(void *ctx, struct engine_query *query)
{
	struct ingest_thread *thread = ctx;

	query->thread = thread->number;
	query->item.kind = MSG_QUERY;
	query->item.cost = sizeof(*query);
	return queue_push(thread->daemon->engine.inbox, &query->item, false);
}

static int host_reload(void *ctx, struct call *call)
{
	struct ingest_thread *thread = ctx;

	call->thread = thread->number;
	call->item.kind = MSG_CALL;
	call->item.cost = sizeof(*call);
	return queue_push(thread->daemon->inbox, &call->item, false);
}

static bool host_ready(void *ctx)
{
	struct ingest_thread *thread = ctx;

	return atomic_load(&thread->daemon->ready);
}

static int64_t host_now_ms(void *ctx)
{
	return clock_wall_ms();
}

static void host_metrics(void *ctx, struct buf *out)
{
	struct ingest_thread *thread = ctx;

	daemon_metrics(thread->daemon, out);
}

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

/* SO_REUSEPORT would let a second daemon of the same user listen beside a first one, and take some of its requests from it. */
static int check_port_free(struct ingest_thread *thread, struct http_server_options http, char **why)
{
	struct http_server *alone;

	http.reuse_port = false;
	int code = http_server_new(thread->loop, &http, on_request, thread, &alone, why);

	if (code == 0)
		http_server_free(alone);
	return code;
}

int ingest_thread_init(struct ingest_thread *thread, struct daemon *daemon, uint32_t number, uint16_t port, char **why)
{
	const struct config *config = daemon->config;
	struct http_server_options http = { .address = config->listen_host,
					    .port = port,
					    .body_max = RW_BODY_MAX,
					    .timeout_ms = IDLE_TIMEOUT_MS,
					    .reuse_port = true,
					    .connections_max = CONNECTIONS_MAX };
	struct web_host host = { .ctx = thread,
				 .call = host_call,
				 .query = host_query,
				 .reload = host_reload,
				 .ready = host_ready,
				 .now_ms = host_now_ms,
				 .metrics = host_metrics };

	thread->daemon = daemon;
	thread->number = number;
	thread->loopback = is_loopback(config->listen_host);
	thread->batch_bytes_max = (size_t)config->queue_bytes_max;
	thread->loop = loop_new();
	thread->inbox = queue_new(SIZE_MAX, SIZE_MAX);
	thread->decoder = rw_decoder_new(&daemon->rw);
	if (!thread->loop || !thread->inbox || !thread->decoder)
		return ERR_NOMEM;
	struct web_options web = web_options(thread, config);
	int code = web_new(&host, &web, &thread->web);

	if (code)
		return code;
	if (number == 0 && port && (code = check_port_free(thread, http, why)))
		return code;
	code = http_server_new(thread->loop, &http, on_request, thread, &thread->server, why);
	if (code || (number == 0 && (code = own_metrics_init(thread))))
		return code;
	return loop_queue_add(thread->loop, thread->inbox, on_message, thread);
}

static void *ingest_thread_main(void *arg)
{
	struct ingest_thread *thread = arg;

	pthread_setname_np(pthread_self(), "ingest");
	loop_run(thread->loop);
	return NULL;
}

int ingest_thread_start(struct ingest_thread *thread)
{
	return pthread_create(&thread->thread, NULL, ingest_thread_main, thread) ? ERR_LIMIT : 0;
}

void ingest_thread_stop(struct ingest_thread *thread)
{
	queue_push_signal(thread->inbox, MSG_STOP);
	pthread_join(thread->thread, NULL);
}

void ingest_thread_fini(struct ingest_thread *thread)
{
	own_metrics_fini(thread);
	if (thread->server)
		http_server_free(thread->server);
	if (thread->web)
		web_free(thread->web);
	if (thread->decoder)
		rw_decoder_free(thread->decoder);
	if (thread->loop)
		loop_free(thread->loop);
	queue_discard(thread->inbox);
}
