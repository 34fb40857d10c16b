/*
 * The label sets of a syslog source, by what its messages say of their origin: made once, bounded.
 */
#ifndef TOCSIN_INGEST_SYSLOG_STREAMS_H
#define TOCSIN_INGEST_SYSLOG_STREAMS_H

#include "ingest/syslog_server.h"

struct syslog_streams {
	struct labels *own; /* the source's; borrowed */
	struct syslog_stream {
		uint64_t hash;
		struct labels *labels; /* NULL: free */
	} * slots;
	size_t n;
	int64_t since_ms;
	struct hash_key key;
};

/* ERR_NOMEM. */
int syslog_streams_init(struct syslog_streams *streams, struct labels *own);
void syslog_streams_fini(struct syslog_streams *streams);
/*
 * The labels of the message's stream, borrowed until the next call; NULL when out of memory.
 * *whole: they have hostname and app_name; else there are too many of those.
 */
struct labels *syslog_streams_get(struct syslog_streams *streams,
				  const struct syslog_message *message, int64_t now_ms,
				  bool *whole);

#endif
