#include "base/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"

#define REDIRECTS_MAX 5
#define CONNECTIONS_KEPT 64 /* idle ones, for further requests */
#define RETRY_AFTER_S_MAX 1000000000

/* A socket of libcurl's that we watch for it. */
struct watch {
	struct watch *next, *prev;
	struct http_client *client;
	struct loop_fd *fd_watch;
	int fd;
};

struct http_client {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer;
	struct watch *watches;
	struct http_call *calls; /* under way */
	bool reporting;		 /* inside a caller's callback */
	bool dying;		 /* http_client_free() was called from one */
};

struct http_call {
	struct http_call *next, *prev;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	void (*done)(void *ctx, const struct http_result *result);
	void *ctx;
	bool finished; /* its callback is running or has run */
	bool capped;   /* we hung up after enough of the body */
	int64_t started_us, retry_after_ms;
	size_t response_max;
	struct buf body;
	const char *header_wanted;
	char header[HTTP_HEADER_MAX]; /* its value */
	size_t header_len;
	bool has_header;
	char error[CURL_ERROR_SIZE];
};

/* What libcurl asks of an event loop */

static void report(struct http_client *client);

static void on_timer(void *ctx)
{
	struct http_client *client = ctx;
	int running;
	curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	report(client);
}

static void on_socket(void *ctx, int what)
{
	struct watch *watch = ctx;
	struct http_client *client = watch->client;
	int running;
	int flags = (what & LOOP_READ ? CURL_CSELECT_IN : 0) |
		    (what & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
	curl_multi_socket_action(client->multi, watch->fd, flags,
				 &running); /* may free the watch */
	report(client);
}

static int timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
	struct http_client *client = ctx;
	(void)multi;
	if (timeout_ms < 0)
		loop_timer_clear(client->timer);
	else
		loop_timer_set(client->timer, timeout_ms);
	return 0;
}

static void watch_free(struct watch *watch)
{
	if (watch->prev)
		watch->prev->next = watch->next;
	else
		watch->client->watches = watch->next;
	if (watch->next)
		watch->next->prev = watch->prev;
	loop_fd_free(watch->fd_watch);
	free(watch);
}

static struct watch *watch_new(struct http_client *client, int fd)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	watch->client = client;
	watch->fd = fd;
	watch->fd_watch = loop_fd_new(client->loop, fd, on_socket, watch);
	if (!watch->fd_watch) {
		free(watch);
		return NULL;
	}
	watch->next = client->watches;
	if (watch->next)
		watch->next->prev = watch;
	client->watches = watch;
	return watch;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct http_client *client = ctx;
	struct watch *watch = socket_ctx;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch) {
			curl_multi_assign(client->multi, fd, NULL);
			watch_free(watch);
		}
		return 0;
	}
	if (!watch) {
		watch = watch_new(client, fd);
		if (!watch)
			return -1;
		curl_multi_assign(client->multi, fd, watch);
	}
	loop_fd_set(watch->fd_watch, (what & CURL_POLL_IN ? LOOP_READ : 0) |
					     (what & CURL_POLL_OUT ? LOOP_WRITE : 0));
	return 0;
}

/* Calls */

static void call_unlink(struct http_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		call->client->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
}

static void call_free(struct http_call *call)
{
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	curl_slist_free_all(call->connect_to);
	buf_fini(&call->body);
	free(call);
}

/* libcurl says where it could not connect to, but not why. */
static const char *error_of(struct http_call *call, CURLcode code)
{
	long cause = 0;
	size_t len = strlen(call->error);
	if (len == 0)
		return curl_easy_strerror(code);
	if (code == CURLE_COULDNT_CONNECT &&
	    !curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &cause) && cause)
		snprintf(call->error + len, sizeof(call->error) - len, ": %s",
			 strerror((int)cause));
	return call->error;
}

static void call_finish(struct http_call *call, CURLcode code)
{
	struct http_result result = { .error = "", .retry_after_ms = -1 };
	long status = 0;
	bool answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && call->capped);
	call->finished = true;
	call_unlink(call);
	curl_multi_remove_handle(call->client->multi, call->easy);
	if (answered) {
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
		result.status = (int)status;
		result.body = buf_slice(&call->body);
		result.retry_after_ms = call->retry_after_ms;
		if (call->has_header)
			result.header = (struct slice){ call->header, call->header_len };
	} else {
		result.error = error_of(call, code);
	}
	result.duration_us = clock_monotonic_us() - call->started_us;
	call->client->reporting = true;
	call->done(call->ctx, &result);
	call->client->reporting = false;
	call_free(call);
}

static void client_destroy(struct http_client *client);

/* Tells the callers of all calls that have ended. Outside of libcurl's own callbacks only. */
static void report(struct http_client *client)
{
	const CURLMsg *message;
	int left;
	while (!client->dying && (message = curl_multi_info_read(client->multi, &left))) {
		struct http_call *call;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		call_finish(call, message->data.result);
	}
	if (client->dying)
		client_destroy(client);
}

