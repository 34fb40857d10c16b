/*
 * What the parts of web/ share: the routes' handlers and how they answer. Private to web/.
 *
 * A handler runs on the ingest thread. It answers at once (web_reply, web_fail), or makes a call or
 * a query and sends it (web_send, web_send_query), which keeps the request for later.
 */
#ifndef TOCSIN_WEB_INTERNAL_H
#define TOCSIN_WEB_INTERNAL_H

#include "base/json.h"
#include "web/web.h"

#define HOSTS_MAX 256 /* of web.allowed_hosts */

struct web {
	struct web_host host;
	struct arena arena;  /* of all that follows */
	struct slice origin; /* of external_url: http://name:port, lower case; empty: none */
	struct slice *hosts; /* names that may stand in Host, lower case, without ports */
	size_t nhosts;
	bool loopback;
	const char *version;
	int64_t query_timeout_ms;
	size_t answer_bytes_max;
	struct query_settings queries;
	int64_t query_offset_ms;
	int64_t started_ms;
};

enum endpoint_method { M_GET = 1, M_POST = 2, M_PUT = 4, M_DELETE = 8 };
enum endpoint_guard {
	GUARD_HOST = 1,	  /* the Host header must name us */
	GUARD_CHANGE = 2, /* changes something through our own API */
};

struct endpoint {
	const char *path; /* with '/' at its end: the beginning of a path, the rest is the
			     handler's; but for "/" itself. A '*' is one part, likewise. */
	unsigned methods; /* GET means HEAD, too */
	unsigned guards;
	void (*handle)(struct web *web, struct http_request *request, struct slice rest);
};

#define TEXT_TYPE "text/plain; charset=utf-8"
#define JSON_TYPE "application/json"

/* guard.c: may this request pass? If not, it is answered. */
bool guard_pass(struct web *web, struct http_request *request, unsigned guards);
/* The names and the origin under which we are known. ERR_NOMEM, ERR_LIMIT. */
int guard_init(struct web *web, const struct web_options *options);

/* web.c */
void web_reply(struct http_request *request, int status, const char *content_type,
	       struct slice body);
/* The Prometheus API's error. */
void web_fail(struct http_request *request, int status, const char *type, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Takes the call; NULL: answers that there is no memory. */
void web_send(struct web *web, struct http_request *request, enum call_owner owner,
	      struct call *call);
void web_send_query(struct web *web, struct http_request *request, struct engine_query *query);
/* A parameter's text in the arena, or NULL. */
const char *web_param(struct http_request *request, struct arena *arena, const char *name,
		      size_t index);
/* The first of that name; NULL, too, where it is empty: nothing is asked for then, as in
 * Prometheus. */
const char *web_param_value(struct http_request *request, struct arena *arena, const char *name);
/* "true", "1" and the like, if it is there; false: it is no such word, and the request was
 * answered. */
bool web_param_bool(struct http_request *request, struct arena *arena, const char *name,
		    bool *value);

/* envelope.c: {"status":"success","data": … } */
void envelope_begin(struct json_writer *w, struct buf *out);
void envelope_end(struct json_writer *w);
/* {"status":"error","errorType": … ,"error": … } */
void envelope_error(struct buf *out, const char *type, struct slice text);
void json_field_number(struct json_writer *w, const char *key, double v);

/* The handlers, by file. */
#define HANDLER(name) void name(struct web *web, struct http_request *request, struct slice rest)
/* status.c */
HANDLER(on_healthy);
HANDLER(on_ready);
HANDLER(on_reload);
HANDLER(on_buildinfo);
HANDLER(on_alertmanager_status);
/* query_request.c */
HANDLER(on_query);
HANDLER(on_query_range);
HANDLER(on_exemplars);
HANDLER(on_format_query);
/* A parameter as a time, if it is there; false: it is none, and the request was answered. */
bool web_param_time(struct http_request *request, struct arena *arena, const char *name,
		    int64_t *t_ms);
/* The parameter "limit", 0 where it is not there; false: it is none, and the request was answered.
 */
bool web_param_limit(struct http_request *request, struct arena *arena, size_t *limit);
/* Answers with all that the parser has to say of a parameter. */
void web_fail_parse(struct http_request *request, const char *name, const struct diag_list *diags);
/* listing.c */
/* Adds match[] to a listing; false: one is no selector, and the request was answered. */
bool web_param_selectors(struct http_request *request, struct arena *arena,
			 struct engine_query *query);
HANDLER(on_series);
HANDLER(on_labels);
HANDLER(on_label_values);
HANDLER(on_metadata);
HANDLER(on_tsdb);
/* Ends early beyond so many bytes: it is not told then. */
void listing_format(struct engine_query *query, size_t bytes_max, struct buf *out);
/* query.c */
void query_done(struct web *web, struct http_server *server, struct engine_query *query);
/* rules.c */
HANDLER(on_rules);
HANDLER(on_alerts);
/* silences.c */
HANDLER(on_silences);
HANDLER(on_silence_add);
HANDLER(on_silence);
HANDLER(on_silence_expire);
HANDLER(on_own_silence_add);
/* senders.c */
HANDLER(on_senders);
void sender_json(const struct sender *sender, struct json_writer *w);
/* overview.c */
HANDLER(on_overview);
/* explain.c */
HANDLER(on_explain);
/* metrics.c */
HANDLER(on_metrics);
/* profiles.c */
HANDLER(on_profiles);
HANDLER(on_profile);
HANDLER(on_profile_targets);
HANDLER(on_profile_fetch);
/* profile_reports.c */
HANDLER(on_profile_top);
HANDLER(on_profile_diff);
HANDLER(on_profile_flamegraph);
/* page.c */
HANDLER(on_page);
HANDLER(on_graph);

/* ---- rule_logs.c ---- */

/* "logs": what became of the lines of each log selector that the rule reads. */
void rule_logs_add(struct json_writer *w, const struct web_host *host, const struct rule_set *rules,
		   const struct rule *rule);
/* What is amiss with these lines, as text; false, and nothing, when nothing is. */
bool rule_logs_warning(const struct web_host *host, const struct rule_set *rules,
		       const struct rule *rule, struct buf *out);

/* ---- rule_warnings.c ---- */

/* What is amiss with whatever the rule reads, as text; false, and nothing, when nothing is. */
bool rule_warning(const struct web_host *host, const struct rule_set *rules,
		  const struct rule *rule, const struct rule_status *status, struct buf *out);

#endif
