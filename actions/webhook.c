/*
 * The webhook plug-in: Alertmanager's webhook_configs. POST of the payload, with the delivery's id
 * (equal at each retry), the attempt's number and time, so that receivers can recognise repeats.
 */
#include "actions/webhook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

struct webhook_options {
	struct integration_options common;
	char *url, *url_file;
	int64_t timeout_ms;
};

static const struct bind_field webhook_fields[] = {
	INTEGRATION_FIELDS(webhook_options, common),
	{ .key = "url",
	  .type = BIND_CSTRING,
	  .offset = offsetof(struct webhook_options, url),
	  .doc = "Where to POST; http or https." },
	{ .key = "url_file",
	  .type = BIND_CSTRING,
	  .offset = offsetof(struct webhook_options, url_file),
	  .doc = "A file that holds the address, read at each attempt; instead of url." },
	{ .key = "timeout",
	  .type = BIND_DURATION,
	  .offset = offsetof(struct webhook_options, timeout_ms),
	  .default_text = "10s",
	  .min = 1,
	  .max = 3600 * 1000,
	  .doc = "For the whole request." },
};
static const struct bind_table webhook_table =
	BIND_TABLE(webhook_options, "webhook", webhook_fields);

static bool webhook_url_is_http(const char *url)
{
	return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

int webhook_url_check(const char *url, char **url_file, const struct yaml_node *node,
		      const char *base_dir, struct arena *arena, struct diag_list *diags)
{
	if (!url == !*url_file) {
		yaml_diag(diags, DIAG_ERROR, node, NULL,
			  "a webhook needs \"url\" or \"url_file\", and not both");
		return ERR_INVALID;
	}
	if (url && !webhook_url_is_http(url)) {
		yaml_diag(diags, DIAG_ERROR, yaml_get(node, "url"),
			  "begin it with http:// or https://", "\"%s\" is no address of a webhook",
			  url);
		return ERR_INVALID;
	}
	if (url && strstr(url, "{{")) {
		yaml_diag(diags, DIAG_ERROR, yaml_get(node, "url"),
			  "what an alert holds does not choose where it goes",
			  "the address of a webhook is no template");
		return ERR_INVALID;
	}
	if (*url_file && **url_file != '/')
		*url_file = arena_printf(arena, "%s/%s", base_dir, *url_file);
	if (*url_file && access(*url_file, R_OK)) /* read at each attempt: it may still come */
		diag_name(yaml_diag(diags, DIAG_WARNING, yaml_get(node, "url_file"), NULL,
				    "url_file: cannot read \"%s\": %s", *url_file, strerror(errno)),
			  "no-file");
	return url || *url_file ? 0 : ERR_NOMEM;
}

static int webhook_check(void *pointer, bool is_step, const struct yaml_node *node,
			 const char *base_dir, struct arena *arena, struct diag_list *diags)
{
	struct webhook_options *options = pointer;

	return webhook_url_check(options->url, &options->url_file, node, base_dir, arena, diags);
}

struct action_attempt {
	struct http_call *call;
	void (*done)(void *ctx, const struct action_result *result);
	void *ctx;
};

static enum action_outcome outcome_of(int status)
{
	if (status / 100 == 2)
		return ACTION_OK;
	if (status == 0 || status == 408 || status == 425 || status == 429 || status / 100 == 5)
		return ACTION_RETRY;
	return ACTION_FAILED;
}

/* "HTTP 400: no such room": what a receiver that refused says for it, its first line in plain
 * characters. */
static void explain(const struct http_result *http, char *message, size_t size)
{
	struct slice said = slice_trim(http->body);
	size_t n = (size_t)snprintf(message, size, "HTTP %d", http->status);

	if (outcome_of(http->status) == ACTION_OK || said.len == 0)
		return;
	n += (size_t)snprintf(message + n, size - n, ": ");
	for (size_t i = 0; i < said.len && n + 1 < size; i++) {
		char c = said.ptr[i];

		if (c == '\n' || c == '\r')
			break;
		message[n++] = c < ' ' || c > '~' ? '?' : c;
	}
	message[n] = '\0';
}

static void result_of(const struct http_result *http, char message[256], struct action_result *out)
{
	*out = (struct action_result){ .outcome = outcome_of(http->status),
				       .code = http->status,
				       .message = message,
				       .output = http->body,
				       .retry_after_ms = http->retry_after_ms,
				       .duration_ms = http->duration_us / 1000 };
	if (http->status)
		explain(http, message, 256);
	else
		snprintf(message, 256, "%s", http->error);
}

static void on_answer(void *ctx, const struct http_result *http)
{
	struct action_attempt *attempt = ctx;
	char message[256];
	struct action_result result;

	result_of(http, message, &result);
	attempt->done(attempt->ctx, &result);
	free(attempt);
}

int webhook_url_read(const char *path, char url[WEBHOOK_URL_MAX])
{
	FILE *file = fopen(path, "r");
	char *got = file ? fgets(url, WEBHOOK_URL_MAX, file) : NULL;

	if (file)
		fclose(file);
	if (!got)
		return ERR_IO;
	if (strlen(url) == WEBHOOK_URL_MAX - 1) /* the end may be missing */
		return ERR_INVALID;
	url[strcspn(url, "\r\n")] = '\0';
	return webhook_url_is_http(url) ? 0 : ERR_INVALID;
}

size_t webhook_headers(const struct action_host *host, const struct action_job *job,
		       struct webhook_texts *texts, struct http_header out[WEBHOOK_HEADERS])
{
	const struct http_header headers[WEBHOOK_HEADERS] = {
		{ "User-Agent", texts->agent },
		{ "webhook-id", job->id },
		{ "webhook-timestamp", texts->time },
		{ "X-Tocsin-Attempt", texts->attempt },
	};

	snprintf(texts->attempt, sizeof(texts->attempt), "%u", job->attempt);
	snprintf(texts->time, sizeof(texts->time), "%lld", (long long)(job->now_ms / 1000));
	snprintf(texts->agent, sizeof(texts->agent), "Tocsin/%s", host->version);
	memcpy(out, headers, sizeof(headers));
	return WEBHOOK_HEADERS;
}

int webhook_send(const struct action_host *host, const struct http_send *send,
		 void (*done)(void *ctx, const struct action_result *result), void *ctx,
		 struct action_attempt **out)
{
	struct action_attempt *attempt = malloc(sizeof(*attempt));

	if (!attempt)
		return ERR_NOMEM;
	*attempt = (struct action_attempt){ .done = done, .ctx = ctx };
	int code = http_send(host->http, send, on_answer, attempt, &attempt->call);

	if (code) {
		free(attempt);
		return code;
	}
	*out = attempt;
	return 0;
}

void webhook_cancel(struct action_attempt *attempt)
{
	http_call_cancel(attempt->call);
	free(attempt);
}

static int webhook_start(const struct action_host *host, const void *pointer,
			 const struct action_job *job,
			 void (*done)(void *ctx, const struct action_result *result), void *ctx,
			 struct action_attempt **out)
{
	const struct webhook_options *options = pointer;
	struct http_header headers[1 + WEBHOOK_HEADERS] = { { "Content-Type",
							      "application/json" } };
	char url[WEBHOOK_URL_MAX];
	struct webhook_texts texts;
	int code = options->url_file ? webhook_url_read(options->url_file, url) : 0;

	if (code)
		return code;
	struct http_send send = { .method = "POST",
				  .url = options->url_file ? url : options->url,
				  .headers = headers,
				  .nheaders = 1 + webhook_headers(host, job, &texts, headers + 1),
				  .body = job->body,
				  .timeout_ms = options->timeout_ms };

	return webhook_send(host, &send, done, ctx, out);
}

extern const struct action_plugin webhook_plugin;
const struct action_plugin webhook_plugin = {
	.name = "webhook",
	.doc = "POSTs Alertmanager's payload, version 4, to an address.",
	.integration = &webhook_table,
	.check = webhook_check,
	.start = webhook_start,
	.cancel = webhook_cancel,
};
