#include "tests/web/harness.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "tests/engine/harness.h"

#define HEADERS_MAX 8

/* ---- the owners ---- */

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
}

static void on_event(void *ctx, struct alert_event *event)
{
	struct web_harness *w = ctx;

	actions_event(w->actions, event);
}

static void on_batch(void *ctx, struct batch *batch)
{
	batch_free(batch);
}

static void on_query(void *ctx, struct engine_query *query)
{
	struct web_harness *w = ctx;

	web_query_done(w->web, w->server, query);
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
	ck_assert_int_eq(code, 0);
}

static void on_sender(void *ctx, const struct sender *sender, const char *what)
{
}

static void on_actions_record(void *ctx, enum record_type type, struct slice payload,
			      uint64_t token)
{
}

static void on_wake(void *ctx)
{
}

static int64_t host_now_ms(void *ctx);

static void settle(struct web_harness *w)
{
	while (engine_step(w->engine, w->units))
		continue;
}

/* ---- the host ---- */

static int host_call(void *ctx, enum call_owner owner, struct call *call)
{
	struct web_harness *w = ctx;

	if (w->full)
		return ERR_FULL;
	call->item.kind = owner;
	return queue_push(w->queue, &call->item, true);
}

static int host_query(void *ctx, struct engine_query *query)
{
	struct web_harness *w = ctx;

	if (w->full)
		return ERR_FULL;
	int code = engine_query(w->engine, query);

	if (code)
		return code;
	engine_time(w->engine, w->now_ms + w->query_takes_ms);
	settle(w);
	return 0;
}

static int host_reload(void *ctx, struct call *call)
{
	struct web_harness *w = ctx;

	call->status = 500;
	call->content_type = "text/plain";
	buf_add_str(&call->out, "rules.yml:1: error: no\n");
	call->item.kind = CALL_CONFIG;
	return queue_push(w->queue, &call->item, true);
}

static bool host_ready(void *ctx)
{
	struct web_harness *w = ctx;

	return !w->unready;
}

static int64_t host_now_ms(void *ctx)
{
	struct web_harness *w = ctx;

	return w->now_ms;
}

static void host_metrics(void *ctx, struct buf *out)
{
	buf_add_str(out, "# TYPE own_metric gauge\nown_metric 1\n");
}

static void on_call(void *ctx, struct queue_item *item)
{
	struct web_harness *w = ctx;
	struct call *call = (struct call *)item;
	enum call_owner owner = item->kind;

	if (owner != CALL_CONFIG) {
		if (w->before_piece)
			w->before_piece(w);
		w->pieces++;
		call->run(call, owner == CALL_ENGINE ? (void *)w->engine : (void *)w->actions);
	}
	if (!call->next) {
		web_call_done(w->web, w->server, call);
		if (w->done)
			w->done(w);
		return;
	}
	call->run = call->next;
	call->next = NULL;
	call->item.kind = call->next_owner;
	queue_push(w->queue, &call->item, true);
}

static void on_request(void *ctx, struct http_request *request)
{
	struct web_harness *w = ctx;

	if (w->begun)
		w->begun(w);
	web_request(w->web, request);
	if (w->done && queue_items(w->queue) == 0)
		w->done(w);
}

/* ---- life ---- */

static void start_engine(struct web_harness *w)
{
	static const struct label external[] = { { SLICE("cluster"), SLICE("eu") } };
	struct labels *labels;
	const struct engine_options options = {
		.store = { .lookback_ms = 300000, .ignored_max = 1000 },
		.sender_timeout_ms = 90000,
		.warm = true,
		.query_samples_max = 100000,
		.external_url = "http://tocsin.example:9797",
	};
	const struct engine_sink sink = {
		.ctx = w,
		.record = on_record,
		.event = on_event,
		.batch = on_batch,
		.query = on_query,
		.loaded = on_loaded,
		.sender = on_sender,
	};

	ck_assert_int_eq(engine_new(&options, &sink, &w->engine), 0);
	ck_assert_int_eq(labels_new(external, 1, &labels, NULL), 0);
	ck_assert_int_eq(engine_external_set(w->engine, labels, options.external_url), 0);
	labels_unref(labels);
}

static void start_actions(struct web_harness *w)
{
	struct actions_options options = {
		.host = { .loop = w->loop, .http = w->client, .version = "test" },
		.instance = "abcd"
	};
	struct actions_sink sink = {
		.ctx = w, .record = on_actions_record, .now_ms = host_now_ms, .wake = on_wake
	};
	struct actions_config_nodes nodes = { .base_dir = "/" };
	struct actions_config *config;
	struct diag_list diags;

	diag_list_init(&diags);
	ck_assert_int_eq(actions_new(&options, &sink, &w->actions), 0);
	ck_assert_int_eq(actions_config_bind(&nodes, SLICE(""), NULL, &diags, &config), 0);
	actions_configure(w->actions, config);
	actions_config_unref(config);
	actions_restore_done(w->actions, w->now_ms);
	diag_list_fini(&diags);
}

