#include "ingest/profile_fetch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ingest/pprof.h"

#define BUSY_RETRY_MS 250 /* until there is room for one more fetch */

/* Somebody's request for profiles of some targets at once. */
struct request {
	struct profile_now now;
	struct profile_trace trace;
	bool has_trace;
	uint32_t waiting; /* targets still to come */
	profile_now_fn *fn;
	void *ctx;
};

struct target {
	struct profile_fetcher *fetcher;
	char *url;
	struct labels *labels;
	int64_t interval_ms, timeout_ms;
	double cpus;
	uint64_t source;
	enum profile_kind hint;
	struct loop_timer *timer;
	struct http_call *call; /* under way */
	int64_t due_ms, last_ms;
	bool is_up, is_kept; /* is_kept: by the configuration that is being taken into force */
	char error[PROFILE_ERROR_MAX];
	struct request *asked[PROFILE_NOW_WAITING_MAX]; /* wait for the next fetch */
	uint32_t nasked;
	struct request *served[PROFILE_NOW_WAITING_MAX]; /* wait for the one under way */
	uint32_t nserved;
};

struct profile_fetcher {
	struct loop *loop;
	struct http_client *http;
	struct profile_hub *hub;
	struct profile_fetch_host host;
	struct target **targets;
	size_t n;
	uint32_t nbusy;
	uint64_t good, failed;
};

/* What an address says of the kind of profile behind it. */
static enum profile_kind profile_kind_of_url(struct slice url)
{
	ptrdiff_t query = slice_find(url, '?');

	if (query >= 0)
		url.len = (size_t)query;
	while (url.len && url.ptr[url.len - 1] == '/')
		url.len--;
	const char *slash = url.len ? memrchr(url.ptr, '/', url.len) : NULL;

	if (!slash)
		return PROFILE_KIND_NONE;
	return profile_kind_of(
		(struct slice){ slash + 1, (size_t)(url.ptr + url.len - (slash + 1)) });
}

/* ---- those who ask ---- */

static void request_done(struct request *request)
{
	if (--request->waiting)
		return;
	request->fn(request->ctx, &request->now);
	free(request);
}

static void request_failed(struct request *request, const char *why)
{
	if (request->now.failed++ == 0)
		snprintf(request->now.error, sizeof(request->now.error), "%s", why);
	request_done(request);
}

static void served_tell(struct target *target, uint64_t id, const char *why)
{
	struct request *served[PROFILE_NOW_WAITING_MAX];
	uint32_t n = target->nserved;

	memcpy(served, target->served, sizeof(served));
	target->nserved = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (why) {
			request_failed(served[i], why);
			continue;
		}
		served[i]->now.ids[served[i]->now.nids++] = id;
		request_done(served[i]);
	}
}

/* ---- one fetch ---- */

static void push(struct target *target, struct batch *batch)
{
	struct profile_fetch_host *host = &target->fetcher->host;

	host->push(host->ctx, batch, slice_from(target->url));
}

static void tell_down(struct target *target, const char *why)
{
	struct profile_fetcher *fetcher = target->fetcher;
	struct profile_target down = { .labels = target->labels,
				       .source = target->source,
				       .hint = target->hint,
				       .end_ms = fetcher->host.now_ms(fetcher->host.ctx),
				       .is_fetched = true };
	struct batch *batch = batch_new();

	if (target->is_up || target->error[0] == '\0')
		log_warn("profiles", "cannot fetch a profile", "url=%s error=%s",
			 log_quote(slice_from(target->url)), log_quote(slice_from(why)));
	target->is_up = false;
	text_fit(target->error, sizeof(target->error), why);
	fetcher->failed++;
	if (batch && profile_summary_fail(profile_hub_summary(fetcher->hub), &down, batch) == 0)
		push(target, batch);
	else
		batch_free(batch);
}

static void tell_up(struct target *target)
{
	if (!target->is_up && target->error[0])
		log_info("profiles", "profiles can be fetched again", "url=%s",
			 log_quote(slice_from(target->url)));
	target->is_up = true;
	target->error[0] = '\0';
	target->fetcher->good++;
}

