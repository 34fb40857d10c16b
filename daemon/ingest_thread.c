#include "daemon/threads.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/log_sources.h"

#define IDLE_TIMEOUT_MS (5 * 60 * 1000)
#define CONNECTIONS_MAX 10000

/* Protocols that bring data. All other paths are the API's. */
static const struct ingest_route {
	const char *path;
	void (*request)(struct ingest_thread *thread, struct http_request *request);
} routes[] = {
	{ "/api/v1/write", remote_write_request },
	{ "/api/v1/push", remote_write_request },
	{ "/loki/api/v1/push", loki_request },
	{ "/v1/metrics", otlp_metrics_post },
	{ "/api/v1/otlp/v1/metrics", otlp_metrics_post },
	{ "/otlp/v1/metrics", otlp_metrics_post },
	{ "/v1/logs", otlp_logs_post },
	{ "/api/v1/otlp/v1/logs", otlp_logs_post },
	{ "/otlp/v1/logs", otlp_logs_post },
	{ "/v1development/profiles", profiles_otlp_request },
	{ "/api/v1/otlp/v1development/profiles", profiles_otlp_request },
	{ "/otlp/v1development/profiles", profiles_otlp_request },
	{ "/ingest", profiles_ingest_request },
	{ "/push.v1.PusherService/Push", profiles_push_request },
};

bool ingest_is_open(struct ingest_thread *thread)
{
	struct daemon *daemon = thread->daemon;

	return !atomic_load_explicit(&daemon->draining, memory_order_relaxed) &&
	       queue_bytes(daemon->store.inbox) + atomic_load(&daemon->store.waiting_bytes) <=
		       (size_t)atomic_load(&daemon->queue_bytes_max);
}

void ingest_sender(struct http_request *request, struct batch_sender *sender)
{
	struct slice peer = http_request_peer(request), agent = http_request_header(request, "User-Agent");

	snprintf(sender->name, sizeof(sender->name), SLICE_FMT " " SLICE_FMT, SLICE_ARG(peer), SLICE_ARG(agent));
	sender->hash = hash_fnv1a64(FNV1A64_INIT, sender->name, strlen(sender->name));
}

int ingest_push(struct ingest_thread *thread, struct batch *batch, void (*done)(void *thread, struct batch *batch))
{
	batch->thread = thread->number;
	batch->arrived_us = clock_monotonic_us();
	batch->item.kind = MSG_BATCH;
	batch->done = done;
	return queue_push(thread->daemon->engine.inbox, &batch->item, false);
}

void ingest_reply_post_only(struct http_request *request, const char *why)
{
	struct http_header allow = { "Allow", "POST" };

	http_reply(request, &(struct http_reply){ .status = 405, .headers = &allow, .nheaders = 1,
						  .content_type = "text/plain; charset=utf-8", .body = slice_from(why) });
}

static void on_request(void *ctx, struct http_request *request)
{
	struct ingest_thread *thread = ctx;

	atomic_fetch_add_explicit(&thread->requests, 1, memory_order_relaxed);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		if (slice_is(http_request_path(request), routes[i].path)) {
			if (web_origin_pass(thread->web, request))
				routes[i].request(thread, request);
			return;
		}
	web_request(thread->web, request);
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
				     .queries = { .subquery_step_ms = config->subquery_step_ms,
						  .delayed_names = config->delayed_names },
				     .query_offset_ms = config->rule_query_offset_ms,
				     .thread = thread->number };
}

static void on_config(struct ingest_thread *thread, struct msg_load *msg)
{
	struct web_options web = web_options(thread, msg->config);
	int code = web_configure(thread->web, &web);

	thread->batch_bytes_max = (size_t)msg->config->queue_bytes_max;
	rw_decoder_relabel(thread->decoder, msg->config->remote_write_relabel);
	otlp_decoder_relabel(thread->otlp, msg->config->otlp_relabel);
	loki_relabel(thread, msg->config->loki_relabel);
	if (thread->number == 0)
		profiles_configure(thread, msg->config, msg->rules);
	if (code)
		log_error("web", "the old hosts and limits stay in force", "error=%s",
			  log_quote(slice_from(error_text(code))));
	if (thread->sources)
		log_sources_configure(thread->sources, msg->config);
	message_free(&msg->item);
}

static void on_extractors(struct ingest_thread *thread, struct msg_load *msg)
{
	msg->code = log_feed_use(thread->feed, msg->extractors);
	queue_push(thread->daemon->inbox, &msg->item, true);
}

/*
 * A batch comes home. One that the storage does not have in time is answered here, whatever its
 * protocol: the answer that its own code gives after that finds nobody any more.
 */
