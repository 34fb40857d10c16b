/*
 * The counters of all sources of log lines, by name, for /metrics. Once made, counters live as long
 * as the daemon: a source that a reload takes away and another brings back goes on counting.
 */
#ifndef TOCSIN_DAEMON_SOURCE_COUNTERS_H
#define TOCSIN_DAEMON_SOURCE_COUNTERS_H

#include <pthread.h>

#include "base/json.h"
#include "daemon/config_logs.h"
#include "ingest/log_counters.h"

#define LOG_COUNTERS_MAX 1024 /* sources counted by name; further ones share the last */

struct log_counters_entry {
	struct log_counters_entry *next;
	char name[LOG_SOURCE_NAME_MAX];
	struct log_counters counters;
};

struct log_counters_list {
	pthread_mutex_t lock;
	struct log_counters_entry *first;
	size_t n;
};

void log_counters_list_init(struct log_counters_list *list);
void log_counters_list_fini(struct log_counters_list *list);
/* Of the source of that name, made when it is new. Never NULL: without memory those of all. */
struct log_counters *log_counters_get(struct log_counters_list *list, const char *name);
/* An array of {name, lines, bytes, cut, malformed, rotations, dropped, files, behind}. */
void log_counters_json(struct log_counters_list *list, struct json_writer *w);
/* name{source="…"} value, for each source. `member` is an offset into struct log_counters. */
void log_counters_format(struct log_counters_list *list, const char *name, size_t member,
			 struct buf *out);

#endif
