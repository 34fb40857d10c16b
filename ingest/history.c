#include "ingest/history_internal.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

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
	matchers_free(wish->matchers, wish->nmatchers);
	free(wish->text);
	free(wish);
}

static struct wish **bucket_of(struct history *history, struct slice text)
{
	uint64_t hash = hash_keyed64(history->key, text.ptr, text.len);
	return &history->by_text[hash % HISTORY_BUCKETS];
}

static void round_tell(const struct history *history)
{
	const struct round *round = &history->round;
	int64_t took_us = clock_monotonic_us() - round->begun_us;
	log_info("history", "asked for", "filled=%u failed=%u samples=%llu took_ms=%lld",
		 round->filled, round->failed, (unsigned long long)round->samples,
		 (long long)took_us / 1000);
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
	if (history->nwaiting == 0)
		round_tell(history);
	loop_timer_set(history->timer, 0);
}

static void wish_failed(struct wish *wish)
{
	history_count(&wish->history->counters->failed, 1);
	wish->history->round.failed++;
	wish_remove(wish);
}

/* Nobody answers: those that were not begun would take their time, and fail as well. */
static void give_up_waiting(struct history *history)
{
	uint32_t n = 0;
	for (struct wish *wish = history->first, *next; wish; wish = next) {
		next = wish->next;
		if (wish->is_busy)
			continue;
		wish_failed(wish);
		n++;
	}
	if (n)
		log_warn("history", "given up: rules warm up by what comes in", "selectors=%u", n);
}

void wish_fail(struct wish *wish, const char *why)
{
	struct history *history = wish->history;
	log_warn("history", "not filled: its rules warm up by what comes in",
		 "selector=%s url=%s error=%s", log_quote(slice_from(wish->text)),
		 log_quote(slice_from(wish_server(wish)->url_shown)), log_quote(slice_from(why)));
	wish_failed(wish);
	if (++history->failed_in_row >= HISTORY_BUSY_MAX)
		give_up_waiting(history);
}

static void wish_filled(struct wish *wish)
{
	history_count(&wish->history->counters->filled, 1);
	wish->history->round.filled++;
	wish->history->round.samples += wish->samples;
	log_debug("history", "filled", "selector=%s samples=%llu",
		  log_quote(slice_from(wish->text)), (unsigned long long)wish->samples);
	wish_remove(wish);
}
/* ---- which wish ---- */

static void wish_begin(struct wish *wish)
{
	struct history *history = wish->history;
	wish->is_busy = true;
	history->nbusy++;
	wish->to_ms = history->host.now_ms(history->host.ctx);
	wish->since_ms = wish->to_ms;
	wish_ask_all(wish);
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

static int wish_new(struct history *history, struct slice text, int64_t from_ms, struct wish **out)
{
	struct wish *wish = calloc(1, sizeof(*wish));
	char *why = NULL;
	if (!wish)
		return ERR_NOMEM;
	wish->history = history;
	wish->id = ++history->next_id;
	wish->from_ms = from_ms;
	buf_init(&wish->answer);
	wish->text = slice_dup(text);
	wish->timer = loop_timer_new(history->loop, wish_on_timer, wish);
	int code = wish->text && wish->timer
			   ? matchers_parse(text, &wish->matchers, &wish->nmatchers, &why)
			   : ERR_NOMEM;
	free(why);
	if (code)
		wish_free(wish);
	else
		*out = wish;
	return code;
}

int history_wish(struct history *history, struct slice text, int64_t from_ms)
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
	int code = wish_new(history, text, from_ms, &wish);
	if (code)
		return code;
	*history->end = wish;
	history->end = &wish->next;
	struct wish **of_hash = bucket_of(history, text);
	wish->next_of_hash = *of_hash;
	*of_hash = wish;
	if (history->nwaiting == 0)
		history->round = (struct round){ .begun_us = clock_monotonic_us() };
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
		wish_feed(wish);
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