/* The cap: what is beyond it ends the transfer, with the answer good as far as it came. */
static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct http_call *call = ctx;
	size_t room = call->response_max - call->body.len;
	buf_add(&call->body, bytes, n < room ? n : room);
	if (!buf_ok(&call->body))
		return 0;
	call->capped = n > room;
	return call->capped ? 0 : size * n;
}

/* Seconds, or the date until which to wait. */
static int64_t parse_retry_after(struct slice value)
{
	char text[64];
	int64_t seconds = 0;
	if (value.len == 0 || value.len >= sizeof(text))
		return -1;
	memcpy(text, value.ptr, value.len);
	text[value.len] = '\0';
	if (strspn(text, "0123456789") == value.len) {
		for (size_t i = 0; i < value.len && seconds < RETRY_AFTER_S_MAX; i++)
			seconds = seconds * 10 + (text[i] - '0');
		return (seconds < RETRY_AFTER_S_MAX ? seconds : RETRY_AFTER_S_MAX) * 1000;
	}
	time_t until = curl_getdate(text, NULL);
	if (until < 0)
		return -1;
	int64_t wait_ms = (int64_t)until * 1000 - clock_wall_ms();
	return wait_ms > 0 ? wait_ms : 0;
}

/* The value, if the line is of that header. */
static bool header_value(struct slice line, const char *name, struct slice *out)
{
	size_t len = strlen(name);
	if (line.len <= len || strncasecmp(line.ptr, name, len) != 0 || line.ptr[len] != ':')
		return false;
	*out = slice_trim((struct slice){ line.ptr + len + 1, line.len - len - 1 });
	return true;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
	struct http_call *call = ctx;
	struct slice line = { bytes, n }, value;
	/* Of a further answer, after 100 or a redirect. */
	if (slice_has_prefix(line, SLICE("HTTP/"))) {
		call->retry_after_ms = -1;
		call->has_header = false;
	}
	if (header_value(line, "Retry-After", &value))
		call->retry_after_ms = parse_retry_after(value);
	if (call->header_wanted && header_value(line, call->header_wanted, &value) &&
	    value.len <= sizeof(call->header)) {
		memcpy(call->header, value.ptr, value.len);
		call->header_len = value.len;
		call->has_header = true;
	}
	return size * n;
}

static bool is_token(const char *text)
{
	return *text &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "!#$%&'*+-.^_`|~") == strlen(text);
}

static int add_header(struct http_call *call, const char *name, const char *value)
{
	struct buf line;
	if (!is_token(name) || strpbrk(value, "\r\n"))
		return ERR_INVALID;
	buf_init(&line);
	if (*value)
		buf_printf(&line, "%s: %s", name, value);
	else
		buf_printf(&line, "%s;", name); /* libcurl's way to send an empty one */
	struct curl_slist *headers =
		buf_ok(&line) ? curl_slist_append(call->headers, line.ptr) : NULL;
	buf_fini(&line);
	if (!headers)
		return ERR_NOMEM;
	call->headers = headers;
	return 0;
}

static int add_headers(struct http_call *call, const struct http_send *send)
{
	bool typed = false;
	int rc = 0;
	for (size_t i = 0; !rc && i < send->nheaders; i++) {
		rc = add_header(call, send->headers[i].name, send->headers[i].value);
		typed = typed || strcasecmp(send->headers[i].name, "Content-Type") == 0;
	}
	/* What libcurl adds by itself: a form's type, and a round trip to ask whether it may send.
	 */
	static const char *const unwanted[] = { "Expect:", "Content-Type:" };
	for (size_t i = 0; !rc && i < (typed ? 1 : 2); i++) {
		struct curl_slist *headers = curl_slist_append(call->headers, unwanted[i]);
		if (!headers)
			return ERR_NOMEM;
		call->headers = headers;
	}
	return rc;
}

static bool set_method(struct http_call *call, const struct http_send *send)
{
	CURL *easy = call->easy;
	CURLcode rc = CURLE_OK;
	bool post = strcmp(send->method, "POST") == 0;
	if (post || send->body.len) {
		rc = curl_easy_setopt(easy, CURLOPT_POST, 1L);
		if (!rc)
			rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
					      (curl_off_t)send->body.len);
		if (!rc)
			rc = curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
					      send->body.len ? send->body.ptr : "");
	} else if (strcmp(send->method, "HEAD") == 0) {
		rc = curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	}
	if (!rc && !post)
		rc = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, send->method);
	return !rc;
}

static bool set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	return !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	long allowed = CURLPROTO_HTTP | CURLPROTO_HTTPS;
	return !curl_easy_setopt(easy, CURLOPT_PROTOCOLS, allowed) &&
	       !curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, allowed);
#endif
}

/*
 * libcurl takes the name for TLS from the URL; to verify another one the URL gets that name, the
 * connection goes where it went before, and the Host header says what it said before.
 */
