/*
 * Profiles pushed over HTTP: POST /ingest, /push.v1.PusherService/Push, /v1development/profiles.
 *
 * The body goes to ingest thread 0, which decodes it and gives its series to the engine; the answer
 * comes back to the thread whose server holds the request, and waits until the series are applied.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"
#include "daemon/threads.h"

#define TEXT_TYPE "text/plain; charset=utf-8"
#define TOO_BUSY "too busy, try again"

/* connectrpc.com/docs/protocol: errors of unary calls. */
static void connect_error_write(int status, const char *why, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_field_string(&w, "code",
			  status == 503	  ? SLICE("unavailable")
			  : status == 413 ? SLICE("resource_exhausted")
			  : status == 500 ? SLICE("internal")
					  : SLICE("invalid_argument"));
	json_field_string(&w, "message", slice_from(why));
	json_end_object(&w);
}

struct reply {
	struct http_reply http;
	struct buf body;
};

static const struct http_header retry_after = { "Retry-After", "1" };

/* The answer in the form of the protocol: its content type. */
static const char *body_write(enum profiles_protocol protocol, int status, const char *why,
			      const struct otlp_result *otlp, struct buf *out)
{
	bool good = status / 100 == 2;

	switch (protocol) {
	case PROFILES_INGEST:
		if (!good)
			buf_printf(out, "%s\n", why);
		return TEXT_TYPE;
	case PROFILES_PUSH:
		if (good)
			return "application/proto";
		connect_error_write(status, why, out);
		return "application/json";
	case PROFILES_PUSH_JSON:
		if (good)
			buf_add_str(out, "{}");
		else
			connect_error_write(status, why, out);
		return "application/json";
	case PROFILES_OTLP:
		if (good)
			otlp_reply(OTLP_PROFILES, otlp, out);
		else
			otlp_reply_refused(status, otlp, out);
		return otlp->json ? "application/json" : "application/x-protobuf";
	case PROFILES_PROTOCOLS:
		break;
	}
	return NULL;
}

static void reply_make(enum profiles_protocol protocol, int status, const char *why,
		       const struct otlp_result *otlp, struct reply *reply)
{
	buf_init(&reply->body);
	const char *type = body_write(protocol, status, why, otlp, &reply->body);

	reply->http = (struct http_reply){ .status = status,
					   .content_type = type,
					   .headers = &retry_after,
					   .nheaders = status == 503,
					   .body = buf_slice(&reply->body) };
}

/* OTLP's refusals travel in its own result. */
static struct otlp_result otlp_refusal(bool json, const char *why)
{
	struct otlp_result result = { .json = json };

	snprintf(result.error, sizeof(result.error), "%s", why);
	return result;
}

static void refuse(struct ingest_thread *thread, struct http_request *request,
		   enum profiles_protocol protocol, bool json, int status, const char *why)
{
	struct otlp_result otlp = otlp_refusal(json, why);
	struct reply reply;

	atomic_fetch_add_explicit(status == 503 ? &thread->refused_full : &thread->refused_bad, 1,
				  memory_order_relaxed);
	reply_make(protocol, status, why, &otlp, &reply);
	http_reply(request, &reply.http);
	buf_fini(&reply.body);
}

static void reply_later(struct ingest_thread *thread, struct http_token token,
			enum profiles_protocol protocol, int status, const char *why,
			const struct otlp_result *otlp)
{
	struct reply reply;

	reply_make(protocol, status, why, otlp, &reply);
	http_reply_to(thread->server, token, &reply.http);
	buf_fini(&reply.body);
}

void profiles_on_refused(struct ingest_thread *thread, struct profiles_msg *msg)
{
	if (msg->status / 100 != 2)
		msg->otlp = otlp_refusal(msg->otlp.json, msg->why);
	reply_later(thread, (struct http_token){ msg->slot, msg->generation }, msg->protocol,
		    msg->status, msg->why, &msg->otlp);
	profiles_msg_free(msg);
}

void profiles_on_applied(void *ctx, struct batch *batch)
{
	struct profiles_answer *answer = batch->decoder_data;
	const struct batch_outcome *outcome = &batch->outcome;
	bool good = !batch_is_rejected(outcome);
	char why[PROFILES_WHY_MAX];

	snprintf(
		why, sizeof(why),
		"of %u series %u have another value at that time already, %u are beyond the limits "
		"of series, %u are in the future",
		batch->nrows, outcome->conflict, outcome->limited, outcome->future);
	/* OTLP knows partial success. */
	if (!good && answer->protocol == PROFILES_OTLP) {
		good = true;
		answer->otlp.rejected++;
		if (!answer->otlp.error[0])
			snprintf(answer->otlp.error, sizeof(answer->otlp.error), "%s", why);
	}
	reply_later(ctx, (struct http_token){ batch->slot, batch->generation }, answer->protocol,
		    good ? 200 : 400, why, &answer->otlp);
	batch_free(batch);
}

/* ---- the request ---- */

void profiles_msg_free(struct profiles_msg *msg)
{
	for (size_t i = 0; i < sizeof(msg->texts) / sizeof(*msg->texts); i++)
		free(msg->texts[i]);
	free(msg->content_type);
	free(msg->body);
	free(msg);
}

