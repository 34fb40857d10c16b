#include "base/http_internal.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"

/* %41 → A, and + → blank where asked; what is no escape stays. Out has room for text.len + 1. */
static size_t percent_decode(struct slice text, bool plus, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		int high = c == '%' && i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
		if (low >= 0) {
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return n;
}

/* Cuts text at the first c; what follows it, or an empty slice. */
static struct slice cut(struct slice *text, char c)
{
	ptrdiff_t at = slice_find(*text, c);
	if (at < 0)
		return (struct slice){ NULL, 0 };
	struct slice rest = { text->ptr + at + 1, text->len - (size_t)at - 1 };
	text->len = (size_t)at;
	return rest;
}

/* The path of a request's target: "/a?b#c", "http://host/a?b", "*"; *query is set beside. */
static struct slice split_uri(struct slice uri, struct slice *query)
{
	cut(&uri, '#');
	*query = cut(&uri, '?');
	size_t scheme = slice_has_prefix(uri, SLICE("http://"))	   ? 7
			: slice_has_prefix(uri, SLICE("https://")) ? 8
								   : 0;
	if (!scheme)
		return uri;
	struct slice host = { uri.ptr + scheme, uri.len - scheme };
	ptrdiff_t slash = slice_find(host, '/');
	if (slash < 0)
		return SLICE("/");
	return (struct slice){ host.ptr + slash, host.len - (size_t)slash };
}

struct http_request *http_request_new(struct http_conn *conn, struct evhttp_request *evreq)
{
	struct http_request *request = calloc(1, sizeof(*request));
	if (!request)
		return NULL;
	*request = (struct http_request){ .server = conn->server, .conn = conn, .evreq = evreq };
	struct slice path = split_uri(slice_from(evhttp_request_get_uri(evreq)), &request->query);
	request->path = malloc(path.len + 1);
	if (!request->path) {
		free(request);
		return NULL;
	}
	request->path_len = percent_decode(path, false, request->path);
	conn->request = request;
	return request;
}

void http_request_free(struct http_request *request)
{
	if (request->deferred)
		http_slot_release(request->server, request->token);
	if (request->on_end)
		request->on_end(request->on_end_ctx);
	request->conn->request = NULL;
	free(request->path);
	free(request);
}

enum http_method http_request_method(const struct http_request *request)
{
	switch (evhttp_request_get_command(request->evreq)) {
	case EVHTTP_REQ_GET:
		return HTTP_GET;
	case EVHTTP_REQ_HEAD:
		return HTTP_HEAD;
	case EVHTTP_REQ_POST:
		return HTTP_POST;
	case EVHTTP_REQ_PUT:
		return HTTP_PUT;
	case EVHTTP_REQ_DELETE:
		return HTTP_DELETE;
	case EVHTTP_REQ_OPTIONS:
		return HTTP_OPTIONS;
	default:
		return HTTP_OTHER;
	}
}

struct slice http_request_path(const struct http_request *request)
{
	return (struct slice){ request->path, request->path_len };
}

struct slice http_request_query(const struct http_request *request)
{
	return request->query;
}

struct slice http_request_body(struct http_request *request)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request->evreq);
	size_t len = evbuffer_get_length(body);
	return (struct slice){ len ? (const char *)evbuffer_pullup(body, -1) : NULL, len };
}

struct slice http_request_header(const struct http_request *request, const char *name)
{
	return slice_from(
		evhttp_find_header(evhttp_request_get_input_headers(request->evreq), name));
}

struct slice http_request_peer(const struct http_request *request)
{
	char *address;
	ev_uint16_t port;
	evhttp_connection_get_peer(request->conn->evcon, &address, &port);
	return slice_from(address);
}

/* The index-th value of a name in "a=b&c=d"; *index counts down over what did not match. */
static char *form_find(struct slice form, const char *name, size_t *index)
{
	while (form.len) {
		struct slice key = form, rest = cut(&key, '&'), value = cut(&key, '=');
		form = rest;
		char *decoded = malloc((key.len > value.len ? key.len : value.len) + 1);
		if (!decoded)
			return NULL;
		percent_decode(key, true, decoded);
		if (strcmp(decoded, name) == 0 && (*index)-- == 0) {
			percent_decode(value, true, decoded);
			return decoded;
		}
		free(decoded);
	}
	return NULL;
}

static bool has_form(const struct http_request *request)
{
	static const char type[] = "application/x-www-form-urlencoded";
	struct slice given = http_request_header(request, "Content-Type");
	return http_request_method(request) == HTTP_POST && given.len >= sizeof(type) - 1 &&
	       strncasecmp(given.ptr, type, sizeof(type) - 1) == 0;
}

char *http_request_param(struct http_request *request, const char *name, size_t index)
{
	char *value =
		has_form(request) ? form_find(http_request_body(request), name, &index) : NULL;
	return value ? value : form_find(request->query, name, &index);
}

static bool is_field_name(const char *name)
{
	return *name &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "!#$%&'*+-.^_`|~") == strlen(name);
}

static void add_header(struct evkeyvalq *headers, const char *name, const char *value)
{
	if (value && is_field_name(name) && !strpbrk(value, "\r\n"))
		evhttp_add_header(headers, name, value);
}

static void add_headers(struct http_request *request, const struct http_reply *reply)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request->evreq);
	for (size_t i = 0; i < reply->nheaders; i++)
		add_header(headers, reply->headers[i].name, reply->headers[i].value);
	if (reply->content_type) {
		evhttp_remove_header(headers, "Content-Type");
		add_header(headers, "Content-Type", reply->content_type);
	}
	if (http_server_is_draining(request->server)) {
		evhttp_remove_header(headers, "Connection");
		add_header(headers, "Connection", "close");
	}
}

/* The body, or for HEAD only its length; 1xx, 204 and 304 have none. */
static bool add_body(struct http_request *request, const struct http_reply *reply)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request->evreq);
	if (reply->status < 200 || reply->status == 204 || reply->status == 304)
		return true;
	if (http_request_method(request) == HTTP_HEAD) {
		char length[24];
		snprintf(length, sizeof(length), "%zu", reply->body.len);
		evhttp_remove_header(headers, "Content-Length");
		return evhttp_add_header(headers, "Content-Length", length) == 0;
	}
	return reply->body.len == 0 ||
	       evbuffer_add(evhttp_request_get_output_buffer(request->evreq), reply->body.ptr,
			    reply->body.len) == 0;
}

void http_reply(struct http_request *request, const struct http_reply *reply)
{
	struct evhttp_request *evreq = request->evreq;
	add_headers(request, reply);
	int status = add_body(request, reply) ? reply->status : 500;
	http_conn_unwatch(request->conn);
	http_request_free(request);
	evhttp_send_reply(evreq, status, NULL, NULL);
}

int http_defer(struct http_request *request, struct http_token *token)
{
	int rc = http_slot_take(request->server, request, &request->token);
	if (rc)
		return rc;
	request->deferred = true;
	*token = request->token;
	http_conn_watch(request->conn);
	return 0;
}

void http_on_end(struct http_request *request, void (*fn)(void *ctx), void *ctx)
{
	request->on_end = fn;
	request->on_end_ctx = ctx;
}

void http_reply_to(struct http_server *server, struct http_token token,
		   const struct http_reply *reply)
{
	struct http_request *request = http_slot_get(server, token);
	if (request)
		http_reply(request, reply);
}
