/*
 * Profiles pushed over HTTP: POST /ingest, POST /push.v1.PusherService/Push.
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

/* What is wrong, in the form of the protocol. */
static void error_text_write(int status, const char *why, struct buf *out)
{
	buf_printf(out, "%s\n", why);
}

/* connectrpc.com/docs/protocol: errors of unary calls. */
static void error_connect_write(int status, const char *why, struct buf *out)
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

static const struct protocol {
	const char *good_type; /* of the body of a good answer */
	struct slice good;
	const char *bad_type;
	void (*error_write)(int status, const char *why, struct buf *out);
} protocols[PROFILES_PROTOCOLS] = {
	[PROFILES_INGEST] = { NULL, { "", 0 }, TEXT_TYPE, error_text_write },
	[PROFILES_PUSH] = { "application/proto", { "", 0 }, "application/json",
			    error_connect_write },
	[PROFILES_PUSH_JSON] = { "application/json", { "{}", 2 }, "application/json",
				 error_connect_write },
};

struct answer {
	struct http_reply reply;
	struct buf body;
};

static const struct http_header retry_after = { "Retry-After", "1" };

static void answer_make(enum profiles_protocol which, int status, const char *why,
			struct answer *answer)
{
	const struct protocol *protocol = &protocols[which];
	bool good = status / 100 == 2;

	buf_init(&answer->body);
	if (good)
		buf_add_slice(&answer->body, protocol->good);
	else
		protocol->error_write(status, why, &answer->body);
	answer->reply = (struct http_reply){ .status = status,
					     .content_type = good ? protocol->good_type
								  : protocol->bad_type,
					     .headers = &retry_after,
					     .nheaders = status == 503,
					     .body = buf_slice(&answer->body) };
}

static void refuse(struct ingest_thread *thread, struct http_request *request,
		   enum profiles_protocol protocol, int status, const char *why)
{
	struct answer answer;

	atomic_fetch_add_explicit(status == 503 ? &thread->refused_full : &thread->refused_bad, 1,
				  memory_order_relaxed);
	answer_make(protocol, status, why, &answer);
	http_reply(request, &answer.reply);
	buf_fini(&answer.body);
}

static void reply_later(struct ingest_thread *thread, enum profiles_protocol protocol, int status,
			const char *why, uint32_t slot, uint32_t generation)
{
	struct answer answer;

	answer_make(protocol, status, why, &answer);
	http_reply_to(thread->server, (struct http_token){ slot, generation }, &answer.reply);
	buf_fini(&answer.body);
}

void profiles_on_refused(struct ingest_thread *thread, struct profiles_msg *msg)
{
	reply_later(thread, msg->protocol, msg->status, msg->why, msg->slot, msg->generation);
	profiles_msg_free(msg);
}

void profiles_on_applied(void *ctx, struct batch *batch)
{
	enum profiles_protocol protocol = (enum profiles_protocol)(uintptr_t)batch->decoder_data;
	const struct batch_outcome *outcome = &batch->outcome;
	bool good = !batch_is_rejected(outcome);
	char why[PROFILES_WHY_MAX];

	snprintf(why, sizeof(why),
		 "of %u series %u have another value at that time already, %u are beyond the limits "
		 "of series, %u are in the future",
		 batch->nrows, outcome->conflict, outcome->limited, outcome->future);
	reply_later(ctx, protocol, good ? 200 : 400, why, batch->slot, batch->generation);
	batch->decoder_data = NULL;
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
	static const char *const names[] = { "name",   "from",	     "until",
					     "format", "sampleRate", "cpus" };
	const char **const params[] = { &msg->params.name,   &msg->params.from,
					&msg->params.until,  &msg->params.format,
					&msg->params.sample_rate, &msg->params.cpus };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		*params[i] = msg->texts[i] = http_request_param(request, names[i], 0);
}

static struct profiles_msg *msg_make(struct ingest_thread *thread, struct http_request *request,
				     enum profiles_protocol protocol)
{
	struct slice body = http_request_body(request),
		     encoding = http_request_header(request, "Content-Encoding");
	struct profiles_msg *msg = calloc(1, sizeof(*msg));

	if (!msg)
		return NULL;
	msg->protocol = protocol;
	msg->thread = thread->number;
	msg->is_gzipped = encoding.len >= 4 &&
			  strncasecmp(encoding.ptr + encoding.len - 4, "gzip", 4) == 0;
	msg->body = slice_dup(body);
	msg->len = body.len;
	msg->content_type = slice_dup(http_request_header(request, "Content-Type"));
	if (!msg->body || !msg->content_type) {
		profiles_msg_free(msg);
		return NULL;
	}
	msg->params.content_type = slice_from(msg->content_type);
	if (protocol == PROFILES_INGEST)
		params_take(msg, request);
	ingest_sender(request, &msg->sender);
	msg->item.kind = MSG_PROFILES;
	msg->item.cost = sizeof(*msg) + body.len;
	return msg;
}

static void hand_over(struct ingest_thread *thread, struct http_request *request,
		      enum profiles_protocol protocol)
{
	struct queue *inbox = thread->daemon->ingest[0].inbox;
	struct http_token token;

	if (!ingest_is_open(thread) || queue_bytes(inbox) > PROFILES_WAITING_BYTES_MAX) {
		refuse(thread, request, protocol, 503, "too busy, try again");
		return;
	}
	struct profiles_msg *msg = msg_make(thread, request, protocol);

	if (!msg) {
		refuse(thread, request, protocol, 500, error_text(ERR_NOMEM));
		return;
	}
	if (http_defer(request, &token)) {
		refuse(thread, request, protocol, 503, "too busy, try again");
		profiles_msg_free(msg);
		return;
	}
	msg->slot = token.slot;
	msg->generation = token.generation;
	if (queue_push(inbox, &msg->item, false)) {
		reply_later(thread, protocol, 503, "too busy, try again", msg->slot,
			    msg->generation);
		profiles_msg_free(msg);
	}
}

void profiles_ingest_request(struct ingest_thread *thread, struct http_request *request)
{
	if (http_request_method(request) == HTTP_POST)
		hand_over(thread, request, PROFILES_INGEST);
	else
		ingest_reply_post_only(request, "profiles are pushed by POST\n");
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
	bool is_json = is_type(type, "application/json");

	if (http_request_method(request) != HTTP_POST)
		ingest_reply_post_only(request, "profiles are pushed by POST\n");
	else if (!is_json && !is_type(type, "application/proto") &&
		 !is_type(type, "application/x-protobuf"))
		refuse(thread, request, PROFILES_PUSH, 415,
		       "application/proto or application/json is wanted");
	else
		hand_over(thread, request, is_json ? PROFILES_PUSH_JSON : PROFILES_PUSH);
}
