#include "ingest/history.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ingest/decompress.h"
#include "ingest/history_internal.h"
#include "ingest/remote_read.h"

#define PIECE_FIRST_MS (3600 * 1000)
#define PIECE_LEAST_MS 1000
#define SMALL_ANSWER (HISTORY_DECODED_MAX / 8)
#define FULL_RETRY_MS 100 /* the queue of whoever takes the batches was full */
#define URL_BYTES 2048
#define WHY_BYTES 256
#define BUCKETS 4096 /* of wishes by their texts */

/* A wish on its way. */
struct wish {
	struct wish *next, *next_of_hash;
	struct history *history;
	uint32_t id; /* of its batches; another one after it began anew */
	char *text;
	struct matcher *matchers;
	size_t nmatchers;
	int64_t from_ms;

	bool is_busy;
	size_t server; /* that is asked */
	int64_t to_ms, since_ms;
	int64_t at_ms, end_ms, piece_ms; /* the piece of time that is asked for */
	uint32_t failures;		 /* of the request, one after the other */
	struct http_call *call;
	struct loop_timer *timer;
	struct buf answer;
	bool is_reading;
	struct remote_read read;
	struct labels *labels; /* of the series that is read, as its samples are given away */
	struct batch *batch;   /* that was not taken yet */
	bool is_last;	       /* the last batch is under way, or to be */
	uint64_t samples;
};

struct history {
	struct loop *loop;
	struct http_client *http;
	const struct hash_key *key;
	struct history_host host;
	struct history_counters *counters;
	struct history_options options;
	struct server_labels externals[HISTORY_SERVERS_MAX];
	size_t nexternals;
	struct wish *first, **end;
	struct wish *by_text[BUCKETS];
	uint32_t nwaiting, nbusy, next_id;
	uint32_t failed_in_row;	  /* wishes, since the last good answer */
	struct loop_timer *timer; /* begins what waits */
	struct decompressor decompressor;
};

static void ask(struct wish *wish);
static void feed(struct wish *wish);

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static const struct history_server *server_of(const struct wish *wish)
{
	return &wish->history->options.servers[wish->server];
}

/* ---- the end of a wish ---- */

/* Lets go of what is under way. */
static void wish_stop(struct wish *wish)
{
	if (wish->call)
		http_call_cancel(wish->call);
	wish->call = NULL;
	loop_timer_clear(wish->timer);
	if (wish->is_reading)
		remote_read_fini(&wish->read);
	wish->is_reading = false;
	labels_unref(wish->labels);
	wish->labels = NULL;
	batch_free(wish->batch);
	wish->batch = NULL;
	buf_fini(&wish->answer);
	wish->history->nbusy -= wish->is_busy;
	wish->is_busy = wish->is_last = false;
	wish->id = ++wish->history->next_id;
}

static void wish_free(struct wish *wish)
{
	if (wish->timer) {
		wish_stop(wish);
		loop_timer_free(wish->timer);
	}
	for (size_t i = 0; i < wish->nmatchers; i++)
		matcher_fini(&wish->matchers[i]);
	free(wish->matchers);
	free(wish->text);
	free(wish);
}

static struct wish **bucket_of(struct history *history, struct slice text)
{
	uint64_t hash = hash_keyed64(history->key, text.ptr, text.len);
	return &history->by_text[hash % BUCKETS];
}

static void wish_remove(struct wish *wish)
{
	struct history *history = wish->history;
	struct wish **of_hash = bucket_of(history, slice_from(wish->text));
	while (*of_hash != wish)
		of_hash = &(*of_hash)->next_of_hash;
	*of_hash = wish->next_of_hash;
	for (struct wish **at = &history->first; *at; at = &(*at)->next) {
		if (*at != wish)
			continue;
		*at = wish->next;
		if (!wish->next)
			history->end = at;
		break;
	}
	history->nwaiting--;
	atomic_store(&history->counters->waiting, history->nwaiting);
	wish_free(wish);
	loop_timer_set(history->timer, 0);
}

