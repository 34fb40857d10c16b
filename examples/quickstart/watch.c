/*
 * demo watch: asks a daemon's overview four times a second and prints what is new in it: alerts with
 * their annotations, steps of runs as they end, and how runs end.
 */
#include "examples/quickstart/demo.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/http_client.h"

#define EVERY_MS 250
#define TEXT_MAX 400 /* bytes of an annotation, or of a script's output, that are shown */
#define LINES_MAX 2  /* of an annotation */
#define KEY_BYTES 128

struct watcher {
	struct loop *loop;
	struct http_client *http;
	struct loop_timer *timer;
	char url[512];
	json_t *firing; /* labels as text → summary, as of the last look */
	json_t *told;	/* ids of runs whose end was told, and RUN/STEP */
};

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* The length of a text's first line, or of what is shown of it. */
static int shown_len(const char *text)
{
	size_t len = strcspn(text, "\n");

	return (int)(len < TEXT_MAX ? len : TEXT_MAX);
}

/* The first lines of each annotation: of log lines one or two say what all say. */
static void tell_annotations(const json_t *annotations)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)annotations, name, value) {
		const char *text = json_string_value(value);

		for (int i = 0; text && *text && i < LINES_MAX; i++) {
			say(RED, "", "  %s: %.*s", name, shown_len(text), text);
			text += strcspn(text, "\n");
			text += *text == '\n';
		}
	}
}

static void tell_new_alerts(struct watcher *watcher, const json_t *alerts)
{
	json_t *firing = json_object(), *alert, *old;
	const char *key;
	size_t i;

	json_array_foreach (alerts, i, alert) {
		char *labels =
			json_dumps(json_object_get(alert, "labels"), JSON_SORT_KEYS | JSON_COMPACT);

		if (labels && strcmp(text_at(alert, "state"), "firing") == 0) {
			if (!json_object_get(watcher->firing, labels)) {
				say(RED, "alert", "%s fires", text_at(alert, "rule"));
				tell_annotations(json_object_get(alert, "annotations"));
			}
			json_object_set_new(firing, labels, json_string(text_at(alert, "rule")));
		}
		free(labels);
	}
	json_object_foreach (watcher->firing, key, old)
		if (!json_object_get(firing, key))
			say(GREEN, "alert", "%s is over", json_string_value(old));
	json_decref(watcher->firing);
	watcher->firing = firing;
}

/* Is it told for the first time? */
static bool is_new(struct watcher *watcher, const char *key)
{
	if (json_object_get(watcher->told, key))
		return false;
	json_object_set_new(watcher->told, key, json_true());
	return true;
}

static void tell_step(const json_t *run, const json_t *step)
{
	const char *output = text_at(step, "output");

	say(BLUE, "run", "%s, step %s: %s (%s)%s%.*s", text_at(run, "runbook"), text_at(step, "id"),
	    text_at(step, "state"), text_at(step, "message"), *output ? "; it said: " : "",
	    shown_len(output), output);
}

static void tell_new_runs(struct watcher *watcher, const json_t *runs)
{
	const json_t *run, *step;
	char key[KEY_BYTES];
	size_t i, k;

	json_array_foreach (runs, i, run) {
		const char *id = text_at(run, "id"), *reason = text_at(run, "reason");

		json_array_foreach (json_object_get(run, "steps"), k, step) {
			snprintf(key, sizeof(key), "%s/%s", id, text_at(step, "id"));
			if (json_is_integer(json_object_get(step, "finished")) &&
			    is_new(watcher, key))
				tell_step(run, step);
		}
		if (json_is_integer(json_object_get(run, "finished")) && is_new(watcher, id))
			say(strcmp(text_at(run, "state"), "recovered") == 0 ? GREEN : RED, "run",
			    "%s: %s%s%s", text_at(run, "runbook"), text_at(run, "state"),
			    *reason ? ": " : "", reason);
	}
}

static void on_answer(void *ctx, const struct http_result *result)
{
	struct watcher *watcher = ctx;

	if (result->status == 200) {
		json_t *root = json_loadb(result->body.ptr, result->body.len, 0, NULL);

		if (root) {
			tell_new_alerts(watcher, json_object_get(root, "alerts"));
			tell_new_runs(watcher, json_object_get(root, "runs"));
		}
		json_decref(root);
	}
	/* No answer: the daemon starts or ends; who started it sees to that. */
	loop_timer_set(watcher->timer, EVERY_MS);
}

static void ask(void *ctx)
{
	struct watcher *watcher = ctx;
	struct http_send request = { .method = "GET", .url = watcher->url, .timeout_ms = 5000 };

	if (http_send(watcher->http, &request, on_answer, watcher, NULL))
		loop_timer_set(watcher->timer, EVERY_MS);
}

int watch(const char *url)
{
	struct watcher watcher = { .loop = demo_loop(),
				   .firing = json_object(),
				   .told = json_object() };

	snprintf(watcher.url, sizeof(watcher.url), "%s/api/tocsin/v1/overview", url);
	watcher.http = http_client_new(watcher.loop);
	watcher.timer = loop_timer_new(watcher.loop, ask, &watcher);
	loop_timer_set(watcher.timer, 0);
	loop_run(watcher.loop);
	loop_timer_free(watcher.timer);
	http_client_free(watcher.http);
	loop_free(watcher.loop);
	json_decref(watcher.firing);
	json_decref(watcher.told);
	return 0;
}
