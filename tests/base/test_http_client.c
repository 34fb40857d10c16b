#include "base/http_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"
#include "tests/files.h"

#define PATIENCE_MS 10000

static struct loop *loop;
static struct http_server *server;
static struct http_client *client;
static struct loop_timer *guard;
static struct http_token token;
static char base_url[64];
static int handled;

/* What the last answer said; the body as text. */
static struct {
	int count, status;
	char error[300];
	struct buf body;
	int64_t retry_after_ms, duration_us;
	char header[HTTP_HEADER_MAX + 1];
	bool has_header;
} last;

static void on_guard(void *ctx)
{
	ck_abort_msg("nothing happened for %d ms", PATIENCE_MS);
}

static void run(void)
{
	loop_timer_set(guard, PATIENCE_MS);
	loop_run(loop);
	loop_timer_clear(guard);
}

static void on_pause(void *ctx)
{
	loop_stop(loop);
}

static void run_for(int64_t ms)
{
	struct loop_timer *timer = loop_timer_new(loop, on_pause, NULL);
	loop_timer_set(timer, ms);
	run();
	loop_timer_free(timer);
}

static void on_done(void *ctx, const struct http_result *result)
{
	last.count++;
	last.status = result->status;
	snprintf(last.error, sizeof(last.error), "%s", result->error);
	buf_clear(&last.body);
	buf_add_slice(&last.body, result->body);
	last.retry_after_ms = result->retry_after_ms;
	last.duration_us = result->duration_us;
	last.has_header = result->header.ptr != NULL;
	snprintf(last.header, sizeof(last.header), SLICE_FMT, SLICE_ARG(result->header));
	loop_stop(loop);
}

static struct http_send request(const char *method, const char *url)
{
	return (struct http_send){ .method = method, .url = url, .timeout_ms = 5000 };
}

/* A path of the server's as a URL; the next call overwrites it. */
static const char *url_of(const char *path)
{
	static char url[200];
	snprintf(url, sizeof(url), "%s%s", base_url, path);
	return url;
}

static void do_send(const struct http_send *send)
{
	int count = last.count;
	ck_assert_int_eq(http_send(client, send, on_done, NULL, NULL), 0);
	ck_assert_int_eq(last.count, count); /* never from inside */
	run();
	ck_assert_int_eq(last.count, count + 1);
}

static void get(const char *path)
{
	struct http_send send = request("GET", url_of(path));
	do_send(&send);
}

static void assert_failed(const char *error)
{
	ck_assert_int_eq(last.status, 0);
	ck_assert_msg(strstr(last.error, error) != NULL, "\"%s\" not in \"%s\"", error, last.error);
	ck_assert_uint_eq(last.body.len, 0);
	ck_assert_int_eq(last.retry_after_ms, -1);
}

/* The value of a header that the path asks for: /retry/120 answers with Retry-After: 120. */
static void reply_with(struct http_request *http, int status, const char *name, const char *value)
{
	struct http_header header = { name, value };
	http_reply(http,
		   &(struct http_reply){ status, "text/plain", &header, 1, SLICE("see header") });
}

static void reply_echo(struct http_request *http)
{
	static const char *const methods[] = { "GET",	 "HEAD",    "POST", "PUT",
					       "DELETE", "OPTIONS", "OTHER" };
	struct buf out;
	struct slice body = http_request_body(http);
	buf_init(&out);
	buf_printf(&out,
		   "%s host=" SLICE_FMT " agent=" SLICE_FMT " type=" SLICE_FMT " x=" SLICE_FMT
		   " expect=" SLICE_FMT " body=%zu:",
		   methods[http_request_method(http)], SLICE_ARG(http_request_header(http, "Host")),
		   SLICE_ARG(http_request_header(http, "User-Agent")),
		   SLICE_ARG(http_request_header(http, "Content-Type")),
		   SLICE_ARG(http_request_header(http, "X-Thing")),
		   SLICE_ARG(http_request_header(http, "Expect")), body.len);
	buf_add_slice(&out, body);
	http_reply(http, &(struct http_reply){ .status = 200, .body = buf_slice(&out) });
	buf_fini(&out);
}