/* Nobody answers: those that were not begun would take their time, and fail as well. */
static void give_up_waiting(struct history *history)
{
	uint32_t n = 0;
	for (struct wish *wish = history->first, *next; wish; wish = next) {
		next = wish->next;
		if (wish->is_busy)
			continue;
		wish_remove(wish);
		n++;
	}
	count(&history->counters->failed, n);
	if (n)
		log_warn("history", "given up: rules warm up by what comes in", "selectors=%u", n);
}

static void wish_fail(struct wish *wish, const char *why)
{
	count(&wish->history->counters->failed, 1);
	log_warn("history", "not filled: its rules warm up by what comes in",
		 "selector=%s url=%s error=%s", log_quote(slice_from(wish->text)),
		 log_quote(slice_from(server_of(wish)->url_shown)), log_quote(slice_from(why)));
	struct history *history = wish->history;
	wish_remove(wish);
	if (++history->failed_in_row >= HISTORY_BUSY_MAX)
		give_up_waiting(history);
}

static void wish_filled(struct wish *wish)
{
	struct buf since;
	buf_init(&since);
	time_format_rfc3339(wish->since_ms, &since);
	count(&wish->history->counters->filled, 1);
	log_info("history", "filled", "selector=%s samples=%llu since=%s",
		 log_quote(slice_from(wish->text)), (unsigned long long)wish->samples,
		 since.ptr ? since.ptr : "");
	buf_fini(&since);
	wish_remove(wish);
}

/* ---- batches ---- */

/* Labels of a row without any of its own: those of the row before that has some. */
static int past_labels(const struct batch *batch, uint32_t row, struct labels **out)
{
	uint32_t low = 0, high = batch->nbirths;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (batch->births[middle].row <= row)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return ERR_NOT_FOUND;
	*out = labels_ref(batch->births[low - 1].labels);
	return 0;
}

static struct batch *past_batch(const struct wish *wish)
{
	struct batch *batch = batch_new();
	if (!batch)
		return NULL;
	batch->is_past = true;
	batch->labels_parse = past_labels;
	batch->slot = wish->id;
	return batch;
}

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

/* What the server's remote-write does to labels, and what is done to those that come by it. */
static int relabel(const struct wish *wish, struct labels *labels, struct labels **out)
{
	struct labels *sent;
	int code = relabel_apply(server_of(wish)->relabel, labels, &sent);
	*out = NULL;
	if (code || !sent)
		return code;
	code = relabel_apply(wish->history->options.relabel, sent, out);
	labels_unref(sent);
	return code;
}

/* The next series that is not dropped: 1, 0, or an error. */
static int next_series(struct wish *wish)
{
	int code;
	labels_unref(wish->labels);
	wish->labels = NULL;
	while ((code = remote_read_series(&wish->read)) > 0) {
		code = relabel(wish, wish->read.labels, &wish->labels);
		if (code == ERR_NOMEM)
			return code;
		if (code == 0 && wish->labels)
			return 1;
	}
	return code;
}

static int add_row(struct wish *wish, struct batch *batch, const struct remote_read_sample *sample,
		   struct hash128 key, bool has_labels)
{
	if (batch_reserve(batch, 1))
		return ERR_NOMEM;
	uint32_t row = batch->nrows++;
	batch->rows[row] = (struct batch_row){ key, sample->ts_ms, sample->bits };
	if (has_labels)
		return 0;
	int code = batch_birth_add(batch, row, labels_ref(wish->labels));
	if (code)
		labels_unref(wish->labels);
	return code;
}

