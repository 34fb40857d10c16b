/*
 * A webhook receiver for the end-to-end tests: hook LOG [PORT]
 *
 * Prints the port it listens on. Appends each POST to LOG as one line of JSON: {"at", "path", "id",
 * "attempt", "status", "body"} (at: milliseconds; body: as it came, as a text), written before the
 * answer.
 *
 *   POST /control?status=503&times=3&delay_ms=100&retry_after=1    how the next ones are answered;
 * times -1: all of them
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http_server.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/text.h"

#define BODY_MAX (16u * 1024 * 1024)

struct late {
	struct hook *hook;
	struct http_token token;
	struct loop_timer *timer;
	int status;
};

struct hook {
	struct loop *loop;
	struct http_server *server;
	FILE *log;
	int status, times; /* of the answers to come */
	long delay_ms, retry_after_s;
};

static void log_request(struct hook *hook, struct http_request *request, int status)
{
	struct json_writer w;
	struct buf line;

	buf_init(&line);
	json_writer_init(&w, &line);
	json_begin_object(&w);
	json_field_int(&w, "at", clock_wall_ms());
	json_field_string(&w, "path", http_request_path(request));
	json_field_string(&w, "id", http_request_header(request, "webhook-id"));
	json_field_string(&w, "attempt", http_request_header(request, "X-Tocsin-Attempt"));
	json_field_int(&w, "status", status);
	json_field_string(&w, "body", http_request_body(request));
	json_end_object(&w);
	buf_add_char(&line, '\n');
	fwrite(line.ptr, 1, line.len, hook->log);
	fflush(hook->log);
	buf_fini(&line);
}

static long parameter(struct http_request *request, const char *name, long otherwise)
{
	char *text = http_request_param(request, name, 0);
	long value = text ? strtol(text, NULL, 10) : otherwise;

	free(text);
	return value;
}

static struct http_reply reply_of(const struct hook *hook, int status, struct http_header *header,
				  char text[24])
{
	struct http_reply reply = { .status = status };

	if (status / 100 != 2)
		reply.body = SLICE("not \033 now\nand more");
	if (status / 100 != 2 && hook->retry_after_s >= 0) {
		snprintf(text, 24, "%ld", hook->retry_after_s);
		*header = (struct http_header){ "Retry-After", text };
		reply.headers = header;
		reply.nheaders = 1;
	}
	return reply;
}

static void on_late(void *ctx)
{
	struct late *late = ctx;
	struct http_header header;
	char text[24];
	struct http_reply reply = reply_of(late->hook, late->status, &header, text);

	http_reply_to(late->hook->server, late->token, &reply);
	loop_timer_free(late->timer);
	free(late);
}

static void reply_later(struct hook *hook, struct http_request *request, int status)
{
	struct late *late = calloc(1, sizeof(*late));

	if (!late || http_defer(request, &late->token))
		abort();
	late->hook = hook;
	late->status = status;
	late->timer = loop_timer_new(hook->loop, on_late, late);
	loop_timer_set(late->timer, hook->delay_ms);
}

static void on_request(void *ctx, struct http_request *request)
{
	struct hook *hook = ctx;

	if (slice_is(http_request_path(request), "/control")) {
		hook->status = (int)parameter(request, "status", 200);
		hook->times = (int)parameter(request, "times", 1);
		hook->delay_ms = parameter(request, "delay_ms", 0);
		hook->retry_after_s = parameter(request, "retry_after", -1);
		http_reply(request, &(struct http_reply){ .status = 200 });
		return;
	}
	bool told = hook->times != 0;
	int status = told ? hook->status : 200;

	if (hook->times > 0)
		hook->times--;
	log_request(hook, request, status);
	if (told && hook->delay_ms > 0) {
		reply_later(hook, request, status);
		return;
	}
	struct http_header header;
	char text[24];
	struct http_reply reply = reply_of(hook, status, &header, text);

	http_reply(request, &reply);
}

static void on_signal(void *ctx, int signo)
{
	loop_stop(ctx);
}

int main(int argc, char **argv)
{
	struct hook hook = { .loop = loop_new(),
			     .log = argc > 1 ? fopen(argv[1], "a") : NULL,
			     .retry_after_s = -1 };
	struct http_server_options options = {
		.address = "127.0.0.1",
		.port = argc > 2 ? (uint16_t)strtoul(argv[2], NULL, 10) : 0,
		.body_max = BODY_MAX,
		.timeout_ms = 300000
	};
	char *why = NULL;

	if (!hook.loop || !hook.log ||
	    http_server_new(hook.loop, &options, on_request, &hook, &hook.server, &why)) {
		fprintf(stderr, "hook: %s\n", why ? why : "usage: hook LOG [PORT]");
		return 1;
	}
	printf("%u\n", http_server_port(hook.server));
	fflush(stdout);
	loop_signal_add(hook.loop, SIGTERM, on_signal, hook.loop);
	loop_run(hook.loop);
	http_server_free(hook.server);
	loop_free(hook.loop);
	return fclose(hook.log) ? 1 : 0;
}
