/*
 * Outgoing HTTP on a loop: libcurl's multi interface.
 *
 * No redirects unless asked, TLS verified, response read up to a cap, whole request bounded by a
 * timeout. The callback comes exactly once for each started request, never from inside http_send().
 */
#ifndef TOCSIN_BASE_HTTP_CLIENT_H
#define TOCSIN_BASE_HTTP_CLIENT_H

#include <stdint.h>

#include "base/http_server.h"

#define HTTP_RESPONSE_MAX (64 * 1024)
#define HTTP_HEADER_MAX 256 /* bytes of the value of header_wanted; a longer one counts as none */

struct http_client;
struct http_call;

struct http_send {
	const char *method; /* "POST" */
	const char *url;
	const struct http_header *headers;
	size_t nheaders;
	struct slice body; /* copied */
	int64_t timeout_ms;
	size_t response_max; /* bytes of a body that are kept; 0: HTTP_RESPONSE_MAX */
	bool follow_redirects;
	const char *ca_file, *cert_file, *key_file, *server_name; /* NULL: default */
	bool insecure_skip_verify;
	const char *username, *password; /* basic authentication; username NULL: none */
	const char *header_wanted;	 /* of the answer; good until the callback; NULL: none */
};

struct http_result {
	int status;		/* 0: no answer, see error */
	const char *error;	/* transport error text, "" when none */
	struct slice body;	/* at most response_max bytes of it */
	int64_t retry_after_ms; /* of a Retry-After header, -1 when none */
	struct slice header;	/* the value of header_wanted; ptr NULL when the answer has none */
	int64_t duration_us;
};

struct http_client *http_client_new(struct loop *loop);
/* Cancels what is under way, without callbacks. May be called by a callback. */
void http_client_free(struct http_client *client);
/*
 * *out (may be NULL) is good until the callback. ERR_INVALID: CR or LF in a header, a method that
 * is none; ERR_NOMEM. What is wrong with the URL or the peer comes by the callback.
 */
int http_send(struct http_client *client, const struct http_send *send,
	      void (*done)(void *ctx, const struct http_result *result), void *ctx,
	      struct http_call **out);
/* No callback comes any more. From the call's own callback: does nothing. */
void http_call_cancel(struct http_call *call);

#endif
