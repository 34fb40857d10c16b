/*
 * What bench/arrival measures with: a sender, a webhook receiver and a prober in one program, with
 * one clock.
 *
 *   arrival_load DAEMON_PORT HOOK_PORT CROSSINGS CROSSINGS_A_SECOND SAMPLES_A_SECOND
 *
 * First each series gets a sample: `crossing` of each instance, at 0, and SERIES of `load_0000` to
 * `load_0999`. Then requests go out every STEP_US, with as many samples as the rate wants, some of
 * them a `crossing` that goes to 1, each once. From the moment before the request with it is
 * written, to the moment when the webhook that names its instance has been read, is its latency.
 * Meanwhile GET /-/healthy is asked now and again: what a round trip costs that does nothing.
 *
 * Prints both, in microseconds: p50, p99, the greatest.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "ingest/batch.h"
#include "tests/ingest/encode.h"

#define STEP_US 10000
#define BATCH 2000
#define NAMES 1000
#define SERIES 100000
#define CROSSINGS_MAX 1000000
#define CONNECTIONS_MAX 512
#define REQUEST_MAX 65536
#define PROBE_US 20000
#define PROBES_MAX 1000000
#define LAST_WAIT_US 10000000 /* for webhooks after the last crossing */

static int64_t sent_us[CROSSINGS_MAX], took_us[CROSSINGS_MAX], probe_us[PROBES_MAX];
static _Atomic uint32_t received;
static _Atomic bool done;
static uint32_t nprobes, repeated;

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "arrival_load: %s failed: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- sockets ---- */

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int dial(uint16_t port)
{
	struct sockaddr_in address = loopback(port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	require(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0,
		"connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = loopback(port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	require(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
			listen(fd, CONNECTIONS_MAX) == 0,
		"listen");
	return fd;
}

static void write_all(int fd, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		require(n > 0, "write");
		bytes = (struct slice){ bytes.ptr + n, bytes.len - (size_t)n };
	}
}

/* The bytes of the first request or answer in the text, or 0: not all of it is there. */
static size_t message_length(const char *text, size_t n)
{
	const char *end = strstr(text, "\r\n\r\n");
	if (!end)
		return 0;
	const char *length = strcasestr(text, "\r\ncontent-length:");
	size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
	size_t all = (size_t)(end + 4 - text) + body;
	return n >= all ? all : 0;
}

static int read_status(int fd)
{
	char text[REQUEST_MAX];
	for (size_t n = 0;;) {
		ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);
		require(got > 0, "read");
		text[n += (size_t)got] = '\0';
		if (message_length(text, n))
			return (int)strtol(text + 9, NULL, 10);
	}
}

/* ---- the receiver ---- */

struct connection {
	char text[REQUEST_MAX];
	size_t n;
};

static struct pollfd polled[CONNECTIONS_MAX + 1];
static struct connection connections[CONNECTIONS_MAX + 1];
static nfds_t npolled = 1;

static void heard(const char *text)
{
	int64_t now_us = clock_monotonic_us();
	const char *label = strstr(text, "\"instance\":\"");
	uint64_t number = label ? strtoull(label + 12, NULL, 10) : CROSSINGS_MAX;
	require(number < CROSSINGS_MAX && sent_us[number] != 0, "a webhook's instance");
	if (took_us[number]) {
		repeated++;
		return;
	}
	took_us[number] = now_us - sent_us[number];
	atomic_fetch_add(&received, 1);
}

