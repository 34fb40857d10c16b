/* Asking for the past, from a server of our own: one that answers, in parts, late, wrong, too much
 * or not at all. */
#include "ingest/history_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/decompress.h"
#include "ingest/remote_read.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"

#define WAIT_MS 8000
#define NOW_MS 1763600000000ll
#define HOUR_MS 3600000ll

static struct hash_key key;
static struct loop *loop;
static struct http_server *server;
static struct http_client *http;
static struct loop_timer *deadline;
static struct history *history;
static struct history_counters counters;
static struct history_server servers[2];
static struct history_options options;
static char url[64];

/* The server: what it holds, and how it answers. */
static const char *config_yaml;
static size_t config_bytes; /* of the answer, with blanks before it; 0: none are */
static int config_status, status, bad_times;
static const char *refusal;
static int64_t range_max_ms; /* it refuses more as too much; 0: never */
static size_t padding;	     /* of each answer */
static bool is_damaged, is_silent, is_bomb;
static uint32_t per_series; /* samples back from now, so far apart: */
static int64_t step_ms;
static struct {
	int64_t from_ms, to_ms;
	char matchers[200];
} asked[400];
static uint32_t nasked, nconfigs;

/* What came of it. */
static uint32_t nbatches, nrows, nfull, held_back;
static struct batch *held; /* the one that is not given back */
static char first_series[200];
static uint64_t stale_rows;
static int64_t covered_ms, last_ts_ms;
static char covered[200];

/* ---- the server ---- */

static void note_matchers(struct slice query, uint32_t at)
{
	struct pb_walk walk = pb_walk_of(query);
	struct pb_field field, part;
	size_t n = 0;
	while (pb_next(&walk, &field) > 0) {
		if (field.number == 1)
			asked[at].from_ms = (int64_t)field.value;
		else if (field.number == 2)
			asked[at].to_ms = (int64_t)field.value;
		if (field.number != 3)
			continue;
		struct pb_walk matcher = pb_walk_of(field.bytes);
		while (pb_next(&matcher, &part) > 0) {
			if (part.wire == PB_VARINT)
				n += (size_t)snprintf(asked[at].matchers + n, 200 - n, "%s%d",
						      n ? " " : "", (int)part.value);
			else
				n += (size_t)snprintf(asked[at].matchers + n, 200 - n,
						      " " SLICE_FMT, SLICE_ARG(part.bytes));
		}
	}
}

static void note_request(struct http_request *request)
{
	struct decompressor decompressor;
	struct buf plain;
	const char *why;
	struct pb_field field;
	decompressor_init(&decompressor);
	buf_init(&plain);
	ck_assert_int_eq(decompress_as(&decompressor, ENCODING_SNAPPY, http_request_body(request),
				       1 << 20, &plain, &why),
			 0);
	struct pb_walk walk = pb_walk_of(buf_slice(&plain));
	ck_assert_int_eq(pb_next(&walk, &field), 1);
	ck_assert_uint_lt(nasked, 400);
	note_matchers(field.bytes, nasked);
	nasked++;
	buf_fini(&plain);
	decompressor_fini(&decompressor);
}

static void add_series(struct buf *result, const char *job, int64_t from_ms, int64_t to_ms)
{
	struct buf series;
	double stale;
	uint64_t bits = STALE_NAN_BITS;
	memcpy(&stale, &bits, sizeof(stale));
	buf_init(&series);
	enc_label(&series, "__name__", "x");
	enc_label(&series, "job", job);
	for (uint32_t i = per_series; i-- > 0;) {
		int64_t ts_ms = NOW_MS - step_ms * i;
		if (ts_ms >= from_ms && ts_ms <= to_ms)
			enc_sample(&series, i == 1 ? stale : i, ts_ms);
	}
	enc_message(result, 1, &series);
	buf_fini(&series);
}

/* Says that it is larger than we take. */
static void answer_bomb(struct http_request *request)
{
	struct buf body;
	buf_init(&body);
	enc_varint(&body, HISTORY_DECODED_MAX + 1);
	buf_add_str(&body, "some bytes");
	http_reply(request, &(struct http_reply){ .status = 200, .body = buf_slice(&body) });
	buf_fini(&body);
}

