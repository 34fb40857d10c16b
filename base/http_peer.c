#include "base/http_peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* A secret that is given, or else the first line of its file. */
static int secret_get(const char *given, const char *path, char text[HTTP_SECRET_MAX],
		      const char **out)
{
	if (given || !path) {
		*out = given ? given : "";
		return 0;
	}
	FILE *file = fopen(path, "r");
	if (!file)
		return ERR_IO;
	errno = ENODATA; /* it is empty, unless fgets() knows better */
	char *line = fgets(text, HTTP_SECRET_MAX, file);
	int error = errno;
	bool is_cut = line && !strchr(line, '\n') && fgetc(file) != EOF;
	fclose(file);
	errno = error;
	if (!line)
		return ERR_IO;
	if (is_cut)
		return ERR_LIMIT;
	line[strcspn(line, "\r\n")] = '\0';
	*out = line;
	return 0;
}

static int add_authorization(const struct http_peer *peer, struct http_header *headers, size_t *n,
			     char value[HTTP_SECRET_MAX + 64])
{
	char text[HTTP_SECRET_MAX];
	const char *credentials;
	if (!peer->auth_type)
		return 0;
	int code = secret_get(peer->credentials, peer->credentials_file, text, &credentials);
	if (code)
		return code;
	int len = snprintf(value, HTTP_SECRET_MAX + 64, "%s %s", peer->auth_type, credentials);
	if (len >= HTTP_SECRET_MAX + 64)
		return ERR_LIMIT;
	headers[(*n)++] = (struct http_header){ "Authorization", value };
	return 0;
}

int http_peer_send(struct http_client *client, const struct http_peer *peer,
		   const struct http_send *what,
		   void (*done)(void *ctx, const struct http_result *result), void *ctx,
		   struct http_call **out)
{
	struct http_header headers[HTTP_PEER_HEADERS_MAX + 1];
	char authorization[HTTP_SECRET_MAX + 64], password[HTTP_SECRET_MAX];
	struct http_send send = *what;
	size_t n = 0;
	if (what->nheaders + peer->nheaders > HTTP_PEER_HEADERS_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < what->nheaders; i++)
		headers[n++] = what->headers[i];
	for (size_t i = 0; i < peer->nheaders; i++)
		headers[n++] = peer->headers[i];
	int code = add_authorization(peer, headers, &n, authorization);
	if (code == 0 && peer->username)
		code = secret_get(peer->password, peer->password_file, password, &send.password);
	if (code)
		return code;
	send.url = what->url ? what->url : peer->url;
	send.headers = headers;
	send.nheaders = n;
	send.timeout_ms = peer->timeout_ms;
	send.username = peer->username;
	send.follow_redirects = peer->follow_redirects;
	send.ca_file = peer->ca_file;
	send.cert_file = peer->cert_file;
	send.key_file = peer->key_file;
	send.server_name = peer->server_name;
	send.insecure_skip_verify = peer->insecure_skip_verify;
	return http_send(client, &send, done, ctx, out);
}

void http_explain(const struct http_result *http, char *out, size_t size)
{
	struct slice said = slice_trim(http->body);
	ptrdiff_t line = slice_find(said, '\n');
	if (line >= 0)
		said = slice_trim((struct slice){ said.ptr, (size_t)line });
	if (!http->status)
		snprintf(out, size, "%s", http->error);
	else if (said.len)
		snprintf(out, size, "HTTP %d: " SLICE_FMT, http->status, SLICE_ARG(said));
	else
		snprintf(out, size, "HTTP %d", http->status);
}