static void handle(void *ctx, struct http_request *http)
{
	char path[HTTP_HEADER_MAX + 100];
	snprintf(path, sizeof(path), SLICE_FMT, SLICE_ARG(http_request_path(http)));
	handled++;
	if (strcmp(path, "/defer") == 0) {
		ck_assert_int_eq(http_defer(http, &token), 0);
	} else if (strcmp(path, "/big") == 0) {
		char *big = malloc(1 << 20);
		memset(big, 'b', 1 << 20);
		http_reply(http, &(struct http_reply){ .status = 200, .body = { big, 1 << 20 } });
		free(big);
	} else if (strcmp(path, "/exact") == 0) {
		char *big = malloc(HTTP_RESPONSE_MAX);
		memset(big, 'b', HTTP_RESPONSE_MAX);
		http_reply(http, &(struct http_reply){ .status = 200,
						       .body = { big, HTTP_RESPONSE_MAX } });
		free(big);
	} else if (strncmp(path, "/retry/", 7) == 0) {
		reply_with(http, 503, "Retry-After", path + 7);
	} else if (strncmp(path, "/thing/", 7) == 0) {
		reply_with(http, 200, "X-Thing", path + 7);
	} else if (strcmp(path, "/who") == 0) {
		http_reply(http,
			   &(struct http_reply){ .status = 200,
						 .body = http_request_header(
							 http, "Authorization") });
	} else if (strncmp(path, "/to/", 4) == 0) {
		reply_with(http, 302, "Location", path + 4);
	} else {
		reply_echo(http);
	}
}

static void setup(void)
{
	struct http_server_options options = { .address = "127.0.0.1", .body_max = 1 << 24 };
	char *why;
	memset(&last, 0, sizeof(last));
	handled = 0;
	loop = loop_new();
	guard = loop_timer_new(loop, on_guard, NULL);
	client = http_client_new(loop);
	ck_assert_ptr_nonnull(client);
	ck_assert_int_eq(http_server_new(loop, &options, handle, NULL, &server, &why), 0);
	snprintf(base_url, sizeof(base_url), "http://127.0.0.1:%u", http_server_port(server));
}

static void teardown(void)
{
	http_client_free(client);
	http_server_free(server);
	loop_timer_free(guard);
	loop_free(loop);
	buf_fini(&last.body);
}

START_TEST(http_client_sends)
{
	struct http_header headers[] = { { "X-Thing", "a b" },
					 { "Content-Type", "application/json" } };
	struct http_send send = request("POST", url_of("/hook"));
	char expected[200];
	send.headers = headers;
	send.nheaders = 2;
	char body[] = "{\"a\": \0 1}";
	send.body = (struct slice){ body, sizeof(body) - 1 };
	ck_assert_int_eq(http_send(client, &send, on_done, NULL, NULL), 0);
	memset(body, 'x', sizeof(body)); /* it was copied */
	ck_assert_int_eq(last.count, 0);
	run();
	ck_assert_int_eq(last.status, 200);
	ck_assert_str_eq(last.error, "");
	ck_assert_int_gt(last.duration_us, 0);
	int n = snprintf(expected, sizeof(expected),
			 "POST host=%s agent=tocsin type=application/json x=a b expect= body=10:",
			 base_url + 7);
	ck_assert_uint_eq(last.body.len, (size_t)n + 10);
	ck_assert_mem_eq(last.body.ptr, expected, (size_t)n);
	ck_assert_mem_eq(last.body.ptr + n, "{\"a\": \0 1}", 10);
}
END_TEST

