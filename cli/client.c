/* Asking a running daemon. */
#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "cli/cli.h"

void form_add(struct buf *form, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0);

	if (escaped)
		buf_printf(form, "%s%s=%s", form->len ? "&" : "", name, escaped);
	else
		form->failed = true;
	curl_free(escaped);
}

struct exchange {
	struct loop *loop;
	const char *url;
	struct json_t *answer;
	int code; /* an exit code */
};

/* A page, of some other server or of a proxy. */
static bool is_html(struct slice body)
{
	return slice_has_prefix(slice_trim(body), SLICE("<"));
}

/* What the daemon says is wrong: {"error": …}, Alertmanager's {"message": …}, a JSON string, or
 * plain text. */
static void say_refusal(int status, struct slice body, const json_t *json)
{
	const json_t *error = json_is_object(json) ? json_object_get(json, "error") : json;
	const char *text = json_string_value(error ? error : json_object_get(json, "message"));

	if (text)
		fail(EXIT_FAILURE, "the daemon refuses: %s", text);
	else if (body.len)
		fail(EXIT_FAILURE, "the daemon refuses (%d): " SLICE_FMT, status,
		     SLICE_ARG(slice_trim(body)));
	else
		fail(EXIT_FAILURE, "the daemon refuses: %s",
		     status == 404 ? "not found" : "no reason given");
}

static void on_answer(void *ctx, const struct http_result *result)
{
	struct exchange *exchange = ctx;
	json_t *json = result->body.len ? json_loadb(result->body.ptr, result->body.len,
						     JSON_DECODE_ANY, NULL)
					: NULL;

	loop_stop(exchange->loop);
	exchange->code = EXIT_FAILURE;
	if (result->status == 0) {
		exchange->code = fail(EXIT_NO_DAEMON,
				      "no daemon at %s: %s\n  hint: start one with \"tocsin run\", or "
				      "say with --url where it is",
				      exchange->url, result->error);
	} else if (is_html(result->body)) {
		fail(EXIT_FAILURE, "%s does not answer as Tocsin does (HTTP status %d)\n  hint: say "
				   "with --url where it is",
		     exchange->url, result->status);
	} else if (result->status / 100 != 2) {
		say_refusal(result->status, result->body, json);
	} else if (!json && result->body.len) {
		fail(EXIT_FAILURE, "%s does not answer as Tocsin does", exchange->url);
	} else {
		exchange->answer = json ? json : json_null();
		exchange->code = EXIT_SUCCESS;
		return;
	}
	json_decref(json);
}

static int talk(struct exchange *exchange, struct http_client *client, const struct http_send *send)
{
	int code = http_send(client, send, on_answer, exchange, NULL);

	if (code)
		return fail(EXIT_FAILURE, "cannot ask %s: %s", send->url, error_text(code));
	loop_run(exchange->loop);
	return exchange->code;
}

int client_ask(const char *url, const char *method, const char *path, const char *type,
	       struct slice body, struct json_t **out)
{
	struct http_header headers[] = { { "Accept", "application/json" },
					 { "X-Tocsin-Request", "1" },
					 { "Content-Type", type } };
	struct exchange exchange = { .loop = loop_new(), .url = url ? url : DEFAULT_URL };
	struct http_client *client = exchange.loop ? http_client_new(exchange.loop) : NULL;
	size_t len = strlen(exchange.url);
	struct buf target;

	if (!client)
		return fail(EXIT_FAILURE, "cannot make an event loop");
	buf_init(&target);
	buf_printf(&target, "%s%.*s%s", strstr(exchange.url, "://") ? "" : "http://",
		   (int)(len && exchange.url[len - 1] == '/' ? len - 1 : len), exchange.url, path);
	struct http_send send = { .method = method,
				  .url = target.ptr,
				  .headers = headers,
				  .nheaders = type ? 3 : 2,
				  .body = body,
				  .timeout_ms = CLIENT_TIMEOUT_MS,
				  .response_max = CLIENT_RESPONSE_MAX };
	int code = buf_ok(&target) ? talk(&exchange, client, &send)
				   : fail(EXIT_FAILURE, "out of memory");

	buf_fini(&target);
	http_client_free(client);
	loop_free(exchange.loop);
	if (code == EXIT_SUCCESS)
		*out = exchange.answer;
	return code;
}

int client_ask_form(const char *url, const char *path, struct buf *form, struct json_t **out)
{
	int code = !buf_ok(form) ? fail(EXIT_FAILURE, "out of memory")
		   : form->len == 0
			   ? client_ask(url, "GET", path, NULL, SLICE(""), out)
			   : client_ask(url, "POST", path, "application/x-www-form-urlencoded",
					buf_slice(form), out);

	buf_fini(form);
	return code;
}
