/*
 * What http_server.c and http_request.c share: connections and requests, as we follow them beside
 * evhttp.
 *
 * evhttp owns its connections and requests; ours hang on them. A connection of ours ends in
 * evhttp's close callback, a request of ours with its reply or its connection, whichever is first.
 */
#ifndef TOCSIN_BASE_HTTP_INTERNAL_H
#define TOCSIN_BASE_HTTP_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/http.h>

#include "base/http_server.h"

struct http_conn {
	struct http_conn *next, *prev;
	struct http_server *server;
	struct bufferevent *bev;
	struct evhttp_connection *evcon;
	int fd;
	bool receiving;		      /* a request has begun and not come in full */
	bool dropped;		      /* by us */
	bool watched;		      /* `closed` is pending */
	size_t received;	      /* bytes since the request began */
	struct event deadline;	      /* of the request that comes in */
	struct event closed;	      /* the peer hung up while its request was deferred */
	struct http_request *request; /* handed to the handler and not answered yet */
};

struct http_request {
	struct http_server *server;
	struct http_conn *conn;
	struct evhttp_request *evreq;
	char *path;
	size_t path_len;
	struct slice query;
	bool deferred;
	struct http_token token;   /* when deferred */
	void (*on_end)(void *ctx); /* NULL: nobody wants to know */
	void *on_end_ctx;
};

/* Makes conn->request of what evhttp read; NULL when out of memory. */
struct http_request *http_request_new(struct http_conn *conn, struct evhttp_request *evreq);
/* Frees ours and the token; evhttp's own is evhttp's. */
void http_request_free(struct http_request *request);

/* Slots of deferred requests; ERR_FULL, ERR_NOMEM. */
int http_slot_take(struct http_server *server, struct http_request *request,
		   struct http_token *token);
void http_slot_release(struct http_server *server, struct http_token token);
/* NULL when it is gone. */
struct http_request *http_slot_get(struct http_server *server, struct http_token token);

/* From http_defer() to the reply: a peer that hangs up frees the connection. */
void http_conn_watch(struct http_conn *conn);
void http_conn_unwatch(struct http_conn *conn);
bool http_server_is_draining(const struct http_server *server);

#endif
