/* No memory at any point of what is sent to other servers and read of their answers: nothing leaks,
 * nothing is half done. */
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/history.h"
#include "ingest/remote_read.h"
#include "ingest/rw_sender.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"
#include "tests/nomem.h"

static struct labels *labels[3];
static struct buf answer;

static void setup(void)
{
	struct buf series, result;
	buf_init(&series);
	buf_init(&result);
	buf_init(&answer);
	for (int i = 0; i < 3; i++) {
		char value[16];
		snprintf(value, sizeof(value), "v%d", i);
		const struct label pairs[] = { { SLICE("__name__"), SLICE("x") },
					       { SLICE("l"), slice_from(value) } };
		ck_assert_int_eq(labels_new(pairs, 2, &labels[i], NULL), 0);
		enc_label(&series, "__name__", "x");
		enc_label(&series, "l", value);
		enc_sample(&series, i, 1000 + i);
		enc_message(&result, 1, &series);
	}
	enc_message(&answer, 1, &result);
	buf_fini(&series);
	buf_fini(&result);
}

static void teardown(void)
{
	for (int i = 0; i < 3; i++)
		labels_unref(labels[i]);
	buf_fini(&answer);
}

static int encode(void)
{
	const struct rw_sample samples[] = { { labels[0], 1, 2 }, { labels[1], 3, 4 } };
	struct rw_encoder *encoder = rw_encoder_new();
	struct slice body;
	int code = encoder ? 0 : ERR_NOMEM;
	for (int version = RW_VERSION_1; version <= RW_VERSION_2 && !code; version++)
		code = rw_encode(encoder, version, samples, 2, &body);
	rw_encoder_free(encoder);
	nomem_disarm();
	return code;
}

START_TEST(rw_encoder_without_memory)
{
	ck_assert_uint_gt(nomem_sweep(encode), 5);
}
END_TEST

/* What finds no memory is dropped and counted; the queue goes on. */
static int add(void)
{
	struct loop *loop = loop_new();
	struct http_client *http = loop ? http_client_new(loop) : NULL;
	struct rw_counters counters = { 0 };
	const struct rw_sender_options options = { .name = "n",
						   .peer = { .url = "http://127.0.0.1:1/" },
						   .capacity = 10,
						   .samples_per_send = 100,
						   .deadline_ms = 3600000,
						   .min_backoff_ms = 1,
						   .max_backoff_ms = 1 };
	struct rw_sender *sender = http ? rw_sender_new(loop, http, &options, &counters) : NULL;
	int code = sender ? 0 : ERR_NOMEM;
	for (int i = 0; i < 3 && sender; i++)
		rw_sender_add(sender, labels[i], i, 1);
	size_t kept = sender ? rw_sender_pending(sender) : 0;
	rw_sender_free(sender);
	if (http)
		http_client_free(http);
	if (loop)
		loop_free(loop);
	nomem_disarm();
	if (code == 0) {
		ck_assert_uint_eq(kept + counters.dropped_memory, 3);
		code = counters.dropped_memory ? ERR_NOMEM : 0;
	}
	return code;
}

START_TEST(rw_sender_without_memory)
{
	ck_assert_uint_gt(nomem_sweep(add), 3);
}
END_TEST

static int read_answer(void)
{
	struct remote_read read;
	struct remote_read_sample sample;
	int code, n = 0;
	remote_read_init(&read, buf_slice(&answer));
	while ((code = remote_read_series(&read)) > 0)
		while (remote_read_sample(&read, &sample) > 0)
			n++;
	remote_read_fini(&read);
	nomem_disarm();
	if (code == 0)
		ck_assert_int_eq(n, 3);
	return code;
}

START_TEST(remote_read_without_memory)
{
	ck_assert_uint_gt(nomem_sweep(read_answer), 2);
}
END_TEST

static int request(void)
{
	struct matcher *matchers = NULL;
	size_t n = 0;
	char *why = NULL;
	struct buf body;
	buf_init(&body);
	int code = matchers_parse(SLICE("{a=\"b\"}"), &matchers, &n, &why);
	if (!code)
		code = remote_read_request(matchers, n, 0, 1, 2, &body);
	buf_fini(&body);
	matchers_free(matchers, n);
	free(why);
	nomem_disarm();
	return code;
}

START_TEST(remote_read_request_without_memory)
{
	ck_assert_uint_gt(nomem_sweep(request), 3);
}
END_TEST

static int external(void)
{
	struct labels *found = NULL;
	int code = history_external_labels(
		SLICE("{\"data\":{\"yaml\":\"global: {external_labels: {a: b}}\"}}"), &found);
	labels_unref(found);
	nomem_disarm();
	return code;
}

START_TEST(external_labels_without_memory)
{
	ck_assert_uint_gt(nomem_sweep(external), 3);
}
END_TEST

static int push(void *ctx, struct batch *batch)
{
	return ERR_FULL;
}

static int64_t now_ms(void *ctx)
{
	return 1000000;
}

static int wish(void)
{
	static struct hash_key key;
	const struct history_host host = { NULL, push, now_ms };
	struct history_counters counters = { 0 };
	const struct history_server server = { .url_shown = "",
					       .peer = { .url = "http://127.0.0.1:1" },
					       .max_range_ms = 1000 };
	const struct history_options options = { .servers = &server, .n = 1 };
	struct loop *loop = loop_new();
	struct http_client *http = loop ? http_client_new(loop) : NULL;
	struct history *history = http ? history_new(loop, http, &key, &host, &counters) : NULL;
	int code = history ? 0 : ERR_NOMEM;
	if (history) {
		history_configure(history, &options);
		code = history_wish(history, SLICE("{a=\"b\"}"), 0);
	}
	history_free(history);
	if (http)
		http_client_free(http);
	if (loop)
		loop_free(loop);
	nomem_disarm();
	return code;
}

START_TEST(history_without_memory)
{
	ck_assert_uint_gt(nomem_sweep(wish), 5);
}
END_TEST

static Suite *peer_nomem_suite(void)
{
	Suite *suite = suite_create("peer_nomem");
	TCase *tc = tcase_create("nomem");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rw_encoder_without_memory);
	tcase_add_test(tc, rw_sender_without_memory);
	tcase_add_test(tc, remote_read_without_memory);
	tcase_add_test(tc, remote_read_request_without_memory);
	tcase_add_test(tc, external_labels_without_memory);
	tcase_add_test(tc, history_without_memory);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(peer_nomem_suite)
