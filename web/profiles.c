/*
 * Profiles, of Tocsin's own API:
 *
 *   GET  /api/tocsin/v1/profiles            those kept: match, type, start, end, trace_id, limit
 *   GET  /api/tocsin/v1/profiles/targets    whom they are fetched from, and how that goes
 *   GET  /api/tocsin/v1/profile/ID          one of them as it came
 *   POST /api/tocsin/v1/profiles/fetch      one now: {"labels": {…}, "type": …, "trace_id": …}
 *
 * What several say together is in profile_reports.c. All run on the thread that owns the profiles.
 */
#include "web/profile_query.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/profile_fetch.h"

#define LIST_DEFAULT 100
#define LIST_MAX 10000

/* ---- parameters ---- */

static int times_read(struct web *web, struct http_request *request, struct profile_search *search,
		      char **why)
{
	const struct {
		const char *name;
		int64_t *out;
	} times[] = { { "start", &search->query.start_ms }, { "end", &search->query.end_ms } };

	for (size_t i = 0; i < 2; i++) {
		char *text = http_request_param(request, times[i].name, 0);
		int code = text ? time_parse(slice_from(text), times[i].out) : 0;

		free(text);
		if (code) {
			*why = strdup(i ? "\"end\" is no time" : "\"start\" is no time");
			return ERR_INVALID;
		}
	}
	return 0;
}

static int trace_read(struct slice text, struct profile_search *search, char **why)
{
	struct profile_trace trace;

	if (profile_trace_parse(text, &trace)) {
		*why = strdup("a trace id has 32 hexadecimal digits");
		return ERR_INVALID;
	}
	memcpy(&search->trace, &trace, sizeof(search->trace));
	search->query.trace = &search->trace;
	return 0;
}

static int matchers_read(struct http_request *request, struct profile_search *search, char **why)
{
	char *text;
	int code = 0;

	for (size_t i = 0;
	     code == 0 && i < MATCHERS_MAX && (text = http_request_param(request, "match", i));
	     i++) {
		code = matchers_parse(slice_from(text), &search->matchers, &search->query.nmatchers,
				      why);
		free(text);
	}
	search->query.matchers = search->matchers;
	return code;
}

int profile_limit_read(struct http_request *request, size_t max, size_t *limit, char **why)
{
	char *text = http_request_param(request, "limit", 0);
	char *end;
	unsigned long given;
	int code = 0;

	if (!text)
		return 0;
	given = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || given == 0) {
		*why = strdup("\"limit\" is a number from 1");
		code = ERR_INVALID;
	} else {
		*limit = given < max ? given : max;
	}
	free(text);
	return code;
}

int profile_search_read(struct web *web, struct http_request *request,
			struct profile_search *search, char **why)
{
	*search = (struct profile_search){ .query = { .start_ms = 0, .end_ms = INT64_MAX } };
	char *trace = http_request_param(request, "trace_id", 0);
	int code = trace ? trace_read(slice_from(trace), search, why) : 0;

	free(trace);
	search->type = http_request_param(request, "type", 0);
	search->query.type = slice_from(search->type);
	if (code == 0)
		code = times_read(web, request, search, why);
	return code ? code : matchers_read(request, search, why);
}

void profile_search_fini(struct profile_search *search)
{
	matchers_free(search->matchers, search->query.nmatchers);
	free(search->type);
}

void profile_refuse(struct http_request *request, int code, char *why)
{
	if (code == ERR_NOMEM)
		web_fail(request, 500, "internal", "out of memory");
	else
		web_fail(request, 400, "bad_data", "%s", why ? why : error_text(code));
	free(why);
}

/* ---- the list ---- */

struct list {
	struct profile_search search;
	size_t limit, n;
	struct json_writer w;
};

static void list_free(void *data)
{
	struct list *list = data;

	profile_search_fini(&list->search);
	free(list);
}

static void json_types(struct json_writer *w, struct slice types)
{
	json_key(w, "profile_types");
	json_begin_array(w);
	while (types.len > 0) {
		ptrdiff_t comma = slice_find(types, ',');
		size_t len = comma < 0 ? types.len : (size_t)comma;

		json_str(w, (struct slice){ types.ptr, len });
		len += comma >= 0;
		types = (struct slice){ types.ptr + len, types.len - len };
	}
	json_end_array(w);
}

static void json_traces(struct json_writer *w, const struct profile_entry *entry)
{
	json_key(w, "trace_ids");
	json_begin_array(w);
	for (uint32_t i = 0; i < entry->ntraces; i++) {
		char text[33];

		for (size_t k = 0; k < 16; k++)
			snprintf(text + 2 * k, 3, "%02x", entry->traces[i].bytes[k]);
		json_str(w, (struct slice){ text, 32 });
	}
	json_end_array(w);
}

