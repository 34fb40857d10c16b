/* The daemon's own numbers for /metrics: queues, threads, journal, process. */
#include "daemon/threads.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	head(out, name, type, help);
	buf_printf(out, "%s ", name);
	number_format_f(value, out);
	buf_add_char(out, '\n');
}

static void queues(struct daemon *daemon, struct buf *out)
{
	const struct {
		const char *name;
		const struct queue *queue;
	} all[] = { { "engine", daemon->engine.inbox }, { "store", daemon->store.inbox }, { "action", daemon->action.inbox } };

	head(out, "tocsin_queue_items", "gauge", "Messages that wait in a thread's queue.");
	for (size_t i = 0; i < 3; i++)
		buf_printf(out, "tocsin_queue_items{queue=\"%s\"} %zu\n", all[i].name, queue_items(all[i].queue));
	head(out, "tocsin_queue_bytes", "gauge", "Bytes that wait in a thread's queue.");
	for (size_t i = 0; i < 3; i++)
		buf_printf(out, "tocsin_queue_bytes{queue=\"%s\"} %zu\n", all[i].name, queue_bytes(all[i].queue));
	head(out, "tocsin_queue_refused_total", "counter", "Messages refused because the queue was full.");
	for (size_t i = 0; i < 3; i++)
		buf_printf(out, "tocsin_queue_refused_total{queue=\"%s\"} %llu\n", all[i].name, (unsigned long long)queue_refused(all[i].queue));
}

static void ingest(struct daemon *daemon, struct buf *out)
{
	uint64_t requests = 0, full = 0, bad = 0;

	for (uint32_t i = 0; i < daemon->ningest; i++) {
		requests += atomic_load(&daemon->ingest[i].requests);
		full += atomic_load(&daemon->ingest[i].refused_full);
		bad += atomic_load(&daemon->ingest[i].refused_bad);
	}
	one(out, "tocsin_http_requests_total", "counter", "HTTP requests taken.", (double)requests);
	head(out, "tocsin_remote_write_refused_total", "counter", "Remote-write requests refused whole, by reason.");
	buf_printf(out, "tocsin_remote_write_refused_total{reason=\"full\"} %llu\n", (unsigned long long)full);
	buf_printf(out, "tocsin_remote_write_refused_total{reason=\"bad\"} %llu\n", (unsigned long long)bad);
}

static void journal(struct daemon *daemon, struct buf *out)
{
	struct store_thread *store = &daemon->store;
	struct journal_stats stats;

	pthread_mutex_lock(&store->stats_lock);
	stats = store->stats;
	pthread_mutex_unlock(&store->stats_lock);
	one(out, "tocsin_journal_records_total", "counter", "Records appended to the journal.", (double)stats.records);
	one(out, "tocsin_journal_bytes_total", "counter", "Bytes appended to the journal.", (double)stats.bytes);
	one(out, "tocsin_journal_syncs_total", "counter", "Times the journal was synced to disk.", (double)stats.syncs);
	one(out, "tocsin_journal_segment_bytes", "gauge", "Size of the journal's newest segment.", (double)stats.segment_bytes);
	one(out, "tocsin_journal_checkpoints_total", "counter", "Checkpoints completed.", (double)stats.checkpoints);
	one(out, "tocsin_journal_commit_failures_total", "counter", "Times the disk refused the journal.",
	    (double)atomic_load(&store->commit_failures));
}

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

static void process(struct daemon *daemon, struct buf *out)
{
	struct rusage usage;
	struct rlimit limit;

	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &limit);
	one(out, "process_cpu_seconds_total", "counter", "User and system CPU time.",
	    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	one(out, "process_resident_memory_bytes", "gauge", "Resident memory.", (double)resident_bytes());
	one(out, "process_open_fds", "gauge", "Open file descriptors.", open_descriptors());
	one(out, "process_max_fds", "gauge", "Most file descriptors that may be open.", (double)limit.rlim_cur);
	one(out, "process_start_time_seconds", "gauge", "When the process was started.", (double)daemon->started_ms / 1000);
}

void daemon_metrics(struct daemon *daemon, struct buf *out)
{
	head(out, "tocsin_build_info", "gauge", "The version that runs.");
	buf_printf(out, "tocsin_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
	one(out, "tocsin_ready", "gauge", "Whether the daemon is ready.", atomic_load(&daemon->ready));
	one(out, "tocsin_config_last_reload_successful", "gauge", "Whether the last reload succeeded.", atomic_load(&daemon->reload_ok));
	one(out, "tocsin_config_last_reload_success_timestamp_seconds", "gauge", "When the configuration in force was loaded.",
	    (double)atomic_load(&daemon->reload_ok_ms) / 1000);
	one(out, "tocsin_engine_longest_piece_seconds", "gauge", "The engine's longest piece of work without a look at its queue, since the start.",
	    (double)atomic_load(&daemon->engine.longest_us) / 1e6);
	one(out, "tocsin_engine_longest_piece_cpu_seconds", "gauge", "The same in CPU time: without what other processes took of the core.",
	    (double)atomic_load(&daemon->engine.longest_cpu_us) / 1e6);
	one(out, "tocsin_engine_busy_seconds_total", "counter", "Time the engine thread worked.", (double)atomic_load(&daemon->engine.busy_us) / 1e6);
	queues(daemon, out);
	ingest(daemon, out);
	journal(daemon, out);
	process(daemon, out);
}
