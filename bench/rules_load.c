/*
 * What bench/rules feeds: samples of NAMES × PER_NAME counters, by remote-write 1.0, the same bytes
 * to each of the ports of this machine.
 *
 *   rules_load pass|births NAMES PER_NAME PASS TS_MS TICKS BIRTHS PORT…
 *
 * Nothing is remembered between calls: a counter's value follows from its number and PASS (it rises
 * with each), its labels from TICKS, how often BIRTHS of all series were replaced by new ones
 * before. "pass": a sample of each. "births": the TICKS-th replacement; the old ones end with a
 * stale marker, the new ones begin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "bench/bench.h"
#include "ingest/batch.h"
#include "tests/ingest/encode.h"

#define BATCH 2000
#define TARGETS_MAX 8
#define RETRY_US 5000
#define RETRIES_MAX 2000

struct load {
	uint64_t names, series;
	uint64_t pass, ticks, births;
	int64_t ts_ms;
	int sockets[TARGETS_MAX];
	size_t ntargets, first;
	/* Of the request under way. */
	struct buf request, body, series_buf;
	unsigned rows;
	uint64_t sent;
};

/* ---- targets ---- */

static int dial(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	require(fd >= 0, "socket");
	require(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
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

/* Reads one answer, which has a Content-Length or no body; its status. */
static int read_status(int fd)
{
	char head[16384], *end = NULL;
	size_t n = 0;
	while (!end) {
		ssize_t got = read(fd, head + n, sizeof(head) - 1 - n);
		require(got > 0, "read");
		n += (size_t)got;
		head[n] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	const char *length = strcasestr(head, "\r\ncontent-length:");
	size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
	for (size_t have = n - (size_t)(end + 4 - head); have < body;) {
		ssize_t got = read(fd, head, sizeof(head));
		require(got > 0, "read");
		have += (size_t)got;
	}
	return (int)strtol(head + 9, NULL, 10);
}

static void post(struct load *load, int fd)
{
	for (int i = 0; i < RETRIES_MAX; i++) {
		write_all(fd, buf_slice(&load->body));
		int status = read_status(fd);
		if (status / 100 == 2)
			return;
		if (status != 429 && status != 503) {
			fprintf(stderr, "rules_load: answered with %d\n", status);
			exit(1);
		}
		usleep(RETRY_US);
	}
	require(false, "a request that is put off again and again");
}

static void flush(struct load *load)
{
	if (load->rows == 0)
		return;
	struct buf packed = { 0 };
	enc_snappy(&packed, buf_slice(&load->request));
	buf_clear(&load->body);
	buf_printf(&load->body,
		   "POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		   "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
		   "X-Prometheus-Remote-Write-Version: 0.1.0\r\nUser-Agent: rules_load\r\n"
		   "Content-Length: %zu\r\n\r\n",
		   packed.len);
	buf_add_slice(&load->body, buf_slice(&packed));
	require(buf_ok(&load->body), "malloc");
	/* Who is first finds the machine otherwise than who is last: in turns. */
	for (size_t i = 0; i < load->ntargets; i++)
		post(load, load->sockets[(load->first + i) % load->ntargets]);
	load->first++;
	load->sent += load->rows;
	load->rows = 0;
	buf_clear(&load->request);
	buf_fini(&packed);
}

/* ---- series ---- */

static uint64_t scattered(uint64_t i)
{
	i *= UINT64_C(0x9e3779b97f4a7c15);
	return i ^ i >> 29;
}

static void label(struct load *load, const char *name, const char *format, uint64_t a, uint64_t b)
{
	char text[96];
	snprintf(text, sizeof(text), format, (unsigned long long)a, (unsigned long long)b);
	enc_label(&load->series_buf, name, text);
}

static void sample(struct load *load, uint64_t i, uint64_t generation, uint64_t bits)
{
	uint64_t instance = i / load->names;
	label(load, "__name__", "bench_metric_%04llu_total", i % load->names, 0);
	label(load, "cluster", "cluster-%llu", instance % 7, 0);
	label(load, "instance", "10.0.%llu.%llu:9100", instance / 256, instance % 256);
	label(load, "job", "kubernetes-pods", 0, 0);
	label(load, "namespace", "team-%llu", instance % 23, 0);
	label(load, "pod", "app-%08llx-%llu", scattered(instance) >> 32, generation);
	label(load, "region", "eu-central-1", 0, 0);
	enc_sample_bits(&load->series_buf, bits, load->ts_ms);
	enc_message(&load->request, 1, &load->series_buf);
	require(buf_ok(&load->request), "malloc");
	if (++load->rows == BATCH)
		flush(load);
}

static uint64_t counter(const struct load *load, uint64_t i)
{
	uint64_t step = i / load->names % 10 ? 10 + scattered(i) % 90 : 200;
	double value =
		(double)(i % 1000 + load->pass * step + scattered(i + load->pass * 7919) % step);
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* Which one stands in place i: slots are replaced one after the other, round and round. */
static uint64_t generation_of(const struct load *load, uint64_t i, uint64_t ticks)
{
	uint64_t replaced = ticks * load->births;
	return replaced > i ? (replaced - i - 1) / load->series + 1 : 0;
}

static void pass(struct load *load)
{
	for (uint64_t i = 0; i < load->series; i++)
		sample(load, i, generation_of(load, i, load->ticks), counter(load, i));
}

static void replace(struct load *load)
{
	for (uint64_t n = 0; n < load->births; n++) {
		uint64_t i = ((load->ticks - 1) * load->births + n) % load->series;
		sample(load, i, generation_of(load, i, load->ticks - 1), STALE_NAN_BITS);
		sample(load, i, generation_of(load, i, load->ticks), counter(load, i));
	}
}

static uint64_t number(const char *text)
{
	char *end;
	errno = 0;
	uint64_t n = strtoull(text, &end, 10);
	require(*text && !*end && errno == 0, text);
	return n;
}

int main(int argc, char **argv)
{
	if (argc < 9 || argc - 8 > TARGETS_MAX) {
		fprintf(stderr, "usage: rules_load pass|births NAMES PER_NAME PASS TS_MS TICKS "
				"BIRTHS PORT…\n");
		return 2;
	}
	struct load load = { .names = number(argv[2]),
			     .series = number(argv[2]) * number(argv[3]),
			     .pass = number(argv[4]),
			     .ts_ms = (int64_t)number(argv[5]),
			     .ticks = number(argv[6]),
			     .births = number(argv[7]) };
	for (int i = 8; i < argc; i++)
		load.sockets[load.ntargets++] = dial((uint16_t)number(argv[i]));
	if (strcmp(argv[1], "pass") == 0)
		pass(&load);
	else
		replace(&load);
	flush(&load);
	printf("%llu\n", (unsigned long long)load.sent);
	buf_fini(&load.request);
	buf_fini(&load.body);
	buf_fini(&load.series_buf);
	return 0;
}