static void answer_read(struct http_request *request)
{
	int64_t from_ms = asked[nasked - 1].from_ms, to_ms = asked[nasked - 1].to_ms;
	struct buf result, response, body;
	buf_init(&result);
	buf_init(&response);
	buf_init(&body);
	add_series(&result, "a", from_ms, to_ms);
	add_series(&result, "b", from_ms, to_ms);
	enc_message(&response, 1, &result);
	enc_snappy(&body, buf_slice(&response));
	for (size_t i = 0; i < padding; i++)
		buf_add_char(&body, (char)i);
	http_reply(request, &(struct http_reply){ .status = 200,
						  .body = is_damaged ? SLICE("\x04\x0c????")
								     : buf_slice(&body) });
	buf_fini(&result);
	buf_fini(&response);
	buf_fini(&body);
}

static void on_read(struct http_request *request)
{
	struct http_token token;
	note_request(request);
	if (is_silent) {
		ck_assert_int_eq(http_defer(request, &token), 0);
		return;
	}
	if (bad_times != 0) {
		bad_times -= bad_times > 0;
		http_reply(request,
			   &(struct http_reply){ .status = status, .body = slice_from(refusal) });
		return;
	}
	if (range_max_ms && asked[nasked - 1].to_ms - asked[nasked - 1].from_ms > range_max_ms) {
		http_reply(request,
			   &(struct http_reply){ .status = 400,
						 .body = SLICE("exceeded sample limit (9)\n") });
		return;
	}
	if (is_bomb)
		answer_bomb(request);
	else
		answer_read(request);
}

static void on_config(struct http_request *request)
{
	char text[500];
	struct buf body;
	nconfigs++;
	snprintf(text, sizeof(text), "{\"status\":\"success\",\"data\":{\"yaml\":\"%s\"}}",
		 config_yaml);
	buf_init(&body);
	while (body.len + strlen(text) < config_bytes)
		buf_add_char(&body, ' ');
	buf_add_str(&body, text);
	http_reply(request,
		   &(struct http_reply){ .status = config_status, .body = buf_slice(&body) });
	buf_fini(&body);
}

static void on_request(void *ctx, struct http_request *request)
{
	if (slice_is(http_request_path(request), "/p/api/v1/read"))
		on_read(request);
	else if (slice_is(http_request_path(request), "/p/api/v1/status/config"))
		on_config(request);
	else
		ck_abort_msg("asked for " SLICE_FMT, SLICE_ARG(http_request_path(request)));
}

/* ---- who takes the batches ---- */

static void note_batch(const struct batch *batch)
{
	ck_assert(batch->is_past);
	ck_assert_uint_le(batch->nrows, HISTORY_ROWS_MAX);
	if (batch->nrows)
		ck_assert_uint_eq(batch->births[0].row, 0);
	for (uint32_t i = 0; i < batch->nrows; i++) {
		struct labels *labels;
		stale_rows += batch->rows[i].bits == STALE_NAN_BITS;
		last_ts_ms = batch->rows[i].ts_ms;
		ck_assert_int_eq(batch_labels(batch, i, &labels), 0);
		struct hash128 hash = labels_hash(labels, &key);
		ck_assert(hash128_is_equal(hash, batch->rows[i].key));
		labels_unref(labels);
	}
	if (batch->nrows && !first_series[0]) {
		struct buf text;
		buf_init(&text);
		labels_format(batch->births[0].labels, &text);
		snprintf(first_series, sizeof(first_series), "%s", text.ptr);
		buf_fini(&text);
	}
	if (batch->covers) {
		snprintf(covered, sizeof(covered), "%s", batch->covers);
		covered_ms = batch->covers_since_ms;
	}
}

/* Comes back in the next turn, as from another thread. */
static struct batch *on_way[16];
static uint32_t non_way;
static struct loop_timer *way;

static void on_way_back(void *ctx)
{
	while (non_way > 0)
		history_done(history, on_way[--non_way]);
}

static int host_push(void *ctx, struct batch *batch)
{
	if (nfull > 0) {
		nfull--;
		return ERR_FULL;
	}
	note_batch(batch);
	nbatches++;
	nrows += batch->nrows;
	if (held_back && nbatches == held_back) {
		held = batch;
		loop_stop(loop);
		return 0;
	}
	ck_assert_uint_lt(non_way, 16);
	on_way[non_way++] = batch;
	loop_timer_set(way, 0);
	return 0;
}

static int64_t host_now_ms(void *ctx)
{
	return NOW_MS;
}

