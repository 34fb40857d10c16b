#include "web/web_internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"

/* What is asked for where. Several rows of one path: by method. */
static const struct endpoint endpoints[] = {
	{ "/-/healthy", M_GET, 0, on_healthy },
	{ "/-/ready", M_GET, 0, on_ready },
	{ "/-/reload", M_POST | M_PUT, 0, on_reload },
	{ "/metrics", M_GET, 0, on_metrics },
	{ "/", M_GET, GUARD_HOST, on_page },
	{ "/page/", M_GET, GUARD_HOST, on_page },
	{ "/graph", M_GET, GUARD_HOST, on_graph },
	{ "/api/v1/query", M_GET | M_POST, GUARD_HOST, on_query },
	{ "/api/v1/query_range", M_GET | M_POST, GUARD_HOST, on_query_range },
	{ "/api/v1/query_exemplars", M_GET | M_POST, GUARD_HOST, on_exemplars },
	{ "/api/v1/format_query", M_GET | M_POST, GUARD_HOST, on_format_query },
	{ "/api/v1/series", M_GET | M_POST, GUARD_HOST, on_series },
	{ "/api/v1/labels", M_GET | M_POST, GUARD_HOST, on_labels },
	{ "/api/v1/label/*/values", M_GET, GUARD_HOST, on_label_values },
	{ "/api/v1/metadata", M_GET, GUARD_HOST, on_metadata },
	{ "/api/v1/rules", M_GET, GUARD_HOST, on_rules },
	{ "/api/v1/alerts", M_GET, GUARD_HOST, on_alerts },
	{ "/api/v1/status/buildinfo", M_GET, GUARD_HOST, on_buildinfo },
	{ "/api/v1/status/tsdb", M_GET, GUARD_HOST, on_tsdb },
	{ "/api/v2/silences", M_GET, GUARD_HOST, on_silences },
	{ "/api/v2/silences", M_POST, GUARD_HOST, on_silence_add },
	{ "/api/v2/silence/", M_GET, GUARD_HOST, on_silence },
	{ "/api/v2/silence/", M_DELETE, GUARD_HOST, on_silence_expire },
	{ "/api/v2/status", M_GET, GUARD_HOST, on_alertmanager_status },
	{ "/api/tocsin/v1/overview", M_GET, GUARD_HOST, on_overview },
	{ "/api/tocsin/v1/senders", M_GET, GUARD_HOST, on_senders },
	{ "/api/tocsin/v1/explain", M_GET | M_POST, GUARD_HOST, on_explain },
	{ "/api/tocsin/v1/silences", M_POST, GUARD_HOST | GUARD_CHANGE, on_own_silence_add },
	{ "/api/tocsin/v1/profiles", M_GET, GUARD_HOST, on_profiles },
	{ "/api/tocsin/v1/profiles/targets", M_GET, GUARD_HOST, on_profile_targets },
	{ "/api/tocsin/v1/profiles/top", M_GET, GUARD_HOST, on_profile_top },
	{ "/api/tocsin/v1/profiles/diff", M_GET, GUARD_HOST, on_profile_diff },
	{ "/api/tocsin/v1/profiles/flamegraph", M_GET, GUARD_HOST, on_profile_flamegraph },
	{ "/api/tocsin/v1/profiles/fetch", M_POST, GUARD_HOST | GUARD_CHANGE, on_profile_fetch },
	{ "/api/tocsin/v1/profile/", M_GET, GUARD_HOST, on_profile },
	{ "/api/tocsin/v1/silence/", M_DELETE, GUARD_HOST | GUARD_CHANGE, on_silence_expire },
};
/* Paths that are promised and not there yet, whatever the method, and what does instead. */
static const struct {
	const char *path, *instead;
} later[] = {
	{ "/-/leader", "there is one engine, and it is this one" },
	{ "/api/v2/alerts", "Prometheus' /api/v1/alerts tells those that this Tocsin has" },
	{ "/api/v2/alerts/groups", "/api/tocsin/v1/overview tells deliveries by group" },
	{ "/api/v2/receivers", "the configuration has them" },
	{ "/api/tocsin/v1/ignored", "/api/tocsin/v1/senders counts them" },
	{ "/api/tocsin/v1/deliveries", "/api/tocsin/v1/overview lists them" },
	{ "/api/tocsin/v1/runbooks/*/runs", "/api/tocsin/v1/overview lists runs" },
	{ "/api/tocsin/v1/runs", "/api/tocsin/v1/overview lists them" },
	{ "/api/tocsin/v1/approvals", "runbooks run in mode suggest or auto" },
	{ "/api/tocsin/v1/freeze", "set actions.freeze in the configuration, and reload" },
};