static int take(struct target *target, struct slice body, uint64_t *id, const char **why)
{
	struct profile_fetcher *fetcher = target->fetcher;
	struct profile_push profile = { .labels = target->labels,
					.bytes = body,
					.format = pprof_is_likely(body) ? PROFILE_FORMAT_PPROF
									: PROFILE_FORMAT_FOLDED,
					.hint = target->hint,
					.cpus = target->cpus };
	struct profile_trace traces[PROFILE_NOW_WAITING_MAX];
	struct profile_arrival arrival = { .now_ms = fetcher->host.now_ms(fetcher->host.ctx),
					   .is_fetched = true,
					   .source = target->source,
					   .traces = traces };
	struct batch *batch = batch_new();

	for (uint32_t i = 0; i < target->nserved; i++)
		if (target->served[i]->has_trace)
			traces[arrival.ntraces++] = target->served[i]->trace;
	*why = error_text(ERR_NOMEM);
	if (!batch)
		return ERR_NOMEM;
	int code = profile_hub_take(fetcher->hub, &profile, &arrival, batch, id, why);

	if (code)
		batch_free(batch);
	else
		push(target, batch);
	return code;
}

static void target_start(struct target *target);

static void on_fetched(void *ctx, const struct http_result *result)
{
	struct target *target = ctx;
	struct profile_fetcher *fetcher = target->fetcher;
	char status[PROFILE_ERROR_MAX];
	const char *why = NULL;
	uint64_t id = 0;

	target->call = NULL;
	fetcher->nbusy--;
	target->last_ms = fetcher->host.now_ms(fetcher->host.ctx);
	if (result->status == 0) {
		why = result->error;
	} else if (result->status != 200) {
		struct slice text = slice_trim(result->body);
		char whole[PROFILE_ERROR_MAX + 8];

		snprintf(whole, sizeof(whole), "answered %d: %.*s", result->status,
			 (int)(text.len < sizeof(whole) ? text.len : sizeof(whole)),
			 text.len ? text.ptr : "");
		text_fit(status, sizeof(status), whole);
		why = status;
	} else if (result->body.len > PROFILE_FETCH_BYTES_MAX) {
		why = "the profile is larger than the limit";
	} else if (take(target, result->body, &id, &why) == 0) {
		why = NULL;
	}
	if (why)
		tell_down(target, why);
	else
		tell_up(target);
	served_tell(target, id, why);
	if (target->nasked && !target->call)
		target_start(target);
}

static int send_now(struct target *target)
{
	struct http_send send = { .method = "GET",
				  .url = target->url,
				  .timeout_ms = target->timeout_ms,
				  .response_max = PROFILE_FETCH_BYTES_MAX + 1 };

	return http_send(target->fetcher->http, &send, on_fetched, target, &target->call);
}

/* For all who asked until now. */
static void target_start(struct target *target)
{
	struct profile_fetcher *fetcher = target->fetcher;

	assert(!target->call);
	memcpy(target->served, target->asked, sizeof(target->asked));
	target->nserved = target->nasked;
	target->nasked = 0;
	int code = send_now(target);

	if (code) {
		tell_down(target, error_text(code));
		served_tell(target, 0, error_text(code));
		return;
	}
	fetcher->nbusy++;
}

static void on_due(void *ctx)
{
	struct target *target = ctx;
	struct profile_fetcher *fetcher = target->fetcher;
	int64_t now_ms = fetcher->host.now_ms(fetcher->host.ctx);

	if (!target->call && fetcher->nbusy >= PROFILE_FETCHES_MAX) {
		loop_timer_set(target->timer, BUSY_RETRY_MS);
		return;
	}
	/* By the clock, so that intervals do not grow by what a turn takes; whole ones that were
	 * missed are not made up for. */
	target->due_ms += target->interval_ms;
	if (target->due_ms <= now_ms || target->due_ms > now_ms + 2 * target->interval_ms)
		target->due_ms = now_ms + target->interval_ms;
	loop_timer_set(target->timer, target->due_ms - now_ms);
	if (!target->call)
		target_start(target);
}

