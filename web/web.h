/*
 * The HTTP API and the page: routes requests on an ingest thread.
 *
 * Prometheus' query API (/api/v1/query, rules, alerts), Alertmanager's silences (/api/v2/silences,
 * /api/v2/silence/ID), Tocsin's own (/api/tocsin/v1/…), /metrics, /-/healthy, /-/ready, /-/reload,
 * and the embedded page at /. The ingest paths are not its affair: the daemon takes them first.
 *
 * Guards (interfaces.md, 5): Host is checked for the page, queries and APIs; Origin wherever it is
 * sent; changes through Tocsin's own API need a JSON content type and X-Tocsin-Request; the page
 * has a strict content security policy.
 */
#ifndef TOCSIN_WEB_WEB_H
#define TOCSIN_WEB_WEB_H

#include "actions/actions.h"
#include "base/json.h"
#include "engine/engine.h"
#include "ingest/extractor.h"
#include "web/call.h"

struct web_host {
	void *ctx;
	/* Sends the call to its owner; ERR_FULL: the caller keeps it. */
	int (*call)(void *ctx, enum call_owner owner, struct call *call);
	int (*query)(void *ctx, struct engine_query *query);
	/* Reads configuration and rules again, on the configuration thread: the call is answered
	 * with 200, or 500 and the errors. */
	int (*reload)(void *ctx, struct call *call);
	bool (*ready)(void *ctx);
	int64_t (*now_ms)(void *ctx);
	/* The daemon's own numbers, appended to /metrics as text: queues, journal, threads,
	 * requests. Any thread. */
	void (*metrics)(void *ctx, struct buf *out);
	/*
	 * What only the daemon knows, as members of the overview's object: "logSources", "redis"
	 * (null: not configured). Any thread; NULL: nothing.
	 */
	void (*overview)(void *ctx, struct json_writer *w);
	/*
	 * What became of the lines that make a derived series, plan->logs[guess] of the rules in
	 * force. False when none is extracted by that name.
	 */
	bool (*log_counters)(void *ctx, struct slice name, uint32_t guess,
			     struct extractor_counters *out);
};

struct web_options {
	struct slice external_url;
	const struct slice *allowed_hosts;
	size_t nallowed_hosts;
	bool loopback; /* listens on loopback only */
	const char *version;
	int64_t query_timeout_ms;
	struct query_settings queries; /* how expressions are read */
	int64_t query_offset_ms;       /* rule_query_offset */
	uint32_t thread;	       /* of the ingest thread it serves */
	size_t answer_bytes_max;       /* of a query; 0: ANSWER_BYTES_MAX */
};
#define ANSWER_BYTES_MAX (128 * 1024 * 1024) /* a longer answer to a query is refused */

struct web;
int web_new(const struct web_host *host, const struct web_options *options, struct web **out);
/* Takes other options into force, as after a reload. ERR_NOMEM, ERR_LIMIT (hosts): the old ones
 * stay. */
int web_configure(struct web *web, const struct web_options *options);
void web_free(struct web *web);
/*
 * For the paths that are not web's: does the request come from no browser, or from a page of ours?
 * Else it is answered with 403.
 */
bool web_origin_pass(struct web *web, struct http_request *request);
/* Answers, or defers and sends a call. */
void web_request(struct web *web, struct http_request *request);
/* A call or a query has come home: answers and frees it. */
void web_call_done(struct web *web, struct http_server *server, struct call *call);
void web_query_done(struct web *web, struct http_server *server, struct engine_query *query);
/*
 * A call that makes the text of /metrics, for whoever wants it without a request: to be sent to the
 * engine; home again, its finish() completes the text in `out`. NULL: out of memory.
 */
struct call *web_metrics_call(struct web *web);
/* A metric's head, and a value of it: labels as they stand in braces, or "". */
void metric_add(struct buf *out, const char *name, const char *type, const char *help);
void metric_add_value(struct buf *out, const char *name, const char *labels, double value);
/* The table of metrics of engine, store and actions, as Markdown. */
void metrics_reference(struct buf *out);

#endif
