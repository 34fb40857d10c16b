/*
 * The daemon: threads and their queues, configuration and reload, signals, and the clock that tells
 * the engine the time.
 *
 *   main      signals; reads configuration and rules (start, SIGHUP, /-/reload)
 *   ingest×n  an event loop with an HTTP server on the one port (SO_REUSEPORT): decodes, routes API
 * requests engine    owns series, windows, plan, alert states store     appends to the journal;
 * forwards what waited for it action    an event loop with the HTTP client: groups, deliveries,
 * silences, runs
 *
 * They meet in bounded queues only.
 */
#ifndef TOCSIN_DAEMON_DAEMON_H
#define TOCSIN_DAEMON_DAEMON_H

#include "daemon/config.h"

struct daemon_options {
	const char *config_path; /* NULL: none */
	struct config_overrides overrides;
	const char *program;	 /* to start the runner with */
	unsigned ingest_threads; /* 0: cores − 1, at least 1 */
	bool last_good;		 /* if rule files are broken, start with those that were not */
	bool quiet;		 /* no lines to paste at the start */
	const char *record_dir;	 /* what comes in is recorded there; NULL: not */
	int64_t record_bytes;	 /* as many at most; 0: RECORDER_BYTES_DEFAULT */
	double verify_share;	 /* of the evaluations of rules are done a second time: 0 to 1 */
	/* For tests: called on the main thread when ready, with the port. */
	void (*ready)(void *ctx, uint16_t port);
	void *ready_ctx;
};

/* Runs until SIGTERM, SIGINT. An exit code: 0, 1 (could not start), 78 (configuration invalid). */
int daemon_run(const struct daemon_options *options);
/* Rows of a Markdown table: the daemon's own metrics; web/web.h has the others. */
void daemon_metrics_reference(struct buf *out);

#endif
