/*
 * What came from each source of log lines, for /metrics. Counted on the source's thread, read on
 * any. Once made, counters live as long as the daemon: a source that a reload takes away and
 * another brings back goes on counting.
 */
#ifndef TOCSIN_DAEMON_LOG_COUNTERS_H
#define TOCSIN_DAEMON_LOG_COUNTERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/config_logs.h"

#define LOG_COUNTERS_MAX 1024 /* sources counted by name; further ones share the last */

struct log_counters {
	struct log_counters *next;
	char name[LOG_SOURCE_NAME_MAX];
	_Atomic uint64_t lines, bytes;
	_Atomic uint64_t cut;	    /* lines longer than LOG_LINE_MAX */
	_Atomic uint64_t malformed; /* taken as they stand, or refused to their sender */
	_Atomic uint64_t rotations; /* files that were replaced or truncated under us */
	_Atomic uint64_t dropped;   /* datagrams lost by the kernel, connections refused */
};

struct log_counters_list {
	pthread_mutex_t lock;
	struct log_counters *first;
	size_t n;
};

void log_counters_list_init(struct log_counters_list *list);
void log_counters_list_fini(struct log_counters_list *list);
/* Of the source of that name, made when it is new. Never NULL: without memory those of all. */
struct log_counters *log_counters_get(struct log_counters_list *list, const char *name);
/* name{source="…"} value, for each source. `member` is an offset into struct log_counters. */
void log_counters_format(struct log_counters_list *list, const char *name, size_t member,
			 struct buf *out);

static inline void log_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
