/* The HTTP server: connections that stay, answers that come later, and its end. */
#include "base/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/http_internal.h"
#include "tests/base/http_harness.h"

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

static Suite *http_server_connections_suite(void)
{
	Suite *suite = suite_create("http_server_connections");
	TCase *tc = tcase_create("http_server_connections");
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

TEST_MAIN(http_server_connections_suite)