static void start_web(struct web_harness *w, const struct web_options *given)
{
	static const struct slice hosts[] = { { "Other.example", 13 } };
	const struct web_options usual = { .external_url =
						   SLICE("http://Tocsin.example:9797/below"),
					   .allowed_hosts = hosts,
					   .nallowed_hosts = 1,
					   .loopback = true,
					   .version = "1.2.3",
					   .query_timeout_ms = 30000,
					   .query_offset_ms = 7000 };
	const struct web_host host = { .ctx = w,
				       .call = host_call,
				       .query = host_query,
				       .reload = host_reload,
				       .ready = host_ready,
				       .now_ms = host_now_ms,
				       .metrics = host_metrics };

	ck_assert_int_eq(web_new(&host, given ? given : &usual, &w->web), 0);
}

void web_harness_start(struct web_harness *w, const struct web_options *options)
{
	const struct http_server_options http = { .address = "127.0.0.1", .body_max = 1 << 20 };
	char *why = NULL;

	log_level_set(LOG_LEVEL_ERROR); /* thousands of alerts fire */
	*w = (struct web_harness){ .now_ms = HARNESS_NOW_S * 1000ll, .units = 1000 };
	w->loop = loop_new();
	w->queue = queue_new(1000, SIZE_MAX);
	w->client = http_client_new(w->loop);
	ck_assert_msg(!http_server_new(w->loop, &http, on_request, w, &w->server, &why), "%s", why);
	ck_assert_int_eq(loop_queue_add(w->loop, w->queue, on_call, w), 0);
	start_engine(w);
	start_actions(w);
	start_web(w, options);
	engine_time(w->engine, w->now_ms);
}

void web_harness_stop(struct web_harness *w)
{
	http_client_free(w->client);
	http_server_free(w->server);
	web_free(w->web);
	actions_free(w->actions);
	engine_free(w->engine);
	loop_free(w->loop);
	queue_free(w->queue);
	buf_fini(&w->body);
}

void web_harness_load(struct web_harness *w, const char *yaml)
{
	struct rule_set *rules = harness_rules(yaml);

	engine_load(w->engine, rules);
	settle(w);
	actions_rules(w->actions, rules);
	rule_set_unref(rules);
}

void web_harness_at(struct web_harness *w, double time_s, const char *samples)
{
	w->now_ms = HARNESS_NOW_S * 1000ll + (int64_t)(time_s * 1000);
	if (samples) {
		engine_time(w->engine, w->now_ms - 1);
		settle(w);
		engine_batch(w->engine,
			     harness_batch("127.0.0.1 test", (double)w->now_ms / 1000, samples));
	}
	engine_time(w->engine, w->now_ms);
	settle(w);
	actions_step(w->actions, w->now_ms);
}

/* ---- asking ---- */

static void on_answer(void *ctx, const struct http_result *result)
{
	struct web_harness *w = ctx;

	ck_assert_msg(result->status, "%s", result->error);
	w->status = result->status;
	buf_clear(&w->body);
	buf_add_slice(&w->body, result->body);
	buf_add_char(&w->body, '\0');
	w->answered = true;
	loop_stop(w->loop);
}

const char *web_ask(struct web_harness *w, const char *method, const char *target,
		    const char *const *headers, const char *body)
{
	struct http_header list[HEADERS_MAX];
	struct http_send send = { .method = method,
				  .headers = list,
				  .body = slice_from(body),
				  .timeout_ms = 10000,
				  .response_max = 64 << 20 };
	char url[4096];

	for (; headers && *headers; headers += 2)
		list[send.nheaders++] = (struct http_header){ headers[0], headers[1] };
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", http_server_port(w->server), target);
	send.url = url;
	w->answered = false;
	ck_assert_int_eq(http_send(w->client, &send, on_answer, w, NULL), 0);
	while (!w->answered)
		loop_run(w->loop);
	return w->body.ptr;
}

const char *web_get(struct web_harness *w, const char *target, int status)
{
	const char *body = web_ask(w, "GET", target, NULL, NULL);

	ck_assert_msg(w->status == status, "%s: %d: %s", target, w->status, body);
	return body;
}

static const json_t *step_into(const json_t *json, const char *key)
{
	return json_is_array(json) ? json_array_get(json, (size_t)atoi(key))
				   : json_object_get(json, key);
}

const char *web_json(struct web_harness *w, const char *path)
{
	static char text[4096];
	char keys[256], *rest = keys, *key;
	json_error_t error;
	json_t *root = json_loads(w->body.ptr, JSON_DECODE_ANY, &error);
	const json_t *json = root;

	ck_assert_msg(root, "%s: %s", error.text, w->body.ptr);
	snprintf(keys, sizeof(keys), "%s", path);
	while (json && (key = strsep(&rest, ".")))
		json = *key ? step_into(json, key) : json;
	char *dump = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	snprintf(text, sizeof(text), "%s",
		 json_is_string(json) ? json_string_value(json)
		 : dump		      ? dump
				      : "");
	free(dump);
	json_decref(root);
	return text;
}
