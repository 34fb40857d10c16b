/*
 * Silences: Alertmanager's API (GET, POST /api/v2/silences; GET, DELETE /api/v2/silence/ID), for
 * amtool and whatever else speaks it; and two requests of our own for the page: silence this alert
 * for so long, and end a silence.
 */
#include "web/silence_json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "web/web_internal.h"

#define FILTERS_MAX 64
#define UUID_LEN 36
#define CODE_INVALID 601 /* of Alertmanager's API: a value is not of its format */

/* Alertmanager tells what is wrong as one JSON string. */
static void fail_text(struct call *call, int status, const char *text)
{
	struct json_writer w;

	call->status = status;
	buf_clear(&call->out);
	json_writer_init(&w, &call->out);
	json_str(&w, slice_from(text));
}

static void reply_text(struct http_request *request, int status, const char *text)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out);
	json_writer_init(&w, &out);
	json_str(&w, slice_from(text));
	web_reply(request, status, JSON_TYPE, buf_slice(&out));
	buf_fini(&out);
}

/* ---- the list ---- */

static void filter_free(void *data)
{
	struct silence_filter *filter = data;

	matchers_free(filter->matchers, filter->n);
	free(filter);
}

static void list_run(struct call *call, void *owner)
{
	struct json_writer w;

	json_writer_init(&w, &call->out);
	if (silences_format(&w, owner, call->data, SILENCES_MAX, call->now_ms))
		fail_text(call, 500, "out of memory");
}

/* What is wrong with the filters, to free(), or NULL. */
static char *read_filters(struct http_request *request, struct silence_filter *filter)
{
	char *text, *why = NULL;

	for (size_t i = 0; !why && (text = http_request_param(request, "filter", i)); i++) {
		if (i == FILTERS_MAX)
			why = strdup("too many filters");
		else if (matchers_parse(slice_from(text), &filter->matchers, &filter->n, &why) &&
			 !why)
			why = strdup("bad filter");
		free(text);
	}
	return why;
}

HANDLER(on_silences)
{
	struct call *call = call_new(list_run);
	struct silence_filter *filter = calloc(1, sizeof(*filter));
	char *why;

	if (!call || !filter) {
		call_free(call);
		free(filter);
		web_send(web, request, CALL_ACTIONS, NULL);
		return;
	}
	call->data = filter;
	call->data_free = filter_free;
	if (!(why = read_filters(request, filter))) {
		web_send(web, request, CALL_ACTIONS, call);
		return;
	}
	reply_text(request, 400, why);
	free(why);
	call_free(call);
}

/* ---- adding ---- */

static void silence_free(void *data)
{
	silence_fini(data);
	free(data);
}

static void add_run(struct call *call, void *owner)
{
	const struct silence *silence = call->data;
	struct json_writer w;
	char id[40], why[256] = "";
	int code = actions_silence_set(owner, silence, call->now_ms, id, why);

	if (code) {
		fail_text(call,
			  code == ERR_NOT_FOUND ? 404
			  : code == ERR_NOMEM	? 500
						: 400,
			  why[0] ? why : error_text(code));
		return;
	}
	json_writer_init(&w, &call->out);
	json_begin_object(&w);
	json_field_string(&w, "silenceID", slice_from(id));
	json_end_object(&w);
}

/* Takes what the silence holds. */
static void send_silence(struct web *web, struct http_request *request, struct silence *silence)
{
	struct call *call = call_new(add_run);
	struct silence *copy = malloc(sizeof(*copy));

	if (!call || !copy) {
		call_free(call);
		free(copy);
		silence_fini(silence);
		reply_text(request, 500, "out of memory");
		return;
	}
	*copy = *silence;
	call->data = copy;
	call->data_free = silence_free;
	web_send(web, request, CALL_ACTIONS, call);
}

/* A form cannot send it; as in Alertmanager. */
static bool has_json(struct http_request *request)
{
	struct slice type = http_request_header(request, "Content-Type");

	return type.len >= strlen(JSON_TYPE) &&
	       strncasecmp(type.ptr, JSON_TYPE, strlen(JSON_TYPE)) == 0;
}

HANDLER(on_silence_add)
{
	struct silence silence;
	char why[256] = "out of memory";

	if (!has_json(request)) {
		reply_text(request, 415, "unsupported media type: only application/json is read");
		return;
	}
	int code = silence_parse(http_request_body(request), &silence, why);

	if (code)
		reply_text(request, code == ERR_NOMEM ? 500 : 400, why);
	else
		send_silence(web, request, &silence);
}

HANDLER(on_own_silence_add)
{
	struct silence silence;
	char why[256] = "out of memory";
	int code = silence_parse_short(http_request_body(request), web->host.now_ms(web->host.ctx),
				       &silence, why);

	if (code)
		web_fail(request, code == ERR_NOMEM ? 500 : 400, "bad_data", "%s", why);
	else
		send_silence(web, request, &silence);
}

/* ---- one silence ---- */

static bool is_uuid(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text.ptr[i] != '-' : !strchr("0123456789abcdefABCDEF", text.ptr[i]))
			return false;
	}
	return text.len == UUID_LEN;
}

static void get_run(struct call *call, void *owner)
{
	const struct silence *silence = actions_silence_find(owner, call->args[0]);
	struct json_writer w;

	if (!silence) {
		call->status = 404;
		return;
	}
	json_writer_init(&w, &call->out);
	silence_format(&w, silence, call->now_ms);
}

static void expire_run(struct call *call, void *owner)
{
	int code = actions_silence_expire(owner, call->args[0], call->now_ms);

	if (code)
		call->status = code == ERR_NOT_FOUND ? 404 : 500;
}

static void send_id(struct web *web, struct http_request *request, struct slice id,
		    void (*run)(struct call *call, void *owner))
{
	struct json_writer w;
	struct buf out;

	if (is_uuid(id)) {
		struct call *call = call_new(run);

		if (call && !(call->args[0] = arena_strdup(&call->arena, id))) {
			call_free(call);
			call = NULL;
		}
		web_send(web, request, CALL_ACTIONS, call);
		return;
	}
	buf_init(&out);
	json_writer_init(&w, &out);
	json_begin_object(&w);
	json_field_int(&w, "code", CODE_INVALID);
	json_field_string(&w, "message", SLICE("silenceID in path must be of type uuid"));
	json_end_object(&w);
	web_reply(request, 422, JSON_TYPE, buf_slice(&out));
	buf_fini(&out);
}

HANDLER(on_silence)
{
	send_id(web, request, rest, get_run);
}

HANDLER(on_silence_expire)
{
	send_id(web, request, rest, expire_run);
}