static void on_deadline(void *ctx)
{
	ck_abort_msg("waited in vain: %u requests, %u batches", nasked, nbatches);
}

static void on_look(void *ctx)
{
	struct loop_timer **look = ctx;
	if (atomic_load(&counters.waiting) == 0)
		loop_stop(loop);
	else
		loop_timer_set(*look, 5);
}

/* Until no wish waits any more, or a batch is held back. */
static void run(void)
{
	struct loop_timer *look = NULL;
	look = loop_timer_new(loop, on_look, &look);
	loop_timer_set(deadline, patience_ms(WAIT_MS));
	loop_timer_set(look, 5);
	loop_run(loop);
	loop_timer_clear(deadline);
	loop_timer_free(look);
}

static void on_stop(void *ctx)
{
	loop_stop(loop);
}

static void run_for(int64_t ms)
{
	struct loop_timer *timer = loop_timer_new(loop, on_stop, NULL);
	loop_timer_set(timer, ms);
	loop_run(loop);
	loop_timer_free(timer);
}

/* ---- wishes ---- */

/* The wish for x, told apart from others by a label. */
static int wish_for(int number, int64_t range_ms)
{
	char text[64];
	snprintf(text, sizeof(text), "{__name__=\"x\",n!=\"%d\"}", number);
	return history_wish(history, slice_from(text), NOW_MS - range_ms);
}

static void wish(int64_t range_ms)
{
	ck_assert_int_eq(history_wish(history, SLICE("{__name__=\"x\"}"), NOW_MS - range_ms), 0);
}