START_TEST(http_client_knows_methods)
{
	struct http_send send = request("PUT", url_of("/"));
	send.body = SLICE("abc");
	do_send(&send);
	ck_assert_ptr_nonnull(strstr(last.body.ptr, "PUT host="));
	ck_assert_ptr_nonnull(strstr(last.body.ptr, " type= x= expect= body=3:abc"));
	send.body = (struct slice){ NULL, 0 };
	static const char *const methods[] = { "GET", "DELETE", "OPTIONS", "POST" };
	for (size_t i = 0; i < 4; i++) {
		send.method = methods[i];
		do_send(&send);
		ck_assert_int_eq(last.status, 200);
		ck_assert_int_eq(strncmp(last.body.ptr, methods[i], strlen(methods[i])), 0);
		ck_assert_ptr_nonnull(strstr(last.body.ptr, " body=0:"));
	}
	send.method = "HEAD";
	do_send(&send);
	ck_assert_int_eq(last.status, 200);
	ck_assert_uint_eq(last.body.len, 0);
}
END_TEST

START_TEST(http_client_refuses_injection)
{
	struct http_header header = { "X-Thing", "a\r\nX-Evil: b" };
	struct http_send send = request("GET", url_of("/"));
	send.headers = &header;
	send.nheaders = 1;
	ck_assert_int_eq(http_send(client, &send, on_done, NULL, NULL), ERR_INVALID);
	header = (struct http_header){ "X-Thing: a\r\nX-Evil", "b" };
	ck_assert_int_eq(http_send(client, &send, on_done, NULL, NULL), ERR_INVALID);
	send.nheaders = 0;
	send.method = "GET / HTTP/1.1\r\nX-Evil: b\r\n\r\nGET";
	ck_assert_int_eq(http_send(client, &send, on_done, NULL, NULL), ERR_INVALID);
	send.method = "GET";
	send.url = url_of("/a b\r\nX-Evil: c");
	do_send(&send);
	ck_assert_int_eq(last.status, 0);
	ck_assert_int_eq(handled, 0);
}
END_TEST

START_TEST(http_client_sends_empty_headers)
{
	struct http_header header = { "X-Thing", "" };
	struct http_send send = request("GET", url_of("/"));
	send.headers = &header;
	send.nheaders = 1;
	do_send(&send);
	ck_assert_int_eq(last.status, 200);
}
END_TEST

START_TEST(http_client_caps_responses)
{
	get("/big");
	ck_assert_int_eq(last.status, 200);
	ck_assert_uint_eq(last.body.len, HTTP_RESPONSE_MAX);
	get("/exact");
	ck_assert_int_eq(last.status, 200);
	ck_assert_uint_eq(last.body.len, HTTP_RESPONSE_MAX);
	get("/small");
	ck_assert_int_eq(last.status, 200);
}
END_TEST

/* Now and some seconds, as an HTTP date within a path. */
static const char *date_path(const char *format, int seconds)
{
	static char path[100];
	time_t at = time(NULL) + seconds;
	struct tm tm;
	strftime(path, sizeof(path), format, gmtime_r(&at, &tm));
	return path;
}

START_TEST(http_client_gives_a_header_that_is_wanted)
{
	struct http_send send = request("GET", url_of("/thing/some"));
	do_send(&send);
	ck_assert(!last.has_header);
	send.header_wanted = "x-thing";
	do_send(&send);
	ck_assert_str_eq(last.header, "some");
	send.header_wanted = "X-Thin";
	do_send(&send);
	ck_assert(!last.has_header);
	/* A longer one counts as none. */
	char path[HTTP_HEADER_MAX + 20] = "/thing/";
	for (size_t len = HTTP_HEADER_MAX; len <= HTTP_HEADER_MAX + 1; len++) {
		char url[HTTP_HEADER_MAX + 100];
		memset(path + 7, 'a', len);
		path[7 + len] = '\0';
		snprintf(url, sizeof(url), "%s%s", base_url, path);
		send = request("GET", url);
		send.header_wanted = "X-Thing";
		do_send(&send);
		ck_assert_int_eq(last.has_header, len <= HTTP_HEADER_MAX);
	}
}
END_TEST