static void profile_entry_format(struct json_writer *w, const struct profile_entry *entry)
{
	json_begin_object(w);
	json_field_int(w, "id", (int64_t)entry->id);
	json_field_time(w, "start", entry->start_ms);
	json_field_time(w, "end", entry->end_ms);
	json_field_number(w, "duration_seconds", (double)(entry->end_ms - entry->start_ms) / 1000);
	json_field_labels(w, "labels", entry->labels);
	json_types(w, entry->types);
	json_field_int(w, "size", (int64_t)entry->size);
	json_traces(w, entry);
	json_end_object(w);
}

static bool on_listed(void *ctx, const struct profile_entry *entry)
{
	struct list *list = ctx;

	profile_entry_format(&list->w, entry);
	return ++list->n < list->limit;
}

static void list_run(struct call *call, void *owner)
{
	struct list *list = call->data;

	envelope_begin(&list->w, &call->out);
	json_begin_array(&list->w);
	profile_store_find(profile_hub_store(owner), &list->search.query, on_listed, list);
	json_end_array(&list->w);
	envelope_end(&list->w);
}

HANDLER(on_profiles)
{
	struct call *call = call_new(list_run);
	struct list *list = calloc(1, sizeof(*list));
	char *why = NULL;

	if (!call || !list) {
		call_free(call);
		free(list);
		profile_refuse(request, ERR_NOMEM, NULL);
		return;
	}
	call->data = list;
	call->data_free = list_free;
	list->limit = LIST_DEFAULT;
	int code = profile_search_read(web, request, &list->search, &why);

	if (code || (code = profile_limit_read(request, LIST_MAX, &list->limit, &why))) {
		call_free(call);
		profile_refuse(request, code, why);
		return;
	}
	web_send(web, request, CALL_PROFILES, call);
}

/* ---- one profile ---- */

static void raw_run(struct call *call, void *owner)
{
	uint64_t id = strtoull(call->args[0], NULL, 10);
	int code = profile_store_read(profile_hub_store(owner), id, &call->out);

	if (code == 0)
		call->content_type = "application/octet-stream";
	else if (code == ERR_NOT_FOUND)
		call_fail(call, 404, "not_found", "there is no profile %s (any more)",
			  call->args[0]);
	else
		call_fail(call, 500, "internal", "profile %s: %s", call->args[0], error_text(code));
}

bool profile_id_is(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	return text.len > 0 && text.len < 20;
}

HANDLER(on_profile)
{
	if (!profile_id_is(rest)) {
		web_fail(request, 400, "bad_data", "the id of a profile is a number");
		return;
	}
	struct call *call = call_new(raw_run);

	if (call && !(call->args[0] = arena_strdup(&call->arena, rest))) {
		call_free(call);
		call = NULL;
	}
	web_send(web, request, CALL_PROFILES, call);
}

/* ---- targets ---- */

static void targets_run(struct call *call, void *owner)
{
	const struct profile_fetcher *fetcher = profile_hub_fetcher(owner);
	struct profile_target_state target;
	struct json_writer w;

	envelope_begin(&w, &call->out);
	json_begin_array(&w);
	for (size_t i = 0; profile_fetcher_target(fetcher, i, &target); i++) {
		json_begin_object(&w);
		json_field_string(&w, "url", target.url);
		json_field_labels(&w, "labels", target.labels);
		json_field_string(&w, "state",
				  target.last_ms == 0 ? SLICE("waiting")
				  : target.is_up      ? SLICE("up")
						      : SLICE("down"));
		json_field_string(&w, "error", target.error);
		json_field_number(&w, "scrape_interval_seconds", (double)target.interval_ms / 1000);
		if (target.last_ms)
			json_field_time(&w, "last", target.last_ms);
		json_field_bool(&w, "fetching", target.is_busy);
		json_end_object(&w);
	}
	json_end_array(&w);
	envelope_end(&w);
}

HANDLER(on_profile_targets)
{
	web_send(web, request, CALL_PROFILES, call_new(targets_run));
}

/* ---- one now ---- */

static void search_free(void *data)
{
	profile_search_fini(data);
	free(data);
}

static void on_fetched(void *ctx, const struct profile_now *now)
{
	struct call *call = ctx;
	struct json_writer w;

	if (now->nids == 0) {
		call_fail(call, 502, "unavailable", "%s", now->error);
		call_release(call);
		return;
	}
	envelope_begin(&w, &call->out);
	json_begin_object(&w);
	json_key(&w, "ids");
	json_begin_array(&w);
	for (uint32_t i = 0; i < now->nids; i++)
		if (now->ids[i])
			json_int(&w, (int64_t)now->ids[i]);
	json_end_array(&w);
	json_field_int(&w, "failed", now->failed);
	json_field_string(&w, "error", slice_from(now->error));
	json_end_object(&w);
	envelope_end(&w);
	call_release(call);
}

