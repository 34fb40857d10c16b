/*
 * HTTP/1.1 server on a loop, on libevent's evhttp.
 *
 * Before the handler hears of a request it is complete and within its limits: larger bodies are
 * answered with 413 by their length alone, a request that has not come in full after timeout_ms is
 * dropped, connections beyond connections_max wait in the listener's backlog. A peer that hangs up,
 * in one direction or both, gives up its deferred request.
 *
 * A request is answered now, or later by its token: (slot, generation), never a pointer, so that an
 * answer to a request whose connection is gone is dropped by itself. Header and body are copied to
 * the connection by http_reply(); all slices of a request live until its handler returns, or, after
 * http_defer(), until the reply.
 */
#ifndef TOCSIN_BASE_HTTP_SERVER_H
#define TOCSIN_BASE_HTTP_SERVER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"

#define HTTP_HEADERS_BYTES_MAX (64 * 1024)
#define HTTP_PENDING_MAX 10000 /* deferred requests of one server */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER,
};

struct http_server;
struct http_request; /* opaque */

struct http_token {
	uint32_t slot, generation;
};

struct http_server_options {
	const char *address;	/* 127.0.0.1 or ::1 or a name */
	uint16_t port;		/* 0: a free one, see http_server_port() */
	size_t body_max;	/* larger: 413 */
	int64_t timeout_ms;	/* of idle connections and slow senders; 0: 50 s */
	bool reuse_port;	/* SO_REUSEPORT: several threads listen on one port */
	size_t connections_max; /* 0: no limit */
};

typedef void http_handler(void *ctx, struct http_request *request);

/*
 * The handler gets every request; routing is its own affair. ERR_IO with *why, a text to free();
 * ERR_NOMEM.
 */
int http_server_new(struct loop *loop, const struct http_server_options *options,
		    http_handler *handler, void *ctx, struct http_server **out, char **why);
/*
 * Closes the listener and all connections; unanswered requests are dropped. Called by a handler, it
 * does so when that returns.
 */
void http_server_free(struct http_server *server);
/* Stops accepting; open requests may still be answered. */
void http_server_drain(struct http_server *server);
uint16_t http_server_port(const struct http_server *server);

enum http_method http_request_method(const struct http_request *request);
/* The path, percent-decoded, without the query. */
struct slice http_request_path(const struct http_request *request);
/* The raw query string. */
struct slice http_request_query(const struct http_request *request);
struct slice http_request_body(struct http_request *request);
/* Empty slice when absent. Name in any case. */
struct slice http_request_header(const struct http_request *request, const char *name);
/* The peer's address as text, without port. */
struct slice http_request_peer(const struct http_request *request);
/*
 * Decoded value of a parameter of a form body (POST) or of the query string, the body's first, as
 * in Prometheus. NULL when absent; else a text to free(). index: 0 for the first of that name, 1
 * for the second…
 */
char *http_request_param(struct http_request *request, const char *name, size_t index);

struct http_header {
	const char *name, *value;
};
struct http_reply {
	int status;
	const char *content_type;	   /* NULL: none */
	const struct http_header *headers; /* further ones; with CR or LF in it, one is left out */
	size_t nheaders;
	struct slice body;
};
/*
 * Answers at once; the request is gone. HEAD, 204 and 304 get no body. A handler that neither
 * answers nor defers has answered 500.
 */
void http_reply(struct http_request *request, const struct http_reply *reply);
/* Keeps the request for a later answer. ERR_FULL: too many wait; answer 503. */
int http_defer(struct http_request *request, struct http_token *token);
/* Calls fn when the deferred request is answered, or gone: once. */
void http_on_end(struct http_request *request, void (*fn)(void *ctx), void *ctx);
/* Answers a deferred request; does nothing when it is gone. */
void http_reply_to(struct http_server *server, struct http_token token,
		   const struct http_reply *reply);

#endif