START_TEST(http_client_says_who_it_is)
{
	struct http_send send = request("GET", url_of("/who"));
	send.username = "me";
	do_send(&send);
	ck_assert_str_eq(last.body.ptr, "Basic bWU6");
	send.password = "a:b";
	do_send(&send);
	ck_assert_str_eq(last.body.ptr, "Basic bWU6YTpi");
}
END_TEST

START_TEST(http_client_reads_retry_after)
{
	get("/retry/120");
	ck_assert_int_eq(last.status, 503);
	ck_assert_int_eq(last.retry_after_ms, 120000);
	get("/retry/0");
	ck_assert_int_eq(last.retry_after_ms, 0);
	get("/retry/999999999999999999999999");
	ck_assert_int_eq(last.retry_after_ms, 1000000000000);
	static const char *const odd[] = {
		"/retry/", "/retry/-5", "/retry/soon", "/retry/1.5",
		"/retry/0123456789012345678901234567890123456789012345678901234567890123456789"
	};
	for (size_t i = 0; i < 5; i++) {
		get(odd[i]);
		ck_assert_msg(last.retry_after_ms == -1, "%s: %lld", odd[i],
			      (long long)last.retry_after_ms);
	}
	get("/none");
	ck_assert_int_eq(last.retry_after_ms, -1);
}
END_TEST

START_TEST(http_client_reads_retry_after_dates)
{
	static const char *const formats[] = { "/retry/%a,%%20%d%%20%b%%20%Y%%20%H:%M:%S%%20GMT",
					       "/retry/%A,%%20%d-%b-%y%%20%H:%M:%S%%20GMT",
					       "/retry/%a%%20%b%%20%d%%20%H:%M:%S%%20%Y" };
	for (size_t i = 0; i < 3; i++) {
		get(date_path(formats[i], 60));
		ck_assert_msg(last.retry_after_ms > 55000 && last.retry_after_ms <= 60000,
			      "%s: %lld", formats[i], (long long)last.retry_after_ms);
		get(date_path(formats[i], -60));
		ck_assert_int_eq(last.retry_after_ms, 0);
	}
}
END_TEST

START_TEST(http_client_gives_up_in_time)
{
	struct http_send send = request("GET", url_of("/defer"));
	send.timeout_ms = 100;
	do_send(&send);
	assert_failed("timed out");
	ck_assert_int_ge(last.duration_us, 95000);
	ck_assert_int_lt(last.duration_us, 2000000);
	http_reply_to(server, token, &(struct http_reply){ .status = 200 });
	run_for(20);
	ck_assert_int_eq(last.count, 1);
}
END_TEST

START_TEST(http_client_reports_transport_errors)
{
	http_server_free(server);
	server = NULL;
	get("/");
	assert_failed("Connection refused");
	struct http_send send = request("GET", "http://no.such.host.invalid/");
	do_send(&send);
	assert_failed("resolve");
	send.url = "";
	do_send(&send);
	ck_assert_int_eq(last.status, 0);
}
END_TEST

START_TEST(http_client_speaks_http_only)
{
	static const char *const urls[] = { "file:///etc/passwd", "ftp://127.0.0.1/",
					    "gopher://127.0.0.1/", "dict://127.0.0.1/",
					    "smtp://127.0.0.1/" };
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct http_send send = request("GET", urls[i]);
		do_send(&send);
		ck_assert_int_eq(last.status, 0);
		ck_assert_msg(strstr(last.error, "not supported") != NULL, "%s", last.error);
	}
}
END_TEST

