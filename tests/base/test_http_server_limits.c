/* The HTTP server: what it refuses, and whom it waits for no longer. */
#include "base/http_server.h"

#include <sys/socket.h>

#include "base/error.h"
#include "base/http_internal.h"
#include "base/text.h"
#include "tests/base/http_harness.h"

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

/* But not without end: who sends far more than LINGER_BYTES_MAX finds the connection broken. */
START_TEST(http_server_hears_out_only_so_much)
{
	struct peer peer;
	start(options());
	char *endless = big_request(64 << 20);
	peer_open(&peer);
	peer_send_all(&peer, endless, strlen(endless));
	while (!peer.broken && peer.more_len) {
		run();
		ck_assert(!gave_up);
	}
	ck_assert(peer.broken);
	assert_has(&peer, "HTTP/1.1 413 ");
	peer_close(&peer);
	free(endless);
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

static Suite *http_server_limits_suite(void)
{
	Suite *suite = suite_create("http_server_limits");
	TCase *tc = tcase_create("http_server_limits");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, http_server_limits_bodies);
	tcase_add_test(tc, http_server_hears_out_whom_it_refuses);
	tcase_add_test(tc, http_server_hears_out_only_so_much);
	tcase_add_test(tc, http_server_limits_headers);
	tcase_add_test(tc, http_server_limits_endless_chunk_headers);
	tcase_add_test(tc, http_server_drops_slow_senders);
	tcase_add_test(tc, http_server_ignores_truncated_requests);
	tcase_add_test(tc, http_server_limits_deferred_requests);
	tcase_add_test(tc, http_server_limits_connections);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(http_server_limits_suite)
