#include "daemon/profiles.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/threads.h"
#include "ingest/otlp_profiles.h"

#define EXPIRE_INTERVAL_MS 10000

/* What thread 0 shows of its state to whoever makes /metrics. */
static void counters_update(struct ingest_thread *thread)
{
	struct profiles_counters *counters = &thread->daemon->profiles;
	const struct profile_hub_stats *hub = profile_hub_stats(thread->hub);
	const struct profile_store_stats *store =
		profile_store_stats(profile_hub_store(thread->hub));
	struct profile_fetch_stats fetch = profile_fetcher_stats(thread->fetcher);

	atomic_store(&counters->taken, hub->taken);
	atomic_store(&counters->refused, hub->refused);
	atomic_store(&counters->unkept, hub->unkept);
	atomic_store(&counters->fetched, fetch.good);
	atomic_store(&counters->fetch_failed, fetch.failed);
	atomic_store(&counters->targets, fetch.targets);
	atomic_store(&counters->targets_down, fetch.down);
	atomic_store(&counters->streams, profile_summary_streams(profile_hub_summary(thread->hub)));
	atomic_store(&counters->store_added, store->added);
	atomic_store(&counters->store_expired, store->expired);
	atomic_store(&counters->store_damaged, store->damaged);
	atomic_store(&counters->store_failed, store->failed);
	atomic_store(&counters->store_items, (int64_t)store->items);
	atomic_store(&counters->store_bytes, store->bytes);
}

/* ---- pushed ones ---- */

/* What is gathered of one request. */
struct taking {
	struct ingest_thread *thread;
	struct batch *batch;
	const char **why;
};

static int on_push(void *ctx, const struct profile_push *push)
{
	struct taking *taking = ctx;
	struct profile_arrival arrival = { .now_ms = clock_wall_ms() };
	struct profile_push known = *push;
	uint64_t id;

	*taking->why = "relabel_configs make no set of labels of it";
	int code = relabel_apply(taking->thread->profiles_relabel, push->labels, &known.labels);

	if (code || !known.labels)
		return code; /* dropped, as it was asked for: that counts as taken */
	code = profile_hub_take(taking->thread->hub, &known, &arrival, taking->batch, &id,
				taking->why);
	labels_unref(known.labels);
	return code;
}

static int on_otlp(void *ctx, struct profile *profile, const struct profile_push *push,
		   const char **why)
{
	struct taking *taking = ctx;
	struct profile_arrival arrival = { .now_ms = clock_wall_ms() };
	struct profile_hub *hub = taking->thread->hub;
	uint64_t id;

	return profile->ntypes ? profile_hub_take_decoded(hub, profile, push, &arrival,
							  taking->batch, &id, why)
			       : profile_hub_take(hub, push, &arrival, taking->batch, &id, why);
}

static int body_read(struct taking *taking, const struct profiles_msg *msg, struct slice body)
{
	switch (msg->protocol) {
	case PROFILES_INGEST:
		return profile_ingest_read(&msg->params, body, on_push, taking, taking->why);
	case PROFILES_PUSH:
		return profile_push_read(body, on_push, taking, taking->why);
	case PROFILES_PUSH_JSON:
		return profile_push_json_read(body, on_push, taking, taking->why);
	case PROFILES_OTLP:
	case PROFILES_PROTOCOLS:
		break;
	}
	return ERR_UNSUPPORTED;
}

static int body_unpack(struct taking *taking, const struct profiles_msg *msg, struct slice body)
{
	struct decompressor decompressor;
	struct buf unpacked;

	if (!msg->is_gzipped)
		return body_read(taking, msg, body);
	decompressor_init(&decompressor);
	buf_init(&unpacked);
	int code = decompress(&decompressor, body, PROFILE_BYTES_MAX, &unpacked, taking->why);

	if (code == 0)
		code = body_read(taking, msg, buf_slice(&unpacked));
	buf_fini(&unpacked);
	decompressor_fini(&decompressor);
	return code;
}

