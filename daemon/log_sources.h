/*
 * The sources of log lines that Tocsin reads for itself (ingest.logs): on ingest thread 0.
 *
 * What their lines come to goes to the engine in batches, with how far each source was read, so
 * that the journal knows both or neither. At most LOG_BATCHES_MAX are under way; while there is no
 * room for another the doors of all sources are closed (ingest/log_door.h).
 */
#ifndef TOCSIN_DAEMON_LOG_SOURCES_H
#define TOCSIN_DAEMON_LOG_SOURCES_H

#include "daemon/config.h"

#define LOG_BATCHES_MAX 4 /* under way to the engine and back */

struct ingest_thread;
struct log_sources;

/* Sources start with the thread's loop. ERR_NOMEM. */
int log_sources_new(struct ingest_thread *thread, struct config *config, struct log_sources **out);
void log_sources_free(struct log_sources *sources); /* NULL is fine */
/* What the journal remembers of how far a source was read; before the loop runs. */
void log_sources_restore(struct log_sources *sources, struct slice key, struct slice payload);
/* Another configuration is in force: what is the same goes on undisturbed. */
void log_sources_configure(struct log_sources *sources, struct config *config);

#endif