static void setup(void)
{
	struct http_server_options server_options = { .address = "127.0.0.1", .body_max = 10000 };
	const struct history_host host = { NULL, host_push, host_now_ms };
	char *why = NULL;
	hash_key_derive(&key, "test", 4);
	loop = loop_new();
	http = http_client_new(loop);
	deadline = loop_timer_new(loop, on_deadline, NULL);
	way = loop_timer_new(loop, on_way_back, NULL);
	ck_assert_int_eq(http_server_new(loop, &server_options, on_request, NULL, &server, &why),
			 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/p/", http_server_port(server));
	counters = (struct history_counters){ 0 };
	for (int i = 0; i < 2; i++)
		servers[i] = (struct history_server){ .url_shown = "shown",
						      .peer = { .url = url, .timeout_ms = 2000 },
						      .max_range_ms = 30 * 24 * HOUR_MS };
	options = (struct history_options){ .servers = servers, .n = 1 };
	history = history_new(loop, http, &key, &host, &counters);
	history_configure(history, &options);
	config_yaml = "global:\\n  scrape_interval: 1m\\n";
	config_status = 200;
	config_bytes = 0;
	refusal = "no\n";
	per_series = 100;
	step_ms = 15000;
}

static void teardown(void)
{
	while (non_way > 0)
		batch_free(on_way[--non_way]);
	batch_free(held);
	history_free(history);
	http_client_free(http);
	http_server_free(server);
	loop_timer_free(deadline);
	loop_timer_free(way);
	loop_free(loop);
}

START_TEST(history_fills_and_covers)
{
	wish(600000);
	run();
	ck_assert_uint_eq(nasked, 1);
	ck_assert_int_eq(asked[0].from_ms, NOW_MS - 600000);
	ck_assert_int_eq(asked[0].to_ms, NOW_MS);
	ck_assert_str_eq(asked[0].matchers, "0 __name__ x");
	ck_assert_uint_eq(nbatches, 2); /* the samples, and the cover */
	ck_assert_uint_eq(nrows, 2 * 41);
	ck_assert_uint_eq(stale_rows, 2);
	ck_assert_str_eq(first_series, "x{job=\"a\"}");
	ck_assert_str_eq(covered, "{__name__=\"x\"}");
	ck_assert_int_eq(covered_ms, NOW_MS - 600000);
	ck_assert_uint_eq(counters.filled, 1);
	ck_assert_uint_eq(counters.samples, 82);
	ck_assert_uint_eq(counters.failed + counters.retries, 0);
}
END_TEST

/* Nothing is there: that is known, too. */
START_TEST(history_covers_what_is_empty)
{
	per_series = 0;
	wish(600000);
	run();
	ck_assert_uint_eq(nbatches, 1);
	ck_assert_str_eq(covered, "{__name__=\"x\"}");
}
END_TEST

/* Oldest first, each piece where the last one ended, larger while answers are small. */
START_TEST(history_asks_in_pieces)
{
	per_series = 240 * 100;
	wish(100 * HOUR_MS);
	run();
	ck_assert_int_eq(asked[0].from_ms, NOW_MS - 100 * HOUR_MS);
	for (uint32_t i = 0; i < nasked; i++) {
		int64_t piece_ms = asked[i].to_ms - asked[i].from_ms + 1;
		ck_assert_int_le(piece_ms, HISTORY_PIECE_MS_MAX);
		if (i)
			ck_assert_int_eq(asked[i].from_ms, asked[i - 1].to_ms + 1);
	}
	ck_assert_int_eq(asked[nasked - 1].to_ms, NOW_MS);
	ck_assert_uint_lt(nasked, 12);
	ck_assert_uint_eq(nrows, 2 * 24000);
	ck_assert_int_eq(covered_ms, NOW_MS - 100 * HOUR_MS);
}
END_TEST

/* More rows than a batch holds, in one answer and within one series: the next begins with labels.
 */
START_TEST(history_cuts_batches)
{
	step_ms = 100;
	per_series = 25000;
	wish(HOUR_MS - 1);
	run();
	ck_assert_uint_eq(nasked, 1);
	ck_assert_uint_eq(nrows, 2 * 25000);
	ck_assert_uint_eq(nbatches, 3 + 1);
}
END_TEST

START_TEST(history_halves_what_is_too_much)
{
	range_max_ms = HOUR_MS / 5;
	per_series = 240;
	wish(HOUR_MS);
	run();
	ck_assert_uint_eq(nrows, 2 * 240);
	ck_assert_int_eq(covered_ms, NOW_MS - HOUR_MS);
	ck_assert_uint_eq(counters.failed + counters.retries, 0);
}
END_TEST

START_TEST(history_takes_no_more_than_its_limit)
{
	padding = HISTORY_BODY_MAX + 1;
	wish(10000);
	run();
	ck_assert_uint_eq(counters.failed, 1);
	ck_assert_uint_eq(nbatches, 0);
	ck_assert_uint_le(nasked, 5); /* down to a second */
	padding = nasked = 0;
	is_bomb = true;
	wish(10000);
	run();
	ck_assert_uint_eq(counters.failed, 2);
	ck_assert_uint_eq(nbatches, 0);
	ck_assert_uint_le(nasked, 5);
}
END_TEST

START_TEST(history_tries_again)
{
	status = 503;
	bad_times = 1;
	wish(600000);
	run();
	ck_assert_uint_eq(nasked, 2);
	ck_assert_uint_eq(counters.retries, 1);
	ck_assert_uint_eq(counters.filled, 1);
}
END_TEST

START_TEST(history_takes_no_for_an_answer)
{
	status = 404;
	bad_times = -1;
	wish(600000);
	run();
	ck_assert_uint_eq(nasked, 1);
	ck_assert_uint_eq(counters.failed, 1);
	ck_assert_uint_eq(nbatches, 0);
}
END_TEST

START_TEST(history_is_not_misled_by_damage)
{
	is_damaged = true;
	wish(600000);
	run_for(100);
	ck_assert_uint_eq(nbatches, 0);
	ck_assert_uint_eq(counters.retries, 1);
	is_damaged = false;
	run();
	ck_assert_uint_eq(counters.filled, 1);
	ck_assert_uint_eq(nrows, 82);
}
END_TEST

START_TEST(history_does_not_wait_for_the_silent)
{
	servers[0].peer.timeout_ms = 50;
	is_silent = true;
	wish(600000);
	run_for(200);
	ck_assert_uint_eq(counters.retries, 1);
	is_silent = false;
	run();
	ck_assert_uint_eq(counters.filled, 1);
}
END_TEST

/* Few at once; when nobody answers, the many that wait are not tried each in its turn. */
START_TEST(history_gives_up_together)
{
	status = 401;
	bad_times = -1;
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(wish_for(i, 600000), 0);
	}
	run();
	ck_assert_uint_eq(counters.failed, 50);
	ck_assert_uint_le(nasked, 2 * HISTORY_BUSY_MAX);
}
END_TEST