static int status_of(int code)
{
	switch (code) {
	case 0:
		return 200;
	case ERR_NOMEM:
		return 500;
	case ERR_LIMIT:
		return 413;
	case ERR_UNSUPPORTED:
		return 415;
	default:
		return 400;
	}
}

/* What is in the request; an HTTP status. */
static int request_read(struct taking *taking, struct profiles_msg *msg)
{
	struct ingest_thread *thread = taking->thread;
	struct slice body = { msg->body, msg->len };

	if (msg->protocol != PROFILES_OTLP)
		return status_of(body_unpack(taking, msg, body));
	struct profile *scratch = profile_new(&thread->daemon->rw.key);
	int status =
		scratch ? otlp_profiles(thread->otlp, body, scratch, on_otlp, taking, &msg->otlp)
			: 500;

	*taking->why = msg->otlp.error;
	profile_free(scratch);
	return status ? status : 200;
}

/* Back to where the request waits. */
static void send_back(struct ingest_thread *thread, struct profiles_msg *msg, int status,
		      const char *why)
{
	msg->status = status;
	snprintf(msg->why, sizeof(msg->why), "%s", why);
	msg->item.kind = MSG_PROFILES_REFUSED;
	queue_push(thread->daemon->ingest[msg->thread].inbox, &msg->item, true);
}

static int batch_send(struct ingest_thread *thread, struct batch *batch,
		      const struct profiles_msg *msg)
{
	struct profiles_answer *answer = malloc(sizeof(*answer));

	if (!answer)
		return ERR_NOMEM;
	*answer = (struct profiles_answer){ msg->protocol, msg->otlp };
	batch->decoder_data = answer;
	batch->free_data = free;
	batch->sender = msg->sender;
	batch->thread = msg->thread;
	batch->slot = msg->slot;
	batch->generation = msg->generation;
	batch->done = profiles_on_applied;
	batch->arrived_us = clock_monotonic_us();
	batch->item.kind = MSG_BATCH;
	batch->item.cost = batch_cost(batch);
	return queue_push(thread->daemon->engine.inbox, &batch->item, false);
}

void profiles_on_msg(struct ingest_thread *thread, struct profiles_msg *msg)
{
	const char *why = error_text(ERR_NOMEM);
	struct taking taking = { thread, batch_new(), &why };
	int status = taking.batch ? request_read(&taking, msg) : 500;

	counters_update(thread);
	if (status != 200 || taking.batch->nrows == 0) {
		batch_free(taking.batch);
		send_back(thread, msg, status, why);
		return;
	}
	int code = batch_send(thread, taking.batch, msg);

	if (code) {
		batch_free(taking.batch);
		send_back(thread, msg, code == ERR_NOMEM ? 500 : 503, "too busy, try again");
		return;
	}
	profiles_msg_free(msg);
}

/* ---- fetched ones ---- */

static void on_fetched_applied(void *ctx, struct batch *batch)
{
	if (batch_is_rejected(&batch->outcome))
		log_warn("profiles", "series of a fetched profile are rejected",
			 "url=%s conflict=%u limited=%u future=%u",
			 log_quote(slice_from(batch->decoder_data)), batch->outcome.conflict,
			 batch->outcome.limited, batch->outcome.future);
	batch_free(batch);
}

static void host_push(void *ctx, struct batch *batch, struct slice url)
{
	struct ingest_thread *thread = ctx;

	/* Without a sender: a target that is down has a profile_up that says so. */
	batch->decoder_data = slice_dup(url);
	batch->free_data = free;
	batch->item.cost = batch_cost(batch);
	if (atomic_load(&thread->daemon->draining) ||
	    ingest_push(thread, batch, on_fetched_applied)) {
		atomic_fetch_add(&thread->daemon->profiles.unpushed, 1);
		batch_free(batch);
	}
	counters_update(thread);
}