/* 1: the batch is full; 0: the answer is at its end; or an error. */
static int fill(struct wish *wish, struct batch *batch)
{
	struct remote_read_sample sample;
	for (;;) {
		int code = wish->labels ? 1 : next_series(wish);
		if (code <= 0)
			return code;
		struct hash128 key = labels_hash(wish->labels, wish->history->key);
		bool has_labels = false;
		while ((code = remote_read_sample(&wish->read, &sample)) > 0) {
			code = add_row(wish, batch, &sample, key, has_labels);
			if (code)
				return code;
			has_labels = true;
			if (batch->nrows == HISTORY_ROWS_MAX)
				return 1;
		}
		if (code)
			return code;
		labels_unref(wish->labels);
		wish->labels = NULL;
	}
}

/* ---- asking ---- */

static void read_end(struct wish *wish)
{
	remote_read_fini(&wish->read);
	wish->is_reading = false;
	labels_unref(wish->labels);
	wish->labels = NULL;
}

static void retry(struct wish *wish, const char *why)
{
	if (++wish->failures >= HISTORY_ATTEMPTS_MAX) {
		wish_fail(wish, why);
		return;
	}
	count(&wish->history->counters->retries, 1);
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
	struct batch *batch = past_batch(wish);
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
	int64_t range_ms = server_of(wish)->max_range_ms;
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
	if (wish->answer.len < SMALL_ANSWER && wish->piece_ms <= HISTORY_PIECE_MAX_MS / 2)
		wish->piece_ms *= 2;
	read_end(wish);
	wish->failures = 0;
	wish->at_ms = wish->end_ms + 1;
	ask(wish);
}

/* Gives the next part of the answer away, or goes on to the next piece. */
static void feed(struct wish *wish)
{
	struct batch *batch = past_batch(wish);
	int code = batch ? fill(wish, batch) : ERR_NOMEM;
	if (code < 0) {
		batch_free(batch);
		read_end(wish);
		retry(wish, code == ERR_CORRUPT ? "the answer is damaged" : error_text(code));
		return;
	}
	if (batch->nrows == 0) {
		batch_free(batch);
		piece_done(wish);
		return;
	}
	wish->samples += batch->nrows;
	count(&wish->history->counters->samples, batch->nrows);
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
	char why[WHY_BYTES];
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
	count(&history->counters->bytes, http->body.len);
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
	feed(wish);
}

static int send_request(struct wish *wish)
{
	struct history *history = wish->history;
	char url[URL_BYTES];
	struct buf body;
	if (history_url(server_of(wish), "/api/v1/read", url, sizeof(url)))
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
		code = http_peer_send(history->http, &server_of(wish)->peer, &send, on_answer, wish,
				      &wish->call);
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
	count(&wish->history->counters->requests, 1);
	int code = send_request(wish);
	if (code)
		retry(wish, code == ERR_IO ? strerror(errno) : error_text(code));
}

static void on_timer(void *ctx)
{
	struct wish *wish = ctx;
	if (wish->batch)
		push(wish);
	else
		ask(wish);
}

/* ---- which wish ---- */

static void wish_begin(struct wish *wish)
{
	struct history *history = wish->history;
	wish->is_busy = true;
	history->nbusy++;
	wish->server = 0;
	wish->failures = 0;
	wish->samples = 0;
	wish->to_ms = history->host.now_ms(history->host.ctx);
	wish->since_ms = wish->to_ms;
	server_begin(wish);
}

/* Are the labels of all servers known, as far as they tell them? */
static bool are_labels_known(struct history *history)
{
	bool known = true;
	for (size_t i = 0; i < history->nexternals; i++)
		known &= server_labels_are_known(&history->externals[i]);
	return known;
}

/* Begins what may begin. */
static void on_step(void *ctx)
{
	struct history *history = ctx;
	if (!history->first || !are_labels_known(history))
		return;
	struct wish *next;
	for (struct wish *wish = history->first; wish && history->nbusy < HISTORY_BUSY_MAX;
	     wish = next) {
		next = wish->next;
		if (!wish->is_busy) {
			wish_begin(wish);
			/* It may be over, and others with it: from the beginning, next time. */
			loop_timer_set(history->timer, 0);
			return;
		}
	}
}