START_TEST(history_has_a_limit_of_wishes)
{
	for (int i = 0; i < HISTORY_WAITING_MAX; i++) {
		ck_assert_int_eq(wish_for(i, 600000), 0);
	}
	ck_assert_int_eq(wish_for(-1, 600000), ERR_LIMIT);
	ck_assert_int_eq(wish_for(1, 500000), 0); /* is one of them */
	ck_assert_uint_eq(counters.waiting, HISTORY_WAITING_MAX);
}
END_TEST

START_TEST(history_waits_for_room)
{
	nfull = 2;
	wish(600000);
	run();
	ck_assert_uint_eq(nfull, 0);
	ck_assert_uint_eq(nrows, 82);
	ck_assert_uint_eq(counters.filled, 1);
}
END_TEST

START_TEST(history_asks_all_servers)
{
	options.n = 2;
	servers[0].max_range_ms = 60000;
	history_configure(history, &options);
	wish(600000);
	run();
	ck_assert_uint_eq(nasked, 2);
	ck_assert_int_eq(asked[0].from_ms, NOW_MS - 60000);
	ck_assert_int_eq(asked[1].from_ms, NOW_MS - 600000);
	ck_assert_int_eq(covered_ms, NOW_MS - 600000);
	/* No further than they go, whatever is wished. */
	options.n = 1;
	history_configure(history, &options);
	nasked = 0;
	wish(INT64_MAX / 4);
	run();
	ck_assert_uint_eq(nasked, 1);
	ck_assert_int_eq(covered_ms, NOW_MS - 60000);
}
END_TEST

START_TEST(history_asks_once_for_one_selector)
{
	wish(600000);
	wish(300000);
	wish(600000);
	run();
	ck_assert_uint_eq(nasked, 1);
	/* But for more, if more is wished for meanwhile. */
	nasked = nbatches = 0;
	held_back = 1;
	wish(300000);
	run();
	wish(900000);
	run();
	ck_assert_int_eq(covered_ms, NOW_MS - 900000);
	ck_assert_uint_eq(counters.filled, 2);
	/* The batch of before is nothing to the wish any more. */
	history_done(history, held);
	held = NULL;
	ck_assert_uint_eq(counters.filled, 2);
}
END_TEST

START_TEST(history_begins_anew_when_configured)
{
	held_back = 1;
	wish(600000);
	run();
	history_configure(history, &options);
	run();
	ck_assert_uint_eq(counters.filled, 1);
	ck_assert_uint_eq(nasked, 2);
	/* Without servers nobody wishes for anything. */
	options.n = 0;
	history_configure(history, &options);
	wish(600000);
	ck_assert_uint_eq(counters.waiting, 0);
}
END_TEST

/* A matcher other than equality on an external label would find nothing at the server. */
START_TEST(history_knows_external_labels)
{
	config_yaml = "global:\\n  external_labels:\\n    cluster: eu\\n    site: 1\\n";
	ck_assert_int_eq(history_wish(history,
				      SLICE("{__name__=\"x\",cluster=~\"e.|us\",cluster!=\"us\","
					    "cluster=~\"us\",cluster=\"eu\",job=~\".+\"}"),
				      NOW_MS - 1000),
			 0);
	run();
	ck_assert_str_eq(asked[0].matchers, "0 __name__ x 2 cluster us 0 cluster eu 2 job .+");
	ck_assert_uint_eq(nconfigs, 1);
}
END_TEST

START_TEST(history_asks_for_any_selector)
{
	ck_assert_int_eq(history_wish(history,
				      SLICE("{__name__=\"x\",\"a b\"=\"q\\\"\\\\\\n\",c!~\"d|ä\"}"),
				      NOW_MS - 1000),
			 0);
	run();
	ck_assert_str_eq(asked[0].matchers, "0 __name__ x 0 a b q\"\\\n 3 c d|ä");
	ck_assert_int_eq(history_wish(history, SLICE("{a"), NOW_MS), ERR_INVALID);
}
END_TEST

START_TEST(history_does_without_external_labels)
{
	config_status = 404;
	wish(600000);
	run();
	ck_assert_uint_eq(counters.filled, 1);
}
END_TEST

