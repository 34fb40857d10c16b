/* What the files of history share: history.c, history_labels.c. */
#ifndef TOCSIN_INGEST_HISTORY_INTERNAL_H
#define TOCSIN_INGEST_HISTORY_INTERNAL_H

#include "ingest/history.h"

#define HISTORY_AGENT "Tocsin/" PACKAGE_VERSION

/*
 * The external_labels of a server. Remote-read adds them to what it gives, and understands a
 * matcher of equality on one of them; any other finds nothing there, as the stored series do not
 * have them. So it is left out of the request: what comes is judged by the engine anyhow.
 */
struct server_labels {
	const struct history_server *server;
	struct history_counters *counters;
	struct http_client *http;
	struct http_call *call;
	struct loop_timer *timer;
	uint32_t failures;
	bool is_asked, is_known;
	struct labels *labels;	  /* NULL: not told */
	void (*known)(void *ctx); /* called when they are, or will not be; the owner's, as is ctx */
	void *ctx;
};

void server_labels_init(struct server_labels *labels, struct loop *loop, struct http_client *http,
			const struct history_server *server, struct history_counters *counters);
void server_labels_fini(struct server_labels *labels);
/* Are they known, as far as the server tells them? Asks if that was not done yet. */
bool server_labels_are_known(struct server_labels *labels);
/* Which matchers are to be left out: a bit each. */
uint64_t server_labels_without(const struct server_labels *labels, const struct matcher *matchers,
			       size_t n);

/* How long a request waits that has failed so many times in a row. */
static inline int64_t history_retry_ms(uint32_t failures)
{
	return 250ll << (failures - 1);
}

/* The address of a path at the server. ERR_LIMIT. */
int history_url(const struct history_server *server, const char *path, char *url, size_t size);

#endif