static struct wish *wish_find(struct history *history, struct slice text)
{
	struct wish *each = *bucket_of(history, text);
	while (each && !slice_is(text, each->text))
		each = each->next_of_hash;
	return each;
}

static struct wish *wish_new(struct history *history, struct slice text,
			     const struct matcher *matchers, size_t n, int64_t from_ms)
{
	struct wish *wish = calloc(1, sizeof(*wish));
	if (!wish)
		return NULL;
	wish->history = history;
	wish->id = ++history->next_id;
	wish->from_ms = from_ms;
	buf_init(&wish->answer);
	wish->text = slice_dup(text);
	wish->matchers = calloc(n + 1, sizeof(*wish->matchers));
	wish->timer = loop_timer_new(history->loop, on_timer, wish);
	bool good = wish->text && wish->matchers && wish->timer;
	for (size_t i = 0; i < n && good; i++)
		if ((good = matcher_dup(&matchers[i], &wish->matchers[i]) == 0))
			wish->nmatchers++;
	if (good)
		return wish;
	wish_free(wish);
	return NULL;
}

int history_wish(struct history *history, struct slice text, const struct matcher *matchers,
		 size_t n, int64_t from_ms)
{
	if (history->options.n == 0)
		return 0;
	struct wish *wish = wish_find(history, text);
	if (wish) {
		if (from_ms < wish->from_ms) {
			wish_stop(wish);
			wish->from_ms = from_ms;
			loop_timer_set(history->timer, 0);
		}
		return 0;
	}
	if (history->nwaiting == HISTORY_WAITING_MAX)
		return ERR_LIMIT;
	wish = wish_new(history, text, matchers, n, from_ms);
	if (!wish)
		return ERR_NOMEM;
	*history->end = wish;
	history->end = &wish->next;
	struct wish **of_hash = bucket_of(history, text);
	wish->next_of_hash = *of_hash;
	*of_hash = wish;
	atomic_store(&history->counters->waiting, ++history->nwaiting);
	loop_timer_set(history->timer, 0);
	return 0;
}

void history_done(struct history *history, struct batch *batch)
{
	struct wish *wish = history->first;
	while (wish && wish->id != batch->slot)
		wish = wish->next;
	batch_free(batch);
	if (!wish)
		return;
	if (wish->is_last)
		wish_filled(wish);
	else
		feed(wish);
}

/* ---- life ---- */

static void externals_fini(struct history *history)
{
	while (history->nexternals > 0)
		server_labels_fini(&history->externals[--history->nexternals]);
}

void history_configure(struct history *history, const struct history_options *options)
{
	externals_fini(history);
	history->options = *options;
	for (struct wish *wish = history->first, *next; wish; wish = next) {
		next = wish->next;
		wish_stop(wish);
		if (options->n == 0)
			wish_remove(wish);
	}
	for (size_t i = 0; i < options->n; i++) {
		struct server_labels *labels = &history->externals[history->nexternals++];
		server_labels_init(labels, history->loop, history->http, &options->servers[i],
				   history->counters);
		labels->known = on_step;
		labels->ctx = history;
	}
	loop_timer_set(history->timer, 0);
}

struct history *history_new(struct loop *loop, struct http_client *http, const struct hash_key *key,
			    const struct history_host *host, struct history_counters *counters)
{
	struct history *history = calloc(1, sizeof(*history));
	if (!history)
		return NULL;
	history->loop = loop;
	history->http = http;
	history->key = key;
	history->host = *host;
	history->counters = counters;
	history->end = &history->first;
	decompressor_init(&history->decompressor);
	history->timer = loop_timer_new(loop, on_step, history);
	if (!history->timer) {
		free(history);
		return NULL;
	}
	return history;
}

void history_free(struct history *history)
{
	if (!history)
		return;
	externals_fini(history);
	while (history->first) {
		struct wish *wish = history->first;
		history->first = wish->next;
		wish_free(wish);
	}
	decompressor_fini(&history->decompressor);
	loop_timer_free(history->timer);
	free(history);
}