static void hear(struct connection *connection, int fd)
{
	ssize_t got = read(fd, connection->text + connection->n,
			   sizeof(connection->text) - 1 - connection->n);
	require(got >= 0, "read");
	connection->n += (size_t)got;
	connection->text[connection->n] = '\0';
	for (size_t n; (n = message_length(connection->text, connection->n)) > 0;) {
		heard(connection->text);
		write_all(fd, SLICE("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
		memmove(connection->text, connection->text + n, connection->n - n + 1);
		connection->n -= n;
	}
	if (got > 0)
		return;
	close(fd);
	nfds_t at = (nfds_t)(connection - connections);
	polled[at] = polled[--npolled];
	connections[at] = connections[npolled];
}

static void *receive(void *arg)
{
	while (!atomic_load(&done)) {
		require(poll(polled, npolled, 100) >= 0, "poll");
		for (nfds_t i = npolled; i-- > 1;)
			if (polled[i].revents)
				hear(&connections[i], polled[i].fd);
		if (!(polled[0].revents & POLLIN))
			continue;
		require(npolled <= CONNECTIONS_MAX, "one more connection");
		int fd = accept(polled[0].fd, NULL, NULL);
		require(fd >= 0, "accept");
		connections[npolled].n = 0;
		polled[npolled++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	return NULL;
}

/* ---- the prober ---- */

static void *probe(void *arg)
{
	int fd = dial(*(uint16_t *)arg);
	while (!atomic_load(&done) && nprobes < PROBES_MAX) {
		int64_t begun_us = clock_monotonic_us();
		write_all(fd, SLICE("GET /-/healthy HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
		require(read_status(fd) == 200, "GET /-/healthy");
		probe_us[nprobes++] = clock_monotonic_us() - begun_us;
		usleep(PROBE_US);
	}
	close(fd);
	return NULL;
}

/* ---- the sender ---- */

struct load {
	int fd;
	struct buf request, series, body;
	unsigned rows;
};

static void add(struct load *load, const char *name, const char *job, uint64_t instance,
		double value)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)instance);
	enc_label(&load->series, "__name__", name);
	enc_label(&load->series, "instance", text);
	enc_label(&load->series, "job", job);
	enc_sample(&load->series, value, clock_wall_ms());
	enc_message(&load->request, 1, &load->series);
	load->rows++;
}

static void add_load(struct load *load, uint64_t i, double value)
{
	char name[24];
	snprintf(name, sizeof(name), "load_%04u", (unsigned)(i % NAMES));
	add(load, name, "load", i / NAMES, value);
}

static void post(struct load *load)
{
	struct buf packed = { 0 };
	if (load->rows == 0)
		return;
	enc_snappy(&packed, buf_slice(&load->request));
	buf_clear(&load->body);
	buf_printf(&load->body,
		   "POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		   "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
		   "X-Prometheus-Remote-Write-Version: 0.1.0\r\nUser-Agent: arrival_load\r\n"
		   "Content-Length: %zu\r\n\r\n",
		   packed.len);
	buf_add_slice(&load->body, buf_slice(&packed));
	require(buf_ok(&load->body), "malloc");
	write_all(load->fd, buf_slice(&load->body));
	require(read_status(load->fd) / 100 == 2, "POST /api/v1/write");
	load->rows = 0;
	buf_clear(&load->request);
	buf_fini(&packed);
}

static void fill(struct load *load, uint64_t crossings)
{
	for (uint64_t i = 0; i < SERIES + crossings; i++) {
		if (i < SERIES)
			add_load(load, i, 1);
		else
			add(load, "crossing", "crossing", i - SERIES, 0);
		if (load->rows == BATCH)
			post(load);
	}
	post(load);
}

static void sleep_until(int64_t us)
{
	int64_t left_us = us - clock_monotonic_us();
	if (left_us > 0)
		usleep((useconds_t)left_us);
}

static void cross(struct load *load, uint64_t crossings, uint64_t rate, uint64_t samples)
{
	int64_t begun_us = clock_monotonic_us();
	uint64_t crossed = 0, written = 0;
	for (uint64_t step = 1; crossed < crossings; step++) {
		sleep_until(begun_us + (int64_t)step * STEP_US);
		uint64_t first = crossed, due = step * STEP_US * rate / 1000000;
		for (uint64_t wanted = step * STEP_US * samples / 1000000; written < wanted; written++)
			if (crossed < due && crossed < crossings)
				add(load, "crossing", "crossing", crossed++, 1);
			else
				add_load(load, written % SERIES, (double)step);
		int64_t now_us = clock_monotonic_us();
		for (uint64_t i = first; i < crossed; i++)
			sent_us[i] = now_us;
		post(load);
	}
	for (int64_t end_us = clock_monotonic_us() + LAST_WAIT_US;
	     atomic_load(&received) < crossings && clock_monotonic_us() < end_us;)
		usleep(STEP_US);
}

/* ---- results ---- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void print(const char *what, int64_t *us, uint32_t n)
{
	qsort(us, n, sizeof(*us), by_size);
	printf("%s n=%u p50=%lld p99=%lld max=%lld\n", what, n, n ? (long long)us[n / 2] : 0,
	       n ? (long long)us[n * 99 / 100] : 0, n ? (long long)us[n - 1] : 0);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);
	require(*text && !*end && n > 0, text);
	return n;
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: arrival_load DAEMON_PORT HOOK_PORT CROSSINGS "
				"CROSSINGS_A_SECOND SAMPLES_A_SECOND\n");
		return 2;
	}
	uint16_t port = (uint16_t)number(argv[1]);
	uint64_t crossings = number(argv[3]);
	require(crossings <= CROSSINGS_MAX, "CROSSINGS");
	polled[0] = (struct pollfd){ .fd = listen_on((uint16_t)number(argv[2])), .events = POLLIN };
	struct load load = { .fd = dial(port) };
	pthread_t receiver, prober;
	fill(&load, crossings);
	require(pthread_create(&receiver, NULL, receive, NULL) == 0, "a thread");
	require(pthread_create(&prober, NULL, probe, &port) == 0, "a thread");
	cross(&load, crossings, number(argv[4]), number(argv[5]));
	atomic_store(&done, true);
	pthread_join(receiver, NULL);
	pthread_join(prober, NULL);
	uint32_t n = 0;
	for (uint64_t i = 0; i < crossings; i++)
		if (took_us[i])
			took_us[n++] = took_us[i];
	print("webhook", took_us, n);
	print("no-op", probe_us, nprobes);
	printf("missing=%llu repeated=%u\n", (unsigned long long)(crossings - n), repeated);
	buf_fini(&load.request);
	buf_fini(&load.series);
	buf_fini(&load.body);
	return n == crossings ? 0 : 1;
}