/* ---- targets ---- */

static void target_free(struct target *target)
{
	if (target->call) {
		http_call_cancel(target->call);
		target->fetcher->nbusy--;
	}
	served_tell(target, 0, "the target is gone");
	target->nserved = target->nasked;
	memcpy(target->served, target->asked, sizeof(target->asked));
	target->nasked = 0;
	served_tell(target, 0, "the target is gone");
	if (target->timer)
		loop_timer_free(target->timer);
	labels_unref(target->labels);
	free(target->url);
	free(target);
}

/* Which of several that share their labels: by the address. */
static uint64_t source_of(struct slice url)
{
	return hash_fnv1a64(FNV1A64_INIT, url.ptr, url.len);
}

static struct target *target_new(struct profile_fetcher *fetcher,
				 const struct profile_fetch_target *given)
{
	struct target *target = calloc(1, sizeof(*target));

	if (!target)
		return NULL;
	*target = (struct target){ .fetcher = fetcher,
				   .url = slice_dup(given->url),
				   .labels = labels_ref(given->labels),
				   .interval_ms = given->interval_ms,
				   .timeout_ms = given->timeout_ms,
				   .cpus = given->cpus,
				   .source = source_of(given->url),
				   .hint = profile_kind_of_url(given->url),
				   .timer = loop_timer_new(fetcher->loop, on_due, target) };
	if (!target->url || !target->timer) {
		target_free(target);
		return NULL;
	}
	/* A moment of its own within the interval, but within the first seconds of a long one. */
	int64_t spread_ms = target->interval_ms < 10000 ? target->interval_ms : 10000;
	struct hash128 hash = labels_hash(target->labels, profile_hub_key(fetcher->hub));
	int64_t delay_ms = (int64_t)((target->source ^ hash.lo) % (uint64_t)spread_ms);

	target->due_ms = fetcher->host.now_ms(fetcher->host.ctx) + delay_ms;
	loop_timer_set(target->timer, delay_ms);
	return target;
}

static bool is_same(const struct target *target, const struct profile_fetch_target *given)
{
	return slice_is(given->url, target->url) && given->interval_ms == target->interval_ms &&
	       given->timeout_ms == target->timeout_ms && given->cpus == target->cpus &&
	       labels_is_equal(given->labels, target->labels);
}

/* Takes the one out that is as it was, or makes it. */
static struct target *target_get(struct profile_fetcher *fetcher,
				 const struct profile_fetch_target *given)
{
	for (size_t i = 0; i < fetcher->n; i++) {
		struct target *target = fetcher->targets[i];

		if (!target->is_kept && is_same(target, given)) {
			target->is_kept = true;
			return target;
		}
	}
	struct target *fresh = target_new(fetcher, given);

	if (fresh)
		fresh->is_kept = true;
	return fresh;
}

/* Its series end. */
static void target_end(struct target *target)
{
	struct profile_fetcher *fetcher = target->fetcher;
	struct profile_target gone = { .labels = target->labels,
				       .source = target->source,
				       .end_ms = fetcher->host.now_ms(fetcher->host.ctx),
				       .is_fetched = true };
	struct batch *batch = batch_new();

	if (batch && profile_summary_end(profile_hub_summary(fetcher->hub), &gone, batch) == 0 &&
	    batch->nrows)
		push(target, batch);
	else
		batch_free(batch);
	target_free(target);
}

struct profile_fetcher *profile_fetcher_new(struct loop *loop, struct profile_hub *hub,
					    const struct profile_fetch_host *host)
{
	struct profile_fetcher *fetcher = calloc(1, sizeof(*fetcher));

	if (!fetcher)
		return NULL;
	fetcher->loop = loop;
	fetcher->hub = hub;
	fetcher->host = *host;
	fetcher->http = http_client_new(loop);
	if (!fetcher->http) {
		free(fetcher);
		return NULL;
	}
	return fetcher;
}

void profile_fetcher_free(struct profile_fetcher *fetcher)
{
	if (!fetcher)
		return;
	for (size_t i = 0; i < fetcher->n; i++)
		target_free(fetcher->targets[i]);
	http_client_free(fetcher->http);
	free(fetcher->targets);
	free(fetcher);
}

