/* Who we are to a server that a configuration names, and what it says. */
#include "base/http_peer.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/check_main.h"

static struct loop *loop;
static struct http_server *server;
static struct http_client *client;
static struct http_peer peer;
static char url[64], path[64], seen[200], said[200];

/* Answers with what it was told. */
static void on_request(void *ctx, struct http_request *request)
{
	snprintf(seen, sizeof(seen), SLICE_FMT " " SLICE_FMT " " SLICE_FMT,
		 SLICE_ARG(http_request_path(request)),
		 SLICE_ARG(http_request_header(request, "Authorization")),
		 SLICE_ARG(http_request_header(request, "X-Team")));
	http_reply(request,
		   &(struct http_reply){ .status = 418, .body = SLICE(" a teapot \nand more") });
}

static void on_done(void *ctx, const struct http_result *result)
{
	http_explain(result, said, sizeof(said));
	loop_stop(loop);
}

static int ask(const struct http_send *what)
{
	int code = http_peer_send(client, &peer, what, on_done, NULL, NULL);
	if (code == 0)
		loop_run(loop);
	return code;
}

static int get(void)
{
	return ask(&(struct http_send){ .method = "GET" });
}

static void write_secret(const char *text)
{
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void setup(void)
{
	struct http_server_options options = { .address = "127.0.0.1", .body_max = 1000 };
	char *why = NULL;
	loop = loop_new();
	client = http_client_new(loop);
	ck_assert_int_eq(http_server_new(loop, &options, on_request, NULL, &server, &why), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/own", http_server_port(server));
	strcpy(path, "/tmp/tocsin-secret-XXXXXX");
	close(mkstemp(path));
	peer = (struct http_peer){ .url = url, .timeout_ms = 2000 };
}

static void teardown(void)
{
	http_client_free(client);
	http_server_free(server);
	loop_free(loop);
	unlink(path);
}

START_TEST(http_peer_has_an_address_and_headers)
{
	const struct http_header header = { "X-Team", "red" };
	char other[80];
	peer.headers = &header;
	peer.nheaders = 1;
	ck_assert_int_eq(get(), 0);
	ck_assert_str_eq(seen, "/own  red");
	snprintf(other, sizeof(other), "%s/other", url);
	ck_assert_int_eq(ask(&(struct http_send){ .method = "GET", .url = other }), 0);
	ck_assert_str_eq(seen, "/own/other  red");
}
END_TEST

START_TEST(http_peer_reads_secrets_at_each_request)
{
	peer.auth_type = "Bearer";
	peer.credentials_file = path;
	write_secret("one\ntwo\n");
	ck_assert_int_eq(get(), 0);
	ck_assert_str_eq(seen, "/own Bearer one ");
	write_secret("three");
	ck_assert_int_eq(get(), 0);
	ck_assert_str_eq(seen, "/own Bearer three ");
	peer.auth_type = NULL;
	peer.username = "me";
	peer.password_file = path;
	ck_assert_int_eq(get(), 0);
	ck_assert_str_eq(seen, "/own Basic bWU6dGhyZWU= ");
}
END_TEST

START_TEST(http_peer_sends_nothing_without_its_secret)
{
	peer.auth_type = "Bearer";
	peer.credentials_file = path; /* empty */
	ck_assert_int_eq(get(), ERR_IO);
	ck_assert_int_eq(errno, ENODATA);
	peer.credentials_file = "/nowhere/at/all";
	ck_assert_int_eq(get(), ERR_IO);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(http_peer_bounds_secrets)
{
	peer.auth_type = "Bearer";
	peer.credentials_file = path;
	for (int len = HTTP_SECRET_MAX - 1; len <= HTTP_SECRET_MAX; len++) {
		FILE *file = fopen(path, "w");
		for (int i = 0; i < len; i++)
			fputc('a', file);
		fclose(file);
		ck_assert_int_eq(get(), len < HTTP_SECRET_MAX ? 0 : ERR_LIMIT);
	}
}
END_TEST

START_TEST(http_peer_bounds_headers)
{
	struct http_header headers[HTTP_PEER_HEADERS_MAX];
	const struct http_header more = { "X-Team", "red" };
	for (int i = 0; i < HTTP_PEER_HEADERS_MAX; i++)
		headers[i] = (struct http_header){ "X-Other", "b" };
	peer.headers = headers;
	peer.nheaders = HTTP_PEER_HEADERS_MAX;
	peer.auth_type = "Bearer";
	peer.credentials = "one";
	ck_assert_int_eq(get(), 0);
	ck_assert_int_eq(
		ask(&(struct http_send){ .method = "GET", .headers = &more, .nheaders = 1 }),
		ERR_LIMIT);
}
END_TEST

START_TEST(http_explain_says_what_was_said)
{
	char text[20];
	ck_assert_int_eq(get(), 0);
	ck_assert_str_eq(said, "HTTP 418: a teapot");
	http_explain(&(struct http_result){ .status = 500, .body = SLICE(" \n") }, text,
		     sizeof(text));
	ck_assert_str_eq(text, "HTTP 500");
	http_explain(&(struct http_result){ .error = "no route to anything at all" }, text,
		     sizeof(text));
	ck_assert_str_eq(text, "no route to anythin");
}
END_TEST

static Suite *http_peer_suite(void)
{
	Suite *suite = suite_create("http_peer");
	TCase *tc = tcase_create("http_peer");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, http_peer_has_an_address_and_headers);
	tcase_add_test(tc, http_peer_reads_secrets_at_each_request);
	tcase_add_test(tc, http_peer_sends_nothing_without_its_secret);
	tcase_add_test(tc, http_peer_bounds_secrets);
	tcase_add_test(tc, http_peer_bounds_headers);
	tcase_add_test(tc, http_explain_says_what_was_said);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(http_peer_suite)
