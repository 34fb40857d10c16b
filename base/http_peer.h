/*
 * A server that we write to or ask regularly: its address, who we are to it, and how TLS is done.
 *
 * Secrets that stand in files are read at each request, so that a new one takes effect at once.
 * All texts are the configuration's.
 */
#ifndef TOCSIN_BASE_HTTP_PEER_H
#define TOCSIN_BASE_HTTP_PEER_H

#include "base/http_client.h"

#define HTTP_SECRET_MAX 8192	 /* bytes of a secret in a file; of its first line only */
#define HTTP_PEER_HEADERS_MAX 64 /* those that are configured and those of a request, together */

struct http_peer {
	const char *url;
	const struct http_header *headers; /* besides those of each request */
	size_t nheaders;
	/* Basic authentication: no username, none; a password or its file. */
	const char *username, *password, *password_file;
	/* The Authorization header: "Bearer" and a secret or its file; NULL: none. */
	const char *auth_type, *credentials, *credentials_file;
	const char *ca_file, *cert_file, *key_file, *server_name;
	bool insecure_skip_verify, follow_redirects;
	int64_t timeout_ms;
};

/*
 * As http_send(), where to and as whom by the peer: `what` says method, headers, body, response_max
 * and header_wanted, and a URL if it is not the peer's own. ERR_IO: a file with a secret cannot be
 * read (errno), or holds none; ERR_LIMIT: too many headers, a secret too long.
 */
int http_peer_send(struct http_client *client, const struct http_peer *peer,
		   const struct http_send *what,
		   void (*done)(void *ctx, const struct http_result *result), void *ctx,
		   struct http_call **out);

/* "HTTP 400: no such thing", with the first line of what was said; or why there was no answer. */
void http_explain(const struct http_result *http, char *out, size_t size);

#endif