int profile_fetcher_configure(struct profile_fetcher *fetcher,
			      const struct profile_fetch_target *targets, size_t n)
{
	struct target **fresh = reallocarray(NULL, n + 1, sizeof(*fresh));
	size_t made = 0;

	if (!fresh)
		return ERR_NOMEM;
	if (n > PROFILE_TARGETS_MAX) {
		free(fresh);
		return ERR_LIMIT;
	}
	for (size_t i = 0; i < fetcher->n; i++)
		fetcher->targets[i]->is_kept = false;
	for (size_t i = 0; i < n; i++)
		if ((fresh[made] = target_get(fetcher, &targets[i])))
			made++;
	for (size_t i = 0; i < fetcher->n; i++)
		if (!fetcher->targets[i]->is_kept)
			target_end(fetcher->targets[i]);
	free(fetcher->targets);
	fetcher->targets = fresh;
	fetcher->n = made;
	return made == n ? 0 : ERR_NOMEM;
}

bool profile_fetcher_target(const struct profile_fetcher *fetcher, size_t i,
			    struct profile_target_state *out)
{
	if (i >= fetcher->n)
		return false;
	const struct target *target = fetcher->targets[i];

	*out = (struct profile_target_state){ .url = slice_from(target->url),
					      .error = slice_from(target->error),
					      .labels = target->labels,
					      .interval_ms = target->interval_ms,
					      .last_ms = target->last_ms,
					      .is_up = target->is_up,
					      .is_busy = target->call != NULL };
	return true;
}

struct profile_fetch_stats profile_fetcher_stats(const struct profile_fetcher *fetcher)
{
	struct profile_fetch_stats stats = { .good = fetcher->good,
					     .failed = fetcher->failed,
					     .targets = (uint32_t)fetcher->n };

	for (size_t i = 0; i < fetcher->n; i++)
		stats.down += fetcher->targets[i]->last_ms && !fetcher->targets[i]->is_up;
	return stats;
}

/* ---- at once ---- */

/* Go's profiles of a heap, whatever their address is called, hold both of its types. */
static bool is_heap(enum profile_kind kind)
{
	return kind == PROFILE_KIND_HEAP_INUSE || kind == PROFILE_KIND_HEAP_ALLOC;
}

static bool is_meant(const struct target *target, const struct matcher *matchers, size_t n,
		     struct slice type)
{
	enum profile_kind kind = profile_kind_of(type);

	if (!matchers_is_match(matchers, n, target->labels))
		return false;
	return type.len == 0 || (is_heap(kind) && is_heap(target->hint)) ||
	       (kind != PROFILE_KIND_NONE && kind == target->hint);
}

int profile_fetch_now(struct profile_fetcher *fetcher, const struct matcher *matchers, size_t n,
		      struct slice type, const struct profile_trace *trace, profile_now_fn *fn,
		      void *ctx)
{
	struct target *meant[PROFILE_NOW_TARGETS_MAX];
	uint32_t nmeant = 0;

	for (size_t i = 0; i < fetcher->n; i++) {
		struct target *target = fetcher->targets[i];

		if (!is_meant(target, matchers, n, type))
			continue;
		if (nmeant == PROFILE_NOW_TARGETS_MAX)
			return ERR_LIMIT;
		if (target->nasked == PROFILE_NOW_WAITING_MAX)
			return ERR_FULL;
		meant[nmeant++] = target;
	}
	if (nmeant == 0)
		return ERR_NOT_FOUND;
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return ERR_NOMEM;
	request->fn = fn;
	request->ctx = ctx;
	request->has_trace = trace != NULL;
	if (trace)
		request->trace = *trace;
	/* One more than there are, so that no early failure ends it before all are asked. */
	request->waiting = nmeant + 1;
	for (uint32_t i = 0; i < nmeant; i++) {
		meant[i]->asked[meant[i]->nasked++] = request;
		if (!meant[i]->call)
			target_start(meant[i]);
	}
	request_done(request);
	return 0;
}
