/* Sending, to a server of our own that takes, refuses, is slow or gone; it reads what it gets with
 * our own decoder. */
#include "ingest/rw_shards.h"

#include <stdlib.h>

#include "base/text.h"
#include "tests/check_main.h"
#include "tests/files.h"
#include "tests/ingest/harness.h"

#define WAIT_MS 5000
#define REQUESTS_MAX 64

static struct loop *loop;
static struct http_server *server;
static struct http_client *http;
static struct loop_timer *deadline, *pause_timer;
static struct rw_counters counters;
static struct rw_sender_options options;
static struct rw_sender *sender;
static struct harness decoder;
static char url[64];

/* How the next requests are answered; 200 after them. */
static int status, times;
static const char *retry_after;
static bool is_silent, says_written;
static size_t answer_bytes;

/* What came. */
static struct {
	char rows[400]; /* "name value@time …" */
	char attempt[16], version[16], auth[64];
	int64_t at_ms;
} requests[REQUESTS_MAX];
static int nrequests, wanted;
static bool is_idle;

static struct labels *named(const char *name)
{
	const struct label pairs[] = { { SLICE("__name__"), slice_from(name) },
				       { SLICE("job"), SLICE("j") } };
	struct labels *labels;
	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	return labels;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void add_at(const char *name, double value, int64_t ts_ms)
{
	struct labels *labels = named(name);
	rw_sender_add(sender, labels, ts_ms, bits_of(value));
	labels_unref(labels);
	rw_sender_check(sender);
}

static void add(const char *name, double value)
{
	add_at(name, value, 1000);
}

/* ---- the receiver ---- */

static void note_header(struct http_request *request, const char *name, char *out, size_t size)
{
	snprintf(out, size, SLICE_FMT, SLICE_ARG(http_request_header(request, name)));
}

static void note_rows(struct http_request *request, char out[400])
{
	struct slice type = http_request_header(request, "Content-Type");
	char content_type[100];
	size_t n = 0;
	snprintf(content_type, sizeof(content_type), SLICE_FMT, SLICE_ARG(type));
	ck_assert_int_eq(
		harness_decode_bytes(&decoder, content_type, "snappy", http_request_body(request)),
		0);
	for (uint32_t i = 0; i < decoder.batch->nrows && n < 300; i++) {
		struct labels *labels;
		ck_assert_int_eq(batch_labels(decoder.batch, i, &labels), 0);
		n += (size_t)snprintf(out + n, 400 - n, "%s" SLICE_FMT " %g@%lld", i ? " " : "",
				      SLICE_ARG(labels_get(labels, SLICE("__name__"))),
				      row_value(&decoder.batch->rows[i]),
				      (long long)decoder.batch->rows[i].ts_ms);
		labels_unref(labels);
	}
}

static void answer(struct http_request *request, int with)
{
	struct http_header headers[2];
	size_t n = 0;
	char *big = answer_bytes ? calloc(1, answer_bytes) : NULL;
	if (retry_after)
		headers[n++] = (struct http_header){ "Retry-After", retry_after };
	if (says_written)
		headers[n++] =
			(struct http_header){ "X-Prometheus-Remote-Write-Samples-Written", "1" };
	http_reply(request, &(struct http_reply){ .status = with,
						  .headers = headers,
						  .nheaders = n,
						  .body = { big, answer_bytes } });
	free(big);
}

static void on_request(void *ctx, struct http_request *request)
{
	ck_assert_int_lt(nrequests, REQUESTS_MAX);
	note_rows(request, requests[nrequests].rows);
	note_header(request, "Retry-Attempt", requests[nrequests].attempt, 16);
	note_header(request, "X-Prometheus-Remote-Write-Version", requests[nrequests].version, 16);
	note_header(request, "Authorization", requests[nrequests].auth, 64);
	requests[nrequests].at_ms = clock_wall_ms();
	nrequests++;
	struct http_token token;
	if (is_silent)
		ck_assert_int_eq(http_defer(request, &token), 0);
	else
		answer(request, times > 0 ? status : 200);
	times -= times > 0;
	if (nrequests == wanted)
		loop_timer_set(pause_timer, 20); /* until the answer is back */
}

static void on_deadline(void *ctx)
{
	ck_abort_msg("waited in vain: %d requests", nrequests);
}

static void on_pause(void *ctx)
{
	loop_stop(loop);
}

static void run(void)
{
	loop_timer_set(deadline, patience_ms(WAIT_MS));
	loop_run(loop);
	loop_timer_clear(deadline);
	rw_sender_check(sender);
}

static void run_until(int n)
{
	wanted = n;
	run();
	ck_assert_int_eq(nrequests, n);
}

static void run_for(int64_t ms)
{
	loop_timer_set(pause_timer, ms);
	run();
}

static void on_idle(void *ctx)
{
	is_idle = true;
	loop_stop(loop);
}

static void setup(void)
{
	struct http_server_options server_options = { .address = "127.0.0.1", .body_max = 1 << 24 };
	char *why = NULL;
	loop = loop_new();
	http = http_client_new(loop);
	deadline = loop_timer_new(loop, on_deadline, NULL);
	pause_timer = loop_timer_new(loop, on_pause, NULL);
	ck_assert_int_eq(http_server_new(loop, &server_options, on_request, NULL, &server, &why),
			 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/api/v1/write", http_server_port(server));
	options = (struct rw_sender_options){ .name = "test",
					      .peer = { .url = url, .timeout_ms = 2000 },
					      .capacity = 1000,
					      .samples_per_send = 100,
					      .min_backoff_ms = 5,
					      .max_backoff_ms = 20 };
	harness_init(&decoder);
	memset(requests, 0, sizeof(requests));
	nrequests = times = wanted = 0;
	retry_after = NULL;
	is_silent = is_idle = false;
	says_written = true;
	answer_bytes = 0;
	counters = (struct rw_counters){ 0 };
}

static void start(void)
{
	sender = rw_sender_new(loop, http, &options, &counters);
	ck_assert_ptr_nonnull(sender);
}

static void teardown(void)
{
	rw_sender_free(sender);
	sender = NULL;
	http_client_free(http);
	http_server_free(server);
	loop_timer_free(deadline);
	loop_timer_free(pause_timer);
	loop_free(loop);
	harness_fini(&decoder);
}

/* ---- bytes ---- */

/* What our own decoder reads of it, which real senders have tested. */
static void check_encoding(enum rw_version version)
{
	struct rw_encoder *encoder = rw_encoder_new();
	struct rw_sample samples[5] = { { named("a"), 1763600000123, bits_of(1.5) },
					{ named("b"), 0, bits_of(0) },
					{ named("b"), -5, STALE_NAN_BITS },
					{ named("c"), INT64_MAX, NORMAL_NAN_BITS },
					{ named("a"), 7, bits_of(-0.0) } };
	struct slice body;
	for (int round = 0; round < 2; round++) { /* the memory is used again */
		ck_assert_int_eq(rw_encode(encoder, version, samples, 5, &body), 0);
		ck_assert_int_eq(
			harness_decode_bytes(&decoder, rw_content_type(version), "snappy", body),
			0);
		ck_assert_uint_eq(decoder.batch->nrows, 5);
		for (uint32_t i = 0; i < 5; i++) {
			char *text = harness_row_text(&decoder, i),
			     *expected = labels_text(samples[i].labels);
			ck_assert_str_eq(text, expected);
			ck_assert_int_eq(decoder.batch->rows[i].ts_ms, samples[i].ts_ms);
			ck_assert_uint_eq(decoder.batch->rows[i].bits, samples[i].bits);
			free(text);
			free(expected);
		}
	}
	for (int i = 0; i < 5; i++)
		labels_unref(samples[i].labels);
	rw_encoder_free(encoder);
}

START_TEST(rw_encode_1_is_read_back)
{
	check_encoding(RW_VERSION_1);
}
END_TEST

START_TEST(rw_encode_2_is_read_back)
{
	check_encoding(RW_VERSION_2);
}
END_TEST

/* More texts than the table has room for at first. */
START_TEST(rw_encode_2_has_many_symbols)
{
	enum { N = 3000 };
	struct rw_sample *samples = calloc(N, sizeof(*samples));
	struct rw_encoder *encoder = rw_encoder_new();
	struct slice body;
	for (int i = 0; i < N; i++) {
		char name[32];
		snprintf(name, sizeof(name), "metric_%d", i);
		samples[i] = (struct rw_sample){ named(name), i, bits_of(i) };
	}
	ck_assert_int_eq(rw_encode(encoder, RW_VERSION_2, samples, N, &body), 0);
	ck_assert_int_eq(
		harness_decode_bytes(&decoder, rw_content_type(RW_VERSION_2), "snappy", body), 0);
	ck_assert_uint_eq(decoder.batch->nrows, N);
	for (int i = 0; i < N; i += 7) {
		char *text = harness_row_text(&decoder, (uint32_t)i),
		     *expected = labels_text(samples[i].labels);
		ck_assert_str_eq(text, expected);
		free(text);
		free(expected);
	}
	for (int i = 0; i < N; i++)
		labels_unref(samples[i].labels);
	rw_encoder_free(encoder);
	free(samples);
}
END_TEST

/* ---- the queue ---- */

START_TEST(rw_sender_sends_in_order)
{
	options.samples_per_send = 2;
	options.deadline_ms = 30;
	start();
	add_at("a", 1, 1);
	ck_assert_int_eq(nrequests, 0);
	add_at("a", 2, 2);
	int64_t added_ms = clock_wall_ms();
	add_at("b", 3, 2);
	run_until(2);
	ck_assert_str_eq(requests[0].rows, "a 1@1 a 2@2");
	ck_assert_str_eq(requests[1].rows, "b 3@2");
	ck_assert_str_eq(requests[0].version, "0.1.0");
	ck_assert_str_eq(requests[0].attempt, "");
	/* The second one was not full: it waited for others. */
	ck_assert_int_ge(requests[1].at_ms - added_ms, 20);
	ck_assert_uint_eq(counters.samples, 3);
	ck_assert_uint_eq(counters.pending, 0);
	ck_assert_int_eq(counters.sent_ms, 2);
}
END_TEST

START_TEST(rw_sender_speaks_2)
{
	options.version = RW_VERSION_2;
	options.peer.auth_type = "Bearer";
	options.peer.credentials = "token";
	start();
	add("a", 1);
	run_until(1);
	ck_assert_str_eq(requests[0].rows, "a 1@1000");
	ck_assert_str_eq(requests[0].version, "2.0.0");
	ck_assert_str_eq(requests[0].auth, "Bearer token");
}
END_TEST

START_TEST(rw_sender_sends_again_until_taken)
{
	status = 503;
	times = 3;
	options.samples_per_send = 1;
	start();
	add("a", 1);
	add("b", 2);
	run_until(5);
	for (int i = 0; i < 4; i++)
		ck_assert_str_eq(requests[i].rows, "a 1@1000");
	ck_assert_str_eq(requests[3].attempt, "3");
	ck_assert_str_eq(requests[4].rows, "b 2@1000");
	ck_assert_str_eq(requests[4].attempt, "");
	ck_assert_uint_eq(counters.retried, 3);
	ck_assert_uint_eq(counters.samples, 2);
	ck_assert_uint_eq(counters.failed, 0);
	ck_assert(counters.failing == 0);
}
END_TEST

START_TEST(rw_sender_waits_as_asked)
{
	status = 500;
	times = 1;
	retry_after = "1";
	start();
	add("a", 1);
	run_until(2);
	ck_assert_int_ge(requests[1].at_ms - requests[0].at_ms, 900);
	ck_assert_int_eq(rw_retry_wait_ms(30, -1), 30);
	ck_assert_int_eq(rw_retry_wait_ms(30, 0), 0);
	ck_assert_int_eq(rw_retry_wait_ms(30, RW_RETRY_AFTER_MS_MAX + 1), RW_RETRY_AFTER_MS_MAX);
}
END_TEST

START_TEST(rw_sender_drops_what_is_refused)
{
	status = 400;
	times = 1;
	answer_bytes = 10 << 20; /* of which little is read */
	start();
	add("a", 1);
	run_until(1);
	answer_bytes = 0;
	add("b", 2);
	run_until(2);
	ck_assert_str_eq(requests[1].rows, "b 2@1000");
	ck_assert_uint_eq(counters.failed, 1);
	ck_assert_uint_eq(counters.samples, 1);
	ck_assert_uint_eq(counters.retried, 0);
}
END_TEST

/* Of a longer answer no more is read, and the connection is not used again; it counts all the same.
 */
START_TEST(rw_sender_reads_so_much_of_an_answer)
{
	int before = files_in(OWN_FILES);
	start();
	for (int i = 0; i < 4; i++) {
		answer_bytes = i % 2 ? RW_ANSWER_BYTES_MAX + 1 : RW_ANSWER_BYTES_MAX;
		add("a", i);
		run_until(i + 1);
		ck_assert_uint_eq(counters.samples, i + 1);
		ck_assert_int_eq(files_in(OWN_FILES) - before, i % 2 ? 0 : 2);
	}
	ck_assert_uint_eq(counters.retried, 0);
}
END_TEST

START_TEST(rw_sender_takes_429_as_configured)
{
	status = 429;
	times = 1;
	start();
	add("a", 1);
	run_until(1);
	ck_assert_uint_eq(counters.failed, 1);
	options.retries_429 = true;
	rw_sender_configure(sender, &options);
	times = 1;
	add("b", 1);
	run_until(3);
	ck_assert_str_eq(requests[2].rows, "b 1@1000");
	ck_assert_uint_eq(counters.failed, 1);
}
END_TEST

START_TEST(rw_sender_does_not_wait_for_the_silent)
{
	options.peer.timeout_ms = 50;
	is_silent = true;
	start();
	add("a", 1);
	run_until(2);
	ck_assert_str_eq(requests[1].rows, "a 1@1000");
	ck_assert(counters.failing == 1);
}
END_TEST

START_TEST(rw_sender_drops_the_oldest_when_full)
{
	options.capacity = 3;
	options.samples_per_send = 10;
	options.deadline_ms = 20;
	start();
	for (int i = 1; i <= 5; i++)
		add("a", i);
	ck_assert_uint_eq(counters.dropped_full, 2);
	ck_assert_uint_eq(counters.pending, 3);
	run_until(1);
	ck_assert_str_eq(requests[0].rows, "a 3@1000 a 4@1000 a 5@1000");
	/* A lesser capacity holds at once. */
	options.deadline_ms = 3600000;
	rw_sender_configure(sender, &options);
	for (int i = 1; i <= 3; i++)
		add("a", i);
	options.capacity = 1;
	options.deadline_ms = 0;
	rw_sender_configure(sender, &options);
	ck_assert_uint_eq(counters.dropped_full, 4);
	run_until(2);
	ck_assert_str_eq(requests[1].rows, "a 3@1000");
}
END_TEST

/* Through several growths, with the beginning of the ring anywhere. */
START_TEST(rw_sender_keeps_what_it_has_room_for)
{
	options.capacity = 5000;
	options.samples_per_send = 700;
	options.deadline_ms = 3600000;
	options.peer.url = "http://127.0.0.1:1/";
	start();
	for (int i = 0; i < 12000; i++) {
		add("a", i);
		if (i % 1000 == 0)
			run_for(1);
	}
	ck_assert_uint_ge(rw_sender_pending(sender), 5000);
	ck_assert_uint_le(rw_sender_pending(sender), 5700);
	ck_assert_uint_eq(counters.dropped_full + rw_sender_pending(sender), 12000);
}
END_TEST

START_TEST(rw_sender_drops_the_old)
{
	options.age_max_ms = 60000;
	start();
	add_at("a", 1, clock_wall_ms() - 61000);
	int64_t now_ms = clock_wall_ms();
	add_at("b", 2, now_ms);
	run_until(1);
	ck_assert(strstr(requests[0].rows, "b 2@") == requests[0].rows);
	ck_assert_uint_eq(counters.dropped_old, 1);
}
END_TEST

START_TEST(rw_sender_drains)
{
	options.deadline_ms = 3600000;
	start();
	add("a", 1);
	run_for(20);
	ck_assert_int_eq(nrequests, 0);
	rw_sender_drain(sender, on_idle, NULL);
	run();
	ck_assert(is_idle);
	ck_assert_int_eq(nrequests, 1);
	ck_assert_uint_eq(counters.samples, 1);
}
END_TEST

/* Of a receiver that is away the end does not wait to be back. */
START_TEST(rw_sender_gives_up_at_the_end)
{
	options.peer.url = "http://127.0.0.1:1/";
	options.min_backoff_ms = options.max_backoff_ms = 3600000;
	start();
	add("a", 1);
	run_for(100);
	ck_assert(counters.failing == 1);
	add("b", 1);
	rw_sender_drain(sender, on_idle, NULL);
	run();
	ck_assert(is_idle);
	ck_assert_uint_eq(rw_sender_pending(sender), 0);
}
END_TEST

START_TEST(rw_sender_with_nothing_is_idle_at_once)
{
	start();
	rw_sender_drain(sender, on_idle, NULL);
	ck_assert(is_idle);
}
END_TEST

/* A secret's file is read at each request; without it nothing goes. */
/* ---- shards ---- */

static void shards_add(struct rw_shards *shards, int series, int64_t ts_ms)
{
	char name[24];
	snprintf(name, sizeof(name), "s%02d", series);
	struct labels *labels = named(name);
	rw_shards_add(shards, labels, ts_ms, bits_of(1));
	labels_unref(labels);
}

/* Are the samples of each series in the order of their times, over all requests? */
static int rows_in_order(int nseries)
{
	int nrows = 0;
	for (int series = 0; series < nseries; series++) {
		char name[24];
		long long last = 0;
		snprintf(name, sizeof(name), "s%02d 1@", series);
		for (int i = 0; i < nrequests; i++)
			for (const char *at = requests[i].rows; (at = strstr(at, name));) {
				at += strlen(name);
				long long ts_ms = strtoll(at, NULL, 10);
				ck_assert_int_gt(ts_ms, last);
				last = ts_ms;
				nrows++;
			}
	}
	return nrows;
}

START_TEST(rw_shards_send_at_once)
{
	options.shards = 4;
	options.samples_per_send = 8;
	start();
	struct rw_shards *shards = rw_shards_new(loop, http, &options, &counters);
	is_silent = true; /* answers nothing: what comes is under way at once */
	for (int t = 1; t <= 8; t++)
		for (int series = 0; series < 32; series++)
			shards_add(shards, series, t);
	run_until(4);
	ck_assert_int_eq(nrequests, 4);
	ck_assert_uint_eq(counters.pending, 32 * 8);
	ck_assert_uint_eq(rw_shards_pending(shards), 32 * 8);
	rw_shards_free(shards);
	ck_assert_uint_eq(counters.pending, 0);
}
END_TEST

START_TEST(rw_shards_are_so_many_at_most)
{
	for (int n = RW_SHARDS_MAX; n <= RW_SHARDS_MAX + 1; n++) {
		options.shards = n;
		struct rw_shards *shards = rw_shards_new(loop, http, &options, &counters);
		ck_assert_uint_eq(rw_shards_count(shards), RW_SHARDS_MAX);
		rw_shards_free(shards);
	}
}
END_TEST

START_TEST(rw_shards_keep_each_series_in_order)
{
	options.shards = 4;
	options.samples_per_send = 8;
	options.deadline_ms = 10;
	start();
	struct rw_shards *shards = rw_shards_new(loop, http, &options, &counters);
	ck_assert_uint_eq(rw_shards_count(shards), 4);
	status = 503;
	times = 3; /* some are sent again, while others go on */
	for (int t = 1; t <= 8; t++)
		for (int series = 0; series < 16; series++)
			shards_add(shards, series, t);
	options.shards = 2; /* not yet: samples wait */
	rw_shards_configure(shards, &options);
	ck_assert_uint_eq(rw_shards_count(shards), 4);
	for (int i = 0; i < 100 && rw_shards_pending(shards) > 0; i++)
		run_for(20);
	ck_assert_uint_eq(counters.samples, 128);
	shards_add(shards, 1, 9);
	ck_assert_uint_eq(rw_shards_count(shards), 2);
	rw_shards_free(shards);
	/* Those of the refused requests came twice, the first time in vain. */
	for (int i = 0; i < 3; i++)
		requests[i].rows[0] = 0;
	ck_assert_int_eq(rows_in_order(16), 128);
}
END_TEST

START_TEST(rw_senders_that_fail_are_counted)
{
	status = 503;
	times = 2;
	options.min_backoff_ms = 300;
	start();
	options.min_backoff_ms = options.max_backoff_ms = 60000;
	struct rw_sender *other = rw_sender_new(loop, http, &options, &counters);
	struct labels *labels = named("b");
	add("a", 1);
	rw_sender_add(other, labels, 1000, bits_of(1));
	run_until(2);
	run_for(10);
	ck_assert_uint_eq(counters.failing, 2);
	run_until(3); /* one is well again, the other waits */
	run_for(10);
	ck_assert_uint_eq(counters.failing, 1);
	rw_sender_free(other);
	ck_assert_uint_eq(counters.failing, 0);
	labels_unref(labels);
}
END_TEST

START_TEST(rw_sender_reads_secrets_anew)
{
	char path[] = "/tmp/tocsin-secret-XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	FILE *file = fdopen(fd, "w");
	options.peer.username = "me";
	options.peer.password_file = path;
	start();
	add("a", 1);
	run_for(30);
	ck_assert_int_eq(nrequests, 0); /* it is empty */
	ck_assert(counters.failing == 1);
	fputs("word\n", file);
	fclose(file);
	run_until(1);
	ck_assert_str_eq(requests[0].auth, "Basic bWU6d29yZA==");
	remove(path);
}
END_TEST

static Suite *rw_sender_suite(void)
{
	Suite *suite = suite_create("rw_sender");
	TCase *tc = tcase_create("encode");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rw_encode_1_is_read_back);
	tcase_add_test(tc, rw_encode_2_is_read_back);
	tcase_add_test(tc, rw_encode_2_has_many_symbols);
	suite_add_tcase(suite, tc);
	tc = tcase_create("send");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rw_sender_sends_in_order);
	tcase_add_test(tc, rw_sender_speaks_2);
	tcase_add_test(tc, rw_sender_sends_again_until_taken);
	tcase_add_test(tc, rw_sender_waits_as_asked);
	tcase_add_test(tc, rw_sender_drops_what_is_refused);
	tcase_add_test(tc, rw_sender_reads_so_much_of_an_answer);
	tcase_add_test(tc, rw_sender_takes_429_as_configured);
	tcase_add_test(tc, rw_sender_does_not_wait_for_the_silent);
	tcase_add_test(tc, rw_sender_drops_the_oldest_when_full);
	tcase_add_test(tc, rw_sender_keeps_what_it_has_room_for);
	tcase_add_test(tc, rw_sender_drops_the_old);
	tcase_add_test(tc, rw_sender_drains);
	tcase_add_test(tc, rw_sender_gives_up_at_the_end);
	tcase_add_test(tc, rw_sender_with_nothing_is_idle_at_once);
	tcase_add_test(tc, rw_senders_that_fail_are_counted);
	tcase_add_test(tc, rw_sender_reads_secrets_anew);
	tcase_add_test(tc, rw_shards_send_at_once);
	tcase_add_test(tc, rw_shards_are_so_many_at_most);
	tcase_add_test(tc, rw_shards_keep_each_series_in_order);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(rw_sender_suite)
