#include "base/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/http_internal.h"
#include "base/text.h"
#include "tests/check_main.h"

#define PATIENCE_MS 10000
#define BODY_MAX 100000

static struct loop *loop;
static struct http_server *server;
static struct loop_timer *guard;
static struct http_token token;
static int handled;
static bool gave_up;

/* A client in the server's loop, made of a bare socket: it sends what no library would. */
struct peer {
	int fd;
	struct loop_fd *watch;
	struct buf in;
	const char *until; /* the loop stops when this has come */
	const char *more;  /* sent as the socket takes it */
	size_t more_len;
	bool closed, broken; /* broken: it could not send or receive all */
};

static void on_guard(void *ctx)
{
	gave_up = true;
	loop_stop(loop);
}

static void run(void)
{
	gave_up = false;
	loop_timer_set(guard, PATIENCE_MS);
	loop_run(loop);
	loop_timer_clear(guard);
}

static void on_pause(void *ctx)
{
	loop_stop(loop);
}

/* Lets the loop turn for a while. */
static void run_for(int64_t ms)
{
	struct loop_timer *timer = loop_timer_new(loop, on_pause, NULL);
	loop_timer_set(timer, ms);
	run();
	loop_timer_free(timer);
}

static void on_peer(void *ctx, int what)
{
	struct peer *peer = ctx;
	if (what & LOOP_WRITE) {
		ssize_t n = send(peer->fd, peer->more, peer->more_len, MSG_NOSIGNAL);
		if (n > 0) {
			peer->more += n;
			peer->more_len -= (size_t)n;
		}
		if (n < 0 && errno != EAGAIN) {
			peer->more_len = 0;
			peer->broken = true;
		}
		if (peer->more_len == 0)
			loop_fd_set(peer->watch, peer->closed ? 0 : LOOP_READ);
	}
	if (what & LOOP_READ) {
		char bytes[65536];
		ssize_t n = recv(peer->fd, bytes, sizeof(bytes), 0);
		if (n > 0)
			buf_add(&peer->in, bytes, (size_t)n);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			peer->closed = true;
			peer->broken = peer->broken || n < 0;
			loop_fd_set(peer->watch, peer->more_len ? LOOP_WRITE : 0);
		}
	}
	if ((peer->closed && !peer->more_len) ||
	    (peer->until && peer->in.ptr && strstr(peer->in.ptr, peer->until)))
		loop_stop(loop);
}

