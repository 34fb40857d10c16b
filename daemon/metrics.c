/* The daemon's own numbers for /metrics, by the table of metrics.def: queues, threads, journal,
 * process. */
#include "daemon/threads.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/huge_pages.h"
#include "base/quote.h"
#include "base/regex.h"
#include "base/text.h"

/* What the values of metrics.def are taken from. */
struct daemon_sample {
	uint64_t requests, refused_full, refused_bad;
	struct extractor_counters logs;
	struct journal_stats journal;
	struct redis_log_stats redis;
	enum redis_health redis_health;
	struct recorder_stats recorder;
	int64_t store_cpu_us;
	struct rusage usage;
	struct rlimit descriptors;
};

static long resident_bytes(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file)
		return 0;
	if (fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the directory itself */
}

static void sample_take(struct daemon *daemon, struct daemon_sample *s)
{
	struct store_thread *store = &daemon->store;

	*s = (struct daemon_sample){ 0 };
	for (uint32_t i = 0; i < daemon->ningest; i++) {
		s->requests += atomic_load(&daemon->ingest[i].requests);
		s->refused_full += atomic_load(&daemon->ingest[i].refused_full);
		s->refused_bad += atomic_load(&daemon->ingest[i].refused_bad);
	}
	extractors_totals(&daemon->extractors, &s->logs);
	pthread_mutex_lock(&store->stats_lock);
	s->journal = store->stats;
	s->redis = store->redis_stats;
	s->redis_health = store->redis_health;
	s->store_cpu_us = store->cpu_us;
	pthread_mutex_unlock(&store->stats_lock);
	recorder_stats(daemon->engine.recorder, &s->recorder);
	getrusage(RUSAGE_SELF, &s->usage);
	getrlimit(RLIMIT_NOFILE, &s->descriptors);
}

static double cpu_seconds(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

/* A value for each receiver of remote_write; `more` are further labels. */
static void add_remote_value(struct buf *out, const char *name, const struct remote_write *remote,
			     const char *more, double value)
{
	buf_printf(out, "%s{remote_name=", name);
	text_quote(slice_from(remote->name), out);
	buf_add_str(out, ",url=");
	text_quote(slice_from(remote->url), out);
	buf_add_str(out, more);
	metric_add_value(out, "}", "", value);
}

void daemon_metrics(struct daemon *daemon, struct buf *out)
{
	struct daemon_sample sample, *s = &sample;
	const char *current = NULL;

	sample_take(daemon, s);
	pthread_mutex_lock(&daemon->peer.remotes.lock);
#define METRIC(name, type, help) metric_add(out, current = (name), type, help);
#define VALUE(labels, value) metric_add_value(out, current, labels, (double)(value));
#define SOURCES(member)                                                                            \
	log_counters_format(&daemon->log_counters, current, offsetof(struct log_counters, member), \
			    out);
#define REMOTES(labels, value)                                                                     \
	for (const struct remote_write *r = daemon->peer.remotes.first; r; r = r->next)            \
		add_remote_value(out, current, r, labels, (double)(value));
#include "daemon/metrics.def"
#undef METRIC
#undef VALUE
#undef SOURCES
#undef REMOTES
	pthread_mutex_unlock(&daemon->peer.remotes.lock);
}

void daemon_metrics_reference(struct buf *out)
{
#define METRIC(name, type, help) buf_add_str(out, "| `" name "` | " type " | " help " |\n");
#define VALUE(labels, value)
#define SOURCES(member)
#define REMOTES(labels, value)
#include "daemon/metrics.def"
#undef METRIC
#undef VALUE
#undef SOURCES
#undef REMOTES
}
