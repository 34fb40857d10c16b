/*
 * The HTTP API, asked by anybody: a first line "/api/v1/query?query=up", and a body, which makes it
 * a POST. Whatever is asked is answered, with a status and with JSON that is well formed.
 *
 * All of it is there as in the daemon, but for profiles: server, parameters, engine, actions. What
 * cannot stand in a request line is escaped: that is libevent's to refuse (tests/e2e/hostile asks
 * it).
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "tests/web/harness.h"

#define TARGET_BYTES_MAX 3000 /* escaped */
#define BODY_BYTES_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules_text[] = "groups:\n"
				 "- name: g\n"
				 "  rules:\n"
				 "  - {record: r, expr: 'sum by (job) (x)', labels: {team: a}}\n"
				 "  - {alert: Down, expr: 'up == 0', labels: {severity: page}, "
				 "annotations: {s: '{{ $value }}'}}\n"
				 "  - {alert: Slow, expr: 'rate(x[1m]) > 0', for: 5m}\n";

static void must(bool holds)
{
	if (!holds)
		abort();
}

/*
 * What the harness finds by Check's macros ends the target as well: in the place of Check's own
 * functions, which want to be in a test of Check's.
 */
void _ck_assert_failed(const char *file, int line, const char *expr, const char *message, ...);
void _mark_point(const char *file, int line);

void _ck_assert_failed(const char *file, int line, const char *expr, const char *message, ...)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, expr);
	abort();
}

void _mark_point(const char *file, int line)
{
}

static struct web_harness *harness(void)
{
	static struct web_harness w;
	static bool started;
	if (started)
		return &w;
	started = true;
	web_harness_start(&w, NULL);
	web_harness_load(&w, rules_text);
	for (int i = 0; i < 5; i++)
		web_harness_at(&w, i * 30,
			       "up{job=\"a\",instance=\"1\"} 0; up{job=\"b\"} 1; "
			       "x{job=\"a\",i=\"1\"} 3; x{job=\"b\",i=\"2\"} 4");
	return &w;
}

static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && !strchr("\"#<>\\^`{|}", c);
}

/* False: it is none, or one that is not asked here. */
static bool put_target(struct slice line, struct buf *out)
{
	if (line.len == 0 || line.ptr[0] != '/')
		return false;
	for (size_t i = 0; i < line.len; i++) {
		if (is_plain(line.ptr[i]))
			buf_add_char(out, line.ptr[i]);
		else
			buf_printf(out, "%%%02X", (unsigned char)line.ptr[i]);
	}
	buf_add_char(out, '\0');
	/* curl would take another path for one with ".." in it. */
	return out->len <= TARGET_BYTES_MAX && !strstr(out->ptr, "/profile") &&
	       !strstr(out->ptr, "/.") && !strstr(out->ptr, "/%2");
}

static bool is_json(const struct web_harness *w)
{
	json_error_t error;
	json_t *json =
		json_loadb(w->body.ptr, w->body.len - 1,
			   JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	json_decref(json);
	return json != NULL;
}

/* A silence that was made is ended, for the next input to find what this one did. */
static void end_silence(struct web_harness *w)
{
	char target[200];
	const char *id = web_json(w, "silenceID");
	if (!*id)
		return;
	snprintf(target, sizeof(target), "/api/v2/silence/%s", id);
	web_ask(w, "DELETE", target, NULL, NULL);
	must(w->status == 200);
}

static void ask(const char *target, const char *body)
{
	static const char *const form[] = { "Content-Type", "application/x-www-form-urlencoded",
					    NULL };
	static const char *const json[] = { "Content-Type", "application/json", NULL };
	struct web_harness *w = harness();
	bool makes_silence = body && strstr(target, "/silences");
	web_ask(w, body ? "POST" : "GET", target, makes_silence ? json : body ? form : NULL, body);
	must(w->status >= 200 && w->status <= 599);
	if (w->status == 200 && strncmp(target, "/api/", 5) == 0)
		must(is_json(w));
	if (makes_silence && w->status == 200)
		end_silence(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	ptrdiff_t newline = slice_find(text, '\n');
	struct slice line = { text.ptr, newline < 0 ? size : (size_t)newline };
	struct buf target;
	char *body = NULL;
	buf_init(&target);
	if (newline >= 0 && size - line.len - 1 <= BODY_BYTES_MAX)
		body = strndup(text.ptr + newline + 1, size - line.len - 1);
	if (put_target(line, &target))
		ask(target.ptr, body);
	free(body);
	buf_fini(&target);
	return 0;
}
