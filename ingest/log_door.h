/*
 * The door that sources which read for themselves (files, syslog, standard input) bring their lines
 * through: one for each source, on its loop. Behind it lines become samples, and these go to the
 * engine together with how far the source was read, so that after a crash each line counts once.
 *
 * While it is closed, because the engine is behind, a source stops reading: what it has not read
 * waits in the file, or in the sender. It is told when the door is open again.
 */
#ifndef TOCSIN_INGEST_LOG_DOOR_H
#define TOCSIN_INGEST_LOG_DOOR_H

#include "ingest/log_sink.h"

struct log_door {
	struct log_sink sink; /* line(): also ERR_FULL: flush, and give the line again when open */
	void *ctx;
	bool (*is_open)(void *ctx);
	/*
	 * All lines given so far are those up to here: belongs to what gathered since the last
	 * flush. An empty payload forgets the key. ERR_NOMEM: nobody will know; the caller goes on.
	 */
	int (*position)(void *ctx, struct slice key, struct slice payload);
	/* The end of a turn: what gathered may go to the engine. The door may be closed after. */
	void (*flush)(void *ctx);
};

#endif
