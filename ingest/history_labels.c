#include "ingest/history_internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/yaml.h"

#define ANSWER_MAX (4u * 1024 * 1024) /* of a server's configuration */

int history_url(const struct history_server *server, const char *path, char *url, size_t size)
{
	size_t len = strlen(server->peer.url);
	while (len > 0 && server->peer.url[len - 1] == '/')
		len--;
	int n = snprintf(url, size, "%.*s%s", (int)len, server->peer.url, path);
	return n < 0 || (size_t)n >= size ? ERR_LIMIT : 0;
}

/* ---- the answer ---- */

static int labels_of(const struct yaml_node *mapping, struct labels **out)
{
	struct label pairs[LABELS_COUNT_MAX];
	size_t n = 0;
	if (mapping && mapping->type != YAML_MAPPING)
		return yaml_is_null(mapping) ? labels_new(NULL, 0, out, NULL) : ERR_INVALID;
	for (size_t i = 0; mapping && i + 1 < mapping->n; i += 2) {
		if (n == LABELS_COUNT_MAX || mapping->items[i + 1]->type != YAML_SCALAR)
			return ERR_INVALID;
		pairs[n++] = (struct label){ mapping->items[i]->text, mapping->items[i + 1]->text };
	}
	int code = labels_new(pairs, n, out, NULL);
	return code == ERR_LIMIT ? ERR_INVALID : code;
}

static int labels_of_yaml(const char *text, size_t len, struct labels **out)
{
	struct yaml_node *root = NULL;
	struct diag_list diags;
	struct arena arena;
	arena_init(&arena, 0);
	diag_list_init(&diags);
	int code = yaml_parse((struct slice){ text, len }, "", &arena, &diags, &root);
	const struct yaml_node *global = NULL;
	if (code == 0 && root && root->type == YAML_MAPPING)
		global = yaml_get(root, "global");
	if (code == 0)
		code = labels_of(global && global->type == YAML_MAPPING
					 ? yaml_get(global, "external_labels")
					 : NULL,
				 out);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return code;
}

int history_external_labels(struct slice answer, struct labels **out)
{
	json_t *root = json_loadb(answer.ptr ? answer.ptr : "", answer.len, 0, NULL);
	const json_t *yaml = json_object_get(json_object_get(root, "data"), "yaml");
	int code = json_is_string(yaml)
			   ? labels_of_yaml(json_string_value(yaml), json_string_length(yaml), out)
			   : ERR_INVALID;
	json_decref(root);
	return code;
}

/* ---- asking ---- */

static void ask(struct server_labels *labels);

/* Without them: equality is understood anyhow. */
static void give_up(struct server_labels *labels, const char *why)
{
	log_warn("history",
		 "its external_labels cannot be read: only matchers with = find series by them",
		 "url=%s error=%s", log_quote(slice_from(labels->server->url_shown)),
		 log_quote(slice_from(why)));
	labels->is_known = true;
	labels->known(labels->ctx);
}

static void retry(struct server_labels *labels, const char *why)
{
	if (++labels->failures >= HISTORY_LABELS_ATTEMPTS_MAX) {
		give_up(labels, why);
		return;
	}
	if (labels->failures == 1)
		log_warn("history", "no good answer yet", "url=%s error=%s",
			 log_quote(slice_from(labels->server->url_shown)),
			 log_quote(slice_from(why)));
	atomic_fetch_add(&labels->counters->retries, 1);
	loop_timer_set(labels->timer, history_retry_ms(labels->failures));
}

static void on_answer(void *ctx, const struct http_result *http)
{
	struct server_labels *labels = ctx;
	char why[HISTORY_WHY_BYTES];
	labels->call = NULL;
	if (http->status == 200) {
		int code = history_external_labels(http->body, &labels->labels);
		if (code) {
			give_up(labels, "the answer is no configuration");
			return;
		}
		labels->is_known = true;
		labels->known(labels->ctx);
		return;
	}
	http_explain(http, why, sizeof(why));
	if (http->status / 100 == 4 && http->status != 408 && http->status != 429)
		give_up(labels, why);
	else
		retry(labels, why);
}

static void ask(struct server_labels *labels)
{
	const struct http_header headers[] = { { "User-Agent", HISTORY_AGENT } };
	char url[HISTORY_URL_BYTES];
	struct http_send send = { .method = "GET",
				  .url = url,
				  .headers = headers,
				  .nheaders = 1,
				  .response_max = ANSWER_MAX };
	atomic_fetch_add(&labels->counters->requests, 1);
	int code = history_url(labels->server, "/api/v1/status/config", url, sizeof(url));
	if (code == 0)
		code = http_peer_send(labels->http, &labels->server->peer, &send, on_answer, labels,
				      &labels->call);
	if (code)
		retry(labels, code == ERR_IO ? strerror(errno) : error_text(code));
}

static void on_timer(void *ctx)
{
	ask(ctx);
}

void server_labels_init(struct server_labels *labels, struct loop *loop, struct http_client *http,
			const struct history_server *server, struct history_counters *counters)
{
	*labels = (struct server_labels){ .server = server, .counters = counters, .http = http };
	labels->timer = loop_timer_new(loop, on_timer, labels);
	labels->is_known = !labels->timer; /* no memory: it cannot be tried again */
}

void server_labels_fini(struct server_labels *labels)
{
	if (labels->call)
		http_call_cancel(labels->call);
	if (labels->timer)
		loop_timer_free(labels->timer);
	labels_unref(labels->labels);
}

bool server_labels_are_known(struct server_labels *labels)
{
	if (!labels->is_known && !labels->is_asked) {
		labels->is_asked = true;
		loop_timer_set(labels->timer, 0);
	}
	return labels->is_known;
}

uint64_t server_labels_without(const struct server_labels *labels, const struct matcher *matchers,
			       size_t n)
{
	uint64_t without = 0;
	for (size_t i = 0; labels->labels && i < n && i < 64; i++) {
		const struct matcher *matcher = &matchers[i];
		struct slice value = labels_get(labels->labels, matcher_name(matcher));
		if (matcher->type != MATCH_EQ && value.len && matcher_is_match(matcher, value))
			without |= 1ull << i;
	}
	return without;
}
