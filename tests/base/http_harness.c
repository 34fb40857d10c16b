#include "tests/base/http_harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#define PATIENCE_MS 10000

struct loop *loop;
struct http_server *server;
struct http_token token;
int handled;
bool gave_up;
static struct loop_timer *guard;

static void on_guard(void *ctx)
{
	gave_up = true;
	loop_stop(loop);
}

void run(void)
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

void run_for(int64_t ms)
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

void peer_open(struct peer *peer)
{
	peer_open_port(peer, http_server_port(server));
}

void peer_close(struct peer *peer)
{
	loop_fd_free(peer->watch);
	close(peer->fd);
	buf_fini(&peer->in);
}

void peer_send(struct peer *peer, const char *text)
{
	ck_assert_int_eq(send(peer->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

void peer_wait(struct peer *peer, const char *until)
{
	peer->until = until;
	run();
	ck_assert_msg(!gave_up && peer->in.ptr && strstr(peer->in.ptr, until),
		      "\"%s\" did not come: %s", until, peer->in.ptr ? peer->in.ptr : "");
}

void peer_wait_close(struct peer *peer)
{
	peer->until = NULL;
	while (!peer->closed) {
		run();
		ck_assert(!gave_up);
	}
}

void assert_has(const struct peer *peer, const char *text)
{
	ck_assert_msg(peer->in.ptr && strstr(peer->in.ptr, text), "no \"%s\" in: %s", text,
		      peer->in.ptr ? peer->in.ptr : "");
}

void assert_lacks(const struct peer *peer, const char *text)
{
	ck_assert_msg(!peer->in.ptr || !strstr(peer->in.ptr, text), "\"%s\" in: %s", text,
		      peer->in.ptr);
}

struct peer ask(const char *request, const char *until)
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

void handle(void *ctx, struct http_request *request)
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

struct http_server_options options(void)
{
	return (struct http_server_options){ .address = "127.0.0.1",
					     .body_max = BODY_MAX,
					     .timeout_ms = 5000 };
}

void start(struct http_server_options with)
{
	char *why = NULL;
	int rc = http_server_new(loop, &with, handle, NULL, &server, &why);
	ck_assert_msg(rc == 0, "%s", why ? why : "");
	ck_assert_ptr_null(why);
	ck_assert_uint_ne(http_server_port(server), 0);
}

void setup(void)
{
	loop = loop_new();
	guard = loop_timer_new(loop, on_guard, NULL);
	handled = 0;
	server = NULL;
}

void teardown(void)
{
	http_server_free(server);
	loop_timer_free(guard);
	loop_free(loop);
}

void peer_send_all(struct peer *peer, const char *text, size_t len)
{
	ck_assert_int_eq(fcntl(peer->fd, F_SETFL, O_NONBLOCK), 0);
	peer->more = text;
	peer->more_len = len;
	loop_fd_set(peer->watch, LOOP_READ | LOOP_WRITE);
}