static int set_server_name(struct http_call *call, const struct http_send *send)
{
	char *host = NULL, *port = NULL, *url = NULL;
	struct buf target;
	CURLU *parts = curl_url();
	buf_init(&target);
	int rc = ERR_INVALID;
	if (!parts || curl_url_set(parts, CURLUPART_URL, send->url, 0) ||
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
	    curl_url_set(parts, CURLUPART_HOST, send->server_name, 0) ||
	    curl_url_get(parts, CURLUPART_URL, &url, 0))
		goto out;
	buf_printf(&target, "%s:%s", host, port);
	rc = buf_ok(&target) ? add_header(call, "Host", target.ptr) : ERR_NOMEM;
	buf_clear(&target);
	buf_printf(&target, "::%s:%s", host, port);
	if (!rc && buf_ok(&target))
		call->connect_to = curl_slist_append(NULL, target.ptr);
	if (!rc && (!call->connect_to ||
		    curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to) ||
		    curl_easy_setopt(call->easy, CURLOPT_URL, url)))
		rc = ERR_NOMEM;
out:
	curl_free(host);
	curl_free(port);
	curl_free(url);
	curl_url_cleanup(parts);
	buf_fini(&target);
	return rc;
}

static bool set_tls(CURL *easy, const struct http_send *send)
{
	CURLcode rc = CURLE_OK;
	if (send->ca_file)
		rc = curl_easy_setopt(easy, CURLOPT_CAINFO, send->ca_file);
	if (!rc && send->cert_file)
		rc = curl_easy_setopt(easy, CURLOPT_SSLCERT, send->cert_file);
	if (!rc && send->key_file)
		rc = curl_easy_setopt(easy, CURLOPT_SSLKEY, send->key_file);
	if (!rc && send->insecure_skip_verify) {
		rc = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		if (!rc)
			rc = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return !rc;
}

static bool set_user(CURL *easy, const struct http_send *send)
{
	return !send->username ||
	       (!curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) &&
		!curl_easy_setopt(easy, CURLOPT_USERNAME, send->username) &&
		!curl_easy_setopt(easy, CURLOPT_PASSWORD, send->password ? send->password : ""));
}

static bool set_options(struct http_call *call, const struct http_send *send)
{
	CURL *easy = call->easy;
	long timeout_ms = send->timeout_ms > 0 ? (long)send->timeout_ms : 1;
	return !curl_easy_setopt(easy, CURLOPT_URL, send->url) && set_protocols(easy) &&
	       !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) &&
	       !curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, send->follow_redirects ? 1L : 0L) &&
	       !curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX) &&
	       !curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin") &&
	       !curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error) &&
	       !curl_easy_setopt(easy, CURLOPT_PRIVATE, call) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERDATA, call) && set_method(call, send) &&
	       set_tls(easy, send) && set_user(easy, send);
}

static int call_prepare(struct http_call *call, const struct http_send *send)
{
	if (!is_token(send->method))
		return ERR_INVALID;
	if (!set_options(call, send))
		return ERR_NOMEM;
	int rc = add_headers(call, send);
	if (!rc && send->server_name)
		rc = set_server_name(call, send);
	if (!rc && curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers))
		rc = ERR_NOMEM;
	return rc;
}

int http_send(struct http_client *client, const struct http_send *send,
	      void (*done)(void *ctx, const struct http_result *result), void *ctx,
	      struct http_call **out)
{
	struct http_call *call = calloc(1, sizeof(*call));
	if (!call)
		return ERR_NOMEM;
	call->client = client;
	call->done = done;
	call->ctx = ctx;
	call->header_wanted = send->header_wanted;
	call->retry_after_ms = -1;
	call->response_max = send->response_max ? send->response_max : HTTP_RESPONSE_MAX;
	call->started_us = clock_monotonic_us();
	buf_init(&call->body);
	call->easy = curl_easy_init();
	int rc = call->easy ? call_prepare(call, send) : ERR_NOMEM;
	if (!rc && curl_multi_add_handle(client->multi, call->easy))
		rc = ERR_NOMEM;
	if (rc) {
		call_free(call);
		return rc;
	}
	call->next = client->calls;
	if (call->next)
		call->next->prev = call;
	client->calls = call;
	if (out)
		*out = call;
	return 0;
}

static void call_abandon(struct http_call *call)
{
	call_unlink(call);
	curl_multi_remove_handle(call->client->multi, call->easy);
	call_free(call);
}

void http_call_cancel(struct http_call *call)
{
	if (!call->finished)
		call_abandon(call);
}

/* The client */

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http_client *http_client_new(struct loop *loop)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http_client *client = calloc(1, sizeof(*client));
	pthread_once(&once, init_curl);
	if (!client)
		return NULL;
	client->loop = loop;
	client->timer = loop_timer_new(loop, on_timer, client);
	client->multi = curl_multi_init();
	if (!client->timer || !client->multi) {
		client_destroy(client);
		return NULL;
	}
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	return client;
}

static void client_destroy(struct http_client *client)
{
	while (client->calls)
		call_abandon(client->calls);
	curl_multi_cleanup(client->multi);
	while (client->watches)
		watch_free(client->watches);
	loop_timer_free(client->timer);
	free(client);
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	client->dying = true;
	if (!client->reporting)
		client_destroy(client);
}
