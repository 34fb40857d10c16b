/*
 * A remote-write 1.0 sender for the end-to-end tests.
 *
 *   feed URL FILE             sends the samples of FILE once
 *   feed URL FILE EVERY_MS    sends them every so often, read anew each time, until SIGTERM
 *
 * A line of FILE is `name{label="value",…} VALUE [OFFSET_MS]`, the timestamp being now (or $NOW_MS) plus the
 * offset; all lines make one request. No connection, 429 and 5xx: the same request again, as a
 * sender does. At its end it prints `sent=REQUESTS samples=N retried=N refused=N`.
 */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/ingest/encode.h"

#define RETRY_US 20000
#define LINE_BYTES 4096

static volatile sig_atomic_t stopped;

struct feed {
	const char *url, *path;
	CURL *curl;
	struct curl_slist *headers;
	unsigned long sent, samples, retried, refused;
};

static void on_signal(int signo)
{
	stopped = 1;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "feed: %s: %s\n", what, why);
	exit(1);
}

/* name{a="b",c="d"}: __name__ first, the others as they stand. */
static char *add_labels(char *line, struct buf *series)
{
	char *at = line + strcspn(line, "{ "), *end;
	bool more = *at == '{';

	if (*at == '\0')
		die(line, "no value");
	*at++ = '\0';
	enc_label(series, "__name__", line);
	while (more && *at != '}') {
		char *name = at;

		at = strstr(at, "=\"");
		end = at ? strchr(at + 2, '"') : NULL;
		if (!end)
			die(name, "no label");
		*at = *end = '\0';
		enc_label(series, name, at + 2);
		at = end + 1 + (end[1] == ',');
	}
	return more ? at + 1 : at;
}

static unsigned long read_samples(const char *path, struct buf *message)
{
	FILE *file = fopen(path, "r");
	char line[LINE_BYTES];
	const char *now = getenv("NOW_MS");
	int64_t now_ms = now ? strtoll(now, NULL, 10) : clock_wall_ms();
	struct buf series;
	unsigned long n = 0;

	if (!file)
		die(path, "cannot read");
	buf_init(&series);
	for (; fgets(line, sizeof(line), file); n++) {
		char *rest = add_labels(line, &series), *end;
		double value = strtod(rest, &end);

		if (end == rest)
			die(line, "no value");
		enc_sample(&series, value, now_ms + strtoll(end, NULL, 10));
		enc_message(message, 1, &series);
	}
	buf_fini(&series);
	fclose(file);
	return n;
}

/* Until it is taken, or refused for good. */
static void deliver(struct feed *feed, struct slice body, unsigned long samples)
{
	curl_easy_setopt(feed->curl, CURLOPT_POSTFIELDS, body.ptr);
	curl_easy_setopt(feed->curl, CURLOPT_POSTFIELDSIZE, (long)body.len);
	while (!stopped) {
		long status = 0;
		CURLcode code = curl_easy_perform(feed->curl);

		curl_easy_getinfo(feed->curl, CURLINFO_RESPONSE_CODE, &status);
		if (code == CURLE_OK && status / 100 == 2) {
			feed->sent++;
			feed->samples += samples;
			return;
		}
		if (code == CURLE_OK && status != 429 && status / 100 != 5) {
			fprintf(stderr, "feed: answered %ld\n", status);
			feed->refused++;
			return;
		}
		feed->retried++;
		usleep(RETRY_US);
	}
}

static void send_once(struct feed *feed)
{
	struct buf message, body;

	buf_init(&message);
	buf_init(&body);
	unsigned long n = read_samples(feed->path, &message);

	enc_snappy(&body, buf_slice(&message));
	deliver(feed, buf_slice(&body), n);
	buf_fini(&message);
	buf_fini(&body);
}

static size_t drop(char *bytes, size_t size, size_t n, void *ctx)
{
	return size * n;
}

int main(int argc, char **argv)
{
	struct feed feed = { .url = argv[1],
			     .path = argc > 2 ? argv[2] : NULL,
			     .curl = curl_easy_init() };
	unsigned long every_ms = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	if (argc < 3 || !feed.curl)
		die("usage", "feed URL FILE [EVERY_MS]");
	/* A handler without SA_RESTART: usleep() ends at once. */
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	feed.headers = curl_slist_append(feed.headers, "Content-Type: application/x-protobuf");
	feed.headers = curl_slist_append(feed.headers, "Content-Encoding: snappy");
	feed.headers = curl_slist_append(feed.headers, "User-Agent: feed");
	curl_easy_setopt(feed.curl, CURLOPT_URL, feed.url);
	curl_easy_setopt(feed.curl, CURLOPT_HTTPHEADER, feed.headers);
	curl_easy_setopt(feed.curl, CURLOPT_WRITEFUNCTION, drop);
	curl_easy_setopt(feed.curl, CURLOPT_TIMEOUT, 20L);
	do {
		send_once(&feed);
		if (every_ms && !stopped)
			usleep((useconds_t)every_ms * 1000);
	} while (every_ms && !stopped);
	printf("sent=%lu samples=%lu retried=%lu refused=%lu\n", feed.sent, feed.samples,
	       feed.retried, feed.refused);
	curl_slist_free_all(feed.headers);
	curl_easy_cleanup(feed.curl);
	curl_global_cleanup();
	return feed.refused ? 1 : 0;
}