static int64_t host_now_ms(void *ctx)
{
	return clock_wall_ms();
}

/* ---- what the API asks ---- */

static void on_released(void *ctx, struct call *call)
{
	struct ingest_thread *thread = ctx;

	call_forward(thread->daemon, call);
}

void profiles_on_call(struct ingest_thread *thread, struct call *call)
{
	call->released = on_released;
	call->released_ctx = thread;
	call->is_running = true;
	call->run(call, thread->hub);
	call->is_running = false;
	if (!call->is_held)
		call_forward(thread->daemon, call);
	counters_update(thread);
}

/* ---- start, reload, end ---- */

static void on_expire(void *ctx)
{
	struct ingest_thread *thread = ctx;

	profile_store_expire(profile_hub_store(thread->hub), clock_wall_ms());
	counters_update(thread);
	loop_timer_set(thread->profiles_timer, EXPIRE_INTERVAL_MS);
}

void profiles_configure(struct ingest_thread *thread, const struct config *config,
			const struct rule_set *rules)
{
	const struct profiles_config *profiles = &config->profiles;
	struct profile_names *names = rules ? profile_names_of_plan(rules->plan) : NULL;

	profile_store_limit(profile_hub_store(thread->hub), profiles->store_bytes,
			    profiles->store_for_ms);
	relabel_ref(profiles->relabel);
	relabel_unref(thread->profiles_relabel);
	thread->profiles_relabel = profiles->relabel;
	if (profile_fetcher_configure(thread->fetcher, profiles->targets, profiles->n))
		log_error("profiles", "out of memory: not all profiles are fetched", NULL);
	if (names && names->over)
		log_warn("profiles",
			 "rules name too many functions: some have series only while "
			 "they are among the top",
			 "named=%u too_many=%u", names->n + names->over, names->over);
	if (rules)
		profile_summary_watch(profile_hub_summary(thread->hub), names);
	profile_names_unref(names);
	counters_update(thread);
}

static int store_open(const struct config *config, struct profile_store **out, char **why)
{
	char path[FILE_PATH_MAX];

	if (!config->data_dir)
		return profile_store_open(NULL, out, why);
	snprintf(path, sizeof(path), "%s/profiles", config->data_dir);
	int code = profile_store_open(path, out, why);

	if (code)
		return code;
	const struct profile_store_stats *stats = profile_store_stats(*out);

	if (stats->damaged)
		log_warn("profiles", "damaged profiles are removed", "files=%llu",
			 (unsigned long long)stats->damaged);
	if (stats->foreign)
		log_warn("profiles", "profiles of another version are left alone", "files=%llu",
			 (unsigned long long)stats->foreign);
	return 0;
}

int profiles_init(struct ingest_thread *thread, const struct config *config, char **why)
{
	const struct profile_fetch_host host = { thread, host_now_ms, host_push };
	struct profile_store *store;
	int code = store_open(config, &store, why);

	if (code)
		return code;
	thread->hub = profile_hub_new(&thread->daemon->rw.key, store);
	if (!thread->hub)
		return ERR_NOMEM;
	thread->fetcher = profile_fetcher_new(thread->loop, thread->hub, &host);
	thread->profiles_timer = loop_timer_new(thread->loop, on_expire, thread);
	if (!thread->fetcher || !thread->profiles_timer)
		return ERR_NOMEM;
	profile_hub_fetcher_set(thread->hub, thread->fetcher);
	loop_timer_set(thread->profiles_timer, EXPIRE_INTERVAL_MS);
	return 0;
}

void profiles_fini(struct ingest_thread *thread)
{
	profile_fetcher_free(thread->fetcher);
	if (thread->profiles_timer)
		loop_timer_free(thread->profiles_timer);
	profile_hub_free(thread->hub);
	relabel_unref(thread->profiles_relabel);
}