/* A configuration that is longer by a byte than what is read of it (_i) is none. */
START_TEST(history_reads_configurations_so_long)
{
	config_yaml = "global:\\n  external_labels:\\n    cluster: eu\\n";
	config_bytes = (4u << 20) + (size_t)_i;
	ck_assert_int_eq(
		history_wish(history, SLICE("{__name__=\"x\",cluster=\"eu\",cluster=~\"e.\"}"),
			     NOW_MS - 1000),
		0);
	run();
	ck_assert_str_eq(asked[0].matchers, _i == 0 ? "0 __name__ x 0 cluster eu"
						    : "0 __name__ x 0 cluster eu 2 cluster e.");
	ck_assert_uint_eq(nconfigs, 1);
	ck_assert_uint_eq(counters.filled, 1);
}
END_TEST

/* A server that is not there keeps nobody waiting for longer than the documentation says, half a
 * minute: its labels are given up soon, and then each wish has its own attempts. */
START_TEST(history_waits_half_a_minute_for_the_dead)
{
	int64_t ms = 0;
	for (uint32_t i = 1; i < HISTORY_LABELS_ATTEMPTS_MAX; i++)
		ms += history_retry_ms(i);
	for (uint32_t i = 1; i < HISTORY_ATTEMPTS_MAX; i++)
		ms += history_retry_ms(i);
	ck_assert_int_le(ms, 35000);
	config_status = 503; /* asked so often, and no more */
	wish(600000);
	run();
	ck_assert_uint_eq(nconfigs, HISTORY_LABELS_ATTEMPTS_MAX);
	ck_assert_uint_eq(counters.filled, 1);
}
END_TEST

START_TEST(history_reads_external_labels)
{
	static const struct {
		const char *answer, *labels;
	} good[] = {
		{ "{\"data\":{\"yaml\":\"\"}}", "{}" },
		{ "{\"data\":{\"yaml\":\"global: {}\"}}", "{}" },
		{ "{\"data\":{\"yaml\":\"global: {external_labels: }\"}}", "{}" },
		{ "{\"data\":{\"yaml\":\"a: 1\\nglobal:\\n  external_labels:\\n    b: x y\\n    a: "
		  "\\\"2\\\"\\n\"}}",
		  "{a=\"2\", b=\"x y\"}" },
	};
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"data\":{}}",
		"{\"data\":{\"yaml\":1}}",
		"{\"data\":{\"yaml\":\"a: [\"}}",
		"{\"data\":{\"yaml\":\"global: {external_labels: [a]}\"}}",
		"{\"data\":{\"yaml\":\"global: {external_labels: {a: [b]}}\"}}",
	};
	struct labels *labels;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct buf text;
		buf_init(&text);
		ck_assert_msg(history_external_labels(slice_from(good[i].answer), &labels) == 0,
			      "%s", good[i].answer);
		labels_format(labels, &text);
		ck_assert_str_eq(text.ptr, good[i].labels);
		labels_unref(labels);
		buf_fini(&text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(history_external_labels(slice_from(bad[i]), &labels) == ERR_INVALID,
			      "%s", bad[i]);
}
END_TEST

static Suite *history_suite(void)
{
	Suite *suite = suite_create("history");
	TCase *tc = tcase_create("history");
	tcase_set_timeout(tc, 20);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, history_fills_and_covers);
	tcase_add_test(tc, history_covers_what_is_empty);
	tcase_add_test(tc, history_asks_in_pieces);
	tcase_add_test(tc, history_cuts_batches);
	tcase_add_test(tc, history_halves_what_is_too_much);
	tcase_add_test(tc, history_takes_no_more_than_its_limit);
	tcase_add_test(tc, history_tries_again);
	tcase_add_test(tc, history_takes_no_for_an_answer);
	tcase_add_test(tc, history_is_not_misled_by_damage);
	tcase_add_test(tc, history_does_not_wait_for_the_silent);
	tcase_add_test(tc, history_gives_up_together);
	tcase_add_test(tc, history_has_a_limit_of_wishes);
	tcase_add_test(tc, history_waits_for_room);
	tcase_add_test(tc, history_asks_all_servers);
	tcase_add_test(tc, history_asks_once_for_one_selector);
	tcase_add_test(tc, history_begins_anew_when_configured);
	tcase_add_test(tc, history_knows_external_labels);
	tcase_add_test(tc, history_asks_for_any_selector);
	tcase_add_test(tc, history_does_without_external_labels);
	tcase_add_loop_test(tc, history_reads_configurations_so_long, 0, 2);
	tcase_add_test(tc, history_waits_half_a_minute_for_the_dead);
	tcase_add_test(tc, history_reads_external_labels);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(history_suite)
