/*
 * Sends what nobody should: hostile PORT SEED REQUESTS FILE…
 *
 * Each request takes one of the files as its body, damages it (cut, bytes changed, bytes put in, noise, nothing) and sends it to the
 * remote-write path under one content type and encoding or another, or hangs up in the middle. Prints how often each status came. Exit code 1 when an answer is
 * missing or says that the server, not the request, is at fault.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define BODY_MAX (256 * 1024)
#define FILES_MAX 200
#define ANSWER_S 20

struct body {
	char *bytes;
	size_t len;
};

static struct body files[FILES_MAX];
static size_t nfiles;
static char body[BODY_MAX];
static unsigned long long state;

/* Enough of a generator: the same requests for the same seed. */
static unsigned long below(unsigned long n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned long)(state >> 33) % n;
}

static const char *const types[] = { "application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request",
				     "application/x-protobuf;proto=prometheus.WriteRequest", "application/x-protobuf;proto=x", "text/plain", "" };
static const char *const encodings[] = { "snappy", "snappy", "snappy", "zstd", "gzip", "identity", "br", "" };

static void read_files(int n, char **paths)
{
	for (int i = 0; i < n && nfiles < FILES_MAX; i++) {
		FILE *file = fopen(paths[i], "rb");
		char *bytes = malloc(BODY_MAX);

		if (!file || !bytes) {
			perror(paths[i]);
			exit(2);
		}
		files[nfiles].len = fread(bytes, 1, BODY_MAX / 2, file);
		files[nfiles++].bytes = bytes;
		fclose(file);
	}
}

static size_t damage(const struct body *from, char *to)
{
	size_t len = from->len;

	memcpy(to, from->bytes, len);
	switch (below(6)) {
	case 0:
		return below(len + 1);
	case 1:
		for (unsigned long n = 1 + below(20); n > 0; n--)
			to[below(len)] = (char)below(256);
		return len;
	case 2: {
		size_t at = below(len), n = 1 + below(64);

		memmove(to + at + n, to + at, len - at);
		for (size_t i = 0; i < n; i++)
			to[at + i] = (char)below(256);
		return len + n;
	}
	case 3:
		len = below(4096);
		for (size_t i = 0; i < len; i++)
			to[i] = (char)below(256);
		return len;
	case 4:
		return 0;
	default:
		/* The length that snappy and protobuf begin with: something enormous. */
		memset(to, 0xff, len < 5 ? len : 5);
		return len;
	}
}

static int dial(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((unsigned short)strtoul(port, NULL, 10)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = ANSWER_S };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror("connect");
		exit(1);
	}
	return fd;
}

static void write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* it may answer and hang up before it has read everything */
		bytes += n;
		len -= (size_t)n;
	}
}

#define HUNG_UP 599 /* we did, in the middle */

/* 0: no answer. */
static int ask(const char *port, const char *bytes, size_t len)
{
	char head[512], answer[256];
	size_t got = 0;
	int fd = dial(port), status = 0;
	int n = snprintf(head, sizeof(head),
			 "POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Encoding: %s\r\n"
			 "Content-Length: %zu\r\n\r\n",
			 port, types[below(sizeof(types) / sizeof(*types))], encodings[below(sizeof(encodings) / sizeof(*encodings))], len);

	write_all(fd, head, (size_t)n);
	if (len > 0 && below(10) == 0) {
		write_all(fd, bytes, below(len));
		close(fd);
		return HUNG_UP;
	}
	write_all(fd, bytes, len);
	while (got < 12) {
		ssize_t more = recv(fd, answer + got, sizeof(answer) - 1 - got, 0);

		if (more <= 0)
			break;
		got += (size_t)more;
	}
	answer[got] = '\0';
	if (got >= 12 && sscanf(answer, "HTTP/1.%*d %d", &status) != 1)
		status = 0;
	close(fd);
	return status;
}

int main(int argc, char **argv)
{
	unsigned long counts[600] = { 0 }, requests = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	int bad = 0;

	if (argc < 5) {
		fprintf(stderr, "usage: hostile PORT SEED REQUESTS FILE...\n");
		return 2;
	}
	state = strtoull(argv[2], NULL, 10);
	read_files(argc - 4, argv + 4);
	for (unsigned long i = 0; i < requests; i++) {
		size_t len = damage(&files[below(nfiles)], body);
		int status = ask(argv[1], body, len);

		counts[status >= 0 && status < 600 ? status : 0]++;
		bad += status < 200 || (status >= 500 && status != HUNG_UP);
	}
	for (int status = 0; status < HUNG_UP; status++)
		if (counts[status])
			printf("%d=%lu ", status, counts[status]);
	printf("\n");
	while (nfiles > 0)
		free(files[--nfiles].bytes);
	return bad > 0;
}
