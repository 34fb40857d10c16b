/*
 * The receivers of remote_write: a sender for each, known by its name, and its counters.
 *
 * On the peer thread, but for the counters: whoever reads them locks the list.
 */
#ifndef TOCSIN_DAEMON_REMOTE_WRITES_H
#define TOCSIN_DAEMON_REMOTE_WRITES_H

#include <pthread.h>

#include "daemon/config_peers.h"

struct remote_write {
	struct remote_write *next;
	char *name, *url; /* the address is shown without a password */
	struct rw_shards *shards;
	struct rw_counters counters;
	bool is_kept;
};

struct remote_writes {
	pthread_mutex_t lock;
	struct remote_write *first;
	uint32_t draining; /* that are not idle yet */
	void (*idle)(void *ctx);
	void *idle_ctx;
};

void remote_writes_init(struct remote_writes *list);
void remote_writes_fini(struct remote_writes *list);
/*
 * One that was there by that name goes on with what waits; the others' samples are given up. The
 * configuration must stay until the next call. ERR_NOMEM: some are missing.
 */
int remote_writes_configure(struct remote_writes *list, struct loop *loop, struct http_client *http,
			    const struct remote_write_config *config);
/* To all of them. */
void remote_writes_add(struct remote_writes *list, const struct rw_sample *samples, size_t n);
/* See rw_sender_drain(). `idle` is called once none has anything left, maybe at once. */
void remote_writes_drain(struct remote_writes *list, void (*idle)(void *ctx), void *ctx);

#endif