static void fetch_run(struct call *call, void *owner)
{
	const struct profile_search *search = call->data;
	struct profile_trace trace;

	memcpy(&trace, &search->trace, sizeof(trace));
	call->is_held = true;
	int code = profile_fetch_now(profile_hub_fetcher(owner), search->matchers,
				     search->query.nmatchers, search->query.type,
				     search->query.trace ? &trace : NULL, on_fetched, call);

	if (code == 0)
		return;
	call->is_held = false;
	if (code == ERR_NOT_FOUND)
		call_fail(call, 404, "not_found",
			  "no target of ingest.profiles.scrape has these labels and this type");
	else if (code == ERR_LIMIT)
		call_fail(call, 400, "bad_data", "more than %d targets have these labels",
			  PROFILE_NOW_TARGETS_MAX);
	else if (code == ERR_FULL)
		call_fail(call, 429, "too_many_requests", "too many ask for this target already");
	else
		call_fail(call, 500, "internal", "%s", error_text(code));
}

/* {"a": "b"} as matchers by equality. */
static int json_matchers(const json_t *labels, struct profile_search *search, char **why)
{
	size_t n = json_object_size(labels), i = 0;
	const json_t *value;
	const char *name;

	search->matchers = calloc(n + 1, sizeof(*search->matchers));
	if (!search->matchers)
		return ERR_NOMEM;
	search->query.matchers = search->matchers;
	json_object_foreach ((json_t *)(uintptr_t)labels, name, value) {
		struct slice text = { json_string_value(value), json_string_length(value) };

		if (!json_is_string(value)) {
			*why = strdup("\"labels\" are texts");
			return ERR_INVALID;
		}
		int code =
			matcher_init(&search->matchers[i], MATCH_EQ, slice_from(name), text, why);

		if (code)
			return code;
		search->query.nmatchers = ++i;
	}
	return 0;
}

static int unknown_member(const json_t *json, char **why)
{
	static const char *const known[] = { "labels", "match", "type", "trace_id" };
	const json_t *value;
	const char *name;

	json_object_foreach ((json_t *)(uintptr_t)json, name, value) {
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			found |= strcmp(name, known[i]) == 0;
		if (!found && asprintf(why,
				       "\"%.100s\" is not known: labels, match, type and "
				       "trace_id are",
				       name) > 0)
			return ERR_INVALID;
	}
	return 0;
}

static int fetch_parse(const json_t *json, struct profile_search *search, char **why)
{
	const json_t *labels = json_object_get(json, "labels");
	const char *match = json_string_value(json_object_get(json, "match")),
		   *type = json_string_value(json_object_get(json, "type")),
		   *trace = json_string_value(json_object_get(json, "trace_id"));
	int code = unknown_member(json, why);

	if (code == 0 && (labels ? !json_is_object(labels) || match : !match)) {
		*why = strdup("either \"labels\", an object, or \"match\", a text, says which "
			      "target is meant");
		code = ERR_INVALID;
	}
	if (code == 0 && trace)
		code = trace_read(slice_from(trace), search, why);
	if (code == 0 && type && !(search->type = strdup(type)))
		code = ERR_NOMEM;
	search->query.type = slice_from(search->type);
	if (code)
		return code;
	if (labels)
		return json_matchers(labels, search, why);
	code = matchers_parse(slice_from(match), &search->matchers, &search->query.nmatchers, why);
	search->query.matchers = search->matchers;
	return code;
}

HANDLER(on_profile_fetch)
{
	struct slice body = http_request_body(request);
	json_t *json = body.len ? json_loadb(body.ptr, body.len, 0, NULL) : NULL;
	struct profile_search *search = calloc(1, sizeof(*search));
	struct call *call = call_new(fetch_run);
	char *why = NULL;
	int code = !search || !call ? ERR_NOMEM : json_is_object(json) ? 0 : ERR_INVALID;

	if (code == ERR_INVALID)
		why = strdup("the body is no JSON object");
	if (code == 0)
		code = fetch_parse(json, search, &why);
	json_decref(json);
	if (code) {
		if (search)
			search_free(search);
		call_free(call);
		profile_refuse(request, code, why);
		return;
	}
	call->data = search;
	call->data_free = search_free;
	web_send(web, request, CALL_PROFILES, call);
}