static void params_take(struct profiles_msg *msg, struct http_request *request)
{
	static const char *const names[] = {
		"name", "from", "until", "format", "sampleRate", "cpus"
	};
	const char **const params[] = { &msg->params.name,	  &msg->params.from,
					&msg->params.until,	  &msg->params.format,
					&msg->params.sample_rate, &msg->params.cpus };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		*params[i] = msg->texts[i] = http_request_param(request, names[i], 0);
}

static struct profiles_msg *msg_make(struct ingest_thread *thread, struct http_request *request,
				     enum profiles_protocol protocol, struct slice body,
				     const struct otlp_result *otlp)
{
	struct slice encoding = http_request_header(request, "Content-Encoding");
	struct profiles_msg *msg = calloc(1, sizeof(*msg));

	if (!msg)
		return NULL;
	msg->protocol = protocol;
	msg->thread = thread->number;
	msg->is_gzipped = protocol != PROFILES_OTLP && encoding.len >= 4 &&
			  strncasecmp(encoding.ptr + encoding.len - 4, "gzip", 4) == 0;
	msg->body = slice_dup(body);
	msg->len = body.len;
	msg->content_type = slice_dup(http_request_header(request, "Content-Type"));
	if (!msg->body || !msg->content_type) {
		profiles_msg_free(msg);
		return NULL;
	}
	if (otlp)
		msg->otlp = *otlp;
	msg->params.content_type = slice_from(msg->content_type);
	if (protocol == PROFILES_INGEST)
		params_take(msg, request);
	ingest_sender(request, &msg->sender);
	msg->item.kind = MSG_PROFILES;
	msg->item.cost = sizeof(*msg) + body.len;
	return msg;
}

static bool is_open(struct ingest_thread *thread)
{
	return ingest_is_open(thread) &&
	       queue_bytes(thread->daemon->ingest[0].inbox) <= PROFILES_WAITING_BYTES_MAX;
}

/* To thread 0; the request is kept for its answer. otlp: NULL, but for OTLP. */
static void hand_over(struct ingest_thread *thread, struct http_request *request,
		      enum profiles_protocol protocol, struct slice body,
		      const struct otlp_result *otlp)
{
	struct profiles_msg *msg = msg_make(thread, request, protocol, body, otlp);
	bool json = otlp && otlp->json;
	struct http_token token;

	if (!msg) {
		refuse(thread, request, protocol, json, 500, error_text(ERR_NOMEM));
		return;
	}
	if (http_defer(request, &token)) {
		refuse(thread, request, protocol, json, 503, TOO_BUSY);
		profiles_msg_free(msg);
		return;
	}
	msg->slot = token.slot;
	msg->generation = token.generation;
	if (queue_push(thread->daemon->ingest[0].inbox, &msg->item, false)) {
		msg->status = 503;
		snprintf(msg->why, sizeof(msg->why), TOO_BUSY);
		profiles_on_refused(thread, msg);
	}
}

static void push_request(struct ingest_thread *thread, struct http_request *request,
			 enum profiles_protocol protocol)
{
	if (!is_open(thread))
		refuse(thread, request, protocol, false, 503, TOO_BUSY);
	else
		hand_over(thread, request, protocol, http_request_body(request), NULL);
}

static bool is_post(struct http_request *request)
{
	if (http_request_method(request) == HTTP_POST)
		return true;
	ingest_reply_post_only(request, "profiles are pushed by POST\n");
	return false;
}

void profiles_ingest_request(struct ingest_thread *thread, struct http_request *request)
{
	if (is_post(request))
		push_request(thread, request, PROFILES_INGEST);
}

static bool is_type(struct slice header, const char *type)
{
	size_t len = strlen(type);

	return header.len >= len && strncasecmp(header.ptr, type, len) == 0 &&
	       (header.len == len || header.ptr[len] == ';' || header.ptr[len] == ' ');
}

void profiles_push_request(struct ingest_thread *thread, struct http_request *request)
{
	struct slice type = http_request_header(request, "Content-Type");

	if (!is_post(request))
		return;
	if (is_type(type, "application/json"))
		push_request(thread, request, PROFILES_PUSH_JSON);
	else if (is_type(type, "application/proto") || is_type(type, "application/x-protobuf"))
		push_request(thread, request, PROFILES_PUSH);
	else
		refuse(thread, request, PROFILES_PUSH, false, 415,
		       "application/proto or application/json is wanted");
}

/* Made protobuf of here, so that the other thread has less to do. */
void profiles_otlp_request(struct ingest_thread *thread, struct http_request *request)
{
	const struct otlp_request otlp = {
		.signal = OTLP_PROFILES,
		.content_type = http_request_header(request, "Content-Type"),
		.content_encoding = http_request_header(request, "Content-Encoding"),
		.body = http_request_body(request),
	};
	struct otlp_result result = { 0 };
	struct slice message;

	if (!is_post(request))
		return;
	if (!is_open(thread)) {
		refuse(thread, request, PROFILES_OTLP, false, 503, TOO_BUSY);
		return;
	}
	int status = otlp_open(thread->otlp, &otlp, &result, &message);

	if (status)
		refuse(thread, request, PROFILES_OTLP, result.json, status, result.error);
	else
		hand_over(thread, request, PROFILES_OTLP, message, &result);
}
