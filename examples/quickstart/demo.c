#include "examples/quickstart/demo.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/http_server.h"
#include "base/text.h"

int fail(const char *what, const char *why)
{
	fprintf(stderr, "demo: %s: %s\n", what, why);
	return 1;
}

void say(enum colour colour, const char *who, const char *format, ...)
{
	static const char *const colours[] = {
		[PLAIN] = "1", [RED] = "1;31", [GREEN] = "1;32", [BLUE] = "1;36"
	};
	time_t now = time(NULL);
	struct buf line;
	struct tm local;
	char clock[16];
	va_list args;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &local));
	buf_init(&line);
	if (isatty(STDOUT_FILENO))
		buf_printf(&line, "%s  \033[%sm%-8s\033[0m ", clock, colours[colour], who);
	else
		buf_printf(&line, "%s  %-8s ", clock, who);
	va_start(args, format);
	buf_vprintf(&line, format, args);
	va_end(args);
	buf_add_char(&line, '\n');
	if (buf_ok(&line) && write(STDOUT_FILENO, line.ptr, line.len) < 0)
		fail("standard output", strerror(errno));
	buf_fini(&line);
}

static void on_signal(void *ctx, int signo)
{
	loop_stop(ctx);
}

struct loop *demo_loop(void)
{
	struct loop *loop = loop_new();

	if (!loop || loop_signal_add(loop, SIGINT, on_signal, loop) ||
	    loop_signal_add(loop, SIGTERM, on_signal, loop)) {
		fail("event loop", "out of memory");
		exit(1);
	}
	return loop;
}

static int serve(const char *port, http_handler *handler, void *ctx)
{
	struct loop *loop = demo_loop();
	struct http_server_options options = { .address = "127.0.0.1",
					       .port = (uint16_t)strtoul(port, NULL, 10),
					       .body_max = BODY_MAX,
					       .timeout_ms = 300000,
					       .connections_max = 100 };
	struct http_server *server;
	char *why = NULL;

	if (http_server_new(loop, &options, handler, ctx, &server, &why)) {
		fail(port, why ? why : "cannot listen");
		free(why);
		return 1;
	}
	loop_run(loop);
	http_server_free(server);
	loop_free(loop);
	return 0;
}

/* ---- record ---- */

struct recorder {
	FILE *file;
	unsigned long requests;
};

static void on_record(void *ctx, struct http_request *request)
{
	struct recorder *recorder = ctx;
	struct slice path = http_request_path(request), query = http_request_query(request);
	struct buf frame, target;

	buf_init(&frame);
	buf_init(&target);
	buf_printf(&target, SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(path), query.len ? "?" : "",
		   SLICE_ARG(query));
	buf_add_u64(&frame, (uint64_t)clock_wall_ms());
	buf_add_sized(&frame, buf_slice(&target));
	buf_add_sized(&frame, http_request_header(request, "Content-Type"));
	buf_add_sized(&frame, http_request_header(request, "Content-Encoding"));
	buf_add_sized(&frame, http_request_body(request));
	bool written = buf_ok(&target) && buf_ok(&frame) &&
		       fwrite(frame.ptr, 1, frame.len, recorder->file) == frame.len &&
		       fflush(recorder->file) == 0;

	buf_fini(&target);
	buf_fini(&frame);
	recorder->requests++;
	http_reply(request, &(struct http_reply){ .status = written ? 204 : 503 });
}

static int record(const char *path, const char *port)
{
	struct recorder recorder = { .file = fopen(path, "wb") };

	if (!recorder.file || fwrite(RECORDING_MAGIC, 1, strlen(RECORDING_MAGIC), recorder.file) !=
				      strlen(RECORDING_MAGIC))
		return fail(path, strerror(errno));
	int status = serve(port, on_record, &recorder);

	fprintf(stderr, "demo: %lu requests recorded\n", recorder.requests);
	return fclose(recorder.file) ? fail(path, strerror(errno)) : status;
}

/* ---- receive ---- */

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void tell_evidence(const json_t *evidence)
{
	size_t lines = json_array_size(json_object_get(evidence, "lines")),
	       functions = json_array_size(json_object_get(evidence, "functions"));

	if (lines + functions > 0)
		say(RED, "webhook", "  evidence: %zu log lines, %zu functions", lines, functions);
}

static void on_webhook(void *ctx, struct http_request *request)
{
	struct slice body = http_request_body(request),
		     id = http_request_header(request, "webhook-id");
	json_t *root = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL), *alert;
	size_t i;

	if (http_request_method(request) != HTTP_POST || !root) {
		json_decref(root);
		http_reply(request,
			   &(struct http_reply){ .status = 400,
						 .content_type = "text/plain",
						 .body = SLICE("a webhook is JSON in a POST\n") });
		return;
	}
	json_array_foreach (json_object_get(root, "alerts"), i, alert) {
		const json_t *labels = json_object_get(alert, "labels"),
			     *annotations = json_object_get(alert, "annotations");
		const char *name = text_at(labels, "alertname"),
			   *instance = text_at(labels, "instance");

		if (strcmp(text_at(alert, "status"), "firing") == 0) {
			say(RED, "webhook", "firing: %s: %s (webhook-id " SLICE_FMT ")", name,
			    text_at(annotations, "summary"), SLICE_ARG(id));
			tell_evidence(json_object_get(alert, "evidence"));
		} else {
			say(GREEN, "webhook", "resolved: %s on %s (webhook-id " SLICE_FMT ")", name,
			    instance, SLICE_ARG(id));
		}
	}
	json_decref(root);
	http_reply(request, &(struct http_reply){ .status = 200 });
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "record") == 0)
		return record(argv[2], argv[3]);
	if (argc == 5 && strcmp(argv[1], "play") == 0)
		return play(argv[2], argv[3], argv[4]);
	if (argc == 3 && strcmp(argv[1], "receive") == 0)
		return serve(argv[2], on_webhook, NULL);
	if (argc == 3 && strcmp(argv[1], "watch") == 0)
		return watch(argv[2]);
	fprintf(stderr, "usage: demo record FILE PORT | demo play FILE PAST_SECONDS URL | demo "
			"receive PORT | demo watch URL\n");
	return 2;
}
