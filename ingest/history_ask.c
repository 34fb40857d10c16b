#include "ingest/history_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define PIECE_FIRST_MS (3600 * 1000)
#define PIECE_LEAST_MS 1000
#define SMALL_ANSWER (HISTORY_DECODED_MAX / 8)
#define FULL_RETRY_MS 100 /* the queue of whoever takes the batches was full */

static void ask(struct wish *wish);

/* Gives the batch away; if it is not taken now, then later. */
static void push(struct wish *wish)
{
	wish->batch->item.cost = batch_cost(wish->batch);
	if (wish->history->host.push(wish->history->host.ctx, wish->batch))
		loop_timer_set(wish->timer, FULL_RETRY_MS);
	else
		wish->batch = NULL; /* it will come back */
}

static void give(struct wish *wish, struct batch *batch)
{
	wish->batch = batch;
	push(wish);
}

static void retry(struct wish *wish, const char *why)
{
	if (++wish->failures >= HISTORY_ATTEMPTS_MAX) {
		wish_fail(wish, why);
		return;
	}
	history_count(&wish->history->counters->retries, 1);
	loop_timer_set(wish->timer, history_retry_ms(wish->failures));
}

/* The answer was larger than we take, or than the server gives. */
static void ask_for_less(struct wish *wish)
{
	wish->piece_ms = (wish->end_ms - wish->at_ms + 1) / 2;
	if (wish->piece_ms < PIECE_LEAST_MS) {
		wish_fail(wish, "there is too much in one second");
		return;
	}
	ask(wish);
}

static void all_asked(struct wish *wish)
{
	struct batch *batch = wish_batch(wish);
	char *text = slice_dup(slice_from(wish->text));
	if (!batch || !text) {
		free(text);
		batch_free(batch);
		wish_fail(wish, error_text(ERR_NOMEM));
		return;
	}
	batch->covers = text;
	batch->covers_since_ms = wish->since_ms;
	wish->is_last = true;
	give(wish, batch);
}

static void server_begin(struct wish *wish)
{
	if (wish->server == wish->history->options.n) {
		all_asked(wish);
		return;
	}
	int64_t range_ms = wish_server(wish)->max_range_ms;
	wish->at_ms =
		wish->to_ms - wish->from_ms > range_ms ? wish->to_ms - range_ms : wish->from_ms;
	/* As far back as the server that reaches furthest. */
	if (wish->at_ms < wish->since_ms)
		wish->since_ms = wish->at_ms;
	wish->piece_ms = PIECE_FIRST_MS;
	ask(wish);
}

static void piece_done(struct wish *wish)
{
	if (wish->answer.len < SMALL_ANSWER && wish->piece_ms <= HISTORY_PIECE_MS_MAX / 2)
		wish->piece_ms *= 2;
	wish_read_end(wish);
	wish->failures = 0;
	wish->at_ms = wish->end_ms + 1;
	ask(wish);
}

void wish_feed(struct wish *wish)
{
	struct batch *batch = wish_batch(wish);
	int code = batch ? wish_fill(wish, batch) : ERR_NOMEM;
	if (code < 0) {
		batch_free(batch);
		wish_read_end(wish);
		retry(wish, code == ERR_CORRUPT ? "the answer is damaged" : error_text(code));
		return;
	}
	if (batch->nrows == 0) {
		batch_free(batch);
		piece_done(wish);
		return;
	}
	wish->samples += batch->nrows;
	history_count(&wish->history->counters->samples, batch->nrows);
	give(wish, batch);
}

/* Prometheus' own limit of samples in an answer. */
static bool is_too_much(const struct http_result *http)
{
	static const char text[] = "exceeded sample limit";
	for (size_t i = 0; i + sizeof(text) - 1 <= http->body.len; i++)
		if (memcmp(http->body.ptr + i, text, sizeof(text) - 1) == 0)
			return true;
	return http->status == 413;
}

static void refused(struct wish *wish, const struct http_result *http)
{
	char why[HISTORY_WHY_BYTES];
	if (http->status / 100 != 2 && is_too_much(http)) {
		ask_for_less(wish);
		return;
	}
	http_explain(http, why, sizeof(why));
	if (http->status / 100 == 4 && http->status != 408 && http->status != 429)
		wish_fail(wish, why);
	else
		retry(wish, why);
}

static void on_answer(void *ctx, const struct http_result *http)
{
	struct wish *wish = ctx;
	struct history *history = wish->history;
	const char *why = NULL;
	wish->call = NULL;
	history_count(&history->counters->bytes, http->body.len);
	if (http->status != 200) {
		refused(wish, http);
		return;
	}
	history->failed_in_row = 0;
	int code = http->body.len > HISTORY_BODY_MAX
			   ? ERR_LIMIT
			   : decompress_as(&history->decompressor, ENCODING_SNAPPY, http->body,
					   HISTORY_DECODED_MAX, &wish->answer, &why);
	if (code == ERR_LIMIT) {
		ask_for_less(wish);
		return;
	}
	if (code) {
		retry(wish, why ? why : error_text(code));
		return;
	}
	remote_read_init(&wish->read, buf_slice(&wish->answer));
	wish->is_reading = true;
	wish_feed(wish);
}

static int send_request(struct wish *wish)
{
	struct history *history = wish->history;
	char url[HISTORY_URL_BYTES];
	struct buf body;
	if (history_url(wish_server(wish), "/api/v1/read", url, sizeof(url)))
		return ERR_LIMIT;
	buf_init(&body);
	uint64_t without = server_labels_without(&history->externals[wish->server], wish->matchers,
						 wish->nmatchers);
	int code = remote_read_request(wish->matchers, wish->nmatchers, without, wish->at_ms,
				       wish->end_ms, &body);
	const struct http_header headers[] = { { "Content-Encoding", "snappy" },
					       { "Accept-Encoding", "snappy" },
					       { "Content-Type", "application/x-protobuf" },
					       { "User-Agent", HISTORY_AGENT },
					       { "X-Prometheus-Remote-Read-Version", "0.1.0" } };
	const struct http_send send = { .method = "POST",
					.url = url,
					.headers = headers,
					.nheaders = sizeof(headers) / sizeof(headers[0]),
					.body = buf_slice(&body),
					.response_max = HISTORY_BODY_MAX + 1 };
	if (code == 0)
		code = http_peer_send(history->http, &wish_server(wish)->peer, &send, on_answer,
				      wish, &wish->call);
	buf_fini(&body);
	return code;
}

static void ask(struct wish *wish)
{
	if (wish->at_ms > wish->to_ms) {
		wish->server++;
		server_begin(wish);
		return;
	}
	wish->end_ms = wish->to_ms - wish->at_ms < wish->piece_ms
			       ? wish->to_ms
			       : wish->at_ms + wish->piece_ms - 1;
	history_count(&wish->history->counters->requests, 1);
	int code = send_request(wish);
	if (code)
		retry(wish, code == ERR_IO ? strerror(errno) : error_text(code));
}

void wish_on_timer(void *ctx)
{
	struct wish *wish = ctx;
	if (wish->batch)
		push(wish);
	else
		ask(wish);
}

void wish_ask_all(struct wish *wish)
{
	wish->server = 0;
	wish->failures = 0;
	wish->samples = 0;
	server_begin(wish);
}