START_TEST(http_client_follows_only_when_told)
{
	get("/to//there");
	ck_assert_int_eq(last.status, 302);
	ck_assert_int_eq(handled, 1);
	struct http_send send = request("GET", url_of("/to//there"));
	send.follow_redirects = true;
	do_send(&send);
	ck_assert_int_eq(last.status, 200);
	ck_assert_int_eq(handled, 3);
	send.url = url_of("/to/file:///etc/passwd");
	do_send(&send);
	assert_failed("not supported");
	handled = 0;
	send.url = url_of("/to/");
	do_send(&send);
	ck_assert_int_le(handled, 6);
}
END_TEST

/* A server of one answer that no HTTP server would give. */
static struct loop_fd *crooked_listener, *crooked_watch;
static int crooked_fd, crooked_conn;
static const char *crooked_answer;
static bool crooked_hang_up;

static void on_crooked_request(void *ctx, int what)
{
	char bytes[1000];
	ck_assert_int_gt(recv(crooked_conn, bytes, sizeof(bytes), 0), 0);
	ck_assert_int_gt(send(crooked_conn, crooked_answer, strlen(crooked_answer), 0), 0);
	loop_fd_free(crooked_watch);
	if (crooked_hang_up)
		close(crooked_conn);
}

static void on_crooked(void *ctx, int what)
{
	crooked_conn = accept(crooked_fd, NULL, NULL);
	crooked_watch = loop_fd_new(loop, crooked_conn, on_crooked_request, NULL);
	loop_fd_set(crooked_watch, LOOP_READ);
}

