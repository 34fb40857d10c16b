/* The HTTP server: what it understands of a request. */
#include "base/http_server.h"

#include "tests/base/http_harness.h"

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

static Suite *http_server_suite(void)
{
	Suite *suite = suite_create("http_server");
	TCase *tc = tcase_create("http_server");
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
	return suite;
}

TEST_MAIN(http_server_suite)