static void peer_open_port(struct peer *peer, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*peer = (struct peer){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	ck_assert_int_eq(connect(peer->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	buf_init(&peer->in);
	peer->watch = loop_fd_new(loop, peer->fd, on_peer, peer);
	loop_fd_set(peer->watch, LOOP_READ);
}

static void peer_open(struct peer *peer)
{
	peer_open_port(peer, http_server_port(server));
}

static void peer_close(struct peer *peer)
{
	loop_fd_free(peer->watch);
	close(peer->fd);
	buf_fini(&peer->in);
}

static void peer_send(struct peer *peer, const char *text)
{
	ck_assert_int_eq(send(peer->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void peer_wait(struct peer *peer, const char *until)
{
	peer->until = until;
	run();
	ck_assert_msg(!gave_up && peer->in.ptr && strstr(peer->in.ptr, until),
		      "\"%s\" did not come: %s", until, peer->in.ptr ? peer->in.ptr : "");
}

static void peer_wait_close(struct peer *peer)
{
	peer->until = NULL;
	while (!peer->closed) {
		run();
		ck_assert(!gave_up);
	}
}

static void assert_has(const struct peer *peer, const char *text)
{
	ck_assert_msg(peer->in.ptr && strstr(peer->in.ptr, text), "no \"%s\" in: %s", text,
		      peer->in.ptr ? peer->in.ptr : "");
}

static void assert_lacks(const struct peer *peer, const char *text)
{
	ck_assert_msg(!peer->in.ptr || !strstr(peer->in.ptr, text), "\"%s\" in: %s", text,
		      peer->in.ptr);
}

/* One request on a connection of its own; what came back up to the close or `until`. */
static struct peer ask(const char *request, const char *until)
{
	struct peer peer;
	peer_open(&peer);
	/* on_peer() must know the copy that the caller keeps: nothing is watched after this. */
	peer_send(&peer, request);
	if (until)
		peer_wait(&peer, until);
	else
		peer_wait_close(&peer);
	loop_fd_free(peer.watch);
	peer.watch = NULL;
	return peer;
}

/* Tells what it understood. */
static void reply_echo(struct http_request *request)
{
	static const char *const methods[] = { "GET",	 "HEAD",    "POST", "PUT",
					       "DELETE", "OPTIONS", "OTHER" };
	static const struct http_header headers[] = {
		{ "X-Good", "yes" },
		{ "X-Evil", "a\r\nX-Injected: b" },
		{ "X-Evil2\r\nX-Injected", "c" },
	};
	struct buf out;
	struct slice body = http_request_body(request);
	buf_init(&out);
	buf_printf(&out,
		   "%s path=" SLICE_FMT " query=" SLICE_FMT " peer=" SLICE_FMT " x=" SLICE_FMT,
		   methods[http_request_method(request)], SLICE_ARG(http_request_path(request)),
		   SLICE_ARG(http_request_query(request)), SLICE_ARG(http_request_peer(request)),
		   SLICE_ARG(http_request_header(request, "x-thing")));
	for (size_t i = 0;; i++) {
		char *value = http_request_param(request, "m[]", i);
		if (!value)
			break;
		buf_printf(&out, " m%zu=%s", i, value);
		free(value);
	}
	buf_printf(&out, " body=%zu:" SLICE_FMT "\n", body.len,
		   (int)(body.len < 50 ? body.len : 50), body.ptr);
	http_reply(request, &(struct http_reply){ 200, "text/plain", headers, 3, buf_slice(&out) });
	buf_fini(&out);
}

static void handle(void *ctx, struct http_request *request)
{
	struct slice path = http_request_path(request);
	handled++;
	if (slice_is(path, "/defer")) {
		ck_assert_int_eq(http_defer(request, &token), 0);
		loop_stop(loop);
	} else if (slice_is(path, "/silent")) {
		return;
	} else if (slice_is(path, "/empty")) {
		http_reply(request,
			   &(struct http_reply){ .status = 204, .body = SLICE("not sent") });
	} else if (slice_is(path, "/free")) {
		http_server_free(server);
		server = NULL;
		http_reply(request, &(struct http_reply){ .status = 200 });
	} else {
		reply_echo(request);
	}
}

static struct http_server_options options(void)
{
	return (struct http_server_options){ .address = "127.0.0.1",
					     .body_max = BODY_MAX,
					     .timeout_ms = 5000 };
}

static void start(struct http_server_options with)
{
	char *why = NULL;
	int rc = http_server_new(loop, &with, handle, NULL, &server, &why);
	ck_assert_msg(rc == 0, "%s", why ? why : "");
	ck_assert_ptr_null(why);
	ck_assert_uint_ne(http_server_port(server), 0);
}

static void setup(void)
{
	loop = loop_new();
	guard = loop_timer_new(loop, on_guard, NULL);
	handled = 0;
	server = NULL;
}

static void teardown(void)
{
	http_server_free(server);
	loop_timer_free(guard);
	loop_free(loop);
}

START_TEST(http_server_answers)
{
	start(options());
	struct peer peer =
		ask("GET /a%20b/%C3%A4+%zz?q=%41#f HTTP/1.1\r\nHost: h\r\nX-THING: v w\r\n\r\n",
		    "body=");
	assert_has(&peer, "HTTP/1.1 200 OK\r\n");
	assert_has(&peer, "Content-Type: text/plain\r\n");
	assert_has(&peer, "Content-Length: ");
	assert_has(&peer, "GET path=/a b/ä+%zz query=q=%41 peer=127.0.0.1 x=v w body=0:");
	assert_has(&peer, "X-Good: yes\r\n");
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_refuses_header_injection)
{
	start(options());
	struct peer peer = ask("GET / HTTP/1.1\r\n\r\n", "body=");
	assert_lacks(&peer, "Evil");
	assert_lacks(&peer, "Injected");
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_reads_absolute_targets)
{
	start(options());
	struct peer peer = ask("GET http://other:80/x?y HTTP/1.1\r\nHost: h\r\n\r\n", "body=");
	assert_has(&peer, "path=/x query=y ");
	peer_close(&peer);
	peer = ask("GET http://other HTTP/1.1\r\nHost: h\r\n\r\n", "body=");
	assert_has(&peer, "path=/ query= ");
	peer_close(&peer);
	peer = ask("GET //a//b HTTP/1.1\r\nHost: h\r\n\r\n", "body=");
	assert_has(&peer, "path=//a//b query= ");
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_sends_no_body_where_none_belongs)
{
	start(options());
	struct peer peer = ask("HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n", NULL);
	assert_has(&peer, "HTTP/1.1 200 OK\r\n");
	assert_has(&peer, "Content-Length: 46\r\n");
	assert_lacks(&peer, "path=");
	peer_close(&peer);
	peer = ask("GET /empty HTTP/1.1\r\nConnection: close\r\n\r\n", NULL);
	assert_has(&peer, "HTTP/1.1 204 No Content\r\n");
	assert_lacks(&peer, "not sent");
	peer_close(&peer);
}
END_TEST

static const char *const methods[] = { "GET",	  "POST",  "PUT",   "DELETE",
				       "OPTIONS", "PATCH", "TRACE", "FOO" };

START_TEST(http_server_leaves_methods_to_the_handler)
{
	char request[100];
	start(options());
	snprintf(request, sizeof(request), "%s /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		 methods[_i]);
	struct peer peer = ask(request, "body=");
	assert_has(&peer, _i < 5 ? methods[_i] : "OTHER");
	assert_has(&peer, " path=/x");
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_refuses_what_is_no_http)
{
	static const char *const requests[] = {
		"GET /\r\n\r\n",
		"GET / HTTP/3.0\r\n\r\n",
		"\x16\x03\x01\r\n\r\n",
		"GET / HTTP/1.1\r\nno colon\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	};
	start(options());
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct peer peer = ask(requests[i], NULL);
		ck_assert_msg(peer.in.ptr &&
				      (strstr(peer.in.ptr, " 4") || strstr(peer.in.ptr, " 501 ")),
			      "%s→ %s", requests[i], peer.in.ptr);
		ck_assert_msg(handled == 0, "%s", requests[i]);
		peer_close(&peer);
	}
}
END_TEST

START_TEST(http_server_decodes_parameters)
{
	start(options());
	struct peer peer =
		ask("GET /?m%5b%5D=a%2Bb+c&x=1&m[]=&m[]=%3d%26&m[] HTTP/1.1\r\n\r\n", "body=");
	assert_has(&peer, " m0=a+b c m1= m2==& m3= body");
	peer_close(&peer);
	peer = ask("POST /?m[]=query HTTP/1.1\r\nContent-Type: Application/X-WWW-Form-Urlencoded; "
		   "charset=utf-8\r\n"
		   "Content-Length: 20\r\n\r\nm[]=form&m%5B%5D=%20",
		   "body=");
	assert_has(&peer, " m0=form m1=  m2=query ");
	peer_close(&peer);
	peer = ask("POST / HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nm[]=x",
		   "body=");
	assert_lacks(&peer, " m0=");
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_reads_bodies)
{
	start(options());
	struct peer peer =
		ask("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "body=5:hello\n");
	peer_close(&peer);
	peer = ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
		   "5\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n",
		   "body=16:hello 0123456789\n");
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_continues_when_asked)
{
	struct peer peer;
	start(options());
	peer_open(&peer);
	peer_send(&peer, "POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	peer_wait(&peer, "HTTP/1.1 100 Continue\r\n\r\n");
	ck_assert_int_eq(handled, 0);
	peer_send(&peer, "hello");
	peer_wait(&peer, "body=5:hello\n");
	peer_close(&peer);

	peer = ask("POST / HTTP/1.1\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n",
		   NULL);
	assert_has(&peer, "HTTP/1.1 413 ");
	assert_lacks(&peer, "100 Continue");
	peer_close(&peer);
}
END_TEST

/* A POST of that many bytes. */
static char *big_request(size_t len)
{
	char head[100];
	int n = snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", len);
	char *request = malloc((size_t)n + len + 1);
	memcpy(request, head, (size_t)n);
	memset(request + n, 'x', len);
	request[(size_t)n + len] = '\0';
	return request;
}

static void peer_send_all(struct peer *peer, const char *text, size_t len)
{
	ck_assert_int_eq(fcntl(peer->fd, F_SETFL, O_NONBLOCK), 0);
	peer->more = text;
	peer->more_len = len;
	loop_fd_set(peer->watch, LOOP_READ | LOOP_WRITE);
}

START_TEST(http_server_limits_bodies)
{
	struct peer peer;
	start(options());
	char *fits = big_request(BODY_MAX);
	peer_open(&peer);
	peer_send_all(&peer, fits, strlen(fits));
	peer_wait(&peer, "body=100000:xxx");
	peer_close(&peer);
	free(fits);

	/* Refused by its length alone, before the body. */
	peer = ask("POST / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n", NULL);
	assert_has(&peer, "HTTP/1.1 413 ");
	peer_close(&peer);
	peer = ask("POST / HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\n", NULL);
	assert_has(&peer, "HTTP/1.1 413 ");
	peer_close(&peer);
	peer = ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n", NULL);
	assert_has(&peer, "HTTP/1.1 413 ");
	peer_close(&peer);
	ck_assert_int_eq(handled, 1);
}
END_TEST

START_TEST(http_server_hears_out_whom_it_refuses)
{
	struct peer peer;
	start(options());
	char *big = big_request(8000000); /* more than socket buffers hold */
	peer_open(&peer);
	peer_send_all(&peer, big, strlen(big));
	while (!peer.closed || peer.more_len) {
		run();
		ck_assert(!gave_up);
	}
	ck_assert(!peer.broken);
	assert_has(&peer, "HTTP/1.1 413 ");
	peer_close(&peer);
	free(big);
}
END_TEST

START_TEST(http_server_limits_headers)
{
	struct buf request;
	start(options());
	buf_init(&request);
	buf_add_str(&request, "GET / HTTP/1.1\r\nX-Thing: ");
	for (int i = 0; i < HTTP_HEADERS_BYTES_MAX; i++)
		buf_add_char(&request, 'a');
	buf_add_str(&request, "\r\n\r\n");
	struct peer peer = ask(request.ptr, NULL);
	assert_has(&peer, "HTTP/1.1 400 ");
	peer_close(&peer);
	buf_fini(&request);
	ck_assert_int_eq(handled, 0);
}
END_TEST

START_TEST(http_server_limits_endless_chunk_headers)
{
	struct peer peer;
	size_t len = 8 << 20;
	char *nothing = malloc(len);
	start(options());
	memset(nothing, '0', len);
	peer_open(&peer);
	int64_t begun = clock_monotonic_us();
	peer_send(&peer, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	peer_send_all(&peer, nothing, len);
	peer_wait_close(&peer);
	ck_assert(peer.broken);
	ck_assert_int_lt(clock_monotonic_us() - begun, 2000000); /* long before the timeout */
	ck_assert_int_eq(handled, 0);
	peer_close(&peer);
	free(nothing);
}
END_TEST

START_TEST(http_server_keeps_connections)
{
	struct peer peer;
	char expected[40];
	start(options());
	peer_open(&peer);
	for (int i = 0; i < 1000; i++) {
		char request[100];
		snprintf(request, sizeof(request),
			 "POST /%d HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", i);
		snprintf(expected, sizeof(expected), "path=/%d query=", i);
		buf_clear(&peer.in);
		peer_send(&peer, request);
		peer_wait(&peer, "body=3:abc\n");
		assert_has(&peer, expected);
	}
	ck_assert_int_eq(handled, 1000);
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_answers_pipelined_requests_in_order)
{
	struct peer peer = { 0 };
	struct buf requests;
	start(options());
	buf_init(&requests);
	for (int i = 0; i < 100; i++)
		buf_printf(&requests, "GET /%d HTTP/1.1\r\n%s\r\n", i,
			   i == 99 ? "Connection: close\r\n" : "");
	peer = ask(requests.ptr, NULL);
	const char *at = peer.in.ptr;
	for (int i = 0; i < 100; i++) {
		char path[20];
		snprintf(path, sizeof(path), "path=/%d ", i);
		at = strstr(at, path);
		ck_assert_ptr_nonnull(at);
	}
	peer_close(&peer);
	buf_fini(&requests);
}
END_TEST

START_TEST(http_server_drops_slow_senders)
{
	struct peer slow, idle;
	struct http_server_options with = options();
	with.timeout_ms = 200;
	start(with);
	peer_open(&idle);
	peer_open(&slow);
	int64_t begun = clock_monotonic_us();
	peer_send(&slow, "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n");
	while (!slow.closed && clock_monotonic_us() - begun < 3000000) {
		send(slow.fd, "x", 1, MSG_NOSIGNAL);
		run_for(50); /* never silent for long */
	}
	ck_assert(slow.closed);
	ck_assert_int_lt(clock_monotonic_us() - begun, 1000000);
	peer_wait_close(&idle);
	ck_assert_int_eq(handled, 0);
	peer_close(&slow);
	peer_close(&idle);
}
END_TEST

START_TEST(http_server_ignores_truncated_requests)
{
	struct peer peer;
	start(options());
	peer_open(&peer);
	peer_send(&peer, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhello");
	run_for(20);
	peer_close(&peer);
	run_for(20);
	ck_assert_int_eq(handled, 0);
	peer = ask("GET / HTTP/1.1\r\n\r\n", "body=");
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_defers)
{
	struct peer peer;
	start(options());
	peer_open(&peer);
	for (int i = 0; i < 3; i++) {
		struct http_token before = token;
		peer_send(&peer, "GET /defer HTTP/1.1\r\n\r\n");
		run();
		ck_assert(!gave_up);
		http_reply_to(server, before,
			      &(struct http_reply){ .status = 500, .body = SLICE("stale") });
		run_for(5);
		http_reply_to(server, token,
			      &(struct http_reply){ .status = 202, .body = SLICE("later") });
		http_reply_to(server, token,
			      &(struct http_reply){ .status = 500, .body = SLICE("twice") });
		peer_wait(&peer, "later");
		assert_lacks(&peer, "stale");
		assert_lacks(&peer, "twice");
		buf_clear(&peer.in);
	}
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_drops_answers_to_gone_connections)
{
	struct peer peer;
	start(options());
	peer_open(&peer);
	peer_send(&peer, "GET /defer HTTP/1.1\r\n\r\n");
	run();
	ck_assert_ptr_nonnull(http_slot_get(server, token));
	peer_close(&peer);
	run_for(20);
	ck_assert_ptr_null(http_slot_get(server, token));
	struct http_token gone = token;

	/* The slot is used again; the old token does not reach its new owner. */
	peer_open(&peer);
	peer_send(&peer, "GET /defer HTTP/1.1\r\n\r\n");
	run();
	ck_assert_uint_eq(token.slot, gone.slot);
	http_reply_to(server, gone, &(struct http_reply){ .status = 200, .body = SLICE("wrong") });
	http_reply_to(server, token, &(struct http_reply){ .status = 200, .body = SLICE("right") });
	peer_wait(&peer, "right");
	assert_lacks(&peer, "wrong");
	peer_close(&peer);
	http_reply_to(server, (struct http_token){ 5000, 1 },
		      &(struct http_reply){ .status = 200 });
}
END_TEST

START_TEST(http_server_limits_deferred_requests)
{
	struct http_token tokens[HTTP_PENDING_MAX], more;
	struct http_request *some = (struct http_request *)&more;
	start(options());
	for (int i = 0; i < HTTP_PENDING_MAX; i++)
		ck_assert_int_eq(http_slot_take(server, some, &tokens[i]), 0);
	ck_assert_int_eq(http_slot_take(server, some, &more), ERR_FULL);
	http_slot_release(server, tokens[17]);
	ck_assert_ptr_null(http_slot_get(server, tokens[17]));
	ck_assert_ptr_eq(http_slot_get(server, tokens[18]), some);
	ck_assert_int_eq(http_slot_take(server, some, &more), 0);
	ck_assert_uint_eq(more.slot, tokens[17].slot);
	ck_assert_uint_ne(more.generation, tokens[17].generation);
}
END_TEST

START_TEST(http_server_limits_connections)
{
	struct peer peers[5];
	struct http_server_options with = options();
	with.connections_max = 2;
	start(with);
	for (int i = 0; i < 5; i++) {
		peer_open(&peers[i]);
		peer_send(&peers[i], "GET / HTTP/1.1\r\n\r\n");
	}
	run_for(50);
	ck_assert_int_eq(handled, 2);
	peer_close(&peers[0]);
	peer_close(&peers[1]);
	run_for(50);
	ck_assert_int_eq(handled, 4);
	peer_close(&peers[2]);
	peer_wait(&peers[4], "body=");
	ck_assert_int_eq(handled, 5);
	peer_close(&peers[3]);
	peer_close(&peers[4]);
}
END_TEST

START_TEST(http_server_answers_for_a_silent_handler)
{
	start(options());
	struct peer peer = ask("GET /silent HTTP/1.1\r\n\r\n", "HTTP/1.1 500 ");
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_drains)
{
	struct peer peer, kept;
	start(options());
	peer_open(&kept);
	peer_open(&peer);
	peer_send(&peer, "GET /defer HTTP/1.1\r\n\r\n");
	run();
	uint16_t port = http_server_port(server);
	http_server_drain(server);
	http_server_drain(server);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	close(fd);
	http_reply_to(server, token, &(struct http_reply){ .status = 200, .body = SLICE("last") });
	peer_wait_close(&peer);
	assert_has(&peer, "Connection: close\r\n");
	assert_has(&peer, "last");
	peer_send(&kept, "GET / HTTP/1.1\r\n\r\n");
	peer_wait_close(&kept);
	assert_has(&kept, "body=");
	peer_close(&peer);
	peer_close(&kept);
}
END_TEST

START_TEST(http_server_frees_with_all_in_flight)
{
	struct peer idle, half, deferred, fresh;
	start(options());
	peer_open(&idle);
	peer_open(&half);
	peer_open(&deferred);
	peer_send(&half, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n");
	peer_send(&deferred, "GET /defer HTTP/1.1\r\n\r\n");
	run();
	peer_open(&fresh);
	http_server_free(server);
	server = NULL;
	peer_wait_close(&deferred);
	peer_wait_close(&half);
	ck_assert_uint_eq(deferred.in.len, 0);
	peer_close(&idle);
	peer_close(&half);
	peer_close(&deferred);
	peer_close(&fresh);
}
END_TEST

START_TEST(http_server_may_be_freed_by_its_handler)
{
	start(options());
	struct peer peer = ask("GET /free HTTP/1.1\r\n\r\n", NULL);
	ck_assert_ptr_null(server);
	peer_close(&peer);
}
END_TEST

START_TEST(http_server_shares_a_port)
{
	struct http_server *other = NULL;
	struct http_server_options with = options();
	char *why = NULL;
	with.reuse_port = true;
	start(with);
	with.port = http_server_port(server);
	ck_assert_int_eq(http_server_new(loop, &with, handle, NULL, &other, &why), 0);
	ck_assert_uint_eq(http_server_port(other), with.port);
	http_server_free(other);

	char expected[100];
	with.reuse_port = false;
	ck_assert_int_eq(http_server_new(loop, &with, handle, NULL, &other, &why), ERR_IO);
	snprintf(expected, sizeof(expected),
		 "cannot listen on 127.0.0.1:%u: Address already in use", with.port);
	ck_assert_str_eq(why, expected);
	free(why);
	with.address = "no.such.host.invalid";
	ck_assert_int_eq(http_server_new(loop, &with, handle, NULL, &other, &why), ERR_IO);
	ck_assert_ptr_nonnull(strstr(why, "cannot listen on no.such.host.invalid:"));
	free(why);
}
END_TEST

static Suite *http_server_suite(void)
{
	Suite *suite = suite_create("http_server");
	TCase *tc = tcase_create("requests");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, http_server_answers);
	tcase_add_test(tc, http_server_refuses_header_injection);
	tcase_add_test(tc, http_server_reads_absolute_targets);
	tcase_add_test(tc, http_server_sends_no_body_where_none_belongs);
	tcase_add_loop_test(tc, http_server_leaves_methods_to_the_handler, 0,
			    sizeof(methods) / sizeof(methods[0]));
	tcase_add_test(tc, http_server_refuses_what_is_no_http);
	tcase_add_test(tc, http_server_decodes_parameters);
	tcase_add_test(tc, http_server_reads_bodies);
	tcase_add_test(tc, http_server_continues_when_asked);
	suite_add_tcase(suite, tc);

	tc = tcase_create("limits");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, http_server_limits_bodies);
	tcase_add_test(tc, http_server_hears_out_whom_it_refuses);
	tcase_add_test(tc, http_server_limits_headers);
	tcase_add_test(tc, http_server_limits_endless_chunk_headers);
	tcase_add_test(tc, http_server_drops_slow_senders);
	tcase_add_test(tc, http_server_ignores_truncated_requests);
	tcase_add_test(tc, http_server_limits_deferred_requests);
	tcase_add_test(tc, http_server_limits_connections);
	suite_add_tcase(suite, tc);

	tc = tcase_create("connections");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, http_server_keeps_connections);
	tcase_add_test(tc, http_server_answers_pipelined_requests_in_order);
	tcase_add_test(tc, http_server_defers);
	tcase_add_test(tc, http_server_drops_answers_to_gone_connections);
	tcase_add_test(tc, http_server_answers_for_a_silent_handler);
	tcase_add_test(tc, http_server_drains);
	tcase_add_test(tc, http_server_frees_with_all_in_flight);
	tcase_add_test(tc, http_server_may_be_freed_by_its_handler);
	tcase_add_test(tc, http_server_shares_a_port);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(http_server_suite)