static void ask_crooked(const char *answer, bool hang_up, int64_t timeout_ms)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	char url[64];
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	crooked_answer = answer;
	crooked_hang_up = hang_up;
	crooked_fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(crooked_fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(crooked_fd, 5), 0);
	ck_assert_int_eq(getsockname(crooked_fd, (struct sockaddr *)&address, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
	crooked_listener = loop_fd_new(loop, crooked_fd, on_crooked, NULL);
	loop_fd_set(crooked_listener, LOOP_READ);
	struct http_send send = request("GET", url);
	send.timeout_ms = timeout_ms;
	do_send(&send);
	loop_fd_free(crooked_listener);
	close(crooked_fd);
	if (!hang_up)
		close(crooked_conn);
}

START_TEST(http_client_refuses_truncated_answers)
{
	ask_crooked("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true, 5000);
	assert_failed("");
	ck_assert_str_ne(last.error, "");
	ask_crooked("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf", true, 5000);
	assert_failed("");
	ck_assert_str_ne(last.error, "");
	ask_crooked("HTTP/1.1 200 O", true, 5000);
	ck_assert_uint_eq(last.body.len, 0);
	ask_crooked("SSH-2.0-OpenSSH\r\n", true, 5000);
	assert_failed("");
	ck_assert_str_ne(last.error, "");
	ask_crooked("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", false, 100);
	assert_failed("timed out");
}
END_TEST

START_TEST(http_client_forgets_retry_after_of_interim_answers)
{
	ask_crooked("HTTP/1.1 100 Continue\r\nRetry-After: 5\r\n\r\nHTTP/1.1 200 "
		    "OK\r\nContent-Length: 0\r\n\r\n",
		    true, 5000);
	ck_assert_int_eq(last.status, 200);
	ck_assert_int_eq(last.retry_after_ms, -1);
}
END_TEST

START_TEST(http_client_keeps_connections)
{
	for (int i = 0; i < 1000; i++) {
		get("/");
		ck_assert_int_eq(last.status, 200);
	}
	ck_assert_int_eq(handled, 1000);
	ck_assert_int_lt(last.duration_us, 1000000);
}
END_TEST

static int many_done;

static void on_many(void *ctx, const struct http_result *result)
{
	ck_assert_int_eq(result->status, 200);
	if (++many_done == 200)
		loop_stop(loop);
}

START_TEST(http_client_runs_many_at_once)
{
	struct http_send send = request("POST", url_of("/"));
	int before = files_in(OWN_FILES);
	send.body = SLICE("abc");
	many_done = 0;
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(http_send(client, &send, on_many, NULL, NULL), 0);
	run();
	ck_assert_int_eq(many_done, 200);
	/* Of their connections, which have two ends here, some are kept for others to come. */
	run_for(50);
	ck_assert_int_le(files_in(OWN_FILES) - before, 2 * 64);
	ck_assert_int_ge(files_in(OWN_FILES) - before, 2 * 32);
}
END_TEST

static struct http_call *calls[3];

START_TEST(http_client_cancels)
{
	struct http_send send = request("GET", url_of("/defer"));
	ck_assert_int_eq(http_send(client, &send, on_done, NULL, &calls[0]), 0);
	http_call_cancel(calls[0]); /* before it began */
	ck_assert_int_eq(http_send(client, &send, on_done, NULL, &calls[0]), 0);
	run_for(30);
	ck_assert_int_eq(handled, 1);
	http_call_cancel(calls[0]); /* while it waits */
	http_reply_to(server, token, &(struct http_reply){ .status = 200 });
	run_for(30);
	ck_assert_int_eq(last.count, 0);
	get("/");
	ck_assert_int_eq(last.status, 200);
}
END_TEST

static void on_cancel_all(void *ctx, const struct http_result *result)
{
	for (int i = 0; i < 3; i++)
		http_call_cancel(calls[i]); /* its own too: nothing to do */
	on_done(ctx, result);
}

START_TEST(http_client_cancels_from_a_callback)
{
	struct http_send send = request("GET", url_of("/"));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(http_send(client, &send, on_cancel_all, NULL, &calls[i]), 0);
	run();
	run_for(30);
	ck_assert_int_eq(last.count, 1);
}
END_TEST

static void on_send_again(void *ctx, const struct http_result *result)
{
	struct http_send send = request("GET", url_of("/"));
	ck_assert_int_eq(http_send(client, &send, on_done, NULL, NULL), 0);
	ck_assert_int_eq(last.count, 0);
}

START_TEST(http_client_sends_from_a_callback)
{
	struct http_send send = request("GET", url_of("/"));
	ck_assert_int_eq(http_send(client, &send, on_send_again, NULL, NULL), 0);
	run();
	ck_assert_int_eq(last.count, 1);
	ck_assert_int_eq(last.status, 200);
}
END_TEST

static void on_free_client(void *ctx, const struct http_result *result)
{
	on_done(ctx, result);
	http_client_free(client);
	client = NULL;
}

START_TEST(http_client_may_be_freed_by_a_callback)
{
	struct http_send send = request("GET", url_of("/"));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(http_send(client, &send, on_free_client, NULL, NULL), 0);
	run();
	run_for(30);
	ck_assert_int_eq(last.count, 1);
}
END_TEST

START_TEST(http_client_frees_without_callbacks)
{
	struct http_send send = request("GET", url_of("/defer"));
	ck_assert_int_eq(http_send(client, &send, on_done, NULL, NULL), 0);
	run_for(20);
	ck_assert_int_eq(http_send(client, &send, on_done, NULL, NULL), 0);
	http_client_free(client);
	client = NULL;
	run_for(20);
	ck_assert_int_eq(last.count, 0);
}
END_TEST

START_TEST(http_client_keeps_the_host_with_another_server_name)
{
	char expected[100];
	struct http_send send = request("GET", url_of("/"));
	send.server_name = "example.test";
	do_send(&send);
	ck_assert_int_eq(last.status, 200);
	snprintf(expected, sizeof(expected), "GET host=%s ", base_url + 7);
	ck_assert_int_eq(strncmp(last.body.ptr, expected, strlen(expected)), 0);
}
END_TEST

/* A TLS server of the openssl command, certified for example.test by itself. */
static pid_t tls_pid;
static char tls_dir[] = "/tmp/test_http_client.XXXXXX";
static char tls_cert[100], tls_url[64];

static bool tls_start(void)
{
	char command[600], line[200] = "";
	int out[2], port = 0;
	ck_assert_ptr_nonnull(mkdtemp(tls_dir));
	snprintf(tls_cert, sizeof(tls_cert), "%s/cert.pem", tls_dir);
	snprintf(command, sizeof(command),
		 "cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem "
		 "-days 2 "
		 "-subj /CN=example.test -addext subjectAltName=DNS:example.test >/dev/null 2>&1",
		 tls_dir);
	if (system(command) != 0)
		return false;
	ck_assert_int_eq(pipe(out), 0);
	tls_pid = fork();
	if (tls_pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		if (chdir(tls_dir) == 0)
			execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-key",
			       "key.pem", "-cert", "cert.pem", "-www", NULL);
		_exit(127);
	}
	close(out[1]);
	FILE *in = fdopen(out[0], "r");
	while (!port && fgets(line, sizeof(line), in))
		sscanf(line, "ACCEPT 127.0.0.1:%d", &port);
	fclose(in);
	snprintf(tls_url, sizeof(tls_url), "https://127.0.0.1:%d/", port);
	return port != 0;
}

static void tls_stop(void)
{
	char command[200];
	kill(tls_pid, SIGKILL);
	waitpid(tls_pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", tls_dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(http_client_verifies_tls)
{
	if (!tls_start()) {
		printf("SKIP: no openssl command to serve TLS\n");
		return;
	}
	struct http_send send = request("GET", tls_url);
	do_send(&send); /* an unknown authority */
	assert_failed("certificate");
	send.ca_file = tls_cert;
	do_send(&send); /* another name */
	ck_assert_int_eq(last.status, 0);
	send.server_name = "example.test";
	do_send(&send);
	ck_assert_msg(last.status == 200, "%s", last.error);
	send.server_name = "other.test";
	do_send(&send);
	ck_assert_int_eq(last.status, 0);
	send.server_name = NULL;
	send.ca_file = NULL;
	send.insecure_skip_verify = true;
	do_send(&send);
	ck_assert_msg(last.status == 200, "%s", last.error);
	tls_stop();
}
END_TEST

static Suite *http_client_suite(void)
{
	Suite *suite = suite_create("http_client");
	TCase *tc = tcase_create("http_client");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, http_client_sends);
	tcase_add_test(tc, http_client_knows_methods);
	tcase_add_test(tc, http_client_refuses_injection);
	tcase_add_test(tc, http_client_sends_empty_headers);
	tcase_add_test(tc, http_client_caps_responses);
	tcase_add_test(tc, http_client_gives_a_header_that_is_wanted);
	tcase_add_test(tc, http_client_says_who_it_is);
	tcase_add_test(tc, http_client_reads_retry_after);
	tcase_add_test(tc, http_client_reads_retry_after_dates);
	tcase_add_test(tc, http_client_gives_up_in_time);
	tcase_add_test(tc, http_client_reports_transport_errors);
	tcase_add_test(tc, http_client_speaks_http_only);
	tcase_add_test(tc, http_client_follows_only_when_told);
	tcase_add_test(tc, http_client_refuses_truncated_answers);
	tcase_add_test(tc, http_client_forgets_retry_after_of_interim_answers);
	tcase_add_test(tc, http_client_keeps_connections);
	tcase_add_test(tc, http_client_runs_many_at_once);
	tcase_add_test(tc, http_client_cancels);
	tcase_add_test(tc, http_client_cancels_from_a_callback);
	tcase_add_test(tc, http_client_sends_from_a_callback);
	tcase_add_test(tc, http_client_may_be_freed_by_a_callback);
	tcase_add_test(tc, http_client_frees_without_callbacks);
	tcase_add_test(tc, http_client_keeps_the_host_with_another_server_name);
	tcase_add_test(tc, http_client_verifies_tls);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(http_client_suite)