#define NENDPOINTS (sizeof(endpoints) / sizeof(*endpoints))

int web_configure(struct web *web, const struct web_options *options)
{
	struct web fresh = { .host = web->host,
			     .loopback = options->loopback,
			     .query_timeout_ms = options->query_timeout_ms,
			     .answer_bytes_max = options->answer_bytes_max
							 ? options->answer_bytes_max
							 : ANSWER_BYTES_MAX,
			     .queries = options->queries,
			     .query_offset_ms = options->query_offset_ms,
			     .started_ms = web->started_ms };

	arena_init(&fresh.arena, 0);
	fresh.version = arena_strdup(&fresh.arena, slice_from(options->version));
	int code = fresh.version ? guard_init(&fresh, options) : ERR_NOMEM;

	if (code) {
		arena_fini(&fresh.arena);
		return code;
	}
	arena_fini(&web->arena);
	*web = fresh;
	return 0;
}

int web_new(const struct web_host *host, const struct web_options *options, struct web **out)
{
	struct web *web = calloc(1, sizeof(*web));

	if (!web)
		return ERR_NOMEM;
	web->host = *host;
	web->started_ms = host->now_ms(host->ctx);
	arena_init(&web->arena, 0);
	int code = web_configure(web, options);

	if (code) {
		web_free(web);
		return code;
	}
	*out = web;
	return 0;
}

void web_free(struct web *web)
{
	arena_fini(&web->arena);
	free(web);
}

/* ---- answers ---- */

static const struct http_header plain_headers[] = {
	{ "Cache-Control", "no-store" },
	{ "X-Content-Type-Options", "nosniff" },
};

void web_reply(struct http_request *request, int status, const char *content_type,
	       struct slice body)
{
	http_reply(request, &(struct http_reply){ .status = status,
						  .content_type = body.len ? content_type : NULL,
						  .headers = plain_headers,
						  .nheaders = 2,
						  .body = body });
}

void web_fail(struct http_request *request, int status, const char *type, const char *format, ...)
{
	struct buf text, out;
	va_list args;

	buf_init(&text);
	buf_init(&out);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	envelope_error(&out, type, buf_slice(&text));
	web_reply(request, status, JSON_TYPE, buf_slice(&out));
	buf_fini(&text);
	buf_fini(&out);
}

static void reply_busy(struct http_request *request)
{
	static const struct http_header headers[] = {
		{ "Cache-Control", "no-store" },
		{ "Retry-After", "1" },
	};

	http_reply(request,
		   &(struct http_reply){
			   .status = 503,
			   .content_type = JSON_TYPE,
			   .headers = headers,
			   .nheaders = 2,
			   .body = SLICE("{\"status\":\"error\",\"errorType\":\"unavailable\","
					 "\"error\":\"too busy, try again\"}") });
}

void web_send(struct web *web, struct http_request *request, enum call_owner owner,
	      struct call *call)
{
	struct http_token token;

	if (!call) {
		web_fail(request, 500, "internal", "out of memory");
		return;
	}
	if (http_defer(request, &token)) {
		reply_busy(request);
		call_free(call);
		return;
	}
	call->owner = owner;
	call->now_ms = web->host.now_ms(web->host.ctx);
	call->slot = token.slot;
	call->generation = token.generation;
	int code = owner == CALL_CONFIG ? web->host.reload(web->host.ctx, call)
					: web->host.call(web->host.ctx, owner, call);

	if (code) {
		reply_busy(request);
		call_free(call);
	}
}

static void on_query_end(void *ctx)
{
	struct query_interest *interest = ctx;

	atomic_store_explicit(&interest->is_gone, true, memory_order_relaxed);
	query_interest_unref(interest);
}

void web_send_query(struct web *web, struct http_request *request, struct engine_query *query)
{
	struct http_token token;

	query->asked_ms = web->host.now_ms(web->host.ctx);
	query->interest = query_interest_new();
	if (!query->interest || http_defer(request, &token)) {
		reply_busy(request);
		engine_query_free(query);
		return;
	}
	http_on_end(request, on_query_end, query_interest_ref(query->interest));
	query->slot = token.slot;
	query->generation = token.generation;
	if (web->host.query(web->host.ctx, query)) {
		reply_busy(request);
		engine_query_free(query);
	}
}

void web_call_done(struct web *web, struct http_server *server, struct call *call)
{
	struct http_reply reply = { .headers = plain_headers, .nheaders = 2 };

	if (call->finish)
		call->finish(call);
	if (!buf_ok(&call->out))
		call_fail(call, 500, "internal", "out of memory");
	reply.status = call->status;
	reply.body = buf_slice(&call->out);
	reply.content_type = reply.body.len ? call->content_type : NULL;
	http_reply_to(server, (struct http_token){ call->slot, call->generation }, &reply);
	call_free(call);
}

