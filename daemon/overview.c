/* What the daemon adds to the page's overview: sources of log lines, and how Redis is. */
#include "base/json.h"
#include "base/text.h"
#include "daemon/threads.h"

static const char *const redis_words[] = {
	[REDIS_AWAY] = "away",
	[REDIS_BEHIND] = "behind",
	[REDIS_CURRENT] = "current",
	[REDIS_FENCED] = "fenced",
};

static void field_count(struct json_writer *w, const char *key, uint64_t n)
{
	json_field_int(w, key, (int64_t)n);
}

static void add_redis(struct store_thread *store, struct json_writer *w)
{
	struct redis_log_stats stats;
	enum redis_health health;

	pthread_mutex_lock(&store->stats_lock);
	stats = store->redis_stats;
	health = store->redis_health;
	pthread_mutex_unlock(&store->stats_lock);
	json_begin_object(w);
	json_field_string(w, "state", slice_from(redis_words[health]));
	json_key(w, "lagSeconds");
	json_number(w,
		    stats.oldest_us ? (double)(clock_monotonic_us() - stats.oldest_us) / 1e6 : 0);
	field_count(w, "waitingBytes", stats.waiting_bytes);
	field_count(w, "bytes", stats.bytes);
	field_count(w, "checkpoints", stats.checkpoints);
	field_count(w, "dropped", stats.dropped);
	field_count(w, "errors", stats.errors);
	field_count(w, "epoch", stats.epoch);
	json_end_object(w);
}

void daemon_overview(struct daemon *daemon, struct json_writer *w)
{
	json_key(w, "logSources");
	log_counters_json(&daemon->log_counters, w);
	json_key(w, "redis");
	if (daemon->store.redis) /* there from before the threads start */
		add_redis(&daemon->store, w);
	else
		json_nil(w);
}