static void on_batch(struct ingest_thread *thread, struct batch *batch)
{
	struct http_token token = { batch->slot, batch->generation };
	struct http_header retry = { "Retry-After", "1" };

	if (batch->outcome.unconfirmed)
		http_reply_to(thread->server, token,
			      &(struct http_reply){
				      .status = 503,
				      .headers = &retry,
				      .nheaders = 1,
				      .content_type = "text/plain; charset=utf-8",
				      .body = SLICE("not stored in time, try again\n") });
	batch->done(thread, batch);
}

static void on_message(void *ctx, struct queue_item *item)
{
	struct ingest_thread *thread = ctx;

	switch ((enum message_kind)item->kind) {
	case MSG_BATCH:
		on_batch(thread, (struct batch *)item);
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
	case MSG_EXTRACTORS:
		on_extractors(thread, (struct msg_load *)item);
		return;
	case MSG_PROFILES:
		profiles_on_msg(thread, (struct profiles_msg *)item);
		return;
	case MSG_PROFILES_REFUSED:
		profiles_on_refused(thread, (struct profiles_msg *)item);
		return;
	case MSG_PROFILE_CALL:
		profiles_on_call(thread, (struct call *)item);
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

	call->thread = thread->number;
	call->item.cost = sizeof(*call);
	return call_send(thread->daemon, call, owner, false);
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

	return atomic_load(&thread->daemon->ready) && !atomic_load(&thread->daemon->store.fenced);
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

static void host_overview(void *ctx, struct json_writer *w)
{
	struct ingest_thread *thread = ctx;

	daemon_overview(thread->daemon, w);
}

static bool host_log_counters(void *ctx, struct slice name, uint32_t guess,
			      struct extractor_counters *out)
{
	struct ingest_thread *thread = ctx;

	return extractors_counters(&thread->daemon->extractors, name, guess, out);
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

/* Where it cannot listen, another address may be right. */
static int listen_at(struct ingest_thread *thread, struct http_server_options http, char **why)
{
	int code = thread->number == 0 && http.port ? check_port_free(thread, http, why) : 0;
	char *told;

	if (!code)
		code = http_server_new(thread->loop, &http, on_request, thread, &thread->server, why);
	told = *why;
	if (code && told && asprintf(why, "%s; --listen, or web.listen_address, takes another address", told) < 0)
		*why = told;
	else if (code)
		free(told);
	return code;
}

int ingest_thread_init(struct ingest_thread *thread, struct daemon *daemon, uint32_t number, uint16_t port, char **why)
{
	struct config *config = daemon->config;
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
				 .metrics = host_metrics,
				 .overview = host_overview,
				 .log_counters = host_log_counters };

	thread->daemon = daemon;
	thread->number = number;
	thread->loopback = is_loopback(config->listen_host);
	thread->batch_bytes_max = (size_t)config->queue_bytes_max;
	thread->loop = loop_new();
	thread->inbox = queue_new(SIZE_MAX, SIZE_MAX);
	thread->decoder = rw_decoder_new(&daemon->rw);
	thread->feed = log_feed_new(&daemon->rw.key);
	thread->loki = loki_decoder_new();
	thread->otlp = otlp_decoder_new(&daemon->rw.key);
	thread->loki_counters = log_counters_get(&daemon->log_counters, "loki");
	thread->otlp_counters = log_counters_get(&daemon->log_counters, "otlp");
	if (!thread->loop || !thread->inbox || !thread->decoder || !thread->feed || !thread->loki || !thread->otlp)
		return ERR_NOMEM;
	if (log_feed_use(thread->feed, daemon->extractors.set))
		return ERR_NOMEM;
	rw_decoder_relabel(thread->decoder, config->remote_write_relabel);
	otlp_decoder_relabel(thread->otlp, config->otlp_relabel);
	loki_relabel(thread, config->loki_relabel);
	struct web_options web = web_options(thread, config);
	int code = web_new(&host, &web, &thread->web);

	if (code)
		return code;
	code = listen_at(thread, http, why);
	if (code || (number == 0 && (code = own_metrics_init(thread))) ||
	    (number == 0 && (code = profiles_init(thread, config, why))) ||
	    (number == 0 && (code = log_sources_new(thread, config, &thread->sources))))
		return code;
	return loop_queue_add(thread->loop, thread->inbox, on_message, thread);
}

void ingest_thread_fini(struct ingest_thread *thread)
{
	log_sources_free(thread->sources);
	own_metrics_fini(thread);
	profiles_fini(thread);
	if (thread->server)
		http_server_free(thread->server);
	if (thread->web)
		web_free(thread->web);
	if (thread->decoder)
		rw_decoder_free(thread->decoder);
	loki_decoder_free(thread->loki);
	loki_relabel(thread, NULL);
	otlp_decoder_free(thread->otlp);
	log_feed_free(thread->feed);
	if (thread->loop)
		loop_free(thread->loop);
	queue_discard(thread->inbox);
}