void web_query_done(struct web *web, struct http_server *server, struct engine_query *query)
{
	query_done(web, server, query);
}

/* ---- parameters ---- */

const char *web_param(struct http_request *request, struct arena *arena, const char *name,
		      size_t index)
{
	char *text = http_request_param(request, name, index);
	const char *copy = text ? arena_strdup(arena, slice_from(text)) : NULL;

	free(text);
	return copy;
}

const char *web_param_value(struct http_request *request, struct arena *arena, const char *name)
{
	const char *text = web_param(request, arena, name, 0);

	return text && *text ? text : NULL;
}

bool web_param_bool(struct http_request *request, struct arena *arena, const char *name,
		    bool *value)
{
	static const char *const words[] = { "0", "1", "f",	"t",	"false", "true",
					     "F", "T", "FALSE", "TRUE", "False", "True" };
	const char *text = web_param_value(request, arena, name);

	for (size_t i = 0; text && i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*value = i % 2 == 1;
		return true;
	}
	if (text)
		web_fail(request, 400, "bad_data",
			 "invalid parameter \"%s\": \"%.100s\" is neither true nor false", name,
			 text);
	return !text;
}

/* ---- routing ---- */

static bool is_path_of(const struct endpoint *endpoint, struct slice path, struct slice *rest)
{
	struct slice own = slice_from(endpoint->path);

	*rest = (struct slice){ path.ptr + path.len, 0 };
	ptrdiff_t star = slice_find(own, '*');

	if (star >= 0) {
		struct slice before = { own.ptr, (size_t)star };
		struct slice after = { own.ptr + star + 1, own.len - (size_t)star - 1 };

		if (path.len <= before.len + after.len || !slice_has_prefix(path, before) ||
		    !slice_has_suffix(path, after))
			return false;
		*rest = (struct slice){ path.ptr + before.len, path.len - before.len - after.len };
		return slice_find(*rest, '/') < 0;
	}
	if (own.len == 1 || own.ptr[own.len - 1] != '/')
		return slice_is_equal(path, own);
	if (path.len <= own.len || !slice_has_prefix(path, own))
		return false;
	*rest = (struct slice){ path.ptr + own.len, path.len - own.len };
	return slice_find(*rest, '/') < 0;
}

static unsigned method_bit(struct http_request *request)
{
	switch (http_request_method(request)) {
	case HTTP_GET:
	case HTTP_HEAD:
		return M_GET;
	case HTTP_POST:
		return M_POST;
	case HTTP_PUT:
		return M_PUT;
	case HTTP_DELETE:
		return M_DELETE;
	default:
		return 0;
	}
}

static void reply_not_allowed(struct http_request *request, unsigned methods)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ M_GET, "GET, HEAD" }, { M_POST, "POST" }, { M_PUT, "PUT" }, { M_DELETE, "DELETE" }
	};
	char allow[64] = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (methods & names[i].bit)
			snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), "%s%s",
				 allow[0] ? ", " : "", names[i].name);
	http_reply(request,
		   &(struct http_reply){ .status = 405,
					 .content_type = TEXT_TYPE,
					 .headers = &(struct http_header){ "Allow", allow },
					 .nheaders = 1,
					 .body = SLICE("method not allowed\n") });
}

/* Named, so that nobody believes that it was mistyped, or that it was done. */
static void reply_not_there(struct http_request *request, struct slice path)
{
	struct slice rest;

	for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++) {
		if (!is_path_of(&(struct endpoint){ .path = later[i].path }, path, &rest))
			continue;
		web_fail(request, 501, "unavailable", "%s is not supported yet: %s", later[i].path,
			 later[i].instead);
		return;
	}
	web_reply(request, 404, TEXT_TYPE, SLICE("not found\n"));
}

void web_request(struct web *web, struct http_request *request)
{
	struct slice path = http_request_path(request), rest;
	unsigned method = method_bit(request), methods = 0;

	for (size_t i = 0; i < NENDPOINTS; i++) {
		if (!is_path_of(&endpoints[i], path, &rest))
			continue;
		methods |= endpoints[i].methods;
		if (!(method & endpoints[i].methods))
			continue;
		if (guard_pass(web, request, endpoints[i].guards))
			endpoints[i].handle(web, request, rest);
		return;
	}
	if (methods)
		reply_not_allowed(request, methods);
	else
		reply_not_there(request, path);
}
